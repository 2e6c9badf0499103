//! What arrives at all neurons of the device that are advanced by steps, and the table of edges that makes it
//! of spikes.
//!
//! A step of the sums is a row of *cells*, those of each bank in turn: receptor by receptor, in each a cell
//! for every neuron. In windows of some length most cells stay empty, so a bit for each cell and step (the
//! masks) tells the kernels where to look.

use super::arrivals::{self, Arrivals, RunList};
use super::memory::Growing;
use super::{Device, DeviceError, Program};
use crate::bank::{Bank, LANES, Neurons};
use crate::network::inbox::Run;
use crate::network::router::Router;
use crate::time::Time;

/// Steps of a word of masks.
const MASK_STEPS: usize = 32;
/// The most memory for sums, bytes; more would only save launches.
const MOST_BYTES: u64 = 1 << 30;
/// Longer runs are cut, so that no few threads have much to do.
pub(super) const LONGEST_RUN: u32 = 1024;
/// Threads that deliver a run, as in `deliver.cu` and `arrive.cu`.
pub(super) const TEAM: usize = 8;
/// Edges that are copied at a time.
const BATCH: usize = 1 << 20;
/// The cell of an edge that ends elsewhere.
const ELSEWHERE: u32 = u32::MAX;

/// Numbers from a column's start to the next one's: neurons, in whole blocks.
pub(super) fn stride(bank: &Bank) -> usize {
    bank.blocks() * LANES
}

/// A run of edges as kernels read it: its first edge and how many, its step, 0, and its time from the start of
/// the window (its lower and upper half).
pub(super) type DeviceRun = [u32; 6];

/// Where an edge ends in a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the host.
    Elsewhere,
    /// At the cells from this one on.
    Cells(u64),
    /// At event-driven neurons; those of the device are numbered, and this is the first.
    Events(u64),
}

/// Where the cells of the device's banks are, and how many steps of them there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cells {
    /// For each bank.
    pub(super) places: Vec<Place>,
    /// Cells of a step.
    pub(super) count: u64,
    /// Event-driven neurons, in whole blocks.
    pub(super) events: u64,
    /// Steps.
    pub(super) steps: usize,
}

impl Cells {
    /// For windows of at most so many steps, in about so many bytes. (One step there has to be.)
    pub(super) fn new(
        banks: &[Bank],
        is_here: impl Fn(&Bank) -> bool,
        window: u64,
        most_bytes: u64,
    ) -> Cells {
        let (mut count, mut events) = (0, 0);
        let place = |bank: &Bank| {
            let (cells, neurons) = (count, events);
            let stride = stride(bank) as u64;
            if !is_here(bank) {
                Place::Elsewhere
            } else if matches!(bank.neurons, Neurons::Event(_)) {
                events += stride;
                Place::Events(neurons)
            } else {
                count += stride * bank.layout.receptors.len() as u64;
                Place::Cells(cells)
            }
        };
        let places = banks.iter().map(place).collect();
        let most = most_bytes.min(MOST_BYTES) / (4 * count).max(1);
        let steps = window.min(most.max(1));
        // Whole words of masks, if there is room for one.
        let words = steps / MASK_STEPS as u64 * MASK_STEPS as u64;
        let steps = if steps < window && words > 0 { words } else { steps } as usize;
        Cells { places, count, events, steps }
    }

    /// The number of an edge's end: cells of steps come first, and then for each event-driven neuron one
    /// for each receptor that a model may have.
    fn end(&self, bank: usize, stride: usize, neuron: usize, receptor: usize) -> u64 {
        match self.places[bank] {
            Place::Elsewhere => u64::from(ELSEWHERE),
            Place::Cells(first) => first + (receptor * stride + neuron) as u64,
            Place::Events(first) => self.count + 8 * (first + neuron as u64) + receptor as u64,
        }
    }

    /// As many numbers as edges' ends have.
    pub(super) fn ends(&self) -> u64 {
        self.count.saturating_add(self.events.saturating_mul(8))
    }

    /// Words of masks; 0: every cell is looked at, because a mask would tell little.
    fn mask_words(&self) -> usize {
        if self.steps < MASK_STEPS { 0 } else { self.steps.div_ceil(MASK_STEPS) }
    }

    /// Memory of the sums with their masks, bytes.
    pub(super) fn bytes(&self) -> u128 {
        u128::from(self.count) * 4 * (self.steps + self.mask_words()) as u128
            + arrivals::bytes(self.events)
    }
}

/// The sums, and the table of edges.
pub(super) struct Sums<D: Device> {
    module: D::Module,
    pub(super) cells: Cells,
    sums: D::Buffer,
    masks: Option<D::Buffer>,
    edges: D::Buffer,
    banks: D::Buffer,
    bank_count: u64,
    runs: Growing<D>,
    changes: Growing<D>,
    /// What arrives at event-driven neurons, if there are some.
    pub(super) arrivals: Option<Arrivals<D>>,
}

