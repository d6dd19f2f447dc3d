//! Whether what a running statement reads can leave it only as rows of its result.
//!
//! Reads of the vault may return before their audit events are durable only if nothing else in the
//! statement could carry the values away: no code of a user, which might raise a notice, write to
//! another server or call the vault itself, and no function of PostgreSQL's with an effect beyond
//! its result. So this knows what is harmless, and takes everything that it does not know for harm.
//!
//! Code of users may hide where no plan names it: in the check of a domain, in a cast of a user's type
//! to json that `to_json` finds by itself, in an input function that is named by an oid. All these
//! begin with a value of a type that is not built in, or of a pseudo-type, which is why types are
//! looked at, too. Operator classes are left alone: only superusers make them.

mod nodes;

use std::ffi::{CStr, c_void};

use pgrx::PgList;
use pgrx::pg_sys::{self, List, Node, NodeTag, Oid, Plan};
use pgrx::prelude::*;

/// Volatile functions whose only effect is their result: random(), clock_timestamp() and
/// gen_random_uuid(). Oids of built-in functions never change (pg_proc.dat).
const HARMLESS_VOLATILE: [u32; 3] = [1598, 2649, 3432];

/// Stable functions that only compute: on text, JSON and times. Others look into catalogs, and may lock
/// what they look at, run queries or lex an argument with a notice that quotes it; those that are not
/// known here are taken for such.
const HARMLESS_STABLE: &[u32] = &[
    // array_to_string(), array_out(), textanycat(), anytextcat(), concat(), concat_ws(), format()
    384, 395, 751, 2003, 2004, 3058, 3059, 3539, 3540, // input and output of times
    1084, 1085, 1143, 1150, 1151, 1160, 1161, 1312, 1313, 1350,
    // now() and its kin, date_part(), date_trunc(), age(), to_char() and back, casts, sums
    1299, 2647, 2648, 1171, 6203, 1217, 1284, 1386, 2059, 1768, 1770, 1772, 1773, 1774, 1775, 1776,
    1777, 1778, 1780, 2049, 1174, 1176, 1178, 2027, 2028, 2037, 1189, 1190,
    // comparisons of dates and times with and without time zone
    2351, 2352, 2353, 2354, 2355, 2377, 2378, 2380, 2381, 2520, 2522, 2523, 2527, 2528, 2530, 2531,
    // making JSON and JSONB: of arrays, rows, values, pairs, and by aggregation
    3153, 3154, 3155, 3156, 3173, 3175, 3176, 3180, 3198, 3199, 3200, 3201, 3265, 3266, 3267, 3268,
    3269, 3271, 3272, 3273, 3274, 3787,
];

/// Immutable functions that may quote their argument in a warning: the sisters of
/// xml_is_well_formed().
const HARMFUL_IMMUTABLE: [u32; 2] = [3052, 3053];

/// Whether a running query does nothing but read, and has no way out for what it reads except its
/// result. `readers` are the names of this extension's functions that may occur.
///
/// # Safety
/// The query is being run.
pub unsafe fn is_harmless(query: *mut pg_sys::QueryDesc, readers: &'static [&'static str]) -> bool {
    // SAFETY: the plan of a running query stays as it is until the query ends.
    unsafe {
        let statement = &*(*query).plannedstmt;
        let only_reads = statement.commandType == pg_sys::CmdType::CMD_SELECT
            && statement.utilityStmt.is_null()
            && !statement.hasModifyingCTE
            && !statement.parallelModeNeeded
            && statement.rowMarks.is_null();
        let mut survey = Survey { readers, met: Vec::new() };
        only_reads
            && survey.passes_plan(statement.planTree)
            && survey.passes_plans(statement.subplans)
            && survey.explains(statement.invalItems)
    }
}

/// What has been seen of a statement.
struct Survey {
    readers: &'static [&'static str],
    /// The functions of ours that occur in it.
    met: Vec<Oid>,
}

impl Survey {
    /// # Safety
    /// A list of plans, some of them null perhaps.
    unsafe fn passes_plans(&mut self, plans: *mut List) -> bool {
        // SAFETY: the caller's.
        unsafe { PgList::<Plan>::from_pg(plans).iter_ptr().all(|plan| self.passes_plan(plan)) }
    }

