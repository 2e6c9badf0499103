//! `picoamp run` of a scene with a sweep.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::args::{BackendChoice, RunArgs};
use super::messages::say;
use super::progress::Progress;
use super::run::already_there;
use super::{print_json, stop_on_signals};
use crate::results::resume::{self, Earlier};
use crate::scene::Loaded;
use crate::sweep::summary::Summary;
use crate::sweep::{Ended, Runner};
use crate::{Error, Plugins};
use serde_json::Value;

pub fn run(
    args: &RunArgs,
    plugins: &Plugins,
    loaded: &Loaded,
    load: Duration,
    folder: &Path,
) -> Result<(), Error> {
    let Loaded { scene, warnings, sweep: Some(sweep) } = loaded else { return Ok(()) };
    if !args.dump.is_empty() {
        return Err(Error::Sweep {
            message: "biases and edges of a sweep are not written".into(),
            help: "run one of its points: --point N --dump …".into(),
        });
    }
    let (choice, threads) = (args.backend.into(), args.threads.map(usize::from));
    let runner =
        Runner { plugins, scene, sweep, warnings, choice, threads, load, most: usize::MAX };
    let mut earlier = Earlier::Nothing;
    if args.resume {
        earlier = resume::earlier(folder, &runner.scene_text(), true)?;
    }
    let how = match earlier {
        Earlier::Nothing => How::Start { replace: args.force },
        Earlier::Finished(summary) => {
            // Of points that failed the error is all that there is to say.
            return match summary.get("error").and_then(Value::as_str) {
                Some(error) => Err(Error::Points(error.into())),
                None => already_there(&summary, folder, args),
            };
        }
        // It was killed before it had tables.
        Earlier::Unfinished(summary) if summary.get("sweep").is_none() => {
            How::Start { replace: true }
        }
        Earlier::Unfinished(_) => How::Resume,
    };
    let ended = go(&runner, folder, how, args.quiet).map_err(resume::explained)?;
    let Ended { summary, outcome } = ended;
    if !args.quiet {
        show_summary(&summary, folder);
        if args.backend != BackendChoice::Cpu {
            say!("back end: {}", summary.backend);
        }
    }
    outcome?;
    if args.json {
        print_json(&summary)?;
    }
    Ok(())
}

/// From where a sweep is run.
pub enum How {
    /// From its first point; whether files of an earlier run are replaced.
    Start { replace: bool },
    /// From where it was stopped.
    Resume,
}

/// Runs a sweep and shows how far it is.
pub fn go(runner: &Runner, folder: &Path, how: How, quiet: bool) -> Result<Ended, Error> {
    let stop = stop_on_signals();
    let mut progress = Progress::new(quiet);
    let mut first = None;
    let mut observe = |state: &crate::sweep::Progress| {
        progress.points(*first.get_or_insert(state.done), state);
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let ended = match how {
        How::Start { replace } => runner.start(folder, replace, &mut observe),
        How::Resume => runner.resume(folder, &mut observe),
    };
    progress.finish();
    ended
}

fn show_summary(summary: &Summary, folder: &Path) {
    let reached = &summary.sweep.reached;
    let axes: Vec<String> =
        summary.sweep.axes.iter().map(|axis| axis.values.len().to_string()).collect();
    let (sign, run) =
        (if summary.sweep.form == "Grid" { " × " } else { " with " }, summary.wall_s.run);
    say!(
        "{}: {} of {} points ({}), {} side by side, in {run:.3} s",
        summary.scene,
        reached.done,
        reached.points,
        axes.join(sign),
        summary.sweep.side_by_side,
    );
    for (name, count) in &summary.spikes {
        say!("  {name}: {count} spikes");
    }
    say!("results: {}", folder.display());
    let is_shown = |name: &&String| {
        (name.ends_with(".csv") || name.ends_with(".svg")) && !name.starts_with("inputs/")
    };
    for name in summary.files.iter().filter(is_shown) {
        say!("  {}", folder.join(name).display());
    }
}
