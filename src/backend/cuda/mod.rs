//! The CUDA back end: kernels on an NVIDIA GPU.
//!
//! | module | what it holds |
//! |---|---|
//! | [`device`] | what the back end needs of a device, and the GPU as one |
//! | [`program`] | the source of a bank's kernels, specialised by its circuit's forms |
//! | [`compile`] | NVRTC, and the cache of what it compiled |
//! | `bank` | a bank on the device: its memory, and how a window goes through it |
//!
//! One thread carries one neuron through a window, parameters and state in registers; columns stay on the
//! device from window to window. What comes in are arrivals and what systems wrote, what goes out are
//! spikes, and the samples and columns that somebody asks for.
//!
//! The kernels (`kernels/*.cu`) compute what the Rust steps compute, operation by operation: the same
//! polynomials, fused multiply-adds where those have them and nowhere else, IEEE division. So results are
//! equal bit for bit, and whether a run had a GPU shows in its wall time only.
//!
//! Everything but [`Gpu`] is written against [`Device`], a handful of functions. The test suite runs it on a
//! second one: the same kernel sources compiled as C++ for the host.

mod bank;
pub mod compile;
pub mod device;
pub mod program;

use std::sync::{Mutex, PoisonError};

pub use device::{Device, DeviceError, Gpu};
pub use program::Program;

use super::cpu::Cpu;
use super::{Advanced, Backend};
use crate::bank::transfer::Readback;
use crate::bank::{Bank, Neurons};
use crate::error::Error;
use crate::network::inbox::Inbox;
use crate::scene::estimate::bytes_text;
use crate::schedule::Window;
use crate::time::Time;
use bank::{DeviceBank, Plan};

/// The name of the back end.
const NAME: &str = "cuda";

/// Runs kernels on a device, and on the threads of this machine what has no kernel there.
pub struct Cuda<D: Device = Gpu> {
    device: D,
    host: Cpu,
    state: Mutex<State<D>>,
}

struct State<D: Device> {
    /// For each bank; `None`: it runs on the host.
    banks: Vec<Option<DeviceBank<D>>>,
    remarks: Vec<String>,
}

impl Cuda<Gpu> {
    /// On the first GPU; what cannot run there runs on so many threads (`None`: as many as there are
    /// cores).
    ///
    /// # Errors
    /// [`Error::Device`] that says what is missing (driver, NVRTC, device) and how to get it.
    pub fn open(threads: Option<usize>) -> Result<Cuda<Gpu>, Error> {
        Ok(Cuda::on(Gpu::open()?, threads))
    }
}

impl<D: Device> Cuda<D> {
    /// On a device.
    #[must_use]
    pub fn on(device: D, threads: Option<usize>) -> Cuda<D> {
        let state = State { banks: Vec::new(), remarks: Vec::new() };
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

    /// Whether these banks can run here, in windows of at most `window`: some of them have kernels for a
    /// device, these compile, and there is memory for them.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn check(&self, banks: &[Bank], window: Time) -> Result<(), Error> {
        self.plan(banks, window)?;
        for stepped in banks.iter().filter_map(Bank::stepped) {
            if let Some(program) = Program::euler(&*stepped.kernel) {
                let loaded = self.device.load(&program);
                loaded.map_err(|e| Error::Device { name: NAME, reason: e.to_string() })?;
            }
        }
        Ok(())
    }

