//! FF curves: input rate against output rate, neuron by neuron.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::picture::{self, FfDots};
use super::spikes::requested_rates;
use super::{Probe, Span};
use crate::network::WindowSpikes;
use crate::scene::{GroupId, Scene};
use crate::schedule::Window;
use crate::time::Time;

/// Counts input and output spikes of each neuron: neuron k of a population is driven by input k.
#[derive(Component, Debug, Clone)]
pub struct FfCurve {
    input: GroupId,
    output: GroupId,
    span: Span,
    /// The rates that the scene asks for, Hz; `None`: the delivered ones are shown.
    requested: Option<Vec<f64>>,
    input_spikes: Vec<u64>,
    output_spikes: Vec<u64>,
    recorded: Time,
}

/// A point of an FF curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FfRow {
    /// The rate that the scene asked for (of given spikes, and of rates that change: the rate that was delivered), Hz.
    pub input_hz: f64,
    /// Output spikes over recorded time, Hz.
    pub output_hz: f64,
    /// Input spikes that were delivered.
    pub input_spikes: u64,
    /// Output spikes.
    pub output_spikes: u64,
}

impl FfCurve {
    pub(super) fn new(scene: &Scene, input: GroupId, output: usize, span: Span) -> FfCurve {
        let size = scene.populations[output].size as usize;
        FfCurve {
            input,
            output: GroupId::Population(output),
            span,
            requested: requested_rates(scene, input),
            input_spikes: vec![0; size],
            output_spikes: vec![0; size],
            recorded: Time::ZERO,
        }
    }

    /// One point per neuron.
    #[must_use]
    pub fn rows(&self) -> Vec<FfRow> {
        let rate = |spikes: u64| {
            if self.recorded > Time::ZERO { spikes as f64 / self.recorded.seconds() } else { 0.0 }
        };
        let counts = self.input_spikes.iter().zip(&self.output_spikes).enumerate();
        counts
            .map(|(k, (input, output))| FfRow {
                input_hz: self.requested.as_ref().map_or_else(|| rate(*input), |rates| rates[k]),
                output_hz: rate(*output),
                input_spikes: *input,
                output_spikes: *output,
            })
            .collect()
    }
}

impl Probe for FfCurve {
    const KIND: &'static str = "Ff";

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "neuron,input_hz,output_hz,input_spikes,output_spikes")?;
        self.rows().iter().enumerate().try_for_each(|(neuron, row)| {
            let FfRow { input_hz, output_hz, input_spikes, output_spikes } = row;
            writeln!(out, "{neuron},{input_hz},{output_hz},{input_spikes},{output_spikes}")
        })
    }

    fn picture(&self, title: &str) -> String {
        let points: Vec<(f64, f64)> =
            self.rows().iter().map(|row| (row.input_hz, row.output_hz)).collect();
        picture::ff(&FfDots { title, points: &points, band: &[] })
    }
}

/// Counts the spikes of a window.
pub(super) fn count(
    window: Res<Window>,
    spikes: Res<WindowSpikes>,
    mut curves: Query<&mut FfCurve>,
) {
    for mut curve in &mut curves {
        let FfCurve { input, output, span, input_spikes, output_spikes, recorded, .. } =
            &mut *curve;
        for (group, counts) in [(*input, input_spikes), (*output, output_spikes)] {
            let counted = spikes.of(group).iter().filter(|(time, _)| span.contains(*time));
            counted.for_each(|(_, neuron)| counts[*neuron as usize] += 1);
        }
        *recorded = *recorded + span.overlap(&window);
    }
}
