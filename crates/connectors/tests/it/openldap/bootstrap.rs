//! Least privilege: what Quell's entry can do, and what nobody can do with it.

use quell_connectors::openldap::bootstrap_ldif;
use quell_core::action::Action;
use quell_engine::port::Connector;
use quell_lab::openldap::{Client, DATABASE, add, delete, replace};

use super::company::*;

async fn as_quell(plane: &Plane) -> Client {
    plane.server.bind(&plane.config.username, plane.config.secret.expose()).await.expect("Quell binds")
}

#[tokio::test]
async fn the_connectors_entry_has_what_it_needs_and_no_more() {
    let plane = Plane::start().await;
    let check = plane.connector.check().await;
    assert!(check.reachable && check.control_alive, "{check:?}");
    assert_eq!((check.privileges.missing, check.privileges.excess, check.warnings), (vec![], vec![], vec![]));

    let mut quell = as_quell(&plane).await;
    let (mara, own, control) = (plane.company.mara.dn.as_str(), plane.config.username.as_str(), plane.config.control.identity.as_str());
    let (database, config) = (DATABASE, "olcDatabase={0}config,cn=config");
    for (dn, change) in [
        (mara, replace("description", &["x"])),
        (mara, replace("mail", &["x@y"])),
        (mara, replace("uid", &["x"])),
        (own, replace("userPassword", &["x"])),
        (control, replace("userPassword", &["x"])),
        (control, replace("pwdAccountLockedTime", &["000001010000Z"])),
        (plane.company.policy.as_str(), replace("pwdLockout", &["FALSE"])),
        (plane.company.finance.as_str(), add("member", &[own])),
        (plane.company.finance.as_str(), replace("cn", &["x"])),
        (plane.company.finance.as_str(), replace("member", &[mara])),
        (database, replace("olcRootPW", &["x"])),
        (database, replace("olcRootDN", &[own])),
        (database, replace("olcSuffix", &["dc=x"])),
        (config, add("olcAccess", &["{0}to * by * write"])),
        (config, replace("olcRootPW", &["x"])),
        ("cn=config", replace("olcSizeLimit", &["1"])),
    ] {
        let said = format!("{dn} {change:?}");
        assert_eq!(quell.modify(dn, vec![change]).await.unwrap().code, 50, "{said}");
    }
    assert_eq!(quell.add(&format!("uid=new,{}", plane.company.people), &[("objectClass", &["account"])]).await.unwrap().code, 50);
    assert_eq!(quell.remove(mara).await.unwrap().code, 50);
    assert_eq!(quell.rename(mara, "uid=x", None).await.unwrap().code, 50);
    let replication = quell.read(database, &["olcSyncrepl", "olcRootPW", "olcDbDirectory"]).await.unwrap().expect("its own database");
    assert!(replication.attributes.is_empty(), "{replication:?}");
    for unseen in [own, control] {
        let entry = quell.read(unseen, &["userPassword"]).await.unwrap();
        assert!(entry.is_err() || entry.unwrap().attributes.is_empty(), "{unseen}");
    }
    assert!(quell.read("cn=config", &["*"]).await.unwrap().is_err());
}

