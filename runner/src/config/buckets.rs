//! `aws.s3.buckets`: where the pipeline reads and writes. Every folder may be `s3://`, `s3n://`, `s3a://`, `file://` or a
//! path, also mixed; a slash at the end is added where there is none.

use engine::store::Location;

use super::problem::Problem;
use super::reader::Reader;

/// `aws.s3.buckets`.
#[derive(Debug, Clone)]
pub struct Buckets {
    /// `assets`: where the reference's jars are; of use for target `emr` only.
    pub assets: Option<String>,
    /// `jsonpath_assets`: of use for the loader only.
    pub jsonpath_assets: Option<String>,
    /// `log`.
    pub log: Location,
    /// `encrypted`; absent in files of R102.
    pub encrypted: bool,
    /// `raw`; not read in Stream Enrich mode.
    pub raw: Option<RawBuckets>,
    /// `enriched`.
    pub enriched: EnrichedBuckets,
    /// `shredded`.
    pub shredded: ShreddedBuckets,
}

/// `aws.s3.buckets.raw`: folders of raw logs.
#[derive(Debug, Clone)]
pub struct RawBuckets {
    /// `in`: where collectors write; at least one.
    pub inputs: Vec<Location>,
    /// `processing`: where a run takes its logs to.
    pub processing: Location,
    /// `archive`: where they rest afterwards.
    pub archive: Location,
}

/// `aws.s3.buckets.enriched`.
#[derive(Debug, Clone)]
pub struct EnrichedBuckets {
    /// `good`: enriched events.
    pub good: Location,
    /// `bad`: bad rows; always there in batch mode, not read in Stream Enrich mode.
    pub bad: Option<Location>,
    /// `errors`: bad rows of unexpected errors.
    pub errors: Option<Location>,
    /// `archive`: where enriched events rest afterwards.
    pub archive: Option<Location>,
    /// `stream`: where the S3 Loader of Stream Enrich writes; set: Stream Enrich mode.
    pub stream: Option<Location>,
}

/// `aws.s3.buckets.shredded`.
#[derive(Debug, Clone)]
pub struct ShreddedBuckets {
    /// `good`: atomic events and shredded JSONs.
    pub good: Location,
    /// `bad`: bad rows.
    pub bad: Location,
    /// `errors`: not written by the jobs of R102 to R108.
    pub errors: Option<Location>,
    /// `archive`: where shredded events rest afterwards.
    pub archive: Option<Location>,
}

impl Buckets {
    /// Reads the block. The second value names the keys that Stream Enrich mode does not look at.
    pub fn read(reader: &mut Reader<'_>, is_emr: bool) -> (Option<Self>, Vec<&'static str>) {
        const B: &str = "aws.s3.buckets";
        let key = |name: &str| format!("{B}.{name}");
        let mut ignored = Vec::new();
        let assets = reader.leniently(!is_emr, |reader| {
            if is_emr {
                reader.text(&key("assets"))
            } else {
                reader.optional_text(&key("assets"))
            }
        });
        let jsonpath_assets = reader.optional_text(&key("jsonpath_assets"));
        let log = reader.folder(&key("log"));
        let encrypted = reader.optional_bool(&key("encrypted")).unwrap_or(false);
        let stream = reader.optional_folder(&key("enriched.stream"));
        // a value that is wrong is told as such; the keys of batch mode would only be noise beside it
        let is_stream = reader.has(&key("enriched.stream"));
        let raw = if is_stream {
            if reader.pass_over(&key("raw")) {
                ignored.push("aws.s3.buckets.raw");
            }
            None
        } else {
            let inputs = reader.folders(&key("raw.in"));
            let processing = reader.folder(&key("raw.processing"));
            let archive = reader.folder(&key("raw.archive"));
            processing
                .zip(archive)
                .map(|(processing, archive)| RawBuckets {
                    inputs,
                    processing,
                    archive,
                })
        };
        let good = reader.folder(&key("enriched.good"));
        let (bad, errors) = if is_stream {
            for name in [
                "aws.s3.buckets.enriched.bad",
                "aws.s3.buckets.enriched.errors",
            ] {
                if reader.pass_over(name) {
                    ignored.push(name);
                }
            }
            (None, None)
        } else {
            let bad = reader.folder(&key("enriched.bad"));
            (bad, reader.optional_folder(&key("enriched.errors")))
        };
        let archive = reader.optional_folder(&key("enriched.archive"));
        let shredded_good = reader.folder(&key("shredded.good"));
        let shredded_bad = reader.folder(&key("shredded.bad"));
        let shredded_errors = reader.optional_folder(&key("shredded.errors"));
        let shredded_archive = reader.optional_folder(&key("shredded.archive"));
        let buckets = (|| {
            Some(Self {
                assets,
                jsonpath_assets,
                log: log?,
                encrypted,
                raw: if is_stream { None } else { Some(raw?) },
                enriched: EnrichedBuckets {
                    good: good?,
                    bad: if is_stream { None } else { Some(bad?) },
                    errors,
                    archive,
                    stream,
                },
                shredded: ShreddedBuckets {
                    good: shredded_good?,
                    bad: shredded_bad?,
                    errors: shredded_errors,
                    archive: shredded_archive,
                },
            })
        })();
        (buckets, ignored)
    }

