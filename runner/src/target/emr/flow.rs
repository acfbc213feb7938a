//! The cluster that is asked for: all parameters of one `RunJobFlow`, from the configuration.
//!
//! Every key of `aws.emr` has the effect that it has with EmrEtlRunner R108. What differs, and why:
//!
//! * one more bootstrap action, the last, installs the engine on every node and sets the keep-alive times that a NAT
//!   gateway demands (issue #3609); with `camonica.cluster` it also starts the workers;
//! * the reference's own bootstrap script of the AMI (which fetches commons-codec, and on AMI 5 sets the same times) is run
//!   only where a step runs a jar of the reference, so that nothing else depends on its hosted assets;
//! * application Spark is asked for only where a classification of the configuration needs it: no step of ours does, and a
//!   cluster without it starts sooner;
//! * two tags besides those of `monitoring.tags` name the run and the attempt, so that a cluster whose answer was lost is
//!   found again.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use engine::store::Location;

use super::files::EngineFiles;
use super::steps::ClusterStep;
use crate::config::emr::EmrSettings;
use crate::config::emr::limits::MOST_ACTIONS;
use crate::config::{Config, version};

/// Tag that names the run.
pub const RUN_TAG: &str = "camonica-run-id";
/// Tag that names the attempt: a random text, one for each `RunJobFlow` that is meant.
pub const ATTEMPT_TAG: &str = "camonica-attempt";

/// Where the reference's hosted assets are.
const HOSTED_ASSETS: &str = "s3://snowplow-hosted-assets";
/// The name that the reference's bootstrap actions have.
const REFERENCE_ACTION: &str = "Elasticity Bootstrap Action";

/// A script that each node runs before Hadoop starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapAction {
    /// For people.
    pub name: String,
    /// URI of the script.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// A volume of each node of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ebs {
    /// `EbsOptimized`.
    pub optimized: bool,
    /// `VolumeType`.
    pub volume_type: String,
    /// `SizeInGB`.
    pub size_gb: u32,
    /// `Iops`; of type `io1` only.
    pub iops: Option<u32>,
}

/// Nodes of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `MASTER`, `CORE` or `TASK`.
    pub role: &'static str,
    /// Instance type.
    pub instance_type: String,
    /// How many.
    pub count: u32,
    /// Bid in USD as a text: spot; absent: on demand.
    pub bid: Option<String>,
    /// Volumes.
    pub ebs: Option<Ebs>,
}

/// Where the nodes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A subnet of a VPC.
    Subnet(String),
    /// An availability zone of EC2-Classic.
    Zone(String),
    /// Where EMR likes.
    Any,
}

/// The parameters of `RunJobFlow`.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFlow {
    /// `Name`.
    pub name: String,
    /// `ReleaseLabel`.
    pub release_label: String,
    /// `LogUri`.
    pub log_uri: String,
    /// `AdditionalInfo`.
    pub additional_info: Option<String>,
    /// `SecurityConfiguration`.
    pub security_configuration: Option<String>,
    /// `JobFlowRole`.
    pub job_flow_role: String,
    /// `ServiceRole`.
    pub service_role: String,
    /// `Applications`.
    pub applications: Vec<&'static str>,
    /// `Configurations`: classification and properties.
    pub configurations: Vec<(String, BTreeMap<String, String>)>,
    /// `BootstrapActions`.
    pub bootstrap: Vec<BootstrapAction>,
    /// `Tags`.
    pub tags: Vec<(String, String)>,
    /// `Instances.Ec2KeyName`.
    pub ec2_key_name: String,
    /// `Instances.Ec2SubnetId` or `Instances.Placement`.
    pub place: Place,
    /// `Instances.InstanceGroups`.
    pub groups: Vec<Group>,
    /// `Steps`.
    pub steps: Vec<ClusterStep>,
}

