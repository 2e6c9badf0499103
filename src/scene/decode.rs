//! Reading typed values out of a tree, reporting every mistake at its place.
//!
//! Readers return `None` after they have reported, so a caller goes on with the next part and all
//! mistakes of a scene appear at once.

use std::collections::BTreeMap;

use super::diagnostics::{Diagnostics, Question, Span, nearest, suggest};
use super::tree::{Body, Key, Node, Value};
use crate::circuit::Domain;
use crate::time::Time;
use crate::units::{self, Unit};

/// A node and its path in the scene.
#[derive(Debug, Clone)]
pub struct At<'n> {
    pub(super) node: &'n Node,
    /// Its path, `populations.dpi.size`.
    pub path: String,
}

impl<'n> At<'n> {
    /// The root of a scene.
    #[must_use]
    pub fn root(node: &'n Node) -> At<'n> {
        At { node, path: String::new() }
    }

    fn child(&self, key: &str, node: &'n Node) -> At<'n> {
        let quoted = if key.contains('.') { format!("{key:?}") } else { key.to_string() };
        let path = if self.path.is_empty() { quoted } else { format!("{}.{quoted}", self.path) };
        At { node, path }
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.node.span
    }

    /// Where it starts: the name of a group or its opening bracket, for findings about the whole.
    #[must_use]
    pub fn head(&self) -> Span {
        let span = self.span();
        match &self.node.value {
            Value::Group { name: Some(name), .. } => name.span,
            Value::Group { .. } | Value::Map(_) | Value::List(_) => {
                Span { end: span.end.min(span.start + 1), ..span }
            }
            _ => span,
        }
    }

    /// What stands here, for messages: "a list".
    #[must_use]
    pub fn noun(&self) -> String {
        self.node.noun()
    }

    /// Whether this is a list `[a, b]`.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// Whether this is a number or a string, as quantities are.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        matches!(self.node.value, Value::Number(_) | Value::Text(_))
    }

    /// Whether this is the bare name (or the string) `name`.
    #[must_use]
    pub fn is_name(&self, name: &str) -> bool {
        match &self.node.value {
            Value::Text(text) => text == name,
            Value::Group { name: Some(key), body: Body::Empty } => key.text == name,
            _ => false,
        }
    }

    /// The field `key` of a group, if it is there.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<At<'n>> {
        let Value::Group { body: Body::Fields(fields), .. } = &self.node.value else {
            return None;
        };
        let (_, node) = fields.iter().find(|(k, _)| k.text == key)?;
        Some(self.child(key, node))
    }

