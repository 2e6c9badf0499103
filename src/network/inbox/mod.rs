//! Inboxes: what arrives in the round at hand, as the solvers want it.
//!
//! Kernels get sums in a short round and lists in a longer one, and neurons that are carried from event to
//! event each its own arrivals, sorted (`events`).

mod events;

use std::ops::Range;
use std::sync::Arc;

use bevy_ecs::prelude::*;
use smallvec::SmallVec;

use events::EventLists;

use super::calendar::Due;
use super::port::{Port, PortRow, PortRows, ROWS_TOGETHER};
use super::table::TableEdge;
use crate::bank::{LANES, Row};
use crate::solver::event;
use crate::solver::kernel::TILE_STEPS;
use crate::time::Time;

/// Up to so many steps, arrivals are summed at once, in a row for each step and receptor of a block:
/// a row costs a kernel less than a list of a single arrival does. In longer rounds most rows would
/// be empty.
pub(crate) const MOST_SUMMED_STEPS: usize = 16;

/// Pulses on their way into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Pulses in fixed point.
    pub weight: i32,
    /// The step, from the start of the tile.
    pub step: u8,
    /// The lane of the block.
    pub lane: u8,
    /// The receptor, as the kernel counts them.
    pub receptor: u8,
}

/// Who makes pulses of a spike, one for each edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// The router.
    #[default]
    Host,
    /// The back end, for all neurons.
    Device,
    /// The back end for its neurons, the router for those that the host runs.
    Both,
}

/// Edges that deliver at a step, as a run in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first edge.
    pub first: u32,
    /// Edges.
    pub len: u32,
    /// The step, from the start of the round.
    pub step: u32,
    /// The time, for event-driven neurons.
    pub time: Time,
}

/// The arrivals of a round. Within a step their order means nothing, so that threads that deliver put them
/// into parts of their own; where they are summed, and among event-driven neurons that mostly drive each other, each delivers
/// to rows of its own.
#[derive(Resource, Debug)]
pub struct Inbox {
    shape: Shape,
    parts: Vec<Part>,
    /// Of a short round: sums, for each block and step a row for each receptor.
    sums: Vec<Row<i32>>,
    /// Whether any sum is not zero, in each [`ROWS_TOGETHER`] rows.
    touched: Vec<Touched>,
    /// Weights that have changed, where the back end delivers itself (place in the table).
    pub(crate) reweighted: Vec<(u32, i32)>,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox {
            shape: Shape::default(),
            parts: vec![Part::default()],
            sums: Vec::new(),
            touched: Vec::new(),
            reweighted: Vec::new(),
        }
    }
}

/// Edges that follow one another in a table.
pub(super) trait EdgeList: ExactSizeIterator<Item = TableEdge> + Clone {}
impl<I: ExactSizeIterator<Item = TableEdge> + Clone> EdgeList for I {}

/// What the inbox of a round is like.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    rows: Arc<PortRows>,
    /// Steps of the round; 0 where all neurons are event-driven.
    steps: usize,
    /// Whether some are.
    pub(super) has_events: bool,
    /// Whether several shares are of blocks, not of what is delivered.
    is_by_blocks: bool,
}

/// What one thread delivers, but for sums. (In lines of the cache of its own, as the next one is another thread's.)
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part {
    /// Of a longer round: lists of arrivals, for each tile of [`TILE_STEPS`] steps one for each block.
    lists: Vec<Vec<Arrival>>,
    /// Arrivals (and their block) whose sum overflowed.
    overflowed: Vec<(usize, Arrival)>,
    /// Those of event-driven neurons.
    events: EventLists,
    /// Edges that the back end delivers itself.
    runs: Vec<Run>,
    /// Room for what is due.
    due: Vec<Due>,
}

/// What one thread writes to: a part, and the sums of some rows.
pub(crate) struct Share<'a> {
    part: &'a mut Part,
    /// Blocks, and their rows of ports: it takes the edges that end there.
    blocks: Range<usize>,
    rows: Range<usize>,
    sums: &'a mut [Row<i32>],
    touched: &'a mut [Touched],
    /// Whether all of these are said to be touched.
    is_all_touched: bool,
}

