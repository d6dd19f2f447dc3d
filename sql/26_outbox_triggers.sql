-- Events go in and on without SQL, where statement triggers do not fire: an event of the audit trail
-- here is one of somebody's own statement.

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.event
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();

ALTER TABLE bunker.outbox ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.event ENABLE ALWAYS TRIGGER audit_statement;
