//! Curves against time.

use kuva::plot::legend::LegendShape;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::annotations::ReferenceLine;
use kuva::render::plots::Plot;

use super::chart::{Chart, Series, reduced};
use super::{
    ANY, COLOURS, Frame, GREY, Picture, clean, draw, inside, layout, line, name, say, span,
};

/// Dashes for the second, third and fourth time round the colours.
const DASHES: [Option<&str>; 4] = [None, Some("7 3"), Some("2 3"), Some("8 3 2 3")];
/// Curves in a picture whose names leave room for them. Of more, which no eye follows, only the first are
/// drawn, each in a colour of its own.
pub const MOST_CURVES: usize = 16;

/// A named curve of [`Traces`].
pub struct Curve {
    /// Its name in the legend.
    pub label: String,
    /// (time in s, value), in the order of time. Points that are not finite or outside the time
    /// shown are left out; however many there are, narrow spikes stay visible.
    pub points: Vec<(f64, f64)>,
}

/// Curves against time, with an optional horizontal threshold line.
pub struct Traces<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What y measures, with its unit.
    pub y_label: &'a str,
    /// The curves; of more than [`MOST_CURVES`] the first seven. y spans what is drawn.
    pub curves: &'a [Curve],
    /// First and last time shown.
    pub time_s: (f64, f64),
    /// A level drawn as a dashed line, and its name.
    pub threshold: Option<(f64, String)>,
}

/// Draws curves against time.
pub fn traces(t: &Traces) -> Picture {
    let x = span(t.time_s);
    let threshold = t.threshold.as_ref().filter(|level| inside((0.0, level.0), ANY, ANY));
    let all = t.curves.len();
    let shown = if all > MOST_CURVES { &t.curves[..COLOURS.len()] } else { t.curves };
    let note = (shown.len() < all).then(|| format!("the first {} of {all} curves", shown.len()));
    let curves: Vec<Vec<(f64, f64)>> = shown
        .iter()
        .map(|c| c.points.iter().copied().filter(|&p| inside(p, x, ANY)).collect())
        .collect();
    let values = curves.iter().flatten().map(|p| p.1).chain(threshold.map(|level| level.0));
    let y = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let y = span(y);
    let room = 0.04 * (y.1 - y.0);
    let y = span((y.0 - room, y.1 + room));

    let mut layout = layout(t.frame, "time (s)", t.y_label, x, y, 0.0);
    let mut chart = Chart::new(t.frame, ("time (s)", t.y_label), x, y);
    chart.note.clone_from(&note);
    for (i, (curve, points)) in shown.iter().zip(&curves).enumerate() {
        let points = reduced(points, shown.len());
        chart.series.push(Series::new("line", &curve.label, Some(i % COLOURS.len()), &points));
    }
    chart.nothing = curves.iter().all(Vec::is_empty).then(|| "no values".into());
    chart.levels.extend(threshold.cloned());
    let mut names = Vec::new();
    // a curve with nothing to draw keeps kuva drawing the axes where there is no other
    let mut plots: Vec<Plot> = vec![ScatterPlot::new().into()];
    for (i, (curve, points)) in shown.iter().zip(curves).enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let dash = DASHES[i / COLOURS.len() % DASHES.len()];
        names.push(name(&curve.label, colour, LegendShape::Line, dash));
        plots.extend(line(points, colour, 1.2, dash));
    }
    if plots.len() == 1 {
        layout = say(layout, "no values", x, y);
    }
    if let Some((level, label)) = threshold {
        names.push(name(label, GREY, LegendShape::Line, Some("6 4")));
        layout = layout.with_reference_line(ReferenceLine::horizontal(*level).with_color(GREY));
    }
    // one curve alone says its name under the title
    layout = match (&t.curves, names.len()) {
        ([only], 1) if !only.label.is_empty() => layout.with_subtitle(clean(&only.label, 100)),
        (_, 0 | 1) if threshold.is_none() => layout,
        _ => layout.with_legend_entries(names),
    };
    if let Some(note) = note {
        layout = layout.with_subtitle(note);
    }
    draw(plots, layout, t.frame, chart)
}
