//! The `dynapse1` preset against published numbers (see `tests/reference/README.md`) and closed
//! forms.

mod common;

use std::fmt::Write as _;

use common::{file, parse, run};
use picoamp::prelude::*;

fn rows(path: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(file(path)).unwrap();
    reader.records().map(|record| record.unwrap().iter().map(str::to_string).collect()).collect()
}

const EULER_20_US: &str = r#"Euler(dt: "20 us")"#;
const EVENT: &str = r#"Event(tolerance: "1 us")"#;

/// All 63 rows: receptor, weight, rate; one neuron each in one scene.
#[test]
fn counts_of_all_receptors_weights_and_rates() {
    counts_equal_column(EULER_20_US, 4);
}

/// The same with the event-driven solver: the column of the equation.
#[test]
fn event_driven_counts_are_those_of_the_equation() {
    counts_equal_column(EVENT, 5);
    counts_equal_column(r#"Event(tolerance: "10 ns")"#, 5);
}

fn counts_equal_column(solver: &str, column: usize) {
    let rows = rows("tests/reference/dynapse1_ff.csv");
    assert_eq!(rows.len(), 63);
    let mut spikes: Vec<(u64, usize)> = Vec::new();
    let mut connections = String::new();
    for (k, row) in rows.iter().enumerate() {
        let (receptor, weight, period) = (&row[0], &row[1], row[3].parse::<u64>().unwrap());
        spikes.extend((0..50_000).step_by(period as usize).map(|step| (step, k)));
        writeln!(
            connections,
            "(name: \"{k}\", from: \"in\", neurons: [{k}], to: \"n\", to_neurons: [{k}], \
             receptor: {receptor}, rule: OneToOne, weight: {weight}),"
        )
        .unwrap();
    }
    spikes.sort_unstable();
    let mut csv = "neuron,time_s\n".to_string();
    for (step, k) in spikes {
        let time = Time::from_picoseconds(step * 20_000_000);
        writeln!(csv, "{k},{time}").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), csv).unwrap();
    let text = format!(
        r#"(duration: "1 s", solver: {solver},
            sources: {{ "in": (size: 63, train: File("in.csv")) }},
            populations: {{ "n": (size: 63, model: dynapse1()) }},
            connections: [{connections}],
            probes: {{ "ff": Ff(input: "in", output: "n") }})"#
    );
    let counts = common::ff_counts(&run(parse(&text, folder.path())));
    let expected: Vec<u64> = rows.iter().map(|row| row[column].parse().unwrap()).collect();
    let wrong: Vec<_> = (0..63).filter(|k| counts[*k] != expected[*k]).collect();
    assert!(wrong.is_empty(), "rows {wrong:?}: {counts:?}");
    assert!(expected.iter().filter(|n| **n > 0).count() > 40, "the rows are worth comparing");
}

/// Four receptors at once.
fn mixed(solver: &str) -> Vec<f64> {
    let mut trains: std::collections::BTreeMap<(String, String), Vec<String>> = Default::default();
    for row in rows("tests/reference/dynapse1_mixed_input.csv") {
        trains.entry((row[0].clone(), row[1].clone())).or_default().push(row[2].clone());
    }
    let (mut sources, mut connections) = (String::new(), String::new());
    for ((receptor, weight), times) in &trains {
        let times: Vec<String> = times.iter().map(|t| format!("\"{t} s\"")).collect();
        let times = times.join(", ");
        writeln!(sources, "\"{receptor}\": (size: 1, train: Spikes([{times}])),").unwrap();
        writeln!(
            connections,
            "(from: \"{receptor}\", to: \"n\", receptor: {receptor}, rule: OneToOne, weight: {weight}),"
        )
        .unwrap();
    }
    let text = format!(
        r#"(duration: "2 s", solver: {solver},
            sources: {{ {sources} }},
            populations: {{ "n": (size: 1, model: dynapse1()) }},
            connections: [{connections}],
            probes: {{ "spikes": Spikes(of: "n") }})"#
    );
    let simulation = run(parse(&text, std::path::Path::new(".")));
    let probe = simulation.probe::<SpikeRecorder>("spikes").unwrap();
    probe.spikes().iter().map(|(time, _)| time.seconds()).collect()
}

#[test]
fn four_receptors_at_once() {
    assert_eq!(mixed(EULER_20_US).len(), 89);
    assert_eq!(mixed(r#"Euler(dt: "100 us")"#).len(), 89);
    // A step of 1 ms overshoots below I0, where the published rules have a form of their own.
    assert_eq!(mixed(r#"Euler(dt: "1 ms")"#).len(), 66);
}

/// 89 spikes, each within the tolerance.
#[test]
fn event_driven_spikes_of_four_receptors_are_those_of_the_equation() {
    let exact = common::column("tests/reference/dynapse1_mixed_spikes.csv", "spike_time_s");
    for (tolerance, most) in [("1 us", 1e-6), ("10 ns", 2e-8), ("100 us", 1e-4)] {
        let spikes = mixed(&format!("Event(tolerance: \"{tolerance}\")"));
        assert_eq!(spikes.len(), 89);
        let off = spikes.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off <= most, "{tolerance}: {off:e}");
    }
}

/// Euler comes nearer to the solution of the equation in proportion to its step.
#[test]
fn the_mixed_spike_times_converge() {
    let exact: Vec<f64> = rows("tests/reference/dynapse1_mixed_spikes.csv")
        .iter()
        .map(|row| row[0].parse().unwrap())
        .collect();
    let mean_error = |dt: &str| {
        let spikes = mixed(&format!("Euler(dt: \"{dt}\")"));
        assert_eq!(spikes.len(), exact.len());
        spikes.iter().zip(&exact).map(|(a, b)| (a - b).abs()).sum::<f64>() / exact.len() as f64
    };
    let (coarse, fine) = (mean_error("100 us"), mean_error("20 us"));
    assert!(fine < 2e-4, "{fine:e}");
    let ratio = coarse / fine;
    assert!((3.0..7.0).contains(&ratio), "the step shrinks 5 times, the error {ratio} times");
}
