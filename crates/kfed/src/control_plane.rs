//! The control plane of one federation, from a client of its API and the names of what is to be published where.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use kfed_api::FederationSpec;
use kfed_cluster_health::{ProbeSchedule, Thresholds};
use kfed_control_plane::bootstrap::bootstrap;
use kfed_control_plane::{ControlPlane, LeaderElection, Settings, leader};
use kfed_dnsprovider::DnsName;
use kfed_service_dns::Fallback;
use kube::Client;

use crate::clock::{self, Clock};
use crate::error::Error;
use crate::kubeconfig::DEADLINE;
use crate::{duration, providers};

/// Which federation, and where its names are published.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Federation {
    /// The federation's name: a part of every DNS name, and the owner of every record
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub(crate) federation_name: String,
    /// The DNS provider: azure-azuredns, or memory to try things out
    #[arg(long, value_name = "NAME", default_value = providers::AZURE)]
    pub(crate) dns_provider: String,
    /// The provider's configuration, a file in the form of dns.conf; for memory, `registry = txt` in it marks records as elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) dns_provider_config: Option<PathBuf>,
    /// The zone that services are published in; every name ends in it
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub(crate) dns_zone_name: DnsName,
    /// What a name answers that has no healthy address of its own: those of the next level up, or a CNAME to it as in Federation v1
    #[arg(long, value_name = "HOW", value_parser = Fallback::from_str, default_value = "addresses")]
    pub(crate) dns_fallback: Fallback,
}

/// How fast and how patient.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Timings {
    /// How often each member's API and addresses are probed
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse_positive)]
    pub(crate) probe_period: Duration,
    /// The longest that one probe may take; never longer than the period
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration::parse_positive)]
    pub(crate) probe_deadline: Duration,
    /// Failures in a row that make a member Offline
    #[arg(long, value_name = "N", default_value_t = Thresholds::default().failures, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) failure_threshold: u32,
    /// Answers in a row that bring a member back
    #[arg(long, value_name = "N", default_value_t = Thresholds::default().successes, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) success_threshold: u32,
    /// How long after Offline a dead member's replicas are started elsewhere
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub(crate) evict_after: Duration,
    /// How long the names of a service stay while members are well and it has no ready endpoint
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(crate) dns_empty_hold: Duration,
    /// TTL of records, in seconds, where no annotation kfed.io/dns-ttl says otherwise
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
    pub(crate) dns_ttl: u32,
    /// How often the zone is read as a whole although nothing asks for it
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse_positive)]
    pub(crate) dns_sweep: Duration,
    /// How often every object is looked at although nothing has happened
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse_positive)]
    pub(crate) resync: Duration,
    /// How many workloads a minute are started elsewhere for each dead member; 0 for all at once
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) evict_rate: u32,
    /// How long after Offline the replicas of a member whose addresses still answer are started elsewhere [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) evict_api_only_after: Option<Duration>,
    /// How long what was dead must be well before it gets replicas and DNS names again; doubles, up to 5m, for what dies again soon
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(crate) return_after: Duration,
    /// How long the addresses of a dead member stay in DNS after Offline
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) dns_hold: Duration,
}

/// Who of several control planes writes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Election {
    /// Write only while holding Lease federation-system/kfed-controller-manager, so that several control planes may run. Without it
    /// there must be one
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true",
        action = clap::ArgAction::Set)]
    pub(crate) leader_elect: bool,
    /// How long the lease lasts after it was last renewed: as soon as that is over another control plane takes it
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::parse_positive)]
    pub(crate) leader_elect_lease_duration: Duration,
    /// How long the leader tries to renew the lease before its controllers stop
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse_positive)]
    pub(crate) leader_elect_renew_deadline: Duration,
    /// How often the leader renews the lease, and how often the others look at it
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse_positive)]
    pub(crate) leader_elect_retry_period: Duration,
}

/// A control plane that is ready to run. What it needs of the federation API is there when this returns, and its zone has been
/// found; when it fails, nothing was written.
pub(crate) async fn prepare(
    client: Client,
    federation: &Federation,
    timings: &Timings,
    election: &Election,
    clock: Clock,
) -> Result<ControlPlane, Error> {
    let election = election.enters()?;
    let zone = &federation.dns_zone_name;
    let config = federation.dns_provider_config.as_deref();
    let (dns, _) = providers::connect(&federation.dns_provider, config, zone, &clock).await?;
    let spec =
        FederationSpec { dns_zone_name: zone.without_dot().to_owned(), dns_provider: federation.dns_provider.clone() };
    let made = bootstrap(&client, &federation.federation_name, spec, DEADLINE).await;
    made.map_err(|source| Error::FederationApi { source })?;
    let settings = timings.settings(federation, clock::seed()?);
    if election.is_some() {
        leader::check(&client, DEADLINE).await?;
    }
    let control_plane = ControlPlane::builder(client, settings, dns, clock);
    Ok(match election {
        Some(election) => control_plane.leader_election(election).build(),
        None => control_plane.build(),
    })
}

// === impl Election ===

