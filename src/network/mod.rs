//! Networks: populations, sources, projections, and the way of a spike from one to the other.
//!
//! Neurons, synapse circuits, spike sources, populations, projections and probes are entities.
//! Spikes are plain data and edges are rows of a table, never entities: a network has a thousand
//! times more of them than of anything else.
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | spike trains: what scenes say, and when sources fire |
//! | [`rule`] | who is connected to whom |
//! | [`law`] | weights and delays, given or drawn |
//! | [`plasticity`] | rules that change weights |
//! | [`projection`] | projections, and edges made by hand |
//! | [`replicas`] | draws of a scene's mismatch side by side |
//! | [`table`] | the table of edges |
//! | [`port`] | where edges end, and what a weight is there |
//! | [`spikes`] | the spikes of a window |
//! | [`inbox`] | what arrives in the window at hand, as the solvers want it |
//! | [`lengths`] | how long rounds and windows are |
//! | `calendar` | what is due in the rounds to come |
//! | [`router`] | from spikes through the calendar to the inboxes |

mod build;
mod by_emitter;
pub(crate) mod calendar;
pub mod inbox;
pub mod law;
pub mod lengths;
pub mod plasticity;
pub mod port;
pub mod projection;
pub mod replicas;
pub mod router;
pub mod rule;
pub mod source;
pub mod spikes;
pub mod table;

use bevy_ecs::prelude::*;

use crate::circuit::Receptor;
use crate::model::Model;
use crate::time::Time;

pub use plasticity::{EdgeWeights, PlasticEdge, Plasticity};
pub use projection::{FanOut, HandMadeEdge, Projection};
pub use replicas::{NeuronId, Replicas};
pub use router::Router;
pub use rule::{Edge, Edges, ListedEdge, Pairs, Rule};
pub use spikes::{GroupSpikes, Spike, SpikeLists, WindowSpikes};

/// The largest weight of an edge: pulses per spike.
pub const MAX_WEIGHT: f64 = 65_536.0;

/// The longest delay of an edge at a step of `dt`, a whole number of steps: 10 s (the calendar of
/// arrivals has a page for each window until then).
#[must_use]
pub fn longest_delay(dt: Time) -> Time {
    const LONGEST: Time = Time::from_picoseconds(10_000_000_000_000);
    Time::from_steps(LONGEST.picoseconds() / dt.picoseconds(), dt)
}

/// A population.
#[derive(Component, Debug, Clone)]
pub struct Population {
    /// Its name in the scene.
    pub name: String,
    /// Its index in the scene.
    pub index: usize,
    /// The nominal circuit.
    pub model: Model,
    /// How its neurons are numbered.
    pub replicas: Replicas,
    /// Its neurons, by index: those of the first replica, then those of the second, …
    pub neurons: Vec<Entity>,
    /// Its synapse circuits, by receptor and index of the neuron.
    pub circuits: Vec<(Receptor, Vec<Entity>)>,
}

/// A group of spike sources.
#[derive(Component, Debug, Clone)]
pub struct SourceGroup {
    /// Its name in the scene.
    pub name: String,
    /// Its index in the scene.
    pub index: usize,
    /// Its sources, by index.
    pub sources: Vec<Entity>,
}

/// A neuron. Its biases are the component of its model ([`Soma`](crate::circuit::Soma) of a DPI
/// neuron), its state [`Membrane`](crate::circuit::Membrane) or that of its host model.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neuron {
    /// The population's entity.
    pub population: Entity,
    /// Its index in the population, counted over all [`Replicas`].
    pub index: u32,
}

/// A synapse circuit of a neuron. Its biases are the component of its model
/// ([`Synapse`](crate::circuit::Synapse) of a DPI neuron), its state
/// [`SynapticCurrent`](crate::circuit::SynapticCurrent).
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    /// The neuron's entity.
    pub neuron: Entity,
    /// Where it acts.
    pub receptor: Receptor,
}

/// A spike source. When it fires says its [`SpikeTrain`](source::SpikeTrain).
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpikeSource {
    /// The group's entity.
    pub group: Entity,
    /// The group's index in the scene.
    pub group_index: usize,
    /// Its index in the group.
    pub index: u32,
}
