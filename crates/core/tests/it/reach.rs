//! The blast radius, and what it does not know (invariant 15).

use proptest::prelude::*;
use quell_core::{
    inventory::{Basis, Derivation, Inventory, Object},
    reach::{Reach, joined, origins, reach},
};

/// `a>b` observed, `a?b` possible.
fn inventory(edges: &[&str]) -> Inventory {
    Inventory::of(edges.iter().map(|edge| {
        let basis = if edge.contains('>') { Basis::Observed } else { Basis::Possible };
        let (from, to) = edge.split_once(['>', '?']).unwrap();
        Object::Derivation(Derivation { from: from.into(), to: to.into(), via: "reads".into(), basis, at: None, until: None })
    }))
}

fn walk(edges: &[&str], depth: u32, limit: usize) -> Reach {
    reach(&inventory(edges), &["p".to_owned()], "p/a", depth, limit)
}

fn check(name: &str, edges: &[&str], observed: &[&str], possible: &[&str]) {
    let found = walk(edges, 6, 100);
    let ids = |list: &[quell_core::reach::Reached]| list.iter().map(|r| r.id.clone()).collect::<Vec<_>>();
    assert_eq!(
        (ids(&found.observed), ids(&found.possible)),
        (observed.iter().map(|s| s.to_string()).collect(), possible.iter().map(|s| s.to_string()).collect::<Vec<_>>()),
        "{name}"
    );
    assert_eq!(found.count as usize, observed.len() + possible.len(), "{name}");
}

#[test]
fn what_was_seen_and_what_is_only_allowed_are_two_things() {
    check("nothing", &[], &[], &[]);
    check("a chain", &["p/a>p/b", "p/b>p/c"], &["p/b", "p/c"], &[]);
    check("one possible step makes the rest possible", &["p/a?p/b", "p/b>p/c"], &[], &["p/b", "p/c"]);
    check("an observed way outweighs a possible one", &["p/a?p/b", "p/a>p/c", "p/c>p/b", "p/b>p/d"], &["p/b", "p/c", "p/d"], &[]);
    check("a circle ends", &["p/a>p/b", "p/b>p/a"], &["p/b"], &[]);
    check("nothing flows back", &["p/b>p/a"], &[], &[]);
}

#[test]
fn joined_is_what_was_seen_in_either_direction_and_nobody_else() {
    let of = |edges: &[&str], depth| joined(&inventory(edges), "p/a", depth, 100).into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of(&["p/a>p/b", "p/c>p/a", "p/d>p/c", "p/b>p/e"], 6), ["p/a", "p/b", "p/c", "p/d", "p/e"]);
    assert_eq!(of(&["p/a>p/b", "p/x>p/b", "p/c>p/a", "p/c>p/y"], 6), ["p/a", "p/b", "p/c"], "not whoever shares an end with it");
    assert_eq!(of(&["p/a?p/b", "p/c?p/a"], 6), ["p/a"], "what is only allowed joins nobody");
    assert_eq!(of(&["p/a>p/b", "p/b>p/a"], 6), ["p/a", "p/b"], "a circle ends");
    assert_eq!(of(&["p/a>p/b", "p/b>p/c"], 1), ["p/a", "p/b"]);
}

#[test]
fn what_was_cut_short_or_has_no_connector_is_said() {
    let deep = walk(&["p/a>p/b", "p/b>p/c"], 1, 100);
    assert!(deep.truncated && deep.count == 1);
    assert!(walk(&["p/a>p/b", "p/a>p/c"], 6, 1).truncated);
    assert!(!walk(&["p/a>p/b"], 1, 1).truncated, "the end of the graph is no cut");
    assert_eq!(walk(&["p/a>q/b", "p/a>q/c"], 6, 100).not_looked_at, ["`q`: no connector, so nothing behind it was looked at"]);
}

proptest! {
    #[test]
    fn origins_are_all_whose_observed_reach_holds_it(picks in prop::collection::vec((0_u8..8, 0_u8..8, any::<bool>()), 0..30), depth in 1_u32..8) {
        let name = |n: u8| format!("p/{}", char::from(b'a' + n));
        let edges: Vec<String> = picks.iter().filter(|(a, b, _)| a != b).map(|(a, b, seen)| format!("{}{}{}", name(*a), if *seen { '>' } else { '?' }, name(*b))).collect();
        let inventory = inventory(&edges.iter().map(String::as_str).collect::<Vec<_>>());
        let holds = |from: &str| reach(&inventory, &[], from, depth, 100).observed.iter().any(|r| r.id == "p/a");
        let mut found = origins(&inventory, "p/a", depth, 100);
        found.sort_unstable();
        let expected: Vec<String> = (1..8).map(name).filter(|from| holds(from)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn every_path_begins_at_the_start_and_goes_along_edges(picks in prop::collection::vec((0_u8..8, 0_u8..8, any::<bool>()), 0..30)) {
        let edges: Vec<String> = picks.iter().filter(|(a, b, _)| a != b).map(|(a, b, seen)| format!("p/{}{}p/{}", char::from(b'a' + a), if *seen { '>' } else { '?' }, char::from(b'a' + b))).collect();
        let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
        let found = walk(&edges, 20, 100);
        prop_assert!(!found.truncated);
        for (basis, list) in [('>', &found.observed), ('?', &found.possible)] {
            for r in list {
                prop_assert_eq!(r.path.first().map(String::as_str), Some("p/a"));
                prop_assert_eq!(r.path.last(), Some(&r.id));
                for pair in r.path.windows(2) {
                    let seen = format!("{}>{}", pair[0], pair[1]);
                    let allowed = format!("{}?{}", pair[0], pair[1]);
                    prop_assert!(edges.contains(&seen.as_str()) || (basis == '?' && edges.contains(&allowed.as_str())), "{:?}", r);
                }
            }
        }
    }
}
