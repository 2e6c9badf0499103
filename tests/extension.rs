//! Custom systems, hand-made edges, faults: the library as its users extend it.

mod common;

use bevy_ecs::prelude::*;
use common::{ff_counts, hashes, parse, run, scene};
use picoamp::backend::cpu::Cpu;
use picoamp::bank::transfer::Readback;
use picoamp::prelude::*;

/// The example's plugin, as its readers have it.
#[path = "../examples/custom_source.rs"]
#[allow(dead_code)] // Its `main` is run by the tests of the documents.
mod custom_source;

#[path = "common/lif_twin.rs"]
#[allow(dead_code)] // `driven` is for others.
mod lif_twin;

const NOMINAL: &str = "scenes/ff_nominal.ron";

fn nominal() -> Simulation {
    let mut simulation = Simulation::new(scene(NOMINAL, &[])).unwrap();
    simulation.set_backend(Cpu::new(Some(1)));
    simulation
}

/// A bias that a system writes between windows acts from the next window on: halving Idc and Iw of
/// the AMPA circuits of some neurons at 0.5 s changes those neurons after 0.5 s, and no other.
#[test]
fn a_system_changes_biases_while_the_simulation_runs() {
    fn halve(
        window: Res<Window>,
        mut synapses: Query<(&Circuit, &mut Synapse)>,
        neurons: Query<&Neuron>,
    ) {
        if window.start() == Time::from_seconds(0.5).unwrap() {
            for (circuit, mut synapse) in &mut synapses {
                if neurons.get(circuit.neuron).unwrap().index % 2 == 1 {
                    synapse.i_w *= 0.5;
                }
            }
        }
    }
    let sets = ["probes.out=Spikes(of: \"dpi\")"];
    let spikes = |simulation: &Simulation| {
        simulation.probe::<SpikeRecorder>("out").unwrap().spikes().to_vec()
    };
    let plain = run(scene(NOMINAL, &sets));
    let mut changed = Simulation::new(scene(NOMINAL, &sets)).unwrap();
    changed.add_systems(WindowSet::First, halve);
    changed.run().unwrap();
    let (a, b) = (spikes(&plain), spikes(&changed));
    let half = Time::from_seconds(0.5).unwrap();
    let part = |spikes: &[(Time, u32)], late: bool, odd: bool| {
        let wanted = |(t, n): &&(Time, u32)| (*t > half) == late && (n % 2 == 1) == odd;
        spikes.iter().filter(wanted).copied().collect::<Vec<_>>()
    };
    assert_eq!(part(&a, false, true), part(&b, false, true));
    assert_eq!(part(&a, false, false), part(&b, false, false));
    assert_eq!(part(&a, true, false), part(&b, true, false));
    assert!(part(&b, true, true).len() < part(&a, true, true).len());
}

/// A system sees the state at the end of the window, and what it writes is the state of the next.
#[test]
fn a_system_reads_and_writes_state() {
    #[derive(Resource, Default)]
    struct Seen(Vec<f64>);
    fn watch(mut seen: ResMut<Seen>, mut membranes: Query<(&Neuron, &mut Membrane)>) {
        for (neuron, mut membrane) in &mut membranes {
            if neuron.index == 20 {
                seen.0.push(membrane.0);
                membrane.0 = 1e-12;
            }
        }
    }
    let run = |solver: &str| {
        let sets = [solver, "window=1 ms", "duration=50 ms", "probes.vmem.every=1 ms"];
        let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
        simulation.world_mut().init_resource::<Seen>();
        simulation.add_systems(WindowSet::Last, watch);
        simulation.run().unwrap();
        let seen = simulation.world().resource::<Seen>().0.clone();
        let trace = simulation.probe::<TraceRecorder>("vmem").unwrap();
        let sampled: Vec<f64> = trace.samples(20, Variable::Imem).skip(1).map(|(_, v)| v).collect();
        // Set back to 1 pA each millisecond, the membrane never gets far.
        assert!(seen.iter().all(|i_mem| *i_mem < 1e-9), "{seen:?}");
        (seen, sampled)
    };
    let (seen, sampled) = run("solver=Euler(dt: \"1 ms\")");
    assert_eq!(seen, sampled, "what a system sees is what a trace shows");
    // An event-driven neuron that stays behind when nothing happens is brought to the end for both.
    let (seen, sampled) = run("solver=Event(tolerance: \"1 us\")");
    assert_eq!(seen.len(), sampled.len());
    for (seen, sampled) in seen.iter().zip(&sampled) {
        assert!((seen / sampled - 1.0).abs() < 1e-5, "{seen} is not {sampled}");
    }
    assert!(seen.windows(2).any(|pair| pair[0] != pair[1]), "the state changes: {seen:?}");
}

