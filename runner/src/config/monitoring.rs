//! `monitoring`: tags, the level of the log, and the collector that is told how runs go.

use std::collections::BTreeMap;

use super::problem::Problem;
use super::reader::Reader;
use crate::observer::Level;

/// `monitoring`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoringSettings {
    /// `tags`.
    pub tags: BTreeMap<String, String>,
    /// `logging.level`; `INFO` when it is absent.
    pub level: Level,
    /// `snowplow`; absent: no tracking.
    pub snowplow: Option<SnowplowSettings>,
}

/// `monitoring.snowplow`: where events about runs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnowplowSettings {
    /// `method`.
    pub method: Method,
    /// `collector`: a host name that may carry a path.
    pub collector: String,
    /// `app_id`.
    pub app_id: String,
    /// `protocol`, new in R108: `http` or `https`; `http` when it is absent.
    pub protocol: String,
    /// `port`, new in R108; absent: that of the protocol, or the one that `collector` names.
    pub port: Option<u16>,
}

/// How events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One event in the query string of a GET.
    Get,
    /// In the body of a POST.
    Post,
}

impl Default for MonitoringSettings {
    fn default() -> Self {
        Self {
            tags: BTreeMap::new(),
            level: Level::Info,
            snowplow: None,
        }
    }
}

impl MonitoringSettings {
    /// Reads the block.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let tags = reader.map_of_texts("monitoring.tags");
        let levels = [
            ("DEBUG", Level::Debug),
            ("INFO", Level::Info),
            ("WARN", Level::Warn),
            ("ERROR", Level::Error),
            ("FATAL", Level::Fatal),
            ("UNKNOWN", Level::Fatal),
        ];
        let level = reader.choice("monitoring.logging.level", &levels, false, true);
        Self {
            tags,
            level: level.unwrap_or(Level::Info),
            snowplow: SnowplowSettings::read(reader),
        }
    }
}

impl SnowplowSettings {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let key = |name: &str| format!("monitoring.snowplow.{name}");
        let is_there = reader.has("monitoring.snowplow");
        let methods = [("get", Method::Get), ("post", Method::Post)];
        let method = reader.choice(&key("method"), &methods, is_there, true);
        let text = |reader: &mut Reader<'_>, name: &str| {
            if is_there {
                reader.text(&key(name))
            } else {
                reader.optional_text(&key(name))
            }
        };
        let app_id = text(reader, "app_id");
        let collector = text(reader, "collector");
        if let Some(host) = &collector
            && host.contains("://")
        {
            let line = reader.line(&key("collector"));
            let problem = Problem::new(
                key("collector"),
                "expected the name of a host, found an address with a scheme",
            );
            let hint = "the scheme goes to monitoring.snowplow.protocol, a port to monitoring.snowplow.port";
            reader.problem(problem.at(line).hint(hint));
        }
        let protocols = [("http", "http"), ("https", "https")];
        let protocol = reader.choice(&key("protocol"), &protocols, false, true);
        let port = reader.integer(&key("port"), 1, false);
        let port = match port.map(u16::try_from) {
            None => None,
            Some(Ok(port)) => Some(port),
            Some(Err(_)) => {
                let line = reader.line(&key("port"));
                let text = "expected a port of at most 65535";
                reader.problem(Problem::new(key("port"), text).at(line));
                None
            }
        };
        Some(Self {
            method: method?,
            collector: collector?,
            app_id: app_id?,
            protocol: protocol.unwrap_or("http").to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{problem::lines, yaml};

    fn read(text: &str) -> (MonitoringSettings, String) {
        let (tree, _) = yaml::parse(text).unwrap();
        let unset = BTreeMap::new();
        let mut reader = Reader::new(&tree, &unset);
        let settings = MonitoringSettings::read(&mut reader);
        let mut problems = reader.unknown_keys();
        problems.extend(reader.into_problems());
        (settings, lines(&problems))
    }

    #[test]
    fn blocks_of_both_releases() {
        let (settings, problems) = read(
            "monitoring:\n  tags: {pipeline: main}\n  logging: {level: warn}\n  snowplow: {method: GET, app_id: a, collector: c.acme.com}\n",
        );
        assert_eq!(problems, "");
        assert_eq!(settings.level, Level::Warn);
        let snowplow = settings.snowplow.unwrap();
        assert_eq!((snowplow.protocol.as_str(), snowplow.port), ("http", None));
        let (settings, problems) = read(
            "monitoring:\n  tags: {}\n  snowplow: {method: post, app_id: a, collector: c, protocol: https, port: 443}\n",
        );
        assert_eq!(problems, "");
        assert_eq!(settings.snowplow.unwrap().port, Some(443));
        for text in [
            "monitoring:",
            "monitoring: {snowplow: , tags: , logging: }",
            "x:",
        ] {
            let (settings, problems) = read(text);
            assert!(settings == MonitoringSettings::default(), "{text}");
            assert!(!problems.contains("monitoring"), "{problems}");
        }
    }

    #[test]
    fn mistakes() {
        let (_, problems) = read(
            "monitoring:\n  tags: {a: 1}\n  logging: {level: LOUD}\n  snowplow: {method: put, collector: 'https://c', protocol: ftp, port: 99999}\n",
        );
        for part in [
            "monitoring.tags.a: expected a text, found the number 1 (line 2; put it in quotes: \"1\")",
            "monitoring.logging.level: expected DEBUG, INFO, WARN, ERROR, FATAL or UNKNOWN, found the text 'LOUD' (line 3)",
            "monitoring.snowplow.method: expected get or post, found the text 'put' (line 4)",
            "monitoring.snowplow.app_id: expected a text, found nothing",
            "monitoring.snowplow.collector: expected the name of a host",
            "monitoring.snowplow.protocol: expected http or https, found the text 'ftp' (line 4)",
            "monitoring.snowplow.port: expected a port of at most 65535 (line 4)",
        ] {
            assert!(
                problems.lines().any(|line| line.starts_with(part)),
                "{part}\n{problems}"
            );
        }
        assert_eq!(problems.lines().count(), 7);
    }
}
