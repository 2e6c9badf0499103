//! One suite that every back end runs: the same scenes, bit for bit the results of the scalar
//! reference.

mod common;

use common::{hashes, parse, run_on, scene};
use fearless_simd::{Level, Simd};
use picoamp::backend::cpu::Cpu;
use picoamp::bank::Banks;
use picoamp::prelude::*;

const EULER: &str = "Euler(dt: \"100 us\")";
const EVENT: &str = "Event(tolerance: \"1 us\")";

/// The bits of everything that can differ: spikes, and all state columns at the end.
fn fingerprint(simulation: &Simulation) -> (std::collections::BTreeMap<String, String>, Vec<u32>) {
    let banks = simulation.world().resource::<Banks>();
    let stepped = banks.0.iter().filter_map(|bank| Some((bank, bank.stepped()?)));
    let state = stepped.flat_map(|(bank, stepped)| {
        let state = &stepped.state;
        (0..bank.len() as usize).flat_map(move |neuron| {
            (0..state.width()).map(move |column| state.get(neuron, column).to_bits())
        })
    });
    (hashes(simulation), state.collect())
}

/// 700 mismatched neurons in two populations, with every receptor, refractory periods, recurrent
/// excitation and inhibition with delays, and Poisson drive.
fn network(seed: u64) -> Scene {
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
            solver: Euler(dt: "100 us"),
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
    parse(&text, std::path::Path::new("."))
}

/// Every preset with every feedback and refractory form, driven at all its receptors, in one scene.
fn every_form(solver: &str) -> Scene {
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
    parse(&text, std::path::Path::new("."))
}

/// Models of all families in one scene, with direct inputs that change in time, drawn weights and
/// delays.
fn mixed() -> Scene {
    let text = r#"(seed: 6, duration: "300 ms", solver: Euler(dt: "100 us"),
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
    parse(text, std::path::Path::new("."))
}

macro_rules! conformance {
    ($name:ident, $backend:expr) => {
        mod $name {
            use super::*;

            fn equals_the_reference(scene: Scene) {
                let reference = run_on(scene.clone(), Cpu::reference());
                let ours = run_on(scene, $backend);
                assert_eq!(fingerprint(&ours), fingerprint(&reference));
            }

            #[test]
            fn seed_experiment() {
                equals_the_reference(scene("scenes/ff_mismatch.ron", &[]));
            }

            #[test]
            fn seed_experiment_at_a_fine_step() {
                let sets = ["solver=Euler(dt: \"20 us\")", "duration=200 ms"];
                equals_the_reference(scene("scenes/ff_mismatch.ron", &sets));
            }

            #[test]
            fn every_preset_and_form() {
                equals_the_reference(every_form(EULER));
            }

            #[test]
            fn event_driven_in_single_and_double_precision() {
                let sets = [&format!("solver={EVENT}")[..]];
                equals_the_reference(scene("scenes/ff_mismatch.ron", &sets));
                equals_the_reference(every_form(EVENT));
            }

            #[test]
            fn models_of_all_families() {
                equals_the_reference(mixed());
            }

            #[test]
            fn recurrent_network() {
                for seed in [1, 2, 3] {
                    equals_the_reference(network(seed));
                }
            }
        }
    };
}

conformance!(one_thread, Cpu::new(Some(1)));
conformance!(two_threads, Cpu::new(Some(2)));
conformance!(three_threads, Cpu::new(Some(3)));
conformance!(four_threads, Cpu::new(Some(4)));
conformance!(eight_threads, Cpu::new(Some(8)));
conformance!(avx2, Cpu::new(Some(1)).on(level(Level::as_avx2)));
conformance!(without_vectors, Cpu::new(Some(1)).on(level(Level::as_sse2)));

/// An instruction set of this machine by name, or the best there is.
fn level<S: Simd>(of: impl Fn(Level) -> Option<S>) -> Level {
    of(Level::new()).map_or(Level::new(), Simd::level)
}

