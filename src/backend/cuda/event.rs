//! A bank of event-driven neurons on the device.
//!
//! One launch carries all of them through a window. Windows are looked at in batches, where the host asks for one
//! after the other of one. With more spikes than the list holds they are carried through again with a longer list.
//! (A window in halves would be other steps of the solver, and other bits.) Samples are taken from copies of
//! their neurons, by a launch before: measuring does not change what is measured.

use std::ops::Range;

use super::memory::Growing;
use super::sums::stride;
use super::{Device, DeviceError, Program};
use crate::backend::{Advanced, Fault, FaultKind, Sample};
use crate::bank::{Bank, Drive, Neurons};
use crate::circuit::Waveform;
use crate::solver::event::device::EventCode;
use crate::solver::event::{EventNeurons, due, most_spikes};
use crate::threads::Pool;
use crate::time::Time;

/// Words of the header before the list of spikes.
const HEADER: usize = 6;
/// Words of a spike.
const SPIKE: usize = 2;
/// Spikes for which the list has room at first, and one of each neuron.
const FIRST_CAPACITY: usize = 1 << 14;
/// The most memory for samples of a batch of windows, bytes.
const MOST_SAMPLE_BYTES: usize = 1 << 28;
/// Words of neurons that are copied at a time.
const PIECE: usize = 1 << 22;
/// A neuron without a drive.
const NO_DRIVE: u32 = u32::MAX;

/// What such a bank needs on the device.
pub(super) struct EventPlan {
    code: EventCode,
    /// What takes how many bytes.
    pub(super) parts: Vec<(String, u128)>,
}

impl EventPlan {
    /// `None`: there is no kernel for these neurons.
    pub(super) fn new(bank: &Bank) -> Option<EventPlan> {
        let Neurons::Event(event) = &bank.neurons else { return None };
        let code = event.device_code()?;
        let columns = |n: usize| (8 * n * stride(bank)) as u128;
        let name = bank.model.name();
        let parts = vec![
            (format!("the parameters of `{name}`"), columns(code.parameters.len())),
            (format!("the state of `{name}`"), columns(2 * code.state.len())),
            (format!("the faults of `{name}`"), columns(1)),
            (
                format!("the lists of spikes of `{name}`"),
                (16 * (HEADER + SPIKE * stride(bank).max(FIRST_CAPACITY))) as u128,
            ),
        ];
        Some(EventPlan { code, parts })
    }
}

/// A window of such a bank.
pub(super) struct EventWindow {
    /// From its start to its end.
    pub(super) span: Range<Time>,
    /// Addresses of counts, ends and list of what arrives.
    pub(super) arrivals: [u64; 3],
}

/// The bank on the device.
pub(super) struct DeviceEvents<D: Device> {
    module: D::Module,
    code: EventCode,
    neurons: usize,
    stride: usize,
    columns: usize,
    parameters: D::Buffer,
    /// At the start and at the end of a window.
    state: [D::Buffer; 2],
    /// What went wrong with each neuron.
    faults: D::Buffer,
    /// Of the batch that is under way.
    outbox: Outbox<D>,
    /// Of the one before: the host may take from it what it has left.
    closed: Outbox<D>,
    /// Addresses of the drive of each neuron, of drives and their steps.
    drives: Option<[D::Buffer; 3]>,
    exchanged: Growing<D>,
    slots: Growing<D>,
    /// The numbers of samples of the batch under way on the device, and where these and the samples are.
    sampling: [Growing<D>; 3],
    sampling_at: [u64; 4],
    /// Windows of the batch that have been asked for.
    windows: usize,
    now: Time,
}

/// What a batch leaves for the host.
struct Outbox<D: Device> {
    /// Header and spikes.
    results: D::Buffer,
    /// Spikes that its list holds.
    capacity: usize,
    /// What was read of the results: the header, and spikes.
    read: Vec<u64>,
    /// The samples, and what they are of.
    samples: Growing<D>,
    stops: Stops,
}

/// Spikes that are read with the header.
const FIRST_SPIKES: usize = 64;

impl<D: Device> Outbox<D> {
    /// With a list for so many spikes.
    fn new(device: &D, capacity: usize) -> Result<Outbox<D>, DeviceError> {
        Ok(Outbox {
            results: device.allocate(8 * (HEADER + SPIKE * capacity))?,
            capacity,
            read: vec![0; HEADER + SPIKE * FIRST_SPIKES],
            samples: Growing::none(),
            stops: Stops::default(),
        })
    }

