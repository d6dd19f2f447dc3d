//! The server's own catalogs, as far as they decide who gets at the vault. Nothing of the vault is
//! read here. Each function gives names, for people to read.

use super::sql;
use crate::error::Result;

/// A setting that holds for a role, a database, or one in the other.
pub struct Override {
    /// The role; `None` means all.
    pub role: Option<String>,
    /// The database; `None` means all.
    pub database: Option<String>,
    /// The setting's name.
    pub name: String,
    /// What it is set to, as it was written.
    pub value: String,
}

/// The settings in force in this session, by name. Those of libraries that are not loaded are absent.
pub fn settings() -> Result<Vec<(String, String)>> {
    sql::rows(
        "SELECT s.name, s.setting FROM pg_catalog.pg_settings AS s WHERE s.setting IS NOT NULL",
        &[],
        |row| Ok((row.get(1)?, row.get(2)?)),
    )
}

/// What ALTER ROLE and ALTER DATABASE have set for sessions in this database.
pub fn overrides() -> Result<Vec<Override>> {
    sql::rows(
        "SELECT r.rolname::pg_catalog.text, d.datname::pg_catalog.text,
                pg_catalog.split_part(entry, '=', 1),
                pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') OPERATOR(pg_catalog.+) 1)
           FROM pg_catalog.pg_db_role_setting AS s
          CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry
           LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.setrole
           LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
          WHERE s.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid
             OR d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
          ORDER BY 1, 2, 3",
        &[],
        |row| {
            Ok(Override {
                role: row.optional(1)?,
                database: row.optional(2)?,
                name: row.get(3)?,
                value: row.get(4)?,
            })
        },
    )
}

fn names(statement: &'static str) -> Result<Vec<String>> {
    sql::rows(statement, &[], |row| row.get(1))
}

/// Functions of the extension that PUBLIC may execute.
pub fn public_functions() -> Result<Vec<String>> {
    names(
        "SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text
           FROM pg_catalog.pg_extension AS e
           JOIN pg_catalog.pg_depend AS d
             ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND d.refobjid OPERATOR(pg_catalog.=) e.oid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) d.objid
          CROSS JOIN LATERAL pg_catalog.aclexplode(
                    COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS acl
          WHERE e.extname OPERATOR(pg_catalog.=) 'databunker'
            AND acl.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid
          ORDER BY 1",
    )
}

/// Privileges that somebody other than the owner has on a table, a column or a sequence of the
/// schema `bunker`, or to create something in it: `SELECT on bunker.record for PUBLIC`. Views are
/// made to be granted.
pub fn granted_tables() -> Result<Vec<String>> {
    names(
        "SELECT DISTINCT pg_catalog.format('%s on %s for %s', acl.privilege_type, g.name,
                    CASE WHEN acl.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
                         ELSE pg_catalog.quote_ident(
                                  pg_catalog.pg_get_userbyid(acl.grantee)::pg_catalog.text) END)
           FROM (SELECT c.oid::pg_catalog.regclass::pg_catalog.text, c.relowner, c.relacl
                   FROM pg_catalog.pg_class AS c
                  WHERE c.relnamespace OPERATOR(pg_catalog.=) 'bunker'::pg_catalog.regnamespace
                    AND c.relkind OPERATOR(pg_catalog.=)
                        ANY (ARRAY['r', 'p', 'S']::pg_catalog.\"char\"[])
                  UNION ALL
                 SELECT c.oid::pg_catalog.regclass::pg_catalog.text, c.relowner, a.attacl
                   FROM pg_catalog.pg_class AS c
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
                  WHERE c.relnamespace OPERATOR(pg_catalog.=) 'bunker'::pg_catalog.regnamespace
                    AND c.relkind OPERATOR(pg_catalog.=)
                        ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[])
                  UNION ALL
                 SELECT 'schema bunker', n.nspowner, n.nspacl
                   FROM pg_catalog.pg_namespace AS n
                  WHERE n.nspname OPERATOR(pg_catalog.=) 'bunker'
                ) AS g (name, owner, privileges)
          CROSS JOIN LATERAL pg_catalog.aclexplode(g.privileges) AS acl
          WHERE acl.grantee OPERATOR(pg_catalog.<>) g.owner
            AND (g.name OPERATOR(pg_catalog.<>) 'schema bunker'
                 OR acl.privilege_type OPERATOR(pg_catalog.=) 'CREATE')
          ORDER BY 1",
    )
}

