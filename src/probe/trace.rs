//! State variables against time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::prelude::*;

use super::picture::{self, Curve, Frame, Picture, Traces};
use super::stream::{self, TableSink};
use super::tables::owner;
use super::{Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::backend::{Sample, WindowSamples};
use crate::bank::{Banks, SampleRequest, Slot};
use crate::circuit::Domain;
use crate::model::Model;
use crate::network::{Population, Replicas};
use crate::scene::decode::{At, Fields};
use crate::scene::diagnostics::{Diagnostics, suggest};
use crate::scene::{GroupId, Scene, Selection, Variable, write};
use crate::schedule::{BuiltIn, WindowSet};
use crate::simulation::Simulation;
use crate::table::{Column, Format, Rows};
use crate::time::Time;
use crate::units::{self, Unit};

/// Bytes of a recorded value, and of time and neuron of a row; twice, for growing and for the
/// picture.
const VALUE_BYTES: u128 = 16;
const ROW_BYTES: u128 = 32;

/// `Trace(of: "dpi", vars: [Vmem], neurons: [20], every: "1 ms")`
#[derive(Debug, Clone)]
pub struct Trace {
    /// The population.
    pub of: usize,
    /// Which variables.
    pub vars: Vec<Variable>,
    /// Which neurons.
    pub neurons: Selection,
    /// Sampling interval.
    pub every: Time,
}

impl Trace {
    /// Reads the fields of the probe.
    pub fn read(
        fields: &mut Fields,
        context: &ProbeContext,
        dx: &mut Diagnostics,
    ) -> Option<Trace> {
        let names = context.names;
        let of_at = fields.need(dx, "of", "the population whose state is recorded");
        let vars_at = fields.need(dx, "vars", "for example vars: [Vmem, Imem]");
        let cut = fields.need(dx, "neurons", "for example neurons: [0, 20]");
        let every_at = fields.need(dx, "every", "for example every: \"1 ms\"");
        let every = every_at.as_ref().and_then(|at| at.time(dx, Domain::Positive));
        if let (Some(at), Some(every), Some(dt)) = (&every_at, every, context.dt)
            && !every.is_multiple_of(dt)
        {
            at.error(dx, format!("the interval {every} s is no multiple of the step dt = {dt} s"))
                .help("with Euler the state is known at whole steps");
        }
        let of = names.population(&of_at?, dx);
        let neurons = cut.and_then(|at| names.selection(&at, of.map(GroupId::Population), dx));
        let model = of.and_then(|of| names.model(of));
        let vars = vars_at.and_then(|at| variables(&at, model, dx));
        Some(Trace { of: of?, vars: vars?, neurons: neurons?, every: every? })
    }
}

/// `[Vmem, Imem]`: variables of a model.
fn variables(at: &At, model: Option<&Model>, dx: &mut Diagnostics) -> Option<Vec<Variable>> {
    let items = at.list(dx)?;
    if items.is_empty() {
        at.error(dx, "the list of variables is empty").help("for example vars: [Vmem, Imem]");
        return None;
    }
    let model = model?;
    let valid: Vec<Variable> = model.variables().iter().map(|v| v.variable).collect();
    let names: Vec<&str> = valid.iter().map(|v| v.name()).collect();
    let mut variables = Vec::new();
    let mut complete = true;
    for item in items {
        let Some(name) = item.text(dx) else {
            complete = false;
            continue;
        };
        let Some(variable) = valid.iter().copied().find(|v| v.name() == name) else {
            item.error(dx, format!("the model {} has no state variable `{name}`", model.name()))
                .help(suggest(name, &names));
            complete = false;
            continue;
        };
        if variables.contains(&variable) {
            item.error(dx, format!("`{name}` stands here twice")).help("remove one of the two");
            complete = false;
        }
        variables.push(variable);
    }
    complete.then_some(variables)
}

impl ProbeKind for Trace {
    fn name(&self) -> &'static str {
        TraceRecorder::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let vars: Vec<&str> = self.vars.iter().map(|v| v.name()).collect();
        vec![
            ("of", write::group(scene, GroupId::Population(self.of))),
            ("vars", format!("[{}]", vars.join(", "))),
            ("neurons", write::selection(&self.neurons)),
            ("every", write::time(self.every)),
        ]
    }

    fn bytes(&self, scene: &Scene, span: Span) -> u128 {
        let row = self.vars.len() as u128 * VALUE_BYTES + ROW_BYTES;
        self.rows(scene, span).saturating_mul(row)
    }

    fn expected_rows(&self, scene: &Scene, span: Span) -> Option<u128> {
        Some(self.rows(scene, span))
    }

    fn formats(&self) -> &'static [Format] {
        &Format::ALL
    }

    fn quantities(&self, scene: &Scene) -> Vec<Quantity> {
        let variables = scene.populations[self.of].model.variables();
        let quantity = |wanted: &Variable| {
            let found = variables.iter().find(|known| known.variable == *wanted);
            let unit = found.map_or(Unit::One, |known| known.unit);
            Quantity::new(wanted.name(), wanted.name(), unit)
        };
        self.vars.iter().map(quantity).collect()
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let scene = simulation.scene();
        let (dt, end) = (scene.solver.grid(), scene.duration);
        let replicas = Replicas::of(scene, GroupId::Population(self.of));
        let count = self.neurons.len(u64::from(replicas.size));
        let of_replica = |r| (0..count).map(move |k| r * replicas.size + self.neurons.get(k));
        let neurons: Arc<[u32]> = (0..replicas.count).flat_map(of_replica).collect();
        let variables = scene.populations[self.of].model.variables();
        let unit = |wanted: &Variable| {
            let found = variables.iter().find(|v| v.variable == *wanted);
            found.map_or(Unit::One, |v| v.unit)
        };
        let units = self.vars.iter().map(unit).collect();
        let thresholds = self.request(&neurons, span, dt, probe, simulation.world_mut());
        let model = simulation.scene().populations[self.of].model.clone();
        let recorder = TraceRecorder {
            model,
            vars: self.vars.clone(),
            replicas,
            neurons,
            thresholds,
            units,
            span,
            end,
            rows: Vec::new(),
            values: Vec::new(),
            sink: None,
            sketches: Vec::new(),
        };
        simulation.world_mut().entity_mut(probe).insert(recorder);
        if simulation.first_time::<TraceRecorder>() {
            simulation.add_systems(WindowSet::Measure, record.in_set(BuiltIn));
        }
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<TraceRecorder>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn streamed_bytes(&self, scene: &Scene, window: Time) -> Option<u128> {
        let neurons = self.neurons.len(scene.populations[self.of].size) * scene.replicas;
        let of_window = u128::from(window.picoseconds() / self.every.picoseconds() + 1);
        let row = self.vars.len() as u128 * VALUE_BYTES + ROW_BYTES;
        let rows = of_window.saturating_mul(neurons.into());
        let waiting = rows.saturating_mul(size_of::<Sample>() as u128 + stream::PIECES * row);
        // Twice: for the picture.
        let curves = neurons * self.vars.len() as u64;
        let sketches = 2 * 16 * u128::from(curves) * Sketch::most(curves as usize) as u128;
        Some(waiting + stream::PIECES * stream::ROWS as u128 * row + sketches)
    }

    fn stream(&self, mut probe: EntityWorldMut, sink: TableSink) {
        if let Some(mut recorder) = probe.get_mut::<TraceRecorder>() {
            recorder.sketches = recorder.empty_sketches();
            recorder.sink = Some(sink);
        }
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<TraceRecorder>().map(|recorder| recorder as &dyn Record)
    }
}

