//! The results folder: tables, pictures, the decided scene and a summary.
//!
//! | file | content |
//! |---|---|
//! | `scene.ron`, `inputs/` | the decided scene and copies of the files it reads: running it gives the same results |
//! | `summary.json` | [`Summary`]: sizes, spikes, realised mismatch, wall times, digests |
//! | `<probe>.csv`, `<probe>.svg` | the record of a probe (in another [format](crate::table), if the scene says so) and its picture |
//! | `<probe>.neurons.csv` | a further table of a probe, one row per neuron |
//! | `<population>.biases.csv` | on request: the biases of every instance, as `biases: File` reads them |
//! | `<projection>.edges.csv` | on request: source, target, weight and delay of every edge |
//!
//! `summary.json` lists the other files. It is written before the run, with the status `unfinished`, and
//! once more when everything else is there. The scene is written before the run too, and tables that
//! grow with it while it lasts, [sealed](crate::table) piece by piece; everything else is written after it.

pub mod folder;
pub mod read;
pub mod resume;
pub mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bevy_ecs::prelude::*;

use crate::circuit::Waveform;
use crate::error::Error;
use crate::network::lengths::window_of;
use crate::network::{Edge, Population, Replicas, Router, Rule};
use crate::probe::stream::{StreamsTables, TableWriter};
use crate::probe::{ProbeEntities, ProbeKind, Record, Tables, picture};
use crate::scene::diagnostics::SceneReport;
use crate::scene::files::{self, InputFile};
use crate::scene::{BiasSource, Connection, GroupId, Probe, Scene, write};
use crate::simulation::Simulation;
use crate::table::{Format, Provenance, TableRecord, TableSet};

