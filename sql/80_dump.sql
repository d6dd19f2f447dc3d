-- What pg_dump takes along.  The event sequence stays behind on purpose: a new installation starts
-- above everything an older one has numbered.
SELECT pg_catalog.pg_extension_config_dump('bunker.keyring', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.record', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.record_version', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.lookup_kind', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.lookup', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.user_schema', '');
-- Of the trail, the default partition.  The monthly ones are no members of the extension: pg_dump
-- takes them along like any table, and attaches them to the parent that CREATE EXTENSION made.
SELECT pg_catalog.pg_extension_config_dump('bunker.audit_rest', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.audit_seal', '');