impl Trace {
    /// Rows of all neurons: at the multiples of the interval within the span, the end of the run
    /// among them.
    fn rows(&self, scene: &Scene, span: Span) -> u128 {
        let end = (scene.duration + Time::TICK).min(span.to);
        let times = end.steps_up(self.every).saturating_sub(span.from.steps_up(self.every));
        let neurons = self.neurons.len(scene.populations[self.of].size);
        u128::from(times) * u128::from(neurons) * u128::from(scene.replicas)
    }

    /// Asks the banks for the samples; gives back the threshold of each neuron.
    fn request(
        &self,
        neurons: &[u32],
        span: Span,
        dt: Time,
        probe: Entity,
        world: &mut World,
    ) -> Vec<(Variable, f64)> {
        let mut thresholds = Vec::new();
        let mut populations = world.query::<&Population>();
        let Some(population) = populations.iter(world).find(|p| p.index == self.of) else {
            return thresholds;
        };
        let model = population.model.clone();
        let entities: Vec<Entity> =
            neurons.iter().map(|n| population.neurons[*n as usize]).collect();
        for (position, neuron) in entities.into_iter().enumerate() {
            let Some(slot) = world.get::<Slot>(neuron).copied() else { continue };
            thresholds.extend(model.0.threshold(world, neuron));
            let bank = &mut world.resource_mut::<Banks>().0[slot.bank as usize];
            let dt = bank.step.unwrap_or(dt);
            let last = if span.to == Time::MAX { u64::MAX } else { span.to.steps_up(dt) };
            bank.samples.push(SampleRequest {
                slot: slot.index,
                probe,
                position: position as u32,
                from: span.from.steps_up(dt),
                to: last,
                every: self.every.steps(dt).max(1),
            });
        }
        for bank in &mut world.resource_mut::<Banks>().0 {
            bank.samples.sort_by_key(|request| (request.slot, request.position));
        }
        thresholds
    }
}

