//! The formats of the fields that every entity has: `FieldFormatEntityPolicy`.
//!
//! The entity's schema has settled types before, so a value of another type is passed over here.

use std::fmt;

use serde_json::{Map, Value};

use super::format;
use super::reference_text;
use super::refusal::{Expected, Refusal};
use crate::document::Document;
use crate::js;
use crate::kinds::Path;

const ROOT: Path<'_> = Path::Root;
const METADATA: Path<'_> = Path::Key(&ROOT, "metadata");

/// Checks the fields in the order of the policy.
pub(super) fn check(document: &Value) -> Result<(), Refusal> {
    let view = Document::new(document);
    let rules = Rules { document };
    let text = view.api_version().unwrap_or_default();
    let at = Path::Key(&ROOT, "apiVersion");
    rules.hold(text, Expected::ApiVersion, &at, format_args!("apiVersion"))?;
    let text = view.kind().unwrap_or_default();
    rules.hold(text, Expected::Kind, &Path::Key(&ROOT, "kind"), format_args!("kind"))?;
    let text = view.name().unwrap_or_default();
    let at = Path::Key(&METADATA, "name");
    rules.hold(text, Expected::Name, &at, format_args!("metadata.name"))?;
    let at = Path::Key(&METADATA, "namespace");
    rules.hold(view.namespace(), Expected::Namespace, &at, format_args!("metadata.namespace"))?;
    let Some(metadata) = view.metadata() else {
        return Ok(());
    };
    rules.labels_and_annotations(metadata)?;
    rules.tags(metadata)?;
    rules.links(metadata)
}

struct Rules<'a> {
    document: &'a Value,
}

impl Rules<'_> {
    /// Checks the text of one field, which Backstage calls `name`.
    fn hold(
        &self,
        text: &str,
        expected: Expected,
        at: &Path<'_>,
        name: fmt::Arguments<'_>,
    ) -> Result<(), Refusal> {
        let is_good = match expected {
            Expected::ApiVersion => format::is_api_version(text),
            Expected::Kind => format::is_kind(text),
            Expected::Name => format::is_object_name(text),
            Expected::Namespace => format::is_dns_label(text),
            Expected::Key => format::is_key(text),
            Expected::LabelValue => format::is_label_value(text),
            Expected::Tag => format::is_tag(text),
            Expected::Url => format::is_url(text),
            Expected::NotBlank => format::is_not_blank(text),
        };
        if is_good {
            return Ok(());
        }
        let (name, reference) = (name.to_string(), reference_text(self.document));
        Err(Refusal::format(at.to_string(), &name, expected, text, &reference))
    }

    fn labels_and_annotations(&self, metadata: &Map<String, Value>) -> Result<(), Refusal> {
        for field in ["labels", "annotations"] {
            let at_field = Path::Key(&METADATA, field);
            let members = metadata.get(field).and_then(Value::as_object);
            for (key, value) in members.into_iter().flatten() {
                let at = Path::Key(&at_field, key);
                let short = || js::shorten(key, 100);
                if !format::is_key(key) {
                    self.hold(key, Expected::Key, &at, format_args!("{field}.{}", short()))?;
                }
                let value = value.as_str().unwrap_or_default();
                if field == "labels" && !format::is_label_value(value) {
                    let name = format_args!("{field}.{}", short());
                    self.hold(value, Expected::LabelValue, &at, name)?;
                }
            }
        }
        Ok(())
    }

    fn tags(&self, metadata: &Map<String, Value>) -> Result<(), Refusal> {
        let at_tags = Path::Key(&METADATA, "tags");
        for (index, tag) in items(metadata, "tags").enumerate() {
            let (tag, at) = (tag.as_str().unwrap_or_default(), Path::Index(&at_tags, index));
            self.hold(tag, Expected::Tag, &at, format_args!("tags.{index}"))?;
        }
        Ok(())
    }

    fn links(&self, metadata: &Map<String, Value>) -> Result<(), Refusal> {
        let at_links = Path::Key(&METADATA, "links");
        for (index, link) in items(metadata, "links").enumerate() {
            let at_link = Path::Index(&at_links, index);
            for (key, expected) in [
                ("url", Expected::Url),
                ("title", Expected::NotBlank),
                ("icon", Expected::NotBlank),
            ] {
                if let Some(text) = link.get(key).and_then(Value::as_str) {
                    let at = Path::Key(&at_link, key);
                    self.hold(text, expected, &at, format_args!("links.{index}.{key}"))?;
                }
            }
        }
        Ok(())
    }
}

fn items<'a>(metadata: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Value> {
    metadata.get(field).and_then(Value::as_array).into_iter().flatten()
}
