//! The spikes of a window.

use std::ops::Deref;
use std::sync::OnceLock;

use bevy_ecs::prelude::Resource;

use crate::scene::GroupId;
use crate::time::Time;

/// A resource: the spikes of the window at hand, group by group: those of sources from its start on
/// (start ≤ t < end), those of neurons up to its end (start < t ≤ end; a spike found in a step has the
/// time of the step's end). Complete for systems in [`WindowSet::Last`](crate::schedule::WindowSet::Last).
#[derive(Resource, Debug, Default)]
pub struct WindowSpikes {
    /// Spikes of each group of sources.
    pub sources: Vec<GroupSpikes>,
    /// Spikes of each population.
    pub populations: Vec<GroupSpikes>,
}

impl WindowSpikes {
    /// No spikes of so many groups of sources and populations.
    #[must_use]
    pub fn new(sources: usize, populations: usize) -> WindowSpikes {
        let silent = |n| std::iter::repeat_with(GroupSpikes::default).take(n).collect();
        WindowSpikes { sources: silent(sources), populations: silent(populations) }
    }

    /// The spikes of a group, sorted by time and neuron.
    #[must_use]
    pub fn of(&self, group: GroupId) -> &[(Time, u32)] {
        match group {
            GroupId::Source(index) => &self.sources[index],
            GroupId::Population(index) => &self.populations[index],
        }
    }

    /// The spikes of a group in an order that means nothing.
    #[must_use]
    pub fn emitted(&self, group: GroupId) -> &[(Time, u32)] {
        match group {
            GroupId::Source(index) => self.sources[index].emitted(),
            GroupId::Population(index) => self.populations[index].emitted(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.sources.iter_mut().chain(&mut self.populations).for_each(GroupSpikes::clear);
    }
}

/// Spikes of a group, time and index: a slice sorted by both. They are sorted when somebody looks at
/// that slice first, because most groups are only routed, for which their order does not matter.
#[derive(Debug, Default)]
pub struct GroupSpikes {
    emitted: Vec<(Time, u32)>,
    /// How many of them have been routed.
    routed: usize,
    /// `None` within: those emitted are sorted as they are.
    sorted: OnceLock<Option<Vec<(Time, u32)>>>,
}

impl GroupSpikes {
    /// Adds a spike.
    pub fn push(&mut self, time: Time, index: u32) {
        self.emit().push((time, index));
    }

    /// The list to which spikes are added, in any order.
    pub fn emit(&mut self) -> &mut Vec<(Time, u32)> {
        self.sorted.take();
        &mut self.emitted
    }

    /// The spikes in the order in which they were emitted, which means nothing.
    #[must_use]
    pub fn emitted(&self) -> &[(Time, u32)] {
        &self.emitted
    }

    /// Those emitted since it was asked last.
    pub(crate) fn take_unrouted(&mut self) -> &[(Time, u32)] {
        let from = std::mem::replace(&mut self.routed, self.emitted.len());
        &self.emitted[from..]
    }

    /// Keeps the spikes whose time is wanted; none of them is to be routed any more.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(Time) -> bool) {
        self.sorted.take();
        self.emitted.retain(|(time, _)| wanted(*time));
        self.routed = self.emitted.len();
    }

    fn clear(&mut self) {
        self.sorted.take();
        self.emitted.clear();
        self.routed = 0;
    }
}

impl Deref for GroupSpikes {
    type Target = [(Time, u32)];

