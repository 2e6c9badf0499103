//! Steps that span arrivals.
//!
//! Where many pulses arrive, the time between two of them is short, whatever the membrane does, and each
//! changes its course little. So a step may span arrivals, with their input smoothed: by the parabola that
//! has the same integral over the step, the same integral of that, and the same again. So smoothed, the
//! membrane makes a small detour within the step, and ends it where it should, but for what the
//! [step](super::step) counts as part of its error. A step that does not count is tried anew, shorter, and
//! in the end leads from one arrival to the next.

use super::equation::{AMPA, Form, GABAB, is_closed};
use super::precision::Precision;
use super::real::Real;
use super::run::{Run, seconds};
use crate::circuit::math::horner;
use crate::circuit::number::{Mask, Number};
use crate::time::Time;

/// How far the integral of a smoothed pulse is off, at most, in units of what would arrive if it came at
/// the start of the step and did not decay: where it comes in the middle.
pub(super) const FURTHEST: f64 = 1.0 / 16.0;
/// The largest detour on q, as a part of 1 + y, so that y changes by no more than that part.
pub(super) const LARGEST_DETOUR: f64 = 0.05;
/// The longest time from the first arrival to the end of the step, as a part of the shortest τ.
pub(super) const LONGEST_DECAY: f64 = 0.5;
/// A step that spans arrivals is no longer than this part of what the error of the one before allows: what
/// smoothing leaves grows with a lower power of its length.
pub(super) const NEXT: f64 = 0.6;
/// But so many times as long, from arrival to arrival, while such a step would be too short to span any.
pub(super) const GROWTH: f64 = 1.1;
/// (1 − r + r²/2 − exp(−r))/r³, up to r = [`LONGEST_DECAY`] to 5e-12: its Taylor series.
pub(super) const REST_OF_DECAY: [f64; 9] = {
    let mut c = [1.0 / 6.0; 9];
    let mut k = 1;
    while k < 9 {
        c[8 - k] = -c[9 - k] / (k as f64 + 3.0);
        k += 1;
    }
    c
};

/// What arrives in a step, of one neuron or of several side by side.
#[derive(Clone, Copy)]
pub(super) struct Arrived<V> {
    /// Of AMPA and of GABA_B: what there is of it at the end, and the sum of all pulses (none is negative).
    pub(super) left: [V; 2],
    pulses: [V; 2],
    /// The integral of their input over the step, that of the integral, and that again.
    pub(super) integrals: [V; 3],
}

/// The neuron at which they arrive, in rates as in [`DpiNeuron`](super::dpi::DpiNeuron).
#[derive(Clone, Copy)]
pub(super) struct Site<V> {
    /// Imem/Igain.
    pub(super) y: V,
    /// The input in closed form at the start of the step; and what of its [margin](Run::margins) is constant.
    pub(super) closed: V,
    pub(super) constant: V,
    /// The currents of AMPA and GABA_B, and by which part of itself AMPA's falls, 1/s.
    pub(super) current: [V; 2],
    pub(super) falls: V,
}

impl<V: Number> Arrived<V> {
    /// Nothing; `like` is any number.
    #[inline(always)]
    pub(super) fn nothing(like: V) -> Arrived<V> {
        let zero = like.splat(0.0);
        Arrived { left: [zero; 2], pulses: [zero; 2], integrals: [zero; 3] }
    }

    /// A `pulse`, with a minus where it is one of GABA_B, which decays by `decay` (1/s), at a time before the
    /// end.
    #[inline(always)]
    pub(super) fn add(&mut self, pulse: V, decay: V, time: V) {
        let (zero, one) = (pulse.splat(0.0), pulse.splat(1.0));
        let (inhibits, size) = (pulse.lt(zero), pulse.abs());
        let r = time * decay;
        let third = horner(r, REST_OF_DECAY);
        let second = (-r).mul_add(third, pulse.splat(0.5));
        let first = (-r).mul_add(second, one);
        let left = size * (-r).mul_add(first, one);
        for (sum, more) in [(&mut self.left, left), (&mut self.pulses, size)] {
            sum[AMPA] = sum[AMPA] + inhibits.select(zero, more);
            sum[GABAB] = sum[GABAB] + inhibits.select(more, zero);
        }
        let integral = time * pulse;
        let [one, two, three] = &mut self.integrals;
        *one = *one + integral * first;
        *two = *two + integral * time * second;
        *three = *three + integral * time * time * third;
    }

    /// How far smoothing may lead off within a step, on q.
    #[inline(always)]
    pub(super) fn detour(&self, length: V) -> V {
        length.splat(FURTHEST) * (self.pulses[AMPA] + self.pulses[GABAB]) * length
    }

