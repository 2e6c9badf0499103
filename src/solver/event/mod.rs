//! From event to event: spike times to a stated tolerance, without a time step.
//!
//! Between two events (an arrival, the end of a refractory period, a synapse that reaches its floor,
//! a change of a direct input) the inputs of a neuron are known functions of time and its state is
//! carried on by itself; a step may span arrivals that change little. A neuron keeps its own time:
//! nothing is done for one at which nothing happens. The method is told in `docs/src/solvers.md`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`EventBank`] | the neurons of a bank, and who of them is advanced in a window |
//! | [`real`] | numbers of single and double precision, with the functions that equations need |
//! | [`precision`] | which numbers of a neuron are in which |
//! | [`dpi`] | DPI neurons: their numbers |
//! | [`equation`] | the equation of one of them |
//! | [`lanes`] | many of them, on the lanes of vectors |
//! | [`step`] | one adaptive step of the lanes of a chart, and the verdict on it |
//! | `run` | which neuron is on which lane |
//! | `begin` | neurons that begin a window |
//! | `events` | its way from event to event |
//! | `arrivals` | what arrives, and the ends of windows |
//! | `span` | steps that span arrivals |
//! | `floors` | membranes, synapses and inputs at their floors |
//! | [`lif`] | LIF neurons, in closed form |
//! | [`device`] | what a GPU needs of them |

mod arrivals;
mod bank;
mod begin;
pub mod device;
pub mod dpi;
pub mod equation;
mod events;
mod floors;
pub mod lanes;
pub mod lif;
pub mod precision;
pub mod real;
mod run;
mod span;
pub mod step;

use std::any::Any;
use std::ops::{AddAssign, Range};

use fearless_simd::Level;
use smallvec::SmallVec;

use crate::backend::{Advanced, FaultKind};
use crate::bank::{Drive, SampleRequest};
use crate::circuit::{Block, Waveform};
use crate::network::inbox::Inbox;
use crate::solver::kernel::Layout;
use crate::threads::Pool;
use crate::time::Time;
pub use bank::EventBank;
#[cfg(feature = "cuda")]
pub(crate) use bank::due;
use device::EventCode;

/// Below this tolerance all neurons are in double precision, above it those whose input is all in closed
/// form in single or [mixed](precision).
pub const SINGLE_PRECISION: Time = Time::from_picoseconds(500_000);
/// The finest tolerance: picoseconds, in which time is kept, and double precision allow no less.
pub const FINEST: Time = Time::from_picoseconds(1_000);
/// The shortest delay between neurons: a round is no longer than that.
pub const SHORTEST_DELAY: Time = Time::from_picoseconds(1_000_000);
/// A neuron that fires more often within a round, 1/s, is taken for a loop without bound.
const MOST_RATE: f64 = 1e5;

/// Pulses on their way to a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// When.
    pub time: Time,
    /// The receptor, as the layout counts them.
    pub receptor: u8,
    /// Pulses in fixed point.
    pub weight: i32,
    /// The neuron in its block.
    pub lane: u8,
}

/// A neuron that is to be advanced.
pub struct Job<'a, N> {
    /// The neuron.
    pub neuron: &'a mut N,
    /// Its slot in the bank.
    pub slot: u32,
    /// Where in [`Jobs::arrivals`] lies what arrives until the end, sorted.
    pub arrivals: Range<usize>,
    /// A direct input that changes in time.
    pub dc: Option<&'a Waveform>,
}

/// Neurons that are to be advanced: some are there, and others may follow. Who advances them asks with
/// [`fetch`](Jobs::fetch) for one after the other, until there is none.
pub struct Jobs<'a, N> {
    /// Those that are there.
    pub list: Vec<Job<'a, N>>,
    /// What arrives at them.
    pub arrivals: Vec<Arrival>,
    /// When the state of each of them is wanted, sorted.
    pub stops: &'a [Time],
    /// Appends others. If it appends none, there are no more in this run; `None`: there are none.
    pub more: Option<More<'a, N>>,
}

