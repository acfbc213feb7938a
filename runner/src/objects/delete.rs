//! Deletion of sources: up to 1,000 objects by one request, each under the condition that it is still what was copied.

use std::sync::atomic::Ordering;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::key::Key;
use super::s3::{S3, content_md5, quoted};
use crate::aws::refusal::Refusal;

/// Most keys of one DeleteObjects request.
const MOST_DELETED: usize = 1000;

impl S3 {
    /// Deletes objects of one bucket, each only if it still has its ETag (an empty one: in any case) as far as the service
    /// knows such a condition. Objects that are not there are no error.
    pub(crate) async fn delete(
        &self,
        bucket: &str,
        objects: &[(String, String)],
    ) -> Result<(), String> {
        // XML cannot hold control characters: such keys go in a path.
        let (plain, odd): (Vec<_>, Vec<_>) = objects
            .iter()
            .partition(|(key, _)| !key.chars().any(char::is_control));
        for (key, _) in odd {
            let key = Key {
                bucket: bucket.to_owned(),
                key: key.clone(),
            };
            let result = self
                .calls
                .run("DeleteObject", || async {
                    self.client
                        .delete_object()
                        .bucket(bucket)
                        .key(&key.key)
                        .send()
                        .await
                        .map_err(Refusal::new)
                })
                .await;
            match result {
                Err(refusal) if !refusal.is_absent() => {
                    return Err(refusal.text(&key.to_string(), "DeleteObject"));
                }
                _ => {}
            }
        }
        for batch in plain.chunks(MOST_DELETED) {
            self.delete_batch(bucket, batch).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, bucket: &str, batch: &[&(String, String)]) -> Result<(), String> {
        let mut left: Vec<&(String, String)> = batch.to_vec();
        let begun = std::time::Instant::now();
        let mut rounds = 0;
        while !left.is_empty() {
            let conditional = self.deletes_by_etag.load(Ordering::Relaxed);
            let failures = match self.delete_request(bucket, &left, conditional).await {
                Ok(failures) => failures,
                Err(refusal)
                    if conditional
                        && (refusal.is_unsupported()
                            || refusal.is(&["InvalidArgument", "InvalidRequest"])) =>
                {
                    self.deletes_by_etag.store(false, Ordering::Relaxed);
                    continue;
                }
                Err(refusal) => {
                    return Err(refusal.text(
                        &format!("s3://{bucket}: {} objects", left.len()),
                        "DeleteObjects",
                    ));
                }
            };
            let etag_of = |key: &str| {
                let known = left.iter().find(|(known, _)| known == key);
                known.map(|(_, etag)| etag.as_str())
            };
            let mut again = Vec::new();
            for (key, code, message) in failures {
                let place = Key {
                    bucket: bucket.to_owned(),
                    key: key.clone(),
                };
                match code.as_str() {
                    "NoSuchKey" | "NotFound" => {}
                    "NotImplemented" if conditional => {
                        self.deletes_by_etag.store(false, Ordering::Relaxed);
                        again.push(key);
                    }
                    "PreconditionFailed" => match self.head(&place).await? {
                        None => {}
                        // The service reads the condition in another way than we do.
                        Some(head) if conditional && Some(head.etag.as_str()) == etag_of(&key) => {
                            self.deletes_by_etag.store(false, Ordering::Relaxed);
                            again.push(key);
                        }
                        Some(_) => {
                            return Err(format!(
                                "{place}: another program changed it while it was moved; its copy holds what was there before, \
                                 and it was not deleted. Compare both, then resume the run"
                            ));
                        }
                    },
                    "InternalError" | "SlowDown" | "ServiceUnavailable" | "OperationAborted"
                        if begun.elapsed() < self.tuning.retry_timeout =>
                    {
                        again.push(key);
                    }
                    _ => {
                        return Err(format!(
                            "{place}: DeleteObjects: {code}: {message}. It was copied, and is still at its source: allow \
                             s3:DeleteObject, then resume the run"
                        ));
                    }
                }
            }
            if !again.is_empty() {
                rounds += 1;
                let pause = self
                    .tuning
                    .first_backoff
                    .saturating_mul(1 << std::cmp::min(rounds, 10))
                    .min(self.tuning.longest_backoff);
                tokio::time::sleep(pause).await;
            }
            left.retain(|(key, _)| again.contains(key));
        }
        Ok(())
    }

    /// Key, code and message of each object that was not deleted.
    async fn delete_request(
        &self,
        bucket: &str,
        objects: &[&(String, String)],
        conditional: bool,
    ) -> Result<Vec<(String, String, String)>, Refusal> {
        let mut delete = Delete::builder().quiet(true);
        for (key, etag) in objects {
            let identifier = ObjectIdentifier::builder()
                .key(key)
                .set_e_tag(quoted(etag).filter(|_| conditional))
                .build()
                .map_err(|error| Refusal::broken(error.to_string()))?;
            delete = delete.objects(identifier);
        }
        let delete = delete
            .build()
            .map_err(|error| Refusal::broken(error.to_string()))?;
        let output = self
            .calls
            .run("DeleteObjects", || async {
                self.client
                    .delete_objects()
                    .bucket(bucket)
                    .delete(delete.clone())
                    .customize()
                    .mutate_request(|request| {
                        // Older services know no other checksum here.
                        if let Some(body) = request.body().bytes() {
                            let md5 = content_md5(body);
                            request.headers_mut().insert("content-md5", md5);
                        }
                    })
                    .send()
                    .await
                    .map_err(Refusal::new)
            })
            .await?;
        Ok(output
            .errors()
            .iter()
            .map(|error| {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                (text(error.key()), text(error.code()), text(error.message()))
            })
            .collect())
    }
}
