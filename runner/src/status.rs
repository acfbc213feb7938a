//! What the journals of a log folder tell (`status`): runs that are at work, unfinished, finished; their steps, durations and
//! last errors; and the command to go on.

use std::fmt::Write;

use crate::config::Config;
use crate::failure::Result;
use crate::journal::{Records, RunRecord, Standing};
use crate::run::{locks, open_objects};

/// Tells about the last `most` runs, and about every unfinished one.
///
/// # Errors
/// `Config` when the records cannot be read.
pub fn status(config: &Config, most: usize, resume_command: &str) -> Result<String> {
    let objects = open_objects(config)?;
    let records = Records::new(objects.clone(), &config.log);
    let mut out = String::new();
    let _ = writeln!(out, "log      {}", config.log);
    let at_work = locks::at_work(&config.log, &objects);
    let runner = match &at_work {
        Some(who) => format!("at work: {who}"),
        None => "none at work".into(),
    };
    let _ = writeln!(out, "runner   {runner}");
    let ids = records.runs()?;
    let unfinished = records.unfinished()?;
    let first = ids.len().saturating_sub(most);
    let mut shown = Vec::new();
    for record in &unfinished {
        if !ids[first..].contains(&record.run_id) {
            shown.push(record.clone());
        }
    }
    if first > 0 {
        let _ = writeln!(
            out,
            "runs     {} in all, the last {most} are shown",
            ids.len()
        );
    }
    for id in &ids[first..] {
        shown.extend(records.read(id)?);
    }
    if shown.is_empty() {
        let _ = writeln!(out, "runs     none yet");
    }
    for record in &shown {
        out.push_str(&of_run(record, at_work.is_some()));
    }
    if let Some(record) = unfinished.first() {
        if at_work.is_some() {
            let _ = writeln!(out, "next     wait: run {} is at work", record.run_id);
        } else {
            let _ = writeln!(out, "next     {resume_command}");
        }
    }
    Ok(out.trim_end().to_owned())
}

/// One run with its steps.
fn of_run(record: &RunRecord, is_at_work: bool) -> String {
    let mut out = String::new();
    let state = match (&record.superseded_by, record.is_unfinished()) {
        (Some(by), _) => format!("given up: run {by} took its place"),
        (None, false) => "finished".into(),
        (None, true) if is_at_work => "at work".into(),
        (None, true) => "UNFINISHED".into(),
    };
    let resumed = match record.resumed {
        0 => String::new(),
        1 => ", resumed once".into(),
        times => format!(", resumed {times} times"),
    };
    let _ = writeln!(
        out,
        "run {}   {state}   begun {}{resumed}",
        record.run_id, record.started_at
    );
    for step in &record.steps {
        let standing = match &step.standing {
            Standing::Pending => "-".into(),
            Standing::Begun => format!("begun {}", step.started_at.as_deref().unwrap_or_default()),
            Standing::Failed(error) => {
                let line = error.lines().next().unwrap_or_default();
                format!("FAILED: {line}")
            }
            Standing::Done(seconds) => format!("done in {seconds:.2} s"),
        };
        let attempts = if step.attempts > 1 {
            format!(" (attempt {})", step.attempts)
        } else {
            String::new()
        };
        let _ = writeln!(out, "  {:<22} {standing}{attempts}", step.step.name());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_told_with_their_steps() {
        let text = "{\"entry\":\"run_started\",\"at\":\"2018-07-24T10:00:00.000Z\",\"run_id\":\"2018-07-24-10-00-00\",\"etl_tstamp_ms\":1,\"steps\":[\"staging\",\"enrich\",\"shred\"]}
{\"entry\":\"step_started\",\"at\":\"t1\",\"step\":\"staging\"}
{\"entry\":\"step_done\",\"at\":\"t2\",\"step\":\"staging\",\"seconds\":1.5,\"report\":{}}
{\"entry\":\"step_started\",\"at\":\"t3\",\"step\":\"enrich\"}
{\"entry\":\"run_resumed\",\"at\":\"t4\"}
{\"entry\":\"step_started\",\"at\":\"t5\",\"step\":\"enrich\"}
{\"entry\":\"step_failed\",\"at\":\"t6\",\"step\":\"enrich\",\"error\":\"no disk\\nmore\"}
";
        let record = RunRecord::replay(text).unwrap();
        assert_eq!(
            of_run(&record, false),
            "run 2018-07-24-10-00-00   UNFINISHED   begun 2018-07-24T10:00:00.000Z, resumed once
  staging                done in 1.50 s
  enrich                 FAILED: no disk (attempt 2)
  shred                  -
"
        );
        assert!(of_run(&record, true).contains("   at work   "));
    }
}
