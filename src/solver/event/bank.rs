//! The neurons of a bank, and who of them is advanced in a window.

use std::any::Any;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use fearless_simd::Level;

use super::device::EventCode;
use super::{
    Arrival, Assignment, Erased, EventModel, EventNeurons, EventWindow, Job, Jobs, Output,
};
use crate::backend::{Advanced, Fault, Sample};
use crate::bank::{Drive, LANES, SampleRequest};
use crate::circuit::Waveform;
use crate::solver::kernel::Layout;
use crate::threads::{Pool, Spare};
use crate::time::Time;

/// Neurons that a thread takes at a time, at most.
const PIECE: usize = 1024;
/// Pieces of a window for each thread, if there are as many blocks (more, if they would be larger than that): the
/// smaller the last ones are, the sooner all threads are done. (Half as many are no slower.)
const PIECES: usize = 40;
/// A thread takes one piece after another into the same run, because the last neurons of a run do not fill its
/// lanes. Once it has so many jobs, or so many arrivals, it begins another run in the same memory, which so stays below
/// a megabyte. (In unit tests with few, so that hundreds of neurons take several runs.)
const MOST_JOBS: usize = if cfg!(test) { 100 } else { 1 << 13 };
const MOST_ARRIVALS: usize = if cfg!(test) { 90 } else { 1 << 15 };
/// A bit for each neuron of a block.
const _: () = assert!(LANES == u64::BITS as usize);

/// The neurons of a bank, of one model.
pub struct EventBank<M: EventModel> {
    model: M,
    layout: Layout,
    neurons: Vec<M::Neuron>,
    /// Who may spike without anything arriving: the bits of each block.
    awake: Vec<AtomicU64>,
    /// Slots whose biases or state changed since the last window, and whether each one's has.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
    /// Empty lists whose memory is used again, for each thread that runs some.
    spare: Spare<Memory<M::Neuron>>,
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
            spare: Spare::default(),
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
        self.changed.iter().for_each(|slot| self.wake(*slot));
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

