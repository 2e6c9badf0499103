//! Replicas: draws of the mismatch side by side. Replica 0 is the scene itself, and nothing but the
//! mismatch tells the others from it.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{hashes, parse, run, run_on, scene};
use picoamp::backend::cpu::Cpu;
use picoamp::prelude::*;
use picoamp::probe::BandRow;

/// A recurrent network of two models with drawn edges, weights and delays.
fn network(solver: &str, replicas: u32, cv: f64) -> Scene {
    let text = format!(
        r#"(
            seed: 5, duration: "0.3 s", solver: {solver}, replicas: {replicas},
            sources: {{ "noise": (size: 20, train: Poisson(rates: "80 Hz")) }},
            populations: {{
                "exc": (
                    size: 30,
                    model: dynapse1(ampa: (Iw: "3 nA")),
                    mismatch: {{ "soma.Itau": LogNormal(cv: {cv}), "ampa.Iw": LogNormal(cv: {cv}) }},
                ),
                "inh": (size: 7, model: dynapse1(), mismatch: {{ "soma.Igain": Gaussian(cv: {cv}) }}),
            }},
            connections: [
                (from: "noise", to: "exc", receptor: ampa, rule: FixedInDegree(k: 5)),
                (from: "exc", to: "inh", receptor: ampa, rule: FixedProbability(p: 0.3),
                    weight: Uniform(from: 1, to: 6), delay: Uniform(from: "1 ms", to: "5 ms")),
                (from: "inh", to: "exc", receptor: gabab, rule: AllToAll, delay: "2 ms"),
            ],
            probes: {{
                "exc": Spikes(of: "exc"), "inh": Spikes(of: "inh"), "noise": Spikes(of: "noise"),
                "some": Rates(of: "exc", neurons: [9, 3]),
                "trace": Trace(of: "inh", vars: [Vmem, Iampa], neurons: [6, 2], every: "1 ms"),
            }},
        )"#
    );
    parse(&text, Path::new("."))
}

const SOLVERS: [&str; 2] = ["Event(tolerance: \"1 us\")", "Euler(dt: \"0.1 ms\")"];

/// The spikes of a replica, with the neuron's index in the scene.
fn spikes_of(simulation: &Simulation, probe: &str, size: u32, replica: u32) -> Vec<(Time, u32)> {
    let spikes = simulation.probe::<SpikeRecorder>(probe).unwrap().spikes().iter();
    let own = spikes.filter(|(_, index)| index / size == replica);
    own.map(|(time, index)| (*time, index % size)).collect()
}

#[test]
fn replica_0_is_the_scene_itself_and_the_others_differ() {
    for solver in SOLVERS {
        let plain = run(network(solver, 1, 0.2));
        let several = run(network(solver, 4, 0.2));
        let mut seen = BTreeSet::new();
        for (probe, size) in [("exc", 30), ("inh", 7)] {
            let expected = spikes_of(&plain, probe, size, 0);
            assert!(expected.len() > 20, "{solver}: {} spikes", expected.len());
            assert_eq!(spikes_of(&several, probe, size, 0), expected, "{solver}: {probe}");
            seen.extend((0..4).map(|r| spikes_of(&several, probe, size, r)));
        }
        assert_eq!(seen.len(), 8, "{solver}: two replicas are alike");
        // Sources are shared.
        let noise = |s: &Simulation| s.probe::<SpikeRecorder>("noise").unwrap().spikes().to_vec();
        assert_eq!(noise(&several), noise(&plain));
        let samples = |s: &Simulation, neuron, variable| -> Vec<(Time, f64)> {
            s.probe::<TraceRecorder>("trace").unwrap().samples(neuron, variable).collect()
        };
        for variable in [Variable::Vmem, Variable::Synapse(Receptor::Ampa)] {
            let trace = samples(&plain, 6, variable);
            assert_eq!(trace.len(), 301);
            assert_eq!(samples(&several, 6, variable), trace);
            assert_ne!(samples(&several, 7 + 6, variable), trace);
        }
    }
}

/// Edges, weights and delays are those of replica 0.
#[test]
fn without_mismatch_all_replicas_are_alike() {
    for solver in SOLVERS {
        let simulation = run(network(solver, 3, 0.0));
        for (probe, size) in [("exc", 30), ("inh", 7)] {
            let first = spikes_of(&simulation, probe, size, 0);
            assert!(!first.is_empty());
            for replica in 1..3 {
                assert_eq!(spikes_of(&simulation, probe, size, replica), first, "{solver}");
            }
        }
    }
}

#[test]
fn a_replica_depends_neither_on_how_many_there_are_nor_on_threads() {
    for solver in SOLVERS {
        let few = run(network(solver, 2, 0.2));
        let many = run(network(solver, 5, 0.2));
        for replica in 0..2 {
            let [a, b] = [&few, &many].map(|s| spikes_of(s, "exc", 30, replica));
            assert_eq!(a, b, "{solver}: replica {replica}");
        }
        assert_eq!(hashes(&many), hashes(&run_on(network(solver, 5, 0.2), Cpu::new(Some(3)))));
    }
}

