-- Who may be acted on, and by whom: used by every other function, granted to nobody.

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

-- A session is its process and the moment that process started: a number alone
-- is used again. Called only where the path is pinned, so that it is inlined.
CREATE FUNCTION quell.started_us(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT (extract(epoch FROM at) * 1000000)::bigint
$$;

