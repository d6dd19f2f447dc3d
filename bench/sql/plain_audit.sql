-- Plain tables with what many applications add by hand: an audit row in the caller's transaction,
-- which his ROLLBACK takes away again.
CREATE TABLE plain_audit_users (
    token uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text UNIQUE,
    phone text UNIQUE,
    login text UNIQUE,
    profile jsonb NOT NULL
);
CREATE TABLE plain_audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL DEFAULT session_user,
    action text NOT NULL,
    token uuid
);

CREATE FUNCTION plain_audit_lookup(address text) RETURNS jsonb VOLATILE LANGUAGE plpgsql AS $$
DECLARE found plain_audit_users;
BEGIN
    SELECT * INTO found FROM plain_audit_users u WHERE u.email = address;
    INSERT INTO plain_audit_events (action, token) VALUES ('lookup', found.token);
    RETURN found.profile;
END $$;

CREATE FUNCTION plain_audit_create(p jsonb) RETURNS uuid VOLATILE LANGUAGE plpgsql AS $$
DECLARE created uuid;
BEGIN
    INSERT INTO plain_audit_users (email, phone, login, profile)
    VALUES (p->>'email', p->>'phone', p->>'login', p) RETURNING token INTO created;
    INSERT INTO plain_audit_events (action, token) VALUES ('create_user', created);
    RETURN created;
END $$;
