//! The one asynchronous runtime of the process, for network I/O below synchronous calls.
//!
//! Event code is synchronous. Requests run as tasks on this runtime, and the calling thread waits on a channel. So a call
//! is safe on any thread, also on one that belongs to another asynchronous runtime (blocking there, of course).

use crate::error::{Error, ErrorKind, Result};
use std::future::Future;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// Threads of the runtime: enough for TLS at a few hundred MB/s, few enough not to crowd out the workers.
const MOST_THREADS: usize = 4;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static STARTING: Mutex<()> = Mutex::new(());

/// The shared runtime, started at its first use.
///
/// # Errors
/// When the operating system gives no threads.
pub fn runtime() -> Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, MOST_THREADS))
        .thread_name("camonica-io")
        .enable_all()
        .build()
        .map_err(|e| {
            Error::new(ErrorKind::Io, "cannot start the threads for network I/O").with_source(e)
        })?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Something that runs on the shared runtime. Dropping it cancels it.
#[derive(Debug)]
pub struct Task<T> {
    result: Receiver<T>,
    abort: AbortHandle,
}

/// Starts `future` on the shared runtime.
///
/// # Errors
/// When the runtime cannot be started.
pub fn spawn<F>(future: F) -> Result<Task<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, result) = sync_channel(1);
    let handle = runtime()?.spawn(async move {
        let output = future.await;
        // the receiver is gone if nobody waits any more
        let _ = sender.send(output);
    });
    Ok(Task {
        result,
        abort: handle.abort_handle(),
    })
}

/// Runs `future` on the shared runtime and waits for its result.
///
/// # Errors
/// When the runtime cannot be started, or the task ended by a panic.
pub fn wait<F>(future: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn(future)?.wait()
}

impl<T> Task<T> {
    /// Waits for the result.
    ///
    /// # Errors
    /// `Internal` if the task ended without one, by a panic.
    pub fn wait(self) -> Result<T> {
        self.result.recv().map_err(|_| ended())
    }

    /// The result if it is there already.
    ///
    /// # Errors
    /// `Internal` if the task ended without one, by a panic.
    pub fn poll(&self) -> Result<Option<T>> {
        match self.result.try_recv() {
            Ok(output) => Ok(Some(output)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ended()),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

fn ended() -> Error {
    Error::internal("a background request ended without a result")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn waits_and_survives_a_panic() {
        assert_eq!(wait(async { 7 }).unwrap(), 7);
        let panicked = wait(async {
            if std::hint::black_box(true) {
                panic!("on purpose");
            }
        });
        assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(wait(async { 8 }).unwrap(), 8);
    }

    #[test]
    fn may_be_called_inside_another_runtime() {
        let other = Builder::new_current_thread().build().unwrap();
        assert_eq!(other.block_on(async { wait(async { 9 }).unwrap() }), 9);
    }

    #[test]
    fn a_dropped_task_is_cancelled() {
        let reached = Arc::new(AtomicBool::new(false));
        let inside = Arc::clone(&reached);
        let task = spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            inside.store(true, Ordering::SeqCst);
        })
        .unwrap();
        assert!(task.poll().unwrap().is_none());
        drop(task);
        std::thread::sleep(Duration::from_millis(120));
        assert!(!reached.load(Ordering::SeqCst));
    }
}
