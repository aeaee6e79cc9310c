//! `deny.toml` is for people who have cargo-deny; it must not say anything else than the checks here.

use super::workspace::{File, Workspace};
use super::{Violation, banned, licences};

const FILE: &str = "deny.toml";

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let Some(file) = workspace.file(FILE) else {
        return vec![Violation::new(FILE, 1, "is missing")];
    };
    let allowed = licences::ALLOWED.iter().copied();
    let banned = banned::BANNED.iter().map(|(name, _)| *name);
    let mut violations = differences(file, "licenses", "allow", allowed);
    violations.extend(differences(file, "bans", "deny", banned));
    violations
}

fn differences(file: &File, section: &str, key: &str, expected: impl Iterator<Item = &'static str>) -> Vec<Violation> {
    let listed = list(file, section, key);
    let expected: Vec<&str> = expected.collect();
    let missing = expected.iter().filter(|name| !listed.iter().any(|(_, listed)| listed == *name)).map(|name| {
        let line = file.line_that(|line| line.starts_with(&format!("[{section}]")));
        Violation::new(FILE, line, format!("`{section}.{key}` lacks \"{name}\""))
    });
    let more = listed.iter().filter(|(_, name)| !expected.contains(name)).map(|(line, name)| {
        Violation::new(FILE, *line, format!("`{section}.{key}` has \"{name}\", which tidy does not"))
    });
    missing.chain(more).collect()
}

/// The first string of each line of a list: `"MIT",` and `{ crate = "x", reason = … },` alike.
fn list<'a>(file: &'a File, section: &'a str, key: &str) -> Vec<(usize, &'a str)> {
    file.section(section)
        .skip_while(|(_, line)| *line != format!("{key} = ["))
        .skip(1)
        .take_while(|(_, line)| *line != "]")
        .filter_map(|(number, line)| Some((number, line.split('"').nth(1)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_or_a_ban_that_only_one_side_has_is_named() {
        let licences: String = licences::ALLOWED.iter().skip(1).map(|name| format!("  \"{name}\",\n")).collect();
        let bans: String = banned::BANNED.iter().map(|(name, _)| format!("  {{ crate = \"{name}\" }},\n")).collect();
        let text = format!("[licenses]\nallow = [\n{licences}  \"WTFPL\",\n]\n\n[bans]\ndeny = [\n{bans}]\n");
        let found: Vec<_> =
            check(&Workspace::default().with_file(FILE, &text)).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "deny.toml:1: `licenses.allow` lacks \"Apache-2.0\"",
                "deny.toml:12: `licenses.allow` has \"WTFPL\", which tidy does not",
            ]
        );
    }

    #[test]
    fn it_has_to_be_there() {
        assert_eq!(check(&Workspace::default())[0].to_string(), "deny.toml:1: is missing");
    }
}
