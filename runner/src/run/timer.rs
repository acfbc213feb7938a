//! The time of a run (`--timeout`): when it is over, the step at work is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Runs until it is dropped.
pub(super) struct Timer {
    is_over: Arc<AtomicBool>,
    /// Its end ends the thread.
    _alive: Sender<()>,
}

impl Timer {
    /// Starts the time; when it is over, `cancel` is set. Without a time it is never over.
    pub(super) fn start(time: Option<Duration>, cancel: Arc<AtomicBool>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (alive, gone) = channel();
        if let Some(time) = time {
            let over = Arc::clone(&is_over);
            thread::spawn(move || {
                if gone.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                    over.store(true, Ordering::SeqCst);
                    cancel.store(true, Ordering::SeqCst);
                }
            });
        }
        Self {
            is_over,
            _alive: alive,
        }
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_step_is_told_when_the_time_is_over() {
        let cancel = Arc::new(AtomicBool::new(false));
        let started = Instant::now();
        let timer = Timer::start(Some(Duration::from_millis(20)), Arc::clone(&cancel));
        while !cancel.load(Ordering::SeqCst) {
            assert!(started.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(1));
        }
        assert!(timer.is_over() && started.elapsed() >= Duration::from_millis(20));
        let cancel = Arc::new(AtomicBool::new(false));
        let timer = Timer::start(Some(Duration::from_secs(3600)), Arc::clone(&cancel));
        assert!(!timer.is_over());
        drop(timer);
        assert!(!Timer::start(None, cancel).is_over());
    }
}
