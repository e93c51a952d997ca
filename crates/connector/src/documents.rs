//! From a text to its documents, for connectors that read what others hold: what a URL names, a
//! file in a repository.
//!
//! Invariant: whatever the text is, every document of it is handed out once: resolved, or as what
//! is wrong with it. Messages name the place, the line and the document.

use event::vocabulary::Fault;
use model::document::Document;
use model::placeholder::{self, Placeholder, Room};
use model::reference::EntityRef;
use model::yaml::{self, Limits, ParsedDocument, SyntaxError};
use serde_json::Value;

use crate::{Found, shown};

/// A document that can't be read.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Which document of the text it is, from 0.
    pub index: usize,
    /// The entity, where the document tells it.
    pub about: Option<EntityRef>,
    /// What is wrong.
    pub fault: Fault,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What it is called in messages and pointers.
    pub name: &'a str,
    /// Its location, `type:target`, which its documents are given.
    pub location: &'a str,
    /// The location that led to it.
    pub origin: &'a str,
    /// What may stand in it.
    pub limits: Limits,
}

/// What placeholders name. It is asked for each placeholder, and keeps what it has read.
pub trait Pages {
    /// What a placeholder names.
    ///
    /// # Errors
    /// Why it can't be read; what is said of it goes after words that name the placeholder.
    fn page(&mut self, placeholder: &Placeholder) -> Result<&[u8], Fault>;
}

/// The documents of a text in their order, resolved and with the annotations that tell where they
/// come from.
pub fn documents(
    text: &[u8],
    place: &Place<'_>,
    pages: &mut dyn Pages,
) -> Vec<Result<Found, Problem>> {
    let read = yaml::read(text, &place.limits).into_iter();
    read.map(|document| one(document, place, pages)).collect()
}

fn one(
    document: Result<ParsedDocument, SyntaxError>,
    place: &Place<'_>,
    pages: &mut dyn Pages,
) -> Result<Found, Problem> {
    let name = || shown(place.name);
    let ParsedDocument { mut value, index, line } = document.map_err(|error| {
        let SyntaxError { index, line, column, problem } = error;
        let which = index + 1;
        let message =
            format!("{}, line {line}, column {column}, in document {which}: {problem}", name());
        Problem { index, about: None, fault: input_error(message) }
    })?;
    // The placeholders of what is no entity are its verdict's, which comes later.
    if value.is_object()
        && let Err(inner) = resolve(&mut value, place.limits, pages)
    {
        let which = index + 1;
        let message = format!("{}, line {line}, in document {which}: {}", name(), inner.message);
        let about = Document::new(&value).reference().ok();
        return Err(Problem { index, about, fault: Fault { message, ..inner } });
    }
    model::annotate_source(&mut value, place.location, place.origin);
    let mut found = Found::new(value);
    found.pointer = Some(format!("{}#{index}", name()));
    Ok(found)
}

fn resolve(document: &mut Value, limits: Limits, pages: &mut dyn Pages) -> Result<(), Fault> {
    let found = placeholder::find(document).map_err(|error| input_error(error.to_string()))?;
    let mut room = Room::new(limits);
    for placeholder in found {
        let bytes = pages.page(&placeholder).map_err(|inner| {
            let (kind, target) = (placeholder.kind.as_str(), shown(&placeholder.target));
            let why = inner.message;
            let message = format!("Placeholder ${kind} could not read location {target}, {why}");
            Fault { message, ..inner }
        })?;
        let value = room.value_of(&placeholder, bytes);
        let value = value.map_err(|error| input_error(error.to_string()))?;
        placeholder::replace(document, &placeholder, value);
    }
    Ok(())
}

fn input_error(message: String) -> Fault {
    Fault { name: "InputError".into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Texts(&'static [(&'static str, &'static str)]);

    impl Pages for Texts {
        fn page(&mut self, placeholder: &Placeholder) -> Result<&[u8], Fault> {
            let found = self.0.iter().find(|(name, _)| *name == placeholder.target);
            let missing =
                || Fault { name: "NotFoundError".into(), message: "it is not there".into() };
            found.map(|(_, text)| text.as_bytes()).ok_or_else(missing)
        }
    }

    #[test]
    fn documents_are_resolved_or_told_of() {
        let text = "kind: A\nmetadata: {name: x}\nspec: {y: {$text: ./y}}\n---\nkind: B\nmetadata: \
                    {name: z}\nspec: {$json: ./none}\n---\n{\n";
        let place = Place {
            name: "a.yaml",
            location: "url:https://h/a.yaml",
            origin: "url:https://h/o",
            limits: Limits::default(),
        };
        let read = documents(text.as_bytes(), &place, &mut Texts(&[("./y", "why")]));
        let first = read[0].as_ref().unwrap();
        assert_eq!(first.document["spec"]["y"], "why");
        assert_eq!(first.pointer.as_deref(), Some("a.yaml#0"));
        let annotations = &first.document["metadata"]["annotations"];
        assert_eq!(annotations["backstage.io/managed-by-location"], "url:https://h/a.yaml");
        assert_eq!(annotations["backstage.io/managed-by-origin-location"], "url:https://h/o");
        let second = read[1].as_ref().unwrap_err();
        assert_eq!(second.about.as_ref().unwrap().as_str(), "b:default/z");
        assert_eq!(
            second.fault.message,
            "a.yaml, line 5, in document 2: Placeholder $json could not read location ./none, it \
             is not there"
        );
        assert_eq!((read.len(), read[2].as_ref().unwrap_err().index), (3, 2));
    }
}
