//! One adaptive step of many DPI neurons at once.
//!
//! The verdict on a step, like the [equation](super::equation), is written over a [`Number`], and runs
//! over the lanes in vectors of the instruction set at hand, two in flight.
//!
//! A lane steps in time, or, *swapped*, along its chart with time as what is integrated: so its last
//! step lands on the threshold.

use std::ops::Range;

use super::equation::{AMPA, Form, Input, Rate, is_closed};
use super::lanes::{BLOCK, Lanes, Place, Row, Side, WIDTH, of_block};
use super::precision::{Kept, Precision};
use super::real::{Analytic, Real};
use crate::circuit::number::{Mask, Number, Packed, Width};

/// The verdict on a step is the sum of these, with a minus where the step does not count. It counts:
pub const ACCEPTED: u32 = 1;
/// It ends at the next event.
pub const REACHED: u32 = 1 << 1;
/// It leads beyond the threshold: to be repeated along the chart.
pub const CROSSED: u32 = 1 << 2;
/// It landed on the threshold.
pub const LANDED: u32 = 1 << 3;
/// A synapse would fall below its floor: that is an event first.
pub const SYNAPSE_FLOOR: u32 = 1 << 4;
/// It ends where the other chart is better.
pub const CHART: u32 = 1 << 5;
/// The membrane would fall below its floor.
pub const MEMBRANE_FLOOR: u32 = 1 << 6;
/// Along the chart, it ends after the next event.
pub const LATE: u32 = 1 << 7;
/// Along the chart, the membrane does not get there.
pub const BROKEN: u32 = 1 << 8;
/// The membrane turned around within it, perhaps beyond the threshold or the floor.
pub const TURNED: u32 = 1 << 9;
/// The state is not a number.
pub const FAULT: u32 = 1 << 10;
/// The input reaches or leaves its floor within the step, not near to one of its ends.
pub const KINK: u32 = 1 << 11;
/// It spans arrivals, and does not count.
pub const SPAN: u32 = 1 << 12;

