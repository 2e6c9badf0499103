//! The event-driven solver against references, closed forms and a brute-force integration, and what it
//! promises of networks, of silence and of measuring.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{column, ff_counts, hashes, parse, run, run_on, scene};
use picoamp::backend::EventWork;
use picoamp::backend::cpu::Cpu;
use picoamp::prelude::*;

const NOMINAL: &str = "scenes/ff_nominal.ron";

fn here() -> &'static Path {
    Path::new(".")
}

fn event(tolerance: &str) -> String {
    format!("solver=Event(tolerance: \"{tolerance}\")")
}

/// Spike times of each neuron, s.
fn times(simulation: &Simulation, probe: &str) -> BTreeMap<u32, Vec<f64>> {
    let mut times: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (time, neuron) in simulation.probe::<SpikeRecorder>(probe).unwrap().spikes() {
        times.entry(*neuron).or_default().push(time.seconds());
    }
    times
}

/// Reference spikes of nine rates.
fn reference() -> BTreeMap<u32, Vec<f64>> {
    let path = "tests/reference/arcana_event_spikes.csv";
    let mut times: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (rate, time) in column(path, "input_hz").into_iter().zip(column(path, "spike_time_s")) {
        times.entry(rate as u32).or_default().push(time);
    }
    times
}

/// The largest difference; the counts have to be equal.
fn largest_shift(ours: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(ours.len(), exact.len());
    ours.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
#[should_panic(expected = "left == right")]
fn a_missing_spike_is_noticed() {
    largest_shift(&[0.1], &[0.1, 0.2]);
}

/// All 200 counts of the seed experiment, at every tolerance.
#[test]
fn counts_of_the_seed_experiment_are_those_of_the_equation() {
    let exact: Vec<u64> =
        column("tests/reference/arcana_ff.csv", "event").iter().map(|n| *n as u64).collect();
    for tolerance in ["1 us", "10 ns", "100 us"] {
        let counts = ff_counts(&run(scene(NOMINAL, &[&event(tolerance)])));
        assert_eq!(counts, exact, "{tolerance}");
    }
    assert_eq!(exact.iter().sum::<u64>(), 7728);
}

/// Every spike of nine rates, from 1 Hz, where errors are amplified 200 times, to 199 Hz.
#[test]
fn spike_times_are_within_the_tolerance() {
    let exact = reference();
    assert_eq!(exact.len(), 9);
    for (tolerance, most) in [("1 us", 1e-6), ("10 ns", 2e-8), ("100 us", 1e-4)] {
        let probe = "probes={\"out\": Spikes(of: \"dpi\")}";
        let ours = times(&run(scene(NOMINAL, &[&event(tolerance), probe])), "out");
        for (rate, exact) in &exact {
            let shift = largest_shift(&ours[rate], exact);
            assert!(shift <= most, "{tolerance}, {rate} Hz: {shift:e} s");
        }
    }
}

/// Right-hand sides per output spike, everything counted, of single neurons of the seed experiment.
#[test]
fn the_cost_of_a_spike() {
    let cost = |hz: u32| {
        let period = 1000 / hz;
        let spikes: Vec<String> =
            (0..1000).step_by(period as usize).map(|ms| format!("\"{ms} ms\"")).collect();
        let sets = [
            event("1 us"),
            format!("sources.input=(size: 1, train: Spikes([{}]))", spikes.join(", ")),
            "populations.dpi.size=1".to_string(),
            "probes={\"out\": Spikes(of: \"dpi\")}".to_string(),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let simulation = run(scene(NOMINAL, &sets));
        let spikes = simulation.probe::<SpikeRecorder>("out").unwrap().spikes().len();
        let work = simulation.world().resource::<EventWork>().0;
        work.right_sides as f64 / spikes as f64
    };
    let costs: Vec<(u32, f64)> = reference().keys().map(|hz| (*hz, cost(*hz))).collect();
    let mean = costs.iter().map(|(_, cost)| cost).sum::<f64>() / costs.len() as f64;
    let at_100_hz = costs.iter().find(|(hz, _)| *hz == 100).unwrap().1;
    assert!(at_100_hz <= 120.0, "{costs:?}");
    assert!(mean <= 250.0, "{mean}: {costs:?}");
}

/// 5000 neurons of in-degree 64 with delays of 1 to 5 ms: the same bits for any number of threads,
/// and in ten pieces.
#[test]
fn a_recurrent_network_does_not_depend_on_threads_or_pieces() {
    let model = r#"arcana(
        soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", refP: "1 ms",
               Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"),
        ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"),
        gabab: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"))"#;
    let mismatch = r#"{ "soma.Itau": Gaussian(cv: 0.1), "ampa.Iw": Gaussian(cv: 0.1) }"#;
    let delay = r#"Uniform(from: "1 ms", to: "5 ms")"#;
    let text = format!(
        r#"(seed: 3, duration: "1 s",
            sources: {{ "in": (size: 5000, train: Poisson(rates: "100 Hz")) }},
            populations: {{
                "exc": (size: 4000, model: {model}, mismatch: {mismatch}),
                "inh": (size: 1000, model: {model}, mismatch: {mismatch}),
            }},
            connections: [
                (from: "in", neurons: Range(from: 0, to: 3999), to: "exc", receptor: ampa, rule: OneToOne),
                (from: "in", neurons: Range(from: 4000, to: 4999), to: "inh", receptor: ampa, rule: OneToOne),
                (from: "exc", to: "exc", receptor: ampa, rule: FixedInDegree(k: 51), delay: {delay}),
                (from: "exc", to: "inh", receptor: ampa, rule: FixedInDegree(k: 51), delay: {delay}),
                (from: "inh", to: "exc", receptor: gabab, rule: FixedInDegree(k: 13), delay: {delay}),
                (from: "inh", to: "inh", receptor: gabab, rule: FixedInDegree(k: 13), delay: {delay}),
            ])"#
    );
    let scene = parse(&text, here());
    let expected = hashes(&run_on(scene.clone(), Cpu::new(Some(1))));
    for threads in [2, 3, 4, 8] {
        let simulation = run_on(scene.clone(), Cpu::new(Some(threads)));
        assert_eq!(hashes(&simulation), expected, "{threads} threads");
    }
    let mut pieces = Simulation::new(scene).unwrap();
    for _ in 0..10 {
        pieces.run_for(std::time::Duration::from_millis(100)).unwrap();
    }
    assert_eq!(hashes(&pieces), expected, "in pieces");
    let digests = &pieces.world().resource::<picoamp::probe::digest::SpikeDigests>().0;
    assert!(digests.iter().map(|d| d.count).sum::<u64>() > 50_000, "it is worth comparing");
}

/// Silent neurons cost nothing: once each of them has come to rest, which takes less than 0.2 s, 19 000
/// of them beside a thousand active ones add no right-hand side.
#[test]
fn work_is_proportional_to_activity() {
    let work = |size: u32, duration: &str| {
        let sets = [
            event("1 us"),
            format!("duration={duration}"),
            "sources.input=(size: 1000, train: Regular(rates: \"50 Hz\"))".to_string(),
            format!("populations.dpi.size={size}"),
            "connections=[(from: \"input\", to: \"dpi\", to_neurons: Range(from: 0, to: 999), \
             receptor: ampa, rule: OneToOne)]"
                .to_string(),
            "probes={}".to_string(),
        ];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        run(scene(NOMINAL, &sets)).world().resource::<EventWork>().0.right_sides
    };
    let silent = |duration: &str| work(20_000, duration) - work(1000, duration);
    assert!(work(1000, "1 s") > 1_000_000, "the active ones work");
    assert_eq!(silent("0.2 s"), silent("1 s"));
}

/// Measuring does not change what is measured.
#[test]
fn a_trace_changes_no_spike() {
    let with = |probes: &str| {
        let probes = format!("probes={{{probes}}}");
        hashes(&run(scene("scenes/ff_mismatch.ron", &[&event("1 us"), &probes])))
    };
    let trace = r#""v": Trace(of: "dpi", vars: [Vmem, Iampa], neurons: All, every: "0.7 ms")"#;
    assert_eq!(with(""), with(trace));
}

/// Every scene ends, whatever its circuits: two of them once stalled, where a neuron rested under
/// inhibition that decays.
#[test]
fn every_scene_ends() {
    let scenes = std::fs::read_dir("scenes").unwrap().map(|entry| entry.unwrap().path());
    let mut scenes: Vec<_> = scenes.filter(|p| p.extension().is_some_and(|e| e == "ron")).collect();
    scenes.sort();
    assert_eq!(scenes.len(), 10);
    for path in scenes {
        let path = path.to_str().unwrap();
        for tolerance in ["1 us", "10 ns"] {
            let simulation = run(scene(
                path,
                &[&event(tolerance), "window=10 ms", "duration=0.2 s", "probes={}"],
            ));
            assert_eq!(simulation.time().seconds(), 0.2, "{path} at {tolerance}");
        }
    }
}

/// Neurons with all receptors, each under a Poisson train of its own, alone and beside others.
#[test]
fn a_neuron_does_not_depend_on_those_advanced_with_it() {
    let text = |from: usize, count: usize| {
        let names = from..from + count;
        let all = |line: &dyn Fn(usize) -> String| names.clone().map(line).collect::<String>();
        let train = |kind: &str, every: usize, k: usize| {
            let times: Vec<String> =
                (1..800_usize).map(|i| format!("\"{} us\"", i * every + k * 37 % every)).collect();
            format!("\"{kind}{k}\": (size: 1, train: Spikes([{}])),\n", times.join(","))
        };
        let model = "dynapse1(soma: (Idc: \"300 pA\"))";
        let edge = |kind: &str, k: usize| {
            format!(
                "(from: \"{kind}{k}\", to: \"n{k}\", receptor: {kind}, rule: OneToOne, weight: 1),\n"
            )
        };
        format!(
            "(duration: \"1 s\", window: \"3 ms\", sources: {{{}{}}}, populations: {{{}}}, \
             connections: [{}{}], probes: {{{}}})",
            all(&|k| train("ampa", 1100 + 13 * k, k)),
            all(&|k| train("gabab", 9700 + 11 * k, k)),
            all(&|k| format!("\"n{k}\": (size: 1, model: {model}),\n")),
            all(&|k| edge("ampa", k)),
            all(&|k| edge("gabab", k)),
            all(&|k| format!("\"p{k}\": Spikes(of: \"n{k}\"),\n")),
        )
    };
    let spikes = |text: &str, k: usize| {
        let simulation = run(parse(text, here()));
        simulation.probe::<SpikeRecorder>(&format!("p{k}")).unwrap().spikes().to_vec()
    };
    let together = text(0, 150);
    for k in [0, 70, 149] {
        let alone = spikes(&text(k, 1), k);
        assert!(!alone.is_empty(), "{k}");
        assert_eq!(alone, spikes(&together, k), "neuron {k}");
    }
}

/// After seconds of rest with a synapse that has not decayed to its floor.
#[test]
fn a_neuron_wakes_after_a_long_sleep() {
    for second in 1..12 {
        let text = format!(
            "(duration: \"{}.5 s\", window: \"10 ms\", \
             sources: {{\"s\": (size: 1, train: Spikes([\"1 ms\", \"{second}.013 s\"]))}}, \
             populations: {{\"n\": (size: 1, model: dynapse1(soma: (Idc: \"1 pA\")))}}, \
             connections: [(from: \"s\", to: \"n\", receptor: ampa, rule: OneToOne, weight: 30)], \
             probes: {{\"p\": Spikes(of: \"n\")}})",
            second
        );
        let simulation = run(parse(&text, here()));
        let spikes = simulation.probe::<SpikeRecorder>("p").unwrap().spikes().to_vec();
        let before = spikes.iter().filter(|(time, _)| time.seconds() < 0.5).count();
        assert!(before > 0 && spikes.len() == 2 * before, "{second} s: {spikes:?}");
    }
}

/// A neuron that crosses its threshold within a rounding of an arrival: along the chart the crossing seems to come
/// after it, in time before it. (It was one of a million that went to and fro between the two without end.)
#[test]
fn a_crossing_at_an_arrival_is_no_trap() {
    let text = |tolerance: &str| {
        format!(
            "(duration: \"3 s\", solver: Event(tolerance: \"{tolerance}\"),
            sources: {{ \"in\": (size: 1, train: Regular(rates: \"100 Hz\", phase: \"3.3 ms\")) }},
            populations: {{ \"dpi\": (size: 1, model: arcana(
                soma: (
                    Itau: \"4.454366611145957e-12 A\", Igain: \"8.731826131801218e-11 A\", Ith: \"12 mA\",
                    Idc: \"10 pA\", refP: \"0 s\", Ipfb_th: \"0 A\", Ipfb_norm: \"1.4e9 /A\",
                ),
                ampa: (
                    Itau: \"1.973469574707113e-12 A\", Igain: \"1.9877929927457773e-11 A\",
                    Iw: \"1.6146479560184872e-10 A\",
                ),
            )) }},
            connections: [(from: \"in\", to: \"dpi\", receptor: ampa, rule: OneToOne)],
            probes: {{ \"p\": Spikes(of: \"dpi\") }})"
        )
    };
    let spikes =
        |tolerance: &str| times(&run(parse(&text(tolerance), here())), "p").remove(&0).unwrap();
    let (single, double) = (spikes("1 us"), spikes("1 ns"));
    assert!(double.len() > 100);
    // One way or the other at the arrival, the spike comes at the same time.
    assert!(largest_shift(&single, &double) < 1e-6);
}
