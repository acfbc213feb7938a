//! What the tasks of one worker share: the runners of its jobs, and the fence that keeps tasks away from a full disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::job::JobOptions;
use engine::job::parts::{Stage, TaskRunner, is_transient};
use tokio::sync::Semaphore;

use super::TaskNode;
use crate::secret::KeySource;

/// Jobs whose runners are kept: one job has at most two, and late tasks of the one before may still run.
const MOST_RUNNERS: usize = 4;
/// How long a worker takes no task after its disk was full.
const FENCED: Duration = Duration::from_secs(60);
/// Room on the disk of the exchange that a task needs.
const LEAST_ROOM: u64 = 64 << 20;
/// How often the room is looked at.
const LOOK: Duration = Duration::from_secs(2);

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
        if let Some(pause) = &self.pause
            && pause.stage == stage.name()
        {
            std::thread::sleep(pause.time);
        }
    }
}

/// For tests: tasks of a stage wait before they begin, so that there is time to kill their worker.
#[derive(Debug, Clone)]
pub struct Pause {
    stage: String,
    time: Duration,
}

impl Pause {
    /// Reads `<stage>=<milliseconds>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (stage, time) = text.split_once('=')?;
        Some(Self {
            stage: stage.to_owned(),
            time: Duration::from_millis(time.parse().ok()?),
        })
    }
}

/// Takes the places for tasks of a worker away for a while, whose disk is full: others have room. It goes on to
/// poll and to serve what it has.
#[derive(Debug, Clone)]
pub struct Fence {
    places: Arc<Semaphore>,
    count: usize,
    closed: Arc<Mutex<bool>>,
    time: Duration,
}

impl Fence {
    /// A fence around the places for tasks.
    pub fn new(places: Arc<Semaphore>, count: usize) -> Self {
        Self {
            places,
            count,
            closed: Arc::default(),
            time: FENCED,
        }
    }

    /// Closes it whenever the disk of `folder` has little room left: before tasks fail there.
    pub async fn watch(self, folder: std::path::PathBuf) {
        loop {
            // first of all the poll loop begins, which wants to find free places
            tokio::time::sleep(LOOK).await;
            match rustix::fs::statvfs(&folder) {
                Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_ROOM => {
                    self.close()
                }
                _ => {}
            }
        }
    }

    /// Closes it for a minute.
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
        tokio::spawn(async move {
            let end = tokio::time::Instant::now() + fence.time;
            let mut taken = 0;
            while tokio::time::Instant::now() < end {
                // also those of tasks that end meanwhile
                taken += fence.places.forget_permits(fence.count);
                tokio::time::sleep(Duration::from_millis(50)).await;
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
        let pause = Pause::parse("shred=1500").unwrap();
        assert_eq!((&*pause.stage, pause.time.as_millis()), ("shred", 1500));
        assert!(Pause::parse("shred").is_none() && Pause::parse("shred=x").is_none());
    }

    #[tokio::test]
    async fn a_closed_fence_leaves_no_place_for_a_while() {
        let places = Arc::new(Semaphore::new(3));
        let mut fence = Fence::new(Arc::clone(&places), 3);
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
