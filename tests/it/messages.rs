//! Messages between clients under strain: pub/sub, events, client-side caching.

use std::time::Duration;

use crate::support::{Connection, Daemon, resp::command, wait_until};

fn figure(server: &Daemon, name: &str) -> u64 {
    let text = server.info(name).unwrap_or_default();
    text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
}

fn subscribed(server: &Daemon, channel: &str) -> Connection {
    let mut c = server.connect();
    let reported = c.ask(&format!("SUBSCRIBE {channel}"));
    assert!(reported.ends_with(":1\r\n"), "{reported}");
    c
}

#[test]
fn a_subscriber_that_never_reads_is_cut_off_and_harms_nobody() {
    let server = Daemon::start(&["--client-output-buffer-limit", "pubsub 2mb 1mb 60"]);
    let _sleeper = subscribed(&server, "news");
    let mut reader = subscribed(&server, "news");
    let mut publisher = server.connect();
    let text = vec![b'x'; 64 * 1024];
    let publish = command(&[&b"PUBLISH"[..], b"news", &text]);
    let message = command(&[&b"message"[..], b"news", &text]);
    let mut receivers = 2;
    // The sockets hold more bytes than the limit.
    for _ in 0..2000 {
        publisher.send(&publish);
        let count = publisher.reply();
        assert_eq!(reader.reply(), message);
        receivers = if count == b":1\r\n" { 1 } else { 2 };
        if receivers == 1 {
            break;
        }
    }
    assert_eq!(receivers, 1);
    assert_eq!(
        figure(&server, "client_output_buffer_limit_disconnections"),
        1
    );
    wait_until("the log to tell of it", || {
        server.log().contains("overcoming of output buffer limits")
    });
}

#[test]
fn a_hundred_thousand_channels_come_and_go_with_their_memory() {
    const CHANNELS: usize = 100_000;
    let server = Daemon::start(&[]);
    let before = figure(&server, "used_memory");
    let mut c = server.connect();
    let names: Vec<String> = (0..CHANNELS).map(|n| format!("channel:{n}")).collect();
    let mut words: Vec<&[u8]> = vec![b"SUBSCRIBE"];
    words.extend(names.iter().map(|name| name.as_bytes()));
    c.send(&command(&words));
    for n in 1..=CHANNELS {
        assert!(c.reply().ends_with(format!(":{n}\r\n").as_bytes()));
    }
    assert_eq!(figure(&server, "pubsub_channels"), CHANNELS as u64);
    let held = figure(&server, "used_memory") - before;
    assert!(held > CHANNELS as u64 * 16, "{held}");
    let reported = figure(&server, "mem_clients_normal");
    assert!(reported > CHANNELS as u64 * 16 / 2, "{reported} of {held}");
    drop(c);
    wait_until("the channels to be left", || {
        figure(&server, "pubsub_channels") == 0
    });
    wait_until("their memory to be back", || {
        figure(&server, "used_memory") < before + (1 << 20)
    });
}

#[test]
fn patterns_built_to_blow_up_are_matched_in_no_time() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let pattern = "a*".repeat(200) + "b";
    assert!(c.ask(&format!("PSUBSCRIBE {pattern}")).ends_with(":1\r\n"));
    let mut publisher = server.connect();
    let channel = "a".repeat(4000);
    assert_eq!(publisher.ask(&format!("PUBLISH {channel} x")), ":0\r\n");
    assert_eq!(publisher.ask(&format!("PUBLISH {channel}b x")), ":1\r\n");
}

#[test]
fn prefixes_that_overlap_are_refused_whole() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    let reported = c.ask("CLIENT TRACKING ON BCAST PREFIX user: PREFIX user:1");
    assert!(
        reported.starts_with("-ERR Prefix 'user:' overlaps"),
        "{reported}"
    );
    assert_eq!(figure(&server, "tracking_clients"), 0);
}