/// Dormand & Prince 1980, the pair 5(4): nodes, stages, and the weights of the error.
pub(super) const C: [f64; 7] = [0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];
pub(super) const A: [[f64; 6]; 7] = [
    [0.0; 6],
    [1.0 / 5.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0, 0.0],
    [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0, 0.0],
    [19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0, 0.0, 0.0],
    [9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0, 0.0],
    [35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
pub(super) const E: [f64; 7] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];
/// Right-hand sides of a step: the first is that of the step before.
pub const STAGES: u64 = 6;

/// The next step is this much of what the error allows.
pub(super) const SAFETY: f64 = 0.9;
/// Error ratios beyond these count as these: a step is at most five times the one before, and at least
/// its fifth: (SAFETY/5)^5 and (SAFETY·5)^5.
pub(super) const SMALLEST_RATIO: f64 = 1.89e-4;
/// See [`SMALLEST_RATIO`].
pub(super) const LARGEST_RATIO: f64 = 1845.0;
/// A step's tolerance is reduced by how much faster the membrane moves than it would without synaptic
/// input, times this: a decaying input amplifies errors, most where feedback and leak balance.
pub(super) const SENSITIVITY: f64 = 20.0;
/// But not below this part of it.
pub(super) const LEAST_SENSITIVITY: f64 = 0.02;
/// A step's tolerance is this part of it on chart z, and this where not all input is in closed form:
/// there the error is hardly less than its estimate; elsewhere it is much less, since most of what moves
/// the membrane is not integrated at all.
pub(super) const ON_Z: f64 = 0.1;
/// See [`ON_Z`].
pub(super) const NOT_CLOSED: f64 = 0.05;
/// What a [detour](Lanes::detour) leaves at the end of the step is about its length, times the step, times
/// what the derivative of the rate by q changes in the step, times this: to first order, where the
/// derivative changes with the square of time (nothing is left where it changes linearly). What comes to second order is
/// more than that where the detour is more than a quarter of the way, and is not counted: errors are no larger than without
/// such steps (measured: `docs/src/solvers.md`). The estimate fails where the membrane turns around or the change does;
/// there the pair's own error is large.
pub(super) const DETOUR: f64 = 1.0 / 60.0;
/// A step over a bend of the input at its floor counts if it bends so near to one end of the step.
pub(super) const NEAR_KINK: f64 = 0.002;
/// A step may change the exponent (to base 2) of the feedback's gate by no more than that, where it is
/// between this and its negative and the open feedback would be more than that part of the rate.
pub(super) const MOST_OF_GATE: f64 = 6.0;
/// See [`MOST_OF_GATE`].
pub(super) const GATE_MATTERS: f64 = 6.0;
/// See [`MOST_OF_GATE`].
pub(super) const FEEDBACK_MATTERS: f64 = 1e-4;
/// The ratio of errors after which the next step is half as long.
pub(super) const HALVES: f64 = 18.9;
/// A step in time as short as that counts, whatever its error, so that no rejection goes on for ever: it
/// is a hundredth of the picosecond in which time is kept.
pub(super) const SHORTEST: f64 = 1e-14;

/// A loop over blocks of lanes. Of a known length, the inner one becomes vectors without a rest.
macro_rules! for_lanes {
    ($lane:ident in $all:expr, $body:block) => {
        for first in $all.step_by(BLOCK) {
            let first = first.min(WIDTH - BLOCK);
            for $lane in 0..BLOCK {
                let $lane = first + $lane;
                $body
            }
        }
    };
}

/// A stage of the step of blocks of lanes.
#[inline(always)]
fn stage<W: Width, R: Precision<N>, F: Form, const N: usize, const Z: bool, const S: usize>(
    width: W,
    lanes: &Lanes<R, N>,
    all: Range<usize>,
    to: &mut Attempt<R, N>,
) {
    let (before, own) = to.stages.split_at_mut(S);
    let (x, h) = (&to.x, &to.tried);
    let (low, high) = (&mut to.low, &mut to.high);
    for first in all.step_by(R::Wide::<W>::LANES) {
        let at = Side::new::<R>(width, first);
        let h = at.read(h);
        let mut sum = h.splat(0.0);
        for (k, weight) in before.iter().zip(A[S]) {
            if weight != 0.0 {
                sum = at.read(k).mul_add(h.splat(weight), sum);
            }
        }
        let (along, across) = (h.splat(C[S]) * h, h * sum);
        let equation = lanes.equation(at.read(x), at);
        let dx = equation.is_swapped.select(along, across);
        let t = equation.is_swapped.select(across, along);
        let rate = equation.rate::<F, Z>(dx, t, &equation.input(t));
        at.write(rate.k, &mut own[0]);
        if is_closed(N) {
            let (lowest, highest) = (at.read(low), at.read(high));
            at.write(if S == 1 { rate.dx } else { rate.dx.or_less(lowest) }, low);
            at.write(if S == 1 { rate.dx } else { rate.dx.or_more(highest) }, high);
        }
    }
}

/// Room for a step: where it starts, what is left until the next event, its size and stages, how far
/// down and up these led (where inhibition in closed form may turn the membrane around twice); and
/// what it comes to.
#[repr(align(64))]
pub struct Attempt<R: Precision<N>, const N: usize> {
    x: Row<R>,
    rest: Row<R>,
    tried: Row<R>,
    stages: [Row<R>; 6],
    low: Row<R>,
    high: Row<R>,
    /// Whether it ends at the event.
    reached: Row<R>,
    /// The step in time, and the same in the precision of currents.
    dt: Row<R>,
    time: Row<R::Current>,
    /// The step on the chart (on q in time: without the integral of the input in closed form).
    dx: Row<R>,
    /// That integral (0 elsewhere).
    integral: Kept<R, N>,
    /// At its end, before arrivals that it spans are added: the currents, and whether one is below its floor.
    current: [Kept<R, N>; N],
    under: Kept<R, N>,
    /// At its end: the constant of the input in closed form, and its sum before and after they are added.
    base: Row<R::Current>,
    closed: Kept<R, N>,
    closed_after: Kept<R, N>,
}

impl<R: Precision<N>, const N: usize> Default for Attempt<R, N> {
    fn default() -> Attempt<R, N> {
        let zero = [R::of(0.0); WIDTH];
        let kept = || Kept::new(0.0);
        Attempt {
            x: zero,
            rest: zero,
            tried: zero,
            stages: [zero; 6],
            low: zero,
            high: zero,
            reached: zero,
            dt: zero,
            time: [R::Current::of(0.0); WIDTH],
            dx: zero,
            integral: kept(),
            current: std::array::from_fn(|_| kept()),
            under: kept(),
            base: [R::Current::of(0.0); WIDTH],
            closed: kept(),
            closed_after: kept(),
        }
    }
}

/// One of both.
#[inline(always)]
pub(super) fn select<T: Copy>(condition: bool, yes: T, no: T) -> T {
    if condition { yes } else { no }
}

/// Tries one step of whole blocks of lanes on one chart; each lane has a [verdict](Lanes::verdict) then.
#[inline(always)]
fn attempt<W: Width, R: Precision<N>, F: Form, const N: usize, const Z: bool>(
    width: W,
    lanes: &mut Lanes<R, N>,
    to: &mut Attempt<R, N>,
    all: Range<usize>,
) {
    let of = R::of;
    // Loops hold numbers of one width, so that they fill whole vectors.
    for_lanes!(lane in all.clone(), {
        to.x[lane] = of(lanes.x[lane]);
        let left = lanes.event[lane] - lanes.t[lane];
        to.rest[lane] = of(select(left > 0.0, left, 0.0));
    });
    for first in all.clone().step_by(R::Wide::<W>::LANES) {
        let at = Side::new::<R>(width, first);
        let (wanted, rest) = (at.read(&lanes.h), at.read(&to.rest));
        // No tiny step is left over.
        let timed = (wanted + wanted).gt(rest).select(wanted.splat(0.5) * rest, wanted);
        let timed = wanted.ge(rest).select(rest, timed);
        let way = at.read(&lanes.x_th) - at.read(&to.x);
        let swapped = wanted.abs().gt(wanted.splat(0.9) * way.abs()).select(way, wanted);
        let tried = at.read(&lanes.is_swapped).gt(wanted.splat(0.0)).select(swapped, timed);
        at.write(tried, &mut to.tried);
        let mut k = at.read(&lanes.k);
        if Z && is_closed(N) {
            // On q the input in closed form is not part of it.
            let of_input = by_input(lanes.b, at.read(&to.x), at.read(&lanes.y));
            k = of_input.mul_add(at.read(&lanes.rise), k);
        }
        at.write(k, &mut to.stages[0]);
    }
    stage::<W, R, F, N, Z, 1>(width, lanes, all.clone(), to);
    stage::<W, R, F, N, Z, 2>(width, lanes, all.clone(), to);
    stage::<W, R, F, N, Z, 3>(width, lanes, all.clone(), to);
    stage::<W, R, F, N, Z, 4>(width, lanes, all.clone(), to);
    stage::<W, R, F, N, Z, 5>(width, lanes, all.clone(), to);
    for first in all.clone().step_by(R::Wide::<W>::LANES) {
        weigh::<W, R, N>(Side::new::<R>(width, first), lanes, to);
    }
    for_lanes!(lane in all.clone(), {
        // A step to the event is as long as that in the precision of currents, too.
        let left = lanes.event[lane] - lanes.t[lane];
        let left = select(left > 0.0, left, 0.0);
        let reaches = (lanes.is_swapped[lane] <= of(0.0)) & (to.tried[lane] >= to.rest[lane]);
        to.time[lane] = R::Current::of(select(reaches, left, to.dt[lane].double()));
    });
    for first in all.clone().step_by(<R::Current as Real>::Wide::<W>::LANES) {
        decay::<W, R, N, Z>(Side::new::<R::Current>(width, first), lanes, to);
    }
    if !Z {
        for_lanes!(lane in all.clone(), {
            let swapped = lanes.is_swapped[lane] > of(0.0);
            let integral = to.integral.exact()[lane];
            to.integral.keep(lane, select(swapped, R::Current::of(0.0), integral));
        });
    }
    if R::IS_MIXED {
        for_lanes!(lane in all.clone(), {
            to.under.round(lane);
            to.closed.round(lane);
            to.closed_after.round(lane);
        });
    }
    for first in all.clone().step_by(R::Wide::<W>::LANES) {
        end::<W, R, F, N, Z>(Side::new::<R>(width, first), lanes, to);
    }
    for_lanes!(lane in all.clone(), {
        let accepted = lanes.verdict[lane] > of(0.0);
        let t = lanes.t[lane] + to.dt[lane].double();
        // Rounding leads a step that lands on the threshold no further than the next event.
        let is_there = (to.reached[lane] > of(0.0)) | (t > lanes.event[lane]);
        let t = select(is_there, lanes.event[lane], t);
        let x = lanes.x[lane] + (to.dx[lane].double() + to.integral.exact()[lane].double());
        lanes.t[lane] = select(accepted, t, lanes.t[lane]);
        lanes.x[lane] = select(accepted, x, lanes.x[lane]);
    });
    for_lanes!(lane in all.clone(), {
        let (accepted, none) = (lanes.verdict[lane] > of(0.0), R::Current::of(0.0));
        let mut left = [none; N];
        left[AMPA] = lanes.left_of_ampa[lane];
        if N == 2 {
            left[N - 1] = lanes.left_of_gabab[lane];
        }
        for (c, left) in left.into_iter().enumerate() {
            let after = to.current[c].exact()[lane] + left;
            let before = lanes.current[c].exact()[lane];
            lanes.current[c].keep(lane, select(accepted, after, before));
        }
        // What is part of the input is so still.
        let part = |before: R::Current, now: R::Current| select(before > none, now, none);
        let now = lanes.current[AMPA].exact()[lane];
        lanes.ampa.keep(lane, part(lanes.ampa.exact()[lane], now));
        if N == 2 {
            let now = lanes.current[N - 1].exact()[lane];
            lanes.inhibition.keep(lane, part(lanes.inhibition.exact()[lane], now));
        }
        if !is_closed(N) {
            let (before, after) = (lanes.base.exact()[lane], to.base[lane]);
            lanes.base.keep(lane, select(accepted, after, before));
        }
    });
}

/// The step in time and on the chart of the lanes at a place.
#[inline(always)]
fn weigh<W: Width, R: Precision<N>, const N: usize>(
    at: Side<W>,
    lanes: &Lanes<R, N>,
    to: &mut Attempt<R, N>,
) {
    let h = at.read(&to.tried);
    let mut sum = h.splat(0.0);
    for (stage, weight) in to.stages.iter().zip(A[6]) {
        if weight != 0.0 {
            sum = at.read(stage).mul_add(h.splat(weight), sum);
        }
    }
    let across = h * sum;
    let swapped = at.read(&lanes.is_swapped).gt(h.splat(0.0));
    at.write(swapped.select(h, across), &mut to.dx);
    at.write(swapped.select(across, h), &mut to.dt);
}

/// What currents and the input in closed form come to by the end of the step of the lanes at a place.
#[inline(always)]
fn decay<W: Width, R: Precision<N>, const N: usize, const Z: bool>(
    at: Side<W>,
    lanes: &Lanes<R, N>,
    to: &mut Attempt<R, N>,
) {
    let t = at.read(&to.time);
    let zero = t.splat(0.0);
    let i0_low = at.read(&lanes.i0_low);
    let (mut decays, mut under) = ([zero; N], zero.lt(zero));
    for (c, decay) in decays.iter_mut().enumerate() {
        let own = at.read(lanes.current[c].exact());
        *decay = (-t * at.read(lanes.rate[c].exact())).exp2_m1();
        let current = own.mul_add(*decay, own);
        under = under | (own.gt(zero) & current.lt(i0_low));
        at.write(current, to.current[c].exact_mut());
    }
    at.write(under.select(t.splat(1.0), zero), to.under.exact_mut());

    let (base, ampa) = (at.read(lanes.base.exact()), at.read(lanes.ampa.exact()));
    let (mut base_end, mut mean) = (base, base);
    if !is_closed(N) {
        let slope = at.read(lanes.slope.exact());
        base_end = slope.mul_add(t, base);
        mean = (t.splat(0.5) * slope).mul_add(t, base);
        at.write(base_end, &mut to.base);
    }
    let mut closed = base_end + ampa.mul_add(decays[AMPA], ampa);
    let mut arrived = at.read(&lanes.left_of_ampa);
    let mut integral = t * mean - ampa * at.read(lanes.tau.exact()) * decays[AMPA];
    if N == 2 {
        let (own, decay) = (at.read(lanes.inhibition.exact()), decays[N - 1]);
        closed = closed - own.mul_add(decay, own);
        arrived = arrived - at.read(&lanes.left_of_gabab);
        integral = (own * at.read(lanes.inhibition_tau.exact())).mul_add(decay, integral);
    }
    if !Z {
        at.write(integral + at.read(&lanes.integral), to.integral.exact_mut());
    }
    at.write(closed, to.closed.exact_mut());
    at.write(closed + arrived, to.closed_after.exact_mut());
}

/// Tries one step of the lanes of chart q or z.
#[inline(always)]
pub fn attempt_block<W: Width, R: Precision<N>, F: Form, const N: usize>(
    width: W,
    lanes: &mut Lanes<R, N>,
    room: &mut Attempt<R, N>,
    chart: usize,
) {
    if F::POWER && chart > 0 {
        attempt::<W, R, F, N, true>(width, lanes, room, of_block(1));
    } else {
        attempt::<W, R, F, N, false>(width, lanes, room, of_block(0));
    }
}

/// A bit of the verdict, where something holds.
#[inline(always)]
fn flag<V: Number>(like: V, condition: V::Mask, bit: u32) -> V {
    condition.select(like.splat(f64::from(bit)), like.splat(0.0))
}

/// What each unit of input adds to the rate on chart z.
#[inline(always)]
fn by_input<V: Number>(b: f64, z: V, y: V) -> V {
    y.splat(-b) * z / (y.splat(1.0) + y)
}

/// On chart z, d/dq of (Ifb − L)(1 + y), with its gate open.
#[inline(always)]
fn slope_on_z<V: Number>(b: V, i0: V, leak: V, z: V, y: V) -> V {
    let feedback = i0 / z;
    (feedback - leak).mul_add(y / (y.splat(1.0) + y), b * feedback)
}

/// What the smoothed input of arrivals does to a step: how far it may lead off in between, and at the end,
/// on the chart; 0 where the step spans none.
#[inline(always)]
fn smoothing<W: Width, R: Precision<N>, const N: usize, const Z: bool>(
    at: Side<W>,
    lanes: &Lanes<R, N>,
    to: &Attempt<R, N>,
    end: &Rate<R::Wide<W>>,
) -> (R::Wide<W>, R::Wide<W>) {
    let (detour, x, h) = (at.read(&lanes.detour), at.read(&to.x), at.read(&to.tried));
    let (zero, one, spans) = (h.splat(0.0), h.splat(1.0), detour.gt(h.splat(0.0)));
    let part = h.splat(DETOUR) * h;
    if Z {
        let (i0, leak, y) = (at.read(&lanes.i0), at.read(&lanes.leak), at.read(&lanes.y));
        let b = h.splat(lanes.b);
        let x_end = x + end.dx;
        let (before, after) =
            (slope_on_z(b, i0, leak, x, y), slope_on_z(b, i0, leak, x_end, end.y));
        let change = (after - before).abs();
        let detour = detour * (b * x_end.or_more(x) / (one + end.y.or_less(y)));
        (detour, spans.select(part * change * detour, zero))
    } else {
        // dk/dq is dk/dt by dq/dt, of which the mean is known: at the first stages, and at the last.
        let [first, _, early, late, ..] = &to.stages;
        let (first, early, late) = (at.read(first), at.read(early), at.read(late));
        let start = (early - first) * h.splat(1.0 / C[2]);
        let last = (end.k - late) * h.splat(1.0 / (1.0 - C[3]));
        let change = ((last - start) / end.dx).abs();
        (detour, spans.select(part * change * detour, zero))
    }
}

/// The last stage of the lanes at a place, the error, the verdict, and what follows from it.
#[inline(always)]
fn end<W: Width, R: Precision<N>, F: Form, const N: usize, const Z: bool>(
    at: Side<W>,
    lanes: &mut Lanes<R, N>,
    to: &mut Attempt<R, N>,
) {
    let (x, rest, h) = (at.read(&to.x), at.read(&to.rest), at.read(&to.tried));
    let (zero, one) = (h.splat(0.0), h.splat(1.0));
    let swapped = at.read(&lanes.is_swapped).gt(zero);
    let running = at.read(&lanes.running).gt(zero);
    let (mut error, mut goes_on) = (zero, zero.le(zero));
    for (j, stage) in to.stages.iter().enumerate() {
        let own = at.read(stage);
        if E[j] != 0.0 {
            error = own.mul_add(h.splat(E[j]), error);
        }
        // What is not a number does not.
        goes_on = goes_on & (own * h).gt(zero);
    }
    let (dx, dt) = (at.read(&to.dx), at.read(&to.dt));
    let equation = lanes.equation(x, at);
    let (closed, integral) = (at.read(to.closed.seen()), at.read(to.integral.seen()));
    let mut current = [zero; N];
    if !is_closed(N) {
        // (Elsewhere nobody looks at them, and they are not rounded.)
        for (c, current) in current.iter_mut().enumerate() {
            *current = at.read(to.current[c].seen());
        }
    }
    let rise = equation.rise_at(dt);
    let end = equation.rate::<F, Z>(dx, dt, &Input { closed, rise, integral, current });
    let is_broken = !(goes_on & (end.k * h).gt(zero));
    let error = (end.k.mul_add(h.splat(E[6]), error) * h).abs();

    // The error as a time: what is allowed is a time, too.
    let (k, y) = (at.read(&lanes.k), at.read(&lanes.y));
    let start =
        if Z { at.read(&to.stages[0]) } else { k + at.read(&lanes.closed) + at.read(&lanes.rise) };
    let (detour, astray) =
        if is_closed(N) { smoothing::<W, R, N, Z>(at, lanes, to, &end) } else { (zero, zero) };
    let error = error + astray;
    let spans = detour.gt(zero);
    let speed = end.total.abs();
    let (from, to_) = (at.read(&lanes.unforced), end.unforced);
    let least_unforced = to_.abs().or_less(from.abs());
    // A step over a change of sign has 0 within.
    let least_unforced = (from * to_).lt(zero).select(zero, least_unforced);
    let sensitivity = (h.splat(SENSITIVITY) * least_unforced).or_less(speed);
    let sensitivity = sensitivity.or_more(h.splat(LEAST_SENSITIVITY) * speed);
    let epsilon = h.splat(<R as Analytic>::EPSILON);
    let rounding = epsilon * h.abs() * end.size;
    let part = if Z {
        ON_Z
    } else if is_closed(N) {
        1.0
    } else {
        NOT_CLOSED
    };
    let tolerance = h.splat(part * lanes.tolerance);
    let timed = tolerance.mul_add(sensitivity, rounding);
    let allowed = swapped.select(h.splat(2.0).mul_add(epsilon * dt, tolerance), timed);
    let ratio = error / allowed;
    // All stages may lie beside a narrow gate.
    let (slope, offset) = (at.read(&lanes.gate_slope), at.read(&lanes.gate_offset));
    let (from, to_) = (slope.mul_add(y, offset), slope.mul_add(end.y, offset));
    let (low, high) = (to_.or_less(from), to_.or_more(from));
    let feedback =
        if F::POWER { end.feedback } else { at.read(&lanes.feedback) * (one + end.y.or_more(y)) };
    let ratio = if Z {
        ratio
    } else {
        let leaps = (high - low).gt(h.splat(MOST_OF_GATE))
            & low.lt(h.splat(GATE_MATTERS))
            & high.gt(h.splat(-GATE_MATTERS))
            & feedback.gt(h.splat(FEEDBACK_MATTERS) * speed);
        (leaps & ratio.lt(h.splat(HALVES))).select(h.splat(HALVES), ratio)
    };
    let too_short = !swapped & h.le(h.splat(SHORTEST));
    let is_good = ratio.le(one) | too_short;
    // Not a number: as far off as can be.
    let ratio = ratio.lt(h.splat(LARGEST_RATIO)).select(ratio, h.splat(LARGEST_RATIO));
    let ratio = ratio.or_more(h.splat(SMALLEST_RATIO));
    let next = h * (h.splat(SAFETY) * ratio.rough_inverse_fifth_root());

    // Where it ends.
    let x_new = x + end.dx;
    let way = at.read(&lanes.x_th) - x;
    let x_th = at.read(&lanes.x_th) + if Z { detour } else { -detour };
    let x_floor = at.read(&lanes.x_floor) + detour;
    let is_beyond = if Z { x_new.le(x_th) } else { x_new.ge(x_th) };
    let peak = h.mul_add(start, x);
    let peak_matters = if Z { peak.le(x_th) } else { peak.ge(x_th) | peak.lt(x_floor) };
    let is_long = h.gt(h.splat(lanes.tolerance));
    let mut turned = (start * end.total).lt(zero) & peak_matters;
    if is_closed(N) {
        let (low, high) = (x + at.read(&to.low), x + at.read(&to.high));
        let leads_off = if Z { low.le(x_th) } else { high.ge(x_th) | low.lt(x_floor) };
        // What excites alone, and decays, turns it around once.
        turned = turned | if N == 2 { leads_off } else { leads_off & spans };
    }
    let turned = turned & is_long;
    let under = at.read(to.under.seen()).gt(zero);
    let mut wrong = flag(h, !swapped & is_beyond, CROSSED)
        + flag(h, !swapped & turned, TURNED)
        + flag(h, swapped & dt.gt(rest), LATE);
    if !Z {
        wrong = wrong + flag(h, !swapped & x_new.lt(x_floor), MEMBRANE_FLOOR);
    }
    if !is_closed(N) {
        let (from, until) = (at.read(&lanes.margin), end.margin);
        let (low, high) = (until.abs().or_less(from.abs()), until.abs().or_more(from.abs()));
        let kink = (from * until).lt(zero) & low.gt(h.splat(NEAR_KINK) * high) & is_long;
        wrong = wrong + flag(h, !swapped & kink, KINK);
    }
    let wrong_always = flag(h, under, SYNAPSE_FLOOR) + flag(h, swapped & is_broken, BROKEN);
    // What a step says that is too long for its error may be wrong.
    let wrong = is_good.select(wrong, zero) + wrong_always;
    let accepted = running & is_good & wrong.le(zero);
    let wrong = wrong + flag(h, spans, SPAN);
    let chart = if Z {
        end.y.lt(at.read(&lanes.y_down))
    } else {
        end.y.gt(at.read(&lanes.y_up)) & end.runs_away
    };
    let reached = !swapped & h.ge(rest);
    let lands = swapped & h.le(way) & h.ge(way);
    let is_number = x_new.le(x_new);
    let right = h.splat(f64::from(ACCEPTED))
        + flag(h, reached, REACHED)
        + flag(h, lands, LANDED)
        + flag(h, !swapped & chart, CHART)
        + flag(h, !is_number, FAULT);
    let verdict = running.select(accepted.select(right, -wrong), zero);
    at.write(verdict, &mut lanes.verdict);
    at.write(reached.select(one, zero), &mut to.reached);

    // What the first step came to is where the next first one starts.
    let was_first = at.read(&lanes.is_first);
    let per_chart = if Z { swapped.select(one, k) / x } else { start };
    let came_to = (next * per_chart).abs().or_more(h.splat(1e-3));
    let first = at.read(if Z { &lanes.first_z } else { &lanes.first_q });
    let is_first = was_first.gt(zero);
    at.write(
        (accepted & is_first).select(came_to, first),
        if Z { &mut lanes.first_z } else { &mut lanes.first_q },
    );
    at.write(accepted.select(zero, was_first), &mut lanes.is_first);

    let wanted = at.read(&lanes.h);
    let clipped = !swapped & wanted.gt(h) & next.lt(wanted);
    let after = clipped.select(wanted, next);
    at.write(accepted.select(after, is_good.select(wanted, next)), &mut lanes.h);
    let closed_after = at.read(to.closed_after.seen());
    let mut k_end = end.k;
    if Z && is_closed(N) {
        // From here on the input is no longer smoothed.
        let of_input = by_input(lanes.b, x_new, end.y);
        k_end = spans.select(of_input.mul_add(closed_after - closed - rise, k_end), k_end);
    }
    at.write(accepted.select(k_end, k), &mut lanes.k);
    at.write(accepted.select(end.y, y), &mut lanes.y);
    at.write(accepted.select(end.unforced, at.read(&lanes.unforced)), &mut lanes.unforced);
    let closed = at.read(&lanes.closed);
    at.write(accepted.select(closed_after, closed), &mut lanes.closed);
    if !is_closed(N) {
        at.write(end.margin, &mut lanes.margin_end);
        at.write(accepted.select(end.margin, at.read(&lanes.margin)), &mut lanes.margin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of the pair: weights integrate powers of the node exactly up to their order.
    #[test]
    fn the_tableau_has_its_order() {
        for stage in 1..7 {
            let sum: f64 = A[stage].iter().sum();
            assert!((sum - C[stage]).abs() < 1e-14, "row {stage}");
        }
        for power in 0..5 {
            let moment: f64 = (0..6).map(|j| A[6][j] * C[j].powi(power)).sum();
            assert!((moment - 1.0 / f64::from(power + 1)).abs() < 1e-14, "power {power}");
        }
        for power in 0..4 {
            let moment: f64 = (0..7).map(|j| E[j] * C[j].powi(power)).sum();
            assert!(moment.abs() < 1e-14, "error weights, power {power}");
        }
    }
}
