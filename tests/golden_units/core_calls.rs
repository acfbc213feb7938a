//! The reference's functions for collector formats, conversions, the enrichments that always run, and shredding.

use engine::adapter::raw_event::{Parameters, RawEvent};
use engine::collector::ndjson::Ndjson;
use engine::collector::tsv::Tsv;
use engine::collector::{self, CollectorFormat, api_path, ip_address, log_line};
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::json_fields::{DecodedJsons, read_plain};
use engine::enrichment::{Draft, codes, schema_check, timestamps, tracker_fields};
use engine::event::{Field, FieldKind};
use engine::iglu::SchemaKey;
use engine::json;
use engine::shred::entity::{Hierarchy, write_entity};
use engine::text::joda::parse_tstamp;
use engine::text::querystring::parse_querystring;
use engine::text::uri::string_to_uri as read_uri;
use engine::text::{base64, clean};
use serde_json::{Value, json};

use crate::support::golden::texts;
use crate::tree::{Call, Stop};
use crate::values::{date_time, outcome, parameters, parsed, text};

type Result = std::result::Result<Value, Stop>;

// ---- loaders

pub fn clj_tomcat(call: &mut Call<'_, '_>) -> Result {
    Ok(parsed(collector::clj_tomcat::parse_line(call.text(0))))
}

pub fn cloudfront(call: &mut Call<'_, '_>) -> Result {
    Ok(parsed(collector::cloudfront::parse_line(call.text(0))))
}

pub fn thrift(call: &mut Call<'_, '_>) -> Result {
    let record = base64::decode_option(call.arg(0)["base64"].as_str().expect("bytes"));
    let record = record.expect("Base64");
    Ok(parsed(collector::thrift::parse_record(&record)))
}

pub fn tsv(call: &mut Call<'_, '_>) -> Result {
    let format = Tsv::new(call.on["adapter"].as_str().expect("a path"));
    Ok(parsed(format.parse_line(call.text(0))))
}

pub fn ndjson(call: &mut Call<'_, '_>) -> Result {
    let format = Ndjson::new(call.on["adapter"].as_str().expect("a path"));
    Ok(parsed(format.parse_line(call.text(0))))
}

pub fn collector_format(call: &mut Call<'_, '_>) -> Result {
    let name = call.text(0);
    let format = CollectorFormat::parse(name).map_err(|error| error.to_string());
    Ok(outcome(format.map(|format| match format {
        CollectorFormat::CloudFront => json!("CloudfrontLoader"),
        CollectorFormat::CljTomcat => json!("CljTomcatLoader"),
        CollectorFormat::Thrift => json!("ThriftLoader"),
        CollectorFormat::Tsv(format) => {
            let adapter = name
                .strip_prefix("tsv/")
                .filter(|path| Tsv::new(path) == format);
            json!({"type": "TsvLoader", "adapter": adapter})
        }
        CollectorFormat::Ndjson(format) => {
            let adapter = name
                .strip_prefix("ndjson/")
                .filter(|path| Ndjson::new(path) == format);
            json!({"type": "NdjsonLoader", "adapter": adapter})
        }
    })))
}

/// What the reference's loaders have in common.
pub fn loader(_: &mut Call<'_, '_>) -> Result {
    Ok(json!({"type": "Loader"}))
}

pub fn querystring(call: &mut Call<'_, '_>) -> Result {
    let pairs = parse_querystring(call.optional(0), call.text(1));
    Ok(outcome(pairs.map(|pairs| json!(pairs))))
}

pub fn log_timestamp(call: &mut Call<'_, '_>) -> Result {
    let millis = log_line::timestamp(call.text(0), call.text(1));
    Ok(outcome(millis.map(date_time)))
}

pub fn clean_uri(call: &mut Call<'_, '_>) -> Result {
    Ok(collector::cloudfront::clean_uri(call.text(0)).into())
}

pub fn client_address(call: &mut Call<'_, '_>) -> Result {
    let headers = texts(call.arg(0));
    Ok(json!(ip_address::client_address(
        &headers,
        call.optional(1)
    )))
}

pub fn is_ice_request(call: &mut Call<'_, '_>) -> Result {
    Ok(api_path::is_ice_request(call.text(0)).into())
}

// ---- conversions

pub fn string_to_uri(call: &mut Call<'_, '_>) -> Result {
    let uri = read_uri(call.optional(0));
    Ok(outcome(uri.map(|uri| json!(uri.map(|uri| uri.text)))))
}

pub fn explode_uri(call: &mut Call<'_, '_>) -> Result {
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    draft.event.set(Field::PageUrl, call.text(0));
    engine::enrichment::page_uri::page(&mut draft);
    let column = |field| draft.event.get(field);
    let port = column(Field::PageUrlport).map(|port| port.parse::<i32>().expect("a port"));
    Ok(json!({
        "type": "UriComponents",
        "scheme": column(Field::PageUrlscheme),
        "host": column(Field::PageUrlhost),
        "port": port,
        "path": column(Field::PageUrlpath),
        "query": column(Field::PageUrlquery),
        "fragment": column(Field::PageUrlfragment),
    }))
}

