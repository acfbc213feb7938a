//! The enrichments that ask services, against services on loopback in other processes: what a cached answer costs an event, and
//! what one question costs this process without the service.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use engine::enrichment::Environment;
use engine::enrichment::failures::Interrupt;
use engine::enrichment::lookup::Session;
use engine::enrichment::registry::Enrichment;
use serde_json::json;

use super::configured::Configured;
use super::sql_servers::{self, DATABASE, PASSWORD, Server, USER};
use super::traffic::Traffic;
use super::web::{Reply, WebService};

/// An enrichment with the service that it asks.
pub struct Asking {
    pub configured: Configured,
    /// Whether questions differ by the day, of which all events have one.
    pub by_day: bool,
    _service: Running,
}

/// Ends with the value.
enum Running {
    Web(Process),
    Sql(Server),
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // the end of its input ends it
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// All of them; a database that is not installed is skipped, loudly.
pub fn all(wanted: impl Fn(&str) -> bool) -> Vec<Asking> {
    let mut all = Vec::new();
    let mut add =
        |name: &'static str, kind: &str, parameters: &dyn Fn(&str) -> serde_json::Value| {
            let title = name
                .trim_end_matches("_config")
                .trim_end_matches("_enrichment");
            if !wanted(title) {
                return;
            }
            let (process, address) = start(kind);
            let environment = Environment {
                open_exchange_rates: Some(format!("http://{address}")),
                ..Environment::default()
            };
            all.push(Asking {
                configured: Configured::new(title, name, parameters(&address), &environment),
                by_day: kind == "rates",
                _service: Running::Web(process),
            });
        };
    add(
        "currency_conversion_config",
        "rates",
        &|_| json!({"accountType": "DEVELOPER", "apiKey": "key", "baseCurrency": "USD", "rateAt": "EOD_PRIOR"}),
    );
    add(
        "weather_enrichment_config",
        "weather",
        &|address| json!({"apiKey": "key", "cacheSize": 100_000, "geoPrecision": 1, "apiHost": address, "timeout": 5}),
    );
    add("api_request_enrichment_config", "api", &|address| {
        json!({
            "inputs": [{"key": "ip", "pojo": {"field": "user_ipaddress"}}, {"key": "app", "pojo": {"field": "app_id"}}],
            "api": {"http": {"method": "GET", "uri": format!("http://{address}/{{{{app}}}}/{{{{ip}}}}"), "timeout": 5000, "authentication": {}}},
            "outputs": [{"schema": "iglu:com.acme/company/jsonschema/1-0-0", "json": {"jsonPath": "$.record"}}],
            "cache": {"size": 100_000, "ttl": 3600},
        })
    });
    if wanted("sql_query")
        && let Some(server) = database()
    {
        let parameters = json!({
            "inputs": [{"placeholder": 1, "pojo": {"field": "user_ipaddress"}}, {"placeholder": 2, "pojo": {"field": "app_id"}}],
            "database": {"postgresql": {"host": "127.0.0.1", "port": server.port, "sslMode": false,
                "username": USER, "password": PASSWORD, "database": DATABASE}},
            "query": {"sql": "SELECT ? AS address, ? AS application, 'ACME' AS company, 250 AS employees"},
            "output": {"expectedRows": "AT_MOST_ONE", "json": {"schema": "iglu:com.acme/company/jsonschema/1-0-0",
                "describes": "ALL_ROWS", "propertyNames": "AS_IS"}},
            "cache": {"size": 100_000, "ttl": 3600},
        });
        all.push(Asking {
            configured: Configured::new(
                "sql_query",
                "sql_query_enrichment_config",
                parameters,
                &Environment::default(),
            ),
            by_day: false,
            _service: Running::Sql(server),
        });
    }
    all
}

fn database() -> Option<Server> {
    let server = sql_servers::postgres()?;
    sql_servers::execute(
        server.port,
        "postgres",
        &[
            format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'"),
            format!("CREATE DATABASE {DATABASE} OWNER {USER}"),
        ],
    );
    Some(server)
}

