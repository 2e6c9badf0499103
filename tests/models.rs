//! Models and plasticity rules of plugins: named from scenes like the built-in ones, against closed
//! forms and computations of their own.

mod common;

#[path = "../examples/custom_host_model.rs"]
mod custom_host_model;
#[path = "../examples/custom_kernel_model.rs"]
mod custom_kernel_model;
#[path = "../examples/custom_plasticity.rs"]
mod custom_plasticity;
#[path = "../examples/custom_system.rs"]
mod custom_system;
#[path = "common/lif_twin.rs"]
mod lif_twin;

use custom_host_model::IzhikevichPlugin;
use custom_kernel_model::QifPlugin;
use custom_plasticity::StdpPlugin;
use custom_system::HomeostasisPlugin;
use lif_twin::{TwinPlugin, driven};
use picoamp::backend::cpu::Cpu;
use picoamp::network::Router;
use picoamp::prelude::*;

/// A finished run of a scene text with plugins.
fn run(plugins: &Plugins, text: &str) -> Simulation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.ron");
    std::fs::write(&path, text).unwrap();
    let mut simulation = plugins.simulation(&path).unwrap();
    simulation.run().unwrap();
    simulation
}

fn example(plugins: &Plugins, name: &str, sets: &[&str]) -> Simulation {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let path = common::file("examples/scenes").join(name);
    let scene = plugins.load(path, &sets).unwrap().scene;
    let mut simulation = plugins.build(scene).unwrap();
    simulation.run().unwrap();
    simulation
}

fn spikes(simulation: &Simulation, probe: &str) -> Vec<(f64, u32)> {
    let spikes = simulation.probe::<SpikeRecorder>(probe).unwrap().spikes();
    spikes.iter().map(|(time, neuron)| (time.seconds(), *neuron)).collect()
}

/// A kernel model of a plugin is run as the built-in one is: bit for bit the same spikes, on any
/// number of threads, with mismatch drawn from the same streams.
#[test]
fn a_plugins_kernel_equals_the_built_in_one() {
    let plugins = Plugins::default().with(TwinPlugin);
    let built_in = run(&plugins, &driven("lif", 300));
    let twin = run(&plugins, &driven("twin", 300));
    assert_eq!(common::hashes(&twin), common::hashes(&built_in));
    for threads in [1, 3] {
        let mut again = plugins.build(twin.scene().clone()).unwrap();
        again.set_backend(Cpu::new(Some(threads)));
        again.run().unwrap();
        assert_eq!(common::hashes(&again), common::hashes(&built_in));
    }
    let digests = &twin.world().resource::<picoamp::probe::digest::SpikeDigests>().0;
    assert!(digests[0].count > 3000, "{} spikes", digests[0].count);
}

/// The quadratic neuron fires every tau/√dc·(atan(peak/√dc) − atan(reset/√dc)); a kicked one once a
/// kick.
#[test]
#[allow(clippy::disallowed_methods)] // An expected value of its own.
fn a_kernel_model_fires_as_its_equation_says() {
    let simulation = example(&Plugins::default().with(QifPlugin), "qif.ron", &[]);
    let free: Vec<f64> =
        spikes(&simulation, "free").iter().filter(|s| s.1 == 3).map(|s| s.0).collect();
    let root = 1.21_f64.sqrt();
    let interval = 0.01 / root * ((20.0 / root).atan() - (-20.0 / root).atan());
    assert_eq!(free.len(), 36);
    for pair in free.windows(2) {
        // Euler at 10 µs, near the peak v changes by 4 % a step.
        assert!((pair[1] - pair[0] - interval).abs() < 5e-5, "{} {interval}", pair[1] - pair[0]);
    }
    let kicked = spikes(&simulation, "kicked");
    assert_eq!(kicked.len(), 80);
    let text = std::fs::read_to_string(common::file("examples/scenes/qif.ron")).unwrap();
    assert!(text.contains("27.6 ms") && (interval - 0.0276).abs() < 5e-5);
}

