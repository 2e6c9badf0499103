//! Neurons that begin a window side by side.
//!
//! In networks most windows of a neuron are one step from end to end, over what arrives in between. So
//! neurons begin a window together, on lanes of their own: how their steps span what arrives is worked out
//! in vectors, they are stepped once, and those that are done are put back. The others join those that
//! [run](super::run) from event to event. What comes out is what each would come to alone.

use super::Job;
#[cfg(test)]
use super::arrivals::tests;
use super::dpi::{CALM_FOR, DpiNeuron, Phase};
use super::equation::{AMPA, Form, GABAB, is_closed};
use super::events::{set_chart, set_constants, threshold_is_near};
use super::lanes::{BEGINNING, COHORT, NEURONS};
use super::precision::Precision;
use super::real::Real;
use super::run::{Run, Way, fill, seconds};
use super::span::{Arrived, Site, end_of_span, is_worth_it};
use super::step::{ACCEPTED, REACHED, select};
use crate::circuit::number::{Mask, Number, Packed, Width};
use crate::prefetch::prefetch;
use crate::time::Time;

/// Neurons are fetched that many before they are put on lanes.
const PREFETCH: usize = 6;
/// Where more arrives in a window, a neuron does not begin it here: it takes more than a step.
const MOST: usize = 12;

/// As many as there are lanes for, on both charts.
const BOTH: usize = 2 * COHORT;
/// A number of each of them.
type Row = [f64; BOTH];

/// What is known of neurons that begin, besides what is on their lanes; those on chart z from [`COHORT`] on.
#[repr(align(64))]
pub(super) struct Beginning {
    /// Their jobs.
    jobs: [usize; BOTH],
    /// How many there are on each chart, and how many arrivals the step of one spans at most.
    begun: [usize; 2],
    most: [usize; 2],
    /// When the first arrival comes, s from the start of the window.
    arrives: Row,
    /// How many arrivals the step spans, if it may, and where it ends then.
    spanned: [usize; BOTH],
    end: Row,
    /// Each of these arrivals: the pulse (0: there is none), and its time before the end.
    pulse: [Row; MOST],
    before_end: [Row; MOST],
    /// Where they arrive, as in [`Site`].
    y: Row,
    closed: Row,
    constant: Row,
    current: [Row; 2],
    falls: [Row; 2],
    /// What has arrived by the end, as in [`Arrived`], and the parabola that stands for it.
    left: [Row; 2],
    integral: Row,
    parabola: [Row; 3],
    /// How far that leads off (0: the step does not span it), and how long the step is.
    detour: Row,
    length: Row,
}

impl Default for Beginning {
    fn default() -> Beginning {
        let row = [0.0; BOTH];
        Beginning {
            jobs: [0; BOTH],
            begun: [0; 2],
            most: [0; 2],
            arrives: row,
            spanned: [0; BOTH],
            end: row,
            pulse: [row; MOST],
            before_end: [row; MOST],
            y: row,
            closed: row,
            constant: row,
            current: [row; 2],
            falls: [row; 2],
            left: [row; 2],
            integral: row,
            parabola: [row; 3],
            detour: row,
            length: row,
        }
    }
}

