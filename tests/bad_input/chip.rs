//! Scenes that do not fit on their chip.

use super::*;

/// Sizes, cores and nominal biases.
#[test]
fn cores() {
    let exc = "dynapse1(ampa: (Iw: \"200 pA\"))";
    let inh = "dynapse1(soma: (Itau: \"6 pA\"))";
    // Only populations: every case says how many neurons of which model, and on which chip.
    let scene = |populations: &[(&str, u64, &str)], chip: &str| {
        let populations: String = populations
            .iter()
            .map(|(name, size, model)| {
                format!("        {name:?}: (size: {size}, model: {model}),\n")
            })
            .collect();
        format!(
            "(\n    duration: \"1 s\",\n    solver: Euler(dt: \"1 ms\"),\n    \
             populations: {{\n{populations}    }},\n    chip: {chip},\n)\n"
        )
    };
    let cases = [
        ("one more than the chip has", scene(&[("exc", 1025, exc)], "Dynapse1")),
        (
            "two bias groups of two and a half cores each, and one that shares with the first",
            scene(
                &[("exc", 640, exc), ("inh", 640, inh), ("more", 128, exc), ("one", 1, inh)],
                "Dynapse1()",
            ),
        ),
        (
            "one more than a core has",
            scene(&[("exc", 257, exc)], "Dynapse1(cores: { \"exc\": 3 })"),
        ),
        (
            "one more than two cores have, one of them shared",
            scene(
                &[("a", 100, exc), ("b", 413, exc)],
                "Dynapse1(cores: { \"a\": [2], \"b\": [2, 0] })",
            ),
        ),
        (
            "two bias groups on one core",
            scene(
                &[("exc", 100, exc), ("inh", 100, inh)],
                "Dynapse1(cores: { \"exc\": 0, \"inh\": 0 })",
            ),
        ),
        (
            "two models on one core",
            scene(
                &[("a", 1, "dynapse1()"), ("b", 1, "arcana(feedback: Off)")],
                "Dynapse1(cores: { \"a\": 1, \"b\": 1 })",
            ),
        ),
        (
            "a circuit that is off in one of two populations of a core",
            scene(
                &[("a", 1, "dynapse1()"), ("b", 1, "dynapse1(ahp: Off)")],
                "Dynapse1(cores: { \"a\": 1, \"b\": 1 })",
            ),
        ),
        ("a model that is no circuit of the chip", scene(&[("exc", 10, "lif()")], "Dynapse1")),
        (
            "limits of another chip",
            scene(&[("exc", 9, exc)], "Dynapse1(chips: 2, cores_per_chip: 2, neurons_per_core: 2)"),
        ),
    ];
    insta::assert_snapshot!(table_of_texts(&cases), @"
    one more than the chip has
      bad.ron:5:16 «(size: 1025, model: dyna»
        populations.exc: `exc` of size 1025 ends on core 4, but there are 4 cores, 0 to 3
        help: reduce the sizes, let populations share cores by the same nominal values, or use chips: 2
    two bias groups of two and a half cores each, and one that shares with the first
      bad.ron:6:16 «(size: 640, model: dynap»
        populations.inh: `inh` of size 640 ends on core 5, but there are 4 cores, 0 to 3
        help: reduce the sizes, let populations share cores by the same nominal values, or use chips: 2
      bad.ron:8:16 «(size: 1, model: dynapse»
        populations.one: `one` of size 1 ends on core 5, but there are 4 cores, 0 to 3
        help: reduce the sizes, let populations share cores by the same nominal values, or use chips: 2
    one more than a core has
      bad.ron:7:36 «3 }),»
        chip.cores.exc: `exc` has 257 neurons, but core 3 has room for 256 (256 a core)
        help: name more cores, or reduce the size
    one more than two cores have, one of them shared
      bad.ron:8:44 «[2, 0] }),»
        chip.cores.b: `b` has 413 neurons, but cores [2, 0] have room for 412 (256 a core)
        help: name more cores, or reduce the size
    two bias groups on one core
      bad.ron:8:46 «0 }),»
        chip.cores.inh: core 0 has one bias group, but soma.Itau is 6 pA in `inh` and 5 pA in `exc`
        help: give both the same nominal values (mismatch may differ), or another core
    two models on one core
      bad.ron:8:42 «1 }),»
        chip.cores.b: core 1 has one bias group, but the model is arcana in `b` and dynapse1 in `a`
        help: give both the same nominal values (mismatch may differ), or another core
    a circuit that is off in one of two populations of a core
      bad.ron:8:42 «1 }),»
        chip.cores.b: core 1 has one bias group, but ahp is Off in `b` and on in `a`
        help: give both the same nominal values (mismatch may differ), or another core
    a model that is no circuit of the chip
      bad.ron:5:34 «lif()),»
        populations.exc.model: `exc` has the model lif, which is not on this chip
        help: use dynapse1 or arcana, or leave `chip` out
    limits of another chip
      bad.ron:5:16 «(size: 9, model: dynapse»
        populations.exc: `exc` of size 9 ends on core 4, but there are 4 cores, 0 to 3
        help: reduce the sizes, let populations share cores by the same nominal values, or use chips: 3
    ");
}

