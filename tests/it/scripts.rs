//! Scripts that run for long while other clients want service, and the server after them.

use std::time::{Duration, Instant};

use crate::support::resp::command;
use crate::support::{Connection, Daemon, wait_until};

const THRESHOLD: &[&str] = &["--busy-reply-threshold", "30"];

/// A client with a running script, and a client that got the BUSY error.
fn busy(server: &Daemon, words: &[&str]) -> (Connection, Connection) {
    let mut running = server.connect();
    running.send(&command(words));
    let mut other = server.connect();
    wait_until("BUSY", || other.ask("PING").starts_with("-BUSY"));
    (running, other)
}

fn reported(c: &mut Connection) -> String {
    String::from_utf8_lossy(&c.reply()).into_owned()
}

#[test]
fn a_long_script_lets_others_know_and_can_be_killed() {
    let server = Daemon::start(THRESHOLD);
    let (mut running, mut other) = busy(&server, &["EVAL", "while true do end", "0"]);
    let busy = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";
    assert_eq!(other.ask("GET a"), busy);
    assert_eq!(
        other.ask("GET"),
        "-ERR wrong number of arguments for 'get' command\r\n"
    );
    assert_eq!(other.ask("FUNCTION KILL"), busy);
    assert!(other.ask("FUNCTION STATS").contains("running_script"));
    assert_eq!(other.ask("MULTI"), "+OK\r\n");
    assert_eq!(other.ask("SET a 1"), busy);
    assert!(other.ask("EXEC").starts_with("-EXECABORT"));
    assert_eq!(other.ask("SHUTDOWN"), busy);
    assert_eq!(other.ask("SHUTDOWN SAVE"), busy);
    let mut new = server.connect();
    assert!(new.ask("HELLO 3").contains("russet") || new.ask("PING").starts_with("-BUSY"));
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    let end = reported(&mut running);
    assert!(
        end.starts_with("-ERR Error running script") || end.contains("Script killed by user"),
        "{end}"
    );
    assert_eq!(other.ask("PING"), "+PONG\r\n");
    assert_eq!(
        other.ask("SCRIPT KILL"),
        "-NOTBUSY No scripts in execution right now.\r\n"
    );
    assert_eq!(running.ask("EVAL return(1) 0"), ":1\r\n");
    server.wait_for_log("Slow script detected");
}

/// The server answers requests that arrive with the script's request while the script runs, not
/// after it.
#[test]
fn requests_read_together_with_a_long_script_are_served_beside_it() {
    let server = Daemon::start(THRESHOLD);
    let (mut running, mut other) = (server.connect(), server.connect());
    let (mut third, mut sleeping) = (server.connect(), server.connect());
    for c in [&mut running, &mut other, &mut third] {
        assert_eq!(c.ask("PING"), "+PONG\r\n");
    }
    // The clients send while DEBUG SLEEP holds the loop.
    sleeping.send(&command(&["DEBUG", "SLEEP", "0.3"]));
    running.send(&command(&["EVAL", "while true do end", "0"]));
    other.send(&command(&["GET", "a"]));
    third.send(&command(&["GET", "a"]));
    assert!(reported(&mut other).starts_with("-BUSY"));
    assert!(reported(&mut third).starts_with("-BUSY"));
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(reported(&mut running).starts_with("-ERR"));
    assert_eq!(third.ask("GET a"), "$-1\r\n");
}

/// Commands that run during a script do not change the script's time, nor the script theirs.
#[test]
fn the_time_of_a_script_and_of_those_beside_it_is_their_own() {
    const LEAST: Duration = Duration::from_millis(300);
    let server = Daemon::start(THRESHOLD);
    let began = Instant::now();
    let (mut running, mut other) = busy(&server, &["EVAL", "while true do end", "0"]);
    while began.elapsed() < LEAST {
        other.ask("PING");
    }
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(reported(&mut running).starts_with("-ERR"));
    let micros = |command: &str| -> u64 {
        let line = server.info(&format!("cmdstat_{command}")).expect("it ran");
        let usec = line
            .split(',')
            .find_map(|field| field.strip_prefix("usec="));
        usec.expect("a time").parse().expect("a number")
    };
    let (script, kill) = (micros("eval"), micros("script|kill"));
    assert!(script >= 250_000, "{script}");
    assert!(kill < 100_000, "{kill}");
}

