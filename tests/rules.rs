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
    let model = r#"arcana(
        soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A",
               Ipfb_norm: "1.4e9 /A"),
        ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"),
        gabab: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"))"#;
    let mismatch = r#"{ "soma.Itau": Gaussian(cv: 0.1), "ampa.Iw": Gaussian(cv: 0.1) }"#;
    let exc = format!("\"exc\": (size: 4000, model: {model}, mismatch: {mismatch}),");
    let inh = format!("\"inh\": (size: 1000, model: {model}, mismatch: {mismatch}),");
    let mut projections = Vec::new();
    for to in ["exc", "inh"] {
        projections.extend([
            format!("(from: \"noise {to}\", to: \"{to}\", receptor: ampa, rule: OneToOne),"),
            format!("(from: \"exc\", to: \"{to}\", receptor: ampa, rule: FixedInDegree(k: 51), delay: \"1 ms\"),"),
            format!("(from: \"inh\", to: \"{to}\", receptor: gabab, rule: FixedInDegree(k: 13), delay: \"1.5 ms\"),"),
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
        let expected = hashes(&run_on(forward(), Cpu::new(Some(1))));
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
