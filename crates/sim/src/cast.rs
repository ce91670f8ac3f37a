//! Who and what is in a world: planes with roles, people with offices, the
//! inventory that names owners, the senders of alerts.

use std::sync::Arc;

use quell_core::{
    decision::{Criticality, Role as Office},
    event::{By, PersonCreated, SourceCreated},
    id::{PersonId, SourceId, TokenId},
    inventory::Object,
    personal::Salter,
    plan::Tier,
};
use quell_engine::{
    Engine, Failure,
    order::Caller,
    port::{Chance, Clock},
};
use serde_json::json;

use crate::{
    fault::Fault,
    guards::Facts,
    truth::Who,
    world::{World, hold},
};

/// A person, or an agent, and what they may be asked as.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: PersonId,
    pub offices: Vec<Office>,
    pub human: bool,
}

impl Member {
    /// As authentication would establish them.
    pub fn caller(&self) -> Caller {
        Caller { id: self.id.clone(), roles: self.offices.clone(), signed_in: self.human, human: self.human, scopes: Vec::new() }
    }
}

/// Everybody and everything.
#[derive(Clone, Debug)]
pub struct Cast {
    pub planes: Vec<String>,
    /// Plane, role, and the secret that the intruder may have.
    pub roles: Vec<(String, String, String)>,
    pub members: Vec<Member>,
    pub sources: Vec<SourceCreated>,
}

const PEOPLE: &[(&str, &[Office])] = &[
    ("u-rita", &[Office::ResponseOwner]),
    ("u-leo", &[Office::Lead]),
    ("u-ida", &[Office::Iam]),
    ("u-ian", &[Office::Iam]),
    ("u-sam", &[Office::Secops]),
    ("u-sue", &[Office::Secops, Office::Lead]),
    ("u-bea", &[Office::BusinessOwner]),
    ("u-pat", &[Office::PlatformOwner]),
    ("u-adam", &[Office::Admin]),
    ("u-audrey", &[Office::Auditor]),
    ("u-late", &[Office::PlatformOwner]),
];

impl Cast {
    /// Draws a cast.
    pub fn draw(world: &World) -> Self {
        let planes: Vec<String> = (1..=world.chance.between(1, 3)).map(|n| format!("pg-{n}")).collect();
        let mut roles = Vec::new();
        for plane in &planes {
            for name in ["billing", "ci", "alice", "root"] {
                roles.push((plane.clone(), name.to_owned(), format!("Marked-{plane}-{name}-{:016x}", world.chance.next())));
            }
        }
        let mut members: Vec<Member> =
            PEOPLE.iter().map(|(id, offices)| Member { id: PersonId::new(*id), offices: offices.to_vec(), human: true }).collect();
        members.push(Member { id: PersonId::new("u-bot"), offices: vec![Office::Secops], human: false });
        let source = |n: u64, systems: &[&str]| SourceCreated {
            source: SourceId::new(format!("src-{n}")),
            name: format!("scanner-{n}"),
            detector: "sim".to_owned(),
            token: TokenId::new(format!("tok-{n}")),
            hash: format!("{n:064}"),
            hmac_key: None,
            systems: systems.iter().map(|s| (*s).to_owned()).collect(),
            tier_max: Tier::Contain,
            expires_at: None,
        };
        Self { planes, roles, members, sources: vec![source(1, &["*"]), source(2, &["*"]), source(3, &["pg-1"])] }
    }

    /// The person of an id.
    pub fn member(&self, id: &str) -> &Member {
        self.members.iter().find(|m| m.id.as_str() == id).expect("the cast is fixed and names them")
    }

    /// Puts the truth in place, and tells the engine who is who.
    ///
    /// # Errors
    ///
    /// What the engine refused.
    pub async fn enter(&self, world: &Arc<World>, engine: &Arc<Engine>) -> Result<(), Failure> {
        let lines = self.lines(world);
        let salter = Salter::new(world.ids.seed());
        for member in &self.members {
            let name = member.id.as_str().trim_start_matches("u-");
            let email = format!("{name}@corp.example");
            let key = &engine.settings.key;
            let created = PersonCreated {
                person: member.id.clone(),
                name: salter.commit(name),
                email: Some(salter.commit(email.clone())),
                roles: member.offices.clone(),
                human: member.human,
                name_key: key.opaque("name", &[name]),
                email_key: Some(key.opaque("email", &[&email])),
                password: None,
            };
            engine.on_person(&By::Automation, &member.id, created).await?;
        }
        for source in &self.sources {
            engine.create_source(&By::Automation, source.clone()).await?;
        }
        let mut objects = Vec::new();
        for (n, mut line) in lines.into_iter().enumerate() {
            let secret = line.as_object_mut().and_then(|o| o.remove("secret"));
            if let Some(secret) = secret.and_then(|s| s.as_str().map(quell_core::secret::Secret::new)) {
                line["fingerprints"] = json!([engine.settings.key.fingerprint(&secret)]);
            }
            let object: Object = serde_json::from_value(line).map_err(|e| Failure::Damaged(e.to_string()))?;
            objects.push((n as u64, object));
        }
        let change = engine.import(&self.member("u-adam").caller(), "sim", objects, false, false, "digest").await?;
        if change.errors.is_empty() { Ok(()) } else { Err(Failure::Damaged(format!("{:?}", change.errors))) }
    }

