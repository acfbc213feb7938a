//! What the program does, says and answers when nobody disturbs it.

use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_whole_run_of_every_collector_format() {
    for (format, name) in [
        (Format::Cloudfront, "cloudfront"),
        (Format::CljTomcat, "clj-tomcat"),
        (Format::Thrift, "thrift"),
    ] {
        let pipeline = Pipeline::new(name);
        let made = pipeline.collect(format, 150_000);
        if format == Format::CljTomcat {
            // Elastic Beanstalk: a folder an instance, and equal names with a leading underscore
            for (index, file) in made.files.iter().enumerate() {
                let instance = pipeline.path("in").join(format!("i-{index}"));
                fs::create_dir(&instance).unwrap();
                fs::rename(
                    file,
                    instance.join("_var_log_tomcat8_rotated_localhost_access_log.txt1.gz"),
                )
                .unwrap();
            }
            fs::write(pipeline.path("in/i-0/catalina.out"), "not an access log").unwrap();
        }
        let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
        assert_eq!(code, 0, "{out}\n{err}");
        assert!(completed(&out), "{out}");
        assert!(out.contains(&format!("run {RUN} done in ")), "{out}");
        if format == Format::CljTomcat {
            assert_eq!(
                pipeline.files("in"),
                ["i-0/catalina.out".to_owned()].into(),
                "what is no log stays"
            );
            fs::remove_dir_all(pipeline.path("in")).unwrap();
        }
        let state = pipeline.state();
        assert_eq!(state.raw.len(), made.files.len(), "{name}");
        assert_eq!(state.count("archive/enriched"), made.events, "{name}");
        assert_eq!(state.count("enriched/bad"), made.malformed, "{name}");
        let atomic = format!("archive/shredded/run={RUN}/atomic-events");
        assert_eq!(state.count(&atomic), made.events, "{name}");
        assert!(
            state
                .lines
                .keys()
                .any(|folder| folder.contains("shredded-types/vendor=com.camonica.shop"))
        );
        assert!(made.malformed > 0, "{made:?}");

        // nothing is left to do
        fs::create_dir_all(pipeline.path("in")).unwrap();
        let (code, out, _) = pipeline.answer("run", &[]);
        assert_eq!(
            (code, out.trim_end()),
            (
                3,
                "No logs to process: No Snowplow logs to process since last run"
            )
        );
        let (code, out, _) = pipeline.answer("resume", &[]);
        assert_eq!(code, 3, "{out}");
        assert!(
            out.starts_with("No logs to process: no unfinished run under "),
            "{out}"
        );
    }
}

