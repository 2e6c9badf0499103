//! The event-driven solver on random neurons: biases over three decades, all forms, all receptors,
//! random drive; against a brute-force integration of the published equations
//! (`tests/common/reference.rs`) that shares nothing with the program.

#![allow(clippy::disallowed_methods)] // Expected values of their own.

mod common;
#[path = "common/random_neurons.rs"]
mod random_neurons;
#[path = "common/reference.rs"]
mod reference;

use std::cell::RefCell;
use std::fmt::Write;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use common::{hashes, parse, run};
use picoamp::backend::EventWork;
use picoamp::prelude::*;
use picoamp::solver::event::Work;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use random_neurons::{Case, KAPPA, UT, ampere, crowded, dpi, lif, pick, scene_of};
use reference::{AHP, Circuit, Feedback, GABAA, GABAB, Method, NMDA, Neuron, Soma as Equation};

/// Spike times of each case, s, and what they cost.
fn solve(cases: &[Case], solver: &str) -> (Vec<Vec<f64>>, Work) {
    let simulation = run(parse(&scene_of(cases, solver), Path::new(".")));
    let times = |k| {
        let probe = simulation.probe::<SpikeRecorder>(&format!("p{k}")).unwrap();
        probe.spikes().iter().map(|(time, _)| time.seconds()).collect()
    };
    let all = (0..cases.len()).map(times).collect();
    (all, simulation.world().resource::<EventWork>().0)
}

/// The same, but a stall fails instead of hanging.
fn solve_in_time(cases: &[Case], solver: &str) -> (Vec<Vec<f64>>, Work) {
    let (send, receive) = mpsc::channel();
    let (owned, text) = (cases.to_vec(), solver.to_string());
    std::thread::spawn(move || send.send(solve(&owned, &text)));
    receive
        .recv_timeout(Duration::from_secs(60))
        .unwrap_or_else(|_| panic!("no end in sight of\n{}", scene_of(cases, solver)))
}

/// Against a reference: how far off the spikes may be, each by its own amount; the largest part of it
/// that one is.
fn compare(ours: &[f64], exact: &[f64], allowed: &[f64]) -> Result<f64, String> {
    if ours.len() != exact.len() {
        return Err(format!("{} spikes instead of {}", ours.len(), exact.len()));
    }
    let mut worst = 0.0_f64;
    for (k, ((ours, exact), allowed)) in ours.iter().zip(exact).zip(allowed).enumerate() {
        let off = (ours - exact).abs();
        if off.is_nan() || off > *allowed {
            return Err(format!("spike {k}: {ours} s instead of {exact} s, {off:e} s off"));
        }
        worst = worst.max(off / allowed);
    }
    Ok(worst)
}

/// What a neuron does, and how well that is determined.
struct Expected {
    spikes: Vec<f64>,
    /// How far off each may be.
    allowed: Vec<f64>,
}

/// Errors of steps, a hundredth of the tolerance each, add up from spike to spike.
const PER_SPIKE: f64 = 0.1;
/// The relative change of the membrane's speed by which its sensitivity is measured.
const FAST: f64 = 1e-7;

/// By the reference. `None` where the reference itself is in doubt: where the number of spikes
/// changes with its step or with a disturbance of the size of the tolerance.
fn expected(n: &Neuron, tolerance: f64, fineness: f64) -> Option<Expected> {
    let run = |fineness, fast| reference::spikes(n, Method { fineness, fast });
    let spikes = run(fineness, 0.0);
    let (coarse, fast) = (run(2.0 * fineness, 0.0), run(2.0 * fineness, FAST));
    let strong = 10.0 * tolerance / n.duration;
    let (up, down) = (run(2.0 * fineness, strong), run(2.0 * fineness, -strong));
    let others = [&coarse, &fast, &up, &down];
    if others.iter().any(|other| other.len() != spikes.len()) {
        return None;
    }
    let own = |k: usize| (coarse[k] - spikes[k]).abs();
    // Of a membrane that is left to itself a spike at t comes FAST·t earlier: an amplification of 1.
    let gain = |k: usize| ((fast[k] - coarse[k]).abs() / (FAST * spikes[k])).max(1.0);
    let mut most = 1.0_f64;
    let allowed = (0..spikes.len()).map(|k| {
        most = most.max(gain(k));
        tolerance * (1.0 + PER_SPIKE * k as f64) * most + 2.0 * own(k)
    });
    let allowed = allowed.collect();
    Some(Expected { spikes, allowed })
}

