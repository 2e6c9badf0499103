//! Curves on logarithmic axes.

use std::sync::Arc;

use kuva::plot::legend::LegendShape;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::annotations::ReferenceLine;
use kuva::render::layout::TickFormat;
use kuva::render::plots::Plot;

use super::chart::{Chart, Series};
use super::{
    ANY, COLOURS, Curve, Frame, GREY, Picture, draw, inside, layout, line, name, say, three_digits,
};

/// Curves with a dot at each point, both axes logarithmic.
pub struct Decades<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What x measures, with its unit.
    pub x_label: &'a str,
    /// What y measures, with its unit.
    pub y_label: &'a str,
    /// The curves, in the order of x. Points that are not positive or not finite are left out.
    pub curves: &'a [Curve],
    /// A level of y drawn as a dashed line, and its name.
    pub level: Option<(f64, &'a str)>,
    /// What is said where no point can be shown.
    pub nothing: &'a str,
}

/// Draws curves on logarithmic axes.
pub fn decades(d: &Decades) -> Picture {
    let positive = (1.0 / ANY.1, ANY.1);
    let shown = |c: &Curve| -> Vec<(f64, f64)> {
        c.points.iter().copied().filter(|&p| inside(p, positive, positive)).collect()
    };
    let curves: Vec<Vec<(f64, f64)>> = d.curves.iter().map(shown).collect();
    let level = d.level.filter(|level| inside((1.0, level.0), positive, positive));
    let points = || curves.iter().flatten();
    let x = whole_decades(points().map(|p| p.0));
    // a level is not to lie on the axis
    let y = whole_decades(points().map(|p| p.1).chain(level.map(|level| 0.5 * level.0)));
    let mut layout = layout(d.frame, d.x_label, d.y_label, x, y, 0.0)
        .with_log_scale()
        .with_x_tick_format(powers())
        .with_y_tick_format(powers());
    // kuva's own ticks on such an axis: 1, 2 and 5 of each decade, or only decades
    (layout.x_tick_step, layout.y_tick_step) = (None, None);
    if points().next().is_none() {
        // the middle between decades is the geometric one
        let middle = |(low, high): (f64, f64)| ((low * high).sqrt(), (low * high).sqrt());
        layout = say(layout, d.nothing, middle(x), middle(y));
    }
    let mut chart = Chart::new(d.frame, (d.x_label, d.y_label), x, y);
    (chart.x.log, chart.y.log) = (true, true);
    for (k, (curve, points)) in d.curves.iter().zip(&curves).enumerate() {
        chart.series.push(Series::new("line", &curve.label, Some(k % COLOURS.len()), points));
    }
    chart.nothing = curves.iter().all(Vec::is_empty).then(|| d.nothing.into());
    chart.levels.extend(level.map(|(level, name)| (level, name.to_string())));
    // a curve with nothing to draw keeps kuva drawing the axes where there is no other
    let mut plots: Vec<Plot> = vec![ScatterPlot::new().into()];
    let mut names = Vec::new();
    for (k, (curve, points)) in d.curves.iter().zip(curves).enumerate() {
        let colour = COLOURS[k % COLOURS.len()];
        names.push(name(&curve.label, colour, LegendShape::Line, None));
        let dots = ScatterPlot::new().with_data(points.clone()).with_size(4.0).with_color(colour);
        plots.push(dots.into());
        plots.extend(line(points, colour, 1.6, None));
    }
    if let Some((level, label)) = level {
        names.push(name(label, GREY, LegendShape::Line, Some("6 4")));
        layout = layout.with_reference_line(ReferenceLine::horizontal(level).with_color(GREY));
    }
    draw(plots, layout.with_legend_entries(names), d.frame, chart)
}

/// `0.5`, `200`, `2e-5`.
pub(super) fn powers() -> TickFormat {
    TickFormat::Custom(Arc::new(|value| {
        let shown = three_digits(value);
        if (0.01..1e5).contains(&shown) { shown.to_string() } else { format!("{shown:e}") }
    }))
}

/// The whole decades around values, at least one.
fn whole_decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, v| {
        Some(ends.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
    });
    let Some((low, high)) = ends else { return (0.1, 10.0) };
    let decade = |v: f64| {
        // The exponent of its shortest form: no logarithm that rounds.
        let text = format!("{v:e}");
        text.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0)
    };
    let (first, last): (i32, i32) = (decade(low), decade(high));
    let is_whole = high <= 10f64.powi(last);
    let last = if is_whole && last > first { last } else { last + 1 };
    (10f64.powi(first), 10f64.powi(last))
}
