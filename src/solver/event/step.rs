//! One adaptive step of many DPI neurons at once.
//!
//! The equation of one neuron (`Equation::rate`) and the verdict on its step are written for one
//! lane, without branches; loops over the lanes become vector code. Currents are rates here: a
//! current I stands as a·I in 1/s, a = κ/(C·UT). With u = ln(Imem/I0), y = Imem/Igain and
//! b = κ/(κ+1) a membrane is on one of two charts:
//!
//! - **q** = u + y, dq/dt = a·\[Iin − (L − Ifb)·(1 + y)\], up to where the feedback runs away. What is
//!   integrated is q less the integral of the input of AMPA and constants, which is known in closed
//!   form. y solves y + ln y = q + ln(I0/Igain).
//! - **z** = (I0/Imem)^b, dz/dt = −a·b·\[z·(Iin·g − L) + I0\], g = 1/(1 + y), for the power-law feedback
//!   once its gate is open: the blow-up is an ordinary crossing there.
//!
//! A lane steps in time, or, *swapped*, along its chart with time as what is integrated: so its last
//! step lands on the threshold.

use std::ops::Range;

use super::real::Real;

/// Lanes that are worked on together: two vectors of single precision.
pub const BLOCK: usize = 32;
/// Neurons that are advanced at once.
pub const NEURONS: usize = 128;
/// Lanes: for as many on each chart, so that no vector holds both; and a few that stay empty, because
/// rows a power of two apart would share few sets of the cache.
pub const WIDTH: usize = 2 * NEURONS + 16;
/// One number for each lane.
pub type Row<T> = [T; WIDTH];

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

/// Currents that decay: AMPA, NMDA, GABA_A, GABA_B, AHP. A lane has the first or all of them.
pub const AMPA: usize = 0;
/// NMDA.
pub const NMDA: usize = 1;
/// GABA_A.
pub const GABAA: usize = 2;
/// GABA_B.
pub const GABAB: usize = 3;
/// AHP.
pub const AHP: usize = 4;

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
/// ln y for large s: ln s, less this offset, plus this slope times ln s, up to 0 (fitted).
const OMEGA_OFFSET: f64 = 0.4;
/// See [`OMEGA_OFFSET`].
const OMEGA_SLOPE: f64 = 0.075;
/// On chart z once the feedback is so many times the input.
const RUN_AWAY: f64 = 0.7;
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

/// The form of the feedback.
pub trait Form: Copy + Send + Sync + 'static {
    /// Whether it is the power law, which has the chart z.
    const POWER: bool;
}

/// A power of Imem behind a gate.
#[derive(Debug, Clone, Copy)]
pub struct PowerLaw;
impl Form for PowerLaw {
    const POWER: bool = true;
}

/// A constant behind a gate (0: no feedback).
#[derive(Debug, Clone, Copy)]
pub struct Logistic;
impl Form for Logistic {
    const POWER: bool = false;
}

