//! Requests to S3: how often they are tried, how long is waited between, how many are in flight.
//!
//! Each request is tried again with exponential back-off and jitter until the time limit of the settings, whatever passing
//! error it meets: no answer, 5xx, throttling, `RequestTimeout` (a 400), an error in the body of a 200. Permanent errors
//! fail at once. The number of requests in flight adapts itself: a `SlowDown` halves it (once in a while, not once for each
//! request that was told so), success raises it slowly to its limit again.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::store::pause_after;
use tokio::sync::Notify;

use super::Tuning;
use super::refusal::{Refusal, Retry};

/// Tries of a request whose answer does not say whether another one is worth it.
const FEW: u32 = 4;

/// The retries and the pace of all requests of a program.
#[derive(Debug)]
pub(crate) struct Calls {
    first_backoff: Duration,
    longest_backoff: Duration,
    retry_timeout: Duration,
    most: f64,
    pace: Mutex<Pace>,
    freed: Notify,
}

#[derive(Debug)]
struct Pace {
    limit: f64,
    in_flight: usize,
    slowed: Option<Instant>,
}

/// The right to have one request in flight.
struct Permit<'a>(&'a Calls);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.pace().in_flight -= 1;
        self.0.freed.notify_one();
    }
}

impl Calls {
    /// With the limits of `tuning`.
    pub(crate) fn new(tuning: &Tuning) -> Self {
        let most = u32::try_from(tuning.in_flight.clamp(1, 10_000)).map_or(1.0, f64::from);
        Self {
            first_backoff: tuning.first_backoff,
            longest_backoff: tuning.longest_backoff,
            retry_timeout: tuning.retry_timeout,
            most,
            pace: Mutex::new(Pace {
                limit: most,
                in_flight: 0,
                slowed: None,
            }),
            freed: Notify::new(),
        }
    }

    /// Makes a request until it succeeds, fails for good, or the time is over.
    ///
    /// # Errors
    /// The last refusal, with the number of tries.
    pub(crate) async fn run<T, F, Fut>(&self, operation: &str, call: F) -> Result<T, Refusal>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Refusal>>,
    {
        self.counted(operation, call).await.map(|(value, _)| value)
    }