    /// Whether it changes little at a neuron of `N` circuits, which stays on its way.
    #[inline(always)]
    pub(super) fn is_small<const N: usize>(&self, site: &Site<V>, length: V) -> V::Mask {
        let (zero, one) = (length.splat(0.0), length.splat(1.0));
        let all = self.pulses[AMPA] + self.pulses[GABAB];
        let largest = length.splat(LARGEST_DETOUR) * (one + site.y);
        // At its floor a current does not decay.
        let decays = |c: usize| self.pulses[c].le(zero) | site.current[c].gt(zero);
        let is_small = self.detour(length).le(largest) & all.le(site.closed) & decays(AMPA);
        if N == 1 {
            return is_small;
        }
        // The sum of all input stays above its floor.
        let [ampa, gabab] = site.current;
        let ampa = ampa * (one - site.falls * length);
        let least = site.constant + ampa - gabab - self.pulses[GABAB];
        is_small & decays(GABAB) & least.gt(zero)
    }

    /// The parabola with these integrals over a step: value, slope and half the second derivative at its
    /// start.
    #[inline(always)]
    pub(super) fn parabola(&self, length: V) -> [V; 3] {
        let of = |x: f64| length.splat(x);
        let scale = of(1.0) / length;
        let [one, two, three] = self.integrals;
        let (two, three) = (two * scale, three * scale * scale);
        let value = of(60.0) * three - of(24.0) * two + of(3.0) * one;
        let slope = of(168.0) * two - of(24.0) * one - of(360.0) * three;
        let curve = of(30.0) * one - of(180.0) * two + of(360.0) * three;
        [value * scale, slope * scale * scale, curve * scale * scale * scale]
    }
}

/// The end of a step from `t` that spans arrivals, the first of which comes at `arrives`: it would be of `h`,
/// and goes no further than `reach`.
#[inline(always)]
pub(super) fn end_of_span(t: f64, h: f64, reach: f64, arrives: f64, fastest: f64) -> f64 {
    // No tiny step is left over.
    let rest = reach - t;
    let end = if h >= rest { reach } else { t + if 2.0 * h > rest { 0.5 * rest } else { h } };
    let end = end.or_less(arrives + LONGEST_DECAY / fastest);
    // As time is kept: a neuron may stay there.
    let ticks = (end * Time::PER_SECOND as f64).round_ties_even();
    if end < reach { ticks * (1.0 / Time::PER_SECOND as f64) } else { reach }
}

