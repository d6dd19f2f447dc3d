-- Requests of the data subject.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.request
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token', 'action');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.request
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
ALTER TABLE bunker.request ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.request ENABLE ALWAYS TRIGGER audit_truncate;

CREATE FUNCTION @extschema@.bunker_request(
    kind text,
    value text,
    action text,
    change jsonb DEFAULT NULL,
    subject text DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_request_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_request(text, text, text, jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_request(text, text, text, jsonb, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_request(text, text, text, jsonb, text) IS
    'Files forget-me, change-profile, change-app-data or agreement-withdraw for approval.';

CREATE FUNCTION @extschema@.bunker_list_requests(
    status text DEFAULT 'open',
    after uuid DEFAULT NULL,
    max_rows integer DEFAULT 100
) RETURNS TABLE (
    request uuid, token uuid, action text, subject text, status text, created_at timestamptz,
    reason text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_list_requests_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_requests(text, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_requests(text, uuid, integer) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_list_requests(text, uuid, integer) IS
    'Requests that are open, approved or cancelled, or all (NULL), in the order of filing.';

CREATE FUNCTION @extschema@.bunker_user_requests(
    kind text,
    value text
) RETURNS TABLE (
    request uuid, token uuid, action text, subject text, status text, created_at timestamptz,
    reason text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_user_requests_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_user_requests(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_user_requests(text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_user_requests(text, text) IS
    'The requests of a user, in the order of filing; of a forgotten one by his token.';

CREATE FUNCTION @extschema@.bunker_get_request(
    request uuid
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_request_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_request(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_request(uuid) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_get_request(uuid) IS
    'A request, with what it would change (original) and how (change).';

CREATE FUNCTION @extschema@.bunker_approve_request(
    request uuid,
    reason text DEFAULT NULL
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_approve_request_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_approve_request(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_approve_request(uuid, text) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_approve_request(uuid, text) IS
    'Does what somebody else has asked for; false when the request was decided before.';

CREATE FUNCTION @extschema@.bunker_cancel_request(
    request uuid,
    reason text DEFAULT NULL
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_cancel_request_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_cancel_request(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_cancel_request(uuid, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_cancel_request(uuid, text) IS
    'Closes a request without doing it; false when it was decided before.';
