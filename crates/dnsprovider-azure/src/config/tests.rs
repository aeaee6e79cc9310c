use std::error::Error as _;
use std::path::Path;

use miette::Diagnostic;
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use std::fmt;

const SECRET_TEXT: &str = "s3cr3t~Value.9";

/// Federation v1's file, with a line more for each of `more`.
fn file(more: &[&str]) -> String {
    let v1 = format!(
        "[Global]\nsubscription-id = 7c1e0f52-3b7d-4a54-9a3e-0d6f1c2b8e10\ntenant-id = my-tenant\nclient-id = my-client\nsecret = {SECRET_TEXT}\nresourceGroup = fed-dns-rg\n"
    );
    format!("{v1}{}\n", more.join("\n"))
}

fn parse(text: &str) -> Result<(AzureConfig, Vec<Warning>), ConfigError> {
    AzureConfig::parse(text, Path::new("dns.conf"))
}

fn scope(subscription: &str, group: &str) -> Scope {
    Scope { subscription_id: subscription.to_owned(), resource_group: group.to_owned() }
}

/// The error with its help, as a binary renders it.
fn refused(text: &str) -> String {
    let error = parse(text).map(|(config, _)| config).expect_err(text);
    let help = error.help().map(|help| help.to_string()).unwrap_or_default();
    format!("{error} [{help}]")
}

fn warnings(text: &str) -> Vec<String> {
    parse(text).unwrap().1.iter().map(ToString::to_string).collect()
}

#[test]
fn federation_v1s_file_is_read_as_it_is() {
    let (config, warnings) = parse(&file(&[])).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(config.scopes, [scope("7c1e0f52-3b7d-4a54-9a3e-0d6f1c2b8e10", "fed-dns-rg")]);
    assert_eq!(config.cloud, Cloud::public());
    assert_eq!(config.cloud.scope(), "https://management.azure.com/.default");
    let Credential::Secret { tenant_id, client_id, secret } = config.credential else { panic!("no secret") };
    assert_eq!((&*tenant_id, &*client_id, secret.expose_secret()), ("my-tenant", "my-client", SECRET_TEXT));
}

#[test]
fn the_dialect_is_gcfgs() {
    let text = "\u{feff}; a comment\r\n\r\n[ GLOBAL ] # here\r\n  SUBSCRIPTION-ID=sub;note\r\nTenant-Id = \"a ; b # c\" ; note\r\nclient-id = one\\\r\ntwo\r\nsecret = \" \\\"q\\\" \\\\ \\t\" tail \r\nResourceGroup\t=\trg\r\n[other \"Sub\"]\nkey\n";
    let (config, warnings) = parse(text).unwrap();
    assert_eq!(config.scopes, [scope("sub", "rg")]);
    let Credential::Secret { tenant_id, client_id, secret } = config.credential else { panic!("no secret") };
    assert_eq!((&*tenant_id, &*client_id, secret.expose_secret()), ("a ; b # c", "onetwo", " \"q\" \\ \t tail"));
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "dns.conf:4:22: the value of subscription-id ends here, at the start of a comment; put the value in double quotes if this belongs to it",
            "dns.conf:10:1: section [other] is not known; only [Global] is read",
        ]
    );
}

