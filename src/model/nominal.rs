//! A model with the nominal values of a scene, and the same without its type.

use std::any::Any;
use std::fmt;

use bevy_ecs::prelude::*;

use super::{Circuits, Conflict, Equations, NeuronModel, StateVariable};
use crate::circuit::{Bias, Block, Domain, Receptor};
use crate::error::Error;
use crate::scene::spawn::{self, Order, Spawned};
use crate::scene::{BiasPath, Variable};
use crate::simulation::Simulation;
use crate::solver::event::{self, EventNeurons};
use crate::solver::kernel::Kernel;
use crate::time::Time;
use crate::units::Unit;

/// The nominal neuron of a population: a model with the values of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Nominal<M: NeuronModel> {
    /// The model with its settings.
    pub model: M,
    /// Nominal biases of the soma.
    pub soma: M::Soma,
    /// Nominal biases of the circuits that exist, in the order of the model's circuits. A receptor
    /// that neither the scene mentions nor a connection targets has no circuit.
    pub synapses: Vec<(Receptor, M::Synapse)>,
    /// Circuits that the scene took out.
    pub off: Vec<Receptor>,
}

impl<M: NeuronModel> Nominal<M> {
    /// The nominal synapse of a receptor, if there is such a circuit.
    #[must_use]
    pub fn synapse(&self, receptor: Receptor) -> Option<&M::Synapse> {
        self.synapses.iter().find(|(r, _)| *r == receptor).map(|(_, synapse)| synapse)
    }

    /// Which circuits exist.
    #[must_use]
    pub fn circuits(&self) -> Circuits {
        let present = self.synapses.iter().map(|(r, _)| *r).collect();
        Circuits { present, off: self.off.clone() }
    }

    /// The bias of the soma of that name.
    #[must_use]
    pub fn soma_bias(&self, name: &str) -> Option<&'static Bias<M::Soma>> {
        self.model.soma_biases().into_iter().find(|bias| bias.name == name)
    }

    /// The bias of synapses of that name.
    #[must_use]
    pub fn synapse_bias(&self, name: &str) -> Option<&'static Bias<M::Synapse>> {
        M::Synapse::BIASES.iter().find(|bias| bias.name == name)
    }
}

/// A bias of a block, without the block's type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BiasInfo {
    /// Its name in scenes.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The values it may take.
    pub domain: Domain,
    /// What it is.
    pub doc: &'static str,
}

impl BiasInfo {
    fn of<B>(bias: &Bias<B>) -> BiasInfo {
        BiasInfo { name: bias.name, unit: bias.unit, domain: bias.domain, doc: bias.doc }
    }
}

