//! What arrives, and the ends of windows, between which it does.

use super::dpi::{CALM_FOR, Phase};
use super::equation::{AMPA, Form, is_closed};
use super::lanes::LANES;
use super::precision::Precision;
use super::real::Real;
use super::run::{Next, Run, seconds};
use crate::circuit::number::Number;

impl<R: Precision<N>, F: Form, const N: usize> Run<'_, '_, R, F, N> {
    /// Takes the pulses that have arrived.
    #[inline(always)]
    pub(super) fn receive(&mut self, lane: usize) -> bool {
        let t = self.lanes.t[lane];
        let mut changed = false;
        loop {
            let way = self.way(lane);
            let arrivals = &self.jobs.arrivals_of(way.job)[way.arrival..];
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
            let jump = sum as f64 * self.neuron(lane).raise[c];
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
        self.start(lane);
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
        let zero = R::of(0.0);
        let (way, lanes) = (&mut self.ways[lane % LANES], &mut *self.lanes);
        let t = lanes.t[lane];
        if t >= self.end && self.jobs.stops.is_empty() {
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
        let arrivals = self.jobs.arrivals_of(way.job);
        let [arrival, rest @ ..] = &arrivals[way.arrival..] else { return Next::Unknown };
        let arrives = rest.first().map_or(f64::INFINITY, |next| seconds(next.time, self.origin));
        let event = arrives.or_less(way.other);
        let n = &*self.jobs.list[way.job].neuron;
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
            if n.may_bend(constant, [ampa, gabab], event - t) || constant + ampa < gabab {
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
        tests::count(tests::Seen::Arrival, usize::from(lanes.is_z[lane] > zero));
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
        self.jobs.stops.is_empty()
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

    /// What tests count: what has a short way, and what is rare.
    #[derive(Clone, Copy)]
    pub(in super::super) enum Seen {
        /// An arrival that `take_arrival` takes.
        Arrival,
        /// A neuron that begins with a step; and one that stays calm.
        Begun,
        Calm,
        /// A step that leads to the end of the window.
        Done,
        /// A step that spans so many arrivals that the first ones are summed.
        Many,
        /// A neuron that waits for a lane of its chart.
        Waits,
        /// A step that spans arrivals and ends at one before the threshold; and one that is the first on z.
        BeforeThreshold,
        FirstOnZ,
        /// A first step on z that spans none because the neuron is on a lane of the other chart still.
        FirstOnOldLane,
    }
    const KINDS: usize = 9;

    thread_local! {
        /// Whether short ways are taken, and how many were, on charts q and z.
        static SHORT: Cell<(bool, [[u64; 2]; KINDS])> = const { Cell::new((true, [[0; 2]; KINDS])) };
    }

    pub(in super::super) fn may_be_short() -> bool {
        SHORT.get().0
    }

    pub(in super::super) fn count(kind: Seen, chart: usize) {
        let (may, mut taken) = SHORT.get();
        taken[kind as usize][chart] += 1;
        SHORT.set((may, taken));
    }

    /// A recurrent network with strong inhibition, so that sums reach their floor, quiet times, so that
    /// currents do, and trains of which many arrive at once.
    fn scene(tolerance: &str, rate: &str, receptors: &str, connections: &str) -> Scene {
        let text = format!(
            "(duration: \"300 ms\", seed: 7, solver: Event(tolerance: \"{tolerance}\"),
            sources: {{
                \"noise\": (size: 200, train: Poisson(rates: \"{rate}\")),
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

    /// Digest of all spikes, the bits of all states at the end, the work, and how many took a short way.
    fn outcome(scene: Scene, may_be_short: bool) -> (String, Vec<u64>, Work, [[u64; 2]; KINDS]) {
        SHORT.set((may_be_short, [[0; 2]; KINDS]));
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
        (digest, states, world.resource::<EventWork>().0, SHORT.replace((true, [[0; 2]; KINDS])).1)
    }

    /// In single precision and in double, and with GABA_B in mixed and in double; under few strong pulses, and under
    /// many weak ones.
    #[test]
    fn short_ways_lead_where_the_general_one_does() {
        let inhibition = "(from: \"dpi\", to: \"dpi\", receptor: gabab, rule: FixedInDegree(k: 6), \
                          weight: 4, delay: \"2 ms\"),";
        let mut all = [[0; 2]; KINDS];
        for (rate, iw) in [("150 Hz", "40 pA"), ("3 kHz", "1 pA")] {
            let ampa = format!("ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"{iw}\"),");
            let both = format!("{ampa} gabab: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"{iw}\"),");
            for tolerance in ["1 us", "10 ns"] {
                for (receptors, connections) in [(&ampa, ""), (&both, inhibition)] {
                    let scene = || scene(tolerance, rate, receptors, connections);
                    let (short, general) = (outcome(scene(), true), outcome(scene(), false));
                    assert_eq!((short.0, short.1, short.2), (general.0, general.1, general.2));
                    assert_eq!(general.3[..4], [[0; 2]; 4]);
                    let taken = short.3[Seen::Arrival as usize];
                    assert!(taken[0] > 500 && taken[1] > 500, "taken: {taken:?}");
                    for (sum, own) in all.iter_mut().flatten().zip(short.3.iter().flatten()) {
                        *sum += own;
                    }
                }
            }
        }
        let of = |kind: Seen| all[kind as usize];
        let [before, first, old] =
            [Seen::BeforeThreshold, Seen::FirstOnZ, Seen::FirstOnOldLane].map(|kind| of(kind)[1]);
        assert!(before > 500 && first > 500 && old > 20, "{all:?}");
        let [begun, calm, done] = [Seen::Begun, Seen::Calm, Seen::Done].map(of);
        let few = [begun, done].into_iter().flatten().min();
        assert!(few > Some(500) && calm[0] > 500, "{all:?}");
    }

    /// All membranes after 50 ms of a scene, and how many took a short way.
    fn membranes(rest: &str) -> (Vec<f64>, [[u64; 2]; KINDS]) {
        SHORT.set((true, [[0; 2]; KINDS]));
        let text = format!("(duration: \"50 ms\", seed: 7, {rest})");
        let scene = Scene::parse(&text, "test.ron", "test", Path::new("."), &[]).unwrap().scene;
        let mut simulation = Simulation::new(scene).unwrap();
        simulation.set_backend(Cpu::new(Some(1)));
        simulation.run().unwrap();
        let entities = simulation.world().iter_entities();
        let membranes = entities.filter_map(|neuron| neuron.get::<Membrane>());
        (membranes.map(|membrane| membrane.0).collect(), SHORT.replace((true, [[0; 2]; KINDS])).1)
    }

    const SOMA: &str = "soma: (
        Itau: \"4 pA\", Igain: \"80 pA\", Ith: \"12 mA\", Idc: \"10 pA\", refP: \"1 ms\",
        Ipfb_th: \"0 A\", Ipfb_norm: \"1.4e9 /A\",
    )";

    /// Neurons that do nothing to each other come to the same however many there are, on lanes of whole blocks or
    /// not.
    #[test]
    fn neurons_come_to_the_same_however_many_begin() {
        let membranes = |neurons: usize, inhibition: &str, rate: &str, iw: &str| {
            let circuit = format!("(Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"{iw}\")");
            let gabab =
                if inhibition == "gabab" { format!("gabab: {circuit}") } else { String::new() };
            let scene = format!(
                "solver: Event(tolerance: \"1 us\"), window: \"1 ms\",
                sources: {{
                    \"noise\": (size: {neurons}, train: Poisson(rates: \"{rate}\")),
                    \"calm\": (size: {neurons}, train: Poisson(rates: \"300 Hz\")),
                }},
                populations: {{ \"dpi\": (
                    size: {neurons}, model: arcana({SOMA}, ampa: {circuit}, {gabab}),
                    mismatch: {{ \"ampa.Iw\": LogNormal(cv: 0.5) }},
                ) }},
                connections: [
                    (from: \"noise\", to: \"dpi\", receptor: ampa, rule: OneToOne),
                    (from: \"calm\", to: \"dpi\", receptor: {inhibition}, rule: OneToOne),
                ]"
            );
            membranes(&scene)
        };
        for (rate, iw) in [("800 Hz", "20 pA"), ("16 kHz", "0.5 pA")] {
            for inhibition in ["ampa", "gabab"] {
                let (all, taken) = membranes(257, inhibition, rate, iw);
                assert_eq!(all.len(), 257);
                // Of some neurons a step spans so many arrivals, of others fewer.
                let many: u64 = taken[Seen::Many as usize].iter().sum();
                assert!(rate == "800 Hz" || many > 100, "{taken:?}");
                for neurons in [1, 31, 32, 33, 63, 64, 65, 127] {
                    let (some, _) = membranes(neurons, inhibition, rate, iw);
                    assert_eq!(some, all[..neurons], "{neurons} neurons, {rate}, {inhibition}");
                }
            }
        }
    }

    /// Of neurons that are all alike each comes to what one alone does, though all want a lane of the other chart at once,
    /// of which others have some.
    #[test]
    fn neurons_that_wait_for_a_lane_come_to_the_same() {
        // (While they are refractory, they would not step.)
        let soma = SOMA.replace("1 ms", "0 s");
        let scene = |fast: usize, slow: usize, alike: usize| {
            format!(
                "solver: Event(tolerance: \"1 us\"), window: \"1 ms\",
                sources: {{
                    \"beat\": (size: 5, train: Regular(rates: \"1 kHz\")),
                    \"fast\": (size: {fast}, train: Poisson(rates: \"5 kHz\")),
                    \"slow\": (size: {slow}, train: Poisson(rates: \"5 kHz\")),
                }},
                models: {{
                    \"dpi\": arcana({soma}, ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"20 pA\")),
                    \"weak\": arcana({soma}, ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"0.5 pA\")),
                }},
                populations: {{
                    \"often\": (size: {fast}, model: Named(\"dpi\")),
                    \"seldom\": (size: {slow}, model: Named(\"weak\")),
                    \"alike\": (size: {alike}, model: Named(\"dpi\")),
                }},
                connections: [
                    (from: \"fast\", to: \"often\", receptor: ampa, rule: OneToOne),
                    (from: \"slow\", to: \"seldom\", receptor: ampa, rule: OneToOne),
                    (from: \"beat\", to: \"alike\", receptor: ampa, rule: AllToAll),
                ]"
            )
        };
        let mut waited = [0; 2];
        for (fast, slow) in [(20, 10), (10, 20), (31, 1), (1, 31)] {
            let (one, _) = membranes(&scene(fast, slow, 1));
            let (all, taken) = membranes(&scene(fast, slow, 100));
            let others = fast + slow;
            assert_eq!(all[..others], one[..others]);
            assert_eq!(all[others..], [one[others]; 100]);
            for (sum, own) in waited.iter_mut().zip(taken[Seen::Waits as usize]) {
                *sum += own;
            }
        }
        assert!(waited[0] > 0 && waited[1] > 0, "{waited:?}");
    }

    /// Twenty pulses at each moment do what one of twenty times the weight does, where a step spans so many that the first
    /// of them are summed.
    #[test]
    fn many_pulses_in_a_step_are_all_counted() {
        for receptors in ["ampa", "gabab"] {
            let scene = |sources: usize| {
                let weight = 20 / sources;
                let circuit = "(Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"0.1 pA\")";
                let [ampa, second] =
                    [format!("ampa: {circuit}"), format!("{receptors}: {circuit}")];
                let circuits = if second == ampa { ampa } else { format!("{ampa}, {second}") };
                format!(
                    "solver: Event(tolerance: \"10 ns\"), window: \"5 ms\",
                    sources: {{
                        \"excite\": (size: {sources}, train: Regular(rates: \"3 kHz\")),
                        \"second\": (size: {sources}, train: Regular(rates: \"700 Hz\")),
                    }},
                    populations: {{ \"dpi\": (size: 1, model: arcana({SOMA}, {circuits})) }},
                    connections: [
                        (from: \"excite\", to: \"dpi\", receptor: ampa, rule: AllToAll, weight: {weight}),
                        (from: \"second\", to: \"dpi\", receptor: {receptors}, rule: AllToAll, weight: {weight}),
                    ]"
                )
            };
            let ((one, few), (all, many)) = (membranes(&scene(1)), membranes(&scene(20)));
            let off = all[0] / one[0] - 1.0;
            assert!(off.abs() < 1e-7, "{receptors}: {} and {}, {off:e}", all[0], one[0]);
            let (few, many) = (few[Seen::Many as usize], many[Seen::Many as usize]);
            assert!(few == [0; 2] && many.iter().sum::<u64>() > 10, "{few:?}, {many:?}");
        }
    }
}