    /// # Safety
    /// A plan, or null.
    unsafe fn passes_plan(&mut self, plan: *mut Plan) -> bool {
        if plan.is_null() {
            return true;
        }
        // SAFETY: the caller's.
        unsafe {
            pg_sys::check_stack_depth();
            let Some(parts) = nodes::parts(plan) else {
                return false;
            };
            self.passes_targets((*plan).targetlist)
                && self.passes((*plan).qual.cast())
                && self.passes((*plan).initPlan.cast())
                && parts.expressions.into_iter().all(|expression| self.passes(expression))
                && self.passes_plan((*plan).lefttree)
                && self.passes_plan((*plan).righttree)
                && self.passes_plan(parts.child)
                && self.passes_plans(parts.children)
        }
    }

    /// The columns that a node puts out. One that is merely passed through may be of any type: it is
    /// there because the scan below takes whole rows, and nothing is called for it.
    ///
    /// # Safety
    /// A list of `TargetEntry`.
    unsafe fn passes_targets(&mut self, targets: *mut List) -> bool {
        // SAFETY: the caller's.
        unsafe {
            PgList::<pg_sys::TargetEntry>::from_pg(targets).iter_ptr().all(|target| {
                let expression: *mut Node = (*target).expr.cast();
                (*expression).type_ == NodeTag::T_Var || self.passes(expression)
            })
        }
    }

    /// # Safety
    /// An expression, a list of them, or null.
    unsafe fn passes(&mut self, node: *mut Node) -> bool {
        // SAFETY: the caller's.
        unsafe { !harms(node, (&raw mut *self).cast()) }
    }

    /// Whether a node of an expression, apart from what is below it, is harmless.
    ///
    /// # Safety
    /// An expression.
    unsafe fn passes_expression(&mut self, node: *mut Node) -> bool {
        // SAFETY: the caller's.
        unsafe { self.passes_functions(node) && (self.returns_rows(node) || has_plain_type(node)) }
    }

    /// # Safety
    /// An expression.
    unsafe fn passes_functions(&mut self, node: *mut Node) -> bool {
        let survey = (&raw mut *self).cast();
        // SAFETY: the caller's. Nothing in the call has a destructor.
        unsafe { !pg_sys::check_functions_in_node(node, Some(calls_harm), survey) }
    }

    /// Whether the node calls one of our functions: those that return rows are of type record.
    ///
    /// # Safety
    /// An expression that was found to call harmless functions only.
    unsafe fn returns_rows(&self, node: *mut Node) -> bool {
        // SAFETY: the tag tells the type.
        unsafe {
            (*node).type_ == NodeTag::T_FuncExpr
                && self.met.contains(&(*node.cast::<pg_sys::FuncExpr>()).funcid)
        }
    }

    /// A function in FROM. With a list of column definitions it may convert to any type; without, a
    /// built-in one that returns records makes them of built-in types.
    ///
    /// # Safety
    /// A `RangeTblFunction`.
    unsafe fn passes_table_function(&mut self, node: *mut Node) -> bool {
        // SAFETY: the caller's.
        unsafe {
            let function = &*node.cast::<pg_sys::RangeTblFunction>();
            let call = function.funcexpr.cast::<pg_sys::FuncExpr>();
            let kind = pg_sys::exprType(function.funcexpr);
            if !function.funccoltypes.is_null()
                || kind.to_u32() >= pg_sys::FirstUnpinnedObjectId
                || kind == pg_sys::XMLOID
            {
                false
            } else if (*call).xpr.type_ == NodeTag::T_FuncExpr {
                self.passes_functions(call.cast()) && self.passes((*call).args.cast())
            } else {
                self.passes(call.cast())
            }
        }
    }

    fn passes_function(&mut self, function: Oid) -> bool {
        let number = function.to_u32();
        if number < pg_sys::FirstUnpinnedObjectId {
            // SAFETY: a look-up in the catalog.
            return match unsafe { pg_sys::func_volatile(function) } as u8 {
                pg_sys::PROVOLATILE_IMMUTABLE => !HARMFUL_IMMUTABLE.contains(&number),
                pg_sys::PROVOLATILE_STABLE => HARMLESS_STABLE.contains(&number),
                _ => HARMLESS_VOLATILE.contains(&number),
            };
        }
        let is_reader = self.met.contains(&function) || is_ours(function, self.readers);
        if is_reader {
            self.met.push(function);
        }
        is_reader
    }

