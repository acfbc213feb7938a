//! The enrichment over databases written for these tests, and over broken ones.

use std::fs;
use std::path::Path;

use fixtures::mmdb::{Mmdb, Value};

use super::super::tests::{config_of, raw_event};
use super::*;

fn names(name: &str) -> Value {
    Value::map([(
        "names",
        Value::map([("de", Value::text("Anderswo")), ("en", Value::text(name))]),
    )])
}

fn subdivision(code: &str, name: &str) -> Value {
    let Value::Map(mut members) = names(name) else {
        unreachable!()
    };
    members.push(("iso_code".to_owned(), Value::text(code)));
    Value::Map(members)
}

fn city() -> Mmdb {
    let mut database = Mmdb::new("GeoIP2-City");
    let full = Value::map([
        ("city", names("Linköping")),
        (
            "country",
            Value::map([
                ("iso_code", Value::text("SE")),
                ("geoname_id", Value::U32(7)),
            ]),
        ),
        (
            "registered_country",
            Value::map([("iso_code", Value::text("NO"))]),
        ),
        (
            "location",
            Value::map([
                ("latitude", Value::Double(58.416_7)),
                ("longitude", Value::Double(-0.000_5)),
                ("time_zone", Value::text("Europe/Stockholm")),
                ("accuracy_radius", Value::U16(10)),
            ]),
        ),
        ("postal", Value::map([("code", Value::text("58 002"))])),
        (
            "subdivisions",
            Value::Array(vec![subdivision("A", "Large"), subdivision("E", "Small")]),
        ),
        ("traits", Value::map([("is_anycast", Value::Bool(true))])),
    ]);
    let bare = Value::map([("continent", Value::map([("code", Value::text("EU"))]))]);
    let wrong = Value::map([("city", Value::text("no map"))]);
    database.insert("198.51.100.0/24", full);
    database.insert("127.0.0.1/32", bare.clone());
    database.insert("2001:db8::/32", bare);
    database.insert("203.0.113.7/32", wrong);
    database
}

fn write(folder: &Path) {
    fs::write(folder.join("GeoIP2-City.mmdb"), city().to_bytes()).unwrap();
    let mut isp = Mmdb::new("GeoIP2-ISP");
    isp.insert(
        "198.51.100.0/24",
        Value::map([
            ("isp", Value::text("Net AB")),
            ("organization", Value::text("Org\tAB")),
        ]),
    );
    fs::write(folder.join("GeoIP2-ISP.mmdb"), isp.to_bytes()).unwrap();
    let mut domain = Mmdb::new("GeoIP2-Domain");
    domain.insert(
        "198.51.100.0/25",
        Value::map([("domain", Value::text("example.com"))]),
    );
    fs::write(folder.join("GeoIP2-Domain.mmdb"), domain.to_bytes()).unwrap();
    let mut connection = Mmdb::new("GeoIP2-Connection-Type");
    connection.insert(
        "198.51.100.0/24",
        Value::map([("connection_type", Value::text("Cable/DSL"))]),
    );
    fs::write(
        folder.join("GeoIP2-Connection-Type.mmdb"),
        connection.to_bytes(),
    )
    .unwrap();
}

const ALL: &str = r#"{"parameters":{
    "geo":{"database":"GeoIP2-City.mmdb","uri":"FOLDER"},
    "isp":{"database":"GeoIP2-ISP.mmdb","uri":"FOLDER/"},
    "domain":{"database":"GeoIP2-Domain.mmdb","uri":"file://FOLDER"},
    "connectionType":{"database":"GeoIP2-Connection-Type.mmdb","uri":"FOLDER"}}}"#;

fn open(settings: &str, folder: &Path) -> Result<IpLookups, Vec<String>> {
    let config = config_of(&settings.replace("FOLDER", &folder.display().to_string()));
    IpLookups::open(&configured_files(&config)?, &Databases::default())
}

fn columns(enrichment: &IpLookups, address: Option<&str>) -> Vec<(&'static str, String)> {
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    draft.event.set_or_clear(Field::UserIpaddress, address);
    enrichment.apply(&mut draft).unwrap();
    assert!(draft.failures.is_empty());
    draft.event.clear(Field::UserIpaddress);
    let values = draft.event.values();
    values
        .map(|(field, value)| (field.name(), value.to_owned()))
        .collect()
}

fn of(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

#[test]
fn all_columns_of_all_databases() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let enrichment = open(ALL, folder.path()).unwrap();
    let place = [
        ("geo_country", "SE"),
        ("geo_region", "E"),
        ("geo_city", "Linköping"),
        ("geo_zipcode", "58 002"),
        ("geo_latitude", "58.4167"),
        ("geo_longitude", "-5.0E-4"),
        ("geo_region_name", "Small"),
    ];
    let provider = [("ip_isp", "Net AB"), ("ip_organization", "Org\tAB")];
    let rest = [
        ("ip_netspeed", "Cable/DSL"),
        ("geo_timezone", "Europe/Stockholm"),
    ];
    let without_domain = [&place[..], &provider[..], &rest[..]].concat();
    let with_domain = [
        &place[..],
        &provider[..],
        &[("ip_domain", "example.com")],
        &rest[..],
    ]
    .concat();
    // twice: the second answer is a kept one
    for _ in 0..2 {
        assert_eq!(columns(&enrichment, Some("198.51.100.1")), of(&with_domain));
        assert_eq!(
            columns(&enrichment, Some("198.51.100.200")),
            of(&without_domain)
        );
        assert_eq!(
            columns(&enrichment, Some("::ffff:198.51.100.1")),
            of(&with_domain)
        );
        // degrees are never null
        let nowhere = of(&[("geo_latitude", "0.0"), ("geo_longitude", "0.0")]);
        for address in ["127.0.0.1", "", "localhost", "127.1", "2001:db8:1::1"] {
            assert_eq!(columns(&enrichment, Some(address)), nowhere, "{address}");
        }
        for address in ["192.0.2.1", "hello", "2001:db9::1", "1.2.3.4.5"] {
            assert_eq!(columns(&enrichment, Some(address)), [], "{address}");
        }
        assert_eq!(columns(&enrichment, None), []);
        assert_eq!(columns(&enrichment, Some(&"9".repeat(10_000))), []);
    }
}

