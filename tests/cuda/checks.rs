//! What every device has to give: the results of the scalar reference.

use std::path::Path;

use bevy_ecs::prelude::*;
use picoamp::backend::cpu::Cpu;
use picoamp::backend::cuda::Device;
use picoamp::backend::{Backend, CurrentBackend, EventWork};
use picoamp::network::Router;
use picoamp::prelude::*;

use crate::Tests;
use crate::common::{parse, run_on};
use crate::custom_plasticity::StdpPlugin;
use crate::custom_system::HomeostasisPlugin;
use crate::networks;
use crate::random_neurons::{crowded, dpi, lif, scene_of};
use crate::suite::{CASES, EULER, EVENT, Fingerprint, fingerprint, network, network_by};

/// Makes a back end.
pub type Make = dyn Fn() -> Box<dyn Backend>;

/// A name and a check.
type Check = (&'static str, fn(&Make));

/// All checks by name.
const CHECKS: [Check; 15] = [
    ("random_neurons", random_neurons),
    ("more_spikes_than_the_list_holds", more_spikes_than_the_list_holds),
    ("faults_are_those_of_the_reference", faults_are_those_of_the_reference),
    ("systems_read_and_write_columns", systems_read_and_write_columns),
    ("traces", traces),
    ("pieces_of_any_length", pieces_of_any_length),
    ("deliveries", deliveries),
    ("the_first_overflow_is_named", the_first_overflow_is_named),
    ("plasticity", plasticity),
    ("event_driven_networks_and_inputs", event_driven_networks_and_inputs),
    ("event_driven_networks_by_themselves", networks::event_driven_networks_by_themselves),
    ("event_driven_networks_in_pieces", networks::event_driven_networks_in_pieces),
    ("crowds", networks::crowds),
    ("faults_within_a_batch", networks::faults_within_a_batch),
    ("windows_that_are_begun_early", networks::windows_that_are_begun_early),
];

/// The conformance suite and all checks, on the back ends of `makes` one after the other.
pub fn all(prefix: &str, makes: fn() -> Vec<Box<Make>>) -> Tests {
    let mut all: Tests = Vec::new();
    for (name, scenes) in CASES {
        let test = move || makes().iter().for_each(|make| conforms(scenes(), make));
        all.push((format!("{prefix}::{name}"), Box::new(test)));
    }
    for (name, check) in CHECKS {
        let test = move || makes().iter().for_each(|make| check(make));
        all.push((format!("{prefix}::{name}"), Box::new(test)));
    }
    all
}

fn run(scene: Scene, backend: Box<dyn Backend>) -> Simulation {
    let mut simulation = Simulation::new(scene).unwrap();
    simulation.world_mut().insert_resource(CurrentBackend(backend));
    simulation.run().unwrap();
    simulation
}

/// Copies of any length, after the work before them, in its order or beside it.
pub fn copies(device: &impl Device) {
    let bytes = |n: usize, seed: u8| -> Vec<u8> {
        (0..n).map(|k| (k as u32).wrapping_mul(0x9e37_79b1).to_be_bytes()[0] ^ seed).collect()
    };
    for (n, at) in [(0, 0), (1, 7), (1 << 22, 0), ((1 << 22) + 1, 5), (3 * (1 << 22) + 1, 100)] {
        let mut from = device.allocate(at + n).unwrap();
        let mut to = device.allocate(at + n).unwrap();
        for seed in 0..4 {
            let expected = bytes(at + n, seed);
            device.write(&mut from, 0, &expected).unwrap();
            // What has to be waited for.
            for _ in 0..20 {
                device.copy(&from, &mut to, at + n).unwrap();
            }
            let mark = device.mark().unwrap();
            let (mut found, mut beside) = (vec![0; n], vec![0; n]);
            if seed % 2 == 0 {
                device.read(&to, at, &mut found).unwrap();
            } else {
                device.read_after(&mark, &to, at, &mut found).unwrap();
            }
            device.clear(&mut from, 0, at + n).unwrap();
            device.read_after(&mark, &to, at, &mut beside).unwrap();
            assert!(found == expected[at..] && beside == expected[at..], "{n} bytes, {seed}");
        }
    }
}

/// A device gives what the scalar reference gives.
pub fn conforms(scenes: Vec<Scene>, make: &Make) {
    for scene in scenes {
        let reference = fingerprint(&run_on(scene.clone(), Cpu::reference()));
        assert_eq!(fingerprint(&run(scene.clone(), make())), reference);
        assert_eq!(fingerprint(&run_window_by_window(scene, make())), reference);
    }
}

/// A run in which a system looks at each window, so that no network runs on the device by itself.
pub fn run_window_by_window(scene: Scene, backend: Box<dyn Backend>) -> Simulation {
    let mut simulation = Simulation::new(scene).unwrap();
    simulation.world_mut().insert_resource(CurrentBackend(backend));
    simulation.add_systems(WindowSet::Last, |_: Res<Window>| {});
    simulation.run().unwrap();
    simulation
}

/// A window with more spikes than the list holds loses none.
fn more_spikes_than_the_list_holds(make: &Make) {
    conforms(vec![storm("Euler(dt: \"1 ms\")"), storm(EVENT)], make);
}

/// Draws from 0 to 1 (SplitMix64).
fn draws(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..n).map(|_| next()).collect()
}

