//! The command line on good scenes: what it writes, what it prints, and that a result can be had
//! again from what was written.

mod common;

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

/// Runs a scene into a folder of results and gives back the summary.
fn run(folder: &Path, file: &str, out: &str, args: &[&str]) -> Value {
    let args = [&["run", file, "--out", out, "--json", "--quiet"], args].concat();
    serde_json::from_slice(&done(folder, &args).stdout).unwrap()
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

#[test]
fn a_run_writes_these_files_and_no_others() {
    let folder = folder_with("ff_mismatch.ron");
    let output = done(folder.path(), &["run", "scene.ron"]);
    // Without --out the folder is named after the scene.
    let results = folder.path().join("runs/ff_mismatch");
    assert_eq!(files(&results), names(FILES));
    assert_eq!(files(folder.path()).len(), FILES.len() + 1);

    let summary: Value =
        serde_json::from_slice(&fs::read(results.join("summary.json")).unwrap()).unwrap();
    let listed: BTreeSet<String> = serde_json::from_value(summary["files"].clone()).unwrap();
    let mut expected = names(FILES);
    expected.remove("summary.json");
    assert_eq!(listed, expected);

    // What it says goes to stderr: stdout is for data.
    assert_eq!(stdout(&output), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("ff_mismatch: 200 neurons, 200 circuits, 200 edges; 1 s in "),
        "{stderr}"
    );
    for path in ["results: runs/ff_mismatch\n", "  runs/ff_mismatch/ff.svg\n"] {
        assert!(stderr.contains(path), "{path} is missing in\n{stderr}");
    }
}

#[test]
fn the_summary_has_these_keys() {
    let folder = folder_with("ff_mismatch.ron");
    let summary = run(folder.path(), "scene.ron", "out", &["--threads", "2"]);
    // On stdout stands what stands in the file.
    let file = fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), summary);

    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    insta::assert_snapshot!(keys(&summary).join(" "), @r#"backend circuits duration_s edges files ignored_input_spikes mismatch neuron_seconds_per_second neurons program_version scene schema_version seed simulated_s solver sources spike_hash spikes status threads wall_s warnings"#);
    insta::assert_snapshot!(keys(&summary["wall_s"]).join(" "), @r#"advance connect load run spawn write"#);
    insta::assert_snapshot!(keys(&summary["mismatch"]["dpi"]).join(" "), @r#"ampa.Igain ampa.Itau ampa.Iw soma.Igain soma.Itau"#);
    insta::assert_snapshot!(keys(&summary["mismatch"]["dpi"]["soma.Itau"]).join(" "), @r#"asked_cv cv floored law mean nominal"#);
    for (key, expected) in [
        ("schema_version", json!(1)),
        ("program_version", json!(env!("CARGO_PKG_VERSION"))),
        ("scene", json!("ff_mismatch")),
        ("status", json!("complete")),
        ("seed", json!(1)),
        ("backend", json!("cpu")),
        ("threads", json!(2)),
        ("solver", json!({ "name": "Euler", "dt_s": 0.001 })),
        ("duration_s", json!(1.0)),
        ("simulated_s", json!(1.0)),
        ("neurons", json!(200)),
        ("circuits", json!(200)),
        ("sources", json!(200)),
        ("edges", json!(200)),
        ("ignored_input_spikes", json!({})),
        ("warnings", json!([])),
    ] {
        assert_eq!(summary[key], expected, "{key}");
    }
    let hashes = summary["spike_hash"].as_object().unwrap();
    assert_eq!(hashes.keys().collect::<Vec<_>>(), ["dpi", "total"]);
    assert!(summary["spikes"]["dpi"].as_u64().unwrap() > 5000);
}

#[test]
fn quiet_prints_nothing() {
    let folder = folder_with("ff_nominal.ron");
    let output = done(folder.path(), &["run", "scene.ron", "--quiet"]);
    assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0));
    assert_eq!(files(&folder.path().join("runs/ff_nominal")), names(FILES));
}

/// A name must not lead out of `runs`.
#[test]
fn the_folder_of_any_name_is_in_runs() {
    for (name, expected) in
        [("../evil", ".._evil"), ("..", "scene"), ("/a/b", "_a_b"), ("π 1", "π 1")]
    {
        let folder = folder_with("ff_nominal.ron");
        let set = format!("name={name:?}");
        done(folder.path(), &["run", "scene.ron", "--quiet", "--set", &set]);
        assert!(folder.path().join("runs").join(expected).join("summary.json").is_file(), "{name}");
        assert_eq!(files(folder.path()).len(), FILES.len() + 1, "{name}");
    }
}

#[test]
fn force_replaces_the_earlier_run_and_nothing_else() {
    let folder = folder_with("ff_nominal.ron");
    let out = folder.path().join("out");
    run(folder.path(), "scene.ron", "out", &["--dump", "biases,edges"]);
    fs::write(out.join("notes.txt"), "mine").unwrap();
    fs::create_dir(out.join("inputs")).unwrap();
    fs::write(out.join("inputs/mine.csv"), "mine").unwrap();

    // Other probes, and no dumps: the old ones go.
    let probes = "probes={ \"spikes\": Spikes(of: \"dpi\") }";
    let summary = run(folder.path(), "scene.ron", "out", &["--force", "--set", probes]);
    let expected =
        ["inputs/mine.csv", "notes.txt", "scene.ron", "spikes.csv", "spikes.svg", "summary.json"];
    assert_eq!(files(&out), names(expected));
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(out.join("inputs/mine.csv")).unwrap(), "mine");
    assert_eq!(summary["files"], json!(["scene.ron", "spikes.csv", "spikes.svg"]));

    // A scene with mistakes replaces nothing.
    let before = fs::read(out.join("summary.json")).unwrap();
    let args = ["run", "scene.ron", "--out", "out", "--force", "--set", "duration=1 A"];
    picoamp(folder.path()).args(args).assert().code(3);
    assert_eq!(fs::read(out.join("summary.json")).unwrap(), before);
    assert_eq!(files(&out), names(expected));

    // An empty folder needs no --force.
    fs::create_dir(folder.path().join("empty")).unwrap();
    run(folder.path(), "scene.ron", "empty", &[]);
}

