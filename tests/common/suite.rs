//! One suite that every back end runs: scenes whose results are compared bit for bit with those of the
//! scalar reference.

use std::collections::BTreeMap;
use std::path::Path;

use picoamp::bank::Banks;
use picoamp::prelude::*;

use super::common::{hashes, parse, scene};

pub const EULER: &str = "Euler(dt: \"100 us\")";
pub const EVENT: &str = "Event(tolerance: \"1 us\")";

/// Digests of spikes by population, and the bits of states.
pub type Fingerprint = (BTreeMap<String, String>, Vec<u64>);

/// The bits of everything that can differ: spikes, and all state columns at the end.
pub fn fingerprint(simulation: &Simulation) -> Fingerprint {
    let banks = simulation.world().resource::<Banks>();
    let state = banks.0.iter().flat_map(|bank| {
        let states = bank.states(simulation.time());
        let columns = bank.layout.resting_state.len();
        let numbers = (0..bank.len()).flat_map(|slot| (0..columns).map(move |c| (slot, c)));
        let bits: Vec<u64> =
            numbers.filter_map(|(slot, c)| Some(states.get(slot, c)?.to_bits())).collect();
        bits
    });
    (hashes(simulation), state.collect())
}

/// 700 mismatched neurons in two populations, with every receptor, refractory periods, recurrent
/// excitation and inhibition with delays, and Poisson drive.
pub fn network(seed: u64) -> Scene {
    network_by(seed, EULER)
}

/// The same by a solver.
pub fn network_by(seed: u64, solver: &str) -> Scene {
    let model = r#"arcana(
        soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", refP: "3 ms",
               Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"),
        ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"),
        gabab: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"),
    )"#;
    let mismatch = r#"{
        "soma.Itau": LogNormal(cv: 0.2), "soma.Igain": Gaussian(cv: 0.1),
        "soma.refP": TruncatedGaussian(cv: 0.3), "ampa.Iw": Gaussian(cv: 0.1),
        "gabab.Itau": LogNormal(cv: 0.2),
    }"#;
    let text = format!(
        r#"(
            seed: {seed},
            duration: "250 ms",
            window: "20 ms",
            solver: {solver},
            sources: {{
                "noise": (size: 700, train: Poisson(rates: "150 Hz")),
                "clock": (size: 1, train: Regular(rates: "17 Hz")),
            }},
            populations: {{
                "exc": (size: 500, model: {model}, mismatch: {mismatch}),
                "inh": (size: 200, model: {model}, mismatch: {mismatch}),
            }},
            connections: [
                (from: "noise", neurons: Range(from: 0, to: 499), to: "exc", receptor: ampa, rule: OneToOne, weight: 3),
                (from: "noise", neurons: Range(from: 500, to: 699), to: "inh", receptor: ampa, rule: OneToOne, weight: 3),
                (from: "clock", to: "exc", receptor: ampa, rule: AllToAll, weight: 2),
                (from: "exc", neurons: Range(from: 0, to: 20), to: "inh", receptor: ampa, rule: AllToAll, delay: "1.3 ms"),
                (from: "inh", neurons: [3, 5, 8], to: "exc", receptor: gabab, rule: AllToAll, weight: 4, delay: "0.7 ms"),
                (from: "exc", neurons: Range(from: 30, to: 33), to: "exc", receptor: ampa, rule: AllToAll(self_connections: false), delay: "2.1 ms"),
            ],
        )"#
    );
    parse(&text, Path::new("."))
}

