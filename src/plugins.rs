//! What scenes can name, and the plugins that bring it.
//!
//! The built-in models, trains and probes are registered in the same way as those of a user's
//! [`Plugin`].

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::Error;
use crate::probe::{self, ProbeContext, ProbeKind};
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{self, Loaded, Scene};
use crate::simulation::{Plugin, Simulation};

/// The plugins of a simulation, and the names that they bring. The default has the built-in ones.
#[derive(Clone)]
pub struct Plugins {
    added: Vec<Arc<dyn Plugin>>,
    probes: IndexMap<&'static str, ProbeReader>,
}

/// Reads the fields of a kind of probe.
pub(crate) type ProbeReader = Arc<
    dyn Fn(&mut Fields, &ProbeContext, &mut Diagnostics) -> Option<Arc<dyn ProbeKind>>
        + Send
        + Sync,
>;

impl Default for Plugins {
    fn default() -> Plugins {
        let mut plugins = Plugins { added: Vec::new(), probes: IndexMap::new() };
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

    /// Adds a kind of probe that scenes can name. The reader takes the fields it knows; mistakes go to
    /// the diagnostics, each at its place, and fields that it did not ask for are reported after it.
    pub fn add_probe<K: ProbeKind>(
        &mut self,
        name: &'static str,
        reader: impl Fn(&mut Fields, &ProbeContext, &mut Diagnostics) -> Option<K>
        + Send
        + Sync
        + 'static,
    ) {
        let reader: ProbeReader = Arc::new(move |fields, context, dx| {
            reader(fields, context, dx).map(|kind| Arc::new(kind) as Arc<dyn ProbeKind>)
        });
        self.probes.insert(name, reader);
    }

    /// The kinds of probes that scenes can name.
    #[must_use]
    pub fn probes(&self) -> Vec<&'static str> {
        self.probes.keys().copied().collect()
    }

    pub(crate) fn probe(&self, name: &str) -> Option<&ProbeReader> {
        self.probes.get(name)
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
