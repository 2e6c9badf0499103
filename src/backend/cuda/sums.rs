//! What arrives at all neurons of the device, and the table of edges that makes it of spikes.
//!
//! A step of the sums is a row of *cells*, those of each bank in turn: receptor by receptor, in each a cell
//! for every neuron. In windows of some length most cells stay empty, so a bit for each cell and step (the
//! masks) tells the kernels where to look.

use super::memory::Growing;
use super::{Device, DeviceError, Program};
use crate::bank::{Bank, LANES};
use crate::network::inbox::Run;
use crate::network::router::Router;

/// Steps of a word of masks.
const MASK_STEPS: usize = 32;
/// The most memory for sums, bytes; more would only save launches.
const MOST_BYTES: u64 = 1 << 30;
/// Longer runs are cut, so that no few threads have much to do.
const LONGEST_RUN: u32 = 1024;
/// Threads that deliver a run, as in `deliver.cu`.
const TEAM: usize = 8;
/// Edges that are copied at a time.
const BATCH: usize = 1 << 20;
/// The cell of an edge that ends elsewhere.
const ELSEWHERE: u32 = u32::MAX;

/// Numbers from a column's start to the next one's: neurons, in whole blocks.
pub(super) fn stride(bank: &Bank) -> usize {
    bank.blocks() * LANES
}

/// Where the cells of the device's banks are, and how many steps of them there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cells {
    /// For each bank the first of its cells; `None`: it runs on the host.
    pub(super) first: Vec<Option<u64>>,
    /// Cells of a step.
    pub(super) count: u64,
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
        let mut count = 0;
        let first = |bank: &Bank| {
            let first = count;
            let own = (stride(bank) * bank.layout.receptors.len()) as u64;
            is_here(bank).then(|| {
                count += own;
                first
            })
        };
        let first = banks.iter().map(first).collect();
        let most = most_bytes.min(MOST_BYTES) / (4 * count).max(1);
        let steps = window.min(most.max(1));
        // Whole words of masks, if there is room for one.
        let words = steps / MASK_STEPS as u64 * MASK_STEPS as u64;
        let steps = if steps < window && words > 0 { words } else { steps } as usize;
        Cells { first, count, steps }
    }

    /// Words of masks; 0: every cell is looked at, because a mask would tell little.
    fn mask_words(&self) -> usize {
        if self.steps < MASK_STEPS { 0 } else { self.steps.div_ceil(MASK_STEPS) }
    }

    /// Memory of the sums with their masks, bytes.
    pub(super) fn bytes(&self) -> u128 {
        u128::from(self.count) * 4 * (self.steps + self.mask_words()) as u128
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
}

/// What a piece of a window was delivered by.
pub(super) enum Delivered {
    /// Nothing arrives.
    Nothing,
    /// Few edges: these take their pulses out again.
    Few { threads: usize, arguments: [u64; 9] },
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
        // Of each block: its first cell, and from one receptor to the next.
        let mut blocks = Vec::new();
        for ((index, bank), first) in banks.iter().enumerate().zip(&cells.first) {
            if let Some(first) = first {
                here.push([*first, stride(bank) as u64, index as u64]);
            }
            let of_block = |k| first.map(|first| (first as usize + k * LANES, stride(bank)));
            blocks.extend((0..bank.blocks()).map(of_block));
        }
        let mut buffer = device.allocate(24 * here.len())?;
        device.write(&mut buffer, 0, bytemuck::cast_slice(&here))?;
        let mut edges = device.allocate(8 * router.edge_count())?;
        let mut batch: Vec<[u32; 2]> = Vec::new();
        let mut at = 0;
        let mut ends = router.ends().map(|([block, lane, receptor], weight)| {
            let cell = blocks[block].map(|(first, stride)| first + receptor * stride + lane);
            [cell.map_or(ELSEWHERE, |cell| cell as u32), weight.cast_unsigned()]
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
        Ok(Sums {
            module,
            sums,
            masks,
            edges,
            bank_count: here.len() as u64,
            banks: buffer,
            runs: Growing::none(),
            changes: Growing::none(),
            cells,
        })
    }

    /// The addresses of sums and masks for a bank whose first cell this is.
    pub(super) fn of(&self, device: &D, first_cell: u64) -> [u64; 2] {
        let at = |buffer| device.address(buffer) + 4 * first_cell;
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
        let mut own: Vec<[u32; 4]> = Vec::new();
        let mut edges = 0;
        let in_piece = first..first + steps;
        for run in runs.iter().filter(|run| in_piece.contains(&(run.step as usize))) {
            edges += u64::from(run.len);
            let step = run.step - first as u32;
            for from in (0..run.len).step_by(LONGEST_RUN as usize) {
                own.push([run.first + from, LONGEST_RUN.min(run.len - from), step, 0]);
            }
        }
        if edges == 0 {
            return Ok(Delivered::Nothing);
        }
        let arguments = [
            self.runs.filled(device, &own)?,
            device.address(&self.edges),
            device.address(&self.sums),
            self.masks.as_ref().map_or(0, |masks| device.address(masks)),
            device.address(&self.banks),
            overflow,
            own.len() as u64,
            self.bank_count,
            self.cells.count,
        ];
        let threads = TEAM * own.len();
        self.launch(device, "deliver", threads, &arguments)?;
        // Emptying cells in a row is many times faster than looking for those of edges.
        let is_few = 16 * edges < self.cells.count * steps as u64;
        Ok(if is_few { Delivered::Few { threads, arguments } } else { Delivered::Many })
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
