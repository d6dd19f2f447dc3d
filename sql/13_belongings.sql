-- What is kept of a user besides his profile: app data, sessions, shared records.  `sealed` is bound
-- to all other columns of its row that count: to the token and, of app data, to app and version; of
-- sessions and shares, to the row's uuid and times.

-- What an app keeps of a user.  `app` is compared byte by byte, whatever the database's collation.
-- Without `sealed` the app has deleted what it had; the row remains, so that no version number is
-- ever given to two things.
CREATE TABLE bunker.app_data (
    token       uuid        NOT NULL,
    app         text        COLLATE pg_catalog."C" NOT NULL,
    version     integer     NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    changed_by  text        NOT NULL,
    sealed      bytea,
    PRIMARY KEY (token, app)
);
REVOKE ALL ON TABLE bunker.app_data FROM PUBLIC;
ALTER TABLE bunker.app_data ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX app_data_app ON bunker.app_data (app);

-- Former versions, with the bytes that bunker.app_data held.
CREATE TABLE bunker.app_data_version (
    token       uuid        NOT NULL,
    app         text        COLLATE pg_catalog."C" NOT NULL,
    version     integer     NOT NULL,
    changed_at  timestamptz NOT NULL,
    changed_by  text        NOT NULL,
    sealed      bytea       NOT NULL,
    PRIMARY KEY (token, app, version)
);
REVOKE ALL ON TABLE bunker.app_data_version FROM PUBLIC;
ALTER TABLE bunker.app_data_version ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE bunker.session (
    session     uuid        PRIMARY KEY,
    token       uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    sealed      bytea       NOT NULL
);
REVOKE ALL ON TABLE bunker.session FROM PUBLIC;
ALTER TABLE bunker.session ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX session_token ON bunker.session (token, session);
CREATE INDEX session_expires_at ON bunker.session (expires_at);

-- What of a user a partner may see, and who he is (`sealed`).
CREATE TABLE bunker.share (
    record      uuid        PRIMARY KEY,
    token       uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    sealed      bytea       NOT NULL
);
REVOKE ALL ON TABLE bunker.share FROM PUBLIC;
ALTER TABLE bunker.share ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX share_token ON bunker.share (token, record);
CREATE INDEX share_expires_at ON bunker.share (expires_at);
