//! The one place that asks the machine for the time and for chance. Everybody else is given what this returns.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use jiff::Timestamp;

use crate::error::Error;

/// The wall clock, as every part takes it.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "the one edge that owns the system's clock")]
pub(crate) fn system() -> Clock {
    Arc::new(Timestamp::now)
}

/// A number that nobody can guess, to derive from what must differ from run to run.
pub(crate) fn seed() -> Result<u64, Error> {
    chance().map(u64::from_be_bytes)
}

/// A credential for one run: 128 bits in hexadecimal.
pub(crate) fn token() -> Result<String, Error> {
    chance().map(u128::from_be_bytes).map(|number| format!("{number:032x}"))
}

/// What this process is called among others: where it runs, and something that no other has.
pub(crate) fn identity() -> Result<String, Error> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
    let suffix = chance().map(u32::from_be_bytes)?;
    Ok(format!("{}_{suffix:08x}", host.as_deref().unwrap_or("kfed")))
}

fn chance<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|source| Error::Chance { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_share_a_token() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
        assert_ne!(seed().unwrap(), seed().unwrap());
        assert_ne!(identity().unwrap(), identity().unwrap());
    }
}
