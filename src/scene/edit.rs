//! `--set PATH=VALUE`: replacing parts of a scene before it is read.
//!
//! PATH has dots between keys, quotes around a key that holds a dot, and skips the names of enums:
//! `populations.dpi.model.soma.Itau`, `populations.dpi.mismatch."soma.Itau"`, `connections.0.weight`.
//! VALUE is RON; a bare word or quantity is a string.

use std::sync::Arc;

use super::diagnostics::{Diagnostics, Span, Texts, nearest, suggest};
use super::tree::{self, Body, Key, Node, Value};

/// The keys whose values are maps `{ "name": … }`, for levels that an override has to add.
const MAPS: [&str; 7] = ["sources", "populations", "probes", "models", "mismatch", "init", "cores"];

/// Applies one `PATH=VALUE` to a scene. `number` counts the overrides from 1, for messages.
pub fn set(
    root: &mut Node,
    assignment: &str,
    number: usize,
    texts: &mut Texts,
    dx: &mut Diagnostics,
) {
    let text: Arc<str> = assignment.into();
    let origin = texts.add(format!("--set #{number}"), text.clone());
    let whole = Span { origin, start: 0, end: text.len() };
    let Some((path, equals)) = parse_path(&text, origin) else {
        dx.error("", whole, "expected PATH=VALUE")
            .help("write it like --set 'populations.dpi.model.soma.Itau=4 pA'");
        return;
    };
    let Some(value) = parse_value(&text, equals + 1, origin, dx) else { return };
    if let Err((key, message, help)) = replace(root, "", &path, value, Typed::Argument) {
        let shown: Vec<&str> = path.iter().map(|k| k.text.as_str()).collect();
        dx.error(&shown.join("."), key.span, message).help(help);
    }
}

/// Where a path was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// `--set PATH=VALUE`
    Argument,
    /// `sweep: { "PATH": … }`
    Sweep,
}

/// The keys of a path that stands in a scene, all of them at one place.
pub fn path(text: &str, span: Span) -> Option<Vec<Key>> {
    let (keys, end) = parse_path(&format!("{text}="), span.origin)?;
    (end == text.len()).then(|| keys.into_iter().map(|key| Key { span, ..key }).collect())
}

/// The path of keys, as it is typed.
pub fn path_text(keys: &[Key]) -> String {
    let quoted = |key: &Key| {
        if key.text.contains('.') { format!("{:?}", key.text) } else { key.text.clone() }
    };
    keys.iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// Splits `a."b.c".d=…` into its keys and the place of the equals sign.
fn parse_path(text: &str, origin: usize) -> Option<(Vec<Key>, usize)> {
    let mut keys = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let (name, length) = if let Some(quoted) = rest.strip_prefix('"') {
            let close = quoted.find('"')?;
            (&quoted[..close], close + 2)
        } else {
            let end = rest.find(['.', '='])?;
            (rest[..end].trim(), end)
        };
        if name.is_empty() {
            return None;
        }
        let span = Span { origin, start: at, end: at + length };
        keys.push(Key { text: name.to_string(), span });
        at += length;
        let spaces = text[at..].len() - text[at..].trim_start().len();
        match text[at + spaces..].chars().next()? {
            '.' => at += spaces + 1,
            '=' => return Some((keys, at + spaces)),
            _ => return None,
        }
    }
}

/// Reads the value that starts at byte `from`. A bare word or quantity becomes a string.
fn parse_value(text: &Arc<str>, from: usize, origin: usize, dx: &mut Diagnostics) -> Option<Node> {
    let typed = text[from..].trim();
    let start = from + text[from..].find(typed).unwrap_or(0);
    let span = Span { origin, start, end: start + typed.len() };
    if typed.is_empty() {
        dx.error("", span, "the value is missing").help("write it like --set 'duration=2 s'");
        return None;
    }
    let mut attempt = Diagnostics::default();
    // Blanks instead of the path: places in the value are places in the whole text.
    let padded = " ".repeat(start) + typed;
    let parsed = tree::parse(&padded.into(), origin, &mut attempt);
    match parsed.map(|node| node.value) {
        // A bare word is a string; enums may be written as strings, so nothing is lost.
        Some(Value::Group { name: Some(name), body: Body::Empty }) if !typed.contains('(') => {
            Some(Node { span, value: Value::Text(name.text) })
        }
        Some(Value::Number(number)) => Some(Node { span, value: Value::Number(number) }),
        Some(value) => Some(Node { span, value }),
        None if typed.contains(['(', '[', '{', '"']) => {
            for finding in attempt.items() {
                let place = finding.span.unwrap_or(span);
                dx.error("", place, finding.message.clone())
                    .help("the value is RON; a bare word or quantity is taken as a string");
            }
            None
        }
        None => Some(Node { span, value: Value::Text(typed.to_string()) }),
    }
}

