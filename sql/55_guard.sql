-- The bulk guard.

CREATE FUNCTION @extschema@.bunker_unlock_bulk(
    reason text
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_unlock_bulk_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_unlock_bulk(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_unlock_bulk(text) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_unlock_bulk(text) IS
    'Opens the bulk guard of this session for 60 seconds; returns the number of the unlock.';
