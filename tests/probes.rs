//! Network probes against the spikes they were made of, closed forms, and statistics.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use common::{parse, run};
use picoamp::prelude::*;
use picoamp::probe::Interval;
use picoamp::probe::picture::MOST_DOTS;
use picoamp::results::{Dump, ResultsFolder, RunReport};
use picoamp::scene::diagnostics::SceneReport;
use picoamp::scene::write;

fn seconds(s: f64) -> Time {
    Time::from_seconds(s).unwrap()
}

/// The table (or a further one) of every probe as text, and the pictures.
fn shown(simulation: &Simulation) -> String {
    let mut text = String::new();
    for (name, kind, record) in simulation.records() {
        let mut out = Vec::new();
        record.table(&mut out).unwrap();
        kind.further_tables(simulation.scene())
            .iter()
            .for_each(|t| record.further_table(t, &mut out).unwrap());
        let table = String::from_utf8(out).unwrap();
        writeln!(text, "{name}\n{table}{}", record.picture(name.into()).svg()).unwrap();
    }
    text
}

/// A table as numbers; an empty cell is `None`.
fn table(write: impl FnOnce(&mut Vec<u8>)) -> (String, Vec<Vec<Option<f64>>>) {
    let mut out = Vec::new();
    write(&mut out);
    let mut reader = csv::Reader::from_reader(out.as_slice());
    let header = reader.headers().unwrap().iter().collect::<Vec<_>>().join(",");
    let cell = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    let rows = reader.records().map(|record| record.unwrap().iter().map(cell).collect()).collect();
    (header, rows)
}

/// Poisson sources that drive neurons with adaptation and inhibit each other: no train is like
/// another. Each probe stands beside a `Spikes` probe of the same neurons and window.
const NETWORK: &str = r#"(
    duration: "1.73 s", seed: 5, window: "20 ms", solver: Euler(dt: "100 us"),
    sources: { "noise": (size: 40, train: Poisson(rates: Linear(from: "0 Hz", to: "390 Hz"))) },
    populations: { "exc": (size: 40, model: dynapse1(), mismatch: { "soma.Igain": LogNormal(cv: 0.3) }) },
    connections: [
        (from: "noise", to: "exc", receptor: ampa, rule: FixedInDegree(k: 3), weight: 2),
        (from: "exc", to: "exc", receptor: gabab, rule: FixedInDegree(k: 3), delay: "3 ms"),
    ],
    probes: { PROBES },
)"#;

/// What is recorded: of, neurons (`None`: not written), window in s.
type Recorded = (&'static str, Option<&'static str>, Option<(f64, f64)>);

const RECORDED: [Recorded; 4] = [
    ("exc", None, None),
    ("noise", Some("Range(from: 7, to: 30)"), None),
    ("exc", Some("[31, 5, 8, 0]"), Some((0.2, 1.1))),
    ("noise", None, Some((0.0123, 9.0))),
];

fn network() -> Scene {
    let mut probes = String::new();
    for (k, (of, neurons, window)) in RECORDED.iter().enumerate() {
        let neurons = neurons.map_or(String::new(), |n| format!(", neurons: {n}"));
        let window = window.map_or(String::new(), |(from, to)| {
            format!(", window: (from: \"{from} s\", to: \"{to} s\")")
        });
        let common = format!("of: \"{of}\"{neurons}{window}");
        write!(
            probes,
            "\"spikes{k}\": Spikes({common}),
             \"rate{k}\": Rate({common}, bin: \"70 ms\"),
             \"rates{k}\": Rates({common}),
             \"isi{k}\": Isi({common}, bin: \"2 ms\", max: \"60 ms\"),
             \"intervals{k}\": Intervals({common}),
             \"fano{k}\": Fano({common}, bin: \"70 ms\"),"
        )
        .unwrap();
    }
    parse(&NETWORK.replace("PROBES", &probes), Path::new("."))
}

