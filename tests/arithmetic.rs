//! The Euler kernel against an independent implementation: the published step, written out once
//! more in double precision and plain operations from the paper's equations.

mod common;

use common::{parse, run};
use picoamp::prelude::*;
use proptest::prelude::*;

/// A neuron of the `arcana` preset with AMPA and GABA_B.
#[derive(Debug, Clone)]
struct Neuron {
    soma_i_tau: f64,
    soma_i_gain: f64,
    i_dc: f64,
    refractory_steps: u64,
    ampa: [f64; 3],
    gabab: [f64; 3],
    pfb_norm: f64,
    pfb_th: f64,
}

const I0: f64 = 0.05e-12;
const I_TH: f64 = 1e-6;
const KAPPA: f64 = 0.705;
const UT: f64 = 0.025;

impl Neuron {
    /// Imem, Iampa and Igabab after each step, and the steps with a spike.
    #[allow(clippy::disallowed_methods)] // libm is the independent reference here.
    fn run(&self, dt: f64, steps: u64, ampa: &[u64], gabab: &[u64]) -> (Vec<[f64; 3]>, Vec<u64>) {
        let tau = |c: f64, i_tau: f64| c * UT / (KAPPA * i_tau);
        let mut i = [I0; 3];
        let mut left = 0_u64;
        let (mut trace, mut spikes) = (Vec::new(), Vec::new());
        for step in 0..steps {
            let old = i;
            for (at, biases, train) in [(1, self.ampa, ampa), (2, self.gabab, gabab)] {
                if train.contains(&step) {
                    i[at] += biases[1] / biases[0] * biases[2];
                }
            }
            let mut i_in = self.i_dc + i[1] + I0 - i[2];
            if left > 0 {
                i_in = 0.0;
            }
            i_in = i_in.max(I0);
            let feedback = I0.powf(1.0 / (KAPPA + 1.0)) * i[0].powf(KAPPA / (KAPPA + 1.0))
                / (1.0 + (-self.pfb_norm * (i[0] - self.pfb_th)).exp());
            let alpha = self.soma_i_gain / self.soma_i_tau;
            let slope =
                (alpha * (i_in - self.soma_i_tau - I0) - i[0] - I0 / self.soma_i_tau * i[0]
                    + feedback / self.soma_i_tau * (i[0] + self.soma_i_gain))
                    / (tau(3e-12, self.soma_i_tau) * (1.0 + self.soma_i_gain / i[0]));
            i[0] = (i[0] + dt * slope).max(I0);
            for (at, biases) in [(1, self.ampa), (2, self.gabab)] {
                i[at] = (i[at] - dt * old[at] / tau(2e-12, biases[0])).max(I0);
            }
            left = left.saturating_sub(1);
            if i[0] >= I_TH {
                spikes.push(step);
                i[0] = I0;
                left = self.refractory_steps;
            }
            trace.push(i);
        }
        (trace, spikes)
    }

    fn scene(&self, dt_us: u64, steps: u64, ampa: &[u64], gabab: &[u64]) -> Scene {
        let train = |steps: &[u64]| {
            let times: Vec<String> =
                steps.iter().map(|k| format!("\"{} us\"", k * dt_us)).collect();
            times.join(", ")
        };
        let synapse = |b: [f64; 3]| {
            format!("(Itau: \"{:e} A\", Igain: \"{:e} A\", Iw: \"{:e} A\")", b[0], b[1], b[2])
        };
        let text = format!(
            r#"(
                duration: "{} us",
                window: "{} us",
                solver: Euler(dt: "{dt_us} us"),
                sources: {{
                    "a": (size: 1, train: Spikes([{}])),
                    "b": (size: 1, train: Spikes([{}])),
                }},
                populations: {{ "n": (size: 1, model: arcana(
                    soma: (Itau: "{:e} A", Igain: "{:e} A", Ith: "{:e} A", Idc: "{:e} A",
                           refP: "{} us", Ipfb_norm: "{:e} /A", Ipfb_th: "{:e} A"),
                    ampa: {}, gabab: {},
                )) }},
                connections: [
                    (from: "a", to: "n", receptor: ampa, rule: OneToOne),
                    (from: "b", to: "n", receptor: gabab, rule: OneToOne),
                ],
                probes: {{
                    "spikes": Spikes(of: "n"),
                    "trace": Trace(of: "n", vars: [Imem, Iampa, Igabab], neurons: [0], every: "{dt_us} us"),
                }},
            )"#,
            steps * dt_us,
            // A window that is no divisor of the run and no multiple of a tile.
            77 * dt_us,
            train(ampa),
            train(gabab),
            self.soma_i_tau,
            self.soma_i_gain,
            I_TH,
            self.i_dc,
            self.refractory_steps * dt_us,
            self.pfb_norm,
            self.pfb_th,
            synapse(self.ampa),
            synapse(self.gabab),
        );
        parse(&text, std::path::Path::new("."))
    }
}

