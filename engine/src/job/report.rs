//! What a job counted and wrote: the summary that a person reads, and the manifest that is committed with the output.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::enrichment::lookup::CacheStatistics;
use crate::error::{Error, Result};

/// Counts of an enrich job, over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrichCounts {
    /// Records read: lines, or Thrift records.
    pub records: u64,
    /// Records ignored, by the name of the rule.
    pub ignored: BTreeMap<String, u64>,
    /// Records that ended as one bad row before they were events (or by an unexpected exception).
    pub failed_whole: u64,
    /// Records that were taken apart into raw events.
    pub expanded: u64,
    /// Raw events of the expanded records.
    pub raw_events: u64,
    /// Raw events that became enriched events.
    pub good: u64,
    /// Raw events that became bad rows.
    pub bad: u64,
    /// Events about pseudonymisation, in a folder of their own.
    #[serde(default)]
    pub pii_events: u64,
    /// Bad events by the configurable enrichments that failed them; an event may count for several.
    #[serde(default)]
    pub failed_by_enrichment: BTreeMap<String, u64>,
    /// What the caches of the enrichments saved, by the names of these.
    #[serde(default)]
    pub caches: BTreeMap<String, CacheCounts>,
}

/// How often a cache of an enrichment had the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheCounts {
    /// Look-ups that needed no request of their own.
    pub hits: u64,
    /// Look-ups that became requests.
    pub misses: u64,
    /// Requests whose answer was an error.
    #[serde(default)]
    pub errors: u64,
}

impl CacheCounts {
    /// The part of the look-ups that needed no request, 0 to 1; none without look-ups.
    pub fn rate(&self) -> Option<f64> {
        let all = self.hits + self.misses;
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

impl From<CacheStatistics> for CacheCounts {
    fn from(statistics: CacheStatistics) -> Self {
        Self {
            hits: statistics.hits,
            misses: statistics.misses,
            errors: statistics.errors,
        }
    }
}

impl EnrichCounts {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        for (rule, count) in &other.ignored {
            *self.ignored.entry(rule.clone()).or_default() += count;
        }
        self.failed_whole += other.failed_whole;
        self.expanded += other.expanded;
        self.raw_events += other.raw_events;
        self.good += other.good;
        self.bad += other.bad;
        self.pii_events += other.pii_events;
        for (enrichment, events) in &other.failed_by_enrichment {
            self.fail_by(enrichment, *events);
        }
        for (enrichment, cache) in &other.caches {
            let sum = self.caches.entry(enrichment.clone()).or_default();
            sum.hits += cache.hits;
            sum.misses += cache.misses;
            sum.errors += cache.errors;
        }
    }

    /// Counts bad events of an enrichment.
    pub fn fail_by(&mut self, enrichment: &str, events: u64) {
        match self.failed_by_enrichment.get_mut(enrichment) {
            Some(count) => *count += events,
            None => {
                self.failed_by_enrichment
                    .insert(enrichment.to_owned(), events);
            }
        }
    }

    /// Counts records that a rule tells to ignore.
    pub fn ignore(&mut self, rule: &str, records: u64) {
        match self.ignored.get_mut(rule) {
            Some(count) => *count += records,
            None => {
                self.ignored.insert(rule.to_owned(), records);
            }
        }
    }

    /// Bad rows written: one for each record that failed whole and one for each raw event that failed.
    pub fn bad_rows(&self) -> u64 {
        self.failed_whole + self.bad
    }

    /// Records that a rule told to ignore.
    pub fn ignored_total(&self) -> u64 {
        self.ignored.values().sum()
    }

    /// Invariant 1: every record and every raw event is accounted for.
    ///
    /// # Errors
    /// `Internal`, with the sums, when they do not close.
    pub fn check(&self) -> Result<()> {
        let records = self.ignored_total() + self.failed_whole + self.expanded;
        if self.records != records || self.raw_events != self.good + self.bad {
            return Err(Error::internal(format!(
                "the sums of the enrich job do not close, nothing was committed: {self:?}"
            )));
        }
        Ok(())
    }
}

/// Counts of a shred job, over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShredCounts {
    /// Lines read.
    pub lines: u64,
    /// Bytes of these lines, uncompressed, without their ends.
    pub line_bytes: u64,
    /// Events in the output: atomic lines.
    pub good: u64,
    /// Lines that became bad rows.
    pub bad: u64,
    /// Events that vanished: same id and fingerprint as another one.
    pub natural_duplicates: u64,
    /// Events that vanished: known from an earlier run.
    pub cross_batch_duplicates: u64,
    /// Events among the good that got a new id: same id, another fingerprint.
    pub synthetic_duplicates: u64,
    /// Shredded JSON lines written.
    pub shredded: u64,
    /// Ids that occur more than once.
    pub candidate_ids: u64,
    /// Lines that waited for the decision about their id.
    pub waiting_lines: u64,
    /// Bytes of these lines, packed.
    pub waiting_bytes: u64,
    /// Bytes of the keys that the scan gathered.
    pub key_bytes: u64,
    /// Bytes of sealed files that took keys for which there was no room in memory.
    pub spilled_key_bytes: u64,
    /// Bytes of sealed files that took waiting lines for which there was no room in memory.
    pub spilled_line_bytes: u64,
    /// Sealed bytes of keys that went through an exchange between processes.
    pub exchanged_key_bytes: u64,
    /// Sealed bytes of waiting lines that did.
    pub exchanged_line_bytes: u64,
}

