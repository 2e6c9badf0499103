//! NVRTC, the compiler, and the cache of what it compiled.
//!
//! Programs become machine code of the device (CUBIN), not PTX, which an older driver would refuse. They are
//! kept in the user's cache folder, named by a digest of source and options; each file begins with the digest
//! of its content and is compiled again where that is wrong, or the driver does not take it. So a machine
//! without NVRTC can use what another has compiled.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use cudarc::nvrtc::{result, sys};
use sha2::{Digest, Sha256};

use super::{DeviceError, Program};

/// Bytes of a digest.
const DIGEST: usize = 32;

/// What keeps the arithmetic that of the CPU: no contraction, no flush to zero, IEEE division.
pub const ARITHMETIC: [&str; 4] =
    ["--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"];

/// The version of NVRTC: 13000 is 13.0.
///
/// # Errors
/// That it is missing, and how to get it.
pub fn version() -> Result<i32, String> {
    // SAFETY: loads a library and unloads it.
    if !unsafe { sys::is_culib_present() } {
        return Err("the compiler NVRTC was not found (libnvrtc.so.13; nvrtc64_130_0.dll on Windows). It \
                    comes with the CUDA toolkit, or alone with `pip install 'nvidia-cuda-nvrtc==13.0.*'`; \
                    the folder of the library has to be in LD_LIBRARY_PATH (PATH on Windows)"
            .into());
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library writes two numbers.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) }
        .result()
        .map_err(|error| format!("the compiler NVRTC does not answer: {error}"))?;
    Ok(1000 * major + 10 * minor)
}

fn options((major, minor): (i32, i32)) -> Vec<String> {
    let architecture = format!("--gpu-architecture=sm_{major}{minor}");
    let fixed = ARITHMETIC.iter().map(ToString::to_string);
    fixed.chain(["--std=c++17".into(), architecture]).collect()
}

/// Compiles a program for devices of a compute capability; the result is machine code.
///
/// # Errors
/// What the compiler says. NVRTC has to be there: see [`version`].
pub fn compile(program: &Program, compute: (i32, i32)) -> Result<Vec<u8>, DeviceError> {
    let action = || format!("compiling the program `{}`", program.name);
    let error = |answer: String| DeviceError::new(action(), answer);
    version().map_err(error)?;
    let text = CString::new(program.source.as_str()).map_err(|e| error(e.to_string()))?;
    let handle = result::create_program(&text, None).map_err(|e| error(e.to_string()))?;
    // SAFETY: the handle is of a program that was created just now and is destroyed once, at the end; the
    // library writes as many bytes as it has said before.
    unsafe {
        let compiled = result::compile_program(handle, &options(compute));
        let binary = match compiled {
            Ok(()) => {
                let mut size = 0;
                let asked = sys::nvrtcGetCUBINSize(handle, &raw mut size).result();
                let mut binary = vec![0_u8; size];
                asked
                    .and_then(|()| sys::nvrtcGetCUBIN(handle, binary.as_mut_ptr().cast()).result())
                    .map(|()| binary)
                    .map_err(|e| error(e.to_string()))
            }
            Err(e) => {
                let log = result::get_program_log(handle).unwrap_or_default();
                let log: Vec<u8> = log.into_iter().map(|c| c as u8).collect();
                let log = CStr::from_bytes_until_nul(&log).unwrap_or_default();
                Err(error(format!("{e}\n{}", log.to_string_lossy().trim_end())))
            }
        };
        // That a program cannot be destroyed changes nothing for its user.
        let _ = result::destroy_program(handle);
        binary
    }
}

/// The folder of compiled programs.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    dirs::cache_dir().map(|folder| folder.join("picoamp").join("kernels"))
}

/// The file of the cache in which a program for a compute capability is kept; `None`: there is no folder.
fn file_of(program: &Program, compute: (i32, i32)) -> Option<PathBuf> {
    let mut key = Sha256::new();
    for part in [&program.source, &options(compute).join(" ")] {
        key.update((part.len() as u64).to_le_bytes());
        key.update(part.as_bytes());
    }
    Some(cache_folder()?.join(format!("{}.cubin", hex(&key.finalize()))))
}

/// [`compile`], unless it was compiled before. The result is machine code, and what the user should know.
///
/// # Errors
/// What the compiler says, or that it is missing. A cache that cannot be read or written is no error.
pub fn cached(
    program: &Program,
    compute: (i32, i32),
) -> Result<(Vec<u8>, Option<String>), DeviceError> {
    let Some(path) = file_of(program, compute) else {
        return Ok((compile(program, compute)?, None));
    };
    Cache { path: &path }.get_or(|| compile(program, compute))
}

/// [`compile`] in any case, and keep it.
///
/// # Errors
/// As [`cached`].
pub fn compile_again(program: &Program, compute: (i32, i32)) -> Result<Vec<u8>, DeviceError> {
    let binary = compile(program, compute)?;
    if let Some(path) = file_of(program, compute) {
        // Without a cache the next run compiles again: nothing is lost but time.
        let _ = Cache { path: &path }.put(&binary);
    }
    Ok(binary)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file of the cache.
struct Cache<'a> {
    path: &'a Path,
}

impl Cache<'_> {
    /// Its content, or what `make` makes, which is kept. If the file is damaged, a remark says so.
    fn get_or<E>(
        &self,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<(Vec<u8>, Option<String>), E> {
        let remark = match std::fs::read(self.path) {
            Ok(mut bytes) => {
                let content = bytes.split_off(bytes.len().min(DIGEST));
                if !content.is_empty() && bytes[..] == Sha256::digest(&content)[..] {
                    return Ok((content, None));
                }
                Some(format!(
                    "the compiled program {} was damaged and has been compiled again",
                    self.path.display()
                ))
            }
            Err(_) => None,
        };
        let content = make()?;
        // Without a cache the next run compiles again: nothing is lost but time.
        let _ = self.put(&content);
        Ok((content, remark))
    }

    /// Replaces the file at once, so that no other run sees half of it.
    fn put(&self, content: &[u8]) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let draft = self.path.with_extension(format!("{}.draft", std::process::id()));
        let bytes = [&Sha256::digest(content)[..], content].concat();
        let written =
            std::fs::write(&draft, bytes).and_then(|()| std::fs::rename(&draft, self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_is_kept_and_what_is_damaged_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernels").join("k.cubin");
        let cache = Cache { path: &path };
        let made = |bytes: &[u8]| cache.get_or(|| Ok::<_, ()>(bytes.to_vec())).unwrap();
        assert_eq!(made(b"one"), (b"one".to_vec(), None));
        assert_eq!(made(b"two"), (b"one".to_vec(), None), "kept");
        let whole = std::fs::read(&path).unwrap();
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        let damaged = [&whole[..whole.len() - 1], &whole[..5], &whole[..DIGEST], b""];
        let damaged = damaged.map(<[u8]>::to_vec).into_iter();
        for bytes in damaged.chain([flipped(0), flipped(whole.len() - 1)]) {
            std::fs::write(&path, bytes).unwrap();
            let (content, remark) = made(b"two");
            assert_eq!(content, b"two");
            assert!(remark.unwrap().contains("damaged"));
            assert_eq!(made(b"three"), (b"two".to_vec(), None), "mended");
        }
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let cache = Cache { path: &file.join("k.cubin") };
        assert_eq!(cache.get_or(|| Ok::<_, ()>(vec![1])), Ok((vec![1], None)));
        assert_eq!(cache.get_or(|| Err::<_, i32>(2).map(|()| vec![])), Err(2));
    }
}