/// Appends jobs, and what arrives at them.
pub type More<'a, N> = &'a mut dyn FnMut(&mut Vec<Job<'a, N>>, &mut Vec<Arrival>);

impl<N> Jobs<'_, N> {
    /// Sees to it that `list` has a job of index `k`, if there are so many.
    #[inline(always)]
    pub fn fetch(&mut self, k: usize) {
        if self.list.len() <= k {
            self.fetch_more(k);
        }
    }

    /// (Apart, because it is rare.)
    #[inline(never)]
    fn fetch_more(&mut self, k: usize) {
        while self.list.len() <= k
            && let Some(more) = &mut self.more
        {
            let before = self.list.len();
            more(&mut self.list, &mut self.arrivals);
            if self.list.len() == before {
                self.more = None;
            }
        }
    }

    /// What arrives at the neuron of a job, given by its index.
    ///
    /// # Panics
    /// If `list` has none of that index.
    #[must_use]
    #[inline(always)]
    pub fn arrivals_of(&self, job: usize) -> &[Arrival] {
        &self.arrivals[self.list[job].arrivals.clone()]
    }
}

/// What the work came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Right-hand sides: all stages of all steps, rejected ones too, and each piece in closed form.
    pub right_sides: u64,
    /// Steps that were tried.
    pub steps: u64,
    /// Steps that were rejected.
    pub rejected: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.right_sides += other.right_sides;
        self.steps += other.steps;
        self.rejected += other.rejected;
    }
}

/// What comes out of jobs.
#[derive(Debug, Default)]
pub struct Output {
    /// Time and slot of each spike.
    pub spikes: Vec<(Time, u32)>,
    /// Slots of neurons that may spike after the window without anything arriving.
    pub awake: Vec<u32>,
    /// State at the stops: slot, time, columns.
    pub states: Vec<(u32, Time, SmallVec<[f64; 4]>)>,
    /// Neurons whose state is not a number, or that fire without bound: when, slot, and why.
    pub faults: Vec<(Time, u32, FaultKind)>,
    /// What it cost.
    pub work: Work,
}

/// Spikes of one neuron in a window of this length, above which it counts as a storm.
#[must_use]
pub fn most_spikes(window_s: f64) -> u64 {
    (window_s * MOST_RATE) as u64 + 100
}

/// A neuron model that can be carried from event to event.
pub trait EventModel: Send + Sync + 'static {
    /// The biases of the soma.
    type Soma: Block;
    /// The biases of a synapse circuit.
    type Synapse: Block;
    /// Everything of one neuron: what follows from its biases, its state and its time.
    type Neuron: Clone + Send + Sync + 'static;

    /// Receptors and state columns.
    fn layout(&self) -> Layout;
    /// The precision of its numbers: `single`, `mixed` or `double`.
    fn precision(&self) -> &'static str;
    /// A neuron before its biases are known.
    fn neuron(&self) -> Self::Neuron;
    /// What follows from a soma.
    fn set_soma(&self, neuron: &mut Self::Neuron, soma: &Self::Soma);
    /// What follows from the `circuit`-th circuit. A pulse of weight 1 arrives as 2^`exponent`.
    fn set_synapse(
        &self,
        neuron: &mut Self::Neuron,
        circuit: usize,
        synapse: &Self::Synapse,
        exponent: i32,
    );
    /// Changes a state column.
    fn set_state(&self, neuron: &mut Self::Neuron, column: usize, value: f64);
    /// Called once after biases or state have changed.
    fn settle(&self, neuron: &mut Self::Neuron);
    /// The state columns at the neuron's time.
    fn state(&self, neuron: &Self::Neuron) -> SmallVec<[f64; 4]>;
    /// The time that a neuron has reached.
    fn time(&self, neuron: &Self::Neuron) -> Time;
    /// The same equations for devices; `None`: there is no source for them.
    fn device_code(&self) -> Option<EventCode> {
        None
    }
    /// A neuron as the words that the device's source says.
    fn pack(&self, neuron: &Self::Neuron, words: &mut [u64]) {
        let _ = (neuron, words);
    }
    /// The state of a neuron from its words.
    fn unpack(&self, neuron: &mut Self::Neuron, words: &[u64]) {
        let _ = (neuron, words);
    }
    /// Carries neurons to the end of a window: all that [`Jobs::fetch`] brings, and says which of them are
    /// [awake](Output::awake) then. What comes out does not depend on the instruction set, nor on which neurons are
    /// carried together.
    fn run(
        &self,
        level: Level,
        jobs: &mut Jobs<Self::Neuron>,
        window: Range<Time>,
        out: &mut Output,
    );
}

