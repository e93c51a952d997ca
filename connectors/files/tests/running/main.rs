//! The connector at work, with a catalog on the other end of the channel that keeps what it gets.

mod catalog;
mod many;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use catalog::{Mood, PATIENCE, State, serve};
use connector::{Emission, EmitError, Start, Target};
use event::vocabulary::ScopeName;
use expect_test::{Expect, expect};
use files::{Config, Error};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// So seldom that a test only passes if changes are told.
const NEVER: u64 = 80_000;

/// A folder with files, and a connector that reads them.
struct World {
    folder: TempDir,
    config: Config,
    state: watch::Sender<State>,
    targets: watch::Sender<Arc<Vec<Target>>>,
    mood: Mood,
    running: Option<Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    connector: JoinHandle<Result<(), Error>>,
    catalog: JoinHandle<()>,
}

impl World {
    fn new(paths: &[&str], poll_seconds: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::new("a", paths.iter().map(PathBuf::from).collect())
            .polling_every(poll_seconds)
            .in_folder(folder.path().to_owned());
        let state = watch::Sender::new(State::default());
        let targets = watch::Sender::new(Arc::new(Vec::new()));
        Self { folder, config, state, targets, mood: Mood::default(), running: None }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Puts a file in its place whole, as careful programs do.
    fn replace(&self, path: &str, text: &str) {
        self.write(".new", text);
        fs::rename(self.at(".new"), self.at(path)).expect("a file");
    }

    fn start(&mut self) {
        let (emitter, emissions) = connector::channel();
        let (stop, stopping) = watch::channel(false);
        let start = Start {
            cursor: None,
            scopes: self.state.borrow().scopes.keys().cloned().collect(),
            observed: Vec::new(),
            targets: self.targets.subscribe(),
        };
        let (state, targets) = (self.state.clone(), self.targets.clone());
        let catalog = tokio::spawn(serve(emissions, state, targets, self.mood.clone()));
        let run = files::run(self.config.clone(), Vec::new(), start, emitter, stopping);
        self.running = Some(Running { stop, connector: tokio::spawn(run), catalog });
    }

    async fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.stop.send_replace(true);
        let ended = timeout(PATIENCE, running.connector).await.expect("it ends");
        ended.expect("no panic").expect("no error");
        timeout(PATIENCE, running.catalog).await.expect("it ends").expect("no panic");
    }

    /// Waits until the catalog is so.
    async fn until(&self, is_so: impl Fn(&State) -> bool) -> State {
        let mut state = self.state.subscribe();
        let result = timeout(PATIENCE, state.wait_for(|state| is_so(state))).await;
        match result {
            Ok(state) => state.expect("the catalog lives").clone(),
            Err(_) => {
                let state = self.state.borrow();
                panic!("it never came to be so:\n{}\n{}", state.in_words(), state.log.join("\n"))
            }
        }
    }

    /// Starts, waits until all has settled, stops, and gives what is shown.
    async fn once(&mut self) -> String {
        self.state.send_modify(|state| state.log.clear());
        self.start();
        self.until(|state| state.was_told("status")).await;
        self.stop().await;
        self.state.borrow().in_words()
    }
}

fn component(name: &str) -> String {
    format!("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n")
}

fn location(name: &str, targets: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {{name: {name}}}\nspec: {{targets: [{targets}]}}\n"
    )
}

#[expect(clippy::needless_pass_by_value, reason = "as it is made by the macro")]
fn check(state: &str, expected: Expect) {
    expected.assert_eq(state);
}

