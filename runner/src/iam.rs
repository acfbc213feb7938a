//! The IAM policies that a run needs, made from its configuration: for each role the actions that its work takes, on the
//! folders that it works in, and nothing else. (The reference documented one policy for all, and it was wrong in several
//! releases: #531, #1721, #4379.)
//!
//! ```text
//! runner    moves of objects, locks and journal; with target emr also the cluster; with target local the jobs too
//! jobs      the jobs: the instance profile of EMR's nodes (aws.emr.jobflow_role), or of the machines of target hosts
//! service   what aws.emr.service_role needs beside AWS's own policy: grants on the key of encrypted volumes
//! ```
//!
//! Actions on objects are given by prefix, those on buckets by bucket: a listing that may be done anywhere in a bucket tells an
//! object that is absent from one that is forbidden.

use std::collections::{BTreeMap, BTreeSet};

use engine::store::{Encryption, Location};
use serde_json::{Value, json};

use crate::config::cluster::{ClusterKey, ClusterSettings};
use crate::config::targets::StorageTargets;
use crate::config::{Config, TargetKind};
use crate::target::emr::flow;

mod kms;

/// Who gets a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The machine or user that runs `camonica run`.
    Runner,
    /// The instance profile of the machines that run the jobs.
    Jobs,
    /// EMR itself.
    Service,
}

impl Role {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Jobs => "jobs",
            Self::Service => "service",
        }
    }
}

/// What policies are made of.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The storage targets.
    pub storage: &'a StorageTargets,
    /// Look-up files of enrichments in S3: URIs.
    pub assets: &'a [String],
    /// The zip of certificates of a security configuration: URI.
    pub certs: Option<&'a str>,
    /// The KMS key of a security configuration's local disks.
    pub disk_key: Option<&'a str>,
    /// Whether volumes are encrypted by EC2 (`EnableEbsEncryption`).
    pub ebs: bool,
    /// Whether objects have tags, which copies take along.
    pub tags: bool,
    /// Number of the account; `*` for any.
    pub account: &'a str,
}

/// What may be done with the objects below a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Verbs {
    read: bool,
    write: bool,
    delete: bool,
}

const READ: Verbs = Verbs {
    read: true,
    write: false,
    delete: false,
};
/// Writing includes looking at what was written.
const WRITE: Verbs = Verbs {
    write: true,
    ..READ
};
/// Objects are moved from there.
const TAKE: Verbs = Verbs {
    delete: true,
    ..READ
};
const ALL: Verbs = Verbs {
    delete: true,
    ..WRITE
};

impl Verbs {
    fn and(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            write: self.write || other.write,
            delete: self.delete || other.delete,
        }
    }

    fn sid(self) -> &'static str {
        match (self.write, self.delete) {
            (false, false) => "ReadObjects",
            (true, false) => "WriteObjects",
            (false, true) => "TakeObjects",
            (true, true) => "ReadWriteAndDeleteObjects",
        }
    }

    fn actions(self, tags: bool) -> Vec<&'static str> {
        let mut actions = Vec::new();
        if self.read {
            actions.push("s3:GetObject");
        }
        if self.write {
            actions.extend([
                "s3:PutObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ]);
        }
        if self.delete {
            actions.push("s3:DeleteObject");
        }
        if tags {
            actions.push("s3:GetObjectTagging");
            if self.write {
                actions.push("s3:PutObjectTagging");
            }
        }
        actions
    }
}

/// The roles that a run with this configuration has.
pub fn roles(needs: &Needs<'_>) -> Vec<Role> {
    match needs.config.camonica.target {
        TargetKind::Local => vec![Role::Runner],
        TargetKind::Hosts => vec![Role::Runner, Role::Jobs],
        TargetKind::Emr if needs.ebs => vec![Role::Runner, Role::Jobs, Role::Service],
        TargetKind::Emr => vec![Role::Runner, Role::Jobs],
    }
}

