//! Moves, lists and small writes.

use std::fs;
use std::path::Path;

use engine::store::{Encryption, Location};
use runner::objects::{Moved, Objects, VerifiedBy};

use super::World;
use super::s3_proxy::Recorded;

fn count(recorded: &[Recorded], operation: &str) -> usize {
    recorded
        .iter()
        .filter(|request| request.operation() == operation)
        .count()
}

fn list(objects: &Objects, folder: &Location) -> Vec<String> {
    let entries = objects.list(folder).unwrap();
    entries.into_iter().map(|entry| entry.relative).collect()
}

const ODD: [&str; 8] = [
    "run=2018-07-24/a b.gz",
    "x/plus+plus",
    "x/percent%41%",
    "x/ünïcödé-日本",
    "x/q?u&o=t'e\"#;",
    "x//two",
    "a.lzo.index",
    "tilde~(1)!*",
];

#[test]
fn odd_keys_are_listed_and_moved_as_they_are() {
    let Some(world) = World::new("odd-keys") else {
        return;
    };
    for key in ODD {
        world.write(&format!("processing/{key}"), key.as_bytes());
    }
    world.write("processing2/other", b"not mine");
    world.write("processing/", b"");
    world.write("processing/x_$folder$", b"");
    let objects = world.objects();
    let mut expected: Vec<&str> = ODD.to_vec();
    expected.sort_unstable();
    assert_eq!(list(&objects, &world.at("processing")), expected);
    let moved = objects
        .move_folder(&world.at("processing/"), &world.at("archive/run=1/"))
        .unwrap();
    assert_eq!(moved.objects, ODD.len() as u64);
    let there = world.contents("archive/run=1/");
    assert_eq!(there.len(), ODD.len());
    for key in ODD {
        assert_eq!(there[key], key.as_bytes(), "{key}");
    }
    assert_eq!(
        world.keys("processing"),
        ["processing/", "processing/x_$folder$", "processing2/other"]
    );
    // the same by locations, as far as these can name keys
    let moves: Vec<_> = ODD
        .iter()
        .filter(|key| !key.contains("//"))
        .map(|key| {
            (
                world.at("archive/run=1").join(key),
                world.at("back").join(key),
                key.len() as u64,
            )
        })
        .collect();
    assert_eq!(objects.move_all(&moves).unwrap().objects, 7);
    assert_eq!(objects.move_all(&moves).unwrap(), Moved::default());
    assert_eq!(world.keys("back/").len(), 7);
}

#[test]
fn emptiness_looks_at_real_objects_only() {
    let Some(world) = World::new("emptiness") else {
        return;
    };
    let objects = world.objects();
    let any = |folder: &str| objects.any(&world.at(folder), &|_| true).unwrap();
    assert!(!any("none/"));
    world.write("only/", b"");
    world.write("only2/x", b"");
    assert!(!any("only"));
    world.write("marker_$folder$", b"");
    world.write("marker/x_$folder$", b"");
    assert!(!any("marker"));
    // a real object behind more than a page of markers
    let mut markers: Vec<String> = (0..60).map(|n| format!("many/{n:03}_$folder$")).collect();
    markers.push("many/z".into());
    world.write_many(&markers);
    world.proxy.take();
    assert!(any("many"));
    assert_eq!(world.proxy.take().len(), 2);
    assert!(any("only2"));
    assert_eq!(world.proxy.take().len(), 1);
    // the whole bucket
    assert!(any(""));
}

