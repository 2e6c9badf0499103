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
    pub fn of(&self, group: GroupId) -> &[Spike] {
        match group {
            GroupId::Source(index) => &self.sources[index],
            GroupId::Population(index) => &self.populations[index],
        }
    }

    /// The spikes of a group in an order that means nothing, list by list.
    pub fn emitted(&self, group: GroupId) -> impl Iterator<Item = &[Spike]> {
        match group {
            GroupId::Source(index) => self.sources[index].emitted(),
            GroupId::Population(index) => self.populations[index].emitted(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.sources.iter_mut().chain(&mut self.populations).for_each(GroupSpikes::clear);
    }
}

/// Time and index.
pub type Spike = (Time, u32);

/// Spikes in the order in which they were emitted, which means nothing. They lie in several lists, so that long
/// ones are handed on as they are.
#[derive(Debug, Default)]
pub struct SpikeLists {
    lists: Vec<Vec<Spike>>,
    /// The first so many may have spikes; the others keep their memory.
    used: usize,
}

/// A list of fewer spikes is sooner copied than handed on.
const LONG: usize = 1024;

impl SpikeLists {
    /// The list to which spikes are added.
    pub fn list(&mut self) -> &mut Vec<Spike> {
        if self.used == 0 { self.another() } else { &mut self.lists[self.used - 1] }
    }

    /// An empty one.
    fn another(&mut self) -> &mut Vec<Spike> {
        self.used += 1;
        if self.lists.len() < self.used {
            self.lists.push(Vec::new());
        }
        &mut self.lists[self.used - 1]
    }

    /// Adds a list, which is empty then.
    pub fn append(&mut self, list: &mut Vec<Spike>) {
        match list.len() {
            0 => {}
            1..LONG => self.list().append(list),
            _ => std::mem::swap(self.another(), list),
        }
    }

    /// An empty list, which may have memory.
    pub fn spare(&mut self) -> Vec<Spike> {
        if self.used < self.lists.len() { self.lists.pop().unwrap_or_default() } else { Vec::new() }
    }

    /// Adds all lists of others, which are empty then.
    pub fn append_all(&mut self, others: &mut SpikeLists) {
        if self.used == 0 {
            std::mem::swap(self, others);
        } else {
            others.lists[..others.used].iter_mut().for_each(|list| self.append(list));
            others.used = 0;
        }
    }

    /// The lists.
    pub fn iter(&self) -> impl Iterator<Item = &[Spike]> {
        self.lists[..self.used].iter().map(Vec::as_slice)
    }

    /// How many spikes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().map(<[Spike]>::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().all(<[Spike]>::is_empty)
    }

    /// Keeps the spikes whose time is wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(Time) -> bool) {
        let lists = self.lists[..self.used].iter_mut();
        lists.for_each(|list| list.retain(|(time, _)| wanted(*time)));
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.lists[..self.used].iter_mut().for_each(Vec::clear);
        self.used = 0;
    }
}

/// Spikes of a group, time and index: a slice sorted by both. They are sorted when somebody looks at
/// that slice first, because most groups are only routed, for which their order does not matter.
#[derive(Debug, Default)]
pub struct GroupSpikes {
    emitted: SpikeLists,
    /// How many of them have been routed.
    routed: usize,
    /// `None` within: those emitted are one list, and sorted as they are.
    sorted: OnceLock<Option<Vec<Spike>>>,
}

impl GroupSpikes {
    /// Adds a spike.
    pub fn push(&mut self, time: Time, index: u32) {
        self.emit().list().push((time, index));
    }

    /// The lists to which spikes are added, in any order.
    pub fn emit(&mut self) -> &mut SpikeLists {
        self.sorted.take();
        &mut self.emitted
    }

    /// The spikes in the order in which they were emitted, which means nothing, list by list.
    pub fn emitted(&self) -> impl Iterator<Item = &[Spike]> {
        self.emitted.iter()
    }

    /// Those emitted since it was asked last.
    pub(crate) fn take_unrouted(&mut self) -> impl Iterator<Item = &[Spike]> {
        let mut routed = std::mem::replace(&mut self.routed, self.emitted.len());
        self.emitted.iter().filter_map(move |list| {
            let (before, rest) = list.split_at(routed.min(list.len()));
            routed -= before.len();
            (!rest.is_empty()).then_some(rest)
        })
    }

    /// Keeps the spikes whose time is wanted; none of them is to be routed any more.
    pub(crate) fn retain(&mut self, wanted: impl FnMut(Time) -> bool) {
        self.emit().retain(wanted);
        self.all_are_routed();
    }

    /// None of those that were emitted is to be routed any more.
    pub(crate) fn all_are_routed(&mut self) {
        self.routed = self.emitted.len();
    }

    fn clear(&mut self) {
        self.emit().clear();
        self.routed = 0;
    }
}

