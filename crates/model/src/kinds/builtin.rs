//! The kinds that Backstage knows, as a table.
//!
//! Sources: the JSON schemas of `@backstage/catalog-model` 1.10.1; the relations of
//! `BuiltinKindsEntityProcessor` (`@backstage/plugin-catalog-backend` 4.0.0) and of
//! `ScaffolderEntitiesProcessor`; for AiResource, which only a model knows, its model's relations.

use std::borrow::Cow;

use super::shape::{NAME, NAMES, Object, Rest, Shape, object};
use super::{DefaultNamespace, RelationField, template};
use crate::relations::RelationType;

/// A kind, in some versions, possibly only for one `spec.type`.
#[derive(Debug)]
pub(crate) struct BuiltinKind {
    pub(crate) kind: &'static str,
    pub(crate) api_versions: &'static [&'static str],
    /// The `spec.type` that this entry is for; the entry without one is for all others.
    pub(crate) spec_type: Option<&'static str>,
    /// What the schema of the kind says about `spec`.
    pub(crate) spec: Shape,
    /// Another shape that `spec` may have instead.
    pub(crate) or: Option<&'static Shape>,
    pub(crate) relations: &'static [RelationField],
}

/// The entry for a kind, a version and, if it matters, a `spec.type`.
pub(crate) fn find<'a>(
    kind: &str,
    version: &str,
    spec_type: impl FnOnce() -> Option<&'a str>,
) -> Option<&'static BuiltinKind> {
    let is_it = |known: &&BuiltinKind| known.kind == kind && known.api_versions.contains(&version);
    let mut entries = KINDS.iter().filter(is_it);
    let general = entries.next()?;
    let mut special = entries.peekable();
    if special.peek().is_none() {
        return Some(general);
    }
    let spec_type = spec_type();
    special.find(|entry| entry.spec_type == spec_type).or(Some(general))
}

const CORE: &[&str] = &["backstage.io/v1alpha1", "backstage.io/v1beta1"];
const ALPHA: &[&str] = &["backstage.io/v1alpha1"];

/// A text with one possible value. ajv words it differently than [`Shape::Const`].
macro_rules! only {
    ($text:literal) => {
        Shape::Text { min: 0, max: usize::MAX, among: &[$text] }
    };
}

/// An entry of the table; `relations` are named constants or [`field!`].
macro_rules! kind {
    (
        $kind:literal, $api_versions:expr, $spec:expr, [$($relation:expr),* $(,)?]
        $(, spec_type: $spec_type:literal)? $(, or: $or:expr)? $(,)?
    ) => {
        BuiltinKind {
            kind: $kind,
            api_versions: $api_versions,
            spec_type: optional!($($spec_type)?),
            spec: $spec,
            or: optional!($($or)?),
            relations: &[$($relation),*],
        }
    };
}

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// A relation field: where, the default kind if there is one, and what either end shows.
macro_rules! field {
    ($field:literal, [$($default_kind:literal)?], $relation:ident, $inverse:ident) => {
        field!($field, [$($default_kind)?], $relation, $inverse, [], false)
    };
    (
        $field:literal, [$($default_kind:literal)?], $relation:ident, $inverse:ident,
        [$($allowed:literal),*], $skips_odd_items:literal
    ) => {
        RelationField {
            field: Cow::Borrowed($field),
            relation: RelationType::$relation,
            inverse: RelationType::$inverse,
            default_kind: optional!($(Cow::Borrowed($default_kind))?),
            default_namespace: DefaultNamespace::Inherit,
            allowed_kinds: Cow::Borrowed(&[$(Cow::Borrowed($allowed)),*]),
            skips_odd_items: $skips_odd_items,
        }
    };
}

const OWNER: RelationField = field!("spec.owner", ["Group"], OWNED_BY, OWNER_OF);
const SYSTEM: RelationField = field!("spec.system", ["System"], PART_OF, HAS_PART);
const DEPENDS_ON: RelationField = field!("spec.dependsOn", [], DEPENDS_ON, DEPENDENCY_OF);
const DEPENDENCY_OF: RelationField = field!("spec.dependencyOf", [], DEPENDENCY_OF, DEPENDS_ON);

/// As a model has them: with the kinds that may be referred to.
const MODEL_OWNER: RelationField =
    field!("spec.owner", ["Group"], OWNED_BY, OWNER_OF, ["Group", "User"], true);
const MODEL_SYSTEM: RelationField =
    field!("spec.system", ["System"], PART_OF, HAS_PART, ["System"], true);

