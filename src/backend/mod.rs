//! Back ends: who runs the kernels over the banks.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cpu`] | the threads of this machine, in vector code |
//! | `pace` | whether short rounds take less time on all of them or on one |
//! | [`cuda`] | an NVIDIA GPU |
//! | [`choice`] | which of them a run takes, and why |

pub mod choice;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod pace;

use bevy_ecs::prelude::*;
use smallvec::SmallVec;

use crate::bank::transfer::Readback;
use crate::bank::{Bank, Banks};
use crate::error::Error;
use crate::network::inbox::{Delivery, Inbox};
use crate::network::router::Router;
use crate::network::source::Emission;
use crate::network::spikes::{Spike, SpikeLists};
use crate::network::{GroupSpikes, NeuronId, Population, WindowSpikes};
use crate::probe::digest::{SpikeDigest, SpikeDigests};
use crate::schedule::{BuiltIn, Window, WindowSet};
use crate::simulation::{Plugin, Simulation, StageTimes};
use crate::solver::event;
use crate::threads::Pool;
use crate::time::Time;

/// Runs kernels over banks.
pub trait Backend: Send + Sync + 'static {
    /// Its name: `cpu`.
    fn name(&self) -> &'static str;

    /// The threads of this machine that it may use, if work of so many nanoseconds is worth asking them.
    fn pool(&self, nanoseconds: u64) -> Option<&Pool> {
        let _ = nanoseconds;
        None
    }

    /// Into how many shares it wants what arrives at these banks by so many edges divided, in rounds like this one:
    /// each has blocks of its own, to which a thread may deliver. It is asked once, when the network is built, and only if
    /// the host delivers to neurons that are all advanced by steps, in rounds of at most 16 steps, or all event-driven, with
    /// most edges between neurons; a back end that is set later finds the network divided so.
    fn shares(&self, banks: &[Bank], edges: usize, round: &Window) -> usize {
        let _ = (banks, edges, round);
        1
    }

    /// Who delivers spikes to these banks.
    fn delivery(&self, banks: &[Bank]) -> Delivery {
        let _ = banks;
        Delivery::Host
    }

    /// Gets ready for rounds of at most `round`, before the first. The router has the edges.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot run these banks.
    fn prepare(&self, banks: &[Bank], round: Time, router: &Router) -> Result<(), Error> {
        let _ = (banks, round, router);
        Ok(())
    }

    /// Takes a network over, before the first window: from now on it emits the spikes of these groups of sources
    /// and routes those of neurons itself, whatever the length of a window. `is_heard`: somebody wants the
    /// spikes; otherwise digests of them will do. `false`: it does not.
    ///
    /// # Errors
    /// [`Error::Device`] when there is no memory for it.
    fn take_over(
        &self,
        banks: &[Bank],
        router: &Router,
        emissions: &[Emission],
        is_heard: bool,
    ) -> Result<bool, Error> {
        let _ = (banks, router, emissions, is_heard);
        Ok(false)
    }

    /// Tells which window will follow the next one, if nothing can be read or written in between: a back end that
    /// took the network over may begin with it early.
    fn expect(&self, next: Option<Window>) {
        let _ = next;
    }

    /// Advances every neuron through a round, in which no spike can arrive that is fired in it (or through a whole
    /// window, if it took the network over); `out` is [empty](Advanced::clear).
    fn advance(&self, banks: &mut [Bank], inbox: &Inbox, window: &Window, out: &mut Advanced);

    /// Goes through as many of these rounds as it can by itself: [delivers](Router::deliver) what is due in each,
    /// [advances](Backend::advance) every neuron, and routes the spikes. The result is how many they were; the last of
    /// them is that of a fault, if there is one. 0: the first of them is to be delivered to and advanced through, as is the
    /// first round of a window, for which this is not called, because the spikes of sources are delivered to it already.
    fn go_through(
        &self,
        banks: &mut [Bank],
        router: &mut Router,
        inbox: &mut Inbox,
        rounds: &[Window],
        out: &mut Advanced,
    ) -> usize {
        let _ = (banks, router, inbox, rounds, out);
        0
    }

    /// Brings state columns that it keeps elsewhere back into the banks, those that `what` says.
    ///
    /// # Errors
    /// [`Error::DeviceFault`].
    fn fetch(&self, banks: &mut [Bank], what: Readback) -> Result<(), Error> {
        let _ = (banks, what);
        Ok(())
    }

    /// What its user should know of the run: what it could not do as asked, and did otherwise.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The back end in use.
