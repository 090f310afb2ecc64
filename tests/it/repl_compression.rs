//! `repl-compression`: links with compressed snapshots and a compressed stream, between two
//! russets, with other libraries of the format, and with servers that do not know it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use crate::replication::{pair, wait_for_link, wait_for_offset};
use crate::support::peers::Peer;
use crate::support::{Daemon, wait_until};

const ON: [&str; 2] = ["--repl-compression", "lz4"];
const USUAL: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

fn start(more: &[&str]) -> Daemon {
    Daemon::start(&[&USUAL[..], more].concat())
}

fn follow(replica: &Daemon, primary: &Daemon) {
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert!(replica.connect().ask(&line).starts_with("+OK"));
}

fn number(server: &Daemon, field: &str) -> u64 {
    let text = server.info(field);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The line of the first replica in INFO.
fn line(primary: &Daemon) -> String {
    primary.info("slave0").unwrap_or_default()
}

fn is_compressed(primary: &Daemon) -> bool {
    line(primary).contains("state=online") && line(primary).contains(",compression=lz4,")
}

fn wait_for_compression(primary: &Daemon) {
    wait_until("the link to be compressed", || is_compressed(primary));
}

/// Checks that both servers have the same data at the same offset.
fn compare(primary: &Daemon, replica: &Daemon) {
    wait_for_offset(replica, primary);
    let digests = [primary, replica].map(|server| server.connect().ask("DEBUG DIGEST"));
    assert_eq!(digests[0], digests[1], "{}", replica.log());
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Varied text that compresses.
fn text(len: usize) -> Vec<u8> {
    let words = (0u64..).map(|n| format!("value {} of {}; ", n % 1009, n * n % 97));
    words.flat_map(String::into_bytes).take(len).collect()
}

fn call(server: &Daemon, words: &[&[u8]]) -> Vec<u8> {
    server.connect().call(words)
}

/// Data for a snapshot, which is not part of the stream.
fn fill(primary: &Daemon) {
    for i in 0..300 {
        let value = text(2000 + i);
        call(primary, &[b"SET", format!("text:{i}").as_bytes(), &value]);
    }
    call(primary, &[b"SET", b"noise", &noise(300_000)]);
    call(primary, &[b"SET", b"long", &text(3_000_000)]);
}

/// Writes of all sizes.
fn write(primary: &Daemon) {
    let mut c = primary.connect();
    for i in 0..200 {
        c.ask(&format!("RPUSH list element-number-{i}"));
        c.ask(&format!("HSET hash field:{i} some-value"));
    }
    for (key, value) in [("w:text", text(4_000_000)), ("w:noise", noise(1_600_000))] {
        c.call(&[b"SET", key.as_bytes(), &value[..]]);
    }
    for line in [
        "MULTI",
        "SET unit 1",
        "INCR counter",
        "EXEC",
        "SELECT 3",
        "SET x 1",
    ] {
        c.ask(line);
    }
}

#[test]
fn a_pair_syncs_streams_and_continues_in_each_form() {
    const ONE_LINK: [&str; 2] = ["--repl-rdb-channel", "no"];
    let forms: [&[&str]; 7] = [
        &["--repl-diskless-sync", "no"],
        &["--repl-diskless-sync", "yes"],
        &["--repl-diskless-load", "swapdb"],
        &["--repl-diskless-load", "flush-before-load"],
        &[
            "--repl-rdb-channel",
            "yes",
            "--repl-diskless-load",
            "swapdb",
        ],
        &[
            "--dual-channel-replication-enabled",
            "yes",
            "--repl-diskless-load",
            "flush-before-load",
        ],
        &["--snapshot-method", "fork", "--repl-diskless-sync", "no"],
    ];
    for form in forms {
        let more = [&ON[..], &ONE_LINK, form].concat();
        let (primary, replica) = (start(&more), start(&more));
        fill(&primary);
        let sent = number(&primary, "total_net_repl_output_bytes");
        follow(&replica, &primary);
        wait_for_link(&replica);
        wait_for_compression(&primary);
        compare(&primary, &replica);
        // The snapshot is 3.9 MB without compression, and a tenth of it does not compress.
        let snapshot = number(&primary, "total_net_repl_output_bytes") - sent;
        assert!(
            (300_000..1_500_000).contains(&snapshot),
            "{form:?}: {snapshot}"
        );
        write(&primary);
        compare(&primary, &replica);
        let counts = ["sync_full", "sync_partial_ok"].map(|name| number(&primary, name));
        primary.connect().ask("CLIENT KILL TYPE replica");
        primary.connect().ask("SET after 1");
        wait_until("a partial sync", || {
            number(&primary, "sync_partial_ok") > counts[1]
        });
        wait_for_link(&replica);
        wait_for_compression(&primary);
        write(&primary);
        compare(&primary, &replica);
        assert_eq!(number(&primary, "sync_full"), counts[0], "{form:?}");
        for server in [&primary, &replica] {
            assert_eq!(server.info("repl_compression_errors").as_deref(), Some("0"));
        }
        wait_until("the figures of the link", || {
            let line = line(&primary);
            let figure = |name: &str| -> u64 {
                let (_, rest) = line.split_once(name).expect("it is there");
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().expect("a number")
            };
            let (from, to) = (figure("uncompressed_bytes="), figure(",compressed_bytes="));
            from > 5_000_000 && to < from / 3 * 2
        });
    }
}

#[test]
fn a_link_is_compressed_if_both_ends_want_it() {
    for (of_primary, of_replica, wanted) in [
        ("no", "no", false),
        ("lz4", "no", false),
        ("no", "lz4", false),
        ("yes", "lz4", true),
        ("lz4", "zstd", true),
        ("zstd", "yes", true),
    ] {
        let (primary, replica) = pair(
            &["--repl-compression", of_primary],
            &["--repl-compression", of_replica],
        );
        fill(&primary);
        compare(&primary, &replica);
        assert_eq!(is_compressed(&primary), wanted, "{of_primary} {of_replica}");
        let (sent, offset) = (
            number(&primary, "total_net_repl_output_bytes"),
            number(&primary, "master_repl_offset"),
        );
        assert_eq!(sent < offset / 2, wanted, "{sent} of {offset}");
        assert_eq!(sent >= offset, !wanted, "{sent} of {offset}");
        // The difference is the handshake, and commands that came in between.
        let got = number(&replica, "total_net_repl_input_bytes");
        assert!(got.abs_diff(sent) < 2000, "{got} of {sent}");
    }
}

#[test]
fn it_is_switched_at_either_end_while_the_link_is_up() {
    let (primary, replica) = pair(&ON, &ON);
    wait_for_compression(&primary);
    for round in 0..6 {
        let (server, value, wanted) = match round {
            0 => (&primary, "no", false),
            1 => (&primary, "yes", true),
            2 => (&replica, "no", false),
            3 => (&replica, "lz4", true),
            4 => (&primary, "zstd", true),
            _ => (&replica, "yes", true),
        };
        let links = number(&primary, "sync_partial_ok");
        let before = is_compressed(&primary);
        let set = format!("CONFIG SET repl-compression {value}");
        assert_eq!(server.connect().ask(&set), "+OK\r\n");
        if before != wanted {
            wait_until("another link", || {
                number(&primary, "sync_partial_ok") > links
            });
        }
        wait_until("the link to be as it is wanted", || {
            line(&primary).contains("state=online") && is_compressed(&primary) == wanted
        });
        write(&primary);
        compare(&primary, &replica);
        assert_eq!(number(&primary, "sync_full"), 1);
        if before == wanted {
            assert_eq!(number(&primary, "sync_partial_ok"), links, "{value}");
        }
    }
}

#[test]
fn each_link_of_a_chain_is_compressed_by_itself() {
    let (primary, middle) = pair(&ON, &ON);
    let (leaf, other) = (start(&ON), start(&[]));
    for replica in [&leaf, &other] {
        follow(replica, &middle);
        wait_for_link(replica);
    }
    // The primary compresses once for two replicas.
    let second = start(&ON);
    follow(&second, &primary);
    wait_for_link(&second);
    fill(&primary);
    write(&primary);
    for replica in [&middle, &second, &leaf, &other] {
        compare(&primary, replica);
    }
    assert!(is_compressed(&primary) && is_compressed(&middle));
    let plain = middle.info("slave1").unwrap_or_default();
    assert!(!plain.contains("compression="), "{plain}");
    assert_eq!(
        leaf.connect().ask("CONFIG SET repl-compression no"),
        "+OK\r\n"
    );
    wait_until("plain links of the middle", || {
        let lines = ["slave0", "slave1"].map(|name| middle.info(name).unwrap_or_default());
        lines
            .iter()
            .all(|line| line.contains("state=online") && !line.contains("compression="))
    });
    write(&primary);
    compare(&primary, &leaf);
    assert!(is_compressed(&primary));
}

/// A replica that is behind the backlog gets the changes from the files of the log.
#[test]
fn a_replica_that_was_away_for_long_continues_compressed_from_the_log() {
    const SMALL: [&str; 4] = ["--appendonly", "yes", "--repl-backlog-size", "16384"];
    let (primary, mut replica) = pair(&[&ON[..], &SMALL].concat(), &["--save", "3600 1"]);
    fill(&primary);
    wait_for_offset(&replica, &primary);
    let mut args: Vec<String> = [&ON[..], &USUAL]
        .concat()
        .iter()
        .map(|s| (*s).to_owned())
        .collect();
    args.extend(["--save", "3600 1", "--replicaof"].map(str::to_owned));
    args.push(format!("127.0.0.1 {}", primary.port()));
    replica.set_args(&args);
    assert_eq!(replica.connect().ask("SAVE"), "+OK\r\n");
    replica.kill();
    write(&primary);
    fill(&primary);
    replica.restart();
    wait_for_link(&replica);
    write(&primary);
    compare(&primary, &replica);
    assert!(is_compressed(&primary));
    assert_eq!(number(&primary, "sync_full"), 1, "{}", primary.log());
}

/// The other end of a link, played by the test.
struct Peer92 {
    reader: BufReader<TcpStream>,
}

impl Peer92 {
    fn new(stream: TcpStream) -> Peer92 {
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("a socket");
        Peer92 {
            reader: BufReader::new(stream),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("room");
    }

    /// Reads a line and returns it without its end.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            let n = self.reader.read_line(&mut line).expect("a line");
            assert!(n > 0, "the link has ended");
            // Servers send newlines to keep a link alive.
            if line != "\n" {
                return line.trim_end().to_owned();
            }
        }
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.reader.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// Reads the words of a request.
    fn request(&mut self) -> Vec<String> {
        let count: usize = self.line()[1..].parse().expect("a count");
        let mut words = Vec::new();
        for _ in 0..count {
            self.line();
            words.push(self.line());
        }
        words
    }

    /// Answers a replica as its primary up to PSYNC; returns the words of PSYNC and whether the
    /// replica sent `capa lz4` before.
    fn answer(&mut self) -> (Vec<String>, bool) {
        let mut takes = false;
        loop {
            let words = self.request();
            takes |= words.iter().any(|word| word == "lz4");
            match &words[0][..] {
                "PING" => self.say(b"+PONG\r\n"),
                "PSYNC" => return (words, takes),
                _ => self.say(b"+OK\r\n"),
            }
        }
    }
}

/// A snapshot of a server with one key, as a file.
fn snapshot() -> Vec<u8> {
    let server = Daemon::start(&[]);
    server.connect().ask("SET k of-the-snapshot");
    assert_eq!(server.connect().ask("SAVE"), "+OK\r\n");
    std::fs::read(server.folder().join("dump.rdb")).expect("a file")
}

const MARK: &[u8; 40] = b"0123456789abcdef0123456789abcdef01234567";
const ID: &str = "0123456789012345678901234567890123456789";

fn encoder(kind: u8, mode: BlockMode, sums: bool) -> FrameEncoder<Vec<u8>> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(mode)
        .block_checksums(sums);
    FrameEncoder::with_frame_info(info, vec![b'V', b'C', b'S', 1, 1, 0, kind])
}

fn set(key: &str, value: &[u8]) -> Vec<u8> {
    let begin = format!(
        "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n",
        key.len(),
        value.len()
    );
    [begin.as_bytes(), value, b"\r\n"].concat()
}

/// A primary whose frames come from another library, as Valkey 9.2 makes them. A damaged frame ends
/// the link, and the next link continues before that frame.
#[test]
fn what_another_primary_compresses_is_taken_and_damage_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for load in ["disabled", "swapdb"] {
        let replica = start(&[&ON[..], &["--repl-diskless-load", load]].concat());
        replica
            .connect()
            .ask(&format!("REPLICAOF 127.0.0.1 {port}"));
        let mut primary = Peer92::new(listener.accept().expect("a link").0);
        let (words, takes) = primary.answer();
        assert!(
            takes && words[1].len() == 40 || words[1] == "?",
            "{words:?}"
        );
        let mut packed = encoder(1, BlockMode::Linked, true);
        packed.write_all(&snapshot()).expect("memory");
        let packed = packed.finish().expect("memory");
        let begin = format!("+FULLRESYNC {ID} 100\r\n$EOF:");
        primary.say(&[begin.as_bytes(), MARK, b"\r\n", &packed, MARK].concat());
        while primary.request()[1] != "ACK" {}
        let mut stream = encoder(2, BlockMode::Linked, true);
        let mut raw = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".to_vec();
        raw.extend(set("small", b"1"));
        raw.extend(set("large", &text(500_000)));
        raw.extend(set("noise", &noise(100_000)));
        let mut offset = 100;
        for piece in [&raw[..], &set("small", b"2"), &set("last", b"3")] {
            stream.write_all(piece).expect("memory");
            stream.flush().expect("memory");
            let bytes = std::mem::take(stream.get_mut());
            // In two parts, so that the cut is inside a block.
            let (first, second) = bytes.split_at(bytes.len() / 2);
            primary.say(first);
            primary.say(second);
            offset += piece.len() as u64;
        }
        wait_until("the stream to be applied", || {
            number(&replica, "slave_repl_offset") == offset
        });
        let mut c = replica.connect();
        assert_eq!(
            c.ask("MGET k small last"),
            "*3\r\n$15\r\nof-the-snapshot\r\n$1\r\n2\r\n$1\r\n3\r\n"
        );
        assert_eq!(c.ask("STRLEN large"), ":500000\r\n");
        assert_eq!(
            replica.info("repl_compression_errors").as_deref(),
            Some("0")
        );
        // A block whose checksum is wrong.
        stream.write_all(&set("bad", b"bad")).expect("memory");
        stream.flush().expect("memory");
        let mut bytes = std::mem::take(stream.get_mut());
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        primary.say(&bytes);
        let mut primary = Peer92::new(listener.accept().expect("another link").0);
        let (words, _) = primary.answer();
        assert_eq!(words[1..], [ID.to_owned(), (offset + 1).to_string()]);
        replica.wait_for_log("is damaged: a checksum is wrong");
        assert_eq!(
            replica.info("repl_compression_errors").as_deref(),
            Some("1")
        );
        assert_eq!(c.ask("EXISTS bad"), ":0\r\n");
        // The link continues, this time without compression.
        primary.say(b"+CONTINUE\r\n\n");
        primary.say(&set("plain", b"4"));
        wait_until("the plain stream", || c.ask("GET plain") == "$1\r\n4\r\n");
        // The replica does not load a snapshot with a damaged frame: it keeps its data until it
        // gets a whole snapshot.
        drop(primary);
        let mut primary = Peer92::new(listener.accept().expect("another link").0);
        primary.answer();
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x40;
        let begin = format!("+FULLRESYNC {ID} 900\r\n$EOF:");
        primary.say(&[begin.as_bytes(), MARK, b"\r\n", &damaged, MARK].concat());
        replica.wait_for_log("The compressed snapshot of MASTER is damaged");
        c.ask("REPLICAOF NO ONE");
        assert_eq!(c.ask("GET plain"), "$1\r\n4\r\n", "{load}");
    }
}

