//! Runs the engine's kernels on many machines.
