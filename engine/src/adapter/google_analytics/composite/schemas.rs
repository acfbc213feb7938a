//! Schemas of composite contexts.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::super::table::{Field, Table, cents, double, integer, measurement_protocol, text};
use super::field_name::INDEX;

/// The parameter of the currency, which is the same for all products of a hit.
pub(super) const CURRENCY: Field = text("cu", "currencyCode");

/// Keys that start with [`INDEX`] stand for the numbers within a parameter's name.
pub(super) static TABLES: [Table; 11] = [
    Table {
        schema: measurement_protocol!("product"),
        fields: &[
            integer("IFpr", "index"),
            text("prid", "sku"),
            text("prnm", "name"),
            text("prbr", "brand"),
            text("prca", "category"),
            text("prva", "variant"),
            cents("prpr", "price"),
            integer("prqt", "quantity"),
            text("prcc", "couponCode"),
            integer("prps", "position"),
            CURRENCY,
        ],
    },
    Table {
        schema: measurement_protocol!("product_custom_dimension"),
        fields: &[
            integer("IFprcd", "productIndex"),
            integer("IFcd", "dimensionIndex"),
            text("prcd", "value"),
        ],
    },
    Table {
        schema: measurement_protocol!("product_custom_metric"),
        fields: &[
            integer("IFprcm", "productIndex"),
            integer("IFcm", "metricIndex"),
            integer("prcm", "value"),
        ],
    },
    Table {
        schema: measurement_protocol!("product_impression_list"),
        fields: &[integer("IFil", "index"), text("ilnm", "name")],
    },
    Table {
        schema: measurement_protocol!("product_impression"),
        fields: &[
            integer("IFilpi", "listIndex"),
            integer("IFpi", "productIndex"),
            text("ilpiid", "sku"),
            text("ilpinm", "name"),
            text("ilpibr", "brand"),
            text("ilpica", "category"),
            text("ilpiva", "variant"),
            integer("ilpips", "position"),
            cents("ilpipr", "price"),
            CURRENCY,
        ],
    },
    Table {
        schema: measurement_protocol!("product_impression_custom_dimension"),
        fields: &[
            integer("IFilpicd", "listIndex"),
            integer("IFpicd", "productIndex"),
            integer("IFcd", "customDimensionIndex"),
            text("ilpicd", "value"),
        ],
    },
    Table {
        schema: measurement_protocol!("product_impression_custom_metric"),
        fields: &[
            integer("IFilpicm", "listIndex"),
            integer("IFpicm", "productIndex"),
            integer("IFcm", "customMetricIndex"),
            integer("ilpicm", "value"),
        ],
    },
    Table {
        schema: measurement_protocol!("promotion"),
        fields: &[
            integer("IFpromo", "index"),
            text("promoid", "id"),
            text("promonm", "name"),
            text("promocr", "creative"),
            text("promops", "position"),
        ],
    },
    Table {
        schema: measurement_protocol!("custom_dimension"),
        fields: &[integer("IFcd", "index"), text("cd", "value")],
    },
    Table {
        schema: measurement_protocol!("custom_metric"),
        fields: &[integer("IFcm", "index"), double("cm", "value")],
    },
    Table {
        schema: measurement_protocol!("content_group"),
        fields: &[integer("IFcg", "index"), text("cg", "value")],
    },
];

/// Number of fields of a schema that come from within names: a row must have more than these.
pub(super) fn index_fields(table: &Table) -> usize {
    let from_name = |field: &&Field| field.parameter.starts_with(INDEX);
    table.fields.iter().filter(from_name).count()
}

/// Whether the rows of a schema have the currency of the hit.
pub(super) fn has_currency(table: &Table) -> bool {
    let currency = |field: &Field| field.parameter == CURRENCY.parameter;
    table.fields.iter().any(currency)
}

/// A schema (an index of [`TABLES`]) and one of its fields.
pub(super) type Use = (usize, &'static Field);

/// The schemas that know a key, in the order of [`TABLES`].
pub(super) fn uses(key: &str) -> &'static [Use] {
    static USES: LazyLock<HashMap<&'static str, Vec<Use>>> = LazyLock::new(|| {
        let mut uses: HashMap<&'static str, Vec<Use>> = HashMap::new();
        for (index, table) in TABLES.iter().enumerate() {
            for field in table.fields {
                uses.entry(field.parameter)
                    .or_default()
                    .push((index, field));
            }
        }
        uses
    });
    USES.get(key).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas(key: &str) -> Vec<&'static str> {
        uses(key)
            .iter()
            .map(|(table, _)| TABLES[*table].schema.split('/').nth(1).unwrap())
            .collect()
    }

    #[test]
    fn keys_and_their_schemas() {
        assert_eq!(schemas("prid"), ["product"]);
        assert_eq!(
            schemas("IFcd"),
            [
                "product_custom_dimension",
                "product_impression_custom_dimension",
                "custom_dimension"
            ]
        );
        assert_eq!(schemas("cu"), ["product", "product_impression"]);
        assert!(schemas("prxx").is_empty());
    }

    #[test]
    fn numbers_in_names() {
        let counts: Vec<usize> = TABLES.iter().map(index_fields).collect();
        assert_eq!(counts, [1, 2, 2, 1, 2, 3, 3, 1, 1, 1, 1]);
        let with_currency: Vec<usize> = (0..TABLES.len())
            .filter(|index| has_currency(&TABLES[*index]))
            .collect();
        assert_eq!(with_currency, [0, 4]);
    }

    #[test]
    fn names_and_places_are_distinct() {
        for (index, table) in TABLES.iter().enumerate() {
            for other in &TABLES[..index] {
                assert_ne!(other.order(), table.order());
            }
            for (index, field) in table.fields.iter().enumerate() {
                for other in &table.fields[..index] {
                    assert_ne!(other.parameter, field.parameter);
                    assert_ne!(other.name, field.name);
                }
            }
        }
    }
}
