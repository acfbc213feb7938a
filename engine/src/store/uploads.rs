//! Multipart uploads that are open below a folder in S3: what killed processes left there. `object_store` cannot list them, so the
//! request (`ListMultipartUploads`) is made and read here, with its credentials and its signature.

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{
    HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector,
};
use object_store::path::Path as Key;
use object_store::signer::Signer;
use reqwest::{Method, Url};

use super::refusal::s3_error;
use super::{Location, Upload};
use crate::error::{Error, ErrorKind, Result};

/// Longest page that is read: a thousand uploads are some hundred kilobytes.
const MOST_BYTES: usize = 16 << 20;

/// All open uploads below `folder`.
pub(super) async fn open(client: Arc<AmazonS3>, folder: Location) -> Result<Vec<Upload>> {
    let failed = |what: &str| {
        Error::new(
            ErrorKind::Io,
            format!("{folder}: open uploads cannot be listed: {what}"),
        )
    };
    let (bucket, key) = folder
        .bucket_and_key()
        .ok_or_else(|| Error::internal(format!("{folder} is not in S3")))?;
    let prefix = match key.trim_end_matches('/') {
        "" => String::new(),
        key => format!("{key}/"),
    };
    let place = Endpoint::of(&client, &folder).await?;
    let options = ClientOptions::new()
        .with_allow_http(place.url.scheme() == "http")
        .with_timeout(Duration::from_secs(60));
    let http = ReqwestConnector::default()
        .connect(&options)
        .map_err(|error| s3_error(&folder.to_string(), error))?;
    let mut uploads = Vec::new();
    let mut after: Option<(String, String)> = None;
    loop {
        let mut url = place.url.clone();
        url.set_query(None);
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("uploads", "")
                .append_pair("encoding-type", "url");
            if !prefix.is_empty() {
                query.append_pair("prefix", &prefix);
            }
            if let Some((key, upload)) = &after {
                query
                    .append_pair("key-marker", key)
                    .append_pair("upload-id-marker", upload);
            }
        }
        // the signature is of `%20`, and of no plus
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        let text = get(&client, &http, &place, url, &folder).await?;
        let page = Page::read(&text).ok_or_else(|| failed("the answer is none of S3"))?;
        for (key, id) in page.uploads {
            if key.starts_with(&prefix) {
                uploads.push(Upload {
                    location: Location::parse(&format!("s3://{bucket}/{key}"))?,
                    id,
                });
            }
        }
        match page.next {
            // an answer that goes round in circles would never end
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => return Ok(uploads),
        }
    }
}

/// Where a bucket is reached.
struct Endpoint {
    url: Url,
    region: String,
}

impl Endpoint {
    /// As the client reaches it: what it signs tells where it would send it.
    async fn of(client: &AmazonS3, folder: &Location) -> Result<Self> {
        const NAME: &str = "camonica";
        let mut url = client
            .signed_url(Method::GET, &Key::from(NAME), Duration::from_secs(60))
            .await
            .map_err(|error| s3_error(&folder.to_string(), error))?;
        let region = url
            .query_pairs()
            .find(|(name, _)| name == "X-Amz-Credential")
            .and_then(|(_, scope)| scope.rsplit('/').nth(2).map(str::to_owned))
            .ok_or_else(|| Error::internal("a signature without a region"))?;
        let path = url.path().strip_suffix(NAME).unwrap_or("/").to_owned();
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        url.set_path(path);
        Ok(Self { url, region })
    }
}

