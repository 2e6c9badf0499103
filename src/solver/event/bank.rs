//! The neurons of a bank, and who of them is advanced in a window.

use std::any::Any;
use std::ops::Range;

use fearless_simd::Level;

use super::device::EventCode;
use super::{Arrival, Assignment, Erased, EventModel, EventNeurons, EventWindow, Job, Output};
use crate::backend::{Advanced, Fault, Sample};
use crate::bank::{Drive, LANES, SampleRequest};
use crate::circuit::Waveform;
use crate::solver::kernel::Layout;
use crate::threads::Pool;
use crate::time::Time;

/// Neurons that a thread takes at a time.
const PIECE: usize = 1024;

/// The neurons of a bank, of one model.
pub struct EventBank<M: EventModel> {
    model: M,
    layout: Layout,
    neurons: Vec<M::Neuron>,
    /// Slots of those that may spike without anything arriving, sorted.
    awake: Vec<u32>,
    /// Slots whose biases or state changed since the last window, and whether each one's has.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
    /// Where the neurons are on a device: what is to be changed there, and when.
    waiting: Option<Vec<Waiting<M>>>,
}

/// A change of a neuron (its slot) at a time.
type Waiting<M> = (u32, Time, Change<M>);
type Change<M> = Box<dyn FnOnce(&M, &mut <M as EventModel>::Neuron) + Send + Sync>;

impl<M: EventModel> EventBank<M> {
    /// Without neurons.
    #[must_use]
    pub fn new(model: M) -> EventBank<M> {
        let layout = model.layout();
        EventBank {
            model,
            layout,
            neurons: Vec::new(),
            awake: Vec::new(),
            changed: Vec::new(),
            is_changed: Vec::new(),
            waiting: None,
        }
    }

