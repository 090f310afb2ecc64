//! The machine of the link, from seeds: conversations cut anywhere, losses at every byte, delays.
//!
//! Each test plays the primary's side by hand and looks at the actions; whole groups with data are
//! in the crate's simulation.

use super::super::history::{Position, ReplId};
use super::core::{Delay, RETRY_MS, SHORT_MS, Upstream};
use super::{Answer, Link, LocalDataset, Loss, Order, Phase, Settings, Step, StoreFault};
use crate::Introduction;
use russet_config::DisklessLoad;
use russet_host::{Action, Event, Level, Machine, Now, Random};

fn introduction() -> Introduction {
    Introduction {
        port: 7,
        rdb_channel: true,
        dual_channel: true,
        ..Introduction::default()
    }
}

fn at(now_ms: u64) -> Now {
    Now {
        monotonic_ms: now_ms as i64,
        wall_ms: 0,
    }
}

fn id() -> ReplId {
    ReplId::parse(&[b'a'; 40]).expect("forty digits")
}

/// A host that answers at once, and keeps what it is asked for.
struct Host {
    core: Upstream,
    own: LocalDataset,
    /// Keys of the next snapshot.
    keys: Option<u64>,
    unread: [Vec<u8>; 2],
    stored: Vec<u8>,
    log: Vec<String>,
    /// The position that was adopted, and whether the link is online.
    adopted: Option<Option<Position>>,
    online: Option<Vec<u8>>,
    abandoned: Option<(bool, bool)>,
    dials: Vec<Link>,
    replayed: Vec<u8>,
    hang_ups: u32,
}

impl Host {
    fn new(diskless: DisklessLoad) -> Host {
        let mut core = Upstream::new("p".to_owned(), 1, 0);
        core.settings = Settings {
            timeout_ms: 60_000,
            retain_percent: 50,
            ..Settings::default()
        };
        Host {
            core,
            own: LocalDataset {
                id: id(),
                keys: 10,
                is_empty: false,
                diskless,
            },
            keys: None,
            unread: Default::default(),
            stored: Vec::new(),
            log: Vec::new(),
            adopted: None,
            online: None,
            abandoned: None,
            dials: Vec::new(),
            replayed: Vec::new(),
            hang_ups: 0,
        }
    }

    fn answer(&mut self, now_ms: u64, answer: Answer) {
        self.core.answer(at(now_ms), answer);
        self.act(now_ms);
    }

    fn tick(&mut self, now_ms: u64) {
        self.core.event(at(now_ms), &introduction, Event::Tick);
        self.act(now_ms);
    }

    /// The connection that was dialled last is there.
    fn open(&mut self, now_ms: u64) {
        let link = self.core.number(self.core.snapshot_link());
        let local_ip = b"";
        let event = Event::Opened { link, local_ip };
        self.core.event(at(now_ms), &introduction, event);
        self.act(now_ms);
    }

    /// Bytes of a link; returns whether they were taken.
    fn bytes(&mut self, now_ms: u64, link: Link, bytes: &[u8]) -> bool {
        let (link, mut taken) = (self.core.number(link), bytes.len());
        let taken = &mut taken;
        let event = Event::Received { link, bytes, taken };
        self.core.event(at(now_ms), &introduction, event);
        let is_taken = *taken > 0;
        self.act(now_ms);
        is_taken
    }

    fn act(&mut self, now_ms: u64) {
        while let Some(action) = self.core.pop() {
            match action {
                Action::Log { text, .. } => self.log.push(text),
                Action::Dial { link, .. } => {
                    let links = [Link::Main, Link::Second];
                    self.dials.extend(
                        links
                            .into_iter()
                            .filter(|&its| self.core.number(its) == link),
                    );
                }
                Action::Order(order) => self.carry_out(now_ms, order),
                _ => {}
            }
        }
    }

