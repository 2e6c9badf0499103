//! Pictures of a sweep, drawn from its tables: what probes measured against what was swept.
//!
//! One path that is swept makes a curve with a band, two make a heat map; of more, the first two are shown at
//! the first values of the others ([`Drawing::slices`] has the rest). With `Zip` all paths are one. What neurons
//! measure each at a value of its own (an FF curve) is besides a heat map against both.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::point::{Layout, ProbeTable};
use crate::probe::band::quantile;
use crate::probe::picture::{
    self, Cell, Frame, HeatMap, Parameter, Picture, Response, counted, thin,
};
use crate::probe::quantity::Against;
use crate::results::{FileNames, ProbeFiles};
use crate::scene::Scene;
use crate::scene::sweep::{Axis, Coordinate, Form, Sweep};
use crate::units::{self, Unit};

/// Values of a parameter that a curve, and that an axis of a heat map shows.
const MOST_ON_CURVE: usize = 2000;
const MOST_ON_MAP: usize = 128;
/// Values of its own that a probe has; of as many an FF curve usually is.
const MOST_OWN_ON_MAP: usize = 200;
/// Of more values of its own that a probe has, each neuron has another one at each point.
const MOST_OWN: usize = 500;

/// A picture of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPicture {
    /// The name that `picoamp plot` takes.
    pub name: String,
    /// Its file in the results folder.
    pub file: String,
    /// The table that it is drawn from.
    pub(super) table: String,
    pub(super) column: String,
    /// What it shows, and the unit of that.
    pub(super) shows: (String, Unit),
    /// A heat map against a column of the table and what is swept, instead of all values of a point as one.
    pub(super) against: Option<Against>,
}

/// What a point measured: 5 %, median and 95 % of so many values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Level {
    low: f64,
    median: f64,
    high: f64,
    n: usize,
}

impl Level {
    fn of(mut values: Vec<f64>) -> Option<Level> {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let [low, median, high] =
            (!values.is_empty()).then(|| [0.05, 0.5, 0.95].map(|q| quantile(&values, q)))?;
        Some(Level { low, median, high, n: values.len() })
    }

    fn scaled(self, scale: f64) -> (f64, f64, f64) {
        (scale * self.low, scale * self.median, scale * self.high)
    }
}

/// Something that is swept, as an axis of a picture.
#[derive(Debug, Clone)]
struct Dimension {
    parameter: Parameter,
    /// For each value of the parameter its place among those of the path (with `Zip`: the point).
    order: Vec<usize>,
    /// What the number of a point grows by from one of these places to the next.
    stride: usize,
    /// The path, and its values as messages have them.
    path: String,
    values: Vec<String>,
}

impl Dimension {
    /// At most so many values, and whether some were left out.
    fn shown(&self, most: usize) -> (Dimension, Option<String>) {
        let all: Vec<usize> = (0..self.order.len()).collect();
        let kept = thin(&all, most);
        if kept.len() == all.len() {
            return (self.clone(), None);
        }
        let pick = |values: &[f64]| kept.iter().map(|k| values[*k]).collect::<Vec<f64>>();
        let own = &self.parameter;
        let names: Vec<String> = kept.iter().filter_map(|k| own.names.get(*k).cloned()).collect();
        let places = (0..kept.len()).map(|k| k as f64).collect();
        let values = if names.is_empty() { pick(&own.values) } else { places };
        let parameter = Parameter { values, names, ..own.clone() };
        let order = kept.iter().map(|k| self.order[*k]).collect();
        let note = format!("showing {} of {} values of {}", kept.len(), all.len(), own.label);
        (Dimension { parameter, order, ..self.clone() }, Some(note))
    }
}

/// Numbers of one unit, each once; otherwise the values have names.
fn numbers(values: &[Coordinate]) -> Option<(Vec<f64>, Unit)> {
    let unit = values.first()?.unit();
    let numbers: Option<Vec<f64>> =
        values.iter().map(|v| v.number().filter(|_| v.unit() == unit)).collect();
    let numbers = numbers?;
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    sorted.windows(2).all(|pair| pair[0] < pair[1]).then_some((numbers, unit))
}

