//! What sweeps write: tables with the values of each point, which is the plain run of them, and failures.

use std::collections::BTreeMap;

use super::*;

const PATHS: [&str; 2] = ["sources.clock.train.rates", "populations.dpi.model.soma.Itau"];

/// The points of the scene: the last path changes fastest.
const POINTS: [[&str; 2]; 6] = [
    ["10 Hz", "4 pA"],
    ["10 Hz", "8 pA"],
    ["10 Hz", "16 pA"],
    ["20 Hz", "4 pA"],
    ["20 Hz", "8 pA"],
    ["20 Hz", "16 pA"],
];

/// The rows of a point without the cells that name it, as text.
fn rows_of(text: &str, point: usize, lead: &str) -> String {
    let start = format!("{point},{lead},");
    text.lines()
        .filter_map(|line| line.strip_prefix(&start))
        .map(|row| format!("{row}\n"))
        .collect()
}

#[test]
fn tables_have_the_rows_of_each_point_with_its_values() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    let summary = run(path, "scene.ron", "out", &[]);
    assert_eq!(summary["status"], "complete");
    let sweep = &summary["sweep"];
    assert_eq!(
        (&sweep["points"], &sweep["done"], &sweep["failed"]),
        (&json!(6), &json!(6), &json!(0))
    );
    assert_eq!((&sweep["form"], &sweep["seeds"]), (&json!("Grid"), &json!("Derived")));
    assert_eq!(sweep["axes"][0], json!({ "path": PATHS[0], "values": [10.0, 20.0] }));
    assert_eq!(sweep["axes"][1], json!({ "path": PATHS[1], "values": [4e-12, 8e-12, 1.6e-11] }));
    let tables =
        ["clock.csv", "points.csv", "rates.band.csv", "rates.csv", "spikes.csv", "trace.csv"];
    let pictures = ["clock.svg", "rates.svg", "trace.svg"];
    let listed = pictures.map(String::from).into_iter();
    let listed = listed.chain(tables.map(String::from));
    let listed = listed.chain(["scene.ron".into(), "summary.json".into()]);
    assert_eq!(files(&path.join("out")), listed.collect());

    // A clock of 10 Hz fires at 0 and 0.1 s.
    let clock = rows(&read(path.join("out/clock.csv")));
    assert_eq!(clock[0], ["point", PATHS[0], PATHS[1], "neuron", "rate_hz", "spikes"]);
    let mut expected = Vec::new();
    for (point, values) in (0..).zip([[10, 4], [10, 8], [10, 16], [20, 4], [20, 8], [20, 16]]) {
        let [rate, pico] = values;
        let tau =
            ["4e-12", "8e-12", "1.6e-11"][[4, 8, 16].iter().position(|k| *k == pico).unwrap()];
        for neuron in 0..2 {
            let spikes = rate / 5;
            expected.push(format!("{point},{rate},{tau},{neuron},{rate},{spikes}"));
        }
    }
    assert_eq!(clock[1..].iter().map(|row| row.join(",")).collect::<Vec<_>>(), expected);
    // Of three neurons in two replicas.
    let rates = rows(&read(path.join("out/rates.csv")));
    assert_eq!(rates[0][3..], ["replica", "neuron", "rate_hz", "spikes"]);
    assert_eq!(rates.len(), 1 + 6 * 3 * 2);
    let points = rows(&read(path.join("out/points.csv")));
    assert_eq!(points[0][3..], ["seed", "dpi.spikes", "spike_hash", "error"]);
    for (point, row) in points[1..].iter().enumerate() {
        let of_point = rates.iter().filter(|rate| rate[0] == point.to_string());
        let spikes: u64 = of_point.map(|rate| rate[6].parse::<u64>().unwrap()).sum();
        assert_eq!(row[4], spikes.to_string());
        assert!(spikes > 0);
    }
    let total: u64 = points[1..].iter().map(|row| row[4].parse::<u64>().unwrap()).sum();
    assert_eq!(summary["spikes"]["dpi"], total);
}

