//! What the checks look at, loaded once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::code::Code;
use super::layers::{self, Kind};
use crate::metadata::Metadata;
use crate::shell::{self, Error, Result};

/// The project's files, and what cargo knows about its crates.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) metadata: Metadata,
    /// For each pure crate what it reaches in its pure form.
    pub(crate) trees: BTreeMap<String, Vec<Reached>>,
    /// Sorted by path.
    pub(crate) files: Vec<File>,
}

/// A line of `cargo tree --prefix depth`: package `name`, `depth` steps from the crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) depth: usize,
    pub(crate) name: String,
}

/// A text file of the project.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A crate as its manifest among the files tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crate<'a> {
    pub(crate) name: &'a str,
    /// Relative to the root.
    pub(crate) directory: &'a str,
    pub(crate) manifest: &'a File,
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for File {}

impl Workspace {
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let metadata = Metadata::load(root)?;
        let mut trees = BTreeMap::new();
        for package in metadata.members() {
            let features = match layers::kind_of(&package.name) {
                // A pure crate is pure whatever features are on.
                Some(Kind::Pure) => "--all-features",
                Some(Kind::PureAndTower) => "--no-default-features",
                _ => continue,
            };
            // Metadata unifies features over the whole workspace; the tree of one package does not.
            let args = [
                "tree",
                "--locked",
                "-p",
                &package.name,
                "-e",
                "normal",
                "--target",
                "all",
                "--prefix",
                "depth",
                features,
            ];
            let said = shell::capture(shell::cargo(args).current_dir(root).env("CARGO_TERM_COLOR", "never"))?;
            trees.insert(package.name.clone(), parse_tree(&said));
        }
        Ok(Self { metadata, trees, files: files(root)? })
    }

    /// Without what only cargo knows.
    pub(crate) fn load_files(root: &Path) -> Result<Self> {
        Ok(Self { files: files(root)?, ..Self::default() })
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok().map(|index| &self.files[index])
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.file(path).is_some()
    }

    /// All Rust files below a directory (`""`: everywhere).
    pub(crate) fn rust_files_below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.is_rust() && file.is_below(directory))
    }

    /// The workspace's crates, in the order of their folders.
    pub(crate) fn crates(&self) -> Vec<Crate<'_>> {
        let manifests = self.files.iter().filter(|file| file.path.ends_with("/Cargo.toml") && !file.is_fixture());
        manifests
            .filter_map(|manifest| {
                let name = manifest.section("package").find_map(|(_, line)| line.strip_prefix("name = \""))?;
                Some(Crate {
                    name: name.trim_end_matches('"'),
                    directory: manifest.path.trim_end_matches("/Cargo.toml"),
                    manifest,
                })
            })
            .collect()
    }

    /// Where a crate's manifest names a dependency, for the report.
    pub(crate) fn manifest_line(&self, crate_name: &str, dependency: &str) -> (String, usize) {
        match self.crates().into_iter().find(|found| found.name == crate_name) {
            Some(found) => (found.manifest.path.clone(), found.manifest.line_that(|line| key_of(line) == dependency)),
            None => ("Cargo.toml".into(), 1),
        }
    }
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    pub(crate) fn is_below(&self, directory: &str) -> bool {
        directory.is_empty() || self.path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Data in somebody else's format.
    pub(crate) fn is_fixture(&self) -> bool {
        self.path.split('/').rev().skip(1).any(|folder| folder == "fixtures") && !self.is_markdown()
    }

    /// Text that others wrote, or a program.
    pub(crate) fn is_foreign(&self) -> bool {
        self.is_fixture() || self.path == "LICENSE" || self.path.ends_with("Cargo.lock")
    }

    /// A file that only tests compile.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.rsplit('/');
        let name = parts.next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_tests.rs")
            || parts.any(|folder| folder == "tests" || folder == "benches")
    }

    pub(crate) fn code(&self) -> Code {
        Code::of(&self.text)
    }

    /// The lines of a TOML section, trimmed and numbered from 1, without comments and blank lines.
    pub(crate) fn section<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.entries().filter(move |(section, ..)| *section == name).map(|(_, line, text)| (line, text))
    }

    /// All lines of a TOML file with the section they are in.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, usize, &str)> {
        let mut section = "";
        self.text.lines().enumerate().filter_map(move |(index, line)| {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.trim_matches(['[', ']']);
                return None;
            }
            (!line.is_empty() && !line.starts_with('#')).then_some((section, index + 1, line))
        })
    }

    /// The number of the first line that is like this; 1 if none is.
    pub(crate) fn line_that(&self, is: impl Fn(&str) -> bool) -> usize {
        self.text.lines().position(is).map_or(1, |index| index + 1)
    }
}

