//! Neuron models: what scenes can name, which biases and circuits it has, and which equations
//! advance it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`dpi`] | the presets `arcana` and `dynapse1` of the DPI neuron |
//! | [`lif`] | the plain leaky integrate-and-fire neuron |
//! | [`host`] | models that are ordinary Rust code on the host |
//!
//! All of them implement [`NeuronModel`], and so does a model of a user's plugin
//! ([`Plugins::add_model`](crate::Plugins::add_model)): its biases are components, get mismatch, are
//! read from files and dumped, and its mistakes are shown at their place, as those of the built-in
//! ones.

pub mod dpi;
pub mod host;
pub mod lif;
mod nominal;

use std::fmt;
use std::sync::Arc;

use crate::circuit::{Bias, Block, Receptor};
use crate::scene::Variable;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::solver::event::EventNeurons;
use crate::solver::kernel::Kernel;
use crate::time::Time;
use crate::units::Unit;

pub use dpi::Dpi;
pub use host::{HostEquations, HostModel, Input};
pub use lif::Lif;
pub(crate) use nominal::AnyModel;
pub use nominal::{Model, Nominal};

/// A neuron model that scenes can name: `name(soma: (…), receptor: (…))`.
///
/// A value of the type is a model with its settings (what it has besides the biases of its blocks);
/// the value given to [`Plugins::add_model`](crate::Plugins::add_model) has the default ones.
pub trait NeuronModel: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The biases of a neuron besides those of its synapses: the block `soma` of a scene.
    type Soma: Block;
    /// The biases of one synapse circuit.
    type Synapse: Block;

    /// Its name in scenes.
    fn name(&self) -> &'static str;

    /// The receptors at which connections can end: at most eight.
    fn receptors(&self) -> &'static [Receptor];

    /// All its circuits, in the order of banks and files: the receptors and, behind them, those
    /// that no connection reaches.
    fn circuits(&self) -> &'static [Receptor] {
        self.receptors()
    }

    /// Whether a circuit is there even where neither the scene mentions it nor a connection ends
    /// there.
    fn is_always_there(&self, circuit: Receptor) -> bool {
        !self.receptors().contains(&circuit)
    }

    /// The nominal soma. A bias that is NaN has no default: a scene must give it.
    fn soma(&self) -> Self::Soma;

    /// The nominal circuit of a receptor.
    fn synapse(&self, circuit: Receptor) -> Self::Synapse;

    /// The biases that a soma of this model has.
    fn soma_biases(&self) -> Vec<&'static Bias<Self::Soma>> {
        Self::Soma::BIASES.iter().collect()
    }

    /// Why a bias has no default.
    fn why_no_default(&self, bias: &str) -> &'static str {
        let _ = bias;
        "it has no default in this model"
    }

    /// Reads the settings that a scene gives beside the blocks.
    fn read_settings(&mut self, fields: &mut Fields, dx: &mut Diagnostics) {
        let _ = (fields, dx);
    }

    /// All settings as a scene gives them: key and value in RON.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What is wrong with the biases of an instance, beyond the domain of each.
    fn check(&self, soma: &Self::Soma) -> Option<Conflict> {
        let _ = soma;
        None
    }

    /// What is wrong with nominal biases only.
    fn check_nominal(&self, soma: &Self::Soma) -> Option<Conflict> {
        let _ = soma;
        None
    }

    /// The state variables that a trace can show.
    fn variables(&self) -> Vec<StateVariable>;

    /// The membrane (`None`) or the current of a circuit at the start.
    fn initial(&self, circuit: Option<Receptor>) -> f64 {
        let _ = circuit;
        0.0
    }

    /// The least value that the membrane (`None`) or a current can have.
    fn least(&self, circuit: Option<Receptor>) -> f64 {
        match circuit {
            None => f64::from(f32::MIN),
            Some(_) => 0.0,
        }
    }

    /// The current of a circuit that does not exist; `off`: because the scene took it out.
    fn resting_current(&self, circuit: Receptor, off: bool) -> f64 {
        let _ = (circuit, off);
        0.0
    }

    /// The floor of a bias of this unit that mismatch draws too small (Gaussian law only); `None`: a
    /// hundredth of the nominal value.
    fn mismatch_floor(&self, unit: Unit) -> Option<f64> {
        let _ = unit;
        None
    }

    /// Time constants by name, s, below which a step should be; none where a step is exact.
    fn time_constants(
        &self,
        soma: &Self::Soma,
        synapses: &[(Receptor, Self::Synapse)],
    ) -> Vec<(&'static str, f64)> {
        let _ = (soma, synapses);
        Vec::new()
    }

    /// The threshold of a neuron as a value of one of its variables, for the picture of a trace.
    fn threshold(&self, soma: &Self::Soma) -> Option<(Variable, f64)> {
        let _ = soma;
        None
    }

    /// The rate of a neuron under its constant input alone, Hz, where its equations have a closed form;
    /// 0 below the rheobase.
    fn steady_rate(&self, soma: &Self::Soma, circuits: &Circuits) -> Option<f64> {
        let _ = (soma, circuits);
        None
    }

    /// The unit of a direct input that changes in time; `None`: the model has no such input.
    fn dc_unit(&self) -> Option<Unit> {
        None
    }

    /// Whether weights are rounded to whole numbers, halves to even (the chip counts pulses).
    fn rounds_weights(&self) -> bool {
        false
    }

    /// Whether it describes the DPI neuron as it is on the chip DYNAP-SE1, so that a scene with
    /// `chip: Dynapse1()` may have it.
    fn is_on_dynapse1(&self) -> bool {
        false
    }

    /// Its neurons as the event-driven solver carries them, at a tolerance of spike times (`is_driven`:
    /// some have a direct input that changes in time); `None`: they are advanced by steps, whatever
    /// the solver.
    fn event_equations(
        &self,
        circuits: &Circuits,
        tolerance: Time,
        is_driven: bool,
    ) -> Option<Box<dyn EventNeurons>> {
        let _ = (circuits, tolerance, is_driven);
        None
    }

    /// The equations that advance its neurons by steps of `dt`.
    fn equations(&self, circuits: &Circuits, dt: Time) -> Equations;
}

