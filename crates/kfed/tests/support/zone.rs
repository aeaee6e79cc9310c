//! A federation in processes: an API, an emulated Azure with one zone, members, a control plane; and a look at all of them from outside.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kfed_dnsprovider::{DnsProvider, RecordData, RecordSet, RecordSetKey, RecordType, Registry, Zone};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Running, kfed, outcome, run, words};

/// From one look to the next at what takes time.
const POLL: Duration = Duration::from_millis(200);
/// How many looks it may take.
const LOOKS: usize = 300;

pub(crate) const FEDERATION: &str = "fed";
pub(crate) const ZONE: &str = "example.com";

/// The processes, without a control plane.
pub(crate) struct Fleet {
    directory: tempfile::TempDir,
    runtime: Runtime,
    client: Client,
    dns: DnsProvider,
    pub(crate) zone: Zone,
    /// Where its names are answered.
    pub(crate) answers: SocketAddr,
    /// They end with this.
    _processes: Vec<Running>,
}

impl Fleet {
    /// Members of these names, each in region `NAMEus`, still to be joined.
    pub(crate) fn start(members: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let mut processes = Vec::new();
        let mut started = |arguments: &[&str], last: &str| {
            let mut running =
                Running::start(kfed(arguments).current_dir(directory.path()).env("KFED_EMULATE_SECRET", "right"));
            running.line(|said| said.starts_with(last));
            let said = running.stdout();
            processes.push(running);
            move |start: &str| said.lines().find_map(|line| line.strip_prefix(start)).unwrap().to_owned()
        };
        let _api = started(&["apiserver", "--name", FEDERATION, "--kubeconfig-out", "kubeconfig"], "api ");
        for member in members {
            let region = format!("{member}us");
            let _api =
                started(&["emulate", "cluster", member, "--region", &region, "--kubeconfig-out", member], "api ");
        }
        let azure = ["emulate", "azure-dns", "--zone", ZONE, "--resource-group", "dns", "--client-id", "app"];
        let azure = started(&[&azure[..], &["--ca-out", "ca.pem"]].concat(), "dns ");
        let (arm, answers) = (azure("arm "), azure("dns ").parse().unwrap());
        let conf = format!(
            "[Global]\nsubscription-id = 00000000-0000-4000-8000-000000000001\n\
             tenant-id = 00000000-0000-4000-8000-000000000002\nclient-id = app\nsecret = right\nresourceGroup = dns\n\
             resource-manager-endpoint = {arm}\nauthority-host = {arm}\nca-file = ca.pem\n"
        );
        std::fs::write(path("dns.conf"), conf).unwrap();

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, dns, zone) = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(path("kubeconfig")).unwrap();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            let azure = &kfed_dnsprovider_azure::PUBLIC;
            let mut registry = Registry::default();
            let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
            registry.register(azure.provider, kfed_dnsprovider_azure::factory(azure, clock)).unwrap();
            let dns = registry.create(azure.provider, Some(&path("dns.conf"))).await.unwrap();
            let zone = dns.find_zone(&ZONE.parse().unwrap()).await.unwrap();
            (Client::try_from(config).unwrap(), dns, zone)
        });
        Self { directory, runtime, client, dns, zone, answers, _processes: processes }
    }

    /// Starts a control plane.
    pub(crate) fn control_plane(&self, more: &[&str]) -> Running {
        let mut command = kfed(["controller-manager", "--kubeconfig", "kubeconfig", "--probe-period", "1s"]);
        command.args(["--federation-name", FEDERATION, "--dns-zone-name", ZONE, "--dns-provider-config", "dns.conf"]);
        Running::start(command.args(more).current_dir(self.directory.path()))
    }

    /// Joins a member, once the control plane has made the API a federation's.
    pub(crate) fn join(&self, member: &str) {
        let kubeconfig = self.path(member);
        let join = || self.kfed(&["join", member, "--cluster-kubeconfig", kubeconfig.to_str().unwrap()], false);
        eventually("the member joins", join, |(code, ..)| *code == Some(0));
    }

    /// A ReplicaSet of two replicas a member, and a Service that leads to it.
    pub(crate) fn serve(&self, name: &str, replicas: u32) {
        let labels = json!({"run": name});
        let pod = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}});
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod},
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "LoadBalancer", "selector": labels, "ports": [{"name": "http", "port": 8000}]},
        });
        self.apply("apps", "v1", "ReplicaSet", name, &set);
        self.apply("", "v1", "Service", name, &service);
    }

    fn apply(&self, group: &str, version: &str, kind: &str, name: &str, object: &Value) {
        let objects = self.objects(group, version, kind);
        let how = PatchParams::apply("test").force();
        self.runtime.block_on(objects.patch(name, &how, &Patch::Apply(object))).unwrap();
    }

    pub(crate) fn annotate(&self, service: &str, key: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let services = self.objects("", "v1", "Service");
        self.runtime.block_on(services.patch(service, &PatchParams::default(), &Patch::Merge(&patch))).unwrap();
    }

    pub(crate) fn delete_service(&self, name: &str) {
        self.runtime.block_on(self.objects("", "v1", "Service").delete(name, &Default::default())).unwrap();
    }

    pub(crate) fn service(&self, name: &str) -> Option<Value> {
        let service = self.runtime.block_on(self.objects("", "v1", "Service").get_opt(name)).unwrap();
        service.map(|service| serde_json::to_value(service).unwrap())
    }

    fn objects(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), "default", &resource)
    }

    /// Puts a set into the zone, whatever is there, as somebody else would.
    pub(crate) fn put(&self, set: RecordSet) -> RecordSet {
        use kfed_dnsprovider::Precondition;
        let there = self.get(&set.key);
        let precondition = match there.and_then(|there| there.etag) {
            Some(etag) => Precondition::Unchanged(etag),
            None => Precondition::Absent,
        };
        self.runtime.block_on(self.dns.put(&self.zone.id, set, precondition)).unwrap()
    }

    pub(crate) fn get(&self, key: &RecordSetKey) -> Option<RecordSet> {
        self.runtime.block_on(self.dns.get(&self.zone.id, key)).unwrap()
    }

    /// `kfed` with `args` against this federation and its zone: exit code, stdout, stderr.
    pub(crate) fn dns(&self, args: &[&str]) -> (Option<i32>, String, String) {
        self.kfed(&[&["dns"], args].concat(), true)
    }

    /// The same as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let (code, stdout, stderr) = self.dns(&[args, &["-o", "json"]].concat());
        let value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
        (code, value)
    }

    pub(crate) fn kfed(&self, args: &[&str], zone: bool) -> (Option<i32>, String, String) {
        let mut command = kfed(args);
        command.arg("--kubeconfig").arg(self.path("kubeconfig"));
        if zone {
            command.arg("--dns-provider-config").arg(self.path("dns.conf"));
        }
        let output = run(&mut command);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), words(&text(&output.stderr)))
    }

    /// Audits until the zone is as `fits` says; the summary.
    pub(crate) fn audited(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let audit = || self.json(&["audit"]).1;
        eventually(what, audit, |audit| fits(audit))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::join(self.directory.path(), name)
    }
}

