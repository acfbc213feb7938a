//! What a snapshot takes in: folders, globs, lists, hidden and empty objects.

use super::*;
use std::fs;

/// Lists a real folder as the store does.
fn list_local(folder: &Location, recursive: bool) -> Result<Vec<ObjectEntry>> {
    let root = folder.to_string();
    let mut entries = Vec::new();
    let mut open = vec![String::new()];
    while let Some(below) = open.pop() {
        let path = format!("{}/{below}", root.trim_start_matches("file://"));
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let relative = format!("{below}{}", entry.file_name().to_str().unwrap());
            let metadata = fs::metadata(entry.path()).unwrap();
            if !metadata.is_dir() {
                entries.push(ObjectEntry {
                    location: folder.join(&relative),
                    relative,
                    size: metadata.len(),
                    etag: None,
                });
            } else if recursive {
                open.push(relative + "/");
            }
        }
    }
    Ok(entries)
}

fn head_local(location: &Location) -> Result<Option<ObjectEntry>> {
    let text = location.to_string();
    let metadata = fs::metadata(text.trim_start_matches("file://")).ok();
    Ok(metadata.filter(fs::Metadata::is_file).map(|m| ObjectEntry {
        location: location.clone(),
        relative: text,
        size: m.len(),
        etag: None,
    }))
}

fn take_local(inputs: &[String], framing: Framing) -> Result<Snapshot> {
    let access = Access {
        list: &list_local,
        head: &head_local,
    };
    Snapshot::with_access(&access, inputs, framing)
}

/// A bucket made of these keys.
fn take_s3(keys: &[&str], inputs: &[&str], framing: Framing) -> Result<Snapshot> {
    let entry = |key: &str, relative: &str| ObjectEntry {
        location: Location::parse(&format!("s3://b/{key}")).unwrap(),
        relative: relative.to_owned(),
        size: 7,
        etag: None,
    };
    let key_of = |location: &Location| {
        let text = location.to_string();
        let (_, rest) = text.split_once("://").unwrap();
        rest.strip_prefix("b/").unwrap().to_owned()
    };
    let access = Access {
        list: &|folder, recursive| {
            let mut prefix = key_of(folder);
            if !prefix.is_empty() && !prefix.ends_with('/') {
                prefix.push('/');
            }
            Ok(keys
                .iter()
                .filter_map(|key| Some((key, key.strip_prefix(prefix.as_str())?)))
                .filter(|(_, relative)| recursive || !relative.contains('/'))
                .map(|(key, relative)| entry(key, relative))
                .collect())
        },
        head: &|location| {
            let key = key_of(location);
            Ok(keys.contains(&key.as_str()).then(|| entry(&key, &key)))
        },
    };
    Snapshot::with_access(&access, inputs, framing)
}

fn relatives(snapshot: &Snapshot) -> Vec<&str> {
    snapshot
        .objects
        .iter()
        .map(|o| o.relative.as_str())
        .collect()
}

fn tree(files: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap().to_owned();
    for file in files {
        let path = folder.path().join(file);
        if file.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }
    (folder, root)
}

const GOOD: [&str; 9] = [
    "good/run=1/part-0",
    "good/run=1/part-1.gz",
    "good/run=1/_SUCCESS",
    "good/run=1/deep/part-9",
    "good/run=2/part-0",
    "good/run=2/.hidden",
    "good/_temporary/part-7",
    "good/single",
    "other/x.lzo",
];

