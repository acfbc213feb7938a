//! Tests of whole outputs on local disks; those in S3 are `tests/store_s3.rs`.

use super::*;
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::sync::atomic::AtomicUsize;

mod crash;

/// The folders of a shred job below a temporary folder.
struct Folders {
    dir: tempfile::TempDir,
}

const PAGE: &str = "shredded-types/vendor=com.acme/name=page/format=jsonschema/version=1-0-0";

impl Folders {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn location(&self, name: &str) -> Location {
        Location::from_path(&self.path(name)).unwrap()
    }

    fn settings(&self) -> OutputSettings {
        let good = OutputRoot::new(self.location("good"))
            .with_success_folders(["atomic-events", "shredded-types"])
            .with_compression(Compression::Gzip(6));
        OutputSettings::new(
            "shred",
            "run-1",
            vec![good, OutputRoot::new(self.location("bad"))],
        )
    }

    fn begin(&self, settings: OutputSettings) -> Result<Begun> {
        JobOutput::begin(Store::default(), settings)
    }

    fn ready(&self) -> Box<JobOutput> {
        ready(self.begin(self.settings()).unwrap())
    }

    /// All files below the folder, by relative path.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let files = local::walk(self.dir.path(), true).unwrap();
        files
            .into_iter()
            .map(|file| (file.relative, fs::read(file.path).unwrap()))
            .collect()
    }

    /// Sorted lines per folder of all part files that are visible, and the names of the other files.
    fn visible(&self) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
        let (mut lines, mut others) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
        for (name, bytes) in self.files() {
            if name.contains("_temporary/") {
                continue;
            }
            let (folder, file) = name.rsplit_once('/').unwrap();
            if file.starts_with("part-") {
                let text = if file.ends_with(".gz") {
                    gunzip(&bytes)
                } else {
                    bytes
                };
                let text = String::from_utf8(text).unwrap();
                lines
                    .entry(folder.to_owned())
                    .or_default()
                    .extend(text.lines().map(str::to_owned));
            } else {
                others.push(name);
            }
        }
        lines.values_mut().for_each(|lines| lines.sort());
        (lines, others)
    }
}

fn ready(begun: Begun) -> Box<JobOutput> {
    match begun {
        Begun::Ready(output) => output,
        Begun::Finished(finished) => panic!("finished already: {finished:?}"),
    }
}

/// The text of a file that must be one member and nothing else.
fn gunzip(file: &[u8]) -> Vec<u8> {
    let mut rest = file;
    let mut text = Vec::new();
    GzDecoder::new(&mut rest).read_to_end(&mut text).unwrap();
    assert!(rest.is_empty(), "more than one gzip member");
    let mut again = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut again).unwrap();
    assert!(again == text);
    text
}

/// Writes the same little output each time.
fn write_all(output: &JobOutput) {
    let atomic = output.writer(0, "atomic-events", Ending::Text).unwrap();
    let page = output.writer(0, PAGE, Ending::ShreddedType).unwrap();
    let bad = output.writer(1, "", Ending::Text).unwrap();
    for number in 0..10 {
        atomic
            .append(format!("event {number}\n").as_bytes(), 1)
            .unwrap();
        page.append(format!("{{\"n\":{number}}}\n").as_bytes(), 1)
            .unwrap();
    }
    bad.append(b"bad 1\nbad 2\n", 2).unwrap();
}

fn manifest(files: &[WrittenFile]) -> Result<Vec<u8>> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    assert!(
        files
            .iter()
            .all(|file| file.bytes > 0 && !file.etag.is_empty())
    );
    Ok(format!("{rows} rows").into_bytes())
}

/// What must be there in the end, however it came about.
fn assert_complete(folders: &Folders) {
    let (lines, others) = folders.visible();
    assert_eq!(
        others,
        [
            "bad/_SUCCESS",
            "good/_SUCCESS.manifest.json",
            "good/atomic-events/_SUCCESS",
            "good/shredded-types/_SUCCESS"
        ]
    );
    assert_eq!(
        fs::read(folders.path("good/_SUCCESS.manifest.json")).unwrap(),
        b"22 rows"
    );
    let expect = |text: &dyn Fn(usize) -> String| (0..10).map(text).collect::<Vec<_>>();
    let expected = BTreeMap::from([
        (
            "good/atomic-events".to_owned(),
            expect(&|n| format!("event {n}")),
        ),
        (
            format!("good/{PAGE}"),
            expect(&|n| format!("{{\"n\":{n}}}")),
        ),
        (
            "bad".to_owned(),
            vec!["bad 1".to_owned(), "bad 2".to_owned()],
        ),
    ]);
    assert_eq!(lines, expected);
    assert!(!folders.path("good/_temporary").exists() && !folders.path("bad/_temporary").exists());
}

