//! What each of the sixteen configurable enrichments costs an event, and the usual set together: a table of nanoseconds an event,
//! and of shares of the time that a whole event takes with the usual set.
//!
//! The traffic is that of the generator: user agents and addresses follow Zipf's law. Each enrichment meets the events as the
//! steps before it leave them, in their order; making them ready is outside of the clock. Events are timed in batches, several
//! rounds, and of each batch the fastest round counts: the work is the same in all of them, what others do on the machine is
//! not. `new` is a round from empty caches, `warm` the same events once more.
//!
//! `cargo bench -p camonica-engine --bench enrichments -- [--events N] [--rounds N] [words of titles]`
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "without data there is nothing to measure; the table is the output"
)]

mod support;
#[path = "enrichments/configured.rs"]
mod configured;
#[path = "enrichments/services.rs"]
mod services;
#[path = "enrichments/traffic.rs"]
mod traffic;
#[path = "../tests/support/sql_servers.rs"]
mod sql_servers;
#[path = "../tests/support/web.rs"]
mod web;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use configured::{Shared, files_in, usual_document};
use engine::collector::CollectorFormat;
use engine::enrichment::Enricher;
use engine::enrichment::lookup::Session;
use engine::enrichment::registry::Enrichment;
use engine::iglu::Resolver;
use engine::job::record::{RecordKernel, RecordOutput, RecordPlace};
use engine::text::ids::RunKey;
use traffic::Traffic;

/// Events of a batch: short enough to be undisturbed now and then.
const BATCH: usize = 250;

struct Options {
    events: usize,
    rounds: usize,
    words: Vec<String>,
}

fn main() {
    let mut options = Options {
        events: 30_000,
        rounds: 5,
        words: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--serve" => return services::serve(&arguments.next().unwrap_or_default()),
            "--events" => options.events = number().expect("a number of events"),
            "--rounds" => options.rounds = number().expect("a number of rounds"),
            // cargo's own
            "--bench" | "--test" => {}
            _ => options.words.push(argument),
        }
    }
    run(&options);
}

fn run(options: &Options) {
    let wanted = |title: &str| {
        options.words.is_empty() || options.words.iter().any(|word| title.contains(word))
    };
    let files = tempfile::tempdir().expect("a folder");
    fixtures::databases::write(files.path()).expect("look-up files");
    let shared = Shared::find();
    let resolver = Arc::new(support::resolver());
    let traffic = Traffic::new(options.events, &resolver);
    let variety = traffic.variety();
    println!(
        "{} events, {:.1} MB as CloudFront lines; {} user agents, {} addresses; fastest of {} rounds by batches of {BATCH}\n",
        traffic.len(),
        traffic
            .lines
            .iter()
            .map(|line| line.len() + 1)
            .sum::<usize>() as f64
            / 1e6,
        variety.agents,
        variety.addresses,
        options.rounds,
    );

    let environment = files_in(files.path());
    let document = usual_document();
    let whole = |document: Option<&str>| {
        let build = || traffic::enricher(&resolver, document, &environment);
        measure_lines(&traffic, &resolver, options.rounds, build)
    };
    let without = whole(None);
    let with = whole(Some(&document));
    println!(
        "| a whole event, from CloudFront line to enriched line | ns/event, new | warm | MB/s |"
    );
    println!("| --- | --- | --- | --- |");
    let bytes = traffic
        .lines
        .iter()
        .map(|line| line.len() + 1)
        .sum::<usize>() as f64;
    for (title, cost) in [
        ("no configurable enrichment", without),
        ("the usual set", with),
    ] {
        let rate = bytes / traffic.len() as f64 / cost.new * 1e3;
        println!(
            "| {title} | {:.0} | {:.0} | {rate:.1} |",
            cost.new, cost.warm
        );
    }
    println!(
        "| the set's part | {:.0} | {:.0} | throughput {:.0} % |\n",
        with.new - without.new,
        with.warm - without.warm,
        100.0 * without.new / with.new
    );

    println!(
        "| enrichment | ns/event, new | warm | share of a whole event with the usual set | a question, µs |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let row = |title: &str, cost: Cost, question: &str| {
        let new = if cost.new.is_finite() {
            format!("{:.0}", cost.new)
        } else {
            "-".to_owned()
        };
        let share = if cost.new.is_finite() {
            cost.new
        } else {
            cost.warm
        } / with.new
            * 100.0;
        println!(
            "| {title} | {new} | {:.0} | {share:.1} % | {question} |",
            cost.warm
        );
    };
    for configured in configured::local(files.path(), shared.as_ref()) {
        if wanted(&configured.title) {
            let cost = measure(&traffic, options.rounds, || configured.build());
            row(&configured.title, cost, "");
        }
    }
    for asking in services::all(wanted) {
        let enrichment = asking.configured.build();
        let mut asked = services::ask(&*enrichment, &traffic, asking.by_day);
        if asking.by_day {
            services::ask(&*enrichment, &traffic, false);
        }
        let mut warm = Times::new(&traffic);
        for _ in 0..options.rounds {
            let pending = warm.round(&traffic, &*enrichment);
            assert_eq!(
                pending, 0,
                "{}: all answers are there",
                asking.configured.title
            );
        }
        let cost = Cost {
            new: f64::NAN,
            warm: warm.per_event(),
        };
        asked.micros = (asked.micros * 10.0).round() / 10.0;
        let question = format!("{} ({} asked)", asked.micros, asked.questions);
        row(
            &format!("{}, cached answers", asking.configured.title),
            cost,
            &question,
        );
    }
    println!("\n{}", load());
}

