//! Pictures of a run as SVG text: a raster of spikes, curves against time, and the input rate
//! against the output rate of every neuron.
//!
//! `kuva` lays out the axes, the labels and the legend. The marks themselves are written here
//! (`compact`): one path for all dots instead of one element a dot, so that 20 000 spikes take
//! some 200 kB and not 2 MB, and nothing in the text depends on how many pictures the process drew
//! before. Text is set in whatever sans-serif font the viewer has; drawing needs no font.

use std::fmt::Write;

use kuva::backend::svg::SvgBackend;
use kuva::plot::band::BandPlot;
use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::plot::line::LinePlot;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::annotations::{ReferenceLine, TextAnnotation};
use kuva::render::color::Color;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::{PathData, Primitive, Scene, render_multiple};
use kuva::render::render_utils::compute_tick_step;
use kuva::render::theme::Theme;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 500.0;

/// Okabe and Ito's colours, told apart with any of the usual colour blindnesses; the strong ones
/// first and without their yellow, which does not show as a thin line on white.
const COLOURS: [&str; 7] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
/// Dashes for the second, third and fourth time round the colours.
const DASHES: [Option<&str>; 4] = [None, Some("7 3"), Some("2 3"), Some("8 3 2 3")];
const GREY: &str = "#555555";
/// Names in a legend; more would leave no room for the curves, which are all drawn.
const MOST_NAMES: usize = 16;

/// One dot per spike: time on x, row (or e.g. the source's frequency) on y.
pub struct Raster<'a> {
    /// Text above the picture.
    pub title: &'a str,
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
    /// Text above the picture.
    pub title: &'a str,
    /// What y measures, with its unit.
    pub y_label: &'a str,
    /// The curves; y spans all of them.
    pub curves: &'a [Curve],
    /// First and last time shown.
    pub time_s: (f64, f64),
    /// A level drawn as a dashed line, and its name.
    pub threshold: Option<(f64, String)>,
}

/// Input rate against output rate, one dot a neuron.
pub struct FfDots<'a> {
    /// Text above the picture.
    pub title: &'a str,
    /// (input Hz, output Hz) of each neuron. Those negative or not finite are left out.
    pub points: &'a [(f64, f64)],
    /// (input Hz, 5th percentile, median, 95th percentile), in the order of the input rate; drawn
    /// as band and line when not empty.
    pub band: &'a [(f64, f64, f64, f64)],
}

/// At most `most` of the points: the first, and then evenly spaced ones.
pub fn thin<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    if points.len() <= most {
        return points.to_vec();
    }
    // in u128, where the product cannot overflow; the index is below the length as i < most
    (0..most).map(|i| points[(i as u128 * points.len() as u128 / most as u128) as usize]).collect()
}

/// Draws a raster plot.
pub fn raster(r: &Raster) -> String {
    let (x, y) = (span(r.time_s), span(r.y_range));
    let shown: Vec<_> = r.points.iter().copied().filter(|&p| inside(p, x, y)).collect();
    // smaller the closer they lie, so that a dense raster does not turn into a black square
    let size = (150.0 / (shown.len().max(1) as f64).sqrt()).clamp(0.8, 1.8);
    let mut layout =
        layout(r.title, "time (s)", r.y_label, x, y, if r.whole_rows { 1.0 } else { 0.0 });
    if let Some(note) = &r.note {
        layout = layout.with_subtitle(clean(note, 100));
    }
    if shown.is_empty() {
        layout = say(layout, "no spikes", x, y);
    }
    let dots = ScatterPlot::new().with_data(shown).with_size(size).with_color("#1b2a41");
    draw(vec![dots.into()], layout)
}

