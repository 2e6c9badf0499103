//! Sweeps: what they write, that a point is the plain run of its values, that one that was killed goes
//! on to the same tables, and what `--resume` refuses.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Instant;

use super::*;

/// Regular trains, of which the count is known, and a network in which everything is drawn.
const SCENE: &str = r#"// A network at several points.
(
    seed: 3,
    duration: "0.2 s",
    replicas: 2,
    sources: {
        "clock": (size: 2, train: Regular(rates: "10 Hz")),
        "noise": (size: 5, train: Poisson(rates: "100 Hz")),
    },
    populations: {
        "dpi": (
            size: 3,
            model: dynapse1(ampa: (Iw: "2 nA")),
            mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2) },
        ),
    },
    connections: [(from: "noise", to: "dpi", receptor: ampa, rule: FixedProbability(p: 0.5))],
    probes: {
        "clock": Rates(of: "clock"),
        "rates": Rates(of: "dpi"),
        "spikes": Spikes(of: "dpi"),
        "trace": Trace(of: "dpi", vars: [Vmem], neurons: [1], every: "10 ms"),
    },
    sweep: {
        "sources.clock.train.rates": List(["10 Hz", "20 Hz"]),
        "populations.dpi.model.soma.Itau": Log(from: "4 pA", to: "16 pA", n: 3),
    },
)
"#;

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

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// The rows of a CSV text, the header first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
}

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

/// A sweep that takes some seconds: 24 points of 40 neurons.
fn slow() -> String {
    SCENE
        .replace("size: 3", "size: 40")
        .replace("duration: \"0.2 s\"", "duration: \"1 s\"")
        .replace("n: 3", "n: 12")
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(folder: &Path, args: &[&str]) -> Ended {
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_picoamp"))
        .current_dir(folder)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(child.unwrap())
}

/// What a summary says, which is valid at any moment.
fn summary_of(folder: &Path) -> Value {
    serde_json::from_str(&read(folder.join("summary.json"))).unwrap()
}

/// Starts a sweep and kills it once so many of its points are sealed; `None` if it ended before.
fn kill_after(folder: &Path, args: &[&str], points: u64) -> Option<Value> {
    let mut child = spawn(folder, args);
    let deadline = Instant::now() + Duration::from_secs(120);
    let out = folder.join("out");
    loop {
        assert!(Instant::now() < deadline, "waited too long for {points} points");
        if child.0.try_wait().unwrap().is_some() {
            return None;
        }
        let sealed = out.join("points.csv").exists().then(|| summary_of(&out));
        if sealed.is_some_and(|summary| summary["sweep"]["done"].as_u64() >= Some(points)) {
            child.0.kill().unwrap();
            child.0.wait().unwrap();
            return Some(summary_of(&out));
        }
        std::thread::yield_now();
    }
}

/// All files of a folder but the summary, which has wall times.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = files(folder).into_iter().filter(|name| name != "summary.json");
    names.map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap())).collect()
}

