use super::*;
use crate::faults::{ApiFault, Faults};

fn simulated() -> (LoadBalancerPool, FaultSwitch) {
    let switch = FaultSwitch::new();
    (LoadBalancerPool::open("fed-west", LoadBalancers::Simulated, switch.clone()).unwrap(), switch)
}

fn key(name: &str) -> Key {
    Key { namespace: "default".to_owned(), name: name.to_owned() }
}

fn ports<const N: usize>(ports: [u16; N]) -> Request {
    Request { ports: ports.into(), address: None }
}

fn at(ip: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((ip, port))
}

#[test]
fn services_get_addresses_from_the_first_host_on() {
    let (pool, _) = simulated();
    let a = pool.provision(&key("a"), &ports([80])).unwrap();
    let b = pool.provision(&key("b"), &ports([80])).unwrap();
    assert_eq!((a, b), (pool.range().host(1), pool.range().host(2)));
    assert_eq!(pool.provision(&key("a"), &ports([80, 443])).unwrap(), a, "a service keeps its address");
}

#[test]
fn a_released_address_is_not_given_out_again_at_once() {
    let (pool, _) = simulated();
    let a = pool.provision(&key("a"), &ports([80])).unwrap();
    pool.release(&key("a"));
    assert_eq!(pool.probe(at(a, 80)), LbAnswer::NoSuchAddress);
    assert_ne!(pool.provision(&key("b"), &ports([80])).unwrap(), a);
}

#[test]
fn a_full_range_is_said_to_be_full_and_serves_again_after_a_release() {
    let range: AddressRange = "20.1.2.0/30".parse().unwrap();
    let pool = LoadBalancerPool::open("m", LoadBalancers::SimulatedIn(range), FaultSwitch::new()).unwrap();
    let a = pool.provision(&key("a"), &ports([80])).unwrap();
    pool.provision(&key("b"), &ports([80])).unwrap();
    let error = pool.provision(&key("c"), &ports([80])).unwrap_err();
    assert_eq!(error.to_string(), "no address is free in 20.1.2.0/30");
    pool.release(&key("a"));
    assert_eq!(pool.provision(&key("c"), &ports([80])).unwrap(), a);
}

#[test]
fn an_asked_for_address_is_given_where_it_is_free() {
    let (pool, _) = simulated();
    let wanted = pool.range().host(77);
    let request = Request { address: Some(wanted), ..ports([80]) };
    assert_eq!(pool.provision(&key("a"), &request).unwrap(), wanted);
    assert_ne!(pool.provision(&key("b"), &request).unwrap(), wanted, "taken");
    let foreign = Request { address: Some(Ipv4Addr::new(8, 8, 8, 8)), ..ports([80]) };
    assert!(pool.range().contains(pool.provision(&key("c"), &foreign).unwrap()));
}

#[test]
fn ready_pods_answer_in_turn() {
    let (pool, _) = simulated();
    let ip = pool.provision(&key("web"), &ports([8000])).unwrap();
    assert_eq!(pool.probe(at(ip, 8000)), LbAnswer::NoEndpoints);
    pool.set_backends(&key("web"), vec!["web-a".into(), "web-b".into()]);
    let mut answers: Vec<_> = (0..4).map(|_| pool.probe(at(ip, 8000))).collect();
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[1], answers[3]);
    answers.truncate(2);
    answers.sort_by_key(|answer| format!("{answer:?}"));
    assert_eq!(answers, [LbAnswer::Answers("web-a".into()), LbAnswer::Answers("web-b".into())]);
}

#[test]
fn a_port_that_the_service_does_not_have_is_refused() {
    let (pool, _) = simulated();
    let ip = pool.provision(&key("web"), &ports([80, 443])).unwrap();
    assert_eq!(pool.probe(at(ip, 22)), LbAnswer::Refused);
    pool.provision(&key("web"), &ports([443])).unwrap();
    assert_eq!(pool.probe(at(ip, 80)), LbAnswer::Refused);
    assert_eq!(pool.probe(at(ip, 443)), LbAnswer::NoEndpoints);
}

#[test]
fn faults_are_seen_at_every_address_that_exists() {
    let (pool, switch) = simulated();
    let ip = pool.provision(&key("web"), &ports([80])).unwrap();
    pool.set_backends(&key("web"), vec!["web-a".into()]);
    for (lb, answer) in [
        (LbFault::Hang, LbAnswer::Hang),
        (LbFault::Refuse, LbAnswer::Refused),
        (LbFault::Ok, LbAnswer::Answers("web-a".into())),
    ] {
        switch.set(Faults { api: ApiFault::Ok, lb });
        assert_eq!(pool.probe(at(ip, 80)), answer);
        assert_eq!(pool.probe(at(pool.range().host(200), 80)), LbAnswer::NoSuchAddress);
    }
}

#[test]
fn two_emulators_of_one_name_get_different_ranges() {
    let open = |kind| LoadBalancerPool::open("twice", kind, FaultSwitch::new());
    let first = open(LoadBalancers::Listening { range: None }).unwrap();
    let second = open(LoadBalancers::Listening { range: None }).unwrap();
    assert_ne!(first.range(), second.range());

    let taken = LoadBalancers::Listening { range: Some(first.range()) };
    assert!(matches!(open(taken), Err(EmulatorError::ClaimRange { range, .. }) if range == first.range()));
    drop(first);
    open(taken).unwrap();
}

#[test]
fn listening_load_balancers_want_a_loopback_range() {
    for range in ["10.0.0.0/24", "0.0.0.0/0", "126.0.0.0/7"] {
        let kind = LoadBalancers::Listening { range: Some(range.parse().unwrap()) };
        let refused = LoadBalancerPool::open("m", kind, FaultSwitch::new());
        assert!(matches!(refused, Err(EmulatorError::UnusableRange { .. })), "{range}");
    }
}