/// Draws curves against time.
pub fn traces(t: &Traces) -> String {
    let x = span(t.time_s);
    let threshold = t.threshold.as_ref().filter(|level| inside((0.0, level.0), ANY, ANY));
    let curves: Vec<Vec<(f64, f64)>> = t
        .curves
        .iter()
        .map(|c| c.points.iter().copied().filter(|&p| inside(p, x, ANY)).collect())
        .collect();
    let values = curves.iter().flatten().map(|p| p.1).chain(threshold.map(|level| level.0));
    let y = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let y = span(y);
    let room = 0.04 * (y.1 - y.0);
    let y = span((y.0 - room, y.1 + room));

    let mut layout = layout(t.title, "time (s)", t.y_label, x, y, 0.0);
    let mut names = Vec::new();
    // a curve with nothing to draw keeps kuva drawing the axes where there is no other
    let mut plots: Vec<Plot> = vec![ScatterPlot::new().into()];
    for (i, (curve, points)) in t.curves.iter().zip(curves).enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let dash = DASHES[i / COLOURS.len() % DASHES.len()];
        if names.len() < MOST_NAMES {
            names.push(name(&curve.label, colour, LegendShape::Line, dash));
        }
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
    draw(plots, layout)
}

/// Draws the output rate of every neuron against its input rate.
pub fn ff(f: &FfDots) -> String {
    let all = (0.0, ANY.1);
    let points: Vec<_> = f.points.iter().copied().filter(|&p| inside(p, all, all)).collect();
    let band: Vec<_> = f
        .band
        .iter()
        .copied()
        .filter(|&(x, low, mid, high)| [low, mid, high].iter().all(|&v| inside((x, v), all, all)))
        .collect();
    let corners = points.iter().copied().chain(band.iter().map(|b| (b.0, b.1.max(b.2).max(b.3))));
    let (right, top) = corners.fold((0.0, 0.0), |(x, y): (f64, f64), p| (x.max(p.0), y.max(p.1)));
    // both axes end on a labelled tick, the upper one not right at rates that have saturated there
    let (x, y) = (whole_ticks(right, X_TICKS), whole_ticks(1.01 * top, Y_TICKS));
    let mut layout = layout(f.title, "input rate (Hz)", "output rate (Hz)", x, y, 0.0);
    if points.is_empty() && band.is_empty() {
        layout = say(layout, "no neurons", x, y);
    }
    let mut plots: Vec<Plot> = Vec::new();
    let dots = ScatterPlot::new().with_data(points).with_size(2.4).with_color(COLOURS[0]);
    if band.is_empty() {
        plots.push(dots.into());
    } else {
        let of =
            |value: fn(&(f64, f64, f64, f64)) -> f64| band.iter().map(value).collect::<Vec<_>>();
        let area = BandPlot::new(of(|b| b.0), of(|b| b.1), of(|b| b.3));
        plots.push(area.with_color(COLOURS[5]).with_opacity(0.3).into());
        plots.push(dots.into());
        plots.extend(line(band.iter().map(|b| (b.0, b.2)).collect(), COLOURS[1], 1.8, None));
        layout = layout.with_legend_entries(vec![
            name("one neuron", COLOURS[0], LegendShape::Circle, None),
            name("median", COLOURS[1], LegendShape::Line, None),
            // the band's colour as it looks on white
            name("5 % to 95 %", "#F8E2B2", LegendShape::Rect, None),
        ]);
    }
    draw(plots, layout)
}

/// About how many ticks an axis has.
const X_TICKS: usize = 8;
const Y_TICKS: usize = 6;

