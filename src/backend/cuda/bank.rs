//! A bank on the device.
//!
//! A window goes through it in launches, usually one; a window whose sums would need too much memory takes
//! several. A neuron that fires sets a bit of its own; a kernel makes a list of them for the host, as long as
//! it has to be. So no spike is lost.

use std::ops::Range;

use super::memory::Growing;
use super::sums::stride;
use super::{Device, DeviceError, Program};
use crate::backend::{Advanced, Fault, FaultKind, Sample};
use crate::bank::transfer::Readback;
use crate::bank::{Bank, Columns, Neurons, Row, Stepped, Written};
use crate::schedule::Window;
use crate::solver::kernel::Layout;
use crate::time::Time;

/// The most memory for samples of a launch, bytes.
const MOST_SAMPLE_BYTES: usize = 1 << 28;
/// The most memory for the bits of what fires, bytes; longer spans are cut.
const MOST_FIRED_BYTES: usize = 1 << 28;
/// Steps of a word of these bits.
const WORD_STEPS: usize = 32;
/// Bytes of the header before the list of spikes: how many there are, and the earliest faults.
const HEADER: usize = 32;
const SPIKE: usize = 8;
/// No fault.
const NONE: u64 = u64::MAX;

/// What a bank needs on the device.
pub(super) struct Plan {
    /// What takes how many bytes.
    pub(super) parts: Vec<(String, u128)>,
}

impl Plan {
    /// For launches of at most so many steps.
    pub(super) fn new(bank: &Bank, steps: usize) -> Plan {
        let stride = stride(bank);
        let layout = &bank.layout;
        let columns = |n: usize| (n * stride * 4) as u128;
        let name = bank.model.name();
        let words = steps.min(most_steps(stride)).div_ceil(WORD_STEPS);
        let parts = vec![
            (format!("the parameters of `{name}`"), columns(layout.resting_parameters.len())),
            (format!("the state of `{name}`"), columns(2 * layout.resting_state.len())),
            // Their bits, and at first two lists with room for one of each neuron.
            (format!("the spikes of `{name}`"), columns(words + 2 * SPIKE / 4)),
        ];
        Plan { parts }
    }
}

/// Steps for whose bits of what fires there is memory.
fn most_steps(stride: usize) -> usize {
    WORD_STEPS * (MOST_FIRED_BYTES / (4 * stride)).max(1)
}

/// A piece of a window, in the steps of the device's banks.
pub(super) struct Piece<'a> {
    pub(super) window: &'a Window,
    /// Addresses of sums and masks of the bank, and how many cells a step has.
    pub(super) sums: [u64; 2],
    pub(super) cells: u64,
}

/// A bank on the device.
pub(super) struct DeviceBank<D: Device> {
    module: D::Module,
    layout: Layout,
    neurons: usize,
    stride: usize,
    parameters: D::Buffer,
    /// At the start and at the end of a launch.
    state: [D::Buffer; 2],
    /// Bit t % 32 of [t / 32][neuron]: fires in step t of a launch, or of a batch.
    fired: Growing<D>,
    /// Of the launch or batch that is under way.
    outbox: Outbox<D>,
    /// Of the one before: the host may take from it what it has left.
    closed: Outbox<D>,
    changes: Growing<D>,
    drives: Growing<D>,
    drive_of: Option<D::Buffer>,
    requests: Growing<D>,
    requests_of: Growing<D>,
    /// Requests for which `requests_of` was made.
    known_requests: usize,
    /// Addresses of drives and samples of the batch that is under way.
    begun_at: [u64; 4],
    /// The end of the last window.
    now: Time,
}

/// The samples that a launch takes.
#[derive(Default)]
struct LaunchSamples {
    /// For each request of the bank, as the kernel reads it: when the first is due, every how many steps, how
    /// many in all, and where they go.
    requests: Vec<[u32; 4]>,
    /// How many there are.
    rows: usize,
}

/// What launches leave for the host.
struct Outbox<D: Device> {
    /// Header and spikes.
    results: D::Buffer,
    /// Spikes that their list holds.
    capacity: usize,
    /// What was read of the results, as words: the header, and spikes.
    read: Vec<u64>,
    /// How the samples lie.
    taken: LaunchSamples,
    samples: Growing<D>,
}

/// Spikes that are read with the header.
const FIRST_SPIKES: usize = 64;

