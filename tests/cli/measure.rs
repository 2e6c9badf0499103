//! `picoamp measure`: the ready experiments give what is known of the circuits.

use super::*;

/// What an experiment measured.
fn measured(folder: &Path, args: &[&str]) -> Value {
    let args = [&["measure"], args, &["--json", "--quiet"]].concat();
    serde_json::from_slice(&done(folder, &args).stdout).unwrap()
}

/// The seed experiment without mismatch: the median within one spike of the equation, for each of the
/// 200 input rates, and no width at all; it widens with the mismatch.
#[test]
fn the_ff_curve_is_that_of_the_equation_and_its_band_widens() {
    let folder = folder(&[]);
    let band = |cv: &str| -> Vec<Value> {
        let args = ["ff", "--model", "arcana", "--replicas", "12", "--cv", cv, "--out", cv];
        measured(folder.path(), &args)["ff"].as_array().unwrap().clone()
    };
    let width = |band: &[Value]| -> f64 {
        let of = |row: &Value| row["p95"].as_f64().unwrap() - row["p05"].as_f64().unwrap();
        band.iter().map(of).sum::<f64>() / band.len() as f64
    };
    let nominal = band("0");
    let expected = common::column("tests/reference/arcana_ff.csv", "event");
    assert_eq!(nominal.len(), 200);
    for (row, spikes) in nominal.iter().zip(expected) {
        assert!((row["median"].as_f64().unwrap() - spikes).abs() <= 1.0, "{row} {spikes}");
        assert_eq!(row["n"], 12);
    }
    let widths = [width(&nominal), width(&band("0.05")), width(&band("0.15"))];
    assert_eq!(widths[0], 0.0);
    assert!(widths[1] > 1.0 && widths[2] > 2.0 * widths[1], "{widths:?}");
}

/// Rates of the bare soma against its closed form: not a spike apart, but that of the start.
#[test]
fn the_bare_soma_fires_as_its_closed_form_says() {
    let folder = folder(&[]);
    for model in ["dynapse1", "arcana"] {
        let args = ["fi", "--bare", "--model", model, "--cv", "0.2", "--replicas", "3"];
        let found = measured(folder.path(), &args);
        // 2 s of each neuron: a spike is 0.5 Hz; the first interval starts from I0.
        let apart = found["largest_distance_from_closed_form_hz"].as_f64().unwrap();
        assert!(apart <= 1.0, "{model}: {apart} Hz");
        assert_eq!(found["rheobase_A"].as_array().unwrap().len(), 3);
    }
    // Nominal: 505 pA, between two inputs that are 10 pA apart.
    let found = measured(folder.path(), &["fi", "--bare", "--cv", "0", "--out", "nominal"]);
    let rheobase = found["rheobase_A"][0].as_f64().unwrap();
    assert!((505e-12..516e-12).contains(&rheobase), "{rheobase}");
    let table = fs::read_to_string(folder.path().join("nominal/fi.csv")).unwrap();
    assert!(table.starts_with("neuron,input,output_hz,output_spikes,closed_form_hz\n"));
    // With the feedback on there is no closed form, and the rheobase is lower.
    let found = measured(folder.path(), &["fi", "--cv", "0"]);
    assert_eq!(found["largest_distance_from_closed_form_hz"], Value::Null);
    assert!(found["rheobase_A"][0].as_f64().unwrap() < 400e-12);
}

/// Excitation and inhibition have their signs, and NMDA lasts as long as its time constant says.
#[test]
fn potentials_have_the_sign_and_the_length_of_their_receptor() {
    let folder = folder(&[]);
    // Without replicas the nominal circuit is measured.
    let found = measured(folder.path(), &["epsp"]);
    let of = |receptor: &str, key: &str| found[receptor][0][key].as_f64().unwrap();
    for (receptor, sign) in [("ampa", 1.0), ("nmda", 1.0), ("gabaa", -1.0), ("gabab", -1.0)] {
        assert!(sign * of(receptor, "peak_V") > 1e-3, "{receptor}: {found:#}");
        assert!(of(receptor, "rise_s") > 0.0);
        // No potential is shorter than the current that makes it: τ of AMPA, NMDA, GABA.
        let tau = match receptor {
            "ampa" => 3.546e-3,
            "nmda" => 35.46e-3,
            _ => 14.18e-3,
        };
        assert!(of(receptor, "decay_s") > tau, "{receptor}: {found:#}");
    }
    let args = ["epsp", "--model", "arcana", "--replicas", "4", "--out", "four"];
    assert_eq!(measured(folder.path(), &args)["gabab"].as_array().unwrap().len(), 4);
    let table = fs::read_to_string(folder.path().join("four/epsp.csv")).unwrap();
    assert!(table.starts_with("replica,receptor,baseline_V,peak_V,rise_s,decay_s\n"), "{table}");
    assert_eq!(table.lines().count(), 9);
}

