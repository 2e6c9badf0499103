//! Presets: published models with their constants, forms, circuits and defaults.

use super::forms::{FeedbackForm, PulseForm, RefractoryForm};
use super::{Constants, Forms, Receptor, Soma, Synapse};

/// A published model of the DPI neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Preset {
    /// The released code of Quintana et al. 2024 (ARCANA, arXiv 2409.14918): AMPA and subtractive
    /// GABA_B, power-law feedback, the input cut while refractory. Inmda and Iahp are the constant
    /// I0.
    Arcana,
    /// The dynapse-simulator (Brian2): AMPA, gated NMDA, shunting GABA_A, subtractive GABA_B, AHP,
    /// logistic feedback, the membrane held while refractory.
    Dynapse1,
}

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 2] = [Preset::Arcana, Preset::Dynapse1];

    /// Its name in scenes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Preset::Arcana => "arcana",
            Preset::Dynapse1 => "dynapse1",
        }
    }

    /// The receptors at which connections can end.
    #[must_use]
    pub fn receptors(self) -> &'static [Receptor] {
        match self {
            Preset::Arcana => &[Receptor::Ampa, Receptor::Gabab],
            Preset::Dynapse1 => &[Receptor::Ampa, Receptor::Nmda, Receptor::Gabaa, Receptor::Gabab],
        }
    }

    /// Its circuits besides the soma: the receptors and, where it has it, AHP.
    #[must_use]
    pub fn circuits(self) -> &'static [Receptor] {
        match self {
            Preset::Arcana => self.receptors(),
            Preset::Dynapse1 => {
                &[Receptor::Ampa, Receptor::Nmda, Receptor::Gabaa, Receptor::Gabab, Receptor::Ahp]
            }
        }
    }

    /// Its process constants. κ is the mean of the published κn = 0.75 and κp = 0.66.
    #[must_use]
    pub fn constants(self) -> Constants {
        let i0 = match self {
            Preset::Arcana => 0.05e-12,
            Preset::Dynapse1 => 1e-12,
        };
        Constants { i0, ut: 0.025, kappa: 0.705 }
    }

    /// Its forms.
    #[must_use]
    pub fn forms(self) -> Forms {
        match self {
            Preset::Arcana => Forms {
                feedback: FeedbackForm::PowerLaw,
                refractory: RefractoryForm::GateInput,
                pulse: PulseForm::Ideal,
                nmda_gate: false,
            },
            Preset::Dynapse1 => Forms {
                feedback: FeedbackForm::Logistic,
                refractory: RefractoryForm::HoldMembrane,
                pulse: PulseForm::Ideal,
                nmda_gate: true,
            },
        }
    }

    /// Its default soma. A bias that is NaN has no default and a scene must give it, if the circuit
    /// has it: the power law's `Ipfb_norm` (the released 1e-12 is a unit slip, for it multiplies a
    /// current), and the biases of a feedback that the preset does not have.
    #[must_use]
    pub fn soma(self, constants: &Constants) -> Soma {
        match self {
            Preset::Arcana => Soma {
                c: 3e-12,
                i_tau: 1e-12,
                i_gain: 1e-12,
                i_th: 1e-12,
                i_reset: constants.i0,
                i_dc: 1e-12,
                ref_p: 0.0,
                ipfb_th: 1e-12,
                ipfb_slope: f64::NAN,
                ipfb_norm: f64::NAN,
                ipfb_gain: f64::NAN,
                inmda_th: f64::NAN,
            },
            Preset::Dynapse1 => Soma {
                c: 2e-12,
                i_tau: 5e-12,
                i_gain: 20e-12,
                i_th: 2e-9,
                i_reset: 1.2e-12,
                i_dc: constants.i0,
                ref_p: 5e-3,
                ipfb_th: 1e-9,
                ipfb_slope: f64::NAN,
                ipfb_norm: 20e-12,
                ipfb_gain: 100e-12,
                inmda_th: 1e-12,
            },
        }
    }

    /// Its default circuit of a kind.
    #[must_use]
    pub fn synapse(self, receptor: Receptor) -> Synapse {
        let synapse = |c, i_tau, i_gain, i_w| Synapse { c, i_tau, i_gain, i_w };
        match (self, receptor) {
            (Preset::Arcana, _) => synapse(2e-12, 1e-12, 1e-12, 1e-12),
            (Preset::Dynapse1, Receptor::Ampa) => synapse(2e-12, 20e-12, 80e-12, 100e-12),
            (Preset::Dynapse1, Receptor::Nmda) => synapse(2e-12, 2e-12, 8e-12, 100e-12),
            (Preset::Dynapse1, Receptor::Ahp) => synapse(4e-12, 2e-12, 8e-12, 1e-12),
            // GABA_A and GABA_B.
            (Preset::Dynapse1, _) => synapse(2e-12, 5e-12, 20e-12, 100e-12),
        }
    }

    /// Imem at the start, A.
    #[must_use]
    pub fn initial_membrane(self, constants: &Constants) -> f64 {
        match self {
            Preset::Arcana => constants.i0,
            Preset::Dynapse1 => 1.1e-12_f64.max(constants.i0),
        }
    }

    /// Whether weights are rounded to whole numbers, halves to even (the chip counts pulses).
    #[must_use]
    pub fn rounds_weights(self) -> bool {
        match self {
            Preset::Arcana => true,
            Preset::Dynapse1 => false,
        }
    }
}
