//! Where two decided scenes differ, part by part.

use std::sync::Arc;

use serde::Serialize;

use super::diagnostics::{Diagnostics, Texts};
use super::tree::{self, Body, Node, Value};

/// A part of a scene that another one has differently, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its path, as `--set` takes it.
    pub path: String,
    /// What the first scene has there.
    pub a: Option<String>,
    /// What the second scene has there.
    pub b: Option<String>,
}

/// Longer values are cut.
const MOST_LETTERS: usize = 80;

/// Compares two texts of decided scenes; what the first has comes first. A text that is no RON
/// differs as a whole.
#[must_use]
pub fn differences(a: &str, b: &str) -> Vec<Difference> {
    let mut found = Vec::new();
    let (a, b): (Arc<str>, Arc<str>) = (a.into(), b.into());
    let read = |text: &Arc<str>| {
        let (mut texts, mut dx) = (Texts::default(), Diagnostics::default());
        let origin = texts.add("scene", text.clone());
        tree::parse(text, origin, &mut dx)
    };
    match (read(&a), read(&b)) {
        (Some(first), Some(second)) => {
            compare(&mut found, "", (&a, &first), (&b, &second));
        }
        _ if a == b => {}
        _ => found.push(Difference { path: String::new(), a: Some(shown(&a)), b: Some(shown(&b)) }),
    }
    found
}

fn compare(found: &mut Vec<Difference>, path: &str, a: (&str, &Node), b: (&str, &Node)) {
    let text = |(text, node): (&str, &Node)| shown(&text[node.span.start..node.span.end]);
    if let (Some(of_a), Some(of_b)) = (entries(a.1), entries(b.1)) {
        for (key, node) in &of_a {
            let at = join(path, key);
            match of_b.iter().find(|(other, _)| other == key) {
                Some((_, other)) => compare(found, &at, (a.0, node), (b.0, other)),
                None => found.push(Difference { path: at, a: Some(text((a.0, node))), b: None }),
            }
        }
        for (key, node) in of_b.iter().filter(|(key, _)| !of_a.iter().any(|(k, _)| k == key)) {
            let text = Some(text((b.0, node)));
            found.push(Difference { path: join(path, key), a: None, b: text });
        }
        // `Euler(dt: …)` against `Event(tolerance: …)` without a field in common.
        let [name_a, name_b] = [a.1, b.1].map(name);
        if name_a != name_b {
            found.push(Difference {
                path: path.into(),
                a: name_a.map(Into::into),
                b: name_b.map(Into::into),
            });
        }
        return;
    }
    let (in_a, in_b) = (text(a), text(b));
    if in_a != in_b {
        found.push(Difference { path: path.into(), a: Some(in_a), b: Some(in_b) });
    }
}

fn name(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Group { name: Some(name), .. } => Some(&name.text),
        _ => None,
    }
}

/// The parts of a node by key; of a list by number. None of a value that has no parts.
fn entries(node: &Node) -> Option<Vec<(String, &Node)>> {
    match &node.value {
        Value::Map(entries) | Value::Group { body: Body::Fields(entries), .. } => {
            Some(entries.iter().map(|(key, node)| (key.text.clone(), node)).collect())
        }
        Value::List(items) if items.iter().any(|item| entries(item).is_some()) => {
            Some(items.iter().enumerate().map(|(k, node)| (k.to_string(), node)).collect())
        }
        _ => None,
    }
}

fn join(path: &str, key: &str) -> String {
    let key = if key.contains('.') { format!("{key:?}") } else { key.to_string() };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A part on one line.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST_LETTERS {
        return line;
    }
    line.chars().take(MOST_LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(a: &str, b: &str) -> Vec<String> {
        let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".into());
        let line = |d: &Difference| format!("{}: {} | {}", d.path, text(&d.a), text(&d.b));
        differences(a, b).iter().map(line).collect()
    }

    #[test]
    fn parts_are_named_as_overrides_name_them() {
        let a = r#"(seed: 1, solver: Euler(dt: "1 ms"),
            populations: { "a b": (size: 3, mismatch: { "soma.Itau": LogNormal(cv: 0.1) }) },
            connections: [(weight: 1), (weight: 2)], only: [1, 2])"#;
        assert!(paths(a, a).is_empty());
        assert!(paths(a, &a.replace('\n', " ")).is_empty());
        let b = r#"(seed: 2, solver: Euler(dt: "2 ms"),
            populations: { "a b": (size: 3, mismatch: { "soma.Itau": Gaussian(cv: 0.2) }) },
            connections: [(weight: 1), (weight: 3), (weight: 4)], only: [1, 3])"#;
        assert_eq!(
            paths(a, b),
            [
                "seed: 1 | 2",
                "solver.dt: \"1 ms\" | \"2 ms\"",
                "populations.a b.mismatch.\"soma.Itau\".cv: 0.1 | 0.2",
                "populations.a b.mismatch.\"soma.Itau\": LogNormal | Gaussian",
                "connections.1.weight: 2 | 3",
                "connections.2: - | (weight: 4)",
                "only: [1, 2] | [1, 3]",
            ]
        );
    }

    #[test]
    fn another_form_has_other_fields() {
        assert_eq!(
            paths("(s: Euler(dt: 1))", "(s: Event(step: 2))"),
            ["s.dt: 1 | -", "s.step: - | 2", "s: Euler | Event"]
        );
        assert_eq!(paths("(chip: Off)", "(chip: D(n: 1))"), ["chip: Off | D(n: 1)"]);
    }

    #[test]
    fn what_is_no_scene_differs_as_a_whole() {
        assert_eq!(paths("(a: 1", "(a: 1)"), [": (a: 1 | (a: 1)"]);
        assert!(paths("(a: 1", "(a: 1").is_empty());
        let long = format!("(a: [{}])", "1, ".repeat(100));
        assert_eq!(differences(&long, "(a: [])")[0].a.as_ref().unwrap().chars().count(), 80);
    }
}
