-- What has to hold before anything is created, and the group roles.

\echo Use "CREATE EXTENSION databunker" to load this file. \quit

-- Normal forms, lookup digests and JSON are defined over Unicode text.
DO $prerequisite$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'databunker needs a database with the encoding UTF8',
            HINT = 'Create one with CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$prerequisite$;

-- Roles belong to the whole cluster: the first database with the extension creates them, the
-- next ones find them.  A role of that name that is more than a plain group role was not made by
-- us, and whoever made it would be granted the vault: it is refused.
DO $roles$
DECLARE
    role_name pg_catalog.name;
    existing pg_catalog.pg_roles;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['bunker_reader', 'bunker_app', 'bunker_dpo', 'bunker_admin']
    LOOP
        SELECT r.* INTO existing
          FROM pg_catalog.pg_roles AS r
         WHERE r.rolname OPERATOR(pg_catalog.=) role_name;
        IF NOT FOUND THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
        ELSIF existing.rolcanlogin OR existing.rolsuper OR existing.rolcreaterole OR existing.rolcreatedb
           OR existing.rolreplication OR existing.rolbypassrls THEN
            RAISE EXCEPTION USING
                ERRCODE = 'duplicate_object',
                MESSAGE = pg_catalog.format('role %I exists and is not a plain group role', role_name),
                HINT = 'Find out who created it, then drop it or take its attributes away.';
        END IF;
    END LOOP;
END
$roles$;

GRANT bunker_reader TO bunker_app;
