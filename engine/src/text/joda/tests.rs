//! What Joda-Time 2.9.3 made of these texts.

use super::*;

const ISO: [(&str, Result<i64, &str>); 59] = [
    ("2013-05-24T00:08:40+00:00", Ok(1_369_354_120_000)),
    ("2003-12-04T00:18:48.234+00:00", Ok(1_070_497_128_234)),
    ("2013-08T00:18+00:00", Ok(1_375_316_280_000)),
    ("2013T1+00:00", Ok(1_357_002_000_000)),
    ("2013-5-4T0:8:4+00:00", Ok(1_367_626_084_000)),
    ("2012-02-29T23:59:59+00:00", Ok(1_330_559_999_000)),
    ("2013-05-24T+00:00", Ok(1_369_353_600_000)),
    ("2013-05-24t10+00:00", Ok(1_369_389_600_000)),
    ("T10:20+00:00", Ok(37_200_000)),
    ("2013-05-24", Ok(1_369_353_600_000)),
    ("+2013-05-24T00:00:00+00:00", Ok(1_369_353_600_000)),
    ("-2013-05-24T00:00:00+00:00", Ok(-125_678_995_200_000)),
    ("0-1-1T0+00:00", Ok(-62_167_219_200_000)),
    (
        "123456789-01-01T00:00:00+00:00",
        Ok(3_895_857_797_385_600_000),
    ),
    (
        "2013-366T1+00:00",
        Err(
            "Cannot parse \"2013-366T1+00:00\": Value 366 for dayOfYear must be in the range [1,365]",
        ),
    ),
    ("2012-366T1+00:00", Ok(1_356_915_600_000)),
    ("2013-W01-1T1+00:00", Ok(1_356_915_600_000)),
    ("2015-W53T1+00:00", Ok(1_451_264_400_000)),
    (
        "2013-W53T1+00:00",
        Err(
            "Cannot parse \"2013-W53T1+00:00\": Value 53 for weekOfWeekyear must be in the range [1,52]",
        ),
    ),
    (
        "2013-W00T1+00:00",
        Err(
            "Cannot parse \"2013-W00T1+00:00\": Value 0 for weekOfWeekyear must be in the range [1,52]",
        ),
    ),
    (
        "2013-W01-8T1+00:00",
        Err(
            "Cannot parse \"2013-W01-8T1+00:00\": Value 8 for dayOfWeek must be in the range [1,7]",
        ),
    ),
    ("2013-05-24T10.5+00:00", Ok(1_369_391_400_000)),
    ("2013-05-24T10:20,25+00:00", Ok(1_369_390_815_000)),
    ("2013-05-24T10:20:30.123456789+00:00", Ok(1_369_390_830_123)),
    (
        "2013-05-24T10:20:30.1234567890+00:00",
        Err("Invalid format: \"2013-05-24T10:20:30.1234567890+00:00\" is malformed at \"0+00:00\""),
    ),
    ("2013-05-24T10:20:30,5+00:00", Ok(1_369_390_830_500)),
    ("2013-05-24T10:20:30+01:30", Ok(1_369_385_430_000)),
    ("2013-05-24T10:20:30-013015", Ok(1_369_396_245_000)),
    ("2013-05-24T10:20:30+01:30:15.5", Ok(1_369_385_414_500)),
    ("2013-05-24T10:20:30Z", Ok(1_369_390_830_000)),
    (
        "2013-05-24T10:20:30Z+00:00",
        Err("Invalid format: \"2013-05-24T10:20:30Z+00:00\" is malformed at \"+00:00\""),
    ),
    (
        "2013-05-24T10:20:30+24:00",
        Err("Invalid format: \"2013-05-24T10:20:30+24:00\" is malformed at \"+24:00\""),
    ),
    (
        "2013-05-24T10:20:30+1",
        Err("Invalid format: \"2013-05-24T10:20:30+1\" is malformed at \"+1\""),
    ),
    (
        "2013-05-24T10:20:30+01:",
        Err("Invalid format: \"2013-05-24T10:20:30+01:\" is malformed at \"+01:\""),
    ),
    (
        "2013-05-24T24:00:00+00:00",
        Err(
            "Cannot parse \"2013-05-24T24:00:00+00:00\": Value 24 for hourOfDay must be in the range [0,23]",
        ),
    ),
    (
        "2013-05-24T23:60:00+00:00",
        Err(
            "Cannot parse \"2013-05-24T23:60:00+00:00\": Value 60 for minuteOfHour must be in the range [0,59]",
        ),
    ),
    (
        "2013-05-24T23:59:60+00:00",
        Err(
            "Cannot parse \"2013-05-24T23:59:60+00:00\": Value 60 for secondOfMinute must be in the range [0,59]",
        ),
    ),
    (
        "2013-13-01T00:00:00+00:00",
        Err(
            "Cannot parse \"2013-13-01T00:00:00+00:00\": Value 13 for monthOfYear must be in the range [1,12]",
        ),
    ),
    (
        "2013-02-30T00:00:00+00:00",
        Err(
            "Cannot parse \"2013-02-30T00:00:00+00:00\": Value 30 for dayOfMonth must be in the range [1,28]",
        ),
    ),
    (
        "2013-00-01T00:00:00+00:00",
        Err(
            "Cannot parse \"2013-00-01T00:00:00+00:00\": Value 0 for monthOfYear must be in the range [1,12]",
        ),
    ),
    (
        "20yy-05-24T00:08:40+00:00",
        Err(
            "Invalid format: \"20yy-05-24T00:08:40+00:00\" is malformed at \"yy-05-24T00:08:40+00:00\"",
        ),
    ),
    ("aTb+00:00", Err("Invalid format: \"aTb+00:00\"")),
    (
        "T+00:00",
        Err("Invalid format: \"T+00:00\" is malformed at \"+00:00\""),
    ),
    ("", Err("Invalid format: \"\"")),
    ("-T+00:00", Err("Invalid format: \"-T+00:00\"")),
    (
        "2013-",
        Err("Invalid format: \"2013-\" is malformed at \"-\""),
    ),
    (
        "2013-05-24Tx+00:00",
        Err("Invalid format: \"2013-05-24Tx+00:00\" is malformed at \"x+00:00\""),
    ),
    (
        "2013-05-24T10:2x+00:00",
        Err("Invalid format: \"2013-05-24T10:2x+00:00\" is malformed at \"x+00:00\""),
    ),
    (
        "2013-05-24T10:+00:00",
        Err("Invalid format: \"2013-05-24T10:+00:00\" is malformed at \":+00:00\""),
    ),
    (
        "2013-05-24 00:00:00+00:00",
        Err("Invalid format: \"2013-05-24 00:00:00+00:00\" is malformed at \" 00:00:00+00:00\""),
    ),
    (
        "1234567890-01-01T00:00:00+00:00",
        Err(
            "Invalid format: \"1234567890-01-01T00:00:00+00:00\" is malformed at \"0-01-01T00:00:00+00:00\"",
        ),
    ),
    (
        "999999999-01-01T00:00:00+00:00",
        Err(
            "Cannot parse \"999999999-01-01T00:00:00+00:00\": Value 999999999 for year must be in the range [-292275055,292278994]",
        ),
    ),
    (
        "2013-05-24T00:00:00é+00:00",
        Err("Invalid format: \"2013-05-24T00:00:00é+00:00\" is malformed at \"é+00:00\""),
    ),
    ("é", Err("Invalid format: \"é\"")),
    (
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        Err("Invalid format: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\""),
    ),
    (
        "2013x😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
        Err(
            "Invalid format: \"2013x😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀?...\" is malformed at \"x😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀?...\"",
        ),
    ),
    (
        "2013xy😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
        Err(
            "Invalid format: \"2013xy😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀...\" is malformed at \"xy😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀...\"",
        ),
    ),
    (
        "2013xyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        Err(
            "Invalid format: \"2013xyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\" is malformed at \"xyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"",
        ),
    ),
    (
        "2013xyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        Err(
            "Invalid format: \"2013xyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...\" is malformed at \"xyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...\"",
        ),
    ),
];

