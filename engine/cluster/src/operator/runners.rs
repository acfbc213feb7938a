//! What the tasks of one worker share: the runners of its jobs, and the fence that keeps tasks away from a full disk.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::job::JobOptions;
use engine::job::parts::{Stage, TaskRunner, is_transient};
use engine::{Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::TaskNode;
use crate::secret::KeySource;

/// Jobs whose runners are kept: one job has at most two, and late tasks of the one before may still run.
const MOST_RUNNERS: usize = 4;
/// How long a worker takes no task after its disk was full.
const FENCED: Duration = Duration::from_secs(60);
/// Room on the disk of the exchange that a task needs.
const LEAST_ROOM: u64 = 64 << 20;
/// How often the room is looked at.
const LOOK: Duration = Duration::from_millis(500);

type Cell = Arc<Mutex<Option<std::result::Result<Arc<TaskRunner>, String>>>>;

/// The runners of the jobs of a worker.
pub struct Runners {
    keys: KeySource,
    local: JobOptions,
    fence: Fence,
    pause: Option<Pause>,
    kept: Mutex<VecDeque<(Arc<[u8]>, Cell)>>,
}

impl std::fmt::Debug for Runners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runners(..)")
    }
}

impl Runners {
    /// Runners that use `local` for each task.
    pub fn new(keys: KeySource, local: JobOptions, fence: Fence, pause: Option<Pause>) -> Self {
        Self {
            keys,
            local,
            fence,
            pause,
            kept: Mutex::default(),
        }
    }

    /// The runner of the job of a node, made at its first task.
    ///
    /// # Errors
    /// When the job was sealed with another secret, or KMS does not open it; what may pass is tried again by the next task.
    pub fn runner(&self, node: &TaskNode) -> engine::Result<Arc<TaskRunner>> {
        let cell = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            match kept.iter().find(|(sealed, _)| *sealed == node.sealed) {
                Some((_, cell)) => Arc::clone(cell),
                None => {
                    if kept.len() >= MOST_RUNNERS {
                        kept.pop_front();
                    }
                    let cell = Cell::default();
                    kept.push_back((Arc::clone(&node.sealed), Arc::clone(&cell)));
                    cell
                }
            }
        };
        let mut made = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return made.clone().map_err(engine::Error::config);
        }
        let opened = self.keys.of_job(node.key.as_ref()).and_then(|secret| {
            TaskRunner::open(&node.job, &node.sealed, &secret, &self.local).map(Arc::new)
        });
        match &opened {
            Ok(runner) => *made = Some(Ok(Arc::clone(runner))),
            Err(error) if is_transient(error) => {}
            Err(error) => *made = Some(Err(error.to_string())),
        }
        opened
    }

    /// The worker's fence.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Waits, if a test wants tasks of this stage to.
    pub fn pause(&self, stage: Stage) {
        if let Some(pause) = &self.pause {
            std::thread::sleep(pause.of(stage));
        }
    }
}

/// For tests: tasks of some stages wait before they begin, so that there is time to kill their worker.
#[derive(Debug, Clone)]
pub struct Pause(Vec<(String, Duration)>);

impl Pause {
    /// Reads `<stage>=<milliseconds>,...`.
    pub fn parse(text: &str) -> Option<Self> {
        let stages = text.split(',').map(|part| {
            let (stage, time) = part.split_once('=')?;
            Some((stage.to_owned(), Duration::from_millis(time.parse().ok()?)))
        });
        stages.collect::<Option<_>>().map(Self)
    }

    fn of(&self, stage: Stage) -> Duration {
        let found = self.0.iter().find(|(name, _)| name == stage.name());
        found.map_or(Duration::ZERO, |(_, time)| *time)
    }
}

/// Takes the places for tasks of a worker away for a while, whose disk is full: others have room. It goes on to
/// poll and to serve what it has. Without it, such a worker would fail one task after the other faster than others do them,
/// until one has failed too often.
#[derive(Debug, Clone)]
pub struct Fence {
    places: Arc<Semaphore>,
    count: usize,
    /// On the disk that must have room.
    folder: Arc<Path>,
    closed: Arc<Mutex<bool>>,
    time: Duration,
    /// Tasks run on threads that may end before the fence is open again.
    runtime: Handle,
}

impl Fence {
    /// A fence around the places for tasks of a worker that writes to `folder`. To be made in the worker's runtime.
    pub fn new(places: Arc<Semaphore>, count: usize, folder: &Path) -> Self {
        Self {
            places,
            count,
            folder: folder.into(),
            closed: Arc::default(),
            time: FENCED,
            runtime: Handle::current(),
        }
    }

    /// Closes it whenever the disk has little room left: before tasks fail there.
    pub async fn watch(self) {
        loop {
            // first of all the poll loop begins, which wants to find free places
            tokio::time::sleep(LOOK).await;
            if !self.has_room() {
                self.close();
            }
        }
    }

    /// Whether a task has room. Closes the fence if not.
    ///
    /// # Errors
    /// `Full` if not.
    pub fn check(&self) -> engine::Result<()> {
        if self.has_room() {
            return Ok(());
        }
        self.close();
        Err(Error::new(
            ErrorKind::Full,
            format!(
                "{}: the disk is full; other workers do its tasks",
                self.folder.display()
            ),
        ))
    }

    fn has_room(&self) -> bool {
        rustix::fs::statvfs(&*self.folder).map_or(true, |disk| {
            disk.f_bavail.saturating_mul(disk.f_frsize) >= LEAST_ROOM
        })
    }

    /// Closes it for a minute, or until there is room.
    pub fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *closed, true) {
            return;
        }
        tracing::warn!(
            "a disk of this node is full: it takes no task for {} s",
            self.time.as_secs()
        );
        let fence = self.clone();
        self.runtime.spawn(async move {
            let end = Instant::now() + fence.time;
            let mut taken = 0;
            // it waits for places in their queue, and not until one is seen to be free: the next task may be quicker
            while taken < fence.count
                && let Ok(Ok(place)) = tokio::time::timeout_at(end, fence.places.acquire()).await
            {
                place.forget();
                taken += 1;
            }
            tokio::time::sleep_until(end).await;
            while !fence.has_room() {
                tokio::time::sleep(LOOK).await;
            }
            fence.places.add_permits(taken);
            *fence.closed.lock().unwrap_or_else(PoisonError::into_inner) = false;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read() {
        let pause = Pause::parse("scan=20,shred=1500").unwrap();
        assert_eq!(pause.of(Stage::Shred).as_millis(), 1500);
        assert_eq!(pause.of(Stage::Scan).as_millis(), 20);
        assert_eq!(pause.of(Stage::Count), Duration::ZERO);
        assert!(Pause::parse("shred").is_none() && Pause::parse("shred=x").is_none());
    }

    #[tokio::test]
    async fn a_closed_fence_leaves_no_place_for_a_while() {
        let places = Arc::new(Semaphore::new(3));
        let mut fence = Fence::new(Arc::clone(&places), 3, Path::new("/"));
        fence.time = Duration::from_millis(300);
        let busy = Arc::clone(&places).acquire_owned().await.unwrap();
        fence.close();
        fence.close();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(places.available_permits(), 0);
        drop(busy);
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert_eq!(places.available_permits(), 0);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(places.available_permits(), 3);
    }
}
