//! The reference's functions for enrichments that look things up in files, or nowhere.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::adapter::raw_event::{Parameters, RawEvent};
use engine::enrichment::Draft;
use engine::enrichment::anon_ip::AnonIp;
use engine::enrichment::campaign_attribution::CampaignAttribution;
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::cookie_extractor::CookieExtractor;
use engine::enrichment::databases::{ConfiguredFile, Databases};
use engine::enrichment::event_fingerprint::{self, EventFingerprint};
use engine::enrichment::http_header_extractor::HttpHeaderExtractor;
use engine::enrichment::iab_spiders_and_robots::{Iab, IabFiles, Verdict};
use engine::enrichment::ip_lookups::{IpLookups, Kind, NoAnswer};
use engine::enrichment::registry::Enrichment;
use engine::event::Field;
use engine::iglu::SchemaKey;
use engine::json;
use serde_json::{Value, json};

use crate::support;
use crate::support::databases::DatabaseFolder;
use crate::support::golden::texts;
use crate::tree::{Call, Stop};
use crate::values::{date_time, outcome, parameters, text};

type Result = std::result::Result<Value, Stop>;

/// The look-up files of all cases.
static FILES: LazyLock<DatabaseFolder> = LazyLock::new(|| {
    let shared = support::shared("look-up files").expect("the cases stand beside the files");
    DatabaseFolder::new(&shared, "scala-common-enrich")
});

pub fn databases() -> Databases {
    FILES.databases()
}

/// The first argument as the data of a configuration, the second as its schema.
fn config(call: &Call<'_, '_>) -> EnrichmentConfig {
    let text = call.arg(0)["json"].to_string();
    let data = json::parse(&text).expect("JSON").expect("a value");
    EnrichmentConfig {
        name: "any".to_owned(),
        schema: SchemaKey::parse(call.text(1)).expect("a key"),
        data: data.into_owned(),
    }
}

pub fn raw_event(parameters: Parameters) -> RawEvent {
    RawEvent {
        api: Default::default(),
        parameters,
        content_type: None,
        source: Default::default(),
        context: Default::default(),
    }
}

