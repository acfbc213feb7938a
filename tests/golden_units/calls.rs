//! The table from the reference's functions to ours, and the table of those that are not run.

use engine::adapter::{self, Adapter};
use serde_json::Value;

use crate::tree::{Call, Stop};
use crate::{
    agent_calls as agent, core_calls as core, enrichment_calls as enrichment,
    script_calls as script, service_calls as service, values, webhook_calls as webhook,
};

/// A function of the reference, by one or more of ours.
pub type Function = fn(&mut Call<'_, '_>) -> Result<Value, Stop>;

/// Adapters, by the reference's names. The Google Analytics cases import theirs.
#[rustfmt::skip]
const ADAPTERS: &[(&str, Adapter)] = &[
    ("CallrailAdapter.toRawEvents", adapter::callrail::raw_events),
    ("CloudfrontAccessLogAdapter.WebDistribution.toRawEvents", adapter::cloudfront_access_log::raw_events),
    ("IgluAdapter.toRawEvents", adapter::iglu::raw_events),
    ("MailchimpAdapter.toRawEvents", adapter::mailchimp::raw_events),
    ("MailgunAdapter.toRawEvents", adapter::mailgun::raw_events),
    ("MandrillAdapter.toRawEvents", adapter::mandrill::raw_events),
    ("MarketoAdapter.toRawEvents", adapter::marketo::raw_events),
    ("OlarkAdapter.toRawEvents", adapter::olark::raw_events),
    ("PagerdutyAdapter.toRawEvents", adapter::pagerduty::raw_events),
    ("PingdomAdapter.toRawEvents", adapter::pingdom::raw_events),
    ("RedirectAdapter.toRawEvents", adapter::redirect::raw_events),
    ("SendgridAdapter.toRawEvents", adapter::sendgrid::raw_events),
    ("StatusGatorAdapter.toRawEvents", adapter::status_gator::raw_events),
    ("Tp1Adapter.toRawEvents", adapter::tp1::raw_events),
    ("Tp2Adapter.toRawEvents", adapter::tp2::raw_events),
    ("UnbounceAdapter.toRawEvents", adapter::unbounce::raw_events),
    ("UrbanAirshipAdapter.toRawEvents", adapter::urban_airship::raw_events),
    ("VeroAdapter.toRawEvents", adapter::vero::raw_events),
    ("toRawEvents", adapter::google_analytics::raw_events),
];

