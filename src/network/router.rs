//! The router: from spikes to the inboxes of banks.
//!
//! A spike is put into the calendar once per group of edges with the same delay, at the window in
//! which they arrive; the fan-out happens when that window is delivered.

use std::collections::VecDeque;

use bevy_ecs::prelude::*;

use super::plasticity::EdgeWeights;
use super::table::{Numbering, Table};
use super::{Edge, WindowSpikes};
use crate::backend::Backend;
use crate::error::Error;
use crate::scene::{Connection, GroupId, Scene};
use crate::schedule::Window;
use crate::solver::kernel::TILE_STEPS;
use crate::time::Time;

/// The inbox of a window has room for each tile of its steps; a longer window would gain nothing.
const MOST_WINDOW_STEPS: u64 = 1 << 14;

/// Steps of a window of a scene whose shortest delay between neurons is `shortest`, if there is one:
/// a spike found in its first step arrives that much after the next step.
fn window_steps(scene: &Scene, dt: Time, shortest: Option<Time>) -> u64 {
    let longest = scene.window.steps(dt).clamp(1, MOST_WINDOW_STEPS);
    shortest.map_or(longest, |delay| longest.min(delay.steps(dt) + 1))
}

/// Steps of a window of a scene, unless hand-made edges have shorter delays.
#[must_use]
pub fn window_steps_of(scene: &Scene, dt: Time) -> u64 {
    let between = scene.connections.iter().filter(|c| matches!(c.from, GroupId::Population(_)));
    window_steps(scene, dt, between.map(Connection::shortest_delay).min())
}

/// A group of edges whose spike arrives at a step.
#[derive(Debug, Clone, Copy)]
struct Due {
    group: u32,
    step: u64,
}

/// A pulse on its way into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Pulses in fixed point.
    pub weight: i32,
    /// The step, from the start of the tile.
    pub step: u8,
    /// The lane of the block.
    pub lane: u8,
    /// The receptor, as the kernel counts them.
    pub receptor: u8,
}

/// The arrivals of a window, sorted into blocks and tiles of [`TILE_STEPS`] steps. Within one their
/// order means nothing.
#[derive(Resource, Debug, Default)]
pub struct Inbox {
    tiles: usize,
    arrivals: Vec<Vec<Arrival>>,
}

impl Inbox {
    /// The arrivals of a block (counted over all banks), one list for each tile.
    #[must_use]
    pub fn of_block(&self, block: usize) -> &[Vec<Arrival>] {
        &self.arrivals[block * self.tiles..(block + 1) * self.tiles]
    }

    fn reset(&mut self, blocks: usize, steps: u64) {
        self.arrivals.iter_mut().for_each(Vec::clear);
        self.tiles = (steps as usize).div_ceil(TILE_STEPS).max(1);
        self.arrivals.resize_with(blocks * self.tiles, Vec::new);
    }
}

/// The table of edges and the calendar of arrivals.
#[derive(Resource, Debug)]
pub struct Router {
    dt: Time,
    window_steps: u64,
    total_steps: u64,
    numbering: Numbering,
    table: Table,
    /// Arrivals by window, from window `calendar_start` on.
    calendar: VecDeque<Vec<Due>>,
    calendar_start: u64,
}

impl Router {
    /// Builds the table from the scene's projections and the world's
    /// [`FanOut`](super::FanOut)s, and decides the fixed-point exponents of all banks. Edges are
    /// drawn by the threads of the back end.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than 2³² edges, [`Error::Connection`] for impossible hand-made
    /// edges.
    pub fn build(
        scene: &Scene,
        dt: Time,
        world: &mut World,
        backend: &dyn Backend,
    ) -> Result<Router, Error> {
        let numbering = Numbering::new(scene);
        let (table, shortest_delay) = Table::build(scene, dt, &numbering, world, backend)?;
        let window_steps = window_steps(scene, dt, shortest_delay);
        Ok(Router {
            dt,
            window_steps,
            total_steps: scene.duration.steps(dt),
            numbering,
            table,
            calendar: VecDeque::new(),
            calendar_start: 0,
        })
    }

