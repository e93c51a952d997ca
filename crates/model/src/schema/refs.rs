//! Where the references of a schema lead, and that following them comes to an end.

use serde_json::Value;

use super::{Node, NodeId, Rule, SchemaProblem};

/// How many schemas may be held against the same value, one inside of the other.
const IN_PLACE_MAX: usize = 50;

/// `%XX` as the bytes that they stand for. What is not of this form stays as it is.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The part of a schema that names itself with `$id: "#name"`.
pub(super) fn anchored<'a>(root: &'a Value, name: &str) -> Option<(String, &'a Value)> {
    let mut todo = vec![(String::new(), root)];
    while let Some((pointer, value)) = todo.pop() {
        match value {
            Value::Object(map) => {
                let id = map.get("$id").and_then(Value::as_str);
                if id.and_then(|id| id.strip_prefix('#')) == Some(name) {
                    return Some((pointer, value));
                }
                todo.extend(map.iter().map(|(key, value)| {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    (format!("{pointer}/{key}"), value)
                }));
            }
            Value::Array(items) => todo.extend(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, value)| (format!("{pointer}/{index}"), value)),
            ),
            _ => {}
        }
    }
    None
}

/// Checks that every schema comes to an end on one and the same value: that there is no circle, and
/// no chain that would take too much stack.
pub(super) fn check_ends(nodes: &[Node]) -> Result<(), SchemaProblem> {
    // The length of the longest chain from each node; nodes on the way are marked.
    const ON_THE_WAY: usize = usize::MAX;
    let mut longest: Vec<Option<usize>> = vec![None; nodes.len()];
    for start in 0..nodes.len() {
        let mut stack = vec![(start, in_place(&nodes[start]), 0)];
        if longest[start].is_some() {
            continue;
        }
        longest[start] = Some(ON_THE_WAY);
        while let Some((node, next, depth)) = stack.last_mut() {
            let Some(child) = next.pop() else {
                longest[*node] = Some(*depth);
                let finished = *depth + 1;
                stack.pop();
                if finished > IN_PLACE_MAX {
                    return Err(SchemaProblem::TooLarge);
                }
                if let Some((_, _, depth)) = stack.last_mut() {
                    *depth = (*depth).max(finished);
                }
                continue;
            };
            match longest[child] {
                Some(ON_THE_WAY) => return Err(SchemaProblem::Endless),
                Some(known) => *depth = (*depth).max(known + 1),
                None => {
                    longest[child] = Some(ON_THE_WAY);
                    stack.push((child, in_place(&nodes[child]), 0));
                }
            }
        }
    }
    Ok(())
}

/// The schemas that a schema holds against the same value.
fn in_place(node: &Node) -> Vec<NodeId> {
    let mut found = Vec::new();
    for rule in &node.rules {
        match rule {
            Rule::Ref(id) | Rule::Not(id) | Rule::DependentSchema(_, id) => found.push(*id),
            Rule::AnyOf(ids) | Rule::OneOf(ids) | Rule::AllOf(ids) => found.extend(ids),
            Rule::If { condition, then, otherwise } => {
                found.push(*condition);
                found.extend(then.iter().chain(otherwise));
            }
            _ => {}
        }
    }
    found
}
