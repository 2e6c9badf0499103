//! The command line on good scenes: what it writes, what it prints, and that a result can be had
//! again from what was written.

mod again;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod converge;
mod failures;
mod lab;
mod measure;
mod newcomer;
mod output;
mod overrides;
mod sweep;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A scene of the repository.
fn scene(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes").join(name)
}

/// A new folder with files; commands run in it.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// A new folder with a scene of the repository as `scene.ron`.
fn folder_with(name: &str) -> TempDir {
    folder(&[("scene.ron", &fs::read(scene(name)).unwrap())])
}

fn picoamp(folder: &Path) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("picoamp");
    // Only there to end a test that hangs.
    command.current_dir(folder).timeout(Duration::from_secs(300));
    command
}

/// Runs a command that has to succeed.
fn done(folder: &Path, args: &[&str]) -> Output {
    let output = picoamp(folder).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}\n{stderr}");
    output
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Runs a command that has to fail and gives back its exit code and what it said on stderr.
fn refused(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = picoamp(folder).args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// Runs a scene into a folder of results and gives back the summary.
fn run(folder: &Path, file: &str, out: &str, args: &[&str]) -> Value {
    let args = [&["run", file, "--out", out, "--json", "--quiet"], args].concat();
    serde_json::from_slice(&done(folder, &args).stdout).unwrap()
}

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

/// The names of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_string());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(folder, folder, &mut found);
    found
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(String::from).into()
}

/// The scene that a command with overrides decides on.
fn resolved(folder: &Path, file: &str, sets: &[&str]) -> String {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["resolve", file].into_iter().chain(sets).collect();
    stdout(&done(folder, &args)).to_string()
}

/// Text without line breaks and indentation, for searching.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The files of a run of the scenes with an FF curve.
const FILES: [&str; 8] = [
    "ff.csv",
    "ff.svg",
    "raster.csv",
    "raster.svg",
    "scene.ron",
    "summary.json",
    "vmem.csv",
    "vmem.svg",
];