/// Whether a step over so many arrivals saves one: to span a single one does so only where a step ends anyway.
#[inline(always)]
pub(super) fn is_worth_it(spanned: usize, end: f64, reach: f64) -> bool {
    spanned > 1 || spanned == 1 && end >= reach
}

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// Lets the next step span arrivals, where it may.
    #[inline(always)]
    pub(super) fn span(&mut self, lane: usize) {
        let (way, lanes) = (self.ways[self.seat(lane)], &*self.lanes);
        let (reach, zero) = (way.other.min(way.floor), R::of(0.0));
        let is_plain = is_closed(N)
            && lanes.event[lane] == way.arrives
            && way.arrives < reach
            && !way.is_at_floor
            && lanes.is_open[lane] > zero
            && lanes.is_first[lane] <= zero
            && lanes.is_swapped[lane] <= zero;
        if !is_plain {
            return;
        }
        let n = &*self.jobs.list[way.job].neuron;
        let (t, h) = (lanes.t[lane], lanes.h[lane].double().min(way.longest_span));
        let end = end_of_span(t, h, reach, way.arrives, n.fastest);
        let (mut arrived, mut spanned) = (Arrived::nothing(t), 0);
        for arrival in &self.jobs.arrivals_of(way.job)[way.arrival..] {
            let before_end = end - self.relative(arrival.time);
            if before_end <= 0.0 {
                break;
            }
            let c = self.model.circuit_of(arrival.receptor);
            arrived.add(n.pulse(c, arrival.weight), n.falls(c), before_end);
            spanned += 1;
        }
        if !is_worth_it(spanned, end, reach) {
            self.way_mut(lane).longest_span *= GROWTH;
            return;
        }
        let length = end - t;
        let (constant, current) = self.margins(lane);
        let (y, closed) = (lanes.y[lane].double(), lanes.closed[lane].double());
        let site = Site { y, closed, constant, current, falls: n.falls(AMPA) };
        let detour = R::of(arrived.detour(length));
        if !(arrived.is_small::<N>(&site, length) && detour > zero) {
            self.way_mut(lane).longest_span = 0.5 * length;
            return;
        }
        let [value, slope, curve] = arrived.parabola(length);
        let lanes = &mut *self.lanes;
        lanes.rise[lane] = R::of(value);
        lanes.rise_slope[lane] = R::of(slope);
        lanes.rise_curve[lane] = R::of(curve);
        lanes.left_of_ampa[lane] = R::Current::of(arrived.left[AMPA]);
        if N == 2 {
            lanes.left_of_gabab[lane] = R::Current::of(arrived.left[GABAB]);
        }
        lanes.integral[lane] = R::Current::of(arrived.integrals[0]);
        lanes.detour[lane] = detour;
        lanes.h[lane] = lanes.h[lane].or_more(R::of(length));
        lanes.event[lane] = end;
        self.way_mut(lane).spanned = spanned;
    }

    /// The next step spans no arrivals.
    #[inline(always)]
    pub(super) fn clear_span(&mut self, lane: usize) {
        self.way_mut(lane).spanned = 0;
        let (lanes, zero) = (&mut *self.lanes, R::of(0.0));
        lanes.rise[lane] = zero;
        lanes.rise_slope[lane] = zero;
        lanes.rise_curve[lane] = zero;
        lanes.left_of_ampa[lane] = R::Current::of(0.0);
        if N == 2 {
            lanes.left_of_gabab[lane] = R::Current::of(0.0);
        }
        lanes.integral[lane] = R::Current::of(0.0);
        lanes.detour[lane] = zero;
    }

    /// The step spans no arrivals: it ends at the first.
    #[inline(always)]
    pub(super) fn leave_span(&mut self, lane: usize) {
        self.clear_span(lane);
        self.lanes.event[lane] = self.way(lane).arrives;
    }

    /// The step that spans arrivals does not count: it is tried anew, shorter.
    #[inline(always)]
    pub(super) fn shorten_span(&mut self, lane: usize) {
        let length = self.lanes.event[lane] - self.lanes.t[lane];
        self.way_mut(lane).longest_span = 0.5 * length;
        self.leave_span(lane);
        self.span(lane);
    }

    /// The step that spanned arrivals counts.
    #[inline(always)]
    pub(super) fn end_span(&mut self, lane: usize) {
        let seat = self.seat(lane);
        let way = &mut self.ways[seat];
        way.longest_span = NEXT * self.lanes.h[lane].double();
        way.arrival += way.spanned;
        way.is_driven = true;
        (way.floor, way.bend) = (f64::INFINITY, f64::INFINITY);
        let next = self.jobs.arrivals_of(way.job).get(way.arrival);
        way.arrives = next.map_or(f64::INFINITY, |next| seconds(next.time, self.origin));
        self.clear_span(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::math::exp;

    /// Integrals of exp(-(t - from)/τ) from `from` to `end`, once, twice and three times: in closed form.
    fn integrals(tau: f64, time: f64) -> [f64; 3] {
        let one = tau * (1.0 - exp(-time / tau));
        let two = tau * (time - one);
        [one, two, tau * (0.5 * time * time - two)]
    }

    #[test]
    fn pulses_are_summed_in_closed_form() {
        let tau = [30e-3, 7e-3];
        let pulses = [(0, 3.0, 0.9e-3), (1, 2.0, 3.5e-3), (0, 0.5, 1e-7)];
        let mut arrived = Arrived::nothing(0.0);
        let (mut left, mut sums) = ([0.0; 2], [0.0; 3]);
        for (c, pulse, time) in pulses {
            let sign = if c == 0 { pulse } else { -pulse };
            arrived.add(sign, 1.0 / tau[c], time);
            left[c] += pulse * exp(-time / tau[c]);
            for (sum, own) in sums.iter_mut().zip(integrals(tau[c], time)) {
                *sum += sign * own;
            }
        }
        let close = |a: f64, b: f64, scale: f64| (a - b).abs() < 5e-12 * scale;
        assert!(close(arrived.left[0], left[0], 3.0) && close(arrived.left[1], left[1], 3.0));
        // In closed form, differences lose digits.
        for (k, scale) in [7e-3, 5e-5, 4e-7].into_iter().enumerate() {
            assert!(close(arrived.integrals[k], sums[k], scale), "integral {k}");
        }
    }

    /// The integral of a parabola is that of what it stands for, once, twice and three times.
    #[test]
    fn the_parabola_has_the_integrals_of_the_pulses() {
        let length = 2e-3_f64;
        let mut arrived = Arrived::nothing(0.0);
        arrived.add(4.0, 1.0 / 30e-3, 1.3e-3);
        arrived.add(-1.0, 1.0 / 7e-3, 0.2e-3);
        let [value, slope, curve] = arrived.parabola(length);
        for (k, sum) in arrived.integrals.into_iter().enumerate() {
            // The n-th integral of t^p up to h is h^(p + n)·p!/(p + n)!.
            let n = k as i32 + 1;
            let factorial = |n: i32| (1..=n).map(f64::from).product::<f64>();
            let of = |p: i32| length.powi(p + n) * factorial(p) / factorial(p + n);
            let ours = value * of(0) + slope * of(1) + curve * of(2);
            assert!((ours - sum).abs() < 1e-13 * length.powi(n), "integral {n}: {ours}, not {sum}");
        }
    }

    /// How far the integral of a smoothed pulse leads off is what it is said to be, and reached.
    #[test]
    fn no_pulse_leads_off_further_than_that() {
        let mut furthest = 0.0_f64;
        for from in (1..100).map(|k| f64::from(k) / 100.0) {
            let mut arrived = Arrived::nothing(0.0);
            arrived.add(1.0, 0.0, 1.0 - from);
            let [value, slope, curve] = arrived.parabola(1.0);
            for t in (0..=1000).map(|k| f64::from(k) / 1000.0) {
                let smooth = t * (value + t * (0.5 * slope + t * curve / 3.0));
                furthest = furthest.max((smooth - (t - from).max(0.0)).abs());
            }
        }
        assert!(furthest > 0.999 * FURTHEST && furthest < FURTHEST * (1.0 + 1e-12), "{furthest}");
    }
}
