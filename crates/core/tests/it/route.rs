//! Who answers for an identity: one order of rules a kind, and the record that decided.

use quell_core::{
    inventory::{Inventory, Object, read_object},
    route::{self, Ownership, Rule},
    signal::IdentityKind,
};
use serde_json::{Value, json};

use crate::world::at;

fn object(value: Value) -> Object {
    read_object(1, value, &|_| None).0.unwrap_or_else(|e| panic!("{e:?}"))
}

fn owner(of: &str, person: &str) -> Value {
    json!({ "type": "owner", "of": of, "role": "business", "person": person })
}

/// An identity that every rule has a record for.
fn full(kind: &str) -> Vec<Value> {
    vec![
        json!({ "type": "identity", "id": "pg-main/app", "kind": kind, "repository": "acme/shop/services/app", "pipeline": "acme/deploy-app",
            "workflow": "billing-flow", "deployed_by": "dana@corp.example", "tags": { "owner": "tag@corp.example" } }),
        owner("pg-main/*", "declared@corp.example"),
        owner("repository:acme/shop/*", "repository@corp.example"),
        owner("pipeline:acme/deploy-app", "pipeline@corp.example"),
        owner("workflow:billing-flow", "workflow@corp.example"),
        owner("platform:pg-main", "platform@corp.example"),
    ]
}

#[test]
fn each_kind_has_its_own_order_and_the_first_record_that_names_somebody_decides() {
    // Taking away whoever was chosen shows who is next.
    let table = [
        ("workload", vec!["declared@", "repository@", "pipeline@", "workflow@", "platform@", "dana@"]),
        ("service_account", vec!["declared@", "repository@", "pipeline@", "workflow@", "platform@", "dana@"]),
        ("agent", vec!["declared@", "workflow@", "platform@"]),
        ("human", vec!["declared@"]),
    ];
    for (kind, wanted) in table {
        let inventory = Inventory::of(full(kind).into_iter().map(object));
        let mut gone: Vec<String> = Vec::new();
        for next in wanted {
            let left = gone.clone();
            let chosen = route::accountable(&inventory, "pg-main/app", at(0), &|who| left.contains(&who.to_owned()));
            let person = chosen.person.unwrap_or_else(|| panic!("{kind}: nobody where {next} was wanted"));
            assert!(person.starts_with(next), "{kind}: {person}, wanted {next}");
            assert!(chosen.record.is_some(), "{kind}: the record that says so is named");
            gone.push(person.to_owned());
        }
        let last = route::accountable(&inventory, "pg-main/app", at(0), &|who| gone.contains(&who.to_owned()));
        assert_eq!((last.rule, last.person, last.ownership), (Rule::Fallback, None, Ownership::Missing), "{kind}: {last:?}");
        assert_eq!(last.proposed, ["owner=tag@corp.example"], "{kind}: a tag proposes and never decides");
    }
    for kind in [IdentityKind::Agent, IdentityKind::Human, IdentityKind::Device] {
        let order = Rule::order(kind);
        assert!(!order.contains(&Rule::LastDeployer) && !order.contains(&Rule::Repository), "{kind:?}");
    }
}

#[test]
fn an_owner_of_a_place_has_no_authority_over_what_comes_from_it() {
    let mut objects = full("workload");
    objects.remove(1);
    let inventory = Inventory::of(objects.into_iter().map(object));
    assert!(inventory.owners("pg-main/app").is_empty(), "only a declared owner may be asked to approve");
    assert_eq!(route::accountable(&inventory, "pg-main/app", at(0), &|_| false).rule, Rule::Repository);
    // Also where somebody calls a system as a place is called.
    let called = json!({ "type": "identity", "id": "repository:acme/shop/app", "kind": "workload" });
    let inventory = Inventory::of([called, owner("repository:acme/shop/*", "repository@corp.example")].map(object));
    assert!(inventory.owners("repository:acme/shop/app").is_empty());
}

#[test]
fn the_last_line_of_a_file_that_matches_a_place_decides_also_where_it_names_nobody() {
    let lines = |last: Value| {
        let identity = json!({ "type": "identity", "id": "k8s/app", "kind": "workload", "repository": "acme/shop/services/app" });
        let line =
            |of: &str, line: u32, person: Value| json!({ "type": "owner", "of": of, "role": "business", "person": person, "line": line });
        let all = line("repository:acme/shop/*", 1, json!("all@corp.example"));
        let app = line("repository:acme/shop/services/app/*", 2, json!("app@corp.example"));
        let inventory = Inventory::of([identity, all, app, line("repository:acme/shop/services/*", 3, last)].map(object));
        route::accountable(&inventory, "k8s/app", at(0), &|_| false).person.map(str::to_owned)
    };
    assert_eq!(lines(json!("late@corp.example")).as_deref(), Some("late@corp.example"), "not the longest pattern");
    assert_eq!(lines(Value::Null), None, "an owner was taken away on purpose");
    // What a person said of the place by hand outweighs every line.
    let identity = json!({ "type": "identity", "id": "k8s/app", "kind": "workload", "repository": "acme/shop/services/app" });
    let mut line = owner("repository:acme/shop/services/app/*", "line@corp.example");
    line["line"] = json!(9);
    let inventory = Inventory::of([identity, line, owner("repository:acme/*", "hand@corp.example")].map(object));
    assert_eq!(route::accountable(&inventory, "k8s/app", at(0), &|_| false).person, Some("hand@corp.example"));
}

#[test]
fn a_confirmation_is_relied_on_for_half_a_year() {
    let of = |confirmed: Value| {
        let identity = json!({ "type": "identity", "id": "pg/app", "kind": "workload" });
        let owner = json!({ "type": "owner", "of": "pg/app", "role": "business", "person": "o@corp.example", "confirmed_at": confirmed });
        let inventory = Inventory::of([identity, owner].map(object));
        let now = "2026-11-30T12:00:00Z".parse().expect("a time");
        let chosen = route::accountable(&inventory, "pg/app", now, &|_| false);
        (chosen.ownership, chosen.why())
    };
    for (confirmed, ownership) in [
        (json!("2026-11-30"), Ownership::Confirmed),
        (json!("2026-06-03"), Ownership::Confirmed),
        (json!("2026-06-02"), Ownership::Stale),
        (json!("2020-01-01T00:00:00Z"), Ownership::Stale),
        (json!("2026-12-01"), Ownership::NeverConfirmed),
        (json!("last week"), Ownership::NeverConfirmed),
        (json!(null), Ownership::NeverConfirmed),
    ] {
        assert_eq!(of(confirmed.clone()).0, ownership, "{confirmed}");
    }
    assert_eq!(of(json!("2026-10-01")).1, "the business owner of this identity, confirmed 2026-10-01");
}

#[test]
fn the_deputy_answers_where_the_owner_left() {
    let identity = json!({ "type": "identity", "id": "pg/app", "kind": "workload" });
    let owner = json!({ "type": "owner", "of": "pg/app", "role": "business", "person": "gone@corp.example", "deputy": "dep@corp.example" });
    let inventory = Inventory::of([identity, owner].map(object));
    let chosen = route::accountable(&inventory, "pg/app", at(0), &|who| who == "gone@corp.example");
    assert_eq!((chosen.rule, chosen.person, chosen.deputy), (Rule::Declared, Some("dep@corp.example"), None));
}
