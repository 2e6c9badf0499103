//! Quantities, numbers and times that cannot be.

use super::*;

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
        ("a rate that no source has", &[("\"50 Hz\"", "\"1.5 MHz\"")]),
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
    a rate that no source has
      bad.ron:5:50 «"1.5 MHz")),»
        sources.input.train.rates: 1500000 Hz is above 1 MHz
        help: the highest rate of a source is 1 MHz; use several sources
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
        populations.dpi.init.Imem: 1 fA is below the least value 50 fA
        help: choose at least 50 fA (no current of a circuit is below I0)
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
        help: choose a whole number of steps; "0 s" acts in the next step
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

/// Biases that are given neuron by neuron in the scene.
#[test]
fn given_biases_that_cannot_be() {
    for (given, expected) in [
        (
            "Given({ \"soma.Itaw\": Linear(from: \"1 pA\", to: \"2 pA\") })",
            "did you mean `soma.Itau`?",
        ),
        (
            "Given({ \"soma.Itau\": Linear(from: \"1 pA\", to: \"2 mV\") })",
            "populations.dpi.biases",
        ),
        ("Given({ \"soma.Itau\": Linear(from: \"0 A\", to: \"2 pA\") })", "greater than 0"),
        ("Given({ \"soma.Itau\": List([\"1 pA\"]) })", "1 values for 3 neurons"),
        ("Given({ \"soma.Itau\": \"1 pA\" })", "values of a bias"),
        ("Given([])", "expected a map"),
        ("Given({ \"soma.Ireset\": Linear(from: \"1 pA\", to: \"1 A\") })", "neuron 1: "),
        ("Measured(\"chip.csv\")", "given biases"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let scene = "(duration: \"1 ms\", populations: { \"dpi\": (size: 3, model: dynapse1()) })";
        fs::write(folder.path().join("scene.ron"), scene).unwrap();
        let set = format!("populations.dpi.biases={given}");
        let output = assert_cmd::cargo::cargo_bin_cmd!("picoamp")
            .args(["check", "scene.ron", "--set", &set])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{given}: {said}");
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(expected), "{given}: {said}");
    }
}