    /// Advances the neurons of some pieces at which something happens.
    fn run<'n>(
        &self,
        next: &mut dyn FnMut() -> Option<Piece<'n, M::Neuron>>,
        window: &EventWindow,
    ) -> Output {
        let (mut list, mut arrivals, awake) = self.spare.take().unwrap_or_default();
        let mut out = Output { awake, ..Output::default() };
        while let Some(piece) = next() {
            let mut jobs = emptied(list);
            self.add_jobs(piece, window, &mut jobs, &mut arrivals);
            let mut more = |jobs: &mut Vec<_>, arrivals: &mut Vec<Arrival>| {
                if jobs.len() < MOST_JOBS
                    && arrivals.len() < MOST_ARRIVALS
                    && let Some(piece) = next()
                {
                    self.add_jobs(piece, window, jobs, arrivals);
                }
            };
            let mut jobs = Jobs { list: jobs, arrivals, stops: &[], more: Some(&mut more) };
            self.model.run(window.level, &mut jobs, window.span.clone(), &mut out);
            (list, arrivals) = (emptied(jobs.list), jobs.arrivals);
            arrivals.clear();
            out.awake.drain(..).for_each(|slot| self.wake(slot));
        }
        self.spare.put((list, arrivals, std::mem::take(&mut out.awake)));
        out
    }

    /// The neurons of a piece at which something happens become jobs; none is awake any more.
    fn add_jobs<'n>(
        &self,
        Piece { blocks, neurons }: Piece<'n, M::Neuron>,
        window: &'n EventWindow,
        jobs: &mut Vec<Job<'n, M::Neuron>>,
        arrivals: &mut Vec<Arrival>,
    ) {
        let mut next = blocks.first().map_or(0, |block| *block as usize);
        let mut neurons = neurons.chunks_mut(LANES);
        for block in blocks {
            let Some(own) = neurons.nth(*block as usize - next) else { break };
            next = *block as usize + 1;
            let mut awake = self.awake[*block as usize].swap(0, Ordering::Relaxed);
            let mut from = arrivals.len();
            let ends = window.inbox.events_of(window.first_block + *block as usize, arrivals);
            for ((slot, neuron), end) in (block * LANES as u32..).zip(own).zip(ends) {
                if awake & 1 == 1 || from < end {
                    let dc = waveform(window.drives, slot);
                    jobs.push(Job { neuron, slot, arrivals: from..end, dc });
                }
                (from, awake) = (end, awake >> 1);
            }
        }
    }

    /// A neuron may spike without anything arriving. (In a window its block is one thread's.)
    fn wake(&self, slot: u32) {
        let awake = &self.awake[slot as usize / LANES];
        awake
            .store(awake.load(Ordering::Relaxed) | 1 << (slot as usize % LANES), Ordering::Relaxed);
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
            let arrivals = arrivals[from..ends[lane]].to_vec();
            let mut neuron = self.neurons[slot as usize].clone();
            let dc = waveform(window.drives, slot);
            let list = vec![Job { neuron: &mut neuron, slot, arrivals: 0..arrivals.len(), dc }];
            let mut jobs = Jobs { list, arrivals, stops: &stops, more: None };
            let mut states = Output::default();
            self.model.run(window.level, &mut jobs, window.span.clone(), &mut states);
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

/// Lists of jobs, of arrivals, and of who is awake, empty.
type Memory<N> = (Vec<Job<'static, N>>, Vec<Arrival>, Vec<u32>);

/// An empty list in the same memory, for other neurons. (Collected in place, as `Vec` does where sizes agree.)
fn emptied<'a, N>(mut list: Vec<Job<N>>) -> Vec<Job<'a, N>> {
    list.clear();
    list.into_iter().map_while(|_| None).collect()
}

/// Brings a neuron to a time at which its biases or state change.
fn bring<M: EventModel>(model: &M, neuron: &mut M::Neuron, slot: u32, now: Time) {
    let from = model.time(neuron);
    if from < now {
        // With a stop there it does not stay behind.
        let stops = [now];
        let list = vec![Job { neuron, slot, arrivals: 0..0, dc: None }];
        let mut jobs = Jobs { list, arrivals: Vec::new(), stops: &stops, more: None };
        model.run(Level::new(), &mut jobs, from..now, &mut Output::default());
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

/// Neurons that one thread takes at a time: blocks at which something happens, and all from the first of them on.
struct Piece<'a, N> {
    blocks: &'a [u32],
    neurons: &'a mut [N],
}

impl<M: EventModel> EventNeurons for EventBank<M> {
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn precision(&self) -> &'static str {
        self.model.precision()
    }

    fn resize(&mut self, neurons: usize) {
        debug_assert!(neurons >= self.neurons.len(), "neurons do not go away");
        self.neurons.resize_with(neurons, || self.model.neuron());
        self.is_changed.resize(neurons, false);
        self.awake.resize_with(neurons.div_ceil(LANES), AtomicU64::default);
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
            let jobs = copies.iter_mut().zip((piece * PIECE) as u32..);
            let list: Vec<Job<M::Neuron>> = jobs
                .filter(|(neuron, _)| self.model.time(neuron) < now)
                .map(|(neuron, slot)| {
                    let dc = waveform(drives, slot);
                    Job { neuron, slot, arrivals: 0..0, dc }
                })
                .collect();
            if !list.is_empty() {
                let mut jobs = Jobs { list, arrivals: Vec::new(), stops: &stops, more: None };
                // (Their times count from `now`: from the earliest one, rounding would depend on who else is read.)
                self.model.run(Level::new(), &mut jobs, now..now, &mut Output::default());
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
        let of_block = |bits: &AtomicU64| bits.load(Ordering::Relaxed).count_ones() as usize;
        self.awake.iter().map(of_block).sum::<usize>().max(self.changed.len())
    }

    fn advance(&mut self, window: &EventWindow, out: &mut Advanced) {
        self.settle(window.pool);
        self.sample(window, &mut out.samples);
        let awake = self.awake.iter_mut();
        let mut is_busy: Vec<bool> = awake.map(|awake| *awake.get_mut() != 0).collect();
        window.inbox.mark_events(window.first_block, &mut is_busy);
        let busy = (0..).zip(&is_busy).filter(|(_, is_busy)| **is_busy);
        let busy: Vec<u32> = busy.map(|(block, _)| block).collect();
        let mut all = std::mem::take(&mut self.neurons);
        let pieces = PIECES * window.pool.map_or(1, Pool::threads);
        let blocks = busy.len().div_ceil(pieces).clamp(1, PIECE / LANES);
        // Pieces of sorted blocks own disjoint parts of the neurons.
        let mut pieces = Vec::with_capacity(busy.len().div_ceil(blocks));
        let (mut rest, mut next) = (&mut all[..], 0);
        for blocks in busy.chunks(blocks) {
            let ends = [blocks.first(), blocks.last()];
            let [first, last] = ends.map(|block| block.map_or(0, |block| *block as usize));
            let end = ((last + 1) * LANES).min(next + rest.len());
            let (own, after) = rest.split_at_mut(end - next);
            let (_, neurons) = own.split_at_mut(first * LANES - next);
            pieces.push(Piece { blocks, neurons });
            (rest, next) = (after, end);
        }
        let outputs: Vec<Output> = match window.pool {
            Some(pool) if pieces.len() > 1 => pool.share(pieces, |next| self.run(next, window)),
            _ => {
                let mut pieces = pieces.into_iter();
                vec![self.run(&mut || pieces.next(), window)]
            }
        };
        self.neurons = all;
        for mut output in outputs {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::backend::EventWork;
    use crate::backend::cpu::Cpu;
    use crate::bank::{Banks, Neurons};
    use crate::circuit::Membrane;
    use crate::probe::digest::SpikeDigests;
    use crate::scene::Scene;
    use crate::simulation::Simulation;

    /// Pieces go to who asks for them, and in unit tests a thread cuts its run off after a hundred neurons: all
    /// are carried to the end, each once, whoever takes which. Some are quiet unless something arrives.
    #[test]
    fn threads_that_take_pieces_come_to_what_one_does() {
        let scene = || {
            let text = "(duration: \"60 ms\", seed: 3, solver: Event(tolerance: \"1 us\"), window: \"1 ms\",
                sources: { \"noise\": (size: 2000, train: Poisson(rates: \"5 Hz\")) },
                populations: { \"dpi\": (size: 2000, model: arcana(
                    soma: (Itau: \"4 pA\", Igain: \"80 pA\", Ith: \"12 mA\", Idc: \"6 pA\", refP: \"1 ms\",
                           Ipfb_th: \"0 A\", Ipfb_norm: \"1.4e9 /A\"),
                    ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"1 nA\"),
                ), mismatch: { \"soma.Idc\": LogNormal(cv: 0.9) }) },
                connections: [(from: \"noise\", to: \"dpi\", receptor: ampa, rule: OneToOne)])";
            Scene::parse(text, "test.ron", "test", Path::new("."), &[]).unwrap().scene
        };
        let outcome = |threads: usize| {
            let mut simulation = Simulation::new(scene()).unwrap();
            simulation.set_backend(Cpu::new(Some(threads)));
            simulation.run().unwrap();
            let world = simulation.world();
            let Neurons::Event(bank) = &world.resource::<Banks>().0[0].neurons else {
                panic!("they are event-driven");
            };
            let awake = bank.awake();
            assert!(awake > 500 && awake < 1900, "{awake} are awake");
            let neurons = world.iter_entities().filter_map(|neuron| neuron.get::<Membrane>());
            let membranes: Vec<u64> = neurons.map(|membrane| membrane.0.to_bits()).collect();
            let digest = format!("{:?}", world.resource::<SpikeDigests>());
            (membranes, world.resource::<EventWork>().0, digest)
        };
        let one = outcome(1);
        assert!(one.0.len() == 2000 && one.1.steps > 30_000, "{:?}", one.1);
        for threads in [2, 3, 7] {
            assert!(outcome(threads) == one, "on {threads} threads");
        }
    }

    /// Windows follow one another within microseconds, and lists of a hundred kilobytes are memory that the system
    /// takes back and clears each time.
    #[test]
    fn an_emptied_list_keeps_its_memory() {
        let mut neuron = 1_u8;
        let mut list = Vec::with_capacity(100);
        list.push(Job { neuron: &mut neuron, slot: 0, arrivals: 0..0, dc: None });
        let emptied: Vec<Job<'static, u8>> = emptied(list);
        assert!(emptied.is_empty() && emptied.capacity() == 100);
    }
}