    /// Roles in the truth, and the inventory about them.
    fn lines(&self, world: &World) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        let mut truth = hold(&world.truth);
        let mut guards = hold(&world.guards);
        for plane in &self.planes {
            lines.push(json!({ "type": "system", "id": plane, "kind": "sim", "environment": "production", "criticality": "normal" }));
            lines.push(json!({ "type": "owner", "of": format!("{plane}/*"), "role": "business", "person": "bea@corp.example", "confirmed_at": "2026-10-01" }));
        }
        for (plane, name, secret) in &self.roles {
            let reference = format!("{plane}/{name}");
            let mut facts = Facts {
                human: name == "alice",
                shared: world.chance.percent(15),
                criticality: Some(if world.chance.percent(20) { Criticality::Critical } else { Criticality::Normal }),
                protected: name == "root",
                person: (name == "alice").then(|| PersonId::new("u-ida")),
            };
            if facts.human {
                facts.shared = false;
            }
            let role = truth.add(plane, name, secret);
            role.protected = facts.protected;
            if name == "billing" && world.chance.percent(25) {
                role.members.insert("ops".to_owned());
            }
            let kind = if facts.human { "human" } else { "service_account" };
            let failover = name == "billing" && world.chance.percent(50);
            let sink = format!("sink-{plane}");
            let rotation = failover.then(|| json!({ "method": "failover", "sink": sink, "runbook": null }));
            let aliases = if facts.human { vec!["ida@corp.example"] } else { vec![] };
            lines.push(json!({ "type": "identity", "id": reference, "kind": kind, "name": name, "aliases": aliases, "environment": "production",
                "criticality": facts.criticality, "shared": facts.shared, "third_party": false, "protected": facts.protected, "rotation": rotation }));
            // Some secrets are known by fingerprint; the others the plane compares.
            if world.chance.percent(60) {
                lines.push(json!({ "type": "credential", "id": format!("{reference}#password"), "identity": reference, "kind": "password", "secret": secret }));
            }
            if failover {
                lines.push(json!({ "type": "dependency", "consumer": format!("{plane}/billing-job"), "on": reference, "criticality": "high", "reads_from": sink }));
                truth.sinks.insert(sink, (plane.clone(), name.clone(), secret.clone()));
            }
            guards.facts.insert((plane.clone(), name.clone()), facts);
        }
        // What was seen to come from what, also on other planes: a containment follows it.
        // On one plane at most one, so that not every role is joined to every other.
        for _ in 0..world.chance.below(if self.planes.len() > 1 { 3 } else { 2 }) {
            let pick = |names: &[&str]| {
                let some: Vec<_> = self.roles.iter().filter(|(_, name, _)| names.contains(&name.as_str())).collect();
                world.chance.pick(&some).map(|(plane, name, _)| (plane.clone(), name.clone()))
            };
            let Some((from, to)) = pick(&["billing", "ci"]).zip(pick(&["billing", "ci", "alice", "root"])).filter(|(f, t)| f != t) else {
                continue;
            };
            let observed = world.chance.percent(80);
            lines.push(
                json!({ "type": "derivation", "from": format!("{}/{}", from.0, from.1), "to": format!("{}/{}", to.0, to.1), "via": "reads",
                "basis": if observed { "observed" } else { "possible" } }),
            );
            if observed {
                guards.leads.push((from, to));
            }
        }
        let now = world.now_us();
        for (plane, name, secret) in self.roles.iter().filter(|(_, name, _)| name != "root") {
            if world.chance.percent(30) {
                truth.login(plane, name, secret, Who::Consumer, now, 0);
            }
        }
        lines
    }

    /// Draws the faults of this world: at least four kinds, over by `until_us`.
    pub fn draw_faults(&self, world: &World, until_us: u64) {
        let windows: Vec<Fault> = Fault::ALL.into_iter().filter(|f| f.has_window()).collect();
        let mut faults = hold(&world.faults);
        for _ in 0..world.chance.between(4, 8) {
            let Some(fault) = world.chance.pick(&windows) else { continue };
            let everywhere = matches!(fault, Fault::DiskFull | Fault::NotifyFails | Fault::PolicyErrs);
            let plane = if everywhere || world.chance.percent(40) { None } else { world.chance.pick(&self.planes).cloned() };
            // An act is rare among the calls, so its faults stay open from the start.
            let (from, to, percents): (u64, u64, &[u64]) = if fault.strikes_acts() {
                (0, until_us, &[10, 25, 45])
            } else {
                let from = world.chance.below(until_us / 2);
                (from, from + world.chance.between(1_000_000, until_us), &[5, 20, 50])
            };
            let percent = *world.chance.pick(percents).unwrap_or(&20);
            faults.open(*fault, plane, from, to.min(until_us), percent);
        }
    }

    /// The bytes of an alert about a role; `secret` where the sender has it.
    pub fn alert(&self, world: &World, plane: &str, role: &str, kind: &str, secret: Option<&str>, sample: bool) -> Vec<u8> {
        let at = world.clock.now();
        let key = format!("{plane}/{role}/{}", world.chance.next());
        let name = secret.is_none().then_some(role);
        let line = json!([{ "kind": kind, "system": plane, "name": name, "secret": secret, "at": at, "sample": sample, "key": key }]);
        line.to_string().into_bytes()
    }
}
