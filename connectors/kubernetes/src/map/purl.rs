//! Package URLs of images.

/// The package URL of an image, of type `oci` as the purl specification has it: the digest is the
/// version, where the image stands is a qualifier.
pub(super) fn purl(image: &str) -> Option<String> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash is a registry's port.
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].rfind(':') {
        Some(at) => (&name[..slash + at], Some(&name[slash + at + 1..])),
        None => (name, None),
    };
    let mut parts = path.splitn(2, '/');
    let first = parts.next().unwrap_or_default();
    let is_host = path.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let repository = match (is_host, path.contains('/')) {
        (true, _) => path.to_owned(),
        (false, true) => format!("docker.io/{path}"),
        (false, false) => format!("docker.io/library/{path}"),
    };
    let last = repository.rsplit('/').next().filter(|last| !last.is_empty())?;
    let mut purl = format!("pkg:oci/{}", encoded(&last.to_lowercase()));
    if let Some(digest) = digest {
        purl.push('@');
        purl.push_str(&encoded(digest));
    }
    purl.push_str("?repository_url=");
    purl.push_str(&encoded(&repository.to_lowercase()));
    if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
        purl.push_str("&tag=");
        purl.push_str(&encoded(tag));
    }
    Some(purl)
}

/// Percent-encoded, but for what stands unencoded in canonical package URLs.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'/' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls() {
        for (image, expected) in [
            ("nginx", "pkg:oci/nginx?repository_url=docker.io/library/nginx"),
            ("acme/shop:1", "pkg:oci/shop?repository_url=docker.io/acme/shop&tag=1"),
            ("r.example:5000/shop", "pkg:oci/shop?repository_url=r.example:5000/shop"),
            (
                "ghcr.io/acme/shop:1@sha256:ab",
                "pkg:oci/shop@sha256:ab?repository_url=ghcr.io/acme/shop&tag=1",
            ),
            ("a b", "pkg:oci/a%20b?repository_url=docker.io/library/a%20b"),
        ] {
            assert_eq!(purl(image).as_deref(), Some(expected));
        }
        assert_eq!(purl(""), None);
        assert_eq!(purl("a/"), None);
    }
}
