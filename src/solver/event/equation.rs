//! The equation of one neuron.
//!
//! Written over a [`Number`], of one neuron or of many side by side. Currents are
//! rates here: a current I stands as a·I in 1/s, a = κ/(C·UT). With u = ln(Imem/I0), y = Imem/Igain and
//! b = κ/(κ+1) a membrane is on one of two charts:
//!
//! - **q** = u + y, dq/dt = a·\[Iin − (L − Ifb)·(1 + y)\], up to where the feedback runs away. What is
//!   integrated is q less the integral of the input of AMPA and constants (and GABA_B, if there is no
//!   NMDA), which is known in closed form. y solves y + ln y = q + ln(I0/Igain).
//! - **z** = (I0/Imem)^b, dz/dt = −a·b·\[z·(Iin·g − L) + I0\], g = 1/(1 + y), for the power-law feedback
//!   once its gate is open: the blow-up is an ordinary crossing there.

use super::real::Analytic;
use crate::circuit::number::{Mask, Number};

/// Currents that decay: AMPA, GABA_B, NMDA, GABA_A, AHP. A lane has the first, the first two, or all of
/// them.
pub const AMPA: usize = 0;
/// GABA_B.
pub const GABAB: usize = 1;
/// NMDA.
pub const NMDA: usize = 2;
/// GABA_A.
pub const GABAA: usize = 3;
/// AHP.
pub const AHP: usize = 4;

/// ln y for large s: ln s, less this offset, plus this slope times ln s, up to 0 (fitted).
pub(super) const OMEGA_OFFSET: f64 = 0.4;
/// See [`OMEGA_OFFSET`].
pub(super) const OMEGA_SLOPE: f64 = 0.075;
/// On chart z once the feedback is so many times the input.
pub(super) const RUN_AWAY: f64 = 0.7;

/// Whether neurons with so many currents have all their input in closed form: `arcana` with AMPA, and with
/// GABA_B, while their sum is above its floor (below it is the floor, a constant).
#[must_use]
pub const fn is_closed(circuits: usize) -> bool {
    circuits <= 2
}

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
pub struct Equation<V: Number, const N: usize> {
    pub(super) x: V,
    pub(super) inverse_x: V,
    pub(super) y: V,
    pub(super) is_swapped: V::Mask,
    pub(super) is_open: V::Mask,
    pub(super) x_low: V,
    pub(super) current: [V; N],
    pub(super) rate: [V; N],
    pub(super) closed: V,
    pub(super) base: V,
    pub(super) ampa: V,
    pub(super) tau: V,
    pub(super) inhibition: V,
    pub(super) inhibition_tau: V,
    pub(super) rise: V,
    pub(super) rise_slope: V,
    pub(super) rise_curve: V,
    pub(super) slope: V,
    pub(super) nmda: V,
    pub(super) y_nmda: V,
    pub(super) gabab: V,
    pub(super) leak: V,
    pub(super) i0: V,
    pub(super) ln_r: V,
    pub(super) feedback: V,
    pub(super) gate_slope: V,
    pub(super) gate_offset: V,
    pub(super) b: V,
    pub(super) inverse_b: V,
}

/// The input at some time of a step.
#[derive(Clone, Copy)]
pub struct Input<V: Number, const N: usize> {
    /// What of it has a closed form, without the smoothed input of arrivals; and that.
    pub(super) closed: V,
    pub(super) rise: V,
    /// The integral of both since the start of the step (on chart q).
    pub(super) integral: V,
    /// The currents that decay.
    pub(super) current: [V; N],
}

