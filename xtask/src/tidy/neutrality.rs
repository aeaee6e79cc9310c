//! `dnsprovider` is for every provider: its code has no word of Azure, nor has its manifest. Documentation may give
//! Azure as an example, and tests may borrow its numbers.

use super::Violation;
use super::workspace::Workspace;

const CRATE: &str = "crates/dnsprovider";
const FORBIDDEN: &str = "azure";

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let source = workspace.rust_files_below(CRATE).filter(|file| !file.is_test()).flat_map(|file| {
        let code = file.code().without_tests().to_lowercase();
        let lines: Vec<usize> = lines_with_forbidden(&code).collect();
        lines.into_iter().map(move |line| (file.path.clone(), line))
    });
    let manifest = workspace.file(&format!("{CRATE}/Cargo.toml")).into_iter().flat_map(|file| {
        let entries = file
            .entries()
            .filter(|(section, _, text)| section.ends_with("dependencies") && text.to_lowercase().contains(FORBIDDEN));
        entries.map(|(_, line, _)| (file.path.clone(), line))
    });
    let violation =
        |(path, line)| Violation::new(path, line, "dnsprovider knows no Azure: this belongs to dnsprovider-azure");
    source.chain(manifest).map(violation).collect()
}

fn lines_with_forbidden(code: &str) -> impl Iterator<Item = usize> {
    code.lines().enumerate().filter(|(_, text)| text.contains(FORBIDDEN)).map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Workspace::default().with_file(path, text)).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn identifiers_count_and_documentation_and_tests_do_not() {
        let source =
            "/// As Azure does.\nfn plan() {}\nstruct AzureZone;\n#[cfg(test)]\nmod tests {\n    fn azure() {}\n}\n";
        assert_eq!(lines("crates/dnsprovider/src/zone.rs", source), [3]);
        assert_eq!(lines("crates/dnsprovider/tests/limits.rs", source), [0_usize; 0]);
        assert_eq!(lines("crates/dnsprovider-azure/src/zone.rs", source), [0_usize; 0]);
    }

    #[test]
    fn dependencies_count() {
        let manifest = "[package]\nname = \"kfed-dnsprovider\"\n[dev-dependencies]\nazure_core.workspace = true\n";
        assert_eq!(lines("crates/dnsprovider/Cargo.toml", manifest), [4]);
    }
}
