//! The formats of tables: what is recorded is the same in each, all commands read all of them, and a
//! run that is killed leaves what it has sealed.
//!
//! pandas, polars and NumPy read the tables, too. Where there is no Python with them (and pyarrow), those
//! tests are listed as ignored and a line says so. PICOAMP_KILLS=50 kills more runs than usual.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use picoamp::table::{self, Column, Rows};
use picoamp::units::Unit;
use rand_philox::splitmix64;
use serde_json::Value;
use tempfile::TempDir;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let mut add = |name: &str, test: fn()| {
        trials.push(Trial::test(name, move || -> Result<(), Failed> {
            test();
            Ok(())
        }));
    };
    add("every_format_draws_and_says_the_same", every_format_draws_and_says_the_same);
    add("a_long_table_is_a_folder_of_pieces", a_long_table_is_a_folder_of_pieces);
    add("a_damaged_table_is_refused_with_its_name", a_damaged_table_is_refused_with_its_name);
    add("a_killed_run_leaves_what_it_has_sealed", a_killed_run_leaves_what_it_has_sealed);
    let needs_python: [(&str, fn()); 3] = [
        ("python::the_lines_of_the_docs_run", python_the_lines_of_the_docs_run),
        ("python::reads_what_csv_says", python_reads_what_csv_says),
        ("python::reads_what_a_killed_run_has_sealed", python_reads_what_a_killed_run_has_sealed),
    ];
    let is_missing = python().is_none();
    if is_missing && !arguments.list {
        eprintln!(
            "skipped: {} tests, because there is no Python with pandas, polars, pyarrow and numpy",
            needs_python.len()
        );
    }
    for (name, test) in needs_python {
        add(name, test);
    }
    let ignore = |trial: Trial| {
        let is_ignored = is_missing && trial.name().starts_with("python::");
        trial.with_ignored_flag(is_ignored)
    };
    libtest_mimic::run(&arguments, trials.into_iter().map(ignore).collect()).exit();
}

/// A Python that has what reads the tables.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("PICOAMP_PYTHON").map(PathBuf::from);
    let mut names = named.into_iter().chain(["python3", "python"].map(PathBuf::from));
    names.find(|python| {
        let modules = ["-c", "import numpy, pandas, polars, pyarrow.parquet"];
        Command::new(python).args(modules).output().is_ok_and(|output| output.status.success())
    })
}

/// Runs the program in a folder.
fn picoamp(folder: &Path, args: &[&str]) -> Output {
    assert_cmd::cargo::cargo_bin_cmd!("picoamp").args(args).current_dir(folder).output().unwrap()
}

/// Runs a command that has to succeed; gives back what it printed.
fn done(folder: &Path, args: &[&str]) -> String {
    let output = picoamp(folder, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that has to fail; gives back its exit code and what it said.
fn refused(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = picoamp(folder, args);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The names of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_string());
            }
        }
    }
    found
}

/// The files that a summary lists, and itself.
fn listed(folder: &Path) -> BTreeSet<String> {
    let files = summary(folder)["files"].as_array().unwrap().clone();
    let names = files.iter().map(|file| file.as_str().unwrap().to_string());
    names.chain(["summary.json".to_string()]).collect()
}

fn summary(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("summary.json")).unwrap()).unwrap()
}

/// The same records in every format that they can have.
const SCENE: &str = r#"(
    format: 1, name: "formats", seed: 3, duration: "0.5 s", replicas: 2, solver: Euler(dt: "1 ms"),
    sources: { "noise": (size: 100, train: Poisson(rates: "100 Hz")) },
    populations: { "exc": (
        size: 20, model: dynapse1(), mismatch: { "soma.Itau": LogNormal(cv: 0.2) },
    ) },
    connections: [ (from: "noise", to: "exc", receptor: ampa, rule: FixedInDegree(k: 10), weight: 1) ],
    probes: {
        "noise_csv": Spikes(of: "noise"),
        "noise_parquet": Spikes(of: "noise", format: Parquet),
        "exc_csv": Spikes(of: "exc", format: Csv),
        "exc_parquet": Spikes(of: "exc", format: Parquet),
        "trace_csv": Trace(of: "exc", vars: [Vmem, Imem], neurons: [17, 3, 5], every: "1 ms"),
        "trace_parquet": Trace(of: "exc", vars: [Vmem, Imem], neurons: [17, 3, 5], every: "1 ms", format: Parquet),
        "trace_npy": Trace(of: "exc", vars: [Vmem, Imem], neurons: [17, 3, 5], every: "1 ms", format: Npy),
    },
)"#;

/// A folder with that scene.
fn with_scene() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("scene.ron"), SCENE).unwrap();
    folder
}

