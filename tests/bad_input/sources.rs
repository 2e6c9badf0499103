//! Spike trains.

use super::*;

/// Cases in which the train is another one.
fn trains(cases: &[(&str, &'static str)], files: &[(&str, &[u8])]) -> String {
    let train = |train: &'static str| [("Regular(rates: \"50 Hz\")", train)];
    let tables = cases.iter().map(|(what, to)| table_with_files(files, &[(what, &train(to))]));
    tables.collect()
}

#[test]
fn phase_and_jitter() {
    insta::assert_snapshot!(trains(&[
        ("a phase without a unit", r#"Regular(rates: "50 Hz", phase: 2)"#),
        ("a negative phase", r#"Regular(rates: "50 Hz", phase: "-2 ms")"#),
        ("a misspelt phase", r#"Regular(rates: "50 Hz", phase: Randm)"#),
        ("a phase with something in parentheses", r#"Regular(rates: "50 Hz", phase: Random(1))"#),
        ("a phase off the grid", r#"Regular(rates: "50 Hz", grid: "1 ms", phase: "2.5 ms")"#),
        ("a negative jitter", r#"Regular(rates: "50 Hz", jitter: "-1 ms")"#),
        ("a jitter of another unit", r#"Regular(rates: "50 Hz", jitter: "1 Hz")"#),
        ("a jitter of many periods", r#"Regular(rates: "50 Hz", jitter: "0.3 s")"#),
        ("a misspelt jitter", r#"Regular(rates: "50 Hz", jiter: "1 ms")"#),
    ], &[]), @r#"
    a phase without a unit
      bad.ron:5:66 «2)),»
        sources.input.train.phase: `2` has no unit, but a time is expected
        help: write it with its unit, for example "2 ms" or "2 s"
    a negative phase
      bad.ron:5:66 «"-2 ms")),»
        sources.input.train.phase: must be 0 or greater, but is -2 ms
        help: a typical value is "1 ms"
    a misspelt phase
      bad.ron:5:66 «Randm)),»
        sources.input.train.phase: `Randm` is not a phase (a time, Linear or Random)
        help: did you mean `Random`? known here are Linear, Random
    a phase with something in parentheses
      bad.ron:5:66 «Random(1))),»
        sources.input.train.phase: `Random` takes nothing in parentheses
        help: write only Random
    a phase off the grid
      bad.ron:5:80 «"2.5 ms")),»
        sources.input.train.phase: the phase 0.0025 s is no multiple of the grid 0.001 s
        help: with a grid, all spikes are on it
    a negative jitter
      bad.ron:5:67 «"-1 ms")),»
        sources.input.train.jitter: must be 0 or greater, but is -1 ms
        help: a typical value is "1 ms"
    a jitter of another unit
      bad.ron:5:67 «"1 Hz")),»
        sources.input.train.jitter: `Hz` is not a unit of a time
        help: write a time in s, with a prefix if you like (a f p n u m k M G), for example "1 ms"
    a jitter of many periods
      bad.ron:5:67 «"0.3 s")),»
        sources.input.train.jitter: a jitter of 0.3 s is more than 10 periods of a source of 50 Hz
        help: a train with so much jitter is no longer regular: reduce it, or use Poisson(rates: …)
    a misspelt jitter
      bad.ron:5:59 «jiter: "1 ms")),»
        sources.input.train.jiter: there is no field `jiter` here
        help: did you mean `jitter`? known here are rates, grid, phase, jitter
    "#);
}