/// An earlier summary is no licence to remove files elsewhere.
#[test]
fn force_removes_nothing_outside_of_the_folder() {
    let folder = folder_with("ff_nominal.ron");
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let absolute = folder.path().join("mine.txt");
    let earlier =
        json!({ "files": ["../mine.txt", absolute, "./../mine.txt", "", ".", "missing.csv"] });
    fs::write(folder.path().join("out/summary.json"), earlier.to_string()).unwrap();
    run(folder.path(), "scene.ron", "out", &["--force"]);
    assert_eq!(fs::read_to_string(absolute).unwrap(), "mine");
    assert_eq!(files(&folder.path().join("out")), names(FILES));
}

#[test]
fn overrides_reach_every_part() {
    let folder = folder_with("ff_mismatch.ron");
    for (sets, expected) in [
        // Quantities as bare text, in quotes, with spaces around.
        (&["duration=500 ms"][..], "duration: \"500 ms\""),
        (&["duration=\"500 ms\""], "duration: \"500 ms\""),
        (&[" duration = 500 ms "], "duration: \"500 ms\""),
        (&["seed=7"], "seed: 7"),
        (&["name=other"], "name: \"other\""),
        (&["name=a.b=c"], "name: \"a.b=c\""),
        (&["window=10 ms"], "window: \"10 ms\""),
        // Into enums and groups, by their keys.
        (&["solver.dt=20 us"], "Euler(dt: \"20 us\")"),
        (&["solver=Euler(dt: \"20 us\")"], "Euler(dt: \"20 us\")"),
        (&["populations.dpi.model.soma.Itau=5 pA"], "soma: (C: \"3 pF\", Itau: \"5 pA\""),
        (&["sources.input.train.rates=50 Hz"], "Regular(rates: \"50 Hz\", grid: \"1 ms\", "),
        (&["sources.input.train.phase=Random"], "phase: Random, jitter: \"0 s\")"),
        (&["sources.input.train.jitter=1 ms"], "phase: \"0 s\", jitter: \"1 ms\")"),
        (&["sources.input.train.rates.to=50 Hz"], "Linear(from: \"0 Hz\", to: \"50 Hz\")"),
        // A key that holds a dot.
        (
            &["populations.dpi.mismatch.\"soma.Itau\"=LogNormal(cv: 0.2)"],
            "\"soma.Itau\": LogNormal(cv: 0.2)",
        ),
        (&["populations.dpi.mismatch.\"soma.Itau\".cv=0.3"], "\"soma.Itau\": Gaussian(cv: 0.3)"),
        // Lists by index.
        (&["connections.0.weight=2"], "weight: 2.0"),
        (&["probes.vmem.neurons.0=7"], "neurons: [7]"),
        // Keys that were not there.
        (
            &["populations.dpi.model.gabab.Iw=3 pA"],
            "gabab: (C: \"2 pF\", Itau: \"1 pA\", Igain: \"1 pA\", Iw: \"3 pA\")",
        ),
        (
            &["populations.dpi.mismatch.\"soma.Ith\"=LogNormal(cv: 0.2)"],
            "\"soma.Ith\": LogNormal(cv: 0.2)",
        ),
        (&["populations.dpi.init.Imem=1 nA"], "init: { \"Imem\": \"1 nA\" }"),
        (
            &["chip=Dynapse1()", "chip.cores.dpi=3"],
            "chip: Dynapse1(chips: 1, cores_per_chip: 4, neurons_per_core: 256, fan_in: 64, \
             cores: { \"dpi\": [3] })",
        ),
        (&["chip=Dynapse1"], "cores: { \"dpi\": [0] })"),
        (&["chip=Dynapse1", "chip=Off"], "chip: Off,"),
        (&["connections.0.delay=2 ms"], "delay: \"2 ms\""),
        (&["probes.new=Spikes(of: \"dpi\")"], "\"new\": Spikes(of: \"dpi\", neurons: All)"),
        (
            &["probes.ff.window.from=500 ms"],
            "Ff(input: \"input\", output: \"dpi\", window: (from: \"500 ms\"))",
        ),
        // One after the other; the last one counts.
        (&["seed=7", "seed=8"], "seed: 8"),
        // Probes that no longer fit are replaced with the rest.
        (&["sources.input.size=10", "populations.dpi.size=10", "probes={}"], "probes: {}"),
    ] {
        let text = flat(&resolved(folder.path(), "scene.ron", sets));
        assert!(text.contains(expected), "{sets:?}: {expected} is missing in\n{text}");
    }
}

