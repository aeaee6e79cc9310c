//! JSON patch (RFC 6902) as a Kubernetes API server understands it.

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde_json::Value;

use super::PatchError;

/// The API server's whole answer to an operation that cannot be done; it does not say which.
const REJECTED: &str = "the server rejected our request due to an error in our request";

/// The target after all operations.
///
/// Two rules differ from RFC 6902: `test` for null passes on a member that is not there (clients add their first finalizer so), and
/// `replace` of a member that is not there adds it.
///
/// # Errors
/// `BadRequest` when the patch is no list of operations, `Invalid` when an operation fails.
pub(crate) fn json_patch(target: &Value, ops: &Value) -> Result<Value, PatchError> {
    let Value::Array(ops) = ops else {
        return Err(PatchError::BadRequest("a JSON patch is a list of operations".to_owned()));
    };
    let mut result = target.clone();
    for (index, op) in ops.iter().enumerate() {
        let op: PatchOperation = serde_json::from_value(op.clone())
            .map_err(|cause| PatchError::BadRequest(format!("operation {index} of the JSON patch: {cause}")))?;
        apply_one(&mut result, op)?;
    }
    Ok(result)
}

fn apply_one(target: &mut Value, op: PatchOperation) -> Result<(), PatchError> {
    let op = match op {
        PatchOperation::Test(test) if test.value.is_null() && is_missing_member(target, &test.path) => return Ok(()),
        PatchOperation::Replace(replace) if is_missing_member(target, &replace.path) => {
            PatchOperation::Add(json_patch::AddOperation { path: replace.path, value: replace.value })
        }
        other => other,
    };
    json_patch::patch(target, &[op]).map_err(|_| PatchError::Invalid(REJECTED.to_owned()))
}

/// The parent is an object that has no such member.
fn is_missing_member(target: &Value, path: &Pointer) -> bool {
    let Some((parent, last)) = path.split_back() else { return false };
    match parent.resolve(target) {
        Ok(Value::Object(members)) => !members.contains_key(last.decoded().as_ref()),
        _ => false,
    }
}
