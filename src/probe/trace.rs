//! State variables against time.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::picture::{self, Curve, Traces};
use super::{Probe, Span, shown_span};
use crate::backend::WindowSamples;
use crate::bank::{Banks, SampleRequest, Slot};
use crate::network::Population;
use crate::scene::{Probe as SceneProbe, ProbeKind, Scene, Variable};
use crate::time::Time;
use crate::units::Unit;

/// Records state variables of chosen neurons at a fixed interval. A sample at time t is the state
/// at t before the inputs of t act.
#[derive(Component, Debug, Clone)]
pub struct TraceRecorder {
    vars: Vec<Variable>,
    neurons: Vec<u32>,
    /// Threshold of each neuron, as a value of a variable.
    thresholds: Vec<(Variable, f64)>,
    /// Unit of the first variable.
    unit: Unit,
    span: Span,
    end: Time,
    dt: Time,
    /// Time and position among `neurons` of each row, in that order.
    rows: Vec<(Time, u32)>,
    /// The values of all rows, in the order of `vars`.
    values: Vec<f64>,
}

impl TraceRecorder {
    /// The recorded variables.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.vars
    }

    /// Time, position among the neurons, and values of each row.
    fn rows(&self) -> impl Iterator<Item = (Time, u32, &[f64])> {
        let values = self.values.chunks_exact(self.vars.len());
        self.rows.iter().zip(values).map(|((time, position), values)| (*time, *position, values))
    }

    /// The samples of one variable of one neuron: time and value (A or V), in order of time.
    pub fn samples(
        &self,
        neuron: u32,
        variable: Variable,
    ) -> impl Iterator<Item = (Time, f64)> + '_ {
        let position = self.neurons.iter().position(|n| *n == neuron);
        let column = self.vars.iter().position(|v| *v == variable);
        self.rows().filter_map(move |(time, at, values)| {
            (position == Some(at as usize)).then_some((time, values[column?]))
        })
    }
}

/// Adds the recorder to the probe's entity and its requests to the bank.
pub(super) fn spawn(
    scene: &Scene,
    probe: &SceneProbe,
    span: Span,
    entity: Entity,
    world: &mut World,
) {
    let ProbeKind::Trace { of, vars, neurons: selection, every } = &probe.kind else { return };
    let dt = super::step(scene);
    let size = scene.populations[*of].size;
    let neurons: Vec<u32> = (0..selection.len(size)).map(|k| selection.get(k)).collect();
    let mut populations = world.query::<&Population>();
    let Some(population) = populations.iter(world).find(|p| p.index == *of) else { return };
    let model = population.model.clone();
    let entities: Vec<Entity> = neurons.iter().map(|n| population.neurons[*n as usize]).collect();
    let mut thresholds = Vec::new();
    for (position, neuron) in entities.into_iter().enumerate() {
        let Some(slot) = world.get::<Slot>(neuron).copied() else { continue };
        thresholds.extend(model.0.threshold(world, neuron));
        let last = if span.to == Time::MAX { u64::MAX } else { span.to.steps_up(dt) };
        let samples = &mut world.resource_mut::<Banks>().0[slot.bank as usize].samples;
        samples.push(SampleRequest {
            slot: slot.index,
            probe: entity,
            position: position as u32,
            from: span.from.steps_up(dt),
            to: last,
            every: every.steps(dt).max(1),
        });
    }
    for bank in &mut world.resource_mut::<Banks>().0 {
        bank.samples.sort_by_key(|request| (request.slot, request.position));
    }
    world.entity_mut(entity).insert(TraceRecorder {
        unit: model
            .variables()
            .iter()
            .find(|v| v.variable == vars[0])
            .map_or(Unit::One, |v| v.unit),
        vars: vars.clone(),
        neurons,
        thresholds,
        span,
        end: scene.duration,
        dt,
        rows: Vec::new(),
        values: Vec::new(),
    });
}

/// The unit in which a current has one to three digits before the point, and units per ampere.
fn current_unit(current: f64) -> (&'static str, f64) {
    let units = [("A", 1.0), ("mA", 1e3), ("\u{b5}A", 1e6), ("nA", 1e9), ("pA", 1e12)];
    units.into_iter().find(|(_, scale)| current * scale >= 1.0).unwrap_or(("fA", 1e15))
}

impl Probe for TraceRecorder {
    const KIND: &'static str = "Trace";

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "time_s,neuron")?;
        self.vars.iter().try_for_each(|var| write!(out, ",{}", var.name()))?;
        writeln!(out)?;
        for (time, position, values) in self.rows() {
            write!(out, "{time},{}", self.neurons[position as usize])?;
            values.iter().try_for_each(|value| write!(out, ",{value:e}"))?;
            writeln!(out)?;
        }
        Ok(())
    }

    /// The first variable, of all neurons.
    fn picture(&self, title: &str) -> String {
        let variable = self.vars[0];
        // Currents in the unit that suits the largest.
        let first = self.values.iter().step_by(self.vars.len());
        let largest = first.fold(0.0, |most, value| value.abs().max(most));
        let (unit, scale) = match self.unit {
            Unit::Ampere => current_unit(largest),
            unit => (unit.symbol(), 1.0),
        };
        let label = |neuron: &u32| Curve { label: format!("neuron {neuron}"), points: Vec::new() };
        let mut curves: Vec<Curve> = self.neurons.iter().map(label).collect();
        for (time, position, values) in self.rows() {
            curves[position as usize].points.push((time.seconds(), values[0] * scale));
        }
        let threshold = self.thresholds.first().filter(|(shown, level)| {
            *shown == variable && self.thresholds.iter().all(|(_, other)| other == level)
        });
        let threshold = threshold.map(|(_, level)| (*level, "threshold".to_string()));
        let y_label = match unit {
            "" => variable.name().to_string(),
            unit => format!("{} ({unit})", variable.name()),
        };
        picture::traces(&Traces {
            title,
            y_label: &y_label,
            curves: &curves,
            time_s: shown_span(self.span, self.end),
            threshold,
        })
    }
}

/// Feeds the recorders.
pub(super) fn record(
    mut samples: ResMut<WindowSamples>,
    banks: Res<Banks>,
    mut recorders: Query<&mut TraceRecorder>,
) {
    // Blocks deliver their samples one after the other; rows are in order of time. A window's
    // samples are all later than those of the windows before.
    samples.0.sort_unstable_by_key(|sample| (sample.step, sample.bank, sample.request));
    for sample in &samples.0 {
        let bank = &banks.0[sample.bank as usize];
        let request = &bank.samples[sample.request as usize];
        let Ok(mut recorder) = recorders.get_mut(request.probe) else { continue };
        let TraceRecorder { vars, rows, values, dt, .. } = &mut *recorder;
        rows.push((Time::from_steps(sample.step, *dt), request.position));
        values.extend(vars.iter().map(|v| bank.variable(&sample.state, *v)));
    }
}
