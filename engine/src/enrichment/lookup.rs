//! Questions to services outside: asked once, many at a time, without making a worker wait for each.
//!
//! The steps of an event are synchronous and have no side effects, so an event whose answer is
//! missing is simply enriched anew once the answer is there:
//!
//! 1. a worker enriches all records of a chunk; a look-up without an answer is noted in the worker's
//!    [`Session`] and interrupts its event with [`Interrupt::Pending`];
//! 2. all open questions of the session are asked concurrently ([`Session::start`]), while the worker
//!    goes on with other chunks;
//! 3. the records that were interrupted are enriched anew, until none is open.
//!
//! A [`Service`] belongs to one enrichment and is shared by all workers: it holds the cache of the job
//! and asks a question that several workers have at once only once. A [`Session`] belongs to the
//! records of one chunk and keeps all their answers, also those that the cache does not keep, so that
//! each round comes further.

mod cache;
mod session;

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::Semaphore;

use super::draft::Draft;
use super::failures::{Interrupt, Unexpected};
use crate::store::runtime;
use cache::Cache;
pub use session::{InFlight, Session};

/// How often a cache had the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Questions that the cache answered, or another event that asked at the same time.
    pub hits: u64,
    /// Questions that went to the service.
    pub misses: u64,
    /// Answers of the service that are errors.
    pub errors: u64,
}

/// How answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Most answers; the one unused for the longest time goes first. 0: none is kept.
    pub size: usize,
    /// How long an answer lives; `None`: for ever.
    pub ttl: Option<Duration>,
}

/// An answer of a service: a value or an error, as the caller understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<A> {
    /// What was answered.
    pub value: A,
    /// Whether the cache keeps it.
    pub keep: bool,
}

/// Asks a service one question.
pub trait Ask<A>: Send + Sync {
    /// `question` holds everything that the answer depends on. The future ends by itself: it has a
    /// time-out of its own.
    fn ask(&self, question: String) -> BoxFuture<'static, Answer<A>>;

    /// Whether an answer is an error, for the counts.
    fn is_error(&self, _value: &A) -> bool {
        false
    }

    /// About how many bytes an answer takes, for the bound of the cache.
    fn weigh(&self, _value: &A) -> usize {
        0
    }
}

/// A service with its cache, shared by all workers.
pub struct Service<A> {
    inner: Arc<Inner<A>>,
}

impl<A> std::fmt::Debug for Service<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

/// A question that is being asked. It goes on as long as anybody waits for it.
type Asking<A> = Shared<BoxFuture<'static, A>>;

struct Inner<A> {
    /// Tells the services of a process apart.
    id: u64,
    ask: Box<dyn Ask<A>>,
    /// One permit for each question that may be asked at the same time.
    permits: Semaphore,
    cache: Cache<A>,
    in_flight: Mutex<HashMap<Arc<str>, WeakShared<BoxFuture<'static, A>>>>,
    /// Look-ups of finished records.
    answered: AtomicU64,
    misses: AtomicU64,
    errors: AtomicU64,
}

/// An answer of any service.
type AnyAnswer = Arc<dyn Any + Send + Sync>;

/// A service without the type of its answers.
trait AnyService: Send + Sync {
    fn answer(self: Arc<Self>, key: &str, question: String) -> BoxFuture<'static, AnyAnswer>;

    /// Counts look-ups of finished records.
    fn count(&self, look_ups: u64);
}

