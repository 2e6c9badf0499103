//! A simulation: a scene as a world, a schedule that advances it, and plugins that extend both.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{IntoScheduleConfigs, Schedule};
use bevy_ecs::system::ScheduleSystem;

use crate::backend::{self, Backend, BackendPlugin, CurrentBackend, Stop};
use crate::bank::transfer::{self, Readback};
use crate::bank::{Bank, Banks, Neurons};
use crate::error::Error;
use crate::network::inbox::{Delivery, Inbox};
use crate::network::router::{self, Router};
use crate::network::source::{Emission, NextSpike, StimulusPlugin};
use crate::network::{FanOut, HandMadeEdge, Population, Projection, SourceGroup, WindowSpikes};
use crate::plugins::Plugins;
use crate::probe::stream::StreamsTables;
use crate::probe::{self, Probe, ProbeKind, ProbeName, ProbePlugin, Record};
use crate::scene::estimate::{self, Estimate, Recording};
use crate::scene::{Scene, spawn};
use crate::schedule::{BuiltIn, Window, WindowSet, window_schedule};
use crate::time::Time;

/// An extension: adds systems, components and resources to a simulation.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use picoamp::prelude::*;
///
/// /// Counts windows.
/// #[derive(Resource, Default)]
/// struct Windows(u64);
///
/// struct CountWindows;
/// impl Plugin for CountWindows {
///     fn build(&self, simulation: &mut Simulation) {
///         simulation.world_mut().init_resource::<Windows>();
///         simulation.add_systems(WindowSet::Last, |mut windows: ResMut<Windows>| windows.0 += 1);
///     }
/// }
///
/// # fn main() -> Result<(), picoamp::Error> {
/// let mut simulation = Simulation::from_scene("scenes/ff_nominal.ron")?;
/// simulation.add_plugin(CountWindows);
/// simulation.run()?;
/// assert_eq!(simulation.world().resource::<Windows>().0, 10);
/// # Ok(())
/// # }
/// ```
pub trait Plugin: Send + Sync + 'static {
    /// Adds what scenes can name then: models, trains, probes.
    fn register(&self, plugins: &mut Plugins) {
        let _ = plugins;
    }

    /// Adds systems and resources to a simulation.
    fn build(&self, simulation: &mut Simulation) {
        let _ = simulation;
    }
}

/// Wall time of the stages of a run.
#[derive(Resource, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Spawning entities and drawing mismatch.
    pub spawn: Duration,
    /// Building the table of edges.
    pub connect: Duration,
    /// All windows.
    pub run: Duration,
    /// The back end's part of that, which delivers what arrives in the rounds of a window but for the first.
    pub advance: Duration,
    /// The part of host models.
    pub host: Duration,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Simulated time that was reached.
    pub time: Time,
    /// Simulated time of the whole scene.
    pub duration: Time,
    /// Output spikes of all populations so far.
    pub spikes: u64,
}

/// A running (or finished) simulation.
pub struct Simulation {
    scene: Scene,
    world: World,
    schedule: Schedule,
    dt: Time,
    /// Steps that are done.
    step: u64,
    started: bool,
    /// Whether a fault ended the run: it cannot go on.
    failed: bool,
    /// Whether the back end runs the network by itself.
    is_handed_over: bool,
    /// Whether it also emits the spikes of all sources: it needs nothing from here then.
    is_self_sufficient: bool,
    /// Whether components keep their state of before a run: see [`Simulation::leave_state`].
    leaves_state: bool,
    /// What [`Simulation::first_time`] was asked about.
    installed: BTreeSet<TypeId>,
}

impl Simulation {
    /// Reads a scene file and builds its world. Warnings of the scene are dropped: use
    /// [`Scene::load`] and [`Simulation::new`] to see them.
    ///
    /// # Errors
    /// [`Error::Scene`] with every mistake of the scene, [`Error::Sweep`] where it has a sweep,
    /// [`Error::Io`], [`Error::Limit`].
    pub fn from_scene(path: impl AsRef<Path>) -> Result<Simulation, Error> {
        Simulation::new(Scene::load(path, &[])?.single()?.scene)
    }