/// Whether any sum of [`ROWS_TOGETHER`] rows is not zero. (In a line of the cache of its own, as the next one may be
/// another thread's; the sums are 32 lines.)
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Touched(bool);

/// The shares of a round.
pub(crate) type Shares<'a> = SmallVec<[Share<'a>; 4]>;

/// When something arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The step, from the start of the round.
    pub(super) step: usize,
    /// The time, for event-driven neurons.
    pub(super) time: Time,
}

/// Lists of a longer round, of all its shares together (24 bytes each, and looked through each round): where there
/// would be more, shares are fewer.
const MOST_LISTS: usize = 1 << 19;

/// What arrives at a block in a tile.
#[derive(Clone, Copy)]
pub(crate) enum Tile<'a> {
    /// Sums, a row for each step and receptor.
    Sums(&'a [Row<i32>]),
    /// One by one.
    Lists(Lists<'a>),
}

/// Lists of arrivals, one of each part.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    parts: &'a [Part],
    at: usize,
}

impl<'a> Lists<'a> {
    /// All arrivals.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a Arrival> {
        self.lists().flatten()
    }

    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.lists().map(Vec::len).sum()
    }

    fn lists(self) -> impl Iterator<Item = &'a Vec<Arrival>> {
        self.parts.iter().filter_map(move |part| part.lists.get(self.at))
    }
}

/// What has arrived in a round, at all blocks or those of a [`Share`].
#[derive(Clone, Copy)]
pub(crate) struct Arrived<'a> {
    shape: &'a Shape,
    parts: &'a [Part],
    /// Of a short round: sums, from those of this row of ports on.
    first_row: usize,
    sums: &'a [Row<i32>],
}

impl<'a> Arrived<'a> {
    /// Whether arrivals are summed already.
    pub(crate) fn is_summed(self) -> bool {
        self.shape.is_summed()
    }

    /// What arrives at a block, tile by tile.
    pub(crate) fn tiles(self, block: usize) -> impl Iterator<Item = Tile<'a>> {
        let (tiles, blocks) = (self.shape.steps.div_ceil(TILE_STEPS), self.shape.rows.blocks());
        (0..tiles).map(move |tile| {
            if self.is_summed() {
                Tile::Sums(self.sums(block..block + 1))
            } else {
                Tile::Lists(Lists { parts: self.parts, at: tile * blocks + block })
            }
        })
    }

    /// The sums of blocks in a short round: for each block and step a row for each receptor.
    pub(crate) fn sums(self, blocks: Range<usize>) -> &'a [Row<i32>] {
        let place = |block| (self.shape.rows.first_row(block) - self.first_row) * self.shape.steps;
        &self.sums[place(blocks.start)..place(blocks.end)]
    }

    /// The arrivals at blocks whose sum overflowed already, and their block.
    pub(crate) fn overflowed(
        self,
        blocks: Range<usize>,
    ) -> impl Iterator<Item = (usize, &'a Arrival)> {
        let own = self.parts.iter().flat_map(|part| &part.overflowed);
        let own = own.filter(move |(block, _)| blocks.contains(block));
        own.map(|(block, arrival)| (*block, arrival))
    }
}

impl Shape {
    /// Whether arrivals are summed already.
    pub(super) fn is_summed(&self) -> bool {
        self.steps <= MOST_SUMMED_STEPS
    }

    /// Lists of a longer round.
    fn lists(&self) -> usize {
        self.rows.blocks() * self.steps.div_ceil(TILE_STEPS)
    }
}

impl Part {
    /// Empties it.
    fn reset(&mut self) {
        self.lists.iter_mut().for_each(Vec::clear);
        self.overflowed.clear();
        self.runs.clear();
        self.events.reset();
    }