    fn deref(&self) -> &[(Time, u32)] {
        let sort = || (!self.emitted.is_sorted()).then(|| sorted(&self.emitted));
        self.sorted.get_or_init(sort).as_ref().unwrap_or(&self.emitted)
    }
}

/// The spikes sorted by time and index.
pub(crate) fn sorted(spikes: &[(Time, u32)]) -> Vec<(Time, u32)> {
    let ticks = |time: &Time| time.picoseconds();
    let first = spikes.iter().map(|(time, _)| ticks(time)).min().unwrap_or(0);
    let span = spikes.iter().map(|(time, _)| ticks(time)).max().unwrap_or(0) - first;
    let bits = spikes.iter().map(|(_, index)| *index).max().unwrap_or(0).checked_ilog2();
    let bits = bits.map_or(0, |highest| highest + 1);
    if span.leading_zeros() < bits {
        let mut spikes = spikes.to_vec();
        spikes.sort_unstable();
        return spikes;
    }
    // As one number each, which takes half the time.
    let key = |(time, index): &(Time, u32)| (ticks(time) - first) << bits | u64::from(*index);
    let highest = span << bits | ((1 << bits) - 1);
    let keys = sorted_numbers(spikes.iter().map(key), highest);
    let spike = |key: u64| {
        let index = key & ((1 << bits) - 1);
        (Time::from_picoseconds((key >> bits) + first), index as u32)
    };
    keys.into_iter().map(spike).collect()
}

/// Numbers up to a highest one that are about as many of each size, sorted: first into buckets of some, of
/// which most are in order then (neurons are advanced block by block), and the others are small.
fn sorted_numbers(numbers: impl ExactSizeIterator<Item = u64> + Clone, highest: u64) -> Vec<u64> {
    const IN_A_BUCKET: usize = 16;
    let buckets = (numbers.len() / IN_A_BUCKET).max(2).ilog2();
    let shift = (u64::BITS - highest.leading_zeros()).saturating_sub(buckets);
    let bucket = |number: u64| (number >> shift) as usize;
    // Of each bucket where it begins; then, where its next number goes.
    let mut places = vec![0; bucket(highest) + 2];
    numbers.clone().for_each(|number| places[bucket(number) + 1] += 1);
    let mut before = 0;
    for place in &mut places {
        before += *place;
        *place = before;
    }
    let mut sorted = vec![0; numbers.len()];
    for number in numbers {
        let place = &mut places[bucket(number)];
        sorted[*place] = number;
        *place += 1;
    }
    let mut start = 0;
    for end in places {
        sorted[start..end].sort_unstable();
        start = end;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spikes_of(given: &[(u64, u32)]) -> GroupSpikes {
        let mut spikes = GroupSpikes::default();
        given.iter().for_each(|(t, n)| spikes.push(Time::from_picoseconds(*t), *n));
        spikes
    }

    fn expected(given: &[(u64, u32)]) -> Vec<(Time, u32)> {
        let mut sorted = given.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().map(|(t, n)| (Time::from_picoseconds(t), n)).collect()
    }

    #[test]
    fn far_apart_in_time_and_index() {
        for given in [
            vec![],
            vec![(u64::MAX, u32::MAX), (0, 0), (u64::MAX, 0), (0, u32::MAX)],
            vec![(5, 0), (3, 0), (4, 0)],
            vec![(u64::MAX, 1), (u64::MAX - 1, 2), (u64::MAX, 0)],
            vec![(1 << 63, 1), (0, 0), (1, 0), (0, 1)],
        ] {
            assert_eq!(*spikes_of(&given), expected(&given));
        }
    }

    #[test]
    fn a_spike_that_comes_after_a_look_is_in_its_place() {
        let mut spikes = spikes_of(&[(5, 0), (3, 1)]);
        assert_eq!(*spikes, expected(&[(3, 1), (5, 0)]));
        spikes.push(Time::from_picoseconds(4), 7);
        assert_eq!(*spikes, expected(&[(3, 1), (4, 7), (5, 0)]));
        spikes.retain(|time| time.picoseconds() != 3);
        assert_eq!(*spikes, expected(&[(4, 7), (5, 0)]));
        spikes.clear();
        assert!(spikes.is_empty() && spikes.emitted().is_empty());
    }

    #[test]
    fn many_at_few_times_and_a_few_far_away() {
        let block = |block: u32| (0..20).flat_map(move |t| (0..8).map(move |n| (t, block * 8 + n)));
        let mut given: Vec<(u64, u32)> = (0..40).rev().flat_map(block).collect();
        assert_eq!(*spikes_of(&given), expected(&given));
        given.extend([(1 << 50, 3), (0, 0), (1 << 49, 1 << 9)]);
        assert_eq!(*spikes_of(&given), expected(&given));
    }

    proptest! {
        #[test]
        fn in_the_order_of_time_and_index(
            given in prop::collection::vec((0_u64..1 << 50, 0_u32..1 << 20), 0..200),
            start in 0_u64..1 << 62,
        ) {
            let given: Vec<_> = given.into_iter().map(|(t, n)| (start + t, n)).collect();
            prop_assert_eq!(&*spikes_of(&given), expected(&given));
        }
    }
}
