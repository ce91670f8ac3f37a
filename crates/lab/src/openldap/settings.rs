//! What a caller may choose about an instance, and the configuration that says it.

use std::{fmt::Write, path::Path};

use super::{ADMIN, DATABASE, SUFFIX, install::Install};
use crate::{ca::Ca, secret::Secret};

/// The choices about one instance. `Options::default()` is a fast one for tests.
#[derive(Clone)]
pub struct Options {
    /// The authority that signs the server's certificate; a new one if `None`.
    pub ca: Option<Ca>,
    /// The names in that certificate: DNS names or IP addresses.
    pub names: Vec<String>,
    /// Whether the server tells a client that an account is locked
    /// (`ppolicy_use_lockout`).
    pub tells_lockout: bool,
    /// Another server whose content this one follows.
    pub follow: Option<Follow>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ca: None, names: crate::ca::LOOPBACK.map(str::to_owned).to_vec(), tells_lockout: true, follow: None }
    }
}

/// A provider to follow.
#[derive(Clone)]
pub struct Follow {
    /// The provider's clear port on 127.0.0.1.
    pub port: u16,
    /// The password of [`ADMIN`] there.
    pub password: Secret,
    /// Every change at once, or what stood there at the start and then nothing for
    /// a day: a consumer that lags.
    pub lags: bool,
}

/// `{SSHA}` of a secret under a new salt: what the configuration and the
/// directory hold, so that the clear secret is in no file.
pub(crate) fn ssha(secret: &str) -> String {
    use base64::Engine;
    use sha1::Digest;
    let salt = crate::secret::random_hex().expect("the system has randomness");
    let mut bytes = sha1::Sha1::new_with_prefix(secret.as_bytes()).chain_update(salt.as_bytes()).finalize().to_vec();
    bytes.extend_from_slice(salt.as_bytes());
    format!("{{SSHA}}{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// The whole `cn=config` of a fresh instance, in LDIF.
pub(super) fn config(options: &Options, dir: &Path, install: &Install, admin: &Secret) -> String {
    let dir = dir.display();
    let modules = install.modules().display();
    let schemas =
        ["core", "cosine", "nis", "inetorgperson"].map(|name| format!("include: file://{}\n", install.schema(name).display())).concat();
    let root = ssha(admin.reveal());
    let use_lockout = if options.tells_lockout { "TRUE" } else { "FALSE" };
    let mut text = format!(
        "dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {dir}/slapd.pid
olcTLSCertificateFile: {dir}/tls/server.crt
olcTLSCertificateKeyFile: {dir}/tls/server.key
olcTLSVerifyClient: never
olcPasswordHash: {{SSHA}}
olcThreads: 4

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: {modules}
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy
olcModuleLoad: memberof
olcModuleLoad: syncprov
olcModuleLoad: argon2

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{schemas}
dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcAccess: {{0}}to dn.base=\"\" by * read
olcAccess: {{1}}to dn.base=\"cn=subschema\" by * read

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcRootDN: {ADMIN}
olcRootPW: {root}

dn: {DATABASE}
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: {SUFFIX}
olcRootDN: {ADMIN}
olcDbDirectory: {dir}/data
olcDbNoSync: TRUE
olcDbIndex: objectClass,entryUUID,entryCSN,member eq
olcAccess: {{0}}to attrs=userPassword by self write by anonymous auth by * none
olcAccess: {{1}}to * by self write by users read
{}
dn: olcOverlay={{0}}ppolicy,{DATABASE}
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: {{0}}ppolicy
olcPPolicyDefault: cn=default,ou=policies,{SUFFIX}
olcPPolicyUseLockout: {use_lockout}

dn: olcOverlay={{1}}memberof,{DATABASE}
objectClass: olcOverlayConfig
objectClass: olcMemberOfConfig
olcOverlay: {{1}}memberof
",
        follow(options.follow.as_ref()),
    );
    if options.follow.is_none() {
        let _ = write!(
            text,
            "
dn: olcOverlay={{2}}syncprov,{DATABASE}
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: {{2}}syncprov
"
        );
    }
    text
}

fn follow(follow: Option<&Follow>) -> String {
    let Some(follow) = follow else { return String::new() };
    let how = if follow.lags { "type=refreshOnly interval=01:00:00:00" } else { "type=refreshAndPersist" };
    format!(
        "olcSyncrepl: rid=001 provider=ldap://127.0.0.1:{} bindmethod=simple binddn=\"{ADMIN}\" credentials={} searchbase=\"{SUFFIX}\" {how} retry=\"1 +\"
olcUpdateRef: ldap://127.0.0.1:{}
",
        follow.port,
        follow.password.reveal(),
        follow.port
    )
}
