//! `camonica`: the runner's command line.

use std::process::ExitCode;

/// The engine runs in this process: see its own main file.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    runner::cli::main()
}
