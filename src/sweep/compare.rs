//! Two sweeps of the same or of different scenes: do their points have the same spikes?

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::points::{self, Row, Table};
use crate::error::Error;
use crate::results::Results;
use crate::scene::difference::{Difference, differences};

/// Whether two sweeps have the same spikes, and where they first differ. Points are those of the same
/// values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepComparison {
    /// Whether both have the same points with the same spikes.
    pub same: bool,
    /// Where the scenes differ.
    pub scenes: Vec<Difference>,
    /// Points of both.
    pub points: usize,
    /// Those of them whose spikes differ.
    pub different: usize,
    /// Points of the first alone.
    pub only_in_a: usize,
    /// Points of the second alone.
    pub only_in_b: usize,
    /// The first point, in the order of the first sweep, whose spikes differ.
    pub first: Option<PointDifference>,
}

/// A point that two sweeps have with other spikes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointDifference {
    /// Its number in the first sweep.
    pub point_a: usize,
    /// Its number in the second.
    pub point_b: usize,
    /// Paths and values, in the order of the scene.
    pub values: Vec<(String, String)>,
    /// Spikes in the first by population; none where it failed.
    pub spikes_a: BTreeMap<String, u64>,
    /// Spikes in the second.
    pub spikes_b: BTreeMap<String, u64>,
    /// Why it failed in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_a: Option<String>,
    /// Why it failed in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_b: Option<String>,
}

/// The table of points in a results folder, and its paths.
fn table(results: &Results) -> Result<(Vec<String>, Table), Error> {
    let sweep = results.raw().get("sweep");
    let axes = sweep.and_then(|sweep| sweep.get("axes")).and_then(Value::as_array);
    let path = |axis: &Value| Some(axis.get("path")?.as_str()?.to_string());
    let paths: Option<Vec<String>> = axes.and_then(|axes| axes.iter().map(path).collect());
    let name = sweep.and_then(|sweep| sweep.get("table")).and_then(Value::as_str);
    let read = match (paths, name) {
        (Some(paths), Some(name)) => {
            points::read(&results.path().join(name), paths.len()).map(|table| (paths, table))
        }
        _ => Err("summary.json does not say where its points are".into()),
    };
    read.map_err(|message| Error::Results {
        path: results.path().to_path_buf(),
        message,
        help: "run the sweep again, or restore the file".into(),
    })
}

/// Points by their values; equal ones are numbered.
fn by_values(rows: &[Row]) -> BTreeMap<(&[String], usize), &Row> {
    let mut found = BTreeMap::new();
    for row in rows {
        let mut number = 0;
        while found.contains_key(&(row.values.as_slice(), number)) {
            number += 1;
        }
        found.insert((row.values.as_slice(), number), row);
    }
    found
}

/// Compares the results of two sweeps.
///
/// # Errors
/// [`Error::Results`] where one of them is none of a sweep, or they are over other paths; [`Error::Io`].
pub fn compare(a: &Results, b: &Results) -> Result<SweepComparison, Error> {
    if a.is_sweep() != b.is_sweep() {
        let (sweep, run) = if a.is_sweep() { (a, b) } else { (b, a) };
        return Err(Error::Results {
            path: run.path().to_path_buf(),
            message: format!(
                "these are results of a single run, and those in {} of a sweep",
                sweep.path().display()
            ),
            help: format!(
                "run one of its points, picoamp run {} --point N, and compare that",
                sweep.path().join("scene.ron").display()
            ),
        });
    }
    let scenes = differences(&a.scene_text()?, &b.scene_text()?);
    let ((paths_a, table_a), (paths_b, table_b)) = (table(a)?, table(b)?);
    if paths_a != paths_b {
        return Err(Error::Results {
            path: b.path().to_path_buf(),
            message: format!(
                "this is a sweep over {}, and {} one over {}",
                paths_b.join(", "),
                a.path().display(),
                paths_a.join(", ")
            ),
            help: "sweeps can be compared that are over the same paths".into(),
        });
    }
    let (rows_a, rows_b) = (by_values(&table_a.rows), by_values(&table_b.rows));
    let same = |a: &Row, b: &Row| (&a.spikes, &a.hash, &a.error) == (&b.spikes, &b.hash, &b.error);
    let both = rows_a.iter().filter_map(|(key, a)| Some((*a, *rows_b.get(key)?)));
    let both: Vec<(&Row, &Row)> = both.collect();
    let mut different: Vec<_> = both.iter().filter(|(a, b)| !same(a, b)).collect();
    different.sort_by_key(|(a, _)| a.point);
    let spikes = |table: &Table, row: &Row| -> BTreeMap<String, u64> {
        table.populations.iter().cloned().zip(row.spikes.iter().copied()).collect()
    };
    let first = different.first().map(|(a, b)| PointDifference {
        point_a: a.point,
        point_b: b.point,
        values: paths_a.iter().cloned().zip(a.values.iter().cloned()).collect(),
        spikes_a: spikes(&table_a, a),
        spikes_b: spikes(&table_b, b),
        error_a: a.error.clone(),
        error_b: b.error.clone(),
    });
    let keys = [&rows_a, &rows_b].map(|rows| rows.keys().collect::<BTreeSet<_>>());
    let only_in_a = keys[0].difference(&keys[1]).count();
    let only_in_b = keys[1].difference(&keys[0]).count();
    Ok(SweepComparison {
        same: different.is_empty() && only_in_a + only_in_b == 0,
        scenes,
        points: both.len(),
        different: different.len(),
        only_in_a,
        only_in_b,
        first,
    })
}
