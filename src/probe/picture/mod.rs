//! Pictures of a run as SVG or PNG: rasters of spikes, curves against time, one quantity of
//! every neuron against another, histograms, curves on logarithmic axes, and what hangs on one or two parameters.
//!
//! `kuva` lays out the axes, the labels and the legend. The marks themselves are written here
//! (`compact`): one path for all dots instead of one element a dot, so that 20 000 spikes take
//! some 200 kB and not 2 MB, and nothing in the text depends on how many pictures the process drew
//! before. Text is set in whatever sans-serif font the viewer has; drawing needs no font.

pub mod chart;
mod decades;
mod dots;
mod heat;
mod parameter;
mod raster;
mod response;
mod steps;
#[cfg(test)]
mod tests;
mod traces;

use std::fmt::Write;

use kuva::backend::png::PngBackend;
use kuva::backend::svg::SvgBackend;
use kuva::plot::legend::{LegendEntry, LegendPosition, LegendShape};
use kuva::plot::line::LinePlot;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::annotations::TextAnnotation;
use kuva::render::color::Color;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::render::{PathData, Primitive, Scene, render_multiple};
use kuva::render::render_utils::compute_tick_step;
use kuva::render::theme::Theme;

use crate::units::{self, Unit};

pub use chart::{Chart, RightAxis};
pub use decades::{Decades, decades};
pub use dots::{Dots, dots};
pub use heat::{Cell, HeatMap, heat_map};
pub use parameter::Parameter;
pub use raster::{Raster, raster};
pub use response::{Response, response};
pub use steps::{Steps, bars, steps};
pub use traces::{Curve, MOST_CURVES, Traces, traces};

/// The title and the size of a picture; `"title".into()` has the usual size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame<'a> {
    /// Text above the picture.
    pub title: &'a str,
    /// Width and height in pixels.
    pub size: (f64, f64),
}

impl Default for Frame<'_> {
    fn default() -> Self {
        Frame { title: "", size: (800.0, 500.0) }
    }
}

impl<'a> From<&'a str> for Frame<'a> {
    fn from(title: &'a str) -> Frame<'a> {
        Frame { title, ..Frame::default() }
    }
}

/// A picture, laid out or drawn.
#[derive(Debug)]
pub struct Picture(Form);

#[derive(Debug)]
enum Form {
    Laid { scene: Box<Scene>, size: (f64, f64), chart: Box<Chart> },
    Drawn(String),
}

impl Picture {
    /// A picture that was drawn by other means: SVG text, and nothing else.
    #[must_use]
    pub fn from_svg(svg: String) -> Picture {
        Picture(Form::Drawn(svg))
    }

    /// As SVG text: the same bytes each time.
    #[must_use]
    pub fn svg(self) -> String {
        match self.0 {
            Form::Laid { mut scene, size, .. } => {
                compact(&mut scene);
                // kuva gives a size but no view box, without which a web page can only crop the
                // picture
                let open = format!("<svg viewBox=\"0 0 {} {}\" ", size.0, size.1);
                SvgBackend::new().render_scene(&scene).replacen("<svg ", &open, 1)
            }
            Form::Drawn(svg) => svg,
        }
    }

    /// What it shows, as data; none of a picture that was drawn by other means.
    #[must_use]
    pub fn chart(&self) -> Option<&Chart> {
        match &self.0 {
            Form::Laid { chart, .. } => Some(chart),
            Form::Drawn(_) => None,
        }
    }

    /// As PNG, `scale` dots to a pixel.
    ///
    /// # Errors
    /// What the rasteriser says of a picture too large for it; and that a picture drawn by other
    /// means is SVG only.
    pub fn png(self, scale: f32) -> Result<Vec<u8>, String> {
        let Form::Laid { mut scene, .. } = self.0 else {
            return Err("its probe draws it as SVG only".into());
        };
        unclip(&mut scene);
        PngBackend::new().with_scale(scale).render_scene(&scene)
    }
}

/// Okabe and Ito's colours, told apart with any of the usual colour blindnesses; the strong ones
/// first and without their yellow, which does not show as a thin line on white.
const COLOURS: [&str; 7] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
const GREY: &str = "#555555";

