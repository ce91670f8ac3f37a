use crate::note::key;
use crate::world::{CASE, Fact, LOG, World, inspect, verify, verify_bundle};
use proptest::prelude::*;
use quell_ledger::bundle::{self, Bundle, Code, Disclosure, Entry, Report, Unwritable};
use quell_ledger::leaf::{self, Hash};
use quell_ledger::tree;
use std::collections::BTreeSet;

fn codes(report: &Report) -> Vec<Code> {
    report.errors.iter().map(|fault| fault.code).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Refused, and for exactly these reasons.
fn refused(report: &Report, wanted: &[Code]) {
    assert!(!report.ok && !report.integrity && !report.complete, "{report:?}");
    let wanted: Vec<Code> = wanted.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(codes(report), wanted, "{report:?}");
}

/// The usual bundle after `change`, verified with the right key.
fn changed(change: impl FnOnce(&mut Bundle)) -> Report {
    let world = World::usual();
    let mut bundle = world.bundle();
    change(&mut bundle);
    verify_bundle(&bundle, Some(world.key.verifier()))
}

/// The usual bundle after its files were changed and packed again, so that the
/// container itself has no fault.
fn repacked(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Report {
    let bytes = bundle::write(&World::usual().bundle()).unwrap();
    let entries = bundle::unpack(&bytes).unwrap();
    let mut files = entries.iter().map(|entry| (entry.name.to_string(), entry.data.to_vec())).collect();
    change(&mut files);
    let entries: Vec<Entry> = files.iter().map(|(name, data)| Entry { name, data }).collect();
    verify(&bundle::pack(&entries).unwrap())
}

fn file<'f>(files: &'f mut [(String, Vec<u8>)], name: &str) -> &'f mut Vec<u8> {
    &mut files.iter_mut().find(|file| file.0 == name).unwrap().1
}

fn drop_event(bundle: &mut Bundle, index: u64) {
    bundle.events.retain(|event| event.index != index);
}

#[test]
fn a_whole_bundle_is_ok_and_reports_in_the_shape_of_the_interface() {
    let world = World::usual();
    let report = verify_bundle(&world.bundle(), Some(world.key.verifier()));
    let json = serde_json::to_string(&report).unwrap();
    let (root, key) = (world.tree().root().base64(), world.key.verifier());
    let wanted = format!(
        r#"{{"ok":true,"integrity":true,"events":7,"size":11,"root":"{root}","key":"{key}","key_pinned":true,"complete":true,"erased":0,"errors":[]}}"#
    );
    assert_eq!(json, wanted);
}

#[test]
fn the_same_content_in_any_order_is_the_same_file() {
    let world = World::usual();
    let mut bundle = world.bundle();
    let bytes = bundle::write(&bundle).unwrap();
    bundle.events.reverse();
    bundle.disclosures.reverse();
    bundle.disclosures.push(bundle.disclosures[0].clone());
    bundle.blobs.push(bundle.blobs[0].clone());
    assert_eq!(bundle::write(&bundle).unwrap(), bytes);
    let names: Vec<String> = bundle::unpack(&bytes).unwrap().iter().map(|entry| entry.name.to_string()).collect();
    let blob = format!("blobs/{}", Hash::of(&bundle.blobs[0]));
    let wanted = "case.json checkpoint key.vkey events/0.json events/2.json events/3.json events/4.json \
        events/5.json events/6.json events/9.json BLOB proofs/0.tlog-proof proofs/2.tlog-proof \
        proofs/3.tlog-proof proofs/4.tlog-proof proofs/5.tlog-proof proofs/6.tlog-proof proofs/9.tlog-proof \
        disclosures.jsonl README.txt";
    assert_eq!(names.join(" "), wanted.replace("BLOB", &blob));
}

/// A bundle outlives the software that wrote it. When this fails, bundles that
/// people keep may no longer verify.
#[test]
fn the_format_of_released_bundles_stays() {
    let bytes = bundle::write(&World::usual().bundle()).unwrap();
    assert_eq!(Hash::of(&bytes).hex(), "afa9df68d5e96692ebce361d6d7ca4d35b549580d499a81829c1bce4e454e25e");
}

#[test]
fn events_past_ten_stand_in_the_order_of_numbers() {
    let mut world = World::empty();
    for _ in 0..12 {
        world.append(CASE, |_| {});
    }
    world.export();
    assert!(verify_bundle(&world.bundle(), Some(world.key.verifier())).ok);
}