#[test]
fn seeds_and_overrides_change_a_run() {
    let folder = folder_with("ff_mismatch.ron");
    let run = |out, args: &[&str]| run(folder.path(), "scene.ron", out, args);
    let first = run("1", &[]);
    assert_eq!(run("1 again", &["--seed", "1"])["spike_hash"], first["spike_hash"]);
    let second = run("2", &["--seed", "2"]);
    assert_eq!(second["seed"], 2);
    assert_ne!(second["spike_hash"], first["spike_hash"]);
    assert_eq!(run("2 again", &["--set", "seed=2"])["spike_hash"], second["spike_hash"]);
    // The scene that is written has the seed that was used.
    let written = fs::read_to_string(folder.path().join("2/scene.ron")).unwrap();
    assert!(written.contains("seed: 2,"), "{written}");
    // The command line has the last word.
    let both = run("3", &["--set", "seed=1", "--seed", "2"]);
    assert_eq!(both["spike_hash"], second["spike_hash"]);
    assert_eq!(run("max", &["--seed", &u64::MAX.to_string()])["seed"], u64::MAX);
}

/// Draws belong to a population by name: another one beside it changes nothing.
#[test]
fn an_unrelated_population_changes_nothing() {
    let folder = folder_with("ff_mismatch.ron");
    let alone = run(folder.path(), "scene.ron", "alone", &[]);
    let other = "populations.another=(size: 70, model: arcana(soma: (Idc: \"50 pA\", Ipfb_norm: \"1.4e9 /A\"), ampa: ()), mismatch: { \"soma.Itau\": Gaussian(cv: 0.1) })";
    let both = run(folder.path(), "scene.ron", "both", &["--set", other]);
    assert_eq!(both["neurons"], 270);
    assert_eq!(both["spike_hash"]["dpi"], alone["spike_hash"]["dpi"]);
    assert_eq!(both["mismatch"]["dpi"], alone["mismatch"]["dpi"]);
    assert_ne!(both["spike_hash"]["total"], alone["spike_hash"]["total"]);
}

/// Enough work in a window that threads are really used.
#[test]
fn threads_change_nothing() {
    let folder = folder_with("ff_mismatch.ron");
    let sets = ["--set", "solver.dt=20 us", "--set", "duration=300 ms"];
    let run = |threads: &str| {
        let summary = run(
            folder.path(),
            "scene.ron",
            threads,
            &[&sets[..], &["--threads", threads]].concat(),
        );
        assert_eq!(summary["threads"], threads.parse::<u64>().unwrap());
        let table = |name| fs::read(folder.path().join(threads).join(name)).unwrap();
        (summary["spike_hash"].clone(), table("vmem.csv"), table("ff.csv"), table("raster.csv"))
    };
    let one = run("1");
    for threads in ["2", "4"] {
        assert!(run(threads) == one, "{threads} threads give another result");
    }
}

