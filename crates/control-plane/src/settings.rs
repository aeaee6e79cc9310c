//! How fast, how patient, how cautious: every number that an operator may want to change.

use std::sync::Arc;
use std::time::Duration;

use kfed_cluster_health::{Damping, ProbeSchedule, Thresholds};
use kfed_dnsprovider::DnsName;
use kfed_replica_scheduler::Scheduler;
use kfed_service_dns::Fallback;

/// What a control plane is told when it starts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The federation's name: part of every DNS name, owner of every record, label of every object in a member.
    pub federation: String,
    /// The zone, and the suffix of every name.
    pub zone: DnsName,
    /// How members and addresses are probed.
    pub schedule: ProbeSchedule,
    /// How many failures make a member `Offline`, how many answers bring it back.
    pub thresholds: Thresholds,
    /// The longest that a call to a member or to the federation API may take.
    pub deadline: Duration,
    /// How long a member must be dead by both signals before its replicas are planned elsewhere.
    pub evict_after: Duration,
    /// How many workloads a minute are planned elsewhere for each dead member; 0 for all at once.
    pub evict_rate: u32,
    /// How long a member whose addresses still answer may be `Offline` before its replicas are planned elsewhere all the same;
    /// none for never.
    pub evict_api_only_after: Option<Duration>,
    /// How long what has died must be well again before replicas are moved and names are written for it: a member, an address,
    /// the endpoints of a Service in a member. Doubles for what dies again soon.
    pub return_after: Duration,
    /// How long the addresses of a member stay in answers after it has become `Offline`.
    pub dns_hold: Duration,
    /// How long names stay when members are well and simply have no ready endpoint.
    pub dns_empty_hold: Duration,
    /// How often the zone is read as a whole although nothing asks for it.
    pub dns_sweep: Duration,
    /// The TTL of records without an annotation that says otherwise, in seconds.
    pub dns_ttl: u32,
    /// How often every object is looked at although nothing has happened.
    pub resync: Duration,
    /// How many objects are worked on at once.
    pub workers: usize,
    /// What a name answers that has no healthy address of its own.
    pub dns_fallback: Fallback,
    /// What spreads replicas: policies alone, unless it has filters and scorers of the caller's own.
    pub scheduler: Arc<Scheduler>,
}

// === impl Settings ===

impl Settings {
    /// The defaults, for federation `federation` whose names end in `zone`.
    pub fn new(federation: impl Into<String>, zone: DnsName) -> Self {
        Self {
            federation: federation.into(),
            zone,
            schedule: ProbeSchedule::default(),
            thresholds: Thresholds::default(),
            deadline: Duration::from_secs(10),
            evict_after: Duration::from_secs(60),
            evict_rate: 60,
            evict_api_only_after: None,
            return_after: Damping::default().stable,
            dns_hold: Duration::ZERO,
            dns_empty_hold: Duration::from_secs(300),
            dns_sweep: Duration::from_secs(600),
            dns_ttl: 30,
            resync: Duration::from_secs(300),
            workers: 16,
            dns_fallback: Fallback::Addresses,
            scheduler: Arc::default(),
        }
    }
}
