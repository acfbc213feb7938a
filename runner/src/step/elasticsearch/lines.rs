//! Reads the bad rows of a folder, line by line, in order.
//!
//! In: part files as the engine writes them. Out: each line with its place, `<folder>/<file>:<byte offset>`, which is the same
//! whenever it is read again. Markers and hidden files (`_SUCCESS`, `_temporary/...`, `.x`) are no part files. No file is in
//! memory as a whole, and no line that is longer than Elasticsearch takes.

use std::io::{self, BufRead, BufReader, Read};

use engine::store::{Location, Store, read_error};

use super::EachLine;

/// Bytes of the longest line: what Elasticsearch takes in one request (`http.max_content_length`).
pub const MAX_LINE: usize = 100 << 20;

/// Calls `each` for all lines of all part files below `folder`. A folder that does not exist has none. Of a line that is
/// longer than [`MAX_LINE`] one byte more than that is given.
///
/// # Errors
/// When the folder or a file in it cannot be read, or is compressed; what `each` returned.
pub fn read_folder(
    store: &Store,
    folder: &Location,
    each: &mut EachLine<'_>,
) -> Result<(), String> {
    let entries = store
        .list(folder, true)
        .map_err(|error| error.to_string())?;
    for entry in entries {
        if entry
            .relative
            .split('/')
            .any(|part| part.starts_with(['_', '.']))
        {
            continue;
        }
        let location = &entry.location;
        if entry.relative.ends_with(".gz") {
            return Err(format!(
                "{location}: bad rows are written uncompressed, and this file is not; move it out of the folder"
            ));
        }
        let file = store.open(&entry).map_err(|error| error.to_string())?;
        let reader = BufReader::with_capacity(1 << 20, file);
        each_line(reader, MAX_LINE, |offset, line| {
            each(&format!("{location}:{offset}"), line)
        })
        .map_err(|trouble| match trouble {
            Trouble::Read(error) => read_error(location, error).to_string(),
            Trouble::Said(why) => why,
        })?;
    }
    Ok(())
}

/// Why the reading of a file ended early.
enum Trouble {
    Read(io::Error),
    /// The caller's word.
    Said(String),
}

/// Calls `each` with offset and content of every line, which is cut to just over `limit`.
fn each_line(
    mut reader: impl BufRead,
    limit: usize,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<(), Trouble> {
    let mut offset = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut length = reader
            .by_ref()
            .take(limit as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(Trouble::Read)? as u64;
        if length == 0 {
            return Ok(());
        }
        let whole = line.last() == Some(&b'\n');
        if !whole && line.len() > limit {
            length += skip_line(&mut reader).map_err(Trouble::Read)?;
        }
        each(offset, line.strip_suffix(b"\n").unwrap_or(&line)).map_err(Trouble::Said)?;
        offset += length;
    }
}

/// Reads up to and with the next line feed without keeping it; the number of its bytes.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(used);
        skipped += used as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(folder: &std::path::Path) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        let location = Location::from_path(folder).unwrap();
        read_folder(&Store::default(), &location, &mut |place, line| {
            let place = place.rsplit('/').next().unwrap().to_owned();
            found.push((place, String::from_utf8(line.to_vec()).unwrap()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn lines_of_part_files_with_their_places() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none")), Ok(Vec::new()));
        fs::write(folder.path().join("part-00001"), "c\nlast").unwrap();
        fs::write(folder.path().join("part-00000"), "ab\n\nü\n").unwrap();
        fs::write(folder.path().join("_SUCCESS"), "").unwrap();
        fs::write(folder.path().join(".hidden"), "x\n").unwrap();
        fs::create_dir(folder.path().join("_temporary")).unwrap();
        fs::write(folder.path().join("_temporary/part-00002"), "x\n").unwrap();
        let expected = [
            ("part-00000:0", "ab"),
            ("part-00000:3", ""),
            ("part-00000:4", "ü"),
            ("part-00001:0", "c"),
            ("part-00001:2", "last"),
        ];
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(place, line)| ((*place).to_owned(), (*line).to_owned()))
            .collect();
        assert_eq!(read(folder.path()), Ok(expected));
        fs::write(folder.path().join("part-00002.gz"), "x").unwrap();
        assert!(read(folder.path()).unwrap_err().contains("uncompressed"));
    }

    #[test]
    fn lines_that_are_too_long_are_cut_and_those_behind_them_keep_their_places() {
        let text = b"1234\n12345\n123456789\n\nx\n12345678";
        let mut found = Vec::new();
        let reader = BufReader::with_capacity(3, &text[..]);
        let read = each_line(reader, 5, |offset, line| {
            found.push((offset, String::from_utf8(line.to_vec()).unwrap()));
            Ok(())
        });
        assert!(read.is_ok());
        let expected = [
            (0, "1234"),
            (5, "12345"),
            (11, "123456"),
            (21, ""),
            (22, "x"),
            (24, "123456"),
        ];
        assert_eq!(
            found,
            expected.map(|(offset, line)| (offset, line.to_owned()))
        );
    }

    #[test]
    fn what_the_caller_says_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("part-00000"), "a\nb\n").unwrap();
        let location = Location::from_path(folder.path()).unwrap();
        let mut calls = 0;
        let ended = read_folder(&Store::default(), &location, &mut |_, _| {
            calls += 1;
            Err("enough".into())
        });
        assert_eq!((ended, calls), (Err("enough".into()), 1));
    }
}
