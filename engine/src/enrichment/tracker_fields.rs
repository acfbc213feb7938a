//! Tracker-protocol parameters: which column each one sets, and how its value is transformed.
//!
//! Parameters are applied in the iteration order of the reference's map, so that of two parameters
//! for one column the later one wins, and failure texts come in this order. Unknown parameters are
//! ignored. Nothing is cut to a greatest length. An empty value is a value; a parameter without `=`
//! has a null one, which most transforms refuse as the reference does.

use crate::event::Field;
use crate::text::clean::tsv_safe;
use crate::text::java_number::{parse_int, plain_decimal};

use super::draft::Draft;
use super::failures::FailureStep;
use super::json_fields::{self, DecodedJsons};
use super::{codes, timestamps};

/// What is done with a value before it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transform {
    /// Tabulators become spaces, control characters go, empty becomes null.
    TsvSafe,
    /// Code of an event.
    EventCode,
    /// Code of a platform.
    Platform,
    /// A 32-bit integer, kept as it is written.
    IntegerText,
    /// A 32-bit integer, printed anew.
    Integer,
    /// A canonical UUID, put into lower case.
    Uuid,
    /// Milliseconds since the epoch.
    Timestamp,
    /// `0` or `1`.
    Flag,
    /// `{width}x{height}`; the height goes to the second column.
    Dimensions(Field),
    /// A decimal number, printed without exponent.
    Decimal,
    /// A JSON, printed compactly.
    Json,
    /// A JSON in Base64.
    Base64Json,
}

/// A parameter of the tracker protocol.
#[derive(Debug, Clone, Copy)]
struct Parameter {
    key: u64,
    field: Field,
    transform: Transform,
}

/// A name of up to seven bytes as a number, unlike that of any other name; 0 for longer names.
const fn key(name: &[u8]) -> u64 {
    if name.len() > 7 {
        return 0;
    }
    let mut key = name.len() as u64;
    let mut index = 0;
    while index < name.len() {
        key = key << 8 | name[index] as u64;
        index += 1;
    }
    key
}

const fn parameter(name: &str, field: Field, transform: Transform) -> Parameter {
    let key = key(name.as_bytes());
    Parameter {
        key,
        field,
        transform,
    }
}

/// The parameters, sorted by key when the engine is compiled.
static PARAMETERS: [Parameter; PROTOCOL.len()] = sorted(PROTOCOL);

const fn sorted<const N: usize>(mut parameters: [Parameter; N]) -> [Parameter; N] {
    let mut end = 1;
    while end < N {
        let mut index = end;
        while index > 0 && parameters[index - 1].key > parameters[index].key {
            let smaller = parameters[index];
            parameters[index] = parameters[index - 1];
            parameters[index - 1] = smaller;
            index -= 1;
        }
        end += 1;
    }
    parameters
}