impl Default for Election {
    fn default() -> Self {
        let election = LeaderElection::new("");
        Self {
            leader_elect: true,
            leader_elect_lease_duration: election.lease_duration(),
            leader_elect_renew_deadline: election.renew_deadline(),
            leader_elect_retry_period: election.retry_period(),
        }
    }
}

impl Election {
    /// The election, entered by a name that no other control plane has; none where none is held.
    fn enters(&self) -> Result<Option<LeaderElection>, Error> {
        if !self.leader_elect {
            return Ok(None);
        }
        let identity = clock::identity()?;
        let timings = LeaderElection::new(identity).timings(
            self.leader_elect_lease_duration,
            self.leader_elect_renew_deadline,
            self.leader_elect_retry_period,
        )?;
        Ok(Some(timings))
    }
}

// === impl Timings ===

impl Default for Timings {
    fn default() -> Self {
        let settings = Settings::new("", zone("example.com").expect("it is a name"));
        Self {
            probe_period: settings.schedule.period,
            probe_deadline: settings.schedule.deadline,
            failure_threshold: settings.thresholds.failures,
            success_threshold: settings.thresholds.successes,
            evict_after: settings.evict_after,
            dns_empty_hold: settings.dns_empty_hold,
            dns_ttl: settings.dns_ttl,
            dns_sweep: settings.dns_sweep,
            resync: settings.resync,
            evict_rate: settings.evict_rate,
            evict_api_only_after: settings.evict_api_only_after,
            return_after: settings.return_after,
            dns_hold: settings.dns_hold,
        }
    }
}

impl Timings {
    fn settings(&self, federation: &Federation, seed: u64) -> Settings {
        let schedule = ProbeSchedule::every(self.probe_period);
        let deadline = self.probe_deadline.min(self.probe_period);
        let mut settings = Settings::new(&federation.federation_name, federation.dns_zone_name.clone());
        settings.schedule = ProbeSchedule { deadline, seed, ..schedule };
        settings.thresholds = Thresholds { failures: self.failure_threshold, successes: self.success_threshold };
        settings.deadline = DEADLINE;
        settings.evict_after = self.evict_after;
        settings.dns_empty_hold = self.dns_empty_hold;
        settings.dns_ttl = self.dns_ttl;
        settings.dns_sweep = self.dns_sweep;
        settings.resync = self.resync;
        settings.dns_fallback = federation.dns_fallback;
        settings.evict_rate = self.evict_rate;
        settings.evict_api_only_after = self.evict_api_only_after;
        settings.return_after = self.return_after;
        settings.dns_hold = self.dns_hold;
        settings
    }
}

/// A name of one label (RFC 1123), as federations and members have it.
pub(crate) fn label(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=63).contains(&text.len()) && text.chars().all(|c| plain(c) || c == '-');
    if fits && text.starts_with(plain) && text.ends_with(plain) {
        return Ok(text.to_owned());
    }
    Err("a name has 1 to 63 lower-case letters, digits and `-`, and begins and ends with a letter or digit".to_owned())
}

pub(crate) fn zone(text: &str) -> Result<DnsName, String> {
    text.parse().map_err(|error: kfed_dnsprovider::InvalidName| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_one_label_is_taken_and_nothing_else() {
        for name in ["myfederation", "fed-west", "a", "1st"] {
            assert_eq!(label(name).as_deref(), Ok(name));
        }
        for name in ["", "-a", "a-", "Fed", "a.b", "a_b", &"x".repeat(64)] {
            assert!(label(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_probe_never_outlives_its_period() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            federation: Federation,
            #[command(flatten)]
            timings: Timings,
            #[command(flatten)]
            election: Election,
        }
        let args = [
            "kfed",
            "--federation-name=fed",
            "--dns-zone-name=example.com",
            "--probe-period=1s",
            "--dns-fallback=cname",
        ];
        let line = <Line as clap::Parser>::try_parse_from(args).unwrap();
        let settings = line.timings.settings(&line.federation, 7);
        assert_eq!(settings.schedule.deadline, Duration::from_secs(1));
        assert_eq!(settings.evict_after, Duration::from_secs(60));
        assert_eq!(settings.zone.as_str(), "example.com.");
        assert_eq!(settings.dns_fallback, Fallback::Cname);
        let defaults = Timings::default();
        let flags = &line.timings;
        assert_eq!(
            (flags.evict_rate, flags.evict_api_only_after),
            (defaults.evict_rate, defaults.evict_api_only_after)
        );
        let (election, defaults_of_election) = (&line.election, Election::default());
        assert!(election.leader_elect);
        assert_eq!(
            (
                election.leader_elect_lease_duration,
                election.leader_elect_renew_deadline,
                election.leader_elect_retry_period
            ),
            (
                defaults_of_election.leader_elect_lease_duration,
                defaults_of_election.leader_elect_renew_deadline,
                defaults_of_election.leader_elect_retry_period
            )
        );
        assert_eq!((flags.return_after, flags.dns_hold), (defaults.return_after, defaults.dns_hold));
    }
}
