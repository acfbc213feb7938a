//! Target `hosts`: the jobs run on machines that are reached by SSH, such as EC2 instances; plan, moves, locks and journal stay
//! here.
//!
//! ```text
//! prepare   the engine is brought to every machine and verified there; that all see the same folders is checked
//! enrich    a share of the staged objects on each machine, at the same time; then one commit
//! shred     the same: the shares exchange, sealed, what deduplication must know; the key goes by standard input
//! ```
//!
//! Documents and credentials go by standard input and lie in memory there. A machine that hears nothing of the runner for
//! two minutes, or sees the connection end, stops its job; so `--timeout`, the end of the runner and a lost network leave
//! nothing at work. An engine that knows no shares, and a single machine, does each job as a whole. A step that failed is done again as a whole: nothing of it was visible.

mod install;
mod ssh;
mod words;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use engine::store::Location;
use sha2::{Digest, Sha256};

use super::Target;
use crate::config::hosts::Host;
use crate::config::{Config, TargetKind};
use crate::journal::camonica_folder;
use crate::plan::StepName;
use crate::step::{RunContext, StepOutcome, committed_before, enrich, shred};
use install::{Abilities, Engine};
use ssh::Input;
use words::Documents;

/// Name of the manifest of a committed job.
const MANIFEST: &str = "_SUCCESS.manifest.json";

/// Target `hosts`.
#[derive(Default)]
pub struct Hosts {
    ready: Option<(Engine, Abilities)>,
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts").finish_non_exhaustive()
    }
}

impl Target for Hosts {
    fn kind(&self) -> TargetKind {
        TargetKind::Hosts
    }

    fn prepare(&mut self, context: &RunContext, steps: &[StepName]) -> Result<(), String> {
        let has_job = steps
            .iter()
            .any(|step| matches!(step, StepName::Enrich | StepName::Shred));
        if !has_job {
            return Ok(());
        }
        let hosts = &context.config.camonica.hosts;
        let engine = Engine::find(context.config.camonica.engine_binary.as_deref())?;
        let found = on_each(hosts, &context.cancel, |_, host, cancel| {
            engine.install(host, cancel)
        })?;
        check_folders(context)?;
        self.ready = found.first().map(|abilities| (engine, *abilities));
        Ok(())
    }

    fn enrich(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        let output = context.run_folder(&context.config.enriched.good);
        let finished = enrich::job(context)?.finish_cut();
        if finished.map_err(|error| error.to_string())?.is_some()
            || is_committed(context, &output, &["_SUCCESS"])?
        {
            return Ok(committed_before(&output));
        }
        let documents = Documents::of(context);
        let command = words::enrich(context, &documents)?;
        self.work(context, "enrich", &command, &documents)?;
        done(context, &output, &["_SUCCESS"])
    }

    fn shred(&mut self, context: &RunContext) -> Result<StepOutcome, String> {
        let output = context.run_folder(&context.config.shredded.good);
        let finished = shred::job(context)?.finish_cut();
        if finished.map_err(|error| error.to_string())?.is_some()
            || is_committed(context, &output, &shred::MARKERS)?
        {
            return Ok(committed_before(&output));
        }
        let documents = Documents::of(context);
        if !self.in_shares(context)? {
            let command = words::shred(context, None)?;
            self.work(context, "shred", &command, &documents)?;
            return done(context, &output, &shred::MARKERS);
        }
        // A new place and a new key with each attempt: the key is written nowhere here, and what a dead attempt has left
        // cannot be read any more.
        let records = camonica_folder(&context.config.log).join(&format!("{}/", context.run_id));
        let exchange = records.join(&format!("exchange-{}/", random()?));
        let secret = random()? + &random()?;
        let documents = documents.and(words::EXCHANGE_SECRET, secret.into_bytes());
        let command = words::shred(context, Some(&exchange))?;
        let worked = self.work(context, "shred", &command, &documents);
        if let Err(error) = remove_all(context, &exchange) {
            tracing::warn!("what machines have exchanged is not removed: {error}");
        }
        worked?;
        done(context, &output, &shred::MARKERS)
    }
}

impl Hosts {
    fn ready(&self) -> Result<&(Engine, Abilities), String> {
        self.ready
            .as_ref()
            .ok_or_else(|| "the machines were not made ready".to_owned())
    }

    /// Whether jobs are done in shares.
    fn in_shares(&self, context: &RunContext) -> Result<bool, String> {
        Ok(self.ready()?.1.shards && context.config.camonica.hosts.len() > 1)
    }

