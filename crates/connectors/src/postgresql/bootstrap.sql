-- Quell's least-privilege functions on PostgreSQL 14 or newer.
--
-- Run once, as superuser, in the database that Quell connects to. It can be run
-- again: scope and twins are kept, functions and grants are made anew. It holds
-- SCRAM verifiers, so pipe it to psql and do not keep it.
--
-- The owner of the functions is near to a superuser on PostgreSQL 15 (CREATEROLE
-- may grant itself any role that is not a superuser's). Nobody can log in as it;
-- what it can do is what the bodies below do.
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL standard_conforming_strings = on;
SET LOCAL client_min_messages = warning;
SELECT pg_catalog.set_config('quell.connector', {connector_text}, true), pg_catalog.set_config('quell.control', {control_text}, true);

DO $$
DECLARE
  own text;
BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
    RAISE EXCEPTION 'this script needs a superuser; run it as one' USING ERRCODE = '42501';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'quell' AND pg_catalog.pg_get_userbyid(n.nspowner) <> 'quell_owner') THEN
    RAISE EXCEPTION 'a schema quell exists that is not of quell_owner; look at it and rename it' USING ERRCODE = '42501';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = 'quell_owner') THEN
    CREATE ROLE quell_owner;
  END IF;
  FOREACH own IN ARRAY ARRAY[pg_catalog.current_setting('quell.connector'), pg_catalog.current_setting('quell.control')] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname::text = own) THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I', own);
    END IF;
  END LOOP;
END
$$;

ALTER ROLE quell_owner NOLOGIN NOSUPERUSER CREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS INHERIT PASSWORD NULL;
ALTER ROLE {connector} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD {connector_verifier};
ALTER ROLE {control} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD {control_verifier};
GRANT CONNECT ON DATABASE {database} TO {connector}, {control};

-- Everything the owner holds, and nothing more.
GRANT pg_signal_backend, pg_read_all_stats TO quell_owner;
GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO quell_owner;
GRANT SELECT ON pg_catalog.pg_hba_file_rules TO quell_owner;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO quell_owner;

CREATE SCHEMA IF NOT EXISTS quell AUTHORIZATION quell_owner;
REVOKE ALL ON SCHEMA quell FROM PUBLIC;

DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'quell'::regnamespace LOOP
    EXECUTE pg_catalog.format('DROP FUNCTION %s CASCADE', f);
  END LOOP;
END
$$;

SET LOCAL ROLE quell_owner;

-- Name and oid: a name alone would follow a rename onto another role.
CREATE TABLE IF NOT EXISTS quell.scope (
  name text PRIMARY KEY,
  oid oid NOT NULL UNIQUE,
  -- Sessions that started after it were opened with the present secret.
  fresh_after timestamptz
);
CREATE TABLE IF NOT EXISTS quell.twin (
  name text PRIMARY KEY,
  oid oid NOT NULL UNIQUE,
  -- Derived from the attempt that made it: an orphan is found by it.
  marker text NOT NULL UNIQUE,
  original oid NOT NULL,
  dropped_at timestamptz,
  fresh_after timestamptz
);
-- Memberships that were taken away here; only these can be given back.
CREATE TABLE IF NOT EXISTS quell.removed (
  member oid NOT NULL,
  role oid NOT NULL,
  admin boolean NOT NULL,
  PRIMARY KEY (member, role)
);
-- The roles that are never acted on: Quell's own.
CREATE TABLE IF NOT EXISTS quell.own (oid oid PRIMARY KEY);
DELETE FROM quell.own;
INSERT INTO quell.own SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname IN ('quell_owner', {connector_text}, {control_text});

{functions}
RESET ROLE;
SET LOCAL search_path = pg_catalog, pg_temp;

-- New functions may be executed by everybody until this line, which is why it
-- stands in the transaction that made them.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA quell FROM PUBLIC, {connector}, {control};
REVOKE ALL ON ALL TABLES IN SCHEMA quell FROM PUBLIC, {connector}, {control};
GRANT USAGE ON SCHEMA quell TO {connector};
GRANT EXECUTE ON FUNCTION
  {granted}
TO {connector};

{scope}
COMMIT;
