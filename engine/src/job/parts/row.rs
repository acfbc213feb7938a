//! Rows of finished tasks, and which of them count.
//!
//! A task may have been done more than once, and a row may be told more than once: a distributed engine repeats what was on a
//! node that died, and may return both. So the driver takes exactly one row for each group and for each set of
//! buckets. Those that it takes must fit: what a group's row says was sent to a bucket must be what the bucket's row says it
//! got from that group, by count and by digest. Two attempts of a group that sent the same are interchangeable.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::job::report::{CorruptObject, EnrichCounts, ShredCounts};
use crate::output::TaskFile;

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Enriches a group.
    Enrich,
    /// Reads the ids of a group.
    Scan,
    /// Counts the ids of buckets.
    Count,
    /// Shreds a group.
    Shred,
    /// Resolves the candidate lines of buckets.
    Resolve,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enrich => "enrich",
            Self::Scan => "scan",
            Self::Count => "count",
            Self::Shred => "shred",
            Self::Resolve => "resolve",
        }
    }

    /// Whether it works on a group of splits, not on buckets.
    pub fn reads_groups(self) -> bool {
        matches!(self, Self::Enrich | Self::Scan | Self::Shred)
    }
}

/// A count of records, and the sum of their digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records.
    pub records: u64,
    /// Sum of their 128-bit digests.
    #[serde(with = "hex")]
    pub digest: u128,
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{digest:032x}"))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

impl Tally {
    /// Counts one record.
    pub fn add(&mut self, digest: u128) {
        self.records += 1;
        self.digest = self.digest.wrapping_add(digest);
    }
}

/// What a task that reads sent to a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The bucket.
    pub bucket: u32,
    /// How much.
    pub tally: Tally,
}

/// What a bucket got from a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The bucket.
    pub bucket: u32,
    /// The group.
    pub group: u32,
    /// The attempt of the group's task that sent it.
    pub attempt: String,
    /// How much.
    pub tally: Tally,
}

/// Where the records of a split begin and end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeamRow {
    /// Which item of the group.
    pub item: u32,
    /// Where its first record begins.
    pub first: Option<u64>,
    /// Where its last record ends.
    pub end: u64,
}

/// A file with sealed keys of ids that occur more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateFile {
    /// Where it is.
    pub location: String,
    /// The bucket that it is sealed for.
    pub bucket: u32,
    /// How many keys, and the sum of them.
    pub tally: Tally,
}

/// What a finished task tells its driver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskRow {
    /// What it did.
    pub stage: Stage,
    /// On which group, if it reads groups.
    pub group: Option<u32>,
    /// Unique.
    pub attempt: String,
    /// What it sent, if it reads groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
    /// Sealed bytes of what it sent.
    #[serde(default)]
    pub sent_bytes: u64,
    /// What it got, if it works on buckets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received: Vec<Received>,
    /// Part files, invisible so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<TaskFile>,
    /// Counts of enriching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrich: Option<EnrichCounts>,
    /// Counts of shredding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shred: Option<ShredCounts>,
    /// Where its splits met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seams: Vec<SeamRow>,
    /// Damage that was skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrupt: Vec<CorruptObject>,
    /// Keys that it found more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<CandidateFile>,
}

impl TaskRow {
    pub(super) fn new(stage: Stage, group: Option<u32>, attempt: String) -> Self {
        Self {
            stage,
            group,
            attempt,
            sent: Vec::new(),
            sent_bytes: 0,
            received: Vec::new(),
            files: Vec::new(),
            enrich: None,
            shred: None,
            seams: Vec::new(),
            corrupt: Vec::new(),
            candidates: None,
        }
    }

    /// The row as it lies in the log folder.
    ///
    /// # Errors
    /// `Internal` when it cannot be printed.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::internal("a row cannot be written").with_source(error))
    }

    /// Reads a row.
    ///
    /// # Errors
    /// `Internal` when it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::internal("a row cannot be read").with_source(error))
    }

    fn buckets(&self) -> BTreeSet<u32> {
        self.received
            .iter()
            .map(|received| received.bucket)
            .collect()
    }

    /// What it sent to a bucket.
    pub(super) fn sent_to(&self, bucket: u32) -> Tally {
        let sent = self.sent.iter().find(|sent| sent.bucket == bucket);
        sent.map(|sent| sent.tally).unwrap_or_default()
    }
}

