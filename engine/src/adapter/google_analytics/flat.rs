//! Contexts whose fields have one parameter each.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::event::PAGE_VIEW;
use super::table::{
    Context, Field, Fields, Table, flag, integer, into_map_order, measurement_protocol, text,
};
use crate::adapter::AdapterFailure;
use crate::adapter::raw_event::Parameters;

static TABLES: [Table; 14] = [
    PAGE_VIEW,
    Table {
        schema: "iglu:com.google.analytics/undocumented/jsonschema/1-0-0",
        fields: &[text("a", "a"), text("jid", "jid"), text("gjid", "gjid")],
    },
    Table {
        schema: "iglu:com.google.analytics/private/jsonschema/1-0-0",
        fields: &[
            text("_v", "v"),
            text("_u", "u"),
            text("_gid", "gid"),
            integer("_s", "s"),
            integer("_r", "r"),
        ],
    },
    Table {
        schema: measurement_protocol!("general"),
        fields: &[
            text("v", "protocolVersion"),
            text("tid", "trackingId"),
            flag("aip", "anonymizeIp"),
            text("ds", "dataSource"),
            integer("qt", "queueTime"),
            text("z", "cacheBuster"),
        ],
    },
    Table {
        schema: measurement_protocol!("user"),
        fields: &[text("cid", "clientId"), text("uid", "userId")],
    },
    Table {
        schema: measurement_protocol!("session"),
        fields: &[
            text("sc", "sessionControl"),
            text("uip", "ipOverride"),
            text("ua", "userAgentOverride"),
            text("geoid", "geographicalOverride"),
        ],
    },
    Table {
        schema: measurement_protocol!("traffic_source"),
        fields: &[
            text("dr", "documentReferrer"),
            text("cn", "campaignName"),
            text("cs", "campaignSource"),
            text("cm", "campaignMedium"),
            text("ck", "campaignKeyword"),
            text("cc", "campaignContent"),
            text("ci", "campaignId"),
            text("gclid", "googleAdwordsId"),
            text("dclid", "googleDisplayAdsId"),
        ],
    },
    Table {
        schema: measurement_protocol!("system_info"),
        fields: &[
            text("sr", "screenResolution"),
            text("vp", "viewportSize"),
            text("de", "documentEncoding"),
            text("sd", "screenColors"),
            text("ul", "userLanguage"),
            flag("je", "javaEnabled"),
            text("fl", "flashVersion"),
        ],
    },
    Table {
        schema: measurement_protocol!("link"),
        fields: &[text("linkid", "id")],
    },
    Table {
        schema: measurement_protocol!("app"),
        fields: &[
            text("an", "name"),
            text("aid", "id"),
            text("av", "version"),
            text("aiid", "installerId"),
        ],
    },
    Table {
        schema: measurement_protocol!("product_action"),
        fields: &[
            text("pa", "productAction"),
            text("pal", "productActionList"),
            integer("cos", "checkoutStep"),
            text("col", "checkoutStepOption"),
        ],
    },
    Table {
        schema: measurement_protocol!("content_experiment"),
        fields: &[text("xid", "id"), text("xvar", "variant")],
    },
    Table {
        schema: measurement_protocol!("hit"),
        fields: &[text("t", "type"), flag("ni", "nonInteractionHit")],
    },
    Table {
        schema: measurement_protocol!("promotion_action"),
        fields: &[text("promoa", "promotionAction")],
    },
];

/// Every parameter with its schema (an index of [`TABLES`]) and field.
static FIELDS: LazyLock<HashMap<&'static str, (usize, &'static Field)>> = LazyLock::new(|| {
    let with_index = |(index, table): (usize, &'static Table)| {
        let fields = table.fields.iter();
        fields.map(move |field| (field.parameter, (index, field)))
    };
    TABLES.iter().enumerate().flat_map(with_index).collect()
});