/// Biases over three decades, all forms and receptors, random drive: each neuron a population.
fn random_neurons(make: &Make) {
    let seeds = 0..60_u64;
    let dpis = seeds.clone().map(|k| dpi(&draws(k, 100), k));
    let lifs = seeds.clone().map(|k| lif(&draws(1000 + k, 100), k));
    let crowds = seeds.map(|k| crowded(&draws(2000 + k, 100), k));
    let cases: Vec<_> = dpis.chain(lifs).chain(crowds).collect();
    for solver in [EULER, "Euler(dt: \"1 ms\")", EVENT, "Event(tolerance: \"10 ns\")"] {
        let scene = parse(&scene_of(&cases, &format!("solver: {solver}")), Path::new("."));
        let reference = run_on(scene.clone(), Cpu::reference());
        let ours = run(scene, make());
        let (ours, reference) = (fingerprint(&ours), fingerprint(&reference));
        for (k, (name, hash)) in reference.0.iter().enumerate() {
            assert_eq!(ours.0.get(name), Some(hash), "{solver}, {k}: {name}");
        }
        assert_eq!(ours.1, reference.1);
    }
}

/// Neurons that fire in every step.
pub fn storm(solver: &str) -> Scene {
    let text = r#"(duration: "250 ms", solver: SOLVER,
        populations: {
            "all": (size: 130, model: lif(soma: (dc: 100, refP: "0 s")),
                mismatch: { "soma.dc": LogNormal(cv: 0.5) }),
            "some": (size: 70, model: lif(soma: (dc: 3, refP: "0 s")),
                mismatch: { "soma.dc": LogNormal(cv: 0.2) }),
        })"#;
    parse(&text.replace("SOLVER", solver), Path::new("."))
}

