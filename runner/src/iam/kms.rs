//! Statements about a key of KMS, however the configuration names it.

use serde_json::{Value, json};

use super::Needs;

/// A statement that allows `actions` with the key. An alias cannot be the resource of such a statement; it becomes a
/// condition on any key.
///
/// # Errors
/// When the text can be no key.
pub(super) fn statement(
    sid: &str,
    actions: &[&str],
    key: &str,
    needs: &Needs<'_>,
    partition: &str,
) -> Result<Value, String> {
    let region = needs.config.region.as_deref().unwrap_or("*");
    let home = format!("arn:{partition}:kms:{region}:{}", needs.account);
    let (base, resource) = match key.strip_prefix("arn:") {
        Some(_) => key
            .rsplit_once(':')
            .map(|(base, resource)| (base.to_owned(), resource.to_owned()))
            .filter(|(base, _)| base.split(':').nth(2) == Some("kms"))
            .ok_or_else(|| format!("'{key}' is not the ARN of a key of KMS"))?,
        None if key.starts_with("alias/") => (home, key.to_owned()),
        None => (home, format!("key/{key}")),
    };
    let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions });
    if resource.starts_with("alias/") {
        statement["Resource"] = json!([format!("{base}:key/*")]);
        statement["Condition"] =
            json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": [resource] } });
    } else {
        statement["Resource"] = json!([format!("{base}:{resource}")]);
    }
    Ok(statement)
}
