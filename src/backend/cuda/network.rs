//! A network that runs on the device by itself: sources, delays and routing are there, and the host sees the
//! spikes of many windows at once.
//!
//! What an emitter's spike makes due (a group of its edges, at a step) waits in a list. In each window what is due
//! becomes runs of edges, these add their pulses to the sums, neurons go through the window, and their spikes join
//! those that wait. Nothing of that is looked at by the host until a batch of windows is through. Where a list was
//! too short, the batch is repeated from its start, which is kept: with a longer list, or in halves.
//!
//! All neurons are advanced by steps, or all are event-driven: then steps are picoseconds, what arrives are lists,
//! and windows are those that the host would take, because the solver's steps end with them. A batch in which an
//! event-driven neuron went wrong is repeated window by window, up to the one in which it did.

use super::batch::Batch;
use super::digests::Digests;
use super::event::EventWindow;
use super::memory::{Growing, copied};
use super::sources::{FIRED, Fired, Sources};
use super::sums::{LONGEST_RUN, Place, Sums, TEAM};
use super::{Device, DeviceError, OnDevice, Program};
use crate::backend::{Advanced, Fault};
use crate::bank::{Bank, Neurons};
use crate::network::inbox::Inbox;
use crate::network::router::Router;
use crate::network::source::Emission;
use crate::schedule::Window;
use crate::time::Time;

/// Bytes of what is due, of a run.
const DUE: usize = 16;
const RUN: usize = 24;
/// Bytes of what is counted in a window: what is due, runs, arrivals at event-driven neurons.
const COUNTS: usize = 24;
/// Entries of lists at first.
const FIRST_CAPACITY: usize = 1 << 14;
/// The most spikes of sources that a batch may have: more take it in halves.
const MOST_FIRED: usize = 1 << 24;
/// Threads that work through a list of a length that the host does not know, each through several entries where
/// there are more.
const MOST_THREADS: usize = 1 << 17;
const LEAST_THREADS: usize = 1 << 8;

/// A network on the device.
pub(super) struct Network<D: Device> {
    module: D::Module,
    /// Whether all neurons are event-driven (otherwise none is).
    is_event_driven: bool,
    /// Steps of a round: no spike fired in it can arrive in it.
    round_steps: usize,
    total_steps: u64,
    /// First group of each emitter, first edge of each group, delay of each group.
    groups: [D::Buffer; 3],
    sources: Vec<Sources<D>>,
    /// The number of each slot's neuron, bank by bank; `None`: no edge begins in it.
    emitters: Vec<Option<D::Buffer>>,
    /// What is due: of this window and of the next, and at the start of the batch.
    pending: [D::Buffer; 3],
    pending_count: u64,
    capacity: usize,
    runs: D::Buffer,
    run_capacity: usize,
    /// What was due, and runs, in the fullest window of the last batch.
    fullest: [usize; 2],
    /// Of each window of the batch.
    counts: Growing<D>,
    /// Spikes of sources in the batch that is under way, and in the one before.
    fired: Fired<D>,
    closed_fired: Fired<D>,
    headers: D::Buffer,
    /// Where nobody hears the spikes: their digests.
    digests: Option<Digests<D>>,
    /// Runs of sources on the host.
    host_runs: Growing<D>,
    /// State of each bank at the start of the batch.
    saved: Vec<D::Buffer>,
    /// Steps of a batch, at most, and of the last one.
    batch_steps: usize,
    last_steps: usize,
    /// The host's window after the one at hand, if it is known already.
    expected: Option<Window>,
    /// A batch that is under way before the host asks for it.
    ahead: Option<Ahead>,
}

/// A batch of a window of the host, from a step on, that was begun while the host was busy with the one before.
struct Ahead {
    of: Window,
    first: usize,
    /// What came of asking for it.
    batch: Result<Option<Batch>, DeviceError>,
}

