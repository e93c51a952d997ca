//! Signed notes (C2SP `signed-note`) with Ed25519: what checkpoints are signed as.
//!
//! A note is a text that ends with a newline, an empty line, and signature lines. Go's
//! `golang.org/x/mod/sumdb/note` reads and writes the same.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};

/// The kind of keys and signatures: Ed25519.
const ED25519: u8 = 1;

/// What stands before a signature.
const MARK: &str = "\u{2014} ";

/// How many bytes and signatures a note may have.
const NOTE_BYTES_MAX: usize = 1 << 20;
const SIGNATURES_MAX: usize = 100;

/// Why something is no key or no note of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The name can't stand in a note.
    #[error("the name of a key must be a word without spaces and `+`")]
    Name,
    /// Not of the form of a verifier key.
    #[error("it is not a key by which notes are verified (NAME+HASH+BASE64, Ed25519)")]
    VerifierKey,
    /// Not of the form of a signer key.
    #[error("it is not a key by which notes are signed (PRIVATE+KEY+NAME+HASH+BASE64, Ed25519)")]
    SignerKey,
    /// Not of the form of a note.
    #[error("it is not a signed note")]
    Form,
    /// The key has not signed.
    #[error("it is not signed by the key that counts")]
    Unsigned,
    /// A signature of the key is there, and wrong.
    #[error("its signature is wrong")]
    Forged,
}

/// A key by which notes are verified.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: Box<str>,
    id: [u8; 4],
    key: ed25519_dalek::VerifyingKey,
}

/// A key by which notes are signed. It shows itself to nobody.
#[derive(Clone)]
pub struct SignerKey {
    public: VerifierKey,
    key: ed25519_dalek::SigningKey,
}

type Hash = [u8; 32];

/// Whether a text can be the name of a key, and so the first line of a checkpoint.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() <= 256;
    fits && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

impl VerifierKey {
    fn new(name: &str, key: ed25519_dalek::VerifyingKey) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Name);
        }
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(key.as_bytes());
        let [a, b, c, d, ..]: Hash = hasher.finalize().into();
        Ok(Self { name: name.into(), id: [a, b, c, d], key })
    }

    /// A key from its text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, material) = parts(text).ok_or(NoteError::VerifierKey)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&material);
        let key = Self::new(name, key.map_err(|_| NoteError::VerifierKey)?)?;
        if key.id == id { Ok(key) } else { Err(NoteError::VerifierKey) }
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a signature, as it stands in a note's line, is this key's under a text.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, text: &str, signature: &str) -> Result<(), NoteError> {
        self.open(&format!("{text}\n{MARK}{} {signature}\n", self.name)).map(|_| ())
    }

    /// The text of a note that this key has signed. Signatures of others are passed over.
    ///
    /// # Errors
    /// When it is no note, or this key has not signed it.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = split(note)?;
        let mut found = false;
        for (name, signature) in signatures {
            let Some((id, signature)) = signature.split_first_chunk::<4>() else {
                return Err(NoteError::Form);
            };
            if name != &*self.name || *id != self.id {
                continue;
            }
            let signature = ed25519_dalek::Signature::from_slice(signature);
            let signature = signature.map_err(|_| NoteError::Forged)?;
            self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::Forged)?;
            found = true;
        }
        if found { Ok(text) } else { Err(NoteError::Unsigned) }
    }
}

/// Name, id and Ed25519 key of a verifier key.
fn parts(text: &str) -> Option<(&str, [u8; 4], Hash)> {
    let (name, rest) = text.split_once('+')?;
    let (id, material) = rest.split_once('+')?;
    let id = HEXLOWER.decode(id.as_bytes()).ok()?.try_into().ok()?;
    let material = BASE64.decode(material.as_bytes()).ok()?;
    let (&kind, key) = material.split_first()?;
    (kind == ED25519).then_some((name, id, key.try_into().ok()?))
}

/// Signatures with the names of their keys.
type Signatures<'a> = Vec<(&'a str, Vec<u8>)>;

/// A note's text, and its signatures.
fn split(note: &str) -> Result<(&str, Signatures<'_>), NoteError> {
    let allowed = |c: char| c == '\n' || !c.is_control();
    if note.len() > NOTE_BYTES_MAX || !note.chars().all(allowed) {
        return Err(NoteError::Form);
    }
    let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, lines) = (&note[..=at], &note[at + 2..]);
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        let (name, signature) =
            line.strip_prefix(MARK).and_then(|line| line.split_once(' ')).ok_or(NoteError::Form)?;
        let signature = BASE64.decode(signature.as_bytes()).map_err(|_| NoteError::Form)?;
        if !is_name(name) || signature.len() < 5 || signatures.len() == SIGNATURES_MAX {
            return Err(NoteError::Form);
        }
        signatures.push((name, signature));
    }
    Ok((text, signatures))
}