#[test]
fn folders_globs_and_lists_on_a_local_disk() {
    let (_keep, root) = tree(&GOOD);
    let cases: [(&str, &[&str]); 14] = [
        ("{}/good/run=1", &["part-0", "part-1.gz"]),
        ("{}/good/run=1/", &["part-0", "part-1.gz"]),
        ("file://{}/good/run=1", &["part-0", "part-1.gz"]),
        ("{}/good", &["single"]),
        ("{}/good/run=1/part-0", &["part-0"]),
        ("{}/good/run=1/*", &["deep/part-9", "part-0", "part-1.gz"]),
        (
            "{}/good/*",
            &["run=1/part-0", "run=1/part-1.gz", "run=2/part-0", "single"],
        ),
        ("{}/good/run=?/part-0", &["run=1/part-0", "run=2/part-0"]),
        ("{}/*/*.lzo", &["other/x.lzo"]),
        ("{}/good/run=[2-9]", &["run=2/part-0"]),
        (
            "{}/good/<run=1,run=2>/part-0",
            &["run=1/part-0", "run=2/part-0"],
        ),
        (
            "{}/good/run=1/part-0,{}/good/run=2",
            &["run=1/part-0", "run=2/part-0"],
        ),
        (
            "{}/good/run=1,{}/good/run=1/part-*",
            &["part-0", "part-1.gz"],
        ),
        (
            "{}/<good,other>/*",
            &[
                "good/run=1/part-0",
                "good/run=1/part-1.gz",
                "good/run=2/part-0",
                "good/single",
                "other/x.lzo",
            ],
        ),
    ];
    for (input, want) in cases {
        let input = input
            .replace("{}", &root)
            .replace('<', "{")
            .replace('>', "}");
        let snapshot = take_local(std::slice::from_ref(&input), Framing::Lines).unwrap();
        assert_eq!(relatives(&snapshot), want, "{input}");
        let sizes: u64 = snapshot.objects.iter().map(|o| o.entry.size).sum();
        assert_eq!(snapshot.total_bytes, sizes);
    }
}

#[test]
fn the_order_of_inputs_does_not_matter() {
    let (_keep, root) = tree(&GOOD);
    let one = format!("{root}/good/run=1");
    let two = format!("{root}/good/run=2");
    let there = take_local(&[one.clone(), two.clone()], Framing::Lines).unwrap();
    let back = take_local(&[two, one], Framing::Lines).unwrap();
    assert_eq!(there, back);
    assert_eq!(
        relatives(&there),
        ["run=1/part-0", "run=1/part-1.gz", "run=2/part-0"]
    );
    assert_eq!(there.objects[1].codec, Codec::Gzip);
}

#[test]
fn what_does_not_exist_is_named() {
    let (_keep, root) = tree(&["good/run=1/part-0", "empty/"]);
    for (input, text) in [
        ("{}/bad", "Input path does not exist: {}/bad"),
        ("{}/good/run=1,{}/bad", "Input path does not exist: {}/bad"),
        ("{}/good/x*", "Input Pattern {}/good/x* matches 0 files"),
        ("{}/bad/*", "Input Pattern {}/bad/* matches 0 files"),
        (
            "{}/good/run=1/part-0/",
            "Input path does not exist: {}/good/run=1/part-0",
        ),
    ] {
        let result = take_local(&[input.replace("{}", &root)], Framing::Lines);
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(error.to_string(), text.replace("{}", &root));
    }
    let empty = take_local(&[format!("{root}/empty")], Framing::Lines).unwrap();
    assert_eq!(empty, Snapshot::default());
    let kind = |inputs: &[String]| take_local(inputs, Framing::Lines).unwrap_err().kind();
    assert_eq!(kind(&[]), ErrorKind::Config);
    assert_eq!(kind(&[" ,".to_owned()]), ErrorKind::Config);
    assert_eq!(kind(&[format!("{root}/a[b")]), ErrorKind::Config);
    assert_eq!(kind(&[format!("{root}/a{{b")]), ErrorKind::Config);
}

#[test]
fn folders_globs_and_markers_on_s3() {
    let keys = [
        "good/",
        "good/run=1_$folder$",
        "good/run=1/part-0",
        "good/run=1/_SUCCESS",
        "good/run=1/deep/part-9",
        "good/run=2/part-0",
        "good/_temporary/part-7",
        "marked_$folder$",
        "marked2/",
        "deep/er/x",
        "single.gz",
    ];
    let cases: [(&str, &[&str]); 12] = [
        ("s3://b/good/run=1", &["part-0"]),
        ("s3a://b/good/run=1/", &["part-0"]),
        ("s3://b/good", &[]),
        ("s3://b/good/*", &["run=1/part-0", "run=2/part-0"]),
        ("s3n://b/good/run=1/*", &["deep/part-9", "part-0"]),
        ("s3://b/*/run=2/*", &["good/run=2/part-0"]),
        ("s3://b/single.gz", &["single.gz"]),
        ("s3://b/*", &["single.gz"]), // deep/er/x is two levels below
        ("s3://b", &["single.gz"]),
        ("s3://b/marked", &[]),
        ("s3://b/marked2", &[]),
        ("s3://b/deep", &[]),
    ];
    for (input, want) in cases {
        let snapshot = take_s3(&keys, &[input], Framing::Lines).unwrap();
        assert_eq!(relatives(&snapshot), want, "{input}");
    }
    for input in [
        "s3://b/nothing",
        "s3://b/goo",
        "s3://b/good/run=3/*",
        "s3://b/single.gz/",
    ] {
        let error = take_s3(&keys, &[input], Framing::Lines).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{input}: {error}");
    }
}