/// The neurons of a record, and its first and last moment, ps.
fn recorded(k: usize) -> (Vec<u32>, u64, u64) {
    let neurons = match k {
        1 => (7..=30).collect(),
        2 => vec![31, 5, 8, 0],
        _ => (0..40).collect(),
    };
    let (from, to) = RECORDED[k].2.unwrap_or((0.0, 9.0));
    (neurons, seconds(from).picoseconds(), seconds(to.min(1.73)).picoseconds())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9)
}

/// Mean and sample variance in two passes.
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

#[test]
fn values_are_those_of_the_recorded_spikes() {
    let simulation = run(network());
    for k in 0..RECORDED.len() {
        let (neurons, from, to) = recorded(k);
        let spikes: Vec<(u64, u32)> = simulation
            .probe::<SpikeRecorder>(&format!("spikes{k}"))
            .unwrap()
            .spikes()
            .iter()
            .map(|(time, neuron)| (time.picoseconds(), *neuron))
            .collect();
        assert!(spikes.len() > 100, "{k}: {} spikes", spikes.len());
        let train = |neuron: u32| -> Vec<u64> {
            spikes.iter().filter(|s| s.1 == neuron).map(|s| s.0).collect()
        };
        let width = 70_000_000_000_u64;

        let rate = simulation.probe::<RateHistory>(&format!("rate{k}")).unwrap();
        let bins: Vec<_> = rate.bins().collect();
        assert_eq!(bins.len() as u64, (to - from).div_ceil(width));
        for (i, bin) in bins.iter().enumerate() {
            let start = from + i as u64 * width;
            let end = (start + width).min(to);
            assert_eq!((bin.start.picoseconds(), bin.end.picoseconds()), (start, end));
            let is_last = i + 1 == bins.len();
            let counted = |s: &&(u64, u32)| s.0 >= start && (s.0 < end || is_last && s.0 == end);
            assert_eq!(bin.spikes, spikes.iter().filter(counted).count() as u64, "{k}, bin {i}");
            let seconds = (end - start) as f64 * 1e-12;
            assert!(close(bin.rate_hz, bin.spikes as f64 / neurons.len() as f64 / seconds));
        }
        assert_eq!(bins.iter().map(|b| b.spikes).sum::<u64>(), spikes.len() as u64);

        let rates = simulation.probe::<NeuronRates>(&format!("rates{k}")).unwrap();
        let rows: Vec<_> = rates.rows().collect();
        assert_eq!(rows.iter().map(|row| row.neuron).collect::<Vec<_>>(), neurons);
        for row in &rows {
            assert_eq!(row.spikes, train(row.neuron).len() as u64);
            assert!(close(row.rate_hz, row.spikes as f64 / ((to - from) as f64 * 1e-12)));
        }
        let mean = spikes.len() as f64 / neurons.len() as f64 / ((to - from) as f64 * 1e-12);
        assert!(close(rates.mean_hz(), mean) && close(rate.mean_hz(), mean));

        let isi = simulation.probe::<IsiHistogram>(&format!("isi{k}")).unwrap();
        let mut all = Vec::new();
        let mut cvs = Vec::new();
        for (row, neuron) in isi.rows().zip(&neurons) {
            let train = train(*neuron);
            let intervals: Vec<f64> = train.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
            assert_eq!((row.neuron, row.intervals), (*neuron, intervals.len() as u64));
            let (mean, variance) = mean_and_variance(&intervals);
            assert_eq!(row.mean_s.is_some(), !intervals.is_empty());
            assert!(row.mean_s.is_none_or(|found| close(found, mean * 1e-12)));
            assert_eq!(row.cv.is_some(), intervals.len() > 1);
            assert!(row.cv.is_none_or(|found| close(found, variance.sqrt() / mean)));
            cvs.extend((intervals.len() > 1).then(|| variance.sqrt() / mean));
            all.extend(intervals);
        }
        let (mean, variance) = mean_and_variance(&all);
        assert!(close(isi.mean_s().unwrap(), mean * 1e-12));
        assert!(close(isi.cv().unwrap(), variance.sqrt() / mean));
        assert!(close(isi.mean_cv().unwrap(), cvs.iter().sum::<f64>() / cvs.len() as f64));
        assert_eq!(isi.intervals(), all.len() as u64);
        assert_eq!(isi.bins().count(), 30);
        for (i, bin) in isi.bins().enumerate() {
            let inside = |x: &&f64| (**x * 1e-9 / 2.0).floor() == i as f64;
            assert_eq!(bin.intervals, all.iter().filter(inside).count() as u64, "{k}, bin {i}");
        }
        assert_eq!(isi.longer(), all.iter().filter(|x| **x >= 60e9).count() as u64);

        let recorder = simulation.probe::<IntervalRecorder>(&format!("intervals{k}")).unwrap();
        let order = |i: &Interval| (i.end, i.neuron);
        assert!(recorder.intervals().is_sorted_by_key(order));
        assert_eq!(recorder.intervals().len(), all.len());
        for neuron in &neurons {
            let train = train(*neuron);
            let own = recorder.intervals().iter().filter(|i| i.neuron == *neuron);
            let found: Vec<_> =
                own.map(|i| (i.number, i.end.picoseconds(), i.length.picoseconds())).collect();
            let expected: Vec<_> =
                (1..).zip(train.windows(2)).map(|(n, w)| (n, w[1], w[1] - w[0])).collect();
            assert_eq!(found, expected, "{k}, neuron {neuron}");
        }

        let fano = simulation.probe::<FanoFactors>(&format!("fano{k}")).unwrap();
        let whole = (to - from) / width;
        assert_eq!(fano.bins(), whole);
        let mut factors = Vec::new();
        for (row, neuron) in fano.rows().zip(&neurons) {
            let mut counts = vec![0.0; whole as usize + 2];
            train(*neuron).iter().for_each(|t| counts[((t - from) / width) as usize] += 1.0);
            let (mean, variance) = mean_and_variance(&counts[..whole as usize]);
            assert_eq!(row.neuron, *neuron);
            assert!(close(row.mean_count.unwrap(), mean));
            assert!(close(row.variance.unwrap(), variance));
            assert_eq!(row.fano.is_some(), mean > 0.0);
            assert!(row.fano.is_none_or(|found| close(found, variance / mean)));
            factors.extend(row.fano);
        }
        assert!(factors.len() > 3);
        let mean = factors.iter().sum::<f64>() / factors.len() as f64;
        assert!(close(fano.mean().unwrap(), mean));
    }
}

