//! The links of the bus: made, accepted, read and written. `parts::cluster::links` holds them.
//!
//! Bounds: connections accepted, links read and reads of one link per turn. Which connections are
//! wanted, and how many, is the core's decision.

use std::io::ErrorKind;
use std::net::IpAddr;

use crate::server::parts::cluster::{BusConnection, BusStage, ClusterDriver, Links, Wrote};
use crate::server::state::Server;
use russet_config::system_text;
use russet_host::{LinkId, Now};
use russet_keyspace::Keyspace;
use russet_net::tls::TlsLink;
use russet_net::{Accepted, Address, Connecting, Destination, Stream, Target};

/// Connections accepted in one turn.
const ACCEPTS_MAX: usize = 64;
/// Reads of one link in one turn.
const READS_MAX: usize = 8;
const READ_BYTES: usize = 16 * 1024;

/// The result of serving a link.
enum Served {
    /// It is open.
    Opened,
    /// It waits for an event.
    Wait,
    /// It cannot be opened, for this reason.
    Refused(String),
    /// Closed by the other end, or by an error.
    Over,
}

impl Server {
    pub(super) fn on_links(&mut self, call: impl FnOnce(&mut Links)) {
        if let Some(driver) = &mut self.cluster {
            call(&mut driver.links);
        }
    }

    /// Begins a link. The core receives a failure at once, or with a later turn's event.
    pub(super) fn dial(&mut self, id: LinkId, ip: &[u8], port: u16) {
        let wake = self.connections.wake.clone();
        let now = Now::from(self.now);
        let Some(driver) = self.cluster.as_deref_mut() else {
            return;
        };
        let host = String::from_utf8_lossy(ip).into_owned();
        if host.parse::<IpAddr>().is_err() {
            // The core only knows addresses; a name would block a thread.
            driver.core.refused(now, id, "not an address");
            return;
        }
        let to = Destination {
            host,
            port,
            source: self.config.bind_source_addr.lossy().parse().ok(),
            tls: self.connections.tls.of_cluster(&self.config),
        };
        match Connecting::begin(to, wake) {
            Ok(connecting) => {
                let stage = BusStage::Connecting(Box::new(connecting));
                let place = driver.links.add(BusConnection::new(id, stage));
                // Its first address is tried in this turn.
                driver.links.unread.push(place);
            }
            Err(error) => driver.core.refused(now, id, &system_text(&error)),
        }
    }

    /// Sends the queued messages. `true`: a link has failed, and the core has received the failure.
    pub(super) fn send_on_bus(&mut self) -> bool {
        let now = Now::from(self.now);
        let Some(driver) = self.cluster.as_deref_mut() else {
            return false;
        };
        let registry = self.connections.registry.as_ref();
        let mut has_failed = false;
        for (slot, generation) in std::mem::take(&mut driver.links.unsent) {
            let Some(mut link) = driver.links.slab.take_at(slot, generation) else {
                continue;
            };
            match send(&mut link, registry, Target::cluster_link(slot, generation)) {
                Ok(()) => driver.links.slab.put_back(slot, link),
                Err(Lost) => {
                    driver.links.drop_taken(slot, link.id);
                    driver.core.closed(now, link.id, false);
                    has_failed = true;
                }
            }
        }
        has_failed
    }

    /// Closes links that have more to send than `cluster-link-sendbuf-limit`.
    pub(super) fn close_long_queues(&mut self, keyspace: &mut Keyspace) {
        let limit = self.config.cluster_link_sendbuf_limit;
        if limit == 0 {
            return;
        }
        let Some(driver) = &self.cluster else {
            return;
        };
        let links = driver.links.slab.iter();
        let long = links.filter(|(_, _, link)| link.queue_bytes() as u64 > limit);
        let long: Vec<LinkId> = long.map(|(_, _, link)| link.id).collect();
        for id in long {
            self.with_cluster(keyspace, |driver, now| {
                driver.links.close(id);
                driver.closed_by_limit += 1;
                driver.core.closed(now, id, true);
            });
        }
    }

