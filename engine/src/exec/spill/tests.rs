//! What may happen to spill files while a job runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

fn area(folder: &Path) -> SpillArea {
    SpillArea::open("shred", &[folder.to_owned()]).unwrap()
}

/// Bytes of a chunk, all equal.
const PIECE: usize = 100;

/// A file of so many chunks.
fn write(area: &SpillArea, kind: Kind, bucket: u64, chunks: u8) -> SealedFile {
    let mut writer = area.writer(kind, bucket);
    for number in 0..chunks {
        writer.append(&[number; PIECE]).unwrap();
    }
    writer.finish().unwrap()
}

fn read(file: &SealedFile) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = file.reader();
    while let Some(chunk) = reader.next_chunk()? {
        bytes.extend_from_slice(chunk);
    }
    Ok(bytes)
}

fn expected(chunks: u8) -> Vec<u8> {
    (0..chunks).flat_map(|number| [number; PIECE]).collect()
}

/// Files and folders in `folder`, locks aside.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|ending| ending != "lock"))
        .collect();
    found.sort();
    found
}

#[test]
fn what_is_written_is_read_and_then_gone() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    for kind in [Kind::Keys, Kind::Lines, Kind::Output] {
        let file = write(&area, kind, 3, 4);
        assert_eq!(read(&file).unwrap(), expected(4));
        assert_eq!(file.plain_bytes(), 4 * PIECE as u64);
        assert!(area.written(kind) > 0);
        let path = &file.paths()[0];
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }
    // lines shrink, keys grow by head, lengths and tags
    assert_eq!(area.written(Kind::Keys), 4 * PIECE as u64 + 24 + 5 * 20);
    assert!(area.written(Kind::Lines) < area.written(Kind::Keys));
    let long: Vec<u8> = (0..CHUNK_BYTES * 2 + 17).map(|i| (i * i) as u8).collect();
    let mut writer = area.writer(Kind::Lines, 0);
    writer.append(&long).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(read(&file).unwrap(), long);
    let (mut reader, mut taken) = (file.reader(), Vec::new());
    while reader
        .take(CHUNK_BYTES / 3 + 1, &mut taken)
        .unwrap_or(false)
    {}
    assert_eq!(taken.len(), long.len(), "the rest comes before the error");
    assert!(taken == long);
    let nothing = area.writer(Kind::Keys, 9).finish().unwrap();
    assert_eq!(read(&nothing).unwrap(), b"");
    let own = file.paths()[0].parent().unwrap().to_owned();
    drop(file);
    assert_eq!(entries(&own), Vec::<PathBuf>::new());
    drop((area, nothing));
    assert_eq!(entries(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn nothing_is_on_disk_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    let secret = b"pii@example.com\tsecret";
    for kind in [Kind::Keys, Kind::Lines, Kind::Output] {
        let mut writer = area.writer(kind, 0);
        writer.append(secret).unwrap();
        let file = writer.finish().unwrap();
        let bytes = fs::read(&file.paths()[0]).unwrap();
        for part in [&secret[..], b"pii", b"secret"] {
            assert!(!bytes.windows(part.len()).any(|window| window == part));
        }
    }
}

#[test]
fn a_touched_file_is_an_error_never_data() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    for kind in [Kind::Keys, Kind::Lines] {
        let file = write(&area, kind, 1, 3);
        let other = write(&area, kind, 1, 3);
        let foreign = write(&area, kind, 2, 3);
        let path = file.paths()[0].clone();
        let good = fs::read(&path).unwrap();
        let chunk = (good.len() - 24 - 20) / 3;
        let body = |number: usize| 24 + number * chunk..24 + (number + 1) * chunk;
        let mut touched: Vec<(String, Vec<u8>)> = Vec::new();
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            touched.push((format!("a bit of byte {place}"), bytes));
        }
        for length in 0..good.len() {
            touched.push((format!("cut to {length}"), good[..length].to_vec()));
        }
        let reordered = [
            &good[..24],
            &good[body(1)],
            &good[body(0)],
            &good[body(2).start..],
        ];
        touched.push(("reordered".into(), reordered.concat()));
        let left_out = [&good[..body(0).end], &good[body(2).start..]];
        touched.push(("left out".into(), left_out.concat()));
        let ended_early = [&good[..body(1).end], &good[body(2).end..]];
        touched.push(("ended early".into(), ended_early.concat()));
        let twice = [&good[..body(0).end], &good[body(0)], &good[body(1).start..]];
        touched.push(("twice".into(), twice.concat()));
        touched.push(("longer".into(), [&good[..], &good[body(0)]].concat()));
        for (name, file) in [("another file's", &other), ("another bucket's", &foreign)] {
            let bytes = fs::read(&file.paths()[0]).unwrap();
            let mixed = [&good[..body(0).end], &bytes[body(1).start..]].concat();
            touched.push((format!("{name} chunks"), mixed));
            touched.push((name.into(), bytes));
        }
        for (name, bytes) in touched {
            fs::write(&path, &bytes).unwrap();
            let error = read(&file).expect_err(&name);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
        }
        fs::write(&path, &good).unwrap();
        assert_eq!(read(&file).unwrap(), expected(3));
    }
}