#[test]
fn tables_read_back() {
    let simulation = run(network());
    let (header, rows) =
        table(|out| simulation.probe::<RateHistory>("rate2").unwrap().table(out).unwrap());
    assert_eq!(header, "time_s,rate_hz,spikes");
    let expected: Vec<_> = simulation.probe::<RateHistory>("rate2").unwrap().bins().collect();
    assert_eq!(rows.len(), expected.len());
    for (row, bin) in rows.iter().zip(&expected) {
        let values = [bin.start.seconds(), bin.rate_hz, bin.spikes as f64].map(Some);
        assert_eq!(row[..], values);
    }

    let rates = simulation.probe::<NeuronRates>("rates2").unwrap();
    let (header, rows) = table(|out| rates.table(out).unwrap());
    assert_eq!(header, "neuron,rate_hz,spikes");
    for (row, expected) in rows.iter().zip(rates.rows()) {
        let values = [f64::from(expected.neuron), expected.rate_hz, expected.spikes as f64];
        assert_eq!(row[..], values.map(Some));
    }

    let isi = simulation.probe::<IsiHistogram>("isi3").unwrap();
    let (header, rows) = table(|out| isi.table(out).unwrap());
    assert_eq!(header, "interval_s,intervals");
    let mut expected: Vec<_> = isi.bins().map(|bin| (bin.start.seconds(), bin.intervals)).collect();
    expected.push((0.06, isi.longer()));
    let expected: Vec<_> =
        expected.iter().map(|(start, n)| vec![Some(*start), Some(*n as f64)]).collect();
    assert_eq!(rows, expected);
    let (header, rows) = table(|out| isi.further_table("neurons", out).unwrap());
    assert_eq!(header, "neuron,intervals,mean_s,cv");
    assert_eq!(rows.len(), 40);
    for (row, expected) in rows.iter().zip(isi.rows()) {
        let counts = [f64::from(expected.neuron), expected.intervals as f64].map(Some);
        assert_eq!(row[..2], counts);
        assert_eq!(row[2..], [expected.mean_s, expected.cv]);
    }
    // Source 0 is silent: its cells are empty, not 0.
    assert_eq!(rows[0], [Some(0.0), Some(0.0), None, None]);

    let recorder = simulation.probe::<IntervalRecorder>("intervals2").unwrap();
    let (header, rows) = table(|out| recorder.table(out).unwrap());
    assert_eq!(header, "neuron,number,time_s,interval_s");
    assert_eq!(rows.len(), recorder.intervals().len());
    for (row, expected) in rows.iter().zip(recorder.intervals()) {
        let counts = [f64::from(expected.neuron), expected.number as f64].map(Some);
        assert_eq!(row[..2], counts);
        assert_eq!(row[2..], [expected.end, expected.length].map(|time| Some(time.seconds())));
    }

    let fano = simulation.probe::<FanoFactors>("fano3").unwrap();
    let (header, rows) = table(|out| fano.table(out).unwrap());
    assert_eq!(header, "neuron,mean_count,variance,fano");
    for (row, expected) in rows.iter().zip(fano.rows()) {
        assert_eq!(row[0], Some(f64::from(expected.neuron)));
        assert_eq!(row[1..], [expected.mean_count, expected.variance, expected.fano]);
    }
    assert_eq!(rows[0], [Some(0.0), Some(0.0), Some(0.0), None]);
}