/// What many cases came to.
#[derive(Debug, Default)]
struct Tally {
    neurons: u32,
    spikes: usize,
    skipped: u32,
    /// The largest error as a part of what is allowed.
    error: f64,
    /// Events (arrivals, spikes, tenths of a second), and right-hand sides.
    events: f64,
    right_sides: f64,
    /// The most right-hand sides per event in a scene.
    cost: f64,
    /// The largest part of steps that were rejected, beyond a few for each event.
    rejected: f64,
}

/// Compares a scene of cases with the reference.
fn check(
    cases: &[Case],
    solver: &str,
    (tolerance, fineness): (f64, f64),
    most_sides: f64,
    tally: &mut Tally,
) -> Result<(), TestCaseError> {
    let (ours, work) = solve_in_time(cases, solver);
    let mut events = 0.0;
    for (k, (case, ours)) in cases.iter().zip(&ours).enumerate() {
        tally.neurons += 1;
        events += (ours.len() + case.reference.arrivals.len()) as f64;
        events += 10.0 * case.reference.duration;
        let Some(expected) = expected(&case.reference, tolerance, fineness) else {
            tally.skipped += 1;
            continue;
        };
        tally.spikes += ours.len();
        match compare(ours, &expected.spikes, &expected.allowed) {
            Ok(worst) => tally.error = tally.error.max(worst),
            Err(message) => {
                let scene = scene_of(&cases[k..=k], solver);
                return Err(TestCaseError::fail(format!("neuron {k}: {message}\n{scene}")));
            }
        }
    }
    let cost = work.right_sides as f64 / events;
    prop_assert!(cost <= most_sides, "{cost} right-hand sides per event: {work:?}");
    // A step may be rejected at each end of a piece: at an arrival, a floor, a threshold; a controller
    // that rejects more often than it accepts is badly tuned.
    let rejected = (work.rejected as f64 - 4.0 * events) / work.steps.max(1) as f64;
    prop_assert!(rejected <= 0.5, "{work:?} in {events} events");
    tally.events += events;
    tally.right_sides += work.right_sides as f64;
    tally.cost = tally.cost.max(cost);
    tally.rejected = tally.rejected.max(rejected);
    Ok(())
}

/// Draws of a neuron and the seed of its trains.
fn draws() -> impl Strategy<Value = (Vec<f64>, u64)> {
    (proptest::collection::vec(0.0..1.0_f64, 80), 0..1_000_000_u64)
}

fn on_random_neurons(
    name: &str,
    make: fn(&[f64], u64) -> Case,
    solver: &str,
    precision: (f64, f64),
    most_sides: f64,
) -> Tally {
    let config = ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    };
    let tally = RefCell::new(Tally::default());
    let neurons = proptest::collection::vec(draws(), 6);
    let result = TestRunner::new(config).run(&neurons, |neurons| {
        let cases: Vec<Case> = neurons.iter().map(|(draws, trains)| make(draws, *trains)).collect();
        check(&cases, solver, precision, most_sides, &mut tally.borrow_mut())
    });
    let tally = tally.into_inner();
    println!("{name}: {tally:?}");
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
    assert!(tally.spikes > 1000, "worth comparing: {tally:?}");
    assert!(tally.skipped * 20 <= tally.neurons, "few are in doubt: {tally:?}");
    tally
}

