//! Rules about indentation that the parser is lenient about and the npm package is not.
//!
//! They matter most for a quote that is never closed: it is reported where it opens, and not
//! wherever the text that it swallows stops making sense.

use granit_parser::{Event, Marker, ScalarStyle, Span, StructureStyle};

use super::SyntaxProblem;
use super::build::Located;

/// Where the collection around a value stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The column of the innermost collection in block style, from 0; everything in it has to be
    /// indented further. `None` at the root.
    column: Option<usize>,
    /// The line on which the outermost collection in flow style opens.
    flow_line: Option<usize>,
}

impl Place {
    /// The place inside of a collection that opens here.
    pub(super) fn inside(self, text: &str, style: StructureStyle, at: Marker) -> Self {
        if style == StructureStyle::Flow || self.flow_line.is_some() {
            return Self { flow_line: self.flow_line.or(Some(at.line())), ..self };
        }
        // A sequence may start in the column of the key that it belongs to, and the parser reports
        // it at its first item then: what counts is where its line starts.
        let indent = line_before(text, at).bytes().take_while(|&byte| byte == b' ').count();
        match self.column {
            Some(column) if indent <= column => self,
            _ => Self { column: Some(at.col()), ..self },
        }
    }
}

/// What stands before a place on its line.
fn line_before(text: &str, at: Marker) -> &str {
    let before = at.byte_offset().and_then(|offset| text.get(..offset)).unwrap_or_default();
    &before[before.rfind('\n').map_or(0, |end| end + 1)..]
}

/// Checks the indentation of a node, given where it stands.
pub(super) fn check(
    text: &str,
    event: &Event<'_>,
    span: &Span,
    place: Place,
) -> Result<(), Located> {
    let at = span.start;
    let is_block = matches!(
        event,
        Event::MappingStart(StructureStyle::Block, ..)
            | Event::SequenceStart(StructureStyle::Block, ..)
    );
    if is_block && line_before(text, at).trim_start_matches(' ').starts_with('\t') {
        return Err((at, malformed("tabs are not allowed as indentation")));
    }
    let Some(column) = place.column else {
        return Ok(());
    };
    let is_flow_line = place.flow_line.is_some_and(|line| at.line() > line) && !span.is_empty();
    if is_flow_line && at.col() <= column {
        return Err((at, malformed(OUTSIDE)));
    }
    let Event::Scalar(_, style, ..) = event else {
        return Ok(());
    };
    let is_quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    let is_plain_in_flow = *style == ScalarStyle::Plain && place.flow_line.is_some();
    if (is_quoted || is_plain_in_flow) && leaves(span.slice(text).unwrap_or_default(), column) {
        return Err((at, malformed(if is_quoted { UNCLOSED } else { OUTSIDE })));
    }
    Ok(())
}

/// Checks the indentation of the bracket that closes a collection, given where its items stand and
/// where it stands itself. The outermost one may stand below the key that it belongs to.
pub(super) fn check_end(span: &Span, inner: Place, outer: Place) -> Result<(), Located> {
    let (Some(column), Some(line)) = (inner.column, inner.flow_line) else {
        return Ok(());
    };
    let at = span.start;
    let least = column + usize::from(outer.flow_line.is_some());
    if at.line() > line && at.col() < least && !span.is_empty() {
        return Err((at, malformed(OUTSIDE)));
    }
    Ok(())
}

const OUTSIDE: &str = "this line is indented less than the value that it is in";

const UNCLOSED: &str =
    "the quoted text goes on in a line that is not indented; is its closing quote missing?";

/// Whether a line of a text, after its first, is indented no further than `column`.
fn leaves(text: &str, column: usize) -> bool {
    text.lines().skip(1).any(|line| {
        let indent = line.bytes().take_while(|&byte| byte == b' ').count();
        indent < line.len() && indent <= column
    })
}

/// Whether an error comes from a quote that was opened between the last good value, which ends at
/// `start`, and the place of the error.
pub(super) fn unclosed_quote(
    text: &str,
    start: usize,
    error: &Marker,
    place: Place,
) -> Option<Located> {
    let column = place.column?;
    let swallowed = text.get(start..error.byte_offset()?)?;
    let quote = swallowed.find(['"', '\'', '#'])?;
    if swallowed[quote..].starts_with('#') || !leaves(&swallowed[quote..], column) {
        return None;
    }
    let before = &text[..start + quote];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = error.line().saturating_sub(swallowed[quote..].matches('\n').count());
    let at = Marker::new(0, line, before[line_start..].chars().count());
    Some((at, malformed(UNCLOSED)))
}

fn malformed(problem: &str) -> SyntaxProblem {
    SyntaxProblem::Malformed(problem.to_owned())
}
