//! Which changes somebody wants to see.

use std::collections::HashSet;

use fold::EntityId;
use model::index::{PATH_UNITS_MAX, lower, terms};
use model::reference::EntityRef;
use serde_json::Value;
use views::{Condition, Filter, Reader};

use super::change::{Change, What};
use crate::ApiError;
use crate::catalog::filter::{self, FILTER};
use crate::params::{Form, Param, Params};

/// How many values a parameter may have.
const VALUES_MAX: usize = 100;

/// Parameters that select changes.
pub(crate) const CHANGE: Param = Param::new(
    "change",
    Form::Texts,
    "Only such changes: `created`, `updated`, `withdrawn`, `restored`, `status`, `erased`, \
     `relation-added`, `relation-removed`, `relations-changed`, `aspect` or `activity`.",
)
.like("withdrawn");
pub(crate) const KIND: Param =
    Param::new("kind", Form::Texts, "Only entities of these kinds.").like("component");
pub(crate) const REFERENCE: Param =
    Param::new("reference", Form::Texts, "Only these entities, by their full references.")
        .like("component:default/checkout");
pub(crate) const OWNER: Param = Param::new(
    "owner",
    Form::Texts,
    "Only what these own, by full references: before the change, or after it.",
)
.like("group:default/shop");
pub(crate) const UNDER: Param = Param::new(
    "under",
    Form::Texts,
    "Only what these own, or a group below them at any depth, and the groups below them, by full \
     references: before the change, or after it, as the groups stood at the time. Of a group that \
     moves, the change is its own: what it owns is not told again.",
)
.like("group:default/shop");
pub(crate) const SELECTED: Param = Param::new(
    "filter",
    Form::Texts,
    "Only what the catalog's filter lets pass, before the change or after it; what passes on one \
     side only says so (`filter`: `entered` or `left`).",
)
.like(FILTER.example);

/// Which changes somebody wants to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    changes: Vec<What>,
    references: Option<HashSet<EntityRef>>,
    filter: Option<Filter>,
    under: Vec<EntityRef>,
}

/// Something that holds of an entity before a change, and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) before: bool,
    pub(crate) after: bool,
}

impl Sides {
    pub(crate) const BOTH: Self = Self { before: true, after: true };
}

/// That a change was selected, and whether the entity passed the filter on one side only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected(pub(crate) Option<&'static str>);

impl Selection {
    pub(crate) fn read(params: &Params) -> Result<Self, ApiError> {
        let changes = values(params, "change")?;
        let changes = changes.iter().map(|text| {
            What::read(text).ok_or_else(|| {
                let known = What::TEXTS.join(", ");
                ApiError::input(format!("request/query/change must be one of {known}"))
            })
        });
        let changes = changes.collect::<Result<_, _>>()?;
        let references = references(params, "reference")?;
        let mut filters = Vec::new();
        let kinds: Vec<String> = values(params, "kind")?.iter().map(|kind| lower(kind)).collect();
        let field = |path: &str, values: Vec<String>| Filter::Field {
            path: path.to_owned(),
            condition: Condition::In(values),
        };
        if !kinds.is_empty() {
            filters.push(field("kind", kinds));
        }
        let owners = references_of(params, "owner")?;
        if !owners.is_empty() {
            filters.push(field("relations.ownedby", owners));
        }
        let filter = filter::parse(params.all("filter"))?;
        filters.extend(filter.map(|predicate| predicate.filter().clone()));
        let filter = (!filters.is_empty()).then_some(Filter::All(filters));
        let mut under: Vec<EntityRef> =
            self::references(params, "under")?.unwrap_or_default().into_iter().collect();
        under.sort_unstable();
        Ok(Self { changes, references, filter, under })
    }

    /// The entities above what is asked for, as far as there are such; `None` where it does not
    /// matter who is.
    pub(crate) fn above(&self, reader: &Reader) -> Result<Option<Vec<EntityId>>, ApiError> {
        if self.under.is_empty() {
            return Ok(None);
        }
        let ids = self.under.iter().map(|reference| reader.entity_id(reference));
        let ids: Vec<Option<EntityId>> = ids.collect::<Result<_, _>>()?;
        Ok(Some(ids.into_iter().flatten().collect()))
    }

    /// What the catalog lets pass.
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Whether an entity is asked for by its name.
    pub(crate) fn names(&self, reference: &EntityRef) -> bool {
        self.references.as_ref().is_none_or(|references| references.contains(reference))
    }

    /// Whether it goes by relations, so that they have to be known.
    pub(crate) fn asks_for_relations(&self) -> bool {
        fn asks(filter: &Filter) -> bool {
            match filter {
                Filter::All(filters) | Filter::Any(filters) => filters.iter().any(asks),
                Filter::Not(filter) => asks(filter),
                Filter::Field { path, .. } => path.starts_with("relations."),
            }
        }
        self.filter.as_ref().is_some_and(asks)
    }

