//! Digests of the spikes that nobody hears, added up on the device.

use super::batch::Batch;
use super::memory::copied;
use super::{Device, DeviceError, OnDevice};
use crate::backend::Advanced;
use crate::bank::Bank;
use crate::probe::digest::SpikeDigest;
use crate::schedule::Window;

/// Words of a digest.
const DIGEST: usize = 5;
/// Threads that make digests, and how many of a population's they share, as in `network.cu`.
const HASHING: usize = 1 << 16;
const COPIES: usize = 32;

/// Digests of the spikes of a batch.
pub(super) struct Digests<D: Device> {
    /// Of each slot of a bank: its population, and its index there.
    members: Vec<[D::Buffer; 2]>,
    /// Count and limbs of each copy of each population.
    sums: D::Buffer,
    populations: usize,
}

impl<D: Device> Digests<D> {
    pub(super) fn new(device: &D, banks: &[Bank]) -> Result<Digests<D>, DeviceError> {
        let mut members = Vec::new();
        let mut populations = 0;
        for bank in banks {
            let (mut of, mut index) = (Vec::new(), Vec::new());
            for member in &bank.members {
                populations = populations.max(member.population + 1);
                of.extend((0..member.len).map(|_| member.population as u32));
                index.extend(0..member.len);
            }
            members.push([copied(device, &of)?, copied(device, &index)?]);
        }
        let sums = device.allocate(8 * DIGEST * COPIES * populations)?;
        Ok(Digests { members, sums, populations })
    }

    /// Adds up the spikes of a batch that nobody hears.
    pub(super) fn sum_up(
        &mut self,
        device: &D,
        module: &D::Module,
        own: &[&mut OnDevice<D>],
        batch: &Batch,
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let words = DIGEST * COPIES * self.populations;
        device.clear(&mut self.sums, 0, 8 * words)?;
        for (on_device, members) in own.iter().zip(&self.members) {
            let [populations, indices] = [0, 1].map(|k| device.address(&members[k]));
            let to = [populations, indices, device.address(&self.sums)];
            let (kernel, threads, arguments) = match &**on_device {
                OnDevice::Stepped(on_device) => {
                    let [fired, stride] = on_device.fired(device);
                    let threads = HASHING.min(on_device.neurons());
                    let Window { first_step, steps, dt } = batch.span;
                    let neurons = on_device.neurons() as u64;
                    let own = [fired, stride, neurons, steps, first_step, dt.picoseconds()];
                    ("hash_spikes", threads, [&own[..], &to, &[threads as u64]].concat())
                }
                OnDevice::Event(on_device) => {
                    let list = on_device.list(device);
                    let threads = HASHING.min(list[2] as usize);
                    ("hash_timed", threads, [&list[..], &to, &[threads as u64]].concat())
                }
            };
            // SAFETY: the arguments are in the order of the structures in `network.cu`; slots are of this bank.
            unsafe { device.launch(module, kernel, threads, &arguments)? };
        }
        let mut sums = vec![0_u64; words];
        device.read(&self.sums, 0, bytemuck::cast_slice_mut(&mut sums))?;
        for (copy, [count, limbs @ ..]) in sums.as_chunks::<DIGEST>().0.iter().enumerate() {
            out.digests.push((copy / COPIES, SpikeDigest::of_limbs(*count, *limbs)));
        }
        Ok(())
    }
}
