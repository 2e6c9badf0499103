//! What a picture shows, as data: reports draw it again with zoom and hover.

use serde::Serialize;

use super::{Cell, Frame, Parameter};

/// Points of all curves of a chart, about; narrow spikes stay.
const MOST_POINTS: usize = 40_000;

/// A picture as data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// Text above it.
    pub title: String,
    /// The lower axis.
    pub x: Axis,
    /// The left axis.
    pub y: Axis,
    /// What is drawn, from the back to the front.
    pub series: Vec<Series>,
    /// Dashed horizontal lines: y and name.
    pub levels: Vec<(f64, String)>,
    /// Note under the title.
    pub note: Option<String>,
    /// What is said where there is nothing to show.
    pub nothing: Option<String>,
    /// A second axis on the right for the same values.
    pub right: Option<RightAxis>,
    /// Cells of a heat map, behind all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// First and last value shown.
    pub range: (f64, f64),
    /// Whether it is logarithmic.
    pub log: bool,
    /// Whether a tick between two whole numbers means nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Names at 0, 1, 2 …, instead of numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// The cells of a heat map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    /// What is shown, with its unit.
    pub label: String,
    /// Lowest and highest value of the scale of colours.
    pub range: (f64, f64),
    /// Colours of the scale, from the lowest value to the highest one.
    pub colours: Vec<String>,
    /// The values of the axes that the cells belong to.
    pub x: Vec<f64>,
    /// The same of y.
    pub y: Vec<f64>,
    /// Where cells begin and end on the axes: one more than there are values.
    pub x_edges: Vec<f64>,
    /// The same of y.
    pub y_edges: Vec<f64>,
    /// For each value of y those of x; none where there is nothing to show.
    pub median: Vec<Option<f64>>,
    /// 5 % of the values are below it; empty where each cell is of a single value.
    pub low: Vec<Option<f64>>,
    /// 95 % of the values are below it.
    pub high: Vec<Option<f64>>,
}

/// An axis for `reference`·exp(y/`scale`): the current that belongs to a gate voltage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RightAxis {
    /// What it measures, with its unit.
    pub label: String,
    /// The value at y = 0.
    pub reference: f64,
    /// UT/κ, in the unit of y.
    pub scale: f64,
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// How: `dots`, `line`, `band` (from y to y2), `ranges` (the same at each x by itself) or `steps` (each from
    /// its x to x2).
    pub kind: &'static str,
    /// Its name.
    pub label: String,
    /// Its place among the colours; `None`: that of text.
    pub colour: Option<usize>,
    /// Whether it is dashed.
    pub dashed: bool,
    /// Whether a line has a dot at each of its points.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub marks: bool,
    /// x of each point.
    pub x: Vec<f64>,
    /// y of each point.
    pub y: Vec<f64>,
    /// The other y of a band, the other x of steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<f64>,
}

/// Six digits: more than a screen can show, and short.
fn digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

impl Series {
    /// Dots or a line through points.
    pub fn new(
        kind: &'static str,
        label: &str,
        colour: Option<usize>,
        points: &[(f64, f64)],
    ) -> Series {
        let x = points.iter().map(|p| digits(p.0)).collect();
        let y = points.iter().map(|p| digits(p.1)).collect();
        let (dashed, marks, to) = (false, false, Vec::new());
        Series { kind, label: label.into(), colour, dashed, marks, x, y, to }
    }

    /// The same, dashed.
    pub fn dashed(self) -> Series {
        Series { dashed: true, ..self }
    }

    /// The same with other ends.
    pub fn to(self, to: impl Iterator<Item = f64>) -> Series {
        Series { to: to.map(digits).collect(), ..self }
    }
}

impl Map {
    /// Of parameters x and y.
    pub fn new(
        label: &str,
        range: (f64, f64),
        (x, y): (&Parameter, &Parameter),
        cells: &[Cell],
        colours: Vec<String>,
    ) -> Map {
        let of = |value: fn(&(f64, f64, f64)) -> f64| -> Vec<Option<f64>> {
            cells.iter().map(|cell| cell.as_ref().map(|cell| digits(value(cell)))).collect()
        };
        let all = |values: Vec<f64>| values.into_iter().map(digits).collect();
        let single = cells.iter().flatten().all(|(low, _, high)| low == high);
        let bound = |values: Vec<Option<f64>>| if single { Vec::new() } else { values };
        Map {
            label: label.into(),
            range,
            colours,
            x: all(x.values.clone()),
            y: all(y.values.clone()),
            x_edges: all(x.edges()),
            y_edges: all(y.edges()),
            median: of(|cell| cell.1),
            low: bound(of(|cell| cell.0)),
            high: bound(of(|cell| cell.2)),
        }
    }
}

impl Chart {
    /// An empty one.
    pub fn new(frame: Frame, labels: (&str, &str), x: (f64, f64), y: (f64, f64)) -> Chart {
        let axis = |label: &str, range| Axis {
            label: label.into(),
            range,
            log: false,
            whole: false,
            names: Vec::new(),
        };
        Chart {
            title: frame.title.into(),
            x: axis(labels.0, x),
            y: axis(labels.1, y),
            series: Vec::new(),
            levels: Vec::new(),
            note: None,
            nothing: None,
            right: None,
            map: None,
        }
    }
}

/// A curve with so few points that `curves` of them make a chart of a bearable size. Of neighbours the
/// first, the lowest, the highest and the last are kept.
pub fn reduced(points: &[(f64, f64)], curves: usize) -> Vec<(f64, f64)> {
    let most = (MOST_POINTS / curves.max(1)).max(200);
    if points.len() <= most {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(most);
    for run in points.chunks(points.len().div_ceil(most / 4)) {
        let low = (0..run.len()).min_by(|i, j| run[*i].1.total_cmp(&run[*j].1)).unwrap_or(0);
        let high = (0..run.len()).max_by(|i, j| run[*i].1.total_cmp(&run[*j].1)).unwrap_or(0);
        let mut places = [0, low.min(high), low.max(high), run.len() - 1].to_vec();
        places.dedup();
        kept.extend(places.into_iter().map(|k| run[k]));
    }
    kept
}
