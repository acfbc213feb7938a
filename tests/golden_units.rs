//! The reference's unit cases: `golden/enrich/unit`.
//!
//! A case says which function of the reference is applied to what, as a tree. [`tree`] evaluates it, [`calls`] is the one
//! table from the reference's functions to ours, and [`expectation`] compares. A call that is not in the table must stand
//! in the table of those that are not run, with a reason; any other fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "the lints spare test functions, and not what they call; no module of a test is reachable"
)]

mod support;

#[path = "golden_units/agent_calls.rs"]
mod agent_calls;
#[path = "golden_units/calls.rs"]
mod calls;
#[path = "golden_units/core_calls.rs"]
mod core_calls;
#[path = "golden_units/enrichment_calls.rs"]
mod enrichment_calls;
#[path = "golden_units/expectation.rs"]
mod expectation;
#[path = "golden_units/sql_calls.rs"]
mod sql_calls;
#[allow(dead_code, reason = "a part of it is used here")]
#[path = "support/sql_servers.rs"]
mod sql_servers;
#[path = "golden_units/script_calls.rs"]
mod script_calls;
#[path = "golden_units/service_calls.rs"]
mod service_calls;
#[path = "golden_units/tree.rs"]
mod tree;
#[path = "golden_units/values.rs"]
mod values;
#[path = "golden_units/webhook_calls.rs"]
mod webhook_calls;

use std::fs;
use std::path::Path;

use engine::iglu::Resolver;
use serde_json::{Value, json};
use support::golden::{Parity, cases};
use support::registry::StaticRegistry;
use tree::{Evaluator, Stop};

/// Values for the cases whose reference took random texts.
const ANY_TEXTS: &[&str] = &[
    "",
    " ",
    "value",
    "\u{e4}\u{f6}\u{fc} \u{65e5}\u{672c} \u{1f980}",
    "a\tb\r\nc\u{0}",
    "%zz&=[{\"\\",
    "11111111-2222-3333-4444-55555555555",
];

#[test]
fn unit_cases_of_the_reference() {
    let Some(shared) = support::shared("unit cases of enrichment") else {
        return;
    };
    let golden = shared.join("golden/enrich");
    let registry = StaticRegistry::start(&[&shared.join("data/iglu-central/r94")]);
    let resolver = resolver(&golden, &registry.uri);
    let mut parity = Parity::default();
    for (file, spec) in cases(&golden.join("unit")) {
        let area = file.rsplit_once('/').map_or("?", |(folder, _)| folder);
        for case in spec["cases"].as_array().expect("a list of cases") {
            let name = case["name"].as_str().expect("a name");
            match run(case, &resolver) {
                Ok(()) => parity.case(area, name, Ok(())),
                Err(Stop::NotRun(reason)) => parity.left_out(&reason, name),
                Err(Stop::Different(difference)) => parity.case(area, name, Err(difference)),
            }
        }
    }
    parity.finish("golden/enrich/unit");
}

fn resolver(golden: &Path, uri: &str) -> Resolver {
    let config = fs::read_to_string(golden.join("resolver.json")).expect("a resolver");
    Resolver::from_config(&config.replace("http://iglucentral.com", uri)).expect("a resolver")
}

/// Runs a case; one about any text, with several.
fn run(case: &Value, resolver: &Resolver) -> Result<(), Stop> {
    if case["property"] != true {
        return run_once(case, resolver);
    }
    ANY_TEXTS
        .iter()
        .try_for_each(|text| run_once(&with_text(case, text), resolver))
}

/// The case with `text` in the places of any value.
fn with_text(tree: &Value, text: &str) -> Value {
    match tree {
        Value::Object(_) if *tree == json!({"any": "value"}) => text.into(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), with_text(member, text)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| with_text(item, text)).collect(),
        other => other.clone(),
    }
}

fn run_once(case: &Value, resolver: &Resolver) -> Result<(), Stop> {
    let mut evaluator = Evaluator::new(resolver);
    let alone = [case.clone()];
    let assertions = case["assertions"]
        .as_array()
        .map_or(&alone[..], Vec::as_slice);
    for assertion in assertions {
        let found = evaluator.value(&assertion["actual"])?;
        expectation::check(
            &mut evaluator,
            &assertion["actual"],
            &found,
            &assertion["expect"],
        )?;
        let checks = assertion["checks"].as_array();
        for check in checks.into_iter().flatten() {
            evaluator.result = Some(tree::outcome_value(&found));
            let found = evaluator.value(&check["actual"])?;
            expectation::check(&mut evaluator, &check["actual"], &found, &check["expect"])?;
        }
    }
    Ok(())
}