/// The layout all pictures share; the axes span exactly `x` and `y`.
fn layout(
    title: &str,
    x_label: &str,
    y_label: &str,
    x: (f64, f64),
    y: (f64, f64),
    least_y_step: f64,
) -> Layout {
    let theme = Theme { grid_color: "#e4e4e4".into(), ..Theme::light() };
    // fewer ticks on x the longer their labels, so that these do not touch; some 8 pixels a letter
    let fits = |step: &f64| {
        let letters = numbers(*step).format(x.1 - 0.1 * step).chars().count();
        (x.1 - x.0) / step * (8 * letters + 20) as f64 <= 0.85 * WIDTH
    };
    let x_step = (2..=X_TICKS)
        .rev()
        .map(|ticks| compute_tick_step(x.0, x.1, ticks))
        .find(fits)
        .unwrap_or(0.5 * (x.1 - x.0));
    let y_step = compute_tick_step(y.0, y.1, Y_TICKS).max(least_y_step);
    Layout::new(x, y)
        .with_width(WIDTH)
        .with_height(HEIGHT)
        .with_theme(theme)
        .with_title(clean(title, 130))
        .with_title_wrap(66)
        .with_x_label(clean(x_label, 80))
        .with_y_label(clean(y_label, 45))
        .with_x_axis_min(x.0)
        .with_x_axis_max(x.1)
        .with_y_axis_min(y.0)
        .with_y_axis_max(y.1)
        .with_x_tick_step(x_step)
        .with_y_tick_step(y_step)
        .with_x_tick_format(numbers(x_step))
        .with_y_tick_format(numbers(y_step))
        // below the plot: beside it, long names would take its width
        .with_legend_position(LegendPosition::OutsideBottomColumns)
        .with_legend_box(false)
}

/// As many decimals as the step between ticks needs. (kuva's own choice stops at three, which
/// gives neighbours the same label on a window of a millisecond.)
fn numbers(step: f64) -> TickFormat {
    let whole = |n: usize| {
        let scaled = step * 10f64.powi(n as i32);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    };
    if step >= 1e6 {
        return TickFormat::Sci;
    }
    (0..9).find(|&n| whole(n)).map_or(TickFormat::Sci, TickFormat::Fixed)
}

/// A range that has an extent and can be mapped to pixels, whatever was asked for.
fn span((a, b): (f64, f64)) -> (f64, f64) {
    let (lo, hi) = (a.min(b), a.max(b));
    if !inside((lo, hi), ANY, ANY) {
        return (0.0, 1.0);
    }
    let size = lo.abs().max(hi.abs());
    if size < 1.0 / ANY.1 {
        (-0.5, 0.5)
    } else if hi - lo < 1e-9 * size {
        (lo - 0.5 * size, hi + 0.5 * size)
    } else {
        (lo, hi)
    }
}

/// From 0 to the first tick at or above `top`.
fn whole_ticks(top: f64, ticks: usize) -> (f64, f64) {
    let step = compute_tick_step(0.0, top, ticks);
    let end = (top / step).ceil() * step;
    if top > 1.0 / ANY.1 { (0.0, end) } else { (0.0, 1.0) }
}

/// Numbers beyond these are taken for no numbers: their differences and ratios overflow.
const ANY: (f64, f64) = (-1e100, 1e100);

fn inside(p: (f64, f64), x: (f64, f64), y: (f64, f64)) -> bool {
    // none of these comparisons holds for NaN
    p.0 >= x.0 && p.0 <= x.1 && p.1 >= y.0 && p.1 <= y.1
}

/// A line of text in the middle of the plot.
fn say(layout: Layout, text: &str, x: (f64, f64), y: (f64, f64)) -> Layout {
    let (x, y) = (x.0 + 0.5 * (x.1 - x.0), y.0 + 0.5 * (y.1 - y.0));
    layout.with_annotation(TextAnnotation::new(text, x, y).with_font_size(14))
}

/// A line through the points, or a dot where there is only one.
fn line(points: Vec<(f64, f64)>, colour: &str, width: f64, dash: Option<&str>) -> Option<Plot> {
    let mut line = LinePlot::new().with_color(colour).with_stroke_width(width);
    if let Some(dash) = dash {
        line = line.with_line_style(kuva::plot::line::LineStyle::Custom(dash.into()));
    }
    match points.len() {
        0 => None,
        1 => Some(ScatterPlot::new().with_data(points).with_color(colour).into()),
        _ => Some(line.with_data(points).into()),
    }
}

