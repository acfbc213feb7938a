//! Looks schemas up in all registries, in the order that the configuration asks for, with a cache.
//!
//! In: Iglu URIs of events and configurations. Out: compiled schemas, or the messages that name all
//! repositories that were asked. Order, cache, retries and texts are those of iglu-scala-client 0.5.0:
//! * repositories with a prefix of the vendor first, then embedded before HTTP, then by priority;
//! * found and missing schemas are kept, the `cacheSize` that were used last, for `cacheTtl` seconds;
//! * a repository that failed (but not one that said "not found", nor one whose answer is no schema)
//!   is asked again by later look-ups, at most 3 times per key.
//!
//! Better than the reference: threads that miss the same schema at once fetch it once.

mod cache;
mod config;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use self::cache::{Outcome, SharedCache, Slot};
use super::key::{SchemaKey, invalid_uri_text};
use super::message::Message;
use super::registry::{Failure, Found, Registry};
use super::schema::Schema;
use crate::error::{Error, Result};
use crate::json::Value;

/// How often a repository that fails is asked for one key.
const MAX_ATTEMPTS: u32 = 3;

/// Longer URIs are looked up but not kept: a hostile event must not fill the cache with megabytes.
const MAX_CACHED_URI: usize = 4 << 10;

/// A schema with its key, as the resolver hands it out.
#[derive(Debug)]
pub struct SchemaEntry {
    /// The key under which it was found.
    pub key: SchemaKey,
    /// The compiled schema.
    pub schema: Schema,
}

/// Tells the time in whole seconds since 1970; replaced by tests.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// A clock that tells what `now` tells.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of the machine.
    pub fn system() -> Self {
        Self::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(0, |since| since.as_secs())
        })
    }

    fn now(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Size and age of what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Most schemas kept; 0 or less keeps none.
    pub size: i64,
    /// Seconds for which one is used; `None` is for ever.
    pub ttl: Option<u64>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            size: 500,
            ttl: None,
        }
    }
}

/// The registries of a resolver configuration and their cache. Shared by all workers.
#[derive(Debug)]
pub struct Resolver {
    /// Tells the caches of a thread apart.
    id: u64,
    /// The built-in one first.
    registries: Vec<Registry>,
    cache: Option<SharedCache>,
    ttl: Option<u64>,
    clock: Clock,
}

/// What the repositories said so far about a key, in the order in which they were asked.
type Tried = Vec<(usize, Option<RepositoryError>)>;

/// The failures of one repository for one key.
#[derive(Debug, Clone)]
struct RepositoryError {
    /// Without repetitions.
    messages: Vec<Message>,
    attempts: u32,
    unrecoverable: bool,
}

impl Resolver {
    /// Builds a resolver from the self-describing JSON of a resolver configuration.
    ///
    /// # Errors
    /// `ErrorKind::Config` with the reference's texts, all at once, when the configuration is not valid.
    pub fn from_config(text: &str) -> Result<Self> {
        config::from_text(text)
    }

    /// [`from_config`](Self::from_config) for a JSON that is parsed already.
    ///
    /// # Errors
    /// All messages, the first one being `Resolver configuration failed JSON Schema validation`.
    pub fn from_value(value: &Value<'_>) -> std::result::Result<Self, Vec<Message>> {
        config::from_value(value)
    }

    /// A resolver that knows only the schemas in the engine.
    pub fn embedded_only() -> Self {
        Self::with_registries(Vec::new(), CacheSettings::default(), Clock::system())
    }

