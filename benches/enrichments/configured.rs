//! The sixteen enrichments as the table has them: their configurations, and the folders that their files come from.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use engine::enrichment::Environment;
use engine::enrichment::config::EnrichmentConfig;
use engine::enrichment::registry::{Enrichment, KNOWN};
use engine::iglu::SchemaKey;
use engine::json;
use serde_json::json;

/// One row: an enrichment with a configuration.
pub struct Configured {
    /// What the table calls it.
    pub title: String,
    name: &'static str,
    parameters: serde_json::Value,
    environment: Environment,
}

impl Configured {
    pub fn new(
        title: &str,
        name: &'static str,
        parameters: serde_json::Value,
        environment: &Environment,
    ) -> Self {
        Self {
            title: title.to_owned(),
            name,
            parameters,
            environment: environment.clone(),
        }
    }

    /// A new enrichment, whose caches are empty.
    pub fn build(&self) -> Box<dyn Enrichment> {
        let data =
            json!({"enabled": true, "emitEvent": false, "parameters": self.parameters}).to_string();
        let data = json::parse(&data).expect("JSON").expect("a value");
        let config = EnrichmentConfig {
            name: self.name.to_owned(),
            schema: SchemaKey::parse("iglu:com.example/config/jsonschema/1-0-0").expect("a key"),
            data: data.into_owned(),
        };
        let known = KNOWN.iter().find(|known| known.name == self.name);
        let build = known.and_then(|known| known.build).expect("an enrichment");
        build(&config, &self.environment).expect("a configuration")
    }
}

/// An environment whose look-up files are in a folder.
pub fn files_in(folder: &Path) -> Environment {
    let mut environment = Environment::default();
    environment.databases.folder = Some(folder.to_owned());
    environment
}

/// The enrichments that nearly everybody has: name, version of the schema, parameters.
pub fn usual_set() -> Vec<(&'static str, &'static str, serde_json::Value)> {
    let fields = json!({"mktMedium": ["utm_medium", "medium"], "mktSource": ["utm_source", "source"],
        "mktTerm": ["utm_term", "legacy_term"], "mktContent": ["utm_content"],
        "mktCampaign": ["utm_campaign", "cid", "legacy_campaign"]});
    vec![
        ("ip_lookups", "2-0-0", geo()),
        ("anon_ip", "1-0-0", json!({"anonOctets": 2})),
        ("user_agent_utils_config", "1-0-0", json!(null)),
        ("ua_parser_config", "1-0-0", json!(null)),
        (
            "referer_parser",
            "1-0-0",
            json!({"internalDomains": ["shop.camonica.example", "www.camonica.example"]}),
        ),
        (
            "campaign_attribution",
            "1-0-1",
            json!({"mapping": "static", "fields": fields}),
        ),
        (
            "event_fingerprint_config",
            "1-0-0",
            json!({"hashAlgorithm": "MD5", "excludeParameters": ["cv", "eid", "nuid", "stm"]}),
        ),
    ]
}

/// The document of the usual set, as the job gets it.
pub fn usual_document() -> String {
    const VENDOR: &str = "com.snowplowanalytics.snowplow";
    let elements = usual_set().into_iter().map(|(name, version, parameters)| {
        let mut data = json!({"vendor": VENDOR, "name": name, "enabled": true});
        if !parameters.is_null() {
            data["parameters"] = parameters;
        }
        json!({"schema": format!("iglu:{VENDOR}/{name}/jsonschema/{version}"), "data": data})
    });
    json!({
        "schema": format!("iglu:{VENDOR}/enrichments/jsonschema/1-0-0"),
        "data": elements.collect::<Vec<_>>(),
    })
    .to_string()
}

fn geo() -> serde_json::Value {
    json!({"geo": {"database": "GeoIP2-City.mmdb", "uri": "/nowhere"}})
}

