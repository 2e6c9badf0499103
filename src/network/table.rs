//! The table of edges.
//!
//! Compressed rows: one row per emitter (spike sources first, then neurons), within it one *group*
//! per delay, and eight bytes per edge.
//! What a weight is in fixed point says [`port`](super::port).

use std::ops::Range;
use std::sync::Arc;

use super::plasticity::{PlasticEdge, PlasticEdges};
use super::port::{Port, PortRows};
use crate::prefetch::prefetch;
use crate::scene::{GroupId, Scene};

/// An edge as spikes use it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TableEdge {
    pub(super) port: Port,
    /// Pulses in fixed point.
    pub(super) weight: i32,
}

/// Edges of one emitter with one delay, ordered by port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) first_edge: u32,
    /// In steps of the grid.
    pub(super) delay: u64,
}

/// Numbers for everything that spikes: sources, then neurons.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The first of each group, those of sources before populations; then, how many there are.
    firsts: Vec<u32>,
    /// Groups of sources.
    sources: usize,
}

impl Numbering {
    pub(super) fn new(scene: &Scene) -> Numbering {
        let sources = (0..scene.sources.len()).map(GroupId::Source);
        let groups = sources.chain((0..scene.populations.len()).map(GroupId::Population));
        let sizes = groups.map(|group| scene.instances(group));
        let mut firsts = vec![0];
        let mut emitters = 0;
        firsts.extend(sizes.map(|size| {
            emitters += size as u32;
            emitters
        }));
        Numbering { firsts, sources: scene.sources.len() }
    }

    /// The numbers of a group.
    pub(super) fn of(&self, group: GroupId) -> Range<usize> {
        let at = match group {
            GroupId::Source(k) => k,
            GroupId::Population(k) => self.sources + k,
        };
        self.firsts[at] as usize..self.firsts[at + 1] as usize
    }

    /// The number of the first of a group.
    pub(super) fn first(&self, group: GroupId) -> u32 {
        self.of(group).start as u32
    }

    /// How many there are.
    pub(super) fn emitters(&self) -> usize {
        self.firsts.last().map_or(0, |all| *all as usize)
    }

    /// The number of the first neuron.
    pub(super) fn first_neuron(&self) -> u32 {
        self.firsts[self.sources]
    }
}

/// The table of edges.
#[derive(Debug, Default)]
pub struct Table {
    /// Groups of emitter e: `first_group[e]..first_group[e + 1]`.
    pub(super) first_group: Vec<u32>,
    /// One more than there are groups: the last one closes the edges of its predecessor.
    pub(super) groups: Vec<Group>,
    pub(super) edges: Vec<TableEdge>,
    /// What the rows of ports belong to.
    pub(super) rows: Arc<PortRows>,
    /// Edges whose weights can change, by projection.
    pub(super) plastic: Vec<PlasticEdges>,
    /// Where the back end has a table of its own: weights that have changed since it was told, with their
    /// place.
    pub(super) reweighted: Option<Vec<(u32, i32)>>,
}

impl Table {
    /// The edges of a plastic projection with the weights that they have now.
    pub(super) fn learnt(&self, projection: usize) -> Option<Vec<super::Edge>> {
        let plastic = self.plastic.iter().find(|p| p.projection == projection)?;
        let edge = |(e, weight): (&PlasticEdge, &f64)| super::Edge {
            source: e.source,
            target: e.target,
            weight: *weight,
            delay: e.delay,
        };
        Some(plastic.edges.iter().zip(&plastic.weights).map(edge).collect())
    }

    /// Whether any of these emitters has edges.
    pub(super) fn has_edges(&self, emitters: Range<usize>) -> bool {
        self.first_group[emitters.start] < self.first_group[emitters.end]
    }

    /// The groups of an emitter.
    pub(super) fn groups_of(&self, emitter: usize) -> Range<u32> {
        self.first_group[emitter]..self.first_group[emitter + 1]
    }

    /// Has the groups of an emitter fetched.
    #[inline]
    pub(super) fn prefetch_groups(&self, emitter: usize) {
        if let Some(group) = self.groups.get(self.first_group[emitter] as usize) {
            prefetch(group, size_of::<Group>());
        }
    }

    /// The delay of a group, in steps of the grid.
    pub(super) fn delay_steps(&self, group: u32) -> u64 {
        self.groups[group as usize].delay
    }

    /// The first edge of a group, and how many it has.
    pub(super) fn run_of(&self, group: u32) -> (u32, u32) {
        let [from, to] = [group, group + 1].map(|g| self.groups[g as usize].first_edge);
        (from, to - from)
    }

    /// Has the edges of a run fetched, which are needed soon: a row of a network lies anywhere, and is
    /// read before the processor notices that it is one.
    #[inline]
    pub(super) fn prefetch(&self, run: (u32, u32)) {
        let edges = self.edges_of(run);
        prefetch(edges, size_of_val(edges));
    }

    /// The edges of a run.
    pub(super) fn edges_of(&self, (first, len): (u32, u32)) -> &[TableEdge] {
        &self.edges[first as usize..][..len as usize]
    }
}
