//! Asking the set.
//!
//! Cedar skips a policy whose evaluation errs, and a skipped `forbid` lets
//! things pass. So an answer that carries any error is a deny, whatever Cedar
//! decided, and the errors go into the decision as an alarm.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use cedar_policy::{ActionConstraint, Authorizer, Entities, Policy as CedarRule, PolicyId, PolicySet};
use quell_core::decision::{AttemptQuestion, Decision, VerbQuestion, WhomToAsk};
use quell_engine::port::Policy;

use crate::{
    ask,
    load::Problem,
    request::{Asked, Vocabulary},
    show::Rule,
};

/// A policy set in force: loaded, validated, linted. Asking it cannot fail.
#[derive(Clone)]
pub struct CedarPolicy {
    authorizer: Authorizer,
    set: PolicySet,
    /// For each action the policies whose scope admits it. The others could
    /// neither apply nor err, and Cedar looks at every policy it is given.
    by_action: BTreeMap<String, PolicySet>,
    vocabulary: Vocabulary,
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    /// The largest number that a sum of approvals is compared with.
    approvals_max: u8,
    digest: String,
    warnings: Vec<Problem>,
    heard: Heard,
}

/// Whom to ask, by the digest of the question: the search is dear, a plan's steps ask
/// it again at every change of the case, and of one set and one question there is one
/// answer. A copy of the set may become another set, so it begins without.
#[derive(Debug, Default)]
struct Heard(Mutex<BTreeMap<String, WhomToAsk>>);

impl Clone for Heard {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Answers that are remembered; then it begins anew.
const REMEMBERED_MAX: usize = 4_096;

impl fmt::Debug for CedarPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarPolicy").field("digest", &self.digest).field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

impl CedarPolicy {
    pub(crate) fn new(set: PolicySet, vocabulary: Vocabulary, rules: Vec<Rule>, digest: String, warnings: Vec<Problem>) -> Self {
        let by_id = rules.iter().enumerate().map(|(i, rule)| (rule.id.clone(), i)).collect();
        let approvals_max = rules.iter().map(|r| r.approvals_max).max().unwrap_or(0).max(1);
        let by_action = by_action(&set, &vocabulary);
        Self {
            authorizer: Authorizer::new(),
            set,
            by_action,
            vocabulary,
            rules,
            by_id,
            approvals_max,
            digest,
            warnings,
            heard: Heard::default(),
        }
    }

    /// The rules, in the order of their files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of an id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(id).map(|i| &self.rules[*i])
    }

    /// What an author should look at; the set is in force nevertheless.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// SHA-256 over the schema and the files, in hex.
    pub fn digest_text(&self) -> &str {
        &self.digest
    }

    pub(crate) fn add_warnings(&mut self, warnings: Vec<Problem>) {
        self.warnings.extend(warnings);
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The policies that can apply to an action.
    pub(crate) fn applicable(&self, action: &str) -> &PolicySet {
        self.by_action.get(action).unwrap_or(&self.set)
    }

    pub(crate) fn approvals_max(&self) -> u8 {
        self.approvals_max
    }

    /// The same set without one rule, to see whether a test would miss it. An
    /// id that is not there leaves the set as it is.
    pub fn without(&self, id: &str) -> Self {
        let mut rest = self.clone();
        if rest.set.remove_static(PolicyId::new(id)).is_ok() {
            rest.by_action = by_action(&rest.set, &rest.vocabulary);
            rest.rules.retain(|r| r.id != id);
            rest.by_id = rest.rules.iter().enumerate().map(|(i, rule)| (rule.id.clone(), i)).collect();
        }
        rest
    }

    fn answer(&self, asked: Result<Asked, String>, request_digest: String) -> Decision {
        let (allowed, errors, deciding) = match asked {
            Err(reason) => (false, vec![reason], Vec::new()),
            Ok(Asked { action, request, entities }) => {
                let response = self.authorizer.is_authorized(&request, self.applicable(action), &entities);
                let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
                let mut deciding: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
                deciding.sort();
                (response.decision() == cedar_policy::Decision::Allow && errors.is_empty(), errors, deciding)
            }
        };
        Decision { allowed, errors, policy_digest: self.digest.clone(), request_digest, deciding }
    }

    /// Would these policies alone allow it?
    ///
    /// # Errors
    ///
    /// What Cedar could not evaluate: such an answer tells nothing.
    pub(crate) fn allows_by(&self, policies: &PolicySet, question: &AttemptQuestion) -> Result<bool, String> {
        let Asked { request, entities, .. } = self.vocabulary.attempt(question)?;
        let response = self.authorizer.is_authorized(&request, policies, &entities);
        match response.diagnostics().errors().next() {
            Some(error) => Err(error.to_string()),
            None => Ok(response.decision() == cedar_policy::Decision::Allow),
        }
    }

    /// Would it be allowed? Without the digest of the question, for searches.
    pub(crate) fn allows(&self, question: &AttemptQuestion) -> bool {
        self.answer(self.vocabulary.attempt(question), String::new()).allowed
    }
}

/// Sorts the policies by the actions that their scopes admit. An action that
/// is missing here is asked of the whole set.
fn by_action(set: &PolicySet, vocabulary: &Vocabulary) -> BTreeMap<String, PolicySet> {
    let Ok(groups) = Entities::from_entities(vocabulary.actions().values().cloned(), None) else { return BTreeMap::new() };
    let admits = |policy: &CedarRule, action: &cedar_policy::EntityUid| match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        ActionConstraint::In(many) => many.iter().any(|one| one == action || groups.is_ancestor_of(one, action)),
    };
    let mut sorted = BTreeMap::new();
    for (name, entity) in vocabulary.actions() {
        let uid = entity.uid();
        let applicable = set.policies().filter(|p| admits(p, &uid)).cloned();
        // Ids are distinct already, so this cannot fail.
        if let Ok(part) = PolicySet::from_policies(applicable) {
            sorted.insert(name.clone(), part);
        }
    }
    sorted
}

