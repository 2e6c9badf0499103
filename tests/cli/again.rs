//! From what was written the same results can be had again.

use super::*;

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

/// Each replica has its own draws, and all of them are read back.
#[test]
fn the_biases_of_replicas_are_dumped_and_read_back() {
    let folder = folder_with("ff_mismatch.ron");
    let path = folder.path();
    let sets = [
        "--set",
        "replicas=3",
        "--set",
        "populations.dpi.size=40",
        "--set",
        "sources.input.size=40",
    ];
    let drawn = run(path, "scene.ron", "drawn", &[&sets[..], &["--dump", "biases"]].concat());
    assert_eq!((&drawn["replicas"], &drawn["neurons"]), (&json!(3), &json!(120)));
    let biases = fs::read_to_string(path.join("drawn/dpi.biases.csv")).unwrap();
    assert!(biases.starts_with("replica,neuron,soma.C,"), "{biases:.60}");
    assert_eq!(biases.lines().count(), 121);
    fs::write(path.join("chip.csv"), &biases).unwrap();
    let file = [
        &sets[..],
        &[
            "--set",
            "populations.dpi.biases=File(\"chip.csv\")",
            "--set",
            "populations.dpi.mismatch={}",
            "--seed",
            "99",
            "--dump",
            "biases",
        ],
    ]
    .concat();
    let read = run(path, "scene.ron", "read", &file);
    assert_eq!(read["spike_hash"], drawn["spike_hash"]);
    assert_eq!(fs::read_to_string(path.join("read/dpi.biases.csv")).unwrap(), biases);

    // A file for more replicas than there are, and one that names a neuron twice.
    let refuse = |text: String, expected: &str| {
        fs::write(path.join("chip.csv"), text).unwrap();
        let args = [&["check", "scene.ron"], &file[..8]].concat();
        let (code, said) = refused(path, &args);
        assert_eq!(code, 3, "{said}");
        assert!(flat(&said).contains(expected), "{said}");
    };
    refuse(format!("{biases}3,0,1\n"), "`3` is none of the 3 replicas");
    refuse(
        format!("{biases}{}\n", biases.lines().nth(45).unwrap()),
        "neuron 4 of replica 1 stands in line 46 already",
    );
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

/// Every kind of train, rule, law, selection and probe, and a chip, with values that are no round
/// numbers.
const EVERY_FORM: &str = r#"
#![enable(implicit_some)]
(
    name: "a \"quoted\" π name",
    seed: 3,
    replicas: 2,
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
        "second: \"b\"": (
            size: 3, model: Named("fast"),
            biases: Given({
                "soma.Idc": Linear(from: "120 pA", to: "0.16 nA"),
                "ampa.Iw": List(["1 pA", "2.5 pA", "3.3333333333333335 pA"]),
            }),
        ),
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
        "fi": Fi(of: "second: \"b\"", bias: "ampa.Iw"),
        "rate": Rate(of: "first", bin: "7 ms", window: (from: "0.1 s")),
        "rates": Rates(of: "first", neurons: [7, 3]),
        "isi": Isi(of: "first", bin: "1 ms", max: "20 ms"),
        "intervals": Intervals(of: "noise", neurons: Range(from: 2, to: 9)),
        "fano": Fano(of: "first", bin: "50 ms"),
    },
    chip: Dynapse1(chips: 2, fan_in: 200, cores: { "second: \"b\"": [5, 2] }),
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
        // Its pictures can be drawn again without a run: the same bytes.
        let pictures = files(&path.join("typed"));
        let pictures: Vec<_> = pictures.iter().filter(|file| file.ends_with(".svg")).collect();
        pictures
            .iter()
            .for_each(|picture| fs::remove_file(path.join("typed").join(picture)).unwrap());
        // (A sweep has none.)
        if !pictures.is_empty() {
            done(path, &["plot", "typed"]);
        }
        for picture in pictures {
            let read = |out: &str| fs::read_to_string(path.join(out).join(picture)).unwrap();
            assert!(read("typed") == read("decided"), "{name}: {picture}");
        }
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
        "fano.band.csv",
        "fano.csv",
        "fano.svg",
        "ff.band.csv",
        "ff.csv",
        "ff.svg",
        "fi.band.csv",
        "fi.csv",
        "fi.svg",
        "intervals.csv",
        "intervals.svg",
        "isi.csv",
        "isi.neurons.csv",
        "isi.svg",
        "rate.band.csv",
        "rate.csv",
        "rate.svg",
        "rates.band.csv",
        "rates.csv",
        "rates.svg",
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
