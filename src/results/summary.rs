//! `summary.json`: a run in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use bevy_ecs::prelude::World;

use super::RunReport;
use crate::backend::{CurrentBackend, EventWork};
use crate::bank::{Banks, Neurons};
use crate::error::Error;
use crate::network::Router;
use crate::probe::digest::{self, SpikeDigests};
use crate::scene::spawn::RealisedMismatch;
use crate::scene::{Scene, Solver as SceneSolver, hint};
use crate::simulation::{Simulation, StageTimes};
use crate::table::TableRecord;

/// The version of this form that this program writes, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 1;
/// The status of a run that lasts, or was killed.
pub const UNFINISHED: &str = "unfinished";

/// A run in numbers. Times are in seconds, values in SI units.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Version of this form: 1.
    pub schema_version: u32,
    /// Version of the program.
    pub program_version: &'static str,
    /// Name of the scene.
    pub scene: String,
    /// `complete`, `interrupted` or `failed`.
    pub status: &'static str,
    /// Why the run ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Seed of all draws.
    pub seed: u64,
    /// Back end.
    pub backend: &'static str,
    /// Threads that it could use.
    pub threads: usize,
    /// Solver and its step.
    pub solver: Solver,
    /// Simulated time that the scene asks for.
    pub duration_s: f64,
    /// Simulated time that was reached.
    pub simulated_s: f64,
    /// Draws of the mismatch side by side.
    pub replicas: u64,
    /// Neurons of all populations and replicas.
    pub neurons: u64,
    /// Synapse circuits of all populations and replicas.
    pub circuits: u64,
    /// Spike sources.
    pub sources: u64,
    /// Edges.
    pub edges: u64,
    /// Output spikes by population.
    pub spikes: BTreeMap<String, u64>,
    /// Digest of the sorted (neuron, time) pairs by population, and `total`.
    pub spike_hash: BTreeMap<String, String>,
    /// Realised mismatch by population and bias.
    pub mismatch: BTreeMap<String, BTreeMap<String, Mismatch>>,
    /// Given input spikes at or after the end, by source.
    pub ignored_input_spikes: BTreeMap<String, u64>,
    /// Warnings of the scene.
    pub warnings: Vec<String>,
    /// What the scene might do better, and what the back end did otherwise than asked.
    pub hints: Vec<String>,
    /// Wall time by stage.
    pub wall_s: WallTimes,
    /// Simulated neuron-seconds for each second of wall time in the windows.
    pub neuron_seconds_per_second: f64,
    /// The tables of `Spikes` and `Trace` probes: their files, rows and units.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, TableRecord>,
    /// The other files of the folder.
    pub files: Vec<String>,
}

/// The solver.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Solver {
    /// `Event` or `Euler`.
    pub name: &'static str,
    /// Euler's step; of the event-driven solver the step of populations that are advanced by steps, if
    /// there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dt_s: Option<f64>,
    /// The tolerance of spike times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance_s: Option<f64>,
    /// `single` or `double`: the precision of each event-driven population.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub precision: BTreeMap<String, &'static str>,
    /// Right-hand sides of all event-driven neurons, all stages, rejected steps and pieces in closed
    /// form included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right_sides: Option<u64>,
    /// Their adaptive steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Those of them that were rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_steps: Option<u64>,
}

/// Mismatch of a bias.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mismatch {
    /// The law it was drawn from; none when all values come from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub law: Option<&'static str>,
    /// The coefficient of variation that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_cv: Option<f64>,
    /// Nominal value.
    pub nominal: f64,
    /// Mean of the instances.
    pub mean: f64,
    /// Standard deviation over mean of the instances.
    pub cv: f64,
    /// Draws that the floor replaced.
    pub floored: u64,
}

/// Wall time by stage, s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WallTimes {
    /// Reading and deciding the scene.
    pub load: f64,
    /// Spawning entities and drawing mismatch.
    pub spawn: f64,
    /// Building the table of edges.
    pub connect: f64,
    /// All windows.
    pub run: f64,
    /// The back end's part of `run`: stepping the neurons.
    pub advance: f64,
    /// The part of host models, neuron by neuron on one thread.
    pub host: f64,
    /// Writing tables and pictures.
    pub write: f64,
}

