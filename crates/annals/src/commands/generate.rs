//! `annals generate`: a synthetic catalog, the same for the same seed.

use std::io::{BufWriter, ErrorKind, Write};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::cli::Generate;
use crate::exit::Exit;

pub(crate) fn run(args: &Generate) -> Result<Exit> {
    let catalog = Catalog::new(args.entities, args.seed);
    let changed = catalog.changed(args.updates);
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    for number in 0..args.entities {
        let version = u32::from(changed.binary_search(&number).is_ok());
        let written = serde_json::to_writer(&mut out, &catalog.entity(number, version))
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n"));
        match written {
            // Whoever reads has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
            other => other?,
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

const ADJECTIVES: &[&str] = &[
    "amber", "bold", "brisk", "calm", "crisp", "dusty", "eager", "fancy", "icy", "jolly", "keen",
    "lucid", "mellow", "noble", "opal", "proud", "quiet", "rapid", "silent", "tidal", "vivid",
];
const NOUNS: &[&str] = &[
    "account", "audit", "basket", "billing", "catalog", "dispatch", "engine", "export", "feed",
    "fraud", "gateway", "geocoder", "hotel", "index", "invoice", "journal", "kernel", "loyalty",
    "message", "order", "payment", "queue", "search", "token", "upload", "wallet",
];
const VERBS: &[&str] =
    &["routes", "stores", "validates", "computes", "streams", "reports", "merges"];
const TAGS: &[&str] = &[
    "go", "java", "rust", "python", "kotlin", "node", "react", "grpc", "rest", "kafka", "postgres",
    "redis", "ml", "batch", "critical", "pci", "gdpr", "internal", "public", "legacy",
];
const LIFECYCLES: &[&str] =
    &["production", "production", "production", "experimental", "deprecated"];
const FIRST_NAMES: &[&str] = &[
    "ada", "bela", "chen", "dara", "elif", "femi", "gita", "hugo", "ines", "jiro", "kofi", "lena",
];
const LAST_NAMES: &[&str] =
    &["adler", "baker", "costa", "diaz", "endo", "fuchs", "garcia", "haddad", "ito", "jansen"];

/// How many of the entities are of which kind: the kinds stand one after the other, and each takes
/// its share of a thousand; components take the rest.
const SHARES: &[(Kind, u64)] = &[
    (Kind::Domain, 5),
    (Kind::System, 40),
    (Kind::Group, 40),
    (Kind::User, 120),
    (Kind::Api, 120),
    (Kind::Resource, 120),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Domain,
    System,
    Group,
    User,
    Api,
    Resource,
    Component,
}

/// A catalog that is made up as it is asked for.
struct Catalog {
    seed: u64,
    entities: u32,
    /// The kinds, with the number of their first entity and how many they are.
    kinds: Vec<(Kind, u32, u32)>,
}

impl Catalog {
    fn new(entities: u32, seed: u64) -> Self {
        let mut kinds = Vec::new();
        let mut first = 0;
        for (kind, share) in SHARES {
            let count = u64::from(entities) * share / 1000;
            let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX).min(entities - first);
            kinds.push((*kind, first, count));
            first += count;
        }
        kinds.push((Kind::Component, first, entities - first));
        Self { seed, entities, kinds }
    }

    fn random(&self, what: u64, number: u32) -> StdRng {
        let mixed = self.seed ^ what.rotate_left(40) ^ u64::from(number).rotate_left(8);
        StdRng::seed_from_u64(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// So many different entities, ascending.
    fn changed(&self, count: u32) -> Vec<u32> {
        let mut random = self.random(3, 0);
        let count = usize::try_from(count.min(self.entities)).unwrap_or(usize::MAX);
        let mut all: Vec<u32> = (0..self.entities).collect();
        for at in 0..count {
            let other = random.random_range(at..all.len());
            all.swap(at, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }

    fn kind_of(&self, number: u32) -> (Kind, u32) {
        let found = self.kinds.iter().find(|(_, first, count)| number - first < *count);
        found.map_or((Kind::Component, number), |(kind, first, _)| (*kind, number - first))
    }

    /// How many entities there are of a kind.
    fn count(&self, kind: Kind) -> u32 {
        self.kinds.iter().find(|(known, ..)| *known == kind).map_or(0, |(.., count)| *count)
    }

    fn name(&self, kind: Kind, index: u32) -> String {
        let mut random = self.random(kind as u64 + 10, index);
        let mut pick = |words: &[&'static str]| words[random.random_range(0..words.len())];
        match kind {
            Kind::User => format!("{}.{}{index}", pick(FIRST_NAMES), pick(LAST_NAMES)),
            Kind::Group => format!("team-{}-{index}", pick(NOUNS)),
            Kind::Domain => format!("{}-domain-{index}", pick(NOUNS)),
            Kind::System => format!("{}-{}-sys{index}", pick(ADJECTIVES), pick(NOUNS)),
            Kind::Api => format!("{}-{}-api{index}", pick(ADJECTIVES), pick(NOUNS)),
            Kind::Resource => format!("{}-{}-db{index}", pick(ADJECTIVES), pick(NOUNS)),
            Kind::Component => format!("{}-{}-c{index}", pick(ADJECTIVES), pick(NOUNS)),
        }
    }

    /// The name of some entity of a kind; those in front are named more often.
    fn some(&self, random: &mut StdRng, kind: Kind) -> Option<String> {
        let count = self.count(kind);
        if count == 0 {
            return None;
        }
        let (a, b) = (random.random_range(0..count), random.random_range(0..count));
        Some(self.name(kind, a.min(b)))
    }

    /// An entity, as it was first or after a change.
    fn entity(&self, number: u32, version: u32) -> Value {
        let (kind, index) = self.kind_of(number);
        let name = self.name(kind, index);
        // What changes is told from the version, all else from the number alone.
        let mut random = self.random(1, number);
        let mut later = self.random(2 + u64::from(version) * 100, number);
        let spec = self.spec(kind, index, &mut random, &mut later);
        let (api_version, kind_name) = ("backstage.io/v1alpha1", kind.name());
        json!({
            "apiVersion": api_version,
            "kind": kind_name,
            "metadata": metadata(kind, &name, &mut random, &mut later),
            "spec": spec,
        })
    }

    fn spec(&self, kind: Kind, index: u32, random: &mut StdRng, later: &mut StdRng) -> Value {
        let owner = self.some(later, Kind::Group).unwrap_or_else(|| "guests".into());
        let lifecycle = LIFECYCLES[later.random_range(0..LIFECYCLES.len())];
        let mut several = |kind: Kind, prefix: &str, at_most: usize| -> Vec<String> {
            let count = random.random_range(0..=at_most);
            let names = (0..count).filter_map(|_| self.some(random, kind));
            let mut names: Vec<String> = names.map(|name| format!("{prefix}{name}")).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        match kind {
            Kind::Domain => json!({"owner": owner}),
            Kind::System => json!({"owner": owner, "domain": several(Kind::Domain, "", 1).pop()}),
            Kind::Group => {
                let parent = (index > 0).then(|| self.name(Kind::Group, index / 8));
                json!({"type": "team", "children": [], "parent": parent})
            }
            Kind::User => json!({
                "profile": {"displayName": format!("Person {index}")},
                "memberOf": several(Kind::Group, "", 3),
            }),
            Kind::Api => json!({
                "type": (["openapi", "grpc", "asyncapi"])[index as usize % 3],
                "lifecycle": lifecycle, "owner": owner,
                "system": several(Kind::System, "", 1).pop(),
                "definition": format!("openapi: 3.1.0\ninfo: {{title: api {index}, version: 1.0.0}}\npaths: {{}}\n"),
            }),
            Kind::Resource => json!({
                "type": (["database", "bucket", "queue", "topic"])[index as usize % 4],
                "owner": owner,
                "system": several(Kind::System, "", 1).pop(),
            }),
            Kind::Component => json!({
                "type": (["service", "service", "website", "library"])[index as usize % 4],
                "lifecycle": lifecycle, "owner": owner,
                "system": several(Kind::System, "", 1).pop(),
                "providesApis": several(Kind::Api, "", 1),
                "consumesApis": several(Kind::Api, "", 2),
                "dependsOn": several(Kind::Resource, "resource:", 3),
            }),
        }
        .without_nulls()
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Domain => "Domain",
            Self::System => "System",
            Self::Group => "Group",
            Self::User => "User",
            Self::Api => "API",
            Self::Resource => "Resource",
            Self::Component => "Component",
        }
    }
}

fn metadata(kind: Kind, name: &str, random: &mut StdRng, later: &mut StdRng) -> Value {
    let word = |random: &mut StdRng| {
        let list = if random.random_bool(0.4) { VERBS } else { NOUNS };
        list[random.random_range(0..list.len())]
    };
    let words: Vec<&str> = (0..random.random_range(6..14)).map(|_| word(random)).collect();
    let mut tags: Vec<&str> =
        (0..random.random_range(0..4)).map(|_| TAGS[random.random_range(0..TAGS.len())]).collect();
    tags.sort_unstable();
    tags.dedup();
    let location = format!("url:https://git.example.com/acme/{name}/tree/main/catalog-info.yaml");
    let mut metadata = json!({
        "name": name,
        "namespace": "default",
        "title": name.replace(['-', '.'], " "),
        "description": format!("The {} {}.", kind.name().to_lowercase(), words.join(" ")),
        "labels": {"acme.example/tier": random.random_range(1..=4).to_string()},
        "annotations": {
            "backstage.io/managed-by-location": location,
            "backstage.io/managed-by-origin-location": location,
            "backstage.io/techdocs-ref": "dir:.",
            "git.example.com/project-slug": format!("acme/{name}"),
            "acme.example/deployed": format!("{:016x}", later.random::<u64>()),
        },
        "tags": tags,
    });
    if random.random_bool(0.3) {
        metadata["links"] = json!([
            {"url": format!("https://dashboards.example.com/{name}"), "title": "Dashboard"},
        ]);
    }
    metadata
}

/// Leaves out what is not there.
trait WithoutNulls {
    fn without_nulls(self) -> Self;
}

impl WithoutNulls for Value {
    fn without_nulls(mut self) -> Self {
        if let Self::Object(members) = &mut self {
            members.retain(|_, value| !value.is_null());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::kinds::Kinds;
    use model::validate::Validator;
    use std::collections::BTreeSet;

    #[test]
    fn every_document_is_valid_and_has_a_name_of_its_own() {
        let validator = Validator::new(&Kinds::builtin()).unwrap();
        for entities in [1, 10, 3000] {
            let catalog = Catalog::new(entities, 7);
            let mut names = BTreeSet::new();
            for number in 0..entities {
                let entity = catalog.entity(number, 0);
                validator.validate(&entity).unwrap_or_else(|refusal| panic!("{entity}: {refusal}"));
                let reference = model::document::Document::new(&entity).reference().unwrap();
                assert!(names.insert(reference), "{entity}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_and_updates_change_so_many() {
        let (one, two) = (Catalog::new(500, 1), Catalog::new(500, 1));
        assert!((0..500).all(|number| one.entity(number, 0) == two.entity(number, 0)));
        assert_ne!(Catalog::new(500, 2).entity(3, 0), one.entity(3, 0));
        let changed = one.changed(40);
        assert_eq!(changed.len(), 40);
        assert!(changed.iter().all(|number| one.entity(*number, 0) != one.entity(*number, 1)));
        assert_eq!(one.changed(9999).len(), 500);
    }
}
