//! Tests of the local file operations.

use super::*;
use std::os::unix::fs::symlink;

fn tree(root: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn names(root: &Path) -> Vec<String> {
    walk(root, true)
        .unwrap()
        .into_iter()
        .map(|file| file.relative)
        .collect()
}

#[test]
fn walks_in_byte_order_of_the_whole_path() {
    let dir = tempfile::tempdir().unwrap();
    tree(
        dir.path(),
        &[
            ("b", ""),
            ("a/z", "12"),
            ("a-1", ""),
            ("a/é/x", ""),
            ("a.b/c", ""),
        ],
    );
    // as S3 does: `-` < `.` < `/`
    assert_eq!(names(dir.path()), ["a-1", "a.b/c", "a/z", "a/é/x", "b"]);
    let direct = walk(dir.path(), false).unwrap();
    assert_eq!(
        direct
            .iter()
            .map(|f| f.relative.as_str())
            .collect::<Vec<_>>(),
        ["a-1", "b"]
    );
    assert_eq!(walk(&dir.path().join("missing"), true).unwrap(), []);
    assert!(
        walk(&dir.path().join("b"), true)
            .unwrap_err()
            .to_string()
            .contains("folder is expected")
    );
    assert_eq!(
        find(dir.path(), |name| name.ends_with('z'))
            .unwrap()
            .unwrap()
            .size,
        2
    );
    assert!(find(dir.path(), |_| false).unwrap().is_none());
}

#[test]
fn links_are_followed_but_loops_are_not() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path(), &[("real/x", "1")]);
    symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
    symlink(dir.path(), dir.path().join("real/up")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert_eq!(names(dir.path()), ["link/x", "real/x"]);
}

#[test]
fn names_that_are_not_utf8_are_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"bad\xff");
    if File::create(dir.path().join(name)).is_err() {
        return;
    }
    assert!(
        walk(dir.path(), true)
            .unwrap_err()
            .to_string()
            .contains("not UTF-8")
    );
}

#[test]
fn writes_are_whole_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/folder/file");
    let tag = write(&path, b"one").unwrap();
    assert_eq!(tag, etag(&fs::metadata(&path).unwrap()));
    write(&path, b"second").unwrap();
    assert!(!write_new(&path, b"third").unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert!(write_new(&dir.path().join("new/folder/other"), b"x").unwrap());
    assert_eq!(names(dir.path()), ["new/folder/file", "new/folder/other"]);
    // the target is a folder: refused, and no temporary file stays
    assert!(write(&dir.path().join("new"), b"x").is_err());
    assert_eq!(names(dir.path()), ["new/folder/file", "new/folder/other"]);
}

#[test]
fn a_full_disk_is_told_by_its_kind() {
    if !Path::new("/dev/full").exists() {
        println!("SKIPPED: no /dev/full");
        return;
    }
    let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = at(Path::new("/dev/full"), full.write_all(b"x").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("/dev/full"));
}

#[test]
fn empty_folders_go_and_full_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
    fs::create_dir_all(dir.path().join("a/d")).unwrap();
    tree(dir.path(), &[("a/e/x", "")]);
    assert!(!remove_empty_dirs(&dir.path().join("a")).unwrap());
    assert!(!dir.path().join("a/b").exists() && dir.path().join("a/e/x").exists());
    fs::remove_file(dir.path().join("a/e/x")).unwrap();
    assert!(remove_empty_dirs(&dir.path().join("a")).unwrap());
    assert!(remove_empty_dirs(&dir.path().join("a")).unwrap());
}

#[test]
fn a_tree_is_moved_and_a_cut_move_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to/run=1"));
    tree(
        &from,
        &[("a/1", "x"), ("a/2", "yy"), ("b", "z"), ("keep.log", "k")],
    );
    // an earlier, cut-off copy of the same bytes
    tree(&to, &[("a/2", "yy")]);
    let moved = move_tree(&from, &to, |name| !name.ends_with(".log")).unwrap();
    assert_eq!(moved, Moved { files: 3, bytes: 4 });
    assert_eq!(names(&to), ["a/1", "a/2", "b"]);
    assert_eq!(names(&from), ["keep.log"]);
    assert!(!from.join("a").exists());
    assert_eq!(
        move_tree(&dir.path().join("missing"), &to, |_| true).unwrap(),
        Moved::default()
    );
}

#[test]
fn a_different_file_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    tree(&from, &[("a", "new")]);
    tree(&to, &[("a", "old")]);
    let error = move_tree(&from, &to, |_| true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    assert_eq!(fs::read(to.join("a")).unwrap(), b"old");
    assert_eq!(fs::read(from.join("a")).unwrap(), b"new");
}

#[test]
fn copies_are_complete() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, vec![7u8; 700_000]).unwrap();
    copy_file(&from, &to).unwrap();
    assert!(same_content(&from, &to).unwrap());
    fs::write(&to, b"short").unwrap();
    assert!(!same_content(&from, &to).unwrap());
    assert!(copy_file(&dir.path().join("missing"), &to).is_err());
    assert_eq!(fs::read(&to).unwrap(), b"short");
}