    /// Hands over its spikes, as were in it by a mark.
    fn collect(
        &mut self,
        device: &D,
        mark: &D::Mark,
        index: u32,
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let count = self.read[0] as usize;
        if count > FIRST_SPIKES {
            // Room for a few more than these next time.
            let room = HEADER + SPIKE * (count + count / 4).min(self.capacity);
            self.read.resize(room.max(self.read.len()), 0);
            let from = HEADER + SPIKE * FIRST_SPIKES;
            let rest = &mut self.read[from..HEADER + SPIKE * count];
            device.read_after(mark, &self.results, 8 * from, bytemuck::cast_slice_mut(rest))?;
        }
        let spikes = self.read[HEADER..HEADER + SPIKE * count].as_chunks::<SPIKE>().0;
        let spikes =
            spikes.iter().map(|[slot, time]| (Time::from_picoseconds(*time), *slot as u32));
        out.spikes[index as usize].list().extend(spikes);
        Ok(())
    }

    /// Hands over its samples, of so many columns, as were in it by a mark.
    fn take_samples(
        &mut self,
        device: &D,
        mark: &D::Mark,
        (bank, columns): (&Bank, usize),
        index: u32,
        out: &mut Vec<Sample>,
    ) -> Result<(), DeviceError> {
        let stops = std::mem::take(&mut self.stops);
        if stops.times.is_empty() {
            return Ok(());
        }
        let mut states = vec![0.0_f64; stops.times.len() * columns];
        let buffer = self.samples.with(device, 0)?;
        device.read_after(mark, buffer, 0, bytemuck::cast_slice_mut(&mut states))?;
        let mut states = stops.times.iter().zip(states.chunks_exact(columns));
        for (k, requests) in stops.requests.iter().enumerate() {
            let own = (stops.of[k + 1] - stops.of[k]) as usize;
            for (time, state) in states.by_ref().take(own) {
                let wanted = requests.clone().filter(|r| bank.samples[*r].wants(*time));
                out.extend(wanted.map(|request| Sample {
                    bank: index,
                    request: request as u32,
                    time: Time::from_picoseconds(*time),
                    state: state.into(),
                }));
            }
        }
        Ok(())
    }
}

/// The samples of a batch of windows: neurons, where the stops of each begin, and the stops.
#[derive(Default)]
struct Stops {
    slots: Vec<u32>,
    of: Vec<u32>,
    times: Vec<u64>,
    /// The requests of each neuron.
    requests: Vec<Range<usize>>,
    /// Where the neurons of each window begin.
    windows: Vec<usize>,
}

impl<D: Device> DeviceEvents<D> {
    /// Compiles its kernels and allocates its memory.
    pub(super) fn new(
        device: &D,
        bank: &Bank,
        plan: EventPlan,
    ) -> Result<DeviceEvents<D>, DeviceError> {
        let code = plan.code;
        let module = device.load(&Program::event(&code))?;
        let stride = stride(bank);
        let columns = |n: usize| device.allocate(8 * n * stride);
        let states = code.state.len();
        let capacity = stride.max(FIRST_CAPACITY);
        Ok(DeviceEvents {
            module,
            neurons: bank.len() as usize,
            stride,
            columns: bank.layout.resting_state.len(),
            parameters: columns(code.parameters.len())?,
            state: [columns(states)?, columns(states)?],
            faults: columns(1)?,
            outbox: Outbox::new(device, capacity)?,
            closed: Outbox::new(device, capacity)?,
            drives: copy_drives(device, bank)?,
            exchanged: Growing::none(),
            slots: Growing::none(),
            sampling: std::array::from_fn(|_| Growing::none()),
            sampling_at: [0; 4],
            windows: 0,
            now: Time::ZERO,
            code,
        })
    }

    /// The end of the last window that it went through.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Copies what was written since the last window: all neurons at first, then those whose biases or state
    /// have changed, which come to the host for it.
    pub(super) fn upload(
        &mut self,
        device: &D,
        event: &mut dyn EventNeurons,
        pool: Option<&Pool>,
    ) -> Result<(), DeviceError> {
        let Some(slots) = event.waiting() else {
            event.hand_over(pool);
            let piece = PIECE / self.code.words();
            for first in (0..self.neurons).step_by(piece) {
                let slots = first..self.neurons.min(first + piece);
                let words = event.words(slots.clone(), pool);
                self.write(device, 0, slots.start, slots.len(), &words)?;
            }
            return Ok(());
        };
        if slots.is_empty() {
            return Ok(());
        }
        let list = self.slots.filled(device, &slots)?;
        let old = self.read_states(device, list, 0, slots.len())?;
        let new = event.exchange(&slots, &old);
        self.write(device, list, 0, slots.len(), &new)
    }

