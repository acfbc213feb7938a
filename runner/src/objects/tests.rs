//! Objects on local disks, and names of keys.

use super::*;

fn at(path: &Path) -> Location {
    Location::from_path(path).unwrap()
}

fn objects() -> Objects {
    Objects::new(None)
}

#[test]
fn local_folders_are_listed_like_prefixes() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("processing");
    for file in [
        "a/b.gz",
        "a.gz",
        "a_$folder$",
        "x.camonica-partial",
        "y.camonica-tmp",
        "ü +%.gz",
    ] {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    fs::create_dir(base.path().join("processing2")).unwrap();
    fs::write(base.path().join("processing2/z"), "z").unwrap();
    let listed = objects().list(&at(&folder)).unwrap();
    let names: Vec<&str> = listed.iter().map(|entry| entry.relative.as_str()).collect();
    assert_eq!(names, ["a.gz", "a/b.gz", "ü +%.gz"]);
    assert_eq!(listed[0].size, 4);
    assert!(listed[0].modified_ms > 1_500_000_000_000 && listed[0].etag.is_empty());
    assert!(
        objects()
            .any(&at(&folder), &|name| name == "a/b.gz")
            .unwrap()
    );
    assert!(!objects().any(&at(&folder), &|name| name == "z").unwrap());
    assert!(
        objects()
            .list(&at(&base.path().join("none")))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn local_objects_are_read_written_and_deleted() {
    let base = tempfile::tempdir().unwrap();
    let object = at(&base.path().join("a/b"));
    let all = objects();
    assert_eq!(all.get(&object).unwrap(), None);
    all.put(&object, b"1").unwrap();
    all.put(&object, b"2").unwrap();
    assert!(!all.create(&object, b"3").unwrap());
    assert_eq!(all.get(&object).unwrap().unwrap(), b"2");
    // a place below a file is a place where nothing is
    assert_eq!(all.get(&object.join("c")).unwrap(), None);
    all.delete(std::slice::from_ref(&object)).unwrap();
    all.delete(std::slice::from_ref(&object)).unwrap();
    assert!(all.create(&object, b"4").unwrap());
}

#[test]
fn local_moves_are_repeated_and_refused() {
    let base = tempfile::tempdir().unwrap();
    let (from, to) = (at(&base.path().join("from")), at(&base.path().join("to")));
    let all = objects();
    for name in ["x/1", "x/2", "_SUCCESS"] {
        all.put(&from.join(name), name.as_bytes()).unwrap();
    }
    let moves: Vec<_> = all
        .list(&from)
        .unwrap()
        .into_iter()
        .map(|entry| {
            (
                from.join(&entry.relative),
                to.join(&entry.relative),
                entry.size,
            )
        })
        .collect();
    let moved = all.move_all(&moves).unwrap();
    assert_eq!(
        moved,
        Moved {
            objects: 3,
            bytes: 14
        }
    );
    // the same again: all is there
    assert_eq!(all.move_all(&moves).unwrap(), Moved::default());
    fs::remove_file(base.path().join("to/x/1")).unwrap();
    let error = all.move_all(&moves).unwrap_err();
    assert!(
        error.contains("from/x/1") && error.contains("is not there"),
        "{error}"
    );

    let twice = [
        (to.join("x/2"), from.join("a"), 3),
        (to.join("_SUCCESS"), from.join("a"), 8),
    ];
    assert!(all.move_all(&twice).unwrap_err().contains("two objects"));
    let itself = [(to.join("x/2"), to.join("x/2"), 3)];
    assert!(all.move_all(&itself).unwrap_err().contains("itself"));
    assert!(base.path().join("to/x/2").exists());
    assert_eq!(all.move_folder(&to, &from).unwrap().objects, 2);
    assert!(!base.path().join("to").exists());
    assert_eq!(all.move_folder(&to, &from).unwrap(), Moved::default());
    assert!(all.verified_by().content >= 5);
}

#[test]
fn names_do_not_lead_out_of_a_folder() {
    let folder = Location::parse("/data/x").unwrap();
    for bad in ["../y", "a/../../y", "a//b", "", ".", "a/./b", "a\0b"] {
        assert!(below(&folder, bad).is_err(), "{bad}");
    }
    assert!(below(&folder, "..a/b..").is_ok());
    // in S3 a key is a key
    let bucket = Location::parse("s3://b/x/").unwrap();
    assert_eq!(
        below(&bucket, "a//../b").unwrap().to_string(),
        "s3://b/x/a//../b"
    );
}

#[test]
fn streams_of_files() {
    use std::io::{Read as _, Write as _};
    let base = tempfile::tempdir().unwrap();
    let folder = at(base.path());
    let all = objects();
    let mut writer = all.writer(&folder, "a/x").unwrap();
    writer.write_all(b"hello").unwrap();
    assert!(all.list(&folder).unwrap().is_empty());
    assert_eq!(writer.finish().unwrap(), 5);
    let mut dropped = all.writer(&folder, "y").unwrap();
    dropped.write_all(b"no").unwrap();
    drop(dropped);
    let listed = all.list(&folder).unwrap();
    assert_eq!(listed.len(), 1);
    let mut text = String::new();
    all.reader(&folder, &listed[0])
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "hello");
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 1);
}

#[test]
fn s3_needs_aws() {
    let error = objects()
        .list(&Location::parse("s3://b/x").unwrap())
        .unwrap_err();
    assert!(error.contains("not configured"), "{error}");
}
