//! Bytes to records, however they arrive.

use proptest::prelude::*;
use quell_detectors::telemetry::split::{Piece, RECORD_MAX, Split};

fn pieces_of(bytes: &[u8], sizes: &[usize]) -> Vec<String> {
    let mut split = Split::default();
    let mut out = Vec::new();
    let mut take = |piece: Piece<'_>| {
        out.push(match piece {
            Piece::Json(b) => format!("json {}", String::from_utf8_lossy(b).split_whitespace().collect::<String>()),
            Piece::Line(b) => format!("line {}", String::from_utf8_lossy(b)),
            Piece::Broken(reason) => format!("broken {reason}"),
        });
    };
    let mut rest = bytes;
    for size in sizes.iter().cycle().take(bytes.len() + 1) {
        let (now, later) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        split.feed(now, &mut take);
        rest = later;
    }
    split.feed(rest, &mut take);
    split.finish(&mut take);
    out
}

fn pieces(text: &str) -> Vec<String> {
    pieces_of(text.as_bytes(), &[usize::MAX])
}

/// A text, and the records in it.
const TABLE: &[(&str, &[&str])] = &[
    ("", &[]),
    ("  \n ", &[]),
    (r#"{"a":1}"#, &[r#"json {"a":1}"#]),
    ("{\"a\":1}\n{\"b\":2}\n", &[r#"json {"a":1}"#, r#"json {"b":2}"#]),
    ("{\"a\":1}{\"b\":2}", &[r#"json {"a":1}"#, r#"json {"b":2}"#]),
    ("[{\"a\":1},\n {\"b\":[1,{}]}]", &[r#"json {"a":1}"#, r#"json {"b":[1,{}]}"#]),
    ("[]", &[]),
    ("{\n \"a\": {\n  \"b\": 1\n }\n}", &[r#"json {"a":{"b":1}}"#]),
    // Wrappers, with something before and after the list.
    (r#"{"Records":[{"a":1},{"b":2}]}"#, &[r#"json {"a":1}"#, r#"json {"b":2}"#]),
    (r#"{"@odata.context":"x","value":[{"a":1}],"@odata.nextLink":"y{[\"z"}"#, &[r#"json {"a":1}"#]),
    (r#"{"kind":"EventList","metadata":{"n":[1]},"items":[{"a":1}]}"#, &[r#"json {"a":1}"#]),
    ("{\"Records\":[{\"a\":1}]}\n{\"Records\":[{\"b\":2}]}", &[r#"json {"a":1}"#, r#"json {"b":2}"#]),
    ("{\"Records\":[]}", &[]),
    // A list of the same name in the middle of a record is a part of it.
    (r#"{"id":7,"value":[{"a":1}]}"#, &[r#"json {"id":7,"value":[{"a":1}]}"#]),
    (r#"{"resources":[{"a":1}]}"#, &[r#"json {"resources":[{"a":1}]}"#]),
    // Brackets and quotes in texts.
    (r#"{"a":"}]{[\"\\"}"#, &[r#"json {"a":"}]{[\"\\"}"#]),
    // One line that is cut off spoils itself alone.
    ("{\"a\":\"cut\n{\"b\":2}\n", &["broken a text is not closed on its line", r#"json {"b":2}"#]),
    ("{\"a\":{\"b\":1\n{\"c\":2}\n", &["broken the record is cut off", r#"json {"c":2}"#]),
    ("{\"a\":1}\n{\"b\":", &[r#"json {"a":1}"#, "broken the record is cut off"]),
    ("[{\"a\":1},{\"b\"", &[r#"json {"a":1}"#, "broken the record is cut off"]),
    ("[{\"a\":1},", &[r#"json {"a":1}"#, "broken the file is cut off after its last record"]),
    (
        "{\"a\":1}\nnonsense here\n{\"b\":2}",
        &[r#"json {"a":1}"#, "broken no record, but a bare value or something that is not JSON", r#"json {"b":2}"#],
    ),
    (
        "[{\"b\":2},1,\"x,]\",{\"a\":1}]",
        &[
            r#"json {"b":2}"#,
            "broken no record, but a bare value or something that is not JSON",
            "broken no record, but a bare value or something that is not JSON",
            r#"json {"a":1}"#,
        ],
    ),
    // Text.
    ("one\n\n two \nthree", &["line one", "line two", "line three"]),
    ("[4711] LOG:  x\nnext", &["line [4711] LOG:  x", "line next"]),
    ("\u{feff}{\"a\":1}", &[r#"json {"a":1}"#]),
];

#[test]
fn every_form_of_a_file_gives_its_records() {
    for (text, wanted) in TABLE {
        assert_eq!(pieces(text), *wanted, "{text:?}");
    }
}

#[test]
fn a_record_that_is_too_large_is_told_and_the_next_is_read() {
    let large = format!("{{\"a\":\"{}\"}}\n{{\"b\":2}}\n", "x".repeat(RECORD_MAX));
    assert_eq!(pieces(&large), ["broken the record is larger than a record may be", r#"json {"b":2}"#]);
    let long = format!("first\n{}\nlast\n", "y".repeat(RECORD_MAX + 1));
    assert_eq!(pieces(&long), ["line first", "broken the line is longer than a record may be", "line last"]);
}

proptest! {
    /// Where a piece of bytes ends says nothing about where a record does.
    #[test]
    fn the_records_are_the_same_in_pieces_of_every_size(n in 0..TABLE.len(), sizes in prop::collection::vec(1_usize..9, 1..6)) {
        // The form of a file is judged by its first bytes: they come together.
        let text = TABLE[n].0;
        let head = text.len().min(8);
        let mut all = vec![head.max(1)];
        all.extend(sizes);
        let mut split = Split::default();
        let mut count = 0;
        let mut take = |_: Piece<'_>| count += 1;
        let bytes = text.as_bytes();
        split.feed(&bytes[..head], &mut take);
        let mut at = head;
        for size in all.iter().cycle() {
            if at >= bytes.len() {
                break;
            }
            let end = (at + size).min(bytes.len());
            split.feed(&bytes[at..end], &mut take);
            at = end;
        }
        split.finish(&mut take);
        prop_assert_eq!(count, TABLE[n].1.len());
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_one_record(bytes in prop::collection::vec(any::<u8>(), 0..400), size in 1_usize..50) {
        pieces_of(&bytes, &[size]);
    }

    #[test]
    fn no_brackets_make_it_panic(text in "[\\[\\]{}\", \n:a\\\\]{0,60}", size in 1_usize..9) {
        pieces_of(text.as_bytes(), &[size]);
    }
}
