//! What belongs to users, as a bundle brings it.

use bunker_bundle::{Kind, Table};
use pgrx::Uuid;

use super::{array, columns, tokens};
use crate::error::{Error, Result};
use crate::pg::value::Value;
use crate::storage::bundle::BundleRow;
use crate::storage::sql;

/// Merges rows of a table into the vault's; how many were taken. Of two states the later one counts,
/// and where there are no later states, the one that is there.
pub fn merge(table: &Table, rows: &[BundleRow]) -> Result<usize> {
    let statement = match table.name {
        "record_version" => RECORD_VERSION,
        "app_data" => return merge_app_data(table, rows),
        "app_data_version" => APP_DATA_VERSION,
        "session" => SESSION,
        "share" => SHARE,
        "agreement" => AGREEMENT,
        "unclaimed_agreement" => UNCLAIMED_AGREEMENT,
        "request" => REQUEST,
        "expiration" => return merge_expirations(table, rows),
        _ => return Err(Error::Internal("a table of bundles that is not merged")),
    };
    sql::run(statement, &columns(table, rows))
}

/// The rows of a statement, from an array for each column, which are named.
macro_rules! from_arrays {
    ($arrays:literal, $names:literal) => {
        concat!(" FROM ROWS FROM (", $arrays, ") AS n (", $names, ") ")
    };
}

const RECORD_VERSION: &str = concat!(
    "INSERT INTO bunker.record_version (token, version, changed_at, changed_by, digests, sealed)
     SELECT n.token, n.version, n.changed_at, n.changed_by, n.digests, n.sealed",
    from_arrays!(
        "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
         pg_catalog.unnest($5), pg_catalog.unnest($6)",
        "token, version, changed_at, changed_by, digests, sealed"
    ),
    "ON CONFLICT (token, version) DO NOTHING"
);

const APP_DATA: &str = concat!(
    "INSERT INTO bunker.app_data AS a
         (token, app, version, created_at, updated_at, changed_by, sealed)
     SELECT n.token, n.app, n.version, n.created_at, n.updated_at, n.changed_by, n.sealed",
    from_arrays!(
        "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
         pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7)",
        "token, app, version, created_at, updated_at, changed_by, sealed"
    ),
    "ON CONFLICT (token, app) DO UPDATE
        SET version = EXCLUDED.version, created_at = EXCLUDED.created_at,
            updated_at = EXCLUDED.updated_at, changed_by = EXCLUDED.changed_by,
            sealed = EXCLUDED.sealed
      WHERE ROW(EXCLUDED.version, EXCLUDED.updated_at)
            OPERATOR(pg_catalog.>) ROW(a.version, a.updated_at)
  RETURNING token, app, sealed IS NULL"
);

/// What an app has deleted there goes here, too, with its former versions.
fn merge_app_data(table: &Table, rows: &[BundleRow]) -> Result<usize> {
    let taken = sql::written_rows(APP_DATA, &columns(table, rows), |row| {
        Ok((row.get::<Uuid>(1)?, row.get::<String>(2)?, row.get::<bool>(3)?))
    })?;
    for (token, app, is_deleted) in &taken {
        if *is_deleted {
            crate::storage::app_data_version::delete(token, app)?;
        }
    }
    Ok(taken.len())
}

/// Of rows of app data, those that stand here in a later version.
pub fn outrun_apps(table: &Table, rows: &[BundleRow]) -> Result<Vec<(Uuid, String)>> {
    let columns = columns(table, rows);
    sql::written_rows(
        "SELECT a.token, a.app
           FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))
                    AS n (token, app, version)
           JOIN bunker.app_data AS a
             ON a.token OPERATOR(pg_catalog.=) n.token AND a.app OPERATOR(pg_catalog.=) n.app
          WHERE a.version OPERATOR(pg_catalog.>) n.version",
        &columns[..3],
        |row| Ok((row.get(1)?, row.get(2)?)),
    )
}

const APP_DATA_VERSION: &str = concat!(
    "INSERT INTO bunker.app_data_version (token, app, version, changed_at, changed_by, sealed)
     SELECT n.token, n.app, n.version, n.changed_at, n.changed_by, n.sealed",
    from_arrays!(
        "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
         pg_catalog.unnest($5), pg_catalog.unnest($6)",
        "token, app, version, changed_at, changed_by, sealed"
    ),
    "ON CONFLICT (token, app, version) DO NOTHING"
);

