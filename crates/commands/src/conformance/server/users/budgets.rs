//! Budgets of users: commands, bytes, work, replies and connections.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};
use russet_keyspace::ClientId;
use russet_server::ClientFlags;

/// A connection of a user with these budgets.
fn user(t: &mut Testbed, budgets: &str) -> ClientId {
    let made = t.run(&format!("ACL SETUSER u on nopass +@all ~* &* {budgets}"));
    assert_eq!(made, "+OK\r\n");
    let client = t.connect();
    assert_eq!(t.run_as(client, "AUTH u x"), "+OK\r\n");
    client
}

fn flags(t: &Testbed, client: ClientId) -> ClientFlags {
    let session = t.engine.server.clients.get(client).expect("connected");
    session.client.flags
}

#[track_caller]
fn figures(t: &mut Testbed, wanted: &str) {
    let info = t.run("INFO budgets");
    assert!(info.contains(wanted), "{wanted}: {info}");
}

#[test]
fn over_error_reports_and_a_second_later_all_is_well() {
    let mut t = Testbed::new();
    let client = user(&mut t, "rate=3 over=error");
    for _ in 0..3 {
        assert_eq!(t.run_as(client, "PING"), "+PONG\r\n");
    }
    let reported = "-OVERBUDGET user 'u' is over its budget of 3 commands a second (rate=): try \
                again in 1 ms\r\n";
    assert_eq!(t.run_as(client, "PING"), reported);
    assert!(t.run_as(client, "NOSUCH").starts_with("-OVERBUDGET "));
    t.advance_ms(1);
    assert_eq!(t.run_as(client, "PING"), "+PONG\r\n");
    assert!(t.run_as(client, "PING").ends_with(" in 333 ms\r\n"));
    t.advance_ms(60_000);
    for line in ["MULTI", "GET a", "GET b"] {
        assert!(t.run_as(client, line).starts_with('+'), "{line}");
    }
    let reported = t.run_as(client, "EXEC");
    assert!(
        reported.starts_with("-EXECABORT Transaction discarded"),
        "{reported}"
    );
    figures(&mut t, "clients=1,held=0,delayed=0,delayed_ms=0,refused=4,");
    assert_eq!(t.run("PING"), "+PONG\r\n", "other users are not concerned");
}

#[test]
fn a_held_connection_runs_nothing_and_no_command_is_charged_twice() {
    let mut t = Testbed::new();
    let client = user(&mut t, "rate=2");
    assert_eq!(t.run_as(client, "PING"), "+PONG\r\n");
    assert_eq!(t.run_as(client, "PING"), "+PONG\r\n");
    assert_eq!(t.run_as(client, "INCR n"), "");
    assert!(flags(&t, client).contains(ClientFlags::HELD));
    assert_eq!(t.run("GET n"), "$-1\r\n");
    t.advance_ms(700);
    let listed = t.run(&format!("CLIENT LIST ID {}", client.0));
    assert!(listed.contains(" held=rate held-ms=700\n"), "{listed}");
    figures(&mut t, "clients=1,held=1,delayed=1,");
    // Without its budgets it resumes at once.
    t.run("ACL SETUSER u rate=0");
    assert!(!flags(&t, client).intersects(ClientFlags::HELD | ClientFlags::BUDGETED));
    assert_eq!(t.engine.server.turn.ready, [client]);
    let listed = t.run(&format!("CLIENT LIST ID {}", client.0));
    assert!(!listed.contains(" held="), "{listed}");
    assert!(t.run("INFO budgets").contains("users_with_budgets:0\r\n"));
}

#[test]
fn a_killed_client_and_one_of_a_deleted_user_leave_the_queue() {
    let mut t = Testbed::new();
    let client = user(&mut t, "rate=1");
    let other = t.connect();
    t.run_as(other, "AUTH u x");
    t.run_as(client, "PING");
    assert_eq!(t.run_as(client, "PING") + &t.run_as(other, "PING"), "");
    figures(&mut t, "clients=2,held=2,delayed=2,");
    t.advance_ms(400);
    let now_ms = t.engine.server.now.mono_ms;
    t.engine.server.acl.accounts.next_in_ms(now_ms);
    t.run(&format!("CLIENT KILL ID {}", client.0));
    figures(&mut t, "clients=1,held=1,delayed=2,delayed_ms=400,");
    t.run("ACL DELUSER u");
    assert!(t.run("INFO budgets").contains("users_with_budgets:0\r\n"));
    assert_eq!(t.engine.server.acl.accounts.next_in_ms(u64::MAX), None);
}

