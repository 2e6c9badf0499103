//! The key `sweep` of a scene, as it is read.

use super::super::decode::{At, Fields};
use super::super::diagnostics::{Diagnostics, Span};
use super::super::edit;
use super::super::tree::{Key, Node, Value};
use super::{Axis, Coordinate, Form, MOST_POINTS, Seeds};
use crate::circuit::math::{exp, ln};
use crate::error::Error;
use crate::units::{self, Unit};

/// Reads the key `sweep` of a scene; `None` where there is none, or one with mistakes.
pub(in crate::scene) fn read(root: &Node, dx: &mut Diagnostics) -> Result<Option<Plan>, Error> {
    let Some(at) = At::root(root).find("sweep") else { return Ok(None) };
    let (mut form, mut seeds) = (Form::Grid, Seeds::Derived);
    let axes_at = if matches!(at.node.value, Value::Map(_)) {
        Some(at.clone())
    } else {
        let Some(variant) = at.variant(dx, "a sweep", &["Off", "Grid", "Zip"]) else {
            return Ok(None);
        };
        if variant.name == "Off" {
            variant.unit(dx);
            return Ok(None);
        }
        if variant.name == "Zip" {
            form = Form::Zip;
        }
        let Some(mut fields) = variant.fields(dx) else { return Ok(None) };
        let axes =
            fields.need(dx, "axes", "for example axes: { \"replicas\": List([1, 10, 100]) }");
        if let Some(at) = fields.get("seeds")
            && let Some(variant) =
                at.variant(dx, "a choice of the seeds of points", &["Derived", "Shared"])
        {
            variant.unit(dx);
            seeds = if variant.name == "Shared" { Seeds::Shared } else { Seeds::Derived };
        }
        fields.close(dx);
        axes
    };
    let Some(entries) = axes_at.and_then(|at| at.map(dx)) else { return Ok(None) };
    if entries.is_empty() {
        at.error(dx, "a sweep needs a path and its values").help(
            "for example { \"populations.dpi.model.soma.Itau\": Log(from: \"1 pA\", to: \"100 pA\", \
             n: 20) }, or Off",
        );
        return Ok(None);
    }
    let mut axes: Vec<Axis> = Vec::new();
    for (key, at) in &entries {
        if let Some(axis) = axis(key, at, dx)? {
            overlap(&axes, &axis, dx);
            axes.push(axis);
        }
    }
    if let (Form::Zip, Some(first)) = (form, axes.first()) {
        let other = axes.iter().find(|axis| axis.values.len() != first.values.len());
        if let Some(other) = other {
            let (a, b) = (first.values.len(), other.values.len());
            let message = format!("`{}` has {b} values, `{}` has {a}", other.path, first.path);
            dx.error(&at.path, other.span, message)
                .help("with Zip all paths have the same number of values");
        }
    }
    let lengths = axes.iter().map(|axis| axis.values.len() as u128);
    let points = match form {
        Form::Grid => lengths.fold(1, u128::saturating_mul),
        Form::Zip => lengths.max().unwrap_or(0),
    };
    if points > u128::from(MOST_POINTS) {
        return Err(too_many(points));
    }
    Ok(Some(Plan { form, seeds, axes, head: at.head() }))
}

fn too_many(points: u128) -> Error {
    Error::Limit {
        message: format!("the sweep has {points} points, more than {MOST_POINTS}"),
        help: "give its paths fewer values, or split it into several scenes".into(),
    }
}

/// Neither the same path twice (the map has told) nor one inside another.
fn overlap(axes: &[Axis], axis: &Axis, dx: &mut Diagnostics) {
    let starts = |a: &Axis, b: &Axis| {
        a.keys.len() <= b.keys.len() && a.keys.iter().zip(&b.keys).all(|(a, b)| a.text == b.text)
    };
    let other = axes.iter().find(|other| starts(other, axis) || starts(axis, other));
    if let Some(other) = other {
        let message = format!("`{}` and `{}` are parts of each other", axis.path, other.path);
        dx.error("sweep", axis.span, message).help("sweep over one of the two");
    }
}

/// An axis, if it has no mistakes.
fn axis(key: &Key, at: &At, dx: &mut Diagnostics) -> Result<Option<Axis>, Error> {
    let keys = edit::path(&key.text, key.span);
    if keys.is_none() {
        dx.error(&at.path, key.span, format!("`{}` is no path", key.text)).help(
            "write it like \"populations.dpi.model.soma.Itau\", and a key that holds a dot in \
             quotes: \"populations.dpi.mismatch.\\\"soma.Itau\\\".cv\"",
        );
    }
    if keys.as_ref().is_some_and(|keys| ["sweep", "format"].contains(&keys[0].text.as_str())) {
        dx.error(&at.path, key.span, format!("`{}` cannot be swept", key.text))
            .help("sweep over a part of the scene");
        return Ok(None);
    }
    let values = values(at, dx)?;
    let (Some(keys), Some((values, is_log))) = (keys, values) else { return Ok(None) };
    Ok(Some(Axis { path: edit::path_text(&keys), values, is_log, keys, span: key.span }))
}

