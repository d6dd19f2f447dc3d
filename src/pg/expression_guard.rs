//! Keeps the vault's functions out of expressions that PostgreSQL computes behind people's backs: CHECK
//! constraints, those of domains included, and extended statistics.
//!
//! A constraint would read the vault whenever anybody writes a row, and again at pg_restore; ANALYZE
//! would store what it computes, in the clear. Indexes, generated columns and partition keys need no
//! guard: PostgreSQL takes immutable functions only there, and ours are volatile. Defaults, views and
//! policies are left alone: they are what a role's own statement does. An expression that calls us by
//! way of somebody's function is not recognised.

use std::ffi::{CStr, c_void};

use pgrx::pg_sys::{self, Oid};
use pgrx::prelude::*;

use super::object_access::Access;
use crate::error::{Error, Result};

/// The extension's name, as CREATE EXTENSION takes it.
const EXTENSION: &CStr = c"databunker";

/// A catalog with expressions in it. Its oid and its index's are assigned by hand and never change.
struct Catalog {
    oid: Oid,
    /// The unique index on its column `oid`, which is the first.
    oid_index: Oid,
    /// The column with the expression, a `pg_node_tree`; its number is not the same in all versions.
    expression: &'static CStr,
}

const GUARDED: [Catalog; 2] = [
    // pg_constraint.h
    Catalog { oid: Oid::from_u32(2606), oid_index: Oid::from_u32(2667), expression: c"conbin" },
    // pg_statistic_ext.h
    Catalog { oid: Oid::from_u32(3381), oid_index: Oid::from_u32(3380), expression: c"stxexprs" },
];

/// Refuses a new constraint, or new statistics, whose expression calls a function of the extension.
///
/// PostgreSQL calls the hook once the row is in the catalog (CreateConstraintEntry, pg_constraint.c,
/// for tables and domains; CreateStatistics, statscmds.c).
pub fn check(access: &Access) -> Result<()> {
    let is_new = access.kind == pg_sys::ObjectAccessType::OAT_POST_CREATE;
    let catalog = GUARDED.iter().find(|catalog| is_new && catalog.oid == access.class);
    if catalog.is_some_and(|catalog| calls_vault(catalog, access.object)) {
        return Err(Error::CallInDefinition);
    }
    Ok(())
}

fn calls_vault(catalog: &Catalog, object: Oid) -> bool {
    // SAFETY: a look into a catalog, inside the transaction that makes the object.
    let mut extension = unsafe { pg_sys::get_extension_oid(EXTENSION.as_ptr(), true) };
    if extension == Oid::INVALID {
        return false;
    }
    let expression = expression_of(catalog, object);
    // SAFETY: the walker gets back the pointer to `extension`, which outlives it.
    unsafe { finds_function(expression, (&raw mut extension).cast()) }
}

/// Whether a function of an extension is called in an expression.
///
/// # Safety
/// `node` is null or a node; `extension` points to the extension's oid.
#[pg_guard]
unsafe extern "C-unwind" fn finds_function(
    node: *mut pg_sys::Node,
    extension: *mut c_void,
) -> bool {
    // SAFETY: the pattern of every walker (nodeFuncs.c), such as contain_mutable_functions_walker.
    unsafe {
        !node.is_null()
            && (pg_sys::check_functions_in_node(node, Some(belongs_to), extension)
                || pg_sys::expression_tree_walker(node, Some(finds_function), extension))
    }
}

/// # Safety
/// `extension` points to an oid.
#[pg_guard]
unsafe extern "C-unwind" fn belongs_to(function: Oid, extension: *mut c_void) -> bool {
    // SAFETY: the caller's; and a look into a catalog.
    unsafe {
        pg_sys::getExtensionOfObject(pg_sys::ProcedureRelationId, function) == *extension.cast()
    }
}

/// The expression in a row of a catalog, or null.
fn expression_of(catalog: &Catalog, object: Oid) -> *mut pg_sys::Node {
    // SAFETY: the sequence of every catalog scan in PostgreSQL (findDependentObjects, dependency.c),
    // by the index's only column. SnapshotSelf, because the row is of the command that is running.
    // The expression is copied out of the row before the scan ends.
    unsafe {
        let relation = pg_sys::table_open(catalog.oid, ACCESS_SHARE);
        let mut key = oid_key(object);
        let scan = pg_sys::systable_beginscan(
            relation,
            catalog.oid_index,
            true,
            &raw mut pg_sys::SnapshotSelfData,
            1,
            &mut key,
        );
        let row = pg_sys::systable_getnext(scan);
        let mut expression = std::ptr::null_mut();
        if !row.is_null() {
            let column = pg_sys::get_attnum(catalog.oid, catalog.expression.as_ptr());
            let mut is_null = true;
            let tree = pg_sys::heap_getattr(row, column.into(), (*relation).rd_att, &mut is_null);
            if !is_null {
                let text = pg_sys::text_to_cstring(tree.cast_mut_ptr());
                expression = pg_sys::stringToNode(text).cast();
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, ACCESS_SHARE);
        expression
    }
}

const ACCESS_SHARE: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

/// `oid = $1`
fn oid_key(oid: Oid) -> pg_sys::ScanKeyData {
    let mut key = pg_sys::ScanKeyData::default();
    // SAFETY: fills in the structure; the function is pg_catalog's equality of two oids.
    unsafe {
        pg_sys::ScanKeyInit(
            &mut key,
            1,
            pg_sys::BTEqualStrategyNumber as u16,
            Oid::from(pg_sys::F_OIDEQ),
            oid.into(),
        );
    }
    key
}
