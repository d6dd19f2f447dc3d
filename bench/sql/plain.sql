-- The yardstick: no privacy at all.
CREATE TABLE plain_users (
    token uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text UNIQUE,
    phone text UNIQUE,
    login text UNIQUE,
    profile jsonb NOT NULL
);
