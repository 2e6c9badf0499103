//! Scenes that are too large, folders and files that cannot be used, wrong usage, warnings.

use super::*;

/// Refused by the estimate: these would need terabytes, so that coming back at all shows that
/// nothing was allocated.
#[test]
fn scenes_that_are_too_large() {
    let million = "1000000";
    let cases: [(&str, &[&str], &str); 4] = [
        (
            "a population of 10^12",
            &["connections=[]", "probes={}", "populations.dpi.size=1000000000000"],
            "the scene has 1000000000000 neurons, more than 268435456",
        ),
        (
            "a source of 10^12",
            &["connections=[]", "probes={}", "sources.input.size=1e12"],
            "the scene has 1000000000000 spike sources, more than 268435456",
        ),
        (
            "10^12 edges",
            &[
                &format!("sources.input.size={million}"),
                &format!("populations.dpi.size={million}"),
                "connections.0.rule=AllToAll",
                "probes={}",
            ],
            "the scene has 1000000000000 edges, more than 2^32",
        ),
        (
            "a trace of 213 days of a million neurons",
            &[
                &format!("sources.input.size={million}"),
                &format!("populations.dpi.size={million}"),
                "duration=18000000 s",
                "probes.vmem.neurons=All",
            ],
            "the largest part is probe `vmem`",
        ),
    ];
    for (what, sets, expected) in cases {
        let folder = folder(SCENE, &[]);
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let (stderr, error) = refused_run(folder.path(), &sets, 4);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(expected), "{what}: {message}");
        assert!(message.contains("the largest part is "), "{what}: {message}");
        assert!(!error["help"].as_str().unwrap().is_empty(), "{what}");
        assert!(stderr.contains(message), "{what}: {stderr}");
        let check = refused(folder.path(), &[&["check", FILE], &sets[..]].concat(), 4);
        // Available memory changes from one moment to the next.
        assert!(check.contains(expected), "{what}: {check}");
    }
}

/// The estimate itself must not overflow.
#[test]
fn the_largest_sizes_that_can_be_typed() {
    let size = u64::MAX.to_string();
    let folder = folder(SCENE, &[]);
    let sets = [
        format!("sources.input.size={size}"),
        format!("populations.dpi.size={size}"),
        "connections.0.rule=AllToAll".to_string(),
        "duration=18000000 s".to_string(),
        "solver=Euler(dt: \"1 ps\")".to_string(),
        "probes={}".to_string(),
    ];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    refused_run(folder.path(), &sets, 4);
    refused(folder.path(), &[&["check", FILE], &sets[..]].concat(), 4);
}

#[test]
fn scene_files_that_cannot_be_read() {
    let folder = folder(b"(name: \"\xff\")", &[]);
    let (stderr, error) = refused_run(folder.path(), &[], 5);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(FILE) && message.contains("UTF-8"), "{message}");
    assert!(stderr.contains(message), "{stderr}");
    for command in ["run", "check", "resolve"] {
        let stderr = refused(folder.path(), &[command, "none.ron"], 5);
        assert!(stderr.contains("there is no scene none.ron"), "{stderr}");
        // A folder is no scene.
        let stderr = refused(folder.path(), &[command, "."], 5);
        assert!(stderr.contains("cannot read the scene"), "{stderr}");
        assert!(stderr.contains("that is a folder: name a file in it"), "{stderr}");
    }
}

#[test]
fn output_folders_that_cannot_be_used() {
    let folder = folder(SCENE, &[("file", b"mine")]);
    fs::create_dir_all(folder.path().join("out/deep")).unwrap();
    fs::write(folder.path().join("out/deep/data.csv"), "mine").unwrap();

    let (stderr, error) = refused_run(folder.path(), &["--out", "out"], 5);
    assert_eq!(error["message"], "the folder out is not empty");
    let help = error["help"].as_str().unwrap();
    assert!(help.contains("--out") && help.contains("--force"), "{help}");
    assert!(stderr.contains(help), "{stderr}");

    for out in ["file", "file/below"] {
        for force in [&[][..], &["--force"]] {
            let (_, error) = refused_run(folder.path(), &[&["--out", out], force].concat(), 5);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(out), "{message}");
        }
    }
}

/// `--force` replaces what an earlier run wrote, and no file of the user that has the same name.
#[test]
fn force_does_not_replace_files_of_others() {
    let folder = folder(SCENE, &[("scene.ron", b"// my own work\n"), ("ff.csv", b"my data\n")]);
    refused_run(folder.path(), &["--out", ".", "--force"], 5);
}

