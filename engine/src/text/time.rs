//! Calendar arithmetic and the fixed formats in which times are printed (proleptic Gregorian, UTC).
//!
//! In: milliseconds since the epoch. Out: texts as Joda-Time prints them (a year has at least four digits,
//! a negative one a sign), and Joda's subtraction of the calendar period between two times.

/// Milliseconds of a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

/// A day of the proleptic Gregorian calendar; year 0 is the one before year 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilDate {
    /// Year, negative before year 0.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// The date that is `days` after 1970-01-01.
pub fn civil_from_days(days: i64) -> CivilDate {
    // years begin on 1 March, so that leap days come last; 400 years are an era
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    CivilDate {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: month as u32,
        day: day as u32,
    }
}

/// Days from 1970-01-01 to a date; `month` is 1 to 12, `day` may lie outside the month.
pub fn days_from_civil(year: i64, month: u32, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Whether a year has 366 days.
pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month (1 to 12).
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The year of a time: outside 0 to 9999 it is not what a warehouse takes.
pub fn year_of(millis: i64) -> i64 {
    civil_from_days(millis.div_euclid(MILLIS_PER_DAY)).year
}

/// `yyyy-MM-dd HH:mm:ss.SSS` of milliseconds since the epoch; a year has at least four digits.
pub fn format_tstamp(millis: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_tstamp(millis, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends what [`format_tstamp`] returns.
pub fn write_tstamp(millis: i64, out: &mut Vec<u8>) {
    write(millis, b' ', out);
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSS'Z'` of milliseconds since the epoch.
pub fn format_iso_millis(millis: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_iso_millis(millis, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends what [`format_iso_millis`] returns.
pub fn write_iso_millis(millis: i64, out: &mut Vec<u8>) {
    write(millis, b'T', out);
    out.push(b'Z');
}

fn write(millis: i64, separator: u8, out: &mut Vec<u8>) {
    let date = civil_from_days(millis.div_euclid(MILLIS_PER_DAY));
    // below 86,400,000
    let of_day = millis.rem_euclid(MILLIS_PER_DAY) as u32;
    if date.year < 0 {
        out.push(b'-');
    }
    let year = date.year.unsigned_abs();
    if year > 9_999 {
        out.extend_from_slice(year.to_string().as_bytes());
    } else {
        let year = year as u32;
        out.extend(two_digits(year / 100));
        out.extend(two_digits(year % 100));
    }
    let [m1, m2] = two_digits(date.month);
    let [d1, d2] = two_digits(date.day);
    let [h1, h2] = two_digits(of_day / 3_600_000);
    let [i1, i2] = two_digits(of_day / 60_000 % 60);
    let [s1, s2] = two_digits(of_day / 1_000 % 60);
    let fraction = of_day % 1_000;
    let [f2, f3] = two_digits(fraction % 100);
    out.extend_from_slice(&[
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        separator,
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
        b'.',
        digit(fraction / 100),
        f2,
        f3,
    ]);
}

fn digit(value: u32) -> u8 {
    b'0' + (value % 10) as u8
}

fn two_digits(value: u32) -> [u8; 2] {
    [digit(value / 10), digit(value)]
}

/// The years that Joda-Time can represent.
const YEARS: std::ops::RangeInclusive<i64> = -292_275_054..=292_278_993;

/// A time as date and milliseconds of the day.
#[derive(Debug, Clone, Copy)]
struct Instant {
    date: CivilDate,
    of_day: i64,
}

impl Instant {
    fn from_millis(millis: i64) -> Self {
        Self {
            date: civil_from_days(millis.div_euclid(MILLIS_PER_DAY)),
            of_day: millis.rem_euclid(MILLIS_PER_DAY),
        }
    }

    fn to_millis(self) -> i64 {
        let date = self.date;
        days_from_civil(date.year, date.month, i64::from(date.day)) * MILLIS_PER_DAY + self.of_day
    }

    /// Milliseconds since the start of the month.
    fn of_month(self) -> i64 {
        i64::from(self.date.day - 1) * MILLIS_PER_DAY + self.of_day
    }

    /// Milliseconds since the start of the year.
    fn of_year(self) -> i64 {
        let date = self.date;
        let day = days_from_civil(date.year, date.month, i64::from(date.day));
        (day - days_from_civil(date.year, 1, 1)) * MILLIS_PER_DAY + self.of_day
    }

    /// Moves by months, clamping to the end of the month.
    fn plus_months(self, months: i64) -> Result<Self, String> {
        let total = self.date.year * 12 + i64::from(self.date.month) - 1 + months;
        let year = total.div_euclid(12);
        let month = total.rem_euclid(12) as u32 + 1;
        if !YEARS.contains(&year) {
            return Err(format!(
                "Value {year} for year must be in the range [{},{}]",
                YEARS.start(),
                YEARS.end()
            ));
        }
        let day = self.date.day.min(days_in_month(year, month));
        Ok(Self {
            date: CivilDate { year, month, day },
            of_day: self.of_day,
        })
    }

    /// Whole years from `start` to `self`, which is not earlier.
    fn years_since(self, start: Self) -> i64 {
        const FEB_29: i64 = 59 * MILLIS_PER_DAY;
        let (mut end_rest, mut start_rest) = (self.of_year(), start.of_year());
        // the leap day is taken out of the comparison
        if start_rest >= FEB_29 {
            if is_leap_year(start.date.year) {
                if !is_leap_year(self.date.year) {
                    start_rest -= MILLIS_PER_DAY;
                }
            } else if end_rest >= FEB_29 && is_leap_year(self.date.year) {
                end_rest -= MILLIS_PER_DAY;
            }
        }
        self.date.year - start.date.year - i64::from(end_rest < start_rest)
    }

    /// Whole months from `start` to `self`, which is not earlier.
    fn months_since(self, mut start: Self) -> i64 {
        let months = (self.date.year - start.date.year) * 12 + i64::from(self.date.month)
            - i64::from(start.date.month);
        // the last day of a month counts as reached by any later day of another
        if self.date.day == days_in_month(self.date.year, self.date.month) {
            start.date.day = start.date.day.min(self.date.day);
        }
        months - i64::from(self.of_month() < start.of_month())
    }
}

/// Collector time minus the calendar period (Joda's standard period, greedy from years) between created
/// and sent; all in milliseconds since the epoch. Errors are the text of Joda's exception.
///
/// Weeks and smaller units are exact; only years and months depend on where they are subtracted.
pub fn subtract_period(created: i64, sent: i64, collector: i64) -> Result<i64, String> {
    let overflow = || "The calculation caused an overflow".to_owned();
    let (start, end) = (Instant::from_millis(created), Instant::from_millis(sent));
    let (years, months, from);
    if created <= sent {
        years = end.years_since(start);
        let mid = start.plus_months(years * 12)?;
        months = end.months_since(mid);
        from = mid.plus_months(months)?;
    } else {
        years = -start.years_since(end);
        let mid = start.plus_months(years * 12)?;
        months = -mid.months_since(end);
        from = mid.plus_months(months)?;
    }
    let rest = sent.checked_sub(from.to_millis()).ok_or_else(overflow)?;
    let moved = if years == 0 && months == 0 {
        collector
    } else {
        Instant::from_millis(collector)
            .plus_months(-years * 12)?
            .plus_months(-months)?
            .to_millis()
    };
    moved.checked_sub(rest).ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> i64 {
        crate::text::joda::parse_pattern(text, "yyyy-MM-dd HH:mm:ss.SSS").unwrap()
    }

    #[test]
    fn printed_times() {
        for (time, expected) in [
            (0, "1970-01-01 00:00:00.000"),
            (1, "1970-01-01 00:00:00.001"),
            (-1, "1969-12-31 23:59:59.999"),
            (1_000_000_000_000, "2001-09-09 01:46:40.000"),
            (951_782_399_999, "2000-02-28 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (1_111_111_111_111_111, "37179-09-17 07:18:31.111"),
            (315_569_520_000_000, "11970-01-01 00:00:00.000"),
            (-63_113_904_000_000, "-0030-01-01 00:00:00.000"),
            (-62_167_219_200_000, "0000-01-01 00:00:00.000"),
            (-62_135_596_800_000, "0001-01-01 00:00:00.000"),
            (253_402_300_799_999, "9999-12-31 23:59:59.999"),
            (253_402_300_800_000, "10000-01-01 00:00:00.000"),
            (i64::MAX, "292278994-08-17 07:12:55.807"),
            (i64::MIN, "-292275055-05-16 16:47:04.192"),
        ] {
            assert_eq!(format_tstamp(time), expected);
            assert_eq!(
                format_iso_millis(time),
                format!("{}Z", expected.replace(' ', "T"))
            );
        }
        assert_eq!(year_of(-63_113_904_000_000), -30);
        assert_eq!(year_of(253_402_300_800_000), 10_000);
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..3_700_000)
            .step_by(13)
            .chain([i64::MAX / MILLIS_PER_DAY])
        {
            let date = civil_from_days(days);
            assert_eq!(
                days_from_civil(date.year, date.month, i64::from(date.day)),
                days
            );
            assert!(date.day >= 1 && date.day <= days_in_month(date.year, date.month));
        }
    }

    #[test]
    fn calendar_periods() {
        for (created, sent, collector, derived) in [
            (
                "2014-01-31 00:00:00.000",
                "2014-03-01 00:00:00.000",
                "2014-03-31 00:00:05.000",
                "2014-02-27 00:00:05.000",
            ),
            (
                "2014-02-28 00:00:00.000",
                "2014-03-31 00:00:00.000",
                "2014-03-31 12:00:05.000",
                "2014-02-25 12:00:05.000",
            ),
            (
                "2012-02-29 00:00:00.000",
                "2013-02-28 00:00:00.000",
                "2016-02-29 00:00:00.000",
                "2015-02-28 00:00:00.000",
            ),
            (
                "2014-01-31 00:00:00.000",
                "2014-02-28 00:00:00.000",
                "2014-03-31 00:00:00.000",
                "2014-02-28 00:00:00.000",
            ),
            (
                "2014-04-29 09:00:54.000",
                "2014-04-29 09:00:54.001",
                "2014-04-29 09:00:54.000",
                "2014-04-29 09:00:53.999",
            ),
            (
                "2014-04-29 09:00:54.000",
                "2014-05-28 09:00:53.000",
                "2014-03-31 00:00:00.000",
                "2014-03-02 00:00:01.000",
            ),
            (
                "2012-02-29 00:00:00.000",
                "2016-03-01 00:00:00.000",
                "2015-03-01 00:00:00.000",
                "2011-02-28 00:00:00.000",
            ),
            (
                "0000-01-01 00:00:00.000",
                "9999-12-31 23:59:59.999",
                "2000-01-31 00:00:00.000",
                "-8000-01-29 00:00:00.001",
            ),
        ] {
            let time = subtract_period(millis(created), millis(sent), millis(collector));
            assert_eq!(
                time.map(format_tstamp).as_deref(),
                Ok(derived),
                "{created} {sent}"
            );
        }
    }

    #[test]
    fn extremes_are_errors_at_worst() {
        for created in [i64::MIN, -1, 0, i64::MAX] {
            for sent in [i64::MIN, 0, i64::MAX] {
                for collector in [i64::MIN, 0, i64::MAX] {
                    let _ = subtract_period(created, sent, collector);
                }
            }
        }
        assert!(subtract_period(0, i64::MAX, i64::MIN / 2).is_err());
    }
}