fn neuron() -> impl Strategy<Value = Neuron> {
    #[allow(clippy::disallowed_methods)] // The values are only drawn, not compared.
    let decade = |low: f64, high: f64| (low..high).prop_map(|e: f64| 10.0_f64.powf(e));
    let synapse = || [decade(-12.0, -11.0), decade(-11.0, -10.0), decade(-11.0, -9.5)];
    (
        (decade(-12.0, -11.0), decade(-11.0, -10.0), decade(-12.0, -10.0), 0_u64..40),
        (synapse(), synapse(), decade(8.5, 9.5), decade(-11.0, -9.0)),
    )
        .prop_map(|((soma_i_tau, soma_i_gain, i_dc, refractory_steps), rest)| {
            let (ampa, gabab, pfb_norm, pfb_th) = rest;
            Neuron {
                soma_i_tau,
                soma_i_gain,
                i_dc,
                refractory_steps,
                ampa,
                gabab,
                pfb_norm,
                pfb_th,
            }
        })
}

fn train() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::btree_set(0_u64..600, 0..40).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Synaptic currents to single precision; the membrane to a thousandth up to its first spike
    /// (a spike shifts by a step where the threshold is met within rounding), and the first spike
    /// to a step.
    #[test]
    fn a_neuron_follows_the_published_step(neuron in neuron(), ampa in train(), gabab in train()) {
        let (dt_us, steps) = (100, 600);
        let (expected, expected_spikes) = neuron.run(dt_us as f64 * 1e-6, steps, &ampa, &gabab);
        let simulation = run(neuron.scene(dt_us, steps, &ampa, &gabab));
        let trace = simulation.probe::<TraceRecorder>("trace").unwrap();
        let ours = |variable| trace.samples(0, variable).skip(1).map(|(_, v)| v).collect::<Vec<_>>();
        let (i_mem, i_ampa, i_gabab) = (
            ours(Variable::Imem),
            ours(Variable::Synapse(Receptor::Ampa)),
            ours(Variable::Synapse(Receptor::Gabab)),
        );
        prop_assert_eq!(i_mem.len(), expected.len());
        let spikes: Vec<u64> = simulation.probe::<SpikeRecorder>("spikes").unwrap().spikes()
            .iter().map(|(time, _)| time.picoseconds() / (dt_us * 1_000_000) - 1).collect();
        let first = expected_spikes.first().copied().unwrap_or(steps);
        let ours_first = spikes.first().copied().unwrap_or(steps);
        prop_assert!(ours_first.abs_diff(first) <= 1, "{} {}", ours_first, first);
        for k in 0..steps as usize {
            let close = |a: f64, b: f64, tolerance: f64| (a / b - 1.0).abs() < tolerance;
            prop_assert!(close(i_ampa[k], expected[k][1], 2e-5), "Iampa at {}", k);
            prop_assert!(close(i_gabab[k], expected[k][2], 2e-5), "Igabab at {}", k);
            // The last step before the spike runs away; stop short of it.
            if (k as u64) + 2 < first {
                prop_assert!(close(i_mem[k], expected[k][0], 1e-3), "Imem at {}: {} {}", k, i_mem[k], expected[k][0]);
            }
        }
        prop_assert!(spikes.len().abs_diff(expected_spikes.len()) <= 1 + expected_spikes.len() / 20);
    }
}

/// Through the refractory period and beyond, step by step: R = 0, 1, 2 and 30 steps of a cut input
/// differ from one another, and each follows the independent implementation up to the second spike.
#[test]
fn the_input_is_cut_for_whole_refractory_steps() {
    let (dt_us, steps) = (100, 1000);
    let mut second_spikes = Vec::new();
    for refractory_steps in [0, 1, 2, 30] {
        let neuron = Neuron {
            soma_i_tau: 4e-12,
            soma_i_gain: 80e-12,
            i_dc: 2e-9,
            refractory_steps,
            ampa: [2e-12, 20e-12, 200e-12],
            gabab: [2e-12, 20e-12, 20e-12],
            pfb_norm: 1.4e9,
            pfb_th: 0.0,
        };
        let (expected, expected_spikes) = neuron.run(dt_us as f64 * 1e-6, steps, &[], &[]);
        let simulation = run(neuron.scene(dt_us, steps, &[], &[]));
        let spikes: Vec<u64> = simulation
            .probe::<SpikeRecorder>("spikes")
            .unwrap()
            .spikes()
            .iter()
            .map(|(time, _)| time.picoseconds() / (dt_us * 1_000_000) - 1)
            .collect();
        assert_eq!(spikes[..2], expected_spikes[..2], "refP of {refractory_steps} steps");
        let trace = simulation.probe::<TraceRecorder>("trace").unwrap();
        let i_mem: Vec<f64> = trace.samples(0, Variable::Imem).skip(1).map(|(_, v)| v).collect();
        let (first, second) = (spikes[0] as usize, spikes[1] as usize);
        // The last steps of a run-away amplify rounding; the ones after a reset do not.
        for k in (0..first - 1).chain(first..second - 1) {
            let (ours, theirs) = (i_mem[k], expected[k][0]);
            assert!((ours / theirs - 1.0).abs() < 1e-3, "step {k}: {ours:e} {theirs:e}");
        }
        second_spikes.push(second - first);
    }
    // Without input the membrane rests at I0, so every step of the period counts in full.
    let base = second_spikes[0];
    assert_eq!(second_spikes, [base, base + 1, base + 2, base + 30]);
}