    /// Whether such a change of an entity may be wanted.
    pub(crate) fn wants(&self, what: What, reference: &EntityRef) -> bool {
        let is_kind = self.changes.is_empty() || self.changes.iter().any(|one| is(*one, what));
        is_kind && self.names(reference)
    }

    /// Whether a change that may be wanted passes the filter, where the entity stands under those
    /// that are asked for.
    pub(crate) fn selects(&self, change: &Change, under: Sides) -> Option<Selected> {
        let passes = |document: &Option<Value>, is_under: bool| {
            let Some(document) = document.as_ref().filter(|_| is_under) else { return false };
            self.filter.as_ref().is_none_or(|filter| passes(filter, &Terms::of(document)))
        };
        if self.filter.is_none() && self.under.is_empty() {
            return Some(Selected(None));
        }
        match (passes(&change.before, under.before), passes(&change.after, under.after)) {
            (false, false) => None,
            (true, true) => Some(Selected(None)),
            (true, false) => Some(Selected(change.after.as_ref().map(|_| "left"))),
            (false, true) => Some(Selected(change.before.as_ref().map(|_| "entered"))),
        }
    }
}

/// What began and ended at once is both.
fn is(wanted: What, what: What) -> bool {
    wanted == what
        || (what == What::RelationsChanged
            && matches!(wanted, What::RelationAdded | What::RelationRemoved))
}

fn values<'a>(params: &'a Params, name: &str) -> Result<Vec<&'a str>, ApiError> {
    let values: Vec<&str> = params.all(name).iter().flat_map(|text| text.split(',')).collect();
    if values.len() > VALUES_MAX {
        let message = format!("request/query/{name} must have at most {VALUES_MAX} values");
        return Err(ApiError::input(message));
    }
    Ok(values.into_iter().filter(|value| !value.is_empty()).collect())
}

fn references(params: &Params, name: &str) -> Result<Option<HashSet<EntityRef>>, ApiError> {
    let values = values(params, name)?;
    let read = |text: &&str| {
        EntityRef::canonical(&lower(text)).map_err(|_| {
            ApiError::input(format!(
                "request/query/{name} must be a full reference (kind:namespace/name)"
            ))
        })
    };
    let references = values.iter().map(read).collect::<Result<HashSet<_>, _>>()?;
    Ok((!references.is_empty()).then_some(references))
}

fn references_of(params: &Params, name: &str) -> Result<Vec<String>, ApiError> {
    let references = references(params, name)?.unwrap_or_default();
    let mut references: Vec<String> = references.iter().map(ToString::to_string).collect();
    references.sort_unstable();
    Ok(references)
}

/// What filters see of an entity as it was served.
struct Terms {
    terms: Vec<(String, Option<String>)>,
    /// Texts in arrays, which make paths of their own.
    items: Vec<(String, String)>,
}

impl Terms {
    fn of(document: &Value) -> Self {
        let (mut all, mut items) = (Vec::new(), Vec::new());
        for term in terms(document) {
            if let (true, Some(value)) = (term.array_item, &term.value) {
                items.push((term.path.clone(), value.clone()));
            }
            all.push((term.path, term.value));
        }
        let text = |value: &Value, key: &str| value[key].as_str().map(lower);
        for relation in document["relations"].as_array().into_iter().flatten() {
            if let (Some(kind), target) = (text(relation, "type"), text(relation, "targetRef")) {
                all.push((format!("relations.{kind}"), target));
            }
        }
        if let Some(uid) = text(&document["metadata"], "uid") {
            all.push(("metadata.uid".to_owned(), Some(uid)));
        }
        Self { terms: all, items }
    }
}

fn passes(filter: &Filter, terms: &Terms) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|filter| passes(filter, terms)),
        Filter::Any(filters) => filters.iter().any(|filter| passes(filter, terms)),
        Filter::Not(filter) => !passes(filter, terms),
        Filter::Field { path, condition } => {
            let mut plain = terms.terms.iter().filter(|(at, _)| at == path);
            plain.any(|(_, value)| is_so(condition, value.as_deref()))
                || (is_so(condition, Some("true")) && is_item(path, terms))
        }
    }
}

/// Whether a path is that of an array with an item of it.
fn is_item(path: &str, terms: &Terms) -> bool {
    path.encode_utf16().count() <= PATH_UNITS_MAX
        && terms.items.iter().any(|(at, item)| {
            path.strip_prefix(at.as_str()).and_then(|rest| rest.strip_prefix('.')) == Some(item)
        })
}

fn is_so(condition: &Condition, value: Option<&str>) -> bool {
    match (condition, value) {
        (Condition::Exists, _) => true,
        (_, None) => false,
        (Condition::In(values), Some(value)) => values.iter().any(|wanted| wanted == value),
        (Condition::Prefix(prefix), Some(value)) => value.starts_with(prefix.as_str()),
        (Condition::Like(like), Some(value)) => like.matches(value),
    }
}
