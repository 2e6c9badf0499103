//! Which neuron is on which lane.
//!
//! Neurons [begin](super::begin) a window on free lanes, until those of a chart are full: then
//! [what arrives](super::span) in their steps is smoothed, and [`attempt_block`] steps them at once. In networks
//! four in five are at the end of their window then, and others get their lanes; those that are not go on beside these.
//! Whatever is not simply accepted or rejected is [handled](super::events) lane by lane. Neurons on chart q are on other lanes
//! than those on chart z, so that a vector has one chart. No lane looks at another, so a result does not depend on
//! which neurons are advanced together, or when.

use std::ops::Range;

use smallvec::SmallVec;

#[cfg(test)]
use super::arrivals::tests;
use super::dpi::{DpiEvent, DpiNeuron, Phase};
use super::equation::{AHP, AMPA, Form, GABAA, GABAB, NMDA, is_closed};
use super::lanes::{BLOCK, LANES, Lanes, Set, alone, of_block, of_chart, those};
use super::precision::Precision;
use super::real::{Analytic, Real};
use super::span::Spans;
use super::step::{ACCEPTED, Attempt, REACHED, STAGES, attempt_block};
use super::{Job, Jobs, Output, most_spikes};
use crate::circuit::math::{exp, ln};
use crate::circuit::number::{Number, Width};
use crate::solver::kernel::bits;
use crate::time::Time;

/// What a lane needs besides its numbers.
#[derive(Clone, Copy)]
pub(super) struct Way {
    /// Index of its job.
    pub(super) job: usize,
    /// The next of its arrivals and stops.
    pub(super) arrival: usize,
    /// How many arrivals the next step spans, and how long such a step may be, s.
    pub(super) spanned: usize,
    pub(super) longest_span: f64,
    pub(super) stop: usize,
    /// When the next arrival comes, and when the first event that is none.
    pub(super) arrives: f64,
    pub(super) other: f64,
    pub(super) phase: Phase,
    /// Whether it has changed its chart in this window: then its first step there spans no arrivals.
    pub(super) has_changed_chart: bool,
    /// When it is no longer refractory, when a synapse reaches its floor, and when its direct input
    /// changes; s from the start of the window.
    pub(super) refractory: f64,
    pub(super) floor: f64,
    pub(super) dc_change: f64,
    /// When the sum of inputs reaches or leaves its floor next, and whether it is there.
    pub(super) bend: f64,
    pub(super) is_at_floor: bool,
    /// The direct input: value and slope at a time, A.
    pub(super) dc: (f64, f64, f64),
    /// The step in time before it stepped along its chart.
    pub(super) h: f64,
    /// From where the threshold seemed to come after the next event, along the chart.
    pub(super) late: f64,
    /// Whether something arrived.
    pub(super) is_driven: bool,
    pub(super) spikes: u64,
}

impl Way {
    /// Of no neuron.
    pub(super) const IDLE: Way = Way {
        job: usize::MAX,
        arrival: 0,
        spanned: 0,
        longest_span: f64::INFINITY,
        stop: 0,
        arrives: f64::INFINITY,
        other: f64::INFINITY,
        phase: Phase::Run,
        has_changed_chart: false,
        refractory: f64::INFINITY,
        floor: f64::INFINITY,
        dc_change: f64::INFINITY,
        bend: f64::INFINITY,
        is_at_floor: false,
        dc: (0.0, 0.0, 0.0),
        h: 0.0,
        late: f64::NAN,
        is_driven: false,
        spikes: 0,
    };
}

/// Room for neurons that are being advanced; no lane has one between windows.
pub(super) struct Room<R: Precision<N>, const N: usize> {
    lanes: Lanes<R, N>,
    attempt: Attempt<R, N>,
    spans: Spans,
}

impl<R: Precision<N>, const N: usize> Room<R, N> {
    pub(super) fn new(b: f64, tolerance: f64) -> Room<R, N> {
        Room {
            lanes: Lanes::new(b, tolerance),
            attempt: Attempt::default(),
            spans: Spans::default(),
        }
    }
}

