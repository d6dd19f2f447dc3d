-- Hand-written with pgcrypto: AES-256-CBC under one key and a fresh IV, HMAC-SHA-256 blind indexes.
-- Less than databunker does: nothing is authenticated or normalised, every row has the same key,
-- and the keys are in the functions' text.
CREATE TABLE raw_users (
    token uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email_index bytea UNIQUE,
    phone_index bytea UNIQUE,
    login_index bytea UNIQUE,
    iv bytea NOT NULL,
    profile bytea NOT NULL
);

CREATE FUNCTION raw_index(value text) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN hmac(convert_to(value, 'UTF8'),
        '\x0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0'::bytea, 'sha256');
END $$;

CREATE FUNCTION raw_lookup(address text) RETURNS jsonb STABLE LANGUAGE plpgsql AS $$
DECLARE found raw_users;
BEGIN
    SELECT * INTO found FROM raw_users u WHERE u.email_index = raw_index(address);
    RETURN convert_from(decrypt_iv(found.profile,
        '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea,
        found.iv, 'aes-cbc/pad:pkcs'), 'UTF8')::jsonb;
END $$;

CREATE FUNCTION raw_create(p jsonb) RETURNS uuid VOLATILE LANGUAGE plpgsql AS $$
DECLARE
    created uuid;
    fresh_iv bytea := gen_random_bytes(16);
BEGIN
    INSERT INTO raw_users (email_index, phone_index, login_index, iv, profile)
    VALUES (raw_index(p->>'email'), raw_index(p->>'phone'), raw_index(p->>'login'), fresh_iv,
        encrypt_iv(convert_to(p::text, 'UTF8'),
            '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea,
            fresh_iv, 'aes-cbc/pad:pkcs'))
    RETURNING token INTO created;
    RETURN created;
END $$;
