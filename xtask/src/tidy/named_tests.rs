//! A page that says "held down by this test" is a promise: the test it names is there.

use super::Violation;
use super::workspace::{File, Workspace};

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let pages = workspace.files.iter().filter(|file| file.is_markdown());
    pages.flat_map(|page| in_page(workspace, page)).collect()
}

fn in_page(workspace: &Workspace, page: &File) -> Vec<Violation> {
    // A page at the root speaks of every crate, a crate's page of that crate.
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut violations = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for (modules, name) in line.split('`').skip(1).step_by(2).flat_map(named) {
            let files = workspace.files.iter().filter(|file| file.is_rust() && file.path.starts_with(folder));
            if !files.filter(|file| is_module(file, &modules)).any(|file| has_test(&file.text, &name)) {
                let message = format!("there is no test `{}::{name}`", modules.join("::"));
                violations.push(Violation::new(&page.path, index + 1, message));
            }
        }
    }
    violations
}

/// The tests that inline code names, with their modules: `a::b::name`, and `a::{b,c}::name` for two. A test is told from other
/// functions by a name of four words or more.
fn named(code: &str) -> Vec<(Vec<&str>, String)> {
    let mut parts: Vec<&str> = code.split("::").collect();
    let Some(name) = parts.pop().filter(|name| name.matches('_').count() >= 3) else { return Vec::new() };
    let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_{}, ".contains(c);
    if parts.is_empty() || !code.replace("::", "").chars().all(is_path) {
        return Vec::new();
    }
    let mut paths = vec![Vec::new()];
    for part in parts {
        let inside = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let choices: Vec<&str> = inside.unwrap_or(part).split(',').map(str::trim).collect();
        paths = paths
            .into_iter()
            .flat_map(|path| choices.iter().map(move |choice| [path.as_slice(), &[*choice]].concat()))
            .collect();
    }
    paths.into_iter().map(|path| (path, name.to_owned())).collect()
}

/// Whether the file is that module, or holds it as its own `mod tests`.
fn is_module(file: &File, modules: &[&str]) -> bool {
    let path = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let ends_in = |modules: &[&str]| format!("/{path}").ends_with(&format!("/{}", modules.join("/")));
    ends_in(modules) || (modules.len() > 1 && modules.ends_with(&["tests"]) && ends_in(&modules[..modules.len() - 1]))
}

/// Whether a function of that name stands under a test attribute.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let declares = |line: &str| {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        function.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().filter(|(_, line)| declares(line)).any(|(at, _)| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str) -> Vec<String> {
        let workspace = Workspace::default()
            .with_file("crates/x/README.md", &format!("# x\n\n{line}\n"))
            .with_file(
                "crates/x/tests/all/zones.rs",
                "/// Why.\n#[tokio::test(start_paused = true)]\nasync fn a_zone_is_found() {}\n\nfn this_is_no_test() {}\n",
            )
            .with_file(
                "crates/x/src/arm/mod.rs",
                "mod tests {\n    #[test]\n    #[should_panic(expected = \"x\")]\n    fn it_ends_in_panic() {}\n}\n",
            )
            .with_file("crates/x/src/config/tests.rs", "#[test]\nfn a_file_is_read() {}\n")
            .with_file("crates/y/tests/zones.rs", "#[test]\nfn a_thing_of_another() {}\n");
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_that_are_there_may_be_named() {
        for line in [
            "held down by `zones::a_zone_is_found`, `all::zones::a_zone_is_found`",
            "| `arm::tests::it_ends_in_panic` | `config::tests::a_file_is_read` |",
            "`Config::a_b_c_d`, `a_b_c_d`, `layer::stack`, `x::y(a_b_c_d)`, `a::b_c_d`",
        ] {
            assert_eq!(check_line(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn tests_that_are_gone_are_named() {
        for (line, gone) in [
            ("`zones::a_zone_is_lost`", "zones::a_zone_is_lost"),
            ("`config::{tests,json_tests}::a_file_is_read`", "config::json_tests::a_file_is_read"),
            ("`zones::this_is_no_test`", "zones::this_is_no_test"),
            ("`zones::a_thing_of_another`", "zones::a_thing_of_another"),
            ("`ones::a_zone_is_found`", "ones::a_zone_is_found"),
        ] {
            assert_eq!(check_line(line), [format!("crates/x/README.md:3: there is no test `{gone}`")], "{line}");
        }
    }
}