/// Triggers of the vault that somebody has switched off, in whole or for replicas:
/// `audit_rows on bunker.record`.
pub fn silenced_triggers() -> Result<Vec<String>> {
    names(
        "SELECT pg_catalog.format('%I on %s', t.tgname,
                                  t.tgrelid::pg_catalog.regclass::pg_catalog.text)
           FROM pg_catalog.pg_trigger AS t
           JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
          WHERE c.relnamespace OPERATOR(pg_catalog.=) 'bunker'::pg_catalog.regnamespace
            AND t.tgname OPERATOR(pg_catalog.^@) 'audit_'
            AND t.tgenabled OPERATOR(pg_catalog.<>) 'A'::pg_catalog.\"char\"
          ORDER BY 1",
    )
}

/// Tables of the vault that are not in the write-ahead log.
pub fn unlogged_tables() -> Result<Vec<String>> {
    names(
        "SELECT c.oid::pg_catalog.regclass::pg_catalog.text
           FROM pg_catalog.pg_class AS c
          WHERE c.relnamespace OPERATOR(pg_catalog.=) 'bunker'::pg_catalog.regnamespace
            AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'S']::pg_catalog.\"char\"[])
            AND c.relpersistence OPERATOR(pg_catalog.<>) 'p'::pg_catalog.\"char\"
          ORDER BY 1",
    )
}

/// Superusers who can log in.
pub fn superusers() -> Result<Vec<String>> {
    names(
        "SELECT pg_catalog.quote_ident(r.rolname::pg_catalog.text)
           FROM pg_catalog.pg_roles AS r
          WHERE r.rolsuper AND r.rolcanlogin
          ORDER BY 1",
    )
}

/// Superusers who were made members of the vault's roles: `boss of bunker_app`.
pub fn superuser_members() -> Result<Vec<String>> {
    names(
        "SELECT pg_catalog.format('%I of %s', r.rolname, g.rolname)
           FROM pg_catalog.pg_auth_members AS m
           JOIN pg_catalog.pg_roles AS g ON g.oid OPERATOR(pg_catalog.=) m.roleid
           JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) m.member
          WHERE g.rolname OPERATOR(pg_catalog.^@) 'bunker_' AND r.rolsuper
          ORDER BY 1",
    )
}

/// Roles, other than superusers, who can make themselves or others members of the vault's roles:
/// by ADMIN OPTION, or before PostgreSQL 16 by CREATEROLE.
pub fn role_granters() -> Result<Vec<String>> {
    names(
        "SELECT pg_catalog.format('%I by ADMIN OPTION on %s', r.rolname, g.rolname)
           FROM pg_catalog.pg_auth_members AS m
           JOIN pg_catalog.pg_roles AS g ON g.oid OPERATOR(pg_catalog.=) m.roleid
           JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) m.member
          WHERE g.rolname OPERATOR(pg_catalog.^@) 'bunker_' AND m.admin_option AND NOT r.rolsuper
          UNION ALL
         SELECT pg_catalog.format('%I by CREATEROLE', r.rolname)
           FROM pg_catalog.pg_roles AS r
          WHERE r.rolcreaterole AND NOT r.rolsuper
            AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4
                OPERATOR(pg_catalog.<) 160000
          ORDER BY 1",
    )
}

