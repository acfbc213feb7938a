//! Enrichment `weather_enrichment_config`: the weather at the event's place and time, from OpenWeatherMap's history.
//!
//! In: columns `geo_latitude`, `geo_longitude`, `derived_tstamp`. Out: context `org.openweathermap/weather`, or a failure
//! text; an event without place or time fails. Keeps `WeatherEnrichment.scala` (scala-common-enrich 0.34.0) and
//! scala-weather 0.3.0: one request brings a whole day of a place, and the cache holds days by rounded places; a stored
//! error is given again, but for time-outs and exceptions of the network, which are asked anew (after the chunk).
//!
//! A day's answer is that to the first event of its rounded place, whose coordinates are sent as they are.

mod history;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Method;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt};
use super::http::{self, Http, Problem, Redirects, Timeouts};
use super::lookup::{Answer, Ask, CacheSettings, CacheStatistics, Service};
use super::registry::{Enrichment, Stage};
use crate::event::Field;
use crate::json::{self, Value};
use crate::text::java_number::float_to_string;
use crate::text::joda::parse_tstamp;
use crate::text::time::format_iso_millis;
use history::History;

const SCHEMA: &str = "iglu:org.openweathermap/weather/jsonschema/1-0-0";

/// Requests at the same time.
const CONCURRENCY: usize = 8;

/// The limits of the reference's HTTP client, beside the configured one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(5);

const DAY_S: i32 = 86_400;

/// `parameters` of the configuration.
#[derive(Clone)]
pub struct Settings {
    /// Key of the service.
    pub api_key: String,
    /// Days of places that are kept.
    pub cache_size: usize,
    /// Into how many parts a degree is cut.
    pub geo_precision: i32,
    /// Host, with or without port.
    pub api_host: String,
    /// For one request, seconds.
    pub timeout_s: u32,
}

/// Does not show the key.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("api_host", &self.api_host)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The reference's texts for what its schema let pass.
    pub fn of(config: &EnrichmentConfig) -> Result<Self, Vec<String>> {
        Self::read(config).map_err(|text| vec![text])
    }

    fn read(config: &EnrichmentConfig) -> Result<Self, String> {
        let parameter = |name| ["parameters", name];
        let positive = |name| -> Result<u32, String> {
            let number = config.integer(&parameter(name))?;
            let number = u32::try_from(number).ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("{name} must be greater than zero"))
        };
        Ok(Self {
            api_key: config.text(&parameter("apiKey"))?.to_owned(),
            cache_size: positive("cacheSize")? as usize,
            geo_precision: positive("geoPrecision")?.cast_signed(),
            api_host: config.text(&parameter("apiHost"))?.to_owned(),
            timeout_s: positive("timeout")?,
        })
    }
}

/// The answer for a day and place, or the failure text.
type Day = Arc<Result<History, String>>;

/// The enrichment.
#[derive(Debug)]
pub struct Weather {
    geo_precision: i32,
    service: Service<Day>,
}

impl Weather {
    /// The enrichment with these settings.
    pub fn new(settings: Settings) -> Self {
        let cache = CacheSettings {
            size: settings.cache_size,
            ttl: None,
        };
        let total = Duration::from_secs(u64::from(settings.timeout_s));
        let timeouts = Timeouts {
            connect: CONNECT_TIMEOUT,
            read: Some(READ_TIMEOUT),
            total,
        };
        Self {
            geo_precision: settings.geo_precision,
            service: Service::new(
                cache,
                CONCURRENCY,
                Box::new(OpenWeatherMap {
                    http: Arc::new(Http::new(timeouts, Redirects::AreAnswers)),
                    address: format!("http://{}/data/2.5/history/city", settings.api_host),
                    api_key: settings.api_key,
                    timeout_s: settings.timeout_s,
                }),
            ),
        }
    }

