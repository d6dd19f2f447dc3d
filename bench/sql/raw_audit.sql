-- raw.sql with an audit row in the caller's transaction. The tables are its own, so that no
-- contender's writes weigh on another's reads.
CREATE TABLE raw_audit_users (LIKE raw_users INCLUDING ALL);
CREATE TABLE raw_audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL DEFAULT session_user,
    action text NOT NULL,
    token uuid
);

CREATE FUNCTION raw_audit_lookup(address text) RETURNS jsonb VOLATILE LANGUAGE plpgsql AS $$
DECLARE found raw_audit_users;
BEGIN
    SELECT * INTO found FROM raw_audit_users u WHERE u.email_index = raw_index(address);
    INSERT INTO raw_audit_events (action, token) VALUES ('lookup', found.token);
    RETURN convert_from(decrypt_iv(found.profile,
        '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea,
        found.iv, 'aes-cbc/pad:pkcs'), 'UTF8')::jsonb;
END $$;

CREATE FUNCTION raw_audit_create(p jsonb) RETURNS uuid VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    created uuid;
    fresh_iv bytea := gen_random_bytes(16);
BEGIN
    INSERT INTO raw_audit_users (email_index, phone_index, login_index, iv, profile)
    VALUES (raw_index(p->>'email'), raw_index(p->>'phone'), raw_index(p->>'login'), fresh_iv,
        encrypt_iv(convert_to(p::text, 'UTF8'),
            '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea,
            fresh_iv, 'aes-cbc/pad:pkcs'))
    RETURNING token INTO created;
    INSERT INTO raw_audit_events (action, token) VALUES ('create_user', created);
    RETURN created;
END $$;
