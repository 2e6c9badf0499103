//! The way of a neuron from event to event: what is due, the threshold and its reset, changes of the
//! chart, and what the verdict on a step asks for.

use super::dpi::{DpiNeuron, Phase};
use super::equation::{AHP, Form, GABAA, GABAB, NMDA, Rate, is_closed};
use super::lanes::{LANES, Lanes};
use super::precision::Precision;
use super::real::{Analytic, Real};
use super::run::{Next, Run};
use super::step::{
    BROKEN, CHART, CROSSED, FAULT, KINK, LANDED, LATE, MEMBRANE_FLOOR, REACHED, SPAN,
    SYNAPSE_FLOOR, TURNED,
};
use crate::backend::FaultKind;
use crate::circuit::Waveform;
use crate::circuit::number::Number;
use crate::time::Time;

/// After an event that makes a membrane so many times as fast, its step is a first one.
pub(super) const FASTER: f64 = 4.0;

/// How long a first step is, s, that comes to `way` on q at a rate. (A number, also where the rate is none: the step
/// finds that.)
#[inline(always)]
fn first_step(way: f64, rate: f64) -> f64 {
    way.min(2.5) / rate.abs().max(1.0)
}

/// How long a first step on z is, s, that leads so far at a speed: a second at most. (A number, also where the speed is
/// none: the step finds that.)
#[inline(always)]
fn first_step_on_z(way: f64, speed: f64) -> f64 {
    way / speed.abs().max(way)
}

/// The sums of what does not decay on a lane, whose input is open and above its floor or not; its direct input
/// has a value and a slope.
#[inline(always)]
pub(super) fn set_constants<R: Precision<N>, const N: usize>(
    lanes: &mut Lanes<R, N>,
    lane: usize,
    n: &DpiNeuron<N>,
    is_open: bool,
    (direct, slope): (f64, f64),
) {
    let (of, kept) = (R::of, R::Current::of);
    let is_above = |lanes: &Lanes<R, N>, c: usize| c < N && lanes.current(c.min(N - 1), lane) > 0.0;
    let input = if is_open { n.constant_input(direct, |c| is_above(lanes, c)) } else { n.i0 };
    lanes.base.keep(lane, kept(n.a * input));
    lanes.set_input(lane, is_open);
    let floor = |lanes: &Lanes<R, N>, c: usize| n.floor_of(c, is_above(lanes, c));
    lanes.leak[lane] = of(n.a * (n.leak + floor(lanes, GABAA) + floor(lanes, AHP)));
    if !is_closed(N) {
        lanes.slope.keep(lane, kept(if is_open { n.a * slope } else { 0.0 }));
        lanes.nmda[lane] = of(n.a * floor(lanes, NMDA));
        lanes.gabab[lane] = of(n.a * floor(lanes, GABAB));
    }
}

/// Where the chart of a lane ends.
#[inline(always)]
pub(super) fn set_chart<R: Precision<N>, F: Form, const N: usize>(
    lanes: &mut Lanes<R, N>,
    lane: usize,
    n: &DpiNeuron<N>,
    is_z: bool,
) {
    let (of, never) = (R::of, R::of(f64::from(f32::MAX)));
    lanes.is_z[lane] = of(f64::from(is_z));
    let up = of(n.y_open.or_less(f64::from(f32::MAX)));
    lanes.x_th[lane] = of(if is_z { n.z_th } else { n.q_th });
    lanes.y_up[lane] = if F::POWER && !is_z { up } else { never };
    lanes.y_down[lane] = if is_z { of(n.y_down) } else { of(0.0) };
}

/// Where the speed changes by no more than this part on the way to the threshold, its mean is enough to know when the
/// membrane comes there, to 1e-5: there the logarithm would be that of nearly 1, of few digits in single precision.
pub(super) const NEARLY_STEADY: f64 = 0.01;