fn dimension(axis: &Axis, label: &str, stride: usize) -> Dimension {
    let mut order: Vec<usize> = (0..axis.values.len()).collect();
    let parameter = match numbers(&axis.values) {
        Some((numbers, unit)) => {
            order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
            let sorted: Vec<f64> = order.iter().map(|k| numbers[*k]).collect();
            let (label, scale) = labelled(label, unit, &sorted);
            let values = sorted.iter().map(|value| scale * value).collect();
            Parameter { label, values, log: axis.is_log, names: Vec::new() }
        }
        None => Parameter {
            label: label.into(),
            values: (0..axis.values.len()).map(|k| k as f64).collect(),
            log: false,
            names: axis.values.iter().map(ToString::to_string).collect(),
        },
    };
    let values = axis.values.iter().map(ToString::to_string).collect();
    Dimension { parameter, order, stride, path: axis.path.clone(), values }
}

/// `soma.Itau (pA)`, and how many of that unit are one SI unit.
fn labelled(name: &str, unit: Unit, values: &[f64]) -> (String, f64) {
    let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let (symbol, scale) = match unit {
        Unit::Ampere | Unit::Volt | Unit::Farad | Unit::Second => units::scale(largest, unit),
        Unit::Hertz | Unit::PerAmpere | Unit::One => (unit.symbol().to_string(), 1.0),
    };
    let label = if symbol.is_empty() { name.into() } else { format!("{name} ({symbol})") };
    (label, scale)
}

/// What is swept, in the order of the scene; paths with a single value only where there are no others.
fn dimensions(sweep: &Sweep) -> Vec<Dimension> {
    let labels = sweep.labels();
    if sweep.form == Form::Zip {
        let axes = || sweep.axes.iter().zip(&labels);
        let found = axes().find(|(axis, _)| numbers(&axis.values).is_some());
        let count = sweep.points();
        let Some((axis, label)) = found else {
            let numbers: Vec<f64> = (0..count).map(|k| k as f64).collect();
            let label = format!("point ({})", labels.join(", "));
            let parameter = Parameter { label, values: numbers, log: false, names: Vec::new() };
            let values = (0..count).map(|k| k.to_string()).collect();
            let (order, path) = ((0..count).collect(), "point".into());
            return vec![Dimension { parameter, order, stride: 1, path, values }];
        };
        let mut found = dimension(axis, label, 1);
        let others: Vec<&str> =
            axes().filter(|(_, other)| *other != label).map(|(_, other)| other.as_str()).collect();
        if !others.is_empty() {
            found.parameter.label += &format!(", with {}", others.join(", "));
        }
        return vec![found];
    }
    let mut all = Vec::new();
    let mut stride = 1;
    for (axis, label) in sweep.axes.iter().zip(&labels).rev() {
        all.push(dimension(axis, label, stride));
        stride *= axis.values.len();
    }
    all.reverse();
    let first = all.first().cloned();
    all.retain(|dimension| dimension.order.len() > 1);
    if all.is_empty() { first.into_iter().collect() } else { all }
}

/// The pictures of a sweep that has these tables, with names that no other file has: of each quantity of a probe,
/// and, where no probe measures a rate, of the spikes of each population.
pub(super) fn named(
    sweep: &Sweep,
    scene: &Scene,
    points: &str,
    tables: &[ProbeTable],
    files: &BTreeMap<String, ProbeFiles>,
    names: &mut FileNames,
) -> Vec<SweepPicture> {
    let mut found = Vec::new();
    let is_line = dimensions(sweep).len() == 1;
    for (probe, kind) in scene.probes.iter().map(|(probe, p)| (probe, &p.kind)) {
        let quantities = kind.quantities(scene);
        for quantity in &quantities {
            let is_its = |t: &&ProbeTable| t.probe == *probe && t.further == quantity.table;
            let Some(table) = tables.iter().find(is_its) else { continue };
            let mut draw = |name: String, file: String, against: Option<Against>| {
                found.push(SweepPicture {
                    name,
                    file,
                    table: table.file.clone(),
                    column: quantity.column.clone(),
                    shows: (quantity.name.clone(), quantity.unit),
                    against,
                });
            };
            match files.get(probe) {
                Some(files) if quantities.len() == 1 => {
                    draw(probe.clone(), files.picture.clone(), None);
                }
                _ => {
                    let name = format!("{probe}.{}", quantity.column);
                    let file = names.give(&name, "svg");
                    draw(name, file, None);
                }
            }
            if let Some(against) = quantity.against.as_ref().filter(|_| is_line) {
                let name = format!("{probe}.{}", against.column);
                let file = names.give(&name, "svg");
                draw(name, file, Some(against.clone()));
            }
        }
    }
    // Of a rate that a probe measures, spikes would say the same once more.
    let has_rates = found.iter().any(|picture| picture.shows.1 == Unit::Hertz);
    for population in scene.populations.keys().filter(|_| !has_rates) {
        let name = format!("{population}.spikes");
        found.push(SweepPicture {
            file: names.give(&name, "svg"),
            table: points.into(),
            column: name.clone(),
            shows: (format!("spikes of {population}"), Unit::One),
            against: None,
            name,
        });
    }
    found
}

