//! What every collector format is turned into: one request to a collector.

/// One request as a collector recorded it, independent of the format of the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CollectorPayload {
    /// Which adapter is meant.
    pub api: CollectorApi,
    /// Name-value pairs of the query string, decoded, in order; a name without `=` has no value.
    pub querystring: Vec<(String, Option<String>)>,
    /// Content type of the body, as recorded.
    pub content_type: Option<String>,
    /// Body of the request.
    pub body: Option<String>,
    /// The collector.
    pub source: CollectorSource,
    /// The circumstances of the request.
    pub context: CollectorContext,
}

/// Vendor and version of the request path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectorApi {
    /// First path segment, e.g. `com.snowplowanalytics.snowplow`.
    pub vendor: String,
    /// Second path segment, e.g. `tp2`.
    pub version: String,
}

/// The collector that recorded a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectorSource {
    /// Name and version, e.g. `ssc-0.13.0-kinesis`.
    pub name: String,
    /// Encoding of the recorded texts, normally `UTF-8`.
    pub encoding: String,
    /// Host name of the collector.
    pub hostname: Option<String>,
}

/// The circumstances of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectorContext {
    /// Time of the request, milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Address of the client.
    pub ip_address: Option<String>,
    /// User agent, possibly still percent-encoded.
    pub useragent: Option<String>,
    /// Referer header.
    pub referer: Option<String>,
    /// Headers as `Name: value`.
    pub headers: Vec<String>,
    /// The collector's cookie id.
    pub user_id: Option<String>,
}
