//! Rules, forms and circuits of other presets.

use super::*;

#[test]
fn rules() {
    let rule = |rule: &str| format!("connections.0.rule={rule}");
    let cases = [
        ("a probability above 1", rule("FixedProbability(p: 1.5)")),
        ("a negative probability", rule("FixedProbability(p: -0.1)")),
        ("no probability", rule("FixedProbability()")),
        ("more sources than there are", rule("FixedInDegree(k: 5, multiple_edges: false)")),
        ("more targets than there are", rule("FixedOutDegree(k: 5, multiple_edges: false)")),
        ("more edges than there are", rule("FixedTotal(n: 17, multiple_edges: false)")),
        ("a negative degree", rule("FixedInDegree(k: -1)")),
        ("a misspelt flag", rule("FixedInDegree(k: 1, multiple_edge: false)")),
        ("a flag that the rule has not", rule("FixedProbability(p: 1, multiple_edges: true)")),
        ("no whole number", rule("FixedTotal(n: 1e99)")),
    ];
    let cases: Vec<(&str, Vec<&str>)> =
        cases.iter().map(|(what, set)| (*what, vec![set.as_str()])).collect();
    let cases: Vec<(&str, &[&str])> = cases.iter().map(|(w, s)| (*w, s.as_slice())).collect();
    insta::assert_snapshot!(table_of_sets(&cases), @"
    a probability above 1
      --set #1:1:40 «1.5)»
        connections.0.rule.p: a probability is between 0 and 1, not 1.5
        help: for example FixedProbability(p: 0.1)
    a negative probability
      --set #1:1:40 «-0.1)»
        connections.0.rule.p: a probability is between 0 and 1, not -0.1
        help: for example FixedProbability(p: 0.1)
    no probability
      --set #1:1:20 «FixedProbability()»
        connections.0.rule: `p` is missing
        help: for example FixedProbability(p: 0.1)
    more sources than there are
      --set #1:1:20 «FixedInDegree(k: 5, mult»
        connections.0.rule: 5 different edges wanted, but there are 4 sources of a target
        help: use at most 4, or allow multiple_edges: true
    more targets than there are
      --set #1:1:20 «FixedOutDegree(k: 5, mul»
        connections.0.rule: 5 different edges wanted, but there are 4 targets of a source
        help: use at most 4, or allow multiple_edges: true
    more edges than there are
      --set #1:1:20 «FixedTotal(n: 17, multip»
        connections.0.rule: 17 different edges wanted, but there are 16 pairs
        help: use at most 16, or allow multiple_edges: true
    a negative degree
      --set #1:1:37 «-1)»
        connections.0.rule.k: expected a whole number, 0 or greater, found -1
        help: write it like 200
    a misspelt flag
      --set #1:1:40 «multiple_edge: false)»
        connections.0.rule.multiple_edge: there is no field `multiple_edge` here
        help: did you mean `multiple_edges`? known here are self_connections, multiple_edges, k
    a flag that the rule has not
      --set #1:1:43 «multiple_edges: true)»
        connections.0.rule.multiple_edges: there is no field `multiple_edges` here
        help: known here are self_connections, p
    no whole number
      --set #1:1:34 «1e99)»
        connections.0.rule.n: 1e99 is too large
        help: write it like 200
    ");
}

/// Where the two cuts have no neuron in common, nobody meets itself.
#[test]
fn cuts_that_do_not_meet_are_fine() {
    let rule = "FixedInDegree(k: 2, self_connections: false, multiple_edges: false)";
    let cut = "neurons: Range(from: 0, to: 1), to_neurons: Range(from: 2, to: 3)";
    let scene = edited(&[
        ("from: \"input\"", "from: \"dpi\""),
        ("rule: OneToOne", &format!("rule: {rule}, {cut}")),
    ]);
    let folder = folder(scene, &[]);
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("picoamp");
    command.args(["check", FILE]).current_dir(folder.path()).assert().success();
}

/// The last candidate is the neuron itself.
#[test]
fn nobody_to_connect_to() {
    let cases: [(&str, &[&str]); 1] = [(
        "only oneself",
        &[
            "connections.0.from=dpi",
            "connections.0.neurons=[2]",
            "connections.0.rule=FixedOutDegree(k: 4, self_connections: false, multiple_edges: false)",
            "probes={}",
        ],
    )];
    insta::assert_snapshot!(table_of_sets(&cases), @"
    only oneself
      --set #3:1:20 «FixedOutDegree(k: 4, sel»
        connections.0.rule: 4 different edges wanted, but there are 3 targets of a source
        help: use at most 3, or allow multiple_edges: true
    ");
}

#[test]
fn forms_and_circuits() {
    let cases: [(&str, &[&str]); 9] = [
        ("no such form", &["populations.dpi.model.feedback=Powerlaw"]),
        ("no such refractory form", &["populations.dpi.model.refractory=Hold"]),
        ("a pulse without its width", &["populations.dpi.model.pulse=Width"]),
        ("a pulse of no width", &["populations.dpi.model.pulse=Width(\"0 s\")"]),
        ("a logistic without its biases", &["populations.dpi.model.feedback=Logistic"]),
        ("a bias of another form", &["populations.dpi.model.feedback=Off"]),
        ("a circuit that the preset has not", &["populations.dpi.model.gabaa=Off"]),
        ("a connection to what was taken out", &["populations.dpi.model.ampa=Off"]),
        (
            "mismatch of what was taken out",
            &[
                "populations.dpi.model.gabab=Off",
                "populations.dpi.mismatch={ \"gabab.Iw\": LogNormal(cv: 0.1) }",
            ],
        ),
    ];
    insta::assert_snapshot!(table_of_sets(&cases), @r#"
    no such form
      --set #1:1:32 «Powerlaw»
        populations.dpi.model.feedback: `Powerlaw` is not a feedback
        help: did you mean `PowerLaw`? known here are Off, PowerLaw, Logistic
    no such refractory form
      --set #1:1:34 «Hold»
        populations.dpi.model.refractory: `Hold` is not a refractory form
        help: known here are GateInput, HoldMembrane
    a pulse without its width
      --set #1:1:29 «Width»
        populations.dpi.model.pulse: `Width` takes one value
        help: write it like Width("10 us")
    a pulse of no width
      --set #1:1:35 «"0 s")»
        populations.dpi.model.pulse: must be greater than 0, but is 0 s
        help: a typical value is "1 ms"
    a logistic without its biases
      bad.ron:11:23 «(Itau: "4 pA", Igain: "8»
        populations.dpi.model.soma: `Ipfb_gain` is missing: the positive feedback far above its gate (logistic)
        help: it has no default in this preset: write for example Ipfb_gain: "4 pA"
      bad.ron:11:79 «"1.4e9 /A"),»
        populations.dpi.model.soma.Ipfb_norm: `/A` is not a unit of a current
        help: write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
    a bias of another form
      bad.ron:11:68 «Ipfb_norm: "1.4e9 /A"),»
        populations.dpi.model.soma.Ipfb_norm: there is no field `Ipfb_norm` here
        help: known here are C, Itau, Igain, Ith, Ireset, Idc, refP
    a circuit that the preset has not
      --set #1:1:23 «gabaa=Off»
        populations.dpi.model.gabaa: there is no field `gabaa` here
        help: did you mean `gabab`? known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    a connection to what was taken out
      bad.ron:18:46 «ampa, rule: OneToOne, we»
        connections.0.receptor: there is no ampa circuit: the model says ampa: Off
        help: leave ampa: Off out of the model
    mismatch of what was taken out
      --set #2:1:28 «"gabab.Iw": LogNormal(cv»
        populations.dpi.mismatch."gabab.Iw": this population has no gabab circuit: the model says gabab: Off
        help: leave gabab: Off out of the model
    "#);
}

#[test]
fn circuits_of_dynapse1() {
    let model = "populations.dpi.model=dynapse1()";
    let cases: [(&str, &[&str]); 4] = [
        ("a connection to AHP", &[model, "connections.0.receptor=ahp"]),
        (
            "a circuit that nothing connects to",
            &[model, "populations.dpi.mismatch={ \"nmda.Iw\": LogNormal(cv: 0.1) }"],
        ),
        ("an unknown state variable", &[model, "probes.vmem.vars=[Igaba]"]),
        ("an unknown receptor", &[model, "connections.0.receptor=gaba"]),
    ];
    insta::assert_snapshot!(table_of_sets(&cases), @r#"
    a connection to AHP
      --set #2:1:24 «ahp»
        connections.0.receptor: no connection reaches ahp: it is fed by the neuron itself
        help: known here are ampa, nmda, gabaa, gabab
    a circuit that nothing connects to
      --set #2:1:28 «"nmda.Iw": LogNormal(cv:»
        populations.dpi.mismatch."nmda.Iw": this population has no nmda circuit: nothing connects to it
        help: connect something to nmda, or mention it in the model: nmda: ()
    an unknown state variable
      --set #2:1:19 «Igaba]»
        probes.vmem.vars.0: the model dynapse1 has no state variable `Igaba`
        help: did you mean `Igabaa`? known here are Vmem, Imem, Iampa, Inmda, Igabaa, Igabab, Iahp
    an unknown receptor
      --set #2:1:24 «gaba»
        connections.0.receptor: `gaba` is not a receptor of the model dynapse1
        help: did you mean `gabaa`? known here are ampa, nmda, gabaa, gabab
    "#);
}

#[test]
fn laws_of_weights_and_delays() {
    let (weight, delay) = ("connections.0.weight=", "connections.0.delay=");
    let cases = [
        ("a delay below one step", delay, "0.4 ms"),
        ("a delay beyond the limit", delay, "11 s"),
        ("a bound beyond the limit", delay, "Uniform(from: \"1 ms\", to: \"11 s\")"),
        ("a bound between steps", delay, "Uniform(from: \"1 ms\", to: \"2.5 ms\")"),
        ("no lower bound", delay, "Normal(mean: \"3 ms\", sd: \"1 ms\")"),
        ("bounds the wrong way round", delay, "Uniform(from: \"3 ms\", to: \"1 ms\")"),
        ("a mean outside", delay, "Normal(mean: \"3 ms\", sd: \"1 ms\", min: \"4 ms\")"),
        ("no such law", delay, "Gamma(shape: 2)"),
        ("a bare number", delay, "Uniform(from: 1, to: 3)"),
        ("weights above the range", weight, "Uniform(from: 0, to: 70000)"),
        ("negative weights", weight, "Normal(mean: 1, sd: 1, min: -1)"),
        ("a unit", weight, "\"1 pA\""),
    ];
    let cases: Vec<(&str, String)> =
        cases.iter().map(|(what, key, value)| (*what, format!("{key}{value}"))).collect();
    let cases: Vec<(&str, Vec<&str>)> =
        cases.iter().map(|(what, set)| (*what, vec![set.as_str()])).collect();
    let cases: Vec<(&str, &[&str])> = cases.iter().map(|(w, s)| (*w, s.as_slice())).collect();
    insta::assert_snapshot!(table_of_sets(&cases), @r#"
    a delay below one step
      --set #1:1:21 «0.4 ms»
        connections.0.delay: the delay 0.0004 s is below one step dt = 0.001 s
        help: choose a whole number of steps; "0 s" acts in the next step
    a delay beyond the limit
      --set #1:1:21 «11 s»
        connections.0.delay: the delay 11 s is above the limit of 10 s
        help: the longest delay is 10 s
    a bound beyond the limit
      --set #1:1:47 «"11 s")»
        connections.0.delay.to: the delay 11 s is above the limit of 10 s
        help: the longest delay is 10 s
    a bound between steps
      --set #1:1:47 «"2.5 ms")»
        connections.0.delay.to: the delay 0.0025 s is no multiple of the step dt = 0.001 s
        help: choose a whole number of steps; "0 s" acts in the next step
    no lower bound
      --set #1:1:21 «Normal(mean: "3 ms", sd:»
        connections.0.delay: `min` is missing
        help: a normal law has `mean`, `sd`, `min` and, if you like, `max`
    bounds the wrong way round
      --set #1:1:21 «Uniform(from: "3 ms", to»
        connections.0.delay: the law ends at 0.001 s, before it starts at 0.003 s
        help: give the smaller value first
    a mean outside
      --set #1:1:21 «Normal(mean: "3 ms", sd:»
        connections.0.delay: the mean 0.003 s is not between the bounds 0.004 s and 0.007 s
        help: choose bounds around the mean
    no such law
      --set #1:1:21 «Gamma(shape: 2)»
        connections.0.delay: `Gamma` is not a law of delays
        help: known here are Uniform, Normal
    a bare number
      --set #1:1:35 «1, to: 3)»
        connections.0.delay.from: `1` has no unit, but a time is expected
        help: write it with its unit, for example "1 ms" or "1 s"
      --set #1:1:42 «3)»
        connections.0.delay.to: `3` has no unit, but a time is expected
        help: write it with its unit, for example "3 ms" or "3 s"
    weights above the range
      --set #1:1:43 «70000)»
        connections.0.weight.to: the weight 70000 is above 65536
        help: weights count pulses per spike; raise Iw instead
    negative weights
      --set #1:1:50 «-1)»
        connections.0.weight.min: the weight -1 is negative
        help: weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)
    a unit
      --set #1:1:22 «"1 pA"»
        connections.0.weight: expected a number, found the text "1 pA"
        help: write it like 0.7
    "#);
}

#[test]
fn lists_of_edges() {
    let rule = |rule| [("rule: OneToOne, weight: 2, delay: \"1 ms\"", rule)];
    insta::assert_snapshot!(table(&[
        ("a neuron out of range", &rule("rule: List([(0, 4), (4, 0)])")),
        ("no edge", &rule("rule: List([3])")),
        ("too long", &rule("rule: List([(0, 1, 2, \"1 ms\", 3)])")),
        ("an impossible weight and delay", &rule("rule: List([(0, 1, -2, \"0.5 ms\")])")),
        ("weights twice", &rule("rule: List([(0, 1, 2)]), weight: 3")),
        ("a list and a cut", &rule("rule: List([(0, 1)]), neurons: [0]")),
    ]), @r#"
    a neuron out of range
      bad.ron:18:68 «4), (4, 0)])),»
        connections.0.rule.0.1: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
      bad.ron:18:73 «4, 0)])),»
        connections.0.rule.1.0: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    no edge
      bad.ron:18:64 «3])),»
        connections.0.rule.0: expected an edge, found the number 3
        help: write (source, target), (source, target, weight) or (source, target, weight, "delay"), for example (0, 3, 1.5, "2 ms")
    too long
      bad.ron:18:64 «(0, 1, 2, "1 ms", 3)])),»
        connections.0.rule.0: expected an edge, found a group ( )
        help: write (source, target), (source, target, weight) or (source, target, weight, "delay"), for example (0, 3, 1.5, "2 ms")
    an impossible weight and delay
      bad.ron:18:71 «-2, "0.5 ms")])),»
        connections.0.rule.0.2: the weight -2 is negative
        help: weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)
      bad.ron:18:75 «"0.5 ms")])),»
        connections.0.rule.0.3: the delay 0.0005 s is below one step dt = 0.001 s
        help: choose a whole number of steps; "0 s" acts in the next step
    weights twice
      bad.ron:18:85 «3),»
        connections.0.weight: the list of edges gives each its weight
        help: leave `weight` out, here or there
    a list and a cut
      bad.ron:18:58 «List([(0, 1)]), neurons:»
        connections.0.rule: the list names the neurons, so neither side can be cut
        help: leave `neurons` and `to_neurons` out
    "#);
}

