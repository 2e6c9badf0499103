//! `picoamp compare` and `reproduce`: the same spikes or not, and where they differ.

use super::*;

/// A scene with a spike list, its results in `a`.
fn recorded() -> TempDir {
    let folder = folder_with("ff_nominal.ron");
    let probe = ["--set", "probes={ \"spikes\": Spikes(of: \"dpi\") }"];
    run(folder.path(), "scene.ron", "a", &probe);
    folder
}

/// Changes a file of results.
fn change(folder: &Path, file: &str, change: impl FnOnce(String) -> String) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "{file} has not changed");
    fs::write(path, changed).unwrap();
}

fn output_of(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = picoamp(folder).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn equal_runs_are_the_same() {
    let folder = recorded();
    let path = folder.path();
    run(path, "a/scene.ron", "b", &["--threads", "1"]);
    let (code, text, said) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 0, "{said}");
    insta::assert_snapshot!(text, @r"
    A  a: ff_nominal, complete, 1 s
    B  b: ff_nominal, complete, 1 s
    dpi: the same 5579 spikes
    ");
    assert_eq!(said, "");
    // The second run is written beside the first, which is where there is room, and removed.
    let output = picoamp(path).args(["reproduce", "a", "--quiet"]).env("TMPDIR", "none").output();
    let output = output.unwrap();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(fs::read_dir(path).unwrap().count(), 3);
    assert!(text.ends_with("dpi: the same 5579 spikes\n"), "{text}");
    assert_eq!(files(path).iter().filter(|file| file.ends_with("summary.json")).count(), 2);
}

/// A spike list changed by hand: one spike 2 ms late, and one missing.
#[test]
fn the_first_difference_and_the_distances_are_those_that_were_made() {
    let folder = recorded();
    let path = folder.path();
    common::copy_folder(&path.join("a"), &path.join("b"));
    let table = fs::read_to_string(path.join("a/spikes.csv")).unwrap();
    let of_150: Vec<&str> = table.lines().filter(|line| line.starts_with("150,")).collect();
    let last_of_60 = table.lines().rfind(|line| line.starts_with("60,")).unwrap();
    let late: f64 = of_150[3]["150,".len()..].parse().unwrap();
    change(&path.join("b"), "spikes.csv", |text| {
        let moved =
            text.replace(&format!("{}\n", of_150[3]), &format!("150,{:.3}\n", late + 0.002));
        moved.replace(&format!("{last_of_60}\n"), "")
    });
    change(&path.join("b"), "summary.json", |text| {
        let summary: Value = serde_json::from_str(&text).unwrap();
        let hash = summary["spike_hash"]["dpi"].as_str().unwrap();
        text.replace(hash, "00000000000000000000000000000000")
            .replace("\"dpi\": 5579", "\"dpi\": 5578")
    });
    let (code, text, said) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 7, "{said}");
    assert_eq!(said, "error: the spikes differ\n");
    // 5578 pairs of spikes, one of them 2 ms apart: 0.359 us; one spike in 200 neurons: 0.005 Hz.
    let expected = format!(
        "dpi: different, 5579 spikes in A and 5578 in B\n  first difference: the spike of neuron \
         150 at {late} s is in A only\n  rates: 0.005 Hz apart in the mean, neuron 60 has 1 spike \
         less in B\n  times: the k-th spikes of a neuron are 359 ns apart in the mean, of neuron \
         150 up to 2 ms\n"
    );
    assert!(text.ends_with(&expected), "{text}\n{expected}");
    let (code, json, _) = output_of(path, &["compare", "b", "a", "--json"]);
    assert_eq!(code, 7);
    let json: Value = serde_json::from_str(json.split("\n{\n  \"error\"").next().unwrap()).unwrap();
    let recorded = &json["populations"]["dpi"]["recorded"];
    assert_eq!(recorded["first"], json!({"time_s": late, "neuron": 150, "only_in_a": false}));
    assert_eq!(recorded["apart"]["worst_count"]["error"], 1);
}

