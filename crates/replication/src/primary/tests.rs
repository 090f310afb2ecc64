//! Decisions of the primary, one by one.
//!
//! Whole histories are simulated, beside the machine of the other end (`simulation`).

use super::replica::Transport;
use super::*;
use crate::history::Position;
use crate::{ChannelProtocol, Stream};
use russet_config::Config;
use russet_keyspace::ClientId;

/// A link whose server has done what the fields say.
#[derive(Debug, Default)]
struct Link {
    waits: bool,
    moved_ms: u64,
    has_log: bool,
}

impl Transport for Link {
    fn waits_for_snapshot(&self) -> bool {
        self.waits
    }

    fn snapshot_moved_ms(&self) -> u64 {
        self.moved_ms
    }

    fn reads_log(&self) -> bool {
        self.has_log
    }

    fn is_packed(&self) -> bool {
        false
    }
}

fn peer(id: u64) -> Peer {
    Peer {
        id: ClientId(id),
        ip: Some([127, 0, 0, 1].into()),
    }
}

/// A stream with a backlog, of so many bytes.
fn stream(bytes: usize) -> Stream {
    let mut stream = Stream::default();
    stream.keep_backlog(1 << 20);
    stream.append(&vec![b'x'; bytes]);
    stream
}

fn config() -> Config {
    Config {
        repl_diskless_sync_delay: 5,
        ..Config::default()
    }
}

/// A replica of Redis 8 that has asked for everything.
fn waiting(replicas: &mut Replicas<Link>, id: u64, now_ms: u64) {
    let replica = replicas.introduce(peer(id), now_ms);
    replica.facts.port = id as u16;
    (replica.facts.eof, replica.facts.psync2) = (true, true);
    let (config, stream) = (config(), stream(0));
    let full = SyncRequest::Full;
    let (_, answer) = replicas.request(peer(id), full, &stream, false, &config, now_ms);
    assert_eq!(answer, SyncAnswer::Waits { is_second: false });
}

fn due(
    replicas: &Replicas<Link>,
    stream: &Stream,
    is_open: bool,
    now_ms: u64,
) -> Option<DueSnapshot> {
    replicas.due_snapshot(&config(), stream, (is_open, false), now_ms, |_| true)
}

fn started(
    replicas: &mut Replicas<Link>,
    id: ClientId,
    now_ms: u64,
) -> (SnapshotLead, Position, Option<ClientId>) {
    let start = replicas.send_snapshot(id, now_ms);
    let start = start.expect("a snapshot has begun");
    (start.lead, start.at, start.main)
}

#[test]
fn the_stream_continues_within_its_history_alone() {
    let (config, stream) = (config(), stream(100));
    let at = stream.position();
    let ask = |from: Position, is_logged| {
        let mut replicas: Replicas<Link> = Replicas::default();
        let request = SyncRequest::From(from);
        let answer = replicas.request(peer(1), request, &stream, is_logged, &config, 0);
        (
            answer,
            replicas.syncs.partial_ok,
            replicas.syncs.partial_err,
        )
    };
    let continues = SyncAnswer::Continues {
        names_history: false,
    };
    let waits = SyncAnswer::Waits { is_second: false };
    assert_eq!(ask(at, false), ((None, continues), 1, 0));
    let beyond = Position {
        offset: at.offset + 1,
        ..at
    };
    let ahead = Some(Refusal::Ahead(at.offset));
    assert_eq!(ask(beyond, false), ((ahead, waits), 0, 1));
    let other = Position {
        id: Stream::default().history().id,
        ..at
    };
    assert_eq!(ask(other, false), ((Some(Refusal::Foreign), waits), 0, 1));
    assert_eq!(
        ask(other, true),
        ((None, continues), 1, 0),
        "the log has it"
    );
}

#[test]
fn an_undo_is_not_repeated_by_a_replica_that_does_not_know_it() {
    let (config, stream) = (config(), stream(100));
    let from = Position {
        offset: 10,
        ..stream.position()
    };
    for (undone_at, knows, refused) in [(9, false, false), (50, false, true), (50, true, false)] {
        let mut replicas: Replicas<Link> = Replicas::default();
        replicas.undone_at = Some(undone_at);
        replicas.introduce(peer(1), 0).facts.flush_undo = knows;
        let request = SyncRequest::From(from);
        let (refusal, _) = replicas.request(peer(1), request, &stream, false, &config, 0);
        assert_eq!(
            refusal == Some(Refusal::Undo),
            refused,
            "{undone_at} {knows}"
        );
    }
}

