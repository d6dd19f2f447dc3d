-- Events for other systems.
--
-- The function is not SECURITY DEFINER: inside, the statements that need it run as the owner of the
-- tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_events(
    after bigint DEFAULT 0,
    max_rows integer DEFAULT 100
) RETURNS TABLE (id bigint, at timestamptz, event text, token uuid)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_events_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_events(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_events(bigint, integer)
    TO bunker_app, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_events(bigint, integer) IS
    'What happened to users, for other systems: the events after a number, oldest first.';