    /// The context of an event, or the text of its failure.
    ///
    /// # Errors
    /// `Pending` where the service has to be asked first.
    pub fn context(&self, draft: &Draft<'_>) -> Result<Result<Value<'static>, String>, Interrupt> {
        let coordinate = |field| {
            let text = draft.event.get(field)?;
            text.parse::<f32>().ok()
        };
        let latitude = coordinate(Field::GeoLatitude);
        let longitude = coordinate(Field::GeoLongitude);
        let millis = draft.event.get(Field::DerivedTstamp).and_then(parse_tstamp);
        let (Some(latitude), Some(longitude), Some(millis)) = (latitude, longitude, millis) else {
            return Ok(Err(missing(latitude, longitude, millis)));
        };
        // seconds in 32 bits, as the reference cuts them
        let seconds = (millis / 1000) as i32;
        let day = seconds.wrapping_sub(seconds.rem_euclid(DAY_S));
        let rounded = |coordinate| round(coordinate, self.geo_precision);
        let key = format!("{day} {} {}", rounded(latitude), rounded(longitude));
        let question = format!(
            "lat={}&lon={}&start={day}&end={}&cnt=24",
            float_to_string(latitude),
            float_to_string(longitude),
            day.wrapping_add(DAY_S)
        );
        let answer = self.service.look_up_as(draft, &key, &question)?;
        let stamp = match &*answer {
            Ok(history) => history.nearest(seconds),
            Err(text) => Err(text.clone()),
        };
        Ok(stamp.map(|data| Value::object([("schema", Value::string(SCHEMA)), ("data", data)])))
    }
}

/// The text of an event without place or time.
fn missing(latitude: Option<f32>, longitude: Option<f32>, millis: Option<i64>) -> String {
    let option = |value: Option<String>| value.map_or("None".to_owned(), |v| format!("Some({v})"));
    format!(
        "One of required event fields missing. latitude: {}, longitude: {}, tstamp: {}",
        option(latitude.map(float_to_string)),
        option(longitude.map(float_to_string)),
        option(millis.map(format_iso_millis))
    )
}

/// A coordinate, cut into parts of a degree and then to one decimal, both half up.
fn round(coordinate: f32, precision: i32) -> f32 {
    let parts = f64::from(coordinate * precision as f32);
    let part = (parts + 0.5).floor() as f32 / precision as f32;
    ((f64::from(part) * 10.0).round() / 10.0) as f32
}

impl Enrichment for Weather {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let context = self.context(draft)?;
        if let Some(context) = draft.failures.keep(FailureStep::Weather, context) {
            draft.derived_contexts.push(Stage::Weather, context);
        }
        Ok(())
    }

    fn cache(&self) -> Option<CacheStatistics> {
        Some(self.service.statistics())
    }
}

/// Makes the enrichment from its configuration.
///
/// # Errors
/// The reference's texts, where the configuration passed its schema and is wrong all the same.
pub fn build(
    config: &EnrichmentConfig,
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    Ok(Box::new(Weather::new(Settings::of(config)?)))
}

/// The service: a question is a query without the key.
struct OpenWeatherMap {
    http: Arc<Http>,
    address: String,
    api_key: String,
    timeout_s: u32,
}

impl Ask<Day> for OpenWeatherMap {
    fn ask(&self, question: String) -> BoxFuture<'static, Answer<Day>> {
        let http = Arc::clone(&self.http);
        let url = format!("{}?{question}&appid={}", self.address, self.api_key);
        let timeout_s = self.timeout_s;
        async move {
            let (value, keep) = match http.send(Method::GET, &url, None).await {
                Ok(answered) => (read(answered.status, &answered.body), true),
                Err(Problem::TimedOut) => {
                    let text = format!(
                        "OpenWeatherMap TimeoutError OpenWeatherMap Error: server didn't responded in {timeout_s} seconds. Timeout"
                    );
                    (Err(text), false)
                }
                Err(problem) => (Err(problem.text()), false),
            };
            Answer {
                value: Arc::new(value),
                keep,
            }
        }
        .boxed()
    }

    fn is_error(&self, value: &Day) -> bool {
        value.is_err()
    }

    fn weigh(&self, value: &Day) -> usize {
        match &**value {
            Ok(history) => history.bytes(),
            Err(text) => text.len(),
        }
    }
}

/// What an answer says.
fn read(status: u16, body: &str) -> Result<History, String> {
    match status {
        200..300 => {}
        401 => return Err("OpenWeatherMap AuthorizationError$ Check your API key".to_owned()),
        _ => {
            return Err(format!(
                "OpenWeatherMap HTTPError Request failed with status {status}"
            ));
        }
    }
    let answer = json::parse(body).ok().flatten().ok_or_else(|| {
        format!(
            "OpenWeatherMap ParseError OpenWeatherMap Error: string [{}] doesn't contain JSON",
            http::shown(body)
        )
    })?;
    History::of(&answer, body.len()).ok_or_else(|| {
        match answer.get("message").and_then(Value::as_str) {
            Some(message) => format!("OpenWeatherMap ErrorResponse {}", http::shown(message)),
            None => format!(
                "OpenWeatherMap ParseError Could not extract com.snowplowanalytics.weather.providers.openweather.Responses$History from {}",
                http::shown(&answer.to_compact())
            ),
        }
    })
}

#[cfg(test)]
mod tests;