#[test]
fn more_than_a_thousand_objects_move_with_few_requests() {
    let Some(world) = World::new("thousand") else {
        return;
    };
    let keys: Vec<String> = (0..1050).map(|n| format!("in/{n:04}.gz")).collect();
    world.write_many(&keys);
    let objects = world.objects();
    world.proxy.demand_encryption("AES256");
    let moved = objects
        .move_folder(&world.at("in"), &world.at("processing"))
        .unwrap();
    assert_eq!(moved.objects, 1050);
    let recorded = world.proxy.take();
    assert_eq!(count(&recorded, "CopyObject"), 1050);
    assert_eq!(count(&recorded, "DeleteObjects"), 2);
    // two pages of the source, a look at the target for each round
    assert!(count(&recorded, "ListObjectsV2") <= 5);
    assert_eq!(
        recorded.len(),
        1052 + count(&recorded, "ListObjectsV2"),
        "nothing else is asked for"
    );
    assert!(world.keys("in/").is_empty());
    assert_eq!(world.keys("processing/").len(), 1050);
    assert_eq!(world.read("processing/0777.gz").unwrap(), b"in/0777.gz");
    assert_eq!(objects.verified_by().etag, 1050);
    for request in recorded.iter().filter(|r| r.operation() == "CopyObject") {
        assert_eq!(
            request.header("x-amz-server-side-encryption"),
            Some("AES256")
        );
        assert!(request.header("x-amz-copy-source-if-match").is_some());
    }
}

#[test]
fn different_objects_of_one_name_are_never_lost() {
    let Some(world) = World::new("differ") else {
        return;
    };
    for (key, content) in [
        ("in/same-size", "new"),
        ("out/same-size", "old"),
        ("in/longer", "longer"),
        ("out/longer", "long"),
        ("in/equal", "equal"),
        ("out/equal", "equal"),
        ("in/free", "free"),
    ] {
        world.write(key, content.as_bytes());
    }
    let objects = world.objects();
    let error = objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap_err();
    assert!(
        error.contains("s3://differ/in/") && error.contains("s3://differ/out/"),
        "{error}"
    );
    assert!(error.contains("differ: neither was touched"), "{error}");
    assert_eq!(world.read("in/same-size").unwrap(), b"new");
    assert_eq!(world.read("out/same-size").unwrap(), b"old");
    assert_eq!(world.read("in/longer").unwrap(), b"longer");
    assert_eq!(world.read("out/longer").unwrap(), b"long");
    assert_eq!(world.read("out/equal").unwrap(), b"equal");
    // an object cannot be lost by a move to itself
    let at = world.at("out/equal");
    assert!(objects.move_all(&[(at.clone(), at, 5)]).is_err());
    assert_eq!(world.read("out/equal").unwrap(), b"equal");
}

#[test]
fn every_write_asks_for_encryption() {
    let Some(world) = World::new("encrypted") else {
        return;
    };
    world.proxy.demand_encryption("AES256");
    let objects = world.objects();
    objects.put(&world.at("in/put"), b"1").unwrap();
    assert!(objects.create(&world.at("in/lock"), b"2").unwrap());
    world.write("in/large", &vec![7; 7 << 20]);
    let disk = tempfile::tempdir().unwrap();
    fs::write(disk.path().join("small"), "small").unwrap();
    fs::write(disk.path().join("parts"), vec![9; 12 << 20]).unwrap();
    let local = Location::from_path(disk.path()).unwrap();
    objects.move_folder(&local, &world.at("in")).unwrap();
    objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap();
    let recorded = world.proxy.take();
    for operation in ["PutObject", "CopyObject", "CreateMultipartUpload"] {
        assert!(count(&recorded, operation) > 0, "{operation}");
    }
    assert!(
        recorded
            .iter()
            .all(|request| request.status < 400 || request.status == 404)
    );
    assert_eq!(world.keys("").len(), 5);
    for key in world.keys("") {
        let head = world
            .moto
            .request("HEAD", &format!("/encrypted/{key}"), b"")
            .head;
        assert!(
            head.contains("x-amz-server-side-encryption: aes256"),
            "{key} {head}"
        );
    }

    // without the setting the bucket refuses, at once and with advice; nothing is lost
    let mut settings = world.settings();
    settings.encryption = Encryption::None;
    let plain = world.objects_with(settings);
    let error = plain
        .move_folder(&world.at("out"), &world.at("in"))
        .unwrap_err();
    assert!(
        error.contains("AccessDenied (HTTP 403)")
            && error.contains("request PROXY")
            && error.contains("aws.s3.buckets.encrypted: true"),
        "{error}"
    );
    assert!(
        plain
            .put(&world.at("x"), b"x")
            .unwrap_err()
            .contains("AccessDenied")
    );
    assert_eq!(world.keys("out/").len(), 5);
    assert!(world.keys("in/").is_empty());
    // refused requests are not made again
    let recorded = world.proxy.take();
    assert_eq!(count(&recorded, "PutObject"), 1);
}

