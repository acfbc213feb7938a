//! `camonica reencrypt` on a bucket of moto, killed and given again.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ServerSideEncryption, StorageClass, VersioningConfiguration,
};
use engine::store::Location;
use fixtures::configuration;
use futures::StreamExt as _;
use runner::aws::Aws;
use runner::reencrypt::{self, Settings, Wanted};
use tempfile::TempDir;

use super::camonica::{answer, camonica};
use super::moto::Moto;
use super::{aws, write_configuration};

const KEYS: [&str; 2] = ["AKIATEST", "test"];

/// All that must be the same afterwards.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    content: Vec<u8>,
    metadata: BTreeMap<String, String>,
    headers: Vec<Option<String>>,
    tags: Vec<(String, String)>,
    encryption: Option<String>,
}

fn put(aws: &Aws, bucket: &str, key: &str, content: Vec<u8>, index: usize) {
    let each = |number: usize| index.is_multiple_of(number);
    let call = aws
        .s3()
        .put_object()
        .bucket(bucket)
        .key(key)
        .metadata("number", index.to_string())
        .content_type(if each(2) {
            "application/gzip"
        } else {
            "text/plain"
        })
        .set_cache_control((each(3)).then(|| "no-store".to_owned()))
        .set_content_encoding((each(5)).then(|| "gzip".to_owned()))
        .set_storage_class((each(7)).then_some(StorageClass::StandardIa))
        .set_tagging((each(11)).then(|| format!("owner=a%2Bb%3D%20c&n={index}")))
        // some are encrypted already
        .set_server_side_encryption((each(13)).then_some(ServerSideEncryption::Aes256))
        .body(ByteStream::from(content));
    aws.block_on(call.send()).unwrap();
}

fn look(aws: &Aws, bucket: &str, keys: &[String]) -> BTreeMap<String, Seen> {
    let one = |key: String| async move {
        let s3 = aws.s3();
        let get = s3
            .get_object()
            .bucket(bucket)
            .key(&key)
            .send()
            .await
            .unwrap();
        let tags = s3
            .get_object_tagging()
            .bucket(bucket)
            .key(&key)
            .send()
            .await
            .unwrap();
        let text = |text: Option<&str>| text.map(str::to_owned);
        let headers = vec![
            text(get.content_type()),
            text(get.content_encoding()),
            text(get.cache_control()),
            get.storage_class().map(|class| class.as_str().to_owned()),
        ];
        let mut tags: Vec<(String, String)> = tags
            .tag_set()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect();
        tags.sort();
        let seen = Seen {
            metadata: get.metadata().unwrap().clone().into_iter().collect(),
            headers,
            tags,
            encryption: get
                .server_side_encryption()
                .map(|sse| sse.as_str().to_owned()),
            content: get.body.collect().await.unwrap().to_vec(),
        };
        (key, seen)
    };
    aws.block_on(
        futures::stream::iter(keys.iter().cloned().map(one))
            .buffer_unordered(16)
            .collect::<Vec<_>>(),
    )
    .into_iter()
    .collect()
}

fn without_encryption(seen: &BTreeMap<String, Seen>) -> BTreeMap<String, Seen> {
    let plain = |seen: &Seen| Seen {
        encryption: None,
        ..seen.clone()
    };
    seen.iter()
        .map(|(key, seen)| (key.clone(), plain(seen)))
        .collect()
}

fn encrypted(aws: &Aws, bucket: &str, keys: &[String]) -> usize {
    let one = |key: String| async move {
        let head = aws.s3().head_object().bucket(bucket).key(&key).send().await;
        head.unwrap().server_side_encryption().is_some()
    };
    let all = futures::stream::iter(keys.iter().cloned().map(one)).buffer_unordered(16);
    aws.block_on(all.filter(|is| std::future::ready(*is)).count())
}

/// A configuration that wants encryption, with its log on this disk.
fn configured(base: &TempDir, moto: &Moto, root: &str) -> String {
    let aws = configuration::Aws {
        log: base.path().join("log").display().to_string(),
        encrypted: true,
        ..configuration::Aws::below(root)
    };
    write_configuration(base.path(), moto, aws)
}