/// The table of the tracker protocol. `tnuid` belongs to the second pass.
const PROTOCOL: [Parameter; 74] = {
    use Field as F;
    use Transform::*;
    [
        parameter("e", F::Event, EventCode),
        parameter("ip", F::UserIpaddress, TsvSafe),
        parameter("aid", F::AppId, TsvSafe),
        parameter("p", F::Platform, Platform),
        parameter("tid", F::TxnId, IntegerText),
        // users and sessions
        parameter("uid", F::UserId, TsvSafe),
        parameter("duid", F::DomainUserid, TsvSafe),
        parameter("nuid", F::NetworkUserid, TsvSafe),
        parameter("ua", F::Useragent, TsvSafe),
        parameter("fp", F::UserFingerprint, TsvSafe),
        parameter("vid", F::DomainSessionidx, Integer),
        parameter("sid", F::DomainSessionid, Uuid),
        // times
        parameter("dtm", F::DvceCreatedTstamp, Timestamp),
        parameter("ttm", F::TrueTstamp, Timestamp),
        parameter("stm", F::DvceSentTstamp, Timestamp),
        // versions
        parameter("tna", F::NameTracker, TsvSafe),
        parameter("tv", F::VTracker, TsvSafe),
        parameter("cv", F::VCollector, TsvSafe),
        // browser, device, document
        parameter("lang", F::BrLang, TsvSafe),
        parameter("f_pdf", F::BrFeaturesPdf, Flag),
        parameter("f_fla", F::BrFeaturesFlash, Flag),
        parameter("f_java", F::BrFeaturesJava, Flag),
        parameter("f_dir", F::BrFeaturesDirector, Flag),
        parameter("f_qt", F::BrFeaturesQuicktime, Flag),
        parameter("f_realp", F::BrFeaturesRealplayer, Flag),
        parameter("f_wma", F::BrFeaturesWindowsmedia, Flag),
        parameter("f_gears", F::BrFeaturesGears, Flag),
        parameter("f_ag", F::BrFeaturesSilverlight, Flag),
        parameter("cookie", F::BrCookies, Flag),
        parameter("res", F::DvceScreenwidth, Dimensions(F::DvceScreenheight)),
        parameter("cd", F::BrColordepth, TsvSafe),
        parameter("tz", F::OsTimezone, TsvSafe),
        parameter("refr", F::PageReferrer, TsvSafe),
        parameter("url", F::PageUrl, TsvSafe),
        parameter("page", F::PageTitle, TsvSafe),
        parameter("cs", F::DocCharset, TsvSafe),
        parameter("ds", F::DocWidth, Dimensions(F::DocHeight)),
        parameter("vp", F::BrViewwidth, Dimensions(F::BrViewheight)),
        parameter("eid", F::EventId, Uuid),
        // custom contexts
        parameter("co", F::Contexts, Json),
        parameter("cx", F::Contexts, Base64Json),
        // structured events, with the names of old trackers
        parameter("ev_ca", F::SeCategory, TsvSafe),
        parameter("ev_ac", F::SeAction, TsvSafe),
        parameter("ev_la", F::SeLabel, TsvSafe),
        parameter("ev_pr", F::SeProperty, TsvSafe),
        parameter("ev_va", F::SeValue, Decimal),
        parameter("se_ca", F::SeCategory, TsvSafe),
        parameter("se_ac", F::SeAction, TsvSafe),
        parameter("se_la", F::SeLabel, TsvSafe),
        parameter("se_pr", F::SeProperty, TsvSafe),
        parameter("se_va", F::SeValue, Decimal),
        // self-describing events
        parameter("ue_pr", F::UnstructEvent, Json),
        parameter("ue_px", F::UnstructEvent, Base64Json),
        // transactions and their items
        parameter("tr_id", F::TrOrderid, TsvSafe),
        parameter("tr_af", F::TrAffiliation, TsvSafe),
        parameter("tr_tt", F::TrTotal, Decimal),
        parameter("tr_tx", F::TrTax, Decimal),
        parameter("tr_sh", F::TrShipping, Decimal),
        parameter("tr_ci", F::TrCity, TsvSafe),
        parameter("tr_st", F::TrState, TsvSafe),
        parameter("tr_co", F::TrCountry, TsvSafe),
        parameter("tr_cu", F::TrCurrency, TsvSafe),
        parameter("ti_id", F::TiOrderid, TsvSafe),
        parameter("ti_sk", F::TiSku, TsvSafe),
        parameter("ti_na", F::TiName, TsvSafe),
        parameter("ti_nm", F::TiName, TsvSafe),
        parameter("ti_ca", F::TiCategory, TsvSafe),
        parameter("ti_pr", F::TiPrice, Decimal),
        parameter("ti_qu", F::TiQuantity, Integer),
        parameter("ti_cu", F::TiCurrency, TsvSafe),
        // page pings
        parameter("pp_mix", F::PpXoffsetMin, Integer),
        parameter("pp_max", F::PpXoffsetMax, Integer),
        parameter("pp_miy", F::PpYoffsetMin, Integer),
        parameter("pp_may", F::PpYoffsetMax, Integer),
    ]
};

/// The rule of a parameter, if it is one of the protocol's first pass.
fn look_up(name: &str) -> Option<&'static Parameter> {
    let key = key(name.as_bytes());
    let index = PARAMETERS.binary_search_by_key(&key, |p| p.key).ok()?;
    PARAMETERS.get(index)
}

/// Sets the columns of all parameters but `tnuid`.
pub fn first_pass<'e>(draft: &mut Draft<'e>, decoded: &'e DecodedJsons) {
    let raw = draft.raw;
    for (name, value) in raw.parameters.iter() {
        if let Some(parameter) = look_up(name)
            && let Err(text) = apply(draft, decoded, *parameter, name, value.as_deref())
        {
            draft.failures.push(FailureStep::Parameters, text);
        }
    }
}

/// Sets `network_userid` from `tnuid`, which overrides `nuid` and the collector's cookie id.
pub fn second_pass(draft: &mut Draft<'_>) {
    if let Some(value) = draft.raw.parameters.get("tnuid") {
        let value = value.as_deref().and_then(tsv_safe);
        draft
            .event
            .set_or_clear(Field::NetworkUserid, value.as_deref());
    }
}

