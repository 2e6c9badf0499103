//! On a GPU: the conformance suite, and what every device has to give.

use picoamp::backend::cuda::{Cuda, Gpu};

use crate::Tests;
use crate::checks::{self, Make};

/// What is missing, and the tests.
pub fn tests() -> (Option<String>, Tests) {
    let missing = Cuda::open(Some(1)).err().map(|error| error.to_string());
    let makes = || -> Vec<Box<Make>> { vec![Box::new(|| Box::new(Cuda::open(Some(1)).unwrap()))] };
    let mut all = checks::all("gpu", makes);
    all.push(("gpu::copies".into(), Box::new(|| checks::copies(&Gpu::open().unwrap()))));
    (missing, all)
}
