//! Running `kfed` and other programs as processes, with deadlines.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// The longest that any one program may run or say nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The built program, with nothing in its environment that could lead it astray.
pub(crate) fn kfed<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kfed"));
    command.args(args).env_remove("KUBECONFIG").env_remove("KFED_LOG").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    let told = format!("{command:?}");
    let mut running = Running::start(command);
    let status = running.wait().unwrap_or_else(|| panic!("{told} did not end: {}", running.said()));
    Output { status, stdout: running.stdout().into_bytes(), stderr: running.stderr().into_bytes() }
}

/// Runs `kfed` to its end: its exit code, stdout and stderr.
pub(crate) fn outcome<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> (Option<i32>, String, String) {
    let output = run(&mut kfed(args));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Words of a text, without the line breaks and boxes that a terminal's width brings.
pub(crate) fn words(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || "│╭╰─×·".contains(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A program that runs. It is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Option<thread::JoinHandle<String>>,
    stderr: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { child, lines, seen: Vec::new(), errors: Some(errors), stderr: String::new() }
    }

    /// Waits for a line on stdout that `fits`.
    pub(crate) fn line(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if fits(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("the line did not come: {}", self.said()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.wait();
                    panic!("it ended with {status:?}: {}", self.said());
                }
            }
        }
    }

    /// Sends a signal, as Ctrl-C (`INT`) or a service manager (`TERM`) does.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits for the end; none when it does not come.
    pub(crate) fn wait(&mut self) -> Option<ExitStatus> {
        let pause = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.seen.extend(self.lines.iter());
                self.collect_errors();
                return Some(status);
            }
            thread::park_timeout(pause);
        }
        None
    }

    /// What came on stdout so far, or in all when it has ended.
    pub(crate) fn stdout(&self) -> String {
        self.seen.iter().map(|line| format!("{line}\n")).collect()
    }

    /// What came on stderr, when it has ended.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.clone()
    }

    /// Everything, for a failure.
    pub(crate) fn said(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.collect_errors();
        format!("--- stdout\n{}--- stderr\n{}", self.stdout(), self.stderr)
    }

    fn collect_errors(&mut self) {
        if let Some(errors) = self.errors.take() {
            self.stderr = errors.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
