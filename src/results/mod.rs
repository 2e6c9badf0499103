//! The results folder: tables, pictures, the decided scene and a summary.
//!
//! | file | content |
//! |---|---|
//! | `scene.ron`, `inputs/` | the decided scene and copies of the files it reads: running it gives the same results |
//! | `summary.json` | [`Summary`]: sizes, spikes, realised mismatch, wall times, digests |
//! | `<probe>.csv`, `<probe>.svg` | the record of a probe and its picture |
//! | `<probe>.neurons.csv` | a further table of a probe, one row per neuron |
//! | `<population>.biases.csv` | on request: the biases of every instance, as `biases: File` reads them |
//! | `<projection>.edges.csv` | on request: source, target, weight and delay of every edge |
//!
//! `summary.json` lists the other files. It is written first, with the status `unfinished`, and once
//! more when everything else is there.

pub mod folder;
pub mod read;
pub mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bevy_ecs::prelude::*;

use crate::circuit::Waveform;
use crate::error::Error;
use crate::network::{Edge, Population, Replicas, Router, Rule};
use crate::scene::diagnostics::SceneReport;
use crate::scene::files::InputFile;
use crate::scene::{Connection, GroupId, Probe, Scene};
use crate::simulation::Simulation;

pub use folder::Folder;
use folder::{SCENE, SUMMARY};
pub use read::Results;
pub use summary::Summary;

/// What is written besides probes and summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dump {
    /// The biases of every population.
    pub biases: bool,
    /// The edges of every projection.
    pub edges: bool,
}

/// What the summary says of a run besides what the simulation knows.
pub struct RunReport<'a> {
    /// How the run ended.
    pub outcome: Result<(), &'a Error>,
    /// Warnings of the scene.
    pub warnings: &'a SceneReport,
    /// Threads that the back end may use.
    pub threads: usize,
    /// Wall time of reading the scene.
    pub load: std::time::Duration,
}

/// A folder that the results of a scene may be written to.
#[derive(Debug)]
pub struct ResultsFolder {
    folder: Folder,
    plan: Plan,
}

impl ResultsFolder {
    /// Checks that the results of a scene can be written to a folder; nothing is changed yet. What
    /// is refused says [`Folder::claim`].
    ///
    /// # Errors
    /// [`Error::OutputExists`] with the file that is in the way, or [`Error::Io`].
    pub fn claim(
        path: impl Into<PathBuf>,
        replace: bool,
        scene: &Scene,
        dump: Dump,
    ) -> Result<ResultsFolder, Error> {
        let plan = Plan::new(scene, dump);
        let folder = Folder::claim(path, replace, plan.files(scene))?;
        Ok(ResultsFolder { folder, plan })
    }

    /// Creates the folder, so that one that cannot be had is known before a run and not after it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(&self) -> Result<(), Error> {
        self.folder.create()
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes everything that was recorded. The files of an earlier run are removed first, others
    /// are left alone.
    ///
    /// # Errors
    /// [`Error::Io`] with the file that could not be written.
    pub fn write(&self, simulation: &Simulation, report: &RunReport) -> Result<Summary, Error> {
        let began = std::time::Instant::now();
        let folder = &self.folder;
        folder.begin()?;
        let scene = simulation.scene();
        folder.scene(scene)?;
        for (name, kind, record) in simulation.records() {
            let Some(files) = self.plan.probes.get(name) else { continue };
            folder.file(&files.table, |out| record.table(out))?;
            for (table, file) in kind.further_tables(scene).iter().zip(&files.further_tables) {
                folder.file(file, |out| record.further_table(table, out))?;
            }
            let title = format!("{} · {name}", scene.name);
            let picture = record.picture(title.as_str().into()).svg();
            folder.file(&files.picture, |out| out.write_all(picture.as_bytes()))?;
        }
        let world = simulation.world();
        for (population, name) in simulation.populations().into_iter().zip(&self.plan.biases) {
            folder.file(name, |out| write_biases(world, population, out))?;
        }
        let connections = scene.connections.iter().enumerate();
        for ((index, connection), name) in connections.zip(&self.plan.edges) {
            folder.file(name, |out| write_edges(simulation, index, connection, out))?;
        }
        let summary = Summary::new(simulation, report, folder.files().to_vec(), began.elapsed());
        folder.summary(&summary)?;
        Ok(summary)
    }
}

/// The names of the decided scene and of the copies of the files it reads.
#[must_use]
pub fn scene_files(scene: &Scene) -> Vec<String> {
    let inputs = input_files(scene).into_iter().map(InputFile::copy_path);
    std::iter::once(SCENE.to_string()).chain(inputs).collect()
}

/// The names of the files of each probe of a scene.
pub(crate) fn probe_files(scene: &Scene) -> BTreeMap<String, ProbeFiles> {
    // Names of probes are given out first: what else is written does not change them.
    Plan::new(scene, Dump::default()).probes
}

/// The names of the files of a run, known before it starts.
#[derive(Debug)]
struct Plan {
    probes: BTreeMap<String, ProbeFiles>,
    biases: Vec<String>,
    edges: Vec<String>,
}

