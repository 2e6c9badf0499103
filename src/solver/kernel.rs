//! Kernels: equations that run over blocks of neurons.
//!
//! A clock-driven model is written once, as the step of *one* neuron in scalar code
//! ([`EulerModel::step`]), without branches. `advance_block` calls it in a loop over the lanes of
//! a block, and the compiler vectorises that loop for each instruction set; `advance_scalar` runs
//! it as it stands. All give the same bits, because the step is made of IEEE operations and
//! explicit fused multiply-adds only.

use std::any::Any;

use multiversion::multiversion;

use crate::bank::{LANES, Row};
use crate::circuit::{Block, Receptor};

/// Steps for which arrivals are laid out at a time: a tile of 64 steps × 64 lanes is 16 KiB and
/// stays in the first-level cache.
pub const TILE_STEPS: usize = 64;

/// A lane that crossed its threshold, or whose membrane is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The step, from the start of the tile.
    pub step: u32,
    /// The lane.
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

    /// Advances one block by one step per group of arrival rows (one row for each receptor), in
    /// vector code.
    fn advance(
        &self,
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
}

/// One Euler step of one neuron, with `P` parameters, `S` state variables and `R` receptors.
/// [`Lanes`] makes a [`Kernel`] of it.
///
/// The step must be branch-free (`if` only to choose between two values), use [`f32::mul_add`]
/// wherever a product is added, and no function of the platform's libm; then every lane width and
/// every platform gives the same bits. It should be `#[inline(always)]`, to become part of the
/// vector loop. A membrane that is not a number must stay so: it stops the run, and is looked for after
/// some steps only.
pub trait EulerModel<const P: usize, const S: usize, const R: usize>: CircuitColumns {
    /// Advances `state`. `arrivals` are the pulse sums of this step. The result is true for a
    /// spike. (That the membrane is not a number is seen in the state.)
    fn step(&self, parameters: [f32; P], state: &mut [f32; S], arrivals: [f32; R]) -> bool;

    /// State column of the membrane: the run stops where it is not a number.
    const MEMBRANE: usize;

    /// State column in which refractory steps are counted down to zero, and the parameter column with
    /// their number; `None`: the model has none.
    const REFRACTORY: Option<(usize, usize)> = None;

    /// The step where neither column of [`EulerModel::REFRACTORY`] is above zero in any lane: the same
    /// results without the work for it.
    #[inline(always)]
    fn step_awake(&self, parameters: [f32; P], state: &mut [f32; S], arrivals: [f32; R]) -> bool {
        self.step(parameters, state, arrivals)
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
        parameters: &[Row],
        state: &mut [Row],
        arrivals: &[Row<i32>],
        flags: &mut Vec<Flag>,
    ) {
        as_model(parameters, state, arrivals, |parameters, state, arrivals| {
            let rests = |row: &Row| row.0.iter().all(|steps| *steps == 0.0);
            let never = M::REFRACTORY.is_some_and(|(s, p)| rests(&state[s]) && rests(&parameters[p]));
            if never {
                advance_block::<M, true, P, S, R>(&self.model, parameters, state, arrivals, flags);
            } else {
                advance_block::<M, false, P, S, R>(&self.model, parameters, state, arrivals, flags);
            }
        });
    }

    fn advance_reference(
        &self,
        parameters: &[Row],
        state: &mut [Row],
        arrivals: &[Row<i32>],
        flags: &mut Vec<Flag>,
    ) {
        as_model(parameters, state, arrivals, |parameters, state, arrivals| {
            advance_scalar::<M, P, S, R>(&self.model, parameters, state, arrivals, flags);
        });
    }
}

/// Steps that are marked at a time: a bit for each in a lane's mark.
const MARKED: usize = u32::BITS as usize;

/// For each lane, a bit for each step that is marked. Marks take no branch in the vector loop and are
/// looked through afterwards.
type Marks = Row<u32>;

/// Appends what is marked; `first` is the first step, from the start of the tile.
fn collect(marks: &Marks, first: u32, fault: bool, flags: &mut Vec<Flag>) {
    for (lane, marks) in (0..).zip(&marks.0) {
        let mut rest = *marks;
        while rest != 0 {
            flags.push(Flag { step: first + rest.trailing_zeros(), lane, fault });
            rest &= rest - 1;
        }
    }
}