    /// What each bank needs on the device; `None`: it runs on the host.
    fn plan(&self, banks: &[Bank], window: Time) -> Result<Vec<Option<Plan>>, Error> {
        let refused = |reason: String| Error::Device { name: NAME, reason };
        let device = self.device.name();
        let free = self.device.free_memory().map_err(|e| refused(e.to_string()))?;
        let for_device = banks.iter().filter(|bank| why_on_host(bank).is_none()).count() as u64;
        if for_device == 0 {
            let why: Vec<String> = banks.iter().filter_map(on_host).collect();
            let why = if why.is_empty() { "it has no neurons".into() } else { why.join("; ") };
            return Err(refused(format!("nothing of this scene would run on {device}: {why}")));
        }
        let plan = |bank: &Bank| {
            why_on_host(bank).is_none().then(|| Plan::new(bank, window, free / (4 * for_device)))
        };
        let plans: Vec<Option<Plan>> = banks.iter().map(plan).collect();
        let parts = || plans.iter().flatten().flat_map(|plan| &plan.parts);
        let need = parts().fold(0_u128, |sum, (_, bytes)| sum.saturating_add(*bytes));
        if need > u128::from(free) {
            let largest = parts().max_by_key(|(_, bytes)| *bytes);
            let largest = largest.map_or(String::new(), |(what, bytes)| {
                format!("; the largest part is {what} with {}", bytes_text(*bytes))
            });
            return Err(refused(format!(
                "the scene needs about {} of device memory, but {} are free on {device}{largest}",
                bytes_text(need),
                bytes_text(u128::from(free)),
            )));
        }
        Ok(plans)
    }
}

/// Why a bank cannot run on a device.
fn why_on_host(bank: &Bank) -> Option<&'static str> {
    match &bank.neurons {
        Neurons::Host => Some("it is a host model"),
        Neurons::Event(_) => Some("the event-driven solver has no kernel for a device"),
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

/// The same with the name of the model.
fn on_host(bank: &Bank) -> Option<String> {
    why_on_host(bank).map(|why| format!("`{}` runs on the host: {why}", bank.model.name()))
}

impl<D: Device> Backend for Cuda<D> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pool(&self, nanoseconds: u64) -> Option<&rayon::ThreadPool> {
        self.host.pool(nanoseconds)
    }

    fn prepare(&self, banks: &[Bank], window: Time) -> Result<(), Error> {
        let plans = self.plan(banks, window)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.remarks = banks.iter().filter_map(on_host).collect();
        state.banks.clear();
        for (bank, plan) in banks.iter().zip(plans) {
            let prepared = plan.map(|plan| DeviceBank::new(&self.device, bank, plan)).transpose();
            state.banks.push(prepared.map_err(|error| Error::Device {
                name: NAME,
                reason: format!("`{}`: {error}", bank.model.name()),
            })?);
        }
        Ok(())
    }

    fn advance(&self, banks: &mut [Bank], inbox: &Inbox, window: &Window, out: &mut Advanced) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut first_block = 0;
        // What runs on the device is not the host's: it sees banks without neurons in their place.
        let mut away = Vec::with_capacity(banks.len());
        for (index, bank) in banks.iter_mut().enumerate() {
            let first = first_block;
            first_block += bank.blocks();
            let Some(Some(on_device)) = state.banks.get_mut(index) else {
                away.push(None);
                continue;
            };
            let own = bank.step.map_or(*window, |step| window.in_steps_of(step));
            let place = bank::Place { bank: index as u32, first_block: first, window: &own };
            if let Err(error) = on_device.advance(&self.device, bank, &place, inbox, window.dt, out)
            {
                let message = format!("`{}`: {error}", bank.model.name());
                let time = window.start();
                let failure = Error::DeviceFault { name: NAME, time, message };
                out.failure.get_or_insert(failure);
            }
            away.push(Some(std::mem::replace(&mut bank.neurons, Neurons::Host)));
        }
        if out.failure.is_none() && away.iter().any(Option::is_none) {
            self.host.advance(banks, inbox, window, out);
        }
        for (bank, neurons) in banks.iter_mut().zip(away) {
            if let Some(neurons) = neurons {
                bank.neurons = neurons;
            }
        }
    }

    fn fetch(&self, banks: &mut [Bank], what: Readback) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (bank, on_device) in banks.iter_mut().zip(&mut state.banks) {
            let Some(on_device) = on_device else { continue };
            on_device.fetch(&self.device, bank, what).map_err(|error| {
                let message = format!("`{}`: {error}", bank.model.name());
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
