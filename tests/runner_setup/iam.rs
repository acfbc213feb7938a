//! `camonica iam-policy`: a whole run of a user who has the policy and nothing else, on moto with its authorization switched
//! on; and runs without one action each, which fail and name it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use fixtures::configuration::Aws;
use fixtures::{Corpus, Format, Mix};
use serde_json::Value;

use super::camonica::{Answer, answer, camonica};
use super::moto::Moto;
use super::{support, write, write_configuration};

/// Taken after failures, and to look for uploads that a dead attempt has left: not missed by a run that goes well.
const AFTER_FAILURES: [&str; 3] = [
    "s3:AbortMultipartUpload",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
];

/// moto 5.2 asks for DeleteObject on the bucket instead of on each object, and computes other signatures than AWS where a query
/// has an encoded slash: policies are what is tried here.
const PATCH: &str = "
import xmltodict
from moto.iam.access_control import IAMRequestBase
from moto.s3.responses import S3Response
IAMRequestBase.check_signature = lambda self: None
delete_keys = S3Response._bucket_response_delete_keys
def delete_allowed(self, bucket_name, authenticated=True):
    objects = xmltodict.parse(self.body, strip_whitespace=False)['Delete'].get('Object', [])
    allowed = True
    for one in objects if isinstance(objects, list) else [objects]:
        self.data['Action'] = 'DeleteObject'
        try:
            self._authenticate_and_authorize_s3_action(bucket_name=bucket_name, key_name=one['Key'])
        except Exception:
            allowed = False
    return delete_keys(self, bucket_name, authenticated=allowed)
S3Response._bucket_response_delete_keys = delete_allowed
";

/// A call of IAM's API, which nobody has to be allowed while the authorization is off.
fn iam(moto: &Moto, parameters: &[(&str, &str)]) -> String {
    let body = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
        + "&Version=2010-05-08";
    let authority = moto.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&authority).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn between<'t>(text: &'t str, tag: &str) -> &'t str {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split(&open)
        .nth(1)
        .unwrap()
        .split(&close)
        .next()
        .unwrap()
}

/// Calls after the next `free` ones are checked: signatures and policies.
fn free_calls(moto: &Moto, free: &str) {
    let answer = moto.request("POST", "/moto-api/reset-auth", free.as_bytes());
    assert_eq!(answer.status, 200);
}

/// Puts a batch into `s3://pipeline/<folder>/in/`, and runs it as the user with `policy`: exit code, output, errors.
fn run_with(moto: &Moto, user: &str, folder: &str, change: &dyn Fn(&mut Value)) -> Answer {
    free_calls(moto, "inf");
    iam(moto, &[("Action", "CreateUser"), ("UserName", user)]);
    let made = iam(moto, &[("Action", "CreateAccessKey"), ("UserName", user)]);
    let keys = [
        between(&made, "AccessKeyId"),
        between(&made, "SecretAccessKey"),
    ];
    let base = tempfile::tempdir().unwrap();
    let corpus = Corpus {
        seed: 3,
        format: Format::Cloudfront,
        bytes: 20_000,
        files: 2,
        gzip: true,
        mix: Mix {
            malformed: 0.1,
            ..Mix::default()
        },
    };
    let corpus = corpus.write(&base.path().join("in")).unwrap();
    for (index, file) in corpus.files.iter().enumerate() {
        let key = format!("{folder}/in/{index}.gz");
        moto.put("pipeline", &key, &std::fs::read(file).unwrap());
    }
    let config = write_configuration(
        base.path(),
        moto,
        Aws {
            keys,
            encrypted: true,
            ..Aws::below(&format!("s3://pipeline/{folder}"))
        },
    );
    let resolver = write(
        &base.path().join("resolver.json"),
        &support::fixtures_resolver(),
    );
    let (code, out, err) = answer(&mut camonica(&["iam-policy", "-c", &config]));
    assert_eq!(code, 0, "{err}");
    let mut policy: Value = serde_json::from_str(&out).unwrap();
    change(&mut policy);
    iam(
        moto,
        &[
            ("Action", "PutUserPolicy"),
            ("UserName", user),
            ("PolicyName", "camonica"),
            ("PolicyDocument", &policy.to_string()),
        ],
    );
    free_calls(moto, "0");
    let ran = answer(&mut camonica(&["run", "-c", &config, "-r", &resolver]));
    free_calls(moto, "inf");
    assert!(
        !ran.1.contains(keys[1]) && !ran.2.contains(keys[1]),
        "the secret is shown"
    );
    ran
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_policy_suffices_and_nothing_of_it_can_go() {
    let Some(moto) = Moto::apart(PATCH) else {
        return;
    };
    moto.create_bucket("pipeline");
    let all = std::cell::RefCell::new(BTreeSet::new());
    let (code, out, err) = run_with(&moto, "whole", "whole", &|policy| {
        *all.borrow_mut() = actions(policy);
    });
    assert_eq!(code, 0, "{out}\n{err}");
    let all = all.into_inner();
    println!("a run with these actions goes well: {all:?}");
    assert!(all.len() >= 7, "{all:?}");
    // without any policy nothing goes: the authorization is on
    let (code, _, err) = run_with(&moto, "nobody", "nobody", &|policy| {
        *policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": ["*"]}],
        });
    });
    assert!(code == 1 && err.contains("403"), "{err}");
    for action in all
        .iter()
        .filter(|action| !AFTER_FAILURES.contains(&action.as_str()))
    {
        let name = action.replace(':', "-");
        let (code, out, err) = run_with(&moto, &name, &name, &|policy| {
            let statements = policy["Statement"].as_array_mut().unwrap();
            for statement in statements.iter_mut() {
                let list = statement["Action"].as_array_mut().unwrap();
                list.retain(|one| one != action.as_str());
            }
            statements.retain(|statement| !statement["Action"].as_array().unwrap().is_empty());
        });
        println!(
            "without {action}: exit code {code}, {}",
            err.lines().next().unwrap_or_default()
        );
        assert!(code != 0, "without {action} the run goes well: {out}");
        assert!(err.contains(action.as_str()), "without {action}: {err}");
    }
}
