//! `aws.emr`: the cluster that the reference asked for. It has its effect with target `emr`; with the others its types are
//! checked and the keys are named in one line of the log.

pub mod limits;

use std::collections::BTreeMap;

use super::problem::Problem;
use super::reader::Reader;

/// `aws.emr`.
#[derive(Debug, Clone, PartialEq)]
pub struct EmrSettings {
    /// `ami_version`, such as `5.9.0`.
    pub ami_version: String,
    /// `region`: of EMR's API, unless `placement` names another.
    pub region: String,
    /// `jobflow_role`: the instance profile of the nodes.
    pub jobflow_role: String,
    /// `service_role`.
    pub service_role: String,
    /// `placement`: availability zone, EC2-Classic only; `ec2_subnet_id` cancels it.
    pub placement: Option<String>,
    /// `ec2_subnet_id`.
    pub ec2_subnet_id: Option<String>,
    /// `ec2_key_name`.
    pub ec2_key_name: String,
    /// `security_configuration`, new in R108.
    pub security_configuration: Option<String>,
    /// `bootstrap`: URIs of further bootstrap scripts.
    pub bootstrap: Vec<String>,
    /// `software.hbase`: version.
    pub hbase: Option<String>,
    /// `software.lingual`: version.
    pub lingual: Option<String>,
    /// `jobflow`.
    pub jobflow: Jobflow,
    /// `bootstrap_failure_tries`: attempts in all.
    pub bootstrap_failure_tries: u32,
    /// `configuration`: properties by classification.
    pub configuration: BTreeMap<String, BTreeMap<String, String>>,
    /// `additional_info`: JSON for EMR.
    pub additional_info: Option<String>,
}

/// `aws.emr.jobflow`.
#[derive(Debug, Clone, PartialEq)]
pub struct Jobflow {
    /// `job_name`.
    pub job_name: String,
    /// `master_instance_type`.
    pub master_instance_type: String,
    /// `core_instance_count`, at least 1.
    pub core_instance_count: u32,
    /// `core_instance_type`.
    pub core_instance_type: String,
    /// `core_instance_ebs`.
    pub core_instance_ebs: Option<EbsVolume>,
    /// `task_instance_count`; 0: no task group.
    pub task_instance_count: u32,
    /// `task_instance_type`.
    pub task_instance_type: String,
    /// `task_instance_bid`, USD; absent: on demand.
    pub task_instance_bid: Option<f64>,
}

/// `aws.emr.jobflow.core_instance_ebs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EbsVolume {
    /// `volume_size`, GB.
    pub volume_size: u32,
    /// `volume_type`: `standard`, `gp2` or `io1`.
    pub volume_type: &'static str,
    /// `volume_iops`; sent for `io1` only.
    pub volume_iops: Option<u32>,
    /// `ebs_optimized`, true unless it is said.
    pub ebs_optimized: bool,
}

/// Types of volumes that the reference knows.
const VOLUME_TYPES: [(&str, &str); 3] = [("standard", "standard"), ("gp2", "gp2"), ("io1", "io1")];

/// Keys that have no effect unless the target is `emr`, in the order of the sample.
const WITHOUT_EFFECT: [&str; 14] = [
    "ami_version",
    "region",
    "jobflow_role",
    "service_role",
    "placement",
    "ec2_subnet_id",
    "ec2_key_name",
    "security_configuration",
    "bootstrap",
    "software",
    "jobflow",
    "bootstrap_failure_tries",
    "configuration",
    "additional_info",
];

impl EmrSettings {
    /// Reads the block; `None` when a key is missing, which is a mistake only when the target is `emr` (`strict`).
    pub fn read(reader: &mut Reader<'_>, strict: bool) -> Option<Self> {
        reader.leniently(!strict, |reader| Self::read_block(reader, strict))
    }

