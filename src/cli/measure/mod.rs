//! `picoamp measure`: ready experiments, each a scene that its user can keep and edit.

mod epsp;
mod mismatch;
mod scenes;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::args::{Experiment, MeasureArgs, MeasuredModel};
use super::messages::{self, say};
use super::run::{Run, Runner};
use super::{default_folder, print, print_json};
use crate::backend::choice::{Candidates, Choice};
use crate::experiment::{self, Subject};
use crate::probe::band::quantile;
use crate::probe::picture::{self, quantity, three_digits};
use crate::probe::{BandRow, FfCurve, FiCurve, IntervalRecorder};
use crate::results::folder::SUMMARY;
use crate::results::{Dump, MEASURED_TEXT, ResultsFolder};
use crate::scene::estimate::Recording;
use crate::scene::files::digest;
use crate::time::Time;
use crate::units::Unit;
use crate::{Error, Plugins, Simulation};

/// The scene as its user keeps it.
const SCENE: &str = "experiment.ron";
/// What its last line begins with.
const SIGNATURE: &str = "// SHA-256 of what stands above, as it was written: ";
/// What was measured.
const MEASURED: &str = "measured.json";

/// What an experiment gives besides the records of its probes.
#[derive(Default)]
struct Measured {
    /// As people read it.
    text: String,
    /// As programs read it.
    values: Value,
    /// Files: name and content.
    files: Vec<(&'static str, Vec<u8>)>,
}

pub fn measure(args: &MeasureArgs, plugins: &Plugins) -> Result<(), Error> {
    let model = match args.model {
        MeasuredModel::Dynapse1 => "dynapse1",
        MeasuredModel::Arcana => "arcana",
    };
    let what = match args.experiment {
        Experiment::Ff => "ff",
        Experiment::Fi if args.bare => "fi-bare",
        Experiment::Fi => "fi",
        Experiment::Epsp => "epsp",
        Experiment::Adaptation => "adaptation",
        Experiment::Mismatch => "mismatch",
    };
    let name = format!("{what}-{model}");
    let text = scenes::scene(args, &name);
    let began = Instant::now();
    let loaded = plugins.parse(&text, SCENE, &name, ".".as_ref(), &args.sets)?.single()?;
    let load = began.elapsed();
    if !args.quiet {
        messages::show_findings(&loaded.warnings);
    }
    let path = args.out.clone().unwrap_or_else(|| default_folder(&name, ""));
    let (table, pictures) = match args.experiment {
        Experiment::Epsp => (Some(epsp::TABLE), vec![Subject::Potentials]),
        Experiment::Mismatch => {
            let distributions = experiment::mismatch::distributions(&loaded.scene);
            (Some(mismatch::TABLE), distributions.collect())
        }
        _ => (None, Vec::new()),
    };
    let names: Vec<String> = pictures.iter().map(|subject| subject.file()).collect();
    let further = [MEASURED, MEASURED_TEXT].into_iter().chain(table);
    let further: Vec<&str> = further.chain(names.iter().map(String::as_str)).collect();
    let mut folder =
        ResultsFolder::claim_with(path, args.force, &loaded.scene, Dump::default(), &further)?;
    spare_edited(folder.path())?;
    let threads = args.threads.map(usize::from);
    let runner = Runner {
        plugins,
        backends: Candidates::new(Choice::Auto, threads)?,
        quiet: args.quiet,
        load,
        until: Time::MAX,
        recording: Recording::Kept,
    };
    let Run { simulation, mut summary, outcome, .. } = runner.run(loaded, &mut folder)?;
    let written = folder
        .file(SCENE, |out| out.write_all(signed(&text).as_bytes()))
        .and(outcome)
        .and_then(|()| write_measured(args, &simulation, &folder, &pictures));
    let measured = match written {
        Ok(measured) => measured,
        Err(error) => {
            // The summary of the run lists what would have been written then.
            summary.files.retain(|name| folder.path().join(name).exists());
            folder.file(SUMMARY, |out| {
                serde_json::to_writer_pretty(&mut *out, &summary)?;
                writeln!(out)
            })?;
            return Err(error);
        }
    };
    if args.json {
        return print_json(&measured.values);
    }
    if !args.quiet {
        print(measured.text.trim_end())?;
        messages::show_results(folder.path(), &summary.files);
        say!("  the scene, to keep and edit: {}", folder.path().join(SCENE).display());
    }
    Ok(())
}

/// The scene as it is written, with a digest by which it is known again.
fn signed(text: &str) -> String {
    format!("{text}{SIGNATURE}{}\n", digest(text.as_bytes()))
}

/// The scene is its user's once it is written: no list of results has it, so that nothing removes it, and it
/// is replaced only as it was written.
fn spare_edited(folder: &Path) -> Result<(), Error> {
    let kept = match fs::read(folder.join(SCENE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        kept => kept.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default(),
    };
    if kept.rsplit_once(SIGNATURE).is_some_and(|(text, _)| kept == signed(text)) {
        return Ok(());
    }
    Err(Error::Results {
        path: folder.to_path_buf(),
        message: format!("{SCENE} has been changed since a measurement wrote it"),
        help: "give it another name, or choose another folder with --out".into(),
    })
}

/// Measures what an experiment gives and writes its files.
fn write_measured(
    args: &MeasureArgs,
    simulation: &Simulation,
    folder: &ResultsFolder,
    pictures: &[Subject],
) -> Result<Measured, Error> {
    let measured = match args.experiment {
        Experiment::Ff => ff(simulation)?,
        Experiment::Fi => fi(simulation)?,
        Experiment::Epsp => epsp::epsp(simulation, args.model)?,
        Experiment::Adaptation => adaptation(simulation)?,
        Experiment::Mismatch => mismatch::mismatch(simulation),
    };
    for (name, content) in &measured.files {
        folder.file(name, |out| out.write_all(content))?;
    }
    for subject in pictures {
        let title = picture::title(&simulation.scene().name, &subject.about());
        let svg = subject.of(simulation)?.picture(title.as_str().into()).svg();
        folder.file(&subject.file(), |out| out.write_all(svg.as_bytes()))?;
    }
    folder.file(MEASURED_TEXT, |out| out.write_all(measured.text.as_bytes()))?;
    folder.file(MEASURED, |out| {
        serde_json::to_writer_pretty(&mut *out, &measured.values)?;
        writeln!(out)
    })?;
    Ok(measured)
}

/// A value of a table: median and, of several ones, the 5th and the 95th percentile in cells of their own.
fn spread_cells(values: &[f64], unit: Unit, has_band: bool) -> Vec<String> {
    let shown = |value: f64| quantity(value, unit);
    let mut cells = match percentiles(values) {
        Some((median, p05, p95)) => vec![shown(median), shown(p05), shown(p95)],
        None => vec!["-".to_string(); 3],
    };
    cells.truncate(if has_band { 3 } else { 1 });
    cells
}

/// Rows of cells, the first of which name the columns: each column as wide as its widest cell, numbers to
/// the right.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let cells = |k: usize| rows.iter().map(move |row| row[k].as_str());
    let is_number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "-…".contains(c));
    let shape = |k: usize| {
        let width = cells(k).map(|cell| cell.chars().count()).max().unwrap_or(0);
        (width, cells(k).skip(1).all(is_number))
    };
    let shapes: Vec<(usize, bool)> = (0..columns).map(shape).collect();
    let line = |row: &Vec<String>| {
        let cell = |(cell, (width, right)): (&String, &(usize, bool))| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        };
        let cells: Vec<String> = row.iter().zip(&shapes).map(cell).collect();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A table of a band: x, median and, of several values, the 5th and the 95th percentile.
fn band_table<'r>(
    (x, y): (&str, &str),
    rows: impl Iterator<Item = (String, &'r BandRow)>,
    scale: f64,
) -> String {
    let rows: Vec<(String, &BandRow)> = rows.collect();
    let has_band = rows.iter().any(|(_, row)| row.n > 1);
    let mut lines = vec![vec![x.to_string(), y.to_string()]];
    if has_band {
        lines[0].extend(["5 %".to_string(), "95 %".to_string()]);
    }
    for (x, row) in rows {
        let values = [row.median, row.p05, row.p95].into_iter().take(if has_band { 3 } else { 1 });
        let shown = values.map(|value| three_digits(scale * value).to_string());
        lines.push(std::iter::once(x).chain(shown).collect());
    }
    table(&lines)
}

fn row_json(row: &BandRow) -> Value {
    let BandRow { x, median, p05, p95, mean, std, n } = row;
    json!({"x": x, "median": median, "p05": p05, "p95": p95, "mean": mean, "std": std, "n": n})
}

/// Of values that are not sorted: median, 5th and 95th percentile.
fn percentiles(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty())
        .then(|| (quantile(&sorted, 0.5), quantile(&sorted, 0.05), quantile(&sorted, 0.95)))
}

