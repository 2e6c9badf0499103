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

use super::real::Real;

/// Lanes.
pub const WIDTH: usize = 64;
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
/// A step is at most so many times the one before, and at least its inverse.
const GROWTH: f64 = 5.0;
/// On chart z once the feedback is so many times the input.
const RUN_AWAY: f64 = 2.0;
/// A step's tolerance is reduced by how much faster the membrane moves than it would without synaptic
/// input, times this: a decaying input amplifies errors, most where feedback and leak balance.
const SENSITIVITY: f64 = 10.0;
/// But not below this part of it.
const LEAST_SENSITIVITY: f64 = 0.01;
/// A step over a bend of the input at its floor counts if it bends so near to one end of the step.
const NEAR_KINK: f64 = 0.02;
/// A step in time as short as that counts, whatever its error: time is kept in picoseconds.
const SHORTEST: f64 = 1e-15;

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

/// The neurons that are being advanced, one on each lane. Flags are 0 or 1.
#[derive(Clone)]
#[repr(align(64))]
pub struct Lanes<R, const N: usize> {
    /// Whether there is a neuron that steps.
    pub running: Row<R>,
    /// Its time, and that of its next event, s from the start of the window.
    pub t: Row<f64>,
    /// See `t`.
    pub event: Row<f64>,
    /// Its place on its chart, and its rate there (swapped: its inverse; on q without the input in
    /// closed form).
    pub x: Row<f64>,
    /// See `x`.
    pub k: Row<R>,
    /// The next step: s, or along the chart.
    pub h: Row<R>,
    /// Imem/Igain.
    pub y: Row<R>,
    /// Whether it is on chart z.
    pub is_z: Row<R>,
    /// Whether it steps along the chart.
    pub is_swapped: Row<R>,
    /// 1: its next step is the first after a reset; 2: the first on z.
    pub is_first: Row<R>,
    /// What the first step after a reset came to, in q; and the first on z, relative to z.
    pub first_q: Row<R>,
    /// See `first_q`.
    pub first_z: Row<R>,
    /// The threshold and the floor on this chart.
    pub x_th: Row<R>,
    /// See `x_th`.
    pub x_floor: Row<R>,
    /// Above and below this y the chart changes.
    pub y_up: Row<R>,
    /// See `y_up`.
    pub y_down: Row<R>,
    /// Whether its input is open (not refractory).
    pub is_open: Row<R>,
    /// The currents that decay, and their rates log2(e)/τ.
    pub current: [Row<R>; N],
    /// See `current`.
    pub rate: [Row<R>; N],
    /// What of the input has a closed form: AMPA's current with its τ, a constant and its slope.
    pub ampa: Row<R>,
    /// See `ampa`.
    pub tau: Row<R>,
    /// See `ampa`.
    pub base: Row<R>,
    /// See `ampa`.
    pub slope: Row<R>,
    /// The constant part of NMDA, and where its gate is half open.
    pub nmda: Row<R>,
    /// See `nmda`.
    pub y_nmda: Row<R>,
    /// The constant part of GABA_B.
    pub gabab: Row<R>,
    /// The constant part of the leak.
    pub leak: Row<R>,
    /// The dark current, and what counts as below it.
    pub i0: Row<R>,
    /// See `i0`.
    pub i0_low: Row<R>,
    /// ln and log2 of I0/Igain.
    pub ln_r: Row<R>,
    /// See `ln_r`.
    pub log2_r: Row<R>,
    /// Power law: log2 of the feedback at y = 1; logistic: the feedback far above its gate.
    pub feedback: Row<R>,
    /// The gate's exponent to base 2: slope·y + offset.
    pub gate_slope: Row<R>,
    /// See `gate_slope`.
    pub gate_offset: Row<R>,
    /// How far the input is above its floor at the start of the next step, and at the end of the one
    /// that was tried last.
    pub margin: Row<R>,
    /// See `margin`.
    pub margin_end: Row<R>,
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
        let (zero, one) = ([R::of(0.0); WIDTH], [R::of(1.0); WIDTH]);
        Lanes {
            running: zero,
            t: [0.0; WIDTH],
            event: [0.0; WIDTH],
            x: [1.0; WIDTH],
            k: zero,
            h: zero,
            y: one,
            is_z: zero,
            is_swapped: zero,
            is_first: zero,
            first_q: zero,
            first_z: zero,
            x_th: one,
            x_floor: zero,
            y_up: one,
            y_down: zero,
            is_open: one,
            current: [zero; N],
            rate: [zero; N],
            ampa: zero,
            tau: zero,
            base: zero,
            slope: zero,
            nmda: zero,
            y_nmda: one,
            gabab: zero,
            leak: zero,
            i0: zero,
            i0_low: zero,
            ln_r: zero,
            log2_r: zero,
            feedback: zero,
            gate_slope: zero,
            gate_offset: zero,
            margin: zero,
            margin_end: zero,
            verdict: [0; WIDTH],
            b: R::of(b),
            inverse_b: R::of(1.0 / b),
            tolerance: R::of(tolerance),
        }
    }

    /// The equation of a lane whose step starts at `x`.
    #[inline(always)]
    fn equation(&self, lane: usize, x: R) -> Equation<R, N> {
        let zero = R::of(0.0);
        Equation {
            x,
            is_z: self.is_z[lane] > zero,
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
            log2_r: self.log2_r[lane],
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
        self.equation(lane, R::of(self.x[lane])).rate::<F>(zero, zero)
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
    is_z: bool,
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
    log2_r: R,
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
    /// At `dx` from the step's start (on q in time: without the input in closed form), `t` after it.
    #[inline(always)]
    fn rate<F: Form>(&self, dx: R, t: R) -> Rate<R> {
        let of = R::of;
        let (zero, one) = (of(0.0), of(1.0));
        let (z, swapped) = (self.is_z, self.is_swapped);

        let decays: [R; N] = std::array::from_fn(|c| (-t * self.rate[c]).exp2_m1());
        let now = |c: usize| self.current[c].mul_add(decays[c], self.current[c]);
        let ramp = of(0.5) * self.slope;
        let integral = t * ramp.mul_add(t, self.base) - self.ampa * self.tau * decays[0];
        let closed = self.slope.mul_add(t, self.base) + self.ampa.mul_add(decays[0], self.ampa);
        let dx = dx + select(!swapped & !z, integral, zero);
        let x = self.x + dx;

        // One logarithm serves both charts, and one exponential.
        let s = x + self.ln_r;
        let s = select(s < of(-60.0), of(-60.0), s);
        let s = select(s > of(1e9), of(1e9), s);
        let start = rough_omega(s);
        // Of the feedback (on z: of the gain g) numerator and denominator: one division serves the sum.
        let (y, above, below);
        if F::POWER {
            let held = select(x < self.x_low, self.x_low, x);
            let log2 = select(z, held, start).log2();
            let (y_q, log2_q) = omega(s, start, log2);
            let log2_z = (-self.inverse_b).mul_add(log2, self.log2_r);
            let log2_power = self.b.mul_add(log2_q, self.feedback);
            let power = select(z, log2_z, log2_power).exp2();
            y = select(z, power, y_q);
            below = one + select(z, y, self.gate(y));
            above = select(z, one, power);
        } else {
            y = omega(s, start, start.log2()).0;
            below = one + self.gate(y);
            above = self.feedback;
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

        let input = closed + extra;
        let y1 = one + y;
        let q_net = (-leak).mul_add(below, above) * y1;
        let q_sum = extra.mul_add(below, q_net);
        let q_total = input.mul_add(below, q_net);
        let z_sum = -self.b * (-leak).mul_add(below, input).mul_add(x, self.i0 * below);
        let z = z & F::POWER;
        let (sum, total) = (select(z, z_sum, q_sum), select(z, z_sum, q_total));
        let k = select(swapped, below, sum) / select(swapped, total, below);

        // What only the end of a step asks for.
        let inverse = one / below;
        let part = above * inverse;
        let q_unforced = (part - self.leak).mul_add(y1, self.base);
        let q_size = (part + leak).mul_add(y1, extra.abs());
        let z_size = self.b * leak.mul_add(x, self.i0);
        let total = total * inverse;
        let runs_away =
            F::POWER & !z & (part * y1 > of(RUN_AWAY) * input) & (part > of(1.5) * leak);
        Rate {
            k,
            total,
            unforced: select(z, total, q_unforced),
            size: select(z, z_size, q_size),
            y,
            margin,
            runs_away,
            decay: decays[0],
            dx,
        }
    }

    /// 1/σ − 1 of the feedback's gate σ.
    #[inline(always)]
    fn gate(&self, y: R) -> R {
        let exponent = self.gate_slope.mul_add(y, self.gate_offset);
        select(exponent < R::CLOSED, exponent, R::CLOSED).exp2()
    }
}

/// The solution of y + ln y = s (the Wright omega function) to half a percent: polynomials of e^s below
/// −1 and of s up to 6 (minimax fits), and its asymptote.
#[inline(always)]
fn rough_omega<R: Real>(s: R) -> R {
    let of = R::of;
    let e = (s * of(std::f64::consts::LOG2_E)).rough_exp2();
    let low = e.mul_add(of(0.705_974_19), of(-0.912_744_65));
    let low = e * e.mul_add(low, of(0.998_396_01));
    let middle = s.mul_add(of(-0.003_927_3), of(0.072_009_48));
    let middle = s.mul_add(s.mul_add(middle, of(0.364_804_91)), of(0.567_934_69));
    let above = select(s > of(1.0), s, of(1.0));
    let l = above.rough_log2() * of(std::f64::consts::LN_2);
    let high = l.mul_add(above.rough_inverse(), above - l);
    select(s < of(-1.0), low, select(s < of(6.0), middle, high))
}

/// Refines a solution of y + ln y = s whose log2 is known, by the fourth-order iteration of Fritsch,
/// Shafer & Crowley 1973: y and log2 y.
#[inline(always)]
fn omega<R: Real>(s: R, start: R, log2: R) -> (R, R) {
    let of = R::of;
    let (mut y, mut log2) = (start, log2);
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
        let series = delta.mul_add(of(1.0 / 3.0), of(-0.5));
        let ln = delta * delta.mul_add(series, of(1.0));
        log2 = ln.mul_add(of(std::f64::consts::LOG2_E), log2);
    }
    (y, log2)
}

/// A stage of the step of all lanes.
#[inline(always)]
fn stage<R: Real, F: Form, const N: usize, const S: usize>(
    lanes: &Lanes<R, N>,
    x: &Row<R>,
    h: &Row<R>,
    k: &[Row<R>; 6],
) -> Row<R> {
    let mut out = [R::of(0.0); WIDTH];
    for lane in 0..WIDTH {
        let mut sum = R::of(0.0);
        for (own, weight) in k.iter().zip(A[S]).take(S) {
            if weight != 0.0 {
                sum = own[lane].mul_add(R::of(weight), sum);
            }
        }
        let (along, across) = (R::of(C[S]) * h[lane], h[lane] * sum);
        let equation = lanes.equation(lane, x[lane]);
        let dx = select(equation.is_swapped, along, across);
        let t = select(equation.is_swapped, across, along);
        out[lane] = equation.rate::<F>(dx, t).k;
    }
    out
}

/// What a step came to.
struct Ended<R, const N: usize> {
    verdict: Row<u32>,
    dt: Row<R>,
    dx: Row<R>,
    k: Row<R>,
    h: Row<R>,
    y: Row<R>,
    margin: Row<R>,
    margin_end: Row<R>,
    base: Row<R>,
    ampa: Row<R>,
    current: [Row<R>; N],
    is_first: Row<R>,
    first_q: Row<R>,
    first_z: Row<R>,
}

/// Tries one step of all lanes; the result has a bit for each lane whose [verdict](Lanes::verdict)
/// wants attention.
#[inline(always)]
pub fn attempt<R: Real, F: Form, const N: usize>(lanes: &mut Lanes<R, N>) -> u64 {
    let of = R::of;
    let zero = [of(0.0); WIDTH];
    // Loops hold numbers of one width, so that they fill whole vectors.
    let (mut x, mut rest) = (zero, zero);
    for lane in 0..WIDTH {
        x[lane] = of(lanes.x[lane]);
        let left = lanes.event[lane] - lanes.t[lane];
        rest[lane] = of(select(left > 0.0, left, 0.0));
    }
    let mut h = zero;
    for lane in 0..WIDTH {
        let (wanted, rest) = (lanes.h[lane], rest[lane]);
        // No tiny step is left over.
        let timed = select(wanted + wanted > rest, of(0.5) * rest, wanted);
        let timed = select(wanted >= rest, rest, timed);
        let way = lanes.x_th[lane] - x[lane];
        let swapped = select(wanted.abs() > of(0.9) * way.abs(), way, wanted);
        h[lane] = select(lanes.is_swapped[lane] > of(0.0), swapped, timed);
    }
    let mut k = [zero; 6];
    k[0] = lanes.k;
    k[1] = stage::<R, F, N, 1>(lanes, &x, &h, &k);
    k[2] = stage::<R, F, N, 2>(lanes, &x, &h, &k);
    k[3] = stage::<R, F, N, 3>(lanes, &x, &h, &k);
    k[4] = stage::<R, F, N, 4>(lanes, &x, &h, &k);
    k[5] = stage::<R, F, N, 5>(lanes, &x, &h, &k);
    let mut to = Ended {
        verdict: [0; WIDTH],
        dt: zero,
        dx: zero,
        k: zero,
        h: zero,
        y: zero,
        margin: zero,
        margin_end: zero,
        base: zero,
        ampa: zero,
        current: [zero; N],
        is_first: zero,
        first_q: zero,
        first_z: zero,
    };
    end::<R, F, N>(lanes, &x, &rest, &h, &k, &mut to);
    for lane in 0..WIDTH {
        let accepted = to.verdict[lane] & ACCEPTED != 0;
        let t = lanes.t[lane] + to.dt[lane].double();
        let t = select(to.verdict[lane] & REACHED != 0, lanes.event[lane], t);
        let x = lanes.x[lane] + to.dx[lane].double();
        lanes.t[lane] = select(accepted, t, lanes.t[lane]);
        lanes.x[lane] = select(accepted, x, lanes.x[lane]);
    }
    lanes.verdict = to.verdict;
    lanes.k = to.k;
    lanes.h = to.h;
    lanes.y = to.y;
    if N > 1 {
        lanes.margin = to.margin;
        lanes.margin_end = to.margin_end;
    }
    lanes.base = to.base;
    lanes.ampa = to.ampa;
    lanes.current = to.current;
    lanes.is_first = to.is_first;
    lanes.first_q = to.first_q;
    lanes.first_z = to.first_z;
    let mut attention = 0;
    for (lane, verdict) in lanes.verdict.iter().enumerate() {
        attention |= u64::from(*verdict > ACCEPTED) << lane;
    }
    attention
}

/// The last stage, the error, and the verdict.
#[inline(always)]
fn end<R: Real, F: Form, const N: usize>(
    lanes: &Lanes<R, N>,
    x: &Row<R>,
    rest: &Row<R>,
    h: &Row<R>,
    k: &[Row<R>; 6],
    to: &mut Ended<R, N>,
) {
    let of = R::of;
    let (zero, one) = (of(0.0), of(1.0));
    for lane in 0..WIDTH {
        let (x, rest, h) = (x[lane], rest[lane], h[lane]);
        let z = lanes.is_z[lane] > zero;
        let swapped = lanes.is_swapped[lane] > zero;
        let running = lanes.running[lane] > zero;
        let (mut sum, mut error, mut is_broken) = (zero, zero, false);
        for (j, own) in k.iter().enumerate() {
            if A[6][j] != 0.0 {
                sum = own[lane].mul_add(of(A[6][j]), sum);
            }
            if E[j] != 0.0 {
                error = own[lane].mul_add(of(E[j]), error);
            }
            // Neither is a number that is none.
            let goes_on = own[lane] * h > zero;
            is_broken |= !goes_on;
        }
        let across = h * sum;
        let (dx, dt) = (select(swapped, h, across), select(swapped, across, h));
        let end = lanes.equation(lane, x).rate::<F>(dx, dt);
        let goes_on = end.k * h > zero;
        is_broken |= !goes_on;
        let error = (end.k.mul_add(of(E[6]), error) * h).abs();

        // The error as a time: what is allowed is a time, too.
        let speed = end.total.abs();
        let sensitivity = of(SENSITIVITY) * end.unforced.abs();
        let sensitivity = select(sensitivity > speed, speed, sensitivity);
        let least = of(LEAST_SENSITIVITY) * speed;
        let sensitivity = select(sensitivity < least, least, sensitivity);
        let rounding = R::EPSILON * h.abs() * end.size;
        let timed = lanes.tolerance.mul_add(select(z, speed, sensitivity), rounding);
        let allowed = select(swapped, of(2.0).mul_add(R::EPSILON * dt, lanes.tolerance), timed);
        let ratio = error / allowed;
        let too_short = !swapped & (h <= of(SHORTEST));
        let is_good = (ratio <= one) | too_short;
        // Not a number: as far off as can be.
        let ratio = select(ratio < of(1e6), ratio, of(1e6));
        let ratio = select(ratio > of(1e-6), ratio, of(1e-6));
        // A step size needs no more than three digits.
        let factor = of(SAFETY) * (of(-0.2) * ratio.rough_log2()).rough_exp2();
        let factor = select(factor > of(GROWTH), of(GROWTH), factor);
        let factor = select(factor < of(1.0 / GROWTH), of(1.0 / GROWTH), factor);
        let next = h * factor;

        // Where it ends.
        let x_new = x + end.dx;
        let x_th = lanes.x_th[lane];
        let is_beyond = select(z, x_new <= x_th, x_new >= x_th);
        let start = select(z, lanes.k[lane], lanes.k[lane] + lanes.base[lane] + lanes.ampa[lane]);
        let peak = h.mul_add(start, x);
        let peak_matters = select(z, peak <= x_th, (peak >= x_th) | (peak < lanes.x_floor[lane]));
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
            to.margin[lane] = from;
            to.margin_end[lane] = until;
        }
        let flag = |condition: bool, bit: u32| select(condition, bit, 0);
        let wrong_always = flag(under, SYNAPSE_FLOOR) | flag(swapped & is_broken, BROKEN);
        let wrong = flag(!swapped & is_beyond, CROSSED)
            | flag(!swapped & !z & (x_new < lanes.x_floor[lane]), MEMBRANE_FLOOR)
            | flag(!swapped & turned, TURNED)
            | flag(!swapped & kink, KINK)
            | flag(swapped & (dt > rest), LATE);
        // What a step says that is too long for its error may be wrong.
        let wrong = select(is_good, wrong, 0) | wrong_always;
        let accepted = running & is_good & (wrong == 0);
        let chart = ((end.y > lanes.y_up[lane]) & end.runs_away) | (end.y < lanes.y_down[lane]);
        let right = ACCEPTED
            | flag(!swapped & (h >= rest), REACHED)
            | flag(swapped & (h == x_th - x), LANDED)
            | flag(!swapped & chart, CHART)
            | flag(x_new.is_nan(), FAULT);
        to.verdict[lane] = select(running, select(accepted, right, wrong), 0);
        if N > 1 {
            to.margin[lane] = select(accepted, to.margin_end[lane], to.margin[lane]);
        }

        let clipped = !swapped & (lanes.h[lane] > h) & (next < lanes.h[lane]);
        let after = select(clipped, lanes.h[lane], next);
        to.h[lane] = select(accepted, after, select(is_good, lanes.h[lane], next));
        to.dt[lane] = dt;
        to.dx[lane] = end.dx;
        to.k[lane] = select(accepted, end.k, lanes.k[lane]);
        to.y[lane] = select(accepted, end.y, lanes.y[lane]);
        let base = lanes.slope[lane].mul_add(dt, lanes.base[lane]);
        to.base[lane] = select(accepted, base, lanes.base[lane]);
        let ampa = lanes.ampa[lane].mul_add(end.decay, lanes.ampa[lane]);
        to.ampa[lane] = select(accepted, ampa, lanes.ampa[lane]);
        for (c, current) in currents.into_iter().enumerate() {
            to.current[c][lane] = select(accepted, current, lanes.current[c][lane]);
        }

        // What the first step came to is where the next first one starts.
        let is_first = lanes.is_first[lane] > zero;
        let first_z = lanes.is_first[lane] > of(1.5);
        let per_z = select(swapped, one, lanes.k[lane]) / x;
        let came_to = (next * select(first_z, per_z, start)).abs();
        let came_to = select(came_to > of(1e-3), came_to, of(1e-3));
        to.first_q[lane] = select(accepted & is_first & !first_z, came_to, lanes.first_q[lane]);
        to.first_z[lane] = select(accepted & first_z, came_to, lanes.first_z[lane]);
        to.is_first[lane] = select(accepted, zero, lanes.is_first[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn omega_solves<R: Real>(digits: f64) {
        for k in -800..4000 {
            let s = R::of(f64::from(k) * 0.05);
            let start = rough_omega(s);
            let (y, log2) = omega(s, start, start.log2());
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
