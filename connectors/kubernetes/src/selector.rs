//! Label selectors, as Kubernetes reads them.

use crate::object::Labels;

/// The longest selector, in bytes, and the most requirements that it has.
const BYTES_MAX: usize = 4096;
const REQUIREMENTS_MAX: usize = 64;

/// A label selector: `app=shop,tier in (web, api),!canary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Reads one; none is what is not of the form, or empty.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let mut requirements = Vec::new();
        for part in parts(text) {
            requirements.push(requirement(part.trim())?);
        }
        let fits = !requirements.is_empty() && requirements.len() <= REQUIREMENTS_MAX;
        fits.then_some(Self(requirements))
    }

    pub(crate) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = labels.get(key);
            match test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.iter().any(|of| of == value)),
                Test::NotIn(values) => {
                    !value.is_some_and(|value| values.iter().any(|of| of == value))
                }
            }
        })
    }

    /// A label that whatever it selects has to have, with its value.
    pub(crate) fn pair(&self) -> Option<(&str, &str)> {
        self.0.iter().find_map(|Requirement { key, test }| match test {
            Test::In(values) if values.len() == 1 => Some((key.as_str(), values[0].as_str())),
            Test::In(_) | Test::NotIn(_) | Test::Exists | Test::Missing => None,
        })
    }
}

/// What stands between the commas that are in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut begun, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[begun..at]);
                begun = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begun..]);
    parts
}

fn requirement(text: &str) -> Option<Requirement> {
    let of = |key: &str, test| {
        let key = key.trim();
        is_key(key).then(|| Requirement { key: key.to_owned(), test })
    };
    let one = |value: &str| {
        let value = value.trim();
        is_value(value).then(|| vec![value.to_owned()])
    };
    if let Some(key) = text.strip_prefix('!') {
        return of(key, Test::Missing);
    }
    if let Some((key, value)) = text.split_once("!=") {
        return of(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return of(key, Test::In(one(value)?));
    }
    let Some(list) = text.strip_suffix(')') else { return of(text, Test::Exists) };
    let (head, list) = list.split_once('(')?;
    let (key, how) = head.trim().rsplit_once(char::is_whitespace)?;
    let values: Vec<String> = list.split(',').map(|value| value.trim().to_owned()).collect();
    if !values.iter().all(|value| is_value(value)) {
        return None;
    }
    match how {
        "in" => of(key, Test::In(values)),
        "notin" => of(key, Test::NotIn(values)),
        _ => None,
    }
}

fn is_key(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    !text.is_empty() && text.len() <= 317 && text.chars().all(fits)
}

fn is_value(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= 63 && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_select_as_kubernetes_does() {
        let labels = Labels::new([("app", "shop"), ("tier", "web"), ("x.io/y", "")]);
        for (text, expected) in [
            ("app=shop", Some(true)),
            ("app==shop, tier = web", Some(true)),
            ("app=till", Some(false)),
            ("app!=till,none!=x", Some(true)),
            ("tier in (api, web)", Some(true)),
            ("tier notin (api,web)", Some(false)),
            ("none notin (a)", Some(true)),
            ("app,!none", Some(true)),
            ("!app", Some(false)),
            ("x.io/y=", Some(true)),
            ("none", Some(false)),
            ("", None),
            ("app=shop,", None),
            ("app=a b", None),
            ("tier of (a)", None),
            ("tier in a)", None),
            ("tier in (a", None),
            ("=x", None),
            ("a=b=c", None),
            (&*format!("a={}", "x".repeat(64)), None),
        ] {
            let selector = Selector::read(text);
            assert_eq!(selector.map(|of| of.matches(&labels)), expected, "{text}");
        }
        let of = |text| Selector::read(text).unwrap();
        assert_eq!(of("!a,b in (c,d),e=f").pair(), Some(("e", "f")));
        assert_eq!(of("a,b!=c").pair(), None);
    }

    proptest::proptest! {
        /// Whatever it is, it is read or refused, and then selects or does not.
        #[test]
        fn any_text_is_read(text in "([ab!=,() ]|in|notin|ä){0,12}") {
            let labels = Labels::new([("a", "b")]);
            if let Some(selector) = Selector::read(&text) {
                let matches = selector.matches(&labels);
                if let Some((key, value)) = selector.pair() {
                    proptest::prop_assert!(!matches || labels.get(key) == Some(value));
                }
            }
        }
    }
}