    fn read_block(reader: &mut Reader<'_>, strict: bool) -> Option<Self> {
        let key = |name: &str| format!("aws.emr.{name}");
        let count = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        let ami_version = reader.text(&key("ami_version"));
        let region = reader.text(&key("region"));
        let jobflow_role = reader.text(&key("jobflow_role"));
        let service_role = reader.text(&key("service_role"));
        let placement = reader.optional_text(&key("placement"));
        if let Some(zone) = &placement
            && !is_placement(zone)
        {
            let line = reader.line(&key("placement"));
            let text = format!("'{zone}' is not a valid EMR placement");
            let hint = "an availability zone such as eu-west-1a";
            reader.problem(Problem::new(key("placement"), text).at(line).hint(hint));
        }
        let ec2_subnet_id = reader.optional_text(&key("ec2_subnet_id"));
        let ec2_key_name = reader.text(&key("ec2_key_name"));
        let security_configuration = reader.optional_text(&key("security_configuration"));
        let bootstrap = reader.texts(&key("bootstrap"));
        let hbase = reader.optional_text(&key("software.hbase"));
        let lingual = reader.optional_text(&key("software.lingual"));
        let job_name = reader.text(&key("jobflow.job_name"));
        let master_instance_type = reader.text(&key("jobflow.master_instance_type"));
        let core_instance_count =
            count(reader.integer(&key("jobflow.core_instance_count"), 1, true));
        let core_instance_type = reader.text(&key("jobflow.core_instance_type"));
        let core_instance_ebs = read_volume(reader, &key("jobflow.core_instance_ebs"));
        let task_instance_count =
            count(reader.integer(&key("jobflow.task_instance_count"), 0, true));
        let task_instance_type = reader.text(&key("jobflow.task_instance_type"));
        let task_instance_bid = reader.number(&key("jobflow.task_instance_bid"), 0.0, false);
        let tries = count(reader.integer(&key("bootstrap_failure_tries"), 1, true));
        let configuration = reader.map_of_maps(&key("configuration"));
        let additional_info = reader.optional_text(&key("additional_info"));
        if let Some(text) = &additional_info
            && serde_json::from_str::<serde_json::Value>(text).is_err()
        {
            let line = reader.line(&key("additional_info"));
            let text = "expected JSON, found another text";
            reader.problem(Problem::new(key("additional_info"), text).at(line));
        }
        if strict {
            use limits::{LONGEST_NAME, LONGEST_TEXT};
            let has_tasks = task_instance_count != Some(0);
            let task_type = task_instance_type.as_ref().filter(|_| has_tasks);
            let texts = [
                ("jobflow_role", jobflow_role.as_ref(), LONGEST_TEXT),
                ("service_role", service_role.as_ref(), LONGEST_TEXT),
                (
                    "security_configuration",
                    security_configuration.as_ref(),
                    LONGEST_TEXT,
                ),
                ("ec2_subnet_id", ec2_subnet_id.as_ref(), LONGEST_NAME),
                ("ec2_key_name", ec2_key_name.as_ref(), LONGEST_NAME),
                ("jobflow.job_name", job_name.as_ref(), LONGEST_NAME),
                (
                    "jobflow.master_instance_type",
                    master_instance_type.as_ref(),
                    LONGEST_NAME,
                ),
                (
                    "jobflow.core_instance_type",
                    core_instance_type.as_ref(),
                    LONGEST_NAME,
                ),
                ("jobflow.task_instance_type", task_type, LONGEST_NAME),
                ("additional_info", additional_info.as_ref(), LONGEST_TEXT),
            ];
            let parts = limits::Parts {
                ami_version: ami_version.as_deref(),
                security_configuration: security_configuration.as_deref(),
                texts: texts
                    .map(|(name, text, most)| (name, text.map(String::as_str), most))
                    .to_vec(),
                actions: bootstrap.len()
                    + usize::from(hbase.is_some())
                    + usize::from(lingual.is_some()),
                volume: core_instance_ebs.as_ref(),
                bid: task_instance_bid,
            };
            limits::check(reader, &parts);
        }
        Some(Self {
            ami_version: ami_version?,
            region: region?,
            jobflow_role: jobflow_role?,
            service_role: service_role?,
            placement,
            ec2_subnet_id,
            ec2_key_name: ec2_key_name?,
            security_configuration,
            bootstrap,
            hbase,
            lingual,
            jobflow: Jobflow {
                job_name: job_name?,
                master_instance_type: master_instance_type?,
                core_instance_count: core_instance_count?,
                core_instance_type: core_instance_type?,
                core_instance_ebs,
                task_instance_count: task_instance_count?,
                task_instance_type: task_instance_type?,
                task_instance_bid,
            },
            bootstrap_failure_tries: tries?,
            configuration,
            additional_info,
        })
    }