#[test]
fn the_commands_of_a_script_are_charged_when_it_has_ended() {
    let mut t = Testbed::new();
    let client = user(&mut t, "rate=10 over=error");
    let script = b"for i = 1, 25 do redis.call('INCR', 'n') end return 'done'";
    let ran = t.run_args_as(client, &[b"EVAL", script, b"0"]);
    assert_eq!(ran, b"$4\r\ndone\r\n");
    assert_eq!(t.run("GET n"), "$2\r\n25\r\n");
    // The debt of a user that is refused is at most a second.
    assert!(t.run_as(client, "PING").ends_with(" in 1001 ms\r\n"));
    t.run("ACL SETUSER u over=delay rate=11");
    t.run_args_as(client, &[b"EVAL", script, b"0"]);
    let waits = t.engine.server.acl.accounts.next_in_ms(1_000_000_000);
    assert_eq!(waits, None, "no connection is held");
    assert_eq!(t.run_as(client, "PING"), "");
    let waits = t.engine.server.acl.accounts.next_in_ms(1_000_000_000);
    // The debt of 15 commands, and a quantum of 10 ms.
    assert_eq!(waits, Some((15_000_u64 + 110).div_ceil(11)));
}

#[test]
fn a_reply_over_its_budget_is_an_error_and_those_before_it_stay() {
    let mut t = Testbed::new();
    let client = user(&mut t, "reply=100");
    t.run(&format!("SET k {}", "x".repeat(90)));
    t.run(&format!("SET large {}", "x".repeat(200_000)));
    assert!(t.run_as(client, "GET k").starts_with("$90\r\n"));
    let reported = "-OVERBUDGET user 'u' allows replies of 100 (its budget reply=), and this one of \
                'get' is longer: ask for less at a time, by a range, a COUNT or a SCAN\r\n";
    assert_eq!(t.run_as(client, "GET large"), reported);
    assert!(t.run_as(client, "MGET k k").starts_with("-OVERBUDGET "));
    assert!(t.run_as(client, "KEYS *").starts_with("*2\r\n"));
    // Replies that wait to be sent are not lost.
    let session = t.engine.server.clients.get_mut(client).expect("connected");
    session.reply.simple("BEFORE");
    let both = t.run_as(client, "MGET k k k large k k");
    assert!(both.starts_with("+BEFORE\r\n-OVERBUDGET "), "{both}");
    assert_eq!(both.matches("\r\n").count(), 2);
    t.run_as(client, "MULTI");
    t.run_as(client, "GET large");
    assert!(t.run_as(client, "EXEC").starts_with("-OVERBUDGET "));
    // A command that has changed something is answered in full.
    t.run_as(client, "MULTI");
    t.run_as(client, "GETDEL large");
    assert!(t.run_as(client, "EXEC").starts_with("*1\r\n$200000\r\n"));
    assert_eq!(t.run("EXISTS large"), ":0\r\n");
    figures(&mut t, "large_replies=4,");
}