#[derive(Resource)]
pub struct CurrentBackend(pub Box<dyn Backend>);

/// What comes out of a round, or of several.
#[derive(Debug, Default)]
pub struct Advanced {
    /// For each bank: time and slot of its spikes. In a round those of each member follow one another in a list.
    pub spikes: Vec<SpikeLists>,
    /// Instead of spikes that nobody hears: populations and the digests of their spikes.
    pub digests: Vec<(usize, SpikeDigest)>,
    /// Spikes of sources that the back end has emitted: group, time and index.
    pub sources: Vec<(usize, Time, u32)>,
    /// Sampled states.
    pub samples: Vec<Sample>,
    /// The earliest thing that went wrong.
    pub fault: Option<Fault>,
    /// Why the back end could not advance all neurons: the round counts for nothing then.
    pub failure: Option<Error>,
    /// What event-driven neurons cost.
    pub work: event::Work,
}

impl Advanced {
    /// Empties it for a round of so many banks. Lists keep their memory.
    pub fn clear(&mut self, banks: usize) {
        self.spikes.resize_with(banks, SpikeLists::default);
        self.spikes.iter_mut().for_each(SpikeLists::clear);
        self.digests.clear();
        self.sources.clear();
        self.samples.clear();
        self.fault = None;
        self.failure = None;
        self.work = event::Work::default();
    }
}

/// The state of a neuron at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Index of the bank.
    pub bank: u32,
    /// Index of the request in [`Bank::samples`].
    pub request: u32,
    /// When.
    pub time: Time,
    /// All state columns of the neuron; of a host model, its variables.
    pub state: SmallVec<[f64; 4]>,
}

/// Something that must stop the run. Ordered by when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Step from the start of the round, in its steps.
    pub step: u64,
    /// Index of the bank.
    pub bank: u32,
    /// The neuron.
    pub slot: u32,
    /// What.
    pub kind: FaultKind,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The membrane current is not a number.
    NotFinite,
    /// It fires without bound.
    Storm,
    /// The pulses of this receptor (as the kernel counts them) overflowed their sum.
    InputOverflow(u8),
}

/// The samples of the window at hand, for probes.
#[derive(Resource, Debug, Default)]
pub struct WindowSamples(pub Vec<Sample>);

/// What event-driven neurons have cost so far.
#[derive(Resource, Debug, Default)]
pub struct EventWork(pub event::Work);

/// What stops the run, once something has.
#[derive(Resource, Debug, Default)]
pub struct Stop(pub Option<Error>);

/// Advances all banks round by round and sorts what comes out.
#[allow(clippy::too_many_arguments)] // System parameters are the system's declaration.
pub(crate) fn advance(
    backend: Res<CurrentBackend>,
    mut window: ResMut<Window>,
    mut router: ResMut<Router>,
    mut inbox: ResMut<Inbox>,
    mut banks: ResMut<Banks>,
    mut spikes: ResMut<WindowSpikes>,
    mut samples: ResMut<WindowSamples>,
    mut stop: ResMut<Stop>,
    mut times: ResMut<StageTimes>,
    mut work: ResMut<EventWork>,
    mut digests: ResMut<SpikeDigests>,
    populations: Query<&Population>,
    mut out: Local<Advanced>,
) {
    let out = &mut *out;
    samples.0.clear();
    let rounds: SmallVec<[Window; 4]> = router.rounds(*window).collect();
    let mut done = 0;
    while let Some(next) = rounds.get(done) {
        out.clear(banks.0.len());
        if let Some(before) = done.checked_sub(1) {
            router.route_populations(&mut spikes, &rounds[before], &mut inbox);
        }
        let started = std::time::Instant::now();
        // (To the first it is delivered already.)
        let mut by_itself = 0;
        if done > 0 {
            let rounds = &rounds[done..];
            by_itself = backend.0.go_through(&mut banks.0, &mut router, &mut inbox, rounds, out);
            if by_itself == 0 {
                router.deliver(next, &mut inbox, &|work| backend.0.pool(work));
            }
        }
        if by_itself == 0 {
            backend.0.advance(&mut banks.0, &inbox, next, out);
        }
        done += by_itself.max(1);
        let round = rounds[done - 1];
        times.advance += started.elapsed();
        for (population, digest) in out.digests.drain(..) {
            digests.0[population].merge(digest);
        }
        for (group, time, index) in out.sources.drain(..) {
            spikes.sources[group].push(time, index);
        }
        let failure = out.failure.take().map(|error| (error, 0));
        let fault = out.fault.map(|f| (describe(f, &banks.0, &round, &populations), f.step));
        if let Some((error, steps)) = failure.or(fault) {
            stop.0 = Some(error);
            // What happened before the fault was measured rightly and is kept: the window ends there.
            window.steps = round.first_step - window.first_step + steps;
            let end = window.end();
            // (With Euler the step of the fault has the time of its end.)
            out.spikes.iter_mut().for_each(|s| s.retain(|time| time <= end));
            spikes.sources.iter_mut().for_each(|s| s.retain(|time| time < end));
            out.samples.retain(|sample| sample.time <= end);
        }
        for (bank, found) in banks.0.iter().zip(&mut out.spikes) {
            emit(bank, found, &mut spikes.populations);
        }
        if by_itself > 0 {
            spikes.populations.iter_mut().for_each(GroupSpikes::all_are_routed);
        }
        append(&mut samples.0, &mut out.samples);
        work.0 += out.work;
        if stop.0.is_some() {
            return;
        }
    }
}

