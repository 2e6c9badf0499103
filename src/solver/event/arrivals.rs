//! What arrives, and the ends of windows, between which it does.

use super::dpi::{CALM_FOR, Phase};
use super::equation::{AMPA, Form, is_closed};
use super::precision::Precision;
use super::real::Real;
use super::run::{Next, Run, seconds};

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// Takes the pulses that have arrived.
    #[inline(always)]
    pub(super) fn receive(&mut self, lane: usize) -> bool {
        let t = self.lanes.t[lane];
        let mut changed = false;
        loop {
            let job = self.job(lane);
            let arrivals = &job.arrivals[self.way(lane).arrival..];
            let Some(first) = arrivals.first().filter(|a| self.relative(a.time) <= t) else {
                return changed;
            };
            // Sums of whole numbers do not depend on their order.
            let same = |a: &&super::Arrival| (a.time, a.receptor) == (first.time, first.receptor);
            let coinciding = arrivals.iter().take_while(same);
            let (mut count, mut sum) = (0, 0_i64);
            for arrival in coinciding {
                count += 1;
                sum += i64::from(arrival.weight);
            }
            let c = self.model.circuit_of(first.receptor);
            let jump = sum as f64 * job.neuron.raise[c];
            self.raise(lane, c, jump);
            self.way_mut(lane).arrival += count;
            self.way_mut(lane).is_driven = true;
            changed = true;
        }
    }

    /// Adds to a current.
    #[inline(always)]
    pub(super) fn raise(&mut self, lane: usize, c: usize, jump: f64) {
        let n = self.neuron(lane);
        let now = self.lanes.current(c, lane);
        let floor = if n.has_floor[c] { n.a * n.floor[c] } else { 0.0 };
        let raised = if now > 0.0 { now } else { floor } + jump;
        // What stays at the floor does not decay.
        let raised = if raised > n.a * n.i0 { raised } else { 0.0 };
        self.lanes.current[c].keep(lane, R::Current::of(raised));
        self.way_mut(lane).floor = f64::INFINITY;
    }

    /// A membrane on its way goes on to the next event, or over some arrivals, unless it is calm.
    #[inline(always)]
    pub(super) fn set_out(&mut self, lane: usize) -> Next {
        if self.is_calm(lane) {
            return Next::End;
        }
        self.span(lane);
        if self.lanes.is_z[lane] > R::of(0.0) {
            self.choose_way(lane);
        }
        Next::Step
    }

    /// Most events that no step spans are like this one: a single arrival adds to a current that is
    /// above its floor, and nothing else happens. It is done here, at less cost than by [`Self::proceed`], with
    /// the same result.
    #[inline(always)]
    pub(super) fn take_arrival(&mut self, lane: usize) -> Next {
        if !is_closed(N) {
            return Next::Unknown;
        }
        let (seat, zero) = (self.seat(lane), R::of(0.0));
        let (way, lanes) = (&mut self.ways[seat], &mut *self.lanes);
        let t = lanes.t[lane];
        if t >= self.end && self.jobs[way.job].stops.is_empty() {
            return Next::End;
        }
        let is_plain = t == way.arrives
            && t < way.other
            && t < way.floor
            && way.phase == Phase::Run
            && !way.is_at_floor
            && lanes.is_open[lane] > zero;
        #[cfg(test)]
        let is_plain = is_plain && tests::may_be_short();
        if !is_plain {
            return Next::Unknown;
        }
        let job = &self.jobs[way.job];
        let [arrival, rest @ ..] = &job.arrivals[way.arrival..] else { return Next::Unknown };
        let arrives = rest.first().map_or(f64::INFINITY, |next| seconds(next.time, self.origin));
        let event = arrives.min(way.other);
        let n = &*job.neuron;
        let c = self.model.circuit_of(arrival.receptor);
        let now = lanes.current(c, lane);
        let raised = R::Current::of(now + f64::from(arrival.weight) * n.raise[c]);
        // What comes together is summed, and what may lead to a floor is for others.
        if arrives <= t || now <= 0.0 || raised.double() <= n.a * n.i0 {
            return Next::Unknown;
        }
        if N == 2 {
            // As [`Self::next_bend`] sees it.
            let ampa = if c == AMPA { raised.double() } else { lanes.current(AMPA, lane) };
            let gabab = if c == AMPA { lanes.current(N - 1, lane) } else { raised.double() };
            let constant = n.constant_margin([ampa, gabab]);
            let left = 1.0 - n.falls(AMPA) * (event - t);
            if constant + ampa * left - gabab <= 0.0 || constant + ampa < gabab {
                return Next::Unknown;
            }
        }
        let before = lanes.closed[lane];
        lanes.current[c].keep(lane, raised);
        lanes.set_input(lane, true);
        way.arrival += 1;
        way.arrives = arrives;
        way.floor = f64::INFINITY;
        way.bend = f64::INFINITY;
        way.is_driven = true;
        lanes.event[lane] = event;
        let base = lanes.base.seen()[lane];
        #[cfg(test)]
        tests::count(lanes.is_z[lane] > zero);
        self.rate_after_event(lane, (before, base));
        self.set_out(lane)
    }

    /// Whether nothing happens until the end of the window, which is near, and the neuron cannot fire
    /// until then: it may stay where it is, and save a step. Only where that is a time as it is kept.
    #[inline(always)]
    pub(super) fn is_calm(&self, lane: usize) -> bool {
        let lanes = &self.lanes;
        let t = lanes.t[lane];
        let left = self.end - t;
        if !is_closed(N) || lanes.event[lane] < self.end || left > CALM_FOR {
            return false;
        }
        let job = self.job(lane);
        let n = &*job.neuron;
        job.stops.is_empty()
            && job.dc.is_none()
            && n.is_calm(lanes.y[lane].double(), lanes.current(AMPA, lane), left)
            && self.relative(self.absolute(t)) == t
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use crate::backend::EventWork;
    use crate::backend::cpu::Cpu;
    use crate::circuit::{Membrane, SynapticCurrent};
    use crate::probe::digest::SpikeDigests;
    use crate::scene::Scene;
    use crate::simulation::Simulation;
    use crate::solver::event::Work;

    thread_local! {
        /// Whether `set_off` and `take_arrival` do what is theirs, and how many arrivals the latter took on
        /// charts q and z.
        static SHORT: Cell<(bool, [u64; 2])> = const { Cell::new((true, [0; 2])) };
    }

    pub(in super::super) fn may_be_short() -> bool {
        SHORT.get().0
    }

    pub(super) fn count(is_z: bool) {
        let (may, mut taken) = SHORT.get();
        taken[usize::from(is_z)] += 1;
        SHORT.set((may, taken));
    }

    /// A recurrent network with strong inhibition, so that sums reach their floor, quiet times, so that
    /// currents do, and trains of which many arrive at once.
    fn scene(tolerance: &str, receptors: &str, connections: &str) -> Scene {
        let text = format!(
            "(duration: \"300 ms\", seed: 7, solver: Event(tolerance: \"{tolerance}\"),
            sources: {{
                \"noise\": (size: 200, train: Poisson(rates: \"150 Hz\")),
                \"beat\": (size: 4, train: Regular(rates: \"50 Hz\")),
            }},
            populations: {{ \"dpi\": (size: 200, model: arcana(
                soma: (
                    Itau: \"4 pA\", Igain: \"80 pA\", Ith: \"12 mA\", Idc: \"10 pA\", refP: \"1 ms\",
                    Ipfb_th: \"0 A\", Ipfb_norm: \"1.4e9 /A\",
                ),
                {receptors}
            ), mismatch: {{ \"soma.Itau\": LogNormal(cv: 0.1), \"ampa.Iw\": LogNormal(cv: 0.1) }}) }},
            connections: [
                (from: \"noise\", to: \"dpi\", receptor: ampa, rule: OneToOne, weight: 4, delay: \"1 ms\"),
                (from: \"beat\", to: \"dpi\", receptor: ampa, rule: AllToAll),
                (from: \"dpi\", to: \"dpi\", receptor: ampa, rule: FixedInDegree(k: 6), delay: \"1 ms\"),
                {connections}
            ])"
        );
        Scene::parse(&text, "test.ron", "test", Path::new("."), &[]).unwrap().scene
    }

    /// Digest of all spikes, the bits of all states at the end, the work, and arrivals taken on q and z.
    fn outcome(scene: Scene, may_be_short: bool) -> (String, Vec<u64>, Work, [u64; 2]) {
        SHORT.set((may_be_short, [0; 2]));
        let mut simulation = Simulation::new(scene).unwrap();
        simulation.set_backend(Cpu::new(Some(1)));
        simulation.run().unwrap();
        let mut states = Vec::new();
        let world = simulation.world();
        for entity in world.iter_entities() {
            states.extend(entity.get::<Membrane>().map(|membrane| membrane.0.to_bits()));
            states.extend(entity.get::<SynapticCurrent>().map(|current| current.0.to_bits()));
        }
        let digest = format!("{:?}", world.resource::<SpikeDigests>());
        (digest, states, world.resource::<EventWork>().0, SHORT.replace((true, [0; 2])).1)
    }

    /// In single precision and in double, and with GABA_B in mixed and in double.
    #[test]
    fn the_short_way_of_an_arrival_leads_where_the_general_one_does() {
        let ampa = "ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"40 pA\"),";
        let both = format!("{ampa} gabab: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"60 pA\"),");
        let inhibition = "(from: \"dpi\", to: \"dpi\", receptor: gabab, rule: FixedInDegree(k: 6), \
                          weight: 4, delay: \"2 ms\"),";
        for (tolerance, receptors, connections) in [
            ("1 us", ampa, ""),
            ("10 ns", ampa, ""),
            ("1 us", &both, inhibition),
            ("10 ns", &both, inhibition),
        ] {
            let of = |may_be_short| outcome(scene(tolerance, receptors, connections), may_be_short);
            let (short, general) = (of(true), of(false));
            assert!(short.3[0] > 500 && short.3[1] > 500, "taken: {:?}", short.3);
            assert_eq!(general.3, [0; 2]);
            assert_eq!((short.0, short.1, short.2), (general.0, general.1, general.2));
        }
    }
}