/// The files of a probe.
#[derive(Debug)]
pub(crate) struct ProbeFiles {
    pub table: String,
    pub further_tables: Vec<String>,
    pub picture: String,
}

impl Plan {
    fn new(scene: &Scene, dump: Dump) -> Plan {
        let mut taken = BTreeSet::from([SCENE.to_string(), SUMMARY.to_string()]);
        // Safe for any file system, and different also where upper and lower case are one.
        let mut name = |wanted: &str, extension: &str| {
            let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let safe = wanted.chars().map(|c| if is_safe(c) { c } else { '_' });
            // File systems allow 255 bytes.
            let safe: String = safe.take(200).collect();
            let mut candidate = format!("{safe}.{extension}");
            let mut number = 2;
            while !taken.insert(candidate.to_ascii_lowercase()) {
                candidate = format!("{safe}-{number}.{extension}");
                number += 1;
            }
            candidate
        };
        let mut probes = BTreeMap::new();
        for (probe, Probe { kind, .. }) in &scene.probes {
            let (table, picture) = (name(probe, "csv"), name(probe, "svg"));
            let further = kind.further_tables(scene).into_iter();
            let further_tables =
                further.map(|table| name(&format!("{probe}.{table}"), "csv")).collect();
            probes.insert(probe.clone(), ProbeFiles { table, further_tables, picture });
        }
        let mut biases = Vec::new();
        if dump.biases {
            biases.extend(scene.populations.keys().map(|p| name(&format!("{p}.biases"), "csv")));
        }
        let mut edges = Vec::new();
        if dump.edges {
            let projections = scene.connections.iter().map(|c| &c.name);
            edges.extend(projections.map(|c| name(&format!("{c}.edges"), "csv")));
        }
        Plan { probes, biases, edges }
    }

    /// All but the summary.
    fn files(&self, scene: &Scene) -> Vec<String> {
        let probes = self.probes.values().flat_map(|files| {
            [&files.table, &files.picture].into_iter().chain(&files.further_tables)
        });
        let named = probes.chain(&self.biases).chain(&self.edges);
        scene_files(scene).into_iter().chain(named.cloned()).collect()
    }
}

/// The files of a scene, each once.
fn input_files(scene: &Scene) -> Vec<&InputFile> {
    let trains = scene.sources.values().flat_map(|source| source.train.files());
    let biases = scene.populations.values().filter_map(|p| p.biases.as_ref().map(|b| &b.file));
    let waveforms = scene.populations.values().filter_map(|p| match &p.dc {
        Some(Waveform::File(file, _)) => Some(file),
        _ => None,
    });
    let edges = scene.connections.iter().filter_map(|c| match &c.rule {
        Rule::File(file, _) => Some(file),
        _ => None,
    });
    let mut files: Vec<_> = trains.chain(biases).chain(waveforms).chain(edges).collect();
    files.sort_by_key(|file| &file.digest);
    files.dedup_by_key(|file| &file.digest);
    files
}

fn write_biases(world: &World, population: &Population, out: &mut dyn Write) -> io::Result<()> {
    let paths = population.model.bias_paths();
    let replicas = population.replicas;
    write!(out, "{}neuron", replicas.header())?;
    paths.iter().try_for_each(|path| write!(out, ",{path}"))?;
    writeln!(out)?;
    for (neuron, soma) in population.neurons.iter().enumerate() {
        let (replica, in_scene) = replicas.split(neuron as u32);
        write!(out, "{}{in_scene}", replicas.cell(replica))?;
        for path in &paths {
            let circuit = |r| population.circuits.iter().find(|(known, _)| *known == r);
            let entity = match path.receptor {
                None => Some(*soma),
                Some(receptor) => circuit(receptor).map(|(_, circuits)| circuits[neuron]),
            };
            let value = entity.and_then(|e| population.model.0.instance(world, e, *path));
            write!(out, ",{:e}", value.unwrap_or(f64::NAN))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The edges that were drawn; of a plastic projection with the weights that it has learnt.
fn write_edges(
    simulation: &Simulation,
    index: usize,
    connection: &Connection,
    out: &mut dyn Write,
) -> io::Result<()> {
    const HEADER: &str = "source,target,weight,delay_s";
    let router = simulation.world().get_resource::<Router>();
    if let Some(learnt) = router.and_then(|router| router.learnt(index)) {
        let scene = simulation.scene();
        let from = Replicas::of(scene, connection.from);
        let to = Replicas::of(scene, GroupId::Population(connection.to));
        writeln!(out, "{}{HEADER}", to.header())?;
        return learnt.into_iter().try_for_each(|Edge { source, target, weight, delay }| {
            let ((_, source), (replica, target)) = (from.split(source), to.split(target));
            writeln!(out, "{}{source},{target},{weight},{delay}", to.cell(replica))
        });
    }
    writeln!(out, "{HEADER}")?;
    let mut line = |Edge { source, target, weight, delay }| {
        writeln!(out, "{source},{target},{weight},{delay}")
    };
    let mut result = Ok(());
    simulation.scene().edges(connection).for_each(|edge| {
        if result.is_ok() {
            result = line(edge);
        }
    });
    result
}