    /// Whether all that the plan depends on (`PlannedStmt.invalItems`) is what was met in it. The
    /// planner lists every function that is not built in, also those whose bodies it has put into
    /// the plan, and every domain.
    ///
    /// # Safety
    /// A list of `PlanInvalItem`.
    unsafe fn explains(&self, items: *mut List) -> bool {
        let procedures = pg_sys::SysCacheIdentifier::PROCOID as i32;
        // SAFETY: the caller's; the hash is that of record_plan_function_dependency (setrefs.c).
        unsafe {
            PgList::<pg_sys::PlanInvalItem>::from_pg(items).iter_ptr().all(|item| {
                (*item).cacheId == procedures
                    && self.met.iter().any(|&function| {
                        let none = pg_sys::Datum::from(0);
                        let hash = pg_sys::GetSysCacheHashValue(
                            procedures,
                            function.into(),
                            none,
                            none,
                            none,
                        );
                        hash == (*item).hashValue
                    })
            })
        }
    }
}

/// The walker: whether an expression may do harm.
///
/// # Safety
/// `node` is an expression, a list of them, or null; `survey` is a [`Survey`].
#[pg_guard]
unsafe extern "C-unwind" fn harms(node: *mut Node, survey: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: the caller's; the walker is called behind a barrier, and owns nothing.
    unsafe {
        let seen = &mut *survey.cast::<Survey>();
        let passes = match (*node).type_ {
            NodeTag::T_List
            | NodeTag::T_TargetEntry
            | NodeTag::T_SortGroupClause
            | NodeTag::T_CaseWhen => true,
            NodeTag::T_RangeTblFunction => return !seen.passes_table_function(node),
            tag => is_known(tag) && seen.passes_expression(node),
        };
        !passes
            || pg_sys::ffi::pg_guard_ffi_boundary(|| {
                pg_sys::expression_tree_walker(node, Some(harms), survey)
            })
    }
}

/// Expressions that call nothing but the functions they name, all of which
/// `check_functions_in_node` (nodeFuncs.c) sees.
fn is_known(tag: NodeTag) -> bool {
    matches!(
        tag,
        NodeTag::T_Var
            | NodeTag::T_Const
            | NodeTag::T_Param
            | NodeTag::T_Aggref
            | NodeTag::T_GroupingFunc
            | NodeTag::T_WindowFunc
            | NodeTag::T_SubscriptingRef
            | NodeTag::T_FuncExpr
            | NodeTag::T_OpExpr
            | NodeTag::T_DistinctExpr
            | NodeTag::T_NullIfExpr
            | NodeTag::T_ScalarArrayOpExpr
            | NodeTag::T_BoolExpr
            | NodeTag::T_SubPlan
            | NodeTag::T_RelabelType
            | NodeTag::T_CoerceViaIO
            | NodeTag::T_ArrayCoerceExpr
            | NodeTag::T_CaseExpr
            | NodeTag::T_CaseTestExpr
            | NodeTag::T_ArrayExpr
            | NodeTag::T_RowCompareExpr
            | NodeTag::T_CoalesceExpr
            | NodeTag::T_MinMaxExpr
            | NodeTag::T_SQLValueFunction
            | NodeTag::T_NullTest
            | NodeTag::T_BooleanTest
    )
}

/// Whether an expression's type is a built-in base type. XML is not taken for one: its parser quotes
/// what it reads in notices.
///
/// # Safety
/// An expression.
unsafe fn has_plain_type(node: *mut Node) -> bool {
    // SAFETY: the caller's, and a look-up in the catalog.
    unsafe {
        let kind = pg_sys::exprType(node);
        kind.to_u32() < pg_sys::FirstUnpinnedObjectId
            && kind != pg_sys::XMLOID
            && pg_sys::get_typtype(kind) as u8 == pg_sys::TYPTYPE_BASE
    }
}

/// # Safety
/// `survey` is a [`Survey`].
#[pg_guard]
unsafe extern "C-unwind" fn calls_harm(function: Oid, survey: *mut c_void) -> bool {
    // SAFETY: the caller's.
    unsafe { !(*survey.cast::<Survey>()).passes_function(function) }
}

/// Whether a function belongs to this extension and is one of `readers`.
fn is_ours(function: Oid, readers: &[&str]) -> bool {
    // SAFETY: look-ups in the catalog; the name is a C string or null.
    unsafe {
        let name = pg_sys::get_func_name(function);
        !name.is_null()
            && CStr::from_ptr(name).to_str().is_ok_and(|name| readers.contains(&name))
            && pg_sys::getExtensionOfObject(pg_sys::ProcedureRelationId, function)
                == pg_sys::get_extension_oid(c"databunker".as_ptr(), false)
    }
}
