//! `cargo xtask tidy`: what the compiler does not check. One file a check; each is a pure function over loaded data.

mod banned;
mod code;
mod crate_docs;
mod deny;
mod documents;
mod fixtures;
pub(crate) mod layers;
mod length;
mod licences;
mod links;
mod manifests;
mod markers;
mod named_tests;
mod neutrality;
mod paths;
mod purity;
#[cfg(test)]
mod tests;
mod unused;
mod whitespace;
mod workspace;

use std::fmt;
use std::path::Path;

use self::workspace::Workspace;
use crate::shell::{self, Error, Result};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these checks [default: all]
    checks: Vec<String>,
    /// Say what is checked, and check nothing
    #[arg(long)]
    list: bool,
    /// Also name what is allowed but getting worse: files that grow long
    #[arg(long)]
    warn: bool,
}

/// One line of the report, `path:line: message`; ordered by place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    message: String,
}

impl Violation {
    fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

struct Check {
    name: &'static str,
    about: &'static str,
    needs: Needs,
    run: fn(&Workspace) -> Vec<Violation>,
}

/// What a check looks at: the files alone are at hand in an instant, so such checks run as a unit test too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Files,
    Graph,
}

macro_rules! checks {
    ($($module:ident $needs:ident $about:literal)*) => {
        &[$(Check { name: stringify!($module), about: $about, needs: Needs::$needs, run: $module::check }),*]
    };
}

const CHECKS: &[Check] = checks![
    purity Graph "pure crates reach no runtime, no HTTP stack and no Kubernetes client, by cargo tree"
    layers Graph "every crate has a kind, and depends on the kinds it may depend on"
    neutrality Files "dnsprovider has no word of Azure in its code"
    banned Graph "the graph is free of aws-lc, OpenSSL and sqlite"
    licences Graph "every package in the graph has a licence that may be taken"
    deny Files "deny.toml says what the checks `licences` and `banned` say"
    manifests Files "manifests inherit lints, licence and versions, and every crate has a README"
    unused Graph "no manifest names a dependency that its crate does not use"
    crate_docs Files "lib.rs and main.rs begin with what the crate is"
    length Files "no file is longer than 600 lines"
    markers Files "nothing unfinished, switched off, or left over from debugging or merging"
    whitespace Files "no trailing white space or carriage returns; files end with one newline"
    paths Files "no path of somebody's machine"
    fixtures Files "every file under a fixtures folder is named by a test or a README"
    documents Files "README, ARCHITECTURE (with every crate on its map), CHANGELOG, LICENSE, .ci/run"
    named_tests Files "a test that a page names is there"
    links Files "relative links and anchors in Markdown lead somewhere"
];

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.list {
        for check in CHECKS {
            println!("{:<12} {}", check.name, check.about);
        }
        return Ok(());
    }
    let chosen = chosen(&args.checks)?;
    let workspace = load(&shell::root(), &chosen)?;
    if args.warn {
        length::warnings(&workspace).iter().for_each(|warning| println!("{warning} (allowed)"));
    }
    report(&workspace, &chosen)
}

/// All checks, as a step of `cargo xtask test`.
pub(crate) fn check_all(root: &Path) -> Result<()> {
    let all: Vec<&Check> = CHECKS.iter().collect();
    report(&load(root, &all)?, &all)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Check>> {
    if names.is_empty() {
        return Ok(CHECKS.iter().collect());
    }
    let find = |name: &String| {
        CHECKS.iter().find(|check| check.name == name).ok_or_else(|| {
            Error::new(format!("there is no check `{name}`")).or_hint("`cargo xtask tidy --list` names them")
        })
    };
    names.iter().map(find).collect()
}

fn load(root: &Path, checks: &[&Check]) -> Result<Workspace> {
    if checks.iter().any(|check| check.needs == Needs::Graph) {
        Workspace::load(root)
    } else {
        Workspace::load_files(root)
    }
}

fn report(workspace: &Workspace, checks: &[&Check]) -> Result<()> {
    let violations = violations(workspace, checks);
    for (violation, check) in &violations {
        println!("{violation} [{check}]");
    }
    match violations.len() {
        0 => {
            println!("tidy: {} files, {} checks, nothing to say", workspace.files.len(), checks.len());
            Ok(())
        }
        count => Err(Error::new(format!("{count} violation{}", if count == 1 { "" } else { "s" }))),
    }
}

/// Sorted by place, each with the name of its check.
fn violations<'a>(workspace: &Workspace, checks: &[&'a Check]) -> Vec<(Violation, &'a str)> {
    let mut found: Vec<_> =
        checks.iter().flat_map(|check| (check.run)(workspace).into_iter().map(|v| (v, check.name))).collect();
    found.sort();
    found
}
