//! What a control plane holds: one in a process of its own, as `kfed controller-manager` is, that reaches its API and its members over TLS.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kfed_apiserver::serve::{ServeOptions, Serving, serve};
use kfed_benches::resources::{memory, process_cpu_time};
use kfed_control_plane::{ControlPlane, Settings, connect};
use kfed_dnsprovider::{DnsProvider, MemoryProvider};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Size;
use crate::fleet::{ZONE, are_ready, bootstrapped, create_all, eventually, join, member_name, on_servers};
use crate::member::Member;
use crate::object::{Kind, object_name};

/// The environment's word for the control plane's process: the kubeconfig of its federation.
pub(crate) const KUBECONFIG: &str = "KFED_BENCH_KUBECONFIG";
/// How long it must have computed next to nothing: what was there for a moment only is gone again.
const QUIET: Duration = Duration::from_secs(5);
/// How long that takes to begin with, so that it has begun.
const BEGIN: Duration = Duration::from_secs(3);

/// A served API.
struct Served {
    member: Member,
    serving: Serving,
}

/// A process that is killed with its handle.
struct Process(Child);

/// `spread` is in how many members each workload is.
pub(crate) fn run(size: Size, spread: usize) {
    on_servers(measure(size, spread.min(size.members)));
}

async fn measure(size: Size, spread: usize) {
    let federation = Served::start("federation").await;
    let client = federation.member.inside();
    bootstrapped(&client).await;
    let process = Process::start(&federation.serving.kubeconfig());
    process.rests(size.patience).await;
    process.print("idle, no member, no object", 30);

    let mut members = Vec::new();
    for n in 0..size.members {
        let name = member_name(n);
        let served = Served::start(&name).await;
        join(&client, &name, served.serving.kubeconfig().as_bytes()).await;
        members.push(served);
    }
    eventually(size.patience, "the members are Ready", async || are_ready(&client).await).await;
    process.rests(size.patience).await;
    process.print(&format!("idle, {} members, no object", size.members), 30);

    let object = |n: usize| {
        let among: Vec<_> = (0..spread).map(|at| member_name((n + at) % size.members)).collect();
        Kind::ReplicaSet.among(&object_name(n), &among)
    };
    create_all(&client, Kind::ReplicaSet, size.objects, object).await;
    process.rests(size.patience).await;
    let copies = size.objects * spread;
    let what = format!("{} members, {} ReplicaSets in {spread} each, {copies} copies", size.members, size.objects);
    process.print(&what, 150);
    drop(process);

    let process = Process::start(&federation.serving.kubeconfig());
    process.rests(size.patience).await;
    process.print(&format!("{what}, after a start"), 150);
}

/// The control plane's process.
pub(crate) fn control_plane(kubeconfig: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = connect::client(kubeconfig, Duration::from_secs(10)).await.unwrap();
        let settings = Settings::new("fed", ZONE.parse().unwrap());
        let dns = DnsProvider::new(MemoryProvider::with_zone(ZONE.parse().unwrap()));
        let (epoch, start) = (Instant::now(), "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let clock = Arc::new(move || start + SignedDuration::try_from(epoch.elapsed()).unwrap());
        ControlPlane::builder(client, settings, dns, clock).build().run(CancellationToken::new()).await;
    });
}

// === impl Served ===

impl Served {
    async fn start(name: &str) -> Self {
        let member = Member::new(name, &Handle::current());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = ServeOptions { name: name.to_owned(), ..ServeOptions::default() };
        let serving = serve(member.clone(), listener, options).await.unwrap();
        Self { member, serving }
    }
}

// === impl Process ===

impl Process {
    fn start(kubeconfig: &str) -> Self {
        let this = std::env::current_exe().unwrap();
        let child = Command::new(this).env(KUBECONFIG, kubeconfig).stdin(Stdio::null()).spawn();
        Self(child.unwrap())
    }

    /// Waits until it computes next to nothing.
    async fn rests(&self, patience: Duration) {
        let cpu = || process_cpu_time(&self.0.id().to_string()).unwrap_or_default();
        tokio::time::sleep(BEGIN).await;
        let start = Instant::now();
        loop {
            let before = cpu();
            tokio::time::sleep(QUIET).await;
            if cpu() - before < QUIET / 20 {
                return;
            }
            assert!(start.elapsed() < patience, "the control plane never comes to rest");
        }
    }

    fn print(&self, what: &str, target: u64) {
        let pid = self.0.id().to_string();
        let of =
            |field| memory(&pid, field).map_or_else(|| "?".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
        println!(
            "memory: {what}: {} resident, of it {} its own and {} of the program's file; {} at most   (target: {target} MB)",
            of("VmRSS"),
            of("RssAnon"),
            of("RssFile"),
            of("VmHWM"),
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
