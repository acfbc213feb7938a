//! What the log of a run on a cluster tells, and what is told before one is asked for.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{assert_failed, with_targets};
use crate::Pipeline;
use crate::camonica::{RUN, RunFolder};
use crate::emr_endpoint::{End, Fate, Fault};

#[test]
fn the_log_has_the_lines_of_the_reference() {
    let pipeline = Pipeline::new(&[]);
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    let mut rest = out.as_str();
    for line in [
        "] DEBUG -- : Initializing EMR jobflow\n",
        "]  INFO -- : asking for a cluster: emr-5.9.0, ",
        "] DEBUG -- : EMR jobflow j-CAMONICA1 started, waiting for jobflow to complete...\n",
        "]  INFO -- : cluster j-CAMONICA1 is RUNNING",
        "] DEBUG -- : EMR jobflow j-CAMONICA1 completed successfully.\n",
        "]  INFO -- : Completed successfully\n",
    ] {
        let at = rest.find(line);
        let at = at.unwrap_or_else(|| panic!("`{line}` is missing, or out of order:\n{out}"));
        rest = &rest[at + line.len()..];
    }
    // and no more than the level asks for
    let quiet = Pipeline::with(&[], |config| config.replace("level: DEBUG", "level: INFO"));
    let (code, out, _) = quiet.run();
    assert_eq!(code, 0, "{out}");
    assert!(
        !out.contains("DEBUG") && out.contains("cluster j-CAMONICA1 is RUNNING"),
        "{out}"
    );
}

#[test]
fn logs_of_the_loader_are_as_loud_as_its_steps_ended() {
    let mut ends = vec![End::Completes; 6];
    ends[5] = End::Fails;
    let pipeline = Pipeline::new(&[Fate::Runs(ends)]);
    with_targets(&pipeline);
    for (name, title) in [("redshift_config", "A"), ("second", "B"), ("third", "C")] {
        let target = json!({
            "schema": "iglu:com.acme/redshift_config/jsonschema/1-0-0",
            "data": { "name": title, "purpose": "ENRICHED_EVENTS" },
        });
        let path = pipeline.path("targets").join(format!("{name}.json"));
        fs::write(path, target.to_string()).unwrap();
    }
    let targets = pipeline.text("targets");
    // what a loader writes before it fails
    let (code, out, err) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let until = Instant::now() + Duration::from_secs(60);
            while pipeline.emr.calls("RunJobFlow").is_empty() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            for request in pipeline.emr.calls("RunJobFlow") {
                let args = request["Steps"][5]["HadoopJarStep"]["Args"].clone();
                let args = args.as_array().unwrap();
                let at = args.iter().position(|word| word == "--logkey").unwrap();
                let place = std::path::PathBuf::from(args[at + 1].as_str().unwrap());
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(place, "No space left in Redshift\n").unwrap();
            }
        });
        let answer = pipeline.answer("run", &["--run-id", RUN, "--targets", &targets]);
        writer.join().unwrap();
        answer
    });
    assert_failed(
        code,
        &out,
        &err,
        &[
            "Load A Storage Target: COMPLETED",
            "Load B Storage Target: FAILED",
            "Load C Storage Target: CANCELLED",
            "]  INFO -- : RDB Loader logs\n",
            "]  INFO -- : A: Configuration loaded\nCompleted successfully\n",
            "] ERROR -- : B: No space left in Redshift\n",
        ],
    );
    assert!(!out.contains("-- : C: "), "{out}");
    let (code, out, err) = pipeline.answer("resume", &["--targets", &targets]);
    assert_eq!(code, 0, "{out}\n{err}");
    for line in [
        "]  INFO -- : RDB Loader logs\n",
        "]  INFO -- : C: Configuration loaded\n",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
}

#[test]
fn the_time_of_a_run_ends_while_emr_does_not_answer() {
    let pipeline = Pipeline::with(&[Fate::Runs(vec![End::Hangs])], |config| {
        config.replace("aws_timeout: 20s", "aws_timeout: 10m")
    });
    pipeline.emr.fault("ListSteps", 4, 100_000, Fault::Refused);
    let begun = Instant::now();
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN, "--timeout", "3s"]);
    assert_failed(
        code,
        &out,
        &err,
        &["The time of the run (--timeout 3s) was over at step enrich"],
    );
    // a wait between two tries may be under way
    assert!(begun.elapsed() < Duration::from_secs(60), "{out}\n{err}");
    assert_eq!(
        pipeline.emr.calls("TerminateJobFlows"),
        [json!({ "JobFlowIds": ["j-CAMONICA1"] })]
    );
    pipeline.emr.heal();
    let (code, out, err) = pipeline.answer("resume", &[]);
    assert_eq!(code, 0, "{out}\n{err}");
    pipeline.assert_done();
}

