//! What people order: approve, deny, run, undo, judge, arm, pause.
//!
//! Whether a principal may use a verb at all is policy's question ([`Engine::may`]);
//! whether the order makes sense now is the core's. Each order is decided on a
//! freshly loaded case and tried again when somebody was faster.

mod access;
mod import;
mod installation;
mod on_case;
mod on_plan;
mod on_two_cases;

use std::sync::Arc;

use quell_core::{
    approval::Bench,
    decision::{Principal, Role, Verb, VerbQuestion},
    event::By,
    id::{CaseId, PersonId},
    time::Timestamp,
};

use crate::{
    Engine, Failure,
    ground::Ground,
    intake::RETRIES,
    record::{Desk, Writing},
};
/// Who calls, as authentication established it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub id: PersonId,
    pub roles: Vec<Role>,
    /// A person's sign-in session, and not a machine token.
    pub signed_in: bool,
    pub human: bool,
    pub scopes: Vec<String>,
}

impl Caller {
    /// The author of what they order.
    pub fn by(&self) -> By {
        if self.human && self.signed_in { By::Person(self.id.clone()) } else { By::Agent(self.id.clone()) }
    }

    fn principal(&self) -> Principal {
        let (id, roles) = (self.id.clone(), self.roles.clone());
        if self.human { Principal::Person { id, roles } } else { Principal::Agent { id, roles } }
    }
}
impl Engine {
    /// May this caller use this verb, on this case if one is named?
    pub async fn may(&self, caller: &Caller, verb: Verb, case: Option<&CaseId>, gives_roles: &[Role]) -> Result<(), Failure> {
        let bench = match case {
            Some(id) => self.case(id).await?.map(|c| c.bench()).unwrap_or_default(),
            None => Bench::default(),
        };
        let contested = bench.contested.contains(&caller.id);
        // Beside others a contested person's yes counts; nothing else of theirs does.
        let entangled = bench.entangled.contains(&caller.id) || (contested && verb != Verb::Approve);
        let question = VerbQuestion {
            principal: caller.principal(),
            verb,
            signed_in: caller.signed_in,
            entangled,
            contested,
            scopes: caller.scopes.clone(),
            gives_roles: gives_roles.to_vec(),
        };
        let decision = self.ports.policy.permits(&question);
        if decision.allowed {
            return Ok(());
        }
        let roles: Vec<&str> = caller.roles.iter().map(|r| r.name()).collect();
        let hint = if entangled {
            "you are joined to a subject of this case; your deputy can".to_owned()
        } else if !caller.signed_in {
            "a machine token may not; sign in as a person with `quell login`".to_owned()
        } else if decision.deciding.is_empty() {
            format!(
                "your roles are {}; `quell policy show` lists who may",
                if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
            )
        } else {
            format!("forbidden by {}; `quell policy explain` says why", decision.deciding.join(", "))
        };
        Err(Failure::Refused(format!("`{}` is not permitted: {hint}", verb.name())))
    }

    pub(super) async fn loaded_on(&self, id: &CaseId, desk: &mut Desk) -> Result<Ground, Failure> {
        let ground = self.ground_on(id, desk).await?.ok_or_else(|| Failure::Unknown(format!("case `{id}`")))?;
        match &ground.case.merged_into {
            Some(into) => {
                let gone = quell_core::case::Refused::MergedAway { case: id.clone(), into: into.clone() };
                Err(Failure::Refused(gone.to_string()))
            }
            None => Ok(ground),
        }
    }

    /// The plan of a case with this digest; the error names the current ones.
    pub(super) fn plan_with<'a>(&self, ground: &'a Ground, digest: &str) -> Result<&'a quell_core::course::PlanState, Failure> {
        ground.plans.values().map(|p| &**p).find(|p| p.digest == digest).ok_or_else(|| {
            let current: Vec<&str> = ground.plans.values().filter(|p| p.is_open()).map(|p| p.digest.as_str()).collect();
            let current = if current.is_empty() { "none is open".to_owned() } else { current.join(", ") };
            Failure::Refused(format!(
                "no plan of case `{}` has the digest `{digest}`; open: {current}. Read it again with `quell case show {}`",
                ground.case.id, ground.case.id
            ))
        })
    }

    pub(super) fn after_order(self: &Arc<Self>, writing: &mut Writing, case: &CaseId, now: Timestamp) {
        writing.job(format!("case/{case}"), now);
    }

    pub(super) async fn retry(
        self: &Arc<Self>,
        id: &CaseId,
        mut decide: impl FnMut(&Arc<Self>, &Ground, &mut Writing) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for _ in 0..RETRIES {
            let mut desk = Desk::default();
            let ground = self.loaded_on(id, &mut desk).await?;
            let now = self.ports.clock.now();
            let mut writing = Writing::because(id.as_str());
            match decide(self, &ground, &mut writing) {
                Err(Failure::Stale) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                other => other?,
            }
            self.after_order(&mut writing, id, now);
            self.post(&mut desk, writing).await?;
            match self.commit(&mut desk).await {
                Err(Failure::Stale) => {}
                other => return other,
            }
        }
        Err(Failure::Stale)
    }
}
