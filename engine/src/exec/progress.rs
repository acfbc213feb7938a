//! Telling the operator how far a job is.
//!
//! In: counts, from all threads, a few times per chunk. Out: on a terminal a bar with events, rate, bad rows and
//! time left; else one line every ten seconds on standard error; or nothing. The counts are kept in every case.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle,
};

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two changes of the text beside the bar.
const BAR_INTERVAL: Duration = Duration::from_millis(200);

/// What a job has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Stored bytes of the input that were used.
    pub stored_bytes: u64,
    /// Records (lines, raw Thrift records) that were worked on.
    pub records: u64,
    /// Good events.
    pub good: u64,
    /// Bad rows.
    pub bad: u64,
}

/// Takes the counts of a job while it runs. All numbers are additions to what was told before.
pub trait Progress: Send + Sync {
    /// More was done. Cheap, but not free: once per chunk, not once per event.
    fn add(&self, stored_bytes: u64, records: u64, good: u64, bad: u64);

    /// The sum of what was told.
    fn totals(&self) -> Totals;

    /// The job has ended, well or not.
    fn finish(&self) {}
}

/// A bar on a terminal, else lines on standard error, for an input of `total_bytes` stored bytes; `what` names
/// the job (`enrich`, `shred`).
pub fn on_stderr(what: &str, total_bytes: u64) -> Box<dyn Progress> {
    if io::stderr().is_terminal() {
        Box::new(Bar::new(what, total_bytes, ProgressDrawTarget::stderr()))
    } else {
        Box::new(Lines::new(what, total_bytes, io::stderr(), LINE_INTERVAL))
    }
}

/// The counts.
#[derive(Debug, Default)]
struct Counts {
    stored_bytes: AtomicU64,
    records: AtomicU64,
    good: AtomicU64,
    bad: AtomicU64,
}

impl Counts {
    fn add(&self, stored_bytes: u64, records: u64, good: u64, bad: u64) {
        for (count, more) in [
            (&self.stored_bytes, stored_bytes),
            (&self.records, records),
            (&self.good, good),
            (&self.bad, bad),
        ] {
            if more > 0 {
                count.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            good: self.good.load(Ordering::Relaxed),
            bad: self.bad.load(Ordering::Relaxed),
        }
    }
}

/// Lets one thread through per interval.
#[derive(Debug)]
struct Pace {
    start: Instant,
    interval: Duration,
    /// Milliseconds after `start` when the next may pass.
    next: AtomicU64,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self {
            start: Instant::now(),
            interval,
            next: AtomicU64::new(millis(interval)),
        }
    }

