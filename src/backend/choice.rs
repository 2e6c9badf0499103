//! Which back end a run takes, and why.

use super::cpu::Cpu;
use crate::error::Error;
use crate::simulation::Simulation;

/// What a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A GPU where there is one and the work pays, otherwise the processor.
    Auto,
    /// The processor.
    Cpu,
    /// A GPU.
    Cuda,
}

/// Neuron-steps of a run for each thread of the processor, below which a GPU does not pay: a whole command with an
/// H200 took 0.35 s more than without one (kernels in the cache), and a thread makes 10⁹ steps a second.
pub const LEAST_WORK: f64 = 4e8;
/// Neuron-steps of a window below which it does not pay: a window of a network took 21 µs on an H200, as long as
/// on two threads one of 5000 neuron-steps.
pub const LEAST_WINDOW: f64 = 1e4;

/// Neuron-steps that a second of an event-driven neuron counts as: two threads took as long for 3.1·10⁴ of workload
/// M.
pub const STEPS_OF_EVENT_SECOND: f64 = 3e4;

/// The back ends that a run may take.
pub struct Candidates {
    choice: Choice,
    threads: Option<usize>,
    #[cfg(feature = "cuda")]
    cuda: Option<super::cuda::Cuda>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Threads that it may use.
    pub threads: usize,
    /// Why it, in a few words; of a GPU also its name.
    pub why: String,
}

impl Candidates {
    /// Looks for what was asked for by name.
    ///
    /// # Errors
    /// [`Error::Device`]: what is missing and how to get it.
    pub fn new(choice: Choice, threads: Option<usize>) -> Result<Candidates, Error> {
        #[cfg(feature = "cuda")]
        {
            let is_asked_for = choice == Choice::Cuda;
            let cuda = is_asked_for.then(|| super::cuda::Cuda::open(threads)).transpose()?;
            Ok(Candidates { choice, threads, cuda })
        }
        #[cfg(not(feature = "cuda"))]
        if choice == Choice::Cuda {
            let reason = "this picoamp was built without it: build with the feature `cuda`".into();
            Err(Error::Device { name: "cuda", reason })
        } else {
            Ok(Candidates { choice, threads })
        }
    }

    /// Gives a simulation that has not yet run its back end.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot run on what was asked for by name.
    pub fn choose(self, simulation: &mut Simulation) -> Result<Chosen, Error> {
        let cpu = Cpu::new(self.threads);
        let threads = cpu.threads();
        #[cfg(feature = "cuda")]
        let why = match (self.choice, self.cuda) {
            (Choice::Cpu, _) => "as asked".to_string(),
            (Choice::Cuda, Some(cuda)) => return with_cuda::take(cuda, simulation),
            (Choice::Cuda | Choice::Auto, _) => match with_cuda::why_not(simulation, threads) {
                Some(why) => why,
                None => {
                    let opened = super::cuda::Cuda::open(self.threads);
                    match opened.and_then(|cuda| with_cuda::take(cuda, simulation)) {
                        Ok(chosen) => return Ok(chosen),
                        Err(Error::Device { reason, .. }) => {
                            format!("a GPU would pay, but {reason}")
                        }
                        Err(error) => format!("a GPU would pay, but {error}"),
                    }
                }
            },
        };
        #[cfg(not(feature = "cuda"))]
        let why = match self.choice {
            Choice::Cpu => "as asked".to_string(),
            _ => "built without the feature `cuda`".to_string(),
        };
        simulation.set_backend(cpu);
        Ok(Chosen { threads, why })
    }
}

#[cfg(feature = "cuda")]
mod with_cuda {
    use super::{Chosen, Error, LEAST_WINDOW, LEAST_WORK, STEPS_OF_EVENT_SECOND, Simulation};
    use crate::backend::CurrentBackend;
    use crate::backend::cuda::{Cuda, has_kernel};
    use crate::bank::Banks;
    use crate::network::lengths::round_of;
    use crate::scene::estimate::{Estimate, Recording};
    use crate::time::Time;

    /// Takes a GPU, if the simulation can run there.
    pub(super) fn take(cuda: Cuda, simulation: &mut Simulation) -> Result<Chosen, Error> {
        let window = round_of(simulation.scene());
        // Edges by hand are not counted yet: memory is looked at again when the run starts.
        let edges = Estimate::of(simulation.scene(), Recording::Streamed).edges;
        let edges = usize::try_from(edges).unwrap_or(usize::MAX);
        cuda.check(&simulation.world().resource::<Banks>().0, window, edges)?;
        let chosen = Chosen { threads: cuda.threads(), why: cuda.device_name() };
        simulation.world_mut().insert_resource(CurrentBackend(Box::new(cuda)));
        Ok(chosen)
    }

    /// Why a GPU would not pay for a simulation that could have so many threads.
    pub(super) fn why_not(simulation: &Simulation, threads: usize) -> Option<String> {
        let (scene, banks) = (simulation.scene(), &simulation.world().resource::<Banks>().0);
        let (window, duration) = (round_of(scene), scene.duration);
        let (mut work, mut of_window) = (0.0, 0.0);
        for bank in banks.iter().filter(|bank| has_kernel(bank)) {
            let steps = |span: Time| match bank.step {
                Some(step) => span.whole(step) as f64,
                None => STEPS_OF_EVENT_SECOND * span.seconds(),
            };
            work += f64::from(bank.len()) * steps(duration);
            of_window += f64::from(bank.len()) * steps(window);
        }
        if work == 0.0 {
            return Some("nothing of this scene has kernels for a GPU".into());
        }
        if work < LEAST_WORK * threads as f64 {
            return Some("too little work for a GPU".into());
        }
        (of_window < LEAST_WINDOW).then(|| "its windows are too short for a GPU".into())
    }
}
