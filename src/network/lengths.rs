//! How long rounds and windows are.
//!
//! No spike that is fired in a round arrives in it; a window is what one run of the schedule goes through, one round or
//! several.

use crate::scene::{Connection, GroupId, Scene, Solver};
use crate::time::Time;

/// The inbox of a round has room for each tile of its steps; a longer round would gain nothing.
const MOST_ROUND_STEPS: u64 = 1 << 14;

/// What keeps a back end busy: steps of neurons, seconds of event-driven ones, and spikes of sources.
struct Work {
    steps: u64,
    seconds: f64,
    spikes: f64,
}

/// A device for about ten milliseconds; where spikes are heard these have to be kept meanwhile.
const BUSY_DEVICE: Work = Work { steps: 1 << 32, seconds: 1e4, spikes: f64::INFINITY };
const HEARD_DEVICE: Work = Work { steps: 1 << 28, seconds: 1e4, spikes: f64::INFINITY };
/// A thread for half a millisecond or more (with event-driven neurons, for a few), of which the systems of a window
/// take some microseconds, and those of sources look at each of them.
const BUSY_THREAD: Work = Work { steps: 1 << 19, seconds: 40.0, spikes: 1e5 };
/// The most rounds of a window, however small the network: ten milliseconds or more of a device.
const MOST_ROUNDS: u64 = 1 << 10;

/// The round of a scene whose shortest delay between neurons is `shortest`, if there is one. With
/// Euler a spike found in its first step arrives that much after the *next* step.
pub(super) fn round(scene: &Scene, shortest: Option<Time>) -> Time {
    let grid = scene.window_grid();
    let longest = match scene.window_grid() {
        Time::TICK => scene.window,
        step => scene.window.min(Time::from_steps(MOST_ROUND_STEPS, step)),
    };
    let shortest = shortest.map(|delay| match scene.solver {
        Solver::Euler { dt } => delay + dt,
        Solver::Event { .. } => delay,
    });
    let round = shortest.map_or(longest, |shortest| longest.min(shortest));
    Time::from_steps(round.whole(grid).max(1), grid)
}

/// The round of a scene, unless hand-made edges have shorter delays.
#[must_use]
pub fn round_of(scene: &Scene) -> Time {
    let between = scene.connections.iter().filter(|c| matches!(c.from, GroupId::Population(_)));
    round(scene, between.map(Connection::shortest_delay).min())
}

/// The window of a scene on threads of this machine, if nobody looks between its rounds: as many of them as
/// the scene's `window` has, but no more than keep a thread busy for a while.
#[must_use]
pub fn window_of(scene: &Scene) -> Time {
    let (dt, round) = (scene.solver.grid(), round_of(scene));
    Time::from_steps(window(scene, round.steps(dt)), dt)
}

/// See [`window_of`]; in steps, as the round.
pub(super) fn window(scene: &Scene, round_steps: u64) -> u64 {
    let longest = round(scene, None).steps(scene.solver.grid());
    let rounds = longest.min(time_of(scene, &BUSY_THREAD)) / round_steps;
    rounds.clamp(1, MOST_ROUNDS) * round_steps
}

/// The window of a scene, in steps, on a device that goes through its rounds by itself, each of so many steps: as long as
/// the scene wants, or longer where that would not keep the device busy.
pub(super) fn window_of_device(scene: &Scene, round_steps: u64, is_heard: bool) -> u64 {
    let longest = round(scene, None).steps(scene.solver.grid());
    let busy = time_of(scene, if is_heard { &HEARD_DEVICE } else { &BUSY_DEVICE });
    (longest.max(busy) / round_steps).clamp(1, MOST_ROUNDS) * round_steps
}

/// Steps that the neurons of a scene take for so much work.
fn time_of(scene: &Scene, work: &Work) -> u64 {
    let populations = (0..scene.populations.len()).map(GroupId::Population);
    let neurons = populations.map(|group| scene.instances(group)).sum::<u64>().max(1);
    let grid = scene.solver.grid();
    let steps = |seconds: f64| Time::from_seconds(seconds).map_or(u64::MAX, |t| t.steps(grid));
    let of_neurons = match scene.window_grid() {
        Time::TICK => steps(work.seconds / neurons as f64),
        step => work.steps / neurons * step.whole(grid),
    };
    let rates = scene.sources.values().map(|source| source.size as f64 * source.train.peak_rate());
    of_neurons.min(steps(work.spikes / rates.sum::<f64>()))
}
