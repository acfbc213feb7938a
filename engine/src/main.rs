//! `camonica-engine`: the engine's command line.

use std::process::ExitCode;

/// Many small strings live and die with each event, on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    engine::cli::main()
}
