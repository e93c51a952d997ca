//! `/api/catalog`: the catalog as Backstage serves it.
//!
//! One file an endpoint, or a few that belong together; `params` and `body` check requests as the
//! OpenAPI document of `@backstage/plugin-catalog-backend` 4.0.0 has them checked.

mod analyze;
mod answer;
pub(crate) mod body;
pub(crate) mod cursor;
mod entity;
mod facets;
pub(crate) mod fields;
pub(crate) mod filter;
mod list;
mod locations;
pub(crate) mod predicate;
mod query;
mod refs;
mod text;
mod validate;

use serde_json::{Value, json};

use crate::openapi::{Operation, Routes, schemas};
use crate::position::MOMENT;
pub(crate) use answer::conditional;

/// The routes of the catalog.
pub(crate) fn routes() -> Routes {
    entities().merge(one_entity()).merge(locations()).merge(one_location())
}

/// The group in which Backstage's document has an operation.
const ENTITY: &str = "Entity";
const LOCATIONS: &str = "Locations";

fn read(id: &str, tag: &str, summary: &str) -> Operation {
    Operation::new(id, tag, summary).at_a_position()
}

/// A read that takes no parameter but the moment.
fn as_of(id: &str, tag: &str, summary: &str) -> Operation {
    read(id, tag, summary).query(MOMENT)
}

fn entities() -> Routes {
    Routes::default()
        .get(
            "/entities",
            list::entities,
            read("GetEntities", ENTITY, "All entities, or a page of them by its place")
                .about(
                    "Without `limit`, `offset` and `after`, all of them: the answer is read while \
                     it is sent, all of it from one moment. A reader that takes nothing for a \
                     minute is cut off.",
                )
                .query(list::LIST)
                .gives_list::<schemas::EntityParts>(200, "Entities.")
                .says_position()
                .tagged()
                .linked(),
        )
        .get(
            "/entities/by-query",
            query::by_query,
            read("GetEntitiesByQuery", ENTITY, "A page of a filtered and ordered list")
                .about("All pages of a list come from the moment of the first.")
                .query(query::LIST)
                .gives::<schemas::EntitiesQueryResponse>(200, "The page.")
                .says_position()
                .tagged(),
        )
        .post(
            "/entities/by-query",
            query::by_predicate,
            as_of("QueryEntitiesByPredicate", ENTITY, "A page of a list by a predicate")
                .takes::<schemas::EntitiesQuery>(false, json!({"query": {"kind": "component"}, "limit": 2, "fields": ["metadata.name"]}))
                .gives::<schemas::EntitiesQueryResponse>(200, "The page.")
                .says_position(),
        )
        .post(
            "/entities/by-refs",
            refs::by_refs,
            read("GetEntitiesByRefs", ENTITY, "Entities by their references, in their order")
                .query(refs::BY_REFS)
                .takes::<schemas::EntitiesByRefs>(false, json!({"entityRefs": ["component:default/checkout"]}))
                .gives::<schemas::EntitiesBatchResponse>(200, "The entities.")
                .says_position(),
        )
        .get(
            "/entity-facets",
            facets::facets,
            read("GetEntityFacets", ENTITY, "The values of fields, counted")
                .query(facets::FACETS)
                .gives::<schemas::EntityFacetsResponse>(200, "The values.")
                .says_position()
                .tagged(),
        )
        .post(
            "/entity-facets",
            facets::by_predicate,
            as_of("QueryEntityFacetsByPredicate", ENTITY, "The values of fields, counted")
                .takes::<schemas::FacetsQuery>(true, json!({"facets": ["kind"], "query": {"kind": {"$exists": true}}}))
                .gives::<schemas::EntityFacetsResponse>(200, "The values.")
                .says_position(),
        )
}

/// A document that can become an entity, and where it would stand.
fn valid() -> Value {
    json!({
        "location": "url:https://example.org/a.yaml",
        "entity": {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": "a"},
            "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
        },
    })
}

