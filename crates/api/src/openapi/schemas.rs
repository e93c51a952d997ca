//! Bodies of `/api/catalog`, as the OpenAPI document of `@backstage/plugin-catalog-backend` 4.0.0
//! has them. What is answered is put together from stored bytes, and what is asked is read by
//! `catalog/body.rs`, so nothing is read or written by these types; that answers are of them is
//! what the tests and the long suite look at.
#![expect(dead_code, reason = "the types describe; only their schemas are used")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// An error, as Backstage's backends write it.
#[derive(ToSchema)]
pub(crate) struct Error {
    error: ErrorWords,
    #[schema(nullable = false)]
    request: Option<ErrorRequest>,
    response: ErrorStatus,
}

/// What is wrong.
#[derive(ToSchema)]
pub(crate) struct ErrorWords {
    /// The error's class.
    name: String,
    /// For people.
    message: String,
}

/// What was asked.
#[derive(ToSchema)]
pub(crate) struct ErrorRequest {
    method: String,
    url: String,
}

/// How it was answered.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ErrorStatus {
    status_code: u16,
}

/// An entity.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Entity {
    api_version: String,
    kind: String,
    metadata: EntityMeta,
    #[schema(nullable = false, value_type = Option<Object>)]
    spec: Option<Value>,
    #[schema(nullable = false)]
    relations: Option<Vec<EntityRelation>>,
}

/// What is known of an entity whatever its kind.
#[derive(ToSchema)]
pub(crate) struct EntityMeta {
    name: String,
    #[schema(nullable = false)]
    namespace: Option<String>,
    #[schema(nullable = false)]
    uid: Option<String>,
    #[schema(nullable = false)]
    etag: Option<String>,
    #[schema(nullable = false)]
    title: Option<String>,
    #[schema(nullable = false)]
    description: Option<String>,
    #[schema(nullable = false)]
    labels: Option<BTreeMap<String, String>>,
    #[schema(nullable = false)]
    annotations: Option<BTreeMap<String, String>>,
    #[schema(nullable = false)]
    tags: Option<Vec<String>>,
    #[schema(nullable = false)]
    links: Option<Vec<EntityLink>>,
}

/// A link.
#[derive(ToSchema)]
pub(crate) struct EntityLink {
    url: String,
    #[schema(nullable = false)]
    title: Option<String>,
    #[schema(nullable = false)]
    icon: Option<String>,
    #[schema(nullable = false)]
    r#type: Option<String>,
}

/// A relation to another entity.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntityRelation {
    r#type: String,
    target_ref: String,
}

/// An entity, or the parts of it that `fields` asks for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntityParts {
    #[schema(nullable = false)]
    api_version: Option<String>,
    #[schema(nullable = false)]
    kind: Option<String>,
    #[schema(nullable = false, value_type = Option<Object>)]
    metadata: Option<Value>,
    #[schema(nullable = false, value_type = Option<Object>)]
    spec: Option<Value>,
    #[schema(nullable = false, value_type = Option<Vec<Value>>)]
    relations: Option<Vec<Value>>,
}

/// A page of entities.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntitiesQueryResponse {
    items: Vec<EntityParts>,
    total_items: u64,
    page_info: Cursors,
}

/// Where pages go on.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Cursors {
    #[schema(nullable = false)]
    next_cursor: Option<String>,
    #[schema(nullable = false)]
    prev_cursor: Option<String>,
}

/// Entities in the order of their references; null where there is none.
#[derive(ToSchema)]
pub(crate) struct EntitiesBatchResponse {
    items: Vec<Option<EntityParts>>,
}

/// An entity with those that led to it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntityAncestryResponse {
    root_entity_ref: String,
    items: Vec<EntityAncestor>,
}

/// One of them.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntityAncestor {
    entity: Entity,
    parent_entity_refs: Vec<String>,
}

/// The values of fields, counted.
#[derive(ToSchema)]
pub(crate) struct EntityFacetsResponse {
    facets: BTreeMap<String, Vec<EntityFacet>>,
}

/// A value.
#[derive(ToSchema)]
pub(crate) struct EntityFacet {
    value: String,
    count: u64,
}

/// A registered location.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Location {
    id: String,
    r#type: String,
    target: String,
    entity_ref: String,
}

/// A registered location, as the list of all shows it.
#[derive(ToSchema)]
pub(crate) struct LocationItem {
    data: Location,
}

/// A page of locations.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct LocationsQueryResponse {
    items: Vec<Location>,
    total_items: u64,
    page_info: Cursors,
}

/// What was registered.
#[derive(ToSchema)]
pub(crate) struct LocationCreated {
    location: Location,
    entities: Vec<Entity>,
    #[schema(nullable = false)]
    exists: Option<bool>,
}

