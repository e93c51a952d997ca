//! Texts of sources, as records can hold them.

use std::borrow::Cow;

use event::vocabulary::{Fault, KEY_BYTES_MAX, WORDS_BYTES_MAX};

/// What stands where a text was cut.
const CUT: &str = "…";

/// What stands in the place of NUL, which no key can hold.
const NUL: &str = "␀";

/// A text without NUL, of at most so many bytes.
pub(crate) fn fit(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let mut fit = text.replace('\0', NUL);
    if fit.len() > bytes_max {
        fit.truncate(fit.floor_char_boundary(bytes_max.saturating_sub(CUT.len())));
        fit.push_str(CUT);
    }
    Cow::Owned(fit)
}

/// A name as keys can hold it. Names that differ still do.
pub(crate) fn fit_name(name: String) -> String {
    if name.is_empty() {
        return "(no name)".to_owned();
    }
    match fit(&name, KEY_BYTES_MAX) {
        Cow::Borrowed(_) => name,
        Cow::Owned(_) => {
            let hash = &blake3::hash(name.as_bytes()).to_hex()[..16];
            let start = fit(&name, KEY_BYTES_MAX - hash.len() - 1);
            format!("{start}#{hash}")
        }
    }
}

/// Words as an event can hold them.
pub(crate) fn fit_words(words: &str) -> String {
    fit(words, WORDS_BYTES_MAX).into_owned()
}

/// A fault as an event can hold it.
pub(crate) fn fit_fault(fault: Fault) -> Fault {
    let name = match fit(&fault.name, KEY_BYTES_MAX) {
        Cow::Borrowed("") => "Error".into(),
        Cow::Borrowed(_) => fault.name,
        Cow::Owned(name) => name.into(),
    };
    let message = match fit(&fault.message, WORDS_BYTES_MAX) {
        Cow::Borrowed(_) => fault.message,
        Cow::Owned(message) => message,
    };
    Fault { name, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_is_cut() {
        for (text, bytes_max, expected) in [
            ("", 4, ""),
            ("abcd", 4, "abcd"),
            ("abcde", 4, "a…"),
            ("aäöü", 6, "aä…"),
            ("a\0b", 9, "a␀b"),
            ("a\0b", 4, "a…"),
        ] {
            assert_eq!(fit(text, bytes_max), expected, "{text:?} in {bytes_max}");
        }
    }

    #[test]
    fn names_that_differ_still_do() {
        let long = |end: &str| "x".repeat(KEY_BYTES_MAX) + end;
        let name = |name: &str| fit_name(name.to_owned());
        assert_eq!(name("a.yaml#0"), "a.yaml#0");
        assert_ne!(name(&long("a")), name(&long("b")));
        assert_ne!(name("a\0"), name("a␀"));
        assert!(name(&long("a")).len() <= KEY_BYTES_MAX);
        assert!(!name("").is_empty());
    }
}