/// What deduplication moved, and its part of the lines that were read: how a manifest states it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Bytes of all lines, uncompressed.
    pub input_bytes: u64,
    /// Bytes of keys: 16 an event.
    pub key_bytes: u64,
    /// In percent of the lines.
    pub key_percent: f64,
    /// Bytes of the lines that waited for a decision, packed.
    pub waiting_bytes: u64,
    /// In percent of the lines.
    pub waiting_percent: f64,
    /// What of it went through an exchange between processes, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<Exchanged>,
}

/// Sealed bytes that went through an exchange between processes, without what the exchange puts around them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchanged {
    /// Of keys.
    pub key_bytes: u64,
    /// In percent of the lines.
    pub key_percent: f64,
    /// Of lines that waited.
    pub line_bytes: u64,
    /// In percent of the lines.
    pub line_percent: f64,
}

impl ShredCounts {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.line_bytes += other.line_bytes;
        self.good += other.good;
        self.bad += other.bad;
        self.natural_duplicates += other.natural_duplicates;
        self.cross_batch_duplicates += other.cross_batch_duplicates;
        self.synthetic_duplicates += other.synthetic_duplicates;
        self.shredded += other.shredded;
        self.candidate_ids += other.candidate_ids;
        self.waiting_lines += other.waiting_lines;
        self.waiting_bytes += other.waiting_bytes;
        self.key_bytes += other.key_bytes;
        self.spilled_key_bytes += other.spilled_key_bytes;
        self.spilled_line_bytes += other.spilled_line_bytes;
        self.exchanged_key_bytes += other.exchanged_key_bytes;
        self.exchanged_line_bytes += other.exchanged_line_bytes;
    }

    /// What deduplication moved.
    pub fn moved(&self) -> Moved {
        // three digits behind the point tell 10 bytes of a megabyte
        let percent = |bytes: u64| {
            let part = bytes as f64 / self.line_bytes.max(1) as f64;
            (part * 100_000.0).round() / 1000.0
        };
        let exchanged = Exchanged {
            key_bytes: self.exchanged_key_bytes,
            key_percent: percent(self.exchanged_key_bytes),
            line_bytes: self.exchanged_line_bytes,
            line_percent: percent(self.exchanged_line_bytes),
        };
        Moved {
            input_bytes: self.line_bytes,
            key_bytes: self.key_bytes,
            key_percent: percent(self.key_bytes),
            waiting_bytes: self.waiting_bytes,
            waiting_percent: percent(self.waiting_bytes),
            exchanged: (exchanged.key_bytes + exchanged.line_bytes > 0).then_some(exchanged),
        }
    }

    /// Invariant 1: every line is accounted for.
    ///
    /// # Errors
    /// `Internal`, with the sums, when they do not close.
    pub fn check(&self) -> Result<()> {
        let lines = self.good + self.bad + self.natural_duplicates + self.cross_batch_duplicates;
        if self.lines != lines {
            return Err(Error::internal(format!(
                "the sums of the shred job do not close, nothing was committed: {self:?}"
            )));
        }
        Ok(())
    }
}

/// An input object that was damaged and skipped from some place on, on the operator's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorruptObject {
    /// The object.
    pub object: String,
    /// What was wrong, with the offset.
    pub reason: String,
}

/// Rows and bytes of one folder of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FolderReport {
    /// Where it is.
    pub folder: String,
    /// Part files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Stored bytes.
    pub bytes: u64,
}

/// What a finished job did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JobReport {
    /// `enrich`, `shred` or `etl`.
    pub job: &'static str,
    /// The run.
    pub run_id: String,
    /// Input objects.
    pub input_objects: u64,
    /// Stored bytes of the input.
    pub input_bytes: u64,
    /// Counts of the enrich half.
    pub enrich: Option<EnrichCounts>,
    /// Counts of the shred half.
    pub shred: Option<ShredCounts>,
    /// Damaged objects, if the job was told to skip them.
    pub corrupt: Vec<CorruptObject>,
    /// What was written, by folder.
    pub outputs: Vec<FolderReport>,
    /// Time of each stage.
    pub stages: Vec<StageTime>,
    /// Which part of a job this tells about, if not of all of it: `2/3`. Nothing is visible then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