    fn carry_out(&mut self, now_ms: u64, order: Order) {
        match order {
            Order::HangUp => self.hang_ups += 1,
            Order::Survey => self.answer(now_ms, Answer::Own(self.own)),
            Order::OpenFile => self.stored.clear(),
            Order::Store(bytes) => self.stored.extend(bytes),
            Order::Count(..) => self.answer(now_ms, Answer::Counted(self.own.keys, self.keys)),
            Order::Adopt { position, .. } => {
                self.adopted = Some(position);
                self.answer(now_ms, Answer::Adopted);
            }
            Order::Abandon {
                has_begun,
                keeps_data,
            } => self.abandoned = Some((has_begun, keeps_data)),
            Order::GoOnline { rest, .. } => {
                self.online = Some(rest);
                self.answer(now_ms, Answer::Online(true));
            }
            Order::Replay(bytes) => self.replayed.extend(bytes),
            _ => {}
        }
    }

    /// Bytes of the primary arrive, and are taken in pieces of random length as far as they are
    /// wanted.
    fn receive(&mut self, link: Link, bytes: &[u8], random: &mut Random) {
        self.unread[link as usize].extend_from_slice(bytes);
        for link in [Link::Main, Link::Second, Link::Main] {
            while self.core.wants(link) && !self.unread[link as usize].is_empty() {
                let unread = &mut self.unread[link as usize];
                let len = 1 + random.place(unread.len().min(30));
                let piece: Vec<u8> = unread.drain(..len).collect();
                assert!(self.bytes(0, link, &piece));
            }
        }
    }

    fn connect(&mut self) {
        self.tick(0);
        self.open(0);
    }
}

fn replies(then: &str) -> Vec<u8> {
    format!("+PONG\r\n+OK\r\n+OK\r\n{then}").into_bytes()
}

fn full(content: &str) -> Vec<u8> {
    let (id, len) = (id(), content.len());
    replies(&format!(
        "\n+FULLRESYNC {id} 17\r\n\n${len}\r\n{content}*1\r\n"
    ))
}

#[test]
fn a_snapshot_into_a_file_is_the_same_however_it_is_cut() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut host = Host::new(DisklessLoad::Disabled);
        host.connect();
        host.receive(Link::Main, &full("REDIS and so on"), &mut random);
        assert_eq!(host.core.phase(), Phase::LoadingFile, "seed {seed}");
        assert_eq!(host.stored, b"REDIS and so on");
        host.answer(0, Answer::Stepped(Step::Header));
        host.answer(0, Answer::Stepped(Step::More));
        host.answer(0, Answer::Stepped(Step::Done(None)));
        assert_eq!(
            host.adopted,
            Some(Some(Position {
                id: id(),
                offset: 17
            }))
        );
        let mut rest = host.online.take().expect("online");
        rest.append(&mut host.unread[0]);
        assert_eq!(rest, b"*1\r\n");
        assert!(host.core.is_online() && host.core.has_data);
    }
}

#[test]
fn two_links_bring_snapshot_and_stream() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let is_redis = seed % 2 == 0;
        let mut host = Host::new(DisklessLoad::FlushDb);
        host.connect();
        let reply = if is_redis {
            "+RDBCHANNELSYNC 4\r\n"
        } else {
            "+DUALCHANNELSYNC\r\n"
        };
        host.receive(Link::Main, &replies(reply), &mut random);
        assert_eq!(host.dials, [Link::Main, Link::Second]);
        host.open(0);
        let (id, mark) = (id(), "m".repeat(40));
        let snapshot = format!("$EOF:{mark}\r\nREDIS and so on{mark}");
        let announced = if is_redis {
            host.receive(Link::Main, b"*1\r\n$4\r\nPING\r\n", &mut random);
            format!("+OK\r\n+FULLRESYNC {id} 17\r\n{snapshot}")
        } else {
            format!("+OK\r\n$ENDOFF:17 {id} 0 9\r\n{snapshot}")
        };
        host.receive(Link::Second, announced.as_bytes(), &mut random);
        if !is_redis {
            assert_eq!(host.core.phase(), Phase::Joining, "seed {seed}");
            host.receive(
                Link::Main,
                b"+OK\r\n+CONTINUE\r\n*1\r\n$4\r\nPING\r\n",
                &mut random,
            );
        }
        assert_eq!(host.core.phase(), Phase::LoadingStream, "seed {seed}");
        host.answer(0, Answer::Stepped(Step::Header));
        host.answer(0, Answer::Stepped(Step::Done(None)));
        assert!(host.core.is_replaying(), "seed {seed}");
        while host.core.is_replaying() {
            host.answer(0, Answer::Drained(5));
        }
        assert_eq!(host.replayed, b"*1\r\n$4\r\nPING\r\n");
    }
}

