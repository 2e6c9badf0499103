//! The circuits against closed forms of their equations, with stated tolerances.

mod common;

use common::{parse, run};
use picoamp::circuit::{Preset, Receptor};
use picoamp::prelude::*;

fn here() -> &'static std::path::Path {
    std::path::Path::new(".")
}

/// τ = C·UT/(κ·Itau): the published values, to their last digit.
#[test]
fn time_constants() {
    let c = Preset::Dynapse1.constants();
    let ms = |receptor| Preset::Dynapse1.synapse(receptor).tau(&c) * 1e3;
    let mut arcana = Preset::Arcana.soma(&Preset::Arcana.constants());
    arcana.i_tau = 4e-12;
    for (ours, published) in [
        (ms(Receptor::Ampa), 3.546_099),
        (ms(Receptor::Nmda), 35.460_993),
        (ms(Receptor::Gabaa), 14.184_397),
        (ms(Receptor::Gabab), 14.184_397),
        (ms(Receptor::Ahp), 70.921_986),
        (Preset::Dynapse1.soma(&c).tau(&c) * 1e3, 14.184_397),
        (arcana.tau(&Preset::Arcana.constants()) * 1e3, 26.595_7),
    ] {
        assert!((ours / published - 1.0).abs() < 2e-6, "{ours} instead of {published}");
    }
}

/// f–I of the bare soma in closed form, as published for the constants of `dynapse1`.
#[test]
fn rates_of_the_bare_soma() {
    let constants = Preset::Dynapse1.constants();
    let soma = Preset::Dynapse1.soma(&constants);
    assert!((soma.bare_rheobase() / 505e-12 - 1.0).abs() < 1e-12);
    assert_eq!(soma.bare_rate(504e-12, soma.i_tau, &constants), 0.0);
    for (pa, hz) in [
        (506.0, 10.515_198_721),
        (510.0, 13.861_128_522),
        (600.0, 31.133_601_181),
        (1000.0, 64.609_566_825),
        (5000.0, 151.468_533_706),
        (50_000.0, 194.060_759_523),
    ] {
        let rate = soma.bare_rate(pa * 1e-12, soma.i_tau, &constants);
        assert!((rate / hz - 1.0).abs() < 1e-9, "{pa} pA: {rate} Hz instead of {hz}");
    }
}

/// A model with nothing but the soma.
fn bare(biases: &str) -> String {
    format!(
        "dynapse1(soma: ({biases}), feedback: Off, ahp: Off, \
         ampa: Off, nmda: Off, gabaa: Off, gabab: Off)"
    )
}

