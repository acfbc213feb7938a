//! The reference's own unit cases for what the core steps do, where the data is at hand.

use std::path::PathBuf;

use serde_json::Value as Golden;

use super::{folder_resolver, raw_event};
use crate::enrichment::draft::Draft;
use crate::enrichment::json_fields::{DecodedJsons, read_plain};
use crate::enrichment::{codes, cross_domain, page_uri, schema_check, timestamps, tracker_fields};
use crate::event::Field;
use crate::text::joda::parse_tstamp;

/// Folder of the shared test data; `None` (and a notice) where it is absent.
fn shared() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").to_owned();
    let folder = PathBuf::from(std::env::var("CAMONICA_SHARED").unwrap_or(beside));
    if folder.join("golden/enrich/unit").is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: no golden cases in {}", folder.display());
    None
}

/// What a call gives: a value, or the failure text.
type Outcome = Result<Golden, String>;

fn text(value: Option<&str>) -> Golden {
    value.map_or(Golden::Null, |text| text.into())
}

fn call(function: &str, args: &[Golden], shared: &std::path::Path) -> Option<Outcome> {
    let arg = |index: usize| args.get(index).and_then(Golden::as_str);
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    let column = |name: &str, parameter: &str, value: Option<&str>| -> Outcome {
        let raw = raw_event(&[(parameter, value)]);
        let decoded = DecodedJsons::new(&raw.parameters);
        let mut draft = Draft::new(&raw);
        tracker_fields::first_pass(&mut draft, &decoded);
        let failures = std::mem::take(&mut draft.failures).into_texts();
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(text(draft.event.get(Field::from_name(name).unwrap()))),
        }
    };
    Some(match function {
        "EventEnrichments.extractEventType" => {
            codes::event_name(arg(0)?, arg(1)).map(|name| name.into())
        }
        "MiscEnrichments.extractPlatform" => {
            codes::platform(arg(0)?, arg(1)).map(|code| code.into())
        }
        "EventEnrichments.extractTimestamp" => {
            timestamps::parse(arg(0)?, arg(1)).map(|(_, text)| text.into())
        }
        "EventEnrichments.formatCollectorTstamp" => {
            let mut raw = raw_event(&[]);
            raw.context.timestamp_ms = args[0].get("epoch_ms").and_then(Golden::as_i64);
            let mut draft = Draft::new(&raw);
            timestamps::collector(&mut draft);
            match std::mem::take(&mut draft.failures).into_texts().pop() {
                Some(failure) => Err(failure),
                None => Ok(text(draft.event.get(Field::CollectorTstamp))),
            }
        }
        "EventEnrichments.getDerivedTimestamp" => {
            draft.times.sent = arg(0).and_then(parse_tstamp);
            draft.times.created = arg(1).and_then(parse_tstamp);
            draft.times.collector = arg(2).and_then(parse_tstamp);
            draft.event.set_or_clear(Field::CollectorTstamp, arg(2));
            draft.event.set_or_clear(Field::TrueTstamp, arg(3));
            timestamps::derived(&mut draft);
            Ok(text(draft.event.get(Field::DerivedTstamp)))
        }
        "ClientEnrichments.extractViewDimensions" => {
            match column("dvce_screenwidth", arg(0)?, arg(1)) {
                Ok(width) => {
                    let height = column("dvce_screenheight", arg(0)?, arg(1)).unwrap();
                    let number = |text: Golden| text.as_str().unwrap().parse::<i32>().unwrap();
                    Ok(vec![number(width), number(height)].into())
                }
                failure => failure,
            }
        }
        "PageEnrichments.extractPageUri" => {
            let mut raw = raw_event(&[]);
            raw.context.referer = arg(0).map(str::to_owned);
            let mut draft = Draft::new(&raw);
            draft.event.set_or_clear(Field::PageUrl, arg(1));
            page_uri::page(&mut draft);
            Ok(text(draft.page_uri.as_ref().map(|uri| uri.text.as_str())))
        }
        "PageEnrichments.parseCrossDomain" => {
            let pairs = args[0].as_object()?.iter();
            let owned = |value: &Golden| value.as_str().map(str::to_owned);
            draft.page_querystring = Some(pairs.map(|(n, v)| (n.clone(), owned(v))).collect());
            cross_domain::set(&mut draft).unwrap();
            match std::mem::take(&mut draft.failures).into_texts().pop() {
                Some(failure) => Err(failure),
                None => Ok(vec![
                    text(draft.event.get(Field::RefrDomainUserid)),
                    text(draft.event.get(Field::RefrDvceTstamp)),
                ]
                .into()),
            }
        }
        "SchemaEnrichment.extractSchema" => {
            let resolver = folder_resolver(&shared.join("data/iglu-central/r94"));
            let column = |name: &str| args[0].get(name).and_then(Golden::as_str);
            draft.event.set_or_clear(Field::Event, column("event"));
            draft.unstruct_event =
                column("unstruct_event").map(|json| read_plain("ue_pr", Some(json)).unwrap().value);
            schema_check::event_schema(&mut draft, &resolver, None);
            match std::mem::take(&mut draft.failures).into_texts().pop() {
                Some(failure) => Err(failure),
                None => {
                    let part = |field| draft.event.get(field).unwrap();
                    Ok(format!(
                        "iglu:{}/{}/{}/{}",
                        part(Field::EventVendor),
                        part(Field::EventName),
                        part(Field::EventFormat),
                        part(Field::EventVersion)
                    )
                    .into())
                }
            }
        }
        _ => return None,
    })
}