pub fn tsv_safe(call: &mut Call<'_, '_>) -> Result {
    Ok(json!(clean::tsv_safe(call.text(0))))
}

pub fn single_encode_pcts(call: &mut Call<'_, '_>) -> Result {
    Ok(json!(clean::single_encode_pcts(call.text(0))))
}

pub fn decode_base64(call: &mut Call<'_, '_>) -> Result {
    Ok(outcome(base64::decode_field(
        call.text(0),
        call.optional(1),
    )))
}

pub fn uuid(call: &mut Call<'_, '_>) -> Result {
    Ok(outcome(tracker_fields::uuid(
        call.text(0),
        call.optional(1),
    )))
}

pub fn decimal(call: &mut Call<'_, '_>) -> Result {
    let decimal = tracker_fields::decimal(call.text(0), call.optional(1));
    Ok(outcome(decimal.map(|text| json!(text))))
}

pub fn integer(call: &mut Call<'_, '_>) -> Result {
    let integer = call
        .optional(1)
        .map(|value| tracker_fields::integer(call.text(0), value));
    Ok(outcome(integer.transpose().map(|integer| json!(integer))))
}

pub fn flag(call: &mut Call<'_, '_>) -> Result {
    let flag = tracker_fields::flag(call.text(0), call.optional(1));
    Ok(outcome(
        flag.map(|flag| flag.parse::<i32>().expect("a digit")),
    ))
}

pub fn json_field(call: &mut Call<'_, '_>) -> Result {
    let json = read_plain(call.text(0), call.optional(1));
    Ok(outcome(json.map(|json| json.text)))
}

/// A text in the configuration of an enrichment.
pub fn setting(call: &mut Call<'_, '_>) -> Result {
    let text = call.arg(0)["json"].to_string();
    let data = json::parse(&text).expect("JSON").expect("a value");
    let config = EnrichmentConfig {
        name: "any".to_owned(),
        schema: SchemaKey::parse("iglu:a/b/jsonschema/1-0-0").expect("a key"),
        data: data.into_owned(),
    };
    let path = texts(&call.args[1..].to_vec().into());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Ok(outcome(config.text(&path)))
}

/// Columns for the properties of the reference's bean.
const BEAN: &[(&str, Field)] = &[
    ("platform", Field::Platform),
    ("br_features_pdf", Field::BrFeaturesPdf),
    ("visit_id", Field::DomainSessionidx),
    ("tracker_v", Field::VTracker),
    ("width", Field::DvceScreenwidth),
    ("height", Field::DvceScreenheight),
];

/// The parameters of the tracker protocol set columns. Which transform a parameter has and what it sets is ours to say.
pub fn transform(call: &mut Call<'_, '_>) -> Result {
    let raw = raw_event(parameters(call.arg(0)));
    let decoded = DecodedJsons::new(&raw.parameters);
    let mut draft = Draft::new(&raw);
    tracker_fields::first_pass(&mut draft, &decoded);
    let mut bean = call.on.clone();
    let mut changed = 0;
    for (field, value) in draft.event.values() {
        let property = BEAN.iter().find(|(_, column)| *column == field);
        let (property, _) = property.ok_or_else(|| Stop::different(field.name()))?;
        bean[*property] = match field.kind() {
            FieldKind::Integer | FieldKind::Flag => value.parse::<i32>().expect("digits").into(),
            _ => value.into(),
        };
        changed += 1;
    }
    let failures = std::mem::take(&mut draft.failures).into_texts();
    call.evaluator.beans.insert(call.on.to_string(), bean);
    Ok(if failures.is_empty() {
        json!({"success": changed})
    } else {
        json!({"failure": failures})
    })
}

// ---- enrichments that always run

fn raw_event(parameters: Parameters) -> RawEvent {
    RawEvent {
        api: Default::default(),
        parameters,
        content_type: None,
        source: Default::default(),
        context: Default::default(),
    }
}

/// The failures of a draft, or what `value` reads from it.
fn drafted(mut draft: Draft<'_>, value: impl FnOnce(&Draft<'_>) -> Value) -> Result {
    let mut failures = std::mem::take(&mut draft.failures).into_texts();
    Ok(match failures.len() {
        0 => json!({"success": value(&draft)}),
        1 => json!({"failure": failures.pop()}),
        _ => json!({"failure": failures}),
    })
}

pub fn event_name(call: &mut Call<'_, '_>) -> Result {
    Ok(outcome(codes::event_name(call.text(0), call.optional(1))))
}

pub fn platform(call: &mut Call<'_, '_>) -> Result {
    Ok(outcome(codes::platform(call.text(0), call.optional(1))))
}

