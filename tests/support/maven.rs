//! Java's libraries, from Maven's registry, in a cache beside the build.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Brings the jars that a folder's `pom.xml` names, unless they are there; gives their folder.
///
/// # Errors
/// Why they can't be had here: no Maven, no registry.
pub fn jars(source: &Path, cache: &Path) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| error.to_string();
    let pom = std::fs::read(source.join("pom.xml")).map_err(failed)?;
    let key: String = blake3::hash(&pom).to_hex().chars().take(16).collect();
    let jars = cache.join(format!("jars-{key}"));
    if jars.is_dir() {
        return Ok(jars);
    }
    // Into a folder of its own first: what is broken off is not taken for whole.
    let fresh = jars.with_extension(std::process::id().to_string());
    let plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", plugin, "-DincludeScope=runtime", "-f"]).arg(source);
    let output = maven.arg(format!("-DoutputDirectory={}", fresh.display())).output();
    let output = output.map_err(|error| format!("mvn does not run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    if std::fs::rename(&fresh, &jars).is_err() {
        // Another process was faster.
        std::fs::remove_dir_all(&fresh).map_err(failed)?;
    }
    Ok(jars)
}
