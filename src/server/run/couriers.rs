//! Clients whose sockets are couriers' (`net::courier`).
//!
//!     settle    a client's turn is over: its socket goes to a courier, if there are any
//!     parcel    each report is served as an event of the poll: the client is read from, or flushed
//!     flush     what was written goes into the courier's orders
//!     post      orders leave with the replies of the turn, and in between
//!
//! Pauses, limits, held clients and the order of replies and log are those of all clients: the
//! session has never left. A report of a client that has gone finds no session.

use std::sync::atomic::Ordering;

use super::Loop;

use crate::server::clients::client::ClientFlags;
use crate::server::clients::session::Session;
use russet_net::Stream;
use russet_net::courier::{Courier, Parcel, Report};

/// Parcels of each courier in a turn, so that the first answers leave soon.
const PARCELS_MAX: usize = 4;

impl Loop {
    /// Starts the couriers that the configuration asks for.
    pub(in crate::server) fn start_couriers(&mut self) {
        let server = &mut self.engine.server;
        if !server.config.io_threads_always_active {
            return;
        }
        let wanted = server.config.io_threads as usize - 1;
        let rest_us = server.config.event_coalesce_usec;
        let couriers = &mut server.connections.couriers;
        while couriers.len() < wanted {
            if let Err(error) = couriers.start(&self.registry, rest_us) {
                tracing::warn!("Starting a thread for connections: {error}");
                break;
            }
        }
        couriers.takes_clients = !couriers.is_empty();
    }

    /// Gives a client's socket to a courier, where it may go.
    #[cold]
    pub(super) fn hand_over(&mut self, session: &mut Session) {
        const STAYS: ClientFlags = ClientFlags::REPLICA
            .union(ClientFlags::PRIMARY)
            .union(ClientFlags::CLOSE_ASAP)
            .union(ClientFlags::CLOSE_AFTER_REPLY);
        let Some(stream) = &mut session.stream else {
            return;
        };
        let is_movable = match stream {
            Stream::Tcp(_) | Stream::Unix(_) => true,
            Stream::Tls(link) => !link.is_handshaking() && !stream.has_unsent(),
            Stream::Unpacking(_) | Stream::Carried(_) => false,
        };
        if !is_movable || session.write_armed || session.client.flags.intersects(STAYS) {
            return;
        }
        stream.deregister(&self.registry);
        self.engine.server.connections.couriers.adopt(session);
        session.more_to_read = false;
    }

    /// Serves what couriers have read, each a share. Whether there was anything.
    pub(in crate::server) fn serve_couriers(&mut self) -> bool {
        let mut has_served = false;
        for at in 0..self.engine.server.connections.couriers.len() {
            for _ in 0..PARCELS_MAX {
                let courier = self.engine.server.connections.couriers.at_mut(at);
                let Some(parcel) = courier.and_then(Courier::take) else {
                    break;
                };
                has_served = true;
                self.serve_parcel(at, parcel);
            }
        }
        has_served
    }

    fn serve_parcel(&mut self, at: usize, mut parcel: Parcel) {
        let block = std::mem::take(&mut parcel.block);
        for report in &mut parcel.reports {
            self.serve_report(&block, report);
        }
        let couriers = &mut self.engine.server.connections.couriers;
        if !block.is_unique() {
            for report in &parcel.reports {
                let place = report.place;
                let clients = &mut self.engine.server.clients;
                let Some(mut session) = clients.take_at(place.slot, place.generation) else {
                    continue;
                };
                if let Some(carried) = session.stream.as_mut().and_then(Stream::carried) {
                    carried.keep();
                }
                clients.put_back(session);
            }
        }
        parcel.block = block;
        if let Some(courier) = couriers.at_mut(at) {
            courier.give_back(parcel);
        }
    }

    fn serve_report(&mut self, block: &bytes::Bytes, report: &mut Report) {
        let server = &mut self.engine.server;
        let place = report.place;
        let Some(mut session) = server.clients.take_at(place.slot, place.generation) else {
            return;
        };
        let Some(carried) = session.stream.as_mut().and_then(Stream::carried) else {
            return server.clients.put_back(session);
        };
        let has_room = Courier::deliver(block, report, carried);
        let has_unread = carried.has_unread();
        session.client.buffers.in_flight = carried.unsent();
        if has_room && session.write_armed {
            server.queue_flush(&mut session);
        }
        if !has_unread || session.ends {
            return server.clients.put_back(session);
        }
        self.sleeper.gather.event(&mut session.seen_in);
        self.read_if_free(session, false);
    }

    /// Sends all orders to the couriers.
    #[inline]
    pub(in crate::server) fn post_couriers(&mut self) {
        let couriers = &mut self.engine.server.connections.couriers;
        if !couriers.is_empty() {
            couriers.post();
        }
    }

    /// Sets what couriers take from the configuration.
    pub(in crate::server) fn tend_couriers(&mut self) {
        let server = &mut self.engine.server;
        let rest_us = server.config.event_coalesce_usec;
        for courier in server.connections.couriers.iter() {
            courier.figures().rest_us.store(rest_us, Ordering::Relaxed);
        }
    }
}