#[test]
fn encryption_that_is_not_confirmed_is_an_error() {
    let Some(world) = World::new("unconfirmed") else {
        return;
    };
    world.write("in/a", b"a");
    world.write("in/large", &vec![1; 7 << 20]);
    world.proxy.hide_encryption();
    let objects = world.objects();
    let error = objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap_err();
    assert!(error.contains("did not confirm the encryption"), "{error}");
    assert_eq!(world.keys("in/").len(), 2);
    assert_eq!(world.open_uploads(), 0);
    let error = objects.put(&world.at("x"), b"x").unwrap_err();
    assert!(error.contains("EncryptionNotConfirmed"), "{error}");
}

#[test]
fn a_service_that_is_gone_is_told() {
    let Some(world) = World::new("gone") else {
        return;
    };
    world.write("in/a", b"a");
    let mut settings = world.settings();
    settings.tuning.retry_timeout = std::time::Duration::from_millis(200);
    let objects = world.objects_with(settings);
    world.proxy.die_at(1, false);
    let error = objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap_err();
    assert!(
        error.contains("s3://gone/in/: ListObjectsV2: no answer")
            && error.contains("given up after")
            && error.contains("resume the run"),
        "{error}"
    );
    world.proxy.revive();
    world.proxy.refuse("CopyObject", 503, "SlowDown");
    let error = objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap_err();
    assert!(error.contains("SlowDown (HTTP 503)"), "{error}");
    world.proxy.refuse("DeleteObjects", 403, "AccessDenied");
    let error = objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap_err();
    assert!(error.contains("DeleteObjects: AccessDenied"), "{error}");
    assert_eq!(world.keys(""), ["in/a", "out/a"]);
    world.proxy.accept();
    assert_eq!(
        objects
            .move_folder(&world.at("in"), &world.at("out"))
            .unwrap()
            .objects,
        1
    );
    assert_eq!(world.keys(""), ["out/a"]);
}

#[test]
fn kms_keys_go_with_every_write() {
    let Some(world) = World::new("kms-keys") else {
        return;
    };
    world.proxy.demand_encryption("aws:kms");
    let mut settings = world.settings();
    settings.encryption = Encryption::SseKms("arn:aws:kms:us-east-1:123456789012:key/k-1".into());
    let objects = world.objects_with(settings);
    objects.put(&world.at("in/a"), b"a").unwrap();
    world.write("in/b", b"b");
    world.write("in/large", &vec![1; 7 << 20]);
    objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap();
    assert_eq!(world.keys(""), ["out/a", "out/b", "out/large"]);
    for request in world.proxy.take() {
        if request.header("x-amz-server-side-encryption").is_some() {
            assert_eq!(
                request.header("x-amz-server-side-encryption-aws-kms-key-id"),
                Some("arn:aws:kms:us-east-1:123456789012:key/k-1")
            );
        }
    }
}