#[test]
fn dumps_are_written_and_biases_read_back() {
    let folder = folder_with("ff_mismatch.ron");
    let path = folder.path();
    let drawn = run(path, "scene.ron", "drawn", &["--dump", "biases,edges"]);
    let mut expected = names(FILES);
    expected.extend(names(["dpi.biases.csv", "input-_dpi_ampa.edges.csv"]));
    assert_eq!(files(&path.join("drawn")), expected);

    let biases = fs::read_to_string(path.join("drawn/dpi.biases.csv")).unwrap();
    let header = "neuron,soma.C,soma.Itau,soma.Igain,soma.Ith,soma.Ireset,soma.Idc,soma.refP,\
                  soma.Ipfb_th,soma.Ipfb_norm,ampa.C,ampa.Itau,ampa.Igain,ampa.Iw";
    assert_eq!(biases.lines().next(), Some(header));
    assert_eq!(biases.lines().count(), 201);
    let edges = fs::read_to_string(path.join("drawn/input-_dpi_ampa.edges.csv")).unwrap();
    let first: Vec<&str> = edges.lines().take(3).collect();
    assert_eq!(first, ["source,target,weight,delay_s", "0,0,1,0", "1,1,1,0"]);
    assert_eq!(edges.lines().count(), 201);

    // Measured values stand for all draws: neither mismatch nor seed matter any more.
    fs::copy(path.join("drawn/dpi.biases.csv"), path.join("chip.csv")).unwrap();
    let read_back = [
        "--set",
        "populations.dpi.biases=File(\"chip.csv\")",
        "--set",
        "populations.dpi.mismatch={}",
        "--seed",
        "99",
    ];
    let read = run(path, "scene.ron", "read", &[&read_back[..], &["--dump", "biases"]].concat());
    assert_eq!(read["spike_hash"], drawn["spike_hash"]);
    assert_eq!(fs::read_to_string(path.join("read/dpi.biases.csv")).unwrap(), biases);
    // No edges were asked for.
    assert!(!files(&path.join("read")).iter().any(|name| name.contains("edges")));
}

