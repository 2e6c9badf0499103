//! Connection rules: what each promises, edge by edge.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{hashes, parse, run_on};
use picoamp::backend::cpu::Cpu;
use picoamp::prelude::*;

const SOURCES: u64 = 300;
const TARGETS: u64 = 200;

/// The edges of a rule from a source of 300 to a population of 200.
fn edges(rule: &str) -> Vec<(u32, u32)> {
    edges_of(rule, "from: \"in\"", "")
}

/// The edges of a rule within a population of 200.
fn recurrent(rule: &str) -> Vec<(u32, u32)> {
    edges_of(rule, "from: \"n\"", "")
}

fn edges_of(rule: &str, from: &str, more: &str) -> Vec<(u32, u32)> {
    let scene = scene(rule, from, more, 1);
    let mut edges = Vec::new();
    scene.edges(&scene.connections[0]).for_each(|edge| edges.push((edge.source, edge.target)));
    edges
}

fn scene(rule: &str, from: &str, more: &str, seed: u64) -> Scene {
    let text = format!(
        r#"(seed: {seed}, duration: "10 ms", solver: Euler(dt: "1 ms"),
            sources: {{ "in": (size: {SOURCES}, train: Spikes([])) }},
            populations: {{ "n": (size: {TARGETS}, model: dynapse1()) }},
            connections: [(name: "c", {from}, to: "n", receptor: ampa, rule: {rule}, {more})])"#
    );
    parse(&text, std::path::Path::new("."))
}

fn count(of: impl Iterator<Item = u32>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    of.for_each(|k| *counts.entry(k).or_default() += 1);
    counts
}

