//! Which members an object belongs in: those that its own cluster selector and that of its namespace let it go to.

use kfed_api::keys;
use kfed_api::policy::{Finding, InvalidPolicy, PlacementPolicy, SelectorRequirement, Severity, parse_selector};
use kube::core::DynamicObject;

use crate::object::annotation;
use crate::world::{MemberView, ObjectView};

/// What the labels of a member must be for the object in `view` to go there: all of these. Else what is wrong with an annotation.
pub(super) fn selector(view: &ObjectView) -> Result<Vec<SelectorRequirement>, String> {
    selector_of(&view.key.namespace, view.federated.as_deref(), view.namespace.as_deref())
}

/// The same of an object in `namespace`, which is called `name`.
pub(crate) fn selector_of(
    name: &str,
    object: Option<&DynamicObject>,
    namespace: Option<&DynamicObject>,
) -> Result<Vec<SelectorRequirement>, String> {
    let mut selector = object.map(of).transpose()?.unwrap_or_default();
    if let Some(namespace) = namespace {
        selector.extend(of(namespace).map_err(|mistake| format!("namespace {name}: {mistake}"))?);
    }
    Ok(selector)
}

/// Whether `member` is one of those.
pub(super) fn is_selected(selector: &[SelectorRequirement], member: &MemberView) -> bool {
    selector.iter().all(|requirement| requirement.matches(&member.attributes.labels))
}

/// What of it the labels of `member` are not; none where it is one of those.
pub(super) fn unmet(selector: &[SelectorRequirement], member: &MemberView) -> Option<String> {
    let unmet = selector.iter().find(|requirement| !requirement.matches(&member.attributes.labels));
    unmet.map(|requirement| format!("its labels are not {requirement}"))
}

/// The first error of `policy`, which stands in `annotation`.
pub(super) fn fail_on_errors(annotation: &str, policy: &PlacementPolicy) -> Result<(), String> {
    let error = policy.check(None).into_iter().find(|finding| finding.severity == Severity::Error);
    error.map_or(Ok(()), |Finding { path, message, remedy, .. }| {
        Err(format!("annotation {annotation}: {path}: {message}; {remedy}"))
    })
}

fn of(object: &DynamicObject) -> Result<Vec<SelectorRequirement>, String> {
    let Some(json) = annotation(object, keys::CLUSTER_SELECTOR).filter(|json| !json.is_empty()) else {
        return Ok(Vec::new());
    };
    let in_annotation = |mistake: InvalidPolicy| format!("annotation {}: {mistake}", keys::CLUSTER_SELECTOR);
    let selector = parse_selector(json).map_err(in_annotation)?;
    let alone = PlacementPolicy { cluster_selector: selector.clone(), ..PlacementPolicy::default() };
    fail_on_errors(keys::CLUSTER_SELECTOR, &alone)?;
    Ok(selector)
}
