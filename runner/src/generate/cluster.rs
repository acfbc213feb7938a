//! The cluster file of Dataflow Runner.
//!
//! The format has no place for `additional_info` and for configured volumes' missing `iops`: the first is left out with a
//! warning, the second is 0 (it is not sent for types other than `io1`).

use serde_json::{Map, Value, json};

use super::{Draft, credentials, needs_reference_jars};
use crate::failure::{Failure, Result};
use crate::target::emr::flow::{Ebs, JobFlow, Place, region};

/// Version of the schema of cluster files.
pub const SCHEMA_VERSION: &str = "1-1-0";

impl Draft<'_> {
    /// The cluster file.
    ///
    /// # Errors
    /// `Config` for what no cluster can have.
    pub fn cluster(&self, schema_version: Option<&str>) -> Result<Value> {
        let config = &self.request.config;
        let Some(emr) = &config.emr else {
            return Err(Failure::Config("aws.emr: expected the whole block".into()));
        };
        // a cluster may serve any playbook, also one with a loader
        let has_reference_jars = self.request.storage.enriched_events.is_empty()
            && self.request.storage.failed_events.is_empty()
            || needs_reference_jars(self.request, &crate::plan::StepName::ALL);
        let flow = JobFlow::new(
            config,
            emr,
            Some(&self.files()),
            has_reference_jars,
            Vec::new(),
            Vec::new(),
        )
        .map_err(Failure::Config)?;
        if flow.additional_info.is_some() {
            tracing::warn!(
                "aws.emr.additional_info: Dataflow Runner has no place for it, so it is left out"
            );
        }
        let location = match &flow.place {
            Place::Subnet(subnet) => json!({ "vpc": { "subnetId": subnet } }),
            Place::Zone(zone) => json!({ "classic": { "availabilityZone": zone } }),
            Place::Any => {
                return Err(Failure::Config(
                    "aws.emr: expected ec2_subnet_id or placement, found neither: Dataflow Runner needs one of them".into(),
                ));
            }
        };
        let mut instances = Map::new();
        for group in &flow.groups {
            let mut entry = Map::new();
            entry.insert("type".into(), json!(group.instance_type));
            if group.role != "MASTER" {
                entry.insert("count".into(), json!(group.count));
            }
            if group.role == "TASK" {
                entry.insert(
                    "bid".into(),
                    json!(group.bid.as_deref().unwrap_or_default()),
                );
            }
            if let Some(volume) = &group.ebs {
                entry.insert("ebsConfiguration".into(), ebs(volume));
            }
            instances.insert(group.role.to_ascii_lowercase(), Value::Object(entry));
        }
        // the format demands the group, and a count of 0 leaves it out
        instances.entry("task").or_insert_with(
            || json!({ "type": emr.jobflow.task_instance_type, "count": 0, "bid": "" }),
        );
        let tags: Vec<Value> = flow
            .tags
            .iter()
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
        let actions: Vec<Value> = flow
            .bootstrap
            .iter()
            .map(|action| {
                json!({
                    "name": action.name,
                    "scriptBootstrapAction": { "path": action.path, "args": action.args },
                })
            })
            .collect();
        let configurations: Vec<Value> = flow
            .configurations
            .iter()
            .map(|(name, properties)| json!({ "classification": name, "properties": properties }))
            .collect();
        let mut data = json!({
            "name": flow.name,
            "logUri": flow.log_uri,
            "region": region(emr),
            "credentials": credentials(self.request),
            "roles": { "jobflow": flow.job_flow_role, "service": flow.service_role },
            "ec2": {
                "amiVersion": emr.ami_version,
                "keyName": flow.ec2_key_name,
                "location": location,
                "instances": instances,
            },
            "tags": tags,
            "bootstrapActionConfigs": actions,
            "configurations": configurations,
            "applications": flow.applications,
        });
        if let Some(name) = &flow.security_configuration {
            data["securityConfiguration"] = json!(name);
        }
        let version = schema_version.unwrap_or(SCHEMA_VERSION);
        Ok(json!({
            "schema": format!("iglu:com.snowplowanalytics.dataflowrunner/ClusterConfig/avro/{version}"),
            "data": data,
        }))
    }
}

fn ebs(volume: &Ebs) -> Value {
    json!({
        "ebsOptimized": volume.optimized,
        "ebsBlockDeviceConfigs": [{
            "volumesPerInstance": 1,
            "volumeSpecification": {
                "iops": volume.iops.unwrap_or(0),
                "sizeInGB": volume.size_gb,
                "volumeType": volume.volume_type,
            },
        }],
    })
}