    /// Steps of a full window: no spike fired in it can arrive in it.
    #[must_use]
    pub fn window_steps(&self) -> u64 {
        self.window_steps
    }

    /// All edges, hand-made ones included.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.table.edges.len()
    }

    /// The weights of the projection with this index in the scene; `None` where it has no
    /// [`Plasticity`](super::Plasticity).
    pub fn weights(&mut self, projection: usize) -> Option<EdgeWeights<'_>> {
        EdgeWeights::new(&mut self.table, projection)
    }

    /// The edges of a plastic projection with the weights that they have now.
    #[must_use]
    pub fn learnt(&self, projection: usize) -> Option<Vec<Edge>> {
        self.table.learnt(projection, self.dt)
    }

    /// Puts spikes of a group into the calendar.
    pub fn route(&mut self, group: GroupId, spikes: &[(Time, u32)]) {
        let first = self.numbering.first(group);
        for (time, index) in spikes {
            let emitter = (first + index) as usize;
            let step = time.steps(self.dt);
            for group in self.table.groups_of(emitter) {
                let step = step.saturating_add(self.table.delay_steps(group));
                // After the end nothing acts.
                if step >= self.total_steps {
                    continue;
                }
                let page = (step / self.window_steps).saturating_sub(self.calendar_start) as usize;
                if self.calendar.len() <= page {
                    self.calendar.resize_with(page + 1, Vec::new);
                }
                self.calendar[page].push(Due { group, step });
            }
        }
    }

    /// Delivers the arrivals of a window into the inbox.
    pub fn deliver(&mut self, window: &Window, inbox: &mut Inbox) {
        inbox.reset(self.table.blocks, window.steps);
        let (first, end) = (window.first_step, window.first_step + window.steps);
        // A window that `run_for` cut short may end within a page of the calendar.
        let last_page = (end - 1) / self.window_steps;
        let pages = (last_page + 1 - self.calendar_start).min(self.calendar.len() as u64) as usize;
        for page in 0..pages {
            let mut due = std::mem::take(&mut self.calendar[page]);
            due.retain(|due| {
                let now = due.step < end;
                if now {
                    self.fan_out(*due, first, inbox);
                }
                !now
            });
            self.calendar[page] = due;
        }
        while self.calendar_start < end / self.window_steps {
            let page = self.calendar.pop_front().unwrap_or_default();
            debug_assert!(page.is_empty(), "an arrival was left behind");
            self.calendar_start += 1;
        }
    }

    fn fan_out(&self, due: Due, first_step: u64, inbox: &mut Inbox) {
        debug_assert!(due.step >= first_step, "an arrival came too late");
        let at = (due.step - first_step) as usize;
        let (tile, step) = (at / TILE_STEPS, (at % TILE_STEPS) as u8);
        for edge in self.table.edges_of(due.group) {
            let (block, lane, receptor) = edge.port.parts();
            inbox.arrivals[block * inbox.tiles + tile].push(Arrival {
                weight: edge.weight,
                step,
                lane,
                receptor,
            });
        }
    }
}

/// Spikes of sources → calendar.
pub fn route_sources(mut router: ResMut<Router>, spikes: Res<WindowSpikes>) {
    for (index, spikes) in spikes.sources.iter().enumerate() {
        router.route(GroupId::Source(index), spikes);
    }
}

/// Spikes of populations → calendar.
pub fn route_populations(mut router: ResMut<Router>, spikes: Res<WindowSpikes>) {
    for (index, spikes) in spikes.populations.iter().enumerate() {
        router.route(GroupId::Population(index), spikes);
    }
}

/// Calendar → inboxes.
pub fn deliver(mut router: ResMut<Router>, window: Res<Window>, mut inbox: ResMut<Inbox>) {
    router.deliver(&window, &mut inbox);
}
