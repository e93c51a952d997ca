//! Listing and watching one kind of one cluster: IO, and no decisions.

use std::pin::pin;
use std::time::Duration;

use connector::shown;
use futures_util::TryStreamExt;
use kube::api::{ListParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::{ObjectList, Request, WatchEvent};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::config::Cluster;
use crate::map::{self, Place, Workload};
use crate::object::{Kind, Object};

/// Objects of a page of a list.
const PAGE: u32 = 500;

/// How long a list's page, or the beginning of a watch, may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a watch lasts, by our wish; and when it is taken for dead.
const WATCH_SECONDS: u32 = 290;
const WATCH_MAX: Duration = Duration::from_secs(300);

/// How long after a failure it is tried again: the first time, and at the most. A watch that ends
/// by itself is begun again no sooner, either.
const AGAIN_MIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// What a watch tells.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) cluster: usize,
    pub(crate) kind: Kind,
    pub(crate) what: What,
}

/// What it is.
#[derive(Debug)]
pub(crate) enum What {
    /// All that there are.
    Listed(Vec<Workload>),
    /// One is so now.
    Is(Workload),
    /// One is no more, or nobody's any more.
    IsNot(Place),
    /// The cluster answers.
    Works,
    /// It does not, or refuses; why.
    Fails(String),
}

/// Nobody listens any more.
struct Gone;

/// Why a watch did not go on.
enum Fault {
    Gone,
    /// What was watched from is forgotten; a new list is needed.
    Expired,
    Why(String),
}

impl From<Gone> for Fault {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Watches a kind until nobody listens.
pub(crate) async fn watch(of: Cluster, cluster: usize, kind: Kind, told: mpsc::Sender<Told>) {
    let mut watching = Watching { of, cluster, kind, told, version: None, works: false };
    let mut failures = 0_u32;
    loop {
        let pause = match watching.once().await {
            Err(Fault::Gone) => return,
            Ok(()) => AGAIN_MIN,
            Err(Fault::Expired) => {
                watching.version = None;
                AGAIN_MIN
            }
            Err(Fault::Why(why)) => {
                if std::mem::take(&mut watching.works) {
                    failures = 0;
                }
                if watching.tell(What::Fails(why)).await.is_err() {
                    return;
                }
                let pause = AGAIN_MIN * 2_u32.saturating_pow(failures.min(16));
                failures += 1;
                pause.min(AGAIN_MAX)
            }
        };
        tokio::select! {
            () = watching.told.closed() => return,
            () = sleep(pause) => {}
        }
    }
}

struct Watching {
    of: Cluster,
    cluster: usize,
    kind: Kind,
    told: mpsc::Sender<Told>,
    /// From where on it is watched; absent where it has to be listed first.
    version: Option<String>,
    works: bool,
}

impl Watching {
    /// Lists, if need be, and watches until that ends. Credentials are read anew each time: they
    /// may have been renewed.
    async fn once(&mut self) -> Result<(), Fault> {
        let client = connect(&self.of).await.map_err(Fault::Why)?;
        if self.version.is_none() {
            self.list(&client).await?;
        }
        let from = self.version.clone().unwrap_or_default();
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        let request = Request::new(self.kind.path()).watch(&params, &from);
        let request = request.map_err(|error| Fault::Why(error.to_string()))?;
        let begun = timeout(ANSWER_MAX, client.request_events::<Object>(request)).await;
        let begun = begun.map_err(|_| self.slow("watched"))?;
        let mut events = pin!(begun.map_err(|error| self.fault(&error))?);
        self.works = true;
        self.tell(What::Works).await?;
        loop {
            let next = timeout(WATCH_MAX, events.try_next()).await;
            let next = next.map_err(|_| self.slow("watched"))?;
            match next.map_err(|error| self.fault(&error))? {
                Some(event) => self.event(event).await?,
                None => return Ok(()),
            }
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
            WatchEvent::Error(status) => return Err(Fault::Why(shown(&status.message))),
        };
        let found = is.then(|| map::workload(self.kind, &object)).flatten();
        let what = found.map_or_else(|| What::IsNot(map::place(self.kind, &object)), What::Is);
        self.tell(what).await?;
        self.version = Some(object.metadata.resource_version);
        Ok(())
    }

    /// Lists page by page; of a page only what is somebody's is kept.
    async fn list(&mut self, client: &kube::Client) -> Result<(), Fault> {
        let mut workloads = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let request = Request::new(self.kind.path()).list(&params);
            let request = request.map_err(|error| Fault::Why(error.to_string()))?;
            let page = timeout(ANSWER_MAX, client.request::<ObjectList<Object>>(request)).await;
            let page = page.map_err(|_| self.slow("listed"))?;
            let page = page.map_err(|error| self.fault(&error))?;
            workloads.extend(page.items.iter().filter_map(|of| map::workload(self.kind, of)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => {
                    self.version = page.metadata.resource_version;
                    return Ok(self.tell(What::Listed(workloads)).await?);
                }
            }
        }
    }

    async fn tell(&self, what: What) -> Result<(), Gone> {
        let told = Told { cluster: self.cluster, kind: self.kind, what };
        self.told.send(told).await.map_err(|_| Gone)
    }

    fn slow(&self, how: &str) -> Fault {
        let resource = self.kind.resource();
        Fault::Why(format!("{resource} could not be {how}: the cluster does not answer"))
    }

    fn fault(&self, error: &kube::Error) -> Fault {
        let resource = self.kind.resource();
        match error {
            kube::Error::Api(status) => match status.code {
                410 => Fault::Expired,
                401 => Fault::Why("the cluster does not accept the credentials (401)".into()),
                403 => Fault::Why(format!(
                    "{resource} may not be listed and watched in all namespaces: {}",
                    shown(&status.message)
                )),
                code => Fault::Why(format!("{resource}: {} ({code})", shown(&status.message))),
            },
            other => Fault::Why(format!("the cluster is not reached: {}", chain(other))),
        }
    }
}

/// An error and what it comes from, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    shown(&text)
}

async fn connect(cluster: &Cluster) -> Result<kube::Client, String> {
    let config = match &cluster.kubeconfig {
        Some(path) => {
            let from = path.clone();
            let read = tokio::task::spawn_blocking(move || Kubeconfig::read_from(from)).await;
            let read = read.map_err(|_| "the kubeconfig could not be read".to_owned())?;
            let options =
                KubeConfigOptions { context: cluster.context.clone(), ..Default::default() };
            let config = match read {
                Ok(kubeconfig) => kube::Config::from_custom_kubeconfig(kubeconfig, &options).await,
                Err(error) => Err(error),
            };
            config.map_err(|error| match error {
                // The parser shows the lines that it does not understand: they may be secrets.
                KubeconfigError::Parse(_) => {
                    format!("the kubeconfig {} is not of its form", path.display())
                }
                other => format!("the kubeconfig {}: {}", path.display(), chain(&other)),
            })?
        }
        None => kube::Config::incluster().map_err(|error| {
            format!("there is no cluster around this program: {}", chain(&error))
        })?,
    };
    kube::Client::try_from(config).map_err(|error| chain(&error))
}
