//! Listing and watching one resource of one cluster: IO, and no decisions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connector::shown;
use http::{HeaderValue, Request, header};
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Clients, Refusal, form};
use crate::entities::Entities;
use crate::kinds::{Kind, Watched};
use crate::map::{self, Place, Seen};
use crate::object::{Object, Page};

/// Objects of a page of a list. Of pages that are too large fewer are asked for.
const PAGE: u32 = 500;

/// Objects of one resource that are kept at the most.
const OBJECTS_MAX: usize = 200_000;

/// How long a watch lasts, by our wish; and when it is taken for dead.
const WATCH_SECONDS: u32 = 290;
const WATCH_MAX: Duration = Duration::from_secs(300);

/// How long what is held back waits before it is looked at again.
const HELD_WAITS: Duration = Duration::from_secs(60);

/// How long after a failure it is tried again: the first time, and at the most. A watch that ends
/// by itself is begun again no sooner, either.
const AGAIN_MIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// What is told of a resource of a cluster.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) cluster: usize,
    pub(crate) of: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) what: What,
}

/// What it is.
#[derive(Debug)]
pub(crate) enum What {
    /// All resources that are watched in the cluster.
    Watched(BTreeSet<Arc<str>>),
    /// All that there are of one.
    Listed(Vec<Seen>),
    /// One is so now.
    Is(Box<Seen>),
    /// One is no more, or does not count any more.
    IsNot(Place),
    /// The cluster answers.
    Works,
    /// It does not; why.
    Fails(String),
    /// It does not let us look at that; what it says.
    Refuses(String),
}

/// Nobody listens any more.
pub(crate) struct Gone;

/// Why a watch did not go on.
pub(crate) enum Fault {
    Gone,
    /// A new list is needed: what was watched from is forgotten.
    Expired,
    /// What is told of it.
    Says(What),
}

impl Fault {
    pub(crate) const fn why(why: String) -> Self {
        Self::Says(What::Fails(why))
    }
}

impl From<Gone> for Fault {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// One resource of one cluster that is watched.
pub(crate) struct Watching {
    pub(crate) clients: Arc<Clients>,
    pub(crate) cluster: usize,
    pub(crate) watched: Watched,
    pub(crate) told: mpsc::Sender<Told>,
    pub(crate) entities: Entities,
    /// From where on it is watched; absent where it has to be listed first.
    version: Option<String>,
    works: bool,
}

impl Watching {
    pub(crate) const fn new(
        clients: Arc<Clients>,
        cluster: usize,
        watched: Watched,
        told: mpsc::Sender<Told>,
        entities: Entities,
    ) -> Self {
        Self { clients, cluster, watched, told, entities, version: None, works: false }
    }

    /// Watches until nobody listens.
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let once = self.once().await;
            // A list that was broken off must not keep the catalog waiting for its end.
            self.entities.break_off();
            let pause = match once {
                Err(Fault::Gone) => return,
                Ok(()) => AGAIN_MIN,
                Err(Fault::Expired) => {
                    self.version = None;
                    AGAIN_MIN
                }
                Err(Fault::Says(what)) => {
                    if std::mem::take(&mut self.works) {
                        failures = 0;
                    }
                    if self.tell(what).await.is_err() {
                        return;
                    }
                    let pause = AGAIN_MIN * 2_u32.saturating_pow(failures.min(16));
                    failures += 1;
                    pause.min(AGAIN_MAX)
                }
            };
            tokio::select! {
                () = self.told.closed() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Lists, if need be, and watches until that ends.
    async fn once(&mut self) -> Result<(), Fault> {
        if self.version.is_none() {
            self.list().await?;
        }
        let from = self.version.clone().unwrap_or_default();
        let params = WatchParams { label_selector: self.selector(), ..WatchParams::default() };
        let request = kube::core::Request::new(&*self.watched.path);
        let request = request.watch(&params.timeout(WATCH_SECONDS), &from);
        let request = self.request(request)?;
        let begun = self.clients.lines(request).await;
        let mut lines = begun.map_err(|refusal| self.fault(refusal))?;
        self.works = true;
        self.tell(What::Works).await?;
        let ends = Instant::now() + if self.entities.is_held() { HELD_WAITS } else { WATCH_MAX };
        loop {
            let waits = ends.duration_since(Instant::now());
            let Ok(line) = timeout(waits, lines.next()).await else {
                return if self.entities.is_held() { Err(Fault::Expired) } else { Ok(()) };
            };
            let Some(line) = line.map_err(|refusal| self.fault(refusal))? else { return Ok(()) };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let event = serde_json::from_slice(&line);
            let event = event.map_err(|error| self.fault(form(&error)))?;
            self.event(event).await?;
        }
    }

    async fn event(&mut self, event: WatchEvent<Object>) -> Result<(), Fault> {
        let (object, is) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
            WatchEvent::Deleted(object) => (object, false),
            WatchEvent::Bookmark(bookmark) => {
                self.version = Some(bookmark.metadata.resource_version);
                return Ok(());
            }
            WatchEvent::Error(status) if status.code == 410 => return Err(Fault::Expired),
            WatchEvent::Error(status) => {
                self.version = None;
                return Err(Fault::why(shown(&status.message)));
            }
        };
        if let Err(fault) = self.entities.changed(&self.watched, &object, is).await {
            // What the catalog did not take is found again in a list.
            self.version = None;
            return Err(fault);
        }
        if self.shows() {
            let found = is.then(|| map::seen(&self.watched, &object)).flatten();
            let gone = || What::IsNot(map::place(self.watched.kind, &object));
            let what = found.map_or_else(gone, |seen| What::Is(Box::new(seen)));
            self.tell(what).await?;
        }
        self.version = Some(object.metadata.resource_version);
        Ok(())
    }