/// By `yyyy-MM-dd HH:mm:ss.SSS`.
const TSTAMPS: [(&str, Option<i64>); 19] = [
    ("2013-05-24 00:08:40.123", Some(1_369_354_120_123)),
    ("2013-5-4 0:8:4.1", Some(1_367_626_084_100)),
    ("2013-5-4 0:8:4.12", Some(1_367_626_084_120)),
    ("+2013-5-4 0:8:4.1", Some(1_367_626_084_100)),
    ("-5-5-4 0:8:4.1", Some(-62_314_357_915_900)),
    ("0-1-1 0:0:0.0", Some(-62_167_219_200_000)),
    ("123456789-1-1 0:0:0.0", Some(3_895_857_797_385_600_000)),
    ("2012-02-29 23:59:59.999", Some(1_330_559_999_999)),
    ("1234567890-1-1 0:0:0.0", None),
    ("2013-02-29 00:00:00.000", None),
    ("2013-05-24 24:00:00.000", None),
    ("2013-05-24 00:00:00", None),
    ("2013-05-24 00:00:00.", None),
    ("2013-05-24 00:00:00.1234", None),
    ("2013-05-24T00:00:00.000", None),
    ("2013-05-24  0:00:00.000", None),
    ("2013-05-24 00:00:00.000 ", None),
    ("", None),
    ("2013-05-24 00:00:0x.000", None),
];

