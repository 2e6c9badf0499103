//! Probes: what is recorded of a run.
//!
//! A probe is an entity with a name and a recorder: one of the components below, or a plugin's. It
//! is fed at the end of each window and can be read as a value at any time with
//! [`Simulation::probe`].
//!
//! | probe | recorder | records |
//! |---|---|---|
//! | `Spikes` | [`SpikeRecorder`] | spike times of a source or population |
//! | `Trace` | [`TraceRecorder`] | state variables of neurons against time |
//! | `Ff` | [`FfCurve`] | input rate against output rate, neuron by neuron |
//! | `Fi` | [`FiCurve`] | rate of each neuron against its constant input |
//! | `Rate` | [`RateHistory`] | rate of a source or population in bins of time |
//! | `Rates` | [`NeuronRates`] | rate of each neuron |
//! | `Isi` | [`IsiHistogram`] | intervals between the spikes of a neuron: histogram and CV |
//! | `Intervals` | [`IntervalRecorder`] | intervals one by one, against their number |
//! | `Fano` | [`FanoFactors`] | Fano factor of each neuron |
//!
//! # A probe of your own
//!
//! Three parts make a probe: a [`ProbeKind`], which is what a scene says; a recorder, which is a
//! component and a [`Probe`]; and a reader that makes the one from the fields of a scene, given to
//! [`Plugins::add_probe`]. The probes above are made in the same way;
//! `examples/custom_probe.rs` is a complete one of a plugin.

pub mod band;
pub mod digest;
pub mod fano;
pub mod ff;
pub mod fi;
pub mod intervals;
pub mod isi;
pub mod listener;
pub mod moments;
pub mod picture;
pub mod quantity;
pub mod rate;
pub mod rates;
pub mod spikes;
pub mod stream;
pub mod tables;
pub mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use bevy_ecs::component::Component;
use bevy_ecs::prelude::*;

use crate::circuit::Domain;
use crate::plugins::Plugins;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{GroupId, Names, Scene};
use crate::schedule::{BuiltIn, WindowSet};
use crate::simulation::{Plugin, Simulation};
use crate::table::{Format, Rows, csv};
use crate::time::Time;
use picture::{Frame, Picture};

pub use band::BandRow;
pub use fano::{FanoFactors, FanoRow};
pub use ff::{FfCurve, FfRow};
pub use fi::{FiCurve, FiRow};
pub use intervals::{Interval, IntervalRecorder};
pub use isi::{IsiBin, IsiHistogram, IsiRow};
pub use listener::{Emitters, Listener};
pub use moments::Moments;
pub use quantity::Quantity;
pub use rate::{RateBin, RateHistory};
pub use rates::{NeuronRates, RateRow};
pub use spikes::SpikeRecorder;
pub use stream::TableSink;
pub use tables::Tables;
pub use trace::TraceRecorder;

/// The name of a probe in the scene.
#[derive(Component, Debug, Clone, PartialEq, Eq)]
pub struct ProbeName(pub String);

/// A kind of probe as a scene decides it: `Rate(of: "exc", neurons: All, bin: "10 ms")`.
pub trait ProbeKind: std::any::Any + fmt::Debug + Send + Sync + 'static {
    /// Its name in scenes, the one it is registered under with [`Plugins::add_probe`].
    fn name(&self) -> &'static str;

    /// Its fields, all of them, as RON that its reader reads back; [`scene::write`](crate::scene::write)
    /// has the forms of the usual values. `window` is not among them: all probes have it.
    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)>;

    /// Memory that the record will take, bytes; 0 where that is known only after the run.
    fn bytes(&self, scene: &Scene, span: Span) -> u128;

    /// How many rows its main table will have, as far as that is known before the run and grows with it.
    fn expected_rows(&self, scene: &Scene, span: Span) -> Option<u128> {
        let _ = (scene, span);
        None
    }

    /// Names of tables besides the main one: `neurons` is written to `<probe>.neurons.csv`.
    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        let _ = scene;
        Vec::new()
    }

    /// What a sweep shows of it against what is swept. Points of a sweep share tables, so they have the same
    /// columns here; nothing: it is not drawn.
    fn quantities(&self, scene: &Scene) -> Vec<Quantity> {
        let _ = scene;
        Vec::new()
    }

    /// The formats that its main table can have; others than CSV need a [layout](Record::layout).
    fn formats(&self) -> &'static [Format] {
        &[Format::Csv]
    }

    /// Gives the probe's entity its recorder and, the
    /// [first time](Simulation::first_time), the simulation the system that feeds all of them; it
    /// belongs to [`WindowSet::Measure`].
    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation);

    /// Fills the recorder of a simulation that has not run with what an earlier one has recorded, so
    /// that it draws the same picture. A kind without it cannot be drawn again from its tables.
    ///
    /// # Errors
    /// What is wrong with the tables.
    fn read_back(&self, probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        let _ = (probe, tables);
        Err(format!("a probe of the kind {} cannot be drawn again from its table", self.name()))
    }

    /// Memory of a recorder that [streams](ProbeKind::stream) its main table, bytes, where windows are
    /// that long: what waits to be written, and what the picture shows. `None`: it cannot. Its record has a
    /// [layout](Record::layout).
    fn streamed_bytes(&self, scene: &Scene, window: Time) -> Option<u128> {
        let _ = (scene, window);
        None
    }

    /// Makes the recorder of a simulation that has not run hand the rows of its main table over. What
    /// is not yet handed over when the run ends, is in [`Record::rows`].
    fn stream(&self, probe: EntityWorldMut, sink: TableSink) {
        let _ = (probe, sink);
    }

    /// The recorder on the probe's entity.
    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record>;
}

