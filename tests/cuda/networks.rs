//! Event-driven networks that run on the device by themselves: many windows that the host does not see one by one.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use picoamp::backend::cpu::Cpu;
use picoamp::backend::{Backend, CurrentBackend, EventWork};
use picoamp::prelude::*;
use picoamp::simulation::Progress;
use picoamp::solver::event::Work;

use crate::checks::Make;
use crate::common::{hashes, parse, run_on};
use crate::suite::{Fingerprint, fingerprint};

/// Sources of all kinds, four banks, delays that make windows of 0.37 ms.
const NETWORK: &str = r#"(duration: "100 ms", window: "10 ms", seed: 2, solver: Event(tolerance: "1 us"),
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
        "c": (size: 40, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"), ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"))),
        "d": (size: 50, model: lif(exc: (w: 0.4), soma: (dc: 1.05))),
    },
    connections: [
        (from: "noise", to: "a", receptor: exc, rule: OneToOne, delay: "0.1 ms"),
        (from: "clock", to: "b", receptor: ampa, rule: OneToOne, delay: "12.3 ms"),
        (from: "grid", to: "a", receptor: inh, rule: AllToAll, weight: 0.1),
        (from: "given", to: "b", receptor: nmda, rule: AllToAll),
        (from: "jittered", to: "a", receptor: exc, rule: FixedTotal(n: 50)),
        (from: "noise", neurons: Range(from: 40, to: 79), to: "c", receptor: ampa, rule: OneToOne),
        (from: "a", to: "b", receptor: gabaa, rule: FixedInDegree(k: 5), weight: 0.5, delay: "0.37 ms"),
        (from: "b", to: "a", receptor: exc, rule: FixedInDegree(k: 5), delay: Uniform(from: "1 ms", to: "25 ms")),
        (from: "c", to: "d", receptor: exc, rule: FixedOutDegree(k: 3), weight: 2, delay: "0.5 ms"),
        (from: "d", to: "c", receptor: ampa, rule: FixedInDegree(k: 3), delay: "30 ms"),
    ],
    probes: {PROBES})"#;
const PROBES: &str = r#"
    "noise": Spikes(of: "noise"), "clock": Spikes(of: "clock"), "grid": Spikes(of: "grid"),
    "given": Spikes(of: "given"), "a": Spikes(of: "a"), "d": Spikes(of: "d"),
    "v": Trace(of: "a", vars: [v], neurons: [0, 89], every: "0.3 ms"),
    "w": Trace(of: "d", vars: [v], neurons: [7, 3], every: "4.1 ms", window: (from: "12 ms", to: "88 ms")),"#;

/// The network with or without probes.
pub fn network(probes: bool) -> Scene {
    let text = NETWORK.replace("PROBES", if probes { PROBES } else { "" });
    parse(&text, Path::new("."))
}

type Trace = Vec<(Time, u64)>;

fn trace(simulation: &Simulation, probe: &str, neurons: &[u32]) -> Trace {
    let trace = simulation.probe::<TraceRecorder>(probe).unwrap();
    let of = |n: &u32| trace.samples(*n, Variable::Named("v")).map(|(t, v)| (t, v.to_bits()));
    neurons.iter().flat_map(of).collect()
}

/// Spikes and traces that probes of the network have heard, and all that can be told without them.
type Heard = ([Vec<(Time, u32)>; 6], [Trace; 2], Fingerprint, Work);

fn heard(simulation: &Simulation) -> Heard {
    let spikes = |probe| simulation.probe::<SpikeRecorder>(probe).unwrap().spikes().to_vec();
    let traces = [trace(simulation, "v", &[0, 89]), trace(simulation, "w", &[3, 7])];
    let probes = ["noise", "clock", "grid", "given", "a", "d"].map(spikes);
    (probes, traces, fingerprint(simulation), work(simulation))
}

fn work(simulation: &Simulation) -> Work {
    simulation.world().resource::<EventWork>().0
}

/// Spikes, traces and the work are those of the reference, whether somebody listens or not.
pub fn event_driven_networks_by_themselves(make: &Make) {
    let reference = run_on(network(true), Cpu::reference());
    assert!(heard(&reference).0.iter().all(|spikes| !spikes.is_empty()));
    assert!(heard(&reference).1.iter().all(|trace| !trace.is_empty()));
    assert_eq!(heard(&whole(network(true), make())), heard(&reference));
    let ours = whole(network(false), make());
    let reference = run_on(network(false), Cpu::reference());
    assert_eq!((fingerprint(&ours), work(&ours)), (fingerprint(&reference), work(&reference)));
}

