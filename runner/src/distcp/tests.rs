//! S3DistCp's options: patterns, groups, sizes, names of outputs.

use super::*;

fn sources(list: &[(&str, u64)]) -> Vec<Source> {
    list.iter()
        .map(|(relative, size)| Source {
            relative: (*relative).to_owned(),
            size: *size,
        })
        .collect()
}

fn planned(list: &[(&str, u64)], options: &Options) -> Vec<(String, Vec<usize>)> {
    plan("s3://b/in/", &sources(list), options)
        .unwrap()
        .into_iter()
        .map(|output| (output.name, output.members))
        .collect()
}

fn grouped(pattern: &str) -> Options {
    Options {
        group_by: Some(pattern.into()),
        ..Options::default()
    }
}

const MIB: u64 = 1 << 20;

#[test]
fn a_pattern_matches_the_whole_uri() {
    let taken = |pattern: &str| -> Vec<usize> {
        let options = Options {
            src_pattern: Some(pattern.into()),
            ..Options::default()
        };
        let list = [
            ("a/part-0.gz", 1),
            ("a/_SUCCESS", 1),
            ("gz", 1),
            ("x.gz.tmp", 1),
        ];
        planned(&list, &options)
            .into_iter()
            .flat_map(|(_, members)| members)
            .collect()
    };
    assert_eq!(taken(".+"), [0, 1, 2, 3]);
    assert_eq!(taken(".*part-.*"), [0]);
    assert_eq!(taken("part-.*"), [0; 0]);
    assert_eq!(taken(".*_SUCCESS"), [1]);
    assert_eq!(taken(".*.gz"), [0, 2]);
    assert_eq!(taken(r"s3://b/in/a/.*"), [0, 1]);
    assert_eq!(taken("a|.*gz|b"), [0, 2]);
    assert_eq!(taken(r".*/\w+"), [1, 2]);
}

#[test]
fn the_patterns_of_the_reference() {
    let tomcat = whole(TOMCAT_SOURCES, "p").unwrap();
    for (uri, expected) in [
        (
            "s3://b/i-1/_var_log_tomcat8_rotated_localhost_access_log.txt1531.gz",
            true,
        ),
        ("s3://b/localhost_access_log.2018.txt", true),
        ("s3://b/i/catalina.out", false),
        ("s3://b/x.txt/localhost_access_log", false),
        ("s3://b/localhost_access_logXtxt", false),
    ] {
        assert_eq!(tomcat.is_match(uri), expected, "{uri}");
    }
    let staging = Options::staging("clj-tomcat");
    assert_eq!(
        planned(
            &[
                ("i-1/_var_localhost_access_log.txt1.gz", 1),
                ("i-2/__var_localhost_access_log.txt1.gz", 1),
                ("i-2/_localhost_access_log.txt2.gz", 1),
                ("i-2/catalina.out", 1),
            ],
            &staging
        ),
        [
            ("localhost_access_log.txt2.gz".to_owned(), vec![2]),
            ("var_localhost_access_log.txt10.gz".to_owned(), vec![0, 1]),
        ]
    );
    let plain = Options::staging("thrift");
    assert_eq!(
        planned(&[("2018/a.lzo", 1), ("2018/a.lzo.index", 1)], &plain),
        [
            ("2018/a.lzo".to_owned(), vec![0]),
            ("2018/a.lzo.index".to_owned(), vec![1]),
        ]
    );
    // one group a day; its key has one digit of the year
    let cloudfront = Options::raw_to_enrich("cloudfront");
    assert_eq!(
        planned(
            &[
                ("E1.2018-07-24-10.abc.gz", MIB),
                ("E1.2018-07-24-11.def.gz", MIB),
                ("E1.2018-07-25-00.ghi.gz", MIB),
                ("robots.txt", 1),
            ],
            &cloudfront
        ),
        [
            ("8-07-240.lzo".to_owned(), vec![0, 1]),
            ("8-07-25.lzo".to_owned(), vec![2]),
        ]
    );
    assert_eq!(
        Options::raw_to_enrich("tsv/com.amazon.aws.cloudfront/wd_access_log"),
        cloudfront
    );
    // the intended pattern of Urban Airship: by folder
    let airship = Options::raw_to_enrich("ndjson/com.urbanairship.connect/v1");
    assert_eq!(
        planned(&[("app1/x.json", 1), ("app2/y.json", 1)], &airship),
        [
            ("app1.lzo".to_owned(), vec![0]),
            ("app2.lzo".to_owned(), vec![1])
        ]
    );
    assert_eq!(Options::raw_to_enrich("thrift"), Options::default());
    assert_eq!(
        Options::raw_to_enrich("clj-tomcat").output_codec,
        Some(OutputCodec::None)
    );
}

