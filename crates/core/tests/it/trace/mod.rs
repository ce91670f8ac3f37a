//! What the records of an intrusion demand, each as a world of a few facts.

mod deliveries;
mod ends;
mod joins;
mod machines;
mod order;
mod signing;

use std::collections::BTreeSet;

use quell_core::{
    time::Timestamp,
    trace::{Bearer, Deed, Ended, Fact, Investigation, Link, LinkKind, Minted, Outcome, Place, Trace, TracedCase},
};

pub const KEY: &str = "AKIAKEY";
pub const USER: &str = "arn:aws:iam::111111111111:user/ci-deploy";
pub const ROLE: &str = "arn:aws:iam::111111111111:role/reports";
pub const OFFICE: &str = "192.0.2.10";

/// `03:02:11` of the day of every test.
pub fn at(clock: &str) -> Timestamp {
    format!("2026-10-01T{clock}Z").parse().unwrap()
}

/// A call with a key, from the office.
pub fn call(clock: &str, credential: &str, event: &str) -> Fact {
    let kind = if credential.starts_with("AKIA") { LinkKind::AccessKey } else { LinkKind::Session };
    Fact {
        at: Some(at(clock)),
        system: "aws:111111111111".into(),
        event: event.into(),
        by: Some(Bearer {
            credential: Some(credential.into()),
            kind,
            address: Some(OFFICE.into()),
            identity: Some(USER.into()),
            ..Bearer::default()
        }),
        ..Fact::default()
    }
}

/// Small changes to a fact.
pub trait But: Sized {
    fn bearer(self, change: impl FnOnce(&mut Bearer)) -> Self;
    fn did(self, deed: Deed) -> Self;
    fn refused(self) -> Self;
}

impl But for Fact {
    fn bearer(mut self, change: impl FnOnce(&mut Bearer)) -> Self {
        change(self.by.as_mut().unwrap());
        self
    }

    fn did(mut self, deed: Deed) -> Self {
        self.deeds.push(deed);
        self
    }

    fn refused(mut self) -> Self {
        self.outcome = Outcome::Refused;
        self.deeds = vec![Deed::Attempt];
        self
    }
}

/// A role session that `by` has made, good for a quarter of an hour.
pub fn assume(clock: &str, by: &str, id: &str, session: &str) -> Fact {
    call(clock, by, "AssumeRole").did(Deed::Mint(Minted {
        id: id.into(),
        kind: LinkKind::Session,
        identity: Some(ROLE.into()),
        role: Some(ROLE.into()),
        session: Some(session.into()),
        expires_at: Some(quell_core::time::after(at(clock), 900)),
        ..Minted::default()
    }))
}

/// A call in a role session.
pub fn in_session(clock: &str, id: &str, session: &str, event: &str) -> Fact {
    call(clock, id, event).bearer(|b| {
        (b.identity, b.role, b.session) = (Some(ROLE.into()), Some(ROLE.into()), Some(session.into()));
    })
}

pub fn minted(id: &str, kind: LinkKind, identity: &str) -> Deed {
    Deed::Mint(Minted { id: id.into(), kind, identity: Some(identity.into()), ..Minted::default() })
}

pub fn ended(id: &str) -> Deed {
    Deed::End(Ended::Credential(id.into()))
}

/// The one door: facts in, answer out, read twice where that is wanted.
pub fn tell(facts: &[Fact]) -> Investigation {
    tell_contained(facts, None)
}

pub fn tell_contained(facts: &[Fact], contained_at: Option<Timestamp>) -> Investigation {
    let mut trace = Trace::new(contained_at);
    feed(&mut trace, facts);
    if trace.wants_second_reading() {
        feed(&mut trace, facts);
    }
    trace.tell(&["records".to_owned()])
}

pub fn feed(trace: &mut Trace, facts: &[Fact]) {
    for (record, fact) in (0..).zip(facts) {
        trace.take(Place { file: 0, record }, fact.clone());
    }
}

/// The only case.
pub fn case(answer: &Investigation) -> &TracedCase {
    assert_eq!(answer.cases.len(), 1, "{:#?}", answer.cases.iter().map(|c| &c.title).collect::<Vec<_>>());
    &answer.cases[0]
}

pub fn link<'a>(case: &'a TracedCase, id: &str) -> &'a Link {
    case.chain.iter().find(|l| l.id == id).unwrap_or_else(|| panic!("`{id}` is not in the chain: {:?}", ids(case)))
}

pub fn ids(case: &TracedCase) -> BTreeSet<&str> {
    case.chain.iter().map(|l| l.id.as_str()).collect()
}

/// Why something stands aside.
pub fn aside<'a>(case: &'a TracedCase, id: &str) -> &'a str {
    &case.excluded.iter().find(|a| a.id == id).unwrap_or_else(|| panic!("`{id}` is not told as excluded")).reason
}