/// Adding what ends by itself to the table of that name, whose rows the column names.
macro_rules! add_mortals {
    ($table:literal, $id:literal) => {
        concat!(
            "INSERT INTO bunker.",
            $table,
            " (",
            $id,
            ", token, created_at, expires_at, sealed)
             SELECT n.id, n.token, n.created_at, n.expires_at, n.sealed",
            from_arrays!(
                "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),
                 pg_catalog.unnest($4), pg_catalog.unnest($5)",
                "id, token, created_at, expires_at, sealed"
            ),
            "ON CONFLICT (",
            $id,
            ") DO NOTHING"
        )
    };
}

const SESSION: &str = add_mortals!("session", "session");
const SHARE: &str = add_mortals!("share", "record");

/// Ends the sessions and shares of users that were made before a time.
pub fn end_mortals<'a>(users: impl Iterator<Item = &'a Uuid> + Clone, before: i64) -> Result<()> {
    let arguments = [tokens(users), Value::Time(before)];
    sql::run(
        "DELETE FROM bunker.session
          WHERE token OPERATOR(pg_catalog.=) ANY ($1) AND created_at OPERATOR(pg_catalog.<) $2",
        &arguments,
    )?;
    sql::run(
        "DELETE FROM bunker.share
          WHERE token OPERATOR(pg_catalog.=) ANY ($1) AND created_at OPERATOR(pg_catalog.<) $2",
        &arguments,
    )
    .map(drop)
}

/// A session, or a share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mortal {
    /// Which of the two.
    pub is_share: bool,
    /// Its name.
    pub id: Uuid,
}

/// The sessions and shares of users that were made before a time.
pub fn mortals<'a>(users: impl Iterator<Item = &'a Uuid>, before: i64) -> Result<Vec<Mortal>> {
    sql::written_rows(
        "SELECT false, s.session
           FROM bunker.session AS s
          WHERE s.token OPERATOR(pg_catalog.=) ANY ($1) AND s.created_at OPERATOR(pg_catalog.<) $2
          UNION ALL
         SELECT true, h.record
           FROM bunker.share AS h
          WHERE h.token OPERATOR(pg_catalog.=) ANY ($1) AND h.created_at OPERATOR(pg_catalog.<) $2",
        &[tokens(users), Value::Time(before)],
        |row| Ok(Mortal { is_share: row.get(1)?, id: row.get(2)? }),
    )
}

/// Ends sessions and shares.
pub fn end<'a>(mortals: impl Iterator<Item = &'a Mortal> + Clone) -> Result<()> {
    let ids =
        |shares| tokens(mortals.clone().filter(move |it| it.is_share == shares).map(|it| &it.id));
    sql::run(
        "DELETE FROM bunker.session WHERE session OPERATOR(pg_catalog.=) ANY ($1)",
        &[ids(false)],
    )?;
    sql::run("DELETE FROM bunker.share WHERE record OPERATOR(pg_catalog.=) ANY ($1)", &[ids(true)])
        .map(drop)
}

/// Merging agreements whose holder is `$kind`, from the arrays `$arrays`, which are named.
macro_rules! merge_agreements {
    ($kind:literal, $arrays:literal, $names:literal) => {
        concat!(
            "INSERT INTO bunker.agreement AS a
                 (owner, kind, brief, version, status, created_at, updated_at, starts_at, expires_at,
                  sealed)
             SELECT n.owner, ",
            $kind,
            "::pg_catalog.int2, n.brief, n.version, n.status, n.created_at, n.updated_at,
                    n.starts_at, n.expires_at, n.sealed",
            from_arrays!($arrays, $names),
            "ON CONFLICT (owner, kind, brief) DO UPDATE
                SET version = EXCLUDED.version, status = EXCLUDED.status,
                    created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at,
                    starts_at = EXCLUDED.starts_at, expires_at = EXCLUDED.expires_at,
                    sealed = EXCLUDED.sealed
              WHERE ROW(EXCLUDED.version, EXCLUDED.updated_at)
                    OPERATOR(pg_catalog.>) ROW(a.version, a.updated_at)"
        )
    };
}

const AGREEMENT: &str = merge_agreements!(
    "0",
    "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
     pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8),
     pg_catalog.unnest($9)",
    "owner, brief, version, status, created_at, updated_at, starts_at, expires_at, sealed"
);