    /// Brings the state of all neurons to the host.
    pub(super) fn fetch(
        &mut self,
        device: &D,
        event: &mut dyn EventNeurons,
    ) -> Result<(), DeviceError> {
        if event.waiting().is_none() {
            return Ok(());
        }
        let piece = PIECE / self.code.state.len();
        for first in (0..self.neurons).step_by(piece) {
            let words = self.read_states(device, 0, first, piece.min(self.neurons - first))?;
            event.look(first, &words);
        }
        Ok(())
    }

    /// Writes all words of so many neurons: those of a list, or those from `first` on.
    fn write(
        &mut self,
        device: &D,
        list: u64,
        first: usize,
        count: usize,
        words: &[u64],
    ) -> Result<(), DeviceError> {
        let (parameters, states) = (self.code.parameters.len(), self.code.state.len());
        let there = self.exchanged.filled(device, words)?;
        for (from, columns, width) in
            [(0, &self.parameters, parameters), (parameters, &self.state[0], states)]
        {
            let arguments = [
                list,
                there + 8 * from as u64,
                device.address(columns),
                count as u64,
                self.stride as u64,
                width as u64,
                self.code.words() as u64,
                first as u64,
            ];
            self.exchange(device, "write_neurons", count * width, &arguments)?;
        }
        Ok(())
    }

    /// The states of so many neurons: those of a list, or those from `first` on.
    fn read_states(
        &mut self,
        device: &D,
        list: u64,
        first: usize,
        count: usize,
    ) -> Result<Vec<u64>, DeviceError> {
        let width = self.code.state.len();
        let there = device.address(self.exchanged.with(device, 8 * count * width)?);
        let arguments = [
            list,
            there,
            device.address(&self.state[0]),
            count as u64,
            self.stride as u64,
            width as u64,
            width as u64,
            first as u64,
        ];
        self.exchange(device, "read_neurons", count * width, &arguments)?;
        let mut words = vec![0_u64; count * width];
        let buffer = self.exchanged.with(device, 0)?;
        device.read(buffer, 0, bytemuck::cast_slice_mut(&mut words))?;
        Ok(words)
    }

    fn exchange(
        &self,
        device: &D,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        // SAFETY: the arguments are in the order of the structure in `event.cu`; slots are of this bank, and there
        // is room for their words.
        unsafe { device.launch(&self.module, kernel, threads, arguments) }
    }

    /// Carries all neurons through a window. The result is the earliest fault, whose step is a time from the
    /// start of the window.
    pub(super) fn advance(
        &mut self,
        device: &D,
        bank: &Bank,
        index: u32,
        window: &EventWindow,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let span = std::slice::from_ref(&window.span);
        loop {
            self.begin(device, bank, span)?;
            self.go(device, window)?;
            if !self.is_full(device)? {
                self.close();
                return self.finish(device, &device.mark()?, (bank, index), span, true, out);
            }
            self.state.swap(0, 1);
            self.lengthen(device, true)?;
        }
    }

    /// Begins a batch of windows, of which the host sees nothing until it has
    /// [finished](DeviceEvents::finish). The result is the address of the header; `None`: its samples would take
    /// too much memory.
    pub(super) fn begin(
        &mut self,
        device: &D,
        bank: &Bank,
        windows: &[Range<Time>],
    ) -> Result<Option<u64>, DeviceError> {
        let stops = Stops::of(bank, windows);
        let bytes = 8 * stops.times.len() * self.columns;
        if bytes > MOST_SAMPLE_BYTES && windows.len() > 1 {
            return Ok(None);
        }
        if !stops.times.is_empty() {
            let [slots, of, times] = &mut self.sampling;
            self.sampling_at = [
                slots.filled(device, &stops.slots)?,
                of.filled(device, &stops.of)?,
                times.filled(device, &stops.times)?,
                device.address(self.outbox.samples.with(device, bytes)?),
            ];
        }
        (self.outbox.stops, self.windows) = (stops, 0);
        // The other list was too short before: this one would be, too. (Otherwise it grows when it has to.)
        let capacity = self.closed.capacity;
        let bytes = 8 * (HEADER + SPIKE * capacity);
        if self.outbox.capacity < capacity && 4 * bytes as u64 <= device.free_memory()? {
            self.outbox.results = device.allocate(bytes)?;
            self.outbox.capacity = capacity;
        }
        device.clear(&mut self.outbox.results, 0, 8 * HEADER)?;
        Ok(Some(device.address(&self.outbox.results)))
    }