/// A right-hand side and what else is known there.
#[derive(Clone, Copy)]
pub struct Rate<V: Number> {
    /// What is integrated: d(chart)/dt less the input in closed form, or dt/d(chart).
    pub k: V,
    /// d(chart)/dt.
    pub total: V,
    /// The same without synaptic currents.
    pub unforced: V,
    /// How large its terms are: the scale of its rounding error.
    pub size: V,
    /// What the feedback adds with its gate open.
    pub(super) feedback: V,
    /// Imem/Igain.
    pub y: V,
    /// How far the input is above its floor.
    pub margin: V,
    /// Whether the feedback runs away.
    pub runs_away: V::Mask,
    /// Where on the chart, from the start of the step.
    pub(super) dx: V,
}

impl<V: Number, const N: usize> Equation<V, N> {
    /// The input `t` after the step's start.
    #[inline(always)]
    pub(super) fn input(&self, t: V) -> Input<V, N> {
        let mut decays = [t; N];
        let mut current = self.current;
        for c in 0..N {
            decays[c] = (-t * self.rate[c]).exp2_m1();
            current[c] = current[c].mul_add(decays[c], current[c]);
        }
        // With all input in closed form, what is constant stays what it is.
        let constant = if is_closed(N) { self.closed } else { self.slope.mul_add(t, self.closed) };
        let mut closed = self.ampa.mul_add(decays[AMPA], constant);
        let half = t.splat(0.5) * self.slope;
        let mean = if is_closed(N) { self.base } else { half.mul_add(t, self.base) };
        let mut integral = t * mean - self.ampa * self.tau * decays[AMPA];
        if N == 2 {
            let decay = decays[GABAB.min(N - 1)];
            closed = (-self.inhibition).mul_add(decay, closed);
            integral = (self.inhibition * self.inhibition_tau).mul_add(decay, integral);
        }
        if is_closed(N) {
            let half = t.splat(0.5) * self.rise_slope;
            let third = t.splat(1.0 / 3.0) * self.rise_curve;
            let mean = t.mul_add(t.mul_add(third, half), self.rise);
            integral = t.mul_add(mean, integral);
        }
        Input { closed, rise: self.rise_at(t), integral, current }
    }

    /// The smoothed input of arrivals `t` after the step's start.
    #[inline(always)]
    pub(super) fn rise_at(&self, t: V) -> V {
        if is_closed(N) {
            t.mul_add(t.mul_add(self.rise_curve, self.rise_slope), self.rise)
        } else {
            t.splat(0.0)
        }
    }

