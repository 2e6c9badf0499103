//! Whose spikes a probe hears.

use bevy_ecs::component::Mutable;
use bevy_ecs::prelude::*;

use super::{ProbeContext, Span};
use crate::network::{Replicas, WindowSpikes};
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{GroupId, Scene, Selection, write};
use crate::schedule::{BuiltIn, Window, WindowSet};
use crate::simulation::Simulation;
use crate::time::Time;

/// Whose spikes a scene wants recorded: `of: "exc", neurons: Range(from: 0, to: 99)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitters {
    /// The source or population.
    pub of: GroupId,
    /// Which of its neurons.
    pub neurons: Selection,
}

impl Emitters {
    /// Reads the fields `of` and `neurons`.
    pub fn read(
        fields: &mut Fields,
        context: &ProbeContext,
        dx: &mut Diagnostics,
    ) -> Option<Emitters> {
        let of_at = fields.need(dx, "of", "the source or population whose spikes are recorded");
        let cut = fields.get("neurons");
        let of = context.names.group(&of_at?, dx)?;
        let neurons = match cut {
            Some(at) => context.names.selection(&at, Some(of), dx)?,
            None => Selection::All,
        };
        Some(Emitters { of, neurons })
    }

    /// The same fields as RON.
    #[must_use]
    pub fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        vec![("of", write::group(scene, self.of)), ("neurons", write::selection(&self.neurons))]
    }

    /// How many neurons these are, in all replicas.
    #[must_use]
    pub fn count(&self, scene: &Scene) -> u64 {
        let of_each = self.neurons.len(scene.group_size(self.of));
        of_each.saturating_mul(u64::from(Replicas::of(scene, self.of).count))
    }

    /// How many spikes they are expected to fire in a span: those of sources. The rate of a
    /// population is the answer, not known before: 0.
    #[must_use]
    pub fn spikes(&self, scene: &Scene, span: Span) -> u128 {
        let GroupId::Source(index) = self.of else { return 0 };
        let recorded = span.recorded(scene.duration);
        let rate = scene.sources[index].train.mean_rate(span.from, span.from + recorded);
        (self.count(scene) as f64 * rate * recorded.seconds()) as u128
    }

    /// The further tables of a probe that has a band over their replicas.
    #[must_use]
    pub fn band(&self, scene: &Scene) -> Vec<&'static str> {
        match self.of {
            GroupId::Source(_) => Vec::new(),
            GroupId::Population(_) => super::band::tables(scene),
        }
    }

    /// Memory of a [`Listener`] to them, bytes.
    #[must_use]
    pub fn bytes(&self, scene: &Scene) -> u128 {
        // Indices of the chosen ones, and the places of all among them.
        (u128::from(self.count(scene)) + u128::from(scene.instances(self.of))) * 4
    }
}

/// Hears the spikes of [`Emitters`] in a span of time, window by window.
#[derive(Debug, Clone)]
pub struct Listener {
    of: GroupId,
    replicas: Replicas,
    /// The neurons, replica by replica in the order of the scene.
    neurons: Vec<u32>,
    /// The place of each neuron of the group among `neurons`, or [`NOT_HEARD`]; `None`: all are
    /// heard.
    positions: Option<Vec<u32>>,
    span: Span,
    /// The end of the last window.
    heard: Time,
}

const NOT_HEARD: u32 = u32::MAX;

impl Listener {
    /// Hears these neurons in this span.
    #[must_use]
    pub fn new(scene: &Scene, emitters: &Emitters, span: Span) -> Listener {
        let replicas = Replicas::of(scene, emitters.of);
        let count = emitters.neurons.len(u64::from(replicas.size));
        let of_replica = |r| (0..count).map(move |k| r * replicas.size + emitters.neurons.get(k));
        let neurons: Vec<u32> = (0..replicas.count).flat_map(of_replica).collect();
        let positions = (emitters.neurons != Selection::All).then(|| {
            let mut positions = vec![NOT_HEARD; replicas.neurons() as usize];
            for (position, neuron) in (0..).zip(&neurons) {
                positions[*neuron as usize] = position;
            }
            positions
        });
        Listener { of: emitters.of, replicas, neurons, positions, span, heard: Time::ZERO }
    }