/// A current that is not a number, and pulses beyond the sums' range: the same message at the same time,
/// and the same results before it.
fn faults_are_those_of_the_reference(make: &Make) {
    let breaks = r#"(duration: "0.2 s", solver: Euler(dt: "1 ms"),
        sources: { "input": (size: 4, train: Spikes([(0, "5 ms"), (2, "20 ms"), (3, "50 ms")])) },
        populations: { "dpi": (size: 4, model: arcana(
            soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
            ampa: (Iw: "1e36 A"), gabab: (Iw: "1e36 A"))) },
        connections: [
            (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 60000),
            (from: "input", to: "dpi", receptor: gabab, rule: OneToOne, weight: 60000),
        ],
        probes: { "t": Trace(of: "dpi", vars: [Imem, Iampa], neurons: All, every: "1 ms") })"#;
    let overflows = r#"(duration: "0.2 s", solver: Euler(dt: "1 ms"),
        sources: { "input": (size: 40000, train: Regular(rates: "10 Hz", phase: "30 ms")) },
        populations: { "dpi": (size: 3, model: dynapse1()) },
        connections: [
            (from: "input", to: "dpi", receptor: nmda, rule: AllToAll, weight: 65536),
        ],
        probes: { "t": Trace(of: "dpi", vars: [Imem, Iampa], neurons: All, every: "1 ms") })"#;
    // A neuron of its own that fires without bound, beside others; and one that breaks within a window.
    let unbound = r#"(duration: "0.2 s", solver: Event(tolerance: "1 us"), window: "10 ms",
        populations: {
            "lif": (size: 70, model: lif(soma: (dc: 1.2)), mismatch: { "soma.dc": LogNormal(cv: 0.1) }),
            "dpi": (size: 3, model: lif(soma: (dc: 1.1, refP: "0 s")), dc: Steps([("55 ms", 1e6)])),
        },
        probes: { "t": Trace(of: "lif", vars: [v], neurons: All, every: "1 ms") })"#;
    // In single precision 1e36 A has no rate.
    let event = breaks.replace("Euler(dt: \"1 ms\")", EVENT).replace(
        "(from: \"input\", to: \"dpi\", receptor: gabab, rule: OneToOne, weight: 60000),",
        "",
    );
    let event = event.replace(", gabab: (Iw: \"1e36 A\")", "");
    for (text, kind) in [
        (breaks, "not a number"),
        (overflows, "fixed-point range"),
        (unbound, "fires"),
        (&event, "not a number"),
    ] {
        let variable = if text == unbound { Variable::Named("v") } else { Variable::Imem };
        let run = |backend: Box<dyn Backend>| {
            let mut simulation = Simulation::new(parse(text, Path::new("."))).unwrap();
            simulation.world_mut().insert_resource(CurrentBackend(backend));
            let error = simulation.run().unwrap_err().to_string();
            let trace = simulation.probe::<TraceRecorder>("t").unwrap();
            let of = |n| trace.samples(n, variable).map(|(t, v)| (t, v.to_bits()));
            let samples: Vec<_> = (0..3).flat_map(of).collect();
            (error, simulation.time(), samples, crate::common::hashes(&simulation))
        };
        let reference = run(Box::new(Cpu::reference()));
        assert!(reference.0.contains(kind), "{}", reference.0);
        assert!(!reference.2.is_empty() && reference.1 > Time::ZERO);
        assert_eq!(run(make()), reference);
    }
}

/// Systems of users see the state of each window, and what they write acts.
fn systems_read_and_write_columns(make: &Make) {
    /// What was seen.
    #[derive(Resource, Default)]
    struct Seen(Vec<u64>);

    fn disturb(
        window: Res<Window>,
        mut seen: ResMut<Seen>,
        mut membranes: Query<(&Neuron, &mut Membrane)>,
        mut currents: Query<(&Circuit, &mut SynapticCurrent)>,
    ) {
        for (neuron, mut membrane) in &mut membranes {
            seen.0.push(membrane.0.to_bits());
            if neuron.index % 7 == 3 {
                membrane.0 += 1e-12 * window.end().seconds();
            }
        }
        for (_, mut current) in &mut currents {
            seen.0.push(current.0.to_bits());
            if current.0 > 1e-10 {
                current.0 *= 0.5;
            }
        }
    }

    let run = |solver: &str, backend: Box<dyn Backend>| {
        let mut simulation = Simulation::new(network_by(2, solver)).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        simulation.world_mut().init_resource::<Seen>();
        simulation.add_systems(WindowSet::Last, disturb);
        simulation.run().unwrap();
        let seen = std::mem::take(&mut simulation.world_mut().resource_mut::<Seen>().0);
        (fingerprint(&simulation), seen)
    };
    for solver in [EULER, EVENT] {
        let reference = run(solver, Box::new(Cpu::reference()));
        assert_eq!(run(solver, make()), reference, "{solver}");
        let without = fingerprint(&run_on(network_by(2, solver), Cpu::reference()));
        assert_ne!(without, reference.0, "it has an effect");
    }

    // Biases.
    let path = crate::common::file("examples/scenes/homeostasis.ron");
    let plugins = Plugins::default().with(HomeostasisPlugin { population: "dpi", target: 40.0 });
    let run = |solver: &str, backend: Box<dyn Backend>| {
        let sets = ["duration=1 s".into(), format!("solver={solver}")];
        let scene = plugins.load(&path, &sets).unwrap().scene;
        let mut simulation = plugins.build(scene).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        simulation.run().unwrap();
        fingerprint(&simulation)
    };
    for solver in ["Euler(dt: \"1 ms\")", EVENT] {
        assert_eq!(run(solver, make()), run(solver, Box::new(Cpu::reference())), "{solver}");
    }
}

