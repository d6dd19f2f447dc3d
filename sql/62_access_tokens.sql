-- Access tokens and logging in.

CREATE FUNCTION @extschema@.bunker_create_access_token(
    name text,
    role text,
    ttl interval DEFAULT NULL
) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_create_access_token_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_create_access_token(text, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_create_access_token(text, text, interval) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_create_access_token(text, text, interval) IS
    'Makes an access token for an application; it is shown this once.';

CREATE FUNCTION @extschema@.bunker_revoke_access_token(
    name text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_revoke_access_token_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_revoke_access_token(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_revoke_access_token(text) TO bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_revoke_access_token(text) IS
    'Takes an access token back, by its name or its user''s token; true when there was one.';

CREATE FUNCTION @extschema@.bunker_authenticate(
    access_token text
) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_authenticate_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_authenticate(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_authenticate(text) TO bunker_reader, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_authenticate(text) IS
    'Has the transaction act as the holder of an access token; returns who that is.';

CREATE FUNCTION @extschema@.bunker_login_code(
    kind text,
    value text
) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_login_code_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_login_code(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_login_code(text, text) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_login_code(text, text) IS
    'A one-time code for the application to send to a user.';

CREATE FUNCTION @extschema@.bunker_login(
    kind text,
    value text,
    code text
) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_login_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_login(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_login(text, text, text) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_login(text, text, text) IS
    'Logs a user in with his code; returns an access token of his own.';