/// What was recorded: how it is shown in the results folder.
pub trait Record {
    /// Writes the main table as CSV (RFC 4180). A record with a [layout](Record::layout) need not say how.
    ///
    /// # Errors
    /// Those of the writer.
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(layout) = self.layout() else { return Ok(()) };
        csv::header(&layout, out)?;
        self.rows().try_for_each(|rows| csv::write(&rows, out))
    }

    /// The columns of the main table, without rows, where it can be written in other
    /// [formats](ProbeKind::formats), too, or [while the run lasts](ProbeKind::stream).
    fn layout(&self) -> Option<Rows> {
        None
    }

    /// The rows of a main table with a layout, some thousands at a time; of a record that streams those
    /// that are left.
    fn rows(&self) -> Box<dyn Iterator<Item = Rows> + '_> {
        Box::new(std::iter::empty())
    }

    /// Writes one of the [further tables](ProbeKind::further_tables).
    ///
    /// # Errors
    /// Those of the writer.
    fn further_table(&self, table: &str, out: &mut dyn Write) -> io::Result<()> {
        let _ = (table, out);
        Ok(())
    }

    /// Draws the record.
    fn picture(&self, frame: Frame) -> Picture;

    /// The type of the recorder, for messages.
    fn type_name(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        path.rsplit("::").next().unwrap_or(path)
    }
}

/// A recorder: a component that [`Simulation::probe`] finds by its type and the probe's name.
pub trait Probe: Component + Record {
    /// The name of its kind in scenes.
    const KIND: &'static str;
}

/// What the reader of a probe may ask of the scene around it.
pub struct ProbeContext<'a> {
    /// Sources, populations and their models.
    pub names: &'a Names<'a>,
    /// The step of the solver, if that was read without mistakes.
    pub dt: Option<Time>,
    /// For how long the probe will record, if that was read without mistakes.
    pub recorded: Option<Time>,
}

impl ProbeContext<'_> {
    /// Reads `bin`, the width of bins of time for the spikes of a group (if that could be read).
    /// What is recorded has to hold `least` whole ones.
    pub fn bin(
        &self,
        fields: &mut Fields,
        of: Option<GroupId>,
        least: u64,
        dx: &mut Diagnostics,
    ) -> Option<Time> {
        let at = fields.need(dx, "bin", "for example bin: \"10 ms\"")?;
        let bin = at.time(dx, Domain::Positive)?;
        if let Some(recorded) = self.recorded
            && recorded.whole(bin) < least
        {
            let message = if bin > recorded {
                format!("the bin {bin} s is longer than the {recorded} s that are recorded")
            } else {
                format!("the {recorded} s that are recorded do not hold {least} bins of {bin} s")
            };
            at.error(dx, message).help("choose a shorter bin, or record for longer");
            return None;
        }
        if let (Some(GroupId::Population(_)), Some(dt)) = (of, self.dt)
            && !bin.is_multiple_of(dt)
        {
            at.warning(dx, format!("the bin {bin} s is no multiple of the step dt = {dt} s"))
                .help("neurons fire at whole steps: choose a whole number of them");
        }
        Some(bin)
    }
}

/// The span of time that a probe records: `from` ≤ t < `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First moment.
    pub from: Time,
    /// First moment that is no longer recorded; [`Time::MAX`]: to the end, with the end.
    pub to: Time,
}

impl Span {
    /// Whether a moment is recorded.
    #[must_use]
    pub fn contains(&self, time: Time) -> bool {
        time >= self.from && time < self.to
    }

    /// How much of a run that ends at `end` is recorded.
    #[must_use]
    pub fn recorded(&self, end: Time) -> Time {
        self.to.min(end) - self.from
    }

    /// First and last moment, s, of a run that ends at `end`: the time axis of a picture.
    #[must_use]
    pub fn shown(&self, end: Time) -> (f64, f64) {
        (self.from.min(end).seconds(), self.to.min(end).seconds())
    }
}

/// A cell of a table: empty where there is no value.
fn cell(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// The mean of what there is.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// The entities of probes by name.
#[derive(Resource, Debug, Default)]
pub struct ProbeEntities(pub BTreeMap<String, Entity>);

/// Spawns the probes of a simulation's scene.
pub(crate) fn spawn(simulation: &mut Simulation) {
    let probes = simulation.scene().probes.clone();
    for (name, probe) in probes {
        let world = simulation.world_mut();
        let entity = world.spawn(ProbeName(name.clone())).id();
        world.resource_mut::<ProbeEntities>().0.insert(name, entity);
        probe.kind.spawn(probe.span, entity, simulation);
    }
}

/// Registers the built-in kinds.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.add_probe(SpikeRecorder::KIND, spikes::Spikes::read);
    plugins.add_probe(TraceRecorder::KIND, trace::Trace::read);
    plugins.add_probe(FfCurve::KIND, ff::Ff::read);
    plugins.add_probe(FiCurve::KIND, fi::Fi::read);
    plugins.add_probe(RateHistory::KIND, rate::Rate::read);
    plugins.add_probe(NeuronRates::KIND, rates::Rates::read);
    plugins.add_probe(IsiHistogram::KIND, isi::Isi::read);
    plugins.add_probe(IntervalRecorder::KIND, intervals::Intervals::read);
    plugins.add_probe(FanoFactors::KIND, fano::Fano::read);
}

/// Adds what probes need, and the digests of all spikes.
pub struct ProbePlugin;

impl Plugin for ProbePlugin {
    fn build(&self, simulation: &mut Simulation) {
        let populations = simulation.scene().populations.len();
        let world = simulation.world_mut();
        world.insert_resource(digest::SpikeDigests(vec![Default::default(); populations]));
        world.init_resource::<ProbeEntities>();
        simulation.add_systems(WindowSet::Measure, digest::digest.in_set(BuiltIn));
    }
}
