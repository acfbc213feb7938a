//! The request `RunJobFlow` in the types of the SDK.

use std::collections::HashMap;

use aws_sdk_emr::operation::run_job_flow::RunJobFlowInput;
use aws_sdk_emr::operation::run_job_flow::builders::RunJobFlowInputBuilder;
use aws_sdk_emr::types::{
    ActionOnFailure, Application, BootstrapActionConfig, Configuration, EbsBlockDeviceConfig,
    EbsConfiguration, HadoopJarStepConfig, InstanceGroupConfig, InstanceRoleType,
    JobFlowInstancesConfig, MarketType, PlacementType, ScriptBootstrapActionConfig, StepConfig,
    Tag, VolumeSpecification,
};

use super::flow::{BootstrapAction, Ebs, Group, JobFlow, Place};
use super::steps::ClusterStep;

/// The request of a job flow.
///
/// # Errors
/// For a number that EMR cannot take.
pub(super) fn run_job_flow(flow: &JobFlow) -> Result<RunJobFlowInputBuilder, String> {
    let mut instances = JobFlowInstancesConfig::builder()
        .keep_job_flow_alive_when_no_steps(false)
        // an empty one: nobody logs into the nodes
        .set_ec2_key_name(Some(flow.ec2_key_name.clone()).filter(|name| !name.is_empty()));
    for each in &flow.groups {
        instances = instances.instance_groups(group(each)?);
    }
    instances = match &flow.place {
        Place::Subnet(subnet) => instances.ec2_subnet_id(subnet),
        Place::Zone(zone) => {
            instances.placement(PlacementType::builder().availability_zone(zone).build())
        }
        Place::Any => instances,
    };
    let mut request = RunJobFlowInput::builder()
        .name(&flow.name)
        .release_label(&flow.release_label)
        .visible_to_all_users(true)
        .log_uri(&flow.log_uri)
        .job_flow_role(&flow.job_flow_role)
        .service_role(&flow.service_role)
        .set_additional_info(flow.additional_info.clone())
        .set_security_configuration(flow.security_configuration.clone())
        .instances(instances.build());
    for (key, value) in &flow.tags {
        request = request.tags(Tag::builder().key(key).value(value).build());
    }
    for name in &flow.applications {
        request = request.applications(Application::builder().name(*name).build());
    }
    for (classification, properties) in &flow.configurations {
        let properties: HashMap<String, String> = properties
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        request = request.configurations(
            Configuration::builder()
                .classification(classification)
                .set_properties(Some(properties))
                .build(),
        );
    }
    for each in &flow.bootstrap {
        request = request.bootstrap_actions(action(each));
    }
    for each in &flow.steps {
        request = request.steps(step(each));
    }
    Ok(request)
}

fn number(what: &str, value: u32) -> Result<i32, String> {
    i32::try_from(value).map_err(|_| format!("aws.emr: {what} {value} is more than EMR takes"))
}

fn group(group: &Group) -> Result<InstanceGroupConfig, String> {
    let mut config = InstanceGroupConfig::builder()
        .instance_role(InstanceRoleType::from(group.role))
        .instance_type(&group.instance_type)
        .instance_count(number("instance count", group.count)?);
    config = match &group.bid {
        Some(bid) => config.market(MarketType::Spot).bid_price(bid),
        None => config.market(MarketType::OnDemand),
    };
    if let Some(volume) = &group.ebs {
        config = config.ebs_configuration(ebs(volume)?);
    }
    Ok(config.build())
}

fn ebs(volume: &Ebs) -> Result<EbsConfiguration, String> {
    let iops = volume
        .iops
        .map(|iops| number("volume_iops", iops))
        .transpose()?;
    let specification = VolumeSpecification::builder()
        .volume_type(&volume.volume_type)
        .size_in_gb(number("volume_size", volume.size_gb)?)
        .set_iops(iops)
        .build();
    let device = EbsBlockDeviceConfig::builder()
        .volumes_per_instance(1)
        .volume_specification(specification)
        .build();
    Ok(EbsConfiguration::builder()
        .ebs_optimized(volume.optimized)
        .ebs_block_device_configs(device)
        .build())
}

fn action(action: &BootstrapAction) -> BootstrapActionConfig {
    let script = ScriptBootstrapActionConfig::builder()
        .path(&action.path)
        .set_args(Some(action.args.clone()))
        .build();
    BootstrapActionConfig::builder()
        .name(&action.name)
        .script_bootstrap_action(script)
        .build()
}

fn step(step: &ClusterStep) -> StepConfig {
    let jar = HadoopJarStepConfig::builder()
        .jar(&step.jar)
        .set_args(Some(step.args.clone()))
        .build();
    StepConfig::builder()
        .name(&step.name)
        .action_on_failure(ActionOnFailure::TerminateJobFlow)
        .hadoop_jar_step(jar)
        .build()
}
