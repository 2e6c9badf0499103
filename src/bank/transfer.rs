//! Gather and scatter: between components and banks.
//!
//! *Gather* copies the components of a column that changed since the last window. Components carry
//! a summary tick, so a column that nobody wrote costs one comparison per table. *Scatter* copies a
//! state column back only if a system outside the built-in ones reads it ([`Readback`]), without
//! marking it as changed.

use std::collections::BTreeMap;

use bevy_ecs::change_detection::ContiguousRef;
use bevy_ecs::component::{Component, Mutable};
use bevy_ecs::prelude::*;
use bevy_ecs::query::ArchetypeFilter;
use bevy_ecs::schedule::Schedule;
use bevy_ecs::system::SystemAccess;

use super::{Banks, Neurons, Slot, States, Stepped};
use crate::backend::CurrentBackend;
use crate::circuit::{Membrane, SynapticCurrent};
use crate::network::{Circuit, Neuron};
use crate::schedule::{BuiltIn, Window};
use crate::solver::event::{Assignment, Erased, EventNeurons};
use crate::solver::kernel::Layout;
use crate::threads::Pool;

/// Which state columns somebody reads.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readback {
    /// [`Membrane`] of neurons.
    pub membrane: bool,
    /// [`SynapticCurrent`] of circuits.
    pub synaptic: bool,
}

impl Readback {
    /// Everything is read: for code outside the schedule.
    pub const ALL: Readback = Readback { membrane: true, synaptic: true };

    /// Whether an initialized schedule has systems that are not built in.
    #[must_use]
    pub fn has_others(schedule: &Schedule) -> bool {
        let built_in = schedule.graph().systems_in_set(BuiltIn.intern());
        let is_built_in = |key| built_in.as_ref().is_ok_and(|set| set.contains(&key));
        schedule.systems_with_access().into_iter().flatten().any(|(key, _)| !is_built_in(key))
    }

    /// Looks through the systems of an initialized schedule that are not built in.
    #[must_use]
    pub fn of_schedule(schedule: &Schedule, world: &mut World) -> Readback {
        let membrane = world.register_component::<Membrane>();
        let synaptic = world.register_component::<SynapticCurrent>();
        let built_in = schedule.graph().systems_in_set(BuiltIn.intern());
        let mut readback = Readback::default();
        for (key, system) in schedule.systems_with_access().into_iter().flatten() {
            if built_in.as_ref().is_ok_and(|set| set.contains(&key)) {
                continue;
            }
            match system.access() {
                SystemAccess::None => {}
                SystemAccess::Exclusive => readback = Readback::ALL,
                SystemAccess::Shared(access) => {
                    readback.membrane |= access.combined_access().has_read(membrane);
                    readback.synaptic |= access.combined_access().has_read(synaptic);
                }
            }
        }
        readback
    }
}

/// Calls `write` with every changed component of a column.
fn changed<'a, C: Component, K: Component, F: ArchetypeFilter>(
    query: &'a Query<(&Slot, &K, Ref<C>), F>,
    mut write: impl FnMut(Slot, &K, &'a C),
) {
    let Ok(tables) = query.contiguous_iter() else {
        // A plugin gave these entities a sparse component: row by row then.
        for (slot, kind, component) in query {
            if component.is_changed() {
                write(*slot, kind, component.into_inner());
            }
        }
        return;
    };
    for (slots, kinds, components) in tables {
        let (components, ticks) = ContiguousRef::split(components);
        if ticks.summary_tick_is_changed() == Some(false) {
            continue;
        }
        for (row, is_changed) in ticks.is_changed_iter().enumerate() {
            if is_changed {
                write(slots[row], &kinds[row], &components[row]);
            }
        }
    }
}

/// What was written of event-driven neurons, by bank and circuit (or column): it is changed by all threads.
struct OfEvents<'a, T: ?Sized>(BTreeMap<(u32, usize), Vec<Assignment<'a, T>>>);

/// What a change takes about.
const NANOSECONDS_OF_A_CHANGE: u64 = 100;

impl<'a, T: ?Sized> OfEvents<'a, T> {
    fn push(&mut self, (bank, what): (u32, usize), slot: u32, value: &'a T, exponent: i32) {
        self.0.entry((bank, what)).or_default().push(Assignment { slot, value, exponent });
    }

    fn change(
        self,
        banks: &mut Banks,
        backend: &CurrentBackend,
        mut change: impl FnMut(&mut dyn EventNeurons, usize, &[Assignment<T>], Option<&Pool>),
    ) {
        for ((bank, what), written) in self.0 {
            let pool = backend.0.pool(NANOSECONDS_OF_A_CHANGE * written.len() as u64);
            if let Neurons::Event(event) = &mut banks.0[bank as usize].neurons {
                change(&mut **event, what, &written, pool);
            }
        }
    }
}

/// Changed biases of somas of a type → parameter columns.
pub fn gather_somas<S: Component>(
    mut banks: ResMut<Banks>,
    window: Res<Window>,
    backend: Res<CurrentBackend>,
    somas: Query<(&Slot, &Neuron, Ref<S>)>,
) {
    let mut of_events = OfEvents::<Erased>(BTreeMap::new());
    changed(&somas, |slot, _, soma| match &mut banks.0[slot.bank as usize].neurons {
        Neurons::Host => {}
        Neurons::Stepped(Stepped { kernel, parameters, .. }) => {
            kernel.soma_columns(soma, &mut |column, value| {
                parameters.set(slot.index as usize, column, value);
            });
        }
        Neurons::Event(_) => of_events.push((slot.bank, 0), slot.index, soma, 0),
    });
    of_events.change(&mut banks, &backend, |event, _, somas, pool| {
        event.set_somas(somas, window.start(), pool);
    });
}

