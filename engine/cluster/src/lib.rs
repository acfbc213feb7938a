//! Runs the engine's kernels on many machines.
//!
//! ```text
//!             driver (one process)                                       worker (one a node)
//!  options ─► job in parts ─► plan ─► scheduler ◄── mutual TLS, polls ── executor ─► tasks of the engine
//!                ▲                       │                                 │  ▲
//!                └── rows ◄── client ◄───┘              sealed parcels ────┘  └──── other workers (mutual TLS)
//! ```
//!
//! Apache DataFusion Ballista is the scheduler, the executor, the exchange and what notices dead nodes; this crate is the
//! only one that knows it. The work is the engine's: [`engine::job::parts`] says what a task is and how its result is
//! committed. Here are thin operators around it ([`operator`]), the processes ([`driver`], [`worker`]), TLS
//! ([`tls`]) and the page that shows a running job ([`page`]).
//!
//! # What Ballista 55 makes us do
//!
//! * The work list is data in the leaf of the plan: the scheduler hands each task its partitions of leaves that it knows, and
//!   would give an unknown leaf to every task whole.
//! * At most one exchange a job, and the last stage returns rows about what it did, not data: a task that had finished before
//!   its stage was rolled back (a node died while it served its part of the exchange) is counted twice. The driver
//!   takes one row for each group and bucket.
//! * Workers poll the scheduler: the other way has no TLS on one of its links.
//! * A failure is tried again only if it is an I/O error: what may go away is told as one, bad data never.
//!
//! # What nodes must share
//!
//! The input and output folders, the log folder (S3, or a file system that all of them see), certificates of one authority,
//! the cluster's secret, and the version of this program.

pub mod cli;
pub mod driver;
pub mod operator;
pub mod page;
pub mod secret;
pub mod session;
pub mod tls;
pub mod wire;
pub mod worker;
