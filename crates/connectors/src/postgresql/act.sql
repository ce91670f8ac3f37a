-- What changes something. Each is one transaction of its own.

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
  base text;
  n integer := 0;
BEGIN
  IF quell.is_scram(verifier) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'wanted a SCRAM-SHA-256 verifier, computed by the caller';
  END IF;
  IF twin IS NULL OR pg_catalog.octet_length(twin) > 63 OR twin !~ '_[a-z0-9]{4,20}$' THEN
    PERFORM quell.refuse('a twin is named after its role, with an underscore and 4 to 20 of a-z and 0-9');
  END IF;
  -- A long name may be cut short, so that both fit into 63 bytes.
  base := pg_catalog.regexp_replace(twin, '_[a-z0-9]{4,20}$', '');
  IF base <> role AND NOT (pg_catalog.octet_length(base) >= 40 AND pg_catalog.starts_with(role, base)) THEN
    PERFORM quell.refuse(pg_catalog.format('a twin of %L is named after it', pg_catalog.left(role, 63)));
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

