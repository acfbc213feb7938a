//! The enrichment over files, and what becomes of an event.

use std::fs;

use super::super::tests::{config_of, raw_event};
use super::*;
use crate::enrichment::failures::EnrichFailure;

const CONFIG: &str = r#"{"parameters":{
    "ipFile":{"database":"ips.txt","uri":"https://example.invalid/iab/"},
    "excludeUseragentFile":{"database":"exclude.txt","uri":"https://example.invalid/iab"},
    "includeUseragentFile":{"database":"include.txt","uri":"https://example.invalid/iab/"}}}"#;

struct Lists(tempfile::TempDir);

impl Lists {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    fn good() -> Self {
        Self::new(&[
            ("ips.txt", b"198.51.100.0/24\n"),
            ("include.txt", b"mozilla|1|1\n\xc4gent|1|0\n"),
            ("exclude.txt", b"robot|1||0|2|0\n"),
        ])
    }

    fn build(&self) -> Result<Box<dyn Enrichment>, Vec<String>> {
        let mut environment = Environment::default();
        environment.databases.folder = Some(self.0.path().to_owned());
        super::build(&config_of(CONFIG), &environment)
    }
}

fn apply(
    enrichment: &dyn Enrichment,
    useragent: Option<&str>,
    address: Option<&str>,
    time: Option<&str>,
) -> Result<String, Vec<String>> {
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    draft.event.set_or_clear(Field::Useragent, useragent);
    draft.event.set_or_clear(Field::UserIpaddress, address);
    draft.event.set_or_clear(Field::DerivedTstamp, time);
    enrichment.apply(&mut draft).unwrap();
    let failures = draft.failures.into_texts();
    match failures.is_empty() {
        true => Ok(draft
            .derived_contexts
            .iter()
            .map(Value::to_compact)
            .collect()),
        false => Err(failures),
    }
}

#[test]
fn verdicts_become_contexts() {
    let enrichment = Lists::good().build().unwrap();
    let context = |data: &str| {
        format!(
            r#"{{"schema":"iglu:com.iab.snowplow/spiders_and_robots/jsonschema/1-0-0","data":{{{data}}}}}"#
        )
    };
    let time = Some("2018-01-01 00:00:00.000");
    for (useragent, address, data) in [
        (
            "Mozilla",
            "1.2.3.4",
            r#""spiderOrRobot":false,"category":"BROWSER","reason":"PASSED_ALL","primaryImpact":"NONE""#,
        ),
        (
            "an Ägent",
            "::1",
            r#""spiderOrRobot":false,"category":"BROWSER","reason":"PASSED_ALL","primaryImpact":"NONE""#,
        ),
        (
            "Mozilla",
            "198.51.100.7",
            r#""spiderOrRobot":true,"category":"SPIDER_OR_ROBOT","reason":"FAILED_IP_EXCLUDE","primaryImpact":"UNKNOWN""#,
        ),
        (
            "curl",
            "",
            r#""spiderOrRobot":true,"category":"SPIDER_OR_ROBOT","reason":"FAILED_UA_INCLUDE","primaryImpact":"UNKNOWN""#,
        ),
        (
            "Mozilla Robot",
            "1.2",
            r#""spiderOrRobot":true,"category":"ACTIVE_SPIDER_OR_ROBOT","reason":"FAILED_UA_EXCLUDE","primaryImpact":"PAGE_AND_AD_IMPRESSIONS""#,
        ),
    ] {
        assert_eq!(
            apply(&*enrichment, Some(useragent), Some(address), time),
            Ok(context(data)),
            "{useragent} {address}"
        );
    }
}

#[test]
fn events_that_lack_something_fail() {
    let enrichment = Lists::good().build().unwrap();
    let time = Some("2018-01-01 00:00:00.000");
    for (useragent, address, time, text) in [
        (
            None,
            None,
            None,
            "One of required event fields missing. user agent: None, ip address: None, time: None",
        ),
        (
            Some("a b"),
            None,
            time,
            "One of required event fields missing. user agent: Some(a b), ip address: None, time: Some(2018-01-01T00:00:00.000Z)",
        ),
        (
            None,
            Some(""),
            time,
            "One of required event fields missing. user agent: None, ip address: Some(), time: Some(2018-01-01T00:00:00.000Z)",
        ),
        (
            Some("a"),
            Some("foo//bar"),
            time,
            "IP address foo//bar was invald",
        ),
    ] {
        assert_eq!(
            apply(&*enrichment, useragent, address, time),
            Err(vec![text.to_owned()])
        );
    }
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    draft.event.set(Field::DerivedTstamp, "soon");
    let interrupt = enrichment.apply(&mut draft).unwrap_err();
    assert!(matches!(
        EnrichFailure::from(interrupt),
        EnrichFailure::Unexpected(_)
    ));
}

#[test]
fn a_user_agent_or_an_address_may_be_absent_outside_of_events() {
    let files = IabFiles::from_config(&config_of(CONFIG)).unwrap();
    assert_eq!(files.addresses.uri, "https://example.invalid/iab/ips.txt");
    assert_eq!(
        files.excluded.uri,
        "https://example.invalid/iab/exclude.txt"
    );
    let lists = Lists::good();
    let databases = Databases {
        folder: Some(lists.0.path().to_owned()),
        ..Databases::default()
    };
    let iab = Iab::open(&files, &databases).unwrap();
    assert_eq!(iab.check(None, None, 0), Ok(Verdict::BROWSER));
}

#[test]
fn all_that_is_wrong_with_the_files_is_told_at_once() {
    let cut = Lists::new(&[
        ("ips.txt", b"1.2.3.4/99\n"),
        ("include.txt", b"a|1|\"x"),
        ("exclude.txt", b"a|1||0|7|0\n"),
    ]);
    let failures = cut.build().unwrap_err();
    assert_eq!(failures.len(), 3, "{failures:?}");
    for (failure, start) in failures.iter().zip([
        "ipFile: ips.txt, line 1: \"1.2.3.4/99\"",
        "excludeUseragentFile: exclude.txt, line 1: the impact flag",
        "includeUseragentFile: include.txt, line 1: a quoted field",
    ]) {
        let start = format!("iab_spiders_and_robots_enrichment: {start}");
        assert!(failure.starts_with(&start), "{failure}");
    }

    let empty = Lists::new(&[
        ("ips.txt", b""),
        ("include.txt", b"a|1|0"),
        ("exclude.txt", b"a|1||0|0"),
    ]);
    let failures = empty.build().unwrap_err();
    assert_eq!(failures.len(), 1);
    assert!(
        failures[0].contains("ips.txt: the file is empty"),
        "{failures:?}"
    );
}

#[test]
fn missing_files_and_bad_addresses() {
    let none = tempfile::tempdir().unwrap();
    let settings = CONFIG.replace(
        "https://example.invalid/iab",
        &none.path().display().to_string(),
    );
    let failures = super::build(&config_of(&settings), &Environment::default()).unwrap_err();
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(
        failures[1].contains("exclude.txt: No such file"),
        "{failures:?}"
    );

    let settings = CONFIG.replace("https://example.invalid/iab", r"%zz");
    let failures = super::build(&config_of(&settings), &Environment::default()).unwrap_err();
    assert_eq!(failures.len(), 3);
    assert!(
        failures[0]
            .starts_with("Provided URI string [%zz/ips.txt] could not be parsed by Netaporter: ["),
        "{failures:?}"
    );
    let failures = IabFiles::from_config(&config_of(r#"{"parameters":{}}"#)).unwrap_err();
    assert_eq!(failures[0], "JSON path parameters.ipFile not found");
}
