//! What the program says, and which code it ends with, when it is used wrongly or finds nothing to work with.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing to work with is to end there")]

mod support;

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use support::{Running, kfed, outcome, words};

/// `kfed controller-manager` with a configuration file of this content.
fn with_dns_conf(directory: &Path, kubeconfig: &Path, content: &str) -> (Option<i32>, String) {
    let conf = directory.join("dns.conf");
    fs::write(&conf, content).unwrap();
    controller_manager(kubeconfig, &["--dns-provider-config", conf.to_str().unwrap()])
}

fn controller_manager(kubeconfig: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut args = vec!["controller-manager", "--kubeconfig", kubeconfig.to_str().unwrap()];
    args.extend(["--federation-name", "fed", "--dns-zone-name", "example.com"]);
    args.extend(more);
    let (code, stdout, stderr) = outcome(args);
    assert_eq!(stdout, "", "errors go to stderr");
    (code, words(&stderr))
}

/// An API server of our own, and its kubeconfig.
fn api_server(directory: &Path) -> (Running, std::path::PathBuf) {
    let kubeconfig = directory.join("kubeconfig");
    let mut command = kfed(["apiserver", "--name", "federation", "--kubeconfig-out"]);
    let mut server = Running::start(command.arg(&kubeconfig));
    server.line(|line| line.starts_with("api https://127.0.0.1:"));
    (server, kubeconfig)
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_would_be_right() {
    let cases: [(&[&str], &str); 14] = [
        (&["demo", "--forever"], "unexpected argument '--forever'"),
        (&["demo", "--clusters", "one"], "two different names"),
        (&["demo", "--clusters", "same,same"], "two different names"),
        (&["demo", "--clusters", "Fed,fed"], "lower-case letters"),
        (&["demo", "--evict-after", "10"], "10s, 1m30s or 500ms"),
        (&["demo", "--format", "xml"], "possible values: text, json"),
        (&["demo", "--dns-listen", "localhost"], "invalid socket address"),
        (&["controller-manager", "--federation-name", "fed"], "--dns-zone-name"),
        (&["schedule"], "--filename <FILE>"),
        (&["schedule", "-f", "x", "--replicas", "-1"], "unexpected argument '-1'"),
        (&["schedule", "-f", "x", "--replicas", "many"], "KEY=N for one"),
        (&["controller-manager", "--dns-fallback", "none"], "it is addresses or cname"),
        (&["controller-manager", "--leader-elect=perhaps"], "invalid value 'perhaps'"),
        (&["fly"], "unrecognized subcommand 'fly'"),
    ];
    for (args, says) in cases {
        let (code, stdout, stderr) = outcome(args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert_eq!(stdout, "", "{args:?}");
        assert!(words(&stderr).contains(says), "{args:?}: {stderr}");
    }
}

#[test]
fn help_and_version_go_to_stdout_and_end_with_0() {
    let verbs = [
        "demo",
        "join",
        "unjoin",
        "controller-manager",
        "schedule",
        "dns",
        "apiserver",
        "emulate",
        "completion",
        "version",
    ];
    let (code, stdout, _) = outcome(["--help"]);
    assert_eq!(code, Some(0));
    for verb in verbs {
        assert!(stdout.contains(&format!("  {verb} ")), "{verb} in {stdout}");
        let (code, help, _) = outcome([verb, "--help"]);
        assert_eq!(code, Some(0), "{verb}");
        assert!(help.contains("Usage:"), "{verb}");
    }
    let (code, stdout, _) = outcome(["version"]);
    assert_eq!((code, stdout), (Some(0), format!("kfed {} (kfed.io/v1beta1)\n", env!("CARGO_PKG_VERSION"))));
    let (code, stdout, _) = outcome(["completion", "bash"]);
    assert!(code == Some(0) && stdout.contains("_kfed()"));
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_left_behind() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outer = tempfile::tempdir().unwrap();
    for directory in [Some(outer.path().join("demo")), None] {
        let mut command = kfed(["demo", "--once", "--dns-listen", &address]);
        if let Some(directory) = &directory {
            command.arg("--dir").arg(directory);
        }
        let output = support::run(command.env("TMPDIR", outer.path()));
        let stderr = words(&String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(&format!("cannot listen on {address} for the DNS front")), "{stderr}");
        assert!(
            stderr.contains(&format!("another program has port {}", taken.local_addr().unwrap().port())),
            "{stderr}"
        );
        let left: Vec<_> = fs::read_dir(outer.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn files_that_are_there_already_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mine = directory.path().join("hostname-service.yaml");
    fs::write(&mine, "mine").unwrap();
    let (code, _, stderr) = outcome(["demo", "--once", "--dir", directory.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(words(&stderr).contains("is there already"), "{stderr}");
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_kubeconfig_or_context_is_named_with_those_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none");
    let (code, said) = controller_manager(&missing, &["--dns-provider", "memory"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("none is no usable kubeconfig"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");

    let (_server, kubeconfig) = api_server(directory.path());
    let (code, said) = controller_manager(&kubeconfig, &["--dns-provider", "memory", "--context", "elsewhere"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("has no context `elsewhere`; its contexts are: federation"), "{said}");
}

#[test]
fn an_api_that_is_not_there_is_told_once_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let (server, kubeconfig) = api_server(directory.path());
    drop(server);
    let kubeconfig = kubeconfig.to_str().unwrap();
    for verb in [&["status"][..], &["explain", "cm", "settings"]] {
        let (code, stdout, stderr) = outcome(verb.iter().chain(&["--kubeconfig", kubeconfig]));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{verb:?}: {stderr}");
        assert_eq!(words(&stderr).matches("client error (Connect)").count(), 1, "{verb:?}: {stderr}");
        assert!(stderr.contains("--kubeconfig and --context say which API is asked"), "{verb:?}: {stderr}");
    }
}

#[test]
fn timings_of_the_election_that_do_not_fit_together_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, kubeconfig) = api_server(directory.path());
    let timings = ["--dns-provider", "memory", "--leader-elect-renew-deadline", "15s"];
    let (code, said) = controller_manager(&kubeconfig, &timings);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("must last longer") && said.contains("--leader-elect-lease-duration"), "{said}");
}

#[test]
fn a_dns_conf_that_cannot_be_used_is_shown_with_its_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, kubeconfig) = api_server(directory.path());

    let (code, said) = controller_manager(&kubeconfig, &["--dns-provider-config", "/nowhere/dns.conf"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot read /nowhere/dns.conf"), "{said}");

    let (code, said) = controller_manager(&kubeconfig, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--dns-provider-config"), "{said}");

    let half = "[Global]\nsubscription-id = 1234\nclient-id = 5678\nsecret =\n";
    let (code, said) = with_dns_conf(directory.path(), &kubeconfig, half);
    assert_eq!(code, Some(1));
    for part in ["dns.conf:1", "resourceGroup", "tenant-id", "secret (empty in line 4)"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    for there in ["lacks client-id", ", client-id", ", subscription-id"] {
        assert!(!said.contains(there), "{there} in {said}");
    }

    let broken = "[Global\nsecret = do-not-show\n";
    let (code, said) = with_dns_conf(directory.path(), &kubeconfig, broken);
    assert_eq!(code, Some(1));
    assert!(said.contains("dns.conf:1") && !said.contains("do-not-show"), "{said}");
}

#[test]
fn a_configuration_of_the_memory_provider_is_read_and_its_mistakes_are_told_with_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, kubeconfig) = api_server(directory.path());
    let conf = directory.path().join("memory.conf");
    let memory = ["--dns-provider", "memory", "--dns-provider-config", conf.to_str().unwrap()];
    let (code, said) = controller_manager(&kubeconfig, &memory);
    assert!(code == Some(1) && said.contains("cannot read") && said.contains("memory.conf"), "{said}");
    for (text, says) in [
        ("[Global]\nregistry = dynamodb\n", "memory.conf:2: registry: `dynamodb` is none; it is metadata or txt"),
        ("[Global]\n\ntxt-prfix = x\n", "memory.conf:3: key `txt-prfix` is not known"),
    ] {
        fs::write(&conf, text).unwrap();
        let (code, said) = controller_manager(&kubeconfig, &memory);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("could not set up DNS provider `memory`") && said.contains(says), "{said}");
    }
}

#[test]
fn an_unknown_provider_is_told_the_known_ones() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, kubeconfig) = api_server(directory.path());
    let (code, said) = controller_manager(&kubeconfig, &["--dns-provider", "route53"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no DNS provider `route53`; there are: azure-azuredns"), "{said}");
    assert!(said.contains("private-dns") && said.contains("memory"), "{said}");
}

/// An emulated Azure with one zone, one application and its secret; its endpoint.
fn azure(directory: &Path) -> (Running, String) {
    let mut command = kfed(["emulate", "azure-dns", "--zone", "example.org", "--resource-group", "dns"]);
    command.args(["--client-id", "app", "--ca-out"]).arg(directory.join("ca.pem")).env("KFED_EMULATE_SECRET", "right");
    let mut azure = Running::start(&mut command);
    let arm = azure.line(|line| line.starts_with("arm https://"));
    azure.line(|line| line.starts_with("dns 127.0.0.1:"));
    (azure, arm.trim_start_matches("arm ").to_owned())
}

fn dns_conf(arm: &str, secret: &str) -> String {
    format!(
        "[Global]\nsubscription-id = 00000000-0000-4000-8000-000000000001\ntenant-id = 00000000-0000-4000-8000-000000000002\n\
         client-id = app\nsecret = {secret}\nresourceGroup = dns\n\
         resource-manager-endpoint = {arm}\nauthority-host = {arm}\nca-file = ca.pem\n"
    )
}

#[test]
fn a_wrong_secret_is_told_in_entras_words_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, kubeconfig) = api_server(directory.path());
    let (_azure, arm) = azure(directory.path());
    let (code, said) = with_dns_conf(directory.path(), &kubeconfig, &dns_conf(&arm, "mistaken-secret"));
    assert_eq!(code, Some(1));
    assert!(said.contains("AADSTS7000215"), "{said}");
    assert!(!said.contains("mistaken-secret"), "{said}");
}

#[test]
fn a_zone_that_is_missing_is_told_with_those_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, kubeconfig) = api_server(directory.path());
    let (_azure, arm) = azure(directory.path());
    let (code, said) = with_dns_conf(directory.path(), &kubeconfig, &dns_conf(&arm, "right"));
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no zone `example.com`; there are: example.org"), "{said}");
}

#[test]
fn a_member_that_refuses_leaves_nothing_half_made() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, federation) = api_server(directory.path());
    let mut command = kfed(["controller-manager", "--federation-name", "fed", "--dns-zone-name", "example.com"]);
    let conf = directory.path().join("memory.conf");
    fs::write(&conf, "[Global]\nregistry = txt\ntxt-prefix = _kfed-\n").unwrap();
    command.args(["--dns-provider", "memory", "--dns-provider-config"]).arg(&conf).arg("--kubeconfig").arg(&federation);
    let mut manager = Running::start(&mut command);

    let member = directory.path().join("member");
    let mut command = kfed(["emulate", "cluster", "fed-west", "--kubeconfig-out"]);
    let mut cluster = Running::start(command.arg(&member));
    cluster.line(|line| line.starts_with("api "));
    let (federation, member) = (federation.to_str().unwrap(), member.to_str().unwrap());
    let join = |member: &str| {
        let args = ["join", "fed-west", "--kubeconfig", federation, "--cluster-kubeconfig", member];
        let (code, stdout, stderr) = outcome(args);
        (code, stdout, words(&stderr))
    };
    // The federation's own kinds must be there first, and a join that is tried before is an error that changes nothing.
    let mut joined = join(member);
    for _ in 0..100 {
        if joined.0 == Some(0) {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        joined = join(member);
    }
    assert_eq!(joined.0, Some(0), "{joined:?}");
    assert!(joined.1.starts_with("cluster fed-west has joined"), "{joined:?}");

    let twin = ["join", "a-twin", "--kubeconfig", federation, "--cluster-kubeconfig", member];
    let (code, _, stderr) = outcome(twin.into_iter().chain(["--cluster-context", "fed-west"]));
    assert_eq!(code, Some(1));
    assert!(words(&stderr).contains("a-twin is a cluster that has joined before, as fed-west"), "{stderr}");

    let stranger = directory.path().join("stranger");
    let text = fs::read_to_string(member).unwrap();
    let token = text.lines().find(|line| line.trim_start().starts_with("token:")).unwrap();
    fs::write(&stranger, text.replace(token, "    token: wrong").replace("fed-west", "fed-east")).unwrap();
    let args = ["join", "fed-east", "--kubeconfig", federation, "--cluster-kubeconfig", stranger.to_str().unwrap()];
    let (code, _, stderr) = outcome(args);
    assert_eq!(code, Some(1));
    assert!(words(&stderr).contains("member fed-east refuses"), "{stderr}");
    let (code, _, stderr) = outcome(["unjoin", "fed-east", "--kubeconfig", federation]);
    assert_eq!(code, Some(1));
    assert!(words(&stderr).contains("there is no member fed-east; members are: fed-west"), "{stderr}");

    let (code, stdout, stderr) = outcome(["unjoin", "fed-west", "--kubeconfig", federation]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout, "cluster fed-west has left\n");
    manager.signal("TERM");
    assert_eq!(manager.wait().unwrap().code(), Some(0), "{}", manager.said());
}
