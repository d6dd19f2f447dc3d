-- Sessions of users.

CREATE FUNCTION @extschema@.bunker_create_session(
    kind text,
    value text,
    data jsonb,
    ttl interval DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_create_session_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_create_session(text, text, jsonb, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_create_session(text, text, jsonb, interval) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_create_session(text, text, jsonb, interval) IS
    'Opens a session of a user.';

CREATE FUNCTION @extschema@.bunker_get_session(
    session uuid
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_session_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_session(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_session(uuid) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_get_session(uuid) IS
    'The data of a session; NULL once it has expired.';

CREATE FUNCTION @extschema@.bunker_list_sessions(
    kind text,
    value text,
    after uuid DEFAULT NULL,
    max_rows integer DEFAULT 100
) RETURNS TABLE (session uuid, created_at timestamptz, expires_at timestamptz, data jsonb)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_list_sessions_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_sessions(text, text, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_sessions(text, text, uuid, integer) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_list_sessions(text, text, uuid, integer) IS
    'The living sessions of a user in the order of their uuids, a page at a time.';

CREATE FUNCTION @extschema@.bunker_delete_session(
    session uuid
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_delete_session_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_delete_session(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_delete_session(uuid) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_delete_session(uuid) IS
    'Ends a session; true when it lived.';
