//! The program as it is, but that faults can be planted in it (`ANNALS_PLANT`).

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    program::main()
}
