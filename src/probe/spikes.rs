//! Spike times, and the raster.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::picture::{self, Raster};
use super::{Probe, Span, shown_span};
use crate::network::WindowSpikes;
use crate::scene::{GroupId, Scene, Selection};
use crate::time::Time;

/// More dots than this make a raster neither clearer nor faster to open. (The seed experiment has
/// 21 282 input spikes, which are all shown.)
const MOST_DOTS: usize = 25_000;

/// Records the spikes of a source or population.
#[derive(Component, Debug, Clone)]
pub struct SpikeRecorder {
    of: GroupId,
    size: u64,
    /// The neurons that are recorded, by index; `None`: all.
    selected: Option<Vec<bool>>,
    span: Span,
    end: Time,
    /// What the y axis shows for each neuron: its rate, where the scene gives each its own.
    rates: Option<Vec<f64>>,
    spikes: Vec<(Time, u32)>,
}

impl SpikeRecorder {
    pub(super) fn new(
        scene: &Scene,
        of: GroupId,
        neurons: &Selection,
        span: Span,
    ) -> SpikeRecorder {
        let size = scene.group_size(of);
        let selected = (*neurons != Selection::All).then(|| {
            let mut selected = vec![false; size as usize];
            (0..neurons.len(size)).for_each(|k| selected[neurons.get(k) as usize] = true);
            selected
        });
        let rates =
            requested_rates(scene, of).filter(|rates| rates.iter().any(|rate| *rate != rates[0]));
        SpikeRecorder { of, size, selected, span, end: scene.duration, rates, spikes: Vec::new() }
    }

    /// The recorded spikes: time and neuron, sorted.
    #[must_use]
    pub fn spikes(&self) -> &[(Time, u32)] {
        &self.spikes
    }

    /// Spikes of each neuron.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.size as usize];
        self.spikes.iter().for_each(|(_, neuron)| counts[*neuron as usize] += 1);
        counts
    }
}

/// The rates that a scene asks of a group of sources; `None` where it asks for none.
pub(super) fn requested_rates(scene: &Scene, group: GroupId) -> Option<Vec<f64>> {
    let GroupId::Source(index) = group else { return None };
    let source = &scene.sources[index];
    (0..source.size).map(|k| source.train.rate(k)).collect()
}

impl Probe for SpikeRecorder {
    const KIND: &'static str = "Spikes";

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "neuron,time_s")?;
        self.spikes.iter().try_for_each(|(time, neuron)| writeln!(out, "{neuron},{time}"))
    }

    fn picture(&self, title: &str) -> String {
        let y = |neuron: u32| match &self.rates {
            Some(rates) => rates[neuron as usize],
            None => f64::from(neuron),
        };
        let points: Vec<(f64, f64)> =
            self.spikes.iter().map(|(time, neuron)| (time.seconds(), y(*neuron))).collect();
        let shown = picture::thin(&points, MOST_DOTS);
        let note = (shown.len() < points.len())
            .then(|| format!("showing {} of {} spikes", shown.len(), points.len()));
        let (y_label, lowest, highest) = match &self.rates {
            Some(rates) => {
                let top = rates.iter().copied().fold(0.0, f64::max);
                ("input frequency (Hz)", 0.0, top)
            }
            // Only as far as neurons are recorded.
            None => {
                let is_shown = |k: &usize| self.selected.as_ref().is_none_or(|s| s[*k]);
                let mut shown = (0..self.size as usize).filter(is_shown);
                let first = shown.next().unwrap_or(0);
                ("neuron", first as f64, shown.next_back().unwrap_or(first) as f64)
            }
        };
        let margin = 0.005 * (highest - lowest) + 0.5;
        picture::raster(&Raster {
            title,
            y_label,
            points: &shown,
            time_s: shown_span(self.span, self.end),
            y_range: (lowest - margin, highest + margin),
            note,
            whole_rows: self.rates.is_none(),
        })
    }
}

/// Feeds the recorders.
pub(super) fn record(spikes: Res<WindowSpikes>, mut recorders: Query<&mut SpikeRecorder>) {
    for mut recorder in &mut recorders {
        let SpikeRecorder { of, selected, span, spikes: record, .. } = &mut *recorder;
        let wanted = spikes.of(*of).iter().filter(|(time, neuron)| {
            span.contains(*time) && selected.as_ref().is_none_or(|s| s[*neuron as usize])
        });
        record.extend(wanted);
    }
}