/// The policy document of a role.
///
/// # Errors
/// When the role is none of this target, or a URI or key cannot be used.
pub fn policy(needs: &Needs<'_>, role: Role) -> Result<Value, String> {
    let target = needs.config.camonica.target;
    if !roles(needs).contains(&role) {
        return Err(match (role, target) {
            (Role::Service, TargetKind::Emr) => {
                "--role service: aws.emr.service_role needs nothing beside AWS's own policy (AmazonElasticMapReduceRole or \
                 AmazonEMRServicePolicy_v2); with --ebs it needs grants on the key of --disk-key"
                    .into()
            }
            _ => format!(
                "--role {}: target {} has none: its roles are {}",
                role.name(),
                target.name(),
                roles(needs)
                    .iter()
                    .map(|role| role.name())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        });
    }
    let partition = partition(needs.config.region.as_deref());
    let mut statements = Vec::new();
    let does_jobs = role == Role::Jobs || target == TargetKind::Local;
    let mut access = Access::new(partition, needs.tags);
    if role == Role::Runner {
        runner_folders(needs.config, &mut access);
    }
    // with target hosts the runner brings commits to their end that a machine was cut off in
    if does_jobs || target == TargetKind::Hosts {
        job_folders(needs.config, &mut access);
    }
    if does_jobs {
        for asset in needs.assets {
            access.object(&location("an enrichment", asset)?, READ);
        }
        if target == TargetKind::Emr {
            cluster_files(needs, &mut access);
        }
        if let Some(zip) = needs.certs {
            access.object(&location("--certs", zip)?, READ);
        }
        if let Some(cluster) = cluster_of(needs.config) {
            let zip = cluster.certificates.as_deref();
            match (zip, needs.certs) {
                (Some(zip), _) => {
                    access.object(&location("camonica.cluster.certificates", zip)?, READ);
                }
                (None, Some(_)) => {}
                (None, None) => {
                    return Err(
                        "--certs: the nodes read the zip of the security configuration, and it is not known here: name it, \
                         or set camonica.cluster.certificates"
                            .into(),
                    );
                }
            }
            if let ClusterKey::Secret(uri) = &cluster.key {
                access.object(&location("camonica.cluster.key", uri)?, READ);
            }
        }
    }
    statements.extend(access.statements());
    if role == Role::Jobs && target == TargetKind::Emr {
        // command-runner and script-runner lie in a bucket of EMR in each region
        statements.push(json!({
            "Sid": "ReadProgramsOfEmr", "Effect": "Allow", "Action": ["s3:GetObject"],
            "Resource": [format!("arn:{partition}:s3:::*.elasticmapreduce/*")],
        }));
    }
    if role != Role::Service
        && let Encryption::SseKms(key) = needs.config.aws_settings().encryption
    {
        let actions = ["kms:GenerateDataKey", "kms:Decrypt"];
        statements.push(kms::statement(
            "EncryptObjects",
            &actions,
            &key,
            needs,
            partition,
        )?);
    }
    if does_jobs {
        if let Some(key) = needs.disk_key {
            let actions = [
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:DescribeKey",
            ];
            statements.push(kms::statement(
                "EncryptLocalDisks",
                &actions,
                key,
                needs,
                partition,
            )?);
        }
        if let Some(ClusterKey::Kms(key)) = cluster_of(needs.config).map(|cluster| &cluster.key) {
            let actions = ["kms:GenerateDataKey", "kms:Decrypt"];
            statements.push(kms::statement(
                "SealWhatNodesExchange",
                &actions,
                key,
                needs,
                partition,
            )?);
        }
        statements.extend(deduplication(needs, partition));
        if target == TargetKind::Emr {
            statements.extend(passwords(needs, partition));
        }
    }
    if role == Role::Runner && target == TargetKind::Emr {
        statements.extend(cluster(needs, partition));
    }
    if role == Role::Service {
        let key = needs
            .disk_key
            .ok_or("--role service: give the key of the volumes, --disk-key ARN")?;
        let actions = [
            "kms:CreateGrant",
            "kms:ListGrants",
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:DescribeKey",
        ];
        statements.push(kms::statement(
            "EncryptVolumes",
            &actions,
            key,
            needs,
            partition,
        )?);
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// `aws`, or the name of AWS in China or in its clouds for governments.
fn partition(region: Option<&str>) -> &'static str {
    match region {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn location(what: &str, uri: &str) -> Result<Location, String> {
    Location::parse(uri)
        .ok()
        .filter(|place| !place.is_local())
        .ok_or_else(|| format!("{what}: '{uri}' is no object in S3"))
}

/// Folders of staging, archiving, journal, checks and bad rows for Elasticsearch.
fn runner_folders(config: &Config, access: &mut Access) {
    access.folder(&config.log, ALL);
    if let Some(raw) = &config.raw {
        for input in &raw.inputs {
            access.folder(input, TAKE);
        }
        access.folder(&raw.processing, ALL);
        access.folder(&raw.archive, WRITE);
    }
    let (enriched, shredded) = (&config.enriched, &config.shredded);
    if let Some(stream) = &enriched.stream {
        access.folder(stream, TAKE);
        access.folder(&enriched.good, ALL);
    }
    access.folder(&enriched.good, TAKE);
    access.folder(&shredded.good, TAKE);
    // for Elasticsearch, and for what the end of a run tells about its outputs
    let bad = [enriched.bad.as_ref(), Some(&shredded.bad)];
    for bad in bad.into_iter().flatten() {
        access.folder(bad, READ);
    }
    for archive in [&enriched.archive, &shredded.archive].into_iter().flatten() {
        access.folder(archive, WRITE);
    }
}

/// Folders of the jobs: they delete what their own dead attempts have left.
fn job_folders(config: &Config, access: &mut Access) {
    access.folder(&config.log, ALL);
    if let Some(raw) = &config.raw {
        access.folder(&raw.processing, READ);
        access.folder(&config.enriched.good, ALL);
    } else {
        access.folder(&config.enriched.good, READ);
    }
    for folder in [
        config.enriched.bad.as_ref(),
        config.enriched.errors.as_ref(),
        Some(&config.shredded.good),
        Some(&config.shredded.bad),
    ]
    .into_iter()
    .flatten()
    {
        access.folder(folder, ALL);
    }
}

/// What the nodes of a cluster fetch when they start, and the jars of the reference's steps with what these read. Objects of
/// others (public ones, too) are read only by who is allowed to.
fn cluster_files(needs: &Needs<'_>, access: &mut Access) {
    let config = needs.config;
    let Some(emr) = &config.emr else { return };
    let mut object = |uri: &str| {
        if let Ok(place) = Location::parse(uri) {
            access.object(&place, READ);
        }
    };
    emr.bootstrap.iter().for_each(|uri| object(uri));
    if let Some(version) = &emr.lingual {
        object(&flow::lingual_script(version));
    }
    let mut folders = Vec::new();
    let storage = needs.storage;
    if !storage.enriched_events.is_empty() || !storage.failed_events.is_empty() {
        let region = flow::region(emr);
        folders.push(flow::assets(config, &region));
        folders.push(flow::hosted_assets(&region) + "common/emr/");
    }
    if !storage.enriched_events.is_empty() {
        folders.extend(config.jsonpath_assets.clone());
    }
    for uri in folders {
        if let Ok(place) = Location::parse(&uri) {
            access.folder(&place, READ);
        }
    }
}

/// Passwords of storage targets that lie in the parameter store, for the reference's RDB Loader.
fn passwords(needs: &Needs<'_>, partition: &str) -> Option<Value> {
    fn gather(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                let store = members.get("ec2ParameterStore");
                let name = store.and_then(|store| store["parameterName"].as_str());
                found.extend(name.map(|name| name.trim_start_matches('/').to_owned()));
                members.values().for_each(|member| gather(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for target in &needs.storage.enriched_events {
        gather(&target.document, &mut names);
    }
    let region = needs.config.emr.as_ref().map(flow::region);
    let home = format!(
        "arn:{partition}:ssm:{}:{}:parameter",
        region.as_deref().unwrap_or("*"),
        needs.account
    );
    let resources: Vec<String> = names
        .iter()
        .map(|name| format!("{home}/{}", literal(name)))
        .collect();
    (!resources.is_empty()).then(|| {
        json!({
            "Sid": "ReadPasswordsOfStorageTargets", "Effect": "Allow",
            "Action": ["ssm:GetParameter"], "Resource": resources,
        })
    })
}

/// Cross-batch deduplication.
fn deduplication(needs: &Needs<'_>, partition: &str) -> Option<Value> {
    let target = needs.storage.duplicate_tracking.as_ref()?;
    let text = |key: &str| {
        target
            .data(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let table = text("dynamodbTable")?;
    let region = text("awsRegion")
        .or(needs.config.region.as_deref())
        .unwrap_or("*");
    Some(json!({
        "Sid": "KnowEventsOfEarlierRuns", "Effect": "Allow",
        "Action": ["dynamodb:DescribeTable", "dynamodb:PutItem"],
        "Resource": [format!("arn:{partition}:dynamodb:{region}:{}:table/{table}", needs.account)],
    }))
}

/// The cluster of target `emr`.
fn cluster_of(config: &Config) -> Option<&ClusterSettings> {
    let cluster = config.camonica.cluster.as_ref();
    cluster.filter(|_| config.camonica.target == TargetKind::Emr)
}

/// What target `emr` calls.
fn cluster(needs: &Needs<'_>, partition: &str) -> Vec<Value> {
    let emr = needs.config.emr.as_ref();
    let region = emr.map(flow::region);
    let region = region.as_deref().unwrap_or("*");
    let account = needs.account;
    let mut anywhere = vec![
        "elasticmapreduce:RunJobFlow",
        "elasticmapreduce:ListClusters",
    ];
    // the runner looks up which certificates the security configuration names
    if cluster_of(needs.config).is_some_and(|cluster| cluster.certificates.is_none()) {
        anywhere.push("elasticmapreduce:DescribeSecurityConfiguration");
    }
    let mut statements = vec![
        json!({
            "Sid": "StartAndFindClusters", "Effect": "Allow",
            "Action": anywhere,
            "Resource": ["*"],
        }),
        json!({
            "Sid": "WatchAndEndClusters", "Effect": "Allow",
            "Action": [
                "elasticmapreduce:AddTags", "elasticmapreduce:DescribeCluster",
                "elasticmapreduce:ListSteps", "elasticmapreduce:TerminateJobFlows",
            ],
            "Resource": [format!("arn:{partition}:elasticmapreduce:{region}:{account}:cluster/*")],
        }),
    ];
    let suffix = if partition == "aws-cn" { ".cn" } else { "" };
    if let Some(emr) = emr {
        for (sid, role, service) in [
            ("HandOverTheJobFlowRole", &emr.jobflow_role, "ec2"),
            (
                "HandOverTheServiceRole",
                &emr.service_role,
                "elasticmapreduce",
            ),
        ] {
            let mut services = vec![format!("{service}.amazonaws.com")];
            if !suffix.is_empty() {
                services.push(format!("{service}.amazonaws.com{suffix}"));
            }
            statements.push(json!({
                "Sid": sid, "Effect": "Allow", "Action": ["iam:PassRole"],
                "Resource": [role_arn(role, partition, account)],
                "Condition": { "StringEquals": { "iam:PassedToService": services } },
            }));
        }
    }
    statements
}

/// The ARN of a role by its name, or by the ARN of it or of its instance profile.
fn role_arn(role: &str, partition: &str, account: &str) -> String {
    if role.starts_with("arn:") {
        role.replacen(":instance-profile/", ":role/", 1)
    } else {
        format!("arn:{partition}:iam::{account}:role/{role}")
    }
}

/// What may be done in S3, gathered by prefix.
struct Access {
    partition: &'static str,
    tags: bool,
    /// ARN patterns of objects.
    prefixes: BTreeMap<String, Verbs>,
    buckets: BTreeSet<String>,
    /// Buckets in which uploads in parts may be looked for.
    written: BTreeSet<String>,
}

impl Access {
    fn new(partition: &'static str, tags: bool) -> Self {
        Self {
            partition,
            tags,
            prefixes: BTreeMap::new(),
            buckets: BTreeSet::new(),
            written: BTreeSet::new(),
        }
    }

    fn folder(&mut self, folder: &Location, verbs: Verbs) {
        if let Some((bucket, key)) = folder.bucket_and_key() {
            let key = if key.is_empty() {
                "*".to_owned()
            } else {
                format!("{}/*", literal(key))
            };
            self.add(bucket, &key, verbs);
        }
    }

    fn object(&mut self, object: &Location, verbs: Verbs) {
        if let Some((bucket, key)) = object.bucket_and_key() {
            self.add(bucket, &literal(key), verbs);
        }
    }

    fn add(&mut self, bucket: &str, key: &str, verbs: Verbs) {
        let arn = format!("arn:{}:s3:::{bucket}", self.partition);
        self.prefixes
            .entry(format!("{arn}/{key}"))
            .and_modify(|known| *known = known.and(verbs))
            .or_insert(verbs);
        if verbs.write {
            self.written.insert(arn.clone());
        }
        self.buckets.insert(arn);
    }

    fn statements(self) -> Vec<Value> {
        let mut statements = Vec::new();
        for (sid, action, buckets) in [
            ("ListBuckets", "s3:ListBucket", &self.buckets),
            (
                "FindUploads",
                "s3:ListBucketMultipartUploads",
                &self.written,
            ),
        ] {
            if !buckets.is_empty() {
                statements.push(json!({
                    "Sid": sid, "Effect": "Allow", "Action": [action], "Resource": buckets,
                }));
            }
        }
        let mut by_verbs: BTreeMap<Verbs, Vec<&String>> = BTreeMap::new();
        for (prefix, verbs) in &self.prefixes {
            by_verbs.entry(*verbs).or_default().push(prefix);
        }
        for (verbs, prefixes) in by_verbs {
            statements.push(json!({
                "Sid": verbs.sid(), "Effect": "Allow",
                "Action": verbs.actions(self.tags), "Resource": prefixes,
            }));
        }
        statements
    }
}

/// A key in the pattern of an ARN: what is a wildcard or the beginning of a variable there stands for itself.
fn literal(key: &str) -> String {
    key.replace('$', "${$}")
        .replace('*', "${*}")
        .replace('?', "${?}")
}

/// The URIs in S3 that stand anywhere in the configurations of enrichments.
pub fn assets_of(document: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    gather(document, &mut found);
    found.into_iter().collect()
}

/// A database is named by the folder `uri` and a file name `database`; the depth is that of a parsed document.
fn gather(value: &Value, found: &mut BTreeSet<String>) {
    let is_s3 = |text: &str| {
        ["s3://", "s3a://", "s3n://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    };
    match value {
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            match (text("uri").filter(|uri| is_s3(uri)), text("database")) {
                (Some(uri), Some(database)) => {
                    found.insert(format!("{}/{database}", uri.trim_end_matches('/')));
                }
                _ => members.values().for_each(|member| gather(member, found)),
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
        Value::String(text) if is_s3(text) => {
            found.insert(text.clone());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
