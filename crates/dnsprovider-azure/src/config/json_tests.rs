use miette::{Diagnostic, NarratableReportHandler};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const SECRET_TEXT: &str = "s3cr3t~Value.9";
const BASE: &str = r#""tenantId": "t", "subscriptionId": "s", "resourceGroup": "r""#;

fn parse(text: &str) -> Result<(AzureConfig, Vec<Warning>), ConfigError> {
    AzureConfig::parse(text, Path::new("azure.json"))
}

fn credential(more: &str) -> Credential {
    parse(&format!("{{{BASE}, {more}}}")).unwrap().0.credential
}

fn everything(diagnostic: &(impl Diagnostic + fmt::Debug)) -> String {
    let mut text = String::new();
    NarratableReportHandler::new().with_context_lines(20).render_report(&mut text, diagnostic).unwrap();
    format!("{diagnostic} {diagnostic:?} {text}")
}

#[test]
fn the_file_of_external_dns_is_read_as_it_is() {
    let text = format!(
        "\u{feff}\n{{\n  \"cloud\": \"AzureChinaCloud\",\n  \"TenantID\": \"t\",\n  \"subscriptionId\": \"s\",\n  \"resourceGroup\": \"one, s2/two\",\n  \"location\": \"westeurope\",\n  \"cloudProviderBackoff\": true,\n  \"vnetResourceGroup\": null,\n  \"aadClientId\": \"c\",\n  \"aadClientSecret\": \"{SECRET_TEXT}\",\n  \"useManagedIdentityExtension\": false\n}}\n"
    );
    let (config, warnings) = parse(&text).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(config.cloud, Cloud::named("china").unwrap());
    let groups: Vec<_> = config.scopes.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["s/one", "s2/two"]);
    let Credential::Secret { tenant_id, client_id, secret } = config.credential else { panic!("no secret") };
    assert_eq!((&*tenant_id, &*client_id, secret.expose_secret()), ("t", "c", SECRET_TEXT));
}

#[test]
fn the_secret_comes_first_then_a_workload_identity_then_the_machines() {
    let all =
        r#""useWorkloadIdentityExtension": true, "useManagedIdentityExtension": true, "userAssignedIdentityID": "u""#;
    let secret = r#""aadClientId": "c", "aadClientSecret": "x""#;
    assert!(matches!(credential(&format!("{secret}, {all}")), Credential::Secret { .. }));
    for placeholder in [
        r#""aadClientId": "msi", "aadClientSecret": "msi""#,
        r#""aadClientId": "msi", "aadClientSecret": "x""#,
        r#""aadClientId": "", "aadClientSecret": "x""#,
        r#""aadClientSecret": null"#,
    ] {
        let found = credential(&format!("{placeholder}, {all}"));
        assert!(
            matches!(&found, Credential::WorkloadIdentity { tenant_id: Some(t), client_id: None, token_file: None } if t == "t"),
            "{placeholder}: {found:?}"
        );
        let managed = r#""useManagedIdentityExtension": true, "userAssignedIdentityID": "u""#;
        let found = credential(&format!("{placeholder}, {managed}"));
        assert!(matches!(&found, Credential::ManagedIdentity { client_id: Some(id) } if id == "u"), "{found:?}");
    }
    let federated =
        r#""aadClientId": "c", "useFederatedWorkloadIdentityExtension": true, "aadFederatedTokenFile": "/var/token""#;
    assert!(matches!(
        credential(federated),
        Credential::WorkloadIdentity { client_id: Some(c), token_file: Some(file), .. }
            if c == "c" && file == Path::new("/var/token")
    ));
}

