//! Jobs in parts, with all tasks in this process: the output is that of the job on one machine, also when tasks are done
//! twice.

use super::*;
use crate::job::JobReport;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

const SECRET: &[u8] = b"a secret of the cluster, 32 bytes or more";
const RESOLVER: &str = r#"{"schema":"iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-1","data":{"cacheSize":5,"repositories":[]}}"#;

/// Lines of all part files by their folder, sorted.
pub(super) fn lines(root: &Path) -> BTreeMap<String, Vec<String>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert_ne!(name, "_temporary");
            if path.is_dir() {
                walk(root, &path, found);
            } else if name.starts_with("part-") {
                let relative = folder.strip_prefix(root).unwrap().to_string_lossy();
                let text = fs::read_to_string(&path).unwrap();
                let lines = found.entry(relative.into_owned()).or_default();
                lines.extend(text.lines().map(str::to_owned));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found.values_mut().for_each(|lines| lines.sort());
    found
}

fn options(folder: &Path) -> JobOptions {
    JobOptions {
        workers: 2,
        run_id: Some("run".into()),
        failure_tstamp_ms: Some(0),
        log_folder: Some(folder.join("log").to_str().unwrap().into()),
        ..JobOptions::default()
    }
}

pub(super) fn shred_job(folder: &Path, output: &str) -> ShredJob {
    let text = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    ShredJob {
        input: text("in"),
        output: text(&format!("{output}/good")),
        bad: text(&format!("{output}/bad")),
        resolver: RESOLVER.into(),
        options: options(folder),
    }
}

/// Enriched lines without JSONs: every id comes as `copies` says, with so many fingerprints.
pub(super) fn write_input(folder: &Path) {
    fs::create_dir_all(folder.join("in")).unwrap();
    let mut files = [const { String::new() }; 5];
    for number in 0..400u32 {
        let (copies, fingerprints) = match number % 10 {
            0 => (3, 1),
            1 => (4, 2),
            2 => (2, 0),
            _ => (1, 1),
        };
        for copy in 0..copies {
            let mut columns = vec![String::new(); 131];
            columns[2] = "2018-07-24 00:00:00.000".into();
            columns[3] = "2018-07-24 00:00:00.000".into();
            columns[6] = format!("00000000-0000-4000-8000-{number:012x}");
            columns[129] = match fingerprints {
                0 => String::new(),
                _ => format!("fp{}", copy % fingerprints),
            };
            let line = if number == 33 {
                "bad".into()
            } else {
                columns.join("\t")
            };
            let file = &mut files[(number + copy) as usize % 5];
            file.push_str(&line);
            file.push('\n');
        }
    }
    for (number, text) in files.iter().enumerate() {
        fs::write(folder.join(format!("in/{number}.tsv")), text).unwrap();
    }
}

struct Cluster {
    options: PartOptions,
    /// Each task is done twice, and both rows come back.
    twice: bool,
    /// Parcels of every second attempt are lost and the rest comes twice.
    repeated_parcels: bool,
}

type Task<'t> = dyn Fn(&Carry<'_>) -> Result<TaskRow> + 't;
type Carry<'c> = dyn Fn(Parcel) -> Result<()> + Sync + 'c;

impl Cluster {
    fn do_task(&self, runner: &TaskRunner, sent: &Mutex<Vec<Parcel>>, task: &Task<'_>) {
        for time in 0..if self.twice { 2 } else { 1 } {
            let mine = Mutex::new(Vec::new());
            let carry = |parcel| {
                mine.lock().unwrap().push(parcel);
                Ok(())
            };
            let row = task(&carry).unwrap();
            let mut mine = mine.into_inner().unwrap();
            if time == 0 && self.repeated_parcels {
                mine.extend(mine.clone());
            }
            mine.push(runner.seal_row(&row).unwrap());
            sent.lock().unwrap().extend(mine);
        }
    }