/// A host model gives what its equations give when they are computed beside it, from the same drawn
/// biases and the spikes of its inputs; its state is what traces show.
#[test]
fn a_host_model_computes_its_equations() {
    let plugins = Plugins::default().with(IzhikevichPlugin);
    let sets =
        ["probes.v=Trace(of: \"regular\", vars: [v, u], neurons: [0, 7], every: \"0.1 ms\")"];
    let simulation = example(&plugins, "izhikevich.ron", &sets);
    let scene = simulation.scene();
    let mut inputs = vec![vec![0.0; 5001]; 20];
    let fast = spikes(&simulation, "fast");
    scene.edges(&scene.connections[1]).for_each(|edge| {
        for (time, _) in fast.iter().filter(|s| s.1 == edge.source) {
            let step = ((time + edge.delay.seconds()) / 1e-4).round() as usize;
            if step < 5000 {
                inputs[edge.target as usize][step] += edge.weight;
            }
        }
    });
    let population = simulation.populations()[0];
    let regular = spikes(&simulation, "regular");
    for neuron in [0, 7] {
        let soma = simulation
            .world()
            .get::<custom_host_model::Parameters>(population.neurons[neuron as usize]);
        let input = format!("{:?}", soma.unwrap());
        let current: f64 =
            input.split("input: ").nth(1).unwrap().trim_end_matches(" }").parse().unwrap();
        let (mut v, mut u): (f64, f64) = (-65.0, 0.2 * -65.0);
        let mut expected = Vec::new();
        let mut states = vec![(v, u)];
        for (step, input) in inputs[neuron as usize][..5000].iter().enumerate() {
            v -= input;
            let dv = 0.1 * (0.04 * v * v + 5.0 * v + 140.0 - u + current);
            let du = 0.1 * 0.02 * (0.2 * v - u);
            v += dv;
            u += du;
            if v >= 30.0 {
                v = -65.0;
                u += 8.0;
                expected.push((step + 1) as f64 * 1e-4);
            }
            states.push((v, u));
        }
        let found: Vec<f64> = regular.iter().filter(|s| s.1 == neuron).map(|s| s.0).collect();
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9));
        let trace = simulation.probe::<TraceRecorder>("v").unwrap();
        for (column, name) in ["v", "u"].into_iter().enumerate() {
            let samples = trace.samples(neuron, Variable::Named(name));
            let mut count = 0;
            for ((time, value), state) in samples.zip(&states) {
                let state = if column == 0 { state.0 } else { state.1 };
                assert!((value - state).abs() < 1e-6, "{name} at {time}: {value} {state}");
                count += 1;
            }
            assert_eq!(count, 5001);
        }
    }
    let first: Vec<f64> = regular.iter().filter(|s| s.1 == 0).map(|s| s.0).collect();
    assert!((first[1] - 0.04).abs() < 0.005, "{first:?}");
}

/// Biases of a plugin's model get mismatch, are dumped and read back, and the decided scene gives the
/// same run.
#[test]
fn biases_of_a_plugins_model() {
    let plugins = Plugins::default().with(QifPlugin).with(IzhikevichPlugin);
    for (name, population) in [("qif.ron", "free"), ("izhikevich.ron", "regular")] {
        let bias = if name == "qif.ron" { "soma.dc" } else { "soma.I" };
        let mismatch =
            format!("populations.{population}.mismatch={{ \"{bias}\": LogNormal(cv: 0.3) }}");
        let simulation = example(&plugins, name, &[&mismatch]);
        let plain = example(&plugins, name, &[]);
        assert_ne!(common::hashes(&simulation), common::hashes(&plain));
        let folder = tempfile::tempdir().unwrap();
        let dump = picoamp::results::Dump { biases: true, edges: true };
        let results =
            picoamp::results::ResultsFolder::claim(folder.path(), true, simulation.scene(), dump);
        let warnings = picoamp::scene::diagnostics::SceneReport::default();
        let report = picoamp::results::RunReport {
            outcome: Ok(()),
            warnings: &warnings,
            threads: 1,
            load: std::time::Duration::ZERO,
        };
        results.unwrap().write(&simulation, &report).unwrap();
        let again = plugins.load(folder.path().join("scene.ron"), &[]).unwrap().scene;
        let mut again = plugins.build(again).unwrap();
        again.run().unwrap();
        assert_eq!(common::hashes(&again), common::hashes(&simulation));
        let sets = [
            format!("populations.{population}.mismatch={{}}"),
            format!("populations.{population}.biases=File(\"{population}.biases.csv\")"),
        ];
        let measured = plugins.load(folder.path().join("scene.ron"), &sets).unwrap().scene;
        let mut measured = plugins.build(measured).unwrap();
        measured.run().unwrap();
        assert_eq!(common::hashes(&measured), common::hashes(&simulation));
    }
}