/// What a point measured is what the scene measures with its values and its seed.
#[test]
fn a_point_is_the_plain_run_of_its_values() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "out", &["--threads", "2"]);
    let points = rows(&read(path.join("out/points.csv")));
    for (point, values) in POINTS.iter().enumerate() {
        let row = &points[1 + point];
        let sets: Vec<String> = PATHS.iter().zip(values).map(|(p, v)| format!("{p}={v}")).collect();
        let plain = format!("plain-{point}");
        let args = ["--set", "sweep=Off", "--set", &sets[0], "--set", &sets[1], "--seed", &row[3]];
        let summary = run(path, "scene.ron", &plain, &args);
        assert_eq!(summary["spike_hash"]["total"], row[5]);
        assert_eq!(summary["spikes"]["dpi"].to_string(), row[4]);
        let lead = row[1..3].join(",");
        for table in ["clock.csv", "rates.csv", "rates.band.csv", "spikes.csv", "trace.csv"] {
            let single = read(path.join(&plain).join(table));
            let (header, own) = single.split_once('\n').unwrap();
            let swept = read(path.join("out").join(table));
            assert!(swept.starts_with(&format!("point,{},{header}\n", PATHS.join(","))));
            assert_eq!(rows_of(&swept, point, &lead), own, "{table} of point {point}");
        }
        if point == 4 {
            let by_number = run(path, "scene.ron", "four", &["--point", "4"]);
            assert_eq!(by_number["spike_hash"], summary["spike_hash"]);
            assert_eq!(by_number["seed"].to_string(), row[3]);
            assert_eq!(read(path.join("four/scene.ron")), read(path.join(plain).join("scene.ron")));
        }
    }
    // The same on one thread.
    run(path, "scene.ron", "one", &["--threads", "1"]);
    for file in files(&path.join("out")).iter().filter(|name| *name != "summary.json") {
        assert_eq!(read(path.join("one").join(file)), read(path.join("out").join(file)), "{file}");
    }
}

/// Seeds of the points of a sweep, by the cells of their values.
fn seeds(folder: &Path, sweep: &str, args: &[&str]) -> BTreeMap<String, u64> {
    let set = format!("sweep={sweep}");
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("out");
    let all = [&["--set", &set, "--set", "probes={}", "--set", "replicas=1"], args].concat();
    run(folder, "scene.ron", to.to_str().unwrap(), &all);
    let rows = rows(&read(to.join("points.csv")));
    let seed = rows[0].iter().position(|column| column == "seed").unwrap();
    assert_eq!(rows[0].iter().filter(|column| *column == "seed").count(), 1);
    // In a sweep over seeds it is that of the path.
    let values = 1..seed.max(2);
    rows[1..]
        .iter()
        .map(|row| (row[values.clone()].join(" "), row[seed].parse().unwrap()))
        .collect()
}