/// The general entry of a kind stands before those for one `spec.type`.
pub(crate) static KINDS: &[BuiltinKind] = &[
    kind!("API", CORE, API_SPEC, [OWNER, SYSTEM]),
    // Without a model, Backstage holds an MCP server to the general schema; with one, to this.
    kind!("API", CORE, MCP_SERVER_SPEC, [OWNER, SYSTEM], spec_type: "mcp-server", or: &API_SPEC),
    kind!(
        "Component",
        CORE,
        COMPONENT_SPEC,
        [
            OWNER,
            field!("spec.subcomponentOf", ["Component"], PART_OF, HAS_PART),
            field!("spec.providesApis", ["API"], PROVIDES_API, API_PROVIDED_BY),
            field!("spec.consumesApis", ["API"], CONSUMES_API, API_CONSUMED_BY),
            DEPENDS_ON,
            DEPENDENCY_OF,
            SYSTEM,
        ],
    ),
    kind!(
        "Domain",
        CORE,
        object!(["owner"], [("owner", NAME), ("subdomainOf", NAME), ("type", NAME)]),
        [OWNER, field!("spec.subdomainOf", ["Domain"], PART_OF, HAS_PART)],
    ),
    kind!(
        "Group",
        CORE,
        object!(
            ["type", "children"],
            [
                ("type", NAME),
                ("profile", PROFILE),
                ("parent", NAME),
                ("children", NAMES),
                ("members", NAMES),
            ]
        ),
        [
            field!("spec.parent", ["Group"], CHILD_OF, PARENT_OF),
            field!("spec.children", ["Group"], PARENT_OF, CHILD_OF),
            field!("spec.members", ["User"], HAS_MEMBER, MEMBER_OF),
        ],
    ),
    kind!("Location", CORE, LOCATION_SPEC, []),
    kind!(
        "Resource",
        CORE,
        object!(
            ["type", "owner"],
            [("type", NAME), ("owner", NAME), ("dependsOn", NAMES), ("system", NAME)]
        ),
        [OWNER, DEPENDS_ON, DEPENDENCY_OF, SYSTEM],
    ),
    kind!(
        "System",
        CORE,
        object!(["owner"], [("owner", NAME), ("domain", NAME), ("type", NAME)]),
        [OWNER, field!("spec.domain", ["Domain"], PART_OF, HAS_PART)],
    ),
    kind!(
        "User",
        CORE,
        object!(["memberOf"], [("profile", PROFILE), ("memberOf", NAMES)]),
        [field!("spec.memberOf", ["Group"], MEMBER_OF, HAS_MEMBER)],
    ),
    kind!("Template", &["scaffolder.backstage.io/v1beta3"], template::SPEC, [OWNER]),
    kind!(
        "AiResource",
        ALPHA,
        object!(["type", "lifecycle", "owner"], [("type", NAME), LIFECYCLE, OWNED, IN_SYSTEM]),
        [MODEL_OWNER, MODEL_SYSTEM],
    ),
    kind!(
        "AiResource",
        ALPHA,
        SKILL_SPEC,
        [
            MODEL_OWNER,
            MODEL_SYSTEM,
            field!(
                "spec.dependsOn", ["AiResource"], DEPENDS_ON, DEPENDENCY_OF, ["AiResource"], true
            ),
        ],
        spec_type: "skill",
    ),
    kind!(
        "AiResource",
        ALPHA,
        object!(
            ["type", "lifecycle", "owner", "category", "rationale"],
            [
                ("type", only!("rule")),
                LIFECYCLE,
                OWNED,
                IN_SYSTEM,
                ("disciplines", NAMES),
                ("category", NAME),
                ("rationale", NAME),
            ]
        ),
        [MODEL_OWNER, MODEL_SYSTEM],
        spec_type: "rule",
    ),
    kind!(
        "AiResource",
        ALPHA,
        object!(
            ["type", "lifecycle", "owner", "skills"],
            [
                ("type", only!("plugin")),
                LIFECYCLE,
                OWNED,
                IN_SYSTEM,
                ("skills", NAMES),
                ("version", NAME),
            ]
        ),
        [
            MODEL_OWNER,
            MODEL_SYSTEM,
            field!("spec.skills", ["AiResource"], HAS_PART, PART_OF, ["AiResource"], true),
        ],
        spec_type: "plugin",
    ),
    kind!(
        "AiResource",
        ALPHA,
        object!(
            ["type", "lifecycle", "owner", "plugins"],
            [
                ("type", only!("marketplace")),
                LIFECYCLE,
                OWNED,
                IN_SYSTEM,
                ("plugins", NAMES),
                ("version", NAME),
            ]
        ),
        [
            MODEL_OWNER,
            MODEL_SYSTEM,
            field!("spec.plugins", ["AiResource"], HAS_PART, PART_OF, ["AiResource"], true),
        ],
        spec_type: "marketplace",
    ),
];

const COMPONENT_SPEC: Shape = object!(
    ["type", "lifecycle", "owner"],
    [
        ("type", NAME),
        LIFECYCLE,
        OWNED,
        IN_SYSTEM,
        ("subcomponentOf", NAME),
        ("providesApis", NAMES),
        ("consumesApis", NAMES),
        ("dependsOn", NAMES),
    ]
);

const MCP_SERVER_SPEC: Shape = object!(
    ["type", "lifecycle", "owner", "remotes"],
    [
        ("type", Shape::Const("mcp-server")),
        LIFECYCLE,
        OWNED,
        IN_SYSTEM,
        ("remotes", Shape::List { min: 1, items: &REMOTE }),
    ]
);

const LOCATION_SPEC: Shape = object!(
    [],
    [
        ("type", NAME),
        ("target", NAME),
        ("targets", NAMES),
        ("presence", Shape::Text { min: 0, max: usize::MAX, among: &["required", "optional"] }),
    ]
);

const SKILL_SPEC: Shape = object!(
    ["type", "lifecycle", "owner"],
    [
        ("type", only!("skill")),
        LIFECYCLE,
        OWNED,
        IN_SYSTEM,
        ("disciplines", NAMES),
        ("categories", NAMES),
        ("agents", NAMES),
        ("dependsOn", NAMES),
        ("allowedTools", NAME),
        ("license", NAME),
        ("compatibility", Shape::Text { min: 1, max: 500, among: &[] }),
    ]
);

const API_SPEC: Shape = object!(
    ["type", "lifecycle", "owner", "definition"],
    [("type", NAME), LIFECYCLE, OWNED, IN_SYSTEM, ("definition", NAME)]
);

const LIFECYCLE: (&str, Shape) = ("lifecycle", NAME);
const OWNED: (&str, Shape) = ("owner", NAME);
const IN_SYSTEM: (&str, Shape) = ("system", NAME);

static REMOTE: Shape = object!(["type", "url"], [("type", NAME), ("url", NAME)]);

const PROFILE: Shape = object!([], [("displayName", NAME), ("email", NAME), ("picture", NAME)]);
