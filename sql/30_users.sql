-- Users.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_create_user(
    profile jsonb
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_create_user_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_create_user(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_create_user(jsonb) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_create_user(jsonb) IS
    'Creates a user from a profile; returns the token to store in its place.';

CREATE FUNCTION @extschema@.bunker_create_users(
    profiles jsonb[]
) RETURNS TABLE (ordinal integer, token uuid)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_create_users_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_create_users(jsonb[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_create_users(jsonb[]) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_create_users(jsonb[]) IS
    'Creates users, all or none.';

CREATE FUNCTION @extschema@.bunker_lookup(
    kind text,
    value text
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_lookup_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_lookup(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_lookup(text, text) TO bunker_reader;
COMMENT ON FUNCTION @extschema@.bunker_lookup(text, text) IS
    'Finds a user by token, email, phone, login, custom or an added kind.';

CREATE FUNCTION @extschema@.bunker_get_user(
    token uuid
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_user_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_user(uuid) TO bunker_reader;
COMMENT ON FUNCTION @extschema@.bunker_get_user(uuid) IS
    'The profile of a user.';

CREATE FUNCTION @extschema@.bunker_find_token(
    kind text,
    value text
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_find_token_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_find_token(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_find_token(text, text) TO bunker_reader;
COMMENT ON FUNCTION @extschema@.bunker_find_token(text, text) IS
    'The token of a user; nothing is decrypted.';

CREATE FUNCTION @extschema@.bunker_get_users(
    tokens uuid[]
) RETURNS TABLE (token uuid, profile jsonb)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_users_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_users(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_users(uuid[]) TO bunker_reader;
COMMENT ON FUNCTION @extschema@.bunker_get_users(uuid[]) IS
    'The profiles of several users.';

CREATE FUNCTION @extschema@.bunker_update_user(
    kind text,
    value text,
    patch jsonb,
    expected_version integer DEFAULT NULL
) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_update_user_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_update_user(text, text, jsonb, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_update_user(text, text, jsonb, integer) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_update_user(text, text, jsonb, integer) IS
    'Applies a merge patch (object) or JSON Patch (array); returns the new version.';

CREATE FUNCTION @extschema@.bunker_delete_user(
    kind text,
    value text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_delete_user_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_delete_user(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_delete_user(text, text) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_delete_user(text, text) IS
    'Forgets a user: everything that can be opened goes, a tombstone stays.';

CREATE FUNCTION @extschema@.bunker_tombstone(
    token uuid
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_tombstone_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_tombstone(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_tombstone(uuid) TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_tombstone(uuid) IS
    'What is kept of a forgotten user.';

CREATE FUNCTION @extschema@.bunker_list_users(
    after uuid DEFAULT NULL,
    max_rows integer DEFAULT 100
) RETURNS TABLE (token uuid, version integer, created_at timestamptz, updated_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_list_users_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_users(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_users(uuid, integer) TO bunker_app, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_list_users(uuid, integer) IS
    'Lists users in the order of tokens, a page at a time.';

CREATE FUNCTION @extschema@.bunker_user_versions(
    kind text,
    value text
) RETURNS TABLE (version integer, changed_at timestamptz, changed_by text, operation text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_user_versions_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_user_versions(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_user_versions(text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_user_versions(text, text) IS
    'The versions of a profile, oldest first.';

CREATE FUNCTION @extschema@.bunker_user_version(
    kind text,
    value text,
    version integer
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_user_version_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_user_version(text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_user_version(text, text, integer) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_user_version(text, text, integer) IS
    'The profile as it was in a version.';
