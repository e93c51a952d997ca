//! Topics that others read: written by the node that leads, beside all else that it does.
//!
//! Each has a thread of its own, which reads the views as any follower does: it can be slow, or
//! its brokers away, and nothing waits for it.

mod fare;
mod run;

pub(crate) use fare::{TopicFare, TopicMetrics};
pub(crate) use run::{Topics, check};
