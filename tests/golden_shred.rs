//! The reference's cases of the shred job: `golden/shred`, every line compared to the letter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the lints spare test functions, and not what they call"
)]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs;

use engine::job::{JobOptions, ShredJob};
use serde_json::Value;
use support::golden::{Parity, cases, texts};
use support::parts;
use support::registry::StaticRegistry;

const FAILURE_TSTAMP: &str = "2018-07-23T12:00:00.123Z";
const FAILURE_TSTAMP_MS: i64 = 1_532_347_200_123;

#[test]
fn cases_of_the_shred_job() {
    let Some(shared) = support::shared("cases of the shred job") else {
        return;
    };
    let registry = StaticRegistry::start(&[&shared.join("data/iglu-central/r94")]);
    let mut parity = Parity::default();
    for (name, case) in cases(&shared.join("golden/shred")) {
        if !case["config"]["duplicate_storage"].is_null() {
            parity.left_out("cross-batch deduplication is not built", &name);
            continue;
        }
        let area = case["area"].as_str().unwrap_or("?").to_owned();
        let compressed = name.len() % 2 == 0;
        parity.case(&area, &name, run(&case, &registry.uri, compressed));
    }
    parity.finish("golden/shred");
}

fn run(case: &Value, registry: &str, compressed: bool) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("in")).map_err(|error| error.to_string())?;
    let lines = texts(&case["input_lines"]);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path("in/part-00000"), text).map_err(|error| error.to_string())?;

    let mut resolver = case["config"]["iglu_resolver"].clone();
    for repository in resolver["data"]["repositories"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        if repository["connection"]["http"].is_object() {
            repository["connection"]["http"]["uri"] = Value::from(registry);
        }
    }
    let text = |name: &str| path(name).to_str().unwrap_or_default().to_owned();
    let mut options = JobOptions {
        failure_tstamp_ms: Some(FAILURE_TSTAMP_MS),
        ..JobOptions::default()
    };
    if compressed {
        options.compression = engine::output::Compression::Gzip(6);
    }
    ShredJob {
        input: text("in"),
        output: text("out"),
        bad: text("bad"),
        resolver: resolver.to_string(),
        options,
    }
    .run()
    .map_err(|error| error.to_string())?;

    let mut found = parts::lines_by_folder(&path("out"));
    let atomic = found.remove("atomic-events").unwrap_or_default();
    let shredded: BTreeMap<String, Vec<String>> = found
        .into_iter()
        .map(|(folder, lines)| {
            let key: Vec<&str> = folder
                .split('/')
                .filter_map(|part| Some(part.split_once('=')?.1))
                .collect();
            (key.join("/"), lines)
        })
        .collect();
    for marker in [
        "out/atomic-events/_SUCCESS",
        "out/shredded-types/_SUCCESS",
        "bad/_SUCCESS",
    ] {
        if !path(marker).is_file() {
            return Err(format!("no {marker}"));
        }
    }
    compare(
        &case["expected"],
        atomic,
        shredded,
        parts::lines(&path("bad")),
        &lines,
    )
}

/// Compares multisets of lines; `{{new_event_id:N}}` is bound by the atomic lines.
fn compare(
    expected: &Value,
    atomic: Vec<String>,
    shredded: BTreeMap<String, Vec<String>>,
    bad: Vec<String>,
    input: &[String],
) -> Result<(), String> {
    let mut bound: HashMap<String, String> = HashMap::new();
    let mut left = atomic;
    for line in texts(&expected["atomic"]) {
        let cells: Vec<&str> = line.split('\t').collect();
        let is_placeholder = cells
            .get(6)
            .is_some_and(|id| id.starts_with("{{new_event_id:"));
        let position = left.iter().position(|candidate| {
            let found: Vec<&str> = candidate.split('\t').collect();
            found.len() == cells.len()
                && found
                    .iter()
                    .zip(&cells)
                    .enumerate()
                    .all(|(index, (f, c))| f == c || (index == 6 && is_placeholder))
        });
        let Some(position) = position else {
            return Err(format!("atomic line missing: {line}\nleft: {left:#?}"));
        };
        let found = left.swap_remove(position);
        if is_placeholder {
            let id = found.split('\t').nth(6).unwrap_or_default().to_owned();
            if !is_uuid_4(&id) || input.iter().any(|line| line.contains(&id)) {
                return Err(format!("{id} is no new version 4 UUID"));
            }
            if bound.values().any(|other| *other == id) {
                return Err(format!("{id} was given twice"));
            }
            bound.insert(cells[6].to_owned(), id);
        }
    }
    if !left.is_empty() {
        return Err(format!("atomic lines that are not expected: {left:#?}"));
    }
    // Which of two equal atomic lines got which id is free; bind the numbers by what fits the shredded lines.
    let fill = |line: &str, bound: &HashMap<String, String>| {
        let mut line = line.replace("{{failure_tstamp}}", FAILURE_TSTAMP);
        for (placeholder, id) in bound {
            line = line.replace(placeholder, id);
        }
        line
    };
    let expected_types: BTreeMap<String, Vec<String>> = expected["shredded"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, lines)| (key.clone(), texts(lines)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let mut last = Err("no binding".to_owned());
    for binding in bindings(&bound) {
        let wanted: BTreeMap<String, Vec<String>> = expected_types
            .iter()
            .map(|(key, lines)| {
                let mut lines: Vec<String> =
                    lines.iter().map(|line| fill(line, &binding)).collect();
                lines.sort();
                (key.clone(), lines)
            })
            .collect();
        last = if wanted == shredded {
            Ok(())
        } else {
            Err(format!(
                "shredded:\n  found    {shredded:#?}\n  expected {wanted:#?}"
            ))
        };
        if last.is_ok() {
            break;
        }
    }
    last?;
    let mut wanted: Vec<String> = texts(&expected["bad"])
        .iter()
        .map(|line| fill(line, &bound))
        .collect();
    wanted.sort();
    if bad != wanted {
        return Err(format!(
            "bad rows:\n  found    {bad:#?}\n  expected {wanted:#?}"
        ));
    }
    Ok(())
}

/// All ways to give the ids to the placeholders (there are few of both).
fn bindings(bound: &HashMap<String, String>) -> Vec<HashMap<String, String>> {
    let names: Vec<&String> = bound.keys().collect();
    let ids: Vec<&String> = bound.values().collect();
    let mut all = Vec::new();
    let mut order: Vec<usize> = (0..ids.len()).collect();
    permute(&mut order, 0, &mut |order| {
        all.push(
            names
                .iter()
                .zip(order)
                .map(|(name, index)| ((*name).clone(), ids[*index].clone()))
                .collect(),
        );
    });
    all
}

fn permute(order: &mut Vec<usize>, start: usize, visit: &mut impl FnMut(&[usize])) {
    if start == order.len() {
        visit(order);
        return;
    }
    for index in start..order.len() {
        order.swap(start, index);
        permute(order, start + 1, visit);
        order.swap(start, index);
    }
}

fn is_uuid_4(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => b"89ab".contains(&byte),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[test]
fn the_comparison_can_fail() {
    let expected: Value = serde_json::json!({"atomic": ["a\tb"], "shredded": {}, "bad": []});
    assert!(compare(&expected, vec!["a\tc".into()], BTreeMap::new(), vec![], &[]).is_err());
    assert!(
        compare(
            &expected,
            vec!["a\tb".into()],
            BTreeMap::new(),
            vec!["x".into()],
            &[]
        )
        .is_err()
    );
    compare(&expected, vec!["a\tb".into()], BTreeMap::new(), vec![], &[]).unwrap();
}