/// `3.54 ms`, or `3.54 ms (3.1 ms to 4.0 ms)` of several values.
fn spread(values: &[f64], unit: Unit) -> String {
    let shown = |value: f64| quantity(value, unit);
    match percentiles(values) {
        None => "-".into(),
        Some((median, ..)) if values.len() == 1 => shown(median),
        Some((median, p05, p95)) => format!("{} ({} to {})", shown(median), shown(p05), shown(p95)),
    }
}

/// A probe of the experiment; `--set` may have taken it away.
fn ff(simulation: &Simulation) -> Result<Measured, Error> {
    let band = simulation.probe::<FfCurve>("ff")?.band();
    let last = band.len().saturating_sub(1);
    let shown = (0..=5).filter_map(|k| band.get(k * last / 5));
    let shown = shown.map(|row| (three_digits(row.x).to_string(), row));
    let text = band_table(("input rate (Hz)", "output rate (Hz)"), shown, 1.0);
    let values = json!({ "ff": band.iter().map(row_json).collect::<Vec<_>>() });
    Ok(Measured { text, values, files: Vec::new() })
}

fn fi(simulation: &Simulation) -> Result<Measured, Error> {
    let curve = simulation.probe::<FiCurve>("fi")?;
    let found: Vec<f64> = curve.rheobases().into_iter().flatten().collect();
    let band = curve.band();
    let mut text = format!(
        "rheobase: {}, the lowest input at which a neuron fired\n",
        spread(&found, Unit::Ampere)
    );
    let rows = curve.rows();
    let with_form: Vec<(f64, f64)> =
        rows.iter().filter_map(|row| Some((row.output_hz, row.closed_form_hz?))).collect();
    let apart = with_form.iter().map(|(rate, form)| (rate - form).abs()).fold(0.0, f64::max);
    if !with_form.is_empty() {
        let least = rows.iter().filter(|r| r.closed_form_hz > Some(0.0)).map(|r| r.input);
        let least =
            least.min_by(f64::total_cmp).map_or("-".into(), |input| quantity(input, Unit::Ampere));
        text += &format!(
            "closed form: fires from {least} on; rates are up to {} Hz apart (a spike in the time \
             that was recorded is {} Hz)\n",
            three_digits(apart),
            three_digits(1.0 / simulation.scene().duration.seconds()),
        );
    }
    let last = band.len().saturating_sub(1);
    let shown = (0..=5).filter_map(|k| band.get(k * last / 5));
    let shown = shown.map(|row| (quantity(row.x, Unit::Ampere), row));
    text += &band_table(("input", "output rate (Hz)"), shown, 1.0);
    let values = json!({
        "rheobase_A": curve.rheobases(),
        "largest_distance_from_closed_form_hz": (!with_form.is_empty()).then_some(apart),
        "fi": band.iter().map(row_json).collect::<Vec<_>>(),
    });
    Ok(Measured { text, values, files: Vec::new() })
}