/// A location.
#[derive(ToSchema)]
pub(crate) struct LocationInput {
    r#type: String,
    target: String,
}

/// What a repository could have in a catalog file.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AnalyzeLocationResponse {
    existing_entity_files: Vec<Value>,
    generate_entities: Vec<AnalyzeLocationEntity>,
}

/// An entity that it could have.
#[derive(ToSchema)]
pub(crate) struct AnalyzeLocationEntity {
    entity: EntityParts,
    fields: Vec<Value>,
}

/// Why a document can't become an entity (`errors`), or what is wrong with the request (the rest).
#[derive(ToSchema)]
pub(crate) struct ValidateEntityErrors {
    #[schema(nullable = false)]
    errors: Option<Vec<ErrorWords>>,
    #[schema(nullable = false)]
    error: Option<ErrorWords>,
    #[schema(nullable = false)]
    request: Option<ErrorRequest>,
    #[schema(nullable = false)]
    response: Option<ErrorStatus>,
}

/// A list that is asked for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntitiesQuery {
    /// Where a page goes on; nothing else but `limit` and `fields` counts then.
    #[schema(nullable = false, min_length = 1)]
    cursor: Option<String>,
    #[schema(nullable = false)]
    limit: Option<u64>,
    #[schema(nullable = false)]
    offset: Option<u64>,
    /// Only the first counts.
    #[schema(nullable = false)]
    order_by: Option<Vec<EntitiesOrder>>,
    #[schema(nullable = false)]
    full_text_filter: Option<FullTextFilter>,
    #[schema(nullable = false)]
    fields: Option<Vec<String>>,
    #[schema(nullable = false)]
    total_items: Option<TotalItems>,
    /// A predicate: `{"kind": "component"}`, `$all`, `$any`, `$not`, `$exists`, `$in`, `$contains`,
    /// `$hasPrefix`.
    #[schema(nullable = false, value_type = Option<Object>)]
    query: Option<Value>,
}

/// An order.
#[derive(ToSchema)]
pub(crate) struct EntitiesOrder {
    field: String,
    order: Direction,
}

/// Which way it goes.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Direction {
    Asc,
    Desc,
}

/// Whether to count.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum TotalItems {
    Include,
    Exclude,
}

/// A term, and where it is looked for.
#[derive(ToSchema)]
pub(crate) struct FullTextFilter {
    #[schema(nullable = false)]
    term: Option<String>,
    #[schema(nullable = false)]
    fields: Option<Vec<String>>,
}

/// Entities that are asked for by their references.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct EntitiesByRefs {
    entity_refs: Vec<String>,
    #[schema(nullable = false)]
    fields: Option<Vec<String>>,
    /// A predicate.
    #[schema(nullable = false, value_type = Option<Object>)]
    query: Option<Value>,
}

/// Fields whose values are to be counted.
#[derive(ToSchema)]
pub(crate) struct FacetsQuery {
    facets: Vec<String>,
    /// A predicate.
    #[schema(nullable = false, value_type = Option<Object>)]
    query: Option<Value>,
}

/// Locations that are asked for.
#[derive(ToSchema)]
pub(crate) struct LocationsQuery {
    #[schema(nullable = false, min_length = 1)]
    cursor: Option<String>,
    #[schema(nullable = false, minimum = 1)]
    limit: Option<u64>,
    /// A predicate over `id`, `type`, `target` and `entityRef`.
    #[schema(nullable = false, value_type = Option<Object>)]
    query: Option<Value>,
}

/// An entity whose source is to be read again.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct RefreshEntity {
    entity_ref: String,
    #[schema(nullable = false)]
    authorization_token: Option<String>,
}

/// A document, and where it would stand.
#[derive(ToSchema)]
pub(crate) struct ValidateEntity {
    location: String,
    #[schema(value_type = Object)]
    entity: Value,
}

/// A repository.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AnalyzeLocation {
    location: LocationInput,
    #[schema(nullable = false)]
    catalog_file_name: Option<String>,
}

/// An OpenAPI document.
#[derive(ToSchema)]
pub(crate) struct Document {
    openapi: String,
    #[schema(value_type = Object)]
    info: Value,
    #[schema(value_type = Object)]
    paths: Value,
    #[schema(value_type = Object)]
    components: Value,
}

/// An AsyncAPI document.
#[derive(ToSchema)]
pub(crate) struct AsyncDocument {
    asyncapi: String,
    #[schema(value_type = Object)]
    info: Value,
    #[schema(value_type = Object)]
    channels: Value,
    #[schema(value_type = Object)]
    operations: Value,
    #[schema(value_type = Object)]
    components: Value,
}
