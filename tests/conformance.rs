//! One suite that every back end runs: the same scenes, bit for bit the results of the scalar
//! reference.

mod common;
#[path = "common/suite.rs"]
mod suite;

use common::{hashes, parse, run_on};
use fearless_simd::{Level, Simd};
use picoamp::backend::cpu::Cpu;
use picoamp::prelude::*;
use picoamp::probe::digest::SpikeDigests;
use suite::{EULER, EVENT, every_form, fingerprint, mixed, network};

macro_rules! conformance {
    ($name:ident, $backend:expr) => {
        mod $name {
            use super::*;

            fn equals_the_reference(scenes: Vec<Scene>) {
                for scene in scenes {
                    let reference = run_on(scene.clone(), Cpu::reference());
                    let ours = run_on(scene, $backend);
                    assert_eq!(fingerprint(&ours), fingerprint(&reference));
                }
            }

            #[test]
            fn seed_experiment() {
                equals_the_reference(suite::seed_experiment());
            }

            #[test]
            fn seed_experiment_at_a_fine_step() {
                equals_the_reference(suite::seed_experiment_at_a_fine_step());
            }

            #[test]
            fn banks_with_much_work() {
                equals_the_reference(suite::banks_with_much_work());
            }

            #[test]
            fn every_preset_and_form() {
                equals_the_reference(suite::every_preset_and_form());
            }

            #[test]
            fn event_driven_in_single_and_double_precision() {
                equals_the_reference(suite::event_driven_in_single_and_double_precision());
            }

            #[test]
            fn steps_that_span_arrivals() {
                equals_the_reference(suite::steps_that_span_arrivals());
            }

            #[test]
            fn models_of_all_families() {
                equals_the_reference(suite::models_of_all_families());
            }

            #[test]
            fn recurrent_network() {
                equals_the_reference(suite::recurrent_network());
            }

            #[test]
            fn short_rounds() {
                equals_the_reference(suite::short_rounds());
            }
        }
    };
}

conformance!(one_thread, Cpu::new(Some(1)));
conformance!(two_threads, Cpu::new(Some(2)));
conformance!(three_threads, Cpu::new(Some(3)));
conformance!(four_threads, Cpu::new(Some(4)));
conformance!(eight_threads, Cpu::new(Some(8)));
conformance!(avx2, Cpu::new(Some(1)).on(level(Level::as_avx2)));
conformance!(without_vectors, Cpu::new(Some(1)).on(level(Level::as_sse2)));

/// An instruction set of this machine by name, or the best there is.
fn level<S: Simd>(of: impl Fn(Level) -> Option<S>) -> Level {
    of(Level::new()).map_or(Level::new(), Simd::level)
}

/// So many pulses that threads share their delivery: listed step by step, and of event-driven neurons.
#[test]
fn many_pulses_delivered_by_several_threads() {
    let circuit = r#"(Itau: "2 pA", Igain: "20 pA", Iw: "1 pA")"#;
    let soma = r#"soma: (
        Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", refP: "1 ms",
        Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A",
    )"#;
    let mismatch = r#"{ "soma.Itau": Gaussian(cv: 0.1), "ampa.Iw": Gaussian(cv: 0.1) }"#;
    for solver in [EULER, EVENT] {
        let text = format!(
            r#"(seed: 5, duration: "150 ms", window: "10 ms", solver: {solver},
                sources: {{
                    "noise": (size: 60, train: Poisson(rates: "500 Hz")),
                    "beat": (size: 60, train: Regular(rates: "400 Hz", phase: Random)),
                }},
                populations: {{
                    "a": (size: 330, model: arcana({soma}, ampa: {circuit}), mismatch: {mismatch}),
                    "b": (
                        size: 70, model: arcana({soma}, ampa: {circuit}, gabab: {circuit}),
                        mismatch: {mismatch},
                    ),
                }},
                connections: [
                    (from: "noise", to: "a", receptor: ampa, rule: AllToAll),
                    (from: "beat", to: "b", receptor: ampa, rule: AllToAll, delay: "3 ms"),
                    (from: "a", to: "b", receptor: gabab, rule: AllToAll, delay: "9.9 ms"),
                ])"#
        );
        let scene = parse(&text, std::path::Path::new("."));
        let reference = run_on(scene.clone(), Cpu::reference());
        let digests = &reference.world().resource::<SpikeDigests>().0;
        assert!(digests.iter().map(|d| d.count).sum::<u64>() > 500, "it is worth comparing");
        for threads in [2, 3, 8] {
            let ours = run_on(scene.clone(), Cpu::new(Some(threads)));
            assert_eq!(fingerprint(&ours), fingerprint(&reference), "{solver}, {threads} threads");
        }
    }
}