    /// Carries all neurons through the next window of a batch.
    pub(super) fn go(&mut self, device: &D, window: &EventWindow) -> Result<(), DeviceError> {
        let of_window = &self.outbox.stops.windows;
        let own = of_window[self.windows]..of_window[self.windows + 1];
        if !own.is_empty() {
            let [slots, of, stops, samples] = self.sampling_at;
            let [slots, of] = [slots, of].map(|at| at + 4 * own.start as u64);
            self.launch(device, window, own.len(), [slots, of, stops, samples])?;
        }
        self.launch(device, window, self.neurons, [0; 4])?;
        self.state.swap(0, 1);
        self.windows += 1;
        Ok(())
    }

    /// How many neurons it has.
    pub(super) fn neurons(&self) -> usize {
        self.neurons
    }

    /// Addresses of header and spikes, and how many of these the list holds.
    pub(super) fn list(&self, device: &D) -> [u64; 3] {
        let results = device.address(&self.outbox.results);
        [results, results + 8 * HEADER as u64, self.outbox.capacity as u64]
    }

    /// Looks at what a batch has given: whether it had more spikes than the list holds.
    pub(super) fn is_full(&mut self, device: &D) -> Result<bool, DeviceError> {
        let Outbox { results, read, capacity, .. } = &mut self.outbox;
        let first = &mut read[..HEADER + SPIKE * FIRST_SPIKES];
        device.read(results, 0, bytemuck::cast_slice_mut(first))?;
        Ok(read[0] as usize > *capacity)
    }

    /// Makes the list as long as it should have been; `false`: that would take much of the memory, and it is not a
    /// must.
    pub(super) fn lengthen(&mut self, device: &D, is_must: bool) -> Result<bool, DeviceError> {
        let capacity = (self.outbox.read[0] as usize).next_power_of_two();
        let bytes = 8 * (HEADER + SPIKE * capacity);
        if !is_must && 4 * bytes as u64 > device.free_memory()? {
            return Ok(false);
        }
        self.outbox.results = device.allocate(bytes)?;
        self.outbox.capacity = capacity;
        Ok(true)
    }

    /// Whether something went wrong in a batch that was looked at.
    pub(super) fn is_faulty(&self) -> bool {
        self.outbox.read[1] != 0
    }

    /// Ends a batch that was looked at: what it leaves is kept while the next one is under way.
    /// The result says whether something went wrong.
    pub(super) fn close(&mut self) -> bool {
        std::mem::swap(&mut self.outbox, &mut self.closed);
        self.closed.read[1] != 0
    }

    /// Whether the list would have held many more than the last batch's spikes.
    pub(super) fn is_roomy(&self) -> bool {
        (self.closed.read[0] as usize) < self.closed.capacity / 4
    }

    /// Hands over what a batch has left by a mark, spikes only if somebody hears them. The result is the earliest
    /// fault of a batch of one window; its step is a time from the start.
    pub(super) fn finish(
        &mut self,
        device: &D,
        mark: &D::Mark,
        (bank, index): (&Bank, u32),
        windows: &[Range<Time>],
        is_heard: bool,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let [faults, right_sides, _, steps, rejected] =
            [1, 2, 3, 4, 5].map(|k| self.closed.read[k]);
        out.work.right_sides += right_sides;
        out.work.steps += steps;
        out.work.rejected += rejected;
        if is_heard {
            self.closed.collect(device, mark, index, out)?;
        }
        let own = (bank, self.columns);
        self.closed.take_samples(device, mark, own, index, &mut out.samples)?;
        self.now = windows.last().map_or(self.now, |window| window.end);
        if faults == 0 { Ok(None) } else { self.fault(device, index) }
    }

    /// Bytes of the state of all neurons.
    pub(super) fn state_bytes(&self) -> usize {
        8 * self.code.state.len() * self.stride
    }

    /// Copies the state elsewhere.
    pub(super) fn save(&self, device: &D, to: &mut D::Buffer) -> Result<(), DeviceError> {
        device.copy(&self.state[0], to, self.state_bytes())
    }

    /// Takes the state from elsewhere.
    pub(super) fn restore(&mut self, device: &D, from: &D::Buffer) -> Result<(), DeviceError> {
        let bytes = self.state_bytes();
        device.copy(from, &mut self.state[0], bytes)?;
        device.clear(&mut self.faults, 0, 8 * self.stride)
    }

