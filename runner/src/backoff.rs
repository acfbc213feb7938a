//! Waiting before another try: exponential back-off with full jitter, from one second to one minute, with a total limit.
//!
//! EmrEtlRunner R108 waited five minutes after the errors that it knew, without limit, and died of all others; every call of
//! ours over a network goes through here. The wait before try `n` is drawn evenly from nothing to `first * 2^n`, at most
//! `most`, so that many callers that failed together do not come back together.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Time and chance; tests bring their own.
pub trait Clock: Send + Sync {
    /// Time since some fixed instant.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, wait: Duration);

    /// A number from 0 up to and not including 1.
    fn chance(&self) -> f64;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, wait: Duration) {
        std::thread::sleep(wait);
    }

    fn chance(&self) -> f64 {
        let mut bytes = [0; 8];
        // Without chance all wait for the middle of the range, which is still a back-off.
        if getrandom::fill(&mut bytes).is_err() {
            return 0.5;
        }
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may be over soon: another try is worth it.
    Passing {
        /// What happened.
        why: String,
        /// The least wait that the other side asked for (`Retry-After`).
        at_least: Option<Duration>,
    },
    /// Another try would end the same way.
    Lasting(String),
}

impl Trouble {
    /// Something that may be over soon.
    pub fn passing(why: impl Into<String>) -> Self {
        Self::Passing {
            why: why.into(),
            at_least: None,
        }
    }

    /// What happened.
    pub fn why(&self) -> &str {
        match self {
            Self::Passing { why, .. } | Self::Lasting(why) => why,
        }
    }
}

/// How long to wait, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The most that is waited before the second try.
    pub first: Duration,
    /// The most that is waited before any try.
    pub most: Duration,
    /// Time after which no further try is made.
    pub total: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            most: Duration::from_secs(60),
            total: Duration::from_secs(10 * 60),
        }
    }
}

impl Backoff {
    /// The usual waits, with this total limit.
    pub fn within(total: Duration) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }

    /// The waits of one undertaking that begins now.
    pub fn begin<'c>(&self, clock: &'c dyn Clock) -> Waits<'c> {
        Waits {
            backoff: *self,
            clock,
            began: clock.now(),
            failures: 0,
        }
    }

    /// Calls `attempt` until it succeeds, until its trouble lasts, or until the total limit. `what` names the undertaking in
    /// the log.
    ///
    /// # Errors
    /// The text of the last trouble; after several tries with their number and the time that they took.
    pub fn retry<T>(
        &self,
        what: &str,
        clock: &dyn Clock,
        attempt: &mut dyn FnMut() -> Result<T, Trouble>,
    ) -> Result<T, String> {
        let mut waits = self.begin(clock);
        loop {
            let trouble = match attempt() {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Lasting(why) => return Err(why),
                Trouble::Passing { why, at_least } => {
                    if !waits.wait(what, &why, at_least) {
                        return Err(waits.given_up(&why));
                    }
                }
            }
        }
    }
}

/// The waits between the tries of one undertaking.
pub struct Waits<'c> {
    backoff: Backoff,
    clock: &'c dyn Clock,
    began: Duration,
    failures: u32,
}

