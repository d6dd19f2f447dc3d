-- The audit trail.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_audit(
    kind text,
    value text,
    before bigint DEFAULT NULL,
    max_rows integer DEFAULT 100
) RETURNS TABLE (
    id bigint, at timestamptz, actor text, action text, status text, kind text, token uuid,
    app text, reason text, message text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_audit_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_audit(text, text, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_audit(text, text, bigint, integer) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_audit(text, text, bigint, integer) IS
    'The audit events of a user, newest first.';

CREATE FUNCTION @extschema@.bunker_audit_all(
    before bigint DEFAULT NULL,
    max_rows integer DEFAULT 100
) RETURNS TABLE (
    id bigint, at timestamptz, actor text, action text, status text, kind text, token uuid,
    app text, reason text, message text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_audit_all_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_audit_all(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_audit_all(bigint, integer) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_audit_all(bigint, integer) IS
    'All audit events, newest first.';

CREATE FUNCTION @extschema@.bunker_audit_event(
    id bigint
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_audit_event_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_audit_event(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_audit_event(bigint) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_audit_event(bigint) IS
    'An audit event, with the profile before and after it where it changed one.';
