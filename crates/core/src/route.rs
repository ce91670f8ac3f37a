//! Who answers for an identity, by which rule and which record.
//!
//! The rules of a kind are tried in their order, and the first record that names
//! somebody decides. A tag only proposes, an author of a prompt answers for no agent,
//! and whoever left answers for nothing. This says whom a finding goes to and never who
//! may approve: authority rests on declared owners alone ([`Inventory::owners`]).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    id::PersonId,
    inventory::{Identity, Inventory, Owner, OwnerRole, matches_glob, split},
    personal::Personal,
    signal::IdentityKind,
    time::Timestamp,
};

/// From how many days on nobody may rely on a confirmation.
pub const STALE_DAYS: i64 = 180;

/// By which rule somebody is the accountable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A person said so of this identity, or of a glob that it is one of.
    Declared,
    /// Who owns the repository that it comes from.
    Repository,
    /// Who owns the pipeline that makes it.
    Pipeline,
    /// The platform team of its workflow, or of its plane.
    Platform,
    /// Who deployed it last, as the plane reports.
    LastDeployer,
    /// Nobody is named: the response owner has it.
    Fallback,
}

/// Every rule, in the order of the strongest.
pub const RULES: [Rule; 6] = [Rule::Declared, Rule::Repository, Rule::Pipeline, Rule::Platform, Rule::LastDeployer, Rule::Fallback];

impl Rule {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Repository => "repository",
            Self::Pipeline => "pipeline",
            Self::Platform => "platform",
            Self::LastDeployer => "last_deployer",
            Self::Fallback => "fallback",
        }
    }

    /// The rules that an identity of this kind is routed by, in their order.
    pub fn order(kind: IdentityKind) -> &'static [Self] {
        match kind {
            IdentityKind::Workload | IdentityKind::ServiceAccount | IdentityKind::Unknown => &RULES,
            // Whoever wrote the prompt, or deployed it last, does not run it.
            IdentityKind::Agent | IdentityKind::Device => &[Self::Declared, Self::Platform, Self::Fallback],
            IdentityKind::Human => &[Self::Declared, Self::Fallback],
        }
    }
}

/// How far the record that names them may be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    Confirmed,
    /// Confirmed too long ago.
    Stale,
    NeverConfirmed,
    /// No record names anybody.
    Missing,
}

/// Who answers for an identity, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accountable<'a> {
    pub rule: Rule,
    /// An address, or what else the record calls them.
    pub person: Option<&'a str>,
    pub team: Option<&'a str>,
    pub deputy: Option<&'a str>,
    /// For what they answer, where the record is an owner's.
    pub role: Option<OwnerRole>,
    /// The record that says so, as a person finds it in the inventory.
    pub record: Option<String>,
    pub confirmed_at: Option<&'a str>,
    pub ownership: Ownership,
    /// What the identity's tags propose.
    pub proposed: Vec<String>,
}

/// Tags that name an owner on some plane.
const TAGS: [&str; 6] = ["owner", "owner_email", "owned_by", "team", "squad", "contact"];

/// Names who answers for the identity of `reference` at `now`. `has_left` says of an
/// address that its account is closed.
pub fn accountable<'a>(inventory: &'a Inventory, reference: &'a str, now: Timestamp, has_left: &dyn Fn(&str) -> bool) -> Accountable<'a> {
    let identity = inventory.identity(reference);
    let kind = identity.map_or(IdentityKind::Unknown, |i| i.kind);
    let proposed = identity.map(proposals).unwrap_or_default();
    for rule in Rule::order(kind) {
        let Some(named) = by_rule(*rule, inventory, identity, reference, has_left) else { continue };
        let ownership = ownership(named.confirmed_at, now);
        return Accountable { ownership, proposed, ..named };
    }
    let nobody = Accountable {
        rule: Rule::Fallback,
        person: None,
        team: None,
        deputy: None,
        role: None,
        record: None,
        confirmed_at: None,
        ownership: Ownership::Missing,
        proposed: Vec::new(),
    };
    Accountable { proposed, ..nobody }
}

fn by_rule<'a>(
    rule: Rule,
    inventory: &'a Inventory,
    identity: Option<&'a Identity>,
    reference: &'a str,
    has_left: &dyn Fn(&str) -> bool,
) -> Option<Accountable<'a>> {
    let place = |prefix: &str, path: Option<&str>| path.map(|path| format!("{prefix}{}/", path.trim_matches('/')));
    match rule {
        Rule::Declared => {
            let declared = inventory.owners(reference);
            let answers = |o: &&&Owner| is_there(o, has_left);
            let first = declared.iter().filter(answers).find(|o| o.role == OwnerRole::Business).or(declared.iter().find(answers));
            first.map(|o| named(rule, o, has_left))
        }
        Rule::Repository => by_place(rule, inventory, &place(Owner::REPOSITORY, identity?.repository.as_deref())?, has_left),
        Rule::Pipeline => by_place(rule, inventory, &place(Owner::PIPELINE, identity?.pipeline.as_deref())?, has_left),
        Rule::Platform => {
            let workflow = identity.and_then(|i| place(Owner::WORKFLOW, i.workflow.as_deref()));
            let of_workflow = workflow.and_then(|at| by_place(rule, inventory, &at, has_left));
            of_workflow.or_else(|| by_place(rule, inventory, &format!("{}{}/", Owner::PLATFORM, split(reference)?.0), has_left))
        }
        Rule::LastDeployer => {
            let (identity, person) = identity.and_then(|i| Some((i, i.deployed_by.as_deref()?)))?;
            let record = Some(format!("`deployed_by` of `{}`", identity.id));
            let there = Some(person).filter(|p| !has_left(p))?;
            let [team, deputy, confirmed_at] = [None; 3];
            let (ownership, proposed) = (Ownership::NeverConfirmed, Vec::new());
            Some(Accountable { rule, person: Some(there), team, deputy, role: None, record, confirmed_at, ownership, proposed })
        }
        Rule::Fallback => None,
    }
}