/// `tokio = { … }` and `tokio.workspace = true` both are about `tokio`.
pub(crate) fn key_of(line: &str) -> &str {
    line.split(['=', '.']).next().unwrap_or_default().trim().trim_matches('"')
}

/// Whether `word` stands in `text` by itself, not as a part of a longer identifier.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

pub(crate) fn parse_tree(said: &str) -> Vec<Reached> {
    let parse = |line: &str| {
        let digits = line.find(|c: char| !c.is_ascii_digit())?;
        let depth = line[..digits].parse().ok()?;
        Some(Reached { depth, name: line[digits..].split(' ').next()?.to_owned() })
    };
    said.lines().filter_map(parse).collect()
}

/// What git knows or would take up; in an archive without git, every file but build output. Only text.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = shell::program("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let paths: BTreeSet<String> = if root.join(".git").exists() {
        shell::capture(&mut git)?.split_terminator('\0').map(str::to_owned).collect()
    } else {
        let mut paths = BTreeSet::new();
        walk(root, "", &mut paths)?;
        paths
    };
    let read = |path: String| {
        // A file may be gone since git last looked, and what is no UTF-8 is no text.
        fs::read_to_string(root.join(&path)).ok().map(|text| File { path, text })
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

fn walk(root: &Path, below: &str, paths: &mut BTreeSet<String>) -> Result<()> {
    let directory = root.join(below);
    let unreadable = |error| Error::new(format!("cannot read {}: {error}", directory.display()));
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if !entry.file_type().map_err(unreadable)?.is_dir() {
            paths.insert(path);
        } else if name != "target" && name != ".git" {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
impl Workspace {
    pub(crate) fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.push(File { path: path.into(), text: text.into() });
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }

    pub(crate) fn with_packages(mut self, packages: Vec<crate::metadata::Package>) -> Self {
        self.metadata = Metadata::fake(packages);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_with_its_depths() {
        let said = "0kfed-api v0.1.0 (/somewhere/crates/api)\n1serde v1.0.228\n2serde_derive v1.0.228 (proc-macro)\n1serde v1.0.228 (*)\n";
        let reached: Vec<_> = parse_tree(said).into_iter().map(|line| (line.depth, line.name)).collect();
        let expected = [(0, "kfed-api"), (1, "serde"), (2, "serde_derive"), (1, "serde")];
        assert_eq!(reached, expected.map(|(depth, name)| (depth, name.to_owned())));
    }

    #[test]
    fn crates_are_found_by_their_manifests() {
        let workspace = Workspace::default()
            .with_file("Cargo.toml", "[workspace]\n")
            .with_file("crates/api/Cargo.toml", "[package]\nname = \"kfed-api\"\n")
            .with_file("fixtures/broken/Cargo.toml", "[package]\nname = \"broken\"\n");
        let found: Vec<_> = workspace.crates().into_iter().map(|c| (c.name, c.directory)).collect();
        assert_eq!(found, [("kfed-api", "crates/api")]);
    }

    #[test]
    fn a_word_is_not_a_part_of_another() {
        assert!(has_word("use tokio::time", "tokio"));
        assert!(!has_word("use tokio_util::sync", "tokio"));
        assert!(!has_word("mytokio", "tokio"));
    }

    #[test]
    fn without_git_every_file_but_build_output_is_found() {
        let root = tempfile::tempdir().unwrap();
        for path in ["src/lib.rs", "target/debug/x.rs", "README.md"] {
            let at = root.path().join(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, "text\n").unwrap();
        }
        fs::write(root.path().join("picture.png"), [0xff, 0xfe]).unwrap();
        let found: Vec<_> = files(root.path()).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(found, ["README.md", "src/lib.rs"]);
    }
}
