//! A leaked value that a plane did not compare is asked about again until it does.
//!
//! The job of a finding is a row of the store, so a crash at any line asks again and
//! forgets nothing; it is put off before a plane is asked. What a plane answers is
//! written where the finding still stands as it was: an outcome that a person gave it
//! meanwhile ends the asking.

use std::sync::Arc;

use quell_core::{
    case::Case,
    event::{By, CaseReopened, FindingAttached},
    finding::{Finding, Resolved},
    fold,
    id::{CaseId, FindingId, StreamId},
    inventory::matches_glob,
    personal::Salter,
    respond,
    secret::Secret,
    target::TargetKind,
    time::after,
};

use crate::{
    Engine, Failure,
    intake::{Compared, RETRIES},
    lookup,
    record::{Seen, Writing},
    streams,
};

/// How long a look at the planes keeps its finding from being taken up again.
const LOOK_SECONDS: i64 = 120;

/// The job that asks again about a finding.
pub(crate) fn job_of(finding: &FindingId) -> String {
    format!("compare/{finding}")
}

/// What the planes said of a value.
#[derive(Default)]
struct Answered {
    /// Planes that are struck off.
    planes: Vec<String>,
    resolved: Option<Resolved>,
}

/// A finding is asked about once at a time.
struct Asking<'a>(&'a Engine, FindingId);

impl<'a> Asking<'a> {
    fn begin(engine: &'a Engine, finding: &FindingId) -> Option<Self> {
        let mut asked = engine.comparing.lock().expect("no holder of this lock can panic");
        asked.insert(finding.clone()).then(|| Self(engine, finding.clone()))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.comparing.lock().expect("no holder of this lock can panic").remove(&self.1);
    }
}

impl Engine {
    /// Asks the planes that did not answer whose a leaked value is; its finding gets the
    /// identity, or the plane is struck off, or it is asked again later.
    pub async fn compare(self: &Arc<Self>, id: &FindingId) -> Result<(), Failure> {
        let Some(_asking) = Asking::begin(self, id) else { return Ok(()) };
        let Some((case, finding, _)) = self.uncompared_finding(id).await? else { return self.clear_job(job_of(id)).await };
        let Some(secret) = self.secret_of(&finding).await? else {
            // Erased: nobody can compare it any more, and it stays uncompared.
            return self.clear_job(job_of(id)).await;
        };
        let mut writing = Writing::because(job_of(id));
        writing.job(job_of(id), after(self.ports.clock.now(), LOOK_SECONDS));
        self.append(writing, self.ports.clock.now()).await?;
        let answered = self.ask_planes_again(&finding, &secret).await?;
        drop(secret);
        self.take_answer(id, &case, answered).await
    }

    /// The finding with planes that did not compare its value, and what it was loaded from.
    async fn uncompared_finding(&self, id: &FindingId) -> Result<Option<(Arc<Case>, Finding, Seen)>, Failure> {
        let Some(row) = self.ports.store.lookup(lookup::UNCOMPARED, id.as_str()).await? else { return Ok(None) };
        let stream = StreamId::case(&CaseId::new(row["case"].as_str().unwrap_or_default()));
        let known = self.streams.load(&*self.ports.store, &stream).await?;
        let Some(streams::Folded::Case(case)) = known.as_ref().map(|k| k.folded.clone()) else { return Ok(None) };
        let finding = case.findings.iter().find(|f| f.id == *id && f.outcome.is_none() && !f.uncompared.is_empty()).cloned();
        Ok(finding.map(|finding| (case, finding, Seen::from([(stream, known)]))))
    }

    async fn ask_planes_again(&self, finding: &Finding, secret: &Secret) -> Result<Answered, Failure> {
        let mut answered = Answered::default();
        for plane in &finding.uncompared {
            // A plane that is not connected any more may be again.
            let Some(connector) = self.ports.connectors.get(plane) else { continue };
            let Ok(found) = self.compared(&**connector, secret).await else { continue };
            answered.planes.push(plane.clone());
            let (one, possession) = match found {
                Compared::Right(one) => (one, true),
                Compared::Name(one) => (one, false),
                Compared::Nobodys => continue,
            };
            if !self.may_speak_of(finding, plane).await? {
                continue;
            }
            let salter = Salter::new(self.ports.chance.seed());
            let naming = self.naming(&salter);
            let because = match possession {
                true => format!("the leaked value was compared with what `{plane}` stores, once it answered, and is right"),
                false => {
                    format!("the leaked value names a credential of `{plane}`, which answered late; whether it is right, nobody tried")
                }
            };
            answered.resolved = Some(Resolved {
                identity: naming.target(plane, TargetKind::Identity, &one.identity, &one.identity),
                credential: Some(naming.target(plane, TargetKind::Credential, &one.credential, &one.identity)),
                credential_kind: Some(one.kind),
                mark: self.mark_of(plane, one.kind, secret).await,
                possession,
                is_right_now: possession,
                because,
                otherwise: None,
                said: None,
            });
            break;
        }
        Ok(answered)
    }

    /// A sender speaks only about the systems it is bound to (invariant 12).
    async fn may_speak_of(&self, finding: &Finding, plane: &str) -> Result<bool, Failure> {
        for sender in &finding.senders {
            let source = self.source_of(sender).await?;
            if source.is_some_and(|s| s.systems.iter().any(|glob| matches_glob(glob, plane))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn take_answer(self: &Arc<Self>, id: &FindingId, asked: &Case, answered: Answered) -> Result<(), Failure> {
        for _ in 0..RETRIES {
            let now = self.ports.clock.now();
            let Some((case, before, seen)) = self.uncompared_finding(id).await? else { return self.clear_job(job_of(id)).await };
            let received = case.received.get(id).copied().unwrap_or(asked.opened_at);
            let mut writing = Writing::because(job_of(id));
            let mut finding = before;
            finding.uncompared.retain(|plane| !answered.planes.contains(plane));
            if let Some(resolved) = &answered.resolved {
                let credential = match &resolved.credential {
                    Some(credential) => self.target_state(&credential.id).await?,
                    None => None,
                };
                let identity = self.target_state(&resolved.identity.id).await?;
                finding.folds.timing = fold::timing(finding.last_at, resolved, credential.as_deref(), identity.as_deref());
                finding.resolved = Some(resolved.clone());
                finding.uncompared.clear();
                // Closed by what its sender's words meant: whose the value is, is news.
                if !case.is_open() {
                    let because = format!("`{}` answered that a leaked value is one of its own", resolved.identity.plane);
                    writing.event(StreamId::case(&case.id), &By::Automation, CaseReopened { because });
                }
                writing.job(format!("case/{}", case.id), now);
            }
            let is_over = finding.uncompared.is_empty();
            if !answered.planes.is_empty() {
                let because = match &answered.resolved {
                    Some(resolved) => format!("`{}` answered since: the leaked value is one of its own", resolved.identity.plane),
                    None => format!("{} answered since: the leaked value is none of theirs", answered.planes.join(", ")),
                };
                let attached = FindingAttached { finding, because, received_at: Some(received) };
                writing.event(StreamId::case(&case.id), &By::Automation, attached);
            }
            match is_over {
                true => writing.done(job_of(id)),
                false => writing.job(job_of(id), respond::compared_again_at(received, now)),
            };
            match self.append_on(writing, now, seen).await {
                Err(Failure::Stale) => {}
                other => {
                    self.wake();
                    return other.map(|_| ());
                }
            }
        }
        Err(Failure::Stale)
    }
}
