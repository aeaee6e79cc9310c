//! Load balancers: an address a Service, and who answers there.

mod frontend;
mod range;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::AbortHandle;

use crate::{
    EmulatorError,
    faults::{FaultSwitch, LbFault},
    world::Key,
};

pub use range::{AddressRange, ParseRangeError};

/// The port on the last address of a range by which an emulator holds the range.
const CLAIM_PORT: u16 = 48_253;
/// How many ranges are tried before it is said that none is free.
const CLAIM_TRIES: usize = 64;

/// What stands behind a Service of type LoadBalancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadBalancers {
    /// TCP listeners on loopback addresses of this machine that answer HTTP with the name of a ready pod.
    Listening {
        /// Where; by default a 127.x.y.0/24 derived from the member's name, the next one if another emulator has it.
        range: Option<AddressRange>,
    },
    /// Addresses of a 20.x.y.0/24 derived from the member's name, without sockets; [`LoadBalancerPool::probe`] answers
    /// for them. For tests in process, on a paused clock too.
    Simulated,
    /// As [`Self::Simulated`], with addresses of this range.
    SimulatedIn(AddressRange),
}

/// What an address answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LbAnswer {
    /// 200, served by the pod of this name.
    Answers(String),
    /// 503: the Service has no ready endpoint.
    NoEndpoints,
    /// Connects, and nothing comes.
    Hang,
    /// The connection is refused.
    Refused,
    /// No load balancer has this address.
    NoSuchAddress,
}

/// The load balancers of one member.
#[derive(Debug)]
pub struct LoadBalancerPool {
    range: AddressRange,
    /// Holds the range while the pool lives; absent when nothing listens.
    claim: Option<UdpSocket>,
    switch: FaultSwitch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    services: BTreeMap<Key, LoadBalancer>,
    /// Whose each address is.
    addresses: BTreeMap<Ipv4Addr, Key>,
    /// The host number given out last: an address that was just released is the last to be used again, as in a cloud.
    last: u32,
}

#[derive(Debug)]
struct LoadBalancer {
    address: Ipv4Addr,
    backends: Arc<Backends>,
    frontends: BTreeMap<u16, Option<Running>>,
}

/// A frontend's task, which ends, and with it its listener and connections, when this is dropped.
#[derive(Debug)]
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The ready pods of one Service, taken in turn.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    pods: Mutex<Vec<String>>,
    turn: AtomicUsize,
}

/// What a Service asks of its load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// TCP ports.
    pub(crate) ports: BTreeSet<u16>,
    /// `spec.loadBalancerIP`: honoured where it lies in the range and is free.
    pub(crate) address: Option<Ipv4Addr>,
}

/// Why a Service got no load balancer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProvisionError {
    #[error("no address is free in {range}")]
    Exhausted { range: AddressRange },
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddrV4, source: io::Error },
}

impl LoadBalancerPool {
    pub(crate) fn open(member: &str, kind: LoadBalancers, switch: FaultSwitch) -> Result<Self, EmulatorError> {
        let (range, claim) = match kind {
            LoadBalancers::Simulated => (AddressRange::public(member), None),
            LoadBalancers::SimulatedIn(range) => (range, None),
            LoadBalancers::Listening { range: Some(range) } if !range.is_loopback() => {
                return Err(EmulatorError::UnusableRange { range });
            }
            LoadBalancers::Listening { range: Some(range) } => {
                let claim = claim(range).map_err(|source| EmulatorError::ClaimRange { range, source })?;
                (range, Some(claim))
            }
            LoadBalancers::Listening { range: None } => {
                let (range, claim) = claim_near(AddressRange::loopback(member))?;
                (range, Some(claim))
            }
        };
        Ok(Self { range, claim, switch, state: Mutex::default() })
    }

    /// The range that addresses come from.
    pub fn range(&self) -> AddressRange {
        self.range
    }

    /// The address of each Service (namespace, name) that has one.
    pub fn addresses(&self) -> BTreeMap<(String, String), Ipv4Addr> {
        let state = self.state();
        state.services.iter().map(|(key, lb)| ((key.namespace.clone(), key.name.clone()), lb.address)).collect()
    }