impl JobFlow {
    /// The job flow that runs `steps`, with the engine of `files` on its nodes; jars of the reference among
    /// them need its own bootstrap script. `tags` come after those of the configuration.
    ///
    /// # Errors
    /// For an AMI that the reference cannot start either, and for too many bootstrap actions.
    pub fn new(
        config: &Config,
        emr: &EmrSettings,
        files: Option<&EngineFiles>,
        has_reference_jars: bool,
        steps: Vec<ClusterStep>,
        tags: Vec<(String, String)>,
    ) -> Result<Self, String> {
        check_ami(&emr.ami_version)?;
        let region = region(emr);
        let jobflow = &emr.jobflow;
        let mut groups = vec![
            Group {
                role: "MASTER",
                instance_type: jobflow.master_instance_type.clone(),
                count: 1,
                bid: None,
                ebs: None,
            },
            Group {
                role: "CORE",
                instance_type: jobflow.core_instance_type.clone(),
                count: jobflow.core_instance_count,
                bid: None,
                ebs: jobflow.core_instance_ebs.as_ref().map(|volume| Ebs {
                    optimized: volume.ebs_optimized,
                    volume_type: volume.volume_type.to_owned(),
                    size_gb: volume.volume_size,
                    iops: volume.volume_iops.filter(|_| volume.volume_type == "io1"),
                }),
            },
        ];
        if jobflow.task_instance_count > 0 {
            groups.push(Group {
                role: "TASK",
                instance_type: jobflow.task_instance_type.clone(),
                count: jobflow.task_instance_count,
                bid: jobflow.task_instance_bid.map(|bid| bid.to_string()),
                ebs: None,
            });
        }
        let uses_spark = emr
            .configuration
            .keys()
            .any(|name| name.starts_with("spark"));
        let mut applications = vec!["Hadoop"];
        if uses_spark {
            applications.push("Spark");
        }
        let mut all_tags: Vec<(String, String)> = config
            .monitoring
            .tags
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        all_tags.extend(tags);
        let bootstrap = bootstrap(config, emr, &region, files, has_reference_jars);
        if bootstrap.len() > MOST_ACTIONS {
            return Err(format!(
                "aws.emr.bootstrap: {} bootstrap actions with the reference's and ours, and EMR takes {MOST_ACTIONS}: make one script of several",
                bootstrap.len()
            ));
        }
        Ok(Self {
            name: jobflow.job_name.clone(),
            release_label: format!("emr-{}", emr.ami_version),
            log_uri: folder_uri(&config.log),
            additional_info: emr.additional_info.clone(),
            security_configuration: emr.security_configuration.clone(),
            job_flow_role: emr.jobflow_role.clone(),
            service_role: emr.service_role.clone(),
            applications,
            configurations: configurations(config, emr),
            bootstrap,
            tags: all_tags,
            ec2_key_name: emr.ec2_key_name.clone(),
            place: match (&emr.ec2_subnet_id, &emr.placement) {
                (Some(subnet), _) => Place::Subnet(subnet.clone()),
                (None, Some(zone)) => Place::Zone(zone.clone()),
                (None, None) => Place::Any,
            },
            groups,
            steps,
        })
    }

    /// The cluster in one line, for people.
    pub fn in_words(&self) -> String {
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|group| {
                let spot = if group.bid.is_some() { " (spot)" } else { "" };
                let role = group.role.to_ascii_lowercase();
                format!("{role} {} x {}{spot}", group.count, group.instance_type)
            })
            .collect();
        format!("{}, {}", self.release_label, groups.join(", "))
    }
}

/// EMR knows applications since AMI 4; the reference always names some.
///
/// # Errors
/// In the words of the reference's client.
pub fn check_ami(ami_version: &str) -> Result<(), String> {
    if version::compare(ami_version, "4.0.0") == Ordering::Less {
        return Err(format!(
            "aws.emr.ami_version: Please use an EMR release_label not ami_version: {ami_version} is older than 4.0.0, set 5.9.0 or later"
        ));
    }
    Ok(())
}

/// The region of EMR's API: that of `placement`, unless a subnet cancels it; else `aws.emr.region`.
pub fn region(emr: &EmrSettings) -> String {
    emr.placement
        .as_deref()
        .filter(|_| emr.ec2_subnet_id.is_none())
        .and_then(region_of_zone)
        .unwrap_or_else(|| emr.region.clone())
}

/// `eu-west-1` of `eu-west-1a`, `us-gov-west-1` of `us-gov-west-1a`: up to the digits of the first part that begins with one.
fn region_of_zone(zone: &str) -> Option<String> {
    let mut region = String::new();
    for (index, part) in zone.split('-').enumerate() {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        if index >= 2 && !digits.is_empty() {
            return Some(region + &digits);
        }
        region.push_str(part);
        region.push('-');
    }
    None
}

