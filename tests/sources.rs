//! Spike sources: what a scene asks for is what they fire, in any cut of a run.

mod common;

use std::fs;
use std::path::Path;

use common::{file, parse, run, scene};
use picoamp::network::source::adm::DeltaModulator;
use picoamp::prelude::*;
use picoamp::scene::write;

/// A scene with one group of sources, "in", and a probe of it.
fn text(size: u64, train: &str, rest: &str) -> String {
    format!(
        r#"(
            seed: 1, solver: Euler(dt: "1 ms"), {rest},
            sources: {{ "in": (size: {size}, train: {train}) }},
            populations: {{ "dpi": (size: 1, model: dynapse1()) }},
            probes: {{ "in": Spikes(of: "in") }},
        )"#
    )
}

fn spikes(simulation: &Simulation) -> Vec<(Time, u32)> {
    simulation.probe::<SpikeRecorder>("in").unwrap().spikes().to_vec()
}

/// The spikes of a group within so many seconds.
fn fired(size: u64, train: &str, seconds: u32) -> Vec<(Time, u32)> {
    let text = text(size, train, &format!("duration: \"{seconds} s\""));
    spikes(&run(parse(&text, Path::new("."))))
}

#[test]
fn one_step_is_a_constant_rate() {
    let constant = fired(30, r#"Poisson(rates: "33.3 Hz")"#, 10);
    assert!(constant.len() > 9000);
    let step = fired(30, r#"Poisson(rates: Steps([("0 s", "33.3 Hz")]))"#, 10);
    assert_eq!(constant, step);
    // And nothing that comes later changes what was before.
    let steps = fired(30, r#"Poisson(rates: Steps([("0 s", "33.3 Hz"), ("5 s", "0 Hz")]))"#, 10);
    let half = Time::from_seconds(5.0).unwrap();
    let before: Vec<_> = constant.into_iter().filter(|(time, _)| *time < half).collect();
    assert_eq!(steps, before);
}

/// Counts of each step and source within five standard errors, also with rates of their own.
#[test]
fn steps_have_their_rates() {
    let train = r#"Poisson(rates: Steps([
        ("0 s", "20 Hz"), ("30 s", Linear(from: "0 Hz", to: "300 Hz")),
        ("60 s", List(["0 Hz", "5 Hz", "50 Hz", "500 Hz"])), ("90 s", "0 Hz"),
    ]))"#;
    let found = fired(4, train, 100);
    let rates = [[20.0; 4], [0.0, 100.0, 200.0, 300.0], [0.0, 5.0, 50.0, 500.0], [0.0; 4]];
    for (k, rates) in rates.iter().enumerate() {
        let from = 30.0 * k as f64;
        for (source, rate) in rates.iter().enumerate() {
            let count = found
                .iter()
                .filter(|(time, index)| {
                    (from..from + 30.0).contains(&time.seconds()) && *index as usize == source
                })
                .count();
            let expected = 30.0 * rate;
            let error = (count as f64 - expected).abs();
            assert!(error <= 5.0 * expected.sqrt(), "step {k}, source {source}: {count}");
        }
    }
}

#[test]
fn steps_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.csv"), "time_s,all\n0,20\n0.5,100\n").unwrap();
    fs::write(folder.path().join("each.csv"), "time_s,a,b\r\n0,20,10\r\n0.5,100,0\r\n").unwrap();
    for (path, listed) in [
        ("all.csv", r#"Steps([("0 s", "20 Hz"), ("0.5 s", "100 Hz")])"#),
        (
            "each.csv",
            r#"Steps([("0 s", List(["20 Hz", "10 Hz"])), ("0.5 s", List(["100 Hz", "0 Hz"]))])"#,
        ),
    ] {
        let text = text(2, &format!("Poisson(rates: File({path:?}))"), "duration: \"1 s\"");
        let scene = parse(&text, folder.path());
        let decided = write::to_ron(&scene, |file| file.path.clone());
        assert!(decided.contains(path), "{decided}");
        assert_eq!(
            write::to_ron(&parse(&decided, folder.path()), |file| file.path.clone()),
            decided
        );
        let found = spikes(&run(scene));
        assert!(found.len() > 20);
        assert_eq!(found, fired(2, &format!("Poisson(rates: {listed})"), 1), "{path}");
    }
}

