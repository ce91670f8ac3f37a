//! Policies: what they grant, and taking one path out of one.
//!
//! A `deny` wins only over the same path, as it is written: `deny` on `secret/*`
//! leaves `read` on `secret/data/billing` in force. So a policy is tightened by a
//! `deny` on exactly the path that it grants, and proved by what a live token with
//! it may still do there.

use std::collections::BTreeMap;

use quell_core::proof::{Answer, Observation, ProbeClass};
use quell_engine::port::{Attempt, Outcome, PlaneError, ProbeRequest};
use serde_json::json;

use super::{
    OpenBao,
    answer::Failure,
    control::Query,
    native::{self, Who},
    probe::enforced,
    wire::{Call, Verb},
};
use crate::{
    attempt::{Changed, Stop, refused},
    vantage::cannot_tell,
};

/// Live tokens with the policy that are asked what they may do.
const ASKED_MAX: usize = 5;

/// The fact of a before-state that holds a policy's text.
pub(super) const TEXT: &str = "policy";

/// The text with `path` closed. Once closed it is left as it is.
pub(super) fn tighten(text: &str, path: &str) -> String {
    let close = format!("# closed by Quell\npath \"{path}\" {{\n  capabilities = [\"deny\"]\n}}\n");
    if text.ends_with(&close) { text.to_owned() } else { format!("{}\n\n{close}", text.trim_end()) }
}

/// Every quoted string of a policy, in HCL or JSON.
fn strings(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut chars = text.chars();
    while chars.by_ref().any(|c| c == '"') {
        let mut one = String::new();
        loop {
            match chars.next() {
                Some('\\') => one.extend(chars.next()),
                Some('"') | None => break,
                Some(c) => one.push(c),
            }
        }
        all.push(one);
    }
    all
}

/// The paths that a policy speaks of, as it writes them.
pub(super) fn paths(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("path") {
        let before = rest[..at].chars().next_back();
        rest = &rest[at + 4..];
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '"' | '#')) {
            continue;
        }
        let after = rest.trim_start();
        if let Some(quoted) = after.strip_prefix('"').and_then(|q| q.split_once('"')).map(|(path, _)| path.to_owned())
            && !all.contains(&quoted)
        {
            all.push(quoted);
        }
    }
    all
}

/// May a token with this policy make a token that belongs to no entity?
pub(super) fn makes_orphans(text: &str) -> bool {
    let strings = strings(text);
    let sudo = strings.iter().any(|s| s == "sudo");
    strings.iter().any(|s| {
        reaches(s, "auth/token/create-orphan")
            || reaches(s, "auth/token/create/any")
            || s.starts_with("auth/token/create/")
            || (sudo && reaches(s, "auth/token/create"))
    })
}

/// Does a path of a policy (`+` for one part, `*` at the end) cover this one?
fn reaches(pattern: &str, path: &str) -> bool {
    let (open, pattern) = pattern.strip_suffix('*').map_or((false, pattern), |p| (true, p));
    let (mut wanted, mut given) = (pattern.split('/').peekable(), path.split('/'));
    while let Some(part) = wanted.next() {
        let last = wanted.peek().is_none();
        match given.next() {
            Some(have) if part == "+" || have == part || (open && last && have.starts_with(part)) => {
                if open && last {
                    return true;
                }
            }
            _ => return false,
        }
    }
    given.next().is_none()
}

impl OpenBao {
    /// Why a policy is out of reach.
    pub(super) async fn policy_guard(&self, name: &str) -> Result<Option<String>, Failure> {
        if matches!(name, "root" | "default") || name.starts_with("quell") {
            return Ok(Some(format!("the policy `{name}` is Quell's own, or everybody's")));
        }
        let own = self.wire.own().await?;
        let held = self.token(&own.accessor).await?.map(|t| t.policies).unwrap_or(own.policies);
        Ok(held.iter().any(|p| p == name).then(|| format!("the policy `{name}` is one of Quell's own token")))
    }

    pub(super) async fn change_policy(&self, name: &str, path: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        if let Some(why) = self.policy_guard(name).await? {
            return Err(refused(why));
        }
        let now = self.policy(name).await?.ok_or_else(|| refused(format!("there is no policy `{name}`")))?;
        let to = tighten(&now.policy, path);
        if to == now.policy {
            return Ok(Changed::new());
        }
        if let Some(before) = attempt.before.as_ref().and_then(|b| b.facts.get(TEXT)).cloned().flatten()
            && before != now.policy
        {
            return Err(refused(format!("the policy `{name}` was changed since it was read; look at it again before it is tightened")));
        }
        self.write_policy(name, &to, now.version).await?;
        Ok([(format!("policy {name}"), (Some(now.policy), Some(to)))].into())
    }

    /// Puts the former text back, if nobody else changed it since.
    pub(super) async fn restore_policy(&self, name: &str, path: &str, attempt: &Attempt) -> Result<Changed, Stop> {
        if let Some(why) = self.policy_guard(name).await? {
            return Err(refused(why));
        }
        let before = attempt.before.as_ref().and_then(|b| b.facts.get(TEXT)).cloned().flatten();
        let before = before.ok_or_else(|| refused("the before-state holds no text of the policy"))?;
        let now =
            self.policy(name).await?.ok_or_else(|| refused(format!("there is no policy `{name}` any more; an owner makes it anew")))?;
        if now.policy == before {
            return Ok(Changed::new());
        }
        if now.policy != tighten(&before, path) {
            return Err(refused(format!("the policy `{name}` was changed after it was tightened; take the last stanza out by hand")));
        }
        self.write_policy(name, &before, now.version).await?;
        Ok([(format!("policy {name}"), (Some(now.policy), Some(before)))].into())
    }