/// Traces at any interval, of any neurons.
fn traces(make: &Make) {
    let text = r#"(duration: "150 ms", window: "10 ms", solver: SOLVER, seed: 3,
        sources: { "in": (size: 300, train: Poisson(rates: "100 Hz")) },
        populations: { "lif": (size: 300, model: lif(exc: (w: 3), soma: (dc: 0.3)),
            mismatch: { "soma.tau_m": LogNormal(cv: 0.2) }) },
        connections: [(from: "in", to: "lif", receptor: exc, rule: OneToOne)],
        probes: {
            "all": Trace(of: "lif", vars: [v, i_exc], neurons: All, every: "10 ms"),
            "v": Trace(of: "lif", vars: [v], neurons: [0, 299], every: "100 us"),
            "odd": Trace(of: "lif", vars: [v], neurons: [299, 0], every: "1.3 ms", window: (from: "35 ms", to: "77 ms")),
            "rare": Trace(of: "lif", vars: [v], neurons: [5], every: "149 ms"),
        })"#;
    let rows = |simulation: &Simulation| {
        let probes = ["all", "v", "odd", "rare"];
        let of = |probe| {
            let trace = simulation.probe::<TraceRecorder>(probe).unwrap();
            let of = |n| trace.samples(n, Variable::Named("v")).map(|(t, v)| (t, v.to_bits()));
            [0, 5, 63, 64, 299].into_iter().flat_map(of).collect::<Vec<_>>()
        };
        probes.map(of)
    };
    for solver in [EULER, EVENT] {
        let scene = parse(&text.replace("SOLVER", solver), Path::new("."));
        let reference = rows(&run_on(scene.clone(), Cpu::reference()));
        assert!(reference.iter().all(|rows| !rows.is_empty()));
        assert_eq!(rows(&run(scene, make())), reference, "{solver}");
    }
}

