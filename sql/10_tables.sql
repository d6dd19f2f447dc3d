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
-- A partition a month, made ahead by the audit worker (src/storage/partition.rs); what belongs to
-- none of them goes to `audit_rest`.  The partitions have indexes of their own rather than parts of
-- one on the parent: restoring a dump, ATTACH PARTITION would make those parts, and the dump's own
-- CREATE INDEX would then meet them.  Not unique: that would cost each event a look into the past.
CREATE TABLE bunker.audit (
    id       bigint      NOT NULL,
    at       timestamptz NOT NULL,
    token    uuid,
    version  integer,
    action   text        NOT NULL,
    status   text        NOT NULL,
    actor    text        NOT NULL,
    kind     text,
    app      text,
    reason   text,
    message  text,
    mac      bytea
) PARTITION BY RANGE (at);
REVOKE ALL ON TABLE bunker.audit FROM PUBLIC;
-- Not PLAIN: that would make its 17 bytes 20, and align them.
ALTER TABLE bunker.audit ALTER COLUMN mac SET STORAGE EXTERNAL;

CREATE TABLE bunker.audit_rest PARTITION OF bunker.audit DEFAULT;
REVOKE ALL ON TABLE bunker.audit_rest FROM PUBLIC;
CREATE INDEX audit_rest_id ON bunker.audit_rest (id) WITH (deduplicate_items = off);
CREATE INDEX audit_rest_token ON bunker.audit_rest (token, id) WITH (deduplicate_items = off);
-- Rows leave it for a partition that is made late, which a publication of all tables would refuse
-- without an identity.
ALTER TABLE bunker.audit_rest REPLICA IDENTITY FULL;

-- The keyed chain over the trail: kind 0 seals events, kind 1 a removal of old ones.
-- src/storage/audit_seal.rs says what the columns mean.
CREATE TABLE bunker.audit_seal (
    number      bigint      PRIMARY KEY,
    sealed_at   timestamptz NOT NULL,
    key_id      integer     NOT NULL,
    kind        smallint    NOT NULL,
    month       integer     NOT NULL,
    count       bigint      NOT NULL,
    floor       bigint,
    first_seal  bigint,
    ids         bytea,
    digest      bytea,
    previous    bytea       NOT NULL,
    mac         bytea       NOT NULL
);
REVOKE ALL ON TABLE bunker.audit_seal FROM PUBLIC;
ALTER TABLE bunker.audit_seal ALTER COLUMN digest SET STORAGE EXTERNAL;
ALTER TABLE bunker.audit_seal ALTER COLUMN previous SET STORAGE EXTERNAL;
ALTER TABLE bunker.audit_seal ALTER COLUMN mac SET STORAGE EXTERNAL;

-- Event numbers begin at the microsecond of the installation, so that a trail restored from a dump
-- never meets numbers that the restore itself, or an earlier installation, has already given out.
CREATE SEQUENCE bunker.audit_id;
REVOKE ALL ON SEQUENCE bunker.audit_id FROM PUBLIC;
SELECT pg_catalog.setval(
    'bunker.audit_id',
    (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::bigint
);