    /// Builds the world of a scene.
    ///
    /// # Errors
    /// [`Error::Limit`] when the scene does not fit into memory, [`Error::Instance`] when a drawn
    /// circuit cannot work.
    pub fn new(scene: Scene) -> Result<Simulation, Error> {
        Estimate::of(&scene, Recording::Streamed).check(estimate::available_memory())?;
        let began = Instant::now();
        let mut world = World::new();
        spawn::spawn(&scene, &mut world)?;
        let dt = scene.solver.grid();
        world.insert_resource(Window { first_step: 0, steps: 0, dt });
        world.insert_resource(WindowSpikes::new(scene.sources.len(), scene.populations.len()));
        let spawn = began.elapsed();
        world.insert_resource(StageTimes { spawn, ..StageTimes::default() });
        let schedule = window_schedule();
        let mut simulation = Simulation {
            scene,
            world,
            schedule,
            dt,
            step: 0,
            started: false,
            failed: false,
            is_handed_over: false,
            is_self_sufficient: false,
            leaves_state: false,
            installed: BTreeSet::new(),
        };
        simulation.add_plugin(StimulusPlugin);
        simulation.add_plugin(TransferPlugin);
        simulation.add_plugin(RouterPlugin);
        simulation.add_plugin(BackendPlugin);
        simulation.add_plugin(ProbePlugin);
        let models = simulation.scene.populations.values().map(|p| p.model.clone());
        for model in models.collect::<Vec<_>>() {
            model.0.install(&mut simulation);
        }
        let mut projections = simulation.world.query::<(Entity, &Projection)>();
        let plastic: Vec<_> = projections
            .iter(&simulation.world)
            .filter_map(|(entity, projection)| {
                Some((entity, projection.connection.plasticity.clone()?))
            })
            .collect();
        for (entity, rule) in plastic {
            rule.attach(entity, &mut simulation);
        }
        probe::spawn(&mut simulation);
        Ok(simulation)
    }

    /// Adds the systems of an extension. Those that are to see the first window are added before
    /// [`Simulation::run`]. (What scenes can name has to be there before a scene is read: use
    /// [`Plugins::with`].)
    pub fn add_plugin(&mut self, plugin: impl Plugin) -> &mut Simulation {
        plugin.build(self);
        self
    }

    /// Adds systems to a stage of the window.
    pub fn add_systems<M>(
        &mut self,
        set: WindowSet,
        systems: impl IntoScheduleConfigs<ScheduleSystem, M>,
    ) -> &mut Simulation {
        self.schedule.add_systems(systems.in_set(set));
        self
    }

