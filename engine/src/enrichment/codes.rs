//! Codes of the tracker protocol: kinds of event and platforms.

/// The event name of a code in parameter `e`.
///
/// # Errors
/// The failure text, for an unknown or absent code.
pub fn event_name(parameter: &str, code: Option<&str>) -> Result<&'static str, String> {
    Ok(match code {
        Some("se" | "ev") => "struct",
        Some("ue") => "unstruct",
        Some("ad") => "ad_impression",
        Some("tr") => "transaction",
        Some("ti") => "transaction_item",
        Some("pv") => "page_view",
        Some("pp") => "page_ping",
        _ => {
            let code = code.unwrap_or("null");
            return Err(format!(
                "Field [{parameter}]: [{code}] is not a recognised event code"
            ));
        }
    })
}

/// Lets a platform code in parameter `p` pass if it is a known one.
///
/// # Errors
/// The failure text, for an unknown or absent code.
pub fn platform<'v>(parameter: &str, code: Option<&'v str>) -> Result<&'v str, String> {
    match code {
        Some(code @ ("web" | "iot" | "app" | "mob" | "pc" | "cnsl" | "tv" | "srv")) => Ok(code),
        _ => {
            let code = code.unwrap_or("null");
            Err(format!(
                "Field [{parameter}]: [{code}] is not a supported tracking platform"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_codes() {
        let cases = [
            ("se", "struct"),
            ("ev", "struct"),
            ("ue", "unstruct"),
            ("ad", "ad_impression"),
            ("tr", "transaction"),
            ("ti", "transaction_item"),
            ("pv", "page_view"),
            ("pp", "page_ping"),
        ];
        for (code, name) in cases {
            assert_eq!(event_name("e", Some(code)), Ok(name));
        }
        for (code, shown) in [
            (None, "null"),
            (Some(""), ""),
            (Some("PV"), "PV"),
            (Some("pv "), "pv "),
        ] {
            assert_eq!(
                event_name("e", code),
                Err(format!(
                    "Field [e]: [{shown}] is not a recognised event code"
                ))
            );
        }
    }

    #[test]
    fn platform_codes() {
        for code in ["web", "iot", "app", "mob", "pc", "cnsl", "tv", "srv"] {
            assert_eq!(platform("p", Some(code)), Ok(code));
        }
        for (code, shown) in [(None, "null"), (Some(""), ""), (Some("Web"), "Web")] {
            assert_eq!(
                platform("p", code),
                Err(format!(
                    "Field [p]: [{shown}] is not a supported tracking platform"
                ))
            );
        }
    }
}