    /// Makes room for what arrives in a round.
    fn fit(&mut self, shape: &Shape) {
        if !shape.is_summed() {
            grow(&mut self.lists, shape.lists(), Vec::new);
        }
        if shape.has_events {
            self.events.fit(shape.rows.blocks());
        }
    }
}

/// Makes a list longer, if it is too short.
fn grow<T>(list: &mut Vec<T>, len: usize, new: impl FnMut() -> T) {
    list.resize_with(len.max(list.len()), new);
}

impl Share<'_> {
    /// Empties it.
    pub(super) fn reset(&mut self) {
        self.is_all_touched = false;
        for (touched, sums) in self.touched.iter_mut().zip(self.sums.chunks_mut(ROWS_TOGETHER)) {
            if std::mem::take(&mut touched.0) {
                sums.fill(Row([0; LANES]));
            }
        }
        self.part.reset();
    }

    /// Is told how many pulses arrive where it has its sums: many are likely to end everywhere.
    pub(super) fn expect(&mut self, shape: &Shape, pulses: u64) {
        let sums = self.rows.len() * shape.steps;
        if shape.is_summed() && pulses >= sums.div_ceil(ROWS_TOGETHER) as u64 {
            self.touched.fill(Touched(true));
            self.is_all_touched = true;
        }
    }

    /// Its blocks, counted over all banks.
    pub(crate) fn blocks(&self) -> Range<usize> {
        self.blocks.clone()
    }

    /// What has arrived there.
    pub(crate) fn arrived<'s>(&'s self, shape: &'s Shape) -> Arrived<'s> {
        let parts = std::slice::from_ref(&*self.part);
        Arrived { shape, parts, first_row: self.rows.start, sums: self.sums }
    }

    /// Room for what is due.
    pub(super) fn due(&mut self) -> &mut Vec<Due> {
        &mut self.part.due
    }

    /// Edges that the back end delivers itself.
    pub(super) fn runs(&mut self) -> &mut Vec<Run> {
        &mut self.part.runs
    }

    /// Adds what arrives by some edges that end there, at these moments. (Inlined, because there is often one of each.)
    #[inline(always)]
    pub(super) fn extend(&mut self, shape: &Shape, edges: impl EdgeList, moments: &[Moment]) {
        debug_assert!(edges.clone().all(|edge| self.rows.contains(&edge.port.parts().0)));
        let rows = &shape.rows.rows[..];
        if shape.steps == 0 && shape.has_events {
            for &Moment { time, .. } in moments {
                match only(&edges) {
                    Some(edge) => self.part.events.push_edge(rows, edge, time),
                    None => self.part.events.push_edges(rows, edges.clone(), time),
                }
            }
            return;
        }
        if shape.has_events || shape.is_summed() && shape.steps != 1 {
            for moment in moments {
                edges.clone().for_each(|edge| self.push(shape, edge, *moment));
            }
            return;
        }
        if !shape.is_summed() {
            let blocks = shape.rows.blocks();
            let tile = |moment: &Moment| (moment.step / TILE_STEPS, moment.step % TILE_STEPS);
            if let Some(edge) = only(&edges) {
                let (block, arrival) = arrival(rows, edge, 0);
                for (tile, step) in moments.iter().map(tile) {
                    let list = &mut self.part.lists[tile * blocks + block];
                    list.push(Arrival { step: step as u8, ..arrival });
                }
            } else {
                for (tile, step) in moments.iter().map(tile) {
                    let lists = &mut self.part.lists[tile * blocks..][..blocks];
                    list_all(lists, rows, edges.clone(), step as u8);
                }
            }
            return;
        }
        for _ in moments {
            self.add_all(rows, edges.clone());
        }
    }

    /// Adds what arrives by edges in a round of one step: a port is the place of its sum.
    #[inline(always)]
    fn add_all(&mut self, rows: &[PortRow], edges: impl EdgeList) {
        // (Taken out of the share, so that they stay in registers while sums are written.)
        let (first, sums) = ((self.rows.start * LANES) as u32, &mut *self.sums);
        let is_all_touched = self.is_all_touched;
        let overflowed = &mut self.part.overflowed;
        for edge in edges {
            let (own_row, lane) = Port(edge.port.0 - first).parts();
            let sum = &mut sums[own_row].0[lane];
            match sum.checked_add(edge.weight) {
                Some(total) => *sum = total,
                None => overflowed.push(arrival(rows, edge, 0)),
            }
            if !is_all_touched {
                self.touched[own_row / ROWS_TOGETHER].0 = true;
            }
        }
    }

    /// Adds what arrives by an edge, wherever it ends. (Apart, because that is rare.)
    #[inline(never)]
    fn push(&mut self, shape: &Shape, edge: TableEdge, Moment { step, time }: Moment) {
        let (row, lane) = edge.port.parts();
        let PortRow { block, receptor, receptors, is_event_driven } = shape.rows.rows[row];
        let (block, weight) = (block as usize, edge.weight);
        if is_event_driven {
            let arrival = event::Arrival { time, receptor, weight, lane: lane as u8 };
            return self.part.events.push(block, arrival);
        }
        let arrival =
            Arrival { weight, step: (step % TILE_STEPS) as u8, lane: lane as u8, receptor };
        if !shape.is_summed() {
            return self.part.lists[step / TILE_STEPS * shape.rows.blocks() + block].push(arrival);
        }
        let (receptor, receptors) = (usize::from(receptor), usize::from(receptors));
        let row = (row - receptor - self.rows.start) * shape.steps + step * receptors + receptor;
        let sum = &mut self.sums[row].0[lane];
        self.touched[row / ROWS_TOGETHER].0 = true;
        match sum.checked_add(weight) {
            Some(total) => *sum = total,
            None => self.part.overflowed.push((block, arrival)),
        }
    }
}

