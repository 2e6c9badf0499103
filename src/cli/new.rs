//! `picoamp new`: a commented scene to start from.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::args::NewArgs;
use super::messages::say;
use crate::Error;

/// The scene; `NAME` stands for its name.
const STARTER: &str = include_str!("starter.ron");

pub fn new(args: &NewArgs) -> Result<(), Error> {
    let typed = &args.name;
    let is_scene = typed.extension().is_some_and(|extension| extension == "ron");
    let path = if is_scene { typed.clone() } else { typed.with_added_extension("ron") };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // In comments and between quotes.
    let name: String =
        name.chars().map(|c| if c.is_control() || "\"\\".contains(c) { '_' } else { c }).collect();
    let text = STARTER.replace("NAME.ron", &path.to_string_lossy()).replace("NAME", &name);
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::File::create_new(&path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Results {
            path,
            message: "this file exists already".into(),
            help: "choose another name".into(),
        }),
        written => {
            written.map_err(|error| Error::io("write", &path, error))?;
            say!("{} is written; run it: picoamp run {}", path.display(), path.display());
            Ok(())
        }
    }
}