#[test]
fn replicas_with_the_same_needs_share_a_snapshot() {
    let (mut replicas, mut stream) = (Replicas::default(), stream(10));
    waiting(&mut replicas, 1, 1000);
    waiting(&mut replicas, 2, 3000);
    assert_eq!(
        due(&replicas, &stream, false, 5999),
        None,
        "it waits for others"
    );
    let Some(DueSnapshot::Begins(ids, needs)) = due(&replicas, &stream, false, 6000) else {
        panic!("a snapshot is due");
    };
    assert_eq!(ids, [ClientId(1), ClientId(2)]);
    let at = stream.position();
    replicas.snapshot_begun(needs, at);
    for id in ids {
        assert_eq!(
            started(&mut replicas, id, 6000),
            (SnapshotLead::FullResync, at, None)
        );
    }
    assert_eq!(due(&replicas, &stream, true, 6001), None);

    // Another joins while the snapshot can be read from its begin, and the backlog follows it.
    waiting(&mut replicas, 3, 6100);
    let joins = Some(DueSnapshot::Joins(vec![ClientId(3)]));
    assert_eq!(due(&replicas, &stream, true, 6100), joins);
    assert_eq!(due(&replicas, &stream, false, 6100), None);
    stream.drop_backlog();
    assert_eq!(due(&replicas, &stream, true, 6100), None);

    // A replica with other needs gets a snapshot of its own, and one that loads none is put off.
    let old = replicas.introduce(peer(4), 7000);
    old.facts.port = 4;
    let (config, full) = (config(), SyncRequest::Full);
    replicas.request(peer(4), full, &stream, false, &config, 7000);
    let only_4 = |replica: &Replica<Link>| replica.id == ClientId(4);
    let other = replicas.due_snapshot(&config, &stream, (false, false), 7000, only_4);
    let Some(DueSnapshot::Begins(ids, needs)) = other else {
        panic!("a snapshot is due");
    };
    assert_eq!(
        (&ids[..], needs.sent_as),
        (&[ClientId(4)][..], SnapshotFraming::Length)
    );
    let none = replicas.due_snapshot(&config, &stream, (false, true), 7000, only_4);
    assert_eq!(none, None, "the server is busy");
}

#[test]
fn a_replica_is_online_once_it_acknowledges_its_copy() {
    let (mut replicas, stream) = (Replicas::default(), stream(10));
    waiting(&mut replicas, 1, 0);
    let Some(DueSnapshot::Begins(_, needs)) = due(&replicas, &stream, false, 5000) else {
        panic!("a snapshot is due");
    };
    replicas.snapshot_begun(needs, stream.position());
    let id = ClientId(1);
    replicas.send_snapshot(id, 5000);
    let sent = replicas.snapshot_sent(id, needs.sent_as, 5100);
    assert_eq!(sent, Some(SentSnapshot::AwaitsAck));
    assert_eq!((replicas.that_count(), replicas.that_acked(0)), (0, 0));
    assert!(replicas.acknowledge(id, 10, Some(7), 5200));
    assert!(replicas.go_online(id, 5200), "the stream begins");
    assert_eq!((replicas.that_acked(10), replicas.that_acked(11)), (1, 0));
    assert_eq!((replicas.that_synced(7), replicas.that_synced(8)), (1, 0));
    assert!(!replicas.acknowledge(id, 4, None, 5300));
    assert_eq!(replicas.acked_by(1), 10, "it does not fall");
    let departure = replicas.depart(id, false, 5400);
    assert!(departure.was_replica && departure.is_last);
    let known = [("127.0.0.1".to_owned(), 1, 10)];
    assert_eq!(replicas.acknowledged_positions(), known);
}

#[test]
fn a_link_that_came_earlier_from_the_same_address_does_not_count() {
    let (mut replicas, stream, config) = (Replicas::default(), stream(10), config());
    let connect = |replicas: &mut Replicas<Link>, id: u64| {
        replicas.introduce(peer(id), 0).facts.port = 7;
        let request = SyncRequest::From(stream.position());
        replicas.request(peer(id), request, &stream, false, &config, 0);
    };
    connect(&mut replicas, 1);
    connect(&mut replicas, 2);
    assert_eq!(replicas.that_acked(10), 1);
    replicas.acknowledge(ClientId(1), 10, None, 0);
    assert_eq!(replicas.that_acked(10), 2, "both are there");
}

#[test]
fn a_main_link_streams_while_its_second_link_brings_the_snapshot() {
    let (mut replicas, stream, config) = (Replicas::default(), stream(10), config());
    let main = replicas.introduce(peer(1), 0);
    (main.facts.port, main.facts.eof) = (7, true);
    (main.facts.psync2, main.facts.rdb_channel) = (true, true);
    let (_, answer) = replicas.request(peer(1), SyncRequest::Full, &stream, false, &config, 0);
    let channel = ChannelProtocol::RdbChannel { main: 1 };
    assert_eq!(answer, SyncAnswer::OpensChannel(channel));
    let second = replicas.introduce(peer(2), 0);
    (second.facts.rdb_channel_link, second.facts.rdb_only) = (true, true);
    second.facts.main = Some(ClientId(1));
    let (_, answer) = replicas.request(peer(2), SyncRequest::Full, &stream, false, &config, 0);
    assert_eq!(answer, SyncAnswer::Waits { is_second: true });
    let Some(DueSnapshot::Begins(ids, needs)) = due(&replicas, &stream, false, 5000) else {
        panic!("a snapshot is due");
    };
    assert_eq!(ids, [ClientId(2)]);
    replicas.snapshot_begun(needs, stream.position());
    let main = Some(ClientId(1));
    assert_eq!(
        started(&mut replicas, ClientId(2), 5000),
        (SnapshotLead::FullResync, stream.position(), main)
    );
    assert_eq!(replicas.unsent(), Some(10));
    let sent = replicas.snapshot_sent(ClientId(2), needs.sent_as, 5100);
    assert_eq!(sent, Some(SentSnapshot::Closes(main)));
    // The main link alone is of no use if the second link breaks before.
    let mut broken: Replicas<Link> = Replicas::default();
    waiting(&mut broken, 3, 0);
    broken.introduce(peer(4), 0).facts.second = Some(ClientId(3));
    broken.get_mut(ClientId(4)).expect("it is there").state = ReplicaState::Streams;
    assert_eq!(broken.depart(ClientId(3), false, 0).useless, [ClientId(4)]);
}