    /// Accepts connections of other nodes.
    pub(in crate::server) fn accept_on_bus(&mut self, keyspace: &mut Keyspace) {
        let Some(driver) = &mut self.cluster else {
            return;
        };
        driver.has_waiting = false;
        let mut left = ACCEPTS_MAX;
        for at in 0..driver.listeners.len() {
            loop {
                let Some(driver) = &mut self.cluster else {
                    return;
                };
                if left == 0 {
                    driver.has_waiting = true;
                    return;
                }
                left -= 1;
                match driver.listeners[at].accept() {
                    Ok((accepted, peer)) => self.welcome_node(keyspace, accepted, &peer),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                        ) => {}
                    Err(error) => {
                        // Perhaps no descriptor is left: cron tries again.
                        tracing::debug!("Error accepting cluster node: {}", system_text(&error));
                        driver.retries_accept = true;
                        break;
                    }
                }
            }
        }
    }

    fn welcome_node(&mut self, keyspace: &mut Keyspace, accepted: Accepted, peer: &Address) {
        let mut stream = match accepted {
            Accepted::Plain(stream) => stream,
            Accepted::Tls(socket) => {
                let Some(materials) = self.connections.tls.materials() else {
                    return;
                };
                match TlsLink::accepted(socket, &materials.server) {
                    Ok(link) => Stream::Tls(Box::new(link)),
                    Err(error) => {
                        tracing::debug!("Error accepting cluster node under TLS: {error}");
                        return;
                    }
                }
            }
        };
        stream.tune(0);
        let Some(registry) = &self.connections.registry else {
            return;
        };
        let now = Now::from(self.now);
        let Some(driver) = self.cluster.as_deref_mut() else {
            return;
        };
        let id = driver.core.accepted(now, &ip(peer), &ip(&stream.local()));
        if let Some(id) = id {
            let (slot, generation) = driver.links.slab.reserve();
            let token = Target::cluster_link(slot, generation).into();
            match stream.register(registry, token) {
                Ok(()) => {
                    let link = Box::new(BusConnection::new(id, BusStage::Open(stream)));
                    driver.links.slab.put_back(slot, link);
                    driver.links.places.insert(id, (slot, generation));
                }
                Err(error) => {
                    tracing::warn!("Registering a cluster link: {error}");
                    driver.links.slab.free(slot);
                    driver.core.closed(now, id, false);
                }
            }
        }
        self.continue_cluster(keyspace);
    }

    /// Serves a link that has had an event or has more to be read, and passes the result to the
    /// core.
    pub(in crate::server) fn serve_link(
        &mut self,
        keyspace: &mut Keyspace,
        slot: u32,
        generation: u32,
    ) {
        let Some(driver) = self.cluster.as_deref_mut() else {
            return;
        };
        let Some(mut link) = driver.links.slab.take_at(slot, generation) else {
            return;
        };
        let now = Now::from(self.now);
        let token = Target::cluster_link(slot, generation);
        let registry = self.connections.registry.as_ref();
        match advance(&mut link, registry, token) {
            Served::Opened => {
                let local = match &link.stage {
                    BusStage::Open(stream) => ip(&stream.local()),
                    BusStage::Connecting(_) => Vec::new(),
                };
                // Bytes that have arrived meanwhile cause no further event.
                driver.links.unread.push((slot, generation));
                let id = link.id;
                driver.links.slab.put_back(slot, link);
                driver.core.opened(now, id, &local);
                self.continue_cluster(keyspace);
            }
            Served::Wait => {
                driver.links.slab.put_back(slot, link);
                self.read_link(keyspace, slot, generation);
            }
            Served::Refused(why) => {
                driver.links.drop_taken(slot, link.id);
                driver.core.refused(now, link.id, &why);
                self.continue_cluster(keyspace);
            }
            Served::Over => {
                driver.links.drop_taken(slot, link.id);
                driver.core.closed(now, link.id, false);
                self.continue_cluster(keyspace);
            }
        }
    }

    /// Reads an open link. After each read the core's actions are carried out: they may close it.
    fn read_link(&mut self, keyspace: &mut Keyspace, slot: u32, generation: u32) {
        let mut bytes = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            let now = Now::from(self.now);
            let Some(driver) = self.cluster.as_deref_mut() else {
                return;
            };
            let Some(mut link) = driver.links.slab.take_at(slot, generation) else {
                return;
            };
            let BusStage::Open(stream) = &mut link.stage else {
                return driver.links.slab.put_back(slot, link);
            };
            let more = match stream.fill(&mut bytes) {
                Ok((n @ 1.., more)) => {
                    let id = link.id;
                    driver.links.slab.put_back(slot, link);
                    driver.core.received(now, id, &bytes[..n]);
                    more
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    driver.links.slab.put_back(slot, link);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return driver.links.slab.put_back(slot, link);
                }
                Ok((0, _)) | Err(_) => {
                    driver.links.drop_taken(slot, link.id);
                    driver.core.closed(now, link.id, false);
                    false
                }
            };
            self.continue_cluster(keyspace);
            if !more {
                return;
            }
        }
        self.on_links(|links| links.unread.push((slot, generation)));
    }
}