#[test]
fn a_seed_hangs_on_the_values_of_its_point_alone() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    let of = |sweep: &str, args: &[&str]| seeds(path, sweep, args);
    let first = of(
        r#"{ "populations.dpi.model.soma.Itau": List(["4 pA", "5 pA"]), "connections.0.weight": List([1, 2]) }"#,
        &[],
    );
    // In Python: int.from_bytes(hashlib.sha256(b"3\nconnections.0.weight=1\n"
    // b"populations.dpi.model.soma.Itau=4e-12").digest()[:8], "big") >> 11
    assert_eq!(first["4e-12 1"], SEED_OF_4_PA);
    assert_eq!(first.values().collect::<BTreeSet<_>>().len(), 4);
    // The order of paths and the other values are nothing to it, nor is how a value is written.
    let other = of(
        r#"{ "connections.0.weight": List([3, 2.0]), "populations.dpi.model.soma.Itau": Linear(from: "0.005 nA", to: "6 pA", n: 2) }"#,
        &[],
    );
    assert_eq!(other["2 5e-12"], first["5e-12 2"]);
    let zipped = of(
        r#"Zip(axes: { "populations.dpi.model.soma.Itau": List(["5 pA", "4 pA"]), "connections.0.weight": List([2, 1]) })"#,
        &[],
    );
    assert_eq!(
        zipped,
        BTreeMap::from([
            ("5e-12 2".into(), first["5e-12 2"]),
            ("4e-12 1".into(), first["4e-12 1"])
        ])
    );
    // The scene's seed is, unless seeds are shared or are themselves swept over.
    let reseeded = of(r#"{ "connections.0.weight": List([1, 2]) }"#, &["--seed", "4"]);
    let seeded = of(r#"{ "connections.0.weight": List([1, 2]) }"#, &[]);
    assert!(reseeded.values().all(|seed| !seeded.values().any(|other| other == seed)));
    let shared = of(
        r#"Grid(axes: { "connections.0.weight": List([1, 2]) }, seeds: Shared)"#,
        &["--seed", "4"],
    );
    assert!(shared.values().all(|seed| *seed == 4));
    let swept = of(r#"{ "seed": List([7, 9]) }"#, &[]);
    assert_eq!(swept, BTreeMap::from([("7".into(), 7), ("9".into(), 9)]));
}

/// The seed of a point as Python's hashlib has it.
const SEED_OF_4_PA: u64 = 519_407_282_958_635;

/// Both circuits of a neuron get an infinite current where both weights are 60000.
const FAILING: &str = r#"(
    duration: "50 ms",
    solver: Euler(dt: "1 ms"),
    sources: { "input": (size: 2, train: Spikes([(0, "5 ms"), (1, "20 ms")])) },
    populations: {
        "dpi": (size: 2, model: arcana(soma: (Ipfb_norm: "1.4e9 /A")), biases: File("chip.csv")),
    },
    connections: [
        (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 60000),
        (from: "input", to: "dpi", receptor: gabab, rule: OneToOne, weight: 60000),
    ],
    probes: { "rates": Rates(of: "dpi") },
    sweep: SWEEP,
)"#;

/// A folder with that scene and a sweep.
fn failing(sweep: &str) -> TempDir {
    let biases: &[u8] = b"neuron,ampa.Iw,gabab.Iw\n1,1e34,1e34\n";
    let scene = FAILING.replace("SWEEP", sweep);
    folder(&[("scene.ron", scene.as_bytes()), ("chip.csv", biases)])
}

#[test]
fn a_point_that_fails_leaves_the_others() {
    let folder = failing(
        r#"Zip(axes: {
            "connections.0.weight": List([1, 60000, 2]), "connections.1.weight": List([1, 60000, 2]),
        })"#,
    );
    let path = folder.path();
    let (code, said) = refused(path, &["run", "scene.ron", "--out", "out", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let why = "the state of neuron 1 of `dpi` is not a number at t = 0.021 s";
    let message = format!(
        "1 of 3 points failed, point 1 (connections.0.weight = 60000, connections.1.weight = 60000): {why}"
    );
    assert!(said.contains(&format!("error: {message}\n")), "{said}");
    let summary = summary_of(&path.join("out"));
    assert_eq!((&summary["status"], &summary["error"]), (&json!("failed"), &json!(message)));
    let points = rows(&read(path.join("out/points.csv")));
    assert_eq!(points[2][1..], ["60000", "60000", &points[2][3], "", "", why]);
    let rates = rows(&read(path.join("out/rates.csv")));
    assert_eq!(
        rates[1..].iter().map(|row| row[0].as_str()).collect::<Vec<_>>(),
        ["0", "0", "2", "2"]
    );
    // There is nothing to go on with; it fails again wherever it is run again, and says so once.
    for args in [&["--resume"][..], &["--force"]] {
        let args = [&["run", "scene.ron", "--out", "out", "--json"], args].concat();
        let output = picoamp(path).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["error"]["message"], message);
    }
    let (code, said) = refused(path, &["run", "scene.ron", "--out", "out", "--resume"]);
    assert!(code == 1 && said.contains(&message), "{said}");
    done(path, &["reproduce", "out"]);
}

