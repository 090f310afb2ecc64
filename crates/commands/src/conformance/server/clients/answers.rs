//! Questions of any words, users and bytes: a command that nodes do not ask does nothing, a user's
//! rights are the question's, and no bytes of a member end a node.

use crate::testbed::{AllCommands as _, Testbed};
use proptest::prelude::*;
use russet_cluster::{Cluster, NodesConf, Settings};
use russet_command::Facts;
use russet_config::Config;
use russet_host::Now;
use russet_keyspace::DbIndex;
use russet_resp::OwnedArgs;
use russet_server::inside::{Asker, ClusterDriver, NOT_ASKED, ParsedQuestion, ShardQueries, Stop};

/// A node that is alone, with an index and its documents.
fn node() -> Testbed {
    let mut t = Testbed::new();
    for line in [
        "HSET a:1 t one g x n 1",
        "HSET b:1 t one g y n 1",
        "TS.CREATE a:t LABELS l 1",
        "TS.ADD a:t 1 1",
        "FT.CREATE i PREFIX 1 a: SCHEMA t TEXT g TAG n NUMERIC",
        "FT.CREATE j PREFIX 1 b: SCHEMA t TEXT",
        "FT.ALIASADD al i",
    ] {
        t.run(line);
    }
    let now = Now {
        monotonic_ms: 1000,
        wall_ms: 1_700_000_000_000,
    };
    let settings = Settings::of(&Config::default());
    let core = Cluster::new(NodesConf::fresh(1), settings, 1, now);
    t.engine.server.cluster = Some(Box::new(ClusterDriver::new(core, Vec::new(), None)));
    t
}

fn ask(t: &mut Testbed, rights: &[&str], line: &[&[u8]]) -> Result<Vec<u8>, String> {
    let args: OwnedArgs = line.iter().copied().collect();
    let question = ParsedQuestion {
        number: 1,
        db: DbIndex(0),
        asker: Asker {
            rights: rights.iter().map(|rule| rule.as_bytes().to_vec()).collect(),
            work: 0,
        },
        args,
        slots: Vec::new(),
    };
    let ran = t.engine.run_question(&question, false);
    if let Some(driver) = &mut t.engine.server.cluster {
        driver.surveys.take_left();
    }
    ran.map_err(|stop| match stop {
        Stop::Refused(error) | Stop::Elsewhere(error) => {
            String::from_utf8_lossy(&error.line()).into_owned()
        }
        Stop::Postponed(_) => "postponed".to_owned(),
    })
}

fn words(line: &str) -> Vec<&[u8]> {
    line.split(' ').map(str::as_bytes).collect()
}

/// All that a question may change.
fn state(t: &mut Testbed) -> Vec<String> {
    [
        "DBSIZE",
        "FT._LIST",
        "FT.ALIASLIST i",
        "CONFIG GET *",
        "ACL LIST",
    ]
    .map(|line| t.run(line))
    .to_vec()
}

/// Each command with few words: no node ends, and a command that nodes never ask for does nothing.
#[test]
fn a_question_is_a_command_that_nodes_ask_with_its_words() {
    let mut t = node();
    let before = state(&mut t);
    let table = t.engine.server.table.commands();
    let rows: Vec<usize> = table.map(|(_, row)| row.id).collect();
    for id in rows {
        let row = t.engine.server.table.row(id);
        let (spec, name) = (row.spec, row.full_name);
        let is_asked = spec.facts.contains(Facts::ASKS_NODES);
        for more in 0..4 {
            let mut line: Vec<&[u8]> = vec![name.as_bytes()];
            line.extend(std::iter::repeat_n(&b"i"[..], more));
            let answer = ask(&mut t, &[], &line);
            if !is_asked {
                let refused = String::from_utf8_lossy(&NOT_ASKED.line()).into_owned();
                assert_eq!(answer, Err(refused), "{name} {more}");
            } else if !spec.arity.admits(line.len()) {
                let error = answer.expect_err(name);
                assert!(error.contains("wrong number of arguments"), "{error}");
            }
        }
        if !is_asked {
            assert_eq!(state(&mut t), before, "{name}");
        } else {
            t = node();
        }
    }
    assert!(ask(&mut t, &[], &[]).is_err());
}

