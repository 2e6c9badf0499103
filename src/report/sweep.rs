//! The report of a sweep: what was measured against what was swept.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Page, escape};
use crate::Error;
use crate::plugins::Plugins;
use crate::probe::picture::{Frame, three_digits};
use crate::results::Results;
use crate::scene::Scene;
use crate::scene::sweep::{Form, Seeds, Sweep};
use crate::sweep::pictures::pictures;
use crate::sweep::points::{self, Row, Table};

/// Cells and values that charts hold in all, so that a report stays below its size.
const MOST_CELLS: usize = 120_000;
/// Charts of a quantity against more than two paths.
const MOST_SLICES: usize = 12;
/// Rows of the table of points; `points.csv` has all.
const MOST_ROWS: usize = 200;
/// Values of a path that are written out.
const MOST_VALUES: usize = 8;
/// Points whose failure is told.
const MOST_FAILURES: usize = 10;

pub(super) fn html(
    results: &Results,
    plugins: &Plugins,
    scene: &Scene,
    sweep: &Sweep,
) -> Result<String, Error> {
    let table = read_points(results, sweep)?;
    let first = sweep.load(plugins, 0)?.scene;
    let mut page = Page::default();
    let raw = results.raw();
    page.title(scene, raw);
    failures(&mut page, sweep, &table.rows);
    head(&mut page, scene, sweep, &table);
    charts(&mut page, results, &first, sweep);
    page.network(&first);
    page.biases(&first);
    if !first.populations.is_empty() {
        page.body += "<p class=\"note\">Network and biases are those of point 0.</p>";
    }
    rows(&mut page, sweep, &table);
    provenance(&mut page, results)?;
    Ok(page.finish(&scene.name))
}

/// The table of points.
fn read_points(results: &Results, sweep: &Sweep) -> Result<Table, Error> {
    let name = results.raw()["sweep"]["table"].as_str().unwrap_or("points.csv");
    points::read(&results.path().join(name), sweep.axes.len()).map_err(|message| Error::Results {
        path: results.path().to_path_buf(),
        message,
        help: "run the sweep again, or restore the file".into(),
    })
}

fn failures(page: &mut Page, sweep: &Sweep, rows: &[Row]) {
    let failed: Vec<(&Row, &String)> =
        rows.iter().filter_map(|row| Some((row, row.error.as_ref()?))).collect();
    for (row, why) in failed.iter().take(MOST_FAILURES) {
        page.warn(&format!("Failed: {}: {why}.", sweep.label(row.point)));
    }
    if failed.len() > MOST_FAILURES {
        let more = failed.len() - MOST_FAILURES;
        page.warn(&format!("{more} more points failed; the table of points says why."));
    }
}

fn head(page: &mut Page, scene: &Scene, sweep: &Sweep, table: &Table) {
    let lengths: Vec<String> =
        sweep.axes.iter().map(|axis| axis.values.len().to_string()).collect();
    let form = match sweep.form {
        Form::Grid => format!("grid of {}", lengths.join(" × ")),
        Form::Zip => "paths together".into(),
    };
    let seeds = match sweep.seeds {
        _ if sweep.is_over_seeds() => "swept".into(),
        Seeds::Derived => format!("of each point its own, from {}", sweep.seed),
        Seeds::Shared => format!("{} at all points", sweep.seed),
    };
    let is_swept = sweep.axes.iter().any(|axis| axis.path == "duration");
    let simulated =
        if is_swept { "swept".into() } else { format!("{} s at each point", scene.duration) };
    page.table(
        &["", ""],
        &[
            vec!["points".into(), format!("{} of {} ({form})", table.rows.len(), sweep.points())],
            vec!["simulated".into(), simulated],
            vec!["seed".into(), seeds],
        ],
    );
    let row = |(axis, label): (&crate::scene::sweep::Axis, &String)| {
        let all: Vec<String> = axis.values.iter().map(ToString::to_string).collect();
        let shown = match all.len() {
            n if n > MOST_VALUES => format!("{} … {}", all[0], all[n - 1]),
            _ => all.join(", "),
        };
        vec![axis.path.clone(), label.clone(), shown, all.len().to_string()]
    };
    let labels = sweep.labels();
    let rows: Vec<Vec<String>> = sweep.axes.iter().zip(&labels).map(row).collect();
    page.table(&["swept", "on axes", "values", "count"], &rows);
}