impl SignerKey {
    /// A key of a name, from 32 bytes that nobody can guess.
    ///
    /// # Errors
    /// When the name can't stand in a note.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        Ok(Self { public: VerifierKey::new(name, key.verifying_key())?, key })
    }

    /// A key from its text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(NoteError::SignerKey)?;
        let (name, id, seed) = parts(rest).ok_or(NoteError::SignerKey)?;
        let key = Self::new(name, &seed)?;
        if key.public.id == id { Ok(key) } else { Err(NoteError::SignerKey) }
    }

    /// The key as a text, to be kept where nobody else reads it.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let mut material = vec![ED25519];
        material.extend_from_slice(self.key.as_bytes());
        let VerifierKey { name, id, .. } = &self.public;
        format!("PRIVATE+KEY+{name}+{}+{}", HEXLOWER.encode(id), BASE64.encode(&material))
    }

    /// The key by which others verify.
    #[must_use]
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs a text, which must end with a newline, and gives the whole note.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{MARK}{} {}\n", self.public.name, self.signature(text))
    }

    /// The signature under a text, as it stands in a note's line.
    #[must_use]
    pub fn signature(&self, text: &str) -> String {
        let mut signature = self.public.id.to_vec();
        signature.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        BASE64.encode(&signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = vec![ED25519];
        material.extend_from_slice(self.key.as_bytes());
        let id = HEXLOWER.encode(&self.id);
        write!(f, "{}+{id}+{}", self.name, BASE64.encode(&material))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.public.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and note of the documentation of Go's `note` package.
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_that_go_signed_is_opened() {
        let key = VerifierKey::parse(PUBLIC).unwrap();
        assert_eq!(key.to_string(), PUBLIC);
        let text = key.open(NOTE).unwrap();
        assert!(text.ends_with("your problem is.\n"));
        let forged = NOTE.replace("answer", "anvers");
        assert_eq!(key.open(&forged), Err(NoteError::Forged));
    }

    #[test]
    fn a_key_reads_what_it_writes_and_shows_nothing() {
        let key = SignerKey::new("catalog.example.org", &[7; 32]).unwrap();
        let text = key.to_secret_text();
        let again = SignerKey::parse(&format!("{text}\n")).unwrap();
        assert_eq!(again.public(), key.public());
        let note = again.sign("one\ntwo\n");
        assert_eq!(key.public().open(&note), Ok("one\ntwo\n"));
        assert_eq!(key.public().check("one\n", &key.signature("one\n")), Ok(()));
        assert_eq!(key.public().check("two\n", &key.signature("one\n")), Err(NoteError::Forged));
        assert_eq!(format!("{key:?}"), "SignerKey(catalog.example.org)");
        let other = SignerKey::new("catalog.example.org", &[8; 32]).unwrap();
        assert_eq!(other.public().open(&note), Err(NoteError::Unsigned));
        // Lines of witnesses are passed over.
        let witness = SignerKey::new("witness.example", &[9; 32]).unwrap();
        let line = witness.sign("one\ntwo\n").split_off("one\ntwo\n\n".len());
        assert_eq!(key.public().open(&format!("{note}{line}")), Ok("one\ntwo\n"));
    }

    #[test]
    fn what_is_no_key_or_note_is_refused() {
        let key = SignerKey::new("a", &[7; 32]).unwrap();
        let public = key.public().to_string();
        let swapped = public.replacen("a+", "b+", 1);
        for text in ["", "+", "a+b", "a+00000000+", &public[..public.len() - 4], &swapped] {
            assert!(VerifierKey::parse(text).is_err(), "{text}");
        }
        for text in ["", "PRIVATE+KEY+", &public, &key.to_secret_text()[1..]] {
            assert!(SignerKey::parse(text).is_err(), "{text}");
        }
        for name in ["", "a b", "a+b", "a\n", "a\u{a0}b"] {
            assert_eq!(SignerKey::new(name, &[0; 32]).err(), Some(NoteError::Name), "{name:?}");
        }
        for note in
            ["", "\n\n", "a\n\n", "a\n\nb\n", "a\n\n\u{2014} a !\n", "a\n\n\u{2014} a AAAA\n"]
        {
            assert_eq!(key.public().open(note), Err(NoteError::Form), "{note:?}");
        }
    }
}
