//! What the enrichments that look things up in files make of the reference's files: every network of MaxMind's test
//! databases, and the verdicts of the IAB client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use engine::enrichment::databases::ConfiguredFile;
use engine::enrichment::iab_spiders_and_robots::{Iab, IabFiles};
use engine::enrichment::ip_lookups::{IpLookups, Kind};
use engine::text::joda::parse_tstamp;
use serde_json::Value;
use support::databases::DatabaseFolder;
use support::golden::Parity;

fn file(key: &'static str, name: &str) -> ConfiguredFile {
    ConfiguredFile {
        key,
        uri: format!("/nowhere/{name}"),
        database: name.to_owned(),
    }
}

/// The first and the last address of a network.
fn ends(network: &str) -> [String; 2] {
    let (address, length) = network.split_once('/').expect("a network");
    let length: u32 = length.parse().expect("a length");
    let address: IpAddr = address.parse().expect("an address");
    let last: IpAddr = match address {
        IpAddr::V4(ip) => (u32::from(ip) | u32::MAX.checked_shr(length).unwrap_or(0))
            .to_be_bytes()
            .into(),
        IpAddr::V6(ip) => (u128::from(ip) | u128::MAX.checked_shr(length).unwrap_or(0))
            .to_be_bytes()
            .into(),
    };
    [address.to_string(), last.to_string()]
}

#[test]
fn networks_of_the_test_databases() {
    let Some(shared) = support::shared("MaxMind's test databases") else {
        return;
    };
    let folder = DatabaseFolder::new(&shared, "spark-enrich");
    let files = [
        (Kind::Geo, file("geo", "GeoIP2-City.mmdb")),
        (Kind::Isp, file("isp", "GeoIP2-ISP.mmdb")),
        (Kind::Domain, file("domain", "GeoIP2-Domain.mmdb")),
        (
            Kind::ConnectionType,
            file("connectionType", "GeoIP2-Connection-Type.mmdb"),
        ),
    ];
    let enrichment = IpLookups::open(&files, &folder.databases()).expect("databases");
    let expected =
        fs::read_to_string(shared.join("data/geoip2/expected-columns.json")).expect("a file");
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    let mut parity = Parity::default();
    for (area, networks) in expected.as_object().expect("an object") {
        let kind = Kind::ALL.into_iter().find(|kind| kind.key() == area);
        let kind = kind.unwrap_or_else(|| panic!("an area that is not known: {area}"));
        for network in networks.as_array().expect("a list") {
            let name = network["network"].as_str().expect("a network");
            let wanted: BTreeMap<&str, &str> = network
                .as_object()
                .expect("an object")
                .iter()
                .filter(|(column, _)| *column != "network")
                .filter_map(|(column, value)| Some((column.as_str(), value.as_str()?)))
                .collect();
            let mut outcome = Ok(());
            for address in ends(name) {
                let found = enrichment.look_up(kind, &address).expect("a database");
                let found = found.unwrap_or_default();
                let found: BTreeMap<&str, &str> = found
                    .iter()
                    .map(|(field, value)| (field.name(), value))
                    .collect();
                if found != wanted {
                    outcome = Err(format!(
                        "{address}\n  expected {wanted:?}\n  found    {found:?}"
                    ));
                }
            }
            parity.case(area, name, outcome);
        }
    }
    parity.finish("data/geoip2/expected-columns.json");
}

#[test]
fn verdicts_of_the_iab_client() {
    let Some(shared) = support::shared("verdicts of the IAB client") else {
        return;
    };
    let folder = DatabaseFolder::new(&shared, "spark-enrich");
    let files = IabFiles {
        addresses: file("ipFile", "ip_exclude_current_cidr.txt"),
        excluded: file("excludeUseragentFile", "exclude_current.txt"),
        included: file("includeUseragentFile", "include_current.txt"),
    };
    let iab = Iab::open(&files, &folder.databases()).expect("lists");
    let verdicts =
        fs::read_to_string(shared.join("data/iab/spark-enrich/golden.tsv")).expect("a file");
    let mut parity = Parity::default();
    for line in verdicts.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [useragent, address, time, wanted @ ..] = cells.as_slice() else {
            panic!("a line of another form: {line}");
        };
        let time = parse_tstamp(&format!("{time}.000")).expect("a time");
        let verdict = iab
            .check(Some(useragent), Some(address), time)
            .expect("an address");
        let robot = verdict.is_robot.to_string();
        let found = [&robot, verdict.category, verdict.reason, verdict.impact];
        if wanted.first() == Some(&"EXC") {
            // the reference throws at IPv6: on purpose the address is not in the list here
            assert_ne!(verdict.reason, "FAILED_IP_EXCLUDE");
            parity.left_out("the reference throws where we go on", address);
            continue;
        }
        let outcome = match found == wanted {
            true => Ok(()),
            false => Err(format!("found {found:?}")),
        };
        parity.case("verdicts", line, outcome);
    }
    parity.finish("data/iab/spark-enrich/golden.tsv");
}
