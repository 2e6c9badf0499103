//! What is wrong with a scene, and where.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan,
    SpanContents,
};

/// A place in one of the texts that make up a scene (the file, or a `--set` argument).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which text: an index into [`Texts`].
    pub origin: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The texts of a scene by origin: name and content.
#[derive(Debug, Clone, Default)]
pub struct Texts(Vec<(String, Arc<str>)>);

impl Texts {
    /// Adds a text; the result is its origin.
    pub fn add(&mut self, name: impl Into<String>, text: Arc<str>) -> usize {
        self.0.push((name.into(), text));
        self.0.len() - 1
    }

    /// Name, line and column (both from 1) of a place.
    #[must_use]
    pub fn locate(&self, span: Span) -> (&str, usize, usize) {
        let (name, text) = &self.0[span.origin];
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (name, line, column)
    }
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// Its path in the scene: `populations.dpi.model.soma.Itau`; empty for the whole.
    pub path: String,
    /// Where it stands, if it stands anywhere.
    pub span: Option<Span>,
    /// What is wrong, with the value and what is allowed.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// What a reader looked for at a place of a scene: the reference lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// One of these names.
    Names(Vec<String>),
    /// These fields; those marked must be there.
    Fields(Vec<(&'static str, bool)>),
    /// One value, written for example like this.
    Value(String),
}

/// The findings of a scene so far.
#[derive(Debug, Default)]
pub struct Diagnostics {
    findings: Vec<Finding>,
    /// Path and question of each reader, if somebody wants to know.
    questions: Option<Vec<(String, Question)>>,
}

/// A finding that was just added and may still get its remedy.
pub struct Added<'a>(&'a mut Finding);

impl Added<'_> {
    /// Says what to do.
    pub fn help(self, help: impl Into<String>) {
        self.0.help = Some(help.into());
    }
}

impl Diagnostics {
    fn add(
        &mut self,
        severity: Severity,
        path: &str,
        span: Option<Span>,
        message: impl Into<String>,
    ) -> Added<'_> {
        self.findings.push(Finding {
            severity,
            path: path.to_string(),
            span,
            message: message.into(),
            help: None,
        });
        let last = self.findings.len() - 1;
        Added(&mut self.findings[last])
    }

    /// Adds an error.
    pub fn error(&mut self, path: &str, span: Span, message: impl Into<String>) -> Added<'_> {
        self.add(Severity::Error, path, Some(span), message)
    }

    /// Adds a warning.
    pub fn warning(&mut self, path: &str, span: Span, message: impl Into<String>) -> Added<'_> {
        self.add(Severity::Warning, path, Some(span), message)
    }

    /// Diagnostics that also note what readers look for.
    pub(super) fn with_questions() -> Diagnostics {
        Diagnostics { findings: Vec::new(), questions: Some(Vec::new()) }
    }

    /// Notes what a reader looks for at a path.
    pub(super) fn ask(&mut self, path: &str, question: impl FnOnce() -> Question) {
        if let Some(questions) = &mut self.questions {
            questions.push((path.to_string(), question()));
        }
    }

    /// What was looked for, in order.
    pub(super) fn into_questions(self) -> Vec<(String, Question)> {
        self.questions.unwrap_or_default()
    }

    /// All findings, in the order they were found.
    pub fn items(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Number of errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|f| f.severity == Severity::Error).count()
    }

    /// The findings with their texts, errors in the order of the file.
    #[must_use]
    pub fn into_report(mut self, texts: &Texts) -> SceneReport {
        self.findings.sort_by_key(|f| f.span.map_or((0, 0), |s| (s.origin, s.start)));
        SceneReport { located: self.findings.into_iter().map(|f| Located::new(f, texts)).collect() }
    }
}

/// All findings of a scene, each with its source text, ready to be shown.
#[derive(Debug, Clone, Default)]
pub struct SceneReport {
    located: Vec<Located>,
}

impl SceneReport {
    /// Each finding.
    #[must_use]
    pub fn findings(&self) -> &[Located] {
        &self.located
    }

    /// Only the warnings.
    #[must_use]
    pub fn warnings(self) -> SceneReport {
        let keep = |l: &Located| l.finding.severity == Severity::Warning;
        SceneReport { located: self.located.into_iter().filter(keep).collect() }
    }
}

