//! Query strings as Express reads them: `a[b][0]=c` is a value within a value.

use serde_json::{Map, Value};

use crate::ApiError;

/// The longest query string that is read, in bytes.
const QUERY_BYTES_MAX: usize = 64 * 1024;

/// More parameters are left out.
const PARAMETERS_MAX: usize = 1000;

/// So many brackets are read; what follows is one key.
const DEPTH_MAX: usize = 5;

/// Larger indexes are keys.
const INDEX_MAX: usize = 20;

/// What stands at a key, while parameters are read.
#[derive(Default)]
struct Node {
    texts: Vec<String>,
    within: Vec<(String, Node)>,
}

/// Reads a query string.
pub(super) fn parse(query: Option<&str>) -> Result<Map<String, Value>, ApiError> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        let message = format!("the query string is longer than {QUERY_BYTES_MAX} bytes");
        return Err(ApiError::input(message));
    }
    let mut root = Node::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).take(PARAMETERS_MAX) {
        if name.is_empty() {
            continue;
        }
        let node = keys(&name).into_iter().fold(&mut root, Node::at);
        node.texts.push(value.into_owned());
    }
    let within = root.within.into_iter();
    Ok(within.map(|(key, node)| (key, node.value())).collect())
}

/// The keys of a name: `a[b][c]` has three.
fn keys(name: &str) -> Vec<&str> {
    let Some(open) = name.find('[').filter(|open| *open > 0) else {
        return vec![name];
    };
    let (first, mut rest) = name.split_at(open);
    let mut keys = vec![first];
    while let Some((key, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        if keys.len() > DEPTH_MAX {
            keys.push(rest);
            return keys;
        }
        keys.push(key);
        rest = behind;
    }
    if keys.len() == 1 { vec![name] } else { keys }
}

impl Node {
    fn at(&mut self, key: &str) -> &mut Self {
        // `a[]` is another item each time.
        let known = self.within.iter().position(|(known, _)| known == key && !key.is_empty());
        let at = known.unwrap_or_else(|| {
            self.within.push((key.to_owned(), Self::default()));
            self.within.len() - 1
        });
        &mut self.within[at].1
    }

    fn value(self) -> Value {
        let Self { mut texts, within } = self;
        if within.is_empty() {
            return match texts.len() {
                1 => Value::String(texts.remove(0)),
                _ => texts.into(),
            };
        }
        let index = |key: &str| match key {
            "" => Some(usize::MAX),
            key => key.parse().ok().filter(|index| *index <= INDEX_MAX),
        };
        let texts = texts.into_iter().map(Value::String);
        if within.iter().all(|(key, _)| index(key).is_some()) {
            let mut items: Vec<(Option<usize>, Value)> =
                within.into_iter().map(|(key, node)| (index(&key), node.value())).collect();
            items.sort_by_key(|(index, _)| *index);
            return texts.chain(items.into_iter().map(|(_, value)| value)).collect();
        }
        let mut object: Map<String, Value> =
            within.into_iter().map(|(key, node)| (key, node.value())).collect();
        for text in texts {
            object.insert(text.as_str().unwrap_or_default().to_owned(), true.into());
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn query_strings_are_read_as_express_reads_them() {
        for (query, expected) in [
            ("", json!({})),
            ("a=b&c=", json!({"a": "b", "c": ""})),
            ("a=1&a=2", json!({"a": ["1", "2"]})),
            ("a[]=1&a[]=2", json!({"a": ["1", "2"]})),
            ("a[1]=1&a[0]=2", json!({"a": ["2", "1"]})),
            ("a[21]=1", json!({"a": {"21": "1"}})),
            ("a[b]=1&a[c][]=2", json!({"a": {"b": "1", "c": ["2"]}})),
            (
                "a[b][c][d][e][f][g][h]=1",
                json!({"a": {"b": {"c": {"d": {"e": {"f": {"[g][h]": "1"}}}}}}}),
            ),
            ("a[b=1&[c]=2&=3", json!({"a[b": "1", "[c]": "2"})),
            ("a%5Bb%5D=c+d", json!({"a": {"b": "c d"}})),
        ] {
            assert_eq!(Value::Object(parse(Some(query)).unwrap()), expected, "{query}");
        }
    }
}