/// More dots than this make a raster neither clearer nor faster to open. (The seed experiment has
/// 21 282 input spikes, which are all shown.)
pub const MOST_DOTS: usize = 25_000;

/// At most `most` of the points: the first, and then evenly spaced ones.
pub fn thin<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    if points.len() <= most {
        return points.to_vec();
    }
    // in u128, where the product cannot overflow; the index is below the length as i < most
    (0..most).map(|i| points[(i as u128 * points.len() as u128 / most as u128) as usize]).collect()
}

/// Evenly spaced points of a list that grows, in bounded memory: all of them, then every second, every
/// fourth and so on.
#[derive(Debug, Clone)]
pub struct Evenly<T> {
    points: Vec<T>,
    /// Each so-many-th is kept: a power of two.
    every: u64,
    count: u64,
}

impl<T> Default for Evenly<T> {
    fn default() -> Evenly<T> {
        Evenly { points: Vec::new(), every: 1, count: 0 }
    }
}

impl<T: Copy> Evenly<T> {
    /// Adds a point.
    pub fn push(&mut self, point: T) {
        // (A division would cost more than all else.)
        if self.count & (self.every - 1) == 0 {
            self.points.push(point);
            if self.points.len() == 2 * MOST_DOTS {
                let mut index = 0;
                self.points.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
        }
        self.count += 1;
    }

    /// Adds points.
    pub fn extend(&mut self, mut points: &[T]) {
        // (Most are not kept, once there are many.)
        let before_the_next = |evenly: &Evenly<T>| evenly.count.wrapping_neg() & (evenly.every - 1);
        while let Some((next, rest)) =
            points.get(before_the_next(self) as usize..).and_then(<[T]>::split_first)
        {
            self.count += before_the_next(self);
            self.push(*next);
            points = rest;
        }
        self.count += points.len() as u64;
    }

    /// How many points there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// At most [`MOST_DOTS`] of them.
    #[must_use]
    pub fn shown(&self) -> Vec<T> {
        thin(&self.points, MOST_DOTS)
    }
}

/// `1 neuron`, `2 neurons`, for notes.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A number to three digits, for notes.
#[must_use]
pub fn three_digits(value: f64) -> f64 {
    // What the formatter has written reads back.
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// The title of a picture: the scene, and what is shown of it.
#[must_use]
pub fn title(scene: &str, about: &str) -> String {
    format!("{scene} · {about}")
}

/// A quantity to three digits, with its unit, for notes.
#[must_use]
pub fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::One => three_digits(value).to_string(),
        unit => units::format(three_digits(value), unit),
    }
}

/// About how many ticks an axis has.
const X_TICKS: usize = 8;
const Y_TICKS: usize = 6;

/// The layout all pictures share; the axes span exactly `x` and `y`.
fn layout(
    frame: Frame,
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
        (x.1 - x.0) / step * (8 * letters + 20) as f64 <= 0.85 * frame.size.0
    };
    let x_step = (2..=X_TICKS)
        .rev()
        .map(|ticks| compute_tick_step(x.0, x.1, ticks))
        .find(fits)
        .unwrap_or(0.5 * (x.1 - x.0));
    let y_step = compute_tick_step(y.0, y.1, Y_TICKS).max(least_y_step);
    Layout::new(x, y)
        .with_width(frame.size.0)
        .with_height(frame.size.1)
        .with_theme(theme)
        .with_title(clean(frame.title, 130))
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

/// Lays out the plots.
fn draw(plots: Vec<Plot>, layout: Layout, frame: Frame, chart: Chart) -> Picture {
    let scene = Box::new(render_multiple(plots, layout));
    Picture(Form::Laid { scene, size: frame.size, chart: Box::new(chart) })
}

/// Takes off the clipping: all marks lie inside the axes already, a dot on the edge is to be seen
/// whole, and kuva numbers its clip paths over the life of the process, so that the same picture
/// would not be the same bytes.
fn unclip(scene: &mut Scene) {
    scene.defs.clear();
    scene.elements.retain(|e| !matches!(e, Primitive::ClipStart { .. } | Primitive::ClipEnd));
}

/// Writes the marks of a scene as short paths.
fn compact(scene: &mut Scene) {
    unclip(scene);
    let old = std::mem::take(&mut scene.elements);
    for element in old {
        match element {
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
