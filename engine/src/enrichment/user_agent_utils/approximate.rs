//! The columns of UserAgentUtils without its tables: from what the expressions of ua-parser say, by the mapping that stands here.
//!
//! The words are those of UserAgentUtils, so that reports go on: `Chrome 120`, `Internet Explorer 11`, `iOS 17 (iPhone)`. What it
//! never heard of keeps ua-parser's name. These rules hold:
//!
//! | column | from |
//! |---|---|
//! | `br_name`, `br_family`, `br_type`, `br_renderengine` | ua-parser's browser family, by a [table](BROWSERS); a device `Spider` is a robot; families outside of the table keep their names, their type and engine are guessed from the user agent; without a family `AppleWebKit` and `Mozilla` are looked for, as UserAgentUtils does |
//! | `br_version` | ua-parser's version with the digits and dots that follow it in the user agent; what stands behind `Version/` for the browser of Android |
//! | `os_name`, `os_family`, `os_manufacturer` | ua-parser's system and its version, by [rules](system) and a [table](SYSTEMS); a robot has none |
//! | `dvce_type`, `dvce_ismobile` | the system, and `Mobile`, `Tablet`, `iPad` in the user agent |
//!
//! It is approximate: about versions, rare browsers and feature phones the two libraries disagree.

use crate::enrichment::ua_parser::regexes::{System as ReadSystem, UserAgent};

use super::ClientAttributes;

const BROWSER: &str = "Browser";
const MOBILE_BROWSER: &str = "Browser (mobile)";
const EMAIL: &str = "Email Client";
const DOWNLOAD: &str = "Downloading tool";
const OTHER: &str = "Other";
const UNKNOWN: &str = "Unknown";

