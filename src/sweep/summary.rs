//! `summary.json` of a sweep.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Runner;
use super::journal::Reached;
use super::point::Layout;
use super::points::Row;
use crate::error::Error;
use crate::results::summary::SCHEMA_VERSION;
use crate::scene::sweep::{Coordinate, Form, Seeds};

/// A sweep in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Version of this form.
    pub schema_version: u32,
    /// Version of the program.
    pub program_version: &'static str,
    /// Name of the scene.
    pub scene: String,
    /// `complete`, `interrupted`, or `failed`: the sweep, or points of it.
    pub status: &'static str,
    /// Why it ended early, or which point failed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Seed of the scene.
    pub seed: u64,
    /// The back end.
    pub backend: &'static str,
    /// Threads that it might use.
    pub threads: usize,
    /// Points and axes.
    pub sweep: Points,
    /// Output spikes of all points by population.
    pub spikes: BTreeMap<String, u64>,
    /// `total`: one digest of the spikes of all points.
    pub spike_hash: BTreeMap<String, String>,
    /// Warnings of the scene.
    pub warnings: Vec<String>,
    /// Wall time, s, of this run; a sweep that was stopped has had earlier ones.
    pub wall_s: WallTimes,
    /// The other files of the folder.
    pub files: Vec<String>,
}

/// The points of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Points {
    /// How far it is.
    #[serde(flatten)]
    pub reached: Reached,
    /// The table with a row for each point: values, seed, spikes, digest.
    pub table: String,
    /// `Grid` or `Zip`.
    pub form: &'static str,
    /// `Derived` or `Shared`.
    pub seeds: &'static str,
    /// Points that ran side by side.
    pub side_by_side: usize,
    /// The paths and their values, in the SI unit.
    pub axes: Vec<Axis>,
}

/// A path and its values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// The path.
    pub path: String,
    /// Its values.
    pub values: Vec<serde_json::Value>,
}

/// Wall time by stage, s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WallTimes {
    /// Reading the scene and deciding every point.
    pub load: f64,
    /// Running the points.
    pub run: f64,
}

/// What a summary says of how the points were run.
pub(super) struct Stage {
    pub backend: &'static str,
    pub threads: usize,
    pub side_by_side: usize,
    pub load: Duration,
    pub run: Duration,
}

impl Summary {
    pub(super) fn new(
        runner: &Runner,
        layout: &Layout,
        rows: &[Row],
        stage: &Stage,
        error: Option<&Error>,
        files: &[String],
    ) -> Summary {
        let sweep = runner.sweep;
        let mut spikes: BTreeMap<String, u64> =
            layout.columns.populations.iter().map(|name| (name.clone(), 0)).collect();
        let mut hash = Sha256::new();
        for row in rows {
            for (name, count) in layout.columns.populations.iter().zip(&row.spikes) {
                *spikes.entry(name.clone()).or_default() += count;
            }
            hash.update((row.point as u64).to_le_bytes());
            hash.update(row.hash.as_deref().unwrap_or("failed").as_bytes());
        }
        let total = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let value = |value: &Coordinate| match value.number() {
            Some(number) => number.into(),
            None => value.cell().into(),
        };
        let axes = sweep.axes.iter().map(|axis| Axis {
            path: axis.path.clone(),
            values: axis.values.iter().map(value).collect(),
        });
        let failed = rows.iter().filter(|row| row.error.is_some()).count();
        Summary {
            schema_version: SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION"),
            scene: runner.scene.name.clone(),
            status: match error {
                None => "complete",
                Some(Error::SweepStopped { .. }) => "interrupted",
                Some(_) => "failed",
            },
            error: error.map(ToString::to_string),
            seed: runner.scene.seed,
            backend: stage.backend,
            threads: stage.threads,
            sweep: Points {
                reached: Reached {
                    points: sweep.points(),
                    done: rows.len(),
                    failed,
                    tables: BTreeMap::new(),
                },
                table: layout.points.clone(),
                form: match sweep.form {
                    Form::Grid => "Grid",
                    Form::Zip => "Zip",
                },
                seeds: match sweep.seeds {
                    Seeds::Derived => "Derived",
                    Seeds::Shared => "Shared",
                },
                side_by_side: stage.side_by_side,
                axes: axes.collect(),
            },
            spikes,
            spike_hash: BTreeMap::from([("total".to_string(), total)]),
            warnings: runner.warnings.findings().iter().map(ToString::to_string).collect(),
            wall_s: WallTimes { load: stage.load.as_secs_f64(), run: stage.run.as_secs_f64() },
            files: files.to_vec(),
        }
    }
}
