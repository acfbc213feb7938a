//! The buckets of one pipeline, its configuration, the logs in it, and the program.

#![allow(
    unreachable_pub,
    reason = "part of a test binary, outside of its test functions"
)]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use fixtures::{Corpus, Format, Mix};

use super::camonica::{RUN, RunFolder, camonica};
use super::moto::Moto;
use super::s3_proxy::{Proxy, Recorded};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Batch,
    Stream,
}

/// What collectors, or the S3 Loader, have left in the bucket `<name>-in`.
pub struct Logs {
    /// By key.
    pub objects: Vec<(String, Vec<u8>)>,
    /// Events in them, copies included.
    pub events: u64,
    pub malformed: u64,
}

impl Logs {
    /// Logs of that many plain bytes.
    pub fn of(mode: Mode, bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus {
            seed: 11,
            format: match mode {
                Mode::Batch => Format::Cloudfront,
                Mode::Stream => Format::Enriched,
            },
            bytes,
            files: 5,
            gzip: true,
            mix: Mix {
                malformed: 0.1,
                copies: 0.1,
                ..Mix::default()
            },
        };
        let made = corpus.write(folder.path()).unwrap();
        let mut objects = Vec::new();
        for (index, file) in made.files.iter().enumerate() {
            let name = file.file_name().unwrap().to_str().unwrap();
            let key = match mode {
                Mode::Batch if index % 2 == 0 => format!("web/{name}"),
                // one name in both folders of collectors
                Mode::Batch if index == 3 => format!("app/{}", objects_name(&objects)),
                Mode::Batch => format!("app/{name}"),
                Mode::Stream => {
                    let number = 49_587_000_000_u64 + index as u64;
                    format!("stream/2018-07-24-{number}-{number}.gz")
                }
            };
            objects.push((key, fs::read(file).unwrap()));
        }
        Self {
            objects,
            events: made.events,
            malformed: made.malformed,
        }
    }
}

impl Logs {
    /// With one more log, of more bytes than the engine reads by one request or uploads by one part: lines that are no events.
    pub fn with_large(mut self) -> Self {
        const LINE: usize = 1 << 20;
        let mut random = fixtures::random::Random::new(3);
        let mut content = Vec::with_capacity(9 * LINE + 9);
        for _ in 0..9 {
            let letters = (0..LINE / 8).map(|_| format!("{:08x}", random.below(1 << 32)));
            content.extend(letters.flat_map(String::into_bytes));
            content.push(b'\n');
            self.malformed += 1;
        }
        self.objects.push(("web/large".into(), content));
        self
    }
}

fn objects_name(objects: &[(String, Vec<u8>)]) -> &str {
    objects[0].0.split('/').next_back().unwrap()
}

/// The buckets `<name>-in`, `-out`, `-archive` and `-log`, reached through a proxy.
pub struct Pipeline {
    pub moto: &'static Moto,
    pub proxy: Proxy,
    pub name: String,
    pub mode: Mode,
    pub folder: tempfile::TempDir,
    /// Further options of `run` and `resume`.
    pub options: Vec<String>,
    /// Objects that collectors have left.
    pub collected: Cell<usize>,
}

/// What the names of the buckets end in.
pub const BUCKETS: [&str; 4] = ["in", "out", "archive", "log"];

impl RunFolder for Pipeline {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// With nothing of this environment, and with folders of its own for what is temporary.
    fn command(&self, command: &str, more: &[&str]) -> Command {
        let mut process = camonica(&[command, "-c", &self.text("config.yml")]);
        process
            .args(more)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("tmp"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("tmp"));
        if command != "status" {
            process.args(["-r", &self.text("resolver.json")]);
        }
        if matches!(command, "run" | "resume") {
            if self.mode == Mode::Batch {
                process.args(["-n", &self.text("enrichments")]);
            }
            process.args(&self.options);
        }
        process
    }
}

impl Pipeline {
    /// `None`, and a loud line, where there is no moto.
    pub fn new(name: &str, mode: Mode) -> Option<Self> {
        let moto = Moto::get()?;
        let pipeline = Self {
            moto,
            proxy: Proxy::start(&moto.endpoint()),
            name: name.to_owned(),
            mode,
            folder: tempfile::tempdir().unwrap(),
            options: Vec::new(),
            collected: Cell::new(0),
        };
        for bucket in BUCKETS {
            moto.create_bucket(&pipeline.bucket(bucket));
        }
        for folder in ["enrichments", "spill", "tmp"] {
            fs::create_dir(pipeline.path(folder)).unwrap();
        }
        for (file, text) in ENRICHMENTS {
            fs::write(pipeline.path("enrichments").join(file), text).unwrap();
        }
        pipeline.write_documents(&pipeline.config());
        Some(pipeline)
    }

