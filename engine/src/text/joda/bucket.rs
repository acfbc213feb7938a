//! The fields that a parser found, and the time that they make.

use crate::text::time::{
    MILLIS_PER_DAY, civil_from_days, days_from_civil, days_in_month, is_leap_year,
};

/// A field of a time, in the order in which fields are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Year,
    Weekyear,
    MonthOfYear,
    WeekOfWeekyear,
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    HourOfDay,
    /// Milliseconds of an hour, from a fraction.
    FractionOfHour,
    MinuteOfHour,
    FractionOfMinute,
    SecondOfMinute,
    FractionOfSecond,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Weekyear => "weekyear",
            Self::MonthOfYear => "monthOfYear",
            Self::WeekOfWeekyear => "weekOfWeekyear",
            Self::DayOfYear => "dayOfYear",
            Self::DayOfMonth => "dayOfMonth",
            Self::DayOfWeek => "dayOfWeek",
            Self::HourOfDay => "hourOfDay",
            Self::MinuteOfHour => "minuteOfHour",
            Self::SecondOfMinute => "secondOfMinute",
            Self::FractionOfHour | Self::FractionOfMinute | Self::FractionOfSecond => {
                "millisOfSecond"
            }
        }
    }
}

/// No grammar and no pattern that is worth having sets more fields.
const CAPACITY: usize = 16;

/// Fields in the order in which they were read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    fields: [Option<(Field, i64)>; CAPACITY],
    count: usize,
    /// Milliseconds that the offset is ahead of UTC.
    pub(super) offset: i64,
}

impl Bucket {
    /// Notes a field; false if there are too many.
    pub(super) fn save(&mut self, field: Field, value: i64) -> bool {
        match self.fields.get_mut(self.count) {
            Some(slot) => {
                *slot = Some((field, value));
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// Milliseconds since the epoch, or Joda's message about the first field that is out of range.
    pub(super) fn millis(&self) -> Result<i64, String> {
        /// A text that starts with a month or day has no year: Joda assumes a leap year.
        const DEFAULT_YEAR: i64 = 2000;
        let mut fields: Vec<(Field, i64)> = self.fields[..self.count]
            .iter()
            .flatten()
            .copied()
            .collect();
        if fields
            .iter()
            .min()
            .is_some_and(|(first, _)| (Field::MonthOfYear..=Field::DayOfWeek).contains(first))
        {
            fields.push((Field::Year, DEFAULT_YEAR));
        }
        // stable: of two equal fields the later one wins
        fields.sort_by_key(|(field, _)| *field);
        let mut days = 0;
        let mut of_day = 0;
        for (field, value) in fields {
            set(field, value, &mut days, &mut of_day)?;
        }
        // the first and the last year do not fit whole: Joda's time wraps around too
        Ok(days
            .wrapping_mul(MILLIS_PER_DAY)
            .wrapping_add(of_day)
            .wrapping_sub(self.offset))
    }
}

/// Sets a field; what is smaller starts anew.
fn set(field: Field, value: i64, days: &mut i64, of_day: &mut i64) -> Result<(), String> {
    let date = civil_from_days(*days);
    let last_month_day = i64::from(days_in_month(date.year, date.month));
    let (low, high) = match field {
        Field::Year => (-292_275_055, 292_278_994),
        Field::Weekyear => (-292_275_054, 292_278_993),
        Field::MonthOfYear => (1, 12),
        Field::WeekOfWeekyear => (1, weeks_in(weekyear_of(*days))),
        Field::DayOfYear => (1, 365 + i64::from(is_leap_year(date.year))),
        Field::DayOfMonth => (1, last_month_day),
        Field::DayOfWeek => (1, 7),
        Field::HourOfDay => (0, 23),
        Field::MinuteOfHour | Field::SecondOfMinute => (0, 59),
        Field::FractionOfHour => (0, 3_599_999),
        Field::FractionOfMinute => (0, 59_999),
        Field::FractionOfSecond => (0, 999),
    };
    if !(low..=high).contains(&value) {
        let name = field.name();
        return Err(format!(
            "Value {value} for {name} must be in the range [{low},{high}]"
        ));
    }
    match field {
        Field::Year => *days = days_from_civil(value, 1, 1),
        Field::Weekyear => *days = first_week_of(value),
        Field::MonthOfYear => {
            // the value is 1 to 12
            *days = days_from_civil(date.year, value as u32, 1);
        }
        Field::WeekOfWeekyear => *days = first_week_of(weekyear_of(*days)) + 7 * (value - 1),
        Field::DayOfYear => *days = days_from_civil(date.year, 1, value),
        Field::DayOfMonth => *days = days_from_civil(date.year, date.month, value),
        Field::DayOfWeek => *days = monday_of(*days) + value - 1,
        Field::HourOfDay => *of_day = value * 3_600_000,
        Field::MinuteOfHour => *of_day += value * 60_000 - *of_day % 3_600_000,
        Field::SecondOfMinute => *of_day += value * 1_000 - *of_day % 60_000,
        Field::FractionOfHour => *of_day += value - *of_day % 3_600_000,
        Field::FractionOfMinute => *of_day += value - *of_day % 60_000,
        Field::FractionOfSecond => *of_day += value - *of_day % 1_000,
    }
    Ok(())
}

/// The Monday of the week of a day.
fn monday_of(days: i64) -> i64 {
    // day 0 was a Thursday
    days - (days + 3).rem_euclid(7)
}

/// The Monday of the week that has 4 January in it.
fn first_week_of(weekyear: i64) -> i64 {
    monday_of(days_from_civil(weekyear, 1, 4))
}

/// The year of the week's Thursday.
fn weekyear_of(days: i64) -> i64 {
    civil_from_days(monday_of(days) + 3).year
}

fn weeks_in(weekyear: i64) -> i64 {
    (first_week_of(weekyear + 1) - first_week_of(weekyear)) / 7
}