    /// What an HTTP request to `address` would be answered now. Ready pods take turns, as behind a real socket.
    pub fn probe(&self, address: SocketAddr) -> LbAnswer {
        let IpAddr::V4(ip) = address.ip().to_canonical() else {
            return LbAnswer::NoSuchAddress;
        };
        let state = self.state();
        let Some(lb) = state.addresses.get(&ip).and_then(|service| state.services.get(service)) else {
            return LbAnswer::NoSuchAddress;
        };
        match self.switch.get().lb {
            LbFault::Refuse => LbAnswer::Refused,
            _ if !lb.frontends.contains_key(&address.port()) => LbAnswer::Refused,
            LbFault::Hang => LbAnswer::Hang,
            LbFault::Ok => lb.backends.next().map_or(LbAnswer::NoEndpoints, LbAnswer::Answers),
        }
    }

    /// Gives the Service an address, the one it has if any, and opens and closes frontends until they are those asked.
    pub(crate) fn provision(&self, service: &Key, request: &Request) -> Result<Ipv4Addr, ProvisionError> {
        let mut state = self.state();
        if let Some(lb) = state.services.get_mut(service) {
            lb.frontends.retain(|port, _| request.ports.contains(port));
            for &port in &request.ports {
                if !lb.frontends.contains_key(&port) {
                    let frontend = self.open_frontend(lb.address, port, &lb.backends)?;
                    lb.frontends.insert(port, frontend);
                }
            }
            return Ok(lb.address);
        }

        let hosts = self.range.hosts();
        let last = state.last;
        let asked = request.address.filter(|&ip| self.range.contains(ip) && ip != self.range.last()).into_iter();
        let in_turn = (0..hosts.min(1024)).map(|n| self.range.host((last.wrapping_add(n)) % hosts + 1));
        let mut refused = None;
        for address in asked.chain(in_turn) {
            if state.addresses.contains_key(&address) {
                continue;
            }
            let backends = Arc::<Backends>::default();
            let frontends: Result<_, _> =
                request.ports.iter().map(|&port| Ok((port, self.open_frontend(address, port, &backends)?))).collect();
            match frontends {
                Ok(frontends) => {
                    state.last = address.to_bits().wrapping_sub(self.range.host(0).to_bits());
                    state.addresses.insert(address, service.clone());
                    state.services.insert(service.clone(), LoadBalancer { address, backends, frontends });
                    return Ok(address);
                }
                // Somebody else listens there: another address may be free.
                Err(error @ ProvisionError::Listen { .. }) if error.in_use() => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or(ProvisionError::Exhausted { range: self.range }))
    }

    /// Takes the Service's address back, if it has one, and closes its listeners.
    pub(crate) fn release(&self, service: &Key) {
        let mut state = self.state();
        if let Some(lb) = state.services.remove(service) {
            state.addresses.remove(&lb.address);
        }
    }

    /// Who answers from now on. Services without a load balancer are ignored.
    pub(crate) fn set_backends(&self, service: &Key, pods: Vec<String>) {
        if let Some(lb) = self.state().services.get(service) {
            lb.backends.set(pods);
        }
    }

    /// Closes everything; the range stays claimed until the pool is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.services.clear();
        state.addresses.clear();
    }

    fn open_frontend(
        &self,
        address: Ipv4Addr,
        port: u16,
        backends: &Arc<Backends>,
    ) -> Result<Option<Running>, ProvisionError> {
        if self.claim.is_none() {
            return Ok(None);
        }
        let address = SocketAddrV4::new(address, port);
        let failed = |source| ProvisionError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let serving = frontend::serve(listener, address, Arc::clone(backends), self.switch.watch()).map_err(failed)?;
        Ok(Some(Running(tokio::spawn(serving).abort_handle())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held and leaves half a change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvisionError {
    fn in_use(&self) -> bool {
        matches!(self, Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

impl Backends {
    pub(crate) fn next(&self) -> Option<String> {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (!pods.is_empty()).then(|| pods[turn % pods.len()].clone())
    }

    fn set(&self, pods: Vec<String>) {
        *self.pods.lock().unwrap_or_else(PoisonError::into_inner) = pods;
    }
}

/// Two emulators on one machine must not share a range: a UDP socket is free as soon as its process is gone.
fn claim(range: AddressRange) -> io::Result<UdpSocket> {
    UdpSocket::bind((range.last(), CLAIM_PORT))
}

fn claim_near(first: AddressRange) -> Result<(AddressRange, UdpSocket), EmulatorError> {
    let mut range = first;
    for _ in 1..CLAIM_TRIES {
        match claim(range) {
            Ok(socket) => return Ok((range, socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => range = range.next_loopback(),
            Err(source) => return Err(EmulatorError::ClaimRange { range, source }),
        }
    }
    let socket = claim(range).map_err(|source| EmulatorError::ClaimRange { range, source })?;
    Ok((range, socket))
}

#[cfg(test)]
mod tests;
