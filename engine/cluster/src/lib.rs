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
//! the cluster's secret or key of KMS, and the version of this program.
//!
//! # At 1,000 nodes and 100 TB
//!
//! On paper: nothing of this size was run. The largest cluster in our tests has a few workers on one machine. Figures
//! marked (c) are constants of this code; (e) are estimates of bytes that were not measured at this size, and times of requests
//! that are assumed. Assumed are 8 slots a node, that is 8,000 slots; 100 TB of plain enriched events of 2.3 kB a line, that is
//! 43.5 thousand million events; copies of 1 % of them; 50 shredded types; objects of 128 MiB, our own target size.
//!
//! | what | arithmetic | result |
//! |---|---|---|
//! | groups, tasks of a stage that reads | the greater of `--task-size` (64 MiB, c) and input / (4 x slots) (c): 3.1 GB | 32,000 |
//! | items of the work list | 100 TB / 128 MiB | 745,000 |
//! | tasks of a stage behind the exchange | 2 x slots, at most 256 (c) | 256 |
//! | buckets | 8 x slots, at most 512 (c) | 512 |
//! | keys through the exchange | 16 bytes (c) an event | 696 GB, 2.7 GB a task |
//! | candidate lines through the exchange | goal: 2 % of the input | 2 TB, 7.8 GB a task |
//! | ids that occur more than once | 1 % of the events | 435 million, 7 GB of keys |
//! | fetches of an exchange | 32,000 x 256, each with a connection and a mutual handshake of its own | 8.2 million |
//! | part files | 32,000 groups x 52 folders, one at least of each | 1.7 million |
//!
//! ## What gives way first
//!
//! 1. **The filter of candidates, from about 1.3 TB on with the defaults.** It may take 1/16 of the memory of a *task* (c), and a
//!    worker divides its memory (1 GiB, c) by its slots: 8 MiB. With 12 bits an id that is enough for 5.6 million ids,
//!    which 1.3 TB have. Beyond that the output is the same, and more and more events wait for a decision that they do not need: by the
//!    formula of the filter 10 % of them at 2.6 TB, 58 % at 5 TB, 96 % at 10 TB; they all go through the exchange.
//!    *Remedy that exists:* `worker --memory-limit`. 24 GiB at 8 slots give 192 MiB, enough for 31 TB; 100 TB need 84 GiB.
//!    *To be built:* a filter's share of the memory of the process, which holds one for all its tasks: then 10.5 GiB are enough for
//!    100 TB. Each worker reads all candidates, 7 TB and 256,000 GETs of one prefix by 1,000 workers; a file of them is held at a time.
//! 2. **The work list, at about 150,000 items.** It travels as data in one message of at most 64 MiB (c). An item has about 300
//!    bytes, and each group a head of about 0.7 kB (e): (64 MiB - 32,000 x 0.7 kB) / 0.3 kB. With objects of 128 MiB that are
//!    20 TB, with the 50 MB files of a collector 7.5 TB. The job fails before its first task, with the error of the
//!    message's size; nothing is lost. *Remedies that exist:* larger objects (700 MB for 100 TB); several runs (`camonica run
//!    --max-bytes`, `--max-files`), between which cross-run duplicates are not seen, as with any two runs. *To be built:* the work list as
//!    one sealed object in the log folder, and 20 bytes an item in the plan.
//! 3. **What the driver is told.** A row of a group has 83 bytes for each bucket it sent to, 42 kB; a row behind the exchange 141
//!    bytes for each bucket and group. So 32,000 x 42 kB + 512 x 32,000 x 141 bytes = 3.7 GB of JSON go to the driver, and take about
//!    as much again in memory when they are read (e); Ballista's own record of 8.2 million places of its exchange is of the same order (e).
//!    A driver needs 10 to 16 GB there. One worker that asks with 8 free slots may be handed 8 tasks, each with 32,000 places of
//!    about 250 bytes (e): 64 MB in a message of 64 MiB, the next wall. *Remedies that exist:* `--task-size 12G` (7,800 groups, one a
//!    slot: a quarter of all this, and a group that is lost costs more); fewer slots a worker. *To be built:* one digest a group in place of
//!    one a bucket and group; fewer, larger buckets.
//! 4. **256 tasks behind the exchange** leave 7,744 of 8,000 slots idle. Counting 2.7 GB of keys a task takes one pass through
//!    sealed spill (32 MiB of memory, 256 partitions of 11 MB, c); resolving 7.8 GB of lines likewise. That is minutes, and not hours; it is
//!    a bound on speed, and no wall. *To be built:* another constant, once 3. is solved.
//! 5. **The commit.** 1.7 million uploads are completed by 16 threads (c); at 100 ms a request (e) that are 160 a second, 2.9 hours.
//!    S3 would take 3,500 a second and prefix. The plan (about 0.4 kB a file and 37 bytes a part, 19 million parts of 5 MiB)
//!    has 1.4 GB and the manifest 0.7 GB (330 bytes a file, 200 an input), each in the driver's memory as a whole (e). *Remedies
//!    that exist:* `--task-size 12G` (a quarter of the files); a commit that is cut off goes on where it was. *To be built:* more
//!    requests at once, and a manifest in parts. With 2,000 types in every group it is 64 million files: then groups must be few.
//!
//! ## What others bound
//!
//! * **S3, reads.** Ranges of 8 MiB (c): 11.9 million GETs a pass; `shred` makes two passes, `etl` one. 8,000 slots at 100 MB/s would ask
//!   95,000 times a second, where a prefix gives 5,500: an input under one prefix takes 36 minutes a pass, however
//!   many nodes there are, until S3 has split it. SlowDown is tried again up to 10 times in up to 180 s (c), then the task is, up
//!   to 4 times. *Remedy:* inputs under many prefixes; fewer slots cost nothing then.
//! * **S3, writes.** A task with 128 MiB writes parts of 5 MiB, one with 256 MiB or more of 8 MiB (c). 19 million parts; half of
//!   them are of the one folder `atomic-events`: 9.5 million / 3,500 = 45 minutes. *Remedy:* `worker --memory-limit 4G` (30
//!   minutes). A folder for each task would break the layout that loaders know.
//! * **KMS.** With `--kms-key-id` and without S3 Bucket Keys each object that is begun and each GET asks KMS: the 95,000 a second from
//!   above, where a region gives 10,000 to 100,000 in all (its page of quotas tells). *Remedy:* Bucket Keys, a
//!   setting of the bucket; or SSE-S3, which has no such quota. Our own sealing asks nobody.
//! * **The network.** Out of 100 TB the exchanges carry 0.7 TB and 2 TB, 2.7 GB a node; it is the 256 nodes that resolve which take 10
//!   GB each, 8 s at 10 Gbit/s. What comes from S3 and goes there is 100 to 300 GB a node. The driver's interface
//!   carries the rows (3.7 GB) and the plans (32,000 x 0.1 to 0.2 MB, the configurations and the names of the candidates' files, e): 10 s at 10 Gbit/s.
//! * **Connections.** Each fetch of an exchange makes its own, as the workers' executor has no pool: 8,200 handshakes a
//!   node as server, and 32,000 for each task behind the exchange as client, at about 1 ms of a core a side (e): half a minute. At most
//!   256 handshakes at once are under way at a server (c). *To be built:* Ballista's pool of clients in the worker.
//! * **Polls.** A worker that has a free slot asks every 100 ms (c), 1,000 of them 10,000 times a second; whether the scheduler bears it was
//!   not measured. *To be built:* a pause that grows with the number of workers.
//! * **The log folder.** Every 2 s (c) the driver lists the rows of tasks that have ended, 32 pages at the end, and reads the new ones;
//!   a look that takes longer than its interval delays the next one, and no task.
//!
//! So a job of 100 TB would not run as things are: 1. and 2. come first. In one sentence: up to about 20 TB with objects of 128 MiB and
//! `worker --memory-limit 16G` by these figures; beyond it, several runs. This bound is computed, and was not tried.
//!
//! ## Standalone shards
//!
//! Without a cluster ([`engine::job::parts::shards`]; at most 4,096, c) the exchange has a file for each shard and bucket, and
//! both are N: at N = 1,000 a million files of keys at least. A shard holds 64 kB for each bucket before it seals (c), and
//! 1/32 of its memory, at most 64 MiB (c), of what is sealed; 696 MB of keys a shard leave it in files of about 0.1 MB (e), 7 million PUTs in
//! all: 33 minutes at 3,500 a second, as they lie under one prefix. Each shard lists what was told every 5 s (c), at most 4 or 5
//! pages: 1,000 requests a second. The rows are N x N tallies: 83 MB at N = 1,000, which each shard reads. The first limit is
//! the number of files, and N of 100 to 200 is where it does not matter: 40,000 files of some MB. *To be built:* one object a shard
//! and stage with an index of buckets, read by ranges.

pub mod cli;
pub mod driver;
pub mod kms;
pub mod node;
pub mod operator;
pub mod page;
pub mod secret;
pub mod session;
pub mod tls;
pub mod wire;
pub mod worker;