fn distinct(edges: &[(u32, u32)]) -> usize {
    edges.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn fixed_in_degree() {
    let drawn = edges("FixedInDegree(k: 40)");
    assert_eq!(count(drawn.iter().map(|e| e.1)), (0..200).map(|k| (k, 40)).collect());
    assert!(distinct(&drawn) < drawn.len(), "40 of 300 with repetition repeat somewhere");
    let different = edges("FixedInDegree(k: 40, multiple_edges: false)");
    assert_eq!((different.len(), distinct(&different)), (8000, 8000));
    // All there are, each once.
    let all = edges("FixedInDegree(k: 300, multiple_edges: false)");
    assert_eq!((all.len(), distinct(&all)), (60_000, 60_000));
}

#[test]
fn fixed_out_degree() {
    let drawn = edges("FixedOutDegree(k: 25)");
    assert_eq!(count(drawn.iter().map(|e| e.0)), (0..300).map(|k| (k, 25)).collect());
    let different = edges("FixedOutDegree(k: 25, multiple_edges: false)");
    assert_eq!((different.len(), distinct(&different)), (7500, 7500));
}

#[test]
fn fixed_total() {
    assert_eq!(edges("FixedTotal(n: 5000)").len(), 5000);
    let different = edges("FixedTotal(n: 5000, multiple_edges: false)");
    assert_eq!((different.len(), distinct(&different)), (5000, 5000));
}

#[test]
fn self_connections_can_be_left_out() {
    let is_self = |e: &&(u32, u32)| e.0 == e.1;
    for (rule, expected) in [
        ("FixedInDegree(k: 199, self_connections: false, multiple_edges: false)", 199 * 200),
        ("FixedOutDegree(k: 199, self_connections: false, multiple_edges: false)", 199 * 200),
        ("FixedTotal(n: 30000, self_connections: false, multiple_edges: false)", 30_000),
        ("FixedProbability(p: 1, self_connections: false)", 199 * 200),
        ("AllToAll(self_connections: false)", 199 * 200),
        ("FixedInDegree(k: 50, self_connections: false)", 50 * 200),
    ] {
        let drawn = recurrent(rule);
        assert_eq!(drawn.len(), expected, "{rule}");
        assert_eq!(drawn.iter().filter(is_self).count(), 0, "{rule}");
    }
    // With them, they are there.
    assert_eq!(recurrent("FixedProbability(p: 1)").iter().filter(is_self).count(), 200);
    // Another population's neuron of the same index is not oneself.
    let other = edges("FixedProbability(p: 1, self_connections: false)");
    assert_eq!(other.len(), 60_000);
}

/// Each neuron of a cut, and no other, takes part.
#[test]
fn rules_respect_cuts() {
    let more = "neurons: [7, 3, 250], to_neurons: Range(from: 10, to: 19)";
    for rule in ["FixedInDegree(k: 30)", "FixedOutDegree(k: 30)", "FixedProbability(p: 1)"] {
        let drawn = edges_of(rule, "from: \"in\"", more);
        let sources: BTreeSet<u32> = drawn.iter().map(|e| e.0).collect();
        let targets: BTreeSet<u32> = drawn.iter().map(|e| e.1).collect();
        assert_eq!(sources, BTreeSet::from([3, 7, 250]), "{rule}");
        assert_eq!(targets, (10..20).collect(), "{rule}");
    }
}

/// Means of random rules within five standard errors.
#[test]
fn random_rules_have_their_means() {
    let pairs = (SOURCES * TARGETS) as f64;
    for p in [0.001, 0.1, 0.5, 0.97] {
        let n = edges(&format!("FixedProbability(p: {p})")).len() as f64;
        let error = (pairs * p * (1.0 - p)).sqrt();
        assert!((n - pairs * p).abs() < 5.0 * error, "p = {p}: {n} edges");
    }
    assert!(edges("FixedProbability(p: 0)").is_empty());
    assert_eq!(edges("FixedProbability(p: 1)").len(), 60_000);
    // In-degree 40 from 300: each source is drawn 200·40/300 times; and all alike: χ² of 299 degrees
    // of freedom has mean 299 and standard deviation √598.
    for rule in ["FixedInDegree(k: 40)", "FixedTotal(n: 8000)"] {
        let drawn = count(edges(rule).iter().map(|e| e.0));
        let mean = 8000.0 / 300.0;
        let chi2: f64 =
            (0..300).map(|k| (*drawn.get(&k).unwrap_or(&0) as f64 - mean).powi(2) / mean).sum();
        assert!((chi2 - 299.0).abs() < 5.0 * 598.0_f64.sqrt(), "{rule}: χ² {chi2}");
    }
}

/// Another seed or name gives other edges, the same gives the same.
#[test]
fn edges_follow_from_seed_and_name() {
    let rule = "FixedInDegree(k: 10)";
    let of_seed = |seed| {
        let scene = scene(rule, "from: \"in\"", "", seed);
        let mut edges = Vec::new();
        scene.edges(&scene.connections[0]).for_each(|e| edges.push((e.source, e.target)));
        edges
    };
    assert_eq!(of_seed(1), edges(rule));
    assert_ne!(of_seed(2), edges(rule));
}

/// A recurrent network of 5000 neurons with in-degree 64: the same spikes for any thread count, any
/// order of populations and projections, and in pieces.
#[test]
fn a_network_of_5000_neurons_is_reproducible() {
    let arcana = r#"arcana(
        soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A",
               Ipfb_norm: "1.4e9 /A"),
        ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"),
        gabab: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"))"#;
    // Whole weights and fractions: two forms of fixed point.
    reproducible(
        arcana,
        ("ampa", "gabab"),
        r#"{ "soma.Itau": Gaussian(cv: 0.1), "ampa.Iw": Gaussian(cv: 0.1) }"#,
    );
    let lif = r#"lif(soma: (dc: 0.9), exc: (w: 0.25), inh: (w: 0.4))"#;
    reproducible(
        lif,
        ("exc", "inh"),
        r#"{ "soma.tau_m": LogNormal(cv: 0.1), "exc.w": LogNormal(cv: 0.1) }"#,
    );
}

