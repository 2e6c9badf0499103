//! The CPU back end: blocks of neurons, each run through the whole window in cache.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use fearless_simd::Level;

use super::{Advanced, Backend, Fault, FaultKind, Sample};
use crate::bank::{Bank, Drive, LANES, Neurons, Row, SampleRequest, Stepped};
use crate::circuit::Waveform;
use crate::network::inbox::{Arrival, Inbox, Lists, Tile};
use crate::schedule::Window;
use crate::solver::event::EventWindow;
use crate::solver::kernel::{Flag, Kernel, TILE_STEPS};
use crate::threads::Pool;
use crate::time::Time;

/// Asking a thread that is awake, and joining it, with what it then has to fetch from the caches of others; for
/// work of less than twice that for each thread, they do not pay.
const NANOSECONDS_OF_A_JOIN: u64 = 1_000;
/// Waking threads that sleep, for who asks (it takes longer until they are there); for less than four times that,
/// it does not pay.
const NANOSECONDS_OF_WAKING: u64 = 25_000;
/// So much work, in pieces that are not worth waking them, lets expect more of it.
const NANOSECONDS_OF_MUCH: u64 = 1_000_000;
/// Of a piece that another thread than usual takes: its neurons lie in the cache of that one's core.
const LEAST_OF_A_PIECE: u64 = 10_000;
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
    /// What pieces of a bank gave, taken out again: the room of their lists is kept.
    outputs: Mutex<Vec<Output>>,
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
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn pool(&self, nanoseconds: u64) -> Option<&Pool> {
        let least = 2 * NANOSECONDS_OF_A_JOIN * self.threads as u64;
        if self.threads < 2 || nanoseconds < least {
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
            let (blocks, len) = (bank.blocks(), bank.len());
            let unit = bank.step.map_or(1, |step| step.whole(window.dt));
            let window = bank.step.map_or(*window, |step| window.in_steps_of(step));
            let first = first_block;
            first_block += blocks;
            let Stepped { kernel, parameters, state } = match &mut bank.neurons {
                Neurons::Stepped(stepped) => stepped,
                Neurons::Event(event) => {
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
                Neurons::Host => continue,
            };
            let work = NANOSECONDS_OF_A_STEP * u64::from(len) * window.steps;
            let pool = self.pool(work);
            // Several pieces for each thread even out their load; of little work each keeps its own.
            let pieces = pool.map_or(1, |pool| {
                let threads = pool.threads() as u64;
                (work / (threads * LEAST_OF_A_PIECE)).clamp(1, 4) as usize * pool.threads()
            });
            let piece = blocks.div_ceil(pieces).max(1);

            let task = Task {
                kernel: &**kernel,
                receptors: bank.layout.receptors.len(),
                samples: &bank.samples,
                drives: &bank.drives,
                dc: bank.layout.dc,
                inbox,
                window: &window,
                unit,
                bank: index as u32,
                first_block: first,
                level: self.level,
                reference: self.reference,
            };
            let parameter_rows = parameters.width() * piece;
            let state_rows = state.width() * piece;
            let (parameter_width, state_width) = (parameters.width(), state.width());
            let parameters = parameters.rows();
            let run = |first, parameters: &[Row], state: &mut [Row], out: &mut Output| {
                task.run(first, parameters, parameter_width, state, state_width, out);
            };
            let mut all = Output {
                spikes: std::mem::take(&mut out.spikes[index]),
                samples: std::mem::take(&mut out.samples),
                fault: out.fault,
            };
            match pool {
                None => run(0, parameters, state.rows_mut(), &mut all),
                Some(pool) => {
                    let kept = || self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut outputs = std::mem::take(&mut *kept());
                    outputs.resize_with(pieces.max(outputs.len()), Output::default);
                    let rows = parameters.chunks(parameter_rows);
                    let rows = rows.zip(state.rows_mut().chunks_mut(state_rows));
                    let mut pieces: Vec<_> = rows.zip(&mut outputs).collect();
                    pool.each(&mut pieces, |k, ((parameters, state), out)| {
                        run(k * piece, parameters, state, out);
                    });
                    outputs.iter_mut().for_each(|output| all.append(output));
                    *kept() = outputs;
                }
            }
            Output { spikes: out.spikes[index], samples: out.samples, fault: out.fault } = all;
        }
    }
}