impl<D: Device> Outbox<D> {
    /// With a list for so many spikes.
    fn new(device: &D, capacity: usize) -> Result<Outbox<D>, DeviceError> {
        Ok(Outbox {
            results: device.allocate(HEADER + capacity * SPIKE)?,
            capacity,
            read: vec![0; HEADER / 8 + capacity.min(FIRST_SPIKES)],
            taken: LaunchSamples::default(),
            samples: Growing::none(),
        })
    }

    /// Looks at what is in it.
    fn look(&mut self, device: &D) -> Result<Launched, DeviceError> {
        let first = &mut self.read[..HEADER / 8 + self.capacity.min(FIRST_SPIKES)];
        device.read(&self.results, 0, bytemuck::cast_slice_mut(first))?;
        Ok(self.launched())
    }

    /// What was seen in it.
    fn launched(&self) -> Launched {
        let [spikes, not_finite, overflow] = [self.read[0], self.read[1], self.read[2]];
        Launched { spikes: spikes as usize, not_finite, overflow }
    }

    /// Hands over its spikes, as were in it by a mark: those of steps of a piece from `first` on.
    fn collect(
        &mut self,
        device: &D,
        mark: &D::Mark,
        (bank, piece, first): (u32, &Window, usize),
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let (header, spikes) = (HEADER / 8, self.launched().spikes);
        if spikes > FIRST_SPIKES {
            // Room for a few more than these next time.
            let room = header + (spikes + spikes / 4).min(self.capacity);
            self.read.resize(room.max(self.read.len()), 0);
            let rest = &mut self.read[header + FIRST_SPIKES..header + spikes];
            let at = HEADER + FIRST_SPIKES * SPIKE;
            device.read_after(mark, &self.results, at, bytemuck::cast_slice_mut(rest))?;
        }
        let spikes: &[[u32; 2]] = bytemuck::cast_slice(&self.read[header..header + spikes]);
        let spikes = spikes.iter().map(|[slot, step]| {
            let end = piece.first_step + first as u64 + u64::from(*step) + 1;
            (Time::from_steps(end, piece.dt), *slot)
        });
        out.spikes[bank as usize].list().extend(spikes);
        Ok(())
    }

    /// Hands over its samples, of so many columns, as were in it by a mark.
    fn take_samples(
        &mut self,
        device: &D,
        mark: &D::Mark,
        (bank, width): (&Bank, usize),
        (index, piece, first): (u32, &Window, usize),
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let LaunchSamples { requests, rows } = std::mem::take(&mut self.taken);
        if rows == 0 {
            return Ok(());
        }
        let mut states = vec![0.0_f32; rows * width];
        let buffer = self.samples.with(device, 0)?;
        device.read_after(mark, buffer, 0, bytemuck::cast_slice_mut(&mut states))?;
        let mut states = states.chunks_exact(width);
        for (request, [next, _, count, _]) in requests.iter().enumerate() {
            let next = piece.first_step + first as u64 + u64::from(*next);
            for k in 0..u64::from(*count) {
                let step = next + k * bank.samples[request].every;
                out.samples.extend(states.next().map(|state| Sample {
                    bank: index,
                    request: request as u32,
                    time: Time::from_steps(step, piece.dt),
                    state: state.iter().map(|x| f64::from(*x)).collect(),
                }));
            }
        }
        Ok(())
    }
}

/// Spikes and faults of a launch.
struct Launched {
    spikes: usize,
    not_finite: u64,
    overflow: u64,
}

impl<D: Device> DeviceBank<D> {
    /// Compiles its kernels and allocates its memory.
    pub(super) fn new(device: &D, bank: &Bank) -> Result<DeviceBank<D>, DeviceError> {
        let stepped = bank.stepped();
        let program = stepped.and_then(|stepped| Program::euler(&*stepped.kernel));
        let no_source = || DeviceError::new("compiling", "the kernel has no CUDA source");
        let module = device.load(&program.ok_or_else(no_source)?)?;
        let (layout, stride) = (bank.layout.clone(), stride(bank));
        let columns = |n: usize| device.allocate(n * stride * 4);
        let states = layout.resting_state.len();
        let mut drive_of = None;
        if !bank.drives.is_empty() {
            let mut of = vec![u32::MAX; stride];
            for (k, drive) in bank.drives.iter().enumerate() {
                of[drive.slots.start as usize..drive.slots.end as usize].fill(k as u32);
            }
            let mut buffer = columns(1)?;
            device.write(&mut buffer, 0, bytemuck::cast_slice(&of))?;
            drive_of = Some(buffer);
        }
        Ok(DeviceBank {
            module,
            neurons: bank.len() as usize,
            stride,
            parameters: columns(layout.resting_parameters.len())?,
            state: [columns(states)?, columns(states)?],
            fired: Growing::none(),
            outbox: Outbox::new(device, stride)?,
            closed: Outbox::new(device, stride)?,
            changes: Growing::none(),
            drives: Growing::none(),
            drive_of,
            requests: Growing::none(),
            requests_of: Growing::none(),
            known_requests: 0,
            begun_at: [0; 4],
            now: Time::ZERO,
            layout,
        })
    }

