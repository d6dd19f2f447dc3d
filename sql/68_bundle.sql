-- The vault's content for other databases, and back.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

-- Bundles are numbered as they are made, for whomever.  The number tells a target which of two whole
-- ones is the later.
CREATE SEQUENCE bunker.bundle_number MAXVALUE 9007199254740991;
REVOKE ALL ON SEQUENCE bunker.bundle_number FROM PUBLIC;

CREATE FUNCTION @extschema@.bunker_export_bundle(
    target text,
    since text DEFAULT NULL
) RETURNS SETOF text
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 10000
    AS 'MODULE_PATHNAME', 'bunker_export_bundle_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_export_bundle(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_export_bundle(text, text) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_export_bundle(text, text) IS
    'The vault, still sealed, as lines for sqlite, mysql or jsonl; after a cursor, what has changed since.';

-- Its statements are planned once and run over tables that grow meanwhile: by their indexes, always.
CREATE FUNCTION @extschema@.bunker_import_bundle(
    lines text[]
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    SET enable_seqscan = off
    AS 'MODULE_PATHNAME', 'bunker_import_bundle_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_import_bundle(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_import_bundle(text[]) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_import_bundle(text[]) IS
    'Takes the next lines of a jsonl bundle; all of a bundle in one transaction.';