#[test]
fn without_the_key_from_elsewhere_nothing_is_ok() {
    let report = verify_bundle(&World::usual().bundle(), None);
    assert!(!report.ok && report.integrity && report.complete && !report.key_pinned);
    assert_eq!(codes(&report), [Code::UnpinnedKey]);
    assert!(serde_json::to_string(&report).unwrap().contains(r#""code":"unpinned_key""#));
}

#[test]
fn a_forked_log_signed_by_another_key_is_refused() {
    let mut forged = World::usual();
    forged.key = key(LOG, 66);
    let report = verify_bundle(&forged.bundle(), Some(key(LOG, 1).verifier()));
    assert!(!report.ok && report.integrity && !report.key_pinned);
    assert_eq!(codes(&report), [Code::WrongKey]);

    // With the true key beside it, the forger's signature does not verify.
    let mut bundle = forged.bundle();
    bundle.key = key(LOG, 1).verifier().clone();
    let report = verify_bundle(&bundle, Some(key(LOG, 1).verifier()));
    refused(&report, &[Code::BadSignature]);
    assert_eq!((report.size, report.root), (None, None));
}

#[test]
fn a_checkpoint_of_another_tree_or_another_log_is_refused() {
    let mut later = World::usual();
    later.append(CASE, |_| {});
    let note = later.bundle().checkpoint;
    refused(&changed(|bundle| bundle.checkpoint = note), &[Code::BadInclusion]);
    let mut elsewhere = World::usual();
    elsewhere.key = key("log.example/b", 1);
    let report = changed(|bundle| bundle.checkpoint = elsewhere.bundle().checkpoint);
    refused(&report, &[Code::BadSignature]);
    refused(&changed(|bundle| bundle.checkpoint = "x\n".into()), &[Code::BadCheckpoint]);
}

#[test]
fn what_was_left_out_shows() {
    type Change = fn(&mut Bundle);
    let table: [(&str, Change, &[Code]); 9] = [
        ("a middle event of the case", |b| drop_event(b, 2), &[Code::MissingEvent, Code::BadDisclosure]),
        ("the opening", |b| drop_event(b, 0), &[Code::MissingEvent, Code::ExtraFile]),
        ("the export", |b| drop_event(b, 9), &[Code::Truncated]),
        ("the last two of the case", |b| b.events.retain(|event| event.index < 6), &[Code::Truncated]),
        ("the tail of a linked stream", |b| drop_event(b, 5), &[Code::Truncated]),
        ("the head of a linked stream", |b| drop_event(b, 3), &[Code::MissingEvent]),
        ("a linked stream", |b| drop_event(b, 4), &[Code::MissingStream]),
        ("everything", |b| b.events.clear(), &[Code::MissingStream, Code::BadDisclosure, Code::ExtraFile]),
        ("a blob", |b| b.blobs.clear(), &[Code::MissingFile]),
    ];
    for (what, change, wanted) in table {
        eprintln!("{what}");
        refused(&changed(change), wanted);
    }
}

#[test]
fn an_older_export_counts_only_where_nothing_follows_it() {
    let mut world = World::usual();
    world.append(CASE, |_| {});
    refused(&verify_bundle(&world.bundle(), Some(world.key.verifier())), &[Code::Truncated]);
    world.append("target:a", |_| {});
    world.export();
    let report = verify_bundle(&world.bundle(), Some(world.key.verifier()));
    assert!(report.ok, "{report:?}");
}

/// A world whose export names other heads than there are.
fn exported(heads: impl FnOnce(&mut Vec<(String, u64, Hash)>)) -> Report {
    let mut world = World::empty();
    world.append(CASE, |_| {});
    let index = world.append("target:a", |_| {}) as usize;
    let mut named = vec![("target:a".to_string(), 1, leaf::hash(&world.leaves[index]))];
    heads(&mut named);
    world.append(CASE, |fact| fact.heads = Some(named));
    verify_bundle(&world.bundle(), Some(world.key.verifier()))
}

#[test]
fn the_export_names_every_linked_stream_with_its_very_head() {
    assert!(exported(|_| {}).ok);
    refused(&exported(|heads| heads.clear()), &[Code::ExtraStream]);
    refused(&exported(|heads| heads[0].1 = 2), &[Code::Truncated]);
    refused(&exported(|heads| heads[0].1 = 0), &[Code::BadChain]);
    refused(&exported(|heads| heads[0].2 = Hash([0; 32])), &[Code::BadChain]);
    refused(&exported(|heads| heads.push(("plan:x".into(), 1, Hash([0; 32])))), &[Code::MissingStream]);
    refused(&exported(|heads| heads.push(heads[0].clone())), &[Code::MissingStream]);
    refused(&exported(|heads| heads.push((CASE.into(), 1, Hash([0; 32])))), &[Code::MissingStream]);
}

#[test]
fn a_chain_that_the_log_itself_holds_broken_is_refused() {
    let broken = |fill: fn(&mut Fact)| {
        let mut world = World::empty();
        world.append(CASE, |_| {});
        world.append(CASE, fill);
        world.export();
        verify_bundle(&world.bundle(), Some(world.key.verifier()))
    };
    assert!(broken(|_| {}).ok);
    refused(&broken(|fact| fact.prev = None), &[Code::BadChain]);
    refused(&broken(|fact| fact.prev = Some(Hash([9; 32]))), &[Code::BadChain]);
    refused(&broken(|fact| fact.version = 1), &[Code::BadChain]);
    refused(&broken(|fact| fact.version = 0), &[Code::BadChain]);
    refused(&broken(|fact| fact.version = u64::MAX - 1), &[Code::MissingEvent]);
    refused(&broken(|fact| fact.stream = "plan:q".into()), &[Code::MissingEvent, Code::ExtraStream]);

    let mut world = World::empty();
    world.append(CASE, |fact| fact.prev = Some(Hash([9; 32])));
    world.export();
    refused(&verify_bundle(&world.bundle(), Some(world.key.verifier())), &[Code::BadChain]);
}

#[test]
fn events_that_nobody_can_rely_on_are_refused() {
    let with = |leaf: Vec<u8>| {
        let mut world = World::empty();
        world.append(CASE, |_| {});
        world.export();
        world.leaves[0] = leaf;
        verify_bundle(&world.bundle(), Some(world.key.verifier()))
    };
    let plain = World::usual().leaves[3].clone();
    let spaced = String::from_utf8(plain).unwrap().replace("{\"", "{ \"").replace("target:a", CASE);
    refused(&with(spaced.into_bytes()), &[Code::NotCanonical, Code::BadChain]);
    refused(&with(b"not an event".to_vec()), &[Code::BadEvent, Code::MissingEvent]);
    assert!(matches!(
        bundle::write(&{
            let mut bundle = World::usual().bundle();
            bundle.events[0].leaf = vec![b'x'; leaf::MAX_BYTES + 1];
            bundle
        }),
        Err(Unwritable::TooLarge { index: 0, .. })
    ));
    let huge = Fact { stream: CASE.into(), version: 1, erased: vec!["x".repeat(leaf::MAX_BYTES)], ..Fact::default() };
    let report = repacked(|files| *file(files, "events/0.json") = serde_json::to_vec(&huge).unwrap());
    assert!(codes(&report).contains(&Code::BadEvent), "{report:?}");
}

#[test]
fn an_event_that_the_log_does_not_hold_is_refused() {
    let report = repacked(|files| {
        let leaf = file(files, "events/4.json");
        *leaf = String::from_utf8(leaf.clone()).unwrap().replace("plan:p", "plan:q").into_bytes();
    });
    refused(&report, &[Code::BadInclusion, Code::MissingStream, Code::ExtraStream]);
}

#[test]
fn disclosures_hold_are_asked_for_and_count_when_they_are_gone() {
    refused(&changed(|b| b.disclosures[0].value.push('x')), &[Code::BadDisclosure]);
    refused(&changed(|b| b.disclosures[0].salt.push_str("00")), &[Code::BadDisclosure]);
    refused(&changed(|b| b.disclosures[0].salt.push('X')), &[Code::BadDisclosure]);
    refused(&changed(|b| b.disclosures.push(Disclosure::new(b"s", "uninvited"))), &[Code::BadDisclosure]);

    // Gone without a word: sound, but not complete.
    let report = changed(|bundle| drop(bundle.disclosures.remove(0)));
    assert!(report.ok && !report.complete, "{report:?}");
    assert_eq!(report.erased, 1);

    let mut world = World::empty();
    let gone = Disclosure::new(b"salt", "somebody");
    world.append(CASE, |fact| fact.commitments = vec![gone.commitment.hex()]);
    world.append(CASE, |fact| fact.erased = vec![gone.commitment.hex()]);
    world.export();
    let report = verify_bundle(&world.bundle(), Some(world.key.verifier()));
    assert!(report.ok && report.complete, "{report:?}");
    assert_eq!(report.erased, 1);
}

#[test]
fn a_disclosed_value_shows_in_no_message() {
    let secret = Disclosure::new(b"salt", "owner@corp.example");
    assert!(!format!("{secret:?}").contains("owner"));
    for bad in ["\"owner@corp.example\"", "{\"commitment\":\"owner@corp.example\"}", "{\"owner@corp.example\":1}"] {
        let report = repacked(|files| *file(files, "disclosures.jsonl") = format!("{bad}\n").into_bytes());
        assert!(!report.ok && !format!("{report:?}").contains("owner@"), "{report:?}");
    }
}

#[test]
fn files_that_do_not_belong_are_refused() {
    let usual = World::usual();
    let blob = format!("blobs/{}", Hash::of(&usual.blobs[0]));
    type Change<'c> = Box<dyn FnOnce(&mut Vec<(String, Vec<u8>)>) + 'c>;
    let table: Vec<(&str, Change, Vec<Code>)> = vec![
        ("nothing", Box::new(|_| {}), vec![]),
        ("an extra file", Box::new(|f| f.push(("z.txt".into(), vec![]))), vec![Code::ExtraFile]),
        ("an extra event name", Box::new(|f| f.insert(3, ("events/00.json".into(), vec![]))), vec![Code::ExtraFile]),
        ("no key", Box::new(|f| drop(f.remove(2))), vec![Code::MissingFile, Code::BadKey]),
        ("no readme", Box::new(|f| drop(f.pop())), vec![Code::MissingFile, Code::BadReadme]),
        ("another readme", Box::new(|f| f.last_mut().unwrap().1.push(b'!')), vec![Code::BadReadme]),
        ("another summary", Box::new(|f| file(f, "case.json").push(b' ')), vec![Code::BadCase]),
        ("no summary at all", Box::new(|f| file(f, "case.json").clear()), vec![Code::BadCase]),
        ("two lines of key", Box::new(|f| file(f, "key.vkey").push(b'\n')), vec![Code::BadKey]),
        ("files swapped", Box::new(|f| f.swap(0, 1)), vec![Code::BadContainer]),
        ("events swapped", Box::new(|f| f.swap(3, 4)), vec![Code::BadContainer]),
        ("another blob", Box::new(|f| file(f, &blob).push(0)), vec![Code::BadBlob]),
        (
            "an uninvited blob",
            Box::new(|f| f.insert(11, (format!("blobs/{}", Hash([255; 32])), vec![]))),
            vec![Code::BadBlob, Code::ExtraFile],
        ),
        ("a proof without an event", Box::new(|f| f.retain(|file| file.0 != "events/5.json")), vec![Code::ExtraFile, Code::Truncated]),
        ("an event without a proof", Box::new(|f| f.retain(|file| file.0 != "proofs/5.tlog-proof")), vec![Code::MissingFile]),
        (
            "the proof of another event",
            Box::new(|f| *file(f, "proofs/5.tlog-proof") = file(f, "proofs/6.tlog-proof").clone()),
            vec![Code::BadInclusion],
        ),
        (
            "a proof with extra data",
            Box::new(|f| {
                let proof = file(f, "proofs/5.tlog-proof");
                let text = String::from_utf8(proof.clone()).unwrap();
                *proof = text.replace("index 5", "extra AAAA\nindex 5").into_bytes();
            }),
            vec![Code::BadInclusion],
        ),
        (
            "a proof with another index",
            Box::new(|f| {
                let proof = file(f, "proofs/5.tlog-proof");
                *proof = String::from_utf8(proof.clone()).unwrap().replace("index 5", "index 4").into_bytes();
            }),
            vec![Code::BadInclusion],
        ),
        (
            "disclosures swapped",
            Box::new(|f| {
                let all = file(f, "disclosures.jsonl");
                let text = String::from_utf8(all.clone()).unwrap();
                let (first, second) = text.split_once('\n').unwrap();
                *all = format!("{second}{first}\n").into_bytes();
            }),
            vec![Code::BadDisclosure],
        ),
        (
            "a disclosure twice",
            Box::new(|f| {
                let all = file(f, "disclosures.jsonl");
                let text = String::from_utf8(all.clone()).unwrap();
                let first = text.split_inclusive('\n').next().unwrap();
                *all = format!("{first}{text}").into_bytes();
            }),
            vec![Code::BadDisclosure],
        ),
        ("a loose disclosure", Box::new(|f| file(f, "disclosures.jsonl").insert(1, b' ')), vec![Code::BadDisclosure]),
    ];
    for (what, change, wanted) in table {
        eprintln!("{what}");
        let report = repacked(change);
        if wanted.is_empty() {
            assert!(report.ok);
        } else {
            refused(&report, &wanted);
        }
    }
}

#[test]
fn a_container_has_one_spelling() {
    let good = bundle::write(&World::usual().bundle()).unwrap();
    let local = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let end = good.len() - 22;
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a trailing byte", [good.as_slice(), b"\0"].concat()),
        ("a comment", {
            let mut bytes = good.clone();
            bytes[end + 20] = 1;
            bytes.push(b'x');
            bytes
        }),
        ("a prefix", [b"#!".as_slice(), &good].concat()),
        ("a version", local(4)),
        ("a flag", local(6)),
        ("a method", local(8)),
        ("a time", local(10)),
        ("a date", local(12)),
        ("a checksum", local(14)),
        ("a size", local(18)),
        ("an extra field", local(28)),
        ("no end", good[..end].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("twice", [good.clone(), good.clone()].concat()),
    ];
    for (what, bytes) in table {
        eprintln!("{what}");
        refused(&verify(&bytes), &[Code::BadContainer]);
    }
    for name in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\\b", "ä", "a b", &"n".repeat(129)] {
        assert!(bundle::pack(&[Entry { name, data: b"" }]).is_err(), "{name}");
    }
    let twice = Entry { name: "a", data: b"" };
    assert!(bundle::pack(&[twice, twice]).is_err());
}

#[test]
fn a_flipped_bit_anywhere_in_a_bundle_is_refused() {
    let mut world = World::empty();
    let one = Disclosure::new(b"salt", "somebody");
    world.append(CASE, |fact| fact.commitments = vec![one.commitment.hex()]);
    world.disclosures.push(one);
    world.export();
    let good = bundle::write(&world.bundle()).unwrap();
    assert!(verify(&good).ok);
    let mut bytes = good.clone();
    for at in 0..good.len() {
        for flip in [1 << (at % 8), 0xff] {
            bytes[at] ^= flip;
            assert!(!verify(&bytes).ok, "byte {at}, flip {flip:#04x}");
            bytes[at] = good[at];
        }
    }
}

#[test]
fn a_report_of_a_hopeless_bundle_stays_short() {
    let mut world = World::empty();
    for n in 0..300 {
        world.append(&format!("{n}{}", "s".repeat(2000)), |fact| fact.version = 7);
    }
    let report = verify_bundle(&world.bundle(), None);
    assert_eq!(report.errors.len(), 100);
    assert!(report.errors.iter().all(|fault| fault.message.len() <= 300));
}

#[test]
fn an_empty_log_has_nothing_to_export() {
    let world = World::empty();
    let report = verify_bundle(&world.bundle(), Some(world.key.verifier()));
    refused(&report, &[Code::MissingStream]);
    assert_eq!(report.root, Some(tree::empty_root().base64()));
}

proptest! {
    /// With the checksums mended, only the content can tell: every changed
    /// byte of every file is still refused.
    #[test]
    fn a_changed_byte_in_any_file_is_refused_though_the_container_is_sound(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let report = repacked(|files| {
            let n = which.index(files.len());
            let data = &mut files[n].1;
            let at = at.index(data.len());
            data[at] ^= flip;
        });
        prop_assert!(!report.ok);
    }

    #[test]
    fn no_bytes_make_the_verifier_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!verify(&bytes).ok);
    }

    #[test]
    fn no_damage_makes_the_verifier_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<Vec<u8>>()), 1..4),
    ) {
        let mut bytes = bundle::write(&World::usual().bundle()).unwrap();
        let good = bytes.clone();
        for (from, to, put) in cuts {
            let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
            bytes.splice(from.min(to)..from.max(to), put);
        }
        prop_assert!(bytes == good || !verify(&bytes).ok);
        let _ = bundle::verify(&bytes, None, &inspect);
    }

    #[test]
    fn no_content_makes_the_verifier_panic(contents in prop::collection::vec(any::<Vec<u8>>(), 18)) {
        let report = repacked(|files| {
            for (file, content) in files.iter_mut().zip(contents) {
                file.1 = content;
            }
        });
        prop_assert!(!report.ok);
    }
}
