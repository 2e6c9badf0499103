//! Forward Euler in the current domain, in the published order of operations.
//!
//! It exists to reproduce published runs: counts match the released codes spike for spike. How far
//! a step is from the equations themselves is another matter (at 1 ms the seed experiment loses
//! more than a quarter of its spikes).
//!
//! The order of operations, ≥ or > at the threshold, rounding and clipping belong to the preset
//! ([`arcana`], [`dynapse1`]); the forms of feedback and refractory period plug into it, as types
//! and constants, so that a kernel has no branch for what its circuit has not. [`lif`] is the plain
//! LIF neuron, exact but for its inputs, which act at whole steps.

pub mod arcana;
pub mod dynapse1;
pub mod lif;

use std::sync::Arc;

use super::kernel::{DeviceCode, Kernel};
use crate::circuit::Preset;
use crate::circuit::feedback::{Feedback, Logistic, NoFeedback, PowerLaw};
use crate::circuit::forms::{FeedbackForm, RefractoryForm};
use crate::model::{Circuits, Dpi};
use crate::time::Time;

/// The kernel for DPI neurons.
#[must_use]
pub fn dpi_kernel(dpi: &Dpi, circuits: &Circuits, dt: Time) -> Arc<dyn Kernel> {
    match dpi.forms.feedback {
        FeedbackForm::Off => with_feedback::<NoFeedback>(dpi, circuits, dt),
        FeedbackForm::PowerLaw => with_feedback::<PowerLaw>(dpi, circuits, dt),
        FeedbackForm::Logistic => with_feedback::<Logistic>(dpi, circuits, dt),
    }
}

fn with_feedback<F: Feedback>(dpi: &Dpi, circuits: &Circuits, dt: Time) -> Arc<dyn Kernel> {
    use RefractoryForm::{GateInput, HoldMembrane};
    match (dpi.preset, dpi.forms.refractory) {
        (Preset::Arcana, GateInput) => arcana::kernel::<F, false>(dpi, circuits, dt),
        (Preset::Arcana, HoldMembrane) => arcana::kernel::<F, true>(dpi, circuits, dt),
        (Preset::Dynapse1, GateInput) => dynapse1::kernel::<F, false>(dpi, circuits, dt),
        (Preset::Dynapse1, HoldMembrane) => dynapse1::kernel::<F, true>(dpi, circuits, dt),
    }
}

/// What CUDA sources of DPI neurons are specialised by.
fn device_macros(i0: f64, feedback: &impl Feedback, hold: bool) -> Vec<(&'static str, String)> {
    let (form, exponent) = feedback.in_device_code();
    vec![
        ("I0", DeviceCode::single(i0)),
        ("FEEDBACK", form.to_string()),
        ("FEEDBACK_EXPONENT", DeviceCode::single(exponent)),
        ("HOLD", i32::from(hold).to_string()),
    ]
}