/// What a piece of a bank is run with.
struct Task<'a> {
    kernel: &'a dyn Kernel,
    receptors: usize,
    samples: &'a [SampleRequest],
    drives: &'a [Drive],
    /// Parameter column to which they are added.
    dc: Option<usize>,
    inbox: &'a Inbox,
    /// In steps of the bank.
    window: &'a Window,
    /// Steps of the window as others count them, in one of the bank.
    unit: u64,
    bank: u32,
    /// First block of the bank, counted over all banks.
    first_block: usize,
    level: Level,
    reference: bool,
}

/// What comes out of a piece.
#[derive(Default)]
struct Output {
    spikes: Vec<(Time, u32)>,
    samples: Vec<Sample>,
    fault: Option<Fault>,
}

impl Output {
    /// Takes over what another has, which is empty then.
    fn append(&mut self, other: &mut Output) {
        self.spikes.append(&mut other.spikes);
        self.samples.append(&mut other.samples);
        self.fault = self.fault.into_iter().chain(other.fault.take()).min();
    }
}

impl Task<'_> {
    /// Runs the blocks from `first` on that the rows hold.
    fn run(
        &self,
        first: usize,
        parameters: &[Row],
        parameter_width: usize,
        state: &mut [Row],
        state_width: usize,
        out: &mut Output,
    ) {
        // (Arrivals that are summed already need no tile.)
        let steps = if self.inbox.is_summed() { 0 } else { self.window.steps as usize };
        let mut room = Room {
            tile: vec![Row([0; LANES]); steps.min(TILE_STEPS) * self.receptors],
            flags: Vec::with_capacity(LANES),
        };
        let blocks = first..first + parameters.len() / parameter_width;
        if self.is_undisturbed(blocks.clone()) {
            return self.run_all(blocks, parameters, state, &mut room.flags, out);
        }
        let rows = parameters.chunks_exact(parameter_width);
        let rows = rows.zip(state.chunks_exact_mut(state_width));
        for (block, (parameters, state)) in blocks.zip(rows) {
            self.run_block(block, parameters, state, &mut room, out);
        }
    }

    /// Whether blocks can run through the window all at once: their arrivals are summed already, no
    /// parameter changes and no state is wanted within.
    fn is_undisturbed(&self, blocks: Range<usize>) -> bool {
        let (start, end) = (self.window.first_step, self.window.first_step + self.window.steps);
        let next_sample = self.next_sample(&self.requests(&blocks), start);
        self.inbox.is_summed()
            && self.drives.is_empty()
            && !self.reference
            && next_sample.is_none_or(|step| step >= end)
    }

    /// Runs blocks through the window all at once.
    fn run_all(
        &self,
        blocks: Range<usize>,
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
        for (block, arrival) in self.inbox.overflowed(counted.clone()) {
            self.overflow(0, arrival, ((block - self.first_block) * LANES) as u32, out);
        }
        flags.clear();
        self.kernel.advance(self.level, parameters, state, self.inbox.sums(counted), flags);
        self.collect(flags, first_slot, 0, out);
        self.sample(requests, self.window.first_step + self.window.steps, first_slot, state, out);
    }

    /// Runs one block through the window, stopping wherever a probe wants its state.
    fn run_block(
        &self,
        block: usize,
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
        for (_, arrival) in self.inbox.overflowed(block..block + 1) {
            self.overflow(0, arrival, first_slot, out);
        }
        for (t, arrivals) in self.inbox.tiles(block).enumerate() {
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

/// What a piece needs room for.
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
    for arrival in arrivals.iter() {
        let row = usize::from(arrival.step) * receptors + usize::from(arrival.receptor);
        tile[row].0[usize::from(arrival.lane)] = 0;
    }
}

/// Sums the arrivals of a tile into zeros; the result is the earliest arrival that overflowed its sum.
fn lay_out(arrivals: Lists, tile: &mut [Row<i32>], receptors: usize) -> Option<Arrival> {
    let mut overflow: Option<Arrival> = None;
    for arrival in arrivals.iter() {
        let row = usize::from(arrival.step) * receptors + usize::from(arrival.receptor);
        let sum = &mut tile[row].0[usize::from(arrival.lane)];
        match sum.checked_add(arrival.weight) {
            Some(total) => *sum = total,
            None => {
                let when = |a: &Arrival| (a.step, a.lane, a.receptor);
                overflow = overflow.into_iter().chain([*arrival]).min_by_key(when);
            }
        }
    }
    overflow
}