#[test]
fn what_has_taken_effect_outside_of_the_keyspace_is_answered_too() {
    let mut t = Testbed::new();
    let client = user(&mut t, "reply=40");
    t.run(&format!("SET k {}", "x".repeat(90)));
    assert!(t.run_as(client, "HELLO 3").starts_with('-'), "it is longer");
    t.run("ACL SETUSER u reply=0");
    t.run_as(client, "HELLO 3");
    t.run("ACL SETUSER u reply=40");
    let reported = t.run_as(client, "SUBSCRIBE one two three");
    assert!(reported.ends_with("$5\r\nthree\r\n:3\r\n"), "{reported}");
    // The answer is within its budget; the message after it does not count.
    let reported = t.run_as(
        client,
        "PUBLISH one a-message-of-some-length-which-is-over-the-budget",
    );
    assert!(reported.starts_with(":1\r\n>3\r\n"), "{reported}");
    for line in ["MULTI", "PUBLISH two b", "GET k"] {
        assert!(t.run_as(client, line).starts_with('+'), "{line}");
    }
    let reported = t.run_as(client, "EXEC");
    assert!(reported.starts_with("*2\r\n:1\r\n$90\r\n"), "{reported}");
    let script = b"redis.call('PUBLISH', 'other', 'c') return redis.call('GET', 'k')";
    let reported = t.run_args_as(client, &[b"EVAL", script, b"0"]);
    assert!(reported.starts_with(b"$90\r\n"));
    let script = b"redis.call('PING') return redis.call('GET', 'k')";
    let reported = t.run_args_as(client, &[b"EVAL", script, b"0"]);
    assert!(reported.starts_with(b"-OVERBUDGET user 'u' allows replies of 40 "));
    assert!(String::from_utf8_lossy(&reported).contains("this one of 'eval' is"));
    let reported = t.run_as(client, "CLIENT LIST");
    assert!(
        reported.contains("this one of 'client|list' is"),
        "{reported}"
    );
}

#[test]
fn a_refused_command_ends_what_was_said_of_the_next_one() {
    let mut t = Testbed::new();
    let client = user(&mut t, "rate=3 over=error");
    for line in ["HELLO 3", "CLIENT TRACKING ON OPTIN", "CLIENT CACHING YES"] {
        assert!(!t.run_as(client, line).starts_with('-'), "{line}");
    }
    assert!(flags(&t, client).contains(ClientFlags::CACHING_SAID));
    assert!(t.run_as(client, "GET k").starts_with("-OVERBUDGET "));
    assert!(!flags(&t, client).contains(ClientFlags::CACHING_SAID));
}

#[test]
fn replies_are_charged_once_when_their_commands_have_run() {
    let mut t = Testbed::new();
    let client = user(&mut t, "bytes=0|1000 over=error");
    t.run(&format!("SET k {}", "x".repeat(393)));
    let sent = |t: &mut Testbed| t.run_as(client, "GET k").starts_with("$393");
    // 400 bytes each, 100 of the login: none of them has left when the next one is asked.
    assert!(sent(&mut t) && sent(&mut t) && sent(&mut t));
    assert!(!sent(&mut t));
    let mut session = t.engine.server.clients.take(client).expect("connected");
    session.client.traffic.charged = 400;
    let server = &mut t.engine.server;
    server.now.mono_ms += 60_000;
    server
        .acl
        .charge_sent(&server.now, &mut session.client, 300);
    server
        .acl
        .charge_sent(&server.now, &mut session.client, 100);
    assert!(
        !server
            .acl
            .accounts
            .is_over(session.client.user, server.now.mono_ms)
    );
    server
        .acl
        .charge_sent(&server.now, &mut session.client, 2000);
    server.clients.put_back(session);
    assert!(!sent(&mut t), "what no command has been charged for");
}

#[test]
fn connections_between_servers_have_no_budgets() {
    let mut t = Testbed::new();
    let client = user(&mut t, "clients=1 rate=2 over=error");
    t.run_as(client, "PING");
    t.run_as(client, "PING");
    assert!(t.run_as(client, "PING").starts_with("-OVERBUDGET "));
    let waiting = "";
    assert_eq!(t.run_as(client, "REPLCONF listening-port 1"), waiting);
    assert!(flags(&t, client).contains(ClientFlags::HELD), "not refused");
    let server = &mut t.engine.server;
    let mut session = server.clients.take(client).expect("connected");
    (server.acl).becomes_link(&mut session.client, ClientFlags::REPLICA);
    server.clients.put_back(session);
    figures(&mut t, "clients=0,");
    // Neither does a change of users count it again.
    t.run("ACL SETUSER u rate=1 work=1 reply=1");
    figures(&mut t, "clients=0,");
    assert!(!flags(&t, client).contains(ClientFlags::BUDGETED));
}