/// The pieces end within bins, on their edges, and within a window.
#[test]
fn a_run_in_pieces_gives_the_same_tables_and_pictures() {
    let whole = shown(&run(network()));
    for pieces in [[1, 699, 33, 700], [350, 350, 7, 10_000], [7, 7, 7, 7]] {
        let mut simulation = Simulation::new(network()).unwrap();
        for steps in pieces.iter().cycle().take(4000) {
            simulation.run_for(Time::from_steps(*steps, seconds(1e-4))).unwrap();
        }
        assert_eq!(simulation.time(), simulation.scene().duration);
        assert!(shown(&simulation) == whole, "{pieces:?}");
    }
}

/// What `resolve` prints gives the same records, with every key.
#[test]
fn the_decided_scene_gives_the_same_records() {
    let scene = network();
    let text = write::to_ron(&scene, |file| file.path.clone());
    for line in [
        "Rate(of: \"exc\", neurons: All, bin: \"70 ms\")",
        "Rates(of: \"noise\", neurons: Range(from: 7, to: 30))",
        "Isi(of: \"exc\", neurons: [31, 5, 8, 0], bin: \"2 ms\", max: \"60 ms\", \
         window: (from: \"200 ms\", to: \"1100 ms\"))",
        "Intervals(of: \"exc\", neurons: All)",
        "Fano(of: \"noise\", neurons: All, bin: \"70 ms\", window: (from: \"12300 us\", to: \"9 s\"))",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(shown(&run(parse(&text, Path::new(".")))) == shown(&run(scene)));
    let default = r#"(duration: "1 s", solver: Euler(dt: "1 ms"),
        sources: { "s": (size: 1, train: Poisson(rates: "1 Hz")) },
        probes: { "isi": Isi(of: "s", bin: "3 ms") })"#;
    let text = write::to_ron(&parse(default, Path::new(".")), |file| file.path.clone());
    assert!(
        text.contains("Isi(of: \"s\", neurons: All, bin: \"3 ms\", max: \"300 ms\")"),
        "{text}"
    );
}