impl fmt::Display for SceneReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.located.iter().filter(|l| l.finding.severity == Severity::Error).count();
        let plural = if errors == 1 { "error" } else { "errors" };
        write!(f, "the scene has {errors} {plural}")
    }
}

/// A finding and the text it is about.
#[derive(Debug, Clone)]
pub struct Located {
    finding: Finding,
    source: Option<Source>,
    place: Option<(String, usize, usize)>,
}

impl Located {
    fn new(finding: Finding, texts: &Texts) -> Located {
        let source = finding.span.map(|span| {
            let (name, text) = &texts.0[span.origin];
            Source { name: name.clone(), text: text.clone() }
        });
        let place = finding.span.map(|span| {
            let (name, line, column) = texts.locate(span);
            (name.to_string(), line, column)
        });
        Located { finding, source, place }
    }

    /// The finding itself.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// File, line and column.
    #[must_use]
    pub fn place(&self) -> Option<&(String, usize, usize)> {
        self.place.as_ref()
    }
}

/// A text of a scene, of whose long lines only an excerpt is shown.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    text: Arc<str>,
}

/// Bytes of a line that is shown whole.
const LONG_LINE: usize = 300;
/// Bytes of a longer line before and after the place, and of the place itself.
const EXCERPT: usize = 60;

impl Source {
    /// The line of a byte, as a range.
    fn line_of(&self, at: usize) -> std::ops::Range<usize> {
        let at = at.min(self.text.len());
        let start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        start..end
    }

    /// The nearest place between two characters, at or before a byte.
    fn boundary(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|k| self.text.is_char_boundary(*k)).unwrap_or(0)
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let line = self.line_of(span.offset());
        if line.len() <= LONG_LINE {
            let contents = self.text.read_span(span, before, after)?;
            // A neighbour may be long.
            if contents.data().len() <= 5 * LONG_LINE || before + after == 0 {
                return Ok(Box::new(MietteSpanContents::new_named(
                    self.name.clone(),
                    contents.data(),
                    *contents.span(),
                    contents.line(),
                    contents.column(),
                    contents.line_count(),
                )));
            }
        }
        let margin = if before + after == 0 { 0 } else { EXCERPT };
        let start = self.boundary(span.offset().saturating_sub(margin)).max(line.start);
        let end = span.offset() + span.len().min(EXCERPT) + margin;
        let end = self.boundary(end.min(line.end)).max(start);
        let number = self.text[..line.start].matches('\n').count();
        let column = self.text[line.start..start].chars().count();
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            &self.text.as_bytes()[start..end],
            (start, end - start).into(),
            number,
            column,
            1,
        )))
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.finding.path.is_empty() {
            write!(f, "{}: ", self.finding.path)?;
        }
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Located {}

impl Diagnostic for Located {
    fn severity(&self) -> Option<Severity> {
        Some(self.finding.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.finding.span?;
        let length = span.end.saturating_sub(span.start);
        let is_long = self.source.as_ref().is_some_and(|s| s.line_of(span.start).len() > LONG_LINE);
        let length = if is_long { length.min(EXCERPT) } else { length };
        Some(Box::new(std::iter::once(LabeledSpan::underline((span.start, length)))))
    }
}

/// The nearest of the valid names, if one is near enough to have been meant.
#[must_use]
pub fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    valid
        .into_iter()
        .map(|v| (strsim::damerau_levenshtein(&lower, &v.to_lowercase()), v))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, v)| *distance <= 1 + v.chars().count() / 3)
        .map(|(_, v)| v)
}

/// "did you mean `x`? Known are a, b, x."
#[must_use]
pub fn suggest(name: &str, valid: &[&str]) -> String {
    let all = match valid {
        [] => return "there are none".to_string(),
        [one] => format!("only `{one}` is known here"),
        _ => format!("known here are {}", valid.join(", ")),
    };
    match nearest(name, valid.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("Itua", ["Itau", "Igain", "Iw"]), Some("Itau"));
        assert_eq!(nearest("itau", ["Itau", "Igain"]), Some("Itau"));
        assert_eq!(nearest("temperature", ["Itau", "Igain", "Iw"]), None);
    }
}
