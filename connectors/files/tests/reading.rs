//! What is read from files, folders and globs, as `annals check` and `annals ingest` see it.

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use files::read::{Item, Reader, limits, stream};
use model::yaml::Limits;
use tempfile::TempDir;

/// Writes files into a new folder. A name that ends in `/` is a folder.
fn tree(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        let parent = if name.ends_with('/') { &path } else { path.parent().expect("a parent") };
        fs::create_dir_all(parent).expect("a folder");
        if !name.ends_with('/') {
            fs::write(&path, content).expect("a file");
        }
    }
    folder
}

fn line(item: &Item) -> String {
    let at = item.line.map_or(String::new(), |line| format!(" line {line}"));
    match &item.content {
        Ok(found) => {
            let pointer = found.pointer.as_deref().unwrap_or("nowhere");
            format!("{pointer}{at} {}", found.document)
        }
        Err(broken) => {
            let about = broken.about.as_ref().map_or(String::new(), |about| format!(" ({about})"));
            let (name, message) = (&broken.fault.name, &broken.fault.message);
            format!("BROKEN {}{at}{about}: {name}: {message}", broken.item)
        }
    }
}

fn read(reader: &Reader) -> String {
    let mut text = String::new();
    let end = reader.visit(&mut |item| {
        writeln!(text, "{}", line(&item)).expect("a text");
        ControlFlow::Continue(())
    });
    if let Err(error) = end {
        writeln!(text, "ERROR {error}").expect("a text");
    }
    text
}

#[expect(clippy::needless_pass_by_value, reason = "as it is made by the macro")]
fn check_in(folder: &Path, paths: &[&str], expected: Expect) {
    let reader = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        Reader::new(paths)
    };
    let text = read(&reader(paths));
    assert_eq!(text, read(&reader(paths)), "the same tree reads the same");
    expected.assert_eq(&text.replace(&folder.display().to_string(), "$"));
}

fn check(files: &[(&str, &[u8])], paths: &[&str], expected: Expect) {
    check_in(tree(files).path(), paths, expected);
}

