//! Scenes and command lines that must be refused: with the right exit code, at the right place, in
//! words that help, and before anything is written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A small valid scene. Each case changes one thing in it.
const SCENE: &str = r#"(
    duration: "1 s",
    solver: Euler(dt: "1 ms"),
    sources: {
        "input": (size: 4, train: Regular(rates: "50 Hz")),
    },
    populations: {
        "dpi": (
            size: 4,
            model: arcana(
                soma: (Itau: "4 pA", Igain: "80 pA", Ith: "12 mA", Ipfb_norm: "1.4e9 /A"),
                ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"),
            ),
            mismatch: { "soma.Itau": Gaussian(cv: 0.1) },
        ),
    },
    connections: [
        (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 2, delay: "1 ms"),
    ],
    probes: {
        "raster": Spikes(of: "input"),
        "vmem": Trace(of: "dpi", vars: [Vmem], neurons: [0, 3], every: "1 ms"),
        "ff": Ff(input: "input", output: "dpi"),
    },
)
"#;

/// The name of the scene file in its folder, which is also the working folder.
const FILE: &str = "bad.ron";

/// The scene with each `from` replaced; it must stand there exactly once.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(SCENE.to_string(), |scene, (from, to)| {
        assert_eq!(scene.matches(from).count(), 1, "{from:?} is to stand in the scene once");
        scene.replace(from, to)
    })
}

/// A new folder with a scene and other files.
fn folder(scene: impl AsRef<[u8]>, files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), scene).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Everything below a folder: files with their content, folders without one.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).ok();
            found.insert(path, bytes);
        }
    }
    found
}

fn picoamp(folder: &Path) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("picoamp");
    // Only there to end a test that hangs.
    command.current_dir(folder).timeout(Duration::from_secs(120));
    command
}

/// Runs a command that has to fail: nothing may be written, neither to stdout nor to the folder.
/// Gives back stderr.
fn refused(folder: &Path, args: &[&str], code: i32) -> String {
    let before = content(folder);
    let output = picoamp(folder).args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{args:?}: stdout");
    assert!(content(folder) == before, "{args:?} changed the folder");
    assert!(!stderr.is_empty() && !stderr.contains("panicked"), "{args:?}\n{stderr}");
    stderr
}

/// Runs a scene that has to be refused: plain, and again with `--json`. Gives back stderr and the
/// error as JSON.
fn refused_run(folder: &Path, args: &[&str], code: i32) -> (String, Value) {
    let args = [&["run", FILE], args].concat();
    let stderr = refused(folder, &args, code);
    let before = content(folder);
    let output = picoamp(folder).args(&args).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?} --json");
    assert!(content(folder) == before, "{args:?} --json changed the folder");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &answer["error"];
    assert_eq!(error["exit_code"], code, "{answer:#}");
    assert!(!error["message"].as_str().unwrap().is_empty(), "{answer:#}");
    (stderr, error.clone())
}

/// The text of a scene, or of a `--set` argument, from a place on: what the message points at.
fn pointed_at(text: &str, line: u64, column: u64) -> String {
    let rest = |text: &str, n: u64| text.chars().skip(n as usize - 1).collect::<String>();
    let found = text.lines().nth(line as usize - 1).map(|text| rest(text, column));
    found.unwrap_or_default().chars().take(24).collect()
}

/// The findings of a refused scene, one per paragraph: place, what stands there, path, message and
/// remedy. Each must have all of these, and stderr must show the same place.
fn findings(folder: &Path, scene: &str, args: &[&str]) -> String {
    let (stderr, error) = refused_run(folder, args, 3);
    let sets: Vec<&&str> = args.iter().filter(|arg| **arg != "--set").collect();
    let findings = error["findings"].as_array().unwrap();
    let errors = findings.iter().filter(|f| f["severity"] == "error").count();
    assert!(errors > 0, "a scene that is refused has an error: {error:#}");
    let plural = if errors == 1 { "error" } else { "errors" };
    assert_eq!(error["message"], format!("the scene has {errors} {plural}"));
    assert!(
        stderr.ends_with(&format!("error: the scene has {errors} {plural}; nothing was written\n"))
    );
    let mut text = String::new();
    for finding in findings {
        let field = |name: &str| {
            finding[name].as_str().unwrap_or_else(|| panic!("no {name} in {finding:#}"))
        };
        let number = |name: &str| {
            finding[name].as_u64().unwrap_or_else(|| panic!("no {name} in {finding:#}"))
        };
        let (file, line, column) = (field("file"), number("line"), number("column"));
        let place = format!("{file}:{line}:{column}");
        assert!(stderr.contains(&format!("[{place}]")), "{place} is missing in\n{stderr}");
        let source = match file.strip_prefix("--set #") {
            Some(k) => sets[k.parse::<usize>().unwrap() - 1],
            None if file == FILE => scene,
            // The value of an override has a text of its own.
            None => file.split_once('=').unwrap().1,
        };
        let warning = if finding["severity"] == "warning" { "warning: " } else { "" };
        let path = field("path");
        let separator = if path.is_empty() { "" } else { ": " };
        text += &format!(
            "  {place} «{}»\n    {warning}{path}{separator}{}\n    help: {}\n",
            pointed_at(source, line, column),
            field("message"),
            field("help"),
        );
    }
    text
}

/// A case: what is wrong, and the replacements that make it so.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// The findings of each case.
fn table(cases: &[Case]) -> String {
    table_with_files(&[], cases)
}

fn table_with_files(files: &[(&str, &[u8])], cases: &[Case]) -> String {
    let mut text = String::new();
    for (what, edits) in cases {
        let scene = edited(edits);
        let folder = folder(&scene, files);
        text += &format!("{what}\n{}", findings(folder.path(), &scene, &[]));
    }
    text
}

/// The same for texts that are no scene at all.
fn table_of_texts(cases: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (what, scene) in cases {
        let folder = folder(scene, &[]);
        text += &format!("{what}\n{}", findings(folder.path(), scene, &[]));
    }
    text
}

/// The same for `--set` arguments on the valid scene.
fn table_of_sets(cases: &[(&str, &[&str])]) -> String {
    let mut text = String::new();
    for (what, sets) in cases {
        let folder = folder(SCENE, &[]);
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        text += &format!("{what}\n{}", findings(folder.path(), SCENE, &args));
    }
    text
}

/// Otherwise the cases would not show that it is their change that is refused.
#[test]
fn the_scene_that_the_cases_change_is_valid() {
    let folder = folder(SCENE, &[]);
    picoamp(folder.path()).args(["check", FILE]).assert().success().stderr("");
    picoamp(folder.path()).args(["run", FILE, "--quiet"]).assert().success().stderr("");
    assert!(folder.path().join("runs/bad/summary.json").is_file());
}

