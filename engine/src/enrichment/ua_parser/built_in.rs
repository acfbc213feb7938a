//! The regexes that the program carries: the current ones of uap-core, as the package of the crate `ua-parser` holds them
//! (Apache License 2.0, as this program). The build script finds them.

use std::sync::{Arc, OnceLock};

use super::regexes::Regexes;

/// The file as the build script [prepares](super::regexes) it.
const PREPARED: &str = include_str!(concat!(env!("OUT_DIR"), "/regexes.json"));

/// The compiled file; one for all enrichments.
///
/// # Errors
/// Never, unless the program was built with a damaged file.
pub(in crate::enrichment) fn regexes() -> Result<Arc<Regexes>, Vec<String>> {
    static REGEXES: OnceLock<Result<Arc<Regexes>, Vec<String>>> = OnceLock::new();
    REGEXES
        .get_or_init(|| Regexes::from_prepared(PREPARED, "built-in regexes.yaml").map(Arc::new))
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file itself.
    const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/regexes.yaml"));

    #[test]
    fn current_browsers_are_known() {
        let regexes = regexes().unwrap();
        for (useragent, agent, system, device) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.130 Safari/537.36",
                "Chrome 120.0.6099",
                "Windows 10",
                "Other",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
                "Mobile Safari 17.2",
                "iOS 17.2.1",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Googlebot 2.1",
                "Other",
                "Spider",
            ),
            ("unheard of", "Other", "Other", "Other"),
        ] {
            let read = regexes.read(useragent).unwrap();
            assert_eq!(read.agent.version(), agent);
            assert_eq!(read.system.version(), system);
            assert_eq!(read.device, device);
        }
    }

    #[test]
    fn the_search_for_pieces_changes_nothing() {
        // against the crate whose package the file comes from, where its rules are the same
        let theirs: ua_parser::Regexes<'_> = serde_saphyr::from_str(TEXT).unwrap();
        let theirs = ua_parser::Extractor::try_from(theirs).unwrap();
        let ours = regexes().unwrap();
        for useragent in [
            "Mozilla/5.0 (Linux; Android 13; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; HTC Sensation Build/IML74K) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0",
            "Mozilla/5.0 (PlayStation 4 3.11) AppleWebKit/537.73 (KHTML, like Gecko)",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25 Version/10.54",
            "Dalvik/2.1.0 (Linux; U; Android 9; Redmi Note 8 MIUI/V11.0.9.0.PCOMIXM)",
            "curl/7.88.1",
            "Mozilla/5.0 (X11; é日本; Linux x86_64) Gecko/20100101 Firefox/119.0",
        ] {
            let (agent, system, device) = theirs.extract(useragent);
            let read = ours.read(useragent).unwrap();
            let family = agent.as_ref().map_or("Other", |agent| &*agent.family);
            assert_eq!(read.agent.family, family, "{useragent}");
            let family = system.as_ref().map_or("Other", |system| &*system.os);
            assert_eq!(read.system.family, family, "{useragent}");
            let family = device.as_ref().map_or("Other", |device| &*device.device);
            assert_eq!(read.device, family, "{useragent}");
        }
    }

    #[test]
    fn all_expressions_can_be_compiled() {
        // the program compiles each one only when it is needed
        let compiled = Regexes::from_yaml(TEXT, "built-in regexes.yaml").unwrap();
        let later = regexes().unwrap();
        for useragent in [
            "",
            "Mozilla/5.0 (Linux; Android 9; Redmi Note 8) Firefox/119.0",
        ] {
            assert_eq!(compiled.read(useragent), later.read(useragent));
        }
    }

    #[test]
    fn long_user_agents_take_bounded_time() {
        let regexes = regexes().unwrap();
        let bait = "Mozilla/5.0 (Linux; Android 4.0; Build/ iPhone; Opera Mini/ SM-; HTC_; Nokia Firefox/ Version/ bot ";
        for text in [
            bait.repeat((256 << 10) / bait.len()),
            "Android 4.0.0.".repeat((256 << 10) / 14),
            "a".repeat(256 << 10),
            "é".repeat(128 << 10),
            "; ".repeat(128 << 10),
        ] {
            let start = std::time::Instant::now();
            regexes.read(&text).unwrap();
            let took = start.elapsed();
            println!("{} bytes, {:.10}...: {took:?}", text.len(), text);
            assert!(took.as_secs() < 20, "{took:?}");
        }
    }
}
