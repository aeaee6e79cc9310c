//! What is wrong with a configuration file.

use std::fmt;
use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use super::place::Place;
use crate::certificate::CertificateError;

/// A configuration that cannot be used. As a [`Diagnostic`] it shows the file with the place marked; secrets are masked there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not in the form of `dns.conf`, or of `azure.json`.
    #[error("{at}: {problem}")]
    Syntax {
        /// Where.
        at: Box<Place>,
        /// What is wrong.
        problem: String,
        /// What would be right.
        help: String,
    },
    /// Keys that have to be there are missing or empty.
    #[error("{at}: {}", Lacks(missing, section))]
    Missing {
        /// Where `[Global]` is, or the end of a file without it; the whole of an `azure.json`.
        at: Box<Place>,
        /// What they are missing from, as a sentence begins: `[Global] lacks`.
        section: &'static str,
        /// All of them, in the order that Federation v1 asked for them.
        missing: Vec<MissingKey>,
        /// Why they are asked for, and where to find them.
        help: String,
    },
    /// A value that means nothing.
    #[error("{at}: {key}: {problem}")]
    Value {
        /// Where.
        at: Box<Place>,
        /// Its key.
        key: &'static str,
        /// What is wrong.
        problem: String,
        /// What would be right.
        help: String,
    },
    /// The certificate cannot be used that the application is to sign in with.
    #[error("{at}: the client certificate cannot be used")]
    Certificate {
        /// Where its file is named.
        at: Box<Place>,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// The certificate authorities of `ca-file` cannot be read.
    #[error("{at}: cannot read ca-file {}", path.display())]
    CaFile {
        /// Where the file is named.
        at: Box<Place>,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A key that has to have a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingKey {
    /// The key.
    pub key: &'static str,
    /// The line where it stands without a value; none where it is not there at all.
    pub empty_in_line: Option<usize>,
}

/// Something in a configuration that was passed over, and probably should not be.
#[derive(Debug, Clone)]
pub struct Warning {
    pub(crate) at: Box<Place>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

struct Lacks<'a>(&'a [MissingKey], &'a str);

// === impl Warning ===

impl Warning {
    /// Where.
    pub fn place(&self) -> &Place {
        &self.at
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Warning {}

impl Diagnostic for Warning {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Warning)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.at.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(self.at.labels())
    }
}

// === impl ConfigError ===

impl ConfigError {
    /// Where; none when the file itself could not be read.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Read { .. } => None,
            Self::Syntax { at, .. }
            | Self::Missing { at, .. }
            | Self::Value { at, .. }
            | Self::Certificate { at, .. }
            | Self::CaFile { at, .. } => Some(at),
        }
    }
}

impl Diagnostic for ConfigError {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let code = match self {
            Self::Read { .. } => "dns_conf::read",
            Self::Syntax { .. } => "dns_conf::syntax",
            Self::Missing { .. } => "dns_conf::missing",
            Self::Value { .. } => "dns_conf::value",
            Self::Certificate { .. } => "dns_conf::certificate",
            Self::CaFile { .. } => "dns_conf::ca_file",
        };
        Some(Box::new(code))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        match self {
            Self::Read { .. } => Some(Box::new(
                "`--dns-provider-config` names a file with `[Global]` and subscription-id, tenant-id, client-id, secret and resourceGroup",
            )),
            Self::Syntax { help, .. } => Some(Box::new(help)),
            Self::Missing { help, .. } | Self::Value { help, .. } => Some(Box::new(help)),
            Self::Certificate { .. } => Some(Box::new(
                "certificate and RSA key are PEM, in one file or in two, their paths absolute or relative to the file that names them",
            )),
            Self::CaFile { .. } => Some(Box::new(
                "it is a file of PEM certificates, its path absolute or relative to the file that names it",
            )),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place().map(Place::source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.place().map(Place::labels)
    }
}

impl fmt::Display for Lacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(missing, section) = self;
        f.write_str(section)?;
        f.write_str(" ")?;
        for (n, MissingKey { key, empty_in_line }) in missing.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { ", " })?;
            f.write_str(key)?;
            if let Some(line) = empty_in_line {
                write!(f, " (empty in line {line})")?;
            }
        }
        Ok(())
    }
}
