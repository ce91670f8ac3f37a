//! The one course that every action of every plane runs.
//!
//! ```text
//! old one seen live ─▶ what must come first ─▶ the action ─▶ settle ─▶ proved
//!                                                                       │
//!              proved ◀─ settle ◀─ the way back of the catalogue ◀──────┤ reversible
//!        still proved ◀─ settle ◀─ giving it back is asked, refused ◀───┘ not
//! ```
//!
//! What must be dead or live after an action is a rule here and not a choice of a
//! plane ([`claim`]). Every claim is made by the plane's own probes, judged by the core
//! past the settle time, and must agree with an intruder who knows nothing of Quell.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use quell_core::{
    action::{Action, Reversible},
    coverage::{Row, Undone},
    manifest::ActionManifest,
    proof::{Liveness, Strength, judge_round},
    secret::Secret,
    target::{Reading, Target},
    time::{SignedDuration, Timestamp},
};
use quell_engine::port::{Attempt, Clock, Connector, Outcome, ProbeRequest};

use super::attempt::{RealClock, about, attempt, cleared, new_secret};

/// One real server with what the drill acts on.
#[async_trait::async_trait]
pub trait Ground: Send + Sync {
    fn connector(&self) -> &dyn Connector;

    /// The version, as the server itself prints it.
    fn version(&self) -> &str;

    /// What an action is tried on, by name; nothing where there is no course for it.
    fn subjects(&self, action: Action) -> &'static [&'static str];

    /// Makes a fresh one of [`Ground::subjects`].
    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject>;

    /// Lets the old secret in again behind Quell's back.
    async fn revive(&self, _subject: &Subject) -> Result<()> {
        bail!("nobody sabotages this plane")
    }
}

/// Somebody who holds the old access and knows nothing of Quell.
#[async_trait::async_trait]
pub trait Intruder: Send + Sync {
    /// Uses it once: does the server serve it?
    async fn is_in(&mut self) -> Result<bool>;
}

/// What one action is tried on.
pub struct Subject {
    pub what: &'static str,
    /// The native id of the identity.
    pub native: String,
    pub identity: Target,
    /// What the action is done to.
    pub target: Target,
    /// What it must kill, or let live again.
    pub old: Target,
    /// Its value, where it has one.
    pub secret: Option<Secret>,
    /// The credential that a new secret is asked about as.
    pub new: Option<Target>,
    /// The identity that the action makes, which taking it back ends.
    pub made: Option<Target>,
    pub parameters: BTreeMap<String, String>,
    /// What a plan would have done before.
    pub first: Vec<Attempt>,
    /// How the old one is judged while nothing was done.
    pub before: Liveness,
    /// Nothing can end the old one before its time: it is judged to stand until then, and
    /// works on.
    pub residual: bool,
    pub intruder: Box<dyn Intruder>,
}

/// When the lab lets the old secret in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    AfterTheAct,
    AfterTheWayBack,
}

/// What must be so after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    old: Liveness,
    /// Of the secret that Quell made in this course.
    new: Option<Liveness>,
}

/// After `action`, where a secret of Quell's own was made in this course or not.
fn claim(action: Action, made_one: bool) -> Claim {
    use Liveness::{Dead, Live};
    let (old, new) = match action {
        Action::RotateCredential | Action::Reinstate => (Dead, Live),
        // The consumer moves over while the old one still works.
        Action::ReissueCredential => (Live, Live),
        Action::Restore => (Live, Dead),
        // Taking a re-issue back leaves the original as it was.
        Action::RetireIdentity if made_one => (Live, Dead),
        _ => (Dead, Dead),
    };
    Claim { old, new: made_one.then_some(new) }
}

/// Whether an action brings a secret that Quell makes.
fn makes_one(action: Action) -> bool {
    matches!(action, Action::RotateCredential | Action::ReissueCredential | Action::Reinstate)
}

struct Course<'a> {
    ground: &'a dyn Ground,
    subject: Subject,
    before: (Reading, BTreeMap<String, Secret>),
    made: Option<Secret>,
    /// The old value was seen to be right.
    was_right: bool,
    sabotage: Option<Sabotage>,
}

