//! How a cluster's states are understood, and the failure text of the reference.

use super::api::{ClusterStepView, ClusterView};
use crate::monitoring::times::{elapsed, local_seconds};

/// Where the reference explains failures on EMR.
const HELP: &str =
    "https://github.com/snowplow/snowplow/wiki/Troubleshooting-jobs-on-Elastic-MapReduce";

/// How the steps that are waited for stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are at work, or their turn has not come, or why they were cancelled is not known yet.
    Going,
    /// All are completed.
    Done,
    /// One failed.
    Failed,
    /// The cluster did not start: no step was begun.
    BootstrapFailure,
    /// The cluster ended under them: lost instances, a person, an error inside EMR.
    Lost,
}

/// Judges the steps named or numbered by `wanted` (ids; names where ids are not known).
pub(super) fn judge(cluster: &ClusterView, steps: &[ClusterStepView], wanted: &[&str]) -> Verdict {
    let mine: Vec<&ClusterStepView> = steps
        .iter()
        .filter(|step| wanted.contains(&step.id.as_str()) || wanted.contains(&step.name.as_str()))
        .collect();
    if mine.len() >= wanted.len() && mine.iter().all(|step| step.state == "COMPLETED") {
        return Verdict::Done;
    }
    if mine.iter().any(|step| step.state == "FAILED") && !is_lost(&cluster.reason) {
        return Verdict::Failed;
    }
    if cluster.is_over() {
        return if is_bootstrap_failure(cluster, steps) {
            Verdict::BootstrapFailure
        } else if steps.iter().any(|step| step.state == "FAILED") && !is_lost(&cluster.reason)
            // somebody has cancelled a step, and the cluster went on with the others
            || cluster.reason == "ALL_STEPS_COMPLETED" && mine.iter().any(|step| step.is_broken())
        {
            Verdict::Failed
        } else {
            Verdict::Lost
        };
    }
    // cancelled on a cluster that waits: nothing will come of it
    if cluster.state == "WAITING" && mine.iter().any(|step| step.is_broken()) {
        return Verdict::Failed;
    }
    Verdict::Going
}

/// Every step is cancelled, and the reason is `BOOTSTRAP_FAILURE|bootstrap action|Master instance startup failed`.
pub(super) fn is_bootstrap_failure(cluster: &ClusterView, steps: &[ClusterStepView]) -> bool {
    let is_named = [&cluster.reason, &cluster.message].into_iter().any(|text| {
        text.contains("BOOTSTRAP_FAILURE")
            || text.contains("bootstrap action")
            || text.contains("Master instance startup failed")
    });
    is_named
        && steps
            .iter()
            .all(|step| matches!(step.state.as_str(), "CANCELLED" | "PENDING"))
}

/// Reasons of clusters that were taken away under their steps.
fn is_lost(reason: &str) -> bool {
    matches!(
        reason,
        "INSTANCE_FAILURE" | "INSTANCE_FLEET_TIMEOUT" | "INTERNAL_ERROR" | "USER_REQUEST"
    )
}

