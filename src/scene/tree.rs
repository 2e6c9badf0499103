//! A scene as it was typed: RON with the place of every part.
//!
//! The `ron` crate decides what is valid RON; [`parse`] then walks the valid text once and keeps
//! the spans, so that later layers can report *all* mistakes of a scene, each at its place, and
//! `--set` can replace any part of it. Nothing is interpreted here.

use std::sync::Arc;

use super::diagnostics::{Diagnostics, Span};
use super::write::quoted;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

/// The forms of RON, with nothing interpreted but strings and booleans.
#[derive(Debug, Clone)]
pub enum Value {
    Bool(bool),
    /// A number, as typed.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// `[a, b]`
    List(Vec<Node>),
    /// `{ "key": value }`
    Map(Vec<(Key, Node)>),
    /// `name`, `name(…)` or `(…)`
    Group {
        name: Option<Key>,
        body: Body,
    },
}

/// What stands between the parentheses of a [`Value::Group`].
#[derive(Debug, Clone)]
pub enum Body {
    /// No parentheses, or none with anything inside.
    Empty,
    /// `(key: value, …)`
    Fields(Vec<(Key, Node)>),
    /// `(value, …)`
    Items(Vec<Node>),
}

/// A key or a name, and its place.
#[derive(Debug, Clone)]
pub struct Key {
    pub text: String,
    pub span: Span,
}

/// The opening bracket, each part after its key, and the closing bracket.
type Parts<'n> = (String, Vec<(String, &'n Node)>, &'static str);

impl Node {
    /// What it is, for messages: "a list".
    #[must_use]
    pub fn noun(&self) -> String {
        match &self.value {
            Value::Bool(b) => format!("`{b}`"),
            Value::Number(n) => format!("the number {n}"),
            Value::Text(t) => format!("the text {t:?}"),
            Value::List(_) => "a list [ ]".into(),
            Value::Map(_) => "a map { }".into(),
            Value::Group { name: Some(name), .. } => format!("`{}`", name.text),
            Value::Group { name: None, .. } => "a group ( )".into(),
        }
    }

    /// Whether it is a group `( )`, of whatever name.
    #[must_use]
    pub fn is_group(&self) -> bool {
        matches!(self.value, Value::Group { .. })
    }

    /// As RON on one line. `other` may give another form of a part.
    #[must_use]
    pub fn line(&self, other: &dyn Fn(&Node) -> Option<String>) -> String {
        if let Some(text) = other(self) {
            return text;
        }
        let Some((open, parts, close)) = self.parts() else { return self.scalar() };
        let parts: Vec<String> =
            parts.into_iter().map(|(key, node)| key + &node.line(other)).collect();
        if matches!(self.value, Value::Map(_)) && !parts.is_empty() {
            return format!("{open} {} {close}", parts.join(", "));
        }
        format!("{open}{}{close}", parts.join(", "))
    }

    /// As RON, over several lines where one would be too long; the first starts after `indent` blanks or
    /// more.
    #[must_use]
    pub fn ron(&self, indent: usize, other: &dyn Fn(&Node) -> Option<String>) -> String {
        /// Longer lines are broken.
        const WIDTH: usize = 90;
        /// So many numbers or texts of a list stand on a line.
        const ROW: usize = 8;
        let line = self.line(other);
        let Some((open, parts, close)) = self.parts() else { return line };
        let is_short = indent > 0 && line.chars().count() + indent <= WIDTH;
        if is_short || parts.is_empty() || other(self).is_some() {
            return line;
        }
        let is_plain = parts.iter().all(|(key, node)| key.is_empty() && node.parts().is_none());
        let row = if is_plain { ROW } else { 1 };
        let inside = " ".repeat(indent + 4);
        let parts: Vec<String> =
            parts.into_iter().map(|(key, node)| key + &node.ron(indent + 4, other)).collect();
        let lines = parts.chunks(row).map(|row| format!("{inside}{},\n", row.join(", ")));
        format!("{open}\n{}{}{close}", lines.collect::<String>(), " ".repeat(indent))
    }

