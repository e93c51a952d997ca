//! Faults that tests plant, to see that the suites find them.
//!
//! With the feature `plant`, a test sets `ANNALS_PLANT` to a fault's name for a process of its
//! own; without it, the question costs nothing and the answer is always no.

#[cfg(feature = "plant")]
pub(crate) fn planted(fault: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var("ANNALS_PLANT").ok()).as_deref() == Some(fault)
}

#[cfg(not(feature = "plant"))]
pub(crate) const fn planted(_: &str) -> bool {
    false
}