impl Beginning {
    /// Smoothes what arrives at the neurons of a chart, which have `N` circuits, in steps from `t` on.
    /// Where these do not span it, there is no detour.
    #[inline(always)]
    fn smooth<W: Width, const N: usize>(&mut self, width: W, chart: usize, t: &Row) {
        let (from, most) = (chart.min(1) * COHORT, self.most[chart]);
        for at in (from..from + COHORT).step_by(W::Double::LANES) {
            let read = |row: &Row| W::Double::read(width, &row[at..]);
            let length = read(&self.end) - read(t);
            let zero = length.splat(0.0);
            let falls = [read(&self.falls[AMPA]), read(&self.falls[GABAB])];
            let mut arrived = Arrived::nothing(length);
            for (pulses, before_end) in self.pulse.iter_mut().zip(&self.before_end).take(most) {
                let pulses = &mut pulses[at..];
                let pulse = W::Double::read(width, pulses);
                // At the next ones less may arrive.
                zero.write(pulses);
                let own = if N == 1 {
                    falls[AMPA]
                } else {
                    pulse.lt(zero).select(falls[GABAB], falls[AMPA])
                };
                arrived.add(pulse, own, read(before_end));
            }
            let site = Site {
                y: read(&self.y),
                closed: read(&self.closed),
                constant: read(&self.constant),
                current: [read(&self.current[AMPA]), read(&self.current[GABAB])],
                falls: falls[AMPA],
            };
            let may = arrived.is_small::<N>(&site, length);
            let write = |number: W::Double, row: &mut Row| number.write(&mut row[at..]);
            write(length, &mut self.length);
            write(may.select(arrived.detour(length), zero), &mut self.detour);
            for (number, row) in arrived.parabola(length).into_iter().zip(&mut self.parabola) {
                write(number, row);
            }
            for (number, row) in arrived.left.into_iter().zip(&mut self.left) {
                write(number, row);
            }
            write(arrived.integrals[0], &mut self.integral);
        }
        (self.begun[chart], self.most[chart]) = (0, 0);
    }
}

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// Takes the next neurons, until the lanes of one chart are full. Those that begin with a step are put on lanes of
    /// their chart, calm ones left as they are, and the others taken in. How many lanes are to be stepped on each
    /// chart: those that are full, and in the end all. (Some of z are empty: who may come to the threshold has
    /// joined the others.)
    #[inline(always)]
    pub(super) fn begin<W: Width>(&mut self, width: W, all: &mut Beginning) -> [usize; 2] {
        // As many as there is room for, if all go on.
        let room = NEURONS - (self.on[0] + self.on[1] + all.begun[0] + all.begun[1]);
        let last = self.next + room;
        while self.next < last && !all.begun.contains(&COHORT) {
            let job = self.next;
            // (No further ahead than there is room: another thread may begin those sooner.)
            self.jobs.fetch((job + PREFETCH).min(last - 1));
            if job == self.jobs.list.len() {
                break;
            }
            self.next += 1;
            if let Some(soon) = self.jobs.list.get(job + PREFETCH) {
                prefetch(&*soon.neuron, DpiNeuron::<N>::HOT);
            }
            if !self.set_off(job, all) {
                self.take_in(job);
            }
        }
        let are_all = self.next == self.jobs.list.len() && self.jobs.more.is_none();
        let mut stepped = all.begun;
        for (chart, stepped) in stepped.iter_mut().enumerate() {
            if !are_all && *stepped < COHORT {
                *stepped = 0;
            }
            if *stepped > 0 {
                self.span_together(width, chart, all);
            }
        }
        // Those that may come to the threshold.
        for k in COHORT..COHORT + stepped[1] {
            let lane = BEGINNING + k;
            if threshold_is_near(self.lanes, lane) {
                #[cfg(test)]
                tests::count(tests::Short::Near, 1);
                let to = self.join(k, all);
                self.choose_way(to);
                self.clear(lane);
            }
        }
        stepped
    }

    /// Lets the steps of those on a chart span what arrives, where they may.
    #[inline(always)]
    fn span_together<W: Width>(&mut self, width: W, chart: usize, all: &mut Beginning) {
        let from = chart.min(1) * COHORT;
        let lanes = &mut *self.lanes;
        let [t, ..] = lanes.t[BEGINNING..].as_chunks().0 else { return };
        all.smooth::<W, N>(width, chart, t);
        let (zero, none) = (R::of(0.0), R::Current::of(0.0));
        for k in 0..COHORT {
            let k = from + k;
            let lane = BEGINNING + k;
            let detour = R::of(all.detour[k]);
            let may = detour > zero;
            let number = |row: &Row| select(may, R::of(row[k]), zero);
            let [value, slope, curve] = &all.parabola;
            lanes.rise[lane] = number(value);
            lanes.rise_slope[lane] = number(slope);
            lanes.rise_curve[lane] = number(curve);
            lanes.detour[lane] = select(may, detour, zero);
            let longer = lanes.h[lane].or_more(R::of(all.length[k]));
            lanes.h[lane] = select(may, longer, lanes.h[lane]);
        }
        for k in 0..COHORT {
            let k = from + k;
            let (lane, may) = (BEGINNING + k, R::of(all.detour[k]) > zero);
            let number = |row: &Row| select(may, R::Current::of(row[k]), none);
            let [ampa, gabab] = &all.left;
            lanes.left_of_ampa[lane] = number(ampa);
            if N == 2 {
                lanes.left_of_gabab[lane] = number(gabab);
            }
            lanes.integral[lane] = number(&all.integral);
            lanes.event[lane] = select(may, all.end[k], lanes.event[lane]);
        }
    }

    /// Puts a neuron on the next lane of its chart, if it begins with a step, or leaves it where it is, if it is calm
    /// (with the result of [`Self::take_in`]); whether it is one of these.
    #[inline(always)]
    fn set_off(&mut self, job: usize, all: &mut Beginning) -> bool {
        if !is_closed(N) {
            return false;
        }
        let (Job { neuron, dc, .. }, arrivals) = (&self.jobs.list[job], self.jobs.arrivals_of(job));
        let n = &**neuron;
        let is_plain = n.phase == Phase::Run
            && !(n.is_anew | n.is_at_floor | (n.is_z & (n.is_first > 0.0)))
            && n.refractory == Time::MAX
            && self.jobs.stops.is_empty()
            && dc.is_none()
            && arrivals.len() <= MOST;
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
            tests::count(tests::Short::Calm, usize::from(is_z));
            return true;
        }
        let chart = usize::from(n.is_z);
        let k = chart * COHORT + all.begun[chart] % COHORT;
        let lane = BEGINNING + k;
        fill(self.lanes, lane, n, t, self.end);
        let lanes = &mut *self.lanes;
        set_chart::<R, F, N>(lanes, lane, n, n.is_z);
        lanes.is_open[lane] = R::of(1.0);
        set_constants(lanes, lane, n, true, (0.0, 0.0));
        lanes.event[lane] = event;
        all.begun[chart] += 1;
        #[cfg(test)]
        tests::count(tests::Short::Begun, chart);
        (all.jobs[k], all.arrives[k], all.spanned[k], all.end[k]) = (job, arrives, 0, t);
        if arrives >= self.end || lanes.is_first[lane] > R::of(0.0) {
            return true;
        }
        let end = end_of_span(t, lanes.h[lane].double(), self.end, arrives, n.fastest);
        let mut spanned = 0;
        for arrival in arrivals {
            let before_end = end - seconds(arrival.time, self.origin);
            if before_end <= 0.0 {
                break;
            }
            let c = self.model.circuit_of(arrival.receptor);
            // (There are no more; the compiler does not know.)
            all.pulse[spanned % MOST][k] = n.pulse(c, arrival.weight);
            all.before_end[spanned % MOST][k] = before_end;
            spanned += 1;
        }
        if !is_worth_it(spanned, end, self.end) {
            all.pulse[0][k] = 0.0;
            return true;
        }
        all.most[chart] = all.most[chart].max(spanned);
        (all.spanned[k], all.end[k]) = (spanned, end);
        (all.y[k], all.closed[k]) = (lanes.y[lane].double(), lanes.closed[lane].double());
        all.constant[k] = constant;
        for (c, current) in current.into_iter().enumerate().take(N) {
            (all.current[c][k], all.falls[c][k]) = (current, n.falls(c));
        }
        true
    }

    /// Goes on with neurons that have begun their window.
    #[inline(always)]
    pub(super) fn go_on(&mut self, stepped: [usize; 2], all: &Beginning) {
        let done = R::of(f64::from(ACCEPTED + REACHED));
        for (chart, stepped) in stepped.into_iter().enumerate() {
            for k in chart * COHORT..chart * COHORT + stepped {
                let lane = BEGINNING + k;
                if self.lanes.running[lane] <= R::of(0.0) {
                    continue;
                }
                let is_done =
                    self.lanes.verdict[lane] == done && self.lanes.event[lane] >= self.end;
                let is_driven = self.lanes.detour[lane] > R::of(0.0);
                #[cfg(test)]
                {
                    let kind = if is_done { tests::Short::Done } else { tests::Short::Joined };
                    tests::count(kind, chart);
                    if is_driven {
                        tests::count(tests::Short::Spanned, chart);
                    }
                }
                if is_done {
                    self.store(lane, &Way { job: all.jobs[k], is_driven, ..Way::IDLE });
                } else {
                    let to = self.join(k, all);
                    if self.wants_attention(to..to + 1) {
                        self.attend(to);
                        if !self.is_in_place(to) {
                            self.place(to);
                        }
                    }
                }
                self.clear(lane);
            }
        }
    }

    /// Brings a neuron that has begun to those that run from event to event: the lane.
    #[inline(always)]
    fn join(&mut self, k: usize, all: &Beginning) -> usize {
        let lane = BEGINNING + k;
        let is_spanned = self.lanes.detour[lane] > R::of(0.0);
        let is_too_much = all.spanned[k] > 0 && !is_spanned;
        let way = Way {
            job: all.jobs[k],
            arrives: all.arrives[k],
            other: self.end,
            spanned: if is_spanned { all.spanned[k] } else { 0 },
            longest_span: if is_too_much { 0.5 * all.length[k] } else { f64::INFINITY },
            h: self.jobs.list[all.jobs[k]].neuron.h,
            ..Way::IDLE
        };
        let to = self.seat_down(way, k / COHORT);
        self.lanes.copy(lane, to);
        to
    }
}