#[test]
fn runs_of_different_scenes_say_what_differs() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    run(path, "scene.ron", "a", &["--set", "probes={}"]);
    let sets =
        ["--set", "probes={}", "--set", "populations.dpi.model.soma.Itau=5 pA", "--seed", "3"];
    let spikes = run(path, "scene.ron", "b", &sets)["spikes"]["dpi"].to_string();
    let (code, text, _) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 7);
    let text = text.replace(&format!("and {spikes} in"), "and SPIKES in");
    insta::assert_snapshot!(text, @r#"
    A  a: ff_nominal, complete, 1 s
    B  b: ff_nominal, complete, 1 s
    the scenes differ in 2 parts:
      seed: 1 in A, 3 in B
      populations.dpi.model.soma.Itau: "4 pA" in A, "5 pA" in B
    dpi: different, 5579 spikes in A and SPIKES in B
      no probe of both runs has recorded its spikes: add one to see where they differ, for example "spikes": Spikes(of: …)
    "#);
}

/// Four regular trains: 100 spikes each.
const SOURCES: &str = r#"(
    duration: "1 s",
    solver: Euler(dt: "1 ms"),
    sources: { "input": (size: 4, train: Regular(rates: "100 Hz")) },
    populations: {},
    probes: { "spikes": Spikes(of: "input") },
)
"#;

/// Replaces the list of spikes in results, and the digest, as if the run had given them.
fn with_spikes(results: &Path, rows: &str) {
    fs::write(results.join("spikes.csv"), rows).unwrap();
    change(results, "summary.json", |text| {
        let summary: Value = serde_json::from_str(&text).unwrap();
        let count = summary["spikes"]["dpi"].to_string();
        text.replace(summary["spike_hash"]["dpi"].as_str().unwrap(), "0").replace(
            &format!("\"dpi\": {count}"),
            &format!("\"dpi\": {}", rows.lines().count() - 1),
        )
    });
}

/// What the recorded spikes tell of two runs that differ.
fn told(folder: &Path) -> (String, Value) {
    let (code, text, said) = output_of(folder, &["compare", "a", "b"]);
    assert_eq!(code, 7, "{said}");
    let (_, json, _) = output_of(folder, &["compare", "a", "b", "--json"]);
    let json: Value = serde_json::from_str(json.split("\n{\n  \"error\"").next().unwrap()).unwrap();
    (text, json["populations"]["dpi"].clone())
}

/// A rate is that of the time that both runs have reached, and what only one could fire is no
/// difference.
#[test]
fn runs_that_end_at_different_times_are_compared_until_the_first_end() {
    let folder = recorded();
    let path = folder.path();
    let probe = ["--set", "probes={ \"spikes\": Spikes(of: \"dpi\") }"];
    run(path, "scene.ron", "b", &[&probe[..], &["--set", "duration=0.1 s"]].concat());
    let (text, _) = told(path);
    let same = "  compared is what `spikes` recorded in both runs: 200 neurons, from 0 s to 0.1 s\n  \
                the recorded spikes are the same\n";
    assert!(text.ends_with(same), "{text}");
    // Until 0.1 s: one spike more of one in 200 neurons, 10 Hz of it.
    let rows = fs::read_to_string(path.join("b/spikes.csv")).unwrap();
    with_spikes(&path.join("b"), &format!("{rows}7,0.0995\n"));
    let (text, json) = told(path);
    assert!(text.contains("the spike of neuron 7 at 0.0995 s is in B only\n"), "{text}");
    assert!(
        (json["recorded"]["mean_rate_error_hz"].as_f64().unwrap() - 0.05).abs() < 1e-12,
        "{json}"
    );
}