/// Changed biases of synapse circuits of a type → parameter columns.
pub fn gather_synapses<S: Component>(
    mut banks: ResMut<Banks>,
    window: Res<Window>,
    backend: Res<CurrentBackend>,
    synapses: Query<(&Slot, &Circuit, Ref<S>)>,
) {
    let mut of_events = OfEvents::<Erased>(BTreeMap::new());
    changed(&synapses, |slot, circuit, synapse| {
        let bank = &mut banks.0[slot.bank as usize];
        let Some((index, _)) = bank.layout.circuit(circuit.receptor) else { return };
        let exponent = bank.member(slot.index).exponents[index];
        match &mut bank.neurons {
            Neurons::Host => {}
            Neurons::Stepped(Stepped { kernel, parameters, .. }) => {
                kernel.synapse_columns(index, synapse, exponent, &mut |column, value| {
                    parameters.set(slot.index as usize, column, value);
                });
            }
            Neurons::Event(_) => {
                of_events.push((slot.bank, index), slot.index, synapse, exponent);
            }
        }
    });
    of_events.change(&mut banks, &backend, |event, circuit, synapses, pool| {
        event.set_synapses(circuit, synapses, window.start(), pool);
    });
}

/// Changed membranes → state.
pub fn gather_membranes(
    banks: ResMut<Banks>,
    window: Res<Window>,
    backend: Res<CurrentBackend>,
    membranes: Query<(&Slot, &Neuron, Ref<Membrane>)>,
) {
    let column = |layout: &Layout, _: &Neuron| Some(layout.membrane);
    gather_states(banks, &window, &backend, &membranes, column, |membrane| &membrane.0);
}

/// Changed synaptic currents → state.
pub fn gather_currents(
    banks: ResMut<Banks>,
    window: Res<Window>,
    backend: Res<CurrentBackend>,
    currents: Query<(&Slot, &Circuit, Ref<SynapticCurrent>)>,
) {
    let column = |layout: &Layout, circuit: &Circuit| Some(layout.circuit(circuit.receptor)?.1);
    gather_states(banks, &window, &backend, &currents, column, |current| &current.0);
}

/// Changed components of a kind → a column of the state.
fn gather_states<C: Component, K: Component>(
    mut banks: ResMut<Banks>,
    window: &Window,
    backend: &CurrentBackend,
    components: &Query<(&Slot, &K, Ref<C>)>,
    column: impl Fn(&Layout, &K) -> Option<usize>,
    number: impl Fn(&C) -> &f64,
) {
    let mut of_events = OfEvents(BTreeMap::new());
    changed(components, |slot, kind, component| {
        let bank = &mut banks.0[slot.bank as usize];
        let Some(column) = column(&bank.layout, kind) else { return };
        let value = number(component);
        match &mut bank.neurons {
            Neurons::Host => {}
            Neurons::Stepped(Stepped { state, .. }) => {
                state.set(slot.index as usize, column, *value as f32);
            }
            Neurons::Event(_) => of_events.push((slot.bank, column), slot.index, value, 0),
        }
    });
    of_events.change(&mut banks, backend, |event, column, values, pool| {
        event.set_states(column, values, window.start(), pool);
    });
}

/// Calls `read` for every component of a state column, without marking it as changed.
fn overwrite<C: Component<Mutability = Mutable>, K: Component>(
    query: &mut Query<(&Slot, &K, &mut C)>,
    mut read: impl FnMut(Slot, &K) -> Option<C>,
) {
    for (slot, kind, mut component) in query {
        if let Some(value) = read(*slot, kind) {
            *component.bypass_change_detection() = value;
        }
    }
}

/// State → membranes, if somebody reads them.
pub fn scatter_membranes(
    banks: Res<Banks>,
    window: Res<Window>,
    readback: Res<Readback>,
    mut membranes: Query<(&Slot, &Neuron, &mut Membrane)>,
) {
    if !readback.membrane {
        return;
    }
    let states: Vec<States> = banks.0.iter().map(|bank| bank.states(window.end())).collect();
    overwrite(&mut membranes, |slot, _| {
        let bank = slot.bank as usize;
        states[bank].get(slot.index, banks.0[bank].layout.membrane).map(Membrane)
    });
}

/// State → synaptic currents, if somebody reads them.
pub fn scatter_currents(
    banks: Res<Banks>,
    window: Res<Window>,
    readback: Res<Readback>,
    mut currents: Query<(&Slot, &Circuit, &mut SynapticCurrent)>,
) {
    if !readback.synaptic {
        return;
    }
    let states: Vec<States> = banks.0.iter().map(|bank| bank.states(window.end())).collect();
    overwrite(&mut currents, |slot, circuit| {
        let bank = slot.bank as usize;
        let (_, column) = banks.0[bank].layout.circuit(circuit.receptor)?;
        states[bank].get(slot.index, column).map(SynapticCurrent)
    });
}