/// Every preset with every feedback and refractory form, driven at all its receptors, in one scene.
pub fn every_form(solver: &str) -> Scene {
    let (mut populations, mut connections) = (String::new(), String::new());
    for (preset, receptors) in
        [("arcana", &["ampa", "gabab"][..]), ("dynapse1", &["ampa", "nmda", "gabaa", "gabab"])]
    {
        for feedback in ["Off", "PowerLaw", "Logistic"] {
            for refractory in ["GateInput", "HoldMembrane"] {
                let gate = match feedback {
                    "PowerLaw" => "Ipfb_norm: \"1.4e9 /A\", Ipfb_th: \"0 A\",",
                    "Logistic" => "Ipfb_norm: \"20 pA\", Ipfb_th: \"1 nA\", Ipfb_gain: \"100 pA\",",
                    _ => "",
                };
                let name = format!("{preset} {feedback} {refractory}");
                populations += &format!(
                    r#""{name}": (size: 70,
                        model: {preset}(feedback: {feedback}, refractory: {refractory},
                            pulse: Width("10 us"),
                            soma: (Itau: "5 pA", Igain: "20 pA", Ith: "2 nA", Idc: "700 pA",
                                   refP: "2 ms", {gate})),
                        mismatch: {{ "soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2) }}),"#
                );
                for receptor in receptors {
                    connections += &format!(
                        "(from: \"noise\", to: \"{name}\", receptor: {receptor}, \
                         rule: OneToOne, weight: 2.4),"
                    );
                }
            }
        }
    }
    let text = format!(
        r#"(seed: 4, duration: "200 ms", solver: {solver},
            sources: {{ "noise": (size: 70, train: Poisson(rates: "300 Hz")) }},
            populations: {{ {populations} }}, connections: [ {connections} ])"#
    );
    parse(&text, Path::new("."))
}

/// Models of all families in one scene, with direct inputs that change in time, drawn weights and
/// delays.
pub fn mixed() -> Scene {
    mixed_by(EULER)
}

/// The same by a solver.
pub fn mixed_by(solver: &str) -> Scene {
    let text = r#"(seed: 6, duration: "300 ms", solver: SOLVER,
        sources: { "noise": (size: 150, train: Poisson(rates: "300 Hz")) },
        populations: {
            "lif": (size: 150, model: lif(soma: (dc: 0.4), exc: (w: 0.4)),
                mismatch: { "soma.tau_m": LogNormal(cv: 0.2), "exc.w": Gaussian(cv: 0.2) },
                dc: Ramp(from: 0, to: 0.5, start: "50 ms", end: "250 ms")),
            "dynapse1": (size: 90, model: dynapse1(),
                mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ahp.Iw": LogNormal(cv: 0.3) },
                dc: Steps([("20 ms", "300 pA"), ("150.05 ms", "900 pA")])),
            "arcana": (size: 70, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"), ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"))),
            "more": (size: 30, model: lif()),
        },
        connections: [
            (from: "noise", to: "lif", receptor: exc, rule: OneToOne, weight: 0.7),
            (from: "lif", to: "dynapse1", receptor: ampa, rule: FixedInDegree(k: 8), weight: Uniform(from: 0.2, to: 1.5), delay: Uniform(from: "0.5 ms", to: "7 ms")),
            (from: "dynapse1", to: "lif", receptor: inh, rule: FixedProbability(p: 0.1), weight: 0.3, delay: Normal(mean: "3 ms", sd: "2 ms", min: "0.4 ms")),
            (from: "lif", to: "arcana", receptor: ampa, rule: FixedTotal(n: 900), weight: Uniform(from: 1, to: 4), delay: "1 ms"),
            (from: "arcana", to: "more", receptor: exc, rule: FixedOutDegree(k: 3), weight: 4, delay: "1 ms"),
        ])"#;
    parse(&text.replace("SOLVER", solver), Path::new("."))
}

