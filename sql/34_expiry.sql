-- Expiry and retention.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_start_expiration(
    kind text,
    value text,
    after interval DEFAULT NULL
) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_start_expiration_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_start_expiration(text, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_start_expiration(text, text, interval) TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_start_expiration(text, text, interval) IS
    'Sets the time at which a user is forgotten; the token by which he decides about it.';

CREATE FUNCTION @extschema@.bunker_expiration(
    kind text,
    value text
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_expiration_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_expiration(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_expiration(text, text) TO bunker_app, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_expiration(text, text) IS
    'Whether and when a user expires: status none, wait, retain, cancelled or expired.';

CREATE FUNCTION @extschema@.bunker_cancel_expiration(
    kind text,
    value text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_cancel_expiration_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_cancel_expiration(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_cancel_expiration(text, text) TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_cancel_expiration(text, text) IS
    'Takes a waiting expiration back; false when none was waiting.';

CREATE FUNCTION @extschema@.bunker_retain_user(
    expiration uuid
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_retain_user_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_retain_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_retain_user(uuid) TO bunker_app, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_retain_user(uuid) IS
    'The user wants to stay: his expiration is over.';

CREATE FUNCTION @extschema@.bunker_delete_expired(
    expiration uuid
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_delete_expired_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_delete_expired(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_delete_expired(uuid) TO bunker_app, bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_delete_expired(uuid) IS
    'The user wants to go: he is forgotten now.';

CREATE FUNCTION @extschema@.bunker_maintain() RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_maintain_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_maintain() TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_maintain() IS
    'Does all that is due, as the background worker does; what was done, in counts.';