#[test]
fn files_of_edges() {
    let file = [("rule: OneToOne, weight: 2, delay: \"1 ms\"", "rule: File(\"e.csv\")")];
    let cases: &[(&str, &[u8])] = &[
        ("a source out of range", b"source,target\n0,1\n4,0\n"),
        ("a target out of range", b"source,target,weight,delay_s\n0,1,1,0\n3,4,1,0\n"),
        ("another header", b"from,to\n0,1\n"),
        ("columns the wrong way round", b"source,target,delay_s,weight\n0,1,0,1\n"),
        ("a missing value", b"source,target,weight\n0,1\n"),
        ("a weight above the range", b"source,target,weight\n0,1,70000\n"),
        ("a negative weight", b"source,target,weight\n0,1,-1\n"),
        ("a weight that is no number", b"source,target,weight\n0,1,NaN\n"),
        ("a delay between steps", b"source,target,weight,delay_s\n0,1,1,0.0015\n"),
        ("a delay beyond the limit", b"source,target,weight,delay_s\n0,1,1,11\n"),
        ("a negative delay", b"source,target,weight,delay_s\n0,1,1,-1\n"),
        ("empty", b""),
    ];
    let mut text = String::new();
    for (what, content) in cases {
        text += &table_with_files(&[("e.csv", content)], &[(what, &file)]);
    }
    insta::assert_snapshot!(text, @r#"
    a source out of range
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 3: source: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a target out of range
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 3: target: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    another header
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 1: the header is `from,to`
        help: the first line is the header source,target,weight,delay_s; weight and delay_s may be left out
    columns the wrong way round
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 1: the header is `source,target,delay_s,weight`
        help: the first line is the header source,target,weight,delay_s; weight and delay_s may be left out
    a missing value
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: expected 3 values, found 2
        help: each line has one value for each column
    a weight above the range
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: the weight 70000 is above 65536
        help: weights count pulses per spike; raise Iw instead
    a negative weight
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: the weight -1 is negative
        help: weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)
    a weight that is no number
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: the weight `NaN` is not a finite number
        help: write it like 1.5
    a delay between steps
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: the delay 0.0015 s is no multiple of the step dt = 0.001 s
        help: choose a whole number of steps; "0 s" acts in the next step
    a delay beyond the limit
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: the delay 11 s is above the limit of 10 s
        help: the longest delay is 10 s
    a negative delay
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 2: the delay `-1` is not a time in seconds
        help: write it like 0.0025
    empty
      bad.ron:18:63 «"e.csv")),»
        connections.0.rule: e.csv, line 1: the file is empty
        help: the first line is the header source,target,weight,delay_s; weight and delay_s may be left out
    "#);
}