#[test]
fn links_have_time_limits_by_their_stage() {
    let config = Config {
        repl_timeout: 10,
        repl_ping_replica_period: 5,
        ..config()
    };
    let (mut replicas, stream) = (Replicas::default(), stream(10));
    waiting(&mut replicas, 1, 0);
    let work = replicas.tend(&config, 20_000, true, |_| 0);
    assert_eq!((work.waiting, work.silent), (vec![ClientId(1)], vec![]));
    assert!(work.pings);
    let Some(DueSnapshot::Begins(_, needs)) = due(&replicas, &stream, false, 20_000) else {
        panic!("a snapshot is due");
    };
    replicas.snapshot_begun(needs, stream.position());
    replicas.send_snapshot(ClientId(1), 20_000);
    let link = |replicas: &mut Replicas<Link>, link| {
        replicas
            .get_mut(ClientId(1))
            .expect("it is there")
            .transport = link;
    };
    link(
        &mut replicas,
        Link {
            moved_ms: 20_000,
            ..Link::default()
        },
    );
    let silent = |replicas: &mut Replicas<Link>, now_ms, bytes| {
        replicas.tend(&config, now_ms, false, |_| bytes).silent
    };
    assert_eq!(silent(&mut replicas, 30_000, 0), []);
    let stuck = [(ClientId(1), Silence::FullSync)];
    assert_eq!(silent(&mut replicas, 30_001, 0), stuck);
    replicas.snapshot_sent(ClientId(1), needs.sent_as, 31_000);
    // A replica that loads sends newlines.
    assert_eq!(silent(&mut replicas, 41_000, 1), []);
    assert_eq!(silent(&mut replicas, 51_000, 1), []);
    let silence = [(ClientId(1), Silence::Streaming)];
    assert_eq!(silent(&mut replicas, 51_001, 1), silence);
}

#[test]
fn unsent_bytes_are_limited_unless_the_log_has_them() {
    let mut config = config();
    let limit = &mut config.client_output_buffer_limit.replica;
    (limit.hard_bytes, limit.soft_bytes, limit.soft_seconds) = (3 << 20, 2 << 20, 10);
    let (mut replicas, mut stream) = (Replicas::default(), stream(10));
    let request = SyncRequest::From(stream.position());
    replicas.request(peer(1), request, &stream, false, &config, 0);
    let over = |replicas: &mut Replicas<Link>, stream: &Stream, now_ms| {
        replicas.over_limit(&config, stream, now_ms)
    };
    stream.append(&vec![b'x'; 2 << 20]);
    assert_eq!(over(&mut replicas, &stream, 0), []);
    stream.append(b"x");
    assert_eq!(over(&mut replicas, &stream, 1), []);
    assert_eq!(over(&mut replicas, &stream, 10_001), []);
    assert_eq!(over(&mut replicas, &stream, 10_002), [ClientId(1)]);
    stream.append(&vec![b'x'; 1 << 20]);
    assert_eq!(over(&mut replicas, &stream, 1), [ClientId(1)]);
    replicas
        .get_mut(ClientId(1))
        .expect("it is there")
        .transport
        .has_log = true;
    assert_eq!(over(&mut replicas, &stream, 99_999), []);
    let before = replicas.log_serves_before(&config, &stream, 8 << 20);
    assert_eq!(before, Some(stream.offset() - (2 << 20)));
}

#[test]
fn an_idle_backlog_is_kept_for_its_time() {
    let config = Config {
        repl_backlog_ttl: 60,
        ..config()
    };
    let mut replicas: Replicas<Link> = Replicas::default();
    assert!(!replicas.outlasts_backlog(&config, 1000));
    assert!(!replicas.outlasts_backlog(&config, 60_999));
    assert!(replicas.outlasts_backlog(&config, 61_000));
    waiting(&mut replicas, 1, 61_000);
    assert!(!replicas.outlasts_backlog(&config, 999_000));
    let never = Config {
        repl_backlog_ttl: 0,
        ..config
    };
    replicas.depart(ClientId(1), false, 0);
    assert!(!replicas.outlasts_backlog(&never, u64::MAX));
}
