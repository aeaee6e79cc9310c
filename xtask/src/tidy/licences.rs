//! Every package in the graph can be taken under a licence of the list (SPDX expressions).

use super::Violation;
use super::workspace::Workspace;
use crate::metadata::Package;

/// What the project itself is under.
const OURS: &str = "Apache-2.0";

/// What may be taken. Unlicense, BSL-1.0, 0BSD or LGPL are not here: fine as one arm of an `OR`, not alone.
pub(crate) const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let metadata = &workspace.metadata;
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let Some(problem) = problem(package, metadata.is_member(package)) else { continue };
        violations.push(if metadata.is_member(package) {
            let (path, line) = workspace.manifest_line(&package.name, "license");
            Violation::new(path, line, problem)
        } else {
            let entry = format!("name = \"{}\"", package.name);
            let line = workspace.file("Cargo.lock").map_or(1, |lock| lock.line_that(|line| line == entry));
            Violation::new("Cargo.lock", line, format!("{problem}; it comes by {}", metadata.way_to(package)))
        });
    }
    violations
}

fn problem(package: &Package, ours: bool) -> Option<String> {
    let name = format!("{} {}", package.name, package.version);
    match package.license.as_deref() {
        None => Some(format!("{name} names no licence")),
        Some(licence) if ours => (licence != OURS).then(|| format!("{name} is under {licence}, not {OURS}")),
        Some(licence) => match permits(licence) {
            Some(true) => None,
            Some(false) => Some(format!("{name} cannot be taken under {licence}")),
            None => Some(format!("{name}: `{licence}` is no licence expression")),
        },
    }
}

/// Whether the expression can be satisfied by allowed licences alone; `None` if it is malformed.
fn permits(expression: &str) -> Option<bool> {
    // Before SPDX expressions, cargo took `MIT/Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace().peekable();
    let result = any_of(&mut tokens)?;
    tokens.next().is_none().then_some(result)
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

// `AND` binds tighter than `OR` (SPDX 2.3, annex D.4.5). Both sides are always read, hence no short circuit.
fn any_of(tokens: &mut Tokens<'_>) -> Option<bool> {
    let mut result = all_of(tokens)?;
    while tokens.next_if_eq(&"OR").is_some() {
        result |= all_of(tokens)?;
    }
    Some(result)
}

fn all_of(tokens: &mut Tokens<'_>) -> Option<bool> {
    let mut result = one(tokens)?;
    while tokens.next_if_eq(&"AND").is_some() {
        result &= one(tokens)?;
    }
    Some(result)
}

fn one(tokens: &mut Tokens<'_>) -> Option<bool> {
    match tokens.next()? {
        "(" => {
            let result = any_of(tokens)?;
            tokens.next_if_eq(&")").map(|_| result)
        }
        ")" | "AND" | "OR" | "WITH" => None,
        licence => {
            let licence = match tokens.next_if_eq(&"WITH") {
                Some(_) => format!("{licence} WITH {}", tokens.next()?),
                None => licence.to_owned(),
            };
            Some(ALLOWED.contains(&licence.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_by_their_arms() {
        let cases = [
            ("MIT", Some(true)),
            ("MIT/Apache-2.0", Some(true)),
            ("MIT OR Apache-2.0 OR LGPL-2.1-or-later", Some(true)),
            ("Unlicense OR MIT", Some(true)),
            ("Unlicense", Some(false)),
            ("GPL-3.0-only", Some(false)),
            ("MIT AND GPL-3.0-only", Some(false)),
            ("MIT OR GPL-3.0-only AND LGPL-3.0", Some(true)),
            ("(MIT OR GPL-3.0-only) AND LGPL-3.0", Some(false)),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("Apache-2.0 WITH other-exception", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT Apache-2.0", None),
        ];
        for (expression, expected) in cases {
            assert_eq!(permits(expression), expected, "{expression}");
        }
    }

    #[test]
    fn packages_without_a_fitting_licence_are_named() {
        let mut nameless = Package::foreign("nameless", "");
        nameless.license = None;
        let workspace = Workspace::default().with_packages(vec![
            Package::member("kfed").with_dependency("copyleft", None).with_dependency("nameless", None),
            Package { license: Some("MIT".into()), ..Package::member("kfed-odd") },
            Package::foreign("copyleft", "GPL-3.0-only"),
            Package::foreign("fine", "ISC"),
            nameless,
        ]);
        let found: Vec<_> = check(&workspace).into_iter().map(|violation| violation.message).collect();
        assert_eq!(
            found,
            [
                "kfed-odd 0.0.0 is under MIT, not Apache-2.0",
                "copyleft 1.0.0 cannot be taken under GPL-3.0-only; it comes by kfed → copyleft",
                "nameless 1.0.0 names no licence; it comes by kfed → nameless",
            ]
        );
    }
}
