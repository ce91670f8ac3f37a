//! A detector without a plane is a printed gap: what every detector can say of whom, and
//! who ends it. `QUELL_BLESS=1` writes `docs/gaps.md` anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use quell_core::{
    by_hand,
    signal::{CredentialKind, IdentityKind},
};
use quell_detectors::REGISTRY;
use serde_json::Value;

/// One pair that a detector can yield, on one kind of system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    detector: String,
    subject: String,
    credential: String,
    system: String,
    kinds: (IdentityKind, Option<CredentialKind>),
}

/// Who serves it.
struct Served {
    planes: &'static [&'static str],
    by_hand: Vec<String>,
}

#[test]
fn whatever_a_detector_says_has_a_plane_or_worded_steps_by_hand_and_the_gaps_are_in_the_docs() {
    let pairs = pairs();
    let known: BTreeSet<&str> = quell_connectors::coverage::rows().iter().map(|row| row.kind.as_str()).collect();
    let mut seen = BTreeSet::new();
    for (pair, served) in &pairs {
        assert!(!served.by_hand.is_empty(), "{} / {} / {}: nobody is asked for anything", pair.detector, pair.subject, pair.credential);
        for plane in served.planes {
            assert!(known.contains(plane), "`{plane}` is no plane that a drill proved");
            seen.insert(*plane);
        }
    }
    // A plane that no detector speaks of would stand for nothing.
    let unheard: Vec<&&str> = known.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(unheard.iter().all(|kind| ["postgresql", "openldap"].contains(*kind)), "{unheard:?}");
    let detectors: BTreeSet<&str> = pairs.keys().map(|pair| pair.detector.as_str()).collect();
    let every: BTreeSet<&str> = REGISTRY.iter().map(|d| d.name).collect();
    assert_eq!(detectors, every, "a detector without a reading is no detector");

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/gaps.md");
    let text = written(&pairs);
    if std::env::var_os("QUELL_BLESS").is_some() {
        fs::write(&page, &text).expect("the page is written");
    }
    let stands = fs::read_to_string(&page).expect("docs/gaps.md");
    assert!(stands == text, "docs/gaps.md is not what the detectors say now; QUELL_BLESS=1 writes it anew");
}

/// Every pair in the golden readings of every detector.
fn pairs() -> BTreeMap<Pair, Served> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../detectors/tests/fixtures");
    let mut pairs = BTreeMap::new();
    for detector in REGISTRY {
        for entry in fs::read_dir(root.join(detector.name)).expect("fixtures").map(|entry| entry.expect("a file").path()) {
            if !entry.to_string_lossy().ends_with(".golden.jsonl") {
                continue;
            }
            let readings = fs::read_to_string(&entry).expect("a reading");
            for signal in
                readings.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).filter(|s| s.get("subject").is_some())
            {
                let (pair, served) = served(detector.name, &signal);
                pairs.insert(pair, served);
            }
        }
    }
    pairs
}

fn served(detector: &str, signal: &Value) -> (Pair, Served) {
    let (subject, credential) = (&signal["subject"], &signal["credential"]["kind"]);
    let identity: IdentityKind = serde_json::from_value(subject["kind"].clone()).expect("a kind");
    let kind: Option<CredentialKind> = serde_json::from_value(credential.clone()).expect("a kind");
    let named = subject["native_id"].as_str().or(subject["name"].as_str()).is_some_and(by_hand::is_name);
    let is_named = named && matches!(subject["resolvable"].as_str(), Some("yes" | "partial"));
    let system = subject["system"].as_str().and_then(by_hand::system);
    let words = |kind: Option<CredentialKind>| kind.map_or("–", by_hand::name).to_owned();
    let pair = |subject: &str, system: &str| Pair {
        detector: detector.to_owned(),
        subject: subject.to_owned(),
        credential: words(kind),
        system: system.to_owned(),
        kinds: (identity, kind),
    };
    match (is_named, system) {
        (true, Some(system)) => {
            let (called, planes) = by_hand::family(&system, None);
            let steps = by_hand::steps(&system, None, identity, kind);
            let asked = steps.iter().map(|s| s.instead_of.map_or("look", |action| action.name()).to_owned()).collect();
            (pair(subject["kind"].as_str().unwrap_or_default(), called), Served { planes, by_hand: asked })
        }
        // Whoever the inventory knows by this name is found; nobody else is.
        (true, None) => (pair(&format!("{}, of no system", subject["kind"].as_str().unwrap_or_default()), "–"), find_out()),
        (false, _) => (pair("nobody is named", "–"), find_out()),
    }
}

/// The finding itself says what to find out ([`by_hand::nobody`]).
fn find_out() -> Served {
    Served { planes: &[], by_hand: vec!["find whose it is".to_owned()] }
}

fn written(pairs: &BTreeMap<Pair, Served>) -> String {
    let mut page = String::from(
        "# Who ends what a detector reports\n\n\
Written by `QUELL_BLESS=1 cargo nextest run --workspace -E 'test(whatever_a_detector_says)'`; do not edit it by hand. Each row is a kind of subject and credential that a\n\
detector names in its golden readings, and who ends it.\n\n\
*Plane*: the kind of connector that speaks to such a system. It serves where one is connected and the identity is found\n\
there; what it does to what, and what of it was proved, stands in [coverage.md](coverage.md). *–* is a gap: no connector of Quell\n\
speaks to such a system; a name that an installation gave a system itself (`pg-main`) stands for *another system*. Wherever no connected plane serves the system, the plan consists of the steps *by hand*, in this order,\n\
worded for the system, and owned by the platform owner, else the identity team, else the lead. What people then say is recorded, and at most UNKNOWN: it\n\
is never called dead.\n\n\
*look*: what survives is looked for, and whether it is dead. *Nobody is named*, or somebody *of no system*: the leaked value\n\
is compared with the inventory's fingerprints and by the planes that can, and a name is looked up in the inventory; where that finds nobody, the\n\
case has no plan and no task of anybody: its finding says what to find out (`find_out`), and the lead decides.\n\n\
| detector | subject | credential | system | plane | by hand |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for (pair, served) in pairs {
        let planes = if served.planes.is_empty() { "–".to_owned() } else { format!("`{}`", served.planes.join("`, `")) };
        page.push_str(&format!(
            "| `{}` | {} | {} | {} | {planes} | {} |\n",
            pair.detector,
            pair.subject.replace('_', " "),
            pair.credential,
            pair.system,
            served.by_hand.join(", ")
        ));
    }
    let gaps: BTreeSet<&str> =
        pairs.iter().filter(|(p, s)| s.planes.is_empty() && p.system != "–").map(|(p, _)| p.system.as_str()).collect();
    page.push_str("\n## Systems that detectors name and no connector speaks to\n\n");
    page.push_str(&gaps.into_iter().map(|system| format!("- {system}\n")).collect::<String>());
    page
}
