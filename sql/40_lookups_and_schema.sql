-- Lookup kinds and the user schema.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_add_lookup(
    kind text,
    path text,
    normalizer text DEFAULT 'exact'
) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_add_lookup_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_add_lookup(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_add_lookup(text, text, text) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_add_lookup(text, text, text) IS
    'Adds a lookup kind and indexes the users who have a value at its path (RFC 6901).';

CREATE FUNCTION @extschema@.bunker_reindex_lookup(
    kind text
) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_reindex_lookup_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_reindex_lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_reindex_lookup(text) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_reindex_lookup(text) IS
    'Makes the digests of a lookup kind anew, after the normaliser has changed.';

CREATE FUNCTION @extschema@.bunker_set_user_schema(
    schema jsonb
) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_set_user_schema_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_set_user_schema(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_set_user_schema(jsonb) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_set_user_schema(jsonb) IS
    'Puts a JSON Schema for profiles into force; NULL clears it. Returns its version.';

CREATE FUNCTION @extschema@.bunker_user_schema() RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_user_schema_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_user_schema() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_user_schema() TO bunker_reader, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_user_schema() IS
    'The user schema in force.';

-- Who is going through all users, to index or to export them, and how far he has come.  PostgreSQL
-- shows the progress of another role's session to pg_read_all_stats only: a function that runs as the
-- owner tells the others, and tells nothing else.  src/pg/progress.rs has the other side.
CREATE FUNCTION bunker.working() RETURNS TABLE (pid integer, command text, done bigint, total bigint)
    LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $working$
        SELECT s.pid, 'index users'::pg_catalog.text, s.param13, s.param12
          FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') AS s
         WHERE s.relid OPERATOR(pg_catalog.=) 'bunker.lookup'::pg_catalog.regclass::pg_catalog.oid
        UNION ALL
        SELECT s.pid, 'export rows'::pg_catalog.text, s.param20, s.param19
          FROM pg_catalog.pg_stat_get_progress_info('COPY') AS s
         WHERE s.relid OPERATOR(pg_catalog.=) 'bunker.record'::pg_catalog.regclass::pg_catalog.oid
    $working$;
REVOKE ALL ON FUNCTION bunker.working() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bunker.working() TO bunker_dpo, bunker_admin, pg_monitor;

CREATE VIEW bunker.progress AS
    SELECT w.pid, w.command, w.done, w.total
      FROM bunker.working() AS w;
REVOKE ALL ON TABLE bunker.progress FROM PUBLIC;
GRANT USAGE ON SCHEMA bunker TO bunker_dpo, bunker_admin, pg_monitor;
GRANT SELECT ON TABLE bunker.progress TO bunker_dpo, bunker_admin, pg_monitor;
