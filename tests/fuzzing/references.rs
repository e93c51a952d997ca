//! References to entities, locations, positions, times, names of scopes.

use event::vocabulary::ScopeName;
use event::{Position, SourceName, Timestamp};
use model::location::{GITHUB_HOSTS, LocationRef, is_script, resolve_target, resolve_url};
use model::reference::{EntityRef, TEXT_BYTES_MAX};

/// Three lines: a kind, a namespace, and a text that is read as everything that has a text.
pub(crate) fn check(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let mut lines = input.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (kind, namespace, text) = (line(), line(), line());
    for text in [text, kind] {
        reference(text, Some(kind), namespace);
        reference(text, None, namespace);
        location(text, namespace);
        others(text);
    }
    if let Ok(made) = EntityRef::new(kind, namespace, text) {
        assert_eq!(EntityRef::canonical(made.as_str()).as_ref(), Ok(&made));
    }
}

/// A reference is its text, and reads the same whatever is filled in and whatever its case.
fn reference(text: &str, kind: Option<&str>, namespace: &str) {
    let Ok(read) = EntityRef::parse(text, kind, namespace) else {
        return;
    };
    let (whole, parts) = (read.as_str(), (read.kind(), read.namespace(), read.name()));
    assert!(whole.len() <= TEXT_BYTES_MAX && !whole.contains('\0'), "{whole:?}");
    assert!(!parts.0.is_empty() && !parts.1.is_empty() && !parts.2.is_empty(), "{parts:?}");
    assert_eq!(whole, format!("{}:{}/{}", parts.0, parts.1, parts.2));
    let again = EntityRef::canonical(whole).expect("a reference");
    assert_eq!((again.kind(), again.namespace(), again.name()), parts);
    assert_eq!(again, read);
    assert_eq!(EntityRef::parse(whole, Some("other"), "other").as_ref(), Ok(&read));
    assert_eq!(EntityRef::new(parts.0, parts.1, parts.2).as_ref(), Ok(&read));
    let upper = EntityRef::canonical(&whole.to_ascii_uppercase());
    // A capital sigma knows its place in a word, and letters around it may have been ASCII.
    assert!(upper.as_ref() == Ok(&read) || !whole.is_ascii(), "{upper:?}");
    let json = serde_json::to_string(&read).expect("JSON");
    assert_eq!(serde_json::from_str::<EntityRef>(&json).expect("JSON"), read);
}

fn location(text: &str, target: &str) {
    let _ = is_script(text);
    if let Some(url) = resolve_url(text, target, GITHUB_HOSTS) {
        assert_eq!(resolve_url(text, &url, GITHUB_HOSTS).as_ref(), Some(&url), "it is absolute");
    }
    let Ok(read) = LocationRef::parse(text) else {
        return;
    };
    assert_eq!(LocationRef::parse(&read.to_string()).as_ref(), Ok(&read));
    for kind in ["file", "url", &read.kind] {
        let _ = resolve_target(&read, kind, target, GITHUB_HOSTS);
    }
}

fn others(text: &str) {
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text);
    }
    if let Ok(time) = Timestamp::from_rfc3339(text) {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
    if let Ok(name) = ScopeName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(name) = SourceName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    let words = ["component", "Group", "filter", "äöü"];
    assert!(model::nearest::nearest(text, words).is_none_or(|near| words.contains(&near)));
}
