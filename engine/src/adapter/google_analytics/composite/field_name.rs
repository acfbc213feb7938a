//! Names of composite fields: `pr12cd42` is the custom dimension 42 of the product 12.

/// The regular expression of the reference, as its messages show it.
const PATTERN: &str = r"(pr|promo|il|cd|cm|cg)(\d+)([a-zA-Z]*)(\d*)([a-zA-Z]*)(\d*)$";

/// What a name can start with.
const PREFIXES: [&str; 6] = ["pr", "promo", "il", "cd", "cm", "cg"];

/// Mark of the values that stand in the name of a field ("in field").
pub const INDEX: &str = "IF";

/// Most groups of a name: three of letters and three of digits.
const GROUPS: usize = 6;

/// A name broken down into groups of letters and digits that take turns, letters first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldName<'a> {
    groups: [&'a str; GROUPS],
    count: usize,
}

impl<'a> FieldName<'a> {
    /// Breaks a name down; the error is the message about a name that has another form.
    pub fn parse(name: &'a str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("Cannot parse empty composite field name".to_owned());
        }
        Self::groups_of(name).ok_or_else(|| {
            format!(
                "Cannot parse field name {name}, it doesn't conform to the expected composite \
                 field regex: {PATTERN}"
            )
        })
    }

    fn groups_of(name: &'a str) -> Option<Self> {
        let digit = |byte: &u8| byte.is_ascii_digit();
        let prefix = PREFIXES.iter().find(|prefix| {
            name.strip_prefix(**prefix)
                .is_some_and(|rest| rest.as_bytes().first().is_some_and(digit))
        })?;
        let (first, mut rest) = name.split_at(prefix.len());
        let mut groups = [""; GROUPS];
        let mut count = 1;
        groups[0] = first;
        for (at, group) in groups.iter_mut().enumerate().skip(1) {
            let digits = at % 2 == 1;
            let end = rest
                .bytes()
                .position(|byte| match digits {
                    true => !byte.is_ascii_digit(),
                    false => !byte.is_ascii_alphabetic(),
                })
                .unwrap_or(rest.len());
            if end == 0 {
                break;
            }
            (*group, rest) = rest.split_at(end);
            count += 1;
        }
        rest.is_empty().then_some(Self { groups, count })
    }

    /// The groups of letters.
    pub fn letters(&self) -> impl Iterator<Item = &'a str> {
        self.groups.into_iter().take(self.count).step_by(2)
    }

    /// The groups of digits, at least one.
    pub fn numbers(&self) -> impl Iterator<Item = &'a str> {
        self.groups.into_iter().take(self.count).skip(1).step_by(2)
    }

    /// Writes the key of the parameter's value: all letters.
    pub fn write_value_key(&self, key: &mut String) {
        key.clear();
        self.letters().for_each(|letters| key.push_str(letters));
    }

    /// Writes the key of the number at `index`: the mark, and the letters from the group before the
    /// number on. Letters behind the last number are not part of it.
    pub fn write_index_key(&self, index: usize, key: &mut String) {
        key.clear();
        key.push_str(INDEX);
        let numbers = self.count / 2;
        self.letters()
            .take(numbers)
            .skip(index)
            .for_each(|letters| key.push_str(letters));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::golden;
    use serde_json::{Value, json};

    fn broken_down(name: &str) -> Result<(Vec<&str>, Vec<&str>), String> {
        FieldName::parse(name).map(|name| (name.letters().collect(), name.numbers().collect()))
    }

    /// Keys and values of the whole parameter.
    fn entries<'a>(name: &'a str, value: &'a str) -> Result<Vec<(String, &'a str)>, String> {
        let name = FieldName::parse(name)?;
        let mut key = String::new();
        let mut entries = Vec::new();
        for (index, number) in name.numbers().enumerate() {
            name.write_index_key(index, &mut key);
            entries.push((key.clone(), number));
        }
        name.write_value_key(&mut key);
        entries.push((key, value));
        Ok(entries)
    }

    #[test]
    fn groups() {
        for (name, letters, numbers) in [
            ("pr1", &["pr"][..], &["1"][..]),
            ("promo12id", &["promo", "id"], &["12"]),
            ("pr007cm42", &["pr", "cm"], &["007", "42"]),
            ("il1pi2nm", &["il", "pi", "nm"], &["1", "2"]),
            ("il1pi2cd3", &["il", "pi", "cd"], &["1", "2", "3"]),
            ("cg99999999999", &["cg"], &["99999999999"]),
            ("cd5XYZ", &["cd", "XYZ"], &["5"]),
        ] {
            assert_eq!(broken_down(name), Ok((letters.to_vec(), numbers.to_vec())));
        }
    }

    #[test]
    fn other_names() {
        for name in [
            "pr",
            "12",
            "p1",
            "PR1",
            "xpr1",
            "pr1_",
            "pr1id ",
            "pr1id\n",
            "pri1",
            "promoid1",
            "il1pi2cd3x",
            "pr1é",
            "pr١",
            "utm1",
            "é1",
            "1pr",
        ] {
            assert_eq!(
                broken_down(name),
                Err(format!(
                    "Cannot parse field name {name}, it doesn't conform to the expected composite \
                     field regex: (pr|promo|il|cd|cm|cg)(\\d+)([a-zA-Z]*)(\\d*)([a-zA-Z]*)(\\d*)$"
                ))
            );
        }
        assert_eq!(
            broken_down(""),
            Err("Cannot parse empty composite field name".to_owned())
        );
    }

    #[test]
    fn keys() {
        for (name, expected) in [
            ("pr3", &[("IFpr", "3"), ("pr", "v")][..]),
            ("pr3id", &[("IFpr", "3"), ("prid", "v")]),
            ("pr3cm4", &[("IFprcm", "3"), ("IFcm", "4"), ("prcm", "v")]),
            (
                "il3pi4nm",
                &[("IFilpi", "3"), ("IFpi", "4"), ("ilpinm", "v")],
            ),
            (
                "il3pi4cd5",
                &[
                    ("IFilpicd", "3"),
                    ("IFpicd", "4"),
                    ("IFcd", "5"),
                    ("ilpicd", "v"),
                ],
            ),
        ] {
            let expected: Vec<(String, &str)> = expected
                .iter()
                .map(|(key, value)| ((*key).to_owned(), *value))
                .collect();
            assert_eq!(entries(name, "v"), Ok(expected), "{name}");
        }
    }

    #[test]
    fn reference_cases() {
        let Some(cases) = golden::read("enrich/unit/adapters/GoogleAnalyticsAdapterSpec.json")
        else {
            return;
        };
        let mut checked = 0;
        for case in cases["cases"].as_array().unwrap() {
            for assertion in case["assertions"].as_array().unwrap_or(&Vec::new()) {
                assert_eq!(assertion["actual"]["call"], "breakDownCompField");
                let arguments: Vec<&str> = assertion["actual"]["args"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|argument| argument.as_str().unwrap())
                    .collect();
                let result = match arguments[..] {
                    [name] => broken_down(name).map(|groups| json!(groups)),
                    [name, value, "IF"] => entries(name, value)
                        .map(|list| list.into_iter().map(|(k, v)| (k, json!(v))).collect())
                        .map(Value::Object),
                    _ => panic!("{arguments:?}"),
                };
                let expect = &assertion["expect"];
                match result {
                    Ok(value) => assert_eq!(expect["success"], value, "{arguments:?}"),
                    Err(message) => assert_eq!(expect["failure"], message, "{arguments:?}"),
                }
                checked += 1;
            }
        }
        assert_eq!(checked, 9);
    }
}