    /// Hands the parcels to tasks of three buckets each; rows that come back.
    fn reduce(
        &self,
        runner: &TaskRunner,
        sent: Vec<Parcel>,
        task: &dyn Fn(&mut Parcels<'_>, &Carry<'_>) -> Result<Option<TaskRow>>,
    ) -> Vec<Parcel> {
        let returned = Mutex::new(Vec::new());
        let carry = |parcel| {
            returned.lock().unwrap().push(parcel);
            Ok(())
        };
        for partition in 0..3 {
            for _ in 0..if self.twice { 2 } else { 1 } {
                let mut mine = sent.iter().filter(|parcel| parcel.bucket % 3 == partition);
                let mut next = || Ok(mine.next().cloned());
                if let Some(row) = task(&mut next, &carry).unwrap() {
                    carry(runner.seal_row(&row).unwrap()).unwrap();
                }
            }
        }
        returned.into_inner().unwrap()
    }

    fn rows(job: &PartedJob, parcels: &[Parcel]) -> Vec<TaskRow> {
        parcels
            .iter()
            .map(|parcel| job.open_row(parcel.bucket, &parcel.bytes).unwrap())
            .collect()
    }

    fn shred(&self, job: &ShredJob) -> JobReport {
        let opened = PartedJob::open_shred(job, self.options, SECRET, None).unwrap();
        let Opened::Ready(mut parted) = opened else {
            panic!("ready");
        };
        let local = JobOptions::default();
        let sealed = parted.sealed().unwrap();
        assert!(TaskRunner::open(parted.id(), &sealed, &[9; 32], &local).is_err());
        let runner = TaskRunner::open(parted.id(), &sealed, SECRET, &local).unwrap();
        let sent = Mutex::new(Vec::new());
        for group in parted.groups() {
            self.do_task(&runner, &sent, &|carry| runner.scan(group, carry));
        }
        let rows = self.reduce(&runner, sent.into_inner().unwrap(), &|parcels, carry| {
            runner.count(parcels, carry)
        });
        let rows = Self::rows(&parted, &rows);
        assert!(parted.scanned(rows).unwrap() > 0);
        let sealed = parted.sealed().unwrap();
        let runner = TaskRunner::open(parted.id(), &sealed, SECRET, &local).unwrap();
        let sent = Mutex::new(Vec::new());
        for group in parted.groups() {
            self.do_task(&runner, &sent, &|carry| runner.shred(group, carry));
        }
        let rows = self.reduce(&runner, sent.into_inner().unwrap(), &|parcels, carry| {
            runner.resolve(parcels, carry)
        });
        let rows = Self::rows(&parted, &rows);
        parted.commit(rows).unwrap().report
    }
}

#[test]
fn shredding_in_parts_equals_shredding_on_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    write_input(folder.path());
    let one = shred_job(folder.path(), "one").run().unwrap();
    let expected = lines(&folder.path().join("one"));
    let counts = one.shred.unwrap();
    assert!(counts.natural_duplicates > 100 && counts.synthetic_duplicates > 100);
    for (number, (group_bytes, buckets, twice, repeated_parcels)) in [
        (1 << 20, 1, false, false),
        (5_000, 8, false, false),
        (1_000, 8, true, false),
        (5_000, 5, true, true),
    ]
    .into_iter()
    .enumerate()
    {
        let cluster = Cluster {
            options: PartOptions {
                slots: 100,
                group_bytes,
                buckets,
            },
            twice,
            repeated_parcels,
        };
        let job = shred_job(folder.path(), &format!("parts{number}"));
        let mut got = cluster.shred(&job).shred.unwrap();
        assert_eq!(
            lines(&folder.path().join(format!("parts{number}"))),
            expected
        );
        got.waiting_bytes = counts.waiting_bytes;
        assert!(got.exchanged_key_bytes > got.key_bytes && got.exchanged_line_bytes > 0);
        (got.exchanged_key_bytes, got.exchanged_line_bytes) = (0, 0);
        assert_eq!(got, counts, "{number}");
    }
}

#[test]
fn a_job_without_a_log_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_input(folder.path());
    let mut job = shred_job(folder.path(), "out");
    job.options.log_folder = None;
    let error = PartedJob::open_shred(&job, PartOptions::default(), SECRET, None).unwrap_err();
    assert!(error.to_string().contains("--log-folder"), "{error}");
    let job = shred_job(folder.path(), "out");
    let error = PartedJob::open_shred(&job, PartOptions::default(), b"short", None).unwrap_err();
    assert!(error.to_string().contains("secret"), "{error}");
}