/// A replica that reads russet's frames with another library.
#[test]
fn what_we_compress_another_replica_reads() {
    let primary = start(&ON);
    fill(&primary);
    let stream = TcpStream::connect(("127.0.0.1", primary.port())).expect("it listens");
    let mut replica = Peer92::new(stream);
    replica.say(b"REPLCONF capa eof capa psync2 capa lz4\r\nREPLCONF version 9.2.0\r\n");
    for _ in 0..2 {
        assert_eq!(replica.line(), "+OK");
    }
    replica.say(b"PSYNC ? -1\r\n");
    let (mut line, mut offset) = (replica.line(), 0);
    while !line.starts_with("$EOF:") {
        if let Some(rest) = line.strip_prefix("+FULLRESYNC ") {
            offset = rest[41..].parse().expect("an offset");
        }
        line = replica.line();
    }
    let mark = line.as_bytes()["$EOF:".len()..].to_vec();
    assert_eq!(replica.bytes(7), b"VCS\x01\x01\x00\x01");
    let mut content = Vec::new();
    let mut decoder = FrameDecoder::new(&mut replica.reader);
    decoder.read_to_end(&mut content).expect("a frame");
    assert!(content.starts_with(b"VALKEY") || content.starts_with(b"REDIS"));
    assert!(content.len() > 500_000);
    assert_eq!(replica.bytes(40), mark);
    replica.say(format!("REPLCONF ACK {offset}\r\n").as_bytes());
    wait_for_compression(&primary);
    let (value, noise) = (text(300_000), noise(100_000));
    for (key, value) in [("text", &value[..]), ("noise", &noise), ("small", b"1")] {
        call(&primary, &[b"SET", key.as_bytes(), value]);
    }
    assert_eq!(replica.bytes(7), b"VCS\x01\x01\x00\x02");
    let mut wanted = set("text", &value);
    wanted.extend(set("noise", &noise));
    wanted.extend(set("small", b"1"));
    let mut got = vec![0; wanted.len() + 23];
    let mut decoder = FrameDecoder::new(&mut replica.reader);
    decoder.read_exact(&mut got).expect("the stream");
    assert!(
        got.ends_with(&wanted),
        "{}",
        String::from_utf8_lossy(&got[..60])
    );
}

