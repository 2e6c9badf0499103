//! Rasters.

use kuva::plot::scatter::ScatterPlot;

use super::chart::{Chart, Series};
use super::{Frame, Picture, clean, draw, inside, layout, say, span};

/// One dot per spike: time on x, row (or e.g. the source's frequency) on y.
pub struct Raster<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What y counts, with its unit.
    pub y_label: &'a str,
    /// (time in s, y) of each spike. Those outside the two ranges and those that are not finite
    /// are left out.
    pub points: &'a [(f64, f64)],
    /// First and last time shown.
    pub time_s: (f64, f64),
    /// Lowest and highest y shown; for n rows (-0.5, n - 0.5) keeps the outer ones off the frame.
    pub y_range: (f64, f64),
    /// Note under the title, e.g. "showing 20 000 of 1.2 million spikes".
    pub note: Option<String>,
    /// Whether rows are counted, so that a tick between two of them means nothing.
    pub whole_rows: bool,
}

/// Draws a raster plot.
pub fn raster(r: &Raster) -> Picture {
    let (x, y) = (span(r.time_s), span(r.y_range));
    let shown: Vec<_> = r.points.iter().copied().filter(|&p| inside(p, x, y)).collect();
    // smaller the closer they lie, so that a dense raster does not turn into a black square
    let size = (150.0 / (shown.len().max(1) as f64).sqrt()).clamp(0.8, 1.8);
    let mut layout =
        layout(r.frame, "time (s)", r.y_label, x, y, if r.whole_rows { 1.0 } else { 0.0 });
    if let Some(note) = &r.note {
        layout = layout.with_subtitle(clean(note, 100));
    }
    if shown.is_empty() {
        layout = say(layout, "no spikes", x, y);
    }
    let mut chart = Chart::new(r.frame, ("time (s)", r.y_label), x, y);
    chart.y.whole = r.whole_rows;
    chart.note = r.note.clone();
    chart.nothing = shown.is_empty().then(|| "no spikes".into());
    chart.series.push(Series::new("dots", "spike", None, &shown));
    let dots = ScatterPlot::new().with_data(shown).with_size(size).with_color("#1b2a41");
    draw(vec![dots.into()], layout, r.frame, chart)
}