/// Only columns that somebody reads are scattered.
#[test]
fn columns_are_scattered_only_for_readers() {
    let readback = |simulation: &mut Simulation| {
        simulation.run_for(std::time::Duration::from_millis(100)).unwrap();
        *simulation.world().resource::<Readback>()
    };
    assert_eq!(readback(&mut nominal()), Readback::default());
    let mut reader = nominal();
    reader.add_systems(WindowSet::Last, |_: Query<&SynapticCurrent>| {});
    assert_eq!(readback(&mut reader), Readback { membrane: false, synaptic: true });
    let mut writer = nominal();
    writer.add_systems(WindowSet::First, |_: Query<&mut Membrane>| {});
    assert_eq!(readback(&mut writer), Readback { membrane: true, synaptic: false });
    let mut exclusive = nominal();
    exclusive.add_systems(WindowSet::Last, |_: &mut World| {});
    assert_eq!(readback(&mut exclusive), Readback::ALL);
    let mut biases = nominal();
    biases.add_systems(WindowSet::Last, |_: Query<&mut Soma>| {});
    assert_eq!(readback(&mut biases), Readback::default());
}

/// Own components, also sparse ones, on some neurons change nothing.
#[test]
fn own_components_do_not_disturb() {
    #[derive(Component)]
    struct Mark;
    #[derive(Component)]
    #[component(storage = "SparseSet")]
    struct SparseMark;
    let plain = ff_counts(&run(scene(NOMINAL, &[])));
    let mut simulation = nominal();
    for index in (0..200).step_by(3) {
        let neuron = simulation.neuron("dpi", index).unwrap();
        let circuit = simulation.circuit("dpi", index, Receptor::Ampa).unwrap();
        simulation.world_mut().entity_mut(neuron).insert((Mark, SparseMark));
        simulation.world_mut().entity_mut(circuit).insert(Mark);
    }
    simulation.add_systems(WindowSet::First, |mut somas: Query<&mut Soma, With<SparseMark>>| {
        somas.iter_mut().for_each(|mut soma| soma.i_dc *= 1.0);
    });
    simulation.run().unwrap();
    assert_eq!(ff_counts(&simulation), plain);
}

/// After a run components hold the state at its end.
#[test]
fn components_are_up_to_date_after_a_run() {
    let mut simulation = nominal();
    simulation.run().unwrap();
    let trace = simulation.probe::<TraceRecorder>("vmem").unwrap();
    let last = |variable| trace.samples(20, variable).last().unwrap().1;
    let expected = (last(Variable::Imem), last(Variable::Synapse(Receptor::Ampa)));
    let neuron = simulation.neuron("dpi", 20).unwrap();
    let circuit = simulation.circuit("dpi", 20, Receptor::Ampa).unwrap();
    let world = simulation.world();
    let found = (
        world.get::<Membrane>(neuron).unwrap().0,
        world.get::<SynapticCurrent>(circuit).unwrap().0,
    );
    assert_eq!(found, expected);
}

