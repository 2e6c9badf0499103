//! The event-driven solver on random neurons: biases over three decades, all forms, all receptors,
//! random drive; against a brute-force integration of the published equations
//! (`tests/common/reference.rs`) that shares nothing with the program.

#![allow(clippy::disallowed_methods)] // Expected values of their own.

mod common;
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
use reference::{
    AHP, AMPA, Circuit, Feedback, GABAA, GABAB, Method, NMDA, Neuron, Soma as Equation,
};

const DURATION: f64 = 0.3;
const KAPPA: f64 = 0.705;
const UT: f64 = 0.025;

/// Draws of a case, each from 0 to 1, in the order in which they are asked for; 0 when there are no
/// more. Trains come from a generator of their own.
struct Dice<'a> {
    draws: std::slice::Iter<'a, f64>,
    trains: u64,
}

impl Dice<'_> {
    fn next(&mut self) -> f64 {
        self.draws.next().copied().unwrap_or_default()
    }

    fn is(&mut self, probability: f64) -> bool {
        self.next() > 1.0 - probability
    }

    /// Evenly distributed in its logarithm.
    fn log(&mut self, from: f64, to: f64) -> f64 {
        from * (to / from).powf(self.next())
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[((self.next() * choices.len() as f64) as usize).min(choices.len() - 1)]
    }

    /// From 0 to 1, of the trains' generator (SplitMix64).
    fn uniform(&mut self) -> f64 {
        self.trains = self.trains.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.trains;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A Poisson train in whole nanoseconds.
    fn train(&mut self, rate: f64) -> Vec<u64> {
        let (mut t, mut train) = (0.0, Vec::new());
        loop {
            t -= (1.0 - self.uniform()).ln() / rate;
            if t >= DURATION {
                train.dedup();
                return train;
            }
            train.push((t * 1e9) as u64);
        }
    }

    /// A moment of the run in whole nanoseconds.
    fn moment(&mut self) -> u64 {
        (self.next() * DURATION * 1e9) as u64
    }
}

