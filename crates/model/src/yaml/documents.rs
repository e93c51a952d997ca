//! From a text to its documents, one after the other.

use std::borrow::Cow;

use granit_parser::{ErrorKind, Event, Marker, Options, Parser, StrInput};

use super::build::{Budget, Builder};
use super::{Limits, ParsedDocument, SyntaxError, SyntaxProblem, control};

/// Reads all documents of a text.
pub(super) fn documents(text: &str, limits: &Limits) -> Vec<Result<ParsedDocument, SyntaxError>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    // The parser's own limits only have to keep it from going deeper than the builder allows.
    options.flow_nesting_limit = limits.depth_max.saturating_add(1);
    options.block_nesting_limit = limits.depth_max.saturating_add(1);
    options.bom_inside_document_as_content = true;
    let printable = control::hide(text);
    let hides = matches!(printable, Cow::Owned(_));
    let text = &printable;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { text, hides, limits, budget: Budget::default(), results: Vec::new() };
    while let Some(more) = reader.document(&mut parser) {
        if !more {
            break;
        }
    }
    reader.results
}

struct Reader<'l> {
    text: &'l str,
    /// Whether control characters are hidden in the text.
    hides: bool,
    limits: &'l Limits,
    budget: Budget,
    results: Vec<Result<ParsedDocument, SyntaxError>>,
}

impl Reader<'_> {
    /// Reads the next document into the results. Returns whether to go on; `None` at the end.
    fn document<'a>(&mut self, parser: &mut Parser<'a, StrInput<'a>>) -> Option<bool> {
        let index = self.results.len();
        let mut builder = Builder::new(self.text, self.limits, &mut self.budget);
        let result = loop {
            match parser.next_event()? {
                Ok((Event::StreamEnd, _)) => return None,
                Ok((Event::DocumentEnd, _)) => break Ok(builder.finish()),
                Ok((event, span)) => {
                    let event = if self.hides { shown(event) } else { event };
                    if let Err(problem) = builder.event(event, span) {
                        break Err(problem);
                    }
                }
                Err(error) => {
                    if *error.kind() == ErrorKind::ExpectedDocumentStart && index > 0 {
                        return Some(self.leftover(error.marker(), parser));
                    }
                    break Err(builder.malformed(&error));
                }
            }
        };
        if index >= self.limits.documents_max {
            let problem =
                SyntaxProblem::TooMuch { what: "documents", max: self.limits.documents_max };
            self.results.push(Err(SyntaxError { index, line: 1, column: 1, problem }));
            return Some(false);
        }
        match result {
            Ok((value, line)) => self.results.push(Ok(ParsedDocument { value, index, line })),
            Err((marker, problem)) => {
                let (line, column) = (marker.line().max(1), marker.col() + 1);
                // What is used up of the file's limits leaves nothing for later documents.
                let is_final = problem.is_limit() && self.budget.is_used_up(self.limits);
                self.results.push(Err(SyntaxError { index, line, column, problem }));
                let goes_on = !is_final && parser.proceed_next_document().unwrap_or(false);
                return Some(goes_on);
            }
        }
        Some(true)
    }

    /// What follows a document without `---` is a part of it that does not fit: the parser has taken
    /// the document for finished. Returns whether to go on.
    fn leftover<'a>(&mut self, at: &Marker, parser: &mut Parser<'a, StrInput<'a>>) -> bool {
        self.results.pop();
        let text = "this line does not belong to the value before it; is it indented differently?";
        let problem = SyntaxProblem::Malformed(text.to_owned());
        let (index, line, column) = (self.results.len(), at.line().max(1), at.col() + 1);
        self.results.push(Err(SyntaxError { index, line, column, problem }));
        parser.proceed_next_document().unwrap_or(false)
    }
}

/// An event with the control characters of its text.
fn shown(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Scalar(text, style, anchor, tag) => {
            Event::Scalar(control::show(text), style, anchor, tag)
        }
        other => other,
    }
}