#[test]
fn objects_above_the_limit_are_copied_in_parts() {
    let Some(world) = World::new("parts") else {
        return;
    };
    let objects = world.objects();
    let content: Vec<u8> = (0..13_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
    // one written at once, one written in parts
    world.write("in/whole", &content);
    let disk = tempfile::tempdir().unwrap();
    fs::write(disk.path().join("cut"), &content).unwrap();
    let local = Location::from_path(disk.path()).unwrap();
    objects.move_folder(&local, &world.at("in")).unwrap();
    assert!(!disk.path().join("cut").exists());
    // a dead attempt has left an upload for one of the targets, another program one for a neighbour
    for key in ["out/whole", "out/whole2"] {
        let path = format!("/parts/{key}?uploads");
        assert_eq!(world.moto.request("POST", &path, b"").status, 200);
    }
    world.proxy.take();
    let moved = objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap();
    assert_eq!(
        moved,
        Moved {
            objects: 2,
            bytes: 26_000_000
        }
    );
    let recorded = world.proxy.take();
    assert_eq!(count(&recorded, "UploadPartCopy"), 6);
    assert_eq!(count(&recorded, "CopyObject"), 0);
    assert_eq!(count(&recorded, "AbortMultipartUpload"), 1);
    assert_eq!(world.open_uploads(), 1);
    assert_eq!(world.read("out/whole").unwrap(), content);
    assert_eq!(world.read("out/cut").unwrap(), content);
    assert!(world.keys("in/").is_empty());
    // the upload and the copy of what was cut into the same parts: equal ETags
    assert!(
        objects.verified_by().etag >= 2,
        "{:?}",
        objects.verified_by()
    );

    // and back to a disk, verified by the sums of the parts
    let to = Location::from_path(&disk.path().join("back")).unwrap();
    objects.move_folder(&world.at("out"), &to).unwrap();
    assert_eq!(fs::read(disk.path().join("back/cut")).unwrap(), content);
    assert_eq!(fs::read(disk.path().join("back/whole")).unwrap(), content);
    assert!(world.keys("").is_empty());
}

#[test]
fn metadata_is_kept() {
    let Some(world) = World::new("metadata") else {
        return;
    };
    let objects = world.objects();
    let aws = objects.aws().unwrap();
    for (key, size) in [("in/small", 10), ("in/large", 7 << 20)] {
        aws.block_on(
            aws.s3()
                .put_object()
                .bucket("metadata")
                .key(key)
                .content_type("text/x-log")
                .content_encoding("gzip")
                .metadata("origin", "collector")
                .body(vec![1; size].into())
                .send(),
        )
        .unwrap();
    }
    objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap();
    for key in ["out/small", "out/large"] {
        let head = world
            .moto
            .request("HEAD", &format!("/metadata/{key}"), b"")
            .head;
        for part in ["text/x-log", "gzip", "x-amz-meta-origin: collector"] {
            assert!(head.contains(part), "{key} {part}: {head}");
        }
    }
}

#[test]
fn between_disks_and_s3() {
    let Some(world) = World::new("disks") else {
        return;
    };
    let objects = world.objects();
    let disk = tempfile::tempdir().unwrap();
    let file = |name: &str| disk.path().join(name);
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let at = |name: &str| Location::from_path(&file(name)).unwrap();
    write(&file("in/a/1"), "one");
    write(&file("in/empty"), "");
    write(&file("in/cut"), "copied before");
    world.write("s3/cut", b"copied before");
    assert_eq!(
        objects
            .move_folder(&at("in"), &world.at("s3"))
            .unwrap()
            .objects,
        3
    );
    assert!(!file("in").exists());
    assert_eq!(world.contents("s3/")["a/1"], b"one");
    write(&file("in/cut"), "copied BEFORE");
    let error = objects.move_folder(&at("in"), &world.at("s3")).unwrap_err();
    assert!(error.contains("differ"), "{error}");
    assert_eq!(fs::read_to_string(file("in/cut")).unwrap(), "copied BEFORE");

    write(&file("back/cut"), "copied before");
    write(&file("back/x.camonica-partial"), "left by a dead attempt");
    assert_eq!(
        objects
            .move_folder(&world.at("s3"), &at("back"))
            .unwrap()
            .objects,
        3
    );
    assert!(world.keys("").is_empty());
    assert_eq!(fs::read_to_string(file("back/a/1")).unwrap(), "one");
    assert_eq!(fs::read_to_string(file("back/empty")).unwrap(), "");
    assert!(!file("back/x.camonica-partial").exists());
    world.write("s3/cut", b"something else");
    assert!(objects.move_folder(&world.at("s3"), &at("back")).is_err());
    assert_eq!(world.read("s3/cut").unwrap(), b"something else");
    // a key that would leave the folder of a disk
    world.write("evil/../../x", b"x");
    let error = objects
        .move_folder(&world.at("evil"), &at("back"))
        .unwrap_err();
    assert!(error.contains("cannot be the name of a file"), "{error}");
}

#[test]
fn small_objects() {
    let Some(world) = World::new("small-objects") else {
        return;
    };
    let objects = world.objects();
    let at = world.at("a/b c+d");
    assert_eq!(objects.get(&at).unwrap(), None);
    objects.put(&at, b"1").unwrap();
    objects.put(&at, b"2").unwrap();
    assert_eq!(objects.get(&at).unwrap().unwrap(), b"2");
    assert!(!objects.create(&at, b"3").unwrap());
    assert_eq!(objects.get(&at).unwrap().unwrap(), b"2");
    objects.delete(&[at.clone(), world.at("none")]).unwrap();
    objects.delete(std::slice::from_ref(&at)).unwrap();
    assert!(objects.create(&at, b"4").unwrap());
    // no bucket is not no object
    let none = Location::parse("s3://no-such-bucket-here/x").unwrap();
    for error in [
        objects.get(&none).unwrap_err(),
        objects.list(&none).unwrap_err(),
        objects.put(&none, b"").unwrap_err(),
    ] {
        assert!(
            error.contains("NoSuchBucket") && error.contains("aws.s3.buckets"),
            "{error}"
        );
    }
    // a service without conditional writes
    world.proxy.refuse("PutObject", 501, "NotImplemented");
    let error = objects.create(&world.at("lock"), b"x").unwrap_err();
    assert!(error.contains("NotImplemented"), "{error}");
    world.proxy.accept();
    assert!(objects.create(&world.at("lock"), b"x").unwrap());
    assert!(!objects.create(&world.at("lock"), b"x2").unwrap());
    // one without conditional deletions
    world.write("d/1", b"1");
    let entries = objects.list(&world.at("d")).unwrap();
    objects
        .delete_entries(&world.at("d"), &entries.iter().collect::<Vec<_>>())
        .unwrap();
    assert!(world.keys("d/").is_empty());
}

#[test]
fn older_services_get_no_new_checksums() {
    let Some(world) = World::new("checksums") else {
        return;
    };
    let mut settings = world.settings();
    settings.tuning.checksums_when_required = true;
    let objects = world.objects_with(settings);
    objects.put(&world.at("in/a"), b"a").unwrap();
    let disk = tempfile::tempdir().unwrap();
    fs::write(disk.path().join("parts"), vec![9; 12 << 20]).unwrap();
    let local = Location::from_path(disk.path()).unwrap();
    objects.move_folder(&local, &world.at("in")).unwrap();
    objects
        .move_folder(&world.at("in"), &world.at("out"))
        .unwrap();
    let recorded = world.proxy.take();
    for request in &recorded {
        let operation = request.operation();
        if matches!(operation, "PutObject" | "UploadPart" | "DeleteObjects") {
            assert!(request.header("content-md5").is_some(), "{operation}");
        }
        if operation != "DeleteObjects" {
            for (name, _) in &request.headers {
                assert!(
                    !name.starts_with("x-amz-checksum") && name != "x-amz-trailer",
                    "{operation} {name}"
                );
            }
        }
    }
    assert_eq!(objects.verified_by().size, 0);
    assert_eq!(
        objects.verified_by(),
        VerifiedBy {
            etag: 3,
            ..VerifiedBy::default()
        }
    );
}