/// A back end that is asked for by name says which library is missing and where it comes from. (Where there
/// is a GPU, there is nothing to refuse.)
#[test]
fn back_ends_that_are_not_there() {
    #[cfg(feature = "cuda")]
    if picoamp::backend::cuda::Cuda::open(Some(1)).is_ok() {
        return;
    }
    let folder = folder(SCENE, &[]);
    let (stderr, error) = refused_run(folder.path(), &["--backend", "cuda"], 6);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("the back end `cuda` cannot be used: "), "{message}");
    let libraries = ["libcuda.so.1", "libnvrtc.so.13", "the feature `cuda`", "`nvidia-smi`"];
    assert!(libraries.iter().any(|library| message.contains(library)), "{message}");
    assert!(error["help"].as_str().unwrap().contains("--backend cpu"), "{error:#}");
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn wrong_usage() {
    let folder = folder(SCENE, &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["run", FILE, "--sed", "1"], "--seed"),
        (&["run", FILE, "--threads", "0"], "write a whole number from 1 to 1024"),
        (&["run", FILE, "--threads", "many"], "write a whole number from 1 to 1024"),
        (&["run", FILE, "--seed", "-1"], "-1"),
        (&["run", FILE, "--backend", "gpu"], "cuda"),
        (&["run", FILE, "--dump", "all"], "biases, edges"),
        (&["run", FILE, "other.ron"], "other.ron"),
        (&["run"], "<SCENE>"),
        (&["check"], "<SCENE>"),
        (&["resolve"], "<SCENE>"),
        (&["check", FILE, "--force"], "--force"),
        (&["simulate", FILE], "simulate"),
        (&[], "Usage"),
    ];
    for (args, expected) in cases {
        let stderr = refused(folder.path(), args, 2);
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
}

/// What is odd but possible runs: exit code 0, a warning on stderr and in the summary.
#[test]
fn warnings_do_not_stop_a_run() {
    let spikes: &[u8] = b"neuron,time_s\n0,0.5\n1,1\n2,1.5\n";
    let scene = edited(&[
        ("Regular(rates: \"50 Hz\")", "File(\"in.csv\")"),
        // A time constant of 71 us.
        ("ampa: (Itau: \"2 pA\"", "ampa: (Itau: \"1 nA\""),
        ("weight: 2", "weight: 0.4"),
    ]);
    let folder = folder(&scene, &[("in.csv", spikes)]);
    let run = |args: &[&str]| {
        let output =
            picoamp(folder.path()).args(["run", FILE, "--json"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        (summary, String::from_utf8(output.stderr).unwrap())
    };
    let (summary, stderr) = run(&["--out", "a"]);
    assert_eq!(summary["status"], "complete");
    assert_eq!(summary["ignored_input_spikes"], serde_json::json!({ "input": 2 }));
    let warnings: Vec<&str> =
        summary["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    insta::assert_snapshot!(warnings.join("\n"), @"
    sources.input: 2 of 3 spikes come at or after the end, 1 s
    populations.dpi: the step dt = 0.001 s is longer than τ of ampa, 70.92 us
    connections.0.weight: the weight 0.4 becomes 0: the projection has no effect
    ");
    for place in ["[bad.ron:5:", "[bad.ron:8:", "[bad.ron:18:"] {
        assert!(stderr.contains(place), "{place} is missing in\n{stderr}");
    }
    // Quiet means nothing but errors; the summary still has them.
    let (quiet, stderr) = run(&["--out", "b", "--quiet"]);
    assert_eq!(stderr, "");
    assert_eq!(quiet["warnings"], summary["warnings"]);
    // `check` and `resolve` warn, too.
    for command in ["check", "resolve"] {
        let output = picoamp(folder.path()).args([command, FILE]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.matches("⚠").count(), 3, "{stderr}");
    }
}

/// Neither no replica nor more than fit into memory.
#[test]
fn replicas_that_cannot_be() {
    for (replicas, code, expected) in [
        ("0", 3, "there can be 1 to 1000000 replicas, not 0"),
        ("2000000", 3, "there can be 1 to 1000000 replicas, not 2000000"),
        ("1.5", 3, "expected a whole number"),
        ("-1", 3, "expected a whole number"),
        ("many", 3, "expected a whole number"),
        ("1000000", 4, "neurons, more than 268435456; the largest part is "),
    ] {
        let set = format!("replicas={replicas}");
        let scene = format!("{}/scenes/balanced.ron", env!("CARGO_MANIFEST_DIR"));
        let output = assert_cmd::cargo::cargo_bin_cmd!("picoamp")
            .args(["check", &scene, "--set", &set])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{replicas}: {said}");
        assert!(said.contains(expected), "{replicas}: {said}");
    }
}
