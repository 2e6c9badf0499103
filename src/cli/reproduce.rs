//! `picoamp reproduce`: the scene of a results folder run again, and the spikes compared.

use std::time::Instant;

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
    let temporary = tempfile::tempdir()
        .map_err(|error| Error::io("create a folder in", std::env::temp_dir(), error))?;
    let folder = args.out.clone().unwrap_or_else(|| temporary.path().join("again"));
    let mut folder = ResultsFolder::claim(folder, false, &loaded.scene, Dump::default())?;
    // What an interrupted run did not reach is not run again either.
    let until = match results.summary().status.as_str() {
        "complete" => Time::MAX,
        _ => results.reached(),
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
    let reported = report(&results, &again, plugins, ("first run", "this run"), args.json);
    if let Err(Error::Different(message)) = reported {
        if args.out.is_none() && !args.quiet {
            messages::say!("keep the second run with --out DIR to look at it");
        }
        return Err(Error::Different(message));
    }
    reported
}
