//! `picoamp completions` and `picoamp man`: what the program says of itself to shells and readers.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Args;
use super::print;
use crate::Error;

pub fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "picoamp", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}

pub fn man(out: Option<&Path>) -> Result<(), Error> {
    let Some(folder) = out else {
        let mut page = Vec::new();
        let written = clap_mangen::Man::new(Args::command()).render(&mut page);
        written.map_err(|error: io::Error| Error::io("write", "the manual page", error))?;
        return print(String::from_utf8_lossy(&page).trim_end());
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Args::command(), folder))
        .map_err(|error| Error::io("write the manual pages to", folder, error))
}
