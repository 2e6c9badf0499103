//! Spike sources: what scenes say of them, and when they fire.
//!
//! A group of sources has a [`Train`], what the scene says after `train:`. When a simulation is
//! built, the train gives each source entity of the group a component that knows the time of its
//! next spike, a [`SpikeTrain`]; one system for each kind of component emits the spikes of a window.
//! Trains of a user's plugin are registered by name with [`Plugins::add_train`], as the built-in
//! ones are.
//!
//! | train | what it is |
//! |---|---|
//! | [`regular`] | evenly spaced spikes, with phase and jitter |
//! | [`poisson`] | Poisson processes, also with a rate that changes in time |
//! | [`list`] | given spikes, from the scene or from a file |
//! | [`adm`] | an analog signal through an asynchronous delta modulator |
//! | [`rates`] | the rates of a group, for those that have one |
//! | [`emission`] | regular and Poisson trains as numbers, for back ends that run them |
//!
//! Times are computed from the number of the spike or drawn one by one in whole picoseconds; no
//! floating-point sum runs along with time.

pub mod adm;
pub mod emission;
pub mod list;
pub mod poisson;
pub mod rates;
pub mod regular;

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use bevy_ecs::change_detection::ContiguousRef;
use bevy_ecs::component::Mutable;
use bevy_ecs::prelude::*;

use super::{GroupSpikes, SourceGroup, SpikeSource, WindowSpikes};
use crate::backend::CurrentBackend;
use crate::circuit::math;
use crate::circuit::number::with_width;
use crate::plugins::Plugins;
use crate::prefetch::prefetch;
use crate::scene::decode::{At, Fields};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::files::InputFile;
use crate::schedule::{BuiltIn, Window, WindowSet};
use crate::simulation::{Plugin, Simulation, StageTimes};
use crate::threads;
use crate::time::Time;

pub use emission::{ByRule, Emission};
pub use rates::Rates;

/// When the sources of a group fire: what a scene says after `train:`, decided and checked.
pub trait Train: Debug + Send + Sync + 'static {
    /// Its RON form with all defaults filled in, which is read back as the same train. `file_path`
    /// gives the path of an input file from the new text's place, as a RON string;
    /// [`scene::write`](mod@crate::scene::write) has the forms of times and quantities.
    fn ron(&self, file_path: &dyn Fn(&InputFile) -> String) -> String;

    /// The input files it was read from. They are copied to the results folder.
    fn files(&self) -> Vec<&InputFile> {
        Vec::new()
    }

    /// The rate that the scene asks of a source, Hz: what FF curves and rasters show against it.
    /// `None` where there is no one rate, because spikes are given or the rate changes.
    fn rate(&self, index: u64) -> Option<f64> {
        let _ = index;
        None
    }

    /// The rate between two times that is expected of a source, in the mean over the group, Hz; 0
    /// where the spikes are [listed](Train::listed). Memory is estimated from it.
    fn mean_rate(&self, from: Time, to: Time) -> f64;

    /// The highest value that [`mean_rate`](Train::mean_rate) has over a short time, Hz.
    fn peak_rate(&self) -> f64 {
        self.mean_rate(Time::ZERO, Time::MAX)
    }

    /// Given spikes (source, time), sorted by time. The user is warned of those that come after the
    /// end of the scene.
    fn listed(&self) -> &[(u32, Time)] {
        &[]
    }

    /// Gives each source of a group its component; see [`insert_trains`].
    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation);
}

/// The spikes of one source, one after the other: a component of its entity. Several threads advance the trains
/// of a group, in any order: when one fires may depend on itself alone.
pub trait SpikeTrain: Component<Mutability = Mutable> {
    /// The time of the next spike; [`Time::MAX`]: there is none.
    fn next(&self) -> Time;

    /// Goes on to the spike after it, which is not earlier.
    fn advance(&mut self);

    /// Is told that these of some trains, all different, go on next, each at least once: what takes less time for several
    /// together may be done here. It changes nothing of what they do.
    fn prepare(trains: &mut [Self], rows: &[usize])
    where
        Self: Sized,
    {
        let _ = (trains, rows);
    }
}

