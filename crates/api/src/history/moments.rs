//! From when to when: positions or times, as parameters give them.

use event::{LogId, Offset, Position, Timestamp};
use views::Reader;

use crate::ApiError;
use crate::params::{Form, Param, Params};

/// What happened after this.
pub(crate) const FROM: Param = Param::new(
    "from",
    Form::Text,
    "What comes after this position, or after this time (RFC 3339).",
);

/// What happened up to this.
pub(crate) const TO: Param = Param::new(
    "to",
    Form::Text,
    "What comes up to and with this position, or this time; a time to come is now.",
);

/// The record after which a time begins: none for one before the first.
pub(crate) fn moment(reader: &Reader, name: &str, text: &str) -> Result<Option<Offset>, ApiError> {
    if let Ok(position) = text.parse::<Position>() {
        return at_position(reader, name, position).map(Some);
    }
    // In a query string `+` stands for a space.
    let time = Timestamp::from_rfc3339(&text.replace(' ', "+")).map_err(|_| {
        ApiError::input(format!("request/query/{name} must be a position or a time (RFC 3339)"))
    })?;
    Ok(reader.as_of(time)?.map(|then| then.position().offset))
}

/// A position that is folded.
pub(crate) fn at_position(
    reader: &Reader,
    name: &str,
    position: Position,
) -> Result<Offset, ApiError> {
    of_log(reader.position().log, name, position)?;
    if position.offset > reader.position().offset {
        return Err(ApiError::input(format!("{name}: position {position} is not folded yet")));
    }
    Ok(position.offset)
}

/// A position is of this log.
pub(crate) fn of_log(log: LogId, name: &str, position: Position) -> Result<(), ApiError> {
    if position.log != log {
        let message = format!("{name}: position {position} is of another log than {log}");
        return Err(ApiError::input(message));
    }
    Ok(())
}

/// A time that is asked about: after a record, and up to one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) after: Option<Offset>,
    /// Absent where the end of it came before the first record.
    pub(crate) until: Option<Offset>,
}

impl Window {
    pub(crate) fn read(reader: &Reader, params: &Params) -> Result<Self, ApiError> {
        let after = params.one("from")?.map(|text| moment(reader, "from", text)).transpose()?;
        let until = params.one("to")?.map(|text| moment(reader, "to", text)).transpose()?;
        let until = until.unwrap_or(Some(reader.position().offset));
        Ok(Self { after: after.flatten(), until })
    }

    /// The first record behind it.
    pub(crate) fn end(self) -> Offset {
        self.until.map_or(0, |until| until.saturating_add(1))
    }
}
