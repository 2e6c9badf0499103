//! Compiles the kernels of all built-in models into the cache, for devices of other machines: with NVRTC,
//! without a GPU.
//!
//!     cargo run --example compile_kernels -- 8.0 9.0

use picoamp::backend::cuda::{Program, compile};

/// `(9, 0)` of `9.0`.
fn compute_capability(text: &str) -> Option<(i32, i32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn main() -> Result<(), String> {
    let folder = compile::cache_folder().ok_or("there is no cache folder")?;
    let programs = Program::built_in();
    for text in std::env::args().skip(1) {
        let compute = compute_capability(&text)
            .ok_or_else(|| format!("`{text}` is no compute capability such as 9.0"))?;
        for program in &programs {
            compile::compile_again(program, compute).map_err(|error| error.to_string())?;
        }
        println!("{} programs for {text} in {}", programs.len(), folder.display());
    }
    Ok(())
}