/// What a piece of a window was delivered by.
pub(super) enum Delivered {
    /// Nothing arrives.
    Nothing,
    /// Few edges: these take their pulses out again.
    Few { threads: usize, arguments: [u64; 12] },
    /// So many edges that all cells are emptied.
    Many,
}

impl<D: Device> Sums<D> {
    /// Memory of a table of so many edges, bytes.
    pub(super) fn table_bytes(edges: usize) -> u128 {
        8 * edges as u128
    }

    /// Allocates the sums and copies the table.
    pub(super) fn new(
        device: &D,
        banks: &[Bank],
        cells: Cells,
        router: &Router,
    ) -> Result<Sums<D>, DeviceError> {
        let module = device.load(&Program::deliver())?;
        let sums = device.allocate(4 * cells.count as usize * cells.steps)?;
        let words = cells.mask_words();
        let masks = (words > 0).then(|| device.allocate(4 * cells.count as usize * words));
        let masks = masks.transpose()?;
        let mut here = Vec::new();
        // Of each block: its bank, and the first of its neurons there.
        let mut blocks = Vec::new();
        for ((index, bank), place) in banks.iter().enumerate().zip(&cells.places) {
            if let Place::Cells(first) = place {
                here.push([*first, stride(bank) as u64, index as u64]);
            }
            blocks.extend((0..bank.blocks()).map(|k| (index, stride(bank), k * LANES)));
        }
        let mut buffer = device.allocate(24 * here.len())?;
        device.write(&mut buffer, 0, bytemuck::cast_slice(&here))?;
        let mut edges = device.allocate(8 * router.edge_count())?;
        let mut batch: Vec<[u32; 2]> = Vec::new();
        let mut at = 0;
        let mut ends = router.ends().map(|([block, lane, receptor], weight)| {
            let (bank, stride, first) = blocks[block];
            [cells.end(bank, stride, first + lane, receptor) as u32, weight.cast_unsigned()]
        });
        loop {
            batch.clear();
            batch.extend(ends.by_ref().take(BATCH));
            if batch.is_empty() {
                break;
            }
            device.write(&mut edges, at, bytemuck::cast_slice(&batch))?;
            at += 8 * batch.len();
        }
        let arrivals = (cells.events > 0).then(|| Arrivals::new(device, cells.events));
        let arrivals = arrivals.transpose()?;
        Ok(Sums {
            module,
            sums,
            masks,
            edges,
            bank_count: here.len() as u64,
            banks: buffer,
            runs: Growing::none(),
            changes: Growing::none(),
            arrivals,
            cells,
        })
    }

    /// The addresses of sums and masks for a bank whose first cell this is.
    pub(super) fn of(&self, device: &D, first_cell: u64) -> [u64; 2] {
        let at = |buffer: &D::Buffer| device.address(buffer) + 4 * first_cell;
        [at(&self.sums), self.masks.as_ref().map_or(0, at)]
    }

    /// Gives edges new weights.
    pub(super) fn reweight(
        &mut self,
        device: &D,
        changes: &[(u32, i32)],
    ) -> Result<(), DeviceError> {
        if changes.is_empty() {
            return Ok(());
        }
        // The last change of an edge counts, and threads have no order.
        let last: std::collections::BTreeMap<u32, i32> = changes.iter().copied().collect();
        let changes: Vec<[u32; 2]> =
            last.into_iter().map(|(edge, weight)| [edge, weight.cast_unsigned()]).collect();
        let count = changes.len();
        let at = self.changes.filled(device, &changes)?;
        let arguments = [at, device.address(&self.edges), count as u64];
        self.launch(device, "reweight", count, &arguments)
    }

    /// Delivers the runs of `steps` steps of a window from `first` on; the earliest overflow goes to an
    /// address.
    pub(super) fn deliver(
        &mut self,
        device: &D,
        runs: &[Run],
        first: usize,
        steps: usize,
        overflow: u64,
    ) -> Result<Delivered, DeviceError> {
        let in_piece = first..first + steps;
        let in_piece = runs.iter().filter(|run| in_piece.contains(&(run.step as usize)));
        let step = |run: &Run| [run.step - first as u32, 0, 0, 0];
        let (own, edges) = device_runs(in_piece, step);
        if edges == 0 {
            return Ok(Delivered::Nothing);
        }
        let threads = TEAM * own.len();
        let runs = [self.runs.filled(device, &own)?, own.len() as u64, 0];
        let arguments = self.list_arguments(device, runs, threads, [overflow, 0]);
        self.launch(device, "deliver", threads, &arguments)?;
        // Emptying cells in a row is many times faster than looking for those of edges.
        let is_few = 16 * edges < self.cells.count * steps as u64;
        Ok(if is_few { Delivered::Few { threads, arguments } } else { Delivered::Many })
    }

