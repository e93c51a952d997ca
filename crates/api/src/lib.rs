//! The HTTP API: thin handlers over the views. A handler parses, calls one method, converts.
//!
//! `/api/catalog` and `/api/search` answer as Backstage's backends do, errors included; `/api/history`,
//! `/api/events`, `/api/ingest`, `/api/connectors` and `/api/log` are Annals' own. Every answer about the catalog
//! says in `Annals-Position` which position it saw; a request may ask in `Annals-Min-Position`
//! for one that is at least so far.
//!
//! Routes are registered with their descriptions, of which `/openapi.json` is made (`openapi`); topics are described in `/asyncapi.json`.
//!
//! What is absent: how records are made and folded. Commands go through a port, [`Commands`].
//!
//! Invariant: no request can make a handler panic, wait without end, or see two positions at once.
//! Invariant: a list of entities takes the same memory however long it is, and comes from one moment;
//! a reader that is slow holds no snapshot and no thread.
//! Invariant: a token's secret is never written anywhere.

mod asyncapi;
mod audit;
mod auth;
mod backup;
mod catalog;
mod connectors;
mod cors;
mod deliveries;
mod error;
mod events;
mod health;
mod history;
mod ingest;
mod log_routes;
mod openapi;
mod params;
mod position;
pub mod query;
mod search_routes;
mod server;
mod streamed;
mod telemetry;

pub use asyncapi::TopicNames;
pub use auth::{Permission, Token, Tokens};
pub use backup::{BackupMade, Backups};
pub use cors::{Cors, CorsError};
pub use deliveries::{Delivered, Deliveries, Delivering, Delivery};
pub use error::ApiError;
pub use events::topics::{Stands, Telegram, TellError, Teller, Telling, Told};
pub use health::{Health, Readiness, SearchReadiness, TopicReadiness};
pub use ingest::{
    Commands, IngestLine, IngestMode, IngestRequest, LocationChange, Refusal, Report, SourceBudget,
    SourceFare,
};
pub use server::{Api, router};
pub use telemetry::HttpMetrics;