/// A time from the start of the window, s.
#[inline(always)]
pub(super) fn seconds(time: Time, origin: Time) -> f64 {
    let ticks = time.picoseconds() as i64 - origin.picoseconds() as i64;
    ticks as f64 * (1.0 / Time::PER_SECOND as f64)
}

/// How a lane goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With a step.
    Step,
    /// Not: its neuron is done with the window.
    End,
    /// To be found out.
    Unknown,
}

/// A window's jobs on their lanes: `next` is the next one that has not begun.
pub(super) struct Run<'a, 'j, R: Precision<N>, F, const N: usize> {
    pub(super) model: &'a DpiEvent<R, F, N>,
    pub(super) lanes: &'a mut Lanes<R, N>,
    pub(super) spans: &'a mut Spans,
    pub(super) ways: [Way; LANES],
    /// Lanes that have a neuron, and those of them whose neuron is on the other chart: no lane of that is free.
    pub(super) taken: Set,
    pub(super) leaving: Set,
    pub(super) jobs: &'a mut Jobs<'j, DpiNeuron<N>>,
    pub(super) next: usize,
    pub(super) origin: Time,
    /// End of the window, s from its start.
    pub(super) end: f64,
    pub(super) most_spikes: u64,
    pub(super) out: &'a mut Output,
}

/// Carries neurons to the end of a window.
#[inline(always)]
pub(super) fn run<W: Width, R: Precision<N>, F: Form, const N: usize>(
    width: W,
    model: &DpiEvent<R, F, N>,
    jobs: &mut Jobs<DpiNeuron<N>>,
    window: Range<Time>,
    out: &mut Output,
) {
    let end = (window.end - window.start).seconds();
    let unused = model.rooms.take();
    let mut room = unused.unwrap_or_else(|| Box::new(Room::new(model.b, model.tolerance)));
    let Room { lanes, attempt, spans } = &mut *room;
    let mut run = Run {
        model,
        lanes,
        spans,
        ways: [Way::IDLE; LANES],
        taken: 0,
        leaving: 0,
        jobs,
        next: 0,
        origin: window.start,
        end,
        most_spikes: most_spikes(end),
        out,
    };
    loop {
        run.begin();
        let Some(chart) = run.next_chart() else { break };
        let is_smoothed = run.smooth(width, chart);
        attempt_block::<W, R, F, N>(width, run.lanes, attempt, chart);
        if is_smoothed {
            run.lanes.forget_spans(chart);
        }
        run.count_steps(chart);
        run.attend_all(chart);
        run.change_lanes();
    }
    model.rooms.put(room);
}

/// Puts the numbers of a neuron on a lane: it is at `t`, and the window has an end, s from its start.
#[inline(always)]
pub(super) fn fill<R: Precision<N>, const N: usize>(
    lanes: &mut Lanes<R, N>,
    lane: usize,
    n: &DpiNeuron<N>,
    t: f64,
    end: f64,
) {
    let (of, kept) = (R::of, R::Current::of);
    lanes.running[lane] = of(1.0);
    lanes.t[lane] = t;
    lanes.x[lane] = n.x;
    lanes.k[lane] = of(n.k);
    lanes.unforced[lane] = of(n.unforced);
    lanes.h[lane] = of(n.h);
    lanes.y[lane] = of(n.y);
    lanes.is_swapped[lane] = of(0.0);
    lanes.is_first[lane] = of(n.is_first);
    lanes.first_q[lane] = of(n.first_q);
    lanes.first_z[lane] = of(n.first_z);
    // A hair below: rounding must not look like a fall.
    lanes.x_floor[lane] = of(n.r - 16.0 * R::EPSILON * (1.0 + n.r));
    for c in 0..N {
        lanes.current[c].keep(lane, kept(n.current[c]));
        lanes.rate[c].keep(lane, kept(n.decay[c]));
    }
    lanes.tau.keep(lane, kept(n.tau[AMPA]));
    lanes.inhibition_tau.keep(lane, kept(n.tau[GABAB.min(N - 1)]));
    if !is_closed(N) {
        lanes.margin[lane] = of(n.margin);
        lanes.y_nmda[lane] = of(n.y_nmda);
    }
    lanes.i0[lane] = of(n.a * n.i0);
    // Rounding of currents, and that of time for the fastest synapse.
    let clock = 4.0 * f64::EPSILON * end.or_more(-t) * n.fastest;
    let rounding = (32.0 * R::Current::EPSILON + clock).or_less(1e-3);
    lanes.i0_low[lane] = kept(n.a * n.i0 * (1.0 - rounding));
    lanes.ln_r[lane] = of(n.ln_r);
    lanes.feedback[lane] = of(n.feedback);
    lanes.gate_slope[lane] = of(n.gate_slope);
    lanes.gate_offset[lane] = of(n.gate_offset);
}

