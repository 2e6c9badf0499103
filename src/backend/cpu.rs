//! The CPU back end: blocks of neurons, each run through the whole window in cache. `rounds` has the way through short
//! rounds, several at once.

mod rounds;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use fearless_simd::Level;
use smallvec::SmallVec;

use super::pace::Pace;
use super::{Advanced, Backend, Fault, FaultKind, Sample};
use crate::bank::{Bank, Drive, LANES, Member, Neurons, Row, SampleRequest, Stepped};
use crate::circuit::Waveform;
use crate::network::inbox::{Arrival, Arrived, Inbox, Lists, Tile};
use crate::network::router::{NANOSECONDS_OF_A_PULSE, Router};
use crate::schedule::Window;
use crate::solver::event::EventWindow;
use crate::solver::kernel::{Flag, Kernel, TILE_STEPS};
use crate::threads::{self, Pool};
use crate::time::Time;

/// Asking a thread that is awake, and joining it, with what it then has to fetch from the caches of others; for
/// work of less than twice that for each thread, they do not pay.
const NANOSECONDS_OF_A_JOIN: u64 = 1_000;
/// In a round of a lively network, one edge of so many delivers a pulse, or more do. (In R with Euler, one of 300.)
const EDGES_OF_A_PULSE: u64 = 256;
/// Waking threads that sleep, for who asks (it takes longer until they are there); for less than four times that,
/// it does not pay.
const NANOSECONDS_OF_WAKING: u64 = 25_000;
/// So much work, in pieces that are not worth waking them, lets expect more of it.
const NANOSECONDS_OF_MUCH: u64 = 1_000_000;
/// Nanoseconds of a piece that another thread than usual takes, at least: its neurons lie in the cache of that one's
/// core.
const LEAST_OF_A_PIECE: u64 = 10_000;
/// So many pieces for each thread even out their load, where each takes [`LEAST_OF_A_PIECE`] or more.
const FEW_PIECES: u64 = 4;
/// Of much work, pieces of that length, for the threads seldom begin and end together: a table is written meanwhile.
const NANOSECONDS_OF_A_PIECE: u64 = 250_000;
/// But no more pieces than that for each thread, because each has lists.
const MOST_PIECES: u64 = 32;
/// What an arrival at an event-driven neuron costs on one thread, and a neuron that is awake.
const NANOSECONDS_OF_AN_ARRIVAL: u64 = 100;
/// See [`NANOSECONDS_OF_AN_ARRIVAL`].
const NANOSECONDS_OF_A_NEURON: u64 = 100;
/// A neuron-step on one thread.
const NANOSECONDS_OF_A_STEP: u64 = 1;

/// Runs kernels on the threads of this machine.
pub struct Cpu {
    threads: usize,
    /// Started when a window is worth it; `None`: it could not be.
    pool: OnceLock<Option<Pool>>,
    /// Work in small pieces that was done while they slept, in nanoseconds.
    missed: AtomicU64,
    /// What pieces of a bank gave, taken out again, and what threads need room for: their memory is kept.
    outputs: Mutex<(Vec<Output>, Vec<Room>)>,
    /// Of short rounds.
    pace: Mutex<Pace>,
    level: Level,
    reference: bool,
}

/// An instruction set without fused multiply-adds, on which numbers are computed one by one.
fn without_vectors() -> Level {
    #[cfg(target_arch = "x86_64")]
    return Level::new().as_sse2().map_or(Level::new(), fearless_simd::Simd::level);
    #[cfg(not(target_arch = "x86_64"))]
    Level::new()
}

impl Cpu {
    /// With so many threads; `None`: as many as there are cores. They are started when a window is
    /// large enough to be worth them; a pool that cannot be started leaves the work to one thread.
    #[must_use]
    pub fn new(threads: Option<usize>) -> Cpu {
        let threads = threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        Cpu {
            threads,
            pool: OnceLock::new(),
            missed: AtomicU64::new(0),
            outputs: Mutex::default(),
            pace: Mutex::default(),
            level: Level::new(),
            reference: false,
        }
    }

