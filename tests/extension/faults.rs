//! What stops a run by name, and what is kept then.

use bevy_ecs::prelude::*;
use picoamp::prelude::*;

use crate::NOMINAL;
use crate::common::{parse, run, scene};

/// A NaN stops the run with the neuron's name and the time; what was recorded is kept.
#[test]
fn a_nan_stops_the_run_and_keeps_the_record() {
    fn poison(window: Res<Window>, mut somas: Query<(&Neuron, &mut Soma)>) {
        for (neuron, mut soma) in &mut somas {
            if neuron.index == 123 && window.start() == Time::from_seconds(0.3).unwrap() {
                soma.i_gain = f64::NAN;
            }
        }
    }
    let sets = ["probes.out=Spikes(of: \"dpi\")"];
    let complete = run(scene(NOMINAL, &sets));
    let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
    simulation.add_systems(WindowSet::First, poison);
    let error = simulation.run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state of neuron 123 of `dpi` is not a number at t = 0.301 s"
    );
    assert_eq!(error.exit_code(), 1);
    let spikes = |s: &Simulation| s.probe::<SpikeRecorder>("out").unwrap().spikes().to_vec();
    let before = |(time, _): &(Time, u32)| *time <= Time::from_seconds(0.3).unwrap();
    let expected: Vec<_> = spikes(&complete).into_iter().filter(before).collect();
    assert_eq!(spikes(&simulation), expected);
    let trace = simulation.probe::<TraceRecorder>("vmem").unwrap();
    assert_eq!(trace.samples(20, Variable::Vmem).last().unwrap().0.to_string(), "0.3");
}

/// The same from event to event, in every precision, and wherever in a neuron it comes from.
#[test]
fn a_nan_stops_an_event_driven_run() {
    let biases: [fn(&mut Soma); 4] = [
        |soma| soma.i_gain = f64::NAN,
        |soma| soma.i_tau = f64::NAN,
        |soma| soma.i_dc = f64::NAN,
        |soma| soma.c = f64::NAN,
    ];
    let own = "soma: (Idc: \"30 pA\", Ipfb_norm: \"1.4e9 /A\"), ampa: (Iw: \"100 pA\")";
    let models = [
        format!("arcana({own})"),
        format!("arcana({own}, gabab: (Iw: \"10 pA\"))"),
        "dynapse1(soma: (Idc: \"30 pA\"))".to_owned(),
    ];
    for (model, poison) in models.iter().flat_map(|model| biases.map(|poison| (model, poison))) {
        let text = format!(
            r#"(
                duration: "50 ms", window: "10 ms",
                sources: {{ "in": (size: 5, train: Regular(rates: "500 Hz")) }},
                populations: {{ "dpi": (size: 5, model: {model}) }},
                connections: [(from: "in", to: "dpi", receptor: ampa, rule: OneToOne)],
            )"#
        );
        let mut simulation = Simulation::new(parse(&text, std::path::Path::new("."))).unwrap();
        simulation.add_systems(
            WindowSet::First,
            move |window: Res<Window>, mut somas: Query<(&Neuron, &mut Soma)>| {
                let is_time = window.start() == Time::from_seconds(0.02).unwrap();
                let third = somas.iter_mut().find(|(neuron, _)| is_time && neuron.index == 3);
                third.into_iter().for_each(|(_, mut soma)| poison(&mut soma));
            },
        );
        let error = simulation.run().unwrap_err().to_string();
        let expected = "the state of neuron 3 of `dpi` is not a number at t = 0.02";
        assert!(error.starts_with(expected), "{model}: {error}");
    }
}

/// Pulses beyond the fixed-point sum stop the run by name instead of wrapping around.
#[test]
fn an_overflowing_sum_stops_the_run() {
    // 2¹⁵ pulses of weight 2¹⁶ in one step are one too many for 31 bits; the time is that of the
    // first step in which it happens.
    let times = [vec!["\"5 ms\""; 1 << 15], vec!["\"9 ms\""; 1 << 15]].concat().join(", ");
    let text = format!(
        r#"(
            duration: "20 ms", solver: Euler(dt: "1 ms"),
            sources: {{ "in": (size: 1, train: Spikes([{times}])) }},
            populations: {{ "dpi": (size: 3, model: arcana(soma: (Ipfb_norm: "1e9 /A"))) }},
            connections: [
                (from: "in", to: "dpi", to_neurons: [2], receptor: gabab, rule: OneToOne, weight: 65536),
            ],
        )"#
    );
    let mut simulation = Simulation::new(parse(&text, std::path::Path::new("."))).unwrap();
    let error = simulation.run().unwrap_err().to_string();
    assert!(
        error.starts_with("the pulses that arrive at gabab of neuron 2 of `dpi` at t = 0.005 s"),
        "{error}"
    );
}