/// Looks until something is as expected.
pub(crate) fn eventually<T: std::fmt::Debug>(what: &str, look: impl Fn() -> T, fits: impl Fn(&T) -> bool) -> T {
    let mut seen = look();
    for _ in 0..LOOKS {
        if fits(&seen) {
            return seen;
        }
        std::thread::park_timeout(POLL);
        seen = look();
    }
    panic!("{what}: {seen:?}")
}

/// A set that says nothing of an owner.
pub(crate) fn bare(record_type: &str, name: &str, data: &[&str]) -> RecordSet {
    let record_type = RecordType::parse(record_type).unwrap();
    let name = if name == "@" { ZONE.to_owned() } else { format!("{name}.{ZONE}") };
    let datum = |text: &&str| match record_type {
        RecordType::Txt => RecordData::Txt(vec![(*text).to_owned()]),
        record_type => RecordData::parse(record_type, text).unwrap(),
    };
    RecordSet {
        key: RecordSetKey::new(name.parse().unwrap(), record_type),
        ttl: 60,
        data: data.iter().map(datum).collect(),
        metadata: Default::default(),
        etag: None,
        alias: false,
        unknown_properties: false,
    }
}

/// Wrong usage: exit code and what is said.
pub(crate) fn refused(args: &[&str]) -> (Option<i32>, String) {
    let (code, stdout, stderr) = outcome([&["dns"], args].concat());
    assert_eq!(stdout, "", "{args:?}");
    (code, words(&stderr))
}
