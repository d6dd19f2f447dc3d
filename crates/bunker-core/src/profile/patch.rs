//! Changing a profile with a patch: RFC 7396 merge patch or RFC 6902 JSON Patch.

use std::{error::Error, fmt};

use json_patch::{PatchOperation, jsonptr};
use serde::Deserialize as _;
use serde_json::Value;

use super::{
    ProfileError,
    equality::same_json,
    has_reserved_name,
    limits::{Limits, depth, size_within},
    parse_json,
};

/// How much a JSON Patch may write in all, as a multiple of [`Limits::max_bytes`].
///
/// Copies can double a document with every operation. This bounds the memory and the time they
/// take, while what is copied and removed again still fits.
const MAX_GROWTH: usize = 4;

/// The levels that a JSON Patch puts around a value: the array and the operation.
const PATCH_LEVELS: usize = 2;

/// Why a patch was refused. Operations are named by index, from 0; paths and values are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// The patch is neither an object nor an array.
    NotAPatch,
    /// The operation at this index is malformed (RFC 6902, sections 3 and 4).
    BadOperation(usize),
    /// The operation at this index cannot be applied: its place is not there, or is inside itself.
    PathNotFound(usize),
    /// The `test` operation at this index found another value.
    TestFailed(usize),
    /// The patch has more operations than [`Limits::max_patch_ops`].
    TooManyOperations,
    /// The result is not a JSON object.
    NotAnObject,
    /// A path of the patch made a member with the one name that the JSON reader keeps for itself.
    ReservedName,
    /// The result, or a step on the way to it, is too big.
    TooBig,
    /// The result, or a step on the way to it, is nested too deeply.
    TooDeep,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPatch => f.write_str("patch is neither an object nor an array"),
            Self::BadOperation(index) => write!(f, "patch operation {index} is malformed"),
            Self::PathNotFound(index) => write!(f, "patch operation {index} cannot be applied"),
            Self::TestFailed(index) => write!(f, "patch operation {index} failed its test"),
            Self::TooManyOperations => f.write_str("patch has too many operations"),
            Self::NotAnObject => f.write_str("patched profile is not a JSON object"),
            Self::ReservedName => f.write_str("patched profile has a member with a reserved name"),
            Self::TooBig => f.write_str("patched profile is too big"),
            Self::TooDeep => f.write_str("patched profile is nested too deeply"),
        }
    }
}

impl Error for PatchError {}

/// Reads a patch, allowing for the levels that a JSON Patch adds around its values.
///
/// # Errors
///
/// As [`parse_json`].
pub fn parse_patch(text: &str, limits: &Limits) -> Result<Value, ProfileError> {
    let max_depth = limits.max_depth.saturating_add(PATCH_LEVELS);
    parse_json(text, &Limits { max_depth, ..*limits })
}

/// Whether a patch asks what a value is: by the `test` operation of RFC 6902, section 4.6.
#[must_use]
pub fn tests_values(patch: &Value) -> bool {
    let is_test = |operation: &Value| operation.get("op").is_some_and(|op| op == "test");
    patch.as_array().is_some_and(|operations| operations.iter().any(is_test))
}

/// The profile with `patch` applied to it; `profile` itself is left as it is.
///
/// An object is an RFC 7396 merge patch and an array an RFC 6902 JSON Patch, which is applied as a
/// whole or not at all. Both documents must have come through [`parse_json`] or
/// [`parse_patch`]. The result's size is that of its text without white space.
///
/// # Errors
///
/// Any [`PatchError`].
pub fn apply(profile: &Value, patch: &Value, limits: &Limits) -> Result<Value, PatchError> {
    let mut patched = profile.clone();
    match patch {
        Value::Object(_) => json_patch::merge(&mut patched, patch),
        Value::Array(operations) => apply_all(&mut patched, operations, limits)?,
        _ => return Err(PatchError::NotAPatch),
    }
    check_result(&patched, limits)?;
    Ok(patched)
}

fn check_result(patched: &Value, limits: &Limits) -> Result<(), PatchError> {
    if !patched.is_object() {
        return Err(PatchError::NotAnObject);
    }
    if depth(patched) > limits.max_depth {
        return Err(PatchError::TooDeep);
    }
    // Reading the patch refuses such a member, but not a path that makes one.
    if has_reserved_name(patched) {
        return Err(PatchError::ReservedName);
    }
    size_within(patched, limits.max_bytes).map(drop).ok_or(PatchError::TooBig)
}

fn apply_all(
    document: &mut Value,
    operations: &[Value],
    limits: &Limits,
) -> Result<(), PatchError> {
    if operations.len() > limits.max_patch_ops {
        return Err(PatchError::TooManyOperations);
    }
    let mut room = Room { bytes: limits.max_bytes.saturating_mul(MAX_GROWTH), limits };
    for (index, operation) in operations.iter().enumerate() {
        let operation =
            PatchOperation::deserialize(operation).map_err(|_| PatchError::BadOperation(index))?;
        room.take(document, &operation, index)?;
        apply_one(document, &operation, index)?;
    }
    Ok(())
}

/// Applies one operation. `test` is ours, since `json-patch` compares numbers by their spelling.
fn apply_one(
    document: &mut Value,
    operation: &PatchOperation,
    index: usize,
) -> Result<(), PatchError> {
    let PatchOperation::Test(test) = operation else {
        return json_patch::patch_unsafe(document, std::slice::from_ref(operation))
            .map_err(|_| PatchError::PathNotFound(index));
    };
    let found = find(document, &test.path, index)?;
    if same_json(found, &test.value) { Ok(()) } else { Err(PatchError::TestFailed(index)) }
}

fn find<'a>(
    document: &'a Value,
    path: &jsonptr::Pointer,
    index: usize,
) -> Result<&'a Value, PatchError> {
    document.pointer(path.as_str()).ok_or(PatchError::PathNotFound(index))
}

/// What a JSON Patch may still write.
struct Room<'a> {
    bytes: usize,
    limits: &'a Limits,
}

impl Room<'_> {
    /// Makes sure, before `operation` is applied, that what it writes fits.
    fn take(
        &mut self,
        document: &Value,
        operation: &PatchOperation,
        index: usize,
    ) -> Result<(), PatchError> {
        match operation {
            PatchOperation::Add(add) => self.take_value(&add.value, &add.path),
            PatchOperation::Replace(replace) => self.take_value(&replace.value, &replace.path),
            PatchOperation::Copy(copy) => {
                self.take_value(find(document, &copy.from, index)?, &copy.path)
            }
            PatchOperation::Move(moved) => {
                self.take_depth(find(document, &moved.from, index)?, &moved.path)
            }
            PatchOperation::Remove(_) | PatchOperation::Test(_) => Ok(()),
        }
    }

    fn take_value(&mut self, value: &Value, path: &jsonptr::Pointer) -> Result<(), PatchError> {
        self.take_depth(value, path)?;
        let size = size_within(value, self.bytes).ok_or(PatchError::TooBig)?;
        self.bytes -= size;
        Ok(())
    }

    /// A value lies as deep as its path has tokens.
    fn take_depth(&self, value: &Value, path: &jsonptr::Pointer) -> Result<(), PatchError> {
        if path.count() + depth(value) > self.limits.max_depth {
            return Err(PatchError::TooDeep);
        }
        Ok(())
    }
}
