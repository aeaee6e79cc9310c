//! A fixture that nobody reads is a promise that nobody checks.

use super::Violation;
use super::workspace::{File, Workspace};

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let readers: Vec<&File> =
        workspace.files.iter().filter(|file| file.is_rust() || file.path.ends_with("README.md")).collect();
    let orphans = workspace.files.iter().filter(|file| file.is_fixture() && !is_read(file, &readers));
    orphans.map(|file| Violation::new(&file.path, 1, "no test and no README names this fixture")).collect()
}

/// Named by its file name, or as a string without the ending, for loaders that add it.
fn is_read(fixture: &File, readers: &[&File]) -> bool {
    let name = fixture.path.rsplit('/').next().unwrap_or(&fixture.path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (quoted, in_folder) = (format!("\"{stem}\""), format!("/{stem}\""));
    readers.iter().any(|file| [name, &quoted, &in_folder].iter().any(|word| file.text.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_is_read_by_a_test_or_told_by_a_readme() {
        let workspace = Workspace::default()
            .with_file("fixtures/README.md", "- `azure/told.json`\n")
            .with_file("fixtures/azure/told.json", "{}")
            .with_file("fixtures/azure/by_name.json", "{}")
            .with_file("fixtures/azure/by_stem.json", "{}")
            .with_file("fixtures/azure/in_folder.json", "{}")
            .with_file("fixtures/azure/orphan.json", "{}")
            .with_file(
                "crates/x/src/lib.rs",
                "load(\"azure/by_name.json\"); load(\"by_stem\"); load(\"azure/in_folder\");\n",
            );
        let found: Vec<_> = check(&workspace).into_iter().map(|violation| violation.path).collect();
        assert_eq!(found, ["fixtures/azure/orphan.json"]);
    }
}
