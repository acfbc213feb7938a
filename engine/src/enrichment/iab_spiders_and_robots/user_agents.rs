//! The lists of user agents: who is a browser, and who of these is a robot all the same.
//!
//! One pass over a user agent finds all patterns of both lists at once.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::text::java_number::parse_int;
use crate::text::time::{MILLIS_PER_DAY, days_from_civil};

use super::delimited::{Record, records};

/// Up to so many bytes of patterns the fastest automaton, which is the largest, is built.
const SMALL: usize = 64 << 10;

/// An entry of the list of browsers.
#[derive(Debug)]
struct Include {
    /// Without it the entry counts until `inactive_ms`.
    is_active: bool,
    inactive_ms: Option<i64>,
}

/// An entry of the list of robots.
#[derive(Debug)]
struct Exclude {
    inactive_ms: Option<i64>,
    impact: &'static str,
}

/// What a pattern stands for; the number is that of the entry.
#[derive(Debug, Clone, Copy)]
enum Use {
    Include {
        entry: usize,
        only_at_start: bool,
    },
    Exclude {
        entry: usize,
        only_at_start: bool,
    },
    /// Makes the entry of the list of robots not count.
    Exception {
        entry: usize,
    },
}

/// Both lists.
#[derive(Debug)]
pub(super) struct UserAgentLists {
    automaton: AhoCorasick,
    /// What each pattern of the automaton stands for.
    uses: Vec<Vec<Use>>,
    included: Vec<Include>,
    excluded: Vec<Exclude>,
}

/// What is wrong with the lists.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) included: Vec<String>,
    pub(super) excluded: Vec<String>,
}

/// What the lists say about a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// It is in the list of browsers.
    pub(super) is_included: bool,
    /// The first entry of the list of robots.
    pub(super) excluded: Option<Excluded>,
}

/// What an entry of the list of robots says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Excluded {
    pub(super) is_active: bool,
    pub(super) impact: &'static str,
}

/// Patterns, each once.
#[derive(Debug, Default)]
struct Patterns {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
    uses: Vec<Vec<Use>>,
}

impl Patterns {
    fn add(&mut self, pattern: &str, of: Use) {
        let pattern = pattern.to_lowercase();
        let number = *self.numbers.entry(pattern).or_insert_with_key(|pattern| {
            self.texts.push(pattern.clone());
            self.uses.push(Vec::new());
            self.texts.len() - 1
        });
        self.uses[number].push(of);
    }
}

impl UserAgentLists {
    /// Reads both lists.
    ///
    /// # Errors
    /// All that cannot be used.
    pub(super) fn read(included: &str, excluded: &str) -> Result<Self, Failures> {
        let mut failures = Failures::default();
        let mut patterns = Patterns::default();
        let entries = |text: &str, failures: &mut Vec<String>| match records(text) {
            Ok(records) if records.is_empty() => {
                failures.push("no line with an entry: fetch the list anew".to_owned());
                records
            }
            Ok(records) => records,
            Err(text) => {
                failures.push(text);
                Vec::new()
            }
        };
        let included_records = entries(included, &mut failures.included);
        let excluded_records = entries(excluded, &mut failures.excluded);
        let mut included = Vec::new();
        for record in &included_records {
            included.extend(include(record, included.len(), &mut patterns));
        }
        let mut excluded = Vec::new();
        for record in &excluded_records {
            match exclude(record, excluded.len(), &mut patterns) {
                Ok(entry) => excluded.extend(entry),
                Err(text) => failures.excluded.push(text),
            }
        }
        let size: usize = patterns.texts.iter().map(String::len).sum();
        let kind = (size <= SMALL).then_some(AhoCorasickKind::DFA);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .kind(kind)
            .build(&patterns.texts);
        let automaton = match automaton {
            Ok(automaton) if failures.included.is_empty() && failures.excluded.is_empty() => {
                automaton
            }
            Ok(_) => return Err(failures),
            Err(error) => {
                failures.excluded.push(format!("too large: {error}"));
                return Err(failures);
            }
        };
        Ok(Self {
            automaton,
            uses: patterns.uses,
            included,
            excluded,
        })
    }

