//! Pictures of the ready experiments (`picoamp measure`) that show more than the record of one probe. They
//! are drawn from what a results folder holds: when the experiment was run, again by `plot`, and in reports.

pub mod epsp;
pub mod mismatch;

use crate::error::Error;
use crate::probe::picture::{Frame, Picture};
use crate::simulation::Simulation;
use epsp::Potential;
use mismatch::Quantity;

/// What such a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The name of its file, an SVG.
    pub file: String,
    /// What it shows, in some words.
    pub about: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Potentials(Vec<Potential>),
    Distribution(Quantity),
}

impl Drawing {
    /// Draws it.
    #[must_use]
    pub fn picture(&self, frame: Frame) -> Picture {
        match &self.content {
            Content::Potentials(potentials) => epsp::picture(potentials, frame),
            Content::Distribution(quantity) => quantity.picture(frame),
        }
    }
}

/// Those of these files that are pictures of an experiment; the probes of the simulation have recorded.
///
/// # Errors
/// [`Error::Experiment`] where there is nothing to draw from.
pub fn drawings(files: &[&str], simulation: &Simulation) -> Result<Vec<Drawing>, Error> {
    let is_wanted = |file: &str| files.contains(&file);
    let mut found = Vec::new();
    if is_wanted(epsp::FILE) {
        found.push(Drawing {
            file: epsp::FILE.into(),
            about: "one spike at each receptor".into(),
            content: Content::Potentials(epsp::potentials(simulation)?),
        });
    }
    if files.iter().any(|file| *file != epsp::FILE) {
        let quantities = mismatch::quantities(simulation).into_iter();
        found.extend(quantities.filter(|quantity| is_wanted(&quantity.file())).map(|quantity| {
            let (file, about) = (quantity.file(), quantity.name());
            Drawing { file, about, content: Content::Distribution(quantity) }
        }));
    }
    Ok(found)
}
