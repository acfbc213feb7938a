//! Shards on a server that speaks S3.

use std::fs;
use std::time::{Duration, Instant};

use engine::store::{Location, Store};

use super::moto::{Moto, store_settings};
use super::s3_proxy::Proxy;
use super::support::files_below;
use super::{ROOTS, Site, lines, succeed, whole, write_enriched, write_raw_with_duplicates};

/// Input, outputs and exchange in S3, behind a policy that refuses writes without encryption; one shard is killed while
/// uploads are open, and started again.
#[test]
fn shards_on_s3_equal_one_process() {
    let Some(moto) = Moto::get() else { return };
    let base = tempfile::tempdir().unwrap();
    let (raw, enriched) = (base.path().join("raw-logs"), base.path().join("in"));
    write_raw_with_duplicates(&raw);
    let ids = write_enriched(base.path(), &enriched);
    moto.create_bucket("shards");
    let store = Store::new(store_settings(moto.endpoint()));
    let place = |path: &str| Location::parse(&format!("s3://shards/{path}")).unwrap();
    for (job, local) in [("enrich", &raw), ("shred", &enriched), ("etl", &raw)] {
        let expected = whole(base.path(), job, local.to_str().unwrap());
        for path in files_below(local) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let to = place(&format!("{job}/in/{name}"));
            store.put(&to, fs::read(&path).unwrap()).unwrap();
        }
        let proxy = Proxy::start(&moto.endpoint());
        proxy.demand_encryption("AES256");
        let site = Site {
            base: format!("s3://shards/{job}/run"),
            endpoint: Some(proxy.endpoint()),
            ..Site::local(&base.path().join(format!("s3-{job}")))
        };
        let input = format!("s3://shards/{job}/in");
        let mut shards =
            Vec::from(["1/3", "2/3", "3/3"].map(|shard| site.shard(job, &input, shard)));
        // the second dies when uploads are open, and is started again
        let started = Instant::now();
        while moto.open_uploads("shards").is_empty() && started.elapsed().as_secs() < 60 {
            std::thread::sleep(Duration::from_millis(10));
        }
        shards[1].kill().unwrap();
        shards[1].wait().unwrap();
        shards[1] = site.shard(job, &input, "2/3");
        for shard in shards {
            succeed(shard);
        }
        let run = |path: &str| place(&format!("{job}/run/{path}"));
        assert!(!store.exists_any(&run("good")).unwrap(), "not visible");
        assert!(!moto.open_uploads("shards").is_empty());
        // one of a process that nobody heard of, and one of somebody else
        let lost = run("good/part-00000-lost.txt");
        store.create_upload(&lost).unwrap();
        let foreign = store.create_upload(&run("good-not/x")).unwrap();
        assert_eq!(
            store.open_uploads(&run("good-not")).unwrap(),
            std::slice::from_ref(&foreign)
        );
        let left = store.list(&run("exchange"), true).unwrap();
        assert!(left.len() >= 4);
        for entry in left {
            let bytes = store.read_to_vec(&entry.location).unwrap();
            for marker in ids.iter().take(100) {
                let mut windows = bytes.windows(marker.len());
                assert!(!windows.any(|some| some == marker.as_bytes()));
            }
        }
        succeed(site.commit(job, &input, "3"));
        let fetched = base.path().join("fetched").join(job);
        for root in ROOTS {
            for entry in store.list(&run(root), true).unwrap() {
                let path = fetched.join(root).join(&entry.relative);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, store.read_to_vec(&entry.location).unwrap()).unwrap();
            }
        }
        assert_eq!(lines(&fetched), expected, "{job}");
        assert!(!store.exists_any(&run("exchange")).unwrap());
        // of the killed shard nothing is left either
        assert_eq!(
            moto.open_uploads("shards"),
            std::slice::from_ref(&foreign.id),
            "{job}"
        );
        store.abort_upload(&foreign).unwrap();
        let mut writes = 0;
        for request in proxy.take() {
            let name = request.operation();
            if ["PutObject", "CopyObject", "CreateMultipartUpload"].contains(&name) {
                writes += 1;
                let sse = request.header("x-amz-server-side-encryption");
                assert_eq!(sse, Some("AES256"), "{name} {}", request.target);
                assert!(
                    request.status == 200 || request.status == 412,
                    "{request:?}"
                );
            }
        }
        assert!(writes > 10, "{writes}");
    }
}