fn reproducible(model: &str, (excites, inhibits): (&str, &str), mismatch: &str) {
    let exc = format!("\"exc\": (size: 4000, model: {model}, mismatch: {mismatch}),");
    let inh = format!("\"inh\": (size: 1000, model: {model}, mismatch: {mismatch}),");
    let mut projections = Vec::new();
    let drawn = "weight: Uniform(from: 0.5, to: 2.4), delay: Uniform(from: \"1 ms\", to: \"4 ms\")";
    for to in ["exc", "inh"] {
        projections.extend([
            format!("(from: \"noise {to}\", to: \"{to}\", receptor: {excites}, rule: OneToOne, weight: 1.3),"),
            format!("(from: \"exc\", to: \"{to}\", receptor: {excites}, rule: FixedInDegree(k: 51), {drawn}),"),
            format!("(from: \"inh\", to: \"{to}\", receptor: {inhibits}, rule: FixedInDegree(k: 13), delay: \"1.5 ms\"),"),
        ]);
    }
    let scene = |seed: u64, populations: String, projections: String| {
        let text = format!(
            r#"(seed: {seed}, duration: "200 ms", solver: Euler(dt: "100 us"),
                sources: {{
                    "noise exc": (size: 4000, train: Poisson(rates: "100 Hz")),
                    "noise inh": (size: 1000, train: Poisson(rates: "100 Hz")),
                }},
                populations: {{ {populations} }}, connections: [ {projections} ])"#
        );
        parse(&text, std::path::Path::new("."))
    };
    for seed in [1, 2, 3] {
        let forward = || scene(seed, format!("{exc}{inh}"), projections.concat());
        let simulation = run_on(forward(), Cpu::new(Some(1)));
        let digests = &simulation.world().resource::<picoamp::probe::digest::SpikeDigests>().0;
        assert!(digests.iter().all(|digest| digest.count > 1000), "{digests:?}");
        let expected = hashes(&simulation);
        for threads in [2, 3, 4, 8] {
            assert_eq!(hashes(&run_on(forward(), Cpu::new(Some(threads)))), expected);
        }
        let reversed: String = projections.iter().rev().map(String::as_str).collect();
        let backward = scene(seed, format!("{inh}{exc}"), reversed);
        assert_eq!(hashes(&run_on(backward, Cpu::new(Some(2)))), expected);
        let mut pieces = Simulation::new(forward()).unwrap();
        for ms in [37, 63, 100] {
            pieces.run_for(std::time::Duration::from_millis(ms)).unwrap();
        }
        assert_eq!(hashes(&pieces), expected);
    }
}

