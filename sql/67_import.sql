-- Rows of other systems.
--
-- The function is not SECURITY DEFINER: inside, the statements that need it run as the owner of the
-- tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_import_rows(
    rows jsonb[]
) RETURNS TABLE ("row" integer, token uuid, outcome text, sqlstate text, message text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_import_rows_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_import_rows(jsonb[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_import_rows(jsonb[]) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_import_rows(jsonb[]) IS
    'Brings rows of another system, each with its own times; what came of each. Those that fail leave nothing.';
