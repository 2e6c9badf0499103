//! The whole back end on a device that is this machine: the same sources, the same bits as the reference.

use std::path::Path;

use bevy_ecs::prelude::*;
use picoamp::backend::cpu::Cpu;
use picoamp::backend::cuda::Cuda;
use picoamp::backend::{Backend, CurrentBackend};
use picoamp::network::Router;
use picoamp::prelude::*;

use crate::common::{parse, run_on};
use crate::custom_host_model::IzhikevichPlugin;
use crate::custom_kernel_model::QifPlugin;
use crate::custom_plasticity::StdpPlugin;
use crate::custom_system::HomeostasisPlugin;
use crate::host_device::{Faults, HostDevice, compiler};
use crate::lif_twin::TwinPlugin;
use crate::random_neurons::{dpi, lif, scene_of};
use crate::suite::{CASES, Fingerprint, fingerprint, network};
use crate::{Tests, tests};

/// What is missing, and the tests.
pub fn tests() -> (Option<String>, Tests) {
    let missing =
        compiler().is_none().then(|| "there is no C++ compiler ($CXX, c++ or g++)".to_string());
    let mut all: Tests = Vec::new();
    for (name, scenes) in CASES.into_iter().filter(|(name, _)| !name.starts_with("event_driven")) {
        all.push((format!("host::{name}"), Box::new(move || conforms(scenes()))));
    }
    all.extend(tests!("host":
        random_neurons,
        a_rounded_product_is_seen,
        more_spikes_than_the_list_holds,
        little_memory_takes_more_launches,
        too_little_memory_is_refused,
        a_device_that_fails_keeps_what_was_measured,
        faults_are_those_of_the_reference,
        systems_read_and_write_columns,
        only_what_is_written_is_copied,
        traces,
        pieces_of_any_length,
        deliveries,
        the_first_overflow_is_named,
        plasticity,
        others_run_on_the_host,
        nothing_for_the_device_is_refused,
    ));
    (missing, all)
}

fn device(faults: Faults) -> Cuda<HostDevice> {
    Cuda::on(HostDevice::new(faults), Some(1))
}

fn backwards() -> Faults {
    Faults { backwards: true, ..Faults::default() }
}

fn conforms(scenes: Vec<Scene>) {
    for scene in scenes {
        let reference = fingerprint(&run_on(scene.clone(), Cpu::reference()));
        for faults in [Faults::default(), backwards()] {
            let ours = run_on(scene.clone(), device(faults));
            assert_eq!(fingerprint(&ours), reference);
        }
    }
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
fn random_neurons() {
    let seeds = 0..60_u64;
    let dpis = seeds.clone().map(|k| dpi(&draws(k, 100), k));
    let lifs = seeds.map(|k| lif(&draws(1000 + k, 100), k));
    let cases: Vec<_> = dpis.chain(lifs).collect();
    for dt in ["100 us", "1 ms"] {
        let scene =
            parse(&scene_of(&cases, &format!("solver: Euler(dt: \"{dt}\")")), Path::new("."));
        let reference = run_on(scene.clone(), Cpu::reference());
        let ours = run_on(scene, device(Faults::default()));
        let (ours, reference) = (fingerprint(&ours), fingerprint(&reference));
        for (k, (name, hash)) in reference.0.iter().enumerate() {
            assert_eq!(ours.0.get(name), Some(hash), "{k}: {name}");
        }
        assert_eq!(ours.1, reference.1);
    }
}

/// The comparison can fail: one multiply-add of one model that is rounded twice.
fn a_rounded_product_is_seen() {
    let scene = crate::suite::seed_experiment().remove(0);
    let reference = run_on(scene.clone(), Cpu::reference());
    let patch = ("__fmaf_rn(slope, dt_over_tau, i)", "(slope * dt_over_tau + i)");
    let ours = run_on(scene, device(Faults { patch: Some(patch), ..Faults::default() }));
    assert_ne!(fingerprint(&ours).1, fingerprint(&reference).1);
}

/// Neurons that fire in every step.
fn storm() -> Scene {
    let text = r#"(duration: "250 ms", solver: Euler(dt: "1 ms"),
        populations: {
            "all": (size: 130, model: lif(soma: (dc: 100, refP: "0 s")),
                mismatch: { "soma.dc": LogNormal(cv: 0.5) }),
            "some": (size: 70, model: lif(soma: (dc: 3, refP: "0 s")),
                mismatch: { "soma.dc": LogNormal(cv: 0.2) }),
        })"#;
    parse(text, Path::new("."))
}