/// How long one stage took.
#[derive(Debug, Clone, Serialize)]
pub struct StageTime {
    /// Name of the stage.
    pub stage: &'static str,
    /// Seconds.
    pub seconds: f64,
}

impl JobReport {
    /// Notes the time of a stage.
    pub fn stage(&mut self, stage: &'static str, time: Duration) {
        self.stages.push(StageTime {
            stage,
            seconds: time.as_secs_f64(),
        });
    }

    /// Appends the report of a job that ran after this one in the same process.
    pub fn absorb(&mut self, other: Self) {
        self.enrich = self.enrich.take().or(other.enrich);
        self.shred = self.shred.take().or(other.shred);
        self.corrupt.extend(other.corrupt);
        self.outputs.extend(other.outputs);
        self.stages.extend(other.stages);
    }

    /// The table that ends a run on a terminal: one line a figure, then the outputs.
    pub fn to_table(&self) -> String {
        let mut rows: Vec<(String, String)> = vec![
            ("run".into(), self.run_id.clone()),
            (
                "input".into(),
                format!(
                    "{} objects, {}",
                    grouped(self.input_objects),
                    megabytes(self.input_bytes)
                ),
            ),
        ];
        if let Some(shard) = &self.shard {
            let visible = match self.job {
                "etl" => "the enriched events are visible, the shredded ones not before",
                _ => "nothing is visible before",
            };
            rows.push((
                "shard".into(),
                format!("{shard}, done; {visible} `commit` has made one output of all shards"),
            ));
        }
        if let Some(counts) = &self.enrich {
            rows.push(("records".into(), grouped(counts.records)));
            for (rule, count) in &counts.ignored {
                rows.push((format!("  ignored: {rule}"), grouped(*count)));
            }
            rows.push(("  failed whole".into(), grouped(counts.failed_whole)));
            rows.push(("  expanded".into(), grouped(counts.expanded)));
            rows.push(("raw events".into(), grouped(counts.raw_events)));
            rows.push(("  enriched".into(), grouped(counts.good)));
            rows.push(("  bad".into(), grouped(counts.bad)));
            for (enrichment, events) in &counts.failed_by_enrichment {
                rows.push((format!("    by {enrichment}"), grouped(*events)));
            }
            for (enrichment, cache) in &counts.caches {
                rows.push((format!("cache of {enrichment}"), cache_figures(cache)));
            }
        }
        if let Some(counts) = &self.shred {
            rows.push(("enriched lines".into(), grouped(counts.lines)));
            rows.push(("  good".into(), grouped(counts.good)));
            rows.push(("  bad".into(), grouped(counts.bad)));
            rows.push((
                "  natural duplicates".into(),
                grouped(counts.natural_duplicates),
            ));
            rows.push((
                "  cross-batch duplicates".into(),
                grouped(counts.cross_batch_duplicates),
            ));
            rows.push((
                "synthetic duplicates".into(),
                grouped(counts.synthetic_duplicates),
            ));
            rows.push(("shredded JSONs".into(), grouped(counts.shredded)));
            let moved = counts.moved();
            let share = |bytes: u64, percent: f64| {
                if counts.line_bytes > 0 {
                    format!("{} ({percent:.2} %)", megabytes(bytes))
                } else {
                    megabytes(bytes)
                }
            };
            rows.push((
                "moved by deduplication".into(),
                format!(
                    "{} of keys, {} of lines",
                    share(moved.key_bytes, moved.key_percent),
                    share(moved.waiting_bytes, moved.waiting_percent)
                ),
            ));
            if let Some(sent) = &moved.exchanged {
                rows.push((
                    "  of these exchanged, sealed".into(),
                    format!(
                        "{} for keys, {} for lines",
                        share(sent.key_bytes, sent.key_percent),
                        share(sent.line_bytes, sent.line_percent)
                    ),
                ));
            }
            if counts.spilled_key_bytes + counts.spilled_line_bytes > 0 {
                rows.push((
                    "  of these spilled, sealed".into(),
                    format!(
                        "{} for keys, {} for lines",
                        megabytes(counts.spilled_key_bytes),
                        megabytes(counts.spilled_line_bytes)
                    ),
                ));
            }
        }
        for corrupt in &self.corrupt {
            rows.push((
                "corrupt, skipped".into(),
                format!("{} ({})", corrupt.object, corrupt.reason),
            ));
        }
        for stage in &self.stages {
            rows.push((
                format!("time: {}", stage.stage),
                format!("{:.2} s", stage.seconds),
            ));
        }
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut table = String::new();
        for (name, value) in rows {
            table.push_str(&format!("{name:<width$}  {value}\n"));
        }
        table.push_str("outputs\n");
        for output in &self.outputs {
            table.push_str(&format!(
                "  {}  {} rows, {} files, {}\n",
                output.folder,
                grouped(output.rows),
                grouped(output.files),
                megabytes(output.bytes)
            ));
        }
        table
    }
}

