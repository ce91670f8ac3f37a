//! The LDIF that makes Quell's entry, the control, and the access rules with the
//! least privilege; and the list of what those rules give.
//!
//! Nothing in it is a secret: of the two configured ones it holds salted hashes.
//! The access rules end in `by * break`, so whoever had access keeps it.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use quell_core::secret::Secret;
use quell_engine::port::PlaneError;

use super::{config::OpenLdapConfig, dn::Dn, probe::CONTROL_GROUP, stored};

/// What Quell may write into the rules of the database: a denial of one name, or of
/// one name over one connection. No grant can be written that this lets through:
/// `[!-#]` is a quote or a sign that no name starts or ends with, and between them
/// stands neither. It holds no quote itself, for the server takes a quoted word to
/// its last one.
const DENIALS: &str = r"^(\{[0-9]+\})?to \* by dn\.base=[!-#][^!-#]+[!-#]( peername\.exact=[!-#][^!-#]+[!-#])? none by \* break$";
const ENTRY: &str = "entry,objectClass,entryUUID,uid,cn,pwdFailureTime,pwdChangedTime,pwdPolicySubentry,authzFrom,authzTo";
const CONFIG: &str = "olcDatabase={0}config,cn=config";

/// What the rules give, in the plane's words; `check` says which are missing.
pub(super) fn needed(config: &OpenLdapConfig) -> Vec<String> {
    let database = &config.database;
    [
        "`manage` on `userPassword` of the entries in scope".to_owned(),
        "`write` on `pwdAccountLockedTime` and `pwdReset` of the entries in scope".to_owned(),
        "`read` on names and password policy state of the entries in scope".to_owned(),
        "`write` on `member` and `uniqueMember` of groups, for members in scope".to_owned(),
        format!("`read` on `entry` and `entryUUID` below `{}`", config.base),
        "`read` on the control's entry and `compare` on its `userPassword`".to_owned(),
        "`read` on password policies".to_owned(),
        format!("`write` on denials in `olcAccess` of `{database}`"),
        format!("`read` on `olcAccess` and `search` on `olcSyncrepl` of `{database}`, and on `olcAuthzRegexp` of `cn=config`"),
        "`read` on `cn=Connections,cn=Monitor`".to_owned(),
    ]
    .to_vec()
}

/// The script for `config`, which puts everything below the entries of `scope` under
/// Quell. Pipe it to `ldapmodify -c` as the root of data and configuration.
///
/// # Errors
///
/// When a name cannot be one of the directory, or the scope holds Quell itself.
pub fn bootstrap_ldif(config: &OpenLdapConfig, scope: &[String]) -> Result<String, PlaneError> {
    let bad = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
    let names = config.names().map_err(&bad)?;
    let mut scopes = Vec::new();
    for text in scope {
        let within = Dn::parse(text).map_err(|why| bad(format!("cannot be bootstrapped: scope `{text}`: {why}")))?;
        for own in [&names.own, &names.control] {
            if own.is_within(&within) {
                let own = own.text();
                return Err(bad(format!(
                    "cannot be bootstrapped: scope `{text}` holds `{own}`; name the subtrees of people and of services"
                )));
            }
        }
        if !within.is_within(&names.base) {
            return Err(bad(format!("cannot be bootstrapped: scope `{text}` is not below `{}`", config.base)));
        }
        scopes.push(within);
    }

    let mut ldif = Ldif(format!(
        "# Made by `quell connector bootstrap {}`. Pipe it to `ldapmodify -c` as the root of data and\n\
         # configuration, such as `-Y EXTERNAL -H ldapi:///` as root; again after an upgrade of Quell.\n\
         # It holds salted hashes of two secrets; keep no copy. Where the database has no access rule\n\
         # yet, write one first (such as `to * by * read`): a first rule ends the default. Where a\n\
         # monitor database exists, give `cn=quell` read on `cn=Connections,cn=Monitor` there instead.\n",
        config.name
    ));
    let (own, control) = (&names.own, &names.control);
    for (entry, secret) in [(own, &config.secret), (control, &config.control.secret)] {
        ldif.folder(entry);
        ldif.account(entry, secret, &config.secret).map_err(|why| bad(format!("cannot be bootstrapped: {why}")))?;
    }
    let group = format!("{CONTROL_GROUP},{}", control.above());
    ldif.add(&group, &[("objectClass", "groupOfNames"), ("member", control.text())]);
    rules_of_data(&mut ldif, config, own, control, &names.base, &scopes);
    rules_of_config(&mut ldif, config, own);
    Ok(ldif.0)
}