/// Sets the columns of one parameter.
///
/// # Errors
/// The failure text; no column is changed then.
fn apply<'e>(
    draft: &mut Draft<'e>,
    decoded: &'e DecodedJsons,
    parameter: Parameter,
    name: &str,
    value: Option<&'e str>,
) -> Result<(), String> {
    let field = parameter.field;
    let event = &mut draft.event;
    match parameter.transform {
        Transform::TsvSafe => {
            event.set_or_clear(field, value.and_then(tsv_safe).as_deref());
        }
        Transform::EventCode => event.set(field, codes::event_name(name, value)?),
        Transform::Platform => event.set(field, codes::platform(name, value)?),
        Transform::IntegerText => event.set(field, integer_text(name, value)?),
        Transform::Integer => match value {
            Some(value) => event.set_integer(field, integer(name, value)?),
            None => event.clear(field),
        },
        Transform::Uuid => event.set(field, &uuid(name, value)?),
        Transform::Timestamp => {
            let (millis, text) = timestamps::parse(name, value)?;
            event.set(field, &text);
            match field {
                Field::DvceCreatedTstamp => draft.times.created = Some(millis),
                Field::DvceSentTstamp => draft.times.sent = Some(millis),
                _ => {}
            }
        }
        Transform::Flag => event.set(field, flag(name, value)?),
        Transform::Dimensions(second) => {
            let (width, height) = dimensions(name, value)?;
            event.set_integer(field, width);
            event.set_integer(second, height);
        }
        Transform::Decimal => event.set_or_clear(field, decimal(name, value)?.as_deref()),
        Transform::Json | Transform::Base64Json => {
            let json = if parameter.transform == Transform::Json {
                json_fields::read_plain(name, value)?
            } else {
                decoded.read(name)?
            };
            event.set(field, &json.text);
            match field {
                Field::Contexts => draft.contexts = Some(json.value),
                _ => draft.unstruct_event = Some(json.value),
            }
        }
    }
    Ok(())
}

/// A 32-bit integer; `name` is the parameter that a failure text names.
///
/// # Errors
/// The failure text.
pub fn integer(name: &str, value: &str) -> Result<i32, String> {
    parse_int(value).ok_or_else(|| format!("Field [{name}]: cannot convert [{value}] to Int"))
}

fn integer_text<'v>(name: &str, value: Option<&'v str>) -> Result<&'v str, String> {
    match value {
        Some(value) if parse_int(value).is_some() => Ok(value),
        _ => {
            let value = value.unwrap_or("null");
            Err(format!("Field [{name}]: [{value}] is not a valid integer"))
        }
    }
}

/// A decimal number in plain notation; the text `null`, which some trackers send, is null.
///
/// # Errors
/// The failure text.
pub fn decimal(name: &str, value: Option<&str>) -> Result<Option<String>, String> {
    match value {
        None | Some("null") => Ok(None),
        Some(value) => plain_decimal(value).map(Some).ok_or_else(|| {
            format!("Field [{name}]: cannot convert [{value}] to Double-like String")
        }),
    }
}

/// `0` or `1`.
///
/// # Errors
/// The failure text.
pub fn flag<'v>(name: &str, value: Option<&'v str>) -> Result<&'v str, String> {
    match value {
        Some(value @ ("0" | "1")) => Ok(value),
        _ => {
            let value = value.unwrap_or("null");
            Err(format!(
                "Field [{name}]: cannot convert [{value}] to Boolean-like JByte"
            ))
        }
    }
}

/// Width and height of `{width}x{height}`, in ASCII digits.
///
/// # Errors
/// The failure text.
pub fn dimensions(name: &str, value: Option<&str>) -> Result<(i32, i32), String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match value.and_then(|value| value.split_once('x')) {
        Some((width, height)) if digits(width) && digits(height) => {
            match (width.parse(), height.parse()) {
                (Ok(width), Ok(height)) => Ok((width, height)),
                _ => {
                    let value = value.unwrap_or_default();
                    Err(format!(
                        "Field [{name}]: view dimensions [{value}] exceed Integer's max range"
                    ))
                }
            }
        }
        _ => {
            let value = value.unwrap_or("null");
            Err(format!(
                "Field [{name}]: [{value}] does not contain valid view dimensions"
            ))
        }
    }
}

/// A UUID in lower case, if it is written in canonical form but for its case.
///
/// # Errors
/// The failure text.
pub fn uuid(name: &str, value: Option<&str>) -> Result<String, String> {
    let canonical = |text: &str| {
        text.len() == 36
            && text.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    match value {
        Some(value) if canonical(value) => Ok(value.to_ascii_lowercase()),
        _ => {
            let value = value.unwrap_or("null");
            Err(format!("Field [{name}]: [{value}] is not a valid UUID"))
        }
    }
}

#[cfg(test)]
mod tests;