    /// Reports an error here.
    pub fn error<'d>(
        &self,
        dx: &'d mut Diagnostics,
        message: impl Into<String>,
    ) -> super::diagnostics::Added<'d> {
        dx.error(&self.path, self.span(), message)
    }

    /// Reports a warning here.
    pub fn warning<'d>(
        &self,
        dx: &'d mut Diagnostics,
        message: impl Into<String>,
    ) -> super::diagnostics::Added<'d> {
        dx.warning(&self.path, self.span(), message)
    }

    fn expected(&self, dx: &mut Diagnostics, what: &str, example: &str) {
        let found = self.node.noun();
        self.error(dx, format!("expected {what}, found {found}"))
            .help(format!("write it like {example}"));
    }

    /// The entries of a map `{ "name": … }`; an entry that stands twice is an error.
    pub fn map(&self, dx: &mut Diagnostics) -> Option<Vec<(&'n Key, At<'n>)>> {
        let Value::Map(entries) = &self.node.value else {
            self.expected(dx, "a map", "{ \"name\": … }");
            return None;
        };
        let mut first: BTreeMap<&str, Span> = BTreeMap::new();
        let mut unique = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let at = self.child(&key.text, node);
            if first.insert(&key.text, key.span).is_some() {
                dx.error(&at.path, key.span, format!("`{}` stands here twice", key.text))
                    .help("give one of the two another name, or remove it");
            } else {
                unique.push((key, at));
            }
        }
        Some(unique)
    }

    /// The elements of a list `[a, b]`.
    pub fn list(&self, dx: &mut Diagnostics) -> Option<Vec<At<'n>>> {
        let Value::List(items) = &self.node.value else {
            self.expected(dx, "a list", "[ … ]");
            return None;
        };
        Some(items.iter().enumerate().map(|(k, node)| self.child(&k.to_string(), node)).collect())
    }

    /// The items of `(a, b)`.
    #[must_use]
    pub fn tuple(&self) -> Option<Vec<At<'n>>> {
        match &self.node.value {
            Value::Group { name: None, body: Body::Items(items) } => {
                Some(items.iter().enumerate().map(|(k, n)| self.child(&k.to_string(), n)).collect())
            }
            _ => None,
        }
    }

    /// The fields of a group `(key: value, …)`.
    pub fn fields(&self, dx: &mut Diagnostics) -> Option<Fields<'n>> {
        match &self.node.value {
            Value::Group { name: None, body } => Fields::new(self.clone(), body, dx),
            // `--set` adds keys to a group as to a map.
            Value::Map(entries) if entries.is_empty() => Some(Fields::of(self.clone(), Vec::new())),
            _ => {
                self.expected(dx, "a group of fields", "( key: value, … )");
                None
            }
        }
    }

    /// One of several named forms, of which plugins can bring more.
    pub fn open_variant(
        &self,
        dx: &mut Diagnostics,
        what: &str,
        valid: &[&str],
    ) -> Option<Variant<'n>> {
        self.variant_of(
            dx,
            what,
            valid,
            "; if a plugin brings it, use the program that has the plugin",
        )
    }

    /// One of several named forms: `OneToOne`, `Euler(dt: …)`, also written as a string.
    pub fn variant(&self, dx: &mut Diagnostics, what: &str, valid: &[&str]) -> Option<Variant<'n>> {
        self.variant_of(dx, what, valid, "")
    }

    /// As [`At::variant`]; what can be done about a name that is near to none ends with `more`.
    fn variant_of(
        &self,
        dx: &mut Diagnostics,
        what: &str,
        valid: &[&str],
        more: &str,
    ) -> Option<Variant<'n>> {
        const EMPTY: &Body = &Body::Empty;
        dx.ask(&self.path, || Question::Names(valid.iter().map(ToString::to_string).collect()));
        let (name, span, body) = match &self.node.value {
            Value::Group { name: Some(name), body } => (name.text.as_str(), name.span, body),
            Value::Text(text) => (text.as_str(), self.span(), EMPTY),
            _ => {
                self.error(dx, format!("expected {what}, found {}", self.node.noun()))
                    .help(format!("one of {}", valid.join(", ")));
                return None;
            }
        };
        if !valid.contains(&name) {
            let is_near = nearest(name, valid.iter().copied()).is_some();
            dx.error(&self.path, span, format!("`{name}` is not {what}"))
                .help(suggest(name, valid) + if is_near { "" } else { more });
            return None;
        }
        Some(Variant { name, body, at: self.clone() })
    }

    /// A string, or a bare name.
    pub fn text(&self, dx: &mut Diagnostics) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Group { name: Some(name), body: Body::Empty } => Some(&name.text),
            _ => {
                self.expected(dx, "a text", "\"text\"");
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, dx: &mut Diagnostics) -> Option<bool> {
        match (&self.node.value, self.plain_text()) {
            (Value::Bool(b), _) => Some(*b),
            (_, Some("true")) => Some(true),
            (_, Some("false")) => Some(false),
            _ => {
                self.expected(dx, "true or false", "true");
                None
            }
        }
    }

    fn plain_text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, 0 or greater.
    pub fn count(&self, dx: &mut Diagnostics) -> Option<u64> {
        let typed = match &self.node.value {
            Value::Number(typed) => typed.as_str(),
            _ => {
                self.expected(dx, "a whole number", "200");
                return None;
            }
        };
        if let Ok(count) = typed.parse::<u64>() {
            return Some(count);
        }
        // 1e6 is a whole number, too.
        match typed.parse::<f64>() {
            Ok(x) if (0.0..9e15).contains(&x) && x.fract() == 0.0 => Some(x as u64),
            Ok(x) if x >= 9e15 => {
                self.error(dx, format!("{typed} is too large")).help("write it like 200");
                None
            }
            _ => {
                self.error(dx, format!("expected a whole number, 0 or greater, found {typed}"))
                    .help("write it like 200");
                None
            }
        }
    }

    /// The size of a group: at least 1.
    pub fn size(&self, dx: &mut Diagnostics) -> Option<u64> {
        let size = self.count(dx)?;
        // 0 also stands for a size that is not known: nothing is checked against it.
        if size == 0 {
            self.error(dx, "the size must be at least 1").help("for example size: 200");
            return None;
        }
        Some(size)
    }

    /// The index of a neuron of a group of `size`, if that is known.
    pub fn neuron(&self, dx: &mut Diagnostics, size: Option<u64>) -> Option<u32> {
        let index = self.count(dx)?;
        match size {
            Some(size) if index >= size => {
                self.error(dx, format!("neuron {index} does not exist, there are {size}"))
                    .help(format!("indices go from 0 to {}", size - 1));
                None
            }
            _ => u32::try_from(index)
                .map_err(|_| {
                    self.error(dx, format!("neuron {index} is beyond 2^32")).help("reduce the size")
                })
                .ok(),
        }
    }

    /// A finite plain number.
    pub fn number(&self, dx: &mut Diagnostics) -> Option<f64> {
        let typed = match &self.node.value {
            Value::Number(typed) => typed.as_str(),
            Value::Text(text) if text.parse::<f64>().is_ok() => text,
            _ => {
                self.expected(dx, "a number", "0.7");
                return None;
            }
        };
        match typed.parse::<f64>() {
            Ok(x) if x.is_finite() => Some(x),
            Ok(_) => {
                self.error(dx, format!("`{typed}` is not a finite number"))
                    .help("write a finite number");
                None
            }
            Err(_) => {
                self.error(dx, format!("`{typed}` is not a number")).help("write it like 0.7");
                None
            }
        }
    }

    /// A physical quantity `"4 pA"` (or a plain number, where the unit is [`Unit::One`]), in SI.
    pub fn quantity(&self, dx: &mut Diagnostics, unit: Unit, domain: Domain) -> Option<f64> {
        let value = match &self.node.value {
            _ if unit == Unit::One => self.number(dx)?,
            // A bare number: `parse` tells one without a unit from one that is not finite.
            Value::Number(text) | Value::Text(text) => match units::parse(text, unit) {
                Ok(value) => value,
                Err(error) => {
                    self.error(dx, error.to_string()).help(error.help());
                    return None;
                }
            },
            _ => {
                self.expected(dx, unit.noun(), unit.example());
                return None;
            }
        };
        if let Err(rule) = domain.check(value, unit) {
            self.error(dx, rule).help(format!("a typical value is {}", unit.example()));
            return None;
        }
        Some(value)
    }

    /// A time, 0 or greater.
    pub fn time(&self, dx: &mut Diagnostics, domain: Domain) -> Option<Time> {
        let seconds = self.quantity(dx, Unit::Second, domain)?;
        let Some(time) = Time::from_seconds(seconds) else {
            self.error(dx, format!("{} is too long", units::format(seconds, Unit::Second)))
                .help("times go up to 213 days, in steps of 1 ps");
            return None;
        };
        if domain == Domain::Positive && time == Time::ZERO {
            self.error(dx, format!("{} is too short", units::format(seconds, Unit::Second)))
                .help("the shortest time is 1 ps");
            return None;
        }
        Some(time)
    }
}