#[test]
fn the_comparison_can_fail() {
    let exact = [0.1, 0.2, 0.3];
    let allowed = [1e-6; 3];
    assert!(compare(&[0.1, 0.2 + 5e-7, 0.3], &exact, &allowed).unwrap() > 0.49);
    assert!(compare(&[0.1, 0.3], &exact, &allowed).is_err(), "a spike is lost");
    assert!(compare(&[0.1, 0.2, 0.2, 0.3], &exact, &allowed).is_err(), "a spike is double");
    assert!(compare(&[0.1, 0.2 + 2e-6, 0.3], &exact, &allowed).is_err(), "a spike is late");
    assert!(compare(&[0.1, 0.2, f64::NAN], &exact, &allowed).is_err(), "a time is no number");
}

#[test]
fn random_dpi_neurons_in_single_precision() {
    let solver = "solver: Event(tolerance: \"1 us\")";
    on_random_neurons("1 us", dpi, solver, (1e-6, 0.1), 600.0);
}

#[test]
fn random_dpi_neurons_in_double_precision() {
    let solver = "solver: Event(tolerance: \"10 ns\")";
    on_random_neurons("10 ns", dpi, solver, (1e-8, 0.05), 1500.0);
}

/// Steps that span arrivals: on average fewer than a step, six right-hand sides, for each.
#[test]
fn crowded_dpi_neurons_in_single_precision() {
    let solver = "solver: Event(tolerance: \"1 us\")";
    let tally = on_random_neurons("crowded, 1 us", crowded, solver, (1e-6, 0.1), 12.0);
    assert!(tally.right_sides < 5.0 * tally.events, "{tally:?}");
}

#[test]
fn crowded_dpi_neurons_in_double_precision() {
    let solver = "solver: Event(tolerance: \"10 ns\"), window: \"3 ms\"";
    let tally = on_random_neurons("crowded, 10 ns", crowded, solver, (1e-8, 0.05), 15.0);
    assert!(tally.right_sides < 5.2 * tally.events, "{tally:?}");
}

/// In closed form: errors are those of the clock, picoseconds.
#[test]
fn random_lif_neurons() {
    let solver = "solver: Event(tolerance: \"1 us\")";
    on_random_neurons("lif", lif, solver, (3e-12, 0.05), 5.0);
}

/// Neurons that are quiet for up to a second, until what inhibits them is gone, and one that a slow
/// excitation drives until it fades: near the least constant input that makes them fire, on both
/// sides of it.
fn quiet() -> Vec<Case> {
    let (i0, i_tau, i_gain, i_th): (f64, f64, f64, f64) = (1e-12, 5e-12, 20e-12, 2e-9);
    let feedback = Feedback::Logistic { gain: 100e-12, th: 1e-9, norm: 20e-12 };
    let a = KAPPA / (2e-12 * UT);
    let rheobase = |leak: f64| {
        let at = |k: i32| {
            let m: f64 = i0 * (i_th / i0).powf(f64::from(k) / 1e4);
            (leak - 100e-12 / (1.0 + (-(m - 1e-9) / 20e-12).exp())) * (1.0 + m / i_gain)
        };
        (0..=10_000).map(at).fold(0.0, f64::max)
    };
    let mut cases = Vec::new();
    for (name, at) in [("gabaa", GABAA), ("gabab", GABAB), ("ahp", AHP), ("nmda", NMDA)] {
        // At its floor each circuit adds I0: to the leak, or to or from the input.
        let (least, dc) = match at {
            GABAA | AHP => (rheobase(i_tau + i0), 0.0),
            GABAB => (rheobase(i_tau), i0),
            _ => (rheobase(i_tau), -i0),
        };
        for (strength, near) in [
            (3.0_f64, 0.98),
            (3.0, 1.002),
            (1e3, 0.995),
            (1e3, 1.01),
            (1e3, 1.5),
            (1e5, 1.05),
            (1e5, 4.0),
        ] {
            let near = pick(at == NMDA, 0.5 * near, near);
            let strength = pick(at == NMDA, strength.min(30.0), strength);
            let i_dc = near * least + dc;
            let (start, jump) = pick(at == AHP, (strength * i_tau, 0.0), (i0, strength * least));
            let i_w = (jump / 10.0).max(1e-15);
            let others = ["ampa", "nmda", "gabaa", "gabab", "ahp"].into_iter();
            let off: String =
                others.filter(|o| *o != name).map(|o| format!(", {o}: Off")).collect();
            let mut population = format!(
                "model: dynapse1(soma: (Idc: {}), {name}: (Itau: \"1 pA\", Igain: \"10 pA\", Iw: \
                 {}){off})",
                ampere(i_dc),
                ampere(i_w),
            );
            if at == AHP {
                write!(population, ", init: {{ \"Iahp\": {} }}", ampere(start)).unwrap();
            }
            let mut circuits = [Circuit::off(); 5];
            let tau = pick(at == AHP, 4e-12, 2e-12) * UT / (KAPPA * 1e-12);
            circuits[at] = Circuit { value: start, ..Circuit::new(tau, 10.0 * i_w, i0) };
            let pulse: Vec<u64> = pick(at == AHP, vec![], vec![1_000_000]);
            let reference = Neuron {
                soma: Equation::Dpi {
                    a,
                    b: KAPPA / (KAPPA + 1.0),
                    i0,
                    i_gain,
                    input: i_dc,
                    leak: i_tau,
                    nmda_th: 1e-12,
                    feedback,
                },
                start: 1.1_f64.ln(),
                reset: 1.2_f64.ln(),
                threshold: (i_th / i0).ln(),
                floor: 0.0,
                ref_p: 5e-3,
                holds: true,
                circuits,
                ahp_floor: i0,
                dc: Vec::new(),
                arrivals: pulse.iter().map(|ns| (*ns as f64 * 1e-9, at, 1.0)).collect(),
                duration: 2.0,
            };
            let sources = pick(at == AHP, vec![], vec![(name, 1.0, pulse)]);
            cases.push(Case { population, sources, reference });
        }
    }
    cases
}