/// Runs the job again without faults until its output is there.
fn run_again(folders: &Folders) {
    match folders.begin(folders.settings()).unwrap() {
        Begun::Finished(finished) => assert_eq!(finished.manifest, b"22 rows"),
        Begun::Ready(output) => {
            write_all(&output);
            output.commit(manifest).unwrap();
        }
    }
}

#[test]
fn an_output_is_written_as_the_jobs_wrote_it() {
    let folders = Folders::new();
    let output = folders.ready();
    write_all(&output);
    assert_eq!(
        folders.visible(),
        Default::default(),
        "nothing is visible before the commit"
    );
    let finished = output.commit(manifest).unwrap();
    assert_complete(&folders);
    assert_eq!(finished.manifest, b"22 rows");
    let names: Vec<&str> = finished
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let uuid = &names[0][11..47];
    assert_eq!(
        names,
        [
            format!("part-00000-{uuid}-c000.gz"),
            format!("part-00000-{uuid}.c000.gz"),
            format!("part-00000-{uuid}-c000.txt"),
        ]
    );
    assert_eq!(uuid.chars().filter(|c| *c == '-').count(), 4);
    for file in &finished.files {
        let path = folders
            .path(["good", "bad"][file.root])
            .join(file.relative());
        let metadata = fs::metadata(path).unwrap();
        assert_eq!(
            (file.bytes, &file.etag),
            (metadata.len(), &local::etag(&metadata))
        );
    }
    // a finished output is refused, whoever comes
    let error = folders.begin(folders.settings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    assert!(error.to_string().contains("finished output"), "{error}");
    assert_complete(&folders);
}

#[test]
fn an_output_without_rows_has_its_markers() {
    let folders = Folders::new();
    let output = folders.ready();
    let writer = output.writer(0, "atomic-events", Ending::Text).unwrap();
    writer.append(b"", 0).unwrap();
    assert!(
        output
            .commit(|_| Ok(b"{}".to_vec()))
            .unwrap()
            .files
            .is_empty()
    );
    let names: Vec<String> = folders.files().into_keys().collect();
    assert_eq!(
        names,
        [
            "bad/_SUCCESS",
            "good/_SUCCESS.manifest.json",
            "good/atomic-events/_SUCCESS",
            "good/shredded-types/_SUCCESS"
        ]
    );
    // the writer outlived the output
    assert_eq!(
        writer.append(b"x\n", 1).unwrap_err().kind(),
        ErrorKind::Internal
    );
}

#[test]
fn files_roll_at_the_target_size() {
    let folders = Folders::new();
    for compression in [Compression::None, Compression::Gzip(1)] {
        let name = format!("{compression:?}");
        let root = OutputRoot::new(folders.location(&name)).with_compression(compression);
        let mut settings = OutputSettings::new("enrich", "run-1", vec![root]);
        settings.target_size = 40_000;
        settings.memory_limit = 40_000;
        let output = ready(folders.begin(settings).unwrap());
        let writer = output.writer(0, "", Ending::Enriched).unwrap();
        let line = |n: usize| format!("{n} {:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for number in 0..20_000 {
            writer.append(line(number).as_bytes(), 1).unwrap();
        }
        let files = output.commit(|_| Ok(Vec::new())).unwrap().files;
        assert!(files.len() > 3, "{}", files.len());
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 20_000);
        for (index, file) in files.iter().enumerate() {
            assert!(
                file.name.starts_with(&format!("part-{index:05}-")),
                "{}",
                file.name
            );
            assert!(file.bytes < 40_000 + 8_000);
        }
        let (lines, _) = folders.visible();
        let mut expected: Vec<String> =
            (0..20_000).map(|n| line(n).trim_end().to_owned()).collect();
        expected.sort();
        assert_eq!(lines[&name], expected);
    }
}

