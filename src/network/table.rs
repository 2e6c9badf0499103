//! The table of edges.
//!
//! Compressed rows: one row per emitter (spike sources first, then neurons), within it one *group*
//! per delay, and eight bytes per edge, or four where all have one weight.
//! What a weight is in fixed point says [`port`](super::port).

use std::ops::Range;
use std::sync::Arc;

use super::plasticity::{PlasticEdge, PlasticEdges};
use super::port::{Port, PortRows};
use crate::prefetch::{LINE, prefetch};
use crate::scene::{GroupId, Scene};
use crate::threads::{self, Pool};

/// An edge as spikes use it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TableEdge {
    pub(super) port: Port,
    /// Pulses in fixed point.
    pub(super) weight: i32,
}

/// Edges of a table, row after row.
#[derive(Debug)]
pub(super) enum TableEdges {
    /// All of one weight (pulses in fixed point), which never changes: where they end.
    Alike(Vec<Port>, i32),
    /// Each with its own.
    Weighted(Vec<TableEdge>),
}

impl Default for TableEdges {
    fn default() -> TableEdges {
        TableEdges::Weighted(Vec::new())
    }
}

impl TableEdges {
    pub(super) fn len(&self) -> usize {
        match self {
            TableEdges::Alike(ports, _) => ports.len(),
            TableEdges::Weighted(edges) => edges.len(),
        }
    }

    /// How many lie in a line of the cache: its logarithm to base 2.
    pub(super) fn line_shift(&self) -> u32 {
        let edge = match self {
            TableEdges::Alike(..) => size_of::<Port>(),
            TableEdges::Weighted(_) => size_of::<TableEdge>(),
        };
        (LINE / edge).ilog2()
    }

    /// All of them.
    #[cfg(any(test, feature = "cuda"))]
    pub(super) fn iter(&self) -> impl Iterator<Item = TableEdge> {
        (0..self.len()).map(|at| match self {
            TableEdges::Alike(ports, weight) => TableEdge { port: ports[at], weight: *weight },
            TableEdges::Weighted(edges) => edges[at],
        })
    }
}

/// Edges of one emitter with one delay, ordered by port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) first_edge: u32,
    /// In steps of the grid.
    pub(super) delay: u64,
}

/// Edges that follow one another in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EdgeRun {
    pub(super) first: u32,
    pub(super) len: u32,
}

/// Where the edges of a group, which are in the order of their ports, divide between the shares of an inbox by blocks.
#[derive(Debug)]
pub(super) struct Cuts {
    /// The first row of each share but the first.
    first_rows: Vec<usize>,
    /// Of each group, the first edge of each share but the first. Where they would take too much memory there are none,
    /// and they are looked for.
    firsts: Vec<u32>,
}

/// Cuts of a table, at most (four bytes each).
pub(super) const MOST_CUTS: usize = 1 << 25;

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
    pub(super) edges: TableEdges,
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

    /// How many edges emitters have, from this one on.
    pub(super) fn edges_from(&self, emitter: usize) -> usize {
        self.edges.len() - self.groups[self.first_group[emitter] as usize].first_edge as usize
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

    /// The edges of a group.
    pub(super) fn run_of(&self, group: u32) -> EdgeRun {
        let [first, end] = [group, group + 1].map(|g| self.groups[g as usize].first_edge);
        EdgeRun { first, len: end - first }
    }

    /// Has the edges of a run fetched, which are needed soon, or so many of them: a row of a network lies anywhere, and
    /// is read before the processor notices that it is one.
    #[inline]
    pub(super) fn prefetch(&self, run: EdgeRun, most: u32) {
        let places = EdgeRun { len: run.len.min(most), ..run }.places();
        match &self.edges {
            TableEdges::Alike(ports, _) => {
                prefetch(&ports[places.clone()], places.len() * size_of::<Port>())
            }
            TableEdges::Weighted(edges) => {
                prefetch(&edges[places.clone()], places.len() * size_of::<TableEdge>())
            }
        }
    }

    /// The first edge of a run, in the order of ports, that ends in this row or a later one; the end, if none does.
    fn first_in(&self, run: EdgeRun, row: usize) -> u32 {
        let is_before = |port: Port| port.parts().0 < row;
        let before = match &self.edges {
            TableEdges::Alike(ports, _) => {
                ports[run.places()].partition_point(|port| is_before(*port))
            }
            TableEdges::Weighted(edges) => {
                edges[run.places()].partition_point(|edge| is_before(edge.port))
            }
        };
        run.first + before as u32
    }
}

impl EdgeRun {
    /// Their places in the table.
    #[inline(always)]
    pub(super) fn places(self) -> Range<usize> {
        self.first as usize..self.first as usize + self.len as usize
    }
}

