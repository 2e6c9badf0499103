//! The forms of a circuit: which of the published variants of each part it has.

use crate::time::Time;

/// Positive feedback of the soma (the equations are in [`feedback`](super::feedback)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedbackForm {
    /// None.
    Off,
    /// A power of Imem behind a gate (Quintana et al. 2024).
    PowerLaw,
    /// A logistic of Imem (dynapse-simulator).
    Logistic,
}

impl FeedbackForm {
    /// All forms, with their names in scenes.
    pub const NAMES: [(&str, FeedbackForm); 3] = [
        ("Off", FeedbackForm::Off),
        ("PowerLaw", FeedbackForm::PowerLaw),
        ("Logistic", FeedbackForm::Logistic),
    ];
}

/// What a soma does in its refractory period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefractoryForm {
    /// The input is cut (Iin = I0), the membrane runs free.
    GateInput,
    /// Imem is held at Ireset and the threshold is off; synapses and adaptation go on.
    HoldMembrane,
}

impl RefractoryForm {
    /// All forms, with their names in scenes.
    pub const NAMES: [(&str, RefractoryForm); 2] =
        [("GateInput", RefractoryForm::GateInput), ("HoldMembrane", RefractoryForm::HoldMembrane)];
}

/// The shape of the pulse that a spike gives a synapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PulseForm {
    /// Short and strong: a jump of (Igain/Itau)·Iw.
    Ideal,
    /// Of a width: a jump of (Igain/Itau)·Iw·(1 − exp(−t/τ)). For t ≪ τ it does not depend on Itau.
    Width(Time),
}

/// The forms of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Forms {
    /// Positive feedback.
    pub feedback: FeedbackForm,
    /// Refractory period.
    pub refractory: RefractoryForm,
    /// Pulses.
    pub pulse: PulseForm,
    /// Whether NMDA is gated by the membrane.
    pub nmda_gate: bool,
}