    /// The same on an instruction set; results do not depend on it.
    #[must_use]
    pub fn on(self, level: Level) -> Cpu {
        Cpu { level, ..self }
    }

    /// The scalar reference: one thread, one lane after the other. Slow, and what all others must
    /// equal bit for bit.
    #[must_use]
    pub fn reference() -> Cpu {
        Cpu { reference: true, ..Cpu::new(Some(1)).on(without_vectors()) }
    }

    /// Threads that it may use.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// What a bank is run with, and all its rows, if it is advanced by steps.
    fn task<'a>(
        &self,
        index: usize,
        bank: &'a mut Bank,
        first_block: usize,
        window: &Window,
    ) -> Option<(Task<'a>, &'a [Row], &'a mut [Row])> {
        let Neurons::Stepped(Stepped { kernel, parameters, state }) = &mut bank.neurons else {
            return None;
        };
        let task = Task {
            kernel: &**kernel,
            receptors: bank.layout.receptors.len(),
            parameters: parameters.width(),
            state: state.width(),
            members: &bank.members,
            samples: &bank.samples,
            drives: &bank.drives,
            dc: bank.layout.dc,
            step: bank.step,
            window: bank.step.map_or(*window, |step| window.in_steps_of(step)),
            unit: bank.step.map_or(1, |step| step.whole(window.dt)),
            bank: index as u32,
            first_block,
            level: self.level,
            reference: self.reference,
        };
        Some((task, parameters.rows(), state.rows_mut()))
    }

    /// Whether work of so many nanoseconds is worth threads that are awake.
    fn is_worth_joins(&self, nanoseconds: u64) -> bool {
        nanoseconds >= 2 * NANOSECONDS_OF_A_JOIN * self.threads as u64
    }

    /// Empty outputs for so many pieces, and rooms for those that work on them: so many of each at least.
    fn outputs(&self, pieces: usize, workers: usize) -> (Vec<Output>, Vec<Room>) {
        let mut kept = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut outputs, mut rooms) = std::mem::take(&mut *kept);
        outputs.resize_with(pieces.max(outputs.len()), Output::default);
        rooms.resize_with(workers.max(rooms.len()), Room::default);
        (outputs, rooms)
    }

    /// Keeps the memory of outputs and rooms for the next window.
    fn keep(&self, outputs: Vec<Output>, rooms: Vec<Room>) {
        *self.outputs.lock().unwrap_or_else(PoisonError::into_inner) = (outputs, rooms);
    }
}

