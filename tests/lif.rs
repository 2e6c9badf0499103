//! The plain LIF neuron and direct inputs that change in time, against closed forms.

#![allow(clippy::disallowed_methods)] // Expected values of their own.

mod common;

use std::path::Path;

use common::{parse, run};
use picoamp::prelude::*;

fn lif(more: &str, dt: &str) -> String {
    format!(
        r#"(duration: "1 s", solver: Euler(dt: "{dt}"),
            sources: {{ "e": (size: 1, train: Spikes(["10 ms"])), "i": (size: 1, train: Spikes(["10 ms"])) }},
            {more}
            probes: {{ "v": Trace(of: "n", vars: [v, i_exc, i_inh], neurons: [0], every: "1 ms"),
                       "s": Spikes(of: "n") }})"#
    )
}

fn trace(simulation: &Simulation, variable: Variable) -> Vec<f64> {
    let trace = simulation.probe::<TraceRecorder>("v").unwrap();
    trace.samples(0, variable).map(|(_, v)| v).collect()
}

fn spikes(simulation: &Simulation) -> Vec<f64> {
    let spikes = simulation.probe::<SpikeRecorder>("s").unwrap().spikes();
    spikes.iter().map(|(time, _)| time.seconds()).collect()
}

/// A constant input above threshold: the interval is refP + tau_m·ln((dc − reset)/(dc − threshold)),
/// up to one step for the crossing and one for the start.
#[test]
fn a_constant_input_gives_the_closed_interval() {
    for (dc, reset, tau_ms, ref_ms) in [(1.5, 0.0, 20.0, 2.0), (2.0, -0.5, 10.0, 0.0)] {
        let model = format!(
            "lif(soma: (tau_m: \"{tau_ms} ms\", dc: {dc}, reset: {reset}, refP: \"{ref_ms} ms\"))"
        );
        let text = lif(&format!("populations: {{ \"n\": (size: 1, model: {model}) }},"), "10 us");
        let spikes = spikes(&run(parse(&text, Path::new("."))));
        let interval = ref_ms * 1e-3 + tau_ms * 1e-3 * f64::ln((dc - reset) / (dc - 1.0));
        assert!(spikes.len() > 20);
        for pair in spikes.windows(2) {
            let found = pair[1] - pair[0];
            assert!((found - interval).abs() <= 2.1e-5, "{found} instead of {interval}");
        }
    }
}

/// One pulse into each receptor: v(t) = w·tau_s/(tau_m − tau_s)·(exp(−t/tau_m) − exp(−t/tau_s)) for
/// each, at steps small against both time constants.
#[test]
fn pulses_give_the_difference_of_exponentials() {
    let model = r#"lif(exc: (tau_s: "5 ms", w: 0.5), inh: (tau_s: "8 ms", w: 0.2))"#;
    let more = format!(
        r#"populations: {{ "n": (size: 1, model: {model}) }},
           connections: [
               (from: "e", to: "n", receptor: exc, rule: OneToOne, weight: 1.5),
               (from: "i", to: "n", receptor: inh, rule: OneToOne),
           ],"#
    );
    let simulation = run(parse(&lif(&more, "1 us"), Path::new(".")));
    let v = trace(&simulation, Variable::Named("v"));
    let exc = trace(&simulation, Variable::Synapse(Receptor::Exc));
    let psp = |w: f64, tau_s: f64, t: f64| {
        w * tau_s / (20.0 - tau_s) * (f64::exp(-t / 20.0) - f64::exp(-t / tau_s))
    };
    assert!(v[..=10].iter().all(|v| *v == 0.0));
    for ms in 11..200 {
        let t = f64::from(ms) - 10.0;
        let expected = psp(0.75, 5.0, t) - psp(0.2, 8.0, t);
        assert!((v[ms as usize] - expected).abs() < 2e-4, "{ms} ms: {} {expected}", v[ms as usize]);
        let current = 0.75 * f64::exp(-t / 5.0);
        assert!((exc[ms as usize] - current).abs() < 2e-4 * current);
    }
}

