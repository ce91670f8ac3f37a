//! How one policy's answer differs from another's.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quell_core::{
    decision::Role,
    event::StepDecision,
    replay::{
        Leave::{self, AtOnce, Never},
        Shift, shift,
    },
};

use crate::world::decision;

fn after(wanted: &[(Role, u32)]) -> Leave {
    Leave::After { approvals: wanted.iter().map(|(role, n)| (*role, *n as _)).collect() }
}

#[test]
fn an_answer_is_looser_only_where_nobody_more_is_asked() {
    let (one, two, other) = (after(&[(Role::Iam, 1)]), after(&[(Role::Iam, 2)]), after(&[(Role::Secops, 1)]));
    let both = after(&[(Role::Iam, 1), (Role::Secops, 1)]);
    for (then, now, expected) in [
        (&AtOnce, &AtOnce, Shift::Same),
        (&one, &one, Shift::Same),
        (&Never, &Never, Shift::Same),
        (&one, &AtOnce, Shift::Looser),
        (&Never, &both, Shift::Looser),
        (&Never, &AtOnce, Shift::Looser),
        (&two, &one, Shift::Looser),
        (&both, &other, Shift::Looser),
        (&AtOnce, &one, Shift::Stricter),
        (&one, &two, Shift::Stricter),
        (&one, &both, Shift::Stricter),
        (&one, &Never, Shift::Stricter),
        (&one, &other, Shift::Other),
        (&two, &both, Shift::Other),
    ] {
        assert_eq!(shift(then, now), expected, "{then:?} -> {now:?}");
    }
}

#[test]
fn a_decision_says_at_once_after_whom_or_never() {
    let of = |wanted| Leave::of(&StepDecision { step: 1, decision: decision(false), wanted });
    assert_eq!(of(None), Never);
    assert_eq!(of(Some(BTreeMap::new())), AtOnce);
    assert_eq!(of(Some(BTreeMap::from([(Role::Iam, 2)]))), after(&[(Role::Iam, 2)]));
}

fn leave() -> impl Strategy<Value = Leave> {
    let roles = prop::sample::select(vec![Role::Iam, Role::Secops, Role::BusinessOwner]);
    prop_oneof![
        Just(AtOnce),
        Just(Never),
        prop::collection::btree_map(roles, 1..3_u32, 1..3).prop_map(|m| after(&m.into_iter().collect::<Vec<_>>())),
    ]
}

proptest! {
    #[test]
    fn turned_round_looser_is_stricter(a in leave(), b in leave()) {
        let expected = match shift(&a, &b) {
            Shift::Looser => Shift::Stricter,
            Shift::Stricter => Shift::Looser,
            same => same,
        };
        prop_assert_eq!(shift(&b, &a), expected);
        prop_assert_eq!(shift(&a, &b) == Shift::Same, a == b);
    }
}
