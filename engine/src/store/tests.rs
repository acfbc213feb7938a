//! Tests of the store on local places; those on S3 are `tests/store_s3.rs`.

use super::*;
use std::fs;
use std::path::Path;

fn at(path: &Path) -> Location {
    Location::from_path(path).unwrap()
}

fn read(store: &Store, entry: &ObjectEntry) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store.open(entry).unwrap().read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn put_list_head_read_delete() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::default();
    let folder = at(dir.path());
    assert!(!store.exists_any(&folder.join("x")).unwrap());
    store.put(&folder.join("x/b"), &b"bb"[..]).unwrap();
    let tag = store.put(&folder.join("x/a/c"), &b"ccc"[..]).unwrap();
    let entries = store.list(&folder.join("x"), true).unwrap();
    let names: Vec<&str> = entries
        .iter()
        .map(|entry| entry.relative.as_str())
        .collect();
    assert_eq!(names, ["a/c", "b"]);
    assert_eq!(store.list(&folder.join("x"), false).unwrap().len(), 1);
    assert_eq!(entries[0].etag, tag);
    let head = store.head(&folder.join("x/a/c")).unwrap().unwrap();
    assert_eq!(
        (head.size, head.relative.as_str(), &head.etag),
        (3, "c", &tag)
    );
    assert!(
        store.head(&folder.join("x/a")).unwrap().is_none(),
        "a folder is no object"
    );
    assert!(
        store
            .head(&folder.join("x/b/under-a-file"))
            .unwrap()
            .is_none()
    );
    assert_eq!(read(&store, &entries[0]).unwrap(), b"ccc");
    assert_eq!(store.read_to_vec(&folder.join("x/b")).unwrap(), b"bb");
    assert_eq!(
        store.read_to_vec(&folder.join("none")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(store.put_new(&folder.join("lock"), &b"1"[..]).unwrap());
    assert!(!store.put_new(&folder.join("lock"), &b"2"[..]).unwrap());
    store.delete(&folder.join("x/b")).unwrap();
    store.delete(&folder.join("x/b")).unwrap();
    store.delete_tree(&folder.join("x")).unwrap();
    store.delete_tree(&folder.join("x")).unwrap();
    assert_eq!(store.find_any(&folder).unwrap().unwrap().relative, "lock");
    store.create_dir(&folder.join("new/sub")).unwrap();
    assert!(dir.path().join("new/sub").is_dir());
}

#[test]
fn a_range_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::default();
    let place = at(dir.path()).join("f");
    store.put(&place, &b"0123456789"[..]).unwrap();
    let entry = store.head(&place).unwrap().unwrap();
    for (start, end, expected) in [
        (0, 4, "0123"),
        (3, 7, "3456"),
        (8, 99, "89"),
        (10, 10, ""),
        (7, 3, ""),
    ] {
        let mut text = String::new();
        store
            .open_range(&entry, start, end)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, expected);
    }
}

#[test]
fn a_change_is_noticed_when_opening_and_while_reading() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::default();
    let place = at(dir.path()).join("f");
    let path = dir.path().join("f");
    fs::write(&path, "first").unwrap();
    let entry = store.head(&place).unwrap().unwrap();
    let mut reader = store.open(&entry).unwrap();
    // cut while it is read
    fs::write(&path, "fi").unwrap();
    let failure = reader.read_to_end(&mut Vec::new()).unwrap_err();
    let error = read_error(&place, failure);
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(error.to_string().contains(path.to_str().unwrap()));
    assert_eq!(store.open(&entry).err().unwrap().kind(), ErrorKind::Changed);
    // grown while it is read
    let entry = store.head(&place).unwrap().unwrap();
    let mut reader = store.open(&entry).unwrap();
    fs::write(&path, "fi and more").unwrap();
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
    fs::remove_file(&path).unwrap();
    assert_eq!(
        store.open(&entry).err().unwrap().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn other_read_errors_are_io_errors_of_the_place() {
    let place = Location::parse("/data/x").unwrap();
    let error = read_error(&place, io::Error::from(io::ErrorKind::PermissionDenied));
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().starts_with("/data/x"));
}

#[test]
fn uploads_are_for_s3_only() {
    let error = Store::default()
        .create_upload(&Location::parse("/x").unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}
