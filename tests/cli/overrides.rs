//! What changes a run, and what does not.

use super::*;

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
        (
            &["probes.new=Spikes(of: \"dpi\")"],
            "\"new\": Spikes(of: \"dpi\", neurons: All, format: Csv)",
        ),
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
