//! `picoamp report`: a results folder as one HTML file.

use super::args::ReportArgs;
use super::{messages::say, print};
use crate::results::Results;
use crate::{Error, Plugins, report};

/// The report in its results folder.
const REPORT: &str = "report.html";

pub fn report(args: &ReportArgs, plugins: &Plugins) -> Result<(), Error> {
    let mut results = Results::open(&args.dir)?;
    let html = report::html(&results, plugins)?;
    let path = args.out.clone().unwrap_or_else(|| results.path().join(REPORT));
    let is_own = args.out.is_none() && results.summary().files.iter().any(|file| file == REPORT);
    if path.exists() && !is_own && !args.force {
        return Err(Error::Results {
            path,
            message: "this file exists already".into(),
            help: "choose another one with --out, or replace it with --force".into(),
        });
    }
    std::fs::write(&path, &html).map_err(|error| Error::io("write", &path, error))?;
    if args.out.is_none() {
        results.add_files(&[REPORT.to_string()])?;
    }
    say!("open it in a browser:");
    print(&path.display().to_string())
}
