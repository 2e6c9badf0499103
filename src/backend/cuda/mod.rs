//! The CUDA back end: kernels on an NVIDIA GPU.
//!
//! | module | what it holds |
//! |---|---|
//! | [`device`] | what the back end needs of a device, and the GPU as one |
//! | [`program`] | the source of a bank's kernels, specialised by its circuit's forms |
//! | [`compile`] | NVRTC, and the cache of what it compiled |
//! | `bank` | a bank that is advanced by steps: its memory, and how a window goes through it |
//! | `event` | the same of event-driven neurons |
//! | `sums` | what arrives by steps, and the table of edges that makes it of spikes |
//! | `arrivals` | what arrives at event-driven neurons |
//! | `network` | a network that runs on the device by itself: sources, delays, routing |
//! | `batch` | windows of such a network that the host does not see one by one |
//!
//! One thread carries one neuron through a window, parameters and state in registers; columns stay on the
//! device from window to window, and so does the table of edges: a spike comes in as a run of edges, whose
//! pulses are added there. What else comes in is what systems wrote; what goes out are spikes, and the
//! samples and columns that somebody asks for.
//!
//! The kernels (`kernels/*.cu`) compute what the Rust steps compute, operation by operation: the same
//! polynomials, fused multiply-adds where those have them and nowhere else, IEEE division. So results are
//! equal bit for bit, and whether a run had a GPU shows in its wall time only.
//!
//! Everything but [`Gpu`] is written against [`Device`], a handful of functions. The test suite runs it on a
//! second one: the same kernel sources compiled as C++ for the host.

mod arrivals;
mod bank;
mod batch;
pub mod compile;
pub mod device;
mod digests;
mod event;
mod memory;
mod network;
pub mod program;
mod sources;
mod sums;

use std::sync::{Mutex, PoisonError};

pub use device::{Device, DeviceError, Gpu};
pub use program::Program;

use super::cpu::Cpu;
use super::{Advanced, Backend, Fault};
use crate::bank::transfer::Readback;
use crate::bank::{Bank, Neurons};
use crate::error::Error;
use crate::network::inbox::{Delivery, Inbox};
use crate::network::router::Router;
use crate::network::source::Emission;
use crate::scene::estimate::bytes_text;
use crate::schedule::Window;
use crate::threads::Pool;
use crate::time::Time;
use bank::{DeviceBank, Piece, Plan};
use event::{DeviceEvents, EventPlan, EventWindow};
use network::Network;
use sums::{Cells, Place, Sums};

/// The name of the back end.
const NAME: &str = "cuda";
/// What it takes about to get an event-driven neuron ready for the device.
const NANOSECONDS_OF_A_NEURON: u64 = 300;

/// Runs kernels on a device, and on the threads of this machine what has no kernel there.
pub struct Cuda<D: Device = Gpu> {
    device: D,
    host: Cpu,
    state: Mutex<State<D>>,
}

struct State<D: Device> {
    /// `None`: no simulation has started.
    sums: Option<Sums<D>>,
    /// For each bank; `None`: it runs on the host.
    banks: Vec<Option<OnDevice<D>>>,
    /// A network that runs there by itself.
    network: Option<Network<D>>,
    remarks: Vec<String>,
}

/// A bank on the device.
enum OnDevice<D: Device> {
    /// Advanced by steps.
    Stepped(Box<DeviceBank<D>>),
    /// Event-driven.
    Event(Box<DeviceEvents<D>>),
}

/// What a bank needs there.
enum BankPlan {
    Stepped(Plan),
    Event(EventPlan),
}

impl BankPlan {
    /// For launches of at most so many steps; `None`: it runs on the host.
    fn new(bank: &Bank, steps: usize) -> Option<BankPlan> {
        if !has_kernel(bank) {
            return None;
        }
        EventPlan::new(bank)
            .map(BankPlan::Event)
            .or_else(|| Some(BankPlan::Stepped(Plan::new(bank, steps))))
    }