fn charts(page: &mut Page, results: &Results, first: &Scene, sweep: &Sweep) {
    page.section("Measured");
    let mut left = MOST_CELLS;
    for picture in pictures(sweep, first) {
        let drawing = match picture.read(results.path(), sweep) {
            Ok(Some(drawing)) => drawing,
            Ok(None) => continue,
            Err(message) => {
                page.warn(&format!("{} cannot be shown: {message}.", picture.name));
                continue;
            }
        };
        let all = drawing.slices();
        let mut shown = 0;
        while shown < all.min(MOST_SLICES) {
            let kind = first.probes.get(&picture.name).map(|probe| probe.kind.name());
            let heading = match kind {
                Some(kind) => format!("{} ({kind})", picture.name),
                None => picture.name.clone(),
            };
            let drawn = drawing.picture(shown, Frame::from(heading.as_str()));
            let cells = drawn.chart().map_or(0, |chart| {
                let of_series = chart.series.iter().map(|series| series.x.len()).sum::<usize>();
                of_series + chart.map.as_ref().map_or(0, |map| map.median.len())
            });
            if cells > left {
                break;
            }
            left -= cells;
            page.picture(&heading, drawn, None);
            shown += 1;
        }
        if shown < all {
            page.body += &format!(
                "<p class=\"note\">{}: showing {shown} of {all} pictures; the tables have all \
                 values.</p>",
                escape(&picture.name)
            );
        }
    }
}

/// The table of points, folded.
fn rows(page: &mut Page, sweep: &Sweep, table: &Table) {
    page.section("Points");
    let mut head = vec!["point".to_string()];
    head.extend(sweep.labels());
    head.push("seed".into());
    head.extend(table.populations.iter().map(|name| format!("spikes of {name}")));
    head.push("error".into());
    let row = |row: &Row| {
        let mut cells = vec![row.point.to_string()];
        let in_range = row.point < sweep.points();
        let values = in_range.then(|| sweep.coordinates(row.point)).into_iter().flatten();
        cells.extend(values.map(ToString::to_string));
        cells.push(row.seed.to_string());
        let spikes = |k: usize| row.spikes.get(k).map_or("–".into(), u64::to_string);
        cells.extend((0..table.populations.len()).map(spikes));
        cells.push(row.error.clone().unwrap_or_default());
        cells.resize(head.len(), String::new());
        cells
    };
    let shown: Vec<Vec<String>> = table.rows.iter().take(MOST_ROWS).map(row).collect();
    let (n, all) = (shown.len(), table.rows.len());
    let what =
        if n < all { format!("The first {n} of {all} points") } else { format!("{all} points") };
    let _ = write!(page.body, "<details><summary>{what}</summary>");
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    page.table(&head, &shown);
    page.body += "</details>";
}

fn provenance(page: &mut Page, results: &Results) -> Result<(), Error> {
    let raw = results.raw();
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_string);
    let side_by_side = &raw["sweep"]["side_by_side"];
    page.section("Provenance");
    let rows = [
        ("program", format!("picoamp {}", text(&raw["program_version"]))),
        ("back end", format!("{}, up to {} threads", text(&raw["backend"]), raw["threads"])),
        ("points side by side", side_by_side.to_string()),
        ("seed", text(&raw["seed"])),
        ("wall time", {
            let run = raw["wall_s"]["run"].as_f64().unwrap_or(0.0);
            format!("{} s (of the last run, if it was resumed)", three_digits(run))
        }),
        ("spike hash, total", text(&raw["spike_hash"]["total"])),
        ("files", results.summary().files.join(", ")),
    ];
    let rows = rows.map(|(key, value)| vec![key.to_string(), value]);
    page.table(&["", ""], &rows);
    page.scene("The scene, as it was typed", &results.scene_text()?);
    Ok(())
}