#[test]
fn a_user_without_a_password_counts() {
    let mut t = Testbed::new();
    t.run("ACL SETUSER default rate=1000000");
    figures(&mut t, "clients=1,");
    for (on, off) in [
        ("CONFIG SET requirepass x", "CONFIG SET requirepass "),
        ("ACL SETUSER default >x", "ACL SETUSER default nopass"),
    ] {
        t.run(on);
        let stranger = t.connect();
        figures(&mut t, "clients=1,");
        match off.strip_suffix(' ') {
            Some(line) => {
                let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                t.run_args(&[&words[..], &[b""]].concat());
            }
            None => drop(t.run(off)),
        }
        figures(&mut t, "clients=2,");
        t.run(on);
        figures(&mut t, "clients=1,");
        t.run(&format!("CLIENT KILL ID {}", stranger.0));
        figures(&mut t, "clients=1,");
        t.run_args(&[b"CONFIG", b"SET", b"requirepass", b""]);
    }
}

#[test]
fn work_is_refused_before_anything_is_done() {
    let mut t = Testbed::new();
    let client = user(&mut t, "work=3");
    t.run("RPUSH l a b c d");
    t.run("RPUSH s a b c");
    let reported = "-OVERBUDGET user 'u' may touch 3 elements by one command (its budget work=), \
                and with 'lrange' here it would be 4: ask for shorter ranges, one after the \
                other\r\n";
    assert_eq!(t.run_as(client, "LRANGE l 0 -1"), reported);
    assert!(t.run_as(client, "LRANGE l 0 2").starts_with("*3\r\n"));
    assert!(
        t.run_as(client, "SORT l ALPHA STORE s")
            .starts_with("-OVERBUDGET ")
    );
    assert_eq!(t.run("LLEN s"), ":3\r\n");
    assert_eq!(
        t.run_as(client, "LRANGE l x y"),
        "-ERR value is not an integer or out of range\r\n"
    );
    // No command of a transaction is done.
    for line in ["MULTI", "SET a 1", "LRANGE l 0 -1"] {
        assert!(t.run_as(client, line).starts_with('+'), "{line}");
    }
    let reported = t.run_as(client, "EXEC");
    assert!(
        reported.starts_with("-EXECABORT Transaction discarded because of: OVERBUDGET"),
        "{reported}"
    );
    assert_eq!(t.run("EXISTS a"), ":0\r\n");
    // Commands after a SELECT are about another database.
    for line in ["MULTI", "SELECT 1", "LRANGE l 0 -1", "EXEC"] {
        let reported = t.run_as(client, line);
        assert!(!reported.contains("OVERBUDGET"), "{line}: {reported}");
    }
    t.run_as(client, "SELECT 0");
    // A value that one of its commands has made longer counts with its new length.
    for line in ["MULTI", "RPUSH s d", "LRANGE s 0 -1"] {
        t.run_as(client, line);
    }
    let reported = t.run_as(client, "EXEC");
    assert!(
        reported.starts_with("*2\r\n:4\r\n-OVERBUDGET "),
        "{reported}"
    );
    figures(&mut t, "much_work=4,");
    assert!(t.run("LRANGE l 0 -1").starts_with("*4\r\n"), "other users");
}

/// Regression: bytes that came while a command waited were not counted.
#[test]
fn what_a_waiting_command_is_given_is_counted() {
    let mut t = Testbed::new();
    let client = user(&mut t, "work=3");
    assert_eq!(t.run_as(client, "BLMPOP 0 1 l LEFT COUNT 9"), "");
    t.run("RPUSH l a b c");
    let reported = String::from_utf8(t.take_reply(client)).expect("UTF-8");
    assert!(
        reported.starts_with("*2\r\n$1\r\nl\r\n*3\r\n"),
        "{reported}"
    );
    assert_eq!(t.run_as(client, "BLMPOP 0 1 l LEFT COUNT 9"), "");
    t.run("RPUSH l a b c d");
    let reported = String::from_utf8(t.take_reply(client)).expect("UTF-8");
    let much = "-OVERBUDGET user 'u' may touch 3 elements by one command (its budget work=), \
                and with 'blmpop' here it would be 4: ";
    assert!(reported.starts_with(much), "{reported}");
    figures(&mut t, "much_work=1,");
    assert_eq!(t.run("LLEN l"), ":4\r\n");
    // It waits no more.
    assert!(
        t.run_as(client, "BLMPOP 0 1 l LEFT COUNT 2")
            .starts_with("*2\r\n")
    );
    t.run("DEL l");
    assert_eq!(t.run_as(client, "BLPOP l 0"), "");
    t.run("RPUSH l a b c d");
    assert_eq!(t.take_reply(client), b"*2\r\n$1\r\nl\r\n$1\r\na\r\n");
}

