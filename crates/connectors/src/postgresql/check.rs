//! How the server and Quell's way into it are: reachable, enough privilege and
//! no more, control alive. Changes nothing.

use quell_core::proof::Channel;
use quell_engine::port::Check;

use super::{PostgreSql, bootstrap::GRANTED, look::Look, wire::Failure};

const FUNCTIONS: &str = "SELECT p.oid::regprocedure::text, has_function_privilege(p.oid, 'EXECUTE'),
    EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'quell' ORDER BY 1";
const OURSELVES: &str = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
    ARRAY(SELECT a.name FROM (VALUES ('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb),
      ('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls)) a(name, held) WHERE a.held),
    ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1),
    has_table_privilege('pg_authid', 'SELECT')
  FROM pg_roles r WHERE r.rolname = current_user";

impl PostgreSql {
    pub(super) async fn examine(&self) -> Check {
        let mut check = Check::unasked(GRANTED.map(|f| format!("EXECUTE ON FUNCTION {f}")).to_vec());
        if self.wire.channel() == Channel::Unauthenticated {
            check.warnings.push(
                "clear TCP does not prove who answers, so no probe over it proves anything; use TLS with `ca_file`, or the Unix socket"
                    .to_owned(),
            );
        }
        if let Err(failure) = self.examine_privileges(&mut check).await {
            check.why_not = Some(failure.plane_error(&self.config.name).to_string());
            return check;
        }
        check.reachable = true;
        let identity = &self.config.control.identity;
        let read = Look::at(&self.wire, &self.config.username, identity).await;
        if let Err(failure) = &read {
            check.why_not = Some(failure.clone().plane_error(&self.config.name).to_string());
        }
        let login = self.wire.login(identity, &self.config.control.secret).await;
        check.control_alive = login.is_ok() && read.is_ok_and(|look| look.control_alive);
        if !check.control_alive {
            check.warnings.push(format!("the control identity `{identity}` is not alive: nothing can be proved until it logs in"));
        }
        check
    }

    async fn examine_privileges(&self, check: &mut Check) -> Result<(), Failure> {
        let garbled = |e: tokio_postgres::Error| Failure::Lost { why: format!("the answer is not understood: {e}") };
        let rows = self.wire.ask(FUNCTIONS, &[]).await?;
        let mut executable = Vec::new();
        for row in &rows {
            let (name, may, public): (String, bool, bool) =
                (row.try_get(0).map_err(garbled)?, row.try_get(1).map_err(garbled)?, row.try_get(2).map_err(garbled)?);
            if public {
                check.warnings.push(format!("everybody may execute `{name}`; run the bootstrap again"));
            }
            if may {
                executable.push(name.replace(' ', ""));
            }
        }
        let granted = GRANTED.map(|f| f.replace(' ', ""));
        let wants = |f: &&str| !executable.contains(&f.replace(' ', ""));
        check.privileges.missing = GRANTED.iter().copied().filter(wants).map(|f| format!("EXECUTE ON FUNCTION {f}")).collect();
        check.privileges.excess = executable.iter().filter(|f| !granted.contains(f)).map(|f| format!("EXECUTE ON FUNCTION {f}")).collect();

        let rows = self.wire.ask(OURSELVES, &[]).await?;
        let row = rows.first().ok_or(Failure::Lost { why: "Quell's own role is not listed".to_owned() })?;
        let version: i32 = row.try_get(0).map_err(garbled)?;
        let (attributes, memberships): (Vec<String>, Vec<String>) = (row.try_get(2).map_err(garbled)?, row.try_get(3).map_err(garbled)?);
        check.privileges.excess.extend(attributes);
        check.privileges.excess.extend(memberships.into_iter().map(|group| format!("membership in {group}")));
        if row.try_get(4).map_err(garbled)? {
            check.privileges.excess.push("SELECT ON pg_authid".to_owned());
        }
        if row.try_get(1).map_err(garbled)? {
            check.warnings.push("this is a standby: nothing can be changed or proved here; name the primary".to_owned());
        }
        if version < 160_000 {
            check.warnings.push(
                "before PostgreSQL 16 the owner of the functions, `quell_owner`, is near to a superuser; nobody can log in as it"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
