//! Input files.

use super::*;

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

/// A measured threshold below the reset passes each check of its own; together they cannot work.
#[test]
fn a_measured_instance_that_cannot_work() {
    let scene = edited(&[("mismatch: {", "biases: File(\"chip.csv\"), mismatch: {")]);
    let folder = folder(&scene, &[("chip.csv", b"neuron,soma.Ith\n2,1e-14\n")]);
    let (stderr, error) = refused_run(folder.path(), &[], 3);
    let expected = "neuron 2: Ith = 10 fA is not above Ireset = 50 fA";
    assert_eq!(error["findings"][0]["message"], expected);
    assert!(stderr.contains(expected), "{stderr}");
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
