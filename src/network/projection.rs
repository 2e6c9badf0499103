//! Edges: made by the rules of projections, or by hand.

use bevy_ecs::prelude::*;
use smallvec::SmallVec;

use crate::scene::{Connection, Rule};
use crate::time::Time;

/// A projection of the scene.
#[derive(Component, Debug, Clone)]
pub struct Projection {
    /// What the scene says of it.
    pub connection: Connection,
}

/// An edge made by hand, from the entity that carries it in its [`FanOut`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HandMadeEdge {
    /// The synapse circuit at which it ends.
    pub circuit: Entity,
    /// Pulses per spike.
    pub weight: f64,
    /// From a spike to its arrival.
    pub delay: Time,
}

/// The hand-made edges of a neuron or spike source. Edges of projections are not listed here: those
/// of a network of millions are rows of the router's table, into which these are merged when the
/// simulation starts.
#[derive(Component, Debug, Clone, Default)]
pub struct FanOut(pub SmallVec<[HandMadeEdge; 4]>);

impl Connection {
    /// The number of edges from `from_size` to `to_size` neurons.
    #[must_use]
    pub fn edges(&self, from_size: u64, to_size: u64) -> u128 {
        let (from, to) = (self.from_neurons.len(from_size), self.to_neurons.len(to_size));
        match self.rule {
            Rule::OneToOne => u128::from(from),
            // Self-connections are a sliver of the product; counting them exactly needs the edges.
            Rule::AllToAll { .. } => u128::from(from) * u128::from(to),
        }
    }

    /// Calls `edge` with the indices of both ends of every edge, in the order of the sources.
    pub fn for_each_edge(&self, from_size: u64, to_size: u64, mut edge: impl FnMut(u32, u32)) {
        let (from, to) = (&self.from_neurons, &self.to_neurons);
        match self.rule {
            Rule::OneToOne => {
                (0..from.len(from_size)).for_each(|k| edge(from.get(k), to.get(k)));
            }
            Rule::AllToAll { self_connections } => {
                let is_recurrent = self.from == crate::scene::GroupId::Population(self.to);
                let skip_self = is_recurrent && !self_connections;
                for i in 0..from.len(from_size) {
                    let source = from.get(i);
                    for j in 0..to.len(to_size) {
                        let target = to.get(j);
                        if !(skip_self && source == target) {
                            edge(source, target);
                        }
                    }
                }
            }
        }
    }
}