    /// What takes how many bytes.
    fn parts(&self) -> &[(String, u128)] {
        match self {
            BankPlan::Stepped(plan) => &plan.parts,
            BankPlan::Event(plan) => &plan.parts,
        }
    }

    fn allocate<D: Device>(self, device: &D, bank: &Bank) -> Result<OnDevice<D>, DeviceError> {
        Ok(match self {
            BankPlan::Stepped(_) => OnDevice::Stepped(Box::new(DeviceBank::new(device, bank)?)),
            BankPlan::Event(plan) => {
                OnDevice::Event(Box::new(DeviceEvents::new(device, bank, plan)?))
            }
        })
    }
}

impl<D: Device> OnDevice<D> {
    fn upload(&mut self, device: &D, bank: &mut Bank, host: &Cpu) -> Result<(), DeviceError> {
        match (self, &mut bank.neurons) {
            (OnDevice::Stepped(on_device), _) => on_device.upload(device, bank),
            (OnDevice::Event(on_device), Neurons::Event(event)) => {
                // What follows from biases, and packing it.
                let work = NANOSECONDS_OF_A_NEURON * event.awake() as u64;
                on_device.upload(device, &mut **event, host.pool(work))
            }
            (OnDevice::Event(_), _) => Ok(()),
        }
    }

    fn fetch(&mut self, device: &D, bank: &mut Bank, what: Readback) -> Result<(), DeviceError> {
        match (self, &mut bank.neurons) {
            (OnDevice::Stepped(on_device), _) => on_device.fetch(device, bank, what),
            (OnDevice::Event(on_device), Neurons::Event(event)) => {
                on_device.fetch(device, &mut **event)
            }
            (OnDevice::Event(_), _) => Ok(()),
        }
    }

    /// The end of the last window that it went through.
    fn now(&self) -> Time {
        match self {
            OnDevice::Stepped(on_device) => on_device.now(),
            OnDevice::Event(on_device) => on_device.now(),
        }
    }
}

/// What a simulation needs on the device.
struct Needs {
    cells: Cells,
    /// For each bank; `None`: it runs on the host.
    banks: Vec<Option<BankPlan>>,
}

impl Cuda<Gpu> {
    /// On the first GPU; what cannot run there runs on so many threads (`None`: as many as there are
    /// cores).
    ///
    /// # Errors
    /// [`Error::Device`] that says what is missing (driver, device) and how to get it. (NVRTC is missed when
    /// there are programs to compile: see [`Cuda::check`].)
    pub fn open(threads: Option<usize>) -> Result<Cuda<Gpu>, Error> {
        Ok(Cuda::on(Gpu::open()?, threads))
    }
}

impl<D: Device> Cuda<D> {
    /// On a device.
    #[must_use]
    pub fn on(device: D, threads: Option<usize>) -> Cuda<D> {
        let state = State { sums: None, banks: Vec::new(), network: None, remarks: Vec::new() };
        Cuda { device, host: Cpu::new(threads), state: Mutex::new(state) }
    }

    /// The device's name.
    #[must_use]
    pub fn device_name(&self) -> String {
        self.device.name()
    }