impl Cuts {
    /// For so many shares. No more than `most` are kept.
    pub(super) fn new(table: &Table, shares: usize, most: usize, pool: Option<&Pool>) -> Cuts {
        let rows = &table.rows;
        let first_row = |share| rows.first_row(rows.first_of_share(share, shares));
        let first_rows: Vec<usize> = (1..shares).map(first_row).collect();
        let (groups, inner) = (table.groups.len().saturating_sub(1), first_rows.len());
        if groups.saturating_mul(inner) > most {
            return Cuts { first_rows, firsts: Vec::new() };
        }
        let mut firsts = vec![0; groups * inner];
        let own = groups.div_ceil(pool.map_or(1, Pool::threads)).max(1);
        let mut parts: Vec<_> = firsts.chunks_mut((own * inner).max(1)).collect();
        threads::each(pool, &mut parts, |k, part| {
            for (group, firsts) in (k * own..).zip(part.chunks_exact_mut(inner)) {
                let run = table.run_of(group as u32);
                for (first, first_row) in firsts.iter_mut().zip(&first_rows) {
                    *first = table.first_in(run, *first_row);
                }
            }
        });
        Cuts { first_rows, firsts }
    }

    /// Shares between which the edges divide.
    pub(super) fn shares(&self) -> usize {
        self.first_rows.len() + 1
    }

    /// Those of a group, if they are kept.
    fn of(&self, group: u32) -> &[u32] {
        let inner = self.first_rows.len();
        self.firsts
            .get(group as usize * inner..)
            .map_or(&[], |firsts| &firsts[..inner.min(firsts.len())])
    }

    /// Has those of an emitter fetched.
    #[inline]
    pub(super) fn prefetch(&self, table: &Table, emitter: usize) {
        let own = self.of(table.first_group[emitter]);
        prefetch(own, size_of_val(own));
    }

    /// The edges of a group that end in a share each, as far as there are any, and the share.
    #[inline(always)]
    pub(super) fn runs(&self, table: &Table, group: u32) -> impl Iterator<Item = (usize, EdgeRun)> {
        let run = table.run_of(group);
        let (mut first, end) = (run.first, run.first + run.len);
        let kept = self.of(group);
        let mut share = kept.partition_point(|cut| *cut <= first);
        std::iter::from_fn(move || {
            while first < end {
                let (own, own_share) = (first, share);
                first = match (kept.get(share), self.first_rows.get(share)) {
                    (Some(cut), _) => *cut,
                    (None, Some(row)) => table.first_in(run, *row),
                    (None, None) => end,
                };
                share += 1;
                if first > own {
                    return Some((own_share, EdgeRun { first: own, len: first - own }));
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::port::PortRow;
    use super::*;

    proptest! {
        /// Each edge is in one run, of the share whose rows it ends in, whether cuts are kept or looked for.
        #[test]
        fn runs_of_shares_are_all_edges(
            groups in prop::collection::vec(prop::collection::vec(0_u32..2304, 0..9), 0..12),
            (shares, threads) in (1_usize..9, 2_usize..4),
            (is_kept, weights) in (any::<bool>(), 1..3),
        ) {
            let row = |row| PortRow { block: row, receptor: 0, receptors: 1, is_event_driven: false };
            let rows = PortRows {
                rows: (0..36).map(row).collect(),
                first_of_block: (0..=36).collect(),
                cost_before: (0..=36).collect(),
            };
            let mut table = Table { rows: Arc::new(rows), ..Table::default() };
            let mut edges = Vec::new();
            for ports in &groups {
                table.groups.push(Group { first_edge: edges.len() as u32, delay: 0 });
                let mut ports = ports.clone();
                ports.sort_unstable();
                let edge = |port| TableEdge { port: Port(port), weight: 1 + port as i32 % weights };
                edges.extend(ports.into_iter().map(edge));
            }
            table.groups.push(Group { first_edge: edges.len() as u32, delay: 0 });
            let pool = Pool::start(threads).unwrap();
            table.edges = if weights == 1 {
                TableEdges::Alike(edges.iter().map(|edge| edge.port).collect(), 1)
            } else {
                TableEdges::Weighted(edges.clone())
            };
            prop_assert!(table.edges.iter().eq(edges.iter().copied()));
            let most = if is_kept { usize::MAX } else { 0 };
            for pool in [None, Some(&pool)] {
                let cuts = Cuts::new(&table, shares, most, pool);
                prop_assert_eq!(cuts.shares(), shares);
                for group in 0..groups.len() as u32 {
                    let mut next = table.run_of(group).first;
                    for (share, run) in cuts.runs(&table, group) {
                        prop_assert!(run.first == next && run.len > 0);
                        next += run.len;
                        let blocks = [share, share + 1].map(|k| table.rows.first_of_share(k, shares));
                        for edge in &edges[run.places()] {
                            // (A block has one row.)
                            prop_assert!((blocks[0]..blocks[1]).contains(&edge.port.parts().0));
                        }
                    }
                    let run = table.run_of(group);
                    prop_assert_eq!(next, run.first + run.len);
                }
            }
        }
    }
}