#[test]
fn misspelt_names() {
    insta::assert_snapshot!(table(&[
        ("a field of the scene", &[("duration:", "duratoin:")]),
        ("a field of a source", &[("size: 4, train", "sise: 4, train")]),
        ("a field of a train", &[("rates:", "rate:")]),
        ("a field of a population", &[("mismatch:", "missmatch:")]),
        ("a bias of the soma", &[("Itau: \"4 pA\"", "Itua: \"4 pA\"")]),
        ("a bias of a synapse", &[("Iw:", "Iwt:")]),
        ("a receptor of the model", &[("ampa: (", "amap: (")]),
        ("a field of a connection", &[("weight:", "wieght:")]),
        ("a field of a probe", &[("every:", "evrey:")]),
        ("a field of the solver", &[("Euler(dt:", "Euler(step:")]),
        ("a bias in mismatch", &[("\"soma.Itau\"", "\"soma.Itua\"")]),
        ("a bias in mismatch without its circuit", &[("\"soma.Itau\"", "\"Itau\"")]),
        ("a bias of a circuit that is not there", &[("\"soma.Itau\"", "\"gabab.Itau\"")]),
        ("a solver", &[("Euler(", "Eular(")]),
        ("a train", &[("Regular(", "Regulra(")]),
        ("a mismatch law", &[("Gaussian", "Gausian")]),
        ("a connection rule", &[("OneToOne", "OneToone")]),
        ("a receptor", &[("receptor: ampa", "receptor: nmda")]),
        ("a probe", &[("Spikes(of", "Spike(of")]),
        ("a variable", &[("[Vmem]", "[Vmme]")]),
        ("a model", &[("arcana(", "arcane(")]),
        ("a model by name", &[("model: arcana(", "init: {}, model: Named(\"fast\"), x: arcana(")]),
        (
            "a model by name, the nearest one",
            &[
                ("    populations", "    models: { \"fast\": arcana(soma: (Ipfb_norm: \"1 /A\")) },\n    populations"),
                ("model: arcana(", "model: Named(\"fats\"), x: arcana("),
            ],
        ),
        ("a state variable in init", &[("mismatch: {", "init: { \"Imen\": \"1 pA\" }, mismatch: {")]),
    ]), @r#"
    a field of the scene
      bad.ron:1:1 «(»
        `duration` is missing
        help: for example duration: "1 s"
      bad.ron:2:5 «duratoin: "1 s",»
        duratoin: there is no field `duratoin` here
        help: did you mean `duration`? known here are format, name, seed, duration, window, solver, models, sources, populations, connections, probes
    a field of a source
      bad.ron:5:18 «(sise: 4, train: Regular»
        sources.input: `size` is missing
        help: for example size: 200
      bad.ron:5:19 «sise: 4, train: Regular(»
        sources.input.sise: there is no field `sise` here
        help: did you mean `size`? known here are size, train
    a field of a train
      bad.ron:5:35 «Regular(rate: "50 Hz")),»
        sources.input.train: `rates` is missing
        help: for example rates: "100 Hz", Linear(from: "0 Hz", to: "199 Hz") or List(["1 Hz", …])
      bad.ron:5:43 «rate: "50 Hz")),»
        sources.input.train.rate: there is no field `rate` here
        help: did you mean `rates`? known here are rates, grid
    a field of a population
      bad.ron:14:13 «missmatch: { "soma.Itau"»
        populations.dpi.missmatch: there is no field `missmatch` here
        help: did you mean `mismatch`? known here are size, model, mismatch, biases, init
    a bias of the soma
      bad.ron:11:24 «Itua: "4 pA", Igain: "80»
        populations.dpi.model.soma.Itua: there is no field `Itua` here
        help: did you mean `Itau`? known here are C, Itau, Igain, Ith, Ireset, Idc, refP, Ipfb_th, Ipfb_norm
    a bias of a synapse
      bad.ron:12:54 «Iwt: "200 pA"),»
        populations.dpi.model.ampa.Iwt: there is no field `Iwt` here
        help: did you mean `Iw`? known here are C, Itau, Igain, Iw
    a receptor of the model
      bad.ron:12:17 «amap: (Itau: "2 pA", Iga»
        populations.dpi.model.amap: there is no field `amap` here
        help: did you mean `ampa`? known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    a field of a connection
      bad.ron:18:68 «wieght: 2, delay: "1 ms"»
        connections.0.wieght: there is no field `wieght` here
        help: did you mean `weight`? known here are name, from, to, receptor, rule, weight, delay, neurons, to_neurons
    a field of a probe
      bad.ron:22:17 «Trace(of: "dpi", vars: [»
        probes.vmem: `every` is missing
        help: for example every: "1 ms"
      bad.ron:22:65 «evrey: "1 ms"),»
        probes.vmem.evrey: there is no field `evrey` here
        help: did you mean `every`? known here are window, of, vars, neurons, every
    a field of the solver
      bad.ron:3:13 «Euler(step: "1 ms"),»
        solver: `dt` is missing
        help: for example Euler(dt: "1 ms")
      bad.ron:3:19 «step: "1 ms"),»
        solver.step: there is no field `step` here
        help: only `dt` is known here
    a bias in mismatch
      bad.ron:14:25 «"soma.Itua": Gaussian(cv»
        populations.dpi.mismatch."soma.Itua": there is no bias `soma.Itua`
        help: did you mean `soma.Itau`? known here are soma.C, soma.Itau, soma.Igain, soma.Ith, soma.Ireset, soma.Idc, soma.refP, soma.Ipfb_th, soma.Ipfb_norm, ampa.C, ampa.Itau, ampa.Igain, ampa.Iw
    a bias in mismatch without its circuit
      bad.ron:14:25 «"Itau": Gaussian(cv: 0.1»
        populations.dpi.mismatch.Itau: there is no bias `Itau`
        help: name its circuit, too: soma.Itau, ampa.Itau
    a bias of a circuit that is not there
      bad.ron:14:25 «"gabab.Itau": Gaussian(c»
        populations.dpi.mismatch."gabab.Itau": this population has no gabab circuit: nothing connects to it
        help: connect something to gabab, or mention it in the model: gabab: ()
    a solver
      bad.ron:3:13 «Eular(dt: "1 ms"),»
        solver: `Eular` is not a solver
        help: did you mean `Euler`? only `Euler` is known here
    a train
      bad.ron:5:35 «Regulra(rates: "50 Hz"))»
        sources.input.train: `Regulra` is not a train
        help: did you mean `Regular`? known here are Regular, Poisson, Spikes, File
    a mismatch law
      bad.ron:14:38 «Gausian(cv: 0.1) },»
        populations.dpi.mismatch."soma.Itau": `Gausian` is not a mismatch law
        help: did you mean `Gaussian`? known here are LogNormal, Gaussian, TruncatedGaussian
    a connection rule
      bad.ron:18:58 «OneToone, weight: 2, del»
        connections.0.rule: `OneToone` is not a connection rule
        help: did you mean `OneToOne`? known here are OneToOne, AllToAll, FixedProbability, FixedInDegree, FixedOutDegree, FixedTotal
    a receptor
      bad.ron:18:46 «nmda, rule: OneToOne, we»
        connections.0.receptor: `nmda` is not a receptor of the model arcana
        help: did you mean `ampa`? known here are ampa, gabab
    a probe
      bad.ron:21:19 «Spike(of: "input"),»
        probes.raster: `Spike` is not a probe
        help: did you mean `Spikes`? known here are Spikes, Trace, Ff
    a variable
      bad.ron:22:41 «Vmme], neurons: [0, 3], »
        probes.vmem.vars.0: the model arcana has no state variable `Vmme`
        help: did you mean `Vmem`? known here are Vmem, Imem, Iampa, Igabab
    a model
      bad.ron:10:20 «arcane(»
        populations.dpi.model: `arcane` is not a model
        help: did you mean `arcana`? known here are arcana, dynapse1, Named
    a model by name
      bad.ron:10:36 «"fast"), x: arcana(»
        populations.dpi.model: there is no model `fast` in `models`
        help: there are none
      bad.ron:10:45 «x: arcana(»
        populations.dpi.x: there is no field `x` here
        help: known here are size, model, mismatch, biases, init
    a model by name, the nearest one
      bad.ron:11:26 «"fats"), x: arcana(»
        populations.dpi.model: there is no model `fats` in `models`
        help: did you mean `fast`? only `fast` is known here
      bad.ron:11:35 «x: arcana(»
        populations.dpi.x: there is no field `x` here
        help: known here are size, model, mismatch, biases, init
    a state variable in init
      bad.ron:14:21 «"Imen": "1 pA" }, mismat»
        populations.dpi.init.Imen: there is no state variable `Imen`
        help: did you mean `Imem`? known here are Imem, Iampa
    "#);
}

#[test]
fn missing_parts() {
    insta::assert_snapshot!(table(&[
        ("the solver", &[("    solver: Euler(dt: \"1 ms\"),\n", "")]),
        ("the duration", &[("    duration: \"1 s\",\n", "")]),
        ("the step", &[("dt: \"1 ms\"", "")]),
        ("the size of a source", &[("size: 4, train", "train")]),
        ("the train", &[(", train: Regular(rates: \"50 Hz\")", "")]),
        ("the rates", &[("rates: \"50 Hz\"", "")]),
        ("the receptor", &[("receptor: ampa, ", "")]),
        ("Ipfb_norm", &[(", Ipfb_norm: \"1.4e9 /A\"", "")]),
        ("the cv", &[("cv: 0.1", "")]),
        ("what a trace shows", &[("vars: [Vmem], ", "")]),
        ("the output of an FF curve", &[(", output: \"dpi\"", "")]),
    ]), @r#"
    the solver
      bad.ron:1:1 «(»
        `solver` is missing
        help: this version has one solver: solver: Euler(dt: "1 ms")
    the duration
      bad.ron:1:1 «(»
        `duration` is missing
        help: for example duration: "1 s"
    the step
      bad.ron:3:13 «Euler(),»
        solver: `dt` is missing
        help: for example Euler(dt: "1 ms")
    the size of a source
      bad.ron:5:18 «(train: Regular(rates: "»
        sources.input: `size` is missing
        help: for example size: 200
    the train
      bad.ron:5:18 «(size: 4),»
        sources.input: `train` is missing
        help: for example train: Regular(rates: "100 Hz"); Poisson, Spikes and File are others
    the rates
      bad.ron:5:35 «Regular()),»
        sources.input.train: `rates` is missing
        help: for example rates: "100 Hz", Linear(from: "0 Hz", to: "199 Hz") or List(["1 Hz", …])
    the receptor
      bad.ron:18:9 «(from: "input", to: "dpi»
        connections.0: `receptor` is missing
        help: for example receptor: ampa
    Ipfb_norm
      bad.ron:11:23 «(Itau: "4 pA", Igain: "8»
        populations.dpi.model.soma: `Ipfb_norm` is missing: slope of the positive feedback's gate (power law)
        help: it has no default, because the released code's 1e-12 is a unit slip (it multiplies a current): write for example Ipfb_norm: "1.4e9 /A"
    the cv
      bad.ron:14:38 «Gaussian() },»
        populations.dpi.mismatch."soma.Itau": `cv` is missing
        help: for example LogNormal(cv: 0.2)
    what a trace shows
      bad.ron:22:17 «Trace(of: "dpi", neurons»
        probes.vmem: `vars` is missing
        help: for example vars: [Vmem, Imem]
    the output of an FF curve
      bad.ron:23:15 «Ff(input: "input"),»
        probes.ff: `output` is missing
        help: the population whose rates are on the y axis
    "#);
}

#[test]
fn quantities() {
    const ITAU: &str = "Itau: \"4 pA\"";
    const SOMA: &str = "soma: (";
    insta::assert_snapshot!(table(&[
        ("a current without a unit", &[(ITAU, "Itau: 4")]),
        ("a current as a text without a unit", &[(ITAU, "Itau: \"4e-12\"")]),
        ("a current in another unit", &[(ITAU, "Itau: \"4 mV\"")]),
        ("a time in another unit", &[("\"1 s\"", "\"1 min\"")]),
        ("an unknown prefix", &[(ITAU, "Itau: \"4 xA\"")]),
        ("no number", &[(ITAU, "Itau: \"four pA\"")]),
        ("a list for a current", &[(ITAU, "Itau: [\"4 pA\"]")]),
        ("NaN with a unit", &[(ITAU, "Itau: \"NaN pA\"")]),
        ("NaN", &[(ITAU, "Itau: NaN")]),
        ("an infinite time", &[("\"1 s\"", "\"inf s\"")]),
        ("minus infinity", &[(ITAU, "Itau: -inf")]),
        ("1e999 with a unit", &[(ITAU, "Itau: \"1e999 A\"")]),
        ("a bare 1e999", &[(ITAU, "Itau: 1e999")]),
        ("beyond single precision", &[(ITAU, "Itau: \"1e39 A\"")]),
        ("a negative capacitance", &[(SOMA, "soma: (C: \"-3 pF\", ")]),
        ("a capacitance of 0", &[(SOMA, "soma: (C: \"0 F\", ")]),
        ("a negative Itau", &[(ITAU, "Itau: \"-4 pA\"")]),
        ("an Itau of 0", &[(ITAU, "Itau: \"0 A\"")]),
        ("a negative Itau of a synapse", &[("\"2 pA\"", "\"-2 pA\"")]),
        ("a negative rate", &[("\"50 Hz\"", "\"-50 Hz\"")]),
        ("a rate of NaN", &[("\"50 Hz\"", "NaN")]),
        ("a kappa of 0", &[(SOMA, "kappa: 0, soma: (")]),
        ("a kappa with a unit", &[(SOMA, "kappa: \"0.7 V\", soma: (")]),
        ("Ith below Ireset", &[("Ith: \"12 mA\"", "Ith: \"1 pA\", Ireset: \"2 pA\"")]),
        ("Ith at Ireset", &[("Ith: \"12 mA\"", "Ith: \"2 pA\", Ireset: \"2 pA\"")]),
        ("Ireset below I0", &[(SOMA, "soma: (Ireset: \"1 fA\", ")]),
        ("an initial value below I0", &[("mismatch: {", "init: { \"Imem\": \"1 fA\" }, mismatch: {")]),
    ]), @r#"
    a current without a unit
      bad.ron:11:30 «4, Igain: "80 pA", Ith: »
        populations.dpi.model.soma.Itau: `4` has no unit, but a current is expected
        help: write it with its unit, for example "4 pA"
    a current as a text without a unit
      bad.ron:11:30 «"4e-12", Igain: "80 pA",»
        populations.dpi.model.soma.Itau: `4e-12` has no unit, but a current is expected
        help: write it with its unit, for example "4e-12 A"
    a current in another unit
      bad.ron:11:30 «"4 mV", Igain: "80 pA", »
        populations.dpi.model.soma.Itau: `mV` is not a unit of a current
        help: write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
    a time in another unit
      bad.ron:2:15 «"1 min",»
        duration: `min` is not a unit of a time
        help: write a time in s, with a prefix if you like (a f p n u m k M G), for example "1 ms"
    an unknown prefix
      bad.ron:11:30 «"4 xA", Igain: "80 pA", »
        populations.dpi.model.soma.Itau: `xA` is not a unit of a current
        help: write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
    no number
      bad.ron:11:30 «"four pA", Igain: "80 pA»
        populations.dpi.model.soma.Itau: `four pA` is not a current: a number and a unit are expected
        help: write it like "4 pA"
    a list for a current
      bad.ron:11:30 «["4 pA"], Igain: "80 pA"»
        populations.dpi.model.soma.Itau: expected a current, found a list [ ]
        help: write it like "4 pA"
    NaN with a unit
      bad.ron:11:30 «"NaN pA", Igain: "80 pA"»
        populations.dpi.model.soma.Itau: `NaN pA` is not a finite number
        help: write a finite number
    NaN
      bad.ron:11:30 «NaN, Igain: "80 pA", Ith»
        populations.dpi.model.soma.Itau: `NaN` is not a finite number
        help: write a finite number
    an infinite time
      bad.ron:2:15 «"inf s",»
        duration: `inf s` is not a finite number
        help: write a finite number
    minus infinity
      bad.ron:11:30 «-inf, Igain: "80 pA", It»
        populations.dpi.model.soma.Itau: `-inf` is not a finite number
        help: write a finite number
    1e999 with a unit
      bad.ron:11:30 «"1e999 A", Igain: "80 pA»
        populations.dpi.model.soma.Itau: `1e999 A` is not a finite number
        help: write a finite number
    a bare 1e999
      bad.ron:11:30 «1e999, Igain: "80 pA", I»
        populations.dpi.model.soma.Itau: `1e999` is not a finite number
        help: write a finite number
    beyond single precision
      bad.ron:11:30 «"1e39 A", Igain: "80 pA"»
        populations.dpi.model.soma.Itau: must be between 1.1754943508222875e-38 A and 3.4028234663852886e38 A (single precision), but is 1e39 A
        help: a typical value is "4 pA"
    a negative capacitance
      bad.ron:11:27 «"-3 pF", Itau: "4 pA", I»
        populations.dpi.model.soma.C: must be greater than 0, but is -3 pF
        help: a typical value is "2 pF"
    a capacitance of 0
      bad.ron:11:27 «"0 F", Itau: "4 pA", Iga»
        populations.dpi.model.soma.C: must be greater than 0, but is 0 F
        help: a typical value is "2 pF"
    a negative Itau
      bad.ron:11:30 «"-4 pA", Igain: "80 pA",»
        populations.dpi.model.soma.Itau: must be greater than 0, but is -4 pA
        help: a typical value is "4 pA"
    an Itau of 0
      bad.ron:11:30 «"0 A", Igain: "80 pA", I»
        populations.dpi.model.soma.Itau: must be greater than 0, but is 0 A
        help: a typical value is "4 pA"
    a negative Itau of a synapse
      bad.ron:12:30 «"-2 pA", Igain: "20 pA",»
        populations.dpi.model.ampa.Itau: must be greater than 0, but is -2 pA
        help: a typical value is "4 pA"
    a negative rate
      bad.ron:5:50 «"-50 Hz")),»
        sources.input.train.rates: must be 0 or greater, but is -50 Hz
        help: a typical value is "100 Hz"
    a rate of NaN
      bad.ron:5:50 «NaN)),»
        sources.input.train.rates: `NaN` is not a finite number
        help: write a finite number
    a kappa of 0
      bad.ron:11:24 «0, soma: (Itau: "4 pA", »
        populations.dpi.model.kappa: must be greater than 0, but is 0.0
        help: a typical value is 0.7
    a kappa with a unit
      bad.ron:11:24 «"0.7 V", soma: (Itau: "4»
        populations.dpi.model.kappa: expected a number, found the text "0.7 V"
        help: write it like 0.7
    Ith below Ireset
      bad.ron:11:59 «"1 pA", Ireset: "2 pA", »
        populations.dpi.model.soma.Ith: Ith = 1 pA is not above Ireset = 2 pA
        help: choose more than 2 pA
    Ith at Ireset
      bad.ron:11:59 «"2 pA", Ireset: "2 pA", »
        populations.dpi.model.soma.Ith: Ith = 2 pA is not above Ireset = 2 pA
        help: choose more than 2 pA
    Ireset below I0
      bad.ron:11:32 «"1 fA", Itau: "4 pA", Ig»
        populations.dpi.model.soma.Ireset: Ireset = 1 fA is below the dark current I0 = 50 fA
        help: choose at least 50 fA
    an initial value below I0
      bad.ron:14:29 «"1 fA" }, mismatch: { "s»
        populations.dpi.init.Imem: is below the dark current I0 = 50 fA
        help: no current of a circuit is below I0
    "#);
}

#[test]
fn numbers() {
    insta::assert_snapshot!(table(&[
        ("a cv in per cent", &[("cv: 0.1", "cv: 20")]),
        ("a cv just above 1", &[("cv: 0.1", "cv: 1.5")]),
        ("a negative cv", &[("cv: 0.1", "cv: -0.1")]),
        ("a cv of NaN", &[("cv: 0.1", "cv: NaN")]),
        ("a negative weight", &[("weight: 2", "weight: -2")]),
        ("a weight that is too large", &[("weight: 2", "weight: 65537")]),
        ("an infinite weight", &[("weight: 2", "weight: 1e999")]),
        ("a source of size 0", &[("size: 4, train", "size: 0, train")]),
        ("a negative size", &[("size: 4, train", "size: -4, train")]),
        ("half a neuron", &[("size: 4, train", "size: 4.5, train")]),
        ("a size as a text", &[("size: 4, train", "size: \"4\", train")]),
        ("a size beyond 64 bits", &[("size: 4, train", "size: 1e20, train")]),
        ("a negative seed", &[("(\n    duration", "(\n    seed: -1,\n    duration")]),
        ("another format", &[("(\n    duration", "(\n    format: 2,\n    duration")]),
    ]), @r#"
    a cv in per cent
      bad.ron:14:51 «20) },»
        populations.dpi.mismatch."soma.Itau".cv: the coefficient of variation must be between 0 and 1, but is 20
        help: did you mean 0.20? (0.20 is 20 %)
    a cv just above 1
      bad.ron:14:51 «1.5) },»
        populations.dpi.mismatch."soma.Itau".cv: the coefficient of variation must be between 0 and 1, but is 1.5
        help: did you mean 0.015? (0.20 is 20 %)
    a negative cv
      bad.ron:14:51 «-0.1) },»
        populations.dpi.mismatch."soma.Itau".cv: the coefficient of variation must be between 0 and 1, but is -0.1
        help: 0.20 is 20 %
    a cv of NaN
      bad.ron:14:51 «NaN) },»
        populations.dpi.mismatch."soma.Itau".cv: `NaN` is not a finite number
        help: write a finite number
    a negative weight
      bad.ron:18:76 «-2, delay: "1 ms"),»
        connections.0.weight: the weight -2 is negative
        help: weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)
    a weight that is too large
      bad.ron:18:76 «65537, delay: "1 ms"),»
        connections.0.weight: the weight 65537 is above 65536
        help: weights count pulses per spike; raise Iw instead
    an infinite weight
      bad.ron:18:76 «1e999, delay: "1 ms"),»
        connections.0.weight: `1e999` is not a finite number
        help: write a finite number
    a source of size 0
      bad.ron:5:25 «0, train: Regular(rates:»
        sources.input.size: the size must be at least 1
        help: for example size: 200
    a negative size
      bad.ron:5:25 «-4, train: Regular(rates»
        sources.input.size: expected a whole number, 0 or greater, found -4
        help: write it like 200
    half a neuron
      bad.ron:5:25 «4.5, train: Regular(rate»
        sources.input.size: expected a whole number, 0 or greater, found 4.5
        help: write it like 200
    a size as a text
      bad.ron:5:25 «"4", train: Regular(rate»
        sources.input.size: expected a whole number, found the text "4"
        help: write it like 200
    a size beyond 64 bits
      bad.ron:5:25 «1e20, train: Regular(rat»
        sources.input.size: 1e20 is too large
        help: write it like 200
    a negative seed
      bad.ron:2:11 «-1,»
        seed: expected a whole number, 0 or greater, found -1
        help: write it like 200
    another format
      bad.ron:2:13 «2,»
        format: this program reads scenes of format 1
        help: write format: 1
    "#);
}

#[test]
fn times() {
    const DURATION: &str = "    duration: \"1 s\",\n";
    insta::assert_snapshot!(table(&[
        ("a duration of half steps", &[("\"1 s\"", "\"1000.5 ms\"")]),
        ("a window of half steps", &[(DURATION, "    duration: \"1 s\",\n    window: \"1.5 ms\",\n")]),
        ("a delay of half steps", &[("delay: \"1 ms\"", "delay: \"1.5 ms\"")]),
        ("a trace at half steps", &[("every: \"1 ms\"", "every: \"1.5 ms\"")]),
        ("a duration of 0", &[("\"1 s\"", "\"0 s\"")]),
        ("a negative duration", &[("\"1 s\"", "\"-1 s\"")]),
        ("a duration of a year", &[("\"1 s\"", "\"31536000 s\"")]),
        ("a step of 0", &[("dt: \"1 ms\"", "dt: \"0 s\"")]),
        ("a step below a picosecond", &[("dt: \"1 ms\"", "dt: \"0.1e-12 s\"")]),
        ("a negative delay", &[("delay: \"1 ms\"", "delay: \"-1 ms\"")]),
        (
            "a probe whose window ends before it starts",
            &[("Spikes(of: \"input\"", "Spikes(of: \"input\", window: (from: \"1 s\", to: \"0 s\")")],
        ),
        (
            "spikes that are not sorted",
            &[("Regular(rates: \"50 Hz\")", "Spikes([(0, \"2 ms\"), (1, \"1 ms\")])")],
        ),
        (
            "a spike of a source that does not exist",
            &[("Regular(rates: \"50 Hz\")", "Spikes([(4, \"2 ms\")])")],
        ),
        ("spikes without a source", &[("Regular(rates: \"50 Hz\")", "Spikes([\"2 ms\"])")]),
    ]), @r#"
    a duration of half steps
      bad.ron:2:15 «"1000.5 ms",»
        duration: the duration 1.0005 s is no multiple of the step dt = 0.001 s
        help: choose a whole number of steps
    a window of half steps
      bad.ron:3:13 «"1.5 ms",»
        window: the window 0.0015 s is no multiple of the step dt = 0.001 s
        help: choose a whole number of steps
    a delay of half steps
      bad.ron:18:86 «"1.5 ms"),»
        connections.0.delay: the delay 0.0015 s is no multiple of the step dt = 0.001 s
        help: choose a whole number of steps
    a trace at half steps
      bad.ron:22:72 «"1.5 ms"),»
        probes.vmem.every: the interval 0.0015 s is no multiple of the step dt = 0.001 s
        help: with Euler the state is known at whole steps
    a duration of 0
      bad.ron:2:15 «"0 s",»
        duration: must be greater than 0, but is 0 s
        help: a typical value is "1 ms"
    a negative duration
      bad.ron:2:15 «"-1 s",»
        duration: must be greater than 0, but is -1 s
        help: a typical value is "1 ms"
    a duration of a year
      bad.ron:2:15 «"31536000 s",»
        duration: 3.1536e7 s is too long
        help: times go up to 213 days, in steps of 1 ps
    a step of 0
      bad.ron:3:23 «"0 s"),»
        solver.dt: must be greater than 0, but is 0 s
        help: a typical value is "1 ms"
    a step below a picosecond
      bad.ron:3:23 «"0.1e-12 s"),»
        solver.dt: 100 fs is too short
        help: the shortest time is 1 ps
    a negative delay
      bad.ron:18:86 «"-1 ms"),»
        connections.0.delay: must be 0 or greater, but is -1 ms
        help: a typical value is "1 ms"
    a probe whose window ends before it starts
      bad.ron:21:47 «(from: "1 s", to: "0 s")»
        probes.raster.window: the window ends at 0 s, before it starts at 1 s
        help: for example window: (from: "0.2 s", to: "1 s")
    spikes that are not sorted
      bad.ron:5:56 «(1, "1 ms")])),»
        sources.input.train.1: 0.001 s comes after a later spike
        help: sort the list by time
    a spike of a source that does not exist
      bad.ron:5:44 «4, "2 ms")])),»
        sources.input.train.0.0: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    spikes without a source
      bad.ron:5:43 «"2 ms"])),»
        sources.input.train.0: expected a spike, found the text "2 ms"
        help: write (index, "time"), for example (3, "12.5 ms")
    "#);
}

