//! Whether a delivery comes from whom it says. All comparisons take the same time, right or wrong.

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether a text is the secret.
pub(crate) fn is_secret(given: &str, secret: &str) -> bool {
    // Equality of these hashes is decided in constant time.
    blake3::hash(given.as_bytes()) == blake3::hash(secret.as_bytes())
}

/// Whether `sha256=<hex>` is the HMAC of a body, as `X-Hub-Signature-256` has it.
pub(crate) fn is_signed(signature: &str, secret: &str, body: &[u8]) -> bool {
    let Some(hex) = signature.strip_prefix("sha256=") else { return false };
    let Ok(given) = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_own_example_is_signed() {
        // From GitHub's documentation, "Testing the webhook payload validation".
        let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
        let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(is_signed(right, secret, body));
        for (signature, secret, body) in [
            (right, secret, &b"Hello, World?"[..]),
            (right, "another secret", body),
            (&right[..right.len() - 2], secret, body),
            (&right.replace("sha256=", "sha1="), secret, body),
            ("sha256=", secret, body),
            ("sha256=zz", secret, body),
            ("", secret, body),
        ] {
            assert!(!is_signed(signature, secret, body), "{signature}");
        }
        assert!(is_secret("a", "a") && !is_secret("a", "b") && !is_secret("", "a"));
    }
}