fn adaptation(simulation: &Simulation) -> Result<Measured, Error> {
    let band = simulation.probe::<IntervalRecorder>("intervals")?.band();
    // The highest numbers are reached by those that fire most, whose median is not that of all.
    let most = band.first().map_or(0, |row| row.n);
    let common: Vec<&BandRow> = band.iter().filter(|row| 10 * row.n >= 9 * most).collect();
    let last = common.len().saturating_sub(1);
    let shown = common.iter().enumerate().filter(|(k, _)| *k < 5 || *k == last);
    let shown = shown.map(|(k, row)| {
        let gap = if k == last && k > 5 { "… " } else { "" };
        (format!("{gap}{}", row.x), *row)
    });
    let mut text = band_table(("number", "interval (ms)"), shown, 1e3);
    // Of each neuron its own: those that fire most have the highest numbers.
    let recorder = simulation.probe::<IntervalRecorder>("intervals")?;
    let mut ends: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for interval in recorder.intervals() {
        let length = interval.length.seconds();
        ends.entry(interval.neuron).or_insert((length, length)).1 = length;
    }
    let growth: Vec<f64> = ends.values().map(|(first, last)| last / first).collect();
    text += &match growth.len() {
        0 => "no neuron fired twice\n".to_string(),
        _ => format!(
            "the last interval of a neuron over its first: {}\n",
            spread(&growth, Unit::One)
        ),
    };
    let values = json!({
        "last_over_first": growth,
        "intervals_s": band.iter().map(row_json).collect::<Vec<_>>(),
    });
    Ok(Measured { text, values, files: Vec::new() })
}