/// A window with more spikes than the list holds is repeated in halves, and none is lost.
fn more_spikes_than_the_list_holds() {
    let reference = run_on(storm(), Cpu::reference());
    let fast = HostDevice::new(Faults::default());
    let counts = fast.counts;
    let ours = run_on(storm(), Cuda::on(fast, Some(1)));
    assert_eq!(fingerprint(&ours), fingerprint(&reference));
    let launches = counts.lock().unwrap()["advance"];
    assert!(launches > 3, "{launches} launches of three windows: the list never was too short");
}

/// Sums that do not fit take windows in pieces.
fn little_memory_takes_more_launches() {
    let scene = network(1);
    let reference = fingerprint(&run_on(scene.clone(), Cpu::reference()));
    let text = r#"(duration: "200 ms", solver: Euler(dt: "100 us"), seed: 3,
        sources: { "in": (size: 300, train: Poisson(rates: "100 Hz")) },
        populations: { "lif": (size: 300, model: lif(exc: (w: 3)),
            mismatch: { "soma.tau_m": LogNormal(cv: 0.2) }, dc: Ramp(from: 0, to: 1, start: "0 s", end: "0.2 s")) },
        connections: [(from: "in", to: "lif", receptor: exc, rule: OneToOne)],
        probes: { "v": Trace(of: "lif", vars: [v], neurons: [0, 299], every: "0.7 ms") })"#;
    let long = parse(text, Path::new("."));
    let whole = run_on(long.clone(), Cpu::reference());
    // Parameters, state and spikes of 320 neurons take 30 kB; sums of a window of 1000 steps 2.6 MB.
    let mut launches = Vec::new();
    for memory in [1 << 30, 3 << 20, 400_000, 120_000, 60_000] {
        let faults = Faults { memory, ..backwards() };
        let ours = HostDevice::new(faults.clone());
        let counts = ours.counts;
        let ours = run_on(long.clone(), Cuda::on(ours, Some(1)));
        assert_eq!(fingerprint(&ours), fingerprint(&whole), "{memory}");
        assert_eq!(samples(&ours, "v"), samples(&whole, "v"), "{memory}");
        launches.push(counts.lock().unwrap()["advance"]);
    }
    assert_eq!(launches[0], 2, "two windows, two launches");
    assert!(launches.is_sorted() && launches[4] > 20, "{launches:?}");
    let ours = run_on(scene, device(Faults { memory: 1 << 20, ..Faults::default() }));
    assert_eq!(fingerprint(&ours), reference);
}

fn samples(simulation: &Simulation, probe: &str) -> Vec<(Time, u64)> {
    let trace = simulation.probe::<TraceRecorder>(probe).unwrap();
    let neurons = [0, 299];
    let of = |n| trace.samples(n, Variable::Named("v")).map(|(t, v)| (t, v.to_bits()));
    neurons.into_iter().flat_map(of).collect()
}

/// Need, have and the largest part, before anything is allocated.
fn too_little_memory_is_refused() {
    let mut simulation = Simulation::new(network(1)).unwrap();
    simulation.set_backend(device(Faults { memory: 50_000, ..Faults::default() }));
    let error = simulation.run().unwrap_err();
    assert_eq!(error.exit_code(), 6);
    insta::assert_snapshot!(error, @"the back end `cuda` cannot be used: the scene needs about 155.8 kB of device memory, but 50.0 kB are free on a device of a test; the largest part is the table of 8896 edges with 71.2 kB");
}

