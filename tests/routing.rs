//! Delivery is exact: what arrives where and when, against a list made edge by edge from the
//! scene's rules, without the router's table.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use common::parse;
use picoamp::backend::cpu::Cpu;
use picoamp::backend::{Advanced, Backend};
use picoamp::bank::{Bank, Banks, LANES};
use picoamp::network::Router;
use picoamp::network::inbox::Inbox;
use picoamp::prelude::*;
use picoamp::scene::{GroupId, Solver};
use picoamp::schedule::Window;
use picoamp::threads::Pool;
use proptest::prelude::*;

/// Pulses by (population, neuron, receptor, step).
type Arrivals = BTreeMap<(usize, u32, &'static str, u64), f64>;

const DT_US: u64 = 100;
const EULER: &str = "Euler(dt: \"100 us\")";
const EVENT: &str = "Event(tolerance: \"1 us\")";

/// Three sources, two populations that share a bank and one that does not, weights that are powers
/// of two (so a sum tells which edges it is made of), several delays per source; most edges are between neurons.
fn scene(delays: [u64; 5], solver: &str) -> Scene {
    let [a, b, c, d, e] = delays.map(|steps| format!("\"{} us\"", steps * DT_US));
    let model = "arcana(soma: (Ipfb_norm: \"1e9 /A\"), ampa: (), gabab: ())";
    let text = format!(
        r#"(
            duration: "1 s", window: "10 ms", solver: {solver},
            sources: {{ "s": (size: 70, train: Spikes([])), "t": (size: 3, train: Spikes([])) }},
            populations: {{
                "p": (size: 70, model: {model}),
                "q": (size: 900, model: arcana(soma: (Ipfb_norm: "1e9 /A"), ampa: ())),
                "r": (size: 90, model: {model}),
            }},
            connections: [
                (from: "s", to: "p", receptor: ampa, rule: OneToOne, weight: 1, delay: {a}),
                (from: "t", to: "p", receptor: ampa, rule: AllToAll, weight: 2, delay: {b}),
                (name: "again", from: "t", to: "p", receptor: ampa, rule: AllToAll, weight: 4, delay: {c}),
                (from: "t", to: "r", receptor: gabab, rule: AllToAll, weight: 8, delay: {b}),
                (from: "s", neurons: [1, 60], to: "q", to_neurons: [860, 0], receptor: ampa, rule: OneToOne, weight: 16, delay: {d}),
                (from: "t", to: "q", receptor: ampa, rule: AllToAll, weight: 128, delay: {b}),
                (from: "p", neurons: Range(from: 2, to: 4), to: "r", receptor: ampa, rule: AllToAll, weight: 32, delay: {e}),
                (from: "r", to: "r", receptor: gabab, rule: AllToAll(self_connections: false), weight: 64, delay: {c}),
            ],
        )"#
    );
    parse(&text, std::path::Path::new("."))
}

/// What should arrive, straight from the rules.
fn expected(scene: &Scene, spikes: &[(GroupId, u32, u64)]) -> Arrivals {
    let mut arrivals = Arrivals::new();
    for connection in &scene.connections {
        scene.edges(connection).for_each(|edge| {
            let own = spikes.iter().filter(|s| s.0 == connection.from && s.1 == edge.source);
            for (_, _, step) in own {
                let step = step + edge.delay.picoseconds() / (DT_US * 1_000_000);
                let key = (connection.to, edge.target, connection.receptor.name(), step);
                *arrivals.entry(key).or_default() += edge.weight;
            }
        });
    }
    arrivals
}

/// A back end that wants arrivals divided into so many shares, however small the network, and notes whether it was asked.
struct Shares(usize, AtomicBool);

impl Backend for Shares {
    fn name(&self) -> &'static str {
        "shares"
    }

    fn shares(&self, _: &[Bank], _: usize, _: &Window) -> usize {
        self.1.store(true, Ordering::Relaxed);
        self.0
    }

    fn advance(&self, _: &mut [Bank], _: &Inbox, _: &Window, _: &mut Advanced) {
        unreachable!("neurons stand still here");
    }
}

