//! A device that is none: the kernels of the CUDA back end, compiled as C++ for this machine.
//!
//! The sources are those that a GPU gets, byte for byte. A shim before them gives the meaning of what CUDA
//! adds to C++ (thread indices, atomic operations, one rounded multiply-add, bits of numbers), and a loop
//! behind them runs the threads one after the other.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use picoamp::backend::cuda::{Device, DeviceError, Program};
use sha2::{Digest, Sha256};

const SHIM: &str = r#"
#include <cstdint>
#include <cstring>
// (Seen from outside, a kernel might be mistaken for a function of the system.)
#define __global__ __attribute__((visibility("hidden")))
#define __device__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
struct Index { unsigned x; };
static thread_local Index blockIdx, threadIdx, blockDim;
static inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline long long __double_as_longlong(double x) { long long y; memcpy(&y, &x, 8); return y; }
static inline double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
static inline unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static inline float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
// (Threads come one by one: none has company.)
static inline unsigned __activemask() { return 1u << threadIdx.x % 32; }
template <class T> static inline T __shfl_sync(unsigned, T x, int) { return x; }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(unsigned x) { return __builtin_ffs(int(x)); }
template <class T> static inline T atomicAdd(T* at, T x) { T old = *at; *at = T(uint64_t(old) + uint64_t(x)); return old; }
template <class T> static inline T atomicMin(T* at, T x) { T old = *at; if (x < old) *at = x; return old; }
template <class T> static inline T atomicOr(T* at, T x) { T old = *at; *at = old | x; return old; }
"#;

/// Bytes beside each buffer that no kernel may touch, and what is in them.
const GUARD: usize = 64;
const GUARDED: u8 = 0xa5;
/// Threads of a block: the last one is not full.
const BLOCK: u32 = 96;

/// A C++ compiler, if there is one: $CXX, c++ or g++.
pub fn compiler() -> Option<String> {
    let named = std::env::var("CXX").ok().filter(|name| !name.is_empty());
    let known = ["c++", "g++"].map(String::from);
    named.into_iter().chain(known).find(|name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    })
}

/// Memory of this machine with guards on both sides, in whole words.
pub struct Buffer {
    words: Vec<u64>,
    bytes: usize,
    freed: &'static AtomicU64,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.words)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let end = GUARD + self.bytes;
        let guards = [&self.bytes()[..GUARD], &self.bytes()[end..]].concat();
        self.freed.fetch_add(self.bytes as u64, Ordering::Relaxed);
        if !std::thread::panicking() {
            assert!(guards.iter().all(|byte| *byte == GUARDED), "a kernel wrote beyond a buffer");
        }
    }
}

/// How a device of a test differs from a good one.
#[derive(Clone)]
pub struct Faults {
    /// Threads run from the last to the first.
    pub backwards: bool,
    /// Its memory, bytes.
    pub memory: u64,
    /// The launch that fails, and the kernel.
    pub failing: Option<(&'static str, i64)>,
    /// A part of the sources that is replaced, of those that have it.
    pub patch: Option<(&'static str, &'static str)>,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { backwards: false, memory: 1 << 34, failing: None, patch: None }
    }
}

/// The device.
pub struct HostDevice {
    compiler: String,
    faults: Faults,
    /// Memory that was taken and given back.
    taken: AtomicU64,
    freed: &'static AtomicU64,
    launches: AtomicI64,
    /// How often each kernel was launched.
    pub counts: &'static Mutex<HashMap<&'static str, u64>>,
}

pub struct Module(libloading::Library);

impl HostDevice {
    pub fn new(faults: Faults) -> HostDevice {
        HostDevice {
            compiler: compiler().expect("a C++ compiler"),
            faults,
            taken: AtomicU64::new(0),
            freed: Box::leak(Box::default()),
            launches: AtomicI64::new(0),
            counts: Box::leak(Box::default()),
        }
    }

    fn compile(&self, program: &Program) -> Result<PathBuf, DeviceError> {
        let mut source = program.source.clone();
        if let Some((from, to)) = self.faults.patch {
            source = source.replace(from, to);
        }
        let mut text = format!("{SHIM}{source}");
        for (kernel, arguments) in program.functions {
            writeln!(
                text,
                r#"extern "C" void launch_{kernel}(const void* given, unsigned blocks, unsigned threads, int backwards) {{
                    {arguments} a;
                    memcpy(&a, given, sizeof a);
                    blockDim.x = threads;
                    for (unsigned b = 0; b < blocks; ++b)
                        for (unsigned t = 0; t < threads; ++t) {{
                            blockIdx.x = backwards ? blocks - 1 - b : b;
                            threadIdx.x = backwards ? threads - 1 - t : t;
                            {kernel}(a);
                        }}
                }}
                extern "C" unsigned size_{kernel}() {{ return sizeof({arguments}); }}"#
            )
            .unwrap();
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host_kernels");
        std::fs::create_dir_all(&folder).unwrap();
        // One instruction where the processor has it, otherwise a function of the C library.
        #[cfg(target_arch = "x86_64")]
        let fused = if std::is_x86_feature_detected!("fma") { "-mfma" } else { "-msse2" };
        #[cfg(not(target_arch = "x86_64"))]
        let fused = "-g0";
        let digest = Sha256::digest(format!("{} {fused} {text}", self.compiler).as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let library = folder.join(format!("{name}.so"));
        if library.is_file() {
            return Ok(library);
        }
        // Two tests may need the same at once.
        let draft = tempfile::Builder::new().prefix("draft").tempdir_in(&folder).unwrap();
        let (input, output) = (draft.path().join("kernel.cpp"), draft.path().join("kernel.so"));
        std::fs::write(&input, text).unwrap();
        let options = ["-std=c++17", "-O2", "-ffp-contract=off", "-w", "-shared", "-fPIC", "-o"];
        let compiled =
            Command::new(&self.compiler).arg(fused).args(options).arg(&output).arg(&input).output();
        let compiled = compiled.map_err(|e| DeviceError::new("compiling", e))?;
        if !compiled.status.success() {
            let log = String::from_utf8_lossy(&compiled.stderr);
            return Err(DeviceError::new("compiling", log));
        }
        std::fs::rename(&output, &library).unwrap();
        Ok(library)
    }
}

