//! `activity.recorded`.

use std::sync::Arc;

use event::vocabulary::About;
use model::reference::EntityRef;

use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::{Activity, Subject};

use super::context::Context;

/// Takes in an activity, once for each id that its source gives.
pub(super) fn fold(
    cx: &mut Context<'_>,
    reference: Option<&EntityRef>,
    about: Option<&About>,
    activity: &str,
    key: &str,
    value: &str,
) -> Result<(), Needs> {
    let seen = (cx.stamp().source.clone(), Box::from(key));
    if cx.prior.activity_key(&seen)?.is_some() {
        return Ok(());
    }
    let subject = match (reference, about) {
        (Some(reference), _) => Subject::Entity(cx.name(reference)?),
        (None, Some(about)) => {
            Subject::Annotation(about.annotation.as_str().into(), about.value.as_str().into())
        }
        (None, None) => return Ok(()),
    };
    cx.put(Change::ActivityKey(seen, Some(cx.offset())));
    let row = Activity {
        activity: activity.into(),
        key: key.into(),
        cause: cx.cause(None),
        value: value.into(),
    };
    cx.put(Change::Activity((subject, cx.offset()), Some(Arc::new(row))));
    Ok(())
}
