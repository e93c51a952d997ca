//! `aspect.observed` and `aspect.ended`.

use std::sync::Arc;

use model::reference::EntityRef;

use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::Aspect;

use super::context::Context;

/// Takes in what is observed; an empty value ends it.
pub(super) fn fold(
    cx: &mut Context<'_>,
    reference: &EntityRef,
    aspect: &str,
    value: &str,
) -> Result<(), Needs> {
    let id = cx.name(reference)?;
    let stamp = cx.stamp();
    let key = (id, Box::from(aspect), stamp.source.clone());
    let known = if cx.is_new(id) { None } else { cx.prior.aspect(&key)? };
    if known.map_or("", |row| &row.value) == value {
        return Ok(());
    }
    let row = Aspect {
        offset: cx.offset(),
        salt: stamp.salt,
        about: reference.clone(),
        cause: cx.cause(None),
        value: value.into(),
    };
    cx.put(Change::Aspect(key, Some(Arc::new(row))));
    Ok(())
}
