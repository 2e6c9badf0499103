//! What fits on a chip: up to the limits and no further, with edges counted as they are.

mod common;

use std::path::Path;

use picoamp::scene::write;

use common::parse;
use picoamp::prelude::*;

/// What is wrong with a scene; empty when nothing is.
fn mistakes(text: &str) -> Vec<String> {
    match Scene::parse(text, "test.ron", "test", Path::new("."), &[]) {
        Ok(_) => Vec::new(),
        Err(Error::Scene(report)) => report.findings().iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

/// A recurrent network of one bias group: 60 sources of its own for each neuron, one from outside.
fn network(size: u64, weight: u32, chip: &str) -> String {
    format!(
        r#"(
            seed: 1, duration: "1 ms", solver: Euler(dt: "1 ms"),
            sources: {{ "input": (size: {size}, train: Regular(rates: "1 Hz")) }},
            populations: {{ "dpi": (size: {size}, model: dynapse1(), mismatch: {{ "soma.Itau": LogNormal(cv: 0.2) }}) }},
            connections: [
                (from: "input", to: "dpi", receptor: nmda, rule: OneToOne, weight: {weight}),
                (from: "dpi", to: "dpi", receptor: gabaa, rule: FixedInDegree(k: 60)),
            ],
            chip: {chip},
        )"#
    )
}

#[test]
fn a_full_chip_and_one_more() {
    // 4·256 neurons of fan-in 60 + 4.
    let scene = parse(&network(1024, 4, "Dynapse1"), Path::new("."));
    let chip = scene.chip.as_ref().unwrap();
    assert_eq!((chip.used_cores(), chip.all_cores()), (4, 4));
    assert_eq!(chip.cores, [(0, vec![0, 1, 2, 3])]);
    assert_eq!(
        mistakes(&network(1024, 5, "Dynapse1")),
        [
            "populations.dpi: neuron 0 of `dpi` has a fan-in of 65, more than 64 (and 1023 more neurons)"
        ]
    );
    assert_eq!(
        mistakes(&network(1025, 4, "Dynapse1")),
        ["populations.dpi: `dpi` of size 1025 ends on core 4, but there are 4 cores, 0 to 3"]
    );
    // One core.
    let on_core = |size, core| network(size, 4, &format!("Dynapse1(cores: {{ \"dpi\": {core} }})"));
    assert!(mistakes(&on_core(256, 3)).is_empty());
    assert_eq!(
        mistakes(&on_core(257, 3)),
        ["chip.cores.dpi: `dpi` has 257 neurons, but core 3 has room for 256 (256 a core)"]
    );
    // More chips, other limits, no chip.
    assert!(mistakes(&network(1025, 4, "Dynapse1(chips: 2)")).is_empty());
    assert!(mistakes(&network(1025, 4, "Dynapse1(neurons_per_core: 257)")).is_empty());
    assert!(mistakes(&network(1024, 5, "Dynapse1(fan_in: 65)")).is_empty());
    assert!(mistakes(&network(1025, 5, "Off")).is_empty());
}

/// Every source fires once: the pulses that arrive at a neuron are the words that its edges take.
#[test]
fn drawn_edges_and_weights_are_counted_as_they_act() {
    let text = |chip: &str| {
        format!(
            r#"(
                seed: 1, duration: "20 us", solver: Euler(dt: "10 us"),
                sources: {{ "input": (size: 300, train: Regular(rates: "1 Hz")) }},
                populations: {{
                    "dpi": (size: 200, model: arcana(feedback: Off, soma: (Ith: "1 A"), ampa: (), gabab: ())),
                }},
                connections: [
                    (name: "p", from: "input", to: "dpi", receptor: ampa, rule: FixedProbability(p: 0.05),
                     weight: Uniform(from: 1, to: 5)),
                    (name: "out", from: "input", to: "dpi", receptor: ampa, rule: FixedOutDegree(k: 3),
                     weight: Normal(mean: 2, sd: 1)),
                    (name: "total", from: "input", to: "dpi", to_neurons: Range(from: 20, to: 99),
                     receptor: gabab, rule: FixedTotal(n: 1000)),
                ],
                probes: {{ "i": Trace(of: "dpi", vars: [Iampa, Igabab], neurons: All, every: "10 us") }},
                chip: {chip},
            )"#
        )
    };
    let simulation = common::run(parse(&text("Off"), Path::new(".")));
    let trace = simulation.probe::<TraceRecorder>("i").unwrap();
    // A pulse adds (Igain/Itau)·Iw = 1 pA to what rests at I0 = 0.05 pA; τ is 71 ms.
    let pulses = |neuron: u32, receptor| {
        let samples = trace.samples(neuron, Variable::Synapse(receptor));
        let peak = samples.map(|(_, current)| current).fold(0.0, f64::max);
        let pulses = (peak - 0.05e-12) / 1e-12;
        assert!((pulses - pulses.round()).abs() < 0.05, "{pulses} pulses");
        pulses.round() as u64
    };
    let words: Vec<u64> =
        (0..200).map(|n| pulses(n, Receptor::Ampa) + pulses(n, Receptor::Gabab)).collect();
    let most = *words.iter().max().unwrap();
    assert!(most > 60, "{most}");

    assert!(mistakes(&text(&format!("Dynapse1(fan_in: {most})"))).is_empty());
    for limit in [most - 1, most / 2, 1] {
        let neuron = words.iter().position(|n| *n == most).unwrap();
        let more = match words.iter().filter(|n| **n > limit).count() - 1 {
            0 => String::new(),
            1 => " (and 1 more neuron)".to_string(),
            n => format!(" (and {n} more neurons)"),
        };
        assert_eq!(
            mistakes(&text(&format!("Dynapse1(fan_in: {limit})"))),
            [format!(
                "populations.dpi: neuron {neuron} of `dpi` has a fan-in of {most}, more than {limit}{more}"
            )]
        );
    }
}