    /// Does a job: a share on each machine, then their commit on the first; or all of it there, where there is one machine or
    /// the engine knows no shares.
    fn work(
        &self,
        context: &RunContext,
        name: &str,
        command: &[String],
        documents: &Documents,
    ) -> Result<(), String> {
        let (engine, _) = self.ready()?;
        let hosts = &context.config.camonica.hosts;
        let first = &hosts[..1.min(hosts.len())];
        let run = |what: &str, host: &Host, words: &[String], cancel: &AtomicBool| {
            let lock = &lock_of(context, what);
            let job = Job {
                engine,
                documents,
                what,
                lock,
            };
            job.run(host, words, cancel)
        };
        if !self.in_shares(context)? {
            on_each(first, &context.cancel, |_, host, cancel| {
                run(name, host, command, cancel)
            })?;
            return Ok(());
        }
        let count = hosts.len();
        on_each(hosts, &context.cancel, |index, host, cancel| {
            let what = format!("{name}, share {} of {count}", index + 1);
            run(
                &what,
                host,
                &words::share(command, index + 1, count),
                cancel,
            )
        })?;
        on_each(first, &context.cancel, |_, host, cancel| {
            let what = format!("the commit of {name}");
            run(&what, host, &words::commit(command, count), cancel)
        })?;
        Ok(())
    }
}

