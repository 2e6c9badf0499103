//! Groups of sources on the device, and the list of their spikes.

use super::memory::copied;
use super::{Device, DeviceError};
use crate::network::source::{ByRule, Emission};

/// Bytes of a source's spike.
pub(super) const FIRED: usize = 16;

/// A group of sources on the device.
pub(super) struct Sources<D: Device> {
    /// Its index in the scene.
    pub(super) group: usize,
    /// The number of the first among emitters.
    pub(super) first: u32,
    pub(super) count: usize,
    pub(super) kernel: &'static str,
    pub(super) rate_steps: usize,
    pub(super) key: u64,
    pub(super) name: u32,
    /// Next spike, spikes drawn, step of the rate; and the same at the start of the batch.
    pub(super) state: [D::Buffer; 3],
    pub(super) saved: [D::Buffer; 3],
    /// Interval, rate, phase, start of each step of the rate.
    pub(super) constants: [D::Buffer; 4],
}

impl<D: Device> Sources<D> {
    pub(super) fn new(
        device: &D,
        emission: &Emission,
        first: u32,
    ) -> Result<Sources<D>, DeviceError> {
        let count = emission.next.len();
        let ticks: Vec<u64> = emission.next.iter().map(|time| time.picoseconds()).collect();
        let (kernel, starts, key, name, intervals, phases) = match &emission.rule {
            ByRule::Regular { intervals, phases } => {
                ("emit_regular", Vec::new(), 0, 0, intervals.clone(), phases.clone())
            }
            ByRule::Poisson { starts, key, name } => {
                ("emit_poisson", starts.clone(), *key, *name, Vec::new(), Vec::new())
            }
        };
        let (mut state, zeros) = (Vec::new(), vec![0_u64; count]);
        let mut saved = Vec::new();
        for numbers in [&ticks, &emission.drawn, &emission.step] {
            state.push(copied(device, numbers)?);
            saved.push(copied(device, &zeros)?);
        }
        let three = |buffers: Vec<D::Buffer>| -> Result<[D::Buffer; 3], DeviceError> {
            buffers.try_into().map_err(|_| DeviceError::new("allocating sources", "not three"))
        };
        Ok(Sources {
            group: emission.group,
            first,
            count,
            kernel,
            rate_steps: starts.len(),
            key,
            name,
            state: three(state)?,
            saved: three(saved)?,
            constants: [
                copied(device, &intervals)?,
                copied(device, &emission.rates)?,
                copied(device, &phases)?,
                copied(device, &starts)?,
            ],
        })
    }
}

/// The list of spikes of sources in a batch.
pub(super) struct Fired<D: Device> {
    /// `None`: nobody hears them.
    pub(super) spikes: Option<D::Buffer>,
    pub(super) capacity: usize,
    pub(super) count: D::Buffer,
    /// What was read of the count.
    pub(super) found: usize,
}

impl<D: Device> Fired<D> {
    pub(super) fn new(device: &D, capacity: usize) -> Result<Fired<D>, DeviceError> {
        let mut fired = Fired { spikes: None, capacity: 0, count: device.allocate(8)?, found: 0 };
        if capacity > 0 {
            fired.lengthen(device, capacity)?;
        }
        Ok(fired)
    }

    pub(super) fn lengthen(&mut self, device: &D, capacity: usize) -> Result<(), DeviceError> {
        self.spikes = Some(device.allocate(FIRED * capacity)?);
        self.capacity = capacity;
        Ok(())
    }

    /// Looks at how many there are; whether the list has held them.
    pub(super) fn look(&mut self, device: &D) -> Result<bool, DeviceError> {
        let mut count = 0_u64;
        if self.spikes.is_some() {
            device.read(&self.count, 0, bytemuck::bytes_of_mut(&mut count))?;
        }
        self.found = count as usize;
        Ok(self.found <= self.capacity)
    }
}
