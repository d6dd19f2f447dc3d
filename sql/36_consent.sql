-- Legal bases, agreements and processing activities.
--
-- The functions are not SECURITY DEFINER: inside, the statements that need it run as the owner of
-- the tables, with a pinned search_path (src/pg/owner.rs says why).

CREATE FUNCTION @extschema@.bunker_set_legal_basis(
    brief text,
    definition jsonb DEFAULT '{}'
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_set_legal_basis_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_set_legal_basis(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_set_legal_basis(text, jsonb) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_set_legal_basis(text, jsonb) IS
    'Adds a legal basis, or changes the members that are given; true when it is new.';

CREATE FUNCTION @extschema@.bunker_delete_legal_basis(
    brief text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_delete_legal_basis_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_delete_legal_basis(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_delete_legal_basis(text) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_delete_legal_basis(text) IS
    'Ends a legal basis and its agreements; true when there was one.';

CREATE FUNCTION @extschema@.bunker_list_legal_bases() RETURNS SETOF jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_list_legal_bases_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_legal_bases() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_legal_bases() TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_list_legal_bases() IS
    'The legal bases; deleted ones as long as agreements refer to them.';

CREATE FUNCTION @extschema@.bunker_accept_agreement(
    kind text,
    value text,
    brief text,
    options jsonb DEFAULT '{}'
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_accept_agreement_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_accept_agreement(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_accept_agreement(text, text, text, jsonb) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_accept_agreement(text, text, text, jsonb) IS
    'Takes down that a user agrees, or not; true when the status changed.';

CREATE FUNCTION @extschema@.bunker_withdraw_agreement(
    kind text,
    value text,
    brief text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_withdraw_agreement_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_withdraw_agreement(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_withdraw_agreement(text, text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_withdraw_agreement(text, text, text) IS
    'Takes an agreement back; true when it was in force.';

CREATE FUNCTION @extschema@.bunker_get_agreement(
    kind text,
    value text,
    brief text
) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_get_agreement_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_get_agreement(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_get_agreement(text, text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_get_agreement(text, text, text) IS
    'What a user has agreed to under a legal basis.';

CREATE FUNCTION @extschema@.bunker_list_agreements(
    kind text,
    value text
) RETURNS SETOF jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_list_agreements_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_agreements(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_agreements(text, text) TO bunker_app, bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_list_agreements(text, text) IS
    'All that a user has agreed to, by brief.';

CREATE FUNCTION @extschema@.bunker_revoke_agreements(
    brief text
) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_revoke_agreements_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_revoke_agreements(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_revoke_agreements(text) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_revoke_agreements(text) IS
    'Revokes all agreements of a legal basis; how many there were.';

CREATE FUNCTION @extschema@.bunker_set_activity(
    activity text,
    definition jsonb DEFAULT '{}'
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_set_activity_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_set_activity(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_set_activity(text, jsonb) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_set_activity(text, jsonb) IS
    'Adds a processing activity, or changes the members that are given; true when it is new.';

CREATE FUNCTION @extschema@.bunker_delete_activity(
    activity text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_delete_activity_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_delete_activity(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_delete_activity(text) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_delete_activity(text) IS
    'Removes a processing activity; true when there was one.';

CREATE FUNCTION @extschema@.bunker_link_activity(
    activity text,
    brief text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_link_activity_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_link_activity(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_link_activity(text, text) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_link_activity(text, text) IS
    'Rests an activity on a legal basis; true when it did not before.';

CREATE FUNCTION @extschema@.bunker_unlink_activity(
    activity text,
    brief text
) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_unlink_activity_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_unlink_activity(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_unlink_activity(text, text) TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_unlink_activity(text, text) IS
    'Takes a legal basis from an activity; true when it rested on it.';

CREATE FUNCTION @extschema@.bunker_list_activities() RETURNS SETOF jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_list_activities_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_list_activities() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_list_activities() TO bunker_dpo;
COMMENT ON FUNCTION @extschema@.bunker_list_activities() IS
    'The processing activities with their legal bases.';
