//! The page's query string, and parameter `_sp` in it: who came from another domain, and when.

use crate::event::Field;
use crate::text::clean::tsv_safe;
use crate::text::querystring::{NameValuePairs, parse_querystring};
use crate::text::url_decode::java_url_decode;

use super::draft::Draft;
use super::failures::{FailureStep, Unexpected};
use super::timestamps;

/// Decodes the query string of the page, if there is a page.
pub fn page_querystring(draft: &mut Draft<'_>) {
    let Some(uri) = &draft.page_uri else {
        return;
    };
    let query = uri.query.as_deref();
    let pairs = parse_querystring(query, &draft.raw.source.encoding)
        // the reference's second chance, after an encoding that is not known
        .or_else(|_| scala_uri_pairs(query.unwrap_or_default()))
        .map_err(|exception| {
            format!(
                "Could not parse uri [{}]. Uri parsing threw exception: [{exception}].",
                uri.text
            )
        });
    draft.page_querystring = draft.failures.keep(FailureStep::PageQuerystring, pairs);
}

/// Pairs as scala-uri reads them: `&` alone separates, a plus sign stays, UTF-8, and a name without
/// `=` gets the empty value.
fn scala_uri_pairs(query: &str) -> Result<NameValuePairs, String> {
    let decode = |text: &str| java_url_decode(&text.replace('+', "%2B"), "UTF-8");
    let tokens = query.split('&').filter(|token| !token.is_empty());
    tokens
        .map(|token| {
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            Ok((decode(name)?, Some(decode(value)?)))
        })
        .collect()
}

/// Sets `refr_domain_userid` and `refr_dvce_tstamp` from `_sp={user id}.{milliseconds}`.
///
/// # Errors
/// The reference throws for `_sp` without value and for one of dots alone.
pub fn set(draft: &mut Draft<'_>) -> Result<(), Unexpected> {
    let parts = match draft.page_parameter("_sp") {
        None => return Ok(()),
        Some(value) => split(value)?,
    };
    let Some((user, time)) = parts else {
        return Ok(());
    };
    match time.map(|time| timestamps::parse("sp_dtm", Some(time))) {
        Some(Err(text)) => draft.failures.push(FailureStep::CrossDomain, text),
        time => {
            let user = tsv_safe(user).map(|user| user.into_owned());
            let event = &mut draft.event;
            event.set_or_clear(Field::RefrDomainUserid, user.as_deref());
            if let Some(Ok((_, time))) = time {
                event.set(Field::RefrDvceTstamp, &time);
            }
        }
    }
    Ok(())
}

/// User id and time in the value of `_sp`; nothing in an empty one.
fn split(value: Option<&str>) -> Result<Option<(&str, Option<&str>)>, Unexpected> {
    let value = value.ok_or_else(|| Unexpected("java.lang.NullPointerException".to_owned()))?;
    if value.is_empty() {
        return Ok(None);
    }
    // Java's split drops empty parts at the end
    let value = value.trim_end_matches('.');
    if value.is_empty() {
        let exception = "java.lang.ArrayIndexOutOfBoundsException: 0";
        return Err(Unexpected(exception.to_owned()));
    }
    let mut parts = value.split('.');
    let user = parts.next().unwrap_or_default();
    Ok(Some((user, parts.next())))
}

#[cfg(test)]
mod tests {
    use super::super::tests::raw_event;
    use super::*;

    #[test]
    fn values_of_sp_are_split_like_java() {
        let cases = [
            ("", None),
            ("abc", Some(("abc", None))),
            ("abc.", Some(("abc", None))),
            ("abc.1", Some(("abc", Some("1")))),
            ("abc.1.2", Some(("abc", Some("1")))),
            (".1", Some(("", Some("1")))),
            ("abc..1", Some(("abc", Some("")))),
        ];
        for (value, parts) in cases {
            assert_eq!(split(Some(value)), Ok(parts), "{value}");
        }
        for value in [".", "..."] {
            let Unexpected(exception) = split(Some(value)).unwrap_err();
            assert_eq!(exception, "java.lang.ArrayIndexOutOfBoundsException: 0");
        }
        let Unexpected(exception) = split(None).unwrap_err();
        assert_eq!(exception, "java.lang.NullPointerException");
    }

    /// Sets the columns from a value of `_sp`; gives user id, time, and whether it failed.
    fn cross(value: &str) -> (Option<String>, Option<String>, bool) {
        let raw = raw_event(&[]);
        let mut draft = Draft::new(&raw);
        draft.page_querystring = Some(vec![("_sp".to_owned(), Some(value.to_owned()))]);
        set(&mut draft).unwrap();
        let get = |field| draft.event.get(field).map(str::to_owned);
        (
            get(Field::RefrDomainUserid),
            get(Field::RefrDvceTstamp),
            draft.failures.has(FailureStep::CrossDomain),
        )
    }

    #[test]
    fn columns_are_set_together_or_not_at_all() {
        let text = |text: &str| Some(text.to_owned());
        let time = text("2015-03-13 11:19:21.368");
        assert_eq!(cross(""), (None, None, false));
        assert_eq!(cross("a\tb"), (text("a    b"), None, false));
        assert_eq!(
            cross("abc.1426245561368"),
            (text("abc"), time.clone(), false)
        );
        assert_eq!(cross(".1426245561368"), (None, time, false));
        assert_eq!(cross("abc.not-a-timestamp"), (None, None, true));
        assert_eq!(cross("abc..1"), (None, None, true));
    }

    #[test]
    fn second_chance_keeps_plus_and_knows_one_separator() {
        let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        assert_eq!(
            scala_uri_pairs("a=1+2&b=%C3%A9;c=3&&d&e=f=g"),
            Ok(vec![
                pair("a", "1+2"),
                pair("b", "é;c=3"),
                pair("d", ""),
                pair("e", "f=g"),
            ])
        );
        assert_eq!(scala_uri_pairs(""), Ok(Vec::new()));
    }
}
