//! What scenes can name, and the plugins that bring it.
//!
//! The built-in models, trains and probes are registered in the same way as those of a user's
//! [`Plugin`].

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::circuit::Preset;
use crate::error::Error;
use crate::model::{Dpi, Lif, Model, NeuronModel};
use crate::network::Plasticity;
use crate::network::source::{GroupSize, StimulusPlugin};
use crate::probe::{self, ProbeContext, ProbeKind};
use crate::scene::decode::{Fields, Variant};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::files::Folder;
use crate::scene::{self, Loaded, Scene, Source};
use crate::simulation::{Plugin, Simulation};

/// The plugins of a simulation, and the names that they bring. The default has the built-in ones.
#[derive(Clone)]
pub struct Plugins {
    added: Vec<Arc<dyn Plugin>>,
    models: IndexMap<&'static str, ReadModel>,
    trains: IndexMap<&'static str, ReadTrain>,
    probes: IndexMap<&'static str, ReadProbe>,
    plasticities: IndexMap<&'static str, ReadPlasticity>,
}

/// Reads the fields of a plasticity rule.
type ReadPlasticity =
    Arc<dyn Fn(&mut Fields, &mut Diagnostics) -> Option<Arc<dyn Plasticity>> + Send + Sync>;

/// Reads what stands in the parentheses of a model.
type ReadModel = Arc<dyn Fn(&Variant, &mut Diagnostics) -> Option<Model> + Send + Sync>;

/// Reads what stands after `train:`.
type ReadTrain = Arc<
    dyn Fn(&Variant, &GroupSize, &mut Folder, &mut Diagnostics) -> Option<Source> + Send + Sync,
>;

/// Reads the fields of a kind of probe.
type ReadProbe = Arc<
    dyn Fn(&mut Fields, &ProbeContext, &mut Diagnostics) -> Option<Arc<dyn ProbeKind>>
        + Send
        + Sync,
>;

impl Default for Plugins {
    fn default() -> Plugins {
        let mut plugins = Plugins {
            added: Vec::new(),
            models: IndexMap::new(),
            trains: IndexMap::new(),
            probes: IndexMap::new(),
            plasticities: IndexMap::new(),
        };
        plugins.add_model(Dpi::new(Preset::Arcana));
        plugins.add_model(Dpi::new(Preset::Dynapse1));
        plugins.add_model(Lif);
        StimulusPlugin.register(&mut plugins);
        probe::register(&mut plugins);
        plugins
    }
}

impl Plugins {
    /// Adds a plugin. A name that an earlier plugin has brought means the later one's from now on.
    #[must_use]
    pub fn with(mut self, plugin: impl Plugin) -> Plugins {
        plugin.register(&mut self);
        self.added.push(Arc::new(plugin));
        self
    }

    /// Adds a neuron model that scenes can name.
    pub fn add_model<M: NeuronModel>(&mut self, model: M) {
        let name = model.name();
        let read = move |variant: &Variant, dx: &mut Diagnostics| {
            scene::read_model(model.clone(), variant, dx)
        };
        self.models.insert(name, Arc::new(read));
    }

    /// The names of all models.
    #[must_use]
    pub fn models(&self) -> Vec<&'static str> {
        self.models.keys().copied().collect()
    }

    pub(crate) fn model(&self, name: &str) -> Option<&ReadModel> {
        self.models.get(name)
    }

    /// Adds a spike train that scenes can name. The reader gets what stands after `train:` under this
    /// name, the size of the group and the folder for input files; mistakes go to the diagnostics.
    pub fn add_train(
        &mut self,
        name: &'static str,
        read: impl Fn(&Variant, &GroupSize, &mut Folder, &mut Diagnostics) -> Option<Source>
        + Send
        + Sync
        + 'static,
    ) {
        self.trains.insert(name, Arc::new(read));
    }

    /// The names of all trains.
    #[must_use]
    pub fn trains(&self) -> Vec<&'static str> {
        self.trains.keys().copied().collect()
    }

    pub(crate) fn train(&self, name: &str) -> Option<&ReadTrain> {
        self.trains.get(name)
    }

    /// Adds a kind of probe that scenes can name. The reader takes the fields it knows; mistakes go to
    /// the diagnostics, each at its place, and fields that it did not ask for are reported after it.
    pub fn add_probe<K: ProbeKind>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Fields, &ProbeContext, &mut Diagnostics) -> Option<K> + Send + Sync + 'static,
    ) {
        let read: ReadProbe = Arc::new(move |fields, context, dx| {
            read(fields, context, dx).map(|kind| Arc::new(kind) as Arc<dyn ProbeKind>)
        });
        self.probes.insert(name, read);
    }

    /// The names of all kinds of probes.
    #[must_use]
    pub fn probes(&self) -> Vec<&'static str> {
        self.probes.keys().copied().collect()
    }

    pub(crate) fn probe(&self, name: &str) -> Option<&ReadProbe> {
        self.probes.get(name)
    }

    /// Adds a plasticity rule that connections can name. The reader takes the fields it knows;
    /// mistakes go to the diagnostics, and fields that it did not ask for are reported after it.
    pub fn add_plasticity<P: Plasticity>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Fields, &mut Diagnostics) -> Option<P> + Send + Sync + 'static,
    ) {
        let read: ReadPlasticity = Arc::new(move |fields, dx| {
            read(fields, dx).map(|rule| Arc::new(rule) as Arc<dyn Plasticity>)
        });
        self.plasticities.insert(name, read);
    }

    /// The names of all plasticity rules.
    #[must_use]
    pub fn plasticities(&self) -> Vec<&'static str> {
        self.plasticities.keys().copied().collect()
    }

    pub(crate) fn plasticity(&self, name: &str) -> Option<&ReadPlasticity> {
        self.plasticities.get(name)
    }

    /// Reads a scene file and applies `PATH=VALUE` overrides.
    ///
    /// # Errors
    /// As [`Scene::load`].
    pub fn load(&self, path: impl AsRef<Path>, overrides: &[String]) -> Result<Loaded, Error> {
        scene::load(self, path.as_ref(), overrides)
    }

    /// Reads a scene from a text, as [`Scene::parse`] does.
    ///
    /// # Errors
    /// As [`Scene::parse`].
    pub fn parse(
        &self,
        text: &str,
        origin: &str,
        default_name: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Loaded, Error> {
        scene::parse(self, text, (origin, default_name), folder, overrides)
    }

    /// Builds the world of a scene and adds the plugins to it.
    ///
    /// # Errors
    /// As [`Simulation::new`].
    pub fn build(&self, scene: Scene) -> Result<Simulation, Error> {
        let mut simulation = Simulation::new(scene)?;
        self.added.iter().for_each(|plugin| plugin.build(&mut simulation));
        Ok(simulation)
    }

    /// Reads a scene file, builds its world and adds the plugins to it. Warnings are dropped.
    ///
    /// # Errors
    /// As [`Plugins::load`] and [`Plugins::build`]; [`Error::Sweep`] where it has a sweep.
    pub fn simulation(&self, path: impl AsRef<Path>) -> Result<Simulation, Error> {
        self.build(self.load(path, &[])?.single()?.scene)
    }
}
