//! Hostile lines, JSONs and records in objects that are whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::event::fields::Field;

use super::*;

/// A JSON array in an array in an array ...
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

/// An enriched line with one column replaced.
fn enriched_with(field: Field, value: &str) -> String {
    let line = enriched(1);
    let mut columns: Vec<&str> = line.trim_end().split('\t').collect();
    columns[field as usize] = value;
    columns.join("\t") + "\n"
}

/// A CloudFront line with this querystring; as CloudFront does, percent signs are encoded once more.
fn cloudfront_query(query: &str) -> String {
    let mut fields: Vec<String> = cloudfront(1)
        .trim_end()
        .split('\t')
        .map(str::to_owned)
        .collect();
    fields[11] = query.replace('%', "%25");
    fields.join("\t") + "\n"
}

#[test]
fn bytes_that_are_no_utf8_become_replacement_characters() {
    let bench = Bench::new();
    let mut lines = cloudfront(2).into_bytes();
    lines.extend_from_slice(b"not \xff\xfe a line \xc3\n");
    lines.extend_from_slice(&[0xff; 40]);
    bench.raw("a", lines);
    bench.enrich("cloudfront", &[]).succeeds();
    bench.committed();
    assert_eq!(bench.lines("good").len(), 2);
    let mut rows = bench.bad_rows();
    rows.sort();
    let reason = vec!["Line does not match CloudFront header or data row formats".to_owned()];
    assert_eq!(
        rows,
        [
            (
                "not \u{fffd}\u{fffd} a line \u{fffd}".to_owned(),
                reason.clone()
            ),
            ("\u{fffd}".repeat(40), reason)
        ]
    );

    let bench = Bench::new();
    bench.raw("a", [enriched(1).as_bytes(), b"\xff\xff\t\xc3(\n"].concat());
    bench.shred(&[]).succeeds();
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, "\u{fffd}\u{fffd}\t\u{fffd}(");
}

#[test]
fn files_of_line_ends_and_nothing_else() {
    for content in ["\n\n\n", "\r\r\r", "\r\n\r\n\r\n"] {
        let bench = Bench::new();
        bench.raw("a", content);
        bench.enrich("cloudfront", &[]).succeeds();
        let rows = bench.bad_rows();
        assert_eq!(rows.len(), 3, "{content:?}");
        assert!(rows.iter().all(|row| row.0.is_empty()
            && row.1 == ["Line does not match CloudFront header or data row formats"]));
        let bench = Bench::new();
        bench.raw("a", content);
        bench.shred(&[]).succeeds();
        assert_eq!(bench.bad_rows().len(), 3, "{content:?}");
    }
}

#[test]
fn lines_that_end_with_a_carriage_return_and_a_byte_order_mark() {
    let bench = Bench::new();
    let lines = cloudfront(5);
    bench
        .raw("a", lines.replace('\n', "\r"))
        .raw("b", format!("\u{feff}{}", lines.replace('\n', "\r\n")))
        .raw(
            "c.gz",
            gzip(format!("\u{feff}#Version: 1.0\n{lines}").as_bytes()),
        );
    let ended = bench.enrich("cloudfront", &[]);
    ended.succeeds();
    assert_eq!((bench.lines("good").len(), bench.bad_rows()), (15, vec![]));
    assert!(
        ended.stdout.contains("ignored: CloudFront header line"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_line_of_50_megabytes_is_a_line() {
    const LONG: usize = 50_000_000;
    let bench = Bench::new();
    let query = format!("e=pv&p=web&tv=t&page={}", "x".repeat(LONG));
    bench.raw(
        "a",
        cloudfront_query(&query) + &"y".repeat(LONG) + "\n" + &cloudfront(1),
    );
    bench.enrich("cloudfront", &[]).succeeds();
    bench.committed();
    let good = bench.lines("good");
    assert_eq!(good.len(), 2);
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0.len(), LONG);
}

#[test]
fn an_enriched_line_of_50_megabytes_is_a_line() {
    const LONG: usize = 50_000_000;
    let bench = Bench::new();
    let long = enriched_with(Field::PageTitle, &"x".repeat(LONG));
    bench.raw("a", long + &"y\t".repeat(LONG / 2) + "\n");
    bench.shred(&[]).succeeds();
    bench.committed();
    let atomic = bench.lines("good/atomic-events");
    assert_eq!(atomic.len(), 1);
    assert!(
        atomic[0].len() < 50_000,
        "cut as the table wants it: {}",
        atomic[0].len()
    );
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0.len(), LONG);
}

#[test]
fn a_line_over_the_limit_ends_the_job_with_object_and_offset() {
    let bench = Bench::new();
    let first = "short\n";
    // a sparse file: zero bytes without an end of line
    let file = fs::File::create(bench.path("raw/a")).unwrap();
    file.set_len((256 << 20) + 4096).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, first.as_bytes(), 0).unwrap();
    bench.enrich("cloudfront", &[]).fails(
        1,
        &[
            &bench.text("raw/a"),
            "the line that begins at byte 6 of the decompressed object is longer than 268435456 bytes",
            "--skip-corrupt",
        ],
    );
    bench.nothing_visible();
    bench.enrich("cloudfront", &["--skip-corrupt"]).succeeds();
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 1, "the line before it is kept");
    assert_eq!(rows[0].0, "short");
}