fn table(simulation: &Simulation, probe: &str, further: Option<&str>) -> String {
    let (_, _, record) = simulation.records().find(|(name, ..)| *name == probe).unwrap();
    let mut out = Vec::new();
    match further {
        None => record.table(&mut out).unwrap(),
        Some(name) => record.further_table(name, &mut out).unwrap(),
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn tables_of_populations_have_the_replica_first() {
    let simulation = run(network(SOLVERS[1], 3, 0.2));
    let header = |probe| table(&simulation, probe, None).lines().next().unwrap().to_string();
    assert_eq!(header("exc"), "replica,neuron,time_s");
    assert_eq!(header("noise"), "neuron,time_s");
    assert_eq!(header("trace"), "replica,time_s,neuron,Vmem,Iampa");
    let rates = table(&simulation, "some", None);
    let rows: Vec<Vec<&str>> = rates.lines().skip(1).map(|l| l.split(',').collect()).collect();
    let names: Vec<[&str; 2]> = rows.iter().map(|row| [row[0], row[1]]).collect();
    assert_eq!(names, [["0", "9"], ["0", "3"], ["1", "9"], ["1", "3"], ["2", "9"], ["2", "3"]]);
    for row in rows {
        let (replica, neuron): (u32, u32) = (row[0].parse().unwrap(), row[1].parse().unwrap());
        let spikes = spikes_of(&simulation, "exc", 30, replica);
        let count = spikes.iter().filter(|(_, n)| *n == neuron).count();
        assert_eq!(row[3], count.to_string());
    }
    let trace = table(&simulation, "trace", None);
    let first: Vec<String> = trace
        .lines()
        .skip(1)
        .take(7)
        .map(|line| line.split(',').take(3).collect::<Vec<_>>().join(","))
        .collect();
    assert_eq!(
        first,
        ["0,0,2", "0,0,6", "1,0,2", "1,0,6", "2,0,2", "2,0,6", "0,0.001,2"],
        "by time, replica and neuron"
    );
}

/// The seed experiment, 60 draws of it.
fn ff(replicas: u32, cv: f64) -> Simulation {
    let cv = format!("Gaussian(cv: {cv})");
    let biases = ["soma.Itau", "soma.Igain", "ampa.Itau", "ampa.Igain", "ampa.Iw"];
    let mut sets: Vec<String> =
        biases.iter().map(|bias| format!("populations.dpi.mismatch.\"{bias}\"={cv}")).collect();
    sets.push(format!("replicas={replicas}"));
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    run(scene("scenes/ff_mismatch.ron", &sets))
}

/// Percentiles by counting: the value below which a share of the others lies, linear in between.
fn expected_quantile(values: &[f64], q: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = q * (values.len() as f64 - 1.0);
    let (below, share) = (place as usize, place - place.trunc());
    let above = (below + 1).min(values.len() - 1);
    values[below] * (1.0 - share) + values[above] * share
}

#[test]
fn the_band_of_a_curve_is_that_of_its_rows() {
    let simulation = ff(60, 0.1);
    let curve = simulation.probe::<FfCurve>("ff").unwrap();
    let (rows, band) = (curve.rows(), curve.band());
    assert_eq!((rows.len(), band.len()), (200 * 60, 200));
    for (neuron, BandRow { x, median, p05, p95, mean, std, n }) in (0..).zip(&band) {
        let own = rows.iter().filter(|row| row.neuron == neuron);
        let rates: Vec<f64> = own.map(|row| row.output_hz).collect();
        assert_eq!((*x, *n), (f64::from(neuron), 60));
        for (q, value) in [(0.5, median), (0.05, p05), (0.95, p95)] {
            assert!((expected_quantile(&rates, q) - value).abs() < 1e-9, "{neuron} {q} {value}");
        }
        let average = rates.iter().sum::<f64>() / 60.0;
        let squares: f64 = rates.iter().map(|rate| (rate - average).powi(2)).sum();
        assert!((mean - average).abs() < 1e-9);
        assert!((std.unwrap() - (squares / 59.0).sqrt()).abs() < 1e-9);
    }
    let text = table(&simulation, "ff", Some("band"));
    assert_eq!(text.lines().next(), Some("input_hz,median,p05,p95,mean,std,n"));
    assert_eq!(text.lines().count(), 201);
}

#[test]
fn the_band_widens_with_the_mismatch() {
    let width = |cv| -> f64 {
        let band = ff(40, cv).probe::<FfCurve>("ff").unwrap().band();
        band.iter().map(|row| row.p95 - row.p05).sum::<f64>() / band.len() as f64
    };
    let widths = [0.0, 0.05, 0.1, 0.2].map(width);
    assert_eq!(widths[0], 0.0);
    assert!(widths.is_sorted_by(|a, b| 1.5 * a < *b), "{widths:?}");
}
