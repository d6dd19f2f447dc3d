-- Events for other systems: what happened to whom, by token.  No personal data.

-- Where the writing transactions put them: a queue without an index, because every change of a user
-- pays for it, and without numbers, because transactions do not commit in the order in which they
-- would draw them.  Whoever reads first moves what is committed to bunker.event.
CREATE TABLE bunker.outbox (
    at     timestamptz NOT NULL,
    token  uuid        NOT NULL,
    event  text        NOT NULL
-- Each reader goes through all of it, so what was moved must not lie about until a fifth of the
-- table is dead.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
REVOKE ALL ON TABLE bunker.outbox FROM PUBLIC;
-- Its rows are removed, which a publication of all tables would refuse without an identity.
ALTER TABLE bunker.outbox REPLICA IDENTITY FULL;

-- The same with numbers, in the order of which they become visible.
CREATE TABLE bunker.event (
    id     bigint      PRIMARY KEY,
    at     timestamptz NOT NULL,
    event  text        NOT NULL,
    token  uuid        NOT NULL
);
REVOKE ALL ON TABLE bunker.event FROM PUBLIC;

-- Begins at the microsecond of the installation and is not dumped, as bunker.audit_id: a consumer's
-- cursor stays good when the vault is restored into a new one.  Ends where JavaScript's numbers do.
-- Its lock is also the lock under which numbers are given out (src/storage/event.rs).
CREATE SEQUENCE bunker.event_id MAXVALUE 9007199254740991;
REVOKE ALL ON SEQUENCE bunker.event_id FROM PUBLIC;
SELECT pg_catalog.setval(
    'bunker.event_id',
    (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::bigint
);
