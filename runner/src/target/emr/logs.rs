//! Logs of steps: what a step of ours or the RDB Loader wrote itself, else what EMR gathers below its log folder.

use std::io::Read;

use engine::store::Location;
use flate2::read::MultiGzDecoder;

use crate::objects::Objects;

/// Lines that are shown of a log.
const TAIL: usize = 30;
/// Characters of Base64 in a row that may be a document.
const SHORTEST_DOCUMENT: usize = 200;
/// Longest log that is read, in bytes after decompression.
const MOST: u64 = 16 << 20;

/// The last lines of the object at `uri`; `None` when there is none.
///
/// # Errors
/// When it cannot be read.
pub(super) fn tail(objects: &Objects, uri: &str) -> Result<Option<String>, String> {
    Ok(whole(objects, uri)?.map(|text| last_lines(&text)))
}

/// The whole text of the object at `uri`; `None` when there is none. Names in `.gz` are decompressed.
///
/// # Errors
/// When it cannot be read.
pub(super) fn whole(objects: &Objects, uri: &str) -> Result<Option<String>, String> {
    let place = Location::parse(uri).map_err(|error| error.to_string())?;
    let Some(bytes) = objects.get(&place)? else {
        return Ok(None);
    };
    let bytes = if uri.ends_with(".gz") {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .take(MOST)
            .read_to_end(&mut plain)
            .map_err(|error| format!("{uri}: {error}"))?;
        plain
    } else {
        bytes
    };
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The last lines of what EMR gathered of a step: its standard error, else its controller's log.
///
/// # Errors
/// When it cannot be read.
pub(super) fn gathered(
    objects: &Objects,
    log: &Location,
    cluster: &str,
    step: &str,
) -> Result<Option<(String, String)>, String> {
    for name in ["stderr.gz", "stdout.gz", "controller.gz"] {
        let uri = log
            .join(&format!("{cluster}/steps/{step}/{name}"))
            .to_string();
        match tail(objects, &uri)? {
            Some(text) if !text.trim().is_empty() => return Ok(Some((uri, text))),
            _ => {}
        }
    }
    Ok(None)
}

/// The last lines of a text.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    without_documents(&lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

/// A text without the documents in Base64 that are in it: EMR logs the command line of a step, and that of the RDB Loader holds
/// the passwords of storage targets.
fn without_documents(text: &str) -> String {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_base64(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.len() < SHORTEST_DOCUMENT {
            shown.push_str(word);
        } else {
            shown.push_str(&format!("[{} characters, not shown]", word.len()));
        }
        let next = after.find(is_base64).unwrap_or(after.len());
        shown.push_str(&after[..next]);
        rest = &after[next..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn the_end_of_a_log_is_shown() {
        let base = tempfile::tempdir().unwrap();
        let objects = Objects::new(None);
        let uri = base.path().join("x.log").display().to_string();
        assert_eq!(tail(&objects, &uri).unwrap(), None);
        let lines: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        fs::write(&uri, lines.join("\n") + "\n").unwrap();
        assert_eq!(
            tail(&objects, &uri).unwrap().unwrap(),
            lines[70..].join("\n")
        );
    }

    #[test]
    fn documents_in_command_lines_are_not_shown() {
        let document = "eyJkYXRhIjp7InBhc3N3b3JkIjoiaHVzaCJ9fQ".repeat(6);
        let short = "s3://acme/a/b/c";
        let text = format!("INFO startExec 'hadoop jar --target {document}== --skip {short}'");
        assert_eq!(
            last_lines(&text),
            format!(
                "INFO startExec 'hadoop jar --target [{} characters, not shown] --skip {short}'",
                document.len() + 2
            )
        );
        for plain in ["", "a", ": é", "x\ny", "--target"] {
            assert_eq!(without_documents(plain), plain);
        }
    }

    #[test]
    fn what_emr_gathered_is_decompressed() {
        let base = tempfile::tempdir().unwrap();
        let log = Location::from_path(base.path()).unwrap();
        let objects = Objects::new(None);
        assert_eq!(gathered(&objects, &log, "j-1", "s-1").unwrap(), None);
        let folder = base.path().join("j-1/steps/s-1");
        fs::create_dir_all(&folder).unwrap();
        let gzip = |text: &str| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        fs::write(folder.join("stderr.gz"), gzip("\n")).unwrap();
        fs::write(folder.join("controller.gz"), gzip("INFO\nStep failed\n")).unwrap();
        let (uri, text) = gathered(&objects, &log, "j-1", "s-1").unwrap().unwrap();
        assert!(uri.ends_with("controller.gz"));
        assert_eq!(text, "INFO\nStep failed");
        fs::write(folder.join("stderr.gz"), b"no gzip").unwrap();
        assert!(gathered(&objects, &log, "j-1", "s-1").is_err());
    }
}
