//! The scenes show what their opening comments say.

mod common;

use common::{run, scene};
use picoamp::prelude::*;

/// Spikes of a population's recorder between two times, s.
fn count(simulation: &Simulation, probe: &str, from: f64, to: f64) -> usize {
    let spikes = simulation.probe::<SpikeRecorder>(probe).unwrap().spikes();
    spikes.iter().filter(|(time, _)| (from..to).contains(&time.seconds())).count()
}

#[test]
fn receptors() {
    let simulation = run(scene("scenes/receptors.ron", &[]));
    let in_100_ms = |from: f64| count(&simulation, "spikes", from, from + 0.1);
    let rest = in_100_ms(0.1);
    assert!((3..=4).contains(&rest), "{rest}");
    assert!((8..=10).contains(&in_100_ms(0.2)), "AMPA raises the rate");
    assert!(in_100_ms(0.3) <= rest + 1, "and lets it go at once");
    assert!((6..=8).contains(&in_100_ms(0.5)), "NMDA raises the rate");
    assert!(in_100_ms(0.6) > rest, "and lets it go slowly");
    assert_eq!(in_100_ms(0.8), 0, "GABA_A silences");
    assert_eq!(in_100_ms(1.1), 0, "GABA_B silences");
    assert!(in_100_ms(1.3) >= rest, "and the neuron comes back");
}

#[test]
fn adm() {
    let simulation = run(scene("scenes/adm.ron", &[]));
    let events = simulation.probe::<SpikeRecorder>("events").unwrap();
    assert_eq!(events.counts(), [39, 40]);
    let rises = |time: &Time| (2.0 * std::f64::consts::TAU * time.seconds()).cos() > 0.0;
    assert!(events.spikes().iter().all(|(time, source)| rises(time) == (*source == 0)));
    // Densest at the crossings of zero, where the slope is 1.05·4π: 0.1 of it every 7.6 ms.
    let intervals = events.spikes().windows(2).map(|pair| (pair[1].0 - pair[0].0).seconds());
    let shortest = intervals.fold(1.0, f64::min);
    assert!((shortest - 0.1 / (1.05 * 2.0 * std::f64::consts::TAU)).abs() < 1e-4, "{shortest}");
    let spikes = simulation.probe::<SpikeRecorder>("spikes").unwrap();
    assert!(spikes.counts().iter().all(|count| *count >= 30));
    // A spike follows its input within some milliseconds.
    let late = Time::from_seconds(5e-3).unwrap();
    let in_turn = |(time, neuron): &&(Time, u32)| rises(&(*time - late)) == (*neuron == 0);
    let stray = spikes.spikes().len() - spikes.spikes().iter().filter(in_turn).count();
    assert!(stray <= 2, "{stray} spikes out of turn");
}

#[test]
fn ff_curves() {
    let rows = |path: &str| {
        let simulation = run(scene(path, &[]));
        simulation.probe::<FfCurve>("ff").unwrap().rows()
    };
    let nominal = rows("scenes/ff_nominal.ron");
    assert_eq!([10, 100, 199].map(|k| nominal[k].output_spikes), [14, 29, 35]);
    let drawn = rows("scenes/ff_mismatch.ron");
    let scatter = nominal.iter().zip(&drawn).map(|(a, b)| (a.output_hz - b.output_hz).powi(2));
    let deviation = (scatter.sum::<f64>() / 200.0).sqrt();
    assert!((1.0..5.0).contains(&deviation), "a scatter of {deviation} Hz");
}