/// The edge of a run, if it is one alone.
#[inline(always)]
fn only(edges: &impl EdgeList) -> Option<TableEdge> {
    if edges.len() == 1 { edges.clone().next() } else { None }
}

/// What arrives by an edge in a step of a tile, and its block.
#[inline(always)]
fn arrival(rows: &[PortRow], edge: TableEdge, step: u8) -> (usize, Arrival) {
    let (row, lane) = edge.port.parts();
    let PortRow { block, receptor, .. } = rows[row];
    (block as usize, Arrival { weight: edge.weight, step, lane: lane as u8, receptor })
}

/// Adds what arrives by many edges to the lists of their blocks. (Apart from the rest, in which the compiler makes
/// less of the loop.)
#[inline(never)]
fn list_all(lists: &mut [Vec<Arrival>], rows: &[PortRow], edges: impl EdgeList, step: u8) {
    for edge in edges {
        let (block, arrival) = arrival(rows, edge, step);
        lists[block].push(arrival);
    }
}

impl Inbox {
    /// Is for a round of so many `steps` (where neurons are advanced by steps) from now on. What arrived before
    /// is still to be [removed](Share::reset). In a short round shares are of blocks; where all neurons are event-driven,
    /// if `events_by_blocks`.
    pub(super) fn begin(
        &mut self,
        rows: &Arc<PortRows>,
        steps: Option<u64>,
        events_by_blocks: bool,
    ) {
        let shape = &mut self.shape;
        if !Arc::ptr_eq(&shape.rows, rows) {
            let has_events = rows.rows.iter().any(|row| row.is_event_driven);
            *shape = Shape { rows: rows.clone(), has_events, ..Shape::default() };
            self.parts = vec![Part::default()];
            (self.sums, self.touched) = Default::default();
        }
        shape.steps = steps.unwrap_or(0) as usize;
        shape.is_by_blocks = if shape.steps == 0 { events_by_blocks } else { shape.is_summed() };
        self.reweighted.clear();
    }

    /// Whether several shares are of blocks, not of what is delivered.
    pub(crate) fn is_shared_by_blocks(&self) -> bool {
        self.shape.is_by_blocks
    }

