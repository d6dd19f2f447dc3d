-- What of the server's settings and privileges would leak or lose the vault's data.
--
-- The function is not SECURITY DEFINER: inside, the statements that need it run as the owner of the
-- tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_check() RETURNS TABLE (
    severity text, setting text, finding text, remedy text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_check_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_check() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_check() TO bunker_admin, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_check() IS
    'What of the server would leak or lose data, one row a finding; works in a sealed vault.';
