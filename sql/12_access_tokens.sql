-- Access tokens and login codes.  What is stored of one is a MAC under a key of the keyring, over the
-- secret and over the row: neither can be guessed from a copy of the table, nor a row given another
-- role, user or time.

-- Of an application (name and role) or of a user who has logged in (his token).
CREATE TABLE bunker.access_token (
    id          uuid        PRIMARY KEY,
    name        text        UNIQUE,
    role        text,
    token       uuid,
    created_at  timestamptz NOT NULL,
    created_by  text        NOT NULL,
    expires_at  timestamptz,
    mac         bytea       NOT NULL
);
REVOKE ALL ON TABLE bunker.access_token FROM PUBLIC;
ALTER TABLE bunker.access_token ALTER COLUMN mac SET STORAGE PLAIN;
CREATE INDEX access_token_token ON bunker.access_token (token) WHERE token IS NOT NULL;
CREATE INDEX access_token_expires_at ON bunker.access_token (expires_at) WHERE expires_at IS NOT NULL;

-- One a user: a new one takes the place of the former.
CREATE TABLE bunker.login_code (
    token       uuid        PRIMARY KEY,
    id          uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    mac         bytea       NOT NULL
);
REVOKE ALL ON TABLE bunker.login_code FROM PUBLIC;
ALTER TABLE bunker.login_code ALTER COLUMN mac SET STORAGE PLAIN;
CREATE INDEX login_code_expires_at ON bunker.login_code (expires_at);
