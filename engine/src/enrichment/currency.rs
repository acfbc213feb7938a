//! Enrichment `currency_conversion_config`: amounts of transactions and items in the operator's own currency, by the day's
//! rates of Open Exchange Rates.
//!
//! In: `tr_currency` with `tr_total`, `tr_tax` and `tr_shipping`, `ti_currency` with `ti_price`, and the collector's time.
//! Out: `base_currency` (always), and the four `..._base` columns if all conversions succeeded. Keeps
//! `CurrencyConversionEnrichment.scala` (scala-common-enrich 0.34.0) and scala-forex 0.5.0: the arithmetic is exact, and
//! rounded where those round, half to even.
//!
//! Different from the reference on purpose:
//! * it keeps rates by pairs of currencies and asks twice for each; here one request brings all rates of a day, and they
//!   are kept together. The rates are the same. As there, a failure is not kept: other chunks ask again;
//! * it sets no time-outs: [`TIMEOUTS`];
//! * the key travels by https. Where only http is possible, set `CAMONICA_OPEN_EXCHANGE_RATES` to
//!   `http://openexchangerates.org`; it takes any other address of a service with the same answers too.

mod codes;
mod decimal;
mod rates;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Method;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt};
use super::http::{Http, Redirects, Timeouts};
use super::lookup::{Answer, Ask, CacheSettings, CacheStatistics, Service};
use super::registry::Enrichment;
use crate::event::Field;
use crate::text::time::{MILLIS_PER_DAY, civil_from_days, format_iso_millis};
use codes::decimals;
use decimal::Decimal;
use rates::{DayRates, Failure};

/// Requests at the same time.
const CONCURRENCY: usize = 2;

/// Days whose rates are kept: the reference keeps 405,900 pairs, which are 165 currencies on so many days.
const DAYS: usize = 2460;

/// How long the service may take. The reference waits for ever.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    read: Some(Duration::from_secs(10)),
    total: Duration::from_secs(30),
};

/// The service's public address.
const ADDRESS: &str = "https://openexchangerates.org";

/// Names another address of the service.
pub const ADDRESS_VARIABLE: &str = "CAMONICA_OPEN_EXCHANGE_RATES";

/// The service has no earlier rates: 1999-01-01, milliseconds since the epoch.
const FIRST_DAY_MS: i64 = 915_148_800_000;

/// The currency that the service's rates are of.
const USD: &str = "USD";

/// `parameters` of the configuration. `rateAt` has no effect, as in the reference.
#[derive(Clone)]
pub struct Settings {
    /// Key of the service.
    pub api_key: String,
    /// Whether the account may choose the base of its rates (ENTERPRISE and UNLIMITED).
    pub chooses_base: bool,
    /// ISO 4217 code of the operator's own currency.
    pub base_currency: String,
}

/// Does not show the key.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("base_currency", &self.base_currency)
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
        let text = |name| config.text(&["parameters", name]);
        let (api_key, base_currency) = (text("apiKey")?, text("baseCurrency")?);
        let chooses_base = match text("accountType")? {
            "DEVELOPER" => false,
            "ENTERPRISE" | "UNLIMITED" => true,
            other => {
                return Err(format!(
                    "accountType [{other}] is not one of DEVELOPER, ENTERPRISE, and UNLIMITED"
                ));
            }
        };
        text("rateAt")?;
        Ok(Self {
            api_key: api_key.to_owned(),
            chooses_base,
            base_currency: base_currency.to_owned(),
        })
    }
}

/// The answer for a day.
type Day = Arc<Result<DayRates, Failure>>;

/// The enrichment.
#[derive(Debug)]
pub struct CurrencyConversion {
    base_currency: String,
    service: Service<Day>,
}

/// An exception that ends the conversion of all four amounts with one text.
struct Exception(String);

/// One amount: converted, or the text of its failure.
type Converted = Result<String, String>;

