//! The properties hold for the seeds from which the fuzz targets start.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fuzzing::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn every_property_has_a_target_and_seeds() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|target| target.name.into()).collect();
    assert_eq!(names(&fuzz().join("targets")), expected);
    assert_eq!(names(&fuzz().join("seeds")), expected);
    for name in &expected {
        let text = std::fs::read_to_string(fuzz().join(format!("targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("check(\"{name}\", input)")), "{name} is of another name");
    }
}

#[test]
fn properties_hold_for_the_seeds() {
    for target in TARGETS {
        let folder = fuzz().join("seeds").join(target.name);
        let mut seeds = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            (target.check)(&input);
            seeds += 1;
        }
        assert!(seeds > 0, "{} has no seeds", target.name);
    }
}