/// None is put to rest for good that would have fired, whatever the windows are.
#[test]
fn quiet_neurons_fire_when_they_are_released() {
    let cases = quiet();
    let exact: Vec<Option<Expected>> =
        cases.iter().map(|case| expected(&case.reference, 1e-6, 0.1)).collect();
    let in_doubt = exact.iter().filter(|expected| expected.is_none()).count();
    assert!(in_doubt <= 1, "{in_doubt}");
    let first = |e: &Option<Expected>| e.as_ref().and_then(|e| e.spikes.first().copied());
    let late = exact.iter().filter(|e| first(e).is_some_and(|t| t > 0.3)).count();
    let never = exact.iter().flatten().filter(|e| e.spikes.is_empty()).count();
    assert!(late >= 5 && never >= 3, "{late} fire late, {never} never");
    let (mut worst, mut sides) = (0.0_f64, Vec::new());
    for window in ["10 ms", "100 ms", "7 ms", "2 s"] {
        let solver = format!("solver: Event(tolerance: \"1 us\"), window: \"{window}\"");
        let (ours, work) = solve_in_time(&cases, &solver);
        sides.push(work.right_sides);
        for (k, (ours, exact)) in ours.iter().zip(&exact).enumerate() {
            let Some(exact) = exact else { continue };
            let found = compare(ours, &exact.spikes, &exact.allowed);
            let scene = || scene_of(&cases[k..=k], &solver);
            worst = worst.max(found.unwrap_or_else(|error| panic!("{error}\n{}", scene())));
        }
    }
    println!("quiet: {worst} of what is allowed, right-hand sides {sides:?}");
}

/// A run in pieces of whole windows has the same bits.
#[test]
fn pieces_of_whole_windows_change_nothing() {
    let text = scene_of(&quiet(), "solver: Event(tolerance: \"1 us\"), window: \"10 ms\"");
    let scene = parse(&text, Path::new("."));
    let whole = hashes(&run(scene.clone()));
    for piece in [10, 70, 330] {
        let mut simulation = Simulation::new(scene.clone()).unwrap();
        while simulation.time() < Time::from_seconds(2.0).unwrap() {
            simulation.run_for(Duration::from_millis(piece)).unwrap();
        }
        assert_eq!(hashes(&simulation), whole, "{piece} ms");
    }
}
