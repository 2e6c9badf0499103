//! Plasticity: rules that change the weights of a projection while a simulation runs.
//!
//! A scene names a rule on a connection, `plasticity: Stdp(…)`; a plugin registers it with
//! [`Plugins::add_plasticity`](crate::Plugins::add_plasticity). The rule puts its component on the
//! projection's entity and adds a system, which reads the spikes of the window and changes weights:
//!
//! ```
//! use bevy_ecs::prelude::*;
//! use picoamp::network::{Projection, Router, WindowSpikes};
//!
//! #[derive(Component)]
//! struct Forget(f64);
//!
//! fn forget(mut router: ResMut<Router>, rules: Query<(&Projection, &Forget)>) {
//!     for (projection, rule) in &rules {
//!         let Some(mut weights) = router.weights(projection.index) else { continue };
//!         for edge in 0..weights.len() {
//!             weights.set(edge, weights.get(edge) * (1.0 - rule.0));
//!         }
//!     }
//! }
//! ```

use std::fmt;
use std::ops::Range;

use bevy_ecs::prelude::Entity;

use super::port::fixed_point;
use super::table::{Table, TableEdges};
use crate::simulation::Simulation;
use crate::time::Time;

/// A rule that changes the weights of a projection, as a scene names it.
pub trait Plasticity: fmt::Debug + Send + Sync + 'static {
    /// Its name in scenes.
    fn name(&self) -> &'static str;

    /// Its fields as a scene gives them: key and value in RON.
    fn fields(&self) -> Vec<(&'static str, String)>;

    /// The largest weight that it may give an edge: weights are fixed-point numbers, and their
    /// range is decided before the run.
    fn largest_weight(&self) -> f64;

    /// Puts its component on the projection's entity and adds its system, once for all projections
    /// ([`Simulation::first_time`]).
    fn attach(&self, projection: Entity, simulation: &mut Simulation);
}

/// An edge whose weight can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlasticEdge {
    /// Index in the spiking group.
    pub source: u32,
    /// Index in the receiving population.
    pub target: u32,
    /// From a spike to its arrival.
    pub delay: Time,
    /// Its place in the table.
    pub(super) place: u32,
}

/// The edges of a plastic projection.
#[derive(Debug)]
pub(super) struct PlasticEdges {
    /// Index of the projection in the scene.
    pub(super) projection: usize,
    /// Sorted by source, delay and target.
    pub(super) edges: Vec<PlasticEdge>,
    /// Their weights in double precision: changes below the fixed-point grid add up.
    pub(super) weights: Vec<f64>,
    /// The edges of source k: `first_of_source[k]..first_of_source[k + 1]`.
    pub(super) first_of_source: Vec<u32>,
    /// The edges by target: those of target k are `first_of_target[k]..first_of_target[k + 1]`.
    pub(super) by_target: Vec<u32>,
    pub(super) first_of_target: Vec<u32>,
    /// One pulse of weight 1 is 2^exponent.
    pub(super) exponent: i32,
    /// The largest weight that an edge may have.
    pub(super) largest: f64,
    /// Whether weights are rounded to whole numbers.
    pub(super) rounds: bool,
}

/// Where the edges of each of `n` begin, in a list that is sorted by them, and the end of the last.
pub(super) fn firsts(n: u64, of: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut first = vec![0; n as usize + 1];
    of.for_each(|k| first[k as usize + 1] += 1);
    for k in 0..n as usize {
        first[k + 1] += first[k];
    }
    first
}

/// The weights of a plastic projection, edge by edge.
pub struct EdgeWeights<'a> {
    table: &'a mut Table,
    at: usize,
}

impl<'a> EdgeWeights<'a> {
    /// Of the projection with this index in the scene, if it is plastic.
    pub(super) fn new(table: &'a mut Table, projection: usize) -> Option<EdgeWeights<'a>> {
        let at = table.plastic.iter().position(|p| p.projection == projection)?;
        Some(EdgeWeights { table, at })
    }

    /// The edges, sorted by source, delay and target.
    #[must_use]
    pub fn edges(&self) -> &[PlasticEdge] {
        &self.table.plastic[self.at].edges
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.edges().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edges().is_empty()
    }

    /// The edges out of a source.
    #[must_use]
    pub fn of_source(&self, source: u32) -> Range<usize> {
        let first = &self.table.plastic[self.at].first_of_source;
        first[source as usize] as usize..first[source as usize + 1] as usize
    }

    /// How many edges end at a target.
    #[must_use]
    pub fn fan_in(&self, target: u32) -> usize {
        let first = &self.table.plastic[self.at].first_of_target;
        (first[target as usize + 1] - first[target as usize]) as usize
    }

    /// The `k`-th of the edges that end at a target.
    #[must_use]
    pub fn into_target(&self, target: u32, k: usize) -> usize {
        let plastic = &self.table.plastic[self.at];
        plastic.by_target[plastic.first_of_target[target as usize] as usize + k] as usize
    }

    /// The weight of an edge: pulses per spike.
    #[must_use]
    pub fn get(&self, edge: usize) -> f64 {
        self.table.plastic[self.at].weights[edge]
    }

    /// Changes the weight of an edge, within 0 and the rule's largest weight. What is delivered from
    /// the next window on has the nearest fixed-point number (of a model that counts pulses: whole
    /// number).
    pub fn set(&mut self, edge: usize, weight: f64) {
        let plastic = &mut self.table.plastic[self.at];
        // A NaN becomes 0.
        let weight = weight.max(0.0).min(plastic.largest);
        plastic.weights[edge] = weight;
        let weight = if plastic.rounds { weight.round_ties_even() } else { weight };
        let fixed = fixed_point(weight, plastic.exponent);
        let place = plastic.edges[edge].place;
        let TableEdges::Weighted(edges) = &mut self.table.edges else {
            unreachable!("edges whose weights change have their own")
        };
        let weight = &mut edges[place as usize].weight;
        if *weight != fixed {
            *weight = fixed;
            if let Some(reweighted) = &mut self.table.reweighted {
                reweighted.push((place, fixed));
            }
        }
    }

    /// The delay of an edge.
    #[must_use]
    pub fn delay(&self, edge: usize) -> Time {
        self.edges()[edge].delay
    }
}
