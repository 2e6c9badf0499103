//! The whole back end on a device that is this machine: the same sources, the same bits as the reference.

use std::ops::ControlFlow;
use std::path::Path;

use picoamp::backend::cpu::Cpu;
use picoamp::backend::cuda::Cuda;
use picoamp::prelude::*;
use picoamp::simulation::Progress;

use crate::checks::{self, Make, outcome, run_window_by_window, storm};
use crate::common::{parse, run_on};
use crate::custom_host_model::IzhikevichPlugin;
use crate::custom_kernel_model::QifPlugin;
use crate::host_device::{Faults, HostDevice, compiler};
use crate::lif_twin::TwinPlugin;
use crate::networks;
use crate::suite::{EULER, EVENT, fingerprint, network};
use crate::{Tests, tests};

/// What is missing, and the tests.
pub fn tests() -> (Option<String>, Tests) {
    let missing =
        compiler().is_none().then(|| "there is no C++ compiler ($CXX, c++ or g++)".to_string());
    let makes = || -> Vec<Box<Make>> {
        // Threads in both orders.
        let make =
            |faults: Faults| -> Box<Make> { Box::new(move || Box::new(device(faults.clone()))) };
        [Faults::default(), backwards()].map(make).into()
    };
    let mut all = checks::all("host", makes);
    all.extend(tests!("host":
        a_rounded_product_is_seen,
        every_kind_of_span_is_seen,
        full_lists_are_made_again,
        two_ways_to_empty_sums,
        little_memory_takes_more_launches,
        too_little_memory_is_refused,
        a_device_that_fails_keeps_what_was_measured,
        copies,
        threads_of_the_host_help,
        the_next_window_is_begun_early,
        a_window_begun_early_fails_for_itself,
        only_what_is_written_is_copied,
        others_run_on_the_host,
        a_network_runs_by_itself,
        an_event_driven_network_runs_by_itself,
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

/// The comparison can fail: one multiply-add of one model that is rounded twice, by steps and from event to event.
fn a_rounded_product_is_seen() {
    use crate::suite::{event_driven_in_single_and_double_precision, seed_experiment};
    for (scenes, patch) in [
        (seed_experiment(), ("__fmaf_rn(slope, dt_over_tau, i)", "(slope * dt_over_tau + i)")),
        (
            event_driven_in_single_and_double_precision(),
            ("mul_add(stages[j], weight, sum)", "(stages[j] * weight + sum)"),
        ),
    ] {
        for scene in scenes {
            let reference = run_on(scene.clone(), Cpu::reference());
            let ours = run_on(scene, device(Faults { patch: Some(patch), ..Faults::default() }));
            assert_ne!(fingerprint(&ours).1, fingerprint(&reference).1, "{patch:?}");
        }
    }
}

/// The suite's spans are of all kinds: in both precisions, without inhibition and with it, steps that span arrivals
/// count on each chart, end before the threshold or are the first on z, and some do not count. Of each kind, what is wrong
/// in the kernel is seen in each population.
fn every_kind_of_span_is_seen() {
    let left = "current[c] = currents[c] + left;";
    let without = |left: &str| format!("current[c] = currents[c] + ({left});");
    let shorter = "longest_span = 0.5 * (event - t);";
    for scene in crate::suite::steps_that_span_arrivals() {
        let reference = fingerprint(&run_on(scene.clone(), Cpu::reference())).0;
        for (kind, from, to) in [
            ("on chart q", left, without("Z ? left : zero")),
            ("on chart z", left, without("Z ? zero : left")),
            ("too long", shorter, "longest_span = 0.25 * (event - t);".into()),
            ("before the threshold", "t + MOST_OF_WAY * left", "t + 0.5 * left".into()),
            ("first on z", "(is_first <= zero || is_first_on_z)", "is_first <= zero".into()),
        ] {
            let patch = Some((from, &*to.leak()));
            let faults = Faults { patch, ..Faults::default() };
            let ours = fingerprint(&run_on(scene.clone(), device(faults))).0;
            for population in ["one", "both"] {
                let same = ours[population] == reference[population];
                assert!(!same, "{:?}, {population}: none {kind}", scene.solver);
            }
        }
    }
}

/// A list that is too short for a window's spikes is made again.
fn full_lists_are_made_again() {
    let fast = HostDevice::new(Faults::default());
    let counts = fast.counts;
    run_window_by_window(storm("Euler(dt: \"1 ms\")"), Box::new(Cuda::on(fast, Some(1))));
    let count = |name| counts.lock().unwrap()[name];
    let (windows, lists) = (count("advance"), count("list_spikes"));
    assert!(lists > windows, "{lists} lists of {windows} windows: none was too short");
}

/// Sums are emptied along the edges where few arrive, and whole where many do.
fn two_ways_to_empty_sums() {
    let launches = |scene: Scene| {
        let ours = HostDevice::new(Faults::default());
        let counts = ours.counts;
        run_window_by_window(scene, Box::new(Cuda::on(ours, Some(1))));
        let count = |name| counts.lock().unwrap().get(name).copied().unwrap_or(0);
        (count("clear"), count("withdraw"))
    };
    let text = r#"(duration: "10 ms", window: "1 ms", solver: Euler(dt: "100 us"),
        sources: { "in": (size: SIZE, train: Regular(rates: "1 kHz")) },
        populations: { "lif": (size: 200, model: lif()) },
        connections: [(from: "in", to: "lif", receptor: exc, rule: RULE)])"#;
    let scene =
        |size: &str, rule| parse(&text.replace("SIZE", size).replace("RULE", rule), Path::new("."));
    let (few, many) = (launches(scene("1", "FixedTotal(n: 9)")), launches(scene("2", "AllToAll")));
    assert_eq!((few.0, many.1), (0, 0), "{few:?} {many:?}");
    assert!(few.1 > 5 && many.0 > 5, "{few:?} {many:?}");
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
    insta::assert_snapshot!(error, @"the back end `cuda` cannot be used: the scene needs about 164.1 kB of device memory, but 50.0 kB are free on a device of a test; the largest part is the table of 8896 edges with 71.2 kB");
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
        let piece = std::time::Duration::from_millis(100);
        let error = std::iter::repeat_with(|| simulation.run_for(piece)).find_map(Result::err);
        let error = error.unwrap();
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

/// Copies on this device.
fn copies() {
    checks::copies(&HostDevice::new(Faults::default()));
}

/// What the host does for many event-driven neurons, one thread does as two.
fn threads_of_the_host_help() {
    let text = r#"(duration: "20 ms", seed: 6, solver: Event(tolerance: "1 us"),
        sources: { "in": (size: 3000, train: Poisson(rates: "300 Hz")) },
        populations: { "lif": (size: 3000, model: lif(exc: (w: 0.5), soma: (dc: 1.01)),
            mismatch: { "soma.tau_m": LogNormal(cv: 0.2) }) },
        connections: [(from: "in", to: "lif", receptor: exc, rule: OneToOne)])"#;
    let of = |threads| {
        let ours = Cuda::on(HostDevice::new(Faults::default()), Some(threads));
        fingerprint(&run_on(parse(text, Path::new(".")), ours))
    };
    let reference = fingerprint(&run_on(parse(text, Path::new(".")), Cpu::reference()));
    assert_eq!([of(1), of(2), of(3)], [(); 3].map(|()| reference.clone()));
}

/// While the host takes what a window has left, the next one is under way, unless something may come in between.
fn the_next_window_is_begun_early() {
    for (solver, delay) in [(EULER, "0 s"), (EVENT, "0.1 ms")] {
        for rest in ["", r#"probes: { "dpi": Spikes(of: "dpi") }"#] {
            let ours = HostDevice::new(Faults::default());
            let counts = ours.counts;
            let scene = networks::long(solver, delay, "1 s", rest);
            let mut simulation = Simulation::new(scene).unwrap();
            simulation.set_backend(Cuda::on(ours, Some(1)));
            let mut launches = Vec::new();
            let observe = |_: &Progress| {
                launches.push(counts.lock().unwrap()["sort_out"]);
                ControlFlow::Continue(())
            };
            simulation.run_with(observe).unwrap();
            let all = launches[launches.len() - 1];
            assert_eq!((launches[0], launches[1]), (2 * 1024, all), "{solver}: {all}");
            assert_eq!(counts.lock().unwrap().contains_key("read_after"), !rest.is_empty());
        }
    }
}

/// A window that is begun while the host takes what the one before has left fails for itself: nothing of that is lost.
fn a_window_begun_early_fails_for_itself() {
    let scene = || {
        networks::long(
            "Euler(dt: \"0.1 ms\")",
            "0 s",
            "1 s",
            r#"probes: { "dpi": Spikes(of: "dpi") }"#,
        )
    };
    let spikes = |simulation: &Simulation| {
        simulation.probe::<SpikeRecorder>("dpi").unwrap().spikes().to_vec()
    };
    // Of 1024 steps, in each a launch for each of two banks: the second fails in its midst.
    let faults = Faults { failing: Some(("advance", 2 * 1500)), ..Faults::default() };
    let mut simulation = Simulation::new(scene()).unwrap();
    simulation.set_backend(device(faults));
    let error = simulation.run().unwrap_err();
    let window = Time::from_steps(1024, Time::from_seconds(1e-4).unwrap());
    assert_eq!(simulation.time(), window);
    assert!(error.to_string().contains("t = 0.1024 s"), "{error}");
    let mut expected = spikes(&run_on(scene(), Cpu::new(Some(1))));
    expected.retain(|(time, _)| *time <= window);
    assert!(expected.len() > 50, "{}", expected.len());
    assert_eq!(spikes(&simulation), expected);
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
    Event(tolerance: "1 us", step: "100 us"): `izhikevich` runs on the host: it is a host model; `twin` runs on the host: its kernel has no CUDA source
    "#);
}

/// One window of the schedule where the delays alone would make a thousand; sources and delays are on the device,
/// what probes hear comes from there. A system that is added then is refused.
fn a_network_runs_by_itself() {
    let text = r#"(duration: "100 ms", window: "10 ms", seed: 2, solver: Euler(dt: "100 us"),
        sources: {
            "noise": (size: 90, train: Poisson(rates: Steps([("0 s", Linear(from: "0 Hz", to: "300 Hz")), ("31.4 ms", "700 Hz"), ("80 ms", "0 Hz")]))),
            "clock": (size: 70, train: Regular(rates: Linear(from: "0 Hz", to: "333 Hz"), phase: Random)),
            "grid": (size: 5, train: Regular(rates: "150 Hz", grid: "1 ms", phase: "2 ms")),
            "given": (size: 2, train: Spikes([(0, "0 s"), (1, "33.3 ms"), (0, "99.95 ms")])),
            "jittered": (size: 3, train: Regular(rates: "200 Hz", jitter: "1 ms")),
        },
        populations: {
            "a": (size: 90, model: lif(exc: (w: 0.5), soma: (dc: 0.9)), mismatch: { "soma.tau_m": LogNormal(cv: 0.2) }),
            "b": (size: 70, model: dynapse1(soma: (Idc: "600 pA")), mismatch: { "soma.Itau": LogNormal(cv: 0.2) }),
        },
        connections: [
            (from: "noise", to: "a", receptor: exc, rule: OneToOne, delay: "0.1 ms"),
            (from: "clock", to: "b", receptor: ampa, rule: OneToOne, delay: "12.3 ms"),
            (from: "grid", to: "a", receptor: inh, rule: AllToAll, weight: 0.1),
            (from: "given", to: "b", receptor: nmda, rule: AllToAll),
            (from: "jittered", to: "a", receptor: exc, rule: FixedTotal(n: 50)),
            (from: "a", to: "b", receptor: gabaa, rule: FixedInDegree(k: 5), weight: 0.5),
            (from: "b", to: "a", receptor: exc, rule: FixedInDegree(k: 5), delay: Uniform(from: "0 s", to: "25 ms")),
        ],
        probes: {
            "noise": Spikes(of: "noise"), "clock": Spikes(of: "clock"), "grid": Spikes(of: "grid"),
            "given": Spikes(of: "given"), "a": Spikes(of: "a"),
            "v": Trace(of: "a", vars: [v], neurons: [0, 89], every: "0.3 ms"),
        })"#;
    let scene = parse(text, Path::new("."));
    let heard = |simulation: &Simulation| {
        let spikes = |probe| simulation.probe::<SpikeRecorder>(probe).unwrap().spikes().to_vec();
        let trace = simulation.probe::<TraceRecorder>("v").unwrap();
        let trace = [0, 89].map(|n| {
            trace
                .samples(n, Variable::Named("v"))
                .map(|(t, v)| (t, v.to_bits()))
                .collect::<Vec<_>>()
        });
        (["noise", "clock", "grid", "given", "a"].map(spikes), trace, fingerprint(simulation))
    };
    let reference = heard(&run_on(scene.clone(), Cpu::reference()));
    assert!(reference.0.iter().all(|spikes| !spikes.is_empty()));
    for faults in [Faults::default(), backwards()] {
        let ours = HostDevice::new(faults);
        let counts = ours.counts;
        let mut simulation = Simulation::new(scene.clone()).unwrap();
        simulation.set_backend(Cuda::on(ours, Some(1)));
        let mut windows = 0;
        simulation
            .run_with(|_| {
                windows += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(heard(&simulation), reference);
        assert_eq!(windows, 1);
        let count = |name| counts.lock().unwrap().get(name).copied().unwrap_or(0);
        assert_eq!(
            (count("emit_poisson"), count("emit_regular"), count("route")),
            (1000, 2000, 2000)
        );
        simulation.add_systems(WindowSet::Last, || {});
        let error = simulation.run().unwrap_err().to_string();
        assert!(error.contains("add systems before the run starts"), "{error}");
    }
}

/// The same from event to event: windows of 0.37 ms, of which the host sees nothing before the end. Where lists were
/// too short, windows are repeated.
fn an_event_driven_network_runs_by_itself() {
    let launches = |scene: Scene| {
        let ours = HostDevice::new(Faults::default());
        let counts = ours.counts;
        let mut simulation = Simulation::new(scene).unwrap();
        simulation.set_backend(Cuda::on(ours, Some(1)));
        let mut windows = 0;
        simulation
            .run_with(|_| {
                windows += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        let counts = counts.lock().unwrap();
        let count = |name| counts.get(name).copied().unwrap_or(0);
        (windows, ["emit_poisson", "sort_out", "route_timed", "hash_timed"].map(count))
    };
    // 100 ms in windows of 0.37 ms; four banks.
    let windows = 271;
    assert_eq!(launches(networks::network(true)), (1, [windows, windows, 4 * windows, 0]));
    assert_eq!(launches(networks::network(false)), (1, [windows, windows, 4 * windows, 4]));
    // In the first batch (of all four windows) each of these was too short once: what is due and spikes of sources
    // and of neurons, runs, arrivals.
    let (windows, [_, launches, ..]) = launches(networks::crowd());
    assert_eq!(windows, 1);
    assert!(launches >= 4 * 3, "{launches} launches of four windows");
}

fn nothing_for_the_device_is_refused() {
    let plugins = Plugins::default().with(IzhikevichPlugin);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene.ron");
    for (populations, shown) in
        [("\"i\": (size: 2, model: izhikevich())", "host model"), ("", "no neurons")]
    {
        let text = "(duration: \"1 ms\", solver: Euler(dt: \"1 ms\"), populations: {POPULATIONS})";
        std::fs::write(&path, text.replace("POPULATIONS", populations)).unwrap();
        let mut simulation = plugins.simulation(&path).unwrap();
        simulation.set_backend(device(Faults::default()));
        let error = simulation.run().unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains(shown), "{error}");
    }
}
