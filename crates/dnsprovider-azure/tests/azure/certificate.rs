//! Signing in with a certificate, against a token endpoint that checks every part of the assertion.

use std::path::{Path, PathBuf};

use kfed_azure_emulator::{AzureEmulator, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Operation};
use kfed_dnsprovider::{DnsError, DnsProvider, ErrorClass, Zone};
use kfed_dnsprovider_azure::transport::in_process;
use kfed_dnsprovider_azure::{AzureConfig, AzureDns, PUBLIC};

use crate::emulator::ZONE;
use crate::support::{Hands, fixture, name};

fn emulator() -> AzureEmulator {
    let start: jiff::Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
    AzureEmulator::builder()
        .clock(std::sync::Arc::new(move || start))
        .client_certificate("my-client", &fixture("client-certificate.pem"))
        .unwrap()
        .zone("fed-dns-rg", ZONE)
        .build()
}

fn files(folder: &Path) -> PathBuf {
    for name in ["client-certificate.pem", "client-key-pkcs8.pem", "client-key-pkcs1.pem", "other-key.pem"] {
        std::fs::write(folder.join(name), fixture(name)).unwrap();
    }
    std::fs::write(folder.join("both.pem"), fixture("client-certificate.pem") + &fixture("client-key-pkcs8.pem"))
        .unwrap();
    folder.join("dns.conf")
}

fn provider(emulator: &AzureEmulator, conf: &Path, tenant: &str, more: &str, hands: &Hands) -> DnsProvider {
    let text = format!(
        "[Global]\nsubscription-id = {DEFAULT_SUBSCRIPTION}\ntenant-id = {tenant}\nclient-id = my-client\nresourceGroup = fed-dns-rg\nresource-manager-endpoint = https://localhost:8443\nauthority-host = https://localhost:8443\ncredential = certificate\n{more}\n"
    );
    let (config, warnings) = AzureConfig::parse(&text, conf).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    DnsProvider::new(AzureDns::over(&PUBLIC, &config, in_process(emulator.clone()), hands.clock()))
}

async fn find(provider: &DnsProvider) -> Result<Zone, DnsError> {
    provider.find_zone(&name(ZONE)).await
}

#[tokio::test]
async fn a_certificate_buys_a_token_whatever_form_its_key_has() {
    let folder = tempfile::tempdir().unwrap();
    let conf = files(folder.path());
    for (tenant, files) in [
        (DEFAULT_TENANT, "certificate-file = both.pem"),
        (DEFAULT_TENANT, "certificate-file = client-certificate.pem\nkey-file = client-key-pkcs8.pem"),
        (DEFAULT_TENANT, "certificate-file = client-certificate.pem\nkey-file = client-key-pkcs1.pem"),
        // AD FS is signed for in another way.
        ("adfs", "certificate-file = both.pem"),
    ] {
        let emulator = emulator();
        let provider = provider(&emulator, &conf, tenant, files, &Hands::default());
        assert_eq!(find(&provider).await.unwrap().name, name(ZONE), "{files}");
        assert_eq!(emulator.requests().count(Operation::Token), 1);
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_registered_is_refused_in_entras_words() {
    let folder = tempfile::tempdir().unwrap();
    let conf = files(folder.path());
    let ca = kfed_tls::CertificateAuthority::generate("of somebody else").unwrap();
    let start: jiff::Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
    let builder = AzureEmulator::builder().clock(std::sync::Arc::new(move || start));
    let emulator = builder.client_certificate("my-client", ca.pem()).unwrap().build();
    let error =
        find(&provider(&emulator, &conf, "t", "certificate-file = both.pem", &Hands::default())).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Unauthenticated, Some("invalid_client")));
    assert!(error.to_string().contains("AADSTS700027"), "{error}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_more_than_ten_minutes_is_told_by_entra() {
    let folder = tempfile::tempdir().unwrap();
    let conf = files(folder.path());
    for (seconds, refused) in [(0, false), (290, false), (-590, false), (310, true), (-610, true)] {
        let hands = Hands::default();
        hands.forward(seconds);
        let answer = find(&provider(&emulator(), &conf, "t", "certificate-file = both.pem", &hands)).await;
        match refused {
            false => assert!(answer.is_ok(), "{seconds}: {answer:?}"),
            true => {
                let error = answer.unwrap_err();
                assert_eq!(error.class, ErrorClass::Unauthenticated);
                assert!(error.to_string().contains("AADSTS700024"), "{seconds}: {error}");
                assert!(!error.is_retryable());
            }
        }
    }
}

/// Renewed files are taken without a restart, and broken ones are told in the error of whoever asks.
#[tokio::test]
async fn files_are_read_again_for_each_token() {
    let folder = tempfile::tempdir().unwrap();
    let conf = files(folder.path());
    let (emulator, hands) = (emulator(), Hands::default());
    let provider = provider(&emulator, &conf, "t", "certificate-file = both.pem", &hands);
    std::fs::write(folder.path().join("both.pem"), fixture("client-certificate.pem") + &fixture("other-key.pem"))
        .unwrap();
    let error = find(&provider).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert!(error.to_string().contains("belongs to the key in"), "{error}");
    assert_eq!(emulator.requests().count(Operation::Token), 0);

    std::fs::write(
        folder.path().join("both.pem"),
        fixture("client-certificate.pem") + &fixture("client-key-pkcs1.pem"),
    )
    .unwrap();
    find(&provider).await.unwrap();
    let shown = format!("{provider:?} {error:?}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