    /// Delivers a list of runs that is on the device: its address, how many there are at most, and the address
    /// of how many there are (0: all), with so many threads. The earliest overflow goes to an address, its
    /// steps from an offset on.
    pub(super) fn deliver_list(
        &self,
        device: &D,
        [runs, count, counted]: [u64; 3],
        threads: usize,
        [overflow, offset]: [u64; 2],
    ) -> Result<(), DeviceError> {
        let arguments =
            self.list_arguments(device, [runs, count, counted], threads, [overflow, offset]);
        self.launch(device, "deliver", threads, &arguments)
    }

    /// The arguments of that.
    pub(super) fn list_arguments(
        &self,
        device: &D,
        [runs, count, counted]: [u64; 3],
        threads: usize,
        [overflow, offset]: [u64; 2],
    ) -> [u64; 12] {
        [
            runs,
            device.address(&self.edges),
            device.address(&self.sums),
            self.masks.as_ref().map_or(0, |masks| device.address(masks)),
            device.address(&self.banks),
            overflow,
            count,
            self.bank_count,
            self.cells.count,
            offset,
            counted,
            threads as u64,
        ]
    }

    /// Delivers a window's runs to event-driven neurons; what arrives at them is found at
    /// [`Sums::arrivals_of`] then.
    pub(super) fn deliver_events(
        &mut self,
        device: &D,
        runs: &[Run],
        start: Time,
    ) -> Result<(), DeviceError> {
        let Some(arrivals) = &mut self.arrivals else { return Ok(()) };
        let time = |run: &Run| {
            let since = (run.time - start).picoseconds();
            [0, 0, since as u32, (since >> 32) as u32]
        };
        let (runs, edges) = device_runs(runs.iter(), time);
        arrivals.deliver(device, &runs, edges, device.address(&self.edges), self.cells.count)
    }

    /// Delivers lists of runs that are on the device to event-driven neurons; how many arrivals that made goes to
    /// an address.
    pub(super) fn deliver_event_lists(
        &mut self,
        device: &D,
        lists: &[RunList],
        total: u64,
    ) -> Result<(), DeviceError> {
        let Some(arrivals) = &mut self.arrivals else { return Ok(()) };
        arrivals.deliver_lists(device, lists, total, device.address(&self.edges), self.cells.count)
    }

    /// The addresses of counts, ends and arrivals of a bank of event-driven neurons; 0: nothing arrives.
    pub(super) fn arrivals_of(&mut self, device: &D, first: u64) -> Result<[u64; 3], DeviceError> {
        self.arrivals.as_mut().map_or(Ok([0; 3]), |arrivals| arrivals.of(device, first))
    }

    /// Empties what was delivered in so many steps.
    pub(super) fn empty(
        &mut self,
        device: &D,
        delivered: &Delivered,
        steps: usize,
    ) -> Result<(), DeviceError> {
        match delivered {
            Delivered::Nothing => Ok(()),
            Delivered::Few { threads, arguments } => {
                self.launch(device, "withdraw", *threads, arguments)
            }
            Delivered::Many => {
                let row = 4 * self.cells.count as usize;
                device.clear(&mut self.sums, 0, row * steps)?;
                match &mut self.masks {
                    Some(masks) => device.clear(masks, 0, row * steps.div_ceil(MASK_STEPS)),
                    None => Ok(()),
                }
            }
        }
    }

    fn launch(
        &self,
        device: &D,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        // SAFETY: the arguments are in the order of the structures in `deliver.cu`. Runs are of the router's
        // table, which `edges` is a copy of, in steps below `cells.steps`; cells are below `cells.count`.
        unsafe { device.launch(&self.module, kernel, threads, arguments) }
    }
}

/// Runs as kernels read them, and how many edges they have; `when` gives the words of step and time.
pub(super) fn device_runs<'a>(
    runs: impl Iterator<Item = &'a Run>,
    when: impl Fn(&Run) -> [u32; 4],
) -> (Vec<DeviceRun>, u64) {
    let (mut all, mut edges) = (Vec::new(), 0);
    for run in runs {
        edges += u64::from(run.len);
        let [step, zero, low, high] = when(run);
        for from in (0..run.len).step_by(LONGEST_RUN as usize) {
            let len = LONGEST_RUN.min(run.len - from);
            all.push([run.first + from, len, step, zero, low, high]);
        }
    }
    (all, edges)
}