/// Nanoseconds an event.
#[derive(Clone, Copy)]
struct Cost {
    new: f64,
    warm: f64,
}

/// The fastest time of each batch.
struct Times {
    best: Vec<Duration>,
    events: usize,
}

impl Times {
    fn new(traffic: &Traffic) -> Self {
        Self {
            best: vec![Duration::MAX; traffic.len().div_ceil(BATCH)],
            events: traffic.len(),
        }
    }

    fn keep(&mut self, batch: usize, took: Duration) {
        self.best[batch] = self.best[batch].min(took);
    }

    fn per_event(&self) -> f64 {
        let sum: Duration = self.best.iter().sum();
        sum.as_nanos() as f64 / self.events as f64
    }

    /// Applies an enrichment to all events; how many of them wait for an answer.
    fn round(&mut self, traffic: &Traffic, enrichment: &dyn Enrichment) -> usize {
        let mut pending = 0;
        for (batch, first) in (0..traffic.len()).step_by(BATCH).enumerate() {
            let session = Session::default();
            let end = traffic.len().min(first + BATCH);
            let mut drafts: Vec<_> = (first..end).map(|index| traffic.draft(index)).collect();
            for draft in &mut drafts {
                draft.session = Some(&session);
            }
            let start = Instant::now();
            for draft in &mut drafts {
                pending += usize::from(services::is_pending(black_box(enrichment.apply(draft))));
            }
            self.keep(batch, start.elapsed());
            for draft in drafts {
                assert!(draft.failures.is_empty(), "{:?}", draft.failures);
            }
        }
        pending
    }
}

fn measure(traffic: &Traffic, rounds: usize, build: impl Fn() -> Box<dyn Enrichment>) -> Cost {
    let (mut new, mut warm) = (Times::new(traffic), Times::new(traffic));
    for _ in 0..rounds {
        let enrichment = build();
        new.round(traffic, &*enrichment);
        warm.round(traffic, &*enrichment);
    }
    Cost {
        new: new.per_event(),
        warm: warm.per_event(),
    }
}

fn measure_lines(
    traffic: &Traffic,
    resolver: &Resolver,
    rounds: usize,
    build: impl Fn() -> Enricher,
) -> Cost {
    let format = CollectorFormat::parse("cloudfront").expect("a format");
    let mut out = RecordOutput::default();
    let mut all = |enricher: &Enricher, times: &mut Times| {
        let kernel = RecordKernel {
            format: &format,
            resolver,
            enricher,
            run: RunKey::new("bench"),
            failure_tstamp: "2018-07-25T00:00:00.000Z",
            separates_errors: false,
            pii_events_at: None,
        };
        for (batch, lines) in traffic.lines.chunks(BATCH).enumerate() {
            out.good.clear();
            out.event_ids.clear();
            let start = Instant::now();
            for (index, line) in lines.iter().enumerate() {
                let place = RecordPlace {
                    object: "log",
                    offset: (batch * BATCH + index) as u64,
                    index: 0,
                };
                kernel.enrich(line.as_bytes(), place, &mut out);
            }
            times.keep(batch, start.elapsed());
        }
        assert_eq!(out.bad_rows, 0);
        black_box(out.good.len());
    };
    let (mut new, mut warm) = (Times::new(traffic), Times::new(traffic));
    for _ in 0..rounds {
        let enricher = build();
        all(&enricher, &mut new);
        all(&enricher, &mut warm);
    }
    Cost {
        new: new.per_event(),
        warm: warm.per_event(),
    }
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load average {}", load.trim())
}
