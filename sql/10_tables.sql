-- The vault's tables.  Nothing in this schema is granted to anyone: every access goes through the
-- functions, which hand over sealed bytes and digests only (docs/FORMAT.md has the byte formats).

CREATE SCHEMA bunker;
REVOKE ALL ON SCHEMA bunker FROM PUBLIC;

-- Random keys by purpose and version, each sealed under the master key.
CREATE TABLE bunker.keyring (
    id          integer     PRIMARY KEY,
    purpose     text        NOT NULL,
    version     integer     NOT NULL,
    sealed      bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (purpose, version)
);
REVOKE ALL ON TABLE bunker.keyring FROM PUBLIC;

-- The current version of each user, and the tombstone of each forgotten one.
-- `digests` repeats the user's lookup digests and is bound to `sealed` as associated data: a
-- lookup row that was removed, altered or pointed at somebody else does not agree with it.
CREATE TABLE bunker.record (
    token         uuid        PRIMARY KEY,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    forgotten_at  timestamptz,
    version       integer     NOT NULL,
    changed_by    text        NOT NULL,
    digests       bytea       NOT NULL,
    sealed        bytea
);
REVOKE ALL ON TABLE bunker.record FROM PUBLIC;
-- Ciphertext does not compress: trying would only cost time.
ALTER TABLE bunker.record ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE bunker.record ALTER COLUMN digests SET STORAGE PLAIN;

-- Former versions, with the bytes that bunker.record held.
CREATE TABLE bunker.record_version (
    token       uuid        NOT NULL,
    version     integer     NOT NULL,
    changed_at  timestamptz NOT NULL,
    changed_by  text        NOT NULL,
    digests     bytea       NOT NULL,
    sealed      bytea       NOT NULL,
    PRIMARY KEY (token, version)
);
REVOKE ALL ON TABLE bunker.record_version FROM PUBLIC;
ALTER TABLE bunker.record_version ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- By what a user is found.  The kinds that every vault has are stored at its first use.
CREATE TABLE bunker.lookup_kind (
    id                  smallint PRIMARY KEY,
    name                text     NOT NULL UNIQUE,
    path                text     NOT NULL,
    normalizer          text     NOT NULL,
    normalizer_version  integer  NOT NULL
);
REVOKE ALL ON TABLE bunker.lookup_kind FROM PUBLIC;

-- The blind index.  Its primary key is the duplicate check.  The digest comes first because it
-- alone tells almost any two entries apart: the kind is already part of what is hashed.
-- `place` is where the user's record was written: a shortcut around its index, which is checked
-- when it is taken and may be wrong at any time (after an update, VACUUM FULL, a restore).
CREATE TABLE bunker.lookup (
    token   uuid     NOT NULL,
    place   tid,
    kind    smallint NOT NULL,
    digest  bytea    NOT NULL,
    PRIMARY KEY (digest, kind)
);
REVOKE ALL ON TABLE bunker.lookup FROM PUBLIC;
ALTER TABLE bunker.lookup ALTER COLUMN digest SET STORAGE PLAIN;

-- Each schema that profiles had to satisfy; NULL is "none".  The highest version counts.
CREATE TABLE bunker.user_schema (
    version     integer     PRIMARY KEY,
    schema      jsonb,
    created_at  timestamptz NOT NULL,
    created_by  text        NOT NULL
);
REVOKE ALL ON TABLE bunker.user_schema FROM PUBLIC;

-- The audit trail.  No personal data: before and after are opened from the record's versions.
CREATE TABLE bunker.audit (
    id       bigint      PRIMARY KEY,
    at       timestamptz NOT NULL,
    token    uuid,
    version  integer,
    action   text        NOT NULL,
    status   text        NOT NULL,
    actor    text        NOT NULL,
    kind     text,
    app      text,
    reason   text,
    message  text
);
REVOKE ALL ON TABLE bunker.audit FROM PUBLIC;
CREATE INDEX audit_token ON bunker.audit (token, id);

-- Event numbers begin at the microsecond of the installation, so that a trail restored from a dump
-- never meets numbers that the restore itself, or an earlier installation, has already given out.
CREATE SEQUENCE bunker.audit_id;
REVOKE ALL ON SEQUENCE bunker.audit_id FROM PUBLIC;
SELECT pg_catalog.setval(
    'bunker.audit_id',
    (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::bigint
);