/// Scenes whose decided form has to be a scene as well: those of the repository, and one with every
/// form there is.
fn many_scenes() -> Vec<(String, Vec<u8>)> {
    let mut scenes: Vec<(String, Vec<u8>)> = fs::read_dir(scene(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ron"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(&path).unwrap()))
        .collect();
    assert!(scenes.len() >= 2);
    scenes.push(("every form".to_string(), EVERY_FORM.into()));
    scenes
}

/// Every kind of train, rule, law, selection and probe, with values that are no round numbers.
const EVERY_FORM: &str = r#"
#![enable(implicit_some)]
(
    name: "a \"quoted\" π name",
    seed: 3,
    duration: "0.3 s",
    window: "20 ms",
    solver: Euler(dt: "100 us"),
    models: {
        "fast": arcana(
            I0: "0.1 pA", UT: "25.7 mV", kappa: 0.7123456789012345,
            soma: (
                Itau: "3.333333333333333 pA", Igain: "33 pA", Ith: "1 nA", Ireset: "0.2 pA",
                Idc: "150 pA", refP: "1.05 ms", Ipfb_th: "0.1 nA", Ipfb_norm: "0.1 /pA",
            ),
            gabab: (Iw: "70 pA"),
        ),
    },
    sources: {
        "regular": (size: 3, train: Regular(rates: List(["10 Hz", "0 Hz", "33.3 Hz"]))),
        "ramp": (size: 3, train: Regular(rates: Linear(from: "1 Hz", to: "0.1 kHz"), grid: "0.5 ms")),
        "loose": (size: 3, train: Regular(rates: "20 Hz", phase: "3.3 ms", jitter: "2.7 ms")),
        "phased": (size: 3, train: Regular(rates: "20 Hz", phase: Random, grid: "0.1 ms")),
        "noise": (size: 30, train: Poisson(rates: "40 Hz")),
        "waves": (size: 3, train: Poisson(rates: Steps([
            ("0 s", "40 Hz"), ("0.1 s", Linear(from: "0 Hz", to: "33.3 Hz")),
            ("0.2500000001 s", List(["1 Hz", "0 Hz", "100 Hz"])),
        ]))),
        "list": (size: 2, train: Spikes([(0, "1 ms"), (1, "1.0000001 ms"), (0, "0.2 s")])),
        "one": (size: 1, train: Spikes(["1 ms", "2 ms"])),
    },
    populations: {
        "first": (
            size: 30,
            model: Named("fast"),
            mismatch: {
                "soma.Itau": LogNormal(cv: 0.2),
                "soma.C": Gaussian(cv: 0.05),
                "ampa.Iw": TruncatedGaussian(cv: 0.5),
            },
            init: { "Imem": "1 pA", "Iampa": "2.5 pA" },
        ),
        "second: \"b\"": (size: 3, model: Named("fast")),
    },
    connections: [
        (from: "noise", to: "first", receptor: ampa, rule: OneToOne),
        (from: "regular", to: "first", receptor: ampa, rule: AllToAll, weight: 1.5, delay: "5 ms"),
        (from: "loose", to: "first", receptor: ampa, rule: AllToAll),
        (from: "phased", to: "first", receptor: ampa, rule: AllToAll),
        (from: "waves", to: "first", receptor: ampa, rule: AllToAll),
        (from: "ramp", to: "second: \"b\"", receptor: ampa, rule: OneToOne, delay: "0.3 ms"),
        (name: "own", from: "list", neurons: [1, 0], to: "first", to_neurons: Range(from: 3, to: 4),
            receptor: ampa, rule: OneToOne, weight: 3),
        (from: "one", to: "first", receptor: gabab, rule: AllToAll),
        (from: "first", to: "first", receptor: gabab, rule: AllToAll(self_connections: false),
            delay: "1 ms"),
        (from: "first", neurons: All, to: "second: \"b\"", receptor: ampa, rule: AllToAll),
    ],
    probes: {
        "all": Spikes(of: "first"),
        "some": Spikes(of: "noise", neurons: Range(from: 2, to: 5), window: (from: "0.1 s")),
        "a/b": Trace(of: "first", vars: [Iampa, Igabab, Imem, Vmem], neurons: [29, 0], every: "1 ms",
            window: (from: "0.1 s", to: "0.2 s")),
        "A_b": Trace(of: "second: \"b\"", vars: [Vmem], neurons: All, every: "0.2 ms"),
        "ff": Ff(input: "noise", output: "first", window: (to: "0.25 s")),
    },
)
"#;

#[test]
fn every_scene_is_valid_and_its_decided_form_gives_the_same_run() {
    for (name, text) in many_scenes() {
        let folder = folder(&[("scene.ron", &text)]);
        let path = folder.path();
        common::copy_folder(&scene("inputs"), &path.join("inputs"));
        done(path, &["check", "scene.ron"]);
        let once = resolved(path, "scene.ron", &[]);
        fs::write(path.join("decided.ron"), &once).unwrap();
        assert_eq!(resolved(path, "decided.ron", &[]), once, "{name}: resolving again changes it");
        let typed = run(path, "scene.ron", "typed", &[]);
        let decided = run(path, "decided.ron", "decided", &[]);
        assert_eq!(decided["spike_hash"], typed["spike_hash"], "{name}");
        // It is also what the results folder holds; and the tables are the same.
        // (Of input files it has copies of its own.)
        let held = fs::read_to_string(path.join("typed/scene.ron")).unwrap();
        assert!(held == once || once.contains("inputs/"), "{name}");
        assert_eq!(resolved(path, "typed/scene.ron", &[]), held, "{name}");
        assert_eq!(files(&path.join("typed")), files(&path.join("decided")), "{name}");
        for file in files(&path.join("typed")).iter().filter(|file| file.ends_with(".csv")) {
            let read = |out: &str| fs::read(path.join(out).join(file)).unwrap();
            assert!(read("typed") == read("decided"), "{name}: {file}");
        }
    }
}

/// A step that does not divide the default window: what is written has to be valid all the same.
#[test]
fn the_decided_window_fits_the_step() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    let sets = ["solver.dt=3 ms", "duration=600 ms", "probes.vmem.every=3 ms"];
    let once = resolved(path, "scene.ron", &sets);
    fs::write(path.join("decided.ron"), &once).unwrap();
    assert_eq!(resolved(path, "decided.ron", &[]), once);
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let first = run(path, "scene.ron", "first", &sets);
    let second = run(path, "first/scene.ron", "second", &[]);
    assert_eq!(second["spike_hash"], first["spike_hash"]);
}

/// Otherwise the scene with every form would show less than it is meant to.
#[test]
fn the_scene_with_every_form_is_busy() {
    let folder = folder(&[("scene.ron", EVERY_FORM.as_bytes())]);
    let summary = run(folder.path(), "scene.ron", "out", &[]);
    for population in ["first", "second: \"b\""] {
        assert!(summary["spikes"][population].as_u64().unwrap() > 20, "{summary:#}");
    }
    assert_eq!(summary["scene"], "a \"quoted\" π name");
    // Names that are one for a file system get numbers.
    let expected = [
        "A_b-2.csv",
        "A_b-2.svg",
        "a_b.csv",
        "a_b.svg",
        "all.csv",
        "all.svg",
        "ff.csv",
        "ff.svg",
        "scene.ron",
        "some.csv",
        "some.svg",
        "summary.json",
    ];
    assert_eq!(files(&folder.path().join("out")), names(expected));
}

/// A scene that reads two files.
const WITH_FILES: &str = r#"(
    duration: "0.5 s",
    solver: Euler(dt: "1 ms"),
    sources: { "input": (size: 3, train: File("data/spikes.csv")) },
    populations: {
        "dpi": (
            size: 3,
            model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
                ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"),
            ),
            mismatch: { "soma.Igain": LogNormal(cv: 0.2) },
            biases: File("./data/chip.csv"),
        ),
    },
    connections: [(from: "input", to: "dpi", receptor: ampa, rule: OneToOne)],
    probes: { "raster": Spikes(of: "dpi") },
)
"#;