/// A train that a plugin brings: named in a scene, fired, written and read back like a built-in one.
#[test]
fn a_plugin_brings_a_train() {
    let plugins = Plugins::default().with(custom_source::BurstPlugin);
    let path = common::file("examples/scenes/bursts.ron");
    let spikes = |simulation: &mut Simulation| {
        simulation.run().unwrap();
        simulation.probe::<SpikeRecorder>("input").unwrap().spikes().to_vec()
    };
    let loaded = plugins.load(&path, &[]).unwrap();
    let decided = picoamp::scene::write::to_ron(&loaded.scene, |file| file.path.clone());
    let found = spikes(&mut plugins.build(loaded.scene).unwrap());
    // Source i of 3 fires burst b at (b + i/3)/4 s, five spikes 3 ms apart.
    let mut expected = Vec::new();
    for source in 0..3 {
        for burst in 0..4 {
            for spike in 0..5 {
                let start = (f64::from(burst) + f64::from(source) / 3.0) / 4.0;
                expected.push((start + 3e-3 * f64::from(spike), source as u32));
            }
        }
    }
    expected.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(found.len(), 60);
    for ((time, source), (seconds, of)) in found.iter().zip(&expected) {
        assert!((time.seconds() - seconds).abs() < 2e-12 && source == of, "{time} {source}");
    }
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("decided.ron");
    std::fs::write(&again, decided).unwrap();
    assert_eq!(spikes(&mut plugins.simulation(&again).unwrap()), found);
    // The requested rate of a source is on the axes of probes: a train says it.
    assert_eq!(
        plugins.load(&again, &[]).unwrap().scene.sources["bursts"].train.rate(0),
        Some(20.0)
    );
}

