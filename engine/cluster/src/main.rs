//! `camonica-cluster`: the engine's command line, on many machines.

use std::process::ExitCode;

/// Many small strings live and die with each event, on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cluster::cli::main()
}
