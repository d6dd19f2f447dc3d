-- Why personal data are processed, for what, and what users have agreed to.  Legal bases and activities
-- are the controller's own words about no person in particular: they stand in the clear.  Names are
-- sorted by their bytes, whatever the database's locale.

-- A deleted basis keeps its row as long as agreements refer to it.
CREATE TABLE bunker.legal_basis (
    brief       text COLLATE pg_catalog."C" PRIMARY KEY,
    status      text        NOT NULL,
    definition  jsonb       NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
REVOKE ALL ON TABLE bunker.legal_basis FROM PUBLIC;

CREATE TABLE bunker.activity (
    activity    text COLLATE pg_catalog."C" PRIMARY KEY,
    definition  jsonb       NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
REVOKE ALL ON TABLE bunker.activity FROM PUBLIC;

-- On which legal bases an activity rests.
CREATE TABLE bunker.activity_basis (
    activity  text COLLATE pg_catalog."C" NOT NULL,
    brief     text COLLATE pg_catalog."C" NOT NULL,
    PRIMARY KEY (activity, brief)
);
REVOKE ALL ON TABLE bunker.activity_basis FROM PUBLIC;
CREATE INDEX activity_basis_brief ON bunker.activity_basis (brief);

-- What was agreed to, and by whom: of kind 0, a user (`owner` is his token); of another kind, whoever
-- turns out to have an address that is nobody's yet (`owner` is the 16 bytes of its entry in the blind
-- index).  All columns but `token`, which follows from the first two, are bound to `sealed`.
CREATE TABLE bunker.agreement (
    owner       uuid        NOT NULL,
    kind        smallint    NOT NULL,
    brief       text COLLATE pg_catalog."C" NOT NULL,
    token       uuid GENERATED ALWAYS AS (
                    CASE WHEN kind OPERATOR(pg_catalog.=) 0 THEN owner END
                ) STORED,
    version     integer     NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    starts_at   timestamptz,
    expires_at  timestamptz,
    sealed      bytea       NOT NULL,
    PRIMARY KEY (owner, kind, brief)
);
REVOKE ALL ON TABLE bunker.agreement FROM PUBLIC;
ALTER TABLE bunker.agreement ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX agreement_brief ON bunker.agreement (brief, owner, kind);
CREATE INDEX agreement_expires_at ON bunker.agreement (expires_at)
    WHERE status OPERATOR(pg_catalog.=) 'yes' AND expires_at IS NOT NULL;