/// A scene of sources alone.
fn sources(size: u64, train: &str, duration: &str, probes: &str) -> Simulation {
    let text = format!(
        "(duration: \"{duration}\", seed: 1, solver: Euler(dt: \"1 ms\"),
          sources: {{ \"s\": (size: {size}, train: {train}) }},
          probes: {{ {probes} }})"
    );
    run(parse(&text, Path::new(".")))
}

#[test]
fn a_regular_train() {
    // Spikes at 0, 10, …, 990 ms.
    let simulation = sources(
        3,
        "Regular(rates: \"100 Hz\")",
        "1 s",
        "\"rate\": Rate(of: \"s\", bin: \"35 ms\"), \"rates\": Rates(of: \"s\"),
         \"intervals\": Intervals(of: \"s\", neurons: [2]),
         \"isi\": Isi(of: \"s\", bin: \"2 ms\"),
         \"fano\": Fano(of: \"s\", bin: \"100 ms\"), \"uneven\": Fano(of: \"s\", bin: \"25 ms\")",
    );
    // Four spikes from 0, three from 35 ms, four from 70 ms; the last bin is cut to 20 ms.
    let bins: Vec<_> = simulation.probe::<RateHistory>("rate").unwrap().bins().collect();
    assert_eq!(bins.len(), 29);
    assert_eq!(bins[..3].iter().map(|bin| bin.spikes).collect::<Vec<_>>(), [12, 9, 12]);
    assert!(close(bins[1].rate_hz, 3.0 / 0.035));
    assert_eq!((bins[28].spikes, bins[28].rate_hz), (6, 100.0));
    let rates = simulation.probe::<NeuronRates>("rates").unwrap();
    assert!(rates.rows().all(|row| (row.spikes, row.rate_hz) == (100, 100.0)));
    assert_eq!(rates.mean_hz(), 100.0);
    let isi = simulation.probe::<IsiHistogram>("isi").unwrap();
    assert_eq!((isi.intervals(), isi.cv(), isi.mean_cv()), (297, Some(0.0), Some(0.0)));
    assert_eq!(isi.mean_s(), Some(0.01));
    assert!(isi.bins().enumerate().all(|(k, bin)| bin.intervals == if k == 5 { 297 } else { 0 }));
    let recorder = simulation.probe::<IntervalRecorder>("intervals").unwrap();
    let expected: Vec<_> = (1..100)
        .map(|number| {
            let end = seconds(0.01 * number as f64);
            Interval { neuron: 2, number, end, length: seconds(0.01) }
        })
        .collect();
    assert_eq!(recorder.intervals(), expected);
    let picture = recorder.picture("intervals".into()).svg();
    assert!(
        picture.contains("99 intervals of 1 neuron") && picture.contains("number of the interval")
    );
    assert_eq!(simulation.probe::<FanoFactors>("fano").unwrap().mean(), Some(0.0));
    // Three and two in turn: mean 2.5, sample variance 0.25·40/39.
    let uneven = simulation.probe::<FanoFactors>("uneven").unwrap().mean().unwrap();
    assert!(close(uneven, 0.1 * 40.0 / 39.0), "{uneven}");
}

/// Two regular trains: each has CV 0, their intervals together have not.
#[test]
fn different_rates_together() {
    let simulation = sources(
        2,
        "Regular(rates: List([\"100 Hz\", \"50 Hz\"]))",
        "1 s",
        "\"isi\": Isi(of: \"s\", bin: \"1 ms\")",
    );
    let isi = simulation.probe::<IsiHistogram>("isi").unwrap();
    assert_eq!(isi.mean_cv(), Some(0.0));
    let mut intervals = vec![10.0; 99];
    intervals.extend([20.0; 49]);
    let (mean, variance) = mean_and_variance(&intervals);
    assert!(close(isi.cv().unwrap(), variance.sqrt() / mean));
}

#[test]
fn a_poisson_process() {
    // 10⁶ spikes of 100 sources.
    let simulation = sources(
        100,
        "Poisson(rates: \"100 Hz\")",
        "100 s",
        "\"isi\": Isi(of: \"s\", bin: \"1 ms\"), \"fano\": Fano(of: \"s\", bin: \"100 ms\"),
         \"rates\": Rates(of: \"s\"), \"rate\": Rate(of: \"s\", bin: \"1 s\")",
    );
    let isi = simulation.probe::<IsiHistogram>("isi").unwrap();
    let n = isi.intervals() as f64;
    assert!((n - 1e6).abs() < 5.0 * 1e3 + 100.0, "{n} intervals");
    // Mean and CV of exponential intervals have the standard error 1/√n.
    let (mean, cv) = (isi.mean_s().unwrap(), isi.cv().unwrap());
    assert!((mean / 0.01 - 1.0).abs() < 5.0 / n.sqrt(), "mean {mean}");
    assert!((cv - 1.0).abs() < 5.0 / n.sqrt(), "cv {cv}");
    // Intervals below 10 ms: 1 − 1/e of all.
    let short: u64 = isi.bins().take(10).map(|bin| bin.intervals).sum();
    let expected = 0.632_120_558_828_557_7;
    let error = (expected * (1.0 - expected) / n).sqrt();
    assert!((short as f64 / n - expected).abs() < 5.0 * error, "{short} short intervals");
    // (b − 1)·F is χ² with b − 1 degrees of freedom: variance 2/(b − 1) of F in each source.
    let fano = simulation.probe::<FanoFactors>("fano").unwrap();
    let error = (2.0 / 999.0 / 100.0_f64).sqrt();
    let mean = fano.mean().unwrap();
    assert!((mean - 1.0).abs() < 5.0 * error, "Fano factor {mean}");
    let one = (2.0 / 999.0_f64).sqrt();
    assert!(fano.rows().all(|row| (row.fano.unwrap() - 1.0).abs() < 5.0 * one));
    // 10⁴ spikes of each source, 10⁴ in each bin.
    let rates = simulation.probe::<NeuronRates>("rates").unwrap();
    assert!(rates.rows().all(|row| (row.spikes as f64 - 1e4).abs() < 5.0 * 1e2));
    let rate = simulation.probe::<RateHistory>("rate").unwrap();
    assert!(rate.bins().all(|bin| (bin.rate_hz - 100.0).abs() < 5.0));
}

/// Only what lies in the window counts: from ≤ t < to, and no interval across its ends.
#[test]
fn windows_are_respected() {
    // 0, 10, …, 990 ms; recorded are 200, …, 290 ms.
    let window = "window: (from: \"0.2 s\", to: \"0.3 s\")";
    let probes = format!(
        "\"rate\": Rate(of: \"s\", bin: \"50 ms\", {window}), \"rates\": Rates(of: \"s\", {window}),
         \"isi\": Isi(of: \"s\", bin: \"1 ms\", {window}),
         \"intervals\": Intervals(of: \"s\", {window}),
         \"fano\": Fano(of: \"s\", bin: \"50 ms\", {window})"
    );
    let simulation = sources(1, "Regular(rates: \"100 Hz\")", "1 s", &probes);
    let bins: Vec<_> = simulation.probe::<RateHistory>("rate").unwrap().bins().collect();
    let found: Vec<_> = bins.iter().map(|bin| (bin.start, bin.spikes, bin.rate_hz)).collect();
    assert_eq!(found, [(seconds(0.2), 5, 100.0), (seconds(0.25), 5, 100.0)]);
    assert_eq!(simulation.probe::<NeuronRates>("rates").unwrap().mean_hz(), 100.0);
    assert_eq!(simulation.probe::<IsiHistogram>("isi").unwrap().intervals(), 9);
    let intervals = simulation.probe::<IntervalRecorder>("intervals").unwrap().intervals();
    let numbers: Vec<_> = intervals.iter().map(|i| (i.number, i.end)).collect();
    let ends = [0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.27, 0.28, 0.29].map(seconds);
    assert_eq!(numbers, (1..).zip(ends).collect::<Vec<_>>());
    assert_eq!(simulation.probe::<FanoFactors>("fano").unwrap().bins(), 2);
}

/// A spike of the last Euler step carries the time at which the run ends, and counts.
#[test]
fn a_spike_at_the_very_end() {
    let text = |duration: &str| {
        format!(
            r#"(duration: "{duration}", solver: Euler(dt: "1 ms"),
                populations: {{ "p": (size: 1, model: dynapse1(soma: (Idc: "1 nA"))) }},
                probes: {{ "spikes": Spikes(of: "p"), "rate": Rate(of: "p", bin: "1 ms") }})"#
        )
    };
    let simulation = run(parse(&text("1 s"), Path::new(".")));
    let third = simulation.probe::<SpikeRecorder>("spikes").unwrap().spikes()[2].0;
    let simulation = run(parse(&text(&format!("{third} s")), Path::new(".")));
    assert_eq!(simulation.probe::<SpikeRecorder>("spikes").unwrap().spikes()[2].0, third);
    let bins: Vec<_> = simulation.probe::<RateHistory>("rate").unwrap().bins().collect();
    assert_eq!(bins.iter().map(|bin| bin.spikes).sum::<u64>(), 3);
    let last = bins.last().unwrap();
    assert_eq!((last.end, last.spikes, last.rate_hz), (third, 1, 1000.0));
}

