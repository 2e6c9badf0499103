//! Steps: histograms, and quantities that are constant over each bin of time.

use kuva::plot::band::BandPlot;
use kuva::plot::scatter::ScatterPlot;
use kuva::render::plots::Plot;
use kuva::render::render_utils::compute_tick_step;

use super::chart::{Chart, Series, reduced};
use super::{
    ANY, COLOURS, Frame, Picture, Y_TICKS, clean, draw, inside, layout, line, say, span,
    whole_ticks,
};

/// More steps than pixels are drawn without the area below them.
const MOST_FILLED: usize = 1000;
/// Bars of a histogram; with more of them only noise is seen.
const MOST_BARS: usize = 400;

/// Steps side by side, none of them negative.
pub struct Steps<'a> {
    /// Title and size.
    pub frame: Frame<'a>,
    /// What x measures, with its unit.
    pub x_label: &'a str,
    /// What y measures, with its unit.
    pub y_label: &'a str,
    /// (from, to, height), in the order of x, each from where the one before ends. Those outside of
    /// the range shown, negative or not finite are left out.
    pub steps: &'a [(f64, f64, f64)],
    /// Lowest and highest x shown.
    pub x_range: (f64, f64),
    /// Whether heights are counts, so that a tick between two of them means nothing.
    pub counts: bool,
    /// Note under the title.
    pub note: Option<String>,
    /// What is said where no step has a height.
    pub nothing: &'a str,
}

/// Draws steps.
pub fn steps(s: &Steps) -> Picture {
    let x = span(s.x_range);
    let shown = |step: &&(f64, f64, f64)| {
        inside((step.0, step.2), x, (0.0, ANY.1)) && inside((step.1, step.2), x, (0.0, ANY.1))
    };
    let steps: Vec<_> = s.steps.iter().filter(shown).copied().collect();
    let top = steps.iter().fold(0.0, |top: f64, step| top.max(step.2));
    let y = whole_ticks(1.01 * top, Y_TICKS);
    let y_step = compute_tick_step(y.0, y.1, Y_TICKS);
    let (y, least_y_step) = if s.counts && y_step.fract() > 0.0 {
        // 1 instead of 0.2 or 0.5, 5 instead of 2.5
        let whole = (2.0 * y_step).ceil();
        ((0.0, (y.1 / whole).ceil() * whole), whole)
    } else {
        (y, 0.0)
    };
    let mut layout = layout(s.frame, s.x_label, s.y_label, x, y, least_y_step);
    if let Some(note) = &s.note {
        layout = layout.with_subtitle(clean(note, 100));
    }
    if top <= 0.0 {
        layout = say(layout, s.nothing, x, y);
    }
    let mut chart = Chart::new(s.frame, (s.x_label, s.y_label), x, y);
    chart.y.whole = s.counts;
    chart.note = s.note.clone();
    chart.nothing = (top <= 0.0).then(|| s.nothing.into());
    let starts: Vec<(f64, f64)> =
        reduced(&steps.iter().map(|step| (step.0, step.2)).collect::<Vec<_>>(), 1);
    let ends = starts.iter().skip(1).map(|next| next.0).chain(steps.last().map(|step| step.1));
    let ends: Vec<f64> = ends.collect();
    chart.series.push(Series::new("steps", s.y_label, Some(0), &starts).to(ends.into_iter()));
    // a curve with nothing to draw keeps kuva drawing the axes where there is no other
    let mut plots: Vec<Plot> = vec![ScatterPlot::new().into()];
    let corners: Vec<(f64, f64)> =
        steps.iter().flat_map(|&(from, to, height)| [(from, height), (to, height)]).collect();
    if steps.len() <= MOST_FILLED {
        let (x, y): (Vec<f64>, Vec<f64>) = corners.iter().copied().unzip();
        let area = BandPlot::new(x, vec![0.0; y.len()], y);
        plots.push(area.with_color(COLOURS[0]).with_opacity(0.25).into());
    }
    let foot = |corner: Option<&(f64, f64)>| corner.map(|&(x, _)| (x, 0.0));
    let outline = foot(corners.first()).into_iter().chain(corners.iter().copied());
    let outline = outline.chain(foot(corners.last())).collect();
    plots.extend(line(outline, COLOURS[0], 1.2, None));
    draw(plots, layout, s.frame, chart)
}

/// Bars of a histogram, those of neighbours added up where there are too many to be seen; and how
/// many bins make a bar.
pub fn bars(counts: &[u64]) -> (Vec<u64>, usize) {
    let each = counts.len().div_ceil(MOST_BARS).max(1);
    (counts.chunks(each).map(|chunk| chunk.iter().sum()).collect(), each)
}
