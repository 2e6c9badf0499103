//! Steps that span arrivals.
//!
//! Where many pulses arrive, the time between two of them is short, whatever the membrane does, and each
//! changes its course little. So a step may span arrivals, with their input smoothed: by the parabola that
//! has the same integral over the step, the same integral of that, and the same again. So smoothed, the
//! membrane makes a small detour within the step, and ends it where it should, but for what the
//! [step](super::step) counts as part of its error. On chart z, one that would lead beyond the threshold ends at an arrival
//! before it. A step that does not count is tried anew, shorter, and in the end leads from one arrival to the next.

use super::Arrival;
#[cfg(test)]
use super::arrivals::tests as short;
use super::equation::{AMPA, Form, GABAB, is_closed};
use super::events::time_to_threshold;
use super::lanes::{BLOCK, LANES, Set, WIDTH, alone, of_block, of_chart, those};
use super::precision::Precision;
use super::real::Real;
use super::run::{Run, seconds};
use super::step::select;
use crate::circuit::math::horner;
use crate::circuit::number::{Mask, Number, Packed, Width};
use crate::solver::kernel::bits;
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
/// But so many times as long, from arrival to arrival, while such a step would be too short to span any (or the threshold too
/// near).
pub(super) const GROWTH: f64 = 1.1;
/// A step that spans arrivals and would lead beyond the threshold ends at the last arrival within this part of the way to
/// it, in time.
pub(super) const MOST_OF_WAY: f64 = 0.95;
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
struct Arrived<V> {
    /// Of AMPA and of GABA_B: what there is of it at the end, and the sum of all pulses (none is negative).
    left: [V; 2],
    pulses: [V; 2],
    /// The integral of their input over the step, that of the integral, and that again.
    integrals: [V; 3],
}

/// The neuron at which they arrive, in rates as in [`DpiNeuron`](super::dpi::DpiNeuron).
#[derive(Clone, Copy)]
struct Site<V> {
    /// Imem/Igain.
    y: V,
    /// The input in closed form at the start of the step; and what of its [margin](Run::margins) is constant.
    closed: V,
    constant: V,
    /// The currents of AMPA and GABA_B, and by which part of itself AMPA's falls, 1/s.
    current: [V; 2],
    falls: V,
}

impl<V> Arrived<V> {
    /// All its numbers.
    #[inline(always)]
    fn numbers(&mut self) -> [&mut V; 7] {
        let Arrived { left: [a, b], pulses: [c, d], integrals: [e, f, g] } = self;
        [a, b, c, d, e, f, g]
    }
}

impl<V: Number> Arrived<V> {
    /// Nothing; `like` is any number.
    #[inline(always)]
    fn nothing(like: V) -> Arrived<V> {
        let zero = like.splat(0.0);
        Arrived { left: [zero; 2], pulses: [zero; 2], integrals: [zero; 3] }
    }

