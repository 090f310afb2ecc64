//! Conversations of several clients, played to both servers: after each line the test compares the
//! bytes of every client. They cover messages, which arrive unsolicited and which random streams
//! cannot cover.
//!
//! A line is the number of a client and its command. After every line each client sends a PING; the
//! bytes before its answer are the bytes that the client has received. A client with replies turned
//! off sends no PING until it turns them on again.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{
    Connection, Daemon, Reply,
    peers::Peer,
    resp::{command, printable},
};

/// A server, its clients, and the clients that have turned replies off.
struct Talk {
    daemon: Daemon,
    control: Connection,
    clients: Vec<Connection>,
    silent: BTreeSet<usize>,
    /// Clients in a transaction.
    queueing: BTreeSet<usize>,
    /// Clients whose connection the server has closed.
    gone: BTreeSet<usize>,
}

/// After this silence the test expects no more bytes.
const QUIET: Duration = Duration::from_millis(100);

/// The id of the first client of a conversation, on both servers.
const FIRST_ID: i64 = 100;

impl Talk {
    fn new(daemon: Daemon) -> Talk {
        // The connections of the start-up check took a varying number of ids, so the test uses up
        // the rest.
        let control = loop {
            let mut connection = daemon.connect();
            if connection.value("CLIENT ID") >= Reply::Integer(FIRST_ID - 1) {
                break connection;
            }
        };
        Talk {
            daemon,
            control,
            clients: Vec::new(),
            silent: BTreeSet::new(),
            queueing: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    /// The bytes that each client has received since the previous line.
    fn say(&mut self, client: usize, words: &[&str]) -> Vec<String> {
        while self.clients.len() <= client {
            self.clients.push(self.daemon.connect());
        }
        self.clients[client].send(&command(words));
        // The server has read the line and sent its messages before it reads the first PING.
        self.control.ask("PING");
        match words.join(" ").to_lowercase().as_str() {
            "client reply off" | "client reply skip" => _ = self.silent.insert(client),
            "client reply on" | "ping skipped" => _ = self.silent.remove(&client),
            "multi" => _ = self.queueing.insert(client),
            "exec" | "discard" | "reset" => _ = self.queueing.remove(&client),
            _ => {}
        }
        if words == ["quit"] {
            self.silent.insert(client);
            return vec![printable(&self.clients[client].rest())];
        }
        // The speaking client comes first, because then its command is done.
        let mut received = vec![String::new(); self.clients.len()];
        let others = (0..self.clients.len()).filter(|&other| other != client);
        for at in std::iter::once(client).chain(others) {
            if self.queueing.contains(&at) {
                // A transaction would queue the PING, too.
                if at == client {
                    received[at] = printable(&self.clients[at].reply());
                }
            } else if !self.silent.contains(&at) && !self.gone.contains(&at) {
                received[at] = self.received(at, words[0] == "hello");
            }
        }
        received
    }

    /// The bytes that a client has received. A greeting is cut to its end, because it contains an
    /// id.
    fn received(&mut self, client: usize, greeted: bool) -> String {
        let connection = &mut self.clients[client];
        // The read below notices a closed connection.
        let _ = connection.write(b"PING sync\r\n");
        let mut bytes = Vec::new();
        loop {
            match connection.read() {
                Ok((raw, reply)) => {
                    if !(greeted && reply.items().is_none() && raw.len() > 100) {
                        bytes.extend_from_slice(&raw);
                    }
                    // A client without permission for PING gets only the error.
                    let refused = raw.starts_with(b"-NOAUTH Auth");
                    if raw.ends_with(b"$4\r\nsync\r\n")
                        || refused && connection.is_silent_for(QUIET)
                    {
                        return printable(&bytes);
                    }
                }
                Err(_) => {
                    self.gone.insert(client);
                    return format!("{} and nothing more", printable(&bytes));
                }
            }
        }
    }
}

/// Plays lines (`1: publish a hello`) to a real Redis 8.0 and to russet.
pub fn compare(talks: &[(&str, &[&str])]) {
    let Some(program) = Peer::Redis810.program_for("conversations beside Redis") else {
        return;
    };
    let mut mistakes = String::new();
    for (name, lines) in talks {
        let mut reference = Talk::new(Daemon::start_program(&program, &[]));
        let mut subject = Talk::new(Daemon::start(&[]));
        for line in *lines {
            let (client, text) = line.split_once(": ").expect("client: command");
            let client: usize = client.parse().expect("a number");
            let words: Vec<&str> = text.split(' ').collect();
            let (expected, got) = (reference.say(client, &words), subject.say(client, &words));
            if let Some(at) = (0..expected.len()).find(|&at| expected[at] != got[at]) {
                mistakes += &format!(
                    "{name}: after {line:?} client {at}\n  expected {}\n  got      {}\n",
                    expected[at].replace("\r\n", " "),
                    got[at].replace("\r\n", " ")
                );
                break;
            }
        }
    }
    assert!(mistakes.is_empty(), "otherwise than Redis 8.0:\n{mistakes}");
}

#[test]
fn subscribers_receive_the_messages_of_redis() {
    compare(&[
        (
            "RESP2",
            &[
                "0: subscribe a b a",
                "1: publish a hello",
                "1: publish nobody hello",
                "0: psubscribe a* news.* [x]*",
                "1: publish a twice",
                "1: publish news.today long-text-that-is-not-so-short",
                "1: publish xyz 1",
                "0: get key",
                "0: set key value",
                "0: ping",
                "0: ping text",
                "0: publish a b",
                "0: client list",
                "0: subscribe",
                "0: ssubscribe s1 s2 s1",
                "1: spublish s1 shard",
                "1: publish s1 none",
                "1: pubsub numsub a b s1 none",
                "1: pubsub shardnumsub s1 s2 a",
                "1: pubsub numpat",
                "1: pubsub channels a*",
                "1: pubsub shardchannels *1",
                "1: pubsub channels a b",
                "1: pubsub shardchannels a b",
                "1: pubsub numpat x",
                "1: pubsub",
                "1: pubsub what",
                "0: unsubscribe a",
                "0: unsubscribe never",
                "0: unsubscribe",
                "0: unsubscribe",
                "0: punsubscribe news.* [x]*",
                "0: punsubscribe nope",
                "0: punsubscribe",
                "0: sunsubscribe s1",
                "0: get key",
                "0: sunsubscribe",
                "0: get key",
                "0: sunsubscribe",
                "0: punsubscribe",
                "1: publish a end",
            ],
        ),
        (
            "RESP3",
            &[
                "0: hello 3 setname x",
                "0: subscribe a",
                "0: subscribe b c",
                "0: publish a to-myself",
                "0: set key value",
                "0: get key",
                "0: psubscribe *",
                "0: publish b twice",
                "0: ssubscribe s",
                "0: spublish s x",
                "1: spublish s y",
                "0: ping",
                "0: unsubscribe nothing",
                "0: sunsubscribe",
                "0: sunsubscribe",
                "0: punsubscribe",
                "0: unsubscribe a b",
                "0: unsubscribe",
                "0: unsubscribe",
            ],
        ),
        (
            "transactions",
            &[
                "0: multi",
                "0: subscribe a",
                "0: publish a inside",
                "0: psubscribe a*",
                "0: publish a again",
                "0: exec",
                "0: get a",
                "0: unsubscribe",
                "0: punsubscribe",
                "0: hello 3",
                "0: subscribe m",
                "0: multi",
                "0: publish m first",
                "0: set k v",
                "0: publish m second",
                "0: unsubscribe m",
                "0: publish m third",
                "0: exec",
                "0: multi",
                "0: subscribe m",
                "0: publish m first",
                "0: subscribe n",
                "0: exec",
                "1: multi",
                "1: publish m 1",
                "1: publish n 2",
                "1: exec",
            ],
        ),
        (
            "leaving",
            &[
                "0: subscribe a",
                "0: psubscribe a*",
                "0: reset",
                "1: publish a x",
                "0: get a",
                "1: pubsub channels",
                "1: pubsub numpat",
                "0: subscribe a",
                "0: hello 3",
                "0: reset",
                "0: hello 3",
                "0: subscribe a",
                "0: reset",
                "1: publish a x",
                "2: subscribe a",
                "2: quit",
                "1: publish a x",
            ],
        ),
        (
            "no replies",
            &[
                "0: hello 3",
                "0: client reply off",
                "0: subscribe a",
                "0: publish a own",
                "1: publish a others",
                "0: set k v",
                "0: psubscribe b",
                "0: punsubscribe",
                "0: client reply on",
                "0: client reply skip",
                "0: ping skipped",
                "1: publish a more",
            ],
        ),
        (
            "events",
            &[
                "1: config set notify-keyspace-events KA",
                "1: config get notify-keyspace-events",
                "0: psubscribe __key*__:*",
                "1: set a 1",
                "1: config set notify-keyspace-events EA",
                "1: set a 1",
                "1: config set notify-keyspace-events AKEn",
                "1: set b 1",
                "1: select 3",
                "1: set b 1 ex 100",
                "1: multi",
                "1: lpush l a b",
                "1: lpop l 2",
                "1: hset h f v",
                "1: exec",
                "1: config set notify-keyspace-events KEx",
                "1: set b 1",
                "1: get missing",
                "1: config set notify-keyspace-events KEm",
                "1: get missing",
                "1: config set notify-keyspace-events E",
                "1: set b 1",
                "1: config set notify-keyspace-events KAoc",
                "1: config get notify-keyspace-events",
                "1: set b 2",
                "1: sadd s a",
                "1: sunionstore b s",
                "1: rename s b",
                "1: copy b c replace",
                "1: incr n",
                "1: incr n",
                "1: incrbyfloat n 1.5",
                "1: increx n byfloat 1.5",
                "1: increx n byfloat 1.5 ex 100",
                "1: increx new byfloat 1.5",
                "1: msetex 2 n 1 s 2 ex 100",
                "1: getset n 5",
                "1: append n 0",
                "1: increx n",
                "1: config set notify-keyspace-events hSTIV",
                "1: config get notify-keyspace-events",
                "0: psubscribe __subkey*",
                "1: hset hash a 1 b 2 a 3",
                "1: himport prepare names b a",
                "1: himport set imported names 1 2",
                "1: himport set hash names 1 2",
                "1: hsetnx hash c 3",
                "1: hincrby hash n 1",
                "1: hexpire hash 100 fields 2 a none",
                "1: hpersist hash fields 2 a b",
                "1: hgetex hash ex 100 fields 1 b",
                "1: hsetex hash ex 100 fields 2 x 1 y 2",
                "1: hgetdel hash fields 2 x none",
                "1: hexpireat hash 1 fields 2 y b",
                "1: hdel hash a c none",
                "1: config set notify-keyspace-events Z",
            ],
        ),
    ]);
}

#[test]
fn caching_clients_receive_the_messages_of_redis() {
    compare(&[
        (
            "what is read",
            &[
                "0: hello 3",
                "0: client tracking on",
                "0: client trackinginfo",
                "0: client getredir",
                "0: get a",
                "0: mget b c a",
                "1: set a 1",
                "1: set a 2",
                "1: mset b 1 c 2 d 3",
                "0: get a",
                "0: set a 3",
                "0: get a",
                "1: expire a 100",
                "0: get a",
                "1: select 5",
                "1: set a other",
                "0: hgetall h",
                "1: hset h f v",
                "1: select 0",
                "1: hset h f v",
                "0: exists a b c",
                "1: flushdb",
                "0: get a",
                "1: flushall",
                "1: flushall",
                "0: get x",
                "0: multi",
                "0: get y",
                "0: set x 1",
                "0: get x",
                "0: set y 1",
                "0: exec",
                "1: set x 2",
                "1: del x y",
                "0: get k",
                "1: rename k l",
                "1: set k 1",
                "0: mget k l",
                "1: rename k l",
                "0: get k",
                "1: multi",
                "1: set k 1",
                "1: set k 2",
                "1: del k",
                "1: exec",
                "0: client tracking off",
                "0: get k",
                "1: set k 1",
                "0: client getredir",
                "0: client trackinginfo",
            ],
        ),
        (
            "options",
            &[
                "0: hello 3",
                "0: client caching yes",
                "0: client tracking on optin",
                "0: get a",
                "1: set a 1",
                "0: client caching no",
                "0: client caching maybe",
                "0: client caching yes",
                "0: client trackinginfo",
                "0: get a",
                "0: get b",
                "1: mset a 1 b 2",
                "0: client caching yes",
                "0: client id",
                "0: client trackinginfo",
                "0: multi",
                "0: get a",
                "0: get b",
                "0: exec",
                "0: get c",
                "1: mset a 1 b 2 c 3",
                "0: client tracking on optout",
                "0: client tracking on bcast",
                "0: client tracking on optin optout",
                "0: client tracking off",
                "0: client tracking on optout",
                "0: get a",
                "1: set a 1",
                "0: client caching yes",
                "0: client caching no",
                "0: client trackinginfo",
                "0: get a",
                "0: get b",
                "1: mset a 1 b 2",
                "0: client tracking on optin",
                "0: client tracking off",
                "0: client tracking on noloop",
                "0: client trackinginfo",
                "0: mget a b",
                "0: set a 1",
                "1: set b 1",
                "1: set a 1",
                "0: client tracking on what",
                "0: client tracking maybe",
                "0: client tracking on redirect",
                "0: client tracking on redirect x",
                "0: client tracking on redirect 0",
                "0: client tracking on redirect 1234567",
                "0: client tracking on prefix a",
                "0: client tracking on bcast optin",
                "0: client tracking",
                "0: client tracking on prefix",
            ],
        ),
        (
            "prefixes",
            &[
                "0: hello 3",
                "0: client tracking on bcast prefix o prefix us prefix other",
                "0: client tracking on bcast prefix us prefix other",
                "0: client trackinginfo",
                "0: client tracking on bcast prefix user",
                "0: client tracking on bcast prefix u",
                "0: client tracking on bcast prefix us",
                "0: client tracking on bcast prefix new",
                "0: client trackinginfo",
                "0: client tracking on",
                "1: set user:1 x",
                "1: mset user:2 x user:1 y zzz 1 otherwise 3 us 1",
                "0: set user:1 mine",
                "1: del user:1 nothing",
                "1: flushall",
                "0: client tracking off",
                "1: set user:1 x",
                "0: client tracking on bcast noloop",
                "0: client trackinginfo",
                "0: set a 1",
                "1: set b 1",
                "0: mset a 1 b 1",
                "1: set a 1",
                "0: reset",
                "1: set a 1",
                "0: client trackinginfo",
            ],
        ),
        (
            "in another's place",
            &[
                "0: client id",
                "1: client id",
                "1: subscribe __redis__:invalidate",
                "2: client id",
                "3: hello 3",
                "0: client tracking on redirect 101",
                "0: client trackinginfo",
                "0: client getredir",
                "0: get a",
                "2: set a 1",
                "0: get a",
                "0: set a 1",
                "2: flushall",
                "0: client tracking on redirect 103 noloop",
                "0: get a",
                "2: set a 1",
                "3: quit",
                "0: get a",
                "2: set a 1",
                "0: client trackinginfo",
                "0: hello 3",
                "0: get a",
                "2: set a 1",
                "2: flushall",
                "0: client tracking on redirect 101 bcast",
                "0: client tracking off",
                "0: client tracking on redirect 101 bcast",
                "2: mset x 1 y 2",
                "0: set z 1",
                "0: client tracking on redirect 101 redirect 101 bcast",
                "4: client tracking on",
                "4: client trackinginfo",
                "4: get a",
                "2: set a 1",
                "4: hello 3",
                "4: get a",
                "2: set a 1",
                "2: config set tracking-table-max-keys 2",
                "4: mget k1 k2",
            ],
        ),
        (
            "what only reads",
            &[
                "0: hello 3",
                "0: client tracking on",
                "0: sort_ro l by w* get g*",
                "1: lpush l 1",
                "1: set w1 1",
                "0: zunion 2 z1 z2",
                "1: zadd z2 1 a",
                "1: zadd z1 1 a",
                "0: pubsub shardnumsub a",
                "0: spublish a b",
                "1: set a 1",
                "0: object encoding a",
                "0: ttl b",
                "0: type c",
                "0: dump d",
                "0: touch e",
                "0: watch f",
                "0: getex g",
                "0: memory usage h",
                "1: mset a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1",
                "0: set a 1 get",
                "0: incr a",
                "0: append b x",
                "1: mset a 1 b 1",
                "0: lrange l 0 -1",
                "1: copy w1 l replace",
                "0: get w1",
                "0: debug sleep 0",
            ],
        ),
    ]);
}

#[test]
fn users_meet_what_redis_lets_them() {
    compare(&[
        (
            "passwords",
            &[
                "0: auth secret",
                "0: auth default",
                "0: auth default anything",
                "0: auth nobody x",
                "0: auth a b c",
                "0: acl setuser u on >secret ~s* +@all -@dangerous",
                "1: auth u wrong",
                "1: acl whoami",
                "1: auth u secret",
                "1: acl whoami",
                "1: get s1",
                "1: get t1",
                "1: keys s*",
                "1: reset",
                "1: acl whoami",
                "1: hello 3 auth u wrong",
                "1: client setname me",
                "1: hello 2 auth u wrong setname you",
                "1: auth u secret",
                "1: client getname",
                "1: acl whoami",
                "0: acl setuser u off",
                "1: get s1",
                "2: auth u secret",
                "0: acl setuser u nopass",
                "2: auth u x",
                "0: acl setuser u on",
                "2: auth u x",
                "2: acl whoami",
                "0: config set requirepass foo",
                "3: get a",
                "3: auth bar",
                "3: auth foo",
                "3: get a",
                "0: get a",
                "4: hello 3",
                "4: auth default foo",
                "4: acl getuser default",
                "0: config set requirepass \"",
                "0: config set requirepass bar",
                "5: auth default bar",
                "5: acl setuser default nopass",
                "6: get a",
                "0: acl setuser default off",
                "6: get a",
                "7: ping x",
            ],
        ),
        (
            "what is denied",
            &[
                "0: acl setuser u on nopass +@all -flushall -config|set %R~r* %W~w* &ch*",
                "1: auth u x",
                "1: get r1",
                "1: get w1",
                "1: set w1 x",
                "1: set w1 x get",
                "1: set r1 x",
                "1: copy r1 w1",
                "1: copy w1 r1",
                "1: sort r1 by x*",
                "1: sort r1 by nosort",
                "1: sort r1 get #",
                "1: sort r1 store w2",
                "1: sort r1 store r2",
                "1: flushall",
                "1: config set hz 10",
                "1: config get hz",
                "1: object encoding r1",
                "1: object encoding w1",
                "1: publish ch1 x",
                "1: publish other x",
                "1: subscribe ch1 other",
                "1: psubscribe ch*",
                "1: psubscribe ch1*",
                "1: punsubscribe",
                "1: unsubscribe other",
                "1: eval return(1) 1 w1",
                "1: eval return(redis.call('get','w1')) 0",
                "1: eval return(redis.call('flushall')) 0",
                "1: eval return(redis.pcall('get','w1').err) 0",
                "1: eval return(tostring(redis.acl_check_cmd('get','r1'))) 0",
                "1: eval return(tostring(redis.acl_check_cmd('get','w1'))) 0",
                "1: eval return(tostring(redis.acl_check_cmd('flushall'))) 0",
                "1: eval return(tostring(redis.acl_check_cmd('get'))) 0",
                "1: eval return(tostring(redis.acl_check_cmd('nosuch'))) 0",
                "1: eval return(tostring(redis.acl_check_cmd('config','set'))) 0",
                "1: multi",
                "1: get r1",
                "1: get w1",
                "1: exec",
                "1: multi",
                "1: get r1",
                "0: acl setuser u -get",
                "1: exec",
                "1: multi",
                "1: lrange r1 0 -1",
                "1: publish ch1 x",
                "0: acl setuser u resetkeys resetchannels",
                "1: exec",
                "1: nosuch",
                "1: get",
                "1: reset",
                "1: flushall",
            ],
        ),
        (
            "users who change",
            &[
                "0: acl setuser u on nopass +@all ~* &a* &b*",
                "1: auth u x",
                "1: subscribe a1 b1",
                "2: auth u x",
                "2: psubscribe a*",
                "0: publish a1 x",
                "0: acl setuser u resetchannels &a* &c*",
                "0: publish a1 x",
                "0: pubsub channels",
                "0: pubsub numpat",
                "0: acl setuser u &*",
                "4: auth u x",
                "4: acl deluser u nobody",
                "0: acl users",
                "0: client kill user u",
                "0: acl deluser default",
            ],
        ),
        (
            "acl inside a transaction",
            &[
                "0: multi",
                "0: acl setuser u on nopass +get +ping ~*",
                "0: acl getuser u",
                "0: exec",
                "1: auth u x",
                "1: multi",
                "1: get a",
                "0: acl setuser u resetkeys",
                "1: exec",
                "1: auth u y",
            ],
        ),
    ]);
}
