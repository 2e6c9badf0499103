//! Scenes and command lines that must be refused: with the right exit code, at the right place, in
//! words that help, and before anything is written.

mod chip;
mod event;
mod files;
mod forms;
mod limits;
mod messages;
mod names;
mod networks;
mod probes;
mod sources;
mod sweep;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A small valid scene. Each case changes one thing in it.
const SCENE: &str = r#"(
    duration: "1 s",
    solver: Euler(dt: "1 ms"),
    sources: {
        "input": (size: 4, train: Regular(rates: "50 Hz")),
    },
    populations: {
        "dpi": (
            size: 4,
            model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Ipfb_norm: "1.4e9 /A"),
                ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"),
            ),
            mismatch: { "soma.Itau": Gaussian(cv: 0.1) },
        ),
    },
    connections: [
        (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 2, delay: "1 ms"),
    ],
    probes: {
        "raster": Spikes(of: "input"),
        "vmem": Trace(of: "dpi", vars: [Vmem], neurons: [0, 3], every: "1 ms"),
        "ff": Ff(input: "input", output: "dpi"),
    },
)
"#;

/// The name of the scene file in its folder, which is also the working folder.
const FILE: &str = "bad.ron";

/// The scene with each `from` replaced; it must stand there exactly once.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(SCENE.to_string(), |scene, (from, to)| {
        assert_eq!(scene.matches(from).count(), 1, "{from:?} is to stand in the scene once");
        scene.replace(from, to)
    })
}

/// A new folder with a scene and other files.
fn folder(scene: impl AsRef<[u8]>, files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), scene).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Everything below a folder: files with their content, folders without one.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).ok();
            found.insert(path, bytes);
        }
    }
    found
}

fn picoamp(folder: &Path) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("picoamp");
    // Only there to end a test that hangs.
    command.current_dir(folder).timeout(Duration::from_secs(120));
    command
}

/// Runs a command that has to fail: nothing may be written, neither to stdout nor to the folder.
/// Gives back stderr.
fn refused(folder: &Path, args: &[&str], code: i32) -> String {
    let before = content(folder);
    let output = picoamp(folder).args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{args:?}: stdout");
    assert!(content(folder) == before, "{args:?} changed the folder");
    assert!(!stderr.is_empty() && !stderr.contains("panicked"), "{args:?}\n{stderr}");
    stderr
}

/// Runs a scene that has to be refused: plain, and again with `--json`. Gives back stderr and the
/// error as JSON.
fn refused_run(folder: &Path, args: &[&str], code: i32) -> (String, Value) {
    let args = [&["run", FILE], args].concat();
    let stderr = refused(folder, &args, code);
    let before = content(folder);
    let output = picoamp(folder).args(&args).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?} --json");
    assert!(content(folder) == before, "{args:?} --json changed the folder");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &answer["error"];
    assert_eq!(error["exit_code"], code, "{answer:#}");
    assert!(!error["message"].as_str().unwrap().is_empty(), "{answer:#}");
    (stderr, error.clone())
}

/// The text of a scene, or of a `--set` argument, from a place on: what the message points at.
fn pointed_at(text: &str, line: u64, column: u64) -> String {
    let rest = |text: &str, n: u64| text.chars().skip(n as usize - 1).collect::<String>();
    let found = text.lines().nth(line as usize - 1).map(|text| rest(text, column));
    found.unwrap_or_default().chars().take(24).collect()
}

/// The findings of a refused scene, one per paragraph: place, what stands there, path, message and
/// remedy. Each must have all of these, and stderr must show the same place.
fn findings(folder: &Path, scene: &str, args: &[&str]) -> String {
    let (stderr, error) = refused_run(folder, args, 3);
    let sets: Vec<&&str> = args.iter().filter(|arg| **arg != "--set").collect();
    let findings = error["findings"].as_array().unwrap();
    let errors = findings.iter().filter(|f| f["severity"] == "error").count();
    assert!(errors > 0, "a scene that is refused has an error: {error:#}");
    let plural = if errors == 1 { "error" } else { "errors" };
    assert_eq!(error["message"], format!("the scene has {errors} {plural}"));
    assert!(
        stderr.ends_with(&format!("error: the scene has {errors} {plural}; nothing was written\n"))
    );
    let mut text = String::new();
    for finding in findings {
        let field = |name: &str| {
            finding[name].as_str().unwrap_or_else(|| panic!("no {name} in {finding:#}"))
        };
        let number = |name: &str| {
            finding[name].as_u64().unwrap_or_else(|| panic!("no {name} in {finding:#}"))
        };
        let (file, line, column) = (field("file"), number("line"), number("column"));
        let place = format!("{file}:{line}:{column}");
        assert!(stderr.contains(&format!("[{place}]")), "{place} is missing in\n{stderr}");
        let source = match file.strip_prefix("--set #") {
            Some(k) => sets[k.parse::<usize>().unwrap() - 1],
            None if file == FILE => scene,
            // The value of an override has a text of its own.
            None => file.split_once('=').unwrap().1,
        };
        let warning = if finding["severity"] == "warning" { "warning: " } else { "" };
        let path = field("path");
        let separator = if path.is_empty() { "" } else { ": " };
        text += &format!(
            "  {place} «{}»\n    {warning}{path}{separator}{}\n    help: {}\n",
            pointed_at(source, line, column),
            field("message"),
            field("help"),
        );
    }
    text
}

/// A case: what is wrong, and the replacements that make it so.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// The findings of each case.
fn table(cases: &[Case]) -> String {
    table_with_files(&[], cases)
}

fn table_with_files(files: &[(&str, &[u8])], cases: &[Case]) -> String {
    let mut text = String::new();
    for (what, edits) in cases {
        let scene = edited(edits);
        let folder = folder(&scene, files);
        text += &format!("{what}\n{}", findings(folder.path(), &scene, &[]));
    }
    text
}

/// The same for texts that are no scene at all.
fn table_of_texts(cases: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (what, scene) in cases {
        let folder = folder(scene, &[]);
        text += &format!("{what}\n{}", findings(folder.path(), scene, &[]));
    }
    text
}

/// The same for `--set` arguments on the valid scene.
fn table_of_sets(cases: &[(&str, &[&str])]) -> String {
    let mut text = String::new();
    for (what, sets) in cases {
        let folder = folder(SCENE, &[]);
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        text += &format!("{what}\n{}", findings(folder.path(), SCENE, &args));
    }
    text
}

/// Otherwise the cases would not show that it is their change that is refused.
#[test]
fn the_scene_that_the_cases_change_is_valid() {
    let folder = folder(SCENE, &[]);
    picoamp(folder.path()).args(["check", FILE]).assert().success().stderr("");
    picoamp(folder.path()).args(["run", FILE, "--quiet"]).assert().success().stderr("");
    assert!(folder.path().join("runs/bad/summary.json").is_file());
}
