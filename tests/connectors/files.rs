//! Files in a folder.

use std::fs;
use std::path::PathBuf;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use tempfile::TempDir;
use tokio::sync::watch;

struct Files {
    folder: TempDir,
    held: Vec<Thing>,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("catalog")).unwrap();
        Self { folder, held: Vec::new() }
    }

    fn catalog(&self) -> PathBuf {
        self.folder.path().join("catalog")
    }

    /// Where it is while it is not there.
    fn elsewhere(&self) -> PathBuf {
        self.folder.path().join("elsewhere")
    }

    fn file(&self, thing: &Thing) -> PathBuf {
        self.catalog().join(format!("{}.yaml", thing.name))
    }
}

impl Bench for Files {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = files::Config::new("bench", vec![self.catalog()]).polling_every(1);
        Box::pin(async move {
            files::run(config, Vec::new(), start, emitter, stopping).await.unwrap();
        })
    }

    fn hold(&mut self, things: &[Thing]) {
        for gone in self.held.iter().filter(|held| things.iter().all(|of| of.name != held.name)) {
            fs::remove_file(self.file(gone)).unwrap();
        }
        for thing in things.iter().filter(|thing| !self.held.contains(thing)) {
            let part = self.folder.path().join("part");
            fs::write(&part, thing.component().to_string()).unwrap();
            fs::rename(part, self.file(thing)).unwrap();
        }
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Fails => fs::rename(self.catalog(), self.elsewhere()).unwrap(),
            Fault::Part => {
                let whole = fs::read(self.file(&self.held[0])).unwrap();
                fs::write(self.file(&self.held[0]), &whole[..whole.len() / 2]).unwrap();
            }
            Fault::Limits | Fault::Forgets | Fault::Hangs => return false,
        }
        true
    }

    fn mend(&mut self) {
        if self.elsewhere().exists() {
            fs::rename(self.elsewhere(), self.catalog()).unwrap();
        }
        let first = &self.held[0];
        fs::write(self.file(first), first.component().to_string()).unwrap();
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn files_keep_the_laws() {
    crate::check(Files::new);
}
