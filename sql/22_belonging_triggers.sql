-- Changes of app data, sessions and shared records are events, as in 20_triggers.sql.

CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.app_data
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token', 'app', 'version');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.app_data
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bunker.app_data_version
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.session
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.session
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.share
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.share
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();

ALTER TABLE bunker.app_data ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.app_data ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.app_data_version ENABLE ALWAYS TRIGGER audit_statement;
ALTER TABLE bunker.session ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.session ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.share ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.share ENABLE ALWAYS TRIGGER audit_truncate;
