//! Sockets, bound before anything else is made, so that a port that is taken leaves nothing half done.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::error::Error;

/// A TCP listener on `address` for `what`.
pub(crate) fn tcp(what: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Listen { what, address, source })
}

/// A UDP socket and a TCP listener on one port (RFC 7766: a DNS server speaks both).
pub(crate) fn dns(what: &'static str, address: SocketAddr) -> Result<(UdpSocket, TcpListener), Error> {
    kfed_azure_emulator::dns::bind(address).map_err(|source| Error::Listen { what, address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dns_port_is_the_same_for_udp_and_tcp() {
        let (udp, tcp) = dns("DNS", ([127, 0, 0, 1], 0).into()).unwrap();
        assert_eq!(udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    }

    #[test]
    fn a_port_that_only_udp_has_is_taken_too() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = dns("DNS", udp.local_addr().unwrap()).unwrap_err();
        let port = udp.local_addr().unwrap().port();
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    }
}
