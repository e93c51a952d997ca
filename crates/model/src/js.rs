//! What JavaScript does with text and numbers, where Backstage's verdicts and answers depend on it.
//!
//! Invariant: nothing here depends on a locale, and every function is total.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Number;

/// The length of a text in UTF-16 code units, as `String.prototype.length` counts it, is over `limit`.
pub(crate) fn is_longer_than(text: &str, limit: usize) -> bool {
    // A code unit takes one to three bytes of UTF-8, so most texts are settled without counting.
    text.len() > limit && (text.len() > limit * 3 || text.encode_utf16().count() > limit)
}

/// Orders two texts by UTF-16 code units: the default order of `Array.prototype.sort` and the order
/// of the members of an object in RFC 8785.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    // Byte order of UTF-8 is code point order; it differs from code unit order only where one side
    // has a character beyond the basic plane, whose four bytes start at 0xf0.
    let is_basic = |text: &str| text.bytes().all(|byte| byte < 0xf0);
    if is_basic(a) && is_basic(b) { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// `String.prototype.trim`: unlike [`str::trim`] it takes U+FEFF for space, and U+0085 not.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\u{feff}' || (c != '\u{85}' && c.is_whitespace()))
}

/// `String.prototype.toLowerCase`, borrowed if nothing changes.
pub(crate) fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Appends `String.prototype.toLowerCase` of `text` to `out`.
pub(crate) fn push_lower(out: &mut String, text: &str) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        out[start..].make_ascii_lowercase();
    } else {
        out.push_str(&text.to_lowercase());
    }
}

/// Appends `String(number)`.
///
/// Differs from JavaScript for integers beyond ±2^53: they keep their digits, which JavaScript loses
/// on reading, so that two different numbers never look the same.
pub(crate) fn push_number(out: &mut String, number: &Number) {
    use std::fmt::Write as _;
    let result = if let Some(integer) = number.as_u64() {
        write!(out, "{integer}")
    } else if let Some(integer) = number.as_i64() {
        write!(out, "{integer}")
    } else {
        out.push_str(ryu_js::Buffer::new().format(number.as_f64().unwrap_or(f64::NAN)));
        Ok(())
    };
    debug_assert!(result.is_ok(), "writing to a String does not fail");
}

/// A number as JSON, from what JavaScript would hold: whole numbers lose their fraction, so that
/// `1.0` and `1` are one value; NaN and the infinities, which JSON lacks, are `None`
/// (`JSON.stringify` makes `null` of them).
pub(crate) fn number(value: f64) -> Option<Number> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within ±2^53")]
        let integer = value as i64;
        Some(Number::from(integer))
    } else {
        Number::from_f64(value)
    }
}

/// At most `max` characters of a text, with `…` where it was cut.
pub(crate) fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_utf16_units() {
        for (text, limit, expected) in [
            ("", 0, false),
            ("abc", 3, false),
            ("abcd", 3, true),
            ("äöü", 3, false),
            ("\u{ffff}\u{ffff}\u{ffff}", 3, false),
            ("😀😀", 3, true),
            ("😀a", 3, false),
        ] {
            assert_eq!(is_longer_than(text, limit), expected, "{text:?} over {limit}");
        }
    }

    #[test]
    fn order_is_by_utf16_units() {
        // U+1F600 starts with the surrogate U+D83D, which sorts before U+FB33.
        let mut texts = ["\u{fb33}", "😀", "b", "a", "B", "\u{20ac}", ""];
        texts.sort_by(|a, b| compare(a, b));
        assert_eq!(texts, ["", "B", "a", "b", "\u{20ac}", "😀", "\u{fb33}"]);
    }

    #[test]
    fn trim_takes_what_javascript_takes() {
        for (text, expected) in [
            (" \t\n\u{b}\u{c}\r\u{a0}\u{feff}\u{2028}\u{2029}\u{3000}", ""),
            ("\u{85}", "\u{85}"),
            ("\u{200b}", "\u{200b}"),
            (" a b ", "a b"),
        ] {
            assert_eq!(trim(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_read_as_javascript_prints_them() {
        for (json, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
            ("-12", "-12"),
            ("18446744073709551615", "18446744073709551615"),
            ("5e-324", "5e-324"),
        ] {
            let number: Number = serde_json::from_str(json).expect("a number");
            let mut text = String::new();
            push_number(&mut text, &number);
            assert_eq!(text, expected, "{json}");
        }
    }

    #[test]
    fn lower_case_is_unicode() {
        for (text, expected) in [("ABC", "abc"), ("abc", "abc"), ("ÄΣ", "äς"), ("İ", "i\u{307}")]
        {
            assert_eq!(lower(text), expected);
            let mut out = String::from("x");
            push_lower(&mut out, text);
            assert_eq!(out, format!("x{expected}"));
        }
    }

    /// References are folded with this, inside the fold of the log, and stand in digests. Unicode
    /// adds letters now and then, and Rust follows: where this hash changes with a new compiler,
    /// so do the fold's rules, and the change needs a new version of them (with the old table kept
    /// for the old version).
    #[test]
    fn lower_case_is_that_of_one_unicode_version() {
        let mut hasher = blake3::Hasher::new();
        for letter in '\0'..=char::MAX {
            hasher.update(lower(letter.encode_utf8(&mut [0; 4])).as_bytes());
            hasher.update(&[0xff]);
        }
        // The one letter whose lower case depends on what stands around it.
        hasher.update(lower("ΑΣ ΑΣΑ Σ").as_bytes());
        expect_test::expect!["50b70e831ff0de810194222dac8890529b68619b7f0c86692a7c929535c168f9"]
            .assert_eq(&hasher.finalize().to_hex());
    }

    #[test]
    fn shortening_keeps_characters_whole() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü", 2), "äö…");
    }
}
