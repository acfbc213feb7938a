//! `sql_query_enrichment_config`: asks a PostgreSQL or MySQL database with values of the event and
//! attaches the rows that it answers with.
//!
//! In: columns and self-describing JSONs of the event, as values of the statement's `?`. Out: contexts,
//! or a text of `sqlquery/SqlQueryEnrichment.scala` (scala-common-enrich 0.34.0) in the event's bad row.
//!
//! * Values are typed: a text goes to the database as a text, also where it looks like a number, and a
//!   database that does not convert it answers with an error. Where a value is missing, nothing is asked.
//! * The database itself tells how many `?` the statement has, once a job.
//! * What comes of a row is decided by its columns' types ([`cell`]), and by `output` what comes of
//!   the rows ([`output`]).
//!
//! # Beyond the reference
//!
//! The reference has one connection an engine, no time-outs and no limits. Here are up to
//! [`CONNECTIONS`] connections a job, opened when they are needed, kept open with TCP keep-alive (200 s
//! idle, 200 s interval, 5 probes; MySQL: the system's interval and number), and opened anew when they
//! are closed: a question that finds its connection closed is asked once more on a new one. Connecting
//! may take 10 s and a query 60 s; a query that takes longer is cancelled. A result may have 10,000 rows
//! and 16 MiB ([`Limits`]). Exceptions keep the class that the reference's drivers have; the texts of
//! servers are theirs, those about connections are like the drivers'.

pub mod cell;
mod connections;
mod database;
pub mod inputs;
mod mysql;
pub mod output;
mod postgres;
mod postgres_cell;
mod settings;
mod statement;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt};
use super::lookup::{Answer, Ask, CacheStatistics, Service};
use super::registry::{Enrichment, Stage};
use crate::json::Value;

use database::Database;
use inputs::{Input, Placeholder};
use output::Output;

/// Questions that a job asks at the same time, and its connections.
pub const CONNECTIONS: usize = 4;

/// What a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection, TLS and log-in included.
    pub connect: Duration,
    /// From sending the question to the last row.
    pub query: Duration,
    /// Rows of a result.
    pub rows: usize,
    /// Bytes of a result.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            query: Duration::from_secs(60),
            rows: 10_000,
            bytes: 16 << 20,
        }
    }
}

/// The enrichment.
#[derive(Debug)]
pub struct SqlQuery {
    inputs: Vec<Input>,
    placeholders: Arc<OnceLock<usize>>,
    service: Service<Found>,
}

/// What the database answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// How many `?` the statement has.
    Placeholders(usize),
    /// The contexts that came of the rows.
    Contexts(Arc<[Value<'static>]>),
    /// The text for the bad row.
    Failed(Arc<str>),
}

impl Found {
    /// Whether it is a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Placeholders(_) => 0,
            Self::Contexts(contexts) => contexts.iter().map(size).sum(),
            Self::Failed(text) => text.len(),
        }
    }
}

/// About how many bytes a value takes.
fn size(value: &Value<'_>) -> usize {
    const OWN: usize = std::mem::size_of::<Value<'_>>();
    OWN + match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.token.len(),
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => {
            let member = |(key, value): &(Cow<'_, str>, Value<'_>)| OWN + key.len() + size(value);
            members.iter().map(member).sum()
        }
    }
}

/// The question how many `?` the statement has. All others are JSON arrays.
const COUNT: &str = "";

impl SqlQuery {
    /// Reads a configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with it although its JSON Schema found it valid.
    pub fn new(config: &EnrichmentConfig, limits: Limits) -> Result<Self, Vec<String>> {
        let settings = settings::read(config)?;
        let asking = Asking::new(
            settings.database,
            settings.statement,
            settings.output,
            limits,
        );
        Ok(Self {
            inputs: settings.inputs,
            placeholders: Arc::clone(&asking.placeholders),
            service: Service::new(settings.cache, CONNECTIONS, Box::new(asking)),
        })
    }

