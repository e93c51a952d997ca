//! What is read of a cluster, and where it stands in the API.

use std::sync::Arc;

use serde::Deserialize;

/// A part of what a cluster holds, as configurations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Deployments, StatefulSets, DaemonSets, Jobs and CronJobs.
    Workloads,
    /// Pods, of which a summary is kept.
    Pods,
    /// Services, Ingresses and HTTPRoutes.
    Network,
    /// HorizontalPodAutoscalers.
    Autoscalers,
    /// Releases of Helm. Who may list their secrets may read all secrets: that has to be asked for.
    Helm,
    /// PipelineRuns and TaskRuns.
    Tekton,
    /// Applications of Argo CD.
    Argocd,
    /// Objects of `annals.dev`, which are entities.
    Catalog,
}

impl Part {
    /// What is read where the configuration does not say.
    pub(crate) const USUAL: [Self; 7] = [
        Self::Workloads,
        Self::Pods,
        Self::Network,
        Self::Autoscalers,
        Self::Tekton,
        Self::Argocd,
        Self::Catalog,
    ];
}

/// A kind of object. Their order is that in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `batch/v1` Job.
    Job,
    /// `batch/v1` CronJob.
    CronJob,
    /// `v1` Pod.
    Pod,
    /// `v1` Service.
    Service,
    /// `networking.k8s.io/v1` Ingress.
    Ingress,
    /// HTTPRoute of the Gateway API.
    HttpRoute,
    /// `autoscaling/v2` HorizontalPodAutoscaler.
    Autoscaler,
    /// A secret in which Helm keeps a revision of a release.
    Release,
    /// PipelineRun of Tekton.
    PipelineRun,
    /// TaskRun of Tekton.
    TaskRun,
    /// Application of Argo CD.
    Application,
    /// An object of `annals.dev`.
    Catalog,
    /// Whatever else the configuration names, of which annotated objects are entities.
    Other,
}

/// Where a kind stands in the API.
struct Facts {
    kind: Kind,
    part: Part,
    name: &'static str,
    group: &'static str,
    /// The versions that are understood, the best one first.
    versions: &'static [&'static str],
    plural: &'static str,
    /// Whether each cluster has it.
    is_built_in: bool,
}

const fn built_in(
    kind: Kind,
    part: Part,
    name: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
) -> Facts {
    Facts { kind, part, name, group, versions, plural, is_built_in: true }
}

const V1: &[&str] = &["v1"];

const TABLE: [Facts; 14] = [
    built_in(Kind::Deployment, Part::Workloads, "Deployment", "apps", V1, "deployments"),
    built_in(Kind::StatefulSet, Part::Workloads, "StatefulSet", "apps", V1, "statefulsets"),
    built_in(Kind::DaemonSet, Part::Workloads, "DaemonSet", "apps", V1, "daemonsets"),
    built_in(Kind::Job, Part::Workloads, "Job", "batch", V1, "jobs"),
    built_in(Kind::CronJob, Part::Workloads, "CronJob", "batch", V1, "cronjobs"),
    built_in(Kind::Pod, Part::Pods, "Pod", "", V1, "pods"),
    built_in(Kind::Service, Part::Network, "Service", "", V1, "services"),
    built_in(Kind::Ingress, Part::Network, "Ingress", "networking.k8s.io", V1, "ingresses"),
    Facts {
        is_built_in: false,
        ..built_in(
            Kind::HttpRoute,
            Part::Network,
            "HTTPRoute",
            "gateway.networking.k8s.io",
            &["v1", "v1beta1"],
            "httproutes",
        )
    },
    built_in(
        Kind::Autoscaler,
        Part::Autoscalers,
        "HorizontalPodAutoscaler",
        "autoscaling",
        &["v2"],
        "horizontalpodautoscalers",
    ),
    built_in(Kind::Release, Part::Helm, "Secret", "", V1, "secrets"),
    Facts {
        is_built_in: false,
        ..built_in(
            Kind::PipelineRun,
            Part::Tekton,
            "PipelineRun",
            "tekton.dev",
            &["v1", "v1beta1"],
            "pipelineruns",
        )
    },
    Facts {
        is_built_in: false,
        ..built_in(
            Kind::TaskRun,
            Part::Tekton,
            "TaskRun",
            "tekton.dev",
            &["v1", "v1beta1"],
            "taskruns",
        )
    },
    Facts {
        is_built_in: false,
        ..built_in(
            Kind::Application,
            Part::Argocd,
            "Application",
            "argoproj.io",
            &["v1alpha1"],
            "applications",
        )
    },
];