/// Runs the course of one action on one subject.
///
/// # Errors
///
/// Where anything is not as it is claimed: what was wanted, and what was met.
pub async fn run(ground: &dyn Ground, declared: &ActionManifest, subject: Subject, sabotage: Option<Sabotage>) -> Result<Row> {
    let before = ground.connector().read(&subject.target).await.context("read it before")?;
    let mut course = Course { ground, subject, before, made: None, was_right: false, sabotage };
    let action = declared.action;
    let gives_back = matches!(action, Action::Reinstate | Action::Restore);

    course.holds("before", Claim { old: course.subject.before, new: None }, None).await?;
    course.was_right = true;
    for first in std::mem::take(&mut course.subject.first) {
        let name = first.action.name();
        course.done(first).await.with_context(|| format!("`{name}`, which comes first"))?;
    }
    if gives_back {
        let acted_at = course.settled().await;
        course.holds("contained", Claim { old: Liveness::Dead, new: None }, Some(acted_at)).await?;
    }

    let target = course.subject.target.clone();
    let proved = course.act("done", action, &target, Sabotage::AfterTheAct).await?;
    let undone = match declared.reversible {
        Reversible::No => course.stays().await?,
        Reversible::Approximate | Reversible::Exact => course.back(action).await?,
    };
    Ok(Row {
        kind: ground.connector().manifest().kind.clone(),
        action,
        subject: course.subject.what.to_owned(),
        server: ground.version().to_owned(),
        proved,
        undone,
        proved_at: RealClock.now(),
    })
}