/// The pictures of a sweep, one of whose points has this scene.
#[must_use]
pub fn pictures(sweep: &Sweep, scene: &Scene) -> Vec<SweepPicture> {
    Layout::new(sweep, scene).pictures
}

/// What a picture shows, read from its table.
#[derive(Debug)]
pub struct Drawing {
    name: (String, f64),
    /// The lowest and the highest median: all slices have the same scale of colours.
    ends: (f64, f64),
    content: Content,
    dimensions: Vec<Dimension>,
}

#[derive(Debug)]
enum Content {
    /// By point.
    Points(Vec<Option<Level>>),
    /// By point and value of its own, which are those of a parameter.
    Own(Parameter, BTreeMap<(usize, usize), Level>),
}

impl SweepPicture {
    /// Reads what it shows from the tables in a folder; none where there is nothing to be shown in this way.
    ///
    /// # Errors
    /// File, line and what is wrong.
    pub fn read(&self, folder: &Path, sweep: &Sweep) -> Result<Option<Drawing>, String> {
        let dimensions = dimensions(sweep);
        let Some(against) = &self.against else {
            let mut levels = vec![None; sweep.points()];
            self.rows(folder, sweep, &mut |point, values| {
                levels[point] = Level::of(values.into_iter().map(|(_, value)| value).collect());
            })?;
            let drawing = self.drawing(Content::Points(levels), dimensions);
            return Ok(Some(drawing));
        };
        let Some(dimension) = dimensions.first() else { return Ok(None) };
        // Only of the points that it shows: there may be as many values as neurons and points.
        let shown: BTreeMap<usize, usize> =
            dimension.shown(MOST_ON_MAP).0.order.into_iter().zip(0..).collect();
        let mut own: Vec<f64> = Vec::new();
        let mut found: Vec<(usize, Vec<(f64, f64)>)> = Vec::new();
        let mut is_scattered = false;
        self.rows(folder, sweep, &mut |point, values| {
            if is_scattered || !shown.contains_key(&point) {
                return;
            }
            let mut here: Vec<f64> = values.iter().map(|(x, _)| *x).collect();
            here.append(&mut own);
            here.sort_by(f64::total_cmp);
            here.dedup();
            own = here;
            is_scattered = own.len() > MOST_OWN;
            found.push((point, values));
        })?;
        if is_scattered || own.len() < 2 {
            return Ok(None);
        }
        let (label, scale) = labelled(&against.name, against.unit, &own);
        let kept = thin(&own, MOST_OWN_ON_MAP);
        let mut levels = BTreeMap::new();
        for (point, values) in found {
            let mut by_place: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            for (x, value) in values {
                if let Ok(place) = kept.binary_search_by(|known| known.total_cmp(&x)) {
                    by_place.entry(place).or_default().push(value);
                }
            }
            for (place, values) in by_place {
                levels.extend(Level::of(values).map(|level| ((point, place), level)));
            }
        }
        let label = match kept.len() == own.len() {
            true => label,
            false => format!("{label}, {} of {} values", kept.len(), own.len()),
        };
        let values = kept.iter().map(|value| scale * value).collect();
        let parameter = Parameter { label, values, log: false, names: Vec::new() };
        Ok(Some(self.drawing(Content::Own(parameter, levels), dimensions)))
    }