#[test]
fn keys_of_groups() {
    // all groups, with nothing between
    assert_eq!(
        planned(
            &[("2018/07/x", 1), ("2018/07/y", 1)],
            &grouped(r".*/(\d+)/(\d+)/.*")
        ),
        [("2018070".to_owned(), vec![0, 1])]
    );
    // a group that takes no part is the text `null`
    assert_eq!(
        planned(
            &[("a.txt", 1), ("a.log", 1)],
            &grouped(r".*/(a)(?:\.(log)|\.txt)")
        ),
        [("alog".to_owned(), vec![1]), ("anull".to_owned(), vec![0])]
    );
    // what does not match, or has an empty key, is not copied
    assert_eq!(
        planned(&[("b", 1), ("c", 1)], &grouped(".*/(b)")),
        [("b".to_owned(), vec![0])]
    );
    assert_eq!(planned(&[("b", 1)], &grouped(".*(x*)")), []);
    // the name is the last part of the key
    assert_eq!(
        planned(&[("d/e.gz", 1)], &grouped(".*/(d/e.gz)")),
        [("e.gz".to_owned(), vec![0])]
    );
    assert!(
        plan("s3://b", &[], &grouped(".*"))
            .unwrap_err()
            .contains("no group")
    );
    assert!(
        plan("s3://b", &[], &grouped("("))
            .unwrap_err()
            .contains("not a pattern")
    );
}

#[test]
fn outputs_end_when_the_size_is_reached() {
    let options = Options {
        target_size: Some(128),
        ..grouped(".*/(a).*")
    };
    let sizes = |list: &[u64]| -> Vec<(String, Vec<usize>)> {
        let list: Vec<(String, u64)> = list
            .iter()
            .enumerate()
            .map(|(n, size)| (format!("a{n:03}"), *size))
            .collect();
        let list: Vec<(&str, u64)> = list.iter().map(|(n, s)| (n.as_str(), *s)).collect();
        planned(&list, &options)
    };
    assert_eq!(
        sizes(&[100 * MIB, 100 * MIB, 10 * MIB]),
        [("a0".to_owned(), vec![0, 1]), ("a1".to_owned(), vec![2])]
    );
    // exactly full is full; a large file is never split
    assert_eq!(
        sizes(&[128 * MIB, 1, 500 * MIB, 1]),
        [
            ("a0".to_owned(), vec![0]),
            ("a1".to_owned(), vec![1, 2]),
            ("a2".to_owned(), vec![3])
        ]
    );
    assert_eq!(sizes(&[500 * MIB]), [("a".to_owned(), vec![0])]);
    assert_eq!(sizes(&[]), []);
    // empty files fill nothing
    assert_eq!(sizes(&[0, 0, 0]), [("a0".to_owned(), vec![0, 1, 2])]);
    // without groups the size has no effect
    let alone = Options {
        target_size: Some(1),
        ..Options::default()
    };
    assert_eq!(
        planned(&[("x", 9 * MIB)], &alone),
        [("x".to_owned(), vec![0])]
    );
}

#[test]
fn extensions_follow_the_codec() {
    for (name, codec, expected) in [
        ("a.gz", None, "a.gz"),
        ("a.gz", Some(OutputCodec::None), "a"),
        ("a.txt.lzop", Some(OutputCodec::Gzip), "a.txt.gz"),
        ("a", Some(OutputCodec::Lzo), "a.lzo"),
        ("a.snappy", Some(OutputCodec::Lzo), "a.lzo"),
        ("a.txt", Some(OutputCodec::None), "a.txt"),
    ] {
        assert_eq!(recoded(name, codec), expected);
    }
    for (name, expected) in [
        ("a.gz", "a7.gz"),
        ("a", "a7"),
        (".gz", "7.gz"),
        ("a.b.c", "a.b7.c"),
    ] {
        assert_eq!(numbered(name, 7), expected);
    }
    assert_eq!(OutputCodec::parse("gz"), Ok(Some(OutputCodec::Gzip)));
    assert_eq!(OutputCodec::parse("keep"), Ok(None));
    assert!(OutputCodec::parse("bz2").is_err());
}

#[test]
fn two_outputs_never_have_one_name() {
    let options = Options {
        output_codec: Some(OutputCodec::None),
        ..Options::default()
    };
    let error = plan("s3://b", &sources(&[("a.gz", 1), ("a", 1)]), &options).unwrap_err();
    assert!(error.contains("`a`"), "{error}");
    let error = plan(
        "s3://b",
        &sources(&[("x/a", 1), ("y/a", 1)]),
        &grouped(".*/(./a)"),
    );
    assert!(error.is_err());
}

#[test]
fn patterns_are_java_s() {
    for (pattern, text, expected) in [
        (r"a\_b", "a_b", true),
        (r"a\<b\>", "a<b>", true),
        (r"\d", "٣", false),
        (r"\d", "3", true),
        (r"\w", "ü", false),
        (r"[\d-]+", "1-2", true),
        (r"a\.b", "axb", false),
        (r"\\d", r"\d", true),
    ] {
        assert_eq!(
            whole(pattern, "p").unwrap().is_match(text),
            expected,
            "{pattern}"
        );
    }
}
