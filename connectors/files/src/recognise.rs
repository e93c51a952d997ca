//! Telling catalog files from the other YAML and JSON files of a folder.

use memchr::memmem;
use model::document::Document;
use model::yaml::{self, Limits};
use serde_json::Value;

/// How API versions of catalog documents begin.
const PREFIXES: [&str; 2] = ["backstage.io/", "scaffolder.backstage.io/"];

/// What catalog documents look like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recognise {
    api_versions: Vec<String>,
}

impl Recognise {
    /// Backstage's documents, and those of further API versions.
    pub(crate) fn new(api_versions: Vec<String>) -> Self {
        Self { api_versions }
    }

    /// Whether a document is one of a catalog, good or not.
    pub(crate) fn is_catalog(&self, document: &Value) -> bool {
        let view = Document::new(document);
        let is_ours = |version: &str| {
            PREFIXES.iter().any(|prefix| version.starts_with(prefix))
                || self.api_versions.iter().any(|known| known == version)
        };
        view.kind().is_some() && view.api_version().is_some_and(is_ours)
    }

    /// Whether a text that can't be read speaks of a catalog.
    pub(crate) fn is_mentioned(&self, text: &[u8]) -> bool {
        let known = self.api_versions.iter().map(String::as_str);
        let mut all = PREFIXES.into_iter().chain(known).filter(|text| !text.is_empty());
        all.any(|known| memmem::find(text, known.as_bytes()).is_some())
    }

    /// Whether the beginning of an NDJSON file is that of catalog documents.
    pub(crate) fn is_catalog_lines(&self, beginning: &[u8], limits: &Limits) -> bool {
        let mut lines = yaml::read_ndjson(beginning, limits);
        lines.any(|line| line.is_ok_and(|line| self.is_catalog(&line.value)))
            // The last line may be cut, or the first one too long.
            || !beginning.contains(&b'\n') && self.is_mentioned(beginning)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_of_a_catalog_are_told_from_others() {
        let recognise = Recognise::new(vec!["example.com/v1".to_owned()]);
        for (document, expected) in [
            (json!({"kind": "X", "apiVersion": "backstage.io/v9"}), true),
            (json!({"kind": "X", "apiVersion": "scaffolder.backstage.io/v1beta3"}), true),
            (json!({"kind": "X", "apiVersion": "example.com/v1"}), true),
            (json!({"kind": "X", "apiVersion": "example.com/v10"}), false),
            (json!({"kind": "Pod", "apiVersion": "v1"}), false),
            (json!({"kind": 1, "apiVersion": "backstage.io/v1alpha1"}), false),
            (json!({"apiVersion": "backstage.io/v1alpha1"}), false),
            (json!(["backstage.io/"]), false),
        ] {
            assert_eq!(recognise.is_catalog(&document), expected, "{document}");
        }
        for (text, expected) in [
            ("apiVersion: backstage.io/v1", true),
            ("example.com/v1", true),
            ("apiVersion: v1", false),
            ("", false),
        ] {
            assert_eq!(recognise.is_mentioned(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn lines_of_a_catalog_are_told_from_others() {
        let recognise = Recognise::default();
        let ours = r#"{"kind":"X","apiVersion":"backstage.io/v1alpha1"}"#;
        for (text, expected) in [
            (format!("{{}}\n{ours}\n"), true),
            (format!("no json\n{ours}"), true),
            (ours[..40].to_owned(), true),
            (format!("{{}}\n{}", &ours[..40]), false),
            ("{}\n{}\n".to_owned(), false),
        ] {
            let found = recognise.is_catalog_lines(text.as_bytes(), &Limits::default());
            assert_eq!(found, expected, "{text}");
        }
    }
}