#[tokio::test]
async fn what_is_configured_is_shown_and_stays_over_a_restart() {
    let mut world = World::new(&["./catalog", "more/*.yaml", "catalog-info.yaml"], NEVER);
    world.write("catalog/a.yaml", &component("a"));
    world.write("catalog/b/c.yaml", &format!("{}---\n{}", component("b"), component("c")));
    world.write("more/d.yaml", &component("d"));
    world.write("more/e.txt", "no");
    world.write("catalog-info.yaml", &component("info"));
    let first = world.once().await;
    check(
        &first,
        expect![[r#"
        files/a/catalog-info.yaml
          component:default/info at file:catalog-info.yaml
        files/a/catalog/a.yaml
          component:default/a at file:catalog/a.yaml
        files/a/catalog/b/c.yaml
          component:default/b at file:catalog/b/c.yaml
          component:default/c at file:catalog/b/c.yaml
        files/a/more/d.yaml
          component:default/d at file:more/d.yaml
    "#]],
    );
    assert_eq!(first, world.once().await, "the same files show the same");
    world.state.send_replace(State::default());
    assert_eq!(first, world.once().await, "to another catalog, too");
    // What went while nobody looked goes at the next start, in one.
    fs::remove_dir_all(world.at("catalog/b")).expect("a folder");
    fs::remove_file(world.at("more/d.yaml")).expect("a file");
    world.write("catalog/a.yaml", &component("a2"));
    check(
        &world.once().await,
        expect![[r#"
        files/a/catalog-info.yaml
          component:default/info at file:catalog-info.yaml
        files/a/catalog/a.yaml
          component:default/a2 at file:catalog/a.yaml
    "#]],
    );
    let told = world.state.borrow().log.iter().filter(|line| line.starts_with("retired")).count();
    assert_eq!(told, 1);
}

async fn follows_changes(poll_seconds: u64) {
    let mut world = World::new(&["catalog"], poll_seconds);
    world.write("catalog/a.yaml", &component("a"));
    world.write("catalog/b/b.yaml", &component("b"));
    world.write("catalog/b/c.yaml", &component("c"));
    world.start();
    world.until(|state| state.was_told("status Working")).await;
    world.replace("catalog/a.yaml", &component("a2"));
    world.until(|state| state.shows("files/a/catalog/a.yaml", "component:default/a2")).await;
    world.write("catalog/d/e/f.yaml", &component("f"));
    world.until(|state| state.has("files/a/catalog/d/e/f.yaml")).await;
    fs::rename(world.at("catalog/a.yaml"), world.at("catalog/d/z.yaml")).expect("a file");
    world
        .until(|state| {
            state.has("files/a/catalog/d/z.yaml") && !state.has("files/a/catalog/a.yaml")
        })
        .await;
    fs::rename(world.at("catalog/b"), world.at("b")).expect("a folder");
    let state = world.until(|state| !state.has("files/a/catalog/b/b.yaml")).await;
    assert!(state.was_told("retired files/a/catalog/b/b.yaml files/a/catalog/b/c.yaml"));
    fs::create_dir(world.at("catalog/b")).expect("a folder");
    world.write("catalog/b/b.yaml", &component("b3"));
    world.until(|state| state.shows("files/a/catalog/b/b.yaml", "component:default/b3")).await;
    world.stop().await;
}

#[tokio::test]
async fn changes_are_followed_as_they_are_told() {
    follows_changes(NEVER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_followed_by_polling() {
    follows_changes(1).await;
}

#[tokio::test]
async fn a_broken_file_keeps_what_it_showed() {
    let mut world = World::new(&["catalog"], NEVER);
    world.write("catalog/a.yaml", &format!("{}---\n{}", component("a"), component("b")));
    world.start();
    let scope = "files/a/catalog/a.yaml";
    world.until(|state| state.has(scope)).await;
    world.replace("catalog/a.yaml", &format!("{}---\nkind: [\n", component("a")));
    let state = world.until(|state| state.is_broken(scope, "in the second document")).await;
    check(
        &state.in_words(),
        expect![[r#"
        files/a/catalog/a.yaml
          component:default/a at file:catalog/a.yaml
          component:default/b at file:catalog/a.yaml
          BROKEN catalog/a.yaml#1 InputError: catalog/a.yaml, line 5, column 7, in the second document: unclosed bracket '['
    "#]],
    );
    world.replace("catalog/a.yaml", "kind: [\nbackstage.io/");
    world.until(|state| state.is_broken(scope, "in the first document")).await;
    world.replace("catalog/a.yaml", "");
    world.until(|state| state.is_broken(scope, "is empty")).await;
    world.replace("catalog/a.yaml", &component("b"));
    let state = world.until(|state| !state.is_broken(scope, "")).await;
    check(
        &state.in_words(),
        expect![[r#"
        files/a/catalog/a.yaml
          component:default/b at file:catalog/a.yaml
    "#]],
    );
    world.stop().await;
}

#[tokio::test]
async fn targets_are_read_from_file_to_file() {
    let mut world = World::new(&["catalog/all.yaml"], NEVER);
    world.write(
        "catalog/all.yaml",
        &location(
            "all",
            "./a.yaml, ./teams/*.yaml, ./none.yaml, ../out.yaml, ./teams, ./away.yaml",
        ),
    );
    world.write("catalog/a.yaml", &location("a", "./deep/b.yaml, ./all.yaml"));
    world.write("catalog/deep/b.yaml", &component("b"));
    world.write("catalog/teams/x.yaml", &component("x"));
    world.write("catalog/teams/y.yaml", &component("y"));
    world.write("out.yaml", &component("out"));
    symlink("../out.yaml", world.at("catalog/away.yaml")).expect("a link");
    world.start();
    let state = world.until(|state| state.has("files/a/catalog/deep/b.yaml")).await;
    check(
        &state.in_words(),
        expect![[r#"
        files/a/catalog/a.yaml
          location:default/a {"targets":["./deep/b.yaml","./all.yaml"]} at file:catalog/a.yaml from file:catalog/all.yaml
        files/a/catalog/all.yaml
          location:default/all {"targets":["./a.yaml","./teams/*.yaml","./none.yaml","../out.yaml","./teams","./away.yaml"]} at file:catalog/all.yaml
        files/a/catalog/away.yaml
          BROKEN catalog/away.yaml (location:default/all) NotAllowedError: file catalog/away.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
        files/a/catalog/deep/b.yaml
          component:default/b at file:catalog/deep/b.yaml from file:catalog/all.yaml
        files/a/catalog/none.yaml
          BROKEN catalog/none.yaml (location:default/all) NotFoundError: file catalog/none.yaml does not exist
        files/a/catalog/teams
          BROKEN catalog/teams (location:default/all) InputError: file catalog/teams is not read: it is a folder, and a target names files; with `/*.yaml` after it, it would name those in it
        files/a/catalog/teams/x.yaml
          component:default/x at file:catalog/teams/x.yaml from file:catalog/all.yaml
        files/a/catalog/teams/y.yaml
          component:default/y at file:catalog/teams/y.yaml from file:catalog/all.yaml
        files/a/out.yaml
          BROKEN out.yaml (location:default/all) NotAllowedError: file out.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
    "#]],
    );

    world.write("catalog/none.yaml", &component("some"));
    world.until(|state| state.shows("files/a/catalog/none.yaml", "component:default/some")).await;
    fs::remove_file(world.at("catalog/none.yaml")).expect("a file");
    let state =
        world.until(|state| state.is_broken("files/a/catalog/none.yaml", "not exist")).await;
    assert!(state.shows("files/a/catalog/none.yaml", "component:default/some"));

    fs::remove_file(world.at("catalog/teams/x.yaml")).expect("a file");
    world.until(|state| !state.has("files/a/catalog/teams/x.yaml")).await;

    world.replace("catalog/all.yaml", &location("all", "./teams/*.yaml"));
    let state = world
        .until(|state| {
            !state.has("files/a/catalog/a.yaml") && !state.has("files/a/catalog/deep/b.yaml")
        })
        .await;
    check(
        &state.in_words(),
        expect![[r#"
        files/a/catalog/all.yaml
          location:default/all {"targets":["./teams/*.yaml"]} at file:catalog/all.yaml
        files/a/catalog/teams/y.yaml
          component:default/y at file:catalog/teams/y.yaml from file:catalog/all.yaml
    "#]],
    );
    world.stop().await;
}

#[tokio::test]
async fn what_a_renamed_location_wants_is_never_given_up() {
    let mut world = World::new(&["catalog"], NEVER);
    world.config = world.config.clone().with_roots(vec!["more".into()]);
    world.write("catalog/all.yaml", &location("all", "../more/a.yaml"));
    world.write("more/a.yaml", &location("a", "./b.yaml"));
    world.write("more/b.yaml", &component("b"));
    world.start();
    world.until(|state| state.has("files/a/more/b.yaml")).await;
    fs::rename(world.at("catalog/all.yaml"), world.at("catalog/root.yaml")).expect("a file");
    let state = world
        .until(|state| state.in_words().matches("from file:catalog/root.yaml").count() == 2)
        .await;
    assert!(!state.has("files/a/catalog/all.yaml"));
    assert!(!state.log.iter().any(|line| line.starts_with("retired") && line.contains("more")));
    fs::remove_file(world.at("catalog/root.yaml")).expect("a file");
    world.until(|state| state.scopes.is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn an_optional_target_may_come_and_go() {
    let mut world = World::new(&["all.yaml"], NEVER);
    let optional = location("all", "./a.yaml").replace("spec: {", "spec: {presence: optional, ");
    world.write("all.yaml", &optional);
    world.start();
    world.until(|state| state.was_told("status Working")).await;
    world.write("a.yaml", &component("a"));
    world.until(|state| state.has("files/a/a.yaml")).await;
    fs::remove_file(world.at("a.yaml")).expect("a file");
    let state = world.until(|state| !state.has("files/a/a.yaml")).await;
    assert!(state.was_told("retired files/a/a.yaml"));
    world.stop().await;
}

#[tokio::test]
async fn folders_behind_links_are_exchanged_at_once() {
    // As Kubernetes mounts a ConfigMap.
    let mut world = World::new(&["mount"], NEVER);
    world.write("mount/..1/a.yaml", &component("a"));
    world.write("mount/..2/a.yaml", &component("a2"));
    symlink("..1", world.at("mount/..data")).expect("a link");
    symlink("..data/a.yaml", world.at("mount/a.yaml")).expect("a link");
    world.start();
    world.until(|state| state.shows("files/a/mount/a.yaml", "component:default/a")).await;
    symlink("..2", world.at("mount/..new")).expect("a link");
    fs::rename(world.at("mount/..new"), world.at("mount/..data")).expect("a link");
    world.until(|state| state.shows("files/a/mount/a.yaml", "component:default/a2")).await;
    world.stop().await;
}

#[tokio::test]
async fn nobody_else_makes_files_read() {
    let mut world = World::new(&["catalog"], 1);
    world.write("catalog/a.yaml", &component("a"));
    world.write("catalog/b.txt", &component("b"));
    let entity = model::EntityRef::canonical("location:default/evil").expect("a reference");
    let from = |scope: &str| Target {
        target: "catalog/b.txt".to_owned(),
        entity: entity.clone(),
        scope: ScopeName::new(scope).expect("a name"),
        optional: false,
        origin: "".into(),
        refresh: None,
    };
    // The catalog of the test would tell its own; this is what others have handed in.
    let all = ["ingest/evil", "files/b/catalog/a.yaml", "files/ab/x", "files/a/catalog/none.yaml"];
    world.targets.send_replace(Arc::new(all.into_iter().map(from).collect()));
    assert!(!world.once().await.contains("b.txt"));
    world.targets.send_replace(Arc::new(vec![from("files/a/catalog/a.yaml")]));
    world.state.send_replace(State::default());
    assert!(world.once().await.contains("b.txt"));
}

#[tokio::test]
async fn placeholders_are_followed() {
    let mut world = World::new(&["catalog"], NEVER);
    let with = |name: &str, spec: &str| format!("{}spec: {spec}\n", component(name));
    let text = [
        with("a", "{x: {$text: ./a.md}}"),
        with("b", "{x: {$json: ../catalog/b.json}, y: {$yaml: sub/c.yml}}"),
        with("c", "{x: {$text: ../out.md}}"),
        with("d", "{x: {$text: https://example.com/}}"),
    ];
    world.write("catalog/all.yaml", &text.join("---\n"));
    world.write("catalog/a.md", "# A");
    world.write("catalog/b.json", "{\"b\": 1}");
    world.write("catalog/sub/c.yml", "c: 2");
    world.write("out.md", "secret");
    world.start();
    let scope = "files/a/catalog/all.yaml";
    let state = world.until(|state| state.has(scope)).await;
    check(
        &state.in_words(),
        expect![[r##"
        files/a/catalog/all.yaml
          component:default/a {"x":"# A"} at file:catalog/all.yaml
          component:default/b {"x":{"b":1},"y":{"c":2}} at file:catalog/all.yaml
          BROKEN catalog/all.yaml#2 (component:default/c) NotAllowedError: catalog/all.yaml, line 11, in the third document: Placeholder $text at /spec/x could not read ../out.md: catalog/../out.md lies outside of the folders that may be read; the option `roots` of the connector names further ones
          BROKEN catalog/all.yaml#3 (component:default/d) NotAllowedError: catalog/all.yaml, line 16, in the fourth document: Placeholder $text at /spec/x could not read https://example.com/: reading URLs is not configured here, only paths relative to the file
    "##]],
    );
    world.replace("catalog/a.md", "# B");
    world.until(|state| state.in_words().contains("# B")).await;
    fs::remove_file(world.at("catalog/a.md")).expect("a file");
    let state = world.until(|state| state.is_broken(scope, "catalog/a.md does not exist")).await;
    assert!(state.in_words().contains("# B"), "the last good one stays");
    world.write("catalog/a.md", "# C");
    world.until(|state| state.in_words().contains("# C")).await;
    world.stop().await;
}

#[tokio::test]
async fn a_folder_may_hold_other_files() {
    let mut world = World::new(&["repository"], NEVER);
    world.write("repository/catalog-info.yaml", &component("a"));
    world.write("repository/.github/workflows/ci.yaml", &component("hidden"));
    world.write("repository/ci.yaml", "on: push");
    world.write("repository/chart/template.yaml", "{{ .Values.name }}: {");
    world.write("repository/package.json", "{\"name\": \"x\"}");
    world.write("repository/log.ndjson", "{\"a\": 1}\nnot json\n");
    let ours = r#"{"apiVersion": "backstage.io/v1alpha1", "kind": "A", "metadata": {"name": "n"}}"#;
    world.write("repository/many.ndjson", &format!("{{\"a\": 1}}\n{ours}"));
    world.write("repository/empty.yaml", "");
    world.write("repository/latin.yaml", "x");
    fs::write(world.at("repository/latin.yaml"), b"name: \xe4").expect("a file");
    world.write("repository/broken.yaml", "apiVersion: backstage.io/v1alpha1\nkind: [");
    symlink("nothing", world.at("repository/dangling.yaml")).expect("a link");
    world.start();
    let state = world.until(|state| state.was_told("status Working")).await;
    check(
        &state.in_words(),
        expect![[r#"
            files/a/repository/broken.yaml
              BROKEN repository/broken.yaml#0 InputError: repository/broken.yaml, line 2, column 7, in the first document: unclosed bracket '['
            files/a/repository/catalog-info.yaml
              component:default/a at file:repository/catalog-info.yaml
            files/a/repository/many.ndjson
              a:default/n at file:repository/many.ndjson
              repository/many.ndjson#0 at 
        "#]],
    );
    world.replace("repository/ci.yaml", &component("ci"));
    world.until(|state| state.has("files/a/repository/ci.yaml")).await;
    world.replace("repository/ci.yaml", "on: push");
    world.until(|state| !state.has("files/a/repository/ci.yaml")).await;
    world.stop().await;
}

#[tokio::test]
async fn named_files_are_read_whatever_they_are() {
    let mut world = World::new(&["pipe.yaml", "foreign.yaml", "globbed/*"], NEVER);
    world.write("foreign.yaml", "on: push");
    world.write("globbed/a.txt", "kind: [");
    let made = std::process::Command::new("mkfifo").arg(world.at("pipe.yaml")).status();
    assert!(made.expect("mkfifo").success());
    check(
        &world.once().await,
        expect![[r#"
        files/a/foreign.yaml
          foreign.yaml#0 at 
        files/a/globbed/a.txt
          BROKEN globbed/a.txt#0 InputError: globbed/a.txt, line 1, column 7, in the first document: unclosed bracket '['
        files/a/pipe.yaml
          BROKEN pipe.yaml InputError: pipe.yaml is a pipe, and no file that can be read
    "#]],
    );
}

#[tokio::test]
async fn what_can_not_be_read_is_not_gone() {
    let mut world = World::new(&["catalog", "one.yaml", "more/*.yaml"], 1);
    world.write("catalog/a.yaml", &component("a"));
    world.write("one.yaml", &component("one"));
    world.write("more/b.yaml", &component("b"));
    world.start();
    let state = world.until(|state| state.was_told("status Working")).await;
    fs::rename(world.at("catalog"), world.at("elsewhere")).expect("a folder");
    fs::remove_file(world.at("one.yaml")).expect("a file");
    fs::remove_dir_all(world.at("more")).expect("a folder");
    let all = "catalog does not exist; one.yaml does not exist; the folder more does not exist";
    let after = world.until(|state| state.was_told(all)).await;
    assert_eq!(state.in_words(), after.in_words());
    world.state.send_modify(|state| state.log.clear());
    fs::rename(world.at("elsewhere"), world.at("catalog")).expect("a folder");
    world.write("one.yaml", &component("one"));
    fs::create_dir(world.at("more")).expect("a folder");
    world
        .until(|state| state.was_told("status Working") && !state.has("files/a/more/b.yaml"))
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_catalog_that_takes_nothing_is_asked_again() {
    let mut world = World::new(&["catalog"], NEVER);
    world.write("catalog/a.yaml", &component("a"));
    let why = || "the disk is full".to_owned();
    world.mood.fail([
        EmitError::Stale { scope: "files/a/catalog/a.yaml".to_owned() },
        EmitError::Log { why: why() },
        EmitError::Known { why: why() },
    ]);
    world.start();
    let state = world.until(|state| state.was_told("status Working")).await;
    check(
        &state.log.join("\n"),
        expect![[r#"
        refused files/a/catalog/a.yaml
        refused files/a/catalog/a.yaml
        status Failing: the catalog takes nothing: the log could not be written: the disk is full
        refused files/a/catalog/a.yaml
        status Failing: the catalog takes nothing: what is known of the scope could not be read: the disk is full
        snapshot files/a/catalog/a.yaml
        status Working"#]],
    );
    // Retiring, too.
    world.mood.fail([EmitError::Clock { behind_s: 90 }]);
    fs::remove_file(world.at("catalog/a.yaml")).expect("a file");
    world.until(|state| state.scopes.is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_held_is_asked_for_again() {
    let mut world = World::new(&["catalog"], 1);
    world.write("catalog/a.yaml", &component("a"));
    world.write("catalog/b.yaml", &component("b"));
    world.start();
    world.until(|state| state.was_told("status Working")).await;
    world.mood.hold(true);
    fs::remove_file(world.at("catalog/a.yaml")).expect("a file");
    fs::remove_file(world.at("catalog/b.yaml")).expect("a file");
    world.until(|state| state.was_told("held files/a/catalog/a.yaml files/a/catalog/b.yaml")).await;
    world.mood.hold(false);
    world.until(|state| state.scopes.is_empty()).await;
    world.stop().await;
}

#[tokio::test]
async fn a_catalog_that_stops_ends_the_connector() {
    let mut world = World::new(&["catalog"], NEVER);
    world.write("catalog/a.yaml", &component("a"));
    world.mood.fail([EmitError::Stopped]);
    world.start();
    let running = world.running.take().expect("it runs");
    let ended = timeout(PATIENCE, running.connector).await.expect("it ends");
    ended.expect("no panic").expect("no error");

    world.start();
    world.until(|state| state.was_told("status Working")).await;
    let running = world.running.take().expect("it runs");
    running.catalog.abort();
    world.replace("catalog/a.yaml", &component("b"));
    let ended = timeout(PATIENCE, running.connector).await.expect("it ends");
    ended.expect("no panic").expect("no error");
}

#[tokio::test]
async fn a_configuration_that_is_none_is_refused() {
    let (emitter, _emissions) = connector::channel();
    let (_stop, stopping) = watch::channel(false);
    let (_sender, targets) = watch::channel(Arc::new(Vec::new()));
    let start = Start { cursor: None, scopes: Vec::new(), observed: Vec::new(), targets };
    let config = Config::new("a/b", vec!["x".into()]);
    let end = files::run(config, Vec::new(), start, emitter, stopping).await;
    assert!(matches!(end, Err(Error::Id(_))));
}