/// The failure text of the reference: a sentence, the cluster, its steps in the order of their starts.
pub(super) fn failure_text(cluster: &ClusterView, steps: &[ClusterStepView]) -> String {
    let mut lines = vec![
        format!(
            "EMR jobflow {} failed, check Amazon EMR console and Hadoop logs for details (help: {HELP}). Data files not archived.",
            cluster.id
        ),
        format!(
            "{}: {} [{}] ~ {} [{} - {}]",
            cluster.name,
            cluster.state,
            cluster.reason,
            elapsed(cluster.ready_ms, cluster.ended_ms),
            local_seconds(cluster.ready_ms),
            local_seconds(cluster.ended_ms)
        ),
    ];
    let mut sorted: Vec<&ClusterStepView> = steps.iter().collect();
    sorted.sort_by_key(|step| step.started_ms.unwrap_or(i64::MAX));
    for (index, step) in sorted.into_iter().enumerate() {
        lines.push(format!(
            " - {}. {}: {} ~ {} [{} - {}]",
            index + 1,
            step.name,
            step.state,
            elapsed(step.started_ms, step.ended_ms),
            local_seconds(step.started_ms),
            local_seconds(step.ended_ms)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(state: &str, reason: &str) -> ClusterView {
        ClusterView {
            id: "j-1".into(),
            name: "Snowplow ETL".into(),
            state: state.into(),
            reason: reason.into(),
            ..ClusterView::default()
        }
    }

    fn steps(states: &[&str]) -> Vec<ClusterStepView> {
        states
            .iter()
            .enumerate()
            .map(|(index, state)| ClusterStepView {
                id: format!("s-{index}"),
                name: format!("step {index}"),
                state: (*state).to_owned(),
                started_ms: (*state != "CANCELLED").then_some(1000),
                ..ClusterStepView::default()
            })
            .collect()
    }

    #[test]
    fn verdicts() {
        for (state, reason, states, wanted, expected) in [
            (
                "STARTING",
                "",
                &["PENDING", "PENDING"][..],
                &["s-0"][..],
                Verdict::Going,
            ),
            (
                "RUNNING",
                "",
                &["COMPLETED", "RUNNING"],
                &["s-0"],
                Verdict::Done,
            ),
            (
                "RUNNING",
                "",
                &["COMPLETED", "RUNNING"],
                &["s-1"],
                Verdict::Going,
            ),
            (
                "RUNNING",
                "",
                &["COMPLETED", "RUNNING"],
                &["step 1"],
                Verdict::Going,
            ),
            (
                "RUNNING",
                "",
                &["COMPLETED", "RUNNING"],
                &["s-0", "s-1"],
                Verdict::Going,
            ),
            // listed late
            ("STARTING", "", &[], &["s-0"], Verdict::Going),
            (
                "TERMINATING",
                "STEP_FAILURE",
                &["FAILED", "CANCELLED"],
                &["s-0"],
                Verdict::Failed,
            ),
            (
                "TERMINATING",
                "STEP_FAILURE",
                &["FAILED", "CANCELLED"],
                &["s-1"],
                Verdict::Going,
            ),
            (
                "TERMINATED_WITH_ERRORS",
                "STEP_FAILURE",
                &["FAILED", "CANCELLED"],
                &["s-1"],
                Verdict::Failed,
            ),
            (
                "TERMINATING",
                "BOOTSTRAP_FAILURE",
                &["CANCELLED"],
                &["s-0"],
                Verdict::Going,
            ),
            (
                "TERMINATED_WITH_ERRORS",
                "BOOTSTRAP_FAILURE",
                &["CANCELLED"],
                &["s-0"],
                Verdict::BootstrapFailure,
            ),
            (
                "TERMINATED_WITH_ERRORS",
                "BOOTSTRAP_FAILURE",
                &["COMPLETED", "CANCELLED"],
                &["s-1"],
                Verdict::Lost,
            ),
            (
                "TERMINATED_WITH_ERRORS",
                "INSTANCE_FAILURE",
                &["FAILED", "CANCELLED"],
                &["s-0"],
                Verdict::Lost,
            ),
            (
                "TERMINATED",
                "USER_REQUEST",
                &["INTERRUPTED"],
                &["s-0"],
                Verdict::Lost,
            ),
            (
                "TERMINATED",
                "ALL_STEPS_COMPLETED",
                &["COMPLETED"],
                &["s-0"],
                Verdict::Done,
            ),
            (
                "WAITING",
                "",
                &["FAILED", "CANCELLED"],
                &["s-1"],
                Verdict::Failed,
            ),
            (
                "TERMINATED_WITH_ERRORS",
                "VALIDATION_ERROR",
                &["CANCELLED"],
                &["s-0"],
                Verdict::Lost,
            ),
            (
                "TERMINATED",
                "ALL_STEPS_COMPLETED",
                &["CANCELLED", "COMPLETED"],
                &["s-0"],
                Verdict::Failed,
            ),
        ] {
            let found = judge(&cluster(state, reason), &steps(states), wanted);
            assert_eq!(found, expected, "{state} {reason} {states:?} {wanted:?}");
        }
        let mut told = cluster("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR");
        told.message = "Master instance startup failed".into();
        assert_eq!(
            judge(&told, &steps(&["CANCELLED"]), &["s-0"]),
            Verdict::BootstrapFailure
        );
    }

    #[test]
    fn the_text_has_the_shape_of_the_reference() {
        let mut all = steps(&["CANCELLED", "FAILED"]);
        all[1].ended_ms = Some(62_000);
        let text = failure_text(&cluster("TERMINATING", "STEP_FAILURE"), &all);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("EMR jobflow j-1 failed, check Amazon EMR console and Hadoop logs for details (help: https://"));
        assert!(lines[0].ends_with(" Data files not archived."));
        assert_eq!(
            lines[1],
            "Snowplow ETL: TERMINATING [STEP_FAILURE] ~ elapsed time n/a [ - ]"
        );
        assert!(
            lines[2].starts_with(" - 1. step 1: FAILED ~ 00:01:01 ["),
            "{}",
            lines[2]
        );
        assert_eq!(lines[3], " - 2. step 0: CANCELLED ~ elapsed time n/a [ - ]");
    }
}