/// Fan-in and weights.
#[test]
fn words_of_memory() {
    let chip = ("probes: {", "chip: Dynapse1(),\n    probes: {");
    let weight = |weight| ("weight: 2, ", weight);
    let edges = ("rule: OneToOne", "rule: List([(0, 1, 60), (1, 1, 5), (0, 3, 70), (2, 2, 64)])");
    let twice = (
        "connections: [",
        "connections: [\n        (name: \"own\", from: \"dpi\", to: \"dpi\", receptor: gabab, rule: \
         AllToAll(self_connections: false), weight: 10),",
    );
    let dynapse = (
        "arcana(\n                soma: (Itau: \"4 pA\", Igain: \"80 pA\", Ith: \"12 mA\", Ipfb_norm: \
         \"1.4e9 /A\"),",
        "dynapse1(",
    );
    insta::assert_snapshot!(
        table(&[
            ("one neuron too many words", &[chip, weight("weight: 65, ")]),
            ("all receptors and sources count", &[chip, twice, weight("weight: 35, ")]),
            ("a list", &[chip, edges, weight("")]),
            ("a limit that the scene gives", &[
                ("probes: {", "chip: Dynapse1(fan_in: 1),\n    probes: {"),
            ]),
            ("weights that are no whole numbers", &[chip, dynapse, weight("weight: 0.5, ")]),
            ("drawn weights", &[
                chip,
                dynapse,
                weight("weight: Uniform(from: 65, to: 65.5), "),
            ]),
            ("a weight of a list", &[
                chip,
                dynapse,
                ("rule: OneToOne", "rule: List([(0, 1, 60), (1, 2, 2.5)])"),
                weight(""),
            ]),
        ]),
        @r#"
    one neuron too many words
      bad.ron:8:16 «(»
        populations.dpi: neuron 0 of `dpi` has a fan-in of 65, more than 64 (and 3 more neurons)
        help: a weight of n counts n: 65 by `input->dpi:ampa`; reduce degrees or weights, and raise Iw instead
    all receptors and sources count
      bad.ron:8:16 «(»
        populations.dpi: neuron 0 of `dpi` has a fan-in of 65, more than 64 (and 3 more neurons)
        help: a weight of n counts n: 30 by `own`, 35 by `input->dpi:ampa`; reduce degrees or weights, and raise Iw instead
    a list
      bad.ron:8:16 «(»
        populations.dpi: neuron 3 of `dpi` has a fan-in of 70, more than 64 (and 1 more neuron)
        help: a weight of n counts n: 70 by `input->dpi:ampa`; reduce degrees or weights, and raise Iw instead
    a limit that the scene gives
      bad.ron:8:16 «(»
        populations.dpi: neuron 0 of `dpi` has a fan-in of 2, more than 1 (and 3 more neurons)
        help: a weight of n counts n: 2 by `input->dpi:ampa`; reduce degrees or weights, and raise Iw instead
    weights that are no whole numbers
      bad.ron:17:76 «0.5, delay: "1 ms"),»
        connections.0.weight: the weight 0.5 from 0 to 0 is not a whole number (and 3 more edges)
        help: a weight of n takes n words of the neuron: use whole numbers, and Iw for the strength of each
    drawn weights
      bad.ron:8:16 «(»
        populations.dpi: neuron 0 of `dpi` has a fan-in of 66, more than 64 (and 3 more neurons)
        help: a weight of n counts n: 66 by `input->dpi:ampa`; reduce degrees or weights, and raise Iw instead
      bad.ron:17:76 «Uniform(from: 65, to: 65»
        connections.0.weight: the weight 65.39531879249425 from 0 to 0 is not a whole number (and 3 more edges)
        help: a weight of n takes n words of the neuron: use whole numbers, and Iw for the strength of each
    a weight of a list
      bad.ron:17:58 «List([(0, 1, 60), (1, 2,»
        connections.0.rule: the weight 2.5 from 1 to 2 is not a whole number
        help: a weight of n takes n words of the neuron: use whole numbers, and Iw for the strength of each
    "#
    );
}

/// The option itself.
#[test]
fn options() {
    let chip = |chip: &str| format!("chip={chip}");
    let cases = [
        ("another chip", chip("Dynapse2")),
        ("no chip has fields", chip("Off(chips: 2)")),
        ("a misspelt limit", chip("Dynapse1(fanin: 32)")),
        ("no chip", chip("Dynapse1(chips: 0)")),
        ("too many", chip("Dynapse1(cores_per_chip: 1e12)")),
        ("a fraction", chip("Dynapse1(fan_in: 6.5)")),
        ("a core that is not there", chip("Dynapse1(cores: { \"dpi\": [3, 4] })")),
        ("a core twice", chip("Dynapse1(cores: { \"dpi\": [1, 1] })")),
        ("no core", chip("Dynapse1(cores: { \"dpi\": [] })")),
        ("no number", chip("Dynapse1(cores: { \"dpi\": \"all\" })")),
        ("a source", chip("Dynapse1(cores: { \"input\": 0 })")),
        ("an unknown population", chip("Dynapse1(cores: { \"dip\": 0 })")),
    ];
    let cases: Vec<(&str, Vec<&str>)> =
        cases.iter().map(|(what, set)| (*what, vec![set.as_str()])).collect();
    let cases: Vec<(&str, &[&str])> = cases.iter().map(|(w, s)| (*w, s.as_slice())).collect();
    insta::assert_snapshot!(table_of_sets(&cases), @r#"
    another chip
      --set #1:1:6 «Dynapse2»
        chip: `Dynapse2` is not a chip
        help: did you mean `Dynapse1`? known here are Off, Dynapse1
    no chip has fields
      --set #1:1:6 «Off(chips: 2)»
        chip: `Off` takes nothing in parentheses
        help: write only Off
    a misspelt limit
      --set #1:1:15 «fanin: 32)»
        chip.fanin: there is no field `fanin` here
        help: did you mean `fan_in`? known here are cores, chips, cores_per_chip, neurons_per_core, fan_in
    no chip
      --set #1:1:22 «0)»
        chip.chips: 0 is not between 1 and 2^32 − 1
        help: the chip has chips: 1
    too many
      --set #1:1:31 «1e12)»
        chip.cores_per_chip: 1000000000000 is not between 1 and 2^32 − 1
        help: the chip has cores_per_chip: 4
    a fraction
      --set #1:1:23 «6.5)»
        chip.fan_in: expected a whole number, 0 or greater, found 6.5
        help: write it like 200
    a core that is not there
      --set #1:1:35 «4] })»
        chip.cores.dpi.1: core 4 does not exist, there are 4
        help: cores are counted over all chips, here from 0 to 3; `chips` says how many there are
    a core twice
      --set #1:1:35 «1] })»
        chip.cores.dpi.1: core 1 stands in this list twice
        help: name each core once
    no core
      --set #1:1:31 «[] })»
        chip.cores.dpi: the list of cores is empty
        help: name at least one core
    no number
      --set #1:1:31 «"all" })»
        chip.cores.dpi: expected a whole number, found the text "all"
        help: write it like 200
    a source
      --set #1:1:24 «"input": 0 })»
        chip.cores.input: `input` is a source; sources need no core
        help: only `dpi` is known here
    an unknown population
      --set #1:1:24 «"dip": 0 })»
        chip.cores.dip: there is no population `dip`
        help: did you mean `dpi`? only `dpi` is known here
    "#);
}

/// A scene that cannot run anyway is not drawn edge by edge first.
#[test]
fn a_scene_that_is_too_large() {
    let folder = folder(SCENE, &[]);
    let sets = [
        "sources.input.size=1000000",
        "populations.dpi.size=1000000",
        "connections.0.rule=AllToAll",
        "probes={}",
        "chip=Dynapse1",
    ];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    for command in ["run", "check", "resolve"] {
        let stderr = refused(folder.path(), &[&[command, FILE], &sets[..]].concat(), 4);
        assert!(stderr.contains("1000000000000 edges, more than 2^32"), "{command}: {stderr}");
    }
}