/// Records state variables of chosen neurons at a fixed interval. A sample at time t is the state
/// at t before the inputs of t act.
#[derive(Component, Debug, Clone)]
pub struct TraceRecorder {
    vars: Vec<Variable>,
    replicas: Replicas,
    /// Indices over all replicas.
    neurons: Arc<[u32]>,
    /// Threshold of each neuron, as a value of a variable.
    thresholds: Vec<(Variable, f64)>,
    model: Model,
    /// Unit of each variable.
    units: Vec<Unit>,
    span: Span,
    end: Time,
    /// Time and position among `neurons` of each row, in that order.
    rows: Vec<(Time, u32)>,
    /// The values of all rows, in the order of `vars`.
    values: Vec<f64>,
    sink: Option<TableSink>,
    /// What the pictures show of the rows that were handed over: neuron by neuron the curve of each
    /// variable.
    sketches: Vec<Sketch>,
}

/// A curve in bounded memory: where there are too many points, the lowest and the highest of each few,
/// everywhere of as many.
#[derive(Debug, Clone)]
struct Sketch {
    points: Vec<(Time, f64)>,
    most: usize,
    /// Of so many points two are kept; 1: all are.
    group: u64,
    /// The lowest and the highest of the group at hand, and how many it has.
    pending: Option<[(Time, f64); 2]>,
    count: u64,
}

impl Sketch {
    /// The points of one of so many curves, at most: of all together a million, but not less than 64.
    fn most(curves: usize) -> usize {
        // A whole number of fours.
        ((1 << 20) / curves.max(1)).clamp(1 << 6, 1 << 16) / 4 * 4
    }

    /// One of so many curves.
    fn new(curves: usize) -> Sketch {
        let most = Sketch::most(curves);
        Sketch { points: Vec::new(), most, group: 1, pending: None, count: 0 }
    }

    fn push(&mut self, time: Time, value: f64) {
        let point = (time, value);
        if self.group == 1 {
            self.points.push(point);
        } else {
            let [lowest, highest] = self.pending.get_or_insert([point; 2]);
            if value < lowest.1 {
                *lowest = point;
            }
            if value > highest.1 {
                *highest = point;
            }
            self.count += 1;
            if self.count == self.group {
                self.points.extend(self.pending.take().map(in_time).into_iter().flatten());
                self.count = 0;
            }
        }
        if self.points.len() == self.most {
            let fours = self.points.chunks(4).flat_map(|four| {
                let by_value = |a: &&(Time, f64), b: &&(Time, f64)| a.1.total_cmp(&b.1);
                let lowest = four.iter().min_by(by_value).unwrap_or(&four[0]);
                let highest = four.iter().max_by(by_value).unwrap_or(&four[0]);
                in_time([*lowest, *highest])
            });
            self.points = fours.collect();
            self.group = if self.group == 1 { 4 } else { 2 * self.group };
        }
    }