/// 128 random bits in hexadecimal digits.
fn random() -> Result<String, String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("no random number: {error}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes all objects below a folder.
fn remove_all(context: &RunContext, folder: &Location) -> Result<(), String> {
    let entries = context.objects.list(folder)?;
    let doomed: Vec<Location> = entries
        .iter()
        .map(|entry| folder.join(&entry.relative))
        .collect();
    context.objects.delete(&doomed)?;
    if let Some(path) = folder.local_path()
        && path.exists()
    {
        std::fs::remove_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A job on a machine.
struct Job<'a> {
    engine: &'a Engine,
    documents: &'a Documents,
    what: &'a str,
    lock: &'a str,
}

impl Job<'_> {
    /// Runs it to its end.
    fn run(&self, host: &Host, words: &[String], cancel: &AtomicBool) -> Result<(), String> {
        let mut command = format!(
            "{} run {} {} {}",
            self.engine.script(host),
            self.lock,
            ssh::PATIENCE,
            self.documents.sizes()
        );
        for word in words {
            command.push(' ');
            command.push_str(&ssh::quoted(word));
        }
        let input = self.documents.bytes();
        let ended = ssh::run(host, &command, &Input::Alive(&input), cancel)?;
        ended.trouble(host, self.what).map_or(Ok(()), Err)
    }
}

/// The name of the lock of a kind of work of a pipeline: the machine stops an earlier attempt that is still at work.
fn lock_of(context: &RunContext, what: &str) -> String {
    let sum = Sha256::digest(format!("{} {what}", context.config.log));
    sum.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Does something on each machine at the same time. When one fails, the others are stopped.
///
/// # Errors
/// What failed of itself, a line for each machine.
fn on_each<T: Send>(
    hosts: &[Host],
    cancel: &AtomicBool,
    act: impl Fn(usize, &Host, &AtomicBool) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let stop = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    let failures = std::sync::Mutex::new(Vec::new());
    let mut results = Vec::new();
    thread::scope(|scope| {
        let (stop, over, act, failures) = (&stop, &over, &act, &failures);
        let workers: Vec<_> = hosts
            .iter()
            .enumerate()
            .map(|(index, host)| {
                scope.spawn(move || {
                    let was_stopped = || stop.load(Ordering::SeqCst);
                    let result = act(index, host, stop);
                    match result {
                        Ok(value) => Some(value),
                        Err(error) => {
                            // what was stopped because of another machine says nothing of its own
                            let mut failures = failures
                                .lock()
                                .unwrap_or_else(std::sync::PoisonError::into_inner);
                            if failures.is_empty() || !was_stopped() {
                                failures.push(error);
                            }
                            stop.store(true, Ordering::SeqCst);
                            None
                        }
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !over.load(Ordering::SeqCst) {
                if cancel.load(Ordering::SeqCst) {
                    stop.store(true, Ordering::SeqCst);
                }
                thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        for worker in workers {
            results.extend(worker.join().ok().flatten());
        }
        over.store(true, Ordering::SeqCst);
    });
    let failures = failures
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if failures.is_empty() && results.len() == hosts.len() {
        return Ok(results);
    }
    if failures.is_empty() {
        return Err("a machine's work ended without a result".into());
    }
    Err(failures.join("\n"))
}

/// The folders that jobs use, with the names of their keys.
fn folders(config: &Config) -> Vec<(&'static str, &Location)> {
    let found = [
        ("log", Some(&config.log)),
        (
            "raw.processing",
            config.raw.as_ref().map(|raw| &raw.processing),
        ),
        ("enriched.good", Some(&config.enriched.good)),
        ("enriched.bad", config.enriched.bad.as_ref()),
        ("enriched.errors", config.enriched.errors.as_ref()),
        ("shredded.good", Some(&config.shredded.good)),
        ("shredded.bad", Some(&config.shredded.bad)),
    ];
    found
        .into_iter()
        .filter_map(|(name, folder)| Some((name, folder?)))
        .collect()
}

/// Folders that are not in S3 must be on a disk that all machines share with this one: each must see a file that is written
/// here. A job would otherwise write where nobody looks.
fn check_folders(context: &RunContext) -> Result<(), String> {
    let local: Vec<_> = folders(&context.config)
        .into_iter()
        .filter(|(_, folder)| folder.is_local())
        .collect();
    let Some((name, first)) = local.first() else {
        return Ok(());
    };
    if *name != "log" {
        return Err(format!(
            "aws.s3.buckets.{name}: {first} is on a disk, while aws.s3.buckets.log is in S3: put both on a disk that all machines share, or both into S3"
        ));
    }
    let word = random()?;
    // readers of Hadoop's kind skip a name with a dot
    let files: Vec<Location> = local
        .iter()
        .map(|(_, folder)| folder.join(&format!(".camonica-{word}")))
        .collect();
    // all of them by one connection: a line for each, `-` where there is none
    let mut command = String::new();
    for file in &files {
        let path = file.local_path().map(|path| path.display().to_string());
        let path = ssh::quoted(&path.unwrap_or_default());
        command.push_str(&format!("cat {path} 2>/dev/null || echo -; "));
    }
    let mut looked = Ok(Vec::new());
    for file in &files {
        looked = looked.and(
            context
                .objects
                .put(file, format!("{word}\n").as_bytes())
                .map(|()| Vec::new()),
        );
    }
    if looked.is_ok() {
        let hosts = &context.config.camonica.hosts;
        looked = on_each(hosts, &context.cancel, |_, host, cancel| {
            let ended = ssh::run(host, &command, &Input::All(b""), cancel)?;
            if let Some(trouble) = ended.trouble(host, "a look at the folders") {
                return Err(trouble);
            }
            let mut lines = ended.out.lines();
            for (name, folder) in &local {
                if lines.next() != Some(word.as_str()) {
                    return Err(format!(
                        "{host}: aws.s3.buckets.{name}: does not see {folder} of this machine: put the folder on a disk that all machines share under the same path, or into S3"
                    ));
                }
            }
            Ok(())
        });
    }
    context.objects.delete(&files)?;
    looked?;
    Ok(())
}

fn is_committed(context: &RunContext, output: &Location, markers: &[&str]) -> Result<bool, String> {
    for marker in markers {
        if !context.is_committed(output, marker)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a job did, by its manifest; its markers must be there.
fn done(context: &RunContext, output: &Location, markers: &[&str]) -> Result<StepOutcome, String> {
    if !is_committed(context, output, markers)? {
        return Err(format!(
            "the engine reported success, but {output} has no {}: the machine may have written to a place of its own",
            markers.join(" and ")
        ));
    }
    let manifest = context.objects.get(&output.join(MANIFEST))?;
    let manifest: serde_json::Value = manifest
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let list = |key: &str| manifest[key].as_array().cloned().unwrap_or_default();
    let sum = |items: &[serde_json::Value], key: &str| -> u64 {
        items.iter().filter_map(|item| item[key].as_u64()).sum()
    };
    let (inputs, outputs) = (list("inputs"), list("outputs"));
    let bytes = sum(&inputs, "size");
    Ok(StepOutcome {
        summary: format!(
            "{} objects, {bytes} bytes -> {} files, {} rows in {output}",
            inputs.len(),
            outputs.len(),
            sum(&outputs, "rows")
        ),
        report: serde_json::json!({
            "input_objects": inputs.len(),
            "input_bytes": bytes,
            "enrich": manifest["enrich"],
            "shred": manifest["shred"],
            "corrupt": manifest["corrupt"],
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stops_the_others() {
        let hosts = [Host::new("a"), Host::new("b"), Host::new("c")];
        let cancel = AtomicBool::new(false);
        let act = |index: usize, host: &Host, stop: &AtomicBool| {
            if index == 1 {
                return Err(format!("{host} failed"));
            }
            while !stop.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            Err(format!("{host} was stopped"))
        };
        assert_eq!(on_each::<()>(&hosts, &cancel, act).unwrap_err(), "b failed");
        let all = on_each(&hosts, &cancel, |index, _, _| Ok(index)).unwrap();
        assert_eq!(all, [0, 1, 2]);
        // the operator stops all
        cancel.store(true, Ordering::SeqCst);
        let act = |_: usize, host: &Host, stop: &AtomicBool| {
            while !stop.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            Err::<(), _>(format!("{host} was stopped"))
        };
        assert!(
            on_each(&hosts, &cancel, act)
                .unwrap_err()
                .contains("was stopped")
        );
    }
}
