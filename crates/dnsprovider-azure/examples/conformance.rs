//! What `kfed_dnsprovider::conformance` asks of every provider, and what came of it, a line a check.
//!
//! Without arguments: the memory provider, with metadata and with a TXT registry in their place, and both kinds of Azure's zones over the
//! emulator in this process. With `dns.conf ZONE [private]`: that zone, below `kfed-conformance`, in some ten minutes.

#![allow(clippy::print_stdout, reason = "it prints its result")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kfed_azure_emulator::{
    AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Fault, FaultRule, Faults, Limits, Operation,
};
use kfed_dnsprovider::conformance::{Provoked, Report, Suite};
use kfed_dnsprovider::{DnsName, DnsProvider, MemoryProvider, RecordType, TxtNames, ZoneId};
use kfed_dnsprovider_azure::transport::in_process;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, Clock, PRIVATE, PUBLIC, ZoneFlavour};

const ZONE: &str = "example.com";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    match arguments[..] {
        [] => runtime.start_paused(true).build()?.block_on(here()),
        [file, zone] => runtime.build()?.block_on(there(file, &zone.parse()?, &PUBLIC)),
        [file, zone, "private"] => runtime.build()?.block_on(there(file, &zone.parse()?, &PRIVATE)),
        _ => Err("usage: conformance [DNS_CONF ZONE [private]]".into()),
    }
}

fn show(provider: &str, report: &Report) {
    println!("== {provider}\n{report}");
}

/// Everything that needs no network, in virtual time.
async fn here() -> Result<(), Box<dyn Error>> {
    let memory = MemoryProvider::with_zone(ZONE.parse()?);
    let marked = MemoryProvider::with_zone(ZONE.parse()?).without_metadata();
    for (name, provider) in [
        ("memory", memory.provider()),
        ("memory, with a TXT registry", marked.provider().with_txt_registry(TxtNames::default())),
    ] {
        let mut suite = Suite::new(provider, ZoneId(ZONE.to_owned())).types(RecordType::ALL);
        for how in [Provoked::Forbidden, Provoked::Unauthenticated, Provoked::Throttled, Provoked::Unavailable] {
            suite = suite.never(how, "a zone in memory refuses nobody");
        }
        show(name, &suite.run().await);
    }
    for flavour in [&PUBLIC, &PRIVATE] {
        show(flavour.provider, &emulated(flavour).await?);
    }
    Ok(())
}

async fn emulated(flavour: &'static ZoneFlavour) -> Result<Report, Box<dyn Error>> {
    use Operation::{RecordSetDelete, RecordSetGet, RecordSetList, RecordSetWrite};
    let all = [RecordSetList, RecordSetGet, RecordSetWrite, RecordSetDelete];
    let emulator = || {
        let builder = AzureEmulator::builder().client("conformance", "secret").limits(Limits::documented());
        builder.zone("dns", ZONE).private_zone("dns", ZONE).build()
    };
    let provider = |emulator: &AzureEmulator, secret: &str| -> Result<DnsProvider, Box<dyn Error>> {
        let text = format!(
            "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {DEFAULT_TENANT}\nclient-id = conformance\nsecret = {secret}\nresourceGroup = dns\n"
        );
        let (config, _) = AzureConfig::parse(&text, Path::new("dns.conf"))?;
        let noon = "2026-11-22T12:00:00Z".parse()?;
        let clock: Clock = Arc::new(move || noon);
        Ok(DnsProvider::new(AzureDns::over(flavour, &config, in_process(emulator.clone()), clock)))
    };
    let failing = |fault: Fault, operations: &[Operation]| {
        let emulator = emulator();
        let rule = FaultRule { fault, operations: operations.to_vec(), path_contains: None, count: None, chance: 1.0 };
        emulator.set_faults(Faults { rules: vec![rule] });
        provider(&emulator, "secret")
    };
    let emulator = emulator();
    let azure = provider(&emulator, "secret")?;
    let zone = azure.find_zone(&ZONE.parse()?).await?.id;
    let suite = Suite::new(azure, zone)
        .types(flavour.types())
        .limits(flavour.limits())
        .provoked(Provoked::Forbidden, failing(Fault::Forbidden, &[RecordSetWrite, RecordSetDelete])?)
        .provoked(Provoked::Unauthenticated, provider(&emulator, "wrong")?)
        .provoked(Provoked::Throttled, failing(Fault::Throttle { retry_after: 7 }, &all)?)
        .provoked(Provoked::Unavailable, failing(Fault::ServiceUnavailable, &all)?);
    Ok(suite.run().await)
}

#[allow(clippy::disallowed_methods, reason = "a program of its own owns its clock")]
async fn there(file: &str, zone: &DnsName, flavour: &'static ZoneFlavour) -> Result<(), Box<dyn Error>> {
    let (config, warnings) = AzureConfig::read(Path::new(file))?;
    for warning in warnings {
        println!("{warning}");
    }
    let azure = DnsProvider::new(AzureDns::of(flavour, &config, Arc::new(jiff::Timestamp::now))?);
    let zone = azure.find_zone(zone).await?.id;
    let mut suite = Suite::new(azure, zone).types(flavour.types()).limits(flavour.limits());
    for how in [Provoked::Forbidden, Provoked::Unauthenticated, Provoked::Throttled, Provoked::Unavailable] {
        suite = suite.never(how, "these credentials are good, and the limits are not to be broken here");
    }
    let report = suite.run().await;
    show(flavour.provider, &report);
    if report.passed() { Ok(()) } else { Err("it does not do all that a provider must".into()) }
}