#[test]
fn a_certificate_of_the_cloud_providers_file_is_taken_as_pem() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/azure");
    let read = |name: &str| std::fs::read_to_string(fixtures.join(name)).unwrap();
    let both = read("client-certificate.pem") + &read("client-key-pkcs8.pem");
    std::fs::write(folder.path().join("app.pem"), both).unwrap();
    std::fs::write(folder.path().join("app.pfx"), [0x30, 0x82, 0xff]).unwrap();
    let parse = |file: &str| {
        let text = format!(r#"{{{BASE}, "aadClientId": "c", "aadClientCertPath": "{file}"}}"#);
        AzureConfig::parse(&text, &folder.path().join("azure.json"))
    };
    assert!(matches!(parse("app.pem").unwrap().0.credential, Credential::Certificate { .. }));
    let error = parse("app.pfx").unwrap_err();
    assert!(
        matches!(error, ConfigError::Certificate { source: crate::CertificateError::NotPem { .. }, .. }),
        "{error}"
    );
}

#[test]
fn an_azure_stack_is_known_by_its_endpoints() {
    let text = format!(
        r#"{{{BASE}, "cloud": "AzureStackCloud", "aadClientId": "c", "aadClientSecret": "x",
            "activeDirectoryAuthorityHost": "https://login.stack.test/", "resourceManagerEndpoint": "https://management.stack.test",
            "resourceManagerAudience": "https://management.stack.test/3ee899c8/"}}"#
    );
    let (config, warnings) = parse(&text).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(config.cloud.authority.as_str(), "https://login.stack.test/");
    assert_eq!(config.cloud.resource_manager.as_str(), "https://management.stack.test/");
    assert_eq!(config.cloud.scope(), "https://management.stack.test/3ee899c8/.default");
    let error = parse(&text.replace("resourceManagerEndpoint", "somethingElse")).unwrap_err();
    assert_eq!(error.to_string(), "azure.json:1:1: the file lacks resourceManagerEndpoint");
}

