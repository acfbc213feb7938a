//! Enrichment `event_fingerprint_config`: column `event_fingerprint`, the MD5 of the tracker's parameters.
//!
//! In: the parameters of the raw event as they were sent. Names in Java's order of texts; of each that is
//! not excluded name, U+001F, value, U+001F (Scala Common Enrich 0.34.0, `EventFingerprintEnrichment`).

use std::cmp::Ordering;

use md5::{Digest, Md5};

use crate::adapter::raw_event::Parameters;
use crate::event::Field;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::Enrichment;

/// Stands behind every name and every value.
const UNIT_SEPARATOR: char = '\u{1f}';

/// The enrichment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFingerprint {
    /// Names that do not count, in Java's order, with their starts.
    excluded: Vec<(u64, String)>,
}

/// Makes the enrichment.
///
/// # Errors
/// The reference's texts.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let enrichment = EventFingerprint::from_config(config)?;
    Ok(Box::new(enrichment))
}

impl EventFingerprint {
    /// The fingerprint of all parameters but the excluded ones.
    pub fn new(mut excluded: Vec<String>) -> Self {
        excluded.sort_unstable_by(|a, b| java_order(a, b));
        let with_start = |name: String| (java_start(&name), name);
        let excluded = excluded.into_iter().map(with_start).collect();
        Self { excluded }
    }

    /// Reads `parameters.excludeParameters` and checks `parameters.hashAlgorithm`.
    ///
    /// # Errors
    /// The reference's texts.
    pub fn from_config(config: &EnrichmentConfig) -> Result<Self, Vec<String>> {
        let excluded = config.texts(&["parameters", "excludeParameters"]);
        let algorithm = config
            .text(&["parameters", "hashAlgorithm"])
            .and_then(|name| match name {
                "MD5" => Ok(()),
                other => Err(format!(
                    "[{other}] is not a supported event fingerprint generation algorithm"
                )),
            });
        match (excluded, algorithm) {
            (Ok(excluded), Ok(())) => {
                Ok(Self::new(excluded.into_iter().map(str::to_owned).collect()))
            }
            (excluded, algorithm) => {
                Err(excluded.err().into_iter().chain(algorithm.err()).collect())
            }
        }
    }

    /// The text that is hashed.
    pub fn text(&self, parameters: &Parameters) -> String {
        let mut length = 0;
        let mut sorted: Vec<(u64, &str, &str)> = Vec::with_capacity(parameters.len());
        for (name, value) in parameters.iter() {
            let value = value.as_deref().unwrap_or("null");
            length += name.len() + value.len() + 2;
            sorted.push((java_start(name), name, value));
        }
        // most names differ at their start
        sorted.sort_unstable_by(|(a_start, a, _), (b_start, b, _)| {
            a_start.cmp(b_start).then_with(|| java_order(a, b))
        });
        let mut excluded = self.excluded.iter().peekable();
        let mut text = String::with_capacity(length);
        for (start, name, value) in sorted {
            // both lists are in order: one walk along both
            let is_before = |(other_start, other): &&(u64, String)| {
                let order = other_start.cmp(&start);
                order.then_with(|| java_order(other, name)) == Ordering::Less
            };
            while excluded.next_if(is_before).is_some() {}
            if excluded
                .peek()
                .is_some_and(|(other_start, other)| *other_start == start && other == name)
            {
                continue;
            }
            for part in [name, value] {
                text.push_str(part);
                text.push(UNIT_SEPARATOR);
            }
        }
        text
    }

    /// The value of the column.
    pub fn fingerprint(&self, parameters: &Parameters) -> [u8; 32] {
        hash(&self.text(parameters))
    }
}

/// MD5 in lower-case hexadecimal digits.
pub fn hash(text: &str) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 32];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Md5::digest(text.as_bytes())) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// The place of a byte of UTF-8 in Java's order: the first bytes of characters from U+E000 to U+FFFF change places with those
/// beyond.
fn place(byte: &u8) -> u8 {
    match *byte {
        byte @ (0xee | 0xef) => byte + 8,
        byte @ 0xf0..=0xf4 => byte - 2,
        byte => byte,
    }
}

/// The first eight bytes as a number: texts whose numbers differ are in the order of these.
fn java_start(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut start = [0; 8];
    match bytes.first_chunk() {
        Some(first) => start = *first,
        None => start[..bytes.len()].copy_from_slice(bytes),
    }
    // nothing changes its place in ASCII
    if !start.is_ascii() {
        start = start.map(|byte| place(&byte));
    }
    u64::from_be_bytes(start)
}

