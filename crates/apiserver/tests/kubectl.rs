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
            .arg("--kubeconfig")
            .arg(self.dir.join("config"))
            .arg("--cache-dir")
            .arg(self.dir.join("cache"))
            .args(arguments.split_whitespace())
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

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_creates_from_flags_in_protobuf() {
    let Some(kubectl) = Kubectl::start("flags").await else { return };
    let cases = [
        ("create namespace demo", "namespace/demo created"),
        (
            "create clusterrolebinding permissive --clusterrole=cluster-admin --user=client --group=system:serviceaccounts",
            "clusterrolebinding.rbac.authorization.k8s.io/permissive created",
        ),
        ("create configmap settings --from-literal=a=b --from-literal=c=d", "configmap/settings created"),
        ("create secret generic creds --from-literal=a=b", "secret/creds created"),
        ("create serviceaccount robot", "serviceaccount/robot created"),
        ("create deployment web --image=example.com/web:1 --replicas=0 --port=80", "deployment.apps/web created"),
        ("create service loadbalancer web --tcp=8000:80", "service/web created"),
        ("create role r --verb=get,list --resource=pods,deployments.apps", "role.rbac.authorization.k8s.io/r created"),
        (
            "create rolebinding rb --role=r --serviceaccount=default:robot",
            "rolebinding.rbac.authorization.k8s.io/rb created",
        ),
        ("create clusterrole cr --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/cr created"),
        ("create quota q --hard=pods=1,cpu=2", "resourcequota/q created"),
        ("create job j --image=example.com/job:1 -- sleep 1", "job.batch/j created"),
        ("create cronjob c --image=example.com/job:1 --schedule=@daily", "cronjob.batch/c created"),
        ("create ingress i --rule=h.example.com/p=web:80", "ingress.networking.k8s.io/i created"),
        ("create poddisruptionbudget p --selector=a=b --min-available=50%", "poddisruptionbudget.policy/p created"),
        ("autoscale deployment web --max=3", "horizontalpodautoscaler.autoscaling/web autoscaled"),
        ("auth can-i create pods", "yes"),
        ("auth can-i get /healthz", "yes"),
        ("auth can-i --list", "*.*"),
        ("auth whoami", "system:masters"),
        ("create token robot", "secret"),
    ];
    for (command, expected) in cases {
        let text = kubectl.ok(command, "").await;
        assert!(text.contains(expected), "kubectl {command}: {text}");
    }
    let shown = [
        (
            "get clusterrolebinding permissive -o jsonpath={.roleRef.name}/{.subjects[*].name}",
            "cluster-admin/client system:serviceaccounts",
        ),
        ("get configmap settings -o jsonpath={.data}", r#"{"a":"b","c":"d"}"#),
        ("get secret creds -o jsonpath={.data.a}", "Yg=="),
        (
            "get deploy web -o jsonpath={.spec.replicas}/{.spec.template.spec.containers[0].ports[0].containerPort}",
            "0/80",
        ),
        ("get svc web -o jsonpath={.spec.type}/{.spec.ports[0].targetPort}", "LoadBalancer/80"),
        ("get quota q -o jsonpath={.spec.hard}", r#"{"cpu":"2","pods":"1"}"#),
        ("get cronjob c -o jsonpath={.spec.schedule}", "@daily"),
        ("get ingress i -o jsonpath={.spec.rules[0].http.paths[0].pathType}", "Exact"),
        ("get pdb p -o jsonpath={.spec.minAvailable}", "50%"),
        ("get hpa web -o jsonpath={.spec.maxReplicas}", "3"),
    ];
    for (command, expected) in shown {
        assert_eq!(kubectl.ok(command, "").await, expected, "kubectl {command}");
    }
    kubectl.stop().await;
}