#[test]
fn why_there_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let enrichment = open(ALL, folder.path()).unwrap();
    let geo = |address: &str| enrichment.look_up(Kind::Geo, address).unwrap();
    assert_eq!(geo("hello"), Err(NoAnswer::UnknownHost));
    assert_eq!(geo("192.0.2.1"), Err(NoAnswer::AddressNotFound));
    assert!(geo("198.51.100.1").is_ok());
    // a record of another form: its columns stay null, and it is counted
    assert!(matches!(geo("203.0.113.7"), Err(NoAnswer::Damaged(_))));
    assert_eq!(columns(&enrichment, Some("203.0.113.7")), []);
    assert_eq!(enrichment.damaged.load(Ordering::Relaxed), 1);

    let only_geo = r#"{"parameters":{"geo":{"database":"GeoIP2-City.mmdb","uri":"FOLDER"}}}"#;
    let enrichment = open(only_geo, folder.path()).unwrap();
    assert_eq!(enrichment.look_up(Kind::Isp, "198.51.100.1"), None);
    let none = open(r#"{"parameters":{}}"#, folder.path()).unwrap();
    assert_eq!(columns(&none, Some("198.51.100.1")), []);
}

#[test]
fn a_database_of_ipv4_alone_knows_no_ipv6() {
    let mut database = Mmdb::new("GeoLite2-City");
    database.ip_version = 4;
    database.insert(
        "198.51.100.0/24",
        Value::map([("country", Value::map([("iso_code", Value::text("SE"))]))]),
    );
    let database = Database::new(Kind::Geo, "test", database.to_bytes()).unwrap();
    let mut columns = Columns::default();
    assert_eq!(
        database.look_up("2001:db8::1".parse().unwrap(), &mut columns),
        Err(NoAnswer::AddressNotFound)
    );
    assert_eq!(
        database.look_up("198.51.100.1".parse().unwrap(), &mut columns),
        Ok(())
    );
}

#[test]
fn unusable_files_are_told_at_start() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let path = |name: &str| folder.path().join(name);
    let good = fs::read(path("GeoIP2-City.mmdb")).unwrap();
    fs::write(path("GeoIP2-City.mmdb"), &good[..good.len() / 2]).unwrap();
    fs::copy(path("GeoIP2-ISP.mmdb"), path("GeoIP2-Domain.mmdb")).unwrap();
    fs::write(path("GeoIP2-ISP.mmdb"), "<html>404</html>").unwrap();
    fs::remove_file(path("GeoIP2-Connection-Type.mmdb")).unwrap();
    let failures = open(ALL, folder.path()).unwrap_err();
    assert_eq!(failures.len(), 4, "{failures:?}");
    for (failure, parts) in failures.iter().zip([
        [
            "ip_lookups: geo: ",
            "GeoIP2-City.mmdb is no MaxMind database, or only a part of one",
            "fetch it anew",
        ],
        [
            "ip_lookups: isp: ",
            "GeoIP2-ISP.mmdb is no MaxMind database",
            "fetch it anew",
        ],
        [
            "ip_lookups: domain: ",
            "of type GeoIP2-ISP, but domain needs one whose type contains GeoIP2-Domain",
            "correct",
        ],
        [
            "ip_lookups: connectionType: ",
            "GeoIP2-Connection-Type.mmdb: No such file",
            "put the look-up file there",
        ],
    ]) {
        for part in parts {
            assert!(failure.contains(part), "{failure}: {part}");
        }
    }
    // addresses that are no URIs come first, all of them
    let settings = ALL.replace("FOLDER", "http://h/%zz");
    let failures = configured_files(&config_of(&settings)).unwrap_err();
    assert_eq!(failures.len(), 4);
    assert!(
        failures[0].starts_with("Provided URI string ["),
        "{failures:?}"
    );
}

#[test]
fn damage_in_the_middle_is_found_at_start() {
    let mut database = city();
    database.insert("0.0.0.0/2", Value::map([("city", Value::text("no map"))]));
    let failure = Database::new(Kind::Geo, "x/y.mmdb", database.to_bytes()).unwrap_err();
    assert!(
        failure.starts_with("geo: x/y.mmdb is damaged ("),
        "{failure}"
    );
    assert!(
        failure.ends_with("was looked up); fetch it anew"),
        "{failure}"
    );
}

/// Any damage ends in an error at start or in null columns, never in a panic.
#[test]
fn damage_anywhere_does_no_harm() {
    let good = city().to_bytes();
    let mut refused = 0;
    for cut in 0..good.len() {
        refused += usize::from(Database::new(Kind::Geo, "cut", good[..cut].to_vec()).is_err());
    }
    assert_eq!(refused, good.len());
    let addresses = [
        "198.51.100.1",
        "127.0.0.1",
        "203.0.113.7",
        "2001:db8::1",
        "8.8.8.8",
    ];
    for at in 0..good.len() {
        for damage in [0x00, 0xff, good[at] ^ 0x21] {
            let mut bytes = good.clone();
            bytes[at] = damage;
            let Ok(database) = Database::open(Kind::Geo, "damaged", bytes) else {
                continue;
            };
            for address in addresses {
                let _ = database.look_up(address.parse().unwrap(), &mut Columns::default());
            }
        }
    }
}
