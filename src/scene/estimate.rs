//! What a scene will cost: memory and work, before anything is allocated.

use super::{GroupId, Probe, Scene};
use crate::bank::LANES;
use crate::error::Error;
use crate::network::inbox::MOST_SUMMED_STEPS;
use crate::network::law::Law;
use crate::network::lengths::{round_of, window_of};
use crate::probe::ProbeKind;
use crate::solver::kernel::TILE_STEPS;
use crate::time::Time;

/// Bytes of a neuron: entity record, components, bank columns.
const NEURON_BYTES: u128 = 320;
/// Bytes of what the event-driven solver keeps of a neuron.
const EVENT_NEURON_BYTES: u128 = 448;
/// Bytes of a synapse circuit.
const CIRCUIT_BYTES: u128 = 160;
/// Bytes of a spike source.
const SOURCE_BYTES: u128 = 224;
/// Bytes of an edge in the router's table, and while that is being built.
const EDGE_BYTES: u128 = 8 + 24;
/// Bytes of an edge whose weight can change: where it ends, and its weight in double precision.
const PLASTIC_BYTES: u128 = 36;
/// Bytes of a group of edges with the same delay, and of where it divides between two threads. (Of more threads all
/// groups together take up to 128 MB more.)
const GROUP_BYTES: u128 = 16 + 4;
/// Bytes of an emitter's row and of its delay group.
const EMITTER_BYTES: u128 = 44 + 4;
/// Bytes of a recorded spike.
pub(crate) const SPIKE_BYTES: u128 = 16;
/// Bytes of a spike of a source on its way: in the window, on the way to the calendar and in it, in an inbox.
const PENDING_SPIKE_BYTES: u128 = 72;
/// Bytes of an arrival in an inbox, which grows by doubling.
const ARRIVAL_BYTES: u128 = 48;
/// Bytes of a page of the calendar: one for each round until the longest delay after a window.
const PAGE_BYTES: u128 = 64;
/// Bytes of a list of arrivals: one for each block and tile of a round. (Several threads have such lists each, but only
/// while all of a round take 13 MB or less together.)
const INBOX_BYTES: u128 = 24;
/// Bytes of the sum of what arrives at a circuit in a step, in a short round.
const SUM_BYTES: u128 = 4;
/// Bytes by which a time that is no round number makes a row of text longer.
const LONG_TIME_BYTES: u128 = 8;
/// The most entities of one kind: ports are counted in 32 bits, and a neuron has up to eight.
const MOST_NEURONS: u128 = 1 << 28;

/// Size and cost of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Neurons of all populations.
    pub neurons: u128,
    /// Synapse circuits.
    pub circuits: u128,
    /// Spike sources.
    pub sources: u128,
    /// Edges.
    pub edges: u128,
    /// Neurons that are advanced by steps; the others go from event to event.
    pub stepped_neurons: u128,
    /// Their steps; 0 where there are none of them.
    pub steps: u128,
    /// Memory by part, bytes, the largest first.
    pub memory: Vec<(String, u128)>,
}

/// Where the rows of tables go that grow with the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// Into memory.
    Kept,
    /// To a folder, while the run lasts.
    Streamed,
}

impl Estimate {
    /// Of a scene.
    #[must_use]
    pub fn of(scene: &Scene, recording: Recording) -> Estimate {
        let mut memory: Vec<(String, u128)> = Vec::new();
        let (window, round) = (window_of(scene), round_of(scene));
        let window_s = window.seconds();
        let (mut neurons, mut circuits, mut sources, mut edges) = (0, 0, 0, 0);
        let (mut arrivals, mut longest_delay) = (0.0, Time::ZERO);
        let mut stepped_neurons = 0;
        for (index, (name, population)) in scene.populations.iter().enumerate() {
            let n = u128::from(scene.instances(GroupId::Population(index)));
            let own_circuits = n * population.model.circuits().present.len() as u128;
            neurons += n;
            circuits += own_circuits;
            let is_stepped = scene.is_stepped(index);
            stepped_neurons += if is_stepped { n } else { 0 };
            let own = if is_stepped { 0 } else { EVENT_NEURON_BYTES };
            let bytes = n * (NEURON_BYTES + EMITTER_BYTES + own) + own_circuits * CIRCUIT_BYTES;
            memory.push((format!("population `{name}`"), bytes));
        }
        for (name, source) in &scene.sources {
            let n = u128::from(source.size);
            sources += n;
            let listed = source.train.listed().len() as u128;
            let pending = n as f64 * source.train.peak_rate() * window_s;
            let bytes = n * (SOURCE_BYTES + EMITTER_BYTES)
                + listed * 2 * SPIKE_BYTES
                + pending as u128 * PENDING_SPIKE_BYTES;
            memory.push((format!("source `{name}`"), bytes));
        }
        for connection in &scene.connections {
            let (from, to) = scene.sizes(connection);
            let n = connection.edges(from, to).saturating_mul(u128::from(scene.replicas));
            edges = u128::saturating_add(edges, n);
            // Where delays are drawn, nearly every edge may be a group of its own.
            let is_drawn = !matches!(connection.delay.0, Law::One(_));
            let groups = if is_drawn { GROUP_BYTES } else { 0 };
            let plastic = if connection.plasticity.is_some() { PLASTIC_BYTES } else { 0 };
            let bytes = n.saturating_mul(EDGE_BYTES + groups + plastic);
            memory.push((format!("projection `{}`", connection.name), bytes));
            // Of the spikes of neurons nothing is known before.
            if let GroupId::Source(k) = connection.from {
                let train = &scene.sources[k].train;
                arrivals += n as f64 * (train.peak_rate() * round.seconds()).min(1e18);
            }
            longest_delay = longest_delay.max(connection.delay.0.bounds().1);
        }
        for (name, probe) in &scene.probes {
            let kept = probe.kind.bytes(scene, probe.span);
            let streamed = match recording {
                Recording::Kept => None,
                Recording::Streamed => probe.kind.streamed_bytes(scene, window),
            };
            let waiting = probe.format.waiting_bytes();
            let bytes = streamed.map_or(kept, |streamed| (streamed + waiting).min(kept));
            memory.push((format!("probe `{name}`"), bytes));
        }
        let steps_of = |span: Time| {
            let any = stepped_neurons > 0 || scene.solver.euler_dt().is_some();
            if any { span.steps(scene.solver.step()) } else { 0 }
        };
        let round_steps = steps_of(round);
        let inbox = if (1..=MOST_SUMMED_STEPS as u64).contains(&round_steps) {
            circuits.saturating_mul(u128::from(round_steps) * SUM_BYTES)
        } else {
            let tiles = u128::from(round_steps.div_ceil(TILE_STEPS as u64));
            let lists = neurons.div_ceil(LANES as u128).saturating_mul(tiles);
            let arrivals = (arrivals as u128).saturating_mul(ARRIVAL_BYTES);
            lists.saturating_mul(INBOX_BYTES).saturating_add(arrivals)
        };
        memory.push(("the inbox of a round".to_string(), inbox));
        let pages = (longest_delay + window).min(scene.duration).whole(round);
        memory.push(("the calendar of delays".to_string(), u128::from(pages) * PAGE_BYTES));
        memory.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let steps = u128::from(steps_of(scene.duration));
        Estimate { neurons, circuits, sources, edges, stepped_neurons, steps, memory }
    }

