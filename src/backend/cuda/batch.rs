//! A batch of windows that the host does not see one by one, and how banks of both kinds go through it.

use std::ops::Range;

use super::sums::{DeviceRun, device_runs};
use super::{Device, DeviceError, OnDevice};
use crate::backend::{Advanced, Fault};
use crate::bank::Bank;
use crate::network::inbox::{Inbox, Run};
use crate::schedule::Window;
use crate::time::Time;

/// Windows that the host does not see one by one.
pub(super) struct Batch {
    pub(super) span: Window,
    /// Steps of a window, and of the first one.
    inner: usize,
    lead: usize,
    /// From the start of each window to its end.
    pub(super) windows: Vec<Range<Time>>,
}

impl Batch {
    /// At most so many steps of the host's window from `first` on, in windows that end at multiples of `inner`.
    /// `in_whole`: it ends where such a window ends, or the host's.
    pub(super) fn new(
        of_host: &Window,
        first: usize,
        most: usize,
        inner: usize,
        in_whole: bool,
    ) -> Batch {
        let first_step = of_host.first_step + first as u64;
        let lead = inner - (first_step % inner as u64) as usize;
        let left = of_host.steps as usize - first;
        let mut steps = most.min(left);
        if in_whole && steps < left {
            let whole = steps.saturating_sub(lead) / inner * inner;
            steps = (lead + whole).min(left);
        }
        let span = Window { first_step, steps: steps as u64, dt: of_host.dt };
        let mut batch = Batch { span, inner, lead, windows: Vec::new() };
        let time = |step: usize| Time::from_steps(first_step + step as u64, of_host.dt);
        let count = 1 + steps.saturating_sub(lead).div_ceil(inner);
        batch.windows = (0..count)
            .map(|window| {
                let (offset, steps) = batch.window(window);
                time(offset)..time(offset + steps)
            })
            .collect();
        batch
    }

    /// The first step of a window, from the start of the batch, and how many there are.
    pub(super) fn window(&self, window: usize) -> (usize, usize) {
        let from = |k: usize| k.checked_sub(1).map_or(0, |k| self.lead + k * self.inner);
        (from(window), from(window + 1).min(self.span.steps as usize) - from(window))
    }

    /// The runs of edges that the host delivers (its sources' spikes), window by window, and where those of
    /// each window begin.
    pub(super) fn host_runs(&self, inbox: &Inbox) -> (Vec<DeviceRun>, Vec<usize>) {
        let mut all = vec![Vec::new(); self.windows.len()];
        for run in inbox.runs() {
            let step = run.time.whole(self.span.dt).checked_sub(self.span.first_step);
            let Some(step) = step.map(|step| step as usize) else { continue };
            let window = step.checked_sub(self.lead).map_or(0, |step| 1 + step / self.inner);
            if let Some(own) = all.get_mut(window) {
                own.push(*run);
            }
        }
        let (mut runs, mut firsts) = (Vec::new(), vec![0]);
        for (own, span) in all.iter().zip(&self.windows) {
            let when = |run: &Run| {
                let since = (run.time - span.start).whole(self.span.dt);
                [since as u32, 0, since as u32, (since >> 32) as u32]
            };
            runs.extend(device_runs(own.iter(), when).0);
            firsts.push(runs.len());
        }
        (runs, firsts)
    }
}

/// How banks go through a batch. Both kinds say what each of these is.
impl<D: Device> OnDevice<D> {
    /// Bytes of the state of all neurons.
    pub(super) fn state_bytes(&self) -> usize {
        match self {
            OnDevice::Stepped(bank) => bank.state_bytes(),
            OnDevice::Event(bank) => bank.state_bytes(),
        }
    }

    pub(super) fn begin(
        &mut self,
        device: &D,
        bank: &Bank,
        batch: &Batch,
    ) -> Result<Option<u64>, DeviceError> {
        match self {
            OnDevice::Stepped(on_device) => on_device.begin(device, bank, &batch.span),
            OnDevice::Event(on_device) => on_device.begin(device, bank, &batch.windows),
        }
    }

    /// Steps of a batch, at most.
    pub(super) fn most_steps(&self) -> usize {
        match self {
            OnDevice::Stepped(bank) => bank.most_steps(),
            OnDevice::Event(_) => usize::MAX,
        }
    }