/// What does arrive, window by window of the given lengths, by one thread or several in turn.
fn delivered(
    scene: &Scene,
    spikes: &[(GroupId, u32, u64)],
    windows: &[u64],
    pools: &[Option<&Pool>],
    shares: usize,
) -> Arrivals {
    let mut simulation = Simulation::new(scene.clone()).unwrap();
    let dt = Time::from_picoseconds(DT_US * 1_000_000);
    let backend = Shares(shares, AtomicBool::new(false));
    let mut router = Router::build(scene, dt, simulation.world_mut(), &backend).unwrap();
    let is_event = matches!(scene.solver, Solver::Event { .. });
    let mut inbox = Inbox::default();
    let mut arrivals = Arrivals::new();
    let mut first_step = 0;
    for (steps, pool) in windows.iter().cycle().zip(pools.iter().cycle()) {
        if first_step > 1500 {
            break;
        }
        let window = Window { first_step, steps: *steps, dt };
        router.deliver(&window, &mut inbox, &|_| *pool);
        // Spikes of sources may act in this window; those of neurons that are advanced by steps are found in the step
        // before their time.
        let mut found = BTreeMap::<GroupId, Vec<(Time, u32)>>::new();
        for (group, index, step) in spikes {
            let at = match group {
                GroupId::Source(_) => *step,
                GroupId::Population(_) => step - u64::from(!is_event),
            };
            if (first_step..first_step + steps).contains(&at) {
                found.entry(*group).or_default().push((Time::from_steps(*step, dt), *index));
            }
        }
        for (group, spikes) in found {
            router.route(group, &[&spikes], &window, &mut inbox, &|_| *pool);
        }
        let banks = simulation.world().resource::<Banks>();
        let mut block = 0;
        for bank in &banks.0 {
            for own_block in 0..bank.blocks() {
                let mut arrive = |lane: u8, receptor: u8, step: u64, weight: i32| {
                    let slot = (own_block * LANES) as u32 + u32::from(lane);
                    let (member, receptor) = (bank.member(slot), usize::from(receptor));
                    let name = bank.layout.receptors[receptor].name();
                    let pulses = f64::from(weight) / 2.0_f64.powi(member.exponents[receptor]);
                    let key = (member.population, slot - member.first, name, step);
                    *arrivals.entry(key).or_default() += pulses;
                };
                if is_event {
                    let mut all = Vec::new();
                    let ends = inbox.events_of(block, &mut all);
                    assert_eq!(ends[LANES - 1], all.len());
                    for arrival in all {
                        let step = arrival.time.steps(dt);
                        arrive(arrival.lane, arrival.receptor, step, arrival.weight);
                    }
                } else {
                    for (first_of_tile, arrival) in inbox.of_block(block) {
                        let step = first_step + first_of_tile + u64::from(arrival.step);
                        arrive(arrival.lane, arrival.receptor, step, arrival.weight);
                    }
                }
                block += 1;
            }
        }
        first_step += steps;
    }
    arrivals
}

fn spike() -> impl Strategy<Value = (GroupId, u32, u64)> {
    prop_oneof![
        (0_u32..70, 0_u64..500).prop_map(|(k, step)| (GroupId::Source(0), k, step)),
        (0_u32..3, 0_u64..500).prop_map(|(k, step)| (GroupId::Source(1), k, step)),
        (0_u32..70, 1_u64..500).prop_map(|(k, step)| (GroupId::Population(0), k, step)),
        (0_u32..90, 1_u64..500).prop_map(|(k, step)| (GroupId::Population(2), k, step)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: proptest::test_runner::RngSeed::Fixed(2), ..ProptestConfig::default() })]

    #[test]
    fn every_pulse_arrives_once_where_and_when_it_should(
        spikes in proptest::collection::vec(spike(), 0..60),
        delays in proptest::array::uniform5(0_u64..150),
        windows in proptest::collection::vec(1_u64..100, 1..5),
    ) {
        for (solver, least) in [(EULER, 0), (EVENT, 1)] {
            let [a, b, c, d, e] = delays;
            let delays = [a, b, c.max(least), d, e.max(least)];
            let scene = scene(delays, solver);
            // Windows no longer than the scene allows, as the simulation chooses them.
            let shortest = delays[2].min(delays[4]) + 1 - least;
            let windows: Vec<u64> = windows.iter().map(|w| (*w).min(shortest)).collect();
            let expected = expected(&scene, &spikes);
            let [two, three] = [2, 3].map(|threads| Pool::start(threads).unwrap());
            let in_turn = [None, Some(&two), Some(&three)];
            for (pools, shares) in [(&[None][..], 1), (&[None], 3), (&[Some(&three)], 2), (&in_turn, 3)] {
                prop_assert_eq!(&delivered(&scene, &spikes, &windows, pools, shares), &expected);
            }
        }
    }
}

