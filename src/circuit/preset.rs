//! Presets: published models with their constants, receptors and defaults.

use super::{Constants, Receptor, Soma, Synapse};

/// A published model of the DPI neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Preset {
    /// The released code of Quintana et al. 2024 (ARCANA, arXiv 2409.14918): AMPA and subtractive
    /// GABA_B, power-law feedback, the input cut while refractory.
    Arcana,
}

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 1] = [Preset::Arcana];

    /// Its name in scenes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Preset::Arcana => "arcana",
        }
    }

    /// The receptors that its neurons can have.
    #[must_use]
    pub fn receptors(self) -> &'static [Receptor] {
        match self {
            Preset::Arcana => &[Receptor::Ampa, Receptor::Gabab],
        }
    }

    /// Its process constants. κ is the mean of the published κn = 0.75 and κp = 0.66.
    #[must_use]
    pub fn constants(self) -> Constants {
        match self {
            Preset::Arcana => Constants { i0: 0.05e-12, ut: 0.025, kappa: 0.705 },
        }
    }

    /// Its default soma. `Ipfb_norm` is NaN for [`Preset::Arcana`]: it has no default and a scene
    /// must give it (the released 1e-12 is a unit slip, for it multiplies a current).
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
                ipfb_norm: f64::NAN,
            },
        }
    }

    /// Its default synapse.
    #[must_use]
    pub fn synapse(self, receptor: Receptor) -> Synapse {
        match (self, receptor) {
            (Preset::Arcana, Receptor::Ampa | Receptor::Gabab) => {
                Synapse { c: 2e-12, i_tau: 1e-12, i_gain: 1e-12, i_w: 1e-12 }
            }
        }
    }

    /// Whether weights are rounded to whole numbers, halves to even (the chip counts pulses).
    #[must_use]
    pub fn rounds_weights(self) -> bool {
        match self {
            Preset::Arcana => true,
        }
    }
}

/// The nominal circuit of a population: a preset with the scene's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The published model it starts from.
    pub preset: Preset,
    /// Process constants.
    pub constants: Constants,
    /// Nominal biases of the soma.
    pub soma: Soma,
    /// Nominal biases of the synapse circuits that exist, ordered by receptor. A receptor that
    /// neither the scene mentions nor a connection targets has no circuit and rests at I0.
    pub synapses: Vec<(Receptor, Synapse)>,
}

impl Model {
    /// The nominal synapse of a receptor, if there is such a circuit.
    #[must_use]
    pub fn synapse(&self, receptor: Receptor) -> Option<&Synapse> {
        self.synapses.iter().find(|(r, _)| *r == receptor).map(|(_, synapse)| synapse)
    }

    /// Adds the preset's circuit for a receptor unless it is there already.
    pub fn ensure_synapse(&mut self, receptor: Receptor) {
        if let Err(at) = self.synapses.binary_search_by_key(&receptor, |(r, _)| *r) {
            self.synapses.insert(at, (receptor, self.preset.synapse(receptor)));
        }
    }

    /// The state variables that a trace can show: name and unit.
    #[must_use]
    pub fn variables(&self) -> Vec<&'static str> {
        let receptors = self.preset.receptors().iter().map(|r| r.variable());
        ["Vmem", "Imem"].into_iter().chain(receptors).collect()
    }
}
