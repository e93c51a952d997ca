//! The pattern by which Backstage's full text filter looks: SQL's `like`, with the term in the
//! middle and the wildcards that stand in it.

use memchr::memmem;

/// A pattern that a text holds somewhere: `%` stands for any characters, `_` for one, and a
/// backslash takes the meaning from what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Like {
    /// What stands between two `%`; a text holds the parts one after the other.
    parts: Vec<Part>,
    /// Whether the last part stands at the text's end.
    at_end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Characters as they are.
    Text(String),
    /// Characters, and `None` for any one.
    Chars(Vec<Option<char>>),
}

impl Like {
    /// The pattern of a term, in lower case.
    #[must_use]
    pub fn containing(term: &str) -> Self {
        let mut parts = Vec::new();
        let mut part: Vec<Option<char>> = Vec::new();
        let mut chars = term.chars();
        let mut at_end = false;
        while let Some(c) = chars.next() {
            match c {
                '%' => parts.push(std::mem::take(&mut part)),
                '_' => part.push(None),
                '\\' => part.push(Some(chars.next().unwrap_or_else(|| {
                    // It takes the meaning from the `%` that stands behind every term.
                    at_end = true;
                    '%'
                }))),
                c => part.push(Some(c)),
            }
        }
        parts.push(part);
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let parts = parts.map(|part| match part.iter().copied().collect::<Option<String>>() {
            Some(text) => Part::Text(text),
            None => Part::Chars(part),
        });
        Self { parts: parts.collect(), at_end }
    }

    /// What finds it, where it is a plain text and not at the end of another.
    pub(crate) fn plain(&self) -> Option<memmem::Finder<'_>> {
        match &*self.parts {
            [Part::Text(text)] if !self.at_end => Some(memmem::Finder::new(text.as_bytes())),
            _ => None,
        }
    }

    /// Whether a text holds it.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let (last, parts) = match self.parts.split_last() {
            Some((last, parts)) if self.at_end => (Some(last), parts),
            _ => (None, &*self.parts),
        };
        for part in parts {
            match part.find(rest) {
                Some(end) => rest = &rest[end..],
                None => return false,
            }
        }
        last.is_none_or(|last| last.ends(rest))
    }
}

impl Part {
    /// Whether a text ends with it.
    fn ends(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => text.ends_with(wanted.as_str()),
            Self::Chars(wanted) => {
                let mut chars = text.chars().rev();
                let mut wanted = wanted.iter().rev();
                wanted.all(|wanted| {
                    chars.next().is_some_and(|found| wanted.is_none_or(|wanted| wanted == found))
                })
            }
        }
    }

    /// Where the first text that it stands for ends. The first is as good as any: it leaves the
    /// most for what follows.
    fn find(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(wanted) => {
                memmem::find(text.as_bytes(), wanted.as_bytes()).map(|at| at + wanted.len())
            }
            Self::Chars(wanted) => text.char_indices().find_map(|(start, _)| {
                let mut chars = text[start..].chars();
                let mut length = 0;
                for wanted in wanted {
                    let found = chars.next()?;
                    if wanted.is_some_and(|wanted| wanted != found) {
                        return None;
                    }
                    length += found.len_utf8();
                }
                Some(start + length)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_are_those_of_sql() {
        for (term, text, expected) in [
            ("pay", "payment", true),
            ("pay", "repay", true),
            ("pay", "pa-y", false),
            ("", "", true),
            ("%", "", true),
            ("100%", "warm 100", true),
            ("a%c", "xabcx", true),
            ("a%c", "ca", false),
            ("l_s", "full-service", true),
            ("l_s", "ls", false),
            ("l\\_s", "l_s", true),
            ("l\\_s", "l-s", false),
            ("50\\%", "50% off", true),
            ("50\\", "50% off", false),
            ("50\\", "about 50%", true),
            ("\\\\", "a\\b", true),
            ("ün_c", "xünïc", true),
            ("_", "", false),
            ("__", "ü", false),
        ] {
            assert_eq!(Like::containing(term).matches(text), expected, "{term} in {text}");
        }
    }

    /// What SQL says, letter by letter.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            ['_', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            ['\\', c, rest @ ..] | [c, rest @ ..] => {
                text.first() == Some(c) && naive(rest, &text[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn a_term_is_found_as_sql_finds_it(term in "[abü%_\\\\]{0,6}", text in "[abü%_]{0,8}") {
            let pattern: Vec<char> = format!("%{term}%").chars().collect();
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(Like::containing(&term).matches(&text), naive(&pattern, &chars));
        }
    }
}