impl<D: Device> Network<D> {
    /// For banks that are all on the device and of one kind, with the step of the router; `is_heard`: somebody
    /// wants the spikes. `None`: there is too little memory.
    pub(super) fn new(
        device: &D,
        (banks, on_device): (&[Bank], &[Option<OnDevice<D>>]),
        router: &Router,
        emissions: &[Emission],
        is_heard: bool,
    ) -> Result<Option<Network<D>>, DeviceError> {
        let ([first_of, first_edge], delays) = router.device_groups();
        let sources: usize = emissions.iter().map(|emission| emission.next.len()).sum();
        let capacity = FIRST_CAPACITY.max(2 * sources);
        let hears_sources = is_heard && sources > 0;
        let fired_capacity = if hears_sources { capacity.min(MOST_FIRED) } else { 0 };
        let tables = 4 * (first_of.len() + first_edge.len()) + 8 * delays.len();
        let states: usize = on_device.iter().flatten().map(OnDevice::state_bytes).sum();
        let need = tables
            + 2 * states
            + 80 * sources
            + (3 * DUE + RUN) * capacity
            + 2 * FIRED * fired_capacity;
        // Lists grow.
        if 2 * need as u64 > device.free_memory()? {
            return Ok(None);
        }
        let mut sources = Vec::new();
        for emission in emissions {
            sources.push(Sources::new(device, emission, router.first_source(emission.group))?);
        }
        let (mut emitters, mut saved) = (Vec::new(), Vec::new());
        for (bank, on_device) in banks.iter().zip(on_device.iter().flatten()) {
            let of_member = bank.members.iter().flat_map(|member| {
                let first = router.first_neuron(member.population);
                first..first + member.len
            });
            let numbers: Vec<u32> = of_member.collect();
            let is_emitter = |n: &u32| first_of[*n as usize] < first_of[*n as usize + 1];
            let routes = numbers.iter().any(is_emitter);
            emitters.push(routes.then(|| copied(device, &numbers)).transpose()?);
            saved.push(device.allocate(on_device.state_bytes())?);
        }
        Ok(Some(Network {
            module: device.load(&Program::network())?,
            is_event_driven: banks.iter().all(|bank| matches!(bank.neurons, Neurons::Event(_))),
            round_steps: usize::try_from(router.round_steps()).unwrap_or(usize::MAX),
            total_steps: router.total_steps(),
            groups: [
                copied(device, &first_of)?,
                copied(device, &first_edge)?,
                copied(device, &delays)?,
            ],
            sources,
            emitters,
            pending: [
                device.allocate(DUE * capacity)?,
                device.allocate(DUE * capacity)?,
                device.allocate(DUE * capacity)?,
            ],
            pending_count: 0,
            capacity,
            runs: device.allocate(RUN * capacity)?,
            run_capacity: capacity,
            // At first as if each emitter had a spike.
            fullest: [first_of.len(); 2],
            counts: Growing::none(),
            fired: Fired::new(device, fired_capacity)?,
            closed_fired: Fired::new(device, fired_capacity)?,
            headers: device.allocate(8 * banks.len())?,
            digests: (!is_heard).then(|| Digests::new(device, banks)).transpose()?,
            host_runs: Growing::none(),
            saved,
            batch_steps: usize::MAX,
            last_steps: 0,
            expected: None,
            ahead: None,
        }))
    }

    /// Tells the host's window after the next one, if nothing will be written in between.
    pub(super) fn expect(&mut self, window: Option<Window>) {
        self.expected = window;
    }

    /// Undoes what was begun early, because something will be read or written before it.
    pub(super) fn step_back(
        &mut self,
        device: &D,
        on_device: &mut [Option<OnDevice<D>>],
    ) -> Result<(), DeviceError> {
        // (If it could not even be begun, it will be asked for again, with the same answer.)
        if self.ahead.take().is_some() {
            let mut own: Vec<&mut OnDevice<D>> = on_device.iter_mut().flatten().collect();
            self.restore(device, &mut own)?;
        }
        Ok(())
    }