/// The one thing that Quell may write into the configuration is a denial.
#[tokio::test]
async fn in_the_access_rules_quell_can_deny_and_never_grant() {
    let plane = Plane::start().await;
    let mut quell = as_quell(&plane).await;
    let own = plane.config.username.clone();
    let rules = plane.stored(DATABASE, "olcAccess").await;
    for grant in [
        format!("{{0}}to * by dn.base=\"{own}\" write by * break"),
        format!("{{0}}to * by dn.base={own} write by dn.base=\"cn=x\" none by * break"),
        format!("{{0}}to * by dn.base=!{own} write by * none by dn.base=cn=x! none by * break"),
        format!("{{0}}to * by dn.base=#{own} write by dn.base=cn=x# none by * break"),
        format!("{{0}}to * by dn.base=\"cn=x\" none by dn.base=\"{own}\" write by * break"),
        format!("{{0}}to * by dn.base=\"cn=x\" none by * break by dn.base=\"{own}\" write"),
        format!("{{0}}to * by dn.base=\"cn=x\" peername.exact=\"y\" none by dn.base=\"{own}\" write none by * break"),
        "{0}to * by users write".to_owned(),
        "{0}to * by * write by dn.base=\"cn=x\" none by * break".to_owned(),
    ] {
        let answer = quell.modify(DATABASE, vec![add("olcAccess", &[&grant])]).await.unwrap();
        assert_ne!(answer.code, 0, "{grant}");
    }
    // Nor take away somebody's rule, by its text, its number, or all at once.
    for change in [
        delete("olcAccess", &[rules.iter().find(|r| r.contains("users read")).expect("the company's own")]),
        delete("olcAccess", &["{0}"]),
        delete("olcAccess", &["{3}"]),
        delete("olcAccess", &[]),
        replace("olcAccess", &["{0}to * by * write"]),
        replace("olcAccess", &["{0}to * by dn.base=\"cn=x\" none by * break"]),
    ] {
        let said = format!("{change:?}");
        assert_ne!(quell.modify(DATABASE, vec![change]).await.unwrap().code, 0, "{said}");
    }
    assert_eq!(plane.stored(DATABASE, "olcAccess").await, rules, "nothing of it took");
    // Within its quotes a name is a name, whatever it looks like.
    let odd = format!("to * by dn.base=\"cn=x\nby dn.base={own} write\" none by * break");
    assert_eq!(quell.modify(DATABASE, vec![add("olcAccess", &[&format!("{{0}}{odd}")])]).await.unwrap().code, 0);
    assert_eq!(quell.modify(&plane.company.mara.dn, vec![replace("description", &["x"])]).await.unwrap().code, 50);
    assert_eq!(quell.modify(DATABASE, vec![delete("olcAccess", &[&odd])]).await.unwrap().code, 0);
    let denial = "{0}to * by dn.base=\"uid=x,dc=corp,dc=test\" none by * break";
    assert_eq!(quell.modify(DATABASE, vec![add("olcAccess", &[denial])]).await.unwrap().code, 0);
    assert_eq!(quell.modify(DATABASE, vec![delete("olcAccess", &[&denial[3..]])]).await.unwrap().code, 0);
}

#[tokio::test]
async fn what_is_missing_is_named_exactly_and_what_is_too_much_is_complained_of() {
    let plane = Plane::start().await;
    let quell = format!("by dn.base=\"{}\"", plane.config.username);
    let scope = &plane.company.people;
    for (rule, of, missing, action) in [
        (
            format!("{{0}}to dn.subtree=\"dc=corp,dc=test\" attrs=pwdAccountLockedTime {quell} read by * break"),
            DATABASE,
            "`pwdAccountLockedTime`",
            Action::SuspendIdentity,
        ),
        (
            format!("{{0}}to dn.subtree=\"{scope}\" attrs=userPassword {quell} read by * break"),
            DATABASE,
            "`userPassword`",
            Action::RotateCredential,
        ),
        (format!("{{0}}to attrs=member {quell} read by * break"), DATABASE, "`member`", Action::RemoveEntitlement),
        (
            format!("{{0}}to attrs=olcAccess {quell} read by * break"),
            "olcDatabase={0}config,cn=config",
            "`olcAccess`",
            Action::TerminateSessions,
        ),
    ] {
        let plane = Plane::start().await;
        let _session = plane.intruder().await;
        plane.as_root(of, vec![add("olcAccess", &[&rule])]).await;
        let check = plane.connector.check().await;
        assert!(check.privileges.missing.iter().any(|m| m.contains(missing)), "{missing}: {:?}", check.privileges.missing);
        let target = match action {
            Action::RotateCredential => plane.credential(),
            Action::RemoveEntitlement => membership(&plane.company.mara.dn, &plane.company.finance),
            _ => plane.mara(),
        };
        let outcome = act(&plane.connector, with_secret(action, &target, &crate::plane::new_secret())).await;
        refused(&outcome, missing.trim_matches('`'));
        refused(&outcome, "quell connector bootstrap");
    }

    plane.as_root("olcDatabase={0}config,cn=config", vec![add("olcAccess", &[&format!("{{0}}to * {quell} manage by * break")])]).await;
    plane.as_root(DATABASE, vec![add("olcAccess", &[&format!("{{0}}to * {quell} manage by * break")])]).await;
    let check = plane.connector.check().await;
    assert_eq!(check.privileges.excess.len(), 5, "{:?}", check.privileges.excess);
    assert_eq!(check.privileges.missing, Vec::<String>::new());
}

