//! Listing and watching one resource of one cluster: IO, and no decisions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connector::shown;
use http::{HeaderValue, Request, header};
use kube::api::{ListParams, WatchParams};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::{Clients, Refusal, form};
use crate::entities::Entities;
use crate::kinds::{Kind, Watched};
use crate::map::{self, Place, Seen};
use crate::object::{Event, Page};

/// Objects of a page of a list. Of pages that are too large fewer are asked for.
const PAGE: u32 = 500;

/// Objects of one resource that are kept at the most.
const OBJECTS_MAX: usize = 200_000;

/// How long a watch lasts, by our wish; and when it is taken for dead.
const WATCH_SECONDS: u32 = 290;
const WATCH_MAX: Duration = Duration::from_secs(300);

/// How long after a failure it is tried again: the first time, and at the most. A watch that ends
/// by itself is begun again no sooner, either.
const AGAIN_MIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// How long a watch has to go well, so that the next failure counts as the first.
const GOES_WELL: Duration = Duration::from_secs(10);

/// How long a watch that says nothing bears out that the cluster works. What is wrong is most often
/// the first that it says.
const SETTLES: Duration = Duration::from_millis(200);

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
}

impl Watching {
    pub(crate) const fn new(
        clients: Arc<Clients>,
        cluster: usize,
        watched: Watched,
        told: mpsc::Sender<Told>,
        entities: Entities,
    ) -> Self {
        Self { clients, cluster, watched, told, entities, version: None }
    }

    /// Watches until nobody listens.
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let begun = Instant::now();
            let once = self.once().await;
            // A list that was broken off must not keep the catalog waiting for its end.
            self.entities.break_off();
            if begun.elapsed() >= GOES_WELL {
                failures = 0;
            }
            let pause = AGAIN_MIN * 2_u32.saturating_pow(failures.min(16));
            failures += 1;
            match once {
                Ok(()) => failures = 0,
                Err(Fault::Gone) => return,
                Err(Fault::Expired) => self.version = None,
                Err(Fault::Says(what)) => {
                    if self.tell(what).await.is_err() {
                        return;
                    }
                }
            }
            let pause = if failures == 0 { AGAIN_MIN } else { pause.min(AGAIN_MAX) };
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
        let mut lines = match self.clients.lines(request).await {
            Ok(lines) => lines,
            Err(refusal) => {
                // There is no such resource now: what comes after that is another one.
                if matches!(refusal, Refusal::Status { code: 404, .. }) {
                    self.version = None;
                }
                return Err(self.fault(refusal));
            }
        };
        let begun = Instant::now();
        let (mut settles, ends) = (Some(begun + SETTLES), begun + WATCH_MAX);
        loop {
            let list_by = self.entities.list_by();
            let now = Instant::now();
            if list_by.is_some_and(|by| by <= now) {
                return Err(Fault::Expired);
            }
            if settles.take_if(|settles| *settles <= now).is_some() {
                self.tell(What::Works).await?;
            }
            if ends <= now {
                return Ok(());
            }
            let until = list_by.into_iter().chain(settles).fold(ends, Instant::min);
            let Ok(line) = timeout_at(until, lines.next()).await else { continue };
            let line = line.map_err(|refusal| self.fault(refusal))?;
            match &line {
                Some(line) if line.trim_ascii().is_empty() => continue,
                Some(line) => self.line(line).await?,
                None => {}
            }
            if settles.take().is_some() {
                self.tell(What::Works).await?;
            }
            if line.is_none() {
                return Ok(());
            }
        }
    }

    /// A line of a watch.
    async fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let event = Event::read(line).map_err(|error| {
            // From there on it would be said again and again; a list may be understood.
            self.version = None;
            self.fault(form(&error))
        })?;
        let (object, is) = match event {
            Event::Is(object) => (object, true),
            Event::IsNot(object) => (object, false),
            Event::Reached(version) => {
                self.reached(version);
                return Ok(());
            }
            Event::Ends(410, _) => return Err(Fault::Expired),
            Event::Ends(code, message) => {
                self.version = None;
                let resource = &self.watched.resource;
                return Err(Fault::why(format!("{resource}: {} ({code})", shown(&message))));
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
        self.reached(object.metadata.resource_version);
        Ok(())
    }

    /// From where on it is watched next. Without a version it would be from wherever the server
    /// likes, and what went before that would not be noticed.
    fn reached(&mut self, version: String) {
        if !version.is_empty() {
            self.version = Some(version);
        }
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
            if all.len().max(self.entities.count()) > OBJECTS_MAX {
                let resource = &self.watched.resource;
                let why = format!("there are more than {OBJECTS_MAX} {resource}");
                return Err(Fault::why(why));
            }
            match page.metadata.more.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None if page.metadata.resource_version.is_empty() => {
                    let resource = &self.watched.resource;
                    return Err(Fault::why(format!("a list of {resource} has no version")));
                }
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
