//! The results folder: tables, pictures, the decided scene and a summary.
//!
//! | file | content |
//! |---|---|
//! | `scene.ron`, `inputs/` | the decided scene and copies of the files it reads: running it gives the same results |
//! | `summary.json` | [`Summary`]: sizes, spikes, realised mismatch, wall times, digests |
//! | `<probe>.csv`, `<probe>.svg` | the record of a probe and its picture |
//! | `<population>.biases.csv` | on request: the biases of every instance, as `biases: File` reads them |
//! | `<projection>.edges.csv` | on request: source, target, weight and delay of every edge |
//!
//! `summary.json` is written last and lists the other files: a folder with it is complete.

pub mod summary;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use bevy_ecs::prelude::*;

use crate::circuit::{Block, Soma, Synapse};
use crate::error::Error;
use crate::network::Population;
use crate::probe::{FfCurve, Probe, SpikeRecorder, TraceRecorder};
use crate::scene::diagnostics::SceneReport;
use crate::scene::{GroupId, Scene, Train, write};
use crate::simulation::Simulation;

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

/// A folder that results may be written to.
#[derive(Debug)]
pub struct ResultsFolder {
    path: PathBuf,
}

impl ResultsFolder {
    /// Checks that results can be written to a folder; nothing is changed yet. A folder that holds
    /// files is refused unless `replace` allows to replace those of an earlier run.
    ///
    /// # Errors
    /// [`Error::OutputExists`], or [`Error::Io`] where a file stands in the way.
    pub fn claim(path: impl Into<PathBuf>, replace: bool) -> Result<ResultsFolder, Error> {
        let path = path.into();
        match fs::read_dir(&path) {
            Ok(entries) => {
                if !replace && entries.count() > 0 {
                    return Err(Error::OutputExists { path });
                }
                Ok(ResultsFolder { path })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ResultsFolder { path }),
            Err(error) => Err(Error::io("use as a folder for results", path, error)),
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything that was recorded. The files of an earlier run are removed first, others
    /// are left alone.
    ///
    /// # Errors
    /// [`Error::Io`] with the file that could not be written.
    pub fn write(
        &self,
        simulation: &Simulation,
        dump: Dump,
        report: &RunReport,
    ) -> Result<Summary, Error> {
        let began = std::time::Instant::now();
        self.remove_earlier_run()?;
        let mut files = Files { folder: &self.path, written: BTreeSet::new() };
        let scene = simulation.scene();
        let text = write::to_ron(scene, |file| file.copy_path());
        files.write("scene", "ron", |out| out.write_all(text.as_bytes()))?;
        for file in input_files(scene) {
            files.write_as(&file.copy_path(), |out| out.write_all(&file.content))?;
        }
        probes::<SpikeRecorder>(simulation, &mut files)?;
        probes::<TraceRecorder>(simulation, &mut files)?;
        probes::<FfCurve>(simulation, &mut files)?;
        if dump.biases {
            dump_biases(simulation, &mut files)?;
        }
        if dump.edges {
            dump_edges(scene, &mut files)?;
        }
        let written = files.written.iter().cloned().collect();
        let summary = Summary::new(simulation, report, written, began.elapsed());
        files.write("summary", "json", |out| {
            serde_json::to_writer_pretty(&mut *out, &summary)?;
            writeln!(out)
        })?;
        Ok(summary)
    }

    /// Removes the files that the summary of an earlier run lists.
    fn remove_earlier_run(&self) -> Result<(), Error> {
        let summary = self.path.join("summary.json");
        let Ok(text) = fs::read_to_string(&summary) else { return Ok(()) };
        let Ok(earlier) = serde_json::from_str::<summary::FileList>(&text) else { return Ok(()) };
        let is_inside = |name: &str| {
            Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
        };
        for name in earlier.files.iter().filter(|name| is_inside(name)) {
            remove(&self.path.join(name))?;
        }
        remove(&summary)?;
        // Only if nothing else is in it.
        let _ = fs::remove_dir(self.path.join("inputs"));
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove the file of an earlier run", path, error))
        }
        _ => Ok(()),
    }
}

/// The files of a scene, each once.
fn input_files(scene: &Scene) -> Vec<&crate::scene::files::InputFile> {
    let trains = scene.sources.values().filter_map(|source| match &source.train {
        Train::File(file, _) => Some(file),
        _ => None,
    });
    let biases = scene.populations.values().filter_map(|p| p.biases.as_ref().map(|b| &b.file));
    let mut files: Vec<_> = trains.chain(biases).collect();
    files.sort_by_key(|file| &file.digest);
    files.dedup_by_key(|file| &file.digest);
    files
}

/// The files that are being written.
struct Files<'a> {
    folder: &'a Path,
    written: BTreeSet<String>,
}