/// What the program needs of a population's model, whatever its type.
pub(crate) trait AnyModel: fmt::Debug + Send + Sync + 'static {
    fn clone_box(&self) -> Box<dyn AnyModel>;
    fn as_any(&self) -> &dyn Any;
    fn name(&self) -> &'static str;
    fn receptors(&self) -> &'static [Receptor];
    fn all_circuits(&self) -> &'static [Receptor];
    fn circuits(&self) -> Circuits;
    fn ensure_circuit(&mut self, circuit: Receptor);
    fn biases(&self, circuit: Option<Receptor>) -> Vec<BiasInfo>;
    fn nominal(&self, path: BiasPath) -> Option<f64>;
    fn settings(&self) -> Vec<(&'static str, String)>;
    fn check_with(&self, soma: &[(&str, f64)]) -> Option<Conflict>;
    fn variables(&self) -> Vec<StateVariable>;
    fn least(&self, circuit: Option<Receptor>) -> f64;
    fn resting_current(&self, circuit: Receptor) -> f64;
    fn time_constants(&self) -> Vec<(&'static str, f64)>;
    fn dc_unit(&self) -> Option<Unit>;
    fn rounds_weights(&self) -> bool;
    fn is_on_dynapse1(&self) -> bool;
    fn shares_kernel(&self, other: &dyn AnyModel) -> bool;
    fn equations(&self, dt: Time) -> Equations;
    fn event_equations(&self, tolerance: Time, is_driven: bool) -> Option<Box<dyn EventNeurons>>;
    fn is_event_driven(&self) -> bool;
    fn wrong_column(&self, kernel: &dyn Kernel) -> Option<usize>;
    fn spawn(&self, order: &Order, world: &mut World) -> Result<Spawned, Error>;
    fn install(&self, simulation: &mut Simulation);
    fn instance(&self, world: &World, entity: Entity, path: BiasPath) -> Option<f64>;
    fn threshold(&self, world: &World, neuron: Entity) -> Option<(Variable, f64)>;
    fn steady_rate(&self, world: &World, neuron: Entity) -> Option<f64>;
}

impl<M: NeuronModel> AnyModel for Nominal<M> {
    fn clone_box(&self) -> Box<dyn AnyModel> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        self.model.name()
    }

    fn receptors(&self) -> &'static [Receptor] {
        self.model.receptors()
    }

    fn all_circuits(&self) -> &'static [Receptor] {
        self.model.circuits()
    }

    fn circuits(&self) -> Circuits {
        self.circuits()
    }

    fn ensure_circuit(&mut self, circuit: Receptor) {
        if self.synapse(circuit).is_some() {
            return;
        }
        let place = |r: Receptor| self.model.circuits().iter().position(|known| *known == r);
        let at = self.synapses.partition_point(|(known, _)| place(*known) < place(circuit));
        self.synapses.insert(at, (circuit, self.model.synapse(circuit)));
    }

    fn biases(&self, circuit: Option<Receptor>) -> Vec<BiasInfo> {
        match circuit {
            None => self.model.soma_biases().into_iter().map(BiasInfo::of).collect(),
            Some(_) => M::Synapse::BIASES.iter().map(BiasInfo::of).collect(),
        }
    }

    fn nominal(&self, path: BiasPath) -> Option<f64> {
        match path.receptor {
            None => self.soma_bias(path.bias).map(|bias| (bias.get)(&self.soma)),
            Some(receptor) => {
                self.synapse_bias(path.bias).zip(self.synapse(receptor)).map(|(b, s)| (b.get)(s))
            }
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.model.settings()
    }

    fn check_with(&self, values: &[(&str, f64)]) -> Option<Conflict> {
        let mut soma = self.soma.clone();
        for (name, value) in values {
            if let Some(bias) = self.soma_bias(name) {
                (bias.set)(&mut soma, *value);
            }
        }
        self.model.check(&soma)
    }

    fn variables(&self) -> Vec<StateVariable> {
        self.model.variables()
    }

    fn least(&self, circuit: Option<Receptor>) -> f64 {
        self.model.least(circuit)
    }

    fn resting_current(&self, circuit: Receptor) -> f64 {
        self.model.resting_current(circuit, self.off.contains(&circuit))
    }

    fn time_constants(&self) -> Vec<(&'static str, f64)> {
        self.model.time_constants(&self.soma, &self.synapses)
    }

    fn dc_unit(&self) -> Option<Unit> {
        self.model.dc_unit()
    }

    fn rounds_weights(&self) -> bool {
        self.model.rounds_weights()
    }

    fn is_on_dynapse1(&self) -> bool {
        self.model.is_on_dynapse1()
    }

    fn shares_kernel(&self, other: &dyn AnyModel) -> bool {
        let other = other.as_any().downcast_ref::<Nominal<M>>();
        other.is_some_and(|o| self.model == o.model && self.circuits() == o.circuits())
    }

    fn equations(&self, dt: Time) -> Equations {
        self.model.equations(&self.circuits(), dt)
    }

    fn event_equations(&self, tolerance: Time, is_driven: bool) -> Option<Box<dyn EventNeurons>> {
        self.model.event_equations(&self.circuits(), tolerance, is_driven)
    }

    fn is_event_driven(&self) -> bool {
        self.event_equations(event::FINEST, false).is_some()
    }

    /// A parameter column that is set but does not exist.
    fn wrong_column(&self, kernel: &dyn Kernel) -> Option<usize> {
        let width = kernel.layout().resting_parameters.len();
        let mut wrong = None;
        let mut set = |column: usize, _: f32| {
            if column >= width {
                wrong = Some(column);
            }
        };
        kernel.soma_columns(&self.soma, &mut set);
        for (receptor, synapse) in &self.synapses {
            if let Some((circuit, _)) = kernel.layout().circuit(*receptor) {
                kernel.synapse_columns(circuit, synapse, 0, &mut set);
            }
        }
        wrong
    }

    fn spawn(&self, order: &Order, world: &mut World) -> Result<Spawned, Error> {
        spawn::spawn_neurons(self, order, world)
    }

    fn install(&self, simulation: &mut Simulation) {
        spawn::install(self, simulation);
    }

    fn instance(&self, world: &World, entity: Entity, path: BiasPath) -> Option<f64> {
        match path.receptor {
            None => self.soma_bias(path.bias).zip(world.get(entity)).map(|(bias, s)| (bias.get)(s)),
            Some(_) => {
                self.synapse_bias(path.bias).zip(world.get(entity)).map(|(bias, s)| (bias.get)(s))
            }
        }
    }

    fn threshold(&self, world: &World, neuron: Entity) -> Option<(Variable, f64)> {
        world.get::<M::Soma>(neuron).and_then(|soma| self.model.threshold(soma))
    }

    fn steady_rate(&self, world: &World, neuron: Entity) -> Option<f64> {
        let circuits = self.circuits();
        world.get::<M::Soma>(neuron).and_then(|soma| self.model.steady_rate(soma, &circuits))
    }
}