/// How long it takes a membrane on chart z to its threshold, s, with input and leak as they are now, where z goes there in
/// closed form; infinity, if it does not come there before a time, `end`.
#[inline(always)]
pub(super) fn time_to_threshold<R: Precision<N>, const N: usize>(
    lanes: &Lanes<R, N>,
    lane: usize,
    end: f64,
) -> f64 {
    let (z, z_th, rest) = (lanes.x[lane], lanes.x_th[lane].double(), end - lanes.t[lane]);
    // The leak less what the input is worth; and the speeds, as parts of b, at the threshold and where it stands: all
    // times 1 + y, so that there is no division.
    let y1 = 1.0 + lanes.y[lane].double();
    let leak = lanes.leak[lane].double() * y1 - lanes.closed[lane].double();
    let i0 = lanes.i0[lane].double() * y1;
    let (top, bottom) = (i0 - leak * z_th, i0 - leak * z);
    let way = (z - z_th) * y1;
    // Mostly it is enough to know how far it would come at the faster one of both.
    let is_near = (top > 0.0) & (bottom > 0.0) & (way < rest * lanes.b * top.or_more(bottom));
    if !is_near {
        return f64::INFINITY;
    }
    let time = if (top - bottom).abs() < NEARLY_STEADY * bottom {
        2.0 * way / (lanes.b * (top + bottom))
    } else {
        R::of(top / bottom).log2().double() * std::f64::consts::LN_2 * y1 / (lanes.b * leak)
    };
    if time < rest { time } else { f64::INFINITY }
}

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// The direct input from now on.
    #[inline(always)]
    pub(super) fn read_direct_input(&mut self, lane: usize, waveform: &Waveform) {
        let t = self.lanes.t[lane];
        let (value, slope, change) = waveform.at(self.absolute(t));
        self.way_mut(lane).dc = (value, slope, t);
        self.way_mut(lane).dc_change = change.map_or(f64::INFINITY, |time| self.relative(time));
    }

    /// After biases or state have changed.
    #[inline(always)]
    pub(super) fn start_anew(&mut self, lane: usize) {
        self.neuron_mut(lane).is_anew = false;
        if N == 2 {
            self.way_mut(lane).is_at_floor = self.margin(lane) < 0.0;
            self.set_constants(lane);
        }
        if self.way(lane).phase == Phase::Hold {
            self.lanes.y[lane] = R::of(self.neuron(lane).y_reset);
            return;
        }
        let (r, y_th) = (self.neuron(lane).r, self.neuron(lane).y_th);
        let rate = self.evaluate(lane);
        self.set_first_step(lane, rate.total.double());
        let y = self.lanes.y[lane].double();
        if self.is_at_threshold(lane) || y >= y_th {
            self.spike(lane);
        } else if y <= r * (1.0 + 4.0 * R::EPSILON) {
            self.way_mut(lane).phase = Phase::Rest;
        }
    }

    /// The sums of what does not decay.
    #[inline(always)]
    pub(super) fn set_constants(&mut self, lane: usize) {
        let way = &self.ways[lane % LANES];
        let (value, slope, from) = way.dc;
        let direct = value + slope * (self.lanes.t[lane] - from);
        let is_open = self.lanes.is_open[lane] > R::of(0.0) && !way.is_at_floor;
        set_constants(self.lanes, lane, self.jobs.list[way.job].neuron, is_open, (direct, slope));
    }

    #[inline(always)]
    pub(super) fn set_chart(&mut self, lane: usize, is_z: bool) {
        let n = &*self.jobs.list[self.way(lane).job].neuron;
        set_chart::<R, F, N>(self.lanes, lane, n, is_z);
    }

    /// Handles all that is due at a lane's time; `false` when its neuron has reached the end.
    #[inline(always)]
    pub(super) fn proceed(&mut self, lane: usize) -> bool {
        loop {
            let t = self.lanes.t[lane];
            while let Some(stop) = self.jobs.stops.get(self.way(lane).stop)
                && self.relative(*stop) <= t
            {
                let (slot, stop) = (self.job(lane).slot, *stop);
                let state = self.state(lane);
                self.out.states.push((slot, stop, state));
                self.way_mut(lane).stop += 1;
            }
            if t >= self.end {
                return false;
            }
            let before = (self.lanes.closed[lane], self.lanes.base.seen()[lane]);
            let mut changed = self.reach_floors(lane);
            changed |= self.receive(lane);
            let job = self.way(lane).job;
            if t >= self.way(lane).dc_change
                && let Some(waveform) = self.jobs.list[job].dc
            {
                self.read_direct_input(lane, waveform);
                changed = true;
            }
            if t >= self.way(lane).refractory {
                self.way_mut(lane).refractory = f64::INFINITY;
                self.lanes.is_open[lane] = R::of(1.0);
                if self.way(lane).phase == Phase::Hold {
                    self.way_mut(lane).phase = Phase::Run;
                    self.reset(lane);
                }
                changed = true;
            }
            if N == 2 && changed {
                self.way_mut(lane).is_at_floor = self.margin(lane) < 0.0;
            } else if N == 2 && t >= self.way(lane).bend {
                self.way_mut(lane).is_at_floor ^= true;
                changed = true;
            }
            if changed {
                self.set_constants(lane);
                self.rate_after_event(lane, before);
            }
            let way = &self.ways[lane % LANES];
            let next = self.jobs.arrivals_of(way.job).get(way.arrival);
            let time = |time: Option<Time>| time.map_or(f64::INFINITY, |t| self.relative(t));
            let arrives = time(next.map(|a| a.time));
            let other = time(self.jobs.stops.get(way.stop).copied())
                .or_less(self.end)
                .or_less(way.refractory)
                .or_less(way.dc_change);
            let event = arrives.or_less(other).or_less(way.floor);
            let way = self.way_mut(lane);
            (way.arrives, way.other) = (arrives, other);
            let bend = if N == 2 { self.next_bend(lane, event) } else { f64::INFINITY };
            self.way_mut(lane).bend = bend;
            let event = event.or_less(bend);
            self.lanes.event[lane] = event;
            match self.way(lane).phase {
                Phase::Run => return self.set_out(lane) == Next::Step,
                Phase::Hold => self.skip(lane, event),
                Phase::Rest => {
                    let rate = self.rate_at_rest(lane);
                    if rate > 0.0 {
                        self.way_mut(lane).phase = Phase::Run;
                        self.set_first_step(lane, rate);
                        return true;
                    }
                    // So long, at least, that the rate changes in the precision of stages.
                    let n = self.neuron(lane);
                    let slowest = (0..N)
                        .filter(|c| self.lanes.current(*c, lane) > 0.0)
                        .map(|c| n.tau[c])
                        .fold(0.0, f64::max);
                    let least = (8.0 * R::EPSILON * slowest).max(self.model.tolerance);
                    let to = self.end_of_rest(lane, event).max(t + least).min(event);
                    self.skip(lane, to);
                }
            }
        }
    }

    /// The right-hand side where a lane stands, from which its next step starts.
    #[inline(always)]
    pub(super) fn evaluate(&mut self, lane: usize) -> Rate<R> {
        self.out.work.right_sides += 1;
        let rate = self.lanes.rate::<F>(lane);
        self.lanes.k[lane] = rate.k;
        self.lanes.unforced[lane] = rate.unforced;
        self.lanes.margin[lane] = rate.margin;
        rate
    }

    /// The rate after an event, `before` which the input in closed form, and its constant part, was another.
    #[inline(always)]
    pub(super) fn rate_after_event(&mut self, lane: usize, (before, base): (R, R)) {
        if self.way(lane).phase != Phase::Run {
            return;
        }
        let is_z = self.lanes.is_z[lane] > R::of(0.0);
        let slow = self.lanes.k[lane] + before;
        if !is_closed(N) {
            self.evaluate(lane);
        } else {
            // What is integrated on q does not contain the input; on z it does.
            let lanes = &mut *self.lanes;
            let change = lanes.closed[lane] - before;
            let mut constant = lanes.base.seen()[lane] - base;
            if is_z {
                let gain = R::of(1.0) / (R::of(1.0) + lanes.y[lane]);
                let by_input = R::of(-lanes.b) * R::of(lanes.x[lane]) * gain;
                lanes.k[lane] = lanes.k[lane] + by_input * change;
                constant = by_input * constant;
            }
            lanes.unforced[lane] = lanes.unforced[lane] + constant;
        }
        if !is_z {
            self.hold_step(lane, slow);
        } else if self.lanes.is_first[lane] > R::of(1.5) {
            self.set_first_step_on_z(lane);
        }
    }

    /// Where the membrane is much faster than it was, the next step is no longer than a first one: of a
    /// longer one not even the error is known.
    #[inline(always)]
    pub(super) fn hold_step(&mut self, lane: usize, slow: R) {
        let lanes = &mut *self.lanes;
        let fast = (lanes.k[lane] + lanes.closed[lane]).abs();
        if fast > R::of(FASTER) * slow.abs() {
            let first = first_step(lanes.first_q[lane].double(), fast.double());
            lanes.h[lane] = R::of(lanes.h[lane].double().min(first));
        }
    }

    /// The first step after a reset or a rest.
    #[inline(always)]
    pub(super) fn set_first_step(&mut self, lane: usize, rate: f64) {
        let lanes = &mut *self.lanes;
        lanes.h[lane] = R::of(first_step(lanes.first_q[lane].double(), rate));
        lanes.is_first[lane] = R::of(1.0);
    }

    /// The first step on z: what it came to last time.
    #[inline(always)]
    fn set_first_step_on_z(&mut self, lane: usize) {
        let lanes = &mut *self.lanes;
        let way = lanes.first_z[lane].double() * lanes.x[lane];
        lanes.h[lane] = R::of(first_step_on_z(way, lanes.k[lane].double()));
    }

    /// Puts the membrane to its reset.
    #[inline(always)]
    pub(super) fn reset(&mut self, lane: usize) {
        let n = self.neuron(lane);
        let (q, y, r, feedback) = (n.q_reset, n.y_reset, n.r, n.feedback_reset);
        self.set_chart(lane, false);
        self.set_constants(lane);
        let lanes = &mut *self.lanes;
        lanes.is_swapped[lane] = R::of(0.0);
        lanes.x[lane] = q;
        lanes.y[lane] = R::of(y);
        let total = if !is_closed(N) {
            self.evaluate(lane).total
        } else {
            self.out.work.right_sides += 1;
            lanes.k[lane] = (R::of(feedback) - lanes.leak[lane]) * R::of(1.0 + y);
            lanes.unforced[lane] = lanes.k[lane] + lanes.base.seen()[lane];
            lanes.k[lane] + lanes.closed[lane]
        };
        self.set_first_step(lane, total.double());
        let rests = y <= r * (1.0 + 1e-9) && total <= R::of(0.0);
        self.way_mut(lane).phase = if rests { Phase::Rest } else { Phase::Run };
    }

    /// The neuron spikes now.
    #[inline(always)]
    pub(super) fn spike(&mut self, lane: usize) {
        let t = self.lanes.t[lane];
        let time = self.absolute(t);
        let holds = self.model.holds();
        let way = &mut self.ways[lane % LANES];
        way.spikes += 1;
        let job = &mut self.jobs.list[way.job];
        self.out.spikes.push((time, job.slot));
        if way.spikes > self.most_spikes {
            self.out.faults.push((time, job.slot, FaultKind::Storm));
        }
        let n = &mut *job.neuron;
        let (ref_p, y_reset) = (n.ref_p, n.y_reset);
        if !is_closed(N) && n.raise[AHP.min(N - 1)] > 0.0 {
            let jump = n.raise[AHP.min(N - 1)];
            self.raise(lane, AHP.min(N - 1), jump);
            // From its first spike on it has a floor.
            self.neuron_mut(lane).has_floor[AHP] = true;
        }
        if ref_p > 0.0 {
            self.way_mut(lane).refractory = t + ref_p;
        }
        if ref_p > 0.0 && holds {
            self.way_mut(lane).phase = Phase::Hold;
            self.set_chart(lane, false);
            self.lanes.is_swapped[lane] = R::of(0.0);
            self.lanes.y[lane] = R::of(y_reset);
            self.set_constants(lane);
        } else {
            self.lanes.is_open[lane] = R::of(f64::from(ref_p <= 0.0));
            self.reset(lane);
        }
    }

    /// On chart z, of a step that spans no arrivals: to the next event in time, or, where the threshold comes first, along
    /// the chart.
    #[inline(always)]
    pub(super) fn choose_way(&mut self, lane: usize) {
        let lanes = &*self.lanes;
        let comes_first = time_to_threshold(lanes, lane, lanes.event[lane]).is_finite();
        if comes_first && !self.is_at_threshold(lane) {
            let way = lanes.x[lane] - lanes.x_th[lane].double();
            let step = lanes.h[lane].double() * lanes.k[lane].double().abs();
            self.swap(lane);
            self.lanes.h[lane] = R::of(-step.min(way));
        }
    }

    /// Whether a lane is on the threshold already, as nearly as its precision tells.
    #[inline(always)]
    pub(super) fn is_at_threshold(&self, lane: usize) -> bool {
        let (x, x_th) = (R::of(self.lanes.x[lane]), self.lanes.x_th[lane]);
        if self.lanes.is_z[lane] > R::of(0.0) { x <= x_th } else { x >= x_th }
    }

    /// From steps in time to steps along the chart.
    #[inline(always)]
    pub(super) fn swap(&mut self, lane: usize) {
        self.way_mut(lane).h = self.lanes.h[lane].double();
        let lanes = &mut *self.lanes;
        let closed = if lanes.is_z[lane] > R::of(0.0) { R::of(0.0) } else { lanes.closed[lane] };
        lanes.is_swapped[lane] = R::of(1.0);
        lanes.h[lane] = R::of(lanes.x_th[lane].double() - lanes.x[lane]);
        lanes.k[lane] = R::of(1.0) / (lanes.k[lane] + closed);
    }

    /// And back, with a step of `h`.
    #[inline(always)]
    pub(super) fn unswap(&mut self, lane: usize, h: f64) {
        let lanes = &mut *self.lanes;
        let closed = if lanes.is_z[lane] > R::of(0.0) { R::of(0.0) } else { lanes.closed[lane] };
        lanes.is_swapped[lane] = R::of(0.0);
        // No factor leads away from 0; beyond the next event no step goes.
        lanes.h[lane] = R::of(h.max(self.model.tolerance));
        lanes.k[lane] = R::of(1.0) / lanes.k[lane] - closed;
    }

    /// Does what the verdict on a lane's step asks for; whether an event is due then.
    #[inline(always)]
    pub(super) fn handle(&mut self, lane: usize) -> bool {
        let verdict = self.lanes.verdict[lane].double();
        let (is_accepted, verdict) = (verdict > 0.0, verdict.abs() as u32);
        let rest = self.lanes.event[lane] - self.lanes.t[lane];
        let mut is_at_threshold = false;
        if verdict & FAULT != 0 {
            let (slot, time) = (self.job(lane).slot, self.absolute(self.lanes.t[lane]));
            self.out.faults.push((time, slot, FaultKind::NotFinite));
            self.lanes.t[lane] = self.end;
            return true;
        } else if is_accepted {
            if self.way(lane).spanned > 0 {
                self.end_span(lane);
            }
            if verdict & CHART != 0 {
                self.change_chart(lane);
            }
            if verdict & REACHED != 0 {
                return true;
            }
            is_at_threshold = verdict & LANDED != 0;
            if !is_at_threshold && self.lanes.is_z[lane] > R::of(0.0) {
                self.choose_way(lane);
            }
        } else if verdict & SPAN != 0 {
            self.shorten_span(lane);
        } else if verdict & BROKEN != 0 {
            let h = 0.25 * self.way(lane).h.min(rest);
            self.unswap(lane, h);
        } else if verdict & SYNAPSE_FLOOR != 0 {
            let at = self.next_floor(lane);
            let planned = self.way(lane).floor;
            self.way_mut(lane).floor = at;
            self.lanes.event[lane] = self.lanes.event[lane].min(at);
            if self.lanes.is_swapped[lane] > R::of(0.0) {
                // Along the chart nothing ends a step at an event.
                self.unswap(lane, (at - self.lanes.t[lane]).max(0.0));
            } else if at >= planned {
                // The step ends there already, but so long a decay is too far off.
                self.lanes.h[lane] = R::of(0.5 * self.lanes.h[lane].double().min(rest));
            }
            return at <= self.lanes.t[lane];
        } else if verdict & LATE != 0 {
            self.way_mut(lane).late = self.lanes.x[lane];
            self.unswap(lane, rest);
        } else if verdict & CROSSED != 0 {
            // (In single precision a step to the event may be a hair shorter.)
            let is_last = self.lanes.h[lane] >= R::of(rest);
            let is_at_event = is_last && self.way(lane).late == self.lanes.x[lane];
            is_at_threshold = is_at_event || self.is_at_threshold(lane);
            if is_at_event {
                // After the event along the chart, before it in time: it is at the event, as nearly as
                // steps can tell.
                self.skip(lane, self.lanes.event[lane]);
            } else if !is_at_threshold {
                self.swap(lane);
            }
        } else if verdict & MEMBRANE_FLOOR != 0 {
            return self.fall(lane);
        } else if verdict & KINK != 0 {
            // `attempt` has left the margin at the end of the step; the crossing is sought by secant.
            let (from, to) =
                (self.lanes.margin[lane].double(), self.lanes.margin_end[lane].double());
            let h = self.lanes.h[lane].double().min(rest);
            self.lanes.h[lane] = R::of(h * from / (from - to));
        } else if verdict & TURNED != 0 {
            self.lanes.h[lane] = R::of(0.5 * self.lanes.h[lane].double().min(rest));
        }
        if is_at_threshold {
            self.spike(lane);
            if self.way(lane).spikes > self.most_spikes {
                // One that fires without bound is left alone.
                self.lanes.t[lane] = self.end;
            }
        }
        is_at_threshold
    }

    /// To the other chart.
    #[inline(always)]
    pub(super) fn change_chart(&mut self, lane: usize) {
        let b = self.model.b;
        let ln_r = self.neuron(lane).ln_r;
        let lanes = &mut *self.lanes;
        let y = lanes.y[lane].double();
        if lanes.is_z[lane] > R::of(0.0) {
            let u = Analytic::log2(lanes.x[lane]) * std::f64::consts::LN_2 / -b;
            let per_q = (1.0 + y) / (-b * lanes.x[lane]);
            let speed = lanes.k[lane].double() / (-b * lanes.x[lane]);
            lanes.unforced[lane] = lanes.unforced[lane] * R::of(per_q);
            lanes.x[lane] = u + y;
            lanes.k[lane] = R::of(speed * (1.0 + y)) - lanes.closed[lane];
            self.set_chart(lane, false);
            self.set_first_step(lane, speed * (1.0 + y));
        } else {
            // Whole powers of two apart, so that they take no digits: here an error of z is one of time.
            let (m, e) = lanes.y[lane].mantissa_and_exponent();
            let log2 = m.log2().double() + e.double() - ln_r * std::f64::consts::LOG2_E;
            let n = (-b * log2).round_ties_even();
            let power = f64::from_bits(((1023 + n as i64) as u64) << 52);
            let z = R::of(-b * log2 - n).exp2().double() * power;
            let speed = (lanes.k[lane] + lanes.closed[lane]).double() / (1.0 + y);
            lanes.x[lane] = z;
            lanes.k[lane] = R::of(-b * z * speed);
            lanes.unforced[lane] = lanes.unforced[lane] * R::of(-b * z / (1.0 + y));
            lanes.is_first[lane] = R::of(2.0);
            self.set_chart(lane, true);
            self.set_first_step_on_z(lane);
        }
        self.way_mut(lane).has_changed_chart = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::super::lanes::BLOCK;
    use super::*;
    use crate::circuit::math::exp;

    /// A membrane on z: at `z`, with its threshold, y, leak, input and dark current.
    fn at<R: Precision<1>>([z, z_th, y, leak, input, i0]: [f64; 6]) -> (Box<Lanes<R, 1>>, usize) {
        let (mut lanes, lane) = (Box::new(Lanes::<R, 1>::new(0.41, 1e-8)), BLOCK + 3);
        (lanes.x[lane], lanes.x_th[lane], lanes.y[lane]) = (z, R::of(z_th), R::of(y));
        (lanes.leak[lane], lanes.closed[lane]) = (R::of(leak), R::of(input));
        (lanes.i0[lane], lanes.t[lane]) = (R::of(i0), -0.25);
        (lanes, lane)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 400,
            rng_seed: RngSeed::Fixed(5),
            ..ProptestConfig::default()
        })]

        /// The time to the threshold is the integral of the inverse of the speed, by Simpson's rule, however near the
        /// threshold is and whether the membrane speeds up or slows down on the way.
        #[test]
        fn the_threshold_comes_when_it_is_said_to(
            y in 0.5_f64..500.0,
            i0 in 1.0_f64..300.0,
            // What leak and input together take from the dark current's speed.
            net in prop_oneof![-20.0_f64..0.95, (-14.0_f64..0.0).prop_map(|x| 0.95 * exp(x))],
            leak in 0.0_f64..2000.0,
            to_go in (-9.0_f64..0.0).prop_map(exp),
            more in 1.02_f64..3.0,
        ) {
            let z = 0.02 / (1.0 + y);
            // As the lane has them.
            let single = |x: f64| f64::from(x as f32);
            let z_th = single(z * (1.0 - 0.999 * to_go));
            let (y, i0) = (single(y), single(i0));
            let leak = single(leak.max(net * i0 / z));
            let input = single((leak - net * i0 / z) * (1.0 + y));
            let net = leak - input / (1.0 + y);
            let speed = |z: f64| 0.41 * (i0 - net * z);
            prop_assume!(speed(z) > 0.02 * i0);
            let (pieces, mut sum) = (2000, 0.0);
            for k in 0..=pieces {
                let weight = if k % pieces == 0 { 1.0 } else if k % 2 == 1 { 4.0 } else { 2.0 };
                sum += weight / speed(z_th + (z - z_th) * f64::from(k) / f64::from(pieces));
            }
            let expected = sum * (z - z_th) / (3.0 * f64::from(pieces));
            let lane = [z, z_th, y, leak, input, i0];
            let (double, single) = (at::<f64>(lane), at::<f32>(lane));
            let times = |end: f64| {
                let end = end - 0.25;
                let in_double = time_to_threshold(&*double.0, double.1, end);
                [in_double, time_to_threshold(&*single.0, single.1, end)]
            };
            for (time, digits) in times(more * expected).into_iter().zip([1e-5, 1e-4]) {
                prop_assert!((time / expected - 1.0).abs() < digits, "{time}, not {expected}");
            }
            prop_assert_eq!(times(expected / more), [f64::INFINITY; 2]);
        }
    }

    #[test]
    fn a_first_step_is_a_number() {
        assert_eq!(first_step_on_z(0.01, -2.0), 0.005);
        for speed in [0.0, f64::NAN, 1e-300] {
            assert_eq!(first_step_on_z(0.01, speed), 1.0);
        }
        assert!(first_step(0.5, f64::NAN).is_finite());
    }

    #[test]
    fn a_membrane_that_falls_does_not_come_to_its_threshold() {
        for (input, comes) in [(0.0, false), (3500.0, true)] {
            let (lanes, lane) = at::<f64>([0.02, 1e-4, 1.0, 2000.0, input, 30.0]);
            assert_eq!(time_to_threshold(&*lanes, lane, 1e9).is_finite(), comes);
        }
    }
}