fn whole(scene: Scene, backend: Box<dyn Backend>) -> Simulation {
    let mut simulation = Simulation::new(scene).unwrap();
    simulation.world_mut().insert_resource(CurrentBackend(backend));
    simulation.run().unwrap();
    simulation
}

/// The solver's steps end with pieces of a run, within windows or not, and where somebody changes something.
pub fn event_driven_networks_in_pieces(make: &Make) {
    let run = |backend: Box<dyn Backend>| {
        let mut simulation = Simulation::new(network(true)).unwrap();
        simulation.world_mut().insert_resource(CurrentBackend(backend));
        for microseconds in [37_000, 1, 12_345, 20_654, 30_000] {
            simulation.run_for(Duration::from_micros(microseconds)).unwrap();
            for index in [5, 33] {
                let neuron = simulation.neuron("d", index).unwrap();
                simulation.world_mut().get_mut::<Membrane>(neuron).unwrap().0 = 0.7;
            }
        }
        assert_eq!(simulation.time(), simulation.scene().duration);
        heard(&simulation)
    };
    assert_eq!(run(make()), run(Box::new(Cpu::reference())));
}

/// More spikes of sources, more of neurons, more runs and more arrivals than lists hold at first.
pub fn crowd() -> Scene {
    let text = r#"(duration: "60 ms", window: "30 ms", seed: 3, solver: Event(tolerance: "1 us"),
        sources: {
            "fast": (size: 120, train: Poisson(rates: "5 kHz")),
            "clock": (size: 100, train: Regular(rates: "10 kHz", phase: Linear(from: "0 s", to: "90 us"))),
        },
        populations: { "lif": (size: 100, model: lif(exc: (w: 0.01), inh: (w: 0.01), soma: (dc: 100, refP: "0.1 ms")),
            mismatch: { "soma.tau_m": LogNormal(cv: 0.2) }) },
        connections: [
            (from: "fast", to: "lif", receptor: exc, rule: FixedInDegree(k: 4)),
            (from: "clock", to: "lif", receptor: inh, rule: FixedInDegree(k: 3), delay: Uniform(from: "0 s", to: "9 ms")),
            (from: "lif", to: "lif", receptor: inh, rule: FixedInDegree(k: 3), weight: 0.1, delay: "15 ms"),
        ],
        probes: { "fast": Spikes(of: "fast"), "lif": Spikes(of: "lif"),
            "v": Trace(of: "lif", vars: [v], neurons: [99], every: "0.1 ms") })"#;
    parse(text, Path::new("."))
}

/// Nothing is lost where lists are too short.
pub fn crowds(make: &Make) {
    let outcome = |simulation: &Simulation| {
        let spikes = |probe| simulation.probe::<SpikeRecorder>(probe).unwrap().spikes().to_vec();
        let trace = trace(simulation, "v", &[99]);
        (["fast", "lif"].map(spikes), trace, fingerprint(simulation), work(simulation))
    };
    let reference = outcome(&run_on(crowd(), Cpu::reference()));
    assert!(reference.0[0].len() > 2 << 14 && reference.0[1].len() > 1 << 14);
    assert!(outcome(&whole(crowd(), make())) == reference);
}

