//! Trains that plugins bring.

use picoamp::prelude::*;

use crate::{common, custom_source};

/// A train that a plugin brings: named in a scene, fired, written and read back like a built-in one.
#[test]
fn a_plugin_brings_a_train() {
    let plugins = Plugins::default().with(custom_source::BurstPlugin);
    let path = common::file("examples/scenes/bursts.ron");
    let spikes = |simulation: &mut Simulation| {
        simulation.run().unwrap();
        simulation.probe::<SpikeRecorder>("input").unwrap().spikes().to_vec()
    };
    let loaded = plugins.load(&path, &[]).unwrap();
    let decided = picoamp::scene::write::to_ron(&loaded.scene, |file| file.path.clone());
    let found = spikes(&mut plugins.build(loaded.scene).unwrap());
    // Source i of 3 fires burst b at (b + i/3)/4 s, five spikes 3 ms apart.
    let mut expected = Vec::new();
    for source in 0..3 {
        for burst in 0..4 {
            for spike in 0..5 {
                let start = (f64::from(burst) + f64::from(source) / 3.0) / 4.0;
                expected.push((start + 3e-3 * f64::from(spike), source as u32));
            }
        }
    }
    expected.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(found.len(), 60);
    for ((time, source), (seconds, of)) in found.iter().zip(&expected) {
        assert!((time.seconds() - seconds).abs() < 2e-12 && source == of, "{time} {source}");
    }
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("decided.ron");
    std::fs::write(&again, decided).unwrap();
    assert_eq!(spikes(&mut plugins.simulation(&again).unwrap()), found);
    // The requested rate of a source is on the axes of probes: a train says it.
    assert_eq!(
        plugins.load(&again, &[]).unwrap().scene.sources["bursts"].train.rate(0),
        Some(20.0)
    );
}

/// Mistakes in a plugin's parameters stand at their place in the scene; without the plugin, its name
/// is unknown.
#[test]
fn mistakes_in_a_plugins_train_are_reported_at_their_place() {
    let path = common::file("examples/scenes/bursts.ron");
    let messages = |plugins: &Plugins, set: &str| {
        let Err(Error::Scene(report)) = plugins.load(&path, &[set.to_string()]) else {
            panic!("{set} is to be refused");
        };
        let findings = report.findings().iter().map(|located| {
            let (_, line, column) = located.place().unwrap();
            let help = located.finding().help.clone().unwrap();
            format!("{line}:{column} {located}\n  help: {help}\n")
        });
        format!("{set}\n{}", findings.collect::<String>())
    };
    let plugins = Plugins::default().with(custom_source::BurstPlugin);
    let text = [
        "sources.bursts.train.interval=60 ms",
        "sources.bursts.train.spikes=-5",
        "sources.bursts.train.rate=2 MHz",
        "sources.bursts.train=Burst(rate: \"4 Hz\", spikes: 5, intervall: \"1 ms\")",
        "sources.bursts.train=Bursts(rate: \"4 Hz\")",
    ]
    .map(|set| messages(&plugins, set))
    .concat();
    let without = messages(&Plugins::default(), "name=without");
    insta::assert_snapshot!(text + &without, @r#"
    sources.bursts.train.interval=60 ms
    1:31 sources.bursts.train.interval: 5 spikes every 0.06 s take 0.3 s, longer than from one burst to the next
      help: 4 Hz leave 0.25 s for a burst
    sources.bursts.train.spikes=-5
    1:29 sources.bursts.train.spikes: expected a whole number, 0 or greater, found -5
      help: write it like 200
    sources.bursts.train.rate=2 MHz
    1:27 sources.bursts.train.rate: 2000000 Hz is above 1 MHz
      help: the highest rate of a source is 1 MHz; use several sources
    sources.bursts.train=Burst(rate: "4 Hz", spikes: 5, intervall: "1 ms")
    1:22 sources.bursts.train: `interval` is missing
      help: for example interval: "3 ms"
    1:53 sources.bursts.train.intervall: there is no field `intervall` here
      help: did you mean `interval`? known here are rate, spikes, interval
    sources.bursts.train=Bursts(rate: "4 Hz")
    1:22 sources.bursts.train: `Bursts` is not a train
      help: did you mean `Burst`? known here are Regular, Poisson, Spikes, File, Adm, Burst
    name=without
    9:36 sources.bursts.train: `Burst` is not a train
      help: known here are Regular, Poisson, Spikes, File, Adm; if a plugin brings it, use the program that has the plugin
    "#);
}
