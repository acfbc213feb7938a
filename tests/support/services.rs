//! The web services that the reference's cases ask: what `golden/enrich/test_services.json` says that they answer.

use std::path::Path;

use engine::json::{self, Value};

use super::web::{Reply, Request, WebService};

/// Address of the API in configurations.
pub const API: &str = "http://localhost:8000";

/// The services, until the process ends.
pub struct GoldenServices {
    /// The API of the API requests: stands for [`API`].
    pub api: WebService,
    /// Open Exchange Rates.
    pub rates: WebService,
    document: Value<'static>,
}

impl GoldenServices {
    /// Starts the services of the shared folder.
    pub fn start(shared: &Path) -> Self {
        let file = shared.join("golden/enrich/test_services.json");
        let text = std::fs::read_to_string(file).expect("the services");
        // members keep their order, which contexts show
        let document = json::parse(&text)
            .expect("JSON")
            .expect("JSON")
            .into_owned();
        let service = |name: &str| {
            let routes = routes(&document, name).to_vec();
            WebService::start(move |request| answer(&routes, request))
        };
        Self {
            api: service("http-server:localhost:8000"),
            rates: service("openexchangerates"),
            document,
        }
    }

    /// Whether the rates of a day are known, `2012-05-27`.
    pub fn has_rates(&self, day: &str) -> bool {
        let path = format!("/api/historical/{day}.json");
        let routes = routes(&self.document, "openexchangerates");
        routes
            .iter()
            .any(|route| text(route, "path") == Some(&path))
    }

    /// Whether there is a service of this name.
    pub fn has(&self, name: &str) -> bool {
        self.document.get(name).is_some()
    }

    /// A configuration with our API's address in the place of [`API`].
    pub fn at_home(&self, config: &str) -> String {
        config.replace(API, &format!("http://{}", self.api.address))
    }
}

fn routes<'d>(document: &'d Value<'static>, name: &str) -> &'d [Value<'static>] {
    let routes = document.get(name).and_then(|service| service.get("routes"));
    routes.and_then(Value::as_array).expect("routes")
}

fn text<'v>(route: &'v Value<'_>, member: &str) -> Option<&'v str> {
    route.get(member).and_then(Value::as_str)
}

fn answer(routes: &[Value<'_>], request: &Request) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let fits = |route: &&Value<'_>| {
        text(route, "method") == Some(&request.method)
            && text(route, "path").is_none_or(|wanted| wanted == path)
            && text(route, "path_prefix").is_none_or(|prefix| path.starts_with(prefix))
            && text(route, "auth").is_none()
    };
    let Some(route) = routes.iter().find(fits) else {
        return Reply::Body(404, "test_services.json has no such route".into());
    };
    let body = route.get("body").expect("a body").to_compact();
    let body = body.replace("<request path with query string>", &request.path);
    Reply::Body(200, body)
}