/// Mistakes in the parameters of plugins stand at their place; without the plugin the name is
/// unknown, and the known ones are listed.
#[test]
fn mistakes_in_models_and_rules_of_plugins() {
    let all = Plugins::default().with(QifPlugin).with(IzhikevichPlugin).with(StdpPlugin);
    let none = Plugins::default();
    let mut text = String::new();
    for (plugins, scene, set) in [
        (&all, "izhikevich.ron", "populations.regular.model.soma.c=40"),
        (&all, "izhikevich.ron", "populations.regular.model.soma.e=1"),
        (&all, "izhikevich.ron", "populations.regular.model.soma.a=-1"),
        (&all, "izhikevich.ron", "populations.regular.model.gaba=()"),
        (&all, "izhikevich.ron", "populations.regular.dc=Steps([(\"1 ms\", 3)])"),
        (&all, "izhikevich.ron", "connections.1.receptor=ampa"),
        (&all, "izhikevich.ron", "probes.v.vars=[w]"),
        (&all, "qif.ron", "populations.free.model.soma.peak=-30"),
        (&all, "qif.ron", "populations.free.mismatch={ \"soma.tu\": LogNormal(cv: 0.1) }"),
        (&all, "qif.ron", "populations.free.model=qiff()"),
        (&all, "stdp.ron", "connections.0.plasticity.tau_plus=20"),
        (&all, "stdp.ron", "connections.0.plasticity.a_minus=-1"),
        (&all, "stdp.ron", "connections.0.plasticity.largest=1e6"),
        (&all, "stdp.ron", "connections.0.plasticity.w_max=1"),
        (&all, "stdp.ron", "connections.0.plasticity=Stpd()"),
        (&none, "izhikevich.ron", "name=without"),
        (&none, "stdp.ron", "name=without"),
    ] {
        let path = common::file("examples/scenes").join(scene);
        let Err(Error::Scene(report)) = plugins.load(path, &[set.to_string()]) else {
            panic!("{set} is to be refused");
        };
        text += &format!("{set}\n");
        for located in report.findings() {
            let (_, line, column) = located.place().unwrap();
            let help = located.finding().help.clone().unwrap();
            text += &format!("{line}:{column} {located}\n  help: {help}\n");
        }
    }
    insta::assert_snapshot!(text, @r#"
    populations.regular.model.soma.c=40
    1:34 populations.regular.model.soma.c: c = 40 mV is not below the peak of a spike, 30 mV
      help: a typical value is -65
    populations.regular.model.soma.e=1
    1:32 populations.regular.model.soma.e: there is no field `e` here
      help: did you mean `a`? known here are a, b, c, d, I
    populations.regular.model.soma.a=-1
    1:34 populations.regular.model.soma.a: must be greater than 0, but is -1.0
      help: a typical value is 0.7
    populations.regular.model.gaba=()
    1:27 populations.regular.model.gaba: there is no field `gaba` here
      help: known here are soma, exc, inh
    populations.regular.dc=Steps([("1 ms", 3)])
    1:24 populations.regular.dc: the model izhikevich has no direct input
      help: leave `dc` out
    connections.1.receptor=ampa
    1:24 connections.1.receptor: `ampa` is not a receptor of the model izhikevich
      help: known here are exc, inh
    probes.v.vars=[w]
    1:16 probes.v.vars.0: the model izhikevich has no state variable `w`
      help: did you mean `v`? known here are v, u
    populations.free.model.soma.peak=-30
    1:34 populations.free.model.soma.peak: peak = -30 is not above reset = -20
      help: choose more than -20
    populations.free.mismatch={ "soma.tu": LogNormal(cv: 0.1) }
    1:29 populations.free.mismatch."soma.tu": there is no bias `soma.tu`
      help: did you mean `soma.tau`? known here are soma.tau, soma.dc, soma.peak, soma.reset
    populations.free.model=qiff()
    1:24 populations.free.model: `qiff` is not a model
      help: did you mean `qif`? known here are arcana, dynapse1, lif, qif, izhikevich, Named
    connections.0.plasticity.tau_plus=20
    1:35 connections.0.plasticity.tau_plus: `20` has no unit, but a time is expected
      help: write it with its unit, for example "20 ms" or "20 s"
    connections.0.plasticity.a_minus=-1
    1:34 connections.0.plasticity.a_minus: must be 0 or greater, but is -1.0
      help: a typical value is 0.7
    connections.0.plasticity.largest=1e6
    25:25 connections.0.plasticity: the largest weight 1000000 is not between 0 and 65536
      help: weights count pulses per spike; raise the weight current instead
    connections.0.plasticity.w_max=1
    1:26 connections.0.plasticity.w_max: there is no field `w_max` here
      help: known here are a_plus, a_minus, largest, tau_plus, tau_minus
    connections.0.plasticity=Stpd()
    1:26 connections.0.plasticity: `Stpd` is not a plasticity rule
      help: did you mean `Stdp`? only `Stdp` is known here
    name=without
    17:20 populations.regular.model: `izhikevich` is not a model
      help: known here are arcana, dynapse1, lif, Named; if a plugin brings it, use the program that has the plugin
    20:35 populations.fast.model: `izhikevich` is not a model
      help: known here are arcana, dynapse1, lif, Named; if a plugin brings it, use the program that has the plugin
    name=without
    25:25 connections.0.plasticity: `Stdp` is not a plasticity rule
      help: there are none; if a plugin brings it, use the program that has the plugin
    "#);
}

/// All pairs of spikes, added up in closed form; weights that reach a bound stay there.
#[test]
#[allow(clippy::disallowed_methods)] // An expected value of its own.
fn stdp_adds_up_all_pairs() {
    let plugins = Plugins::default().with(StdpPlugin);
    let simulation = example(&plugins, "stdp.ron", &["connections.0.weight=0.45"]);
    let pupil: Vec<f64> = spikes(&simulation, "pupil").iter().map(|s| s.0).collect();
    assert_eq!(pupil.len(), 50, "one spike for each of the teacher's");
    let inputs = spikes(&simulation, "inputs");
    let learnt = simulation.world().resource::<Router>().learnt(0).unwrap();
    assert_eq!(learnt.len(), 20);
    let mut inside = 0;
    for edge in learnt {
        let mut expected = 0.45;
        for (time, _) in inputs.iter().filter(|s| s.1 == edge.source) {
            for fired in &pupil {
                let lead = fired - time;
                expected += match lead {
                    l if l > 0.0 => 0.0093 * (-l / 0.02).exp(),
                    l if l < 0.0 => -0.0093 * (l / 0.02).exp(),
                    _ => 0.0,
                };
            }
        }
        if (0.01..0.99).contains(&expected) {
            // The first weight is on the fixed-point grid of 2^-16.
            assert!((edge.weight - expected).abs() < 1e-5, "{edge:?} {expected}");
            inside += 1;
        } else {
            assert!((0.0..=1.0).contains(&edge.weight));
        }
    }
    assert!(inside >= 15, "{inside}");
}

/// Learning does not depend on threads or on pieces of whole windows; without the rule weights stay.
#[test]
fn learning_is_reproducible() {
    let plugins = Plugins::default().with(StdpPlugin);
    let text = r#"(seed: 3, duration: "2 s", solver: Euler(dt: "0.5 ms"), window: "20 ms",
        sources: { "noise": (size: 200, train: Poisson(rates: "300 Hz")) },
        populations: { "n": (size: 200, model: lif(exc: (w: 0.4))) },
        connections: [
            (from: "noise", to: "n", receptor: exc, rule: OneToOne, weight: 2),
            (name: "own", from: "n", to: "n", receptor: exc, rule: FixedInDegree(k: 10),
             weight: Uniform(from: 0.1, to: 0.3), delay: Uniform(from: "5 ms", to: "9 ms"),
             plasticity: Stdp(a_plus: 0.05, a_minus: 0.05, tau_plus: "10 ms", tau_minus: "20 ms", largest: 1)),
        ])"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.ron");
    std::fs::write(&path, text).unwrap();
    let learn = |threads: usize, pieces: &[u64]| {
        let mut simulation = plugins.simulation(&path).unwrap();
        simulation.set_backend(Cpu::new(Some(threads)));
        for ms in pieces {
            simulation.run_for(std::time::Duration::from_millis(*ms)).unwrap();
        }
        simulation.run().unwrap();
        let weights = simulation.world().resource::<Router>().learnt(1).unwrap();
        (common::hashes(&simulation), weights)
    };
    let whole = learn(1, &[]);
    assert_eq!(learn(4, &[]), whole);
    // The window is (5 ms + 0.5 ms) long; pieces of whole windows.
    assert_eq!(learn(2, &[55, 550, 1100]), whole);
    let scene = plugins.load(&path, &[]).unwrap().scene;
    let mut drawn = Vec::new();
    scene.edges(&scene.connections[1]).for_each(|edge| drawn.push(edge));
    let changed = whole.1.iter().filter(|edge| !drawn.contains(edge)).count();
    assert!(changed > 1900, "{changed} of 2000 weights have changed");
    assert!(whole.1.iter().all(|edge| (0.0..=1.0).contains(&edge.weight)));
    let still = plugins.load(
        &path,
        &["connections.1.plasticity.a_plus=0".into(), "connections.1.plasticity.a_minus=0".into()],
    );
    let mut still = plugins.build(still.unwrap().scene).unwrap();
    still.run().unwrap();
    drawn.sort_by(|a, b| {
        let ends = |e: &picoamp::network::Edge| (e.source, e.delay, e.target);
        ends(a).cmp(&ends(b)).then(a.weight.total_cmp(&b.weight))
    });
    let still = still.world().resource::<Router>().learnt(1).unwrap();
    assert_eq!(still.len(), drawn.len());
    for (edge, original) in still.iter().zip(&drawn) {
        let ends = |e: &picoamp::network::Edge| (e.source, e.target, e.delay);
        assert_eq!(ends(edge), ends(original));
        assert!((edge.weight - original.weight).abs() < 1e-5, "{edge:?} {original:?}");
    }
}

