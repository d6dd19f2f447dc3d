-- Users whose data are to go at a set time.  The token of an expiration is what a user is sent in a
-- link; it is good for one decision.  src/storage/expiration.rs says what the columns mean.
CREATE TABLE bunker.expiration (
    token         uuid        PRIMARY KEY,
    expiration    uuid        NOT NULL UNIQUE,
    status        text        NOT NULL CHECK (status OPERATOR(pg_catalog.=)
                                  ANY (ARRAY['wait', 'retain', 'cancelled', 'expired'])),
    started_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    announced_at  timestamptz,
    decided_at    timestamptz,
    tried_at      timestamptz
);
REVOKE ALL ON TABLE bunker.expiration FROM PUBLIC;

-- What maintenance looks for: who is due, whom it has tried before in vain, whose end is to be
-- announced.
CREATE INDEX expiration_due ON bunker.expiration (expires_at)
    WHERE status OPERATOR(pg_catalog.=) 'wait' AND tried_at IS NULL;
CREATE INDEX expiration_tried ON bunker.expiration (tried_at)
    WHERE status OPERATOR(pg_catalog.=) 'wait' AND tried_at IS NOT NULL;
CREATE INDEX expiration_unannounced ON bunker.expiration (expires_at)
    WHERE status OPERATOR(pg_catalog.=) 'wait' AND announced_at IS NULL;

CREATE TRIGGER audit_rows AFTER INSERT OR UPDATE OR DELETE ON bunker.expiration
    FOR EACH ROW EXECUTE FUNCTION bunker.row_changed('token');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON bunker.expiration
    FOR EACH STATEMENT EXECUTE FUNCTION bunker.table_changed();
ALTER TABLE bunker.expiration ENABLE ALWAYS TRIGGER audit_rows;
ALTER TABLE bunker.expiration ENABLE ALWAYS TRIGGER audit_truncate;
