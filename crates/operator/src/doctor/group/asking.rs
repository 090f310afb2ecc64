//! Asks every server of a group: the given Sentinel, the Sentinels that it names, the Sentinels
//! that these name, then the data nodes.
//!
//! Threads ask several at a time. When the time is over they are abandoned: even a name that the
//! resolver cannot find does not delay the report.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::caller::{Caller, Limits};
use super::facts::{
    Access, Address, DataNodeReplies, Fault, Fields, Group, ROWS_MAX, Sentinel, SentinelReplies,
    View, clean, fields, info, number, rows, sentinel_links, text, word,
};
use super::verdicts;
use crate::Target;
use crate::doctor::joined::findings;
use russet_base::threads;
use russet_config::Login;
use russet_resp::ReplyValue;

/// The time limit of the whole, in time limits of a step.
const STEPS: u32 = 10;
/// Servers that are asked at the same time.
const THREADS_MAX: usize = 16;
const SENTINELS_MAX: usize = 64;
const NODES_MAX: usize = 256;
/// Primaries of a Sentinel that are looked at.
const PRIMARIES_MAX: usize = 64;
/// How often newly learned Sentinels are asked for others.
const ROUNDS_MAX: usize = 4;
/// CLIENT LIST of a server with more is not requested.
const CLIENTS_MAX: i64 = 2000;
/// Users of Sentinels on one data node whose permissions are checked.
const USERS_MAX: usize = 4;

/// The commands that a Sentinel sends to data nodes.
const NEEDED: [&str; 11] = [
    "PING",
    "INFO",
    "SUBSCRIBE __sentinel__:hello",
    "PUBLISH __sentinel__:hello x",
    "MULTI",
    "SLAVEOF NO ONE",
    "CONFIG REWRITE",
    "CLIENT KILL TYPE normal",
    "EXEC",
    "SCRIPT KILL",
    "CLIENT SETNAME x",
];

/// The replies of all servers of the target's groups. Fails if the target does not answer, or is no
/// Sentinel.
pub(super) fn ask(target: &Target) -> Result<Group, Fault> {
    let limits = Limits {
        step: target.limit,
        end: Instant::now() + target.limit * STEPS,
    };
    let at = Address {
        host: target.host.clone(),
        port: target.port,
    };
    let login = Login {
        user: target.user.clone(),
        password: target.password.clone(),
    };
    let node_login = target.group.clone().unwrap_or_default();
    let mut left_out = None;
    let (sentinels, stale) = sentinels(at, login, limits, &mut left_out)?;
    let nodes = nodes(&sentinels, &node_login, limits, &mut left_out);
    Ok(Group {
        sentinels,
        nodes,
        stale,
        left_out,
    })
}

/// Calls `ask` for each address; `None` for addresses without a result at the end of the time.
pub(crate) fn each<T: Send + 'static>(
    addresses: Vec<Address>,
    limits: Limits,
    ask: impl Fn(&Address) -> T + Send + Sync + 'static,
) -> Vec<(Address, Option<T>)> {
    let queue: VecDeque<(usize, Address)> = addresses.iter().cloned().enumerate().collect();
    let (queue, ask) = (Arc::new(Mutex::new(queue)), Arc::new(ask));
    let (done, results) = mpsc::channel();
    for _ in 0..addresses.len().min(THREADS_MAX) {
        let (queue, ask, done) = (Arc::clone(&queue), Arc::clone(&ask), done.clone());
        // Without a single thread nothing is asked: the results are missing.
        let _ = threads::start("russet-doctor", move || {
            let next = || queue.lock().ok()?.pop_front();
            while let Some((index, at)) = next() {
                if done.send((index, ask(&at))).is_err() {
                    return;
                }
            }
        });
    }
    drop(done);
    let mut found: Vec<(Address, Option<T>)> = addresses.into_iter().map(|at| (at, None)).collect();
    // A little more, for calls that end at their own limit.
    let end = limits.end + Duration::from_millis(100);
    while let Ok((index, result)) =
        results.recv_timeout(end.saturating_duration_since(Instant::now()))
    {
        found[index].1 = Some(result);
    }
    found
}

pub(crate) fn late<T>(result: Option<Result<T, Fault>>) -> Result<T, Fault> {
    result.unwrap_or_else(|| Err(Fault::unreachable("no answer in time")))
}

/// Stale addresses, with the reason.
type StaleAddresses = Vec<(Address, String)>;