    /// The end of the last window that it went through.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Forgets spikes and faults. The result is where the earliest overflow of sums goes.
    pub(super) fn reset(&mut self, device: &D) -> Result<u64, DeviceError> {
        let header = [0, NONE, NONE, NONE];
        device.write(&mut self.outbox.results, 0, bytemuck::cast_slice(&header))?;
        Ok(device.address(&self.outbox.results) + 16)
    }

    /// Advances all neurons through a piece of a window whose arrivals are in the sums. The result is the
    /// earliest fault; its step counts from the start of the piece.
    pub(super) fn advance(
        &mut self,
        device: &D,
        bank: &Bank,
        index: u32,
        piece: &Piece,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let drives = self.write_drives(device, bank, piece.window)?;
        let of_piece = piece.window.steps as usize;
        let mut first = 0;
        while first < of_piece {
            let mut steps = self.most_steps().min(of_piece - first);
            let mut samples = self.samples_in(bank, piece.window, first, steps);
            let bytes = |rows: usize| rows * self.layout.resting_state.len() * 4;
            while bytes(samples.rows) > MOST_SAMPLE_BYTES && steps > 1 {
                steps = steps.div_ceil(2);
                samples = self.samples_in(bank, piece.window, first, steps);
            }
            self.step(device, bank, piece, first..first + steps, drives, samples)?;
            self.state.swap(0, 1);
            let launched = self.list(device, steps)?;
            let (mark, width) = (device.mark()?, self.layout.resting_state.len());
            let at = (index, piece.window, first);
            self.outbox.collect(device, &mark, at, out)?;
            self.outbox.take_samples(device, &mark, (bank, width), at, out)?;
            if launched.spikes > 0 {
                // The next list begins anew.
                device.write(&mut self.outbox.results, 0, bytemuck::bytes_of(&0_u64))?;
            }
            first += steps;
            let fault = launched.fault(index, first);
            if fault.is_some() {
                return Ok(fault);
            }
        }
        self.now = piece.window.end();
        Ok(None)
    }

    /// The most steps that a launch or a batch may have.
    pub(super) fn most_steps(&self) -> usize {
        most_steps(self.stride)
    }

    /// Begins a batch of windows, of which the host sees nothing until it has [finished](DeviceBank::finish).
    /// The result is the address of the header; `None`: its samples would take too much memory.
    pub(super) fn begin(
        &mut self,
        device: &D,
        bank: &Bank,
        span: &Window,
    ) -> Result<Option<u64>, DeviceError> {
        let samples = self.samples_in(bank, span, 0, span.steps as usize);
        let bytes = samples.rows * self.layout.resting_state.len() * 4;
        if bytes > MOST_SAMPLE_BYTES && span.steps > 1 {
            return Ok(None);
        }
        self.reset(device)?;
        self.fired.with(device, 4 * self.stride * (span.steps as usize).div_ceil(WORD_STEPS))?;
        let drives = self.write_drives(device, bank, span)?;
        let [requests, requests_of, at] = self.write_requests(device, bank, samples)?;
        self.begun_at = [drives, requests, requests_of, at];
        Ok(Some(device.address(&self.outbox.results)))
    }

    /// Advances all neurons through a window of a batch whose arrivals are in the sums, which are emptied.
    pub(super) fn go(
        &mut self,
        device: &D,
        ([sums, masks], cells): ([u64; 2], u64),
        offset: usize,
        steps: usize,
        drive_steps: u64,
    ) -> Result<(), DeviceError> {
        let [drives, sampling @ ..] = self.begun_at;
        let range = [0, steps as u64, drive_steps, offset as u64, 0, 1];
        let arguments = self.arguments(device, [sums, masks, cells], drives, sampling, range);
        self.launch(device, "advance", self.neurons, &arguments)?;
        self.state.swap(0, 1);
        Ok(())
    }