    fn is_due(&self) -> bool {
        let now = millis(self.start.elapsed());
        let next = self.next.load(Ordering::Relaxed);
        now >= next
            && self
                .next
                .compare_exchange(
                    next,
                    now + millis(self.interval),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Counts and says nothing.
#[derive(Debug, Default)]
pub struct Silent {
    counts: Counts,
}

impl Progress for Silent {
    fn add(&self, stored_bytes: u64, records: u64, good: u64, bad: u64) {
        self.counts.add(stored_bytes, records, good, bad);
    }

    fn totals(&self) -> Totals {
        self.counts.totals()
    }
}

/// A bar: part done, stored bytes, rate, events, bad rows, time left.
#[derive(Debug)]
pub struct Bar {
    counts: Counts,
    pace: Pace,
    bar: ProgressBar,
}

impl Bar {
    /// A bar for `total_bytes` stored bytes on `target`.
    pub fn new(what: &str, total_bytes: u64, target: ProgressDrawTarget) -> Self {
        const TEMPLATE: &str = "{prefix} {wide_bar} {percent:>3} %  {bytes}/{total_bytes}  {decimal_bytes_per_sec}  {msg}  {eta} left";
        let bar = ProgressBar::with_draw_target(Some(total_bytes), target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            counts: Counts::default(),
            pace: Pace::new(BAR_INTERVAL),
            bar,
        }
    }

    fn message(&self) -> String {
        let totals = self.counts.totals();
        let (records, bad) = (HumanCount(totals.records), HumanCount(totals.bad));
        format!("{records} records, {bad} bad")
    }
}

impl Progress for Bar {
    fn add(&self, stored_bytes: u64, records: u64, good: u64, bad: u64) {
        self.counts.add(stored_bytes, records, good, bad);
        self.bar.inc(stored_bytes);
        if self.pace.is_due() {
            self.bar.set_message(self.message());
        }
    }

    fn totals(&self) -> Totals {
        self.counts.totals()
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A line now and then.
#[derive(Debug)]
pub struct Lines<W> {
    what: String,
    total_bytes: u64,
    counts: Counts,
    pace: Pace,
    output: std::sync::Mutex<W>,
}

impl<W: Write + Send> Lines<W> {
    /// Lines to `output`, one per `interval` at most.
    pub fn new(what: &str, total_bytes: u64, output: W, interval: Duration) -> Self {
        Self {
            what: what.to_owned(),
            total_bytes,
            counts: Counts::default(),
            pace: Pace::new(interval),
            output: std::sync::Mutex::new(output),
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let totals = self.counts.totals();
        let done = totals.stored_bytes as f64;
        let rate = done / elapsed.as_secs_f64().max(0.001);
        let left = self.total_bytes.saturating_sub(totals.stored_bytes) as f64;
        let percent = 100.0 * done / (self.total_bytes as f64).max(1.0);
        let time = if rate > 0.0 && left / rate < 1e9 {
            HumanDuration(Duration::from_secs_f64(left / rate)).to_string()
        } else {
            "unknown time".to_owned()
        };
        format!(
            "{}: {percent:.0} % ({} of {}), {:.1} MB/s, {} records, {} good, {} bad, {time} left\n",
            self.what,
            HumanBytes(totals.stored_bytes),
            HumanBytes(self.total_bytes),
            rate / 1e6,
            HumanCount(totals.records),
            HumanCount(totals.good),
            HumanCount(totals.bad),
        )
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn add(&self, stored_bytes: u64, records: u64, good: u64, bad: u64) {
        self.counts.add(stored_bytes, records, good, bad);
        if self.pace.is_due() {
            let line = self.line(self.pace.start.elapsed());
            let mut output = self
                .output
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            // a closed standard error is no reason to end a job
            let _ = output.write_all(line.as_bytes());
        }
    }

    fn totals(&self) -> Totals {
        self.counts.totals()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_counts() {
        let target = ProgressDrawTarget::hidden();
        let kinds: [Box<dyn Progress>; 4] = [
            Box::new(Silent::default()),
            Box::new(Bar::new("enrich", 100, target)),
            Box::new(Lines::new("shred", 100, Vec::new(), LINE_INTERVAL)),
            on_stderr("enrich", 100),
        ];
        for progress in kinds {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..100 {
                            progress.add(3, 2, 1, 1);
                        }
                    });
                }
            });
            let want = Totals {
                stored_bytes: 1200,
                records: 800,
                good: 400,
                bad: 400,
            };
            assert_eq!(progress.totals(), want);
            progress.finish();
        }
    }

    #[test]
    fn the_line_says_all() {
        let lines = Lines::new("shred", 4_000_000, Vec::new(), LINE_INTERVAL);
        lines.add(1_000_000, 1500, 1400, 100);
        assert_eq!(
            lines.line(Duration::from_secs(2)),
            "shred: 25 % (976.56 KiB of 3.81 MiB), 0.5 MB/s, 1,500 records, 1,400 good, 100 bad, 6 seconds left\n"
        );
        let nothing = Lines::new("shred", 0, Vec::new(), LINE_INTERVAL);
        assert!(nothing.line(Duration::ZERO).contains("unknown time left"));
    }

    #[test]
    fn lines_keep_their_pace() {
        let lines = Lines::new("x", 10, Vec::new(), Duration::from_millis(50));
        let end = Instant::now() + Duration::from_millis(180);
        while Instant::now() < end {
            lines.add(1, 1, 1, 0);
            std::thread::sleep(Duration::from_millis(1));
        }
        let output = lines.output.into_inner().unwrap();
        let count = output.iter().filter(|&&b| b == b'\n').count();
        assert!((1..=3).contains(&count), "{count} lines");
    }

    /// A terminal that keeps what is written.
    #[derive(Debug, Clone, Default)]
    struct Paper(std::sync::Arc<std::sync::Mutex<String>>);

    impl indicatif::TermLike for Paper {
        fn width(&self) -> u16 {
            140
        }
        fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_has_a_valid_template() {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let bar = Bar::new("enrich", 1000, target);
        bar.add(500, 12_345, 12_340, 5);
        bar.bar.set_message(bar.message());
        bar.bar.force_draw();
        let shown = paper.0.lock().unwrap().clone();
        assert!(
            shown.contains("enrich") && shown.contains(" 50 %"),
            "{shown}"
        );
        assert!(shown.contains("12,345 records, 5 bad"), "{shown}");
        bar.finish();
    }
}
