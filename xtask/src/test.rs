//! `cargo xtask test`: the one command that sets up what is missing and runs everything.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::metadata::{Metadata, Package};
use crate::setup::{self, Tools};
use crate::shell::{self, Error, Result};
use crate::summary::Counts;
use crate::tidy::{self, layers};

/// The test binary that wants kubectl, dig and the built `kfed`.
const END_TO_END: &str = "e2e";

/// Every crate that others may take, without building it once more from its package.
const PACKAGE: &str =
    "package --workspace --exclude kfed-benches --exclude xtask --no-verify --allow-dirty --offline --quiet";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out the end-to-end run, and with it the need for kubectl and dig
    #[arg(long)]
    skip_e2e: bool,
    /// Only these steps, in their usual order [default: all]
    #[arg(value_enum)]
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    /// Find or fetch kubectl and dig
    Setup,
    /// Formatting
    Fmt,
    /// Compiler and clippy, warnings denied
    Clippy,
    /// The project's invariants
    Tidy,
    /// Unit and integration tests
    Unit,
    /// Examples in the documentation
    Doc,
    /// Each feature and each pure crate alone
    Features,
    /// Each crate as it would be published
    Package,
    /// The walk-through with real kubectl and dig
    E2e,
}

/// What the steps need to know.
struct Context {
    metadata: Metadata,
    tools: Option<Tools>,
    nextest: bool,
}

struct Finished {
    step: Step,
    took: Duration,
    ok: bool,
}

/// The last line is always how many tests passed and failed, so a failure is told before it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let steps = chosen(args);
    let mut context = Context { metadata: Metadata::load(&shell::root())?, tools: None, nextest: setup::nextest() };
    let mut finished = Vec::new();
    let mut counts = Counts::default();
    let mut failure = None;
    for (index, &step) in steps.iter().enumerate() {
        println!("\n==> {}/{} {}: {}", index + 1, steps.len(), name(step), about(step));
        let start = Instant::now();
        let outcome = step.run(&mut context);
        let took = start.elapsed();
        let (counted, error) = match outcome {
            Ok(counted) => (counted, None),
            Err((counted, error)) => (counted, Some(error.or_hint(what_to_do(step)))),
        };
        counts += counted;
        finished.push(Finished { step, took, ok: error.is_none() });
        println!("    {} {} after {:.1} s", name(step), result(error.is_none()), took.as_secs_f64());
        if let Some(error) = error {
            failure = Some(Error::new(format!("step {} failed: {error}", name(step))));
            break;
        }
    }
    print!("\n{}", table(&finished, &steps));
    if let Some(error) = &failure {
        println!("\nerror: {error}");
    }
    println!("\n{} passed, {} failed", counts.passed, counts.failed);
    Ok(if failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The steps to run, in order; the end-to-end run brings its setup with it.
fn chosen(args: &Args) -> Vec<Step> {
    let wanted = |step: &Step| args.steps.is_empty() || args.steps.contains(step);
    let end_to_end = !args.skip_e2e && wanted(&Step::E2e);
    Step::value_variants()
        .iter()
        .filter(|step| match step {
            Step::Setup => end_to_end || args.steps.contains(&Step::Setup),
            Step::E2e => end_to_end,
            step => wanted(step),
        })
        .copied()
        .collect()
}

impl Step {
    fn run(self, context: &mut Context) -> Result<Counts, (Counts, Error)> {
        match self {
            Self::Setup => setup_tools(context).map_err(uncounted),
            Self::Fmt => {
                // rustfmt asks neither cargo nor the pipe it writes to.
                let colour = if shell::colour() { "always" } else { "never" };
                cargo(&["fmt", "--all", "--check", "--", "--color", colour])
            }
            Self::Clippy => cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            Self::Tidy => tidy::check_all(&shell::root()).map(|()| Counts::default()).map_err(uncounted),
            Self::Unit => all(unit(context)),
            Self::Doc => cargo(&["test", "--locked", "--doc", "--workspace", "--no-fail-fast"]),
            Self::Features => all(feature_checks(&context.metadata)),
            Self::Package => cargo(&PACKAGE.split(' ').collect::<Vec<_>>()),
            Self::E2e => end_to_end(context),
        }
    }
}

fn name(step: Step) -> String {
    step.to_possible_value().expect("no step is hidden").get_name().to_owned()
}

fn about(step: Step) -> String {
    let value = step.to_possible_value().expect("no step is hidden");
    value.get_help().map(ToString::to_string).unwrap_or_default()
}

fn what_to_do(step: Step) -> &'static str {
    match step {
        Step::Setup => "install kubectl and dig, or leave out the end-to-end run with --skip-e2e",
        Step::Fmt => "run `cargo fmt --all`",
        Step::Clippy => "mend what clippy names; `cargo clippy --fix` does some of it",
        Step::Tidy => "mend the lines named above; `cargo xtask tidy --list` tells what each check is for",
        Step::Unit => "mend the tests named above; `cargo nextest run NAME` runs one alone",
        Step::Doc => "mend the examples named above; `cargo test --doc -p CRATE` runs one crate's",
        Step::Features => "a crate leans on a feature that only another crate turns on: name it in its own Cargo.toml",
        Step::Package => {
            "a crate to publish needs versions of what it depends on, a licence, a description, and all its files in its folder"
        }
        Step::E2e => "run it alone with `cargo xtask test e2e`; `cargo run -- demo` shows the same walk-through",
    }
}