/// A window as a bank sees it.
pub struct EventWindow<'a> {
    /// From its start to its end.
    pub span: Range<Time>,
    /// What arrives.
    pub inbox: &'a Inbox,
    /// The bank's index.
    pub bank: u32,
    /// Its first block, counted over all banks.
    pub first_block: usize,
    /// What probes want, sorted by slot.
    pub samples: &'a [SampleRequest],
    /// Direct inputs that change in time, sorted by slot.
    pub drives: &'a [Drive],
    /// The instruction set.
    pub level: Level,
    /// Threads, if there are several.
    pub pool: Option<&'a Pool>,
}

/// What was written of a neuron.
#[derive(Debug)]
pub struct Assignment<'a, T: ?Sized> {
    /// Its slot in the bank.
    pub slot: u32,
    /// What it is now.
    pub value: &'a T,
    /// Of a circuit: a pulse of weight 1 arrives as 2^`exponent`.
    pub exponent: i32,
}

/// A component whose type only the model knows.
pub type Erased = dyn Any + Sync;

/// The neurons of a bank that are carried from event to event, without the type of their model.
pub trait EventNeurons: Send + Sync {
    /// Receptors and state columns.
    fn layout(&self) -> Layout;
    /// `single`, `mixed` or `double`.
    fn precision(&self) -> &'static str;
    /// Makes room for so many neurons.
    fn resize(&mut self, neurons: usize);
    /// Changed biases of somas, components of the model's type, act from `now` on.
    fn set_somas(&mut self, somas: &[Assignment<Erased>], now: Time, pool: Option<&Pool>);
    /// The same for a circuit of each neuron.
    fn set_synapses(
        &mut self,
        circuit: usize,
        synapses: &[Assignment<Erased>],
        now: Time,
        pool: Option<&Pool>,
    );
    /// The same for a column of the state.
    fn set_states(
        &mut self,
        column: usize,
        values: &[Assignment<f64>],
        now: Time,
        pool: Option<&Pool>,
    );
    /// The states of all neurons, one after the other, at a time that is not before their own. They do
    /// not change.
    fn states(&self, now: Time, drives: &[Drive]) -> Vec<f64>;
    /// How many neurons may spike without anything arriving, those that have changed among them.
    fn awake(&self) -> usize;
    /// Advances all neurons at which something happens; what comes out is appended.
    fn advance(&mut self, window: &EventWindow, out: &mut Advanced);
    /// The equations for devices, if there is source for them.
    fn device_code(&self) -> Option<EventCode>;
    /// Hands all neurons over to a device, which gets their [`words`](EventNeurons::words). From now on changes
    /// wait until [`exchange`](EventNeurons::exchange).
    fn hand_over(&mut self, pool: Option<&Pool>);
    /// Some neurons as words, one after the other.
    fn words(&self, slots: Range<usize>, pool: Option<&Pool>) -> Vec<u64>;
    /// The slots of neurons whose changes wait, sorted; `None`: the neurons are not on a device.
    fn waiting(&self) -> Option<Vec<u32>>;
    /// Changes neurons, given the states that the device has of them, as words; the result is all words.
    fn exchange(&mut self, slots: &[u32], states: &[u64]) -> Vec<u64>;
    /// Takes the states that the device has of the neurons from a slot on, to be looked at.
    fn look(&mut self, first: usize, states: &[u64]);
}