impl Deref for GroupSpikes {
    type Target = [Spike];

    fn deref(&self) -> &[Spike] {
        let lists = &self.emitted.lists[..self.emitted.used];
        let sort = || match lists {
            [] => None,
            [list] => (!list.is_sorted()).then(|| sorted(list)),
            lists => Some(sorted(&lists.concat())),
        };
        let as_emitted = || lists.first().map_or(&[][..], Vec::as_slice);
        self.sorted.get_or_init(sort).as_deref().unwrap_or_else(as_emitted)
    }
}

/// The `k`-th of some parts of lists, which are as long as each other.
pub(crate) fn part<'s>(
    lists: &[&'s [Spike]],
    k: usize,
    parts: usize,
) -> impl Iterator<Item = &'s [Spike]> {
    let all: usize = lists.iter().map(|list| list.len()).sum();
    let (from, to) = (all * k / parts, all * (k + 1) / parts);
    let mut before = 0;
    lists.iter().filter_map(move |list| {
        let within = |at: usize| at.saturating_sub(before).min(list.len());
        let part = &list[within(from)..within(to)];
        before += list.len();
        (!part.is_empty()).then_some(part)
    })
}

/// The spikes sorted by time and index.
pub(crate) fn sorted(spikes: &[Spike]) -> Vec<Spike> {
    let ticks = |time: &Time| time.picoseconds();
    let (mut first, mut last, mut indices) = (u64::MAX, 0, 0);
    for (time, index) in spikes {
        (first, last, indices) = (first.min(ticks(time)), last.max(ticks(time)), indices | *index);
    }
    let span = last.saturating_sub(first);
    // (The highest bit that any index has is that of the highest.)
    let bits = u32::BITS - indices.leading_zeros();
    if span.leading_zeros() < bits {
        let mut spikes = spikes.to_vec();
        spikes.sort_unstable();
        return spikes;
    }
    // As one number each, which takes half the time.
    let key = |(time, index): &Spike| (ticks(time) - first) << bits | u64::from(*index);
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

    fn expected(given: &[(u64, u32)]) -> Vec<Spike> {
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
        assert!(spikes.is_empty() && spikes.emitted().flatten().next().is_none());
    }

    /// So is their memory, which can be had back.
    #[test]
    fn long_lists_are_handed_on_as_they_are() {
        let mut list: Vec<Spike> = (0..LONG as u32).map(|k| (Time::ZERO, k)).collect();
        let place = list.as_ptr();
        let (mut first, mut second) = (SpikeLists::default(), SpikeLists::default());
        first.append(&mut vec![(Time::ZERO, 7)]);
        first.append(&mut list);
        second.append_all(&mut first);
        assert!(first.is_empty() && list.is_empty() && second.len() == LONG + 1);
        assert_eq!(
            second.iter().last().map(|list| (list.as_ptr(), list.len())),
            Some((place, LONG))
        );
        assert_eq!(second.spare().capacity(), 0);
        second.clear();
        let spare = second.spare();
        assert_eq!((spare.as_ptr(), spare.len(), second.len()), (place, 0, 0));
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

        /// In whatever lists they were emitted, and looked at in between: nothing is lost, and nothing comes twice.
        #[test]
        fn lists_of_any_length(
            lengths in prop::collection::vec(prop::sample::select(vec![0, 1, 30, LONG, LONG + 3]), 0..7),
            (parts, look) in (1_usize..5, 0_usize..7),
        ) {
            let mut spikes = GroupSpikes::default();
            let (mut all, mut unrouted) = (Vec::new(), Vec::new());
            for (k, length) in lengths.into_iter().enumerate() {
                let spike = |n| (Time::from_picoseconds(10_000 - all.len() as u64), n);
                let mut list: Vec<Spike> = (0..length as u32).map(spike).collect();
                all.extend_from_slice(&list);
                spikes.emit().append(&mut list);
                if k == look {
                    prop_assert_eq!(spikes.len(), all.len());
                    unrouted.extend(spikes.take_unrouted().flatten().copied());
                }
            }
            unrouted.extend(spikes.take_unrouted().flatten().copied());
            prop_assert_eq!(&unrouted, &all);
            prop_assert_eq!(spikes.take_unrouted().count(), 0);
            let lists: Vec<&[Spike]> = spikes.emitted().collect();
            prop_assert_eq!(&lists.concat(), &all);
            let parts: Vec<Vec<Spike>> =
                (0..parts).map(|k| part(&lists, k, parts).flatten().copied().collect()).collect();
            let length = |limit: fn(_) -> Option<usize>| limit(parts.iter().map(Vec::len));
            prop_assert!(length(Iterator::max) <= length(Iterator::min).map(|least| least + 1));
            prop_assert_eq!(&parts.concat(), &all);
            all.sort_unstable();
            prop_assert_eq!(&*spikes, &all[..]);
        }
    }
}