/// The time of a source's next spike; [`Time::MAX`]: there is none. It lies apart from the rest of the
/// train, because a short window looks at all of them for a few that are due.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextSpike(pub Time);

/// Gives each source of a group its component; `None` for a source that is silent. Adds the system
/// that emits the spikes of components of this kind, unless it is there already.
pub fn insert_trains<T: SpikeTrain>(
    group: &SourceGroup,
    simulation: &mut Simulation,
    mut train: impl FnMut(u32) -> Option<T>,
) {
    /// The system is there.
    struct Stimulated<T>(PhantomData<T>);

    let world = simulation.world_mut();
    for (index, entity) in group.sources.iter().enumerate() {
        if let (Ok(mut source), Some(train)) = (world.get_entity_mut(*entity), train(index as u32))
        {
            source.insert((NextSpike(train.next()), train));
        }
    }
    if simulation.first_time::<Stimulated<T>>() {
        // The order of these systems does not matter: the spikes of a window are sorted.
        simulation.add_systems(
            WindowSet::Stimulate,
            (reschedule::<T>, stimulate::<T>).chain().in_set(BuiltIn),
        );
    }
}

/// Looks again when sources fire next whose train a system has changed. Where the component has a
/// [summary tick](Component), trains that nobody changed cost one comparison.
pub fn reschedule<T: SpikeTrain>(trains: Query<(Entity, Ref<T>)>, mut next: Query<&mut NextSpike>) {
    let mut changed = Vec::new();
    match trains.contiguous_iter() {
        Ok(tables) => {
            for (entities, trains) in tables {
                let (trains, ticks) = ContiguousRef::split(trains);
                if ticks.summary_tick_is_changed() == Some(false) {
                    continue;
                }
                let rows =
                    ticks.is_changed_iter().enumerate().filter(|(_, is_changed)| *is_changed);
                changed.extend(rows.map(|(row, _)| (entities[row], trains[row].next())));
            }
        }
        // A sparse component: row by row.
        Err(_) => {
            let rows = trains.iter().filter(|(_, train)| train.is_changed());
            changed.extend(rows.map(|(entity, train)| (entity, train.next())));
        }
    }
    for (entity, time) in changed {
        if let Ok(mut next) = next.get_mut(entity) {
            next.0 = time;
        }
    }
}

/// Sources that are looked at together, and trains that go on together.
pub(super) const TOGETHER: usize = 16;
/// What a spike costs, and a source that is looked at.
const NANOSECONDS_OF_A_SPIKE: usize = 10;
/// See [`NANOSECONDS_OF_A_SPIKE`].
const NANOSECONDS_OF_A_SOURCE: usize = 1;
/// Several pieces of a table for each thread even out their load.
const PIECES: usize = 4;

/// The spikes of some rows of a table.
#[derive(Debug, Default)]
pub struct Emitted {
    spikes: Vec<(Time, u32)>,
    /// Groups, each with the end of its spikes among these: those of a group lie together.
    groups: Vec<(usize, usize)>,
    /// The group that has got the whole list.
    got: Option<usize>,
    /// Room for the rows that are due, and for the chunks of [`TOGETHER`] rows with one of them.
    due: Vec<usize>,
    chunks: Vec<usize>,
}

impl Emitted {
    /// Lets a source fire until a time.
    fn emit<T: SpikeTrain>(
        &mut self,
        source: &SpikeSource,
        next: &mut NextSpike,
        train: &mut T,
        end: Time,
    ) {
        while next.0 < end {
            self.spikes.push((next.0, source.index));
            train.advance();
            next.0 = train.next();
        }
        match self.groups.last_mut() {
            Some((group, end)) if *group == source.group_index => *end = self.spikes.len(),
            _ => self.groups.push((source.group_index, self.spikes.len())),
        }
    }

