//! What happened to objects, as activities: what of it is new, and to whom it is said.

use std::collections::BTreeSet;

use connector::{Activity, Whom};
use event::vocabulary::About;
use model::reference::EntityRef;
use serde_json::{Map, Value, json};

use crate::ANNOTATION;
use crate::map::{Happened, Item};
use crate::matching::Matching;

/// An activity to be said, and what it is where it turns out to be known: a return to images that
/// were there before.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) activity: Activity,
    pub(crate) again: Option<Activity>,
}

/// What happened that had not happened to what stood there before.
pub(crate) fn fresh(before: Option<&Item>, item: &Item) -> Vec<Happened> {
    let same = before.filter(|before| before.uid == item.uid);
    let known = |of: &&Happened| {
        !same.is_some_and(|before| before.happened.iter().any(|known| known.key == of.key))
    };
    let upgraded = |of: &Happened| {
        let is_another = same.is_some() && item.place.0.serves();
        Happened { what: if is_another { "service.upgraded" } else { of.what }, ..of.clone() }
    };
    item.happened.iter().filter(known).map(upgraded).collect()
}

/// To whom it is said: to whoever has the id, now or later, and to each that is matched otherwise.
pub(crate) fn whom(item: &Item, entities: &BTreeSet<EntityRef>, matching: &Matching) -> Vec<Whom> {
    let id = item.tags.id.as_deref().filter(|id| matching.is_plain_id(id));
    let annotated = id.map(|id| About { annotation: ANNOTATION.into(), value: id.to_owned() });
    let is_left = |entity: &&EntityRef| id.is_none() || !matching.is_plain(entity);
    let others = entities.iter().filter(is_left).cloned().map(Whom::Entity);
    annotated.map(Whom::Annotated).into_iter().chain(others).collect()
}

/// Something that happened, as it is said; `again` tells a return to what was before from the
/// first time.
pub(crate) fn activity(
    cluster: &str,
    item: &Item,
    of: &Happened,
    again: bool,
    whom: Whom,
) -> Activity {
    let (_, namespace, name) = &item.place;
    let mut value = Map::new();
    value.insert("environment".into(), json!(cluster));
    value.insert("kind".into(), json!(&*item.name));
    value.insert("namespace".into(), json!(&**namespace));
    value.insert("name".into(), json!(&**name));
    let more: Map<String, Value> = serde_json::from_str(&of.value).unwrap_or_default();
    value.extend(more);
    let mut key = format!("{cluster}/{}", of.key);
    if again {
        key.push_str(&format!("@{}", item.generation));
    }
    if let Whom::Entity(entity) = &whom {
        key.push_str(&format!(" {entity}"));
    }
    Activity {
        activity: format!("dev.cdevents.{}", of.what),
        key,
        whom,
        value,
        pointer: Some(item.pointer(cluster)),
        time: of.time,
    }
}
