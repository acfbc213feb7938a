//! The security configuration that `aws.emr.security_configuration` names: which encryption EMR switches on for a cluster
//! (the reference's release R108). Printed as the JSON of EMR's `CreateSecurityConfiguration`, or created by it.
//!
//! * S3: what EMRFS writes, with keys of S3 or of KMS. Our jobs ask for encryption themselves, with every write.
//! * Local disks: LUKS on instance stores and volumes, HDFS transfer and RPC; the passphrase comes from a key of KMS.
//! * In transit: the certificates of a zip in S3 ([`crate::certs`]); the cluster must be in a VPC.

use aws_sdk_emr::Client;
use engine::store::Location;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::aws::refusal::Refusal;
use crate::config::Config;
use crate::target::emr::flow;

/// How EMRFS encrypts objects in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Encryption {
    /// Keys of S3.
    SseS3,
    /// The key of KMS with this ARN or id.
    SseKms(String),
}

/// What is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecurityConfiguration {
    /// Objects in S3.
    pub s3: Option<S3Encryption>,
    /// Local disks: ARN of the key of KMS.
    pub local_disk_key: Option<String>,
    /// EBS volumes with EC2's own encryption (EMR 5.24.0 and later), the root volume too.
    pub ebs: bool,
    /// In transit: URI of the zip of certificates.
    pub in_transit: Option<String>,
}

/// What came of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was created.
    New,
    /// There was one of this name with the same content.
    Before,
}

impl SecurityConfiguration {
    /// What is wrong with it, as far as can be known without asking AWS; with the configuration of the cluster also what
    /// does not fit it.
    /// `region`: of EMR, where the configuration does not say it.
    pub fn mistakes(&self, config: Option<&Config>, region: Option<&str>) -> Vec<String> {
        let mut mistakes = Vec::new();
        let emr = config.and_then(|config| config.emr.as_ref());
        let cluster_region = region.map(str::to_owned).or_else(|| emr.map(flow::region));
        if self.s3.is_none() && self.local_disk_key.is_none() && self.in_transit.is_none() {
            mistakes.push(
                "nothing would be encrypted: give --s3, --local-disk-key or --in-transit"
                    .to_owned(),
            );
        }
        if self.ebs && self.local_disk_key.is_none() {
            mistakes.push("--ebs: needs --local-disk-key".to_owned());
        }
        if let Some(zip) = &self.in_transit {
            match Location::parse(zip) {
                Ok(place) if !place.is_local() && zip.ends_with(".zip") => {}
                _ => mistakes.push(format!(
                    "--in-transit '{zip}': expected the zip that `camonica certs --upload` wrote, s3://bucket/path/certs.zip"
                )),
            }
        }
        let keys = [
            ("--s3-key", self.s3_key()),
            ("--local-disk-key", self.local_disk_key.as_deref()),
        ];
        for (option, key) in keys {
            let Some(key) = key else { continue };
            match region_of_key(key) {
                None => mistakes.push(format!(
                    "{option} '{key}': expected the ARN of a key, arn:aws:kms:REGION:ACCOUNT:key/ID"
                )),
                Some(region) => {
                    if let Some(wanted) = cluster_region.as_ref().filter(|wanted| *wanted != region)
                    {
                        mistakes.push(format!(
                            "{option} '{key}': the key must be in the region of the cluster, {wanted}"
                        ));
                    }
                }
            }
        }
        if let Some(emr) = emr {
            if self.in_transit.is_some() && emr.ec2_subnet_id.is_none() {
                mistakes.push(
                    "--in-transit: the cluster must be in a VPC: set aws.emr.ec2_subnet_id"
                        .to_owned(),
                );
            }
            let least = if self.ebs { (5, 24) } else { (4, 8) };
            if let Some(version) = version_of(&emr.ami_version)
                && version < least
            {
                mistakes.push(format!(
                    "aws.emr.ami_version {}: this needs EMR {}.{}.0 or later",
                    emr.ami_version, least.0, least.1
                ));
            }
        }
        mistakes
    }

    fn s3_key(&self) -> Option<&str> {
        match &self.s3 {
            Some(S3Encryption::SseKms(key)) => Some(key),
            _ => None,
        }
    }