    /// Looks a user agent up, for a time in milliseconds since the epoch.
    pub(super) fn find(&self, useragent: &str, time_ms: i64) -> Found {
        // the automaton folds ASCII itself
        let folded;
        let text = match useragent.is_ascii() {
            true => useragent,
            false => {
                folded = useragent.to_lowercase();
                &folded
            }
        };
        let mut is_included = false;
        let (mut found, mut exceptions) = (Vec::new(), Vec::new());
        let add = |entries: &mut Vec<usize>, entry: usize| {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        };
        for pattern in self.automaton.find_overlapping_iter(text) {
            let fits = |only_at_start: bool| !only_at_start || pattern.start() == 0;
            for of in &self.uses[pattern.pattern().as_usize()] {
                match *of {
                    Use::Include {
                        entry,
                        only_at_start,
                    } => {
                        is_included = is_included
                            || fits(only_at_start) && self.included[entry].counts(time_ms);
                    }
                    Use::Exclude {
                        entry,
                        only_at_start,
                    } if fits(only_at_start) => {
                        add(&mut found, entry);
                    }
                    Use::Exclude { .. } => {}
                    Use::Exception { entry } => add(&mut exceptions, entry),
                }
            }
        }
        let first = found
            .iter()
            .filter(|entry| !exceptions.contains(entry))
            .min();
        let excluded = first.map(|&entry| {
            let Exclude {
                inactive_ms,
                impact,
            } = self.excluded[entry];
            Excluded {
                is_active: inactive_ms.is_none_or(|inactive| time_ms < inactive),
                impact,
            }
        });
        Found {
            is_included,
            excluded,
        }
    }
}

impl Include {
    fn counts(&self, time_ms: i64) -> bool {
        self.is_active || self.inactive_ms.is_some_and(|inactive| time_ms < inactive)
    }
}

/// Reads an entry `pattern|active|only at start|inactive date`, unless it never counts.
fn include(record: &Record, entry: usize, patterns: &mut Patterns) -> Option<Include> {
    let include = Include {
        is_active: record.is_set(1),
        inactive_ms: date(record.field(3)),
    };
    if !include.is_active && include.inactive_ms.is_none() {
        return None;
    }
    let only_at_start = record.is_set(2);
    let of = Use::Include {
        entry,
        only_at_start,
    };
    patterns.add(record.field(0).unwrap_or_default(), of);
    Some(include)
}

/// Reads an entry `pattern|active|exceptions|-|impact|only at start|inactive date`, unless it never counts.
fn exclude(
    record: &Record,
    entry: usize,
    patterns: &mut Patterns,
) -> Result<Option<Exclude>, String> {
    let inactive_ms = date(record.field(6));
    if !record.is_set(1) && inactive_ms.is_none() {
        return Ok(None);
    }
    let flag = record.field(4).unwrap_or_default();
    let impact = match parse_int(flag) {
        Some(0) => "PAGE_IMPRESSIONS",
        Some(1) => "AD_IMPRESSIONS",
        Some(2) => "PAGE_AND_AD_IMPRESSIONS",
        _ => {
            return Err(format!(
                "line {}: the impact flag, the fifth field, is {flag:?} and must be 0, 1 or 2; correct the line or remove it",
                record.line
            ));
        }
    };
    let only_at_start = record.is_set(5);
    let of = Use::Exclude {
        entry,
        only_at_start,
    };
    patterns.add(record.field(0).unwrap_or_default(), of);
    for exception in record.field(2).unwrap_or_default().split(',') {
        let exception = exception.trim_matches(|c| c <= ' ');
        if !exception.is_empty() {
            patterns.add(exception, Use::Exception { entry });
        }
    }
    Ok(Some(Exclude {
        inactive_ms,
        impact,
    }))
}

