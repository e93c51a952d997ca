//! What is known of an entity beside its document: what happened to it, and what is observed.

use axum::Json;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use event::{Offset, Position};
use fold::{Cause, Subject};
use model::document::Document;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use views::Reader;

use super::change::{ActivityShown, CauseShown};
use super::moments::{FROM, TO, Window};
use super::{CURSOR_PARAM, Known, LIMIT_PARAM, Name, PageInfo, before, limit};
use crate::ApiError;
use crate::connectors::run;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params, Path};
use crate::position::{AS_OF, At};

/// How many annotations of an entity activities are looked for by.
const ANNOTATIONS_MAX: usize = 100;

/// The routes of this file.
pub(crate) fn routes(entity: &str) -> Routes {
    let of = |id, summary| Operation::new(id, "History", summary).at_a_position().refuses(&[404]);
    Routes::default()
        .get(
            &format!("{entity}/activities"),
            activities,
            of("GetActivities", "What happened to an entity")
                .about("Newest first; also what is known by an annotation that it carries.")
                .query(BESIDE)
                .gives::<Activities>(200, "A page of activities.")
                .says_position(),
        )
        .get(
            &format!("{entity}/aspects"),
            aspects,
            of("GetAspects", "What sources observed of an entity")
                .about("Newest first. Of each name and source the first is what is observed now.")
                .query(BESIDE)
                .gives::<Aspects>(200, "A page of observations.")
                .says_position(),
        )
}

/// Parameters of both.
pub(crate) const BESIDE: &[Param] = &[
    AS_OF,
    FROM,
    TO,
    Param::new("type", Form::Text, "Only of this type: the activity's, or the aspect's name."),
    LIMIT_PARAM,
    CURSOR_PARAM,
];

/// What happened to an entity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Activities {
    entity_ref: String,
    /// Newest first.
    activities: Vec<ActivityEntry>,
    page_info: PageInfo,
}

/// An activity, and where it comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityEntry {
    #[serde(flatten)]
    activity: ActivityShown,
    #[serde(flatten)]
    told: Told,
}

/// When and by what something was told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// When it was appended.
    recorded_time: String,
    /// When it happened, if the source knows.
    #[schema(required = true)]
    time: Option<String>,
    cause: CauseShown,
}

impl Told {
    fn new(reader: &Reader, cause: &Cause) -> Result<Self, ApiError> {
        Ok(Self {
            recorded_time: cause.recorded.to_string(),
            time: cause.time.map(|time| time.to_string()),
            cause: CauseShown::new(reader, cause)?,
        })
    }
}

/// What was observed of an entity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Aspects {
    entity_ref: String,
    /// Newest first.
    aspects: Vec<AspectEntry>,
    page_info: PageInfo,
}

/// An observation, and where it comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AspectEntry {
    /// The record that says so.
    position: String,
    name: String,
    source: String,
    /// What is observed; null where it ended.
    #[schema(value_type = Option<Object>, required = true)]
    value: Option<Value>,
    #[serde(flatten)]
    told: Told,
}

/// What is asked for.
struct Asked {
    window: (Option<Offset>, Option<Offset>),
    limit: usize,
}

impl Asked {
    fn read(reader: &Reader, params: &Params) -> Result<Self, ApiError> {
        let window = Window::read(reader, params)?;
        let cursor = params.one("cursor")?.map(|cursor| before(reader, cursor)).transpose()?;
        let end = cursor.map_or(window.end(), |cursor| cursor.min(window.end()));
        Ok(Self { window: (window.after, Some(end)), limit: limit(params)? })
    }

    /// Cuts a page off where a record ends, and says where it goes on.
    fn cut<T>(
        &self,
        reader: &Reader,
        rows: &mut Vec<T>,
        offset: impl Fn(&T) -> Offset,
    ) -> PageInfo {
        let log = reader.position().log;
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().map(offset).filter(|_| more);
        PageInfo { next_cursor: last.map(|offset| Position { log, offset }.to_string()) }
    }
}

/// `GET …/activities`
pub(crate) async fn activities(
    at: At,
    Path(name): Path<Name>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), BESIDE)?;
    run(move || {
        let reader = &at.0;
        let known = Known::find(reader, &name)?;
        let asked = Asked::read(reader, &params)?;
        let mut subjects = vec![Subject::Entity(known.id)];
        if let Some(version) = reader.version(known.id)? {
            let document: Value = serde_json::from_slice(&version.document).unwrap_or_default();
            let metadata = Document::new(&document).metadata().cloned().unwrap_or_default();
            let annotations = metadata.get("annotations").and_then(Value::as_object);
            let carried = annotations.into_iter().flatten().take(ANNOTATIONS_MAX);
            subjects.extend(carried.filter_map(|(key, value)| {
                Some(Subject::Annotation(key.as_str().into(), value.as_str()?.into()))
            }));
        }
        let kind = params.one("type")?;
        let mut rows = reader.activities(&subjects, asked.window, kind, asked.limit + 1)?;
        let page_info = asked.cut(reader, &mut rows, |row| row.offset);
        let log = reader.position().log;
        let entry = |row: &views::ActivityRow| {
            let position = Position { log, offset: row.offset };
            Ok(ActivityEntry {
                activity: ActivityShown::new(position, &row.activity),
                told: Told::new(reader, &row.activity.cause)?,
            })
        };
        let activities = rows.iter().map(entry).collect::<Result<_, ApiError>>()?;
        let entity_ref = known.reference.to_string();
        let body = Activities { entity_ref, activities, page_info };
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}

/// `GET …/aspects`
pub(crate) async fn aspects(
    at: At,
    Path(name): Path<Name>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), BESIDE)?;
    run(move || {
        let reader = &at.0;
        let known = Known::find(reader, &name)?;
        let asked = Asked::read(reader, &params)?;
        let kind = params.one("type")?;
        let mut rows = reader.aspects(known.id, asked.window, kind, asked.limit + 1)?;
        let page_info = asked.cut(reader, &mut rows, |row| row.aspect.offset);
        let log = reader.position().log;
        let entry = |row: &views::AspectRow| {
            let position = Position { log, offset: row.aspect.offset };
            Ok(AspectEntry {
                position: position.to_string(),
                name: row.name.to_string(),
                source: row.source.to_string(),
                value: serde_json::from_str(&row.aspect.value).ok(),
                told: Told::new(reader, &row.aspect.cause)?,
            })
        };
        let aspects = rows.iter().map(entry).collect::<Result<_, ApiError>>()?;
        let body = Aspects { entity_ref: known.reference.to_string(), aspects, page_info };
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}