    /// Biases or state of neurons change at a time, by a function of what was written.
    fn change<T: Clone + Send + Sync + 'static>(
        &mut self,
        written: &[Assignment<T>],
        now: Time,
        pool: Option<&Pool>,
        change: impl Fn(&M, &mut M::Neuron, &Assignment<T>) + Copy + Send + Sync + 'static,
    ) {
        if let Some(waiting) = &mut self.waiting {
            for &Assignment { slot, value, exponent } in written {
                let value = value.clone();
                let change: Change<M> = Box::new(move |model, neuron| {
                    change(model, neuron, &Assignment { slot, value: &value, exponent });
                });
                waiting.push((slot, now, change));
            }
            return;
        }
        let model = &self.model;
        let one = |neuron: &mut M::Neuron, written: &Assignment<T>| {
            bring(model, neuron, written.slot, now);
            change(model, neuron, written);
        };
        let pool = pool.filter(|_| written.is_sorted_by(|a, b| a.slot < b.slot));
        if let Some(pool) = pool {
            // Pieces of sorted slots own disjoint parts of the neurons.
            let (mut rest, mut next, mut pieces) = (&mut self.neurons[..], 0, Vec::new());
            for piece in written.chunks(PIECE) {
                let end = piece.last().map_or(next, |last| last.slot + 1);
                let (own, after) = rest.split_at_mut((end - next) as usize);
                pieces.push((own, next, piece));
                (rest, next) = (after, end);
            }
            let make = |(own, first, piece): (&mut [M::Neuron], u32, &[Assignment<T>])| {
                piece.iter().for_each(|w| one(&mut own[(w.slot - first) as usize], w));
            };
            pool.map(pieces, make);
        } else {
            written.iter().for_each(|w| one(&mut self.neurons[w.slot as usize], w));
        }
        for Assignment { slot, .. } in written {
            if !std::mem::replace(&mut self.is_changed[*slot as usize], true) {
                self.changed.push(*slot);
            }
        }
    }

    /// Settles what was changed; it is awake until it is known to be quiet.
    fn settle(&mut self, pool: Option<&Pool>) {
        if self.changed.is_empty() {
            return;
        }
        self.changed.sort_unstable();
        self.changed.iter().for_each(|slot| self.is_changed[*slot as usize] = false);
        match pool.filter(|_| self.changed.len() == self.neurons.len()) {
            Some(pool) => {
                let pieces = self.neurons.chunks_mut(PIECE).collect();
                let settle = |neuron: &mut M::Neuron| self.model.settle(neuron);
                pool.map(pieces, |piece: &mut [M::Neuron]| piece.iter_mut().for_each(settle));
            }
            None => {
                for slot in &self.changed {
                    self.model.settle(&mut self.neurons[*slot as usize]);
                }
            }
        }
        self.awake = union(&self.awake, &self.changed);
        self.changed.clear();
    }

    /// The words of some neurons.
    fn packed(&self, slots: impl Iterator<Item = usize>, width: usize) -> Vec<u64> {
        let mut words = vec![0; slots.size_hint().0 * width];
        for (slot, words) in slots.zip(words.chunks_exact_mut(width.max(1))) {
            self.model.pack(&self.neurons[slot], words);
        }
        words
    }

    /// The neurons of some blocks at which something happens, as jobs. `neurons` are those from the first of
    /// these blocks on, and `awake` the slots of those that are.
    fn run(
        &self,
        neurons: &mut [M::Neuron],
        blocks: &[u32],
        mut awake: &[u32],
        window: &EventWindow,
    ) -> Output {
        let first = blocks.first().map_or(0, |block| *block as usize);
        let inbox = window.inbox;
        let blocks_of_all = || blocks.iter().map(|block| window.first_block + *block as usize);
        let most = blocks_of_all().map(|block| inbox.count_events(block)).sum();
        let mut arrivals = Vec::with_capacity(most);
        let ends = blocks_of_all().map(|block| inbox.events_of(block, &mut arrivals));
        let ends: Vec<[usize; LANES]> = ends.collect();
        let mut jobs = Vec::with_capacity(blocks.len() * LANES);
        let (mut neurons, mut next, mut from) = (neurons.chunks_mut(LANES), first, 0);
        for (block, ends) in blocks.iter().zip(&ends) {
            let Some(own) = neurons.nth(*block as usize - next) else { break };
            next = *block as usize + 1;
            for ((slot, neuron), end) in (block * LANES as u32..).zip(own).zip(ends) {
                let arrivals = &arrivals[from..*end];
                from = *end;
                let is_awake = awake.first() == Some(&slot);
                awake = &awake[usize::from(is_awake)..];
                if is_awake || !arrivals.is_empty() {
                    let dc = waveform(window.drives, slot);
                    jobs.push(Job { neuron, slot, arrivals, stops: &[], dc });
                }
            }
        }
        let mut out = Output::default();
        self.model.run(window.level, &mut jobs, window.span.clone(), &mut out);
        let awake = jobs.iter().filter(|job| self.model.is_awake(job.neuron));
        out.awake = awake.map(|job| job.slot).collect();
        out
    }

    /// The samples of a window, from copies of the neurons at its start: measuring does not change
    /// what is measured.
    fn sample(&self, window: &EventWindow, out: &mut Vec<Sample>) {
        // What arrives at the block at hand.
        let mut arrived: Option<(usize, Vec<Arrival>, [usize; LANES])> = None;
        let mut at = 0;
        while at < window.samples.len() {
            let slot = window.samples[at].slot;
            let own = window.samples[at..].iter().take_while(|r| r.slot == slot).count();
            let requests = at..at + own;
            at += own;
            let mut stops: Vec<Time> = Vec::new();
            for request in &window.samples[requests.clone()] {
                stops.extend(due(request, &window.span));
            }
            stops.sort_unstable();
            stops.dedup();
            if stops.is_empty() {
                continue;
            }
            let (block, lane) = (slot as usize / LANES, slot as usize % LANES);
            if arrived.as_ref().is_none_or(|(of, ..)| *of != block) {
                let mut arrivals = Vec::new();
                let ends = window.inbox.events_of(window.first_block + block, &mut arrivals);
                arrived = Some((block, arrivals, ends));
            }
            let Some((_, arrivals, ends)) = &arrived else { continue };
            let from = lane.checked_sub(1).map_or(0, |before| ends[before]);
            let arrivals = &arrivals[from..ends[lane]];
            let mut neuron = self.neurons[slot as usize].clone();
            let dc = waveform(window.drives, slot);
            let mut job = [Job { neuron: &mut neuron, slot, arrivals, stops: &stops, dc }];
            let mut states = Output::default();
            self.model.run(window.level, &mut job, window.span.clone(), &mut states);
            for (_, time, state) in states.states {
                for request in requests.clone() {
                    if window.samples[request].wants(time.picoseconds()) {
                        let (bank, request) = (window.bank, request as u32);
                        out.push(Sample { bank, request, time, state: state.clone() });
                    }
                }
            }
        }
    }
}

/// The times within a window at which a request wants a sample: after its start and up to its end,
/// and 0.
pub(crate) fn due(
    request: &SampleRequest,
    span: &Range<Time>,
) -> impl Iterator<Item = Time> + use<> {
    let (start, end) = (span.start.picoseconds(), span.end.picoseconds());
    let every = request.every;
    let from = if start == 0 { 0 } else { start + 1 };
    let first = from.max(request.from).next_multiple_of(every);
    let to = request.to;
    (first..=end)
        .step_by(usize::try_from(every).unwrap_or(usize::MAX))
        .take_while(move |t| *t < to)
        .map(Time::from_picoseconds)
}

