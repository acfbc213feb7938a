//! The store and the transactional output against a server that speaks S3 (moto).
//!
//! Covers what a disk cannot: multipart uploads that are completed at commit only, encryption headers on every
//! write, conditional reads and writes, folder markers, pages of listings.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/moto.rs"]
mod moto;
#[path = "store_s3/output.rs"]
mod output;

use engine::Result;
use engine::error::ErrorKind;
use engine::store::{Location, ObjectEntry, Store, StoreSettings, read_error};
use moto::{Moto, store_settings};
use std::io::Read;

/// A bucket of its own for a test.
struct Bucket {
    moto: &'static Moto,
    name: String,
}

impl Bucket {
    fn new(name: &str) -> Option<Self> {
        let moto = Moto::get()?;
        moto.create_bucket(name);
        Some(Self {
            moto,
            name: name.to_owned(),
        })
    }

    fn settings(&self) -> StoreSettings {
        StoreSettings {
            retries: 2,
            ..store_settings(self.moto.endpoint())
        }
    }

    fn store(&self) -> Store {
        Store::new(self.settings())
    }

    fn at(&self, key: &str) -> Location {
        Location::parse(&format!("s3://{}/{key}", self.name)).unwrap()
    }

    fn uploads(&self) -> usize {
        self.moto.open_uploads(&self.name).len()
    }

    /// The head that the server sends for an object, in lower case.
    fn head(&self, key: &str) -> String {
        self.moto.head(&self.name, key)
    }

    fn raw_put(&self, key: &str, body: &[u8]) {
        self.moto.put(&self.name, key, body);
    }

    fn keys(&self) -> Vec<String> {
        let entries = self.store().list(&self.at(""), true).unwrap();
        entries.into_iter().map(|entry| entry.relative).collect()
    }
}

fn read(store: &Store, entry: &ObjectEntry) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store
        .open(entry)?
        .read_to_end(&mut bytes)
        .map_err(|e| read_error(&entry.location, e))?;
    Ok(bytes)
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

#[test]
fn put_list_head_read_delete() {
    let Some(bucket) = Bucket::new("plain") else {
        return;
    };
    let store = bucket.store();
    let keys = [
        "in/a-1",
        "in/a.b/c",
        "in/a/ü ö",
        "in/a/x+y%20z~",
        "in/b",
        "in2/other",
    ];
    for key in keys {
        store.put(&bucket.at(key), key.as_bytes().to_vec()).unwrap();
    }
    let entries = store.list(&bucket.at("in/"), true).unwrap();
    let names: Vec<&str> = entries
        .iter()
        .map(|entry| entry.relative.as_str())
        .collect();
    assert_eq!(names, ["a-1", "a.b/c", "a/x+y%20z~", "a/ü ö", "b"]);
    for entry in &entries {
        assert_eq!(
            read(&store, entry).unwrap(),
            format!("in/{}", entry.relative).as_bytes()
        );
        let head = store.head(&entry.location).unwrap().unwrap();
        assert_eq!((head.size, &head.etag), (entry.size, &entry.etag));
    }
    let direct = store.list(&bucket.at("in"), false).unwrap();
    assert_eq!(
        direct
            .iter()
            .map(|e| e.relative.as_str())
            .collect::<Vec<_>>(),
        ["a-1", "b"]
    );
    assert_eq!(store.list(&bucket.at("none"), true).unwrap(), []);
    assert!(store.head(&bucket.at("in/none")).unwrap().is_none());
    assert!(store.head(&bucket.at("")).unwrap().is_none());
    assert_eq!(store.read_to_vec(&bucket.at("in/b")).unwrap(), b"in/b");
    assert_eq!(
        store.read_to_vec(&bucket.at("in/none")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(store.put_new(&bucket.at("lock"), &b"1"[..]).unwrap());
    assert!(!store.put_new(&bucket.at("lock"), &b"2"[..]).unwrap());
    assert!(
        store.put_new(&bucket.at("lock"), &b"1"[..]).unwrap(),
        "our own write, tried again"
    );
    store.delete(&bucket.at("in/b")).unwrap();
    store.delete(&bucket.at("in/b")).unwrap();
    store.delete_tree(&bucket.at("in")).unwrap();
    assert_eq!(bucket.keys(), ["in2/other", "lock"]);
    assert_eq!(
        store
            .find(&bucket.at(""), |key| key != "in2/other")
            .unwrap()
            .unwrap()
            .relative,
        "lock"
    );
}

#[test]
fn folder_markers_are_no_objects() {
    let Some(bucket) = Bucket::new("markers") else {
        return;
    };
    let store = bucket.store();
    for marker in ["in/", "in/run=1/", "in/run=2_$folder$", "in/_$folder$"] {
        bucket.raw_put(marker, b"");
    }
    assert_eq!(store.list(&bucket.at("in"), true).unwrap(), []);
    assert!(!store.exists_any(&bucket.at("in")).unwrap());
    assert!(!store.exists_any(&bucket.at("")).unwrap());
    bucket.raw_put("in/run=1/_SUCCESS", b"");
    bucket.raw_put("in/run=1", b"");
    let names: Vec<String> = store
        .list(&bucket.at("in"), true)
        .unwrap()
        .into_iter()
        .map(|e| e.relative)
        .collect();
    assert_eq!(names, ["run=1", "run=1/_SUCCESS"]);
    assert!(store.exists_any(&bucket.at("in/run=1/")).unwrap());
}

#[test]
fn listings_and_deletions_have_pages() {
    let Some(bucket) = Bucket::new("pages") else {
        return;
    };
    let store = bucket.store();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let bucket = &bucket;
            scope.spawn(move || {
                for number in (thread..1_100).step_by(4) {
                    bucket.raw_put(&format!("in/{number:05}"), b"x");
                }
            });
        }
    });
    let entries = store.list(&bucket.at("in"), true).unwrap();
    assert_eq!(entries.len(), 1_100);
    assert!(entries.is_sorted_by(|a, b| a.relative < b.relative));
    let found = store
        .find(&bucket.at("in"), |name| name == "01099")
        .unwrap();
    assert_eq!(found.unwrap().relative, "01099");
    store.delete_tree(&bucket.at("in")).unwrap();
    assert!(!store.exists_any(&bucket.at("in")).unwrap());
}

