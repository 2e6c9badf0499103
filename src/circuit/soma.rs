//! The DPI neuron (Chicca et al. 2014; the released equations of Quintana et al. 2024).
//!
//! In the log domain the membrane is `C·dV/dt = Iin·Igain/(Igain + Imem) − Itau − … + Ifb(Imem)`;
//! multiplied by κ·Imem/(C·UT) it is the current-domain equation that the Euler solver steps.

use bevy_ecs::component::Component;

use super::bias::{Bias, Block, bias};
use super::forms::FeedbackForm;
use super::{Constants, Forms, math};
use crate::units::Unit;

/// The biases of one soma.
#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct Soma {
    /// Membrane capacitance C, F.
    pub c: f64,
    /// Leak current Itau, A.
    pub i_tau: f64,
    /// Gain current Igain, A.
    pub i_gain: f64,
    /// Spike threshold Ith, A.
    pub i_th: f64,
    /// Imem after a spike, A.
    pub i_reset: f64,
    /// Constant input current Idc, A.
    pub i_dc: f64,
    /// Refractory period refP, s.
    pub ref_p: f64,
    /// Midpoint of the feedback's gate Ipfb_th, A.
    pub ipfb_th: f64,
    /// Ipfb_norm of the power law: slope of the feedback's gate, 1/A.
    pub ipfb_slope: f64,
    /// Ipfb_norm of the logistic: width of the feedback's gate, A.
    pub ipfb_norm: f64,
    /// Ipfb_gain of the logistic: the feedback far above its midpoint, A.
    pub ipfb_gain: f64,
    /// Inmda_th: the membrane current at which the NMDA gate is half open, A.
    pub inmda_th: f64,
}

impl Block for Soma {
    const BIASES: &'static [Bias<Soma>] = &[
        bias!(Soma, c, "C", Farad, Positive, "membrane capacitance"),
        bias!(Soma, i_tau, "Itau", Ampere, Positive, "leak current: τ = C·UT/(κ·Itau)"),
        bias!(Soma, i_gain, "Igain", Ampere, Positive, "gain current: α = Igain/Itau"),
        bias!(Soma, i_th, "Ith", Ampere, Positive, "spike threshold of Imem"),
        bias!(Soma, i_reset, "Ireset", Ampere, Positive, "Imem after a spike"),
        bias!(Soma, i_dc, "Idc", Ampere, NonNegative, "constant input current"),
        bias!(Soma, ref_p, "refP", Second, NonNegative, "refractory period"),
        bias!(Soma, ipfb_th, "Ipfb_th", Ampere, NonNegative, "midpoint of the feedback's gate"),
        bias!(
            Soma,
            ipfb_slope,
            "Ipfb_norm",
            PerAmpere,
            Positive,
            "slope of the positive feedback's gate (power law)"
        ),
        bias!(
            Soma,
            ipfb_norm,
            "Ipfb_norm",
            Ampere,
            Positive,
            "width of the positive feedback's gate (logistic)"
        ),
        bias!(
            Soma,
            ipfb_gain,
            "Ipfb_gain",
            Ampere,
            NonNegative,
            "the positive feedback far above its gate (logistic)"
        ),
        bias!(Soma, inmda_th, "Inmda_th", Ampere, Positive, "midpoint of the NMDA gate"),
    ];
}

impl Soma {
    /// Whether a soma of these forms has a bias of the table.
    #[must_use]
    pub fn has(bias: &Bias<Soma>, forms: &Forms) -> bool {
        match (bias.name, bias.unit) {
            ("Ipfb_th", _) => forms.feedback != FeedbackForm::Off,
            ("Ipfb_norm", Unit::PerAmpere) => forms.feedback == FeedbackForm::PowerLaw,
            ("Ipfb_norm" | "Ipfb_gain", _) => forms.feedback == FeedbackForm::Logistic,
            ("Inmda_th", _) => forms.nmda_gate,
            _ => true,
        }
    }

    /// The rate at which a soma without feedback fires, Hz, under a constant input current Iin and a
    /// constant leak L, both in A; 0 where the membrane does not reach the threshold. With
    /// Iinf = (Igain/L)·(Iin − L) and τ = C·UT/(κ·L), an interval is
    /// refP + τ·[(Igain/Iinf)·ln(Ith/Ireset) + (1 + Igain/Iinf)·ln((Iinf − Ireset)/(Iinf − Ith))].
    #[must_use]
    pub fn bare_rate(&self, i_in: f64, leak: f64, constants: &Constants) -> f64 {
        let i_inf = self.i_gain / leak * (i_in - leak);
        if i_inf <= self.i_th {
            return 0.0;
        }
        let ratio = self.i_gain / i_inf;
        let rise = ratio * math::ln(self.i_th / self.i_reset)
            + (1.0 + ratio) * math::ln((i_inf - self.i_reset) / (i_inf - self.i_th));
        1.0 / (self.ref_p + constants.tau(self.c, leak) * rise)
    }

    /// The least constant input at which a soma without feedback fires, A: Itau + Ith·Itau/Igain.
    #[must_use]
    pub fn bare_rheobase(&self) -> f64 {
        self.i_tau + self.i_th * self.i_tau / self.i_gain
    }

    /// Time constant τmem = C·UT/(κ·Itau), s.
    #[must_use]
    pub fn tau(&self, constants: &Constants) -> f64 {
        constants.tau(self.c, self.i_tau)
    }
}

/// The state of a soma: the membrane current Imem of a DPI neuron, A; v of a LIF neuron.
#[derive(Component, Debug, Clone, Copy, PartialEq)]
#[component(summary_tick)]
pub struct Membrane(pub f64);