fn uncounted(error: Error) -> (Counts, Error) {
    (Counts::default(), error)
}

fn cargo(args: &[&str]) -> Result<Counts, (Counts, Error)> {
    shell::run(&mut shell::cargo(args))
}

/// Runs each, stops at the first failure, and keeps what was counted until then.
fn all(commands: Vec<Vec<String>>) -> Result<Counts, (Counts, Error)> {
    let mut counts = Counts::default();
    for args in commands {
        match shell::run(&mut shell::cargo(args)) {
            Ok(counted) => counts += counted,
            Err((counted, error)) => return Err((counts + counted, error)),
        }
    }
    Ok(counts)
}

fn setup_tools(context: &mut Context) -> Result<Counts> {
    let tools = setup::tools(&context.metadata.target_directory)?;
    println!("kubectl: {}\ndig: {}", tools.kubectl.display(), tools.dig.display());
    context.tools = Some(tools);
    Ok(Counts::default())
}

/// Everything but the end-to-end test, by nextest, or by `cargo test` where there is none.
fn unit(context: &Context) -> Vec<Vec<String>> {
    if context.nextest {
        return vec![unit_with_nextest(&context.metadata)];
    }
    println!("cargo-nextest is not installed: `cargo test` runs the tests");
    unit_without_nextest(&context.metadata)
}