    /// The address of the bits of what has fired, and how far apart those of two words are.
    pub(super) fn fired(&self, device: &D) -> [u64; 2] {
        [self.fired.address(device), self.stride as u64]
    }

    /// How many neurons it has.
    pub(super) fn neurons(&self) -> usize {
        self.neurons
    }

    /// Looks at whether something went wrong in the batch.
    pub(super) fn is_faulty(&mut self, device: &D) -> Result<bool, DeviceError> {
        Ok(self.outbox.look(device)?.is_faulty())
    }

    /// Ends a batch of so many steps: what it leaves is kept while the next one is under way. Spikes only if
    /// somebody hears them; if nobody does, it was looked at. The result says whether something went wrong.
    pub(super) fn close(
        &mut self,
        device: &D,
        steps: usize,
        is_heard: bool,
    ) -> Result<bool, DeviceError> {
        if is_heard {
            self.list(device, steps)?;
        }
        std::mem::swap(&mut self.outbox, &mut self.closed);
        Ok(self.closed.launched().is_faulty())
    }

    /// Hands over what a batch has left by a mark. The result is the earliest fault; its step counts from the
    /// start of the batch.
    pub(super) fn finish(
        &mut self,
        device: &D,
        mark: &D::Mark,
        bank: &Bank,
        index: u32,
        span: &Window,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let (own, width) = ((index, span, 0), self.layout.resting_state.len());
        self.closed.collect(device, mark, own, out)?;
        self.closed.take_samples(device, mark, (bank, width), own, out)?;
        let fault = self.closed.launched().fault(index, span.steps as usize);
        if fault.is_none() {
            self.now = span.end();
        }
        Ok(fault)
    }

    /// Bytes of the state of all neurons.
    pub(super) fn state_bytes(&self) -> usize {
        self.layout.resting_state.len() * self.stride * 4
    }

    /// Copies the state elsewhere.
    pub(super) fn save(&self, device: &D, to: &mut D::Buffer) -> Result<(), DeviceError> {
        device.copy(&self.state[0], to, self.layout.resting_state.len() * self.stride * 4)
    }

    /// Takes the state from elsewhere.
    pub(super) fn restore(&mut self, device: &D, from: &D::Buffer) -> Result<(), DeviceError> {
        device.copy(from, &mut self.state[0], self.layout.resting_state.len() * self.stride * 4)
    }

    /// Brings state columns into the bank.
    pub(super) fn fetch(
        &mut self,
        device: &D,
        bank: &mut Bank,
        what: Readback,
    ) -> Result<(), DeviceError> {
        let Neurons::Stepped(Stepped { state, .. }) = &mut bank.neurons else { return Ok(()) };
        let is_current = |column| self.layout.circuits.iter().any(|(_, at)| *at == column);
        let is_wanted = |column: &usize| {
            what == Readback::ALL
                || what.membrane && *column == self.layout.membrane
                || what.synaptic && is_current(*column)
        };
        let mut numbers = vec![0.0_f32; self.stride];
        for column in (0..state.width()).filter(is_wanted) {
            let at = column * self.stride * 4;
            device.read(&self.state[0], at, bytemuck::cast_slice_mut(&mut numbers))?;
            for (Row(row), numbers) in state.column_mut(column).zip(numbers.as_chunks().0) {
                *row = *numbers;
            }
        }
        Ok(())
    }

    /// Copies what was written since the last window: whole columns of parameters, single numbers of the
    /// state, whose other neurons are up to date on the device only.
    pub(super) fn upload(&mut self, device: &D, bank: &mut Bank) -> Result<(), DeviceError> {
        let Neurons::Stepped(Stepped { parameters, state, .. }) = &mut bank.neurons else {
            return Ok(());
        };
        let columns: Vec<usize> = match parameters.take_written() {
            Written::Everything => (0..parameters.width()).collect(),
            Written::Columns(columns) => columns.into_iter().map(|(column, _)| column).collect(),
        };
        copy_columns(device, parameters, &columns, self.stride, &mut self.parameters)?;
        match state.take_written() {
            Written::Everything => {
                let all: Vec<usize> = (0..state.width()).collect();
                copy_columns(device, state, &all, self.stride, &mut self.state[0])?;
            }
            Written::Columns(columns) => {
                let change = |column: usize, neuron: u32| {
                    let value = state.get(neuron as usize, column);
                    [(column * self.stride) as u32 + neuron, value.to_bits()]
                };
                let changes: Vec<[u32; 2]> = columns
                    .iter()
                    .flat_map(|(column, neurons)| neurons.iter().map(|n| change(*column, *n)))
                    .collect();
                if !changes.is_empty() {
                    let at = self.changes.filled(device, &changes)?;
                    let state = device.address(&self.state[0]);
                    let arguments = [at, state, changes.len() as u64];
                    self.launch(device, "write_state", changes.len(), &arguments)?;
                }
            }
        }
        Ok(())
    }