#[test]
fn ten_thousand_prefixes_of_a_client_take_little() {
    const PREFIXES: usize = 10_240;
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    assert!(c.ask("HELLO 3").contains("proto"));
    let id = c.ask("CLIENT ID");
    let list = format!("CLIENT LIST ID {}", id.trim_start_matches(':').trim());
    let mut asking = server.connect();
    let mut memory = || -> usize {
        let line = asking.ask(&list);
        let at = line.find("tot-mem=").expect("a client") + 8;
        let digits = line[at..].split(' ').next().unwrap_or_default();
        digits.parse().expect("a number")
    };
    let before = memory();
    let names: Vec<String> = (0..PREFIXES)
        .map(|n| format!("tenant:000001:object:{n:07}:"))
        .collect();
    for some in names.chunks(64) {
        let mut words: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", b"ON", b"BCAST"];
        for name in some {
            words.extend([&b"PREFIX"[..], name.as_bytes()]);
        }
        assert_eq!(c.call(&words), b"+OK\r\n");
    }
    assert_eq!(figure(&server, "tracking_total_prefixes"), PREFIXES as u64);
    // The query buffer counts, too, until the server frees it.
    wait_until("the prefixes to be all that it holds", || {
        memory() < 400_000
    });
    assert!(memory() - before > PREFIXES * 8, "{before}");
    // The server holds the memory nowhere else.
    assert!(figure(&server, "mem_tracking") < 100_000);

    let mut writer = server.connect();
    let key = format!("{}field", names[4321]);
    assert_eq!(writer.ask(&format!("SET {key} v")), "+OK\r\n");
    assert!(String::from_utf8_lossy(&c.reply()).contains(&key));
    assert_eq!(c.ask("CLIENT TRACKING OFF"), "+OK\r\n");
    assert_eq!(figure(&server, "tracking_total_prefixes"), 0);
    assert!(figure(&server, "mem_tracking") < 10_000);
    wait_until("their memory to be back", || memory() < before + 20_000);
}

#[test]
fn a_prefix_overlaps_the_empty_one_beside_others() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    assert_eq!(c.ask("CLIENT TRACKING ON BCAST PREFIX bar"), "+OK\r\n");
    assert_eq!(c.ask("CLIENT TRACKING ON BCAST"), "+OK\r\n");
    let reported = c.ask("CLIENT TRACKING ON BCAST PREFIX zoo");
    let refusal = "-ERR Prefix 'zoo' overlaps with an existing prefix ''.";
    assert!(reported.starts_with(refusal), "{reported}");
}

/// The names of the keys in a caching client's next invalidation.
fn invalidated(c: &mut Connection) -> String {
    let message = String::from_utf8(c.reply()).expect("text");
    assert!(
        message.starts_with(">2\r\n$10\r\ninvalidate\r\n*"),
        "{message}"
    );
    let names = message.split("\r\n").filter(|line| line.contains(':'));
    names.collect::<Vec<_>>().join(" ")
}

/// russet invalidates as Redis 8.10.2 does for these commands; Valkey 9.1.2 names all keys.
#[test]
fn broadcasts_name_only_keys_that_the_user_may_read() {
    for dialect in ["redis", "valkey"] {
        let server = Daemon::start(&["--dialect", dialect]);
        let mut c = server.connect();
        let rules = "ACL SETUSER caching on nopass +@all resetkeys ~a:* %W~w:* %R~r:*";
        let write = "MSET a:1 1 w:1 1 r:1 1 x:1 1";
        for prefixes in ["", " PREFIX a: PREFIX r: PREFIX w: PREFIX x:"] {
            assert_eq!(c.ask(rules), "+OK\r\n");
            let mut caching = server.connect();
            caching.ask("HELLO 3 AUTH caching x");
            let tracks = format!("CLIENT TRACKING ON BCAST{prefixes}");
            assert_eq!(caching.ask(&tracks), "+OK\r\n");
            c.ask(write);
            if prefixes.is_empty() {
                assert_eq!(invalidated(&mut caching), "a:1 r:1");
            } else {
                assert_eq!(invalidated(&mut caching), "a:1");
                assert_eq!(invalidated(&mut caching), "r:1");
            }
            // The user's rules at the time of the change decide, not the rules at the start of
            // tracking.
            assert_eq!(c.ask("ACL SETUSER caching resetkeys ~x:*"), "+OK\r\n");
            c.ask(write);
            assert_eq!(invalidated(&mut caching), "x:1");
            // A flush changes every key, so its message gives no secret away.
            c.ask("FLUSHALL");
            assert_eq!(caching.reply(), b">2\r\n$10\r\ninvalidate\r\n_\r\n");
            // A user without keys gets no invalidation.
            assert_eq!(c.ask("ACL SETUSER caching resetkeys"), "+OK\r\n");
            c.ask(write);
            assert_eq!(caching.ask("PING"), "+PONG\r\n");
        }
    }
}

