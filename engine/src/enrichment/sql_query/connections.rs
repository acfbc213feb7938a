//! Connections of a job to its database: opened when they are needed, kept while they work, with a
//! time-out for everything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::timeout;

use super::Limits;
use super::inputs::Placeholder;
use super::output::Table;

/// What to do with a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task<'t> {
    /// Ask how many `?` the statement has.
    Count,
    /// Run the statement with these values, and stop reading at `most` rows.
    Rows {
        values: &'t [Placeholder],
        most: Option<usize>,
    },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Count(usize),
    Rows(Table),
}

/// What the connection is good for afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Anything.
    Usable,
    /// Nothing: it is broken.
    Lost,
    /// Nothing: the server is still at work for it.
    Busy,
}

/// An outcome, or the text for the bad row.
pub(super) type Done = (Result<Outcome, String>, After);

/// A kind of database.
pub(super) trait Driver: Send + Sync + 'static {
    /// An open connection.
    type Connection: Send + 'static;

    /// Opens a connection.
    fn connect(&self) -> BoxFuture<'_, Result<Self::Connection, String>>;

    /// Whether a connection looks open, as far as can be told without asking.
    fn is_open(connection: &Self::Connection) -> bool;

    /// Does a task.
    fn run<'r>(
        &'r self,
        connection: &'r mut Self::Connection,
        task: Task<'r>,
    ) -> BoxFuture<'r, Done>;

    /// Gives up a connection whose server is still at work, which is told to stop.
    fn give_up(&self, connection: Self::Connection);

    /// The text for a server that cannot be reached in time.
    fn connect_timed_out(&self, limit: Duration) -> String;

    /// The text for a query that takes too long.
    fn query_timed_out(&self, limit: Duration) -> String;
}

/// The connections of a job.
pub(super) struct Connections<D: Driver> {
    driver: D,
    limits: Limits,
    idle: Mutex<Vec<D::Connection>>,
}

impl<D: Driver> Connections<D> {
    pub(super) fn new(driver: D, limits: Limits) -> Self {
        Self {
            driver,
            limits,
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<D::Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection that looks open.
    fn reuse(&self) -> Option<D::Connection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.pop() {
            if D::is_open(&connection) {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> Result<D::Connection, String> {
        match timeout(self.limits.connect, self.driver.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(self.driver.connect_timed_out(self.limits.connect)),
        }
    }

    /// Does a task. An idle connection that turns out to be broken is replaced once.
    pub(super) async fn run(&self, task: Task<'_>) -> Result<Outcome, String> {
        let reused = self.reuse();
        let was_reused = reused.is_some();
        let connection = match reused {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let (outcome, is_lost) = self.run_on(connection, task).await;
        if !(was_reused && is_lost && outcome.is_err()) {
            return outcome;
        }
        // what broke this one most likely broke the others too
        let broken = std::mem::take(&mut *self.idle());
        drop(broken);
        let connection = self.connect().await?;
        self.run_on(connection, task).await.0
    }

    /// The outcome, and whether the connection broke.
    async fn run_on(
        &self,
        mut connection: D::Connection,
        task: Task<'_>,
    ) -> (Result<Outcome, String>, bool) {
        let done = timeout(self.limits.query, self.driver.run(&mut connection, task)).await;
        let (outcome, after) = done.unwrap_or_else(|_| {
            let text = self.driver.query_timed_out(self.limits.query);
            (Err(text), After::Busy)
        });
        match after {
            After::Usable => self.idle().push(connection),
            After::Lost => drop(connection),
            After::Busy => self.driver.give_up(connection),
        }
        (outcome, after == After::Lost)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;

    /// Its connections have numbers; those below `broken` are.
    #[derive(Clone, Default)]
    struct Numbered {
        opened: Arc<AtomicUsize>,
        broken: Arc<AtomicUsize>,
        closed: Arc<AtomicUsize>,
        given_up: Arc<AtomicUsize>,
    }

    impl Driver for Numbered {
        type Connection = (usize, Arc<AtomicUsize>);

        fn connect(&self) -> BoxFuture<'_, Result<Self::Connection, String>> {
            let number = self.opened.fetch_add(1, Ordering::SeqCst);
            async move {
                match number {
                    100 => std::future::pending().await,
                    _ => Ok((number, Arc::clone(&self.closed))),
                }
            }
            .boxed()
        }

        fn is_open((number, closed): &Self::Connection) -> bool {
            *number >= closed.load(Ordering::SeqCst)
        }

        fn run<'r>(
            &'r self,
            (number, _): &'r mut Self::Connection,
            task: Task<'r>,
        ) -> BoxFuture<'r, Done> {
            async move {
                let Task::Rows { most, .. } = task else {
                    return match *number >= self.broken.load(Ordering::SeqCst) {
                        true => (Ok(Outcome::Count(*number)), After::Usable),
                        false => (Err("broken".into()), After::Lost),
                    };
                };
                match most {
                    Some(0) => std::future::pending().await,
                    _ => (Err("too much".into()), After::Busy),
                }
            }
            .boxed()
        }

        fn give_up(&self, _: Self::Connection) {
            self.given_up.fetch_add(1, Ordering::SeqCst);
        }

        fn connect_timed_out(&self, _: Duration) -> String {
            "no connection".into()
        }

        fn query_timed_out(&self, _: Duration) -> String {
            "no result".into()
        }
    }

    #[tokio::test]
    async fn connections_are_kept_replaced_and_given_up() {
        let driver = Numbered::default();
        let limits = Limits {
            connect: Duration::from_millis(20),
            query: Duration::from_millis(20),
            ..Limits::default()
        };
        let connections = Connections::new(driver.clone(), limits);
        let count = async || match connections.run(Task::Count).await {
            Ok(Outcome::Count(number)) => Ok(number),
            Ok(other) => panic!("{other:?}"),
            Err(text) => Err(text),
        };
        assert_eq!(count().await, Ok(0));
        assert_eq!(count().await, Ok(0), "kept");
        driver.closed.store(1, Ordering::SeqCst);
        assert_eq!(count().await, Ok(1), "closed, so not even tried");
        driver.broken.store(2, Ordering::SeqCst);
        assert_eq!(count().await, Ok(2), "broken, and replaced");
        driver.broken.store(usize::MAX, Ordering::SeqCst);
        assert_eq!(count().await, Err("broken".into()), "replaced once");
        assert_eq!(driver.opened.load(Ordering::SeqCst), 4);
        driver.broken.store(0, Ordering::SeqCst);
        assert_eq!(count().await, Ok(4));
        let values = [];
        for (most, text) in [(0, "no result"), (1, "too much")] {
            let task = Task::Rows {
                values: &values,
                most: Some(most),
            };
            assert_eq!(connections.run(task).await.unwrap_err(), text);
        }
        assert_eq!(driver.given_up.load(Ordering::SeqCst), 2);
        driver.opened.store(100, Ordering::SeqCst);
        assert_eq!(count().await, Err("no connection".into()));
    }
}