/// How a browser is named.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// As its family.
    Family,
    /// A name for all versions.
    Fixed(&'static str),
    /// A name, and the first part of the version behind it.
    Versioned(&'static str),
}

use Name::{Family, Fixed, Versioned};

/// The longest version; no browser has one like this.
const MOST_VERSION: usize = 50;

/// Family in ua-parser, family in UserAgentUtils, name, type, engine.
type BrowserRow = (&'static str, &'static str, Name, &'static str, &'static str);

/// Browsers by their families in ua-parser.
#[rustfmt::skip]
const BROWSERS: &[BrowserRow] = &[
    ("AOL", "Internet Explorer", Versioned("Internet Explorer"), BROWSER, "TRIDENT"),
    ("AdobeAIR", "Apple WebKit", Fixed("Adobe AIR application"), "Application", "WEBKIT"),
    ("Amazon Silk", "Safari", Fixed("Silk"), BROWSER, "WEBKIT"),
    ("Apache-HttpClient", "Downloading Tool", Family, DOWNLOAD, "OTHER"),
    ("Apple Mail", "Apple Mail", Family, EMAIL, "WEBKIT"),
    ("AppleMail", "Apple Mail", Family, EMAIL, "WEBKIT"),
    ("BlackBerry WebKit", "Safari", Fixed("Mobile Safari"), MOBILE_BROWSER, "WEBKIT"),
    ("CFNetwork", "CFNetwork", Family, "unknown", "OTHER"),
    ("Camino", "Camino", Family, BROWSER, "GECKO"),
    ("Chrome", "Chrome", Versioned("Chrome"), BROWSER, "WEBKIT"),
    ("Chrome Frame", "Internet Explorer", Versioned("Internet Explorer"), BROWSER, "TRIDENT"),
    ("Chrome Mobile", "Chrome", Fixed("Chrome Mobile"), MOBILE_BROWSER, "WEBKIT"),
    ("Chrome Mobile WebView", "Chrome", Fixed("Chrome Mobile"), MOBILE_BROWSER, "WEBKIT"),
    ("Chrome Mobile iOS", "Chrome", Fixed("Chrome Mobile"), MOBILE_BROWSER, "WEBKIT"),
    ("Chromium", "Chrome", Versioned("Chrome"), BROWSER, "WEBKIT"),
    ("Dolfin", "Samsung Dolphin 2", Family, MOBILE_BROWSER, "WEBKIT"),
    ("Edge", "Microsoft Edge", Versioned("Microsoft Edge"), BROWSER, "EDGE_HTML"),
    ("Edge Mobile", "Microsoft Edge", Fixed("Microsoft Edge Mobile"), MOBILE_BROWSER, "EDGE_HTML"),
    ("Eudora", "Eudora", Family, EMAIL, "OTHER"),
    ("Evolution", "Evolution", Family, EMAIL, "OTHER"),
    ("Firefox", "Firefox", Versioned("Firefox"), BROWSER, "GECKO"),
    ("Firefox Alpha", "Firefox", Versioned("Firefox"), BROWSER, "GECKO"),
    ("Firefox Beta", "Firefox", Versioned("Firefox"), BROWSER, "GECKO"),
    ("Firefox Mobile", "Firefox", Fixed("Firefox Mobile"), MOBILE_BROWSER, "GECKO"),
    ("Firefox iOS", "Firefox", Fixed("Firefox Mobile (iOS)"), MOBILE_BROWSER, "GECKO"),
    ("Flock", "Flock", Family, BROWSER, "GECKO"),
    ("HeadlessChrome", "Chrome", Versioned("Chrome"), BROWSER, "WEBKIT"),
    ("IE", "Internet Explorer", Versioned("Internet Explorer"), BROWSER, "TRIDENT"),
    ("IE Large Screen", "Internet Explorer", Versioned("IE Mobile"), MOBILE_BROWSER, "TRIDENT"),
    ("IE Mobile", "Internet Explorer", Versioned("IE Mobile"), MOBILE_BROWSER, "TRIDENT"),
    ("Iron", "Chrome", Versioned("Chrome"), BROWSER, "WEBKIT"),
    ("Konqueror", "Konqueror", Family, BROWSER, "KHTML"),
    ("Lotus Notes", "Lotus Notes", Family, EMAIL, "OTHER"),
    ("Lynx", "Lynx", Family, "Browser (text only)", "OTHER"),
    ("Mobile Safari", "Safari", Fixed("Mobile Safari"), MOBILE_BROWSER, "WEBKIT"),
    ("Mobile Safari UI/WKWebView", "Apple WebKit", Family, BROWSER, "WEBKIT"),
    ("NetFront", "NetFront", Family, MOBILE_BROWSER, "OTHER"),
    ("NetFront NX", "NetFront", Family, MOBILE_BROWSER, "OTHER"),
    ("OmniWeb", "Omniweb", Family, BROWSER, "WEBKIT"),
    ("Opera", "Opera", Versioned("Opera"), BROWSER, "PRESTO"),
    ("Opera Coast", "Opera", Family, MOBILE_BROWSER, "WEBKIT"),
    ("Opera Mini", "Opera", Fixed("Opera Mini"), MOBILE_BROWSER, "PRESTO"),
    ("Opera Mobile", "Opera", Fixed("Opera Mobile"), MOBILE_BROWSER, "BLINK"),
    ("Opera Tablet", "Opera", Fixed("Opera Mobile"), MOBILE_BROWSER, "PRESTO"),
    ("Outlook", "Outlook", Versioned("Outlook"), EMAIL, "WORD"),
    ("PocoMail", "PocoMail", Family, EMAIL, "OTHER"),
    ("Safari", "Safari", Versioned("Safari"), BROWSER, "WEBKIT"),
    ("SeaMonkey", "SeaMonkey", Family, BROWSER, "GECKO"),
    ("The Bat", "The Bat!", Family, EMAIL, "OTHER"),
    ("Thunderbird", "Thunderbird", Versioned("Thunderbird"), EMAIL, "GECKO"),
    ("Vivaldi", "Vivaldi", Family, BROWSER, "BLINK"),
    ("Wget", "Downloading Tool", Family, DOWNLOAD, "OTHER"),
    ("Windows Live Mail", "Internet Explorer", Fixed("Windows Live Mail"), EMAIL, "TRIDENT"),
    ("curl", "Downloading Tool", Family, DOWNLOAD, "OTHER"),
    ("iTunes", "Apple WebKit", Fixed("iTunes"), "Application", "WEBKIT"),
];

/// Family in ua-parser, name and family in UserAgentUtils, manufacturer, type of device.
type SystemRow = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// Systems whose version does not matter, by their families in ua-parser.
#[rustfmt::skip]
const SYSTEMS: &[SystemRow] = &[
    ("Arch Linux", "Linux", "Linux", OTHER, "Computer"),
    ("Bada", "Bada", "Bada", "Samsung Electronics", "Mobile"),
    ("BlackBerry Tablet OS", "BlackBerry Tablet OS", "BlackBerry Tablet OS", "Research In Motion Limited", "Tablet"),
    ("CentOS", "Linux", "Linux", OTHER, "Computer"),
    ("Chrome OS", "Chrome OS", "Chrome OS", "Google Inc.", "Computer"),
    ("Debian", "Linux", "Linux", OTHER, "Computer"),
    ("Fedora", "Linux", "Linux", OTHER, "Computer"),
    ("FreeBSD", "FreeBSD", "FreeBSD", OTHER, "Computer"),
    ("Gentoo", "Linux", "Linux", OTHER, "Computer"),
    ("GoogleTV", "Android (Google TV)", "Android (Google TV)", "Google Inc.", "Digital media receiver"),
    ("Kindle", "Linux (Kindle)", "Linux (Kindle)", "Amazon.com, Inc.", "Tablet"),
    ("Kubuntu", "Ubuntu", "Linux", "Canonical Ltd.", "Computer"),
    ("Linux", "Linux", "Linux", OTHER, "Computer"),
    ("Linux Mint", "Linux", "Linux", OTHER, "Computer"),
    ("Mac OS", "Mac OS", "Mac OS", "Apple Inc.", "Computer"),
    ("Mac OS X", "Mac OS X", "Mac OS X", "Apple Inc.", "Computer"),
    ("Maemo", "Maemo", "Maemo", "Nokia Corporation", "Mobile"),
    ("Mandriva", "Linux", "Linux", OTHER, "Computer"),
    ("MeeGo", "MeeGo", "MeeGo", "Nokia Corporation", "Mobile"),
    ("NetBSD", "NetBSD", "NetBSD", OTHER, "Computer"),
    ("Nokia Series 40", "Series 40", "Series 40", "Nokia Corporation", "Mobile"),
    ("OpenBSD", "OpenBSD", "OpenBSD", OTHER, "Computer"),
    ("Red Hat", "Linux", "Linux", OTHER, "Computer"),
    ("Roku", "Roku OS", "Roku OS", "Roku, Inc.", "Digital media receiver"),
    ("SUSE", "Linux", "Linux", OTHER, "Computer"),
    ("Slackware", "Linux", "Linux", OTHER, "Computer"),
    ("Solaris", "SunOS", "SunOS", "Sun Microsystems, Inc.", "Computer"),
    ("Ubuntu", "Ubuntu", "Linux", "Canonical Ltd.", "Computer"),
    ("webOS", "WebOS", "WebOS", "Hewlett Packard", "Mobile"),
    ("ATV OS X", "iOS", "iOS", "Apple Inc.", "Digital media receiver"),
    ("tvOS", "iOS", "iOS", "Apple Inc.", "Digital media receiver"),
];

/// The attributes of a user agent that was read by the expressions.
pub(super) fn attributes(read: &UserAgent, useragent: &str) -> ClientAttributes {
    let words = Words(useragent);
    let browser = browser(read, &words);
    let is_bot = browser.family == "Robot/Spider" && browser.name == browser.family;
    let system = match is_bot {
        true => System::new(UNKNOWN, UNKNOWN, OTHER, UNKNOWN),
        false => system(&read.system, &read.device, &words),
    };
    ClientAttributes {
        browser_name: browser.name.into(),
        browser_family: browser.family.into(),
        browser_version: version(read, useragent).map(Into::into),
        browser_type: browser.kind.into(),
        render_engine: browser.engine.into(),
        system_name: system.name.into(),
        system_family: system.family.into(),
        system_manufacturer: system.manufacturer.into(),
        device_type: system.device.into(),
    }
}

/// A user agent that is asked for words.
struct Words<'u>(&'u str);