#[test]
fn the_commands_of_a_script_count_together() {
    let mut t = Testbed::new();
    let client = user(&mut t, "work=10");
    t.run("RPUSH l a b c d");
    let mut eval = |script: &[u8]| {
        let reported = t.run_args_as(client, &[b"EVAL", script, b"0"]);
        String::from_utf8_lossy(&reported).into_owned()
    };
    let twice = b"redis.call('LRANGE', 'l', 0, -1) redis.call('LRANGE', 'l', 0, -1) return 1";
    assert_eq!(eval(twice), ":1\r\n");
    let many = b"for i = 1, 11 do redis.call('GET', 'k') end return 1";
    let reported = eval(many);
    assert!(
        reported.starts_with("-OVERBUDGET user 'u' may touch 10 elements by one script"),
        "{reported}"
    );
    let caught = b"for i = 1, 3 do redis.pcall('LRANGE', 'l', 0, -1) end return 2";
    assert_eq!(eval(caught), ":2\r\n");
}

#[test]
fn queries_count_by_the_documents_that_they_look_at() {
    let mut t = Testbed::new();
    let client = user(&mut t, "work=5");
    t.run(
        "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT n NUMERIC f VECTOR FLAT 6 TYPE FLOAT32 DIM 1 \
         DISTANCE_METRIC L2 h VECTOR HNSW 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2",
    );
    for n in 0..100 {
        let word = if n < 3 { "rare" } else { "usual" };
        t.run(&format!("HSET d:{n} t common,{word} n {n} f 0000 h 0000"));
    }
    let reported = "-OVERBUDGET user 'u' may touch 5 elements by one command (its budget work=), \
                    and with 'FT.SEARCH' here it would be 100: narrow the query by a part that few \
                    documents match\r\n";
    assert_eq!(t.run_as(client, "FT.SEARCH i common NOCONTENT"), reported);
    for line in [
        "FT.SEARCH i * LIMIT 0 0",
        "FT.SEARCH i -rare",
        "FT.SEARCH i rare|usual",
        "FT.SEARCH i @n:[0\t9]",
        "FT.AGGREGATE i * GROUPBY 1 @n",
        "FT.PROFILE i SEARCH QUERY common",
        "FT.PROFILE i AGGREGATE LIMITED QUERY common",
        "FT.EXPLAIN i common ANALYZE",
        "FT.SEARCH i *=>[KNN\t2\t@f\t$b] PARAMS 2 b 0000 DIALECT 2",
        // The graph keeps ten, its usual EF_RUNTIME.
        "FT.SEARCH i *=>[KNN\t2\t@h\t$b] PARAMS 2 b 0000 DIALECT 2",
        "FT.HYBRID i SEARCH rare VSIM @f $b PARAMS 2 b 0000",
    ] {
        let reported = t.run_as(client, line);
        assert!(reported.starts_with("-OVERBUDGET "), "{line}: {reported}");
    }
    figures(&mut t, "much_work=12,");
    for line in [
        "FT.SEARCH i rare",
        "FT.SEARCH i @t:(common\trare)",
        "FT.SEARCH i *=>[KNN\t2\t@h\t$b]=>{$EF_RUNTIME:4} PARAMS 2 b 0000 DIALECT 2",
        "FT.SEARCH i @t:rare=>[KNN\t2\t@f\t$b] PARAMS 2 b 0000 DIALECT 2",
        "FT.SEARCH i * INKEYS 2 d:1 d:2",
        "FT.EXPLAIN i common",
        "FT.AGGREGATE i rare GROUPBY 1 @n",
    ] {
        let reported = t.run_as(client, line);
        assert!(!reported.starts_with('-'), "{line}: {reported}");
    }
    assert_eq!(
        t.run_as(client, "FT.SEARCH none *"),
        t.run("FT.SEARCH none *"),
        "the command's own errors stay"
    );
    assert!(
        t.run("FT.SEARCH i common LIMIT 0 0")
            .starts_with("*1\r\n:100")
    );
}

