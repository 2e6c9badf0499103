//! `--set`, many mistakes at once, and what a user sees.

use super::*;

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
        help: quote a key that holds a dot, and the whole argument for the shell: --set '….mismatch."soma.Itau"=…'
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
        help: did you mean `duration`? known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep
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
      help: did you mean `duration`? known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep
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
      help: did you mean `Poisson`? known here are Regular, Poisson, Spikes, File, Adm
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
      help: did you mean `OneToOne`? known here are OneToOne, AllToAll, FixedProbability, FixedInDegree, FixedOutDegree, FixedTotal, List, File
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
      help: known here are window, of, neurons, format
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
    insta::assert_snapshot!(shown(&[("    duration: \"1 s\",\n", "")]), @r#"
      × `duration` is missing
       ╭─[bad.ron:1:1]
     1 │ (
       · ─
     2 │     solver: Euler(dt: "1 ms"),
       ╰────
      help: for example duration: "1 s"
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

/// Of a long line only what stands around the mistake is shown, however far out that is.
#[test]
fn mistakes_far_out_on_a_line() {
    let edges: Vec<String> = (0..12_000).map(|k| format!("({}, 3)", k % 4)).collect();
    let rule = format!("rule: List([{}, (9, 3)])", edges.join(", "));
    let scene = edited(&[("rule: OneToOne", rule.as_str())]);
    let line = scene.lines().nth(17).unwrap();
    let column = line.find("9, 3").unwrap() + 1;
    assert!(column > 1 << 16);
    let folder = folder(&scene, &[]);
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("picoamp");
    let output = command.args(["check", FILE]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("neuron 9 does not exist, there are 4"), "{text}");
    assert!(text.contains("(3, 3), (9, 3)])"), "{text}");
    assert!(text.contains(&format!("[{FILE}:18:{column}]")), "{text}");
    assert!(text.len() < 2000, "{} bytes", text.len());
}