    /// Finds the rows that are due. (In a short window few are, and no processor foresees which: a branch for
    /// each would cost more than to look at it.)
    #[inline(always)]
    fn find(&mut self, next: &[NextSpike], end: Time, due: &mut Vec<usize>) {
        let (chunks, rest) = next.as_chunks::<TOGETHER>();
        self.chunks.resize(chunks.len() + 1, 0);
        let mut found = 0;
        for (k, chunk) in chunks.iter().enumerate() {
            self.chunks[found] = k;
            found += usize::from(chunk.iter().fold(false, |any, next| any | (next.0 < end)));
        }
        due.resize(found * TOGETHER + 1, 0);
        let with_any = &self.chunks[..found];
        let mut found = 0;
        for &k in with_any {
            for (row, next) in chunks[k].iter().enumerate() {
                due[found] = k * TOGETHER + row;
                found += usize::from(next.0 < end);
            }
        }
        due.truncate(found);
        let first = next.len() - rest.len();
        due.extend((first..next.len()).filter(|row| next[*row].0 < end));
    }

    /// Takes a list back.
    fn take_back(&mut self, groups: &mut [GroupSpikes]) {
        if let Some(group) = self.got.take()
            && self.spikes.capacity() == 0
        {
            self.spikes = groups[group].emit().spare();
        }
    }

    /// Hands the spikes over to their groups.
    fn hand_over(&mut self, groups: &mut [GroupSpikes]) {
        if let [(group, _)] = self.groups[..] {
            groups[group].emit().append(&mut self.spikes);
            self.got = Some(group);
        } else {
            let mut first = 0;
            for (group, end) in &self.groups {
                groups[*group].emit().list().extend_from_slice(&self.spikes[first..*end]);
                first = *end;
            }
            self.spikes.clear();
        }
        self.groups.clear();
    }
}

/// Some rows of a table.
struct Piece<'a, T> {
    sources: &'a [SpikeSource],
    next: &'a mut [NextSpike],
    trains: &'a mut [T],
    emitted: &'a mut Emitted,
}

impl<T: SpikeTrain> Piece<'_, T> {
    /// Lets its sources fire until a time.
    fn emit(&mut self, end: Time) {
        let emitted = &mut *self.emitted;
        let mut due = std::mem::take(&mut emitted.due);
        with_width!(*math::LEVEL, _width => emitted.find(self.next, end, &mut due));
        let mut soon = due.chunks(TOGETHER);
        let fetch = |rows: &[usize], trains: &[T]| {
            rows.iter().for_each(|row| prefetch(&trains[*row], size_of::<T>()));
        };
        fetch(soon.next().unwrap_or_default(), self.trains);
        for rows in due.chunks(TOGETHER) {
            fetch(soon.next().unwrap_or_default(), self.trains);
            T::prepare(self.trains, rows);
            for &row in rows {
                emitted.emit(&self.sources[row], &mut self.next[row], &mut self.trains[row], end);
            }
        }
        emitted.due = due;
    }
}

/// Emits the spikes of a window.
pub fn stimulate<T: SpikeTrain>(
    window: Res<Window>,
    backend: Res<CurrentBackend>,
    mut spikes: ResMut<WindowSpikes>,
    mut trains: Query<(&SpikeSource, &mut NextSpike, &mut T)>,
    mut emitted: Local<Vec<Emitted>>,
    mut before: Local<usize>,
) {
    let end = window.end();
    let Ok(tables) = trains.contiguous_iter_mut() else {
        // A sparse component: row by row.
        emitted.resize_with(1, Emitted::default);
        for (source, mut next, mut train) in &mut trains {
            if next.0 < end {
                let next = next.bypass_change_detection();
                emitted[0].emit(source, next, train.bypass_change_detection(), end);
            }
        }
        emitted[0].hand_over(&mut spikes.sources);
        return;
    };
    // As many are expected as there were in the last window.
    let expected = NANOSECONDS_OF_A_SPIKE * std::mem::take(&mut *before);
    for (sources, mut next, mut trains) in tables {
        let (next, trains) = (next.bypass_change_detection(), trains.bypass_change_detection());
        let work = expected + NANOSECONDS_OF_A_SOURCE * sources.len();
        let pool = backend.0.pool(work as u64);
        let pieces = pool.map_or(1, |pool| PIECES * pool.threads());
        let parts = pieces.max(emitted.len());
        emitted.resize_with(parts, Emitted::default);
        let rows = sources.len().div_ceil(pieces).next_multiple_of(TOGETHER).max(TOGETHER);
        let rows = sources.chunks(rows).zip(next.chunks_mut(rows)).zip(trains.chunks_mut(rows));
        emitted.iter_mut().for_each(|emitted| emitted.take_back(&mut spikes.sources));
        let piece = |(((sources, next), trains), emitted)| Piece { sources, next, trains, emitted };
        let mut pieces: Vec<_> = rows.zip(&mut *emitted).map(piece).collect();
        threads::each(pool, &mut pieces, |_, piece| piece.emit(end));
        drop(pieces);
        for emitted in &mut *emitted {
            *before += emitted.spikes.len();
            emitted.hand_over(&mut spikes.sources);
        }
    }
}