fn every_format_draws_and_says_the_same() {
    let folder = with_scene();
    let path = folder.path();
    for (out, sets) in [("two", &[][..]), ("one", &["--set", "replicas=1", "--set", "seed=4"])] {
        done(path, &[&["run", "scene.ron", "--out", out, "--quiet"], sets].concat());
        assert_eq!(files(&path.join(out)), listed(&path.join(out)));
        // Redrawn from the table, and drawn by the run that has written it.
        let drawn = |probe: &str| {
            let again = format!("{out}_again");
            let args = ["plot", out, probe, "--title", "a", "--out", &again, "--force"];
            done(path, &args);
            let redrawn =
                fs::read_to_string(path.join(again).join(format!("{probe}.svg"))).unwrap();
            let first = fs::read_to_string(path.join(out).join(format!("{probe}.svg"))).unwrap();
            (redrawn, first.replace(probe, "…"))
        };
        for record in ["noise", "exc", "trace"] {
            let csv = drawn(&format!("{record}_csv"));
            assert!(csv == drawn(&format!("{record}_parquet")), "{record}");
            if record == "trace" {
                assert!(csv == drawn("trace_npy"));
            }
        }
        done(path, &["report", out]);
        let html = fs::read_to_string(path.join(out).join("report.html")).unwrap();
        assert!(html.contains("trace_npy (Trace): Imem") && !html.contains("cannot be shown"));
        let said = done(path, &["reproduce", out, "--quiet"]);
        assert!(said.contains("exc: the same"), "{said}");
    }
    // The decided scene says the format where there is a choice.
    let scene = fs::read_to_string(path.join("two/scene.ron")).unwrap();
    assert!(
        scene.contains("format: Npy") && scene.matches("format: Parquet").count() == 3,
        "{scene}"
    );

    // Two runs that differ: what tells them apart is the same, whatever the format.
    let scene = |format: &str| {
        let kept =
            ["noise_csv", "noise_parquet", "trace_csv", "trace_parquet", "trace_npy", "exc_csv"];
        let lines = SCENE
            .lines()
            .filter(|line| !kept.iter().any(|name| line.contains(&format!("\"{name}\""))));
        lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace("format: Parquet", &format!("format: {format}"))
    };
    let compared = ["Csv", "Parquet"].map(|format| {
        let file = format!("{format}.ron");
        fs::write(path.join(&file), scene(format)).unwrap();
        for (out, seed) in [("a", "1"), ("b", "2")] {
            done(path, &["run", &file, "--out", out, "--seed", seed, "--quiet", "--force"]);
        }
        let output = picoamp(path, &["compare", "a", "b"]);
        assert_eq!(output.status.code(), Some(7));
        String::from_utf8(output.stdout).unwrap()
    });
    assert!(compared[0].contains("first difference: the spike of neuron"), "{}", compared[0]);
    assert_eq!(compared[0], compared[1]);
}

/// Many spikes and samples, in little time.
const LONG: &str = r#"(
    format: 1, name: "long", seed: 1, duration: "3 s", window: "20 ms", solver: Euler(dt: "1 ms"),
    sources: { "noise": (size: 20000, train: Poisson(rates: "100 Hz")) },
    populations: { "n": (size: 400, model: lif()) },
    connections: [ (from: "noise", to: "n", receptor: exc, rule: FixedInDegree(k: 2), weight: 1) ],
    probes: {
        "noise": Spikes(of: "noise", format: Parquet),
        "text": Spikes(of: "noise", neurons: Range(from: 0, to: 1999)),
        "trace": Trace(of: "n", vars: [v], neurons: All, every: "1 ms", format: Parquet),
        "array": Trace(of: "n", vars: [v, i_exc, i_inh], neurons: All, every: "1 ms", format: Npy),
    },
)"#;

fn a_long_table_is_a_folder_of_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("long.ron"), LONG).unwrap();
    done(path, &["run", "long.ron", "--out", "out", "--quiet"]);
    let out = path.join("out");
    assert_eq!(files(&out), listed(&out));
    assert!(
        out.join("noise.parquet").is_dir() && out.join("noise.parquet/00001.parquet").is_file()
    );
    let tables = summary(&out)["tables"].clone();
    // 8 MiB of a neuron and a time each.
    assert_eq!(tables["noise"]["pieces"][0]["rows"], (8 << 20) / 12);
    let rows = read(&out, "noise.parquet", &spikes());
    assert_eq!(tables["noise"]["rows"], rows.len());
    assert!(rows.is_sorted());
    done(path, &["plot", "out"]);
    // A user's file among the pieces stays; what is a folder in one run may be a file in the next.
    let file = out.join("noise.parquet/notes.txt");
    fs::write(&file, "mine").unwrap();
    let short =
        ["run", "long.ron", "--out", "out", "--quiet", "--force", "--set", "duration=0.1 s"];
    done(path, &short);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(
        summary(&out)["tables"]["noise"]["pieces"][0]["file"],
        "noise.parquet/00000.parquet"
    );
    fs::remove_file(file).unwrap();
    done(path, &short);
    assert!(out.join("noise.parquet").is_file());
    assert_eq!(files(&out), listed(&out));
    done(path, &["run", "long.ron", "--out", "out", "--quiet", "--force"]);
    assert!(out.join("noise.parquet").is_dir());
    // A folder of the user's is in the way.
    fs::create_dir_all(path.join("mine/noise.parquet")).unwrap();
    let (code, said) = refused(path, &["run", "long.ron", "--out", "mine", "--force"]);
    assert!(code == 5 && said.contains("mine/noise.parquet is in the way"), "{said}");
}