/// This program once more, as a service; and its address.
fn start(kind: &str) -> (Process, String) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(["--serve", kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a service");
    let mut address = String::new();
    let output = child.stdout.take().expect("an output");
    BufReader::new(output)
        .read_line(&mut address)
        .expect("an address");
    let input = child.stdin.take();
    (Process { child, input }, address.trim().to_owned())
}

/// Answers until the input ends.
pub fn serve(kind: &str) {
    let answer: Box<dyn Fn(&str) -> String + Send + Sync> = match kind {
        "rates" => {
            let codes = ["EUR", "GBP", "CHF", "JPY", "SEK", "DKK", "PLN", "CZK"];
            let mut rates: Vec<(String, f64)> = (0..157)
                .map(|number: u32| {
                    (
                        format!("X{:02}", number % 100),
                        f64::from(number) * 1.37 + 0.1,
                    )
                })
                .collect();
            rates.extend(codes.iter().map(|code| ((*code).to_owned(), 0.853_417)));
            let rates: Vec<String> = rates
                .iter()
                .map(|(code, rate)| format!("\"{code}\":{rate}"))
                .collect();
            let body = format!(
                r#"{{"disclaimer":"made up","license":"none","timestamp":1532390400,"base":"USD","rates":{{"USD":1,{}}}}}"#,
                rates.join(",")
            );
            Box::new(move |_| body.clone())
        }
        "weather" => Box::new(weather),
        _ => Box::new(|path| {
            json!({"record": {"path": path, "name": "ACME Corporation", "employees": 250, "industry": "mountaineering",
                "address": {"city": "Breno", "country": "IT"}, "tags": ["customer", "newsletter"]}})
            .to_string()
        }),
    };
    let service = WebService::start(move |request| Reply::Body(200, answer(&request.path)));
    let mut output = std::io::stdout();
    writeln!(output, "{}", service.address)
        .and_then(|()| output.flush())
        .expect("an output");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// A day of 24 hours.
fn weather(path: &str) -> String {
    let number = |name: &str| {
        let (_, behind) = path.split_once(name)?;
        behind.split('&').next()?.parse::<i64>().ok()
    };
    let start = number("start=").unwrap_or_default();
    let hours: Vec<_> = (0..24)
        .map(|hour| {
            json!({"main": {"temp": 290.15, "pressure": 1013, "humidity": 60, "temp_min": 285.3, "temp_max": 294.8},
                "wind": {"speed": 3.6, "deg": 200}, "clouds": {"all": 75},
                "weather": [{"id": 803, "main": "Clouds", "description": "broken clouds", "icon": "04d"}],
                "dt": start + hour * 3600})
        })
        .collect();
    json!({"message": "", "cod": "200", "city_id": 1, "calctime": 0.01, "cnt": 24, "list": hours})
        .to_string()
}

/// What questions cost.
pub struct Asked {
    pub questions: u64,
    /// Processor microseconds of this process for each question, threads of the client included.
    pub micros: f64,
}

/// Asks all questions of the traffic that have no answer yet.
pub fn ask(enrichment: &dyn Enrichment, traffic: &Traffic, by_day: bool) -> Asked {
    // the database is asked about its statement before all other questions
    let (mut questions, mut spent) = (0, 0.0);
    loop {
        let session = Session::default();
        let before_all = misses(enrichment);
        for index in 0..traffic.len() {
            let mut draft = traffic.draft(index);
            draft.session = Some(&session);
            if by_day {
                draft.times.collector = Some((FIRST_DAY + index as i64 % DAYS) * 86_400_000);
            }
            // the answer comes later
            let _ = enrichment.apply(&mut draft);
        }
        if !session.has_questions() {
            break;
        }
        let before = processor_seconds();
        session.ask_all().expect("answers");
        let after = processor_seconds();
        let asked = misses(enrichment) - before_all;
        if asked > 1 {
            questions += asked;
            spent += after - before;
        }
    }
    Asked {
        questions,
        micros: spent * 1e6 / questions.max(1) as f64,
    }
}

/// 2000-02-13, in days since the epoch, and so many days whose rates may be asked for.
const FIRST_DAY: i64 = 11_000;
const DAYS: i64 = 6_000;

fn misses(enrichment: &dyn Enrichment) -> u64 {
    enrichment.cache().map_or(0, |cache| cache.misses)
}

/// Whether an event waits for an answer.
pub fn is_pending(result: Result<(), Interrupt>) -> bool {
    matches!(result, Err(Interrupt::Pending))
}

/// User and system time of this process, without its children.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // behind the name, which may hold blanks
    let fields = stat.rsplit(')').next().expect("fields");
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    ticks.iter().sum::<f64>() / 100.0
}
