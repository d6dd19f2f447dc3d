-- What pg_dump takes along.  The event sequence stays behind on purpose: a new installation starts
-- above everything an older one has numbered.
SELECT pg_catalog.pg_extension_config_dump('bunker.keyring', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.record', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.record_version', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.lookup_kind', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.lookup', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.user_schema', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.access_token', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.login_code', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.expiration', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.legal_basis', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.activity', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.activity_basis', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.agreement', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.app_data', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.app_data_version', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.session', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.share', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.request', '');
-- Of the trail, the default partition.  The monthly ones are no members of the extension: pg_dump
-- takes them along like any table, and attaches them to the parent that CREATE EXTENSION made.
SELECT pg_catalog.pg_extension_config_dump('bunker.audit_rest', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.audit_seal', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.outbox', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.event', '');
SELECT pg_catalog.pg_extension_config_dump('bunker.bundle_number', '');