#[cfg(unix)]
#[test]
fn a_sweep_that_is_killed_goes_on_to_the_same_tables() {
    let folder = folder(&[("scene.ron", slow().as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "whole", &["--threads", "1"]);
    let whole = contents(&path.join("whole"));

    let start = ["run", "scene.ron", "--out", "out", "--quiet"];
    let killed = kill_after(path, &start, 5).expect("it was to be killed before its end");
    assert_eq!(killed["status"], "unfinished");
    let mut done = killed["sweep"]["done"].as_u64().unwrap();
    assert!((5..24).contains(&done), "{done}");
    // What is sealed is there, in whole rows, and it is the beginning of what will be.
    for (name, bytes) in killed["sweep"]["tables"].as_object().unwrap() {
        let bytes = bytes.as_u64().unwrap() as usize;
        let table = fs::read(path.join("out").join(name)).unwrap();
        assert!(table[..bytes] == whole[name][..bytes], "{name}");
        assert_eq!(table[bytes - 1], b'\n');
    }
    let (code, said) = refused(path, &start);
    assert_eq!(code, 5);
    assert!(said.contains("--force") && said.contains("--resume"), "{said}");
    let (code, said) = refused(path, &["report", "out"]);
    assert!(code == 5 && said.contains("unfinished") && said.contains("--resume"), "{said}");

    // Rows that were not sealed when the power failed, and once more killed.
    let mut spikes = fs::File::options().append(true).open(path.join("out/spikes.csv")).unwrap();
    std::io::Write::write_all(&mut spikes, b"23,20,1.6e-11,0,0,0.1\n23,2").unwrap();
    let resume = [&start[..], &["--resume"]].concat();
    while let Some(summary) = kill_after(path, &resume, done + 6) {
        let now = summary["sweep"]["done"].as_u64().unwrap();
        assert!(now > done);
        done = now;
    }
    let summary = summary_of(&path.join("out"));
    assert_eq!((&summary["status"], &summary["sweep"]["done"]), (&json!("complete"), &json!(24)));
    assert!(contents(&path.join("out")) == whole, "the tables differ");
    assert_eq!(summary["spike_hash"], summary_of(&path.join("whole"))["spike_hash"]);
    // Nothing is left to do.
    let before = fs::read(path.join("out/summary.json")).unwrap();
    let output = self::done(path, &[&resume[..4], &["--resume"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "out: the results are complete, nothing is left to do\n");
    assert_eq!(fs::read(path.join("out/summary.json")).unwrap(), before);
    // The copy in the folder is the scene, too.
    self::done(path, &["run", "out/scene.ron", "--out", "out", "--resume"]);
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    let fresh = ["run", "scene.ron", "--out", "out", "--quiet", "--resume"];
    // There is nothing yet: it starts.
    done(path, &fresh);
    let summary = summary_of(&path.join("out"));
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut edited = summary.clone();
        edited["status"] = "unfinished".into();
        edit(&mut edited);
        fs::write(path.join("out/summary.json"), edited.to_string()).unwrap();
    };
    let say = |args: &[&str]| {
        let (code, said) = refused(path, &[&fresh, args].concat());
        assert_eq!(code, 5, "{said}");
        said
    };
    insta::assert_snapshot!(
        [
            say(&["--seed", "4"]),
            say(&["--set", "populations.dpi.size=7", "--set", "duration=1 s"]),
            say(&["--set", "sweep=Off"]),
            {
                with(&|summary| summary["program_version"] = "0.0.9".into());
                say(&[])
            },
            {
                with(&|summary| summary["sweep"] = Value::Null);
                say(&[])
            },
            {
                let bytes = |name: &str| read(path.join("out").join(name)).len() as u64;
                let tables = ["points.csv", "clock.csv", "rates.csv", "rates.band.csv", "spikes.csv", "trace.csv"];
                let lengths: BTreeMap<&str, u64> = tables.map(|name| (name, bytes(name))).into();
                with(&|summary| summary["sweep"] = json!({ "points": 6, "done": 5, "failed": 0, "tables": lengths }));
                fs::write(path.join("out/clock.csv"), "point\n").unwrap();
                let said = say(&[]);
                said.replace(&lengths["clock.csv"].to_string(), "<length>")
            },
            {
                fs::create_dir(path.join("mine")).unwrap();
                fs::write(path.join("mine/data.txt"), "mine").unwrap();
                let args = ["run", "scene.ron", "--out", "mine", "--resume"];
                refused(path, &args).1.lines().next().unwrap().to_string()
            },
        ]
        .join("\n"),
        @r#"
        error: out: these are results of another scene: seed is 3 there and 4 here
        help: start again with --force, or in another folder with --out

        error: out: these are results of another scene: duration is "0.2 s" there and "1 s" here; populations.dpi.size is 3 there and 7 here
        help: start again with --force, or in another folder with --out

        error: out: these are results of a sweep, and this is a single run
        help: choose another folder with --out, or start again with --force

        error: out: these results are of picoamp 0.0.9, and this is picoamp 0.1.0
        help: results may differ between versions: start again with --force, or in another folder

        error: out: summary.json does not say how far the sweep is
        help: run the sweep again from the start with --force

        error: out: clock.csv has 6 bytes, but summary.json says that <length> were written
        help: run the sweep again from the start with --force

        error: mine: this is no results folder: it has no summary.json
        "#
    );
    assert_eq!(refused(path, &[&fresh[..], &["--force"]].concat()).0, 2);
}

/// Where a table cannot be written any more, what was sealed before is kept, and the sweep goes on from there.
#[cfg(unix)]
#[test]
fn a_sweep_whose_tables_cannot_be_written_goes_on_later() {
    let folder = folder(&[("scene.ron", slow().as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "whole", &["--threads", "1"]);
    let whole = contents(&path.join("whole"));
    let largest = whole.values().map(Vec::len).max().unwrap();
    // In the shell's blocks of 512 bytes (or of 1024: then it fails later), and no signal for it.
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", largest / 2 / 1024);
    let output = std::process::Command::new("sh")
        .current_dir(path)
        .args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_picoamp")])
        .args(["run", "scene.ron", "--out", "out", "--threads", "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    let summary = summary_of(&path.join("out"));
    let done_points = summary["sweep"]["done"].as_u64().unwrap();
    assert!(done_points < 24, "{summary}");
    for (name, bytes) in summary["sweep"]["tables"].as_object().unwrap() {
        let length = fs::metadata(path.join("out").join(name)).unwrap().len();
        assert!(length >= bytes.as_u64().unwrap(), "{name}: {length} bytes instead of {bytes}");
    }
    done(path, &["run", "scene.ron", "--out", "out", "--threads", "1", "--resume"]);
    assert!(contents(&path.join("out")) == whole);
}

/// A folder belongs to one process at a time.
#[cfg(unix)]
#[test]
fn a_folder_that_is_being_written_is_refused() {
    let text = slow().replace("duration: \"1 s\"", "duration: \"100000 s\"");
    let folder = folder(&[("scene.ron", text.as_bytes())]);
    let path = folder.path();
    for sets in [&[][..], &["--set", "sweep=Off"]] {
        let args = [&["run", "scene.ron", "--out", "out"], sets].concat();
        let mut child = spawn(path, &args);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !path.join("out/scene.ron").exists() {
            assert!(Instant::now() < deadline && child.0.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        for option in ["--force", "--resume"] {
            let (code, said) = refused(path, &[&args[..], &[option]].concat());
            assert_eq!(code, 5, "{said}");
            assert!(said.contains("another picoamp is writing these results"), "{said}");
        }
        drop(child);
        fs::remove_dir_all(path.join("out")).unwrap();
    }
}

/// A single run is not kept in pieces: it starts again.
#[test]
fn a_single_run_that_was_killed_starts_again() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    let args = ["--set", "sweep=Off"];
    run(path, "scene.ron", "whole", &args);
    run(path, "scene.ron", "out", &args);
    let mut summary = summary_of(&path.join("out"));
    summary["status"] = "unfinished".into();
    fs::write(path.join("out/summary.json"), summary.to_string()).unwrap();
    fs::write(path.join("out/spikes.csv"), "replica,neuron,time_s\n0,0").unwrap();
    let resume = ["run", "scene.ron", "--out", "out", "--set", "sweep=Off", "--resume"];
    done(path, &resume);
    assert!(contents(&path.join("out")) == contents(&path.join("whole")));
    let output = done(path, &resume);
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing is left to do"));
    let (code, said) = refused(path, &[&resume[..], &["--seed", "9"]].concat());
    assert_eq!(code, 5);
    assert!(said.contains("seed is 3 there and 9 here"), "{said}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_points_that_are_done() {
    let folder = folder(&[("scene.ron", slow().as_bytes())]);
    let path = folder.path();
    let mut child = spawn(path, &["run", "scene.ron", "--out", "out", "--threads", "1"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    let done_of = || summary_of(&path.join("out"))["sweep"]["done"].as_u64();
    while !path.join("out/points.csv").exists() || done_of() < Some(2) {
        assert!(Instant::now() < deadline && child.0.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = child.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
    let summary = summary_of(&path.join("out"));
    let reached = summary["sweep"]["done"].as_u64().unwrap();
    assert!((2..24).contains(&reached), "{reached}");
    assert_eq!(summary["status"], "interrupted");
    assert_eq!(summary["error"], format!("interrupted after {reached} of 24 points"));
    // As far as it went it can be had again, and compared.
    let output = done(path, &["reproduce", "out"]);
    assert!(stdout(&output).contains(&format!("{reached} points with the same spikes")));
    done(path, &["run", "scene.ron", "--out", "out", "--resume", "--quiet"]);
    run(path, "scene.ron", "whole", &[]);
    assert!(contents(&path.join("out")) == contents(&path.join("whole")));
}

/// Both circuits of a neuron get an infinite current at one of the points.
#[test]
fn a_point_that_fails_leaves_the_others() {
    let scene = r#"(
        duration: "50 ms",
        solver: Euler(dt: "1 ms"),
        sources: { "input": (size: 2, train: Spikes([(0, "5 ms"), (1, "20 ms")])) },
        populations: {
            "dpi": (size: 2, model: arcana(soma: (Ipfb_norm: "1.4e9 /A")), biases: File("chip.csv")),
        },
        connections: [
            (from: "input", to: "dpi", receptor: ampa, rule: OneToOne),
            (from: "input", to: "dpi", receptor: gabab, rule: OneToOne),
        ],
        probes: { "rates": Rates(of: "dpi") },
        sweep: Zip(axes: {
            "connections.0.weight": List([1, 60000, 2]), "connections.1.weight": List([1, 60000, 2]),
        }),
    )"#;
    let biases: &[u8] = b"neuron,ampa.Iw,gabab.Iw\n1,1e34,1e34\n";
    let folder = folder(&[("scene.ron", scene.as_bytes()), ("chip.csv", biases)]);
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
    let scene = r#"(
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
        sweep: { "seed": List([1, 2]) },
    )"#;
    let biases: &[u8] = b"neuron,ampa.Iw,gabab.Iw\n1,1e34,1e34\n";
    let folder = folder(&[("scene.ron", scene.as_bytes()), ("chip.csv", biases)]);
    let path = folder.path();
    let (code, said) = refused(path, &["run", "scene.ron", "--out", "out", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let message = "error: all 2 points failed, so that the tables of probes have no rows; the first of \
                   them, point 0 (seed = 1): the state of neuron 1";
    assert!(said.starts_with(message), "{said}");
    assert_eq!(read(path.join("out/rates.csv")), "");
    assert!(read(path.join("out/rates.svg")).contains("no values"));
    done(path, &["report", "out"]);
    let html = read(path.join("out/report.html"));
    assert!(html.contains("Failed: point 1 (seed = 2): the state of neuron 1"));
}

/// What was killed while it began has measured nothing: it begins again.
#[test]
fn a_run_that_was_killed_before_its_scene_was_written_begins_again() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    for sets in [&[][..], &["--set", "sweep=Off"]] {
        run(path, "scene.ron", "whole", sets);
        let whole = contents(&path.join("whole"));
        let scene = read(path.join("whole/scene.ron"));
        let summary = summary_of(&path.join("whole"));
        let began = json!({
            "schema_version": summary["schema_version"],
            "program_version": summary["program_version"],
            "status": "unfinished",
            "files": summary["files"],
        });
        let out = path.join("out");
        let args = [&["run", "scene.ron", "--out", "out"], sets].concat();
        // Before the scene, in its middle, before the first summary was whole.
        for (text, summary) in [("", true), (&scene[..scene.len() / 2], true), ("", false)] {
            fs::create_dir(&out).unwrap();
            if !text.is_empty() {
                fs::write(out.join("scene.ron"), text).unwrap();
            }
            let name = if summary { "summary.json" } else { "summary.json.part" };
            let began = began.to_string();
            fs::write(out.join(name), if summary { &began } else { "{\"sch" }).unwrap();
            if summary {
                let (code, said) = refused(path, &args);
                assert!(code == 5 && said.contains("--resume"), "{said}");
            }
            done(path, &[&args[..], &["--resume"]].concat());
            assert!(contents(&out) == whole, "{text}");
            fs::remove_dir_all(&out).unwrap();
        }
        // Another scene's is not taken for one's own.
        fs::create_dir(&out).unwrap();
        fs::write(out.join("summary.json"), began.to_string()).unwrap();
        fs::write(out.join("scene.ron"), "// another\n(").unwrap();
        let (code, said) = refused(path, &[&args[..], &["--resume"]].concat());
        assert!(code == 5 && said.contains("another scene"), "{said}");
        fs::remove_dir_all(&out).unwrap();
        fs::remove_dir_all(path.join("whole")).unwrap();
    }
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

/// The pictures can be drawn again, each by its name, in other sizes and as PNG.
#[test]
fn pictures_of_a_sweep_are_drawn_again() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let path = folder.path();
    run(path, "scene.ron", "out", &[]);
    let before = read(path.join("out/rates.svg"));
    assert!(before.contains("rate of a neuron (Hz)") && before.contains("soma.Itau (pA)"));
    assert!(before.contains("train.rates (Hz)") && before.contains("median of 6 values"));
    fs::write(path.join("out/rates.svg"), "").unwrap();
    done(path, &["plot", "out"]);
    assert_eq!(read(path.join("out/rates.svg")), before);
    done(path, &["plot", "out", "trace", "--format", "png", "--title", "Mine"]);
    assert!(fs::read(path.join("out/trace.png")).unwrap().starts_with(b"\x89PNG"));
    let (code, said) = refused(path, &["plot", "out", "rate"]);
    assert!(code == 5 && said.contains("`rate`: the sweep has no such picture"), "{said}");
    assert!(said.contains("did you mean `rates`?"), "{said}");
    let (code, said) = refused(path, &["plot", "out", "spikes"]);
    assert!(code == 5 && said.contains("Spikes is not drawn against what is swept"), "{said}");
    // Where no probe measures a rate, spikes are drawn; of several variables, each.
    let sets = [
        "--set",
        "probes={ \"trace\": Trace(of: \"dpi\", vars: [Vmem, Imem], neurons: [1], every: \"10 ms\") }",
    ];
    let summary = run(path, "scene.ron", "traces", &sets);
    for file in ["trace.Vmem.svg", "trace.Imem.svg", "dpi.spikes.svg"] {
        assert!(summary["files"].as_array().unwrap().contains(&json!(file)), "{file}");
        assert!(path.join("traces").join(file).exists(), "{file}");
    }
}

/// A probe that measures at values of its own is drawn against these, too, but only where they are the same at
/// all points.
#[test]
fn an_ff_curve_is_drawn_against_its_input_rates() {
    let scene = r#"(
        duration: "0.2 s",
        sources: { "input": (size: 3, train: Regular(rates: Linear(from: "50 Hz", to: "150 Hz"))) },
        populations: { "dpi": (size: 3, model: dynapse1()) },
        connections: [(from: "input", to: "dpi", receptor: ampa, rule: OneToOne)],
        probes: { "ff": Ff(input: "input", output: "dpi") },
        sweep: { "populations.dpi.model.ampa.Iw": Log(from: "1 nA", to: "4 nA", n: 3) },
    )"#;
    let folder = folder(&[("scene.ron", scene.as_bytes())]);
    let path = folder.path();
    let summary = run(path, "scene.ron", "out", &[]);
    assert!(summary["files"].as_array().unwrap().contains(&json!("ff.input_hz.svg")));
    let picture = read(path.join("out/ff.input_hz.svg"));
    assert!(picture.contains("input rate (Hz)") && picture.contains("ampa.Iw (nA)"), "{picture}");
    let one = ["--set", "sources.input.size=1", "--set", "populations.dpi.size=1"];
    let one = [&one[..], &["--set", "sources.input.train.rates=50 Hz"]].concat();
    let summary = run(path, "scene.ron", "one", &one);
    assert!(!summary["files"].as_array().unwrap().contains(&json!("ff.input_hz.svg")));
    let (code, said) = refused(path, &["plot", "one", "ff.input_hz"]);
    assert!(code == 5 && said.contains("it needs two values on its axis"), "{said}");
}

/// The points of a sweep share tables, which are CSV.
#[test]
fn a_sweep_has_no_other_format() {
    let folder = folder(&[("sweep.ron", SCENE.as_bytes())]);
    let args = ["run", "sweep.ron", "--out", "out", "--set", "probes.spikes.format=Parquet"];
    let check = ["check", "sweep.ron", "--set", "probes.spikes.format=Parquet"];
    for args in [&args[..], &check] {
        let (code, said) = refused(folder.path(), args);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("the tables of a sweep are CSV, but `spikes` has Parquet"), "{said}");
        assert!(said.contains("--set probes.spikes.format=Csv"), "{said}");
    }
    // At some points only.
    let swept = r#"sweep={ "probes.spikes.format": List([Csv, Parquet]) }"#;
    let (code, said) = refused(folder.path(), &["check", "sweep.ron", "--set", swept]);
    assert!(code == 3 && said.contains("the tables of a sweep are CSV"), "{said}");
    assert!(!folder.path().join("out").exists());
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

#[test]
fn check_tells_points_work_and_slices() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    let output = done(folder.path(), &["check", "scene.ron"]);
    let text = stdout(&output);
    for expected in [
        "  sweep        6 points (grid of 2 × 3), each with a seed of its own\n",
        "    sources.clock.train.rates: 10 Hz, 20 Hz\n",
        "    populations.dpi.model.soma.Itau: 4 pA, 8 pA, 16 pA\n",
        "  work         36 neurons from event to event\n",
        " slice",
        "for the largest point",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let point = done(folder.path(), &["check", "scene.ron", "--point", "1"]);
    assert!(!stdout(&point).contains("sweep"));
    let shown = done(folder.path(), &["resolve", "scene.ron"]);
    fs::write(folder.path().join("again.ron"), stdout(&shown)).unwrap();
    assert_eq!(stdout(&done(folder.path(), &["resolve", "again.ron"])), stdout(&shown));
}

/// A number and its unit, as `12.3 MB`, in bytes.
fn bytes(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap();
    let power = ["B", "kB", "MB", "GB", "TB", "PB"].iter().position(|known| *known == unit);
    number.parse::<f64>().unwrap() * 1000_f64.powi(power.unwrap() as i32)
}

/// A sweep that does not fit into memory side by side runs in more slices, and `check` says so; a point that does
/// not fit by itself is refused.
#[test]
fn check_tells_slices_by_memory() {
    let folder = folder(&[("scene.ron", SCENE.as_bytes())]);
    // The trace of a neuron grows with the duration.
    let check = |seconds: f64| {
        let set = format!("duration={seconds} s");
        let fine = "probes.trace.every=10 us";
        let args = ["check", "scene.ron", "--set", &set, "--set", fine];
        let output = picoamp(folder.path()).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, text) = check(10.0);
    let memory = text.lines().find(|line| line.starts_with("  memory")).unwrap();
    let largest = bytes(memory.split("about ").nth(1).unwrap().split(" for").next().unwrap());
    let available = bytes(memory.split("of ").nth(1).unwrap().split(" available").next().unwrap());
    // Half of the memory a point: of three quarters one has room.
    let (code, text) = check(10.0 * 0.5 * available / largest);
    assert_eq!(code, 0, "{text}");
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let why = if threads > 1 { "as many as fit into memory" } else { "one a thread" };
    assert!(text.contains(&format!("  side by side 1 point ({why}): 6 slices\n")), "{text}");
    // Its tables take some times its records, so that it is the records that have to be too large.
    let (code, _) = check(100.0 * available / largest);
    assert_eq!(code, 4);
}
