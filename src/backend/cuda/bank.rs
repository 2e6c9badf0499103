//! A bank on the device.
//!
//! A window goes through it in launches: arrivals are added to the sums, the neurons advance, and the sums
//! are emptied again by the arrivals that filled them. Usually one launch is a window. A window whose sums
//! would need too much memory takes several, and so does one that has more spikes than the list of spikes
//! holds: its state at the start is still there, so it is repeated in halves and no spike is lost.

use super::{Device, DeviceError, Program};
use crate::backend::{Advanced, Fault, FaultKind, Sample};
use crate::bank::transfer::Readback;
use crate::bank::{Bank, Columns, Neurons, Row, Stepped, Written};
use crate::network::inbox::{Arrival, Inbox, Tile};
use crate::schedule::Window;
use crate::solver::kernel::{Layout, TILE_STEPS};
use crate::time::Time;

/// Steps of a word of masks.
const MASK_STEPS: usize = 32;
/// The most memory for the sums of a bank, bytes; more would only save launches.
const MOST_SUM_BYTES: u64 = 1 << 29;
/// The most memory for samples of a launch, bytes.
const MOST_SAMPLE_BYTES: usize = 1 << 28;
/// Spikes of a neuron for which the list has room, Hz on average; more take several launches.
const SPIKES_PER_SECOND: f64 = 100.0;
/// Bytes of the header before the list of spikes: how many there are, and the earliest faults.
const HEADER: usize = 32;
const SPIKE: usize = 8;
/// No fault.
const NONE: u64 = u64::MAX;

/// What a bank needs on the device.
pub(super) struct Plan {
    /// Steps that its sums hold.
    steps: usize,
    /// Spikes that its list holds.
    spikes: usize,
    /// What takes how many bytes.
    pub(super) parts: Vec<(String, u128)>,
}

impl Plan {
    /// For windows of at most `window`, with sums of at most `most` bytes.
    pub(super) fn new(bank: &Bank, window: Time, most: u64) -> Plan {
        let stride = stride(bank);
        let step = bank.step.unwrap_or(window);
        let of_window = window.whole(step).max(1);
        let row = (stride * bank.layout.receptors.len().max(1) * 4) as u64;
        let most = most.min(MOST_SUM_BYTES) / row.max(1);
        let steps = of_window.min(most.max(1));
        // Whole words of masks, if there is room for one.
        let words = steps / MASK_STEPS as u64 * MASK_STEPS as u64;
        let steps = if steps < of_window && words > 0 { words } else { steps } as usize;
        let expected = SPIKES_PER_SECOND * steps as f64 * step.seconds();
        // Never less than all neurons in one step.
        let spikes = (stride as f64 * (1.0 + expected)) as usize;
        let mut plan = Plan { steps, spikes, parts: Vec::new() };
        let layout = &bank.layout;
        let columns = |n: usize| (n * stride * 4) as u128;
        let receptors = layout.receptors.len();
        let name = bank.model.name();
        plan.parts = vec![
            (format!("the parameters of `{name}`"), columns(layout.resting_parameters.len())),
            (format!("the state of `{name}`"), columns(2 * layout.resting_state.len())),
            (
                format!("the sums of what arrives at `{name}` in {steps} steps"),
                columns(receptors * (steps + plan.mask_words())),
            ),
            (format!("the list of spikes of `{name}`"), (HEADER + spikes * SPIKE) as u128),
        ];
        plan
    }

    fn mask_words(&self) -> usize {
        self.steps.div_ceil(MASK_STEPS)
    }
}

/// Numbers from a column's start to the next one's.
fn stride(bank: &Bank) -> usize {
    bank.blocks() * crate::bank::LANES
}

/// Where a bank is among the others, and the window in its own steps.
pub(super) struct Place<'a> {
    pub(super) bank: u32,
    /// Blocks of the banks before it.
    pub(super) first_block: usize,
    pub(super) window: &'a Window,
}

/// Memory that grows as needed.
struct Growing<D: Device> {
    buffer: Option<D::Buffer>,
    bytes: usize,
}

impl<D: Device> Growing<D> {
    fn none() -> Growing<D> {
        Growing { buffer: None, bytes: 0 }
    }