/// A chosen form and what stands in its parentheses.
pub struct Variant<'n> {
    /// Its name.
    pub name: &'n str,
    /// Where it stands.
    pub at: At<'n>,
    body: &'n Body,
}

impl<'n> Variant<'n> {
    /// Its fields; none is fine.
    pub fn fields(&self, dx: &mut Diagnostics) -> Option<Fields<'n>> {
        Fields::new(self.at.clone(), self.body, dx)
    }

    /// Its only value: `File("x.csv")`.
    pub fn single(&self, dx: &mut Diagnostics, example: &str) -> Option<At<'n>> {
        dx.ask(&self.at.path, || Question::Value(example.to_string()));
        match self.body {
            Body::Items(items) if items.len() == 1 => {
                Some(At { node: &items[0], path: self.at.path.clone() })
            }
            _ => {
                self.at
                    .error(dx, format!("`{}` takes one value", self.name))
                    .help(format!("write it like {}({example})", self.name));
                None
            }
        }
    }

    /// Reports fields or values where there may be none.
    pub fn unit(&self, dx: &mut Diagnostics) {
        if !matches!(self.body, Body::Empty) {
            self.at
                .error(dx, format!("`{}` takes nothing in parentheses", self.name))
                .help(format!("write only {}", self.name));
        }
    }
}

