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
    'An audit event, with the profile or app data before and after it where it changed some.';

CREATE FUNCTION @extschema@.bunker_verify_audit() RETURNS TABLE (
    ok boolean, events bigint, first_bad bigint, detail text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_verify_audit_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_verify_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_verify_audit() TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_verify_audit() IS
    'Checks every event of the trail against the chain of seals.';

CREATE FUNCTION @extschema@.bunker_audit_anchor() RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_audit_anchor_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_audit_anchor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_audit_anchor() TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_audit_anchor() IS
    'The end of the chain of seals in one line, to be kept elsewhere.';

CREATE FUNCTION @extschema@.bunker_verify_audit_anchor(anchor text) RETURNS TABLE (
    ok boolean, events bigint, first_bad bigint, detail text
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'bunker_verify_audit_anchor_wrapper';
REVOKE ALL ON FUNCTION @extschema@.bunker_verify_audit_anchor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.bunker_verify_audit_anchor(text) TO bunker_dpo, bunker_admin;
COMMENT ON FUNCTION @extschema@.bunker_verify_audit_anchor(text) IS
    'The same, and that the chain still holds what an earlier anchor says: a cut-off end shows.';

-- What was counted in this database since the server's start (src/pg/tally.rs); no row without
-- preloading.
CREATE FUNCTION bunker.counters() RETURNS TABLE (
    reads bigint, writes bigint, refusals bigint, flushes bigint, flushed_events bigint,
    largest_flush bigint, failed_flushes bigint, waits bigint, wait_microseconds bigint,
    timeouts bigint, ring_high_water bigint, seals bigint, waiting bigint, writer_pid integer
)
    LANGUAGE c VOLATILE PARALLEL UNSAFE STRICT
    AS 'MODULE_PATHNAME', 'bunker_counters_wrapper';
REVOKE ALL ON FUNCTION bunker.counters() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bunker.counters() TO bunker_dpo, bunker_admin, pg_monitor;

CREATE VIEW bunker.stat AS
    SELECT c.*,
           CASE WHEN c.flushes OPERATOR(pg_catalog.>) 0 THEN pg_catalog.round(
               c.flushed_events::pg_catalog.numeric
                   OPERATOR(pg_catalog./) c.flushes::pg_catalog.numeric, 1
           ) END AS batch_size
      FROM bunker.counters() AS c;
REVOKE ALL ON TABLE bunker.stat FROM PUBLIC;
GRANT SELECT ON TABLE bunker.stat TO bunker_dpo, bunker_admin, pg_monitor;
