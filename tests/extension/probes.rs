//! Probes that plugins bring.

use picoamp::prelude::*;

use crate::{NOMINAL, common};

/// A plugin's probe with a table more, its own mistakes, and a system of its own.
mod bursts {
    use std::io::{self, Write};

    use bevy_ecs::prelude::*;
    use picoamp::prelude::*;
    use picoamp::probe::picture::{Frame, Picture};
    use picoamp::probe::{ProbeContext, ProbeKind, Span};
    use picoamp::scene::decode::Fields;
    use picoamp::scene::diagnostics::Diagnostics;
    use picoamp::scene::{GroupId, write};

    /// Windows in which a population fires at least so often.
    #[derive(Debug)]
    struct Bursts {
        of: usize,
        least: u64,
    }

    fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Bursts> {
        let of = fields.need(dx, "of", "a population")?;
        let least = fields.need(dx, "least", "for example least: 10")?;
        let count = least.count(dx)?;
        if count == 0 {
            least.error(dx, "no spike is no burst").help("choose 1 or more");
            return None;
        }
        Some(Bursts { of: context.names.population(&of, dx)?, least: count })
    }

    impl ProbeKind for Bursts {
        fn name(&self) -> &'static str {
            BurstTimes::KIND
        }

        fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
            let of = write::group(scene, GroupId::Population(self.of));
            vec![("of", of), ("least", self.least.to_string())]
        }

        fn bytes(&self, _: &Scene, _: Span) -> u128 {
            123_456
        }

        fn further_tables(&self, _: &Scene) -> Vec<&'static str> {
            vec!["sizes"]
        }

        fn spawn(&self, _: Span, probe: Entity, simulation: &mut Simulation) {
            let recorder = BurstTimes { of: self.of, least: self.least as usize, found: vec![] };
            simulation.world_mut().entity_mut(probe).insert(recorder);
            if simulation.first_time::<BurstTimes>() {
                simulation.add_systems(WindowSet::Measure, find);
            }
        }

        fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
            probe.get::<BurstTimes>().map(|recorder| recorder as &dyn Record)
        }
    }

    #[derive(Component)]
    pub struct BurstTimes {
        of: usize,
        least: usize,
        pub found: Vec<(Time, usize)>,
    }

    fn find(window: Res<Window>, spikes: Res<WindowSpikes>, mut bursts: Query<&mut BurstTimes>) {
        for mut bursts in &mut bursts {
            let spikes = &spikes.populations[bursts.of];
            assert!(spikes.is_sorted(), "probes see sorted spikes");
            if spikes.len() >= bursts.least {
                bursts.found.push((window.start(), spikes.len()));
            }
        }
    }

    impl Probe for BurstTimes {
        const KIND: &'static str = "Bursts";
    }

    impl Record for BurstTimes {
        fn table(&self, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "time_s")?;
            self.found.iter().try_for_each(|(time, _)| writeln!(out, "{time}"))
        }

        fn further_table(&self, table: &str, out: &mut dyn Write) -> io::Result<()> {
            writeln!(out, "{table}")?;
            self.found.iter().try_for_each(|(_, size)| writeln!(out, "{size}"))
        }

        fn picture(&self, frame: Frame) -> Picture {
            Picture::from_svg(format!("<svg><text>{}</text></svg>", frame.title))
        }
    }

    pub struct BurstPlugin;

    impl Plugin for BurstPlugin {
        fn register(&self, plugins: &mut Plugins) {
            plugins.add_probe("Bursts", read);
        }
    }
}

