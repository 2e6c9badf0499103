//! Kernels: equations that run over blocks of neurons.
//!
//! A clock-driven model is written once, as the step of a [`Number`] ([`EulerModel::step`]): of one
//! neuron, or of several side by side. `advance_block` runs it over the lanes of a block in vectors of
//! the instruction set at hand, several in flight; `advance_scalar` runs it one lane after the other.
//! Both give the same bits, because the step is made of IEEE operations and explicit fused
//! multiply-adds only.

use std::any::Any;
use std::ops::Range;

pub use fearless_simd::Level;

use crate::bank::{LANES, Row};
use crate::circuit::number::{Number, OneByOne, Packed, Whole, Width, with_width};
use crate::circuit::{Block, Receptor};

/// Steps for which arrivals are laid out at a time: a tile of 64 steps × 64 lanes is 16 KiB and
/// stays in the first-level cache.
pub const TILE_STEPS: usize = 64;

/// A lane that crossed its threshold, or whose membrane is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The step, from the first one.
    pub step: u32,
    /// The lane, counted over all blocks.
    pub lane: u32,
    /// Whether the membrane is not a number (otherwise: a spike).
    pub fault: bool,
}

/// The columns of a kernel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// The receptors at which pulses arrive, in the order of the arrival rows.
    pub receptors: Vec<Receptor>,
    /// All circuits that are integrated, with the state columns of their currents: the receptors,
    /// then those that no pulse reaches (AHP).
    pub circuits: Vec<(Receptor, usize)>,
    /// State column of the membrane.
    pub membrane: usize,
    /// Parameter column to which a direct input that changes in time is added.
    pub dc: Option<usize>,
    /// Parameters of a lane without a neuron: it never spikes.
    pub resting_parameters: Vec<f32>,
    /// State of a lane at rest.
    pub resting_state: Vec<f32>,
}

impl Layout {
    /// The place of a receptor among the arrival rows.
    #[must_use]
    pub fn receptor(&self, receptor: Receptor) -> Option<usize> {
        self.receptors.iter().position(|r| *r == receptor)
    }

    /// The place of a circuit, and the state column of its current.
    #[must_use]
    pub fn circuit(&self, circuit: Receptor) -> Option<(usize, usize)> {
        let at = self.circuits.iter().position(|(r, _)| *r == circuit)?;
        Some((at, self.circuits[at].1))
    }
}

/// How the biases of a neuron become the columns of its kernel.
pub trait CircuitColumns: Send + Sync + 'static {
    /// The biases of the soma.
    type Soma: Block;
    /// The biases of a synapse circuit.
    type Synapse: Block;

    /// The columns.
    fn layout(&self) -> Layout;

    /// The parameter columns that follow from a soma.
    fn soma_columns(&self, soma: &Self::Soma, set: &mut dyn FnMut(usize, f32));

    /// The parameter columns that follow from the `circuit`-th circuit. A pulse of weight 1 arrives
    /// as 2^`exponent`.
    fn synapse_columns(
        &self,
        circuit: usize,
        synapse: &Self::Synapse,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    );
}

/// The step of a model as CUDA source, for back ends that compile it for their device. It has to give the
/// bits of the step in Rust: the same operations in the same order, `__fmaf_rn` where a product is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// A name for it, in messages.
    pub name: &'static str,
    /// Source that defines
    /// `__device__ bool step(const float* parameter, float* state, const float* arrivals)`: one step of one
    /// neuron, columns and receptors numbered as in the [`Layout`]; the result says whether it spikes.
    /// `src/backend/cuda/kernels/math.cuh` stands before it.
    pub source: &'static str,
    /// Macros that are defined before it: what a specialisation differs in.
    pub macros: Vec<(&'static str, String)>,
}

impl DeviceCode {
    /// A number in single precision as the source writes it, exact.
    #[must_use]
    pub fn single(x: f64) -> String {
        format!("{:e}f", x as f32)
    }
}

/// Equations that advance blocks.
pub trait Kernel: Send + Sync {
    /// Its columns.
    fn layout(&self) -> &Layout;

    /// How many parameters, state variables and receptors its step takes: those of the layout.
    fn widths(&self) -> [usize; 3];

    /// The parameter columns that follow from a soma, a component of the type that the model has.
    fn soma_columns(&self, soma: &dyn Any, set: &mut dyn FnMut(usize, f32));

    /// The parameter columns that follow from the `circuit`-th circuit, a component of the type that
    /// the model has. A pulse of weight 1 arrives as 2^`exponent`.
    fn synapse_columns(
        &self,
        circuit: usize,
        synapse: &dyn Any,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    );