/// Displacements have mean 0 and the standard deviation that was asked for, and belong to the
/// source and the number of the spike.
#[test]
fn jitter_has_its_moments() {
    let train = r#"Regular(rates: "10 Hz", phase: "50 ms", jitter: "2 ms")"#;
    let found = fired(100, train, 100);
    let n = found.len() as f64;
    assert_eq!(found.len(), 100 * 1000);
    // Spikes are 25 standard deviations apart: each is near its own regular time.
    let displaced: Vec<f64> =
        found.iter().map(|(time, _)| time.seconds().rem_euclid(0.1) - 0.05).collect();
    let mean = displaced.iter().sum::<f64>() / n;
    let square = displaced.iter().map(|x| x * x).sum::<f64>() / n;
    let deviation = (square - mean * mean).sqrt();
    assert!(mean.abs() < 5.0 * 2e-3 / n.sqrt(), "mean {mean}");
    assert!((deviation - 2e-3).abs() < 5.0 * 2e-3 / (2.0 * n).sqrt(), "deviation {deviation}");
    // Neighbours are independent: of a source in time, and of two sources.
    let correlation = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
        let products: Vec<f64> = pairs.map(|(a, b)| a * b / square).collect();
        products.iter().sum::<f64>() / products.len() as f64
    };
    let own = |k: u32| -> Vec<f64> {
        let own = found.iter().zip(&displaced).filter(|((_, source), _)| *source == k);
        own.map(|(_, x)| *x).collect()
    };
    let (zero, one) = (own(0), own(1));
    let in_time = correlation(&mut zero.iter().copied().zip(zero[1..].iter().copied()));
    let of_sources = correlation(&mut zero.iter().copied().zip(one.iter().copied()));
    assert!(in_time.abs() < 5.0 / 999_f64.sqrt(), "{in_time}");
    assert!(of_sources.abs() < 5.0 / 1000_f64.sqrt(), "{of_sources}");
    // A smaller group has the same spikes.
    let mut fewer = found;
    fewer.retain(|(_, source)| *source < 10);
    assert_eq!(fired(10, train, 100), fewer);
}