/// The measured neuron of each replica is the one that the probe recorded, however many there are.
#[test]
fn potentials_are_of_neuron_0_of_each_replica() {
    let folder = folder(&[]);
    let path = folder.path();
    let sets =
        ["--set", "populations.ampa.size=2", "--set", "connections.0.rule=AllToAll", "--cv", "0.2"];
    let args = ["epsp", "--replicas", "3", "--out", "two"];
    let found = measured(path, &[&args[..], &sets].concat());
    let table = fs::read_to_string(path.join("two/ampa.csv")).unwrap();
    let header: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (replica, neuron, time, vmem) =
        (place("replica"), place("neuron"), place("time_s"), place("Vmem"));
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    for k in 0..3 {
        let name = k.to_string();
        let row = rows.iter().find(|r| r[replica] == name && r[neuron] == "0" && r[time] == "1");
        let expected: f64 = row.unwrap()[vmem].parse().unwrap();
        let baseline = found["ampa"][k]["baseline_V"].as_f64().unwrap();
        assert!((baseline - expected).abs() < 1e-9, "replica {k}: {baseline}, not {expected}");
    }
    assert_eq!(found["ampa"].as_array().unwrap().len(), 3);
    // What nobody recorded is not measured, and not listed.
    let args = ["measure", "epsp", "--set", "probes.ampa.window=(from: \"0.5 s\", to: \"0.9 s\")"];
    let (code, said) = refused(path, &[&args[..], &["--out", "early"]].concat());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("has recorded no Vmem of neuron 0 of `ampa` from 1 s on"), "{said}");
    let summary: Value =
        serde_json::from_slice(&fs::read(path.join("early/summary.json")).unwrap()).unwrap();
    for file in summary["files"].as_array().unwrap() {
        assert!(path.join("early").join(file.as_str().unwrap()).exists(), "{file}");
    }
    assert!(path.join("early/experiment.ron").exists() && !path.join("early/epsp.csv").exists());
}

/// The intervals of scenes/adaptation.ron, by steps of 20 us: from 12.6 to 23.3 ms; without AHP they stay.
#[test]
fn intervals_grow_by_as_much_as_they_are_known_to() {
    let folder = folder(&[]);
    let found = measured(folder.path(), &["adaptation", "--cv", "0"]);
    let intervals = found["intervals_s"].as_array().unwrap();
    let median = |k: usize| intervals[k]["median"].as_f64().unwrap();
    assert!((median(0) / 12.6e-3 - 1.0).abs() < 0.02 && (median(20) / 23.3e-3 - 1.0).abs() < 0.002);
    let off = ["adaptation", "--cv", "0", "--set", "populations.dpi.model.ahp=Off", "--out", "off"];
    let found = measured(folder.path(), &off);
    let growth = found["last_over_first"][0].as_f64().unwrap();
    assert!((growth - 1.0).abs() < 1e-3, "{growth}");
}