/// Without input the membrane voltage falls on a straight line of slope −Itau/C.
#[test]
fn free_decay_is_a_straight_line_in_v() {
    // A dark current small enough not to feed the soma.
    let bare = bare("Itau: \"5 pA\", Ith: \"1 uA\", Ireset: \"1 fA\", Idc: \"0 A\"")
        .replace("dynapse1(", "dynapse1(I0: \"1e-21 A\", ");
    // Of the first order in dt/τ = 7e-5, and single precision in a thousand small steps.
    decay_has_its_slope(r#"Euler(dt: "1 us")"#, &bare, 2e-12, 2e-3);
    decay_has_its_slope(r#"Event(tolerance: "1 us")"#, &bare, 2e-12, 1e-5);
    decay_has_its_slope(r#"Event(tolerance: "10 ns")"#, &bare, 2e-12, 1e-9);
    // In single precision at 1 us: a feedback whose gate is shut.
    let shut = r#"arcana(I0: "1e-21 A", soma: (Itau: "5 pA", Igain: "80 pA", Ith: "1 uA",
        Ireset: "1 fA", Idc: "0 A", Ipfb_th: "1 uA", Ipfb_norm: "1.4e9 /A"))"#;
    decay_has_its_slope(r#"Event(tolerance: "1 us")"#, shut, 3e-12, 1e-5);
    decay_has_its_slope(r#"Event(tolerance: "10 ns")"#, shut, 3e-12, 1e-9);
}

/// A synaptic current falls as exp(−t/τ), τ = C·UT/(κ·Itau), in single and in double precision.
#[test]
fn a_synaptic_current_decays_exponentially() {
    for (tolerance, precision, most) in [("1 us", "single", 1e-5), ("10 ns", "double", 1e-9)] {
        let text = format!(
            "(duration: \"200 ms\", solver: Event(tolerance: \"{tolerance}\"),
            sources: {{ \"s\": (size: 1, train: Spikes([\"0.5 ms\"])) }},
            populations: {{ \"n\": (size: 1, model: arcana(soma: (Ipfb_norm: \"1.4e9 /A\"),
                ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"200 pA\"))) }},
            connections: [(from: \"s\", to: \"n\", receptor: ampa, rule: OneToOne)],
            probes: {{ \"t\": Trace(of: \"n\", vars: [Iampa], neurons: [0], every: \"1 ms\") }})"
        );
        let simulation = run(parse(&text, std::path::Path::new(".")));
        let trace = simulation.probe::<TraceRecorder>("t").unwrap();
        let samples: Vec<(f64, f64)> = trace
            .samples(0, Variable::Synapse(Receptor::Ampa))
            .map(|(time, current)| (time.seconds(), current))
            .collect();
        let tau = 2e-12 * 0.025 / (0.705 * 2e-12);
        let (start, first) = samples[1];
        for &(time, current) in &samples[2..] {
            let expected = first * picoamp::circuit::math::exp(-(time - start) / tau);
            let off = (current / expected - 1.0).abs();
            assert!(off < most, "{precision}, {time} s: {off:e}");
        }
    }
}

fn decay_has_its_slope(solver: &str, model: &str, capacitance: f64, tolerance: f64) {
    let text = format!(
        r#"(duration: "20 ms", solver: {solver},
            populations: {{ "n": (size: 1, model: {model}, init: {{ "Imem": "10 nA" }}) }},
            probes: {{ "v": Trace(of: "n", vars: [Vmem], neurons: [0], every: "1 ms") }})"#
    );
    let simulation = run(parse(&text, here()));
    let trace = simulation.probe::<TraceRecorder>("v").unwrap();
    let v: Vec<f64> = trace.samples(0, Variable::Vmem).map(|(_, v)| v).collect();
    assert_eq!(v.len(), 21);
    for (k, pair) in v.windows(2).enumerate() {
        let slope = (pair[1] - pair[0]) / 1e-3;
        let off = (slope / (-5e-12 / capacitance) - 1.0).abs();
        assert!(off < tolerance, "{solver}, from {k} ms: {slope} is off by {off:e}");
    }
}

/// Rates of bare somas under constant current: the closed-form table (pA, Hz), whose formula is
/// T = τ[(Ig/Iinf)·ln(Ith/Ireset) + (1 + Ig/Iinf)·ln((Iinf − Ireset)/(Iinf − Ith))], f = 1/(refP + T).
#[test]
fn rates_under_constant_current() {
    // The Euler step is of the first order; next to rheobase an error grows tenfold.
    rates_are_those_of_the_table(r#"Euler(dt: "2 us")"#, "1 s", [5e-3, 5e-3, 1e-3]);
    rates_are_those_of_the_table(r#"Event(tolerance: "1 us")"#, "2 s", [1e-4, 1e-5, 1e-5]);
    rates_are_those_of_the_table(r#"Event(tolerance: "10 ns")"#, "2 s", [1e-6, 1e-6, 1e-6]);
}

/// Tolerances: at 506 pA, at 510 pA, and above.
fn rates_are_those_of_the_table(solver: &str, duration: &str, tolerances: [f64; 3]) {
    const TABLE: [(f64, f64); 6] = [
        (506.0, 10.515_198_721),
        (510.0, 13.861_128_522),
        (600.0, 31.133_601_181),
        (1000.0, 64.609_566_825),
        (5000.0, 151.468_533_706),
        (50_000.0, 194.060_759_523),
    ];
    let populations: String = TABLE
        .iter()
        .enumerate()
        .map(|(k, (pa, _))| {
            let model = bare(&format!("Idc: \"{pa} pA\""));
            format!("\"n{k}\": (size: 1, model: {model}, init: {{ \"Imem\": \"1.2 pA\" }}),")
        })
        .collect();
    let probes: String = (0..6).map(|k| format!("\"n{k}\": Spikes(of: \"n{k}\"),")).collect();
    let text = format!(
        r#"(duration: "{duration}", solver: {solver},
            populations: {{ {populations} }}, probes: {{ {probes} }})"#
    );
    let simulation = run(parse(&text, here()));
    for (k, (pa, expected)) in TABLE.iter().enumerate() {
        let spikes = simulation.probe::<SpikeRecorder>(&format!("n{k}")).unwrap().spikes();
        let (first, last) = (spikes[0].0.seconds(), spikes[spikes.len() - 1].0.seconds());
        let rate = (spikes.len() - 1) as f64 / (last - first);
        let tolerance = tolerances[k.min(2)];
        let off = (rate / expected - 1.0).abs();
        assert!(off < tolerance, "{solver}, {pa} pA: {rate} Hz, not {expected}: off by {off:e}");
    }
}

/// No two spikes of a neuron are closer than its own refP (R·dt), in more than a million spikes
/// with mismatch on refP; and under strong input the rate comes close to 1/refP.
#[test]
fn the_refractory_period_holds() {
    let text = r#"(
        seed: 1, duration: "5 s", solver: Euler(dt: "100 us"),
        populations: { "n": (
            size: 2000,
            model: dynapse1(soma: (Idc: "50 nA"), ahp: Off),
            mismatch: { "soma.refP": LogNormal(cv: 0.3) },
        ) },
        probes: { "spikes": Spikes(of: "n") },
    )"#;
    let mut simulation = run(parse(text, here()));
    let refractory: Vec<u64> = (0..2000)
        .map(|k| {
            let neuron = simulation.neuron("n", k).unwrap();
            let ref_p = simulation.world().get::<Soma>(neuron).unwrap().ref_p;
            (ref_p / 1e-4).round() as u64
        })
        .collect();
    let spikes = simulation.probe::<SpikeRecorder>("spikes").unwrap();
    assert!(spikes.spikes().len() > 1_000_000, "{}", spikes.spikes().len());
    let mut last = vec![None; 2000];
    let mut shortest = vec![u64::MAX; 2000];
    for (time, neuron) in spikes.spikes() {
        let (step, k) = (time.picoseconds() / 100_000_000, *neuron as usize);
        if let Some(before) = last[k].replace(step) {
            shortest[k] = shortest[k].min(step - before);
        }
    }
    for k in 0..2000 {
        assert!(shortest[k] >= refractory[k], "neuron {k}: {} < {}", shortest[k], refractory[k]);
        // 50 nA cross the threshold within a few steps.
        assert!(shortest[k] <= refractory[k] + 4, "neuron {k}: {}", shortest[k]);
    }
}

/// Campbell's theorem: Poisson input of rate r through jumps w has mean r·τ·w and standard deviation
/// w·√(r·τ/2). Within five standard errors of 5400 independent samples.
#[test]
fn poisson_drive_has_campbells_moments() {
    let text = r#"(
        seed: 1, duration: "1 s", solver: Euler(dt: "20 us"),
        sources: { "in": (size: 200, train: Poisson(rates: "2 kHz")) },
        populations: { "n": (size: 200, model: dynapse1()) },
        connections: [(from: "in", to: "n", receptor: ampa, rule: OneToOne)],
        probes: { "i": Trace(of: "n", vars: [Iampa], neurons: All, every: "36 ms",
                             window: (from: "36 ms")) },
    )"#;
    let simulation = run(parse(text, here()));
    let trace = simulation.probe::<TraceRecorder>("i").unwrap();
    let samples: Vec<f64> = (0..200)
        .flat_map(|k| trace.samples(k, Variable::Synapse(Receptor::Ampa)).map(|(_, i)| i))
        .collect();
    let n = samples.len() as f64;
    assert_eq!(n, 5400.0);
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|i| (i - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let (r, tau, w) = (2000.0, 3.546_099e-3, 400e-12);
    let (expected_mean, expected_sd) = (r * tau * w, w * (r * tau / 2.0_f64).sqrt());
    let error = (mean - expected_mean).abs() / (expected_sd / n.sqrt());
    assert!(error < 5.0, "mean {mean:e}, not {expected_mean:e}: {error} standard errors");
    // The variance of shot noise with 7 pulses per τ: excess kurtosis 1/(rτ) widens its error a
    // little. The step adds dt/(2τ) = 0.3 %.
    let relative = variance / expected_sd.powi(2) - 1.0;
    assert!(relative.abs() < 5.0 * (2.3 / n).sqrt() + 0.003, "variance off by {relative}");
}

/// For a pulse much shorter than τ the jump does not depend on Itau.
#[test]
fn a_short_pulse_does_not_depend_on_itau() {
    use picoamp::circuit::Synapse;
    use picoamp::circuit::forms::PulseForm;
    let constants = Preset::Dynapse1.constants();
    let short = PulseForm::Width(Time::from_seconds(1e-6).unwrap());
    let jump = |i_tau: f64, pulse| {
        Synapse { i_tau, ..Preset::Dynapse1.synapse(Receptor::Ampa) }.jump(pulse, &constants)
    };
    // t·κ·Igain·Iw/(C·UT), to the first order of t/τ = 3e-4.
    let expected = 1e-6 * 0.705 * 80e-12 * 100e-12 / (2e-12 * 0.025);
    assert!((jump(20e-12, short) / expected - 1.0).abs() < 3e-4);
    assert!((jump(22e-12, short) / jump(20e-12, short) - 1.0).abs() < 3e-4);
    assert!((jump(22e-12, PulseForm::Ideal) / jump(20e-12, PulseForm::Ideal) - 1.0).abs() > 0.05);
}

/// The seed neuron without input, started in its run-away: z = (I0/Imem)^b, b = κ/(κ+1), falls such
/// that the threshold is reached after ln((I0 − L·z_th)/(I0 − L·z))/(a·b·L), a = κ/(C·UT).
#[test]
#[allow(clippy::disallowed_methods)] // An expected value of its own.
fn the_run_away_is_regular_in_z() {
    for (start, start_a) in [("3 uA", 3e-6), ("30 uA", 3e-5)] {
        let text = format!(
            r#"(duration: "5 ms", solver: Euler(dt: "100 ns"),
                populations: {{ "n": (size: 1, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA",
                    Ith: "12 mA", Idc: "0 A", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A")),
                    init: {{ "Imem": "{start}" }}) }},
                probes: {{ "s": Spikes(of: "n") }})"#
        );
        let simulation = run(parse(&text, here()));
        let found = simulation.probe::<SpikeRecorder>("s").unwrap().spikes()[0].0.seconds();
        let (i0, kappa) = (0.05e-12_f64, 0.705);
        let b = kappa / (kappa + 1.0);
        let z = |i: f64| (i0 / i).powf(b);
        let (a, leak) = (kappa / (3e-12 * 0.025), 4e-12 + i0);
        let left = |i: f64| i0 - leak * z(i);
        let expected = (left(12e-3) / left(start_a)).ln() / (a * b * leak);
        // Euler is late by some of its steps.
        assert!((found - expected).abs() < 2e-6, "from {start}: {found} s, not {expected} s");
        assert!(expected > 1e-3, "{expected}");
    }
}

/// In q = u + Imem/Igain, u = ln(Imem/I0), the input is a pure time integral:
/// dq/dt = a·(Iin − (L − Ifb)·(1 + Imem/Igain)). Both sides over 20 ms of the driven seed neuron.
#[test]
#[allow(clippy::disallowed_methods)] // An expected value of its own.
fn the_input_is_an_integral_in_q() {
    let text = r#"(duration: "20 ms", solver: Euler(dt: "1 us"),
        sources: { "in": (size: 1, train: Spikes(["1 ms", "6 ms"])) },
        populations: { "n": (size: 1, model: arcana(
            soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"),
            ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "40 pA"))) },
        connections: [(from: "in", to: "n", receptor: ampa, rule: OneToOne)],
        probes: { "i": Trace(of: "n", vars: [Imem, Iampa], neurons: [0], every: "1 us"), "s": Spikes(of: "n") })"#;
    let simulation = run(parse(text, here()));
    assert!(simulation.probe::<SpikeRecorder>("s").unwrap().spikes().is_empty());
    let trace = simulation.probe::<TraceRecorder>("i").unwrap();
    let column = |v| trace.samples(0, v).map(|(_, i)| i).collect::<Vec<f64>>();
    let (i_mem, i_ampa) = (column(Variable::Imem), column(Variable::Synapse(Receptor::Ampa)));
    let (i0, kappa, i_gain) = (0.05e-12_f64, 0.705, 80e-12);
    let (a, leak) = (kappa / (3e-12 * 0.025), 4e-12 + i0);
    let q = |i: f64| (i / i0).ln() + i / i_gain;
    let (mut integral, mut input) = (0.0, 0.0);
    // From 2 ms on the membrane is above its floor.
    for k in 2000..20_000 {
        let feedback = i0.powf(1.0 / (kappa + 1.0)) * i_mem[k].powf(kappa / (kappa + 1.0))
            / (1.0 + (-1.4e9 * i_mem[k]).exp());
        // A pulse acts in the step in which it arrives: the jumped current is that of its end.
        let i_in = 10e-12 + i_ampa[k].max(i_ampa[k + 1]);
        input += 1e-6 * a * i_in;
        integral += 1e-6 * a * (i_in - (leak - feedback) * (1.0 + i_mem[k] / i_gain));
    }
    let change = q(i_mem[20_000]) - q(i_mem[2000]);
    assert!((change - integral).abs() < 1e-3 * input, "{change} {integral} {input}");
    assert!(change.abs() > 0.05 * input);
}