/// The comparison can fail: one spike more is seen.
#[test]
fn the_comparison_sees_one_spike() {
    let scene = scene([0, 1, 2, 3, 4], EULER);
    let spikes = [(GroupId::Source(0), 5, 10), (GroupId::Source(1), 0, 20)];
    assert_eq!(delivered(&scene, &spikes, &[3], &[None], 2), expected(&scene, &spikes));
    assert_ne!(delivered(&scene, &spikes[..1], &[3], &[None], 2), expected(&scene, &spikes));
}

/// Threads have blocks of their own where rounds are short, and among event-driven neurons that mostly drive each other.
#[test]
fn shares_have_blocks_where_these_pay() {
    let text = |connection: &str, solver: &str| {
        let text = format!(
            "(duration: \"1 s\", solver: {solver}, sources: {{ \"s\": (size: 9, train: Spikes([])) }},
            populations: {{ \"p\": (size: 90, model: arcana(soma: (Ipfb_norm: \"1e9 /A\"), ampa: ())) }},
            connections: [
                (from: \"s\", to: \"p\", receptor: ampa, rule: FixedInDegree(k: 3), delay: \"1 ms\"),
                {connection}
            ])"
        );
        parse(&text, std::path::Path::new("."))
    };
    let edges = |k: u32| {
        format!(
            "(from: \"p\", to: \"p\", receptor: ampa, rule: FixedInDegree(k: {k}), delay: \"1 ms\"),"
        )
    };
    let cases = [
        (text("", EVENT), false),
        (text(&edges(3), EVENT), false),
        (text(&edges(4), EVENT), true),
        (text(&edges(1), EULER), true),
        (text("", EULER), false),
    ];
    for (scene, is_asked) in cases {
        let mut simulation = Simulation::new(scene.clone()).unwrap();
        let backend = Shares(2, AtomicBool::new(false));
        let dt = scene.solver.grid();
        Router::build(&scene, dt, simulation.world_mut(), &backend).unwrap();
        let solver = &scene.solver;
        assert_eq!(backend.1.into_inner(), is_asked, "{solver:?}, {:?}", scene.connections.len());
    }
}

/// Binary codes: source k sends the bits of k + 1, one bit per slot of 20 ms. What each neuron
/// receives in the slots, added up with the bits' values for each delay, is the sum of the codes of
/// its sources times their weights: through every rule and law of delays.
#[test]
fn codes_are_decoded_at_the_other_end() {
    const BITS: u64 = 7;
    const SLOT: u64 = 200;
    let rules = [
        "OneToOne",
        "AllToAll(self_connections: false)",
        "FixedProbability(p: 0.2)",
        "FixedInDegree(k: 1)",
        "FixedInDegree(k: 30, self_connections: false, multiple_edges: false)",
        "FixedOutDegree(k: 20)",
        "FixedTotal(n: 3000)",
        "FixedTotal(n: 300, multiple_edges: false)",
        "List([(0, 99), (17, 3, 5), (17, 3, 2), (99, 0)])",
        "File(\"edges.csv\")",
    ];
    let folder = tempfile::tempdir().unwrap();
    let lines: String =
        (0..400).map(|k| format!("{},{},{}\n", k * 7 % 100, k * k % 100, 1 + k % 5)).collect();
    std::fs::write(folder.path().join("edges.csv"), format!("source,target,weight\n{lines}"))
        .unwrap();
    let delays = [
        "\"0.1 ms\"",
        "Uniform(from: \"0.1 ms\", to: \"12.3 ms\")",
        "Normal(mean: \"5 ms\", sd: \"3 ms\", min: \"0.2 ms\", max: \"12 ms\")",
    ];
    for (rule, delay) in rules.iter().flat_map(|rule| delays.map(|delay| (rule, delay))) {
        let weight = if rule.starts_with(['L', 'F']) && rule.contains(['[', '"']) {
            ""
        } else {
            "weight: Uniform(from: 1, to: 7),"
        };
        let text = format!(
            r#"(duration: "1 s", window: "10 ms", solver: Euler(dt: "{DT_US} us"), seed: 5,
                sources: {{ "s": (size: 100, train: Spikes([])) }},
                populations: {{ "p": (size: 100, model: arcana(soma: (Ipfb_norm: "1e9 /A"))) }},
                connections: [
                    (from: "s", to: "p", receptor: ampa, rule: {rule}, {weight} delay: {delay}),
                    (from: "p", to: "p", receptor: ampa, rule: {rule}, {weight} delay: {delay}),
                ])"#
        );
        let scene = parse(&text, folder.path());
        for (group, connection) in
            [GroupId::Source(0), GroupId::Population(0)].into_iter().zip(&scene.connections)
        {
            let mut spikes = Vec::new();
            for (bit, k) in (0..BITS).flat_map(|bit| (0..100_u32).map(move |k| (bit, k))) {
                if (k + 1) >> bit & 1 == 1 {
                    // No neuron fires at the start.
                    spikes.push((group, k, 1 + bit * SLOT));
                }
            }
            let mut decoded: BTreeMap<(u32, u64), f64> = BTreeMap::new();
            for ((_, neuron, _, step), pulses) in delivered(&scene, &spikes, &[2, 1], &[None], 2) {
                let (bit, delay) = ((step - 1) / SLOT, (step - 1) % SLOT);
                *decoded.entry((neuron, delay)).or_default() += pulses * (1 << bit) as f64;
            }
            let mut sent: BTreeMap<(u32, u64), f64> = BTreeMap::new();
            scene.edges(connection).for_each(|edge| {
                let delay = edge.delay.picoseconds() / (DT_US * 1_000_000);
                let code = f64::from(edge.source + 1);
                *sent.entry((edge.target, delay)).or_default() += edge.weight * code;
            });
            assert_eq!(decoded, sent, "{rule}, {delay}, {group:?}");
            assert!(!sent.is_empty());
        }
    }
}

#[test]
fn edges_are_counted() {
    let scene = scene([0, 1, 2, 3, 4], EULER);
    let mut simulation = Simulation::new(scene.clone()).unwrap();
    let dt = Time::from_picoseconds(DT_US * 1_000_000);
    let router = Router::build(&scene, dt, simulation.world_mut(), &Cpu::new(Some(1))).unwrap();
    let edges = 70 + 3 * 70 + 3 * 70 + 3 * 90 + 2 + 3 * 900 + 3 * 90 + 90 * 89;
    assert_eq!(router.edge_count(), edges);
    assert_eq!(router.round_steps(), 3, "the shortest delay between populations is 2 steps");
}

/// A delay beyond the end arrives never, however long it is.
#[test]
fn a_long_delay_does_not_wrap_around() {
    for delay in ["\"10 s\"", "\"65.536 ms\"", "\"4.294967 s\""] {
        let text = format!(
            r#"(duration: "20 ms", solver: Euler(dt: "1 us"),
                sources: {{ "s": (size: 1, train: Regular(rates: "1 kHz")) }},
                populations: {{ "p": (size: 1, model: dynapse1()) }},
                connections: [
                    (from: "s", to: "p", receptor: ampa, rule: OneToOne, delay: {delay}),
                    (from: "p", to: "p", receptor: ampa, rule: OneToOne),
                ],
                probes: {{ "i": Trace(of: "p", vars: [Iampa], neurons: [0], every: "1 ms") }})"#
        );
        let simulation = common::run(parse(&text, std::path::Path::new(".")));
        let trace = simulation.probe::<TraceRecorder>("i").unwrap();
        let variable = Variable::Synapse(Receptor::Ampa);
        assert!(trace.samples(0, variable).all(|(_, i)| i < 1.001e-12), "{delay}");
    }
}

/// Whole weights have the whole range of the sum: a thousand spikes of one source in one step.
#[test]
fn many_spikes_of_one_source_in_one_step() {
    let text = r#"(duration: "4 ms", solver: Euler(dt: "2 ms"),
        sources: { "s": (size: 1, train: Regular(rates: "500 kHz")) },
        populations: { "p": (size: 1, model: dynapse1(ampa: (Iw: "1 pA"))) },
        connections: [(from: "s", to: "p", receptor: ampa, rule: OneToOne)],
        probes: { "i": Trace(of: "p", vars: [Iampa], neurons: [0], every: "2 ms") })"#;
    let simulation = common::run(parse(text, std::path::Path::new(".")));
    let trace = simulation.probe::<TraceRecorder>("i").unwrap();
    let first = trace.samples(0, Variable::Synapse(Receptor::Ampa)).nth(1).unwrap().1;
    // Step 0 gets the spikes of the first half step: 500 of 4 pA each, on top of I0.
    assert!((first / (1e-12 + 500.0 * 4e-12) - 1.0).abs() < 1e-6, "{first:e}");
}
