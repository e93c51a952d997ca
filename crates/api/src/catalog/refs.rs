//! `POST /entities/by-refs`: entities by their references, in their order.

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use model::reference::EntityRef;
use views::Filter;

use super::answer::{Listing, Source};
use super::body::Body;
use super::fields::Fields;
use super::filter::{self, FILTER};
use super::predicate::Predicate;
use crate::connectors::run;
use crate::params::{Param, Params};
use crate::position::{AS_OF, At};
use crate::streamed::Moment;
use crate::{Api, ApiError};

/// Parameters of `POST /entities/by-refs`.
pub(crate) const BY_REFS: &[Param] = &[FILTER, AS_OF];

/// `POST /entities/by-refs`
pub(crate) async fn by_refs(
    at: At,
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), BY_REFS)?;
    let body = Body::optional(request).await?;
    body.requires(&["entityRefs"])?;
    let references = body.texts("entityRefs")?.unwrap_or_default();
    let fields = Fields::parse(&[], &body.texts("fields")?.unwrap_or_default())?;
    let predicate = body.predicate("query")?.map(Predicate::new).transpose()?;
    let filters = [filter::parse(params.all("filter"))?, predicate];
    let filters: Vec<Filter> =
        filters.iter().flatten().map(|predicate| predicate.filter().clone()).collect();
    run(move || {
        let reader = at.0;
        let asked: Vec<Option<EntityRef>> = references.iter().map(|text| exact(text)).collect();
        let known: Vec<EntityRef> = asked.iter().flatten().cloned().collect();
        let ids = reader.entity_ids(&known)?;
        let passing = if filters.is_empty() {
            vec![true; ids.len()]
        } else {
            let flat: Vec<_> = ids.iter().flatten().copied().collect();
            let mut passing = reader.passes(Some(&Filter::All(filters)), &flat)?.into_iter();
            ids.iter().map(|id| id.is_some() && passing.next().unwrap_or(false)).collect()
        };
        let mut found = ids.into_iter().zip(passing);
        let ids: Vec<_> = asked
            .iter()
            .map(|asked| {
                asked.as_ref()?;
                found.next().and_then(|(id, passes)| id.filter(|_| passes))
            })
            .collect();
        Listing::new(Moment::of(&api, reader), fields, Source::Ids(ids))
            .between("{\"items\":", "}")
            .answer()
    })
    .await?
}

/// A reference that is written as references are kept; any other is nobody's, as in Backstage.
pub(crate) fn exact(text: &str) -> Option<EntityRef> {
    EntityRef::canonical(text).ok().filter(|reference| reference.as_str() == text)
}
