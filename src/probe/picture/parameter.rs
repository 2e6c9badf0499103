//! Parameters: what is swept, as an axis of a picture.

use std::sync::Arc;

use kuva::render::layout::{Layout, TickFormat};

use super::chart;
use super::{clean, decades, numbers, span};
use crate::circuit::math::{exp, ln};

/// Letters of the name of a value at an axis.
const LETTERS: usize = 18;

/// The values of a parameter in their order, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it is, with its unit.
    pub label: String,
    /// Its values in that unit, rising; 0, 1, 2 … where they have names.
    pub values: Vec<f64>,
    /// Whether the axis is logarithmic: all values are greater than 0.
    pub log: bool,
    /// The names of values that are no numbers; empty where they are.
    pub names: Vec<String>,
}

impl Parameter {
    /// Halfway between values (on a logarithmic axis, between their logarithms), and as far beyond the first and
    /// the last one: one more than there are values.
    #[must_use]
    pub fn edges(&self) -> Vec<f64> {
        let to = |value: f64| if self.log { ln(value) } else { value };
        let from = |place: f64| if self.log { exp(place) } else { place };
        let places: Vec<f64> = self.values.iter().map(|value| to(*value)).collect();
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Vec::new() };
        let gaps: Vec<f64> = places.windows(2).map(|pair| 0.5 * (pair[1] - pair[0])).collect();
        // The only value: some room on both sides.
        let is_even = self.log || !self.names.is_empty();
        let room = if is_even { 0.5 } else { (0.5 * first.abs()).max(0.5) };
        let before = gaps.first().unwrap_or(&room);
        let after = gaps.last().unwrap_or(&room);
        let middles = places.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
        let all = std::iter::once(first - before).chain(middles).chain([last + after]);
        all.map(from).collect()
    }

    /// From the first to the last edge, or as much of that as a curve needs.
    pub(super) fn range(&self, is_curve: bool) -> (f64, f64) {
        let edges = self.edges();
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return (0.0, 1.0) };
        match (self.values.first(), self.values.last()) {
            (Some(low), Some(high)) if is_curve && low < high && self.names.is_empty() => {
                (*low, *high)
            }
            _ => span((*first, *last)),
        }
    }

    /// The axis of a chart.
    pub(super) fn axis(&self, range: (f64, f64)) -> chart::Axis {
        let names = self.names.clone();
        chart::Axis {
            label: self.label.clone(),
            range,
            log: self.log,
            whole: self.is_whole(),
            names,
        }
    }

    /// Whether it counts something, so that a tick between two whole numbers means nothing.
    fn is_whole(&self) -> bool {
        self.names.is_empty() && self.values.iter().all(|value| value.fract() == 0.0)
    }

    fn ticks(&self) -> Option<(Option<f64>, TickFormat)> {
        if self.log {
            // kuva's own ticks on such an axis: 1, 2 and 5 of each decade, or only decades.
            return Some((None, decades::powers()));
        }
        if self.names.is_empty() {
            return None;
        }
        let names: Vec<String> = self.names.iter().map(|name| clean(name, LETTERS)).collect();
        let name = move |at: f64| {
            let is_whole = at >= 0.0 && at.fract() == 0.0;
            let found = names.get(at as usize).filter(|_| is_whole);
            found.cloned().unwrap_or_default()
        };
        // No more names than there is room for.
        let step = self.names.len().div_ceil(8) as f64;
        Some((Some(step), TickFormat::Custom(Arc::new(name))))
    }

    /// Makes it the x axis of a layout that has its range.
    pub(super) fn lay_x(&self, mut layout: Layout) -> Layout {
        if self.log {
            layout = layout.with_log_x();
        }
        if self.is_whole() && layout.x_tick_step.is_some_and(|step| step.fract() != 0.0) {
            let step = layout.x_tick_step.map_or(1.0, f64::ceil);
            layout = layout.with_x_tick_step(step).with_x_tick_format(numbers(step));
        }
        if let Some((step, format)) = self.ticks() {
            layout.x_tick_step = step;
            layout = layout.with_x_tick_format(format);
        }
        layout
    }

    /// The same of the y axis.
    pub(super) fn lay_y(&self, mut layout: Layout) -> Layout {
        if self.log {
            layout = layout.with_log_y();
        }
        if self.is_whole() && layout.y_tick_step.is_some_and(|step| step.fract() != 0.0) {
            let step = layout.y_tick_step.map_or(1.0, f64::ceil);
            layout = layout.with_y_tick_step(step).with_y_tick_format(numbers(step));
        }
        if let Some((step, format)) = self.ticks() {
            layout.y_tick_step = step;
            layout = layout.with_y_tick_format(format);
        }
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], log: bool) -> Parameter {
        Parameter { label: String::new(), values: values.to_vec(), log, names: Vec::new() }
    }

    #[test]
    fn edges_lie_halfway() {
        assert_eq!(of(&[1.0, 2.0, 4.0], false).edges(), [0.5, 1.5, 3.0, 5.0]);
        let close =
            |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-12);
        assert!(close(&of(&[1.0, 100.0], true).edges(), &[0.1, 10.0, 1000.0]));
        assert_eq!(of(&[4.0], false).edges(), [2.0, 6.0]);
        assert_eq!(of(&[0.0], false).edges(), [-0.5, 0.5]);
    }
}