    /// Advances blocks, one after the other, in vector code. Each has a group of arrival rows for each
    /// step (a row for each receptor), and all have as many steps, at most [`TILE_STEPS`].
    fn advance(
        &self,
        level: Level,
        parameters: &[Row],
        state: &mut [Row],
        arrivals: &[Row<i32>],
        flags: &mut Vec<Flag>,
    );

    /// The same, one lane after the other: the reference for every other way to run it.
    fn advance_reference(
        &self,
        parameters: &[Row],
        state: &mut [Row],
        arrivals: &[Row<i32>],
        flags: &mut Vec<Flag>,
    );

    /// Its step as CUDA source; `None`: it runs on the host only.
    fn device_code(&self) -> Option<DeviceCode> {
        None
    }
}

/// The columns of a neuron, or of several side by side, in a step.
pub trait Columns<V> {
    /// A parameter.
    fn parameter(&self, column: usize) -> V;
    /// The pulses that arrive at a receptor in this step.
    fn arrivals(&self, receptor: usize) -> V;
    /// A state variable.
    fn state(&self, column: usize) -> V;
    /// Changes a state variable.
    fn set(&mut self, column: usize, value: V);
}

/// One Euler step of one neuron, or of several side by side, with `P` parameters, `S` state variables
/// and `R` receptors. [`Lanes`] makes a [`Kernel`] of it.
///
/// The step must use [`Number::mul_add`] wherever a product is added, and no function of the platform's
/// libm; then every instruction set gives the same bits, as long as functions of
/// [`math`](crate::circuit::math) get arguments of their domain. It should be `#[inline(always)]`, to
/// become part of the vector loop. A membrane that is not a number must stay so: it stops the run, and is
/// looked for after some steps only. A model is `Copy` and has a few constants: a copy that nothing else
/// points to stays in registers while states are written. What differs between neurons is in parameter
/// columns.
pub trait EulerModel<const P: usize, const S: usize, const R: usize>:
    CircuitColumns + Copy
{
    /// Advances the state of neurons. The result says which of them spike.
    fn step<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask;

    /// State column of the membrane: the run stops where it is not a number.
    const MEMBRANE: usize;

    /// State column in which refractory steps are counted down to zero, and the parameter column with
    /// their number; `None`: the model has none, or no other step without.
    const REFRACTORY: Option<(usize, usize)> = None;

    /// The step where neither column of [`EulerModel::REFRACTORY`] is above zero in any lane: the same
    /// results without the work for it.
    #[inline(always)]
    fn step_awake<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        self.step(neurons)
    }

    /// The step as CUDA source; `None`: there is none, and the CUDA back end leaves these neurons to the
    /// host.
    fn device_code(&self) -> Option<DeviceCode> {
        None
    }
}

/// A model's step over the lanes of a block.
pub struct Lanes<M, const P: usize, const S: usize, const R: usize> {
    model: M,
    layout: Layout,
}

impl<M: EulerModel<P, S, R>, const P: usize, const S: usize, const R: usize> Lanes<M, P, S, R> {
    /// The kernel of a model.
    #[must_use]
    pub fn new(model: M) -> Lanes<M, P, S, R> {
        let layout = model.layout();
        Lanes { model, layout }
    }
}

impl<M, const P: usize, const S: usize, const R: usize> Kernel for Lanes<M, P, S, R>
where
    M: EulerModel<P, S, R>,
{
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn widths(&self) -> [usize; 3] {
        [P, S, R]
    }

    fn soma_columns(&self, soma: &dyn Any, set: &mut dyn FnMut(usize, f32)) {
        if let Some(soma) = soma.downcast_ref() {
            self.model.soma_columns(soma, set);
        }
    }

    fn synapse_columns(
        &self,
        circuit: usize,
        synapse: &dyn Any,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    ) {
        if let Some(synapse) = synapse.downcast_ref() {
            self.model.synapse_columns(circuit, synapse, exponent, set);
        }
    }

    fn advance(
        &self,
        level: Level,
        parameters: &[Row],
        state: &mut [Row],
        arrivals: &[Row<i32>],
        flags: &mut Vec<Flag>,
    ) {
        let (parameters, state, arrivals) = as_model(parameters, state, arrivals);
        with_width!(level, width => advance_blocks::<_, M, P, S, R>(
            width, self.model, parameters, state, arrivals, flags,
        ));
    }

    fn advance_reference(
        &self,
        parameters: &[Row],
        state: &mut [Row],
        arrivals: &[Row<i32>],
        flags: &mut Vec<Flag>,
    ) {
        let (parameters, state, arrivals) = as_model(parameters, state, arrivals);
        let steps = arrivals.len() / parameters.len().max(1);
        for (block, (parameters, state)) in parameters.iter().zip(state).enumerate() {
            let arrivals = &arrivals[block * steps..(block + 1) * steps];
            advance_scalar::<M, P, S, R>(self.model, block, parameters, state, arrivals, flags);
        }
    }

    fn device_code(&self) -> Option<DeviceCode> {
        self.model.device_code()
    }
}

