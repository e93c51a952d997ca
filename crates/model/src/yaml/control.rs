//! Control characters, which YAML forbids and the npm package lets pass: pasted descriptions hold
//! them now and then.
//!
//! They are hidden from the parser behind characters for private use, one for one, so that places
//! stay what they are.

use std::borrow::Cow;

/// The first of the characters that stand for others.
const BASE: u32 = 0x10_0000;

/// The place of the two noncharacters among them, after the control characters.
const NONCHARACTERS: u32 = 0x100;

fn hidden(c: char) -> Option<char> {
    let code = match c {
        '\t' | '\n' | '\r' | '\u{85}' => return None,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => u32::from(c),
        '\u{fffe}' | '\u{ffff}' => u32::from(c) - 0xfffe + NONCHARACTERS,
        _ => return None,
    };
    char::from_u32(BASE + code)
}

fn shown(c: char) -> Option<char> {
    match u32::from(c).checked_sub(BASE)? {
        code @ 0..NONCHARACTERS => char::from_u32(code),
        code => char::from_u32(code - NONCHARACTERS + 0xfffe).filter(|c| *c <= '\u{ffff}'),
    }
}

/// Hides control characters: borrowed if there are none. A text that uses the characters for private
/// use itself is left alone.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| hidden(c).is_none()) || text.chars().any(|c| shown(c).is_some()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| hidden(c).unwrap_or(c)).collect())
}

/// Shows them again, in a part of a text in which they were hidden.
pub(super) fn show(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_ascii() || !text.chars().any(|c| shown(c).is_some()) {
        return text;
    }
    Cow::Owned(text.chars().map(|c| shown(c).unwrap_or(c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown_again() {
        for text in ["plain", "a\tb\nc\r", "\0\u{1}\u{1b}\u{7f}\u{9f}\u{fffe}\u{ffff}\u{85}ä😀"]
        {
            let hidden = hide(text);
            assert_eq!(hidden.chars().count(), text.chars().count());
            assert_eq!(show(hidden), text);
        }
        assert!(!hide("a\u{7}b").contains('\u{7}'));
        // Nothing is taken for hidden that stood there from the start.
        assert_eq!(hide("\u{100007}\u{7}"), "\u{100007}\u{7}");
    }
}
