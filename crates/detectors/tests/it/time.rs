//! Times as detectors write them.

use quell_detectors::time::moment;
use serde_json::{Value, json};

fn instant(value: &Value) -> Option<String> {
    moment(&value.to_string().parse().unwrap()).map(|m| m.at.to_string())
}

#[test]
fn every_known_way_to_write_a_time_is_read() {
    let table = [
        (json!("2021-10-14T17:05:15Z"), "2021-10-14T17:05:15Z"),
        (json!("2020-04-04T15:52:59-07:00"), "2020-04-04T22:52:59Z"),
        (json!("2020-04-04t15:52:59.5z"), "2020-04-04T15:52:59.5Z"),
        (json!("2024-04-02 19:17:37.621000000"), "2024-04-02T19:17:37.621Z"),
        (json!("2024-04-02T19:17:37.1234567899"), "2024-04-02T19:17:37.123456789Z"),
        (json!("2024-04-02 19:17:37 -0700"), "2024-04-03T02:17:37Z"),
        (json!("2024-04-02 19:17:37+02"), "2024-04-02T17:17:37Z"),
        (json!("2024-04-02 19:17 UTC"), "2024-04-02T19:17:00Z"),
        (json!("3/24/2022 2:42:35 PM"), "2022-03-24T14:42:35Z"),
        (json!("03/24/2022 12:42:35 AM"), "2022-03-24T00:42:35Z"),
        (json!("24/03/2022 02:42:35"), "2022-03-24T02:42:35Z"),
        (json!("10-19-2003"), "2003-10-19T00:00:00Z"),
        (json!("2003-10-19"), "2003-10-19T00:00:00Z"),
        (json!("19-Oct-2003"), "2003-10-19T00:00:00Z"),
        (json!("Mar 17, 2023 5:07:59 PM"), "2023-03-17T17:07:59Z"),
        (json!("Mon, 19 Oct 2003 10:00:00 +0000"), "2003-10-19T10:00:00Z"),
        (json!("Tue Oct 7 15:52:59 2025 +0200"), "2025-10-07T13:52:59Z"),
        (json!(1_695_135_922), "2023-09-19T15:05:22Z"),
        (json!(1_695_135_922_487_i64), "2023-09-19T15:05:22.487Z"),
        (json!(1_695_135_922_487_123_i64), "2023-09-19T15:05:22.487123Z"),
        (json!(1_695_135_922_487_123_456_i64), "2023-09-19T15:05:22.487123456Z"),
        (json!(133_396_095_224_870_000_i64), "2023-09-19T15:05:22.487Z"),
        (json!(1_695_135_922.25), "2023-09-19T15:05:22.25Z"),
        (json!("1695135922"), "2023-09-19T15:05:22Z"),
        (json!("1695135922.250"), "2023-09-19T15:05:22.25Z"),
    ];
    for (written, wanted) in table {
        assert_eq!(instant(&written).as_deref(), Some(wanted), "{written}");
    }
}

#[test]
fn what_no_clock_can_have_meant_is_no_time() {
    let table = [
        json!("0001-01-01T00:00:00Z"),
        json!("1970-01-01T00:00:00Z"),
        json!("2200-01-01T00:00:00Z"),
        json!("redacted"),
        json!(""),
        json!(0),
        json!(-1),
        json!(42),
        json!("42"),
        json!("2024"),
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!("2024-13-01"),
        json!("2024-02-30T00:00:00Z"),
        json!("25:00"),
        json!(1e300),
        json!(i64::MIN),
        json!(u64::MAX),
        json!("99999999999999999999"),
        json!("13:00:00 PM 2024-01-01"),
        json!("2024-01-01T10:00:00+99:99"),
        json!("٢٠٢٤-01-01"),
        json!("T".repeat(10_000)),
        json!("-".repeat(60)),
        json!("2024-01-01 2024-01-02"),
    ];
    for written in table {
        assert_eq!(instant(&written), None, "{written}");
    }
}

#[test]
fn a_time_without_zone_or_clock_says_what_was_assumed() {
    let note = |text: &str| moment(&json!(text).to_string().parse().unwrap()).and_then(|m| m.note);
    assert_eq!(note("2024-04-02T19:17:37Z"), None);
    assert!(note("2024-04-02T19:17:37").is_some_and(|n| n.contains("no zone")));
    assert!(note("10-19-2003").is_some_and(|n| n.contains("a day")));
}
