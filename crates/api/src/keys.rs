//! Annotations, labels and finalizers: every key that kfed reads or writes on an object.

/// Annotation of v1: a ReplicaSet's [preferences](crate::preferences::ReplicaPreferences).
pub const REPLICA_SET_PREFERENCES: &str = "federation.kubernetes.io/replica-set-preferences";
/// Annotation of v1: a Deployment's [preferences](crate::preferences::ReplicaPreferences).
pub const DEPLOYMENT_PREFERENCES: &str = "federation.kubernetes.io/deployment-preferences";
/// Annotation of v1: a Job's [preferences](crate::preferences::ReplicaPreferences).
pub const JOB_PREFERENCES: &str = "federation.kubernetes.io/job-preferences";
/// Annotation: the preferences of every other kind whose replicas are spread, in the same form.
pub const PREFERENCES: &str = "kfed.io/preferences";
/// Annotation of v1: what labels a member must have for the object to be sent there, as a JSON array of
/// [requirements](crate::policy::SelectorRequirement).
pub const CLUSTER_SELECTOR: &str = "federation.alpha.kubernetes.io/cluster-selector";
/// Annotation: where the object is, by member, as compact JSON: of a workload with its replicas; why, and what is wrong there.
/// Written by kfed.
pub const PLACEMENT: &str = "kfed.io/placement";
/// Annotation: kfed's conditions of an object whose kind has no conditions, as compact JSON. Written by kfed.
pub const CONDITIONS: &str = "kfed.io/conditions";
/// Annotation: what is different in some members, as JSON [patches](crate::overrides).
pub const OVERRIDES: &str = "kfed.io/overrides";
/// Annotation of a Service: the TTL of its DNS records, in seconds.
pub const DNS_TTL: &str = "kfed.io/dns-ttl";
/// Annotation of a Service or a workload: a whole number. What has a higher one comes first where not all can: DNS writes after a
/// failover, evictions from a dead member.
pub const PRIORITY: &str = "kfed.io/priority";
/// Annotation of a Service: how its addresses are probed, as JSON.
pub const HEALTH_CHECK: &str = "kfed.io/health-check";
/// Annotation of a Service: names of its own choice in the zone, joined by commas.
pub const HOSTNAME: &str = "kfed.io/hostname";
/// Annotation of a Service: `"true"` or `"false"`, whether it is to be found by name where its type alone does not settle it.
pub const PUBLISH: &str = "kfed.io/publish";
/// Annotation of a Service that is found by name: its addresses in the members, and how they answer, as compact JSON. Written by kfed:
/// with the Clusters and the zone it tells all that the Service's names depend on.
pub const ADDRESSES: &str = "kfed.io/addresses";
/// Annotation: the object was deleted with `propagationPolicy=Orphan`. Written by kfed, since garbage collectors take their
/// own mark of it away at once.
pub const ORPHAN: &str = "kfed.io/orphan";
/// Annotation: `"true"` lets kfed take over objects of that name which it did not make in the members.
pub const ADOPT: &str = "kfed.io/adopt";

/// Annotation of the Federation: the hash of a held-back plan that may pass.
pub const APPROVED: &str = "kfed.io/approved";

/// Annotation of the Federation: `"true"` lets replicas be planned elsewhere although most members look dead.
pub const APPROVED_MASS_FAILOVER: &str = "kfed.io/approved-mass-failover";
/// Annotation of the Federation: when the approvals beside it were given (RFC 3339). They hold for an hour.
pub const APPROVED_AT: &str = "kfed.io/approved-at";

/// Label of every object that kfed makes in a member; the value is the federation's name.
pub const MANAGED_BY: &str = "kfed.io/managed-by";

/// Label of a Secret with the credentials of a member: it goes with that member.
pub const MEMBER: &str = "kfed.io/member";

/// Finalizer of a federated object: members' copies and DNS records go before it does. The Federation has it too: its names go
/// before it does.
pub const CASCADE_FINALIZER: &str = "kfed.io/cascade";
/// Finalizer of a Cluster: its credentials and DNS addresses go before it does.
pub const MEMBERSHIP_FINALIZER: &str = "kfed.io/membership";

/// Finalizer of a FederatedKind: no object of the kind is held by kfed any more before it goes.
pub const KIND_FINALIZER: &str = "kfed.io/kind";

/// Key, in a member's Secret, of the kubeconfig that reaches it.
pub const SECRET_KUBECONFIG: &str = "kubeconfig";