/// Event-driven DPI neurons beyond the suite: traces of all receptors, direct inputs that ramp and step, neurons
/// that sleep and wake, in single and double precision.
fn event_driven_networks_and_inputs(make: &Make) {
    let text = r#"(duration: "400 ms", window: "50 ms", seed: 8, solver: Event(tolerance: "TOLERANCE"),
        sources: {
            "noise": (size: 80, train: Poisson(rates: "120 Hz")),
            "burst": (size: 80, train: Regular(rates: "4 Hz", phase: "170 ms")),
        },
        populations: {
            "plain": (size: 80, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "1 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"), ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA")),
                mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2) }),
            "driven": (size: 30, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", refP: "2 ms", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A")),
                dc: Ramp(from: "0 A", to: "40 pA", start: "50 ms", end: "333 ms")),
            "stepped": (size: 30, model: dynapse1(), dc: Steps([("20 ms", "700 pA"), ("150.05 ms", "0 A"), ("300 ms", "900 pA")])),
            "chip": (size: 80, model: dynapse1(),
                mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ahp.Iw": LogNormal(cv: 0.3) }),
        },
        connections: [
            (from: "burst", to: "plain", receptor: ampa, rule: OneToOne, weight: 3),
            (from: "noise", to: "chip", receptor: ampa, rule: OneToOne, weight: 3),
            (from: "noise", to: "chip", receptor: nmda, rule: OneToOne),
            (from: "plain", to: "chip", receptor: gabaa, rule: FixedInDegree(k: 4), delay: "1 ms"),
            (from: "chip", to: "chip", receptor: gabab, rule: FixedInDegree(k: 4), delay: Uniform(from: "2 ms", to: "60 ms")),
            (from: "chip", to: "driven", receptor: gabab, rule: FixedInDegree(k: 4), weight: 2, delay: "3 ms"),
        ],
        probes: {
            "plain": Trace(of: "plain", vars: [Imem, Iampa], neurons: [0, 79], every: "1.7 ms"),
            "driven": Trace(of: "driven", vars: [Imem, Igabab], neurons: [0, 29], every: "1 ms"),
            "chip": Trace(of: "chip", vars: [Imem, Iampa, Inmda, Igabaa, Igabab, Iahp], neurons: [3, 64], every: "10 ms"),
        })"#;
    for tolerance in ["1 us", "20 ns"] {
        let scene = parse(&text.replace("TOLERANCE", tolerance), Path::new("."));
        let outcome = |simulation: &Simulation| {
            let trace = |probe, n| {
                let trace = simulation.probe::<TraceRecorder>(probe).unwrap();
                trace.samples(n, Variable::Imem).map(|(t, v)| (t, v.to_bits())).collect::<Vec<_>>()
            };
            let traces = [("plain", 79), ("driven", 0), ("chip", 64)].map(|(p, n)| trace(p, n));
            (fingerprint(simulation), traces, simulation.world().resource::<EventWork>().0)
        };
        let reference = outcome(&run_on(scene.clone(), Cpu::reference()));
        assert_eq!(outcome(&run(scene, make())), reference, "{tolerance}");
        assert!(reference.2.rejected > 0);
    }
}

fn pieces_of_any_length(make: &Make) {
    let whole = fingerprint(&run_on(network(1), Cpu::reference()));
    for pieces in [[100, 100, 50], [1, 200, 49]] {
        let mut simulation = Simulation::new(network(1)).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(make()));
        for ms in pieces {
            simulation.run_for(std::time::Duration::from_millis(ms)).unwrap();
        }
        assert_eq!(fingerprint(&simulation), whole);
    }
}

/// What a run gives, and the remarks of its back end.
pub fn outcome(
    plugins: &Plugins,
    text: &str,
    backend: Box<dyn Backend>,
) -> (Fingerprint, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.ron");
    std::fs::write(&path, text).unwrap();
    let mut simulation = plugins.simulation(&path).unwrap();
    simulation.world_mut().insert_resource(CurrentBackend(backend));
    simulation.run().unwrap();
    let remarks = simulation.world().resource::<CurrentBackend>().0.remarks();
    (fingerprint(&simulation), remarks)
}

/// Weights that a rule changes are changed on the device, too.
fn plasticity(make: &Make) {
    let plugins = Plugins::default().with(StdpPlugin);
    let path = crate::common::file("examples/scenes/stdp.ron");
    let run = |backend: Box<dyn Backend>| {
        let mut simulation = plugins.simulation(&path).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        simulation.run().unwrap();
        let learnt = simulation.world().resource::<Router>().learnt(0).unwrap();
        let weights: Vec<u64> = learnt.iter().map(|edge| edge.weight.to_bits()).collect();
        (fingerprint(&simulation), weights)
    };
    let (ours, reference) = (run(make()), run(Box::new(Cpu::reference())));
    assert_eq!(ours, reference);
    assert!(reference.1.iter().any(|weight| f64::from_bits(*weight) > 0.6), "it learns");
}