    /// The points that are kept.
    fn points(&self) -> impl Iterator<Item = (Time, f64)> {
        self.points.iter().copied().chain(self.pending.map(in_time).into_iter().flatten())
    }
}

/// Two points in the order of time.
fn in_time([a, b]: [(Time, f64); 2]) -> [(Time, f64); 2] {
    if a.0 <= b.0 { [a, b] } else { [b, a] }
}

impl TraceRecorder {
    /// The nominal model of the recorded neurons.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The recorded variables.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.vars
    }

    /// How its rows become those of a table.
    fn columns(&self) -> Columns {
        let variables = self.vars.iter().map(|var| var.name()).zip(self.units.iter().copied());
        let (replicas, neurons) = (self.replicas, self.neurons.clone());
        Columns { replicas, neurons, variables: variables.collect() }
    }

    fn empty_sketches(&self) -> Vec<Sketch> {
        let curves = self.neurons.len() * self.vars.len();
        vec![Sketch::new(curves); curves]
    }

    /// What the pictures show: neuron by neuron the curve of each variable.
    fn sketches(&self) -> Vec<Sketch> {
        let mut sketches = self.sketches.clone();
        if sketches.is_empty() {
            sketches = self.empty_sketches();
        }
        self.kept().for_each(|row| draw(&mut sketches, row));
        sketches
    }

    /// Hands its rows over.
    fn hand_over(&mut self) {
        let Some(sink) = &self.sink else { return };
        if self.rows.len() < stream::ROWS {
            return;
        }
        let (rows, values) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.values));
        let width = self.vars.len();
        for ((time, position), values) in rows.iter().zip(values.chunks_exact(width)) {
            draw(&mut self.sketches, (*time, *position, values));
        }
        let columns = self.columns();
        sink.append(rows.len(), move || columns.of(&rows, &values));
    }

    /// Time, position among the neurons, and values of each row that is kept.
    fn kept(&self) -> impl Iterator<Item = (Time, u32, &[f64])> {
        let values = self.values.chunks_exact(self.vars.len());
        self.rows.iter().zip(values).map(|((time, position), values)| (*time, *position, values))
    }

    /// The samples of one variable of one neuron (its index over all replicas): time and value (A or
    /// V), in order of time. None, where the run writes them to a results folder as it goes, as
    /// `picoamp run` does.
    pub fn samples(
        &self,
        neuron: u32,
        variable: Variable,
    ) -> impl Iterator<Item = (Time, f64)> + '_ {
        self.all_samples(variable)
            .filter_map(move |(of, time, value)| (of == neuron).then_some((time, value)))
    }

    /// The samples of one variable of all neurons: index over all replicas, time and value, as
    /// [`samples`](TraceRecorder::samples).
    pub fn all_samples(&self, variable: Variable) -> impl Iterator<Item = (u32, Time, f64)> + '_ {
        let column = self.vars.iter().position(|v| *v == variable);
        let kept = self.kept().filter(|_| self.sink.is_none());
        kept.filter_map(move |(time, at, values)| {
            Some((self.neurons[at as usize], time, values[column?]))
        })
    }

    /// One variable of one neuron (its index over all replicas) as pictures show it: time and value (A or
    /// V), in order of time; of very many samples the lowest and the highest of each few.
    #[must_use]
    pub fn curve(&self, neuron: u32, variable: Variable) -> Vec<(Time, f64)> {
        let position = self.neurons.iter().position(|n| *n == neuron);
        let column = self.vars.iter().position(|v| *v == variable);
        let Some((position, column)) = position.zip(column) else { return Vec::new() };
        let width = self.vars.len();
        let handed_over = self.sketches.get(position * width + column).cloned();
        let mut sketch = handed_over.unwrap_or_else(|| Sketch::new(self.neurons.len() * width));
        let own = self.kept().filter(|(_, of, _)| *of as usize == position);
        own.for_each(|(time, _, values)| sketch.push(time, values[column]));
        sketch.points().collect()
    }
}

