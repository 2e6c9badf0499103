//! What arrives at event-driven neurons: put down block by block, and laid out neuron by neuron.

use super::super::port::PortRow;
use super::super::table::TableEdge;
use super::{EdgeList, Inbox, grow};
use crate::bank::LANES;
use crate::solver::event;
use crate::time::Time;

/// What one thread has put down.
#[derive(Debug, Default)]
pub(super) struct EventLists {
    /// Arrivals at the neurons of each block.
    lists: Vec<Vec<event::Arrival>>,
    /// Blocks with any.
    blocks: Vec<u32>,
}

impl EventLists {
    /// Empties it.
    pub(super) fn reset(&mut self) {
        self.blocks.drain(..).for_each(|block| self.lists[block as usize].clear());
    }

    /// Makes room for so many blocks.
    pub(super) fn fit(&mut self, blocks: usize) {
        grow(&mut self.lists, blocks, Vec::new);
    }

    /// How many arrivals there are.
    fn len(&self) -> usize {
        self.blocks.iter().map(|block| self.lists[*block as usize].len()).sum()
    }

    /// Adds what arrives by many edges at event-driven neurons.
    #[inline(never)]
    pub(super) fn push_edges(&mut self, rows: &[PortRow], edges: impl EdgeList, time: Time) {
        edges.for_each(|edge| self.push_edge(rows, edge, time));
    }

    /// Adds what arrives by an edge at an event-driven neuron.
    #[inline(always)]
    pub(super) fn push_edge(&mut self, rows: &[PortRow], edge: TableEdge, time: Time) {
        let (row, lane) = edge.port.parts();
        let PortRow { block, receptor, .. } = rows[row];
        let arrival = event::Arrival { time, receptor, weight: edge.weight, lane: lane as u8 };
        self.push(block as usize, arrival);
    }

    /// Adds an arrival at a neuron of a block.
    #[inline]
    pub(super) fn push(&mut self, block: usize, arrival: event::Arrival) {
        let list = &mut self.lists[block];
        if list.is_empty() {
            self.blocks.push(block as u32);
        }
        list.push(arrival);
    }
}

impl Inbox {
    /// Arrivals at event-driven neurons.
    #[must_use]
    pub fn events(&self) -> usize {
        self.parts.iter().map(|part| part.events.len()).sum()
    }

    /// Marks blocks, from the `first` on (counted over all banks), with arrivals at event-driven neurons.
    pub(crate) fn mark_events(&self, first: usize, is_busy: &mut [bool]) {
        for block in self.parts.iter().flat_map(|part| &part.events.blocks) {
            if let Some(is_busy) =
                (*block as usize).checked_sub(first).and_then(|block| is_busy.get_mut(block))
            {
                *is_busy = true;
            }
        }
    }

    /// Appends the arrivals at the event-driven neurons of a block, neuron by neuron, those of each sorted;
    /// the result is where those of each end.
    pub fn events_of(&self, block: usize, arrivals: &mut Vec<event::Arrival>) -> [usize; LANES] {
        let lists = || self.parts.iter().filter_map(|part| part.events.lists.get(block));
        // (No lane is beyond the last; the compiler does not know.)
        let lane_of = |arrival: &event::Arrival| usize::from(arrival.lane) % LANES;
        // Where the next one of each neuron belongs, and room for all: what stands there now does not matter.
        let mut next = [0; LANES];
        let first = arrivals.len();
        for list in lists() {
            list.iter().for_each(|arrival| next[lane_of(arrival)] += 1);
            arrivals.extend_from_slice(list);
        }
        let mut end = first;
        for next in &mut next {
            end += std::mem::replace(next, end);
        }
        // They are put down in the order of time, mostly, and few come together.
        let (mut least, mut unsorted) = ([Time::ZERO; LANES], 0_u64);
        for arrival in lists().flatten() {
            let lane = lane_of(arrival);
            arrivals[next[lane]] = *arrival;
            next[lane] += 1;
            unsorted |= u64::from(arrival.time < least[lane]) << lane;
            least[lane] = Time::from_picoseconds(arrival.time.picoseconds() + 1);
        }
        while unsorted != 0 {
            let lane = unsorted.trailing_zeros() as usize;
            unsorted &= unsorted - 1;
            let from = lane.checked_sub(1).map_or(first, |before| next[before]);
            arrivals[from..next[lane]].sort_unstable();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::super::port::{Port, PortRows};
    use super::super::{Moment, Share};
    use super::*;

    /// An inbox of eighteen blocks of event-driven neurons, each with two receptors.
    fn inbox(by_blocks: bool) -> Inbox {
        let row = |row: u32| PortRow {
            block: row / 2,
            receptor: (row % 2) as u8,
            receptors: 2,
            is_event_driven: true,
        };
        let first_of_block = (0..=18).map(|block| block * 2).collect();
        let rows = (0..36).map(row).collect();
        let rows = PortRows { rows, first_of_block, cost_before: (0..=18).collect() };
        let mut inbox = Inbox::default();
        inbox.begin(&Arc::new(rows), None, by_blocks);
        inbox
    }

    proptest! {
        /// Whichever thread put down what, and in whatever order, or each what ends in its own blocks: each neuron gets its
        /// arrivals sorted.
        #[test]
        fn event_driven_neurons_get_their_arrivals_sorted(
            edges in prop::collection::vec((0_u32..36, 0_u32..3, 0_usize..3, 0_u64..5, 1_i32..3), 0..400),
            by_blocks in any::<bool>(),
        ) {
            let mut inbox = inbox(by_blocks);
            let mut expected: Vec<(u32, event::Arrival)> = Vec::new();
            {
                let (shape, mut shares) = inbox.shares(3);
                let blocks: Vec<usize> = shares.iter().map(|share| share.blocks().len()).collect();
                prop_assert_eq!(blocks, if by_blocks { [6; 3] } else { [18; 3] });
                for &(row, lane, share, time, weight) in &edges {
                    let edge = TableEdge { port: Port(row * 64 + lane), weight };
                    let time = Time::from_picoseconds(time);
                    let own = |share: &Share| share.blocks().contains(&(row as usize / 2));
                    let share = if by_blocks { shares.iter().position(own).unwrap() } else { share };
                    shares[share].extend(shape, [edge].into_iter(), &[Moment { step: 0, time }]);
                    let arrival = event::Arrival { time, receptor: (row % 2) as u8, weight, lane: lane as u8 };
                    expected.push((row / 2 * 64 + lane, arrival));
                }
            }
            expected.sort_unstable();
            prop_assert_eq!(inbox.events(), edges.len());
            let (mut all, mut arrivals) = (Vec::new(), Vec::new());
            for block in 0..18 {
                let mut from = arrivals.len();
                let ends = inbox.events_of(block, &mut arrivals);
                let mut is_busy = [false];
                inbox.mark_events(block, &mut is_busy);
                prop_assert_eq!(is_busy, [arrivals.len() > from]);
                for (lane, end) in ends.into_iter().enumerate() {
                    let neuron = (block * LANES + lane) as u32;
                    all.extend(arrivals[from..end].iter().map(|arrival| (neuron, *arrival)));
                    from = end;
                }
            }
            prop_assert_eq!(all, expected);
            // Nothing is left for the next round.
            inbox.reset_parts(0);
            let mut arrivals = Vec::new();
            let ends: Vec<_> = (0..18).map(|block| inbox.events_of(block, &mut arrivals)).collect();
            prop_assert_eq!((inbox.events(), ends, arrivals), (0, vec![[0; LANES]; 18], Vec::new()));
        }
    }
}