    /// Carries all banks through a span of windows.
    ///
    /// While the host takes what a batch has left, the device goes through the next one: of this window, or of
    /// the one that is expected.
    #[allow(clippy::too_many_arguments)] // What a back end has, taken apart: of one caller.
    pub(super) fn advance(
        &mut self,
        device: &D,
        sums: &mut Sums<D>,
        on_device: &mut [Option<OnDevice<D>>],
        banks: &[Bank],
        inbox: &Inbox,
        window: &Window,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        if self.ahead.as_ref().is_some_and(|ahead| ahead.of != *window || !inbox.runs().is_empty())
        {
            self.step_back(device, on_device)?;
        }
        let mut own: Vec<&mut OnDevice<D>> = on_device.iter_mut().flatten().collect();
        let steps = window.steps as usize;
        let mut first = 0;
        while first < steps {
            let begun = match self.ahead.take() {
                Some(ahead) if ahead.first == first => ahead.batch,
                _ => self.begin(device, sums, &mut own, (banks, inbox), (window, first)),
            };
            let Some(batch) = begun? else {
                self.restore(device, &mut own)?;
                continue;
            };
            if !self.fits(device, sums, &mut own, &batch)? {
                // (Sums are emptied as they are read.)
                self.restore(device, &mut own)?;
                continue;
            }
            if batch.windows.len() % 2 == 1 {
                self.pending.swap(0, 1);
            }
            // Of a batch that went wrong the host sorts out which spikes count.
            let is_heard = self.digests.is_none() || self.is_faulty(device, &mut own)?;
            if let Some(digests) = self.digests.as_mut().filter(|_| !is_heard) {
                digests.sum_up(device, &self.module, &own, &batch, out)?;
            }
            let mut is_faulty = false;
            for on_device in &mut own {
                is_faulty |= on_device.close(device, &batch, is_heard)?;
            }
            std::mem::swap(&mut self.fired, &mut self.closed_fired);
            if own.iter().all(|on_device| on_device.is_roomy()) {
                self.batch_steps = self.batch_steps.saturating_mul(2);
            }
            let mark = device.mark()?;
            let after = first + batch.span.steps as usize;
            let next =
                if after < steps { Some((*window, after)) } else { self.expected.map(|w| (w, 0)) };
            if let Some((of, first)) = next.filter(|_| !is_faulty) {
                let none = Inbox::default();
                let inbox = if after < steps { inbox } else { &none };
                let batch = self.begin(device, sums, &mut own, (banks, inbox), (&of, first));
                self.ahead = Some(Ahead { of, first, batch });
            }
            let mut fault: Option<Fault> = None;
            for (index, (bank, on_device)) in (0..).zip(banks.iter().zip(&mut own)) {
                let found = on_device.finish(device, &mark, (bank, index), &batch, is_heard, out);
                fault = fault.into_iter().chain(found.map_err(|e| e.of(bank))?).min();
            }
            self.hand_over(device, &mark, out)?;
            if let Some(fault) = fault {
                return Ok(Some(Fault { step: fault.step + first as u64, ..fault }));
            }
            first = after;
        }
        Ok(None)
    }

    /// Begins a batch of a window of the host, from a step on; `None`: its samples would take too much memory.
    fn begin(
        &mut self,
        device: &D,
        sums: &mut Sums<D>,
        own: &mut [&mut OnDevice<D>],
        (banks, inbox): (&[Bank], &Inbox),
        (window, first): (&Window, usize),
    ) -> Result<Option<Batch>, DeviceError> {
        let most_steps = own.iter().map(|bank| bank.most_steps()).min().unwrap_or(usize::MAX);
        let inner = if self.is_event_driven {
            self.round_steps
        } else {
            self.round_steps.min(sums.cells.steps).min(self.batch_steps).max(1)
        };
        let most = self.batch_steps.min(most_steps);
        let batch = Batch::new(window, first, most, inner, self.is_event_driven);
        self.last_steps = batch.span.steps as usize;
        // The other list was too short before: this one would be, too. (Otherwise it grows when it has to.)
        let capacity = self.closed_fired.capacity;
        if self.fired.capacity < capacity
            && 4 * (FIRED * capacity) as u64 <= device.free_memory()?
        {
            self.fired.lengthen(device, capacity)?;
        }
        self.save(device, own)?;
        let is_begun = self.run(device, sums, own, banks, inbox, &batch)?;
        Ok(is_begun.then_some(batch))
    }