/// All edges of a projection with drawn weights and delays.
fn drawn(model: &str, law: &str, folder: &std::path::Path) -> Vec<picoamp::network::Edge> {
    let text = format!(
        r#"(seed: 1, duration: "10 ms", solver: Euler(dt: "0.1 ms"),
            sources: {{ "in": (size: 300, train: Spikes([])) }},
            populations: {{ "n": (size: 200, model: {model}) }},
            connections: [(name: "c", from: "in", to: "n", receptor: ampa, {law})])"#
    );
    let scene = parse(&text, folder);
    let mut edges = Vec::new();
    scene.edges(&scene.connections[0]).for_each(|edge| edges.push(edge));
    edges
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Drawn weights and delays lie within their bounds, on the grid of the step, and have the moments
/// of their law within five standard errors; weights and delays of an edge, and neighbours, are not
/// correlated.
#[test]
#[allow(clippy::disallowed_methods)] // An expected value of its own.
fn laws_of_weights_and_delays() {
    let rule = "rule: FixedInDegree(k: 200)";
    let here = std::path::Path::new(".");
    let uniform = r#"weight: Uniform(from: 1, to: 3), delay: Uniform(from: "1 ms", to: "5 ms")"#;
    let edges = drawn("dynapse1()", &format!("{rule}, {uniform}"), here);
    let n = edges.len() as f64;
    assert_eq!(n, 40_000.0);
    let weights: Vec<f64> = edges.iter().map(|e| e.weight).collect();
    let delays: Vec<f64> = edges.iter().map(|e| e.delay.seconds() * 1e3).collect();
    let step = Time::from_seconds(1e-4).unwrap();
    assert!(edges.iter().all(|e| e.delay.is_multiple_of(step)));
    assert!(weights.iter().all(|w| (1.0..=3.0).contains(w)));
    assert!(delays.iter().all(|d| (1.0..=5.0).contains(d)));
    let close = |found: f64, law: f64, error: f64, what: &str| {
        assert!((found - law).abs() < 5.0 * error, "{what}: {found}, not {law} ± {error}");
    };
    // Uniform of width h: sd h/√12; the sd of a sample of n has the error sd·√(1/(5n)). Rounding to
    // 0.1 ms adds 0.01/12 ms² to the variance of the delays.
    for (values, mean, sd, what) in [
        (&weights, 2.0, 2.0 / 12_f64.sqrt(), "uniform weights"),
        (&delays, 3.0, (16.0 / 12.0 + 0.01 / 12.0_f64).sqrt(), "uniform delays"),
    ] {
        let (m, s) = moments(values);
        close(m, mean, sd / n.sqrt(), what);
        close(s, sd, sd * (0.2 / n).sqrt(), what);
    }
    let correlation = |pairs: &[(f64, f64)]| {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let ((ma, sa), (mb, sb)) = (moments(&a), moments(&b));
        pairs.iter().map(|(x, y)| (x - ma) * (y - mb)).sum::<f64>() / (n * sa * sb)
    };
    let same: Vec<_> = weights.iter().copied().zip(delays.iter().copied()).collect();
    let next: Vec<_> = weights.iter().copied().zip(weights.iter().copied().skip(1)).collect();
    let error = 1.0 / n.sqrt();
    close(correlation(&same), 0.0, error, "weight and delay");
    close(correlation(&next), 0.0, error, "neighbours");

    // N(2, 1) cut at 0 and 3: with a = −2, b = 1 the mean is 2 + (φ(a) − φ(b))/Z, the variance
    // 1 + (aφ(a) − bφ(b))/Z − ((φ(a) − φ(b))/Z)², Z = Φ(b) − Φ(a) = 0.818594614120364.
    let normal = r#"weight: Normal(mean: 2, sd: 1, max: 3),
        delay: Normal(mean: "2 ms", sd: "1 ms", min: "1.9 ms", max: "2.1 ms")"#;
    let edges = drawn("dynapse1()", &format!("{rule}, {normal}"), here);
    let weights: Vec<f64> = edges.iter().map(|e| e.weight).collect();
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (a, b, z) = (-2.0, 1.0, 0.818_594_614_120_364);
    let shift = (density(a) - density(b)) / z;
    let variance = 1.0 + (a * density(a) - b * density(b)) / z - shift * shift;
    let (m, s) = moments(&weights);
    close(m, 2.0 + shift, (variance / n).sqrt(), "cut normal weights");
    close(s, variance.sqrt(), variance.sqrt() / (2.0 * n).sqrt(), "cut normal weights");
    assert!(weights.iter().all(|w| (0.0..=3.0).contains(w)));
    // Bounds much narrower than the standard deviation: nearly uniform on three steps, ¼ ½ ¼.
    let at = |ms: f64| {
        let delay = Time::from_seconds(ms * 1e-3).unwrap();
        edges.iter().filter(move |e| e.delay == delay)
    };
    for (ms, share) in [(1.9, 0.25), (2.0, 0.5), (2.1, 0.25)] {
        let count = at(ms).count() as f64;
        close(count, share * n, (n * share * (1.0 - share)).sqrt() + 0.0003 * n, "narrow delays");
    }
    // A model that counts pulses rounds what is drawn, halves to even.
    let model = "arcana(soma: (Ipfb_norm: \"1e9 /A\"))";
    let edges = drawn(model, &format!("{rule}, weight: Uniform(from: 0.6, to: 3.4)"), here);
    let counts = count(edges.iter().map(|e| e.weight as u32));
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    assert!(edges.iter().all(|e| e.weight.fract() == 0.0));
}

