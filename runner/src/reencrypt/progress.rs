//! How far the work is: one small JSON object, replaced after each page. It belongs to one place and one encryption; that of
//! another is not used.

use engine::store::Location;
use serde::{Deserialize, Serialize};

use super::{Settings, Wanted};
use crate::objects::Objects;

/// What is noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    place: String,
    wanted: String,
    /// All objects up to this key are encrypted as wanted.
    pub after: Option<String>,
    /// Their number.
    pub done: u64,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            place: settings.place.to_string(),
            wanted: match &settings.wanted {
                Wanted::SseS3 => "AES256".to_owned(),
                Wanted::SseKms(key) => format!("aws:kms {key}"),
            },
            after: None,
            done: 0,
        }
    }

    /// What an earlier attempt has noted. A file that cannot be read, or is about something else, is passed over: the
    /// work begins at the beginning then, and nothing is lost but time.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn read(objects: &Objects, at: &Location, settings: &Settings) -> Result<Self, String> {
        let new = Self::new(settings);
        let noted = objects.get(at)?;
        let noted = noted.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        Ok(noted
            .filter(|noted| noted.place == new.place && noted.wanted == new.wanted)
            .unwrap_or(new))
    }

    /// Notes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, objects: &Objects, at: &Location) -> Result<(), String> {
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        objects.put(at, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_the_work_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let at = Location::from_path(&folder.path().join("p.json")).unwrap();
        let objects = Objects::new(None);
        let settings = |place: &str, wanted| Settings {
            place: Location::parse(place).unwrap(),
            wanted,
            bucket_key: false,
            dry_run: false,
            keep_grants: true,
            at_a_time: 1,
            progress: None,
        };
        let mine = settings("s3://a/b", Wanted::SseS3);
        assert_eq!(
            Progress::read(&objects, &at, &mine).unwrap(),
            Progress::new(&mine)
        );
        let mut progress = Progress::new(&mine);
        (progress.after, progress.done) = (Some("b/ü 1".into()), 7);
        progress.write(&objects, &at).unwrap();
        assert_eq!(Progress::read(&objects, &at, &mine).unwrap(), progress);
        for other in [
            settings("s3://a/c", Wanted::SseS3),
            settings("s3://a/b", Wanted::SseKms("k".into())),
        ] {
            let read = Progress::read(&objects, &at, &other).unwrap();
            assert_eq!((read.after, read.done), (None, 0));
        }
        objects.put(&at, b"{ cut").unwrap();
        assert_eq!(Progress::read(&objects, &at, &mine).unwrap().after, None);
    }
}
