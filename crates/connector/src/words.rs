//! Texts of sources in messages, and names of connectors.

/// The longest id of a connector, in bytes.
const ID_BYTES_MAX: usize = 63;

/// An id of a connector that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` can't be the id of a connector (a letter or digit, then up to 62 of letters, digits, \
     `-`, `_` and `.`)",
    shown(.0)
)]
pub struct NotAnId(String);

/// Looks whether a text can be the id of a connector: a letter or digit, then letters, digits, `-`,
/// `_` and `.`.
///
/// # Errors
/// It can't.
pub fn check_id(text: &str) -> Result<(), NotAnId> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_id = starts_well && text.len() <= ID_BYTES_MAX && text.chars().all(is_plain);
    if is_id { Ok(()) } else { Err(NotAnId(text.to_owned())) }
}

/// How much of a text that came from elsewhere a message shows, in letters.
pub const SHOWN_MAX: usize = 500;

/// A text that came from elsewhere, for messages: safe to print, and not too long.
#[must_use]
pub fn shown(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain() {
        for (id, expected) in [
            ("a", true),
            ("9.b-c_d", true),
            (&*"x".repeat(63), true),
            (&*"x".repeat(64), false),
            ("", false),
            (".a", false),
            ("a/b", false),
            ("ä", false),
        ] {
            assert_eq!(check_id(id).is_ok(), expected, "{id}");
        }
    }

    #[test]
    fn an_id_that_is_none_is_shown_safely() {
        let long = "\u{1b}".repeat(SHOWN_MAX + 1);
        let said = check_id(&long).unwrap_err().to_string();
        let shown = "\u{fffd}".repeat(SHOWN_MAX) + "…";
        assert!(said.starts_with(&format!("`{shown}` can't be the id of a connector")), "{said}");
    }

    #[test]
    fn what_is_shown_is_short_and_safe() {
        assert_eq!(shown("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(shown(&"y".repeat(SHOWN_MAX)), "y".repeat(SHOWN_MAX));
        assert_eq!(shown(&"y".repeat(SHOWN_MAX + 1)), "y".repeat(SHOWN_MAX) + "…");
    }
}
