//! INFO replication: the role, the link to the primary, a line for each replica.
//!
//! Names and order are Redis's, old words included (`master_link_status`, `slave0`), because
//! clients and Sentinels parse them. The metrics (`metrics::fields`) read these lines too. Cost:
//! O(replicas). Elsewhere: `parts::replication` has the state.

use super::{InfoWriter, Source};
use russet_replication::quorum::PeerId;

use crate::parts::replication::failover;
use crate::parts::replication::upstream::Upstream;
use crate::state::Server;

pub fn replication(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let replication = &server.replication;
    to.section("Replication");
    match &replication.upstream {
        None if replication.is_leaderless => to.fields(&[
            ("role", &"slave"),
            ("master_host", &""),
            ("master_port", &0),
            ("master_link_status", &"down"),
            ("master_last_io_seconds_ago", &-1),
            ("master_sync_in_progress", &0),
            ("slave_repl_offset", &server.stream.offset()),
            ("slave_priority", &server.config.replica_priority),
        ]),
        None => to.field("role", "master"),
        Some(upstream) => {
            to.field("role", "slave");
            write_upstream(server, upstream, to);
        }
    }
    write_replicas(server, to);
    write_failing(server, to);
    write_sync_writes(from, to);
    write_group(server, to);
    if let Some(lost) = &replication.lost {
        to.fields(&[
            ("demotion_lost_commands", &lost.commands),
            ("demotion_lost_bytes", &lost.bytes),
            ("demotion_lost_file", &lost.file),
        ]);
    }
    let history = server.stream.history();
    let earlier_offset = history.earlier.map_or(-1, |(_, offset)| offset as i64);
    let failover = failover::state_name(replication.failover.as_ref());
    to.fields(&[
        ("master_failover_state", &failover),
        ("master_replid", &history.id.as_str()),
        ("master_replid2", &history.earlier_id()),
        ("master_repl_offset", &server.stream.offset()),
        ("second_repl_offset", &earlier_offset),
    ]);
    let backlog = server.stream.backlog();
    let first = backlog.map_or(0, |backlog| backlog.first() + 1);
    to.fields(&[
        ("repl_backlog_active", &u8::from(backlog.is_some())),
        ("repl_backlog_size", &server.config.repl_backlog_size),
        ("repl_backlog_first_byte_offset", &first),
        (
            "repl_backlog_histlen",
            &backlog.map_or(0, |backlog| backlog.len()),
        ),
    ]);
    let log = server.persist.aof.log().and_then(|log| log.first());
    to.field(
        "repl_log_first_byte_offset",
        log.map_or(0, |first| first + 1),
    );
    if server.config.repl_compression.is_on() {
        to.field("repl_compression_errors", replication.compression_errors);
    }
    if let Some((asked, end)) = replication.replicas.ahead.last {
        let count = replication.replicas.ahead.count;
        to.line(format_args!(
            "repl_replicas_ahead:count={count},last_offset={asked},own_offset={end}"
        ));
    }
}