/// The spikes of a bank → those of its populations.
fn emit(bank: &Bank, found: &mut SpikeLists, populations: &mut [GroupSpikes]) {
    if let [member] = &bank.members[..] {
        // Its slots are its neurons.
        return populations[member.population].emit().append_all(found);
    }
    found.iter().for_each(|list| emit_list(bank, list, populations));
}

/// A list of spikes of a bank with several members → those of its populations.
fn emit_list(bank: &Bank, mut rest: &[Spike], populations: &mut [GroupSpikes]) {
    while let Some((_, slot)) = rest.first() {
        let member = bank.member(*slot);
        let own = member.first..member.first + member.len;
        let (now, after) =
            rest.split_at(rest.iter().take_while(|(_, slot)| own.contains(slot)).count());
        let emitted = populations[member.population].emit().list();
        emitted.extend(now.iter().map(|(time, slot)| (*time, slot - member.first)));
        rest = after;
    }
}

/// Moves items to the end of a list, all of them at once if that is empty.
fn append<T>(list: &mut Vec<T>, items: &mut Vec<T>) {
    if list.is_empty() {
        std::mem::swap(list, items);
    } else {
        list.append(items);
    }
}

/// Brings back what systems are going to read.
pub(crate) fn fetch(
    backend: Res<CurrentBackend>,
    readback: Res<Readback>,
    mut banks: ResMut<Banks>,
    mut stop: ResMut<Stop>,
) {
    if *readback != Readback::default() && stop.0.is_none() {
        stop.0 = backend.0.fetch(&mut banks.0, *readback).err();
    }
}

/// A fault, with the names that its user knows.
fn describe(
    fault: Fault,
    banks: &[Bank],
    window: &Window,
    populations: &Query<&Population>,
) -> Error {
    let bank = &banks[fault.bank as usize];
    let member = bank.member(fault.slot);
    let index = fault.slot - member.first;
    let found = populations.iter().find(|p| p.index == member.population);
    let population = found.map(|p| p.name.clone()).unwrap_or_default();
    let neuron = found.map_or(NeuronId { neuron: index, replica: None }, |p| p.replicas.id(index));
    let step = window.first_step + fault.step;
    match fault.kind {
        FaultKind::NotFinite => {
            // Found at the end of a step.
            let time = Time::from_steps(step, window.dt) + bank.step.unwrap_or(window.dt);
            Error::NotFinite { population, neuron, time }
        }
        FaultKind::Storm => Error::Storm { population, time: Time::from_steps(step, window.dt) },
        FaultKind::InputOverflow(receptor) => Error::InputOverflow {
            population,
            neuron,
            receptor: bank.layout.receptors[usize::from(receptor)].name(),
            time: Time::from_steps(step, window.dt),
        },
    }
}

/// Adds the CPU back end and the stage that runs it.
pub struct BackendPlugin;

impl Plugin for BackendPlugin {
    fn build(&self, simulation: &mut Simulation) {
        let world = simulation.world_mut();
        world.insert_resource(CurrentBackend(Box::new(cpu::Cpu::new(None))));
        world.init_resource::<WindowSamples>();
        world.init_resource::<Stop>();
        world.init_resource::<EventWork>();
        world.init_resource::<SpikeDigests>();
        simulation.add_systems(WindowSet::Advance, advance.in_set(BuiltIn));
    }
}
