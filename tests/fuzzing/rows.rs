//! Rows of the tables.

use bytes::Bytes;
use event::{SourceName, Timestamp};
use fold::{Change, EntityId, Item, Key, ScopeId, Subject, Wanter, element_of};
use model::reference::EntityRef;
use uuid::Uuid;

/// A byte that says how long the key is, the key with its table, and the row.
pub(crate) fn check(input: &[u8]) {
    let Some((length, rest)) = input.split_first() else {
        return;
    };
    let (key, row) = rest.split_at(rest.len().min(usize::from(*length)));
    let _ = views::check_row(key, row);
    for key in keys(*length) {
        fold_row(key, row);
    }
}

/// A row that is read is the row that is written of it.
fn fold_row(key: Key, row: &[u8]) {
    let Ok(change) = Change::read(key.clone(), Some(&Bytes::copy_from_slice(row))) else {
        return;
    };
    let written = Bytes::from(change.row().expect("a row that is there"));
    let again = Change::read(key, Some(&written)).expect("a row that was written");
    assert_eq!(again, change);
    assert_eq!(element_of(&again), element_of(&change));
    if let Change::Entity(_, Some(version)) = &change {
        let _ = version.terms();
    }
}

/// A key of each table, or of one.
fn keys(choice: u8) -> Vec<Key> {
    let (id, scope, uuid) = (EntityId(1), ScopeId(2), Uuid::from_u128(3));
    let source = || SourceName::new("files/local").expect("a source");
    let reference = EntityRef::canonical("component:default/a").expect("a reference");
    let text = || Box::<str>::from("a");
    let mut keys = vec![
        Key::Log(()),
        Key::Rules(()),
        Key::Policy(()),
        Key::Counters(()),
        Key::Clock(()),
        Key::Time(Timestamp::default()),
        Key::Ref(reference),
        Key::Name(id),
        Key::Uid(uuid),
        Key::Entity(id),
        Key::Scope(event::vocabulary::ScopeName::new("s").expect("a scope")),
        Key::ScopeName(scope),
        Key::Source(source()),
        Key::Claim((scope, id)),
        Key::Standing((id, 4, scope)),
        Key::Refusal((scope, Item::Entity(id))),
        Key::Aspect((id, text(), source())),
        Key::Activity((Subject::Entity(id), 4)),
        Key::ActivityKey((source(), text())),
        Key::Location(uuid),
        Key::Wanted((text(), Wanter::Entity(id))),
        Key::Refresh(text()),
        Key::Quarantine(4),
    ];
    if usize::from(choice) < keys.len() {
        keys = vec![keys.swap_remove(choice.into())];
    }
    keys
}