/// Values, and whether they lie at even ratios.
fn values(at: &At, dx: &mut Diagnostics) -> Result<Option<(Vec<Coordinate>, bool)>, Error> {
    let Some(variant) = at.variant(dx, "a choice of values", &["Linear", "Log", "List"]) else {
        return Ok(None);
    };
    if variant.name == "List" {
        let list = variant.single(dx, "[\"1 pA\", \"2 pA\"]").and_then(|at| at.list(dx));
        let Some(list) = list else { return Ok(None) };
        if list.is_empty() {
            at.error(dx, "the list of values is empty").help("give it at least one value");
            return Ok(None);
        }
        let values: Vec<Coordinate> = list.iter().map(|at| listed(at)).collect();
        let is_log = is_wide(&values);
        return Ok(Some((values, is_log)));
    }
    let Some(mut fields) = variant.fields(dx) else { return Ok(None) };
    let from = end(&mut fields, "from", dx);
    let to = end(&mut fields, "to", dx);
    let n_at = fields.need(dx, "n", "the number of values, for example n: 20");
    let n = n_at.as_ref().and_then(|at| at.count(dx));
    fields.close(dx);
    let (Some((from, unit)), Some((to, other)), Some(n_at), Some(n)) = (from, to, n_at, n) else {
        return Ok(None);
    };
    if unit != other {
        at.error(dx, format!("`from` is {} and `to` is {}", unit.noun(), other.noun()))
            .help("give both in the same unit");
        return Ok(None);
    }
    if n == 0 {
        n_at.error(dx, "there has to be a value").help("for example n: 20");
        return Ok(None);
    }
    if n > MOST_POINTS {
        return Err(too_many(n.into()));
    }
    let is_log = variant.name == "Log";
    if is_log && (from <= 0.0 || to <= 0.0) {
        at.error(dx, "values at even ratios are greater than 0")
            .help("start above 0, or use Linear");
        return Ok(None);
    }
    let value = |k: u64| match k {
        0 => from,
        _ if k + 1 == n => to,
        _ => {
            let part = k as f64 / (n - 1) as f64;
            let value =
                if is_log { from * exp(ln(to / from) * part) } else { from + (to - from) * part };
            twelve_digits(value)
        }
    };
    let values = (0..n).map(|k| Coordinate::new(value(k), unit, at.span())).collect();
    Ok(Some((values, is_log)))
}

/// Whether the values of a list are better seen as ratios: all greater than 0, and the largest many times the
/// smallest.
fn is_wide(values: &[Coordinate]) -> bool {
    const MANY: f64 = 20.0;
    let numbers: Option<Vec<f64>> = values.iter().map(Coordinate::number).collect();
    let numbers = numbers.unwrap_or_default();
    let (low, high) = numbers
        .iter()
        .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(*v), high.max(*v)));
    low > 0.0 && high >= MANY * low
}

/// Twelve digits: what people expect of 0.1 + 0.2.
fn twelve_digits(value: f64) -> f64 {
    // What the formatter has written reads back.
    format!("{value:.11e}").parse().unwrap_or(value)
}

impl Coordinate {
    fn new(number: f64, unit: Unit, span: Span) -> Coordinate {
        let text = units::format(number, unit);
        let value = if unit == Unit::One {
            // A count has no decimal point.
            Value::Number(text.strip_suffix(".0").map_or(text.clone(), str::to_string))
        } else {
            Value::Text(text)
        };
        Coordinate { node: Node { span, value }, value: Ok((number, unit)) }
    }
}

/// A number or a quantity and its unit.
fn quantity(at: &At) -> Option<(f64, Unit)> {
    const UNITS: [Unit; 6] =
        [Unit::Ampere, Unit::Volt, Unit::Farad, Unit::Second, Unit::Hertz, Unit::PerAmpere];
    match &at.node.value {
        Value::Number(text) => units::parse(text, Unit::One).ok().map(|n| (n, Unit::One)),
        Value::Text(text) => {
            UNITS.into_iter().find_map(|unit| Some((units::parse(text, unit).ok()?, unit)))
        }
        _ => None,
    }
}

/// The first or the last of several values.
fn end(fields: &mut Fields, key: &'static str, dx: &mut Diagnostics) -> Option<(f64, Unit)> {
    let at = fields.need(dx, key, "for example from: \"1 pA\", to: \"100 pA\", n: 20")?;
    let found = quantity(&at);
    if found.is_none() {
        at.error(dx, format!("expected a number or a quantity, found {}", at.noun()))
            .help("write it like \"4 pA\", or 0.7 where there is no unit");
    }
    found
}

/// A value of a list, whatever it is.
fn listed(at: &At) -> Coordinate {
    let value = quantity(at).ok_or_else(|| match &at.node.value {
        Value::Text(text) => text.clone(),
        _ => at.node.line(&|_| None),
    });
    Coordinate { node: at.node.clone(), value }
}

/// A sweep as it was read; its points may have mistakes.
pub(in crate::scene) struct Plan {
    pub(super) form: Form,
    pub(super) seeds: Seeds,
    pub(super) axes: Vec<Axis>,
    /// Where it stands.
    pub(super) head: Span,
}