pub fn dimensions(call: &mut Call<'_, '_>) -> Result {
    let sides = tracker_fields::dimensions(call.text(0), call.optional(1));
    Ok(outcome(sides.map(|sides| json!(sides))))
}

pub fn timestamp(call: &mut Call<'_, '_>) -> Result {
    let time = timestamps::parse(call.text(0), call.optional(1));
    Ok(outcome(time.map(|(_, text)| text)))
}

pub fn collector_tstamp(call: &mut Call<'_, '_>) -> Result {
    let mut raw = raw_event(Parameters::new());
    raw.context.timestamp_ms = call.arg(0)["epoch_ms"].as_i64();
    let mut draft = Draft::new(&raw);
    timestamps::collector(&mut draft);
    drafted(draft, |draft| {
        json!(draft.event.get(Field::CollectorTstamp))
    })
}

pub fn derived_tstamp(call: &mut Call<'_, '_>) -> Result {
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    let [sent, created, collector] = [0, 1, 2].map(|index| call.optional(index));
    draft.times.sent = sent.and_then(parse_tstamp);
    draft.times.created = created.and_then(parse_tstamp);
    draft.times.collector = collector.and_then(parse_tstamp);
    draft.event.set_or_clear(Field::CollectorTstamp, collector);
    draft
        .event
        .set_or_clear(Field::TrueTstamp, call.optional(3));
    timestamps::derived(&mut draft);
    drafted(draft, |draft| json!(draft.event.get(Field::DerivedTstamp)))
}

/// The page's URI, of what the collector saw and what the tracker sent.
pub fn page_uri(call: &mut Call<'_, '_>) -> Result {
    let mut raw = raw_event(Parameters::new());
    raw.context.referer = text(call.arg(0));
    let mut draft = Draft::new(&raw);
    draft.event.set_or_clear(Field::PageUrl, call.optional(1));
    engine::enrichment::page_uri::page(&mut draft);
    drafted(draft, |draft| {
        json!(draft.page_uri.as_ref().map(|uri| &uri.text))
    })
}

pub fn cross_domain(call: &mut Call<'_, '_>) -> Result {
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    let pairs = call.arg(0).as_object().expect("a map").iter();
    draft.page_querystring = Some(
        pairs
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    );
    if let Err(unexpected) = engine::enrichment::cross_domain::set(&mut draft) {
        return Err(Stop::different(format!("{unexpected:?}")));
    }
    drafted(draft, |draft| {
        json!([
            draft.event.get(Field::RefrDomainUserid),
            draft.event.get(Field::RefrDvceTstamp)
        ])
    })
}

pub fn event_schema(call: &mut Call<'_, '_>) -> Result {
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    let column = |name: &str| call.arg(0)[name].as_str();
    draft.event.set_or_clear(Field::Event, column("event"));
    let unstruct = column("unstruct_event").map(|json| read_plain("ue_pr", Some(json)));
    draft.unstruct_event = unstruct.map(|json| json.expect("JSON").value);
    schema_check::event_schema(&mut draft, call.resolver(), None);
    drafted(draft, |draft| {
        let part = |field| draft.event.get(field).unwrap_or_default();
        format!(
            "iglu:{}/{}/{}/{}",
            part(Field::EventVendor),
            part(Field::EventName),
            part(Field::EventFormat),
            part(Field::EventVersion)
        )
        .into()
    })
}

// ---- shredder

/// The hierarchy that a JSON called `name` is written with.
fn hierarchy(name: &str, root_id: &str, root_tstamp: &str) -> String {
    let key = SchemaKey::parse(&format!("iglu:a/{name}/jsonschema/1-0-0")).expect("a key");
    let hierarchy = Hierarchy {
        root_id,
        root_tstamp,
    };
    let mut line = Vec::new();
    write_entity(&json::Value::Object(Vec::new()), &key, hierarchy, &mut line);
    let line = String::from_utf8(line).expect("UTF-8");
    let text = line
        .strip_prefix("{\"hierarchy\":")
        .and_then(|line| line.strip_suffix("}\n"));
    text.expect("a hierarchy alone").to_owned()
}

/// The hierarchy without the JSON that it is for.
pub fn partial_hierarchy(call: &mut Call<'_, '_>) -> Result {
    let text = hierarchy("x", call.text(0), call.text(1));
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    let own = value["refTree"].as_array_mut().and_then(Vec::pop);
    if own != Some("x".into()) {
        return Err(Stop::different(text));
    }
    value["type"] = json!("TypeHierarchy");
    Ok(value)
}

/// The text of a hierarchy.
pub fn hierarchy_json(call: &mut Call<'_, '_>) -> Result {
    let tree = texts(&call.on["refTree"]);
    let part = |name: &str| call.on[name].as_str().expect("a text");
    Ok(hierarchy(
        tree.last().expect("a name"),
        part("rootId"),
        part("rootTstamp"),
    )
    .into())
}