impl Summary {
    pub(super) fn new(
        simulation: &Simulation,
        report: &RunReport,
        files: Vec<String>,
        tables: BTreeMap<String, TableRecord>,
        write: Duration,
    ) -> Summary {
        let (scene, world) = (simulation.scene(), simulation.world());
        let times = world.resource::<StageTimes>();
        let digests = &world.resource::<SpikeDigests>().0;
        let named = || scene.populations.keys().map(String::as_str).zip(digests.iter().copied());
        let mut spike_hash: BTreeMap<String, String> =
            named().map(|(name, digest)| (name.to_string(), digest.hex())).collect();
        spike_hash.insert("total".into(), digest::total(named()));
        let neurons = scene.populations.values().map(|p| p.size).sum::<u64>() * scene.replicas;
        let simulated_s = simulation.time().seconds();
        let run_s = times.run.as_secs_f64();
        let ignored = scene.sources.iter().filter_map(|(name, source)| {
            let late =
                source.train.listed().iter().filter(|(_, time)| *time >= scene.duration).count()
                    as u64;
            (late > 0).then(|| (name.clone(), late))
        });
        Summary {
            schema_version: SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION"),
            scene: scene.name.clone(),
            status: match report.outcome {
                Ok(()) => "complete",
                Err(Error::Interrupted { .. }) => "interrupted",
                Err(_) => "failed",
            },
            error: report.outcome.err().map(ToString::to_string),
            seed: scene.seed,
            backend: world.resource::<CurrentBackend>().0.name(),
            threads: report.threads,
            solver: solver(scene, world),
            duration_s: scene.duration.seconds(),
            simulated_s,
            replicas: scene.replicas,
            neurons,
            circuits: scene
                .populations
                .values()
                .map(|p| p.size * p.model.circuits().present.len() as u64)
                .sum::<u64>()
                * scene.replicas,
            sources: scene.sources.values().map(|s| s.size).sum(),
            edges: world.get_resource::<Router>().map_or(0, |r| r.edge_count() as u64),
            spikes: named().map(|(name, digest)| (name.to_string(), digest.count)).collect(),
            spike_hash,
            mismatch: mismatch(scene, world.resource::<RealisedMismatch>()),
            ignored_input_spikes: ignored.collect(),
            warnings: report.warnings.findings().iter().map(ToString::to_string).collect(),
            hints: hint::coarse_step(scene)
                .into_iter()
                .chain(world.resource::<CurrentBackend>().0.remarks())
                .collect(),
            wall_s: WallTimes {
                load: report.load.as_secs_f64(),
                spawn: times.spawn.as_secs_f64(),
                connect: times.connect.as_secs_f64(),
                run: run_s,
                advance: times.advance.as_secs_f64(),
                host: times.host.as_secs_f64(),
                write: write.as_secs_f64(),
            },
            neuron_seconds_per_second: if run_s > 0.0 {
                neurons as f64 * simulated_s / run_s
            } else {
                0.0
            },
            tables,
            files,
        }
    }
}

fn solver(scene: &Scene, world: &World) -> Solver {
    let any_stepped = (0..scene.populations.len()).any(|k| scene.is_stepped(k));
    let SceneSolver::Event { tolerance, step } = scene.solver else {
        let (name, dt_s) = ("Euler", Some(scene.solver.step().seconds()));
        let (tolerance_s, precision) = (None, BTreeMap::new());
        let (right_sides, steps, rejected_steps) = (None, None, None);
        return Solver { name, dt_s, tolerance_s, precision, right_sides, steps, rejected_steps };
    };
    let mut precision = BTreeMap::new();
    for bank in &world.resource::<Banks>().0 {
        let Neurons::Event(neurons) = &bank.neurons else { continue };
        for member in &bank.members {
            if let Some((name, _)) = scene.populations.get_index(member.population) {
                precision.insert(name.clone(), neurons.precision());
            }
        }
    }
    let work = world.resource::<EventWork>().0;
    Solver {
        name: "Event",
        dt_s: any_stepped.then_some(step.seconds()),
        tolerance_s: Some(tolerance.seconds()),
        precision,
        right_sides: Some(work.right_sides),
        steps: Some(work.steps),
        rejected_steps: Some(work.rejected),
    }
}

fn mismatch(
    scene: &Scene,
    realised: &RealisedMismatch,
) -> BTreeMap<String, BTreeMap<String, Mismatch>> {
    let of_bias = |r: &crate::scene::spawn::Realised| {
        let mismatch = Mismatch {
            law: r.law.map(|law| law.name()),
            asked_cv: r.law.map(|law| law.cv()),
            nominal: r.nominal,
            mean: r.mean,
            cv: r.cv,
            floored: r.floored,
        };
        (r.bias.to_string(), mismatch)
    };
    scene
        .populations
        .keys()
        .zip(&realised.0)
        .filter(|(_, biases)| !biases.is_empty())
        .map(|(name, biases)| (name.clone(), biases.iter().map(of_bias).collect()))
        .collect()
}