#[test]
fn a_large_object_is_read_by_ranges_and_a_change_is_an_error() {
    let Some(bucket) = Bucket::new("ranges") else {
        return;
    };
    let mut settings = bucket.settings();
    settings.range_size = 300_000;
    let store = Store::new(settings);
    let place = bucket.at("big");
    let bytes = noise(5_000_001, 3);
    store.put(&place, bytes.clone()).unwrap();
    let entry = store.head(&place).unwrap().unwrap();
    assert!(read(&store, &entry).unwrap() == bytes);
    for (start, end) in [
        (0, 1),
        (299_999, 300_001),
        (4_999_999, 9_000_000),
        (7, 7),
        (9, 3),
    ] {
        let mut part = Vec::new();
        store
            .open_range(&entry, start, end)
            .unwrap()
            .read_to_end(&mut part)
            .unwrap();
        let (from, to) = (start as usize, (end as usize).min(bytes.len()));
        assert!(part == bytes.get(from..to).unwrap_or_default());
    }
    // replaced while it is read, by something of the same length
    let mut reader = store.open(&entry).unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    store.put(&place, noise(5_000_001, 5)).unwrap();
    let failure = reader.read_to_end(&mut Vec::new()).unwrap_err();
    let error = read_error(&place, failure);
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert!(error.to_string().contains("s3://ranges/big"));
    assert!(reader.read(&mut [0; 10]).is_err(), "and never goes on");
    store.delete(&place).unwrap();
    assert_eq!(
        read(&store, &entry).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    // nothing to read is no request
    let empty = store
        .put(&bucket.at("empty"), Vec::new())
        .map(|_| bucket.at("empty"))
        .unwrap();
    let entry = store.head(&empty).unwrap().unwrap();
    assert_eq!(read(&store, &entry).unwrap(), b"");
}

#[test]
fn errors_name_the_object_and_have_a_kind() {
    let Some(bucket) = Bucket::new("errors") else {
        return;
    };
    let store = bucket.store();
    let missing = Location::parse("s3://no-such-bucket-here/x/y").unwrap();
    for error in [
        store.list(&missing, true).unwrap_err(),
        store.put(&missing, &b"x"[..]).unwrap_err(),
        store.create_upload(&missing).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(
            error.to_string().contains("s3://no-such-bucket-here/x/y"),
            "{error}"
        );
    }
    bucket.raw_put("odd/a//b", b"x");
    let error = store.list(&bucket.at("odd"), true).unwrap_err();
    assert!(error.to_string().contains("empty part"), "{error}");
    // nobody listens there
    let nobody = Store::new(StoreSettings {
        endpoint: Some("http://127.0.0.1:1".into()),
        retries: 0,
        ..bucket.settings()
    });
    let error = nobody.list(&bucket.at("x"), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.is_retryable());
    assert!(!error.to_string().contains("test\""), "{error}");
}

#[test]
fn multipart_uploads_are_objects_only_when_completed() {
    let Some(bucket) = Bucket::new("multipart") else {
        return;
    };
    let store = bucket.store();
    let upload = store.create_upload(&bucket.at("big")).unwrap();
    let (first, second) = (noise(5 << 20, 7), noise(1_000, 9));
    let tags = [
        store.put_part(&upload, 0, first.clone().into()).unwrap(),
        store.put_part(&upload, 1, second.clone().into()).unwrap(),
    ];
    assert!(bucket.keys().is_empty());
    assert_eq!(bucket.uploads(), 1);
    let etag = store.complete_upload(&upload, &tags).unwrap();
    let entry = store.head(&bucket.at("big")).unwrap().unwrap();
    assert_eq!(entry.etag, etag);
    assert!(read(&store, &entry).unwrap() == [first, second].concat());
    // S3 answers a second completion as the first, for a while
    assert_eq!(store.complete_upload(&upload, &tags).unwrap(), etag);
    let other = store.create_upload(&bucket.at("other")).unwrap();
    store.abort_upload(&other).unwrap();
    store.abort_upload(&other).unwrap();
    let error = store.complete_upload(&other, &tags).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(bucket.uploads(), 0);
}
