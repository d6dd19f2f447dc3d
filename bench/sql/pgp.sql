-- What most guides advise: pgcrypto's pgp_sym_encrypt and HMAC-SHA-256 blind indexes.
CREATE TABLE pgp_users (
    token uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email_index bytea UNIQUE,
    phone_index bytea UNIQUE,
    login_index bytea UNIQUE,
    profile bytea NOT NULL
);

CREATE FUNCTION pgp_lookup(address text) RETURNS jsonb STABLE LANGUAGE plpgsql AS $$
DECLARE found pgp_users;
BEGIN
    SELECT * INTO found FROM pgp_users u WHERE u.email_index = raw_index(address);
    RETURN pgp_sym_decrypt(found.profile, 'correct horse battery staple 00112233445566')::jsonb;
END $$;

CREATE FUNCTION pgp_create(p jsonb) RETURNS uuid VOLATILE LANGUAGE plpgsql AS $$
DECLARE created uuid;
BEGIN
    INSERT INTO pgp_users (email_index, phone_index, login_index, profile)
    VALUES (raw_index(p->>'email'), raw_index(p->>'phone'), raw_index(p->>'login'),
        pgp_sym_encrypt(p::text, 'correct horse battery staple 00112233445566',
            'cipher-algo=aes256'))
    RETURNING token INTO created;
    RETURN created;
END $$;
