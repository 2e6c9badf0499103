//! `picoamp doctor`: what the program finds on this machine.

use std::fmt::Write;

use fearless_simd::Level;

use crate::backend::choice;
use crate::backend::cpu::Cpu;
use crate::scene::estimate::{available_memory, bytes_text};

/// The report, a line for each thing.
pub fn report() -> String {
    let mut text = format!("picoamp {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    line("processor", &format!("{}, {}", std::env::consts::ARCH, vectors(Level::new())));
    let threads = Cpu::new(None).threads();
    line("threads", &threads.to_string());
    line("memory", &format!("{} available", bytes_text(u128::from(available_memory()))));
    let found = cuda(&mut line);
    let auto = match found {
        Ok(device) => format!(
            "{device} for {:.0e} neuron-steps by Euler or more, in windows of {:.0e} or more (an \
             event-driven neuron counts as {:.0e} a second); otherwise the processor",
            choice::LEAST_WORK * threads as f64,
            choice::LEAST_WINDOW,
            choice::STEPS_OF_EVENT_SECOND
        ),
        Err(why) => format!("the processor ({why})"),
    };
    line("auto takes", &auto);
    text
}

/// The vectors in which neurons are computed.
fn vectors(level: Level) -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if level.as_avx512().is_some() {
        return "vectors of AVX-512";
    } else if level.as_avx2().is_some() {
        return "vectors of AVX2";
    }
    #[cfg(target_arch = "aarch64")]
    if level.as_neon().is_some() {
        return "vectors of NEON";
    }
    let _ = level;
    "no vectors with fused multiply-adds: neurons are computed one by one"
}

/// What there is of CUDA; the result is the device that would be used, or why there is none.
#[cfg(feature = "cuda")]
fn cuda(line: &mut dyn FnMut(&str, &str)) -> Result<String, String> {
    use crate::backend::cuda::device::version_text;
    use crate::backend::cuda::{Gpu, compile, device};

    let driver = device::driver();
    match &driver {
        Ok(driver) => line("CUDA driver", &format!("for CUDA {}", version_text(driver.version))),
        Err(why) => line("CUDA driver", why),
    }
    match compile::version() {
        Ok(version) => line("NVRTC", &version_text(version)),
        Err(why) => line("NVRTC", &why),
    }
    for (k, (name, (major, minor), memory)) in
        driver.iter().flat_map(|d| d.devices.iter().enumerate())
    {
        let memory = bytes_text(u128::from(*memory));
        line(
            &format!("device {k}"),
            &format!("{name}, compute capability {major}.{minor}, {memory}"),
        );
    }
    let cache = compile::cache_folder();
    line("kernel cache", &cache.map_or("none".into(), |folder| folder.display().to_string()));
    driver.map_err(|_| "there is no CUDA driver that works".to_string())?;
    Gpu::open().map_err(|error| error.to_string())?;
    Ok(match compile::version() {
        Ok(_) => "device 0".to_string(),
        Err(_) => "device 0, if the kernels are in the cache,".to_string(),
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(line: &mut dyn FnMut(&str, &str)) -> Result<String, String> {
    line("CUDA", "built without the feature `cuda`");
    Err("built without the feature `cuda`".into())
}
