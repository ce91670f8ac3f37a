//! Whom a finding is about.
//!
//! Order: an IAM resource, because it says whose key or session was used, also
//! where it stands as JSON inside a string; the user of the evidence, whose doing
//! was noticed; the user of the finding, before who acted on them; an IAM
//! resource known by its uid alone; observables. The owner of a resource is
//! nobody's subject. More identities than one are counted.

use std::{borrow::Cow, collections::BTreeSet};

use quell_core::signal::IdentityKind;

use crate::{
    field::{field, integer, is_placeholder, list, said, text},
    json::{self, Value},
    windows,
};

/// An identity as a finding names it.
pub struct Identity {
    pub kind: IdentityKind,
    pub native_id: Option<String>,
    pub name: Option<String>,
    /// Another identity that stands as the actor.
    pub other_id: Option<String>,
    pub other_name: Option<String>,
}

/// The details of the resources, unpacked where they came as text.
pub struct Details(pub Vec<Value>);

impl Details {
    pub fn of(finding: &Value, reasons: &mut Vec<String>) -> Self {
        let mut out = Vec::new();
        for resource in list(finding, "resources") {
            match field(resource, "data") {
                Some(Value::String(data)) if data.trim_start().starts_with(['{', '[']) => match json::document(data.as_bytes()) {
                    Ok(value) => out.push(value),
                    Err(_) => reasons.push("`resources[].data` is text that is not whole JSON and was passed over".into()),
                },
                Some(value @ Value::Object(_)) => out.push(value.clone()),
                _ => {}
            }
        }
        Self(out)
    }

    /// The parts called `name` of all resources.
    pub fn parts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter_map(move |d| field(d, name))
    }
}

/// Where a user, session, token or certificate may stand, nearest first.
pub fn places(finding: &Value) -> impl Iterator<Item = &Value> {
    let evidences = list(finding, "evidences");
    let actors = evidences.iter().filter_map(|e| field(e, "actor"));
    actors.chain(evidences).chain(std::iter::once(finding)).chain(field(finding, "actor"))
}

/// Every user object of the finding, nearest first.
pub fn users(finding: &Value) -> impl Iterator<Item = &Value> {
    places(finding).filter_map(|p| field(p, "user")).filter(|u| u.is_object())
}

