//! The packages of the real Backstage, from the registry of npm, in a cache beside the build.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Brings the packages that a lock file names, unless they are there; gives the folder that holds
/// `node_modules`.
///
/// # Errors
/// Why they can't be had here: no Node, no registry.
pub fn install(source: &Path, cache: &Path) -> Result<PathBuf, String> {
    let lock = std::fs::read(source.join("package-lock.json"))
        .map_err(|error| format!("no lock file: {error}"))?;
    run(Command::new("node").arg("--version"))?;
    let key: String = blake3::hash(&lock).to_hex().chars().take(16).collect();
    let packages = cache.join(&key);
    if packages.join("node_modules").exists() {
        return Ok(packages);
    }
    // Into a folder of our own first: other processes may run tests at the same time.
    let fresh = cache.join(format!("{key}.{}", std::process::id()));
    let failed = |error: std::io::Error| format!("the cache: {error}");
    std::fs::create_dir_all(&fresh).map_err(failed)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), fresh.join(file)).map_err(failed)?;
    }
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    if let Err(reason) = run(Command::new("npm").args(npm).current_dir(&fresh)) {
        std::fs::remove_dir_all(&fresh).map_err(failed)?;
        return Err(reason);
    }
    if std::fs::rename(&fresh, &packages).is_err() {
        // Another process was faster.
        std::fs::remove_dir_all(&fresh).map_err(failed)?;
    }
    Ok(packages)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} failed: {}", message.lines().next().unwrap_or_default()))
}
