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

-- What Quell may know of: in scope or a twin, dropped or not.
CREATE OR REPLACE VIEW quell.known AS
  SELECT s.name, s.oid, s.fresh_after, NULL::oid AS original, false AS dropped FROM quell.scope s
  UNION ALL
  SELECT t.name, t.oid, t.fresh_after, t.original, t.dropped_at IS NOT NULL FROM quell.twin t;

CREATE FUNCTION quell.refuse(why text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = why;
END
$$;

-- The oid of a role that may be acted on; refuses everything else.
CREATE FUNCTION quell.scoped(role text) RETURNS oid LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
BEGIN
  IF pg_catalog.pg_is_in_recovery() THEN
    RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'this server is a standby; only the primary can be acted on';
  END IF;
  SELECT k.oid, a.rolsuper, a.rolreplication, EXISTS (SELECT FROM quell.own o WHERE o.oid = k.oid) AS own INTO r
    FROM quell.known k JOIN pg_catalog.pg_roles a ON a.oid = k.oid AND a.rolname::text = k.name
    WHERE k.name = role AND NOT k.dropped;
  IF NOT FOUND THEN
    IF EXISTS (SELECT FROM quell.known k WHERE k.name = role) THEN
      PERFORM quell.refuse(pg_catalog.format('role %L is not the one that was admitted: it was renamed, dropped or made anew; admit it again with quell.admit', pg_catalog.left(role, 63)));
    END IF;
    PERFORM quell.refuse(pg_catalog.format('role %L is not in the scope of Quell; a superuser admits it with quell.admit', pg_catalog.left(role, 63)));
  END IF;
  IF r.rolsuper OR r.rolreplication OR r.own THEN
    PERFORM quell.refuse(pg_catalog.format('role %L is protected: superuser, replication or one of Quell''s own', pg_catalog.left(role, 63)));
  END IF;
  RETURN r.oid;
END
$$;

-- Put a role into scope. For superusers alone: nobody is granted it.
CREATE FUNCTION quell.admit(role text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
BEGIN
  SELECT a.oid, a.rolsuper, a.rolreplication INTO r FROM pg_catalog.pg_roles a WHERE a.rolname::text = role;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = pg_catalog.format('role %L does not exist', pg_catalog.left(role, 63));
  END IF;
  IF r.rolsuper OR r.rolreplication OR EXISTS (SELECT FROM quell.own o WHERE o.oid = r.oid) THEN
    PERFORM quell.refuse(pg_catalog.format('role %L is out of reach: superuser, replication or one of Quell''s own', pg_catalog.left(role, 63)));
  END IF;
  DELETE FROM quell.scope s WHERE s.name = role OR s.oid = r.oid;
  INSERT INTO quell.scope (name, oid) VALUES (role, r.oid);
  -- From 16 on CREATEROLE alone no longer reaches a role that another made.
  IF pg_catalog.current_setting('server_version_num')::int >= 160000 THEN
    EXECUTE pg_catalog.format('GRANT %I TO quell_owner WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', role);
  END IF;
END
$$;

CREATE FUNCTION quell.lock(role text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
  could boolean;
BEGIN
  SELECT a.rolcanlogin INTO could FROM pg_catalog.pg_roles a WHERE a.oid = id;
  IF could THEN
    EXECUTE pg_catalog.format('ALTER ROLE %I NOLOGIN', role);
    -- The name could have moved between the look and the act.
    IF (SELECT a.rolcanlogin FROM pg_catalog.pg_roles a WHERE a.oid = id) THEN
      PERFORM quell.refuse(pg_catalog.format('role %L was renamed meanwhile', pg_catalog.left(role, 63)));
    END IF;
  END IF;
  RETURN could;
END
$$;

CREATE FUNCTION quell.unlock(role text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
  could boolean;
BEGIN
  SELECT a.rolcanlogin INTO could FROM pg_catalog.pg_roles a WHERE a.oid = id;
  IF NOT could THEN
    EXECUTE pg_catalog.format('ALTER ROLE %I LOGIN', role);
    IF NOT (SELECT a.rolcanlogin FROM pg_catalog.pg_roles a WHERE a.oid = id) THEN
      PERFORM quell.refuse(pg_catalog.format('role %L was renamed meanwhile', pg_catalog.left(role, 63)));
    END IF;
  END IF;
  RETURN could;
END
$$;

-- Sets the stored verifier. The handler keeps the verifier out of the server's
-- log, where an error would show the statement that failed.
CREATE FUNCTION quell.set_verifier(role text, verifier text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
  state text;
BEGIN
  BEGIN
    EXECUTE pg_catalog.format('ALTER ROLE %I PASSWORD %L', role, verifier);
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = 'the server refused the new verifier';
  END;
  IF quell.scoped(role) <> id
    OR (SELECT p.rolpassword FROM pg_catalog.pg_authid p WHERE p.rolname::text = role) IS DISTINCT FROM verifier THEN
    PERFORM quell.refuse(pg_catalog.format('role %L was renamed meanwhile', pg_catalog.left(role, 63)));
  END IF;
  -- While nobody can log in, no session can be on its way with the old secret;
  -- else one may be, for as long as its process was forked before the change.
  UPDATE quell.scope s SET fresh_after = pg_catalog.clock_timestamp() + CASE WHEN a.rolcanlogin THEN interval '1 s' ELSE interval '0' END
    FROM pg_catalog.pg_roles a WHERE s.oid = id AND a.oid = id;
  UPDATE quell.twin t SET fresh_after = pg_catalog.clock_timestamp() + CASE WHEN a.rolcanlogin THEN interval '1 s' ELSE interval '0' END
    FROM pg_catalog.pg_roles a WHERE t.oid = id AND a.oid = id;
END
$$;

CREATE FUNCTION quell.is_scram(verifier text) RETURNS boolean LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT verifier IS NOT NULL AND pg_catalog.length(verifier) < 512
    AND verifier ~ '^SCRAM-SHA-256\$[1-9][0-9]{0,6}:[A-Za-z0-9+/]{8,}={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$'
$$;

CREATE FUNCTION quell.rotate(role text, verifier text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM quell.scoped(role);
  IF quell.is_scram(verifier) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wanted a SCRAM-SHA-256 verifier, computed by the caller';
  END IF;
  PERFORM quell.set_verifier(role, verifier);
END
$$;

-- Writes back what stood there, byte for byte: a verifier of any form, or none.
CREATE FUNCTION quell.put_back(role text, verifier text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
BEGIN
  IF verifier IS NOT NULL AND quell.is_scram(verifier) IS NOT TRUE AND verifier !~ '^md5[0-9a-f]{32}$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wanted a stored verifier';
  END IF;
  IF (SELECT p.rolpassword FROM pg_catalog.pg_authid p WHERE p.rolname::text = role) IS DISTINCT FROM verifier THEN
    PERFORM quell.set_verifier(role, verifier);
  END IF;
END
$$;

-- Connection limit and expiry, by value; an expiry of none cannot be set back on
-- PostgreSQL, so that is refused and said.
CREATE FUNCTION quell.put_back_limits(role text, conn_limit integer, valid_until text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
  r record;
BEGIN
  SELECT a.rolconnlimit, a.rolvaliduntil INTO r FROM pg_catalog.pg_roles a WHERE a.oid = id;
  IF r.rolconnlimit <> conn_limit THEN
    EXECUTE pg_catalog.format('ALTER ROLE %I CONNECTION LIMIT %s', role, conn_limit);
  END IF;
  IF r.rolvaliduntil IS DISTINCT FROM valid_until::timestamptz THEN
    IF valid_until IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = pg_catalog.format('somebody gave role %L an expiry, and PostgreSQL cannot take one away; set VALID UNTIL to infinity by hand', pg_catalog.left(role, 63));
    END IF;
    EXECUTE pg_catalog.format('ALTER ROLE %I VALID UNTIL %L', role, valid_until);
  END IF;
  PERFORM quell.scoped(role);
END
$$;

-- A session is its process and the moment that process started: a number alone
-- is used again. Called only where the path is pinned, so that it is inlined.
CREATE FUNCTION quell.started_us(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT (extract(epoch FROM at) * 1000000)::bigint
$$;

CREATE FUNCTION quell.kill(session integer, started bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
BEGIN
  SELECT s.usesysid, a.rolname::text AS name INTO r
    FROM pg_catalog.pg_stat_get_activity(session) s LEFT JOIN pg_catalog.pg_roles a ON a.oid = s.usesysid
    WHERE s.pid = session AND quell.started_us(s.backend_start) = started;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- The role of a session may be gone already; then its oid must be one of a twin.
  IF r.name IS NOT NULL THEN
    PERFORM quell.scoped(r.name);
  ELSIF NOT EXISTS (SELECT FROM quell.known k WHERE k.oid = r.usesysid) THEN
    PERFORM quell.refuse('the session is not of a role in the scope of Quell');
  END IF;
  RETURN pg_catalog.pg_terminate_backend(session);
END
$$;

-- Signals every session of a role; answers how many there were.
CREATE FUNCTION quell.kill_all(role text) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
  n integer;
BEGIN
  SELECT pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(s.pid) IS NOT NULL) INTO n
    FROM pg_catalog.pg_stat_get_activity(NULL) s WHERE s.usesysid = id;
  RETURN n;
END
$$;

CREATE FUNCTION quell.sessions(role text, most integer)
RETURNS TABLE (pid integer, started bigint, kind text, application text, client text, state text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT s.pid, quell.started_us(s.backend_start), s.backend_type, s.application_name,
      pg_catalog.host(s.client_addr), s.state
    FROM quell.known k JOIN pg_catalog.pg_stat_get_activity(NULL) s ON s.usesysid = k.oid
    WHERE k.name = role ORDER BY s.backend_start, s.pid LIMIT most;
END
$$;

-- Who may act as the role (out), and as whom the role may act (into).
CREATE FUNCTION quell.members(role text, most integer) RETURNS TABLE (member text, of text, admin boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
BEGIN
  RETURN QUERY SELECT m.rolname::text, r.rolname::text, pg_catalog.bool_or(am.admin_option)
    FROM pg_catalog.pg_auth_members am
    JOIN pg_catalog.pg_roles m ON m.oid = am.member
    JOIN pg_catalog.pg_roles r ON r.oid = am.roleid
    WHERE (am.roleid = id OR am.member = id) AND m.rolname <> 'quell_owner'
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT most;
END
$$;

-- Takes a membership away where one side is in scope, and remembers it.
CREATE FUNCTION quell.revoke_member(member text, role text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
BEGIN
  IF EXISTS (SELECT FROM quell.known k WHERE k.name = role) THEN
    PERFORM quell.scoped(role);
  ELSE
    PERFORM quell.scoped(member);
  END IF;
  SELECT am.member, am.roleid, pg_catalog.bool_or(am.admin_option) AS admin INTO r FROM pg_catalog.pg_auth_members am
    JOIN pg_catalog.pg_roles m ON m.oid = am.member AND m.rolname::text = revoke_member.member
    JOIN pg_catalog.pg_roles o ON o.oid = am.roleid AND o.rolname::text = revoke_member.role
    GROUP BY 1, 2;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM quell.own o WHERE o.oid IN (r.member, r.roleid)) THEN
    PERFORM quell.refuse('a membership of Quell''s own roles is not touched');
  END IF;
  INSERT INTO quell.removed VALUES (r.member, r.roleid, r.admin) ON CONFLICT ON CONSTRAINT removed_pkey DO UPDATE SET admin = EXCLUDED.admin;
  EXECUTE pg_catalog.format('REVOKE %I FROM %I', role, member);
  IF EXISTS (SELECT FROM pg_catalog.pg_auth_members am WHERE am.member = r.member AND am.roleid = r.roleid) THEN
    PERFORM quell.refuse('the membership stands, for another grantor gave it too; a superuser takes it away with GRANTED BY');
  END IF;
  RETURN true;
END
$$;

-- Gives back what revoke_member took away, and nothing else.
CREATE FUNCTION quell.grant_member(member text, role text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  r record;
BEGIN
  SELECT d.member, d.role, d.admin INTO r FROM quell.removed d
    JOIN pg_catalog.pg_roles m ON m.oid = d.member AND m.rolname::text = grant_member.member
    JOIN pg_catalog.pg_roles o ON o.oid = d.role AND o.rolname::text = grant_member.role;
  IF NOT FOUND THEN
    PERFORM quell.refuse('only a membership that Quell took away can be given back by it');
  END IF;
  EXECUTE pg_catalog.format('GRANT %I TO %I', role, member) || CASE WHEN r.admin THEN ' WITH ADMIN OPTION' ELSE '' END;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members am WHERE am.member = r.member AND am.roleid = r.role) THEN
    PERFORM quell.refuse('a role was renamed meanwhile');
  END IF;
  DELETE FROM quell.removed d WHERE d.member = r.member AND d.role = r.role;
  RETURN true;
END
$$;

-- The stored verifier, to be sealed at once: with it the old secret can be put back.
CREATE FUNCTION quell.verifier(role text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM quell.scoped(role);
  RETURN (SELECT p.rolpassword FROM pg_catalog.pg_authid p WHERE p.rolname::text = role);
END
$$;

-- Every role in scope with its verifier, for finding whose a leaked value is.
CREATE FUNCTION quell.verifiers(most integer) RETURNS TABLE (name text, verifier text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT k.name, p.rolpassword FROM quell.known k
    JOIN pg_catalog.pg_roles a ON a.oid = k.oid AND a.rolname::text = k.name
    JOIN pg_catalog.pg_authid p ON p.rolname = a.rolname
    WHERE NOT k.dropped AND NOT a.rolsuper AND NOT a.rolreplication ORDER BY 1 LIMIT most;
END
$$;

CREATE FUNCTION quell.scope_names(most integer) RETURNS TABLE (name text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT k.name FROM quell.known k WHERE NOT k.dropped ORDER BY 1 LIMIT most;
END
$$;

-- A second login role with the same memberships, for the consumer. It is never
-- a member of the role it stands in for.
CREATE FUNCTION quell.make_twin(role text, twin text, verifier text, marker text)
RETURNS TABLE (made boolean, memberships integer, left_behind integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid := quell.scoped(role);
  o record;
  g record;
  twin_id oid;
  n integer := 0;
BEGIN
  IF quell.is_scram(verifier) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wanted a SCRAM-SHA-256 verifier, computed by the caller';
  END IF;
  IF twin IS NULL OR pg_catalog.octet_length(twin) > 63 OR pg_catalog.left(twin, pg_catalog.length(pg_catalog.left(role, 40)) + 1) <> pg_catalog.left(role, 40) || '_'
    OR pg_catalog.substr(twin, pg_catalog.length(pg_catalog.left(role, 40)) + 2) !~ '^[a-z0-9]{4,20}$' THEN
    PERFORM quell.refuse(pg_catalog.format('a twin of %L is named with its first 40 characters, an underscore and 4 to 20 of a-z and 0-9', pg_catalog.left(role, 63)));
  END IF;
  IF EXISTS (SELECT FROM quell.twin t WHERE t.oid = id) THEN
    PERFORM quell.refuse('a twin has no twin');
  END IF;
  SELECT a.rolinherit, a.rolconnlimit INTO o FROM pg_catalog.pg_roles a WHERE a.oid = id;

  -- The same attempt again: the state it sets is set again.
  SELECT t.oid INTO twin_id FROM quell.twin t
    JOIN pg_catalog.pg_roles a ON a.oid = t.oid AND a.rolname::text = t.name
    WHERE t.name = twin AND t.marker = make_twin.marker AND t.original = id AND t.dropped_at IS NULL;
  made := twin_id IS NULL;
  IF made THEN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname::text = twin) OR EXISTS (SELECT FROM quell.known k WHERE k.name = twin) THEN
      RAISE EXCEPTION USING ERRCODE = '42710', MESSAGE = pg_catalog.format('role %L exists and was not made by this attempt', twin);
    END IF;
    EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', twin);
    SELECT a.oid INTO twin_id FROM pg_catalog.pg_roles a WHERE a.rolname::text = twin;
    INSERT INTO quell.twin (name, oid, marker, original) VALUES (twin, twin_id, make_twin.marker, id);
    EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', twin, 'made by Quell, attempt ' || make_twin.marker);
  END IF;
  PERFORM quell.set_verifier(twin, verifier);
  EXECUTE pg_catalog.format('ALTER ROLE %I CONNECTION LIMIT %s', twin, o.rolconnlimit) || CASE WHEN o.rolinherit THEN ' INHERIT' ELSE ' NOINHERIT' END;
  FOR g IN SELECT DISTINCT r.rolname FROM pg_catalog.pg_auth_members am JOIN pg_catalog.pg_roles r ON r.oid = am.roleid
    WHERE am.member = id AND am.roleid <> id LOOP
    EXECUTE pg_catalog.format('GRANT %I TO %I', g.rolname, twin);
    n := n + 1;
  END LOOP;
  PERFORM quell.unlock(twin);
  memberships := n;
  -- Ownership, direct grants and settings of the original do not follow.
  SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_shdepend d WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = id AND d.deptype IN ('o', 'a'))
       + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_db_role_setting d WHERE d.setrole = id) INTO left_behind;
  RETURN NEXT;
END
$$;

CREATE FUNCTION quell.twin_of(marker text) RETURNS TABLE (name text, dropped boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT t.name, t.dropped_at IS NOT NULL FROM quell.twin t WHERE t.marker = twin_of.marker;
END
$$;

-- Drops a twin that was made here, once it is locked and has no session.
CREATE FUNCTION quell.drop_twin(twin text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  id oid;
BEGIN
  IF EXISTS (SELECT FROM quell.twin t WHERE t.name = twin AND t.dropped_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname::text = twin) THEN
    RETURN false;
  END IF;
  id := quell.scoped(twin);
  IF NOT EXISTS (SELECT FROM quell.twin t WHERE t.oid = id) THEN
    PERFORM quell.refuse(pg_catalog.format('role %L was not made by Quell, so it is not dropped', pg_catalog.left(twin, 63)));
  END IF;
  IF (SELECT a.rolcanlogin FROM pg_catalog.pg_roles a WHERE a.oid = id)
    OR EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(NULL) s WHERE s.usesysid = id) THEN
    RAISE EXCEPTION USING ERRCODE = '55006', MESSAGE = 'the twin can log in or has sessions; lock it, commit and end them first';
  END IF;
  EXECUTE pg_catalog.format('DROP ROLE %I', twin);
  UPDATE quell.twin t SET dropped_at = pg_catalog.clock_timestamp() WHERE t.oid = id;
  RETURN true;
END
$$;

-- Lines of pg_hba.conf that match the role and do not look at the stored
-- verifier. Any matching line counts, also where an earlier one would win.
CREATE FUNCTION quell.lax_lines(id oid, role text) RETURNS text[] LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(pg_catalog.array_agg(pg_catalog.format('line %s: %s', h.line_number, CASE WHEN h.error IS NULL THEN h.type || ' ' || h.auth_method ELSE 'not understood' END) ORDER BY h.line_number), '{}')
  FROM pg_catalog.pg_hba_file_rules h
  WHERE h.error IS NOT NULL OR (
    h.auth_method NOT IN ('scram-sha-256', 'md5', 'password', 'reject')
    AND EXISTS (
      SELECT FROM pg_catalog.unnest(h.user_name) u
      WHERE u IN ('all', role) OR u LIKE '/%'
        OR (u LIKE '+%' AND EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE g.rolname::text = pg_catalog.substr(u, 2) AND pg_catalog.pg_has_role(id, g.oid, 'MEMBER')))))
$$;

-- Everything that decides whether the role can be used, and the control's row,
-- in one statement: they are of one moment and one server.
CREATE FUNCTION quell.look(role text, control text)
RETURNS TABLE (
  in_recovery boolean, clock_us bigint, known_oid oid, original text, name_now text, oid_now oid,
  can_login boolean, superuser boolean, replication boolean, bypass_rls boolean, create_role boolean,
  conn_limit integer, valid_until text, expired boolean, verifier_sha256 text,
  sessions bigint, old_sessions bigint, members text[], lax_lines text[], control_alive boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
  WITH RECURSIVE
    known AS (SELECT k.oid, k.original, k.fresh_after FROM quell.known k WHERE k.name = look.role),
    act AS MATERIALIZED (SELECT s.usesysid, s.backend_start FROM pg_catalog.pg_stat_get_activity(NULL) s WHERE s.usesysid IS NOT NULL),
    membership AS (
      SELECT am.roleid, am.member FROM pg_catalog.pg_auth_members am
      -- From 16 on a membership may give neither SET ROLE nor inheritance.
      WHERE coalesce((pg_catalog.to_jsonb(am) ->> 'set_option')::boolean, true) OR coalesce((pg_catalog.to_jsonb(am) ->> 'inherit_option')::boolean, true)),
    m(member) AS (
      SELECT am.member FROM membership am JOIN known k ON am.roleid = k.oid
      UNION SELECT am.member FROM membership am JOIN m ON am.roleid = m.member)
  SELECT pg_catalog.pg_is_in_recovery(), quell.started_us(pg_catalog.clock_timestamp()), k.oid,
    (SELECT o.rolname::text FROM pg_catalog.pg_roles o WHERE o.oid = k.original),
    a.rolname::text, (SELECT b.oid FROM pg_catalog.pg_roles b WHERE b.rolname::text = look.role),
    a.rolcanlogin, a.rolsuper, a.rolreplication, a.rolbypassrls, a.rolcreaterole,
    a.rolconnlimit, a.rolvaliduntil::text, a.rolvaliduntil <= pg_catalog.clock_timestamp(),
    (SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.rolpassword, 'UTF8')), 'hex') FROM pg_catalog.pg_authid p WHERE p.rolname = a.rolname AND p.rolname::text = look.role),
    (SELECT pg_catalog.count(*) FROM act WHERE act.usesysid = k.oid),
    (SELECT pg_catalog.count(*) FROM act WHERE act.usesysid = k.oid AND (k.fresh_after IS NULL OR act.backend_start <= k.fresh_after)),
    (SELECT coalesce(pg_catalog.array_agg(r.rolname::text ORDER BY r.rolname), '{}') FROM m JOIN pg_catalog.pg_roles r ON r.oid = m.member
      WHERE r.rolcanlogin OR EXISTS (SELECT FROM act WHERE act.usesysid = r.oid)),
    CASE WHEN a.rolcanlogin THEN quell.lax_lines(k.oid, look.role) END,
    EXISTS (SELECT FROM pg_catalog.pg_roles c WHERE c.rolname::text = look.control AND c.rolcanlogin
      AND (c.rolvaliduntil IS NULL OR c.rolvaliduntil > pg_catalog.clock_timestamp()))
  FROM (SELECT) one LEFT JOIN known k ON true LEFT JOIN pg_catalog.pg_roles a ON a.oid = k.oid;
END
$$;

-- Is this session listed, and is our own in the same listing?
CREATE FUNCTION quell.look_session(session integer, started bigint)
RETURNS TABLE (in_recovery boolean, clock_us bigint, present boolean, self_present boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT pg_catalog.pg_is_in_recovery(), quell.started_us(pg_catalog.clock_timestamp()),
    coalesce(pg_catalog.bool_or(s.pid = session AND quell.started_us(s.backend_start) = started), false),
    coalesce(pg_catalog.bool_or(s.pid = pg_catalog.pg_backend_pid()), false)
    FROM pg_catalog.pg_stat_get_activity(NULL) s;
END
$$;

-- Does this membership stand? The control's row is read in the same statement.
CREATE FUNCTION quell.look_member(member text, role text, control text)
RETURNS TABLE (in_recovery boolean, clock_us bigint, in_scope boolean, present boolean, control_alive boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT pg_catalog.pg_is_in_recovery(), quell.started_us(pg_catalog.clock_timestamp()),
    EXISTS (SELECT FROM quell.known k JOIN pg_catalog.pg_roles a ON a.oid = k.oid AND a.rolname::text = k.name WHERE k.name IN (look_member.member, look_member.role)),
    EXISTS (SELECT FROM pg_catalog.pg_auth_members am
      JOIN pg_catalog.pg_roles m ON m.oid = am.member AND m.rolname::text = look_member.member
      JOIN pg_catalog.pg_roles o ON o.oid = am.roleid AND o.rolname::text = look_member.role),
    EXISTS (SELECT FROM pg_catalog.pg_roles c WHERE c.rolname::text = look_member.control AND c.rolcanlogin
      AND (c.rolvaliduntil IS NULL OR c.rolvaliduntil > pg_catalog.clock_timestamp()));
END
$$;

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