    /// Whether this is the first call for a type: what several parts of a scene need (the systems
    /// of a kind of source) is added by the first.
    pub fn first_time<T: 'static>(&mut self) -> bool {
        self.installed.insert(TypeId::of::<T>())
    }

    /// Replaces the back end.
    pub fn set_backend(&mut self, backend: impl Backend) -> &mut Simulation {
        self.world.insert_resource(CurrentBackend(Box::new(backend)));
        self
    }

    /// The scene.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The world. After a run, components hold the state at its end.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to change it between runs.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Simulated time that was reached.
    #[must_use]
    pub fn time(&self) -> Time {
        Time::from_steps(self.step, self.dt)
    }

    /// The entity of a neuron.
    #[must_use]
    pub fn neuron(&mut self, population: &str, index: u32) -> Option<Entity> {
        let mut populations = self.world.query::<&Population>();
        let population = populations.iter(&self.world).find(|p| p.name == population)?;
        population.neurons.get(index as usize).copied()
    }

    /// The entity of a neuron's synapse circuit.
    #[must_use]
    pub fn circuit(
        &mut self,
        population: &str,
        index: u32,
        receptor: crate::circuit::Receptor,
    ) -> Option<Entity> {
        let mut populations = self.world.query::<&Population>();
        let population = populations.iter(&self.world).find(|p| p.name == population)?;
        let (_, circuits) = population.circuits.iter().find(|(r, _)| *r == receptor)?;
        circuits.get(index as usize).copied()
    }

    /// The entity of a spike source.
    #[must_use]
    pub fn source(&mut self, group: &str, index: u32) -> Option<Entity> {
        let mut groups = self.world.query::<&SourceGroup>();
        let group = groups.iter(&self.world).find(|g| g.name == group)?;
        group.sources.get(index as usize).copied()
    }

    /// The populations, in the order of the scene.
    #[must_use]
    pub fn populations(&self) -> Vec<&Population> {
        let entities = self.world.iter_entities().filter_map(|e| e.get::<Population>());
        let mut populations: Vec<&Population> = entities.collect();
        populations.sort_by_key(|p| p.index);
        populations
    }

    /// Adds one edge by hand, from a neuron or spike source to a synapse circuit. Edges are fixed
    /// once the simulation runs: call this before.
    ///
    /// # Errors
    /// [`Error::Connection`] when the simulation has started, or there is no such emitter. Weight,
    /// delay and circuit are checked when the simulation starts.
    pub fn connect(
        &mut self,
        from: Entity,
        circuit: Entity,
        weight: f64,
        delay: impl Into<Time>,
    ) -> Result<(), Error> {
        if self.started {
            return Err(Error::Connection("edges are fixed once the simulation runs".into()));
        }
        let mut from = self
            .world
            .get_entity_mut(from)
            .map_err(|_| Error::Connection(format!("there is no entity {from}")))?;
        let edge = HandMadeEdge { circuit, weight, delay: delay.into() };
        from.entry::<FanOut>().or_default().into_mut().0.push(edge);
        Ok(())
    }

    /// At the end of a run the components of neurons and circuits keep what they had before it: for those who
    /// want what probes recorded, and nothing else. (To bring the state of a million neurons back takes a
    /// tenth of a second.)
    pub fn leave_state(&mut self) {
        self.leaves_state = true;
    }

    /// Runs to the end of the scene.
    ///
    /// # Errors
    /// [`Error::NotFinite`] and other faults of the run; what was recorded until then is kept.
    pub fn run(&mut self) -> Result<(), Error> {
        self.run_with(|_| ControlFlow::Continue(()))
    }

    /// Runs for a span of simulated time, at most to the end of the scene. A run in pieces gives
    /// the same results as one in whole, bit for bit. Systems of plugins run once more where a piece
    /// ends within a window, and the event-driven solver ends its steps there: with either, that is
    /// said of pieces of whole windows, of one [round](crate::schedule) each (otherwise spike times are still within the tolerance).
    ///
    /// # Errors
    /// As [`Simulation::run`]; [`Error::Limit`] for a span that is no whole number of steps.
    pub fn run_for(&mut self, span: impl Into<Time>) -> Result<(), Error> {
        let span = span.into();
        let grid = self.scene.window_grid();
        if !span.is_multiple_of(grid) {
            return Err(Error::Limit {
                message: format!("{span} s is no multiple of the step dt = {grid} s"),
                help: "run for a whole number of steps".into(),
            });
        }
        let end = self.step + span.steps(self.dt);
        self.run_until(end, |_| ControlFlow::Continue(()))
    }

    /// Runs to the end of the scene and tells how far it is after each window; `Break` ends the
    /// run.
    ///
    /// # Errors
    /// As [`Simulation::run`]; [`Error::Interrupted`] after a `Break`.
    pub fn run_with(
        &mut self,
        observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.run_until(u64::MAX, observe)
    }

    fn run_until(
        &mut self,
        end: u64,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Failed { time: self.time() });
        }
        let is_first = !self.started;
        if is_first {
            self.start()?;
        }
        if self.schedule.is_changed() {
            self.prepare_schedule()?;
        }
        if is_first {
            self.hand_over(end)?;
        }
        let began = Instant::now();
        let end = end.min(self.scene.duration.steps(self.dt));
        let mut result = Ok(());
        while self.step < end && result.is_ok() {
            let (full, dt) = (self.world.resource::<Router>().window_steps(), self.dt);
            // Windows start at multiples of their length, however a run is cut into pieces.
            let from = |first_step: u64| {
                let steps = (full - first_step % full).min(end - first_step);
                Window { first_step, steps, dt }
            };
            let window = from(self.step);
            if self.is_self_sufficient {
                let next = Some(self.step + window.steps).filter(|step| *step < end).map(from);
                self.world.resource::<CurrentBackend>().0.expect(next);
            }
            self.world.insert_resource(window);
            self.world.resource_mut::<WindowSpikes>().clear();
            self.schedule.run(&mut self.world);
            // A fault ends the window where it happened.
            self.step += self.world.resource::<Window>().steps;
            if let Some(error) = self.world.resource_mut::<Stop>().0.take() {
                self.failed = true;
                result = Err(error);
                break;
            }
            let spikes = self.world.resource::<probe::digest::SpikeDigests>().total_count();
            let progress = Progress { time: self.time(), duration: self.scene.duration, spikes };
            if observe(&progress).is_break() {
                result = Err(Error::Interrupted { time: self.time() });
            }
        }
        let result = if self.leaves_state { result } else { result.and(self.scatter_all()) };
        self.world.resource_mut::<StageTimes>().run += began.elapsed();
        result
    }

    /// Builds what has to wait until plugins and hand-made edges are there.
    fn start(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        let (scene, dt) = (&self.scene, self.dt);
        if !self.world.contains_resource::<StreamsTables>() {
            // The rest has been checked, and is there already.
            Estimate::of_kept_records(scene).check(estimate::available_memory())?;
        }
        let router = self.world.resource_scope(|world, backend: Mut<CurrentBackend>| {
            let router = Router::build(scene, dt, world, &*backend.0)?;
            let round = Time::from_steps(router.round_steps(), dt);
            backend.0.prepare(&world.resource::<Banks>().0, round, &router)?;
            Ok::<_, Error>(router)
        })?;
        self.world.insert_resource(router);
        self.world.resource_mut::<StageTimes>().connect += began.elapsed();
        self.started = true;
        Ok(())
    }

    /// Hands the network over to the back end, if it takes it and nobody else looks between windows.
    fn hand_over(&mut self, end: u64) -> Result<(), Error> {
        if Readback::has_others(&self.schedule) {
            return Ok(());
        }
        let began = Instant::now();
        // Between pieces of a run somebody may look at the spikes of the last window.
        let is_heard = !self.scene.probes.is_empty() || end != u64::MAX;
        let mut groups = self.world.query::<&SourceGroup>();
        let emissions = {
            let banks = &self.world.resource::<Banks>().0;
            if self.world.resource::<CurrentBackend>().0.delivery(banks) != Delivery::Device {
                return Ok(());
            }
            let seed = self.scene.seed;
            let of = |group: &SourceGroup| Emission::of(group, &self.world, seed);
            groups.iter(&self.world).filter_map(of).collect::<Vec<_>>()
        };
        let backend = self.world.resource::<CurrentBackend>();
        let (banks, router) = (&self.world.resource::<Banks>().0, self.world.resource::<Router>());
        if !backend.0.take_over(banks, router, &emissions, is_heard)? {
            return Ok(());
        }
        self.is_handed_over = true;
        self.is_self_sufficient = emissions.len() == groups.iter(&self.world).count();
        self.world.resource_mut::<Router>().hand_over(&self.scene, is_heard);
        let taken: Vec<Entity> = groups
            .iter(&self.world)
            .filter(|group| emissions.iter().any(|emission| emission.group == group.index))
            .flat_map(|group| group.sources.clone())
            .collect();
        for entity in taken {
            // Its spikes come from the back end now.
            if let Ok(mut source) = self.world.get_entity_mut(entity) {
                source.remove::<NextSpike>();
            }
        }
        self.world.resource_mut::<StageTimes>().connect += began.elapsed();
        Ok(())
    }

    /// Orders the systems and finds out what those of users read.
    fn prepare_schedule(&mut self) -> Result<(), Error> {
        self.schedule.initialize(&mut self.world).map_err(|error| {
            Error::Connection(format!("the systems cannot be ordered: {error}"))
        })?;
        let has_others = Readback::has_others(&self.schedule);
        if self.is_handed_over && has_others {
            return Err(Error::Connection(
                "the network runs on the device by itself, and no system sees its windows: add systems \
                 before the run starts"
                    .into(),
            ));
        }
        let readback = Readback::of_schedule(&self.schedule, &mut self.world);
        self.world.insert_resource(readback);
        if !self.is_handed_over {
            // A host model advances in a system of its own, and a device is handed the whole network.
            let banks = &self.world.resource::<Banks>().0;
            let is_host = |bank: &Bank| matches!(bank.neurons, Neurons::Host);
            let backend = &self.world.resource::<CurrentBackend>().0;
            let is_observed = has_others
                || banks.iter().any(is_host)
                || backend.delivery(banks) != Delivery::Host;
            self.world.resource_mut::<Router>().set_observed(&self.scene, is_observed);
        }
        Ok(())
    }

    /// Brings all components up to date, for code outside the schedule.
    fn scatter_all(&mut self) -> Result<(), Error> {
        let fetched = self.world.resource_scope(|world, backend: Mut<CurrentBackend>| {
            backend.0.fetch(&mut world.resource_mut::<Banks>().0, Readback::ALL)
        });
        let usual = *self.world.resource::<Readback>();
        self.world.insert_resource(Readback::ALL);
        for scatter in [
            self.world.register_system_cached(transfer::scatter_membranes),
            self.world.register_system_cached(transfer::scatter_currents),
        ] {
            // Both systems have been registered in this world just now.
            let _ = self.world.run_system(scatter);
        }
        self.world.insert_resource(usual);
        fetched
    }

    /// A probe of the scene as a value.
    ///
    /// # Errors
    /// [`Error::NoProbe`] when there is none of that name and kind.
    pub fn probe<P: Probe>(&self, name: &str) -> Result<&P, Error> {
        let found = self.probes::<P>().find(|(known, _)| *known == name);
        found.map(|(_, probe)| probe).ok_or_else(|| {
            let known: Vec<String> = self
                .records()
                .map(|(name, kind, record)| {
                    format!("{name} ({}: {})", kind.name(), record.type_name())
                })
                .collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            Error::NoProbe { name: name.to_string(), kind: P::KIND, known }
        })
    }

    /// All probes in the order of the scene: name, kind and record.
    pub fn records(&self) -> impl Iterator<Item = (&str, &dyn ProbeKind, &dyn Record)> {
        self.scene.probes.iter().filter_map(|(name, probe)| {
            let entity = self.world.resource::<probe::ProbeEntities>().0.get(name)?;
            let record = probe.kind.record(self.world.get_entity(*entity).ok()?)?;
            Some((name.as_str(), &*probe.kind, record))
        })
    }

    /// All probes of a kind, by name.
    pub fn probes<P: Probe>(&self) -> impl Iterator<Item = (&str, &P)> {
        self.scene.probes.keys().filter_map(|name| {
            let entity = self.world.resource::<probe::ProbeEntities>().0.get(name)?;
            let probe = self.world.get::<P>(*entity)?;
            Some((self.world.get::<ProbeName>(*entity)?.0.as_str(), probe))
        })
    }
}

/// Components go to banks and back.
pub struct TransferPlugin;

impl Plugin for TransferPlugin {
    fn build(&self, simulation: &mut Simulation) {
        simulation.world_mut().init_resource::<Readback>();
        simulation.add_systems(
            WindowSet::Gather,
            (transfer::gather_membranes, transfer::gather_currents).chain().in_set(BuiltIn),
        );
        simulation.add_systems(
            WindowSet::Scatter,
            (backend::fetch, transfer::scatter_membranes, transfer::scatter_currents)
                .chain()
                .in_set(BuiltIn),
        );
    }
}

/// Spikes go from emitters to inboxes.
pub struct RouterPlugin;

impl Plugin for RouterPlugin {
    fn build(&self, simulation: &mut Simulation) {
        simulation.world_mut().init_resource::<Inbox>();
        simulation.add_systems(
            WindowSet::Deliver,
            (router::deliver, router::route_sources).chain().in_set(BuiltIn),
        );
        simulation.add_systems(WindowSet::Route, router::route_populations.in_set(BuiltIn));
    }
}
