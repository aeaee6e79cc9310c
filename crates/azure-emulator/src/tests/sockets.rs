//! The only tests with sockets; never under a paused clock.

use std::net::{SocketAddr, TcpListener};

use hickory_net::{
    client::{Client, ClientHandle as _},
    runtime::TokioRuntimeProvider,
    tcp::TcpClientStream,
    udp::UdpClientStream,
};
use hickory_proto::{
    op::{DnsResponse, ResponseCode},
    rr::{DNSClass, Name, RecordType as WireType},
};
use serde_json::{Value, json};

use super::{a, no_metadata, versioned, zone_path};
use crate::{AzureEmulator, RecordType, dns, serve};

#[tokio::test]
async fn a_client_over_tls_writes_and_a_resolver_reads() {
    let emulator =
        AzureEmulator::builder().tenant("tenant-1").client("app-1", "secret-1").zone("dns", "example.com").build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let serving = serve::serve(emulator.clone(), listener).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(serving.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();

    let form = "grant_type=client_credentials&client_id=app-1&client_secret=secret-1&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
    let token = client.post(format!("{}/tenant-1/oauth2/v2.0/token", serving.url())).body(form).send().await.unwrap();
    let token: Value = serde_json::from_str(&token.text().await.unwrap()).unwrap();
    let zone = format!("{}{}", serving.url(), zone_path());
    let authorized = |request: reqwest::RequestBuilder| request.bearer_auth(token["access_token"].as_str().unwrap());
    let put = client
        .put(versioned(&format!("{zone}/A/www"), "2018-05-01"))
        .body(json!({ "properties": a("192.0.2.1") }).to_string());
    let written = authorized(put).send().await.unwrap();
    assert_eq!(written.status(), 201);
    assert!(!written.headers()["etag"].to_str().unwrap().contains('"'));
    let list = client.get(versioned(&format!("{zone}/recordsets?$top=1"), "2018-05-01"));
    let page = authorized(list).send().await.unwrap().text().await.unwrap();
    let page: Value = serde_json::from_str(&page).unwrap();
    let next = page["nextLink"].as_str().unwrap();
    assert!(next.starts_with(&serving.url()), "{next}");
    assert_eq!(authorized(client.get(next)).send().await.unwrap().status(), 200);

    let (udp, tcp) = dns::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let front = dns::serve(emulator.clone(), udp, tcp).await.unwrap();
    let heard = ask(front.addr(), Transport::Udp, "WWW.example.com.", WireType::A).await;
    assert_eq!(data(&heard), ["192.0.2.1"]);
    assert!(heard.metadata.authoritative);

    front.shutdown().await.unwrap();
    serving.shutdown().await;
}

#[tokio::test]
async fn every_type_crosses_the_wire_over_udp_and_tcp() {
    let emulator = AzureEmulator::builder().zone("dns", "example.com").build();
    let table = [
        (RecordType::A, "192.0.2.1"),
        (RecordType::Aaaa, "2001:db8::1"),
        (RecordType::Mx, "10 mail.example.net."),
        (RecordType::Srv, "1 2 3 target.example.net."),
        (RecordType::Txt, "some text"),
        (RecordType::Ptr, "host.example.net."),
        (RecordType::Cname, "www.example.net."),
        (RecordType::Caa, "0 issue \"ca.example.net\""),
    ];
    for (kind, text) in table {
        let name = kind.as_str();
        emulator.put_record_set("example.com", name, kind, 30, &[text], no_metadata()).unwrap();
    }
    let (udp, tcp) = dns::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let front = dns::serve(emulator, udp, tcp).await.unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        for (kind, text) in table {
            let name = format!("{kind}.example.com.");
            let heard = ask(front.addr(), transport, &name, WireType::from(kind.number())).await;
            assert_eq!(data(&heard), [text], "{kind}");
            assert_eq!(heard.answers[0].ttl, 30);
        }
        let servers = ask(front.addr(), transport, "example.com.", WireType::NS).await;
        assert_eq!(servers.answers.len(), 4);
        let none = ask(front.addr(), transport, "no.example.com.", WireType::A).await;
        assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(none.authorities[0].record_type(), WireType::SOA);
        assert_eq!(none.authorities[0].ttl, 300);
        let empty = ask(front.addr(), transport, "example.com.", WireType::HTTPS).await;
        assert_eq!(empty.metadata.response_code, ResponseCode::NoError);
        assert_eq!((empty.answers.len(), empty.authorities.len()), (0, 1));
        let foreign = ask(front.addr(), transport, "example.org.", WireType::A).await;
        assert_eq!(foreign.metadata.response_code, ResponseCode::Refused);
        assert!(!foreign.metadata.authoritative);
    }
    drop(front);
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_asked_for_again_over_tcp() {
    let emulator = AzureEmulator::builder().zone("dns", "example.com").build();
    let texts: Vec<String> = (0..15).map(|number| format!("{number}-{}", "x".repeat(200))).collect();
    let data: Vec<&str> = texts.iter().map(String::as_str).collect();
    emulator.put_record_set("example.com", "big", RecordType::Txt, 30, &data, no_metadata()).unwrap();
    let (udp, tcp) = dns::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let front = dns::serve(emulator, udp, tcp).await.unwrap();
    let cut = ask(front.addr(), Transport::Udp, "big.example.com.", WireType::TXT).await;
    assert!(cut.metadata.truncation && cut.answers.len() < 15);
    let whole = ask(front.addr(), Transport::Tcp, "big.example.com.", WireType::TXT).await;
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 15);
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Udp,
    Tcp,
}

async fn ask(server: SocketAddr, transport: Transport, name: &str, kind: WireType) -> DnsResponse {
    let provider = TokioRuntimeProvider::new();
    let name = Name::from_ascii(name).unwrap();
    match transport {
        Transport::Udp => {
            let stream = UdpClientStream::builder(server, provider).build();
            let (mut client, background) = Client::<TokioRuntimeProvider>::from_sender(stream);
            tokio::spawn(background);
            client.query(name, DNSClass::IN, kind).await.unwrap()
        }
        Transport::Tcp => {
            let (stream, sender) = TcpClientStream::new(server, None, None, provider);
            let (mut client, background) = Client::<TokioRuntimeProvider>::new(stream.await.unwrap(), sender);
            tokio::spawn(background);
            client.query(name, DNSClass::IN, kind).await.unwrap()
        }
    }
}

fn data(response: &DnsResponse) -> Vec<String> {
    let answers = response.answers.iter();
    answers.map(|record| record.data.to_string()).collect()
}