    /// A resolver over the built-in repository and `registries`, in this order.
    pub fn with_registries(
        registries: Vec<Registry>,
        settings: CacheSettings,
        clock: Clock,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let mut all = vec![Registry::built_in()];
        for registry in registries {
            // The reference keeps answers by repository, so that equal ones are one.
            if !all.contains(&registry) {
                all.push(registry);
            }
        }
        let capacity = usize::try_from(settings.size).unwrap_or(0);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            registries: all,
            cache: (capacity > 0).then(|| SharedCache::new(capacity)),
            ttl: settings.ttl,
            clock,
        }
    }

    /// One line per repository for logs, the built-in one first; without API keys and passwords.
    pub fn repositories(&self) -> Vec<String> {
        self.registries.iter().map(Registry::describe).collect()
    }

    /// The schema of `key`, or the messages that say where it was looked for.
    ///
    /// # Errors
    /// `Could not find schema with key ...` and the failures of all repositories.
    pub fn lookup(&self, key: &SchemaKey) -> std::result::Result<Arc<SchemaEntry>, Vec<Message>> {
        self.lookup_uri(&key.to_string())
    }

    /// The schema of the Iglu URI `uri`. Allocates nothing and takes no lock when this thread has used
    /// the schema before.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup), or that `uri` is no Iglu URI.
    pub fn lookup_uri(&self, uri: &str) -> std::result::Result<Arc<SchemaEntry>, Vec<Message>> {
        self.find(uri).map(|found| found.entry)
    }

    /// The schema of `uri` if this thread has used it before.
    pub(super) fn cached(&self, uri: &str) -> Option<Found> {
        self.local(uri, |outcome| match outcome {
            Outcome::Found(found) => Some(found.clone()),
            Outcome::Missing { .. } => None,
        })
    }

    /// [`lookup_uri`](Self::lookup_uri) with all that is known about the schema.
    pub(super) fn find(&self, uri: &str) -> std::result::Result<Found, Vec<Message>> {
        if let Some(answer) = self.local(uri, |outcome| Some(outcome.answer())) {
            return answer;
        }
        let key =
            SchemaKey::parse(uri).ok_or_else(|| vec![Message::error(invalid_uri_text(uri))])?;
        let cache = self.cache.as_ref();
        let Some(cache) = cache.filter(|_| uri.len() <= MAX_CACHED_URI) else {
            return self.search(&key, None).answer();
        };
        cache.find(self.id, uri, |kept| match kept {
            Some(slot) if self.is_fresh(slot) => match &slot.outcome {
                Outcome::Missing {
                    tried, retry: true, ..
                } => self.store(self.search(&key, Some(tried))),
                _ => Arc::clone(slot),
            },
            _ => self.store(self.search(&key, None)),
        })
    }

    /// Hands what this thread has kept about `uri` to `read`, if it is still to be used.
    fn local<R>(&self, uri: &str, read: impl FnOnce(&Outcome) -> Option<R>) -> Option<R> {
        self.cache.as_ref()?.local(self.id, uri, |slot| {
            if self.is_fresh(slot) {
                read(&slot.outcome)
            } else {
                None
            }
        })
    }

    fn is_fresh(&self, slot: &Slot) -> bool {
        self.ttl
            .is_none_or(|ttl| self.clock.now().saturating_sub(slot.stored_at) < ttl)
    }

    fn store(&self, outcome: Outcome) -> Arc<Slot> {
        let stored_at = self.ttl.map_or(0, |_| self.clock.now());
        Arc::new(Slot { outcome, stored_at })
    }

    /// Asks the repositories: all of them, or those that are worth another attempt.
    fn search(&self, key: &SchemaKey, before: Option<&Tried>) -> Outcome {
        let order = self.order(&key.vendor);
        let mut tried = before.cloned().unwrap_or_default();
        for &index in &order {
            let seen = tried.iter().position(|(other, _)| *other == index);
            let known = seen.and_then(|at| tried.get(at)).map(|(_, error)| error);
            match known {
                None => {}
                Some(Some(error)) if error.may_retry() => {}
                Some(_) => continue,
            }
            let Some(registry) = self.registries.get(index) else {
                continue;
            };
            let error = match registry.fetch(key) {
                Ok(Some(found)) => return Outcome::Found(found),
                Ok(None) => None,
                Err(failure) => {
                    let shown: String = key.to_string().chars().take(200).collect();
                    tracing::warn!(schema = %shown, repository = %registry.label(), "schema look-up failed");
                    Some(RepositoryError::of(failure))
                }
            };
            match seen.and_then(|at| tried.get_mut(at)) {
                Some((_, old)) => RepositoryError::combine(old, error),
                None => tried.push((index, error)),
            }
        }
        self.missing(key, &order, tried)
    }

    /// Indexes of the repositories in the order in which they are asked for a vendor.
    fn order(&self, vendor: &str) -> Vec<usize> {
        let mut order: Vec<(usize, &Registry)> = self.registries.iter().enumerate().collect();
        order.sort_by_key(|(_, registry)| {
            (
                !registry.serves_vendor(vendor),
                registry.class_priority(),
                registry.priority,
            )
        });
        order.into_iter().map(|(index, _)| index).collect()
    }

    fn missing(&self, key: &SchemaKey, order: &[usize], tried: Tried) -> Outcome {
        let repositories = order
            .iter()
            .rev()
            .filter_map(|index| self.registries.get(*index))
            .map(|registry| Value::string(registry.label()))
            .collect();
        let text = format!("Could not find schema with key {key} in any repository, tried:");
        let mut messages =
            vec![Message::error(text).with("repositories", Value::Array(repositories))];
        let errors = || tried.iter().filter_map(|(_, error)| error.as_ref());
        messages.extend(errors().flat_map(|error| error.messages.iter().cloned()));
        let retry = errors().any(RepositoryError::may_retry);
        Outcome::Missing {
            messages,
            tried,
            retry,
        }
    }
}

impl RepositoryError {
    fn of(failure: Failure) -> Self {
        let (messages, unrecoverable) = match failure {
            Failure::Recoverable(message) => (vec![message], false),
            Failure::Unusable(messages) => (messages, true),
        };
        let mut error = Self {
            messages: Vec::new(),
            attempts: 1,
            unrecoverable,
        };
        error.add(messages);
        error
    }

    fn add(&mut self, messages: Vec<Message>) {
        for message in messages {
            if !self.messages.contains(&message) {
                self.messages.push(message);
            }
        }
    }

    fn may_retry(&self) -> bool {
        !self.unrecoverable && self.attempts < MAX_ATTEMPTS
    }

    /// Adds the result of another attempt; "not found" leaves what was known.
    fn combine(old: &mut Option<Self>, new: Option<Self>) {
        match (old.as_mut(), new) {
            (Some(old), Some(new)) => {
                old.add(new.messages);
                old.attempts = old.attempts.max(new.attempts) + 1;
                old.unrecoverable |= new.unrecoverable;
            }
            // An answer at last: it need not be asked again.
            (Some(old), None) => old.attempts = MAX_ATTEMPTS,
            (None, new) => *old = new,
        }
    }
}

/// The failure of a configuration as one error for the operator.
fn config_error(messages: &[Message]) -> Error {
    let text = super::message::multiline_all(messages);
    Error::config(text.trim_end())
}

#[cfg(test)]
mod tests;