#[test]
fn many_threads_write_whole_lines() {
    let folders = Folders::new();
    let output = folders.ready();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let output = &output;
            scope.spawn(move || {
                for number in 0..400usize {
                    let length = if number.is_multiple_of(97) {
                        1_500_000
                    } else {
                        300 + number
                    };
                    let line = format!("{thread}-{number}-{}\n", "x".repeat(length));
                    let writer = output.writer(0, "atomic-events", Ending::Text).unwrap();
                    writer.append(line.as_bytes(), 1).unwrap();
                }
            });
        }
    });
    let files = output.commit(|_| Ok(Vec::new())).unwrap().files;
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 8 * 400);
    let (lines, _) = folders.visible();
    let lines = &lines["good/atomic-events"];
    assert_eq!(lines.len(), 8 * 400);
    for line in lines {
        let mut parts = line.split('-');
        let number: usize = parts.nth(1).unwrap().parse().unwrap();
        let length = if number.is_multiple_of(97) {
            1_500_000
        } else {
            300 + number
        };
        assert_eq!(parts.next().unwrap().len(), length);
    }
}

#[test]
fn thousands_of_writers_stay_below_the_limit() {
    const WRITERS: usize = 2_000;
    const LIMIT: u64 = 2 << 20;
    let folders = Folders::new();
    let mut settings = folders.settings();
    settings.memory_limit = LIMIT;
    let output = ready(folders.begin(settings).unwrap());
    let folder = |n: usize| {
        format!("shredded-types/vendor=com.acme/name=type_{n}/format=jsonschema/version=1-0-0")
    };
    let most = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (output, most) = (&output, &most);
            scope.spawn(move || {
                let writers: Vec<_> = (0..WRITERS)
                    .map(|n| output.writer(0, &folder(n), Ending::ShreddedType).unwrap())
                    .collect();
                for round in 0..4 {
                    for (n, writer) in writers.iter().enumerate() {
                        let line = format!("{thread} {round} {n} {}\n", "y".repeat(300));
                        writer.append(line.as_bytes(), 1).unwrap();
                        most.fetch_max(output.pressure.held().0, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    // a few appends may be under way beyond it
    assert!(
        most.load(Ordering::Relaxed) as u64 <= LIMIT + (64 << 10),
        "{most:?}"
    );
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        assert!(open.count() < 500, "files are kept open");
    }
    let pressure = Arc::clone(&output.pressure);
    let files = output.commit(|_| Ok(Vec::new())).unwrap().files;
    assert_eq!(pressure.held(), (0, 0));
    assert_eq!(files.len(), WRITERS);
    assert!(files.iter().all(|file| file.rows == 16));
    let (lines, _) = folders.visible();
    assert_eq!(lines.len(), WRITERS);
    for n in 0..WRITERS {
        let lines = &lines[&format!("good/{}", folder(n))];
        assert_eq!(lines.len(), 16);
        assert!(
            lines
                .iter()
                .all(|line| line.split(' ').nth(2) == Some(&n.to_string()))
        );
    }
}

#[test]
fn folders_that_are_not_empty_are_refused_and_named() {
    for (name, file, told) in [
        ("good", "atomic-events/part-00000-x", "not marked"),
        ("bad", "_SUCCESS", "finished output"),
        ("bad", "_temporary/0/task", "_temporary/0"),
        ("good", "_temporary/commit-plan.json", "cannot use"),
    ] {
        let folders = Folders::new();
        let path = folders.path(name).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let error = folders.begin(folders.settings()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotEmpty, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(told) && text.contains(folders.path(name).to_str().unwrap()),
            "{text}"
        );
        assert_eq!(folders.files().len(), 1, "nothing else was made or deleted");
    }
    // empty folders are no content
    let folders = Folders::new();
    fs::create_dir_all(folders.path("good/atomic-events/deep")).unwrap();
    run_again(&folders);
    assert_complete(&folders);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let folders = Folders::new();
    fs::create_dir_all(folders.path("real")).unwrap();
    std::os::unix::fs::symlink(folders.path("real"), folders.path("link")).unwrap();
    let two = |a: &str, b: &str| {
        let roots = [a, b].map(|name| OutputRoot::new(folders.location(name)));
        OutputSettings::new("shred", "run-1", roots.to_vec())
    };
    let s3 = |a: &str, b: &str| {
        let roots = [a, b].map(|name| OutputRoot::new(Location::parse(name).unwrap()));
        OutputSettings::new("shred", "run-1", roots.to_vec())
    };
    let with = |change: &dyn Fn(&mut OutputSettings)| {
        let mut settings = folders.settings();
        change(&mut settings);
        settings
    };
    for (settings, told) in [
        (two("out", "out"), "same folder"),
        (two("out", "out/bad"), "inside another"),
        (two("out/good", "out"), "inside another"),
        (two("real/x", "link/x/y"), "inside another"),
        (s3("s3://b/x", "s3a://b//x/"), "same folder"),
        (s3("s3://b", "s3://b/x"), "inside another"),
        (
            OutputSettings::new("shred", "run-1", Vec::new()),
            "needs an output folder",
        ),
        (with(&|s| s.run_id = "a/b".into()), "run id"),
        (with(&|s| s.job = String::new()), "job"),
        (with(&|s| s.target_size = 0), "target size"),
        (
            with(&|s| s.roots[0].compression = Compression::Gzip(10)),
            "level",
        ),
        (
            with(&|s| s.log_folder = Some(folders.location("bad/log"))),
            "log folder",
        ),
    ] {
        let error = folders.begin(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
    assert!(folders.begin(two("out", "output")).is_ok());
}

#[test]
fn strange_folders_and_roots_are_refused() {
    let folders = Folders::new();
    let output = folders.ready();
    for folder in [
        "a//b",
        "/a",
        "a/",
        "../x",
        "a/./b",
        "_temporary/x",
        "a\nb",
        "_SUCCESS",
    ] {
        assert_eq!(
            output.writer(0, folder, Ending::Text).unwrap_err().kind(),
            ErrorKind::Internal
        );
    }
    assert!(output.writer(2, "", Ending::Text).is_err());
    output.writer(0, "vendor=a b/ü", Ending::Text).unwrap();
    assert!(output.writer(0, "vendor=a b/ü", Ending::Enriched).is_err());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folders = Folders::new();
    fs::write(folders.path("file"), "x").unwrap();
    let root = OutputRoot::new(folders.location("file/out"));
    let error = folders
        .begin(OutputSettings::new("shred", "run-1", vec![root]))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(folders.path("file").to_str().unwrap()),
        "{error}"
    );
    // not even root may make folders here
    let root = OutputRoot::new(Location::parse("/proc/camonica-out").unwrap());
    let error = folders
        .begin(OutputSettings::new("shred", "run-1", vec![root]))
        .unwrap_err();
    assert!(error.to_string().contains("/proc/camonica-out"), "{error}");
}

#[test]
fn a_failed_write_fails_the_job_and_leaves_nothing() {
    if !Path::new("/dev/full").exists() {
        println!("SKIPPED: no /dev/full");
        return;
    }
    let folders = Folders::new();
    let output = folders.ready();
    let writer = output.writer(1, "", Ending::Text).unwrap();
    writer.append(b"first\n", 1).unwrap();
    writer.write_pending().unwrap();
    let part = local::walk(&folders.path("bad"), true)
        .unwrap()
        .into_iter()
        .find(|file| file.relative.contains("part-"))
        .unwrap();
    fs::remove_file(&part.path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &part.path).unwrap();
    writer.append(b"second\n", 1).unwrap();
    let error = writer.write_pending().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("part-00000"), "{error}");
    // any other writer tells it too, and there is no commit
    let other = output.writer(0, "atomic-events", Ending::Text).unwrap();
    assert_eq!(other.append(b"x\n", 1).unwrap_err().kind(), ErrorKind::Full);
    let error = output.commit(manifest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(folders.files().is_empty(), "{:?}", folders.files().keys());
}

#[test]
fn a_file_that_was_cut_behind_our_back_is_not_committed() {
    let folders = Folders::new();
    let output = folders.ready();
    write_all(&output);
    let writer = output.writer(1, "", Ending::Text).unwrap();
    writer.write_pending().unwrap();
    let part = local::walk(&folders.path("bad"), true)
        .unwrap()
        .into_iter()
        .find(|file| file.relative.contains("part-"))
        .unwrap();
    fs::write(&part.path, "bad").unwrap();
    assert_eq!(
        output.commit(manifest).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    assert!(folders.files().is_empty());
}