#[test]
fn rates_that_change() {
    insta::assert_snapshot!(trains(&[
        ("no steps", "Poisson(rates: Steps([]))"),
        ("nothing at the beginning", r#"Poisson(rates: Steps([("0.1 s", "10 Hz")]))"#),
        ("not sorted", r#"Poisson(rates: Steps([("0 s", "1 Hz"), ("2 s", "2 Hz"), ("1 s", "3 Hz")]))"#),
        ("a time twice", r#"Poisson(rates: Steps([("0 s", "1 Hz"), ("0 s", "2 Hz")]))"#),
        ("a rate above 1 MHz", r#"Poisson(rates: Steps([("0 s", "1 Hz"), ("1 s", "2 MHz")]))"#),
        ("a negative rate", r#"Poisson(rates: Steps([("0 s", "-1 Hz")]))"#),
        ("no pairs", r#"Poisson(rates: Steps(["0 s", "10 Hz"]))"#),
        ("a time for a rate", r#"Poisson(rates: Steps([("0 s", "10 ms")]))"#),
        ("too few rates in a step", r#"Poisson(rates: Steps([("0 s", List(["1 Hz"]))]))"#),
        ("steps of steps", r#"Poisson(rates: Steps([("0 s", Steps([]))]))"#),
        ("a misspelt form", r#"Poisson(rates: Step([("0 s", "10 Hz")]))"#),
        ("of a train that has none", r#"Regular(rates: Steps([("0 s", "10 Hz")]))"#),
        ("no rates", "Poisson()"),
    ], &[]), @r#"
    no steps
      bad.ron:5:56 «[]))),»
        sources.input.train.rates: the list of steps is empty
        help: write ("time", rate), for example ("0.5 s", "50 Hz")
    nothing at the beginning
      bad.ron:5:58 «"0.1 s", "10 Hz")]))),»
        sources.input.train.rates.0.0: the first rate holds from 0.1 s on, not from 0 s
        help: say what the rate is at the beginning: a rate of 0 Hz is silent
    not sorted
      bad.ron:5:92 «"1 s", "3 Hz")]))),»
        sources.input.train.rates.2.0: 1 s does not come after 2 s
        help: sort the steps by time
    a time twice
      bad.ron:5:75 «"0 s", "2 Hz")]))),»
        sources.input.train.rates.1.0: 0 s does not come after 0 s
        help: sort the steps by time
    a rate above 1 MHz
      bad.ron:5:82 «"2 MHz")]))),»
        sources.input.train.rates.1.1: 2000000 Hz is above 1 MHz
        help: the highest rate of a source is 1 MHz; use several sources
    a negative rate
      bad.ron:5:65 «"-1 Hz")]))),»
        sources.input.train.rates.0.1: must be 0 or greater, but is -1 Hz
        help: a typical value is "100 Hz"
    no pairs
      bad.ron:5:57 «"0 s", "10 Hz"]))),»
        sources.input.train.rates.0: expected a step of the rate, found the text "0 s"
        help: write ("time", rate), for example ("0.5 s", "50 Hz")
      bad.ron:5:64 «"10 Hz"]))),»
        sources.input.train.rates.1: expected a step of the rate, found the text "10 Hz"
        help: write ("time", rate), for example ("0.5 s", "50 Hz")
    a time for a rate
      bad.ron:5:65 «"10 ms")]))),»
        sources.input.train.rates.0.1: `ms` is not a unit of a rate
        help: write a rate in Hz, with a prefix if you like (a f p n u m k M G), for example "100 Hz"
    too few rates in a step
      bad.ron:5:70 «["1 Hz"]))]))),»
        sources.input.train.rates.0.1: 1 rates for 4 sources
        help: give one rate for each source
    steps of steps
      bad.ron:5:65 «Steps([]))]))),»
        sources.input.train.rates.0.1: `Steps` is not a list of rates
        help: known here are Linear, List
    a misspelt form
      bad.ron:5:50 «Step([("0 s", "10 Hz")])»
        sources.input.train.rates: `Step` is not a list of rates
        help: did you mean `Steps`? known here are Linear, List, Steps, File
    of a train that has none
      bad.ron:5:50 «Steps([("0 s", "10 Hz")]»
        sources.input.train.rates: `Steps` is not a list of rates
        help: known here are Linear, List
    no rates
      bad.ron:5:35 «Poisson()),»
        sources.input.train: `rates` is missing
        help: for example rates: "100 Hz", Linear(from: "0 Hz", to: "199 Hz"), List(["1 Hz", …]) or Steps([("0 s", "10 Hz"), ("0.5 s", "50 Hz")])
    "#);
}

#[test]
fn files_of_rates() {
    let cases: &[(&str, &[u8])] = &[
        ("late", b"time_s,all\n0.5,10\n"),
        ("not sorted", b"time_s,all\n0,10\n2,20\n1,30\n"),
        ("of another size", b"time_s,a,b\n0,10,20\n"),
        ("a rate that is no number", b"time_s,all\n0,fast\n"),
        ("a negative rate", b"time_s,all\n0,-10\n"),
        ("a rate above 1 MHz", b"time_s,all\n0,2e6\n"),
        ("another header", b"time,all\n0,10\n"),
        ("no column", b"time_s\n0\n"),
        ("only a header", b"time_s,all\n"),
        ("empty", b""),
    ];
    let mut text = String::new();
    for (what, content) in cases {
        text += &trains(&[(what, "Poisson(rates: File(\"in.csv\"))")], &[("in.csv", content)]);
    }
    insta::assert_snapshot!(text, @r#"
    late
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv: the first rate holds from 0.5 s on, not from 0 s
        help: say what the rate is at the beginning: a rate of 0 Hz is silent
    not sorted
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 4: 1 s does not come after 2 s
        help: give each time one line, in ascending order
    of another size
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv: 2 columns of rates for 4 sources
        help: after time_s give one column for all sources or one for each
    a rate that is no number
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 2: all: `fast` is not a finite number
        help: write it like 0.0125
    a negative rate
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 2: all: -10 Hz is negative
        help: rates are in Hz, from 0 to 1e6
    a rate above 1 MHz
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 2: all: 2000000 Hz is above 1 MHz
        help: rates are in Hz, from 0 to 1e6
    another header
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 1: the header is `time,all`
        help: the first line is a header like time_s,rate_hz
    no column
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 1: the header is `time_s`
        help: the first line is a header like time_s,rate_hz
    only a header
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 1: there is nothing after the header
        help: each line is a time and values
    empty
      bad.ron:5:55 «"in.csv"))),»
        sources.input.train.rates: in.csv, line 1: the file is empty
        help: the first line is a header like time_s,rate_hz
    "#);
}

