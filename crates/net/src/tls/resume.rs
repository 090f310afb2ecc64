//! Session resumption: no certificates are sent or checked anew, so sessions have a limited
//! lifetime, and live no longer than the materials they were agreed under: new [`super::Materials`]
//! have new sessions.
//!
//! A client gets a ticket that holds the whole session, sealed with a key that only this process
//! has; the server stores nothing. For clients of TLS 1.2 without tickets, a limited number of
//! sessions is stored here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::{ProducesTickets, StoresServerSessions};

/// Seals tickets that are valid for `lifetime_s`.
///
///     ticket = sealed(seconds since `began`: u64be | session)
#[derive(Debug)]
pub(super) struct Tickets {
    sealer: Arc<dyn ProducesTickets>,
    began: Instant,
    lifetime_s: u64,
}

impl Tickets {
    /// Fails if the system gives no random numbers.
    pub(super) fn new(lifetime_s: u32) -> Result<Tickets, rustls::Error> {
        Ok(Tickets {
            sealer: rustls::crypto::ring::Ticketer::new()?,
            began: Instant::now(),
            lifetime_s: lifetime_s.into(),
        })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime_s as u32
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let mut dated = self.began.elapsed().as_secs().to_be_bytes().to_vec();
        dated.extend_from_slice(session);
        self.sealer.encrypt(&dated)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let mut session = self.sealer.decrypt(ticket)?;
        let issued_s = u64::from_be_bytes(*session.first_chunk()?);
        let age_s = self.began.elapsed().as_secs().checked_sub(issued_s)?;
        (age_s <= self.lifetime_s).then(|| session.split_off(8))
    }
}

/// Sessions by id; the oldest are evicted first.
#[derive(Debug)]
pub(super) struct Sessions {
    kept: Mutex<SessionTable>,
    max: usize,
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct SessionTable {
    by_id: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// Oldest first; some may be removed already.
    order: VecDeque<Vec<u8>>,
}

impl Sessions {
    pub(super) fn new(max: usize, lifetime_s: u32) -> Sessions {
        Sessions {
            kept: Mutex::default(),
            max,
            lifetime: Duration::from_secs(lifetime_s.into()),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut SessionTable) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.with(|kept| {
            while kept.order.len() >= self.max {
                let Some(oldest) = kept.order.pop_front() else {
                    return false;
                };
                kept.by_id.remove(&oldest);
            }
            kept.order.push_back(id.clone());
            kept.by_id.insert(id, (Instant::now(), session));
            true
        })
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.with(|kept| {
            let (began, session) = kept.by_id.get(id)?;
            (began.elapsed() <= self.lifetime).then(|| session.clone())
        })
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.with(|kept| {
            let (began, session) = kept.by_id.remove(id)?;
            (began.elapsed() <= self.lifetime).then_some(session)
        })
    }

    fn can_cache(&self) -> bool {
        self.max > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_time_and_with_its_key() {
        let mut tickets = Tickets::new(10).expect("random numbers");
        let ticket = tickets.encrypt(b"session").expect("sealed");
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        let others = Tickets::new(10).expect("random numbers");
        assert_eq!(others.decrypt(&ticket), None);
        tickets.began -= Duration::from_secs(12);
        assert_eq!(tickets.decrypt(&ticket), None);
        assert_eq!(tickets.decrypt(b"no ticket"), None);
    }

    #[test]
    fn no_more_sessions_are_kept_than_allowed() {
        let sessions = Sessions::new(2, 300);
        for id in [b"a", b"b", b"c"] {
            assert!(sessions.put(id.to_vec(), id.to_vec()));
        }
        assert_eq!(sessions.get(b"a"), None);
        assert_eq!(sessions.take(b"b"), Some(b"b".to_vec()));
        assert_eq!(sessions.take(b"b"), None);
        assert_eq!(sessions.get(b"c"), Some(b"c".to_vec()));
        let none = Sessions::new(2, 0);
        none.put(b"a".to_vec(), b"a".to_vec());
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(none.get(b"a"), None);
    }
}