/// The rows of a job, sorted out.
#[derive(Debug, Default)]
pub struct Settled {
    /// One for each group, and one for each bucket to which something was sent.
    pub winners: Vec<TaskRow>,
    /// All others.
    pub losers: Vec<TaskRow>,
}

/// Takes one row for each of `groups` groups and for each bucket to which these sent something.
///
/// # Errors
/// `Internal` that names what is missing or does not fit: nothing may be committed then.
pub fn settle(groups: u32, rows: Vec<TaskRow>) -> Result<Settled> {
    let mut seen = BTreeSet::new();
    let mut by_group: BTreeMap<u32, Vec<TaskRow>> = BTreeMap::new();
    let mut of_buckets: Vec<TaskRow> = Vec::new();
    for row in rows {
        if !seen.insert(row.attempt.clone()) {
            continue;
        }
        match row.group {
            Some(group) => by_group.entry(group).or_default().push(row),
            None => of_buckets.push(row),
        }
    }
    let mut mentioned: BTreeMap<&str, usize> = BTreeMap::new();
    for received in of_buckets.iter().flat_map(|row| &row.received) {
        *mentioned.entry(&received.attempt).or_default() += 1;
    }
    let mut settled = Settled::default();
    let mut readers: BTreeMap<u32, TaskRow> = BTreeMap::new();
    for group in 0..groups {
        let mut rows = by_group.remove(&group).unwrap_or_default();
        // the one that most buckets got their records from
        rows.sort_by_key(|row| {
            let buckets = mentioned.get(row.attempt.as_str()).copied();
            (std::cmp::Reverse(buckets.unwrap_or(0)), row.attempt.clone())
        });
        let mut rows = rows.into_iter();
        let Some(row) = rows.next() else {
            return Err(Error::internal(format!(
                "no task told that it finished group {group} of {groups}; nothing was committed, run the job again"
            )));
        };
        readers.insert(group, row);
        settled.losers.extend(rows);
    }
    settled.losers.extend(by_group.into_values().flatten());

    let mut needed: BTreeSet<u32> = readers
        .values()
        .flat_map(|row| &row.sent)
        .filter(|sent| sent.tally.records > 0)
        .map(|sent| sent.bucket)
        .collect();
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let mut why = None;
    // a row that knows more buckets goes first: one that came from a part of them cannot stand in for it
    of_buckets.sort_by_key(|row| (std::cmp::Reverse(row.buckets().len()), row.attempt.clone()));
    for row in of_buckets {
        let buckets = row.buckets();
        let is_free = buckets.is_disjoint(&taken) && !buckets.is_empty();
        match misfit(&row, &buckets, &readers) {
            None if is_free => {
                needed.retain(|bucket| !buckets.contains(bucket));
                taken.extend(buckets);
                settled.winners.push(row);
            }
            misfit => {
                why = why.or(misfit);
                settled.losers.push(row);
            }
        }
    }
    if let Some(bucket) = needed.first() {
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        return Err(Error::internal(format!(
            "no task told that it finished bucket {bucket} with all records that were sent to it{why}; nothing was \
             committed, run the job again"
        )));
    }
    settled.winners.extend(readers.into_values());
    Ok(settled)
}