    /// The direct inputs in each step of a piece of a window; 0: there are none.
    fn write_drives(
        &mut self,
        device: &D,
        bank: &Bank,
        piece: &Window,
    ) -> Result<u64, DeviceError> {
        if bank.drives.is_empty() {
            return Ok(0);
        }
        let mut values = Vec::with_capacity(bank.drives.len() * piece.steps as usize);
        for drive in &bank.drives {
            let (mut value, mut change) = (0.0, 0);
            for step in piece.first_step..piece.first_step + piece.steps {
                if step >= change {
                    value = drive.waveform.in_step(step, piece.dt) as f32;
                    change = drive.waveform.next_change(step, piece.dt);
                }
                values.push(value);
            }
        }
        self.drives.filled(device, &values)
    }

    /// One launch, of some steps of a piece: state is read from the first buffer and written to the second.
    fn step(
        &mut self,
        device: &D,
        bank: &Bank,
        piece: &Piece,
        steps: Range<usize>,
        drives: u64,
        samples: LaunchSamples,
    ) -> Result<(), DeviceError> {
        self.fired.with(device, 4 * self.stride * steps.len().div_ceil(WORD_STEPS))?;
        let sampling = self.write_requests(device, bank, samples)?;
        let [sums, masks] = piece.sums;
        let (first, count) = (steps.start as u64, steps.len() as u64);
        let range = [first, count, piece.window.steps, 0, first, 0];
        let sums = [sums, masks, piece.cells];
        let arguments = self.arguments(device, sums, drives, sampling, range);
        self.launch(device, "advance", self.neurons, &arguments)
    }

    /// Lists the spikes of so many steps; how many they are, and the faults, are read.
    fn list(&mut self, device: &D, steps: usize) -> Result<Launched, DeviceError> {
        let [fired, stride] = self.fired(device);
        loop {
            let results = device.address(&self.outbox.results);
            let arguments = [
                fired,
                results,
                results + HEADER as u64,
                self.outbox.capacity as u64,
                self.neurons as u64,
                stride,
                steps as u64,
            ];
            self.launch(device, "list_spikes", self.neurons, &arguments)?;
            let launched = self.outbox.look(device)?;
            let Launched { spikes, not_finite, overflow } = launched;
            if spikes <= self.outbox.capacity {
                return Ok(launched);
            }
            // Too many for the list: again, with one that holds them.
            self.outbox.capacity = spikes.next_power_of_two();
            self.outbox.results = device.allocate(HEADER + SPIKE * self.outbox.capacity)?;
            let header = [0, not_finite, overflow, NONE];
            device.write(&mut self.outbox.results, 0, bytemuck::cast_slice(&header))?;
        }
    }

    /// The addresses of requests for samples, of where those of each neuron begin, and of the samples.
    fn write_requests(
        &mut self,
        device: &D,
        bank: &Bank,
        samples: LaunchSamples,
    ) -> Result<[u64; 3], DeviceError> {
        self.outbox.taken = samples;
        let LaunchSamples { requests, rows } = &self.outbox.taken;
        if *rows == 0 {
            return Ok([0; 3]);
        }
        let bytes = rows * self.layout.resting_state.len() * 4;
        Ok([
            self.requests.filled(device, requests)?,
            self.requests_of(device, bank)?,
            device.address(self.outbox.samples.with(device, bytes)?),
        ])
    }