/// The group of the objects that are entities, and its version.
pub(crate) const CATALOG_GROUP: &str = "annals.dev";
const CATALOG_VERSION: &str = "v1alpha1";

impl Kind {
    /// Whether it serves as long as it is there, so that its images are what is deployed.
    pub(crate) const fn serves(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet)
    }

    /// The name under which an aspect lists it; what happens is not listed.
    pub(crate) const fn shown_as(self) -> Option<&'static str> {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::Job | Self::CronJob => {
                Some("workloads")
            }
            Self::Pod => Some("pods"),
            Self::Service => Some("services"),
            Self::Ingress => Some("ingresses"),
            Self::HttpRoute => Some("routes"),
            Self::Autoscaler => Some("autoscalers"),
            Self::Application => Some("applications"),
            Self::Release | Self::PipelineRun | Self::TaskRun | Self::Catalog | Self::Other => None,
        }
    }
}

/// One resource of the API that is listed and watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watched {
    pub(crate) kind: Kind,
    /// The kind's name, as the API writes it.
    pub(crate) name: Arc<str>,
    /// As rights name it: `deployments.apps`.
    pub(crate) resource: Arc<str>,
    /// Where those of all namespaces are listed.
    pub(crate) path: Arc<str>,
}

impl Watched {
    fn new(kind: Kind, name: &str, group: &str, version: &str, plural: &str) -> Self {
        let (resource, path) = if group.is_empty() {
            (plural.to_owned(), format!("/api/{version}/{plural}"))
        } else {
            (format!("{plural}.{group}"), format!("/apis/{group}/{version}/{plural}"))
        };
        Self { kind, name: name.into(), resource: resource.into(), path: path.into() }
    }

    /// One of the kinds that are known.
    #[cfg(test)]
    pub(crate) fn known(kind: Kind) -> Option<Self> {
        let facts = TABLE.iter().find(|facts| facts.kind == kind)?;
        let Facts { kind, name, group, versions, plural, .. } = facts;
        Some(Self::new(*kind, name, group, versions.first()?, plural))
    }
}

/// A resource that the configuration names, as kubectl writes it: `plural.version.group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    group: String,
    version: String,
    plural: String,
}

impl Named {
    /// Reads one; the core group is left out: `persistentvolumeclaims.v1`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (plural, rest) = text.split_once('.')?;
        let (version, group) = rest.split_once('.').unwrap_or((rest, ""));
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let starts_well = version
            .strip_prefix('v')
            .is_some_and(|of| of.starts_with(|c: char| c.is_ascii_digit()));
        let fits = !plural.is_empty() && starts_well && text.len() <= 253;
        (fits && text.chars().all(is_plain)).then(|| Self {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
        })
    }
}

/// What an API serves beside what each does: groups with their versions, and the resources of
/// those that were looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    /// `group/version`.
    pub(crate) versions: Vec<String>,
    /// `group/version`, plural and name of the kind.
    pub(crate) resources: Vec<(String, String, String)>,
}

/// The versions of groups whose resources have to be looked at.
pub(crate) fn to_look_at(parts: &[Part], named: &[Named], served: &[String]) -> Vec<String> {
    let optional = TABLE.iter().filter(|facts| !facts.is_built_in && parts.contains(&facts.part));
    let optional = optional.flat_map(|facts| {
        let versions = facts.versions.iter();
        versions.map(|version| format!("{}/{version}", facts.group)).collect::<Vec<_>>()
    });
    let catalog = parts.contains(&Part::Catalog);
    let catalog = catalog.then(|| format!("{CATALOG_GROUP}/{CATALOG_VERSION}"));
    let named = named.iter().filter(|of| !of.group.is_empty());
    let named = named.map(|of| format!("{}/{}", of.group, of.version));
    let mut all: Vec<String> = optional.chain(catalog).chain(named).collect();
    all.retain(|version| served.contains(version));
    all.sort();
    all.dedup();
    all
}

