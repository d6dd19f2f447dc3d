//! What the nodes of a plan are made of (nodes/plannodes.h).

use std::ptr::null_mut;

use pgrx::pg_sys::{self, List, Node, NodeTag, Plan};

/// What a plan node has beyond the common fields of `Plan`.
pub struct Parts {
    /// Its own expressions and lists of them, some of them null perhaps.
    pub expressions: Vec<*mut Node>,
    /// A plan below it that is neither its left nor its right one, or null.
    pub child: *mut Plan,
    /// A list of such plans.
    pub children: *mut List,
}

impl Parts {
    fn nodes<const N: usize>(nodes: [*mut Node; N]) -> Self {
        Self { expressions: nodes.to_vec(), child: null_mut(), children: null_mut() }
    }

    fn lists<const N: usize>(lists: [*mut List; N]) -> Self {
        Self::nodes(lists.map(<*mut List>::cast))
    }

    fn child(child: *mut Plan) -> Self {
        Self { child, ..Self::nodes([]) }
    }

    fn children(children: *mut List) -> Self {
        Self { children, ..Self::nodes([]) }
    }
}

/// The parts of a plan node, or nothing where the node is of a kind that is not known to be
/// harmless: it writes, locks rows, runs in other processes or is somebody's extension.
///
/// # Safety
/// `plan` is a node of a plan.
pub unsafe fn parts(plan: *mut Plan) -> Option<Parts> {
    // SAFETY: the caller's.
    unsafe { scan(plan).or_else(|| join(plan)).or_else(|| branches(plan)).or_else(|| other(plan)) }
}

/// A reference to `$plan` as the struct that its tag says it is.
macro_rules! the {
    ($kind:ident, $plan:expr) => {
        &*$plan.cast::<pg_sys::$kind>()
    };
}

/// # Safety
/// As for [`parts`].
unsafe fn scan(plan: *mut Plan) -> Option<Parts> {
    // SAFETY: the tag tells the type.
    let parts = unsafe {
        match (*plan).type_ {
            NodeTag::T_SeqScan | NodeTag::T_CteScan | NodeTag::T_WorkTableScan => Parts::nodes([]),
            NodeTag::T_IndexScan => {
                let scan = the!(IndexScan, plan);
                let (index, order) = (scan.indexqual, scan.indexorderby);
                Parts::lists([index, scan.indexqualorig, order, scan.indexorderbyorig])
            }
            NodeTag::T_IndexOnlyScan => {
                let scan = the!(IndexOnlyScan, plan);
                Parts::lists([scan.indexqual, scan.recheckqual, scan.indexorderby])
            }
            NodeTag::T_BitmapIndexScan => {
                let scan = the!(BitmapIndexScan, plan);
                Parts::lists([scan.indexqual, scan.indexqualorig])
            }
            NodeTag::T_BitmapHeapScan => {
                Parts::lists([(the!(BitmapHeapScan, plan)).bitmapqualorig])
            }
            NodeTag::T_TidScan => Parts::lists([(the!(TidScan, plan)).tidquals]),
            NodeTag::T_TidRangeScan => Parts::lists([(the!(TidRangeScan, plan)).tidrangequals]),
            NodeTag::T_ValuesScan => Parts::lists([(the!(ValuesScan, plan)).values_lists]),
            NodeTag::T_FunctionScan => Parts::lists([(the!(FunctionScan, plan)).functions]),
            NodeTag::T_SubqueryScan => Parts::child((the!(SubqueryScan, plan)).subplan),
            _ => return None,
        }
    };
    Some(parts)
}

/// # Safety
/// As for [`parts`].
unsafe fn join(plan: *mut Plan) -> Option<Parts> {
    // SAFETY: the tag tells the type.
    let parts = unsafe {
        match (*plan).type_ {
            NodeTag::T_NestLoop => Parts::lists([(the!(NestLoop, plan)).join.joinqual]),
            NodeTag::T_MergeJoin => {
                let join = the!(MergeJoin, plan);
                Parts::lists([join.join.joinqual, join.mergeclauses])
            }
            NodeTag::T_HashJoin => {
                let join = the!(HashJoin, plan);
                Parts::lists([join.join.joinqual, join.hashclauses, join.hashkeys])
            }
            NodeTag::T_Hash => Parts::lists([(the!(Hash, plan)).hashkeys]),
            NodeTag::T_Memoize => Parts::lists([(the!(Memoize, plan)).param_exprs]),
            _ => return None,
        }
    };
    Some(parts)
}

/// # Safety
/// As for [`parts`].
unsafe fn branches(plan: *mut Plan) -> Option<Parts> {
    /// Whether the node chooses partitions at run time, by expressions of their own.
    macro_rules! prunes {
        ($append:expr) => {{
            #[cfg(not(feature = "pg18"))]
            let prunes = !($append).part_prune_info.is_null();
            #[cfg(feature = "pg18")]
            let prunes = ($append).part_prune_index >= 0;
            prunes
        }};
    }
    // SAFETY: the tag tells the type.
    let parts = unsafe {
        match (*plan).type_ {
            NodeTag::T_Append if prunes!(the!(Append, plan)) => return None,
            NodeTag::T_MergeAppend if prunes!(the!(MergeAppend, plan)) => return None,
            NodeTag::T_Append => Parts::children((the!(Append, plan)).appendplans),
            NodeTag::T_MergeAppend => Parts::children((the!(MergeAppend, plan)).mergeplans),
            NodeTag::T_BitmapAnd => Parts::children((the!(BitmapAnd, plan)).bitmapplans),
            NodeTag::T_BitmapOr => Parts::children((the!(BitmapOr, plan)).bitmapplans),
            NodeTag::T_RecursiveUnion => Parts::nodes([]),
            _ => return None,
        }
    };
    Some(parts)
}

/// # Safety
/// As for [`parts`].
unsafe fn other(plan: *mut Plan) -> Option<Parts> {
    // SAFETY: the tag tells the type.
    let parts = unsafe {
        match (*plan).type_ {
            NodeTag::T_ProjectSet
            | NodeTag::T_Material
            | NodeTag::T_Sort
            | NodeTag::T_IncrementalSort
            | NodeTag::T_Group
            | NodeTag::T_Agg
            | NodeTag::T_Unique
            | NodeTag::T_SetOp => Parts::nodes([]),
            NodeTag::T_Result => Parts::nodes([(the!(Result, plan)).resconstantqual]),
            NodeTag::T_Limit => {
                let limit = the!(Limit, plan);
                Parts::nodes([limit.limitOffset, limit.limitCount])
            }
            NodeTag::T_WindowAgg => {
                let window = the!(WindowAgg, plan);
                let [now, before] = [window.runCondition, window.runConditionOrig];
                Parts::nodes([window.startOffset, window.endOffset, now.cast(), before.cast()])
            }
            _ => return None,
        }
    };
    Some(parts)
}
