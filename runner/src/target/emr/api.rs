//! The calls of EMR that the runner makes: `RunJobFlow`, `ListClusters`, `DescribeCluster`, `ListSteps` (all pages),
//! `TerminateJobFlows`, `DescribeSecurityConfiguration`.
//!
//! A call that throttling, a 5xx, a broken connection, a time-out or expired credentials have met is made again, with
//! exponential back-off and jitter, until the limit of time; the reference died of half of these (issues #3468, #3539, #3949,
//! #4049). Expired credentials are read anew before the next try. `RunJobFlow` starts machines, so it is never just repeated:
//! when its answer was lost, the cluster is looked for by the tag of the attempt first.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::Region;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_emr::Client;
use aws_sdk_emr::config::http::HttpResponse;
use aws_sdk_emr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_emr::primitives::DateTime;

use super::flow::{ATTEMPT_TAG, JobFlow, region};
use super::request;
use crate::aws::refusal::{Refusal, Retry};
use crate::aws::{Aws, AwsSettings};
use crate::backoff::{Backoff, SystemClock};
use crate::config::Config;
use crate::config::emr::EmrSettings;

/// Codes that credentials which were good once are answered with.
const EXPIRED: [&str; 5] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "CredentialsExpired",
];

/// How long the state of a cluster is asked for in vain before the runner leaves it to `resume`.
const WATCHING: Duration = Duration::from_secs(3600);
/// Looks for the cluster of a lost answer before another one is asked for: lists may lag behind.
const LOOKS_FOR_LOST: u32 = 4;

/// How a cluster stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// `j-...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `STARTING`, `BOOTSTRAPPING`, `RUNNING`, `WAITING`, `TERMINATING`, `TERMINATED`, `TERMINATED_WITH_ERRORS`.
    pub state: String,
    /// Code of the reason, such as `BOOTSTRAP_FAILURE`.
    pub reason: String,
    /// Text of the reason.
    pub message: String,
    /// When it was ready, milliseconds since the epoch.
    pub ready_ms: Option<i64>,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: Option<i64>,
    /// The tag of the attempt.
    pub attempt: Option<String>,
}

impl ClusterView {
    /// Whether nothing runs on it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "TERMINATED" | "TERMINATED_WITH_ERRORS")
    }

    /// Whether it is over, or about to be.
    pub fn is_ending(&self) -> bool {
        self.is_over() || self.state == "TERMINATING"
    }
}

/// How a step stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterStepView {
    /// `s-...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `PENDING`, `CANCEL_PENDING`, `RUNNING`, `COMPLETED`, `CANCELLED`, `FAILED`, `INTERRUPTED`.
    pub state: String,
    /// Why it stands so.
    pub reason: String,
    /// When it was begun, milliseconds since the epoch.
    pub started_ms: Option<i64>,
    /// When it ended, milliseconds since the epoch.
    pub ended_ms: Option<i64>,
}

impl ClusterStepView {
    /// Whether it may still do something.
    pub fn is_open(&self) -> bool {
        matches!(
            self.state.as_str(),
            "PENDING" | "RUNNING" | "CANCEL_PENDING"
        )
    }

    /// Whether it ended otherwise than well.
    pub fn is_broken(&self) -> bool {
        matches!(self.state.as_str(), "FAILED" | "CANCELLED" | "INTERRUPTED")
    }
}

/// Where and how long EMR is asked.
#[derive(Debug, Clone)]
pub struct EmrAccess {
    /// How AWS is reached.
    pub aws: AwsSettings,
    /// Region of the API.
    pub region: String,
    /// `camonica.emr_endpoint`.
    pub endpoint: Option<String>,
    /// How long a call that changes something is tried.
    pub patience: Backoff,
    /// How long the state of a cluster is asked for: it goes on meanwhile.
    pub watching: Backoff,
}

/// The client of EMR.
pub struct EmrApi {
    access: EmrAccess,
    /// Set when the state of a cluster is not to be asked for again.
    stop: Arc<AtomicBool>,
    aws: Mutex<(Aws, Client)>,
}

impl EmrAccess {
    /// As a configuration says.
    pub fn of(config: &Config, emr: &EmrSettings) -> Self {
        let aws = config.aws_settings();
        let patience = Backoff {
            first: aws.tuning.first_backoff,
            most: aws.tuning.longest_backoff,
            total: aws.tuning.retry_timeout,
        };
        Self {
            region: region(emr),
            endpoint: config.camonica.emr_endpoint.clone(),
            watching: Backoff {
                total: config.camonica.aws_timeout.unwrap_or(WATCHING),
                ..patience
            },
            patience,
            aws,
        }
    }
}

impl std::fmt::Debug for EmrApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmrApi").finish_non_exhaustive()
    }
}