/// Thousands of weak pulses a second at neurons without inhibition and with it, some of them at once: steps span
/// arrivals, on both charts.
pub fn crowded(tolerance: &str) -> Scene {
    let text = r#"(seed: 8, duration: "120 ms", window: "15 ms", solver: Event(tolerance: "TOLERANCE"),
        sources: {
            "noise": (size: 60, train: Poisson(rates: "2 kHz")),
            "clock": (size: 6, train: Regular(rates: "700 Hz")),
        },
        populations: {
            "one": (size: 30, model: arcana(SOMA, AMPA), mismatch: { MISMATCH }),
            "both": (size: 30, model: arcana(SOMA, AMPA, gabab: (Itau: "3 pA", Igain: "20 pA", Iw: "1 pA")),
                mismatch: { MISMATCH, "gabab.Itau": LogNormal(cv: 0.2) }),
        },
        connections: [
            (from: "noise", to: "one", receptor: ampa, rule: FixedInDegree(k: 4), weight: WEIGHT),
            (from: "noise", to: "both", receptor: ampa, rule: FixedInDegree(k: 4), weight: WEIGHT),
            (from: "noise", to: "both", receptor: gabab, rule: FixedInDegree(k: 3)),
            (from: "clock", to: "one", receptor: ampa, rule: FixedInDegree(k: 3), weight: WEIGHT),
            (from: "clock", to: "both", receptor: ampa, rule: FixedInDegree(k: 3), weight: WEIGHT),
            (from: "clock", to: "both", receptor: gabab, rule: FixedInDegree(k: 3), weight: WEIGHT),
            (from: "both", to: "both", receptor: gabab, rule: FixedInDegree(k: 2), weight: 4, delay: "15 ms"),
        ])"#;
    let soma = r#"soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", refP: "1 ms",
        Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A")"#;
    let text = text
        .replace("SOMA", soma)
        .replace("AMPA", r#"ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "1 pA")"#)
        .replace("MISMATCH", r#""soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2)"#)
        .replace("WEIGHT", "Uniform(from: 0.5, to: 2)")
        .replace("TOLERANCE", tolerance);
    parse(&text, Path::new("."))
}

/// A name and scenes.
pub type Case = (&'static str, fn() -> Vec<Scene>);

/// What is compared, by name.
#[allow(dead_code)] // The tests of the CPU name each.
pub const CASES: [Case; 9] = [
    ("seed_experiment", seed_experiment),
    ("seed_experiment_at_a_fine_step", seed_experiment_at_a_fine_step),
    ("banks_with_much_work", banks_with_much_work),
    ("every_preset_and_form", every_preset_and_form),
    ("event_driven_in_single_and_double_precision", event_driven_in_single_and_double_precision),
    ("steps_that_span_arrivals", steps_that_span_arrivals),
    ("models_of_all_families", models_of_all_families),
    ("recurrent_network", recurrent_network),
    ("short_rounds", short_rounds),
];

pub fn seed_experiment() -> Vec<Scene> {
    vec![scene("scenes/ff_mismatch.ron", &[])]
}

pub fn seed_experiment_at_a_fine_step() -> Vec<Scene> {
    vec![scene("scenes/ff_mismatch.ron", &["solver=Euler(dt: \"20 us\")", "duration=200 ms"])]
}

/// Windows that are worth threads, in two banks of different lengths, of which one has two populations, and so much
/// work that pieces of two and three threads go by time.
pub fn banks_with_much_work() -> Vec<Scene> {
    let text = r#"(seed: 9, duration: "120 ms", solver: Euler(dt: "20 us"),
        sources: { "noise": (size: 700, train: Poisson(rates: "200 Hz")) },
        populations: {
            "first": (size: 130, model: MODEL, mismatch: { "soma.Itau": LogNormal(cv: 0.2) }),
            "dynapse1": (size: 90, model: dynapse1(soma: (Idc: "700 pA")), mismatch: { "soma.Itau": LogNormal(cv: 0.2) }),
            "second": (size: 700, model: MODEL, mismatch: { "soma.Igain": LogNormal(cv: 0.2) }),
        },
        connections: [
            (from: "noise", to: "second", receptor: ampa, rule: OneToOne, weight: 2),
            (from: "noise", to: "first", receptor: ampa, rule: FixedInDegree(k: 2)),
            (from: "noise", to: "dynapse1", receptor: ampa, rule: FixedInDegree(k: 2)),
        ])"#;
    let model = r#"arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"), ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"))"#;
    vec![parse(&text.replace("MODEL", model), Path::new("."))]
}

pub fn every_preset_and_form() -> Vec<Scene> {
    vec![every_form(EULER)]
}

pub fn event_driven_in_single_and_double_precision() -> Vec<Scene> {
    let sets = [&format!("solver={EVENT}")[..]];
    vec![scene("scenes/ff_mismatch.ron", &sets), every_form(EVENT)]
}

pub fn steps_that_span_arrivals() -> Vec<Scene> {
    ["1 us", "10 ns"].map(crowded).into()
}

pub fn models_of_all_families() -> Vec<Scene> {
    vec![mixed(), mixed_by(EVENT)]
}

pub fn recurrent_network() -> Vec<Scene> {
    let event = network_by(1, EVENT);
    [1, 2, 3].map(network).into_iter().chain([event]).collect()
}

/// A network with such delays whose rounds are worth threads, short as they are: many neurons, of two receptors each, in two
/// populations of a bank and in another one; edges of all to all, of which rows have more than one projection.
pub fn short_rounds_of(delay: &str) -> Scene {
    parse(&short_rounds_text(delay), Path::new("."))
}

pub fn short_rounds_text(delay: &str) -> String {
    let text = r#"(seed: 4, duration: "60 ms", solver: Euler(dt: "100 us"),
        sources: { "noise": (size: 4400, train: Poisson(rates: "300 Hz")) },
        populations: {
            "exc": (size: 4400, model: MODEL, mismatch: { "soma.Itau": LogNormal(cv: 0.2) }),
            "dynapse1": (size: 600, model: dynapse1(soma: (Idc: "700 pA"))),
            "inh": (size: 1100, model: MODEL, mismatch: { "soma.Igain": LogNormal(cv: 0.2) }),
        },
        connections: [
            (from: "noise", to: "exc", receptor: ampa, rule: OneToOne, weight: 20),
            (from: "exc", to: "inh", receptor: ampa, rule: FixedInDegree(k: 20), weight: 5, DELAY),
            (from: "exc", to: "dynapse1", receptor: ampa, rule: FixedInDegree(k: 20), weight: 5, DELAY),
            (from: "inh", to: "exc", receptor: gabab, rule: FixedInDegree(k: 10), DELAY),
            (from: "exc", to: "exc", receptor: ampa, rule: FixedInDegree(k: 10), weight: 2, DELAY),
            (from: "dynapse1", neurons: Range(from: 0, to: 5), to: "exc", receptor: gabab, rule: AllToAll, DELAY),
        ])"#;
    let model = r#"arcana(
        soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"),
        ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"), gabab: (Itau: "2 pA", Igain: "20 pA", Iw: "10 pA"))"#;
    let delay = if delay.contains('(') { delay.to_string() } else { format!("\"{delay}\"") };
    text.replace("MODEL", model).replace("DELAY", &format!("delay: {delay}"))
}

/// Of one step, and of three; of one step with so few pulses in some that not all sums are emptied together, and with delays
/// that differ from edge to edge.
pub fn short_rounds() -> Vec<Scene> {
    let sparse =
        short_rounds_text("0 s").replace("300 Hz", "40 Hz").replace("weight: 20)", "weight: 150)");
    let sparse = parse(&sparse, Path::new("."));
    let drawn = r#"Uniform(from: "0 s", to: "1 ms")"#;
    ["0 s", "0.2 ms", drawn].map(short_rounds_of).into_iter().chain([sparse]).collect()
}