    /// The arguments of a launch of so many steps from a first one on (as sums and masks count them): with the
    /// steps of drives, those before the launch, the one that is the first bit of what has fired, and whether
    /// sums are emptied.
    fn arguments(
        &self,
        device: &D,
        [sums, masks, cells]: [u64; 3],
        drives: u64,
        [requests, requests_of, samples]: [u64; 3],
        [first, steps, drive_steps, offset, fired_from, empties]: [u64; 6],
    ) -> [u64; 21] {
        let [fired, stride] = self.fired(device);
        [
            device.address(&self.parameters),
            device.address(&self.state[0]),
            device.address(&self.state[1]),
            masks,
            sums,
            drives,
            self.drive_of.as_ref().map_or(0, |buffer| device.address(buffer)),
            requests,
            requests_of,
            samples,
            device.address(&self.outbox.results),
            fired,
            self.neurons as u64,
            stride,
            cells,
            first,
            steps,
            drive_steps,
            offset,
            fired_from,
            empties,
        ]
    }

    /// Where the requests of each neuron start.
    fn requests_of(&mut self, device: &D, bank: &Bank) -> Result<u64, DeviceError> {
        if self.known_requests != bank.samples.len() {
            let mut of = vec![0_u32; self.neurons + 1];
            bank.samples.iter().for_each(|request| of[request.slot as usize + 1] += 1);
            for n in 0..self.neurons {
                of[n + 1] += of[n];
            }
            self.requests_of.filled(device, &of)?;
            self.known_requests = bank.samples.len();
        }
        Ok(device.address(self.requests_of.with(device, 0)?))
    }

    /// What each request gets from `steps` steps of a piece from `first` on.
    fn samples_in(&self, bank: &Bank, piece: &Window, first: usize, steps: usize) -> LaunchSamples {
        let start = piece.first_step + first as u64;
        let end = start + steps as u64;
        let mut rows = 0;
        let mut requests = Vec::with_capacity(bank.samples.len());
        for request in &bank.samples {
            // The state before a step is that after the one before it, and of that launch; but the state at
            // the very start is of the first.
            let from = request.from.max(if start == 0 { 0 } else { start + 1 });
            let next = from.checked_next_multiple_of(request.every).unwrap_or(u64::MAX);
            let end = end.min(request.to.saturating_sub(1));
            if next > end || next >= request.to {
                requests.push([0; 4]);
                continue;
            }
            let count = (end - next) / request.every + 1;
            let every = u32::try_from(request.every).unwrap_or(u32::MAX);
            requests.push([(next - start) as u32, every, count as u32, rows as u32]);
            rows += count as usize;
        }
        LaunchSamples { requests, rows }
    }

    fn launch(
        &self,
        device: &D,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        // SAFETY: the arguments are in the order of the structures in `euler.cu`, for buffers of the sizes
        // that `new` and `Growing` give them; buffers that are replaced are freed
        // when the work before is done ([`Device::Buffer`]).
        unsafe { device.launch(&self.module, kernel, threads, arguments) }
    }
}

impl Launched {
    fn is_faulty(&self) -> bool {
        [self.not_finite, self.overflow] != [NONE; 2]
    }

    /// The earliest fault before step `end` of the piece. Overflows are those of all banks.
    fn fault(&self, bank: u32, end: usize) -> Option<Fault> {
        let not_finite = (self.not_finite != NONE).then(|| {
            let (step, slot) = (self.not_finite >> 32, self.not_finite as u32);
            Fault { step, bank, slot, kind: FaultKind::NotFinite }
        });
        let overflow = (self.overflow != NONE).then(|| {
            let (step, bank) = (self.overflow >> 48, (self.overflow >> 32) as u16);
            let (slot, receptor) = (self.overflow as u32 >> 3, self.overflow as u8 & 7);
            Fault { step, bank: bank.into(), slot, kind: FaultKind::InputOverflow(receptor) }
        });
        not_finite.into_iter().chain(overflow).min().filter(|fault| fault.step < end as u64)
    }
}

/// Copies columns of all neurons, those that lie in a row at once.
fn copy_columns<D: Device>(
    device: &D,
    columns: &Columns,
    which: &[usize],
    stride: usize,
    to: &mut D::Buffer,
) -> Result<(), DeviceError> {
    let mut numbers: Vec<f32> = Vec::new();
    for row in which.chunk_by(|a, b| a + 1 == *b) {
        numbers.clear();
        for column in row {
            columns.column(*column).for_each(|row| numbers.extend(row.0));
        }
        device.write(to, row[0] * stride * 4, bytemuck::cast_slice(&numbers))?;
    }
    Ok(())
}
