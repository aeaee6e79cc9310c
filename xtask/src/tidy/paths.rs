//! The project speaks of itself alone: a path of somebody's machine works nowhere else.

use super::Violation;
use super::workspace::Workspace;

/// Taken apart, so that this list does not find itself.
const OF_A_MACHINE: &[&str] = &[
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
    concat!("/", "Users/"),
    concat!("/", "tmp/target"),
];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in workspace.files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(found) = OF_A_MACHINE.iter().find(|path| has_absolute(line, path)) {
                let message = format!("`{found}`: a path that only one machine has");
                violations.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    violations
}

/// `/x/` at the beginning of a path; in `a/x/`, `{base}/x/` or `https://host/x/` it is only a part of one.
fn has_absolute(line: &str, path: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "-_.~/})>$*".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].chars().next_back().is_some_and(goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_of_a_machine_are_found() {
        let (work, home) = (OF_A_MACHINE[0], OF_A_MACHINE[2]);
        let cases = [
            (format!("see {work}main"), true),
            (format!("\"{home}me/.kube\""), true),
            (format!("{work}at-the-start"), true),
            (format!("some{work}shop"), false),
            (format!("https://example.com{work}x"), false),
            (format!("{{base}}{home}x"), false),
        ];
        for (line, expected) in cases {
            let found = check(&Workspace::default().with_file("README.md", &line));
            assert_eq!(!found.is_empty(), expected, "{line}");
        }
    }
}