impl Files<'_> {
    /// Writes `<name>.<extension>`, with a name that is safe for any file system and not taken yet.
    fn write(
        &mut self,
        name: &str,
        extension: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let safe: String = name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
        let mut candidate = format!("{safe}.{extension}");
        let mut number = 2;
        // File systems may fold upper and lower case.
        while self.written.iter().any(|taken| taken.eq_ignore_ascii_case(&candidate)) {
            candidate = format!("{safe}-{number}.{extension}");
            number += 1;
        }
        self.write_as(&candidate, content)
    }

    fn write_as(
        &mut self,
        relative: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let path = self.folder.join(relative);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut out = BufWriter::new(fs::File::create(&path)?);
            content(&mut out)?;
            out.flush()
        };
        write().map_err(|error| Error::io("write", &path, error))?;
        self.written.insert(relative.to_string());
        Ok(())
    }
}

fn probes<P: Probe>(simulation: &Simulation, files: &mut Files) -> Result<(), Error> {
    for (name, probe) in simulation.probes::<P>() {
        files.write(name, "csv", |out| probe.table(out))?;
        let title = format!("{} · {name}", simulation.scene().name);
        files.write(name, "svg", |out| out.write_all(probe.picture(&title).as_bytes()))?;
    }
    Ok(())
}

fn dump_biases(simulation: &Simulation, files: &mut Files) -> Result<(), Error> {
    let world = simulation.world();
    for population in simulation.populations() {
        let name = format!("{}.biases", population.name);
        files.write(&name, "csv", |out| write_biases(world, population, out))?;
    }
    Ok(())
}

fn write_biases(world: &World, population: &Population, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "neuron")?;
    let names = |circuit: &str, names: Vec<&str>, out: &mut dyn Write| {
        names.iter().try_for_each(|name| write!(out, ",{circuit}.{name}"))
    };
    names("soma", Soma::BIASES.iter().map(|b| b.name).collect(), out)?;
    for (receptor, _) in &population.circuits {
        names(receptor.name(), Synapse::BIASES.iter().map(|b| b.name).collect(), out)?;
    }
    writeln!(out)?;
    for (neuron, entity) in population.neurons.iter().enumerate() {
        write!(out, "{neuron}")?;
        block_values::<Soma>(world, *entity, out)?;
        for (_, circuits) in &population.circuits {
            block_values::<Synapse>(world, circuits[neuron], out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn block_values<B: Block>(world: &World, entity: Entity, out: &mut dyn Write) -> io::Result<()> {
    let Some(block) = world.get::<B>(entity) else { return Ok(()) };
    B::BIASES.iter().try_for_each(|bias| write!(out, ",{:e}", (bias.get)(block)))
}

fn dump_edges(scene: &Scene, files: &mut Files) -> Result<(), Error> {
    for connection in &scene.connections {
        let (from, to) = (
            scene.group_size(connection.from),
            scene.group_size(GroupId::Population(connection.to)),
        );
        files.write(&format!("{}.edges", connection.name), "csv", |out| {
            writeln!(out, "source,target,weight,delay_s")?;
            let mut result = Ok(());
            connection.for_each_edge(from, to, |source, target| {
                if result.is_ok() {
                    let (weight, delay) = (connection.weight, connection.delay);
                    result = writeln!(out, "{source},{target},{weight},{delay}");
                }
            });
            result
        })?;
    }
    Ok(())
}