/// Order of Java's texts, by UTF-16 units: that of the bytes of UTF-8, but for characters beyond U+FFFF,
/// which stand before U+E000.
fn java_order(a: &str, b: &str) -> Ordering {
    let (left, right) = (a.as_bytes(), b.as_bytes());
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let (left, right) = (left.get(common).map(place), right.get(common).map(place));
    left.cmp(&right)
}

impl Enrichment for EventFingerprint {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let hex = self.fingerprint(&draft.raw.parameters);
        // hexadecimal digits are text
        let text = std::str::from_utf8(&hex).unwrap_or_default();
        draft.event.set(Field::EventFingerprint, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config_of as config;
    use super::super::tests::raw_event;
    use super::*;

    fn fingerprint(excluded: &[&str], parameters: &[(&str, Option<&str>)]) -> String {
        let excluded = excluded.iter().map(|name| (*name).to_owned()).collect();
        let raw = raw_event(parameters);
        let mut draft = Draft::new(&raw);
        EventFingerprint::new(excluded).apply(&mut draft).unwrap();
        draft.event.get(Field::EventFingerprint).unwrap().to_owned()
    }

    #[test]
    fn names_and_values_with_separators() {
        let event = raw_event(&[
            ("stm", Some("1000000000000")),
            ("e", Some("se")),
            ("se_ac", Some("buy")),
        ]);
        let enrichment = EventFingerprint::new(vec!["stm".to_owned()]);
        assert_eq!(
            enrichment.text(&event.parameters),
            "e\u{1f}se\u{1f}se_ac\u{1f}buy\u{1f}"
        );
        assert_eq!(
            std::str::from_utf8(&hash("sample")),
            Ok("5e8ff9bf55ba3508199d22e984129be6")
        );
    }

    #[test]
    fn order_and_excluded_names_do_not_matter() {
        let excluded = ["stm", "eid", "cv", "", "zz"];
        let one = fingerprint(
            &excluded,
            &[
                ("e", Some("se")),
                ("stm", Some("1")),
                ("se_ac", Some("buy")),
            ],
        );
        let other = fingerprint(
            &excluded,
            &[
                ("se_ac", Some("buy")),
                ("eid", Some("2")),
                ("zz", None),
                ("", None),
                ("e", Some("se")),
            ],
        );
        assert_eq!(one, other);
        assert_ne!(
            one,
            fingerprint(
                &[],
                &[
                    ("e", Some("se")),
                    ("stm", Some("1")),
                    ("se_ac", Some("buy"))
                ]
            )
        );
        assert_ne!(
            fingerprint(&[], &[("prefix", Some("suffix"))]),
            fingerprint(&[], &[("prefi", Some("xsuffix"))])
        );
    }

    #[test]
    fn null_and_nothing() {
        // MD5 of the empty text
        assert_eq!(
            fingerprint(&["e"], &[("e", Some("pv"))]),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(fingerprint(&[], &[]), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            fingerprint(&[], &[("a", None)]),
            fingerprint(&[], &[("a", Some("null"))])
        );
    }

    #[test]
    fn names_are_in_the_order_of_java() {
        let mut names = vec![
            "",
            "a",
            "a_b",
            "aa",
            "B",
            "é",
            "\u{d7ff}",
            "\u{e000}",
            "\u{ffff}",
            "\u{10000}",
            "\u{10ffff}",
            "x\u{fffd}",
            "x\u{1f980}",
            "x\u{1f980}y",
            "a\0",
            "a\0b",
            "a long name",
            "a long nose",
        ];
        let utf16 = |text: &&str| text.encode_utf16().collect::<Vec<_>>();
        names.sort_by_key(utf16);
        for (at, a) in names.iter().enumerate() {
            for (other, b) in names.iter().enumerate() {
                assert_eq!(java_order(a, b), at.cmp(&other), "{a:?} {b:?}");
                let starts = java_start(a).cmp(&java_start(b));
                assert!(starts.is_eq() || starts == at.cmp(&other), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn other_algorithms_are_refused() {
        let settings = r#"{"parameters":{"hashAlgorithm":"SHA-1","excludeParameters":1}}"#;
        let failures = EventFingerprint::from_config(&config(settings)).unwrap_err();
        assert_eq!(failures.len(), 2);
        assert_eq!(
            failures[1],
            "[SHA-1] is not a supported event fingerprint generation algorithm"
        );
    }
}
