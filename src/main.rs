//! The command line: `picoamp run`, `check` and `resolve`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::main(cli::args::Args::parse())
}
