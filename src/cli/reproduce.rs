//! `picoamp reproduce`: the scene of a results folder run again, and the spikes compared.

use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use super::args::ReproduceArgs;
use super::compare::report;
use super::messages::{self, say};
use super::run::{Run, Runner};
use crate::backend::choice::{Candidates, Choice};
use crate::results::{Dump, Results, ResultsFolder};
use crate::scene::estimate::Recording;
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
    let mut folder = ResultsFolder::claim(folder, false, &loaded.scene, Dump::default())?;
    // What an interrupted run did not reach is not run again either. One that failed is to fail again.
    let until = match results.summary().status.as_str() {
        "interrupted" => results.reached(),
        _ => Time::MAX,
    };
    let backends = Candidates::new(Choice::Auto, args.threads.map(usize::from))?;
    let recording = Recording::Streamed;
    let runner = Runner { plugins, backends, quiet: args.quiet, load, until, recording };
    let Run { outcome, summary, .. } = runner.run(loaded, &mut folder)?;
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
    if !args.quiet && first.program_version != summary.program_version {
        let (then, now) = (&first.program_version, summary.program_version);
        say!("the first run is of picoamp {then}, this one of picoamp {now}");
    }
    let again = Results::open(folder.path())?;
    if !args.quiet && args.out.is_some() {
        say!("results: {}", folder.path().display());
    }
    let names = ("first run", "this run");
    let reported = report(&results, &again, plugins, names, args.out.is_some(), args.json);
    if let Err(Error::Different(message)) = reported {
        if args.out.is_none() && !args.quiet {
            messages::say!("keep the second run with --out DIR to look at it");
        }
        return Err(Error::Different(message));
    }
    if let (Ok(()), "failed", Ok(())) = (&reported, first.status.as_str(), &outcome) {
        let error = first.error.as_deref().unwrap_or("for no reason that is known");
        return Err(Error::Different(format!(
            "the first run failed, this one did not; the first one said: {error}"
        )));
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