/// Nothing but failures: the error says that there are no rows, and there is still a report.
#[test]
fn a_sweep_of_which_all_points_fail_says_so() {
    let folder = failing(r#"{ "seed": List([1, 2]) }"#);
    let path = folder.path();
    let (code, said) = refused(path, &["run", "scene.ron", "--out", "out", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let message = "error: all 2 points failed, so that the tables of probes have no rows; the first of \
                   them, point 0 (seed = 1): the state of neuron 1";
    assert!(said.starts_with(message), "{said}");
    assert_eq!(read(path.join("out/rates.csv")), "point,seed,neuron,rate_hz,spikes\n");
    assert!(read(path.join("out/rates.svg")).contains("no values"));
    done(path, &["report", "out"]);
    let html = read(path.join("out/report.html"));
    assert!(html.contains("Failed: point 1 (seed = 2): the state of neuron 1"));
}

#[test]
fn sweeps_are_compared_point_by_point() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "a", &[]);
    run(
        path,
        "scene.ron",
        "b",
        &[
            "--set",
            r#"sweep={ "sources.clock.train.rates": List(["10 Hz", "20 Hz", "30 Hz"]), "populations.dpi.model.soma.Itau": List(["8 pA", "16 pA"]) }"#,
        ],
    );
    let compare = |a: &str, b: &str| {
        let output = picoamp(path).args(["compare", a, b]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    // Four points have the same values.
    let (code, text) = compare("a", "b");
    assert_eq!(code, 7);
    assert!(
        text.contains("4 points with the same spikes\n2 points in A only\n2 points in B only\n"),
        "{text}"
    );
    run(path, "scene.ron", "c", &["--set", "populations.dpi.model.ampa.Iw=3 nA"]);
    let (code, text) = compare("a", "c");
    assert_eq!(code, 7);
    assert!(text.contains("6 of 6 points have other spikes\n  the first of them: point 0 (sources.clock.train.rates = 10, populations.dpi.model.soma.Itau = 4e-12)\n"), "{text}");
    assert!(text.contains("populations.dpi.model.ampa.Iw: \"2 nA\" in A, \"3 nA\" in B"), "{text}");
    assert_eq!(compare("a", "a").0, 0);
    run(path, "scene.ron", "plain", &["--point", "0"]);
    let (code, said) = refused(path, &["compare", "plain", "a"]);
    assert!(
        code == 5
            && said.contains("plain: these are results of a single run, and those in a of a sweep"),
        "{said}"
    );
    let seeds = ["--set", r#"sweep={ "seed": List([1, 2]) }"#];
    run(path, "scene.ron", "d", &seeds);
    let (code, said) = refused(path, &["compare", "a", "d"]);
    assert!(code == 5 && said.contains("a sweep over seed"), "{said}");
}

/// Files that only some points read are copied, and the copy of the scene finds them.
#[test]
fn files_are_swept_over() {
    let scene = SCENE.replace(
        "\"sources.clock.train.rates\": List([\"10 Hz\", \"20 Hz\"]),",
        "\"populations.dpi.biases\": List([File(\"a.csv\"), File(\"b.csv\")]),",
    );
    let (a, b): (&[u8], &[u8]) = (b"neuron,soma.Idc\n0,1e-9\n", b"neuron,soma.Idc\n0,2e-9\n");
    let folder = folder(&[("scene.ron", scene.as_bytes()), ("a.csv", a), ("b.csv", b)]);
    let path = folder.path();
    run(path, "scene.ron", "out", &[]);
    let points = rows(&read(path.join("out/points.csv")));
    assert_eq!(
        points.iter().skip(1).map(|row| row[1].as_str()).collect::<BTreeSet<_>>(),
        BTreeSet::from(["File(\"a.csv\")", "File(\"b.csv\")"])
    );
    assert_eq!(
        files(&path.join("out")).iter().filter(|name| name.starts_with("inputs/")).count(),
        2
    );
    fs::remove_file(path.join("a.csv")).unwrap();
    fs::remove_file(path.join("b.csv")).unwrap();
    let again = run(path, "out/scene.ron", "again", &[]);
    assert_eq!(again["sweep"]["points"], 6);
}
