//! Speed of each stage: step, event advance, deliver, gather and scatter, load, end to end.
//!
//!     cargo bench                    # all
//!     cargo bench -- step            # one
//!
//! Throughputs are in neuron-steps, synaptic events, components and neuron-seconds per second; see
//! `benches/README.md`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use bevy_ecs::prelude::*;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fearless_simd::Level;
use picoamp::backend::cpu::Cpu;
use picoamp::backend::{Advanced, Backend, EventWork};
use picoamp::bank::Banks;
use picoamp::bank::transfer::{self, Readback};
use picoamp::network::Router;
use picoamp::network::inbox::Inbox;
use picoamp::prelude::*;
use picoamp::probe::picture::{Curve, Decades, decades};
use picoamp::results::{Dump, ResultsFolder, RunReport};
use picoamp::scene::GroupId;
use picoamp::scene::diagnostics::SceneReport;

#[path = "../examples/custom_host_model.rs"]
mod custom_host_model;
#[path = "../tests/common/lif_twin.rs"]
mod lif_twin;

use custom_host_model::IzhikevichPlugin;
use lif_twin::{TwinPlugin, driven};

fn seed_scene() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes/ff_mismatch.ron")
}

fn scene_with(sets: &[String]) -> Scene {
    Scene::load(seed_scene(), sets).expect("the scene of the repository is valid").scene
}

/// Independent mismatched neurons under 100 Hz each, at 0.1 ms.
fn many(neurons: usize) -> Scene {
    scene_with(&[
        "solver=Euler(dt: \"100 us\")".into(),
        format!("sources.input=(size: {neurons}, train: Regular(rates: \"100 Hz\"))"),
        format!("populations.dpi.size={neurons}"),
        "probes={}".into(),
    ])
}

/// The same with all receptors of a `dynapse1`.
fn many_dynapse1(neurons: usize) -> Scene {
    let connection = |receptor: &str| {
        format!("(from: \"input\", to: \"dpi\", receptor: {receptor}, rule: OneToOne, weight: 2)")
    };
    let connections = ["ampa", "nmda", "gabaa", "gabab"].map(connection).join(", ");
    scene_with(&[
        "solver=Euler(dt: \"100 us\")".into(),
        format!("sources.input=(size: {neurons}, train: Regular(rates: \"100 Hz\"))"),
        format!(
            "populations.dpi=(size: {neurons}, model: dynapse1(soma: (Idc: \"700 pA\")), \
             mismatch: {{\"soma.Itau\": Gaussian(cv: 0.1), \"ampa.Iw\": Gaussian(cv: 0.1)}})"
        ),
        format!("connections=[{connections}]"),
        "probes={}".into(),
    ])
}

/// A simulation that has run its first window.
fn started(scene: Scene) -> Simulation {
    let mut simulation = Simulation::new(scene).expect("the scene fits");
    simulation.set_backend(Cpu::new(Some(1)));
    simulation.run_for(std::time::Duration::from_millis(100)).expect("a valid run");
    simulation
}

/// One window of 100 ms of the kernel alone.
fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    let avx2 = Level::new().as_avx2().map(fearless_simd::Simd::level);
    for (name, scene) in [
        ("seed", scene_with(&[])),
        ("10k", many(10_000)),
        ("100k", many(100_000)),
        ("dynapse1 10k", many_dynapse1(10_000)),
    ] {
        let mut simulation = started(scene);
        let window = *simulation.world().resource::<Window>();
        let inbox = simulation.world_mut().remove_resource::<Inbox>().expect("has run");
        let mut banks = simulation.world_mut().remove_resource::<Banks>().expect("has run");
        let neurons: u64 = banks.0.iter().map(|bank| u64::from(bank.len())).sum();
        group.throughput(Throughput::Elements(neurons * window.steps));
        let mut cpus = vec![("1 thread", Cpu::new(Some(1))), ("2 threads", Cpu::new(Some(2)))];
        cpus.extend(avx2.map(|level| ("1 thread, AVX2", Cpu::new(Some(1)).on(level))));
        for (threads, cpu) in cpus {
            let mut out = Advanced::default();
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter(|| {
                    out.clear(banks.0.len());
                    cpu.advance(&mut banks.0, &inbox, &window, &mut out);
                    black_box(&out);
                });
            });
        }
    }
    group.finish();
}