/// A bit for each lane that is marked in a step, for the steps of a tile. Marks take no branch in the
/// vector loop and are looked through afterwards.
///
/// Where they are a local variable, their alignment is also that of vectors that are spilled: reading
/// one back that lies across cache lines would cost more than a division.
#[repr(align(64))]
struct Marks([u64; TILE_STEPS]);

/// Blocks that are advanced by a single step before anything looks at what came out. (At the end of a
/// block vectors wait for one another; meanwhile the next one has begun.)
const BLOCKS_OF_A_STEP: usize = 8;

/// Appends what is marked in a block.
fn collect(block: usize, marks: &[u64], fault: bool, flags: &mut Vec<Flag>) {
    // In some steps there is a mark, and no processor foresees in which: no branch for each.
    let has_mark = |steps, (step, marks): (usize, &u64)| steps | u64::from(*marks != 0) << step;
    for step in bits(marks.iter().enumerate().fold(0, has_mark)) {
        for lane in bits(marks[step as usize]) {
            flags.push(Flag { step, lane: (block * LANES) as u32 + lane, fault });
        }
    }
}

/// The places of the bits that are set, from the lowest on.
pub(crate) fn bits(mut set: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros());
        set &= set.wrapping_sub(1);
        lowest
    })
}

/// The lanes of a block from one on, as many as a width has, in a step.
struct Side<'a, W, const P: usize, const S: usize, const R: usize> {
    width: W,
    first: usize,
    parameters: &'a [Row; P],
    state: &'a mut [Row; S],
    arrivals: &'a [Row<i32>; R],
}

impl<W: Width, const P: usize, const S: usize, const R: usize> Side<'_, W, P, S, R> {
    /// Where they are in a row.
    #[inline(always)]
    fn lanes(&self) -> Range<usize> {
        // Never less; the compiler knows by this that there are so many.
        let first = self.first.min(LANES - W::Single::LANES);
        first..first + W::Single::LANES
    }
}

impl<W: Width, const P: usize, const S: usize, const R: usize> Columns<W::Single>
    for Side<'_, W, P, S, R>
{
    #[inline(always)]
    fn parameter(&self, column: usize) -> W::Single {
        Packed::read(self.width, &self.parameters[column].0[self.lanes()])
    }

    #[inline(always)]
    fn arrivals(&self, receptor: usize) -> W::Single {
        Whole::read_whole(self.width, &self.arrivals[receptor].0[self.lanes()])
    }

    #[inline(always)]
    fn state(&self, column: usize) -> W::Single {
        Packed::read(self.width, &self.state[column].0[self.lanes()])
    }

    #[inline(always)]
    fn set(&mut self, column: usize, value: W::Single) {
        let lanes = self.lanes();
        value.write(&mut self.state[column].0[lanes]);
    }
}

/// Advances blocks, many lanes at a time.
#[inline(always)]
fn advance_blocks<W: Width, M, const P: usize, const S: usize, const R: usize>(
    width: W,
    model: M,
    parameters: &[[Row; P]],
    state: &mut [[Row; S]],
    arrivals: &[[Row<i32>; R]],
    flags: &mut Vec<Flag>,
) where
    M: EulerModel<P, S, R>,
{
    let steps = arrivals.len() / parameters.len().max(1);
    let together = if steps > 1 { 1 } else { BLOCKS_OF_A_STEP };
    let mut marks = Marks([0; TILE_STEPS]);
    let groups = parameters.chunks(together).zip(state.chunks_mut(together));
    let groups = groups.zip(arrivals.chunks((together * steps).max(1)));
    for (group, ((parameters, state), arrivals)) in groups.enumerate() {
        // (After a single step the state itself tells which membrane is not a number.)
        let before = if steps > 1 { Some(state[0]) } else { None };
        let blocks = parameters.iter().zip(&mut *state).zip(arrivals.chunks(steps));
        for (((parameters, state), arrivals), marks) in blocks.zip(marks.0.chunks_mut(steps)) {
            let is_awake = match M::REFRACTORY {
                Some((s, p)) => is_zero(&state[s]) & is_zero(&parameters[p]),
                None => false,
            };
            if is_awake {
                advance_block::<_, M, true, P, S, R>(
                    width, &model, parameters, state, arrivals, marks,
                );
            } else {
                advance_block::<_, M, false, P, S, R>(
                    width, &model, parameters, state, arrivals, marks,
                );
            }
        }
        for (k, (state, marks)) in state.iter_mut().zip(marks.0.chunks(steps)).enumerate() {
            let block = group * together + k;
            let all_are_numbers = all_are_numbers(&state[M::MEMBRANE]);
            match before {
                Some(before) if !all_are_numbers => {
                    // In which step a membrane ceased to be a number, the reference says.
                    *state = before;
                    advance_scalar(model, block, &parameters[k], state, arrivals, flags);
                }
                _ => {
                    collect(block, marks, false, flags);
                    if !all_are_numbers {
                        collect(block, &[nans(&state[M::MEMBRANE])], true, flags);
                    }
                }
            }
        }
    }
}

