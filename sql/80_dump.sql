-- What pg_dump takes along.  The event sequence stays behind on purpose: a new installation starts
-- above everything an older one has numbered.
SELECT pg_catalog.pg_extension_config_dump('bunker.keyring', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.record', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.record_version', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.lookup_kind', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.lookup', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.user_schema', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.audit', '');