    /// What stands in brackets: the opening one, each part after its key, and the closing one.
    fn parts(&self) -> Option<Parts<'_>> {
        fn plain(items: &[Node]) -> Vec<(String, &Node)> {
            items.iter().map(|node| (String::new(), node)).collect()
        }
        match &self.value {
            Value::List(items) => Some(("[".into(), plain(items), "]")),
            Value::Map(entries) => {
                let parts = entries.iter().map(|(key, node)| (quoted(&key.text) + ": ", node));
                Some(("{".into(), parts.collect(), "}"))
            }
            Value::Group { name, body } => {
                let name = name.as_ref().map_or("", |name| &name.text);
                let parts = match body {
                    Body::Empty if !name.is_empty() => return None,
                    Body::Empty => Vec::new(),
                    Body::Items(items) => plain(items),
                    Body::Fields(fields) => {
                        fields.iter().map(|(key, node)| (format!("{}: ", key.text), node)).collect()
                    }
                };
                Some((format!("{name}("), parts, ")"))
            }
            _ => None,
        }
    }

    /// A value without brackets.
    fn scalar(&self) -> String {
        match &self.value {
            Value::Bool(b) => b.to_string(),
            Value::Number(number) => number.clone(),
            Value::Text(text) => quoted(text),
            Value::Group { name: Some(name), .. } => name.text.clone(),
            _ => String::new(),
        }
    }
}

