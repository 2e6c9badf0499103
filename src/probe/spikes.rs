//! Spike times, and the raster.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::prelude::*;

use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Evenly, Frame, MOST_DOTS, Picture, Raster};
use super::stream::{self, TableSink};
use super::tables::owner;
use super::{Probe, ProbeContext, ProbeKind, Record, Span, Tables};
use crate::network::spikes::sorted;
use crate::network::{Replicas, WindowSpikes};
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::estimate::SPIKE_BYTES;
use crate::scene::{GroupId, Scene};
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::table::{Column, Format, Rows};
use crate::time::Time;

/// `Spikes(of: "dpi", neurons: All)`
#[derive(Debug, Clone)]
pub struct Spikes {
    /// Whose.
    pub emitters: Emitters,
}

impl Spikes {
    /// Reads the fields of the probe.
    pub fn read(
        fields: &mut Fields,
        context: &ProbeContext,
        dx: &mut Diagnostics,
    ) -> Option<Spikes> {
        Some(Spikes { emitters: Emitters::read(fields, context, dx)? })
    }
}

impl ProbeKind for Spikes {
    fn name(&self) -> &'static str {
        SpikeRecorder::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        self.emitters.fields(scene)
    }

    fn bytes(&self, scene: &Scene, span: Span) -> u128 {
        self.emitters.spikes(scene, span) * SPIKE_BYTES
    }

    /// Of sources.
    fn expected_rows(&self, scene: &Scene, span: Span) -> Option<u128> {
        let is_source = matches!(self.emitters.of, GroupId::Source(_));
        is_source.then(|| self.emitters.spikes(scene, span))
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Csv, Format::Parquet]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let scene = simulation.scene();
        let of = self.emitters.of;
        let rates =
            requested_rates(scene, of).filter(|rates| rates.iter().any(|rate| *rate != rates[0]));
        let recorder = SpikeRecorder {
            size: scene.instances(of),
            listener: Listener::new(scene, &self.emitters, span),
            end: scene.duration,
            rates,
            spikes: Vec::new(),
            sink: None,
            shown: Arc::default(),
            spare: Arc::default(),
        };
        listener::attach(recorder, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<SpikeRecorder>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn streamed_bytes(&self, scene: &Scene, window: Time) -> Option<u128> {
        let of_window = self.emitters.spikes(scene, Span { from: Time::ZERO, to: window });
        let spikes = stream::PIECES * (of_window + stream::ROWS as u128) + 4 * MOST_DOTS as u128;
        Some(spikes * SPIKE_BYTES)
    }

    fn stream(&self, mut probe: EntityWorldMut, sink: TableSink) {
        if let Some(mut recorder) = probe.get_mut::<SpikeRecorder>() {
            recorder.sink = Some(sink);
        }
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<SpikeRecorder>().map(|recorder| recorder as &dyn Record)
    }
}

/// Records the spikes of a source or population.
#[derive(Component, Debug, Clone)]
pub struct SpikeRecorder {
    /// Neurons of the group, of all replicas.
    size: u64,
    listener: Listener,
    end: Time,
    /// What the y axis shows for each neuron: its rate, where the scene gives each its own.
    rates: Option<Vec<f64>>,
    /// Sorted, unless they are to be handed over.
    spikes: Vec<(Time, u32)>,
    sink: Option<TableSink>,
    /// What the picture shows of the spikes that were handed over.
    shown: Arc<Mutex<Evenly<(Time, u32)>>>,
    /// A list that was handed over, empty again: its memory is used once more.
    spare: Arc<Mutex<Vec<(Time, u32)>>>,
}

impl SpikeRecorder {
    /// The recorded spikes: time and neuron (its index over all replicas), sorted. None, where the run
    /// writes them to a results folder as it goes, as `picoamp run` does: a system reads the spikes of
    /// each window from [`WindowSpikes`].
    #[must_use]
    pub fn spikes(&self) -> &[(Time, u32)] {
        if self.sink.is_some() { &[] } else { &self.spikes }
    }

    /// How many [spikes](SpikeRecorder::spikes) each neuron has.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.size as usize];
        self.spikes().iter().for_each(|(_, neuron)| counts[*neuron as usize] += 1);
        counts
    }
}