#[test]
fn logs_in_deep_folders_are_enriched_before_they_are_archived() {
    let pipeline = Pipeline::new("cloudfront");
    let made = pipeline.collect(Format::Cloudfront, 40_000);
    for (file, place) in made
        .files
        .iter()
        .zip(["a.gz", "x/a.gz", "x/y/a.gz", "x/y/z/a.gz"])
    {
        let to = pipeline.path("in").join(place);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(file, to).unwrap();
    }
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 0, "{out}\n{err}");
    let state = pipeline.state();
    assert_eq!(state.count("archive/enriched"), made.events);
    assert_eq!(state.raw.len(), 4);
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_1() {
    let pipeline = Pipeline::new("cloudfront");
    let run = |arguments: &[&str]| answer(&mut camonica(arguments));
    let (config, resolver) = (pipeline.text("config.yml"), pipeline.text("resolver.json"));
    for (arguments, text) in [
        (&["run", "--foo"][..], "invalid option: --foo\n"),
        (&["run", "--config"], "missing argument: --config\n"),
        (&["run"], "Missing option: config\n"),
        (&["run", "-c", &config], "Missing option: resolver\n"),
        (
            &["run", "-c", "/none", "-r", "/none"],
            "Configuration file '/none' does not exist, or is not a file\n",
        ),
        (
            &["run", "-c", &config, "-r", "/none"],
            "Iglu resolver file '/none' does not exist, or is not a file\n",
        ),
        (
            &["run", "-c", &config, "-r", &resolver, "-n", "/none"],
            "Enrichments directory '/none/' does not exist, or is not a directory\n",
        ),
        (
            &["run", "-c", &config, "-r", &resolver, "-x", "stage"],
            "Invalid option: skip can be staging, enrich, shred, elasticsearch, archive_raw, rdb_load, consistency_check, analyze, load_manifest_check, archive_enriched, archive_shredded, staging_stream_enrich not 'stage'\n",
        ),
        // left-over words are no part of a list
        (
            &[
                "run", "-c", &config, "-r", &resolver, "-x", "staging,", "enrich",
            ],
            "error: unexpected argument 'enrich'",
        ),
        (
            &["run", "-c", &config, "--re", &resolver],
            "ambiguous option: --re (--resolver or --resume-from)\n",
        ),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {err}");
        assert!(err.starts_with(text), "{arguments:?}: {err}");
    }
    let (code, out, _) = run(&[]);
    assert!(code == 1 && out.starts_with("Empty command!\n"), "{out}");
    let (code, out, _) = run(&["walk"]);
    assert!(
        code == 1 && out.starts_with("Invalid command: walk\n"),
        "{out}"
    );
    assert_eq!(run(&["--help"]).0, 0);
    let version = concat!("camonica ", env!("CARGO_PKG_VERSION"), "\n");
    for option in ["--version", "-v", "-V"] {
        assert_eq!(run(&[option]), (0, version.to_owned(), String::new()));
    }
    assert_eq!(pipeline.files("log"), BTreeSet::new(), "nothing was begun");
}

#[test]
fn mistakes_in_the_configuration_are_told_all_at_once() {
    let pipeline = Pipeline::with("apache", "  memory_limit: 1G\n", |text| {
        text.replace("output_compression: NONE", "output_compression: LZO")
            .replace("  workers: 1", "  workers: none")
            .lines()
            .filter(|line| !line.contains("processing:"))
            .map(|line| line.to_owned() + "\n")
            .collect()
    });
    let (code, out, err) = pipeline.answer("run", &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    for text in [
        "aws.s3.buckets.raw.processing: expected a folder, found nothing",
        "collectors.format: collector_format 'apache' not supported (line 26; ",
        "enrich.output_compression: expected NONE or GZIP, found the text 'LZO' (line 29)",
        "camonica.workers: expected an integer of at least 1, found the text 'none' (line 31)",
    ] {
        assert!(
            err.lines().any(|line| line.starts_with(text)),
            "{text}\n{err}"
        );
    }
    for (from, to, text) in [
        (
            "/processing",
            "/in",
            "aws.s3.buckets.raw.in[0] and aws.s3.buckets.raw.processing: the same folder",
        ),
        (
            "/enriched/bad",
            "/enriched/good/bad",
            "aws.s3.buckets.enriched.good and aws.s3.buckets.enriched.bad: one lies in the other",
        ),
        (
            "/archive/raw",
            "/in/x/../../processing",
            "aws.s3.buckets.raw.processing and aws.s3.buckets.raw.archive: the same folder",
        ),
    ] {
        let pipeline = Pipeline::with("cloudfront", "", |config| config.replace(from, to));
        let (code, _, err) = pipeline.answer("run", &[]);
        assert_eq!(code, 1, "{from} -> {to}");
        assert!(err.contains(text), "{from} -> {to}: {err}");
    }
    let pipeline = Pipeline::with("cloudfront", "", |_| "aws: [".into());
    let (code, _, err) = pipeline.answer("run", &[]);
    assert!(code == 1 && err.contains("config.yml':\nnot YAML"), "{err}");
    let pipeline = Pipeline::with("cloudfront", "", |text| {
        text.replace("region: eu-west-1", "region: <%= `id` %>")
    });
    let (code, _, err) = pipeline.answer("run", &[]);
    assert!(
        code == 1 && err.contains("line 5: ") && err.contains("ENV['NAME']"),
        "{err}"
    );
}

#[test]
fn folders_that_are_not_empty_are_exit_code_4() {
    for (name, what, skip) in [
        ("processing", "staging", ""),
        ("enriched/good", "enrichment", ""),
        ("shredded/good", "shredding", ""),
        ("shredded/good", "shredding", "staging,enrich"),
    ] {
        let pipeline = Pipeline::new("cloudfront");
        pipeline.collect(Format::Cloudfront, 1000);
        let left = pipeline
            .path(name)
            .join("run=2018-01-01-00-00-00/part-00000.txt");
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, "left\n").unwrap();
        let lock = pipeline.text("lock");
        let mut options = vec!["--lock", &lock];
        if !skip.is_empty() {
            options.extend(["--skip", skip]);
        }
        let (code, out, _) = pipeline.answer("run", &options);
        let expected = format!(
            "There seems to be an ongoing run of EmrEtlRunner: Cannot safely add {what} step to jobflow, {}/ is not empty",
            pipeline.text(name)
        );
        assert_eq!((code, out.lines().next()), (4, Some(expected.as_str())));
        let is_left_over = name != "processing";
        assert_eq!(
            out.contains("run=2018-01-01-00-00-00/ has no _SUCCESS: a run that died has left it."),
            is_left_over,
            "{out}"
        );
        assert!(!pipeline.path("lock").exists(), "a no-op releases the lock");
        assert_eq!(fs::read(&left).unwrap(), b"left\n");
        assert_eq!(pipeline.files("in").len(), 4, "nothing was moved");
    }
    let pipeline = Pipeline::new("cloudfront");
    let (code, out, _) = pipeline.answer("run", &["--skip", "staging"]);
    let expected = format!(
        "No logs to process: No Snowplow logs in {}/, can't resume from enrich",
        pipeline.text("processing")
    );
    assert_eq!((code, out.trim_end()), (3, expected.as_str()));
}