    /// All folders of the pipeline with the paths of their keys; without `log` and what is not read as folders.
    pub fn folders(&self) -> Vec<(String, &Location)> {
        let (raw, enriched, shredded) = (self.raw.as_ref(), &self.enriched, &self.shredded);
        let mut folders: Vec<(String, &Location)> = raw
            .iter()
            .flat_map(|raw| raw.inputs.iter().enumerate())
            .map(|(index, input)| (format!("aws.s3.buckets.raw.in[{index}]"), input))
            .collect();
        let others = [
            ("raw.processing", raw.map(|raw| &raw.processing)),
            ("raw.archive", raw.map(|raw| &raw.archive)),
            ("enriched.stream", enriched.stream.as_ref()),
            ("enriched.good", Some(&enriched.good)),
            ("enriched.bad", enriched.bad.as_ref()),
            ("enriched.errors", enriched.errors.as_ref()),
            ("enriched.archive", enriched.archive.as_ref()),
            ("shredded.good", Some(&shredded.good)),
            ("shredded.bad", Some(&shredded.bad)),
            ("shredded.errors", shredded.errors.as_ref()),
            ("shredded.archive", shredded.archive.as_ref()),
        ];
        for (name, location) in others {
            folders.extend(location.map(|location| (format!("aws.s3.buckets.{name}"), location)));
        }
        folders
    }

    /// Two folders of a run may neither be the same nor lie in each other: one step would take the other's files. Archives
    /// may, since nothing is ever taken from them. The folder for our own records may lie in none.
    ///
    /// First mistakes, then warnings.
    pub fn check_distinct(&self) -> (Vec<Problem>, Vec<Problem>) {
        let records = self.log.join("camonica/");
        let mut folders = self.folders();
        folders.push(("aws.s3.buckets.log".into(), &records));
        let places: Vec<Place> = folders
            .iter()
            .map(|(_, location)| Place::of(location))
            .collect();
        let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
        for (index, (name, _)) in folders.iter().enumerate() {
            for (offset, (other_name, _)) in folders[index + 1..].iter().enumerate() {
                let (place, other) = (&places[index], &places[index + 1 + offset]);
                let text = if place.contains(other) && other.contains(place) {
                    format!("the same folder, {}", place.text)
                } else if place.contains(other) || other.contains(place) {
                    format!("one lies in the other, {} and {}", place.text, other.text)
                } else {
                    continue;
                };
                let problem = Problem::new(format!("{name} and {other_name}"), text);
                if name.ends_with(".archive") && other_name.ends_with(".archive") {
                    warnings.push(problem);
                } else {
                    mistakes.push(problem);
                }
            }
        }
        (mistakes, warnings)
    }
}

/// Where a folder really is.
struct Place {
    location: Location,
    text: String,
}

impl Place {
    /// Links of the existing part of a local path are followed, `..` is taken away.
    fn of(location: &Location) -> Self {
        let real = location.local_path().map(|path| {
            let mut real = std::path::PathBuf::new();
            for part in path.components() {
                if part == std::path::Component::ParentDir {
                    real.pop();
                } else {
                    real.push(part);
                    if let Ok(followed) = real.canonicalize() {
                        real = followed;
                    }
                }
            }
            real
        });
        let location = real
            .and_then(|path| Location::from_path(&path).ok())
            .unwrap_or_else(|| location.clone());
        let text = format!("{}/", location.to_string().trim_end_matches('/'));
        Self { location, text }
    }

    fn contains(&self, other: &Self) -> bool {
        self.location.contains(&other.location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(raw_in: &str, archive: &str, log: &str) -> Buckets {
        let at = |text: &str| Location::parse(text).unwrap();
        Buckets {
            assets: None,
            jsonpath_assets: None,
            log: at(log),
            encrypted: false,
            raw: Some(RawBuckets {
                inputs: vec![at(raw_in)],
                processing: at("s3://b/processing"),
                archive: at("s3://b/archive/raw"),
            }),
            enriched: EnrichedBuckets {
                good: at("s3://b/enriched/good"),
                bad: Some(at("s3://b/enriched/bad")),
                errors: None,
                archive: Some(at(archive)),
                stream: None,
            },
            shredded: ShreddedBuckets {
                good: at("s3://b/shredded/good"),
                bad: at("s3://b/shredded/bad"),
                errors: None,
                archive: Some(at("s3://b/archive/shredded")),
            },
        }
    }

    #[test]
    fn folders_that_overlap_are_told() {
        let none: [&str; 0] = [];
        for (raw_in, archive, log, mistakes, warnings) in [
            (
                "s3://in",
                "s3://b/archive/enriched",
                "s3://log",
                &none[..],
                0,
            ),
            // starts alike, and is another folder
            (
                "s3://b/processing2",
                "s3://b/archive/enriched",
                "s3://b",
                &none[..],
                0,
            ),
            (
                "s3://in",
                "s3a://b/archive/shredded/",
                "s3://log",
                &none[..],
                1,
            ),
            (
                "s3n://b/processing/",
                "s3://b/archive/enriched",
                "s3://log",
                &[
                    "aws.s3.buckets.raw.in[0] and aws.s3.buckets.raw.processing: the same folder, s3n://b/processing/",
                ],
                0,
            ),
            (
                "s3://b/in",
                "s3://b/enriched/good/archive",
                "s3://log",
                &[
                    "aws.s3.buckets.enriched.good and aws.s3.buckets.enriched.archive: one lies in the other, s3://b/enriched/good/ and s3://b/enriched/good/archive/",
                ],
                0,
            ),
            (
                "s3://b/in",
                "s3://b/archive/enriched",
                "s3://b/in/log",
                &[
                    "aws.s3.buckets.raw.in[0] and aws.s3.buckets.log: one lies in the other, s3://b/in/ and s3://b/in/log/camonica/",
                ],
                0,
            ),
        ] {
            let (found, warned) = buckets(raw_in, archive, log).check_distinct();
            let found: Vec<String> = found.iter().map(Problem::to_string).collect();
            assert_eq!(found, mistakes, "{raw_in} {archive} {log}");
            assert_eq!(warned.len(), warnings, "{warned:?}");
        }
    }
}
