//! What files are called: in the names of scopes, in pointers, in messages.
//!
//! Invariant: two different paths never have the same name. `%` is written `%25`, so what stands
//! for a byte or for what was cut off can't stand in a path itself.

use std::fmt::Write as _;
use std::path::{Component, Path};

use event::vocabulary::ScopeName;

/// What stands between the beginning of a name that is too long and the hash of the whole of it.
const CUT: &str = "%~";

/// Characters of the hash of a name that is too long.
const HASH_LEN: usize = 32;

/// The parts of a path with `/` between them and without `./`; control characters and bytes that
/// are no UTF-8 are written `%XX`.
pub(crate) fn of_path(path: &Path) -> String {
    let mut name = String::new();
    for component in path.components() {
        match component {
            Component::CurDir => continue,
            Component::RootDir => {}
            other => escape(&mut name, other.as_os_str().as_encoded_bytes(), true),
        }
        name.push('/');
    }
    if path.components().next_back() != Some(Component::RootDir) {
        name.pop();
    }
    name
}

/// A path as it was given, for messages and pointers: safe to print.
pub(crate) fn as_given(path: &Path) -> String {
    let mut name = String::new();
    escape(&mut name, path.as_os_str().as_encoded_bytes(), false);
    name
}

/// A text that came from a document, for messages: safe to print, and not too long.
pub(crate) fn of_text(text: &str) -> String {
    shortened(text, 200)
}

/// A message that may hold such texts.
pub(crate) fn of_message(text: &str) -> String {
    shortened(text, 2000)
}

fn shortened(text: &str, chars_max: usize) -> String {
    let mut name = String::new();
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(end, _)| end);
    escape(&mut name, &text.as_bytes()[..end], false);
    if end < text.len() {
        name.push('…');
    }
    name
}

/// The name of the scope of a file, and the file's name in it, which is cut if need be.
pub(crate) fn scope(prefix: &str, name: String) -> Option<(ScopeName, String)> {
    let room = ScopeName::BYTES_MAX.checked_sub(prefix.len())?;
    let name = cut(name, room)?;
    let scope = ScopeName::new(&format!("{prefix}{name}")).ok()?;
    Some((scope, name))
}

fn cut(mut name: String, room: usize) -> Option<String> {
    if name.len() <= room {
        return Some(name);
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let kept = room.checked_sub(CUT.len() + HASH_LEN)?;
    name.truncate(name.floor_char_boundary(kept));
    name.push_str(CUT);
    name.push_str(&hash[..HASH_LEN]);
    Some(name)
}

fn escape(name: &mut String, bytes: &[u8], escapes_percent: bool) {
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() || (escapes_percent && char == '%') {
                escape_bytes(name, char.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                name.push(char);
            }
        }
        escape_bytes(name, chunk.invalid());
    }
}

fn escape_bytes(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let written = write!(name, "%{byte:02X}");
        debug_assert!(written.is_ok(), "writing to a String does not fail");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn check(path: &[u8], expected: &str) {
        let path = Path::new(OsStr::from_bytes(path));
        assert_eq!(of_path(path), expected, "{}", path.display());
        assert!(expected.is_empty() || scope("files/a/", expected.to_owned()).is_some());
    }

    #[test]
    fn names_are_normalised_and_escaped() {
        check(b"./catalog/a.yaml", "catalog/a.yaml");
        check(b"catalog//./b/", "catalog/b");
        check(b".", "");
        check(b"../x", "../x");
        check(b"/", "/");
        check(b"/srv/catalog", "/srv/catalog");
        check(b"a\nb", "a%0Ab");
        check("a\u{85}ä".as_bytes(), "a%C2%85ä");
        check(b"a\xff", "a%FF");
        check(b"a%FF", "a%25FF");
        assert_eq!(as_given(Path::new("./a%b\u{1b}")), "./a%b%1B");
        assert_eq!(of_text(&"x".repeat(300)), format!("{}…", "x".repeat(200)));
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let long = |tail: &str| format!("{}{tail}", "ä".repeat(600));
        let mut seen = BTreeSet::new();
        for name in [long("a"), long("b"), long("")] {
            let (scope, name) = scope("files/local/", name).expect("a name");
            assert!(scope.as_str().len() <= ScopeName::BYTES_MAX);
            assert_eq!(scope.as_str(), format!("files/local/{name}"));
            // What a file could be called that looks like a cut name is called otherwise.
            assert!(seen.insert(of_path(Path::new(&name))) && seen.insert(name));
        }
    }

    #[test]
    fn paths_and_names_go_one_to_one() {
        let parts: [&[u8]; 9] =
            [b"a", b"%", b"%25", b"\n", b"%0A", b"\xff", b"%FF", b"\xc2\x85", b"\x85"];
        let mut seen = BTreeSet::new();
        for first in parts {
            for second in parts {
                let path = [first, b"-", second].concat();
                assert!(seen.insert(of_path(Path::new(OsStr::from_bytes(&path)))), "{path:?}");
            }
        }
    }
}
