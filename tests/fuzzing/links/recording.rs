//! Conversations of two servers, recorded as tapes: the seeds of both targets.
//!
//!     primary (Site) <-- wire: two pairs of sockets, joined here --> replica (Site)
//!
//! Both servers run in this process. Each has its own clock, and the recorder moves both clocks
//! alike. The recorder carries bytes between the servers until both are silent. Each piece becomes
//! a step of two tapes: the primary's bytes in the first, the replica's in the second. In a tape
//! for [`super::hostile_replica`] a placeholder stands for the id of the primary's history, because
//! the id differs in each run.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use super::{Act, End, Folder, LinkStep, Site, primary, replica};

/// A form of full synchronization, with the configuration of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncSetup {
    /// `repl-diskless-load`: 0 to 3.
    load: u8,
    diskless: bool,
    rdb_channel: bool,
    dual_channel: bool,
    lz4: bool,
}

/// The recorded forms, by name.
const FORMS: [(&str, SyncSetup); 8] = {
    const FILE: SyncSetup = SyncSetup {
        load: 0,
        diskless: false,
        rdb_channel: false,
        dual_channel: false,
        lz4: false,
    };
    const STREAMED: SyncSetup = SyncSetup {
        diskless: true,
        ..FILE
    };
    [
        ("file", FILE),
        ("streamed", STREAMED),
        (
            "swapdb",
            SyncSetup {
                load: 1,
                ..STREAMED
            },
        ),
        ("flush", SyncSetup { load: 2, ..FILE }),
        (
            "rdb_channel",
            SyncSetup {
                load: 1,
                rdb_channel: true,
                ..STREAMED
            },
        ),
        (
            "dual_channel",
            SyncSetup {
                load: 2,
                dual_channel: true,
                ..STREAMED
            },
        ),
        (
            "lz4",
            SyncSetup {
                load: 1,
                lz4: true,
                ..STREAMED
            },
        ),
        (
            "lz4_rdb_channel",
            SyncSetup {
                rdb_channel: true,
                lz4: true,
                ..STREAMED
            },
        ),
    ]
};

/// A conversation as two tapes: the bytes of the primary for [`super::hostile_primary`], and the
/// bytes of the replica for [`super::hostile_replica`].
pub struct TapePair {
    pub name: &'static str,
    pub primary: Vec<u8>,
    pub replica: Vec<u8>,
}

/// A connection between the two servers, and the ends that the recorder holds.
struct Wire {
    replica: End,
    primary: End,
}

struct LinkRecorder {
    primary: Site,
    replica: Site,
    dialled: Rc<RefCell<Vec<UnixStream>>>,
    wires: Vec<Wire>,
    said_by_primary: Vec<u8>,
    said_by_replica: Vec<u8>,
}

/// Full sync, stream, a cut and a partial sync, in each form.
pub fn record() -> Vec<TapePair> {
    FORMS
        .iter()
        .map(|(name, form)| {
            let _folder = Folder::enter();
            let mut recording = LinkRecorder::begin(*form);
            recording.converse();
            TapePair {
                name,
                primary: recording.said_by_primary,
                replica: recording.said_by_replica,
            }
        })
        .collect()
}

fn put(tape: &mut Vec<u8>, link: u8, act: Act<'_>) {
    LinkStep { link, act }.write(tape);
}

impl LinkRecorder {
    fn begin(form: SyncSetup) -> LinkRecorder {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let as_replica = form.load
            | bit(form.rdb_channel, primary::RDB_CHANNEL)
            | bit(form.dual_channel, primary::DUAL_CHANNEL)
            | bit(form.lz4, primary::LZ4);
        let as_primary = bit(form.diskless, replica::DISKLESS)
            | bit(form.rdb_channel, replica::RDB_CHANNEL)
            | bit(form.dual_channel, replica::DUAL_CHANNEL)
            | bit(form.lz4, replica::LZ4);
        let dialled = Rc::new(RefCell::new(Vec::new()));
        let own = Rc::clone(&dialled);
        let dial = move |_: &str, _| {
            let (inner, outer) = UnixStream::pair()?;
            own.borrow_mut().push(inner);
            Ok(outer)
        };
        let refuse = |_: &str, _| Err(std::io::ErrorKind::ConnectionRefused.into());
        // Both servers use the same file names, so neither has a file while both run.
        let primary = Site::start(&replica::options(as_primary), refuse);
        let replica = Site::start(&primary::options(as_replica), dial);
        LinkRecorder {
            primary,
            replica,
            dialled,
            wires: Vec::new(),
            said_by_primary: vec![as_replica | primary::HAS_DATA],
            said_by_replica: vec![as_primary],
        }
    }