#[test]
fn a_held_lock_is_exit_code_17_and_a_failed_run_keeps_it() {
    let pipeline = Pipeline::new("cloudfront");
    pipeline.collect(Format::Cloudfront, 3000);
    let lock = pipeline.text("lock");
    fs::write(&lock, "4711\nhost elsewhere\n").unwrap();
    let (code, out, _) = pipeline.answer("run", &["--lock", &lock]);
    assert_eq!(code, 17);
    assert!(
        out.starts_with(&format!(
            "Lock already held at {lock}\nheld by process 4711 on host elsewhere"
        )),
        "{out}"
    );
    assert_eq!(pipeline.files("in").len(), 4, "nothing was moved");
    fs::remove_file(&lock).unwrap();

    // a step that fails: a damaged log
    let damaged = pipeline.path("in").join("E2CAMONICA.2018-07-24-09.cut.gz");
    fs::write(&damaged, [0x1f, 0x8b, 8, 0]).unwrap();
    let (code, out, err) = pipeline.answer(
        "run",
        &["--run-id", RUN, "--lock", &lock, "--timeout", "1h"],
    );
    assert_eq!(code, 1, "{out}");
    let staged = pipeline.text("processing/E2CAMONICA.2018-07-24-09.cut.gz");
    for text in [
        format!(
            "Step enrich failed: {staged}: the object is cut: it ends inside a gzip header (at byte 4 of the stored object)"
        ),
        "camonica.skip_corrupt".to_owned(),
        "Data files not archived".to_owned(),
        format!(
            "camonica resume --config {} --resolver {} --lock {lock}",
            pipeline.text("config.yml"),
            pipeline.text("resolver.json")
        ),
    ] {
        assert!(err.contains(&text), "{text}\n{err}");
    }
    // the last line of the log and that of the error are the command, and nothing else
    let command = format!(
        "camonica resume --config {} --resolver {} --lock {lock} --timeout 1h",
        pipeline.text("config.yml"),
        pipeline.text("resolver.json")
    );
    for text in [&out, &err] {
        let last = text.trim_end().lines().last().unwrap_or_default();
        assert_eq!(last.trim_start(), command, "{text}");
    }
    assert!(pipeline.path("lock").exists(), "somebody must look first");
    assert_eq!(pipeline.answer("run", &["--lock", &lock]).0, 17);
    let (code, out, _) = pipeline.answer("plan", &["--lock", &lock]);
    assert_eq!(code, 17, "a plan answers what a run would: {out}");
    assert!(out.contains("Lock already held at "), "{out}");
    // the lock became that of another run, which is at work: it is not this one's to remove
    let ours = fs::read(&lock).unwrap();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let owner = fs::read_to_string(format!("/proc/{}/stat", other.id())).unwrap();
    let start = owner[owner.rfind(')').unwrap() + 1..]
        .split_whitespace()
        .nth(19)
        .unwrap()
        .to_owned();
    let text: String = String::from_utf8_lossy(&ours)
        .lines()
        .enumerate()
        .map(|(index, line)| match line {
            _ if index == 0 => format!("{}\n", other.id()),
            line if line.starts_with("start ") => format!("start {start}\n"),
            line => format!("{line}\n"),
        })
        .collect();
    fs::write(&lock, text).unwrap();
    let (code, out, _) = pipeline.answer("resume", &["--lock", &lock]);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(code, 17, "{out}");
    assert!(out.contains("That process is at work."), "{out}");
    fs::write(&lock, ours).unwrap();
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 4, "{out}");
    // the operator puts the whole file in its place and goes on
    fs::remove_file(&staged).unwrap();
    let (code, out, err) = pipeline.answer("resume", &["--lock", &lock]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        out.contains(&format!("resuming run {RUN} at step enrich")),
        "{out}"
    );
    assert!(!pipeline.path("lock").exists());
    // what is known of the failure stays beside the journal
    let summary = pipeline.path("log/camonica").join(RUN).join("failure.json");
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.contains("\"failed_step\": \"enrich\""), "{text}");
    fs::remove_file(summary).unwrap();
    pipeline.state();
}