/// The size of a group, as the scene gives it.
pub struct GroupSize<'n> {
    /// The group, and its size: `None` if it has none, `Some(None)` if that has a mistake.
    group: At<'n>,
    given: Option<(At<'n>, Option<u64>)>,
}

impl<'n> GroupSize<'n> {
    /// Reads the field `size` of a group.
    pub fn read(fields: &mut Fields<'n>, dx: &mut Diagnostics) -> GroupSize<'n> {
        let given = fields.get("size").map(|at| {
            let size = at.size(dx);
            (at, size)
        });
        GroupSize { group: fields.at().clone(), given }
    }

    /// The size, at least 1. A scene without one is refused.
    pub fn need(&self, dx: &mut Diagnostics) -> Option<u64> {
        if self.given.is_none() {
            dx.error(&self.group.path, self.group.head(), "`size` is missing")
                .help("for example size: 200");
        }
        self.if_valid()
    }

    /// The size that follows from something else, as `because` says. A scene that gives another one
    /// is refused.
    pub fn follows(&self, size: u64, because: &str, dx: &mut Diagnostics) -> Option<u64> {
        match &self.given {
            Some((_, None)) => None,
            Some((at, Some(given))) if *given != size => {
                at.error(dx, format!("the size is {size}, not {given}: {because}"))
                    .help(format!("write size: {size}, or leave it out"));
                None
            }
            _ => Some(size),
        }
    }

    /// The size, if there is one.
    #[must_use]
    pub fn if_valid(&self) -> Option<u64> {
        self.given.as_ref().and_then(|(_, size)| *size)
    }
}

/// Registers the built-in trains, and gives the sources of a scene theirs.
pub struct StimulusPlugin;

impl Plugin for StimulusPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_train("Regular", regular::Regular::read);
        plugins.add_train("Poisson", poisson::Poisson::read);
        plugins.add_train("Spikes", list::Spikes::read);
        plugins.add_train("File", list::SpikeFile::read);
        plugins.add_train("Adm", adm::Adm::read);
    }

    fn build(&self, simulation: &mut Simulation) {
        let began = Instant::now();
        let trains: Vec<Arc<dyn Train>> =
            simulation.scene().sources.values().map(|source| source.train.clone()).collect();
        let world = simulation.world_mut();
        let mut groups: Vec<SourceGroup> =
            world.query::<&SourceGroup>().iter(world).cloned().collect();
        groups.sort_by_key(|group| group.index);
        for (group, train) in groups.iter().zip(trains) {
            train.insert(group, simulation);
        }
        simulation.world_mut().resource_mut::<StageTimes>().spawn += began.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::cpu::Cpu;

    proptest! {
        /// Rows in chunks and beyond the last whole one, with many due or none.
        #[test]
        fn rows_that_are_due_are_found(
            times in prop::collection::vec(prop::sample::select(vec![0, 4, 5, 6, u64::MAX]), 0..100),
        ) {
            let next: Vec<NextSpike> =
                times.iter().map(|t| NextSpike(Time::from_picoseconds(*t))).collect();
            let expected: Vec<usize> = (0..times.len()).filter(|row| times[*row] < 5).collect();
            let (mut emitted, mut due) = (Emitted::default(), Vec::new());
            // What was found before does not count.
            emitted.find(&[NextSpike(Time::ZERO); 40], Time::MAX, &mut due);
            emitted.find(&next, Time::from_picoseconds(5), &mut due);
            prop_assert_eq!(due, expected);
        }
    }

    /// Fires at these times, in seconds.
    #[derive(Component)]
    struct At(Vec<u64>);

    impl SpikeTrain for At {
        fn next(&self) -> Time {
            self.0.first().map_or(Time::MAX, |s| Time::from_seconds(*s as f64).unwrap_or(Time::MAX))
        }
        fn advance(&mut self) {
            self.0.remove(0);
        }
    }

    /// A train that had ended, and one whose next spike is moved.
    #[test]
    fn trains_that_a_system_changes_fire_when_they_say() {
        let mut world = World::new();
        world.insert_resource(WindowSpikes::new(1, 0));
        world.insert_resource(CurrentBackend(Box::new(Cpu::new(Some(1)))));
        let second = Time::from_picoseconds(Time::PER_SECOND);
        let source = |index| SpikeSource { group: Entity::PLACEHOLDER, group_index: 0, index };
        let spawn = |world: &mut World, index, times: Vec<u64>| {
            let train = At(times);
            world.spawn((source(index), NextSpike(train.next()), train)).id()
        };
        let ended = spawn(&mut world, 0, vec![0]);
        let moved = spawn(&mut world, 1, vec![0, 9]);
        let mut schedule = Schedule::default();
        schedule.add_systems((reschedule::<At>, stimulate::<At>).chain());
        let mut fired = Vec::new();
        for step in 0..6 {
            world.insert_resource(Window { first_step: step, steps: 1, dt: second });
            if step == 3 {
                world.get_mut::<At>(ended).unwrap().0.push(4);
                world.get_mut::<At>(moved).unwrap().0[0] = 5;
            }
            schedule.run(&mut world);
            let mut spikes = world.resource_mut::<WindowSpikes>();
            let of =
                |spikes: &GroupSpikes| spikes.iter().map(|(_, k)| (step, *k)).collect::<Vec<_>>();
            fired.extend(of(&spikes.sources[0]));
            spikes.clear();
        }
        assert_eq!(fired, [(0, 0), (0, 1), (4, 0), (5, 1)]);
    }

    /// So many that several threads are worth it, those of three groups one after the other.
    #[test]
    fn sources_of_several_groups_fire_on_all_threads() {
        let second = Time::from_picoseconds(Time::PER_SECOND);
        let times = |k: u32| vec![u64::from(k % 2), 1 + u64::from(k % 3), 3];
        for threads in 1..4 {
            let mut world = World::new();
            world.insert_resource(WindowSpikes::new(3, 0));
            world.insert_resource(CurrentBackend(Box::new(Cpu::new(Some(threads)))));
            for k in 0..30_000 {
                let (group, group_index) = (Entity::PLACEHOLDER, k as usize % 3);
                let train = At(times(k));
                let source = SpikeSource { group, group_index, index: k / 3 };
                world.spawn((source, NextSpike(train.next()), train));
            }
            let mut schedule = Schedule::default();
            schedule.add_systems(stimulate::<At>);
            for step in 0..5 {
                world.insert_resource(Window { first_step: step, steps: 1, dt: second });
                schedule.run(&mut world);
                let mut spikes = world.resource_mut::<WindowSpikes>();
                for (group, spikes) in spikes.sources.iter().enumerate() {
                    let own = (0..30_000).filter(|k| *k as usize % 3 == group);
                    let fires = |k: u32| times(k).into_iter().filter(|time| *time == step).count();
                    let expected: Vec<u32> =
                        own.flat_map(|k| std::iter::repeat_n(k / 3, fires(k))).collect();
                    let found: Vec<u32> = spikes.iter().map(|(_, index)| *index).collect();
                    assert!(found == expected, "group {group} in step {step}");
                }
                spikes.clear();
            }
        }
    }
}