    /// At `dx` from the step's start (on q in time: without the input in closed form), `t` after it, under
    /// its `input` then, on chart z or q.
    #[inline(always)]
    pub(super) fn rate<F: Form, const Z: bool>(&self, dx: V, t: V, input: &Input<V, N>) -> Rate<V> {
        let (zero, one) = (t.splat(0.0), t.splat(1.0));
        let now = &input.current;
        let closed = if is_closed(N) { input.closed + input.rise } else { input.closed };
        let dx = if Z { dx } else { dx + self.is_swapped.select(zero, input.integral) };
        let x = self.x + dx;

        // Of the feedback (on z: of the gain g) numerator and denominator: one division serves the sum.
        let (y, above, below);
        if Z {
            // From where the step starts: near 1 a logarithm is accurate in relation to itself.
            let held = x.lt(self.x_low).select(self.x_low, x);
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
        if !is_closed(N) {
            leak = leak + now[GABAA.min(N - 1)] + now[AHP.min(N - 1)];
            let gated = (self.nmda + now[NMDA.min(N - 1)]) * (y / (y + self.y_nmda));
            let input = closed + gated - (self.gabab + now[GABAB.min(N - 1)]);
            margin = self.is_open.select(input - self.i0, zero);
            let input = self.is_open.select(input, self.i0);
            let input = input.lt(self.i0).select(self.i0, input);
            extra = input - closed;
        }

        // What only the end of a step asks for is dead code elsewhere.
        let input = closed + extra;
        let inverse = one / below;
        let never = zero.lt(zero);
        if Z {
            let sum = -self.b * (-leak).mul_add(below, input).mul_add(x, self.i0 * below);
            let k = self.is_swapped.select(below, sum) / self.is_swapped.select(sum, below);
            let total = sum * inverse;
            let size = self.b * leak.mul_add(x, self.i0);
            let unforced = -self.b * self.base.mul_add(inverse, -leak).mul_add(x, self.i0);
            let (feedback, runs_away) = (zero, never);
            Rate { k, total, unforced, size, feedback, y, margin, runs_away, dx }
        } else {
            let y1 = one + y;
            let net = (-leak).mul_add(below, above) * y1;
            let sum = extra.mul_add(below, net);
            let total = input.mul_add(below, net);
            let k = self.is_swapped.select(below, sum) / self.is_swapped.select(total, below);
            let part = above * inverse;
            let feedback = above * y1;
            let total = total * inverse;
            let unforced = (part - self.leak).mul_add(y1, self.base);
            let size = (part + leak).mul_add(y1, extra.abs());
            let runs_away = if F::POWER {
                (part * y1).gt(t.splat(RUN_AWAY) * input) & part.gt(t.splat(1.5) * leak)
            } else {
                never
            };
            Rate { k, total, unforced, size, feedback, y, margin, runs_away, dx }
        }
    }

    /// 1/σ − 1 of the feedback's gate σ.
    #[inline(always)]
    fn gate(&self, y: V) -> V {
        let exponent = self.gate_slope.mul_add(y, self.gate_offset);
        let closed = y.splat(V::CLOSED);
        exponent.lt(closed).select(exponent, closed).exp2()
    }
}

/// ln of the solution of y + ln y = s (the Wright omega function), s ≥ −60, to 0.03: a polynomial up to 6
/// (a minimax fit), and its asymptotes.
#[inline(always)]
fn rough_ln_omega<V: Number>(s: V) -> V {
    let middle = s.mul_add(s.splat(0.000_460_598_2), s.splat(-0.000_295_719_9));
    let middle = s.mul_add(s.mul_add(middle, s.splat(-0.063_619_125)), s.splat(0.642_564_39));
    let middle = s.mul_add(middle, s.splat(-0.580_738_53));
    let l = s.or_more(s.splat(1.0)).rough_log2() * s.splat(std::f64::consts::LN_2);
    let less = l.mul_add(s.splat(OMEGA_SLOPE), s.splat(-OMEGA_OFFSET));
    let high = l + less.or_less(s.splat(0.0));
    s.lt(s.splat(-4.0)).select(s, s.lt(s.splat(6.0)).select(middle, high))
}

/// The solution of y + ln y = s and its log2, by the fourth-order iteration of Fritsch, Shafer & Crowley
/// 1973.
#[inline(always)]
fn omega<V: Number>(s: V) -> (V, V) {
    let log2_e = s.splat(std::f64::consts::LOG2_E);
    let s = s.or_more(s.splat(-60.0)).or_less(s.splat(1e9));
    let start = rough_ln_omega(s);
    let mut log2 = start * log2_e;
    let mut y = log2.exp2();
    for refinement in 0..V::REFINEMENTS {
        if refinement > 0 {
            log2 = y.log2();
        }
        let rest = s.splat(-std::f64::consts::LN_2).mul_add(log2, s - y);
        let y1 = s.splat(1.0) + y;
        let q = s.splat(2.0) * y1 * s.splat(2.0 / 3.0).mul_add(rest, y1);
        let delta = rest * (q - rest) / (y1 * s.splat(-2.0).mul_add(rest, q));
        y = y.mul_add(delta, y);
        // ln(1 + delta)
        let series = delta.mul_add(s.splat(-0.25), s.splat(1.0 / 3.0));
        let series = delta.mul_add(series, s.splat(-0.5));
        let ln = delta * delta.mul_add(series, s.splat(1.0));
        log2 = ln.mul_add(log2_e, log2);
    }
    (y, log2)
}

#[cfg(test)]
mod tests {
    use super::super::real::Real;
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