/// The identity the finding is about; empty where it names none.
pub fn find(finding: &Value, details: &Details, reasons: &mut Vec<String>) -> Identity {
    let mut found: Vec<(Person, &'static str)> = Vec::new();
    for (part, id, names, kind) in IAM_DETAILS {
        found.extend(details.parts(part).map(|d| (Person::of(d, &[id], names, &[kind]), "an IAM resource")));
    }
    found.extend(users(finding).map(|u| (Person::of_user(u), "a user")));
    let resources = list(finding, "resources").iter().filter(|r| said(r, "type").is_some_and(|t| is_iam_resource(&t)));
    found.extend(resources.map(|r| (Person::of(r, &["uid"], &["name"], &["type"]), "an IAM resource")));
    found.push((Person::of_observables(finding), "observables"));

    let placeholders = found.iter().any(|(p, _)| p.placeholder);
    found.retain(|(p, _)| p.id.is_some() || p.name.is_some());
    if placeholders {
        reasons.push("a placeholder stands where an identity belongs and names nobody".into());
    }
    let Some((subject, from)) = found.first() else {
        return Identity { kind: IdentityKind::Unknown, native_id: None, name: None, other_id: None, other_name: None };
    };
    reasons.push(format!("the subject is taken from {from} of the finding"));
    let others: BTreeSet<&str> =
        found.iter().filter(|(p, _)| p.differs(subject)).filter_map(|(p, _)| p.id.as_deref().or(p.name.as_deref())).collect();
    if !others.is_empty() {
        reasons.push(format!("the finding names other identities, too ({}); one is taken as the subject", others.len()));
    }
    let kind = subject.kind(reasons);
    let other = field(finding, "actor")
        .and_then(|a| field(a, "user"))
        .map(|u| Person::of(u, &["uid", "uid_alt"], &["name", "email_addr"], &["type"]))
        .filter(|p| p.differs(subject));
    let (other_id, other_name) = other.map_or((None, None), |p| (p.id, p.name));
    Identity { kind, native_id: subject.id.clone(), name: subject.name.clone(), other_id, other_name }
}

/// Part of the details, field of the id, fields of the name, field of the type,
/// as Security Hub and GuardDuty write them (read 2026-11).
const IAM_DETAILS: [(&str, &str, &[&str], &str); 4] = [
    ("AwsIamAccessKey", "PrincipalId", &["UserName", "PrincipalName"], "PrincipalType"),
    ("accessKeyDetails", "principalId", &["userName"], "userType"),
    ("AwsIamUser", "UserId", &["UserName"], "Type"),
    ("AwsIamRole", "RoleId", &["RoleName"], "Type"),
];

fn is_iam_resource(kind: &str) -> bool {
    kind.get(..3).is_some_and(|first| first.eq_ignore_ascii_case("aws"))
        && ["awsiamuser", "awsiamrole"].contains(&kind.to_ascii_lowercase().replace("::", "").as_str())
}

pub struct Person {
    pub id: Option<String>,
    pub name: Option<String>,
    type_text: String,
    type_id: Option<i64>,
    placeholder: bool,
}

impl Person {
    /// A user object of OCSF.
    pub fn of_user(user: &Value) -> Self {
        Self::of(user, &["uid", "uid_alt"], &["name", "email_addr", "full_name"], &["type"])
    }

    fn of(value: &Value, ids: &[&str], names: &[&str], types: &[&str]) -> Self {
        let mut placeholder = false;
        let mut first = |fields: &[&str]| {
            let found = fields.iter().filter_map(|f| said(value, f)).find(|t| {
                let empty = is_placeholder(t);
                placeholder |= empty;
                !empty
            });
            found.map(Cow::into_owned)
        };
        let (mut id, mut name) = (first(ids), first(names));
        let domain = said(value, "domain");
        if windows::is_machine_wide(domain.as_deref(), domain.as_ref().and(name.as_deref()), id.as_deref()) {
            (id, name, placeholder) = (None, None, true);
        }
        let type_text = types.iter().find_map(|t| text(value, t)).unwrap_or_default();
        Self { id, name, type_text, type_id: integer(value, "type_id"), placeholder }
    }

    /// OCSF `observables[].type_id`: 31 user uid, 4 user name, 5 mail address.
    fn of_observables(finding: &Value) -> Self {
        let mut placeholder = false;
        let mut first = |type_id: i64| {
            let values = list(finding, "observables").iter().filter(|o| integer(o, "type_id") == Some(type_id));
            let found = values.filter_map(|o| said(o, "value")).find(|t| {
                let empty = is_placeholder(t);
                placeholder |= empty;
                !empty
            });
            found.map(Cow::into_owned)
        };
        let id = first(31);
        let name = first(4).or_else(|| first(5));
        Self { id, name, type_text: String::new(), type_id: None, placeholder }
    }

    /// Whether this is surely another identity: ids differ, or there is no id on
    /// one side and names differ.
    fn differs(&self, other: &Self) -> bool {
        match (&self.id, &other.id, &self.name, &other.name) {
            (Some(a), Some(b), ..) => a != b,
            (_, _, Some(a), Some(b)) => a != b,
            _ => false,
        }
    }

    /// The kind that the event shows.
    pub fn kind(&self, reasons: &mut Vec<String>) -> IdentityKind {
        let lower = self.type_text.to_ascii_lowercase();
        let session = self.id.as_deref().and_then(|id| id.rsplit_once(':')).map_or("", |(_, s)| s);
        match self.type_id {
            Some(1 | 2) => return IdentityKind::Human,
            Some(4) => return IdentityKind::ServiceAccount,
            _ => {}
        }
        if session.starts_with("i-") && session.len() > 9 {
            reasons.push("the role session is named after an instance, so a workload holds it".into());
            IdentityKind::Workload
        } else if lower == "root" {
            IdentityKind::Human
        } else if lower == "awsservice" || self.name.as_deref().is_some_and(|n| n.starts_with("system:serviceaccount:")) {
            IdentityKind::ServiceAccount
        } else {
            if ["assumedrole", "role", "iamuser", "federateduser"].contains(&lower.as_str()) {
                reasons.push("people and workloads both use this type of principal, so its kind stays unknown".into());
            }
            IdentityKind::Unknown
        }
    }
}
