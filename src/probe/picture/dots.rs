//! Dots: one quantity against another, of each neuron or of each interval.

use kuva::plot::band::BandPlot;
use kuva::plot::legend::LegendShape;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::annotations::ReferenceLine;
use kuva::render::plots::Plot;

use super::{
    ANY, COLOURS, Frame, GREY, Picture, X_TICKS, Y_TICKS, clean, draw, inside, layout, line, name,
    say, whole_ticks,
};

/// Blue as it looks behind glass.
const PALE: &str = "#8FBFE0";

/// One quantity against another, both 0 or greater: one dot a neuron, or one an interval.
#[derive(Default)]
pub struct Dots<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What x measures, with its unit.
    pub x_label: &'a str,
    /// What y measures, with its unit.
    pub y_label: &'a str,
    /// (x, y) of each. Those negative or not finite are left out.
    pub points: &'a [(f64, f64)],
    /// (x, 5th percentile, median, 95th percentile of y), in the order of x; drawn as band and line
    /// when not empty.
    pub band: &'a [(f64, f64, f64, f64)],
    /// A level of y drawn as a dashed line, and its name.
    pub level: Option<(f64, &'a str)>,
    /// Another curve, in the order of x, and its name; empty: none.
    pub curve: (&'a [(f64, f64)], &'a str),
    /// Note under the title.
    pub note: Option<String>,
}

/// Draws one quantity against another.
pub fn dots(d: &Dots) -> Picture {
    let all = (0.0, ANY.1);
    let points: Vec<_> = d.points.iter().copied().filter(|&p| inside(p, all, all)).collect();
    let band: Vec<_> = d
        .band
        .iter()
        .copied()
        .filter(|&(x, low, mid, high)| [low, mid, high].iter().all(|&v| inside((x, v), all, all)))
        .collect();
    let corners = points.iter().copied().chain(band.iter().map(|b| (b.0, b.1.max(b.2).max(b.3))));
    let curve: Vec<_> = d.curve.0.iter().copied().filter(|&p| inside(p, all, all)).collect();
    let corners = corners.chain(curve.iter().copied());
    let corners = corners.chain(d.level.iter().map(|level| (0.0, level.0)));
    let (right, top) = corners.fold((0.0, 0.0), |(x, y): (f64, f64), p| (x.max(p.0), y.max(p.1)));
    // both axes end on a labelled tick, the upper one not right at values that have saturated there
    let (x, y) = (whole_ticks(right, X_TICKS), whole_ticks(1.01 * top, Y_TICKS));
    let mut layout = layout(d.frame, d.x_label, d.y_label, x, y, 0.0);
    if let Some(note) = &d.note {
        layout = layout.with_subtitle(clean(note, 100));
    }
    if points.is_empty() && band.is_empty() {
        layout = say(layout, "nothing to show", x, y);
    }
    let mut plots: Vec<Plot> = Vec::new();
    let mut names = Vec::new();
    let has_dots = !points.is_empty();
    // Under a band they are many.
    let (colour, size) = if band.is_empty() { (COLOURS[0], 2.4) } else { (PALE, 1.5) };
    let one_neuron = name("one neuron", colour, LegendShape::Circle, None);
    let dots = ScatterPlot::new().with_data(points).with_size(size).with_color(colour);
    if band.is_empty() {
        plots.push(dots.into());
    } else {
        let of =
            |value: fn(&(f64, f64, f64, f64)) -> f64| band.iter().map(value).collect::<Vec<_>>();
        let area = BandPlot::new(of(|b| b.0), of(|b| b.1), of(|b| b.3));
        plots.push(dots.into());
        plots.push(area.with_color(COLOURS[5]).with_opacity(0.5).into());
        plots.extend(line(band.iter().map(|b| (b.0, b.2)).collect(), COLOURS[1], 1.8, None));
        names.push(name("median", COLOURS[1], LegendShape::Line, None));
        // the band's colour as it looks on white
        names.push(name("5 % to 95 %", "#F3CF80", LegendShape::Rect, None));
    }
    if !curve.is_empty() {
        names.push(name(d.curve.1, COLOURS[6], LegendShape::Line, Some("6 4")));
        plots.extend(line(curve, COLOURS[6], 1.4, Some("6 4")));
    }
    if let Some((level, label)) = d.level {
        names.push(name(label, GREY, LegendShape::Line, Some("6 4")));
        layout = layout.with_reference_line(ReferenceLine::horizontal(level).with_color(GREY));
    }
    if !names.is_empty() {
        if has_dots {
            names.insert(0, one_neuron);
        }
        layout = layout.with_legend_entries(names);
    }
    draw(plots, layout, d.frame)
}
