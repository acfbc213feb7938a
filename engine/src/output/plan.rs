//! The commit plan: all that is needed to finish a commit without the process that began it.
//!
//! It is written, whole and only if there is none yet, before the first visible change. So it is also the lock that
//! lets one attempt of a run commit and no other.

use super::attempt::{PLAN, TEMPORARY};
use super::settings::OutputSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Location, Store, Upload};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The form of the plan; a plan of another form is refused.
const VERSION: u32 = 1;

/// A part file as a job wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Index of its root.
    pub root: usize,
    /// Folder below the root; empty for the root itself.
    pub folder: String,
    /// File name.
    pub name: String,
    /// Lines.
    pub rows: u64,
    /// Stored bytes.
    pub bytes: u64,
    /// Entity tag without quotes. While a manifest is made, the tag of an upload is a stand-in that is replaced when the
    /// manifest is written: S3 tells the tag only at completion, and a killed commit must write the same manifest.
    pub etag: String,
}

impl WrittenFile {
    /// `folder/name`.
    pub fn relative(&self) -> String {
        relative(&self.folder, &self.name)
    }
}

/// `folder/name`, or the name alone.
pub(super) fn relative(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// A commit, ready to be carried out by anyone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CommitPlan {
    version: u32,
    pub(super) job: String,
    pub(super) run_id: String,
    /// Name of the attempt's temporary folders.
    pub(super) attempt: String,
    /// The random part of its file names.
    pub(super) uuid: String,
    pub(super) roots: Vec<PlannedRoot>,
    pub(super) files: Vec<PlannedFile>,
    /// The manifest's bytes in Base64, with stand-ins for the tags of uploads.
    manifest: String,
}

/// A root of the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlannedRoot {
    pub(super) location: String,
    pub(super) success_folders: Vec<String>,
}

/// A part file of the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlannedFile {
    pub(super) root: usize,
    pub(super) folder: String,
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Tag of a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// Upload of a file in S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<PlannedUpload>,
}

/// An upload whose parts have all arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PlannedUpload {
    pub(super) id: String,
    pub(super) parts: Vec<String>,
}

impl PlannedFile {
    pub(super) fn relative(&self) -> String {
        relative(&self.folder, &self.name)
    }

    pub(super) fn written(&self, etag: String) -> WrittenFile {
        WrittenFile {
            root: self.root,
            folder: self.folder.clone(),
            name: self.name.clone(),
            rows: self.rows,
            bytes: self.bytes,
            etag,
        }
    }
}

/// Where the plan of these settings is.
pub(super) fn plan_location(settings: &OutputSettings) -> Result<Location> {
    let first = settings
        .roots
        .first()
        .ok_or_else(|| Error::config("a job needs an output folder"))?;
    Ok(match &settings.log_folder {
        Some(log) if !first.location.is_local() => log.join(&format!(
            "camonica/{}/{}/{PLAN}",
            settings.run_id, settings.job
        )),
        _ => first.location.join(&format!("{TEMPORARY}/{PLAN}")),
    })
}

impl CommitPlan {
    pub(super) fn new(
        settings: &OutputSettings,
        attempt: &str,
        uuid: &str,
        files: Vec<PlannedFile>,
        manifest: &[u8],
    ) -> Result<Self> {
        let roots: Result<Vec<PlannedRoot>> = settings
            .roots
            .iter()
            .map(|root| {
                Ok(PlannedRoot {
                    location: absolute(&root.location)?,
                    success_folders: root.success_folders.clone(),
                })
            })
            .collect();
        Ok(Self {
            version: VERSION,
            job: settings.job.clone(),
            run_id: settings.run_id.clone(),
            attempt: attempt.to_owned(),
            uuid: uuid.to_owned(),
            roots: roots?,
            files,
            manifest: STANDARD.encode(manifest),
        })
    }

