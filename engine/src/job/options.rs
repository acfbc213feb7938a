//! Settings that all jobs share.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::exec::spill::SpillArea;
use crate::exec::{self, progress};
use crate::output::Compression;
use crate::shred::ShredRules;
use crate::store::{Location, Store, StoreSettings};
use crate::text::ids::RunKey;
use crate::text::time::format_iso_millis;

/// Whether a job shows how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShowProgress {
    /// A bar on a terminal, else a line each ten seconds, on standard error.
    OnStderr,
    /// Nothing.
    #[default]
    Never,
}

impl ShowProgress {
    /// Starts showing the progress of a stage whose input has so many stored bytes.
    pub fn start(self, stage: &str, total_bytes: u64) -> Box<dyn progress::Progress> {
        match self {
            Self::OnStderr => progress::on_stderr(stage, total_bytes),
            Self::Never => Box::new(progress::Silent::default()),
        }
    }
}

/// Default of [`JobOptions::target_size`].
pub const DEFAULT_TARGET_SIZE: u64 = 128 * 1024 * 1024;

/// Settings that all jobs share. `JobOptions::default()` finishes any job; nothing has to be tuned.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// Worker threads.
    pub workers: usize,
    /// Bytes that buffers and tables may take.
    pub memory_limit: u64,
    /// Where what does not fit goes, sealed; empty: a folder below the system's temporary directory.
    pub spill_directories: Vec<PathBuf>,
    /// Compression of the part files (bad rows stay plain, as the reference's do).
    pub compression: Compression,
    /// Compressed bytes after which a part file is full.
    pub target_size: u64,
    /// How buckets are reached and objects encrypted.
    pub store: StoreSettings,
    /// Names the run; absent: derived from the output folder.
    pub run_id: Option<String>,
    /// Where commit plans go; absent: a temporary folder of the output.
    pub log_folder: Option<String>,
    /// The instant that all bad rows carry, milliseconds since the epoch; absent: the start of the job.
    pub failure_tstamp_ms: Option<i64>,
    /// Whether damaged input objects are counted and left, instead of ending the job.
    pub skip_corrupt: bool,
    /// Rules of the shred half.
    pub shred: ShredRules,
    /// Whether progress is shown.
    pub progress: ShowProgress,
    /// Set to stop the job.
    pub cancel: Arc<AtomicBool>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            memory_limit: default_memory_limit(),
            spill_directories: Vec::new(),
            compression: Compression::None,
            target_size: DEFAULT_TARGET_SIZE,
            store: StoreSettings::default(),
            run_id: None,
            log_folder: None,
            failure_tstamp_ms: None,
            skip_corrupt: false,
            shred: ShredRules::default(),
            progress: ShowProgress::Never,
            cancel: Arc::default(),
        }
    }
}

impl JobOptions {
    /// The store that these options describe.
    pub fn open_store(&self) -> Store {
        Store::new(self.store.clone())
    }

    /// Whether the job may go on.
    ///
    /// # Errors
    /// `Io` if the operator wants it to stop.
    pub(super) fn check_cancel(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Io, "stopped by the operator"));
        }
        Ok(())
    }

    /// Removes the spill files that killed processes have left, as each job that spills does when it begins. For callers that
    /// found such a job's output committed, so that no job began.
    pub fn clear_dead_spill(&self) {
        crate::exec::spill::clear_leftovers(&self.spill_directories);
    }

    /// The spill files of the job called `job`.
    ///
    /// # Errors
    /// When a directory that was named cannot be used.
    pub fn open_spill(&self, job: &str) -> Result<SpillArea> {
        SpillArea::open(job, &self.spill_directories)
    }

    /// How the work is spread over threads.
    pub fn exec_options(&self) -> exec::Options {
        exec::Options {
            workers: self.workers,
            skip_corrupt: self.skip_corrupt,
            cancel: Arc::clone(&self.cancel),
            ..exec::Options::default()
        }
    }

    /// The id of the run: given, or the last part of the output folder without `run=`.
    pub fn run_id(&self, output: &Location) -> String {
        self.run_id.clone().unwrap_or_else(|| {
            let text = output.to_string();
            let last = text
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            last.strip_prefix("run=").unwrap_or(last).to_owned()
        })
    }

    /// The key of identifiers that follow from the run.
    pub fn run_key(&self, output: &Location) -> RunKey {
        RunKey::new(&self.run_id(output))
    }

    /// The instant that bad rows carry, milliseconds since the epoch.
    pub fn failure_tstamp_ms(&self) -> i64 {
        self.failure_tstamp_ms.unwrap_or_else(now_ms)
    }

    /// The text of the instant that bad rows carry.
    pub fn failure_tstamp(&self) -> String {
        format_iso_millis(self.failure_tstamp_ms())
    }
}

/// Wall-clock time, milliseconds since the epoch.
pub fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| {
            i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
        })
}

/// The smaller of 1 GiB and 60 % of what the control group or the machine has.
pub fn default_memory_limit() -> u64 {
    const GIB: u64 = 1 << 30;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib * 1024)
    });
    [group, machine]
        .into_iter()
        .flatten()
        .min()
        .map_or(GIB, |bytes: u64| (bytes / 10 * 6).min(GIB))
}

/// Parses sizes such as `64M`, `1.5GiB`, `800 kB` or plain bytes; powers of 1024 unless a unit ends in `B` without `i`.
///
/// # Errors
/// `Config` that names the text.
pub fn parse_size(text: &str) -> Result<u64> {
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (digits, unit) = trimmed.split_at(split);
    let factor: Option<f64> = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1.0),
        "k" | "kib" => Some(1024.0),
        "kb" => Some(1e3),
        "m" | "mib" => Some(1024.0 * 1024.0),
        "mb" => Some(1e6),
        "g" | "gib" => Some(1024.0 * 1024.0 * 1024.0),
        "gb" => Some(1e9),
        "t" | "tib" => Some(1024.0 * 1024.0 * 1024.0 * 1024.0),
        "tb" => Some(1e12),
        _ => None,
    };
    match (digits.parse::<f64>(), factor) {
        (Ok(number), Some(factor)) if number * factor >= 1.0 => Ok((number * factor) as u64),
        _ => Err(Error::new(
            ErrorKind::Config,
            format!(
                "`{text}` is no size: expected a number with a unit, such as 512M, 2GiB or 100MB"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64M", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("100MB", 100_000_000),
            ("17", 17),
            ("2 k", 2048),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes);
        }
        for text in ["", "M", "ten", "5 parsecs", "0", "-3M"] {
            assert!(parse_size(text).unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn run_id_follows_the_output_folder() {
        let options = JobOptions::default();
        let output = Location::parse("/data/shredded/run=2018-07-24-10-00-00/").unwrap();
        assert_eq!(options.run_id(&output), "2018-07-24-10-00-00");
        let output = Location::parse("/data/out").unwrap();
        assert_eq!(options.run_id(&output), "out");
    }

    #[test]
    fn memory_limit_is_at_most_a_gibibyte() {
        assert!((64 << 20..=1 << 30).contains(&default_memory_limit()));
    }
}