/// Each rule goes in front of those before it.
fn rules_of_data(ldif: &mut Ldif, config: &OpenLdapConfig, own: &Dn, control: &Dn, base: &Dn, scopes: &[Dn]) {
    let quell = format!("by dn.exact=\"{}\"", own.quotable());
    let (own, control, base) = (own.quotable(), control.quotable(), base.quotable());
    let mut rule = |text: String| ldif.rule(&config.database, &text);
    rule(format!("to dn.subtree=\"{base}\" attrs=entry,entryUUID {quell} read by * break"));
    rule(format!("to dn.subtree=\"{base}\" attrs=member,uniqueMember {quell} read by * break"));
    rule(format!(
        "to dn.subtree=\"{base}\" filter=(objectClass=pwdPolicy) attrs=entry,objectClass,pwdLockout,pwdMustChange,pwdMaxFailure {quell} read by * break"
    ));
    rule(format!("to dn.base=\"{control}\" attrs={ENTRY},pwdAccountLockedTime,pwdReset by self read {quell} read by * break"));
    rule(format!("to dn.base=\"{control}\" attrs=userPassword {quell} compare by anonymous auth by * none"));
    rule(format!("to dn.base=\"{own}\" attrs=userPassword by anonymous auth by * none"));
    for scope in scopes {
        let within = scope.quotable();
        rule(format!("to dn.subtree=\"{within}\" attrs={ENTRY} {quell} read by * break"));
        rule(format!("to dn.subtree=\"{within}\" attrs=pwdAccountLockedTime,pwdReset {quell} write by * break"));
        rule(format!("to dn.subtree=\"{within}\" attrs=userPassword {quell} manage by * break"));
        rule(format!("to dn.subtree=\"{base}\" attrs=member val.subtree=\"{within}\" {quell} write by * break"));
        let ending = format!("^([^,]+,)*{}$", in_pattern(&within));
        rule(format!("to dn.subtree=\"{base}\" attrs=uniqueMember val.regex=\"{ending}\" {quell} write by * break"));
    }
}

fn rules_of_config(ldif: &mut Ldif, config: &OpenLdapConfig, own: &Dn) {
    let quell = format!("by dn.exact=\"{}\"", own.quotable());
    let database = Dn::parse(&config.database).map_or_else(|_| config.database.clone(), |dn| dn.quotable());
    let reads = "entry,objectClass,olcDatabase,olcSuffix,olcRootDN,olcAccess";
    ldif.rule(CONFIG, &format!("to dn.base=\"cn=config\" attrs=olcAuthzRegexp,olcAuthIDRewrite {quell} search by * break"));
    ldif.rule(CONFIG, &format!("to dn.base=\"cn=config\" attrs=entry {quell} read by * break"));
    ldif.rule(CONFIG, &format!("to dn.children=\"{database}\" attrs=entry,objectClass,olcPPolicyDefault {quell} read by * break"));
    ldif.rule(CONFIG, &format!("to dn.base=\"{database}\" attrs=olcSyncrepl,olcMirrorMode {quell} search by * break"));
    ldif.rule(CONFIG, &format!("to dn.base=\"{database}\" attrs={reads} {quell} read by * break"));
    ldif.rule(CONFIG, &format!("to dn.base=\"{database}\" attrs=olcAccess val.regex=\"{DENIALS}\" {quell} write by * break"));
    ldif.add(
        "olcDatabase=monitor,cn=config",
        &[
            ("objectClass", "olcDatabaseConfig"),
            ("olcDatabase", "monitor"),
            ("olcAccess", &format!("{{0}}to dn.subtree=\"cn=Connections,cn=Monitor\" {quell} read by * none")),
            ("olcAccess", "{1}to * by * none"),
        ],
    );
}

/// A text inside a regular expression, and inside quotes.
fn in_pattern(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if !c.is_ascii_alphanumeric() && c.is_ascii() && !matches!(c, ' ' | ',' | '=' | '-' | '_') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// LDIF (RFC 2849), written.
struct Ldif(String);

impl Ldif {
    /// The entry that an account stands below, if it is a folder of its own.
    fn folder(&mut self, entry: &Dn) {
        let above = entry.above();
        if above.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("ou=")) && !self.0.contains(&format!("dn: {above}\n")) {
            self.add(&above, &[("objectClass", "organizationalUnit")]);
        }
    }

    fn account(&mut self, entry: &Dn, secret: &Secret, own: &Secret) -> Result<(), String> {
        let class = match entry.attribute() {
            "cn" => "applicationProcess",
            "uid" => "account",
            other => return Err(format!("`{}` is named by `{other}`; name it by `cn` or `uid`, or make it by hand", entry.text())),
        };
        let password = stored::make(secret, entry, own);
        self.add(entry.text(), &[("objectClass", class), ("objectClass", "simpleSecurityObject"), ("userPassword", password.expose())]);
        Ok(())
    }

    /// The name's own attribute is added by the server.
    fn add(&mut self, dn: &str, attributes: &[(&str, &str)]) {
        self.record(dn, "add");
        for (name, value) in attributes {
            self.line(name, value);
        }
    }

    /// In front of all others. The server compares rules with their numbers, so the
    /// first two lines only ask, in the same change, whether it stands there already.
    fn rule(&mut self, of: &str, text: &str) {
        self.record(of, "modify");
        for (how, value) in [("add", text.to_owned()), ("delete", text.to_owned()), ("add", format!("{{0}}{text}"))] {
            self.line(how, "olcAccess");
            self.line("olcAccess", &value);
            self.0.push_str("-\n");
        }
    }

    fn record(&mut self, dn: &str, kind: &str) {
        self.0.push('\n');
        self.line("dn", dn);
        self.line("changetype", kind);
    }

    fn line(&mut self, name: &str, value: &str) {
        let first = value.bytes().next();
        let plain =
            !matches!(first, None | Some(b' ' | b':' | b'<')) && !value.ends_with(' ') && value.bytes().all(|b| (0x20..0x7F).contains(&b));
        let _ = match plain {
            true => writeln!(self.0, "{name}: {value}"),
            false => writeln!(self.0, "{name}:: {}", STANDARD.encode(value)),
        };
    }
}