/// A list gives the edges that it names; a file with the edges of another rule gives those.
#[test]
fn lists_and_files() {
    let here = std::path::Path::new(".");
    let list = r#"rule: List([(3, 1), (3, 1, 0.5), (299, 199, 2, "1.5 ms")])"#;
    let edge = |source, target, weight, ms: f64| picoamp::network::Edge {
        source,
        target,
        weight,
        delay: Time::from_seconds(ms * 1e-3).unwrap(),
    };
    let edges = [edge(3, 1, 1.0, 0.0), edge(3, 1, 0.5, 0.0), edge(299, 199, 2.0, 1.5)];
    assert_eq!(drawn("dynapse1()", list, here), edges);
    let short = r#"rule: List([(3, 1), (4, 0)]), weight: 2.5, delay: "2 ms""#;
    assert_eq!(drawn("dynapse1()", short, here), [edge(3, 1, 2.5, 2.0), edge(4, 0, 2.5, 2.0)]);

    let laws = r#"rule: FixedTotal(n: 5000), weight: Uniform(from: 0, to: 9),
        delay: Normal(mean: "3 ms", sd: "1 ms", min: "1 ms")"#;
    let original = drawn("dynapse1()", laws, here);
    let folder = tempfile::tempdir().unwrap();
    for (end, name) in [("\n", "lf.csv"), ("\r\n", "crlf.csv")] {
        let mut csv = format!("source,target,weight,delay_s{end}");
        for e in &original {
            csv += &format!("{},{},{},{}{end}", e.source, e.target, e.weight, e.delay);
        }
        std::fs::write(folder.path().join(name), csv).unwrap();
        let rule = format!("rule: File(\"{name}\")");
        assert_eq!(drawn("dynapse1()", &rule, folder.path()), original);
    }
}

/// Few edges of large weights arrive as they are, and small ones beside them; whatever the order of
/// the projections.
#[test]
fn large_and_small_weights_arrive_as_they_are() {
    let current = |rule: &str, weight: f64, order: [usize; 3]| {
        let projections = [
            format!("(name: \"a\", from: \"in\", to: \"n\", receptor: exc, rule: {rule}, weight: {weight})"),
            "(name: \"b\", from: \"other\", to: \"n\", receptor: exc, rule: OneToOne, weight: 0.01)".into(),
            "(name: \"c\", from: \"other\", to: \"n\", receptor: exc, rule: OneToOne, weight: 11.96)".into(),
        ];
        let projections = order.map(|k| projections[k].clone()).join(", ");
        let text = format!(
            r#"(seed: 1, duration: "2 ms", solver: Euler(dt: "1 ms"),
                sources: {{ "in": (size: 10, train: Regular(rates: "1 Hz")), "other": (size: 1000, train: Spikes([(0, "0 s")])) }},
                populations: {{ "n": (size: 1000, model: lif(exc: (tau_s: "1000 s"))) }},
                connections: [{projections}],
                probes: {{ "i": Trace(of: "n", vars: [i_exc], neurons: All, every: "1 ms", window: (from: "1 ms", to: "2 ms")) }})"#
        );
        let simulation = common::run(parse(&text, std::path::Path::new(".")));
        let trace = simulation.probe::<TraceRecorder>("i").unwrap();
        let variable = Variable::Synapse(Receptor::Exc);
        (0..1000).map(|k| trace.samples(k, variable).next().unwrap().1).collect::<Vec<f64>>()
    };
    for (rule, weight) in [
        ("FixedTotal(n: 5)", 300.5),
        ("FixedProbability(p: 0.001)", 1000.5),
        ("FixedTotal(n: 1)", 65_000.5),
        ("List([(3, 700)])", 40.3),
    ] {
        let currents = current(rule, weight, [0, 1, 2]);
        let driven = currents.iter().skip(1).filter(|i| **i > 0.0);
        let mut edges = 0;
        for i in driven {
            let pulses = i / weight;
            assert!((pulses - pulses.round()).abs() < 1e-4 && *i > 0.5 * weight, "{rule}: {i}");
            edges += pulses.round() as usize;
        }
        assert!(edges > 0, "{rule}");
        let small = currents[0] % weight;
        // The grid of fractions gets coarser with the largest weight, in single precision anyway.
        assert!((small - 11.97).abs() < 0.01, "{rule}: {small}");
        for order in [[1, 2, 0], [2, 1, 0], [1, 0, 2]] {
            assert_eq!(current(rule, weight, order), currents, "{rule}");
        }
    }
}