/// In the middle of a run records reach as far as the run.
#[test]
fn a_run_that_is_not_finished() {
    let text = r#"(duration: "1 s", solver: Euler(dt: "1 ms"),
        sources: { "s": (size: 2, train: Regular(rates: "100 Hz")) },
        probes: { "rate": Rate(of: "s", bin: "100 ms"), "fano": Fano(of: "s", bin: "100 ms"),
                  "rates": Rates(of: "s"), "isi": Isi(of: "s", bin: "1 ms") })"#;
    let mut simulation = Simulation::new(parse(text, Path::new("."))).unwrap();
    assert_eq!(simulation.probe::<RateHistory>("rate").unwrap().bins().count(), 0);
    assert_eq!(simulation.probe::<FanoFactors>("fano").unwrap().mean(), None);
    assert_eq!(simulation.probe::<IsiHistogram>("isi").unwrap().cv(), None);
    assert_eq!(simulation.probe::<NeuronRates>("rates").unwrap().mean_hz(), 0.0);
    assert!(!shown(&simulation).contains("NaN"));
    simulation.run_for(seconds(0.25)).unwrap();
    let bins: Vec<_> = simulation.probe::<RateHistory>("rate").unwrap().bins().collect();
    let found: Vec<_> = bins.iter().map(|bin| (bin.end, bin.spikes, bin.rate_hz)).collect();
    let expected = [(0.1, 20, 100.0), (0.2, 20, 100.0), (0.25, 10, 100.0)];
    assert_eq!(found, expected.map(|(end, spikes, rate)| (seconds(end), spikes, rate)));
    assert_eq!(simulation.probe::<FanoFactors>("fano").unwrap().bins(), 2);
    assert_eq!(simulation.probe::<NeuronRates>("rates").unwrap().mean_hz(), 100.0);
}