#[test]
fn a_function_is_killed_as_one() {
    let server = Daemon::start(THRESHOLD);
    let mut c = server.connect();
    let library =
        "#!lua name=l\nredis.register_function('endless', function() while true do end end)";
    assert_eq!(c.call(&["FUNCTION", "LOAD", library]), b"$1\r\nl\r\n");
    let (mut running, mut other) = busy(&server, &["FCALL", "endless", "0"]);
    let busy = "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.\r\n";
    assert_eq!(other.ask("SCRIPT KILL"), busy);
    let stats = other.ask("FUNCTION STATS");
    assert!(
        stats.contains("endless") && stats.contains("duration_ms"),
        "{stats}"
    );
    assert_eq!(other.ask("FUNCTION KILL"), "+OK\r\n");
    assert!(reported(&mut running).contains("killed"));
    assert_eq!(other.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_script_that_wrote_is_not_killed_and_an_atomic_one_is_undone() {
    let mut server = Daemon::start(&[THRESHOLD, &["--appendonly", "yes"]].concat());
    server.connect().ask("SET a before");
    let script = "#!lua flags=atomic\nredis.call('SET', 'a', 'x') redis.call('RPUSH', 'l', 1) while true do end";
    let mut waiting = server.connect();
    waiting.send(b"BLPOP l 0\r\n");
    let (mut running, mut other) = busy(&server, &["EVAL", script, "0"]);
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(reported(&mut running).contains("killed"));
    assert_eq!(other.ask("GET a"), "$6\r\nbefore\r\n");
    assert_eq!(other.ask("EXISTS l"), ":0\r\n");
    assert!(waiting.is_silent_for(Duration::from_millis(50)));
    assert_eq!(other.ask("RPUSH l y"), ":1\r\n");
    assert_eq!(reported(&mut waiting), "*2\r\n$1\r\nl\r\n$1\r\ny\r\n");
    server.terminate();
    server.restart();
    let mut other = server.connect();
    assert_eq!(other.ask("GET a"), "$6\r\nbefore\r\n");

    let script = "redis.call('SET', 'a', 'x') while true do end";
    let (running, mut other) = busy(&server, &["EVAL", script, "0"]);
    let unkillable = other.ask("SCRIPT KILL");
    assert!(
        unkillable.starts_with("-UNKILLABLE Sorry the script already executed write"),
        "{unkillable}"
    );
    assert!(other.ask("PING").starts_with("-BUSY"));
    other.send(b"SHUTDOWN NOSAVE\r\n");
    server.wait_end();
    drop(running);
    // The script's transaction never ended, so the file does not have it.
    server.restart();
    assert_eq!(server.connect().ask("GET a"), "$6\r\nbefore\r\n");
}

#[test]
fn others_are_served_while_a_pattern_is_matched() {
    let server = Daemon::start(THRESHOLD);
    let script = "return string.find(string.rep('a', 60), string.rep('a?', 60) .. string.rep('a', 60) .. 'b')";
    let (mut running, mut other) = busy(&server, &["EVAL", script, "0"]);
    assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n");
    assert!(reported(&mut running).contains("killed"));
}

/// Regression: native code calls no hook, so the server answered no client while it ran.
#[test]
fn others_are_served_while_native_code_runs() {
    let server = Daemon::start(THRESHOLD);
    for script in [
        // Texts with long common prefixes: each comparison takes millions of steps.
        "local s = {} for i = 1, 8 do s[i] = string.rep('x', 4000000) .. i end \
         local t = {} for i = 1, 100000 do t[i] = s[i % 8 + 1] end table.sort(t)",
        // A set of megabytes, and then another one, repeatedly.
        "local a, b = string.rep('b', 2000000), string.rep('a', 2000000) \
         return string.find(b, '^[' .. b .. ']-[' .. a .. ']$')",
        "while true do loadstring(string.rep('x=1 ', 2000000)) end",
        "local t = {} for i = 1, 1000000 do t[i] = i end while true do table.insert(t, 1, 0) end",
    ] {
        let (mut running, mut other) = busy(&server, &["EVAL", script, "0"]);
        let began = Instant::now();
        assert_eq!(other.ask("SCRIPT KILL"), "+OK\r\n", "{script}");
        assert!(reported(&mut running).contains("killed"), "{script}");
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{script}: {:?}",
            began.elapsed()
        );
        assert_eq!(other.ask("PING"), "+PONG\r\n");
    }
}

/// Regression: while FUNCTION RESTORE loaded a library with an endless loop, the server answered no
/// client, not even FUNCTION KILL, and was lost.
#[test]
fn a_library_that_loops_while_it_is_restored_is_killed_and_nothing_changes() {
    let server = Daemon::start(&[THRESHOLD, &["--rdbcompression", "no"]].concat());
    let mut c = server.connect();
    let code = "#!lua name=l\nlocal n = 1 while n == 2 do end \
                redis.register_function('f', function() return 1 end)";
    c.call(&["FUNCTION", "LOAD", code]);
    let reply = c.call(&["FUNCTION", "DUMP"]);
    let start = reply.iter().position(|b| *b == b'\n').expect("a length") + 1;
    let mut payload = reply[start..reply.len() - 2].to_vec();
    let at = payload.windows(6).position(|part| part == b"n == 2");
    payload[at.expect("the code") + 5] = b'1';
    assert_eq!(c.ask("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1"), "+OK\r\n");
    for policy in [&b"FLUSH"[..], b"REPLACE"] {
        let mut running = server.connect();
        running.send(b"*4\r\n$8\r\nFUNCTION\r\n$7\r\nRESTORE\r\n");
        for word in [&payload[..], policy] {
            running.send(format!("${}\r\n", word.len()).as_bytes());
            running.send(&[word, b"\r\n"].concat());
        }
        let mut other = server.connect();
        wait_until("BUSY", || other.ask("PING").starts_with("-BUSY"));
        assert!(other.ask("FUNCTION STATS").contains("RESTORE"));
        assert_eq!(other.ask("FUNCTION KILL"), "+OK\r\n");
        let end = reported(&mut running);
        assert!(end.starts_with("-ERR") && end.contains("killed"), "{end}");
        assert_eq!(other.ask("FCALL f 0"), ":1\r\n");
    }
}

#[test]
fn what_a_busy_script_does_stays_one_unit() {
    let mut server = Daemon::start(&[THRESHOLD, &["--appendonly", "yes"]].concat());
    let script = "redis.call('SET', 'a', 1) local e = redis.call('TIME')[1] local n = 0 \
                  while redis.call('EXISTS', 'go') == 0 and n < 300000 do n = n + 1 end \
                  redis.call('INCR', 'a') return n";
    let mut running = server.connect();
    running.send(&command(&["EVAL", script, "0"]));
    let mut other = server.connect();
    // Other clients never see a part of a script's changes.
    for _ in 0..50 {
        other.ask("HELLO 2");
    }
    assert!(reported(&mut running).starts_with(':'));
    let folder = server.folder().join("appendonlydir");
    let text = |name: &str| {
        let files = std::fs::read_dir(&folder).expect("a folder");
        let paths = files.map(|file| file.expect("a file").path());
        let is_it = |path: &std::path::PathBuf| path.to_string_lossy().contains(name);
        std::fs::read_to_string(paths.filter(|p| is_it(p)).max().expect("a file")).expect("text")
    };
    let written = text(".incr.");
    let (set, incr) = (
        written.find("SET").expect("SET"),
        written.find("INCR").expect("INCR"),
    );
    assert!(!written[set..incr].contains("EXEC"), "{written}");
    server.terminate();
    server.restart();
    assert_eq!(server.connect().ask("GET a"), "$1\r\n2\r\n");
}

/// Regression: TIME stood still for ever, so a script that waited for a time never ended.
#[test]
fn a_busy_script_sees_time_pass_and_keys_that_stay() {
    let server = Daemon::start(THRESHOLD);
    let mut c = server.connect();
    let wait = "redis.call('SET', KEYS[1], 'v', 'PX', 1)
        local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end
        local began = now()
        while now() < began + 100 do end
        return redis.call('EXISTS', KEYS[1])";
    assert_eq!(c.call(&["EVAL", wait, "1", "k"]), b":1\r\n");
    // The commands of a transaction after it see the later time, too.
    c.ask("MULTI");
    c.ask("TIME");
    c.call(&["EVAL", wait, "1", "k"]);
    c.ask("TIME");
    let replies = c.value("EXEC");
    let replies = replies.items().expect("three");
    assert_eq!(replies.len(), 3);
    assert_ne!(replies[0], replies[2]);
    // Without a busy script TIME stands still.
    c.ask("MULTI");
    c.ask("TIME");
    c.ask("EVAL return(1) 0");
    c.ask("TIME");
    let replies = c.value("EXEC");
    let replies = replies.items().expect("three");
    assert_eq!(replies[0], replies[2]);
}

#[test]
fn functions_are_kept_in_both_files() {
    for settings in [&["--appendonly", "yes"][..], &["--save", "3600 1"]] {
        let mut server = Daemon::start(settings);
        let mut c = server.connect();
        let library = "#!lua name=l\nredis.register_function('f', function(k, a) return a[1] end)";
        c.call(&["FUNCTION", "LOAD", library]);
        c.ask("SET a 1");
        server.terminate();
        server.restart();
        assert_eq!(
            server.connect().ask("FCALL f 0 x"),
            "$1\r\nx\r\n",
            "{settings:?}"
        );
    }
}
