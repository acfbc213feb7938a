//! The database of a job, whichever it is.

use super::Limits;
use super::connections::{Connections, Outcome, Task};
use super::inputs::Placeholder;
use super::mysql::MySql;
use super::output::Table;
use super::postgres::Postgres;
use super::settings::{DatabaseSettings, Engine};

/// A database and the one statement that it is asked.
pub(super) enum Database {
    Postgres(Box<Connections<Postgres>>),
    MySql(Box<Connections<MySql>>),
}

impl Database {
    /// Nothing is connected yet.
    pub(super) fn new(settings: DatabaseSettings, statement: String, limits: Limits) -> Self {
        match settings.engine {
            Engine::Postgres => {
                let driver = Postgres::new(&settings, &statement, limits);
                Self::Postgres(Box::new(Connections::new(driver, limits)))
            }
            Engine::MySql => {
                let driver = MySql::new(&settings, statement, limits);
                Self::MySql(Box::new(Connections::new(driver, limits)))
            }
        }
    }

    async fn run(&self, task: Task<'_>) -> Result<Outcome, String> {
        match self {
            Self::Postgres(connections) => connections.run(task).await,
            Self::MySql(connections) => connections.run(task).await,
        }
    }

    /// How many `?` the statement has, as the database tells.
    pub(super) async fn count(&self) -> Result<usize, String> {
        match self.run(Task::Count).await? {
            Outcome::Count(count) => Ok(count),
            Outcome::Rows(_) => {
                Err("SQL Query Enrichment: placeholderCount hasn't been initialized".into())
            }
        }
    }

    /// The rows for these values; of more than `most` the first so many.
    pub(super) async fn rows(
        &self,
        values: &[Placeholder],
        most: Option<usize>,
    ) -> Result<Table, String> {
        match self.run(Task::Rows { values, most }).await? {
            Outcome::Rows(table) => Ok(table),
            Outcome::Count(_) => Ok(Table::default()),
        }
    }
}

/// Collects rows up to the limits.
pub(super) struct Rows {
    table: Table,
    limits: Limits,
    most: usize,
    bytes: usize,
}

impl Rows {
    pub(super) fn new(labels: Vec<String>, limits: Limits, most: Option<usize>) -> Self {
        let rows = Vec::new();
        Self {
            table: Table { labels, rows },
            limits,
            most: most.unwrap_or(usize::MAX),
            bytes: 0,
        }
    }

    /// Whether the rows that are there decide already.
    pub(super) fn is_enough(&self) -> bool {
        self.table.rows.len() >= self.most
    }

    /// Before a row of so many bytes is read.
    ///
    /// # Errors
    /// The text for the bad row when it is too much.
    pub(super) fn expect(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        let Limits { rows, bytes, .. } = self.limits;
        let limit = if self.table.rows.len() >= rows {
            format!("{rows} rows")
        } else if self.bytes > bytes {
            format!("{bytes} bytes")
        } else {
            return Ok(());
        };
        Err(format!(
            "SQL Query Enrichment: the result has more than {limit}: let the statement select less"
        ))
    }

    pub(super) fn push(&mut self, row: Vec<crate::json::Value<'static>>) {
        self.table.rows.push(row);
    }

    pub(super) fn into_table(self) -> Table {
        self.table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_bounded() {
        let limits = Limits {
            rows: 2,
            bytes: 10,
            ..Limits::default()
        };
        let mut rows = Rows::new(vec!["a".into()], limits, Some(2));
        assert_eq!(rows.expect(3), Ok(()));
        rows.push(vec![crate::json::Value::Null]);
        assert!(!rows.is_enough());
        assert_eq!(rows.expect(3), Ok(()));
        rows.push(vec![crate::json::Value::Null]);
        assert!(rows.is_enough());
        let text =
            "SQL Query Enrichment: the result has more than 2 rows: let the statement select less";
        assert_eq!(rows.expect(0), Err(text.into()));
        let mut rows = Rows::new(vec![], limits, None);
        let text = "SQL Query Enrichment: the result has more than 10 bytes: let the statement select less";
        assert_eq!(rows.expect(11), Err(text.into()));
    }
}
