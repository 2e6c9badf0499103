//! What the back end needs of a device, and the GPU as one, through cudarc.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr, DriverError, HostSlice,
    PinnedHostSlice, result, sys,
};
use cudarc::nvrtc::Ptx;

use super::{NAME, Program, compile};
use crate::error::Error;

/// What a device was asked and what it answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {answer}")]
pub struct DeviceError {
    /// `launching advance`.
    pub action: String,
    /// What the device, its driver or a compiler said.
    pub answer: String,
}

impl DeviceError {
    /// An error in an action.
    pub fn new(action: impl Into<String>, answer: impl ToString) -> DeviceError {
        DeviceError { action: action.into(), answer: answer.to_string() }
    }
}

/// A device with memory and kernels of its own. Its work is done in the order in which it was asked for;
/// a fault may come to light later than where it happened.
pub trait Device: Send + Sync + 'static {
    /// Memory of the device. Once dropped, it is freed when the work that was asked for before is done.
    type Buffer: Send;
    /// Kernels that can be launched.
    type Module: Send;
    /// A place in the order of its work.
    type Mark: Send;

    /// Its name, for people.
    fn name(&self) -> String;

    /// Memory that can be allocated now, bytes.
    ///
    /// # Errors
    /// What the device says.
    fn free_memory(&self) -> Result<u64, DeviceError>;

    /// Compiles a program and loads it.
    ///
    /// # Errors
    /// What the compiler or the device says.
    fn load(&self, program: &Program) -> Result<Self::Module, DeviceError>;

    /// Allocates memory that is zero.
    ///
    /// # Errors
    /// What the device says.
    fn allocate(&self, bytes: usize) -> Result<Self::Buffer, DeviceError>;

    /// The address of a buffer as kernels see it.
    fn address(&self, buffer: &Self::Buffer) -> u64;

    /// Copies bytes to a place in a buffer.
    ///
    /// # Errors
    /// What the device says; bytes that go beyond the end of the buffer.
    fn write(&self, to: &mut Self::Buffer, at: usize, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Makes bytes of a buffer zero.
    ///
    /// # Errors
    /// What the device says; bytes that go beyond the end of the buffer.
    fn clear(&self, buffer: &mut Self::Buffer, at: usize, bytes: usize) -> Result<(), DeviceError>;

    /// Copies bytes from a place in a buffer, after all work before.
    ///
    /// # Errors
    /// What the device says, also of work before; bytes beyond the end of the buffer.
    fn read(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError>;

    /// Marks the end of all work that has been asked for.
    ///
    /// # Errors
    /// What the device says.
    fn mark(&self) -> Result<Self::Mark, DeviceError>;

    /// Copies bytes from a place in a buffer after all work before a mark, and beside what was asked for since:
    /// that must not write to them.
    ///
    /// # Errors
    /// What the device says, also of work before; bytes beyond the end of the buffer.
    fn read_after(
        &self,
        mark: &Self::Mark,
        from: &Self::Buffer,
        at: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError>;

    /// Copies so many bytes from the front of a buffer to that of another.
    ///
    /// # Errors
    /// What the device says; bytes that go beyond the end of a buffer.
    fn copy(
        &self,
        from: &Self::Buffer,
        to: &mut Self::Buffer,
        bytes: usize,
    ) -> Result<(), DeviceError>;

    /// Runs a kernel of a module in at least so many threads.
    ///
    /// # Safety
    /// `arguments` are the fields of the structure that the kernel takes, in their order. Addresses among
    /// them are of buffers of this device that have not been dropped, and what the kernel reads and writes
    /// is within them.
    ///
    /// # Errors
    /// What the device says.
    unsafe fn launch(
        &self,
        module: &Self::Module,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError>;

    /// What its user should know of it.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Threads of a block.
const BLOCK: usize = 128;

/// The first NVIDIA GPU, as the driver counts them.
pub struct Gpu {
    name: String,
    compute: (i32, i32),
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// What is copied beside other work.
    copies: Arc<CudaStream>,
    stage: Mutex<Stage>,
    remarks: Mutex<Vec<String>>,
}

/// Memory of this machine that the device writes to by itself: one half while the other is emptied.
type Stage = [PinnedHostSlice<u8>; 2];

/// Bytes of a half.
const STAGE: usize = 1 << 22;

/// Kernels on a GPU.
pub struct GpuModule(Vec<(&'static str, CudaFunction)>);

/// A driver as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// The CUDA version that it supports: 13000 is 13.0.
    pub version: i32,
    /// Name, compute capability and memory (bytes) of each device.
    pub devices: Vec<(String, (i32, i32), u64)>,
}

/// `13.0` of 13000.
#[must_use]
pub fn version_text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

const NO_DRIVER: &str = "the CUDA driver was not found (libcuda.so.1; nvcuda.dll on Windows). It comes \
                         with the NVIDIA driver of the graphics card";

/// Looks for a driver and its devices.
///
/// # Errors
/// What is missing, and how to get it.
pub fn driver() -> Result<Driver, String> {
    // SAFETY: loads a library and unloads it.
    if !unsafe { sys::is_culib_present() } {
        return Err(NO_DRIVER.into());
    }
    let ask = || {
        result::init()?;
        let mut version = 0;
        // SAFETY: the driver writes one number.
        unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
        let device = |k| {
            let device = result::device::get(k)?;
            use sys::CUdevice_attribute::{
                CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
                CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
            };
            // SAFETY: the device was given by the driver.
            let (major, minor, memory) = unsafe {
                (
                    result::device::get_attribute(device, MAJOR)?,
                    result::device::get_attribute(device, MINOR)?,
                    result::device::total_mem(device)?,
                )
            };
            Ok((result::device::get_name(device)?, (major, minor), memory as u64))
        };
        let devices = (0..result::device::get_count()?).map(device).collect::<Result<_, _>>()?;
        Ok(Driver { version, devices })
    };
    let found = ask().map_err(|error: DriverError| {
        format!(
            "the CUDA driver does not answer: {}. `nvidia-smi` shows whether there is a GPU and its \
             driver works",
            text(&error)
        )
    })?;
    if found.devices.is_empty() {
        return Err("the CUDA driver knows no device. `nvidia-smi` lists those that there are; \
                    CUDA_VISIBLE_DEVICES may hide them"
            .into());
    }
    Ok(found)
}

/// What the driver calls an error, and says of it.
fn text(error: &DriverError) -> String {
    let show = |s: Result<&std::ffi::CStr, _>| {
        s.map_or_else(|_: DriverError| String::new(), |s| s.to_string_lossy().into_owned())
    };
    format!("{} ({})", show(error.error_name()), show(error.error_string()))
}

impl Gpu {
    /// The first GPU.
    ///
    /// # Errors
    /// [`Error::Device`]: what is missing (driver, device) and how to get it.
    pub fn open() -> Result<Gpu, Error> {
        let refused = |reason| Error::Device { name: NAME, reason };
        let Driver { version, devices } = driver().map_err(refused)?;
        // Without NVRTC, programs that are in the cache can be used.
        if let Ok(nvrtc) = compile::version()
            && nvrtc / 1000 > version / 1000
        {
            return Err(refused(format!(
                "the driver supports CUDA {}, but the compiler NVRTC that was found is of CUDA {}: \
                 update the driver, or install an NVRTC of CUDA {}",
                version_text(version),
                version_text(nvrtc),
                version / 1000,
            )));
        }
        let (name, compute, _) = devices[0].clone();
        let open = || {
            let context = CudaContext::new(0)?;
            // SAFETY: all work is in one stream, but for copies, which a mark orders and for whose stream the host
            // waits: no event of a buffer has to order it.
            unsafe { context.disable_event_tracking() };
            let (stream, copies) = (context.default_stream(), context.new_stream()?);
            // SAFETY: it is written by the device before it is read.
            let half = || unsafe { context.alloc_pinned_with_flags(STAGE, 0) };
            let stage = [half()?, half()?];
            Ok((context, stream, copies, stage))
        };
        let (context, stream, copies, stage) = open().map_err(|error| {
            refused(format!("the device {name} cannot be opened: {}", text(&error)))
        })?;
        let (stage, remarks) = (Mutex::new(stage), Mutex::default());
        Ok(Gpu { name, compute, context, stream, copies, stage, remarks })
    }

    /// Copies bytes from a place in a buffer, in the order of a stream's work.
    fn read_in(
        &self,
        stream: &Arc<CudaStream>,
        from: &CudaSlice<u8>,
        at: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        let action = "copying from the device";
        let from = from.try_slice(at..at + bytes.len()).ok_or_else(|| beyond(action))?;
        let mut copy = || {
            let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            let ask = |half: &mut PinnedHostSlice<u8>, k: usize| {
                let piece = from.slice(k * STAGE..((k + 1) * STAGE).min(from.len()));
                self.context.bind_to_thread()?;
                let (at, _read) = piece.device_ptr(stream);
                // SAFETY: the half is not looked at before the stream has come to an end below, and it is asked for
                // again only after it was emptied.
                unsafe {
                    let (half, _written) = half.stream_synced_mut_slice(stream);
                    result::memcpy_dtoh_async(&mut half[..piece.len()], at, stream.cu_stream())
                }
            };
            let pieces = bytes.len().div_ceil(STAGE);
            let [now, next] = &mut *stage;
            let (mut now, mut next) = (now, next);
            if pieces > 0 {
                ask(now, 0)?;
            }
            for (k, piece) in bytes.chunks_mut(STAGE).enumerate() {
                // This one is there then. (No event tells: they are not tracked.)
                stream.synchronize()?;
                if k + 1 < pieces {
                    ask(next, k + 1)?;
                }
                piece.copy_from_slice(&now.as_slice()?[..piece.len()]);
                std::mem::swap(&mut now, &mut next);
            }
            Ok(())
        };
        in_action(|| action.into(), copy())
    }
}

/// Names what was being done.
fn in_action<T>(
    action: impl FnOnce() -> String,
    answer: Result<T, DriverError>,
) -> Result<T, DeviceError> {
    answer.map_err(|error| DeviceError::new(action(), text(&error)))
}

/// A place beyond the end of a buffer, which no caller asks for.
fn beyond(action: &str) -> DeviceError {
    DeviceError::new(action, "the place lies beyond the end of the buffer")
}

impl Device for Gpu {
    type Buffer = CudaSlice<u8>;
    type Module = GpuModule;
    type Mark = CudaEvent;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn free_memory(&self) -> Result<u64, DeviceError> {
        let (free, _) = in_action(|| "asking for memory".into(), self.context.mem_get_info())?;
        Ok(free as u64)
    }

    fn load(&self, program: &Program) -> Result<GpuModule, DeviceError> {
        let (binary, remark) = compile::cached(program, self.compute)?;
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).extend(remark);
        let action = || format!("loading the program `{}`", program.name);
        let load = |binary| in_action(action, self.context.load_module(Ptx::from_binary(binary)));
        // A binary that another compiler has left in the cache may not suit this driver.
        let again = |error| compile::compile_again(program, self.compute).map_err(|_| error);
        let module = load(binary).or_else(|error| load(again(error)?))?;
        let load = |(kernel, _): &(&'static str, _)| {
            let function =
                in_action(|| format!("looking for {kernel}"), module.load_function(kernel));
            Ok((*kernel, function?))
        };
        Ok(GpuModule(program.functions.iter().map(load).collect::<Result<_, _>>()?))
    }

    fn allocate(&self, bytes: usize) -> Result<CudaSlice<u8>, DeviceError> {
        // Nothing cannot be allocated.
        in_action(|| format!("allocating {bytes} bytes"), self.stream.alloc_zeros(bytes.max(1)))
    }

    fn address(&self, buffer: &CudaSlice<u8>) -> u64 {
        buffer.device_ptr(&self.stream).0
    }

    fn write(&self, to: &mut CudaSlice<u8>, at: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut to = to
            .try_slice_mut(at..at + bytes.len())
            .ok_or_else(|| beyond("copying to the device"))?;
        in_action(|| "copying to the device".into(), self.stream.memcpy_htod(bytes, &mut to))
    }

    fn clear(
        &self,
        buffer: &mut CudaSlice<u8>,
        at: usize,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        let mut part =
            buffer.try_slice_mut(at..at + bytes).ok_or_else(|| beyond("emptying memory"))?;
        in_action(|| "emptying memory".into(), self.stream.memset_zeros(&mut part))
    }

    fn read(&self, from: &CudaSlice<u8>, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        self.read_in(&self.stream, from, at, bytes)
    }

    fn mark(&self) -> Result<CudaEvent, DeviceError> {
        in_action(|| "marking work".into(), self.stream.record_event(None))
    }

    fn read_after(
        &self,
        mark: &CudaEvent,
        from: &CudaSlice<u8>,
        at: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        in_action(|| "waiting for work".into(), self.copies.wait(mark))?;
        self.read_in(&self.copies, from, at, bytes)
    }

    fn copy(
        &self,
        from: &CudaSlice<u8>,
        to: &mut CudaSlice<u8>,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        if bytes == 0 {
            return Ok(());
        }
        let (from, to) = from
            .try_slice(0..bytes)
            .zip(to.try_slice_mut(0..bytes))
            .ok_or_else(|| beyond("copying on the device"))?;
        let mut to = to;
        in_action(|| "copying on the device".into(), self.stream.memcpy_dtod(&from, &mut to))
    }

    unsafe fn launch(
        &self,
        module: &GpuModule,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        let action = || format!("launching {kernel}");
        let found = module.0.iter().find(|(name, _)| *name == kernel);
        let (_, function) =
            found.ok_or_else(|| DeviceError::new(action(), "the program has no such kernel"))?;
        let blocks = u32::try_from(threads.div_ceil(BLOCK))
            .map_err(|_| DeviceError::new(action(), "too many threads"))?;
        if blocks == 0 {
            return Ok(());
        }
        in_action(action, self.context.bind_to_thread())?;
        // The one argument, a structure: the driver copies it before it returns.
        let mut parameters = [arguments.as_ptr().cast_mut().cast::<c_void>()];
        // SAFETY: the function is of a loaded module, which it keeps; the arguments are as the caller
        // promises.
        let launched = unsafe {
            result::launch_kernel(
                function.cu_function(),
                (blocks, 1, 1),
                (BLOCK as u32, 1, 1),
                0,
                self.stream.cu_stream(),
                &mut parameters,
            )
        };
        in_action(action, launched)
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
