//! ACL rules: any words are refused or applied, a refused rule changes nothing, and a user's
//! description makes the same user again.

use std::sync::OnceLock;

use super::input::Input;
use russet_acl::{CommandLine, Commands, Role, Roles, Terms, User, parse_users};
use russet_config::{Dialect, PubsubDefault};
use russet_resp::OwnedArgs;
use russet_server::{CommandTable, commands_of};

const WORDS: [&str; 48] = [
    "on",
    "off",
    "nopass",
    "resetpass",
    "reset",
    "allkeys",
    "resetkeys",
    "~*",
    "~a*",
    "%R~a",
    "%W~",
    "%RW~\"b'",
    "allchannels",
    "resetchannels",
    "&*",
    "&c?",
    "&\\",
    "+@all",
    "-@all",
    "+@read",
    "-@write",
    "+@slow",
    "-@connection",
    "+get",
    "-get",
    "+config",
    "-config|set",
    "+config|get",
    "+select|0",
    "+SELECT|x",
    "-select",
    "+get|'",
    "alldbs",
    "resetdbs",
    "db=0,3",
    "db=1",
    ">secret",
    "<secret",
    "clearselectors",
    "skip-sanitize-payload",
    "(+get ~a db=2)",
    "(\"~a\\x22\" +@read &b)",
    "(-@all allkeys",
    "role=reader",
    "role=all,reader",
    "role=nosuch",
    "resetroles",
    ")",
];

const CALLS: [&[&[u8]]; 9] = [
    &[b"get", b"a1"],
    &[b"set", b"a", b"x", b"get"],
    &[b"mget", b"a", b"", b"b"],
    &[b"select", b"3"],
    &[b"copy", b"a", b"b", b"db", b"1"],
    &[b"config", b"get", b"x"],
    &[b"publish", b"c1", b"x"],
    &[b"psubscribe", b"c?", b"d"],
    &[b"flushall"],
];

fn table() -> &'static (CommandTable, Commands) {
    static TABLE: OnceLock<(CommandTable, Commands)> = OnceLock::new();
    TABLE.get_or_init(|| {
        let table = CommandTable::new(&russet_commands::table());
        let commands = commands_of(&table);
        (table, commands)
    })
}

/// The first byte chooses the default channel permission. The other bytes choose rules: likely
/// rules, or bytes of the input.
pub fn acl(bytes: &[u8]) {
    let (table, commands) = table();
    let mut input = Input::new(bytes);
    let channels = match input.byte() & 1 {
        0 => PubsubDefault::ResetChannels,
        _ => PubsubDefault::AllChannels,
    };
    let roles = roles(commands, channels);
    let terms = Terms {
        commands,
        roles: &roles,
        channels,
    };
    let mut user = User::new(channels);
    while !input.is_empty() {
        let count = input.below(4);
        let rules: Vec<Vec<u8>> = (0..=count).map(|_| rule(&mut input)).collect();
        let before = user.clone();
        let words = rules.iter().map(|rule| &rule[..]);
        match user.apply_all(words, terms) {
            Ok(()) => is_made_again(&user, terms),
            Err(error) => {
                assert!(!error.line("SETUSER").is_empty());
                assert!(user == before, "a refusal changes nothing");
            }
        }
        for words in CALLS {
            look(&user, table, words);
        }
    }
}

fn rule(input: &mut Input<'_>) -> Vec<u8> {
    match input.below(WORDS.len() + 6) {
        known if known < WORDS.len() => WORDS[known].into(),
        more => {
            let signs: [&[u8]; 6] = [b"~", b"&", b"+", b"-", b"(", b""];
            let len = input.below(9);
            [signs[more - WORDS.len()], input.bytes(len)].concat()
        }
    }
}

const ROLES: [(&str, &[&str]); 2] = [
    ("reader", &["~a*", "+@read", "(", "~\"b'", "+set", ")"]),
    ("all", &["+@all", "~*", "&*"]),
];

fn roles(commands: &Commands, channels: PubsubDefault) -> Roles {
    let mut roles = Roles::default();
    for (name, rules) in ROLES {
        let mut role = Role::new(channels);
        let rules = rules.iter().map(|rule| rule.as_bytes());
        // The role refuses a pattern after all channels, and is then empty.
        let _ = role.apply_all(rules, commands, channels);
        roles.put(name.as_bytes(), role);
    }
    roles
}

fn is_made_again(user: &User, terms: Terms<'_>) {
    let rules = user.describe(Dialect::Redis).rules();
    let mut again = User::new(terms.channels);
    let applied = again.apply_all(rules.iter().map(|rule| &rule[..]), terms);
    let shown = String::from_utf8_lossy(&user.describe(Dialect::Redis).line()).into_owned();
    assert!(applied.is_ok() && again == *user, "{shown}");
    let mut text = [b"user name ", rules.join(&b' ').as_slice(), b"\n"].concat();
    for (name, role) in terms.roles.iter() {
        text.extend([b"role ", name, b" ", &role.rules().join(&b' ')[..], b"\n"].concat());
    }
    let read = parse_users(
        "file",
        &text,
        terms.commands,
        terms.channels,
        Dialect::Redis,
    );
    let read = read.unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert!(read.users.get(&b"name"[..]) == Some(user), "{shown}");
}

/// Runs a permission check; a user with all permissions must pass it.
fn look(user: &User, table: &CommandTable, words: &[&[u8]]) {
    let args: OwnedArgs = words.iter().copied().collect();
    let args = args.args();
    let Some(row) = table.find(args.at(0)) else {
        return;
    };
    let row = match args.get(1) {
        Some(name) if !row.subcommands.is_empty() => {
            table.find_subcommand(row, name).expect("a subcommand")
        }
        _ => row,
    };
    let line = CommandLine {
        is_whole: true,
        ..CommandLine::of(row, args, 0, 16)
    };
    let checked = user.check(&line);
    assert!(checked.is_ok() || !user.allows_all());
    if let Err(denied) = checked {
        assert!(denied.argument() < args.len());
    }
}