/// Spikes that coincide change nothing, also at the edge of a window; and what is learnt does not
/// depend on the window.
#[test]
fn stdp_at_the_edges_of_windows() {
    let plugins = Plugins::default().with(StdpPlugin);
    let learnt = |window: &str| {
        let text = format!(
            r#"(duration: "1 s", solver: Euler(dt: "1 ms"), window: "{window}",
                sources: {{
                    "early": (size: 1, train: Regular(rates: "10 Hz", phase: "99 ms")),
                    "same": (size: 3, train: Regular(rates: "10 Hz", phase: Linear(from: "90 ms", to: "110 ms"))),
                }},
                populations: {{ "n": (size: 1, model: lif(soma: (refP: "5 ms"), exc: (tau_s: "1 ms", w: 100), inh: (w: 0))) }},
                connections: [
                    (from: "early", to: "n", receptor: exc, rule: OneToOne, weight: 2),
                    (from: "same", to: "n", receptor: inh, rule: AllToAll, weight: 0.5,
                     plasticity: Stdp(a_plus: 0.01, a_minus: 0.01, tau_plus: "5 ms", tau_minus: "5 ms", largest: 1)),
                ],
                probes: {{ "out": Spikes(of: "n") }})"#
        );
        let simulation = run(&plugins, &text);
        let out = spikes(&simulation, "out");
        assert!((out[0].0 - 0.1).abs() < 1e-9, "{out:?}");
        let edges = simulation.world().resource::<Router>().learnt(1).unwrap();
        edges.iter().map(|edge| edge.weight).collect::<Vec<f64>>()
    };
    let weights = learnt("100 ms");
    assert!(weights[0] > 0.5 && weights[2] < 0.5, "{weights:?}");
    assert!((weights[1] - 0.5).abs() < 1e-5, "{weights:?}");
    for window in ["10 ms", "7 ms", "1 ms"] {
        assert_eq!(learnt(window), weights, "{window}");
    }
}

