use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use hickory_server::{
    Server,
    net::runtime::Time,
    proto::{
        op::{Edns, Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode},
        rr::{DNSClass, Record, RecordType},
    },
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};

use super::{
    lookup::{Rcode, resolve},
    wire,
};
use crate::{AzureEmulator, EmulatorError};

/// A TCP connection that asks nothing is closed after this (RFC 7766 § 6.2.3).
const TCP_IDLE: Duration = Duration::from_secs(10);
const TCP_ANSWERS: usize = 32;
/// What we offer for UDP: it fits an Ethernet frame (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;
const BIND_ATTEMPTS: usize = 16;

/// A running DNS front. Dropping it closes its sockets.
pub struct DnsFront {
    addr: SocketAddr,
    server: Server<Handler>,
}

/// Binds UDP and TCP to one address. With port 0 both get the same free port.
///
/// # Errors
/// What the operating system says.
pub fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempts = BIND_ATTEMPTS;
    loop {
        let tcp = TcpListener::bind(address)?;
        // Somebody may hold the UDP port that is free for TCP.
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((udp, tcp)),
            Err(_) if address.port() == 0 && attempts > 0 => attempts -= 1,
            Err(error) => return Err(error),
        }
    }
}

/// Answers DNS from the emulator's zones on both sockets.
///
/// # Errors
/// [`EmulatorError::Listen`] when a socket cannot be handed to the runtime.
pub async fn serve(emulator: AzureEmulator, udp: UdpSocket, tcp: TcpListener) -> Result<DnsFront, EmulatorError> {
    let addr =
        udp.local_addr().map_err(|source| EmulatorError::Listen { address: "an unbound socket".to_owned(), source })?;
    let failed = |source| EmulatorError::Listen { address: addr.to_string(), source };
    udp.set_nonblocking(true).map_err(failed)?;
    tcp.set_nonblocking(true).map_err(failed)?;
    let udp = tokio::net::UdpSocket::from_std(udp).map_err(failed)?;
    let tcp = tokio::net::TcpListener::from_std(tcp).map_err(failed)?;
    let mut server = Server::new(Handler(emulator));
    server.register_socket(udp);
    server.register_listener(tcp, TCP_IDLE, TCP_ANSWERS);
    Ok(DnsFront { addr, server })
}

impl DnsFront {
    /// Where it listens, over UDP.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening and waits for answers under way.
    ///
    /// # Errors
    /// [`EmulatorError::Dns`] when the server had failed before.
    pub async fn shutdown(mut self) -> Result<(), EmulatorError> {
        self.server.shutdown_gracefully().await.map_err(|source| EmulatorError::Dns { source })
    }
}

impl fmt::Debug for DnsFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsFront").field("addr", &self.addr).finish_non_exhaustive()
    }
}

struct Handler(AzureEmulator);

/// The records of an answer, in the library's types.
struct Sections {
    code: ResponseCode,
    authoritative: bool,
    answers: Vec<Record>,
    authority: Vec<Record>,
    soa: Vec<Record>,
    additional: Vec<Record>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let sections = self.answer(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = sections.authoritative;
        metadata.recursion_available = false;
        metadata.response_code = sections.code;
        let edns = request.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(asked.max_payload().clamp(512, UDP_PAYLOAD));
            edns.set_version(0);
            edns
        });
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &edns {
            builder.edns(edns);
        }
        let response =
            builder.build(metadata, &sections.answers, &sections.authority, &sections.soa, &sections.additional);
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(%error, src = %request.src(), "cannot send a DNS answer");
                let mut metadata = Metadata::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
                metadata.response_code = ResponseCode::ServFail;
                Header { metadata, counts: HeaderCounts::default() }.into()
            }
        }
    }
}

impl Handler {
    fn answer(&self, request: &Request) -> Sections {
        if request.metadata.op_code != OpCode::Query {
            return Sections::error(ResponseCode::NotImp);
        }
        let Ok(info) = request.request_info() else {
            return Sections::error(ResponseCode::FormErr);
        };
        let query = info.query;
        if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
            return Sections::error(ResponseCode::Refused);
        }
        if matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR) {
            return Sections::error(ResponseCode::Refused);
        }
        let name = query.name().to_string();
        let wanted = wire::wanted(query.query_type());
        let resolution = resolve(&self.0.lock().store, &name, wanted);
        Sections {
            code: match resolution.rcode {
                Rcode::NoError => ResponseCode::NoError,
                Rcode::NxDomain => ResponseCode::NXDomain,
                Rcode::Refused => ResponseCode::Refused,
            },
            authoritative: resolution.authoritative,
            answers: wire::records(&resolution.answers),
            authority: wire::records(&resolution.authority),
            soa: wire::records(&resolution.soa),
            additional: wire::records(&resolution.additional),
        }
    }
}

impl Sections {
    fn error(code: ResponseCode) -> Self {
        Self {
            code,
            authoritative: false,
            answers: Vec::new(),
            authority: Vec::new(),
            soa: Vec::new(),
            additional: Vec::new(),
        }
    }
}
