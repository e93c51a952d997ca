use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;

/// A tree of empty files; a name that ends in `/` is a folder, `a -> b` a link.
fn tree(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in names {
        let (name, target) = name.split_once(" -> ").map_or((*name, None), |(a, b)| (a, Some(b)));
        let path = folder.path().join(name);
        let parent = if name.ends_with('/') { &path } else { path.parent().expect("a parent") };
        fs::create_dir_all(parent).expect("a folder");
        match target {
            Some(target) => symlink(target, &path).expect("a link"),
            None if name.ends_with('/') => {}
            None => fs::write(&path, "kind: A").expect("a file"),
        }
    }
    folder
}

fn scope(name: &str) -> ScopeName {
    ScopeName::new(&format!("files/a/{name}")).expect("a name")
}

/// `scope > target`, or `scope ? target` for an optional one.
fn target(text: &str) -> Target {
    let (from, target, optional) = match text.split_once(" > ") {
        Some((from, target)) => (from, target, false),
        None => {
            let (from, target) = text.split_once(" ? ").expect("a wish");
            (from, target, true)
        }
    };
    let from = from.rsplit_once('!').map_or((from, "all"), |(from, entity)| (from, entity));
    let entity = EntityRef::new("Location", "default", from.1).expect("a reference");
    let (target, scope) = (target.to_owned(), scope(from.0));
    Target { target, entity, scope, optional, origin: "".into(), refresh: None }
}

struct World<'a> {
    names: &'a [&'a str],
    paths: &'a [&'a str],
    roots: &'a [&'a str],
    targets: &'a [&'a str],
    known: &'a [&'a str],
    graced: &'a [&'a str],
}

const EMPTY: World<'_> =
    World { names: &[], paths: &[], roots: &[], targets: &[], known: &[], graced: &[] };

fn in_words(plan: &Plan, known: &BTreeSet<ScopeName>) -> String {
    let mut text = String::new();
    for file in &plan.files {
        let plain = |text: &str| text.replace("file:", "");
        write!(text, "{}", file.scope.as_str().replace("files/a/", "")).expect("a text");
        if file.is_lenient {
            text.push_str(" lenient");
        }
        if file.origin != file.location {
            write!(text, " from {}", plain(&file.origin)).expect("a text");
        }
        if let Some(about) = &file.about {
            write!(text, " for {about}").expect("a text");
        }
        if let Err(fault) = &file.real {
            write!(text, " {}: {}", fault.name, fault.message).expect("a text");
        }
        text.push('\n');
    }
    for (scope, faults) in &plan.faults {
        for Broken { item, about, fault, .. } in faults {
            let about = about.as_ref().map_or("", EntityRef::as_str);
            let scope = scope.as_str().replace("files/a/", "");
            writeln!(text, "FAULT {scope} [{item}] {about} {}: {}", fault.name, fault.message)
                .expect("a text");
        }
    }
    for problem in &plan.problems {
        writeln!(text, "PROBLEM {problem}").expect("a text");
    }
    let kept = known.iter().filter(|scope| plan.keeps(scope));
    kept.for_each(|scope| writeln!(text, "KEPT {scope}").expect("a text"));
    plan.spared.iter().for_each(|scope| writeln!(text, "SPARED {scope}").expect("a text"));
    text
}

#[expect(clippy::needless_pass_by_value, reason = "as it is made by the macro")]
fn check(world: World<'_>, expected: Expect) {
    let folder = tree(world.names);
    let all = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let config = Config::new("a", all(world.paths))
        .with_roots(all(world.roots))
        .in_folder(folder.path().to_owned());
    let known = world.known.iter().map(|name| scope(name)).collect();
    let targets: Vec<Target> = world.targets.iter().map(|text| target(text)).collect();
    let asked = Asked {
        config: &config,
        targets: &targets,
        known: &known,
        graced: &world.graced.iter().map(|name| scope(name)).collect(),
        origins: &HashMap::from([(scope("gone.yaml"), "file:origin.yaml".into())]),
        stop: &AtomicBool::new(false),
    };
    let text = in_words(&plan(asked).expect("a plan"), &known);
    assert_eq!(text, in_words(&plan(asked).expect("a plan"), &known), "the same again");
    let text = text.replace(&folder.path().display().to_string(), "$");
    expected.assert_eq(&text);
}

