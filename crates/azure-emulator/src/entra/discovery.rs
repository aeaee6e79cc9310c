use http::StatusCode;
use serde_json::{Value, json};

use crate::arm::{
    call::Call,
    reply::{Reply, json_reply},
};

/// From this api-version on the answer is one object; the two versions before it answer a list.
const ENDPOINTS_AS_OBJECT: &str = "2022-09-01";
const ENDPOINTS_AS_LIST: &str = "2019-05-01";

pub(crate) fn openid_configuration(call: &Call, tenant: &str, v2: bool) -> Reply {
    let base = format!("{}/{tenant}", call.origin);
    let (oauth, issuer) = if v2 {
        (format!("{base}/oauth2/v2.0"), format!("{base}/v2.0"))
    } else {
        (format!("{base}/oauth2"), format!("{base}/"))
    };
    let body = json!({
        "token_endpoint": format!("{oauth}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "authorization_endpoint": format!("{oauth}/authorize"),
        "device_authorization_endpoint": format!("{oauth}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{oauth}/logout"),
        "tenant_region_scope": null,
        "cloud_instance_name": host(call),
        "cloud_graph_host_name": host(call),
        "msgraph_host": host(call),
    });
    json_reply(StatusCode::OK, &body)
}

/// No keys: tokens are checked by who issued them, not by a signature.
pub(crate) fn signing_keys() -> Reply {
    json_reply(StatusCode::OK, &json!({ "keys": [] }))
}

pub(crate) fn instance_discovery(call: &Call) -> Reply {
    let host = host(call);
    let body = json!({
        "tenant_discovery_endpoint": format!("{}/common/.well-known/openid-configuration", call.origin),
        "api-version": "1.1",
        "metadata": [
            { "preferred_network": host, "preferred_cache": host, "aliases": [host] },
            {
                "preferred_network": "login.microsoftonline.com",
                "preferred_cache": "login.windows.net",
                "aliases": ["login.microsoftonline.com", "login.windows.net", "sts.windows.net"],
            },
        ],
    });
    json_reply(StatusCode::OK, &body)
}

/// What a custom cloud is registered from.
pub(crate) fn cloud_endpoints(call: &Call, tenant: &str) -> Reply {
    let origin = &call.origin;
    let cloud = json!({
        "name": "AzureEmulator",
        "portal": origin,
        "resourceManager": format!("{origin}/"),
        "gallery": format!("{origin}/"),
        "graph": format!("{origin}/"),
        "graphAudience": format!("{origin}/"),
        "microsoftGraphResourceId": format!("{origin}/"),
        "authentication": {
            "loginEndpoint": format!("{origin}/"),
            "audiences": [format!("{origin}/"), "https://management.azure.com/", "https://management.core.windows.net/"],
            "tenant": tenant,
            "identityProvider": "AAD",
        },
        "suffixes": {
            "acrLoginServer": "azurecr.invalid",
            "keyVaultDns": "vault.invalid",
            "mhsmDns": "mhsm.invalid",
            "sqlServerHostname": "database.invalid",
            "storage": "storage.invalid",
        },
    });
    let version = call.api_version();
    let body =
        if (ENDPOINTS_AS_LIST..ENDPOINTS_AS_OBJECT).contains(&version) { Value::Array(vec![cloud]) } else { cloud };
    json_reply(StatusCode::OK, &body)
}

fn host(call: &Call) -> &str {
    call.origin.split_once("://").map_or(call.origin.as_str(), |(_, host)| host)
}
