//! Requests to S3 that are made until they succeed, fail for good, or the time is over.
//!
//! `object_store` makes a request a few times with one signature, after server errors, throttles and broken connections. The
//! rest is done here, with a new signature each time: `RequestTimeout`, which S3 sends as a 400 (a bare one to a HEAD); errors of
//! single keys in the answer to a deletion; answers that broke off; connections that were lost under requests that
//! `object_store` does not dare to repeat; a service that is away for minutes. All our requests may be made twice: whoever
//! writes only if there is nothing, or ends an upload, looks at what it finds then.

use super::StoreSettings;
use super::refusal::{Again, judge};
use std::future::Future;
use std::time::{Duration, Instant};

/// Tries of a request whose answer does not say whether another one is worth it.
const FEW: u32 = 4;

/// Longest wait before the first further try; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long requests are made again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Whether there is any further try.
    tries: bool,
    timeout: Duration,
}

impl Patience {
    pub(super) fn new(settings: &StoreSettings) -> Self {
        Self {
            tries: settings.retries > 0,
            timeout: settings.retry_timeout,
        }
    }

    /// Makes a request until it succeeds, fails for good, or the time is over; then the last error.
    pub(super) async fn run<T, F, Fut>(self, mut call: F) -> object_store::Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = object_store::Result<T>>,
    {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            let error = match call().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            tries += 1;
            let again = match judge(&error) {
                Again::No => false,
                Again::Few => tries < FEW,
                Again::Yes => true,
            };
            let pause = pause_after(tries, FIRST_PAUSE, LONGEST_PAUSE);
            if !self.tries || !again || begun.elapsed() + pause > self.timeout {
                return Err(error);
            }
            // The first failures of a request are daily life; a series of them is worth a line.
            if tries >= 4 {
                tracing::warn!(
                    "{}; trying again in {:.1} s",
                    super::refusal::s3_error("S3", error),
                    pause.as_secs_f64()
                );
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// The wait after the `tries`-th failure, from 1: between half and the whole of a time that begins with `first`, doubles with
/// each and is at most `longest`; so requests which failed together are not made together again.
pub fn pause_after(tries: u32, first: Duration, longest: Duration) -> Duration {
    let full = first
        .saturating_mul(1 << tries.saturating_sub(1).min(16))
        .min(longest);
    let mut random = [0; 2];
    let share = match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX),
        Err(_) => 1.0,
    };
    full.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::runtime::wait;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const PASSING: &str = "non-2xx status code: 400 Bad Request: <Code>RequestTimeout</Code>";
    const BARE: &str = "non-2xx status code: 400 Bad Request: ";
    const WRONG: &str = "non-2xx status code: 400 Bad Request: <Code>InvalidRequest</Code>";

    /// The number of tries of a request that fails so often with this text, and whether it succeeded.
    fn tries(patience: Patience, failures: u32, text: &'static str) -> (u32, bool) {
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let result = wait(async move {
            patience
                .run(|| {
                    let n = count.fetch_add(1, Ordering::SeqCst);
                    async move {
                        if n < failures {
                            return Err(object_store::Error::Generic {
                                store: "S3",
                                source: text.into(),
                            });
                        }
                        Ok(())
                    }
                })
                .await
        });
        (made.load(Ordering::SeqCst), result.unwrap().is_ok())
    }

    fn patience(tries: bool, millis: u64) -> Patience {
        Patience {
            tries,
            timeout: Duration::from_millis(millis),
        }
    }

    #[test]
    fn passing_errors_are_tried_again_and_others_not() {
        let long = patience(true, 60_000);
        assert_eq!(tries(long, 2, PASSING), (3, true));
        assert_eq!(tries(long, 2, BARE), (3, true));
        assert_eq!(tries(long, 99, BARE), (FEW, false));
        assert_eq!(tries(long, 99, WRONG), (1, false));
        assert_eq!(tries(patience(false, 60_000), 99, PASSING), (1, false));
        assert_eq!(tries(patience(true, 1), 99, PASSING), (1, false));
        let (made, done) = tries(patience(true, 500), 99, PASSING);
        assert!(!done && (2..=6).contains(&made), "{made}");
    }

    #[test]
    fn pauses_grow_within_their_bounds() {
        for (tries, least, most) in [
            (1, 50, 100),
            (2, 100, 200),
            (5, 800, 1600),
            (90, 5_000, 10_000),
        ] {
            let millis = pause_after(tries, FIRST_PAUSE, LONGEST_PAUSE).as_millis();
            assert!((least..=most).contains(&millis), "{tries}: {millis}");
        }
    }

    #[test]
    fn settings_tell_whether_and_how_long() {
        let none = Patience::new(&StoreSettings {
            retries: 0,
            ..StoreSettings::default()
        });
        assert!(!none.tries);
        let default = Patience::new(&StoreSettings::default());
        assert!(default.tries && default.timeout == StoreSettings::default().retry_timeout);
    }
}