/// `9,990 hits, 10 misses (99.9 %), 2 errors`.
fn cache_figures(cache: &CacheCounts) -> String {
    let mut text = format!(
        "{} hits, {} misses",
        grouped(cache.hits),
        grouped(cache.misses)
    );
    if let Some(rate) = cache.rate() {
        text.push_str(&format!(" ({:.1} %)", rate * 100.0));
    }
    if cache.errors > 0 {
        text.push_str(&format!(", {} errors", grouped(cache.errors)));
    }
    text
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as decimal megabytes.
fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_do_not_close_are_refused() {
        let mut counts = EnrichCounts {
            records: 3,
            failed_whole: 1,
            expanded: 1,
            raw_events: 2,
            good: 1,
            bad: 1,
            ..EnrichCounts::default()
        };
        assert_eq!(
            counts.check().unwrap_err().kind(),
            crate::ErrorKind::Internal
        );
        counts.ignore("header line", 1);
        counts.check().unwrap();
        counts.good = 0;
        assert!(counts.check().is_err());

        let mut shred = ShredCounts {
            lines: 4,
            good: 2,
            bad: 1,
            natural_duplicates: 1,
            ..ShredCounts::default()
        };
        shred.check().unwrap();
        shred.lines = 5;
        assert!(shred.check().is_err());
    }

    #[test]
    fn enrichments_are_counted_and_shown() {
        let mut counts = EnrichCounts::default();
        counts.fail_by("weather_enrichment_config", 2);
        let statistics = CacheStatistics {
            hits: 1998,
            misses: 2,
            errors: 1,
        };
        counts
            .caches
            .insert("weather_enrichment_config".into(), statistics.into());
        let other = counts.clone();
        counts.add(&other);
        assert_eq!(counts.failed_by_enrichment["weather_enrichment_config"], 4);
        let report = JobReport {
            enrich: Some(counts.clone()),
            ..JobReport::default()
        };
        let table = report.to_table();
        for row in [
            "    by weather_enrichment_config    4\n",
            "cache of weather_enrichment_config  3,996 hits, 4 misses (99.9 %), 2 errors\n",
        ] {
            assert!(table.contains(row), "{table}");
        }
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(serde_json::from_str::<EnrichCounts>(&text).unwrap(), counts);
        // a manifest of an earlier version
        let old = r#"{"records":1,"ignored":{},"failed_whole":0,"expanded":1,"raw_events":1,"good":1,"bad":0}"#;
        let old: EnrichCounts = serde_json::from_str(old).unwrap();
        assert!(old.caches.is_empty() && old.failed_by_enrichment.is_empty());
        assert_eq!(CacheCounts::default().rate(), None);
    }

    #[test]
    fn what_deduplication_moved_is_told_with_its_share() {
        let mut counts = ShredCounts {
            lines: 1_000_000,
            line_bytes: 2_500_000_000,
            key_bytes: 16_000_000,
            waiting_bytes: 20_000_000,
            ..ShredCounts::default()
        };
        let table = |counts: &ShredCounts| {
            let shred = Some(counts.clone());
            JobReport {
                shred,
                ..JobReport::default()
            }
            .to_table()
        };
        assert_eq!(counts.moved().exchanged, None);
        let expected = "16.00 MB (0.64 %) of keys, 20.00 MB (0.80 %) of lines\n";
        assert!(table(&counts).contains(expected), "{}", table(&counts));
        (counts.exchanged_key_bytes, counts.exchanged_line_bytes) = (16_050_000, 25_000_000);
        let expected = "  of these exchanged, sealed  16.05 MB (0.64 %) for keys, 25.00 MB (1.00 %) for lines\n";
        assert!(table(&counts).contains(expected), "{}", table(&counts));
        let moved = serde_json::to_value(counts.moved()).unwrap();
        assert_eq!(moved["input_bytes"], 2_500_000_000u64);
        assert_eq!(moved["key_percent"], 0.64);
        assert_eq!(moved["exchanged"]["key_percent"], 0.642);
        assert_eq!(moved["exchanged"]["line_bytes"], 25_000_000);
        // no lines: no share of nothing
        let none = ShredCounts::default();
        assert_eq!(none.moved().key_percent, 0.0);
        assert!(table(&none).contains("0.00 MB of keys"), "{}", table(&none));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