/// What was measured before the fault is kept; the error names kernel and window.
fn a_device_that_fails_keeps_what_was_measured() {
    let scene = crate::suite::seed_experiment().remove(0);
    let whole = run_on(scene.clone(), Cpu::new(Some(1)));
    for (kernel, named, nth) in
        [("advance", "`arcana`: launching advance", 4), ("deliver", "launching deliver", 3)]
    {
        let mut simulation = Simulation::new(scene.clone()).unwrap();
        let faults = Faults { failing: Some((kernel, nth)), ..Faults::default() };
        simulation.set_backend(device(faults));
        let error = simulation.run().unwrap_err();
        assert_eq!(error.exit_code(), 6);
        let window = simulation.time();
        assert_eq!(
            error.to_string(),
            format!(
                "the back end `cuda` failed at t = {window} s: {named}: the device fell off the bus"
            )
        );
        assert!(window > Time::ZERO && window < simulation.scene().duration, "{window}");
        let spikes = |simulation: &Simulation| {
            simulation.probe::<SpikeRecorder>("raster").unwrap().spikes().to_vec()
        };
        let mut expected = spikes(&whole);
        expected.retain(|(time, _)| *time < window);
        assert_eq!(spikes(&simulation), expected);
        assert!(matches!(simulation.run(), Err(Error::Failed { .. })));
    }
}

/// A current that is not a number, and pulses beyond the sums' range: the same message at the same time,
/// and the same results before it.
fn faults_are_those_of_the_reference() {
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
    for (text, kind) in [(breaks, "not a number"), (overflows, "fixed-point range")] {
        let run = |backend: Box<dyn Backend>| {
            let mut simulation = Simulation::new(parse(text, Path::new("."))).unwrap();
            simulation.world_mut().insert_resource(CurrentBackend(backend));
            let error = simulation.run().unwrap_err().to_string();
            let trace = simulation.probe::<TraceRecorder>("t").unwrap();
            let of = |n| trace.samples(n, Variable::Imem).map(|(t, v)| (t, v.to_bits()));
            let samples: Vec<_> = (0..3).flat_map(of).collect();
            (error, simulation.time(), samples, crate::common::hashes(&simulation))
        };
        let reference = run(Box::new(Cpu::reference()));
        assert!(reference.0.contains(kind), "{}", reference.0);
        assert!(!reference.2.is_empty() && reference.1 > Time::ZERO);
        for faults in [Faults::default(), backwards()] {
            assert_eq!(run(Box::new(device(faults))), reference);
        }
    }
}

/// Systems of users see the state of each window, and what they write acts.
fn systems_read_and_write_columns() {
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

    let run = |backend: Box<dyn Backend>| {
        let mut simulation = Simulation::new(network(2)).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        simulation.world_mut().init_resource::<Seen>();
        simulation.add_systems(WindowSet::Last, disturb);
        simulation.run().unwrap();
        let seen = std::mem::take(&mut simulation.world_mut().resource_mut::<Seen>().0);
        (fingerprint(&simulation), seen)
    };
    let reference = run(Box::new(Cpu::reference()));
    assert_eq!(run(Box::new(device(Faults::default()))), reference);
    assert_ne!(fingerprint(&run_on(network(2), Cpu::reference())), reference.0, "it has an effect");

    // Biases.
    let path = crate::common::file("examples/scenes/homeostasis.ron");
    let plugins = Plugins::default().with(HomeostasisPlugin { population: "dpi", target: 40.0 });
    let run = |backend: Box<dyn Backend>| {
        let scene = plugins.load(&path, &["duration=2 s".into()]).unwrap().scene;
        let mut simulation = plugins.build(scene).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        simulation.run().unwrap();
        fingerprint(&simulation)
    };
    assert_eq!(run(Box::new(device(Faults::default()))), run(Box::new(Cpu::reference())));
}

