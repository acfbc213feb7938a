//! Enrichment `api_request_enrichment_config`: asks a web service about the event and attaches what it answers.
//!
//! In: values of columns and of self-describing JSONs, put into a template of an address. Out: one context for each
//! configured output, or failure texts. Keeps `ApiRequestEnrichment.scala` and its companions (scala-common-enrich 0.34.0);
//! an address is asked once as long as the cache holds its answer or its failure.
//!
//! Different from the reference on purpose: the configured `timeout`, which it ignores, limits the whole request (it waits
//! 1 s for a connection and 5 s for each piece, always); bodies of more than
//! [`MOST_BODY_BYTES`](super::http::MOST_BODY_BYTES) are failures.

mod output;
mod settings;
mod template;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::HeaderValue;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::Environment;
use super::failures::{FailureStep, Interrupt};
use super::http::{self, Http, Redirects, Timeouts};
use super::input::{self, Input};
use super::lookup::{Answer, Ask, CacheSettings, CacheStatistics, Service};
use super::registry::{Enrichment, Stage};
use crate::json::Value;
pub use output::{Output, parse};
pub use settings::{HttpBasic, Settings};
pub use template::{Template, url_encode};

/// Requests at the same time. The reference makes one for each core of the cluster.
const CONCURRENCY: usize = 32;

/// The reference's limit for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The contexts that an answer becomes, or the text of the failure.
type Contexts = Arc<Result<Vec<Value<'static>>, String>>;

/// The enrichment.
#[derive(Debug)]
pub struct ApiRequest {
    inputs: Vec<Input>,
    template: Template,
    service: Service<Contexts>,
}

impl ApiRequest {
    /// The enrichment with these settings.
    pub fn new(settings: Settings) -> Self {
        let timeout = Duration::from_millis(u64::from(settings.timeout_ms));
        let api = Api {
            http: Arc::new(Http::new(
                Timeouts {
                    connect: CONNECT_TIMEOUT.min(timeout),
                    read: None,
                    total: timeout,
                },
                Redirects::AreAnswers,
            )),
            method: settings.method,
            authorization: settings.authentication.and_then(HttpBasic::into_header),
            outputs: settings.outputs.into(),
        };
        let cache = CacheSettings {
            size: settings.cache_size,
            ttl: (settings.cache_ttl_s > 0)
                .then(|| Duration::from_secs(u64::from(settings.cache_ttl_s))),
        };
        Self {
            template: Template::new(&settings.uri, settings.inputs.iter().map(|i| &*i.key)),
            inputs: settings.inputs,
            service: Service::new(cache, CONCURRENCY, Box::new(api)),
        }
    }

    /// The contexts of an event, or the texts of its failure.
    ///
    /// # Errors
    /// `Pending` where the service has to be asked first.
    pub fn contexts(
        &self,
        draft: &Draft<'_>,
    ) -> Result<Result<Vec<Value<'static>>, Vec<String>>, Interrupt> {
        let values = match input::values(&self.inputs, draft) {
            Ok(Some(values)) => values,
            Ok(None) => return Ok(Ok(Vec::new())),
            Err(texts) => return Ok(Err(texts)),
        };
        let Some(url) = self.template.fill(&values) else {
            return Ok(Ok(Vec::new()));
        };
        let answer = self.service.look_up(draft, &url)?;
        Ok(match &*answer {
            Ok(contexts) => Ok(contexts.clone()),
            Err(text) => Err(vec![text.clone()]),
        })
    }
}

impl Enrichment for ApiRequest {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        match self.contexts(draft)? {
            Ok(contexts) => {
                for context in contexts {
                    draft.derived_contexts.push(Stage::ApiRequest, context);
                }
            }
            Err(texts) => {
                for text in texts {
                    draft.failures.push(FailureStep::ApiRequest, text);
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
    _environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    Ok(Box::new(ApiRequest::new(Settings::of(config)?)))
}

/// The service: a question is an address.
struct Api {
    http: Arc<Http>,
    method: Method,
    authorization: Option<HeaderValue>,
    outputs: Arc<[Output]>,
}

impl Ask<Contexts> for Api {
    fn ask(&self, url: String) -> BoxFuture<'static, Answer<Contexts>> {
        let http = Arc::clone(&self.http);
        let outputs = Arc::clone(&self.outputs);
        let (method, authorization) = (self.method.clone(), self.authorization.clone());
        async move {
            let answered = http.send(method, &url, authorization.as_ref()).await;
            let body = match answered {
                Ok(answered) if answered.is_success() => Ok(answered.body),
                Ok(answered) => Err(format!(
                    "java.lang.Exception: Request failed with status {} and body {}",
                    answered.status,
                    http::shown(&answered.body)
                )),
                Err(problem) => Err(problem.text()),
            };
            Answer {
                value: Arc::new(output::contexts(&outputs, body)),
                // the reference keeps failures as well
                keep: true,
            }
        }
        .boxed()
    }

    fn is_error(&self, value: &Contexts) -> bool {
        value.is_err()
    }

    fn weigh(&self, value: &Contexts) -> usize {
        match &**value {
            Ok(contexts) => contexts.iter().map(weight).sum(),
            Err(text) => text.len(),
        }
    }
}

/// About how many bytes of memory a value takes.
fn weight(value: &Value<'_>) -> usize {
    const NODE: usize = size_of::<Value<'_>>();
    NODE + match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.token.len(),
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => {
            let sizes = members
                .iter()
                .map(|(key, member)| NODE + key.len() + weight(member));
            sizes.sum()
        }
    }
}

#[cfg(test)]
mod tests;
