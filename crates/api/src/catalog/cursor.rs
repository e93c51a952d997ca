//! Cursors: what a page needs to know of those before it.

use data_encoding::BASE64URL_NOPAD;
use event::{Offset, Position};
use fold::EntityId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use views::{Filter, Like, Row, Sort, Start};

use super::predicate::Predicate;
use super::text::Text;
use crate::ApiError;

/// The longest cursor that is read, in bytes. With what stands beside it, it fits into a body.
const BYTES_MAX: usize = 92 * 1024;

/// The longest cursor of a list that is asked for by GET: with what stands beside it, it fits into
/// a URL.
const URL_BYTES_MAX: usize = 48 * 1024;

/// Room in a cursor for what is not the caller's: positions, and the values of two rows, each of at
/// most 200 letters.
const ROW_BYTES_MAX: usize = 4096;

/// How a list is asked for, and so how long its cursors may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// In a URL.
    InUrl,
    /// In a body.
    InBody,
}

impl Asked {
    /// How long filter, order and term of a list may be, written as JSON: its cursors hold them.
    pub(crate) fn bytes_max(self) -> usize {
        let bytes = match self {
            Self::InUrl => URL_BYTES_MAX,
            Self::InBody => BYTES_MAX,
        };
        // Four letters hold three bytes.
        bytes / 4 * 3 - ROW_BYTES_MAX
    }
}

/// A list that is being paged through: what it was asked for, and from which moment it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    predicate: Option<Predicate>,
    sort: Option<Sort>,
    text: Option<Text>,
    count: bool,
    /// The moment of the first page, and what that one learned.
    known: Option<Known>,
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    position: Position,
    total: u64,
    first: Option<Row>,
}

/// A cursor as it is written. To clients it is opaque.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    /// The position of the first page.
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<(String, bool)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Text>,
    total: u64,
    /// The first row of the first page.
    first: (Option<String>, u32),
    /// The row at which the page starts, or ends.
    row: (Option<String>, u32),
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    back: bool,
}

impl Cursor {
    /// A list that begins.
    ///
    /// # Errors
    /// When its cursors would be too long to be read.
    pub(crate) fn first(
        predicate: Option<Predicate>,
        sort: Option<Sort>,
        text: Option<Text>,
        count: bool,
        asked: Asked,
    ) -> Result<Self, ApiError> {
        let cursor = Self { predicate, sort, text, count, known: None };
        let query = cursor.predicate.as_ref().map(Predicate::json);
        let order = cursor.sort.as_ref().map(|sort| &sort.path);
        let bytes = serde_json::to_vec(&(query, order, &cursor.text)).map_or(0, |json| json.len());
        let bytes_max = asked.bytes_max();
        if bytes > bytes_max {
            return Err(ApiError::input(format!(
                "filter, order and term of a list take at most {bytes_max} bytes as JSON, and \
                 these take {bytes}"
            )));
        }
        Ok(cursor)
    }

    /// Reads a cursor, and where its page starts.
    ///
    /// # Errors
    /// What no page gave out, or a page of another catalog, or of a later position than `now`.
    pub fn read(text: &str, now: Position) -> Result<(Self, Start), ApiError> {
        let malformed = |why: &str| ApiError::input(format!("Malformed cursor: {why}"));
        if text.len() > BYTES_MAX {
            return Err(malformed(&format!("it is longer than {BYTES_MAX} bytes")));
        }
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| malformed("it is not what a page gave out"))?;
        let form: Form = serde_json::from_slice(&bytes)
            .map_err(|_| malformed("it is not what a page gave out"))?;
        let position: Position = form.at.parse().map_err(|_| malformed("it names no position"))?;
        if position.log != now.log || position.offset > now.offset {
            return Err(malformed("its position is not of this catalog, or not folded yet here"));
        }
        let predicate = form.query.map(Predicate::free).transpose()?;
        let sort = form.order.map(|(path, descending)| Sort { path, descending });
        let row = |(value, id)| Row { value, id: EntityId(id) };
        let start =
            if form.back { Start::Before(row(form.row)) } else { Start::After(row(form.row)) };
        let known = Known { position, total: form.total, first: Some(row(form.first)) };
        let text = form.text.map(Text::checked).transpose()?.flatten();
        Ok((Self { predicate, sort, text, count: false, known: Some(known) }, start))
    }

    /// What entities have to be.
    pub(crate) fn filter(&self) -> Option<Filter> {
        let predicate = self.predicate.as_ref().map(|predicate| predicate.filter().clone());
        let text = self.text.as_ref().map(|text| text.filter(self.sort.as_ref()));
        match (predicate, text) {
            (Some(predicate), Some(text)) => Some(Filter::All(vec![predicate, text])),
            (one, other) => one.or(other),
        }
    }

    /// What the values of an ordered list have to hold.
    pub(crate) fn rows(&self) -> Option<Like> {
        self.text.as_ref()?.rows(self.sort.as_ref())
    }

    pub(crate) fn sort(&self) -> Option<&Sort> {
        self.sort.as_ref()
    }

    /// Whether the list has to be counted for its first page.
    pub(crate) fn counts(&self) -> bool {
        self.count
    }

    /// The moment that the list comes from, after its first page.
    pub(crate) fn offset(&self) -> Option<Offset> {
        self.known.as_ref().map(|known| known.position.offset)
    }

    pub(crate) fn total(&self) -> Option<u64> {
        self.known.as_ref().map(|known| known.total)
    }

    /// The list as of its first page, if this is it.
    pub(crate) fn on(self, position: Position, total: u64, first: Option<&Row>) -> Self {
        let known = self.known.unwrap_or_else(|| Known { position, total, first: first.cloned() });
        Self { known: Some(known), ..self }
    }

    /// Whether a row is the first of the list.
    pub(crate) fn is_first(&self, row: &Row) -> bool {
        self.known.as_ref().and_then(|known| known.first.as_ref()) == Some(row)
    }

    /// The page behind a row.
    #[must_use]
    pub fn after(&self, row: &Row) -> String {
        self.write(row, false)
    }

    /// The page before a row.
    #[must_use]
    pub fn before(&self, row: &Row) -> String {
        self.write(row, true)
    }

    fn write(&self, row: &Row, back: bool) -> String {
        let Some(known) = &self.known else {
            return String::new();
        };
        let plain = |row: &Row| (row.value.clone(), row.id.0);
        let form = Form {
            at: known.position.to_string(),
            query: self.predicate.as_ref().map(|predicate| predicate.json().clone()),
            order: self.sort.as_ref().map(|sort| (sort.path.clone(), sort.descending)),
            text: self.text.clone(),
            total: known.total,
            first: plain(known.first.as_ref().unwrap_or(row)),
            row: plain(row),
            back,
        };
        BASE64URL_NOPAD.encode(&serde_json::to_vec(&form).unwrap_or_default())
    }
}