/// Mistakes in a plugin's parameters stand at their place in the scene; without the plugin, its name
/// is unknown.
#[test]
fn mistakes_in_a_plugins_train_are_reported_at_their_place() {
    let path = common::file("examples/scenes/bursts.ron");
    let messages = |plugins: &Plugins, set: &str| {
        let Err(Error::Scene(report)) = plugins.load(&path, &[set.to_string()]) else {
            panic!("{set} is to be refused");
        };
        let findings = report.findings().iter().map(|located| {
            let (_, line, column) = located.place().unwrap();
            let help = located.finding().help.clone().unwrap();
            format!("{line}:{column} {located}\n  help: {help}\n")
        });
        format!("{set}\n{}", findings.collect::<String>())
    };
    let plugins = Plugins::default().with(custom_source::BurstPlugin);
    let text = [
        "sources.bursts.train.interval=60 ms",
        "sources.bursts.train.spikes=-5",
        "sources.bursts.train.rate=2 MHz",
        "sources.bursts.train=Burst(rate: \"4 Hz\", spikes: 5, intervall: \"1 ms\")",
        "sources.bursts.train=Bursts(rate: \"4 Hz\")",
    ]
    .map(|set| messages(&plugins, set))
    .concat();
    let without = messages(&Plugins::default(), "name=without");
    insta::assert_snapshot!(text + &without, @r#"
    sources.bursts.train.interval=60 ms
    1:31 sources.bursts.train.interval: 5 spikes every 0.06 s take 0.3 s, longer than from one burst to the next
      help: 4 Hz leave 0.25 s for a burst
    sources.bursts.train.spikes=-5
    1:29 sources.bursts.train.spikes: expected a whole number, 0 or greater, found -5
      help: write it like 200
    sources.bursts.train.rate=2 MHz
    1:27 sources.bursts.train.rate: 2000000 Hz is above 1 MHz
      help: the highest rate of a source is 1 MHz; use several sources
    sources.bursts.train=Burst(rate: "4 Hz", spikes: 5, intervall: "1 ms")
    1:22 sources.bursts.train: `interval` is missing
      help: for example interval: "3 ms"
    1:53 sources.bursts.train.intervall: there is no field `intervall` here
      help: did you mean `interval`? known here are rate, spikes, interval
    sources.bursts.train=Bursts(rate: "4 Hz")
    1:22 sources.bursts.train: `Bursts` is not a train
      help: did you mean `Burst`? known here are Regular, Poisson, Spikes, File, Adm, Burst
    name=without
    9:36 sources.bursts.train: `Burst` is not a train
      help: known here are Regular, Poisson, Spikes, File, Adm; if a plugin brings it, use the program that has the plugin
    "#);
}

/// Edges made by hand do what the projection does.
#[test]
fn hand_made_edges_equal_a_projection() {
    let projected = run(scene(NOMINAL, &[]));
    let mut by_hand = Simulation::new(scene(NOMINAL, &["connections=[]"])).unwrap();
    for index in 0..200 {
        let source = by_hand.source("input", index).unwrap();
        let circuit = by_hand.circuit("dpi", index, Receptor::Ampa).unwrap();
        by_hand.connect(source, circuit, 0.7, Time::ZERO).unwrap();
    }
    by_hand.run().unwrap();
    assert_eq!(hashes(&by_hand), hashes(&projected));
}

/// A weight that is no whole number is as exact as the edges at one circuit allow, however many circuits
/// there are.
#[test]
fn weights_of_hand_made_edges_do_not_depend_on_edges_elsewhere() {
    let exponent = |neurons: u32| {
        let size = format!("populations.dpi.size={neurons}");
        let sets = [
            "connections=[]",
            "populations.dpi.model=dynapse1(ampa: (Iw: \"100 pA\"))",
            "probes={}",
            &size,
        ];
        let sets = [&sets[..], &["populations.dpi.mismatch={}"]].concat();
        let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
        let source = simulation.source("input", 0).unwrap();
        for index in 0..neurons {
            let circuit = simulation.circuit("dpi", index, Receptor::Ampa).unwrap();
            simulation.connect(source, circuit, 0.7, Time::ZERO).unwrap();
        }
        simulation.run_for(Time::from_seconds(1e-3).unwrap()).unwrap();
        let bank = &simulation.world().resource::<picoamp::bank::Banks>().0[0];
        bank.members[0].exponents[bank.layout.receptor(Receptor::Ampa).unwrap()]
    };
    // As fine as single precision needs: 0.7 takes no bit before the point.
    assert_eq!([1, 100].map(exponent), [24, 24]);
}

#[test]
fn impossible_hand_made_edges_are_refused() {
    let message = |change: &dyn Fn(&mut Simulation) -> Result<(), Error>| {
        let mut simulation = nominal();
        let result = change(&mut simulation).and_then(|()| simulation.run());
        result.unwrap_err().to_string()
    };
    let circuit = |s: &mut Simulation| s.circuit("dpi", 0, Receptor::Ampa).unwrap();
    let neuron = |s: &mut Simulation| s.neuron("dpi", 0).unwrap();
    let negative = message(&|s| {
        let (n, c) = (neuron(s), circuit(s));
        s.connect(n, c, -1.0, Time::ZERO)
    });
    assert!(negative.contains("weight -1 is not within 0 to 65536"), "{negative}");
    let off_grid = message(&|s| {
        let (n, c) = (neuron(s), circuit(s));
        s.connect(n, c, 1.0, std::time::Duration::from_micros(1500))
    });
    assert!(off_grid.contains("0.0015 s is no multiple of the step dt = 0.001 s"), "{off_grid}");
    let no_circuit = message(&|s| {
        let n = neuron(s);
        s.connect(n, n, 1.0, Time::ZERO)
    });
    assert!(no_circuit.contains("no synapse circuit"), "{no_circuit}");
    let late = message(&|s| {
        s.run_for(std::time::Duration::from_millis(1))?;
        let (n, c) = (neuron(s), circuit(s));
        s.connect(n, c, 1.0, Time::ZERO)
    });
    assert!(late.contains("edges are fixed once the simulation runs"), "{late}");
}

/// With the event-driven solver an edge between neurons needs a delay; one from a source does not.
#[test]
fn a_hand_made_edge_between_neurons_needs_a_delay() {
    let with = |delay: Time, from_source: bool| {
        let sets = ["solver=Event(tolerance: \"1 us\")", "duration=10 ms", "probes={}"];
        let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
        let source = simulation.source("input", 0).unwrap();
        let neuron = simulation.neuron("dpi", 0).unwrap();
        let circuit = simulation.circuit("dpi", 1, Receptor::Ampa).unwrap();
        simulation.connect(if from_source { source } else { neuron }, circuit, 1.0, delay).unwrap();
        simulation.run()
    };
    let nanoseconds = |ns: u64| Time::from_picoseconds(1000 * ns);
    for delay in [Time::ZERO, nanoseconds(1), nanoseconds(999)] {
        let error = with(delay, false).unwrap_err();
        let expected = format!(
            "an edge between neurons has a delay of {delay} s, but the event-driven solver needs \
             0.000001 s or more"
        );
        assert_eq!((error.to_string(), error.exit_code()), (expected, 1));
        with(delay, true).unwrap();
    }
    with(nanoseconds(1000), false).unwrap();
}

/// A model of a plugin without event-driven equations is stepped, also by the event-driven solver:
/// duration and window of the scene and the spans of a run are whole steps.
#[test]
fn a_stepped_model_has_steps_in_the_event_driven_solver() {
    let plugins = Plugins::default().with(lif_twin::TwinPlugin);
    let load = |duration: &str, window: &str, delay: &str| {
        let text = format!(
            r#"(duration: "{duration}", window: "{window}",
                solver: Event(tolerance: "1 us", step: "0.1 ms"),
                populations: {{ "n": (size: 2, model: twin()) }},
                connections: [
                    (from: "n", to: "n", receptor: exc, rule: AllToAll, delay: "{delay}"),
                ])"#
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stepped.ron");
        std::fs::write(&path, text).unwrap();
        plugins.load(path, &[])
    };
    let messages = |duration: &str, window: &str, delay: &str| {
        let error = load(duration, window, delay).unwrap_err();
        let Error::Scene(report) = error else { panic!("{error}") };
        let found = report
            .findings()
            .iter()
            .map(|f| format!("{f}\n  help: {}\n", f.finding().help.as_deref().unwrap_or("none")));
        found.collect::<String>()
    };
    insta::assert_snapshot!(messages("10.05 ms", "1.03 ms", "0.05 ms"), @r#"
    duration: the duration 0.01005 s is no multiple of the step dt = 0.0001 s
      help: choose a whole number of steps: a model here has no event-driven equations and is advanced by the solver's `step`
    window: the window 0.00103 s is no multiple of the step dt = 0.0001 s
      help: choose a whole number of steps: a model here has no event-driven equations and is advanced by the solver's `step`
    connections.0.delay: the event-driven solver needs a delay of at least 100 us between neurons, but the shortest here is 50 us
      help: write for example delay: "1 ms"; or choose solver: Euler(dt: …), where a spike acts in the next step
    "#);
    let mut simulation = plugins.build(load("10 ms", "1 ms", "0.1 ms").unwrap().scene).unwrap();
    let error = simulation.run_for(Time::from_picoseconds(150_000_000)).unwrap_err();
    assert_eq!(error.to_string(), "0.00015 s is no multiple of the step dt = 0.0001 s");
    simulation.run_for(Time::from_picoseconds(200_000_000)).unwrap();
    simulation.run().unwrap();
}

/// A NaN stops the run with the neuron's name and the time; what was recorded is kept.
#[test]
fn a_nan_stops_the_run_and_keeps_the_record() {
    fn poison(window: Res<Window>, mut somas: Query<(&Neuron, &mut Soma)>) {
        for (neuron, mut soma) in &mut somas {
            if neuron.index == 123 && window.start() == Time::from_seconds(0.3).unwrap() {
                soma.i_gain = f64::NAN;
            }
        }
    }
    let sets = ["probes.out=Spikes(of: \"dpi\")"];
    let complete = run(scene(NOMINAL, &sets));
    let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
    simulation.add_systems(WindowSet::First, poison);
    let error = simulation.run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state of neuron 123 of `dpi` is not a number at t = 0.301 s"
    );
    assert_eq!(error.exit_code(), 1);
    let spikes = |s: &Simulation| s.probe::<SpikeRecorder>("out").unwrap().spikes().to_vec();
    let before = |(time, _): &(Time, u32)| *time <= Time::from_seconds(0.3).unwrap();
    let expected: Vec<_> = spikes(&complete).into_iter().filter(before).collect();
    assert_eq!(spikes(&simulation), expected);
    let trace = simulation.probe::<TraceRecorder>("vmem").unwrap();
    assert_eq!(trace.samples(20, Variable::Vmem).last().unwrap().0.to_string(), "0.3");
}

/// The same from event to event, in every precision, and wherever in a neuron it comes from.
#[test]
fn a_nan_stops_an_event_driven_run() {
    let biases: [fn(&mut Soma); 4] = [
        |soma| soma.i_gain = f64::NAN,
        |soma| soma.i_tau = f64::NAN,
        |soma| soma.i_dc = f64::NAN,
        |soma| soma.c = f64::NAN,
    ];
    let own = "soma: (Idc: \"30 pA\", Ipfb_norm: \"1.4e9 /A\"), ampa: (Iw: \"100 pA\")";
    let models = [
        format!("arcana({own})"),
        format!("arcana({own}, gabab: (Iw: \"10 pA\"))"),
        "dynapse1(soma: (Idc: \"30 pA\"))".to_owned(),
    ];
    for (model, poison) in models.iter().flat_map(|model| biases.map(|poison| (model, poison))) {
        let text = format!(
            r#"(
                duration: "50 ms", window: "10 ms",
                sources: {{ "in": (size: 5, train: Regular(rates: "500 Hz")) }},
                populations: {{ "dpi": (size: 5, model: {model}) }},
                connections: [(from: "in", to: "dpi", receptor: ampa, rule: OneToOne)],
            )"#
        );
        let mut simulation = Simulation::new(parse(&text, std::path::Path::new("."))).unwrap();
        simulation.add_systems(
            WindowSet::First,
            move |window: Res<Window>, mut somas: Query<(&Neuron, &mut Soma)>| {
                let is_time = window.start() == Time::from_seconds(0.02).unwrap();
                let third = somas.iter_mut().find(|(neuron, _)| is_time && neuron.index == 3);
                third.into_iter().for_each(|(_, mut soma)| poison(&mut soma));
            },
        );
        let error = simulation.run().unwrap_err().to_string();
        let expected = "the state of neuron 3 of `dpi` is not a number at t = 0.02";
        assert!(error.starts_with(expected), "{model}: {error}");
    }
}

