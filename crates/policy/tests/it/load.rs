//! Loading a set: what is refused, with file and line, and what the digest covers.

use std::path::Path;

use quell_engine::port::Policy;
use quell_policy::{CedarPolicy, SCHEMA, Source, check, example};

/// A whole policy around one condition.
fn permit(condition: &str) -> String {
    around("permit", condition)
}

fn around(effect: &str, condition: &str) -> String {
    format!(
        "// a line before\n@id(\"iam.one\")\n@who(\"x\") @may(\"x\") @to(\"x\") @why(\"x.\")\n{effect} (principal, action in Action::\"change\", resource)\n{condition};\n"
    )
}

fn load(text: &str) -> Result<CedarPolicy, Vec<String>> {
    load_named("iam.cedar", text)
}

fn load_named(name: &str, text: &str) -> Result<CedarPolicy, Vec<String>> {
    CedarPolicy::from_sources(&[Source { name: name.into(), text: text.into() }])
        .map_err(|refused| refused.problems.iter().map(ToString::to_string).collect())
}

/// Every problem of a refused text, in one string.
fn refused(text: &str) -> String {
    load(text).err().map(|problems| problems.join("\n")).unwrap_or_default()
}

#[test]
fn sums_of_approvals_stand_where_they_can_only_help() {
    for condition in [
        "when { context.approvals.iam >= 1 }",
        "when { context.approvals.iam + context.approvals.lead + context.approvals.secops >= 2 }",
        "when { context.corroborated && (context.failover || context.approvals.iam >= 1) }",
        "when { if context.failover then context.approvals.iam >= 1 else context.approvals.business_owner >= 1 }",
    ] {
        assert_eq!(refused(&permit(condition)), "", "{condition}");
    }
    assert_eq!(refused(&around("forbid", "when { resource.human } unless { context.approvals.iam >= 1 }")), "");
}

#[test]
fn every_other_use_of_approvals_is_refused() {
    for condition in [
        "when { context.approvals.iam <= 1 }",
        "when { context.approvals.iam < 1 }",
        "when { context.approvals.iam > 0 }",
        "when { context.approvals.iam == 1 }",
        "when { context.approvals.iam != 1 }",
        "when { 1 <= context.approvals.iam }",
        "when { context.approvals.iam >= 0 }",
        "when { context.approvals.iam >= 10 }",
        "when { context.approvals.iam >= context.approvals.lead }",
        "when { context.approvals.iam >= context.confidence }",
        "when { context.approvals.iam - context.approvals.lead >= 1 }",
        "when { context.approvals.iam * 2 >= 2 }",
        "when { context.approvals.iam + context.confidence >= 2 }",
        "when { context.approvals.iam + 1 >= 2 }",
        "when { !(context.approvals.iam >= 1) }",
        "when { !(!(context.approvals.iam >= 1)) }",
        "when { (context.approvals.iam >= 1) == context.failover }",
        "when { if context.approvals.iam >= 1 then context.failover else context.sample }",
        "when { context.approvals == context.approvals }",
        "when { context[\"approvals\"].iam < 1 }",
        "when { context has approvals && context.approvals has iam }",
        "when { { a: context.approvals }.a.iam >= 1 }",
        "when { { a: context }.a.approvals.iam < 1 }",
        "when { [context.approvals.iam].contains(0) }",
        "unless { context.approvals.iam >= 1 }",
    ] {
        let problems = refused(&permit(condition));
        assert!(problems.starts_with("iam.cedar:2: `iam.one`: "), "{condition}: {problems:?}");
    }
    let problems = refused(&around("forbid", "when { context.approvals.iam >= 1 }"));
    assert!(problems.contains("must never take a permission away"), "{problems}");
}

#[test]
fn arithmetic_that_could_overflow_is_refused() {
    for condition in ["when { context.confidence + 1 >= 2 }", "when { context.reach * 2 >= 2 }", "when { -context.confidence >= 2 }"] {
        assert!(refused(&permit(condition)).contains("overflow"), "{condition}");
    }
}

#[test]
fn what_strict_validation_refuses_is_told_with_file_and_line() {
    let cases = [
        ("when { context.approvals.imm >= 1 }", "imm"),
        ("when { principal in Role::\"boss\" }", "boss"),
        ("when { context.confidence >= \"90\" }", "type"),
        ("when { resource.critcal }", "critcal"),
        ("when { context.tier == Tier::\"panic\" }", "panic"),
    ];
    for (condition, word) in cases {
        let problems = refused(&permit(condition));
        assert!(problems.starts_with("iam.cedar:5: ") && problems.contains(word), "{condition}: {problems}");
    }
    let action = permit("").replace("Action::\"change\"", "Action::\"chnge\"");
    assert!(refused(&action).contains("iam.cedar:4: ") && refused(&action).contains("chnge"), "{}", refused(&action));
}

