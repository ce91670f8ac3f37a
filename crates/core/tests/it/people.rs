//! Who could decide what at one moment.

use std::collections::BTreeSet;

use quell_core::{
    decision::Role::{self, Iam, Lead, Secops},
    event::{By, Event, PersonChanged, PersonCreated, Recorded},
    id::StreamId,
    people::standing,
};

use crate::world::{at, person, salter};

fn recorded(seconds: i64, event: impl Into<Event>) -> Recorded {
    let stream = StreamId::person(&person("ada"));
    Recorded { stream, version: 1, prev: None, at: at(seconds), by: By::Automation, cause: None, event: event.into() }
}

fn changed(seconds: i64, roles: Option<&[Role]>, disabled: Option<bool>) -> Recorded {
    recorded(seconds, PersonChanged { roles: roles.map(<[Role]>::to_vec), password: None, disabled })
}

#[test]
fn an_account_stands_as_it_was_then_and_a_disabled_one_does_not() {
    let made = PersonCreated {
        person: person("ada"),
        name: salter().commit("Ada"),
        email: None,
        roles: vec![Iam],
        human: true,
        name_key: "k".into(),
        email_key: None,
        password: None,
    };
    let events = [
        recorded(10, made),
        changed(20, Some(&[Iam, Lead]), None),
        changed(30, None, Some(true)),
        changed(40, Some(&[Secops]), Some(false)),
    ];
    let roles = |seconds| standing(&events, at(seconds)).map(|p| p.roles);
    for (seconds, wanted) in [
        (9, None),
        (10, Some(vec![Iam])),
        (19, Some(vec![Iam])),
        (20, Some(vec![Iam, Lead])),
        (29, Some(vec![Iam, Lead])),
        (30, None),
        (39, None),
        (40, Some(vec![Secops])),
    ] {
        assert_eq!(roles(seconds), wanted.map(|w| w.into_iter().collect::<BTreeSet<_>>()), "at {seconds}");
    }
    let held = standing(&events, at(25)).expect("it stood");
    assert_eq!((held.since[&Iam], held.since[&Lead]), (at(10), at(20)), "since when, as it was known then");
    assert_eq!(standing(&[], at(99)), None);
}
