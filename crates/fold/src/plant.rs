//! Faults that tests plant, to see that the suites find them; see the same file in `crates/log`.

#[cfg(feature = "plant")]
pub(crate) fn planted(fault: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var("ANNALS_PLANT").ok()).as_deref() == Some(fault)
}

#[cfg(not(feature = "plant"))]
pub(crate) const fn planted(_: &str) -> bool {
    false
}
