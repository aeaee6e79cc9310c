//! A link that leads nowhere tells that nobody has read the page lately.

use std::collections::BTreeSet;

use super::Violation;
use super::workspace::{File, Workspace};

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    workspace.files.iter().filter(|file| file.is_markdown()).flat_map(|file| in_file(workspace, file)).collect()
}

fn in_file(workspace: &Workspace, file: &File) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in prose(&file.text) {
        for target in targets(&line) {
            if let Some(problem) = problem(workspace, file, &target) {
                violations.push(Violation::new(&file.path, number, format!("link to `{target}`: {problem}")));
            }
        }
    }
    violations
}

fn problem(workspace: &Workspace, from: &File, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() { from.path.clone() } else { resolve(&from.path, path) };
    let is_folder = || workspace.files.iter().any(|file| file.is_below(path.trim_end_matches('/')));
    match (workspace.file(&path), anchor) {
        (None, _) => (!is_folder()).then_some("there is no such file"),
        (Some(file), Some(anchor)) if file.is_markdown() => {
            (!anchors(&file.text).contains(anchor)).then_some("that file has no such heading")
        }
        (Some(_), _) => None,
    }
}

/// Relative to the linking file, or to the root if it begins with a slash.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if !parts.is_empty() => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The lines outside code blocks, numbered from 1, with inline code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut in_block = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            return None;
        }
        let outside: Vec<&str> = line.split('`').step_by(2).collect();
        (!in_block).then(|| (index + 1, outside.join("` `")))
    })
}

/// `[text](target "title")`, `![image](target)` and `[label]: target`.
fn targets(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("](") {
        let (inside, behind) = after.split_once(')').unwrap_or((after, ""));
        found.push(inside);
        rest = behind;
    }
    if line.starts_with('[')
        && let Some((label, target)) = line.split_once("]: ")
        && !label.contains("](")
    {
        found.push(target);
    }
    let first_word =
        |inside: &str| inside.split_whitespace().next().map(|word| word.trim_matches(['<', '>']).to_owned());
    found.into_iter().filter_map(first_word).collect()
}

/// The anchors that GitHub makes of the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if in_block || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let again = (1..).map(|number| format!("{slug}-{number}"));
        let free = std::iter::once(slug.clone()).chain(again).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str) -> Vec<String> {
        let workspace = Workspace::default()
            .with_file(
                "README.md",
                "# kfed\n\n## What it does, and how\n\n## Again\n\n## Again\n\n```sh\n# no heading\n```\n",
            )
            .with_file("crates/api/src/lib.rs", "//! Types.\n")
            .with_file("docs/page.md", &format!("# Page\n\n{line}\n"));
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_good() {
        for line in [
            "[a](../README.md) and [b](../README.md#what-it-does-and-how) and [c](#page)",
            "[a](/README.md#again-1) [b](../crates/api/) [c](../crates/api/src/lib.rs#L1)",
            "![a](https://example.com/x.png \"title\") [m](mailto:a@example.com)",
            "[ref]: <../README.md>",
            "`[not](a-link.md)` and `x[0](y)`",
            "```\n[in](a-block.md)\n```",
        ] {
            assert_eq!(check_line(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        let cases = [
            ("[a](README.md)", "docs/page.md:3: link to `README.md`: there is no such file"),
            ("[a](../README.md) [b](../../x.md)", "docs/page.md:3: link to `../../x.md`: there is no such file"),
            (
                "[a](../README.md#no-heading)",
                "docs/page.md:3: link to `../README.md#no-heading`: that file has no such heading",
            ),
            ("[a](#nowhere)", "docs/page.md:3: link to `#nowhere`: that file has no such heading"),
            ("[ref]: gone.md", "docs/page.md:3: link to `gone.md`: there is no such file"),
            ("![a](../crates/ap)", "docs/page.md:3: link to `../crates/ap`: there is no such file"),
        ];
        for (line, expected) in cases {
            assert_eq!(check_line(line), [expected], "{line}");
        }
    }
}
