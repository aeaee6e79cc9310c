//! The demo's directory: what it writes for its users, and takes away at its end.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;

/// A directory, with the files that the demo made in it.
#[derive(Debug)]
pub(super) struct Workplace {
    path: PathBuf,
    /// Whether the demo made the directory.
    made: bool,
    written: Vec<PathBuf>,
}

// === impl Workplace ===

impl Workplace {
    /// The directory that was named, or one of its own.
    pub(super) fn open(named: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = named else {
            let failed = |source| Error::Write { path: std::env::temp_dir(), source };
            let path = tempfile::Builder::new().prefix("kfed-demo-").tempdir().map_err(failed)?.keep();
            return Ok(Self { path, made: true, written: Vec::new() });
        };
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let made = match fs::create_dir(path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => false,
            Err(source) => return Err(failed(source)),
        };
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self { path, made, written: Vec::new() })
    }

    /// The path of a file in it.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Writes a file that must not be there yet.
    pub(super) fn write(&mut self, file: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.path(file);
        files::create(&path, content)?;
        self.written.push(path.clone());
        Ok(path)
    }

    /// Writes a file anew.
    pub(super) fn rewrite(&mut self, file: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.path(file);
        if !self.written.contains(&path) {
            return self.write(file, content);
        }
        files::replace(&path, content)?;
        Ok(path)
    }
}

impl Drop for Workplace {
    /// What the files lead to is gone, so they go too. A directory stays if it was there before, or holds what others put there.
    fn drop(&mut self) {
        for path in self.written.drain(..) {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "could not remove a file");
            }
        }
        if self.made
            && let Err(error) = fs::remove_dir(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the demo's directory stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_demo_wrote_is_gone_at_its_end_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("mine"), "mine").unwrap();
        let mut workplace = Workplace::open(Some(outer.path())).unwrap();
        workplace.write("dns.conf", "a").unwrap();
        workplace.rewrite("kubeconfig", "b").unwrap();
        workplace.rewrite("kubeconfig", "c").unwrap();
        assert!(workplace.write("mine", "yours").is_err(), "a file of somebody else's is left alone");
        assert!(workplace.rewrite("mine", "yours").is_err());
        drop(workplace);
        let left: Vec<_> = fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);

        let inner = outer.path().join("new");
        let mut workplace = Workplace::open(Some(&inner)).unwrap();
        workplace.write("dns.conf", "a").unwrap();
        drop(workplace);
        assert!(!inner.exists());
    }

    #[test]
    fn a_directory_of_its_own_goes_with_it() {
        let workplace = Workplace::open(None).unwrap();
        let path = workplace.path("");
        assert!(path.is_dir());
        drop(workplace);
        assert!(!path.exists());
    }
}
