-- What is there. Nothing below changes anything.

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