/// Only what both probes record is compared: neurons 5 to 9, from 0.2 s to 0.5 s.
#[test]
fn probes_of_other_neurons_and_windows_are_compared_where_they_overlap() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    for (out, neurons, from, to, rows) in [
        ("a", "from: 0, to: 9", "0 s", "0.5 s", "0,0.1\n5,0.1\n6,0.3\n9,0.4\n"),
        ("b", "from: 5, to: 14", "0.2 s", "0.9 s", "6,0.3\n9,0.35\n9,0.4\n12,0.3\n5,0.7\n"),
    ] {
        let probe = format!(
            "probes={{ \"spikes\": Spikes(of: \"dpi\", neurons: Range({neurons}), window: (from: \
             \"{from}\", to: \"{to}\")) }}"
        );
        run(path, "scene.ron", out, &["--set", &probe]);
        with_spikes(&path.join(out), &format!("neuron,time_s\n{rows}"));
    }
    let (text, json) = told(path);
    assert!(text.contains("recorded in both runs: 5 neurons, from 0.2 s to 0.5 s\n"), "{text}");
    let recorded = &json["recorded"];
    assert_eq!(recorded["first"], json!({"time_s": 0.35, "neuron": 9, "only_in_a": false}));
    assert_eq!(recorded["apart"]["worst_count"]["neuron"], 9);
    assert_eq!(recorded["apart"]["worst_shift_s"]["neuron"], 9);
    // One spike of 5 neurons in 0.3 s.
    let rate = recorded["mean_rate_error_hz"].as_f64().unwrap();
    assert!((rate - 1.0 / 5.0 / 0.3).abs() < 1e-9, "{rate}");
    let probe = "probes={ \"spikes\": Spikes(of: \"dpi\", neurons: [3]) }";
    run(path, "scene.ron", "b", &["--set", probe, "--force", "--seed", "2"]);
    with_spikes(&path.join("b"), "neuron,time_s\n");
    change(&path.join("a"), "scene.ron", |text| text.replace("from: 0, to: 9", "from: 5, to: 9"));
    let (text, json) = told(path);
    assert!(text.contains("its probes in both runs have no neuron or no time in common"), "{text}");
    assert_eq!(json["not_compared"], "nothing_in_common");
}

#[test]
fn runs_of_other_sizes_are_not_compared_neuron_by_neuron() {
    let folder = recorded();
    let path = folder.path();
    let probe = ["--set", "probes={ \"spikes\": Spikes(of: \"dpi\") }"];
    run(path, "scene.ron", "b", &[&probe[..], &["--set", "replicas=2"]].concat());
    let (text, json) = told(path);
    let what = "  1 replica of 200 neurons in A, 2 replicas of 200 neurons in B: neuron by neuron they \
                cannot be compared\n";
    assert!(text.ends_with(what), "{text}");
    assert_eq!(json["recorded"], Value::Null);
}

/// Sources have no digests: of scenes without populations what their probes recorded decides.
#[test]
fn runs_without_populations_are_compared_by_the_spikes_of_their_sources() {
    let folder = folder(&[("scene.ron", SOURCES.as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "a", &[]);
    run(path, "scene.ron", "b", &["--seed", "9"]);
    let (code, text, said) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 0, "{text}{said}");
    assert!(text.ends_with("input: the same 400 spikes\n"), "{text}");
    let rates = ["--set", "sources.input.train.rates=50 Hz", "--force"];
    run(path, "scene.ron", "b", &rates);
    let (code, text, _) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 7, "{text}");
    assert!(text.contains("input: different, 400 spikes in A and 200 in B\n"), "{text}");
    assert!(text.contains("rates: 50 Hz apart in the mean"), "{text}");
    run(path, "scene.ron", "b", &["--set", "duration=0.5 s", "--force"]);
    let (code, text, _) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 7, "{text}");
    assert!(text.contains("input: different, 400 spikes in A and 200 in B\n"), "{text}");
    assert!(text.ends_with("  the recorded spikes are the same\n"), "{text}");
    run(path, "scene.ron", "b", &["--set", "probes={}", "--force"]);
    let (code, said) = refused(path, &["compare", "a", "b"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("there is nothing to compare"), "{said}");
}

