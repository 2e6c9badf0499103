//! `picoamp reproduce`: the scene of a results folder run again, and the spikes compared.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::args::ReproduceArgs;
use super::compare::report;
use super::messages::say;
use super::run::{self, Run};
use super::sweep::{self, How};
use crate::backend::choice::{Candidates, Choice};
use crate::results::{Dump, Results, ResultsFolder};
use crate::scene::Loaded;
use crate::scene::estimate::Recording;
use crate::sweep::Runner;
use crate::time::Time;
use crate::{Error, Plugins};

pub fn reproduce(args: &ReproduceArgs, plugins: &Plugins) -> Result<(), Error> {
    let results = Results::open(&args.dir)?;
    let began = Instant::now();
    let loaded = results.scene(plugins)?;
    let load = began.elapsed();
    // Removed when it goes out of scope.
    let temporary;
    let folder = if let Some(out) = &args.out {
        out.clone()
    } else {
        temporary = folder_beside(&args.dir)?;
        temporary.path().join("again")
    };
    if loaded.sweep.is_some() {
        reproduce_sweep(args, plugins, &results, &loaded, load, &folder)?;
        return compared(args, plugins, &results, &folder);
    }
    let mut folder = ResultsFolder::claim(folder, false, &loaded.scene, Dump::default())?;
    // What an interrupted run did not reach is not run again either. One that failed is to fail again.
    let until = match results.summary().status.as_str() {
        "interrupted" => results.reached(),
        _ => Time::MAX,
    };
    let backends = Candidates::new(Choice::Auto, args.threads.map(usize::from))?;
    let recording = Recording::Streamed;
    let runner = run::Runner { plugins, backends, quiet: args.quiet, load, until, recording };
    let Run { outcome, .. } = runner.run(loaded, &mut folder)?;
    let first = results.summary();
    match &outcome {
        // Ended where the first run was.
        Err(Error::Interrupted { time }) if *time >= until => {}
        // Failed as the first run did.
        Err(error) if first.error.as_ref() == Some(&error.to_string()) => {}
        // Failed otherwise, or was interrupted before the first run failed.
        Err(_) => return outcome,
        Ok(()) => {}
    }
    let reported = compared(args, plugins, &results, folder.path());
    if let (Ok(()), "failed", Ok(())) = (&reported, first.status.as_str(), &outcome) {
        let error = first.error.as_deref().unwrap_or("for no reason that is known");
        return Err(Error::Different(format!(
            "the first run failed, this one did not; the first one said: {error}"
        )));
    }
    reported
}

/// Runs as many points of a sweep as the first run has.
fn reproduce_sweep(
    args: &ReproduceArgs,
    plugins: &Plugins,
    results: &Results,
    loaded: &Loaded,
    load: Duration,
    folder: &Path,
) -> Result<(), Error> {
    let Loaded { scene, warnings, sweep: Some(sweep) } = loaded else { return Ok(()) };
    let threads = args.threads.map(usize::from);
    let done = results.raw()["sweep"]["done"].as_u64().and_then(|done| usize::try_from(done).ok());
    let most = done.unwrap_or(usize::MAX);
    let runner =
        Runner { plugins, scene, sweep, warnings, choice: Choice::Auto, threads, load, most };
    let ended = sweep::go(&runner, folder, How::Start { replace: false }, args.quiet)?;
    match ended.outcome {
        // Ended where the first run was.
        Err(Error::SweepStopped { done, .. }) if done >= most => Ok(()),
        // The table says which, and it is compared.
        Err(Error::Points(_)) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Compares the first run with the second one.
fn compared(
    args: &ReproduceArgs,
    plugins: &Plugins,
    results: &Results,
    folder: &Path,
) -> Result<(), Error> {
    let again = Results::open(folder)?;
    let [then, now] = [results, &again].map(|run| &run.summary().program_version);
    if !args.quiet && then != now {
        say!("the first run is of picoamp {then}, this one of picoamp {now}");
    }
    if !args.quiet && args.out.is_some() {
        say!("results: {}", folder.display());
    }
    let names = ("first run", "this run");
    let reported = report(results, &again, plugins, names, args.out.is_some(), args.json);
    if matches!(reported, Err(Error::Different(_))) && args.out.is_none() && !args.quiet {
        say!("keep the second run with --out DIR to look at it");
    }
    reported
}

/// A folder beside the results: there is room for tables as large as theirs, which memory, where
/// temporary files often are, may not have.
fn folder_beside(dir: &Path) -> Result<TempDir, Error> {
    let whole = dir.canonicalize().map_err(|error| Error::io("find", dir, error))?;
    let beside = whole.parent().unwrap_or(&whole);
    tempfile::Builder::new()
        .prefix("picoamp-reproduce-")
        .tempdir_in(beside)
        .map_err(|error| Error::io("create a folder (choose one with --out) in", beside, error))
}