/// What is displaced to before t = 0 is left out, and only that.
#[test]
fn jitter_at_the_beginning() {
    let found = fired(10_000, r#"Regular(rates: "1 Hz", jitter: "1 ms")"#, 1);
    let at_start = found.iter().filter(|(time, _)| time.seconds() < 0.5).count() as f64;
    // Half of the first spikes, binomial.
    assert!((at_start - 5000.0).abs() < 5.0 * 50.0, "{at_start}");
    assert_eq!(fired(3, r#"Regular(rates: "1 Hz", jitter: "0 s")"#, 1).len(), 3);
}

/// The first spikes fill the period evenly; the period stays what it is.
#[test]
fn phases_are_spread_evenly() {
    let train = r#"Regular(rates: "10 Hz", phase: Linear(from: "0 s", to: "99 ms"))"#;
    let found = fired(100, train, 1);
    let mut expected: Vec<(u64, u32)> = (0..10_u64)
        .flat_map(|k| (0..100_u32).map(move |i| (k * 100 + u64::from(i), i)))
        .map(|(ms, i)| (ms * 1_000_000_000, i))
        .collect();
    expected.sort_unstable();
    let found: Vec<(u64, u32)> = found.iter().map(|(t, i)| (t.picoseconds(), *i)).collect();
    assert_eq!(found, expected);
    let down = fired(
        3,
        r#"Regular(rates: "1 Hz", grid: "1 ms", phase: Linear(from: "5 ms", to: "0 s"))"#,
        1,
    );
    let down: Vec<(u64, u32)> = down.iter().map(|(t, i)| (t.picoseconds(), *i)).collect();
    // The middle one, at 2.5 ms, goes to the nearest step of the grid, halves up.
    assert_eq!(down, [(0, 2), (3_000_000_000, 1), (5_000_000_000, 0)]);
}

#[test]
fn a_random_phase_is_uniform() {
    let n = 10_000;
    let found = fired(n, r#"Regular(rates: "10 Hz", phase: Random)"#, 1);
    assert_eq!(found.len(), 10 * n as usize);
    let first: Vec<f64> = found
        .iter()
        .filter(|(time, _)| time.seconds() < 0.1)
        .map(|(time, _)| time.seconds() / 0.1)
        .collect();
    assert_eq!(first.len(), n as usize);
    let n = n as f64;
    let mean = first.iter().sum::<f64>() / n;
    let variance = first.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>() / n;
    assert!((mean - 0.5).abs() < 5.0 / (12.0 * n).sqrt(), "mean {mean}");
    let fourth: f64 = 1.0 / 80.0 - 1.0 / 144.0;
    assert!((variance - 1.0 / 12.0).abs() < 5.0 * (fourth / n).sqrt(), "variance {variance}");
    // With a grid: each of its ten steps as often.
    let found = fired(10_000, r#"Regular(rates: "10 Hz", phase: Random, grid: "10 ms")"#, 1);
    for step in 0..10_u64 {
        let at = Time::from_picoseconds(step * 10_000_000_000);
        let count = found.iter().filter(|(time, _)| *time == at).count() as f64;
        assert!((count - 1000.0).abs() < 5.0 * 900_f64.sqrt(), "{step}: {count}");
    }
    assert!(
        found.iter().all(|(time, _)| time.is_multiple_of(Time::from_picoseconds(10_000_000_000)))
    );
}

#[test]
fn a_phase_moves_the_train() {
    let times = |train: &str| -> Vec<String> {
        fired(1, train, 1).iter().map(|(time, _)| time.to_string()).collect()
    };
    assert_eq!(times(r#"Regular(rates: "3 Hz")"#), ["0", "0.333333333333", "0.666666666667"]);
    assert_eq!(
        times(r#"Regular(rates: "3 Hz", phase: "0.2 s")"#),
        ["0.2", "0.533333333333", "0.866666666667"]
    );
    // A phase may be longer than the period.
    assert_eq!(times(r#"Regular(rates: "3 Hz", phase: "0.5 s", grid: "100 ms")"#), ["0.5", "0.8"]);
}

/// However time is cut, the same spikes.
#[test]
fn spikes_do_not_depend_on_windows() {
    for train in [
        r#"Regular(rates: Linear(from: "1 Hz", to: "2 kHz"), phase: Random)"#,
        // Spikes that overtake each other, across windows.
        r#"Regular(rates: "500 Hz", phase: "3 ms", jitter: "15 ms")"#,
        r#"Regular(rates: "500 Hz", jitter: "5 ms", grid: "0.5 ms")"#,
        r#"Poisson(rates: Steps([("0 s", "100 Hz"), ("0.1005 s", "1 kHz"), ("0.9 s", "0 Hz")]))"#,
        r#"Adm(file: "inputs/wave.csv", threshold: 0.01, refractory: "2 ms")"#,
    ] {
        let size = if train.starts_with("Adm") { 2 } else { 20 };
        let in_windows = |window: &str| {
            let rest = format!("duration: \"1 s\", window: {window:?}");
            parse(&text(size, train, &rest), &file("scenes"))
        };
        let whole = spikes(&run(in_windows("1 s")));
        assert!(whole.len() > 100, "{train}");
        assert!(whole.is_sorted());
        for window in ["100 ms", "7 ms", "1 ms"] {
            assert_eq!(spikes(&run(in_windows(window))), whole, "{train}, {window}");
        }
        let mut in_pieces = Simulation::new(in_windows("100 ms")).unwrap();
        for milliseconds in [1, 130, 69, 300, 3] {
            in_pieces.run_for(std::time::Duration::from_millis(milliseconds)).unwrap();
        }
        in_pieces.run().unwrap();
        assert_eq!(spikes(&in_pieces), whole, "{train}, in pieces");
    }
}

/// What a scene's encoder fires tells of its signal: linear between the samples of the file, and
/// never further than a threshold from the reconstruction.
#[test]
fn the_spikes_of_an_encoder_are_the_signal() {
    let simulation = run(scene("scenes/adm.ron", &["probes.in=Spikes(of: \"signal\")"]));
    let modulator = DeltaModulator { up: 0.1, down: 0.1, refractory: Time::ZERO };
    let steps = modulator.reconstruct(0.0, 0, &spikes(&simulation));
    let times = common::column("scenes/inputs/wave.csv", "time_s");
    let values = common::column("scenes/inputs/wave.csv", "pressure");
    for (time, value) in times.iter().zip(&values) {
        let last = steps.iter().take_while(|(t, _)| t.seconds() <= *time).last();
        let told = last.map_or(0.0, |(_, value)| *value);
        assert!((value - told).abs() <= 0.1, "{time}: {value} {told}");
    }
    for (time, value) in &steps {
        let k = times.iter().rposition(|t| *t <= time.seconds()).unwrap();
        let part = (time.seconds() - times[k]) / (times[k + 1] - times[k]);
        let signal = values[k] + part * (values[k + 1] - values[k]);
        assert!((signal - value).abs() < 1e-9, "{time}: {signal} {value}");
    }
}

/// Spikes of an encoder are given spikes: those after the end are ignored and counted.
#[test]
fn an_encoder_can_outlast_the_scene() {
    let path = file("scenes/adm.ron");
    let loaded = Scene::load(path, &["duration=0.375 s".into()]).unwrap();
    let warnings = loaded.warnings.findings();
    let message = warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    // Before the first bottom there are 10 UP and 20 DOWN.
    assert_eq!(message, "sources.signal: 49 of 79 spikes come at or after the end, 0.375 s");
}
