//! Compares what a call gave with what is expected of it.

use engine::text::joda::parse_iso_date_time;
use serde_json::{Value, json};

use crate::tree::{Evaluator, Stop, is_outcome};

/// Checks what the tree `actual` gave against an expectation.
pub fn check(
    evaluator: &mut Evaluator<'_>,
    actual: &Value,
    found: &Value,
    expect: &Value,
) -> Result<(), Stop> {
    let Some((kind, wanted)) = expect
        .as_object()
        .filter(|members| members.len() == 1)
        .and_then(|members| members.iter().next())
    else {
        return Err(Stop::different(format!(
            "an expectation of one part, not {expect}"
        )));
    };
    if kind == "matcher" {
        return check_matcher(evaluator, actual, found, wanted);
    }
    let wanted = evaluator.value(wanted)?;
    let outcome = match kind.as_str() {
        "equals" => same(found, &wanted),
        "some" if found.is_null() => Err(format!("expected some {wanted}")),
        "some" => same(found, &wanted),
        "contains" => contains(found, &wanted),
        "size" => same(&json!(found.as_array().map(Vec::len)), &wanted),
        "success" | "failure" => match found.get(kind) {
            Some(found) if kind == "success" => same(found, &wanted),
            Some(found) => same_failure(found, &wanted),
            None => Err(format!("expected {kind} {wanted}\n  found {found}")),
        },
        _ => Err(format!("the expectation {kind} is not known")),
    };
    outcome.map_err(Stop::Different)
}

/// Checks a value against one of the rarer expectations, which stand there by their names.
fn check_matcher(
    evaluator: &mut Evaluator<'_>,
    actual: &Value,
    found: &Value,
    matcher: &Value,
) -> Result<(), Stop> {
    let holds = match (matcher.as_str(), matcher["call"].as_str()) {
        // what it is like, the checks below it say
        (Some("beLike"), _) => true,
        // which exception, is Java's affair
        (Some(text), _) if text.starts_with("throwA[") => found.get("failure").is_some(),
        (_, Some("not.be")) if matcher["args"][0] == *actual => {
            let reason = "the case wants a value to differ from itself".to_owned();
            return Err(Stop::NotRun(reason));
        }
        (_, Some("not.be")) => *found != evaluator.value(&matcher["args"][0])?,
        _ => {
            return Err(Stop::different(format!(
                "the matcher {matcher} is not known"
            )));
        }
    };
    match holds {
        true => Ok(()),
        false => Err(Stop::different(format!(
            "{matcher} does not hold for {found}"
        ))),
    }
}

/// Whether a text has a part, or a list an element.
fn contains(found: &Value, wanted: &Value) -> Result<(), String> {
    let holds = match (found, wanted) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(items), _) => items.iter().any(|item| same(item, wanted).is_ok()),
        _ => false,
    };
    if holds {
        return Ok(());
    }
    Err(format!("\n  expected {wanted}\n  in       {found}"))
}

/// Equality of values. A time in ISO 8601 is what a DateTime is compared with.
fn same(found: &Value, wanted: &Value) -> Result<(), String> {
    let differs = || Err(format!("\n  expected {wanted}\n  found    {found}"));
    if *wanted == json!({"any": true}) {
        return Ok(());
    }
    match (found, wanted) {
        (Value::Object(_), Value::String(time)) if found["type"] == "DateTime" => {
            let millis = parse_iso_date_time(time).ok();
            if millis.is_some() && found["epoch_ms"].as_i64() == millis {
                Ok(())
            } else {
                differs()
            }
        }
        (Value::Object(a), Value::Object(b)) if is_outcome(found) && is_outcome(wanted) => {
            match (a.get("failure"), b.get("failure")) {
                (Some(found), Some(wanted)) => same_failure(found, wanted),
                (None, None) => same(&found["success"], &wanted["success"]),
                _ => differs(),
            }
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() || !a.keys().all(|name| b.contains_key(name)) {
                return differs();
            }
            a.iter().try_for_each(|(name, found)| {
                same(found, &b[name]).map_err(|text| format!("{name}: {text}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .try_for_each(|(found, wanted)| same(found, wanted)),
        _ if found == wanted => Ok(()),
        _ => differs(),
    }
}

/// Equality of messages: a list, or a single text.
fn same_failure(found: &Value, wanted: &Value) -> Result<(), String> {
    if *wanted == json!({"any": true}) {
        return Ok(());
    }
    let messages = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        single => vec![single.clone()],
    };
    let wanted: Vec<Value> = messages(wanted)
        .iter()
        .map(|message| match message {
            Value::String(text) => of_older_parser(text).into(),
            other => other.clone(),
        })
        .collect();
    same(&messages(found).into(), &wanted.into())
}

/// A parser's message in the form in which the job has it: the cases ran with a newer parser, which writes
/// `[Source: (String)"{text}"; line: 1, column: 2]`.
fn of_older_parser(message: &str) -> String {
    const OPENING: &str = "[Source: (String)\"";
    const CLOSING: &str = "\"; line: ";
    match (message.find(OPENING), message.rfind(CLOSING)) {
        (Some(start), Some(end)) if start + OPENING.len() <= end => format!(
            "{}[Source: {}{}",
            &message[..start],
            &message[start + OPENING.len()..end],
            &message[end + 1..]
        ),
        _ => message.to_owned(),
    }
}
