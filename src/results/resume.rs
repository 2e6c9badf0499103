//! What is in a folder that a run is to go on in.
//!
//! Of a run only its results are kept, not the state of its neurons: a single run starts again, a sweep
//! goes on at its first point that is not in the tables. Both only where the scene, its seed and the
//! program are the same.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::folder::{SCENE, is_unused};
use super::read::raw_summary;
use super::summary::UNFINISHED;
use crate::error::Error;
use crate::scene::difference::{Difference, differences};

/// So many differences of scenes are told; the rest is counted.
const SHOWN: usize = 5;

/// What an earlier run has left in a folder.
#[derive(Debug, Clone, PartialEq)]
pub enum Earlier {
    /// Nothing.
    Nothing,
    /// Results of the same scene that end early: its summary.
    Unfinished(Value),
    /// All results of the same scene: its summary.
    Finished(Value),
}

/// Looks into a folder for results of a scene, which is given as such a folder has it; `is_sweep`:
/// it has a sweep.
///
/// # Errors
/// [`Error::Results`]: the folder has other files, or results of another scene, seed or version, which
/// are named; [`Error::Io`].
pub fn earlier(path: &Path, scene: &str, is_sweep: bool) -> Result<Earlier, Error> {
    if is_unused(path) && !path.is_file() {
        return Ok(Earlier::Nothing);
    }
    let raw = raw_summary(path)?;
    let refuse = |message: String, help: &str| {
        Err(Error::Results { path: path.to_path_buf(), message, help: help.into() })
    };
    let text = |key: &str| raw.get(key).and_then(Value::as_str);
    let (then, now) = (text("program_version").unwrap_or("unknown"), env!("CARGO_PKG_VERSION"));
    if then != now {
        return refuse(
            format!("these results are of picoamp {then}, and this is picoamp {now}"),
            "results may differ between versions: start again with --force, or in another folder",
        );
    }
    let was_sweep = raw.get("sweep").is_some();
    if is_sweep != was_sweep && text("status") != Some(UNFINISHED) {
        let [theirs, ours] =
            [was_sweep, is_sweep].map(|is| if is { "a sweep" } else { "a single run" });
        return refuse(
            format!("these are results of {theirs}, and this is {ours}"),
            "choose another folder with --out, or start again with --force",
        );
    }
    let path = path.join(SCENE);
    let theirs = match fs::read(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::io("read the scene", &path, error));
        }
        read => read.unwrap_or_default(),
    };
    // Killed while it wrote the scene, and so before it measured anything.
    let is_cut = theirs.len() < scene.len() && scene.as_bytes().starts_with(&theirs);
    if is_cut && text("status") == Some(UNFINISHED) && !was_sweep {
        return Ok(Earlier::Unfinished(raw));
    }
    let theirs = String::from_utf8_lossy(&theirs);
    if theirs != scene {
        let found = differences(&theirs, scene);
        let shown: Vec<String> = found.iter().take(SHOWN).map(line).collect();
        let more = match found.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let what = match shown.len() {
            0 => "its comment".to_string(),
            _ => shown.join("; ") + &more,
        };
        return refuse(
            format!("these are results of another scene: {what}"),
            "start again with --force, or in another folder with --out",
        );
    }
    let is_finished = match text("status") {
        Some("complete") => true,
        // Of a sweep all points are there, but some of them failed.
        Some("failed") => raw.get("sweep").is_some_and(|s| s.get("points") == s.get("done")),
        _ => false,
    };
    Ok(if is_finished { Earlier::Finished(raw) } else { Earlier::Unfinished(raw) })
}

/// Says so if a folder was refused that has results which end early.
#[must_use]
pub fn explained(error: Error) -> Error {
    let Error::OutputExists { path, file: None } = error else { return error };
    let raw = raw_summary(&path).unwrap_or_default();
    let resumes = if raw.get("sweep").is_some() {
        "go on with --resume"
    } else {
        "run it again from the start with --resume (what it has is replaced)"
    };
    match raw.get("status").and_then(Value::as_str) {
        Some(status @ (UNFINISHED | "interrupted")) => Error::Results {
            message: format!("the folder is not empty, it has an earlier run that is {status}"),
            help: format!(
                "{resumes}, replace its files with --force, or choose another folder with --out"
            ),
            path,
        },
        _ => Error::OutputExists { path, file: None },
    }
}

fn line(Difference { path, a, b }: &Difference) -> String {
    let shown = |part: &Option<String>| part.clone().unwrap_or_else(|| "nothing".into());
    format!("{path} is {} there and {} here", shown(a), shown(b))
}