fn meets(outcome: &Outcome, expect: &Golden) -> bool {
    match (outcome, expect.get("success"), expect.get("failure")) {
        (Ok(value), Some(expected), None) => value == expected,
        (Err(_), None, Some(Golden::Object(any))) => any.contains_key("any"),
        (Err(text), None, Some(expected)) => expected == text.as_str(),
        _ => false,
    }
}

#[test]
fn unit_cases_of_the_reference() {
    let Some(shared) = shared() else { return };
    let (mut passed, mut left_out) = (0, Vec::new());
    for file in [
        "enrichments/eventEnrichmentSpecs",
        "enrichments/miscEnrichmentSpecs",
        "enrichments/clientEnrichmentSpecs",
        "enrichments/SchemaEnrichmentTest",
        "enrichments/web/ExtractPageUriSpec",
        "enrichments/web/ParseCrossDomainSpec",
    ] {
        let path = shared.join(format!("golden/enrich/unit/{file}.json"));
        let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let function = case["actual"]["call"].as_str().unwrap();
            let args = case["actual"]["args"].as_array().unwrap();
            match call(function, args, &shared) {
                Some(outcome) => {
                    assert!(meets(&outcome, &case["expect"]), "{name}: {outcome:?}");
                    passed += 1;
                }
                None => left_out.push(name.to_owned()),
            }
        }
    }
    println!("golden unit cases of the core steps: {passed} passed, left out: {left_out:?}");
    assert!(passed >= 38, "{passed} passed, left out: {left_out:?}");
}

/// The reference's bean takes other columns; ours are those of the event.
#[test]
fn a_map_of_parameters_is_transformed() {
    let raw = raw_event(&[
        ("p", Some("web")),
        ("f_pdf", Some("1")),
        ("vid", Some("1")),
        ("tv", Some("no-js-0.1.1")),
        ("res", Some("720x1080")),
        ("missing", Some("Not in the transformation map")),
    ]);
    let decoded = DecodedJsons::new(&raw.parameters);
    let mut draft = Draft::new(&raw);
    draft.event.set(Field::Platform, "old");
    draft.event.set(Field::VTracker, "old");
    tracker_fields::first_pass(&mut draft, &decoded);
    let values: Vec<_> = draft.event.values().map(|(f, v)| (f.name(), v)).collect();
    assert_eq!(
        values,
        [
            ("platform", "web"),
            ("v_tracker", "no-js-0.1.1"),
            ("domain_sessionidx", "1"),
            ("br_features_pdf", "1"),
            ("dvce_screenwidth", "720"),
            ("dvce_screenheight", "1080"),
        ]
    );
}
