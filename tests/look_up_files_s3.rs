//! Look-up files of enrichments on a server that speaks S3 (moto): fetched, kept, asked for again, and what happens when
//! the server is gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the lints spare test functions, and not what they call"
)]

#[path = "support/moto.rs"]
mod moto;

use std::fs;
use std::path::Path;
use std::time::Duration;

use engine::enrichment::databases::Databases;
use engine::store::{Location, Store, StoreSettings};
use moto::{Moto, store_settings};

const BUCKET: &str = "look-up-files";

fn settings(endpoint: String) -> StoreSettings {
    StoreSettings {
        retries: 0,
        retry_timeout: Duration::from_secs(1),
        ..store_settings(endpoint)
    }
}

fn databases(cache: &Path, endpoint: String) -> Databases {
    Databases {
        folder: None,
        cache: Some(cache.to_owned()),
        store: settings(endpoint),
    }
}

#[test]
fn objects_are_kept_by_their_tags() {
    let Some(moto) = Moto::get() else {
        return;
    };
    moto.create_bucket(BUCKET);
    let cache = tempfile::tempdir().unwrap();
    let here = databases(cache.path(), moto.endpoint());
    let store = Store::new(settings(moto.endpoint()));
    let location = Location::parse(&format!("s3://{BUCKET}/maxmind/a.txt")).unwrap();
    let uri = format!("s3://{BUCKET}/maxmind");

    let failure = here.fetch(&uri, "a.txt").unwrap_err();
    assert!(
        failure.starts_with(
            "Attempt to download s3://look-up-files/maxmind/a.txt failed: there is no such object; "
        ),
        "{failure}"
    );
    store.put(&location, "one").unwrap();
    let first = here.fetch(&uri, "a.txt").unwrap();
    assert_eq!(fs::read_to_string(&first).unwrap(), "one");
    let written = fs::metadata(&first).unwrap().modified().unwrap();
    // unchanged: the copy is not written again; a slash at the end and Hadoop's spellings are the same place
    assert_eq!(here.fetch(&format!("{uri}/"), "a.txt").unwrap(), first);
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), written);

    store.put(&location, "two").unwrap();
    let second = here.fetch(&uri, "a.txt").unwrap();
    assert_eq!(fs::read_to_string(&second).unwrap(), "two");
    assert_ne!(first, second);

    // nobody listens there: the copy stands in; without one the job does not start
    let nobody = databases(cache.path(), "http://127.0.0.1:1".to_owned());
    assert_eq!(nobody.fetch(&uri, "a.txt").unwrap(), second);
    let failure = nobody.fetch(&uri, "b.txt").unwrap_err();
    assert!(failure.contains("there is no earlier copy"), "{failure}");

    store.put(&location, "").unwrap();
    let failure = here.fetch(&uri, "a.txt").unwrap_err();
    assert!(failure.contains("the object has 0 bytes"), "{failure}");
}
