//! Responses: how a quantity hangs on a parameter, with the band of its values.

use kuva::plot::band::BandPlot;
use kuva::plot::legend::LegendShape;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::plots::Plot;

use super::chart::{Chart, Series};
use super::{
    ANY, COLOURS, Frame, Parameter, Picture, Y_TICKS, clean, draw, inside, layout, line, name, say,
    span, whole_ticks,
};

/// Of more values the line alone is drawn.
const MOST_MARKS: usize = 100;

/// A quantity against a parameter.
pub struct Response<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What is on the x axis.
    pub parameter: &'a Parameter,
    /// What y measures, with its unit.
    pub y_label: &'a str,
    /// For values of the parameter, in their order: the value, and of the quantity 5 %, median, 95 %. Those
    /// not finite are left out.
    pub rows: &'a [(f64, f64, f64, f64)],
    /// Whether each row is of a single value, so that there is no band.
    pub single: bool,
    /// Note under the title.
    pub note: &'a str,
    /// What is said where there is no row.
    pub nothing: &'a str,
}

/// Draws a quantity against a parameter.
pub fn response(r: &Response) -> Picture {
    let x = r.parameter.range(true);
    let shown = |(at, low, mid, high): &(f64, f64, f64, f64)| {
        [low, mid, high].iter().all(|v| inside((*at, **v), x, ANY))
    };
    let rows: Vec<_> = r.rows.iter().copied().filter(shown).collect();
    let ends = rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| {
        (low.min(row.1), high.max(row.3))
    });
    let y = if rows.is_empty() || ends.0 >= 0.0 {
        whole_ticks(1.01 * ends.1.max(0.0), Y_TICKS)
    } else {
        let room = 0.04 * (ends.1 - ends.0);
        span((ends.0 - room, ends.1 + room))
    };
    let mut layout = layout(r.frame, &r.parameter.label, r.y_label, x, y, 0.0);
    layout = r.parameter.lay_x(layout);
    if !r.note.is_empty() {
        layout = layout.with_subtitle(clean(r.note, 110));
    }
    let mut chart = Chart::new(r.frame, (&r.parameter.label, r.y_label), x, y);
    chart.x = r.parameter.axis(x);
    chart.note = (!r.note.is_empty()).then(|| r.note.to_string());
    chart.nothing = rows.is_empty().then(|| r.nothing.into());
    if rows.is_empty() {
        let middle = if r.parameter.log { (x.0 * x.1).sqrt() } else { 0.5 * (x.0 + x.1) };
        layout = say(layout, r.nothing, (middle, middle), y);
    }
    let of = |y: fn(&(f64, f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
        rows.iter().map(|row| (row.0, y(row))).collect()
    };
    // Values with names have no values between them.
    let is_named = !r.parameter.names.is_empty();
    let medians = of(|row| row.2);
    let label = if r.single { r.y_label } else { "median" };
    if !r.single {
        let kind = if is_named { "ranges" } else { "band" };
        let area = Series::new(kind, "5 % to 95 %", Some(5), &of(|row| row.1));
        chart.series.push(area.to(rows.iter().map(|row| row.3)));
    }
    let marks = rows.len() <= MOST_MARKS;
    let kind = if is_named { "dots" } else { "line" };
    let curve = Series::new(kind, label, Some(if r.single { 0 } else { 1 }), &medians);
    chart.series.push(Series { marks: marks && !is_named, ..curve });

    let colour = if r.single { COLOURS[0] } else { COLOURS[1] };
    // a curve with nothing to draw keeps kuva drawing the axes where there is no other
    let mut plots: Vec<Plot> = vec![ScatterPlot::new().into()];
    if !r.single && is_named {
        for row in &rows {
            let range = vec![(row.0, row.1), (row.0, row.3)];
            plots.extend(line(range, "#F3CF80", 7.0, None));
        }
    } else if !r.single && rows.len() > 1 {
        let of =
            |value: fn(&(f64, f64, f64, f64)) -> f64| rows.iter().map(value).collect::<Vec<_>>();
        let area = BandPlot::new(of(|row| row.0), of(|row| row.1), of(|row| row.3));
        plots.push(area.with_color(COLOURS[5]).with_opacity(0.5).into());
    }
    if !is_named {
        plots.extend(line(medians.clone(), colour, 1.8, None));
    }
    if marks || is_named {
        let dots = ScatterPlot::new().with_data(medians).with_size(3.0).with_color(colour);
        plots.push(dots.into());
    }
    if !r.single {
        let shape = if is_named { LegendShape::Circle } else { LegendShape::Line };
        layout = layout.with_legend_entries(vec![
            name("median", COLOURS[1], shape, None),
            // the band's colour as it looks on white
            name("5 % to 95 %", "#F3CF80", LegendShape::Rect, None),
        ]);
    }
    draw(plots, layout, r.frame, chart)
}