/// The rules are those of the tracking client's user, not of the user that receives the messages.
#[test]
fn redirected_broadcasts_are_of_keys_that_the_tracking_user_may_read() {
    let server = Daemon::start(&[]);
    let mut c = server.connect();
    assert_eq!(c.ask("ACL SETUSER caching on nopass +@all ~a:*"), "+OK\r\n");
    let mut receiver = server.connect();
    let id = receiver.ask("CLIENT ID");
    receiver.ask("SUBSCRIBE __redis__:invalidate");
    let mut caching = server.connect();
    caching.ask("AUTH caching x");
    let tracks = format!(
        "CLIENT TRACKING ON BCAST REDIRECT {}",
        id.trim_matches([':', '\r', '\n'])
    );
    assert_eq!(caching.ask(&tracks), "+OK\r\n");
    c.ask("MSET a:1 1 x:1 1");
    let message = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$3\r\na:1\r\n";
    assert_eq!(String::from_utf8_lossy(&receiver.reply()), message);
}

#[test]
fn events_name_keys_of_any_bytes() {
    let server = Daemon::start(&["--notify-keyspace-events", "KEA"]);
    let mut listener = server.connect();
    listener.send(&command(&[&b"PSUBSCRIBE"[..], b"__key*__:*"]));
    listener.reply();
    let key = b"\x00\r\n\xff*key";
    let mut c = server.connect();
    assert_eq!(c.call(&[&b"SET"[..], key, b"v"]), b"+OK\r\n");
    let space = [&b"__keyspace@0__:"[..], key].concat();
    let reported = command(&[&b"pmessage"[..], b"__key*__:*", &space, b"set"]);
    assert_eq!(listener.reply(), reported);
    let reported = command(&[&b"pmessage"[..], b"__key*__:*", b"__keyevent@0__:set", key]);
    assert_eq!(listener.reply(), reported);
}