/// A folder with that scene and its files, changed by `change`.
fn folder_with_files(change: impl Fn(&str) -> Vec<u8>) -> TempDir {
    let spikes: String = (0..150).map(|k| format!("{},0.{:03}\n", k % 3, 3 * k)).collect();
    let spikes = format!("neuron,time_s\n{spikes}");
    let folder = folder(&[("scene.ron", &change(WITH_FILES))]);
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/spikes.csv"), change(&spikes)).unwrap();
    // Not every neuron, and not in order.
    let biases = "neuron,soma.Itau,ampa.Iw\n2,5e-12,2.5e-10\n0,3e-12,1.5e-10\n";
    fs::write(folder.path().join("data/chip.csv"), change(biases)).unwrap();
    folder
}

/// The results folder is all that is needed to have the results again.
#[test]
fn a_results_folder_can_be_run_again() {
    let folder = folder_with_files(|text| text.into());
    let path = folder.path();
    let first = run(path, "scene.ron", "first", &[]);
    assert!(first["spikes"]["dpi"].as_u64().unwrap() > 20, "{first:#}");
    let inputs = files(&path.join("first")).iter().filter(|f| f.starts_with("inputs/")).count();
    assert_eq!(inputs, 2);

    fs::rename(path.join("data"), path.join("moved")).unwrap();
    let second = run(path, "first/scene.ron", "second", &[]);
    assert_eq!(second["spike_hash"], first["spike_hash"]);
    let read = |out: &str, file: &str| fs::read(path.join(out).join(file)).unwrap();
    for file in files(&path.join("first")).iter().filter(|file| *file != "summary.json") {
        assert!(read("first", file) == read("second", file), "{file}");
    }
    // In its own place, too, where the run replaces the files that it reads.
    let before = files(&path.join("first"));
    let third = run(path, "first/scene.ron", "first", &["--force"]);
    assert_eq!(third["spike_hash"], first["spike_hash"]);
    assert_eq!(files(&path.join("first")), before);
}

/// Two names of one content need one copy.
#[test]
fn equal_files_are_copied_once() {
    let scene = WITH_FILES
        .replace(
            "sources: {",
            "sources: { \"again\": (size: 3, train: File(\"data/again.csv\")),",
        )
        .replace("connections: [", "connections: [(from: \"again\", to: \"dpi\", receptor: ampa, rule: OneToOne, delay: \"7 ms\"),");
    let folder = folder_with_files(|text| text.into());
    let path = folder.path();
    fs::write(path.join("scene.ron"), scene).unwrap();
    fs::copy(path.join("data/spikes.csv"), path.join("data/again.csv")).unwrap();
    let first = run(path, "scene.ron", "first", &[]);
    let inputs = files(&path.join("first")).iter().filter(|f| f.starts_with("inputs/")).count();
    assert_eq!(inputs, 2);
    assert_eq!(run(path, "first/scene.ron", "second", &[])["spike_hash"], first["spike_hash"]);
}

/// What an editor or a spreadsheet on another system makes of a file.
#[test]
fn line_ends_and_byte_order_marks_change_nothing() {
    let plain = folder_with_files(|text| text.into());
    let expected = run(plain.path(), "scene.ron", "out", &[])["spike_hash"].clone();
    let crlf = |text: &str| text.replace('\n', "\r\n");
    // On the tables only; a scene has a test of its own.
    let with_bom = |text: &str| {
        if text.starts_with('(') { text.to_string() } else { format!("\u{feff}{text}") }
    };
    type Change<'a> = dyn Fn(&str) -> Vec<u8> + 'a;
    let changes: [(&str, &Change); 4] = [
        ("CRLF", &|text| crlf(text).into()),
        ("a byte order mark", &|text| with_bom(text).into()),
        ("both", &|text| with_bom(&crlf(text)).into()),
        ("no line end at the end", &|text| text.trim_end().into()),
    ];
    for (what, change) in changes {
        let folder = folder_with_files(change);
        let first = run(folder.path(), "scene.ron", "first", &[]);
        assert_eq!(first["spike_hash"], expected, "{what}");
        let second = run(folder.path(), "first/scene.ron", "second", &[]);
        assert_eq!(second["spike_hash"], expected, "{what}, from the results folder");
    }
}