    /// Asks for everything that a batch is; `false`: its samples would take too much memory.
    fn run(
        &mut self,
        device: &D,
        sums: &mut Sums<D>,
        own: &mut [&mut OnDevice<D>],
        banks: &[Bank],
        inbox: &Inbox,
        batch: &Batch,
    ) -> Result<bool, DeviceError> {
        let mut overflow = None;
        let mut headers = Vec::new();
        for (bank, on_device) in banks.iter().zip(own.iter_mut()) {
            let Some(header) = on_device.begin(device, bank, batch)? else {
                self.halve();
                return Ok(false);
            };
            overflow.get_or_insert(header + 16);
            if self.is_event_driven {
                headers.push(header);
            }
        }
        device.write(&mut self.headers, 0, bytemuck::cast_slice(&headers))?;
        if let Some(arrivals) = &mut sums.arrivals {
            arrivals.make_room(device, self.run_capacity as u64)?;
        }
        let windows = batch.windows.len();
        let rows = COUNTS * (windows + 1);
        let counts = self.counts.with(device, rows)?;
        device.clear(counts, 0, rows)?;
        device.write(counts, 0, bytemuck::bytes_of(&self.pending_count))?;
        let counts = device.address(counts);
        device.clear(&mut self.fired.count, 0, 8)?;
        let (host_runs, first_of_window) = batch.host_runs(inbox);
        let host_runs = self.host_runs.filled(device, &host_runs)?;
        let [first_of, first_edge, delays] = [0, 1, 2].map(|k| device.address(&self.groups[k]));
        let pending = [0, 1].map(|k| device.address(&self.pending[k]));
        // As many as had something to do in the last batch, and as many again.
        let threads = |entries: usize| (2 * entries).clamp(LEAST_THREADS, MOST_THREADS);
        let due = threads(self.fullest[0]).max(headers.len());
        let delivering = threads(TEAM * self.fullest[1]);
        for window in 0..windows {
            let (offset, steps) = batch.window(window);
            let start = batch.span.first_step + offset as u64;
            let (now, row) = (pending[window % 2], counts + (COUNTS * window) as u64);
            let (later, next_row) = (pending[(window + 1) % 2], row + COUNTS as u64);
            let overflow = [overflow.unwrap_or(0), offset as u64];
            for sources in &self.sources {
                let list = [now, row, self.capacity as u64];
                let to = sums.list_arguments(device, [0; 3], 0, overflow);
                let span = Window { first_step: start, steps: steps as u64, dt: batch.span.dt };
                let arguments = self.emission(device, sources, &span, list, to);
                self.launch(device, sources.kernel, sources.count, &arguments)?;
            }
            let arguments = [
                now,
                later,
                device.address(&self.runs),
                row,
                first_edge,
                self.capacity as u64,
                self.run_capacity as u64,
                start,
                start + steps as u64,
                u64::from(LONGEST_RUN),
                due as u64,
                device.address(&self.headers),
                headers.len() as u64,
            ];
            self.launch(device, "sort_out", due, &arguments)?;
            let own_runs = first_of_window[window]..first_of_window[window + 1];
            let at = host_runs + (RUN * own_runs.start) as u64;
            let of_host = ([at, own_runs.len() as u64, 0], TEAM * own_runs.len());
            let list = [device.address(&self.runs), self.run_capacity as u64, row + 8];
            let of_device = (list, delivering);
            let lists = &[of_host, of_device][usize::from(own_runs.is_empty())..];
            if self.is_event_driven {
                sums.deliver_event_lists(device, lists, row + 16)?;
            } else {
                for (list, threads) in lists {
                    sums.deliver_list(device, *list, *threads, overflow)?;
                }
            }
            for (index, on_device) in own.iter_mut().enumerate() {
                let gone = match (&mut **on_device, sums.cells.places[index]) {
                    (OnDevice::Stepped(on_device), Place::Cells(cell)) => {
                        let of_bank = (sums.of(device, cell), sums.cells.count);
                        on_device.go(device, of_bank, offset, steps, batch.span.steps)
                    }
                    (OnDevice::Event(on_device), Place::Events(first)) => {
                        let arrivals = sums.arrivals_of(device, first)?;
                        let span = batch.windows[window].clone();
                        on_device.go(device, &EventWindow { span, arrivals })
                    }
                    _ => continue,
                };
                gone.map_err(|e| e.of(&banks[index]))?;
                let Some(emitters) = &self.emitters[index] else { continue };
                let emitters = device.address(emitters);
                let to = [first_of, delays, later, next_row, self.capacity as u64];
                let (kernel, threads, arguments) = match &**on_device {
                    OnDevice::Stepped(on_device) => {
                        let [fired, stride] = on_device.fired(device);
                        let neurons = on_device.neurons();
                        let bits = [fired, stride, neurons as u64, offset as u64, steps as u64];
                        let start = batch.span.first_step;
                        let own = [&bits[..], &[start, emitters, self.total_steps], &to].concat();
                        ("route", neurons, own)
                    }
                    OnDevice::Event(on_device) => {
                        let list = on_device.list(device);
                        let threads = on_device.neurons().clamp(LEAST_THREADS, MOST_THREADS);
                        let own = [emitters, self.total_steps];
                        let own = [&list[..], &own, &to, &[threads as u64]].concat();
                        ("route_timed", threads, own)
                    }
                };
                self.launch(device, kernel, threads, &arguments)?;
            }
        }
        Ok(true)
    }