impl Waits<'_> {
    /// Waits before the next try; false, without waiting, when the total limit is reached. The last wait is cut so that the
    /// last try begins at the limit.
    pub fn wait(&mut self, what: &str, why: &str, at_least: Option<Duration>) -> bool {
        self.failures = self.failures.saturating_add(1);
        let left = self
            .backoff
            .total
            .saturating_sub(self.clock.now().saturating_sub(self.began));
        if left.is_zero() {
            return false;
        }
        let doublings = 1_u32
            .checked_shl(self.failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let most = self
            .backoff
            .first
            .saturating_mul(doublings)
            .min(self.backoff.most);
        let wait = most
            .mul_f64(self.clock.chance())
            .max(at_least.unwrap_or_default())
            .min(left);
        tracing::warn!("{what}: {why}; trying again in {:.1} s", wait.as_secs_f64());
        self.clock.sleep(wait);
        true
    }

    /// Tries that failed so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets the failures: something went well in between.
    pub fn start_over(&mut self) {
        self.began = self.clock.now();
        self.failures = 0;
    }

    /// The text of giving up.
    pub fn given_up(&self, why: &str) -> String {
        let seconds = self.clock.now().saturating_sub(self.began).as_secs();
        format!(
            "{why} (given up after {} tries in {seconds} s)",
            self.failures
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Sleeping moves its hands; chance is fixed.
    struct Toy {
        slept: Mutex<Vec<Duration>>,
        chance: f64,
    }

    impl Toy {
        fn new(chance: f64) -> Self {
            Self {
                slept: Mutex::new(Vec::new()),
                chance,
            }
        }

        fn seconds(&self) -> Vec<f64> {
            let slept = self.slept.lock().unwrap();
            slept.iter().map(Duration::as_secs_f64).collect()
        }
    }

    impl Clock for Toy {
        fn now(&self) -> Duration {
            self.slept.lock().unwrap().iter().sum()
        }

        fn sleep(&self, wait: Duration) {
            self.slept.lock().unwrap().push(wait);
        }

        fn chance(&self) -> f64 {
            self.chance
        }
    }

    #[test]
    fn waits_double_up_to_a_minute_and_end_at_the_limit() {
        let clock = Toy::new(0.5);
        let error = Backoff::within(Duration::from_secs(100))
            .retry::<()>("a call", &clock, &mut || Err(Trouble::passing("HTTP 503")))
            .unwrap_err();
        // half of 1, 2, 4 ... 32, then of 60; the last one is cut at 100 s
        assert_eq!(
            clock.seconds(),
            [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 8.5]
        );
        assert_eq!(error, "HTTP 503 (given up after 10 tries in 100 s)");
    }

    #[test]
    fn full_jitter_reaches_from_nothing_to_the_whole() {
        for (chance, first) in [(0.0, 0.0), (0.999, 0.999)] {
            let clock = Toy::new(chance);
            let backoff = Backoff::default();
            assert!(backoff.begin(&clock).wait("x", "y", None));
            assert_eq!(clock.seconds(), [first]);
        }
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&SystemClock.chance()));
        }
    }

    #[test]
    fn what_the_other_side_asked_for_is_the_least() {
        let clock = Toy::new(0.1);
        let mut waits = Backoff::default().begin(&clock);
        waits.wait("x", "y", Some(Duration::from_secs(7)));
        waits.wait("x", "y", Some(Duration::from_millis(1)));
        assert_eq!(clock.seconds(), [7.0, 0.2]);
    }

    #[test]
    fn lasting_trouble_ends_at_once_and_success_counts() {
        let clock = Toy::new(0.5);
        let lasting = Backoff::default().retry::<()>("x", &clock, &mut || {
            Err(Trouble::Lasting("HTTP 403".into()))
        });
        assert_eq!(lasting, Err("HTTP 403".into()));
        assert!(clock.seconds().is_empty());
        let mut left = 3;
        let done = Backoff::default().retry("x", &clock, &mut || {
            left -= 1;
            if left == 0 {
                Ok(7)
            } else {
                Err(Trouble::passing("not yet"))
            }
        });
        assert_eq!((done, clock.seconds().len()), (Ok(7), 2));
    }

    #[test]
    fn after_success_the_waits_begin_small_again() {
        let clock = Toy::new(0.5);
        let mut waits = Backoff::default().begin(&clock);
        for _ in 0..3 {
            waits.wait("x", "y", None);
        }
        waits.start_over();
        assert_eq!(waits.failures(), 0);
        waits.wait("x", "y", None);
        assert_eq!(clock.seconds(), [0.5, 1.0, 2.0, 0.5]);
    }

    #[test]
    fn thousands_of_failures_do_not_overflow() {
        let clock = Toy::new(0.0);
        let mut waits = Backoff::within(Duration::MAX).begin(&clock);
        for _ in 0..5000 {
            assert!(waits.wait("x", "y", None));
        }
        assert_eq!(waits.failures(), 5000);
    }
}
