//! What a picture shows, as data: reports draw it again with zoom and hover.

use serde::Serialize;

use super::Frame;

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
    /// How: `dots`, `line`, `band` (from y to y2) or `steps` (each from its x to x2).
    pub kind: &'static str,
    /// Its name.
    pub label: String,
    /// Its place among the colours; `None`: that of text.
    pub colour: Option<usize>,
    /// Whether it is dashed.
    pub dashed: bool,
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
        Series { kind, label: label.into(), colour, dashed: false, x, y, to: Vec::new() }
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

impl Chart {
    /// An empty one.
    pub fn new(frame: Frame, labels: (&str, &str), x: (f64, f64), y: (f64, f64)) -> Chart {
        let axis = |label: &str, range| Axis { label: label.into(), range, log: false };
        Chart {
            title: frame.title.into(),
            x: axis(labels.0, x),
            y: axis(labels.1, y),
            series: Vec::new(),
            levels: Vec::new(),
            note: None,
            nothing: None,
            right: None,
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