    /// So many shares. Where they would have too many lists together there are half as many (so that threads have as
    /// many as each other), or a quarter, …; where some arrivals are summed and others are not, there is one alone.
    pub(crate) fn shares<'a>(&'a mut self, mut count: usize) -> (&'a Shape, Shares<'a>) {
        let by_blocks = self.is_shared_by_blocks();
        let shape = &self.shape;
        if by_blocks && shape.has_events && shape.steps > 0 {
            count = 1;
        }
        while !by_blocks && count > 1 && count.saturating_mul(shape.lists()) > MOST_LISTS {
            count = count.div_ceil(2);
        }
        grow(&mut self.parts, count, Part::default);
        if by_blocks {
            grow(&mut self.sums, shape.rows.rows.len() * shape.steps, || Row([0; LANES]));
            grow(&mut self.touched, self.sums.len().div_ceil(ROWS_TOGETHER), Touched::default);
        }
        let blocks = shape.rows.blocks();
        let (mut sums, mut touched, mut first) = (&mut self.sums[..], &mut self.touched[..], 0);
        let share = |(k, part): (usize, &'a mut Part)| {
            part.fit(shape);
            let end = if by_blocks { shape.rows.first_of_share(k + 1, count) } else { blocks };
            let own = if by_blocks { std::mem::replace(&mut first, end)..end } else { 0..blocks };
            let rows = shape.rows.first_row(own.start)..shape.rows.first_row(own.end);
            // The one that ends with the last block takes what is left, also what is of no use in this round.
            let len = if end < blocks { rows.len() * shape.steps } else { sums.len() };
            let (own_sums, later) = std::mem::take(&mut sums).split_at_mut(len);
            let own_touched = std::mem::take(&mut touched);
            let (own_touched, still) = own_touched.split_at_mut(len.div_ceil(ROWS_TOGETHER));
            (sums, touched) = (later, still);
            let (sums, touched) = (own_sums, own_touched);
            Share { part, blocks: own, rows, sums, touched, is_all_touched: false }
        };
        let shares = self.parts[..count].iter_mut().enumerate().map(share).collect();
        (shape, shares)
    }

    /// Empties the parts of all shares but so many of the first.
    pub(super) fn reset_parts(&mut self, but: usize) {
        self.parts.iter_mut().skip(but).for_each(Part::reset);
    }

    /// Empties what only a device looks at.
    pub(super) fn reset_runs(&mut self) {
        self.parts.iter_mut().for_each(|part| part.runs.clear());
        self.reweighted.clear();
    }

    /// Edges that the back end delivers itself.
    #[cfg(feature = "cuda")]
    pub(crate) fn runs(&self) -> &[Run] {
        &self.parts[0].runs
    }

    /// What has arrived.
    pub(crate) fn arrived(&self) -> Arrived<'_> {
        Arrived { shape: &self.shape, parts: &self.parts, first_row: 0, sums: &self.sums }
    }

    /// The arrivals of a block (counted over all banks): the first step of their tile, and what arrives
    /// in it. In a short round those of a step, lane and receptor are summed, but for those that would
    /// overflow the sum.
    pub fn of_block(&self, block: usize) -> Vec<(u64, Arrival)> {
        let mut arrivals = Vec::new();
        let first_of_block = &self.shape.rows.first_of_block;
        let receptors = (first_of_block[block + 1] - first_of_block[block]).max(1) as usize;
        for (tile, own) in self.arrived().tiles(block).enumerate() {
            let first_step = (tile * TILE_STEPS) as u64;
            match own {
                Tile::Lists(lists) => arrivals.extend(lists.iter().map(|a| (first_step, *a))),
                Tile::Sums(rows) => {
                    for (at, row) in rows.iter().enumerate() {
                        let (step, receptor) = ((at / receptors) as u8, (at % receptors) as u8);
                        let lanes = (0..).zip(&row.0).filter(|(_, weight)| **weight != 0);
                        arrivals.extend(lanes.map(|(lane, weight)| {
                            (first_step, Arrival { weight: *weight, step, lane, receptor })
                        }));
                    }
                }
            }
        }
        let overflowed = self.arrived().overflowed(block..block + 1);
        arrivals.extend(overflowed.map(|(_, arrival)| (0, *arrival)));
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Twelve blocks, each with three receptors, of which some cost more than others.
    fn twelve_blocks() -> Arc<PortRows> {
        let row = |row: u32| PortRow {
            block: row / 3,
            receptor: (row % 3) as u8,
            receptors: 3,
            is_event_driven: false,
        };
        let first_of_block = (0..=12).map(|block| block * 3).collect();
        let cost_before = (0..=12).map(|block| block * block).collect();
        Arc::new(PortRows { rows: (0..36).map(row).collect(), first_of_block, cost_before })
    }

    /// Of five shares there are half as many, and again, until they have no more lists than may be.
    #[test]
    fn shares_are_fewer_where_lists_are_many() {
        let rows = twelve_blocks();
        let mut inbox = Inbox::default();
        for (lists, shares) in [(12, 5), (MOST_LISTS / 5, 5), (MOST_LISTS / 3, 3), (MOST_LISTS, 1)]
        {
            let tiles = lists / 12;
            inbox.begin(&rows, Some((tiles * TILE_STEPS) as u64), false);
            assert_eq!(inbox.shares(5).1.len(), shares, "{lists} lists");
        }
    }

    proptest! {
        /// Threads that share the rows of a short round deliver each edge once, and leave nothing behind.
        #[test]
        fn shares_of_rows_are_all_rows(
            ports in prop::collection::vec(0_u32..2304, 0..150),
            (steps, threads) in (1_u64..6, 1_usize..6),
            (between, others) in (1_u64..6, 1_usize..6),
            moments in prop::collection::vec(0_usize..6, 1..4),
        ) {
            let rows = twelve_blocks();
            let mut edges: Vec<_> =
                (1..).zip(ports).map(|(weight, port)| TableEdge { port: Port(port), weight }).collect();
            edges.sort_unstable();
            let step = |moment: &usize| moment % steps as usize;
            let at = |moment| Moment { step: step(moment), time: Time::ZERO };
            let all: Vec<Moment> = moments.iter().map(at).collect();
            let mut expected = std::collections::BTreeMap::new();
            for (edge, moment) in edges.iter().flat_map(|e| moments.iter().map(move |m| (e, m))) {
                let (row, lane) = edge.port.parts();
                *expected.entry((row / 3, step(moment), row % 3, lane)).or_insert(0) += edge.weight;
            }
            let mut inbox = Inbox::default();
            inbox.begin(&rows, Some(steps), false);
            let (shape, mut shares) = inbox.shares(threads);
            prop_assert_eq!(shares.len(), threads);
            for share in &mut shares {
                let own = |edge: &&TableEdge| share.rows.contains(&edge.port.parts().0);
                let own: Vec<TableEdge> = edges.iter().filter(own).copied().collect();
                share.expect(shape, own.len() as u64);
                share.extend(shape, own.iter().copied(), &all);
            }
            drop(shares);
            let mut found = std::collections::BTreeMap::new();
            for (block, (_, arrival)) in (0..12).flat_map(|b| inbox.of_block(b).into_iter().map(move |a| (b, a))) {
                let Arrival { weight, step, lane, receptor } = arrival;
                let place = (block, usize::from(step), usize::from(receptor), usize::from(lane));
                prop_assert_eq!(found.insert(place, weight), None);
            }
            prop_assert_eq!(found, expected);
            // Nothing is left, also where a round of other steps, shared otherwise, comes between.
            for (steps, threads) in [(between, others), (steps, threads)] {
                inbox.begin(&rows, Some(steps), false);
                inbox.shares(threads).1.iter_mut().for_each(Share::reset);
                prop_assert!((0..12).all(|block| inbox.of_block(block).is_empty()));
            }
            inbox.begin(&rows, Some(6), false);
            inbox.shares(1);
            prop_assert!((0..12).all(|block| inbox.of_block(block).is_empty()));
        }
    }
}
