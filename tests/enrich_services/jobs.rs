//! Whole jobs: many questions at a time, records of several events, slow services, and the end by the operator's wish.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use engine::event::Field;
use serde_json::json;

use crate::support::web::{Reply, WebService};
use crate::{Workplace, api, column, currency, get, javascript, post};

const RATES: &str = r#"{"disclaimer":"","license":"","timestamp":0,"base":"USD","rates":{"USD":1,"EUR":0.7185,"GBP":0.62}}"#;

/// An API that takes 100 ms for each of 640 users, seven events of each: asked one after the other, or worker by worker,
/// it would be asked for a minute, and far fewer requests would be under way.
#[test]
fn many_are_asked_at_the_same_time_and_each_question_once() {
    let slow = |request: &crate::support::web::Request| {
        let body = json!({"record": {"path": request.path}}).to_string();
        Reply::After(Duration::from_millis(100), 200, body)
    };
    let workplace = Workplace::new();
    for file in 0..7 {
        workplace.input(
            &format!("f{file}"),
            (0..640).map(|user| {
                get(&format!(
                    "uid=u{user}&aid=shop&eid=00000000-0000-4000-8000-{file:02}{user:010}"
                ))
            }),
        );
    }
    let mut outputs = Vec::new();
    for workers in [1, 2, 3] {
        let service = WebService::start(slow);
        // the address stands in the contexts only as a path
        let uri = format!("http://{}/{{{{user}}}}", service.address);
        let ran = workplace.run(
            &format!("out{workers}"),
            &[api("GET", &uri, json!({}))],
            workers,
        );
        let counts = ran.report.enrich.clone().expect("counts");
        assert_eq!((counts.good, counts.bad, counts.records), (4480, 0, 4480));
        let mut asked: HashMap<String, u32> = HashMap::new();
        for request in service.requests() {
            *asked.entry(request.path).or_default() += 1;
        }
        assert_eq!(asked.len(), 640);
        assert!(asked.values().all(|count| *count == 1), "{asked:?}");
        let most = service.most_under_way();
        assert!(
            (17..=32).contains(&most),
            "{most} requests at the same time"
        );
        let cache = counts.caches["api_request_enrichment_config"];
        assert_eq!((cache.hits, cache.misses, cache.errors), (3840, 640, 0));
        for line in &ran.good {
            let path = format!(r#""data":{{"path":"/{}"}}"#, column(line, Field::UserId));
            assert!(
                column(line, Field::DerivedContexts).contains(&path),
                "{line}"
            );
        }
        outputs.push((ran.good, counts));
    }
    assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Two services one after the other in each event, records of several events, some of them bad.
#[test]
fn records_that_wait_leave_nothing_behind() {
    let service = WebService::start(|request| match request.path.as_str() {
        path if path.starts_with("/bad") => Reply::Body(404, "none".into()),
        path => Reply::After(
            Duration::from_millis(5),
            200,
            json!({"record": path}).to_string(),
        ),
    });
    let rates = WebService::start(|_| Reply::After(Duration::from_millis(5), 200, RATES.into()));
    let mut workplace = Workplace::new();
    workplace.environment.open_exchange_rates = Some(format!("http://{}", rates.address));
    let event = |user: String, currency: &str| json!({"e": "tr", "p": "web", "tv": "t-1", "aid": "shop", "uid": user, "tr_id": "1", "tr_tt": "11", "tr_cu": currency});
    let lines = (0..200).map(|n| {
        let mut events = vec![
            event(format!("a{n}"), "GBP"),
            event(format!("b{}", n % 7), "EUR"),
            json!({"e": "pv", "p": "web", "tv": "t-1", "aid": "shop"}),
        ];
        if n % 10 == 0 {
            events.push(event(format!("bad{n}"), "RUP"));
        }
        post(&events)
    });
    let mut lines: Vec<String> = lines.collect();
    lines.insert(50, "no collector line".into());
    workplace.input("a", lines);
    let uri = format!("http://{}/{{{{user}}}}", service.address);
    let configs = [api("GET", &uri, json!({})), currency("DEVELOPER", "k")];
    let ran = workplace.run("out", &configs, 2);
    let counts = ran.report.enrich.clone().expect("counts");
    assert_eq!(
        (counts.records, counts.expanded, counts.failed_whole),
        (201, 200, 1)
    );
    assert_eq!((counts.raw_events, counts.good, counts.bad), (620, 600, 20));
    assert_eq!((ran.good.len(), ran.bad.len()), (600, 21));
    for name in [
        "api_request_enrichment_config",
        "currency_conversion_config",
    ] {
        assert_eq!(counts.failed_by_enrichment[name], 20, "{name}");
    }
    // 200 users of their own, 7 shared ones, 20 bad ones; each event with a user looks up once
    let cache = counts.caches["api_request_enrichment_config"];
    assert_eq!((cache.misses, cache.hits, cache.errors), (227, 193, 20));
    let cache = counts.caches["currency_conversion_config"];
    assert_eq!((cache.misses, cache.hits, cache.errors), (1, 419, 0));
    assert_eq!(rates.requests().len(), 1);
    let of = |user: &str| {
        let mut lines = ran.good.iter();
        lines
            .find(|line| column(line, Field::UserId) == user)
            .expect("a line")
    };
    assert_eq!(column(of("a3"), Field::TrTotalBase), "12.75");
    assert_eq!(column(of("b3"), Field::TrTotalBase), "11.00");
    assert_eq!(column(of("b3"), Field::BaseCurrency), "EUR");
    let again = workplace.run("again", &configs, 1);
    assert_eq!((again.good, again.bad), (ran.good.clone(), ran.bad.clone()));
}

/// The API answers only after the rates were asked for, which events behind those of the API need; with one worker.
#[test]
fn a_slow_service_does_not_hold_up_events_that_do_not_need_it() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (opening, waiting) = (Arc::clone(&gate), gate);
    let held_up = Arc::new(AtomicBool::new(false));
    let was_held_up = Arc::clone(&held_up);
    let service = WebService::start(move |_| {
        let (open, bell) = &*waiting;
        let open = open.lock().unwrap();
        let longest = Duration::from_secs(30);
        let (open, _) = bell
            .wait_timeout_while(open, longest, |open| !*open)
            .unwrap();
        if !*open {
            was_held_up.store(true, Ordering::SeqCst);
        }
        Reply::Body(200, r#"{"record":1}"#.into())
    });
    let rates = WebService::start(move |_| {
        *opening.0.lock().unwrap() = true;
        opening.1.notify_all();
        Reply::Body(200, RATES.into())
    });
    let mut workplace = Workplace::new();
    workplace.environment.open_exchange_rates = Some(format!("http://{}", rates.address));
    // the larger file is read first
    workplace.input(
        "a",
        (0..400).map(|user| get(&format!("uid=u{user}&aid=shop"))),
    );
    workplace.input("b", [get("ti_cu=GBP&ti_pr=1")]);
    let uri = format!("http://{}/{{{{user}}}}", service.address);
    let slow = api("GET", &uri, json!({"/api/http/timeout": 60000}));
    let ran = workplace.run("out", &[slow, currency("UNLIMITED", "k")], 1);
    assert!(
        !held_up.load(Ordering::SeqCst),
        "the event without a user waited for the API"
    );
    assert_eq!((ran.good.len(), ran.bad.len()), (401, 0));
}

/// The script puts something else into the address each time that it is run, so no answer that is there ever fits.
#[test]
fn events_whose_question_changes_all_the_time_are_enriched_too() {
    let service =
        WebService::start(|request| Reply::Body(200, json!({"record": request.path}).to_string()));
    let workplace = Workplace::new();
    let lines = (0..20).map(|user| get(&format!("uid=u{user}&aid=shop")));
    workplace.input(
        "a",
        lines.chain([post(&[
            json!({"e": "pv", "p": "web", "tv": "t-1", "aid": "shop", "uid": "x"}),
            json!({"e": "pv", "p": "web", "tv": "t-1", "aid": "shop", "uid": "y"}),
        ])]),
    );
    let uri = format!("http://{}/{{{{user}}}}", service.address);
    let script = "function process(event) { event.setUser_id('r' + Math.random() + '-' + Date.now()); return []; }";
    let ran = workplace.run("out", &[api("GET", &uri, json!({})), javascript(script)], 2);
    let counts = ran.report.enrich.clone().expect("counts");
    assert_eq!((counts.records, counts.good, counts.bad), (21, 22, 0));
    for line in &ran.good {
        let path = format!(r#""data":"/{}""#, column(line, Field::UserId));
        assert!(
            column(line, Field::DerivedContexts).contains(&path),
            "{line}"
        );
    }
    assert!(
        service.requests().len() <= 22 * 10,
        "{}",
        service.requests().len()
    );
}

#[test]
fn the_operator_can_stop_a_job_that_waits() {
    let service = WebService::start(|_| Reply::After(Duration::from_secs(50), 200, "{}".into()));
    let workplace = Workplace::new();
    workplace.input(
        "a",
        (0..10).map(|user| get(&format!("uid=u{user}&aid=shop"))),
    );
    let uri = format!("http://{}/{{{{user}}}}", service.address);
    let config = api("GET", &uri, json!({"/api/http/timeout": 60000}));
    let job = workplace.job("out", &[config], 2);
    let cancel = Arc::clone(&job.options.cancel);
    let started = Instant::now();
    let error = std::thread::scope(|scope| {
        let running = scope.spawn(|| job.run());
        while service.requests().is_empty() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        cancel.store(true, Ordering::SeqCst);
        running.join().expect("no panic").expect_err("stopped")
    });
    assert!(
        error.to_string().contains("stopped by the operator"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(!workplace.path("out/good/_SUCCESS").exists());
}

#[test]
fn rates_of_a_day_and_a_key_that_is_not_told() {
    let service = WebService::start(|request| {
        match request.path.as_str() {
        "/api/historical/2018-07-24.json?app_id=S3CRET" => Reply::Body(200, RATES.into()),
        "/api/historical/2018-07-24.json?app_id=S3CRET&base=USD" => Reply::Redirect("/api/historical/2018-07-24.json?app_id=S3CRET".into()),
        _ => Reply::Body(401, r#"{"error":true,"status":401,"message":"invalid_app_id","description":"Invalid App ID provided."}"#.into()),
    }
    });
    let mut workplace = Workplace::new();
    workplace.environment.open_exchange_rates = Some(format!("http://{}/", service.address));
    workplace.input(
        "a",
        [
            get("tr_cu=GBP&tr_tt=11&tr_tx=2.67&tr_sh=0"),
            get("ti_cu=GBP&ti_pr=10.99"),
            get("x=y"),
        ],
    );
    for account in ["DEVELOPER", "ENTERPRISE"] {
        let ran = workplace.run(account, &[currency(account, "S3CRET")], 1);
        let mut amounts: Vec<[&str; 5]> = ran
            .good
            .iter()
            .map(|line| {
                [
                    Field::BaseCurrency,
                    Field::TrTotalBase,
                    Field::TrTaxBase,
                    Field::TrShippingBase,
                    Field::TiPriceBase,
                ]
                .map(|field| column(line, field))
            })
            .collect();
        amounts.sort_unstable();
        assert_eq!(
            amounts,
            [
                ["EUR", "", "", "", ""],
                ["EUR", "", "", "", "12.74"],
                ["EUR", "12.75", "3.09", "0.00", ""]
            ]
        );
    }
    let ran = workplace.run("wrong", &[currency("DEVELOPER", "WR0NG")], 1);
    assert_eq!(
        ran.texts(),
        ["Open Exchange Rates error, type: [OtherErrors], message: [Invalid App ID provided.]"]
    );
    // three texts for the transaction, one for the item; the page view is good
    assert_eq!((ran.good.len(), ran.bad.len()), (1, 2));
    workplace.environment.open_exchange_rates = Some("http://rates.acme.invalid".into());
    let ran = workplace.run("unknown", &[currency("DEVELOPER", "S3CRET")], 1);
    assert_eq!(
        ran.texts(),
        [
            "Could not connect to Open Exchange Rates: [java.net.UnknownHostException: rates.acme.invalid]"
        ]
    );
    assert!(ran.bad.iter().all(|row| !row.contains("S3CRET")));
}
