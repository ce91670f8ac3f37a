//! Records that come twice.

use quell_core::trace::{Fact, Outcome, REMEMBERED};

use super::*;

fn numbered(id: &str, credential: &str, event: &str) -> Fact {
    Fact { record_id: Some(id.into()), ..call("03:00:00", credential, event) }
}

fn uses(facts: &[Fact]) -> u64 {
    let all = [&[assume("02:00:00", KEY, "ASIAONE", "job")][..], facts].concat();
    let answer = tell(&all);
    link(case(&answer), KEY).uses - 1
}

#[test]
fn a_record_that_comes_twice_counts_once() {
    let one = numbered("e1", KEY, "ListBuckets");
    assert_eq!(uses(&[one.clone(), one.clone(), one.clone()]), 1);
    // An id alone does not make two records one.
    assert_eq!(uses(&[one.clone(), numbered("e1", KEY, "ListUsers")]), 2);
    assert_eq!(uses(&[one.clone(), Fact { system: "aws:222222222222".into(), ..one.clone() }]), 2);
    assert_eq!(
        uses(&[one.clone(), Fact { outcome: Outcome::Done, ..numbered("e1", "AKIAOTHER", "ListBuckets") }]),
        1,
        "somebody else's use is not the key's"
    );
    // Nor do equal ids of what made two different things.
    let made = |id: &str| assume("03:00:00", KEY, id, "job");
    let twins = [made("ASIATWO"), made("ASIATHREE")].map(|f| Fact { record_id: Some("e9".into()), ..f });
    assert_eq!(uses(&twins), 2);
    // Without an id, two equal records are two events.
    let nameless = Fact { record_id: None, ..one };
    assert_eq!(uses(&[nameless.clone(), nameless]), 2);
}

#[test]
fn memory_of_deliveries_is_bounded_and_says_so() {
    let n = u64::try_from(REMEMBERED).unwrap();
    let mut facts: Vec<Fact> = (0..=n).map(|i| numbered(&format!("e{i}"), KEY, "ListBuckets")).collect();
    facts.push(numbered("e0", KEY, "ListBuckets"));
    facts.push(numbered("e5", KEY, "ListBuckets"));
    // The oldest was forgotten and counts again, the others do not.
    assert_eq!(uses(&facts), n + 2);
}

#[test]
fn the_names_in_a_second_copy_still_count() {
    let first = numbered("e1", KEY, "ListBuckets");
    let mut second = first.clone();
    second.aliases.push((USER.into(), "ci@corp.example".into()));
    let answer = tell(&[assume("02:00:00", KEY, "ASIAONE", "job"), first, second]);
    assert_eq!(case(&answer).root.identity.as_deref(), Some("ci@corp.example"));
}