fn sentinels(
    first: Address,
    login: Login,
    limits: Limits,
    left_out: &mut Option<String>,
) -> Result<(Vec<Sentinel>, StaleAddresses), Fault> {
    // By address: the ids under which others know it, and the answer.
    let mut named: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    let mut answers: Vec<(Address, Result<SentinelReplies, Fault>)> = Vec::new();
    let mut round = vec![first];
    for _ in 0..ROUNDS_MAX {
        let login = login.clone();
        let asked = each(round, limits, move |at| ask_sentinel(at, &login, limits));
        answers.extend(asked.into_iter().map(|(at, result)| (at, late(result))));
        if let [(_, Err(fault))] = &answers[..] {
            return Err(fault.clone());
        }
        for (_, said) in &answers {
            let views = said.iter().flat_map(|said| said.views.values());
            for peer in views.flat_map(|view| &view.peers) {
                if let Some(at) = Address::of(peer, "ip", "port") {
                    let ids = named.entry(at).or_default();
                    ids.insert(text(peer, "runid").to_owned());
                }
            }
        }
        let asked: BTreeSet<&Address> = answers.iter().map(|(at, _)| at).collect();
        let all = named.keys().filter(|at| !asked.contains(at)).cloned();
        let room = SENTINELS_MAX - answers.len().min(SENTINELS_MAX);
        let mut next: Vec<Address> = all.collect();
        if next.len() > room {
            *left_out = Some(format!("only {SENTINELS_MAX} Sentinels were asked"));
            next.truncate(room);
        }
        if next.is_empty() {
            break;
        }
        round = next;
    }
    Ok(join(answers, &named))
}

/// From answers by address to Sentinels by id.
pub(super) fn join(
    answers: Vec<(Address, Result<SentinelReplies, Fault>)>,
    named: &BTreeMap<Address, BTreeSet<String>>,
) -> (Vec<Sentinel>, StaleAddresses) {
    let (mut found, mut stale): (Vec<Sentinel>, StaleAddresses) = (Vec::new(), Vec::new());
    let none = BTreeSet::new();
    let ids_at = |at: &Address| named.get(at).unwrap_or(&none);
    let mut missing = Vec::new();
    for (at, answer) in answers {
        let ids = ids_at(&at);
        let mut said = match answer {
            Ok(said) => said,
            Err(fault) => {
                missing.extend(ids.iter().map(|id| (id.clone(), at.clone(), fault.clone())));
                continue;
            }
        };
        if said.id.is_empty() {
            // Too old to report its id: the id by which others know it.
            said.id = ids.first().map_or_else(|| at.to_string(), String::clone);
        }
        let others = ids.iter().filter(|id| **id != said.id);
        let fault = Fault::Odd(format!("another Sentinel answers at {at}"));
        missing.extend(others.map(|id| (id.clone(), at.clone(), fault.clone())));
        if !found.iter().any(|sentinel| sentinel.id == said.id) {
            let (id, said) = (said.id.clone(), Ok(said));
            found.push(Sentinel { id, at, said });
        }
    }
    for (id, at, fault) in missing {
        match found.iter().find(|sentinel| sentinel.id == id) {
            Some(Sentinel {
                at: now,
                said: Ok(_),
                ..
            }) => {
                stale.push((at, format!("{fault}; it answers at {now}")));
            }
            Some(_) => {}
            None => {
                let said = Err(fault);
                found.push(Sentinel { id, at, said });
            }
        }
    }
    (found, stale)
}

fn ask_sentinel(at: &Address, login: &Login, limits: Limits) -> Result<SentinelReplies, Fault> {
    let mut caller = Caller::open(at, login, limits)?;
    let replies = info(&caller.run("INFO")?);
    if ["redis_mode", "server_mode"]
        .iter()
        .all(|mode| text(&replies, mode) != "sentinel")
    {
        return Err(Fault::Odd("this is no Sentinel".to_owned()));
    }
    let id = caller.run("SENTINEL MYID");
    let mut said = SentinelReplies {
        id: optional(id)?.map_or_else(String::new, |id| word(&id)),
        info: replies,
        views: BTreeMap::new(),
    };
    for primary in rows(&caller.run("SENTINEL MASTERS")?)
        .into_iter()
        .take(PRIMARIES_MAX)
    {
        let name = text(&primary, "name").to_owned();
        let mut about = |what: &[&str]| {
            let mut words: Vec<&[u8]> = vec![b"SENTINEL", what[0].as_bytes(), name.as_bytes()];
            words.extend(what[1..].iter().map(|word| word.as_bytes()));
            caller.ask(&words)
        };
        let mut view = View {
            peers: rows(&about(&["SENTINELS"])?),
            replicas: rows(&about(&["SLAVES"])?),
            primary,
            ..View::default()
        };
        // Redis's and Valkey's have no such command.
        view.verdict = match about(&["EXPLAIN", "FINDINGS"])? {
            reply @ ReplyValue::Array(_) => findings(&reply),
            _ => verdicts::of_replies(&view, &said.info, &about(&["CKQUORUM"])?),
        };
        said.views.insert(name, view);
    }
    Ok(said)
}

