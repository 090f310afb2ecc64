//! REPLICAOF, SLAVEOF, ROLE: the server's role in replication.

use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Server, Spec};

const FLAGS: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::STALE)
    .union(Flags::NO_ASYNC_LOADING);

pub(crate) const REPLICAOF: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: FLAGS.union(Flags::TAKES_OVER),
    ..Spec::new("replicaof", replicaof)
};

pub(crate) const SLAVEOF: Spec = Spec {
    name: "slaveof",
    ..REPLICAOF
};

/// `REPLICAOF host port`: the server follows another server from now on; `REPLICAOF NO ONE`: it
/// becomes a primary.
///
/// Reply: OK, before the link is up: INFO replication reports the link.
fn replicaof(call: &mut Call<'_>) -> CommandResult {
    let [_, host, port] = call.args.exactly();
    if call.server.cluster.is_some() {
        return Err(CommandError::Text(
            "ERR REPLICAOF not allowed in cluster mode.",
        ));
    }
    if call.server.replication.failover.is_some() {
        return Err(CommandError::Text(
            "ERR REPLICAOF not allowed while failing over.",
        ));
    }
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        let world = call.world();
        if world.server.replication.is_replica() {
            world.server.order_lead(world.keyspace);
            tracing::info!("MASTER MODE enabled (user request)");
        }
        call.reply.ok();
        return Ok(());
    }
    let port = parse_i64(port)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(CommandError::Text("ERR Invalid master port"))?;
    let upstream = call.server.replication.upstream.as_deref();
    let followed = upstream.map(|upstream| &upstream.core);
    if followed.is_some_and(|up| up.port == port && up.host.as_bytes().eq_ignore_ascii_case(host)) {
        tracing::info!(
            "REPLICAOF would result into synchronization with the master we are already connected \
             with. No operation performed."
        );
        call.server.replication.accept_sync(&call.server.now);
        call.reply
            .simple("OK Already connected to specified master");
        return Ok(());
    }
    let host = host.to_vec();
    let world = call.world();
    world.server.order_follow(world.keyspace, &host, port);
    tracing::info!(
        "REPLICAOF {}:{port} enabled (user request)",
        String::from_utf8_lossy(&host)
    );
    call.reply.ok();
    Ok(())
}

pub(crate) const ROLE: Spec = Spec {
    arity: Arity::Exactly(1),
    flags: Flags::NOSCRIPT
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::FAST)
        .union(Flags::SENTINEL),
    categories: Category::ADMIN.union(Category::DANGEROUS),
    facts: Facts::SHOWS,
    ..Spec::new("role", role)
};

/// `ROLE`: array of `master`, the offset and the online replicas (address, port, acknowledged
/// offset); or of `slave`, the primary's address and port, the link's state and the offset.
///
/// Of a Sentinel: `sentinel`, and the names of the primaries.
fn role(call: &mut Call<'_>) -> CommandResult {
    if let Some(driver) = &call.server.sentinel {
        driver.core.role(call.reply);
        return Ok(());
    }
    match &call.server.replication.upstream {
        None => primary_role(call.server, call.reply),
        Some(upstream) => {
            let offset = if upstream.core.has_data {
                call.server.stream.offset() as i64
            } else {
                -1
            };
            call.reply.array(5);
            call.reply.bulk(b"slave");
            call.reply.bulk(upstream.core.host.as_bytes());
            call.reply.int(i64::from(upstream.core.port));
            call.reply.bulk(upstream.core.state_name().as_bytes());
            call.reply.int(offset);
        }
    }
    Ok(())
}

fn primary_role(server: &Server, reply: &mut Reply) {
    reply.array(3);
    reply.bulk(b"master");
    reply.int(server.stream.offset() as i64);
    let online: Vec<_> = (server.replication.replicas.iter())
        .filter(|replica| replica.is_online())
        .map(|replica| {
            let (ip, port) = replica.address();
            (ip, port, replica.acked)
        })
        .collect();
    reply.array(online.len());
    for (ip, port, acked) in online {
        reply.array(3);
        reply.bulk(ip.as_bytes());
        reply.bulk(port.to_string().as_bytes());
        reply.bulk(acked.to_string().as_bytes());
    }
}