#[test]
fn a_thousand_objects_killed_and_resumed() {
    let Some(moto) = Moto::get() else { return };
    let bucket = "thousand";
    moto.create_bucket(bucket);
    let aws = aws(moto.endpoint(), KEYS);
    let versions = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let call = aws
        .s3()
        .put_bucket_versioning()
        .bucket(bucket)
        .versioning_configuration(versions);
    aws.block_on(call.send()).unwrap();
    // more than one page, with names that want encoding
    let keys: Vec<String> = (0..1100)
        .map(|index| format!("archive/run=2018-07-24-10-00-00/{index:04} +ü&.gz"))
        .collect();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (aws, keys) = (&aws, &keys);
            scope.spawn(move || {
                for (index, key) in keys
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| index % 4 == part)
                {
                    put(
                        aws,
                        bucket,
                        key,
                        format!("content {index}").into_bytes(),
                        index,
                    );
                }
            });
        }
    });
    put(&aws, bucket, "archive2/not-ours", b"x".to_vec(), 1);
    let before = look(&aws, bucket, &keys);
    let first = before
        .values()
        .filter(|seen| seen.encryption.is_some())
        .count();

    let base = tempfile::tempdir().unwrap();
    let log = base.path().join("log");
    let config = configured(&base, moto, "s3://thousand/x");
    let arguments = ["reencrypt", "s3://thousand/archive", "-c", &config];
    let (code, out, _) = answer(&mut camonica(&[&arguments[..], &["--dry-run"]].concat()));
    let dry = format!(
        "1100 objects looked at: {} would be encrypted",
        1100 - first
    );
    assert!(code == 0 && out.contains(&dry), "{out}");
    assert_eq!(
        encrypted(&aws, bucket, &keys),
        first,
        "a dry run changes nothing"
    );

    let mut cut = 0;
    let mut done = first;
    for wished in [101, 501] {
        let mut child = camonica(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        // they are done about in the order of the list
        let probe = [keys[wished].clone()];
        while encrypted(&aws, bucket, &probe) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(120));
            if child.try_wait().unwrap().is_some() {
                break;
            }
            sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let now = encrypted(&aws, bucket, &keys);
        assert!(now >= done, "{now} {done}");
        println!("killed at {now} of 1100");
        done = now;
        cut += usize::from(now < 1100);
        // whatever the moment, everything is there and equal
        let seen = look(&aws, bucket, &keys[..100]);
        for (key, seen) in without_encryption(&seen) {
            assert_eq!(
                seen,
                Seen {
                    encryption: None,
                    ..before[&key].clone()
                },
                "{key}"
            );
        }
    }
    assert_eq!(cut, 2, "an attempt was not cut in the middle");
    let (code, out, err) = answer(&mut camonica(&arguments));
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(" 0 left"), "{out}");
    let after = look(&aws, bucket, &keys);
    assert!(
        after
            .values()
            .all(|seen| seen.encryption.as_deref() == Some("AES256"))
    );
    assert_eq!(without_encryption(&after), without_encryption(&before));
    assert_eq!(
        encrypted(&aws, bucket, &["archive2/not-ours".to_owned()]),
        0
    );
    // the old versions are there, and told
    let old = 1100 - first;
    assert!(
        out.contains(&format!("{old} old versions are as they were")),
        "{old}: {out}"
    );
    // the progress is removed at the end; once more is no work
    let notes = log.join("camonica/reencrypt");
    assert_eq!(std::fs::read_dir(notes).map_or(0, Iterator::count), 0);
    let (code, out, _) = answer(&mut camonica(&arguments));
    assert!(
        code == 0 && out.contains("0 encrypted and verified (0 bytes), 1100 were so already"),
        "{out}"
    );
}

fn settings(place: &str, wanted: Wanted) -> Settings {
    Settings {
        place: Location::parse(place).unwrap(),
        wanted,
        bucket_key: false,
        dry_run: false,
        keep_grants: true,
        at_a_time: 8,
        progress: None,
    }
}

#[test]
fn large_objects_keep_everything_in_parts() {
    let Some(moto) = Moto::get() else { return };
    moto.create_bucket("parts");
    let aws = aws(moto.endpoint(), KEYS);
    let mut content = vec![7; 13 << 20];
    content[9 << 20] = 1;
    let key = "a/large é.gz".to_owned();
    // 2310 = 2*3*5*7*11: everything at once
    put(&aws, "parts", &key, content, 2310);
    let before = look(&aws, "parts", std::slice::from_ref(&key));
    let report =
        reencrypt::run(&aws, &settings("s3://parts/a", Wanted::SseS3), &mut |_| {}).unwrap();
    assert_eq!((report.encrypted, report.left.len()), (1, 0), "{report:?}");
    let after = look(&aws, "parts", std::slice::from_ref(&key));
    assert_eq!(after[&key].encryption.as_deref(), Some("AES256"));
    assert_eq!(without_encryption(&after), without_encryption(&before));
    assert!(moto.open_uploads("parts").is_empty());
}

#[test]
fn keys_of_kms_and_what_is_left() {
    let Some(moto) = Moto::get() else { return };
    moto.create_bucket("kms-left");
    let aws = aws(moto.endpoint(), KEYS);
    for index in 1..=3 {
        put(
            &aws,
            "kms-left",
            &format!("a/{index}"),
            b"content".to_vec(),
            index,
        );
    }
    let call = aws
        .s3()
        .put_object()
        .bucket("kms-left")
        .key("a/frozen")
        .storage_class(StorageClass::DeepArchive)
        .body(ByteStream::from_static(b"old"));
    aws.block_on(call.send()).unwrap();
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234";
    let wanted = settings("s3://kms-left/a", Wanted::SseKms(key.into()));
    let report = reencrypt::run(&aws, &wanted, &mut |_| {}).unwrap();
    assert_eq!((report.encrypted, report.left.len()), (3, 1), "{report:?}");
    assert_eq!(report.left[0].object, "s3://kms-left/a/frozen");
    assert!(report.left[0].reason.contains("restore it"), "{report:?}");
    let head = aws
        .block_on(aws.s3().head_object().bucket("kms-left").key("a/1").send())
        .unwrap();
    assert_eq!(head.ssekms_key_id(), Some(key));
    // encrypted with a key of KMS is encrypted: not taken back to keys of S3
    let report = reencrypt::run(
        &aws,
        &settings("s3://kms-left/a", Wanted::SseS3),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(
        (report.already, report.encrypted, report.left.len()),
        (3, 0, 1)
    );

    // the program says what is left, and fails
    let base = tempfile::tempdir().unwrap();
    let config = configured(&base, moto, "s3://kms-left/x");
    let left = base.path().join("left.jsonl");
    let (code, _, err) = answer(&mut camonica(&[
        "reencrypt",
        "s3://kms-left/a",
        "-c",
        &config,
        "--left",
        left.to_str().unwrap(),
    ]));
    assert!(
        code == 1 && err.contains("1 objects are not encrypted as wanted"),
        "{err}"
    );
    assert!(std::fs::read_to_string(left).unwrap().contains("a/frozen"));
    let (code, _, err) = answer(&mut camonica(&["reencrypt", "/tmp/x", "-c", &config]));
    assert!(
        code == 1 && err.contains("expected a bucket or a folder in S3"),
        "{err}"
    );
}