    /// What a run that keeps its records takes besides what one that streams them does.
    #[must_use]
    pub fn of_kept_records(scene: &Scene) -> Estimate {
        let (mut kept, streamed) =
            (Estimate::of(scene, Recording::Kept), Estimate::of(scene, Recording::Streamed));
        kept.memory.retain(|part| !streamed.memory.contains(part));
        kept
    }

    /// Of a point of a sweep, which keeps its records and then its tables as text, and what these tables
    /// take, bytes. Their rows begin with `lead` bytes that tell the point.
    #[must_use]
    pub fn of_point(scene: &Scene, lead: u128) -> (Estimate, u128) {
        let mut estimate = Estimate::of(scene, Recording::Kept);
        let mut all = 0_u128;
        for (name, probe) in &scene.probes {
            let tables = tables_bytes(probe, scene, lead);
            all = all.saturating_add(tables);
            let own = format!("probe `{name}`");
            for (part, bytes) in estimate.memory.iter_mut().filter(|(part, _)| *part == own) {
                part.push_str(" and its tables");
                *bytes = bytes.saturating_add(tables);
            }
        }
        estimate.memory.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        (estimate, all)
    }

    /// Steps of all neurons that are advanced by steps.
    #[must_use]
    pub fn neuron_steps(&self) -> u128 {
        self.stepped_neurons.saturating_mul(self.steps)
    }

    /// Memory of all parts, bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u128 {
        self.memory.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Refuses a scene that this program or this machine cannot hold. `available` is the memory in
    /// bytes.
    ///
    /// # Errors
    /// [`Error::Limit`] with need, limit and the largest part.
    pub fn check(&self, available: u64) -> Result<(), Error> {
        let largest = self.memory.first().map_or(String::new(), |(name, bytes)| {
            format!("; the largest part is {name} with {}", bytes_text(*bytes))
        });
        for (count, what) in [(self.neurons, "neurons"), (self.sources, "spike sources")] {
            if count > MOST_NEURONS {
                return Err(Error::Limit {
                    message: format!(
                        "the scene has {count} {what}, more than {MOST_NEURONS}{largest}"
                    ),
                    help: "reduce the sizes or the replicas".into(),
                });
            }
        }
        if self.edges > u128::from(u32::MAX) {
            return Err(Error::Limit {
                message: format!("the scene has {} edges, more than 2^32{largest}", self.edges),
                help: "reduce the sizes, the degrees or the replicas".into(),
            });
        }
        if self.total_bytes() > u128::from(available) {
            return Err(Error::Limit {
                message: format!(
                    "the scene needs about {} of memory, but {} are available{largest}",
                    bytes_text(self.total_bytes()),
                    bytes_text(u128::from(available))
                ),
                help: "reduce the size of that part or the replicas, or use a machine with more memory".into(),
            });
        }
        Ok(())
    }
}

/// About how long a row of the main table of a probe is as text, bytes.
#[must_use]
pub fn row_bytes(kind: &dyn ProbeKind, scene: &Scene) -> u128 {
    // Neuron and time, and some digits of each number; replica and neuron of a table of spikes.
    12 + 20 * kind.quantities(scene).len() as u128
}

/// About how large the tables of a probe are as text whose rows begin with `lead` further bytes, bytes.
fn tables_bytes(probe: &Probe, scene: &Scene, lead: u128) -> u128 {
    match probe.kind.expected_rows(scene, probe.span) {
        Some(rows) => rows.saturating_mul(lead + row_bytes(&*probe.kind, scene) + LONG_TIME_BYTES),
        // A row of text takes some times the bytes of its numbers.
        None => probe.kind.bytes(scene, probe.span).saturating_mul(4),
    }
}

/// Memory that a new process can take now, bytes.
#[must_use]
pub fn available_memory() -> u64 {
    // Where the system does not tell, nothing is refused.
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let free = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    system.available_memory().min(free)
}

/// `1.5 GB`, in powers of 1000.
#[must_use]
pub fn bytes_text(bytes: u128) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}
