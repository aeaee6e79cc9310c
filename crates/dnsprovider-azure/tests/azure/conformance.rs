//! The suite that every provider is held to, for both kinds of zone, over the emulator with Azure's documented limits.

use kfed_azure_emulator::{AzureEmulator, Fault, FaultRule, Faults, Limits, Operation};
use kfed_dnsprovider::conformance::{Atomicity, Provoked, Report, Suite};
use kfed_dnsprovider::{DnsProvider, RecordType};
use kfed_dnsprovider_azure::{PRIVATE, PUBLIC, ZoneFlavour};

use crate::emulator::{ZONE, provider};
use crate::support::{SECRET, name};

const PRIVATE_ZONE: &str = "corp.example";

fn emulator() -> AzureEmulator {
    AzureEmulator::builder()
        .client("my-client", SECRET)
        .zone("fed-dns-rg", ZONE)
        .private_zone("fed-dns-rg", PRIVATE_ZONE)
        .limits(Limits::documented())
        .build()
}

/// A provider of the same zones whose service answers every one of these operations so.
fn failing(flavour: &'static ZoneFlavour, fault: Fault, operations: &[Operation]) -> DnsProvider {
    let emulator = emulator();
    let rule = FaultRule { fault, operations: operations.to_vec(), path_contains: None, count: None, chance: 1.0 };
    emulator.set_faults(Faults { rules: vec![rule] });
    provider(flavour, &emulator, SECRET)
}

async fn conformance(flavour: &'static ZoneFlavour, zone: &str, emulator: &AzureEmulator) -> Report {
    use Operation::{RecordSetDelete, RecordSetGet, RecordSetList, RecordSetWrite};
    let all = [RecordSetList, RecordSetGet, RecordSetWrite, RecordSetDelete];
    let provider_of = |secret: &str| provider(flavour, emulator, secret);
    let zone = provider_of(SECRET).find_zone(&name(zone)).await.unwrap().id;
    Suite::new(provider_of(SECRET), zone)
        .atomicity(Atomicity::RecordSet)
        .types(flavour.types())
        .limits(flavour.limits())
        .provoked(Provoked::Forbidden, failing(flavour, Fault::Forbidden, &[RecordSetWrite, RecordSetDelete]))
        .provoked(Provoked::Unauthenticated, provider_of("wr0ng~secret"))
        .provoked(Provoked::Throttled, failing(flavour, Fault::Throttle { retry_after: 7 }, &all))
        .provoked(Provoked::Unavailable, failing(flavour, Fault::ServiceUnavailable, &all))
        .run()
        .await
}

/// In virtual time: the emulator has no sockets here, and the limits take minutes.
#[tokio::test(start_paused = true)]
async fn both_kinds_of_zone_do_all_that_a_provider_must() {
    for (flavour, zone, unwritten) in
        [(&PUBLIC, ZONE, &[][..]), (&PRIVATE, PRIVATE_ZONE, &[RecordType::Ns, RecordType::Caa])]
    {
        let emulator = emulator();
        let before = emulator.record_sets(zone);
        let report = conformance(flavour, zone, &emulator).await;
        report.assert_passed();
        let skipped: Vec<_> = report.skipped().map(|check| check.name).collect();
        assert_eq!(skipped.len(), unwritten.len() + 2, "{}: {report}", flavour.provider);
        for record_type in unwritten {
            assert!(skipped.iter().any(|check| check.starts_with(record_type.as_str())), "{report}");
        }
        assert_eq!(emulator.record_sets(zone), before, "{}: nothing is left", flavour.provider);
        assert_eq!(emulator.requests().answered_with(429), 0, "{}", emulator.requests());
    }
}