/// Nanoseconds that a bank takes through a window on one thread: of event-driven neurons, if all are awake and nothing
/// arrives.
fn work(bank: &Bank, window: &Window) -> u64 {
    if let Neurons::Event(_) = &bank.neurons {
        return NANOSECONDS_OF_A_NEURON * u64::from(bank.len());
    }
    let steps = bank.step.map_or(window.steps, |step| window.in_steps_of(step).steps);
    NANOSECONDS_OF_A_STEP * u64::from(bank.len()) * steps
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn shares(&self, banks: &[Bank], edges: usize, round: &Window) -> usize {
        let of_neurons: u64 = banks.iter().map(|bank| work(bank, round)).sum();
        let pulses = edges as u64 / EDGES_OF_A_PULSE;
        let is_worth_joins = self.is_worth_joins(of_neurons + NANOSECONDS_OF_A_PULSE * pulses);
        if is_worth_joins { self.threads } else { 1 }
    }

    fn pool(&self, nanoseconds: u64) -> Option<&Pool> {
        if self.threads < 2 || !self.is_worth_joins(nanoseconds) {
            return None;
        }
        if nanoseconds < 4 * NANOSECONDS_OF_WAKING {
            match self.pool.get() {
                Some(Some(pool)) if pool.is_held_up() => return None,
                Some(Some(pool)) if pool.is_awake() => return Some(pool),
                _ => {}
            }
            let missed = self.missed.fetch_add(nanoseconds, Ordering::Relaxed) + nanoseconds;
            if missed < NANOSECONDS_OF_MUCH {
                return None;
            }
        }
        self.missed.store(0, Ordering::Relaxed);
        self.pool.get_or_init(|| Pool::start(self.threads).ok()).as_ref()
    }

    fn advance(&self, banks: &mut [Bank], inbox: &Inbox, window: &Window, out: &mut Advanced) {
        let mut first_block = 0;
        for (index, bank) in banks.iter_mut().enumerate() {
            let (blocks, first) = (bank.blocks(), first_block);
            first_block += blocks;
            if let Neurons::Event(event) = &mut bank.neurons {
                let work = NANOSECONDS_OF_AN_ARRIVAL * inbox.events() as u64
                    + NANOSECONDS_OF_A_NEURON * event.awake() as u64;
                let window = EventWindow {
                    span: window.start()..window.end(),
                    inbox,
                    bank: index as u32,
                    first_block: first,
                    samples: &bank.samples,
                    drives: &bank.drives,
                    level: self.level,
                    pool: self.pool(work),
                };
                event.advance(&window, out);
                continue;
            }
            let work = work(bank, window);
            let Some((task, parameters, state)) = self.task(index, bank, first, window) else {
                continue;
            };
            let pool = self.pool(work);
            // Several pieces for each thread even out their load; of little work each keeps its own.
            let pieces = pool.map_or(1, |pool| {
                let own = work / pool.threads() as u64;
                let few = (own / LEAST_OF_A_PIECE).clamp(1, FEW_PIECES);
                (own / NANOSECONDS_OF_A_PIECE).clamp(few, MOST_PIECES) as usize * pool.threads()
            });
            let piece = blocks.div_ceil(pieces).max(1);
            let rows = parameters.chunks(task.parameters * piece);
            let rows = rows.zip(state.chunks_mut(task.state * piece));
            let (mut outputs, mut rooms) = self.outputs(pieces, self.threads.max(1));
            outputs.iter_mut().for_each(|output| output.take_back(index, out));
            let mut pieces: SmallVec<[_; 8]> = rows.zip(&mut outputs).collect();
            threads::each_with(
                pool,
                &mut rooms,
                &mut pieces,
                |room, k, ((parameters, state), out)| {
                    task.run(k * piece, inbox.arrived(), parameters, state, room, out);
                },
            );
            drop(pieces);
            outputs.iter_mut().for_each(|output| output.hand_over(index, out));
            self.keep(outputs, rooms);
        }
    }

    /// Through rounds of few steps each thread goes with blocks of its own: it delivers to them, runs them and puts down
    /// what they fire. Threads are asked once for all rounds.
    fn go_through(
        &self,
        banks: &mut [Bank],
        router: &mut Router,
        inbox: &mut Inbox,
        rounds: &[Window],
        out: &mut Advanced,
    ) -> usize {
        self.through_rounds(banks, router, inbox, rounds, out)
    }
}

/// What a piece of a bank is run with.
#[derive(Clone, Copy)]
struct Task<'a> {
    kernel: &'a dyn Kernel,
    receptors: usize,
    /// Rows of a block.
    parameters: usize,
    state: usize,
    members: &'a [Member],
    samples: &'a [SampleRequest],
    drives: &'a [Drive],
    /// Parameter column to which they are added.
    dc: Option<usize>,
    /// Of the bank, if it has one of its own.
    step: Option<Time>,
    /// In steps of the bank.
    window: Window,
    /// Steps of the window as others count them, in one of the bank.
    unit: u64,
    bank: u32,
    /// First block of the bank, counted over all banks.
    first_block: usize,
    level: Level,
    reference: bool,
}

/// What comes out of a piece. (In lines of the cache of its own, as the next one is another thread's.)
#[derive(Default)]
#[repr(align(128))]
struct Output {
    spikes: Vec<(Time, u32)>,
    samples: Vec<Sample>,
    fault: Option<Fault>,
}