/// Brings a neuron to a time at which its biases or state change.
fn bring<M: EventModel>(model: &M, neuron: &mut M::Neuron, slot: u32, now: Time) {
    let from = model.time(neuron);
    if from < now {
        // With a stop there it does not stay behind.
        let stops = [now];
        let mut job = [Job { neuron, slot, arrivals: &[], stops: &stops, dc: None }];
        model.run(Level::new(), &mut job, from..now, &mut Output::default());
    }
}

/// What was written, where it is of a type.
fn known<'a, T: Any>(written: &[Assignment<'a, Erased>]) -> Vec<Assignment<'a, T>> {
    let known = |&Assignment { slot, value, exponent }: &Assignment<'a, Erased>| {
        let value: &'a dyn Any = value;
        value.downcast_ref().map(|value| Assignment { slot, value, exponent })
    };
    written.iter().filter_map(known).collect()
}

/// The direct input of a slot.
fn waveform(drives: &[Drive], slot: u32) -> Option<&Waveform> {
    let at = drives.partition_point(|drive| drive.slots.end <= slot);
    drives.get(at).filter(|drive| drive.slots.contains(&slot)).map(|drive| &drive.waveform)
}

/// Both of two sorted lists.
fn union(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all: Vec<u32> = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut k) = (0, 0);
    loop {
        let next = match (a.get(i), b.get(k)) {
            (Some(x), Some(y)) => *x.min(y),
            (Some(x), None) | (None, Some(x)) => *x,
            (None, None) => return all,
        };
        i += usize::from(a.get(i) == Some(&next));
        k += usize::from(b.get(k) == Some(&next));
        all.push(next);
    }
}