pub use folder::Folder;
pub use folder::MEASURED_TEXT;
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
#[derive(Clone, Copy)]
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
    /// Writes tables while the run lasts.
    writer: Option<TableWriter>,
    /// Whether that has been asked for.
    is_streamed: bool,
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
        ResultsFolder::claim_with(path, replace, scene, dump, &[])
    }

    /// The same with further files, which are then written with [`ResultsFolder::file`].
    ///
    /// # Errors
    /// As [`ResultsFolder::claim`]; [`Error::Results`] where one of them has the name of a file that is written
    /// anyway, in upper or in lower case.
    pub fn claim_with(
        path: impl Into<PathBuf>,
        replace: bool,
        scene: &Scene,
        dump: Dump,
        further: &[&str],
    ) -> Result<ResultsFolder, Error> {
        let plan = Plan::new(scene, dump);
        let path = path.into();
        let mut files = plan.files(scene);
        files.extend(plan.meanwhile());
        let is_taken = |name: &&&str| {
            let mut own = files.iter().map(String::as_str).chain([SUMMARY]);
            own.any(|file| file.eq_ignore_ascii_case(name))
        };
        if let Some(name) = further.iter().find(is_taken) {
            let (message, help) = match plan.probe_of(name) {
                Some(probe) => (
                    format!(
                        "two files would have the name {name}, one of them of the probe `{probe}`"
                    ),
                    format!("give the probe `{probe}` another name"),
                ),
                None => (
                    format!("two files would have the name {name}"),
                    "give one of them another name".to_string(),
                ),
            };
            return Err(Error::Results { path, message, help });
        }
        files.extend(further.iter().map(ToString::to_string));
        let folder = Folder::claim(path, replace, files)?;
        Ok(ResultsFolder { folder, plan, writer: None, is_streamed: false })
    }

    /// Writes one of the further files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn file(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.folder.file(name, content)
    }

    /// Creates the folder, removes the files of an earlier run (others are left alone), and writes the
    /// scene.
    fn begin(&self, scene: &Scene) -> Result<(), Error> {
        self.folder.create()?;
        self.folder.begin()?;
        self.folder.scene(scene)
    }

    /// Creates the folder before a run, so that one that cannot be had is known before it and not after
    /// it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(&self) -> Result<(), Error> {
        self.folder.create()
    }

    /// Begins before a run. Tables that grow with the run are written while it lasts instead of being kept: their recorders
    /// ([`SpikeRecorder`](crate::probe::SpikeRecorder), [`TraceRecorder`](crate::probe::TraceRecorder)) have no rows
    /// to show. [`ResultsFolder::write`] completes them.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn stream(&mut self, simulation: &mut Simulation) -> Result<(), Error> {
        self.begin(simulation.scene())?;
        let tables = self.tables(simulation.scene());
        let unfinished = self.folder.unfinished();
        let on_sealed =
            move |tables: &TableSet| unfinished.write(&tables.pieces(), &tables.records());
        let writer = TableWriter::start(tables, Box::new(on_sealed))?;
        let probes = simulation.scene().probes.clone();
        for (name, files) in &self.plan.probes {
            let probe = probes.get(name);
            let probe = probe.filter(|probe| streams(&*probe.kind, simulation.scene()));
            let entity = simulation.world().resource::<ProbeEntities>().0.get(name).copied();
            let (Some(probe), Some(entity)) = (probe, entity) else { continue };
            let record = probe.kind.record(simulation.world().entity(entity));
            if let Some(layout) = record.and_then(Record::layout) {
                let sink = writer.sink(name, &files.table, probe.format, layout);
                probe.kind.stream(simulation.world_mut().entity_mut(entity), sink);
            }
        }
        simulation.world_mut().insert_resource(StreamsTables);
        self.writer = Some(writer);
        self.is_streamed = true;
        Ok(())
    }

    /// The tables of a run, none of which is open yet.
    fn tables(&self, scene: &Scene) -> TableSet {
        let text = write::to_ron(scene, InputFile::copy_path);
        let scene_sha256 = files::digest(text.as_bytes());
        let provenance = Provenance { scene: scene.name.clone(), scene_sha256, seed: scene.seed };
        TableSet::new(self.path().to_path_buf(), provenance)
    }

    /// Whether a table could not be written while the run lasted: there is no use in going on.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.writer.as_ref().is_some_and(TableWriter::has_failed)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes everything that was recorded; where a file cannot be written, the others are. Where tables
    /// were [streamed](ResultsFolder::stream), once.
    ///
    /// # Errors
    /// [`Error::Io`] with the first file that could not be written.
    pub fn write(&mut self, simulation: &Simulation, report: &RunReport) -> Result<Summary, Error> {
        let began = std::time::Instant::now();
        let scene = simulation.scene();
        let mut records = BTreeMap::new();
        let mut failed = match self.writer.take() {
            Some(writer) => {
                for (name, kind, record) in simulation.records() {
                    if streams(kind, scene) {
                        record.rows().for_each(|rows| writer.append(name, rows));
                    }
                }
                let written = writer.close();
                records = written.records;
                written.outcome.err()
            }
            None if self.is_streamed => {
                let closed = io::Error::other("the tables of this run are complete already");
                return Err(Error::io("write to", self.path(), closed));
            }
            None => {
                self.begin(scene)?;
                None
            }
        };
        let folder = &self.folder;
        let mut done = |result: Result<(), Error>| failed = failed.take().or(result.err());
        let mut tables = self.tables(scene);
        for (name, kind, record) in simulation.records() {
            let Some(files) = self.plan.probes.get(name) else { continue };
            let format = scene.probes.get(name).map(|probe| probe.format).unwrap_or_default();
            match record.layout() {
                Some(_) if records.contains_key(name) => {}
                Some(layout) => {
                    done(tables.open(name, &files.table, format, &layout));
                    record.rows().for_each(|rows| done(tables.append(name, rows).map(|_| ())));
                    done(tables.finish(name).map(|_| ()));
                }
                None => done(folder.file(&files.table, |out| record.table(out))),
            }
            for (table, file) in kind.further_tables(scene).iter().zip(&files.further_tables) {
                done(folder.file(file, |out| record.further_table(table, out)));
            }
            let title = picture::title(&scene.name, name);
            let picture = record.picture(title.as_str().into()).svg();
            done(folder.file(&files.picture, |out| out.write_all(picture.as_bytes())));
        }
        let world = simulation.world();
        for (population, name) in simulation.populations().into_iter().zip(&self.plan.biases) {
            done(folder.file(name, |out| write_biases(world, population, out)));
        }
        let connections = scene.connections.iter().enumerate();
        for ((index, connection), name) in connections.zip(&self.plan.edges) {
            done(folder.file(name, |out| write_edges(simulation, index, connection, out)));
        }
        let outcome =
            failed.as_ref().map_or(report.outcome, |error| report.outcome.and(Err(error)));
        let report = RunReport { outcome, ..*report };
        records.extend(tables.records());
        let files = self.plan.written(folder.files(), &records);
        let summary = Summary::new(simulation, &report, files, records, began.elapsed());
        folder.summary(&summary)?;
        failed.map_or(Ok(summary), Err)
    }
}

