//! A results folder as it is read back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::folder::{MEASURED_TEXT, SCENE, SUMMARY, replace_summary};
use super::summary::{SCHEMA_VERSION, UNFINISHED};
use crate::error::Error;
use crate::plugins::Plugins;
use crate::probe::ProbeEntities;
use crate::scene::{Loaded, Scene};
use crate::simulation::Simulation;
use crate::time::Time;

/// What is read of a [`Summary`](super::Summary).
#[derive(Debug, Clone, Deserialize)]
pub struct Recorded {
    /// Version of the program that wrote it.
    pub program_version: String,
    /// Name of the scene.
    pub scene: String,
    /// `complete`, `interrupted` or `failed`.
    pub status: String,
    /// Why the run ended early.
    pub error: Option<String>,
    /// Seed of all draws.
    pub seed: u64,
    /// Simulated time that the scene asks for, s; of a sweep each point has its own.
    #[serde(default)]
    pub duration_s: f64,
    /// Simulated time that was reached, s.
    #[serde(default)]
    pub simulated_s: f64,
    /// Output spikes by population.
    pub spikes: BTreeMap<String, u64>,
    /// Digest of the spikes by population, and `total`.
    pub spike_hash: BTreeMap<String, String>,
    /// The other files of the folder.
    pub files: Vec<String>,
}

/// A results folder of a run.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    summary: Recorded,
    /// All of `summary.json`.
    raw: Value,
}

impl Results {
    /// Reads the summary of a folder.
    ///
    /// # Errors
    /// [`Error::Results`] for a folder that is none of `picoamp run`, is unfinished or was written
    /// by a newer version; [`Error::Io`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Results, Error> {
        let path = path.into();
        let raw = raw_summary(&path)?;
        let refuse = |message: String, help: String| {
            Err(Error::Results { path: path.clone(), message, help })
        };
        if raw.get("status").and_then(Value::as_str) == Some(UNFINISHED) {
            let shown = path.display();
            return refuse(
                "these results are unfinished: the run still lasts, or was killed".into(),
                format!(
                    "let it end, or run the scene again: picoamp run {shown}/{SCENE} --out {shown} \
                     --resume (a sweep goes on where it was, anything else starts again)"
                ),
            );
        }
        if raw.get("steps").is_some_and(Value::is_array) {
            return refuse(
                "these are results of `picoamp converge`, not of a run".into(),
                format!("`picoamp run {}` makes results of a run", path.join(SCENE).display()),
            );
        }
        match Recorded::deserialize(&raw) {
            Ok(summary) => Ok(Results { path, summary, raw }),
            Err(error) => refuse(
                format!("{SUMMARY} cannot be read: {error}"),
                format!("run the scene again: picoamp run {}", path.join(SCENE).display()),
            ),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run in numbers.
    #[must_use]
    pub fn summary(&self) -> &Recorded {
        &self.summary
    }

    /// All of `summary.json`.
    #[must_use]
    pub fn raw(&self) -> &Value {
        &self.raw
    }

    /// Whether they are those of a sweep.
    #[must_use]
    pub fn is_sweep(&self) -> bool {
        self.raw.get("sweep").is_some()
    }

    /// Simulated time that was reached.
    #[must_use]
    pub fn reached(&self) -> Time {
        Time::from_seconds(self.summary.simulated_s).unwrap_or(Time::ZERO)
    }

    /// The decided scene as RON.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scene_text(&self) -> Result<String, Error> {
        let path = self.path.join(SCENE);
        fs::read_to_string(&path).map_err(|error| Error::io("read the scene", path, error))
    }

    /// The decided scene.
    ///
    /// # Errors
    /// As [`Plugins::load`].
    pub fn scene(&self, plugins: &Plugins) -> Result<Loaded, Error> {
        plugins.load(self.path.join(SCENE), &[])
    }

    /// Whether they are those of `picoamp measure`.
    #[must_use]
    pub fn is_measurement(&self) -> bool {
        self.summary.files.iter().any(|file| file == MEASURED_TEXT)
    }