impl TraceRecorder {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        let positions: BTreeMap<u32, u32> = self.neurons.iter().copied().zip(0..).collect();
        let replicas = self.replicas;
        self.sketches = self.empty_sketches();
        let mut values = Vec::new();
        tables.read(&self.columns().of(&[], &[]), |rows, k| {
            let index = owner(replicas, rows, k)?;
            let not_recorded = || format!("{} is not recorded", replicas.id(index));
            let position = positions.get(&index).ok_or_else(not_recorded)?;
            // Only what the picture shows: there may be more than memory holds.
            values.clear();
            values.extend(rows.values(k));
            draw(&mut self.sketches, (rows.times()[k], *position, &values));
            Ok(())
        })
    }
}

/// Adds a row to the curves of its neuron.
fn draw(sketches: &mut [Sketch], (time, position, values): (Time, u32, &[f64])) {
    let own = &mut sketches[position as usize * values.len()..][..values.len()];
    own.iter_mut().zip(values).for_each(|(sketch, value)| sketch.push(time, *value));
}

/// The columns of the table.
struct Columns {
    replicas: Replicas,
    /// Indices over all replicas.
    neurons: Arc<[u32]>,
    variables: Vec<(&'static str, Unit)>,
}

impl Columns {
    /// Times and positions among the neurons, and the values of all of them, as rows of a table.
    fn of(&self, rows: &[(Time, u32)], values: &[f64]) -> Rows {
        let indices = rows.iter().map(|(_, position)| self.neurons[*position as usize]);
        let mut columns = Rows::owners(self.replicas, indices);
        // Before the neuron.
        let times = rows.iter().map(|(time, _)| *time).collect();
        columns.insert(columns.len() - 1, Column::time(times));
        let width = self.variables.len();
        for (k, (name, unit)) in self.variables.iter().enumerate() {
            let own = values.iter().skip(k).step_by(width).copied().collect();
            columns.push(Column::value(*name, *unit, own));
        }
        Rows::new(columns)
    }
}

impl Probe for TraceRecorder {
    const KIND: &'static str = "Trace";
}

impl Record for TraceRecorder {
    fn layout(&self) -> Option<Rows> {
        Some(self.columns().of(&[], &[]))
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Rows> + '_> {
        let (columns, width) = (self.columns(), self.vars.len());
        let values = self.values.chunks(stream::ROWS * width);
        let batches = self.rows.chunks(stream::ROWS).zip(values);
        Box::new(batches.map(move |(rows, values)| columns.of(rows, values)))
    }

