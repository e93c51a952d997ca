//! Documents: from a file through the verdict and the fold.

use event::Event;
use event::vocabulary::{
    EntityGone, EntityRemoved, EntitySeen, Orphans, PolicySet, ScopeName, ScopeRetired,
};
use fold::{Act, Change};
use model::document::{Document, normalize};
use model::kinds::Kinds;
use model::reference::EntityRef;
use model::validate::Validator;
use model::yaml::{Limits, read, read_json};
use serde_json::Value;

use crate::naive::{Folding, Naive};

/// Documents that are accepted can be folded: shown, shown again, by two scopes, removed, retired.
pub(crate) fn check(input: &[u8]) {
    let kinds = Kinds::builtin();
    let validator = Validator::new(&kinds).expect("the built-in kinds");
    let limits = Limits { bytes_max: 1 << 20, ..Limits::default() };
    let mut naive = Naive::begun();
    let mut again = Naive::begun();
    // JSON has keys that YAML can't have.
    let documents = match read_json(input, &limits) {
        Ok(document) => vec![document],
        Err(_) => read(input, &limits).into_iter().flatten().map(|read| read.value).collect(),
    };
    for mut document in documents {
        let verdict = validator.validate(&document);
        assert_eq!(verdict, validator.validate(&document), "a verdict is a function");
        placeholders(&document);
        if let Err(refusal) = verdict {
            assert!(!refusal.message.is_empty());
            continue;
        }
        normalize(&mut document, &kinds);
        let normal = document.clone();
        normalize(&mut document, &kinds);
        assert_eq!(document, normal, "what is normal stays so");
        let reference = Document::new(&document).reference().expect("it was accepted");
        assert!(validator.validate(&document).is_ok(), "what is normal is accepted");
        let hash = model::canonical::content_hash(&document);
        let text = document.to_string();
        let read = serde_json::from_str(&text).expect("JSON");
        assert_eq!(hash, model::canonical::content_hash(&read), "a hash is of the value");
        terms(&document);
        let changes = story(&mut naive, &reference, &text);
        assert_eq!(changes, story(&mut again, &reference, &text), "the fold is a function");
    }
}

/// Placeholders are found where they can be replaced.
fn placeholders(document: &Value) {
    let Ok(found) = model::placeholder::find(document) else {
        return;
    };
    let mut document = document.clone();
    for placeholder in &found {
        assert!(model::placeholder::replace(&mut document, placeholder, Value::Null));
    }
    assert_eq!(model::placeholder::find(&document), Ok(Vec::new()));
}

/// No two terms are one, and all keep to their limits.
fn terms(document: &Value) {
    let terms = model::index::terms(document);
    let mut seen = std::collections::BTreeSet::new();
    for term in &terms {
        assert!(seen.insert((&term.path, &term.value)), "{term:?}");
        assert!(term.path.encode_utf16().count() <= model::index::PATH_UNITS_MAX);
        assert!(!term.path.contains('\0'), "{term:?}");
        if let Some(value) = &term.value {
            assert!(value.encode_utf16().count() <= model::index::VALUE_UNITS_MAX);
            assert!(!value.contains('\0'), "{term:?}");
        }
    }
}

/// What two scopes may do with a document.
fn story(naive: &mut Naive, reference: &EntityRef, document: &str) -> Vec<Change> {
    let mut all = Vec::new();
    let scope = |name: &str| ScopeName::new(name).expect("a scope");
    let (a, b) = (scope("files/a"), scope("files/b"));
    let seen = |naive: &mut Naive, scope: &ScopeName| -> Folding {
        let entity = serde_json::value::RawValue::from_string(document.into()).expect("JSON");
        let seen = EntitySeen { scope: scope.clone(), snapshot: None, entity: &entity };
        let folding = naive.event(&Event::EntitySeen(seen), Some(reference.as_str()));
        assert!(matches!(folding.act, Act::Seen { .. }), "{:?}", folding.act);
        folding
    };
    all.extend(seen(naive, &a).changes);
    let unchanged = seen(naive, &a).changes;
    assert!(!unchanged.iter().any(is_of_entity), "{unchanged:?}");
    all.extend(seen(naive, &b).changes);
    let policy = |orphans| Event::PolicySet(PolicySet { kinds: Vec::new(), orphans });
    let gone = |scope: &ScopeName| {
        Event::EntityGone(EntityGone { scope: scope.clone(), snapshot: None, item: None })
    };
    let retired = Event::ScopeRetired(ScopeRetired { scope: b.clone(), why: None });
    let removed = Event::EntityRemoved(EntityRemoved { why: None });
    let subject = Some(reference.as_str());
    for (event, subject) in [
        (policy(Orphans::Keep), None),
        (gone(&a), subject),
        (gone(&b), subject),
        (policy(Orphans::Withdraw), None),
    ] {
        all.extend(naive.event(&event, subject).changes);
    }
    all.extend(seen(naive, &b).changes);
    all.extend(naive.event(&retired, None).changes);
    all.extend(seen(naive, &a).changes);
    all.extend(naive.event(&removed, subject).changes);
    // So that the next document finds it there.
    all.extend(seen(naive, &a).changes);
    all
}

fn is_of_entity(change: &Change) -> bool {
    matches!(change, Change::Entity(..) | Change::Standing(..) | Change::Claim(..))
}