/// The link is lost.
struct Lost;

/// Continues a connection in progress, or sends an open link's queued bytes.
fn advance(link: &mut BusConnection, registry: Option<&mio::Registry>, token: Target) -> Served {
    let BusStage::Connecting(connecting) = &mut link.stage else {
        return match send(link, registry, token) {
            Ok(()) => Served::Wait,
            Err(Lost) => Served::Over,
        };
    };
    let Some(registry) = registry else {
        return Served::Refused("there is no poll".to_owned());
    };
    match connecting.advance(registry, token.into()) {
        Ok(Some(stream)) => {
            stream.tune(0);
            link.stage = BusStage::Open(stream);
            Served::Opened
        }
        Ok(None) => Served::Wait,
        Err(error) => Served::Refused(system_text(&error)),
    }
}

/// Writes as much as the socket takes; the rest waits until it is writable.
fn send(
    link: &mut BusConnection,
    registry: Option<&mio::Registry>,
    token: Target,
) -> Result<(), Lost> {
    if matches!(link.stage, BusStage::Connecting(_)) {
        return Ok(());
    }
    let is_full = link.send().map_err(|()| Lost)? == Wrote::Full;
    if is_full != link.write_armed
        && let Some(registry) = registry
        && let BusStage::Open(stream) = &mut link.stage
    {
        let armed = stream.want_write(registry, token.into(), is_full);
        armed.map_err(|_| Lost)?;
        link.write_armed = is_full;
    }
    Ok(())
}

/// An address without its port, as the core knows it.
fn ip(address: &Address) -> Vec<u8> {
    match address {
        Address::Tcp(address) => address.ip().to_canonical().to_string().into_bytes(),
        Address::Unix(_) | Address::Unknown => Vec::new(),
    }
}

impl ClusterDriver {
    /// Links that may have something to be read, found by asking the kernel: for a loop without a
    /// poll.
    pub(in crate::server) fn readable(&self) -> Vec<(u32, u32)> {
        let open = self
            .links
            .slab
            .iter()
            .filter_map(|(slot, generation, link)| match &link.stage {
                BusStage::Open(stream) => Some(((slot, generation), stream)),
                BusStage::Connecting(_) => None,
            });
        let (places, streams): (Vec<_>, Vec<&Stream>) = open.unzip();
        let ready = russet_net::readable(&streams);
        let found = places.into_iter().zip(ready);
        found
            .filter_map(|(place, ready)| ready.then_some(place))
            .collect()
    }
}