/// At each byte the connection may be lost: then nothing but lines of the log is left to do, data
/// is kept unless a load has begun, and another attempt follows.
#[test]
fn a_loss_anywhere_ends_the_attempt() {
    for diskless in [
        DisklessLoad::Disabled,
        DisklessLoad::FlushDb,
        DisklessLoad::SwapDb,
    ] {
        let bytes = full("REDIS and so on");
        for cut in 0..bytes.len() {
            let mut host = Host::new(diskless);
            host.core.has_data = true;
            host.connect();
            host.bytes(0, Link::Main, &bytes[..cut]);
            let loads = host.core.phase() == Phase::LoadingStream;
            if loads {
                host.answer(0, Answer::Stepped(Step::Header));
            }
            let has_begun = loads && host.core.phase() == Phase::LoadingStream;
            if host.core.phase() == Phase::Down || host.core.phase() == Phase::LoadingFile {
                continue;
            }
            host.answer(5, Answer::Lost(Link::Main, Loss::Ended));
            assert_eq!(host.core.phase(), Phase::Down, "cut at {cut}");
            assert_eq!(host.hang_ups, 1);
            let keeps = !has_begun || diskless == DisklessLoad::SwapDb;
            assert_eq!(host.core.has_data, keeps, "cut at {cut}");
            let says_how_far = |line: &String| line.contains("Internal error in RDB reading");
            assert_eq!(host.log.iter().any(says_how_far), has_begun, "cut at {cut}");
            host.tick(5 + RETRY_MS);
            assert_eq!(host.core.phase(), Phase::Dialing);
        }
    }
}

#[test]
fn a_snapshot_with_few_keys_is_refused_until_an_operator_wants_it() {
    let ways = [
        DisklessLoad::Disabled,
        DisklessLoad::FlushDb,
        DisklessLoad::SwapDb,
    ];
    for diskless in ways {
        let mut host = Host::new(diskless);
        (host.core.is_familiar, host.core.has_data) = (true, true);
        host.keys = Some(4);
        let bytes = full("REDIS and so on");
        let sync = |host: &mut Host, now_ms| {
            host.tick(now_ms);
            host.open(now_ms);
            host.bytes(now_ms, Link::Main, &bytes);
            host.answer(now_ms, Answer::Stepped(Step::Header));
            host.answer(now_ms, Answer::Stepped(Step::Done(Some(4))));
        };
        sync(&mut host, 0);
        assert_eq!(host.core.phase(), Phase::Down);
        assert!(host.core.has_data && host.core.refused.is_some_and(|r| r.keys == 4));
        assert!(
            host.log
                .iter()
                .any(|line| line.contains("REPLICAOF p 1 takes"))
        );
        host.tick(29_000);
        assert_eq!(host.core.phase(), Phase::Down);
        host.core.accept_sync(29_000);
        sync(&mut host, 29_000);
        assert!(
            host.core.is_online() && host.core.refused.is_none(),
            "{diskless:?}"
        );
    }
}