    /// The JSON that EMR takes.
    pub fn to_json(&self) -> Value {
        let at_rest = self.s3.is_some() || self.local_disk_key.is_some();
        let mut encryption = json!({
            "EnableInTransitEncryption": self.in_transit.is_some(),
            "EnableAtRestEncryption": at_rest,
        });
        if let Some(zip) = &self.in_transit {
            encryption["InTransitEncryptionConfiguration"] = json!({
                "TLSCertificateConfiguration": {
                    "CertificateProviderType": "PEM",
                    "S3Object": zip,
                }
            });
        }
        if at_rest {
            let mut rest = json!({});
            match &self.s3 {
                Some(S3Encryption::SseS3) => {
                    rest["S3EncryptionConfiguration"] = json!({ "EncryptionMode": "SSE-S3" });
                }
                Some(S3Encryption::SseKms(key)) => {
                    rest["S3EncryptionConfiguration"] =
                        json!({ "EncryptionMode": "SSE-KMS", "AwsKmsKey": key });
                }
                None => {}
            }
            if let Some(key) = &self.local_disk_key {
                let mut disk = json!({ "EncryptionKeyProviderType": "AwsKms", "AwsKmsKey": key });
                // the key is unknown to EMR before 5.24
                if self.ebs {
                    disk["EnableEbsEncryption"] = true.into();
                }
                rest["LocalDiskEncryptionConfiguration"] = disk;
            }
            encryption["AtRestEncryptionConfiguration"] = rest;
        }
        json!({ "EncryptionConfiguration": encryption })
    }

    /// Creates it under `name`. One of this name with the same content is taken for it.
    ///
    /// # Errors
    /// When there is another one of this name, or EMR refuses.
    pub fn create(&self, name: &str, aws: &Aws) -> Result<Created, String> {
        let what = format!("security configuration '{name}'");
        let client = Client::new(aws.sdk_config());
        let content = self.to_json();
        if let Some(there) = describe(&client, aws, name, &what)? {
            return same_or_error(&content, &there, &what);
        }
        let call = client
            .create_security_configuration()
            .name(name)
            .security_configuration(content.to_string());
        match aws.block_on(call.send()) {
            Ok(_) => Ok(Created::New),
            Err(error) => {
                let refusal = Refusal::new(error);
                // an answer that was lost, or somebody else at the same time
                match describe(&client, aws, name, &what) {
                    Ok(Some(there)) => same_or_error(&content, &there, &what),
                    _ => Err(text(
                        &refusal,
                        &what,
                        "CreateSecurityConfiguration",
                        "elasticmapreduce:CreateSecurityConfiguration",
                    )),
                }
            }
        }
    }
}

fn same_or_error(wanted: &Value, there: &str, what: &str) -> Result<Created, String> {
    if serde_json::from_str::<Value>(there).is_ok_and(|there| there == *wanted) {
        return Ok(Created::Before);
    }
    Err(format!(
        "{what}: there is another one of this name, and EMR cannot change it: give another --name, or delete it \
         (aws emr delete-security-configuration)"
    ))
}

fn describe(client: &Client, aws: &Aws, name: &str, what: &str) -> Result<Option<String>, String> {
    match aws.block_on(client.describe_security_configuration().name(name).send()) {
        Ok(output) => Ok(output.security_configuration().map(str::to_owned)),
        Err(error) => {
            let refusal = Refusal::new(error);
            // a name that is not there is a 400 of this code
            if refusal.is(&["InvalidRequestException"]) {
                return Ok(None);
            }
            Err(text(
                &refusal,
                what,
                "DescribeSecurityConfiguration",
                "elasticmapreduce:DescribeSecurityConfiguration",
            ))
        }
    }
}

fn text(refusal: &Refusal, what: &str, operation: &str, action: &str) -> String {
    let text = refusal.text(what, operation);
    if refusal.status == Some(403) || refusal.code.starts_with("AccessDenied") {
        format!("{text} ({action})")
    } else {
        text
    }
}