/// A model that contradicts itself in one of several ways.
mod odd {
    use std::sync::Arc;

    use super::lif_twin::{TwinSoma, TwinSynapse};
    use picoamp::circuit::number::Number;
    use picoamp::model::{Circuits, Equations, NeuronModel, StateVariable};
    use picoamp::prelude::*;
    use picoamp::solver::kernel::{CircuitColumns, Columns, EulerModel, Lanes, Layout};
    use picoamp::units::Unit;

    #[derive(Debug, Clone, PartialEq)]
    pub struct Odd(pub u8);

    impl NeuronModel for Odd {
        type Soma = TwinSoma;
        type Synapse = TwinSynapse;
        fn name(&self) -> &'static str {
            "odd"
        }
        fn receptors(&self) -> &'static [Receptor] {
            &[Receptor::Exc, Receptor::Inh]
        }
        fn soma(&self) -> TwinSoma {
            super::lif_twin::Twin.soma()
        }
        fn synapse(&self, circuit: Receptor) -> TwinSynapse {
            super::lif_twin::Twin.synapse(circuit)
        }
        fn variables(&self) -> Vec<StateVariable> {
            Vec::new()
        }
        fn dc_unit(&self) -> Option<Unit> {
            Some(Unit::One)
        }
        fn equations(&self, _: &Circuits, _: Time) -> Equations {
            Equations::Kernel(Arc::new(Lanes::<_, 1, 1, 2>::new(OddEuler(self.0))))
        }
    }

    #[derive(Clone, Copy)]
    struct OddEuler(u8);

    impl EulerModel<1, 1, 2> for OddEuler {
        const MEMBRANE: usize = 0;
        fn step<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
            neurons.state(0).lt(neurons.state(0))
        }
    }

    impl CircuitColumns for OddEuler {
        type Soma = TwinSoma;
        type Synapse = TwinSynapse;
        fn layout(&self) -> Layout {
            let receptors = match self.0 {
                1 => vec![Receptor::Exc],
                2 => vec![Receptor::Exc, Receptor::Ampa],
                _ => vec![Receptor::Exc, Receptor::Inh],
            };
            let circuits = match self.0 {
                3 => vec![(Receptor::Inh, 0), (Receptor::Exc, 0)],
                4 => vec![(Receptor::Exc, 0), (Receptor::Inh, 7)],
                _ => vec![(Receptor::Exc, 0), (Receptor::Inh, 0)],
            };
            let dc = if self.0 == 5 { Some(3) } else { None };
            let (resting_parameters, resting_state) = (vec![0.0], vec![0.0]);
            Layout { receptors, circuits, membrane: 0, dc, resting_parameters, resting_state }
        }
        fn soma_columns(&self, _: &TwinSoma, set: &mut dyn FnMut(usize, f32)) {
            set(if self.0 == 6 { 9 } else { 0 }, 1.0);
        }
        fn synapse_columns(
            &self,
            _: usize,
            _: &TwinSynapse,
            _: i32,
            _: &mut dyn FnMut(usize, f32),
        ) {
        }
    }

    pub struct OddPlugin(pub u8);

    impl Plugin for OddPlugin {
        fn register(&self, plugins: &mut Plugins) {
            plugins.add_model(Odd(self.0));
        }
    }
}

