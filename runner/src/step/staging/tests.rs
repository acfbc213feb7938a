//! Names, indexes and limits of staging on local disks.

use super::*;
use std::fs;
use std::path::Path;

struct Folders {
    base: tempfile::TempDir,
}

impl Folders {
    fn new(files: &[&str]) -> Self {
        let folders = Self {
            base: tempfile::tempdir().unwrap(),
        };
        for file in files {
            folders.write(file, file);
        }
        folders
    }

    fn write(&self, file: &str, content: &str) {
        let path = self.base.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn at(&self, name: &str) -> Location {
        Location::from_path(&self.base.path().join(name)).unwrap()
    }

    fn stage(&self, inputs: &[&str], format: &str, limits: Limits) -> Vec<String> {
        let inputs: Vec<Location> = inputs.iter().map(|name| self.at(name)).collect();
        let objects = Objects::new(None);
        stage(&objects, &inputs, &self.at("processing"), format, limits)
            .unwrap()
            .1
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let objects = Objects::new(None);
        let list = objects.list(&self.at(folder)).unwrap();
        list.into_iter().map(|entry| entry.relative).collect()
    }

    fn content(&self, file: &str) -> String {
        fs::read_to_string(self.base.path().join(file)).unwrap()
    }
}

const NO_LIMITS: Limits = Limits {
    max_files: None,
    max_bytes: None,
};

#[test]
fn keys_are_kept_and_other_folders_left() {
    let folders = Folders::new(&["in/2018/a.gz", "in/_b.gz", "in/x_$folder$", "in2/c.gz"]);
    assert_eq!(
        folders.stage(&["in"], "cloudfront", NO_LIMITS),
        ["2018/a.gz", "_b.gz"]
    );
    assert_eq!(folders.below("processing"), ["2018/a.gz", "_b.gz"]);
    assert_eq!(folders.below("in2"), ["c.gz"]);
    assert_eq!(folders.stage(&["in"], "cloudfront", NO_LIMITS), [""; 0]);
}

#[test]
fn logs_of_tomcat_are_flattened_and_never_joined() {
    let folders = Folders::new(&[
        "in/i-1/_var_localhost_access_log.txt1.gz",
        "in/i-2/_var_localhost_access_log.txt1.gz",
        "in/i-2/_var_localhost_access_log.txt2.gz",
        "in/i-2/catalina.out",
    ]);
    assert_eq!(
        folders.stage(&["in"], "clj-tomcat", NO_LIMITS),
        [
            "i-1-var_localhost_access_log.txt1.gz",
            "i-2-var_localhost_access_log.txt1.gz",
            "var_localhost_access_log.txt2.gz"
        ]
    );
    assert_eq!(folders.below("in"), ["i-2/catalina.out"]);
    assert_eq!(
        folders.content("processing/i-2-var_localhost_access_log.txt1.gz"),
        "in/i-2/_var_localhost_access_log.txt1.gz"
    );
}

#[test]
fn two_locations_with_one_key_keep_both() {
    let folders = Folders::new(&["one/d/a.gz", "two/d/a.gz", "two/d/b.gz"]);
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        ["d/1-a.gz", "d/2-a.gz", "d/b.gz"]
    );
    assert_eq!(folders.content("processing/d/1-a.gz"), "one/d/a.gz");
    assert_eq!(folders.content("processing/d/2-a.gz"), "two/d/a.gz");
    // one that comes later, after a cut, under a name that is taken; its content is no proof on one disk
    folders.write("one/d/b.gz", "two/d/b.gz");
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        ["d/1-b.gz"]
    );
    folders.write("one/d/b.gz", "again");
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        ["d/2-b.gz"]
    );
    folders.write("one/d/b.gz", "and again");
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        ["d/3-b.gz"]
    );
    assert_eq!(folders.below("processing").len(), 6);
}

#[test]
fn a_cut_between_logs_of_one_name_changes_no_name() {
    let folders = Folders::new(&["two/d/a.gz", "two/d/1-b.gz", "processing/d/1-a.gz"]);
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        ["d/1-b.gz", "d/2-a.gz"]
    );
    // the only location numbers nothing
    let folders = Folders::new(&["one/a.gz", "processing/1-a.gz"]);
    assert_eq!(folders.stage(&["one"], "thrift", NO_LIMITS), ["a.gz"]);
    let folders = Folders::new(&[
        "in/i-2/_localhost_access_log.txt1.gz",
        "in/i-2/_localhost_access_log.txt2.gz",
        "processing/i-1-localhost_access_log.txt1.gz",
    ]);
    assert_eq!(
        folders.stage(&["in"], "clj-tomcat", NO_LIMITS),
        [
            "i-2-localhost_access_log.txt1.gz",
            "localhost_access_log.txt2.gz"
        ]
    );
}

