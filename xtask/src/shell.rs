//! Running other programs: announced, without stdin, free of the variables that cargo sets for its own children.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::{env, fmt, thread};

use crate::summary::Counts;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what to do about it.
#[derive(Debug)]
pub(crate) struct Error {
    what: String,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// Says what to do, unless a cause nearer to the failure has said so already.
    #[must_use]
    pub(crate) fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  to do: {hint}"),
            None => Ok(()),
        }
    }
}

/// The directory that holds the workspace's manifest. Asked of the cargo that runs this, since clones that share a target
/// directory share this program too; what it was compiled with is for who starts it by hand.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().expect("xtask lies in a directory of the workspace").to_owned()
}

/// A command that runs in the workspace's root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// `cargo ARGS…` as a person would start it. What `cargo run` told this process about itself (`CARGO_PKG_NAME`, …) is
/// taken away again: build scripts watch those variables, and would run anew at every change between the two.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_private_to_a_crate) {
            command.env_remove(name);
        }
    }
    // The output passes through a pipe (its summaries are counted), so cargo cannot see the terminal behind it.
    if env::var_os("CARGO_TERM_COLOR").is_none() && colour() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.args(args);
    command
}

/// Whether what is printed here should be coloured: as `CARGO_TERM_COLOR` says, else on a terminal that wants it.
pub(crate) fn colour() -> bool {
    match env::var("CARGO_TERM_COLOR").as_deref() {
        Ok("always") => true,
        Ok("never") => false,
        _ => env::var_os("NO_COLOR").is_none() && io::stderr().is_terminal(),
    }
}

fn is_private_to_a_crate(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| variable.starts_with(prefix))
        || matches!(variable, "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR")
}

/// The command line as one could type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// Runs a command to its end with its output passed through as it comes, and counts the tests it reports.
pub(crate) fn run(command: &mut Command) -> Result<Counts, (Counts, Error)> {
    println!("$ {}", describe(command));
    let (status, counts) = tee(command).map_err(|error| (Counts::default(), cannot_start(command, &error)))?;
    if status.success() {
        Ok(counts)
    } else {
        Err((counts, Error::new(format!("`{}` ended with {status}", describe(command)))))
    }
}

/// Runs a command quietly; its standard output is the result.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("`{}` ended with {}: {}", describe(command), output.status, said.trim())))
}

fn cannot_start(command: &Command, error: &io::Error) -> Error {
    Error::new(format!("cannot start `{}`: {error}", describe(command)))
}

fn tee(command: &mut Command) -> io::Result<(ExitStatus, Counts)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    let behind = thread::spawn(move || pass_through(stderr, io::stderr()));
    let mut counts = pass_through(stdout, io::stdout());
    counts += behind.join().expect("passing bytes on does not panic");
    Ok((child.wait()?, counts))
}

/// Copies byte by byte, unfiltered, and counts the summary lines that come by. A reader that has gone away (`| head`)
/// does not end the run.
fn pass_through(mut from: impl Read, mut to: impl Write) -> Counts {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..read];
        to.write_all(bytes).and_then(|()| to.flush()).ok();
        for &byte in bytes {
            if byte == b'\n' {
                counts += Counts::of_line(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    counts + Counts::of_line(&String::from_utf8_lossy(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_described_as_one_would_type_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["nextest", "run", "-E", "not binary(e2e)"]);
        assert_eq!(describe(&command), "cargo nextest run -E 'not binary(e2e)'");
    }

    #[test]
    fn output_passes_through_unchanged_while_it_is_counted() {
        let said =
            "noise\n     Summary [   0.010s] 3 tests run: 2 passed, 1 failed, 0 skipped\nlast line without an end";
        let mut seen = Vec::new();
        assert_eq!(pass_through(said.as_bytes(), &mut seen), Counts { passed: 2, failed: 1 });
        assert_eq!(seen, said.as_bytes());
    }

    #[test]
    fn a_failing_command_tells_what_it_said() {
        let error = capture(program("sh").args(["-c", "echo no such zone >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("no such zone") && error.contains('3'), "{error}");
    }

    #[test]
    fn the_hint_nearest_to_the_failure_wins() {
        let error = Error::new("no dig").or_hint("install it").or_hint("run again");
        assert_eq!(error.to_string(), "no dig\n  to do: install it");
    }

    #[test]
    fn cargo_does_not_inherit_what_cargo_said_about_this_crate() {
        // The test itself runs under cargo, which sets these.
        let command = cargo(["--version"]);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(removed.contains(&OsStr::new("CARGO_PKG_NAME")), "{removed:?}");
        assert!(removed.contains(&OsStr::new("CARGO_MANIFEST_DIR")), "{removed:?}");
    }
}
