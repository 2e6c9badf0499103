//! The physics: the only place where equations of circuits stand.
//!
//! Everything here is data and pure functions on it. Symbols are those of the literature
//! (Bartolozzi & Indiveri 2007; Chicca, Stefanini, Bartolozzi & Indiveri 2014; Quintana et al.
//! 2024, arXiv 2409.14918): scene keys and tables keep them (`Itau`, `Igain`, `Iw`), Rust
//! identifiers are their snake case (`i_tau`). All values are in SI units.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@bias`] | the tables of biases: name, unit, valid range, meaning |
//! | [`synapse`] | the DPI synapse: one integrator per neuron and receptor |
//! | [`soma`] | the DPI neuron: membrane, threshold, refractory period |
//! | [`feedback`] | positive feedback: the upstroke of the spike |
//! | [`forms`] | the published variants of feedback, refractory period and pulse |
//! | [`waveform`] | a direct input that changes in time |
//! | [`preset`] | published models: constants, receptors, defaults |
//! | [`mismatch`] | how instances differ from their nominal biases |
//! | [`number`] | one number, or several side by side |
//! | [`math`] | exp and log with the same bits everywhere |

pub mod bias;
pub mod feedback;
pub mod forms;
pub mod math;
pub mod mismatch;
pub mod number;
pub mod preset;
pub mod soma;
pub mod synapse;
pub mod waveform;

pub use bias::{Bias, Block, Domain, bias};
pub use forms::Forms;
pub use mismatch::MismatchLaw;
pub use preset::Preset;
pub use soma::{Membrane, Soma};
pub use synapse::{Receptor, Synapse, SynapticCurrent};
pub use waveform::Waveform;

/// The constants of the process, shared by all circuits of a population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constants {
    /// Dark current I0 of a transistor, A: no current falls below it.
    pub i0: f64,
    /// Thermal voltage UT = kT/q, V.
    pub ut: f64,
    /// Subthreshold slope factor κ (dimensionless).
    pub kappa: f64,
}

impl Constants {
    /// Time constant of a DPI with capacitance `c` (F) and leak `i_tau` (A):
    /// τ = C·UT/(κ·Itau), in s (Bartolozzi & Indiveri 2007, eq. 3.3).
    #[must_use]
    pub fn tau(&self, c: f64, i_tau: f64) -> f64 {
        c * self.ut / (self.kappa * i_tau)
    }

    /// The gate voltage that drives a current in weak inversion, V: (UT/κ)·ln(I/I0).
    #[must_use]
    pub fn voltage(&self, current: f64) -> f64 {
        self.ut / self.kappa * math::ln(current / self.i0)
    }
}
