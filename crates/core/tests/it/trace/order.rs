//! The order in which records come has no part in the answer.

use proptest::prelude::*;
use quell_core::trace::{Deed, Fact, LinkKind, Minted, Nature, Place, Trace};
use serde_json::Value;

use super::*;

/// A world with every rule in it: direct, by name, by machine, by trust, ended, aliased, undated.
fn world() -> Vec<Fact> {
    let machine = "i-0aaaabbbbccccdddd";
    let trust = Deed::Mint(Minted { id: "role/guest".into(), kind: LinkKind::Entitlement, ..Minted::default() });
    let mut handed = assume("03:00:05", KEY, "ASIAMACHINE", machine);
    handed.by = None;
    if let Some(Deed::Mint(m)) = handed.deeds.first_mut() {
        m.workload = Some(machine.into());
    }
    let mut facts = vec![
        assume("03:00:00", KEY, "ASIAONE", "job"),
        assume("03:00:00", KEY, "ASIATWO", "job"),
        in_session("03:01:00", "ASIAONE", "job", "GetObject"),
        in_session("03:01:30", "ASIARENAMED", "job", "GetObject"),
        in_session("03:02:00", "ASIAORPHAN", "nowhere", "RunInstances").refused(),
        call("03:02:30", KEY, "RunInstances").did(Deed::Launch(machine.into())),
        handed,
        in_session("03:03:00", "ASIAMACHINE", machine, "ListBuckets").bearer(|b| b.workload = Some(machine.into())),
        call("03:04:00", KEY, "CreateAccessKey").did(minted("AKIADOOR", LinkKind::AccessKey, "door")),
        call("03:05:00", "AKIADOOR", "GetSecretValue").did(Deed::Read("a".into())),
        call("03:06:00", KEY, "DeleteAccessKey").did(ended("AKIADOOR")),
        call("03:07:00", "AKIADOOR", "GetSecretValue").did(Deed::Read("b".into())),
        call("03:08:00", KEY, "UpdateAssumeRolePolicy").did(trust).did(Deed::Change { nature: Nature::Trust, target: "role/guest".into() }),
        call("03:09:00", "AKIAADA", "ListUsers").bearer(|b| b.identity = Some("ada".into())),
        call("03:09:30", "ASIACONSOLE", "ListUsers").bearer(|b| b.address = Some("198.51.100.7".into())),
        Fact { at: None, ..call("03:00:00", KEY, "GetSecretValue").did(Deed::Read("undated".into())) },
    ];
    facts[2].aliases.push((USER.into(), "ci@corp.example".into()));
    facts[3].aliases.push(("S-1-5-21-7".into(), USER.into()));
    facts[4].aliases.push(("S-1-5-21-7".into(), "CORP\\ci".into()));
    if let Some(Deed::Mint(m)) = facts[8].deeds.first_mut() {
        m.also = vec!["door-by-another-name".into(), "AKIADOOR-LONGER-THAN-ITS-NAME".into()];
    }
    facts.push(call("03:07:30", "door-by-another-name", "ListUsers"));
    facts[5].record_id = Some("e5".into());
    facts.push(facts[5].clone());
    facts
}

/// Everything but where the records stood.
fn answer(facts: &[Fact]) -> Value {
    let mut value = serde_json::to_value(tell(facts)).unwrap();
    for case in value["cases"].as_array_mut().unwrap() {
        for link in case["chain"].as_array_mut().unwrap() {
            link.as_object_mut().unwrap().remove("evidence");
        }
    }
    value
}

#[test]
fn the_world_of_this_file_holds_what_it_should() {
    let told = answer(&world());
    assert_eq!(told["cases"].as_array().unwrap().len(), 1);
    let chain: Vec<&str> = told["cases"][0]["chain"].as_array().unwrap().iter().map(|l| l["id"].as_str().unwrap()).collect();
    for id in [KEY, "ASIAONE", "ASIATWO", "ASIARENAMED", "ASIAMACHINE", "AKIADOOR", "role/guest"] {
        assert!(chain.contains(&id), "{id}: {chain:?}");
    }
    assert_eq!(told["unattached"][0]["id"], "ASIAORPHAN");
}

proptest! {
    #[test]
    fn shuffled_delivery_gives_the_same_answer(facts in Just(world()).prop_shuffle()) {
        prop_assert_eq!(answer(&facts), answer(&world()));
    }

    /// Which file a record stood in changes the evidence and nothing else; with
    /// the places kept, the evidence is the same, too.
    #[test]
    fn evidence_names_the_same_records_in_any_order(order in Just((0..world().len()).collect::<Vec<_>>()).prop_shuffle()) {
        let facts = world();
        // Two copies of one record stand in two places; which one is named depends on who came first.
        let facts = &facts[..facts.len() - 1];
        let told = |order: &mut dyn Iterator<Item = usize>| {
            let order: Vec<usize> = order.filter(|n| *n < facts.len()).collect();
            let mut trace = Trace::new(None);
            let feed = |trace: &mut Trace| order.iter().for_each(|n| trace.take(Place { file: 0, record: *n as u64 }, facts[*n].clone()));
            feed(&mut trace);
            if trace.wants_second_reading() {
                feed(&mut trace);
            }
            serde_json::to_value(trace.tell(&["records".to_owned()])).unwrap()
        };
        prop_assert_eq!(told(&mut order.into_iter()), told(&mut (0..facts.len())));
    }
}
