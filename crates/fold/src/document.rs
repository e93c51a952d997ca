//! The document as it is served: what the source wrote, with uid, etag and status put in.

use bytes::Bytes;
use event::LogId;
use model::document::ANNOTATION_ORPHAN;
use model::reference::EntityRef;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::rows::EntityFault;

/// The namespace of the uids of all entities of all logs (UUIDv5, RFC 9562).
const UID_NAMESPACE: Uuid = Uuid::from_u128(0x0a5c_9f0e_6b1d_5d0c_9a35_7e7c_41b2_66d1);

/// The type of the status items that tell of faults in a source, as Backstage names it.
const STATUS_TYPE: &str = "backstage.io/catalog-processing";

/// An entity's uid: the same for as long as its log lives, and on every node.
#[must_use]
pub fn uid_of(log: LogId, reference: &EntityRef) -> Uuid {
    let namespace = Uuid::new_v5(&UID_NAMESPACE, log.to_string().as_bytes());
    Uuid::new_v5(&namespace, reference.as_str().as_bytes())
}

/// Puts uid and etag into a document and writes it; says whether the etag was its own.
///
/// `size` is how many bytes the document had without.
pub(crate) fn write(
    mut document: Value,
    size: usize,
    uid: Uuid,
    content: &[u8; 32],
) -> (Bytes, bool) {
    let mut own_etag = false;
    if let Some(metadata) = metadata_mut(&mut document) {
        own_etag = matches!(metadata.get("etag"), Some(Value::String(etag)) if !etag.is_empty());
        metadata.insert("uid".into(), uid.to_string().into());
        if !own_etag {
            metadata.insert("etag".into(), etag(content, &[], false).into());
        }
    }
    (to_bytes(&document, size + 128), own_etag)
}

/// A document as it stands, with other faults shown as its status and another mark for orphans.
pub(crate) fn rewrite(
    document: &[u8],
    content: &[u8; 32],
    own_etag: bool,
    faults: &[EntityFault],
    orphan: bool,
) -> Bytes {
    let mut value: Value = serde_json::from_slice(document).unwrap_or_default();
    if let Some(metadata) = metadata_mut(&mut value) {
        if !own_etag {
            metadata.insert("etag".into(), etag(content, faults, orphan).into());
        }
        mark_orphan(metadata, orphan);
    }
    if let Value::Object(root) = &mut value {
        root.shift_remove("status");
        if !faults.is_empty() {
            root.insert("status".into(), json!({"items": status_items(faults)}));
        }
    }
    to_bytes(&value, document.len() + 512)
}

fn mark_orphan(metadata: &mut Map<String, Value>, orphan: bool) {
    if orphan {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Value::Object(annotations) = annotations {
            annotations.insert(ANNOTATION_ORPHAN.into(), "true".into());
        }
    } else if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.shift_remove(ANNOTATION_ORPHAN);
    }
}

fn status_items(faults: &[EntityFault]) -> Vec<Value> {
    let item = |fault: &EntityFault| {
        let (name, message) = (&fault.fault.name, &fault.fault.message);
        json!({
            "type": STATUS_TYPE,
            "level": "error",
            "message": format!("{name}: {message}"),
            "error": {"name": name, "message": message},
        })
    };
    faults.iter().map(item).collect()
}

/// 40 hexadecimal digits that differ whenever anything of the entity does but its relations.
fn etag(content: &[u8; 32], faults: &[EntityFault], orphan: bool) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(content);
    hasher.update(&[u8::from(orphan)]);
    for fault in faults {
        for text in [&*fault.fault.name, &*fault.fault.message] {
            hasher.update(&(text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize().as_bytes()[..20])
}

fn metadata_mut(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.get_mut("metadata")?.as_object_mut()
}

fn to_bytes(document: &Value, size_hint: usize) -> Bytes {
    let mut out = Vec::with_capacity(size_hint);
    // A value with string keys can always be written, and memory takes it.
    let _ = serde_json::to_writer(&mut out, document);
    out.into()
}