/// Whether a table can be written while a run lasts.
fn streams(kind: &dyn ProbeKind, scene: &Scene) -> bool {
    kind.streamed_bytes(scene, window_of(scene)).is_some()
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

/// Names of files in a results folder: safe for any file system, and different also where upper and lower
/// case are one.
#[derive(Debug)]
pub(crate) struct FileNames(BTreeSet<String>);

impl Default for FileNames {
    fn default() -> FileNames {
        FileNames(BTreeSet::from([SCENE.to_string(), SUMMARY.to_string()]))
    }
}

impl FileNames {
    /// Those that are left beside the files of probes.
    pub fn beside<'p>(probes: impl Iterator<Item = &'p ProbeFiles>) -> FileNames {
        let mut names = FileNames::default();
        for files in probes {
            names.0.extend(files.named().map(|file| file.to_ascii_lowercase()));
        }
        names
    }

    /// A name that nobody has: the one that is wanted, or with a number.
    pub fn give(&mut self, wanted: &str, extension: &str) -> String {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let safe = wanted.chars().map(|c| if is_safe(c) { c } else { '_' });
        // File systems allow 255 bytes.
        let safe: String = safe.take(200).collect();
        let mut candidate = format!("{safe}.{extension}");
        let mut number = 2;
        while !self.0.insert(candidate.to_ascii_lowercase()) {
            candidate = format!("{safe}-{number}.{extension}");
            number += 1;
        }
        candidate
    }
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
    format: Format,
    pub further_tables: Vec<String>,
    pub picture: String,
}

impl ProbeFiles {
    /// Its tables and its picture.
    fn named(&self) -> impl Iterator<Item = &String> {
        [&self.table, &self.picture].into_iter().chain(&self.further_tables)
    }

    /// The tables of a probe in a folder of results.
    pub fn tables(&self, results: &Results, kind: &dyn ProbeKind, scene: &Scene) -> Tables {
        let path = |file: &String| results.path().join(file);
        let further = kind.further_tables(scene).into_iter();
        let further = further.zip(self.further_tables.iter().map(path)).collect();
        Tables::new(path(&self.table), further, results.reached())
    }
}

impl Plan {
    fn new(scene: &Scene, dump: Dump) -> Plan {
        let mut names = FileNames::default();
        let mut name = |wanted: &str, extension: &str| names.give(wanted, extension);
        let mut probes = BTreeMap::new();
        for (probe, Probe { kind, format, .. }) in &scene.probes {
            let (table, picture) = (name(probe, format.extension()), name(probe, "svg"));
            let further = kind.further_tables(scene).into_iter();
            let further_tables =
                further.map(|table| name(&format!("{probe}.{table}"), "csv")).collect();
            let files = ProbeFiles { table, format: *format, further_tables, picture };
            probes.insert(probe.clone(), files);
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

    /// The probe that has a file of this name, in upper or in lower case.
    fn probe_of(&self, name: &str) -> Option<&str> {
        let has = |files: &ProbeFiles| {
            let further = files.format.beside(&files.table).into_iter();
            let further = further.chain(files.format.meanwhile(&files.table));
            let mut all = files.named().cloned().chain(further);
            all.any(|file| file.eq_ignore_ascii_case(name))
        };
        let found = self.probes.iter().find(|(_, files)| has(files));
        found.map(|(probe, _)| probe.as_str())
    }

    /// All but the summary.
    fn files(&self, scene: &Scene) -> Vec<String> {
        let probes = self.probes.values().flat_map(ProbeFiles::named);
        let named = probes.chain(&self.biases).chain(&self.edges);
        let beside = self.probes.values().filter_map(|files| files.format.beside(&files.table));
        scene_files(scene).into_iter().chain(named.cloned()).chain(beside).collect()
    }

    /// What is there besides only while tables are written.
    fn meanwhile(&self) -> Vec<String> {
        self.probes.values().flat_map(|files| files.format.meanwhile(&files.table)).collect()
    }

    /// What is there of the files that might have been written: tables may have become several pieces.
    fn written(&self, files: &[String], records: &BTreeMap<String, TableRecord>) -> Vec<String> {
        let meanwhile = self.meanwhile();
        let pieces_of = |file: &String| {
            let (probe, _) = self.probes.iter().find(|(_, files)| files.table == *file)?;
            let pieces = &records.get(probe)?.pieces;
            let names = pieces.iter().map(|piece| piece.file.clone()).collect::<Vec<_>>();
            (!names.is_empty()).then_some(names)
        };
        let kept = files.iter().filter(|file| !meanwhile.contains(file));
        kept.flat_map(|file| pieces_of(file).unwrap_or_else(|| vec![file.clone()])).collect()
    }
}

/// The files of a scene, each once.
fn input_files(scene: &Scene) -> Vec<&InputFile> {
    let trains = scene.sources.values().flat_map(|source| source.train.files());
    let biases = scene.populations.values().filter_map(|p| match &p.biases.as_ref()?.source {
        BiasSource::File(file) => Some(file),
        BiasSource::Scene(_) => None,
    });
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