#[test]
fn names_and_references() {
    const SOURCE: &str = "\"input\": (size: 4, train: Regular(rates: \"50 Hz\")),";
    const CONNECTION: &str = "(from: \"input\", to: \"dpi\", receptor: ampa, rule: OneToOne, weight: 2, delay: \"1 ms\"),";
    let twice = |text: &str| format!("{text}\n        {text}");
    let (two_sources, two_connections) = (twice(SOURCE), twice(CONNECTION));
    let small =
        "\"dpi\": (size: 4, model: arcana(soma: (Ipfb_norm: \"1 /A\"))),\n        \"dpi\": (";
    insta::assert_snapshot!(table(&[
        ("two sources of one name", &[(SOURCE, &two_sources)]),
        ("two populations of one name", &[("\"dpi\": (", small)]),
        ("two probes of one name", &[("\"vmem\": Trace", "\"raster\": Trace")]),
        ("two projections of one name", &[(CONNECTION, &two_connections)]),
        ("a field twice", &[("    solver:", "    duration: \"2 s\",\n    solver:")]),
        ("a bias twice", &[("Igain: \"80 pA\"", "Itau: \"5 pA\"")]),
        ("a mismatch twice", &[("cv: 0.1) }", "cv: 0.1), \"soma.Itau\": Gaussian(cv: 0.1) }")]),
        ("a variable twice", &[("[Vmem]", "[Vmem, Vmem]")]),
        ("a source and a population of one name", &[("\"input\": (size", "\"dpi\": (size")]),
        ("an empty name", &[("\"raster\"", "\"\"")]),
        ("a name that the summary needs", &[("\"dpi\": (", "\"total\": ("), ("to: \"dpi\"", "to: \"total\""), ("of: \"dpi\"", "of: \"total\""), ("output: \"dpi\"", "output: \"total\"")]),
        ("from nowhere", &[("from: \"input\"", "from: \"inputs\"")]),
        ("to nowhere", &[("to: \"dpi\"", "to: \"dip\"")]),
        ("to a source", &[("to: \"dpi\"", "to: \"input\"")]),
        ("spikes of nobody", &[("of: \"input\"", "of: \"output\"")]),
        ("a trace of nobody", &[("of: \"dpi\"", "of: \"dip\"")]),
        ("a trace of a source", &[("of: \"dpi\"", "of: \"input\"")]),
        ("an FF curve from nobody", &[("input: \"input\"", "input: \"inptu\"")]),
        ("an FF curve of nobody", &[("output: \"dpi\"", "output: \"dpy\"")]),
        ("an FF curve of a source", &[("output: \"dpi\"", "output: \"input\"")]),
    ]), @r#"
    two sources of one name
      bad.ron:6:9 «"input": (size: 4, train»
        sources.input: `input` stands here twice
        help: give one of the two another name, or remove it
    two populations of one name
      bad.ron:9:9 «"dpi": (»
        populations.dpi: `dpi` stands here twice
        help: give one of the two another name, or remove it
    two probes of one name
      bad.ron:22:9 «"raster": Trace(of: "dpi»
        probes.raster: `raster` stands here twice
        help: give one of the two another name, or remove it
    two projections of one name
      bad.ron:19:9 «(from: "input", to: "dpi»
        connections.1: there is another projection `input->dpi:ampa`
        help: name this one: name: "…"
    a field twice
      bad.ron:3:5 «duration: "2 s",»
        duration: `duration` stands here twice
        help: remove one of the two
    a bias twice
      bad.ron:11:38 «Itau: "5 pA", Ith: "12 m»
        populations.dpi.model.soma.Itau: `Itau` stands here twice
        help: remove one of the two
    a mismatch twice
      bad.ron:14:57 «"soma.Itau": Gaussian(cv»
        populations.dpi.mismatch."soma.Itau": `soma.Itau` stands here twice
        help: give one of the two another name, or remove it
    a variable twice
      bad.ron:22:47 «Vmem], neurons: [0, 3], »
        probes.vmem.vars.1: `Vmem` stands here twice
        help: remove one of the two
    a source and a population of one name
      bad.ron:8:9 «"dpi": (»
        populations.dpi: `dpi` is a source, too
        help: sources and populations share one set of names: rename one
      bad.ron:18:16 «"input", to: "dpi", rece»
        connections.0.from: there is no source or population `input`
        help: only `dpi` is known here
      bad.ron:21:30 «"input"),»
        probes.raster.of: there is no source or population `input`
        help: only `dpi` is known here
      bad.ron:23:25 «"input", output: "dpi"),»
        probes.ff.input: there is no source or population `input`
        help: only `dpi` is known here
    an empty name
      bad.ron:21:9 «"": Spikes(of: "input"),»
        probes.: a name must not be empty
        help: give it a name
    a name that the summary needs
      bad.ron:8:9 «"total": (»
        populations.total: the name `total` is taken by the summary
        help: choose another name
    from nowhere
      bad.ron:18:16 «"inputs", to: "dpi", rec»
        connections.0.from: there is no source or population `inputs`
        help: did you mean `input`? known here are dpi, input
    to nowhere
      bad.ron:18:29 «"dip", receptor: ampa, r»
        connections.0.to: there is no population `dip`
        help: did you mean `dpi`? only `dpi` is known here
    to a source
      bad.ron:18:29 «"input", receptor: ampa,»
        connections.0.to: `input` is a source; a population is needed here
        help: only `dpi` is known here
    spikes of nobody
      bad.ron:21:30 «"output"),»
        probes.raster.of: there is no source or population `output`
        help: known here are dpi, input
    a trace of nobody
      bad.ron:22:27 «"dip", vars: [Vmem], neu»
        probes.vmem.of: there is no population `dip`
        help: did you mean `dpi`? only `dpi` is known here
    a trace of a source
      bad.ron:22:27 «"input", vars: [Vmem], n»
        probes.vmem.of: `input` is a source; a population is needed here
        help: only `dpi` is known here
    an FF curve from nobody
      bad.ron:23:25 «"inptu", output: "dpi"),»
        probes.ff.input: there is no source or population `inptu`
        help: did you mean `input`? known here are dpi, input
    an FF curve of nobody
      bad.ron:23:42 «"dpy"),»
        probes.ff.output: there is no population `dpy`
        help: did you mean `dpi`? only `dpi` is known here
    an FF curve of a source
      bad.ron:23:42 «"input"),»
        probes.ff.output: `input` is a source; a population is needed here
        help: only `dpi` is known here
    "#);
}

#[test]
fn neurons() {
    insta::assert_snapshot!(table(&[
        ("OneToOne of different sizes", &[("size: 4, train", "size: 5, train"), ("\"ff\": Ff(input: \"input\", output: \"dpi\"),", "")]),
        ("an FF curve of different sizes", &[("size: 4, train", "size: 5, train"), ("OneToOne", "AllToAll")]),
        ("a trace of a neuron that does not exist", &[("[0, 3]", "[0, 4]")]),
        ("a trace of no neuron", &[("[0, 3]", "[]")]),
        ("a trace of a negative neuron", &[("[0, 3]", "[-1]")]),
        ("a range past the end", &[("[0, 3]", "Range(from: 0, to: 4)")]),
        ("a range that is turned round", &[("[0, 3]", "Range(from: 3, to: 1)")]),
        ("a range without its end", &[("[0, 3]", "Range(from: 3)")]),
        ("a number for a choice of neurons", &[("[0, 3]", "3")]),
        ("a cut of a connection past the end", &[("weight: 2", "neurons: [4]")]),
        ("AllToAll with an unknown field", &[("OneToOne", "AllToAll(self: false)")]),
    ]), @r#"
    OneToOne of different sizes
      bad.ron:18:58 «OneToOne, weight: 2, del»
        connections.0.rule: OneToOne of 5 to 4 neurons
        help: use equal sizes, cut one side with `neurons` or `to_neurons`, or AllToAll
    an FF curve of different sizes
      bad.ron:23:42 «"dpi"),»
        probes.ff.output: an FF curve of 5 inputs and 4 outputs
        help: neuron k of the output is plotted against input k: use equal sizes
    a trace of a neuron that does not exist
      bad.ron:22:61 «4], every: "1 ms"),»
        probes.vmem.neurons.1: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a trace of no neuron
      bad.ron:22:57 «[], every: "1 ms"),»
        probes.vmem.neurons: the list of neurons is empty
        help: name at least one neuron
    a trace of a negative neuron
      bad.ron:22:58 «-1], every: "1 ms"),»
        probes.vmem.neurons.0: expected a whole number, 0 or greater, found -1
        help: write it like 200
    a range past the end
      bad.ron:22:76 «4), every: "1 ms"),»
        probes.vmem.neurons.to: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a range that is turned round
      bad.ron:22:57 «Range(from: 3, to: 1), e»
        probes.vmem.neurons: the range ends at 1, before it starts at 3
        help: for example Range(from: 0, to: 99), both included
    a range without its end
      bad.ron:22:57 «Range(from: 3), every: "»
        probes.vmem.neurons: `to` is missing
        help: for example Range(from: 0, to: 99), both included
    a number for a choice of neurons
      bad.ron:22:57 «3, every: "1 ms"),»
        probes.vmem.neurons: expected a choice of neurons (All, Range(from: 0, to: 99) or a list [0, 5]), found the number 3
        help: one of All, Range
    a cut of a connection past the end
      bad.ron:18:78 «4], delay: "1 ms"),»
        connections.0.neurons.0: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    AllToAll with an unknown field
      bad.ron:18:67 «self: false), weight: 2,»
        connections.0.rule.self: there is no field `self` here
        help: only `self_connections` is known here
    "#);
}