#[test]
fn configured_paths() {
    check(
        World {
            names: &["c/x.yaml", "c/y/z.yml", "one.yaml", "m/a.yaml", "m/b.yaml", "m/c.txt"],
            paths: &["./c/", "one.yaml", "m/*.yaml", "./c/x.yaml"],
            ..EMPTY
        },
        expect![[r#"
            c/x.yaml
            c/y/z.yml lenient
            one.yaml
            m/a.yaml
            m/b.yaml
        "#]],
    );
    check(
        World { names: &["x.yaml", "y/z.yaml"], paths: &["."], ..EMPTY },
        expect![[r#"
        x.yaml lenient
        y/z.yaml lenient
    "#]],
    );
}

#[test]
fn what_can_not_be_listed_is_kept() {
    check(
        World {
            names: &[
                "c/x.yaml",
                "c/away -> ../nothing",
                "c/lost.yaml -> nothing",
                "c/other.yaml -> nothing",
            ],
            paths: &["c", "d", "e.yaml", "f/*.yaml", "g/{"],
            known: &[
                "c/x.yaml",
                "c/old.yaml",
                "c/away/a.yaml",
                "c/lost.yaml",
                "d/a.yaml",
                "d2/a.yaml",
                "e.yaml",
                "f/a.yaml",
                "g/a.yaml",
            ],
            ..EMPTY
        },
        expect![[r#"
            c/x.yaml lenient
            c/lost.yaml lenient NotFoundError: c/lost.yaml is a link to something that does not exist
            PROBLEM c/away is a link to something that does not exist
            PROBLEM d does not exist
            PROBLEM e.yaml does not exist
            PROBLEM the folder f does not exist
            PROBLEM g/{ is no pattern for files: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
            KEPT files/a/c/away/a.yaml
            KEPT files/a/d/a.yaml
            KEPT files/a/e.yaml
            KEPT files/a/f/a.yaml
            KEPT files/a/g/a.yaml
        "#]],
    );
}

#[test]
fn links_out_of_the_folder() {
    check(
        World {
            names: &[
                "out/a.yaml",
                "out.yaml",
                "c/x.yaml -> ../out.yaml",
                "c/y -> ../out",
                "c/z -> .",
            ],
            paths: &["c"],
            ..EMPTY
        },
        expect![[r#"
            c/x.yaml lenient NotAllowedError: c/x.yaml lies outside of the folders that may be read; the option `roots` of the connector names further ones
        "#]],
    );
    check(
        World {
            names: &["out/a.yaml", "out.yaml", "c/x.yaml -> ../out.yaml", "c/y -> ../out"],
            paths: &["c"],
            roots: &["."],
            ..EMPTY
        },
        expect![[r#"
            c/x.yaml lenient
            c/y/a.yaml lenient
        "#]],
    );
}

#[test]
fn targets_are_followed_from_configured_files_on() {
    check(
        World {
            names: &[
                "c/all.yaml",
                "more/a.yaml",
                "more/b.yaml",
                "more/c.yaml",
                "island/a.yaml",
                "more/q/",
            ],
            paths: &["c/all.yaml"],
            roots: &["more", "island"],
            targets: &[
                "c/all.yaml > more/a.yaml",
                "c/all.yaml!two > more/q/../a.yaml",
                "more/a.yaml > more/b.yaml",
                "more/b.yaml > more/a.yaml",
                "more/b.yaml > c/all.yaml",
                "island/a.yaml > more/c.yaml",
                "other/scope > more/c.yaml",
            ],
            ..EMPTY
        },
        expect![[r#"
            c/all.yaml for location:default/all
            more/a.yaml from c/all.yaml for location:default/all
            more/b.yaml from c/all.yaml for location:default/all
        "#]],
    );
}

#[test]
fn links_in_circles() {
    let names = ["g/a/x.yaml", "g/b/y.yaml", "g/a/to-b -> ../b", "g/b/to-a -> ../a", "g/up -> .."];
    check(
        World { names: &names, paths: &["g"], ..EMPTY },
        expect![[r#"
        g/a/x.yaml lenient
        g/b/y.yaml lenient
    "#]],
    );
    check(
        World { names: &names, paths: &["g/**/*.yaml"], ..EMPTY },
        expect![[r#"
        g/a/x.yaml
        g/b/y.yaml
    "#]],
    );
    check(
        World { names: &names, paths: &["g/*/to-*/*.yaml"], ..EMPTY },
        expect![[r#"
        g/a/to-b/y.yaml
        g/b/to-a/x.yaml
    "#]],
    );
}

#[test]
fn a_target_in_a_folder_is_no_longer_taken_for_foreign() {
    check(
        World {
            names: &["c/all.yaml", "c/b.yaml"],
            paths: &["c"],
            targets: &["c/all.yaml > c/b.yaml"],
            ..EMPTY
        },
        expect![[r#"
            c/all.yaml lenient
            c/b.yaml for location:default/all
        "#]],
    );
}

#[test]
fn globs_in_targets() {
    check(
        World {
            names: &[
                "c/all.yaml",
                "c/s/a.yaml",
                "c/s/t/b.yaml",
                "c/s/.h.yaml",
                "c/[x].yaml",
                "c/l.yaml -> ../out.yaml",
                "out.yaml",
            ],
            paths: &["c/all.yaml"],
            targets: &[
                "c/all.yaml > c/s/*.yaml",
                "c/all.yaml > c/**/b.yaml",
                "c/all.yaml > c/[x].yaml",
                "c/all.yaml > c/l*.yaml",
                "c/all.yaml > c/none/*.yaml",
                "c/all.yaml ? c/none/*.yml",
                "c/all.yaml > c/{",
                "c/all.yaml > *.yaml",
            ],
            ..EMPTY
        },
        expect![[r#"
            c/all.yaml
            c/s/t/b.yaml from c/all.yaml for location:default/all
            c/[x].yaml from c/all.yaml for location:default/all
            c/l.yaml from c/all.yaml for location:default/all NotAllowedError: c/l.yaml lies outside of the folders that may be read; the option `roots` of the connector names further ones
            c/s/a.yaml from c/all.yaml for location:default/all
            FAULT *.yaml [*.yaml] location:default/all NotAllowedError: file *.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
            FAULT c/none/*.yaml [c/none/*.yaml] location:default/all NotFoundError: file c/none/*.yaml does not exist
            FAULT c/{ [c/{] location:default/all InputError: file c/{ is not read: it is no pattern for files: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
        "#]],
    );
}

#[test]
fn targets_that_are_not_read() {
    check(
        World {
            names: &[
                "c/all.yaml",
                "c/b/near.yaml",
                "c/near.yaml",
                "out.yaml",
                "c/link.yaml -> ../out.yaml",
                "c/folder/",
            ],
            paths: &["c/all.yaml"],
            targets: &[
                "c/all.yaml > c/none.yaml",
                "c/all.yaml!two > c/none.yaml",
                "c/all.yaml ? c/perhaps.yaml",
                "c/all.yaml > b/near.yaml",
                "c/all.yaml!two > near.yaml",
                "c/all.yaml > c/folder",
                "c/all.yaml > c/folder/",
                "c/all.yaml > out.yaml",
                "c/all.yaml > c/link.yaml",
                "c/all.yaml > ../../../../../../../../../../etc/passwd",
                "c/all.yaml > ../../../../../../../../../../etc/none",
                "c/all.yaml > /etc/passwd",
                "c/all.yaml > c/a\0b",
                "c/all.yaml > c/a\nb",
                "c/all.yaml > ",
            ],
            ..EMPTY
        },
        expect![[r#"
            c/all.yaml
            FAULT ../../../../../../../../../../etc/none [../../../../../../../../../../etc/none] location:default/all NotAllowedError: file ../../../../../../../../../../etc/none is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
            FAULT ../../../../../../../../../../etc/passwd [../../../../../../../../../../etc/passwd] location:default/all NotAllowedError: file ../../../../../../../../../../etc/passwd is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
            FAULT / [/] location:default/all InputError: file  is not read: a path can't be empty, nor hold a NUL character
            FAULT /etc/passwd [/etc/passwd] location:default/all NotAllowedError: file /etc/passwd is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
            FAULT b/near.yaml [b/near.yaml] location:default/all NotAllowedError: file b/near.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones; a path that is seen from the file that names it begins with `./`
            FAULT c/a%00b [c/a%00b] location:default/all InputError: file c/a%00b is not read: a path can't be empty, nor hold a NUL character
            FAULT c/a%0Ab [c/a%0Ab] location:default/all NotFoundError: file c/a%0Ab does not exist
            FAULT c/folder [c/folder] location:default/all InputError: file c/folder is not read: it is a folder, and a target names files; with `/*.yaml` after it, it would name those in it
            FAULT c/folder/ [c/folder/] location:default/all InputError: file c/folder/ is not read: it ends with a path separator, and a target names files, not a folder
            FAULT c/link.yaml [c/link.yaml] location:default/all NotAllowedError: file c/link.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
            FAULT c/none.yaml [c/none.yaml] location:default/all NotFoundError: file c/none.yaml does not exist
            FAULT c/none.yaml [c/none.yaml (location:default/two)] location:default/two NotFoundError: file c/none.yaml does not exist
            FAULT near.yaml [near.yaml] location:default/two NotAllowedError: file near.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones; a path that is seen from the file that names it begins with `./`
            FAULT out.yaml [out.yaml] location:default/all NotAllowedError: file out.yaml is not read: it lies outside of the folders that may be read; the option `roots` of the connector names further ones
        "#]],
    );
    let long = format!("c/all.yaml > c/{}", "x".repeat(4000));
    let folder = ["c/all.yaml"];
    check(
        World { names: &folder, paths: &folder, targets: &[&long], ..EMPTY },
        expect![[r#"
        c/all.yaml
        FAULT c/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%~86f31c896f9309d5b7738ed8ddd6bd4c [c/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%~86f31c896f9309d5b7738ed8ddd6bd4c] location:default/all Error: file c/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… is not read: it could not be read: file name too long
    "#]],
    );
}

#[test]
fn a_glob_that_matches_everything_is_cut() {
    let names: Vec<String> = (0..10_001).map(|number| format!("c/{number}.yaml")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = tree(&names);
    let config = Config::new("a", vec!["c/0.yaml".into()]).in_folder(folder.path().to_owned());
    let known = BTreeSet::from([scope("c/old.yaml")]);
    let targets = [target("c/0.yaml > c/**")];
    let asked = Asked {
        config: &config,
        targets: &targets,
        known: &known,
        graced: &BTreeSet::new(),
        origins: &HashMap::new(),
        stop: &AtomicBool::new(false),
    };
    let plan = plan(asked).expect("a plan");
    assert_eq!(plan.files.len(), 10_000);
    assert!(plan.keeps(&scope("c/old.yaml")));
    let faults: Vec<&Broken> = plan.faults.values().flatten().collect();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].fault.message.contains("more than 10000 files"), "{faults:?}");
    asked.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(super::plan(asked).is_err(), "told to stop");
}

#[test]
fn scopes_that_went_are_heeded_for_a_while() {
    check(
        World {
            names: &["c/b.yaml", "c/a.yaml", "all.yaml"],
            paths: &["all.yaml"],
            known: &["all.yaml", "gone.yaml"],
            graced: &["gone.yaml"],
            targets: &["gone.yaml > c/b.yaml"],
            roots: &["c"],
        },
        expect![[r#"
            all.yaml
            c/b.yaml from origin.yaml for location:default/all
        "#]],
    );
    check(
        World {
            names: &["c/b.yaml", "c/a.yaml", "all.yaml"],
            paths: &["all.yaml"],
            known: &["all.yaml", "gone.yaml", "c/a.yaml", "c/b.yaml"],
            targets: &["gone.yaml > c/a.yaml", "c/a.yaml > c/b.yaml", "c/b.yaml > c/a.yaml"],
            roots: &["c"],
            ..EMPTY
        },
        expect![[r#"
            all.yaml
            SPARED files/a/c/a.yaml
            SPARED files/a/c/b.yaml
        "#]],
    );
}