    async fn write_policy(&self, name: &str, text: &str, version: i64) -> Result<(), Stop> {
        let call = Call::new(Verb::Update, "sys/policies/acl/*", &[name]);
        let reply = self.wire.call(call, Some(json!({ "policy": text, "cas": version }))).await?;
        if reply.status == 400 && reply.says("check-and-set") {
            return Err(Stop::Said(Outcome::Throttled { retry_after_ms: 500 }));
        }
        reply.accepted()?;
        Ok(())
    }

    pub(super) async fn observe_grant(&self, policy: &str, path: &str, request: &ProbeRequest) -> Vec<Observation> {
        let (round, (answer, control)) = tokio::join!(self.begin(), async {
            tokio::join!(self.grant_answer(policy, path, request), self.control(Query::Policy, ProbeClass::Read))
        });
        let answer = answer.unwrap_or_else(|e| cannot_tell(e.to_string()));
        vec![self.observation(ProbeClass::Read, &round, answer, Some(control))]
    }

    async fn grant_answer(&self, policy: &str, path: &str, request: &ProbeRequest) -> Result<Answer, PlaneError> {
        let failed = |f: Failure| f.plane_error(&self.config.name);
        let Some(now) = self.policy(policy).await.map_err(failed)? else {
            return Ok(enforced("the policy does not exist, so it grants nothing"));
        };
        // What a live token with it may do is what the server enforces.
        let who: Option<Who> = native::identity(&request.identity).ok();
        if let Some(who) = who {
            let subject = self.subject(&who).await.map_err(failed)?;
            let tokens = self.tokens_of(&subject, None).await?;
            let mut denied = 0;
            for held in tokens.held.iter().filter(|h| h.token.policies.iter().any(|p| p == policy)).take(ASKED_MAX) {
                match self.capabilities(&held.token.accessor, path).await.map_err(failed)? {
                    Some(may) if may.iter().all(|c| c == "deny") => denied += 1,
                    Some(_) => return Ok(Answer::Usable),
                    None => {}
                }
            }
            if denied > 0 {
                return Ok(enforced(format!("{denied} live tokens with the policy may do nothing on the path")));
            }
        }
        let before = request.before.as_ref().and_then(|b| b.facts.get(TEXT)).cloned().flatten();
        Ok(match before {
            Some(before) if now.policy == before && now.policy != tighten(&before, path) => Answer::Usable,
            Some(before) if now.policy == tighten(&before, path) => {
                enforced("the policy denies the path, and its text is otherwise the former one")
            }
            Some(_) => cannot_tell("the policy was changed by somebody else, and no live token with it can be asked"),
            None if now.policy == tighten(&now.policy, path) => enforced("the policy ends in a deny on the path"),
            None => cannot_tell("no live token with the policy can be asked, and its former text is not at hand"),
        })
    }

    /// The facts of a policy for a before-state.
    pub(super) async fn policy_facts(&self, name: &str) -> Result<Option<BTreeMap<String, Option<String>>>, Failure> {
        Ok(self.policy(name).await?.map(|seen| [(TEXT.to_owned(), Some(seen.policy))].into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_twice_is_closing_once() {
        let text = "path \"secret/data/*\" { capabilities = [\"read\"] }";
        let once = tighten(text, "secret/data/*");
        assert!(once.starts_with(text) && once.contains("deny"));
        assert_eq!(tighten(&once, "secret/data/*"), once);
    }

    #[test]
    fn the_paths_of_a_policy_are_read_as_they_are_written() {
        let text = "# a path \"in a comment\" is listed, too\npath \"a/b\" {}\npath\t\"c/*\"{}\nmypath \"no\" {}\npath \"a/b\" {}";
        assert_eq!(paths(text), ["in a comment", "a/b", "c/*"]);
    }

    #[test]
    fn whoever_may_make_orphans_is_known_by_any_way_to_it() {
        for yes in [
            "path \"auth/token/create-orphan\" { capabilities = [\"update\"] }",
            "path \"auth/token/create\" { capabilities = [\"update\", \"sudo\"] }",
            "path \"auth/token/*\" { capabilities = [\"update\"] }",
            "path \"auth/+/create-orphan\" {}",
            "path \"auth/token/create/deploy\" {}",
            "path \"*\" {}",
            "{\"path\": {\"auth/token/create-or*\": {}}}",
        ] {
            assert!(makes_orphans(yes), "{yes}");
        }
        for no in [
            "path \"auth/token/create\" { capabilities = [\"update\"] }",
            "path \"secret/*\" { capabilities = [\"sudo\"] }",
            "path \"auth/token/lookup-self\" {}",
            "path \"+/token\" {}",
            "",
        ] {
            assert!(!makes_orphans(no), "{no}");
        }
    }
}
