-- Keys and state.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_generate_key() RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_generate_key_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_generate_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_generate_key() TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_generate_key() IS
    '32 random bytes as 64 hex digits, for a new master key.';

CREATE FUNCTION @extschema@.bunker_status() RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_status_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_status() TO bunker_reader, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_status() IS
    'The state of the vault; works while it is sealed.';