/// Counts are kept, not spikes: what the check says does not grow with the duration, but for the
/// bins of the rate.
#[test]
fn memory_is_bounded() {
    use picoamp::scene::estimate::{Estimate, Recording};
    let bytes = |duration: &str| -> Vec<u128> {
        let text = format!(
            "(duration: \"{duration}\", solver: Euler(dt: \"1 ms\"),
              sources: {{ \"s\": (size: 10, train: Poisson(rates: \"1 kHz\")) }},
              probes: {{ \"isi\": Isi(of: \"s\", bin: \"1 ms\"), \"fano\": Fano(of: \"s\", bin: \"1 s\"),
                \"rates\": Rates(of: \"s\"), \"rate\": Rate(of: \"s\", bin: \"1 s\") }})"
        );
        let estimate = Estimate::of(&parse(&text, Path::new(".")), Recording::Kept);
        ["isi", "fano", "rates", "rate"]
            .map(|name| {
                let part = format!("probe `{name}`");
                estimate.memory.iter().find(|(known, _)| *known == part).unwrap().1
            })
            .to_vec()
    };
    let (short, long) = (bytes("10 s"), bytes("10000 s"));
    assert_eq!(short[..3], long[..3]);
    assert!(short[..3].iter().all(|bytes| *bytes > 0), "{short:?}");
    assert_eq!(long[3] - short[3], 9990 * 96);
}

/// The files of a run with more rows than are handed over together and than a picture shows.
fn files(seed: u64, streams: bool) -> BTreeMap<String, Vec<u8>> {
    let scene = parse(
        &format!(
            r#"(duration: "7 s", seed: {seed}, solver: Euler(dt: "100 us"),
                sources: {{ "noise": (size: 20, train: Poisson(rates: "500 Hz")) }},
                populations: {{ "p": (size: 20, model: dynapse1()) }},
                connections: [(from: "noise", to: "p", receptor: ampa, rule: OneToOne)],
                probes: {{
                    "noise": Spikes(of: "noise"), "few": Spikes(of: "p", neurons: [3, 1]),
                    "late": Spikes(of: "noise", window: (from: "1 s", to: "5 s")),
                    "one": Trace(of: "p", vars: [Imem], neurons: [4], every: "100 us"),
                    "two": Trace(of: "p", vars: [Vmem, Iampa], neurons: [7, 2], every: "1 ms"),
                    "rate": Rate(of: "p", bin: "10 ms") }})"#
        ),
        Path::new("."),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results");
    let mut results = ResultsFolder::claim(&path, false, &scene, Dump::default()).unwrap();
    let mut simulation = Simulation::new(scene).unwrap();
    if streams {
        results.stream(&mut simulation).unwrap();
        assert!(path.join("scene.ron").exists(), "known before the run");
    }
    simulation.run().unwrap();
    let kept = simulation.probe::<SpikeRecorder>("noise").unwrap().spikes().len();
    assert_eq!(kept == 0, streams, "{kept}");
    let warnings = SceneReport::default();
    let load = std::time::Duration::ZERO;
    let report = RunReport { outcome: Ok(()), warnings: &warnings, threads: 1, load };
    results.write(&simulation, &report).unwrap();
    let names = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    let content = |name: std::ffi::OsString| {
        let content = std::fs::read(path.join(&name)).unwrap();
        (name.into_string().unwrap(), content)
    };
    // (The summary has wall times.)
    names.map(content).filter(|(name, _)| name != "summary.json").collect()
}

#[test]
fn tables_written_while_a_run_lasts_are_those_written_after_it() {
    let (kept, streamed) = (files(1, false), files(1, true));
    let names: Vec<&String> = kept.keys().collect();
    assert_eq!(names, streamed.keys().collect::<Vec<_>>());
    assert_eq!(names.len(), 13, "{names:?}");
    for (name, content) in &kept {
        assert!(*content == streamed[name], "{name} differs");
    }
    // More than is handed over together, and than a picture shows: else it tells nothing.
    let rows = |name: &str| kept[name].iter().filter(|byte| **byte == b'\n').count() - 1;
    assert!(rows("noise.csv") > 2 * MOST_DOTS, "{}", rows("noise.csv"));
    assert!(rows("one.csv") > 1 << 16, "{}", rows("one.csv"));
    let other = files(2, true);
    for name in names.into_iter().filter(|name| !name.ends_with("ron")) {
        assert!(kept[name] != other[name], "{name} of another seed is the same");
    }
}