/// Of neurons that go wrong in the midst of a batch, the one that does so first is named, and what came before is
/// kept: also where lists are too short, or a bank of its own has gone on.
pub fn faults_within_a_batch(make: &Make) {
    let text = r#"(duration: "0.1 s", window: "20 ms", seed: 5, solver: Event(tolerance: "1 us"),
        sources: {
            "noise": (size: 70, train: Poisson(rates: "400 Hz")),
            "huge": (size: 2, train: Spikes([(1, "HUGE"), (0, "77 ms")])),
        },
        populations: {
            "lif": (size: 70, model: lif(exc: (w: 0.4), soma: (dc: 1.02)), mismatch: { "soma.dc": LogNormal(cv: 0.1) }),
            "storm": (size: 3, model: lif(soma: (dc: 1.1, refP: "0 s")), dc: Steps([("STORM", 1e6)])),
            "dpi": (size: 2, model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
                ampa: (Iw: "1e36 A"))),
        },
        connections: [
            (from: "noise", to: "lif", receptor: exc, rule: OneToOne),
            (from: "huge", to: "dpi", receptor: ampa, rule: OneToOne, weight: 60000),
            (from: "lif", to: "lif", receptor: inh, rule: FixedInDegree(k: 3), weight: 0.1, delay: "1.1 ms"),
        ],
        probes: { "noise": Spikes(of: "noise"), "lif": Spikes(of: "lif"),
            "v": Trace(of: "lif", vars: [v], neurons: [0, 69], every: "0.25 ms") })"#;
    for (storm, huge, kind) in [
        ("55.3 ms", "57.1 ms", "fires"),
        ("99 ms", "37.77 ms", "not a number"),
        ("31.9 ms", "32 ms", "fires"),
        ("0 s", "1 ms", "fires"),
        ("50.6 ms", "50.599 ms", "not a number"),
    ] {
        let text = text.replace("STORM", storm).replace("HUGE", huge);
        for text in [text.clone(), text[..text.find("probes").unwrap()].to_string() + ")"] {
            let run = |backend: Box<dyn Backend>| {
                let mut simulation = Simulation::new(parse(&text, Path::new("."))).unwrap();
                simulation.world_mut().insert_resource(CurrentBackend(backend));
                let error = simulation.run().unwrap_err().to_string();
                let is_heard = text.contains("probes");
                let samples = is_heard.then(|| trace(&simulation, "v", &[0, 69]));
                let spikes =
                    |probe| simulation.probe::<SpikeRecorder>(probe).unwrap().spikes().to_vec();
                let spikes = is_heard.then(|| ["noise", "lif"].map(spikes));
                let work = work(&simulation);
                (error, simulation.time(), samples, spikes, hashes(&simulation), work)
            };
            let reference = run(Box::new(Cpu::reference()));
            assert!(reference.0.contains(kind), "{}", reference.0);
            let ours = run(make());
            assert_eq!(
                (&ours.0, ours.1, &ours.4, ours.5),
                (&reference.0, reference.1, &reference.4, reference.5)
            );
            assert!(ours.2 == reference.2, "{text}");
            assert!(ours.3 == reference.3, "{text}");
        }
    }
}

/// A network of which the host sees a thousand windows at a time: on the device the next ones are under way while
/// the host takes spikes and samples.
pub fn long(solver: &str, delay: &str, huge: &str, rest: &str) -> Scene {
    let text = format!(
        r#"(duration: "0.25 s", seed: 4, solver: {solver},
        sources: {{
            "noise": (size: 20, train: Poisson(rates: "450 Hz")),
            "clock": (size: 20, train: Regular(rates: "290 Hz", phase: Linear(from: "0 s", to: "3 ms"))),
            "huge": (size: 1, train: Regular(rates: "0.1 Hz", phase: "{huge}")),
        }},
        populations: {{
            "lif": (size: 20, model: lif(exc: (w: 0.4), inh: (w: 0.1), soma: (dc: 1.02)),
                mismatch: {{ "soma.tau_m": LogNormal(cv: 0.2) }}, dc: Steps([("0.11 s", 0.3), ("0.19 s", 0.0)])),
            "dpi": (size: 20, model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"),
                ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "100 pA"))),
            "bad": (size: 1, model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
                ampa: (Iw: "1e36 A"))),
        }},
        connections: [
            (from: "noise", to: "lif", receptor: exc, rule: OneToOne),
            (from: "huge", to: "bad", receptor: ampa, rule: OneToOne, weight: 60000),
            (from: "clock", to: "dpi", receptor: ampa, rule: OneToOne, delay: "3 ms"),
            (from: "lif", to: "dpi", receptor: ampa, rule: FixedInDegree(k: 2), delay: "{delay}"),
            (from: "dpi", to: "lif", receptor: inh, rule: FixedInDegree(k: 2), delay: "{delay}"),
        ], {rest})"#
    );
    parse(&text, Path::new("."))
}