/// `1 ms` where a word stands right after a number: a quantity without its quotes.
fn bare_quantity(text: &str, at: usize) -> Option<String> {
    let is_number = |c: char| c.is_ascii_digit() || ".+-eE".contains(c);
    let is_unit = |c: char| c.is_alphabetic() || c == '/';
    let unit: String = text[at..].chars().take_while(|c| is_unit(*c)).collect();
    let before = text[..at].trim_end_matches(' ');
    let number = &before[before.trim_end_matches(is_number).len()..];
    // (A comma is missing before the name of a field.)
    let after = text[at..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    let is_field = after.trim_start().starts_with(':');
    let is_quantity = !unit.is_empty() && !is_field && number.parse::<f64>().is_ok();
    is_quantity.then(|| format!("{number} {unit}"))
}

/// Reads a RON text. Mistakes go to `diagnostics`; the result is then `None`.
pub fn parse(text: &Arc<str>, origin: usize, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut walker = Walker { text, at: 0, origin, diagnostics };
    if let Err(error) = ron::from_str::<serde::de::IgnoredAny>(text) {
        let offset = offset_of(text, error.span.start.line, error.span.start.col);
        let end = offset_of(text, error.span.end.line, error.span.end.col).max(offset);
        let span = Span { origin, start: offset, end };
        walker.skip();
        let is_empty = walker.rest().is_empty() && error.code != ron::Error::UnclosedBlockComment;
        let message = match error.code {
            ron::Error::ExceededRecursionLimit => "this is nested too deeply".to_string(),
            _ if is_empty => "there is no scene here yet".to_string(),
            code => format!("this is not valid RON: {code}"),
        };
        let help = match bare_quantity(text, offset) {
            _ if is_empty => "`picoamp new` writes one to start from".to_string(),
            Some(quantity) => format!("a quantity is a string: write \"{quantity}\""),
            None => "look for a missing comma, quote or bracket here or just before".to_string(),
        };
        walker.diagnostics.error("", span, message).help(help);
        return None;
    }
    walker.skip_attributes();
    walker.node()
}

/// Byte offset of a line and column as `ron` counts them (from 1, columns in characters).
fn offset_of(text: &str, line: usize, col: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    text[start..].char_indices().nth(col.saturating_sub(1)).map_or(text.len(), |(at, _)| start + at)
}

/// Walks a text that is known to be valid RON. Methods return `None` only where the text is valid
/// RON of a form that no scene has; they have reported it then.
struct Walker<'a> {
    text: &'a str,
    at: usize,
    origin: usize,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Walker<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> char {
        self.rest().chars().next().unwrap_or('\0')
    }

    fn span(&self, start: usize) -> Span {
        Span { origin: self.origin, start, end: self.at }
    }

    /// Skips white space and comments.
    fn skip(&mut self) {
        loop {
            let trimmed = self.rest().trim_start();
            self.at = self.text.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let mut depth = 0;
                loop {
                    let rest = self.rest();
                    if rest.starts_with("/*") {
                        depth += 1;
                        self.at += 2;
                    } else if rest.starts_with("*/") {
                        depth -= 1;
                        self.at += 2;
                        if depth == 0 {
                            break;
                        }
                    } else if rest.is_empty() {
                        break;
                    } else {
                        self.at += self.peek().len_utf8();
                    }
                }
            } else {
                return;
            }
        }
    }

    /// Skips `#![enable(…)]`.
    fn skip_attributes(&mut self) {
        self.skip();
        while self.rest().starts_with('#') {
            self.at += self.rest().find(']').map_or(self.rest().len(), |at| at + 1);
            self.skip();
        }
    }

    /// Takes `c` if it is next.
    fn take(&mut self, c: char) -> bool {
        self.skip();
        let found = self.peek() == c && !self.rest().is_empty();
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn identifier(&mut self) -> Option<Key> {
        self.skip();
        let start = self.at;
        let raw = self.rest().starts_with("r#");
        if raw {
            self.at += 2;
        }
        let name_start = self.at;
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || (raw && ".+-".contains(c));
        let length = self.rest().find(|c: char| !is_part(c)).unwrap_or(self.rest().len());
        let starts_well = self.peek().is_alphabetic() || self.peek() == '_';
        if length == 0 || !starts_well {
            self.at = start;
            return None;
        }
        self.at += length;
        Some(Key { text: self.text[name_start..self.at].to_string(), span: self.span(start) })
    }

    fn node(&mut self) -> Option<Node> {
        self.skip();
        let start = self.at;
        let value = match self.peek() {
            '[' => {
                self.at += 1;
                Value::List(self.items(']')?)
            }
            '{' => {
                self.at += 1;
                Value::Map(self.entries('}')?)
            }
            '(' => Value::Group { name: None, body: self.body()? },
            '"' => Value::Text(self.string()?),
            'r' if self.rest().starts_with("r\"") || self.is_raw_string() => {
                Value::Text(self.string()?)
            }
            c if c.is_ascii_digit() || "+-.".contains(c) => self.number(),
            'b' if self.rest()[1..].starts_with(['"', '\'', 'r']) && self.is_bytes() => {
                return self.no_use(start);
            }
            _ => match self.identifier() {
                Some(name) => match name.text.as_str() {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "NaN" | "inf" => Value::Number(name.text),
                    _ => {
                        let end = self.at;
                        self.skip();
                        let body = if self.peek() == '(' {
                            self.body()?
                        } else {
                            self.at = end;
                            Body::Empty
                        };
                        Value::Group { name: Some(name), body }
                    }
                },
                None => return self.no_use(start),
            },
        };
        Some(Node { span: self.span(start), value })
    }

    /// Reports a value that is valid RON but of a kind that no scene has.
    fn no_use(&mut self, start: usize) -> Option<Node> {
        let span = Span { origin: self.origin, start, end: start + 1 };
        self.diagnostics
            .error("", span, "a scene has no use for this kind of value")
            .help("use numbers, strings, lists [ ], maps { } and groups ( )");
        None
    }

    /// `b"…"`, `b'…'`, `br"…"`, `br#"…"#`.
    fn is_bytes(&self) -> bool {
        let rest = self.rest()[1..].trim_start_matches('r').trim_start_matches('#');
        rest.starts_with(['"', '\''])
    }

    fn is_raw_string(&self) -> bool {
        let rest = self.rest()[1..].trim_start_matches('#');
        self.rest()[1..].starts_with('#') && rest.starts_with('"')
    }

    fn number(&mut self) -> Value {
        let is_part = |c: char| c.is_alphanumeric() || "+-._".contains(c);
        let length = self.rest().find(|c: char| !is_part(c)).unwrap_or(self.rest().len());
        let typed = self.rest()[..length].replace('_', "");
        self.at += length;
        Value::Number(typed)
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        if self.peek() == 'r' {
            let hashes = self.rest()[1..].chars().take_while(|c| *c == '#').count();
            let close = format!("\"{}", "#".repeat(hashes));
            let open = 2 + hashes;
            let length = self.rest()[open..].find(&close)?;
            self.at += open + length + close.len();
        } else {
            self.at += 1;
            loop {
                match self.peek() {
                    '"' => break,
                    '\\' => self.at += 2,
                    c => self.at += c.len_utf8(),
                }
            }
            self.at += 1;
        }
        ron::from_str(&self.text[start..self.at]).ok()
    }

    /// `value, … ]`, the opening bracket taken already.
    fn items(&mut self, close: char) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.node()?);
            self.take(',');
        }
        Some(items)
    }

    /// `key: value, … }`, the opening bracket taken already.
    fn entries(&mut self, close: char) -> Option<Vec<(Key, Node)>> {
        let mut entries = Vec::new();
        while !self.take(close) {
            self.skip();
            let key = self.node()?;
            let key = match key.value {
                Value::Text(text) => Key { text, span: key.span },
                Value::Group { name: Some(name), body: Body::Empty } => name,
                _ => {
                    self.diagnostics
                        .error("", key.span, "the keys of a map are names")
                        .help("write them in quotes: { \"name\": … }");
                    return None;
                }
            };
            self.take(':');
            entries.push((key, self.node()?));
            self.take(',');
        }
        Some(entries)
    }

    /// `(…)`, from its opening parenthesis on.
    fn body(&mut self) -> Option<Body> {
        self.take('(');
        let start = self.at;
        if self.take(')') {
            return Some(Body::Empty);
        }
        let has_fields = self.identifier().is_some() && self.take(':');
        self.at = start;
        Some(if has_fields {
            Body::Fields(self.entries(')')?)
        } else {
            Body::Items(self.items(')')?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Diagnostics) {
        let mut diagnostics = Diagnostics::default();
        let node = parse(&Arc::from(text), 0, &mut diagnostics);
        (node, diagnostics)
    }

    #[test]
    fn keeps_the_place_of_every_part() {
        let text = r##"#![enable(implicit_some)]
            // a comment ( [ {
            ( name: "a \" b", /* and /* a nested */ one */ list: [1, -2.5e3, .5,],
              map: { "k:": Off, "l": f(x: r#"raw "q" "#), }, empty: (), unit: g(), t: (1, "x") )"##;
        let (node, diagnostics) = read(text);
        assert!(diagnostics.is_empty());
        let Value::Group { name: None, body: Body::Fields(fields) } = node.unwrap().value else {
            panic!("not a group");
        };
        let typed: Vec<_> = fields
            .iter()
            .map(|(k, n)| (k.text.as_str(), &text[n.span.start..n.span.end]))
            .collect();
        assert_eq!(
            typed,
            [
                ("name", r#""a \" b""#),
                ("list", "[1, -2.5e3, .5,]"),
                ("map", r##"{ "k:": Off, "l": f(x: r#"raw "q" "#), }"##),
                ("empty", "()"),
                ("unit", "g()"),
                ("t", "(1, \"x\")"),
            ]
        );
        assert!(matches!(&fields[0].1.value, Value::Text(t) if t == "a \" b"));
    }

    #[test]
    fn reports_syntax_at_its_place() {
        let (node, diagnostics) = read("(a: 1,\n b: [2, 3)");
        assert!(node.is_none());
        let report = diagnostics.items().next().unwrap();
        // The parenthesis that stands where the bracket should close.
        assert_eq!(report.span.unwrap().start, 16);
    }

    #[test]
    fn what_is_printed_reads_back() {
        let long: String = (0..30).map(|k| format!("(\"soma.Itau\", {k}e-12), ")).collect();
        let numbers: String = (0..40).map(|k| format!("{k}.5, ")).collect();
        for text in [
            "(a: 1, b: \"x \\\" y\", c: true, d: (), e: {}, f: [], g: On, h: Off())",
            &format!(
                "(list: [{long}], numbers: [{numbers}], map: {{ \"a b\": f(x: -1e3, y: [{long}]) }})"
            ),
        ] {
            let first = read(text).0.unwrap();
            let printed = first.ron(0, &|_| None);
            let again = read(&printed).0.unwrap();
            assert_eq!(again.ron(0, &|_| None), printed);
            assert_eq!(again.line(&|_| None), first.line(&|_| None));
            assert!(printed.lines().all(|line| line.len() < 100), "{printed}");
        }
        let other = |node: &Node| {
            matches!(&node.value, Value::Text(t) if t == "a").then(|| "\"b\"".to_string())
        };
        assert_eq!(read("(x: [\"a\", \"c\"])").0.unwrap().line(&other), "(x: [\"b\", \"c\"])");
    }

    proptest::proptest! {
        /// Whatever is typed, the answer is a tree or a report.
        #[test]
        fn never_panics(text in r#"[\(\)\[\]{}:,"a-c0-9 #rx/\*\\.+'\n]{0,40}"#) {
            let (node, diagnostics) = read(&text);
            proptest::prop_assert_eq!(node.is_some(), diagnostics.is_empty());
        }
    }
}