impl Words<'_> {
    fn has(&self, word: &str) -> bool {
        memchr::memmem::find(self.0.as_bytes(), word.as_bytes()).is_some()
    }

    /// The digits and dots behind a word.
    fn behind(&self, word: &str) -> Option<&str> {
        let (_, rest) = self.0.split_once(word)?;
        let text = &rest[..rest.floor_char_boundary(MOST_VERSION)];
        let end = text.bytes().position(|b| !b.is_ascii_digit() && b != b'.');
        let version = text[..end.unwrap_or(text.len())].trim_end_matches('.');
        (!version.is_empty()).then_some(version)
    }
}

struct Browser {
    name: String,
    family: String,
    kind: &'static str,
    engine: &'static str,
}

impl Browser {
    fn new(name: &str, family: &str, kind: &'static str, engine: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            family: family.to_owned(),
            kind,
            engine,
        }
    }
}

fn browser(read: &UserAgent, words: &Words<'_>) -> Browser {
    let robot = "Robot/Spider";
    if read.device == "Spider" {
        let is_mobile = ["Android", "iOS"].contains(&&*read.system.family);
        let name = if is_mobile {
            "Mobile Robot/Spider"
        } else {
            robot
        };
        return Browser::new(name, robot, "Robot", "OTHER");
    }
    let family = &*read.agent.family;
    let major = read.agent.major.as_deref();
    let major_number = major.and_then(|major| major.parse::<u32>().ok());
    match family {
        // the browser of Android calls itself Safari
        "Android" if words.has("Mobile Safari") => {
            return Browser::new("Mobile Safari", "Safari", MOBILE_BROWSER, "WEBKIT");
        }
        "Android" if words.has("Safari") => {
            let name = match words.behind("Version/") {
                Some(version) => format!("Safari {}", version.split('.').next().unwrap_or(version)),
                None => "Safari".to_owned(),
            };
            return Browser::new(&name, "Safari", BROWSER, "WEBKIT");
        }
        "Android" if words.has("AppleWebKit") => {
            return Browser::new("Apple WebKit", "Apple WebKit", BROWSER, "WEBKIT");
        }
        "BlackBerry WebKit" if words.has("BB10") => {
            return Browser::new("BlackBerry", "Safari", MOBILE_BROWSER, "WEBKIT");
        }
        "Android" | OTHER => return nameless(words),
        _ => {}
    }
    let Ok(row) = BROWSERS.binary_search_by(|row| row.0.cmp(family)) else {
        let kind = match (words.has("Mozilla"), words.has("Mobile")) {
            (true, true) => MOBILE_BROWSER,
            (true, false) => BROWSER,
            (false, _) => "unknown",
        };
        return Browser::new(family, family, kind, engine(words));
    };
    let (_, group, name, kind, engine) = BROWSERS[row];
    let mut browser = Browser::new(group, group, kind, engine);
    browser.name = match (name, major) {
        (Family, _) => group.to_owned(),
        (Versioned(name), Some(major)) => format!("{name} {major}"),
        (Fixed(name) | Versioned(name), _) => name.to_owned(),
    };
    match group {
        // its first ones had an engine of their own, after which they are named
        "Microsoft Edge" if words.has("Edge/") => {
            if let Some(major) = major {
                let name = ["Microsoft Edge Mobile", group][usize::from(kind == BROWSER)];
                browser.name = format!("{name} (layout engine {major})");
            }
        }
        "Microsoft Edge" => browser.engine = "WEBKIT",
        "Opera" if engine == "PRESTO" && major_number.is_some_and(|major| major > 12) => {
            browser.engine = "WEBKIT";
        }
        "Opera" if engine == "BLINK" && !words.has("Mobile Safari") => browser.engine = "PRESTO",
        _ => {}
    }
    browser
}