#[test]
fn two_ways_to_write_a_bucket_are_one() {
    let keys = ["a/x", "b/x"];
    let inputs = ["s3://b/a", "s3a://b/a/*", "s3n://b/b/x"];
    let snapshot = take_s3(&keys, &inputs, Framing::Lines).unwrap();
    assert_eq!(relatives(&snapshot), ["a/x", "b/x"]);
}

#[test]
fn raw_thrift_takes_only_lzo() {
    let keys = [
        "raw/1.lzo",
        "raw/1.lzo.index",
        "raw/2.gz",
        "raw/_3.lzo",
        "raw/4.LZO",
    ];
    let snapshot = take_s3(&keys, &["s3://b/raw"], Framing::Thrift).unwrap();
    assert_eq!(relatives(&snapshot), ["1.lzo"]);
    assert_eq!(snapshot.total_bytes, 7);
    let nothing = take_s3(&keys, &["s3://b/raw/2.gz"], Framing::Thrift).unwrap();
    assert!(nothing.objects.is_empty());
}

#[test]
fn an_index_belongs_to_its_object() {
    let keys = [
        "raw/a.lzo",
        "raw/a.lzo.index",
        "raw/alone.lzo.index",
        "raw/b.index",
        "raw/b.lzo",
        "raw/c.gz",
        "raw/c.gz.index",
    ];
    let snapshot = take_s3(&keys, &["s3://b/raw"], Framing::Lines).unwrap();
    assert_eq!(
        relatives(&snapshot),
        [
            "a.lzo",
            "alone.lzo.index",
            "b.index",
            "b.lzo",
            "c.gz",
            "c.gz.index"
        ]
    );
    let index = snapshot.objects[0].index.as_ref().unwrap();
    assert_eq!(index.location.to_string(), "s3://b/raw/a.lzo.index");
    assert!(snapshot.objects[1..].iter().all(|o| o.index.is_none()));
    assert_eq!(snapshot.total_bytes, 42);
    let snapshot = take_s3(&keys, &["s3://b/raw"], Framing::Thrift).unwrap();
    assert_eq!(relatives(&snapshot), ["a.lzo", "b.lzo"]);
    assert!(snapshot.objects[0].index.is_some());
}

#[test]
fn the_index_of_a_large_object_is_looked_for() {
    let entry = |location: &Location, size| ObjectEntry {
        location: location.clone(),
        relative: location.name().to_owned(),
        size,
        etag: None,
    };
    for (size, found) in [(SPLIT_BYTES, false), (SPLIT_BYTES + 1, true)] {
        let access = Access {
            list: &|_, _| Ok(Vec::new()),
            head: &|location| {
                let size = if location.name() == "a.lzo" { size } else { 8 };
                Ok(Some(entry(location, size)))
            },
        };
        let snapshot =
            Snapshot::with_access(&access, &["s3://b/x/a.lzo"], Framing::Thrift).unwrap();
        let index = snapshot.objects[0]
            .index
            .as_ref()
            .map(|i| i.location.to_string());
        assert_eq!(index.as_deref(), found.then_some("s3://b/x/a.lzo.index"));
    }
    // a bucket that does not tell what it has not
    let access = Access {
        list: &|_, _| Ok(Vec::new()),
        head: &|location| match location.name() {
            "a.lzo" => Ok(Some(entry(location, SPLIT_BYTES * 2))),
            _ => Err(Error::new(ErrorKind::Denied, "no access")),
        },
    };
    let snapshot = Snapshot::with_access(&access, &["s3://b/x/a.lzo"], Framing::Thrift).unwrap();
    assert!(snapshot.objects[0].index.is_none());
}