/// Midnight of a date `MM/dd/yyyy`, in milliseconds since the epoch, as Java's `SimpleDateFormat` reads it: numbers of any
/// length, months and days beyond the calendar go on into the next year or month, anything may follow.
fn date(text: Option<&str>) -> Option<i64> {
    let mut rest = text?;
    let mut numbers = [0i64; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('/')?;
        }
        rest = rest.trim_start_matches([' ', '\t']);
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if end > 9 {
            return None;
        }
        *number = rest[..end].parse().ok()?;
        rest = &rest[end..];
    }
    let [month, day, year] = numbers;
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) as u32 + 1;
    Some(days_from_civil(year, month, day) * MILLIS_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCLUDED: &str = "# browsers\nMozilla/5.0|1|1\nsome user agent|1|0\nold|0|0|03/30/2017\nnever|0|0\nÄgent|1|0\n";
    const EXCLUDED: &str = "# robots\nxiva|1||0|0|0\nsome|1|nice, Some User|0|1|0\nxiva bot|1||0|2\nGone|0||0|1|0|12/20/2011\nnever|0||0|9|0\nSTART|1||0|2|1\n";

    fn found(useragent: &str, date_text: &str) -> (bool, Option<(bool, &'static str)>) {
        let lists = UserAgentLists::read(INCLUDED, EXCLUDED).unwrap();
        let found = lists.find(useragent, date(Some(date_text)).unwrap());
        (
            found.is_included,
            found.excluded.map(|e| (e.is_active, e.impact)),
        )
    }

    #[test]
    fn entries_count() {
        let now = "01/01/2018";
        for (useragent, date, expected) in [
            ("Mozilla/5.0 (X11)", now, (true, None)),
            ("mozilla/5.0", now, (true, None)),
            ("x Mozilla/5.0", now, (false, None)),
            ("x SOME USER AGENT", now, (true, None)),
            ("old", now, (false, None)),
            ("old", "03/29/2017", (true, None)),
            ("old", "03/30/2017", (false, None)),
            ("never", now, (false, None)),
            ("äGENT", now, (true, None)),
            ("", now, (false, None)),
            (
                "Mozilla/5.0 xiva bot",
                now,
                (true, Some((true, "PAGE_IMPRESSIONS"))),
            ),
            (
                "Mozilla/5.0 awesome",
                now,
                (true, Some((true, "AD_IMPRESSIONS"))),
            ),
            ("Mozilla/5.0 awesome NICE", now, (true, None)),
            (
                "Mozilla/5.0 gone",
                now,
                (true, Some((false, "AD_IMPRESSIONS"))),
            ),
            (
                "Mozilla/5.0 gone",
                "12/19/2011",
                (true, Some((true, "AD_IMPRESSIONS"))),
            ),
            ("Mozilla/5.0 start", now, (true, None)),
            (
                "start some user agent",
                now,
                (true, Some((true, "PAGE_AND_AD_IMPRESSIONS"))),
            ),
        ] {
            assert_eq!(found(useragent, date), expected, "{useragent} {date}");
        }
    }

    #[test]
    fn dates_are_lenient() {
        let day = |year, month, day| Some(days_from_civil(year, month, day) * MILLIS_PER_DAY);
        for (text, expected) in [
            ("03/30/2017", day(2017, 3, 30)),
            ("3/1/2017", day(2017, 3, 1)),
            (" 3/ 1/2017 noon", day(2017, 3, 1)),
            ("13/32/2017", day(2018, 2, 1)),
            ("0/0/2017", day(2016, 11, 30)),
            ("12/20/11", day(11, 12, 20)),
            ("", None),
            ("soon", None),
            ("03-30-2017", None),
            ("03/30", None),
            ("03/30/", None),
            ("03/30/99999999999", None),
        ] {
            assert_eq!(date(Some(text)), expected, "{text}");
        }
        assert_eq!(date(None), None);
    }

    #[test]
    fn unusable_lists_are_told() {
        let failures = UserAgentLists::read("", "# only a comment\n").unwrap_err();
        assert_eq!(
            failures.included,
            ["no line with an entry: fetch the list anew"]
        );
        assert_eq!(failures.excluded, failures.included);
        let failures = UserAgentLists::read("a|1|\"x", "a|1||0|3|0\nb|1\nc|0\n").unwrap_err();
        assert!(failures.included[0].starts_with("line 1: a quoted field has no end"));
        assert_eq!(failures.excluded.len(), 2);
        assert!(
            failures.excluded[0]
                .starts_with("line 1: the impact flag, the fifth field, is \"3\" and must")
        );
        assert!(
            failures.excluded[1]
                .starts_with("line 2: the impact flag, the fifth field, is \"\" and must")
        );
    }

    #[test]
    fn an_empty_pattern_is_in_every_text() {
        let lists = UserAgentLists::read("|1|0", "\"\"|1||0|0|0").unwrap();
        for text in ["", "abc"] {
            let found = lists.find(text, 0);
            assert!(found.is_included && found.excluded.is_some());
        }
        let long = "xiva some gone ".repeat(50_000);
        let lists = UserAgentLists::read(INCLUDED, EXCLUDED).unwrap();
        assert!(lists.find(&long, 0).excluded.is_some());
    }
}
