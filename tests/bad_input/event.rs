//! What only the event-driven solver refuses, and how a run ends that fires without bound.

use super::*;

const EVENT: &str = "solver=Event(tolerance: \"1 us\")";
/// A projection from the population to itself.
const LOOP: &str = "connections.0.from=dpi";

#[test]
fn tolerances() {
    let cases: [(&str, &[&str]); 10] = [
        ("none", &["solver=Event(tolerance: \"0 s\")"]),
        ("negative", &["solver=Event(tolerance: \"-1 us\")"]),
        ("too fine", &["solver=Event(tolerance: \"0.1 ns\")"]),
        ("finer than time", &["solver=Event(tolerance: \"1 fs\")"]),
        ("another unit", &["solver=Event(tolerance: \"1 uV\")"]),
        ("no unit", &["solver=Event(tolerance: 1e-6)"]),
        ("no number", &["solver=Event(tolerance: \"small\")"]),
        ("of Euler", &["solver=Event(dt: \"1 ms\")"]),
        ("misspelt", &["solver=Event(tolerence: \"1 us\")"]),
        ("no such solver", &["solver=Events"]),
    ];
    insta::assert_snapshot!(table_of_sets(&cases), @r#"
    none
      --set #1:1:25 «"0 s")»
        solver.tolerance: must be greater than 0, but is 0 s
        help: it is at least 1 ns; the default is 1 us
    negative
      --set #1:1:25 «"-1 us")»
        solver.tolerance: must be greater than 0, but is -1 us
        help: it is at least 1 ns; the default is 1 us
    too fine
      --set #1:1:25 «"0.1 ns")»
        solver.tolerance: the tolerance 100 ps is finer than the arithmetic can keep
        help: it is at least 1 ns; the default is 1 us. Time is kept in picoseconds, and the error of many steps in double precision adds up
    finer than time
      --set #1:1:25 «"1 fs")»
        solver.tolerance: the tolerance 1 fs is finer than the arithmetic can keep
        help: it is at least 1 ns; the default is 1 us. Time is kept in picoseconds, and the error of many steps in double precision adds up
    another unit
      --set #1:1:25 «"1 uV")»
        solver.tolerance: `uV` is not a unit of a time
        help: write a time in s, with a prefix if you like (a f p n u m k M G), for example "1 ms"
    no unit
      --set #1:1:25 «1e-6)»
        solver.tolerance: `1e-6` has no unit, but a time is expected
        help: write it with its unit, for example "1e-6 s"
    no number
      --set #1:1:25 «"small")»
        solver.tolerance: `small` is not a time: a number and a unit are expected
        help: write it like "1 ms"
    of Euler
      --set #1:1:14 «dt: "1 ms")»
        solver.dt: there is no field `dt` here
        help: known here are tolerance, step
    misspelt
      --set #1:1:14 «tolerence: "1 us")»
        solver.tolerence: there is no field `tolerence` here
        help: did you mean `tolerance`? known here are tolerance, step
    no such solver
      --set #1:1:8 «Events»
        solver: `Events` is not a solver
        help: did you mean `Event`? known here are Event, Euler
    "#);
}

#[test]
fn delays_between_neurons() {
    let delay =
        |delay| ["connections.0.rule=AllToAll".to_string(), format!("connections.0.delay={delay}")];
    let cases = [
        ("none", delay("0 s")),
        ("too short", delay("10 ns")),
        ("sometimes too short", delay("Uniform(from: \"10 ns\", to: \"1 ms\")")),
    ];
    let mut text = String::new();
    for (what, [rule, delay]) in &cases {
        text += &table_of_sets(&[(what, &[EVENT, LOOP, rule, delay])]);
    }
    let edges = "rule: List([(0, 1, 1, \"1 ms\"), (1, 2, 1, \"500 ns\"), (2, 3, 1, \"2 ms\")])";
    let file = b"source,target,weight,delay_s\n0,1,1,0.001\n1,2,1,0.0000005\n";
    let rule = "rule: OneToOne, weight: 2, delay: \"1 ms\"";
    let from = ("from: \"input\", to: \"dpi\", receptor", "from: \"dpi\", to: \"dpi\", receptor");
    let solver = ("Euler(dt: \"1 ms\")", "Event(tolerance: \"1 us\")");
    text += &table(&[
        ("left out", &[solver, from, (rule, "rule: OneToOne")]),
        ("of one edge of a list", &[solver, from, (rule, edges)]),
    ]);
    text += &table_with_files(
        &[("e.csv", file)],
        &[("of one edge of a file", &[solver, from, (rule, "rule: File(\"e.csv\")")])],
    );
    insta::assert_snapshot!(text, @r#"
    none
      --set #4:1:21 «0 s»
        connections.0.delay: the event-driven solver needs a delay of at least 1 us between neurons, but the shortest here is 0 s
        help: write for example delay: "1 ms"; or choose solver: Euler(dt: …), where a spike acts in the next step
    too short
      --set #4:1:21 «10 ns»
        connections.0.delay: the event-driven solver needs a delay of at least 1 us between neurons, but the shortest here is 10 ns
        help: write for example delay: "1 ms"; or choose solver: Euler(dt: …), where a spike acts in the next step
    sometimes too short
      --set #4:1:21 «Uniform(from: "10 ns", t»
        connections.0.delay: the event-driven solver needs a delay of at least 1 us between neurons, but the shortest here is 10 ns
        help: write for example delay: "1 ms"; or choose solver: Euler(dt: …), where a spike acts in the next step
    left out
      bad.ron:18:56 «OneToOne),»
        connections.0.rule: the event-driven solver needs a delay of at least 1 us between neurons, but `delay` is left out, which means 0 s
        help: write for example delay: "1 ms"; or choose solver: Euler(dt: …), where a spike acts in the next step
    of one edge of a list
      bad.ron:18:56 «List([(0, 1, 1, "1 ms"),»
        connections.0.rule: the event-driven solver needs a delay of at least 1 us between neurons, but the shortest here is 500 ns
        help: give each edge at least 1 us; or choose solver: Euler(dt: …), where a spike acts in the next step
    of one edge of a file
      bad.ron:18:56 «File("e.csv")),»
        connections.0.rule: the event-driven solver needs a delay of at least 1 us between neurons, but the shortest here is 500 ns
        help: give each edge at least 1 us; or choose solver: Euler(dt: …), where a spike acts in the next step
    "#);
}

/// The same projections are right with Euler, and from a source.
#[test]
fn short_delays_elsewhere_are_right() {
    let folder = folder(SCENE, &[]);
    let probes = "probes={}";
    for sets in [
        &[LOOP, "connections.0.delay=0 s", probes][..],
        &[EVENT, "connections.0.delay=0 s", probes],
        &[EVENT, "connections.0.delay=10 ns", probes],
        &[EVENT, LOOP, "connections.0.delay=1 us", probes],
        // Neither duration nor window nor delay has a grid.
        &[EVENT, "duration=0.1234567 s", "window=1.7 ms", "connections.0.delay=1.23 us", probes],
    ] {
        let args = sets.iter().flat_map(|set| ["--set", set]);
        picoamp(folder.path()).args(["check", FILE]).args(args).assert().success().stderr("");
    }
}

/// Ten neurons without a refractory period that excite each other: each spike makes more than one.
/// The run ends with what was recorded until then.
#[test]
fn a_storm_ends_the_run() {
    let scene = r#"(
        duration: "10 s",
        solver: Event(tolerance: "1 us"),
        sources: { "input": (size: 1, train: Spikes(["5 ms"])) },
        populations: { "loop": (size: 10, model: lif(soma: (refP: "0 s"), exc: (w: 10))) },
        connections: [
            (from: "input", to: "loop", receptor: exc, rule: AllToAll),
            (from: "loop", to: "loop", receptor: exc, rule: AllToAll(), delay: "1 ms"),
        ],
        probes: { "raster": Spikes(of: "loop"), "early": Rate(of: "loop", bin: "1 ms") },
    )"#;
    let folder = folder(scene, &[]);
    let output =
        picoamp(folder.path()).args(["run", FILE, "--out", "out", "--json"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    let time = message
        .strip_prefix("`loop` fires without bound from t = ")
        .and_then(|rest| rest.strip_suffix(" s on"))
        .unwrap_or_else(|| panic!("{message}"));
    let time: f64 = time.parse().unwrap();
    assert!(time > 0.005 && time < 0.1, "{message}");
    assert_eq!(answer["error"]["exit_code"], 1);
    assert!(stderr.contains(&format!("error: {message}\n")), "{stderr}");
    assert!(stderr.contains("reduce the weights of the loop that feeds it"), "{stderr}");

    let out = folder.path().join("out");
    let summary: Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["status"], "failed");
    assert_eq!(summary["error"], message);
    let simulated = summary["simulated_s"].as_f64().unwrap();
    assert!(simulated > 0.005 && simulated <= time, "{simulated}");
    let raster = fs::read_to_string(out.join("raster.csv")).unwrap();
    let times = raster.lines().skip(1).map(|line| line.split_once(',').unwrap().1);
    let times: Vec<f64> = times.map(|time| time.parse().unwrap()).collect();
    assert!(times.len() > 100, "{}", times.len());
    assert!(times.iter().all(|t| *t <= simulated), "nothing of the part that failed is kept");
    assert!(out.join("early.csv").is_file() && out.join("raster.svg").is_file());
}