#[test]
fn encoders() {
    let signal: &[u8] = b"time_s,x,y\n0,1,2\n1,2,1\n";
    let mut text = trains(
        &[
            ("no threshold", "Adm(file: \"in.csv\")"),
            ("no file", "Adm(threshold: 0.1)"),
            ("a file that is not there", "Adm(file: \"out.csv\", threshold: 0.1)"),
            ("a threshold of 0", "Adm(file: \"in.csv\", threshold: 0)"),
            ("a negative threshold", "Adm(file: \"in.csv\", threshold: (up: 0.1, down: -0.1))"),
            ("a threshold with a unit", "Adm(file: \"in.csv\", threshold: \"1 mV\")"),
            ("one threshold of two", "Adm(file: \"in.csv\", threshold: (up: 0.1))"),
            ("a threshold in the wrong unit", "Adm(file: \"in.csv\", threshold: 1e-9)"),
            ("a negative period", "Adm(file: \"in.csv\", threshold: 0.1, refractory: \"-1 ms\")"),
            ("a misspelt period", "Adm(file: \"in.csv\", threshold: 0.1, refractor: \"1 ms\")"),
        ],
        &[("in.csv", signal)],
    );
    let cases: &[(&str, &[u8])] = &[
        ("a size that is not the file's", b"time_s,x\n0,1\n1,2\n"),
        ("times that go back", b"time_s,x,y\n0,1,2\n1,2,1\n0.5,1,1\n"),
        ("a value that is not finite", b"time_s,x,y\n0,1,2\n1,NaN,1\n"),
        ("a value that is missing", b"time_s,x,y\n0,1,2\n1,1\n"),
        ("a time before 0", b"time_s,x,y\n-1,1,2\n1,1,1\n"),
    ];
    for (what, content) in cases {
        text += &trains(&[(what, "Adm(file: \"in.csv\", threshold: 0.1)")], &[("in.csv", content)]);
    }
    insta::assert_snapshot!(text, @r#"
    no threshold
      bad.ron:5:35 «Adm(file: "in.csv")),»
        sources.input.train: `threshold` is missing
        help: in the unit of the file, for example threshold: 0.1, or threshold: (up: 0.1, down: 0.2)
    no file
      bad.ron:5:35 «Adm(threshold: 0.1)),»
        sources.input.train: `file` is missing
        help: a table time_s,channel,…: file: "signal.csv"
    a file that is not there
      bad.ron:5:45 «"out.csv", threshold: 0.»
        sources.input.train.file: cannot read "out.csv": No such file or directory (os error 2)
        help: paths are relative to the scene's folder
    a threshold of 0
      bad.ron:5:66 «0)),»
        sources.input.train.threshold: must be greater than 0, but is 0.0
        help: a typical value is 0.7
    a negative threshold
      bad.ron:5:82 «-0.1))),»
        sources.input.train.threshold.down: must be greater than 0, but is -0.1
        help: a typical value is 0.7
    a threshold with a unit
      bad.ron:5:66 «"1 mV")),»
        sources.input.train.threshold: expected a number, found the text "1 mV"
        help: write it like 0.7
    one threshold of two
      bad.ron:5:66 «(up: 0.1))),»
        sources.input.train.threshold: `down` is missing
        help: in the unit of the file, for example threshold: 0.1, or threshold: (up: 0.1, down: 0.2)
    a threshold in the wrong unit
      bad.ron:5:66 «1e-9)),»
        sources.input.train.threshold: in.csv: more than 16777216 spikes by channel `x`
        help: raise the threshold, or give a refractory period
    a negative period
      bad.ron:5:83 «"-1 ms")),»
        sources.input.train.refractory: must be 0 or greater, but is -1 ms
        help: a typical value is "1 ms"
    a misspelt period
      bad.ron:5:18 «(size: 4, train: Adm(fil»
        warning: sources.input: 2 of 20 spikes come at or after the end, 1 s
        help: they are ignored and counted in the summary
      bad.ron:5:71 «refractor: "1 ms")),»
        sources.input.train.refractor: there is no field `refractor` here
        help: did you mean `refractory`? known here are file, threshold, refractory
    a size that is not the file's
      bad.ron:5:25 «4, train: Adm(file: "in.»
        sources.input.size: the size is 2, not 4: an UP and a DOWN source for each of 1 channels
        help: write size: 2, or leave it out
    times that go back
      bad.ron:5:45 «"in.csv", threshold: 0.1»
        sources.input.train.file: in.csv, line 4: 0.5 s does not come after 1 s
        help: give each time one line, in ascending order
    a value that is not finite
      bad.ron:5:45 «"in.csv", threshold: 0.1»
        sources.input.train.file: in.csv, line 3: x: `NaN` is not a finite number
        help: write it like 0.0125
    a value that is missing
      bad.ron:5:45 «"in.csv", threshold: 0.1»
        sources.input.train.file: in.csv, line 3: 2 values instead of 3
        help: each line has one value for each column
    a time before 0
      bad.ron:5:45 «"in.csv", threshold: 0.1»
        sources.input.train.file: in.csv, line 2: `-1` is not a time in seconds, 0 or later
        help: write it like 0.0125
    "#);
}
