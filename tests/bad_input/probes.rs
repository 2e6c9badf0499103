//! Probes of networks: rates, intervals, Fano factors.

use super::*;

#[test]
fn bins() {
    insta::assert_snapshot!(table_of_sets(&[
        ("a probe that nobody has registered", &["probes.p=Ratio(of: \"dpi\")"]),
        ("no bin", &["probes.a=Rate(of: \"dpi\")", "probes.b=Isi(of: \"dpi\")", "probes.c=Fano(of: \"dpi\")"]),
        ("a bin of 0", &["probes.p=Rate(of: \"dpi\", bin: \"0 s\")"]),
        ("a bin without its unit", &["probes.p=Fano(of: \"dpi\", bin: 10)"]),
        (
            "a bin longer than the run",
            &["probes.a=Rate(of: \"dpi\", bin: \"2 s\")", "probes.b=Isi(of: \"dpi\", bin: \"2 s\")", "probes.c=Fano(of: \"dpi\", bin: \"2 s\")"],
        ),
        (
            "a bin longer than the window",
            &["probes.p=Rate(of: \"dpi\", bin: \"200 ms\", window: (from: \"0.5 s\", to: \"0.6 s\"))"],
        ),
        ("one whole bin", &["probes.p=Fano(of: \"input\", bin: \"600 ms\")"]),
        ("a histogram that ends within a bin", &["probes.p=Isi(of: \"dpi\", bin: \"2 ms\", max: \"25 ms\")"]),
        ("a histogram shorter than a bin", &["probes.p=Isi(of: \"dpi\", bin: \"2 ms\", max: \"1 ms\")"]),
        ("an unknown group and no bin", &["probes.p=Rate(of: \"dip\")"]),
        ("a neuron that does not exist", &["probes.p=Rates(of: \"dpi\", neurons: [4])"]),
        ("a field of another probe", &["probes.p=Rates(of: \"dpi\", bin: \"1 ms\")"]),
        (
            "half steps, in a scene that has an error as well",
            &["probes.p=Rate(of: \"dpi\", bin: \"1.5 ms\")", "probes.q=Rate(of: \"input\", bin: \"1.5 ms\")", "seed=-1"],
        ),
    ]), @r#"
    a probe that nobody has registered
      --set #1:1:10 «Ratio(of: "dpi")»
        probes.p: `Ratio` is not a probe
        help: did you mean `Rate`? known here are Spikes, Trace, Ff, Fi, Rate, Rates, Isi, Intervals, Fano
    no bin
      --set #1:1:10 «Rate(of: "dpi")»
        probes.a: `bin` is missing
        help: for example bin: "10 ms"
      --set #2:1:10 «Isi(of: "dpi")»
        probes.b: `bin` is missing
        help: for example bin: "10 ms"
      --set #3:1:10 «Fano(of: "dpi")»
        probes.c: `bin` is missing
        help: for example bin: "10 ms"
    a bin of 0
      --set #1:1:31 «"0 s")»
        probes.p.bin: must be greater than 0, but is 0 s
        help: a typical value is "1 ms"
    a bin without its unit
      --set #1:1:31 «10)»
        probes.p.bin: `10` has no unit, but a time is expected
        help: write it with its unit, for example "10 ms" or "10 s"
    a bin longer than the run
      --set #1:1:31 «"2 s")»
        probes.a.bin: the bin 2 s is longer than the 1 s that are recorded
        help: choose a shorter bin, or record for longer
      --set #2:1:30 «"2 s")»
        probes.b.bin: the bin 2 s is longer than the 1 s that are recorded
        help: choose a shorter bin, or record for longer
      --set #3:1:31 «"2 s")»
        probes.c.bin: the bin 2 s is longer than the 1 s that are recorded
        help: choose a shorter bin, or record for longer
    a bin longer than the window
      --set #1:1:31 «"200 ms", window: (from:»
        probes.p.bin: the bin 0.2 s is longer than the 0.1 s that are recorded
        help: choose a shorter bin, or record for longer
    one whole bin
      --set #1:1:33 «"600 ms")»
        probes.p.bin: the 1 s that are recorded do not hold 2 bins of 0.6 s
        help: choose a shorter bin, or record for longer
    a histogram that ends within a bin
      --set #1:1:43 «"25 ms")»
        probes.p.max: max = 0.025 s is no multiple of the bin 0.002 s
        help: choose a whole number of bins, for example max: "26 ms"
    a histogram shorter than a bin
      --set #1:1:43 «"1 ms")»
        probes.p.max: max = 0.001 s is no multiple of the bin 0.002 s
        help: choose a whole number of bins, for example max: "2 ms"
    an unknown group and no bin
      --set #1:1:10 «Rate(of: "dip")»
        probes.p: `bin` is missing
        help: for example bin: "10 ms"
      --set #1:1:19 «"dip")»
        probes.p.of: there is no source or population `dip`
        help: did you mean `dpi`? known here are dpi, input
    a neuron that does not exist
      --set #1:1:37 «4])»
        probes.p.neurons.0: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a field of another probe
      --set #1:1:27 «bin: "1 ms")»
        probes.p.bin: there is no field `bin` here
        help: known here are window, of, neurons, format
    half steps, in a scene that has an error as well
      --set #1:1:31 «"1.5 ms")»
        warning: probes.p.bin: the bin 0.0015 s is no multiple of the step dt = 0.001 s
        help: neurons fire at whole steps: choose a whole number of them
      --set #3:1:6 «-1»
        seed: expected a whole number, 0 or greater, found -1
        help: write it like 200
    "#);
}

/// Counts are kept for each bin: an absurd number of them is refused before anything is allocated.
#[test]
fn bins_that_do_not_fit_into_memory() {
    let folder = folder(SCENE, &[]);
    let args = ["--set", "probes.p=Rate(of: \"dpi\", bin: \"1 ps\")"];
    let (_, error) = refused_run(folder.path(), &args, 4);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("the largest part is probe `p` with"), "{message}");
}