/// What is to be watched in a cluster that serves this.
pub(crate) fn wanted(parts: &[Part], named: &[Named], served: &Served) -> Vec<Watched> {
    let mut wanted = Vec::new();
    for facts in TABLE.iter().filter(|facts| parts.contains(&facts.part)) {
        let Facts { kind, name, group, versions, plural, is_built_in, .. } = facts;
        let is_served = |version: &str| {
            let of = format!("{group}/{version}");
            *is_built_in || served.resources.iter().any(|(v, p, _)| *v == of && p == plural)
        };
        if let Some(version) = versions.iter().find(|version| is_served(version)) {
            wanted.push(Watched::new(*kind, name, group, version, plural));
        }
    }
    if parts.contains(&Part::Catalog) {
        let of = format!("{CATALOG_GROUP}/{CATALOG_VERSION}");
        let own = served.resources.iter().filter(|(version, ..)| *version == of);
        wanted.extend(own.map(|(_, plural, name)| {
            Watched::new(Kind::Catalog, name, CATALOG_GROUP, CATALOG_VERSION, plural)
        }));
    }
    for Named { group, version, plural } in named {
        let of = format!("{group}/{version}");
        let found = served.resources.iter().find(|(v, p, _)| *v == of && p == plural);
        let name = match found {
            Some((.., name)) => name,
            None if group.is_empty() => plural,
            None => continue,
        };
        let other = Watched::new(Kind::Other, name, group, version, plural);
        if wanted.iter().all(|of: &Watched| of.resource != other.resource) {
            wanted.push(other);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_watched() {
        let parts = [Part::Workloads, Part::Tekton, Part::Catalog];
        let named = [Named::read("pgs.v1.db.example").unwrap(), Named::read("secrets.v1").unwrap()];
        let of = |served: &Served| {
            let wanted = wanted(&parts, &named, served);
            wanted.iter().map(|of| of.path.to_string()).skip(5).collect::<Vec<_>>()
        };
        assert_eq!(of(&Served::default()), ["/api/v1/secrets"]);
        let versions =
            ["tekton.dev/v1", "tekton.dev/v1beta1", "annals.dev/v1alpha1", "db.example/v1", "x/v1"];
        let versions: Vec<String> = versions.map(str::to_owned).into();
        assert_eq!(to_look_at(&parts, &named, &versions).len(), 4);
        let resource = |version: &str, plural: &str| {
            (version.to_owned(), plural.to_owned(), plural.to_uppercase())
        };
        let resources = vec![
            resource("tekton.dev/v1beta1", "taskruns"),
            resource("tekton.dev/v1", "taskruns"),
            resource("tekton.dev/v1beta1", "pipelineruns"),
            resource("annals.dev/v1alpha1", "robots"),
            resource("db.example/v1", "pgs"),
        ];
        let expected = [
            "/apis/tekton.dev/v1beta1/pipelineruns",
            "/apis/tekton.dev/v1/taskruns",
            "/apis/annals.dev/v1alpha1/robots",
            "/apis/db.example/v1/pgs",
            "/api/v1/secrets",
        ];
        assert_eq!(of(&Served { versions, resources }), expected);
    }

    #[test]
    fn resources_by_name() {
        for (text, expected) in [
            ("pgs.v1.db.example", true),
            ("persistentvolumeclaims.v1", true),
            ("pgs", false),
            ("pgs.db.example", false),
            ("../x.v1", false),
            (".v1.a", false),
            ("a.v1.b/c", false),
        ] {
            assert_eq!(Named::read(text).is_some(), expected, "{text}");
        }
    }
}
