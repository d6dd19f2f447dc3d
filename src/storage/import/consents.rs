//! Registers of consent, as a bundle brings them.

use std::collections::HashSet;

use pgrx::Uuid;

use crate::error::Result;
use crate::pg::jsonb::Jsonb;
use crate::pg::value::Value;
use crate::storage::activity::Row as Activity;
use crate::storage::agreement::Holder;
use crate::storage::legal_basis::Row as Basis;
use crate::storage::sql;

/// Merges a legal basis: the later change counts; whether it was taken.
pub fn merge_basis(row: Basis) -> Result<bool> {
    let taken = sql::run(
        "INSERT INTO bunker.legal_basis AS b (brief, status, definition, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (brief) DO UPDATE
            SET status = EXCLUDED.status, definition = EXCLUDED.definition,
                created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at
          WHERE EXCLUDED.updated_at OPERATOR(pg_catalog.>) b.updated_at",
        &[
            Value::Text(&row.brief),
            Value::Text(&row.status),
            Value::document(Jsonb::from(row.definition)),
            Value::Time(row.created_at),
            Value::Time(row.updated_at),
        ],
    )?;
    Ok(taken == 1)
}

/// Merges a processing activity; whether it was taken.
pub fn merge_activity(row: Activity) -> Result<bool> {
    let taken = sql::run(
        "INSERT INTO bunker.activity AS a (activity, definition, created_at, updated_at)
         VALUES ($1, $2, $3, $4)
             ON CONFLICT (activity) DO UPDATE
            SET definition = EXCLUDED.definition, created_at = EXCLUDED.created_at,
                updated_at = EXCLUDED.updated_at
          WHERE EXCLUDED.updated_at OPERATOR(pg_catalog.>) a.updated_at",
        &[
            Value::Text(&row.activity),
            Value::document(Jsonb::from(row.definition)),
            Value::Time(row.created_at),
            Value::Time(row.updated_at),
        ],
    )?;
    Ok(taken == 1)
}

/// Of the agreements under addresses, last changed before a time, those that are none of `kept`.
pub fn absent_unclaimed(
    kept: &HashSet<(Holder, String)>,
    before: i64,
) -> Result<Vec<(Holder, String)>> {
    let owners = kept.iter().map(|(holder, _)| Some(holder.owner)).collect();
    let kinds = kept.iter().map(|(holder, _)| Some(holder.kind)).collect();
    let briefs = kept.iter().map(|(_, brief)| Some(brief.as_str())).collect();
    sql::written_rows(
        "SELECT a.owner, a.kind, a.brief
           FROM bunker.agreement AS a
          WHERE a.kind OPERATOR(pg_catalog.<>) 0
            AND a.updated_at OPERATOR(pg_catalog.<) $4
            AND NOT EXISTS (
                SELECT FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2),
                                       pg_catalog.unnest($3)) AS n (owner, kind, brief)
                 WHERE n.owner OPERATOR(pg_catalog.=) a.owner
                   AND n.kind OPERATOR(pg_catalog.=) a.kind
                   AND n.brief OPERATOR(pg_catalog.=) a.brief)
          ORDER BY a.owner, a.kind, a.brief",
        &[
            Value::array::<Uuid>(owners),
            Value::array::<i16>(kinds),
            Value::array::<&str>(briefs),
            Value::Time(before),
        ],
        |row| Ok((Holder { owner: row.get(1)?, kind: row.get(2)? }, row.get(3)?)),
    )
}

/// Removes the agreements under an address that were last changed up to a time.
pub fn drop_unclaimed(address: &Holder, until: i64) -> Result<()> {
    sql::run(
        "DELETE FROM bunker.agreement
          WHERE owner OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) $2
            AND updated_at OPERATOR(pg_catalog.<=) $3",
        &[Value::Uuid(&address.owner), Value::Int2(address.kind), Value::Time(until)],
    )
    .map(drop)
}