/// A model that contradicts itself is refused with what is wrong, and a state of a host model that is
/// not a number stops the run.
#[test]
fn models_that_cannot_work() {
    let message = |plugins: &Plugins, text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.ron");
        std::fs::write(&path, text).unwrap();
        let simulation = plugins.simulation(&path);
        simulation.and_then(|mut s| s.run()).map_or_else(|e| e.to_string(), |()| "runs".into())
    };
    let scene = |model: &str, more: &str| {
        format!(
            r#"(duration: "10 ms", solver: Euler(dt: "1 ms"),
                populations: {{ "n": (size: 3, model: {model} {more}) }})"#
        )
    };
    let coarse = message(
        &Plugins::default().with(IzhikevichPlugin),
        &scene("izhikevich(soma: (a: 1e38))", ""),
    );
    assert_eq!(coarse, "the state of neuron 0 of `n` is not a number at t = 0.01 s");
    let odd = scene("odd(exc: (), inh: ())", "");
    for (kind, expected) in [
        (0, "runs"),
        (
            1,
            "its layout has [1, 1, 1] parameters, state variables and receptors, its step [1, 1, 2]",
        ),
        (2, "its kernel has no receptor inh"),
        (3, "the circuits of its layout do not begin with its receptors"),
        (4, "its layout names the state column 7, which there is not"),
        (5, "its layout names the parameter column 3, which there is not"),
        (6, "it sets the parameter column 9, which there is not"),
    ] {
        let found = message(&Plugins::default().with(odd::OddPlugin(kind)), &odd);
        assert!(found.ends_with(expected), "{kind}: {found}");
    }
    let driven = scene("odd()", ", dc: Steps([(\"1 ms\", 3)])");
    let found = message(&Plugins::default().with(odd::OddPlugin(0)), &driven);
    assert!(found.contains("its equations have none"), "{found}");
}