    /// The threads of this machine that it may use.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.host.threads()
    }

    /// Whether these banks can run here, in windows of at most `window`, with so many edges: some of them
    /// have kernels for a device, these compile, and there is memory for them.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn check(&self, banks: &[Bank], window: Time, edges: usize) -> Result<(), Error> {
        self.needs(banks, window, edges)?;
        for program in banks.iter().filter_map(Program::of) {
            let loaded = self.device.load(&program);
            loaded.map_err(|e| Error::Device { name: NAME, reason: e.to_string() })?;
        }
        Ok(())
    }

    /// What a simulation needs, if there is as much.
    fn needs(&self, banks: &[Bank], window: Time, edges: usize) -> Result<Needs, Error> {
        let refused = |reason: String| Error::Device { name: NAME, reason };
        let device = self.device.name();
        let free = self.device.free_memory().map_err(|e| refused(e.to_string()))?;
        if !banks.iter().any(has_kernel) {
            let why = all_on_host(banks);
            let why = if why.is_empty() { "it has no neurons".into() } else { why.join("; ") };
            return Err(refused(format!("nothing of this scene would run on {device}: {why}")));
        }
        let step = banks.iter().filter(|bank| has_kernel(bank)).find_map(|bank| bank.step);
        let steps = step.map_or(1, |step| window.whole(step).max(1));
        let cells = Cells::new(banks, has_kernel, steps, free / 4);
        let plan = |bank: &Bank| BankPlan::new(bank, cells.steps);
        let plans: Vec<Option<BankPlan>> = banks.iter().map(plan).collect();
        let of_what = match step {
            Some(_) => format!("the sums of what arrives in {} steps", cells.steps),
            None => "what arrives".to_string(),
        };
        let mut parts = vec![
            (of_what, cells.bytes()),
            (format!("the table of {edges} edges"), Sums::<D>::table_bytes(edges)),
        ];
        parts.extend(plans.iter().flatten().flat_map(|plan| plan.parts().iter().cloned()));
        let need = parts.iter().fold(0_u128, |sum, (_, bytes)| sum.saturating_add(*bytes));
        if cells.ends() > u64::from(u32::MAX) || need > u128::from(free) {
            let largest = parts.iter().max_by_key(|(_, bytes)| *bytes);
            let largest = largest.map_or(String::new(), |(what, bytes)| {
                format!("; the largest part is {what} with {}", bytes_text(*bytes))
            });
            return Err(refused(format!(
                "the scene needs about {} of device memory, but {} are free on {device}{largest}",
                bytes_text(need),
                bytes_text(u128::from(free)),
            )));
        }
        Ok(Needs { cells, banks: plans })
    }
}

impl<D: Device> State<D> {
    /// Advances the banks of the device through a window.
    fn advance(
        &mut self,
        (device, host): (&D, &Cpu),
        banks: &mut [Bank],
        inbox: &Inbox,
        window: &Window,
        out: &mut Advanced,
    ) -> Result<(), DeviceError> {
        let Some(sums) = &mut self.sums else { return Ok(()) };
        let is_written = banks.iter().any(Bank::is_written) || !inbox.reweighted.is_empty();
        if let Some(network) = self.network.as_mut().filter(|_| is_written) {
            network.step_back(device, &mut self.banks)?;
        }
        for (bank, on_device) in banks.iter_mut().zip(&mut self.banks) {
            if let Some(on_device) = on_device {
                on_device.upload(device, bank, host).map_err(|e| e.of(bank))?;
            }
        }
        sums.reweight(device, &inbox.reweighted)?;
        if let Some(network) = &mut self.network {
            let own = &mut self.banks;
            let fault = network.advance(device, sums, own, banks, inbox, window, out)?;
            out.fault = out.fault.into_iter().chain(fault).min();
            return Ok(());
        }
        // Neurons of both kinds go through the whole window, whatever went wrong with the others.
        let event_fault = self.advance_events(device, banks, inbox, window, out)?;
        let stepped_fault = self.advance_stepped(device, banks, inbox, window, out)?;
        out.fault = out.fault.into_iter().chain(event_fault).chain(stepped_fault).min();
        Ok(())
    }

    /// Those that are event-driven; the result is the earliest fault.
    fn advance_events(
        &mut self,
        device: &D,
        banks: &[Bank],
        inbox: &Inbox,
        window: &Window,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let Some(sums) = self.sums.as_mut().filter(|sums| sums.cells.events > 0) else {
            return Ok(None);
        };
        sums.deliver_events(device, inbox.runs(), window.start())?;
        let mut earliest: Option<Fault> = None;
        for (index, (bank, on_device)) in banks.iter().zip(&mut self.banks).enumerate() {
            let (Some(OnDevice::Event(on_device)), Place::Events(first)) =
                (on_device, sums.cells.places[index])
            else {
                continue;
            };
            let window = EventWindow {
                span: window.start()..window.end(),
                arrivals: sums.arrivals_of(device, first)?,
            };
            let fault = on_device.advance(device, bank, index as u32, &window, out);
            let fault = fault.map_err(|e| e.of(bank))?;
            earliest = earliest.into_iter().chain(fault).min();
        }
        Ok(earliest)
    }

