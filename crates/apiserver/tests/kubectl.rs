//! A real kubectl, over TLS. Where there is none these tests say so and pass.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "says what was skipped")]

mod support;

use std::path::PathBuf;
use std::process::Stdio;

use kfed_apiserver::ApiServer;
use kfed_apiserver::serve::{ServeOptions, Serving, serve};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

struct Kubectl {
    serving: Serving,
    dir: PathBuf,
}

impl Kubectl {
    /// `None` where no kubectl is installed.
    async fn start(name: &str) -> Option<Self> {
        let version = Command::new("kubectl").args(["version", "--client"]).output().await;
        if !version.is_ok_and(|v| v.status.success()) {
            eprintln!("skipped: no kubectl is installed");
            return None;
        }
        let server = ApiServer::builder().bearer_token("secret").build();
        let options = ServeOptions { name: "fed".to_owned(), token: "secret".to_owned(), names: Vec::new() };
        let serving = serve(server, std::net::TcpListener::bind("127.0.0.1:0").unwrap(), options).await.unwrap();
        let dir = std::env::temp_dir().join(format!("kfed-kubectl-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("config"), serving.kubeconfig()).unwrap();
        Some(Self { serving, dir })
    }

    /// Runs a command, with `input` on stdin; code, stdout and stderr.
    async fn run(&self, arguments: &str, input: &str) -> (bool, String) {
        let mut child = Command::new("kubectl")
            .args(arguments.split_whitespace())
            .arg("--kubeconfig")
            .arg(self.dir.join("config"))
            .arg("--cache-dir")
            .arg(self.dir.join("cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    }

    #[track_caller]
    fn ok(&self, arguments: &str, input: &str) -> impl Future<Output = String> {
        let at = std::panic::Location::caller();
        async move {
            let (ok, text) = self.run(arguments, input).await;
            assert!(ok, "{at}: kubectl {arguments}: {text}");
            text
        }
    }

    async fn stop(self) {
        self.serving.shutdown().await;
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_creates_applies_scales_waits_and_deletes() {
    let Some(kubectl) = Kubectl::start("workloads").await else { return };
    let deployment = support::deployment("web").to_string();
    assert!(kubectl.ok("get namespaces", "").await.contains("kube-system"));
    assert_eq!(kubectl.ok("create -f -", &deployment).await, "deployment.apps/web created\n");
    let table = kubectl.ok("get deploy,svc", "").await;
    assert!(table.contains("UP-TO-DATE") && table.contains("CLUSTER-IP") && table.contains("10.96.0.1"), "{table}");
    assert!(kubectl.ok("apply -f -", &deployment).await.contains("deployment.apps/web configured"));
    assert!(kubectl.ok("apply -f -", &deployment).await.contains("deployment.apps/web unchanged"));
    let map = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}"#;
    assert!(kubectl.ok("apply --server-side -f -", map).await.contains("configmap/settings serverside-applied"));
    assert_eq!(kubectl.ok("scale deploy web --replicas=5", "").await, "deployment.apps/web scaled\n");
    assert_eq!(kubectl.ok("get deploy web -o jsonpath={.spec.replicas}", "").await, "5");
    assert!(kubectl.ok("label deploy web tier=front", "").await.contains("labeled"));
    assert!(kubectl.ok("expose deploy web --port=80 --type=LoadBalancer", "").await.contains("service/web exposed"));
    assert!(kubectl.ok("get svc web", "").await.contains("LoadBalancer"));
    assert!(kubectl.ok("describe svc web", "").await.contains("NodePort"));
    assert!(kubectl.ok("delete deploy web", "").await.contains("deleted"));
    let (ok, text) = kubectl.run("get deploy web", "").await;
    assert!(!ok && text.contains("Error from server (NotFound): deployments.apps \"web\" not found"), "{text}");
    let namespace = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}"#;
    kubectl.ok("create -f -", namespace).await;
    kubectl.ok("delete namespace demo --timeout=20s", "").await;
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_works_with_custom_resources() {
    let Some(kubectl) = Kubectl::start("custom").await else { return };
    let mut definition = support::definition("things", "Thing");
    definition["spec"]["names"]["shortNames"] = serde_json::json!(["th"]);
    definition["spec"]["versions"][0]["additionalPrinterColumns"] =
        serde_json::json!([{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]);
    kubectl.ok("create -f -", &definition.to_string()).await;
    kubectl.ok("wait --for=condition=Established crd/things.example.com --timeout=20s", "").await;
    let thing = r#"{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 3}}"#;
    assert!(kubectl.ok("apply -f -", thing).await.contains("thing.example.com/a created"));
    assert!(kubectl.ok("apply -f -", &thing.replace('3', "4")).await.contains("configured"));
    let table = kubectl.ok("get th", "").await;
    assert!(table.contains("SIZE") && table.contains('4'), "{table}");
    assert!(kubectl.ok("api-resources --api-group=example.com", "").await.contains("things"));
    assert!(kubectl.ok("explain things", "").await.contains("Thing"));
    kubectl.ok("delete crd things.example.com --timeout=20s", "").await;
    kubectl.stop().await;
}
