//! A bank of event-driven neurons on the device.
//!
//! One launch carries all of them through a window. A window with more spikes than the list holds is carried
//! through again with a longer list: the state at its start is still there. (In halves it would be other steps
//! of the solver, and other bits.) Samples are taken from copies of their neurons, by a launch before: measuring
//! does not change what is measured.

use std::ops::Range;

use super::memory::Growing;
use super::sums::stride;
use super::{Device, DeviceError, Program};
use crate::backend::{Advanced, Fault, FaultKind, Sample};
use crate::bank::{Bank, Drive, Neurons};
use crate::circuit::Waveform;
use crate::solver::event::device::EventCode;
use crate::solver::event::{EventNeurons, due, most_spikes};
use crate::time::Time;

/// Words of the header before the list of spikes.
const HEADER: usize = 6;
/// Words of a spike.
const SPIKE: usize = 2;
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
            (format!("the list of spikes of `{name}`"), columns(1 + SPIKE)),
        ];
        Some(EventPlan { code, parts })
    }
}

/// A window of such a bank.
pub(super) struct EventWindow {
    /// From its start to its end.
    pub(super) span: Range<Time>,
    /// The bank's index.
    pub(super) bank: u32,
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
    /// Header and spikes.
    results: D::Buffer,
    /// Spikes that its list holds.
    capacity: usize,
    /// What was read of the results: the header, and as many spikes as are expected.
    read: Vec<u64>,
    /// Addresses of the drive of each neuron, of drives and their steps.
    drives: Option<[D::Buffer; 3]>,
    exchanged: [Growing<D>; 2],
    slots: Growing<D>,
    stops_of: Growing<D>,
    stops: Growing<D>,
    samples: Growing<D>,
    now: Time,
}

/// The samples of a window: neurons, where the stops of each begin, and the stops.
#[derive(Default)]
struct Stops {
    slots: Vec<u32>,
    of: Vec<u32>,
    times: Vec<u64>,
    /// The requests of each neuron.
    requests: Vec<Range<usize>>,
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
        let capacity = stride;
        Ok(DeviceEvents {
            module,
            neurons: bank.len() as usize,
            stride,
            columns: bank.layout.resting_state.len(),
            parameters: columns(code.parameters.len())?,
            state: [columns(states)?, columns(states)?],
            faults: columns(1)?,
            results: device.allocate(8 * (HEADER + SPIKE * capacity))?,
            capacity,
            read: vec![0; HEADER + SPIKE * capacity.min(64)],
            drives: copy_drives(device, bank)?,
            exchanged: [Growing::none(), Growing::none()],
            slots: Growing::none(),
            stops_of: Growing::none(),
            stops: Growing::none(),
            samples: Growing::none(),
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
    ) -> Result<(), DeviceError> {
        let (parameters, width) = (self.code.parameters.len(), self.code.words());
        let Some(slots) = event.waiting() else {
            let words = event.hand_over();
            let mut column = vec![0_u64; self.stride];
            for at in 0..width {
                for (to, neuron) in column.iter_mut().zip(words.chunks_exact(width)) {
                    *to = neuron[at];
                }
                let bytes = bytemuck::cast_slice(&column);
                match at.checked_sub(parameters) {
                    None => device.write(&mut self.parameters, at * bytes.len(), bytes)?,
                    Some(at) => device.write(&mut self.state[0], at * bytes.len(), bytes)?,
                }
            }
            return Ok(());
        };
        if slots.is_empty() {
            return Ok(());
        }
        let states = width - parameters;
        let list = self.slots.filled(device, &slots)?;
        let words = 8 * slots.len() * states;
        let there = device.address(self.exchanged[0].with(device, words)?);
        let state = device.address(&self.state[0]);
        let launch = |kernel, there, columns, width: usize| {
            let arguments =
                [list, there, columns, slots.len() as u64, self.stride as u64, width as u64];
            // SAFETY: the arguments are in the order of the structure in `event.cu`; slots are of this bank, and
            // the list has room for their words.
            unsafe { device.launch(&self.module, kernel, slots.len() * width, &arguments) }
        };
        launch("read_neurons", there, state, states)?;
        let mut old = vec![0_u64; slots.len() * states];
        device.read(
            self.exchanged[0].with(device, words)?,
            0,
            bytemuck::cast_slice_mut(&mut old),
        )?;
        let new = event.exchange(&slots, &old);
        let part = |range: Range<usize>| -> Vec<u64> {
            new.chunks_exact(width).flat_map(|neuron| neuron[range.clone()].to_vec()).collect()
        };
        let there = self.exchanged[0].filled(device, &part(parameters..width))?;
        launch("write_neurons", there, state, states)?;
        let there = self.exchanged[1].filled(device, &part(0..parameters))?;
        launch("write_neurons", there, device.address(&self.parameters), parameters)
    }

    /// Carries all neurons through a window. The result is the earliest fault, whose step is a time from the
    /// start of the window.
    pub(super) fn advance(
        &mut self,
        device: &D,
        bank: &Bank,
        window: &EventWindow,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        self.sample(device, bank, window, &mut out.samples)?;
        loop {
            device.write(&mut self.results, 0, bytemuck::cast_slice(&[0_u64; HEADER]))?;
            self.launch(device, window, self.neurons, [0; 4])?;
            device.read(&self.results, 0, bytemuck::cast_slice_mut(&mut self.read))?;
            let spikes = self.read[0] as usize;
            if spikes <= self.capacity {
                break;
            }
            // Too many for the list: again, with one that holds them.
            self.capacity = spikes.next_power_of_two();
            self.results = device.allocate(8 * (HEADER + SPIKE * self.capacity))?;
        }
        self.state.swap(0, 1);
        let [spikes, faults, right_sides, steps, rejected] =
            [self.read[0], self.read[1], self.read[2], self.read[3], self.read[4]];
        out.work.right_sides += right_sides;
        out.work.steps += steps;
        out.work.rejected += rejected;
        self.collect(device, window, spikes as usize, out)?;
        self.now = window.span.end;
        if faults == 0 { Ok(None) } else { self.fault(device, window) }
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
        let width = self.code.state.len();
        let mut columns = vec![0_u64; width * self.stride];
        device.read(&self.state[0], 0, bytemuck::cast_slice_mut(&mut columns))?;
        let mut words = vec![0; self.neurons * width];
        for (slot, neuron) in words.chunks_exact_mut(width).enumerate() {
            for (word, column) in neuron.iter_mut().zip(columns.chunks_exact(self.stride)) {
                *word = column[slot];
            }
        }
        event.look(&words);
        Ok(())
    }

    /// The samples of a window.
    fn sample(
        &mut self,
        device: &D,
        bank: &Bank,
        window: &EventWindow,
        out: &mut Vec<Sample>,
    ) -> Result<(), DeviceError> {
        let stops = Stops::of(bank, &window.span);
        if stops.times.is_empty() {
            return Ok(());
        }
        let bytes = 8 * stops.times.len() * self.columns;
        let sampling = [
            self.slots.filled(device, &stops.slots)?,
            self.stops_of.filled(device, &stops.of)?,
            self.stops.filled(device, &stops.times)?,
            device.address(self.samples.with(device, bytes)?),
        ];
        self.launch(device, window, stops.slots.len(), sampling)?;
        let mut states = vec![0.0_f64; stops.times.len() * self.columns];
        let buffer = self.samples.with(device, bytes)?;
        device.read(buffer, 0, bytemuck::cast_slice_mut(&mut states))?;
        let mut states = stops.times.iter().zip(states.chunks_exact(self.columns));
        for (k, requests) in stops.requests.iter().enumerate() {
            let own = (stops.of[k + 1] - stops.of[k]) as usize;
            for (time, state) in states.by_ref().take(own) {
                let wanted = requests.clone().filter(|r| bank.samples[*r].wants(*time));
                out.extend(wanted.map(|request| Sample {
                    bank: window.bank,
                    request: request as u32,
                    time: Time::from_picoseconds(*time),
                    state: state.into(),
                }));
            }
        }
        Ok(())
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
        let results = device.address(&self.results);
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
            results + 8 * HEADER as u64,
            device.address(&self.faults),
            self.capacity as u64,
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
        ];
        // SAFETY: the arguments are in the order of the structure in `event_head.cuh`, for buffers of the sizes
        // that `new` and `Growing` give them; the list of arrivals is as long as counts and ends say.
        unsafe { device.launch(&self.module, "advance", threads, &arguments) }
    }

