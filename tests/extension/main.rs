//! The library as its users extend it: here custom systems; and [`edges`] made by hand, [`trains`] and [`probes`] of
//! plugins, [`faults`].

#[path = "../common/mod.rs"]
mod common;
mod edges;
mod faults;
mod probes;
mod trains;

use bevy_ecs::prelude::*;
use common::{ff_counts, run, scene};
use picoamp::backend::cpu::Cpu;
use picoamp::bank::transfer::Readback;
use picoamp::prelude::*;

/// The example's plugin, as its readers have it.
#[path = "../../examples/custom_source.rs"]
#[allow(dead_code)] // Its `main` is run by the tests of the documents.
mod custom_source;

#[path = "../common/lif_twin.rs"]
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