    /// Those that are advanced by steps; the result is the earliest fault.
    fn advance_stepped(
        &mut self,
        device: &D,
        banks: &[Bank],
        inbox: &Inbox,
        window: &Window,
        out: &mut Advanced,
    ) -> Result<Option<Fault>, DeviceError> {
        let here = |(bank, on_device): (&Bank, &Option<OnDevice<D>>)| {
            bank.step.filter(|_| on_device.is_some())
        };
        let step = banks.iter().zip(&self.banks).find_map(here);
        let (Some(sums), Some(step)) = (&mut self.sums, step) else { return Ok(None) };
        let unit = step.whole(window.dt);
        let window = window.in_steps_of(step);
        let mut earliest: Option<Fault> = None;
        let mut first = 0;
        while first < window.steps as usize && earliest.is_none() {
            let steps = sums.cells.steps.min(window.steps as usize - first);
            let piece = Window {
                first_step: window.first_step + first as u64,
                steps: steps as u64,
                dt: window.dt,
            };
            let mut overflow = None;
            for on_device in self.banks.iter_mut().flatten() {
                if let OnDevice::Stepped(on_device) = on_device {
                    let at = on_device.reset(device)?;
                    overflow.get_or_insert(at);
                }
            }
            let overflow = overflow.unwrap_or(0);
            let delivered = sums.deliver(device, inbox.runs(), first, steps, overflow)?;
            for (index, (bank, on_device)) in banks.iter().zip(&mut self.banks).enumerate() {
                let (Some(OnDevice::Stepped(on_device)), Place::Cells(cell)) =
                    (on_device, sums.cells.places[index])
                else {
                    continue;
                };
                let (of_bank, cells) = (sums.of(device, cell), sums.cells.count);
                let piece = Piece { window: &piece, sums: of_bank, cells };
                let fault = on_device.advance(device, bank, index as u32, &piece, out);
                if let Some(fault) = fault.map_err(|e| e.of(bank))? {
                    let step = (first as u64 + fault.step) * unit;
                    let fault = Fault { step, ..fault };
                    earliest = earliest.into_iter().chain([fault]).min();
                }
            }
            sums.empty(device, &delivered, steps)?;
            first += steps;
        }
        Ok(earliest)
    }
}

impl DeviceError {
    /// With the name of the model.
    fn of(self, bank: &Bank) -> DeviceError {
        DeviceError { action: format!("`{}`: {}", bank.model.name(), self.action), ..self }
    }
}

/// Why a bank cannot run on a device.
fn why_on_host(bank: &Bank) -> Option<&'static str> {
    match &bank.neurons {
        Neurons::Host => Some("it is a host model"),
        Neurons::Event(event) if event.device_code().is_none() => {
            Some("its event-driven equations have no CUDA source")
        }
        Neurons::Event(_) => None,
        Neurons::Stepped(stepped) if stepped.kernel.device_code().is_none() => {
            Some("its kernel has no CUDA source")
        }
        Neurons::Stepped(_) => None,
    }
}

/// Whether the neurons of a bank have a kernel for devices.
#[must_use]
pub fn has_kernel(bank: &Bank) -> bool {
    why_on_host(bank).is_none()
}

/// The same of all that cannot, each model once.
fn all_on_host(banks: &[Bank]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for bank in banks {
        let said = why_on_host(bank)
            .map(|why| format!("`{}` runs on the host: {why}", bank.model.name()))
            .filter(|said| !all.contains(said));
        all.extend(said);
    }
    all
}