/// Every kind of difference is found.
#[test]
fn a_wrong_expectation_fails() {
    let resolver = Resolver::embedded_only();
    let case = |call: &str, args: Value, expect: Value| json!({"actual": {"call": call, "args": args}, "expect": expect});
    let number = |expect: Value| {
        case(
            "ConversionUtils.stringToJInteger",
            json!(["n", "7"]),
            expect,
        )
    };
    let text = |expect: Value| {
        case(
            "ConversionUtils.stringToJInteger",
            json!(["n", "x"]),
            expect,
        )
    };
    let ip = |expect: Value| {
        case(
            "IpAddressExtractor.extractIpAddress",
            json!([[], "1.2.3.4"]),
            expect,
        )
    };
    let event = json!({
        "api": {"vendor": "r", "version": "tp2"}, "querystring": [["e", "pv"]], "contentType": null, "body": null,
        "source": {"name": "s", "encoding": "UTF-8", "hostname": null},
        "context": {"timestamp": "2020-01-02T03:04:05.000Z", "ipAddress": null, "useragent": null,
            "refererUri": null, "headers": [], "userId": null}
    });
    let raw = |time: &str, value: &str| {
        let mut expected = event.clone();
        let members = expected.as_object_mut().unwrap();
        members.remove("querystring");
        members.remove("body");
        members.insert("parameters".to_owned(), json!({"e": value}));
        expected["context"]["timestamp"] = json!(time);
        case(
            "Tp1Adapter.toRawEvents",
            json!([event.clone()]),
            json!({"success": [expected]}),
        )
    };
    let right = [
        number(json!({"success": 7})),
        number(json!({"success": {"any": true}})),
        number(json!({"matcher": {"call": "not.be", "args": [{"success": 8}]}})),
        text(json!({"matcher": "throwA[AnyException]"})),
        text(json!({"failure": "Field [n]: cannot convert [x] to Int"})),
        text(json!({"failure": ["Field [n]: cannot convert [x] to Int"]})),
        ip(json!({"equals": "1.2.3.4"})),
        ip(json!({"contains": "2.3"})),
        raw("2020-01-02T03:04:05.000+00:00", "pv"),
    ];
    for case in right {
        assert_eq!(run(&case, &resolver), Ok(()), "{case}");
    }
    let wrong = [
        number(json!({"matcher": "throwA[AnyException]"})),
        number(json!({"matcher": {"call": "not.be", "args": [{"success": 7}]}})),
        number(json!({"matcher": "beSomething"})),
        number(json!({"success": 8})),
        number(json!({"success": "7"})),
        number(json!({"failure": {"any": true}})),
        number(json!({"equals": 7})),
        number(json!({"resembles": 7})),
        number(json!({})),
        text(json!({"success": {"any": true}})),
        text(json!({"failure": "Field [n]: cannot convert [x] to an Int"})),
        text(json!({"failure": ["Field [n]: cannot convert [x] to Int", "and more"]})),
        text(json!({"failure": []})),
        ip(json!({"equals": null})),
        ip(json!({"contains": "3.2"})),
        ip(json!({"contains": 1})),
        ip(json!({"equals": ["1.2.3.4"]})),
        ip(json!({"size": 1})),
        raw("2020-01-02T03:04:05.001Z", "pv"),
        raw("2020-01-02T03:04:05.000Z", "pp"),
        case("NoSuchUtils.function", json!([]), json!({"equals": null})),
    ];
    for case in wrong {
        let outcome = run(&case, &resolver);
        assert!(
            matches!(outcome, Err(Stop::Different(_))),
            "{case}: {outcome:?}"
        );
    }
    let left_out = case(
        "MiscEnrichments.etlVersion",
        json!(["x"]),
        json!({"equals": 1}),
    );
    assert!(matches!(run(&left_out, &resolver), Err(Stop::NotRun(_))));
}