    /// Whether its objects stand in aspects, or tell of what happened.
    const fn shows(&self) -> bool {
        !matches!(self.watched.kind, Kind::Catalog | Kind::Other)
    }

    /// Lists page by page; of a page only what counts is kept.
    async fn list(&mut self) -> Result<(), Fault> {
        let mut all = Vec::new();
        let mut params =
            ListParams { label_selector: self.selector(), ..ListParams::default() }.limit(PAGE);
        self.entities.begin();
        loop {
            let page = self.page(&mut params).await?;
            self.entities.page(&self.watched, &page.items).await?;
            if self.shows() {
                all.extend(page.items.iter().filter_map(|of| map::seen(&self.watched, of)));
            }
            if all.len() > OBJECTS_MAX {
                let resource = &self.watched.resource;
                let why = format!("there are more than {OBJECTS_MAX} {resource}");
                return Err(Fault::why(why));
            }
            match page.metadata.more.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => {
                    self.entities.end().await?;
                    self.tell(What::Listed(all)).await?;
                    self.version = Some(page.metadata.resource_version);
                    return Ok(());
                }
            }
        }
    }

    /// Reads a page; of one that is too large, fewer objects.
    async fn page(&self, params: &mut ListParams) -> Result<Page, Fault> {
        loop {
            let request = kube::core::Request::new(&*self.watched.path).list(params);
            let request = self.request(request)?;
            let limit = params.limit.unwrap_or(PAGE);
            match self.clients.get::<Page>(request).await {
                Err(Refusal::TooLarge) if limit > 1 => params.limit = Some(limit / 2),
                page => return page.map_err(|refusal| self.fault(refusal)),
            }
        }
    }

    /// Only the labels and the metadata of Helm's secrets are asked for, never what is in them.
    fn request(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Request<Vec<u8>>, Fault> {
        const LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        const ONE: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let mut request = request.map_err(|error| Fault::why(error.to_string()))?;
        if self.watched.kind == Kind::Release {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let accept = HeaderValue::from_static(if is_watch { ONE } else { LIST });
            request.headers_mut().insert(header::ACCEPT, accept);
        }
        Ok(request)
    }

    fn selector(&self) -> Option<String> {
        (self.watched.kind == Kind::Release).then(|| "owner=helm".to_owned())
    }

    async fn tell(&self, what: What) -> Result<(), Gone> {
        let (of, kind) = (self.watched.resource.clone(), self.watched.kind);
        let told = Told { cluster: self.cluster, of, kind, what };
        self.told.send(told).await.map_err(|_| Gone)
    }

    fn fault(&self, refusal: Refusal) -> Fault {
        let resource = &self.watched.resource;
        match refusal {
            Refusal::Status { code: 410, .. } => Fault::Expired,
            Refusal::Status { code: 403, message } => Fault::Says(What::Refuses(message)),
            other => Fault::why(why(resource, other)),
        }
    }
}

/// Why a cluster gave no answer to something, in words.
pub(crate) fn why(what: &str, refusal: Refusal) -> String {
    match refusal {
        Refusal::Status { code: 401, .. } => {
            "the cluster does not accept the credentials (401)".into()
        }
        Refusal::Status { code, message } => format!("{what}: {message} ({code})"),
        Refusal::Slow => format!("{what} could not be read: the cluster does not answer"),
        Refusal::TooLarge => format!("{what} could not be read: an object is too large"),
        Refusal::Form(why) => format!("{what} could not be read: {why}"),
        Refusal::Away(why) => format!("the cluster is not reached: {why}"),
    }
}
