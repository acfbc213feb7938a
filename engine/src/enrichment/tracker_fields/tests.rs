//! Tracker parameters: every conversion, its failures, and which of two parameters wins.

use super::*;
use crate::enrichment::tests::raw_event;

/// Applies the parameters in the given order; gives the columns and the failure texts.
fn columns(parameters: &[(&str, Option<&str>)]) -> (Vec<(&'static str, String)>, Vec<String>) {
    let raw = raw_event(parameters);
    let decoded = DecodedJsons::new(&raw.parameters);
    let mut draft = Draft::new(&raw);
    first_pass(&mut draft, &decoded);
    second_pass(&mut draft);
    let values = draft.event.values();
    let columns = values.map(|(f, v)| (f.name(), v.to_owned())).collect();
    (columns, std::mem::take(&mut draft.failures).into_texts())
}

/// The column that one parameter with one value sets.
fn column(name: &str, value: &str) -> Option<(&'static str, String)> {
    let (mut columns, failures) = columns(&[(name, Some(value))]);
    assert_eq!(failures, [""; 0], "{name}={value}");
    assert!(columns.len() <= 1);
    columns.pop()
}

fn failure(name: &str, value: Option<&str>) -> String {
    let (columns, mut failures) = columns(&[(name, value)]);
    assert_eq!(columns, [], "{name}={value:?}");
    assert_eq!(failures.len(), 1, "{name}={value:?}");
    failures.remove(0)
}

#[test]
fn keys_of_names_are_unique() {
    assert!(PARAMETERS.windows(2).all(|pair| pair[0].key < pair[1].key));
    assert!(PARAMETERS.iter().all(|parameter| parameter.key != 0));
    for name in [
        "",
        "e\0",
        "\0e",
        "E",
        "tnuid",
        "rtm",
        "evn",
        "ue_na",
        "f_realplayer",
        "cookie\0\0",
    ] {
        assert!(look_up(name).is_none(), "{name:?}");
    }
    assert_eq!(
        look_up("f_realp").map(|p| p.field),
        Some(Field::BrFeaturesRealplayer)
    );
}

#[test]
fn texts_go_to_their_columns() {
    let cases = [
        ("ip", "user_ipaddress"),
        ("aid", "app_id"),
        ("uid", "user_id"),
        ("duid", "domain_userid"),
        ("nuid", "network_userid"),
        ("tnuid", "network_userid"),
        ("ua", "useragent"),
        ("fp", "user_fingerprint"),
        ("tna", "name_tracker"),
        ("tv", "v_tracker"),
        ("cv", "v_collector"),
        ("lang", "br_lang"),
        ("cd", "br_colordepth"),
        ("tz", "os_timezone"),
        ("refr", "page_referrer"),
        ("url", "page_url"),
        ("page", "page_title"),
        ("cs", "doc_charset"),
        ("ev_ca", "se_category"),
        ("se_ca", "se_category"),
        ("ev_ac", "se_action"),
        ("se_ac", "se_action"),
        ("ev_la", "se_label"),
        ("se_la", "se_label"),
        ("ev_pr", "se_property"),
        ("se_pr", "se_property"),
        ("tr_id", "tr_orderid"),
        ("tr_af", "tr_affiliation"),
        ("tr_ci", "tr_city"),
        ("tr_st", "tr_state"),
        ("tr_co", "tr_country"),
        ("tr_cu", "tr_currency"),
        ("ti_id", "ti_orderid"),
        ("ti_sk", "ti_sku"),
        ("ti_na", "ti_name"),
        ("ti_nm", "ti_name"),
        ("ti_ca", "ti_category"),
        ("ti_cu", "ti_currency"),
    ];
    for (name, field) in cases {
        let safe = (field, " a    b%20+ü".to_owned());
        assert_eq!(column(name, " a\tb\u{7}%20+ü"), Some(safe), "{name}");
        assert_eq!(column(name, ""), None, "{name}");
    }
}

#[test]
fn other_values_go_to_their_columns() {
    let cases = [
        ("e", "pv", "event", "page_view"),
        ("p", "cnsl", "platform", "cnsl"),
        ("tid", "0042", "txn_id", "0042"),
        ("vid", "007", "domain_sessionidx", "7"),
        ("vid", "-2147483648", "domain_sessionidx", "-2147483648"),
        ("vid", "+٣", "domain_sessionidx", "3"),
        (
            "sid",
            "9C65E7F3-8E8E-470D-B243-910B5B300DA0",
            "domain_sessionid",
            "9c65e7f3-8e8e-470d-b243-910b5b300da0",
        ),
        (
            "eid",
            "2e9069a1-3f11-4770-b549-d8531c9f612e",
            "event_id",
            "2e9069a1-3f11-4770-b549-d8531c9f612e",
        ),
        ("dtm", "1", "dvce_created_tstamp", "1970-01-01 00:00:00.001"),
        ("ttm", "2", "true_tstamp", "1970-01-01 00:00:00.002"),
        ("stm", "3", "dvce_sent_tstamp", "1970-01-01 00:00:00.003"),
        ("f_pdf", "1", "br_features_pdf", "1"),
        ("f_fla", "0", "br_features_flash", "0"),
        ("f_java", "1", "br_features_java", "1"),
        ("f_dir", "1", "br_features_director", "1"),
        ("f_qt", "1", "br_features_quicktime", "1"),
        ("f_realp", "1", "br_features_realplayer", "1"),
        ("f_wma", "1", "br_features_windowsmedia", "1"),
        ("f_gears", "1", "br_features_gears", "1"),
        ("f_ag", "1", "br_features_silverlight", "1"),
        ("cookie", "0", "br_cookies", "0"),
        ("se_va", "23.", "se_value", "23"),
        ("ev_va", "7.51E-9", "se_value", "0.00000000751"),
        ("tr_tt", "00012.50", "tr_total", "12.50"),
        ("tr_tx", "-0", "tr_tax", "0"),
        ("tr_sh", "6.72E9", "tr_shipping", "6720000000"),
        ("ti_pr", "1999.00", "ti_price", "1999.00"),
        ("ti_qu", "2", "ti_quantity", "2"),
        ("pp_mix", "0", "pp_xoffset_min", "0"),
        ("pp_max", "1", "pp_xoffset_max", "1"),
        ("pp_miy", "2", "pp_yoffset_min", "2"),
        ("pp_may", "3", "pp_yoffset_max", "3"),
        ("co", "{ \"a\": 1.00 }", "contexts", "{\"a\":1.0}"),
        ("cx", "WzEsMl0", "contexts", "[1,2]"),
        ("ue_pr", "null", "unstruct_event", "null"),
        ("ue_px", "e30=", "unstruct_event", "{}"),
    ];
    for (name, value, field, text) in cases {
        assert_eq!(
            column(name, value),
            Some((field, text.to_owned())),
            "{name}={value}"
        );
    }
    assert_eq!(column("se_va", "null"), None);
    let (dimensions, failures) = columns(&[
        ("res", Some("1200x800")),
        ("ds", Some("0007x2147483647")),
        ("vp", Some("1x2")),
    ]);
    let dimension = |name, value: &str| (name, value.to_owned());
    assert_eq!(
        dimensions,
        [
            dimension("br_viewwidth", "1"),
            dimension("br_viewheight", "2"),
            dimension("dvce_screenwidth", "1200"),
            dimension("dvce_screenheight", "800"),
            dimension("doc_width", "7"),
            dimension("doc_height", "2147483647"),
        ]
    );
    assert_eq!(failures, [""; 0]);
}

#[test]
fn what_fails_and_how_it_is_told() {
    let cases = [
        ("vid", "", "Field [vid]: cannot convert [] to Int"),
        (
            "vid",
            "2147483648",
            "Field [vid]: cannot convert [2147483648] to Int",
        ),
        ("ti_qu", "1.0", "Field [ti_qu]: cannot convert [1.0] to Int"),
        ("pp_mix", " 1", "Field [pp_mix]: cannot convert [ 1] to Int"),
        ("tid", "", "Field [tid]: [] is not a valid integer"),
        ("tid", "a", "Field [tid]: [a] is not a valid integer"),
        (
            "se_va",
            "",
            "Field [se_va]: cannot convert [] to Double-like String",
        ),
        (
            "tr_tt",
            "1,5",
            "Field [tr_tt]: cannot convert [1,5] to Double-like String",
        ),
        (
            "ti_pr",
            "NaN",
            "Field [ti_pr]: cannot convert [NaN] to Double-like String",
        ),
        (
            "ti_pr",
            "0x1",
            "Field [ti_pr]: cannot convert [0x1] to Double-like String",
        ),
        (
            "f_ag",
            "2",
            "Field [f_ag]: cannot convert [2] to Boolean-like JByte",
        ),
        (
            "cookie",
            "true",
            "Field [cookie]: cannot convert [true] to Boolean-like JByte",
        ),
        (
            "res",
            "",
            "Field [res]: [] does not contain valid view dimensions",
        ),
        (
            "res",
            "1200x-17",
            "Field [res]: [1200x-17] does not contain valid view dimensions",
        ),
        (
            "res",
            "1x2x3",
            "Field [res]: [1x2x3] does not contain valid view dimensions",
        ),
        (
            "res",
            "x",
            "Field [res]: [x] does not contain valid view dimensions",
        ),
        (
            "ds",
            "1X2",
            "Field [ds]: [1X2] does not contain valid view dimensions",
        ),
        (
            "vp",
            "٤x6",
            "Field [vp]: [٤x6] does not contain valid view dimensions",
        ),
        (
            "vp",
            "1x2147483648",
            "Field [vp]: view dimensions [1x2147483648] exceed Integer's max range",
        ),
        (
            "eid",
            "1-1-1-1-1",
            "Field [eid]: [1-1-1-1-1] is not a valid UUID",
        ),
        (
            "eid",
            "{2e9069a1-3f11-4770-b549-d8531c9f612e}",
            "Field [eid]: [{2e9069a1-3f11-4770-b549-d8531c9f612e}] is not a valid UUID",
        ),
        (
            "sid",
            "2e9069a1-3f11-4770-b549-d8531c9f612g",
            "Field [sid]: [2e9069a1-3f11-4770-b549-d8531c9f612g] is not a valid UUID",
        ),
        (
            "sid",
            "2e9069a1-3f11-4770-b549-d8531c9f61é",
            "Field [sid]: [2e9069a1-3f11-4770-b549-d8531c9f61é] is not a valid UUID",
        ),
        (
            "dtm",
            "x",
            "Field [dtm]: [x] is not in the expected format (ms since epoch)",
        ),
        (
            "e",
            "lol",
            "Field [e]: [lol] is not a recognised event code",
        ),
        (
            "p",
            "mobile",
            "Field [p]: [mobile] is not a supported tracking platform",
        ),
    ];
    for (name, value, text) in cases {
        assert_eq!(failure(name, Some(value)), text);
    }
}

#[test]
fn null_values() {
    let clears = [
        "ip", "aid", "nuid", "tnuid", "ua", "url", "vid", "ti_qu", "pp_may", "se_va", "tr_tt",
    ];
    for name in clears {
        assert_eq!(columns(&[(name, None)]), (vec![], vec![]), "{name}");
    }
    let fails = [
        ("e", "Field [e]: [null] is not a recognised event code"),
        (
            "p",
            "Field [p]: [null] is not a supported tracking platform",
        ),
        ("tid", "Field [tid]: [null] is not a valid integer"),
        ("eid", "Field [eid]: [null] is not a valid UUID"),
        (
            "dtm",
            "Field [dtm]: [null] is not in the expected format (ms since epoch)",
        ),
        (
            "f_pdf",
            "Field [f_pdf]: cannot convert [null] to Boolean-like JByte",
        ),
        (
            "res",
            "Field [res]: [null] does not contain valid view dimensions",
        ),
        (
            "cx",
            "Field [cx]: exception Base64-decoding [null] (URL-safe encoding): [null]",
        ),
        (
            "co",
            "Field [co]: invalid JSON [null] with parsing error: null",
        ),
    ];
    for (name, text) in fails {
        assert_eq!(failure(name, None), text);
    }
}

#[test]
fn parameters_override_what_the_collector_said() {
    let raw = raw_event(&[
        ("nuid", Some("-")),
        ("ip", None),
        ("cv", Some("")),
        ("ua", Some("a+b")),
    ]);
    let decoded = DecodedJsons::new(&raw.parameters);
    let mut draft = Draft::new(&raw);
    for field in [
        Field::NetworkUserid,
        Field::UserIpaddress,
        Field::VCollector,
        Field::Useragent,
    ] {
        draft.event.set(field, "collector");
    }
    first_pass(&mut draft, &decoded);
    assert_eq!(draft.event.get(Field::NetworkUserid), Some("-"));
    assert_eq!(draft.event.get(Field::UserIpaddress), None);
    assert_eq!(draft.event.get(Field::VCollector), None);
    assert_eq!(draft.event.get(Field::Useragent), Some("a+b"));

    let raw = raw_event(&[("tnuid", Some("")), ("nuid", Some("n"))]);
    let decoded = DecodedJsons::new(&raw.parameters);
    let mut draft = Draft::new(&raw);
    first_pass(&mut draft, &decoded);
    assert_eq!(draft.event.get(Field::NetworkUserid), Some("n"));
    second_pass(&mut draft);
    assert_eq!(draft.event.get(Field::NetworkUserid), None);
}

#[test]
fn of_few_parameters_the_one_that_came_later_wins() {
    let category = |first, second| {
        let (columns, _) = columns(&[(first, Some("1")), (second, Some("2"))]);
        columns
    };
    assert_eq!(
        category("se_ca", "ev_ca"),
        [("se_category", "2".to_owned())]
    );
    assert_eq!(
        category("ev_ca", "se_ca"),
        [("se_category", "2".to_owned())]
    );
}

#[test]
fn of_many_parameters_hash_order_decides() {
    // the second of each pair iterates later in a hashed map, whichever came first
    let pairs = [
        ("ev_ca", "se_ca", "se_category"),
        ("ev_ac", "se_ac", "se_action"),
        ("se_la", "ev_la", "se_label"),
        ("se_pr", "ev_pr", "se_property"),
        ("ti_na", "ti_nm", "ti_name"),
    ];
    for (loser, winner, field) in pairs {
        for (first, second) in [(loser, winner), (winner, loser)] {
            let (columns, failures) = columns(&[
                (first, Some(first)),
                (second, Some(second)),
                ("x1", None),
                ("x2", None),
                ("x3", None),
            ]);
            assert_eq!(columns, [(field, winner.to_owned())]);
            assert_eq!(failures, [""; 0]);
        }
    }
    for (loser, winner, field) in [
        ("se_va", "ev_va", "se_value"),
        ("co", "cx", "contexts"),
        ("ue_pr", "ue_px", "unstruct_event"),
    ] {
        let value = |name| match name {
            "cx" | "ue_px" => ("MQ", "1"),
            "ev_va" => ("1", "1"),
            _ => ("2", "2"),
        };
        let (columns, _) = columns(&[
            (winner, Some(value(winner).0)),
            (loser, Some(value(loser).0)),
            ("x1", None),
            ("x2", None),
            ("x3", None),
        ]);
        assert_eq!(columns, [(field, "1".to_owned())]);
    }
}

#[test]
fn a_failing_parameter_leaves_the_column_of_its_twin() {
    let (columns, failures) = columns(&[("cx", Some("MQ")), ("co", Some("{"))]);
    assert_eq!(columns, [("contexts", "1".to_owned())]);
    assert_eq!(failures.len(), 1);
    assert!(failures[0].starts_with("Field [co]: invalid JSON [{] with parsing error: "));
}

#[test]
fn failures_come_in_the_order_of_the_map() {
    let (_, few) = columns(&[("vid", Some("a")), ("e", Some("lol"))]);
    assert_eq!(few[0], "Field [vid]: cannot convert [a] to Int");
    let (_, many) = columns(&[
        ("vid", Some("a")),
        ("e", Some("lol")),
        ("x1", None),
        ("x2", None),
        ("x3", None),
    ]);
    assert_eq!(many[0], "Field [e]: [lol] is not a recognised event code");
    assert_eq!(many.len(), 2);
}

#[test]
fn the_parsed_json_belongs_to_the_column() {
    let raw = raw_event(&[("co", Some("[1]")), ("ue_px", Some("WzJd"))]);
    let decoded = DecodedJsons::new(&raw.parameters);
    let mut draft = Draft::new(&raw);
    first_pass(&mut draft, &decoded);
    let text = |json: &Option<crate::json::Value<'_>>| json.as_ref().map(|j| j.to_compact());
    assert_eq!(text(&draft.contexts).as_deref(), Some("[1]"));
    assert_eq!(text(&draft.unstruct_event).as_deref(), Some("[2]"));
}
