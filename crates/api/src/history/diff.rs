//! What makes one document of another: as a JSON Patch (RFC 6902), and as YAML for people.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;
use similar::{Algorithm, TextDiff};

/// How many lines are shown around what differs.
const CONTEXT: usize = 3;

/// What makes an entity of what it was before; null stands for an entity that is not there.
pub(crate) fn patch(before: Option<&Value>, after: Option<&Value>) -> Vec<PatchOperation> {
    let (Some(before), Some(after)) = (before, after) else {
        let is_same = before.is_none() && after.is_none();
        let value = after.cloned().unwrap_or_default();
        let whole = ReplaceOperation { path: PointerBuf::new(), value };
        return if is_same { Vec::new() } else { vec![PatchOperation::Replace(whole)] };
    };
    let relations = |document: &Value| document.get("relations")?.as_array().cloned();
    let (Some(was), Some(is)) = (relations(before), relations(after)) else {
        return json_patch::diff(before, after).0;
    };
    // By its places, an array with one relation more at its head would differ in all of them.
    let bare = |document: &Value| {
        let mut bare = document.clone();
        bare["relations"] = Value::Null;
        bare
    };
    let mut operations = json_patch::diff(&bare(before), &bare(after)).0;
    relation_operations(&was, &is, &mut operations);
    operations
}

/// Relations stand in order, so that what is missing on one side is told by walking along both.
fn relation_operations(was: &[Value], is: &[Value], operations: &mut Vec<PatchOperation>) {
    let (mut was, mut is) = (was.iter().peekable(), is.iter().peekable());
    let mut at = 0;
    let path = |at: usize| PointerBuf::from_tokens(["relations".to_owned(), at.to_string()]);
    loop {
        let order = match (was.peek(), is.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(was), Some(is)) => place(was).cmp(&place(is)),
        };
        match order {
            Ordering::Equal => {
                was.next();
                is.next();
                at += 1;
            }
            Ordering::Less => {
                was.next();
                operations.push(PatchOperation::Remove(RemoveOperation { path: path(at) }));
            }
            Ordering::Greater => {
                let value = is.next().cloned().unwrap_or_default();
                operations.push(PatchOperation::Add(AddOperation { path: path(at), value }));
                at += 1;
            }
        }
    }
}

fn place(relation: &Value) -> (&str, &str) {
    let text = |key: &str| relation.get(key).and_then(Value::as_str).unwrap_or_default();
    (text("type"), text("targetRef"))
}

/// Where documents differ, as JSON pointers: the etag aside, which follows from the rest, and
/// relations as a whole.
pub(crate) fn paths(patch: &[PatchOperation]) -> Vec<String> {
    let paths = patch.iter().map(|operation| operation.path().to_string());
    let paths = paths.filter(|path| !path.is_empty() && path != "/metadata/etag");
    let paths = paths
        .map(|path| if path.starts_with("/relations/") { "/relations".to_owned() } else { path });
    paths.collect::<BTreeSet<String>>().into_iter().collect()
}

/// The lines of YAML in which two entities differ, with some around them (a unified diff); empty
/// where they are the same.
pub(crate) fn yaml(
    (before, before_name): (Option<&Value>, &str),
    (after, after_name): (Option<&Value>, &str),
) -> String {
    let (before, after) = (written(before), written(after));
    // Its time is bounded by its length, however unlike the two are.
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .timeout(std::time::Duration::from_millis(500))
        .diff_lines(&*before, &*after);
    let mut unified = diff.unified_diff();
    unified.context_radius(CONTEXT).header(before_name, after_name).to_string()
}

fn written(document: Option<&Value>) -> String {
    document
        .map(|document| serde_saphyr::to_string(document).unwrap_or_default())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn relation(kind: &str, target: &str) -> Value {
        json!({"type": kind, "targetRef": target})
    }

    #[test]
    fn patches_lead_from_one_document_to_the_other() {
        let (a, b, c) = (relation("a", "x"), relation("b", "y"), relation("b", "z"));
        let entity = |title: &str, relations: &[&Value]| json!({"metadata": {"title": title, "etag": title}, "relations": relations});
        for (before, after, length, expected) in [
            (None, None, 0, vec![]),
            (None, Some(entity("A", &[])), 1, vec![]),
            (Some(entity("A", &[])), None, 1, vec![]),
            (Some(entity("A", &[&b])), Some(entity("A", &[&a, &b])), 1, vec!["/relations"]),
            (Some(entity("A", &[&a, &c])), Some(entity("A", &[&b])), 3, vec!["/relations"]),
            (
                Some(entity("A", &[&a, &b, &c])),
                Some(entity("B", &[&c])),
                4,
                vec!["/metadata/title", "/relations"],
            ),
            (Some(json!({"a": [1, 2]})), Some(json!({"b/c": {}})), 2, vec!["/a", "/b~1c"]),
        ] {
            let operations = patch(before.as_ref(), after.as_ref());
            let mut document = before.unwrap_or_default();
            json_patch::patch(&mut document, &operations).unwrap();
            assert_eq!(document, after.unwrap_or_default());
            assert_eq!(operations.len(), length, "{operations:?}");
            assert_eq!(paths(&operations), expected);
        }
    }

    #[test]
    fn people_read_differences_as_yaml() {
        let before = json!({"kind": "Component", "metadata": {"name": "a", "tags": ["x", "yes"]}});
        let after = json!({"kind": "Component", "metadata": {"name": "a", "tags": ["x"]}});
        let shown = yaml((Some(&before), "1"), (Some(&after), "2"));
        expect![[r#"
            --- 1
            +++ 2
            @@ -3,4 +3,3 @@
               name: a
               tags:
               - x
            -  - "yes"
        "#]]
        .assert_eq(&shown);
        assert_eq!(yaml((Some(&after), "1"), (Some(&after), "2")), "");
    }
}