/// Defines [`Lanes`] and what is done with each of its rows.
macro_rules! lanes {
    ($($(#[$doc:meta])* $row:ident: $start:expr,)*) => {
        /// The neurons that are being advanced, one on each lane. Flags are 0 or 1. Neurons on chart q
        /// fill lanes from the first on, those on chart z from lane [`NEURONS`] on.
        #[repr(align(64))]
        pub struct Lanes<R, const N: usize> {
            $($(#[$doc])* pub $row: Row<R>,)*
            /// Its time, and that of its next event, s from the start of the window.
            pub t: Row<f64>,
            /// See `t`.
            pub event: Row<f64>,
            /// Its place on its chart.
            pub x: Row<f64>,
            /// The currents that decay, and their rates log2(e)/τ.
            pub current: [Row<R>; N],
            /// See `current`.
            pub rate: [Row<R>; N],
            /// The verdict on the last step.
            pub verdict: Row<u32>,
            /// b and its inverse.
            pub b: R,
            /// See `b`.
            pub inverse_b: R,
            /// The tolerance of a step, s.
            pub tolerance: R,
        }

        impl<R: Real, const N: usize> Lanes<R, N> {
            /// Without neurons.
            #[must_use]
            pub fn new(b: f64, tolerance: f64) -> Lanes<R, N> {
                Lanes {
                    $($row: [R::of($start); WIDTH],)*
                    t: [0.0; WIDTH],
                    event: [0.0; WIDTH],
                    x: [1.0; WIDTH],
                    current: [[R::of(0.0); WIDTH]; N],
                    rate: [[R::of(0.0); WIDTH]; N],
                    verdict: [0; WIDTH],
                    b: R::of(b),
                    inverse_b: R::of(1.0 / b),
                    tolerance: R::of(tolerance),
                }
            }

            /// Copies a lane to another.
            #[inline(always)]
            pub fn copy(&mut self, from: usize, to: usize) {
                assert!(from < WIDTH && to < WIDTH);
                $(self.$row[to] = self.$row[from];)*
                self.t[to] = self.t[from];
                self.event[to] = self.event[from];
                self.x[to] = self.x[from];
                for c in 0..N {
                    self.current[c][to] = self.current[c][from];
                    self.rate[c][to] = self.rate[c][from];
                }
                self.verdict[to] = self.verdict[from];
            }

            /// Exchanges two lanes.
            #[inline(always)]
            pub fn exchange(&mut self, a: usize, b: usize) {
                assert!(a < WIDTH && b < WIDTH);
                $(self.$row.swap(a, b);)*
                self.t.swap(a, b);
                self.event.swap(a, b);
                self.x.swap(a, b);
                for c in 0..N {
                    self.current[c].swap(a, b);
                    self.rate[c].swap(a, b);
                }
                self.verdict.swap(a, b);
            }
        }
    };
}

lanes! {
    /// Whether there is a neuron that steps.
    running: 0.0,
    /// Its rate on its chart (swapped: the inverse; on q without the input in closed form).
    k: 0.0,
    /// The next step: s, or along the chart.
    h: 0.0,
    /// Imem/Igain.
    y: 1.0,
    /// What d(chart)/dt would be without synaptic input.
    unforced: 0.0,
    /// Whether it is on chart z.
    is_z: 0.0,
    /// Whether it steps along the chart.
    is_swapped: 0.0,
    /// 1: its next step is the first after a reset; 2: the first on z.
    is_first: 0.0,
    /// What the first step after a reset came to, in q; and the first on z, relative to z.
    first_q: 0.0,
    /// See `first_q`.
    first_z: 0.0,
    /// The threshold and the floor on this chart.
    x_th: 1.0,
    /// See `x_th`.
    x_floor: 0.0,
    /// Above and below this y the chart changes.
    y_up: 1.0,
    /// See `y_up`.
    y_down: 0.0,
    /// Whether its input is open (not refractory).
    is_open: 1.0,
    /// What of the input has a closed form: AMPA's current with its τ, a constant and its slope.
    ampa: 0.0,
    /// See `ampa`.
    tau: 0.0,
    /// See `ampa`.
    base: 0.0,
    /// See `ampa`.
    slope: 0.0,
    /// The constant part of NMDA, and where its gate is half open.
    nmda: 0.0,
    /// See `nmda`.
    y_nmda: 1.0,
    /// The constant part of GABA_B.
    gabab: 0.0,
    /// The constant part of the leak.
    leak: 0.0,
    /// The dark current, and what counts as below it.
    i0: 0.0,
    /// See `i0`.
    i0_low: 0.0,
    /// ln of I0/Igain.
    ln_r: 0.0,
    /// Power law: log2 of the feedback at y = 1; logistic: the feedback far above its gate.
    feedback: 0.0,
    /// The gate's exponent to base 2: slope·y + offset.
    gate_slope: 0.0,
    /// See `gate_slope`.
    gate_offset: 0.0,
    /// How far the input is above its floor at the start of the next step, and at the end of the one
    /// that was tried last.
    margin: 0.0,
    /// See `margin`.
    margin_end: 0.0,
}

impl<R: Real, const N: usize> Lanes<R, N> {
    /// The equation of a lane whose step starts at `x`.
    #[inline(always)]
    fn equation(&self, lane: usize, x: R) -> Equation<R, N> {
        let zero = R::of(0.0);
        Equation {
            x,
            inverse_x: R::of(1.0) / x,
            y: self.y[lane],
            is_swapped: self.is_swapped[lane] > zero,
            is_open: self.is_open[lane] > zero,
            x_low: R::of(0.5) * self.x_th[lane],
            current: std::array::from_fn(|c| self.current[c][lane]),
            rate: std::array::from_fn(|c| self.rate[c][lane]),
            ampa: self.ampa[lane],
            tau: self.tau[lane],
            base: self.base[lane],
            slope: self.slope[lane],
            nmda: self.nmda[lane],
            y_nmda: self.y_nmda[lane],
            gabab: self.gabab[lane],
            leak: self.leak[lane],
            i0: self.i0[lane],
            ln_r: self.ln_r[lane],
            feedback: self.feedback[lane],
            gate_slope: self.gate_slope[lane],
            gate_offset: self.gate_offset[lane],
            b: self.b,
            inverse_b: self.inverse_b,
        }
    }

    /// The right-hand side of a lane where it stands.
    #[inline(always)]
    pub fn rate<F: Form>(&self, lane: usize) -> Rate<R> {
        let zero = R::of(0.0);
        let equation = self.equation(lane, R::of(self.x[lane]));
        if F::POWER && self.is_z[lane] > zero {
            equation.rate::<F, true>(zero, zero)
        } else {
            equation.rate::<F, false>(zero, zero)
        }
    }

    /// The input in closed form where a lane stands.
    #[inline(always)]
    pub fn closed(&self, lane: usize) -> R {
        self.base[lane] + self.ampa[lane]
    }
}

/// What the right-hand side of one neuron depends on, from the start of a step.
#[derive(Clone, Copy)]
struct Equation<R, const N: usize> {
    x: R,
    inverse_x: R,
    y: R,
    is_swapped: bool,
    is_open: bool,
    x_low: R,
    current: [R; N],
    rate: [R; N],
    ampa: R,
    tau: R,
    base: R,
    slope: R,
    nmda: R,
    y_nmda: R,
    gabab: R,
    leak: R,
    i0: R,
    ln_r: R,
    feedback: R,
    gate_slope: R,
    gate_offset: R,
    b: R,
    inverse_b: R,
}

/// A right-hand side and what else is known there.
#[derive(Clone, Copy)]
pub struct Rate<R> {
    /// What is integrated: d(chart)/dt less the input in closed form, or dt/d(chart).
    pub k: R,
    /// d(chart)/dt.
    pub total: R,
    /// The same without synaptic currents.
    pub unforced: R,
    /// How large its terms are: the scale of its rounding error.
    pub size: R,
    /// What the feedback adds with its gate open.
    feedback: R,
    /// Imem/Igain.
    pub y: R,
    /// How far the input is above its floor.
    pub margin: R,
    /// Whether the feedback runs away.
    pub runs_away: bool,
    /// exp(−t/τ) − 1 of AMPA.
    decay: R,
    /// Where on the chart, from the start of the step.
    dx: R,
}

#[inline(always)]
fn select<T: Copy>(condition: bool, yes: T, no: T) -> T {
    if condition { yes } else { no }
}

impl<R: Real, const N: usize> Equation<R, N> {
    /// At `dx` from the step's start (on q in time: without the input in closed form), `t` after it, on
    /// chart z or q.
    #[inline(always)]
    fn rate<F: Form, const Z: bool>(&self, dx: R, t: R) -> Rate<R> {
        let of = R::of;
        let (zero, one) = (of(0.0), of(1.0));

        let decays: [R; N] = std::array::from_fn(|c| (-t * self.rate[c]).exp2_m1());
        let now = |c: usize| self.current[c].mul_add(decays[c], self.current[c]);
        let closed = self.slope.mul_add(t, self.base) + self.ampa.mul_add(decays[0], self.ampa);
        let dx = if Z {
            dx
        } else {
            let ramp = of(0.5) * self.slope;
            let integral = t * ramp.mul_add(t, self.base) - self.ampa * self.tau * decays[0];
            dx + select(self.is_swapped, zero, integral)
        };
        let x = self.x + dx;

        // Of the feedback (on z: of the gain g) numerator and denominator: one division serves the sum.
        let (y, above, below);
        if Z {
            // From where the step starts: near 1 a logarithm is accurate in relation to itself.
            let held = select(x < self.x_low, self.x_low, x);
            y = self.y * ((held * self.inverse_x).log2() * -self.inverse_b).exp2();
            (above, below) = (one, one + y);
        } else {
            let log2;
            (y, log2) = omega(x + self.ln_r);
            above =
                if F::POWER { self.b.mul_add(log2, self.feedback).exp2() } else { self.feedback };
            below = one + self.gate(y);
        }

        let mut leak = self.leak;
        let mut extra = zero;
        let mut margin = zero;
        if N > 1 {
            leak = leak + now(GABAA) + now(AHP);
            let gated = (self.nmda + now(NMDA)) * (y / (y + self.y_nmda));
            let input = closed + gated - (self.gabab + now(GABAB));
            margin = select(self.is_open, input - self.i0, zero);
            let input = select(self.is_open, input, self.i0);
            let input = select(input < self.i0, self.i0, input);
            extra = input - closed;
        }

        // What only the end of a step asks for is dead code elsewhere.
        let input = closed + extra;
        let inverse = one / below;
        if Z {
            let sum = -self.b * (-leak).mul_add(below, input).mul_add(x, self.i0 * below);
            let k = select(self.is_swapped, below, sum) / select(self.is_swapped, sum, below);
            let total = sum * inverse;
            let size = self.b * leak.mul_add(x, self.i0);
            let unforced = -self.b * self.base.mul_add(inverse, -leak).mul_add(x, self.i0);
            let (feedback, runs_away) = (zero, false);
            Rate { k, total, unforced, size, feedback, y, margin, runs_away, decay: decays[0], dx }
        } else {
            let y1 = one + y;
            let net = (-leak).mul_add(below, above) * y1;
            let sum = extra.mul_add(below, net);
            let total = input.mul_add(below, net);
            let k = select(self.is_swapped, below, sum) / select(self.is_swapped, total, below);
            let part = above * inverse;
            let feedback = above * y1;
            let total = total * inverse;
            let unforced = (part - self.leak).mul_add(y1, self.base);
            let size = (part + leak).mul_add(y1, extra.abs());
            let runs_away = F::POWER & (part * y1 > of(RUN_AWAY) * input) & (part > of(1.5) * leak);
            Rate { k, total, unforced, size, feedback, y, margin, runs_away, decay: decays[0], dx }
        }
    }

    /// 1/σ − 1 of the feedback's gate σ.
    #[inline(always)]
    fn gate(&self, y: R) -> R {
        let exponent = self.gate_slope.mul_add(y, self.gate_offset);
        select(exponent < R::CLOSED, exponent, R::CLOSED).exp2()
    }
}

/// ln of the solution of y + ln y = s (the Wright omega function), s ≥ −60, to 0.03: a polynomial up to 6
/// (a minimax fit), and its asymptotes.
#[inline(always)]
fn rough_ln_omega<R: Real>(s: R) -> R {
    let of = R::of;
    let middle = s.mul_add(of(0.000_460_598_2), of(-0.000_295_719_9));
    let middle = s.mul_add(s.mul_add(middle, of(-0.063_619_125)), of(0.642_564_39));
    let middle = s.mul_add(middle, of(-0.580_738_53));
    let above = select(s > of(1.0), s, of(1.0));
    let l = above.rough_log2() * of(std::f64::consts::LN_2);
    let less = l.mul_add(of(OMEGA_SLOPE), of(-OMEGA_OFFSET));
    let high = l + select(less < of(0.0), less, of(0.0));
    select(s < of(-4.0), s, select(s < of(6.0), middle, high))
}

/// The solution of y + ln y = s and its log2, by the fourth-order iteration of Fritsch, Shafer & Crowley
/// 1973.
#[inline(always)]
fn omega<R: Real>(s: R) -> (R, R) {
    let of = R::of;
    let log2_e = of(std::f64::consts::LOG2_E);
    let s = select(s < of(-60.0), of(-60.0), s);
    let s = select(s > of(1e9), of(1e9), s);
    let start = rough_ln_omega(s);
    let mut log2 = start * log2_e;
    let mut y = log2.exp2();
    for refinement in 0..R::REFINEMENTS {
        if refinement > 0 {
            log2 = y.log2();
        }
        let rest = of(-std::f64::consts::LN_2).mul_add(log2, s - y);
        let y1 = of(1.0) + y;
        let q = of(2.0) * y1 * of(2.0 / 3.0).mul_add(rest, y1);
        let delta = rest * (q - rest) / (y1 * of(-2.0).mul_add(rest, q));
        y = y.mul_add(delta, y);
        // ln(1 + delta)
        let series = delta.mul_add(of(-0.25), of(1.0 / 3.0));
        let series = delta.mul_add(series, of(-0.5));
        let ln = delta * delta.mul_add(series, of(1.0));
        log2 = ln.mul_add(log2_e, log2);
    }
    (y, log2)
}

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

    fn omega_solves<R: Real>(digits: f64) {
        for k in -800..4000 {
            let s = R::of(f64::from(k) * 0.05);
            let (y, log2) = omega(s);
            let (y, s) = (y.double(), s.double());
            let off = (y + log2.double() * std::f64::consts::LN_2 - s) / (1.0 + y);
            assert!(off.abs() < digits * (1.0 + s.abs() / (1.0 + y)), "{s}: {y} is off by {off}");
            let off = log2.double() - crate::circuit::math::ln(y) * std::f64::consts::LOG2_E;
            assert!(off.abs() < digits * (1.0 + log2.double().abs()), "{s}: log2 is off by {off}");
        }
    }

    #[test]
    fn omega_is_solved_in_both_precisions() {
        omega_solves::<f32>(5e-7);
        omega_solves::<f64>(4e-15);
    }

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