/// Event-driven neurons that drive each other, in so many blocks that threads deliver what they fire to several of their own.
fn lively() -> Scene {
    let circuit = r#"(Itau: "2 pA", Igain: "20 pA", Iw: "10 pA")"#;
    let text = format!(
        r#"(seed: 5, duration: "60 ms", window: "5 ms", solver: {EVENT},
            sources: {{ "noise": (size: 900, train: Poisson(rates: "100 Hz")) }},
            populations: {{
                "p": (
                    size: 900, model: arcana(
                        soma: (
                            Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", refP: "0 s",
                            Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A",
                        ),
                        ampa: {circuit}, gabab: {circuit},
                    ),
                    mismatch: {{ "soma.Itau": Gaussian(cv: 0.1), "ampa.Iw": Gaussian(cv: 0.1) }},
                ),
            }},
            connections: [
                (from: "noise", to: "p", receptor: ampa, rule: OneToOne, weight: 30, delay: "0.3 ms"),
                (from: "p", neurons: Range(from: 0, to: 699), to: "p", receptor: ampa, rule: FixedInDegree(k: 51), delay: "1 ms"),
                (from: "p", neurons: Range(from: 700, to: 899), to: "p", receptor: gabab, rule: FixedInDegree(k: 13), delay: Uniform(from: "1 ms", to: "4 ms")),
            ])"#
    );
    parse(&text, std::path::Path::new("."))
}

#[test]
fn lively_event_driven_neurons_on_any_threads() {
    let reference = run_on(lively(), Cpu::reference());
    let digests = &reference.world().resource::<SpikeDigests>().0;
    assert!(digests[0].count > 1000, "it is worth comparing: {:?}", digests[0].count);
    for threads in [1, 2, 3, 8] {
        let ours = run_on(lively(), Cpu::new(Some(threads)));
        assert_eq!(fingerprint(&ours), fingerprint(&reference), "{threads} threads");
    }
}

/// The suite can fail: one bias of one neuron changes the fingerprint.
#[test]
fn the_fingerprint_sees_one_bias() {
    let run = |change: bool| {
        let mut simulation = Simulation::new(network(1)).unwrap();
        simulation.set_backend(Cpu::new(Some(1)));
        if change {
            let neuron = simulation.neuron("inh", 77).unwrap();
            simulation.world_mut().get_mut::<Soma>(neuron).unwrap().i_gain *= 1.001;
        }
        simulation.run().unwrap();
        fingerprint(&simulation)
    };
    let (plain, changed) = (run(false), run(true));
    assert_eq!(plain, run(false));
    assert_ne!(plain.1, changed.1);
}

/// The network is worth comparing: both populations fire, and the window is shorter than `window`.
#[test]
fn the_network_is_alive() {
    let simulation = run_on(network(1), Cpu::new(Some(1)));
    let digests = &simulation.world().resource::<SpikeDigests>().0;
    assert!(digests.iter().all(|digest| digest.count > 1000), "{digests:?}");
    let window = simulation.world().resource::<picoamp::network::Router>().round_steps();
    assert_eq!(window, 8, "the shortest delay between populations is 7 steps");
}

/// The network without delays too: all populations fire, in two banks.
#[test]
fn short_rounds_are_alive() {
    let simulation = run_on(suite::short_rounds_of("0 s"), Cpu::new(Some(2)));
    let counts = simulation.world().resource::<SpikeDigests>().0.iter().map(|digest| digest.count);
    let counts: Vec<u64> = counts.collect();
    assert!(counts.len() == 3 && counts.iter().all(|count| *count > 500), "{counts:?}");
    assert_eq!(simulation.world().resource::<picoamp::bank::Banks>().0.len(), 2);
    assert_eq!(simulation.world().resource::<picoamp::network::Router>().round_steps(), 1);
}

/// So many rounds that one thread is tried now and then.
#[test]
fn many_short_rounds_on_any_threads() {
    let of = |threads| {
        let mut scene = suite::short_rounds_of("0 s");
        scene.duration = Time::from_steps(3500, scene.solver.grid());
        fingerprint(&run_on(scene, Cpu::new(Some(threads))))
    };
    let one = of(1);
    assert!([2, 3].into_iter().all(|threads| of(threads) == one));
}

/// Runs of the schedule.
#[derive(bevy_ecs::prelude::Resource, Default)]
struct Windows(u64);