#[test]
fn a_caching_client_without_a_redirect_target_is_notified() {
    let server = Daemon::start(&[]);
    let mut receiver = subscribed(&server, "__redis__:invalidate");
    let mut c = server.connect();
    c.send(b"HELLO 3\r\n");
    c.reply();
    let id: u64 = {
        let list = server.connect().ask("CLIENT LIST TYPE pubsub");
        let at = list.find("id=").expect("an id") + 3;
        let digits: String = list[at..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().expect("a number")
    };
    assert_eq!(
        c.ask(&format!("CLIENT TRACKING ON REDIRECT {id}")),
        "+OK\r\n"
    );
    assert_eq!(c.ask("GET k"), "_\r\n");
    let mut writer = server.connect();
    assert_eq!(writer.ask("SET k 1"), "+OK\r\n");
    let reported = String::from_utf8_lossy(&receiver.reply()).into_owned();
    assert!(reported.ends_with("*1\r\n$1\r\nk\r\n"), "{reported}");
    drop(receiver);
    wait_until("the receiver to be gone", || {
        figure(&server, "pubsub_channels") == 0
    });
    assert_eq!(c.ask("GET k"), "$1\r\n1\r\n");
    assert_eq!(writer.ask("SET k 2"), "+OK\r\n");
    let reported = String::from_utf8_lossy(&c.reply()).into_owned();
    assert_eq!(
        reported,
        format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{id}\r\n")
    );
    assert!(c.is_silent_for(Duration::from_millis(20)));
}

/// The messages that a command causes, each as `channel|text`.
fn reported(c: &mut Connection, listener: &mut Connection, line: &str) -> Vec<String> {
    c.ask(line);
    c.ask("PUBLISH end end");
    let mut all = Vec::new();
    loop {
        let reply = String::from_utf8_lossy(&listener.reply()).into_owned();
        let words: Vec<&str> = reply.split("\r\n").collect();
        // *4, pmessage, pattern, channel, text
        let (channel, text) = (words[6], words[8]);
        if channel == "end" {
            return all;
        }
        all.push(format!("{channel}|{text}"));
    }
}

#[test]
fn overwritten_values_and_touched_fields_are_notified_as_in_redis() {
    let server = Daemon::start(&["--notify-keyspace-events", "EAocSTIV"]);
    let (mut c, mut listener) = (server.connect(), server.connect());
    listener.ask("PSUBSCRIBE *");
    let mut events = |line: &str| {
        let all = reported(&mut c, &mut listener, line);
        all.iter()
            .map(|reported| reported.replace("@0__:", ":").replace("__", ""))
            .collect::<Vec<String>>()
            .join(" ")
    };
    assert_eq!(events("SET k 1"), "keyevent:set|k");
    assert_eq!(events("SET k 2"), "keyevent:overwritten|k keyevent:set|k");
    assert_eq!(events("INCR k"), "keyevent:incrby|k");
    assert_eq!(
        events("HSET h a 1 bc 2"),
        "keyevent:hset|h subkeyspace:h|hset|1:a,2:bc subkeyevent:hset|1:h|1:a,2:bc \
         subkeyspaceitem:h\na|hset subkeyspaceitem:h\nbc|hset subkeyspaceevent:hset|h|1:a,2:bc"
    );
    assert_eq!(
        events("HEXPIRE h 100 FIELDS 2 a no"),
        "keyevent:hexpire|h subkeyspace:h|hexpire|1:a subkeyevent:hexpire|1:h|1:a \
         subkeyspaceitem:h\na|hexpire subkeyspaceevent:hexpire|h|1:a"
    );
    assert_eq!(
        events("HGETDEL h FIELDS 2 bc no"),
        "keyevent:hdel|h subkeyspace:h|hdel|2:bc subkeyevent:hdel|1:h|2:bc \
         subkeyspaceitem:h\nbc|hdel subkeyspaceevent:hdel|h|2:bc"
    );
    assert_eq!(
        events("SADD t a bc a"),
        "keyevent:sadd|t subkeyspace:t|sadd|1:a,2:bc subkeyevent:sadd|1:t|1:a,2:bc \
         subkeyspaceitem:t\na|sadd subkeyspaceitem:t\nbc|sadd subkeyspaceevent:sadd|t|1:a,2:bc"
    );
    assert_eq!(
        events("SEXPIRE t 100 MEMBERS 2 a no"),
        "keyevent:sexpire|t subkeyspace:t|sexpire|1:a subkeyevent:sexpire|1:t|1:a \
         subkeyspaceitem:t\na|sexpire subkeyspaceevent:sexpire|t|1:a"
    );
    assert_eq!(
        events("SEXPIREAT t 1 MEMBERS 1 bc"),
        "keyevent:srem|t subkeyspace:t|srem|2:bc subkeyevent:srem|1:t|2:bc \
         subkeyspaceitem:t\nbc|srem subkeyspaceevent:srem|t|2:bc"
    );
    assert_eq!(
        events("RENAME h k"),
        "keyevent:rename_from|h keyevent:rename_to|k keyevent:overwritten|k \
         keyevent:type_changed|k"
    );
    assert_eq!(events("COPY k k2 REPLACE"), "keyevent:copy_to|k2");
    events("SADD s x");
    assert_eq!(
        events("SUNIONSTORE k s"),
        "keyevent:overwritten|k keyevent:type_changed|k keyevent:sunionstore|k"
    );
    assert_eq!(events("DEL k2"), "keyevent:del|k2");
}