#[test]
fn a_user_has_so_many_connections_and_no_more() {
    let mut t = Testbed::new();
    let first = user(&mut t, "clients=2");
    let (second, third) = (t.connect(), t.connect());
    assert_eq!(t.run_as(second, "AUTH u x"), "+OK\r\n");
    let reported = "-ERR max number of clients of user 'u' reached (its budget is clients=2)\r\n";
    assert_eq!(t.run_as(third, "AUTH u x"), reported);
    assert_eq!(t.run_as(third, "HELLO 3 AUTH u x"), reported);
    assert_eq!(t.run_as(third, "ACL WHOAMI"), "$7\r\ndefault\r\n");
    assert_eq!(t.run_as(second, "AUTH u x"), "+OK\r\n", "it is one already");
    assert_eq!(t.run_as(first, "RESET"), "+RESET\r\n");
    assert_eq!(t.run_as(third, "AUTH u x"), "+OK\r\n");
    figures(
        &mut t,
        "clients=2,held=0,delayed=0,delayed_ms=0,refused=0,large_replies=0,much_work=0,refused_clients=2,user=u",
    );
    t.run(&format!("CLIENT KILL ID {}", third.0));
    assert_eq!(t.run_as(first, "AUTH u x"), "+OK\r\n");
    // A right password is no failed attempt, though there is no room.
    t.run("ACL SETUSER u resetpass >y");
    t.run("CONFIG SET auth-failures-per-second 1");
    let peer = russet_net::Address::Tcp(([192, 0, 2, 1], 1234).into());
    let session = t.engine.server.clients.get_mut(third).expect("connected");
    session.client.identity.peer = peer;
    for _ in 0..20 {
        assert_eq!(t.run_as(third, "AUTH u y"), reported);
    }
    // A lower figure ends no connection.
    t.run("ACL SETUSER u clients=1");
    assert_eq!(t.run_as(first, "PING"), "+PONG\r\n");
    t.run("ACL SETUSER default clients=1");
    let peer = russet_net::Address::Unix("/test".into());
    let reported = t.engine.server.refuses(&peer);
    let reported = reported.expect("one default user is connected");
    assert!(
        reported.starts_with("-ERR max number of clients of user 'default' reached"),
        "{reported}"
    );
    t.run("ACL SETUSER default clients=2");
    assert_eq!(t.engine.server.refuses(&peer), None);
}

#[test]
fn budgets_are_shown_and_dry_runs_know_nothing_of_them() {
    let mut t = Testbed::new();
    let before = t.run("ACL GETUSER default");
    let rules = "rate=100 bytes=10mb|50mb clients=5 reply=1mb work=1000 over=error";
    t.run(&format!(
        "ACL SETUSER u on nopass +@all ~* &* (+get ~x) {rules}"
    ));
    let listed = t.run("ACL LIST");
    assert!(
        listed.contains(&format!("+@all {rules} (~x resetchannels -@all +get)")),
        "{listed}"
    );
    let shown = t.run("ACL GETUSER u");
    assert!(
        shown.ends_with(&format!("$7\r\nbudgets\r\n${}\r\n{rules}\r\n", rules.len())),
        "{shown}"
    );
    assert_eq!(t.run("ACL GETUSER default"), before, "as it was");
    assert_eq!(t.run("ACL DRYRUN u KEYS *"), "+OK\r\n");
    t.run("ACL SETUSER u resetbudgets");
    assert!(!t.run("ACL GETUSER u").contains("budgets"));
    t.run("ACL SETUSER u rate=5");
    t.run("ACL SETUSER u reset");
    assert!(!t.run("ACL LIST").contains("rate="));
    let reported = t.run("ACL SETUSER u rate=x");
    let wanted = "-ERR Error in ACL SETUSER modifier 'rate=x': A budget is rate=, ";
    assert!(reported.starts_with(wanted), "{reported}");
    assert!(
        t.run("ACL SETROLE r rate=5").starts_with("-ERR "),
        "no rule of a role"
    );
}
