//! Nothing unfinished, switched off, or left over.

use super::Violation;
use super::workspace::{File, Workspace, has_word};

/// In code, strings and comments aside.
const IN_CODE: &[(&str, &str)] = &[
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
    ("dbg!(", "take it out"),
    ("#[ignore", "a test that does not run proves nothing"),
    (", ignore)]", "a test that does not run proves nothing"),
    ("#[should_panic", "assert what the error says: any panic satisfies this"),
];

/// In comments, as a word.
const IN_COMMENTS: &[(&str, &str)] = &[("TODO", "do it, or say what is missing"), ("FIXME", "mend it")];

/// At the beginning of a line of any file.
const AT_LINE_START: &[&str] = &["<<<<<<< ", ">>>>>>> ", "||||||| "];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let files = workspace.files.iter().filter(|file| !file.is_foreign());
    files
        .flat_map(|file| if file.is_rust() { in_rust(file) } else { Vec::new() }.into_iter().chain(merges(file)))
        .collect()
}

fn in_rust(file: &File) -> Vec<Violation> {
    let source = file.code();
    let mut violations = Vec::new();
    for (index, (code, comment)) in source.code.lines().zip(source.comments.lines()).enumerate() {
        let mut found = |what: &str, why: &str| {
            violations.push(Violation::new(&file.path, index + 1, format!("`{what}`: {why}")));
        };
        IN_CODE.iter().filter(|(what, _)| code.contains(what)).for_each(|(what, why)| found(what, why));
        IN_COMMENTS.iter().filter(|(what, _)| has_word(comment, what)).for_each(|(what, why)| found(what, why));
        if comment.split_once("```").is_some_and(|(_, flags)| flags.split(',').any(|flag| flag.trim() == "ignore")) {
            found("```ignore", "an example that does not run: make it run, or say `text`");
        }
    }
    violations
}

fn merges(file: &File) -> Vec<Violation> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| AT_LINE_START.iter().any(|marker| line.starts_with(marker)))
        .map(|(index, _)| Violation::new(&file.path, index + 1, "a merge was left half done here"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Workspace::default().with_file(path, text)).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn every_marker_in_code_is_found() {
        for (marker, _) in IN_CODE {
            assert_eq!(lines("src/lib.rs", &format!("//! Docs.\n{marker}\n")), [2], "{marker}");
        }
    }

    #[test]
    fn a_marker_in_a_string_or_in_a_comment_is_none() {
        assert!(lines("src/lib.rs", "// not todo!()\nlet a = \"dbg!(x)\";\nlet METHODOLOGY = 1;\n").is_empty());
    }

    #[test]
    fn comments_that_postpone_are_found() {
        let text = format!("// {}: later\n// {}\nlet a = 1; // TODOS\n", IN_COMMENTS[0].0, IN_COMMENTS[1].0);
        assert_eq!(lines("src/lib.rs", &text), [1, 2]);
    }

    #[test]
    fn examples_that_do_not_run_are_found() {
        assert_eq!(lines("src/lib.rs", "/// ```rust,ignore\n/// ```\n/// ```text\n/// ```\n"), [1]);
    }

    #[test]
    fn half_done_merges_are_found_in_any_file() {
        let text = format!("a\n{}ours\n=======\n{}theirs\n", AT_LINE_START[0], AT_LINE_START[1]);
        assert_eq!(lines("README.md", &text), [2, 4]);
    }
}