/// All other functions, by the reference's names; a method by the type of its value.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, Function)] = &[
    // loaders
    ("CljTomcatLoader.toCollectorPayload", core::clj_tomcat),
    ("CloudfrontLoader.toCollectorPayload", core::cloudfront),
    ("CloudfrontLoader.toTimestamp", core::log_timestamp),
    ("CloudfrontLoader.toCleanUri", core::clean_uri),
    ("ThriftLoader.toCollectorPayload", core::thrift),
    ("TsvLoader.toCollectorPayload", core::tsv),
    ("NdjsonLoader.toCollectorPayload", core::ndjson),
    ("Loader.getLoader", core::collector_format),
    ("new Loader", core::loader),
    ("Loader.parseQuerystring", core::querystring),
    ("IpAddressExtractor.extractIpAddress", core::client_address),
    ("CollectorApi.isIceRequest", core::is_ice_request),
    // parts of adapters
    ("BaseAdapter.toMap", webhook::pairs_as_map),
    ("BaseAdapter.toUnstructEventParams", webhook::unstruct_event),
    ("BaseAdapter.lookupSchema", webhook::schema),
    ("BaseAdapter.rawEventsListProcessor", webhook::all_or_failures),
    ("BaseAdapter.cleanupJsonEventValues", webhook::clean_up),
    ("MailchimpAdapter.toKeys", webhook::mailchimp_path),
    ("MailchimpAdapter.reformatParameters", webhook::mailchimp_reformat),
    ("MandrillAdapter.payloadBodyToEvents", webhook::mandrill_items),
    ("PagerdutyAdapter.payloadBodyToEvents", webhook::pagerduty_messages),
    ("PagerdutyAdapter.reformatParameters", webhook::pagerduty_reformat),
    ("PingdomAdapter.parseJson", webhook::pingdom_event),
    ("PingdomAdapter.reformatParameters", webhook::pingdom_without_action),
    ("breakDownCompField", webhook::composite_field),
    // conversions
    ("ConversionUtils.stringToUri", core::string_to_uri),
    ("ConversionUtils.explodeUri", core::explode_uri),
    ("ConversionUtils.fixTabsNewlines", core::tsv_safe),
    ("ConversionUtils.singleEncodePcts", core::single_encode_pcts),
    ("ConversionUtils.decodeBase64Url", core::decode_base64),
    ("ConversionUtils.validateUuid", core::uuid),
    ("ConversionUtils.stringToDoublelike", core::decimal),
    ("ConversionUtils.stringToJInteger", core::integer),
    ("ConversionUtils.stringToBooleanlikeJByte", core::flag),
    ("JsonUtils.validateAndReformatJson", core::json_field),
    ("JsonPath.query", crate::sql_calls::query),
    ("ScalazJson4sUtils.extract", core::setting),
    ("TargetBean.transform", core::transform),
    // enrichments that always run
    ("EventEnrichments.extractEventType", core::event_name),
    ("EventEnrichments.formatCollectorTstamp", core::collector_tstamp),
    ("EventEnrichments.extractTimestamp", core::timestamp),
    ("EventEnrichments.getDerivedTimestamp", core::derived_tstamp),
    ("MiscEnrichments.extractPlatform", core::platform),
    ("ClientEnrichments.extractViewDimensions", core::dimensions),
    ("PageEnrichments.extractPageUri", core::page_uri),
    ("PageEnrichments.parseCrossDomain", core::cross_domain),
    ("SchemaEnrichment.extractSchema", core::event_schema),
    // SQL query
    ("IntMap", crate::sql_calls::int_map),
    ("Input.buildPlaceholderMap", crate::sql_calls::placeholder_map),
    ("Input.getFromEvent", crate::sql_calls::from_event),
    ("Input.extractFromJson", crate::sql_calls::from_json),
    ("java.lang.Long.MAX_VALUE.-", crate::sql_calls::long_max_minus),
    ("JsonOutput.getValue", crate::sql_calls::value),
    ("new Date", crate::sql_calls::date),
    ("DateTime", crate::sql_calls::date_time),
    ("DateTime.toString", crate::sql_calls::date_time_text),
    ("SqlQueryEnrichmentConfig.parse", crate::sql_calls::parse),
    ("SqlQueryEnrichment.lookup", crate::sql_calls::lookup),
    // enrichments that look things up in files, or nowhere
    ("AnonIpEnrichment.anonymizeIp", enrichment::anonymize),
    ("AnonIpEnrichment.parse", enrichment::anon_ip),
    ("CampaignAttributionEnrichment.extractMarketingFields", enrichment::marketing_fields),
    ("CampaignAttributionEnrichment.parse", enrichment::campaign_attribution),
    ("CookieExtractorEnrichment.extract", enrichment::cookies),
    ("CookieExtractorEnrichmentConfig.parse", enrichment::cookie_extractor),
    ("EventFingerprintEnrichment.algorithm", enrichment::fingerprint_hash),
    ("EventFingerprintEnrichment.getEventFingerprint", enrichment::fingerprint),
    ("EventFingerprintEnrichmentConfig.parse", enrichment::event_fingerprint),
    ("HttpHeaderExtractorEnrichment.extract", enrichment::headers),
    ("IabEnrichment.performCheck", enrichment::iab_check),
    ("IabEnrichment.getIabContext", enrichment::iab_context),
    ("IabEnrichment.parse", enrichment::iab),
    ("IpLookupsEnrichment.extractIpInformation", enrichment::ip_information),
    ("IpLookupsEnrichment.dbsToCache", enrichment::databases_to_fetch),
    ("DateTime.now", enrichment::now),
    // scripts and pseudonymisation
    ("JavascriptScriptEnrichment.compile", script::compile),
    ("JavascriptScriptEnrichment.process", script::process),
    ("EtlPipeline.processEvents", script::process_events),
    // enrichments that ask web services
    ("ApiRequestEnrichmentConfig.parse", service::api_request),
    ("ApiRequestEnrichment.lookup", service::look_up),
    ("HttpApi.buildUrl", service::url),
    ("Input.buildTemplateContext", service::template_context),
    ("Output.extract", service::extract),
    ("Output.parse", service::parse),
    ("Output.describeJson", service::describe_function),
    ("Output.describe", service::describe),
    ("CurrencyConversionEnrichment.convertCurrencies", service::amounts),
    ("CurrencyConversionEnrichmentConfig.parse", service::currency),
    ("WeatherEnrichment.getWeatherContext", service::weather_context),
    ("WeatherEnrichmentConfig.parse", service::weather),
    ("sys.env.get", service::key),
    ("toEither", service::itself),
    // user agents and referrers
    ("UserAgentUtilsEnrichment.extractClientAttributes", agent::client_attributes),
    ("UaParserEnrichmentConfig.parse", agent::ua_parser_config),
    ("UaParserEnrichment.extractUserAgent", agent::ua_parser_context),
    ("RefererParserEnrichment.parse", agent::referer_config),
    ("RefererParserEnrichment.extractRefererDetails", agent::referer),
    // shredder
    ("Shredder.makePartialHierarchy", core::partial_hierarchy),
    ("TypeHierarchy.toJsonNode", core::hierarchy_json),
];

/// Functions that are not run: nothing of ours could be compared with them, and why.
#[rustfmt::skip]
const NOT_RUN: &[(&str, &str)] = &[
    ("MiscEnrichments.etlVersion", "v_etl is an option of the job, not put together"),
    ("MiscEnrichments.identity", "no column takes a value as it is"),
    ("MailchimpAdapter.toJFields", "nested objects are built at once, not merged from one for each parameter"),
    ("MailchimpAdapter.mergeJFields", "nested objects are built at once, not merged from one for each parameter"),
    ("eventTypeMap.values.toSet.diff", "every column has one of four kinds, and each has a type of placeholder"),
    ("Cache.get", "the cases do not say what was put into the cache before"),
];

/// What of ours stands for a function of the reference.
#[derive(Clone, Copy)]
pub enum Ours {
    Adapter(Adapter),
    Function(Function),
}

impl Ours {
    pub fn apply(self, call: &mut Call<'_, '_>) -> Result<Value, Stop> {
        match self {
            Self::Adapter(adapter) => {
                let payload = values::payload(call.arg(0));
                Ok(values::raw_events(adapter(payload, call.resolver())))
            }
            Self::Function(function) => function(call),
        }
    }
}

/// Looks a function of the reference up.
pub fn ours(name: &str) -> Option<Ours> {
    let adapter = ADAPTERS.iter().find(|(known, _)| *known == name);
    let function = FUNCTIONS.iter().find(|(known, _)| *known == name);
    adapter
        .map(|(_, adapter)| Ours::Adapter(*adapter))
        .or(function.map(|(_, function)| Ours::Function(*function)))
}

/// Why a function of the reference is not run, if it is not.
pub fn not_run(name: &str) -> Option<&'static str> {
    let (_, reason) = NOT_RUN.iter().find(|(known, _)| *known == name)?;
    Some(reason)
}
