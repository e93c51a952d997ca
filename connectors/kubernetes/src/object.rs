//! Objects of the API, of which only what counts here is read. What is missing or null is empty: an
//! object of another version must not make a whole list unreadable.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A kind of workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
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
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Job, Self::CronJob];

    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// As rights name it.
    #[must_use]
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployments.apps",
            Self::StatefulSet => "statefulsets.apps",
            Self::DaemonSet => "daemonsets.apps",
            Self::Job => "jobs.batch",
            Self::CronJob => "cronjobs.batch",
        }
    }

    /// Where those of all namespaces are listed.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Deployment => "/apis/apps/v1/deployments",
            Self::StatefulSet => "/apis/apps/v1/statefulsets",
            Self::DaemonSet => "/apis/apps/v1/daemonsets",
            Self::Job => "/apis/batch/v1/jobs",
            Self::CronJob => "/apis/batch/v1/cronjobs",
        }
    }

    /// Whether it serves as long as it is there, so that its images are what is deployed.
    pub(crate) const fn serves(self) -> bool {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => true,
            Self::Job | Self::CronJob => false,
        }
    }
}

/// An object of any of the kinds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    pub(crate) metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: Spec,
    #[serde(deserialize_with = "nullable")]
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: i64,
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Owner {
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) replicas: Option<i64>,
    pub(crate) completions: Option<i64>,
    pub(crate) suspend: Option<bool>,
    pub(crate) schedule: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) template: Template,
    #[serde(deserialize_with = "nullable")]
    pub(crate) job_template: JobTemplate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobTemplate {
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: JobSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct JobSpec {
    #[serde(deserialize_with = "nullable")]
    pub(crate) template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Template {
    #[serde(deserialize_with = "nullable")]
    pub(crate) spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodSpec {
    #[serde(deserialize_with = "nullable")]
    pub(crate) containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container {
    pub(crate) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) image: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) ready_replicas: Option<i64>,
    pub(crate) desired_number_scheduled: Option<i64>,
    pub(crate) number_ready: Option<i64>,
    pub(crate) succeeded: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) reason: String,
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
