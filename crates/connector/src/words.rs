//! Texts of sources in messages.

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
    fn what_is_shown_is_short_and_safe() {
        assert_eq!(shown("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(shown(&"y".repeat(SHOWN_MAX)), "y".repeat(SHOWN_MAX));
        assert_eq!(shown(&"y".repeat(SHOWN_MAX + 1)), "y".repeat(SHOWN_MAX) + "…");
    }
}