    /// At least so many bytes; what was in it is lost where it grows.
    fn with(&mut self, device: &D, bytes: usize) -> Result<&mut D::Buffer, DeviceError> {
        if self.bytes < bytes || self.buffer.is_none() {
            // The old memory is freed first.
            self.buffer = None;
            self.bytes = bytes.next_power_of_two().max(256);
        }
        match &mut self.buffer {
            Some(buffer) => Ok(buffer),
            none => Ok(none.insert(device.allocate(self.bytes)?)),
        }
    }

    /// The address of these numbers, which are copied there.
    fn filled<T: bytemuck::NoUninit>(
        &mut self,
        device: &D,
        numbers: &[T],
    ) -> Result<u64, DeviceError> {
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        let buffer = self.with(device, bytes.len())?;
        device.write(buffer, 0, bytes)?;
        Ok(device.address(buffer))
    }
}

/// A bank on the device.
pub(super) struct DeviceBank<D: Device> {
    module: D::Module,
    layout: Layout,
    neurons: usize,
    stride: usize,
    plan: Plan,
    parameters: D::Buffer,
    /// At the start and at the end of a launch.
    state: [D::Buffer; 2],
    sums: D::Buffer,
    masks: D::Buffer,
    /// Header and spikes.
    results: D::Buffer,
    /// What was read of the results, as words: the header, and as many spikes as are expected.
    read: Vec<u64>,
    /// Steps of a launch: fewer than the sums hold, after the list of spikes has been too short.
    launch_steps: usize,
    arrivals: Growing<D>,
    changes: Growing<D>,
    drives: Growing<D>,
    drive_of: Option<D::Buffer>,
    requests: Growing<D>,
    requests_of: Growing<D>,
    /// Requests for which `requests_of` was made.
    known_requests: usize,
    samples: Growing<D>,
    /// The end of the last window.
    now: Time,
}

/// The samples that a request gets from a launch, as the kernel reads it.
type LaunchRequest = [u32; 4];

/// Spikes and faults of a launch.
struct Launched {
    spikes: usize,
    not_finite: u64,
    overflow: u64,
}

