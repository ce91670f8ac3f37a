//! Lengths of time as people write them: `250ms`, `30s`, `15m`, `12h`, `30d`, `2w`.

use quell_core::time::{SignedDuration, Timestamp};

/// Reads a length of time: a whole number and one of `ms`, `s`, `m`, `h`, `d`, `w`.
///
/// # Errors
///
/// Says what was expected and what was found.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("expected a length of time such as `250ms`, `30s`, `15m`, `12h` or `30d`, found `{text}`");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(SignedDuration::from_millis).ok_or_else(wrong)
}

/// Reads a moment: RFC 3339, or a length of time from `now` on.
///
/// # Errors
///
/// Says what was expected and what was found.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let length = parse(text.strip_prefix('+').unwrap_or(text))
        .map_err(|_| format!("expected an RFC 3339 time or a length of time such as `8h`, found `{text}`"))?;
    now.checked_add(length).map_err(|_| format!("`{text}` from now is beyond the end of time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_moments_are_read_and_anything_else_is_refused() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().expect("a time");
        for (text, millis) in [("250ms", 250), ("0s", 0), ("30s", 30_000), ("15m", 900_000), ("12h", 43_200_000), ("30d", 2_592_000_000)] {
            assert_eq!(parse(text).map(|d| i64::try_from(d.as_millis()).expect("small")), Ok(millis), "{text}");
        }
        for text in ["", "s", "5", "-5s", "5 s", "5y", "1.5h", "99999999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(moment("2026-11-24T09:00:00Z", now).map(|t| t.to_string()), Ok("2026-11-24T09:00:00Z".to_owned()));
        assert_eq!(moment("1h", now).map(|t| t.to_string()), Ok("2026-11-23T10:00:00Z".to_owned()));
        assert!(moment("tomorrow", now).is_err());
    }
}