impl Course<'_> {
    /// Takes an action back by what the catalogue names.
    async fn back(&mut self, action: Action) -> Result<Undone> {
        let back =
            action.entry().undo.with_context(|| format!("`{}` is said to be reversible, and nothing takes it back", action.name()))?;
        let target = match back {
            Action::Restore => self.subject.target.clone(),
            Action::RetireIdentity => self.subject.made.clone().context("nothing was made that could be retired")?,
            _ => self.subject.identity.clone(),
        };
        self.act("taken back", back, &target, Sabotage::AfterTheWayBack).await?;
        Ok(Undone::Proved)
    }

    /// Nothing gives it back: it is asked for with the exact before-state, refused, and
    /// nothing lives that was dead.
    async fn stays(&mut self) -> Result<Undone> {
        let restore = self.with_all(Action::Restore, &self.subject.target.clone())?;
        let outcome = self.tried(restore).await?;
        ensure!(matches!(outcome, Outcome::Refused { .. }), "it is said to be irreversible, and giving it back met {outcome:?}");
        let acted_at = self.settled().await;
        let claim = self.cut(Claim { old: Liveness::Dead, new: None });
        self.holds("irreversible", claim, Some(acted_at)).await?;
        Ok(Undone::Irreversible)
    }

    /// One action, and what must be so after it.
    async fn act(&mut self, stage: &str, action: Action, target: &Target, sabotaged: Sabotage) -> Result<Strength> {
        if makes_one(action) {
            self.made = Some(self.ground.connector().shaped(new_secret()?));
        }
        let attempt = self.with_all(action, target)?;
        let marked = attempt.clone();
        self.done(attempt).await.with_context(|| format!("{stage}: `{}`", action.name()))?;
        // A plane that takes none of ours made its own.
        self.made = self.ground.connector().issued(&marked).or(self.made.take());
        if self.sabotage == Some(sabotaged) {
            self.ground.revive(&self.subject).await.context("sabotage")?;
        }
        let acted_at = self.settled().await;
        let claim = self.cut(claim(action, self.made.is_some()));
        let strength = self.holds(stage, claim, Some(acted_at)).await?;
        if action == Action::Restore {
            let (now, secrets) = self.ground.connector().read(target).await.context("read it back")?;
            let same = now.facts == self.before.0.facts && exposed(&secrets) == exposed(&self.before.1);
            ensure!(same, "{stage}: what is read back is not what stood there before: {:?}, wanted {:?}", now.facts, self.before.0.facts);
        }
        Ok(strength)
    }

    /// What must be so once it is cut: a residual is never judged dead.
    fn cut(&self, claim: Claim) -> Claim {
        if self.subject.residual { Claim { old: Liveness::Unknown, ..claim } } else { claim }
    }

    fn with_all(&self, action: Action, target: &Target) -> Result<Attempt> {
        Ok(Attempt {
            before: Some(self.before.0.clone()),
            before_secrets: self.before.1.clone(),
            new_secret: if makes_one(action) { self.made.clone() } else { None },
            parameters: self.subject.parameters.clone(),
            ..attempt(action, target)
        })
    }

    async fn tried(&self, attempt: Attempt) -> Result<Outcome> {
        Ok(self.ground.connector().act(cleared(&attempt)?, &attempt).await)
    }

    async fn done(&self, attempt: Attempt) -> Result<()> {
        match self.tried(attempt).await? {
            Outcome::Done { changed } if !changed.is_empty() => Ok(()),
            other => bail!("wanted a change, found {other:?}"),
        }
    }

    /// Waits as long as the plane may still answer as before; answers when that began.
    async fn settled(&self) -> Timestamp {
        let acted_at = RealClock.now();
        RealClock.sleep(SignedDuration::from_millis(self.ground.connector().manifest().settle_ms + 1)).await;
        acted_at
    }

    /// Probes, lets the core judge, and asks the intruder; answers the weakest proof.
    async fn holds(&mut self, stage: &str, claim: Claim, acted_at: Option<Timestamp>) -> Result<Strength> {
        let with_before =
            |target: &Target| ProbeRequest { before: Some(self.before.0.clone()), ..about(target.clone(), &self.subject.native) };
        let old = ProbeRequest {
            leaked: self.subject.secret.clone(),
            leaked_was_right: self.was_right && self.subject.secret.is_some(),
            before_secrets: self.before.1.clone(),
            ..with_before(&self.subject.old)
        };
        let mut asked = vec![("the old one", old, claim.old)];
        if let (Some(wanted), Some(secret)) = (claim.new, &self.made) {
            let of = self.subject.new.as_ref().context("the course does not say what the new secret belongs to")?;
            asked.push(("the new one", ProbeRequest { own: Some(secret.clone()), ..with_before(of) }, wanted));
        }
        let mut weakest = Strength::Exercised;
        for (whose, request, wanted) in asked {
            let connector = self.ground.connector();
            let round = connector.probe(&request).await;
            let (proved, _) = judge_round(&round, acted_at, connector.manifest().settle_ms);
            ensure!(
                proved.liveness == wanted,
                "{stage}: wanted {whose} {wanted:?}, and the core judges {:?}: {}",
                proved.liveness,
                proved.reason
            );
            // Once it is cut, until when it stands is the claim, and it is no proof of an end.
            let stands = self.subject.residual && acted_at.is_some() && request.own.is_none();
            ensure!(!stands || proved.residual_until.is_some(), "{stage}: nobody says until when {whose} stands: {}", proved.reason);
            weakest = weakest.min(proved.strength.filter(|_| !stands).unwrap_or(Strength::Recorded));
        }
        let is_in = self.subject.intruder.is_in().await.context("ask the intruder")?;
        ensure!(
            is_in == (claim.old != Liveness::Dead),
            "{stage}: the old one was judged {:?}, and the intruder is {}",
            claim.old,
            if is_in { "in" } else { "out" }
        );
        Ok(weakest)
    }
}

fn exposed(secrets: &BTreeMap<String, Secret>) -> Vec<(&str, &str)> {
    secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_giving_back_the_exact_former_state_lets_the_old_one_live_again() {
        use Liveness::{Dead, Live};
        for entry in quell_core::action::CATALOGUE {
            let lives = matches!(entry.action, Action::Restore | Action::ReissueCredential);
            assert_eq!(claim(entry.action, false).old == Live, lives, "{}", entry.name);
            assert_eq!(claim(entry.action, false).new, None, "nothing was made, so nothing is claimed of it");
        }
        for (action, old, new) in [
            (Action::RotateCredential, Dead, Live),
            (Action::Reinstate, Dead, Live),
            (Action::ReissueCredential, Live, Live),
            (Action::Restore, Live, Dead),
            (Action::RetireIdentity, Live, Dead),
            (Action::SuspendIdentity, Dead, Dead),
        ] {
            assert_eq!(claim(action, true), Claim { old, new: Some(new) }, "{}", action.name());
        }
    }
}
