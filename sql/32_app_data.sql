-- App data: what an application keeps of a user besides his profile.

CREATE FUNCTION @extschema@.bunker_set_app(
    kind text,
    value text,
    app text,
    data jsonb
) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_set_app_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_set_app(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_set_app(text, text, text, jsonb) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_set_app(text, text, text, jsonb) IS
    'Stores what an app keeps of a user, in place of what it had; returns the version.';

CREATE FUNCTION @extschema@.bunker_get_app(
    kind text,
    value text,
    app text
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_app_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_app(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_app(text, text, text) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_get_app(text, text, text) IS
    'What an app keeps of a user.';

CREATE FUNCTION @extschema@.bunker_update_app(
    kind text,
    value text,
    app text,
    patch jsonb
) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_update_app_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_update_app(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_update_app(text, text, text, jsonb) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_update_app(text, text, text, jsonb) IS
    'Applies a merge patch (object) or JSON Patch (array) to app data; returns the new version.';

CREATE FUNCTION @extschema@.bunker_delete_app(
    kind text,
    value text,
    app text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_delete_app_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_delete_app(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_delete_app(text, text, text) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_delete_app(text, text, text) IS
    'Deletes what an app keeps of a user, with its former versions; true when there was something.';

CREATE FUNCTION @extschema@.bunker_list_apps(
    kind text,
    value text
) RETURNS SETOF text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_list_apps_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_apps(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_apps(text, text) TO bunker_app;
COMMENT ON FUNCTION @extschema@.bunker_list_apps(text, text) IS
    'The apps that keep something of a user.';

CREATE FUNCTION @extschema@.bunker_app_names() RETURNS SETOF text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_app_names_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_app_names() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_app_names() TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_app_names() IS
    'The apps that keep something of anybody.';