    /// The first variable, of all neurons.
    fn picture(&self, frame: Frame) -> Picture {
        self.picture_of(0, frame)
    }
}

impl TraceRecorder {
    /// Draws one of the [variables](TraceRecorder::variables), of all neurons.
    #[must_use]
    pub fn picture_of(&self, place: usize, frame: Frame) -> Picture {
        let variable = self.vars[place];
        // Currents in the unit that suits the largest.
        let sketches = self.sketches();
        let sketches = sketches.iter().skip(place).step_by(self.vars.len());
        let values = sketches.clone().flat_map(Sketch::points);
        let largest = values.fold(0.0, |most: f64, (_, value)| value.abs().max(most));
        let (unit, scale) = match self.units[place] {
            Unit::Ampere => units::scale(largest, Unit::Ampere),
            unit => (unit.symbol().to_string(), 1.0),
        };
        let curve = |(index, sketch): (&u32, &Sketch)| {
            let points = sketch.points().map(|(time, value)| (time.seconds(), value * scale));
            Curve { label: self.replicas.id(*index).to_string(), points: points.collect() }
        };
        let curves: Vec<Curve> = self.neurons.iter().zip(sketches).map(curve).collect();
        let threshold = self.thresholds.first().filter(|(shown, level)| {
            *shown == variable && self.thresholds.iter().all(|(_, other)| other == level)
        });
        let threshold = threshold.map(|(_, level)| (*level, "threshold".to_string()));
        let y_label = match unit.as_str() {
            "" => variable.name().to_string(),
            unit => format!("{} ({unit})", variable.name()),
        };
        picture::traces(&Traces {
            frame,
            y_label: &y_label,
            curves: &curves,
            time_s: self.span.shown(self.end),
            threshold,
        })
    }
}

/// Feeds the recorders.
fn record(
    mut samples: ResMut<WindowSamples>,
    banks: Res<Banks>,
    mut recorders: Query<&mut TraceRecorder>,
) {
    // Blocks deliver their samples one after the other; rows are in order of time. A window's
    // samples are all later than those of the windows before.
    samples.0.sort_unstable_by_key(|sample| (sample.time, sample.bank, sample.request));
    for sample in &samples.0 {
        let bank = &banks.0[sample.bank as usize];
        let request = &bank.samples[sample.request as usize];
        let Ok(mut recorder) = recorders.get_mut(request.probe) else { continue };
        let TraceRecorder { vars, rows, values, .. } = &mut *recorder;
        rows.push((sample.time, request.position));
        values.extend(vars.iter().map(|v| bank.variable(&sample.state, *v)));
    }
    recorders.iter_mut().for_each(|mut recorder| recorder.hand_over());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::Receptor;
    use crate::plugins::Plugins;

    #[test]
    fn a_curve_is_that_of_its_neuron_and_variable() {
        let loaded = Plugins::default()
            .parse(
                r#"(duration: "10 ms", populations: { "dpi": (size: 3, model: dynapse1()) },
                    probes: { "trace": Trace(of: "dpi", vars: [Imem, Vmem], neurons: [0, 2],
                                             every: "1 ms") })"#,
                "scene.ron",
                "scene",
                ".".as_ref(),
                &[],
            )
            .and_then(|loaded| loaded.single());
        let mut simulation = Plugins::default().build(loaded.unwrap().scene).unwrap();
        simulation.run().unwrap();
        let recorder = simulation.probe::<TraceRecorder>("trace").unwrap();
        for (neuron, variable) in [(0, Variable::Imem), (2, Variable::Imem), (2, Variable::Vmem)] {
            let samples: Vec<(Time, f64)> = recorder.samples(neuron, variable).collect();
            assert_eq!(samples.len(), 11);
            assert_eq!(recorder.curve(neuron, variable), samples);
        }
        assert_eq!(recorder.curve(1, Variable::Imem), []);
        assert_eq!(recorder.curve(0, Variable::Synapse(Receptor::Ampa)), []);
    }

    /// Whatever is left out, a curve goes from its lowest to its highest point, in the order of time.
    #[test]
    fn a_sketch_keeps_the_extremes_of_every_part() {
        let mut sketch = Sketch::new(1);
        let all: Vec<(Time, f64)> = (0..1_000_000_u64)
            .map(|k| {
                let wave = (k % 997) as f64;
                let value = if k == 123_457 {
                    -5.0
                } else if k == 765_431 {
                    2000.0
                } else {
                    wave
                };
                (Time::from_picoseconds(k), value)
            })
            .collect();
        all.iter().for_each(|(time, value)| sketch.push(*time, *value));
        let points: Vec<(Time, f64)> = sketch.points().collect();
        assert!(points.len() <= sketch.most && points.len() > sketch.most / 4);
        assert!(points.is_sorted_by(|a, b| a.0 <= b.0));
        // What is kept of a part may lie a little outside it.
        let nearby = 256;
        for part in 0..100_u64 {
            let of = |points: &[(Time, f64)], margin: u64| {
                let (from, to) = ((part * 10_000).saturating_sub(margin), part * 10_000 + margin);
                let own = |(t, _): &&(Time, f64)| (from..to + 10_000).contains(&t.picoseconds());
                let values = points.iter().filter(own).map(|p| p.1);
                values.fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)))
            };
            let (kept, exact) = (of(&points, nearby), of(&all, 0));
            assert!(kept.0 <= exact.0 && kept.1 >= exact.1, "part {part}: {kept:?} {exact:?}");
        }
    }
}
