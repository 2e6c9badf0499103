//! What is at a floor: a membrane that rests there, synapses that have decayed to theirs, and the sum of
//! all input in closed form, which is no less than the dark current.

use super::dpi::{DpiNeuron, Phase};
use super::equation::{AHP, AMPA, Form, GABAA, GABAB, NMDA, is_closed};
use super::precision::{Kept, Precision};
use super::real::Real;
use super::run::Run;
use crate::circuit::math::{exp, ln};

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// Lets currents decay until `to`, while the membrane stands still.
    #[inline(always)]
    pub(super) fn skip(&mut self, lane: usize, to: f64) {
        let dt = to - self.lanes.t[lane];
        for c in 0..N {
            let now = self.lanes.current(c, lane);
            if now > 0.0 {
                let n = self.neuron(lane);
                let decayed = now * exp(-dt / n.tau[c]);
                // A floor that was passed.
                let left = if decayed < n.a * n.i0 { 0.0 } else { decayed };
                self.lanes.current[c].keep(lane, R::Current::of(left));
            }
        }
        let lanes = &mut *self.lanes;
        lanes.t[lane] = to;
        self.set_constants(lane);
    }

    /// The rate at the floor of the membrane, where it is put.
    #[inline(always)]
    pub(super) fn rate_at_rest(&mut self, lane: usize) -> f64 {
        let r = self.neuron(lane).r;
        let lanes = &mut *self.lanes;
        lanes.x[lane] = r;
        lanes.is_swapped[lane] = R::of(0.0);
        if lanes.is_z[lane] > R::of(0.0) {
            self.set_chart(lane, false);
        }
        let rate = self.evaluate(lane);
        self.lanes.y[lane] = R::of(r);
        rate.total.double()
    }

    /// While the membrane rests: the first time until `to` at which its rate may have become
    /// positive because inhibition decays; `to` if there is none. (What excites decays as well: it is
    /// taken as it is now, so the rate is not above this bound; the caller asks again from there.)
    #[inline(always)]
    pub(super) fn end_of_rest(&self, lane: usize, to: f64) -> f64 {
        // Until the sum of inputs leaves its floor, which is an event, it is constant.
        if N == 1 || self.way(lane).is_at_floor {
            return to;
        }
        let lanes = &self.lanes;
        let n = self.neuron(lane);
        let t = lanes.t[lane];
        let inhibition = |c: usize, dt: f64| {
            if c >= N {
                return 0.0;
            }
            let above = lanes.current(c.min(N - 1), lane);
            let floor = n.a * if n.has_floor[c] { n.floor[c] } else { 0.0 };
            if above > 0.0 { (above * exp(-dt / n.tau[c.min(N - 1)])).max(floor) } else { floor }
        };
        let i0 = n.a * n.i0;
        let kept = |row: &Kept<R, N>| row.exact()[lane].double();
        let gated = if is_closed(N) {
            // Of a current at its floor the constant input is without it already.
            if lanes.current(N - 1, lane) > 0.0 { 0.0 } else { n.a * n.floor[GABAB] }
        } else {
            let nmda = lanes.nmda[lane].double() + lanes.current(NMDA.min(N - 1), lane);
            nmda * n.r / (n.r + n.y_nmda)
        };
        let excitation = kept(&lanes.base) + kept(&lanes.ampa) + gated;
        let bound = |dt: f64| {
            let open = lanes.is_open[lane] > R::of(0.0);
            let rising = kept(&lanes.slope).max(0.0) * dt;
            let input = if open { excitation + rising - inhibition(GABAB, dt) } else { i0 };
            let leak = n.a * n.leak + inhibition(GABAA, dt) + inhibition(AHP, dt);
            input.max(i0) + (self.feedback_at_rest(n) - leak) * (1.0 + n.r)
        };
        if bound(to - t) <= 0.0 {
            return to;
        }
        // The bound only rises: bisection.
        let (mut low, mut high) = (0.0, to - t);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            *(if bound(middle) > 0.0 { &mut high } else { &mut low }) = middle;
            if high - low < 1e-13 {
                break;
            }
        }
        t + high
    }

    #[inline(always)]
    pub(super) fn feedback_at_rest(&self, n: &DpiNeuron<N>) -> f64 {
        let gate = 1.0 + exp((n.gate_slope * n.r + n.gate_offset) * std::f64::consts::LN_2);
        if F::POWER { n.a * n.i0 / gate } else { n.feedback / gate }
    }

    /// Synapses that have decayed to their floor stay there.
    #[inline(always)]
    pub(super) fn reach_floors(&mut self, lane: usize) -> bool {
        if self.lanes.t[lane] < self.way(lane).floor {
            return false;
        }
        self.way_mut(lane).floor = f64::INFINITY;
        let n = self.neuron(lane);
        let i0 = n.a * n.i0;
        let lanes = &mut *self.lanes;
        let limit = i0 + 2.0 * (i0 - lanes.i0_low[lane].double());
        let mut changed = false;
        for c in 0..N {
            if lanes.current(c, lane) > 0.0 && lanes.current(c, lane) <= limit {
                lanes.current[c].keep(lane, R::Current::of(0.0));
                changed = true;
            }
        }
        changed
    }

    /// When the first of the synapses reaches its floor.
    #[inline(always)]
    pub(super) fn next_floor(&self, lane: usize) -> f64 {
        let n = self.neuron(lane);
        let i0 = n.a * n.i0;
        let above = (0..N).filter(|c| self.lanes.current(*c, lane) > 0.0);
        let at = above.map(|c| n.tau[c] * ln(self.lanes.current(c, lane) / i0).max(0.0));
        self.lanes.t[lane] + at.fold(f64::INFINITY, f64::min)
    }

    /// The step would end below the floor of the membrane: it rests there, unless its rate is positive
    /// again by then; whether it rests.
    #[inline(always)]
    pub(super) fn fall(&mut self, lane: usize) -> bool {
        let rest = self.lanes.event[lane] - self.lanes.t[lane];
        let h = self.lanes.h[lane].double().min(rest);
        let to = if h >= rest { self.lanes.event[lane] } else { self.lanes.t[lane] + h };
        let lanes = &self.lanes;
        let (t, x, k, y) = (lanes.t[lane], lanes.x[lane], lanes.k[lane], lanes.y[lane]);
        let (unforced, margin) = (lanes.unforced[lane], lanes.margin[lane]);
        let currents: [R::Current; N] = std::array::from_fn(|c| lanes.current[c].exact()[lane]);
        self.skip(lane, to);
        // As short as that, its end is its floor.
        if self.rate_at_rest(lane) <= 0.0 || h < self.model.tolerance {
            self.way_mut(lane).phase = Phase::Rest;
            return true;
        }
        let lanes = &mut *self.lanes;
        (lanes.t[lane], lanes.x[lane], lanes.k[lane], lanes.y[lane]) = (t, x, k, y);
        for (c, current) in currents.into_iter().enumerate() {
            lanes.current[c].keep(lane, current);
        }
        (lanes.unforced[lane], lanes.margin[lane]) = (unforced, margin);
        lanes.h[lane] = R::of(0.5 * h);
        self.set_constants(lane);
        false
    }

    /// How far the sum of all input in closed form is above its floor: what is constant of that, and
    /// AMPA and GABA_B above theirs.
    #[inline(always)]
    pub(super) fn margins(&self, lane: usize) -> (f64, [f64; 2]) {
        let current = [self.lanes.current(AMPA, lane), self.lanes.current(GABAB.min(N - 1), lane)];
        (self.neuron(lane).constant_margin(current), current)
    }

    /// The same, summed.
    #[inline(always)]
    pub(super) fn margin(&self, lane: usize) -> f64 {
        let (constant, [ampa, gabab]) = self.margins(lane);
        constant + ampa - gabab
    }

    /// When, before `to`, the sum of all input in closed form reaches its floor, or leaves it: the
    /// input has a bend there.
    #[inline(always)]
    pub(super) fn next_bend(&self, lane: usize, to: f64) -> f64 {
        let t = self.lanes.t[lane];
        let length = to - t;
        let (constant, [ampa, gabab]) = self.margins(lane);
        let n = self.neuron(lane);
        let fast_ampa = n.falls(AMPA);
        let fast_gabab = n.falls(GABAB.min(N - 1));
        let is_at_floor = self.way(lane).is_at_floor;
        // What inhibits is no more than now, what excites no less than along its tangent; or the other way
        // round.
        let is_far = if is_at_floor {
            constant + ampa - gabab * (1.0 - fast_gabab * length) < 0.0
        } else {
            !n.may_bend(constant, [ampa, gabab], length)
        };
        if is_far || self.lanes.is_open[lane] <= R::of(0.0) {
            return f64::INFINITY;
        }
        let margin = |dt: f64| {
            let (ampa, gabab) = (ampa * exp(-fast_ampa * dt), gabab * exp(-fast_gabab * dt));
            (constant + ampa - gabab, fast_gabab * gabab - fast_ampa * ampa)
        };
        // On both sides of where it turns around it is monotonic.
        let ratio = fast_ampa * ampa / (fast_gabab * gabab);
        let turn = ln(ratio.clamp(1e-300, 1e300)) / (fast_ampa - fast_gabab);
        let turn = if turn > 0.0 && turn < length { turn } else { length };
        let is_over = |margin: f64| if is_at_floor { margin > 0.0 } else { margin < 0.0 };
        let (mut low, mut high) = if is_over(margin(turn).0) {
            (0.0, turn)
        } else if is_over(margin(length).0) {
            (turn, length)
        } else {
            return f64::INFINITY;
        };
        // Newton's method, kept between both.
        let mut dt = 0.5 * (low + high);
        for _ in 0..80 {
            let (value, slope) = margin(dt);
            *(if is_over(value) { &mut high } else { &mut low }) = dt;
            let next = dt - value / slope;
            let before = dt;
            dt = if next > low && next < high { next } else { 0.5 * (low + high) };
            if (dt - before).abs() < 1e-15 {
                break;
            }
        }
        t + dt
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::backend::EventWork;
    use crate::backend::cpu::Cpu;
    use crate::scene::Scene;
    use crate::simulation::Simulation;
    use crate::solver::event::Work;

    /// Neurons on their way whose currents are raised three times a second, and reach their floors in between.
    fn work(tolerance: &str) -> Work {
        let text = format!(
            "(duration: \"1 s\", seed: 7, solver: Event(tolerance: \"{tolerance}\"),
            sources: {{
                \"excite\": (size: 20, train: Regular(rates: \"3 Hz\")),
                \"inhibit\": (size: 20, train: Regular(rates: \"3 Hz\", phase: \"20 ms\")),
            }},
            populations: {{ \"dpi\": (size: 20, model: arcana(
                soma: (
                    Itau: \"4 pA\", Igain: \"80 pA\", Ith: \"12 mA\", Idc: \"3 pA\", refP: \"0 s\",
                    Ipfb_th: \"0 A\", Ipfb_norm: \"1.4e9 /A\",
                ),
                ampa: (Itau: \"4 pA\", Igain: \"20 pA\", Iw: \"4 pA\"),
                gabab: (Itau: \"5 pA\", Igain: \"20 pA\", Iw: \"2 pA\"),
            ), mismatch: {{
                \"ampa.Itau\": LogNormal(cv: 0.2), \"gabab.Itau\": LogNormal(cv: 0.2),
            }}) }},
            connections: [
                (from: \"excite\", to: \"dpi\", receptor: ampa, rule: OneToOne),
                (from: \"inhibit\", to: \"dpi\", receptor: gabab, rule: OneToOne),
            ])"
        );
        let scene = Scene::parse(&text, "test.ron", "test", Path::new("."), &[]).unwrap().scene;
        let mut simulation = Simulation::new(scene).unwrap();
        simulation.set_backend(Cpu::new(Some(1)));
        simulation.run().unwrap();
        simulation.world().resource::<EventWork>().0
    }

    /// Currents reach their floors where these are expected, also where steps are in single precision: 120
    /// times, of which each that missed would be at least a step that does not count.
    #[test]
    fn currents_reach_their_floors_in_mixed_precision_as_in_double() {
        let (mixed, double) = (work("1 us"), work("499 ns"));
        assert!(double.steps > 500, "{double:?}");
        assert!(mixed.rejected < double.rejected + 20, "{mixed:?} {double:?}");
    }
}
