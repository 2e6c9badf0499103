//! What arrives at the event-driven neurons of the device: a list, of which each neuron has a part, sorted by
//! time.

use super::memory::Growing;
use super::sums::{DeviceRun, TEAM};
use super::{Device, DeviceError, Program};

/// Bytes of an arrival.
const ARRIVAL: usize = 16;

/// Memory for so many neurons, bytes; the list itself is as long as a window needs.
pub(super) fn bytes(neurons: u64) -> u128 {
    8 * u128::from(neurons)
}

/// Neurons that share their part of the list, as in `arrive.cu`.
const NEIGHBOURS: usize = 16;
/// More arrivals in a window cannot be numbered.
const MOST: u64 = u32::MAX as u64;

/// The arrivals of a window.
pub(super) struct Arrivals<D: Device> {
    module: D::Module,
    neurons: u64,
    /// Of each neuron: how many, and where they end in the list.
    counts: D::Buffer,
    ends: D::Buffer,
    total: D::Buffer,
    list: Growing<D>,
    /// Arrivals that the list holds.
    capacity: u64,
    runs: Growing<D>,
    /// Whether nothing has arrived, so that all counts are 0.
    is_empty: bool,
}

/// Runs that deliver: their address, how many there are at most, the address of how many there are (0: all),
/// and threads for them.
pub(super) type RunList = ([u64; 3], usize);

impl<D: Device> Arrivals<D> {
    /// For so many neurons.
    pub(super) fn new(device: &D, neurons: u64) -> Result<Arrivals<D>, DeviceError> {
        Ok(Arrivals {
            module: device.load(&Program::arrive())?,
            neurons,
            counts: device.allocate(4 * neurons as usize)?,
            ends: device.allocate(4 * neurons as usize)?,
            total: device.allocate(8)?,
            list: Growing::none(),
            capacity: 0,
            runs: Growing::none(),
            is_empty: true,
        })
    }

    /// Delivers runs with so many edges in all; edges whose end has a number below `first` are not of these
    /// neurons.
    pub(super) fn deliver(
        &mut self,
        device: &D,
        runs: &[DeviceRun],
        edges: u64,
        table: u64,
        first: u64,
    ) -> Result<(), DeviceError> {
        self.make_room(device, edges)?;
        let list = [self.runs.filled(device, runs)?, runs.len() as u64, 0];
        device.clear(&mut self.total, 0, 8)?;
        let total = device.address(&self.total);
        let lists = [(list, TEAM * runs.len())];
        self.deliver_lists(device, if edges == 0 { &[] } else { &lists }, total, table, first)
    }

    /// Makes room for so many arrivals in a window.
    pub(super) fn make_room(&mut self, device: &D, arrivals: u64) -> Result<(), DeviceError> {
        if arrivals > MOST {
            let answer = format!("{arrivals} pulses arrive in one window, more than 2^32");
            return Err(DeviceError::new("delivering spikes", answer));
        }
        if arrivals > self.capacity {
            let capacity = arrivals.next_power_of_two().min(MOST);
            self.list.with(device, ARRIVAL * capacity as usize)?;
            self.capacity = capacity;
        }
        Ok(())
    }

    /// Whether so many arrivals had room.
    pub(super) fn holds(&self, arrivals: u64) -> bool {
        arrivals <= self.capacity
    }

    /// Delivers lists of runs; how many arrivals that made goes to `total`. If these are more than there is room
    /// for, nothing arrives.
    pub(super) fn deliver_lists(
        &mut self,
        device: &D,
        lists: &[RunList],
        total: u64,
        table: u64,
        first: u64,
    ) -> Result<(), DeviceError> {
        if !self.is_empty {
            device.clear(&mut self.counts, 0, 4 * self.neurons as usize)?;
        }
        self.is_empty = lists.is_empty();
        let at = device.address(self.list.with(device, 0)?);
        let launch = |kernel, ([runs, count, counted], threads): RunList, of_runs: usize| {
            let arguments = [
                runs,
                table,
                device.address(&self.counts),
                device.address(&self.ends),
                at,
                total,
                self.capacity,
                count,
                counted,
                of_runs as u64,
                self.neurons,
                first,
            ];
            // SAFETY: the arguments are in the order of the structure in `arrive.cu`. Runs are of the table; the
            // ends of its edges have numbers below `first` plus eight for each neuron, or all ones; nothing is
            // written to a list that is too short.
            unsafe { device.launch(&self.module, kernel, threads, &arguments) }
        };
        let neurons = self.neurons as usize;
        for list in lists {
            launch("count_arrivals", *list, list.1)?;
        }
        if lists.is_empty() {
            return Ok(());
        }
        launch("share_list", ([0; 3], neurons.div_ceil(NEIGHBOURS)), 0)?;
        for list in lists {
            launch("put_arrivals", *list, list.1)?;
        }
        launch("sort_arrivals", ([0; 3], neurons), 0)
    }

    /// The addresses of counts, ends and list from neuron `first` on; 0: nothing arrives.
    pub(super) fn of(&mut self, device: &D, first: u64) -> Result<[u64; 3], DeviceError> {
        if self.is_empty {
            return Ok([0; 3]);
        }
        let at = |buffer: &D::Buffer| device.address(buffer) + 4 * first;
        let list = device.address(self.list.with(device, 0)?);
        Ok([at(&self.counts), at(&self.ends), list])
    }
}