#[test]
fn another_job_cannot_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (area(folder.path()), area(folder.path()));
    let (first, second) = (write(&one, Kind::Keys, 0, 1), write(&two, Kind::Keys, 0, 1));
    fs::copy(&first.paths()[0], &second.paths()[0]).unwrap();
    assert_eq!(read(&second).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn leftovers_of_the_dead_go_and_the_living_stay() {
    let folder = tempfile::tempdir().unwrap();
    let living = area(folder.path());
    let file = write(&living, Kind::Keys, 0, 1);
    let dead = folder
        .path()
        .join(format!("camonica-spill.1.{}", "0a".repeat(16)));
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("owner.lock"), "").unwrap();
    fs::write(dead.join("0.keys"), "x").unwrap();
    let half_made = folder
        .path()
        .join(format!("camonica-spill.2.{}", "0b".repeat(16)));
    fs::create_dir(&half_made).unwrap();
    let others = folder.path().join("precious");
    fs::create_dir(&others).unwrap();
    let next = area(folder.path());
    assert!(!dead.exists() && !half_made.exists() && others.exists());
    assert_eq!(read(&file).unwrap(), expected(1));
    drop(next);
}

#[test]
fn a_folder_that_is_removed_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let area = area(folder.path());
    let mut writer = area.writer(Kind::Keys, 0);
    writer.append(b"x").unwrap();
    let finished = write(&area, Kind::Keys, 1, 1);
    for own in entries(folder.path()) {
        fs::remove_dir_all(own).unwrap();
    }
    let errors = [
        writer.append(b"y").unwrap_err(),
        area.writer(Kind::Keys, 2).append(b"z").unwrap_err(),
        read(&finished).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("--spill-dir"), "{error}");
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_named_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = SpillArea::open("shred", &[file.path().join("below")]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("--spill-dir (camonica.spill_directories in config.yml): ")
            && text.contains(file.path().to_str().unwrap()),
        "{text}"
    );
}

#[test]
fn directories_take_turns() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directories = [one.path().to_owned(), two.path().to_owned()];
    let area = SpillArea::open("shred", &directories).unwrap();
    let files: Vec<SealedFile> = (0..4).map(|n| write(&area, Kind::Keys, n, 1)).collect();
    for directory in &directories {
        let own = &entries(directory)[0];
        assert_eq!(entries(own).len(), 2);
    }
    assert!(files.iter().all(|file| read(file).unwrap() == expected(1)));
}

/// A file system of its own in memory; only root can mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("SKIPPED: a tmpfs cannot be mounted here (root only)");
        }
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_named_or_left_for_another() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let small = disk.0.path().to_owned();
    let alone = area(&small);
    let mut writer = alone.writer(Kind::Keys, 0);
    let error = (0..10)
        .find_map(|n| writer.append(&[n; CHUNK_BYTES]).err())
        .expect("1 MiB is less than 2.5 MiB");
    assert_eq!(error.kind(), ErrorKind::Full);
    let text = error.to_string();
    assert!(
        text.contains(small.to_str().unwrap()) && text.contains("--spill-dir"),
        "{text}"
    );
    drop((writer, alone));

    // Room for the first chunks here, for the rest there.
    let large = tempfile::tempdir().unwrap();
    let both = SpillArea::open("shred", &[small, large.path().to_owned()]).unwrap();
    let mut writers: Vec<SealedWriter> = (0..2).map(|n| both.writer(Kind::Keys, n)).collect();
    for n in 0..10 {
        for writer in &mut writers {
            writer.append(&[n; CHUNK_BYTES]).unwrap();
        }
    }
    for writer in writers {
        let file = writer.finish().unwrap();
        let bytes = read(&file).unwrap();
        assert_eq!(bytes.len(), 10 * CHUNK_BYTES);
        assert!((0..10).all(|n| bytes[usize::from(n) * CHUNK_BYTES] == n));
    }
}
