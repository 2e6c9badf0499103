//! Probes: what is recorded of a run.
//!
//! A probe is an entity with a name and one of the components below. They are fed at the end of
//! each window and can be read as values at any time with
//! [`Simulation::probe`](crate::Simulation::probe).
//!
//! | probe | records |
//! |---|---|
//! | [`SpikeRecorder`] | spike times of a source or population |
//! | [`TraceRecorder`] | state variables of neurons against time |
//! | [`FfCurve`] | input rate against output rate, neuron by neuron |

pub mod digest;
pub mod ff;
pub mod picture;
pub mod spikes;
pub mod trace;

use std::collections::BTreeMap;
use std::io::{self, Write};

use bevy_ecs::component::Component;
use bevy_ecs::prelude::*;

use crate::network::WindowSpikes;
use crate::scene::{ProbeKind, Scene, Solver};
use crate::schedule::{BuiltIn, Window, WindowSet};
use crate::simulation::{Plugin, Simulation};
use crate::time::Time;

pub use ff::{FfCurve, FfRow};
pub use spikes::SpikeRecorder;
pub use trace::TraceRecorder;

/// The name of a probe in the scene.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct ProbeName(pub String);

/// A kind of probe: how its record is shown.
pub trait Probe: Component {
    /// The name of the kind in scenes.
    const KIND: &'static str;

    /// Writes the record as CSV (RFC 4180).
    ///
    /// # Errors
    /// Those of the writer.
    fn table(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Draws the record as SVG.
    fn picture(&self, title: &str) -> String;
}

/// The span of time that a probe records: `from` ≤ t < `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First moment.
    pub from: Time,
    /// First moment that is no longer recorded; [`Time::MAX`]: to the end, with the end.
    pub to: Time,
}

impl Span {
    /// Whether a moment is recorded.
    #[must_use]
    pub fn contains(&self, time: Time) -> bool {
        time >= self.from && time < self.to
    }

    /// How much of a window is recorded.
    #[must_use]
    pub fn overlap(&self, window: &Window) -> Time {
        self.to.min(window.end()) - self.from.max(window.start())
    }
}

/// The entities of probes by name.
#[derive(Resource, Debug, Default)]
pub struct ProbeEntities(pub BTreeMap<String, Entity>);

/// Spawns the probes of a scene and asks the banks for the samples they need.
pub fn spawn(scene: &Scene, world: &mut World) {
    let digests = vec![digest::SpikeDigest::default(); scene.populations.len()];
    world.insert_resource(digest::SpikeDigests(digests));
    let mut entities = BTreeMap::new();
    for (name, probe) in &scene.probes {
        let span = Span { from: probe.from, to: probe.to };
        let mut entity = world.spawn(ProbeName(name.clone()));
        entities.insert(name.clone(), entity.id());
        match &probe.kind {
            ProbeKind::Spikes { of, neurons } => {
                entity.insert(SpikeRecorder::new(scene, *of, neurons, span));
            }
            ProbeKind::Trace { .. } => {
                let id = entity.id();
                trace::spawn(scene, probe, span, id, world);
            }
            ProbeKind::Ff { input, output } => {
                entity.insert(FfCurve::new(scene, *input, *output, span));
            }
        }
    }
    world.insert_resource(ProbeEntities(entities));
}

/// The end of what a probe records, for the axes of its picture.
fn shown_span(probe: Span, end: Time) -> (f64, f64) {
    (probe.from.min(end).seconds(), probe.to.min(end).seconds())
}

/// Sorts the spikes of the window, for everybody who reads them.
fn sort_spikes(mut spikes: ResMut<WindowSpikes>) {
    spikes.sort();
}

/// Adds the probes and the stage that feeds them.
pub struct ProbePlugin;

impl Plugin for ProbePlugin {
    fn build(&self, simulation: &mut Simulation) {
        simulation.add_systems(
            WindowSet::Measure,
            (sort_spikes, digest::digest, spikes::record, trace::record, ff::count)
                .chain()
                .in_set(BuiltIn),
        );
    }
}

/// The step of the solver, s, for what counts in steps.
fn step(scene: &Scene) -> Time {
    let Solver::Euler { dt } = scene.solver;
    dt
}