#[test]
fn what_is_wrong_is_named_with_line_and_column() {
    for (text, expected) in [
        ("{", "azure.json:1:1: EOF while parsing an object"),
        ("{\n  \"tenantId\": \"t\",\n}", "azure.json:3:1: trailing comma"),
        ("{\n  \"tenantId\" \"t\"\n}", "azure.json:2:14: expected `:`"),
        ("{\"a\": 1} x", "azure.json:1:10: trailing characters"),
        ("{\n \"tenantId\": 5}", "azure.json:2:14: tenantId: neither a text nor true or false"),
        ("{\n \"tenantId\": true}", "azure.json:2:14: tenantId: no text"),
        ("{\"useManagedIdentityExtension\": \"true\"}", "azure.json:1:33: useManagedIdentityExtension: a text"),
        ("{\"cloud\": \"mars\"}", "azure.json:1:11: cloud: `mars` is no cloud"),
        (
            "{\n\n \"resourceManagerEndpoint\": \"http://x\"}",
            "azure.json:3:29: resourceManagerEndpoint: credentials are only sent over https",
        ),
        ("{}", "azure.json:1:1: the file lacks subscriptionId, resourceGroup"),
        (
            "{\"subscriptionId\": \"s\",\n\"resourceGroup\": \"\"}",
            "azure.json:1:1: the file lacks resourceGroup (empty in line 2)",
        ),
        (
            "{\"subscriptionId\": \"s\", \"resourceGroup\": \"a b\"}",
            "azure.json:1:42: resourceGroup: not a name in Azure",
        ),
        (
            "{\"subscriptionId\": \"s\", \"resourceGroup\": \"r\"}",
            "azure.json:1:1: the file lacks aadClientId, aadClientSecret",
        ),
        (
            "{\"subscriptionId\": \"s\", \"resourceGroup\": \"r\", \"aadClientId\": \"c\", \"aadClientSecret\": \"x\"}",
            "azure.json:1:1: the file lacks tenantId",
        ),
        (
            "{\"subscriptionId\": \"s\", \"resourceGroup\": \"r\", \"aadClientId\": \"msi\", \"aadClientSecret\": \"x\"}",
            "azure.json:1:62: aadClientId: `msi` stands for a managed identity",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{text:?}: {error} / {expected}");
        assert!(error.help().is_some());
    }
}

#[test]
fn only_near_misses_are_worth_a_warning() {
    for (key, expected) in [
        ("location", None),
        ("vnetResourceGroup", None),
        ("networkResourceTenantID", None),
        ("cloudConfigType", None),
        ("userAgent", None),
        ("resourceGroups", Some("azure.json:1:2: key resourceGroups is not known; did you mean resourceGroup?")),
        ("aadClientID_", None),
        ("aadClientSecert", Some("azure.json:1:2: key aadClientSecert is not known; did you mean aadClientSecret?")),
        ("subscription_id", None),
    ] {
        // Letter case and underscores are no difference to begin with.
        let text = format!(r#"{{"{key}": "x", {BASE}, "aadClientId": "c", "aadClientSecret": "x"}}"#);
        let warnings: Vec<_> = parse(&text).unwrap().1.iter().map(ToString::to_string).collect();
        match expected {
            Some(expected) => assert_eq!(warnings, [expected]),
            None if key.contains('_') => assert_eq!(warnings.len(), 1, "{warnings:?}"),
            None => assert!(warnings.is_empty(), "{warnings:?}"),
        }
    }
    let again = format!(r#"{{{BASE}, "tenantId": "t2", "aadClientId": "c", "aadClientSecret": "x"}}"#);
    let (config, warnings) = parse(&again).unwrap();
    assert!(warnings[0].to_string().ends_with("tenantId is set again; the last one counts"), "{warnings:?}");
    assert!(matches!(config.credential, Credential::Secret { tenant_id, .. } if tenant_id == "t2"));
}

#[test]
fn secrets_are_in_no_error_no_warning_and_no_debug() {
    let whole = format!(
        "{{\n{BASE},\n\"aadClientId\": \"c\",\n\"aadClientSecret\": \"{SECRET_TEXT}\",\n\"aadClientCertPassword\": \"{SECRET_TEXT}\",\n\"resourceGroups\": \"x\"\n}}"
    );
    let (config, warnings) = parse(&whole).unwrap();
    assert!(!format!("{config:?}").contains(SECRET_TEXT));
    let shown = everything(&warnings[0]);
    assert!(!shown.contains(SECRET_TEXT) && shown.contains("\"resourceGroup\": \"r\""), "{shown}");
    for broken in [
        whole.replace("\"s\"", "\"a b\""),
        whole.replace("\"tenantId\"", "\"somethingElse\""),
        whole.replace("\"aadClientSecret\":", "\"aadClientSecret\""),
        whole.replace("\"aadClientSecret\": \"", "\"aadClientSecret\": "),
        whole.replace("\"aadClientSecret\": \"", "\"aadClientSecret\": \"\\x"),
        whole.replace("\"aadClientSecret\": \"", "\"aadClientSecret\": \"x\" \""),
        whole.replace("\"aadClientSecret\": ", "\"aadClientId\": \"c\" "),
        whole.replace("\"aadClientSecret\":", "\"secret\":"),
        whole.replace("\"aadClientSecret\":", ""),
        whole.replace("\"aadClientSecret\":", "["),
        format!("{{\"{SECRET_TEXT}\": 1"),
        whole.replace(&format!("\"{SECRET_TEXT}\""), SECRET_TEXT),
    ] {
        let error = parse(&broken).map(|(config, _)| config).expect_err(&broken);
        assert!(!everything(&error).contains(SECRET_TEXT), "{}", everything(&error));
    }
}

proptest! {
    #[test]
    fn no_text_whatever_makes_the_parser_panic(text in "\\{[\\[\\]{}a-d=:,\"\\\\\n\r äS-]{0,60}") {
        if let Err(error) = parse(&text) {
            let _ = (error.to_string(), everything(&error));
        }
    }
}