/// The key at which a path ends before it should, why, and the remedy.
pub type Refused<'k> = (&'k Key, String, String);

/// Puts `value` at `path`, adding keys that are missing. `own_key` is the key of the node itself.
pub fn replace<'k>(
    node: &mut Node,
    own_key: &str,
    path: &'k [Key],
    value: Node,
    typed: Typed,
) -> Result<(), Refused<'k>> {
    let Some((key, rest)) = path.split_first() else {
        *node = value;
        return Ok(());
    };
    let noun = node.noun();
    // `()` and `{}` hold nothing yet: give them room for fields.
    if let Value::Group { body, .. } = &mut node.value
        && matches!(body, Body::Empty)
    {
        *body = Body::Fields(Vec::new());
    }
    let is_map = matches!(&node.value, Value::Map(_));
    let entries = match &mut node.value {
        Value::Map(entries) | Value::Group { body: Body::Fields(entries), .. } => entries,
        Value::List(items) => {
            let count = items.len();
            let index = key.text.parse::<usize>().ok().filter(|k| *k < count);
            return match index {
                Some(index) => replace(&mut items[index], &key.text, rest, value, typed),
                None => Err((
                    key,
                    format!("`{}` is not an index of this list", key.text),
                    format!("the first entry is 0, the list has {count}"),
                )),
            };
        }
        // `Named("fast")`, `File("x.csv")`, a number: nothing below.
        _ => {
            return Err((
                key,
                format!("there is nothing below {noun}"),
                "shorten the path, or replace the whole value".to_string(),
            ));
        }
    };
    if let Some((_, child)) = entries.iter_mut().find(|(k, _)| k.text == key.text) {
        return replace(child, &key.text, rest, value, typed);
    }
    let known: Vec<&str> = entries.iter().map(|(k, _)| k.text.as_str()).collect();
    if !rest.is_empty() {
        // Below a name that the scene does not give, whose default is a form with a name of its own.
        if typed != Typed::Sweep
            && let Some(help) = whole_form(own_key, key, rest, &value)
        {
            return Err((key, format!("the scene has no `{}` to change", key.text), help));
        }
        if ["mismatch", "init"].contains(&own_key) {
            let help = if typed == Typed::Sweep {
                format!("quote a key that holds a dot: \"….{own_key}.\\\"soma.Itau\\\".cv\"")
            } else if key.text.contains('.') {
                format!("add it whole: --set '….{own_key}.\"{}\"=…'", key.text)
            } else {
                format!(
                    "quote a key that holds a dot, and the whole argument for the shell: \
                     --set '….{own_key}.\"{}.{}\"=…'",
                    key.text, rest[0].text
                )
            };
            return Err((key, format!("there is no `{}` here", key.text), help));
        }
        // Among names of the scene's own a slip, and adding it would only lead to errors that do not say
        // so. (A field that there is not is reported as such.) The paths of a sweep are those of what is
        // there.
        if is_map && (!known.is_empty() || typed == Typed::Sweep) {
            let is_near = nearest(&key.text, known.iter().copied()).is_some();
            let add = format!("; a new one is added whole: --set '….{}=…'", key.text);
            let is_said = is_near || typed == Typed::Sweep;
            let help = suggest(&key.text, &known) + if is_said { "" } else { &add };
            return Err((key, format!("there is no `{}` here", key.text), help));
        }
    }
    let mut child = Node { span: key.span, value: empty_value(&key.text, rest) };
    replace(&mut child, &key.text, rest, value, typed)?;
    entries.push((key.clone(), child));
    Ok(())
}