fn one_entity() -> Routes {
    Routes::default()
        .get(
            "/entities/by-uid/{uid}",
            entity::by_uid,
            as_of("GetEntityByUid", ENTITY, "An entity by its uid")
                .gives::<schemas::Entity>(200, "The entity.")
                .says_position()
                .refuses(&[404]),
        )
        .delete(
            "/entities/by-uid/{uid}",
            entity::remove,
            read("DeleteEntityByUid", ENTITY, "Removes an entity")
                .about("It comes back with the next scan that finds it.")
                .gives_nothing(204, "It is gone, or was not there.")
                .says_position(),
        )
        .get(
            "/entities/by-name/{kind}/{namespace}/{name}",
            entity::by_name,
            as_of("GetEntityByName", ENTITY, "An entity by its reference")
                .gives::<schemas::Entity>(200, "The entity.")
                .says_position()
                .refuses(&[404]),
        )
        .get(
            "/entities/by-name/{kind}/{namespace}/{name}/ancestry",
            entity::ancestry,
            as_of("GetEntityAncestryByName", ENTITY, "The locations that led to an entity")
                .gives::<schemas::EntityAncestryResponse>(200, "The entity, and they.")
                .says_position()
                .tagged()
                .refuses(&[404]),
        )
        .post(
            "/refresh",
            entity::refresh,
            read("RefreshEntity", ENTITY, "Wants the source of an entity read again")
                .takes::<schemas::RefreshEntity>(
                    true,
                    json!({"entityRef": "component:default/checkout"}),
                )
                .gives_nothing(200, "It is wanted.")
                .says_position()
                .refuses(&[404]),
        )
        .post(
            "/validate-entity",
            validate::validate,
            Operation::new("ValidateEntity", ENTITY, "The verdict on a document")
                .takes::<schemas::ValidateEntity>(true, valid())
                .gives_nothing(200, "It can become an entity.")
                .gives::<schemas::ValidateEntityErrors>(400, "It can't, or the request is wrong.")
                .refuses(&[503]),
        )
}

fn locations() -> Routes {
    Routes::default()
        .get(
            "/locations",
            locations::list,
            as_of("GetLocations", LOCATIONS, "All registered locations")
                .gives_list::<schemas::LocationItem>(200, "The locations.")
                .says_position()
                .tagged(),
        )
        .post(
            "/locations",
            locations::create,
            Operation::new("CreateLocation", LOCATIONS, "Registers a location")
                .query(locations::CREATE)
                .takes::<schemas::LocationInput>(
                    true,
                    json!({"type": "url", "target": "https://example.org/a.yaml"}),
                )
                .gives::<schemas::LocationCreated>(201, "It is registered.")
                .says_position()
                .refuses(&[409, 503, 504]),
        )
        .post(
            "/locations/by-query",
            locations::by_query,
            as_of("GetLocationsByQuery", LOCATIONS, "A page of locations by a predicate")
                .takes::<schemas::LocationsQuery>(
                    false,
                    json!({"query": {"type": "url"}, "limit": 2}),
                )
                .gives::<schemas::LocationsQueryResponse>(200, "The page.")
                .says_position(),
        )
}

fn one_location() -> Routes {
    Routes::default()
        .get(
            "/locations/{id}",
            locations::by_id,
            as_of("GetLocation", LOCATIONS, "A location")
                .gives::<schemas::Location>(200, "The location.")
                .says_position()
                .tagged()
                .refuses(&[404]),
        )
        .put(
            "/locations/{id}",
            locations::update,
            Operation::new("UpdateLocation", LOCATIONS, "Gives a location another target")
                .takes::<schemas::LocationInput>(
                    true,
                    json!({"type": "url", "target": "https://example.org/a.yaml"}),
                )
                .gives::<schemas::Location>(200, "The location.")
                .says_position()
                .refuses(&[404, 409, 503, 504]),
        )
        .delete(
            "/locations/{id}",
            locations::remove,
            Operation::new("DeleteLocation", LOCATIONS, "Removes a location")
                .gives_nothing(204, "It is gone.")
                .says_position()
                .refuses(&[404, 503, 504]),
        )
        .get(
            "/locations/by-entity/{kind}/{namespace}/{name}",
            locations::by_entity,
            as_of("getLocationByEntity", LOCATIONS, "The location that an entity comes from")
                .gives::<schemas::Location>(200, "The location.")
                .says_position()
                .tagged()
                .refuses(&[404]),
        )
        .post(
            "/analyze-location",
            analyze::analyze,
            read("AnalyzeLocation", LOCATIONS, "What a repository could have in a catalog file")
                .takes::<schemas::AnalyzeLocation>(
                    true,
                    json!({"location": {"type": "url", "target": "https://github.com/a/b"}}),
                )
                .gives::<schemas::AnalyzeLocationResponse>(200, "A proposal.")
                .says_position(),
        )
}
