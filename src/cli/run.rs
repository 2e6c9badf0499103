//! `picoamp run`: a scene into a results folder.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::args::{BackendChoice, DumpChoice, RunArgs};
use super::messages::{self, say};
use super::{default_folder, load, point_suffix, print_json, progress, stop_on_signals, sweep};
use crate::backend::choice::{Candidates, Chosen};
use crate::probe::picture::counted;
use crate::results::resume::{self, Earlier};
use crate::results::{Dump, ResultsFolder, RunReport, Summary};
use crate::scene::estimate::Recording;
use crate::scene::files::InputFile;
use crate::scene::{Loaded, write};
use crate::time::Time;
use crate::{Error, Plugins, Scene, Simulation};
use serde_json::Value;

pub fn run(args: &RunArgs, plugins: &Plugins) -> Result<(), Error> {
    let began = Instant::now();
    let loaded = load(&args.scene, plugins, args.seed.map(|seed| format!("seed={seed}")))?;
    let load = began.elapsed();
    if !args.quiet {
        messages::show_findings(&loaded.warnings);
    }
    let suffix = point_suffix(&args.scene);
    let folder = args.out.clone().unwrap_or_else(|| default_folder(&loaded.scene.name, &suffix));
    if loaded.sweep.is_some() {
        return sweep::run(args, plugins, &loaded, load, &folder);
    }
    let mut replace = args.force;
    if args.resume {
        let text = write::to_ron(&loaded.scene, InputFile::copy_path);
        match resume::earlier(&folder, &text, false)? {
            Earlier::Nothing => {}
            Earlier::Unfinished(_) => replace = true,
            Earlier::Finished(summary) => return already_there(&summary, &folder, args),
        }
    }
    let backends = Candidates::new(args.backend.into(), args.threads.map(usize::from))?;
    let dump = Dump {
        biases: args.dump.contains(&DumpChoice::Biases),
        edges: args.dump.contains(&DumpChoice::Edges),
    };
    let mut folder =
        ResultsFolder::claim(folder, replace, &loaded.scene, dump).map_err(resume::explained)?;
    let recording = Recording::Streamed;
    let runner = Runner { plugins, backends, quiet: args.quiet, load, until: Time::MAX, recording };
    let Run { simulation, summary, outcome, why } = runner.run(loaded, &mut folder)?;
    if !args.quiet {
        show_summary(&summary, &folder, simulation.scene());
        if args.backend != BackendChoice::Cpu {
            say!("back end: {} ({why})", summary.backend);
        }
    }
    outcome?;
    if args.json {
        print_json(&summary)?;
    }
    Ok(())
}

/// Nothing is left to do.
pub fn already_there(summary: &Value, folder: &Path, args: &RunArgs) -> Result<(), Error> {
    if !args.quiet {
        say!("{}: the results are complete, nothing is left to do", folder.display());
    }
    if args.json { print_json(summary) } else { Ok(()) }
}

/// Who runs a scene into a folder, and what is shown meanwhile.
pub struct Runner<'a> {
    pub plugins: &'a Plugins,
    /// What it may run on.
    pub backends: Candidates,
    pub quiet: bool,
    /// Wall time of reading the scene.
    pub load: Duration,
    /// The run is interrupted after the window that reaches this time.
    pub until: Time,
    /// Whether what grows with the run is kept, to be looked at after it.
    pub recording: Recording,
}

/// A run that ended, one way or the other, and was written.
pub struct Run {
    pub simulation: Simulation,
    pub summary: Summary,
    pub outcome: Result<(), Error>,
    /// Why it ran on the back end it ran on.
    pub why: String,
}

impl Runner<'_> {
    /// Runs a scene and writes what it recorded, also of a run that failed.
    pub fn run(self, loaded: Loaded, folder: &mut ResultsFolder) -> Result<Run, Error> {
        let Loaded { scene, warnings, .. } = loaded.single()?;
        let mut simulation = self.plugins.build(scene)?;
        let Chosen { threads, why } = self.backends.choose(&mut simulation)?;
        match self.recording {
            Recording::Kept => folder.create()?,
            Recording::Streamed => folder.stream(&mut simulation)?,
        }

        let stop = stop_on_signals();
        let mut progress = progress::Progress::new(self.quiet);
        simulation.leave_state();
        let outcome = simulation.run_with(|state| {
            progress.show(state);
            let is_over = state.time < state.duration && state.time >= self.until;
            if is_over || stop.load(Ordering::Relaxed) || folder.has_failed() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        progress.finish();
        // Where a table cannot be written nobody has interrupted the run: which one, is told below.
        let outcome = match outcome {
            Err(Error::Interrupted { .. }) if folder.has_failed() => Ok(()),
            outcome => outcome,
        };
        let report = RunReport {
            outcome: outcome.as_ref().copied(),
            warnings: &warnings,
            threads,
            load: self.load,
        };
        // If what a failed run recorded cannot be written either, both are told.
        match (folder.write(&simulation, &report), outcome) {
            (Err(not_written), Err(failed)) => {
                messages::show_error(&not_written);
                Err(failed)
            }
            (summary, outcome) => Ok(Run { simulation, summary: summary?, outcome, why }),
        }
    }
}

fn show_summary(summary: &Summary, folder: &ResultsFolder, scene: &Scene) {
    let spikes: u64 = summary.spikes.values().sum();
    say!(
        "{}: {}, {}, {}; {} s in {:.3} s ({})",
        summary.scene,
        counted(summary.neurons, "neuron"),
        counted(summary.circuits, "circuit"),
        counted(summary.edges, "edge"),
        summary.simulated_s,
        summary.wall_s.run,
        counted(spikes, "spike"),
    );
    for (name, count) in &summary.spikes {
        let neurons = (scene.populations[name].size * scene.replicas) as f64;
        let neuron_seconds = neurons * summary.simulated_s;
        let rate = *count as f64 / neuron_seconds.max(f64::MIN_POSITIVE);
        let hash = &summary.spike_hash[name];
        say!("  {name}: {}, {rate:.3} Hz a neuron, hash {hash}", counted(*count, "spike"));
        if *count == 0 {
            say!(
                "    it is silent: is it connected, and its input strong enough to reach the threshold?"
            );
        }
    }
    summary.hints.iter().for_each(|hint| say!("hint: {hint}"));
    messages::show_results(folder.path(), &summary.files);
}
