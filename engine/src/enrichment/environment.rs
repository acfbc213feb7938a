//! What a job offers to its enrichments when they are made.

use super::databases::Databases;

/// What enrichments may need beside their configuration.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Look-up files.
    pub databases: Databases,
    /// Address of the exchange-rate service, for tests: `http://127.0.0.1:8080`; the public one
    /// otherwise.
    pub open_exchange_rates: Option<String>,
    /// Limits of the JavaScript enrichment.
    pub script_limits: ScriptLimits,
}

/// What one call of a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLimits {
    /// Milliseconds.
    pub time_ms: u64,
    /// Bytes of the interpreter's heap.
    pub memory: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            time_ms: 5000,
            memory: 64 << 20,
        }
    }
}