#[test]
fn faults_of_the_disk_end_the_attempt_and_slow_the_next() {
    let mut host = Host::new(DisklessLoad::Disabled);
    let mut now_ms = 0;
    let mut waits = Vec::new();
    for _ in 0..7 {
        host.tick(now_ms);
        host.open(now_ms);
        let begin = &full("REDIS and so on")[..90];
        host.bytes(now_ms, Link::Main, begin);
        assert_eq!(host.core.phase(), Phase::Receiving);
        let fault = StoreFault::Writing("No space left on device".to_owned());
        host.answer(now_ms, Answer::NotStored(fault));
        waits.push(host.core.retry_ms - now_ms);
        now_ms = host.core.retry_ms;
    }
    assert_eq!(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    assert_eq!(host.abandoned, Some((false, true)));
}

/// Regression: a primary that accepted the link and closed it was dialled again without pause. The
/// pause is from attempt to attempt, so a copy that took its time is not waited for twice.
#[test]
fn links_that_end_at_once_are_not_made_anew_at_once() {
    let mut upstream = Upstream::new("p".into(), 1, 0);
    let mut now = 0;
    let mut wait_after = |upstream: &mut Upstream, lived| {
        upstream.attempted_ms = now;
        upstream.answer(at(now), Answer::Online(true));
        now += lived;
        upstream.lose(now, Delay::None);
        upstream.retry_ms - now
    };
    let waits: Vec<u64> = (0..4).map(|_| wait_after(&mut upstream, 10)).collect();
    assert_eq!(waits, [0, 0, RETRY_MS - 10, RETRY_MS - 10]);
    assert_eq!(wait_after(&mut upstream, SHORT_MS), 0);
    assert_eq!(wait_after(&mut upstream, 10), 0);
}

#[test]
fn silence_ends_each_stage_after_the_time_limit() {
    let bytes = full("REDIS and so on");
    for cut in 0..bytes.len() {
        let mut host = Host::new(DisklessLoad::FlushDb);
        host.connect();
        host.bytes(0, Link::Main, &bytes[..cut]);
        host.tick(60_000);
        assert_ne!(host.core.phase(), Phase::Down, "cut at {cut}");
        if host.core.phase() == Phase::LoadingStream {
            // The bytes that have come are loaded as far as they go.
            host.answer(60_000, Answer::Stepped(Step::Header));
            host.answer(60_000, Answer::Stepped(Step::Starved));
        }
        if host.core.phase() != Phase::Down {
            host.tick(61_000);
        }
        assert_eq!(host.core.phase(), Phase::Down, "cut at {cut}");
    }
}

/// Bytes of a hostile primary: no panic, and each attempt ends or goes on.
#[test]
fn no_bytes_of_a_primary_are_too_strange() {
    for seed in 0..500 {
        let mut random = Random(seed);
        let mut host = Host::new(DisklessLoad::SwapDb);
        host.connect();
        for _ in 0..40 {
            let mut bytes = full("REDIS and so on");
            for _ in 0..random.place(4) {
                let at = random.place(bytes.len());
                bytes[at] = random.place(256) as u8;
            }
            let link = if random.place(2) == 0 {
                Link::Main
            } else {
                Link::Second
            };
            let from = random.place(bytes.len());
            host.receive(link, &bytes[from..], &mut random);
            host.answer(0, Answer::Stepped(Step::Header));
            host.answer(0, Answer::Stepped(Step::Starved));
            if random.place(4) == 0 {
                host.tick(random.place(100_000) as u64);
                host.tick(200_000);
                host.open(200_000);
            }
        }
    }
}

#[test]
fn lines_rank_as_they_did() {
    let mut core = Upstream::new("p".to_owned(), 1, 0);
    core.event(at(0), &introduction, Event::Tick);
    let line = |level, text: &str| {
        let text = text.to_owned();
        Some(Action::Log { level, text })
    };
    let started = line(Level::Notice, "MASTER <-> REPLICA sync started");
    assert_eq!(core.pop(), started);
    assert!(matches!(core.pop(), Some(Action::Dial { port: 1, .. })));
    core.answer(at(0), Answer::Undialled("no".to_owned()));
    let unable = line(Level::Warning, "Unable to connect to MASTER: no");
    assert_eq!(core.pop(), unable);
    assert_eq!((core.pop(), core.pop()), (Some(Order::HangUp.into()), None));
    assert_eq!(core.due_ms(), Some(RETRY_MS as i64));
}
