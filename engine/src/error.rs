//! The one error type of the engine.
//!
//! An `Error` means that the job cannot go on. Bad *data* is never an `Error`: it is a
//! [`BadRow`](crate::event::bad_row::BadRow), a value that is written and counted. The
//! [`ErrorKind`] decides whether a caller may try again.

use std::fmt;

/// What went wrong, in the classes that decide about a retry and about the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An option, a configuration file or a combination of them cannot be used.
    Config,
    /// An object, folder or bucket that must exist does not.
    NotFound,
    /// The credentials at hand do not allow the operation.
    Denied,
    /// The service asked to slow down (retryable).
    Throttled,
    /// No answer in time, or a connection that broke (retryable).
    Timeout,
    /// An input object is damaged: cut gzip, wrong checksum, broken framing.
    Corrupt,
    /// An input object is no longer the one that the snapshot saw.
    Changed,
    /// An output folder that must be empty is not.
    NotEmpty,
    /// A disk or a quota is full.
    Full,
    /// Any other failure of a file system or service.
    Io,
    /// A rule of the engine itself was broken: please report it.
    Internal,
}

/// A failure that ends the job: what happened, where, and (in the text) what to do.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Result of everything in the engine that can end a job.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` with a message for the operator.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Attaches the underlying failure; its text is appended when the error is printed.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Shorthand for [`ErrorKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// A damaged input object: `object` as the operator knows it, `offset` in stored bytes.
    pub fn corrupt(object: &str, offset: u64, what: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Corrupt,
            format!("{object}: {what} (at byte {offset} of the stored object)"),
        )
    }

    /// An I/O failure at `place`, its kind derived from the operating system's.
    pub fn io(place: impl fmt::Display, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Os;
        let kind = match source.kind() {
            Os::NotFound => ErrorKind::NotFound,
            Os::PermissionDenied => ErrorKind::Denied,
            Os::TimedOut | Os::ConnectionReset | Os::ConnectionAborted | Os::BrokenPipe => {
                ErrorKind::Timeout
            }
            Os::StorageFull | Os::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Io,
        };
        let error = Self::new(kind, place.to_string());
        if kind == ErrorKind::Full {
            return error.with_source(format!(
                "{source}; free some space or write to another disk, then run again"
            ));
        }
        error.with_source(source)
    }

    /// Puts `what` before the message, as `what: message`.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Appends what to do to the message, as `message; advice`.
    #[must_use]
    pub fn with_advice(mut self, advice: impl fmt::Display) -> Self {
        self.message = format!("{}; {advice}", self.message);
        self
    }

    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed if it is made again.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Timeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut source = self
            .source
            .as_deref()
            .map(|s| s as &(dyn std::error::Error + 'static));
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
