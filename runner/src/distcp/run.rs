//! Execution of a plan: whole objects are copied by the store, joined or recoded ones stream through.

use std::io::{self, Read, Write};

use engine::store::Location;

use super::codec::{Encoder, decoder};
use super::{Options, Output, OutputCodec, Source, plan};
use crate::objects::{Moved, ObjectEntry, Objects, Renamed};

/// What a copy did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Sources, and their stored bytes.
    pub sources: Moved,
    /// Names of the outputs below the destination.
    pub outputs: Vec<String>,
}

/// Copies from the folder `from` to the folder `to`. Nothing to copy is a success.
///
/// A copy that joins files and deletes them cannot be repeated after a cut as a plain one can (what was joined would be joined
/// again in other groups): the steps of a run therefore never join.
///
/// # Errors
/// When an option cannot be used or something cannot be read or written.
pub fn run(
    objects: &Objects,
    from: &Location,
    to: &Location,
    options: &Options,
) -> Result<Copied, String> {
    if options.output_codec == Some(OutputCodec::Snappy) {
        return Err("outputCodec: snappy is not written: use gz, lzo or none".into());
    }
    let listed = objects.list(from)?;
    let sources: Vec<Source> = listed
        .iter()
        .map(|entry| Source {
            relative: entry.relative.clone(),
            size: entry.size,
        })
        .collect();
    let outputs = plan(&from.to_string(), &sources, options)?;
    let mut copied = Copied {
        outputs: outputs.iter().map(|output| output.name.clone()).collect(),
        ..Copied::default()
    };
    let (whole, joined): (Vec<_>, Vec<_>) = outputs
        .iter()
        .partition(|output| options.output_codec.is_none() && output.members.len() == 1);
    let renamed: Vec<Renamed> = whole
        .iter()
        .flat_map(|output| {
            output.members.iter().map(|&member| Renamed {
                entry: listed[member].clone(),
                name: output.name.clone(),
            })
        })
        .collect();
    copied.sources += if options.delete_on_success {
        objects.move_entries(from, to, &renamed)?
    } else {
        objects.copy_entries(from, to, &renamed)?
    };
    for output in joined {
        let members: Vec<&ObjectEntry> = output.members.iter().map(|&m| &listed[m]).collect();
        join(objects, from, to, output, &members, options.output_codec)?;
        if options.delete_on_success {
            objects.delete_entries(from, &members)?;
        }
        for member in members {
            copied.sources.objects += 1;
            copied.sources.bytes += member.size;
        }
    }
    Ok(copied)
}

/// Writes one output.
fn join(
    objects: &Objects,
    from: &Location,
    to: &Location,
    output: &Output,
    members: &[&ObjectEntry],
    codec: Option<OutputCodec>,
) -> Result<(), String> {
    let mut encoder = Encoder::new(objects.writer(to, &output.name)?, codec);
    let mut chunk = vec![0; 256 * 1024];
    for member in members {
        let at = |error: io::Error| format!("{from} {}: {error}", member.relative);
        let stored = objects.reader(from, member)?;
        let mut plain: Box<dyn Read> = match codec {
            None => Box::new(stored),
            Some(_) => decoder(&member.relative, stored).map_err(at)?,
        };
        loop {
            let count = match plain.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(error)),
            };
            encoder
                .write_all(&chunk[..count])
                .map_err(|error| format!("{to} {}: {error}", output.name))?;
        }
    }
    let writer = encoder
        .finish()
        .map_err(|error| format!("{to} {}: {error}", output.name))?;
    writer.finish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn gz(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn folders(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Location, Location) {
        let base = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = base.path().join("from").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let at = |name: &str| Location::from_path(&base.path().join(name)).unwrap();
        let (from, to) = (at("from"), at("to"));
        (base, from, to)
    }

    fn plain(path: &std::path::Path) -> String {
        let mut text = String::new();
        let file = fs::File::open(path).unwrap();
        let name = path.to_str().unwrap();
        decoder(name, file)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn files_are_joined_and_recoded() {
        for (codec, output) in [
            (OutputCodec::Gzip, "log0.gz"),
            (OutputCodec::Lzo, "log0.lzo"),
            (OutputCodec::None, "log0"),
        ] {
            let (base, from, to) = folders(&[
                ("i-1/log.gz", gz("one\n")),
                ("i-2/log.gz", gz("two\n")),
                ("i-2/other", b"x".to_vec()),
            ]);
            let options = Options {
                group_by: Some(".*/(log).gz".into()),
                output_codec: Some(codec),
                delete_on_success: true,
                ..Options::default()
            };
            let copied = run(&Objects::new(None), &from, &to, &options).unwrap();
            assert_eq!(copied.outputs, [output]);
            assert_eq!(copied.sources.objects, 2);
            assert_eq!(plain(&base.path().join("to").join(output)), "one\ntwo\n");
            assert!(!base.path().join("from/i-1/log.gz").exists());
            assert!(base.path().join("from/i-2/other").exists());
        }
    }

    #[test]
    fn without_a_codec_stored_bytes_are_joined() {
        let (base, from, to) = folders(&[("a/x.gz", gz("1\n")), ("b/x.gz", gz("2\n"))]);
        let options = Options {
            group_by: Some(".*/(x.gz)".into()),
            ..Options::default()
        };
        let copied = run(&Objects::new(None), &from, &to, &options).unwrap();
        assert_eq!(copied.outputs, ["x0.gz"]);
        assert_eq!(plain(&base.path().join("to/x0.gz")), "1\n2\n");
        assert!(base.path().join("from/a/x.gz").exists());
    }

    #[test]
    fn nothing_to_copy_is_a_success_and_damage_is_not() {
        let (base, from, to) = folders(&[("a.gz", b"no gzip".to_vec())]);
        let nothing = Options {
            src_pattern: Some(".*part-.*".into()),
            ..Options::default()
        };
        let objects = Objects::new(None);
        assert_eq!(
            run(&objects, &from, &to, &nothing).unwrap(),
            Copied::default()
        );
        let recode = Options {
            output_codec: Some(OutputCodec::None),
            delete_on_success: true,
            ..Options::default()
        };
        let error = run(&objects, &from, &to, &recode).unwrap_err();
        assert!(error.contains("a.gz"), "{error}");
        assert!(base.path().join("from/a.gz").exists());
        assert!(!base.path().join("to/a").exists());
        let snappy = Options {
            output_codec: Some(OutputCodec::Snappy),
            ..Options::default()
        };
        assert!(
            run(&objects, &from, &to, &snappy)
                .unwrap_err()
                .contains("snappy")
        );
    }
}