impl<A: Clone + Send + Sync + 'static> Service<A> {
    /// A service that is asked at most `concurrency` questions at a time.
    pub fn new(cache: CacheSettings, concurrency: usize, ask: Box<dyn Ask<A>>) -> Self {
        static SERVICES: AtomicU64 = AtomicU64::new(0);
        Self {
            inner: Arc::new(Inner {
                id: SERVICES.fetch_add(1, Ordering::Relaxed),
                ask,
                permits: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
                cache: Cache::new(cache),
                in_flight: Mutex::default(),
                answered: AtomicU64::new(0),
                misses: AtomicU64::new(0),
                errors: AtomicU64::new(0),
            }),
        }
    }

    /// The answer to a question, from the draft's session, from the cache, or (where the draft has
    /// no session) from the service.
    ///
    /// # Errors
    /// `Pending` when it has to be asked first.
    pub fn look_up(&self, draft: &Draft<'_>, question: &str) -> Result<A, Interrupt> {
        self.look_up_as(draft, question, question)
    }

    /// [`look_up`](Self::look_up) where several questions have one answer: that to the first of the
    /// same `key` stands for all.
    ///
    /// # Errors
    /// `Pending` when it has to be asked first.
    pub fn look_up_as(&self, draft: &Draft<'_>, key: &str, question: &str) -> Result<A, Interrupt> {
        match draft.session {
            Some(session) => session.look_up(&self.inner, key, question),
            None => self.inner.ask_now(key, question),
        }
    }

    /// How often the cache had the answer.
    pub fn statistics(&self) -> CacheStatistics {
        let misses = self.inner.misses.load(Ordering::Relaxed);
        CacheStatistics {
            hits: self
                .inner
                .answered
                .load(Ordering::Relaxed)
                .saturating_sub(misses),
            misses,
            errors: self.inner.errors.load(Ordering::Relaxed),
        }
    }
}

impl<A: Clone + Send + Sync + 'static> Inner<A> {
    /// Waits for the answer.
    fn ask_now(self: &Arc<Self>, key: &str, question: &str) -> Result<A, Interrupt> {
        let answer = match self.cache.get(key) {
            Some(answer) => answer,
            None => {
                let asking = self.asking(key, question.to_owned());
                runtime::wait(asking).map_err(|error| {
                    // nothing of Java's: a defect of ours, or no threads
                    Unexpected(format!("java.lang.IllegalStateException: {error}"))
                })?
            }
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// The question as it is being asked by another, or asked from now on.
    fn asking(self: &Arc<Self>, key: &str, question: String) -> Asking<A> {
        let mut in_flight = self.lock();
        let running = in_flight.get(key).and_then(WeakShared::upgrade);
        if let Some(asking) = running {
            return asking;
        }
        // An answer comes into the cache before its question leaves the table, so none is missed.
        if let Some(answer) = self.cache.get(key) {
            return std::future::ready(answer).boxed().shared();
        }
        let key: Arc<str> = key.into();
        let left = Leaving {
            service: Arc::clone(self),
            key: Arc::clone(&key),
        };
        let asking = async move { left.service.ask_once(&left.key, question).await }
            .boxed()
            .shared();
        if let Some(weak) = asking.downgrade() {
            in_flight.insert(key, weak);
        }
        asking
    }

    async fn ask_once(&self, key: &str, question: String) -> A {
        // the permits are never closed
        let permit = self.permits.acquire().await;
        self.misses.fetch_add(1, Ordering::Relaxed);
        let answer = self.ask.ask(question).await;
        drop(permit);
        if self.ask.is_error(&answer.value) {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        if answer.keep {
            let bytes = self.ask.weigh(&answer.value);
            self.cache.put(key, answer.value.clone(), bytes);
        }
        answer.value
    }
}

impl<A> Inner<A> {
    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, WeakShared<BoxFuture<'static, A>>>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a question out of the table when it is answered, and also when nobody waits for it any more.
struct Leaving<A> {
    service: Arc<Inner<A>>,
    key: Arc<str>,
}

impl<A> Drop for Leaving<A> {
    fn drop(&mut self) {
        self.service.lock().remove(&self.key);
    }
}

impl<A: Clone + Send + Sync + 'static> AnyService for Inner<A> {
    fn answer(self: Arc<Self>, key: &str, question: String) -> BoxFuture<'static, AnyAnswer> {
        let asking = self.asking(key, question);
        async move { Arc::new(asking.await) as AnyAnswer }.boxed()
    }

    fn count(&self, look_ups: u64) {
        self.answered.fetch_add(look_ups, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
