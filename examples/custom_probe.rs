//! A user's own probe, which scenes can name like a built-in one.
//!
//! `Latency(of: "dpi", after: "100 ms")` records how long each neuron takes to its first spike from
//! a moment on, which is all that it keeps. Its table and its picture stand in the results folder
//! beside those of the other probes, and its mistakes in a scene are shown as theirs are.
//!
//!     cargo run --release --example custom_probe

use std::io::{self, Write};

use bevy_ecs::prelude::*;
use picoamp::circuit::Domain;
use picoamp::network::WindowSpikes;
use picoamp::prelude::*;
use picoamp::probe::listener::{self, Emitters, Hears, Listener};
use picoamp::probe::picture::{self, Dots, Frame, Picture};
use picoamp::probe::{ProbeContext, ProbeKind, Span};
use picoamp::results::{Dump, ResultsFolder, RunReport};
use picoamp::scene::decode::Fields;
use picoamp::scene::diagnostics::Diagnostics;
use picoamp::scene::write;

/// What a scene says.
#[derive(Debug)]
struct Latency {
    emitters: Emitters,
    after: Time,
}

impl Latency {
    /// Reads the fields of the probe. Every mistake is reported at its place; `of` and `neurons` are
    /// those of the built-in probes.
    fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Latency> {
        let emitters = Emitters::read(fields, context, dx);
        let after_at = fields.need(dx, "after", "for example after: \"100 ms\"")?;
        let after = after_at.time(dx, Domain::NonNegative)?;
        if context.recorded.is_some_and(|recorded| after >= recorded) {
            after_at
                .error(dx, format!("{after} s is not within what is recorded"))
                .help("choose the moment of a stimulus");
            return None;
        }
        Some(Latency { emitters: emitters?, after })
    }
}

impl ProbeKind for Latency {
    fn name(&self) -> &'static str {
        FirstSpikes::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let mut fields = self.emitters.fields(scene);
        fields.push(("after", write::time(self.after)));
        fields
    }

    fn bytes(&self, scene: &Scene, _: Span) -> u128 {
        let first_spikes = u128::from(self.emitters.count(scene)) * 16;
        self.emitters.bytes(scene) + first_spikes
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let listener = Listener::new(simulation.scene(), &self.emitters, span);
        let first = vec![None; listener.neurons().len()];
        let recorder = FirstSpikes { listener, after: self.after, first };
        listener::attach(recorder, probe, simulation);
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<FirstSpikes>().map(|recorder| recorder as &dyn Record)
    }
}

/// The recorder: a component of the probe's entity.
#[derive(Component)]
struct FirstSpikes {
    listener: Listener,
    after: Time,
    first: Vec<Option<Time>>,
}

impl FirstSpikes {
    /// Neuron and latency, s, of those that have fired.
    fn latencies(&self) -> impl Iterator<Item = (u32, f64)> + '_ {
        let first = self.listener.neurons().iter().zip(&self.first);
        first.filter_map(|(neuron, time)| Some((*neuron, ((*time)? - self.after).seconds())))
    }
}

impl Hears for FirstSpikes {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        self.listener.hear(window, spikes, |time, _, k| {
            if time >= self.after && self.first[k].is_none() {
                self.first[k] = Some(time);
            }
        });
    }
}

impl Probe for FirstSpikes {
    const KIND: &'static str = "Latency";
}

impl Record for FirstSpikes {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "neuron,latency_s")?;
        self.latencies().try_for_each(|(neuron, latency)| writeln!(out, "{neuron},{latency}"))
    }

    fn picture(&self, frame: Frame) -> Picture {
        let points: Vec<(f64, f64)> =
            self.latencies().map(|(neuron, s)| (f64::from(neuron), 1e3 * s)).collect();
        picture::dots(&Dots {
            frame,
            x_label: "neuron",
            y_label: "latency (ms)",
            points: &points,
            note: Some(format!("{} of {} neurons fired", points.len(), self.first.len())),
            ..Dots::default()
        })
    }
}

/// Brings the probe. The recorder's system comes with the first probe of the kind.
struct LatencyPlugin;

impl Plugin for LatencyPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_probe(FirstSpikes::KIND, Latency::read);
    }
}

fn main() -> Result<(), Error> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenes/latency.ron");
    let plugins = Plugins::default().with(LatencyPlugin);
    let loaded = plugins.load(path, &[])?;
    let dump = Dump::default();
    let mut folder = ResultsFolder::claim("runs/latency", true, &loaded.scene, dump)?;
    let mut simulation = plugins.build(loaded.scene)?;
    let outcome = simulation.run();
    let report = RunReport {
        outcome: outcome.as_ref().copied(),
        warnings: &loaded.warnings,
        threads: 1,
        load: Default::default(),
    };
    folder.write(&simulation, &report)?;
    outcome?;

    let recorder = simulation.probe::<FirstSpikes>("latency")?;
    let mut latencies: Vec<(u32, f64)> = recorder.latencies().collect();
    latencies.sort_by(|a, b| a.1.total_cmp(&b.1));
    println!("{} of {} neurons fired", latencies.len(), recorder.first.len());
    if let (Some(first), Some(last)) = (latencies.first(), latencies.last()) {
        println!("first neuron {} after {:.2} ms", first.0, 1e3 * first.1);
        println!("last  neuron {} after {:.2} ms", last.0, 1e3 * last.1);
    }
    println!("tables and pictures are in {}", folder.path().display());
    Ok(())
}