/// The rates that a scene asks of a group of sources; `None` where it asks for none.
pub(super) fn requested_rates(scene: &Scene, group: GroupId) -> Option<Vec<f64>> {
    let GroupId::Source(index) = group else { return None };
    let source = &scene.sources[index];
    (0..source.size).map(|k| source.train.rate(k)).collect()
}

impl SpikeRecorder {
    /// What has not been handed over, sorted.
    fn left(&self) -> Cow<'_, [(Time, u32)]> {
        match &self.sink {
            None => (&*self.spikes).into(),
            Some(_) => sorted(&self.spikes).into(),
        }
    }

    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        let replicas = self.listener.replicas();
        // Only what the picture shows: there may be more than memory holds.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        tables.read(&rows_of(&[], replicas), |rows, k| {
            shown.push((rows.times()[k], owner(replicas, rows, k)?));
            Ok(())
        })
    }
}

/// Spikes as rows of a table.
pub(crate) fn rows_of(spikes: &[(Time, u32)], replicas: Replicas) -> Rows {
    let mut columns = Rows::owners(replicas, spikes.iter().map(|(_, index)| *index));
    columns.push(Column::time(spikes.iter().map(|(time, _)| *time).collect()));
    Rows::new(columns)
}

impl Probe for SpikeRecorder {
    const KIND: &'static str = "Spikes";
}

impl Record for SpikeRecorder {
    fn layout(&self) -> Option<Rows> {
        Some(rows_of(&[], self.listener.replicas()))
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Rows> + '_> {
        let (left, replicas) = (self.left(), self.listener.replicas());
        let batches = left.len().div_ceil(stream::ROWS);
        Box::new((0..batches).map(move |k| {
            let from = k * stream::ROWS;
            rows_of(&left[from..left.len().min(from + stream::ROWS)], replicas)
        }))
    }

    fn picture(&self, frame: Frame) -> Picture {
        let y = |neuron: u32| match &self.rates {
            Some(rates) => rates[neuron as usize],
            None => f64::from(neuron),
        };
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(&self.left());
        let shown = all.shown();
        let shown: Vec<(f64, f64)> =
            shown.iter().map(|(time, neuron)| (time.seconds(), y(*neuron))).collect();
        let note = ((shown.len() as u64) < all.count())
            .then(|| format!("showing {} of {} spikes", shown.len(), all.count()));
        let (y_label, lowest, highest) = match &self.rates {
            Some(rates) => {
                let top = rates.iter().copied().fold(0.0, f64::max);
                ("input frequency (Hz)", 0.0, top)
            }
            // Only as far as neurons are recorded.
            None => {
                let is_one = self.listener.replicas().count == 1;
                let label = if is_one { "neuron" } else { "neuron, replica after replica" };
                let shown = self.listener.neurons().iter();
                let ends = shown.clone().min().zip(shown.max());
                ends.map_or(("neuron", 0.0, 0.0), |(first, last)| {
                    (label, f64::from(*first), f64::from(*last))
                })
            }
        };
        let margin = 0.005 * (highest - lowest) + 0.5;
        picture::raster(&Raster {
            frame,
            y_label,
            points: &shown,
            time_s: self.listener.span().shown(self.end),
            y_range: (lowest - margin, highest + margin),
            note,
            whole_rows: self.rates.is_none(),
        })
    }
}

impl Hears for SpikeRecorder {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        let SpikeRecorder { listener, spikes: record, sink, shown, spare, .. } = self;
        let Some(sink) = sink else {
            return listener.hear(window, spikes, |time, neuron, _| record.push((time, neuron)));
        };
        // The thread sorts them.
        listener.hear_into(window, spikes, record);
        if record.len() >= stream::ROWS {
            let (shown, spare) = (shown.clone(), spare.clone());
            let kept = || spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut handed = std::mem::replace(record, std::mem::take(&mut *kept()));
            let replicas = listener.replicas();
            sink.append(handed.len(), move || {
                let spikes = sorted(&handed);
                handed.clear();
                *spare.lock().unwrap_or_else(PoisonError::into_inner) = handed;
                let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                shown.extend(&spikes);
                rows_of(&spikes, replicas)
            });
        }
    }
}