impl<M: EventModel> EventNeurons for EventBank<M> {
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn precision(&self) -> &'static str {
        self.model.precision()
    }

    fn resize(&mut self, neurons: usize) {
        self.neurons.resize_with(neurons, || self.model.neuron());
        self.is_changed.resize(neurons, false);
    }

    fn set_somas(&mut self, somas: &[Assignment<Erased>], now: Time, pool: Option<&Pool>) {
        self.change::<M::Soma>(&known(somas), now, pool, |model, neuron, soma| {
            model.set_soma(neuron, soma.value);
        });
    }

    fn set_synapses(
        &mut self,
        circuit: usize,
        synapses: &[Assignment<Erased>],
        now: Time,
        pool: Option<&Pool>,
    ) {
        self.change::<M::Synapse>(&known(synapses), now, pool, move |model, neuron, synapse| {
            model.set_synapse(neuron, circuit, synapse.value, synapse.exponent);
        });
    }

    fn set_states(
        &mut self,
        column: usize,
        values: &[Assignment<f64>],
        now: Time,
        pool: Option<&Pool>,
    ) {
        self.change(values, now, pool, move |model, neuron, value| {
            model.set_state(neuron, column, *value.value);
        });
    }

    fn states(&self, now: Time, drives: &[Drive]) -> Vec<f64> {
        let mut states = Vec::with_capacity(self.neurons.len() * self.layout.resting_state.len());
        // With a stop there, none stays behind.
        let stops = [now];
        for (piece, neurons) in self.neurons.chunks(PIECE).enumerate() {
            let mut copies = neurons.to_vec();
            let start = copies.iter().map(|neuron| self.model.time(neuron)).min().unwrap_or(now);
            let jobs = copies.iter_mut().zip((piece * PIECE) as u32..);
            let mut jobs: Vec<Job<M::Neuron>> = jobs
                .filter(|(neuron, _)| self.model.time(neuron) < now)
                .map(|(neuron, slot)| {
                    let dc = waveform(drives, slot);
                    Job { neuron, slot, arrivals: &[], stops: &stops, dc }
                })
                .collect();
            if !jobs.is_empty() {
                self.model.run(Level::new(), &mut jobs, start..now, &mut Output::default());
            }
            states.extend(copies.iter().flat_map(|neuron| self.model.state(neuron)));
        }
        states
    }

    fn device_code(&self) -> Option<EventCode> {
        self.model.device_code()
    }

    fn hand_over(&mut self, pool: Option<&Pool>) {
        self.settle(pool);
        self.waiting = Some(Vec::new());
    }

    fn words(&self, slots: Range<usize>, pool: Option<&Pool>) -> Vec<u64> {
        let width = self.model.device_code().map_or(0, |code| code.words());
        let neurons = &self.neurons[slots];
        let mut words = vec![0; neurons.len() * width];
        let pack = |words: &mut [u64], neurons: &[M::Neuron]| {
            for (neuron, words) in neurons.iter().zip(words.chunks_exact_mut(width.max(1))) {
                self.model.pack(neuron, words);
            }
        };
        match pool {
            None => pack(&mut words, neurons),
            Some(pool) => {
                let pieces = words.chunks_mut((PIECE * width).max(1));
                let pieces = pieces.zip(neurons.chunks(PIECE)).collect();
                pool.map(pieces, |(words, neurons)| pack(words, neurons));
            }
        }
        words
    }

    fn waiting(&self) -> Option<Vec<u32>> {
        let mut slots: Vec<u32> = self.waiting.as_ref()?.iter().map(|(slot, ..)| *slot).collect();
        slots.sort_unstable();
        slots.dedup();
        Some(slots)
    }

    fn exchange(&mut self, slots: &[u32], states: &[u64]) -> Vec<u64> {
        let code = self.model.device_code();
        let (width, state) = code.map_or((0, 0), |code| (code.words(), code.state.len()));
        for (slot, words) in slots.iter().zip(states.chunks_exact(state.max(1))) {
            self.model.unpack(&mut self.neurons[*slot as usize], words);
        }
        for (slot, now, change) in self.waiting.take().into_iter().flatten() {
            let neuron = &mut self.neurons[slot as usize];
            bring(&self.model, neuron, slot, now);
            change(&self.model, neuron);
        }
        self.changed.extend_from_slice(slots);
        self.settle(None);
        self.waiting = Some(Vec::new());
        self.packed(slots.iter().map(|slot| *slot as usize), width)
    }

    fn look(&mut self, first: usize, states: &[u64]) {
        let width = self.model.device_code().map_or(0, |code| code.state.len());
        let neurons = self.neurons[first..].iter_mut();
        for (neuron, words) in neurons.zip(states.chunks_exact(width.max(1))) {
            self.model.unpack(neuron, words);
        }
    }

    fn awake(&self) -> usize {
        self.awake.len().max(self.changed.len())
    }

    fn advance(&mut self, window: &EventWindow, out: &mut Advanced) {
        self.settle(window.pool);
        self.sample(window, &mut out.samples);
        let mut is_busy = vec![false; self.neurons.len().div_ceil(LANES)];
        self.awake.iter().for_each(|slot| is_busy[*slot as usize / LANES] = true);
        window.inbox.mark_events(window.first_block, &mut is_busy);
        let busy = (0..).zip(&is_busy).filter(|(_, is_busy)| **is_busy);
        let busy: Vec<u32> = busy.map(|(block, _)| block).collect();
        let mut all = std::mem::take(&mut self.neurons);
        let blocks = match window.pool.map_or(1, Pool::threads) {
            1 => PIECE / LANES,
            // Several for each thread, as many for one as for another, even out their load.
            threads => {
                let rounds = (busy.len() * LANES).div_ceil(threads * PIECE).max(2);
                busy.len().div_ceil(rounds * threads).max(PIECE / LANES / 8)
            }
        };
        // Pieces of sorted blocks own disjoint parts of the neurons.
        let mut pieces = Vec::new();
        let (mut rest, mut next, mut awake) = (&mut all[..], 0, &self.awake[..]);
        for piece in busy.chunks(blocks) {
            let [first, last] = [piece.first(), piece.last()].map(|b| b.map_or(0, |b| *b as usize));
            let end = ((last + 1) * LANES).min(next + rest.len());
            let (own, after) = rest.split_at_mut(end - next);
            let (_, own) = own.split_at_mut(first * LANES - next);
            let (own_awake, later) =
                awake.split_at(awake.partition_point(|slot| (*slot as usize) < end));
            pieces.push((own, piece, own_awake));
            (rest, next, awake) = (after, end, later);
        }
        let run = |(own, blocks, awake): (&mut [M::Neuron], &[u32], &[u32])| {
            self.run(own, blocks, awake, window)
        };
        let outputs: Vec<Output> = match window.pool {
            Some(pool) if pieces.len() > 1 => pool.map(pieces, run),
            _ => pieces.into_iter().map(run).collect(),
        };
        self.neurons = all;
        self.awake.clear();
        for mut output in outputs {
            self.awake.extend(output.awake);
            out.spikes[window.bank as usize].append(&mut output.spikes);
            out.work += output.work;
            let faults = output.faults.into_iter().map(|(time, slot, kind)| Fault {
                step: (time - window.span.start).picoseconds(),
                bank: window.bank,
                slot,
                kind,
            });
            out.fault = out.fault.into_iter().chain(faults).min();
        }
    }
}