/// What refers to a population without a valid size is not checked against it.
#[test]
fn a_population_of_size_0() {
    insta::assert_snapshot!(table(&[
        ("a population of size 0", &[("size: 4,\n", "size: 0,\n")]),
    ]), @r#"
    a population of size 0
      bad.ron:9:19 «0,»
        populations.dpi.size: the size must be at least 1
        help: for example size: 200
    "#);
}

/// Parameters of a receptor stand in the model; here they would have no effect.
#[test]
fn a_receptor_takes_nothing() {
    insta::assert_snapshot!(table(&[
        ("values", &[("receptor: ampa", "receptor: ampa(2)")]),
        ("fields", &[("receptor: ampa", "receptor: ampa(Iw: \"2 pA\")")]),
    ]), @r#"
    values
      bad.ron:18:46 «ampa(2), rule: OneToOne,»
        connections.0.receptor: `ampa` takes nothing in parentheses
        help: write only ampa
    fields
      bad.ron:18:46 «ampa(Iw: "2 pA"), rule: »
        connections.0.receptor: `ampa` takes nothing in parentheses
        help: write only ampa
    "#);
}

#[test]
fn wrong_forms() {
    insta::assert_snapshot!(table(&[
        ("a list for a map", &[("sources: {", "sources: [], x: {")]),
        ("a map for a list", &[("connections: [", "connections: {}, x: [")]),
        ("a text for a group", &[("soma: (", "soma: \"fast\", x: (")]),
        ("items for fields", &[("soma: (", "soma: (1, 2), x: (")]),
        ("parentheses behind a unit", &[("OneToOne", "OneToOne(1)")]),
        ("a number for a name", &[("of: \"input\"", "of: 3")]),
        ("a number for a rule", &[("OneToOne", "1")]),
        ("no file name", &[("Regular(rates: \"50 Hz\")", "File()")]),
        ("a number for true or false", &[("OneToOne", "AllToAll(self_connections: 0)")]),
        ("a number as a key", &[("\"raster\":", "1:")]),
        ("a character", &[("\"raster\":", "'r':")]),
    ]), @r#"
    a list for a map
      bad.ron:4:14 «[], x: {»
        sources: expected a map, found a list [ ]
        help: write it like { "name": … }
      bad.ron:4:18 «x: {»
        x: there is no field `x` here
        help: known here are format, name, seed, duration, window, solver, models, sources, populations, connections, probes
    a map for a list
      bad.ron:17:18 «{}, x: [»
        connections: expected a list, found a map { }
        help: write it like [ … ]
      bad.ron:17:22 «x: [»
        x: there is no field `x` here
        help: known here are format, name, seed, duration, window, solver, models, sources, populations, connections, probes
    a text for a group
      bad.ron:11:23 «"fast", x: (Itau: "4 pA"»
        populations.dpi.model.soma: expected a group of fields, found the text "fast"
        help: write it like ( key: value, … )
      bad.ron:11:31 «x: (Itau: "4 pA", Igain:»
        populations.dpi.model.x: there is no field `x` here
        help: known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    items for fields
      bad.ron:11:23 «(1, 2), x: (Itau: "4 pA"»
        populations.dpi.model.soma: expected named fields
        help: write them like ( key: value, … )
      bad.ron:11:31 «x: (Itau: "4 pA", Igain:»
        populations.dpi.model.x: there is no field `x` here
        help: known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    parentheses behind a unit
      bad.ron:18:58 «OneToOne(1), weight: 2, »
        connections.0.rule: `OneToOne` takes nothing in parentheses
        help: write only OneToOne
    a number for a name
      bad.ron:21:30 «3),»
        probes.raster.of: expected a text, found the number 3
        help: write it like "text"
    a number for a rule
      bad.ron:18:58 «1, weight: 2, delay: "1 »
        connections.0.rule: expected a connection rule, found the number 1
        help: one of OneToOne, AllToAll, FixedProbability, FixedInDegree, FixedOutDegree, FixedTotal
    no file name
      bad.ron:5:35 «File()),»
        sources.input.train: `File` takes one value
        help: write it like File("spikes.csv")
    a number for true or false
      bad.ron:18:85 «0), weight: 2, delay: "1»
        connections.0.rule.self_connections: expected true or false, found the number 0
        help: write it like true
    a number as a key
      bad.ron:21:9 «1: Spikes(of: "input"),»
        the keys of a map are names
        help: write them in quotes: { "name": … }
    a character
      bad.ron:21:9 «'r': Spikes(of: "input")»
        a scene has no use for this kind of value
        help: use numbers, strings, lists [ ], maps { } and groups ( )
    "#);
}

#[test]
fn invalid_ron() {
    let text = |edits: &[(&str, &str)]| edited(edits);
    insta::assert_snapshot!(table_of_texts(&[
        ("a missing comma", text(&[("\"1 s\",", "\"1 s\"")])),
        ("an unclosed bracket", text(&[("[Vmem]", "[Vmem")])),
        ("an unclosed string", text(&[("\"raster\"", "\"raster")])),
        ("a bare quantity", text(&[("\"4 pA\"", "4 pA")])),
        ("an equals sign", text(&[("duration:", "duration =")])),
        ("more after the end", format!("{SCENE})")),
        ("nothing", String::new()),
        ("only a comment", "// later\n".to_string()),
        ("something else", "[1, 2]".to_string()),
        ("a named scene", SCENE.replacen('(', "Scene(", 1)),
        // Must not overflow the stack.
        ("very deep", "[".repeat(100_000)),
    ]), @r#"
    a missing comma
      bad.ron:3:5 «solver: Euler(dt: "1 ms"»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    an unclosed bracket
      bad.ron:22:54 «: [0, 3], every: "1 ms")»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    an unclosed string
      bad.ron:21:30 «input"),»
        this is not valid RON: Expected colon
        help: look for a missing comma, quote or bracket here or just before
    a bare quantity
      bad.ron:11:32 «pA, Igain: "80 pA", Ith:»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    an equals sign
      bad.ron:2:14 «= "1 s",»
        this is not valid RON: Expected comma
        help: look for a missing comma, quote or bracket here or just before
    more after the end
      bad.ron:25:2 «»
        this is not valid RON: Non-whitespace trailing characters
        help: look for a missing comma, quote or bracket here or just before
    nothing
      bad.ron:1:1 «»
        this is not valid RON: Unexpected end of RON
        help: look for a missing comma, quote or bracket here or just before
    only a comment
      bad.ron:1:9 «»
        this is not valid RON: Unexpected end of RON
        help: look for a missing comma, quote or bracket here or just before
    something else
      bad.ron:1:1 «[1, 2]»
        expected a group of fields, found a list [ ]
        help: write it like ( key: value, … )
    a named scene
      bad.ron:1:1 «Scene(»
        expected a group of fields, found `Scene`
        help: write it like ( key: value, … )
    very deep
      bad.ron:1:65 «[[[[[[[[[[[[[[[[[[[[[[[[»
        this is nested too deeply
        help: look for a missing comma, quote or bracket here or just before
    "#);
}

#[test]
fn spike_files() {
    let file = |name| [("Regular(rates: \"50 Hz\")", name)];
    let cases: &[(&str, &[u8])] = &[
        ("unsorted", b"neuron,time_s\n0,0.1\n1,0.3\n2,0.2\n"),
        ("a neuron out of range", b"neuron,time_s\n0,0.1\n4,0.2\n"),
        ("a neuron that is no number", b"neuron,time_s\n0,0.1\nfirst,0.2\n"),
        ("a time that is no number", b"neuron,time_s\n0,0.1\n1,soon\n"),
        ("a time of NaN", b"neuron,time_s\n0,NaN\n"),
        ("an infinite time", b"neuron,time_s\n0,inf\n"),
        ("a negative time", b"neuron,time_s\n0,-0.1\n"),
        ("too few columns", b"neuron,time_s\n0,0.1\n1\n"),
        ("another header", b"time,neuron\n0.1,0\n"),
        ("no header", b"0,0.1\n1,0.2\n"),
        ("empty", b""),
        ("not UTF-8", b"neuron,time_s\n0,0.1\n\xff,0.2\n"),
        // Lines are counted as an editor counts them.
        ("the third line, ending in CRLF", b"neuron,time_s\r\n0,0.1\r\n4,0.2\r\n"),
        ("the fifth line, two are empty", b"neuron,time_s\n\n0,0.1\n\n4,0.2\n"),
        ("many mistakes", b"neuron,time_s\n4,0\n5,0\n6,0\n7,0\n8,0\n9,0\n10,0\n"),
    ];
    let mut text = String::new();
    for (what, content) in cases {
        text += &table_with_files(&[("in.csv", content)], &[(what, &file("File(\"in.csv\")"))]);
    }
    text += &table(&[("missing", &file("File(\"in.csv\")"))]);
    insta::assert_snapshot!(text, @r#"
    unsorted
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 4: 0.2 s comes after a later spike
        help: sort the file by time
    a neuron out of range
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a neuron that is no number
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: `first` is not the index of a neuron
        help: indices go from 0 to 3
    a time that is no number
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: `soon` is not a time in seconds, 0 or later
        help: write it like 0.0125
    a time of NaN
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 2: `NaN` is not a time in seconds, 0 or later
        help: write it like 0.0125
    an infinite time
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 2: `inf` is not a time in seconds, 0 or later
        help: write it like 0.0125
    a negative time
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 2: `-0.1` is not a time in seconds, 0 or later
        help: write it like 0.0125
    too few columns
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: expected 2 values, found 1
        help: each line is neuron,time_s, for example 3,0.0125
    another header
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 1: the header is `time,neuron`
        help: the first line is the header neuron,time_s
    no header
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 1: the header is `0,0.1`
        help: the first line is the header neuron,time_s
    empty
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 1: the file is empty
        help: the first line is the header neuron,time_s
    not UTF-8
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: this is not UTF-8 text
        help: save the file as UTF-8 text, numbers separated by commas
    the third line, ending in CRLF
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    the fifth line, two are empty
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 5: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    many mistakes
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 2: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 3: neuron 5 does not exist, there are 4
        help: indices go from 0 to 3
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 4: neuron 6 does not exist, there are 4
        help: indices go from 0 to 3
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 5: neuron 7 does not exist, there are 4
        help: indices go from 0 to 3
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv, line 6: neuron 8 does not exist, there are 4
        help: indices go from 0 to 3
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: in.csv: 2 more lines have mistakes
        help: mend the lines above first
    missing
      bad.ron:5:40 «"in.csv")),»
        sources.input.train: cannot read "in.csv": No such file or directory (os error 2)
        help: paths are relative to the scene's folder
    "#);
}

#[test]
fn bias_files() {
    const EDIT: &[(&str, &str)] = &[("mismatch: {", "biases: File(\"chip.csv\"), mismatch: {")];
    let cases: &[(&str, &[u8])] = &[
        ("an unknown column", b"neuron,soma.Itua\n0,4e-12\n"),
        ("a column of a circuit that is not there", b"neuron,gabab.Itau\n0,4e-12\n"),
        ("a column twice", b"neuron,soma.Itau,soma.Itau\n0,4e-12,4e-12\n"),
        ("NaN", b"neuron,soma.Itau\n0,4e-12\n1,NaN\n"),
        ("no number", b"neuron,soma.Itau\n0,4 pA\n"),
        ("an Itau of 0", b"neuron,soma.Itau\n0,4e-12\n1,0\n"),
        ("a negative Iw", b"neuron,ampa.Iw\n0,-1e-12\n"),
        ("beyond single precision", b"neuron,soma.Itau\n0,1e-50\n"),
        ("a neuron twice", b"neuron,soma.Itau\n1,4e-12\n0,4e-12\n1,4e-12\n"),
        ("a neuron out of range", b"neuron,soma.Itau\n4,4e-12\n"),
        ("too many values", b"neuron,soma.Itau\n0,4e-12,5e-12\n"),
        ("another header", b"index,soma.Itau\n0,4e-12\n"),
        ("empty", b""),
        ("the third line, ending in CRLF", b"neuron,soma.Itau\r\n0,4e-12\r\n4,4e-12\r\n"),
    ];
    let mut text = String::new();
    for (what, content) in cases {
        text += &table_with_files(&[("chip.csv", content)], &[(what, EDIT)]);
    }
    text += &table(&[("missing", EDIT)]);
    insta::assert_snapshot!(text, @r#"
    an unknown column
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 1: there is no bias `soma.Itua`
        help: did you mean `soma.Itau`? known here are soma.C, soma.Itau, soma.Igain, soma.Ith, soma.Ireset, soma.Idc, soma.refP, soma.Ipfb_th, soma.Ipfb_norm, ampa.C, ampa.Itau, ampa.Igain, ampa.Iw
    a column of a circuit that is not there
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 1: this population has no gabab circuit: nothing connects to it
        help: connect something to gabab, or mention it in the model: gabab: ()
    a column twice
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 1: `soma.Itau` stands twice
        help: remove one
    NaN
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 3: soma.Itau: `NaN` is not a finite number
        help: values are in SI units
    no number
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 2: soma.Itau: `4 pA` is not a finite number
        help: values are in SI units
    an Itau of 0
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 3: soma.Itau must be greater than 0, but is 0 A
        help: values are in SI units
    a negative Iw
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 2: ampa.Iw must be 0 or greater, but is -1 pA
        help: values are in SI units
    beyond single precision
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 2: soma.Itau must be between 1.1754943508222875e-38 A and 3.4028234663852886e38 A (single precision), but is 1e-50 A
        help: values are in SI units
    a neuron twice
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 4: neuron 1 stands in line 2 already
        help: give each neuron one line
    a neuron out of range
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 2: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    too many values
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 2: 3 values instead of 2
        help: each line has one value for each column
    another header
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 1: the first column is not `neuron`
        help: the first line is a header like neuron,soma.Itau,ampa.Iw
    empty
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 1: the file is empty
        help: the first line is a header like neuron,soma.Itau,ampa.Iw
    the third line, ending in CRLF
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: chip.csv, line 3: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    missing
      bad.ron:14:26 «"chip.csv"), mismatch: {»
        populations.dpi.biases: cannot read "chip.csv": No such file or directory (os error 2)
        help: paths are relative to the scene's folder
    "#);
}

/// A measured threshold below the reset passes each check of its own and fails with the instance.
#[test]
fn a_measured_instance_that_cannot_work() {
    let scene = edited(&[("mismatch: {", "biases: File(\"chip.csv\"), mismatch: {")]);
    let folder = folder(&scene, &[("chip.csv", b"neuron,soma.Ith\n2,1e-14\n")]);
    let (stderr, error) = refused_run(folder.path(), &[], 1);
    assert_eq!(
        error["message"],
        "neuron 2 of `dpi`: its Ith = 10 fA is not above its Ireset = 50 fA"
    );
    assert!(stderr.contains("neuron 2 of `dpi`"), "{stderr}");
}

/// A scene reads files of its own folder only, so that sharing one shares no other file.
#[test]
#[cfg(unix)]
fn paths_that_leave_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("inner");
    let spikes: &[u8] = b"neuron,time_s\n0,0.1\n";
    fs::create_dir(&inner).unwrap();
    fs::create_dir(inner.join("sub")).unwrap();
    fs::write(outer.path().join("out.csv"), spikes).unwrap();
    fs::write(inner.join("in.csv"), spikes).unwrap();
    std::os::unix::fs::symlink("../out.csv", inner.join("link.csv")).unwrap();
    std::os::unix::fs::symlink("..", inner.join("up")).unwrap();
    let outside = outer.path().join("out.csv");
    let outside = outside.to_str().unwrap();
    let mut text = String::new();
    for path in
        ["../out.csv", "sub/../../out.csv", "../inner/in.csv", outside, "link.csv", "up/out.csv"]
    {
        let scene = edited(&[("Regular(rates: \"50 Hz\")", &format!("File({path:?})"))]);
        fs::write(inner.join(FILE), &scene).unwrap();
        text += &findings(&inner, &scene, &[]).replace(outer.path().to_str().unwrap(), "[DIR]");
    }
    // Within the folder a path may go up and down.
    let scene = edited(&[("Regular(rates: \"50 Hz\")", "File(\"sub/../in.csv\")")]);
    fs::write(inner.join(FILE), &scene).unwrap();
    picoamp(&inner).args(["check", FILE]).assert().success();
    insta::assert_snapshot!(text, @r#"
    bad.ron:5:40 «"../out.csv")),»
      sources.input.train: the path "../out.csv" leaves the scene's folder
      help: copy the file next to the scene and give its relative path
    bad.ron:5:40 «"sub/../../out.csv")),»
      sources.input.train: the path "sub/../../out.csv" leaves the scene's folder
      help: copy the file next to the scene and give its relative path
    bad.ron:5:40 «"../inner/in.csv")),»
      sources.input.train: the path "../inner/in.csv" leaves the scene's folder
      help: copy the file next to the scene and give its relative path
    bad.ron:5:40 «"[DIR]/out.csv»
      sources.input.train: the path "[DIR]/out.csv" leaves the scene's folder
      help: copy the file next to the scene and give its relative path
    bad.ron:5:40 «"link.csv")),»
      sources.input.train: the path "link.csv" leaves the scene's folder
      help: copy the file next to the scene and give its relative path
    bad.ron:5:40 «"up/out.csv")),»
      sources.input.train: the path "up/out.csv" leaves the scene's folder
      help: copy the file next to the scene and give its relative path
    "#);
}

#[test]
fn overrides() {
    insta::assert_snapshot!(table_of_sets(&[
        ("no equals sign", &["duration"]),
        ("no path", &["=2 s"]),
        ("no value", &["duration="]),
        ("a quote that does not end", &["populations.dpi.mismatch.\"soma.Itau=1"]),
        ("below a quantity", &["duration.x=1"]),
        ("an index past the end", &["connections.1.weight=2"]),
        ("a name for an index", &["connections.first.weight=2"]),
        ("an unquoted key with a dot", &["populations.dpi.mismatch.soma.Itau=Gaussian(cv: 0.1)"]),
        ("a value that is not RON", &["solver=Euler(dt: 1 ms)"]),
        ("an unclosed value", &["probes={ \"x\": Spikes(of: \"dpi\")"]),
        ("an unknown field", &["populations.dpi.model.soma.Itua=5 pA"]),
        ("an unknown population", &["populations.dip.model.soma.Itau=5 pA"]),
        ("a wrong value", &["populations.dpi.model.soma.Itau=5 mV"]),
        ("a wrong value in a group", &["populations.dpi.mismatch.\"soma.Itau\"=Gaussian(cv: 20)"]),
        ("two mistakes", &["duration=1 s", "seed=no", "durration=1 s"]),
    ]), @r#"
    no equals sign
      --set #1:1:1 «duration»
        expected PATH=VALUE
        help: write it like --set 'populations.dpi.model.soma.Itau=4 pA'
    no path
      --set #1:1:1 «=2 s»
        expected PATH=VALUE
        help: write it like --set 'populations.dpi.model.soma.Itau=4 pA'
    no value
      --set #1:1:10 «»
        the value is missing
        help: write it like --set 'duration=2 s'
    a quote that does not end
      --set #1:1:1 «populations.dpi.mismatch»
        expected PATH=VALUE
        help: write it like --set 'populations.dpi.model.soma.Itau=4 pA'
    below a quantity
      --set #1:1:10 «x=1»
        duration.x: there is nothing below the text "1 s"
        help: shorten the path, or replace the whole value
    an index past the end
      --set #1:1:13 «1.weight=2»
        connections.1.weight: `1` is not an index of this list
        help: the first entry is 0, the list has 1
    a name for an index
      --set #1:1:13 «first.weight=2»
        connections.first.weight: `first` is not an index of this list
        help: the first entry is 0, the list has 1
    an unquoted key with a dot
      --set #1:1:26 «soma.Itau=Gaussian(cv: 0»
        populations.dpi.mismatch.soma.Itau: there is no `soma` here
        help: quote a key that holds a dot: "soma.Itau"
    a value that is not RON
      --set #1:1:20 «ms)»
        this is not valid RON: Expected comma
        help: the value is RON; a bare word or quantity is taken as a string
    an unclosed value
      --set #1:1:31 «)»
        this is not valid RON: Expected comma
        help: the value is RON; a bare word or quantity is taken as a string
    an unknown field
      --set #1:1:28 «Itua=5 pA»
        populations.dpi.model.soma.Itua: there is no field `Itua` here
        help: did you mean `Itau`? known here are C, Itau, Igain, Ith, Ireset, Idc, refP, Ipfb_th, Ipfb_norm
    an unknown population
      --set #1:1:13 «dip.model.soma.Itau=5 pA»
        populations.dip.model.soma.Itau: there is no `dip` here
        help: did you mean `dpi`? only `dpi` is known here
    a wrong value
      --set #1:1:33 «5 mV»
        populations.dpi.model.soma.Itau: `mV` is not a unit of a current
        help: write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
    a wrong value in a group
      --set #1:1:51 «20)»
        populations.dpi.mismatch."soma.Itau".cv: the coefficient of variation must be between 0 and 1, but is 20
        help: did you mean 0.20? (0.20 is 20 %)
    two mistakes
      --set #2:1:6 «no»
        seed: expected a whole number, found the text "no"
        help: write it like 200
      --set #3:1:1 «durration=1 s»
        durration: there is no field `durration` here
        help: did you mean `duration`? known here are format, name, seed, duration, window, solver, models, sources, populations, connections, probes
    "#);
}

/// All mistakes appear at once, each at its place, in the order of the file.
#[test]
fn all_mistakes_at_once() {
    let scene = r#"(
    durations: "1 s",
    seed: -1,
    solver: Euler(dt: "1 mA"),
    sources: {
        "input": (size: 0, train: Poisson(rates: 50)),
        "noise": (size: 4, train: Poison(rates: "50 Hz")),
    },
    populations: {
        "dpi": (
            size: 4,
            model: arcana(
                soma: (Itau: 4, Igain: "NaN pA", C: "-3 pF", Ipfb_norm: "1.4e9 /A"),
                ampa: (Itua: "2 pA"),
            ),
            mismatch: { "soma.Ith": Gaussian(cv: 20), "soma.Itu": LogNormal(cv: 0.1) },
        ),
    },
    connections: [
        (from: "noise", to: "dpi", receptor: nmda, rule: OneToOne, weight: -1),
        (from: "nosie", to: "dpi", receptor: ampa, rule: OneToMany),
    ],
    probes: {
        "vmem": Trace(of: "dpi", vars: [Vmem, Ixyz], neurons: [9], every: "1 ms"),
        "raster": Spikes(from: "dpi"),
    },
)
"#;
    let folder = folder(scene, &[]);
    insta::assert_snapshot!(findings(folder.path(), scene, &[]), @r#"
    bad.ron:1:1 «(»
      `duration` is missing
      help: for example duration: "1 s"
    bad.ron:2:5 «durations: "1 s",»
      durations: there is no field `durations` here
      help: did you mean `duration`? known here are format, name, seed, duration, window, solver, models, sources, populations, connections, probes
    bad.ron:3:11 «-1,»
      seed: expected a whole number, 0 or greater, found -1
      help: write it like 200
    bad.ron:4:23 «"1 mA"),»
      solver.dt: `mA` is not a unit of a time
      help: write a time in s, with a prefix if you like (a f p n u m k M G), for example "1 ms"
    bad.ron:6:25 «0, train: Poisson(rates:»
      sources.input.size: the size must be at least 1
      help: for example size: 200
    bad.ron:7:35 «Poison(rates: "50 Hz")),»
      sources.noise.train: `Poison` is not a train
      help: did you mean `Poisson`? known here are Regular, Poisson, Spikes, File
    bad.ron:13:30 «4, Igain: "NaN pA", C: "»
      populations.dpi.model.soma.Itau: `4` has no unit, but a current is expected
      help: write it with its unit, for example "4 pA"
    bad.ron:13:40 «"NaN pA", C: "-3 pF", Ip»
      populations.dpi.model.soma.Igain: `NaN pA` is not a finite number
      help: write a finite number
    bad.ron:13:53 «"-3 pF", Ipfb_norm: "1.4»
      populations.dpi.model.soma.C: must be greater than 0, but is -3 pF
      help: a typical value is "2 pF"
    bad.ron:14:24 «Itua: "2 pA"),»
      populations.dpi.model.ampa.Itua: there is no field `Itua` here
      help: did you mean `Itau`? known here are C, Itau, Igain, Iw
    bad.ron:16:50 «20), "soma.Itu": LogNorm»
      populations.dpi.mismatch."soma.Ith".cv: the coefficient of variation must be between 0 and 1, but is 20
      help: did you mean 0.20? (0.20 is 20 %)
    bad.ron:16:55 «"soma.Itu": LogNormal(cv»
      populations.dpi.mismatch."soma.Itu": there is no bias `soma.Itu`
      help: did you mean `soma.Itau`? known here are soma.C, soma.Itau, soma.Igain, soma.Ith, soma.Ireset, soma.Idc, soma.refP, soma.Ipfb_th, soma.Ipfb_norm, ampa.C, ampa.Itau, ampa.Igain, ampa.Iw
    bad.ron:20:46 «nmda, rule: OneToOne, we»
      connections.0.receptor: `nmda` is not a receptor of the model arcana
      help: did you mean `ampa`? known here are ampa, gabab
    bad.ron:20:76 «-1),»
      connections.0.weight: the weight -1 is negative
      help: weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)
    bad.ron:21:16 «"nosie", to: "dpi", rece»
      connections.1.from: there is no source or population `nosie`
      help: did you mean `noise`? known here are dpi, input, noise
    bad.ron:21:58 «OneToMany),»
      connections.1.rule: `OneToMany` is not a connection rule
      help: did you mean `OneToOne`? known here are OneToOne, AllToAll, FixedProbability, FixedInDegree, FixedOutDegree, FixedTotal
    bad.ron:24:47 «Ixyz], neurons: [9], eve»
      probes.vmem.vars.1: the model arcana has no state variable `Ixyz`
      help: known here are Vmem, Imem, Iampa, Igabab
    bad.ron:24:64 «9], every: "1 ms"),»
      probes.vmem.neurons.0: neuron 9 does not exist, there are 4
      help: indices go from 0 to 3
    bad.ron:25:19 «Spikes(from: "dpi"),»
      probes.raster: `of` is missing
      help: the source or population whose spikes are recorded
    bad.ron:25:26 «from: "dpi"),»
      probes.raster.from: there is no field `from` here
      help: known here are window, of, neurons
    "#);
}

/// What a user sees: three scenes in full.
#[test]
fn what_stderr_shows() {
    let shown = |edits: &[(&str, &str)]| {
        let folder = folder(edited(edits), &[]);
        refused(folder.path(), &["run", FILE], 3)
    };
    insta::assert_snapshot!(shown(&[("Itau: \"4 pA\"", "Itua: \"4 pA\"")]), @r#"
      × populations.dpi.model.soma.Itua: there is no field `Itua` here
        ╭─[bad.ron:11:24]
     10 │             model: arcana(
     11 │                 soma: (Itua: "4 pA", Igain: "80 pA", Ith: "12 mA", Ipfb_norm: "1.4e9 /A"),
        ·                        ────
     12 │                 ampa: (Itau: "2 pA", Igain: "20 pA", Iw: "200 pA"),
        ╰────
      help: did you mean `Itau`? known here are C, Itau, Igain, Ith, Ireset, Idc, refP, Ipfb_th,
            Ipfb_norm
    error: the scene has 1 error; nothing was written
    "#);
    insta::assert_snapshot!(shown(&[("cv: 0.1", "cv: 20"), ("[0, 3]", "[0, 4]")]), @r#"
      × populations.dpi.mismatch."soma.Itau".cv: the coefficient of variation must be between 0 and 1,
      │ but is 20
        ╭─[bad.ron:14:51]
     13 │             ),
     14 │             mismatch: { "soma.Itau": Gaussian(cv: 20) },
        ·                                                   ──
     15 │         ),
        ╰────
      help: did you mean 0.20? (0.20 is 20 %)
      × probes.vmem.neurons.1: neuron 4 does not exist, there are 4
        ╭─[bad.ron:22:61]
     21 │         "raster": Spikes(of: "input"),
     22 │         "vmem": Trace(of: "dpi", vars: [Vmem], neurons: [0, 4], every: "1 ms"),
        ·                                                             ─
     23 │         "ff": Ff(input: "input", output: "dpi"),
        ╰────
      help: indices go from 0 to 3
    error: the scene has 2 errors; nothing was written
    "#);
    insta::assert_snapshot!(shown(&[("    solver: Euler(dt: \"1 ms\"),\n", "")]), @r#"
      × `solver` is missing
       ╭─[bad.ron:1:1]
     1 │ (
       · ─
     2 │     duration: "1 s",
       ╰────
      help: this version has one solver: solver: Euler(dt: "1 ms")
    error: the scene has 1 error; nothing was written
    "#);
}

/// `check` and `resolve` refuse what `run` refuses, in the same words.
#[test]
fn check_and_resolve_refuse_the_same() {
    let folder = folder(edited(&[("Itau: \"4 pA\"", "Itua: \"4 pA\"")]), &[]);
    let run = refused(folder.path(), &["run", FILE], 3);
    assert_eq!(refused(folder.path(), &["check", FILE], 3), run);
    assert_eq!(refused(folder.path(), &["resolve", FILE], 3), run);
    // Also where warnings are not shown.
    assert_eq!(refused(folder.path(), &["run", FILE, "--quiet"], 3), run);
}

/// Refused by the estimate: these would need terabytes, so that coming back at all shows that
/// nothing was allocated.
#[test]
fn scenes_that_are_too_large() {
    let million = "1000000";
    let cases: [(&str, &[&str], &str); 4] = [
        (
            "a population of 10^12",
            &["connections=[]", "probes={}", "populations.dpi.size=1000000000000"],
            "the scene has 1000000000000 neurons, more than 536870912",
        ),
        (
            "a source of 10^12",
            &["connections=[]", "probes={}", "sources.input.size=1e12"],
            "the scene has 1000000000000 spike sources, more than 536870912",
        ),
        (
            "10^12 edges",
            &[
                &format!("sources.input.size={million}"),
                &format!("populations.dpi.size={million}"),
                "connections.0.rule=AllToAll",
                "probes={}",
            ],
            "the scene needs about 8.0 TB of memory",
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
        assert!(stderr.contains("cannot read the scene none.ron: No such file"), "{stderr}");
        // A folder is no scene.
        let stderr = refused(folder.path(), &[command, "."], 5);
        assert!(stderr.contains("cannot read the scene"), "{stderr}");
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

#[test]
fn back_ends_that_are_not_there() {
    let folder = folder(SCENE, &[]);
    let (stderr, error) = refused_run(folder.path(), &["--backend", "cuda"], 6);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("the back end `cuda` cannot be used: "), "{message}");
    assert!(error["help"].as_str().unwrap().contains("--backend cpu"), "{error:#}");
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn wrong_usage() {
    let folder = folder(SCENE, &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["run", FILE, "--sed", "1"], "--seed"),
        (&["run", FILE, "--threads", "0"], "1..=1024"),
        (&["run", FILE, "--threads", "many"], "many"),
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
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    sources.input: 2 of 3 spikes come at or after the end, 1 s
    populations.dpi: the step dt = 0.001 s is longer than τ of ampa, 70.92198581560284 us
    connections.0.weight: the weight 0.4 becomes 0: the projection has no effect
    "#);
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