const UNCLAIMED_AGREEMENT: &str = merge_agreements!(
    "n.kind",
    "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
     pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8),
     pg_catalog.unnest($9), pg_catalog.unnest($10)",
    "owner, kind, brief, version, status, created_at, updated_at, starts_at, expires_at, sealed"
);

// Forgetting a user takes from his decided requests what they would have changed, and leaves their
// times: of two that are as old, the one that says less counts.
const REQUEST: &str = concat!(
    "INSERT INTO bunker.request AS q
         (request, token, action, subject, status, created_at, updated_at, requested_by,
          requested_as, decided_by, decided_as, seen, sealed, reason)
     SELECT n.request, n.token, n.action, n.subject, n.status, n.created_at, n.updated_at,
            n.requested_by, n.requested_as, n.decided_by, n.decided_as, n.seen, n.sealed, n.reason",
    from_arrays!(
        "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
         pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8),
         pg_catalog.unnest($9), pg_catalog.unnest($10), pg_catalog.unnest($11),
         pg_catalog.unnest($12), pg_catalog.unnest($13), pg_catalog.unnest($14)",
        "request, token, action, subject, status, created_at, updated_at, requested_by,
         requested_as, decided_by, decided_as, seen, sealed, reason"
    ),
    "ON CONFLICT (request) DO UPDATE
        SET status = EXCLUDED.status, updated_at = EXCLUDED.updated_at,
            decided_by = EXCLUDED.decided_by, decided_as = EXCLUDED.decided_as,
            seen = EXCLUDED.seen, sealed = EXCLUDED.sealed, reason = EXCLUDED.reason
      WHERE EXCLUDED.token OPERATOR(pg_catalog.=) q.token
        AND (EXCLUDED.updated_at OPERATOR(pg_catalog.>) q.updated_at
             OR EXCLUDED.updated_at OPERATOR(pg_catalog.=) q.updated_at
            AND EXCLUDED.sealed IS NULL AND q.sealed IS NOT NULL)"
);

/// Removes those of the requests that are these users', for the rows to take their places.
pub fn remove_requests<'a>(
    rows: &[BundleRow],
    users: impl IntoIterator<Item = &'a Uuid>,
) -> Result<()> {
    let requests = array(Kind::Uuid, rows.iter().filter_map(|row| row.first()));
    sql::run(
        "DELETE FROM bunker.request
          WHERE request OPERATOR(pg_catalog.=) ANY ($1) AND token OPERATOR(pg_catalog.=) ANY ($2)",
        &[requests, tokens(users)],
    )
    .map(drop)
}

const EXPIRATION: &str = concat!(
    "INSERT INTO bunker.expiration AS e
         (token, expiration, status, started_at, expires_at, announced_at, decided_at)
     SELECT n.token, n.expiration, n.status, n.started_at, n.expires_at, n.announced_at,
            n.decided_at",
    from_arrays!(
        "pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4),
         pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7)",
        "token, expiration, status, started_at, expires_at, announced_at, decided_at"
    ),
    "ON CONFLICT (token) DO UPDATE
        SET expiration = EXCLUDED.expiration, status = EXCLUDED.status,
            started_at = EXCLUDED.started_at, expires_at = EXCLUDED.expires_at,
            announced_at = EXCLUDED.announced_at, decided_at = EXCLUDED.decided_at,
            tried_at = NULL
      WHERE GREATEST(EXCLUDED.started_at, EXCLUDED.decided_at)
            OPERATOR(pg_catalog.>) GREATEST(e.started_at, e.decided_at)"
);

/// The token of an expiration is unique, and good for a decision: PostgreSQL's own complaint that it is
/// somebody else's would show it.
fn merge_expirations(table: &Table, rows: &[BundleRow]) -> Result<usize> {
    let columns = columns(table, rows);
    let clashes = sql::written_row(
        "SELECT pg_catalog.count(DISTINCT n.expiration) OPERATOR(pg_catalog.<) pg_catalog.count(*)
                OR pg_catalog.bool_or(EXISTS (
                    SELECT FROM bunker.expiration AS e
                     WHERE e.expiration OPERATOR(pg_catalog.=) n.expiration
                       AND e.token OPERATOR(pg_catalog.<>) n.token))
           FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS n (token, expiration)",
        &columns[..2],
        |row| row.optional::<bool>(1),
    )?;
    if clashes.flatten() == Some(true) {
        return Err(Error::BadArgument(
            "an expiration of the bundle is another user's",
            "Export the vault again.",
        ));
    }
    sql::run(EXPIRATION, &columns)
}