/// The suite can fail: one bias of one neuron changes the fingerprint.
#[test]
fn the_fingerprint_sees_one_bias() {
    let run = |change: bool| {
        let mut simulation = Simulation::new(network(1)).unwrap();
        simulation.set_backend(Cpu::new(Some(1)));
        if change {
            let neuron = simulation.neuron("inh", 77).unwrap();
            simulation.world_mut().get_mut::<Soma>(neuron).unwrap().i_gain *= 1.001;
        }
        simulation.run().unwrap();
        fingerprint(&simulation)
    };
    let (plain, changed) = (run(false), run(true));
    assert_eq!(plain, run(false));
    assert_ne!(plain.1, changed.1);
}

/// The network is worth comparing: both populations fire, and the window is shorter than `window`.
#[test]
fn the_network_is_alive() {
    let simulation = run_on(network(1), Cpu::new(Some(1)));
    let digests = &simulation.world().resource::<picoamp::probe::digest::SpikeDigests>().0;
    assert!(digests.iter().all(|digest| digest.count > 1000), "{digests:?}");
    let window = simulation.world().resource::<picoamp::network::Router>().window_steps();
    assert_eq!(window, 8, "the shortest delay between populations is 7 steps");
}

/// Every preset and form fires, or the comparison would show little.
#[test]
fn every_form_is_alive() {
    // From event to event a few spikes fewer, among 70 neurons, for the form that fires least.
    for (scene, least) in [(every_form(EULER), 70), (every_form(EVENT), 60), (mixed(), 70)] {
        let simulation = run_on(scene, Cpu::new(Some(1)));
        let digests = &simulation.world().resource::<picoamp::probe::digest::SpikeDigests>().0;
        let names = simulation.scene().populations.keys();
        let silent: Vec<_> = names.zip(digests).filter(|(_, d)| d.count < least).collect();
        assert!(silent.is_empty(), "{silent:?}");
    }
}

/// Pieces of any length, whole windows or not, give the run in one go.
#[test]
fn a_run_in_pieces_is_the_same() {
    let whole = run_on(network(1), Cpu::new(Some(2)));
    for pieces in [[100, 100, 50], [1, 200, 49], [33, 66, 151]] {
        let mut simulation = Simulation::new(network(1)).unwrap();
        simulation.set_backend(Cpu::new(Some(2)));
        for ms in pieces {
            simulation.run_for(std::time::Duration::from_millis(ms)).unwrap();
        }
        assert_eq!(simulation.time(), simulation.scene().duration);
        assert_eq!(fingerprint(&simulation), fingerprint(&whole));
    }
}

/// The digest of a population depends neither on its place in the scene nor on its neighbours.
#[test]
fn order_and_neighbours_do_not_matter() {
    let base = r#"
        "dpi": (size: 70, model: arcana(soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA",
            Idc: "10 pA", Ipfb_th: "0 A", Ipfb_norm: "1.4e9 /A"), ampa: (Itau: "2 pA", Iw: "2 nA")),
            mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2) }),"#;
    let other = base.replace("\"dpi\"", "\"other\"").replace("size: 70", "size: 13");
    let scene = |populations: &str, extra: &str| {
        let text = format!(
            r#"(seed: 5, duration: "300 ms", solver: Euler(dt: "1 ms"),
               sources: {{ {extra} "in": (size: 70, train: Poisson(rates: "80 Hz")) }},
               populations: {{ {populations} }},
               connections: [(from: "in", to: "dpi", receptor: ampa, rule: OneToOne)])"#
        );
        parse(&text, std::path::Path::new("."))
    };
    let hash = |scene| hashes(&run_on(scene, Cpu::new(Some(1))))["dpi"].clone();
    let alone = hash(scene(base, ""));
    assert_eq!(alone, hash(scene(&format!("{base}{other}"), "")));
    assert_eq!(alone, hash(scene(&format!("{other}{base}"), "")));
    let extra = "\"more\": (size: 9, train: Poisson(rates: \"80 Hz\")),";
    assert_eq!(alone, hash(scene(base, extra)));
}
