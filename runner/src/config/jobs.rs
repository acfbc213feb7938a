//! `collectors`, `enrich` and `storage`: what the jobs read and which versions of the reference's were in use.

use super::problem::Problem;
use super::reader::Reader;

/// `collectors`, `enrich` and `storage`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobSettings {
    /// `collectors.format`; empty in Stream Enrich mode.
    pub format: String,
    /// `enrich.continue_on_unexpected_error`.
    pub continue_on_unexpected_error: bool,
    /// `enrich.output_compression` is `GZIP`.
    pub gzip: bool,
    /// Versions of the reference's programs.
    pub versions: Versions,
}

/// `enrich.versions` and `storage.versions`: of use for target `emr` and for loaders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// `enrich.versions.spark_enrich`.
    pub spark_enrich: Option<String>,
    /// `storage.versions.rdb_loader`.
    pub rdb_loader: Option<String>,
    /// `storage.versions.rdb_shredder`.
    pub rdb_shredder: Option<String>,
    /// `storage.versions.hadoop_elasticsearch`.
    pub hadoop_elasticsearch: Option<String>,
}

impl JobSettings {
    /// Reads the blocks. The second value names the keys that Stream Enrich mode does not look at.
    pub fn read(
        reader: &mut Reader<'_>,
        is_stream: bool,
        is_emr: bool,
    ) -> (Option<Self>, Vec<&'static str>) {
        let mut ignored = Vec::new();
        let format = if is_stream {
            if reader.pass_over("collectors") {
                ignored.push("collectors");
            }
            Some(String::new())
        } else {
            let format = reader.text("collectors.format");
            if let Some(name) = &format
                && !is_supported_format(name)
            {
                let line = reader.line("collectors.format");
                let text = format!("collector_format '{name}' not supported");
                let hint = "cloudfront, clj-tomcat, thrift, or such as tsv/com.amazon.aws.cloudfront/wd_access_log, ndjson/urbanairship.connect/v1";
                reader.problem(Problem::new("collectors.format", text).at(line).hint(hint));
            }
            format
        };
        let continue_on_unexpected_error = reader
            .optional_bool("enrich.continue_on_unexpected_error")
            .unwrap_or(false);
        let codecs = [("NONE", false), ("GZIP", true)];
        let gzip = reader.choice("enrich.output_compression", &codecs, true, false);
        let spark_enrich = reader.optional_text("enrich.versions.spark_enrich");
        if is_stream && spark_enrich.is_some() && !is_emr {
            ignored.push("enrich.versions.spark_enrich");
        }
        let mut version = |name: &str| {
            let path = format!("storage.versions.{name}");
            reader.leniently(!is_emr, |reader| {
                if is_emr {
                    reader.text(&path)
                } else {
                    reader.optional_text(&path)
                }
            })
        };
        let versions = Versions {
            spark_enrich,
            rdb_loader: version("rdb_loader"),
            rdb_shredder: version("rdb_shredder"),
            hadoop_elasticsearch: version("hadoop_elasticsearch"),
        };
        let settings = format.zip(gzip).map(|(format, gzip)| Self {
            format,
            continue_on_unexpected_error,
            gzip,
            versions,
        });
        (settings, ignored)
    }
}

/// `^(?:cloudfront|clj-tomcat|thrift|(?:json/.+/.+)|(?:tsv/.+/.+)|(?:ndjson/.+/.+))$`
fn is_supported_format(name: &str) -> bool {
    let with_two_parts = |prefix: &str| {
        name.strip_prefix(prefix).and_then(|rest| {
            let slash = rest.get(1..)?.find('/')? + 1;
            (rest.len() > slash + 1).then_some(())
        })
    };
    matches!(name, "cloudfront" | "clj-tomcat" | "thrift")
        || ["json/", "tsv/", "ndjson/"]
            .into_iter()
            .any(|prefix| with_two_parts(prefix).is_some())
}

#[cfg(test)]
mod tests {
    use super::is_supported_format;

    #[test]
    fn formats() {
        for name in [
            "cloudfront",
            "clj-tomcat",
            "thrift",
            "json/com.acme/v1",
            "tsv/com.amazon.aws.cloudfront/wd_access_log",
            "ndjson/urbanairship.connect/v1",
        ] {
            assert!(is_supported_format(name), "{name}");
        }
        for name in [
            "", "Thrift", "tsv/a", "tsv//a", "tsv/a/", "json", "xml/a/b", "thrift ",
        ] {
            assert!(!is_supported_format(name), "{name}");
        }
    }
}