impl Output {
    /// Takes a list back of those that it has handed over.
    fn take_back(&mut self, bank: usize, out: &mut Advanced) {
        if self.spikes.capacity() == 0 {
            self.spikes = out.spikes[bank].spare();
        }
    }

    /// Adds what it has to what comes out of a round, and is empty then.
    fn hand_over(&mut self, bank: usize, out: &mut Advanced) {
        out.spikes[bank].append(&mut self.spikes);
        out.samples.append(&mut self.samples);
        out.fault = out.fault.into_iter().chain(self.fault.take()).min();
    }
}

impl Task<'_> {
    /// The same in another round.
    fn in_round(&self, round: &Window) -> Self {
        let window = self.step.map_or(*round, |step| round.in_steps_of(step));
        Task { window, ..*self }
    }

    /// Runs the blocks from `first` on that the rows hold.
    fn run(
        &self,
        first: usize,
        arrived: Arrived,
        parameters: &[Row],
        state: &mut [Row],
        kept: &mut Room,
        out: &mut Output,
    ) {
        let blocks = first..first + parameters.len() / self.parameters;
        // (Taken out: what lies beside that of another thread goes back and forth between their caches.)
        let mut room = std::mem::take(kept);
        if self.is_undisturbed(blocks.clone(), arrived) {
            self.run_all(blocks, arrived, parameters, state, &mut room.flags, out);
        } else {
            // (Arrivals that are summed already need no tile.)
            let steps = if arrived.is_summed() { 0 } else { self.window.steps as usize };
            let rows = (steps.min(TILE_STEPS) * self.receptors).max(room.tile.len());
            room.tile.resize(rows, Row([0; LANES]));
            let rows = parameters.chunks_exact(self.parameters);
            let rows = rows.zip(state.chunks_exact_mut(self.state));
            for (block, (parameters, state)) in blocks.zip(rows) {
                self.run_block(block, arrived, parameters, state, &mut room, out);
            }
        }
        *kept = room;
    }

    /// Whether blocks can run through the window all at once: their arrivals are summed already, no
    /// parameter changes and no state is wanted within.
    fn is_undisturbed(&self, blocks: Range<usize>, arrived: Arrived) -> bool {
        let (start, end) = (self.window.first_step, self.window.first_step + self.window.steps);
        let next_sample = self.next_sample(&self.requests(&blocks), start);
        arrived.is_summed()
            && self.drives.is_empty()
            && !self.reference
            && next_sample.is_none_or(|step| step >= end)
    }

    /// Runs blocks through the window all at once.
    fn run_all(
        &self,
        blocks: Range<usize>,
        arrived: Arrived,
        parameters: &[Row],
        state: &mut [Row],
        flags: &mut Vec<Flag>,
        out: &mut Output,
    ) {
        let first_slot = (blocks.start * LANES) as u32;
        let requests = self.requests(&blocks);
        if self.window.first_step == 0 {
            self.sample(requests.clone(), 0, first_slot, state, out);
        }
        let counted = self.first_block + blocks.start..self.first_block + blocks.end;
        for (block, arrival) in arrived.overflowed(counted.clone()) {
            self.overflow(0, arrival, ((block - self.first_block) * LANES) as u32, out);
        }
        flags.clear();
        self.kernel.advance(self.level, parameters, state, arrived.sums(counted), flags);
        self.collect(flags, first_slot, 0, out);
        self.sample(requests, self.window.first_step + self.window.steps, first_slot, state, out);
    }

    /// Runs one block through the window, stopping wherever a probe wants its state.
    fn run_block(
        &self,
        block: usize,
        arrived: Arrived,
        parameters: &[Row],
        state: &mut [Row],
        Room { tile, flags }: &mut Room,
        out: &mut Output,
    ) {
        let receptors = self.receptors;
        let first_slot = (block * LANES) as u32;
        let requests = self.requests(&(block..block + 1));
        let mut driven = Driven::new(self, first_slot, parameters);
        if self.window.first_step == 0 {
            self.sample(requests.clone(), 0, first_slot, state, out);
        }
        let block = self.first_block + block;
        for (_, arrival) in arrived.overflowed(block..block + 1) {
            self.overflow(0, arrival, first_slot, out);
        }
        for (t, arrivals) in arrived.tiles(block).enumerate() {
            let tile_start = t * TILE_STEPS;
            let steps = TILE_STEPS.min(self.window.steps as usize - tile_start);
            let sums = match arrivals {
                Tile::Sums(sums) => sums,
                Tile::Lists(lists) => {
                    if let Some(arrival) = lay_out(lists, tile, receptors) {
                        self.overflow(tile_start, &arrival, first_slot, out);
                    }
                    &tile[..]
                }
            };
            let mut from = 0;
            while from < steps {
                let start = self.window.first_step + (tile_start + from) as u64;
                let mut most = (steps - from) as u64;
                let parameters = match &mut driven {
                    None => parameters,
                    Some(driven) => {
                        let (rows, change) = driven.at(start, self.window.dt);
                        most = most.min(change - start);
                        rows
                    }
                };
                let run = self.next_sample(&requests, start).map_or(most, |s| most.min(s - start));
                let to = from + run as usize;
                flags.clear();
                let rows = &sums[from * receptors..to * receptors];
                if self.reference {
                    self.kernel.advance_reference(parameters, state, rows, flags);
                } else {
                    self.kernel.advance(self.level, parameters, state, rows, flags);
                }
                self.collect(flags, first_slot, tile_start + from, out);
                self.sample(requests.clone(), start + run, first_slot, state, out);
                from = to;
            }
            if let Tile::Lists(lists) = arrivals {
                clear(lists, tile, receptors);
            }
        }
    }

    /// The sum of an arrival overflowed.
    fn overflow(&self, tile_start: usize, arrival: &Arrival, first_slot: u32, out: &mut Output) {
        let step = tile_start as u64 + u64::from(arrival.step);
        let kind = FaultKind::InputOverflow(arrival.receptor);
        self.stop(step, first_slot + u32::from(arrival.lane), kind, out);
    }

    /// The requests for blocks.
    fn requests(&self, blocks: &Range<usize>) -> Range<usize> {
        let at = |block| self.samples.partition_point(|r| (r.slot as usize) < block * LANES);
        at(blocks.start)..at(blocks.end)
    }

    /// The first step after `start` whose state is wanted.
    fn next_sample(&self, requests: &Range<usize>, start: u64) -> Option<u64> {
        let next = |r: &SampleRequest| (start / r.every + 1) * r.every;
        self.samples[requests.clone()]
            .iter()
            .map(|r| next(r).max(r.from.checked_next_multiple_of(r.every).unwrap_or(u64::MAX)))
            .min()
    }

    /// Samples what is wanted of blocks from `first_slot` on.
    fn sample(
        &self,
        requests: Range<usize>,
        step: u64,
        first_slot: u32,
        state: &[Row],
        out: &mut Output,
    ) {
        let width = self.kernel.layout().resting_state.len();
        for request in requests {
            let wanted = &self.samples[request];
            if wanted.wants(step) {
                let at = (wanted.slot - first_slot) as usize;
                let (state, lane) = (&state[at / LANES * width..][..width], at % LANES);
                out.samples.push(Sample {
                    bank: self.bank,
                    request: request as u32,
                    time: Time::from_steps(step, self.window.dt),
                    state: state.iter().map(|row| f64::from(row.0[lane])).collect(),
                });
            }
        }
    }

    /// Something went wrong in a step of the window.
    fn stop(&self, step: u64, slot: u32, kind: FaultKind, out: &mut Output) {
        let fault = Fault { step: step * self.unit, bank: self.bank, slot, kind };
        out.fault = out.fault.into_iter().chain([fault]).min();
    }

    fn collect(&self, flags: &[Flag], first_slot: u32, first_step: usize, out: &mut Output) {
        for flag in flags {
            let (slot, step) = (first_slot + flag.lane, first_step as u32 + flag.step);
            if flag.fault {
                self.stop(u64::from(step), slot, FaultKind::NotFinite, out);
            } else {
                let end = self.window.first_step + u64::from(step) + 1;
                out.spikes.push((Time::from_steps(end, self.window.dt), slot));
            }
        }
    }
}

