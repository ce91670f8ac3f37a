//! The one catalogue of actions.

use std::collections::BTreeSet;

use quell_core::action::{Action, CATALOGUE, Reversible};
use serde_json::{Value, json};

const DESIGN: &str = "terminate_sessions suspend_identity revoke_credential rotate_credential reissue_credential mark_for_rotation \
    restrict_access change_policy remove_entitlement require_step_up quarantine_workload retire_identity notify_provider human_task \
    reinstate restore accept undo close";

#[test]
fn the_catalogue_holds_every_action_of_the_design_once() {
    let names: Vec<&str> = CATALOGUE.iter().map(|e| e.name).collect();
    assert_eq!(names, DESIGN.split_whitespace().collect::<Vec<_>>());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "names are unique");
    assert_eq!(CATALOGUE.iter().map(|e| e.action).collect::<BTreeSet<_>>().len(), CATALOGUE.len(), "actions are unique");
}

#[test]
fn an_action_has_one_name_in_json_and_in_the_catalogue() {
    for entry in CATALOGUE {
        assert_eq!(serde_json::to_value(entry.action).unwrap(), json!(entry.name));
        assert_eq!(Action::of_name(entry.name), Some(entry.action));
        assert_eq!(entry.action.name(), entry.name);
        assert!(entry.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{} is snake_case", entry.name);
    }
    // What serde knows and the catalogue does not would be an unknown variant here.
    let error = serde_json::from_value::<Action>(json!("?")).unwrap_err().to_string();
    for name in error.split('`').skip(3).step_by(2) {
        assert!(Action::of_name(name).is_some(), "`{name}` is not in the catalogue");
    }
    assert!(serde_json::from_value::<Action>(Value::Null).is_err());
}

#[test]
fn every_entry_is_complete() {
    for entry in CATALOGUE {
        assert!(!entry.short.is_empty() && entry.long.ends_with('.'), "{}", entry.name);
        if let Some(id) = entry.d3fend {
            let rest = id.strip_prefix("D3-").unwrap_or_else(|| panic!("{}: `{id}`", entry.name));
            assert!(!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase()), "{}: `{id}`", entry.name);
            assert!(entry.action.d3fend_url().unwrap().ends_with(id));
        }
        if let Some(activity) = entry.ocsf_activity {
            assert!((1..=5).contains(&activity), "{}", entry.name);
        }
        if let Some(undo) = entry.undo {
            assert!(CATALOGUE.iter().any(|e| e.action == undo), "{}", entry.name);
            assert_ne!(undo, entry.action, "{} does not undo itself", entry.name);
        }
    }
}

#[test]
fn what_cannot_be_taken_back_never_restores() {
    for entry in CATALOGUE.iter().filter(|e| e.reversible == Reversible::No) {
        assert_ne!(entry.undo, Some(Action::Restore), "{}", entry.name);
    }
    let gives: Vec<Action> = CATALOGUE.iter().map(|e| e.action).filter(|a| a.gives_access()).collect();
    assert_eq!(gives, [Action::Reinstate, Action::Restore]);
}