/// Nominal values as published; what is drawn from two biases varies as they do together.
#[test]
fn derived_quantities_vary_as_their_biases_do() {
    let folder = folder(&[]);
    let found = measured(folder.path(), &["mismatch", "--replicas", "10", "--cv", "0.1"]);
    for (name, ms) in [
        ("ampa_tau_s", 3.546_099),
        ("nmda_tau_s", 35.460_993),
        ("gabaa_tau_s", 14.184_397),
        ("soma_tau_s", 14.184_397),
        ("ahp_tau_s", 70.921_986),
    ] {
        let of = |key: &str| found[name][key].as_f64().unwrap();
        assert!((of("nominal") * 1e3 / ms - 1.0).abs() < 1e-6, "{name}");
        assert_eq!(found[name]["n"], 10_000);
        // 1/x of a log-normal x has the same cv; its error is about 0.1/sqrt(2·10⁴).
        assert!((of("cv") - 0.1).abs() < 0.004, "{name}: {}", of("cv"));
    }
    // A ratio of two and a product of three log-normals: σ² adds up.
    for (name, biases) in [("soma_gain", 2), ("ampa_gain", 2), ("ampa_jump_A", 3)] {
        let expected = (1.01_f64.powi(biases) - 1.0).sqrt();
        let cv = found[name]["cv"].as_f64().unwrap();
        assert!((cv / expected - 1.0).abs() < 0.04, "{name}: {cv} instead of {expected}");
    }
    let table = fs::read_to_string(folder.path().join("runs/mismatch-dynapse1/quantities.csv"));
    assert!(table.unwrap().starts_with("replica,neuron,soma_tau_s,soma_gain,"));
}

/// The scene that is left behind gives the same run.
#[test]
fn the_scene_of_an_experiment_runs_by_itself() {
    let folder = folder(&[]);
    let path = folder.path();
    let set = "populations.dpi.model.soma.refP=7 ms";
    for experiment in ["ff", "fi", "epsp", "adaptation", "mismatch"] {
        for model in ["dynapse1", "arcana"] {
            let name = format!("{experiment}-{model}");
            // (The populations of `epsp` are named by their receptors.)
            let set = if experiment == "epsp" { set.replace("dpi", "ampa") } else { set.into() };
            let args = [experiment, "--model", model, "--replicas", "2", "--set", &set];
            measured(path, &args);
            let dir = path.join("runs").join(&name);
            let summary: Value =
                serde_json::from_slice(&fs::read(dir.join("summary.json")).unwrap()).unwrap();
            let scene = fs::read_to_string(dir.join("experiment.ron")).unwrap();
            assert!(scene.starts_with("// Question: "), "{scene}");
            assert!(scene.contains(&format!("picoamp run experiment.ron --set '{set}'")));
            let again = run(&dir, "experiment.ron", "again", &["--set", &set]);
            assert_eq!(again["spike_hash"], summary["spike_hash"], "{name}");
            assert_eq!(again["warnings"], json!([]), "{name}");
            done(path, &["compare", dir.to_str().unwrap(), dir.join("again").to_str().unwrap()]);
            done(path, &["plot", dir.to_str().unwrap(), "--out", "drawn", "--force"]);
            // A second time: the folder is in use, and replaced where that is asked for.
            let (code, said) = refused(path, &["measure", experiment, "--model", model]);
            assert_eq!(code, 5, "{said}");
        }
    }
    measured(path, &["ff", "--force"]);
}

/// What its user made of the scene is not lost: not by a run of it, not by another measurement.
#[test]
fn an_edited_experiment_is_kept() {
    let folder = folder(&[]);
    let path = folder.path();
    let scene = path.join("runs/ff-dynapse1/experiment.ron");
    measured(path, &["ff", "--set", "duration=0.1 s"]);
    // As it was written it is replaced by another measurement.
    measured(path, &["ff", "--set", "duration=0.2 s", "--force"]);
    let written = fs::read_to_string(&scene).unwrap();
    assert!(written.contains("duration=0.2 s"), "{written}");
    let edited = format!("// mine\n{written}");
    fs::write(&scene, &edited).unwrap();
    let (code, said) = refused(path, &["measure", "ff", "--force"]);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("experiment.ron has been changed since a measurement wrote it"),
        "{said}"
    );
    // A run of it into its folder replaces the results, but not itself.
    let run = ["run", "runs/ff-dynapse1/experiment.ron", "--set", "duration=0.1 s", "--force"];
    done(path, &[&run[..], &["--out", "runs/ff-dynapse1"]].concat());
    assert_eq!(fs::read_to_string(&scene).unwrap(), edited);
    assert!(!path.join("runs/ff-dynapse1/measured.txt").exists());
}

