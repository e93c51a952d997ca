//! What must hold for every history: random ones, compared with a plain catalog in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod changes;
mod erasure;
mod fold;
mod queries;

/// A suite that can't fail shows nothing: with a fault planted, the property that is about it has
/// to fail, and without it holds.
#[test]
fn planted_faults_are_found() {
    let run = |fault: &str, property: &str| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", property, "--nocapture"]).env("ANNALS_PLANT", fault);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("running 1 test"), "{said}");
        output.status.success()
    };
    let property = "fold::duplicates_and_zombies_leave_the_content_as_it_was";
    assert!(run("", property));
    assert!(!run("fold-takes-duplicates", property));
}