    /// Hands over the spikes of a window.
    fn collect(
        &mut self,
        device: &D,
        window: &EventWindow,
        count: usize,
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let known = (self.read.len() - HEADER) / SPIKE;
        if count > known {
            // Room for a few more than these next time.
            let room = (count + count / 4).min(self.capacity);
            self.read.resize(HEADER + SPIKE * room, 0);
            let from = HEADER + SPIKE * known;
            let rest = &mut self.read[from..HEADER + SPIKE * count];
            device.read(&self.results, 8 * from, bytemuck::cast_slice_mut(rest))?;
        }
        let spikes = self.read[HEADER..HEADER + SPIKE * count].as_chunks::<SPIKE>().0;
        let spikes = spikes.iter().map(|[slot, since]| {
            (*slot as u32, window.span.start + Time::from_picoseconds(*since))
        });
        out.spikes[window.bank as usize].extend(spikes);
        Ok(())
    }

    /// The earliest fault of a window in which there are some.
    fn fault(&self, device: &D, window: &EventWindow) -> Result<Option<Fault>, DeviceError> {
        let mut faults = vec![0_u64; self.neurons];
        device.read(&self.faults, 0, bytemuck::cast_slice_mut(&mut faults))?;
        let fault = |(slot, word): (u32, &u64)| {
            // 0: none.
            let word = word.checked_sub(1)?;
            let kind = if word & 1 == 1 { FaultKind::Storm } else { FaultKind::NotFinite };
            Some(Fault { step: word >> 1, bank: window.bank, slot, kind })
        };
        Ok((0..).zip(&faults).filter_map(fault).min())
    }
}

impl Stops {
    fn of(bank: &Bank, span: &Range<Time>) -> Stops {
        let mut all = Stops { of: vec![0], ..Stops::default() };
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
            all.slots.push(own[0].slot);
            all.times.extend(stops);
            all.of.push(all.times.len() as u32);
            all.requests.push(requests);
        }
        all
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