fn name(label: &str, colour: &str, shape: LegendShape, dash: Option<&str>) -> LegendEntry {
    let (label, color) = (clean(label, 40), colour.into());
    LegendEntry { label, color, shape, dasharray: dash.map(Into::into) }
}

/// Text as kuva should get it: on one line, not longer than there is room for, without the
/// characters XML forbids, and with `$` marked as no start of a formula. (kuva itself escapes
/// `<`, `&` and quotes.)
fn clean(text: &str, most: usize) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    let mut plain: Vec<char> =
        text.chars().map(|c| if forbidden(c) { ' ' } else { c }).take(most + 1).collect();
    if plain.len() > most {
        plain.truncate(most.saturating_sub(1));
        plain.push('…');
    }
    String::from_iter(plain).replace('$', "\\$")
}

/// Renders the plots into SVG text.
fn draw(plots: Vec<Plot>, layout: Layout) -> String {
    let mut scene = render_multiple(plots, layout);
    compact(&mut scene);
    // kuva gives a size but no view box, without which a web page can only crop the picture
    let open = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" ");
    SvgBackend::new().render_scene(&scene).replacen("<svg ", &open, 1)
}

/// Writes the marks of a scene as short paths, and takes off the clipping: all marks lie inside
/// the axes already, a dot on the edge is to be seen whole, and kuva numbers its clip paths over
/// the life of the process, so that the same picture would not be the same bytes.
fn compact(scene: &mut Scene) {
    scene.defs.clear();
    let old = std::mem::take(&mut scene.elements);
    for element in old {
        match element {
            Primitive::ClipStart { .. } | Primitive::ClipEnd => {}
            Primitive::CircleBatch { cx, .. } if cx.is_empty() => {}
            Primitive::CircleBatch { cx, cy, r, fill, .. } => {
                let mut d = String::with_capacity(14 * cx.len());
                for (&x, &y) in cx.iter().zip(&cy) {
                    step_to(&mut d, 'M', x, y);
                    // of no length: the round cap of the stroke is the dot
                    d.push_str("h0");
                }
                round_stroke(scene, d, fill, 2.0 * r, None);
            }
            Primitive::PolyLine { points, stroke, stroke_width, stroke_dasharray } => {
                round_stroke(scene, outline(&points), stroke, stroke_width, stroke_dasharray);
            }
            other => scene.elements.push(other),
        }
    }
}

/// A path through the points of a curve. Of those that share half a pixel's width only the first,
/// the lowest, the highest and the last are kept, which looks the same.
fn outline(points: &[(f64, f64)]) -> String {
    let mut d = String::with_capacity(12 * points.len().min(4096));
    let mut rest = points;
    while let Some(first) = rest.first() {
        let column = |p: &(f64, f64)| (2.0 * p.0).floor();
        let run = rest.iter().take_while(|p| column(p) == column(first)).count().max(1);
        let (here, after) = rest.split_at(run);
        rest = after;
        let height = |i: &usize, j: &usize| here[*i].1.total_cmp(&here[*j].1);
        let low = (0..run).min_by(height).unwrap_or(0);
        let high = (0..run).max_by(height).unwrap_or(0);
        let mut keep = [0, low.min(high), low.max(high), run - 1].to_vec();
        keep.dedup();
        for i in keep {
            let step = if d.is_empty() { 'M' } else { 'L' };
            step_to(&mut d, step, here[i].0, here[i].1);
        }
    }
    d
}

/// Adds one step of a path, to a tenth of a pixel.
fn step_to(d: &mut String, step: char, x: f64, y: f64) {
    let tenths = |v: f64| (10.0 * v).round() / 10.0;
    // writing into a String does not fail
    let _ = write!(d, "{step}{} {}", tenths(x), tenths(y));
}