/// The contexts of a hit, in map order; messages about fields that could not be translated go to
/// `messages`.
///
/// # Errors
/// Where the reference throws.
pub(super) fn contexts<'a>(
    form: &'a Parameters,
    messages: &mut Vec<String>,
) -> Result<Vec<Context<'a>>, AdapterFailure> {
    let mut found: Vec<(usize, Fields<'a>)> = Vec::with_capacity(TABLES.len());
    for (name, value) in form.iter() {
        let Some((table, field)) = FIELDS.get(name).copied() else {
            continue;
        };
        let value = value.as_deref();
        match found.iter_mut().find(|(known, _)| *known == table) {
            Some((_, fields)) => fields.add(field, value)?,
            None => {
                let mut fields = Fields::default();
                fields.add(field, value)?;
                found.push((table, fields));
            }
        }
    }
    into_map_order(&mut found, |(table, _)| TABLES[*table].order());
    Ok(found
        .into_iter()
        .map(|(table, fields)| Context::new(&TABLES[table], fields.into_data(messages)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::shared::body::form;

    /// Names of the schemas with data, or the messages.
    fn printed(line: &str) -> Result<Vec<(String, String)>, Vec<String>> {
        let mut messages = Vec::new();
        let form = form(line).unwrap();
        let contexts = contexts(&form, &mut messages).unwrap();
        if !messages.is_empty() {
            return Err(messages);
        }
        let short = |context: Context<'_>| {
            let name = context.schema().split('/').nth(1).unwrap().to_owned();
            let value = context.into_value();
            (name, value.get("data").unwrap().to_compact())
        };
        Ok(contexts.into_iter().map(short).collect())
    }

    #[test]
    fn every_parameter() {
        let count: usize = TABLES.iter().map(|table| table.fields.len()).sum();
        assert_eq!(FIELDS.len(), count, "a parameter belongs to one schema");
        let line: Vec<String> = FIELDS.keys().map(|name| format!("{name}=1")).collect();
        let contexts = printed(&line.join("&")).unwrap();
        assert_eq!(contexts.len(), TABLES.len());
        for table in &TABLES {
            let (_, data) = contexts
                .iter()
                .find(|(name, _)| table.schema.contains(&format!("/{name}/")))
                .unwrap();
            for field in table.fields {
                assert!(data.contains(&format!("\"{}\":", field.name)), "{data}");
            }
        }
    }

    #[test]
    fn up_to_four_contexts_stay_as_they_came() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter()
                .map(|(name, data)| ((*name).to_owned(), (*data).to_owned()))
                .collect()
        };
        assert_eq!(
            printed("t=pageview&dh=h&cid=c&v=1").unwrap(),
            pairs(&[
                ("hit", r#"{"type":"pageview"}"#),
                ("page_view", r#"{"documentHostName":"h"}"#),
                ("user", r#"{"clientId":"c"}"#),
                ("general", r#"{"protocolVersion":"1"}"#),
            ])
        );
        assert_eq!(
            printed("_u=x&unknown=1&_s=2").unwrap(),
            pairs(&[("private", r#"{"u":"x","s":2}"#)])
        );
    }

    #[test]
    fn more_contexts_iterate_by_hash() {
        let contexts = printed("t=1&dh=1&cid=1&v=1&linkid=1&an=1").unwrap();
        let orders: Vec<u32> = contexts
            .iter()
            .map(|(name, _)| {
                let named = |table: &&Table| table.schema.contains(&format!("/{name}/"));
                TABLES.iter().find(named).unwrap().order()
            })
            .collect();
        assert_eq!(orders.len(), 6);
        assert!(orders.is_sorted());
    }

    #[test]
    fn schemas_have_distinct_places() {
        let mut orders: Vec<u32> = TABLES.iter().map(Table::order).collect();
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), TABLES.len());
    }

    #[test]
    fn messages_by_schema_and_field() {
        assert_eq!(
            printed("aip=x&je=y&qt=z").unwrap_err(),
            [
                "Field [anonymizeIp]: Cannot convert [x] to boolean, only 1 or 0.",
                "Field [queueTime]: cannot convert [z] to Int",
                "Field [javaEnabled]: Cannot convert [y] to boolean, only 1 or 0."
            ]
        );
    }

    #[test]
    fn parameters_without_value() {
        assert_eq!(
            printed("z").unwrap(),
            [("general".to_owned(), r#"{"cacheBuster":null}"#.to_owned())]
        );
        let form = form("qt").unwrap();
        assert!(contexts(&form, &mut Vec::new()).is_err());
    }
}