impl Policy for CedarPolicy {
    fn digest(&self) -> String {
        self.digest.clone()
    }

    fn decide(&self, question: &AttemptQuestion) -> Decision {
        self.answer(self.vocabulary.attempt(question), question.digest())
    }

    fn permits(&self, question: &VerbQuestion) -> Decision {
        self.answer(self.vocabulary.verb(question), question.digest())
    }

    fn whom_to_ask(&self, question: &AttemptQuestion) -> WhomToAsk {
        let digest = question.digest();
        let remembered = || self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = remembered().get(&digest) {
            return answer.clone();
        }
        let answer = ask::whom(self, question);
        let mut all = remembered();
        if all.len() >= REMEMBERED_MAX {
            all.clear();
        }
        all.insert(digest, answer.clone());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{example, schema::schema};

    /// A set that the loader would refuse: nothing but the answer itself stands
    /// between an erring `forbid` and an allow.
    fn unlinted(text: &str) -> CedarPolicy {
        let vocabulary = Vocabulary::of(&schema().expect("the schema parses")).expect("the schema has actions");
        CedarPolicy::new(text.parse().expect("the text parses"), vocabulary, Vec::new(), String::new(), Vec::new())
    }

    #[test]
    fn a_forbid_that_errs_is_a_deny_and_an_alarm() {
        let set = unlinted(
            "permit (principal, action, resource);
             forbid (principal, action, resource) when { context.confidence + 9223372036854775807 > 0 };",
        );
        let decision = set.decide(&example());
        assert!(!decision.allowed, "Cedar skips the forbid and would allow");
        assert_eq!(decision.errors.len(), 1);
        assert_eq!(set.whom_to_ask(&example()), WhomToAsk::NoOne);
    }

    #[test]
    fn the_policies_of_an_action_answer_like_the_whole_set() {
        let parts = CedarPolicy::shipped();
        let mut whole = parts.clone();
        whole.by_action.clear();
        for entry in quell_core::action::CATALOGUE {
            for (corroborated, sample, count) in [(true, false, 0), (false, false, 0), (false, true, 2), (false, false, 2)] {
                let mut question = example();
                question.action = entry.action;
                question.circumstances.corroborated = corroborated;
                question.circumstances.sample = sample;
                question.circumstances.approvals.insert(quell_core::decision::Role::Iam, count);
                assert_eq!(parts.decide(&question), whole.decide(&question));
            }
        }
        for verb in quell_core::decision::Verb::ALL {
            for entangled in [false, true] {
                let question = VerbQuestion { verb, entangled, ..crate::example_verb() };
                assert_eq!(parts.permits(&question), whole.permits(&question));
            }
        }
    }

    #[test]
    fn the_same_set_without_the_error_allows() {
        let set = unlinted("permit (principal, action, resource);");
        assert!(set.decide(&example()).allowed);
    }
}
