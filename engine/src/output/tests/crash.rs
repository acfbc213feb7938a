//! What is left by attempts that end at any point, and by several attempts at once.

use super::*;

/// A hook that stops the commit after its `at`-th step, and counts the steps.
fn stop_at(at: usize) -> (FaultHook, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    (
        Arc::new(move |_: &str| counter.fetch_add(1, Ordering::SeqCst) == at),
        count,
    )
}

/// Invariant 3: where there is a marker, everything is there.
fn assert_all_or_nothing(folders: &Folders) {
    let (lines, others) = folders.visible();
    if others.iter().any(|name| name.ends_with("/_SUCCESS")) {
        assert_eq!(lines.values().map(Vec::len).sum::<usize>(), 22);
        assert!(others.iter().any(|name| name.ends_with("manifest.json")));
    }
}

#[test]
fn a_commit_that_is_killed_after_any_step_is_finished_by_the_next_attempt() {
    let mut steps = 0;
    loop {
        let folders = Folders::new();
        let mut settings = folders.settings();
        let (hook, count) = stop_at(steps);
        settings.faults = Some(hook);
        let output = ready(folders.begin(settings).unwrap());
        write_all(&output);
        let result = output.commit(manifest);
        assert_all_or_nothing(&folders);
        if count.load(Ordering::SeqCst) <= steps {
            result.unwrap();
            assert_complete(&folders);
            break;
        }
        result.unwrap_err();
        if folders.path("good/_temporary").exists()
            || !folders.path("good/_SUCCESS.manifest.json").exists()
        {
            run_again(&folders);
        }
        assert_complete(&folders);
        steps += 1;
    }
    assert!(steps >= 11, "only {steps} steps");
}

#[test]
fn a_kill_after_the_plan_was_deleted_leaves_nothing_for_good() {
    let folders = Folders::new();
    let output = ready(folders.begin(folders.settings()).unwrap());
    write_all(&output);
    output.commit(manifest).unwrap();
    let temporary = folders.path("good/_temporary");
    std::fs::create_dir(&temporary).unwrap();
    let refused = |text: &str| {
        let error = folders.begin(folders.settings()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotEmpty);
        assert!(error.to_string().contains(text), "{error}");
    };
    refused("a finished output is there");
    assert!(!temporary.exists());
    assert_complete(&folders);
    // what is not empty is somebody's
    std::fs::create_dir_all(temporary.join("x")).unwrap();
    refused("a finished output is there");
    assert!(temporary.join("x").exists());
}

#[test]
fn finishing_a_commit_may_be_killed_too() {
    for first in 1..9 {
        for second in 0..9 {
            let folders = Folders::new();
            let mut settings = folders.settings();
            settings.faults = Some(stop_at(first).0);
            let output = ready(folders.begin(settings.clone()).unwrap());
            write_all(&output);
            output.commit(manifest).unwrap_err();
            let (hook, count) = stop_at(second);
            settings.faults = Some(hook);
            let again = folders.begin(settings);
            assert_all_or_nothing(&folders);
            if count.load(Ordering::SeqCst) > second {
                again.unwrap_err();
                if folders.path("good/_temporary").exists() {
                    run_again(&folders);
                }
            }
            assert_complete(&folders);
        }
    }
}

#[test]
fn a_job_that_was_killed_while_writing_is_cleared() {
    let folders = Folders::new();
    let output = folders.ready();
    write_all(&output);
    output
        .writer(1, "", Ending::Text)
        .unwrap()
        .write_pending()
        .unwrap();
    assert!(
        folders
            .files()
            .keys()
            .any(|name| name.contains("_temporary/") && name.contains("part-"))
    );
    output.kill();
    run_again(&folders);
    assert_complete(&folders);
}

#[test]
fn an_abort_and_a_drop_leave_nothing() {
    let folders = Folders::new();
    let output = folders.ready();
    write_all(&output);
    output
        .writer(0, "atomic-events", Ending::Text)
        .unwrap()
        .write_pending()
        .unwrap();
    output.abort().unwrap();
    assert!(folders.files().is_empty() && !folders.path("good").exists());
    fs::create_dir(folders.path("good")).unwrap();
    let output = folders.ready();
    write_all(&output);
    drop(output);
    assert!(folders.files().is_empty());
    assert!(
        folders.path("good").is_dir(),
        "a folder that was there stays"
    );
    // sums that do not close
    let output = folders.ready();
    write_all(&output);
    let error = output
        .commit(|_| Err(Error::internal("the sums do not close")))
        .unwrap_err();
    assert!(error.to_string().contains("sums"));
    assert!(folders.files().is_empty());
}