/// `None` for a refusal, which does not end the conversation.
pub(crate) fn optional<T>(reply: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(Fault::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The data nodes that Sentinels name, then the data nodes that primaries name.
fn nodes(
    sentinels: &[Sentinel],
    login: &Login,
    limits: Limits,
    left_out: &mut Option<String>,
) -> BTreeMap<Address, Result<DataNodeReplies, Fault>> {
    let mut found: BTreeMap<Address, Result<DataNodeReplies, Fault>> = BTreeMap::new();
    let mut round: BTreeSet<Address> = BTreeSet::new();
    for view in sentinels
        .iter()
        .flat_map(|sentinel| &sentinel.said)
        .flat_map(|s| s.views.values())
    {
        round.extend(view.address());
        let replicas = view.replicas.iter();
        round.extend(replicas.filter_map(|row| Address::of(row, "ip", "port")));
    }
    for _ in 0..2 {
        let mut next: Vec<Address> = round
            .iter()
            .filter(|at| !found.contains_key(at))
            .cloned()
            .collect();
        if next.len() + found.len() > NODES_MAX {
            *left_out = Some(format!("only {NODES_MAX} data nodes were asked"));
            next.truncate(NODES_MAX - found.len());
        }
        let login = login.clone();
        let asked = each(next, limits, move |at| ask_node(at, &login, limits));
        found.extend(asked.into_iter().map(|(at, result)| (at, late(result))));
        let replies = found.values().flatten();
        round = replies
            .flat_map(|node| replica_lines(&node.info))
            .map(|(at, _)| at)
            .collect();
    }
    found
}

/// The replicas in a primary's INFO: `slave0:ip=10.0.0.2,port=6379,state=online,..`.
pub(super) fn replica_lines(info: &Fields) -> Vec<(Address, Fields)> {
    let is_replica = |name: &str| {
        let number = name.strip_prefix("slave");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut found = Vec::new();
    for (_, line) in info
        .iter()
        .filter(|(name, _)| is_replica(name))
        .take(ROWS_MAX)
    {
        let words = line.split(',').filter_map(|word| word.split_once('='));
        let fields: Fields = words.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        found.extend(Address::of(&fields, "ip", "port").map(|at| (at, fields)));
    }
    found
}

fn ask_node(at: &Address, login: &Login, limits: Limits) -> Result<DataNodeReplies, Fault> {
    let mut caller = Caller::open(at, login, limits)?;
    let mut node = DataNodeReplies {
        info: info(&caller.run("INFO")?),
        has_password: caller.has_password,
        ..DataNodeReplies::default()
    };
    if node.info.is_empty() {
        return Err(Fault::Odd("no reply to INFO that can be read".to_owned()));
    }
    // If the connection is lost from here on, fewer facts are known.
    if let Err(fault) = ask_more(&mut caller, &mut node) {
        let why = node.access.unchecked.get_or_insert_default();
        *why = fault.to_string();
    }
    Ok(node)
}

fn ask_more(caller: &mut Caller, node: &mut DataNodeReplies) -> Result<(), Fault> {
    if let Some(reply) = optional(caller.run("CONFIG GET masterauth"))? {
        let secret = fields(&reply).remove("masterauth");
        node.has_masterauth = secret.map(|secret| !secret.is_empty());
    }
    let who = optional(caller.run("ACL WHOAMI"))?;
    node.user = who.map_or_else(|| "default".to_owned(), |who| word(&who));
    if number(&node.info, "connected_clients").unwrap_or(0) <= CLIENTS_MAX {
        let list = optional(caller.run("CLIENT LIST"))?;
        node.links = list.as_ref().map(sentinel_links);
    }
    let mut users: Vec<String> = Vec::new();
    for (_, user) in node.links.iter().flatten() {
        if !users.contains(user) {
            users.push(user.clone());
        }
    }
    if users.is_empty() {
        users.push(node.user.clone());
    }
    for user in users.into_iter().take(USERS_MAX) {
        if !check_user(caller, user, &mut node.access)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Checks the commands of a Sentinel by ACL DRYRUN. `false`: that is not allowed.
fn check_user(caller: &mut Caller, user: String, to: &mut Access) -> Result<bool, Fault> {
    let mut refused = Vec::new();
    for command in &NEEDED {
        let mut words: Vec<&[u8]> = vec![b"ACL", b"DRYRUN", user.as_bytes()];
        words.extend(command.split(' ').map(str::as_bytes));
        match caller.ask(&words)? {
            ReplyValue::Simple(_) => {}
            ReplyValue::Bulk(why) => refused.push((*command, clean(&why))),
            // A command that was renamed.
            ReplyValue::Error(why) if why.starts_with(b"ERR Command '") => {
                refused.push((*command, clean(&why)));
            }
            ReplyValue::Error(why) => {
                to.unchecked = Some(clean(&why));
                return Ok(false);
            }
            _ => {
                to.unchecked = Some("not a reply to ACL DRYRUN".to_owned());
                return Ok(false);
            }
        }
    }
    to.refused.insert(user, refused);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use russet_base::finding::Finding;

    const INFO: &str = "# Server\r\nredis_version:8.0.6\r\nredis_mode:sentinel\r\n\
                        server_time_usec:1795373115721560\r\n";

    /// A server that sends all of this, whatever the request, until the other end is gone.
    fn fake(says: Vec<u8>) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("it comes");
            // A client that has enough is gone before the end.
            let _ = peer.write_all(&says);
            let _ = peer.read_to_end(&mut Vec::new());
        });
        Address {
            host: "127.0.0.1".to_owned(),
            port,
        }
    }

    fn limits() -> Limits {
        Limits {
            step: Duration::from_millis(200),
            end: Instant::now() + Duration::from_secs(2),
        }
    }

    fn asked(says: &[&str]) -> Result<SentinelReplies, Fault> {
        let at = fake(says.concat().into_bytes());
        ask_sentinel(&at, &Login::default(), limits())
    }

    fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    fn array(texts: &[&str]) -> String {
        let texts: Vec<String> = texts.iter().map(|text| bulk(text)).collect();
        format!("*{}\r\n{}", texts.len(), texts.concat())
    }

    #[test]
    fn a_sentinel_lists_its_primaries() {
        let primary = array(&["name", "m", "ip", "10.0.0.1", "port", "6379", "quorum", "2"]);
        let peer = array(&[
            "name", "x", "ip", "10.0.0.9", "port", "26379", "runid", "bb",
        ]);
        let said = asked(&[
            &bulk(INFO),
            &bulk("aa"),
            &format!("*1\r\n{primary}"),
            &format!("*1\r\n{peer}"),
            "*0\r\n",
            "-ERR Unknown sentinel subcommand 'EXPLAIN'.\r\n",
            "-NOQUORUM 1 usable Sentinels.\r\n",
        ]);
        let said = said.expect("an answer");
        assert_eq!(said.id, "aa");
        let view = &said.views["m"];
        assert_eq!((view.peers.len(), view.replicas.len()), (1, 0));
        assert!(view.knows("bb") && !view.knows("aa"));
        assert_eq!(view.verdict[0].text, "NOQUORUM 1 usable Sentinels.");
        assert_eq!(view.address().expect("one").to_string(), "10.0.0.1:6379");
    }

    #[test]
    fn a_russet_sentinel_is_asked_for_its_findings() {
        let row = |parts: &[&str]| format!("*4\r\n{}$-1\r\n", parts.concat());
        let said = asked(&[
            &bulk(INFO),
            &bulk("aa"),
            &format!("*1\r\n{}", array(&["name", "m"])),
            "*0\r\n*0\r\n*2\r\n",
            &row(&[
                &bulk("notice"),
                &bulk("priority"),
                &bulk("its priority is 0"),
            ]),
            &row(&[&bulk("no weight"), &bulk("x"), &bulk("y")]),
        ]);
        let verdict = &said.expect("an answer").views["m"].verdict;
        assert_eq!(*verdict, [Finding::notice("priority", "its priority is 0")]);
    }

    #[test]
    fn odd_replies_end_the_conversation_or_say_nothing() {
        let info = bulk(INFO);
        let nested = "*1\r\n".repeat(100);
        for says in [
            &[":1\r\n"][..],
            &["*-1\r\n"],
            &["HTTP/1.1 400\r\n"],
            &["-NOAUTH Authentication required.\r\n"],
            &["-DENIED protected mode\r\n"],
            &["$99999999\r\n"],
            &["*99999999\r\n"],
            &[&nested],
            &["$5\r\nabc"],
            &[""],
            &[&info, "$2\r\naa\r\n"],
            &[&info, "$2\r\naa\r\n", "-ERR unknown command\r\n"],
        ] {
            assert!(asked(says).is_err(), "{says:?}");
        }
        for masters in [
            "*0\r\n",
            ":1\r\n",
            "*-1\r\n",
            "*2\r\n:1\r\n*1\r\n:1\r\n",
            "+x\r\n",
        ] {
            let said = asked(&[&info, "-ERR no MYID\r\n", masters]).expect("an answer");
            assert!(said.views.is_empty() && said.id.is_empty(), "{masters:?}");
        }
        // The same for each part of a view.
        let masters = format!("*1\r\n{}", array(&["name", "m", "odd"]));
        let odd = ":1\r\n*3\r\n$-1\r\n:1\r\n*1\r\n$-1\r\n*0\r\n:1\r\n";
        let said = asked(&[&info, ":1\r\n", &masters, odd]).expect("an answer");
        assert!(said.views["m"].peers.is_empty());
    }

    #[test]
    fn a_reply_that_does_not_end_is_cut_off() {
        let long = format!("*60000\r\n{}", bulk(&"x".repeat(1000)).repeat(60_000));
        assert!(matches!(
            asked(&[&long]),
            Err(Fault::Odd(_) | Fault::Unreachable(_))
        ));
    }

    #[test]
    fn a_data_node_is_read_as_far_as_it_allows() {
        let info = "role:master\r\nconnected_clients:1\r\nserver_time_usec:1\r\n";
        let refusals = "-NOPERM no\r\n".repeat(3);
        let at = fake(
            [&bulk(info), &refusals, "-NOPERM no dry run\r\n"]
                .concat()
                .into_bytes(),
        );
        let node = ask_node(&at, &Login::default(), limits()).expect("an answer");
        assert_eq!(node.access.unchecked.as_deref(), Some("NOPERM no dry run"));
        assert!(node.links.is_none() && node.has_masterauth.is_none());
        assert_eq!(text(&node.info, "role"), "master");
        // The connection is lost after INFO.
        let at = fake(bulk(info).into_bytes());
        let node = ask_node(&at, &Login::default(), limits()).expect("an answer");
        assert!(node.access.unchecked.is_some());
    }

    #[test]
    fn a_sentinel_is_one_by_its_id() {
        let at = |host: &str| Address {
            host: host.to_owned(),
            port: 1,
        };
        let said = |id: &str| {
            Ok(SentinelReplies {
                id: id.to_owned(),
                ..SentinelReplies::default()
            })
        };
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let named = BTreeMap::from([
            (at("a"), ids(&["1"])),
            (at("b"), ids(&["2", "9"])),
            (at("old"), ids(&["1", "7"])),
        ]);
        let gone = || Err(Fault::unreachable("refused"));
        let answers = vec![
            (at("localhost"), said("1")),
            (at("a"), said("1")),
            (at("b"), said("2")),
            (at("old"), gone()),
        ];
        let (sentinels, stale) = join(answers, &named);
        let found: Vec<_> = sentinels
            .iter()
            .map(|sentinel| {
                (
                    sentinel.id.as_str(),
                    sentinel.at.host.as_str(),
                    sentinel.said.is_ok(),
                )
            })
            .collect();
        let wanted = [
            ("1", "localhost", true),
            ("2", "b", true),
            ("9", "b", false),
            ("7", "old", false),
        ];
        assert_eq!(found, wanted);
        let [(host, why)] = &stale[..] else {
            panic!("{stale:?}");
        };
        assert_eq!(
            (host, why.as_str()),
            (&at("old"), "refused; it answers at localhost:1")
        );
    }

    #[test]
    fn all_are_asked_within_the_time() {
        let addresses: Vec<Address> = (1..=100)
            .map(|port| Address {
                host: "h".to_owned(),
                port,
            })
            .collect();
        let mut end = limits();
        let got = each(addresses.clone(), end, |at| at.port);
        assert!(got.iter().all(|(at, result)| *result == Some(at.port)));
        end.end = Instant::now();
        let got = each(addresses, end, |at| {
            std::thread::sleep(Duration::from_secs(5));
            at.port
        });
        assert!(got.iter().all(|(_, result)| result.is_none()));
    }
}
