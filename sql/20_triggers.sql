-- Every change of a table leaves an audit event in the same transaction, also one that goes past
-- the functions.  Row triggers where a row is a user; elsewhere one event a statement is enough.

CREATE FUNCTION bunker.record_changed() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'bunker_record_changed_wrapper';
REVOKE ALL ON FUNCTION bunker.record_changed() FROM PUBLIC;

-- Arguments: the columns of the user's token, of the name by which he tells such rows apart, and of
-- the row's version.
CREATE FUNCTION bunker.row_changed() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'bunker_row_changed_wrapper';
REVOKE ALL ON FUNCTION bunker.row_changed() FROM PUBLIC;

CREATE FUNCTION bunker.table_changed() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'bunker_table_changed_wrapper';
REVOKE ALL ON FUNCTION bunker.table_changed() FROM PUBLIC;

CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.record
    FOR EACH ROW EXECUTE FUNCTION bunker.record_changed();
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.record
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();

CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.keyring
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.record_version
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.lookup_kind
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.lookup
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.user_schema
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
-- Partitions do not inherit statement triggers: each has its own, for statements that name it.
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.audit
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.audit_rest
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();

CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.access_token
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token', 'name');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.access_token
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.login_code
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.login_code
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();

-- ALWAYS: also under session_replication_role = replica, which silences ordinary triggers.
ALTER TABLE bunker.record ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.record ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.keyring ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.record_version ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.lookup_kind ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.lookup ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.user_schema ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.audit ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.audit_rest ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.audit_seal ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.access_token ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.access_token ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.login_code ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.login_code ENABLE ALWAYS TRIGGER audit_truncate;
