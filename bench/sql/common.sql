-- What every contender shares: the same people, made from a number.
CREATE EXTENSION pgcrypto;

-- The number of person i: a permutation of 1 … 799999998 (i times a unit, modulo a prime), so that
-- keys arrive in no order, as those of real people do, and never twice.
CREATE FUNCTION person(i bigint) RETURNS bigint IMMUTABLE LANGUAGE sql
    RETURN (i * 387420489) % 799999999;

-- Numbers of a German mobile range, +49 150 … +49 159 without the unassigned 153 and 154.
CREATE FUNCTION phone(n bigint) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN '+' || (4915000000000 + n + CASE WHEN n >= 300000000 THEN 200000000 ELSE 0 END);

-- A profile of about 300 bytes.
CREATE FUNCTION profile(n bigint) RETURNS jsonb IMMUTABLE LANGUAGE sql
    RETURN ('{"email": "user' || n || '@example.com", "phone": "' || phone(n)
        || '", "login": "user' || n || '", "first": "Wilhelmina", "last": "Featherstonehaugh", '
        || '"birthday": "1974-02-28", "language": "en-GB", "address": {"street": "221b Upper Baker '
        || 'Street", "city": "Stratford-upon-Avon", "postcode": "CV37 6BB", '
        || '"country": "GB"}}')::jsonb;
