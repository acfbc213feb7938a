//! Who watches a run, by its configuration: `failure.json` beside the journal, the collector of `monitoring.snowplow`, and
//! the file of metrics. The log on standard output comes from who began the run.

use engine::store::Location;

use crate::config::Config;
use crate::config::monitoring::Method;
use crate::failure_summary::FailureFile;
use crate::monitoring::log::LogLines;
use crate::monitoring::metrics::MetricsFile;
use crate::monitoring::snowplow::{SendBy, SnowplowTracker, TrackerSettings};
use crate::objects::Objects;
use crate::observer::{Level, Observer, Observers};

/// Adds them. What cannot be set up is said and does not stop the run.
pub(super) fn add(observers: &mut Observers, config: &Config, objects: &Objects) {
    let monitoring = &config.monitoring;
    let log = LogLines::stdout(monitoring.level);
    let store = objects.clone();
    observers.add(FailureFile::new(move |place, content| {
        let place = Location::parse(place).map_err(|error| error.to_string())?;
        store.put(&place, content)
    }));
    if let Some(path) = &config.camonica.metrics_file {
        observers.add(MetricsFile::new(path, log.clone()));
    }
    let Some(snowplow) = &monitoring.snowplow else {
        return;
    };
    let method = match snowplow.method {
        Method::Get => SendBy::Get,
        Method::Post => SendBy::Post,
    };
    let settings = TrackerSettings {
        protocol: Some(snowplow.protocol.clone()),
        port: snowplow.port,
        tags: monitoring.tags.clone(),
        log_level: monitoring.level.name().to_owned(),
        ..TrackerSettings::new(method, &snowplow.collector, &snowplow.app_id)
    };
    match SnowplowTracker::new(settings, log) {
        Ok(tracker) => observers.add(tracker),
        Err(why) => observers.message(Level::Warn, &format!("no events are tracked: {why}")),
    }
}
