//! Random neurons: biases over three decades, all forms, all receptors, random drive; each as a part of a
//! scene, and as the reference of `reference.rs` has it.

use std::fmt::Write;

use super::reference::{
    AHP, AMPA, Circuit, Feedback, GABAA, GABAB, NMDA, Neuron, Soma as Equation,
};

pub const DURATION: f64 = 0.3;
pub const KAPPA: f64 = 0.705;
pub const UT: f64 = 0.025;

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
pub struct Case {
    /// Its model and what else the population has.
    pub population: String,
    /// Receptor, weight and train of each of its sources.
    pub sources: Vec<(&'static str, f64, Vec<u64>)>,
    /// As the reference has it.
    pub reference: Neuron,
}

/// A current as scenes write it.
pub fn ampere(i: f64) -> String {
    format!("\"{i:e} A\"")
}

fn nanoseconds(train: &[u64]) -> String {
    let times: Vec<String> = train.iter().map(|ns| format!("\"{ns} ns\"")).collect();
    times.join(", ")
}

/// One of both.
pub fn pick<T>(condition: bool, yes: T, no: T) -> T {
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

/// A DPI neuron of any kind.
pub fn dpi(draws: &[f64], trains: u64) -> Case {
    dpi_neuron(draws, trains, false)
}

/// A DPI neuron whose input is all in closed form, of thousands of weak pulses a second.
pub fn crowded(draws: &[f64], trains: u64) -> Case {
    dpi_neuron(draws, trains, true)
}

fn dpi_neuron(draws: &[f64], trains: u64, is_crowded: bool) -> Case {
    let dice = &mut Dice { draws: draws.iter(), trains };
    let arcana = dice.is(0.5) | is_crowded;
    let i0 = pick(arcana, 0.05e-12, 1e-12);
    let (c, b) = (pick(arcana, 3e-12, 2e-12), KAPPA / (KAPPA + 1.0));
    let a = KAPPA / (c * UT);
    let i_tau = dice.log(pick(arcana, 0.3e-12, 1e-12), pick(arcana, 300e-12, 1e-9));
    let i_gain = dice.log(1e-12, 1e-9);
    let form = dice.of(&[pick(arcana, "PowerLaw", "Logistic"), "Off", "Logistic", "PowerLaw"]);
    let form = pick(is_crowded, "PowerLaw", form);
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
    let mut most_dc = pick(dice.is(0.25) && !is_crowded, rheobase * dice.log(0.1, 10.0), 0.0);
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
        let (least, most) = pick(is_crowded, (1e3, 2e4), (3.0, 600.0));
        let (rate, part, c) = (dice.log(least, most), dice.next(), pick(*at == AHP, 4e-12, 2e-12));
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
pub fn lif(draws: &[f64], trains: u64) -> Case {
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
pub fn scene_of(cases: &[Case], solver: &str) -> String {
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
