//! The path of a collector request says which adapter is meant: `/vendor/version`, or one of the
//! paths of the first collectors (`/i`, `/ice.png`).
//!
//! Rules and error text of `CollectorApi` in Scala Common Enrich 0.34.0.

use super::payload::CollectorApi;

/// Vendor of the paths that the first collectors served.
const TRACKER_VENDOR: &str = "com.snowplowanalytics.snowplow";
/// Their version: Tracker Protocol 1.
const TRACKER_VERSION: &str = "tp1";

/// The api of Tracker Protocol 1, which legacy records belong to.
pub fn tracker_protocol_1() -> CollectorApi {
    CollectorApi {
        vendor: TRACKER_VENDOR.to_owned(),
        version: TRACKER_VERSION.to_owned(),
    }
}

/// The api of a request path.
///
/// # Errors
/// The reference's message, when the path has neither form.
pub fn parse(path: &str) -> Result<CollectorApi, String> {
    if let Some((vendor, version)) = vendor_and_version(path) {
        return Ok(CollectorApi {
            vendor: vendor.to_owned(),
            version: version.to_owned(),
        });
    }
    if is_ice_request(path) {
        return Ok(tracker_protocol_1());
    }
    Err(format!(
        "Request path {path} does not match (/)vendor/version(/) pattern nor is a legacy \
         /i(ce.png) request"
    ))
}

/// Whether the path is one of the pixel of the first collectors.
pub fn is_ice_request(path: &str) -> bool {
    path.starts_with("/ice.png") || path == "/i" || path.starts_with("/i?")
}

/// Two segments that are not empty, with an optional slash on either side.
fn vendor_and_version(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (vendor, rest) = path.split_once('/')?;
    let version = rest.strip_suffix('/').unwrap_or(rest);
    (!vendor.is_empty() && !version.is_empty() && !version.contains('/'))
        .then_some((vendor, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_an_api() {
        let tp1 = ("com.snowplowanalytics.snowplow", "tp1");
        for (path, (vendor, version)) in [
            ("/i", tp1),
            ("/ice.png", tp1),
            ("/ice.pngx", tp1),
            ("/i?foo=1&bar=2", tp1),
            ("/blah/i", ("blah", "i")),
            ("/com.a/v1", ("com.a", "v1")),
            ("com.a/v1", ("com.a", "v1")),
            ("com.a/v1/", ("com.a", "v1")),
            ("/com.a/v1/", ("com.a", "v1")),
            ("/ice.png/x", ("ice.png", "x")),
            ("/i?/x", ("i?", "x")),
        ] {
            let api = parse(path).unwrap();
            assert_eq!(
                (api.vendor.as_str(), api.version.as_str()),
                (vendor, version),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_without_an_api() {
        for path in [
            "", "/", "//", "i", "/i/", "/a", "/a//", "//a/b", "/a//b", "/a/b/c", "/a/b//", "/I",
        ] {
            assert_eq!(
                parse(path).unwrap_err(),
                format!(
                    "Request path {path} does not match (/)vendor/version(/) pattern nor is a \
                     legacy /i(ce.png) request"
                )
            );
        }
    }
}