/// A run without systems copies no state; one that writes one membrane writes one number.
fn only_what_is_written_is_copied() {
    let ours = HostDevice::new(Faults::default());
    let counts = ours.counts;
    let mut simulation = Simulation::new(network(1)).unwrap();
    simulation.set_backend(Cuda::on(ours, Some(1)));
    simulation.run_for(std::time::Duration::from_millis(20)).unwrap();
    assert!(!counts.lock().unwrap().contains_key("write_state"));
    let neuron = simulation.neuron("inh", 5).unwrap();
    simulation.world_mut().get_mut::<Membrane>(neuron).unwrap().0 = 1e-9;
    simulation.run_for(std::time::Duration::from_millis(20)).unwrap();
    assert_eq!(counts.lock().unwrap()["write_state"], 1);
}

/// Traces at any interval, of any neurons.
fn traces() {
    let text = r#"(duration: "150 ms", window: "10 ms", solver: Euler(dt: "100 us"), seed: 3,
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
    let scene = parse(text, Path::new("."));
    let rows = |simulation: &Simulation| {
        let probes = ["all", "v", "odd", "rare"];
        let of = |probe| {
            let trace = simulation.probe::<TraceRecorder>(probe).unwrap();
            let of = |n| trace.samples(n, Variable::Named("v")).map(|(t, v)| (t, v.to_bits()));
            [0, 5, 63, 64, 299].into_iter().flat_map(of).collect::<Vec<_>>()
        };
        probes.map(of)
    };
    let reference = rows(&run_on(scene.clone(), Cpu::reference()));
    assert!(reference.iter().all(|rows| !rows.is_empty()));
    for faults in [Faults::default(), Faults { memory: 300_000, ..backwards() }] {
        assert_eq!(rows(&run_on(scene.clone(), device(faults))), reference);
    }
}

fn pieces_of_any_length() {
    let whole = fingerprint(&run_on(network(1), Cpu::reference()));
    for pieces in [[100, 100, 50], [1, 200, 49]] {
        let mut simulation = Simulation::new(network(1)).unwrap();
        simulation.set_backend(device(Faults::default()));
        for ms in pieces {
            simulation.run_for(std::time::Duration::from_millis(ms)).unwrap();
        }
        assert_eq!(fingerprint(&simulation), whole);
    }
}

/// What a run gives, and the remarks of its back end.
fn outcome(plugins: &Plugins, text: &str, backend: Box<dyn Backend>) -> (Fingerprint, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.ron");
    std::fs::write(&path, text).unwrap();
    let mut simulation = plugins.simulation(&path).unwrap();
    simulation.world_mut().insert_resource(CurrentBackend(backend));
    simulation.run().unwrap();
    let remarks = simulation.world().resource::<CurrentBackend>().0.remarks();
    (fingerprint(&simulation), remarks)
}

