//! Texts of mistakes.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::problem::lines;
use crate::config::yaml;

/// Reads `text` with `read`; the value and all problems.
fn read<T>(text: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, String) {
    let (tree, _) = yaml::parse(text).unwrap();
    let unset = BTreeMap::from([(9, "HOME_OF_KEYS".to_owned())]);
    let mut reader = Reader::new(&tree, &unset);
    let value = read(&mut reader);
    (value, lines(&reader.into_problems()))
}

#[test]
fn texts_and_what_was_found_instead() {
    for (text, expected) in [
        ("a: x", ""),
        ("a: '5'", ""),
        ("a: 5.9.0", ""),
        (
            "a: 5.9",
            "a: expected a text, found the number 5.9 (line 1; put it in quotes: \"5.9\")",
        ),
        (
            "a: no",
            "a: expected a text, found the boolean false (line 1; put it in quotes: \"no\")",
        ),
        (
            "a: 2018-07-24",
            "a: expected a text, found the date 2018-07-24 (line 1; put it in quotes: \"2018-07-24\")",
        ),
        (
            "a: :x",
            "a: expected a text, found the symbol :x (line 1; without the colon before it: x)",
        ),
        ("\na:", "a: expected a text, found nothing (line 2)"),
        ("b: 1", "a: expected a text, found nothing"),
        (
            "a: [x]",
            "a: expected a text, found a list (line 1; write the value alone, without a list)",
        ),
        ("a: {x: 1}", "a: expected a text, found a map (line 1)"),
        (
            "a: ADD HERE",
            "a: expected a text, found the placeholder ADD HERE (line 1; fill it in, or leave the value empty where it is optional)",
        ),
        (
            "\n\n\n\n\n\n\n\na:",
            "a: expected a text, found nothing (line 9; environment variable HOME_OF_KEYS is not set)",
        ),
    ] {
        assert_eq!(read(text, |reader| reader.text("a")).1, expected, "{text}");
    }
}

#[test]
fn a_map_that_is_missing_is_told_once() {
    let ask = |reader: &mut Reader<'_>| {
        reader.text("a.b.c");
        reader.text("a.b.d");
        reader.optional_text("a.b.e");
    };
    assert_eq!(
        read("a:", ask).1,
        "a: expected a map, found nothing (line 1)"
    );
    assert_eq!(read("a: {}", ask).1, "a.b: expected a map, found nothing");
    assert_eq!(
        read("a:\n  b: s3://x", ask).1,
        "a.b: expected a map, found the text 's3://x' (line 2; the keys below it begin on lines of their own, indented)"
    );
    assert_eq!(
        read("- x", |reader| reader.text("a.b")).1,
        "expected a map, found a list (line 1; the keys below it begin on lines of their own, indented)"
    );
    let optional = |reader: &mut Reader<'_>| reader.optional_text("a.b.e");
    assert_eq!(read("a:", optional).1, "");
}

#[test]
fn secrets_are_never_shown() {
    for text in ["a: 123456", "a: [s3cret]", "a: {k: s3cret}", "a: yes"] {
        let (value, problems) = read(text, |reader| reader.optional_secret("a"));
        assert_eq!(value, None);
        assert!(
            problems.starts_with("a: expected a text, found a"),
            "{problems}"
        );
        assert!(!problems.contains("123456") && !problems.contains("s3cret"));
    }
}

#[test]
fn switches_numbers_and_choices() {
    for (text, expected, part) in [
        ("a: yes", Some(true), ""),
        ("a: Off", Some(false), ""),
        ("b: 1", None, ""),
        (
            "a: 'true'",
            None,
            "found the text 'true' (line 1; without quotes)",
        ),
        ("a: 1", None, "a: expected a boolean, found the number 1"),
    ] {
        let (value, problems) = read(text, |reader| reader.optional_bool("a"));
        assert_eq!(value, expected, "{text}");
        assert!(problems.contains(part), "{text}: {problems}");
    }
    for (text, expected, part) in [
        ("a: 2", Some(2), ""),
        ("a: 010", Some(8), ""),
        (
            "a: 0",
            None,
            "a: expected an integer of at least 1, found the number 0",
        ),
        ("a: '2'", None, "(line 1; without quotes)"),
        ("a: 2.5", None, "found the number 2.5"),
    ] {
        let (value, problems) = read(text, |reader| reader.integer("a", 1, true));
        assert_eq!(value, expected, "{text}");
        assert!(problems.contains(part), "{text}: {problems}");
    }
    let (value, _) = read("a: 0.015", |reader| reader.number("a", 0.0, true));
    assert_eq!(value, Some(0.015));
    let known = [("NONE", 0), ("GZIP", 1)];
    for (text, expected, part) in [
        ("a: GZIP", Some(1), ""),
        (
            "a: gzip",
            None,
            "a: expected NONE or GZIP, found 'gzip' (line 1; the case counts: GZIP)",
        ),
        (
            "a: LZO",
            None,
            "a: expected NONE or GZIP, found the text 'LZO' (line 1)",
        ),
        (
            "a:",
            None,
            "a: expected NONE or GZIP, found nothing (line 1)",
        ),
    ] {
        let (value, problems) = read(text, |reader| reader.choice("a", &known, true, false));
        assert_eq!(value, expected, "{text}");
        assert!(problems.contains(part), "{text}: {problems}");
    }
}