#[test]
fn json_that_is_nested_too_deep_is_a_bad_row_of_shred() {
    let schema = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1";
    for depth in [100_000, 3_000_000] {
        let deep = nested(depth);
        let contexts = format!(r#"{{"schema":"{schema}","data":{deep}}}"#);
        let unclosed = "{\"a\":".repeat(depth);
        let bench = Bench::new();
        bench.raw(
            "a",
            enriched_with(Field::Contexts, &contexts)
                + &enriched_with(Field::UnstructEvent, &deep)
                + &enriched_with(Field::DerivedContexts, &unclosed)
                + &enriched(1),
        );
        bench.shred(&[]).succeeds();
        bench.committed();
        let rows = bench.bad_rows();
        assert_eq!(rows.len(), 3);
        assert_eq!(bench.lines("good/atomic-events").len(), 1);
        for (_, messages) in rows {
            assert!(
                messages[0]
                    .contains("Document nesting depth (1001) exceeds the maximum allowed (1000)"),
                "{}",
                &messages[0][..messages[0].len().min(300)]
            );
        }
    }
}

#[test]
fn json_that_is_nested_too_deep_is_a_bad_row_of_enrich() {
    let deep = nested(100_000);
    let bench = Bench::new();
    bench.raw(
        "a",
        cloudfront_query(&format!(
            "e=ue&p=web&tv=t&ue_px={}",
            URL_SAFE_NO_PAD.encode(&deep)
        )) + &cloudfront_query(&format!("e=pv&p=web&tv=t&co={deep}"))
            + &cloudfront(1),
    );
    bench.enrich("cloudfront", &[]).succeeds();
    bench.committed();
    assert_eq!(bench.lines("good").len(), 1);
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 2);
    for (line, messages) in rows {
        assert!(line.len() > 100_000);
        let start: String = messages[0].chars().take(300).collect();
        assert!(
            messages.iter().any(|message| message
                .contains("Document nesting depth (1001) exceeds the maximum allowed (1000)")),
            "{start}"
        );
    }
    // the body of a POST to tp2
    let bench = Bench::new();
    let post = fixtures::collector::tomcat_post_line(&events(2));
    let (start, _) = post.rsplit_once('\t').unwrap();
    let body = |json: &str| {
        format!(
            "{start}\t{}\n",
            base64::engine::general_purpose::URL_SAFE.encode(json)
        )
    };
    let schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4";
    bench.raw(
        "a.txt",
        body(&format!(r#"{{"schema":"{schema}","data":{deep}}}"#)) + &body(&deep) + &post + "\n",
    );
    bench.enrich("clj-tomcat", &[]).succeeds();
    assert_eq!(bench.lines("good").len(), 2);
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 2);
    for (_, messages) in rows {
        let start: String = messages[0].chars().take(300).collect();
        assert!(
            messages.iter().any(|message| message
                .contains("Document nesting depth (1001) exceeds the maximum allowed (1000)")),
            "{start}"
        );
    }
}

#[test]
fn an_unknown_schema_is_a_bad_row_that_names_it_and_the_repositories() {
    let unknown = |vendor: &str| {
        format!(
            r#"{{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{{"schema":"iglu:{vendor}/none/jsonschema/1-0-0","data":{{}}}}}}"#
        )
    };
    let bench = Bench::new();
    bench.raw(
        "a",
        enriched_with(Field::UnstructEvent, &unknown("com.acme"))
            + &enriched_with(Field::UnstructEvent, &unknown("../../com.camonica")),
    );
    bench.shred(&[]).succeeds();
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 2);
    let all = format!("{rows:?}");
    assert!(
        all.contains("Could not find schema with key iglu:com.acme/none/jsonschema/1-0-0 in any repository, tried:"),
        "{all}"
    );
    assert!(
        bench.lines("bad").concat().contains(
            r#""repositories":["Fixtures [embedded]","Iglu Client Embedded [embedded]"]"#
        )
    );
    let bench = Bench::new();
    bench.raw(
        "a",
        cloudfront_query(&format!(
            "e=ue&p=web&tv=t&ue_px={}",
            URL_SAFE_NO_PAD.encode(unknown("com.acme"))
        )),
    );
    bench.enrich("cloudfront", &[]).succeeds();
    let rows = bench.bad_rows();
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0].1[0].contains("Could not find schema with key iglu:com.acme/none/jsonschema/1-0-0"),
        "{rows:?}"
    );
}
