//! What the connector shows to GitHub: a token, or what a GitHub App signs.
//!
//! Invariant: nothing of it is printed, not even for debugging.

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

/// How long what an App signs counts, in seconds: GitHub takes ten minutes at the most.
const SIGNED_FOR_S: u64 = 540;

/// How far back it is dated, in seconds, for clocks that differ.
const SIGNED_BEFORE_S: u64 = 60;

/// Who asks.
#[derive(Clone)]
pub enum Credentials {
    /// A personal token, classic or fine-grained.
    Token(Arc<str>),
    /// An App, for each owner by its installation there.
    App(App),
}

/// A GitHub App with its key.
#[derive(Clone)]
pub struct App {
    id: u64,
    key: Arc<RsaKeyPair>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::App(_) => "App",
        })
    }
}

impl Credentials {
    /// A token, as it is configured.
    ///
    /// # Errors
    /// In a sentence, when it can't be one.
    pub fn token(token: &str) -> Result<Self, String> {
        let token = token.trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err("its `token` holds characters that no token has, or none".into());
        }
        Ok(Self::Token(token.into()))
    }
}

impl App {
    /// Reads a key as GitHub gives it (PKCS #1), or as OpenSSL writes it (PKCS #8), in PEM.
    ///
    /// # Errors
    /// In a sentence, when it is no key.
    pub fn new(id: u64, pem: &str) -> Result<Self, String> {
        let wrong = || "the `key` of its `app` is no RSA private key in PEM".to_owned();
        let mut lines = pem.lines().map(str::trim).skip_while(|line| !line.starts_with("-----"));
        let is_bare = match lines.next() {
            Some("-----BEGIN RSA PRIVATE KEY-----") => true,
            Some("-----BEGIN PRIVATE KEY-----") => false,
            _ => return Err(wrong()),
        };
        let base64: String = lines.take_while(|line| !line.starts_with("-----")).collect();
        let der = BASE64.decode(base64.as_bytes()).map_err(|_| wrong())?;
        let key = if is_bare { RsaKeyPair::from_der(&der) } else { RsaKeyPair::from_pkcs8(&der) };
        Ok(Self { id, key: Arc::new(key.map_err(|_| wrong())?) })
    }

    /// A JSON Web Token (RFC 7519, RS256) by which the App speaks for itself, now.
    pub(crate) fn sign(&self, now_s: u64) -> Result<String, String> {
        let head = BASE64URL_NOPAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        let (from, to) = (now_s.saturating_sub(SIGNED_BEFORE_S), now_s + SIGNED_FOR_S);
        let claims = json!({"iat": from, "exp": to, "iss": self.id.to_string()}).to_string();
        let text = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| "the key of the App could not sign".to_owned())?;
        Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = include_str!("../../fixtures/app.pem");

    #[test]
    fn an_app_signs_as_everybody_can_see() {
        let app = App::new(7, KEY).unwrap();
        let signed = app.sign(1_000_000).unwrap();
        let (text, signature) = signed.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let public = app.key.public().as_ref();
        let key = ring::signature::UnparsedPublicKey::new(
            &ring::signature::RSA_PKCS1_2048_8192_SHA256,
            public,
        );
        key.verify(text.as_bytes(), &signature).unwrap();
        let (_, claims) = text.split_once('.').unwrap();
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        assert_eq!(claims, br#"{"iat":999940,"exp":1000540,"iss":"7"}"#);
        let cut = &KEY[..KEY.len() / 2];
        for wrong in ["", "x", cut, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert!(App::new(7, wrong).is_err());
        }
    }
}
