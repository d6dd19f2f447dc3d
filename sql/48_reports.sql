-- Reports of the data subject.  Applications may call them, but only for a user who has logged in and
-- about himself: the functions check that (src/service/report).

CREATE FUNCTION @extschema@.bunker_user_report(
    kind text,
    value text
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_user_report_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_user_report(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_user_report(text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_user_report(text, text) IS
    'All that is held about a user; for the privacy officer, or for the user himself.';

CREATE FUNCTION @extschema@.bunker_user_report_html(
    kind text,
    value text
) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_user_report_html_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_user_report_html(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_user_report_html(text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_user_report_html(text, text) IS
    'The same as one self-contained page of HTML.';