    fn converse(&mut self) {
        let lines = [
            "SET a 1",
            "SET b text PX 100000000",
            "RPUSH l a b 3",
            "SADD s x y",
            "HSET h f v g w",
            "ZADD z 1 a 2.5 b",
            "XADD t 1-1 f v",
            "FUNCTION LOAD #!lua\u{20}name=lib\nredis.register_function('f',function()return(1)end)",
        ];
        for line in lines {
            let words: Vec<&[u8]> = match line.strip_prefix("FUNCTION LOAD ") {
                Some(code) => vec![b"FUNCTION", b"LOAD", code.as_bytes()],
                None => line.split(' ').map(str::as_bytes).collect(),
            };
            self.primary.ask(&words);
        }
        self.replica.ask_line("REPLICAOF 127.0.0.1 7000");
        self.pass(30, 10);
        for what in [0, 8, 9, 3] {
            self.write(what);
        }
        self.pass(8, 50);
        for wire in self.wires.drain(..).rev() {
            drop(wire);
            put(&mut self.said_by_primary, 0, Act::Close);
            put(&mut self.said_by_replica, 0, Act::Close);
        }
        self.write(8);
        self.pass(40, 50);
        self.write(9);
        self.pass(4, 50);
    }

    /// A write that [`super::replica`] repeats.
    fn write(&mut self, what: u8) {
        match what {
            8 => _ = self.primary.ask_line("RPUSH list 1"),
            9 => _ = self.primary.ask_line("WAIT 1 100"),
            _ => {
                let value = vec![b'v'; 1 << (what + 6)];
                self.primary.ask(&[b"SET", b"k", &value]);
            }
        }
        put(&mut self.said_by_replica, 0, Act::Client(what));
        self.carry();
    }

    fn pass(&mut self, times: u32, tens: u8) {
        for _ in 0..times {
            put(&mut self.said_by_primary, 0, Act::Pass(tens));
            put(&mut self.said_by_replica, 0, Act::Pass(tens));
            self.primary.pass(10 * u64::from(tens));
            self.replica.pass(10 * u64::from(tens));
            self.carry();
        }
    }

    /// Carries the bytes of both servers until both are silent.
    fn carry(&mut self) {
        loop {
            for inner in self.dialled.borrow_mut().drain(..) {
                put(&mut self.said_by_replica, 0, Act::Open);
                self.wires.push(Wire {
                    replica: End::new(inner),
                    primary: End::to(&mut self.primary.node, 7001),
                });
            }
            self.primary.run();
            self.replica.run();
            let mut is_silent = self.dialled.borrow().is_empty();
            let newest = self.wires.len();
            for (at, wire) in self.wires.iter_mut().enumerate() {
                let link = (newest - 1 - at) as u8;
                let by_replica = wire.replica.read();
                if !by_replica.is_empty() {
                    wire.primary.write(&by_replica);
                    let id = self.primary.node.facts().id;
                    let known = with_placeholder(by_replica, id.as_bytes());
                    put(&mut self.said_by_replica, link, Act::Say(&known));
                }
                let by_primary = wire.primary.read();
                if !by_primary.is_empty() {
                    wire.replica.write(&by_primary);
                    put(&mut self.said_by_primary, link, Act::Say(&by_primary));
                    is_silent = false;
                }
            }
            if is_silent {
                self.primary.run();
                self.replica.run();
                return;
            }
        }
    }
}

/// Replaces the id of the primary's history, because it differs in each run.
fn with_placeholder(mut bytes: Vec<u8>, id: &[u8]) -> Vec<u8> {
    while let Some(at) = bytes.windows(id.len()).position(|window| window == id) {
        bytes[at..at + id.len()].copy_from_slice(replica::ID);
    }
    bytes
}
