//! Solvers: how a neuron's equations are advanced in time.
//!
//! | module | what it holds |
//! |---|---|
//! | [`event`] | from event to event, to a tolerance |
//! | [`kernel`] | what a kernel is, and how the step of one neuron becomes vector code |
//! | [`euler`] | forward Euler in the published order of operations |

pub mod euler;
pub mod event;
pub mod kernel;