/// Pulses beyond the fixed-point sum stop the run by name instead of wrapping around.
#[test]
fn an_overflowing_sum_stops_the_run() {
    // 2¹⁵ pulses of weight 2¹⁶ in one step are one too many for 31 bits; the time is that of the
    // first step in which it happens.
    let times = [vec!["\"5 ms\""; 1 << 15], vec!["\"9 ms\""; 1 << 15]].concat().join(", ");
    let text = format!(
        r#"(
            duration: "20 ms", solver: Euler(dt: "1 ms"),
            sources: {{ "in": (size: 1, train: Spikes([{times}])) }},
            populations: {{ "dpi": (size: 3, model: arcana(soma: (Ipfb_norm: "1e9 /A"))) }},
            connections: [
                (from: "in", to: "dpi", to_neurons: [2], receptor: gabab, rule: OneToOne, weight: 65536),
            ],
        )"#
    );
    let mut simulation = Simulation::new(parse(&text, std::path::Path::new("."))).unwrap();
    let error = simulation.run().unwrap_err().to_string();
    assert!(
        error.starts_with("the pulses that arrive at gabab of neuron 2 of `dpi` at t = 0.005 s"),
        "{error}"
    );
}

#[test]
fn a_probe_is_found_by_name_and_kind() {
    let simulation = run(scene(NOMINAL, &["duration=10 ms"]));
    assert!(simulation.probe::<FfCurve>("ff").is_ok());
    let error = simulation.probe::<SpikeRecorder>("ff").unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no Spikes probe `ff`; the scene has raster (Spikes: SpikeRecorder), \
         vmem (Trace: TraceRecorder), ff (Ff: FfCurve)"
    );
}

