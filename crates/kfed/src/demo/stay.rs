//! What there is to try while the demo stays up.

use super::names::{FEDERATION, PORT};
use super::stage::Stage;

/// Tells where everything is.
pub(super) fn up(stage: &Stage) {
    let kubeconfig = stage.fleet.kubeconfig();
    let directory = stage.fleet.directory();
    let (kubeconfig, directory) = (kubeconfig.display(), directory.display());
    let (first, second) = (&stage.names.first, &stage.names.second);
    let name = stage.names.global();
    let dns = stage.resolver().server;
    let (ip, port) = (dns.ip(), dns.port());
    let address = stage.address(first).map(|address| address.to_string()).unwrap_or_default();
    let api = stage.fleet.member_url(first).unwrap_or_default();
    let break_it = r#"{"api": "hang", "lb": "hang"}"#;
    let mend_it = r#"{"api": "ok", "lb": "ok"}"#;
    stage.reporter.say(format_args!(
        r#"
The federation stays up. In another terminal:

  export KUBECONFIG={kubeconfig}
  kubectl --context {FEDERATION} get clusters
  kubectl --context {FEDERATION} get rs,svc
  kubectl --context {first} get pods
  kubectl --context {FEDERATION} replace -f {directory}hostname-replicaset.yaml
  kubectl --context {FEDERATION} replace -f {directory}hostname-replicaset-preferences.yaml
  kubectl --context {FEDERATION} delete svc hostname
  kubectl --context {FEDERATION} create -f {directory}hostname-service.yaml

  dig @{ip} -p {port} {name} +short
  curl --resolve {name}:{PORT}:{address} http://{name}:{PORT}/

  curl -k -X PUT {api}/emulator/faults -d '{break_it}'   # kills {first}
  curl -k -X PUT {api}/emulator/faults -d '{mend_it}'       # brings it back
  kfed unjoin {second} --context {FEDERATION}

ready; Ctrl-C ends it"#
    ));
}