impl CurrencyConversion {
    /// The enrichment with these settings. `address` is that of the service, without a path; `None`: that of the
    /// environment variable [`ADDRESS_VARIABLE`], or the public one.
    pub fn new(settings: Settings, address: Option<&str>) -> Self {
        let variable = || std::env::var(ADDRESS_VARIABLE).ok();
        let address = address
            .map(str::to_owned)
            .or_else(variable)
            .filter(|address| !address.is_empty());
        let address = address.as_deref().unwrap_or(ADDRESS).trim_end_matches('/');
        let base = if settings.chooses_base {
            "&base=USD"
        } else {
            ""
        };
        let cache = CacheSettings {
            size: DAYS,
            ttl: None,
        };
        let service = OpenExchangeRates {
            http: Arc::new(Http::new(TIMEOUTS, Redirects::AreFollowed)),
            address: format!("{address}/api/historical/"),
            query: format!(".json?app_id={}{base}", settings.api_key),
        };
        Self {
            base_currency: settings.base_currency,
            service: Service::new(cache, CONCURRENCY, Box::new(service)),
        }
    }

    /// Total, tax, shipping and price of an event in the base currency, or the failure texts in the same order.
    ///
    /// # Errors
    /// `Pending` where the service has to be asked first.
    pub fn amounts(
        &self,
        draft: &Draft<'_>,
    ) -> Result<Result<[Option<String>; 4], Vec<String>>, Interrupt> {
        let Some(collector_ms) = draft.times.collector else {
            return Ok(Err(vec!["Collector timestamp missing".to_owned()]));
        };
        let day_ms = collector_ms - collector_ms.rem_euclid(MILLIS_PER_DAY);
        let pairs = [
            (Field::TrCurrency, Field::TrTotal),
            (Field::TiCurrency, Field::TiPrice),
            (Field::TrCurrency, Field::TrTax),
            (Field::TrCurrency, Field::TrShipping),
        ];
        let pairs =
            pairs.map(|(currency, amount)| draft.event.get(currency).zip(draft.event.get(amount)));
        if pairs.iter().all(Option::is_none) {
            return Ok(Ok(Default::default()));
        }
        let rates = self.rates(draft, day_ms)?;
        // the order in which the reference converts, which tells which exception is the first
        let mut converted = [const { None }; 4];
        for (slot, pair) in converted.iter_mut().zip(pairs) {
            let Some((currency, amount)) = pair else {
                continue;
            };
            match self.convert(&rates, currency, amount) {
                Ok(result) => *slot = Some(result),
                Err(Exception(text)) => return Ok(Err(vec![text])),
            }
        }
        let [total, price, tax, shipping] = converted;
        let mut failures = Vec::new();
        let amounts = [total, tax, shipping, price].map(|result| match result? {
            Ok(amount) => Some(amount),
            Err(text) => {
                failures.push(text);
                None
            }
        });
        Ok(if failures.is_empty() {
            Ok(amounts)
        } else {
            Err(failures)
        })
    }

    /// The rates of a day.
    fn rates(&self, draft: &Draft<'_>, day_ms: i64) -> Result<Day, Interrupt> {
        if day_ms < FIRST_DAY_MS || day_ms > now_ms() {
            return Ok(Arc::new(Err(Failure::Refused {
                kind: "ResourcesNotAvailable",
                message: format!(
                    "Exchange rate unavailable on the date [{}] ",
                    format_iso_millis(day_ms)
                ),
            })));
        }
        let date = civil_from_days(day_ms / MILLIS_PER_DAY);
        let question = format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
        self.service.look_up(draft, &question)
    }