fn write_upstream(server: &Server, upstream: &Upstream, to: &mut InfoWriter) {
    let (now_ms, core) = (server.now.mono_ms, &upstream.core);
    let is_up = upstream.is_online();
    let received_s = if is_up {
        (now_ms.saturating_sub(core.received_ms) / 1000) as i64
    } else {
        -1
    };
    let offset = server.stream.offset();
    let link = upstream.client.and_then(|id| server.clients.get(id));
    let waiting = link.map_or(0, |session| session.input.bytes());
    let unapplied = (waiting + core.unit.bytes.len()) as u64;
    to.fields(&[
        ("master_host", &core.host),
        ("master_port", &core.port),
        ("master_link_status", &if is_up { "up" } else { "down" }),
        ("master_last_io_seconds_ago", &received_s),
        ("master_sync_in_progress", &u8::from(core.is_syncing())),
        ("slave_read_repl_offset", &(offset + unapplied)),
        ("slave_repl_offset", &offset),
        ("replica_full_sync_buffer_size", &core.held.bytes()),
        ("replica_full_sync_buffer_peak", &core.held.peak()),
        ("master_current_sync_attempts", &core.figures.current),
        ("master_total_sync_attempts", &core.figures.total),
    ]);
    if is_up {
        let up_s = now_ms.saturating_sub(core.figures.up_since_ms) / 1000;
        to.field("master_link_up_since_seconds", up_s);
        // Only the loop's thread executes clients' commands.
        to.field("master_client_io_thread", 0);
    }
    to.field(
        "total_disconnect_time_sec",
        core.figures.disconnected_ms / 1000,
    );
    if let Some((total, read)) = upstream.transfer() {
        let left = total.saturating_sub(read);
        let percent = match total {
            0 => 0.0,
            _ => read as f64 / total as f64 * 100.0,
        };
        let io_s = now_ms.saturating_sub(core.received_ms) / 1000;
        to.fields(&[
            ("master_sync_total_bytes", &total),
            ("master_sync_read_bytes", &read),
            ("master_sync_left_bytes", &left),
            ("master_sync_perc", &format!("{percent:.2}")),
            ("master_sync_last_io_seconds_ago", &io_s),
        ]);
    }
    if !is_up {
        let since = core.down_since_ms;
        let down_s = since.map_or(-1, |at| (now_ms.saturating_sub(at) / 1000) as i64);
        to.field("master_link_down_since_seconds", down_s);
    }
    if let Some(refused) = &core.refused {
        let ago_s = now_ms.saturating_sub(refused.at_ms) / 1000;
        to.fields(&[
            ("master_sync_refused_keys", &refused.keys),
            ("master_sync_refused_own_keys", &refused.own_keys),
            ("master_sync_refused_seconds_ago", &ago_s),
        ]);
    }
    let config = &server.config;
    to.fields(&[
        ("slave_priority", &config.replica_priority),
        ("slave_read_only", &u8::from(config.replica_read_only)),
        ("replica_announced", &u8::from(config.replica_announced)),
    ]);
}

/// Writes this server's place in its group (`sync-quorum`); no line without one.
fn write_group(server: &Server, to: &mut InfoWriter) {
    let Some(driver) = &server.replication.quorum else {
        return;
    };
    let its = driver.core.status();
    if !driver.leads() {
        to.field("sync_state", its.state.to_string());
        to.field("sync_safe_offset", its.safe);
    }
    let ballot = its.ballot.map_or_else(String::new, |its| its.to_string());
    let group = its.group.map_or_else(String::new, |its| its.to_string());
    let left = its.replaces.map_or_else(String::new, |its| its.to_string());
    to.fields(&[
        ("sync_group", &group),
        ("sync_node", &its.node.to_string()),
        ("sync_ballot", &ballot),
        ("sync_promised", &its.promised.to_string()),
        ("sync_position", &its.position.to_string()),
        ("sync_member", &u8::from(its.is_member)),
        ("sync_clean", &u8::from(its.is_clean)),
        ("sync_unclean_ms", &its.unclean_ms),
        ("sync_acknowledgements", &its.acknowledgements),
        ("sync_members", &its.members.len()),
        ("sync_members_changing", &u8::from(its.is_changing)),
        ("sync_takeovers", &its.takeovers),
        ("sync_takeovers_refused", &its.takeovers_refused),
        ("sync_tail_bytes", &its.tail_bytes),
        ("sync_lossy_takeovers", &its.lossy_takeovers),
        ("sync_left_group", &left),
    ]);
    if let Some(why) = &its.obstacle {
        to.field("sync_obstacle", why);
    }
    for (n, member) in its.members.iter().enumerate() {
        let (id, address) = (member.id, &member.address);
        let role = match (member.is_self, member.is_linked) {
            (true, _) => "self",
            (false, true) => "linked",
            (false, false) => "unlinked",
        };
        let (offset, lag) = (member.offset, member.lag_ms.map_or(-1, |ms| ms as i64));
        let missing = member
            .missing_ms
            .map_or_else(String::new, |ms| format!(",missing_ms={ms}"));
        to.line(format_args!(
            "sync_member{n}:id={id},ip={},port={},state={role},offset={offset},lag_ms={lag}{missing}",
            address.host, address.port
        ));
    }
}

