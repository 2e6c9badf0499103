//! Edges: made by the rules of projections, or by hand.

use bevy_ecs::prelude::*;
use smallvec::SmallVec;

use crate::scene::Connection;
use crate::time::Time;

/// A projection of the scene.
#[derive(Component, Debug, Clone)]
pub struct Projection {
    /// Its index in the scene.
    pub index: usize,
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