/// The event-driven solver through 1 s: the seed neuron under 100 Hz at five tolerances, and 10 000
/// mismatched neurons. Printed beside the times: right-hand sides per output spike.
fn event(c: &mut Criterion) {
    let scene = |neurons: usize, tolerance: &str, mismatch: &str| {
        scene_with(&[
            format!("solver=Event(tolerance: \"{tolerance}\")"),
            format!("sources.input=(size: {neurons}, train: Regular(rates: \"100 Hz\"))"),
            format!("populations.dpi.size={neurons}"),
            format!("populations.dpi.mismatch={mismatch}"),
            "probes={\"out\": Spikes(of: \"dpi\")}".into(),
        ])
    };
    let mismatch = "{\"soma.Itau\": Gaussian(cv: 0.1), \"soma.Igain\": Gaussian(cv: 0.1), \
                    \"ampa.Itau\": Gaussian(cv: 0.1), \"ampa.Igain\": Gaussian(cv: 0.1), \
                    \"ampa.Iw\": Gaussian(cv: 0.1)}";
    let mut group = c.benchmark_group("event");
    group.sample_size(10);
    for (name, neurons, tolerance, mismatch) in [
        ("seed neuron, 100 us", 1, "100 us", "{}"),
        ("seed neuron, 10 us", 1, "10 us", "{}"),
        ("seed neuron, 1 us", 1, "1 us", "{}"),
        ("seed neuron, 100 ns", 1, "100 ns", "{}"),
        ("seed neuron, 10 ns", 1, "10 ns", "{}"),
        ("10k mismatched, 1 us", 10_000, "1 us", mismatch),
    ] {
        let scene = scene(neurons, tolerance, mismatch);
        let build = || {
            let mut simulation = Simulation::new(scene.clone()).expect("the scene fits");
            simulation.set_backend(Cpu::new(Some(1)));
            simulation
        };
        let mut counted = build();
        counted.run().expect("a valid run");
        let work = counted.world().resource::<EventWork>().0;
        let spikes = counted.probe::<SpikeRecorder>("out").expect("a probe").spikes().len();
        let cost = work.right_sides as f64 / spikes as f64;
        println!(
            "{name}: {cost:.1} right-hand sides per spike, {} rejected steps of {}",
            work.rejected, work.steps
        );
        group.throughput(Throughput::Elements(neurons as u64));
        group.bench_function(name, |b| {
            b.iter_batched(
                build,
                |mut simulation| simulation.run().expect("a valid run"),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Every source of an all-to-all projection spikes once in a window.
fn deliver(c: &mut Criterion) {
    let mut group = c.benchmark_group("deliver");
    // In long windows arrivals are listed; a recurrent network without delays has windows of one step.
    let (long, step) = ("100 ms", "1 ms");
    let random = "FixedInDegree(k: 64)";
    let cases = [
        ("64 to 10000", 64, 10_000, "AllToAll", long),
        ("64 to 100000", 64, 100_000, "AllToAll", long),
        ("random, 64 into each of 10000", 10_000, 10_000, random, long),
        ("random, 64 into each of 100000", 100_000, 100_000, random, long),
        ("random, 64 into each of 10000, a step", 10_000, 10_000, random, step),
        ("random, 64 into each of 100000, a step", 100_000, 100_000, random, step),
    ];
    for (name, sources, targets, rule, window) in cases {
        let scene = scene_with(&[
            format!("sources.input=(size: {sources}, train: Spikes([]))"),
            format!("populations.dpi.size={targets}"),
            format!("connections.0.rule={rule}"),
            format!("window={window}"),
            // What arrives after the end of the scene is not delivered.
            "duration=100000 s".into(),
            "probes={}".into(),
        ]);
        let dt = Time::from_seconds(1e-3).expect("a time");
        let mut simulation = Simulation::new(scene.clone()).expect("the scene fits");
        let mut router = Router::build(&scene, dt, simulation.world_mut(), &Cpu::new(Some(1)))
            .expect("a valid table");
        let mut inbox = Inbox::default();
        let mut first_step = 0;
        group.throughput(Throughput::Elements(64 * targets));
        group.bench_function(name, |b| {
            b.iter(|| {
                let window = Window { first_step, steps: router.round_steps(), dt };
                let spikes: Vec<(Time, u32)> =
                    (0..sources).map(|k| (window.start(), k as u32)).collect();
                router.deliver(&window, &mut inbox, &|_| None);
                router.route(GroupId::Source(0), &[&spikes], &window, &mut inbox, &|_| None);
                first_step += window.steps;
            });
        });
    }
    group.finish();
}

/// Columns that changed, columns that did not, and state that is read.
fn transfer(c: &mut Criterion) {
    let neurons = 100_000;
    let mut simulation = started(many(neurons));
    let world = simulation.world_mut();
    let mut group = c.benchmark_group("transfer");
    group.throughput(Throughput::Elements(neurons as u64));
    group.bench_function("gather, all somas changed", |b| {
        b.iter(|| {
            for mut soma in world.query::<&mut Soma>().iter_mut(world) {
                soma.set_changed();
            }
            world.run_system_cached(transfer::gather_somas::<Soma>).expect("a system");
        });
    });
    group.bench_function("gather, nothing changed", |b| {
        b.iter(|| world.run_system_cached(transfer::gather_somas::<Soma>).expect("a system"));
    });
    world.insert_resource(Readback::ALL);
    group.bench_function("scatter membranes", |b| {
        b.iter(|| world.run_system_cached(transfer::scatter_membranes).expect("a system"));
    });
    group.finish();
}

/// From text to a world that is ready to run.
fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.bench_function("seed scene", |b| b.iter(|| black_box(scene_with(&[]))));
    group.bench_function("seed world", |b| {
        b.iter_batched(
            || scene_with(&[]),
            |scene| Simulation::new(scene).expect("the scene fits"),
            BatchSize::LargeInput,
        );
    });
    group.sample_size(10);
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("world of 100k mismatched neurons", |b| {
        b.iter_batched(
            || many(100_000),
            |scene| Simulation::new(scene).expect("the scene fits"),
            BatchSize::LargeInput,
        );
    });
    let (neurons, k) = (100_000, 64);
    let scene = scene_with(&[
        format!("sources.input=(size: {neurons}, train: Spikes([]))"),
        format!("populations.dpi.size={neurons}"),
        format!("connections.0.rule=FixedInDegree(k: {k})"),
        "probes={}".into(),
    ]);
    let dt = Time::from_seconds(1e-3).expect("a time");
    let mut simulation = Simulation::new(scene.clone()).expect("the scene fits");
    group.throughput(Throughput::Elements(neurons * k));
    for threads in [1, 2] {
        let cpu = Cpu::new(Some(threads));
        group.bench_function(format!("6.4 million random edges, threads {threads}"), |b| {
            b.iter(|| Router::build(&scene, dt, simulation.world_mut(), &cpu).expect("a table"));
        });
    }
    group.finish();
}

/// The same LIF neurons built in, as a plugin's kernel model and as a host model would be: what each
/// way to write a model costs.
fn models(c: &mut Criterion) {
    let plugins = Plugins::default().with(TwinPlugin).with(IzhikevichPlugin);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("models");
    for (name, model, n) in [
        ("built-in lif", "lif", 10_000),
        ("the same by a plugin", "twin", 10_000),
        ("host model", "izhikevich", 100),
    ] {
        let path = folder.path().join(format!("{model}.ron"));
        // Few inputs: the neurons are to cost, not the way to them.
        let text = driven(model, n).replace("200 Hz", "2 Hz").replace("50 Hz", "1 Hz");
        let text = match model {
            "izhikevich" => text.replace("dc: 0.5", "I: 10").replace("tau_m", "a"),
            _ => text.replace("dc: 0.5", "dc: 1.2"),
        };
        std::fs::write(&path, text).expect("written");
        let scene = plugins.load(&path, &[]).expect("a valid scene").scene;
        group.throughput(Throughput::Elements(n as u64 * 10_000));
        group.sample_size(10);
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter_batched(
                || {
                    let mut simulation = plugins.build(scene.clone()).expect("the scene fits");
                    simulation.set_backend(Cpu::new(Some(1)));
                    simulation
                },
                |mut simulation| simulation.run().expect("a valid run"),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// The event-driven solver at ten tolerances: time, and a picture of the largest error of any spike of
/// nine rates against what it costs, in `docs/src/pictures`.
fn work_precision(c: &mut Criterion) {
    const RATES: [u32; 9] = [1, 5, 10, 20, 50, 75, 100, 150, 199];
    let mut exact: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = std::fs::read_to_string(root.join("tests/reference/arcana_event_spikes.csv"));
    for line in reference.expect("a reference of the repository").lines().skip(1) {
        let (rate, time) = line.split_once(',').expect("two columns");
        let rate = rate.parse().expect("a rate");
        exact.entry(rate).or_default().push(time.parse().expect("a time"));
    }
    let nominal = root.join("scenes/ff_nominal.ron");
    let (mut all, mut one) = (Vec::new(), Vec::new());
    let mut group = c.benchmark_group("work-precision");
    group.sample_size(10);
    for tolerance in
        ["100 us", "3 us", "1 us", "500 ns", "300 ns", "100 ns", "30 ns", "10 ns", "3 ns", "1 ns"]
    {
        let build = |rate: u32| {
            let sets = [
                format!("solver=Event(tolerance: \"{tolerance}\")"),
                format!(
                    "sources.input=(size: 1, train: Regular(rates: \"{rate} Hz\", grid: \"1 ms\"))"
                ),
                "populations.dpi.size=1".into(),
                "probes={\"out\": Spikes(of: \"dpi\")}".into(),
            ];
            let scene = Scene::load(nominal.clone(), &sets).expect("a valid scene").scene;
            let mut simulation = Simulation::new(scene).expect("the scene fits");
            simulation.set_backend(Cpu::new(Some(1)));
            simulation
        };
        let (mut worst, mut costs) = (0.0_f64, Vec::new());
        for rate in RATES {
            let mut simulation = build(rate);
            simulation.run().expect("a valid run");
            let spikes = simulation.probe::<SpikeRecorder>("out").expect("a probe").spikes();
            let exact = &exact[&rate];
            assert_eq!(spikes.len(), exact.len(), "{tolerance}, {rate} Hz");
            let off = spikes.iter().zip(exact).map(|((t, _), exact)| (t.seconds() - exact).abs());
            let off = off.fold(0.0, f64::max);
            let work = simulation.world().resource::<EventWork>().0;
            let cost = work.right_sides as f64 / spikes.len() as f64;
            if rate == 100 {
                one.push((off, cost));
            }
            worst = worst.max(off);
            costs.push(cost);
        }
        let mean = costs.iter().sum::<f64>() / costs.len() as f64;
        println!("{tolerance}: {mean:.1} right-hand sides per spike, largest error {worst:.2e} s");
        all.push((worst, mean));
        group.bench_function(tolerance, |b| {
            b.iter_batched(
                || build(100),
                |mut simulation| simulation.run().expect("a valid run"),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
    let curve = |label: &str, mut points: Vec<(f64, f64)>| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve { label: label.into(), points }
    };
    let picture = decades(&Decades {
        frame: "Event-driven solver: work against precision".into(),
        x_label: "largest error of a spike time within 1 s (s)",
        y_label: "right-hand sides per output spike",
        curves: &[curve("worst and mean of nine rates", all), curve("100 Hz", one)],
        level: None,
        nothing: "",
    });
    let path = root.join("docs/src/pictures/work-precision.svg");
    std::fs::write(path, picture.svg()).expect("a picture");
}

/// The whole seed experiment with its files and pictures, without starting a process.
fn end_to_end(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut group = c.benchmark_group("end to end");
    group.throughput(Throughput::Elements(200));
    group.bench_function("seed experiment", |b| {
        b.iter(|| {
            let mut simulation = Simulation::new(scene_with(&[])).expect("the scene fits");
            simulation.set_backend(Cpu::new(Some(1)));
            let scene = simulation.scene();
            let results = ResultsFolder::claim(folder.path(), true, scene, Dump::default());
            let mut results = results.expect("a folder");
            results.stream(&mut simulation).expect("a thread for tables");
            simulation.run().expect("a valid run");
            let warnings = SceneReport::default();
            let report = RunReport {
                outcome: Ok(()),
                warnings: &warnings,
                threads: 1,
                load: std::time::Duration::ZERO,
            };
            results.write(&simulation, &report).expect("written")
        });
    });
    group.sample_size(10);
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/scenes");
    // Spikes are kept in memory. (Throughput: neuron-steps, and neuron-seconds where there are none.)
    for (name, file, throughput) in [
        ("M", "m_mismatched.ron", 100_000_000),
        ("R", "r_recurrent.ron", 50_000_000),
        ("R, event-driven", "r_recurrent_event.ron", 5000),
    ] {
        let scene = Scene::load(scenes.join(file), &[]).expect("a valid scene").scene;
        group.throughput(Throughput::Elements(throughput));
        for threads in [1, 2] {
            let build = || {
                let mut simulation = Simulation::new(scene.clone()).expect("the scene fits");
                simulation.set_backend(Cpu::new(Some(threads))).leave_state();
                simulation
            };
            let run = |mut simulation: Simulation| {
                simulation.run().expect("a valid run");
                simulation
            };
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter_batched(build, run, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, step, event, work_precision, deliver, transfer, load, models, end_to_end);
criterion_main!(benches);