/// A drive that is stopped after each window and an observer that stops the run.
#[test]
fn an_observer_can_stop_the_run() {
    let mut simulation = nominal();
    let error = simulation
        .run_with(|progress| {
            if progress.time < Time::from_seconds(0.3).unwrap() {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "interrupted at t = 0.3 s");
    assert_eq!(error.exit_code(), 130);
    // And it can go on afterwards.
    simulation.run().unwrap();
    assert_eq!(ff_counts(&simulation), ff_counts(&run(scene(NOMINAL, &[]))));
}

/// A window that ends off the sampling grid: from ≤ t < to.
#[test]
fn a_trace_keeps_to_its_window() {
    let sets = [
        "probes.vmem.every=2 ms",
        "probes.vmem.window=(from: \"10.4 ms\", to: \"16.4 ms\")",
        "duration=30 ms",
    ];
    let simulation = run(scene(NOMINAL, &sets));
    let trace = simulation.probe::<TraceRecorder>("vmem").unwrap();
    let times: Vec<String> =
        trace.samples(20, Variable::Vmem).map(|(time, _)| time.to_string()).collect();
    assert_eq!(times, ["0.012", "0.014", "0.016"]);
}

/// A plugin's probe with a table more, its own mistakes, and a system of its own.
mod bursts {
    use std::io::{self, Write};

    use bevy_ecs::prelude::*;
    use picoamp::prelude::*;
    use picoamp::probe::picture::{Frame, Picture};
    use picoamp::probe::{ProbeContext, ProbeKind, Span};
    use picoamp::scene::decode::Fields;
    use picoamp::scene::diagnostics::Diagnostics;
    use picoamp::scene::{GroupId, write};

    /// Windows in which a population fires at least so often.
    #[derive(Debug)]
    struct Bursts {
        of: usize,
        least: u64,
    }

    fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Bursts> {
        let of = fields.need(dx, "of", "a population")?;
        let least = fields.need(dx, "least", "for example least: 10")?;
        let count = least.count(dx)?;
        if count == 0 {
            least.error(dx, "no spike is no burst").help("choose 1 or more");
            return None;
        }
        Some(Bursts { of: context.names.population(&of, dx)?, least: count })
    }

    impl ProbeKind for Bursts {
        fn name(&self) -> &'static str {
            BurstTimes::KIND
        }

        fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
            let of = write::group(scene, GroupId::Population(self.of));
            vec![("of", of), ("least", self.least.to_string())]
        }

        fn bytes(&self, _: &Scene, _: Span) -> u128 {
            123_456
        }

        fn further_tables(&self, _: &Scene) -> Vec<&'static str> {
            vec!["sizes"]
        }

        fn spawn(&self, _: Span, probe: Entity, simulation: &mut Simulation) {
            let recorder = BurstTimes { of: self.of, least: self.least as usize, found: vec![] };
            simulation.world_mut().entity_mut(probe).insert(recorder);
            if simulation.first_time::<BurstTimes>() {
                simulation.add_systems(WindowSet::Measure, find);
            }
        }

        fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
            probe.get::<BurstTimes>().map(|recorder| recorder as &dyn Record)
        }
    }

    #[derive(Component)]
    pub struct BurstTimes {
        of: usize,
        least: usize,
        pub found: Vec<(Time, usize)>,
    }

    fn find(window: Res<Window>, spikes: Res<WindowSpikes>, mut bursts: Query<&mut BurstTimes>) {
        for mut bursts in &mut bursts {
            let spikes = &spikes.populations[bursts.of];
            assert!(spikes.is_sorted(), "probes see sorted spikes");
            if spikes.len() >= bursts.least {
                bursts.found.push((window.start(), spikes.len()));
            }
        }
    }

    impl Probe for BurstTimes {
        const KIND: &'static str = "Bursts";
    }

    impl Record for BurstTimes {
        fn table(&self, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "time_s")?;
            self.found.iter().try_for_each(|(time, _)| writeln!(out, "{time}"))
        }

        fn further_table(&self, table: &str, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "{table}")?;
            self.found.iter().try_for_each(|(_, size)| writeln!(out, "{size}"))
        }

        fn picture(&self, frame: Frame) -> Picture {
            Picture::from_svg(format!("<svg><text>{}</text></svg>", frame.title))
        }
    }

    pub struct BurstPlugin;

    impl Plugin for BurstPlugin {
        fn register(&self, plugins: &mut Plugins) {
            plugins.add_probe("Bursts", read);
        }
    }
}

