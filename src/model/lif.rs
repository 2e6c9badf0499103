//! The plain leaky integrate-and-fire neuron with exponential synapses, dimensionless:
//!
//! `tau_m·dv/dt = −v + i_exc − i_inh + dc`, `tau_s·di/dt = −i`; n coinciding pulses add n·w to i. At
//! v ≥ threshold it spikes, v = reset, and is held there for refP.

use bevy_ecs::component::Component;

use super::{Circuits, Conflict, Equations, NeuronModel, Read, StateVariable};
use crate::circuit::{Bias, Block, Receptor, bias};
use crate::scene::Variable;
use crate::solver::euler;
use crate::solver::event::{self, EventNeurons};
use crate::time::Time;
use crate::units::Unit;

/// The parameters of one LIF neuron.
#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct LifSoma {
    /// Membrane time constant tau_m, s.
    pub tau_m: f64,
    /// Spike threshold of v.
    pub threshold: f64,
    /// v after a spike.
    pub reset: f64,
    /// Constant input dc.
    pub dc: f64,
    /// Refractory period refP, s.
    pub ref_p: f64,
}

impl Block for LifSoma {
    const BIASES: &'static [Bias<LifSoma>] = &[
        bias!(LifSoma, tau_m, "tau_m", Second, Positive, "membrane time constant"),
        bias!(LifSoma, threshold, "threshold", One, Any, "spike threshold of v"),
        bias!(LifSoma, reset, "reset", One, Any, "v after a spike"),
        bias!(LifSoma, dc, "dc", One, Any, "constant input"),
        bias!(LifSoma, ref_p, "refP", Second, NonNegative, "refractory period"),
    ];
}

/// The parameters of one synapse of a LIF neuron.
#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct LifSynapse {
    /// Time constant tau_s, s.
    pub tau_s: f64,
    /// What one pulse adds to the current.
    pub w: f64,
}

impl Block for LifSynapse {
    const BIASES: &'static [Bias<LifSynapse>] = &[
        bias!(LifSynapse, tau_s, "tau_s", Second, Positive, "synaptic time constant"),
        bias!(LifSynapse, w, "w", One, NonNegative, "what one pulse adds to the current"),
    ];
}

/// The model `lif`, with the receptors `exc` and `inh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lif;

impl NeuronModel for Lif {
    type Soma = LifSoma;
    type Synapse = LifSynapse;

    fn name(&self) -> &'static str {
        "lif"
    }

    fn receptors(&self) -> &'static [Receptor] {
        &[Receptor::Exc, Receptor::Inh]
    }

    fn soma(&self) -> LifSoma {
        LifSoma { tau_m: 20e-3, threshold: 1.0, reset: 0.0, dc: 0.0, ref_p: 2e-3 }
    }

    fn synapse(&self, _: Receptor) -> LifSynapse {
        LifSynapse { tau_s: 5e-3, w: 1.0 }
    }

    fn check(&self, soma: &LifSoma) -> Option<Conflict> {
        let LifSoma { threshold, reset, .. } = soma;
        // The kernel computes in single precision.
        (*threshold as f32 <= *reset as f32).then(|| Conflict {
            bias: "threshold",
            message: format!("threshold = {threshold} is not above reset = {reset}"),
            help: format!("choose more than {reset}"),
        })
    }

    fn variables(&self) -> Vec<StateVariable> {
        let current = |receptor| StateVariable {
            variable: Variable::Synapse(receptor),
            unit: Unit::One,
            read: Read::Circuit(receptor),
        };
        let v = Variable::Named("v");
        let v = StateVariable { variable: v, unit: Unit::One, read: Read::Membrane };
        std::iter::once(v).chain(self.receptors().iter().map(|r| current(*r))).collect()
    }

    fn threshold(&self, soma: &LifSoma) -> Option<(Variable, f64)> {
        Some((Variable::Named("v"), soma.threshold))
    }

    fn dc_unit(&self) -> Option<Unit> {
        Some(Unit::One)
    }

    fn event_equations(&self, _: &Circuits, _: Time, _: bool) -> Option<Box<dyn EventNeurons>> {
        Some(event::lif::neurons())
    }

    fn equations(&self, _: &Circuits, dt: Time) -> Equations {
        Equations::Kernel(euler::lif::kernel(dt))
    }
}
