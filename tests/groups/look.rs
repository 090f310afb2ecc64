//! The world from outside: the hosts that each host reaches, and the writes that servers may take.

use super::data::written_slots;
use super::member::TIMEOUT_MS;
use super::world::{
    CLUSTER, HOSTS, PRIMARIES, Process, STEP_MS, WATCHED, World, bus_door, client_door,
};

/// The time in which a primary must stop that receives from no majority, and the time for a primary
/// to which a majority may still send: see `checks` of `crates/cluster/simulation`.
const STOPS_MS: [i64; 2] = [
    TIMEOUT_MS * 3 / 2 + 200 + 4 * STEP_MS,
    TIMEOUT_MS * 3 + 200 + 4 * STEP_MS,
];
/// `min-replicas-max-lag`, a second until the last acknowledgement, and some steps.
const ALONE_MS: i64 = 2000 + 4 * STEP_MS;
/// The time after the last trouble, with TILT, in which Sentinels make the second of two primaries
/// a replica.
const REPAIR_MS: i64 = 120_000;

impl World {
    /// Records which hosts of the cluster reach a majority.
    pub fn look_around(&mut self) {
        let voters: Vec<usize> = (CLUSTER..HOSTS)
            .filter(|host| {
                let member = self.server(*host).member.as_ref();
                let core = member.and_then(|member| member.core.as_ref());
                core.is_some_and(|core| core.is_voter())
            })
            .filter(|host| self.is_awake_host(*host))
            .collect();
        for host in (CLUSTER..HOSTS).filter(|host| self.hosts[*host].is_up) {
            let leads = |a: usize, b: usize| self.network.leads(bus_door(a), bus_door(b));
            let received = voters.iter().filter(|other| leads(**other, host)).count();
            let both = voters.iter();
            let both = both.filter(|other| leads(**other, host) && leads(host, **other));
            let reached = [received, both.count()];
            for (since, reached) in self.isolated[host].iter_mut().zip(reached) {
                if reached > PRIMARIES / 2 {
                    *since = None;
                } else {
                    since.get_or_insert(self.now);
                }
            }
        }
    }

    /// Checks that a primary without a majority has stopped in time.
    pub fn may_serve(&self, host: usize) -> Result<(), String> {
        let skewed_ms = if self.are_clocks_skewed {
            TIMEOUT_MS / 2 + 500
        } else {
            0
        };
        for (since, limit) in self.isolated[host].iter().zip(STOPS_MS) {
            let frozen_until = self.hosts[host].clock.frozen_until;
            let since = since.map_or(self.now, |since| since.max(frozen_until));
            if self.now - since > limit + skewed_ms {
                return Err(format!("{host} takes writes in a minority since {since}"));
            }
        }
        Ok(())
    }

    /// Checks that with `min-replicas-to-write` a primary that no replica reaches has stopped in
    /// time.
    pub fn may_write_alone(&self, host: usize) -> Result<(), String> {
        let frozen_until = self.hosts[host].clock.frozen_until;
        let since = self.isolated[host][0];
        let since = since.map_or(self.now, |since| since.max(frozen_until));
        if self.rules.needs_replica && self.now - since > ALONE_MS {
            return Err(format!(
                "{host} takes writes without a replica since {since}"
            ));
        }
        Ok(())
    }

    pub fn look(&mut self) {
        for host in (0..HOSTS).filter(|host| World::is_server(*host)) {
            if !self.hosts[host].is_up {
                continue;
            }
            let Process::Server(server) = &mut self.hosts[host].process else {
                continue;
            };
            let looked = self.checks.look(host, &mut server.node);
            self.check(looked);
        }
        for host in 0..WATCHED {
            let door = client_door(host);
            let reaches =
                |other: usize| other != host && self.network.leads(client_door(other), door);
            let is_alone = !(0..WATCHED).any(reaches);
            let since = &mut self.isolated[host][0];
            if is_alone {
                since.get_or_insert(self.now);
            } else {
                *since = None;
            }
        }
        let group = (0..WATCHED).filter(|host| self.takes(*host, None));
        let group: Vec<usize> = group.collect();
        // While hosts are apart only `min-replicas-to-write` bounds the time.
        let is_quiet = self.now - self.troubled_at > REPAIR_MS;
        let bound_ms = if is_quiet { REPAIR_MS } else { i64::MAX };
        let served = self.checks.served(None, &group, self.now, bound_ms);
        self.check(served);
        for slot in written_slots() {
            let hosts = (CLUSTER..HOSTS).filter(|host| self.takes(*host, Some(slot)));
            let hosts: Vec<usize> = hosts.collect();
            let served = self
                .checks
                .served(Some(slot), &hosts, self.now, STOPS_MS[1]);
            self.check(served);
        }
    }
}