#[test]
fn of_two_living_attempts_one_wins() {
    let folders = Folders::new();
    let (first, second) = (folders.ready(), folders.ready());
    write_all(&first);
    write_all(&second);
    first.commit(manifest).unwrap();
    let error = second.commit(manifest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    assert_complete(&folders);
}

#[test]
fn an_attempt_does_not_commit_beside_one_that_commits() {
    let folders = Folders::new();
    let mut settings = folders.settings();
    settings.faults = Some(stop_at(3).0);
    let first = ready(folders.begin(settings).unwrap());
    let second = folders.ready();
    write_all(&first);
    write_all(&second);
    first.commit(manifest).unwrap_err();
    let error = second.commit(manifest).unwrap_err();
    assert!(error.to_string().contains("another attempt"), "{error}");
    assert_all_or_nothing(&folders);
    run_again(&folders);
    assert_complete(&folders);
}

#[test]
fn a_late_attempt_of_an_empty_output_does_no_harm() {
    let folders = Folders::new();
    let (first, second) = (folders.ready(), folders.ready());
    first.commit(|_| Ok(b"first".to_vec())).unwrap();
    write_all(&second);
    assert_eq!(
        second.commit(manifest).unwrap_err().kind(),
        ErrorKind::NotEmpty
    );
    assert_eq!(
        fs::read(folders.path("good/_SUCCESS.manifest.json")).unwrap(),
        b"first"
    );
    assert_eq!(folders.files().len(), 4);
}

#[test]
fn what_a_plan_needs_and_is_gone_is_done_again() {
    // before anything was renamed, and after a part of it was
    for step in [1, 3] {
        let folders = Folders::new();
        let mut settings = folders.settings();
        settings.faults = Some(stop_at(step).0);
        let output = ready(folders.begin(settings).unwrap());
        write_all(&output);
        output.commit(manifest).unwrap_err();
        for root in ["good", "bad"] {
            for entry in fs::read_dir(folders.path(root).join("_temporary")).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    fs::remove_dir_all(path).unwrap();
                }
            }
        }
        let output = ready(folders.begin(folders.settings()).unwrap());
        assert_eq!(folders.visible(), Default::default());
        write_all(&output);
        output.commit(manifest).unwrap();
        assert_complete(&folders);
    }
}

#[test]
fn a_plan_of_another_run_is_not_touched() {
    let folders = Folders::new();
    let mut settings = folders.settings();
    settings.faults = Some(stop_at(1).0);
    let output = ready(folders.begin(settings).unwrap());
    write_all(&output);
    output.commit(manifest).unwrap_err();
    let mut later = folders.settings();
    later.run_id = "run-2".into();
    let error = folders.begin(later).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    assert!(error.to_string().contains("run-1"), "{error}");
    // another job that shares only the folder of bad rows
    let mut other = OutputSettings::new("enrich", "run-2", Vec::new());
    other.roots = vec![
        OutputRoot::new(folders.location("enriched")),
        OutputRoot::new(folders.location("bad")),
    ];
    let error = folders.begin(other).unwrap_err();
    assert!(error.to_string().contains("run-1"), "{error}");
    run_again(&folders);
    assert_complete(&folders);
}

/// Not a test of its own: the process that the next test kills. It writes, says so, and waits.
#[test]
fn child_that_waits() {
    let Ok(dir) = std::env::var("CAMONICA_TEST_CHILD_FOLDER") else {
        return;
    };
    let place = |name: &str| Location::from_path(&Path::new(&dir).join(name)).unwrap();
    let roots = vec![
        OutputRoot::new(place("good")).with_success_folders(["atomic-events", "shredded-types"]),
        OutputRoot::new(place("bad")),
    ];
    let settings = OutputSettings::new("shred", "run-1", roots);
    let output = ready(JobOutput::begin(Store::default(), settings).unwrap());
    write_all(&output);
    output
        .writer(1, "", Ending::Text)
        .unwrap()
        .write_pending()
        .unwrap();
    fs::write(Path::new(&dir).join("waiting"), "").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn only_what_a_killed_process_left_is_cleared() {
    let folders = Folders::new();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "output::tests::crash::child_that_waits"])
        .env("CAMONICA_TEST_CHILD_FOLDER", folders.dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    while !folders.path("waiting").exists() {
        assert!(
            started.elapsed().as_secs() < 50,
            "the child does not come up"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fs::remove_file(folders.path("waiting")).unwrap();
    let parts = || {
        let files = folders.files();
        files.keys().filter(|name| name.contains("part-")).count()
    };
    // it lives: its files stay
    folders.ready().abort().unwrap();
    assert_eq!(parts(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = folders.ready();
    assert_eq!(parts(), 0);
    write_all(&output);
    output.commit(manifest).unwrap();
    assert_complete(&folders);
}