fn round_stroke(scene: &mut Scene, d: String, stroke: Color, width: f64, dash: Option<String>) {
    // the corners of a spike would otherwise be drawn out into points beyond its top; round caps
    // would fill the gaps of a dashed line
    let cap = if dash.is_none() { "stroke-linecap=\"round\" " } else { "" };
    let extra_attrs = Some(format!("{cap}stroke-linejoin=\"round\""));
    scene.add(Primitive::GroupStart { transform: None, title: None, extra_attrs });
    scene.add(Primitive::Path(Box::new(PathData {
        d,
        fill: None,
        stroke,
        stroke_width: width,
        opacity: None,
        stroke_dasharray: dash,
    })));
    scene.add(Primitive::GroupEnd);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tag is closed in the right order, and no bare `&` is left.
    fn check(svg: &str) {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            assert!(at == 0 || !open.is_empty(), "text outside: {rest:.20}");
            let end = at + rest[at..].find('>').expect("tag has an end");
            let tag = &rest[at + 1..end];
            rest = &rest[end + 1..];
            if tag.starts_with("!--") || tag.ends_with('/') {
                assert_eq!(tag.matches('"').count() % 2, 0);
            } else if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else {
                open.push(tag.split(' ').next().expect("tag has a name"));
            }
        }
        assert!(open.is_empty() && rest.is_empty(), "left over: {open:?} {rest}");
        for part in svg.split('&').skip(1) {
            let entities = ["amp;", "lt;", "gt;", "quot;", "apos;"];
            assert!(entities.iter().any(|e| part.starts_with(e)), "bare &: {part:.20}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "not finite: {svg}");
    }

    fn dots(svg: &str) -> usize {
        svg.matches("h0").count()
    }

    fn plain<'a>(points: &'a [(f64, f64)]) -> Raster<'a> {
        let (time_s, y_range) = ((0.0, 1.0), (0.0, 10.0));
        Raster {
            title: "t",
            y_label: "row",
            points,
            time_s,
            y_range,
            note: None,
            whole_rows: false,
        }
    }

    fn curve(label: &str, points: &[(f64, f64)]) -> Curve {
        Curve { label: label.into(), points: points.to_vec() }
    }

    fn plain_traces<'a>(curves: &'a [Curve]) -> Traces<'a> {
        Traces { title: "t", y_label: "V", curves, time_s: (0.0, 1.0), threshold: None }
    }

    #[test]
    fn a_dot_per_spike_and_the_same_bytes_each_time() {
        let points: Vec<_> = (0..20_000).map(|i| (i as f64 / 2e4, (i % 11) as f64)).collect();
        let svg = raster(&plain(&points));
        check(&svg);
        assert_eq!(dots(&svg), 20_000);
        assert!(svg.len() < 400_000, "{} bytes", svg.len());
        assert_eq!(svg, raster(&plain(&points)));
        assert!(svg.contains("time (s)") && svg.contains(">row<"));
    }

    #[test]
    fn what_cannot_be_shown_is_left_out() {
        let nan = f64::NAN;
        let points = [(nan, 1.0), (0.5, f64::INFINITY), (0.5, 5.0), (2.0, 5.0), (0.5, -1.0)];
        let svg = raster(&plain(&points));
        check(&svg);
        assert_eq!(dots(&svg), 1);
        let curves = [curve("a", &[(0.0, 1.0), (0.2, nan), (nan, 0.0), (0.4, 2.0), (3.0, 9.0)])];
        let threshold = Some((nan, "no".to_string()));
        let svg = traces(&Traces { threshold, ..plain_traces(&curves) });
        check(&svg);
        let svg = ff(&FfDots {
            title: "t",
            points: &[(nan, 1.0), (1.0, -1.0), (3.0, 4.0)],
            band: &[(0.0, nan, 1.0, 2.0)],
        });
        check(&svg);
        assert_eq!(dots(&svg), 1);
    }

    #[test]
    fn nothing_to_show_still_has_axes() {
        let svg = raster(&plain(&[]));
        check(&svg);
        assert!(svg.contains("no spikes") && svg.contains("time (s)") && svg.contains(">0.5<"));
        let svg = traces(&plain_traces(&[]));
        check(&svg);
        assert!(svg.contains("no values") && svg.contains("time (s)"));
        check(&traces(&plain_traces(&[curve("empty", &[])])));
        let svg = ff(&FfDots { title: "t", points: &[], band: &[] });
        check(&svg);
        assert!(svg.contains("no neurons") && svg.contains("output rate (Hz)"));
    }

    #[test]
    fn one_point_and_equal_values() {
        for v in [0.0, 1.0, -3.5, 1e-300, 1e300, f64::MAX, f64::MIN] {
            let flat = [curve("flat", &[(0.0, v), (0.5, v), (1.0, v)])];
            check(&traces(&plain_traces(&flat)));
            let svg = traces(&plain_traces(&[curve("one", &[(0.5, v)])]));
            check(&svg);
            check(&ff(&FfDots { title: "t", points: &[(v, v)], band: &[(v, v, v, v)] }));
            check(&raster(&Raster { time_s: (v, v), y_range: (v, -v), ..plain(&[(v, v)]) }));
        }
        assert_eq!(dots(&traces(&plain_traces(&[curve("one", &[(0.5, 1.0)])]))), 1);
        let wild = Raster { time_s: (f64::NAN, 1.0), y_range: (f64::MIN, f64::MAX), ..plain(&[]) };
        check(&raster(&wild));
        let wide = [curve("wide", &[(0.0, f64::MIN), (1.0, f64::MAX)])];
        check(&traces(&plain_traces(&wide)));
    }

    #[test]
    fn any_text_is_valid_xml() {
        let text = "a<b & \"c\" 'd' $x^2$ \u{1}\n>";
        let note = Some(text.to_string());
        let svg = raster(&Raster { title: text, y_label: text, note, ..plain(&[]) });
        check(&svg);
        assert!(svg.contains("a&lt;b &amp; &quot;c&quot; &apos;d&apos; $x^2$"), "{svg}");
        assert!(!svg.contains('\u{1}'));
        let curves = [curve(text, &[(0.0, 1.0), (1.0, 2.0)]), curve(&text.repeat(20), &[])];
        let threshold = Some((0.5, text.to_string()));
        check(&traces(&Traces { title: text, threshold, ..plain_traces(&curves) }));
        check(&ff(&FfDots { title: &text.repeat(20), points: &[], band: &[] }));
    }

    #[test]
    fn a_long_curve_keeps_its_spikes_and_stays_short() {
        let mut points: Vec<_> = (0..1_000_000).map(|i| (i as f64 / 1e6, 0.0)).collect();
        points[123_457].1 = 1.0;
        let svg = traces(&plain_traces(&[curve("a", &points)]));
        check(&svg);
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
        // the spike reaches as high as the end of a slope from 0 to 1 does
        let slope = traces(&plain_traces(&[curve("a", &[(0.0, 0.0), (1.0, 1.0)])]));
        let path = slope.split("<path d=\"").nth(1).and_then(|p| p.split('"').next());
        let top = path.and_then(|p| p.rsplit(' ').next()).expect("a height");
        assert!(svg.contains(&format!(" {top}L")), "{top}");
    }

    #[test]
    fn thin_takes_evenly_spaced_elements() {
        let all: Vec<u32> = (0..1000).collect();
        assert_eq!(thin(&all, 4), [0, 250, 500, 750]);
        assert_eq!(thin(&all, 999).len(), 999);
        assert_eq!(thin(&all, 1000), all);
        assert_eq!(thin(&all, 5000), all);
        assert!(thin(&all, 0).is_empty() && thin::<u32>(&[], 3).is_empty());
    }
}
