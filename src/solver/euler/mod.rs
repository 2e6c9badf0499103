//! Forward Euler in the current domain, in the published order of operations.
//!
//! It exists to reproduce published runs: counts match the released codes spike for spike. How far
//! a step is from the equations themselves is another matter (at 1 ms the seed experiment loses
//! more than a quarter of its spikes).
//!
//! The order of operations, ≥ or > at the threshold, rounding and clipping belong to the preset
//! ([`arcana`], [`dynapse1`]); the forms of feedback and refractory period plug into it, as types
//! and constants, so that a kernel has no branch for what its circuit has not.

pub mod arcana;
pub mod dynapse1;

use std::sync::Arc;

use super::kernel::Kernel;
use crate::circuit::Model;
use crate::circuit::Preset;
use crate::circuit::feedback::{Feedback, Logistic, NoFeedback, PowerLaw};
use crate::circuit::forms::{FeedbackForm, RefractoryForm};
use crate::time::Time;

/// The kernel for neurons of a model.
#[must_use]
pub fn kernel(model: &Model, dt: Time) -> Arc<dyn Kernel> {
    match model.forms.feedback {
        FeedbackForm::Off => with_feedback::<NoFeedback>(model, dt),
        FeedbackForm::PowerLaw => with_feedback::<PowerLaw>(model, dt),
        FeedbackForm::Logistic => with_feedback::<Logistic>(model, dt),
    }
}

fn with_feedback<F: Feedback>(model: &Model, dt: Time) -> Arc<dyn Kernel> {
    use RefractoryForm::{GateInput, HoldMembrane};
    match (model.preset, model.forms.refractory) {
        (Preset::Arcana, GateInput) => arcana::kernel::<F, false>(model, dt),
        (Preset::Arcana, HoldMembrane) => arcana::kernel::<F, true>(model, dt),
        (Preset::Dynapse1, GateInput) => dynapse1::kernel::<F, false>(model, dt),
        (Preset::Dynapse1, HoldMembrane) => dynapse1::kernel::<F, true>(model, dt),
    }
}

/// The larger of two numbers; NaN if `value` is.
#[inline(always)]
fn at_least(value: f32, floor: f32) -> f32 {
    if floor > value { floor } else { value }
}
