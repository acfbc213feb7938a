//! A worker's contact to its driver, and what breaks it.
//!
//! A worker polls: it tells how tasks ended, and is given others. When a poll fails, nobody knows what of it has arrived:
//! Ballista does not tell again how those tasks ended, and the driver believes for ever that those which it gave away with a
//! lost answer are being done, since the worker goes on to poll. So a worker whose contact was broken begins anew under
//! another name: the old one is not heard of any more, and the driver has its tasks done again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Future;
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Channel;
use tower::Service;

/// What one life of a worker knows of its contact.
#[derive(Debug, Clone, Default)]
pub(super) struct Contact {
    had: Arc<AtomicBool>,
    broken: Arc<Notify>,
}

impl Contact {
    /// A channel whose calls are watched.
    pub(super) fn watch(&self, channel: Channel) -> Watched {
        Watched {
            channel,
            contact: self.clone(),
        }
    }

    /// Waits until a call fails after one that did not.
    pub(super) async fn broken(&self) {
        self.broken.notified().await;
    }

    fn note(&self, is_good: bool) {
        if is_good {
            self.had.store(true, Ordering::Relaxed);
        } else if self.had.load(Ordering::Relaxed) {
            self.broken.notify_one();
        }
    }
}

/// A channel whose calls are watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    channel: Channel,
    contact: Contact,
}

/// Whether an answer says that the call failed: gRPC's status is in the header then.
fn is_failure<B>(answer: &Response<B>) -> bool {
    let status = answer.headers().get("grpc-status");
    status.is_some_and(|status| status != "0") || !answer.status().is_success()
}

impl Service<Request<Body>> for Watched {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.channel.poll_ready(context);
        if let Poll::Ready(Err(_)) = &ready {
            self.contact.note(false);
        }
        ready
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.channel.call(request);
        let contact = self.contact.clone();
        Box::pin(async move {
            let answer = answer.await;
            contact.note(answer.as_ref().is_ok_and(|answer| !is_failure(answer)));
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn contact_breaks_only_if_there_was_some() {
        let contact = Contact::default();
        let is_broken = async || {
            let wait = std::time::Duration::from_millis(20);
            tokio::time::timeout(wait, contact.broken()).await.is_ok()
        };
        contact.note(false);
        assert!(!is_broken().await);
        contact.note(true);
        assert!(!is_broken().await);
        contact.note(false);
        assert!(is_broken().await);
    }

    #[test]
    fn failures_are_seen() {
        let answer = |status: Option<&str>, code: u16| {
            let mut answer = Response::builder().status(code);
            if let Some(status) = status {
                answer = answer.header("grpc-status", status);
            }
            is_failure(&answer.body(()).unwrap())
        };
        assert!(!answer(None, 200) && !answer(Some("0"), 200));
        assert!(answer(Some("13"), 200) && answer(None, 502));
    }
}