    /// What `picoamp measure` has measured, as it was printed; `None` of a run.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn measured(&self) -> Result<Option<String>, Error> {
        if !self.is_measurement() {
            return Ok(None);
        }
        let path = self.path.join(MEASURED_TEXT);
        let text = fs::read_to_string(&path);
        text.map(Some).map_err(|error| Error::io("read what was measured from", path, error))
    }

    /// Gives the recorder of a probe what its tables hold.
    ///
    /// # Errors
    /// File, row and what is wrong.
    pub(crate) fn read_back(&self, simulation: &mut Simulation, probe: &str) -> Result<(), String> {
        let scene = simulation.scene();
        let files = super::probe_files(scene);
        let (Some(files), Some(known)) = (files.get(probe), scene.probes.get(probe)) else {
            return Ok(());
        };
        let kind = known.kind.clone();
        let tables = files.tables(self, &*kind, scene);
        let world = simulation.world_mut();
        let entity = world.resource::<ProbeEntities>().0.get(probe).copied();
        let entity = entity.and_then(|entity| world.get_entity_mut(entity).ok());
        entity.map_or(Ok(()), |entity| kind.read_back(entity, &tables))
    }

    /// The names of pictures (SVG) that belong to no probe of the scene.
    #[must_use]
    pub fn further_pictures(&self, scene: &Scene) -> Vec<&str> {
        let probes = super::probe_files(scene);
        let is_probes = |file: &str| probes.values().any(|files| files.picture == file);
        let pictures = self.summary.files.iter().map(String::as_str);
        pictures.filter(|file| file.ends_with(".svg") && !is_probes(file)).collect()
    }

    /// Adds files to the list of those that belong to the results.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_files(&mut self, files: &[String]) -> Result<(), Error> {
        let new: Vec<&String> =
            files.iter().filter(|file| !self.summary.files.contains(file)).collect();
        if new.is_empty() {
            return Ok(());
        }
        if let Some(Value::Array(listed)) = self.raw.get_mut("files") {
            listed.extend(new.iter().map(|file| Value::from(file.as_str())));
        }
        replace_summary(&self.path, &self.raw, true)?;
        self.summary.files.extend(new.into_iter().cloned());
        Ok(())
    }
}

/// Reads `summary.json` of a folder, of a run or of something else.
pub(super) fn raw_summary(path: &Path) -> Result<Value, Error> {
    let refuse = |message: String, help: String| {
        Err(Error::Results { path: path.to_path_buf(), message, help })
    };
    if path.is_file() {
        let shown = path.display();
        return refuse(
            "this is a file, not a results folder".into(),
            format!("`picoamp run {shown}` makes results of a scene; name their folder here"),
        );
    }
    if !path.exists() {
        return refuse("there is no such folder".into(), known_folders(path));
    }
    let text = match fs::read_to_string(path.join(SUMMARY)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return refuse(
                format!("this is no results folder: it has no {SUMMARY}"),
                known_folders(path),
            );
        }
        Err(error) => return Err(Error::io("read", path.join(SUMMARY), error)),
    };
    let raw: Value = match serde_json::from_str(&text) {
        Ok(raw) => raw,
        Err(error) => {
            return refuse(
                format!("{SUMMARY} cannot be read: {error}"),
                format!("run the scene again: picoamp run {}", path.join(SCENE).display()),
            );
        }
    };
    // The version comes first: what else a newer form holds is not known.
    let version = raw.get("schema_version").and_then(Value::as_u64);
    let program = raw.get("program_version").and_then(Value::as_str).unwrap_or("unknown");
    match version {
        None => {
            return refuse(
                format!("{SUMMARY} is none of picoamp: it has no schema_version"),
                known_folders(path),
            );
        }
        Some(version) if version > u64::from(SCHEMA_VERSION) => {
            return refuse(
                format!(
                    "these results have version {version}, written by picoamp {program}; this \
                     is picoamp {}, which reads versions up to {SCHEMA_VERSION}",
                    env!("CARGO_PKG_VERSION")
                ),
                format!("use picoamp {program} or newer"),
            );
        }
        Some(_) => {}
    }
    Ok(raw)
}

/// Where results are, for messages: folders beside the one that was named, or of `runs`.
fn known_folders(path: &Path) -> String {
    let of = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
        let results = entries
            .filter(|found| found.file_name() != path.file_name() && found.join(SUMMARY).is_file());
        let shown = |found: PathBuf| match found.strip_prefix(".") {
            Ok(inside) => inside.display().to_string(),
            Err(_) => found.display().to_string(),
        };
        results.map(shown).collect()
    };
    let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = of(path);
    for folder in [beside, Path::new("runs")] {
        if found.is_empty() {
            found = of(folder);
        }
    }
    found.sort();
    match found.len() {
        0 => "`picoamp run SCENE` writes results to runs/<scene name>, or to --out DIR".into(),
        1..=5 => format!("there are results in {}", found.join(", ")),
        n => format!("there are results in {}, and {} more", found[..5].join(", "), n - 5),
    }
}