    /// The plan at `location`, if there is one.
    pub(super) fn read(store: &Store, location: &Location) -> Result<Option<Self>> {
        if store.head(location)?.is_none() {
            return Ok(None);
        }
        let bytes = match store.read_to_vec(location) {
            // its commit ended at this very moment
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let unusable = |why: String| {
            Error::new(
                ErrorKind::NotEmpty,
                format!(
                    "{location}: there is a commit plan that this version cannot use ({why}); finish it with the version \
                     that wrote it, or delete it together with the output"
                ),
            )
        };
        let plan: Self = serde_json::from_slice(&bytes).map_err(|e| unusable(e.to_string()))?;
        if plan.version != VERSION {
            return Err(unusable(format!("version {}", plan.version)));
        }
        if plan.files.iter().any(|file| file.root >= plan.roots.len())
            || STANDARD.decode(&plan.manifest).is_err()
        {
            return Err(unusable("its content does not fit together".into()));
        }
        Ok(Some(plan))
    }

    /// Writes it if there is none; false if another attempt was first.
    pub(super) fn write(&self, store: &Store, location: &Location) -> Result<bool> {
        let bytes = serde_json::to_vec(self).map_err(|e| {
            Error::internal("a commit plan cannot be written as JSON").with_source(e)
        })?;
        store.put_new(location, bytes)
    }

    /// Whether it is a plan of the same run, job and folders.
    pub(super) fn is_of(&self, settings: &OutputSettings) -> Result<bool> {
        if self.run_id != settings.run_id
            || self.job != settings.job
            || self.roots.len() != settings.roots.len()
        {
            return Ok(false);
        }
        for (planned, root) in self.roots.iter().zip(&settings.roots) {
            if !Location::parse(&planned.location)?.is_same_place(&root.location)
                || planned.success_folders != root.success_folders
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn root(&self, index: usize) -> Result<Location> {
        let root = self
            .roots
            .get(index)
            .ok_or_else(|| Error::internal("a commit plan without the root of its file"))?;
        Location::parse(&root.location)
    }

    /// The upload of a file in S3.
    pub(super) fn upload(&self, file: &PlannedFile) -> Result<Option<Upload>> {
        let Some(upload) = &file.upload else {
            return Ok(None);
        };
        Ok(Some(Upload {
            location: self.root(file.root)?.join(&file.relative()),
            id: upload.id.clone(),
        }))
    }

    /// The manifest with the tags in the place of their stand-ins.
    pub(super) fn manifest(&self, etags: &[String]) -> Result<Vec<u8>> {
        let bytes = STANDARD.decode(&self.manifest).map_err(|e| {
            Error::internal("a commit plan without a usable manifest").with_source(e)
        })?;
        Ok(fill_in(&bytes, &self.uuid, etags))
    }
}

/// A location without what depends on the working directory.
pub(super) fn absolute(location: &Location) -> Result<String> {
    match location.local_path() {
        Some(path) => path
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::config(format!("{location}: the path is not UTF-8"))),
        None => Ok(location.to_string()),
    }
}

/// What stands for the tag of the file of this index until the tag is known.
pub(super) fn stand_in(uuid: &str, index: usize) -> String {
    format!("@{uuid}:{index}@")
}

/// Replaces the stand-ins.
fn fill_in(bytes: &[u8], uuid: &str, etags: &[String]) -> Vec<u8> {
    let mark = format!("@{uuid}:");
    let mut filled = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, mark.as_bytes()) {
        let after = &rest[at + mark.len()..];
        let tag = memchr::memchr(b'@', after).and_then(|end| {
            let index: usize = std::str::from_utf8(&after[..end]).ok()?.parse().ok()?;
            Some((etags.get(index)?, end + 1))
        });
        match tag {
            Some((tag, end)) => {
                filled.extend_from_slice(&rest[..at]);
                filled.extend_from_slice(tag.as_bytes());
                rest = &after[end..];
            }
            None => {
                filled.extend_from_slice(&rest[..at + mark.len()]);
                rest = after;
            }
        }
    }
    filled.extend_from_slice(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::super::settings::OutputRoot;
    use super::*;

    fn settings(folder: &str) -> OutputSettings {
        let roots = vec![OutputRoot::new(Location::parse(folder).unwrap())];
        OutputSettings::new("shred", "2018-07-24-10-00-00", roots)
    }

    #[test]
    fn plans_have_their_place() {
        let mut s3 = settings("s3://b/good");
        assert_eq!(
            plan_location(&s3).unwrap().to_string(),
            "s3://b/good/_temporary/commit-plan.json"
        );
        s3.log_folder = Some(Location::parse("s3://b/log/").unwrap());
        assert_eq!(
            plan_location(&s3).unwrap().to_string(),
            "s3://b/log/camonica/2018-07-24-10-00-00/shred/commit-plan.json"
        );
        let mut local = settings("/data/good");
        local.log_folder = s3.log_folder;
        assert_eq!(
            plan_location(&local).unwrap().to_string(),
            "/data/good/_temporary/commit-plan.json"
        );
    }

    #[test]
    fn stand_ins_are_replaced_and_nothing_else() {
        let etags = vec!["abc-1".to_owned(), "def".to_owned()];
        let text = format!(
            "{{\"a\":\"{}\",\"b\":\"{}\",\"c\":\"@u:9@ @u: @u:x@\"}}",
            stand_in("u", 1),
            stand_in("u", 0)
        );
        let filled = fill_in(text.as_bytes(), "u", &etags);
        assert_eq!(
            String::from_utf8(filled).unwrap(),
            "{\"a\":\"def\",\"b\":\"abc-1\",\"c\":\"@u:9@ @u: @u:x@\"}"
        );
        assert_eq!(fill_in(b"\xff@u:0", "u", &etags), b"\xff@u:0");
    }

    #[test]
    fn a_plan_is_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::default();
        let settings = settings(dir.path().to_str().unwrap());
        let location = plan_location(&settings).unwrap();
        assert!(CommitPlan::read(&store, &location).unwrap().is_none());
        let file = PlannedFile {
            root: 0,
            folder: String::new(),
            name: "part-00000".into(),
            rows: 3,
            bytes: 10,
            etag: None,
            upload: Some(PlannedUpload {
                id: "id".into(),
                parts: vec!["\"tag\"".into()],
            }),
        };
        let plan = CommitPlan::new(
            &settings,
            "camonica-a",
            "u",
            vec![file],
            stand_in("u", 0).as_bytes(),
        )
        .unwrap();
        assert!(plan.write(&store, &location).unwrap());
        let mut other = plan.clone();
        other.attempt = "camonica-b".into();
        assert!(!other.write(&store, &location).unwrap());
        let read = CommitPlan::read(&store, &location).unwrap().unwrap();
        assert!(read.is_of(&settings).unwrap());
        assert_eq!(read.attempt, "camonica-a");
        assert_eq!(read.manifest(&["t".into()]).unwrap(), b"t");
        let mut later = settings.clone();
        later.run_id = "2018-07-25-10-00-00".into();
        assert!(!read.is_of(&later).unwrap());
        for damaged in ["", "{", "{\"version\":1}"] {
            store.put(&location, damaged.as_bytes().to_vec()).unwrap();
            assert_eq!(
                CommitPlan::read(&store, &location).unwrap_err().kind(),
                ErrorKind::NotEmpty
            );
        }
    }
}