#[test]
fn folders_of_all_schemes() {
    for text in [
        "s3://b/f",
        "s3n://b",
        "s3a://b/f/",
        "file:///d",
        "d/e",
        "/d",
    ] {
        let (value, problems) = read(&format!("a: {text}"), |reader| reader.folder("a"));
        assert!(value.is_some() && problems.is_empty(), "{text}: {problems}");
    }
    for (text, part) in [
        ("a: hdfs://x/y", "the scheme `hdfs` is not supported"),
        ("a: s3://", "a: "),
        (
            "a: ''",
            "a: expected a folder, found an empty text (line 1)",
        ),
        (
            "a: 12",
            "a: expected a folder, found the number 12 (line 1; put it in quotes: \"12\")",
        ),
    ] {
        let (value, problems) = read(text, |reader| reader.folder("a"));
        assert_eq!(value, None);
        assert!(problems.contains(part), "{text}: {problems}");
    }
    assert!(
        read("a: ''", |reader| reader.optional_folder("a"))
            .1
            .is_empty()
    );
    for (text, count, part) in [
        ("a:\n  - s3://x\n  - ~\n  - ''\n", 1, ""),
        (
            "a: s3://x",
            0,
            "a: expected a list of folders, found the text 's3://x' (line 1; write it as a list",
        ),
        ("a: []", 0, "a: expected at least one folder, found none"),
        (
            "a:\n  - ADD HERE\n",
            0,
            "a[0]: expected a folder, found the placeholder ADD HERE (line 2",
        ),
        (
            "a:\n  - 5\n  - s3://y\n",
            1,
            "a[0]: expected a folder, found the number 5 (line 2",
        ),
    ] {
        let (value, problems) = read(text, |reader| reader.folders("a"));
        assert_eq!(value.len(), count, "{text}");
        assert!(problems.contains(part), "{text}: {problems}");
    }
}

#[test]
fn paths_are_a_list_or_a_text_with_commas() {
    for (text, paths, problem) in [
        ("a:", vec![], ""),
        ("a: [/mnt/a, ' /mnt/b ']", vec!["/mnt/a", "/mnt/b"], ""),
        ("a: '/mnt/a,/mnt/b,'", vec!["/mnt/a", "/mnt/b"], ""),
        (
            "a: 3",
            vec![],
            "a: expected a list of local directories, found the number 3 (line 1)",
        ),
        (
            "a: [/a, 3]",
            vec![],
            "a: expected a list of local directories, found a list (line 1)",
        ),
    ] {
        let (value, problems) = read(text, |reader| reader.optional_paths("a"));
        let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
        assert_eq!((value, problems.as_str()), (paths, problem), "{text}");
    }
    let (_, problems) = read("a: ['s3://b/']", |reader| reader.optional_paths("a"));
    assert_eq!(
        problems,
        "a: expected a local directory, found the text 's3://b/' (line 1)"
    );
}

#[test]
fn sizes_times_and_maps() {
    assert_eq!(read("a: 512M", |r| r.optional_size("a")).0, Some(512 << 20));
    assert_eq!(read("a: 1000", |r| r.optional_size("a")).0, Some(1000));
    let (_, problems) = read("a: much", |r| r.optional_size("a"));
    assert_eq!(
        problems,
        "a: expected a size such as 512M or 2GiB, found the text 'much' (line 1)"
    );
    let (value, _) = read("a: 2h", |r| r.optional_duration("a"));
    assert_eq!(value, Some(Duration::from_secs(7200)));
    let (value, problems) = read("a: {x: '1', y: 2, z: }", |r| r.map_of_texts("a"));
    assert_eq!(value.len(), 1);
    assert!(
        problems
            .contains("a.y: expected a text, found the number 2 (line 1; put it in quotes: \"2\")")
    );
    assert!(problems.contains("a.z: expected a text, found nothing"));
    let (value, problems) = read("a: {c: {k: 'v'}, d: 5}", |r| r.map_of_maps("a"));
    assert_eq!(value["c"]["k"], "v");
    assert!(problems.contains("a.d: expected a map of texts, found the number 5"));
    let (_, problems) = read("a: ftp://x:s3cret@y", |r| r.optional_url("a"));
    assert!(problems.contains("http://") && !problems.contains("s3cret"));
}

#[test]
fn blocks_without_effect_are_read_leniently() {
    let (_, problems) = read("a: {b: ADD HERE, d: 5}", |reader| {
        reader.leniently(true, |reader| {
            reader.text("a.b");
            reader.text("a.c");
            reader.text("a.d");
            reader.text("x.y");
        });
    });
    assert_eq!(
        problems,
        "a.d: expected a text, found the number 5 (line 1; put it in quotes: \"5\")"
    );
}

#[test]
fn unknown_keys_name_what_may_be_meant() {
    let text = "a:\n  regoin: x\n  what: 1\nregion: y\n:b: z\nfree: {any: 1}\n";
    let (tree, _) = yaml::parse(text).unwrap();
    let unset = BTreeMap::new();
    let mut reader = Reader::new(&tree, &unset);
    reader.optional_text("a.region");
    reader.optional_text("b");
    reader.map_of_texts("free");
    assert_eq!(
        lines(&reader.unknown_keys()),
        "a.regoin: unknown key (line 2; is region meant?)\n\
         a.what: unknown key (line 3)\n\
         region: unknown key (line 4; is a.region meant? it belongs there)\n\
         :b: unknown key (line 5; write b without the colon before it)"
    );
}
