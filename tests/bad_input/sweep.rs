//! Sweeps that cannot be run.

use super::*;

/// The scene with a sweep.
fn swept(sweep: &str) -> String {
    edited(&[("    connections:", &format!("    sweep: {sweep},\n    connections:"))])
}

fn refused_sweeps(cases: &[(&str, &str)]) -> String {
    let cases: Vec<(&str, String)> =
        cases.iter().map(|(what, sweep)| (*what, swept(sweep))).collect();
    table_of_texts(&cases)
}

#[test]
fn paths_that_do_not_exist() {
    insta::assert_snapshot!(refused_sweeps(&[
        ("a bias", r#"{ "populations.dpi.model.soma.Itua": List(["1 pA"]) }"#),
        ("a population", r#"{ "populations.dip.model.soma.Itau": List(["1 pA"]) }"#),
        ("another population", r#"{ "populations.cortex.model.soma.Itau": List(["1 pA"]) }"#),
        ("a part of the scene", r#"{ "poplations.dpi.model.soma.Itau": List(["1 pA"]) }"#),
        ("a part of a part", r#"{ "populations.dpi.soma.Itau": List(["1 pA"]) }"#),
        ("an index", r#"{ "connections.1.weight": List([1]) }"#),
        ("below a value", r#"{ "duration.long": List(["1 s"]) }"#),
        ("a key with a dot", r#"{ "populations.dpi.mismatch.soma.Itau.cv": List([0.1]) }"#),
        ("several at once", r#"{ "seeed": List([1]), "durration": List(["1 s"]) }"#),
        ("no path", r#"{ "populations..size": List([1]) }"#),
        ("with a value", r#"{ "duration=1 s": List([1]) }"#),
        ("the sweep", r#"{ "sweep": List([Off]) }"#),
        ("one inside the other", r#"{ "solver": List([Event]), "solver.dt": List(["1 ms"]) }"#),
    ]), @r#"
    a bias
      bad.ron:17:14 «"populations.dpi.model.s»
        populations.dpi.model.soma.Itua: there is no field `Itua` here
        help: did you mean `Itau`? known here are C, Itau, Igain, Ith, Ireset, Idc, refP, Ipfb_th, Ipfb_norm; the nearest path is `populations.dpi.model.soma.Itau`
    a population
      bad.ron:17:14 «"populations.dip.model.s»
        populations.dip.model.soma.Itau: there is no `dip` here
        help: did you mean `dpi`? only `dpi` is known here; the nearest path is `populations.dpi.model.soma.Itau`
    another population
      bad.ron:17:14 «"populations.cortex.mode»
        populations.cortex.model.soma.Itau: there is no `cortex` here
        help: only `dpi` is known here; the nearest path is `populations.dpi.model.soma.Itau`
    a part of the scene
      bad.ron:17:14 «"poplations.dpi.model.so»
        poplations: there is no field `poplations` here
        help: did you mean `populations`? known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep; the nearest path is `populations.dpi.model.soma.Itau`
    a part of a part
      bad.ron:17:14 «"populations.dpi.soma.It»
        populations.dpi.soma: there is no field `soma` here
        help: known here are size, model, mismatch, biases, init, dc; the nearest path is `populations.dpi.model.soma.Itau`
    an index
      bad.ron:17:14 «"connections.1.weight": »
        connections.1.weight: `1` is not an index of this list
        help: the first entry is 0, the list has 1; the nearest path is `connections.0.weight`
    below a value
      bad.ron:17:14 «"duration.long": List(["»
        duration.long: there is nothing below the text "1 s"
        help: shorten the path, or replace the whole value
    a key with a dot
      bad.ron:17:14 «"populations.dpi.mismatc»
        populations.dpi.mismatch.soma.Itau.cv: there is no `soma` here
        help: quote a key that holds a dot: "….mismatch.\"soma.Itau\".cv"; the nearest path is `populations.dpi.mismatch."soma.Itau".cv`
    several at once
      bad.ron:17:14 «"seeed": List([1]), "dur»
        seeed: there is no field `seeed` here
        help: did you mean `seed`? known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep; the nearest path is `seed`
      bad.ron:17:34 «"durration": List(["1 s"»
        durration: there is no field `durration` here
        help: did you mean `duration`? known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep; the nearest path is `duration`
    no path
      bad.ron:17:14 «"populations..size": Lis»
        sweep."populations..size": `populations..size` is no path
        help: write it like "populations.dpi.model.soma.Itau", and a key that holds a dot in quotes: "populations.dpi.mismatch.\"soma.Itau\".cv"
    with a value
      bad.ron:17:14 «"duration=1 s": List([1]»
        sweep.duration=1 s: `duration=1 s` is no path
        help: write it like "populations.dpi.model.soma.Itau", and a key that holds a dot in quotes: "populations.dpi.mismatch.\"soma.Itau\".cv"
    the sweep
      bad.ron:17:14 «"sweep": List([Off]) },»
        sweep.sweep: `sweep` cannot be swept
        help: sweep over a part of the scene
    one inside the other
      bad.ron:17:39 «"solver.dt": List(["1 ms»
        sweep: `solver.dt` and `solver` are parts of each other
        help: sweep over one of the two
    "#);
}

#[test]
fn values_that_cannot_be_taken() {
    insta::assert_snapshot!(refused_sweeps(&[
        ("no values", r#"{ "replicas": List([]) }"#),
        ("no paths", "{}"),
        ("a form", r#"Gird(axes: { "replicas": List([1]) })"#),
        ("no axes", "Zip(seeds: Shared)"),
        ("a choice of seeds", r#"Grid(axes: { "replicas": List([1]) }, seeds: Own)"#),
        ("a choice of values", r#"{ "replicas": Liste([1]) }"#),
        ("a list by itself", r#"{ "replicas": [1, 2] }"#),
        ("no number of values", r#"{ "duration": Linear(from: "1 s", to: "2 s") }"#),
        ("0 values", r#"{ "duration": Linear(from: "1 s", to: "2 s", n: 0) }"#),
        ("two units", r#"{ "duration": Linear(from: "1 s", to: "2 pA", n: 3) }"#),
        ("no quantity", r#"{ "duration": Linear(from: "one", to: "2 s", n: 3) }"#),
        ("ratios from 0", r#"{ "duration": Log(from: "0 s", to: "2 s", n: 3) }"#),
        ("no unit", r#"{ "populations.dpi.model.soma.Itau": Linear(from: 1, to: 2, n: 2) }"#),
        ("a wrong unit", r#"{ "populations.dpi.model.soma.Itau": Linear(from: "1 s", to: "2 s", n: 2) }"#),
        ("an impossible value", r#"{ "populations.dpi.model.soma.Itau": Linear(from: "1 pA", to: "-1 pA", n: 5) }"#),
        ("values that do not fit together", r#"{ "sources.input.size": List([4, 5]) }"#),
        ("a fraction of a neuron", r#"{ "replicas": Linear(from: 1, to: 2, n: 3) }"#),
        ("other lengths", r#"Zip(axes: { "seed": List([1, 2]), "connections.0.weight": List([1, 2, 3]) })"#),
        ("other columns", r#"{ "replicas": List([1, 2]) }"#),
        ("other probes", r#"{ "probes": List([{}, { "x": Spikes(of: "dpi") }]) }"#),
        (
            "other variables",
            r#"{ "probes": List([
                { "x": Trace(of: "dpi", vars: [Vmem], neurons: [0], every: "1 ms") },
                { "x": Trace(of: "dpi", vars: [Imem, Vmem], neurons: [0], every: "1 ms") },
            ]) }"#,
        ),
    ]), @r#"
    no values
      bad.ron:17:26 «List([]) },»
        sweep.replicas: the list of values is empty
        help: give it at least one value
    no paths
      bad.ron:17:12 «{},»
        sweep: a sweep needs a path and its values
        help: for example { "populations.dpi.model.soma.Itau": Log(from: "1 pA", to: "100 pA", n: 20) }, or Off
    a form
      bad.ron:17:12 «Gird(axes: { "replicas":»
        sweep: `Gird` is not a sweep
        help: did you mean `Grid`? known here are Off, Grid, Zip
    no axes
      bad.ron:17:12 «Zip(seeds: Shared),»
        sweep: `axes` is missing
        help: for example axes: { "replicas": List([1, 10, 100]) }
    a choice of seeds
      bad.ron:17:57 «Own),»
        sweep.seeds: `Own` is not a choice of the seeds of points
        help: known here are Derived, Shared
    a choice of values
      bad.ron:17:26 «Liste([1]) },»
        sweep.replicas: `Liste` is not a choice of values
        help: did you mean `List`? known here are Linear, Log, List
    a list by itself
      bad.ron:17:26 «[1, 2] },»
        sweep.replicas: expected a choice of values, found a list [ ]
        help: one of Linear, Log, List
    no number of values
      bad.ron:17:26 «Linear(from: "1 s", to: »
        sweep.duration: `n` is missing
        help: the number of values, for example n: 20
    0 values
      bad.ron:17:60 «0) },»
        sweep.duration.n: there has to be a value
        help: for example n: 20
    two units
      bad.ron:17:26 «Linear(from: "1 s", to: »
        sweep.duration: `from` is a time and `to` is a current
        help: give both in the same unit
    no quantity
      bad.ron:17:39 «"one", to: "2 s", n: 3) »
        sweep.duration.from: expected a number or a quantity, found the text "one"
        help: write it like "4 pA", or 0.7 where there is no unit
    ratios from 0
      bad.ron:17:26 «Log(from: "0 s", to: "2 »
        sweep.duration: values at even ratios are greater than 0
        help: start above 0, or use Linear
    no unit
      bad.ron:17:49 «Linear(from: 1, to: 2, n»
        populations.dpi.model.soma.Itau: at point 0 (populations.dpi.model.soma.Itau = 1) and at another one: `1` has no unit, but a current is expected
        help: write it with its unit, for example "1 pA"
    a wrong unit
      bad.ron:17:49 «Linear(from: "1 s", to: »
        populations.dpi.model.soma.Itau: at point 0 (populations.dpi.model.soma.Itau = 1 s) and at another one: `s` is not a unit of a current
        help: write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
    an impossible value
      bad.ron:17:49 «Linear(from: "1 pA", to:»
        populations.dpi.model.soma.Itau: at point 2 (populations.dpi.model.soma.Itau = 0 A) and at 2 others: must be greater than 0, but is 0 A
        help: a typical value is "4 pA"
    values that do not fit together
      bad.ron:19:58 «OneToOne, weight: 2, del»
        connections.0.rule: at point 1 (sources.input.size = 5): OneToOne of 5 (`input`) to 4 neurons (`dpi`)
        help: use equal sizes, cut one side with `neurons` or `to_neurons`, or AllToAll
      bad.ron:24:42 «"dpi"),»
        probes.ff.output: at point 1 (sources.input.size = 5): an FF curve of 5 inputs and 4 outputs
        help: neuron k of the output is plotted against input k: use equal sizes
    a fraction of a neuron
      bad.ron:17:12 «{ "replicas": Linear(fro»
        sweep: point 2 (replicas = 2) has replicas, and point 0 (replicas = 1) has none
        help: points share tables: split the sweep into several scenes
      bad.ron:17:26 «Linear(from: 1, to: 2, n»
        replicas: at point 1 (replicas = 1.5): expected a whole number, 0 or greater, found 1.5
        help: write it like 200
    other lengths
      bad.ron:17:46 «"connections.0.weight": »
        sweep: `connections.0.weight` has 3 values, `seed` has 2
        help: with Zip all paths have the same number of values
    other columns
      bad.ron:17:12 «{ "replicas": List([1, 2»
        sweep: point 1 (replicas = 2) has replicas, and point 0 (replicas = 1) has none
        help: points share tables: split the sweep into several scenes
    other probes
      bad.ron:17:12 «{ "probes": List([{}, { »
        sweep: the probes of point 1 (probes = { "x": Spikes(of: "dpi") }) are not those of point 0 (probes = {})
        help: points share tables: split the sweep into several scenes
    other variables
      bad.ron:17:12 «{ "probes": List([»
        sweep: `x` of point 1 (probes = { "x": Trace(of: "dpi", vars: [Imem, Vmem], neurons: [0], every: "1 ms") }) has the columns Imem, Vmem, and of point 0 (probes = { "x": Trace(of: "dpi", vars: [Vmem], neurons: [0], every: "1 ms") }) Vmem
        help: points share tables: split the sweep into several scenes
    "#);
}

#[test]
fn sweeps_that_are_too_large() {
    let limit = |sweep: &str| {
        let folder = folder(swept(sweep), &[]);
        let (_, error) = refused_run(folder.path(), &[], 4);
        refused(folder.path(), &["check", FILE], 4);
        format!("{}\n{}", error["message"].as_str().unwrap(), error["help"].as_str().unwrap())
    };
    insta::assert_snapshot!(
        [
            limit(r#"{ "seed": Linear(from: 1, to: 1000, n: 1000), "connections.0.weight": Linear(from: 1, to: 101, n: 101) }"#),
            limit(r#"{ "seed": Linear(from: 0, to: 1e9, n: 1000000000) }"#),
        ]
        .join("\n"),
        @r#"
        the sweep has 101000 points, more than 100000
        give its paths fewer values, or split it into several scenes
        the sweep has 1000000000 points, more than 100000
        give its paths fewer values, or split it into several scenes
        "#
    );
    // One point of two is: it is named.
    let said = limit(
        r#"Zip(axes: {
            "populations.dpi.size": List([4, 400000000]), "sources.input.size": List([4, 400000000]),
        })"#,
    );
    let point = "at point 1 (populations.dpi.size = 400000000, sources.input.size = 400000000): ";
    assert!(
        said.starts_with(&format!("{point}the scene has 400000000 neurons, more than")),
        "{said}"
    );
}

#[test]
fn commands_that_take_no_sweep() {
    let with = folder(swept(r#"{ "connections.0.weight": List([1, 2]) }"#), &[]);
    let without = folder(SCENE, &[]);
    insta::assert_snapshot!(
        [
            refused(with.path(), &["converge", FILE], 3),
            refused(with.path(), &["run", FILE, "--point", "2"], 3),
            refused(with.path(), &["run", FILE, "--dump", "biases"], 3),
            refused(without.path(), &["run", FILE, "--point", "0"], 3),
        ]
        .concat(),
        @r#"
        error: the scene has a sweep of 2 points
        help: `picoamp run` runs all of them; take one with --point N, or the scene without its sweep with --set sweep=Off
        error: there is no point 2: the sweep has 2
        help: they go from 0 to 1
        error: biases and edges of a sweep are not written
        help: run one of its points: --point N --dump …
        error: the scene has no sweep, and so no points
        help: leave --point out
        "#
    );
}
