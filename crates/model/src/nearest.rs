//! "Did you mean …?"

/// The longest word that is compared, in bytes: the comparison takes quadratic time.
const WORD_BYTES_MAX: usize = 128;

/// The candidate that is written most like `word`, if one is near enough to be meant: at most a
/// third of the characters differ, case aside. Of equally near ones the first wins.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let folded = word.to_lowercase();
    let differences_max = word.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= WORD_BYTES_MAX)
        .map(|candidate| {
            let differences = strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
            (differences, candidate)
        })
        .filter(|(differences, _)| *differences <= differences_max)
        .min_by_key(|(differences, _)| *differences)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let kinds = ["API", "Component", "Domain", "Group", "Resource", "System", "Template"];
        for (word, expected) in [
            ("Componnt", Some("Component")),
            ("component", Some("Component")),
            ("Compnoent", Some("Component")),
            ("Api", Some("API")),
            ("Sytsem", Some("System")),
            ("Templates", Some("Template")),
            ("Zebra", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, kinds), expected, "{word:?}");
        }
        assert_eq!(nearest(&"Component".repeat(1000), kinds), None);
        assert_eq!(nearest("ab", ["ax", "ay"]), Some("ax"), "the first of equally near ones");
    }
}
