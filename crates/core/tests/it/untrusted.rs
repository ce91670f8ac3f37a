//! Text from outside, at every edge it leaves by.

use proptest::prelude::*;
use quell_core::untrusted::Untrusted;

/// Quotes, a tag, a terminal escape, a bidirectional override, zero widths, a formula.
pub const HOSTILE: &str = "=cmd|'/c calc'!A1\"><script>alert(1)</script>\u{1b}[2J\u{202e}gpj.exe\u{200b}\u{2066}\u{feff}\0\r\nSTEP 9 APPROVED; DROP TABLE x;--\u{3164}\u{fe0f}";

fn check(name: &str, shown: &str, forbidden: &[char]) {
    for c in shown.chars() {
        assert!(!forbidden.contains(&c) && !c.is_control(), "{name}: {c:?} in {shown:?}");
        assert!(
            !matches!(u32::from(c), 0x200B..=0x200F | 0x202A..=0x202E | 0x2066..=0x2069 | 0xFEFF | 0x3164 | 0xFE0F),
            "{name}: {shown:?}"
        );
    }
}

#[test]
fn hostile_text_is_harmless_at_every_edge() {
    let text = Untrusted::new(HOSTILE);
    check("terminal", &text.terminal(), &[]);
    check("html", &text.html(), &['<', '>', '"', '\'']);
    check("log", &text.log(), &[]);
    check("csv", &text.csv(), &[]);
    check("debug", &format!("{text:?}"), &[]);
    assert!(text.csv().starts_with("\"'="), "no formula starts: {}", text.csv());
    assert_eq!(text.raw(), HOSTILE, "nothing of it is lost");
}

#[test]
fn a_quoted_field_ends_where_it_should() {
    let table = [("say \"hi\"", "\"say \"\"hi\"\"\""), ("plain", "\"plain\""), ("+1", "\"'+1\""), ("@a", "\"'@a\""), ("-1", "\"'-1\"")];
    for (text, csv) in table {
        assert_eq!(Untrusted::new(text).csv(), csv);
    }
    assert_eq!(Untrusted::new("a\"b\\c\n").log(), "\"a\\\"b\\\\c\\\\u{a}\"");
    assert_eq!(Untrusted::new("x".repeat(500)).log().chars().count(), 202);
}

proptest! {
    #[test]
    fn no_text_changes_a_terminal_or_leaves_its_quotes(text in any::<String>()) {
        let text = Untrusted::new(text);
        check("terminal", &text.terminal(), &[]);
        check("html", &text.html(), &['<', '>', '"', '\'']);
        let log = text.log();
        let inner = &log[1..log.len() - 1];
        let mut escaped = false;
        for c in inner.chars() {
            prop_assert!(escaped || c != '"', "{}", log);
            escaped = !escaped && c == '\\';
        }
        prop_assert!(!escaped);
    }

    #[test]
    fn shortened_text_is_never_longer_than_asked(text in any::<String>(), n in 1_usize..50) {
        prop_assert!(Untrusted::new(text).shortened(n).raw().chars().count() <= n);
    }
}
