//! Sessions, caches and concurrency, with services that answer without a network.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::super::tests::raw_event;
use super::*;

/// Answers `question!` after a while.
struct Echo {
    delay: Duration,
    keeps: bool,
    asked: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

#[derive(Default, Clone)]
struct Seen {
    asked: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Seen {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

impl Ask<String> for Echo {
    fn ask(&self, question: String) -> BoxFuture<'static, Answer<String>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (delay, keep) = (self.delay, self.keeps);
        let (at_once, most) = (Arc::clone(&self.at_once), Arc::clone(&self.most_at_once));
        async move {
            assert!(question != "panic", "on purpose");
            most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(delay).await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            Answer {
                value: format!("{question}!"),
                keep,
            }
        }
        .boxed()
    }

    fn is_error(&self, value: &String) -> bool {
        value.starts_with("error")
    }
}

fn service(size: usize, concurrency: usize, keeps: bool, delay_ms: u64) -> (Service<String>, Seen) {
    let seen = Seen::default();
    let echo = Echo {
        delay: Duration::from_millis(delay_ms),
        keeps,
        asked: Arc::clone(&seen.asked),
        at_once: Arc::default(),
        most_at_once: Arc::clone(&seen.most_at_once),
    };
    let settings = CacheSettings { size, ttl: None };
    (Service::new(settings, concurrency, Box::new(echo)), seen)
}

/// A look-up of an event with this session.
fn look_up(
    service: &Service<String>,
    session: Option<&Session>,
    question: &str,
) -> Result<String, Interrupt> {
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    draft.session = session;
    service.look_up(&draft, question)
}

fn counts(service: &Service<String>) -> (u64, u64, u64) {
    let CacheStatistics {
        hits,
        misses,
        errors,
    } = service.statistics();
    (hits, misses, errors)
}

#[test]
fn without_a_session_the_service_is_asked_on_the_spot() {
    let (service, seen) = service(10, 4, true, 1);
    assert_eq!(look_up(&service, None, "a"), Ok("a!".to_owned()));
    assert_eq!(look_up(&service, None, "a"), Ok("a!".to_owned()));
    assert_eq!(look_up(&service, None, "error"), Ok("error!".to_owned()));
    assert_eq!(seen.asked(), 2);
    assert_eq!(counts(&service), (1, 2, 1));
}

#[test]
fn with_a_session_questions_are_noted_and_asked_together() {
    let (service, seen) = service(10, 4, true, 20);
    let session = Session::default();
    assert!(!session.has_questions());
    for question in ["a", "b", "a", "c"] {
        let found = look_up(&service, Some(&session), question);
        assert_eq!(found, Err(Interrupt::Pending));
        session.settle(false);
    }
    assert!(session.has_questions());
    assert_eq!(seen.asked(), 0);
    session.ask_all().unwrap();
    assert!(!session.has_questions());
    assert_eq!((seen.asked(), seen.most_at_once()), (3, 3));
    for question in ["a", "b", "a", "c"] {
        let found = look_up(&service, Some(&session), question);
        assert_eq!(found, Ok(format!("{question}!")));
        session.settle(true);
    }
    assert_eq!(counts(&service), (1, 3, 0));
    // another chunk finds them in the cache
    assert!(look_up(&service, Some(&Session::default()), "b").is_ok());
}

#[test]
fn answers_that_no_cache_keeps_stay_until_the_chunk_ends() {
    for (size, keeps) in [(0, true), (10, false)] {
        let (service, seen) = service(size, 4, keeps, 1);
        let mut session = Session::default();
        assert_eq!(
            look_up(&service, Some(&session), "a"),
            Err(Interrupt::Pending)
        );
        session.ask_all().unwrap();
        for _ in 0..3 {
            assert_eq!(look_up(&service, Some(&session), "a"), Ok("a!".to_owned()));
        }
        assert_eq!(seen.asked(), 1);
        session.clear();
        assert_eq!(
            look_up(&service, Some(&session), "a"),
            Err(Interrupt::Pending)
        );
    }
}

#[test]
fn an_evicted_answer_does_not_stop_the_progress() {
    let (service, seen) = service(1, 8, true, 1);
    let session = Session::default();
    let questions: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for question in &questions {
        assert!(look_up(&service, Some(&session), question).is_err());
    }
    session.ask_all().unwrap();
    for question in &questions {
        assert!(look_up(&service, Some(&session), question).is_ok());
    }
    assert_eq!(seen.asked(), 50);
}

#[test]
fn no_more_questions_at_a_time_than_allowed() {
    let (service, seen) = service(100, 3, true, 5);
    let session = Session::default();
    for number in 0..30 {
        assert!(look_up(&service, Some(&session), &number.to_string()).is_err());
    }
    session.ask_all().unwrap();
    assert_eq!((seen.asked(), seen.most_at_once()), (30, 3));
}

#[test]
fn workers_that_ask_the_same_at_once_ask_once() {
    let (service, seen) = service(0, 8, false, 100);
    let sessions: Vec<Session> = (0..4).map(|_| Session::default()).collect();
    for session in &sessions {
        assert!(look_up(&service, Some(session), "same").is_err());
    }
    let mut in_flight: Vec<InFlight> = sessions.iter().map(|s| s.start().unwrap()).collect();
    for asking in &mut in_flight {
        assert!(asking.wait(Duration::from_secs(10)).unwrap());
    }
    for session in &sessions {
        assert_eq!(
            look_up(&service, Some(session), "same"),
            Ok("same!".to_owned())
        );
        session.settle(true);
    }
    assert_eq!(seen.asked(), 1);
    assert_eq!(counts(&service), (3, 1, 0));
    // and when it is answered and not kept, it is asked again
    assert!(look_up(&service, None, "same").is_ok());
    assert_eq!(seen.asked(), 2);
}

#[test]
fn the_worker_goes_on_while_questions_are_asked() {
    let (service, _) = service(10, 4, true, 150);
    let session = Session::default();
    assert!(look_up(&service, Some(&session), "a").is_err());
    let started = Instant::now();
    let mut asking = session.start().unwrap();
    assert!(!asking.is_done().unwrap());
    assert!(!asking.wait(Duration::from_millis(5)).unwrap());
    assert!(started.elapsed() < Duration::from_millis(140));
    // a question of the next round does not wait for those of the first
    assert!(look_up(&service, Some(&session), "b").is_err());
    assert!(session.has_questions());
    while !asking.wait(Duration::from_millis(50)).unwrap() {}
    assert!(asking.is_done().unwrap());
    assert!(look_up(&service, Some(&session), "a").is_ok());
}

#[test]
fn questions_that_nobody_waits_for_are_given_up() {
    let (service, seen) = service(10, 1, true, 60_000);
    let session = Session::default();
    assert!(look_up(&service, Some(&session), "slow").is_err());
    let asking = session.start().unwrap();
    while seen.asked() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(asking);
    // its place is free again, and it is no longer in flight
    while !service.inner.lock().is_empty() || service.inner.permits.available_permits() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_panic_is_an_error_not_a_hang() {
    let (service, _) = service(10, 4, true, 1);
    let session = Session::default();
    assert!(look_up(&service, Some(&session), "panic").is_err());
    let error = session.ask_all().unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Internal);
    let found = look_up(&service, None, "panic");
    assert!(matches!(found, Err(Interrupt::Unexpected(_))), "{found:?}");
    assert_eq!(look_up(&service, None, "a"), Ok("a!".to_owned()));
}

#[test]
fn one_answer_may_stand_for_several_questions() {
    let (service, seen) = service(10, 4, true, 1);
    let raw = raw_event(&[]);
    let draft = Draft::new(&raw);
    assert_eq!(
        service.look_up_as(&draft, "day", "1.5"),
        Ok("1.5!".to_owned())
    );
    assert_eq!(
        service.look_up_as(&draft, "day", "1.6"),
        Ok("1.5!".to_owned())
    );
    assert_eq!(seen.asked(), 1);
}