    /// One launch: of all neurons, or of those that are sampled.
    fn launch(
        &mut self,
        device: &D,
        window: &EventWindow,
        threads: usize,
        [slots, stops_of, stops, samples]: [u64; 4],
    ) -> Result<(), DeviceError> {
        let [counts, ends, arrivals] = window.arrivals;
        let length = (window.span.end - window.span.start).seconds();
        let [results, spikes, _] = self.list(device);
        let drives = self.drives.as_ref();
        let [drive_of, drives, levels] =
            drives.map_or([0; 3], |all| [0, 1, 2].map(|k| device.address(&all[k])));
        let circuits = self.code.circuits.iter().enumerate();
        let circuits = circuits.map(|(k, circuit)| u64::from(*circuit) << (4 * k)).sum();
        let arguments = [
            device.address(&self.parameters),
            device.address(&self.state[0]),
            device.address(&self.state[1]),
            counts,
            ends,
            arrivals,
            slots,
            stops_of,
            stops,
            samples,
            drive_of,
            drives,
            levels,
            results,
            spikes,
            device.address(&self.faults),
            self.outbox.capacity as u64,
            threads as u64,
            self.stride as u64,
            window.span.start.picoseconds(),
            window.span.end.picoseconds(),
            length.to_bits(),
            most_spikes(length),
            self.columns as u64,
            circuits,
            self.code.holds.into(),
            self.code.b.to_bits(),
            self.code.tolerance.to_bits(),
            u64::from(self.windows > 0),
        ];
        // SAFETY: the arguments are in the order of the structure in `event_head.cuh`, for buffers of the sizes
        // that `new` and `Growing` give them; the list of arrivals is as long as counts and ends say.
        unsafe { device.launch(&self.module, "advance", threads, &arguments) }
    }

    /// The earliest fault of a window in which there are some.
    fn fault(&self, device: &D, bank: u32) -> Result<Option<Fault>, DeviceError> {
        let mut faults = vec![0_u64; self.neurons];
        device.read(&self.faults, 0, bytemuck::cast_slice_mut(&mut faults))?;
        let fault = |(slot, word): (u32, &u64)| {
            // 0: none.
            let word = word.checked_sub(1)?;
            let kind = if word & 1 == 1 { FaultKind::Storm } else { FaultKind::NotFinite };
            Some(Fault { step: word >> 1, bank, slot, kind })
        };
        Ok((0..).zip(&faults).filter_map(fault).min())
    }
}

impl Stops {
    fn of(bank: &Bank, windows: &[Range<Time>]) -> Stops {
        let mut all = Stops { of: vec![0], windows: vec![0], ..Stops::default() };
        for span in windows {
            all.add(bank, span);
            all.windows.push(all.slots.len());
        }
        all
    }

    /// Adds those of a window.
    fn add(&mut self, bank: &Bank, span: &Range<Time>) {
        let mut at = 0;
        for own in bank.samples.chunk_by(|a, b| a.slot == b.slot) {
            let requests = at..at + own.len();
            at = requests.end;
            let mut stops: Vec<u64> =
                own.iter().flat_map(|r| due(r, span)).map(Time::picoseconds).collect();
            if stops.is_empty() {
                continue;
            }
            stops.sort_unstable();
            stops.dedup();
            self.slots.push(own[0].slot);
            self.times.extend(stops);
            self.of.push(self.times.len() as u32);
            self.requests.push(requests);
        }
    }
}

/// The direct inputs of a bank that change in time: whose they are, the inputs, and the steps of those that
/// have some.
fn copy_drives<D: Device>(device: &D, bank: &Bank) -> Result<Option<[D::Buffer; 3]>, DeviceError> {
    if bank.drives.is_empty() {
        return Ok(None);
    }
    let mut of = vec![NO_DRIVE; stride(bank)];
    let (mut drives, mut levels): (Vec<[u64; 6]>, Vec<[u64; 2]>) = (Vec::new(), Vec::new());
    for (k, Drive { slots, waveform }) in bank.drives.iter().enumerate() {
        of[slots.start as usize..slots.end as usize].fill(k as u32);
        drives.push(match waveform {
            Waveform::Steps(steps) | Waveform::File(_, steps) => {
                let first = levels.len() as u64;
                levels.extend(steps.iter().map(|(t, value)| [t.picoseconds(), value.to_bits()]));
                [first, steps.len() as u64, 0, 0, 0, 0]
            }
            Waveform::Ramp { from, to, start, end } => {
                [0, 0, from.to_bits(), to.to_bits(), start.picoseconds(), end.picoseconds()]
            }
        });
    }
    let copied = |bytes: &[u8]| {
        let mut buffer = device.allocate(bytes.len().max(8))?;
        device.write(&mut buffer, 0, bytes)?;
        Ok(buffer)
    };
    Ok(Some([
        copied(bytemuck::cast_slice(&of))?,
        copied(bytemuck::cast_slice(&drives))?,
        copied(bytemuck::cast_slice(&levels))?,
    ]))
}