    /// The keys of the block that are set and have no effect without a cluster.
    pub fn without_effect(reader: &mut Reader<'_>) -> Vec<&'static str> {
        WITHOUT_EFFECT
            .into_iter()
            .filter(|name| reader.has(&format!("aws.emr.{name}")))
            .collect()
    }
}

fn read_volume(reader: &mut Reader<'_>, path: &str) -> Option<EbsVolume> {
    let key = |name: &str| format!("{path}.{name}");
    let is_there = reader.has(path);
    // asked for also when there is no volume, so that they count as known
    let size = reader.integer(&key("volume_size"), 1, is_there);
    let volume_type = reader.choice(&key("volume_type"), &VOLUME_TYPES, is_there, false);
    let iops = reader.integer(&key("volume_iops"), 1, false);
    let optimized = reader.optional_bool(&key("ebs_optimized"));
    Some(EbsVolume {
        volume_size: u32::try_from(size?).ok()?,
        volume_type: volume_type?,
        volume_iops: iops.and_then(|iops| u32::try_from(iops).ok()),
        ebs_optimized: optimized.unwrap_or(true),
    })
}

/// `word-word-digits` somewhere in it, as in `eu-west-1a`.
fn is_placement(zone: &str) -> bool {
    let is_word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let parts: Vec<&str> = zone.split('-').collect();
    parts.windows(3).any(|three| {
        is_word(three[0]) && is_word(three[1]) && three[2].starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{problem::lines, yaml};

    const BLOCK: &str = "aws:
  emr:
    ami_version: 5.9.0
    region: eu-west-1
    jobflow_role: EMR_EC2_DefaultRole
    service_role: EMR_DefaultRole
    placement:
    ec2_subnet_id: subnet-0123456
    ec2_key_name: acme
    bootstrap: []
    software: {hbase: , lingual: '1.1'}
    jobflow:
      job_name: Snowplow ETL
      master_instance_type: m4.large
      core_instance_count: 2
      core_instance_type: r4.xlarge
      core_instance_ebs: {volume_size: 100, volume_type: gp2}
      task_instance_count: 0
      task_instance_type: m4.large
      task_instance_bid: 0.015
    bootstrap_failure_tries: 3
    configuration:
      spark: {maximizeResourceAllocation: 'true'}
    additional_info: '{\"a\": 1}'
";

    fn read(text: &str, strict: bool) -> (Option<EmrSettings>, String, Vec<&'static str>) {
        let (tree, _) = yaml::parse(text).unwrap();
        let unset = BTreeMap::new();
        let mut reader = Reader::new(&tree, &unset);
        let settings = EmrSettings::read(&mut reader, strict);
        let without_effect = EmrSettings::without_effect(&mut reader);
        let mut problems = reader.unknown_keys();
        problems.extend(reader.into_problems());
        (settings, lines(&problems), without_effect)
    }

    #[test]
    fn a_whole_block() {
        let (settings, problems, set) = read(BLOCK, true);
        assert_eq!(problems, "");
        let settings = settings.unwrap();
        assert_eq!(settings.lingual.as_deref(), Some("1.1"));
        assert_eq!(settings.jobflow.task_instance_bid, Some(0.015));
        assert_eq!(
            settings.configuration["spark"]["maximizeResourceAllocation"],
            "true"
        );
        let volume = settings.jobflow.core_instance_ebs.unwrap();
        assert_eq!((volume.volume_size, volume.ebs_optimized), (100, true));
        assert!(set.contains(&"ami_version") && !set.contains(&"placement"));
    }

    #[test]
    fn mistakes_by_target() {
        for (from, to, strict, problem) in [
            (
                "core_instance_count: 2",
                "core_instance_count: 0",
                true,
                "aws.emr.jobflow.core_instance_count: expected an integer of at least 1, found the number 0 (line 15)",
            ),
            ("ec2_key_name: acme", "ec2_key_name:", false, ""),
            (
                "ec2_key_name: acme",
                "ec2_key_name:",
                true,
                "aws.emr.ec2_key_name: expected a text, found nothing (line 9)",
            ),
            (
                "volume_type: gp2",
                "volume_type: ssd",
                false,
                "aws.emr.jobflow.core_instance_ebs.volume_type: expected standard, gp2 or io1, found the text 'ssd' (line 17)",
            ),
            (
                "volume_size: 100, ",
                "",
                true,
                "aws.emr.jobflow.core_instance_ebs.volume_size: expected an integer of at least 1, found nothing",
            ),
            (
                "placement:",
                "placement: europe",
                true,
                "aws.emr.placement: 'europe' is not a valid EMR placement (line 7; an availability zone such as eu-west-1a)",
            ),
            ("placement:", "placement: eu-west-1a", true, ""),
            (
                "'true'",
                "true",
                false,
                "aws.emr.configuration.spark.maximizeResourceAllocation: expected a text, found the boolean true (line 23; put it in quotes: \"true\")",
            ),
            (
                "ami_version: 5.9.0",
                "ami_version: 5.9",
                true,
                "aws.emr.ami_version: expected a text, found the number 5.9 (line 3; put it in quotes: \"5.9\")",
            ),
            (
                "'{\"a\": 1}'",
                "select=1",
                true,
                "aws.emr.additional_info: expected JSON, found another text (line 24)",
            ),
            (
                "ami_version: 5.9.0",
                "ami_version: emr-5.9.0",
                true,
                "aws.emr.ami_version: expected a release of EMR such as 5.9.0, found the text 'emr-5.9.0' (line 3; write it without emr-)",
            ),
            (
                "ami_version: 5.9.0",
                "security_configuration: acme\n    ami_version: 4.7.9",
                true,
                "aws.emr.security_configuration: 'acme' needs EMR 4.8.0 or later, found ami_version 4.7.9 (line 3; leave it empty, or set ami_version to 5.9.0 or later)",
            ),
            (
                "task_instance_bid: 0.015",
                "task_instance_bid: 0",
                true,
                "aws.emr.jobflow.task_instance_bid: expected a price in USD above 0, found 0 (line 20; leave it empty for machines on demand)",
            ),
            (
                "volume_type: gp2",
                "volume_type: io1",
                true,
                "aws.emr.jobflow.core_instance_ebs.volume_iops: expected a number of at least 100 for a volume of type io1, found nothing",
            ),
            (
                "service_role: EMR_DefaultRole",
                "service_role: ''",
                true,
                "aws.emr.service_role: expected a text, found an empty one (line 6)",
            ),
            // all at once
            (
                "core_instance_ebs: {volume_size: 100, volume_type: gp2}\n      task_instance_count: 0",
                "core_instance_ebs: {volume_size: 2000, volume_type: standard}\n      task_instance_count: -1",
                true,
                "aws.emr.jobflow.core_instance_ebs.volume_size: expected 1 to 1024 GB for a volume of type standard, found 2000 (line 17)\naws.emr.jobflow.task_instance_count: expected an integer of at least 0, found the number -1 (line 18)",
            ),
            // without a cluster it has no effect
            ("volume_type: gp2", "volume_type: io1", false, ""),
            (
                "bootstrap: []",
                "bootstrap: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o]",
                true,
                "aws.emr.bootstrap: 17 bootstrap actions with those of HBase, Lingual and the engine, and EMR takes 16 (line 10; make one script of several)",
            ),
        ] {
            assert!(BLOCK.contains(from), "{from}");
            let (_, problems, _) = read(&BLOCK.replace(from, to), strict);
            assert_eq!(problems, problem, "{from} -> {to}");
        }
        let long = format!("job_name: {}", "x".repeat(257));
        let (_, problems, _) = read(&BLOCK.replace("job_name: Snowplow ETL", &long), true);
        assert_eq!(
            problems,
            "aws.emr.jobflow.job_name: expected at most 256 characters, found 257 (line 13)"
        );
        assert_eq!(read("x: 1", true).1.lines().count(), 2);
        assert!(read("aws: {}", false).1.is_empty());
    }
}