    /// How these neurons are numbered.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        self.replicas
    }

    /// The indices of the neurons that are heard, replica by replica in the order of the scene.
    #[must_use]
    pub fn neurons(&self) -> &[u32] {
        &self.neurons
    }

    /// The span in which they are heard.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// How much of the span has been simulated.
    #[must_use]
    pub fn recorded(&self) -> Time {
        self.span.recorded(self.heard)
    }

    /// Takes what was heard until a moment for heard: what it was comes from tables.
    pub fn assume(&mut self, reached: Time) {
        self.heard = reached;
    }

    /// The mean rate of so many spikes in what has been recorded, Hz; 0 before anything has.
    #[must_use]
    pub fn rate(&self, spikes: u64) -> f64 {
        let recorded = self.recorded();
        if recorded > Time::ZERO { spikes as f64 / recorded.seconds() } else { 0.0 }
    }

    /// Calls `each` with the spikes of a window, sorted: time, neuron, and its position among
    /// [`Listener::neurons`].
    pub fn hear(
        &mut self,
        window: &Window,
        spikes: &WindowSpikes,
        each: impl FnMut(Time, u32, usize),
    ) {
        self.hear_these(window, spikes.of(self.of).iter(), each);
    }

    /// The same, in any order: where it means nothing, nobody has to sort them.
    pub fn hear_in_any_order(
        &mut self,
        window: &Window,
        spikes: &WindowSpikes,
        each: impl FnMut(Time, u32, usize),
    ) {
        self.hear_these(window, spikes.emitted(self.of).flatten(), each);
    }

    /// Appends the spikes of a window to a list, in any order.
    pub fn hear_into(
        &mut self,
        window: &Window,
        spikes: &WindowSpikes,
        list: &mut Vec<(Time, u32)>,
    ) {
        let is_whole = self.span.contains(window.start()) && self.span.contains(window.end());
        if self.positions.is_none() && is_whole {
            self.heard = window.end();
            spikes.emitted(self.of).for_each(|spikes| list.extend_from_slice(spikes));
        } else {
            self.hear_in_any_order(window, spikes, |time, neuron, _| list.push((time, neuron)));
        }
    }

    fn hear_these<'s>(
        &mut self,
        window: &Window,
        spikes: impl Iterator<Item = &'s (Time, u32)>,
        mut each: impl FnMut(Time, u32, usize),
    ) {
        self.heard = window.end();
        for (time, neuron) in spikes {
            if !self.span.contains(*time) {
                continue;
            }
            match self.positions.as_ref().map(|positions| positions[*neuron as usize]) {
                None => each(*time, *neuron, *neuron as usize),
                Some(NOT_HEARD) => {}
                Some(position) => each(*time, *neuron, position as usize),
            }
        }
    }
}

/// A recorder that needs nothing but spikes.
pub trait Hears: Component<Mutability = Mutable> {
    /// Records the spikes of a window.
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes);
}

/// Gives a probe's entity a recorder, and the simulation the system that feeds all recorders of its
/// type.
pub fn attach<R: Hears>(recorder: R, probe: Entity, simulation: &mut Simulation) {
    simulation.world_mut().entity_mut(probe).insert(recorder);
    if simulation.first_time::<R>() {
        simulation.add_systems(WindowSet::Measure, feed::<R>.in_set(BuiltIn));
    }
}

fn feed<R: Hears>(window: Res<Window>, spikes: Res<WindowSpikes>, mut recorders: Query<&mut R>) {
    for mut recorder in &mut recorders {
        recorder.hear(&window, &spikes);
    }
}