/// Servers without compression get plain bytes, and send plain bytes.
#[test]
fn redis_and_valkey_are_copied_and_copy_as_ever() {
    for peer in [Peer::Redis810, Peer::Valkey9] {
        let Some(program) = peer.program_for("compressed links to it") else {
            continue;
        };
        let own = [&USUAL[..], &ON, peer.arguments()].concat();
        let theirs = Daemon::start_program(&program, &USUAL);
        let (ours, copy) = (Daemon::start(&own), Daemon::start_program(&program, &USUAL));
        for (primary, replica) in [(&theirs, &ours), (&ours, &copy)] {
            let name = peer.name();
            primary.connect().ask("SET before 1");
            follow(replica, primary);
            wait_for_link(replica);
            write(primary);
            wait_until("the replica to have everything", || {
                number(replica, "slave_repl_offset") == number(primary, "master_repl_offset")
            });
            for key in ["before", "w:text", "w:noise", "unit"] {
                let values = [primary, replica].map(|s| call(s, &[b"GET", key.as_bytes()]));
                assert!(
                    values[0] == values[1] && values[0].len() > 5,
                    "{name}: {key}"
                );
            }
            if std::ptr::eq(replica, &ours) {
                ours.connect().ask("REPLICAOF NO ONE");
            } else {
                assert!(
                    !line(&ours).contains("compression="),
                    "{name}: {}",
                    line(&ours)
                );
            }
        }
    }
}
