//! Enrichment `anon_ip`: hides the last octets of `user_ipaddress`.
//!
//! The address is text between dots: what is no IPv4 address is treated the same way, and IPv6, which
//! has no dots, becomes `x` when all four octets are hidden and stays as it is otherwise
//! (Scala Common Enrich 0.34.0, `AnonIpEnrichment`).

use crate::event::Field;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::Interrupt;
use super::registry::Enrichment;

/// The enrichment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnonIp {
    /// How many octets are hidden, 1 to 4.
    octets: usize,
}

/// Makes the enrichment.
///
/// # Errors
/// The reference's text, for a number of octets out of range.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let enrichment = AnonIp::from_config(config).map_err(|text| vec![text])?;
    Ok(Box::new(enrichment))
}

impl AnonIp {
    /// Hides the last `octets` octets.
    ///
    /// # Errors
    /// The reference's text, for a number that is not 1, 2, 3 or 4.
    pub fn new(octets: i32) -> Result<Self, String> {
        match octets {
            1..=4 => Ok(Self {
                octets: octets as usize,
            }),
            _ => Err("IP address octets to anonymize must be 1, 2, 3 or 4".to_owned()),
        }
    }

    /// Reads `parameters.anonOctets`.
    ///
    /// # Errors
    /// The reference's text.
    pub fn from_config(config: &EnrichmentConfig) -> Result<Self, String> {
        Self::new(config.integer(&["parameters", "anonOctets"])?)
    }

    /// How many octets are hidden.
    pub fn octets(self) -> usize {
        self.octets
    }

    /// The address as it may be kept.
    pub fn anonymize(self, address: &str) -> String {
        let shown = 4 - self.octets;
        // Java's split drops empty parts at the end, but leaves an empty text one part
        let parts = match address {
            "" => address,
            _ => address.trim_end_matches('.'),
        };
        if parts.is_empty() && !address.is_empty() {
            return String::new();
        }
        let mut out = String::with_capacity(parts.len());
        for (index, part) in parts.split('.').enumerate() {
            if index > 0 {
                out.push('.');
            }
            out.push_str(if index < shown { part } else { "x" });
        }
        out
    }
}

impl Enrichment for AnonIp {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        if let Some(address) = draft.event.get(Field::UserIpaddress) {
            let anonymized = self.anonymize(address);
            draft.event.set(Field::UserIpaddress, &anonymized);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    #[test]
    fn octets_are_hidden() {
        for (address, octets, expected) in [
            ("0.23.0.20", 1, "0.23.0.x"),
            ("168.192.102.4", 2, "168.192.x.x"),
            ("54.242.102.43", 3, "54.x.x.x"),
            ("94.15.213.171", 4, "x.x.x.x"),
            ("777.2", 1, "777.2"),
            ("777.2.23", 4, "x.x.x"),
            ("777.2.23", 2, "777.2.x"),
            ("hello;goodbye", 3, "hello;goodbye"),
            ("2001:db8::1", 3, "2001:db8::1"),
            ("2001:db8::1", 4, "x"),
            ("::ffff:1.2.3.4", 2, "::ffff:1.2.x.x"),
            ("1.2.3.4.5.6", 1, "1.2.3.x.x.x"),
            ("1.2..", 4, "x.x"),
            ("..1", 2, "..x"),
            ("...", 4, ""),
            ("", 4, "x"),
            ("", 1, ""),
        ] {
            assert_eq!(
                AnonIp::new(octets).unwrap().anonymize(address),
                expected,
                "{address} {octets}"
            );
        }
        for octets in [0, 5, -1] {
            assert_eq!(
                AnonIp::new(octets),
                Err("IP address octets to anonymize must be 1, 2, 3 or 4".to_owned())
            );
        }
    }

    #[test]
    fn only_a_column_that_is_set_changes() {
        for (before, after) in [(Some("1.2.3.4"), Some("1.2.3.x")), (None, None)] {
            let raw = raw_event(&[]);
            let mut draft = Draft::new(&raw);
            draft.event.set_or_clear(Field::UserIpaddress, before);
            AnonIp::new(1).unwrap().apply(&mut draft).unwrap();
            assert_eq!(draft.event.get(Field::UserIpaddress), after);
        }
    }
}
