//! **picoamp** simulates mixed-signal neuromorphic chips: silicon neurons and synapses made of
//! transistors that carry picoamperes, every one a little different from the next.
//!
//! ```
//! use picoamp::prelude::*;
//!
//! # fn main() -> Result<(), picoamp::Error> {
//! let mut simulation = Simulation::from_scene("scenes/ff_mismatch.ron")?;
//! simulation.run()?;
//! let ff = simulation.probe::<FfCurve>("ff")?;
//! assert_eq!(ff.rows().len(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # The way of the data
//!
//! ```text
//!  scene (RON) ─> entities ─gather─> banks ─ kernel ─> spikes ─> probes ─> tables, pictures
//!                    ^                 ^                 │
//!                    └────scatter──────┘   inboxes <── router
//! ```
//!
//! 1. A [`scene`] describes sources, populations of analog circuits, connections and probes; it
//!    becomes entities of a [`bevy_ecs`] world: a neuron, a synapse circuit per neuron and receptor,
//!    a spike source — each with its own, mismatched biases as components.
//! 2. [Systems](schedule) batch the components into contiguous [banks](bank); update kernels see
//!    only those.
//! 3. Time advances in [windows](schedule) of one round or several; inside one of these every neuron is
//!    integrated on its own.
//! 4. Spikes are plain data, edges rows of a [table](network::router); pulses are summed as
//!    integers, so a result does not depend on order or threads.
//! 5. Users add ordinary systems between the stages, and [`Plugin`]s.
//!
//! # The stages and the plugins that fill them
//!
//! | plugin | stage | module |
//! |---|---|---|
//! | [`StimulusPlugin`](network::source::StimulusPlugin) | sources emit spikes | [`network::source`] |
//! | [`TransferPlugin`](simulation::TransferPlugin) | components ↔ banks | [`bank::transfer`] |
//! | [`RouterPlugin`](simulation::RouterPlugin) | spikes → inboxes | [`network::router`] |
//! | [`BackendPlugin`](backend::BackendPlugin) | neurons are integrated | [`backend`], [`solver`] |
//! | [`ProbePlugin`](probe::ProbePlugin) | probes record | [`mod@probe`] |
//!
//! The physics is in [`circuit`] and [`model`], and nowhere else.

pub mod backend;
pub mod bank;
pub mod circuit;
pub mod cli;
pub mod compare;
pub mod converge;
pub mod error;
mod experiment;
pub mod model;
pub mod network;
pub mod plugins;
mod prefetch;
pub mod probe;
pub mod report;
pub mod results;
pub mod rng;
pub mod scene;
pub mod schedule;
pub mod simulation;
pub mod solver;
pub mod sweep;
pub mod table;
pub mod threads;
pub mod time;
pub mod units;

pub use error::Error;
pub use plugins::Plugins;
pub use scene::Scene;
pub use simulation::{Plugin, Simulation};

/// What most programs need.
pub mod prelude {
    pub use crate::circuit::{Membrane, Receptor, Soma, Synapse, SynapticCurrent};
    pub use crate::error::Error;
    pub use crate::network::{Circuit, Neuron, Population, SpikeSource, WindowSpikes};
    pub use crate::plugins::Plugins;
    pub use crate::probe::{
        FanoFactors, FfCurve, FiCurve, IntervalRecorder, IsiHistogram, NeuronRates, Probe,
        RateHistory, Record, SpikeRecorder, TraceRecorder,
    };
    pub use crate::scene::{Scene, Variable};
    pub use crate::schedule::{Window, WindowSet};
    pub use crate::simulation::{Plugin, Simulation};
    pub use crate::time::Time;
}

/// The README's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So is that of the book.
#[cfg(doctest)]
#[doc = include_str!("../docs/src/plugins.md")]
struct Book;