/// Why a bucket's row does not fit to the rows of the groups.
fn misfit(
    row: &TaskRow,
    buckets: &BTreeSet<u32>,
    readers: &BTreeMap<u32, TaskRow>,
) -> Option<String> {
    let mut got: BTreeMap<(u32, u32), Tally> = BTreeMap::new();
    for received in &row.received {
        if !readers.contains_key(&received.group) {
            return Some(format!("group {} is unknown", received.group));
        }
        if got
            .insert((received.bucket, received.group), received.tally)
            .is_some()
        {
            return Some(format!("group {} came twice", received.group));
        }
    }
    for &bucket in buckets {
        for (&group, reader) in readers {
            let sent = reader.sent_to(bucket);
            let got = got.get(&(bucket, group)).copied().unwrap_or_default();
            if sent != got {
                return Some(format!(
                    "bucket {bucket} got {} records of {} from group {group}",
                    got.records, sent.records
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(records: u64) -> Tally {
        Tally {
            records,
            digest: u128::from(records) << 100,
        }
    }

    fn reader(group: u32, attempt: &str, sent: &[(u32, u64)]) -> TaskRow {
        let mut row = TaskRow::new(Stage::Shred, Some(group), attempt.into());
        row.sent = sent
            .iter()
            .map(|&(bucket, records)| Sent {
                bucket,
                tally: tally(records),
            })
            .collect();
        row
    }

    fn bucket(attempt: &str, received: &[(u32, u32, &str, u64)]) -> TaskRow {
        let mut row = TaskRow::new(Stage::Resolve, None, attempt.into());
        row.received = received
            .iter()
            .map(|&(bucket, group, attempt, records)| Received {
                bucket,
                group,
                attempt: attempt.into(),
                tally: tally(records),
            })
            .collect();
        row
    }

    fn attempts(groups: u32, rows: &[TaskRow]) -> Result<Vec<String>> {
        let settled = settle(groups, rows.to_vec())?;
        let mut attempts: Vec<String> =
            settled.winners.into_iter().map(|row| row.attempt).collect();
        attempts.sort();
        Ok(attempts)
    }

    #[test]
    fn one_row_counts_for_each_group_and_bucket() {
        let a1 = reader(0, "a1", &[(0, 2), (1, 1)]);
        let b1 = reader(1, "b1", &[(1, 4)]);
        let x = bucket("x", &[(0, 0, "a1", 2)]);
        let y = bucket("y", &[(1, 0, "a1", 1), (1, 1, "b1", 4)]);
        let all = [a1.clone(), b1.clone(), x.clone(), y.clone()];
        assert_eq!(attempts(2, &all).unwrap(), ["a1", "b1", "x", "y"]);
        // told twice, done twice
        let x2 = bucket("x2", &[(0, 0, "a1", 2)]);
        let twice = [
            &all[..],
            &[x.clone(), x2, reader(0, "a0", &[(0, 2), (1, 1)])],
        ]
        .concat();
        assert_eq!(attempts(2, &twice).unwrap(), ["a1", "b1", "x", "y"]);
        // what an attempt sent that is lost is what another one would have sent
        let lost = [
            reader(0, "a2", &[(0, 2), (1, 1)]),
            b1.clone(),
            x.clone(),
            y.clone(),
        ];
        assert_eq!(attempts(2, &lost).unwrap(), ["a2", "b1", "x", "y"]);
        // an unfinished bucket, a missing group, a record too few, a record too many, an unknown group
        for rows in [
            vec![a1.clone(), b1.clone(), x.clone()],
            vec![a1.clone(), x.clone(), y.clone()],
            vec![
                a1.clone(),
                b1.clone(),
                x.clone(),
                bucket("y", &[(1, 0, "a1", 1), (1, 1, "b1", 3)]),
            ],
            vec![
                a1.clone(),
                b1.clone(),
                x.clone(),
                bucket("y", &[(1, 1, "b1", 4)]),
            ],
            vec![reader(0, "a1", &[(0, 2)]), b1.clone(), x.clone(), y.clone()],
        ] {
            let error = attempts(2, &rows).unwrap_err();
            assert!(error.to_string().contains("run the job again"), "{error}");
        }
        // a row of a part of a task's buckets does not stand in for the whole
        let both = bucket("z", &[(0, 0, "a1", 2), (1, 0, "a1", 1), (1, 1, "b1", 4)]);
        assert_eq!(attempts(2, &[a1, b1, x, both]).unwrap(), ["a1", "b1", "z"]);
        assert!(attempts(0, &[]).unwrap().is_empty());
    }

    #[test]
    fn digests_count_and_rows_come_back() {
        let mut sent = reader(0, "a", &[(0, 2)]);
        sent.sent[0].tally.digest += 1;
        assert!(attempts(1, &[sent.clone(), bucket("x", &[(0, 0, "a", 2)])]).is_err());
        let back = TaskRow::from_bytes(&sent.to_bytes().unwrap()).unwrap();
        assert_eq!(back.sent, sent.sent);
        assert!(TaskRow::from_bytes(b"{}").is_err());
    }
}
