//! White space that no editor shows.

use super::Violation;
use super::workspace::{File, Workspace};

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    // Fixtures keep the bytes of the wire.
    workspace.files.iter().filter(|file| !file.is_foreign()).flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, line) in file.text.split('\n').enumerate() {
        let message = if line.ends_with('\r') {
            "the line ends with a carriage return"
        } else if line.ends_with([' ', '\t']) {
            "trailing white space"
        } else {
            continue;
        };
        violations.push(Violation::new(&file.path, index + 1, message));
    }
    let last = file.text.lines().count();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        violations.push(Violation::new(&file.path, last, "the file does not end with a newline"));
    } else if file.text.ends_with("\n\n") {
        violations.push(Violation::new(&file.path, last, "the file ends with an empty line"));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_invisible_difference_is_named() {
        let cases = [
            ("a\nb\n", None),
            ("", None),
            ("a \nb\n", Some("x.md:1: trailing white space")),
            ("a\n\t\nb\n", Some("x.md:2: trailing white space")),
            ("a\r\nb\n", Some("x.md:1: the line ends with a carriage return")),
            ("a\nb", Some("x.md:2: the file does not end with a newline")),
            ("a\n\n", Some("x.md:2: the file ends with an empty line")),
        ];
        for (text, expected) in cases {
            let found: Vec<_> =
                check(&Workspace::default().with_file("x.md", text)).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{text:?}");
        }
    }

    #[test]
    fn fixtures_keep_their_bytes() {
        assert!(check(&Workspace::default().with_file("fixtures/azure/zone.json", "{} \r\n")).is_empty());
    }
}