/// Populations by name, size and leak; the cores that each gets.
fn placed(populations: &[(&str, u64, &str)], chip: &str) -> Vec<(String, Vec<u64>)> {
    let populations: String = populations
        .iter()
        .map(|(name, size, leak)| {
            format!("{name:?}: (size: {size}, model: dynapse1(soma: (Itau: {leak:?}))),")
        })
        .collect();
    let text = format!(
        "(duration: \"1 ms\", solver: Euler(dt: \"1 ms\"), populations: {{ {populations} }}, chip: {chip})"
    );
    let scene = parse(&text, Path::new("."));
    // What `resolve` prints is the same scene.
    let printed = write::to_ron(&scene, |file| file.path.clone());
    let again = parse(&printed, Path::new("."));
    assert_eq!(again.chip, scene.chip, "{printed}");
    assert_eq!(write::to_ron(&again, |file| file.path.clone()), printed);
    let cores = scene.chip.as_ref().unwrap().cores.iter();
    cores
        .map(|(p, cores)| (scene.populations.get_index(*p).unwrap().0.clone(), cores.clone()))
        .collect()
}

#[test]
fn populations_get_their_cores() {
    let named = |expected: &[(&str, &[u64])]| -> Vec<(String, Vec<u64>)> {
        expected.iter().map(|(name, cores)| (name.to_string(), cores.to_vec())).collect()
    };
    // By bias group, however a value is written.
    assert_eq!(
        placed(
            &[("a", 300, "5 pA"), ("b", 200, "6 pA"), ("c", 200, "0.005 nA"), ("d", 80, "6 pA")],
            "Dynapse1"
        ),
        named(&[("a", &[0, 1]), ("b", &[2]), ("c", &[1]), ("d", &[2, 3])])
    );
    // Those that are named come first, and in the order of the list.
    assert_eq!(
        placed(
            &[("a", 100, "5 pA"), ("b", 200, "5 pA"), ("c", 10, "6 pA")],
            "Dynapse1(cores: { \"b\": [3, 0] })"
        ),
        named(&[("b", &[3]), ("a", &[3, 0]), ("c", &[1])])
    );
    // Cores that are not needed, or full, are left to others.
    assert_eq!(
        placed(
            &[("a", 256, "5 pA"), ("b", 256, "6 pA"), ("c", 300, "5 pA")],
            "Dynapse1(cores: { \"a\": [2, 1], \"b\": 1, \"c\": [2, 0, 3] })"
        ),
        named(&[("a", &[2]), ("b", &[1]), ("c", &[0, 3])])
    );
    // The second chip has cores 4 to 7.
    assert_eq!(
        placed(&[("a", 1200, "5 pA"), ("b", 1, "6 pA")], "Dynapse1(chips: 2, cores: { \"b\": 0 })"),
        named(&[("b", &[0]), ("a", &[1, 2, 3, 4, 5])])
    );
}

/// What a core has in common, and what it has not.
#[test]
fn bias_groups() {
    let two = |a: &str, b: &str, more: &str| {
        mistakes(&format!(
            r#"(
                duration: "1 ms", solver: Euler(dt: "1 ms"),
                sources: {{ "input": (size: 1, train: Spikes([])) }},
                populations: {{ "a": (size: 1, {a}), "b": (size: 1, {b}) }}, {more}
                chip: Dynapse1(cores: {{ "a": 0, "b": 0 }}),
            )"#
        ))
    };
    let plain = "model: dynapse1()";
    for (b, more) in [
        ("model: dynapse1(), mismatch: { \"soma.Itau\": LogNormal(cv: 0.2) }", ""),
        ("model: dynapse1(), init: { \"Imem\": \"3 pA\" }", ""),
        // What the other one does not have may have any value.
        ("model: dynapse1(gabab: (Iw: \"1 nA\"))", ""),
        ("model: dynapse1(gabab: Off)", ""),
        (plain, "connections: [(from: \"input\", to: \"b\", receptor: ampa, rule: OneToOne)],"),
    ] {
        assert_eq!(two(plain, b, more), Vec::<String>::new(), "{b}");
    }
    for (b, expected) in [
        (
            "model: dynapse1(pulse: Width(\"10 us\"))",
            "pulse is Width(\"10 us\") in `b` and Ideal in `a`",
        ),
        ("model: dynapse1(ahp: (Iw: \"2 pA\"))", "ahp.Iw is 2 pA in `b` and 1 pA in `a`"),
        (
            "model: dynapse1(), dc: Steps([(\"0 s\", \"1 pA\")])",
            "dc is Steps([(\"0 s\", \"1 pA\")]) in `b` and constant in `a`",
        ),
    ] {
        let message = format!("chip.cores.b: core 0 has one bias group, but {expected}");
        assert_eq!(two(plain, b, ""), [message]);
    }
}
