//! What a company would have in its directory: people, service accounts, groups,
//! a password policy. What Quell needs for itself is made by its connector's
//! bootstrap and not here.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{ADMIN, SUFFIX, Slapd, settings::ssha};
use crate::secret::Secret;

/// One who binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub dn: String,
    pub password: Secret,
}

/// The company `corp.test`.
#[derive(Clone, Debug)]
pub struct Company {
    /// A person with a live session: the one whose password leaks.
    pub mara: Person,
    /// Another person: the one who must not notice.
    pub jonas: Person,
    /// A service account.
    pub billing: Person,
    pub people: String,
    pub services: String,
    pub groups: String,
    /// Mara and Jonas are in it.
    pub finance: String,
    /// Mara is the only one in it.
    pub approvers: String,
    /// The password policy of everybody.
    pub policy: String,
}

impl Company {
    /// Makes the company on a fresh server.
    ///
    /// # Errors
    ///
    /// When the server refuses an entry.
    pub async fn on(server: &Slapd) -> Result<Self> {
        let person = |dn: String| anyhow::Ok(Person { dn, password: Secret::generate()? });
        let (people, services, groups) = (format!("ou=people,{SUFFIX}"), format!("ou=services,{SUFFIX}"), format!("ou=groups,{SUFFIX}"));
        let company = Self {
            mara: person(format!("uid=mara,{people}"))?,
            jonas: person(format!("uid=jonas,{people}"))?,
            billing: person(format!("cn=billing-sync,{services}"))?,
            finance: format!("cn=finance,{groups}"),
            approvers: format!("cn=approvers,{groups}"),
            policy: format!("cn=default,ou=policies,{SUFFIX}"),
            people,
            services,
            groups,
        };
        let Self { mara, jonas, billing, people, services, groups, finance, approvers, policy } = &company;
        let human = |p: &Person, uid: &str, surname: &str| {
            format!(
                "dn: {}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid} {surname}\nsn: {surname}\nmail: {uid}@corp.test\nuserPassword: {}\n\n",
                p.dn,
                ssha(p.password.reveal())
            )
        };
        let text = format!(
            "dn: {SUFFIX}\nobjectClass: domain\ndc: corp\n
dn: {people}\nobjectClass: organizationalUnit\nou: people\n
dn: {services}\nobjectClass: organizationalUnit\nou: services\n
dn: {groups}\nobjectClass: organizationalUnit\nou: groups\n
dn: ou=policies,{SUFFIX}\nobjectClass: organizationalUnit\nou: policies\n
dn: {policy}\nobjectClass: applicationProcess\nobjectClass: pwdPolicy\ncn: default\npwdAttribute: userPassword
pwdLockout: TRUE\npwdMaxFailure: 5\npwdMustChange: TRUE\n
{}{}dn: {}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: billing-sync\nuserPassword: {}\n
dn: {finance}\nobjectClass: groupOfNames\ncn: finance\nmember: {}\nmember: {}\nmember: {}\n
dn: {approvers}\nobjectClass: groupOfNames\ncn: approvers\nmember: {}\n",
            human(mara, "mara", "Lind"),
            human(jonas, "jonas", "Ek"),
            billing.dn,
            ssha(billing.password.reveal()),
            mara.dn,
            jonas.dn,
            billing.dn,
            mara.dn,
        );
        server.ldapmodify(&text, &["-a"])?;
        Ok(company)
    }
}

impl Slapd {
    /// Binds by SASL DIGEST-MD5 as `user`, with `ldapwhoami`, and answers what it says:
    /// the entry that it became, or why not.
    ///
    /// # Errors
    ///
    /// When it is not installed.
    pub fn sasl_bind(&self, user: &str, password: &str) -> Result<String> {
        let file = self.dir().join("user.secret");
        crate::private::write(&file, password)?;
        let url = format!("ldap://127.0.0.1:{}", self.port());
        let output = Command::new("ldapwhoami")
            .args(["-Q", "-Y", "DIGEST-MD5", "-H", &url, "-U", user, "-y"])
            .arg(&file)
            .output()
            .context("run `ldapwhoami`; install the packages `ldap-utils` and `libsasl2-modules`")?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Sets a password as a help desk does, so that the server hashes it.
    ///
    /// # Errors
    ///
    /// When `ldappasswd` is not installed, or the server refuses.
    pub fn set_password(&self, dn: &str, password: &str) -> Result<()> {
        let (own, new) = (self.dir().join("admin.secret"), self.dir().join("new.secret"));
        crate::private::write(&own, self.admin_password().reveal())?;
        crate::private::write(&new, password)?;
        let url = format!("ldap://127.0.0.1:{}", self.port());
        let output = Command::new("ldappasswd")
            .args(["-x", "-H", &url, "-D", ADMIN, "-y"])
            .arg(&own)
            .arg("-T")
            .arg(&new)
            .arg(dn)
            .output()
            .context("run `ldappasswd`; install the package `ldap-utils`")?;
        ensure!(output.status.success(), "`ldappasswd` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Pipes LDIF to `ldapmodify` as [`ADMIN`], with further flags: what an operator
    /// does with the connector's bootstrap.
    ///
    /// # Errors
    ///
    /// When it is not installed, or the server refuses something.
    pub fn ldapmodify(&self, ldif: &str, flags: &[&str]) -> Result<()> {
        let password = self.dir().join("admin.secret");
        crate::private::write(&password, self.admin_password().reveal())?;
        let mut child = Command::new("ldapmodify")
            .args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.port()), "-D", ADMIN, "-y"])
            .arg(&password)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run `ldapmodify`; install the package `ldap-utils`")?;
        child.stdin.take().context("a program without input")?.write_all(ldif.as_bytes()).context("write to `ldapmodify`")?;
        let output = child.wait_with_output().context("wait for `ldapmodify`")?;
        ensure!(output.status.success(), "`ldapmodify` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}
