//! The operations as services. Each does its work when it is first polled, not when it is called.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use tower::Service;

use super::{Fault, MemoryProvider, State, zone::MemoryZone};
use crate::error::{DnsError, ErrorClass};
use crate::operation::{DeleteRecordSet, GetRecordSet, ListRecordSets, ListZones, Operation, PutRecordSet};
use crate::zone::ZoneId;

/// An operation on the state.
trait Run: Operation {
    fn run(&self, state: &mut State) -> Result<Self::Response, DnsError>;
}

impl<O: Run> Service<O> for MemoryProvider {
    type Response = O::Response;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<O::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: O) -> Self::Future {
        let provider = self.clone();
        async move {
            let result = {
                let mut state = provider.lock();
                match state.record(&request) {
                    None => Some(request.run(&mut state)),
                    Some(Fault::Fail(error)) => Some(Err(error)),
                    Some(Fault::Hang) => None,
                    Some(Fault::LoseAnswer) => {
                        let _lost = request.run(&mut state);
                        let error = DnsError::new(ErrorClass::Unknown, O::NAME, "the answer got lost");
                        Some(Err(error.about(request.record_set())))
                    }
                }
            };
            match result {
                Some(result) => result,
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

fn zone<'a, O: Operation>(state: &'a mut State, id: &ZoneId, request: &O) -> Result<&'a mut MemoryZone, DnsError> {
    state.zones.get_mut(id).ok_or_else(|| {
        DnsError::new(ErrorClass::NotFound, O::NAME, format!("there is no zone `{}`", id.0)).about(request.record_set())
    })
}

impl Run for ListZones {
    fn run(&self, state: &mut State) -> Result<Self::Response, DnsError> {
        let zones = state.zones.values().map(|zone| &zone.zone);
        Ok(zones.filter(|zone| self.name.as_ref().is_none_or(|name| zone.name == *name)).cloned().collect())
    }
}

impl Run for ListRecordSets {
    fn run(&self, state: &mut State) -> Result<Self::Response, DnsError> {
        let size = state.page_size;
        zone(state, &self.zone, self)?.list(self, size)
    }
}

impl Run for GetRecordSet {
    fn run(&self, state: &mut State) -> Result<Self::Response, DnsError> {
        Ok(zone(state, &self.zone, self)?.sets.get(&self.key).cloned())
    }
}

impl Run for PutRecordSet {
    fn run(&self, state: &mut State) -> Result<Self::Response, DnsError> {
        let (version, per_zone) = (state.next_version(), state.version_per_zone);
        let mut kept = self.clone();
        state.forget(&mut kept.set);
        let zone = zone(state, &self.zone, self)?;
        let set = zone.put(&kept, version.clone())?;
        if per_zone {
            zone.set_version(&version);
        }
        Ok(set)
    }
}

impl Run for DeleteRecordSet {
    fn run(&self, state: &mut State) -> Result<Self::Response, DnsError> {
        let (version, per_zone) = (state.next_version(), state.version_per_zone);
        let zone = zone(state, &self.zone, self)?;
        zone.delete(self)?;
        if per_zone {
            zone.set_version(&version);
        }
        Ok(())
    }
}
