//! The way back: what was killed stays dead.

use quell_core::{action::Action, secret::Secret};
use quell_engine::port::{Attempt, Connector, Outcome, ProbeRequest};
use quell_lab::aws::Keys;

use super::plane::*;

fn pair(secret: &Secret) -> Keys {
    let (id, secret) = secret.expose().split_once(':').expect("a pair");
    Keys::known(id, secret)
}

#[tokio::test]
async fn reinstating_gives_a_new_key_and_revives_neither_key_nor_session_nor_password() {
    let plane = Plane::start().await;
    let session = plane.account.session(&plane.leaked).await.expect("made");
    let password = quell_lab::secret::Secret::generate().expect("made");
    plane.account.admin("CreateLoginProfile", &[("UserName", "ci"), ("Password", password.reveal())]).await.expect("made");
    let (before, _) = plane.connector.read(&user("ci")).await.expect("read");
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    assert!(!plane.serves(&session).await);

    let back = Attempt { before: Some(before), ..with_secret(Action::Reinstate, &user("ci"), &new_secret()) };
    done(act(&plane.connector, back.clone()).await);
    let issued = plane.connector.issued(&back).expect("AWS made it");
    assert!(plane.connector.issued(&back).is_none(), "given out once");
    let new = pair(&issued);
    assert!(plane.serves(&new).await);
    let made = credential("ci", "access_key:q7f3k");
    plane.is_live(ProbeRequest { own: Some(issued.clone()), ..about(made.clone(), "user/ci") }).await;
    assert!(!plane.serves(&plane.leaked).await && !plane.knows(&plane.leaked).await);
    plane.is_dead(plane.about_leaked()).await;
    assert!(!plane.serves(&session).await, "the trap: without a denial by age the old session would live again");
    plane.is_dead(about(credential("ci", "password"), "user/ci")).await;

    // Suspended again, the new one is refused, too.
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    plane.is_dead(ProbeRequest { own: Some(issued), ..about(made.clone(), "user/ci") }).await;
    plane.is_unknown(about(made, "user/ci"), "its secret is not at hand").await;
}

#[tokio::test]
async fn restoring_makes_the_keys_what_they_were_and_no_other() {
    let plane = Plane::start().await;
    let second = plane.account.key("ci").await.expect("made");
    plane.set_key("ci", &second, "Inactive").await;
    let (before, _) = plane.connector.read(&user("ci")).await.expect("read");
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    let restore = Attempt { before: Some(before), ..attempt(Action::Restore, &user("ci")) };
    is_read_before_and_after(&plane.connector, restore.clone()).await;
    assert!(plane.serves(&plane.leaked).await);
    assert!(!plane.knows(&second).await, "it was inactive before");
    plane.is_live(plane.about_leaked()).await;

    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    done(plane.act(Action::RevokeCredential, &key(&plane.leaked, "user/ci")).await);
    let outcome = act(&plane.connector, restore).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("AWS makes no key again")), "{outcome:?}");
}

#[tokio::test]
async fn what_is_not_suspended_or_has_two_keys_is_given_none() {
    let plane = Plane::start().await;
    let back = with_secret(Action::Reinstate, &user("ci"), &new_secret());
    let outcome = act(&plane.connector, back.clone()).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("not suspended")), "{outcome:?}");
    plane.account.key("ci").await.expect("made");
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    let outcome = act(&plane.connector, back).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("two keys")), "{outcome:?}");
}

/// A crash between the making of a key and the sealing of its secret: the key is nobody's,
/// and goes; the user is suspended as before.
#[tokio::test]
async fn a_key_whose_secret_went_with_a_crash_is_found_and_removed() {
    let plane = Plane::start().await;
    let (before, _) = plane.connector.read(&user("ci")).await.expect("read");
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
    let back = Attempt { before: Some(before), ..with_secret(Action::Reinstate, &user("ci"), &new_secret()) };
    done(act(&plane.connector, back.clone()).await);
    let orphan = pair(&plane.connector.issued(&back).expect("made"));
    assert!(plane.serves(&orphan).await);

    // Another node reads what became of it; the secret that it has is the drawn one.
    let another = plane.connector(|_| {});
    assert_eq!(another.read_outcome(&back).await, Outcome::Throttled { retry_after_ms: 0 });
    assert!(!plane.serves(&orphan).await && !plane.knows(&orphan).await);
    plane.is_dead(plane.about_leaked()).await;
    let again = Attempt { marker: "at-again".to_owned(), ..back.clone() };
    done(act(&another, again.clone()).await);
    let made = another.issued(&again).expect("made");
    assert!(plane.serves(&pair(&made)).await);
    // With the sealed one at hand it is done.
    let known = Attempt { new_secret: Some(made), ..again };
    assert!(matches!(another.read_outcome(&known).await, Outcome::Done { .. }));
    // Of an attempt that made nothing here, nothing is removed.
    let other = Attempt { marker: "at-other".to_owned(), ..back };
    assert_eq!(another.read_outcome(&other).await, Outcome::Throttled { retry_after_ms: 0 });
    assert!(plane.serves(&pair(known.new_secret.as_ref().expect("it is there"))).await);
}
