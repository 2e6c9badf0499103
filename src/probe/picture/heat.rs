//! Heat maps: how a quantity hangs on two parameters.

use kuva::plot::ColorMap;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::layout::ComputedLayout;
use kuva::render::render::{Primitive, Scene, TextAnchor, render_multiple};
use kuva::render::render_utils::compute_tick_step;

use super::chart::{Chart, Map};
use super::{ANY, Form, Frame, Parameter, Picture, clean, inside, layout, numbers, say, span};

/// Colours of the scale, from the lowest to the highest value: told apart with any of the usual colour
/// blindnesses, and by their brightness alone.
const SCALE: ColorMap = ColorMap::Viridis;
/// So many of them are given to charts, which mix those between.
const ANCHORS: usize = 16;
/// Ticks of the scale, about.
const TICKS: usize = 5;

/// A value of a cell: 5 %, median, 95 %.
pub type Cell = Option<(f64, f64, f64)>;

/// A quantity against two parameters: a coloured cell for each pair of their values.
pub struct HeatMap<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What is on the x axis.
    pub x: &'a Parameter,
    /// What is on the y axis.
    pub y: &'a Parameter,
    /// What is shown, with its unit.
    pub label: &'a str,
    /// For each value of y those of x. Those not finite are left out.
    pub cells: &'a [Cell],
    /// Values that the scale of colours has besides those of the cells: those of pictures beside it.
    pub also: (f64, f64),
    /// Note under the title.
    pub note: &'a str,
    /// What is said where no cell has a value.
    pub nothing: &'a str,
}

/// Draws a quantity against two parameters.
pub fn heat_map(m: &HeatMap) -> Picture {
    let is_shown = |(low, mid, high): &(f64, f64, f64)| {
        [low, mid, high].iter().all(|v| inside((0.0, **v), ANY, ANY))
    };
    let cells: Vec<Cell> = m.cells.iter().map(|cell| cell.filter(is_shown)).collect();
    let is_empty = cells.iter().all(Option::is_none);
    let also = [m.also.0, m.also.1].into_iter().filter(|value| inside((0.0, *value), ANY, ANY));
    let values = cells.iter().flatten().map(|cell| cell.1).chain(also);
    let ends = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let (low, high) = if ends.0 <= ends.1 { ends } else { (0.0, 1.0) };
    // A scale that could as well begin at 0 does.
    let range = span((if low > 0.0 && low < 0.5 * high { 0.0 } else { low }, high));
    let (x, y) = (m.x.range(false), m.y.range(false));
    let mut layout = layout(m.frame, &m.x.label, &m.y.label, x, y, 0.0);
    layout = m.y.lay_y(m.x.lay_x(layout));
    // Room for the scale on the right.
    layout.show_colorbar = true;
    if !m.note.is_empty() {
        layout = layout.with_subtitle(clean(m.note, 110));
    }
    if is_empty {
        let middle = |p: &Parameter, (a, b): (f64, f64)| {
            let middle = if p.log { (a * b).sqrt() } else { 0.5 * (a + b) };
            (middle, middle)
        };
        layout = say(layout, m.nothing, middle(m.x, x), middle(m.y, y));
    }
    let mut chart = Chart::new(m.frame, (&m.x.label, &m.y.label), x, y);
    (chart.x, chart.y) = (m.x.axis(x), m.y.axis(y));
    chart.note = (!m.note.is_empty()).then(|| m.note.to_string());
    chart.nothing = is_empty.then(|| m.nothing.into());
    let colours = (0..ANCHORS).map(|k| SCALE.map(k as f64 / (ANCHORS - 1) as f64)).collect();
    chart.map = Some(Map::new(m.label, range, (m.x, m.y), &cells, colours));

    let places = ComputedLayout::from_layout(&layout);
    // a curve with nothing to draw keeps kuva drawing the axes
    let mut scene = render_multiple(vec![ScatterPlot::new().into()], layout);
    let extra_attrs = Some("shape-rendering=\"crispEdges\"".into());
    let mut own = vec![Primitive::GroupStart { transform: None, title: None, extra_attrs }];
    let (columns, rows) = (m.x.edges(), m.y.edges());
    let across: Vec<f64> = columns.iter().map(|edge| places.map_x(*edge).round()).collect();
    let up: Vec<f64> = rows.iter().map(|edge| places.map_y(*edge).round()).collect();
    for (k, cell) in cells.iter().enumerate() {
        let (i, j) = (k % m.x.values.len(), k / m.x.values.len());
        let Some((_, value, _)) = cell else { continue };
        let (left, right, bottom, top) = (across[i], across[i + 1], up[j], up[j + 1]);
        own.push(rect((left, top, right - left, bottom - top), shade(*value, range)));
    }
    scale(m.label, range, &places, &mut own);
    insert(&mut scene, own);
    Picture(Form::Laid { scene: Box::new(scene), size: m.frame.size, chart: Box::new(chart) })
}

fn shade(value: f64, (low, high): (f64, f64)) -> String {
    SCALE.map(((value - low) / (high - low)).clamp(0.0, 1.0))
}

/// A filled rectangle: left, top, width, height.
fn rect((x, y, width, height): (f64, f64, f64, f64), fill: String) -> Primitive {
    // Scaled, edges fall between pixels: a little under the next one, so that no line is seen there.
    let [x, y, width, height] =
        [x, y, width + 0.6, height + 0.6].map(|v| (100.0 * v).round() / 100.0);
    let fill = fill.into();
    Primitive::Rect { x, y, width, height, fill, stroke: None, stroke_width: None, opacity: None }
}

/// Which colour is which value.
fn scale(label: &str, range: (f64, f64), places: &ComputedLayout, own: &mut Vec<Primitive>) {
    const SLICES: usize = 64;
    const WIDTH: f64 = 18.0;
    let left = places.width - places.colorbar_x_inset;
    let (top, height) = (places.margin_top, places.plot_height());
    let edge = |k: usize| (top + height * k as f64 / SLICES as f64).round();
    for k in 0..SLICES {
        let part = 1.0 - (k as f64 + 0.5) / SLICES as f64;
        own.push(rect((left, edge(k), WIDTH, edge(k + 1) - edge(k)), SCALE.map(part)));
    }
    own.push(Primitive::GroupEnd);
    let text = |x: f64, y: f64, content: String, anchor, rotate| Primitive::Text {
        x,
        y,
        content,
        size: places.tick_size,
        anchor,
        rotate,
        bold: false,
        color: None,
    };
    let step = compute_tick_step(range.0, range.1, TICKS);
    let format = numbers(step);
    let mut tick = (range.0 / step - 1e-9).ceil() * step;
    while tick <= range.1 + 1e-9 * step {
        let y = top + height * (1.0 - (tick - range.0) / (range.1 - range.0));
        let shown = if tick.abs() < 1e-9 * step { 0.0 } else { tick };
        own.push(text(left + WIDTH + 5.0, y + 4.0, format.format(shown), TextAnchor::Start, None));
        tick += step;
    }
    let middle = (left - 8.0, top + 0.5 * height);
    own.push(text(middle.0, middle.1, clean(label, 45), TextAnchor::Middle, Some(-90.0)));
}

/// Puts marks where kuva puts its own: over the grid, under what is written into the plot.
fn insert(scene: &mut Scene, own: Vec<Primitive>) {
    let is_clip = |element: &Primitive| matches!(element, Primitive::ClipStart { .. });
    let place = scene.elements.iter().position(is_clip).unwrap_or(scene.elements.len());
    scene.elements.splice(place..place, own);
}