/// A neuron as a part of a scene, and as the reference has it.
#[derive(Clone)]
struct Case {
    /// Its model and what else the population has.
    population: String,
    /// Receptor, weight and train of each of its sources.
    sources: Vec<(&'static str, f64, Vec<u64>)>,
    reference: Neuron,
}

fn ampere(i: f64) -> String {
    format!("\"{i:e} A\"")
}

fn nanoseconds(train: &[u64]) -> String {
    let times: Vec<String> = train.iter().map(|ns| format!("\"{ns} ns\"")).collect();
    times.join(", ")
}

fn pick<T>(condition: bool, yes: T, no: T) -> T {
    if condition { yes } else { no }
}

/// A direct input, at most `most`: as the scene writes it, and as pieces.
fn direct_input(
    dice: &mut Dice,
    most: f64,
    show: &dyn Fn(f64) -> String,
) -> (String, Vec<(f64, f64, f64)>) {
    let s = |ns: u64| ns as f64 * 1e-9;
    let mut times = [dice.moment(), dice.moment(), dice.moment()];
    times.sort_unstable();
    if dice.is(0.5) {
        let (from, to) = (most * dice.next(), most * dice.next());
        let (start, end) = (times[0], times[2].max(times[0] + 1000));
        let text = format!(
            "Ramp(from: {}, to: {}, start: \"{start} ns\", end: \"{end} ns\")",
            show(from),
            show(to)
        );
        let slope = (to - from) / (s(end) - s(start));
        return (text, vec![(0.0, from, 0.0), (s(start), from, slope), (s(end), to, 0.0)]);
    }
    let mut steps: Vec<(u64, f64)> = times.iter().map(|t| (*t, most * dice.next())).collect();
    steps.dedup_by_key(|step| step.0);
    let shown: Vec<String> =
        steps.iter().map(|(t, i)| format!("(\"{t} ns\", {})", show(*i))).collect();
    let pieces = steps.iter().map(|(t, i)| (s(*t), *i, 0.0)).collect();
    (format!("Steps([{}])", shown.join(", ")), pieces)
}

/// A DPI neuron.
fn dpi(draws: &[f64], trains: u64) -> Case {
    let dice = &mut Dice { draws: draws.iter(), trains };
    let arcana = dice.is(0.5);
    let i0 = pick(arcana, 0.05e-12, 1e-12);
    let (c, b) = (pick(arcana, 3e-12, 2e-12), KAPPA / (KAPPA + 1.0));
    let a = KAPPA / (c * UT);
    let i_tau = dice.log(pick(arcana, 0.3e-12, 1e-12), pick(arcana, 300e-12, 1e-9));
    let i_gain = dice.log(1e-12, 1e-9);
    let form = dice.of(&[pick(arcana, "PowerLaw", "Logistic"), "Off", "Logistic", "PowerLaw"]);
    let (high, midpoint, width) = (dice.is(0.5), dice.is(0.5), dice.next());
    let i_th = match (form, high) {
        ("PowerLaw", true) => dice.log(1e-6, 12e-3),
        ("PowerLaw", false) => dice.log(1e-9, 1e-6),
        _ => (i_gain * dice.log(0.3, 300.0)).max(50.0 * i0),
    };
    let i_reset = i0 * dice.log(1.0, 20.0);
    let (feedback, biases) = match form {
        "PowerLaw" => {
            let th = pick(midpoint, 0.0, dice.log(1e-12, 1e-9));
            let slope = 1e8 * 1000.0_f64.powf(width);
            let biases = format!("Ipfb_th: {}, Ipfb_norm: \"{slope:e} /A\", ", ampere(th));
            (Feedback::PowerLaw { th, slope }, biases)
        }
        "Logistic" => {
            let th = (0.8 * i_th).min(dice.log(10e-12, 10e-9));
            let (gain, norm) = (i_tau * dice.log(0.03, 30.0), 1e-12 * 1000.0_f64.powf(width));
            let (th_text, norm_text) = (ampere(th), ampere(norm));
            let biases = format!(
                "Ipfb_th: {th_text}, Ipfb_norm: {norm_text}, Ipfb_gain: {}, ",
                ampere(gain)
            );
            (Feedback::Logistic { gain, th, norm }, biases)
        }
        _ => (Feedback::Off, String::new()),
    };
    // `arcana` has Inmda and Iahp at I0.
    let constant = pick(arcana, i0, 0.0);
    let leak = i_tau + constant;
    // The least input that leads from the reset to the threshold.
    let rheobase = (0..=400)
        .map(|k| {
            let u = (i_reset / i0).ln() + (i_th / i_reset).ln() * f64::from(k) / 400.0;
            let m = i0 * u.exp();
            let i_fb = match feedback {
                Feedback::Off => 0.0,
                Feedback::PowerLaw { th, slope } => {
                    i0 * (b * u).exp() / (1.0 + (-slope * (m - th)).exp())
                }
                Feedback::Logistic { gain, th, norm } => gain / (1.0 + (-(m - th) / norm).exp()),
            };
            (leak - i_fb) * (1.0 + m / i_gain)
        })
        .fold(i0, f64::max);
    let refractory =
        dice.of(&[pick(arcana, "GateInput", "HoldMembrane"), "HoldMembrane", "GateInput"]);
    let ref_p = pick(dice.is(0.6), (dice.log(0.1e-3, 20e-3) * 1e9).round() / 1e9, 0.0);
    let width = dice.is(0.2).then(|| (dice.log(1e-6, 1e-3) * 1e9).round() / 1e9);
    let mut i_dc = match dice.of(&[0, 1, 2]) {
        0 => i0 * dice.log(0.1, 10.0),
        1 => rheobase * dice.log(0.03, 1.0),
        _ => rheobase * dice.log(0.5, 20.0),
    };
    let mut most_dc = pick(dice.is(0.25), rheobase * dice.log(0.1, 10.0), 0.0);
    let circuits: &[(&str, usize)] = pick(
        arcana,
        &[("ampa", AMPA), ("gabab", GABAB)][..],
        &[("ampa", AMPA), ("nmda", NMDA), ("gabaa", GABAA), ("gabab", GABAB), ("ahp", AHP)],
    );
    // What each circuit is to come to on average, and how it gets there.
    struct Drawn {
        name: &'static str,
        at: usize,
        is_off: bool,
        c: f64,
        i_tau: f64,
        i_gain: f64,
        jump: f64,
        rate: f64,
        weight: f64,
    }
    let mut drawn = Vec::new();
    let mut peak = 0.0;
    for (name, at) in circuits {
        let kind = dice.next();
        let (is_off, is_driven) =
            (kind > 0.85, kind > 0.3 && kind <= 0.85 || *at == AMPA && kind < 0.85);
        let i_tau = dice.log(pick(arcana, 0.3e-12, 1e-12), pick(arcana, 300e-12, 1e-9));
        let i_gain = dice.log(1e-12, 1e-9);
        let (rate, part, c) = (dice.log(3.0, 600.0), dice.next(), pick(*at == AHP, 4e-12, 2e-12));
        let weight = pick(arcana, dice.of(&[1.0, 2.0, 3.0]), dice.of(&[1.0, 0.25, 2.5]));
        let between = |low: f64, high: f64| low * (high / low).powf(part);
        let mean = match *at {
            AMPA => rheobase * between(0.1, 30.0),
            NMDA => rheobase * between(0.03, 5.0),
            GABAB => rheobase * between(0.03, 3.0),
            _ => leak * between(0.03, 10.0),
        };
        let tau = c * UT / (KAPPA * i_tau);
        let jump = mean / (rate * tau) / weight;
        if matches!(*at, AMPA | NMDA) && is_driven {
            peak += mean + 3.0 * jump * weight;
        }
        let (rate, name) = (pick(is_driven && *at != AHP, rate, 0.0), *name);
        drawn.push(Drawn { name, at: *at, is_off, c, i_tau, i_gain, jump, rate, weight });
    }
    // No more than about 400 spikes a second.
    peak += i_dc + most_dc;
    let way = (i_th / i_reset).ln() + (i_th - i_reset) / i_gain;
    let gentle = ((way / (a * peak) + ref_p) / 2.5e-3).min(1.0);
    (i_dc, most_dc) = (i_dc * gentle, most_dc * gentle);

    let mut reference = Neuron {
        soma: Equation::Dpi {
            a,
            b,
            i0,
            i_gain,
            input: i_dc + constant,
            leak,
            nmda_th: 0.0,
            feedback,
        },
        start: pick(arcana, 0.0, 1.1_f64.ln()),
        reset: (i_reset / i0).ln(),
        threshold: (i_th / i0).ln(),
        floor: 0.0,
        ref_p,
        holds: refractory == "HoldMembrane",
        circuits: [Circuit::off(); 5],
        ahp_floor: i0,
        dc: Vec::new(),
        arrivals: Vec::new(),
        duration: DURATION,
    };
    let mut more = String::new();
    if !arcana {
        let i = dice.log(0.1e-12, 100e-12);
        more = format!("Inmda_th: {}, ", ampere(i));
        if let Equation::Dpi { nmda_th, .. } = &mut reference.soma {
            *nmda_th = i;
        }
    }
    let mut text = format!(
        "model: {}(feedback: {form}, refractory: {refractory}, soma: (Itau: {}, Igain: {}, Ith: {}, \
         Ireset: {}, Idc: {}, refP: \"{ref_p:e} s\", {biases}{more})",
        pick(arcana, "arcana", "dynapse1"),
        ampere(i_tau),
        ampere(i_gain),
        ampere(i_th),
        ampere(i_reset),
        ampere(i_dc),
    );
    if let Some(width) = width {
        write!(text, ", pulse: Width(\"{width:e} s\")").unwrap();
    }
    let mut sources = Vec::new();
    for d in drawn {
        if d.is_off {
            write!(text, ", {}: Off", d.name).unwrap();
            continue;
        }
        let tau = d.c * UT / (KAPPA * d.i_tau);
        let pulse = width.map_or(1.0, |width| -(-width / tau).exp_m1());
        let i_w = (d.jump * gentle / pulse * d.i_tau / d.i_gain).clamp(1e-15, 1e-6);
        let (tau_text, gain_text) = (ampere(d.i_tau), ampere(d.i_gain));
        let i_w_text = ampere(i_w);
        write!(text, ", {}: (Itau: {tau_text}, Igain: {gain_text}, Iw: {i_w_text})", d.name)
            .unwrap();
        let floor = pick(d.at == AHP, 0.0, i0);
        reference.circuits[d.at] = Circuit::new(tau, d.i_gain / d.i_tau * i_w * pulse, floor);
        if d.rate > 0.0 {
            let train = dice.train(d.rate);
            reference.arrivals.extend(train.iter().map(|ns| (*ns as f64 * 1e-9, d.at, d.weight)));
            if !train.is_empty() {
                sources.push((d.name, d.weight, train));
            }
        }
    }
    reference.arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    text += ")";
    if most_dc > 0.0 {
        let (waveform, pieces) = direct_input(dice, most_dc, &ampere);
        write!(text, ", dc: {waveform}").unwrap();
        reference.dc = pieces;
    }
    Case { population: text, sources, reference }
}

/// A LIF neuron.
fn lif(draws: &[f64], trains: u64) -> Case {
    let dice = &mut Dice { draws: draws.iter(), trains };
    let (tau_m, tau_e, tau_i) =
        (dice.log(1e-3, 100e-3), dice.log(0.3e-3, 100e-3), dice.log(0.3e-3, 100e-3));
    // Resonance is a case of its own.
    let tau_e = pick(dice.is(0.1), tau_m, tau_e);
    let (threshold, reset) = (dice.log(0.3, 3.0), dice.of(&[0.0, -0.5, 0.2]));
    let dc = dice.of(&[0.0, 0.5, 0.99, 1.01, 2.0]) * threshold;
    let ref_p = pick(dice.is(0.6), (dice.log(0.1e-3, 20e-3) * 1e9).round() / 1e9, 0.0);
    let (rate_e, rate_i) = (dice.log(3.0, 600.0), dice.log(3.0, 600.0));
    let (w_e, w_i) = (
        threshold * dice.log(0.1, 5.0) / (rate_e * tau_e),
        threshold * dice.log(0.05, 3.0) / (rate_i * tau_i),
    );
    let weight = dice.of(&[1.0, 0.25, 2.5]);
    let mut reference = Neuron {
        soma: Equation::Lif { tau_m, dc },
        start: 0.0,
        reset,
        threshold,
        floor: f64::NEG_INFINITY,
        ref_p,
        holds: true,
        circuits: [Circuit::off(); 5],
        ahp_floor: 0.0,
        dc: Vec::new(),
        arrivals: Vec::new(),
        duration: DURATION,
    };
    reference.circuits[AMPA] = Circuit::new(tau_e, w_e, 0.0);
    reference.circuits[GABAB] = Circuit::new(tau_i, w_i, 0.0);
    let mut population = format!(
        "model: lif(soma: (tau_m: \"{tau_m:e} s\", threshold: {threshold:?}, reset: {reset:?}, \
         dc: {dc:?}, refP: \"{ref_p:e} s\"), exc: (tau_s: \"{tau_e:e} s\", w: {w_e:?}), \
         inh: (tau_s: \"{tau_i:e} s\", w: {w_i:?}))"
    );
    let mut sources = Vec::new();
    for (name, at, rate) in [("exc", AMPA, rate_e), ("inh", GABAB, rate_i)] {
        let train = dice.train(rate);
        reference.arrivals.extend(train.iter().map(|ns| (*ns as f64 * 1e-9, at, weight)));
        if !train.is_empty() {
            sources.push((name, weight, train));
        }
    }
    reference.arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    if dice.is(0.25) {
        let most = threshold * dice.log(0.1, 3.0);
        let (waveform, pieces) = direct_input(dice, most, &|x| format!("{x:?}"));
        write!(population, ", dc: {waveform}").unwrap();
        reference.dc = pieces;
    }
    Case { population, sources, reference }
}

/// A scene with a population of each case.
fn scene_of(cases: &[Case], solver: &str) -> String {
    let (mut sources, mut populations) = (String::new(), String::new());
    let (mut connections, mut probes) = (String::new(), String::new());
    for (k, case) in cases.iter().enumerate() {
        writeln!(populations, "\"n{k}\": (size: 1, {}),", case.population).unwrap();
        writeln!(probes, "\"p{k}\": Spikes(of: \"n{k}\"),").unwrap();
        for (receptor, weight, train) in &case.sources {
            let name = format!("\"s{k}_{receptor}\"");
            let train = nanoseconds(train);
            writeln!(sources, "{name}: (size: 1, train: Spikes([{train}])),").unwrap();
            writeln!(
                connections,
                "(from: {name}, to: \"n{k}\", receptor: {receptor}, rule: OneToOne, weight: {weight:?}),"
            )
            .unwrap();
        }
    }
    format!(
        "(duration: \"{} s\", {solver},\nsources: {{\n{sources}}},\npopulations: \
         {{\n{populations}}},\nconnections: [\n{connections}],\nprobes: {{\n{probes}}})",
        cases[0].reference.duration
    )
}

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
    /// The most right-hand sides per event (arrival, spike, or tenth of a second).
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
) {
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
