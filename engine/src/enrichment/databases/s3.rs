//! Look-up files in S3, by the store of the job.

use crate::error::{Error, ErrorKind};
use crate::store::{Location, Store, StoreSettings, read_error};

use super::cache::{Cache, Validator};
use super::{Failure, Fetched, Limits};

/// Reads the object at `uri`, unless its entity tag is still that of `kept`.
pub(super) fn fetch(
    settings: &StoreSettings,
    uri: &str,
    kept: Option<&Validator>,
    cache: &Cache,
    limits: &Limits,
) -> Result<Fetched, Failure> {
    let location = Location::parse(uri).map_err(|error| of(&error))?;
    let store = Store::new(settings.clone());
    let entry = store
        .head(&location)
        .map_err(|error| of(&error))?
        .ok_or_else(|| Failure::Refused("there is no such object".to_owned()))?;
    if entry.etag.is_some() && entry.etag == kept.and_then(|kept| kept.etag.clone()) {
        return Ok(Fetched::Unchanged);
    }
    if entry.size == 0 || entry.size > limits.bytes {
        return Err(Failure::Refused(format!(
            "the object has {} bytes; from 1 to {} are taken",
            entry.size, limits.bytes
        )));
    }
    let mut incoming = cache.begin(limits.bytes).map_err(Failure::Refused)?;
    let mut object = store.open(&entry).map_err(|error| of(&error))?;
    let copied = std::io::copy(&mut object, &mut incoming)
        .map_err(|error| of(&read_error(&location, error)))?;
    if copied != entry.size {
        return Err(Failure::Away(format!(
            "only {copied} of {} bytes came",
            entry.size
        )));
    }
    let validator = Validator {
        etag: entry.etag,
        last_modified: None,
    };
    Ok(Fetched::New(incoming, validator))
}

/// The store has tried again by itself; what is left is told apart by its kind.
fn of(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::Throttled | ErrorKind::Timeout | ErrorKind::Io | ErrorKind::Changed => {
            Failure::Away(error.to_string())
        }
        _ => Failure::Refused(error.to_string()),
    }
}
