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

/// The arrivals of a window.
pub(super) struct Arrivals<D: Device> {
    module: D::Module,
    neurons: u64,
    /// Of each neuron: how many, and where they end in the list.
    counts: D::Buffer,
    ends: D::Buffer,
    total: D::Buffer,
    list: Growing<D>,
    runs: Growing<D>,
    /// Where the list is; 0: nothing arrives.
    at: u64,
}

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
            runs: Growing::none(),
            at: 0,
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
        if self.at != 0 {
            device.clear(&mut self.counts, 0, 4 * self.neurons as usize)?;
            device.clear(&mut self.total, 0, 8)?;
            self.at = 0;
        }
        if edges == 0 {
            return Ok(());
        }
        if edges > u64::from(u32::MAX) {
            let answer = format!("{edges} pulses arrive in one window, more than 2^32");
            return Err(DeviceError::new("delivering spikes", answer));
        }
        let list = self.list.with(device, ARRIVAL * edges as usize)?;
        self.at = device.address(list);
        let arguments = [
            self.runs.filled(device, runs)?,
            table,
            device.address(&self.counts),
            device.address(&self.ends),
            self.at,
            device.address(&self.total),
            runs.len() as u64,
            self.neurons,
            first,
        ];
        let neurons = self.neurons as usize;
        for (kernel, threads) in [
            ("count_arrivals", TEAM * runs.len()),
            ("share_list", neurons),
            ("put_arrivals", TEAM * runs.len()),
            ("sort_arrivals", neurons),
        ] {
            // SAFETY: the arguments are in the order of the structure in `arrive.cu`. Runs are of the table; the
            // ends of its edges have numbers below `first` plus eight for each neuron, or all ones; the list
            // has room for every edge.
            unsafe { device.launch(&self.module, kernel, threads, &arguments)? };
        }
        Ok(())
    }

    /// The addresses of counts, ends and list from neuron `first` on; 0: nothing arrives.
    pub(super) fn of(&self, device: &D, first: u64) -> [u64; 3] {
        if self.at == 0 {
            return [0; 3];
        }
        let at = |buffer: &D::Buffer| device.address(buffer) + 4 * first;
        [at(&self.counts), at(&self.ends), self.at]
    }
}
