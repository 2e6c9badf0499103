//! The program `picoamp`: the command line with the built-in plugins.

fn main() -> std::process::ExitCode {
    picoamp::cli::main(&picoamp::Plugins::default())
}