/// Several windows of the host, whether somebody listens or not; in pieces, with changes between them; after a break;
/// with a fault in a window that was begun early.
pub fn windows_that_are_begun_early(make: &Make) {
    const HEARD: &str = r#"probes: {
        "noise": Spikes(of: "noise"), "lif": Spikes(of: "lif"), "dpi": Spikes(of: "dpi"),
        "v": Trace(of: "lif", vars: [v], neurons: [0, 19], every: "0.7 ms"),
        "i": Trace(of: "dpi", vars: [Imem], neurons: [3], every: "1.9 ms") }"#;
    let outcome = |simulation: &Simulation| {
        let spikes = |probe| simulation.probe::<SpikeRecorder>(probe).unwrap().spikes().to_vec();
        let imem = simulation.probe::<TraceRecorder>("i").unwrap();
        let imem: Vec<_> = imem.samples(3, Variable::Imem).map(|(t, i)| (t, i.to_bits())).collect();
        let spikes = ["noise", "lif", "dpi"].map(spikes);
        (spikes, trace(simulation, "v", &[0, 19]), imem, fingerprint(simulation), work(simulation))
    };
    for (solver, delay) in
        [("Euler(dt: \"0.1 ms\")", "0 s"), ("Event(tolerance: \"1 us\")", "0.1 ms")]
    {
        let new = |rest: &str, backend: Box<dyn Backend>| {
            let mut simulation = Simulation::new(long(solver, delay, "1 s", rest)).unwrap();
            simulation.world_mut().insert_resource(CurrentBackend(backend));
            simulation
        };
        let reference = || Box::new(Cpu::reference());
        let whole = |rest: &str, backend: Box<dyn Backend>| {
            let (mut simulation, mut windows) = (new(rest, backend), 0);
            let count = |_: &Progress| {
                windows += 1;
                ControlFlow::Continue(())
            };
            simulation.run_with(count).unwrap();
            (simulation, windows)
        };
        let ((ours, windows), (theirs, _)) = (whole(HEARD, make()), whole(HEARD, reference()));
        assert!((3..20).contains(&windows), "{windows}");
        let all = outcome(&theirs);
        assert!(all.0.iter().all(|spikes| spikes.len() > 100), "{solver}");
        assert!(outcome(&ours) == all, "{solver}");
        let (ours, windows) = whole("", make());
        assert!((3..20).contains(&windows), "{windows}");
        assert_eq!((fingerprint(&ours), work(&ours)), (all.3.clone(), all.4));

        // A piece ends within a window that is expected, and what is written then acts.
        let in_pieces = |backend: Box<dyn Backend>| {
            let mut simulation = new(HEARD, backend);
            for milliseconds in [170, 1, 79] {
                simulation.run_for(Duration::from_millis(milliseconds)).unwrap();
                let neuron = simulation.neuron("lif", 7).unwrap();
                simulation.world_mut().get_mut::<Membrane>(neuron).unwrap().0 = 0.5;
            }
            outcome(&simulation)
        };
        assert!(in_pieces(make()) == in_pieces(reference()), "{solver}");

        // After a break the state is that of its time; the run can go on, also if something was changed.
        for changes in [false, true] {
            let change = |simulation: &mut Simulation| {
                let neuron = simulation.neuron("dpi", 5).unwrap();
                simulation.world_mut().get_mut::<Membrane>(neuron).unwrap().0 = 1e-9;
            };
            let mut ours = new(HEARD, make());
            let error = ours.run_with(|_| ControlFlow::Break(())).unwrap_err();
            assert!(matches!(error, Error::Interrupted { .. }));
            let mut theirs = new(HEARD, reference());
            theirs.run_for(ours.time()).unwrap();
            let neuron = ours.neuron("dpi", 5).unwrap();
            let membrane =
                |s: &Simulation| s.world().get::<Membrane>(neuron).map(|m| m.0.to_bits());
            if changes {
                [&mut ours, &mut theirs].into_iter().for_each(change);
            }
            ours.run().unwrap();
            theirs.run().unwrap();
            assert_eq!(membrane(&ours), membrane(&theirs));
            assert!(outcome(&ours) == outcome(&theirs), "{solver}");
        }

        let faulty = |backend: Box<dyn Backend>| {
            let scene = long(solver, delay, "0.22 s", r#"probes: { "lif": Spikes(of: "lif") }"#);
            let mut simulation = Simulation::new(scene).unwrap();
            simulation.world_mut().insert_resource(CurrentBackend(backend));
            let error = simulation.run().unwrap_err().to_string();
            let lif = simulation.probe::<SpikeRecorder>("lif").unwrap().spikes().to_vec();
            (error, simulation.time(), lif, hashes(&simulation))
        };
        let theirs = faulty(reference());
        assert!(theirs.0.contains("not a number"), "{}", theirs.0);
        assert_eq!(faulty(make()), theirs);
    }
}
