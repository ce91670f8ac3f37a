//! Who may be interrupted, how long a notice is tried, and when it is over.

use quell_core::{
    event::{Event, FailedChannel, NoticeDropped, NoticeDue, NoticeHanded},
    notice::{Cause, INTERRUPTIONS_MAX, Notices, TRIED_SECONDS, To, may_interrupt},
    time::after,
};

use crate::world::{at, case_id, person};

const ALL: [Cause; 8] = [
    Cause::Asked,
    Cause::LastResort,
    Cause::HandedOver,
    Cause::Collateral,
    Cause::Reverted,
    Cause::Reused,
    Cause::PassedOver,
    Cause::Telemetry,
];

#[test]
fn a_person_is_interrupted_three_times_an_hour_and_for_what_is_worse_than_that() {
    for cause in ALL {
        assert!(may_interrupt(cause, 0) && may_interrupt(cause, INTERRUPTIONS_MAX - 1), "{cause:?}");
        let urgent = matches!(cause, Cause::Reverted | Cause::Collateral | Cause::LastResort);
        assert_eq!(may_interrupt(cause, INTERRUPTIONS_MAX), urgent, "{cause:?}");
        assert_eq!(may_interrupt(cause, 1_000), urgent, "{cause:?}");
    }
}

#[test]
fn every_cause_says_why_and_how_to_hand_it_on() {
    for cause in ALL {
        assert!(cause.in_words().len() > 20 && !cause.in_words().ends_with('.'), "{cause:?}");
        assert!(cause.hand_on().ends_with('.'), "{cause:?}");
    }
}

fn due() -> Event {
    NoticeDue { notice: "n".into(), case: case_id(), to: To::Person(person("bea")), cause: Cause::Asked, pages: true }.into()
}

fn handed(over: &[&str], failing: &[(&str, bool)]) -> Event {
    let failed =
        |(channel, again): &(&str, bool)| FailedChannel { channel: (*channel).into(), why: "it does not answer".into(), again: *again };
    NoticeHanded {
        notice: "n".into(),
        case: case_id(),
        people: vec![person("bea")],
        interrupts: vec![person("bea")],
        counts: true,
        over: over.iter().map(|o| (*o).to_owned()).collect(),
        failed: failing.iter().map(failed).collect(),
    }
    .into()
}

#[test]
fn a_notice_is_over_once_nothing_of_it_is_tried_again() {
    let mut notices = Notices::default();
    notices.apply(&handed(&["inbox"], &[]), at(0));
    assert!(notices.0.is_empty(), "what is not due is not handed over");
    notices.apply(&due(), at(0));
    assert!(!notices.0["n"].is_over(), "nothing was tried");
    assert_eq!(notices.0["n"].standing(), "due");
    assert_eq!(notices.0["n"].interrupts(), None);
    notices.apply(&handed(&[], &[("mail", true), ("chat", false)]), at(1));
    assert_eq!(notices.0["n"].interrupts(), Some(&[person("bea")][..]), "decided once");
    assert_eq!(notices.0["n"].standing(), "failing");
    notices.apply(&handed(&["inbox"], &[("mail", true)]), at(1));
    assert_eq!(notices.0["n"].settled().into_iter().collect::<Vec<_>>(), ["chat", "inbox"], "what refused it for good is not asked again");
    assert!(!notices.0["n"].is_over());
    assert_eq!(notices.0["n"].standing(), "told_in_part");
    assert_eq!(notices.0["n"].taken_by().into_iter().collect::<Vec<_>>(), ["inbox"]);
    // The same event again, as after a crash: what was taken stays taken.
    notices.apply(&due(), at(2));
    assert_eq!((notices.0["n"].due_at, notices.0["n"].handed.len()), (at(0), 2));
    notices.apply(&handed(&["mail"], &[]), at(9));
    assert!(notices.0["n"].is_over());
    assert_eq!(notices.0["n"].standing(), "told_in_part", "one of them never took it");
    assert_eq!(notices.0["n"].taken_by().into_iter().collect::<Vec<_>>(), ["inbox", "mail"]);

    let mut told = Notices::default();
    told.apply(&due(), at(0));
    told.apply(&handed(&["inbox"], &[("mail", true)]), at(1));
    told.apply(&handed(&["mail"], &[]), at(2));
    assert_eq!((told.0["n"].standing(), told.0["n"].is_over()), ("told", true));
    let mut refused = Notices::default();
    refused.apply(&due(), at(0));
    refused.apply(&handed(&[], &[("mail", false)]), at(1));
    assert_eq!((refused.0["n"].standing(), refused.0["n"].is_over()), ("untold", true));

    let mut given_up = Notices::default();
    given_up.apply(&due(), at(0));
    given_up.apply(&NoticeDropped { notice: "n".into(), case: case_id(), because: "the case is closed".into() }.into(), at(1));
    assert!(given_up.0["n"].is_over());
    assert_eq!(given_up.0["n"].standing(), "dropped");
}

#[test]
fn a_channel_that_is_down_is_asked_less_and_less_and_not_for_ever() {
    let mut notices = Notices::default();
    notices.apply(&due(), at(0));
    let notice = &notices.0["n"];
    for (age, pause) in [(0, 5), (4, 5), (60, 60), (300, 300), (TRIED_SECONDS - 1, 300)] {
        let now = after(at(0), age);
        assert_eq!(notice.next_try(now), after(now, pause), "after {age} s");
    }
    // A clock that was set back makes no notice younger than new.
    assert_eq!(notice.next_try(after(at(0), -50)), after(at(0), -45));

    let (day, before) = (after(at(0), TRIED_SECONDS), after(at(0), TRIED_SECONDS - 1));
    assert!(notice.is_tried(before, false) && !notice.is_tried(day, false), "for a day, once the case is over");
    assert!(notice.is_tried(day, true) && notice.is_tried(after(day, 1_000_000), true), "what nobody has is owed while the case is open");
    notices.apply(&handed(&["inbox"], &[("mail", true)]), at(1));
    let notice = &notices.0["n"];
    assert!(notice.is_tried(before, true) && !notice.is_tried(day, true), "what somebody has, for a day");
}