#[test]
fn damaged_logs_can_be_skipped_by_configuration() {
    let pipeline = Pipeline::with("cloudfront", "  skip_corrupt: true\n", |text| text);
    let made = pipeline.collect(Format::Cloudfront, 3000);
    fs::write(pipeline.path("in/cut.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        out.contains("processing/cut.gz") && out.contains("the object is cut"),
        "{out}"
    );
    let state = pipeline.state();
    assert_eq!(state.count("archive/enriched"), made.events);
    assert_eq!(state.raw.len(), 5);
}

#[test]
fn another_runner_at_work_is_exit_code_17() {
    let pipeline = Pipeline::new("cloudfront");
    pipeline.collect(Format::Cloudfront, 2_000_000);
    let mut running = pipeline.start("run");
    let started = Instant::now();
    while !pipeline.journal().contains("step_started") {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the run does not start"
        );
    }
    for command in ["run", "resume", "plan"] {
        let (code, out, _) = pipeline.answer(command, &[]);
        assert_eq!(code, 17, "{out}");
        assert!(
            (command == "plan" || out.starts_with("Lock already held at "))
                && out.contains("Lock already held at ")
                && out.contains("(another runner is at work)"),
            "{out}"
        );
    }
    running.kill().unwrap();
    running.wait().unwrap();
    // it lives no more: what it began is unfinished, and the command to go on is told
    let (code, out, _) = pipeline.answer("run", &[]);
    assert_eq!(code, 4, "{out}");
    assert!(
        out.starts_with("There seems to be an ongoing run of EmrEtlRunner: "),
        "{out}"
    );
    assert!(
        out.contains(&format!(
            "\n  camonica resume --config {} --resolver {}",
            pipeline.text("config.yml"),
            pipeline.text("resolver.json")
        )),
        "{out}"
    );
}
