//! Confidence is computed, never copied (invariant 12).

use proptest::prelude::*;
use quell_core::{
    event::FindingRepeated,
    finding::{Corroboration, Finding, fold_key},
    id::{AlertId, SourceId},
    secret::Fingerprint,
    signal::SignalKind,
};

use crate::world::{finding, identity, key, target};

/// `sender`, then flags: `p` possession, `s` sample, `e` containment evidence, `u` unreadable, `n` unsigned,
/// `i` identifier alone, `x` its id and name mean two identities.
fn of(text: &str) -> Finding {
    let (sender, flags) = text.split_once(' ').unwrap_or((text, ""));
    let mut f = finding(&format!("f-{text}"), sender);
    f.resolved.as_mut().unwrap().possession = flags.contains('p');
    f.sample = flags.contains('s');
    f.containment_evidence = flags.contains('e');
    f.unreadable = flags.contains('u');
    f.unsigned = flags.contains('n');
    if flags.contains('x') {
        f.resolved.as_mut().unwrap().possession = false;
        f.resolved.as_mut().unwrap().otherwise = Some(target(quell_core::target::TargetKind::Identity, "payroll", "payroll"));
    }
    if flags.contains('i') {
        f.kind = SignalKind::AnomalousUse;
    }
    f
}

fn check(findings: &[&str], confidence: u8, corroborated: bool) {
    let findings: Vec<Finding> = findings.iter().map(|t| of(t)).collect();
    let sum = Corroboration::of(&findings);
    assert_eq!(
        (sum.confidence(), sum.is_corroborated()),
        (confidence, corroborated),
        "{:?}",
        findings.iter().map(|f| f.id.as_str()).collect::<Vec<_>>()
    );
}

#[test]
fn possession_outweighs_two_senders_and_two_outweigh_one() {
    check(&["a p"], 95, true);
    check(&["a p", "b"], 99, true);
    check(&["a i"], 40, false);
    check(&["a i", "a i2"], 40, false);
    check(&["a", "b"], 80, true);
    check(&["a", "b", "c"], 90, true);
    check(&["a ps"], 0, false);
    check(&["a ps", "b s"], 0, false);
    check(&["a", "b s"], 40, false);
    check(&["a", "b e"], 40, false);
    check(&["a", "b u"], 40, false);
    check(&["a u"], 0, false);
    check(&["a n"], 0, false);
    check(&["a n", "b n"], 0, false);
    check(&["a", "b n"], 40, false);
    check(&["a", "b pn"], 40, false);
    check(&[], 0, false);
}

#[test]
fn what_may_mean_two_identities_makes_nobody_surer_of_either_and_joins_no_finding_of_one() {
    check(&["a x"], 10, false);
    check(&["a x", "b x"], 10, false);
    check(&["a", "b x"], 40, false);
    check(&["a", "b", "c x"], 80, true);
    let (clear, unclear) = (of("a"), of("a x"));
    assert!(!clear.is_ambiguous() && unclear.is_ambiguous());
    let fold = |f: &Finding| fold_key(&key(), SignalKind::LeakedSecret, f.resolved.as_ref(), None, "e1");
    assert_ne!(fold(&clear), fold(&unclear));
    assert_eq!(fold(&unclear), fold(&of("b x")), "the same doubt about the same two");
    assert!(Corroboration::of(&[unclear]).secret_exposed, "a secret that was reported stays reported");
}

#[test]
fn what_is_said_of_another_subject_corroborates_nothing() {
    let mut case = quell_core::case::Case::opened(&crate::world::opened(of("a i")), crate::world::at(0));
    let mut other = of("b p");
    let stranger = target(quell_core::target::TargetKind::Identity, "payroll", "payroll");
    other.resolved.as_mut().unwrap().identity = stranger.clone();
    case.findings.push(other);
    assert!(case.corroboration().is_corroborated(), "the case as a whole is");
    assert!(!case.corroboration_about(&identity().id).is_corroborated(), "one sender names this subject");
    assert!(case.corroboration_about(&stranger.id).possession);
}