/// Scenes that differ in what does not matter give the same spikes.
#[test]
fn different_scenes_may_have_the_same_spikes() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    run(path, "scene.ron", "a", &[]);
    // Without mismatch and random trains a seed changes nothing.
    run(path, "scene.ron", "b", &["--seed", "9"]);
    let (code, text, _) = output_of(path, &["compare", "a", "b"]);
    assert_eq!(code, 0);
    assert!(text.contains("seed: 1 in A, 9 in B"), "{text}");
}

#[test]
fn what_is_no_result_is_refused_with_its_reason() {
    let folder = recorded();
    let path = folder.path();
    let mut said = String::new();
    let mut refuse = |args: &[&str]| {
        let (code, text) = refused(path, args);
        assert_eq!(code, 5, "{text}");
        said += &format!("{}\n{text}", args.join(" "));
    };
    refuse(&["compare", "a", "none"]);
    refuse(&["compare", "scene.ron", "a"]);
    fs::create_dir(path.join("empty")).unwrap();
    refuse(&["reproduce", "empty"]);
    let summaries = [
        ("newer", r#"{"schema_version": 2, "program_version": "0.9.0", "runs": []}"#),
        ("foreign", r#"{"status": "fine"}"#),
        ("unfinished", r#"{"schema_version": 1, "status": "unfinished", "files": []}"#),
        ("converged", r#"{"schema_version": 1, "status": "complete", "steps": []}"#),
        ("cut", r#"{"schema_version": 1, "sta"#),
        ("poor", r#"{"schema_version": 1, "program_version": "0.1.0"}"#),
    ];
    for (name, summary) in summaries {
        fs::create_dir(path.join(name)).unwrap();
        fs::write(path.join(name).join("summary.json"), summary).unwrap();
        refuse(&["compare", name, "a"]);
        fs::remove_dir_all(path.join(name)).unwrap();
    }
    insta::assert_snapshot!(said);
}

/// A table that was damaged: file and line.
#[test]
fn a_damaged_table_is_named_with_its_line() {
    let folder = recorded();
    let path = folder.path();
    change(&path.join("a"), "spikes.csv", |text| text.replacen("\n", "\nx,0.1\n", 1));
    let (code, said) = refused(path, &["plot", "a", "spikes"]);
    assert_eq!(code, 5);
    assert!(said.contains("spikes.csv, line 2: `x` is no number that can stand here"), "{said}");
    change(&path.join("a"), "spikes.csv", |text| text.replacen("neuron", "cell", 1));
    let (_, said) = refused(path, &["plot", "a"]);
    assert!(said.contains("there is no column `neuron`; the header is cell,time_s"), "{said}");
}

/// What a run that failed had recorded can be had again, too.
#[test]
fn a_failed_run_is_reproduced_until_it_failed() {
    let folder = folder_with("ff_nominal.ron");
    let path = folder.path();
    // Too many pulses for the sum of one circuit.
    let sets = [
        "sources.input.size=40000",
        "sources.input.train.rates=10 Hz",
        "populations.dpi.size=1",
        "connections.0.rule=AllToAll",
        "connections.0.weight=65536",
        "probes={}",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["run", "scene.ron", "--out", "a"].into_iter().chain(sets).collect();
    let output = picoamp(path).args(args).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    done(path, &["reproduce", "a"]);
}

#[test]
fn a_run_that_cannot_be_reproduced_is_noticed_and_kept() {
    let folder = recorded();
    let path = folder.path();
    change(&path.join("a"), "scene.ron", |text| text.replace("\"80 pA\"", "\"81 pA\""));
    let (code, text, said) = output_of(path, &["reproduce", "a", "--out", "again"]);
    assert_eq!(code, 7, "{text}{said}");
    assert!(text.contains("first difference: the spike of neuron"), "{text}");
    assert!(path.join("again/summary.json").exists());
    let (code, _) = refused(path, &["reproduce", "a", "--out", "again"]);
    assert_eq!(code, 5);
}
