//! How errors and warnings are shown.

use std::io::IsTerminal;
use std::path::Path;

use crate::Error;
use crate::scene::diagnostics::{Located, SceneReport};
use miette::{GraphicalReportHandler, GraphicalTheme, Severity};
use serde_json::json;

/// A line on stderr. Whoever closed it does not want to read it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(super) use say;

/// Shows an error on stderr, with its places and its remedy.
pub fn show_error(error: &Error) {
    if let Error::Scene(report) = error {
        show_findings(report);
        say!("error: {report}; nothing was written");
        return;
    }
    say!("error: {error}");
    if let Some(help) = error.help() {
        say!("help: {help}");
    }
}

/// Shows all findings of a scene on stderr.
pub fn show_findings(report: &SceneReport) {
    let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    let theme = if plain { GraphicalTheme::unicode_nocolor() } else { GraphicalTheme::unicode() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_context_lines(1);
    for located in report.findings() {
        let mut text = String::new();
        match handler.render_report(&mut text, located) {
            Ok(()) => say!("{}", text.trim_end()),
            Err(_) => say!("{located}"),
        }
    }
}

/// Says where results are: their pictures, and what was dumped.
pub fn show_results(folder: &Path, files: &[String]) {
    say!("results: {}", folder.display());
    let is_shown = |name: &&String| {
        [".svg", ".biases.csv", ".edges.csv"].iter().any(|ending| name.ends_with(ending))
    };
    files.iter().filter(is_shown).for_each(|name| say!("  {}", folder.join(name).display()));
}

/// An error as JSON: exit code, message, remedy and the findings of a scene.
pub fn error_json(error: &Error) -> String {
    let findings = match error {
        Error::Scene(report) => report.findings().iter().map(finding_json).collect(),
        _ => Vec::new(),
    };
    let value = json!({
        "error": {
            "exit_code": error.exit_code(),
            "message": error.to_string(),
            "help": error.help(),
            "findings": findings,
        }
    });
    format!("{value:#}")
}

fn finding_json(located: &Located) -> serde_json::Value {
    let finding = located.finding();
    let (file, line, column) = match located.place() {
        Some((file, line, column)) => (Some(file), Some(line), Some(column)),
        None => (None, None, None),
    };
    json!({
        "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
        "path": finding.path,
        "message": finding.message,
        "help": finding.help,
        "file": file,
        "line": line,
        "column": column,
    })
}