/// Editors on Windows put one before a scene, too.
#[test]
fn a_scene_may_start_with_a_byte_order_mark() {
    let text = fs::read_to_string(scene("ff_nominal.ron")).unwrap();
    let marked = format!("\u{feff}{text}");
    let folder = folder(&[("scene.ron", text.as_bytes()), ("marked.ron", marked.as_bytes())]);
    let plain = run(folder.path(), "scene.ron", "plain", &[]);
    let marked = run(folder.path(), "marked.ron", "marked", &[]);
    assert_eq!(marked["spike_hash"], plain["spike_hash"]);
}

#[test]
fn check_prints_the_counts_and_changes_nothing() {
    let folder = folder_with("ff_mismatch.ron");
    let output = done(folder.path(), &["check", "scene.ron", "--set", "solver.dt=20 us"]);
    assert_eq!(files(folder.path()), names(["scene.ron"]));
    assert_eq!(output.stderr.len(), 0);
    // Memory depends on the machine.
    let counts: Vec<&str> =
        stdout(&output).lines().filter(|line| !line.contains("memory")).collect();
    insta::assert_snapshot!(counts.join("\n"), @r#"
    ff_mismatch: the scene is valid
      duration     1 s in 50000 steps
      populations  dpi (200)
      sources      input (200)
      neurons      200
      circuits     200
      edges        200
      probes       raster, vmem, ff
      work         10000000 neuron-steps
    "#);
    assert!(stdout(&output).contains("\n  memory       about "));
    // Of a chip it says how full it is: two populations of one bias group, and one of another.
    let chip = [
        "populations.more=(size: 100, model: arcana(soma: (Itau: \"4 pA\", Igain: \"80 pA\", \
         Ith: \"12 mA\", Idc: \"10 pA\", Ipfb_th: \"0 A\", Ipfb_norm: \"1.4e9 /A\")))",
        "populations.other=(size: 200, model: dynapse1())",
        "chip=Dynapse1(chips: 2)",
    ];
    let sets = chip.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["check", "scene.ron"].into_iter().chain(sets).collect();
    let output = done(folder.path(), &args);
    let line = stdout(&output).lines().find(|line| line.starts_with("  chip "));
    assert_eq!(line, Some("  chip         Dynapse1: 3 of 8 cores on 2 chips"));
    // `resolve` writes nothing either.
    done(folder.path(), &["resolve", "scene.ron"]);
    assert_eq!(files(folder.path()), names(["scene.ron"]));
}

#[test]
fn help_and_version() {
    let folder = folder(&[]);
    let help = done(folder.path(), &["--help"]);
    for expected in ["run", "check", "resolve", "Exit codes:", "130"] {
        assert!(stdout(&help).contains(expected), "{expected} is missing in\n{}", stdout(&help));
    }
    let version = done(folder.path(), &["--version"]);
    assert_eq!(stdout(&version), concat!("picoamp ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// A scene whose neuron 2 gets an infinite current from both of its circuits with its first spike:
/// their difference is not a number. Each value is valid by itself.
const BREAKS: &str = r#"(
    duration: "0.2 s",
    solver: Euler(dt: "1 ms"),
    sources: { "input": (size: 4, train: Spikes([(0, "5 ms"), (2, "20 ms"), (3, "50 ms")])) },
    populations: {
        "dpi": (
            size: 4,
            model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Idc: "10 pA", Ipfb_norm: "1.4e9 /A"),
            ),
            biases: File("chip.csv"),
        ),
    },
    connections: [
        (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 60000),
        (from: "input", to: "dpi", receptor: gabab, rule: OneToOne, weight: 60000),
    ],
    probes: {
        "raster": Spikes(of: "input"),
        "trace": Trace(of: "dpi", vars: [Imem], neurons: All, every: "1 ms"),
    },
)
"#;

/// A run that fails says who and when, and keeps what it recorded until then.
#[test]
fn a_state_that_is_not_a_number_ends_the_run() {
    let biases: &[u8] = b"neuron,ampa.Iw,gabab.Iw\n2,1e36,1e36\n";
    let folder = folder(&[("scene.ron", BREAKS.as_bytes()), ("chip.csv", biases)]);
    let args = ["run", "scene.ron", "--out", "out", "--json"];
    let output = picoamp(folder.path()).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    // The spike at 20 ms acts in the step from there to 21 ms.
    let message = "the membrane current of neuron 2 of `dpi` is not a number at t = 0.021 s";
    assert!(stderr.contains(&format!("error: {message}\n")), "{stderr}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["error"]["message"], message);
    assert_eq!(answer["error"]["exit_code"], 1);

    let out = folder.path().join("out");
    let summary: Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["status"], "failed");
    assert_eq!(summary["error"], message);
    assert_eq!(summary["duration_s"], 0.2);
    let trace = fs::read_to_string(out.join("trace.csv")).unwrap();
    let last = trace.lines().last().unwrap();
    assert!(last.starts_with("0.02,"), "{last}");
    assert!(!trace.contains("NaN"), "{trace}");
    assert_eq!(trace.lines().count(), 1 + 21 * 4);
    assert!(out.join("trace.svg").is_file() && out.join("raster.svg").is_file());
    // The time that was reached is that of what is kept.
    assert_eq!(summary["simulated_s"], 0.02);
    let raster = fs::read_to_string(out.join("raster.csv")).unwrap();
    // Inputs act for 0 ≤ t < the time that was reached: the one of 20 ms belongs to the failed step.
    assert_eq!(raster, "neuron,time_s\n0,0.005\n");
}

/// More pulses than the sum of a circuit can hold, in one step.
#[test]
fn an_overflow_of_pulses_ends_the_run() {
    let folder = folder_with("ff_nominal.ron");
    let sets = [
        "sources.input.size=40000",
        "sources.input.train.rates=10 Hz",
        "populations.dpi.size=1",
        "connections.0.rule=AllToAll",
        "connections.0.weight=65536",
        "probes={}",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let output = picoamp(folder.path())
        .args(["run", "scene.ron", "--out", "out"])
        .args(sets)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("ampa of neuron 0 of `dpi` at t = 0 s"), "{stderr}");
    let summary = fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    assert!(summary.contains("\"status\": \"failed\""), "{summary}");
}

/// Ctrl-C ends a run after its window and keeps what was recorded.
#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_run_keeps_what_it_recorded() {
    use std::process::{Child, Stdio};
    use std::time::Instant;

    /// Ends the process with the test, however that ends.
    struct Ended(Child);
    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Calls `f` until it answers; gives up after a time that no machine needs.
    fn wait_for<T>(what: &str, mut f: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = f() {
                return answer;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "waited too long for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    for (signal, bit) in [("INT", 2), ("TERM", 15)] {
        let folder = folder_with("ff_nominal.ron");
        // Hours of work.
        let sets = ["solver.dt=20 us", "duration=100000 s", "probes.raster=Spikes(of: \"dpi\")"];
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_picoamp"))
            .current_dir(folder.path())
            .args(["run", "scene.ron", "--out", "out", "--json"])
            .args(sets.iter().flat_map(|set| ["--set", set]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Ended(child);
        let pid = child.0.id();
        // The handler is set just before the first window; before that a signal acts as always.
        wait_for("the handler of signals", || {
            assert!(child.0.try_wait().unwrap().is_none(), "the run ended by itself");
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            (caught & (1 << (bit - 1)) != 0).then_some(())
        });
        let sent = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &pid.to_string()])
            .status();
        assert!(sent.unwrap().success());
        let status = wait_for("the end of the run", || child.0.try_wait().unwrap());
        assert_eq!(status.code(), Some(130), "{signal}");

        let read = |pipe: &mut dyn std::io::Read| std::io::read_to_string(pipe).unwrap();
        let answer: Value = serde_json::from_str(&read(child.0.stdout.as_mut().unwrap())).unwrap();
        assert_eq!(answer["error"]["exit_code"], 130);
        let stderr = read(child.0.stderr.as_mut().unwrap());
        assert!(stderr.contains("error: interrupted at t = "), "{stderr}");

        let out = folder.path().join("out");
        assert_eq!(files(&out), names(FILES));
        let summary: Value =
            serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["status"], "interrupted");
        assert_eq!(summary["duration_s"], 100_000.0);
        let simulated = summary["simulated_s"].as_f64().unwrap();
        assert!(simulated > 0.0 && simulated < 100_000.0, "{simulated}");
        // A sample each millisecond, the first at 0, and the header.
        let trace = fs::read_to_string(out.join("vmem.csv")).unwrap();
        assert_eq!(trace.lines().count() as u64, (simulated * 1000.0).round() as u64 + 2);
    }
}
