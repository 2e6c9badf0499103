//! What the commands write and print, and what they leave alone.

use super::*;

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

    insta::assert_snapshot!(keys(&summary).join(" "), @r#"backend circuits duration_s edges files hints ignored_input_spikes mismatch neuron_seconds_per_second neurons program_version replicas scene schema_version seed simulated_s solver sources spike_hash spikes status tables threads wall_s warnings"#);
    insta::assert_snapshot!(keys(&summary["wall_s"]).join(" "), @r#"advance connect host load run spawn write"#);
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
      rows         about 19900 of raster (238.8 kB as CSV), 1001 of vmem (72.1 kB as CSV)
      work         10000000 neuron-steps
    "#);
    assert!(stdout(&output).contains("\n  memory       about "));
    // From event to event there are no steps.
    let output = done(folder.path(), &["check", "scene.ron", "--set", "solver=Event"]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines[1], "  duration     1 s");
    assert_eq!(lines[9], "  work         200 neurons from event to event");
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
    for expected in ["run", "converge", "check", "resolve", "Exit codes:", "130"] {
        assert!(stdout(&help).contains(expected), "{expected} is missing in\n{}", stdout(&help));
    }
    let version = done(folder.path(), &["--version"]);
    assert_eq!(stdout(&version), concat!("picoamp ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// What the program finds is a line each; the last says what `auto` takes.
#[test]
fn doctor_says_what_there_is() {
    let folder = folder(&[]);
    let output = done(folder.path(), &["doctor"]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    let has = |name: &str| lines.iter().any(|line| line.trim_start().starts_with(name));
    assert!(lines[0].starts_with("picoamp "), "{lines:?}");
    for name in ["processor", "threads", "memory", "auto takes"] {
        assert!(has(name), "{name}: {lines:?}");
    }
    if cfg!(feature = "cuda") {
        assert!(has("CUDA driver") && has("NVRTC") && has("kernel cache"), "{lines:?}");
    }
    assert!(files(folder.path()).is_empty(), "it changes nothing");
}

/// A run that chooses its back end itself says which and why; one that was told does not.
#[test]
fn auto_says_what_it_took_and_why() {
    let folder = folder_with("ff_nominal.ron");
    let line = |arguments: &[&str]| {
        let all = [&["run", "scene.ron", "--force"], arguments].concat();
        let output = done(folder.path(), &all);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        stderr.lines().find(|line| line.starts_with("back end: ")).map(str::to_string)
    };
    let why = if cfg!(feature = "cuda") { "too little work for a GPU" } else { "built without" };
    let auto = line(&[]).unwrap();
    assert!(auto.starts_with("back end: cpu (") && auto.contains(why), "{auto}");
    assert_eq!(line(&["--backend", "auto"]).unwrap(), auto);
    assert_eq!(line(&["--backend", "cpu"]), None);
    assert_eq!(line(&["--quiet"]), None);
}