#[tokio::test]
async fn without_the_monitor_sessions_are_not_seen_and_it_is_said() {
    let plane = Plane::start().await;
    let monitor =
        plane.server.admin().await.unwrap().search("cn=config", "(objectClass=olcDatabaseConfig)", &["olcDatabase"]).await.unwrap();
    let monitor = monitor.iter().find(|e| e.dn.contains("monitor")).expect("the bootstrap made it");
    plane.as_root(&monitor.dn, vec![replace("olcAccess", &["{0}to * by * none"])]).await;
    let check = plane.connector.check().await;
    assert!(check.privileges.missing.iter().any(|m| m.contains("cn=Monitor")), "{:?}", check.privileges.missing);
    let _intruder = plane.intruder().await;
    done(plane.act(Action::SuspendIdentity, &plane.mara()).await);
    // Seen without a listing, no session is proved dead by being absent from it.
    let session = session("conn:1004@20261124083925Z>uid=mara,ou=people,dc=corp,dc=test", &plane.company.mara.dn);
    plane.unknown(plane.about_session(&session), "our own connection").await;
}

#[tokio::test]
async fn a_policy_that_enforces_nothing_is_warned_of() {
    let plane = Plane::start().await;
    plane.as_root(&plane.company.policy, vec![replace("pwdLockout", &["FALSE"])]).await;
    let warnings = plane.connector.check().await.warnings;
    assert!(warnings.iter().any(|w| w.contains("pwdLockout")), "{warnings:?}");
    plane.server.admin().await.unwrap().remove(&plane.company.policy).await.unwrap();
    assert!(plane.connector.check().await.warnings.iter().any(|w| w.contains("no password policy")));
}

#[tokio::test]
async fn the_script_holds_no_secret_and_runs_again() {
    let plane = Plane::start().await;
    let script = bootstrap_ldif(&plane.config, &scope(&plane.company)).expect("the names are good");
    for secret in [&plane.config.secret, &plane.config.control.secret] {
        assert!(!script.contains(secret.expose()));
    }
    assert!(script.contains("{SSHA}") && script.contains("ldapmodify -c"));
    // Everything is there already: nothing is doubled.
    let rules = plane.stored(DATABASE, "olcAccess").await;
    plane.server.ldapmodify(&script, &["-c"]).expect_err("it says what is there");
    let after = plane.stored(DATABASE, "olcAccess").await;
    assert_eq!(after.iter().filter(|r| !rules.contains(r)).collect::<Vec<_>>(), Vec::<&String>::new());
    let more = bootstrap_ldif(&plane.config, std::slice::from_ref(&plane.company.groups)).expect("good");
    plane.server.ldapmodify(&more, &["-c"]).expect_err("it says what is there");
    assert!(plane.stored(DATABASE, "olcAccess").await.len() > rules.len(), "and a further scope is added");
    assert_eq!(plane.connector.check().await.privileges.missing, Vec::<String>::new());
}

#[tokio::test]
async fn a_scope_that_holds_quell_itself_or_is_elsewhere_is_refused() {
    let plane = Plane::start().await;
    for (scope, word) in [
        ("dc=corp,dc=test", "holds"),
        ("OU=Quell,dc=corp,dc=test", "holds"),
        ("cn=quell,ou=quell,dc=corp,dc=test", "holds"),
        ("ou=people,dc=elsewhere", "not below"),
        ("nonsense", "looks like"),
    ] {
        let refused = bootstrap_ldif(&plane.config, &[scope.to_owned()]).expect_err(scope);
        assert!(refused.to_string().contains(word), "{scope}: {refused}");
    }
}