    /// Converts one amount.
    fn convert(&self, rates: &Day, from: &str, amount: &str) -> Result<Converted, Exception> {
        let to = self.base_currency.as_str();
        // the text names the first code for the second one too
        let unknown = |code: &str| {
            if decimals(code).is_some() {
                String::new()
            } else {
                format!("Currency [{from}] is not supported by Joda money ")
            }
        };
        let unknown = unknown(from) + &unknown(to);
        let failed = |kind: &str, message: &str| {
            Ok(Err(format!(
                "Open Exchange Rates error, type: [{kind}], message: [{message}]"
            )))
        };
        let unexpected = |text: &str| {
            Exception(format!(
                "Unexpected exception converting currency: [{text}]"
            ))
        };
        let amount = amount.parse::<f64>().ok().and_then(Decimal::of_double);
        let amount =
            amount.ok_or_else(|| unexpected("java.lang.NumberFormatException: Infinite or NaN"))?;
        let rates = match &**rates {
            Ok(rates) => rates,
            Err(Failure::Refused { kind, message }) => {
                return failed(kind, &format!("{unknown}{message}"));
            }
            Err(Failure::NoSuchElement) => {
                return Err(Exception(format!(
                    "Base currency [{to}] not supported: [java.util.NoSuchElementException]"
                )));
            }
            Err(Failure::UnknownHost(host)) => {
                return Err(Exception(format!(
                    "Could not connect to Open Exchange Rates: [java.net.UnknownHostException: {host}]"
                )));
            }
            Err(Failure::Exception(text)) => return Err(unexpected(text)),
        };
        let Some(of_from) = rates.get(from) else {
            let message = format!("{unknown}Currency not found in the API, invalid currency ");
            return failed("IllegalCurrency", &message);
        };
        let Some(of_to) = rates.get(to) else {
            return Err(Exception(format!(
                "Base currency [{to}] not supported: [java.util.NoSuchElementException: Either.left.value on Right]"
            )));
        };
        let rate = if from == USD {
            of_to.clone()
        } else {
            let inverse = of_from
                .inverse()
                .ok_or_else(|| unexpected("java.lang.ArithmeticException: / by zero"))?;
            inverse.times(of_to)
        };
        match decimals(to) {
            Some(decimals) if unknown.is_empty() => {
                let product = if from == to {
                    amount
                } else {
                    amount.times(&rate)
                };
                Ok(Ok(product.rounded(decimals)))
            }
            _ => {
                let message =
                    format!("The exchange rate of [{from}]:[{to}] is {rate}. However, {unknown}");
                failed("IllegalCurrency", &message)
            }
        }
    }
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

impl Enrichment for CurrencyConversion {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        draft.event.set(Field::BaseCurrency, &self.base_currency);
        match self.amounts(draft)? {
            Ok(amounts) => {
                let columns = [
                    Field::TrTotalBase,
                    Field::TrTaxBase,
                    Field::TrShippingBase,
                    Field::TiPriceBase,
                ];
                for (column, amount) in columns.into_iter().zip(amounts) {
                    draft.event.set_or_clear(column, amount.as_deref());
                }
            }
            Err(texts) => {
                for text in texts {
                    draft.failures.push(FailureStep::CurrencyConversion, text);
                }
            }
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
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let address = environment.open_exchange_rates.as_deref();
    Ok(Box::new(CurrencyConversion::new(
        Settings::of(config)?,
        address,
    )))
}

/// The service: a question is a day, `2012-05-27`.
struct OpenExchangeRates {
    http: Arc<Http>,
    /// Up to the day.
    address: String,
    /// Behind the day.
    query: String,
}

impl Ask<Day> for OpenExchangeRates {
    fn ask(&self, day: String) -> BoxFuture<'static, Answer<Day>> {
        let http = Arc::clone(&self.http);
        let url = format!("{}{day}{}", self.address, self.query);
        async move {
            let value = match http.send(Method::GET, &url, None).await {
                Ok(answered) => rates::read(answered.status, &answered.body),
                Err(problem) => Err(problem.into()),
            };
            Answer {
                keep: value.is_ok(),
                value: Arc::new(value),
            }
        }
        .boxed()
    }

    fn is_error(&self, value: &Day) -> bool {
        value.is_err()
    }

    fn weigh(&self, value: &Day) -> usize {
        value.as_ref().as_ref().map_or(0, DayRates::bytes)
    }
}

#[cfg(test)]
mod tests;