#[test]
fn an_index_stays_beside_its_file() {
    let folders = Folders::new(&[
        "one/a.lzo",
        "one/a.lzo.index",
        "two/a.lzo",
        "two/a.lzo.index",
        "two/b.lzo",
        "two/c.lzo.index",
    ]);
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        [
            "1-a.lzo",
            "1-a.lzo.index",
            "2-a.lzo",
            "2-a.lzo.index",
            "b.lzo",
            "c.lzo.index"
        ]
    );
    assert_eq!(
        folders.content("processing/2-a.lzo.index"),
        "two/a.lzo.index"
    );

    // cut after the index: the file follows it, whatever name it would have now
    let folders = Folders::new(&["two/a.lzo", "processing/2-a.lzo.index"]);
    assert_eq!(
        folders.stage(&["one", "two"], "thrift", NO_LIMITS),
        ["2-a.lzo"]
    );
    let folders = Folders::new(&["one/a.lzo", "processing/a.lzo.index"]);
    assert_eq!(folders.stage(&["one"], "thrift", NO_LIMITS), ["a.lzo"]);
}

#[test]
fn an_index_alone_is_no_log() {
    let folders = Folders::new(&["in/c.lzo.index"]);
    let objects = Objects::new(None);
    assert!(!any(&objects, &folders.at("in"), "thrift").unwrap());
    assert!(
        candidates(&objects, &folders.at("in"), "thrift")
            .unwrap()
            .is_empty()
    );
    assert_eq!(folders.stage(&["in"], "thrift", NO_LIMITS), [""; 0]);
    folders.write("in/c.lzo", "x");
    assert!(any(&objects, &folders.at("in"), "thrift").unwrap());
    assert_eq!(
        candidates(&objects, &folders.at("in"), "thrift")
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn only_access_logs_of_tomcat_are_candidates() {
    let folders = Folders::new(&["in/i/catalina.out", "in/i/x.txt/localhost_access_log"]);
    let objects = Objects::new(None);
    assert!(!any(&objects, &folders.at("in"), "clj-tomcat").unwrap());
    assert!(any(&objects, &folders.at("in"), "cloudfront").unwrap());
    folders.write("in/i/_localhost_access_log.txt15.gz", "x");
    assert!(any(&objects, &folders.at("in"), "clj-tomcat").unwrap());
}

fn log(name: &str, size: u64, modified_ms: i64, index: bool) -> Log {
    let entry = |relative: String, size| ObjectEntry {
        relative,
        size,
        etag: String::new(),
        modified_ms,
    };
    Log {
        input: 0,
        entry: entry(name.to_owned(), size),
        index: index.then(|| entry(format!("{name}.index"), 1)),
    }
}

#[test]
fn the_oldest_are_taken_up_to_the_limits() {
    let logs = || {
        vec![
            log("new", 10, 30, false),
            log("old", 10, 10, false),
            log("mid.lzo", 10, 20, true),
        ]
    };
    let staged = |sizes: &[u64]| -> Vec<ObjectEntry> {
        sizes
            .iter()
            .map(|&size| log("s", size, 0, false).entry)
            .collect()
    };
    for (max_files, max_bytes, before, expected) in [
        (Some(2), None, &[][..], &["old", "mid.lzo"][..]),
        (None, Some(21), &[], &["old", "mid.lzo"]),
        (None, Some(20), &[], &["old"]),
        // at least one, or a large one would never be taken
        (None, Some(1), &[], &["old"]),
        (Some(0), None, &[], &["old"]),
        // what an earlier attempt has staged counts
        (Some(2), None, &[5], &["old"]),
        (Some(2), None, &[5, 5], &[]),
        (None, Some(15), &[5], &["old"]),
        (None, Some(14), &[5], &[]),
        (None, None, &[5], &["new", "old", "mid.lzo"]),
    ] {
        let limits = Limits {
            max_files,
            max_bytes,
        };
        let taken = limited(logs(), &staged(before), limits);
        let names: Vec<&str> = taken
            .iter()
            .map(|log| log.entry.relative.as_str())
            .collect();
        assert_eq!(names, expected, "{limits:?} {before:?}");
    }
}

#[test]
fn names_can_be_read_by_all() {
    for (key, name) in [
        ("a/b.gz", "a/b.gz"),
        ("/a//b.gz", "a/b.gz"),
        ("a/../b", "a/%2E%2E/b"),
        ("./x", "%2E/x"),
        ("a\nü", "a%0Aü"),
        ("run=1/ü +%.gz", "run=1/ü +%.gz"),
    ] {
        assert_eq!(readable(key), name);
    }
    // only underscores: nothing would be left
    assert_eq!(names_of(0, "i/__", "clj-tomcat").plain, "__");
}

#[test]
fn limits_take_what_is_there_and_leave_the_rest() {
    let folders = Folders::new(&["in/a.gz", "in/b.gz", "in/c.gz"]);
    for (name, seconds) in [("a", 300), ("b", 100), ("c", 200)] {
        let path: &Path = &folders.base.path().join(format!("in/{name}.gz"));
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
            .unwrap();
    }
    let limits = Limits {
        max_files: Some(2),
        max_bytes: None,
    };
    assert_eq!(folders.stage(&["in"], "thrift", limits), ["b.gz", "c.gz"]);
    assert_eq!(folders.below("in"), ["a.gz"]);
}