/// Whether no lane is something that is not a number, without a branch for each.
#[inline(always)]
fn all_are_numbers(row: &Row) -> bool {
    const ABS: u32 = 0x7fff_ffff;
    !row.0.iter().fold(false, |any, v| any | (v.to_bits() & ABS > f32::INFINITY.to_bits()))
}

/// Whether all lanes are zero (or −0), without a branch for each.
#[inline(always)]
fn is_zero(row: &Row) -> bool {
    row.0.iter().fold(0, |any, value| any | value.to_bits() << 1) == 0
}

/// A bit for each lane that is not a number.
#[cold]
fn nans(row: &Row) -> u64 {
    (0..).zip(&row.0).fold(0, |bits, (lane, value)| bits | u64::from(value.is_nan()) << lane)
}

/// Advances a block by `arrivals.len()` steps, many lanes at a time; with [`EulerModel::step_awake`] if
/// none is refractory.
#[inline(always)]
fn advance_block<W: Width, M, const AWAKE: bool, const P: usize, const S: usize, const R: usize>(
    width: W,
    model: &M,
    parameters: &[Row; P],
    state: &mut [Row; S],
    arrivals: &[[Row<i32>; R]],
    marks: &mut [u64],
) where
    M: EulerModel<P, S, R>,
{
    for (arrivals, marks) in arrivals.iter().zip(marks) {
        *marks = 0;
        for first in (0..LANES).step_by(W::Single::LANES) {
            let mut neurons = Side { width, first, parameters, state, arrivals };
            let spikes =
                if AWAKE { model.step_awake(&mut neurons) } else { model.step(&mut neurons) };
            *marks |= W::Single::bits(spikes) << first;
        }
    }
}

/// Advances a block one lane after the other: the reference.
fn advance_scalar<M, const P: usize, const S: usize, const R: usize>(
    model: M,
    block: usize,
    parameters: &[Row; P],
    state: &mut [Row; S],
    arrivals: &[[Row<i32>; R]],
    flags: &mut Vec<Flag>,
) where
    M: EulerModel<P, S, R>,
{
    let (mut spikes, mut faults) = ([0; TILE_STEPS], [0; TILE_STEPS]);
    for first in 0..LANES {
        for (step, arrivals) in arrivals.iter().enumerate() {
            let mut neuron = Side { width: OneByOne, first, parameters, state, arrivals };
            spikes[step] |= u64::from(model.step(&mut neuron)) << first;
            faults[step] |= u64::from(neuron.state(M::MEMBRANE).is_nan()) << first;
        }
    }
    collect(block, &spikes[..arrivals.len()], false, flags);
    collect(block, &faults[..arrivals.len()], true, flags);
}

/// The blocks of [`Kernel::advance`] and their arrivals as the arrays of a model.
type AsModel<'a, const P: usize, const S: usize, const R: usize> =
    (&'a [[Row; P]], &'a mut [[Row; S]], &'a [[Row<i32>; R]]);

/// Views the slices of [`Kernel::advance`] as the arrays of a model. A bank is made with the widths of
/// its kernel, which are checked before.
fn as_model<'a, const P: usize, const S: usize, const R: usize>(
    parameters: &'a [Row],
    state: &'a mut [Row],
    arrivals: &'a [Row<i32>],
) -> AsModel<'a, P, S, R> {
    match (parameters.as_chunks::<P>(), state.as_chunks_mut::<S>(), arrivals.as_chunks::<R>()) {
        ((parameters, []), (state, []), (arrivals, [])) => (parameters, state, arrivals),
        _ => unreachable!("a bank has the columns of its kernel"),
    }
}