/// The rows that ask no service. `files` holds made-up look-up files, `shared` those of the reference's cases, if they are there.
pub fn local(files: &Path, shared: Option<&Shared>) -> Vec<Configured> {
    let made_up = files_in(files);
    let mut rows: Vec<Configured> = usual_set()
        .into_iter()
        .map(|(name, _, parameters)| {
            Configured::new(name.trim_end_matches("_config"), name, parameters, &made_up)
        })
        .collect();
    if let Some(shared) = shared {
        let all = ["geo", "isp", "domain", "connectionType"].into_iter().zip([
            "City",
            "ISP",
            "Domain",
            "Connection-Type",
        ]);
        let all: serde_json::Map<_, _> = all
            .map(|(key, kind)| {
                (
                    key.to_owned(),
                    json!({"database": format!("GeoIP2-{kind}.mmdb"), "uri": "/nowhere"}),
                )
            })
            .collect();
        let of = |folder: &str| files_in(&shared.0.join(folder));
        rows.insert(
            1,
            Configured::new(
                "ip_lookups, four small databases",
                "ip_lookups",
                json!(all),
                &of("geoip2"),
            ),
        );
        rows.insert(
            4,
            Configured::new(
                "user_agent_utils, exact tables",
                "user_agent_utils_config",
                json!(null),
                &of("user-agent-utils"),
            ),
        );
        rows.insert(
            6,
            Configured::new(
                "ua_parser, regexes of 2013",
                "ua_parser_config",
                json!(null),
                &of("uap-core/2013-11"),
            ),
        );
        rows.insert(
            8,
            Configured::new(
                "referer_parser, referers.yml",
                "referer_parser",
                usual_set()[4].2.clone(),
                &of("referer-parser"),
            ),
        );
    }
    let lists = json!({"ipFile": {"database": "ips.txt", "uri": "/nowhere"},
        "excludeUseragentFile": {"database": "exclude.txt", "uri": "/nowhere"},
        "includeUseragentFile": {"database": "include.txt", "uri": "/nowhere"}});
    let script = |text: &str| json!({"script": URL_SAFE.encode(text)});
    let columns = [
        "user_ipaddress",
        "user_fingerprint",
        "domain_userid",
        "network_userid",
    ];
    let pojo: Vec<_> = columns
        .iter()
        .map(|field| json!({"pojo": {"field": field}}))
        .collect();
    let mut both = pojo.clone();
    for (field, schema, path) in [
        ("contexts", "customer", "$.email_hash"),
        ("unstruct_event", "link_click", "$.targetUrl"),
    ] {
        both.push(json!({"json": {"field": field, "schemaCriterion": format!("iglu:com.camonica.shop/{schema}/jsonschema/1-*-*"), "jsonPath": path}}));
    }
    let pii = |fields: Vec<serde_json::Value>| json!({"pii": fields, "strategy": {"pseudonymize": {"hashFunction": "SHA-256", "salt": "pepper"}}});
    let none = Environment::default();
    rows.extend([
        Configured::new(
            "iab_spiders_and_robots",
            "iab_spiders_and_robots_enrichment",
            lists,
            &made_up,
        ),
        Configured::new(
            "javascript_script, changes a column",
            "javascript_script_config",
            script(CHANGES),
            &none,
        ),
        Configured::new(
            "javascript_script, makes a context",
            "javascript_script_config",
            script(MAKES),
            &none,
        ),
        Configured::new(
            "cookie_extractor",
            "cookie_extractor_config",
            json!({"cookies": ["sp"]}),
            &none,
        ),
        Configured::new(
            "http_header_extractor",
            "http_header_extractor_config",
            json!({"headersPattern": "X-Forwarded-For|Accept-.*"}),
            &none,
        ),
        Configured::new(
            "pii, four columns",
            "pii_enrichment_config",
            pii(pojo),
            &none,
        ),
        Configured::new(
            "pii, four columns and two JSONs",
            "pii_enrichment_config",
            pii(both),
            &none,
        ),
    ]);
    rows
}

const CHANGES: &str = r#"
function process(event) {
  if (event.getPlatform() == "web" && event.getApp_id() == null) {
    event.setApp_id("unknown");
  }
  event.setEtl_tags("scripted");
  return [];
}"#;

const MAKES: &str = r#"
function process(event) {
  var appId = event.getApp_id(), path = event.getPage_urlpath();
  if (appId == null) {
    return [];
  }
  return [{
    schema: "iglu:com.acme/foo/jsonschema/1-0-0",
    data: { appIdUpper: String(appId.toUpperCase()), section: String(path).split("/")[1], length: String(path).length }
  }];
}"#;

/// The folder with the reference's look-up files.
pub struct Shared(PathBuf);

impl Shared {
    /// `data` in `CAMONICA_SHARED`, else in `../shared` beside the project. Without it the rows that need it are skipped, loudly.
    #[allow(clippy::print_stdout, reason = "the program's output")]
    pub fn find() -> Option<Self> {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let folder = std::env::var_os("CAMONICA_SHARED").map_or_else(beside, PathBuf::from);
        let data = folder.join("data");
        if data.join("geoip2").is_dir() {
            return Some(Self(data));
        }
        println!(
            "SKIPPED: rows with the reference's databases, tables and regexes: {} is not there (CAMONICA_SHARED or ../shared)",
            data.display()
        );
        None
    }
}
