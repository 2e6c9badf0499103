//! The DPI synapse (Bartolozzi & Indiveri 2007): a current-mode integrator, one circuit per neuron
//! and receptor.
//!
//! Between pulses, above the dark current, `dI/dt = −I/τ`, exactly exponential with the floor I0;
//! `n` coinciding pulses (the weights of the edges that spiked, summed) add
//! `ΔI = n·(Igain/Itau)·Iw`.

use bevy_ecs::component::Component;

use super::bias::{Bias, Block, bias};
use super::forms::PulseForm;
use super::{Constants, math};

/// Where on a neuron a synapse circuit acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receptor {
    /// Excitatory: adds to the soma's input.
    Ampa,
    /// Excitatory, gated by the membrane where the preset says so.
    Nmda,
    /// Inhibitory, shunting: adds to the leak.
    Gabaa,
    /// Inhibitory, subtractive: takes from the soma's input.
    Gabab,
    /// After-hyperpolarisation (spike-frequency adaptation): adds to the leak. Fed by the neuron's
    /// own spikes; no connection reaches it.
    Ahp,
    /// Excitatory, of a LIF neuron.
    Exc,
    /// Inhibitory, of a LIF neuron.
    Inh,
    /// A receptor of a plugin's model.
    Other {
        /// Its name in scenes.
        name: &'static str,
        /// The name of its current in traces.
        variable: &'static str,
    },
}

impl Receptor {
    /// Its name in scenes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Receptor::Ampa => "ampa",
            Receptor::Nmda => "nmda",
            Receptor::Gabaa => "gabaa",
            Receptor::Gabab => "gabab",
            Receptor::Ahp => "ahp",
            Receptor::Exc => "exc",
            Receptor::Inh => "inh",
            Receptor::Other { name, .. } => name,
        }
    }

    /// The name of its current in traces.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Receptor::Ampa => "Iampa",
            Receptor::Nmda => "Inmda",
            Receptor::Gabaa => "Igabaa",
            Receptor::Gabab => "Igabab",
            Receptor::Ahp => "Iahp",
            Receptor::Exc => "i_exc",
            Receptor::Inh => "i_inh",
            Receptor::Other { variable, .. } => variable,
        }
    }
}

/// The biases of one synapse circuit.
#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct Synapse {
    /// Capacitance C, F.
    pub c: f64,
    /// Leak current Itau, A.
    pub i_tau: f64,
    /// Gain current Igain, A.
    pub i_gain: f64,
    /// Weight current Iw, A.
    pub i_w: f64,
}

impl Block for Synapse {
    const BIASES: &'static [Bias<Synapse>] = &[
        bias!(Synapse, c, "C", Farad, Positive, "capacitance"),
        bias!(Synapse, i_tau, "Itau", Ampere, Positive, "leak current: τ = C·UT/(κ·Itau)"),
        bias!(Synapse, i_gain, "Igain", Ampere, Positive, "gain current: jump (Igain/Itau)·Iw"),
        bias!(Synapse, i_w, "Iw", Ampere, NonNegative, "weight current: jump (Igain/Itau)·Iw"),
    ];
}

impl Synapse {
    /// Time constant τ = C·UT/(κ·Itau), s.
    #[must_use]
    pub fn tau(&self, constants: &Constants) -> f64 {
        constants.tau(self.c, self.i_tau)
    }

    /// The jump of the current for one spike of weight 1, A: (Igain/Itau)·Iw, for a pulse of a
    /// width times 1 − exp(−t/τ).
    #[must_use]
    pub fn jump(&self, pulse: PulseForm, constants: &Constants) -> f64 {
        let ideal = self.i_gain / self.i_tau * self.i_w;
        match pulse {
            PulseForm::Ideal => ideal,
            // Negative: 1 − exp(−x) without cancellation for short pulses.
            PulseForm::Width(t) => -ideal * math::exp_m1(-t.seconds() / self.tau(constants)),
        }
    }
}

/// The state of a synapse circuit: its output current, A (dimensionless in a LIF neuron).
#[derive(Component, Debug, Clone, Copy, PartialEq)]
#[component(summary_tick)]
pub struct SynapticCurrent(pub f64);