impl EmrApi {
    /// Makes the client; nothing is called.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn open(access: EmrAccess) -> Result<Self, String> {
        let aws = Mutex::new(connect(&access)?);
        Ok(Self {
            access,
            stop: Arc::default(),
            aws,
        })
    }

    /// The same; once `stop` is set, a question about a cluster that failed is not asked again: the time of a run ends also
    /// while EMR does not answer. Calls that change something go on to be tried.
    #[must_use]
    pub fn stopped_by(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Starts the cluster of an attempt, once: if the answer is lost, the cluster is found again by the tag `attempt`, among
    /// those that were made since `since_ms`. The id.
    ///
    /// # Errors
    /// When no cluster could be started. After a lost answer there may be one that did not show in time; `resume` finds it.
    pub fn run_job_flow(
        &self,
        flow: &JobFlow,
        attempt: &str,
        since_ms: i64,
    ) -> Result<String, String> {
        let input = request::run_job_flow(flow)?;
        let mut waits = self.access.patience.begin(&SystemClock);
        loop {
            let fluent = |client: Client| {
                let input = input.clone();
                async move { input.send_with(&client).await }
            };
            let refusal = match self.once(fluent) {
                Ok(answer) => match answer.job_flow_id() {
                    Some(id) => return Ok(id.to_owned()),
                    None => Refusal::broken("the answer names no job flow"),
                },
                Err(refusal) => refusal,
            };
            let text = refusal.text("EMR", "RunJobFlow");
            if !self.is_passing(&refusal) {
                return Err(text);
            }
            if !waits.wait("EMR", &text, None) {
                return Err(waits.given_up(&text));
            }
            // throttled calls have had no effect, others may have had one
            if refusal.retry != Retry::Slower && !refusal.is(&EXPIRED) {
                for look in 1..=LOOKS_FOR_LOST {
                    if let Some(id) = self.find(&flow.name, attempt, since_ms)? {
                        return Ok(id);
                    }
                    if look < LOOKS_FOR_LOST {
                        std::thread::sleep(self.access.patience.first);
                    }
                }
            }
        }
    }

    /// The cluster of an attempt, among those named `name` and made since `since_ms`.
    ///
    /// # Errors
    /// When EMR cannot be asked.
    pub fn find(&self, name: &str, attempt: &str, since_ms: i64) -> Result<Option<String>, String> {
        // clocks differ
        let since = DateTime::from_millis(since_ms.saturating_sub(15 * 60 * 1000));
        let mut marker: Option<String> = None;
        loop {
            let page = self.tried("ListClusters", self.access.patience, |client| {
                let call = client
                    .list_clusters()
                    .created_after(since)
                    .set_marker(marker.clone());
                async move { call.send().await }
            })?;
            for cluster in page.clusters() {
                let Some(id) = cluster.id().filter(|_| cluster.name() == Some(name)) else {
                    continue;
                };
                let view = self.describe_within(id, self.access.patience)?;
                if view.attempt.as_deref() == Some(attempt) {
                    return Ok(Some(id.to_owned()));
                }
            }
            marker = page.marker().map(str::to_owned);
            if marker.is_none() {
                return Ok(None);
            }
        }
    }

    /// How a cluster stands.
    ///
    /// # Errors
    /// When EMR cannot be asked.
    pub fn describe(&self, id: &str) -> Result<ClusterView, String> {
        self.describe_within(id, self.access.watching)
    }

    fn describe_within(&self, id: &str, patience: Backoff) -> Result<ClusterView, String> {
        let answer = self.tried("DescribeCluster", patience, |client| {
            let call = client.describe_cluster().cluster_id(id);
            async move { call.send().await }
        })?;
        let cluster = answer
            .cluster()
            .ok_or_else(|| format!("EMR: DescribeCluster tells nothing about {id}"))?;
        let status = cluster.status();
        let reason = status.and_then(|status| status.state_change_reason());
        let timeline = status.and_then(|status| status.timeline());
        Ok(ClusterView {
            id: id.to_owned(),
            name: cluster.name().unwrap_or_default().to_owned(),
            state: status
                .and_then(|status| status.state())
                .map(|state| state.as_str().to_owned())
                .unwrap_or_default(),
            reason: reason
                .and_then(|reason| reason.code())
                .map(|code| code.as_str().to_owned())
                .unwrap_or_default(),
            message: reason
                .and_then(|reason| reason.message())
                .unwrap_or_default()
                .to_owned(),
            ready_ms: timeline.and_then(|timeline| millis(timeline.ready_date_time())),
            ended_ms: timeline.and_then(|timeline| millis(timeline.end_date_time())),
            attempt: cluster
                .tags()
                .iter()
                .find(|tag| tag.key() == Some(ATTEMPT_TAG))
                .and_then(|tag| tag.value())
                .map(str::to_owned),
        })
    }

    /// All steps of a cluster, in the order in which they were submitted (EMR tells the newest first, 50 at a time).
    ///
    /// # Errors
    /// When EMR cannot be asked.
    pub fn steps(&self, id: &str) -> Result<Vec<ClusterStepView>, String> {
        let mut found = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self.tried("ListSteps", self.access.watching, |client| {
                let call = client
                    .list_steps()
                    .cluster_id(id)
                    .set_marker(marker.clone());
                async move { call.send().await }
            })?;
            for step in page.steps() {
                let status = step.status();
                let timeline = status.and_then(|status| status.timeline());
                found.push(ClusterStepView {
                    id: step.id().unwrap_or_default().to_owned(),
                    name: step.name().unwrap_or_default().to_owned(),
                    state: status
                        .and_then(|status| status.state())
                        .map(|state| state.as_str().to_owned())
                        .unwrap_or_default(),
                    reason: status
                        .and_then(|status| status.failure_details())
                        .and_then(|details| details.message().or(details.reason()))
                        .or_else(|| {
                            let reason = status.and_then(|status| status.state_change_reason());
                            reason.and_then(|reason| reason.message())
                        })
                        .unwrap_or_default()
                        .to_owned(),
                    started_ms: timeline.and_then(|timeline| millis(timeline.start_date_time())),
                    ended_ms: timeline.and_then(|timeline| millis(timeline.end_date_time())),
                });
            }
            marker = page.marker().map(str::to_owned);
            if marker.is_none() {
                found.reverse();
                return Ok(found);
            }
        }
    }

    /// The JSON of a security configuration.
    ///
    /// # Errors
    /// When EMR cannot be asked, or does not know it.
    pub fn security_configuration(&self, name: &str) -> Result<String, String> {
        let operation = "DescribeSecurityConfiguration";
        let answer = self.tried(operation, self.access.patience, |client| {
            let call = client.describe_security_configuration().name(name);
            async move { call.send().await }
        })?;
        Ok(answer
            .security_configuration()
            .unwrap_or_default()
            .to_owned())
    }

    /// Ends a cluster.
    ///
    /// # Errors
    /// When EMR cannot be asked.
    pub fn terminate(&self, id: &str) -> Result<(), String> {
        self.tried("TerminateJobFlows", self.access.patience, |client| {
            let call = client.terminate_job_flows().job_flow_ids(id);
            async move { call.send().await }
        })
        .map(|_| ())
    }

    /// Makes a call until it succeeds, fails for good, or the patience ends.
    fn tried<T, E, Fut>(
        &self,
        operation: &str,
        patience: Backoff,
        call: impl Fn(Client) -> Fut,
    ) -> Result<T, String>
    where
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut waits = patience.begin(&SystemClock);
        loop {
            let refusal = match self.once(&call) {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            let text = refusal.text("EMR", operation);
            if !self.is_passing(&refusal) {
                return Err(text);
            }
            let is_question = matches!(operation, "DescribeCluster" | "ListSteps");
            let is_stopped = || is_question && self.stop.load(Ordering::Relaxed);
            if is_stopped() {
                return Err(text);
            }
            if !waits.wait("EMR", &text, None) {
                return Err(waits.given_up(&text));
            }
            if is_stopped() {
                return Err(text);
            }
        }
    }

    fn once<T, E, Fut>(&self, call: impl Fn(Client) -> Fut) -> Result<T, Refusal>
    where
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (aws, client) = self
            .aws
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        aws.block_on(call(client)).map_err(Refusal::new)
    }

    /// Whether another try is worth it; after expired credentials with those that are there now.
    fn is_passing(&self, refusal: &Refusal) -> bool {
        if refusal.is(&EXPIRED) {
            match connect(&self.access) {
                Ok(anew) => *self.aws.lock().unwrap_or_else(PoisonError::into_inner) = anew,
                Err(error) => tracing::warn!("the credentials cannot be read anew: {error}"),
            }
            return true;
        }
        refusal.retry != Retry::No
    }
}

/// A client with the credentials that are there now.
fn connect(access: &EmrAccess) -> Result<(Aws, Client), String> {
    let mut settings = access.aws.clone();
    settings.region.get_or_insert_with(|| access.region.clone());
    let aws = Aws::open(settings)?;
    let mut config = aws_sdk_emr::config::Builder::from(aws.sdk_config())
        .region(Region::new(access.region.clone()))
        // every try is made here, see above
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(10))
                .operation_attempt_timeout(Duration::from_secs(120))
                .build(),
        );
    if let Some(endpoint) = &access.endpoint {
        config = config.endpoint_url(endpoint);
    }
    Ok((aws, Client::from_conf(config.build())))
}

fn millis(time: Option<&DateTime>) -> Option<i64> {
    time.and_then(|time| time.to_millis().ok())
}