/// A simulation that has run, maybe with a system that counts the windows it sees, and how it ended.
fn watched(scene: Scene, is_watched: bool) -> (Simulation, Result<(), String>) {
    use bevy_ecs::prelude::ResMut;
    let mut simulation = Simulation::new(scene).unwrap();
    simulation.set_backend(Cpu::new(Some(2)));
    simulation.world_mut().init_resource::<Windows>();
    if is_watched {
        simulation.add_systems(WindowSet::Last, |mut windows: ResMut<Windows>| windows.0 += 1);
    }
    let end = simulation.run().map_err(|error| error.to_string());
    (simulation, end)
}

/// Where a system of a plugin looks, each round is a window; where none does, the network goes through many by
/// itself. Nothing else differs.
#[test]
fn who_looks_sees_every_round_and_changes_nothing() {
    let euler = [network(1), suite::short_rounds_of("0 s")];
    for scene in euler.into_iter().chain([suite::network_by(1, EVENT)]) {
        let [(alone, _), (seen, _)] = [false, true].map(|seen| watched(scene.clone(), seen));
        let [long, short] =
            [&alone, &seen].map(|s| s.world().resource::<picoamp::network::Router>());
        assert_eq!(short.window_steps(), short.round_steps());
        assert!(long.window_steps() >= 10 * short.window_steps());
        assert_eq!(fingerprint(&seen), fingerprint(&alone));
        let steps = scene.duration.steps(scene.solver.grid());
        assert_eq!(seen.world().resource::<Windows>().0, steps.div_ceil(short.round_steps()));
    }
}

/// Nor where a fault ends the run within a window: at the same time, with what was measured before.
#[test]
fn a_fault_is_found_in_its_round() {
    let text = r#"(duration: "0.2 s", solver: Euler(dt: "1 ms"),
        sources: { "input": (size: 4, train: Spikes([(0, "5 ms"), (2, "20 ms"), (3, "50 ms")])),
            "early": (size: 1, train: Spikes([(0, "1 ms"), (0, "150 ms")])) },
        populations: { "dpi": (size: 4, model: arcana(
            soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
            ampa: (Iw: "1e36 A"), gabab: (Iw: "1e36 A"))) },
        connections: [
            (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 60000),
            (from: "input", to: "dpi", receptor: gabab, rule: OneToOne, weight: 60000),
            (from: "dpi", to: "dpi", receptor: ampa, rule: OneToOne, delay: "2 ms"),
        ],
        probes: {
            "t": Trace(of: "dpi", vars: [Imem, Iampa], neurons: All, every: "1 ms"),
            "s": Spikes(of: "early"),
        })"#;
    let run = |is_watched| {
        let (simulation, end) = watched(parse(text, std::path::Path::new(".")), is_watched);
        let trace = simulation.probe::<TraceRecorder>("t").unwrap();
        let of = |n| trace.samples(n, Variable::Imem).map(|(t, v)| (t, v.to_bits()));
        let samples: Vec<_> = (0..4).flat_map(of).collect();
        let heard = simulation.probe::<SpikeRecorder>("s").unwrap().spikes().len();
        (end.unwrap_err(), simulation.time(), samples, heard, hashes(&simulation))
    };
    let (alone, seen) = (run(false), run(true));
    assert!(alone.0.contains("not a number"), "{}", alone.0);
    assert!(alone.1 > Time::ZERO && !alone.2.is_empty());
    assert_eq!(alone.3, 1, "what comes later is not heard");
    assert_eq!(alone, seen);
}

/// All fire, or the comparison would show little; and they are in two banks.
#[test]
fn banks_with_much_work_are_alive() {
    let simulation = run_on(suite::banks_with_much_work().remove(0), Cpu::reference());
    let counts = simulation.world().resource::<SpikeDigests>().0.iter().map(|digest| digest.count);
    let counts: Vec<u64> = counts.collect();
    assert!(counts.len() == 3 && counts.iter().all(|count| *count > 100), "{counts:?}");
    assert_eq!(simulation.world().resource::<picoamp::bank::Banks>().0.len(), 2);
}

/// Every preset and form fires, or the comparison would show little.
#[test]
fn every_form_is_alive() {
    // From event to event a few spikes fewer, among 70 neurons, for the form that fires least.
    for (scene, least) in [(every_form(EULER), 70), (every_form(EVENT), 60), (mixed(), 70)] {
        let simulation = run_on(scene, Cpu::new(Some(1)));
        let digests = &simulation.world().resource::<SpikeDigests>().0;
        let names = simulation.scene().populations.keys();
        let silent: Vec<_> = names.zip(digests).filter(|(_, d)| d.count < least).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }
}