/// The fields of a group, while they are being read.
pub struct Fields<'n> {
    at: At<'n>,
    entries: Vec<(&'n Key, &'n Node)>,
    known: Vec<&'static str>,
    needed: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    fn new(at: At<'n>, body: &'n Body, dx: &mut Diagnostics) -> Option<Fields<'n>> {
        let mut entries: Vec<(&Key, &Node)> = Vec::new();
        match body {
            Body::Empty => {}
            Body::Fields(fields) => {
                for (key, node) in fields {
                    if entries.iter().any(|(k, _)| k.text == key.text) {
                        let path = at.child(&key.text, node).path;
                        dx.error(&path, key.span, format!("`{}` stands here twice", key.text))
                            .help("remove one of the two");
                    } else {
                        entries.push((key, node));
                    }
                }
            }
            Body::Items(_) => {
                let name = match &at.node.value {
                    Value::Group { name: Some(name), .. } => name.text.as_str(),
                    _ => "",
                };
                at.error(dx, "expected named fields")
                    .help(format!("write {name}(key: value, …); `picoamp reference` has the keys"));
                return None;
            }
        }
        Some(Fields::of(at, entries))
    }

    fn of(at: At<'n>, entries: Vec<(&'n Key, &'n Node)>) -> Fields<'n> {
        Fields { at, entries, known: Vec::new(), needed: Vec::new() }
    }

    /// The group itself.
    #[must_use]
    pub fn at(&self) -> &At<'n> {
        &self.at
    }

    /// A field that may be missing.
    pub fn get(&mut self, key: &'static str) -> Option<At<'n>> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(k, _)| k.text == key)?;
        Some(self.at.child(key, node))
    }

    /// A field that must be there.
    pub fn need(&mut self, dx: &mut Diagnostics, key: &'static str, help: &str) -> Option<At<'n>> {
        let found = self.get(key);
        self.needed.push(key);
        if found.is_none() {
            let message = format!("`{key}` is missing");
            dx.error(&self.at.path, self.at.head(), message).help(help);
        }
        found
    }

    /// Reports every field that nobody asked for, with the nearest valid name.
    pub fn close(self, dx: &mut Diagnostics) {
        dx.ask(&self.at.path, || {
            let mark = |key: &&'static str| (*key, self.needed.contains(key));
            Question::Fields(self.known.iter().map(mark).collect())
        });
        for (key, node) in &self.entries {
            if !self.known.contains(&key.text.as_str()) {
                let path = self.at.child(&key.text, node).path;
                dx.error(&path, key.span, format!("there is no field `{}` here", key.text))
                    .help(suggest(&key.text, &self.known));
            }
        }
    }
}
