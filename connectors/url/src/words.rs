//! Words of messages.

use std::borrow::Cow;

use event::vocabulary::Fault;

/// A fault by the name of one of Backstage's classes of errors.
pub(crate) fn fault(name: &'static str, message: String) -> Fault {
    Fault { name: Cow::Borrowed(name), message }
}