impl<D: Device> DeviceBank<D> {
    /// Compiles its kernels and allocates its memory.
    pub(super) fn new(device: &D, bank: &Bank, plan: Plan) -> Result<DeviceBank<D>, DeviceError> {
        let stepped = bank.stepped();
        let program = stepped.and_then(|stepped| Program::euler(&*stepped.kernel));
        let no_source = || DeviceError::new("compiling", "the kernel has no CUDA source");
        let module = device.load(&program.ok_or_else(no_source)?)?;
        let (layout, stride) = (bank.layout.clone(), stride(bank));
        let columns = |n: usize| device.allocate(n * stride * 4);
        let (receptors, states) = (layout.receptors.len(), layout.resting_state.len());
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
            sums: columns(receptors * plan.steps)?,
            masks: columns(receptors * plan.mask_words())?,
            results: device.allocate(HEADER + plan.spikes * SPIKE)?,
            read: vec![0; HEADER / 8 + plan.spikes.min(64)],
            launch_steps: plan.steps,
            arrivals: Growing::none(),
            changes: Growing::none(),
            drives: Growing::none(),
            drive_of,
            requests: Growing::none(),
            requests_of: Growing::none(),
            known_requests: 0,
            samples: Growing::none(),
            now: Time::ZERO,
            layout,
            plan,
        })
    }

    /// The end of the last window that it went through.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Advances all neurons through a window; `grid` is what faults count in.
    pub(super) fn advance(
        &mut self,
        device: &D,
        bank: &mut Bank,
        place: &Place,
        inbox: &Inbox,
        grid: Time,
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        self.upload(device, bank)?;
        let window = place.window;
        let of_window = window.steps as usize;
        let mut first = 0;
        while first < of_window {
            let steps = self.plan.steps.min(of_window - first);
            let piece = Window {
                first_step: window.first_step + first as u64,
                steps: steps as u64,
                dt: window.dt,
            };
            let drives = self.write_drives(device, bank, &piece)?;
            let arrivals = self.arrivals_of(inbox, place.first_block, first, steps);
            let deliver = self.deliver(device, &arrivals)?;
            let fault = self.launches(device, bank, place, &piece, drives, out)?;
            if let Some(deliver) = deliver {
                self.launch(device, "withdraw", arrivals.len(), &deliver)?;
            }
            if let Some(Fault { step, slot, kind, .. }) = fault {
                let unit = bank.step.map_or(1, |step| step.whole(grid));
                let step = (first as u64 + step) * unit;
                let fault = Fault { step, bank: place.bank, slot, kind };
                out.fault = out.fault.into_iter().chain([fault]).min();
                break;
            }
            first += steps;
        }
        self.now = window.end();
        Ok(())
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
    fn upload(&mut self, device: &D, bank: &mut Bank) -> Result<(), DeviceError> {
        let Neurons::Stepped(Stepped { parameters, state, .. }) = &mut bank.neurons else {
            return Ok(());
        };
        let columns = match parameters.take_written() {
            Written::Everything => (0..parameters.width()).collect(),
            Written::Columns(columns) => columns.into_iter().map(|(column, _)| column).collect(),
        };
        copy_columns(device, parameters, columns, self.stride, &mut self.parameters)?;
        match state.take_written() {
            Written::Everything => {
                let all = (0..state.width()).collect();
                copy_columns(device, state, all, self.stride, &mut self.state[0])?;
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

    /// What arrives in `steps` steps of a window from `first` on: where in the sums, and how many pulses.
    /// The only place that knows the form of an inbox.
    fn arrivals_of(
        &self,
        inbox: &Inbox,
        first_block: usize,
        first: usize,
        steps: usize,
    ) -> Vec<[i32; 2]> {
        let lanes = crate::bank::LANES;
        let receptors = self.layout.receptors.len();
        let mut found = Vec::new();
        for block in 0..self.stride / lanes {
            let counted = first_block + block;
            let mut arrives = |step: usize, receptor: usize, lane: usize, weight: i32| {
                if (first..first + steps).contains(&step) {
                    let row = (step - first) * receptors + receptor;
                    let at = row * self.stride + block * lanes + lane;
                    found.push([(at as u32).cast_signed(), weight]);
                }
            };
            let mut list = |tile: usize, arrival: &Arrival| {
                let step = tile * TILE_STEPS + usize::from(arrival.step);
                arrives(step, arrival.receptor.into(), arrival.lane.into(), arrival.weight);
            };
            // The sums there left it out; those of the device overflow by it again.
            inbox.overflowed(counted..counted + 1).for_each(|(_, arrival)| list(0, arrival));
            let tiles = first / TILE_STEPS..(first + steps).div_ceil(TILE_STEPS);
            for (tile, own) in inbox.tiles(counted).enumerate().filter(|(t, _)| tiles.contains(t)) {
                match own {
                    Tile::List(own) => own.iter().for_each(|arrival| list(tile, arrival)),
                    Tile::Sums(rows) => {
                        for (at, Row(row)) in rows.iter().enumerate() {
                            let (step, receptor) = (at / receptors, at % receptors);
                            for (lane, weight) in row.iter().enumerate().filter(|(_, w)| **w != 0) {
                                let (lane, receptor) = (lane as u8, receptor as u8);
                                let step = (step % TILE_STEPS) as u8;
                                let weight = *weight;
                                list(tile, &Arrival { weight, step, lane, receptor });
                            }
                        }
                    }
                }
            }
        }
        found
    }

    /// Adds arrivals to the sums; the result is what takes them out again, if there are any.
    fn deliver(
        &mut self,
        device: &D,
        arrivals: &[[i32; 2]],
    ) -> Result<Option<[u64; 6]>, DeviceError> {
        let mut header = [NONE; 4];
        header[0] = 0;
        device.write(&mut self.results, 0, bytemuck::cast_slice(&header))?;
        if arrivals.is_empty() {
            return Ok(None);
        }
        let arguments = [
            self.arrivals.filled(device, arrivals)?,
            device.address(&self.sums),
            device.address(&self.masks),
            device.address(&self.results),
            arrivals.len() as u64,
            self.stride as u64,
        ];
        self.launch(device, "deliver", arrivals.len(), &arguments)?;
        Ok(Some(arguments))
    }

    /// Advances all neurons through a piece of a window whose arrivals are in the sums. The result is a
    /// fault; of the earliest only step (from the start of the piece), neuron and kind mean something.
    fn launches(
        &mut self,
        device: &D,
        bank: &Bank,
        place: &Place,
        piece: &Window,
        drives: u64,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let of_piece = piece.steps as usize;
        let mut first = 0;
        while first < of_piece {
            let mut steps = self.launch_steps.min(of_piece - first);
            let mut requests = self.requests_in(bank, piece, first, steps);
            while requests.1 * self.layout.resting_state.len() * 4 > MOST_SAMPLE_BYTES && steps > 1
            {
                steps = steps.div_ceil(2);
                requests = self.requests_in(bank, piece, first, steps);
            }
            let launched = self.step(device, bank, first, steps, drives, piece.steps, &requests)?;
            if launched.spikes > self.plan.spikes && steps > 1 {
                // Too many for the list: again, in halves.
                self.launch_steps = steps.div_ceil(2);
                device.write(&mut self.results, 0, bytemuck::bytes_of(&[0, NONE]))?;
                continue;
            }
            self.state.swap(0, 1);
            if launched.spikes < self.plan.spikes / 4 {
                self.launch_steps = (2 * self.launch_steps).min(self.plan.steps);
            }
            self.collect(device, place, piece, launched.spikes, out)?;
            self.take_samples(device, bank, place, piece, first, &requests.0, out)?;
            first += steps;
            let fault = fault_of(&launched, first);
            if fault.is_some() {
                return Ok(fault);
            }
            if first < of_piece {
                device.write(&mut self.results, 0, bytemuck::bytes_of(&[0, NONE]))?;
            }
        }
        Ok(None)
    }

    /// One launch. State is read from the first buffer and written to the second.
    #[allow(clippy::too_many_arguments)] // A kernel's arguments come together here.
    fn step(
        &mut self,
        device: &D,
        bank: &Bank,
        first: usize,
        steps: usize,
        drives: u64,
        drive_steps: u64,
        requests: &(Vec<LaunchRequest>, usize),
    ) -> Result<Launched, DeviceError> {
        let (requests, rows) = requests;
        let mut sampling = [0; 3];
        if *rows > 0 {
            let bytes = rows * self.layout.resting_state.len() * 4;
            sampling = [
                self.requests.filled(device, requests)?,
                self.requests_of(device, bank)?,
                device.address(self.samples.with(device, bytes)?),
            ];
        }
        let [requests, requests_of, samples] = sampling;
        let results = device.address(&self.results);
        let arguments = [
            device.address(&self.parameters),
            device.address(&self.state[0]),
            device.address(&self.state[1]),
            device.address(&self.masks),
            device.address(&self.sums),
            drives,
            self.drive_of.as_ref().map_or(0, |buffer| device.address(buffer)),
            requests,
            requests_of,
            samples,
            results,
            results + HEADER as u64,
            self.plan.spikes as u64,
            self.neurons as u64,
            self.stride as u64,
            first as u64,
            steps as u64,
            drive_steps,
        ];
        self.launch(device, "advance", self.neurons, &arguments)?;
        device.read(&self.results, 0, bytemuck::cast_slice_mut(&mut self.read))?;
        let [spikes, not_finite, overflow] = [self.read[0], self.read[1], self.read[2]];
        Ok(Launched { spikes: spikes as usize, not_finite, overflow })
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

    /// What each request gets from `steps` steps of a piece from `first` on, and how many samples these
    /// are.
    fn requests_in(
        &self,
        bank: &Bank,
        piece: &Window,
        first: usize,
        steps: usize,
    ) -> (Vec<LaunchRequest>, usize) {
        let start = piece.first_step + first as u64;
        let end = start + steps as u64;
        let mut rows = 0;
        let mut any = Vec::with_capacity(bank.samples.len());
        for request in &bank.samples {
            // The state before a step is that after the one before it, and of that launch; but the state at
            // the very start is of the first.
            let from = request.from.max(if start == 0 { 0 } else { start + 1 });
            let next = from.checked_next_multiple_of(request.every).unwrap_or(u64::MAX);
            let end = end.min(request.to.saturating_sub(1));
            if next > end || next >= request.to {
                any.push([0; 4]);
                continue;
            }
            let count = (end - next) / request.every + 1;
            let every = u32::try_from(request.every).unwrap_or(u32::MAX);
            any.push([(next - start) as u32, every, count as u32, rows as u32]);
            rows += count as usize;
        }
        (any, rows)
    }

    /// Hands over the samples of a launch.
    #[allow(clippy::too_many_arguments)]
    fn take_samples(
        &mut self,
        device: &D,
        bank: &Bank,
        place: &Place,
        piece: &Window,
        first: usize,
        requests: &[LaunchRequest],
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let rows = requests.iter().map(|[_, _, count, _]| *count as usize).sum::<usize>();
        if rows == 0 {
            return Ok(());
        }
        let width = self.layout.resting_state.len();
        let mut states = vec![0.0_f32; rows * width];
        let buffer = self.samples.with(device, 0)?;
        device.read(buffer, 0, bytemuck::cast_slice_mut(&mut states))?;
        let mut states = states.chunks_exact(width);
        for (index, [next, _, count, _]) in requests.iter().enumerate() {
            let next = piece.first_step + first as u64 + u64::from(*next);
            for k in 0..u64::from(*count) {
                let step = next + k * bank.samples[index].every;
                out.samples.extend(states.next().map(|state| Sample {
                    bank: place.bank,
                    request: index as u32,
                    time: Time::from_steps(step, piece.dt),
                    state: state.iter().map(|x| f64::from(*x)).collect(),
                }));
            }
        }
        Ok(())
    }

    /// Hands over the spikes of a launch.
    fn collect(
        &mut self,
        device: &D,
        place: &Place,
        piece: &Window,
        count: usize,
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let (header, most) = (HEADER / 8, self.plan.spikes);
        let known = self.read.len() - header;
        if count > known {
            // Room for a few more than these next time.
            self.read.resize(header + (count + count / 4).min(most), 0);
            let rest = &mut self.read[header + known..header + count];
            let at = HEADER + known * SPIKE;
            device.read(&self.results, at, bytemuck::cast_slice_mut(rest))?;
        }
        let spikes: &[[u32; 2]] = bytemuck::cast_slice(&self.read[header..header + count]);
        let spikes = spikes.iter().map(|[slot, step]| {
            let end = piece.first_step + u64::from(*step) + 1;
            (*slot, Time::from_steps(end, piece.dt))
        });
        out.spikes[place.bank as usize].extend(spikes);
        Ok(())
    }

    fn launch(
        &self,
        device: &D,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        // SAFETY: the arguments are in the order of the structures in `euler.cu`, for buffers of the sizes
        // that `new` and `Growing` give them; buffers are replaced after a read only.
        unsafe { device.launch(&self.module, kernel, threads, arguments) }
    }
}

/// The earlier of the two faults that a launch may have had before step `end` of its piece.
fn fault_of(launched: &Launched, end: usize) -> Option<Fault> {
    let fault = |step, slot, kind| Fault { step, bank: 0, slot, kind };
    let not_finite = (launched.not_finite != NONE).then(|| {
        let (step, slot) = (launched.not_finite >> 32, launched.not_finite as u32);
        fault(step, slot, FaultKind::NotFinite)
    });
    let overflow = (launched.overflow != NONE).then(|| {
        let (step, port) = (launched.overflow >> 32, launched.overflow as u32);
        fault(step, port >> 3, FaultKind::InputOverflow((port & 7) as u8))
    });
    not_finite.into_iter().chain(overflow).min().filter(|fault| fault.step < end as u64)
}

/// Copies columns of all neurons.
fn copy_columns<D: Device>(
    device: &D,
    columns: &Columns,
    which: Vec<usize>,
    stride: usize,
    to: &mut D::Buffer,
) -> Result<(), DeviceError> {
    let mut numbers: Vec<f32> = Vec::with_capacity(stride);
    for column in which {
        numbers.clear();
        columns.column(column).for_each(|row| numbers.extend(row.0));
        device.write(to, column * stride * 4, bytemuck::cast_slice(&numbers))?;
    }
    Ok(())
}