/// A [`Nominal`] of any model.
#[derive(Debug)]
pub struct Model(pub(crate) Box<dyn AnyModel>);

impl Clone for Model {
    fn clone(&self) -> Model {
        Model(self.0.clone_box())
    }
}

impl Model {
    /// A nominal neuron of a model.
    #[must_use]
    pub fn new<M: NeuronModel>(nominal: Nominal<M>) -> Model {
        Model(Box::new(nominal))
    }

    /// The nominal neuron, if it is of that model: `model.get::<Dpi>()`.
    #[must_use]
    pub fn get<M: NeuronModel>(&self) -> Option<&Nominal<M>> {
        self.0.as_any().downcast_ref()
    }

    /// The model's name in scenes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Which circuits the neurons have.
    #[must_use]
    pub fn circuits(&self) -> Circuits {
        self.0.circuits()
    }

    /// The nominal value of a bias, in the SI unit; `None` when the model has no such circuit or
    /// bias.
    #[must_use]
    pub fn nominal(&self, path: BiasPath) -> Option<f64> {
        self.0.nominal(path)
    }

    /// The biases of the soma (`None`) or of a circuit.
    #[must_use]
    pub fn biases(&self, circuit: Option<Receptor>) -> Vec<BiasInfo> {
        self.0.biases(circuit)
    }

    /// Unit and domain of a bias.
    #[must_use]
    pub fn bias(&self, path: BiasPath) -> Option<BiasInfo> {
        self.0.biases(path.receptor).into_iter().find(|bias| bias.name == path.bias)
    }

    /// The state variables that a trace can show.
    #[must_use]
    pub fn variables(&self) -> Vec<StateVariable> {
        self.0.variables()
    }

    /// Every bias of every circuit that exists.
    #[must_use]
    pub fn bias_paths(&self) -> Vec<BiasPath> {
        let blocks = std::iter::once(None).chain(self.circuits().present.into_iter().map(Some));
        let of_block = |receptor: Option<Receptor>| {
            let biases = self.0.biases(receptor).into_iter();
            biases.map(move |bias| BiasPath { receptor, bias: bias.name })
        };
        blocks.flat_map(of_block).collect()
    }
}
