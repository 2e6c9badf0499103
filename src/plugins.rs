//! What scenes can name, and the plugins that bring it.
//!
//! The built-in models, trains and probes are registered in the same way as those of a user's
//! [`Plugin`].

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::Error;
use crate::network::source::{ReadTrain, StimulusPlugin};
use crate::scene::{self, Loaded, Scene};
use crate::simulation::{Plugin, Simulation};

/// The plugins of a simulation, and the names that they bring. The default has the built-in ones.
#[derive(Clone)]
pub struct Plugins {
    added: Vec<Arc<dyn Plugin>>,
    trains: IndexMap<&'static str, ReadTrain>,
}

impl Default for Plugins {
    fn default() -> Plugins {
        let mut plugins = Plugins { added: Vec::new(), trains: IndexMap::new() };
        StimulusPlugin.register(&mut plugins);
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

    /// Registers a spike train: `read` reads what stands after `train:` under this name.
    pub fn add_train(&mut self, name: &'static str, read: ReadTrain) {
        self.trains.insert(name, read);
    }

    /// The names of all trains.
    pub(crate) fn trains(&self) -> impl Iterator<Item = &'static str> {
        self.trains.keys().copied()
    }

    /// The reader of a train.
    pub(crate) fn train(&self, name: &str) -> Option<ReadTrain> {
        self.trains.get(name).copied()
    }

    /// Reads a scene file and applies `PATH=VALUE` overrides.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Scene`] with every mistake in it.
    pub fn load(&self, path: impl AsRef<Path>, overrides: &[String]) -> Result<Loaded, Error> {
        scene::load(self, path.as_ref(), overrides)
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
    /// As [`Plugins::load`] and [`Plugins::build`].
    pub fn simulation(&self, path: impl AsRef<Path>) -> Result<Simulation, Error> {
        self.build(self.load(path, &[])?.scene)
    }
}