const PATTERNS: [(&str, &str, Result<i64, &str>); 13] = [
    (
        "07/24/2018 10:11",
        "MM/dd/yyyy HH:mm",
        Ok(1_532_427_060_000),
    ),
    ("7/4/2018", "MM/dd/yyyy", Ok(1_530_662_400_000)),
    ("10:11", "HH:mm", Ok(36_660_000)),
    (
        "2018-07-24T10:11:12Z",
        "yyyy-MM-dd'T'HH:mm:ssZ",
        Ok(1_532_427_072_000),
    ),
    (
        "2018-07-24T10:11:12+0100",
        "yyyy-MM-dd'T'HH:mm:ssZ",
        Ok(1_532_423_472_000),
    ),
    ("20180724", "yyyyMMdd", Ok(1_532_390_400_000)),
    ("02-29", "MM-dd", Ok(951_782_400_000)),
    (
        "2018-07-24 10:11:12",
        "yyyy-MM-dd HH:mm:ss",
        Ok(1_532_427_072_000),
    ),
    ("366", "D", Ok(978_220_800_000)),
    ("it's 5", "'it''s' H", Ok(18_000_000)),
    ("it is 5", "'it''s' H", Err("Invalid format: \"it is 5\"")),
    (
        "2018-07-24",
        "yyyy-MM-dd HH:mm:ss",
        Err("Invalid format: \"2018-07-24\" is too short"),
    ),
    (
        "13/1/2018",
        "MM/dd/yyyy",
        Err("Cannot parse \"13/1/2018\": Value 13 for monthOfYear must be in the range [1,12]"),
    ),
];

#[test]
fn iso_date_times() {
    for (text, expected) in ISO {
        let found = parse_iso_date_time(text);
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "{text}"
        );
    }
}

#[test]
fn tstamps() {
    for (text, expected) in TSTAMPS {
        assert_eq!(parse_tstamp(text), expected, "{text}");
    }
    assert_eq!(parse_tstamp(&"1".repeat(1_000_000)), None);
}

#[test]
fn patterns() {
    for (text, pattern, expected) in PATTERNS {
        let found = parse_pattern(text, pattern);
        assert_eq!(
            found.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|e| *e),
            "{text}"
        );
    }
    assert_eq!(
        Pattern::new("dd/MMM/yyyy").err().as_deref(),
        Some("Illegal pattern component: MMM")
    );
}

#[test]
fn short_cut_and_parser_agree() {
    for millis in (-62_167_219_200_000..253_402_300_800_000).step_by(86_399_999 * 97) {
        let text = crate::text::time::format_tstamp(millis);
        assert_eq!(fixed_tstamp(text.as_bytes()), Some(millis));
        assert_eq!(parse_pattern(&text, "yyyy-MM-dd HH:mm:ss.SSS"), Ok(millis));
        let text = format!("{}+00:00", text.replace(' ', "T"));
        assert_eq!(fixed_iso(text.as_bytes()), Some(millis));
        assert_eq!(parse(&ISO_DATE_TIME, &text), Ok(millis));
    }
}

#[test]
fn years_at_the_end_of_time_do_not_panic() {
    for year in ["292278994", "-292275055", "292278993", "-292275054"] {
        for rest in ["", "-01-01", "-12-31", "-W01", "-366"] {
            let _ = parse_iso_date_time(&format!("{year}{rest}T23:59:59-23:59"));
        }
    }
}
