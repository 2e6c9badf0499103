//! One adaptive step of many DPI neurons at once.
//!
//! The verdict on a step, like the [equation](super::equation), is written for one lane, without
//! branches; loops over the lanes become vector code.
//!
//! A lane steps in time, or, *swapped*, along its chart with time as what is integrated: so its last
//! step lands on the threshold.

use std::ops::Range;

use super::equation::{Form, select};
use super::lanes::{BLOCK, Lanes, NEURONS, Row, WIDTH};
use super::real::Real;

/// The verdict on a step: it counts.
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

/// Dormand & Prince 1980, the pair 5(4): nodes, stages, and the weights of the error.
const C: [f64; 7] = [0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];
const A: [[f64; 6]; 7] = [
    [0.0; 6],
    [1.0 / 5.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0, 0.0],
    [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0, 0.0],
    [19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0, 0.0, 0.0],
    [9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0, 0.0],
    [35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
const E: [f64; 7] = [
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
const SAFETY: f64 = 0.9;
/// Error ratios beyond these count as these: a step is at most five times the one before, and at least
/// its fifth: (SAFETY/5)^5 and (SAFETY·5)^5.
const SMALLEST_RATIO: f64 = 1.89e-4;
/// See [`SMALLEST_RATIO`].
const LARGEST_RATIO: f64 = 1845.0;
/// A step's tolerance is reduced by how much faster the membrane moves than it would without synaptic
/// input, times this: a decaying input amplifies errors, most where feedback and leak balance.
const SENSITIVITY: f64 = 20.0;
/// But not below this part of it.
const LEAST_SENSITIVITY: f64 = 0.02;
/// A step's tolerance is this part of it on chart z, and this where not all input is in closed form:
/// there the error is hardly less than its estimate; elsewhere it is much less, since most of what moves
/// the membrane is not integrated at all.
const ON_Z: f64 = 0.1;
/// See [`ON_Z`].
const NOT_CLOSED: f64 = 0.05;
/// A step over a bend of the input at its floor counts if it bends so near to one end of the step.
const NEAR_KINK: f64 = 0.002;
/// A step may change the exponent (to base 2) of the feedback's gate by no more than that, where it is
/// between this and its negative and the open feedback would be more than that part of the rate.
const MOST_OF_GATE: f64 = 6.0;
/// See [`MOST_OF_GATE`].
const GATE_MATTERS: f64 = 6.0;
/// See [`MOST_OF_GATE`].
const FEEDBACK_MATTERS: f64 = 1e-4;
/// The ratio of errors after which the next step is half as long.
const HALVES: f64 = 18.9;
/// A step in time as short as that counts, whatever its error, so that no rejection goes on for ever: it
/// is a hundredth of the picosecond in which time is kept.
const SHORTEST: f64 = 1e-14;

/// A loop over whole blocks of lanes. Of a known length, the inner one becomes vectors without a rest.
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
fn stage<R: Real, F: Form, const N: usize, const Z: bool, const S: usize>(
    lanes: &Lanes<R, N>,
    all: Range<usize>,
    to: &mut Attempt<R, N>,
) {
    let (before, own) = to.stages.split_at_mut(S);
    let (x, h) = (&to.x, &to.tried);
    for_lanes!(lane in all.clone(), {
        let mut sum = R::of(0.0);
        for (k, weight) in before.iter().zip(A[S]) {
            if weight != 0.0 {
                sum = k[lane].mul_add(R::of(weight), sum);
            }
        }
        let (along, across) = (R::of(C[S]) * h[lane], h[lane] * sum);
        let equation = lanes.equation(lane, x[lane]);
        let dx = select(equation.is_swapped, along, across);
        let t = select(equation.is_swapped, across, along);
        own[0][lane] = equation.rate::<F, Z>(dx, t).k;
    });
}

/// Room for a step: where it starts, what is left until the next event, its size and stages; and what
/// it came to: the verdict, the step in time and on the chart, and the rows of [`Lanes`] that follow.
#[repr(align(64))]
pub struct Attempt<R, const N: usize> {
    x: Row<R>,
    rest: Row<R>,
    tried: Row<R>,
    stages: [Row<R>; 6],
    verdict: Row<u32>,
    dt: Row<R>,
    dx: Row<R>,
    k: Row<R>,
    h: Row<R>,
    y: Row<R>,
    unforced: Row<R>,
    margin: Row<R>,
    margin_end: Row<R>,
    base: Row<R>,
    ampa: Row<R>,
    current: [Row<R>; N],
    is_first: Row<R>,
    first: Row<R>,
}

impl<R: Real, const N: usize> Default for Attempt<R, N> {
    fn default() -> Attempt<R, N> {
        let zero = [R::of(0.0); WIDTH];
        Attempt {
            x: zero,
            rest: zero,
            tried: zero,
            stages: [zero; 6],
            verdict: [0; WIDTH],
            dt: zero,
            dx: zero,
            k: zero,
            h: zero,
            y: zero,
            unforced: zero,
            margin: zero,
            margin_end: zero,
            base: zero,
            ampa: zero,
            current: [zero; N],
            is_first: zero,
            first: zero,
        }
    }
}

/// Tries one step of whole blocks of lanes on one chart; each lane has a [verdict](Lanes::verdict) then.
#[inline(always)]
fn attempt<R: Real, F: Form, const N: usize, const Z: bool>(
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
    for_lanes!(lane in all.clone(), {
        let (wanted, rest) = (lanes.h[lane], to.rest[lane]);
        // No tiny step is left over.
        let timed = select(wanted + wanted > rest, of(0.5) * rest, wanted);
        let timed = select(wanted >= rest, rest, timed);
        let way = lanes.x_th[lane] - to.x[lane];
        let swapped = select(wanted.abs() > of(0.9) * way.abs(), way, wanted);
        to.tried[lane] = select(lanes.is_swapped[lane] > of(0.0), swapped, timed);
        to.stages[0][lane] = lanes.k[lane];
    });
    stage::<R, F, N, Z, 1>(lanes, all.clone(), to);
    stage::<R, F, N, Z, 2>(lanes, all.clone(), to);
    stage::<R, F, N, Z, 3>(lanes, all.clone(), to);
    stage::<R, F, N, Z, 4>(lanes, all.clone(), to);
    stage::<R, F, N, Z, 5>(lanes, all.clone(), to);
    for_lanes!(lane in all.clone(), {
        end::<R, F, N, Z>(lanes, lane, to);
    });
    for_lanes!(lane in all.clone(), {
        let verdict = to.verdict[lane];
        let accepted = verdict & ACCEPTED != 0;
        let t = lanes.t[lane] + to.dt[lane].double();
        // Rounding leads a step that lands on the threshold no further than the next event.
        let is_there = (verdict & REACHED != 0) | (t > lanes.event[lane]);
        let t = select(is_there, lanes.event[lane], t);
        let x = lanes.x[lane] + to.dx[lane].double();
        lanes.t[lane] = select(accepted, t, lanes.t[lane]);
        lanes.x[lane] = select(accepted, x, lanes.x[lane]);
    });
    lanes.verdict[all.clone()].copy_from_slice(&to.verdict[all.clone()]);
    let copy = |to: &mut Row<R>, from: &Row<R>| {
        to[all.clone()].copy_from_slice(&from[all.clone()]);
    };
    copy(&mut lanes.k, &to.k);
    copy(&mut lanes.h, &to.h);
    copy(&mut lanes.y, &to.y);
    copy(&mut lanes.unforced, &to.unforced);
    copy(&mut lanes.base, &to.base);
    copy(&mut lanes.ampa, &to.ampa);
    for (current, to) in lanes.current.iter_mut().zip(&to.current) {
        copy(current, to);
    }
    copy(&mut lanes.is_first, &to.is_first);
    copy(if Z { &mut lanes.first_z } else { &mut lanes.first_q }, &to.first);
    if N > 1 {
        copy(&mut lanes.margin, &to.margin);
        copy(&mut lanes.margin_end, &to.margin_end);
    }
}

/// Tries one step of all neurons, of which so many are on chart q, and so many on chart z.
#[inline(always)]
pub fn attempt_all<R: Real, F: Form, const N: usize>(
    lanes: &mut Lanes<R, N>,
    room: &mut Attempt<R, N>,
    [q, z]: [usize; 2],
) {
    attempt::<R, F, N, false>(lanes, room, 0..q.next_multiple_of(BLOCK));
    if F::POWER {
        attempt::<R, F, N, true>(lanes, room, NEURONS..NEURONS + z.next_multiple_of(BLOCK));
    }
}

/// The last stage of a lane, the error, the verdict, and what follows from it.
#[inline(always)]
fn end<R: Real, F: Form, const N: usize, const Z: bool>(
    lanes: &Lanes<R, N>,
    lane: usize,
    to: &mut Attempt<R, N>,
) {
    let of = R::of;
    let (x, rest, h) = (to.x[lane], to.rest[lane], to.tried[lane]);
    let (zero, one) = (of(0.0), of(1.0));
    let swapped = lanes.is_swapped[lane] > zero;
    let running = lanes.running[lane] > zero;
    let (mut sum, mut error, mut is_broken) = (zero, zero, false);
    for (j, stage) in to.stages.iter().enumerate() {
        let own = stage[lane];
        if A[6][j] != 0.0 {
            sum = own.mul_add(of(A[6][j]), sum);
        }
        if E[j] != 0.0 {
            error = own.mul_add(of(E[j]), error);
        }
        // Neither is a number that is none.
        let goes_on = own * h > zero;
        is_broken |= !goes_on;
    }
    let across = h * sum;
    let (dx, dt) = (select(swapped, h, across), select(swapped, across, h));
    let end = lanes.equation(lane, x).rate::<F, Z>(dx, dt);
    let goes_on = end.k * h > zero;
    is_broken |= !goes_on;
    let error = (end.k.mul_add(of(E[6]), error) * h).abs();

    // The error as a time: what is allowed is a time, too.
    let start = if Z { lanes.k[lane] } else { lanes.k[lane] + lanes.base[lane] + lanes.ampa[lane] };
    let speed = end.total.abs();
    let (from, to_) = (lanes.unforced[lane], end.unforced);
    let least_unforced = select(from.abs() < to_.abs(), from.abs(), to_.abs());
    // A step over a change of sign has 0 within.
    let least_unforced = select(from * to_ < zero, zero, least_unforced);
    let sensitivity = of(SENSITIVITY) * least_unforced;
    let sensitivity = select(sensitivity > speed, speed, sensitivity);
    let least = of(LEAST_SENSITIVITY) * speed;
    let sensitivity = select(sensitivity < least, least, sensitivity);
    let rounding = R::EPSILON * h.abs() * end.size;
    let part = if Z {
        ON_Z
    } else if N > 1 {
        NOT_CLOSED
    } else {
        1.0
    };
    let tolerance = of(part) * lanes.tolerance;
    let timed = tolerance.mul_add(sensitivity, rounding);
    let allowed = select(swapped, of(2.0).mul_add(R::EPSILON * dt, tolerance), timed);
    let ratio = error / allowed;
    // All stages may lie beside a narrow gate.
    let exponent = |y: R| lanes.gate_slope[lane].mul_add(y, lanes.gate_offset[lane]);
    let (from, to_) = (exponent(lanes.y[lane]), exponent(end.y));
    let (low, high) = (select(from < to_, from, to_), select(from < to_, to_, from));
    let feedback = if F::POWER {
        end.feedback
    } else {
        let y = select(lanes.y[lane] < end.y, end.y, lanes.y[lane]);
        lanes.feedback[lane] * (one + y)
    };
    let leaps = !Z
        & (high - low > of(MOST_OF_GATE))
        & (low < of(GATE_MATTERS))
        & (high > of(-GATE_MATTERS))
        & (feedback > of(FEEDBACK_MATTERS) * speed);
    let ratio = select(leaps & (ratio < of(HALVES)), of(HALVES), ratio);
    let too_short = !swapped & (h <= of(SHORTEST));
    let is_good = (ratio <= one) | too_short;
    // Not a number: as far off as can be.
    let ratio = select(ratio < of(LARGEST_RATIO), ratio, of(LARGEST_RATIO));
    let ratio = select(ratio > of(SMALLEST_RATIO), ratio, of(SMALLEST_RATIO));
    let next = h * (of(SAFETY) * ratio.rough_inverse_fifth_root());

    // Where it ends.
    let x_new = x + end.dx;
    let x_th = lanes.x_th[lane];
    let is_beyond = if Z { x_new <= x_th } else { x_new >= x_th };
    let peak = h.mul_add(start, x);
    let peak_matters = if Z { peak <= x_th } else { (peak >= x_th) | (peak < lanes.x_floor[lane]) };
    let turned = (start * end.total < zero) & peak_matters & (h > lanes.tolerance);
    let mut under = false;
    let mut currents = [zero; N];
    for (c, current) in currents.iter_mut().enumerate() {
        let own = lanes.current[c][lane];
        let decay = if c == 0 { end.decay } else { (-dt * lanes.rate[c][lane]).exp2_m1() };
        *current = own.mul_add(decay, own);
        under |= (own > zero) & (*current < lanes.i0_low[lane]);
    }
    let mut kink = false;
    if N > 1 {
        let (from, until) = (lanes.margin[lane], end.margin);
        let (low, high) = (from.abs(), until.abs());
        let (low, high) = (select(high < low, high, low), select(high < low, low, high));
        kink = (from * until < zero) & (low > of(NEAR_KINK) * high) & (h > lanes.tolerance);
    }
    let flag = |condition: bool, bit: u32| select(condition, bit, 0);
    let wrong_always = flag(under, SYNAPSE_FLOOR) | flag(swapped & is_broken, BROKEN);
    let under_floor = !Z & (x_new < lanes.x_floor[lane]);
    let wrong = flag(!swapped & is_beyond, CROSSED)
        | flag(!swapped & under_floor, MEMBRANE_FLOOR)
        | flag(!swapped & turned, TURNED)
        | flag(!swapped & kink, KINK)
        | flag(swapped & (dt > rest), LATE);
    // What a step says that is too long for its error may be wrong.
    let wrong = select(is_good, wrong, 0) | wrong_always;
    let accepted = running & is_good & (wrong == 0);
    let chart = if Z {
        end.y < lanes.y_down[lane]
    } else {
        F::POWER & (end.y > lanes.y_up[lane]) & end.runs_away
    };
    let right = ACCEPTED
        | flag(!swapped & (h >= rest), REACHED)
        | flag(swapped & (h == x_th - x), LANDED)
        | flag(!swapped & chart, CHART)
        | flag(x_new.is_nan(), FAULT);
    to.verdict[lane] = select(running, select(accepted, right, wrong), 0);

    // What the first step came to is where the next first one starts.
    let is_first = lanes.is_first[lane] > zero;
    let per_chart = if Z { select(swapped, one, lanes.k[lane]) / x } else { start };
    let came_to = (next * per_chart).abs();
    let came_to = select(came_to > of(1e-3), came_to, of(1e-3));
    let first = if Z { lanes.first_z[lane] } else { lanes.first_q[lane] };
    to.first[lane] = select(accepted & is_first, came_to, first);
    to.is_first[lane] = select(accepted, zero, lanes.is_first[lane]);

    let clipped = !swapped & (lanes.h[lane] > h) & (next < lanes.h[lane]);
    let after = select(clipped, lanes.h[lane], next);
    to.h[lane] = select(accepted, after, select(is_good, lanes.h[lane], next));
    to.dt[lane] = dt;
    to.dx[lane] = end.dx;
    to.k[lane] = select(accepted, end.k, lanes.k[lane]);
    to.y[lane] = select(accepted, end.y, lanes.y[lane]);
    to.unforced[lane] = select(accepted, end.unforced, lanes.unforced[lane]);
    let base = lanes.slope[lane].mul_add(dt, lanes.base[lane]);
    to.base[lane] = select(accepted, base, lanes.base[lane]);
    let ampa = lanes.ampa[lane].mul_add(end.decay, lanes.ampa[lane]);
    to.ampa[lane] = select(accepted, ampa, lanes.ampa[lane]);
    for (c, current) in currents.into_iter().enumerate() {
        to.current[c][lane] = select(accepted, current, lanes.current[c][lane]);
    }
    if N > 1 {
        to.margin_end[lane] = end.margin;
        to.margin[lane] = select(accepted, end.margin, lanes.margin[lane]);
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