#[test]
fn formats() {
    insta::assert_snapshot!(table_of_sets(&[
        ("no format", &["probes.raster.format=Xml"]),
        ("not in these letters", &["probes.raster.format=parquet"]),
        ("spikes are no array", &["probes.raster.format=Npy"]),
        ("one that is always CSV", &["probes.ff.format=Parquet"]),
        ("but it may be said", &["probes.ff.format=Csv", "seed=-1"]),
        ("a format with something in parentheses", &["probes.vmem.format=Npy(axes: 2)"]),
        ("a number", &["probes.vmem.format=1"]),
        ("and another mistake in the probe", &["probes.vmem=Trace(of: \"dip\", vars: [Vmem], neurons: [0], every: \"1 ms\", format: Xml)"]),
    ]), @r#"
    no format
      --set #1:1:22 «Xml»
        probes.raster.format: `Xml` is not a format of tables
        help: known here are Csv, Parquet
    not in these letters
      --set #1:1:22 «parquet»
        probes.raster.format: `parquet` is not a format of tables
        help: did you mean `Parquet`? known here are Csv, Parquet
    spikes are no array
      --set #1:1:22 «Npy»
        probes.raster.format: the table of a probe of the kind Spikes cannot be Npy
        help: an array needs the same neurons at each time; choose Csv or Parquet
    one that is always CSV
      --set #1:1:18 «Parquet»
        probes.ff.format: the table of a probe of the kind Ff cannot be Parquet
        help: it is always Csv: leave the format out
    but it may be said
      --set #2:1:6 «-1»
        seed: expected a whole number, 0 or greater, found -1
        help: write it like 200
    a format with something in parentheses
      --set #1:1:20 «Npy(axes: 2)»
        probes.vmem.format: `Npy` takes nothing in parentheses
        help: write only Npy
    a number
      --set #1:1:20 «1»
        probes.vmem.format: expected a format of tables, found the number 1
        help: one of Csv, Parquet, Npy
    and another mistake in the probe
      --set #1:1:23 «"dip", vars: [Vmem], neu»
        probes.vmem.of: there is no population `dip`
        help: did you mean `dpi`? only `dpi` is known here
      --set #1:1:81 «Xml)»
        probes.vmem.format: `Xml` is not a format of tables
        help: known here are Csv, Parquet, Npy
    "#);
}