/// The reference's hosted assets of a region; ends with a slash.
pub fn hosted_assets(region: &str) -> String {
    if region == "eu-west-1" {
        format!("{HOSTED_ASSETS}/")
    } else {
        format!("{HOSTED_ASSETS}-{region}/")
    }
}

/// Where the reference's jars are; ends with a slash.
pub fn assets(config: &Config, region: &str) -> String {
    match config
        .assets
        .as_deref()
        .map(|uri| uri.trim_end_matches('/'))
    {
        None | Some(HOSTED_ASSETS | "") => hosted_assets(region),
        Some(other) => format!("{other}/"),
    }
}

/// The script that installs Lingual.
pub fn lingual_script(version: &str) -> String {
    format!(
        "s3://files.concurrentinc.com/lingual/{version}/lingual-client/install-lingual-client.sh"
    )
}

/// A folder's URI as EMR and the jobs take it: with a slash at its end.
pub fn folder_uri(folder: &Location) -> String {
    format!("{}/", folder.to_string().trim_end_matches('/'))
}

fn configurations(config: &Config, emr: &EmrSettings) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found = Vec::new();
    if config.format == "thrift" {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        found.push(("core-site".to_owned(), one("io.file.buffer.size", "65536")));
        found.push((
            "mapred-site".to_owned(),
            one("mapreduce.user.classpath.first", "true"),
        ));
    }
    found.extend(
        emr.configuration
            .iter()
            .map(|(name, properties)| (name.clone(), properties.clone())),
    );
    found
}

fn bootstrap(
    config: &Config,
    emr: &EmrSettings,
    region: &str,
    files: Option<&EngineFiles>,
    has_reference_jars: bool,
) -> Vec<BootstrapAction> {
    let reference = |path: String, args: Vec<String>| BootstrapAction {
        name: REFERENCE_ACTION.to_owned(),
        path,
        args,
    };
    let mut actions: Vec<BootstrapAction> = emr
        .bootstrap
        .iter()
        .map(|path| reference(path.clone(), Vec::new()))
        .collect();
    if has_reference_jars {
        let script = if version::compare(&emr.ami_version, "5.0.0") == Ordering::Less {
            "snowplow-ami4-bootstrap-0.2.0.sh"
        } else {
            "snowplow-ami5-bootstrap-0.1.0.sh"
        };
        let codec = match config.versions.spark_enrich.as_deref() {
            Some(enrich) if version::compare(enrich, "1.8.0") != Ordering::Greater => "1.5",
            _ => "1.10",
        };
        actions.push(reference(
            format!("{}common/emr/{script}", hosted_assets(region)),
            vec![codec.to_owned()],
        ));
    }
    if emr.hbase.is_some() {
        actions.push(reference(
            format!("s3://{region}.elasticmapreduce/bootstrap-actions/setup-hbase"),
            Vec::new(),
        ));
    }
    if let Some(lingual) = &emr.lingual {
        actions.push(reference(lingual_script(lingual), Vec::new()));
    }
    actions.extend(files.map(|files| BootstrapAction {
        name: "Camonica Bootstrap Action".to_owned(),
        path: files.bootstrap.clone(),
        args: files.arguments.clone(),
    }));
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_placements() {
        for (zone, expected) in [
            ("eu-west-1a", Some("eu-west-1")),
            ("ap-southeast-2b", Some("ap-southeast-2")),
            ("us-gov-west-1a", Some("us-gov-west-1")),
            ("europe", None),
            ("eu-west-a", None),
        ] {
            assert_eq!(region_of_zone(zone).as_deref(), expected, "{zone}");
        }
    }

    #[test]
    fn assets_of_regions() {
        assert_eq!(hosted_assets("eu-west-1"), "s3://snowplow-hosted-assets/");
        assert_eq!(
            hosted_assets("us-east-1"),
            "s3://snowplow-hosted-assets-us-east-1/"
        );
    }

    #[test]
    fn old_amis_are_refused() {
        assert!(
            check_ami("3.11.0")
                .unwrap_err()
                .contains("Please use an EMR release_label not ami_version")
        );
        assert!(check_ami("4.0.0").is_ok() && check_ami("5.10.0").is_ok());
    }
}
