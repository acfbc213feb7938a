//! Texts of the exceptions that the reference's adapters catch, or let pass.

use crate::adapter::AdapterFailure;
use crate::text::clean::strip_exception;

/// Class of `URI.create`'s exception.
const ILLEGAL_ARGUMENT: &str = "java.lang.IllegalArgumentException";

/// A URI exception as its `toString`, cleaned.
pub fn illegal_argument_text(message: &str) -> String {
    strip_exception(&format!("{ILLEGAL_ARGUMENT}: {message}"))
}

/// A URI exception that nobody catches.
pub fn illegal_argument(message: String) -> AdapterFailure {
    AdapterFailure::unexpected(ILLEGAL_ARGUMENT, message)
}

/// What a parameter without `=`, Java's null, does where a text is needed.
pub fn null_pointer() -> AdapterFailure {
    AdapterFailure::Unexpected {
        class: "java.lang.NullPointerException",
        message: None,
    }
}
