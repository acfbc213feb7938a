//! Part of the build script: what of a `regexes.yaml` need not be found out at every start of the program.
//!
//! In: the YAML. Out: a JSON text of [`Prepared`], with the pieces of text that the expressions cannot do without.

#[path = "regexes/file.rs"]
mod file;
#[path = "java_regex.rs"]
mod java_regex;
#[path = "literals.rs"]
mod literals;

use file::{File, Prepared};
use java_regex::{Alphabet, translate};
use serde_saphyr::DuplicateKeyPolicy;

/// The file as JSON.
///
/// # Errors
/// It is none of uap-core, or an expression is none of Java: which one, and why.
pub(crate) fn prepare(yaml: &str) -> Result<String, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
    };
    let file: File =
        serde_saphyr::from_str_with_options(yaml, options).map_err(|error| error.to_string())?;
    let mut required = Vec::new();
    for (index, (source, ignore_case)) in file.sources().enumerate() {
        let sets = pieces(source, ignore_case).map_err(|why| {
            let (list, entry) = file.place_of(index);
            format!("{list}, entry {entry}: regex '{source}': {why}")
        })?;
        required.push(sets);
    }
    serde_json::to_string(&Prepared { file, required }).map_err(|error| error.to_string())
}

fn pieces(source: &str, ignore_case: bool) -> Result<Vec<Vec<String>>, String> {
    let whole = translate(source, ignore_case, Alphabet::Unicode)?;
    if whole.backtracks {
        return Ok(Vec::new());
    }
    let sets = literals::of_pattern(&whole.pattern).map_err(|error| error.to_string())?;
    // a set with a piece that is cut within a character is left out: fewer sets only cost time
    let texts = |set: Vec<Vec<u8>>| set.into_iter().map(|p| String::from_utf8(p).ok()).collect();
    Ok(sets.into_iter().filter_map(texts).collect())
}
