//! The equation of one neuron.
//!
//! Written for one lane without branches, so that loops over lanes become vector code. Currents are
//! rates here: a current I stands as a·I in 1/s, a = κ/(C·UT). With u = ln(Imem/I0), y = Imem/Igain and
//! b = κ/(κ+1) a membrane is on one of two charts:
//!
//! - **q** = u + y, dq/dt = a·\[Iin − (L − Ifb)·(1 + y)\], up to where the feedback runs away. What is
//!   integrated is q less the integral of the input of AMPA and constants, which is known in closed
//!   form. y solves y + ln y = q + ln(I0/Igain).
//! - **z** = (I0/Imem)^b, dz/dt = −a·b·\[z·(Iin·g − L) + I0\], g = 1/(1 + y), for the power-law feedback
//!   once its gate is open: the blow-up is an ordinary crossing there.

use super::real::Real;

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

/// ln y for large s: ln s, less this offset, plus this slope times ln s, up to 0 (fitted).
const OMEGA_OFFSET: f64 = 0.4;
/// See [`OMEGA_OFFSET`].
const OMEGA_SLOPE: f64 = 0.075;
/// On chart z once the feedback is so many times the input.
const RUN_AWAY: f64 = 0.7;

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

/// What the right-hand side of one neuron depends on, from the start of a step.
#[derive(Clone, Copy)]
pub struct Equation<R, const N: usize> {
    pub(super) x: R,
    pub(super) inverse_x: R,
    pub(super) y: R,
    pub(super) is_swapped: bool,
    pub(super) is_open: bool,
    pub(super) x_low: R,
    pub(super) current: [R; N],
    pub(super) rate: [R; N],
    pub(super) ampa: R,
    pub(super) tau: R,
    pub(super) base: R,
    pub(super) slope: R,
    pub(super) nmda: R,
    pub(super) y_nmda: R,
    pub(super) gabab: R,
    pub(super) leak: R,
    pub(super) i0: R,
    pub(super) ln_r: R,
    pub(super) feedback: R,
    pub(super) gate_slope: R,
    pub(super) gate_offset: R,
    pub(super) b: R,
    pub(super) inverse_b: R,
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
    pub(super) feedback: R,
    /// Imem/Igain.
    pub y: R,
    /// How far the input is above its floor.
    pub margin: R,
    /// Whether the feedback runs away.
    pub runs_away: bool,
    /// exp(−t/τ) − 1 of AMPA.
    pub(super) decay: R,
    /// Where on the chart, from the start of the step.
    pub(super) dx: R,
}

/// One of both, without a branch.
#[inline(always)]
pub(super) fn select<T: Copy>(condition: bool, yes: T, no: T) -> T {
    if condition { yes } else { no }
}

impl<R: Real, const N: usize> Equation<R, N> {
    /// At `dx` from the step's start (on q in time: without the input in closed form), `t` after it, on
    /// chart z or q.
    #[inline(always)]
    pub(super) fn rate<F: Form, const Z: bool>(&self, dx: R, t: R) -> Rate<R> {
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
}