/// What to write where `solver.dt` or `chip.chips` is given, but the scene has no solver or chip.
fn whole_form(own_key: &str, key: &Key, rest: &[Key], value: &Node) -> Option<String> {
    let typed = match &value.value {
        Value::Text(text) => format!("{text:?}"),
        Value::Number(number) => number.clone(),
        _ => "…".to_string(),
    };
    let (form, valid) = match (own_key, key.text.as_str(), rest) {
        ("", "solver", [field]) if ["tolerance", "step"].contains(&field.text.as_str()) => {
            ("Event", field.text.as_str())
        }
        ("", "solver", _) => ("Euler", "dt"),
        ("", "chip", [field]) => ("Dynapse1", field.text.as_str()),
        _ => return None,
    };
    Some(format!("write it whole: --set '{}={form}({valid}: {typed})'", key.text))
}

/// What a missing key is before anything is put into it.
fn empty_value(key: &str, rest: &[Key]) -> Value {
    if !rest.is_empty() && MAPS.contains(&key) {
        Value::Map(Vec::new())
    } else {
        Value::Group { name: None, body: Body::Fields(Vec::new()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(scene: &str, assignments: &[&str]) -> (Node, Diagnostics) {
        let mut texts = Texts::default();
        let mut dx = Diagnostics::default();
        let text: Arc<str> = scene.into();
        let origin = texts.add("scene", text.clone());
        let mut root = tree::parse(&text, origin, &mut dx).unwrap();
        for (k, assignment) in assignments.iter().enumerate() {
            set(&mut root, assignment, k + 1, &mut texts, &mut dx);
        }
        (root, dx)
    }

    fn get<'n>(node: &'n Node, path: &[&str]) -> &'n Value {
        let Some((key, rest)) = path.split_first() else { return &node.value };
        match &node.value {
            Value::Map(entries) | Value::Group { body: Body::Fields(entries), .. } => {
                get(&entries.iter().find(|(k, _)| k.text == *key).unwrap().1, rest)
            }
            Value::List(items) => get(&items[key.parse::<usize>().unwrap()], rest),
            other => panic!("{other:?} has no {key}"),
        }
    }

    const SCENE: &str = r#"( duration: "1 s", list: [(w: 1)],
        populations: { "dpi": (model: arcana(soma: (Itau: "4 pA"))) } )"#;

    #[test]
    fn replaces_and_adds() {
        let (root, dx) = after(
            SCENE,
            &[
                "duration=2 s",
                "populations.dpi.model.soma.Itau=5 pA",
                "populations.dpi.model.ahp.Iw=1 pA",
                // Near to a field that is there, and a field all the same.
                "populations.dpi.model.ampa.Iw=\"1 nA\"",
                "populations.dpi.mismatch.\"soma.Itau\"=LogNormal(cv: 0.2)",
                "list.0.w=2.5",
                "solver=Euler(dt: \"20 us\")",
                "name=word",
            ],
        );
        assert!(dx.is_empty());
        let text = |path: &[&str]| match get(&root, path) {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(&["duration"]), "2 s");
        assert_eq!(text(&["populations", "dpi", "model", "soma", "Itau"]), "5 pA");
        assert_eq!(text(&["populations", "dpi", "model", "ampa", "Iw"]), "1 nA");
        assert_eq!(text(&["name"]), "word");
        assert!(matches!(get(&root, &["populations", "dpi", "mismatch"]), Value::Map(_)));
        assert!(matches!(get(&root, &["list", "0", "w"]), Value::Number(n) if n == "2.5"));
        assert!(matches!(get(&root, &["solver", "dt"]), Value::Text(t) if t == "20 us"));
    }

    #[test]
    fn refuses_with_the_reason() {
        for (assignment, expected) in [
            ("duration", "expected PATH=VALUE"),
            ("=3", "expected PATH=VALUE"),
            ("duration=", "the value is missing"),
            ("duration.x=1", "there is nothing below the text \"1 s\""),
            ("list.3.w=1", "`3` is not an index of this list"),
            ("solver=Euler(dt: 1 ms)", "this is not valid RON"),
        ] {
            let (_, dx) = after(SCENE, &[assignment]);
            let message = &dx.items().next().unwrap().message;
            assert!(message.contains(expected), "{assignment}: {message}");
        }
    }
}
