//! The operator's lock as a key in Consul.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use runner::backoff::Backoff;
use runner::failure::Failure;
use runner::lock::{LockOwner, LockPlace, LockSettings, OperatorLock};

use super::consul::{ConsulStub, Fault};
use super::support::free_port;
use super::{short_timeouts, short_waits};

const KEY: &str = "acme/snowplow/lock";

fn settings() -> LockSettings {
    LockSettings {
        backoff: short_waits(),
        timeouts: short_timeouts(),
        consul_token: None,
    }
}

fn take(consul: &ConsulStub, ignore: bool) -> Result<OperatorLock, Failure> {
    let place = LockPlace::Consul {
        url: consul.http.url(),
        key: KEY.into(),
    };
    let owner = LockOwner::this_process(Some("2018-07-24-10-00-00"), Some("camonica run"));
    OperatorLock::take_as(place, ignore, owner, settings())
}

#[test]
fn a_key_is_held_until_released() {
    let consul = ConsulStub::start();
    let lock = take(&consul, false).unwrap();
    let value = consul.get(KEY).unwrap();
    let pid = std::process::id().to_string();
    assert_eq!(
        value.lines().next(),
        Some(pid.as_str()),
        "old tools read the first line"
    );
    assert!(
        value.contains("\nrun 2018-07-24-10-00-00\ncommand camonica run\n"),
        "{value}"
    );
    let refused = take(&consul, false).unwrap_err();
    assert_eq!(refused.exit_code(), 17);
    let text = refused.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("Lock already held at {KEY}"));
    assert!(
        lines[1].starts_with(&format!("held by process {pid} on host ")),
        "{text}"
    );
    lock.release().unwrap();
    assert_eq!(consul.get(KEY), None);
    take(&consul, false).unwrap().release().unwrap();
    let put = &consul.http.received()[1];
    assert_eq!((put.method.as_str(), put.query.as_str()), ("PUT", "cas=0"));
}

#[test]
fn a_lock_of_the_reference_is_told_with_the_way_to_remove_it() {
    let consul = ConsulStub::start();
    consul.set(KEY, "4711");
    let text = take(&consul, false).unwrap_err().to_string();
    assert!(
        text.starts_with(&format!(
            "Lock already held at {KEY}\nheld by process 4711 "
        )),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("curl -X DELETE {}/v1/kv/{KEY}", consul.http.url())),
        "{text}"
    );
    // a key without a value is free
    consul.set(KEY, "");
    take(&consul, false).unwrap().release().unwrap();
    assert_eq!(consul.get(KEY), None);
}

#[test]
fn of_eight_threads_exactly_one_wins() {
    for round in 0..10 {
        let consul = ConsulStub::start();
        if round % 2 == 1 {
            consul.set(KEY, "");
        }
        let gate = Barrier::new(8);
        let locks: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        gate.wait();
                        take(&consul, false)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = locks.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(
            lost.into_iter()
                .all(|lost| lost.unwrap_err().exit_code() == 17)
        );
        for lock in won {
            lock.unwrap().release().unwrap();
        }
        assert_eq!(consul.get(KEY), None);
    }
}

#[test]
fn outages_are_waited_out() {
    let consul = ConsulStub::start();
    consul.fail(&[
        Fault::Status(500),
        Fault::CutBefore,
        Fault::None,
        Fault::Status(503),
        Fault::None,
        Fault::CutBefore,
    ]);
    let lock = take(&consul, false).unwrap();
    assert!(consul.get(KEY).is_some());
    consul.fail(&[Fault::Status(500), Fault::None, Fault::CutBefore]);
    lock.release().unwrap();
    assert_eq!(consul.get(KEY), None);
}

#[test]
fn a_write_whose_answer_was_lost_is_known_again() {
    let consul = ConsulStub::start();
    consul.fail(&[Fault::None, Fault::CutAfter]);
    let lock = take(&consul, false).unwrap();
    let requests = consul.http.received();
    let methods: Vec<&str> = requests
        .iter()
        .map(|request| request.method.as_str())
        .collect();
    assert_eq!(methods, ["GET", "PUT", "GET"], "it is not written again");
    // and so is a deletion
    consul.fail(&[Fault::None, Fault::CutAfter]);
    lock.release().unwrap();
    assert_eq!(consul.get(KEY), None);
}

#[test]
fn an_ignored_lock_is_not_looked_at_and_removed_at_the_end() {
    let consul = ConsulStub::start();
    consul.set(KEY, "4711");
    let lock = take(&consul, true).unwrap();
    assert!(consul.http.received().is_empty());
    assert_eq!(consul.get(KEY).as_deref(), Some("4711"));
    lock.release().unwrap();
    assert_eq!(consul.get(KEY), None);
    // nothing to remove is no failure
    take(&consul, true).unwrap().release().unwrap();
}

#[test]
fn a_lock_that_became_another_runs_stays() {
    let consul = ConsulStub::start();
    let lock = take(&consul, false).unwrap();
    consul.remove(KEY);
    consul.set(KEY, "4711");
    lock.release().unwrap();
    assert_eq!(consul.get(KEY).as_deref(), Some("4711"));
    consul.remove(KEY);
    let lock = take(&consul, false).unwrap();
    consul.remove(KEY);
    lock.release().unwrap();
}

#[test]
fn a_consul_that_does_not_answer_or_refuses_is_a_failure_and_no_lock() {
    let place = LockPlace::Consul {
        url: format!("http://127.0.0.1:{}", free_port()),
        key: KEY.into(),
    };
    let hurried = LockSettings {
        backoff: Backoff {
            total: Duration::from_millis(100),
            ..short_waits()
        },
        ..settings()
    };
    let begun = Instant::now();
    let owner = LockOwner::this_process(None, None);
    let refused = OperatorLock::take_as(place, false, owner, hurried).unwrap_err();
    assert_eq!(refused.exit_code(), 1);
    assert!(refused.to_string().contains("given up after"), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(10));

    let consul = ConsulStub::start();
    consul.fail(&[Fault::Status(403)]);
    let refused = take(&consul, false).unwrap_err();
    assert_eq!(refused.exit_code(), 1);
    assert!(
        refused.to_string().contains("CONSUL_HTTP_TOKEN"),
        "{refused}"
    );
}

#[test]
fn the_token_goes_with_every_request() {
    let consul = ConsulStub::start();
    let place = LockPlace::Consul {
        url: consul.http.url(),
        key: KEY.into(),
    };
    let with_token = LockSettings {
        consul_token: Some("secret".into()),
        ..settings()
    };
    assert!(!format!("{with_token:?}").contains("secret"));
    let owner = LockOwner::this_process(None, None);
    let lock = OperatorLock::take_as(&place, false, owner, with_token).unwrap();
    lock.release().unwrap();
    let requests = consul.http.received();
    assert_eq!(requests.len(), 4);
    assert!(
        requests
            .iter()
            .all(|request| request.headers["x-consul-token"] == "secret")
    );
    assert!(
        !requests
            .iter()
            .any(|request| request.query.contains("secret"))
    );
}