    /// The arguments of a group of sources that goes to the end of a window: few edges that are due in it deliver
    /// at once, `to` the sums, and the rest goes to a list.
    fn emission(
        &self,
        device: &D,
        sources: &Sources<D>,
        window: &Window,
        [pending, row, capacity]: [u64; 3],
        to: [u64; 12],
    ) -> Vec<u64> {
        let at = |buffer: &D::Buffer| device.address(buffer);
        let [next, drawn, step] = [0, 1, 2].map(|k| at(&sources.state[k]));
        let [ticks, rates, phases, starts] = [0, 1, 2, 3].map(|k| at(&sources.constants[k]));
        let Fired { spikes, count, capacity: most, .. } = &self.fired;
        let fired = [spikes.as_ref().map_or(0, at), at(count), *most as u64];
        let own = [
            next,
            drawn,
            step,
            ticks,
            rates,
            phases,
            starts,
            sources.rate_steps as u64,
            sources.key,
            sources.name.into(),
            sources.count as u64,
            sources.first.into(),
            window.end().picoseconds(),
            window.dt.picoseconds(),
            self.total_steps,
            at(&self.groups[0]),
            at(&self.groups[1]),
            at(&self.groups[2]),
            pending,
            row,
            capacity,
        ];
        // What arrives at event-driven neurons is sorted: all of it goes to the list.
        let end = if self.is_event_driven { 0 } else { window.first_step + window.steps };
        let span = [window.first_step, end];
        [&own[..], &to, &span, &fired].concat()
    }