impl Device for HostDevice {
    type Buffer = Buffer;
    type Module = Module;
    type Mark = ();

    fn name(&self) -> String {
        "a device of a test".into()
    }

    fn free_memory(&self) -> Result<u64, DeviceError> {
        let used = self.taken.load(Ordering::Relaxed) - self.freed.load(Ordering::Relaxed);
        Ok(self.faults.memory.saturating_sub(used))
    }

    fn load(&self, program: &Program) -> Result<Module, DeviceError> {
        let library = self.compile(program)?;
        // SAFETY: the library has no initialisers.
        let library = unsafe { libloading::Library::new(library) };
        library.map(Module).map_err(|e| DeviceError::new("loading", e))
    }

    fn allocate(&self, bytes: usize) -> Result<Buffer, DeviceError> {
        if bytes as u64 > self.free_memory()? {
            return Err(DeviceError::new(format!("allocating {bytes} bytes"), "out of memory"));
        }
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        let words = vec![0; (2 * GUARD + bytes).div_ceil(8)];
        let mut buffer = Buffer { words, bytes, freed: self.freed };
        buffer.bytes_mut()[..GUARD].fill(GUARDED);
        buffer.bytes_mut()[GUARD + bytes..].fill(GUARDED);
        Ok(buffer)
    }

    fn address(&self, buffer: &Buffer) -> u64 {
        buffer.bytes().as_ptr() as u64 + GUARD as u64
    }

    fn write(&self, to: &mut Buffer, at: usize, bytes: &[u8]) -> Result<(), DeviceError> {
        assert!(at + bytes.len() <= to.bytes, "a copy beyond the end of a buffer");
        to.bytes_mut()[GUARD + at..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&self, buffer: &mut Buffer, at: usize, bytes: usize) -> Result<(), DeviceError> {
        assert!(at + bytes <= buffer.bytes, "beyond the end of a buffer");
        *self.counts.lock().unwrap().entry("clear").or_default() += 1;
        buffer.bytes_mut()[GUARD + at..][..bytes].fill(0);
        Ok(())
    }

    fn read(&self, from: &Buffer, at: usize, bytes: &mut [u8]) -> Result<(), DeviceError> {
        assert!(at + bytes.len() <= from.bytes, "a copy beyond the end of a buffer");
        bytes.copy_from_slice(&from.bytes()[GUARD + at..][..bytes.len()]);
        Ok(())
    }

    fn mark(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    /// (All work is done when it is asked for: what was written since the mark is seen.)
    fn read_after(
        &self,
        (): &(),
        from: &Buffer,
        at: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        *self.counts.lock().unwrap().entry("read_after").or_default() += 1;
        self.read(from, at, bytes)
    }

    fn copy(&self, from: &Buffer, to: &mut Buffer, bytes: usize) -> Result<(), DeviceError> {
        assert!(bytes <= from.bytes && bytes <= to.bytes, "a copy beyond the end of a buffer");
        to.bytes_mut()[GUARD..][..bytes].copy_from_slice(&from.bytes()[GUARD..][..bytes]);
        Ok(())
    }

    unsafe fn launch(
        &self,
        module: &Module,
        kernel: &'static str,
        threads: usize,
        arguments: &[u64],
    ) -> Result<(), DeviceError> {
        *self.counts.lock().unwrap().entry(kernel).or_default() += 1;
        if let Some((failing, nth)) = self.faults.failing
            && failing == kernel
            && self.launches.fetch_add(1, Ordering::Relaxed) == nth
        {
            return Err(DeviceError::new(
                format!("launching {kernel}"),
                "the device fell off the bus",
            ));
        }
        let blocks = (threads as u32).div_ceil(BLOCK);
        // SAFETY: the functions were defined with these types; the arguments are as the caller promises.
        unsafe {
            let size: libloading::Symbol<extern "C" fn() -> u32> =
                module.0.get(format!("size_{kernel}")).unwrap();
            assert_eq!(size() as usize, 8 * arguments.len(), "arguments of {kernel}");
            let launch: libloading::Symbol<extern "C" fn(*const u64, u32, u32, i32)> =
                module.0.get(format!("launch_{kernel}")).unwrap();
            launch(arguments.as_ptr(), blocks, BLOCK, i32::from(self.faults.backwards));
        }
        Ok(())
    }
}
