//! The formats of fields, as `KubernetesValidatorFunctions`, `CommonValidatorFunctions` and
//! `makeValidator` of `@backstage/catalog-model` 1.10.1 have them.
//!
//! Lengths are bytes: every format but that of URLs and titles confines a text to ASCII.

use crate::js;

/// `isValidApiVersion`: an optional DNS subdomain and a slash, then letters and digits.
pub(crate) fn is_api_version(text: &str) -> bool {
    is_prefixed(text, |text| {
        (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// `isValidKind`: a letter, then letters and digits, at most 63.
pub(crate) fn is_kind(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphabetic()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `isValidObjectName`: letters, digits, `-`, `_` and `.`, the first and last a letter or digit.
pub(crate) fn is_object_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
        && bytes.iter().all(is_inner)
}

/// `isValidDnsLabel`, which namespaces have to be: lower case, digits, and `-` inside.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&bytes.len())
        && is_edge(bytes[0])
        && is_edge(bytes[bytes.len() - 1])
        && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
}

/// `isValidLabelKey` and `isValidAnnotationKey`: an optional DNS subdomain and a slash, then a name.
pub(crate) fn is_key(text: &str) -> bool {
    is_prefixed(text, is_object_name)
}

/// `isValidLabelValue`: empty, or a name.
pub(crate) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_object_name(text)
}

/// `isValidTag` of `makeValidator`: words of lower case, digits, `:`, `+` and `#`, joined by `-`.
pub(crate) fn is_tag(text: &str) -> bool {
    let is_inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b':' | b'+' | b'#')
    };
    (1..=63).contains(&text.len())
        && text.split('-').all(|word| !word.is_empty() && word.bytes().all(is_inner))
}

/// `isValidUrl`: whatever the URL standard of the WHATWG parses.
pub(crate) fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok()
}

/// `isNonEmptyString`: more than white space.
pub(crate) fn is_not_blank(text: &str) -> bool {
    !js::trim(text).is_empty()
}

fn is_prefixed(text: &str, is_suffix: impl Fn(&str) -> bool) -> bool {
    match text.split_once('/') {
        None => is_suffix(text),
        Some((prefix, suffix)) => is_dns_subdomain(prefix) && is_suffix(suffix),
    }
}

fn is_dns_subdomain(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(format(text), "{text:?} is good");
        }
        for text in bad {
            assert!(!format(text), "{text:?} is bad");
        }
    }

    #[test]
    fn names_of_kinds_and_versions() {
        let (full, over) = ("a".repeat(63), "a".repeat(64));
        let (full, over) = (full.as_str(), over.as_str());
        check(
            is_api_version,
            &["v1", "backstage.io/v1alpha1", "1", "a/B", full],
            &["", "/v1", "a/", "a/b/c", "A/b", "1.0", "a_b/v1", "v-1", over, "v1\n"],
        );
        check(is_kind, &["A", "a1", full], &["", "1a", "a-b", "ä", over, "A "]);
    }

    #[test]
    fn names_and_keys() {
        let (full, over) = ("a".repeat(63), "a".repeat(64));
        let (full, over) = (full.as_str(), over.as_str());
        let subdomain = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let (long_key, longer_key) = (format!("{subdomain}/x"), format!("{subdomain}d/x"));
        check(
            is_object_name,
            &["a", "A-b_c.D", "1", "a..b", full],
            &["", "-a", "a-", ".", "a b", "ä", "a/b", over, "a\n"],
        );
        check(
            is_dns_label,
            &["a", "a-b", "a--b", "0", full],
            &["", "-a", "a-", "A", "a.b", "a_b", over],
        );
        check(
            is_key,
            &["a", "a/b", "a.b-c/D_e.f", &long_key],
            &["", "/", "a/", "/b", "a/b/c", "A/b", "a..b/c", &longer_key],
        );
        check(is_label_value, &["", "a", "A.b"], &[" ", "a b", "-"]);
    }

    #[test]
    fn tags_and_links() {
        let (full, over) = ("a".repeat(63), "a".repeat(64));
        check(
            is_tag,
            &["a", "c++", "c#", "a:b", "a-b-c", "1", &full],
            &["", "A", "a--b", "-a", "a-", "a_b", "a.b", "a b", &over],
        );
        check(
            is_url,
            &["https://a", "mailto:a@b.c", "a:b", " https://a ", "https://ä.de/ b"],
            &["", "a", "/a", "//a", "https://", "https://a:99999", "https://a b", "1:b"],
        );
        check(is_not_blank, &["a", " a ", "\u{85}"], &["", " ", "\u{feff}\t\n"]);
    }
}