/// The owner of a place: what was said of it by itself outweighs every file; of several
/// lines of a file the last one decides, else the record that says most of the place.
fn by_place<'a>(rule: Rule, inventory: &'a Inventory, at: &str, has_left: &dyn Fn(&str) -> bool) -> Option<Accountable<'a>> {
    let bare = at.trim_end_matches('/');
    let matches = inventory.all_owners().filter(|o| matches_glob(&o.of, at) || matches_glob(&o.of, bare));
    let best = matches.max_by_key(|o| (o.line.is_none(), o.line, !o.of.contains('*'), o.of.len(), o.role == OwnerRole::Business))?;
    // A later record that names nobody takes the place away from those before it.
    is_there(best, has_left).then(|| named(rule, best, has_left))
}

fn is_there(owner: &Owner, has_left: &dyn Fn(&str) -> bool) -> bool {
    let here = |address: &Option<String>| address.as_deref().is_some_and(|a| !has_left(a));
    here(&owner.person) || here(&owner.deputy) || owner.team.is_some()
}

fn named<'a>(rule: Rule, owner: &'a Owner, has_left: &dyn Fn(&str) -> bool) -> Accountable<'a> {
    let here = |address: &'a Option<String>| address.as_deref().filter(|a| !has_left(a));
    let (mut person, mut deputy) = (here(&owner.person), here(&owner.deputy));
    if person.is_none() && owner.team.is_none() {
        person = deputy.take();
    }
    Accountable {
        rule,
        person,
        team: owner.team.as_deref(),
        deputy,
        role: Some(owner.role),
        record: Some(format!("the owner of `{}`", owner.of)),
        confirmed_at: owner.confirmed_at.as_deref(),
        ownership: Ownership::NeverConfirmed,
        proposed: Vec::new(),
    }
}

/// What is no date was never confirmed; what is confirmed in the future is not, yet.
fn ownership(confirmed_at: Option<&str>, now: Timestamp) -> Ownership {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let Some(date) = confirmed_at.and_then(|at| at.get(..10)?.parse::<Date>().ok()).filter(|date| *date <= today) else {
        return Ownership::NeverConfirmed;
    };
    let days = today.since(date).map_or(i64::MAX, |span| i64::from(span.get_days()));
    if days > STALE_DAYS { Ownership::Stale } else { Ownership::Confirmed }
}

fn proposals(identity: &Identity) -> Vec<String> {
    let named = |tag: &&str| identity.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(tag));
    TAGS.iter().filter_map(named).map(|(key, value)| format!("{key}={value}")).collect()
}

/// Where a subject of a case was routed, by value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub rule: Rule,
    /// The account of whoever is named, where there is one.
    pub person: Option<PersonId>,
    pub name: Option<Personal>,
    pub deputy: Option<Personal>,
    /// The record that says so.
    pub record: Option<Personal>,
    pub confirmed_at: Option<String>,
    pub ownership: Ownership,
    /// What tags propose, and what nobody decided by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposed: Vec<Personal>,
    /// Until when they have it; then whoever stands in for them.
    pub deadline: Timestamp,
}

impl Route {
    /// Whether somebody has to say who answers for it.
    pub fn is_in_doubt(&self) -> bool {
        self.ownership != Ownership::Confirmed
    }

    /// Who has it after the deadline.
    pub fn escalation(&self) -> String {
        match &self.deputy {
            Some(deputy) => format!("{}, then the response owner", deputy.shown()),
            None => "the response owner".to_string(),
        }
    }
}

impl Accountable<'_> {
    /// Why they are the accountable one, in our words.
    pub fn why(&self) -> String {
        let confirmed = match (self.ownership, self.confirmed_at) {
            (Ownership::Stale, Some(at)) => format!("confirmed {at}, which is more than {STALE_DAYS} days ago"),
            (Ownership::Confirmed, Some(at)) => format!("confirmed {at}"),
            _ => "confirmed never".to_string(),
        };
        let role = match self.role {
            Some(OwnerRole::Iam) => "identity",
            Some(OwnerRole::Security) => "security",
            Some(OwnerRole::Vendor) => "vendor",
            Some(OwnerRole::Business) | None => "business",
        };
        match self.rule {
            Rule::Declared => format!("the {role} owner of this identity, {confirmed}"),
            Rule::Repository => format!("nobody is declared, so the owner of its repository, {confirmed}"),
            Rule::Pipeline => format!("nobody is declared, so the owner of its pipeline, {confirmed}"),
            Rule::Platform => format!("nobody nearer is named, so its platform team, {confirmed}"),
            Rule::LastDeployer => "nobody else is named, so whoever deployed it last".to_string(),
            Rule::Fallback => "nobody owns this identity in the inventory, so the response owner has it".to_string(),
        }
    }
}