/// A plugin's own probe is named by a scene, run, printed by `resolve`, counted by the check, and
/// written with its tables and picture like any other.
#[test]
fn a_probe_of_a_plugin() {
    use picoamp::results::{Dump, ResultsFolder, RunReport};
    use picoamp::scene::estimate::{Estimate, Recording};

    let plugins = Plugins::default().with(bursts::BurstPlugin);
    let sets = ["probes.bursts=Bursts(of: \"dpi\", least: 600)", "probes.out=Spikes(of: \"dpi\")"];
    let loaded = plugins.load(common::file(NOMINAL), &sets.map(String::from)).unwrap();
    let text = picoamp::scene::write::to_ron(&loaded.scene, |file| file.path.clone());
    assert!(text.contains("\"bursts\": Bursts(of: \"dpi\", least: 600)"), "{text}");
    let memory = Estimate::of(&loaded.scene, Recording::Kept).memory;
    assert!(memory.contains(&("probe `bursts`".into(), 123_456)));

    let folder = tempfile::tempdir().unwrap();
    let mut results =
        ResultsFolder::claim(folder.path(), false, &loaded.scene, Dump::default()).unwrap();
    let mut simulation = plugins.build(loaded.scene).unwrap();
    simulation.run().unwrap();
    let report = RunReport {
        outcome: Ok(()),
        warnings: &loaded.warnings,
        threads: 1,
        load: std::time::Duration::ZERO,
    };
    let summary = results.write(&simulation, &report).unwrap();

    // The ten windows of 100 ms, counted from the recorded spikes: (start, end] in Euler's times.
    let spikes = simulation.probe::<SpikeRecorder>("out").unwrap().spikes();
    let window = |k: u64| Time::from_picoseconds(k * 100_000_000_000);
    let count = |k| spikes.iter().filter(|(t, _)| *t > window(k) && *t <= window(k + 1)).count();
    let expected: Vec<_> =
        (0..10).map(|k| (window(k), count(k))).filter(|(_, n)| *n >= 600).collect();
    assert!((1..10).contains(&expected.len()), "{expected:?}");
    let bursts = simulation.probe::<bursts::BurstTimes>("bursts").unwrap();
    assert_eq!(bursts.found, expected);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let times: Vec<String> = expected.iter().map(|(time, _)| format!("{time}\n")).collect();
    assert_eq!(read("bursts.csv"), format!("time_s\n{}", times.concat()));
    let sizes: Vec<String> = expected.iter().map(|(_, size)| format!("{size}\n")).collect();
    assert_eq!(read("bursts.sizes.csv"), format!("sizes\n{}", sizes.concat()));
    assert_eq!(read("bursts.svg"), "<svg><text>ff_nominal · bursts</text></svg>");
    for name in ["bursts.csv", "bursts.sizes.csv", "bursts.svg", "ff.csv", "out.svg"] {
        assert!(summary.files.iter().any(|file| file == name), "{name}");
    }
    let error = simulation.probe::<SpikeRecorder>("bursts").unwrap_err().to_string();
    assert!(error.ends_with("bursts (Bursts: BurstTimes), out (Spikes: SpikeRecorder)"), "{error}");
}