/// The region of the ARN of a KMS key.
pub fn region_of_key(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (head, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let is_key = ["key/", "alias/"]
        .iter()
        .any(|kind| resource.strip_prefix(kind).is_some_and(|id| !id.is_empty()));
    (head == "arn" && service == "kms" && !region.is_empty() && !account.is_empty() && is_key)
        .then_some(region)
}

fn version_of(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_prefix("emr-").unwrap_or(text);
    let mut parts = text.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn all_of_it() {
        let all = SecurityConfiguration {
            s3: Some(S3Encryption::SseKms(KEY.into())),
            local_disk_key: Some(KEY.into()),
            ebs: true,
            in_transit: Some("s3://acme/certs.zip".into()),
        };
        assert_eq!(all.mistakes(None, Some("eu-west-1")), [""; 0]);
        let other = all.mistakes(None, Some("us-east-1")).join("\n");
        for option in ["--s3-key", "--local-disk-key"] {
            assert!(
                other.contains(&format!(
                    "{option} '{KEY}': the key must be in the region of the cluster, us-east-1"
                )),
                "{other}"
            );
        }
        assert_eq!(
            all.to_json(),
            json!({"EncryptionConfiguration": {
                "EnableInTransitEncryption": true,
                "EnableAtRestEncryption": true,
                "InTransitEncryptionConfiguration": {"TLSCertificateConfiguration": {
                    "CertificateProviderType": "PEM", "S3Object": "s3://acme/certs.zip"}},
                "AtRestEncryptionConfiguration": {
                    "S3EncryptionConfiguration": {"EncryptionMode": "SSE-KMS", "AwsKmsKey": KEY},
                    "LocalDiskEncryptionConfiguration": {
                        "EncryptionKeyProviderType": "AwsKms", "AwsKmsKey": KEY, "EnableEbsEncryption": true}}}})
        );
    }

    #[test]
    fn parts_of_it() {
        let s3 = SecurityConfiguration {
            s3: Some(S3Encryption::SseS3),
            ..SecurityConfiguration::default()
        };
        assert_eq!(
            s3.to_json(),
            json!({"EncryptionConfiguration": {
                "EnableInTransitEncryption": false, "EnableAtRestEncryption": true,
                "AtRestEncryptionConfiguration": {"S3EncryptionConfiguration": {"EncryptionMode": "SSE-S3"}}}})
        );
        let transit = SecurityConfiguration {
            in_transit: Some("s3://acme/certs.zip".into()),
            ..SecurityConfiguration::default()
        };
        let json = transit.to_json();
        assert_eq!(
            json["EncryptionConfiguration"]["EnableAtRestEncryption"],
            false
        );
        assert!(
            json["EncryptionConfiguration"]
                .get("AtRestEncryptionConfiguration")
                .is_none()
        );
    }

    #[test]
    fn local_disks_alone() {
        let disks = SecurityConfiguration {
            local_disk_key: Some(KEY.into()),
            ..SecurityConfiguration::default()
        };
        assert_eq!(disks.mistakes(None, None), [""; 0]);
        assert_eq!(
            disks.to_json(),
            json!({"EncryptionConfiguration": {
                "EnableInTransitEncryption": false, "EnableAtRestEncryption": true,
                "AtRestEncryptionConfiguration": {"LocalDiskEncryptionConfiguration": {
                    "EncryptionKeyProviderType": "AwsKms", "AwsKmsKey": KEY}}}})
        );
    }

    #[test]
    fn mistakes() {
        let none = SecurityConfiguration::default();
        assert!(none.mistakes(None, None)[0].starts_with("nothing would be encrypted"));
        let many = SecurityConfiguration {
            s3: None,
            local_disk_key: Some("1234abcd".into()),
            ebs: true,
            in_transit: Some("/tmp/certs.zip".into()),
        };
        let mistakes = many.mistakes(None, None).join("\n");
        for part in [
            "--in-transit '/tmp/certs.zip'",
            "--local-disk-key '1234abcd'",
        ] {
            assert!(mistakes.contains(part), "{mistakes}");
        }
        assert_eq!(region_of_key(KEY), Some("eu-west-1"));
        for no in [
            "arn:aws:s3:::bucket",
            "arn:aws:kms:eu-west-1:1:key/",
            "",
            "a:b:c:d:e:f",
        ] {
            assert_eq!(region_of_key(no), None, "{no}");
        }
    }
}
