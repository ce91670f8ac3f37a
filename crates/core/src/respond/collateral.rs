//! Collateral: somebody who must keep working stopped after an act.

use super::Situation;
use crate::{course::PlanState, plan::Tier};

/// May a plan pause by itself? In the contain tier the lead decides, if there is one.
pub fn pauses_by_itself(s: &Situation<'_>, state: &PlanState) -> bool {
    state.plan.tier < Tier::Contain || s.case.lead.is_none()
}
