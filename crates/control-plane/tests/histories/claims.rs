//! Whose a name is: one of its own choice may be asked for by several services, and is the oldest's.

use tokio::time::Instant;

use crate::truth::KNOWN;
use crate::watch::Watch;

// === impl Watch ===

impl Watch {
    /// Sees whose names are now.
    pub(crate) fn look_at_claims(&mut self, now: Instant) {
        for s in 0..self.services.len() {
            for n in 0..self.services[s].names.len() {
                let owner = self.owner(s, n);
                let state = &mut self.services[s].names[n];
                state.ours.set(owner == Some(s), now);
                state.nobodys.set(owner.is_none(), now);
            }
        }
    }

    /// Whether all whose the name may have been lately serve: whoever gives it up, whoever takes it has no reason to empty it.
    pub(crate) fn is_passed_on(&self, s: usize, n: usize, now: Instant) -> bool {
        let lately = |c: &usize| !self.services[*c].names.iter().all(|state| state.nobodys.lasts(KNOWN, now));
        let serves = |c: usize| self.services[c].elsewhere.since().is_none() && self.healthy(c, now).is_some();
        self.services[s].names[n].name.chosen && self.claimants(s, n).filter(lately).all(serves)
    }

    /// Which service is to have the name now.
    fn owner(&self, s: usize, n: usize) -> Option<usize> {
        let has_names = |c: &usize| {
            let service = &self.services[*c];
            service.wanted.since().or(service.elsewhere.since()).is_some()
        };
        let age = |c: &usize| (self.services[*c].created, self.history.services[*c].key());
        self.claimants(s, n).filter(has_names).min_by_key(age)
    }

    /// The services that ask for the name.
    fn claimants(&self, s: usize, n: usize) -> impl Iterator<Item = usize> {
        let name = &self.services[s].names[n].name;
        (0..self.services.len()).filter(move |c| self.services[*c].names.iter().any(|state| state.name == *name))
    }
}
