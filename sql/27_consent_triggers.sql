-- The rows of the registries belong to no user: of the two columns that bunker.row_changed is told,
-- the first is none.

CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.legal_basis
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('', 'brief');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.legal_basis
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.activity
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('', 'activity');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.activity
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.activity_basis
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('', 'activity');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.activity_basis
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.agreement
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token', 'brief');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.agreement
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();

ALTER TABLE bunker.legal_basis ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.legal_basis ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.activity ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.activity ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.activity_basis ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.activity_basis ENABLE ALWAYS TRIGGER audit_truncate;
ALTER TABLE bunker.agreement ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.agreement ENABLE ALWAYS TRIGGER audit_truncate;
