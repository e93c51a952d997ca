//! What every entity has: the schemas EntityEnvelope, Entity and EntityMeta of
//! `@backstage/catalog-model` 1.10.1.

use super::shape::{NAME, NAMES, Object, Rest, Shape, TEXT, object};

/// The envelope: what an entity needs so that a reference can be made of it.
pub(crate) static ENVELOPE: Shape = object!(
    ["apiVersion", "kind", "metadata"],
    [
        ("apiVersion", NAME),
        ("kind", NAME),
        ("metadata", object!(["name"], [("name", NAME), ("namespace", NAME)])),
    ]
);

/// An entity of any kind. `relations` and `status` are in Backstage's schema too, but no document
/// may hold them (`NoForeignRootFieldsEntityPolicy`), so their shapes do not matter.
pub(crate) static ENTITY: Shape = object!(
    ["apiVersion", "kind", "metadata"],
    [
        ("apiVersion", NAME),
        ("kind", NAME),
        ("metadata", METADATA),
        ("spec", object!([], [])),
        ("relations", Shape::Any),
        ("status", Shape::Any),
    ],
    Rest::Closed
);

const METADATA: Shape = object!(
    ["name"],
    [
        ("uid", NAME),
        ("etag", NAME),
        ("name", NAME),
        ("namespace", NAME),
        ("title", NAME),
        ("description", TEXT),
        ("labels", TEXTS),
        ("annotations", Shape::OrNothing(&TEXTS)),
        ("tags", NAMES),
        ("links", Shape::List { min: 0, items: &LINK }),
    ]
);

const TEXTS: Shape = object!([], [], Rest::EachLine(&TEXT));

static LINK: Shape =
    object!(["url"], [("url", NAME), ("title", NAME), ("icon", NAME), ("type", NAME)]);