async fn get(
    client: &AmazonS3,
    http: &HttpClient,
    place: &Endpoint,
    url: Url,
    folder: &Location,
) -> Result<String> {
    let name = folder.to_string();
    let credential = client
        .credentials()
        .get_credential()
        .await
        .map_err(|error| s3_error(&name, error))?;
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.uri_mut() = url
        .as_str()
        .parse()
        .map_err(|error| Error::internal("the address of a bucket").with_source(error))?;
    AwsAuthorizer::new(&credential, "s3", &place.region).authorize(&mut request, None);
    let answer = http
        .execute(request)
        .await
        .map_err(|error| Error::new(ErrorKind::Timeout, &name).with_source(error))?;
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .bytes()
        .await
        .map_err(|error| Error::new(ErrorKind::Timeout, &name).with_source(error))?;
    let text = String::from_utf8_lossy(body.get(..MOST_BYTES).unwrap_or(&body)).into_owned();
    match status {
        200 => Ok(text),
        _ => Err(Error::new(
            match status {
                401 | 403 => ErrorKind::Denied,
                404 => ErrorKind::NotFound,
                429 | 503 => ErrorKind::Throttled,
                _ => ErrorKind::Io,
            },
            format!("{name}: open uploads cannot be listed (status {status})"),
        )
        .with_source(text.chars().take(500).collect::<String>())),
    }
}

/// A page of a listing: keys and ids, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    uploads: Vec<(String, String)>,
    next: Option<(String, String)>,
}

impl Page {
    fn read(text: &str) -> Option<Self> {
        if !text.contains("<ListMultipartUploadsResult") {
            return None;
        }
        let head = text.split("<Upload>").next()?.to_owned()
            + text.rsplit("</Upload>").next().unwrap_or_default();
        let says = |name: &str, value: &str| element(&head, name).as_deref() == Some(value);
        // a service that does not know what was asked for does not do it
        let is_encoded = says("EncodingType", "url");
        let key = |text: String| match is_encoded {
            true => decoded(&text),
            false => Some(text),
        };
        let mut uploads = Vec::new();
        for piece in text.split("<Upload>").skip(1) {
            let piece = piece.split("</Upload>").next()?;
            uploads.push((key(element(piece, "Key")?)?, element(piece, "UploadId")?));
        }
        let next = element(&head, "NextKeyMarker").and_then(key);
        let next = next.zip(element(&head, "NextUploadIdMarker"));
        Some(Self {
            uploads,
            next: next.filter(|_| says("IsTruncated", "true")),
        })
    }
}

/// The text of an element, with the escapes of XML undone.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    let content = content
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'");
    Some(content.replace("&amp;", "&"))
}

/// A key with `%2F` for `/` and the like, and `+` for a blank.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read() {
        let upload = |key: &str, id: &str| {
            format!(
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2018</Initiated></Upload>"
            )
        };
        let head = "<?xml version=\"1.0\"?><ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url</EncodingType>";
        let page = format!(
            "{head}<NextKeyMarker>out%2Fb</NextKeyMarker><NextUploadIdMarker>y&amp;z</NextUploadIdMarker><IsTruncated>true</IsTruncated>{}{}</ListMultipartUploadsResult>",
            upload("out%2Fvendor%3Da%2Fx+y", "1"),
            upload("out/b", "y&amp;z"),
        );
        let pair = |key: &str, id: &str| (key.to_owned(), id.to_owned());
        assert_eq!(
            Page::read(&page).unwrap(),
            Page {
                uploads: vec![pair("out/vendor=a/x y", "1"), pair("out/b", "y&z")],
                next: Some(pair("out/b", "y&z")),
            }
        );
        let plain = page.replace("<EncodingType>url</EncodingType>", "");
        assert_eq!(
            Page::read(&plain).unwrap().uploads[0].0,
            "out%2Fvendor%3Da%2Fx+y"
        );
        let last = page.replace("<IsTruncated>true", "<IsTruncated>false");
        assert_eq!(Page::read(&last).unwrap().next, None);
        let empty = format!("{head}</ListMultipartUploadsResult>");
        let none = Page {
            uploads: Vec::new(),
            next: None,
        };
        assert_eq!(Page::read(&empty).unwrap(), none);
        for bad in [
            "",
            "<Error><Code>AccessDenied</Code></Error>",
            &page.replace("<Key>out/b</Key>", ""),
            &page.replace("out/b", "out%2"),
            &page.replace("out/b", "out%zz"),
            &page.replace("out/b", "out%ff"),
        ] {
            assert_eq!(Page::read(bad), None, "{bad}");
        }
    }
}