#[test]
fn what_emr_does_not_take_is_told_with_its_line() {
    let tags: String = (0..49).map(|n| format!("t{n}: x, ")).collect();
    for (from, to, text) in [
        (
            "volume_type: gp2, volume_iops: 400",
            "volume_type: io1",
            "aws.emr.jobflow.core_instance_ebs.volume_iops: expected a number of at least 100 for a volume of type io1, found nothing",
        ),
        (
            "tags: {pipeline: main}",
            &format!("tags: {{{tags}}}"),
            "monitoring.tags: expected at most 48 tags, found 49: EMR takes 50, and 2 name the run (line ",
        ),
        (
            "ami_version: 5.9.0",
            "ami_version: emr-5.9.0",
            "aws.emr.ami_version: expected a release of EMR such as 5.9.0, found the text 'emr-5.9.0' (line ",
        ),
    ] {
        let pipeline = Pipeline::with(&[], |config| {
            assert!(config.contains(from), "{from}");
            config.replace(from, to)
        });
        for command in ["run", "plan"] {
            let (code, out, err) = pipeline.answer(command, &[]);
            assert!(code == 1 && err.contains(text), "{command}: {out}\n{err}");
        }
        assert_eq!(pipeline.files("in").len(), 3, "{text}: logs were moved");
    }
}

#[test]
fn a_plan_with_a_loader_says_who_loads() {
    let pipeline = Pipeline::new(&[]);
    with_targets(&pipeline);
    let (code, out, err) = pipeline.answer("plan", &["--targets", &pipeline.text("targets")]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(
        out.contains("by the reference's RDB Loader on the cluster")
            && !out.contains("not available"),
        "{out}"
    );
}

#[test]
fn nodes_without_a_key_are_asked_for_without_one() {
    let pipeline = Pipeline::with(&[], |config| {
        config.replace("ec2_key_name: acme", "ec2_key_name: ''")
    });
    let (code, out, err) = pipeline.run();
    assert_eq!(code, 0, "{out}\n{err}");
    let instances = &pipeline.emr.calls("RunJobFlow")[0]["Instances"];
    assert!(instances.get("Ec2KeyName").is_none(), "{instances}");
}

#[test]
fn documents_that_no_step_takes_are_told_before_anything_moves() {
    let pipeline = Pipeline::new(&[]);
    with_targets(&pipeline);
    let mut resolver = fs::read_to_string(pipeline.path("resolver.json")).unwrap();
    resolver.push_str(&" ".repeat(8000));
    fs::write(pipeline.path("resolver.json"), resolver).unwrap();
    let targets = pipeline.text("targets");
    let (code, out, err) = pipeline.answer("run", &["--run-id", RUN, "--targets", &targets]);
    assert_failed(
        code,
        &out,
        &err,
        &[
            "step 'Elasticity Custom Jar Step: Load Acme Redshift Storage Target': --resolver has ",
            "characters, and EMR takes 10280: shorten the document behind it",
        ],
    );
    assert_eq!(pipeline.files("in").len(), 3, "logs were moved");
    assert!(pipeline.emr.clusters().is_empty());
}

#[test]
fn the_version_of_enrich_is_needed_where_it_runs() {
    let pipeline = Pipeline::with(&[], |config| {
        let text = "  versions: {spark_enrich: 1.14.0}\n";
        assert!(config.contains(text));
        config.replace(text, "")
    });
    let logs = pipeline.files("in");
    for command in ["plan", "run"] {
        let (code, out, err) = pipeline.answer(command, &[]);
        assert_eq!(code, 1, "{out}\n{err}");
        assert!(
            err.contains("Cannot add enrich step as spark_enrich version is not configured"),
            "{err}"
        );
    }
    assert_eq!(pipeline.files("in"), logs);
    // there is nothing to shred, and no version of enrich is missed
    let (_, _, err) = pipeline.answer("plan", &["--resume-from", "shred"]);
    assert!(err.starts_with("No run folders in"), "{err}");
}