    /// As [`run`](Self::run); tells also how many requests it took.
    ///
    /// # Errors
    /// The last refusal, with the number of tries.
    pub(crate) async fn counted<T, F, Fut>(
        &self,
        operation: &str,
        mut call: F,
    ) -> Result<(T, u32), Refusal>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Refusal>>,
    {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let permit = self.permit().await;
            let result = call().await;
            drop(permit);
            let mut refusal = match result {
                Ok(value) => {
                    self.succeeded();
                    return Ok((value, tries));
                }
                Err(refusal) => refusal,
            };
            refusal.tries = tries;
            match refusal.retry {
                Retry::No => return Err(refusal),
                Retry::Slower => self.slow_down(),
                Retry::Few if tries >= FEW => return Err(refusal),
                Retry::Yes | Retry::Few => {}
            }
            let pause = pause_after(tries, self.first_backoff, self.longest_backoff);
            if begun.elapsed() + pause > self.retry_timeout {
                return Err(refusal);
            }
            // The first failures of a request are daily life; a series of them is worth a line.
            if tries >= 4 {
                tracing::warn!(
                    "{}; trying again in {:.1} s",
                    refusal.text("S3", operation),
                    pause.as_secs_f64()
                );
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The number of requests that may be in flight now.
    #[cfg(test)]
    pub(crate) fn limit(&self) -> f64 {
        self.pace().limit
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn permit(&self) -> Permit<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the look: a permit freed in between is not missed.
            freed.as_mut().enable();
            {
                let mut pace = self.pace();
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 1 and 10,000"
                )]
                if pace.in_flight < pace.limit as usize {
                    pace.in_flight += 1;
                    return Permit(self);
                }
            }
            freed.await;
        }
    }

    fn succeeded(&self) {
        let mut pace = self.pace();
        if pace.limit < self.most {
            pace.limit = (pace.limit + 1.0 / pace.limit).min(self.most);
            drop(pace);
            self.freed.notify_one();
        }
    }

    /// Halves the number of requests in flight, once in a time in which the effect can show.
    fn slow_down(&self) {
        let mut pace = self.pace();
        let now = Instant::now();
        if pace
            .slowed
            .is_none_or(|last| now.duration_since(last) >= self.first_backoff)
        {
            pace.limit = (pace.limit / 2.0).max(1.0);
            pace.slowed = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn quick(timeout: u64) -> Arc<Calls> {
        Arc::new(Calls::new(&Tuning {
            first_backoff: Duration::from_millis(2),
            longest_backoff: Duration::from_millis(10),
            retry_timeout: Duration::from_millis(timeout),
            in_flight: 8,
            ..Tuning::default()
        }))
    }

    fn refusal(retry: Retry) -> Refusal {
        let mut refusal = Refusal::broken("broken");
        refusal.retry = retry;
        refusal
    }

    #[test]
    fn passing_errors_are_tried_again_and_others_not() {
        let calls = quick(5000);
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let result = engine::store::runtime::wait(async move {
            let passing = calls
                .counted("Get", || {
                    let n = count.fetch_add(1, Ordering::SeqCst);
                    async move {
                        if n < 5 {
                            Err(refusal(Retry::Yes))
                        } else {
                            Ok(n)
                        }
                    }
                })
                .await;
            let permanent = calls
                .run("Get", || async { Err::<(), _>(refusal(Retry::No)) })
                .await;
            (passing.unwrap(), permanent.unwrap_err().tries)
        })
        .unwrap();
        assert_eq!(result, ((5, 6), 1));
        assert_eq!(made.load(Ordering::SeqCst), 6);
    }

    #[test]
    fn tries_end_with_the_time() {
        let calls = quick(600);
        let begun = Instant::now();
        let last = engine::store::runtime::wait(async move {
            calls
                .run("Get", || async { Err::<(), _>(refusal(Retry::Yes)) })
                .await
                .unwrap_err()
        })
        .unwrap();
        assert!(last.tries > 3, "{}", last.tries);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_pace_slows_and_recovers() {
        let calls = quick(1000);
        assert!((calls.limit() - 8.0).abs() < 0.01);
        calls.slow_down();
        // many at the same time count as one
        calls.slow_down();
        assert!((calls.limit() - 4.0).abs() < 0.01);
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(3));
            calls.slow_down();
        }
        assert!((calls.limit() - 1.0).abs() < 0.01);
        for _ in 0..100 {
            calls.succeeded();
        }
        assert!((calls.limit() - 8.0).abs() < 0.01);
    }

    #[test]
    fn never_more_in_flight_than_allowed() {
        let calls = quick(5000);
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&most);
        engine::store::runtime::wait(async move {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..200 {
                let (calls, now, most) = (Arc::clone(&calls), Arc::clone(&now), Arc::clone(&most));
                tasks.spawn(async move {
                    calls
                        .run("Get", || async {
                            most.fetch_max(
                                now.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            now.fetch_sub(1, Ordering::SeqCst);
                            Ok::<_, Refusal>(())
                        })
                        .await
                        .unwrap();
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        })
        .unwrap();
        let most = seen.load(Ordering::SeqCst);
        assert!((2..=8).contains(&most), "{most}");
    }

    #[test]
    fn pauses_grow_within_their_bounds() {
        let calls = quick(1);
        for (tries, least, most) in [(1, 1, 2), (2, 2, 4), (3, 4, 8), (4, 5, 10), (60, 5, 10)] {
            let pause = pause_after(tries, calls.first_backoff, calls.longest_backoff);
            assert!(
                pause >= Duration::from_millis(least) && pause <= Duration::from_millis(most),
                "{tries}: {pause:?}"
            );
        }
    }
}