#[test]
fn text_that_is_no_policy_is_told_with_its_line() {
    let problems = refused(&format!("{}\npermit (principal, action, resource", permit("")));
    assert!(problems.starts_with("iam.cedar:"), "{problems}");
    assert!(refused("permit (principal == ?principal, action, resource);").contains("template"));
    assert!(refused("").contains("no policies"));
}

#[test]
fn every_policy_says_what_it_is_for() {
    let whole = permit("");
    for (cut, word) in
        [("@id(\"iam.one\")", "@id"), ("@who(\"x\")", "@who"), ("@may(\"x\")", "@may"), ("@to(\"x\")", "@to"), ("@why(\"x.\")", "@why")]
    {
        let problems = refused(&whole.replace(cut, ""));
        assert!(problems.contains(&format!("has no {word}")), "{cut}: {problems}");
    }
    assert!(refused(&whole.replace("@who", "@owner(\"sales\") @who")).contains("unknown owner `sales`"));
    assert!(refused(&whole.replace("@who", "@whom(\"x\") @who")).contains("unknown annotation @whom"));
    assert!(refused(&whole.replace("iam.one", "secops.one")).contains("does not begin with its owner"));
    assert!(refused(&whole.replace("iam.one", "iam.One two")).contains("lower-case"));
    assert!(refused(&format!("{whole}{whole}")).contains("taken by another policy"));
    assert!(load_named("more.cedar", &whole).unwrap_err().join("\n").contains("unknown owner `more`"));
    assert!(load_named("more.cedar", &whole.replace("@who", "@owner(\"iam\") @who")).is_ok());
}

#[test]
fn a_grant_on_what_may_be_unknown_is_a_warning() {
    let warned = |text: &str| load(text).expect("it loads").warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for condition in [
        "when { resource.shared }",
        "when { resource.criticality >= 2 }",
        "when { context.corroborated && context.reach > 3 }",
        "when { resource.production == true }",
        "unless { !resource.third_party }",
        "unless { resource.criticality <= 2 }",
    ] {
        assert!(warned(&permit(condition)).contains("unknown"), "{condition}");
    }
    for condition in ["when { !resource.shared }", "when { resource.criticality <= 2 }", "unless { context.reach >= 3 }"] {
        assert_eq!(warned(&permit(condition)), "", "{condition}");
    }
    assert_eq!(warned(&around("forbid", "when { resource.shared || resource.criticality >= 3 }")), "");
}

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(dir.join(name), bytes).expect("a file is written");
}

/// A fresh directory that goes with the test.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quell-policy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory is made");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Left behind in the worst case; the name is ours alone.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_shipped_directory_is_the_shipped_set() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let set = CedarPolicy::load(&dir).expect("the shipped directory loads");
    assert_eq!(set.digest(), CedarPolicy::shipped().digest());
    assert_eq!(set.warnings(), &[]);
    assert!(check(&dir).ok);
    let report = quell_policy::test(&dir).expect("its tests are read");
    assert!(report.ok && report.cases > 300, "{:#?}", report.failures);
}

#[test]
fn a_directory_is_refused_whole_with_every_reason() {
    let dir = Directory::new("refused");
    write(&dir.0, "iam.cedar", permit("when { context.approvals.iam < 1 }"));
    write(&dir.0, "secops.cedar", "nonsense");
    let report = check(&dir.0);
    assert!(!report.ok);
    let said: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.starts_with("iam.cedar:2:")) && said.iter().any(|s| s.starts_with("secops.cedar:1:")), "{said:?}");
}

#[test]
fn files_that_are_too_large_or_not_text_are_refused() {
    let dir = Directory::new("large");
    write(&dir.0, "iam.cedar", vec![b' '; 256 * 1024 + 1]);
    write(&dir.0, "secops.cedar", b"\xff");
    let said = check(&dir.0).errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains("iam.cedar: is larger than 262144 bytes") && said.contains("secops.cedar: is not UTF-8 at byte 0"), "{said}");
    assert!(check(&dir.0.join("nowhere")).errors[0].message.contains("policy_dir"));
}

#[test]
fn a_copy_of_the_schema_may_stand_beside_and_a_stale_one_warns() {
    let dir = Directory::new("schema");
    write(&dir.0, "iam.cedar", permit(""));
    write(&dir.0, "schema.cedarschema", SCHEMA);
    assert_eq!(check(&dir.0).warnings, []);
    write(&dir.0, "schema.cedarschema", "entity Role;");
    let report = check(&dir.0);
    assert!(report.ok && report.warnings.len() == 1, "{report:?}");
}

#[test]
fn the_digest_covers_names_and_bytes() {
    let of = |name: &str, text: &str| load_named(name, text).expect("it loads").digest();
    let text = permit("").replace("@who", "@owner(\"iam\") @who");
    let digest = of("iam.cedar", &text);
    assert_eq!(digest, of("iam.cedar", &text));
    assert_ne!(digest, of("iam2.cedar", &text));
    assert_ne!(digest, of("iam.cedar", &format!("{text} ")));
    assert_eq!(load(&text).expect("it loads").decide(&example()).policy_digest, digest);
}