/// Homeostasis brings rates together, and only while it acts.
#[test]
fn homeostasis_tunes_rates() {
    let sd = |target: f64, probe: &str| {
        let plugin = HomeostasisPlugin { population: "dpi", target };
        let simulation = example(&Plugins::default().with(plugin), "homeostasis.ron", &[]);
        let counts = simulation.probe::<SpikeRecorder>(probe).unwrap().counts();
        let rates: Vec<f64> = counts.iter().map(|n| *n as f64 / 2.0).collect();
        let mean = rates.iter().sum::<f64>() / 100.0;
        let squares = rates.iter().map(|r| (r - mean).powi(2)).sum::<f64>();
        (mean, (squares / 100.0).sqrt())
    };
    let (first, last) = (sd(40.0, "first"), sd(40.0, "last"));
    assert!(first.1 > 8.0 && last.1 < 5.0, "{first:?} {last:?}");
    assert!((last.0 - 40.0).abs() < 2.0, "{last:?}");
    let other = sd(25.0, "last");
    assert!((other.0 - 25.0).abs() < 2.0, "{other:?}");
}

/// A fault of neurons with a step of their own, beside event-driven ones: it has the time of its step, and
/// what happened before is kept.
#[test]
fn a_fault_among_event_driven_neurons_keeps_what_was_before() {
    // 2¹⁶ pulses of weight 2¹⁵ in one step are more than a sum holds.
    let times = vec!["\"5.03 ms\""; 1 << 16].join(", ");
    // The membrane reaches 1 of 20 after 20 ms·ln(20/19), and so 3.03 ms after each spike.
    let text = format!(
        r#"(
            duration: "20 ms", solver: Event(tolerance: "1 us", step: "0.1 ms"),
            sources: {{ "in": (size: 1, train: Spikes([{times}])) }},
            populations: {{
                "lif": (size: 1, model: lif(soma: (dc: 20, tau_m: "20 ms", refP: "2 ms"))),
                "twin": (size: 1, model: twin()),
            }},
            connections: [(from: "in", to: "twin", receptor: exc, rule: OneToOne, weight: 32768)],
            probes: {{ "spikes": Spikes(of: "lif") }},
        )"#
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.ron");
    std::fs::write(&path, text).unwrap();
    let mut simulation = Plugins::default().with(TwinPlugin).simulation(&path).unwrap();
    let error = simulation.run().unwrap_err().to_string();
    assert!(error.contains("at exc of neuron 0 of `twin` at t = 0.005 s"), "{error}");
    let spikes = simulation.probe::<SpikeRecorder>("spikes").unwrap().spikes();
    assert_eq!(spikes.len(), 2, "{spikes:?}");
}
