//! Words of messages.

use std::borrow::Cow;

use event::vocabulary::Fault;

/// How much of a text that came from elsewhere a message shows, in letters.
const SHOWN_MAX: usize = 500;

/// A text that came from elsewhere, for messages: safe to print, and not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_MAX)
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A fault by the name of one of Backstage's classes of errors.
pub(crate) fn fault(name: &'static str, message: String) -> Fault {
    Fault { name: Cow::Borrowed(name), message }
}