impl<'j, R: Precision<N>, F: Form, const N: usize> Run<'_, 'j, R, F, N> {
    /// The chart whose lanes are to be stepped next; `None`: no lane has a neuron.
    #[inline(always)]
    fn next_chart(&self) -> Option<usize> {
        let on = [0, 1].map(|chart| (self.taken & of_chart(chart)).count_ones());
        let most = usize::from(on[1] > on[0]);
        // Who waits for a lane of a chart is not stepped on the other.
        match [0, 1].map(|chart| self.leaving & of_chart(chart)) {
            [0, 0] => (on[most] > 0).then_some(most),
            [_, 0] => Some(1),
            _ => Some(0),
        }
    }

    /// The lanes of a chart have tried a step.
    #[inline(always)]
    fn count_steps(&mut self, chart: usize) {
        let (lanes, mut accepted) = (of_block(chart), 0);
        for verdict in &self.lanes.verdict[lanes] {
            accepted += u32::from(*verdict > R::of(0.0));
        }
        let running = u64::from((self.taken & of_chart(chart)).count_ones());
        self.out.work.steps += running;
        self.out.work.right_sides += STAGES * running;
        self.out.work.rejected += running - u64::from(accepted);
    }

    /// Goes on with the neurons of a chart after a step.
    #[inline(always)]
    fn attend_all(&mut self, chart: usize) {
        let lanes = &*self.lanes;
        let (none, accepted) = (R::of(0.0), R::of(f64::from(ACCEPTED)));
        let is_plain = |verdict: R| (verdict >= none) & (verdict <= accepted);
        let plain = those(chart, |lane| is_plain(lanes.verdict[lane]));
        let (reached, end) = (R::of(f64::from(ACCEPTED + REACHED)), self.end);
        let is_done = |lane: usize| (lanes.verdict[lane] == reached) & (lanes.event[lane] >= end);
        let done = if self.jobs.stops.is_empty() { those(chart, is_done) } else { 0 };
        #[cfg(test)]
        let done = if tests::may_be_short() { done } else { 0 };
        // As it would be found out below.
        for lane in bits(done) {
            let lane = lane as usize % LANES;
            self.ways[lane].is_driven |= self.ways[lane].spanned > 0;
            #[cfg(test)]
            tests::count(tests::Seen::Done, chart);
            self.end(lane);
        }
        for lane in bits(self.taken & of_chart(chart) & !plain) {
            let lane = lane as usize % LANES;
            self.attend(lane);
            self.note_chart(lane);
        }
    }

    /// Notes if a neuron is on the other chart than its lane.
    #[inline(always)]
    pub(super) fn note_chart(&mut self, lane: usize) {
        let is_z = self.lanes.is_z[lane] > R::of(0.0);
        if self.taken & alone(lane) != 0 && is_z != (lane >= BLOCK) {
            self.leaving |= alone(lane);
        }
    }

    /// Brings neurons to lanes of their charts, as far as there are any.
    #[inline(always)]
    pub(super) fn change_lanes(&mut self) {
        while self.leaving != 0 {
            let [from_q, from_z] = [0, 1].map(|chart| {
                let leaving = self.leaving & of_chart(chart);
                (leaving != 0).then_some(leaving.trailing_zeros() as usize % LANES)
            });
            // (In the window of a change of chart the first step there spans nothing.)
            debug_assert!(
                self.leaving & self.spans.asked == 0,
                "what is to be spanned is left behind"
            );
            if let (Some(a), Some(b)) = (from_q, from_z) {
                self.lanes.exchange(a, b);
                self.ways.swap(a, b);
                self.leaving &= !(alone(a) | alone(b));
                continue;
            }
            let Some(from) = from_q.or(from_z) else { break };
            let Some(to) = self.free_lane(usize::from(from < BLOCK)) else {
                #[cfg(test)]
                tests::count(tests::Seen::Waits, usize::from(from >= BLOCK));
                break;
            };
            self.lanes.copy(from, to);
            self.ways[to] = self.ways[from];
            self.leaving &= !alone(from);
            self.taken |= alone(to);
            self.leave(from);
        }
    }

    /// A lane of a chart that has no neuron.
    #[inline(always)]
    pub(super) fn free_lane(&self, chart: usize) -> Option<usize> {
        let free = of_chart(chart) & !self.taken;
        (free != 0).then_some(free.trailing_zeros() as usize % LANES)
    }

    #[inline(always)]
    pub(super) fn way(&self, lane: usize) -> &Way {
        &self.ways[lane % LANES]
    }

    #[inline(always)]
    pub(super) fn way_mut(&mut self, lane: usize) -> &mut Way {
        &mut self.ways[lane % LANES]
    }

    #[inline(always)]
    pub(super) fn job(&self, lane: usize) -> &Job<'j, DpiNeuron<N>> {
        &self.jobs.list[self.way(lane).job]
    }

    #[inline(always)]
    pub(super) fn neuron_mut(&mut self, lane: usize) -> &mut DpiNeuron<N> {
        let job = self.way(lane).job;
        self.jobs.list[job].neuron
    }

    /// A lane has no neuron any more.
    #[inline(always)]
    fn leave(&mut self, lane: usize) {
        self.taken &= !alone(lane);
        self.lanes.running[lane] = R::of(0.0);
        self.lanes.h[lane] = R::of(0.0);
        self.lanes.verdict[lane] = R::of(0.0);
    }

    #[inline(always)]
    pub(super) fn relative(&self, time: Time) -> f64 {
        seconds(time, self.origin)
    }

    #[inline(always)]
    pub(super) fn absolute(&self, t: f64) -> Time {
        let ticks = (t * Time::PER_SECOND as f64).round_ties_even() as i64;
        Time::from_picoseconds((self.origin.picoseconds() as i64 + ticks).max(0) as u64)
    }

    #[inline(always)]
    pub(super) fn neuron(&self, lane: usize) -> &DpiNeuron<N> {
        self.job(lane).neuron
    }

    /// Does what the verdict on a lane's step asks for, and what is due then.
    #[inline(always)]
    pub(super) fn attend(&mut self, lane: usize) {
        if self.handle(lane) {
            let next = self.take_arrival(lane);
            if next == Next::End || next == Next::Unknown && !self.proceed(lane) {
                self.end(lane);
            }
        }
        self.lanes.verdict[lane] = R::of(0.0);
    }

    /// The neuron of a lane is done with the window.
    #[inline(always)]
    pub(super) fn end(&mut self, lane: usize) {
        self.store(lane);
        self.leave(lane);
    }

    /// Puts back where a neuron has come to.
    #[inline(always)]
    fn store(&mut self, lane: usize) {
        let way = *self.way(lane);
        let time = self.absolute(self.lanes.t[lane]);
        let is_refractory = way.refractory.is_finite();
        let refractory = if is_refractory { self.absolute(way.refractory) } else { Time::MAX };
        let is_awake = !self.is_quiet(lane, &way);
        let lanes = &self.lanes;
        let n = &mut *self.jobs.list[way.job].neuron;
        n.time = time;
        n.phase = way.phase;
        n.is_at_floor = way.is_at_floor;
        n.x = lanes.x[lane];
        n.k = lanes.k[lane].double();
        n.unforced = lanes.unforced[lane].double();
        if !is_closed(N) {
            n.margin = lanes.margin[lane].double();
        }
        n.h = lanes.h[lane].double();
        n.y = lanes.y[lane].double();
        n.is_z = lanes.is_z[lane] > R::of(0.0);
        n.is_first = lanes.is_first[lane].double();
        n.first_q = lanes.first_q[lane].double();
        n.first_z = lanes.first_z[lane].double();
        for c in 0..N {
            n.current[c] = lanes.current(c, lane);
        }
        n.refractory = refractory;
        n.is_awake = is_awake;
        if is_awake {
            self.out.awake.push(self.jobs.list[way.job].slot);
        }
    }

    /// Whether a neuron provably cannot spike unless something arrives: there is a membrane current,
    /// now or a little above, at which even the largest input and the smallest leak of the future
    /// lead downwards. Inputs that decay are largest now; what inhibits may be gone.
    #[inline(always)]
    fn is_quiet(&mut self, lane: usize, way: &Way) -> bool {
        let lanes = &*self.lanes;
        if way.is_driven
            || way.refractory.is_finite()
            || self.jobs.list[way.job].dc.is_some()
            || lanes.is_z[lane] > R::of(0.0)
        {
            return false;
        }
        let mut current = [0.0; N];
        for (c, current) in current.iter_mut().enumerate() {
            *current = lanes.current(c, lane);
        }
        let (y, closed) = (lanes.y[lane].double(), lanes.closed[lane].double());
        self.cannot_fire(way.job, y, closed, current)
    }

    /// The same of the neuron of a job on chart q, whose input is open and does not change by itself: it has
    /// `y`, an input in closed form, and currents above their floor or 0.
    #[inline(always)]
    pub(super) fn cannot_fire(
        &mut self,
        job: usize,
        y: f64,
        closed: f64,
        current: [f64; N],
    ) -> bool {
        let n = &*self.jobs.list[job].neuron;
        let now = |c: usize| if c < N { current[c.min(N - 1)] } else { 0.0 };
        let floor = |c: usize| n.a * if n.has_floor[c] { n.floor[c] } else { 0.0 };
        let closed = if N == 2 { n.a * n.input + floor(AMPA).or_more(now(AMPA)) } else { closed };
        let nmda = floor(NMDA).or_more(now(NMDA));
        let leak = n.a * n.leak + floor(GABAA) + floor(AHP);
        for factor in [1.0, 1.05, 1.5, 3.0] {
            let y = y * factor;
            if y >= n.y_th {
                return false;
            }
            let gated = if is_closed(N) { 0.0 } else { nmda * y / (y + n.y_nmda) - floor(GABAB) };
            let input = (closed + gated).or_more(n.a * n.i0);
            // The feedback does not pull down.
            if input >= leak * (1.0 + y) {
                continue;
            }
            self.out.work.right_sides += 1;
            let gate = 1.0 + exp((n.gate_slope * y + n.gate_offset) * std::f64::consts::LN_2);
            let feedback = if F::POWER {
                exp(n.feedback * std::f64::consts::LN_2 + self.model.b * ln(y)) / gate
            } else {
                n.feedback / gate
            };
            // Less than nothing by a margin for rounding.
            let total = input + (feedback - leak) * (1.0 + y);
            if total < -1e-5 * (input + leak * (1.0 + y)) {
                return true;
            }
        }
        false
    }

    /// The state columns where a lane stands.
    pub(super) fn state(&self, lane: usize) -> SmallVec<[f64; 4]> {
        let n = self.neuron(lane);
        let mut copy = n.clone();
        copy.is_anew = false;
        copy.y = self.lanes.y[lane].double();
        for c in 0..N {
            copy.current[c] = self.lanes.current(c, lane);
        }
        super::EventModel::state(self.model, &copy)
    }
}