    /// With logs in it.
    pub fn with(name: &str, mode: Mode, logs: &Logs) -> Option<Self> {
        let pipeline = Self::new(name, mode)?;
        pipeline.collect(logs);
        Some(pipeline)
    }

    fn config(&self) -> String {
        let name = &self.name;
        let sources = match self.mode {
            Mode::Batch => format!(
                "raw:
        in: [s3://{name}-in/web, s3n://{name}-in/app/]
        processing: s3a://{name}-out/processing
        archive: s3://{name}-archive/raw"
            ),
            Mode::Stream => String::new(),
        };
        let stream = match self.mode {
            Mode::Batch => String::new(),
            Mode::Stream => format!("stream: s3://{name}-in/stream"),
        };
        format!(
            "aws:
  access_key_id: AKIATEST
  secret_access_key: test
  s3:
    region: us-east-1
    buckets:
      log: s3://{name}-log/logs
      encrypted: true
      {sources}
      enriched:
        {stream}
        good: s3://{name}-out/enriched/good
        bad: s3://{name}-out/enriched/bad
        archive: s3://{name}-archive/enriched
      shredded:
        good: s3://{name}-out/shredded/good
        bad: s3://{name}-out/shredded/bad
        archive: s3://{name}-archive/shredded
collectors: {{format: cloudfront}}
enrich: {{output_compression: GZIP}}
camonica: {{workers: 2, memory_limit: 64M, s3_endpoint: '{}', spill_directories: ['{}']}}
",
            self.proxy.endpoint(),
            self.path("spill").display()
        )
    }

    /// Changes the configuration; what is to be replaced must be there.
    pub fn change(&self, from: &str, to: &str) {
        let path = self.path("config.yml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn bucket(&self, which: &str) -> String {
        format!("{}-{which}", self.name)
    }

    pub fn collect(&self, logs: &Logs) {
        for (key, content) in &logs.objects {
            self.put("in", key, content);
        }
        self.collected
            .set(self.collected.get() + logs.objects.len());
    }

    /// Writes an object behind the proxy's back.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) {
        self.moto.put(&self.bucket(bucket), key, content);
    }

    pub fn read(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.moto.read(&self.bucket(bucket), key)
    }

    /// All keys below a prefix of a bucket.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        self.moto.keys(&self.bucket(bucket), prefix)
    }

    /// Runs once, undisturbed.
    pub fn run(&self) -> String {
        let out = self.good("run", &["--run-id", RUN]);
        assert!(
            out.ends_with(" INFO -- : Completed successfully\n"),
            "{out}"
        );
        out
    }

    pub fn journal(&self) -> String {
        let ending = format!("/camonica/{RUN}/journal.jsonl");
        let keys = self.keys("log", "");
        let key = keys.iter().find(|key| key.ends_with(&ending));
        let bytes = key.and_then(|key| self.read("log", key));
        String::from_utf8(bytes.unwrap_or_default()).unwrap()
    }

    /// What the journal says that a step counted.
    pub fn counted(&self, step: &str, path: &[&str]) -> u64 {
        let journal = self.journal();
        let report = journal
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find(|entry| entry["entry"] == "step_done" && entry["step"] == step)
            .unwrap_or_else(|| panic!("{step} is not done: {journal}"));
        let value = path
            .iter()
            .fold(&report["report"], |value, key| &value[*key]);
        value.as_u64().unwrap_or_else(|| panic!("{report}"))
    }
}

/// The client that made a request: the runner's or the engine's.
pub fn client(request: &Recorded) -> &'static str {
    let agent = request.header("user-agent").unwrap_or_default();
    match (
        agent.contains("aws-sdk-rust"),
        agent.contains("object_store"),
    ) {
        (true, false) => "runner",
        (false, true) => "engine",
        _ => panic!("an unknown client: {request:?}"),
    }
}

const ENRICHMENTS: [(&str, &str); 3] = [
    (
        "event_fingerprint_config.json",
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/event_fingerprint_config/jsonschema/1-0-0","data":{"vendor":"com.snowplowanalytics.snowplow","name":"event_fingerprint_config","enabled":true,"parameters":{"excludeParameters":["eid","stm"],"hashAlgorithm":"MD5"}}}"#,
    ),
    (
        "campaign_attribution.json",
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/campaign_attribution/jsonschema/1-0-1","data":{"vendor":"com.snowplowanalytics.snowplow","name":"campaign_attribution","enabled":true,"parameters":{"mapping":"static","fields":{"mktMedium":["utm_medium"],"mktSource":["utm_source"],"mktTerm":["utm_term"],"mktContent":["utm_content"],"mktCampaign":["utm_campaign"]}}}}"#,
    ),
    (
        "anon_ip.json",
        r#"{"schema":"iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-0","data":{"vendor":"com.snowplowanalytics.snowplow","name":"anon_ip","enabled":true,"parameters":{"anonOctets":1}}}"#,
    ),
];