fn contexts(contexts: &[json::Value<'_>]) -> Result {
    Ok(contexts.iter().map(json::Value::to_compact).collect())
}

pub fn now(_call: &mut Call<'_, '_>) -> Result {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(date_time(since.expect("a time").as_millis() as i64))
}

// ---- without files

pub fn anon_ip(call: &mut Call<'_, '_>) -> Result {
    let enrichment = AnonIp::from_config(&config(call));
    let shown = |of: AnonIp| json!({"type": "AnonIpEnrichment", "octets": of.octets()});
    Ok(outcome(enrichment.map(shown)))
}

pub fn anonymize(call: &mut Call<'_, '_>) -> Result {
    let octets = call.on["octets"].as_i64().expect("a number") as i32;
    let enrichment = AnonIp::new(octets).map_err(Stop::different)?;
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    draft
        .event
        .set_or_clear(Field::UserIpaddress, call.optional(0));
    apply(&enrichment, &mut draft)?;
    Ok(json!(draft.event.get(Field::UserIpaddress)))
}

fn apply(enrichment: &dyn Enrichment, draft: &mut Draft<'_>) -> std::result::Result<(), Stop> {
    let applied = enrichment.apply(draft);
    applied.map_err(|interrupt| Stop::different(format!("{interrupt:?}")))
}

pub fn campaign_attribution(call: &mut Call<'_, '_>) -> Result {
    let enrichment = CampaignAttribution::from_config(&config(call));
    let shown = |of: CampaignAttribution| {
        json!({
            "type": "CampaignAttributionEnrichment",
            "mediumParameters": of.medium,
            "sourceParameters": of.source,
            "termParameters": of.term,
            "contentParameters": of.content,
            "campaignParameters": of.campaign,
            "clickIdParameters": of.click_ids,
        })
    };
    Ok(outcome(enrichment.map(shown)))
}

pub fn marketing_fields(call: &mut Call<'_, '_>) -> Result {
    let names = |member: &str| texts(&call.on[member]);
    let pairs = call.on["clickIdParameters"]
        .as_array()
        .into_iter()
        .flatten();
    let enrichment = CampaignAttribution {
        medium: names("mediumParameters"),
        source: names("sourceParameters"),
        term: names("termParameters"),
        content: names("contentParameters"),
        campaign: names("campaignParameters"),
        click_ids: pairs
            .map(|pair| {
                (
                    text(&pair[0]).expect("a name"),
                    text(&pair[1]).expect("a network"),
                )
            })
            .collect(),
    };
    let raw = raw_event(Parameters::new());
    let mut draft = Draft::new(&raw);
    let pairs = call.arg(0).as_object().expect("a map").iter();
    draft.page_querystring = Some(
        pairs
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    );
    apply(&enrichment, &mut draft)?;
    let column = |field| draft.event.get(field);
    Ok(json!({"success": {
        "type": "MarketingCampaign",
        "medium": column(Field::MktMedium),
        "source": column(Field::MktSource),
        "term": column(Field::MktTerm),
        "content": column(Field::MktContent),
        "campaign": column(Field::MktCampaign),
        "clickId": column(Field::MktClickid),
        "network": column(Field::MktNetwork),
    }}))
}

pub fn cookie_extractor(call: &mut Call<'_, '_>) -> Result {
    let enrichment = CookieExtractor::from_config(&config(call));
    let shown =
        |of: CookieExtractor| json!({"type": "CookieExtractorEnrichment", "cookieNames": of.names});
    Ok(outcome(enrichment.map(shown)))
}

pub fn cookies(call: &mut Call<'_, '_>) -> Result {
    let enrichment = CookieExtractor {
        names: texts(&call.on["cookieNames"]),
    };
    contexts(&enrichment.contexts(&texts(call.arg(0))))
}

pub fn headers(call: &mut Call<'_, '_>) -> Result {
    let pattern = call.on["headersPattern"].as_str().expect("a pattern");
    let enrichment = HttpHeaderExtractor::new(pattern).map_err(Stop::different)?;
    contexts(&enrichment.contexts(&texts(call.arg(0))))
}

pub fn event_fingerprint(call: &mut Call<'_, '_>) -> Result {
    let enrichment = EventFingerprint::from_config(&config(call));
    Ok(outcome(
        enrichment.map(|_| json!({"type": "EventFingerprintEnrichment"})),
    ))
}

fn hex(digits: [u8; 32]) -> Value {
    std::str::from_utf8(&digits).expect("digits").into()
}

pub fn fingerprint_hash(call: &mut Call<'_, '_>) -> Result {
    Ok(hex(event_fingerprint::hash(call.text(0))))
}

pub fn fingerprint(call: &mut Call<'_, '_>) -> Result {
    let enrichment = EventFingerprint::new(texts(&call.on["excludedParameters"]));
    let parameters = parameters(call.arg(0));
    match call.on["algorithm"].as_str() {
        Some("MD5") => Ok(hex(enrichment.fingerprint(&parameters))),
        // one case counts what would be hashed
        None if call.on["algorithm"]["lambda"] == "$0.size.toString" => {
            let length = enrichment.text(&parameters).encode_utf16().count();
            Ok(length.to_string().into())
        }
        _ => Err(Stop::different(format!("the algorithm of {}", call.on))),
    }
}

// ---- with files

fn file(key: &'static str, name: &Value) -> ConfiguredFile {
    let database = text(name).expect("a name");
    ConfiguredFile {
        key,
        uri: format!("/ignored-in-local-mode/{database}"),
        database,
    }
}

fn shown_file(of: &ConfiguredFile) -> Value {
    json!({"type": "IabDatabase", "name": of.key, "uri": of.uri, "db": of.database})
}

/// The configuration is read, and its files are.
pub fn iab(call: &mut Call<'_, '_>) -> Result {
    let is_local = call.arg(2).clone();
    let read = IabFiles::from_config(&config(call)).and_then(|files| {
        // from the folder alone: nothing is fetched here
        let in_folder = |file: &ConfiguredFile| ConfiguredFile {
            uri: format!("/ignored-in-local-mode/{}", file.database),
            ..file.clone()
        };
        let local = IabFiles {
            addresses: in_folder(&files.addresses),
            excluded: in_folder(&files.excluded),
            included: in_folder(&files.included),
        };
        Iab::open(&local, &databases()).map(|_| files)
    });
    Ok(outcome(read.map(|files| {
        json!({
            "type": "IabEnrichment",
            "ipFile": shown_file(&files.addresses),
            "excludeUaFile": shown_file(&files.excluded),
            "includeUaFile": shown_file(&files.included),
            "localMode": is_local,
        })
    })))
}

fn open_iab(on: &Value) -> std::result::Result<Iab, Stop> {
    let files = IabFiles {
        addresses: file("ipFile", &on["ipFile"]["db"]),
        excluded: file("excludeUseragentFile", &on["excludeUaFile"]["db"]),
        included: file("includeUseragentFile", &on["includeUaFile"]["db"]),
    };
    Iab::open(&files, &databases()).map_err(|texts| Stop::different(texts.join("\n")))
}

pub fn iab_check(call: &mut Call<'_, '_>) -> Result {
    let iab = open_iab(call.on)?;
    let time = call.arg(2)["epoch_ms"].as_i64().expect("a time");
    let verdict = iab.check(call.optional(0), call.optional(1), time);
    Ok(outcome(verdict.map(|verdict| {
        let Verdict {
            is_robot,
            category,
            reason,
            impact,
        } = verdict;
        json!({"spiderOrRobot": is_robot, "category": category, "reason": reason, "primaryImpact": impact})
    })))
}

pub fn iab_context(call: &mut Call<'_, '_>) -> Result {
    let iab = open_iab(call.on)?;
    let time = call.arg(2)["epoch_ms"].as_i64();
    let verdict = iab.check_event(call.optional(0), call.optional(1), time);
    Ok(outcome(verdict.map(|verdict| {
        let context: Value = serde_json::from_str(&verdict.context().to_compact()).expect("JSON");
        json!({"json": context})
    })))
}

fn ip_files(on: &Value) -> Vec<(Kind, ConfiguredFile)> {
    let tuples = [
        (Kind::Geo, "geoTuple"),
        (Kind::Isp, "ispTuple"),
        (Kind::Domain, "domainTuple"),
        (Kind::ConnectionType, "connectionTypeTuple"),
    ];
    let configured = tuples
        .into_iter()
        .filter(|(_, tuple)| !on[*tuple].is_null());
    configured
        .map(|(kind, tuple)| (kind, file(kind.key(), &on[tuple][2])))
        .collect()
}

pub fn ip_information(call: &mut Call<'_, '_>) -> Result {
    let enrichment = IpLookups::open(&ip_files(call.on), &databases());
    let enrichment = enrichment.map_err(|texts| Stop::different(texts.join("\n")))?;
    let address = call.text(0);
    let failure = |reason: NoAnswer| match reason {
        NoAnswer::UnknownHost => "UnknownHostException".to_owned(),
        NoAnswer::AddressNotFound => "AddressNotFoundException".to_owned(),
        NoAnswer::Damaged(text) => text,
    };
    let place = enrichment.look_up(Kind::Geo, address).map(|found| {
        outcome(found.map_err(failure).map(|columns| {
            columns
                .iter()
                .map(|(field, value)| (field.name().to_owned(), json!(value)))
                .collect::<Value>()
        }))
    });
    let isp = enrichment.look_up(Kind::Isp, address).map(|found| {
        outcome(found.map_err(failure).map(|columns| {
            let isp = columns.iter().find(|(field, _)| *field == Field::IpIsp);
            json!(isp.map(|(_, value)| value))
        }))
    });
    Ok(json!({"ipLocation": place, "isp": isp}))
}

/// With all files in the operator's folder nothing is left to fetch.
pub fn databases_to_fetch(call: &mut Call<'_, '_>) -> Result {
    let databases = databases();
    let missing = ip_files(call.on).into_iter().map(|(_, file)| file);
    let missing = missing.filter(|file| databases.in_folder(&file.database).is_none());
    Ok(missing.map(|file| json!([file.uri, file.key])).collect())
}