    pub(super) fn is_full(&mut self, device: &D) -> Result<bool, DeviceError> {
        match self {
            OnDevice::Stepped(_) => Ok(false),
            OnDevice::Event(bank) => bank.is_full(device),
        }
    }

    /// Makes a list of spikes that was too short longer; `false`: fewer windows at a time are to be taken.
    pub(super) fn lengthen(&mut self, device: &D, batch: &Batch) -> Result<bool, DeviceError> {
        match self {
            OnDevice::Stepped(_) => Ok(false),
            OnDevice::Event(bank) => bank.lengthen(device, batch.windows.len() == 1),
        }
    }

    /// Looks at whether something went wrong in a batch.
    pub(super) fn is_faulty(&mut self, device: &D) -> Result<bool, DeviceError> {
        match self {
            OnDevice::Stepped(bank) => bank.is_faulty(device),
            OnDevice::Event(bank) => Ok(bank.is_faulty()),
        }
    }

    /// Ends a batch: what it leaves is kept while the next one is under way, spikes only if somebody hears them.
    /// The result says whether something went wrong.
    pub(super) fn close(
        &mut self,
        device: &D,
        batch: &Batch,
        is_heard: bool,
    ) -> Result<bool, DeviceError> {
        match self {
            OnDevice::Stepped(bank) => bank.close(device, batch.span.steps as usize, is_heard),
            OnDevice::Event(bank) => Ok(bank.close()),
        }
    }

    pub(super) fn is_roomy(&self) -> bool {
        match self {
            OnDevice::Stepped(_) => true,
            OnDevice::Event(bank) => bank.is_roomy(),
        }
    }

    /// Hands over what a batch has left by a mark; the earliest fault.
    pub(super) fn finish(
        &mut self,
        device: &D,
        mark: &D::Mark,
        (bank, index): (&Bank, u32),
        batch: &Batch,
        is_heard: bool,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        match self {
            OnDevice::Stepped(on_device) => {
                on_device.finish(device, mark, bank, index, &batch.span, out)
            }
            OnDevice::Event(on_device) => {
                on_device.finish(device, mark, (bank, index), &batch.windows, is_heard, out)
            }
        }
    }

    pub(super) fn save(&self, device: &D, to: &mut D::Buffer) -> Result<(), DeviceError> {
        match self {
            OnDevice::Stepped(bank) => bank.save(device, to),
            OnDevice::Event(bank) => bank.save(device, to),
        }
    }

    pub(super) fn restore(&mut self, device: &D, from: &D::Buffer) -> Result<(), DeviceError> {
        match self {
            OnDevice::Stepped(bank) => bank.restore(device, from),
            OnDevice::Event(bank) => bank.restore(device, from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(host: (u64, u64), first: usize, most: usize, in_whole: bool) -> Vec<(u64, u64)> {
        let window = Window { first_step: host.0, steps: host.1, dt: Time::from_picoseconds(3) };
        let batch = Batch::new(&window, first, most, 10, in_whole);
        assert_eq!(batch.windows.last().unwrap().end, batch.span.end());
        let steps = |time: Time| time.picoseconds() / 3;
        batch.windows.iter().map(|span| (steps(span.start), steps(span.end))).collect()
    }

    #[test]
    fn windows_end_at_multiples_of_their_length() {
        assert_eq!(batch((20, 20), 0, 99, true), [(20, 30), (30, 40)]);
        assert_eq!(batch((23, 12), 0, 99, true), [(23, 30), (30, 35)]);
        assert_eq!(batch((23, 40), 7, 20, true), [(30, 40), (40, 50)]);
        assert_eq!(batch((23, 40), 7, 19, true), [(30, 40)]);
        assert_eq!(batch((23, 40), 7, 19, false), [(30, 40), (40, 49)]);
        // One window at least.
        assert_eq!(batch((20, 40), 0, 1, true), [(20, 30)]);
        assert_eq!(batch((23, 4), 0, 1, true), [(23, 27)]);
        assert_eq!(batch((23, 4), 0, 1, false), [(23, 24)]);
    }
}
