-- Shared records: parts of what is kept of a user, for somebody else to read.

CREATE FUNCTION @extschema@.bunker_share(
    kind text,
    value text,
    fields text[] DEFAULT NULL,
    app text DEFAULT NULL,
    session uuid DEFAULT NULL,
    partner text DEFAULT NULL,
    ttl interval DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_share_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_share(text, text, text[], text, uuid, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_share(text, text, text[], text, uuid, text, interval) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_share(text, text, text[], text, uuid, text, interval) IS
    'Shares a profile, app data or a session, or fields of it, for a time.';

CREATE FUNCTION @extschema@.bunker_get_shared(
    record uuid
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_shared_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_shared(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_shared(uuid) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_get_shared(uuid) IS
    'What is shared, as it is now; NULL once the share has expired.';

CREATE FUNCTION @extschema@.bunker_revoke_share(
    record uuid
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_revoke_share_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_revoke_share(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_revoke_share(uuid) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_revoke_share(uuid) IS
    'Ends a share; true when it lived.';