#[test]
fn a_question_has_the_rights_of_its_user() {
    let all = &["(~* +@all)"][..];
    let reads = &["(%R~* +@all)"][..];
    let others = &["(~b:* +@all)", "(%R~c:* +@read)"][..];
    for (line, rights, may) in [
        ("FT.SEARCH i *", all, true),
        ("FT.SEARCH i *", reads, true),
        ("FT.SEARCH i *", others, false),
        ("FT.SEARCH j *", others, true),
        ("FT.SEARCH i *", &["(~* -@all +ft.aggregate)"], false),
        ("FT.TAGVALS i g", others, false),
        ("FT.INFO i", others, false),
        ("FT.DROPINDEX i", others, false),
        ("FT.DROPINDEX i DD", reads, false),
        ("FT.ALIASDEL al", others, false),
        ("FT.SEARCH i *", &["(~* nonsense)"], false),
    ] {
        let mut t = node();
        let users = t.engine.server.acl.users.len();
        let answer = match ask(&mut t, rights, &words(line)) {
            Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
            Err(error) => format!("-{error}"),
        };
        let is_refused = answer.starts_with("-NOPERM");
        assert_eq!(is_refused, !may, "{line} {rights:?}: {answer}");
        assert_eq!(t.engine.server.acl.users.len(), users);
        assert_eq!(t.run("DBSIZE"), ":3\r\n", "{line}");
    }
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "i",
        "j",
        "al",
        "*",
        "SEARCH",
        "AGGREGATE",
        "HYBRID",
        "QUERY",
        "LIMITED",
        "WITHCURSOR",
        "COUNT",
        "READ",
        "DEL",
        "-1",
        "0",
        "1",
        "18446744073709551615",
        "SORTBY",
        "GROUPBY",
        "LOAD",
        "@t",
        "FILTER",
        "l=1",
        "-",
        "+",
        "WITHLABELS",
        "SELECTED_LABELS",
        "REDUCE",
        "VSIM",
        "@v",
        "SCHEMA",
        "ADD",
        "TEXT",
        "x",
        "DD",
        "TERMS",
        "DISTANCE",
        "LIMIT",
        "__russet",
        "",
    ];
    prop_oneof![
        8 => proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A member may be an older release, or wrong: no words and no bytes of a member end a node.
    #[test]
    fn no_words_of_a_member_end_a_node(
        at: usize,
        more in proptest::collection::vec(word(), 0..9),
        mark in proptest::collection::vec(any::<u8>(), 0..6),
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut t = node();
        let table = &t.engine.server.table;
        let names: Vec<&'static str> = table
            .commands()
            .map(|(_, row)| row)
            .filter(|row| row.spec.facts.contains(Facts::ASKS_NODES))
            .map(|row| row.full_name)
            .collect();
        let name = names[at % names.len()];
        let mut line: Vec<&[u8]> = vec![name.as_bytes()];
        line.extend(more.iter().map(Vec::as_slice));
        _ = ask(&mut t, &[], &line);
        line.extend([&b"\0statistics"[..], &mark]);
        _ = ask(&mut t, &[], &line);
        // Any bytes as a question, and as definitions.
        let from = t.engine.server.cluster.as_ref().map(|driver| driver.core.my_id());
        let from = from.expect("a node");
        let pending = ShardQueries::pending(from, bytes.clone(), 0);
        t.engine.answer_node(pending);
        t.engine.server.take_definitions(&mut t.engine.keyspace, from, &bytes);
        t.engine.keyspace.check_invariants();
    }
}