#[test]
fn findings_fold_by_what_they_are_about() {
    let resolved = finding("f", "a").resolved;
    let print = Fingerprint("hmac-sha256:aa".into());
    let leak = |r, p, d: &str| fold_key(&key(), SignalKind::LeakedSecret, r, p, d);
    assert_eq!(leak(resolved.as_ref(), None, "commit 1"), leak(resolved.as_ref(), Some(&print), "commit 2"), "one credential");
    assert_eq!(leak(None, Some(&print), "commit 1"), leak(None, Some(&print), "commit 2"), "one secret in two commits");
    assert_ne!(leak(None, None, "commit 1"), leak(None, None, "commit 2"), "nothing in common");
    assert_ne!(leak(None, Some(&print), "d"), fold_key(&key(), SignalKind::AnomalousUse, None, Some(&print), "d"), "another kind");
}

/// What `sender` says again of a finding that began as `of(first)`.
fn again(finding: &Finding, sender: &str, at: i64, unsigned: bool, sample: bool) -> FindingRepeated {
    FindingRepeated {
        finding: finding.id.clone(),
        alert: AlertId::new(format!("al-{sender}-{at}")),
        sender: SourceId::new(sender),
        at: crate::world::at(at),
        dedupe: format!("d-{sender}-{at}"),
        counts: true,
        unsigned,
        real: finding.sample && !sample,
        folded: None,
    }
}

#[test]
fn a_claim_without_a_signature_vouches_for_nothing_whoever_passes_it_on() {
    let mut signed = of("a");
    let first_at = signed.first_at;
    let claim = again(&signed, "b", -500, true, false);
    signed.repeated(&claim);
    assert_eq!((signed.count, signed.senders.len(), signed.first_at), (2, 1, first_at), "it is counted and shown, and vouches for nothing");
    assert!(!Corroboration::of([&signed]).is_corroborated() && !signed.unsigned);

    let mut claimed = of("a n");
    let claim = again(&claimed, "b", 5, true, false);
    claimed.repeated(&claim);
    assert_eq!((Corroboration::of([&claimed]).confidence(), claimed.senders.len()), (0, 2));
    let stated = again(&claimed, "c", 9, false, false);
    claimed.repeated(&stated);
    assert_eq!(claimed.senders, [SourceId::new("c")].into(), "only who signed");
    assert_eq!((claimed.unsigned, claimed.first_at, Corroboration::of([&claimed]).confidence()), (false, crate::world::at(9), 40));
}

#[test]
fn a_fold_only_raises() {
    let mut drill = of("a s");
    let sample = again(&drill, "a", 1, false, true);
    drill.repeated(&sample);
    assert!(drill.sample, "another drill");
    let real = again(&drill, "b", 2, false, false);
    drill.repeated(&real);
    assert!(!drill.sample, "a drill before an attack hides no attack");
    let sample = again(&drill, "c", 3, false, true);
    drill.repeated(&sample);
    assert!(!drill.sample, "a sample lowers nothing");
}

#[test]
fn an_unsigned_claim_of_an_early_sign_takes_nobody_s_authority() {
    let mut case = quell_core::case::Case::opened(&crate::world::opened(of("a i")), crate::world::at(0));
    let sign = case.earliest_sign();
    let mut early = of("b n");
    early.first_at = crate::world::at(-9_000);
    early.kind = SignalKind::LeakedSecret;
    case.findings.push(early);
    assert_eq!(case.earliest_sign(), sign);
    assert!(case.exposed().is_empty(), "an unsigned claim exposes no secret");
}

proptest! {
    #[test]
    fn one_sender_alone_never_corroborates_without_possession(count in 1_usize..10, flags in "[euin]{0,3}") {
        let findings: Vec<Finding> = (0..count).map(|n| { let mut f = of(&format!("a {flags}")); f.id = quell_core::id::FindingId::new(format!("f{n}")); f }).collect();
        prop_assert!(!Corroboration::of(&findings).is_corroborated());
        prop_assert!(Corroboration::of(&findings).confidence() <= 40);
    }

    #[test]
    fn a_sample_never_adds_anything(senders in prop::collection::vec("[a-d]", 1..5)) {
        let real: Vec<Finding> = senders.iter().map(|s| of(s)).collect();
        let mut mixed = real.clone();
        mixed.push(of("z ps"));
        prop_assert_eq!(Corroboration::of(&real).confidence(), Corroboration::of(&mixed).confidence());
        prop_assert!(!mixed.iter().any(|f| f.senders.contains(&SourceId::new("nobody"))));
    }
}
