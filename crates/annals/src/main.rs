//! The binary. All that it does stands in the library beside it, so that tests can build one of
//! their own with faults planted.

/// RocksDB and Rust share one allocator: it keeps what is freed from scattering, and its own cost
/// is lower than that of the system's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    program::main()
}