#[test]
fn all_missing_and_empty_keys_come_in_one_error_in_federation_v1s_order() {
    for (text, expected) in [
        ("", "dns.conf:1:1: there is no [Global] with resourceGroup, client-id, secret, tenant-id, subscription-id"),
        ("\n[Global]\n", "dns.conf:2:1: [Global] lacks resourceGroup, client-id, secret, tenant-id, subscription-id"),
        (
            "[Global]\nsubscription-id = s\ntenant-id =\nclient-id\nsecret = \"\"\n",
            "dns.conf:1:1: [Global] lacks resourceGroup, client-id (empty in line 4), secret (empty in line 5), tenant-id (empty in line 3)",
        ),
        (
            "; first\n[Global]\nsubscription-id = s\ntenant-id = t\nclient-id = c\nsecret = x\nresourceGroup = \"  \"",
            "dns.conf:2:1: [Global] lacks resourceGroup (empty in line 7)",
        ),
        ("[Global]\ncredential = cli\n", "dns.conf:1:1: [Global] lacks resourceGroup, subscription-id"),
        (
            "[Global]\nresourceGroup = r\nsubscription-id = s\ncredential = managed-identity\ncloud = custom\nauthority-host = https://login.test",
            "dns.conf:1:1: [Global] lacks resource-manager-endpoint",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
        assert!(error.help().is_some());
    }
    let error = parse("[Global]\nsecret =\nclient-id = c\n").unwrap_err();
    assert_eq!(error.labels().unwrap().count(), 2, "the section and the empty key are marked");
}

#[test]
fn broken_lines_are_named_with_line_and_column() {
    for (text, expected) in [
        ("secret = x\n[Global]", "dns.conf:1:1: a key before any section"),
        ("[Global\nsecret = x", "dns.conf:1:8: `]` is missing"),
        ("[]", "dns.conf:1:2: a section without a name"),
        ("[Global] secret = x", "dns.conf:1:10: text behind a section"),
        ("[Global \"x]\n", "dns.conf:1:1: a quote is not closed"),
        ("[Global]\nclient-id: c\n", "dns.conf:2:10: `=` is missing"),
        ("[Global]\n\n  = c\n", "dns.conf:3:3: a key begins with a letter"),
        ("[Global]\nclient-id = \"c\n", "dns.conf:2:13: a quote is not closed"),
        ("[Global]\nsecret = ä\\x\n", "dns.conf:2:11: an unknown escape"),
        ("[Global]\nsecret = x\\", "dns.conf:2:11: an unknown escape"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text:?}");
    }
}

#[test]
fn values_that_mean_nothing_are_named_with_what_would_be_right() {
    for (line, expected) in [
        ("cloud = mars", "cloud: `mars` is no cloud [it is one of public, china, usgovernment, custom]"),
        (
            "credential = password",
            "credential: `password` is no kind of credential [it is one of secret, certificate, workload-identity, managed-identity, cli]",
        ),
        ("subscription-id = one, two", "subscription-id: not a name in Azure [it is one identifier"),
        ("resourceGroup = a,,b", "resourceGroup: `` is not a name in Azure [it is made of letters"),
        ("resourceGroup = a, S/b, s/B", "resourceGroup: `s/B` is named twice"),
        ("resourceGroup = a, s/b/c", "resourceGroup: `s/b/c` is not a name in Azure"),
        (
            "authority-host = http://login.test",
            "authority-host: credentials are only sent over https [it is written `https://host[:port]`]",
        ),
        ("authority-host = login.test", "authority-host: not a URL"),
        ("resource-manager-endpoint = https://a.test/path", "an endpoint has scheme, host and port alone"),
        ("resource-manager-endpoint = https://a.test?x=1", "an endpoint has scheme, host and port alone"),
        ("resource-manager-endpoint = https://u:p@a.test", "an endpoint has scheme, host and port alone"),
        ("resourceGroup = a b", "resourceGroup: not a name in Azure"),
        ("subscription-id = ../x", "subscription-id: not a name in Azure"),
        ("ca-file = /nowhere/ca.pem", "cannot read ca-file /nowhere/ca.pem"),
    ] {
        let error = refused(&file(&[line]));
        assert!(error.starts_with("dns.conf:7:1: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_unknown_key_is_passed_over_with_the_nearest_known_one() {
    for (line, expected) in [
        ("secert = x", "dns.conf:7:1: key secert is not known; did you mean secret?"),
        ("resource-group = x", "dns.conf:7:1: key resource-group is not known; did you mean resourceGroup?"),
        ("subscriptionId = x", "dns.conf:7:1: key subscriptionId is not known; did you mean subscription-id?"),
        ("  zebra = x", "dns.conf:7:3: key zebra is not known; known are resourceGroup, client-id,"),
        ("tenant-id = again", "dns.conf:7:1: tenant-id is set again; the last one counts"),
    ] {
        let warnings = warnings(&file(&[line]));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(expected), "{}", warnings[0]);
    }
    let (config, _) = parse(&file(&["tenant-id = again"])).unwrap();
    assert!(matches!(config.credential, Credential::Secret { tenant_id, .. } if tenant_id == "again"));
}

#[test]
fn a_secret_cut_off_by_a_comment_is_noticed() {
    let text = file(&[]).replace(SECRET_TEXT, "abc#def");
    let warnings = warnings(&text);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("the value of secret ends here"), "{}", warnings[0]);
    assert!(!warnings[0].contains("abc") && !warnings[0].contains("def"));
    let (config, _) = parse(&text.replace("abc#def", "\"abc#def\"")).unwrap();
    assert!(matches!(config.credential, Credential::Secret { secret, .. } if secret.expose_secret() == "abc#def"));
}

#[test]
fn clouds_are_known_by_all_their_names() {
    for (name, arm) in [
        ("public", "https://management.azure.com/"),
        ("AzurePublicCloud", "https://management.azure.com/"),
        ("AzureCloud", "https://management.azure.com/"),
        ("China", "https://management.chinacloudapi.cn/"),
        ("AzureUSGovernmentCloud", "https://management.usgovcloudapi.net/"),
        ("usgovernment", "https://management.usgovcloudapi.net/"),
    ] {
        let (config, _) = parse(&file(&[&format!("cloud = {name}")])).unwrap();
        assert_eq!(config.cloud.resource_manager.as_str(), arm, "{name}");
        assert!(!config.cloud.is_loopback());
    }
}

#[test]
fn endpoints_make_a_cloud_of_their_own() {
    let lines = ["resource-manager-endpoint = https://127.0.0.1:8443", "authority-host = https://localhost:8443/"];
    for cloud in [None, Some("cloud = custom"), Some("cloud = AzureStackCloud"), Some("cloud = china")] {
        let (config, _) = parse(&file(&[lines[0], lines[1], cloud.unwrap_or_default()])).unwrap();
        assert_eq!(config.cloud.name, "custom");
        assert_eq!(config.cloud.resource_manager.as_str(), "https://127.0.0.1:8443/");
        assert_eq!(config.cloud.authority.as_str(), "https://localhost:8443/");
        assert_eq!(config.cloud.scope(), "https://127.0.0.1:8443/.default");
        assert!(config.cloud.is_loopback());
    }
}

#[test]
fn other_credentials_need_no_secret() {
    let base = "[Global]\nsubscription-id = s\nresourceGroup = r\n";
    let kind = |line: &str| parse(&format!("{base}{line}\n")).unwrap().0.credential;
    assert!(matches!(
        kind("credential = workload-identity"),
        Credential::WorkloadIdentity { tenant_id: None, client_id: None, token_file: None }
    ));
    assert!(
        matches!(kind("credential = Managed-Identity\nclient-id = c"), Credential::ManagedIdentity { client_id: Some(c) } if c == "c")
    );
    assert!(matches!(kind("credential = cli\ntenant-id = t"), Credential::Cli { tenant_id: Some(t) } if t == "t"));
}

#[test]
fn several_resource_groups_are_joined_by_commas_and_may_name_their_subscription() {
    let (config, warnings) =
        parse(&file(&["resourceGroup = one, other-sub/two ,three"]).replace("resourceGroup = fed-dns-rg\n", ""))
            .unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let own = "7c1e0f52-3b7d-4a54-9a3e-0d6f1c2b8e10";
    assert_eq!(config.scopes, [scope(own, "one"), scope("other-sub", "two"), scope(own, "three")]);
}

#[test]
fn a_certificate_needs_its_files_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/azure");
    for (name, source) in
        [("app.pem", "client-certificate.pem"), ("app.key", "client-key-pkcs1.pem"), ("other.key", "other-key.pem")]
    {
        std::fs::copy(fixtures.join(source), folder.path().join(name)).unwrap();
    }
    let read = |more: &str| {
        let text = format!(
            "[Global]\nresourceGroup = r\nsubscription-id = s\ntenant-id = t\nclient-id = c\ncredential = certificate\n{more}\n"
        );
        AzureConfig::parse(&text, &folder.path().join("dns.conf")).map(|(config, _)| config.credential)
    };
    let credential = read("certificate-file = app.pem\nkey-file = app.key").unwrap();
    let Credential::Certificate { tenant_id, client_id, certificate } = credential else { panic!("{credential:?}") };
    assert_eq!((&*tenant_id, &*client_id), ("t", "c"));
    assert_eq!(certificate.certificate_file, folder.path().join("app.pem"));
    for (more, expected) in [
        ("", "dns.conf:1:1: [Global] lacks certificate-file"),
        ("certificate-file = app.pem", "dns.conf:7:1: the client certificate cannot be used: "),
        (
            "certificate-file = app.pem\nkey-file = other.key",
            "dns.conf:7:1: the client certificate cannot be used: no certificate in ",
        ),
        ("certificate-file = gone.pem", "dns.conf:7:1: the client certificate cannot be used: cannot read "),
    ] {
        let error = read(more).unwrap_err();
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let said = format!("{error}{cause}");
        assert!(said.contains(expected), "{said} / {expected}");
        assert!(!everything(&error).contains("PRIVATE KEY"));
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = AzureConfig::read(Path::new("/nowhere/dns.conf")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nowhere/dns.conf");
    assert!(error.source().is_some());
    assert!(error.place().is_none());
}

#[test]
fn a_ca_file_is_found_beside_the_file_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("dns.conf");
    std::fs::write(&conf, file(&["ca-file = ca.pem"])).unwrap();
    let error = AzureConfig::read(&conf).unwrap_err();
    assert!(matches!(&error, ConfigError::CaFile { path, .. } if *path == folder.path().join("ca.pem")), "{error:?}");

    std::fs::write(folder.path().join("ca.pem"), "not a certificate").unwrap();
    let error = AzureConfig::read(&conf).unwrap_err().to_string();
    assert!(error.contains("holds no PEM certificate"), "{error}");

    let ca = kfed_tls::CertificateAuthority::generate("a test").unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    let (config, _) = AzureConfig::read(&conf).unwrap();
    assert_eq!(config.ca.unwrap().pem, ca.pem().as_bytes());
}

/// All that a binary can show of an error or warning.
fn everything(diagnostic: &(impl Diagnostic + fmt::Debug)) -> String {
    let mut graphical = String::new();
    let handler = miette::NarratableReportHandler::new().with_context_lines(20);
    handler.render_report(&mut graphical, diagnostic).unwrap();
    format!("{diagnostic} {diagnostic:?} {graphical}")
}

#[test]
fn secrets_are_in_no_error_no_warning_and_no_debug() {
    let whole = file(&["zebra = 1"]);
    let (config, warnings) = parse(&whole).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains(SECRET_TEXT) && shown.contains("REDACTED"), "{shown}");
    assert!(everything(&warnings[0]).contains("fed-dns-rg"), "what is harmless is shown around the place");
    assert!(!everything(&warnings[0]).contains(SECRET_TEXT));
    for broken in [
        whole.replace("resourceGroup", "resourceGruppe"),
        whole.replace("client-id = my-client", "client-id ="),
        whole.replace("secret =", "secret:"),
        whole.replace("secret = ", "secret "),
        whole.replace("secret =", "secret = \""),
        whole.replace("secret =", "secret = \\x"),
        whole.replace("secret =", "secert ="),
        whole.replace("secret =", "="),
        whole.replace("secret =", "secret = x\\\n ").replace("zebra", "cloud"),
        whole.replace("secret =", "; secret was"),
        whole.replace("secret = ", "client-id = x ; "),
        whole.replace("secret = ", ""),
        format!("{whole}cloud = mars\n"),
        format!("{SECRET_TEXT}\n{whole}"),
    ] {
        let error = parse(&broken).map(|(config, _)| config).expect_err(&broken);
        assert!(!everything(&error).contains(SECRET_TEXT), "{}", everything(&error));
    }
}

/// `text` as gcfg writes any value.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_back(entries in prop::collection::vec(("[a-zA-Z][a-zA-Z0-9-]{0,12}", prop::option::of("[^\r]{0,30}")), 0..12)) {
        let mut text = String::from("[Global \"s\\\"u\\\\b\"]\n");
        for (key, value) in &entries {
            match value {
                Some(value) => text.push_str(&format!("{key} = {} ; note\n", quoted(value))),
                None => text.push_str(&format!("{key}\n")),
            }
        }
        let document = gcfg::parse(&text).unwrap();
        prop_assert_eq!(document.sections[0].sub.as_deref(), Some("s\"u\\b"));
        let read: Vec<_> = document.sections[0].entries.iter()
            .map(|entry| (entry.key.clone(), entry.value.as_ref().map(|value| value.expose_secret().to_owned()))).collect();
        prop_assert_eq!(read, entries);
    }

    #[test]
    fn no_text_whatever_makes_the_parser_panic(text in "[\\[\\]a-g=;#\"\\\\\n\r äS-]{0,60}") {
        if let Err(error) = parse(&text) {
            let _ = (error.to_string(), everything(&error));
        }
    }
}
