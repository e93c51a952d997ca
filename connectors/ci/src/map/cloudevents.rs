//! CloudEvents over HTTP: binary, structured, or many in a batch.

use serde_json::Value;

/// Events that a batch may hold.
const BATCH_MAX: usize = 1000;

/// An event: its type, and its data.
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// The events of a delivery, or why one is none. `attribute` gives an attribute in the headers.
///
/// # Errors
/// When it is not of its form as a whole.
pub(crate) fn read<'a>(
    content_type: &str,
    attribute: &dyn Fn(&str) -> Option<&'a str>,
    body: &[u8],
) -> Result<Vec<Result<Event, String>>, String> {
    if let Some(data) = printed(body) {
        let data = super::parse(&data)?;
        return Ok(vec![Ok(Event { kind: String::new(), data })]);
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let body: Value = super::parse(body)?;
    match (essence.as_str(), body) {
        ("application/cloudevents-batch+json", Value::Array(events)) => {
            if events.len() > BATCH_MAX {
                return Err(format!("a batch has at most {BATCH_MAX} events"));
            }
            Ok(events.into_iter().map(structured).collect())
        }
        ("application/cloudevents-batch+json", _) => Err("a batch is a list".into()),
        ("application/cloudevents+json", event) => Ok(vec![structured(event)]),
        (_, data) => match attribute("type") {
            Some(_) if attribute("id").is_none() || attribute("source").is_none() => {
                Err("ce-id and ce-source are missing beside ce-type".into())
            }
            Some(kind) => Ok(vec![Ok(Event { kind: kind.to_owned(), data })]),
            None => Err("it is no CloudEvent: neither ce-type nor the content type say so".into()),
        },
    }
}

fn structured(event: Value) -> Result<Event, String> {
    let Value::Object(mut event) = event else { return Err("a CloudEvent is an object".into()) };
    if let Some(missing) =
        ["specversion", "id", "source", "type"].iter().find(|name| !event.contains_key(**name))
    {
        return Err(format!("the CloudEvent has no `{missing}`"));
    }
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(data) = event.remove("data") {
        return Ok(Event { kind, data });
    }
    let data =
        event.get("data_base64").and_then(Value::as_str).ok_or("the CloudEvent has no data")?;
    let bytes = data_encoding::BASE64.decode(data.as_bytes());
    let data = super::parse(&bytes.map_err(|_| "its `data_base64` is not base64")?)?;
    Ok(Event { kind, data })
}

/// What stands before the data, byte by byte, in a CloudEvent as Java prints one.
const PRINTED: &str = ", data=BytesCloudEventData{value=[";

/// The data of a CloudEvent that is sent as Java prints it, for people, and not as JSON: the HTTP
/// sink of Jenkins' CDEvents plugin does. Its type stands in the data, too.
fn printed(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.strip_prefix("CloudEvent{")?.split_once(PRINTED)?;
    let (bytes, _) = rest.split_once("]}")?;
    // Java's bytes are signed.
    let byte = |text: &str| text.trim().parse().ok().map(i8::cast_unsigned);
    bytes.split(',').map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_prints_is_read() {
        let head = "CloudEvent{id='1', source=job/a/1/, type='x'";
        for (body, expected) in [
            (format!("{head}{PRINTED}123, -61, -68, 125]}}, extensions={{}}}}"), Some("{ü}")),
            (format!("{head}{PRINTED}123, 300]}}}}"), None),
            (format!("{head}{PRINTED}]}}}}"), None),
            (format!("{head}{PRINTED}123"), None),
            (format!("{head}, data=null}}"), None),
            ("{}".to_owned(), None),
        ] {
            let data = printed(body.as_bytes());
            assert_eq!(data.as_deref(), expected.map(str::as_bytes), "{body}");
        }
    }
}