/// nextest refuses a filter for a binary that does not exist.
fn unit_with_nextest(metadata: &Metadata) -> Vec<String> {
    let mut command = words(&["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]);
    if metadata.members().any(has_end_to_end) {
        command.extend(["-E".to_owned(), format!("not binary({END_TO_END})")]);
    }
    command
}

fn has_end_to_end(package: &Package) -> bool {
    package.targets.iter().any(|target| target.name == END_TO_END)
}

/// `cargo test` cannot leave out one test binary of a workspace, so its crate gets a call of its own that names all others.
fn unit_without_nextest(metadata: &Metadata) -> Vec<Vec<String>> {
    let apart: Vec<&Package> = metadata.members().filter(|package| has_end_to_end(package)).collect();
    let mut rest = words(&["test", "--locked", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    rest.extend(apart.iter().flat_map(|package| ["--exclude".to_owned(), package.name.clone()]));
    let mut commands = vec![rest];
    for package in apart {
        let mut command = words(&["test", "--locked", "--no-fail-fast", "-p", &package.name]);
        if package.has_target("lib") {
            command.push("--lib".into());
        }
        if package.has_target("bin") {
            command.push("--bins".into());
        }
        for target in package.targets.iter().filter(|target| target.name != END_TO_END) {
            if target.kind.iter().any(|kind| kind == "test") {
                command.extend(["--test".to_owned(), target.name.clone()]);
            }
        }
        commands.push(command);
    }
    commands
}

/// What no build of the whole workspace compiles, because there another crate turns more features on: the pure crates
/// without default features, and every feature that is off by default.
fn feature_checks(metadata: &Metadata) -> Vec<Vec<String>> {
    let check = |package: &Package, more: &[&str]| {
        let mut command = words(&["check", "--locked", "--no-default-features", "-p", &package.name]);
        command.extend(words(more));
        command
    };
    let mut commands = Vec::new();
    for package in metadata.members() {
        if layers::is_pure_without_default_features(&package.name) {
            commands.push(check(package, &[]));
        }
        commands.extend(package.optional_features().map(|feature| check(package, &["--features", feature])));
    }
    commands
}

fn end_to_end(context: &Context) -> Result<Counts, (Counts, Error)> {
    let tools = context.tools.as_ref().expect("the setup always runs before the end-to-end test");
    cargo(&["build", "--locked", "-p", "kfed"])?;
    let mut command = if context.nextest {
        shell::cargo(["nextest", "run", "--locked", "--no-fail-fast", "-p", "kfed", "--test", END_TO_END])
    } else {
        shell::cargo(["test", "--locked", "--no-fail-fast", "-p", "kfed", "--test", END_TO_END])
    };
    shell::run(command.env("KFED_KUBECTL", &tools.kubectl).env("KFED_DIG", &tools.dig))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn result(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

/// One row a step, those that were not reached too.
fn table(finished: &[Finished], steps: &[Step]) -> String {
    let mut rows = format!("{:<10} {:<8} {:>8}\n", "step", "result", "seconds");
    for &step in steps {
        rows += &match finished.iter().find(|done| done.step == step) {
            Some(done) => {
                format!("{:<10} {:<8} {:>8.1}\n", name(step), result(done.ok), done.took.as_secs_f64())
            }
            None => format!("{:<10} {:<8} {:>8}\n", name(step), "not run", "-"),
        };
    }
    let total: Duration = finished.iter().map(|done| done.took).sum();
    rows + &format!("{:<10} {:<8} {:>8.1}\n", "total", "", total.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Target;

    fn steps(skip_e2e: bool, steps: &[Step]) -> Vec<Step> {
        chosen(&Args { skip_e2e, steps: steps.to_vec() })
    }

    fn target(name: &str, kind: &str) -> Target {
        Target { name: name.into(), kind: vec![kind.into()] }
    }

    #[test]
    fn all_steps_run_in_order_unless_some_are_named() {
        assert_eq!(steps(false, &[]), Step::value_variants());
        assert_eq!(steps(false, &[Step::Doc, Step::Fmt]), [Step::Fmt, Step::Doc]);
    }

    #[test]
    fn the_setup_runs_for_the_end_to_end_test_and_only_for_it() {
        assert_eq!(steps(false, &[Step::E2e]), [Step::Setup, Step::E2e]);
        let skipped = steps(true, &[]);
        assert!(!skipped.contains(&Step::Setup) && !skipped.contains(&Step::E2e), "{skipped:?}");
        assert_eq!(steps(true, &[Step::Setup]), [Step::Setup]);
    }

    #[test]
    fn every_step_says_what_it_does_and_what_to_do_about_it() {
        for &step in Step::value_variants() {
            assert!(!about(step).is_empty() && !what_to_do(step).is_empty(), "{step:?}");
        }
    }

    #[test]
    fn nextest_leaves_out_the_end_to_end_test_where_there_is_one() {
        let mut kfed = Package::member("kfed");
        let command = |kfed: &Package| unit_with_nextest(&Metadata::fake(vec![kfed.clone()])).join(" ");
        assert_eq!(command(&kfed), "nextest run --locked --workspace --no-fail-fast");
        kfed.targets = vec![target(END_TO_END, "test")];
        assert_eq!(command(&kfed), "nextest run --locked --workspace --no-fail-fast -E not binary(e2e)");
    }

    #[test]
    fn without_nextest_all_tests_but_the_end_to_end_test_are_named() {
        let mut kfed = Package::member("kfed");
        kfed.targets = vec![target("kfed", "bin"), target("cli", "test"), target(END_TO_END, "test")];
        let metadata = Metadata::fake(vec![kfed, Package::member("kfed-api")]);
        let commands: Vec<String> = unit_without_nextest(&metadata).iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            commands,
            [
                "test --locked --workspace --no-fail-fast --lib --bins --tests --exclude kfed",
                "test --locked --no-fail-fast -p kfed --bins --test cli",
            ]
        );
    }

    #[test]
    fn pure_crates_and_features_that_are_off_are_checked_alone() {
        let mut edge = Package::member("kfed-apiserver");
        edge.features.insert("default".into(), vec!["tls".into()]);
        edge.features.insert("tls".into(), vec![]);
        edge.features.insert("protobuf".into(), vec![]);
        let metadata = Metadata::fake(vec![Package::member("kfed-api"), edge, Package::member("kfed-dnsprovider")]);
        let commands: Vec<String> = feature_checks(&metadata).iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            commands,
            [
                "check --locked --no-default-features -p kfed-api",
                "check --locked --no-default-features -p kfed-apiserver --features protobuf",
                "check --locked --no-default-features -p kfed-dnsprovider",
            ]
        );
    }

    #[test]
    fn the_table_shows_steps_that_were_not_reached() {
        let finished = [
            Finished { step: Step::Fmt, took: Duration::from_millis(400), ok: true },
            Finished { step: Step::Clippy, took: Duration::from_secs(12), ok: false },
        ];
        assert_eq!(
            table(&finished, &[Step::Fmt, Step::Clippy, Step::Tidy]),
            "step       result    seconds\n\
             fmt        ok            0.4\n\
             clippy     FAILED       12.0\n\
             tidy       not run         -\n\
             total                   12.4\n"
        );
    }
}
