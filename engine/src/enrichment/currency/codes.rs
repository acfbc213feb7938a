//! Currencies of ISO 4217 with their numbers of decimals.
//!
//! The reference asks Joda-Money, whose table holds the currencies of countries, some that were withdrawn, and metals,
//! accounting units and test codes (without decimals), but no codes of funds (`CLF`, `CHE`, `USN`, ...): amounts in those
//! are failures there and here.

/// The decimals of a currency; `None` for a code that is none.
pub(super) fn decimals(code: &str) -> Option<usize> {
    let &[a, b, c] = code.as_bytes() else {
        return None;
    };
    let code = [a, b, c];
    let is_in = |codes: &[u8]| {
        let mut codes = codes.chunks(4);
        codes.any(|known| known.get(..3) == Some(code.as_slice()))
    };
    if is_in(TWO) {
        Some(2)
    } else if is_in(NONE) {
        Some(0)
    } else if is_in(THREE) {
        Some(3)
    } else {
        None
    }
}

const TWO: &[u8] = b"\
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF \
CNY COP CRC CUP CVE CZK DKK DOP DZD EEK EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK \
HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL LTL LVL MAD MDL MGA MKD MMK MNT \
MOP MRO MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB RUR \
SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH \
USD UYU UZS VEB VED VEF VES WST XCD XCG YER ZAR ZMK ZMW ZWG ZWL";

const NONE: &[u8] = b"\
BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XAG XAU XBA XBB XBC XBD XDR XFU XOF XPD XPF \
XPT XSU XTS XUA XXX";

const THREE: &[u8] = b"BHD IQD JOD KWD LYD OMR TND";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_decimals() {
        for (code, expected) in [
            ("EUR", Some(2)),
            ("AED", Some(2)),
            ("ZWL", Some(2)),
            ("JPY", Some(0)),
            ("BIF", Some(0)),
            ("XXX", Some(0)),
            ("KWD", Some(3)),
            ("RUP", None),
            ("HUL", None),
            ("CLF", None),
            ("eur", None),
            ("EU", None),
            ("EUR ", None),
            ("", None),
            ("ED ", None),
            ("\u{20ac}", None),
        ] {
            assert_eq!(decimals(code), expected, "{code}");
        }
    }

    #[test]
    fn the_tables_are_whole_and_disjoint() {
        let mut codes = Vec::new();
        for table in [TWO, NONE, THREE] {
            for chunk in table.chunks(4) {
                assert!(chunk[..3].iter().all(u8::is_ascii_uppercase), "{chunk:?}");
                assert!(chunk.get(3).is_none_or(|b| *b == b' '));
                codes.push(&chunk[..3]);
            }
        }
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