/// The columns of spikes.
fn spikes() -> Rows {
    Rows::new(vec![Column::index("neuron", Vec::new()), Column::time(Vec::new())])
}

/// Time and neuron of each row of a table.
fn read(folder: &Path, table: &str, layout: &Rows) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let read = table::read(&folder.join(table), layout, |rows, k| {
        found.push((rows.times()[k].picoseconds(), rows.indices("neuron")[k]));
        Ok(())
    });
    read.unwrap();
    found
}

fn a_damaged_table_is_refused_with_its_name() {
    let folder = with_scene();
    let path = folder.path();
    done(path, &["run", "scene.ron", "--out", "out", "--quiet"]);
    for (table, probe) in [("exc_parquet.parquet", "exc_parquet"), ("trace_npy.npy", "trace_npy")] {
        let file = path.join("out").join(table);
        let whole = fs::read(&file).unwrap();
        for bytes in [&whole[..whole.len() / 2], b"", b"neuron,time_s\n1,0.5\n"] {
            fs::write(&file, bytes).unwrap();
            let (code, said) = refused(path, &["plot", "out", probe]);
            assert_eq!(code, 5, "{said}");
            assert!(said.contains(table) && said.contains("help:"), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        fs::remove_file(&file).unwrap();
        let (code, said) = refused(path, &["plot", "out", probe]);
        assert!(code == 5 && said.contains(table) && said.contains("No such file"), "{said}");
        done(path, &["report", "out"]);
        let html = fs::read_to_string(path.join("out/report.html")).unwrap();
        assert!(html.contains(&format!("The probe {probe} cannot be shown: {table}")));
        fs::write(file, whole).unwrap();
    }
    // A newer version may mean something else by all this: no command reads it.
    let file = path.join("out/summary.json");
    let newer = fs::read_to_string(&file)
        .unwrap()
        .replace("\"schema_version\": 1", "\"schema_version\": 2");
    fs::write(&file, newer).unwrap();
    for args in [
        &["plot", "out"][..],
        &["report", "out"],
        &["compare", "out", "out"],
        &["reproduce", "out"],
    ] {
        let (code, said) = refused(path, args);
        assert!(
            code == 5 && said.contains("these results have version 2, written by picoamp"),
            "{said}"
        );
    }
}

/// Ends a process as SIGKILL does: `Child::kill`.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts so many runs and kills each at a moment that is drawn: when so many pieces are sealed, and a
/// little later.
fn kill_runs(folder: &Path, count: u64, seed: u64) -> Vec<PathBuf> {
    fs::write(folder.join("long.ron"), LONG.replace("\"3 s\"", "\"60 s\"")).unwrap();
    (0..count)
        .map(|k| {
            let random = splitmix64(seed + k);
            let (pieces, spins) = (random % 14, (random >> 32) % 300);
            let out = folder.join(format!("out{k}"));
            let program = assert_cmd::cargo::cargo_bin!("picoamp");
            let child = Command::new(program)
                .args(["run", "long.ron", "--quiet", "--out"])
                .arg(&out)
                .current_dir(folder)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut run = Killed(child);
            while sealed(&out) < pieces && run.0.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(500));
            }
            // In the midst of whatever comes next.
            std::thread::sleep(Duration::from_micros(200 * spins));
            assert_eq!(run.0.try_wait().unwrap(), None, "the run was over before it was killed");
            drop(run);
            out
        })
        .collect()
}

/// How many pieces a manifest lists; it is whole at any moment.
fn sealed(out: &Path) -> u64 {
    let Ok(text) = fs::read(out.join("summary.json")) else { return 0 };
    let summary: Value = serde_json::from_slice(&text).unwrap();
    let tables = summary["tables"].as_object().into_iter().flatten();
    // Of an array, each part as large as a piece.
    let pieces = tables.map(|(_, table)| match table["format"].as_str() {
        Some("Parquet") => table["pieces"].as_array().unwrap().len() as u64,
        Some("Npy") => table["rows"].as_u64().unwrap() * 24 / (8 << 20),
        _ => 0,
    });
    pieces.sum()
}