    /// Whether a batch counts, and all lists were long enough for it; those that were not are made longer, or the
    /// next batch shorter.
    fn fits(
        &mut self,
        device: &D,
        sums: &mut Sums<D>,
        own: &mut [&mut OnDevice<D>],
        batch: &Batch,
    ) -> Result<bool, DeviceError> {
        let windows = batch.windows.len();
        let mut counts = vec![[0_u64; COUNTS / 8]; windows + 1];
        let rows = self.counts.with(device, COUNTS * (windows + 1))?;
        device.read(rows, 0, bytemuck::cast_slice_mut(&mut counts))?;
        let most = |k: usize| counts.iter().map(|row| row[k]).max().unwrap_or(0);
        let (pending, runs, arrived) = (most(0) as usize, most(1) as usize, most(2));
        self.fullest = [pending, runs];
        let mut fits = true;
        if pending > self.capacity {
            self.capacity = pending.next_power_of_two();
            let mut kept = device.allocate(DUE * self.capacity)?;
            let bytes = DUE * self.pending_count as usize;
            device.copy(&self.pending[2], &mut kept, bytes)?;
            self.pending[2] = kept;
            for k in 0..2 {
                self.pending[k] = device.allocate(DUE * self.capacity)?;
            }
            fits = false;
        }
        if runs > self.run_capacity {
            self.run_capacity = runs.next_power_of_two();
            self.runs = device.allocate(RUN * self.run_capacity)?;
            fits = false;
        }
        if let Some(arrivals) = &mut sums.arrivals
            && !arrivals.holds(arrived)
        {
            arrivals.make_room(device, arrived)?;
            fits = false;
        }
        for on_device in own.iter_mut() {
            if on_device.is_full(device)? {
                if !on_device.lengthen(device, batch)? {
                    self.halve();
                }
                fits = false;
            }
        }
        if !self.fired.look(device)? {
            let fired = self.fired.found;
            let is_one =
                if self.is_event_driven { windows } else { batch.span.steps as usize } == 1;
            if fired > MOST_FIRED && !is_one {
                self.halve();
            } else {
                self.fired.lengthen(device, fired.next_power_of_two())?;
            }
            fits = false;
        }
        // Only of a batch of one window can be told what happened before the first fault.
        if fits && self.is_event_driven && windows > 1 && self.is_faulty(device, own)? {
            self.batch_steps = 1;
            fits = false;
        }
        if fits {
            self.pending_count = counts[windows][0];
        }
        Ok(fits)
    }

    fn halve(&mut self) {
        self.batch_steps = (self.last_steps / 2).max(1);
    }

    /// Keeps what a batch starts from.
    fn save(&mut self, device: &D, own: &[&mut OnDevice<D>]) -> Result<(), DeviceError> {
        for (on_device, saved) in own.iter().zip(&mut self.saved) {
            on_device.save(device, saved)?;
        }
        for Sources { state, saved, count, .. } in &mut self.sources {
            for (state, saved) in state.iter().zip(saved) {
                device.copy(state, saved, 8 * *count)?;
            }
        }
        let [now, _, kept] = &mut self.pending;
        device.copy(now, kept, DUE * self.pending_count as usize)
    }

    /// Goes back to what a batch started from.
    fn restore(&mut self, device: &D, own: &mut [&mut OnDevice<D>]) -> Result<(), DeviceError> {
        for (on_device, saved) in own.iter_mut().zip(&self.saved) {
            on_device.restore(device, saved)?;
        }
        for Sources { state, saved, count, .. } in &mut self.sources {
            for (state, saved) in state.iter_mut().zip(saved) {
                device.copy(saved, state, 8 * *count)?;
            }
        }
        let [now, _, kept] = &mut self.pending;
        device.copy(kept, now, DUE * self.pending_count as usize)
    }

    /// Looks at whether something went wrong in a batch.
    fn is_faulty(&self, device: &D, own: &mut [&mut OnDevice<D>]) -> Result<bool, DeviceError> {
        for on_device in own.iter_mut() {
            if on_device.is_faulty(device)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Hands over the spikes of sources that a batch has left by a mark.
    fn hand_over(&self, device: &D, mark: &D::Mark, out: &mut Advanced) -> Result<(), DeviceError> {
        let Fired { spikes: Some(fired), found, .. } = &self.closed_fired else { return Ok(()) };
        let mut spikes = vec![[0_u64; 2]; *found];
        device.read_after(mark, fired, 0, bytemuck::cast_slice_mut(&mut spikes))?;
        for [emitter, time] in spikes {
            let emitter = emitter as u32;
            let own = |s: &&Sources<D>| (s.first..s.first + s.count as u32).contains(&emitter);
            if let Some(sources) = self.sources.iter().find(own) {
                let index = emitter - sources.first;
                out.sources.push((sources.group, Time::from_picoseconds(time), index));
            }
        }
        Ok(())
    }

    fn launch(
        &self,
        device: &D,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        // SAFETY: the arguments are in the order of the structures in `network.cu`. Groups and edges are those of
        // the router's table, emitters are its numbers, lists have the capacities that go with them.
        unsafe { device.launch(&self.module, kernel, threads, arguments) }
    }
}