impl<D: Device> Backend for Cuda<D> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn shares(&self, banks: &[Bank], edges: usize, round: &Window) -> usize {
        self.host.shares(banks, edges, round)
    }

    fn pool(&self, nanoseconds: u64) -> Option<&Pool> {
        self.host.pool(nanoseconds)
    }

    fn delivery(&self, banks: &[Bank]) -> Delivery {
        let here = banks.iter().filter(|bank| has_kernel(bank)).count();
        match here {
            0 => Delivery::Host,
            here if here == banks.len() => Delivery::Device,
            _ => Delivery::Both,
        }
    }

    fn prepare(&self, banks: &[Bank], window: Time, router: &Router) -> Result<(), Error> {
        let needs = self.needs(banks, window, router.edge_count())?;
        let refused = |error: DeviceError| Error::Device { name: NAME, reason: error.to_string() };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.remarks = all_on_host(banks);
        state.banks.clear();
        state.network = None;
        for (bank, plan) in banks.iter().zip(needs.banks) {
            let prepared = plan.map(|plan| plan.allocate(&self.device, bank));
            state.banks.push(prepared.transpose().map_err(|error| refused(error.of(bank)))?);
        }
        let sums = Sums::new(&self.device, banks, needs.cells, router);
        state.sums = Some(sums.map_err(refused)?);
        Ok(())
    }

    fn take_over(
        &self,
        banks: &[Bank],
        router: &Router,
        emissions: &[Emission],
        is_heard: bool,
    ) -> Result<bool, Error> {
        let step = Some(router.grid());
        let is_stepped = |bank: &Bank| bank.step == step;
        let is_event = |bank: &Bank| matches!(bank.neurons, Neurons::Event(_));
        let is_of_one_kind = banks.iter().all(is_stepped) || banks.iter().all(is_event);
        if banks.is_empty() || !is_of_one_kind || !banks.iter().all(has_kernel) {
            return Ok(false);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let own = (banks, &state.banks[..]);
        let network = Network::new(&self.device, own, router, emissions, is_heard);
        state.network =
            network.map_err(|error| Error::Device { name: NAME, reason: error.to_string() })?;
        Ok(state.network.is_some())
    }

    fn advance(&self, banks: &mut [Bank], inbox: &Inbox, window: &Window, out: &mut Advanced) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = state.advance((&self.device, &self.host), banks, inbox, window, out) {
            let (time, message) = (window.start(), error.to_string());
            out.failure = Some(Error::DeviceFault { name: NAME, time, message });
            return;
        }
        // What runs on the device is not the host's: it sees banks without neurons in their place.
        let on_device = |k: usize| state.banks.get(k).is_some_and(Option::is_some);
        if (0..banks.len()).all(on_device) {
            return;
        }
        let away: Vec<_> = banks
            .iter_mut()
            .enumerate()
            .map(|(k, bank)| {
                on_device(k).then(|| std::mem::replace(&mut bank.neurons, Neurons::Host))
            })
            .collect();
        self.host.advance(banks, inbox, window, out);
        for (bank, neurons) in banks.iter_mut().zip(away) {
            if let Some(neurons) = neurons {
                bank.neurons = neurons;
            }
        }
    }

    fn expect(&self, next: Option<Window>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = &mut state.network {
            network.expect(next);
        }
    }

    fn fetch(&self, banks: &mut [Bank], what: Readback) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        if let Some(network) = &mut state.network {
            network.step_back(&self.device, &mut state.banks).map_err(|error| {
                let time = state.banks.iter().flatten().map(OnDevice::now).max();
                let (time, message) = (time.unwrap_or(Time::ZERO), error.to_string());
                Error::DeviceFault { name: NAME, time, message }
            })?;
        }
        for (bank, on_device) in banks.iter_mut().zip(&mut state.banks) {
            let Some(on_device) = on_device else { continue };
            on_device.fetch(&self.device, bank, what).map_err(|error| {
                let message = error.of(bank).to_string();
                Error::DeviceFault { name: NAME, time: on_device.now(), message }
            })?;
        }
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.remarks.iter().cloned().chain(self.device.remarks()).collect()
    }
}
