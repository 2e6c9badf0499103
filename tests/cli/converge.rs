//! `picoamp converge`, and the hint that leads there.

use super::*;

/// What a comparison writes.
const WRITTEN: [&str; 6] = [
    "converge.csv",
    "converge.neurons.csv",
    "counts.svg",
    "scene.ron",
    "shifts.svg",
    "summary.json",
];

/// Published totals of the nominal FF curve.
fn published(solver: &str) -> u64 {
    common::column("tests/reference/arcana_ff.csv", solver).iter().sum::<f64>() as u64
}

#[test]
fn the_nominal_ff_curve_converges_as_published() {
    let folder = folder_with("ff_nominal.ron");
    let output = done(folder.path(), &["converge", "scene.ron"]);
    insta::assert_snapshot!(stdout(&output), @r"
    ff_nominal: 200 neurons for 1 s; the event-driven solver (to 1 us): 7728 spikes
      Euler                     count of a neuron       shift of a spike
          dt  spikes    off by    mean  worst   neuron     mean    worst   neuron
        1 ms    5579  -27.81 %  10.745    -16  dpi 167   136 ms   309 ms  dpi 167
      100 us    7378   -4.53 %   1.750     -3  dpi 126  22.4 ms  50.7 ms  dpi 167
       20 us    7638   -1.16 %   0.450     -1   dpi 20  5.14 ms  21.6 ms   dpi 30
    ");
    let out = folder.path().join("runs/ff_nominal-converge");
    assert_eq!(files(&out), names(WRITTEN));
    let table = csv::Reader::from_path(out.join("converge.csv")).unwrap().into_records();
    let table: Vec<csv::StringRecord> = table.map(Result::unwrap).collect();
    let columns = [("0.001", "euler_1ms"), ("0.0001", "euler_100us"), ("0.00002", "euler_20us")];
    assert_eq!(table.len(), columns.len());
    for (row, (dt, column)) in table.iter().zip(columns) {
        let spikes = (published("event").to_string(), published(column).to_string());
        assert_eq!([&row[0], &row[1], &row[2], &row[3]], [dt, "dpi", &spikes.0, &spikes.1]);
    }
    // Neuron by neuron, too.
    let mut neurons = csv::Reader::from_path(out.join("converge.neurons.csv")).unwrap();
    let counts = |column: usize, rows: &[csv::StringRecord]| -> Vec<f64> {
        rows.iter().map(|row| row[column].parse().unwrap()).collect()
    };
    let rows: Vec<csv::StringRecord> = neurons.records().map(Result::unwrap).collect();
    let reference = |column| common::column("tests/reference/arcana_ff.csv", column);
    for (rows, (_, column)) in rows.chunks(200).zip(columns) {
        assert_eq!(counts(3, rows), reference("event"));
        assert_eq!(counts(4, rows), reference(column));
    }
    for picture in ["counts.svg", "shifts.svg"] {
        let svg = fs::read_to_string(out.join(picture)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("step of Euler"), "{picture}");
    }

    // What is there is not replaced without leave.
    let (code, stderr) = refused(folder.path(), &["converge", "scene.ron"]);
    assert_eq!(code, 5);
    insta::assert_snapshot!(stderr, @r"
    error: the folder runs/ff_nominal-converge is not empty
    help: choose another folder with --out, or replace the files of the earlier run with --force
    ");
    done(folder.path(), &["converge", "scene.ron", "--force", "--dt", "1 ms"]);
    assert_eq!(files(&out), names(WRITTEN));
}

#[test]
fn the_summary_as_json() {
    let folder = folder_with("ff_mismatch.ron");
    let args = ["converge", "scene.ron", "--json", "--quiet", "--out", "out"];
    let more = ["--dt", "500 us, 50 us", "--set", "populations.dpi.size=20", "--seed", "3"];
    let sets = ["--set", "sources.input.size=20", "--set", "probes={}", "--threads", "1"];
    let output = done(folder.path(), &[&args[..], &more, &sets].concat());
    assert_eq!(output.stderr.len(), 0);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = fs::read(folder.path().join("out/summary.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&file).unwrap(), summary);
    insta::assert_snapshot!(keys(&summary).join(" "), @"duration_s failed files neurons program_version reference scene schema_version seed status steps threads warnings");
    insta::assert_snapshot!(keys(&summary["reference"]).join(" "), @"spikes stepped tolerance_s wall_s");
    insta::assert_snapshot!(keys(&summary["steps"][0]).join(" "), @"dt_s mean_count_error mean_shift_s populations reference_spikes spikes wall_s worst_count worst_shift_s");
    assert_eq!((&summary["seed"], &summary["status"]), (&json!(3), &json!("complete")));
    assert_eq!((&summary["failed"], &summary["neurons"]), (&json!([]), &json!(20)));
    let steps = summary["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|s| s["dt_s"].as_f64().unwrap()).collect::<Vec<_>>(), [5e-4, 5e-5]);
    // The runs are those of `run` with the same draws.
    for (solver, count) in [
        ("solver=Event", &summary["reference"]["spikes"]["dpi"]),
        ("solver=Euler(dt: \"500 us\")", &steps[0]["spikes"]),
    ] {
        let run = run(
            folder.path(),
            "scene.ron",
            solver,
            &[&more[2..], &sets, &["--set", solver]].concat(),
        );
        assert_eq!(&run["spikes"]["dpi"], count, "{solver}");
    }
}

/// The tolerance is the scene's; host models and the like are named.
#[test]
fn the_reference_is_the_scenes_own_event_solver() {
    let folder = folder_with("ff_nominal.ron");
    let args = ["converge", "scene.ron", "--json", "--quiet", "--dt", "1 ms"];
    let set = ["--set", "solver=Event(tolerance: \"10 us\")"];
    let output = done(folder.path(), &[&args[..], &set].concat());
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["reference"]["tolerance_s"], 1e-5);
    assert_eq!(summary["reference"]["stepped"], json!([]));
}

#[test]
fn a_step_that_does_not_fit_is_an_error_of_the_scene() {
    let folder = folder_with("ff_nominal.ron");
    let args = ["converge", "scene.ron", "--dt", "1 ms,0.3 ms", "--out", "out"];
    let (code, stderr) = refused(folder.path(), &args);
    assert_eq!(code, 3, "{stderr}");
    for part in ["the duration 1 s is no multiple of the step dt = 0.0003 s", "scene.ron:", "help:"]
    {
        assert!(stderr.contains(part), "{part} is missing in\n{stderr}");
    }
    assert!(!folder.path().join("out").exists());
}

/// Between populations the event-driven solver needs a delay.
/// Nothing is recorded: intervals of probes need not be multiples of the steps.
#[test]
fn probes_do_not_have_to_fit_the_steps() {
    for scene in ["receptors.ron", "adaptation.ron"] {
        let folder = folder_with(scene);
        let output = done(folder.path(), &["converge", "scene.ron"]);
        assert!(stdout(&output).contains("\n    1 ms "), "{}", stdout(&output));
    }
}

#[test]
fn an_edge_without_delay_is_an_error_of_the_scene() {
    let folder = folder_with("ff_nominal.ron");
    let edge = "connections=[(from: \"dpi\", to: \"dpi\", receptor: ampa, rule: OneToOne)]";
    let (code, stderr) = refused(folder.path(), &["converge", "scene.ron", "--set", edge]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("delay"), "{stderr}");
    assert_eq!(files(folder.path()), names(["scene.ron"]));
}

#[test]
fn steps_that_cannot_be_read() {
    let folder = folder_with("ff_nominal.ron");
    let first = |steps: &str| {
        let (code, stderr) = refused(folder.path(), &["converge", "scene.ron", "--dt", steps]);
        assert_eq!(code, 2, "{steps}: {stderr}");
        stderr.lines().next().unwrap().to_string()
    };
    insta::assert_snapshot!(first(""), @r#"error: invalid value '' for '--dt <STEPS>': a step is missing: write --dt "1 ms","100 us""#);
    insta::assert_snapshot!(first("1 ms,,"), @r#"error: invalid value '' for '--dt <STEPS>': a step is missing: write --dt "1 ms","100 us""#);
    insta::assert_snapshot!(first("20"), @r#"error: invalid value '20' for '--dt <STEPS>': `20` has no unit, but a time is expected; write it with its unit, for example "20 ms" or "20 s""#);
    insta::assert_snapshot!(first("1 ms,2 pA"), @r#"error: invalid value '2 pA' for '--dt <STEPS>': `pA` is not a unit of a time; write a time in s, with a prefix if you like (a f p n u m k M G), for example "1 ms""#);
    insta::assert_snapshot!(first("0 s"), @"error: invalid value '0 s' for '--dt <STEPS>': must be greater than 0, but is 0 s");
    insta::assert_snapshot!(first("0.1 ps"), @"error: invalid value '0.1 ps' for '--dt <STEPS>': the shortest time is 1 ps");
    insta::assert_snapshot!(first("1e9 s"), @"error: invalid value '1e9 s' for '--dt <STEPS>': times go up to 213 days");
    assert_eq!(files(folder.path()), names(["scene.ron"]));
}

/// At 1 ms and 100 µs, but not at 20 µs and not with the event-driven solver.
#[test]
fn a_coarse_step_is_hinted_at() {
    let folder = folder_with("ff_nominal.ron");
    let hint = |solver: &str| {
        let set = format!("solver={solver}");
        let args = ["run", "scene.ron", "--out", "out", "--force", "--json", "--set", &set];
        let output = done(folder.path(), &args);
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let hints: Vec<String> = serde_json::from_value(summary["hints"].clone()).unwrap();
        // The summary on the terminal says the same, on one line.
        let stderr = String::from_utf8(output.stderr).unwrap();
        let said: Vec<&str> = stderr.lines().filter_map(|l| l.strip_prefix("hint: ")).collect();
        assert_eq!(said, hints);
        hints.join("\n")
    };
    insta::assert_snapshot!(hint("Euler(dt: \"1 ms\")"), @"the step of 1 ms is long for `dpi` (τ of soma is 26.6 ms, for which a step of 53.19 us is short enough): some spikes come later than the circuit's, or not at all. `picoamp converge SCENE` says how many; with --set solver=Event, or no `solver` in the scene, there is no step");
    assert!(hint("Euler(dt: \"100 us\")").starts_with("the step of 100 us is long for `dpi`"));
    assert_eq!(hint("Euler(dt: \"20 us\")"), "");
    assert_eq!(hint("Event"), "");
}

/// The worst population is named, and the refractory period counts.
#[test]
fn the_hint_names_the_worst_population() {
    let folder = folder_with("ff_nominal.ron");
    let other = "populations.held=(size: 1, model: lif(soma: (refP: \"0.5 ms\")))";
    let sets = ["--set", "solver.dt=20 us", "--set", other];
    let summary = run(folder.path(), "scene.ron", "out", &sets);
    let hint = summary["hints"][0].as_str().unwrap();
    assert!(
        hint.starts_with(
            "the step of 20 us is long for `held` (refP is 500 us, for which a step of 10 us is "
        ),
        "{hint}"
    );
    assert_eq!(summary["hints"].as_array().unwrap().len(), 1);
}