/// v after k steps of a direct input in steps, piecewise exact; the same from a file.
#[test]
fn direct_inputs_in_steps_and_files() {
    let tau = 0.02;
    let expected = |t: f64| {
        let rise = |v0: f64, target: f64, t: f64| target + (v0 - target) * f64::exp(-t / tau);
        match t {
            t if t <= 0.1 => rise(0.0, 0.25, t),
            t if t <= 0.3 => rise(rise(0.0, 0.25, 0.1), 0.85, t - 0.1),
            _ => rise(rise(rise(0.0, 0.25, 0.1), 0.85, 0.2), -0.75, t - 0.3),
        }
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dc.csv"), "time_s,value\n0.1,0.6\n0.3,-1\n").unwrap();
    // 70 neurons: the second block has lanes with and without the input.
    for dc in [r#"Steps([("0.1 s", 0.6), ("0.3 s", -1)])"#, r#"File("dc.csv")"#] {
        let more = format!(
            r#"populations: {{
                "m": (size: 40, model: lif(soma: (dc: 0.25))),
                "n": (size: 70, model: lif(soma: (dc: 0.25)), dc: {dc}),
                "o": (size: 10, model: lif(soma: (dc: 0.25))),
            }},"#
        );
        for window in ["", "window: \"1 ms\","] {
            let text = lif(&format!("{window} {more}"), "0.1 ms").replace(
                "neurons: [0]",
                "neurons: [0, 69], every: \"1 ms\"), \"m\": Trace(of: \"m\", vars: [v], neurons: [39]",
            );
            let simulation = run(parse(&text, folder.path()));
            for neuron in [0, 69] {
                let trace = simulation.probe::<TraceRecorder>("v").unwrap();
                for (time, v) in trace.samples(neuron, Variable::Named("v")) {
                    let expected = expected(time.seconds());
                    assert!((v - expected).abs() < 2e-5, "{dc} at {time} s: {v} not {expected}");
                }
            }
            let other = simulation.probe::<TraceRecorder>("m").unwrap();
            let last = other.samples(39, Variable::Named("v")).last().unwrap().1;
            assert!((last - 0.25).abs() < 1e-5, "a neighbour without the input is not driven");
        }
    }
}

/// Far slower than the membrane, a ramp from a to b in T is followed at a distance of
/// tau_m·(b − a)/T; before and after, v rests at a and b.
#[test]
fn a_ramp_is_followed() {
    let dc = r#"Ramp(from: 0.1, to: 0.9, start: "0.2 s", end: "0.8 s")"#;
    let more = format!(
        "populations: {{ \"n\": (size: 1, model: lif(), init: {{ \"v\": 0.1 }}, dc: {dc}) }},"
    );
    let simulation = run(parse(&lif(&more, "0.1 ms"), Path::new(".")));
    let v = trace(&simulation, Variable::Named("v"));
    assert!(v[..=200].iter().all(|v| (v - 0.1).abs() < 1e-5));
    let slope = 0.8 / 0.6;
    for ms in 400..800 {
        let expected = 0.1 + slope * (f64::from(ms) * 1e-3 - 0.2 - 0.02);
        // A step has the value of its start: half a step late on the whole.
        assert!((v[ms as usize] - expected).abs() < slope * 1e-4, "{ms} ms");
    }
    assert!((v[1000] - 0.9).abs() < 1e-4);
}

/// A direct input into a DPI neuron is its constant input, step by step: a run that switches Idc
/// with `dc` ends as one that has the sum from the start, once the membrane has settled.
#[test]
fn a_direct_input_adds_to_idc() {
    let scene = |population: &str| {
        let text = format!(
            r#"(duration: "1 s", solver: Euler(dt: "0.1 ms"),
                populations: {{ "n": (size: 1, model: dynapse1(feedback: Off, ahp: Off, soma: ({population}) }},
                probes: {{ "v": Trace(of: "n", vars: [Imem], neurons: [0], every: "1 ms") }})"#
        );
        let simulation = run(parse(&text, Path::new(".")));
        *trace(&simulation, Variable::Imem).last().unwrap()
    };
    let constant = scene(r#"Idc: "15 pA"))"#);
    let switched = scene(r#"Idc: "5 pA")), dc: Steps([("0.2 s", "10 pA")])"#);
    let without = scene(r#"Idc: "5 pA"))"#);
    assert!((switched / constant - 1.0).abs() < 1e-5, "{switched:e} {constant:e}");
    assert!((without / constant - 1.0).abs() > 0.1);
}

/// No two spikes of a neuron are closer than its own refractory period (in whole steps), in more
/// than 10⁶ spikes with mismatch on refP.
#[test]
fn refractory_periods_are_kept() {
    let text = r#"(seed: 1, duration: "20 s", solver: Euler(dt: "0.1 ms"), window: "1 s",
        sources: { "e": (size: 500, train: Poisson(rates: "2 kHz")) },
        populations: { "n": (size: 500, model: lif(soma: (refP: "4 ms"), exc: (w: 2)),
            mismatch: { "soma.refP": LogNormal(cv: 0.3), "soma.threshold": LogNormal(cv: 0.1) }) },
        connections: [(from: "e", to: "n", receptor: exc, rule: OneToOne)],
        probes: { "s": Spikes(of: "n") })"#;
    let mut simulation = run(parse(text, Path::new(".")));
    let spikes = simulation.probe::<SpikeRecorder>("s").unwrap().spikes().to_vec();
    assert!(spikes.len() > 1_000_000, "{}", spikes.len());
    let neurons = simulation.populations()[0].neurons.clone();
    let ref_p: Vec<f64> = neurons
        .iter()
        .map(|n| simulation.world_mut().get::<picoamp::model::lif::LifSoma>(*n).unwrap().ref_p)
        .collect();
    let mut last = vec![None; 500];
    for (time, neuron) in spikes {
        let steps = (ref_p[neuron as usize] / 1e-4).round() as u64;
        let last = &mut last[neuron as usize];
        if let Some(last) = last.replace(time) {
            assert!((time - last).picoseconds() >= steps * 100_000_000, "neuron {neuron}");
        }
    }
}