/// An option that would do nothing is refused.
#[test]
fn only_a_curve_of_inputs_has_a_bare_soma() {
    let folder = folder(&[]);
    let (code, said) = refused(folder.path(), &["measure", "ff", "--bare"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("'--bare' can only be used with 'fi'"), "{said}");
    assert!(said.contains("picoamp measure"), "{said}");
}

/// What a probe records is not lost below what is measured: its name is refused before anything is written.
#[test]
fn files_of_probes_and_of_what_is_measured_have_different_names() {
    let folder = folder(&[]);
    let path = folder.path();
    let trace = "=Trace(of: \"ampa\", vars: [Vmem], neurons: [0], every: \"1 ms\")";
    for (experiment, set, probe, file) in [
        ("epsp", format!("probes.epsp{trace}"), "epsp", "epsp.csv"),
        ("epsp", format!("probes.EPSP{trace}"), "EPSP", "epsp.csv"),
        ("mismatch", "probes={ \"gain\": Rates(of: \"dpi\") }".into(), "gain", "gain.svg"),
        (
            "mismatch",
            "probes={ \"ampa.tau\": Rates(of: \"dpi\") }".into(),
            "ampa.tau",
            "ampa.tau.svg",
        ),
    ] {
        let args = ["measure", experiment, "--out", "out", "--set", &set];
        let (code, said) = refused(path, &args);
        let expected = format!(
            "error: out: two files would have the name {file}, one of them of the probe `{probe}`\n\
             help: give the probe `{probe}` another name\n"
        );
        assert_eq!((code, said), (5, expected));
        assert!(!path.join("out").exists());
    }
    // Others are recorded, and all is drawn again.
    let set = format!("probes.mine{trace}");
    measured(path, &["epsp", "--out", "out", "--set", &set]);
    assert_eq!(fs::read_to_string(path.join("out/mine.csv")).unwrap().lines().count(), 1402);
    done(path, &["plot", "out"]);
}

/// Without mismatch all neurons are the same to the last digit.
#[test]
fn without_mismatch_there_is_no_deviation() {
    let folder = folder(&[]);
    let found = measured(folder.path(), &["mismatch", "--cv", "0", "--out", "out"]);
    for (name, quantity) in found.as_object().unwrap() {
        assert_eq!(quantity["cv"], 0.0, "{name}");
        assert_eq!(quantity["mean"], quantity["nominal"], "{name}");
    }
}

/// Whatever a value is made of, the command in the comment is one line that the shell reads as it was.
#[test]
fn values_with_quotes_and_line_breaks_do_not_break_the_scene() {
    let folder = folder(&[]);
    let path = folder.path();
    let sets = ["--set", "probes={\n    \"it's\": Spikes(of: \"dpi\"),\n}"];
    let (code, said) = refused(path, &[&["measure", "mismatch"][..], &sets].concat());
    assert_eq!(code, 0, "{said}");
    let dir = path.join("runs/mismatch-dynapse1");
    let scene = fs::read_to_string(dir.join("experiment.ron")).unwrap();
    let shown = r#"//     picoamp run experiment.ron --set $'probes={\n    "it\'s": Spikes(of: "dpi"),\n}'"#;
    assert_eq!(scene.lines().nth(2), Some(shown));
    run(&dir, "experiment.ron", "again", &sets);
}

#[test]
fn wrong_experiments_are_refused() {
    let folder = folder(&[]);
    for (args, code, expected) in [
        (&["ff", "--cv", "2"][..], 2, "write a number from 0 to 1: 0.1 is 10 %"),
        (&["ff", "--replicas", "0"], 2, "write a whole number from 1 to 1000000"),
        (&["ff", "--threads", "two"], 2, "write a whole number from 1 to 1024"),
        (&["fff"], 2, "possible values: ff, fi, epsp, adaptation, mismatch"),
        (&["ff", "--model", "lif"], 2, "possible values: dynapse1, arcana"),
        (&["ff", "--set", "populations.dpi.sise=3"], 3, "did you mean `size`?"),
        (&["fi", "--set", "probes={}"], 1, "there is no Fi probe `fi`"),
        (&["ff", "--replicas", "1000000", "--set", "populations.dpi.size=300"], 3, "equal sizes"),
    ] {
        let args = [&["measure"], args].concat();
        let (found, said) = refused(folder.path(), &args);
        assert_eq!(found, code, "{args:?}\n{said}");
        assert!(said.contains(expected), "{args:?}\n{said}");
    }
}