/// A browser that ua-parser does not know.
fn nameless(words: &Words<'_>) -> Browser {
    for (word, name, kind, engine) in [
        ("MSOffice", "Outlook", EMAIL, "WORD"),
        ("MSIE", "Internet Explorer", BROWSER, "TRIDENT"),
        ("Trident", "Internet Explorer", BROWSER, "TRIDENT"),
        ("AppleWebKit", "Apple WebKit", BROWSER, "WEBKIT"),
        ("Mozilla", "Mozilla", BROWSER, "OTHER"),
        ("CFNetwork", "CFNetwork", "unknown", "OTHER"),
        ("NetFront", "NetFront", MOBILE_BROWSER, "OTHER"),
    ] {
        if words.has(word) {
            return Browser::new(name, name, kind, engine);
        }
    }
    Browser::new(UNKNOWN, UNKNOWN, "unknown", "OTHER")
}

fn engine(words: &Words<'_>) -> &'static str {
    for (word, engine) in [
        ("Edge/", "EDGE_HTML"),
        ("Trident", "TRIDENT"),
        ("MSIE", "TRIDENT"),
        ("AppleWebKit", "WEBKIT"),
        ("Presto", "PRESTO"),
        ("KHTML", "KHTML"),
        ("Gecko/", "GECKO"),
    ] {
        if words.has(word) {
            return engine;
        }
    }
    "OTHER"
}

/// The version with the rest of it that ua-parser leaves out.
fn version(read: &UserAgent, useragent: &str) -> Option<String> {
    let agent = &read.agent;
    if agent.family == "Android" {
        // ua-parser takes the system's
        return Words(useragent).behind("Version/").map(str::to_owned);
    }
    let mut known = agent.major.clone()?;
    for part in [&agent.minor, &agent.patch].into_iter().flatten() {
        known = known + "." + part;
    }
    let finder = memchr::memmem::Finder::new(&known);
    let start = finder.find_iter(useragent.as_bytes()).find(|start| {
        // not in the midst of another number
        let before = useragent.as_bytes().get(start.wrapping_sub(1));
        before.is_some_and(|b| b"/ :".contains(b))
    });
    let Some(start) = start else {
        return Some(known);
    };
    let rest = &useragent[start + known.len()..];
    let length = rest
        .bytes()
        .position(|b| !b.is_ascii_digit() && b != b'.')
        .unwrap_or(rest.len());
    let longer = known + rest[..length].trim_end_matches('.');
    (longer.len() <= MOST_VERSION).then_some(longer)
}

struct System {
    name: String,
    family: String,
    manufacturer: &'static str,
    device: &'static str,
}

impl System {
    fn new(
        name: impl Into<String>,
        family: impl Into<String>,
        manufacturer: &'static str,
        device: &'static str,
    ) -> Self {
        Self {
            name: name.into(),
            family: family.into(),
            manufacturer,
            device,
        }
    }
}

fn system(read: &ReadSystem, device: &str, words: &Words<'_>) -> System {
    let full = read.version();
    let major = read.major.as_deref();
    let is_mobile = words.has("Mobile") || words.has("mobile");
    match &*read.family {
        "Windows Phone" | "Windows Mobile" | "Windows CE" => windows_phone(read, words),
        family if family.starts_with("Windows") => windows(&full, words),
        "Android" => android(major, is_mobile, words),
        "iOS" => ios(read, device, words),
        "BlackBerry OS" => {
            let name = match major {
                Some(major @ ("6" | "7")) if !words.has("BB10") => format!("BlackBerry {major}"),
                _ => "BlackBerryOS".to_owned(),
            };
            System::new(name, "BlackBerryOS", "Research In Motion Limited", "Mobile")
        }
        family if family.starts_with("Symbian") => {
            let name = match major {
                Some(major @ ("6" | "7" | "8" | "9")) => format!("Symbian OS {major}.x"),
                _ => "Symbian OS".to_owned(),
            };
            System::new(name, "Symbian OS", "Symbian Ltd.", "Mobile")
        }
        "Tizen" => {
            let name = match major {
                Some(major) => format!("Tizen {major}"),
                None => "Tizen".to_owned(),
            };
            let is_tv = words.has("SMART-TV") || words.has("SmartTV") || words.has(" TV ");
            let (name, device) = match (is_tv, is_mobile) {
                (true, _) => (name + " (SmartTV)", "Digital media receiver"),
                (false, true) => (name + " (Mobile)", "Mobile"),
                (false, false) => (name, UNKNOWN),
            };
            System::new(name, "Tizen", "Linux Foundation", device)
        }
        OTHER => nameless_system(is_mobile, words),
        family => match SYSTEMS.iter().find(|row| row.0 == family) {
            Some((_, name, family, manufacturer, device)) => {
                System::new(*name, *family, manufacturer, device)
            }
            None => System::new(family, family, OTHER, of_words(is_mobile, words)),
        },
    }
}

/// The type of a device by the words of its user agent.
fn of_words(is_mobile: bool, words: &Words<'_>) -> &'static str {
    match (is_mobile, words.has("Tablet")) {
        (true, _) => "Mobile",
        (false, true) => "Tablet",
        (false, false) => UNKNOWN,
    }
}

fn nameless_system(is_mobile: bool, words: &Words<'_>) -> System {
    for (word, name, manufacturer, device) in [
        (
            "SonyEricsson",
            "Sony Ericsson",
            "Sony Ericsson Mobile Communications AB",
            "Mobile",
        ),
        (
            "PlayStation",
            "Sony Playstation",
            "Sony Computer Entertainment, Inc.",
            "Game console",
        ),
        (
            "PLAYSTATION",
            "Sony Playstation",
            "Sony Computer Entertainment, Inc.",
            "Game console",
        ),
        ("Nintendo Wii", "Nintendo Wii", "Nintendo", "Game console"),
        ("Kindle", "Linux (Kindle)", "Amazon.com, Inc.", "Tablet"),
        ("Roku", "Roku OS", "Roku, Inc.", "Digital media receiver"),
        ("CFNetwork", "Mac OS X", "Apple Inc.", "Computer"),
        ("ggpht.com", "Proxy", OTHER, UNKNOWN),
    ] {
        if words.has(word) {
            return System::new(name, name, manufacturer, device);
        }
    }
    let device = of_words(is_mobile, words);
    let name = match device {
        "Mobile" => "Unknown mobile",
        "Tablet" => "Unknown tablet",
        _ => UNKNOWN,
    };
    System::new(name, name, OTHER, device)
}

fn windows(full: &str, words: &Words<'_>) -> System {
    let (name, device) = match full {
        _ if words.has("Xbox") => ("Xbox OS", "Game console"),
        _ if words.has("Windows CE") => ("Windows Mobile", "Mobile"),
        "Windows 10" | "Windows 8.1" | "Windows 8" | "Windows 7" | "Windows Vista"
        | "Windows 2000" | "Windows XP" | "Windows 98" => (full, "Computer"),
        "Windows RT 8.1" => ("Windows 8.1", "Computer"),
        "Windows RT" => ("Windows 8", "Computer"),
        _ => ("Windows", "Computer"),
    };
    System::new(name, "Windows", "Microsoft Corporation", device)
}

fn windows_phone(read: &ReadSystem, words: &Words<'_>) -> System {
    let name = match (&*read.family, read.major.as_deref(), read.minor.as_deref()) {
        ("Windows Phone", Some("10"), _) => "Windows 10 Mobile",
        ("Windows Phone", Some("8"), Some("1")) => "Windows Phone 8.1",
        ("Windows Phone", Some("8"), _) => "Windows Phone 8",
        ("Windows Phone", Some("7"), _) => "Windows Phone 7",
        _ if words.has("Windows CE") => "Windows Mobile",
        ("Windows Phone", ..) => "Windows",
        _ => "Windows Mobile",
    };
    System::new(name, "Windows", "Microsoft Corporation", "Mobile")
}

fn android(major: Option<&str>, is_mobile: bool, words: &Words<'_>) -> System {
    if words.has("GoogleTV") {
        let name = "Android (Google TV)";
        return System::new(name, name, "Google Inc.", "Digital media receiver");
    }
    let number = major.and_then(|major| major.parse::<u32>().ok());
    let is_tablet = match number {
        Some(0..=2) => false,
        Some(3) => true,
        Some(_) => !is_mobile,
        None => words.has("Tablet"),
    };
    let name = match (number, is_tablet) {
        (Some(number), true) => format!("Android {number}.x Tablet"),
        (Some(number), false) => format!("Android {number}.x"),
        (None, true) => "Android Tablet".to_owned(),
        (None, false) if is_mobile => "Android Mobile".to_owned(),
        (None, false) => "Android".to_owned(),
    };
    let device = if is_tablet { "Tablet" } else { "Mobile" };
    System::new(name, "Android", "Google Inc.", device)
}

fn ios(read: &ReadSystem, device: &str, words: &Words<'_>) -> System {
    if device == "iPod" || words.has("iPod") {
        return System::new("Mac OS X (iPod)", "iOS", "Apple Inc.", "Mobile");
    }
    let is_pad = device.starts_with("iPad") || words.has("iPad");
    let (word, device) = match is_pad {
        true => ("iPad", "Tablet"),
        false => ("iPhone", "Mobile"),
    };
    let number = |part: &Option<String>| part.as_ref().and_then(|part| part.parse::<u32>().ok());
    let name = match (number(&read.major), number(&read.minor)) {
        (Some(8), Some(minor @ 1..=4)) => format!("iOS 8.{minor} ({word})"),
        (Some(major @ 4..), _) if !(is_pad && major < 6) => format!("iOS {major} ({word})"),
        _ => format!("Mac OS X ({word})"),
    };
    System::new(name, "iOS", "Apple Inc.", device)
}

#[cfg(test)]
mod tests;