/// A plugin's own probe is named by a scene, run, printed by `resolve`, counted by the check, and
/// written with its tables and picture like any other.
#[test]
fn a_probe_of_a_plugin() {
    use picoamp::results::{Dump, ResultsFolder, RunReport};
    use picoamp::scene::estimate::{Estimate, Recording};

    let plugins = Plugins::default().with(bursts::BurstPlugin);
    let sets = ["probes.bursts=Bursts(of: \"dpi\", least: 600)", "probes.out=Spikes(of: \"dpi\")"];
    let loaded = plugins.load(common::file(NOMINAL), &sets.map(String::from)).unwrap();
    let text = picoamp::scene::write::to_ron(&loaded.scene, |file| file.path.clone());
    assert!(text.contains("\"bursts\": Bursts(of: \"dpi\", least: 600)"), "{text}");
    let memory = Estimate::of(&loaded.scene, Recording::Kept).memory;
    assert!(memory.contains(&("probe `bursts`".into(), 123_456)));

    let folder = tempfile::tempdir().unwrap();
    let mut results =
        ResultsFolder::claim(folder.path(), false, &loaded.scene, Dump::default()).unwrap();
    let mut simulation = plugins.build(loaded.scene).unwrap();
    simulation.run().unwrap();
    let report = RunReport {
        outcome: Ok(()),
        warnings: &loaded.warnings,
        threads: 1,
        load: std::time::Duration::ZERO,
    };
    let summary = results.write(&simulation, &report).unwrap();

    // The ten windows of 100 ms, counted from the recorded spikes: (start, end] in Euler's times.
    let spikes = simulation.probe::<SpikeRecorder>("out").unwrap().spikes();
    let window = |k: u64| Time::from_picoseconds(k * 100_000_000_000);
    let count = |k| spikes.iter().filter(|(t, _)| *t > window(k) && *t <= window(k + 1)).count();
    let expected: Vec<_> =
        (0..10).map(|k| (window(k), count(k))).filter(|(_, n)| *n >= 600).collect();
    assert!((1..10).contains(&expected.len()), "{expected:?}");
    let bursts = simulation.probe::<bursts::BurstTimes>("bursts").unwrap();
    assert_eq!(bursts.found, expected);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let times: Vec<String> = expected.iter().map(|(time, _)| format!("{time}\n")).collect();
    assert_eq!(read("bursts.csv"), format!("time_s\n{}", times.concat()));
    let sizes: Vec<String> = expected.iter().map(|(_, size)| format!("{size}\n")).collect();
    assert_eq!(read("bursts.sizes.csv"), format!("sizes\n{}", sizes.concat()));
    assert_eq!(read("bursts.svg"), "<svg><text>ff_nominal · bursts</text></svg>");
    for name in ["bursts.csv", "bursts.sizes.csv", "bursts.svg", "ff.csv", "out.svg"] {
        assert!(summary.files.iter().any(|file| file == name), "{name}");
    }
    let error = simulation.probe::<SpikeRecorder>("bursts").unwrap_err().to_string();
    assert!(error.ends_with("bursts (Bursts: BurstTimes), out (Spikes: SpikeRecorder)"), "{error}");
}

/// Its mistakes stand at their places, and a misspelt name offers it.
#[test]
fn mistakes_in_a_probe_of_a_plugin() {
    let plugins = Plugins::default().with(bursts::BurstPlugin);
    let sets = [
        "probes.a=Bursts(of: \"dpi\", least: 0)",
        "probes.b=Bursts(of: \"dip\", least: 5, most: 7)",
        "probes.c=Burst(of: \"dpi\", least: 5)",
    ];
    let error = plugins.load(common::file(NOMINAL), &sets.map(String::from)).unwrap_err();
    let Error::Scene(report) = error else { panic!("{error}") };
    let findings: Vec<String> = report
        .findings()
        .iter()
        .map(|found| format!("{found}; {}", found.finding().help.as_deref().unwrap_or("")))
        .collect();
    let known = "Spikes, Trace, Ff, Fi, Rate, Rates, Isi, Intervals, Fano, Bursts";
    assert_eq!(
        findings,
        [
            "probes.a.least: no spike is no burst; choose 1 or more".to_string(),
            "probes.b.of: there is no population `dip`; did you mean `dpi`? only `dpi` is known here"
                .to_string(),
            "probes.b.most: there is no field `most` here; known here are window, of, least, format"
                .to_string(),
            format!("probes.c: `Burst` is not a probe; did you mean `Bursts`? known here are {known}"),
        ]
    );
}