    fn drawing(&self, content: Content, dimensions: Vec<Dimension>) -> Drawing {
        let levels: Vec<&Level> = match &content {
            Content::Points(levels) => levels.iter().flatten().collect(),
            Content::Own(_, levels) => levels.values().collect(),
        };
        let highest: Vec<f64> = levels.iter().map(|level| level.high).collect();
        let (label, scale) = labelled(&self.shows.0, self.shows.1, &highest);
        let ends = levels.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), level| {
            (low.min(scale * level.median), high.max(scale * level.median))
        });
        Drawing { name: (label, scale), ends, content, dimensions }
    }

    /// Calls `of_point` with the values of each point, in the order of points: what each belongs to, and the
    /// value.
    fn rows(
        &self,
        folder: &Path,
        sweep: &Sweep,
        of_point: &mut dyn FnMut(usize, Vec<(f64, f64)>),
    ) -> Result<(), String> {
        let table = &self.table;
        let at = |error: &dyn std::fmt::Display| format!("{table}: {error}");
        let file = File::open(folder.join(table)).map_err(|error| at(&error))?;
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers().map_err(|error| at(&error))?.clone();
        if header.is_empty() {
            // No point has come so far.
            return Ok(());
        }
        // Before the columns of a probe stand the number of the point and the values of the paths.
        let own = 1 + sweep.axes.len();
        let place = |column: &str| {
            let found = header.iter().skip(own).position(|name| name == column);
            found.map(|k| own + k).ok_or_else(|| format!("{table}: it has no column {column}"))
        };
        let column = place(&self.column)?;
        let against = self.against.as_ref().map(|against| place(against.column)).transpose()?;
        let mut now: Option<(usize, Vec<(f64, f64)>)> = None;
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| at(&error))? {
            let line = || record.position().map_or(0, csv::Position::line);
            let number = |k: usize| {
                let cell = record.get(k).unwrap_or_default();
                let wrong = || format!("{table}, line {}: `{cell}` is no number", line());
                cell.parse::<f64>().map_err(|_| wrong())
            };
            let cell = record.get(0).unwrap_or_default();
            let point = cell.parse::<usize>().ok().filter(|point| *point < sweep.points());
            let point = point
                .ok_or_else(|| format!("{table}, line {}: there is no point {cell}", line()))?;
            if now.as_ref().is_none_or(|(current, _)| *current != point)
                && let Some((before, values)) = now.replace((point, Vec::new()))
            {
                of_point(before, values);
            }
            // An empty cell: there is no such value.
            if record.get(column).is_some_and(|cell| !cell.is_empty()) {
                let own = against.map_or(Ok(0.0), number)?;
                if let Some((_, values)) = &mut now {
                    values.push((own, number(column)?));
                }
            }
        }
        if let Some((point, values)) = now {
            of_point(point, values);
        }
        Ok(())
    }
}

impl Drawing {
    /// How many pictures it takes to show everything: more than one where more than two paths are swept.
    #[must_use]
    pub fn slices(&self) -> usize {
        match self.content {
            Content::Points(_) => {
                self.dimensions.iter().skip(2).map(|dimension| dimension.order.len()).product()
            }
            Content::Own(..) => 1,
        }
    }

    /// Draws one of the [slices](Drawing::slices); the first has the first values of all further paths.
    #[must_use]
    pub fn picture(&self, slice: usize, frame: Frame) -> Picture {
        match &self.content {
            Content::Own(own, levels) => self.own(own, levels, frame),
            Content::Points(levels) => self.points(levels, slice, frame),
        }
    }

