-- What data subjects ask for, and an officer decides.

-- `sealed` is what is to be changed; it goes when the user is forgotten.  `reason` is an officer's free
-- text, sealed, too, and always there, if only as "none": all other columns are bound to it as
-- associated data, so that a row which was altered does not pass.  `seen` is the version of what would
-- change, as it was when the request was filed.
CREATE TABLE bunker.request (
    request       uuid        PRIMARY KEY,
    token         uuid        NOT NULL,
    action        text        NOT NULL,
    subject       text,
    status        text        NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    requested_by  text        NOT NULL,
    requested_as  text,
    decided_by    text,
    decided_as    text,
    seen          integer,
    sealed        bytea,
    reason        bytea       NOT NULL
);
REVOKE ALL ON TABLE bunker.request FROM PUBLIC;
ALTER TABLE bunker.request ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE bunker.request ALTER COLUMN reason SET STORAGE EXTERNAL;
CREATE INDEX request_token ON bunker.request (token, request);
CREATE INDEX request_status ON bunker.request (status, request);
-- What forget-me has to change.
CREATE INDEX request_unerased ON bunker.request (token)
    WHERE sealed IS NOT NULL OR status OPERATOR(pg_catalog.=) 'open';
