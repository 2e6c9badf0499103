//! Neurons that begin a window.
//!
//! In networks most windows of a neuron are one step from end to end, over what arrives in between. Those that begin so
//! take a short way to their lane; what comes out is what the general one leads to.

use super::Job;
#[cfg(test)]
use super::arrivals::tests;
use super::dpi::{CALM_FOR, DpiNeuron, Phase};
use super::equation::{AMPA, Form, GABAB, is_closed};
use super::events::{set_chart, set_constants};
use super::lanes::{LANES, alone};
use super::precision::Precision;
use super::real::Real;
use super::run::{Run, Way, fill};
use crate::circuit::number::Number;
use crate::prefetch::prefetch;
use crate::time::Time;

/// Neurons are fetched that many before they are put on lanes.
const PREFETCH: usize = 6;

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// Puts the next neurons on lanes, until those of a chart are full. Calm ones are left as they are.
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        while self.leaving == 0
            && let (Some(on_q), Some(on_z)) = (self.free_lane(0), self.free_lane(1))
        {
            let job = self.next;
            self.jobs.fetch(job + PREFETCH);
            if job == self.jobs.list.len() {
                break;
            }
            self.next += 1;
            if let Some(soon) = self.jobs.list.get(job + PREFETCH) {
                prefetch(&*soon.neuron, DpiNeuron::<N>::HOT);
            }
            if !self.set_off(job, [on_q, on_z]) {
                self.take_in(job, [on_q, on_z]);
            }
        }
    }

    /// Puts a neuron on the free lane of its chart, if it begins with a step, or leaves it where it is, if it is calm
    /// (with the result of [`Self::take_in`]); whether it is one of these.
    #[inline(always)]
    fn set_off(&mut self, job: usize, free: [usize; 2]) -> bool {
        if !is_closed(N) {
            return false;
        }
        let (Job { neuron, dc, .. }, arrivals) = (&self.jobs.list[job], self.jobs.arrivals_of(job));
        let n = &**neuron;
        let is_plain = n.phase == Phase::Run
            && !(n.is_anew | n.is_at_floor)
            && n.refractory == Time::MAX
            && self.jobs.stops.is_empty()
            && dc.is_none();
        #[cfg(test)]
        let is_plain = is_plain && tests::may_be_short();
        let t = self.relative(n.time);
        let arrives = arrivals.first().map_or(f64::INFINITY, |a| self.relative(a.time));
        let event = arrives.or_less(self.end);
        let current = [n.current[AMPA], n.current[GABAB.min(N - 1)]];
        let constant = n.constant_margin(current);
        if !is_plain || event <= t || n.may_bend(constant, current, event - t) {
            return false;
        }
        let is_idle = arrives >= self.end && self.end - t <= CALM_FOR;
        if is_idle && n.is_calm(n.y, current[0], self.end - t) {
            // As a lane would have it. (Numbers of a neuron are those of a lane once more, where it is not anew; and
            // time is whole picoseconds.)
            let base = R::Current::of(n.a * n.constant_input(0.0, |c| c < N && current[c] > 0.0));
            let closed = (base + R::Current::of(current[0])).double();
            let (y, is_z, current) = (n.y, n.is_z, n.current);
            let is_awake = is_z || !self.cannot_fire(job, y, R::of(closed).double(), current);
            let job = &mut self.jobs.list[job];
            job.neuron.is_awake = is_awake;
            if is_awake {
                self.out.awake.push(job.slot);
            }
            #[cfg(test)]
            tests::count(tests::Seen::Calm, usize::from(is_z));
            return true;
        }
        let chart = usize::from(n.is_z);
        let lane = free[chart] % LANES;
        fill(self.lanes, lane, n, t, self.end);
        let lanes = &mut *self.lanes;
        set_chart::<R, F, N>(lanes, lane, n, n.is_z);
        lanes.is_open[lane] = R::of(1.0);
        set_constants(lanes, lane, n, true, (0.0, 0.0));
        lanes.event[lane] = event;
        self.ways[lane] = Way { job, arrives, other: self.end, h: n.h, ..Way::IDLE };
        self.taken |= alone(lane);
        #[cfg(test)]
        tests::count(tests::Seen::Begun, chart);
        self.start(lane);
        true
    }

    /// Takes a neuron to its window, whatever it is like.
    #[inline(always)]
    fn take_in(&mut self, job: usize, free: [usize; 2]) {
        let n = &*self.jobs.list[job].neuron;
        let is_refractory = n.refractory < Time::MAX;
        let refractory = if is_refractory { self.relative(n.refractory) } else { f64::INFINITY };
        let (phase, is_at_floor, h) = (n.phase, n.is_at_floor, n.h);
        let (is_z, is_anew) = (n.is_z, n.is_anew);
        let lane = free[usize::from(is_z)] % LANES;
        let t = self.relative(n.time);
        fill(self.lanes, lane, n, t, self.end);
        self.ways[lane] = Way { job, phase, refractory, is_at_floor, h, ..Way::IDLE };
        self.taken |= alone(lane);
        self.lanes.is_open[lane] = R::of(f64::from(!is_refractory || self.model.holds()));
        if let Some(waveform) = self.jobs.list[job].dc {
            self.read_direct_input(lane, waveform);
        }
        self.set_chart(lane, is_z);
        self.set_constants(lane);
        if is_anew {
            self.start_anew(lane);
        }
        if !self.proceed(lane) {
            self.end(lane);
        }
        self.note_chart(lane);
        self.change_lanes();
    }
}