/// Neurons without a kernel for devices run on the host beside the others, by steps or from event to event,
/// and that is said. A plugin's kernel runs on the device if it has a source.
fn others_run_on_the_host() {
    let plugins = Plugins::default().with(QifPlugin).with(IzhikevichPlugin).with(TwinPlugin);
    let text = r#"(duration: "200 ms", solver: SOLVER,
        sources: { "in": (size: 50, train: Poisson(rates: "200 Hz")) },
        populations: {
            "lif": (size: 80, model: lif(exc: (w: 3), soma: (dc: 1.1))),
            "qif": (size: 20, model: qif(soma: (dc: 1.2))),
            "izhikevich": (size: 10, model: izhikevich(soma: (I: 10))),
            "twin": (size: 100, model: twin(exc: (w: 2), soma: (dc: 1.05))),
            "more": (size: 9, model: lif(exc: (w: 2), soma: (dc: 1.01))),
        },
        connections: [
            (from: "in", to: "lif", receptor: exc, rule: FixedInDegree(k: 3), delay: "0.3 ms"),
            (from: "in", to: "qif", receptor: exc, rule: FixedInDegree(k: 3), weight: 0.4),
            (from: "lif", to: "qif", receptor: exc, rule: FixedInDegree(k: 3), weight: 0.3, delay: "1 ms"),
            (from: "lif", to: "twin", receptor: exc, rule: FixedInDegree(k: 3), weight: 0.3, delay: "1 ms"),
            (from: "qif", to: "lif", receptor: inh, rule: FixedInDegree(k: 3), delay: "1 ms"),
            (from: "twin", to: "qif", receptor: exc, rule: FixedInDegree(k: 3), delay: "1.5 ms"),
            (from: "qif", to: "izhikevich", receptor: exc, rule: FixedInDegree(k: 3), delay: "2 ms"),
            (from: "izhikevich", to: "more", receptor: exc, rule: FixedInDegree(k: 3), delay: "2 ms"),
        ])"#;
    let mut all = String::new();
    for solver in ["Euler(dt: \"100 us\")", "Event(tolerance: \"1 us\", step: \"100 us\")"] {
        let text = text.replace("SOLVER", solver);
        let reference = outcome(&plugins, &text, Box::new(Cpu::reference())).0;
        let mut said = Vec::new();
        for faults in [Faults::default(), backwards()] {
            let (ours, remarks) = outcome(&plugins, &text, Box::new(device(faults)));
            assert_eq!(ours, reference, "{solver}");
            said = remarks;
        }
        all += &format!("{solver}: {}\n", said.join("; "));
    }
    insta::assert_snapshot!(all, @r#"
    Euler(dt: "100 us"): `izhikevich` runs on the host: it is a host model; `twin` runs on the host: its kernel has no CUDA source
    Event(tolerance: "1 us", step: "100 us"): `lif` runs on the host: the event-driven solver has no kernel for a device; `izhikevich` runs on the host: it is a host model; `twin` runs on the host: its kernel has no CUDA source
    "#);
}

/// Weights that a rule changes are changed on the device, too.
fn plasticity() {
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
    let ours = HostDevice::new(Faults::default());
    let counts = ours.counts;
    assert_eq!(run(Box::new(Cuda::on(ours, Some(1)))), run(Box::new(Cpu::reference())));
    assert!(counts.lock().unwrap()["reweight"] > 10);
}

/// One spike of many edges, many spikes of one edge, several delays, windows long and short, edges by hand:
/// the sums are right, and empty again after each window.
fn deliveries() {
    let text = r#"(duration: "120 ms", window: "WINDOW", solver: Euler(dt: "100 us"), seed: 5,
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
    let mut clears = Vec::new();
    for (window, delay) in
        [("100 ms", "\"60 ms\""), ("10 ms", "\"0.1 ms\""), ("5 ms", "\"3.4 ms\"")]
    {
        let scene = parse(&text.replace("WINDOW", window).replace("DELAY", delay), Path::new("."));
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
        for faults in [Faults::default(), backwards()] {
            let ours = HostDevice::new(faults);
            let counts = ours.counts;
            assert_eq!(run(Box::new(Cuda::on(ours, Some(1)))), reference, "{window} {delay}");
            let count = |name| counts.lock().unwrap().get(name).copied().unwrap_or(0);
            clears.push((count("clear") > 0, count("withdraw") > 0));
        }
    }
    assert!(clears.iter().any(|c| c.0) && clears.iter().any(|c| c.1), "both ways: {clears:?}");
}

/// Of several overflows in one step the reference names the first neuron and receptor.
fn the_first_overflow_is_named() {
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
    for faults in [Faults::default(), backwards()] {
        assert_eq!(run(Box::new(device(faults))), reference);
    }
}

fn nothing_for_the_device_is_refused() {
    for (scene, shown) in [
        (crate::suite::every_form(crate::suite::EVENT), "event-driven"),
        (parse("(duration: \"1 ms\", solver: Euler(dt: \"1 ms\"))", Path::new(".")), "no neurons"),
    ] {
        let mut simulation = Simulation::new(scene).unwrap();
        simulation.set_backend(device(Faults::default()));
        let error = simulation.run().unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains(shown), "{error}");
    }
}
