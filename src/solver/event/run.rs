//! Which neuron is on which lane.
//!
//! Neurons [begin](super::begin) a window many at a time, on lanes of their own; those that one step does not bring
//! to its end go on here. [`attempt_all`] steps whole blocks of lanes at once; as long as others are to begin, who
//! does not fill a block waits. Whatever is not simply accepted or rejected is [handled](super::events) lane
//! by lane. Neurons on chart q are on other lanes than those on chart z, so that a vector has one chart. No lane
//! looks at another, so a result does not depend on which neurons are advanced together, or when.

use std::ops::Range;

use smallvec::SmallVec;

use super::begin::Beginning;
use super::dpi::{DpiEvent, DpiNeuron, Phase};
use super::equation::{AHP, AMPA, Form, GABAA, GABAB, NMDA, is_closed};
use super::lanes::{BEGINNING, BLOCK, COHORT, Lanes, NEURONS, WIDTH};
use super::precision::Precision;
use super::real::{Analytic, Real};
use super::step::{ACCEPTED, Attempt, STAGES, attempt_all};
use super::{Job, Jobs, Output, most_spikes};
use crate::circuit::math::{exp, ln};
use crate::circuit::number::{Number, Width};
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
    beginning: Beginning,
}

impl<R: Precision<N>, const N: usize> Room<R, N> {
    pub(super) fn new(b: f64, tolerance: f64) -> Room<R, N> {
        Room {
            lanes: Lanes::new(b, tolerance),
            attempt: Attempt::default(),
            beginning: Beginning::default(),
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
    pub(super) ways: [Way; NEURONS],
    /// The index of each lane's way, and those that no lane has.
    pub(super) seats: [u8; WIDTH],
    pub(super) free: Vec<u8>,
    pub(super) jobs: &'a mut Jobs<'j, DpiNeuron<N>>,
    pub(super) next: usize,
    /// How many neurons are on chart q, and on chart z.
    pub(super) on: [usize; 2],
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
    let mut room = model.take_room();
    let Room { lanes, attempt, beginning } = &mut *room;
    let mut run = Run {
        model,
        lanes,
        ways: [Way::IDLE; NEURONS],
        seats: [0; WIDTH],
        free: (0..NEURONS as u8).collect(),
        jobs,
        next: 0,
        on: [0; 2],
        origin: window.start,
        end,
        most_spikes: most_spikes(end),
        out,
    };
    // Lanes that want attention, and those whose neuron leaves them.
    let mut handled: Vec<usize> = Vec::with_capacity(WIDTH);
    let mut leaving = [(); 2].map(|()| Vec::<usize>::with_capacity(NEURONS));
    loop {
        // Who goes on is stepped by whole blocks, as long as there are others that may fill one.
        let are_more = run.next < run.jobs.list.len() || run.jobs.more.is_some();
        let [on_q, on_z] = run.on;
        let whole = [on_q / BLOCK * BLOCK, on_z / BLOCK * BLOCK];
        let begins = are_more && whole == [0; 2];
        let stepped = if begins {
            run.begin(width, beginning)
        } else if are_more {
            whole
        } else {
            run.on
        };
        if stepped == [0; 2] && !are_more {
            break;
        }
        let from = if begins { [BEGINNING, BEGINNING + COHORT] } else { [0, NEURONS] };
        let blocks =
            |chart: usize| from[chart]..from[chart] + stepped[chart].next_multiple_of(BLOCK);
        attempt_all::<W, R, F, N>(width, run.lanes, attempt, [blocks(0), blocks(1)]);
        run.count_steps([blocks(0), blocks(1)]);
        if begins {
            run.go_on(stepped, beginning);
            continue;
        }
        handled.clear();
        for chart in [0, 1] {
            for from in blocks(chart).step_by(BLOCK).rev() {
                if !run.wants_attention(from..from + BLOCK) {
                    continue;
                }
                for lane in (from..from + BLOCK).rev() {
                    if run.wants_attention(lane..lane + 1) {
                        handled.push(lane);
                    }
                }
            }
        }
        let [from_q, from_z] = &mut leaving;
        from_q.clear();
        from_z.clear();
        for lane in &handled {
            run.attend(*lane);
            if !run.is_in_place(*lane) {
                if *lane < NEURONS { &mut *from_q } else { &mut *from_z }.push(*lane);
            }
        }
        for (a, b) in from_q.iter().zip(&*from_z) {
            run.exchange(*a, *b);
        }
        // Backwards: a lane that is left is filled by the last one, which must be in place by then.
        for lane in from_q.iter().chain(&*from_z) {
            if !run.is_in_place(*lane) {
                run.place(*lane);
            }
        }
    }
    model.put_room(room);
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
    /// Lanes have tried a step.
    #[inline(always)]
    fn count_steps(&mut self, lanes: [Range<usize>; 2]) {
        let (mut running, mut accepted) = (0, 0);
        for lanes in lanes {
            for first in lanes.step_by(BLOCK) {
                // Never less; the compiler knows by this that there are so many lanes.
                let first = first.min(WIDTH - BLOCK);
                for lane in first..first + BLOCK {
                    running += u32::from(self.lanes.running[lane] > R::of(0.0));
                    accepted += u32::from(self.lanes.verdict[lane] > R::of(0.0));
                }
            }
        }
        let (running, accepted) = (u64::from(running), u64::from(accepted));
        self.out.work.steps += running;
        self.out.work.right_sides += STAGES * running;
        self.out.work.rejected += running - accepted;
    }

    #[inline(always)]
    pub(super) fn wants_attention(&self, lanes: Range<usize>) -> bool {
        let plain = |v: &R| (*v >= R::of(0.0)) & (*v <= R::of(f64::from(ACCEPTED)));
        !self.lanes.verdict[lanes].iter().fold(true, |all, verdict| all & plain(verdict))
    }

    /// Whether a lane has a neuron, and on its chart.
    #[inline(always)]
    pub(super) fn is_in_place(&self, lane: usize) -> bool {
        let is_z = self.lanes.is_z[lane] > R::of(0.0);
        self.lanes.running[lane] > R::of(0.0) && is_z == (lane >= NEURONS)
    }

    /// Brings the neuron of a lane to those of its chart, if there is one; the last lane fills the place.
    #[inline(always)]
    pub(super) fn place(&mut self, lane: usize) {
        if self.lanes.running[lane] > R::of(0.0) {
            let chart = usize::from(self.lanes.is_z[lane] > R::of(0.0));
            self.copy(lane, chart * NEURONS + self.on[chart]);
            self.on[chart] += 1;
        }
        let chart = usize::from(lane >= NEURONS);
        self.on[chart] -= 1;
        let last = chart * NEURONS + self.on[chart];
        self.copy(last, lane);
        self.clear(last);
    }

    #[inline(always)]
    pub(super) fn exchange(&mut self, a: usize, b: usize) {
        self.lanes.exchange(a, b);
        self.seats.swap(a, b);
    }

    #[inline(always)]
    pub(super) fn copy(&mut self, from: usize, to: usize) {
        self.lanes.copy(from, to);
        self.seats[to] = self.seats[from];
    }

    /// Where the rest of a lane's neuron is kept: it stays there when the neuron changes its lane.
    #[inline(always)]
    pub(super) fn seat(&self, lane: usize) -> usize {
        usize::from(self.seats[lane]).min(NEURONS - 1)
    }

    #[inline(always)]
    pub(super) fn way(&self, lane: usize) -> &Way {
        &self.ways[self.seat(lane)]
    }

    #[inline(always)]
    pub(super) fn way_mut(&mut self, lane: usize) -> &mut Way {
        let seat = self.seat(lane);
        &mut self.ways[seat]
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

    #[inline(always)]
    pub(super) fn clear(&mut self, lane: usize) {
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
        let seat = self.seat(lane);
        let way = self.ways[seat];
        self.store(lane, &way);
        self.free.push(seat as u8);
        self.clear(lane);
    }

    /// Gives a neuron a lane on chart q or z, and a way.
    #[inline(always)]
    pub(super) fn seat_down(&mut self, way: Way, chart: usize) -> usize {
        let lane = chart * NEURONS + self.on[chart];
        self.on[chart] += 1;
        // There are no more neurons than seats.
        debug_assert!(!self.free.is_empty());
        self.seats[lane] = self.free.pop().unwrap_or(0);
        self.ways[self.seat(lane)] = way;
        lane
    }

    /// Takes a neuron to its window, whatever it is like.
    #[inline(always)]
    pub(super) fn take_in(&mut self, job: usize) {
        let n = &*self.jobs.list[job].neuron;
        let is_refractory = n.refractory < Time::MAX;
        let refractory = if is_refractory { self.relative(n.refractory) } else { f64::INFINITY };
        let (phase, is_at_floor, h) = (n.phase, n.is_at_floor, n.h);
        let (is_z, is_anew) = (n.is_z, n.is_anew);
        let lane = self.seat_down(Way { job, phase, refractory, is_at_floor, h, ..Way::IDLE }, 0);
        let t = self.relative(self.jobs.list[job].neuron.time);
        fill(self.lanes, lane, self.jobs.list[job].neuron, t, self.end);
        self.lanes.is_open[lane] = R::of(f64::from(!is_refractory || self.model.holds()));
        self.clear_span(lane);
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
        if !self.is_in_place(lane) {
            self.place(lane);
        }
    }

    /// Puts back where a neuron has come to.
    #[inline(always)]
    pub(super) fn store(&mut self, lane: usize, way: &Way) {
        let time = self.absolute(self.lanes.t[lane]);
        let is_refractory = way.refractory.is_finite();
        let refractory = if is_refractory { self.absolute(way.refractory) } else { Time::MAX };
        let is_awake = !self.is_quiet(lane, way);
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
    pub(super) fn is_quiet(&mut self, lane: usize, way: &Way) -> bool {
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