/// Advances a block by `arrivals.len()` steps in vector code, for the instruction set at hand; with
/// [`EulerModel::step_awake`] if none is refractory.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+fma",
    "x86_64+avx2+fma",
    "aarch64+neon"
))]
fn advance_block<M, const AWAKE: bool, const P: usize, const S: usize, const R: usize>(
    model: &M,
    parameters: &[Row; P],
    state: &mut [Row; S],
    arrivals: &[[Row<i32>; R]],
    flags: &mut Vec<Flag>,
) where
    M: EulerModel<P, S, R>,
{
    for (first, arrivals) in (0..).step_by(MARKED).zip(arrivals.chunks(MARKED)) {
        let before = *state;
        let mut spikes = Row([0; LANES]);
        for (step, arrivals) in arrivals.iter().enumerate() {
            let bit = 1 << step;
            for lane in 0..LANES {
                let mut own = std::array::from_fn(|k| state[k].0[lane]);
                let parameters = std::array::from_fn(|k| parameters[k].0[lane]);
                let pulses = std::array::from_fn(|k| arrivals[k].0[lane] as f32);
                let spike = if AWAKE {
                    model.step_awake(parameters, &mut own, pulses)
                } else {
                    model.step(parameters, &mut own, pulses)
                };
                spikes.0[lane] |= if spike { bit } else { 0 };
                for k in 0..S {
                    state[k].0[lane] = own[k];
                }
            }
        }
        if state[M::MEMBRANE].0.iter().any(|v| v.is_nan()) {
            // In which step that happened is for the reference to say.
            *state = before;
            advance_marked(model, parameters, state, arrivals, first, flags);
        } else {
            collect(&spikes, first, false, flags);
        }
    }
}

/// Advances a block one lane after the other, compiled for the baseline instruction set.
fn advance_scalar<M, const P: usize, const S: usize, const R: usize>(
    model: &M,
    parameters: &[Row; P],
    state: &mut [Row; S],
    arrivals: &[[Row<i32>; R]],
    flags: &mut Vec<Flag>,
) where
    M: EulerModel<P, S, R>,
{
    for (first, arrivals) in (0..).step_by(MARKED).zip(arrivals.chunks(MARKED)) {
        advance_marked(model, parameters, state, arrivals, first, flags);
    }
}

/// The same for steps that are marked together; `first` is the first of them, from the start of the
/// tile.
fn advance_marked<M, const P: usize, const S: usize, const R: usize>(
    model: &M,
    parameters: &[Row; P],
    state: &mut [Row; S],
    arrivals: &[[Row<i32>; R]],
    first: u32,
    flags: &mut Vec<Flag>,
) where
    M: EulerModel<P, S, R>,
{
    let (mut spikes, mut faults) = (Row([0; LANES]), Row([0; LANES]));
    for lane in 0..LANES {
        let mut own = std::array::from_fn(|k| state[k].0[lane]);
        let parameters = std::array::from_fn(|k| parameters[k].0[lane]);
        for (step, arrivals) in arrivals.iter().enumerate() {
            let pulses = std::array::from_fn(|k| arrivals[k].0[lane] as f32);
            spikes.0[lane] |= u32::from(model.step(parameters, &mut own, pulses)) << step;
            faults.0[lane] |= u32::from(own[M::MEMBRANE].is_nan()) << step;
        }
        for k in 0..S {
            state[k].0[lane] = own[k];
        }
    }
    collect(&spikes, first, false, flags);
    collect(&faults, first, true, flags);
}

/// Views the slices of [`Kernel::advance`] as the arrays of a model. A bank is made with the widths of
/// its kernel, which are checked before.
fn as_model<const P: usize, const S: usize, const R: usize, Out>(
    parameters: &[Row],
    state: &mut [Row],
    arrivals: &[Row<i32>],
    run: impl FnOnce(&[Row; P], &mut [Row; S], &[[Row<i32>; R]]) -> Out,
) -> Out {
    let (arrivals, rest) = arrivals.as_chunks::<R>();
    match (<&[Row; P]>::try_from(parameters), <&mut [Row; S]>::try_from(state), rest) {
        (Ok(parameters), Ok(state), []) => run(parameters, state, arrivals),
        _ => unreachable!("a bank has the columns of its kernel"),
    }
}
