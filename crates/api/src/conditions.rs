//! Condition types and reasons, so that no string of either is written twice.

/// Types of conditions.
pub mod types {
    /// Of a Cluster (v1): its API answers and says that it is well.
    pub const READY: &str = "Ready";
    /// Of a Cluster (v1): its API did not answer, several times in a row.
    pub const OFFLINE: &str = "Offline";
    /// Of a Cluster: it is being emptied so that it can leave.
    pub const DRAINING: &str = "Draining";
    /// Of a Cluster: it has died and is back, and counts again only when it has been well for a while.
    pub const QUARANTINED: &str = "Quarantined";
    /// Of a Cluster: its clock and kfed's differ, so that certificates, tokens and leases may not hold where they should.
    pub const CLOCK_SKEWED: &str = "ClockSkewed";
    /// Of a Cluster: its Kubernetes version is further from the federation API's than their kinds and fields can be trusted to match.
    pub const VERSION_SKEWED: &str = "VersionSkewed";
    /// Of a Cluster: its API server does not let kfed list, or watch, some kinds; nothing is written of those.
    pub const KINDS_FORBIDDEN: &str = "KindsForbidden";
    /// Of a workload: every replica has found a member.
    pub const SCHEDULED: &str = "Scheduled";
    /// Of any federated object: every member it belongs in holds it as it should be.
    pub const PROPAGATED: &str = "Propagated";
    /// Of a Service: its DNS records are as they should be.
    pub const PUBLISHED: &str = "Published";
    /// Of a FederatedKind: objects of the kind are federated.
    pub const FEDERATED: &str = "Federated";
    /// Of the Federation: the control plane runs, and its DNS zone can be read and written.
    pub const DNS_READY: &str = "DNSReady";
    /// Of the Federation: so many members are dead that kfed suspects its own network, and evicts nothing.
    pub const MASS_FAILURE: &str = "MassFailure";
    /// Of the Federation: many names would go for no reason that the API shows; they stay until somebody approves.
    pub const DNS_DELETIONS_HELD: &str = "DNSDeletionsHeld";
}

/// Reasons of conditions and events, in CamelCase as the API conventions ask.
pub mod reasons {
    /// v1: the member's API answered that it is well.
    pub const CLUSTER_READY: &str = "ClusterReady";
    /// The member has answered lately; it is not offline.
    pub const CLUSTER_REACHABLE: &str = "ClusterReachable";
    /// The member's credentials are missing or unusable.
    pub const CREDENTIALS_INVALID: &str = "CredentialsInvalid";
    /// The cluster has joined under another name before.
    pub const SAME_CLUSTER: &str = "SameCluster";
    /// Nothing is known yet.
    pub const PENDING: &str = "Pending";

    /// All replicas have a place.
    pub const PLACED: &str = "Placed";
    /// Some replicas find no member that may take them.
    pub const NO_ROOM: &str = "NoRoom";
    /// An annotation of the object cannot be read; what held before still holds.
    pub const INVALID_PREFERENCES: &str = "InvalidPreferences";

    /// No member is where the object may be.
    pub const NO_MEMBER: &str = "NoMember";
    /// Annotation `kfed.io/overrides` cannot be read, or does not fit the object; what the members hold stays.
    pub const INVALID_OVERRIDES: &str = "InvalidOverrides";
    /// A member's API server does not know the kind.
    pub const KIND_NOT_SERVED: &str = "KindNotServed";
    /// A member's API server does not let kfed list the kind, or watch it.
    pub const KIND_FORBIDDEN: &str = "KindForbidden";
    /// A member's API server lets kfed list and watch every kind.
    pub const KINDS_PERMITTED: &str = "KindsPermitted";
    /// The object has come to its end: no member is given it any more.
    pub const FINISHED: &str = "Finished";

    /// The kind is federated.
    pub const ACCEPTED: &str = "Accepted";
    /// An entry says what cannot be.
    pub const INVALID_ENTRY: &str = "InvalidEntry";
    /// The kind is federated already: built in, or by another entry.
    pub const ALREADY_FEDERATED: &str = "AlreadyFederated";
    /// The kind's copies are being let go.
    pub const ENDING: &str = "Ending";

    /// Every member holds the object as it should be.
    pub const IN_SYNC: &str = "InSync";
    /// A member refused the object.
    pub const MEMBER_REFUSED: &str = "MemberRefused";
    /// A member holds an object of this name that kfed did not make.
    pub const NOT_ADOPTED: &str = "NotAdopted";
    /// A member did not answer.
    pub const MEMBER_UNREACHABLE: &str = "MemberUnreachable";

    /// The records are in the zone.
    pub const RECORDS_CURRENT: &str = "RecordsCurrent";
    /// No member serves the service; its names are not in the zone.
    pub const NO_HEALTHY_ADDRESS: &str = "NoHealthyAddress";
    /// No member serves the service any more; the last addresses stay.
    pub const LAST_TARGET_KEPT: &str = "LastTargetKept";
    /// Somebody else owns a record of this name.
    pub const FOREIGN_RECORD: &str = "ForeignRecord";
    /// An annotation of the object cannot be read; nothing is done for it.
    pub const INVALID_ANNOTATION: &str = "InvalidAnnotation";
    /// A name of the service breaks a limit of DNS.
    pub const INVALID_NAME: &str = "InvalidName";
    /// A member publishes an address that nobody can be sent to.
    pub const ADDRESS_REFUSED: &str = "AddressRefused";
    /// More names would go than any cause in the API explains.
    pub const MASS_CHANGE: &str = "MassChange";
    /// More than half of the members dead at once is rather a fault near kfed.
    pub const OWN_NETWORK: &str = "OwnNetworkSuspected";
    /// There is no mass failure.
    pub const MOST_MEMBERS_LIVE: &str = "MostMembersLive";
    /// Nothing waits for approval.
    pub const NOTHING_HELD: &str = "NothingHeld";
    /// The DNS provider refused or did not answer.
    pub const PROVIDER_FAILED: &str = "ProviderFailed";
    /// The Federation has been deleted: nothing is published any more.
    pub const FEDERATION_DELETED: &str = "FederationDeleted";

    /// Somebody has approved what a mass failure holds back.
    pub const MASS_FAILOVER_APPROVED: &str = "MassFailoverApproved";

    /// The member was dead a short while ago.
    pub const RETURNING: &str = "Returning";
    /// The member has died several times in a short while.
    pub const FLAPPING: &str = "Flapping";
    /// The member has been well for long enough.
    pub const STABLE: &str = "Stable";
    /// The member's clock and kfed's differ.
    pub const CLOCKS_DIFFER: &str = "ClocksDiffer";
    /// The member's clock and kfed's say the same.
    pub const CLOCKS_AGREE: &str = "ClocksAgree";
    /// The member's version is far from the federation API's.
    pub const VERSIONS_DIFFER: &str = "VersionsDiffer";
    /// The member's version is near the federation API's.
    pub const VERSIONS_MATCH: &str = "VersionsMatch";

    /// The member is being emptied.
    pub const DRAIN_IN_PROGRESS: &str = "DrainInProgress";
    /// The member is empty of what kfed made.
    pub const DRAINED: &str = "Drained";
    /// The member leaves, and keeps something that kfed made.
    pub const LEFT_BEHIND: &str = "LeftBehind";
    /// A namespace of a member stays, because others keep something in it.
    pub const NAMESPACE_LEFT_TO_OTHERS: &str = "NamespaceLeftToOthers";
}