fn kills(usual: u64) -> u64 {
    let asked = std::env::var("PICOAMP_KILLS").ok().and_then(|count| count.parse().ok());
    asked.unwrap_or(usual)
}

fn a_killed_run_leaves_what_it_has_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (mut pieces, mut with_pieces) = (0, 0);
    let outs = kill_runs(path, kills(5), 1);
    for out in &outs {
        let name = out.file_name().unwrap().to_str().unwrap();
        // Killed before it had begun to write.
        if !out.join("summary.json").exists() {
            assert!(!out.exists() || files(out).is_subset(&["summary.json.part".into()].into()));
            continue;
        }
        let summary = summary(out);
        assert_eq!(summary["status"], "unfinished");
        let tables = summary["tables"].as_object().cloned().unwrap_or_default();
        for (probe, table) in &tables {
            let layout = match probe.as_str() {
                "noise" | "text" => spikes(),
                _ => Rows::new(vec![
                    Column::time(Vec::new()),
                    Column::index("neuron", Vec::new()),
                    Column::value("v", Unit::Volt, Vec::new()),
                ]),
            };
            for piece in table["pieces"].as_array().unwrap() {
                let (file, listed) =
                    (piece["file"].as_str().unwrap(), piece["rows"].as_u64().unwrap());
                if file.ends_with(".csv") {
                    // The very last row may be cut; those that are sealed are whole.
                    let text = fs::read_to_string(out.join(file)).unwrap();
                    let whole =
                        text.lines().take(listed as usize + 1).collect::<Vec<_>>().join("\n");
                    fs::write(out.join(file), whole).unwrap();
                }
                let rows = read(out, file, &layout);
                assert!(rows.is_sorted());
                match table["format"].as_str() {
                    Some("Parquet") => assert_eq!(rows.len() as u64, listed),
                    // These go on within their file.
                    _ => assert!(rows.len() as u64 >= listed),
                }
                pieces += 1;
            }
        }
        with_pieces += u64::from(!tables.is_empty());
        // Nothing is there that the manifest does not list, but its own successor.
        let mut found = files(out);
        found.remove("summary.json.part");
        assert!(found.is_subset(&listed(out)), "{found:?}");
        // It is no finished run.
        let (code, said) = refused(path, &["run", "long.ron", "--out", name]);
        assert!(code == 5 && said.contains("not empty") && said.contains("--force"), "{said}");
        let (code, said) = refused(path, &["plot", name]);
        assert!(code == 5 && said.contains("unfinished"), "{said}");
    }
    println!(
        "{} runs were killed, {with_pieces} had sealed something: {pieces} pieces",
        outs.len()
    );
    assert!(with_pieces >= outs.len() as u64 / 2);
    // With --force the new run leaves nothing of the killed one.
    let out = outs.iter().max_by_key(|out| sealed(out)).unwrap();
    let out_name = out.file_name().unwrap().to_str().unwrap();
    let args =
        ["run", "long.ron", "--out", out_name, "--force", "--quiet", "--set", "duration=0.1 s"];
    done(path, &args);
    assert_eq!(files(out), listed(out));
    assert!(out.join("noise.parquet").is_file());
}

/// Runs the script that reads tables with pandas, polars and NumPy.
fn read_back(command: &str, folders: &[PathBuf]) -> String {
    let python = python().unwrap();
    let script = common::file("tests/formats/read_back.py");
    let output = Command::new(python).arg(script).arg(command).args(folders).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn python_the_lines_of_the_docs_run() {
    let docs = fs::read_to_string(common::file("docs/src/results.md")).unwrap();
    let lines = docs.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scene = SCENE.replace("exc_parquet", "spikes").replace("trace_npy", "vmem");
    fs::write(folder.path().join("scene.ron"), scene).unwrap();
    done(folder.path(), &["run", "scene.ron", "--out", "runs/scene", "--quiet"]);
    let check =
        "assert len(spikes) > 1000 and trace.shape == (501, 6, 2) and abs(times[-1] - 0.5) < 1e-12";
    let output = Command::new(python().unwrap())
        .args(["-c", &format!("{lines}\n{check}")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn python_reads_what_csv_says() {
    let folder = with_scene();
    for sets in [&["--set", "replicas=2"], &["--set", "replicas=1"]] {
        let args = ["run", "scene.ron", "--out", "out", "--quiet", "--force"];
        done(folder.path(), &[&args[..], sets].concat());
        read_back("same", &[folder.path().join("out")]);
    }
}

fn python_reads_what_a_killed_run_has_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let outs = kill_runs(folder.path(), kills(3), 100);
    let said = read_back("sealed", &outs);
    println!("{said}");
    assert!(said.starts_with(&format!("{} runs, ", outs.len())), "{said}");
}