/// Its mistakes stand at their places, and a misspelt name offers it.
#[test]
fn mistakes_in_a_probe_of_a_plugin() {
    let plugins = Plugins::default().with(bursts::BurstPlugin);
    let sets = [
        "probes.a=Bursts(of: \"dpi\", least: 0)",
        "probes.b=Bursts(of: \"dip\", least: 5, most: 7)",
        "probes.c=Burst(of: \"dpi\", least: 5)",
    ];
    let error = plugins.load(common::file(NOMINAL), &sets.map(String::from)).unwrap_err();
    let Error::Scene(report) = error else { panic!("{error}") };
    let findings: Vec<String> = report
        .findings()
        .iter()
        .map(|found| format!("{found}; {}", found.finding().help.as_deref().unwrap_or("")))
        .collect();
    let known = "Spikes, Trace, Ff, Fi, Rate, Rates, Isi, Intervals, Fano, Bursts";
    assert_eq!(
        findings,
        [
            "probes.a.least: no spike is no burst; choose 1 or more".to_string(),
            "probes.b.of: there is no population `dip`; did you mean `dpi`? only `dpi` is known here"
                .to_string(),
            "probes.b.most: there is no field `most` here; known here are window, of, least, format"
                .to_string(),
            format!("probes.c: `Burst` is not a probe; did you mean `Bursts`? known here are {known}"),
        ]
    );
}