/// Which circuits the neurons of a population have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Circuits {
    /// Those that exist, ordered.
    pub present: Vec<Receptor>,
    /// Those that the scene took out, ordered.
    pub off: Vec<Receptor>,
}

impl Circuits {
    /// Whether a circuit exists.
    #[must_use]
    pub fn has(&self, circuit: Receptor) -> bool {
        self.present.contains(&circuit)
    }

    /// Whether the scene took a circuit out.
    #[must_use]
    pub fn is_off(&self, circuit: Receptor) -> bool {
        self.off.contains(&circuit)
    }
}

/// What advances the neurons of a model.
pub enum Equations {
    /// A kernel over the columns of a bank, run by the back end.
    Kernel(Arc<dyn Kernel>),
    /// Code on the host, run neuron by neuron.
    Host(HostEquations),
}

/// Biases that do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The bias of the soma that is to be changed.
    pub bias: &'static str,
    /// What is wrong: `Ith = 1 pA is not above Ireset = 2 pA`.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// A state variable of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StateVariable {
    /// Which.
    pub variable: Variable,
    /// Its unit.
    pub unit: Unit,
    /// Where its value is found.
    pub read: Read,
}

/// Where the value of a state variable is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Read {
    /// The membrane column of the kernel.
    Membrane,
    /// The voltage that belongs to the membrane current: `scale`·ln(Imem/`reference`).
    MembraneVoltage {
        /// UT/κ, V.
        scale: f64,
        /// I0 in single precision, A.
        reference: f64,
    },
    /// The current of a circuit.
    Circuit(Receptor),
    /// A column of the kernel's state, or the value at this place of a host model's state.
    Column(usize),
}