    fn own(
        &self,
        own: &Parameter,
        levels: &BTreeMap<(usize, usize), Level>,
        frame: Frame,
    ) -> Picture {
        let (label, scale) = &self.name;
        let Some(dimension) = self.dimensions.first() else { return Picture::from_svg("".into()) };
        let (shown, left_out) = dimension.shown(MOST_ON_MAP);
        let cell = |k: usize, place: usize| levels.get(&(shown.order[k], place)).copied();
        let found: Vec<Option<Level>> = (0..shown.order.len())
            .flat_map(|k| (0..own.values.len()).map(move |place| (k, place)))
            .map(|(k, place)| cell(k, place))
            .collect();
        let mut notes = vec![counts(&found, "median", "cell")];
        notes.push(left_out.unwrap_or_default());
        let cells: Vec<Cell> = found.iter().map(|l| l.map(|l| l.scaled(*scale))).collect();
        picture::heat_map(&HeatMap {
            frame,
            x: own,
            y: &shown.parameter,
            label,
            cells: &cells,
            also: self.ends,
            note: &joined(notes),
            nothing: NOTHING,
        })
    }

    fn points(&self, levels: &[Option<Level>], slice: usize, frame: Frame) -> Picture {
        let (label, scale) = &self.name;
        let (shown, others) = self.dimensions.split_at(self.dimensions.len().min(2));
        // The place of the slice on each of the others, the last of which changes fastest.
        let (mut rest, mut start, mut at) = (slice, 0, Vec::new());
        for other in others.iter().rev() {
            let k = rest % other.order.len();
            rest /= other.order.len();
            start += other.order[k] * other.stride;
            at.push(format!("{} = {}", other.path, other.values[other.order[k]]));
        }
        at.reverse();
        let mut notes = Vec::new();
        if !at.is_empty() {
            notes.push(format!(
                "at {} (picture {} of {})",
                at.join(", "),
                slice + 1,
                self.slices()
            ));
        }
        let most = if shown.len() > 1 { MOST_ON_MAP } else { MOST_ON_CURVE };
        let (shown, left_out): (Vec<Dimension>, Vec<Option<String>>) =
            shown.iter().map(|dimension| dimension.shown(most)).unzip();
        match &shown[..] {
            [x, y] => {
                let places = y
                    .order
                    .iter()
                    .flat_map(|j| x.order.iter().map(move |i| start + i * x.stride + j * y.stride));
                let found: Vec<Option<Level>> = places.map(|point| levels[point]).collect();
                let cells: Vec<Cell> = found.iter().map(|l| l.map(|l| l.scaled(*scale))).collect();
                notes.push(counts(&found, "median", "point"));
                notes.extend(left_out.into_iter().flatten());
                picture::heat_map(&HeatMap {
                    frame,
                    x: &x.parameter,
                    y: &y.parameter,
                    label,
                    cells: &cells,
                    also: self.ends,
                    note: &joined(notes),
                    nothing: NOTHING,
                })
            }
            [x, ..] => {
                let found: Vec<Option<Level>> =
                    x.order.iter().map(|i| levels[start + i * x.stride]).collect();
                let rows = x.parameter.values.iter().zip(&found).filter_map(|(at, level)| {
                    let (low, median, high) = level.as_ref()?.scaled(*scale);
                    Some((*at, low, median, high))
                });
                notes.push(counts(&found, "median and 5 % to 95 %", "point"));
                notes.extend(left_out.into_iter().flatten());
                picture::response(&Response {
                    frame,
                    parameter: &x.parameter,
                    y_label: label,
                    rows: &rows.collect::<Vec<_>>(),
                    single: found.iter().flatten().all(|level| level.n == 1),
                    note: &joined(notes),
                    nothing: NOTHING,
                })
            }
            [] => Picture::from_svg(String::new()),
        }
    }
}

const NOTHING: &str = "no values";

fn joined(mut notes: Vec<String>) -> String {
    notes.retain(|note| !note.is_empty());
    notes.join("; ")
}

/// Of how many values something is, and where there are none.
fn counts(found: &[Option<Level>], what: &str, of: &str) -> String {
    let most = found.iter().flatten().map(|level| level.n).max().unwrap_or(0);
    let is_same = found.iter().flatten().all(|level| level.n == most);
    let missing = found.iter().filter(|level| level.is_none()).count();
    let mut notes = Vec::new();
    if most > 1 {
        let about = if is_same { "" } else { "up to " };
        notes.push(format!("{what} of {about}{} at each {of}", counted(most as u64, "value")));
    }
    if missing > 0 {
        notes.push(format!("no value at {missing} of {}", counted(found.len() as u64, of)));
    }
    joined(notes)
}