/// Runs pieces of so many tenths of a millisecond, each on so many threads.
fn run_in_pieces(scene: &Scene, pieces: [u64; 3], threads: [usize; 3]) -> Simulation {
    let mut simulation = Simulation::new(scene.clone()).unwrap();
    for (piece, threads) in pieces.into_iter().zip(threads) {
        simulation.set_backend(Cpu::new(Some(threads)));
        simulation.run_for(std::time::Duration::from_micros(100 * piece)).unwrap();
    }
    assert_eq!(simulation.time(), scene.duration);
    simulation
}

/// The steps of event-driven neurons end where pieces do: of whole rounds they give the run in one go, and others the same
/// on any threads.
#[test]
fn a_lively_run_in_pieces_is_the_same_on_any_threads() {
    let whole = fingerprint(&run_on(lively(), Cpu::new(Some(2))));
    for threads in [[2, 2, 2], [3, 1, 4], [1, 8, 3]] {
        assert!(fingerprint(&run_in_pieces(&lively(), [200, 310, 90], threads)) == whole);
    }
    for pieces in [[205, 301, 94], [333, 7, 260]] {
        let [one, others] =
            [[1; 3], [3, 2, 8]].map(|threads| run_in_pieces(&lively(), pieces, threads));
        assert!(fingerprint(&one) == fingerprint(&others), "{pieces:?}");
    }
}

/// Pieces of any length, whole windows (and rounds) or not, give the run in one go.
#[test]
fn a_run_in_pieces_is_the_same() {
    let cases = [
        (network(1), [[100, 100, 50], [1, 200, 49], [33, 66, 151]], 10),
        // Rounds of three steps.
        (suite::short_rounds_of("0.2 ms"), [[100, 300, 200], [350, 1, 249], [200, 200, 200]], 1),
    ];
    for (scene, cuts, steps) in cases {
        let whole = run_on(scene.clone(), Cpu::new(Some(2)));
        // (Other threads from piece to piece than the network was laid out for.)
        for (pieces, threads) in cuts.into_iter().zip([[2, 2, 2], [3, 1, 4], [8, 2, 3]]) {
            let simulation = run_in_pieces(&scene, pieces.map(|piece| piece * steps), threads);
            assert!(fingerprint(&simulation) == fingerprint(&whole));
        }
    }
}

/// What goes wrong in one of many short rounds ends the run there, on any number of threads.
#[test]
fn a_fault_in_a_short_round() {
    let burst =
        r#"sources: { "burst": (size: 40000, train: Regular(rates: "10 Hz", phase: "30.3 ms")),"#;
    let ends = r#"connections: [
        (from: "burst", to: "inh", to_neurons: [700], receptor: ampa, rule: AllToAll, weight: 65536),"#;
    for delay in ["0 s", "0.2 ms"] {
        let text = suite::short_rounds_text(delay);
        let text = text.replace("sources: {", burst).replace("connections: [", ends);
        let run = |backend: Cpu| {
            let mut simulation = Simulation::new(parse(&text, std::path::Path::new("."))).unwrap();
            simulation.set_backend(backend);
            let error = simulation.run().unwrap_err().to_string();
            (error, simulation.time(), hashes(&simulation))
        };
        let reference = run(Cpu::reference());
        let expected = "the pulses that arrive at ampa of neuron 700 of `inh` at t = 0.0303 s";
        assert!(reference.0.starts_with(expected), "{}", reference.0);
        for threads in [1, 2, 3, 8] {
            assert_eq!(run(Cpu::new(Some(threads))), reference, "{threads} threads");
        }
    }
}

/// The digest of a population depends neither on its place in the scene nor on its neighbours.
#[test]
fn order_and_neighbours_do_not_matter() {
    let base = r#"
        "dpi": (size: 70, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA",
            Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"), ampa: (Itau: "2 pA", Iw: "2 nA")),
            mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2) }),"#;
    let other = base.replace("\"dpi\"", "\"other\"").replace("size: 70", "size: 13");
    let scene = |populations: &str, extra: &str| {
        let text = format!(
            r#"(seed: 5, duration: "300 ms", solver: Euler(dt: "1 ms"),
               sources: {{ {extra} "in": (size: 70, train: Poisson(rates: "80 Hz")) }},
               populations: {{ {populations} }},
               connections: [(from: "in", to: "dpi", receptor: ampa, rule: OneToOne)])"#
        );
        parse(&text, std::path::Path::new("."))
    };
    let hash = |scene| hashes(&run_on(scene, Cpu::new(Some(1))))["dpi"].clone();
    let alone = hash(scene(base, ""));
    assert_eq!(alone, hash(scene(&format!("{base}{other}"), "")));
    assert_eq!(alone, hash(scene(&format!("{other}{base}"), "")));
    let extra = "\"more\": (size: 9, train: Poisson(rates: \"80 Hz\")),";
    assert_eq!(alone, hash(scene(base, extra)));
}