    /// A `pulse`, with a minus where it is one of GABA_B, which decays by `decay` (1/s), at a time before the
    /// end.
    #[inline(always)]
    fn add(&mut self, pulse: V, decay: V, time: V) {
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
    fn detour(&self, length: V) -> V {
        length.splat(FURTHEST) * (self.pulses[AMPA] + self.pulses[GABAB]) * length
    }

    /// Whether it changes little at a neuron of `N` circuits, which stays on its way.
    #[inline(always)]
    fn is_small<const N: usize>(&self, site: &Site<V>, length: V) -> V::Mask {
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
    fn parabola(&self, length: V) -> [V; 3] {
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
fn end_of_span(t: f64, h: f64, reach: f64, arrives: f64, fastest: f64) -> f64 {
    // No tiny step is left over.
    let rest = reach - t;
    let end = if h >= rest { reach } else { t + if 2.0 * h > rest { 0.5 * rest } else { h } };
    // (Mostly this is far enough away to know without a division.)
    let is_far = (end - arrives) * fastest > 0.99 * LONGEST_DECAY;
    let end = if is_far { end.or_less(arrives + LONGEST_DECAY / fastest) } else { end };
    if end >= reach {
        return reach;
    }
    // As time is kept: a neuron may stay there.
    let ticks = (end * Time::PER_SECOND as f64).round_ties_even();
    ticks * (1.0 / Time::PER_SECOND as f64)
}

/// Whether a step over so many arrivals saves one: to span a single one does so only where a step ends anyway.
#[inline(always)]
fn is_worth_it(spanned: usize, ends_anyway: bool) -> bool {
    spanned > 1 || spanned == 1 && ends_anyway
}

/// So many arrivals of a step lie side by side with those of other lanes; before these, the first ones are summed.
const MOST: usize = 12;
/// A number of each lane.
type Row = super::lanes::Row<f64>;

/// What arrives in the next steps of lanes, until it is smoothed.
#[repr(align(64))]
pub(super) struct Spans {
    /// Lanes whose next step is to span arrivals, if it may.
    pub(super) asked: Set,
    /// How many arrivals a step of each chart is to span at most.
    most: [usize; 2],
    /// When these steps end.
    end: Row,
    /// Each arrival: the pulse (0: there is none), and its time before the end.
    pulse: [Row; MOST],
    before_end: [Row; MOST],
    /// The sum of those before: as in [`Arrived`], or 0.
    first: Arrived<Row>,
    /// Where they arrive.
    site: Site<Row>,
    falls_of_gabab: Row,
    /// What has arrived by the end, and the parabola that stands for it.
    left: [Row; 2],
    integral: Row,
    parabola: [Row; 3],
    /// How far that leads off (0: the step does not span it), and how long the step is.
    detour: Row,
    length: Row,
}

impl Default for Spans {
    fn default() -> Spans {
        let row = [0.0; WIDTH];
        Spans {
            asked: 0,
            most: [0; 2],
            end: row,
            pulse: [row; MOST],
            before_end: [row; MOST],
            first: Arrived { left: [row; 2], pulses: [row; 2], integrals: [row; 3] },
            site: Site { y: row, closed: row, constant: row, current: [row; 2], falls: row },
            falls_of_gabab: row,
            left: [row; 2],
            integral: row,
            parabola: [row; 3],
            detour: row,
            length: row,
        }
    }
}

impl Spans {
    /// Smoothes what arrives at the neurons of a chart, which have `N` circuits, in steps from `t` on.
    /// Where these do not span it, there is no detour.
    #[inline(always)]
    fn smooth<W: Width, const N: usize>(&mut self, width: W, chart: usize, t: &Row) {
        let most = std::mem::take(&mut self.most[chart]);
        for at in of_block(chart).step_by(W::Double::LANES) {
            let read = |row: &Row| W::Double::read(width, &row[at..]);
            let length = read(&self.end) - read(t);
            let zero = length.splat(0.0);
            let falls = [read(&self.site.falls), read(&self.falls_of_gabab)];
            let mut arrived = Arrived::nothing(length);
            if most > MOST {
                for (number, row) in arrived.numbers().into_iter().zip(self.first.numbers()) {
                    *number = read(row);
                    zero.write(&mut row[at..]);
                }
            }
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
                y: read(&self.site.y),
                closed: read(&self.site.closed),
                constant: read(&self.site.constant),
                current: [read(&self.site.current[AMPA]), read(&self.site.current[GABAB])],
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
    }
}

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// A membrane on its way: its next step leads to the next event, or over some arrivals.
    #[inline(always)]
    pub(super) fn start(&mut self, lane: usize) {
        self.span(lane);
        if self.spans.asked & alone(lane) == 0 && self.lanes.is_z[lane] > R::of(0.0) {
            self.choose_way(lane);
        }
    }

    /// Lets the next step span arrivals, where it may.
    #[inline(always)]
    fn span(&mut self, lane: usize) {
        let (way, lanes) = (&self.ways[lane % LANES], &*self.lanes);
        let (reach, zero) = (way.other.or_less(way.floor), R::of(0.0));
        let is_first_on_z = lanes.is_first[lane] > R::of(1.5);
        let is_plain = is_closed(N)
            && lanes.event[lane] == way.arrives
            && way.arrives < reach
            && !way.is_at_floor
            && lanes.is_open[lane] > zero
            && (lanes.is_first[lane] <= zero || is_first_on_z)
            && lanes.is_swapped[lane] <= zero;
        // A neuron that has changed its chart in this window may still be on a lane of the other one; what it spanned would be
        // left there.
        if !is_plain || is_first_on_z && way.has_changed_chart {
            #[cfg(test)]
            if is_plain {
                short::count(short::Seen::FirstOnOldLane, 1);
            }
            return;
        }
        let n = &*self.jobs.list[way.job].neuron;
        let arrivals = &self.jobs.arrivals_of(way.job)[way.arrival..];
        let (t, h) = (lanes.t[lane], lanes.h[lane].double().or_less(way.longest_span));
        let mut end = end_of_span(t, h, reach, way.arrives, n.fastest);
        let mut ends_anyway = end >= reach;
        // Before the threshold it ends at an arrival. (Arrivals change when the membrane comes there, but little.)
        let left = if lanes.is_z[lane] > zero {
            time_to_threshold(lanes, lane, end)
        } else {
            f64::INFINITY
        };
        if left.is_finite() {
            let latest = t + MOST_OF_WAY * left;
            let times = arrivals.iter().map(|arrival| seconds(arrival.time, self.origin));
            end = times.take_while(|time| *time <= latest).last().unwrap_or(t);
            ends_anyway = true;
        }
        let mut spanned = 0;
        for arrival in arrivals {
            let before_end = end - seconds(arrival.time, self.origin);
            if before_end <= 0.0 {
                break;
            }
            let c = self.model.circuit_of(arrival.receptor);
            self.spans.pulse[spanned % MOST][lane] = n.pulse(c, arrival.weight);
            self.spans.before_end[spanned % MOST][lane] = before_end;
            spanned += 1;
        }
        if !is_worth_it(spanned, ends_anyway) {
            self.spans.pulse[0][lane] = 0.0;
            self.way_mut(lane).longest_span *= GROWTH;
            return;
        }
        let chart = usize::from(lane >= BLOCK);
        let spans = &mut *self.spans;
        let site = &mut spans.site;
        spans.asked |= alone(lane);
        spans.most[chart] = spans.most[chart].max(spanned);
        spans.end[lane] = end;
        let current = [lanes.current(AMPA, lane), lanes.current(GABAB.min(N - 1), lane)];
        site.constant[lane] = n.constant_margin(current);
        (site.y[lane], site.closed[lane]) = (lanes.y[lane].double(), lanes.closed[lane].double());
        (site.current[AMPA][lane], site.current[GABAB][lane]) = (current[0], current[1]);
        site.falls[lane] = n.falls(AMPA);
        spans.falls_of_gabab[lane] = n.falls(GABAB.min(N - 1));
        self.ways[lane % LANES].spanned = spanned;
        if spanned > MOST {
            self.sum_first(lane, end);
        }
    }

    /// Of many arrivals that a step is to span until its `end`, the first ones are summed.
    #[cold]
    fn sum_first(&mut self, lane: usize, end: f64) {
        #[cfg(test)]
        short::count(short::Seen::Many, usize::from(lane >= BLOCK));
        let way = &self.ways[lane % LANES];
        let n = &*self.jobs.list[way.job].neuron;
        let arrivals = &self.jobs.arrivals_of(way.job)[way.arrival..][..way.spanned];
        let (first, last) = arrivals.split_at(way.spanned - MOST);
        let before_end = |arrival: &Arrival| end - seconds(arrival.time, self.origin);
        let mut sum = Arrived::nothing(end);
        for arrival in first {
            let c = self.model.circuit_of(arrival.receptor);
            sum.add(n.pulse(c, arrival.weight), n.falls(c), before_end(arrival));
        }
        let spans = &mut *self.spans;
        for (row, number) in spans.first.numbers().into_iter().zip(sum.numbers()) {
            row[lane] = *number;
        }
        for (k, arrival) in last.iter().enumerate() {
            let c = self.model.circuit_of(arrival.receptor);
            spans.pulse[k][lane] = n.pulse(c, arrival.weight);
            spans.before_end[k][lane] = before_end(arrival);
        }
    }

    /// Smoothes what arrives in the next steps of the lanes of a chart, where they may span it; whether one was to.
    #[inline(always)]
    pub(super) fn smooth<W: Width>(&mut self, width: W, chart: usize) -> bool {
        let asked = self.spans.asked & of_chart(chart);
        if !is_closed(N) || asked == 0 {
            return false;
        }
        self.spans.asked &= !asked;
        let (lanes, spans) = (&mut *self.lanes, &mut *self.spans);
        spans.smooth::<W, N>(width, chart, &lanes.t);
        let (zero, none) = (R::of(0.0), R::Current::of(0.0));
        for lane in of_block(chart) {
            let detour = R::of(spans.detour[lane]);
            let may = detour > zero;
            let number = |row: &Row| select(may, R::of(row[lane]), zero);
            let [value, slope, curve] = &spans.parabola;
            lanes.rise[lane] = number(value);
            lanes.rise_slope[lane] = number(slope);
            lanes.rise_curve[lane] = number(curve);
            lanes.detour[lane] = select(may, detour, zero);
            let longer = lanes.h[lane].or_more(R::of(spans.length[lane]));
            lanes.h[lane] = select(may, longer, lanes.h[lane]);
        }
        for lane in of_block(chart) {
            let may = R::of(spans.detour[lane]) > zero;
            let number = |row: &Row| select(may, R::Current::of(row[lane]), none);
            let [ampa, gabab] = &spans.left;
            lanes.left_of_ampa[lane] = number(ampa);
            if N == 2 {
                lanes.left_of_gabab[lane] = number(gabab);
            }
            lanes.integral[lane] = number(&spans.integral);
            lanes.event[lane] = select(may, spans.end[lane], lanes.event[lane]);
        }
        let spanned = those(chart, |lane| lanes.detour[lane] > zero);
        #[cfg(test)]
        for lane in bits(spanned).map(|lane| lane as usize) {
            if lanes.is_first[lane] > zero {
                short::count(short::Seen::FirstOnZ, chart);
            }
            let way = &self.ways[lane];
            let next = self.jobs.arrivals_of(way.job).get(way.arrival + way.spanned);
            if next.is_some_and(|next| seconds(next.time, self.origin) == self.spans.end[lane]) {
                short::count(short::Seen::BeforeThreshold, chart);
            }
        }
        for lane in bits(asked & !spanned) {
            let lane = lane as usize % LANES;
            let way = &mut self.ways[lane];
            (way.spanned, way.longest_span) = (0, 0.5 * self.spans.length[lane]);
            if chart > 0 {
                self.choose_way(lane);
            }
        }
        true
    }

    /// The step that spans arrivals does not count: it is tried anew, shorter.
    #[inline(always)]
    pub(super) fn shorten_span(&mut self, lane: usize) {
        let length = self.lanes.event[lane] - self.lanes.t[lane];
        self.way_mut(lane).longest_span = 0.5 * length;
        self.way_mut(lane).spanned = 0;
        self.lanes.event[lane] = self.way(lane).arrives;
        self.start(lane);
    }

    /// The step that spanned arrivals counts.
    #[inline(always)]
    pub(super) fn end_span(&mut self, lane: usize) {
        let way = &mut self.ways[lane % LANES];
        way.longest_span = NEXT * self.lanes.h[lane].double();
        way.arrival += way.spanned;
        way.spanned = 0;
        way.is_driven = true;
        (way.floor, way.bend) = (f64::INFINITY, f64::INFINITY);
        let next = self.jobs.arrivals_of(way.job).get(way.arrival);
        way.arrives = next.map_or(f64::INFINITY, |next| seconds(next.time, self.origin));
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::Level;

    use super::*;
    use crate::circuit::math::exp;
    use crate::circuit::number::with_width;

    /// On lanes with none, few and many arrivals side by side: the same bits as one neuron after the other, and nothing
    /// is left for the next steps.
    fn lanes_are_smoothed_as_one_neuron_is<const N: usize>() {
        let mut spans = Spans::default();
        let (t, falls) = ([1e-4; WIDTH], [30.0, 140.0]);
        let mut expected = Vec::new();
        for lane in 0..LANES {
            let number = |k: usize| ((lane * 31 + k * 17) % 97) as f64 / 97.0;
            let end = 9e-4 + 1e-4 * number(1);
            let (y, closed) = (10.0 * number(2), 2e4 * number(3));
            let current = [1e4 * number(4), if N == 2 { 1e3 * number(5) } else { 0.0 }];
            let site = Site { y, closed, constant: 5e3, current, falls: falls[AMPA] };
            spans.end[lane] = end;
            (spans.site.y[lane], spans.site.closed[lane]) = (y, closed);
            (spans.site.constant[lane], spans.site.falls[lane]) = (site.constant, site.falls);
            for (row, current) in spans.site.current.iter_mut().zip(current) {
                row[lane] = current;
            }
            spans.falls_of_gabab[lane] = falls[GABAB];
            let count = [0, 1, MOST, MOST + 1, 20, 5][lane % 6];
            let most = &mut spans.most[lane / BLOCK];
            *most = count.max(*most);
            let first = count.saturating_sub(MOST);
            let mut arrived = Arrived::nothing(0.0);
            for k in 0..count {
                let c = if N == 2 && (k + lane) % 3 == 0 { GABAB } else { AMPA };
                let size = 500.0 * number(k + 6);
                let (pulse, before_end) = (if c == AMPA { size } else { -size }, 7e-4 * number(k));
                arrived.add(pulse, falls[c], before_end);
                if k + 1 == first {
                    let numbers = arrived.numbers().into_iter().zip(spans.first.numbers());
                    numbers.for_each(|(number, row)| row[lane] = *number);
                } else if k >= first {
                    spans.pulse[k - first][lane] = pulse;
                    spans.before_end[k - first][lane] = before_end;
                }
            }
            let length = end - t[lane];
            let may = arrived.is_small::<N>(&site, length);
            let [value, slope, curve] = arrived.parabola(length);
            let detour = if may { arrived.detour(length) } else { 0.0 };
            let [ampa, gabab] = arrived.left;
            expected.push([detour, length, value, slope, curve, ampa, gabab, arrived.integrals[0]]);
        }
        let smooth = |spans: &mut Spans| {
            for chart in [0, 1] {
                with_width!(Level::new(), width => spans.smooth::<_, N>(width, chart, &t));
            }
        };
        smooth(&mut spans);
        let spanned = expected.iter().filter(|[detour, ..]| *detour > 0.0).count();
        assert!(spanned > 10 && spanned < 40, "{spanned}");
        for (lane, expected) in expected.into_iter().enumerate() {
            let [value, slope, curve] = spans.parabola.map(|row| row[lane]);
            let [ampa, gabab] = spans.left.map(|row| row[lane]);
            let (detour, length) = (spans.detour[lane], spans.length[lane]);
            let ours = [detour, length, value, slope, curve, ampa, gabab, spans.integral[lane]];
            assert_eq!(ours.map(f64::to_bits), expected.map(f64::to_bits), "lane {lane}");
        }
        smooth(&mut spans);
        assert_eq!(spans.detour[..LANES], [0.0; LANES]);
        assert_eq!(spans.integral[..LANES], [0.0; LANES]);
    }

    #[test]
    fn lanes_are_smoothed_as_one_neuron_is_of_one_and_two_circuits() {
        lanes_are_smoothed_as_one_neuron_is::<1>();
        lanes_are_smoothed_as_one_neuron_is::<2>();
    }

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