    /// For the table of enrichments.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn build(
        config: &EnrichmentConfig,
        _environment: &Environment,
    ) -> Result<Box<dyn Enrichment>, Vec<String>> {
        Ok(Box::new(Self::new(config, Limits::default())?))
    }

    /// How many `?` the statement has, or the text of a failure.
    fn count(&self, draft: &Draft<'_>) -> Result<Result<usize, Arc<str>>, Interrupt> {
        if let Some(count) = self.placeholders.get() {
            return Ok(Ok(*count));
        }
        Ok(match self.service.look_up(draft, COUNT)? {
            Found::Placeholders(count) => Ok(count),
            Found::Failed(text) => Err(text),
            Found::Contexts(_) => Ok(0),
        })
    }
}

impl Enrichment for SqlQuery {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let values = match inputs::values(&self.inputs, draft) {
            Ok(values) => values,
            Err(texts) => {
                for text in texts {
                    draft.failures.push(FailureStep::SqlQuery, text);
                }
                return Ok(());
            }
        };
        // asked for events without values too: a database that is down fails them
        let count = match self.count(draft)? {
            Ok(count) => count,
            Err(text) => {
                draft.failures.push(FailureStep::SqlQuery, text.to_string());
                return Ok(());
            }
        };
        let Some(values) = values.filter(|values| values.len() == count) else {
            return Ok(());
        };
        match self.service.look_up(draft, &inputs::question(&values))? {
            Found::Contexts(contexts) => {
                for context in contexts.iter() {
                    draft
                        .derived_contexts
                        .push(Stage::SqlQuery, context.clone());
                }
            }
            Found::Failed(text) => {
                draft.failures.push(FailureStep::SqlQuery, text.to_string());
            }
            Found::Placeholders(_) => {}
        }
        Ok(())
    }

    fn cache(&self) -> Option<CacheStatistics> {
        Some(self.service.statistics())
    }
}

/// Asks the database.
#[derive(Clone)]
pub struct Asking {
    shared: Arc<Shared>,
    placeholders: Arc<OnceLock<usize>>,
}

struct Shared {
    database: Database,
    output: Output,
}

impl Asking {
    fn new(
        database: settings::DatabaseSettings,
        statement: String,
        output: Output,
        limits: Limits,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                database: Database::new(database, statement, limits),
                output,
            }),
            placeholders: Arc::default(),
        }
    }

    /// Reads a configuration and leaves out the cache.
    ///
    /// # Errors
    /// As [`SqlQuery::new`].
    pub fn from_config(config: &EnrichmentConfig, limits: Limits) -> Result<Self, Vec<String>> {
        let settings = settings::read(config)?;
        Ok(Self::new(
            settings.database,
            settings.statement,
            settings.output,
            limits,
        ))
    }

    async fn rows(&self, values: &[Placeholder]) -> Result<Vec<Value<'static>>, String> {
        let Shared { database, output } = &*self.shared;
        let table = database.rows(values, output.most_rows()).await?;
        output.contexts(table)
    }
}

impl Ask<Found> for Asking {
    fn ask(&self, question: String) -> BoxFuture<'static, Answer<Found>> {
        let asking = self.clone();
        async move {
            if question == COUNT {
                // a failure is not kept: the next event asks again
                return match asking.shared.database.count().await {
                    Ok(count) => {
                        let count = *asking.placeholders.get_or_init(|| count);
                        Answer {
                            value: Found::Placeholders(count),
                            keep: true,
                        }
                    }
                    Err(text) => Answer {
                        value: Found::Failed(text.into()),
                        keep: false,
                    },
                };
            }
            let answer = match inputs::values_of(&question) {
                Some(values) => asking.rows(&values).await,
                None => Err(format!(
                    "SQL Query Enrichment: question [{question}] cannot be read"
                )),
            };
            let value = match answer {
                Ok(contexts) => Found::Contexts(contexts.into()),
                Err(text) => Found::Failed(text.into()),
            };
            Answer { value, keep: true }
        }
        .boxed()
    }

    fn is_error(&self, found: &Found) -> bool {
        found.is_failure()
    }

    fn weigh(&self, found: &Found) -> usize {
        found.bytes()
    }
}

#[cfg(test)]
mod tests;