/// One spike of many edges, many spikes of one edge, several delays, windows long and short, edges by hand:
/// the sums are right, and empty again after each window.
fn deliveries(make: &Make) {
    let text = r#"(duration: "120 ms", window: "WINDOW", solver: SOLVER, seed: 5,
        sources: {
            "all": (size: 3, train: Regular(rates: "100 Hz", phase: Linear(from: "0 s", to: "0.2 ms"))),
            "own": (size: 2100, train: Poisson(rates: "80 Hz")),
        },
        populations: {
            "lif": (size: 2100, model: lif(exc: (w: 0.1), inh: (w: 0.1), soma: (dc: 0.9)),
                mismatch: { "soma.tau_m": LogNormal(cv: 0.2) }),
            "dynapse1": (size: 70, model: dynapse1()),
        },
        connections: [
            (from: "all", to: "lif", receptor: exc, rule: AllToAll, weight: Uniform(from: 0, to: 2)),
            (from: "own", to: "lif", receptor: exc, rule: OneToOne, weight: 1.5, delay: "0.4 ms"),
            (from: "lif", to: "dynapse1", receptor: ampa, rule: FixedInDegree(k: 90), weight: 0.4, delay: Uniform(from: "1 ms", to: "9 ms")),
            (from: "lif", to: "lif", receptor: inh, rule: FixedProbability(p: 0.01), delay: DELAY),
        ])"#;
    for (solver, window, delay) in [
        (EULER, "100 ms", "\"60 ms\""),
        (EULER, "10 ms", "\"0.1 ms\""),
        (EULER, "5 ms", "\"3.4 ms\""),
        (EVENT, "60 ms", "\"60 ms\""),
        (EVENT, "10 ms", "\"0.37 ms\""),
    ] {
        let text = text.replace("WINDOW", window).replace("DELAY", delay);
        let scene = parse(&text.replace("SOLVER", solver), Path::new("."));
        let run = |backend: Box<dyn Backend>| {
            let mut simulation = Simulation::new(scene.clone()).unwrap();
            simulation.world_mut().insert_resource(CurrentBackend(backend));
            for k in 0..70 {
                let from = simulation.neuron("lif", 7 * k).unwrap();
                let to = simulation.circuit("dynapse1", k, Receptor::Ampa).unwrap();
                simulation.connect(from, to, 1.5, Time::from_seconds(2e-3).unwrap()).unwrap();
            }
            simulation.run().unwrap();
            fingerprint(&simulation)
        };
        let reference = run(Box::new(Cpu::reference()));
        assert_eq!(run(make()), reference, "{solver} {window} {delay}");
    }
}

/// Of several overflows in one step the reference names the first neuron and receptor.
fn the_first_overflow_is_named(make: &Make) {
    let text = r#"(duration: "50 ms", solver: Euler(dt: "1 ms"),
        sources: { "in": (size: 40000, train: Regular(rates: "10 Hz", phase: "30 ms")) },
        populations: {
            "a": (size: 5, model: lif()),
            "b": (size: 70, model: dynapse1()),
            "c": (size: 3, model: arcana(soma: (Ipfb_norm: "1.4e9 /A"))),
        },
        connections: [
            (from: "in", to: "c", receptor: ampa, rule: AllToAll, weight: 65536),
            (from: "in", to: "b", receptor: nmda, to_neurons: [69, 66], rule: AllToAll, weight: 65536),
            (from: "in", to: "b", receptor: ampa, to_neurons: [69, 68], rule: AllToAll, weight: 65536),
        ])"#;
    let run = |backend: Box<dyn Backend>| {
        let mut simulation = Simulation::new(parse(text, Path::new("."))).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        simulation.run().unwrap_err().to_string()
    };
    let reference = run(Box::new(Cpu::reference()));
    assert!(reference.contains("nmda of neuron 66 of `b`"), "{reference}");
    assert_eq!(run(make()), reference);
}