#[test]
fn files_of_every_kind() {
    check(
        &[
            ("a.yaml", b"kind: A\n---\n# nothing\n---\nkind: B\n"),
            ("b.yml", b"\xef\xbb\xbfkind: C\r\n"),
            ("c.json", b"{\"kind\": \"D\",\n\t\"x\": 1.0}\n"),
            ("d.ndjson", b"{\"kind\": \"E\"}\n\n{\"kind\": \"F\"}"),
            ("e.json", b"[{\"kind\": \"G\"}]"),
        ],
        &["a.yaml", "b.yml", "c.json", "d.ndjson", "e.json"],
        expect![[r#"
            $/a.yaml#0 line 1 {"kind":"A"}
            $/a.yaml#2 line 5 {"kind":"B"}
            $/b.yml#0 line 1 {"kind":"C"}
            $/c.json#0 line 1 {"kind":"D","x":1}
            $/d.ndjson#0 line 1 {"kind":"E"}
            $/d.ndjson#1 line 3 {"kind":"F"}
            $/e.json#0 line 1 [{"kind":"G"}]
        "#]],
    );
}

#[test]
fn files_without_a_telling_name() {
    check(
        &[
            ("lines", b"{\"kind\": \"A\"}\n{\"kind\": \"B\"}\n"),
            ("text", b"kind: A\n---\nkind: B\n"),
            ("json", b"{\n\"kind\": \"A\"\n}"),
        ],
        &["lines", "text", "json"],
        expect![[r#"
            $/lines#0 line 1 {"kind":"A"}
            $/lines#1 line 2 {"kind":"B"}
            $/text#0 line 1 {"kind":"A"}
            $/text#1 line 3 {"kind":"B"}
            $/json#0 line 1 {"kind":"A"}
        "#]],
    );
}

#[test]
fn folders_are_searched_and_named_files_are_taken_as_they_are() {
    check(
        &[
            ("x/b.yaml", b"{apiVersion: backstage.io/v1, kind: B}"),
            ("x/a/z.json", b"{\"apiVersion\": \"backstage.io/v1\", \"kind\": \"Z\"}"),
            ("x/a.txt", b"{apiVersion: backstage.io/v1, kind: T}"),
            ("x/.hidden/a.yaml", b"{apiVersion: backstage.io/v1, kind: H}"),
            ("x/.a.yaml", b"{apiVersion: backstage.io/v1, kind: H}"),
            ("x/node_modules/a.yaml", b"{apiVersion: backstage.io/v1, kind: N}"),
            ("x/a/target/a.yaml", b"{apiVersion: backstage.io/v1, kind: N}"),
            ("x/foreign.yaml", b"on: push"),
        ],
        &["x", "x/a.txt", "x/b.yaml"],
        expect![[r#"
            $/x/a/z.json#0 line 1 {"apiVersion":"backstage.io/v1","kind":"Z"}
            $/x/b.yaml#0 line 1 {"apiVersion":"backstage.io/v1","kind":"B"}
            $/x/a.txt#0 line 1 {"apiVersion":"backstage.io/v1","kind":"T"}
        "#]],
    );
}

#[test]
fn globs() {
    let files: &[(&str, &[u8])] = &[
        ("x/a.yaml", b"kind: A"),
        ("x/b.yml", b"kind: B"),
        ("x/y/c.yaml", b"kind: C"),
        ("x/y/z/d.yaml", b"kind: D"),
        ("x/.h/e.yaml", b"kind: E"),
        ("x/node_modules/f.yaml", b"kind: F"),
        ("x/[g].yaml", b"kind: G"),
    ];
    check(
        files,
        &["x/*.yaml"],
        expect![[r#"
        $/x/[g].yaml#0 line 1 {"kind":"G"}
        $/x/a.yaml#0 line 1 {"kind":"A"}
    "#]],
    );
    check(
        files,
        &["x/**/*.yaml"],
        expect![[r#"
        $/x/[g].yaml#0 line 1 {"kind":"G"}
        $/x/a.yaml#0 line 1 {"kind":"A"}
        $/x/y/c.yaml#0 line 1 {"kind":"C"}
        $/x/y/z/d.yaml#0 line 1 {"kind":"D"}
    "#]],
    );
    check(
        files,
        &["x/*/*.yaml", "x/.*/*.yaml"],
        expect![[r#"
        $/x/y/c.yaml#0 line 1 {"kind":"C"}
        $/x/.h/e.yaml#0 line 1 {"kind":"E"}
    "#]],
    );
    check(
        files,
        &["x/{a,b}.y*ml", "x/[ab].yaml"],
        expect![[r#"
        $/x/a.yaml#0 line 1 {"kind":"A"}
        $/x/b.yml#0 line 1 {"kind":"B"}
    "#]],
    );
    check(
        files,
        &["x/[g].yaml"],
        expect![[r#"
        $/x/[g].yaml#0 line 1 {"kind":"G"}
    "#]],
    );
    check(
        files,
        &["x/*.none"],
        expect![[r#"
        ERROR $/x/*.none matches no file
    "#]],
    );
    check(
        files,
        &["none/*"],
        expect![[r#"
        ERROR $/none/* matches no file
    "#]],
    );
    check(
        files,
        &["x/{a"],
        expect![[r#"
        ERROR $/x/{a is no pattern for files: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    "#]],
    );
}

#[test]
fn what_is_wrong_is_said_by_file_line_and_document() {
    check(
        &[
            ("a.yaml", b"kind: A\n---\nkind: [\n---\nkind: C\n---\nkind: D\nkind: E\n"),
            ("b.ndjson", b"{\"kind\": \"A\"}\n{\"kind\": \n{\"kind\": \"C\"}\n"),
            ("empty.yaml", b" \n"),
            ("comment.yaml", b"# nothing yet\n"),
            ("latin.yaml", b"kind: A\nname: \xe4\n"),
            ("utf16.yaml", b"\xff\xfek\0i\0"),
            ("laughs.yaml", b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"),
            ("deep.json", "[".repeat(5000).as_bytes()),
            ("secret.yaml", b"password: hunter2: hunter3\n"),
        ],
        &["*.*"],
        expect![[r#"
            $/a.yaml#0 line 1 {"kind":"A"}
            BROKEN $/a.yaml#1 line 3: InputError: $/a.yaml, line 3, column 7, in the second document: unclosed bracket '['
            $/a.yaml#2 line 5 {"kind":"C"}
            BROKEN $/a.yaml#3 line 8: InputError: $/a.yaml, line 8, column 1, in the fourth document: the key "kind" stands twice in one mapping
            $/b.ndjson#0 line 1 {"kind":"A"}
            BROKEN $/b.ndjson#1 line 2: InputError: $/b.ndjson, line 2, column 9, in the second document: EOF while parsing a value
            $/b.ndjson#2 line 3 {"kind":"C"}
            BROKEN $/deep.json#0 line 1: InputError: $/deep.json, line 1, column 102, in the first document: more than 100 levels of nesting
            BROKEN $/empty.yaml: InputError: $/empty.yaml is empty; a file that is to show nothing is deleted
            BROKEN $/latin.yaml: InputError: $/latin.yaml, line 2: a byte is no UTF-8; the file has to be saved as UTF-8
            BROKEN $/laughs.yaml#0 line 5: InputError: $/laughs.yaml, line 5, column 37, in the first document: more than 200000 values copied by aliases
            BROKEN $/secret.yaml#0 line 1: InputError: $/secret.yaml, line 1, column 18, in the first document: mapping values are not allowed in this context
            BROKEN $/utf16.yaml: InputError: $/utf16.yaml is in UTF-16; it has to be saved as UTF-8
        "#]],
    );
}

#[test]
fn what_is_no_file_is_said_to_be_none() {
    let folder = tree(&[
        ("x/", b""),
        ("x/sub/", b""),
        ("out.yaml", b"{apiVersion: backstage.io/v1, kind: O}"),
        ("out/a.yaml", b"{apiVersion: backstage.io/v1, kind: O}"),
    ]);
    let at = |name: &str| folder.path().join("x").join(name);
    symlink("nothing.yaml", at("dangling.yaml")).expect("a link");
    symlink("self.yaml", at("self.yaml")).expect("a link");
    symlink("..", at("sub/loop")).expect("a link");
    symlink("../out.yaml", at("escape.yaml")).expect("a link");
    symlink("../out", at("outside")).expect("a link");
    symlink("/dev/null", at("null.yaml")).expect("a link");
    fs::create_dir(at("folder.yaml")).expect("a folder");
    let made = std::process::Command::new("mkfifo").arg(at("pipe.yaml")).status();
    assert!(made.expect("mkfifo").success());
    check_in(
        folder.path(),
        &["x"],
        expect![[r#"
            BROKEN $/x/outside: NotAllowedError: $/x/outside lies outside of the folders that may be read; the option `roots` of the connector names further ones
            BROKEN $/x/sub/loop: InputError: $/x/sub/loop is a link that leads back to a folder in which it lies
            BROKEN $/x/dangling.yaml: NotFoundError: $/x/dangling.yaml is a link to something that does not exist
            BROKEN $/x/escape.yaml: NotAllowedError: $/x/escape.yaml lies outside of the folders that may be read; the option `roots` of the connector names further ones
            BROKEN $/x/null.yaml: NotAllowedError: $/x/null.yaml lies outside of the folders that may be read; the option `roots` of the connector names further ones
            BROKEN $/x/self.yaml: Error: $/x/self.yaml could not be read: too many levels of symbolic links
        "#]],
    );
    check_in(
        folder.path(),
        &["x/pipe.yaml"],
        expect![[r#"
        BROKEN $/x/pipe.yaml: InputError: $/x/pipe.yaml is a pipe, and no file that can be read
    "#]],
    );
    check_in(
        folder.path(),
        &["x/none.yaml"],
        expect![[r#"
        ERROR $/x/none.yaml does not exist
    "#]],
    );
    check_in(
        folder.path(),
        &["x/escape.yaml"],
        expect![[r#"
            $/x/escape.yaml#0 line 1 {"apiVersion":"backstage.io/v1","kind":"O"}
        "#]],
    );
}

#[test]
fn a_file_is_read_once_by_its_own_name() {
    let folder = tree(&[("x/b/real.yaml", b"{apiVersion: backstage.io/v1, kind: A}")]);
    symlink("b", folder.path().join("x/a")).expect("a link");
    symlink("b/real.yaml", folder.path().join("x/a.yaml")).expect("a link");
    check_in(
        folder.path(),
        &["x", "x/b/real.yaml", "./x"],
        expect![[r#"
            $/x/b/real.yaml#0 line 1 {"apiVersion":"backstage.io/v1","kind":"A"}
        "#]],
    );
}

#[test]
fn a_huge_file_is_refused_and_huge_ndjson_is_not() {
    let large = limits().bytes_max + 1;
    let folder = tree(&[]);
    fs::write(folder.path().join("a.yaml"), "#".repeat(large)).expect("a file");
    let line = format!("{{\"a\": \"{}\"}}\n", "x".repeat(1 << 20));
    fs::write(folder.path().join("b.ndjson"), line.repeat(12)).expect("a file");
    let (mut found, mut broken) = (0, Vec::new());
    let reader = Reader::new(vec![folder.path().join("*")]);
    let end = reader.visit(&mut |item| {
        match item.content {
            Ok(_) => found += 1,
            Err(error) => broken.push(error.fault.message),
        }
        ControlFlow::Continue(())
    });
    assert!(end.is_ok());
    assert_eq!((found, broken.len()), (12, 1));
    assert!(broken[0].contains("a.yaml is larger than 10 MiB"), "{}", broken[0]);
}

#[test]
fn annotations_are_set_where_the_document_says_nothing() {
    check(
        &[(
            "a.yaml",
            b"metadata: {name: a}\n---\nmetadata: {annotations: }\n---\nmetadata: {annotations: {backstage.io/managed-by-location: 'url:https://x', z: y}}\n---\nmetadata: {annotations: [odd]}\n---\nmetadata: odd\n---\njust text\n",
        )],
        &["a.yaml"],
        expect![[r#"
            $/a.yaml#0 line 1 {"metadata":{"name":"a","annotations":{"backstage.io/managed-by-location":"file:$/a.yaml","backstage.io/managed-by-origin-location":"file:$/a.yaml"}}}
            $/a.yaml#1 line 3 {"metadata":{"annotations":{"backstage.io/managed-by-location":"file:$/a.yaml","backstage.io/managed-by-origin-location":"file:$/a.yaml"}}}
            $/a.yaml#2 line 5 {"metadata":{"annotations":{"backstage.io/managed-by-location":"url:https://x","z":"y","backstage.io/managed-by-origin-location":"file:$/a.yaml"}}}
            $/a.yaml#3 line 7 {"metadata":{"annotations":["odd"]}}
            $/a.yaml#4 line 9 {"metadata":"odd"}
            $/a.yaml#5 line 11 "just text"
        "#]],
    );
}

#[test]
fn placeholders() {
    check(
        &[
            ("x/a.yaml", b"kind: A\nmetadata: {name: a}\nspec: {a: {$text: ./t.md}, b: [{$json: ../x/j.json}, {$yaml: y.yaml}], c: {$other: ./t.md}, d: {$text: t.md, e: 1}}\n"),
            ("x/t.md", b"# {$text: ./t.md}\n"),
            ("x/j.json", b"{\"$text\": \"stays\"}"),
            ("x/y.yaml", b"- 1\n- 2\n"),
        ],
        &["x/a.yaml"],
        expect![[r##"
            $/x/a.yaml#0 line 1 {"kind":"A","metadata":{"name":"a","annotations":{"backstage.io/managed-by-location":"file:$/x/a.yaml","backstage.io/managed-by-origin-location":"file:$/x/a.yaml"}},"spec":{"a":"# {$text: ./t.md}\n","b":[{"$text":"stays"},[1,2]],"c":{"$other":"./t.md"},"d":{"$text":"t.md","e":1}}}
        "##]],
    );
}

#[test]
fn placeholders_that_can_not_be_replaced() {
    let document = |placeholder: &str| {
        format!("kind: A\nmetadata: {{name: a}}\nspec: {{x: {placeholder}}}\n---\n")
    };
    let text: String = [
        "{$text: ./none.md}",
        "{$text: https://example.com/x}",
        "{$text: /etc/passwd}",
        "{$text: ../out.md}",
        "{$text: ./link.md}",
        "{$text: ../../../../../../../../../../etc/passwd}",
        "{$text: \"\"}",
        "{$text: \"a\\0b\"}",
        "{$text: .}",
        "{$text: 1}",
        "{$json: ./t.md}",
        "{$yaml: ./two.yaml}",
        "{$json: ./latin.json}",
    ]
    .into_iter()
    .map(document)
    .collect();
    let folder = tree(&[
        ("x/a.yaml", text.as_bytes()),
        ("x/t.md", b"secret"),
        ("x/two.yaml", b"a\n---\nb\n"),
        ("x/latin.json", b"\"\xe4\""),
        ("out.md", b"secret"),
    ]);
    symlink("../out.md", folder.path().join("x/link.md")).expect("a link");
    check_in(
        folder.path(),
        &["x/a.yaml"],
        expect![[r#"
        BROKEN $/x/a.yaml#0 line 1 (a:default/a): NotFoundError: $/x/a.yaml, line 1, in the first document: Placeholder $text at /spec/x could not read ./none.md: $/x/none.md does not exist
        BROKEN $/x/a.yaml#1 line 5 (a:default/a): NotAllowedError: $/x/a.yaml, line 5, in the second document: Placeholder $text at /spec/x could not read https://example.com/x: reading URLs is not configured here, only paths relative to the file
        BROKEN $/x/a.yaml#2 line 9 (a:default/a): InputError: $/x/a.yaml, line 9, in the third document: Placeholder $text at /spec/x could not read /etc/passwd: it has to be a path relative to the file
        BROKEN $/x/a.yaml#3 line 13 (a:default/a): NotAllowedError: $/x/a.yaml, line 13, in the fourth document: Placeholder $text at /spec/x could not read ../out.md: $/x/../out.md lies outside of the folders that may be read; the option `roots` of the connector names further ones
        BROKEN $/x/a.yaml#4 line 17 (a:default/a): NotAllowedError: $/x/a.yaml, line 17, in the fifth document: Placeholder $text at /spec/x could not read ./link.md: $/x/link.md lies outside of the folders that may be read; the option `roots` of the connector names further ones
        BROKEN $/x/a.yaml#5 line 21 (a:default/a): NotAllowedError: $/x/a.yaml, line 21, in the sixth document: Placeholder $text at /spec/x could not read ../../../../../../../../../../etc/passwd: $/x/../../../../../../../../../../etc/passwd lies outside of the folders that may be read; the option `roots` of the connector names further ones
        BROKEN $/x/a.yaml#6 line 25 (a:default/a): InputError: $/x/a.yaml, line 25, in the seventh document: Placeholder $text at /spec/x could not read : it has to be a path relative to the file
        BROKEN $/x/a.yaml#7 line 29 (a:default/a): InputError: $/x/a.yaml, line 29, in the eighth document: Placeholder $text at /spec/x could not read a%00b: it has to be a path relative to the file
        BROKEN $/x/a.yaml#8 line 33 (a:default/a): InputError: $/x/a.yaml, line 33, in the ninth document: Placeholder $text at /spec/x could not read .: $/x is a folder, and no file that can be read
        BROKEN $/x/a.yaml#9 line 37 (a:default/a): InputError: $/x/a.yaml, line 37, in the tenth document: /spec/x: Placeholder $text expected a string value parameter, in the form of an absolute URL or a relative path
        BROKEN $/x/a.yaml#10 line 41 (a:default/a): InputError: $/x/a.yaml, line 41, in the 11th document: Placeholder $json failed to parse JSON data at ./t.md, line 1, column 1: expected value
        BROKEN $/x/a.yaml#11 line 45 (a:default/a): InputError: $/x/a.yaml, line 45, in the 12th document: Placeholder $yaml expected to find exactly one document of data at ./two.yaml, found 2
        $/x/a.yaml#12 line 49 {"kind":"A","metadata":{"name":"a","annotations":{"backstage.io/managed-by-location":"file:$/x/a.yaml","backstage.io/managed-by-origin-location":"file:$/x/a.yaml"}},"spec":{"x":"�"}}
    "#]],
    );
    let reader = Reader::new(vec![folder.path().join("x/a.yaml")]);
    let text = read(&reader.with_roots(vec![folder.path().to_owned()]));
    assert_eq!(text.matches("lies outside").count(), 1, "{text}");
}

#[test]
fn placeholders_have_a_budget() {
    let folder = tree(&[("a.yaml", b"")]);
    let list: String = (0..20).map(|_| "{$text: ./big.md}, ").collect();
    fs::write(folder.path().join("a.yaml"), format!("kind: A\nspec: [{list}]\n")).expect("a file");
    fs::write(folder.path().join("big.md"), "x".repeat(1 << 20)).expect("a file");
    let text = read(&Reader::new(vec![folder.path().join("a.yaml")]));
    assert!(text.contains("10 MiB are the most"), "{}", text.chars().take(500).collect::<String>());
    let limits = Limits { bytes_max: 100 << 20, ..limits() };
    let text = read(&Reader::new(vec![folder.path().join("a.yaml")]).with_limits(limits));
    assert!(!text.contains("BROKEN"), "{}", text.chars().take(500).collect::<String>());
}

#[test]
fn streams_are_told_by_what_they_hold() {
    for (text, expected) in [
        (
            "\n{\"kind\": \"A\"}\n{\"kind\": \"B\"}\n",
            "in#0 line 2 {\"kind\":\"A\"}\nin#1 line 3 {\"kind\":\"B\"}\n",
        ),
        ("{\n\"kind\": \"A\"}\n", "in#0 line 1 {\"kind\":\"A\"}\n"),
        ("kind: A\n---\nkind: B\n", "in#0 line 1 {\"kind\":\"A\"}\nin#1 line 3 {\"kind\":\"B\"}\n"),
        (
            "metadata: {}\nspec: {$text: ./x}\n",
            "BROKEN in#0 line 1: InputError: in, line 1, in the first document: Placeholder $text at /spec could not read ./x: documents from standard input have no folder to which it could be relative\n",
        ),
        ("", "BROKEN in: InputError: in is empty; a file that is to show nothing is deleted\n"),
    ] {
        let mut found = String::new();
        let end = stream("in", text.as_bytes(), limits(), &mut |item| {
            writeln!(found, "{}", line(&item)).expect("a text");
            ControlFlow::Continue(())
        });
        assert!(end.is_continue());
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn whoever_reads_may_have_enough() {
    let folder = tree(&[("a.yaml", b"kind: A\n---\nkind: B\n"), ("b.yaml", b"kind: C")]);
    let mut count = 0;
    let paths = ["a.yaml", "b.yaml"].map(|name| folder.path().join(name));
    let end = Reader::new(paths.to_vec()).visit(&mut |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(end.is_ok());
    assert_eq!(count, 1);
}

#[test]
fn files_of_a_folder_that_are_no_catalogs_are_passed_over() {
    let folder = tree(&[
        ("a.yaml", b"apiVersion: backstage.io/v1alpha1\nkind: A\n"),
        ("b.yaml", b"apiVersion: v1\nkind: Pod\n"),
        ("c.yaml", b"apiVersion: example.com/v1\nkind: C\n"),
        ("d.yaml", b"openapi: {"),
        ("e.yaml", b"apiVersion: backstage.io/v1alpha1\nkind: {"),
    ]);
    let read = |reader: Reader| {
        let mut found = Vec::new();
        let passed_over = reader.visit(&mut |item| {
            found.push(item.content.map(|found| found.document["kind"].clone()).ok());
            ControlFlow::Continue(())
        });
        (found, passed_over.expect("a folder"))
    };
    let all = || Reader::new(vec![folder.path().to_owned()]);
    assert_eq!(read(all()), (vec![Some("A".into()), None], 3));
    let with = all().with_api_versions(vec!["example.com/v1".into()]);
    assert_eq!(read(with), (vec![Some("A".into()), Some("C".into()), None], 2));
    // Whoever names a file means it.
    let named = Reader::new(vec![folder.path().join("b.yaml")]);
    assert_eq!(read(named), (vec![Some("Pod".into())], 0));
}
