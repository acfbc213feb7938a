//! The words of the engine's command line for the jobs of a run, and the documents that go with them by standard input.

use engine::store::{Credentials, Encryption, Location};

use super::ssh::quoted;
use crate::step::RunContext;
use crate::step::enrich;

/// Documents of a job: names, and what they hold. They may hold secrets, and are not printed.
#[derive(Default)]
pub(super) struct Documents(Vec<(&'static str, Vec<u8>)>);

impl Documents {
    /// Resolver, enrichments, and the credentials of the configuration where it has any.
    pub(super) fn of(context: &RunContext) -> Self {
        let mut documents = vec![("resolver.json", context.resolver.clone().into_bytes())];
        if let Some(text) = context.enrichments.to_json() {
            documents.push(("enrichments.json", text.into_bytes()));
        }
        if let Some(aws) = context.objects.aws()
            && aws.settings().keys.is_some()
            && let Credentials::Static(keys) = aws.store_settings().credentials
        {
            let mut text = String::new();
            let mut line = |name: &str, value: &str| {
                text.push_str(&format!("export {name}={}\n", quoted(value)));
            };
            line("AWS_ACCESS_KEY_ID", &keys.access_key_id);
            line("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key);
            if let Some(token) = &keys.session_token {
                line("AWS_SESSION_TOKEN", token);
            }
            documents.push(("environment", text.into_bytes()));
        }
        Self(documents)
    }

    /// With a document more.
    pub(super) fn and(mut self, name: &'static str, content: Vec<u8>) -> Self {
        self.0.push((name, content));
        self
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// Names and sizes, as the script takes them.
    pub(super) fn sizes(&self) -> String {
        let sizes = self
            .0
            .iter()
            .map(|(name, content)| format!("{name}:{}", content.len()));
        sizes.collect::<Vec<_>>().join(",")
    }

    /// All of them, one behind the other.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0
            .iter()
            .flat_map(|(_, content)| content.iter().copied())
            .collect()
    }
}

/// Name of the document that the key of an exchange is derived from.
pub(super) const EXCHANGE_SECRET: &str = "exchange-secret";

/// The words of one share of a job: `index` counts from 1.
pub(super) fn share(job: &[String], index: usize, count: usize) -> Vec<String> {
    let mut words = job.to_vec();
    push(&mut words, "--shard", &format!("{index}/{count}"));
    words
}

/// The words that publish all shares of a job, which has the options of its shares.
pub(super) fn commit(job: &[String], count: usize) -> Vec<String> {
    let mut words = vec!["commit".to_owned()];
    push(&mut words, "--shards", &count.to_string());
    words.extend_from_slice(job);
    words
}

/// The text of a location as the engine takes it, absolute on a disk: the machine has another working directory.
fn absolute(location: &Location) -> String {
    match location.local_path() {
        Some(path) => path.display().to_string(),
        None => location.to_string(),
    }
}

fn push(words: &mut Vec<String>, name: &str, value: &str) {
    words.extend([name.to_owned(), value.to_owned()]);
}

/// Words of all jobs.
fn shared(context: &RunContext, words: &mut Vec<String>) {
    let (config, options) = (&context.config, context.job_options());
    let camonica = &config.camonica;
    push(
        words,
        "--output-compression",
        if config.gzip { "gzip" } else { "none" },
    );
    push(words, "--run-id", &context.run_id);
    push(words, "--log-folder", &absolute(&config.log));
    // the same for all shares, and for a share that is done again
    push(
        words,
        "--failure-timestamp",
        &context.etl_tstamp_ms.to_string(),
    );
    push(words, "--progress", "none");
    // of the machines, not of this one
    if let Some(workers) = camonica.workers {
        push(words, "--workers", &workers.to_string());
    }
    if let Some(bytes) = camonica.memory_limit {
        push(words, "--memory-limit", &bytes.to_string());
    }
    for directory in &camonica.spill_directories {
        push(words, "--spill-dir", &directory.display().to_string());
    }
    if camonica.skip_corrupt {
        words.push("--skip-corrupt".into());
    }
    if let Some(region) = &options.store.region {
        push(words, "--s3-region", region);
    }
    if let Some(endpoint) = &options.store.endpoint {
        push(words, "--s3-endpoint", endpoint);
        words.push("--s3-path-style".into());
    }
    match &options.store.encryption {
        Encryption::None => {}
        Encryption::SseS3 => words.push("--encrypted".into()),
        Encryption::SseKms(key) => {
            words.push("--encrypted".into());
            push(words, "--kms-key-id", key);
        }
    }
}

/// The words of `enrich`.
///
/// # Errors
/// When the staged logs cannot be listed, or the configuration asks for what machines cannot do.
pub(super) fn enrich(context: &RunContext, documents: &Documents) -> Result<Vec<String>, String> {
    let config = &context.config;
    if config.camonica.exchange_rates_endpoint.is_some() {
        return Err(
            "camonica.exchange_rates_endpoint: has no effect on machines; leave it out, or set camonica.target: local"
                .into(),
        );
    }
    let job = enrich::job(context)?;
    let mut words = vec!["enrich".to_owned()];
    push(
        &mut words,
        "--input-folder",
        &input(&config.raw.as_ref().map(|raw| &raw.processing), &job.input),
    );
    push(&mut words, "--input-format", &config.format);
    push(
        &mut words,
        "--etl-timestamp",
        &context.etl_tstamp_ms.to_string(),
    );
    push(&mut words, "--iglu-config", "documents:resolver.json");
    if documents.has("enrichments.json") {
        push(&mut words, "--enrichments", "documents:enrichments.json");
    }
    if let Some(folder) = &config.camonica.enrichment_data {
        push(
            &mut words,
            "--enrichment-data",
            &folder.display().to_string(),
        );
    }
    folders_of_enrich(context, &mut words)?;
    shared(context, &mut words);
    Ok(words)
}

/// The globs of an input, absolute on a disk.
fn input(folder: &Option<&Location>, globs: &str) -> String {
    let Some(folder) = folder.filter(|folder| folder.is_local()) else {
        return globs.to_owned();
    };
    let (shown, whole) = (folder.to_string(), absolute(folder));
    let (shown, whole) = (shown.trim_end_matches('/'), whole.trim_end_matches('/'));
    let parts = globs.split(',').map(|glob| match glob.strip_prefix(shown) {
        Some(rest) => format!("{whole}{rest}"),
        None => glob.to_owned(),
    });
    parts.collect::<Vec<_>>().join(",")
}

fn folders_of_enrich(context: &RunContext, words: &mut Vec<String>) -> Result<(), String> {
    let config = &context.config;
    let bad = config
        .enriched
        .bad
        .as_ref()
        .ok_or("there are no raw logs in Stream Enrich mode")?;
    push(
        words,
        "--output-folder",
        &absolute(&context.run_folder(&config.enriched.good)),
    );
    push(words, "--bad-folder", &absolute(&context.run_folder(bad)));
    if let Some(errors) = config
        .enriched
        .errors
        .as_ref()
        .filter(|_| config.errors_apart())
    {
        words.push("--continue-on-unexpected-error".into());
        push(
            words,
            "--errors-folder",
            &absolute(&context.run_folder(errors)),
        );
    }
    Ok(())
}

/// The words of `shred`.
///
/// # Errors
/// When there are no enriched events, or their folders cannot be listed.
///
/// `exchange`: where the shares leave, sealed, what others must know.
pub(super) fn shred(
    context: &RunContext,
    exchange: Option<&Location>,
) -> Result<Vec<String>, String> {
    let config = &context.config;
    let job = crate::step::shred::job(context)?;
    let mut words = vec!["shred".to_owned()];
    push(
        &mut words,
        "--input-folder",
        &input(&Some(&config.enriched.good), &job.input),
    );
    push(
        &mut words,
        "--output-folder",
        &absolute(&context.run_folder(&config.shredded.good)),
    );
    push(
        &mut words,
        "--bad-folder",
        &absolute(&context.run_folder(&config.shredded.bad)),
    );
    push(&mut words, "--iglu-config", "documents:resolver.json");
    shared(context, &mut words);
    if let Some(exchange) = exchange {
        push(&mut words, "--exchange", &absolute(exchange));
        let secret = format!("documents:{EXCHANGE_SECRET}");
        push(&mut words, "--exchange-secret", &secret);
    }
    Ok(words)
}