/// The parameters of a block with direct inputs that change in time.
struct Driven<'a> {
    /// Waveform and lanes of each input into the block.
    drives: Vec<(&'a Waveform, Range<usize>)>,
    column: usize,
    /// The constant input of each lane.
    constant: Row,
    rows: Vec<Row>,
    /// The first step with other values.
    change: u64,
}

impl<'a> Driven<'a> {
    /// `None` for a block without such an input.
    fn new(task: &Task<'a>, first_slot: u32, parameters: &[Row]) -> Option<Driven<'a>> {
        let column = task.dc?;
        let end = first_slot + LANES as u32;
        let own = task.drives.iter().filter(|d| d.slots.start < end && d.slots.end > first_slot);
        let lane = |slot: u32| (slot.clamp(first_slot, end) - first_slot) as usize;
        let drives: Vec<_> =
            own.map(|d| (&d.waveform, lane(d.slots.start)..lane(d.slots.end))).collect();
        let constant = parameters[column];
        (!drives.is_empty()).then(|| Driven {
            drives,
            column,
            constant,
            rows: parameters.to_vec(),
            change: 0,
        })
    }

    /// The parameters in a step, and the first step with others.
    fn at(&mut self, step: u64, dt: Time) -> (&[Row], u64) {
        if step >= self.change {
            self.change = u64::MAX;
            for (waveform, lanes) in &self.drives {
                let value = waveform.in_step(step, dt) as f32;
                for lane in lanes.clone() {
                    self.rows[self.column].0[lane] = self.constant.0[lane] + value;
                }
                self.change = self.change.min(waveform.next_change(step, dt));
            }
        }
        (&self.rows, self.change)
    }
}

/// What a thread needs room for. (In lines of the cache of its own, as the next one is another thread's.)
#[derive(Default)]
#[repr(align(128))]
struct Room {
    /// The sums of arrivals, a row for each step and receptor; zero but for the tile at hand.
    tile: Vec<Row<i32>>,
    flags: Vec<Flag>,
}

/// Takes the arrivals out of a tile, which costs less than to empty it where they are few.
fn clear(arrivals: Lists, tile: &mut [Row<i32>], receptors: usize) {
    if arrivals.len() > TILE_STEPS * receptors {
        tile.fill(Row([0; LANES]));
        return;
    }
    arrivals.iter().for_each(|arrival| {
        let row = usize::from(arrival.step) * receptors + usize::from(arrival.receptor);
        tile[row].0[usize::from(arrival.lane)] = 0;
    });
}

/// Sums the arrivals of a tile into zeros; the result is the earliest arrival that overflowed its sum.
fn lay_out(arrivals: Lists, tile: &mut [Row<i32>], receptors: usize) -> Option<Arrival> {
    let mut overflow: Option<Arrival> = None;
    // (`for_each`: in a loop over several lists the compiler would look for the next list at each arrival.)
    arrivals.iter().for_each(|arrival| {
        let row = usize::from(arrival.step) * receptors + usize::from(arrival.receptor);
        let sum = &mut tile[row].0[usize::from(arrival.lane)];
        match sum.checked_add(arrival.weight) {
            Some(total) => *sum = total,
            None => {
                let when = |a: &Arrival| (a.step, a.lane, a.receptor);
                overflow = overflow.into_iter().chain([*arrival]).min_by_key(when);
            }
        }
    });
    overflow
}