/// Writes the figures of synchronous replication; no line while the mode is off.
fn write_sync_writes(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let sync = &server.replication.sync_writes;
    let keys = &from.keyspace.unconfirmed;
    if !sync.is_on() {
        if keys.is_on() && server.replication.quorum.is_none() {
            // Of a replica, as its primary has noted it.
            to.field("sync_safe_offset", keys.safe());
        }
        if sync.shown.is_some() {
            to.fields(&[
                ("sync_unsafe_keys", &keys.len()),
                ("sync_held_clients", &server.replies.len()),
                ("sync_held_bytes", &server.replies.bytes()),
                ("sync_timeouts", &sync.counts.timeouts),
            ]);
        }
        return;
    }
    to.fields(&[
        ("sync_state", &sync.state().word()),
        ("sync_min_replicas", &sync.needed()),
        (
            "sync_good_replicas",
            &server.replication.replicas.sync_replicas(),
        ),
        ("sync_safe_offset", &sync.safe()),
        ("sync_unsafe_bytes", &sync.unsafe_bytes()),
        ("sync_unsafe_ms", &sync.unsafe_ms(server.now.mono_ms)),
        ("sync_unsafe_keys", &keys.len()),
        ("sync_held_clients", &server.replies.len()),
        ("sync_held_bytes", &server.replies.bytes()),
        ("sync_timeouts", &sync.counts.timeouts),
        ("sync_refused_commands", &sync.counts.refused),
        ("sync_read_rounds", &sync.linear.rounds),
    ]);
}

/// Writes the replicas that load no snapshot that they are sent; no line if there are none.
fn write_failing(server: &Server, to: &mut InfoWriter) {
    let now_ms = server.now.mono_ms;
    let failing = &server.replication.replicas.failing;
    let count = failing.repeatedly(now_ms).count();
    if count > 0 {
        to.field("sync_failing_replicas", count);
    }
    for (at, its) in failing.repeatedly(now_ms).enumerate() {
        let (ip, port, copies) = (&its.ip, its.port, its.copies);
        let retry_s = its.retry_ms.saturating_sub(now_ms).div_ceil(1000);
        let needs = its.unreadable.map_or_else(String::new, |(what, version)| {
            format!(",version={version},needs={}", what.replace(',', ""))
        });
        to.line(format_args!(
            "sync_failing{at}:ip={ip},port={port},copies={copies},retry_s={retry_s}{needs}"
        ));
    }
}

fn write_replicas(server: &Server, to: &mut InfoWriter) {
    let now_ms = server.now.mono_ms;
    to.field(
        "connected_slaves",
        server.replication.replicas.listed().count(),
    );
    if server.config.min_replicas_to_write > 0 && server.config.min_replicas_max_lag > 0 {
        to.field(
            "min_slaves_good_slaves",
            server
                .replication
                .good_replicas(&server.config, &server.now),
        );
    }
    for (at, replica) in server.replication.replicas.listed().enumerate() {
        let (ip, port) = replica.address();
        let lag_s = if replica.is_online() {
            now_ms.saturating_sub(replica.received_ms) / 1000
        } else {
            0
        };
        let (state, offset) = (replica.state_name(), replica.acked);
        let (sep, link) = match replica.link_name() {
            Some(name) => (",type=", name),
            None => ("", ""),
        };
        let packing = replica
            .transport
            .packing
            .as_ref()
            .map_or_else(String::new, |packing| {
                let (from, to) = (packing.uncompressed_bytes, packing.compressed_bytes);
                format!(",compression=lz4,uncompressed_bytes={from},compressed_bytes={to}")
            });
        let group = server.replication.quorum.as_ref();
        let is_member = group.and_then(|group| group.core.has_member_at(PeerId(replica.id.0)));
        let sync = match is_member {
            None => "",
            Some(true) => ",sync=member",
            Some(false) => ",sync=outsider",
        };
        to.line(format_args!(
            "slave{at}:ip={ip},port={port},state={state},offset={offset},lag={lag_s},\
             io-thread=0{sep}{link}{packing}{sync}"
        ));
    }
}
