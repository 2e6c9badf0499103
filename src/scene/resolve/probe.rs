//! `"rate": Rate(of: "exc", bin: "10 ms", window: (from: "0.2 s"))`: the kind of a probe and the
//! span that it records. What else it has is read by the reader that is registered for the kind.

use super::super::Probe;
use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use super::Names;
use crate::circuit::Domain;
use crate::probe::{ProbeContext, ProbeKind, Span};
use crate::table::Format;
use crate::time::Time;

/// Reads a probe.
pub fn probe(
    at: &At,
    names: &Names,
    (dt, duration): (Option<Time>, Option<Time>),
    dx: &mut Diagnostics,
) -> Option<Probe> {
    let variant = at.open_variant(dx, "a probe", &names.plugins.probes())?;
    let reader = names.plugins.probe(variant.name)?;
    let mut fields = variant.fields(dx)?;
    let span = window(&mut fields, dx);
    if let (Some(span), Some(duration)) = (span, duration)
        && span.from >= duration
    {
        at.warning(dx, format!("its window starts at or after the end, {} s", span.from))
            .help("it records nothing; start the window earlier");
    }
    let recorded = span.zip(duration).map(|(span, duration)| span.recorded(duration));
    let recorded = recorded.filter(|recorded| *recorded > Time::ZERO);
    let kind = reader(&mut fields, &ProbeContext { names, dt, recorded }, dx);
    let format_at = fields.get("format");
    fields.close(dx);
    let format = match format_at {
        Some(at) => format(&at, variant.name, kind.as_deref(), dx),
        None => Some(Format::default()),
    };
    Some(Probe { span: span?, kind: kind?, format: format? })
}

/// `format: Parquet`, one of those that the kind has.
fn format(
    at: &At,
    name: &str,
    kind: Option<&dyn ProbeKind>,
    dx: &mut Diagnostics,
) -> Option<Format> {
    // With a mistake elsewhere in the probe it is not known.
    let allowed = kind.map_or(&Format::ALL[..], |kind| kind.formats());
    let is_format = Format::ALL.iter().any(|format| at.is_name(format.name()));
    let valid = if is_format { &Format::ALL } else { allowed };
    let valid: Vec<&str> = valid.iter().map(|format| format.name()).collect();
    let variant = at.variant(dx, "a format of tables", &valid)?;
    variant.unit(dx);
    let format = Format::ALL.into_iter().find(|format| format.name() == variant.name)?;
    if !allowed.contains(&format) {
        let names: Vec<&str> = allowed.iter().map(|format| format.name()).collect();
        let why = if format == Format::Npy {
            "an array needs the same neurons at each time; "
        } else {
            ""
        };
        at.error(dx, format!("the table of a probe of the kind {name} cannot be {}", variant.name))
            .help(match names[..] {
                [only] => format!("it is always {only}: leave the format out"),
                _ => format!("{why}choose {}", names.join(" or ")),
            });
        return None;
    }
    Some(format)
}

/// `window: (from: "0.2 s", to: "1 s")`: from ≤ t < to.
fn window(fields: &mut Fields, dx: &mut Diagnostics) -> Option<Span> {
    let Some(at) = fields.get("window") else {
        return Some(Span { from: Time::ZERO, to: Time::MAX });
    };
    let mut ends = at.fields(dx)?;
    let mut end = |key, default| match ends.get(key) {
        Some(at) => at.time(dx, Domain::NonNegative),
        None => Some(default),
    };
    let (from, to) = (end("from", Time::ZERO), end("to", Time::MAX));
    ends.close(dx);
    let (from, to) = (from?, to?);
    if from >= to {
        at.error(dx, format!("the window ends at {to} s, before it starts at {from} s"))
            .help("for example window: (from: \"0.2 s\", to: \"1 s\")");
        return None;
    }
    Some(Span { from, to })
}