/// Members, also by way of other roles, of predefined roles that reach past all privileges:
/// `report of pg_read_all_data`.
pub fn reaching_members() -> Result<Vec<String>> {
    names(
        "WITH RECURSIVE member (reach, role) AS (
             SELECT g.rolname, m.member
               FROM pg_catalog.pg_auth_members AS m
               JOIN pg_catalog.pg_roles AS g ON g.oid OPERATOR(pg_catalog.=) m.roleid
              WHERE g.rolname OPERATOR(pg_catalog.=) ANY (ARRAY[
                        'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files',
                        'pg_write_server_files', 'pg_execute_server_program'
                    ]::pg_catalog.name[])
              UNION
             SELECT b.reach, m.member
               FROM member AS b
               JOIN pg_catalog.pg_auth_members AS m ON m.roleid OPERATOR(pg_catalog.=) b.role)
         SELECT pg_catalog.format('%I of %s', r.rolname, b.reach)
           FROM member AS b
           JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) b.role
          WHERE NOT r.rolsuper
          ORDER BY 1",
    )
}

/// Who follows this server: slots, and senders without one.
pub fn followers() -> Result<Vec<String>> {
    names(
        "SELECT pg_catalog.format('slot %I (%s)', s.slot_name, s.slot_type)
           FROM pg_catalog.pg_replication_slots AS s
          UNION ALL
         SELECT pg_catalog.format('sender %s', r.pid)
           FROM pg_catalog.pg_stat_replication AS r
           LEFT JOIN pg_catalog.pg_replication_slots AS s
             ON s.active_pid OPERATOR(pg_catalog.=) r.pid
          WHERE s.slot_name IS NULL
          ORDER BY 1",
    )
}

/// Publications with a table of the vault.
pub fn publications() -> Result<Vec<String>> {
    names(
        "SELECT DISTINCT pg_catalog.quote_ident(p.pubname::pg_catalog.text)
           FROM pg_catalog.pg_publication_tables AS p
          WHERE p.schemaname OPERATOR(pg_catalog.=) 'bunker'
          ORDER BY 1",
    )
}

/// Constraints and statistics that call the vault's functions: made before the library was loaded,
/// since when `pg::expression_guard` refuses them.
pub fn computing_definitions() -> Result<Vec<String>> {
    names(
        "SELECT DISTINCT CASE WHEN c.oid IS NOT NULL
                              THEN pg_catalog.format('constraint %I', c.conname)
                              ELSE pg_catalog.format('statistics object %I', s.stxname) END
           FROM pg_catalog.pg_extension AS e
           JOIN pg_catalog.pg_depend AS f
             ON f.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND f.refobjid OPERATOR(pg_catalog.=) e.oid
            AND f.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           JOIN pg_catalog.pg_depend AS d
             ON d.refclassid OPERATOR(pg_catalog.=) f.classid
            AND d.refobjid OPERATOR(pg_catalog.=) f.objid
           LEFT JOIN pg_catalog.pg_constraint AS c
             ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass
            AND c.oid OPERATOR(pg_catalog.=) d.objid
           LEFT JOIN pg_catalog.pg_statistic_ext AS s
             ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
            AND s.oid OPERATOR(pg_catalog.=) d.objid
          WHERE e.extname OPERATOR(pg_catalog.=) 'databunker'
            AND (c.oid IS NOT NULL OR s.oid IS NOT NULL)
          ORDER BY 1",
    )
}

/// Materialised views that call the vault's functions, and so store what these return.
pub fn materialised_views() -> Result<Vec<String>> {
    names(
        "SELECT DISTINCT c.oid::pg_catalog.regclass::pg_catalog.text
           FROM pg_catalog.pg_extension AS e
           JOIN pg_catalog.pg_depend AS f
             ON f.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
            AND f.refobjid OPERATOR(pg_catalog.=) e.oid
            AND f.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           JOIN pg_catalog.pg_depend AS d
             ON d.refclassid OPERATOR(pg_catalog.=) f.classid
            AND d.refobjid OPERATOR(pg_catalog.=) f.objid
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
           JOIN pg_catalog.pg_rewrite AS r ON r.oid OPERATOR(pg_catalog.=) d.objid
           JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) r.ev_class
          WHERE e.extname OPERATOR(pg_catalog.=) 'databunker'
            AND c.relkind OPERATOR(pg_catalog.=) 'm'
          ORDER BY 1",
    )
}
