//! Rules of users, with every command of the table: how they are listed, and which commands,
//! keys and channels they allow.

use russet_acl::{
    CommandLine, Commands, Denial, Hash, Role, Roles, RuleError, RulesError, Terms, User,
};
use russet_config::PubsubDefault;
use russet_resp::OwnedArgs;
use russet_server::{CommandTable, commands_of};

const NOTHING: PubsubDefault = PubsubDefault::ResetChannels;

struct Bench {
    table: CommandTable,
    commands: Commands,
    roles: Roles,
}

impl Bench {
    fn new() -> Bench {
        let table = CommandTable::new(&crate::table());
        let commands = commands_of(&table);
        let mut roles = Roles::default();
        for (name, rules) in [("reader", "~r* +@read"), ("all", "~* &* +@all (+get)")] {
            let mut role = Role::new(NOTHING);
            let rules = rules.split(' ').map(str::as_bytes);
            role.apply_all(rules, &commands, NOTHING)
                .expect("right rules");
            roles.put(name.as_bytes(), role);
        }
        Bench {
            table,
            commands,
            roles,
        }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            commands: &self.commands,
            roles: &self.roles,
            channels: NOTHING,
        }
    }

    fn user(&self, rules: &str) -> User {
        let mut user = User::new(NOTHING);
        let rules = rules.split(' ').map(str::as_bytes);
        user.apply_all(rules, self.terms())
            .expect("rules that are right");
        user
    }

    fn check(&self, user: &User, line: &str) -> Result<(), Denial> {
        let args: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
        let args = args.args();
        let mut row = self.table.find(args.at(0)).expect("a command");
        if let Some(name) = args.get(1)
            && let Some(sub) = self.table.find_subcommand(row, name)
        {
            row = sub;
        }
        user.check(&CommandLine::of(row, args, 0, 16))
    }
}

#[test]
fn rules_are_listed_in_the_order_that_makes_them_again() {
    let b = Bench::new();
    for (rules, reported) in [
        (
            "+@all -@hash -@slow +hget -@hash",
            "+@all -@slow +hget -@hash",
        ),
        (
            "-@all +client|list +config|get +config +acl|list -acl",
            "-@all +client|list +config -acl",
        ),
        (
            "+select|0 +SELECT|0 +debug|a +debug",
            "-@all +select|0 +debug",
        ),
        ("+@all -get +@all", "+@all"),
        ("-@string -@string +@STRING", "-@all +@string"),
    ] {
        assert_eq!(
            b.user(rules)
                .describe(russet_config::Dialect::Redis)
                .root()
                .command_rules(),
            reported
        );
    }
    let user = b.user("on >x ~a %R~b %W~b %W~c &d db=2,1 (+get ~e) (allkeys &f resetdbs)");
    assert_eq!(
        String::from_utf8_lossy(&user.describe(russet_config::Dialect::Redis).line()),
        "on sanitize-payload \
         #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 ~a ~b %W~c \
         resetchannels &d db=1,2 -@all (~e resetchannels -@all +get) \
         (~* resetchannels &f resetdbs -@all)"
    );
}

#[test]
fn a_wrong_rule_leaves_the_user_as_he_was() {
    let b = Bench::new();
    let mut user = b.user("on nopass +get ~a*");
    let before = user.clone();
    for rules in [
        &["off", "+nosuch"][..],
        &["(+get", "~b"],
        &["resetkeys", "%x~"],
        &["db=1", "<no"],
    ] {
        let words = rules.iter().map(|rule| rule.as_bytes());
        assert!(user.apply_all(words, b.terms()).is_err());
        assert!(user == before, "{rules:?}");
    }
}

#[test]
fn one_selector_must_allow_all_of_a_command() {
    let b = Bench::new();
    let user = b.user("on (%R~r* +@all) (%W~w* +@all)");
    assert_eq!(b.check(&user, "get r1"), Ok(()));
    assert_eq!(b.check(&user, "lpush w1 x"), Ok(()));
    assert_eq!(b.check(&user, "get w1"), Err(Denial::Key(1)));
    assert_eq!(b.check(&user, "copy r1 w1"), Err(Denial::Key(2)));
    assert_eq!(b.check(&user, "set w1 x get"), Err(Denial::Key(1)));
    assert_eq!(b.check(&user, "zunionstore w1 1 r1"), Err(Denial::Key(3)));
    assert_eq!(
        b.check(&user, "sort r1 by w* store w1"),
        Err(Denial::Key(5))
    );
    assert_eq!(b.check(&user, "ping"), Ok(()));
    assert_eq!(b.check(&user, "publish a x"), Err(Denial::Channel(1)));
}

#[test]
fn first_arguments_subcommands_and_commands_that_everybody_may_run() {
    let b = Bench::new();
    let user = b.user("on +select|0 +select|x +config -config|set");
    assert_eq!(b.check(&user, "select 0"), Ok(()));
    assert_eq!(b.check(&user, "select X"), Ok(()));
    assert_eq!(b.check(&user, "select 1"), Err(Denial::Command));
    assert_eq!(b.check(&user, "config get x"), Ok(()));
    assert_eq!(b.check(&user, "config set x y"), Err(Denial::Command));
    assert_eq!(b.check(&user, "auth x"), Ok(()));
    assert_eq!(b.check(&user, "quit"), Ok(()));
}

#[test]
fn a_role_adds_to_what_a_user_may_do() {
    let b = Bench::new();
    let user = b.user("on +set ~w* role=reader");
    assert_eq!(b.check(&user, "get r1"), Ok(()));
    assert_eq!(b.check(&user, "set w1 x"), Ok(()));
    assert_eq!(b.check(&user, "get w1"), Err(Denial::Key(1)));
    assert_eq!(b.check(&user, "set r1 x"), Err(Denial::Key(1)));
    let shown =
        String::from_utf8_lossy(&user.describe(russet_config::Dialect::Redis).line()).into_owned();
    assert_eq!(
        shown,
        "on sanitize-payload ~w* resetchannels -@all +set role=reader"
    );
    assert!(b.user("role=reader,all").allows_all());
    assert!(!b.user("role=all role=reader").allows_all());
    assert!(!b.user("ROLE=all resetroles").allows_all());
    assert!(!b.user("role=all reset").allows_all());
    let twice = b
        .user("role=all,reader,all")
        .describe(russet_config::Dialect::Redis)
        .line();
    assert!(twice.ends_with(b"role=all,reader"));
    let mut user = b.user("role=reader");
    let before = user.clone();
    for (rule, why) in [
        ("role=", RuleError::Syntax),
        ("role=,reader", RuleError::Syntax),
        ("role=reader,", RuleError::Syntax),
        ("role=all,nosuch", RuleError::NoSuchRole),
        ("role=Reader", RuleError::NoSuchRole),
    ] {
        let applied = user.apply_all([rule.as_bytes()].into_iter(), b.terms());
        assert!(
            matches!(applied, Err(RulesError::Rule { why: reported, .. }) if reported == why),
            "{rule}"
        );
        assert!(user == before);
    }
    for rule in [
        "on",
        "nopass",
        ">p",
        "reset",
        "role=all",
        "resetroles",
        "sanitize-payload",
    ] {
        let mut role = Role::new(NOTHING);
        let words = [rule.as_bytes()].into_iter();
        assert!(
            role.apply_all(words, &b.commands, NOTHING).is_err(),
            "{rule}"
        );
    }
}

#[test]
fn databases_are_those_that_a_command_names_and_its_own() {
    let b = Bench::new();
    let user = b.user("on +@all ~* &* db=1,3");
    for (line, checked) in [
        ("get a", Err(Denial::Database(0))),
        ("ping", Ok(())),
        ("select 1", Ok(())),
        ("select 0", Err(Denial::Database(1))),
        ("select 99", Ok(())),
        ("swapdb 1 3", Ok(())),
        ("swapdb 1 2", Err(Denial::Database(2))),
        ("swapdb 2 x", Ok(())),
        ("move a 1", Err(Denial::Database(0))),
        ("copy a b db 2", Err(Denial::Database(4))),
        ("copy a b replace db 1", Err(Denial::Database(0))),
        ("copy a b db 2 x", Err(Denial::Database(0))),
        ("flushall", Err(Denial::Database(0))),
    ] {
        assert_eq!(b.check(&user, line), checked, "{line}");
    }
    let all = b.user("on +@all ~* &* db=1,3 alldbs");
    assert!(all.allows_all() && !user.allows_all());
}

#[test]
fn passwords_come_and_go_and_none_lets_a_disabled_user_in() {
    let b = Bench::new();
    let is_let_in = |rules: &str, password: &[u8]| b.user(rules).admits(&Hash::of(password));
    assert!(is_let_in("on >a >b", b"b"));
    assert!(!is_let_in("on >a >b <b", b"b"));
    assert!(!is_let_in("on", b""));
    assert!(is_let_in("on >a nopass", b"whatever"));
    assert!(!is_let_in("on nopass >a", b"whatever"));
    assert!(!is_let_in("nopass", b""));
    assert!(!is_let_in("on >a off", b"a"));
    assert!(!is_let_in("on >a resetpass", b"a"));
    assert!(is_let_in("on >", b""));
}

#[test]
fn channels_that_are_gone_are_noticed_and_no_others() {
    let b = Bench::new();
    let left = |before: &str, after: &str| {
        let left = b.user(after).channels_left(&b.user(before));
        left.map(|patterns| patterns.len())
    };
    assert_eq!(left("&a &b", "&b &a &c"), None);
    assert_eq!(left("&a &b", "&b"), Some(1));
    assert_eq!(left("allchannels", "&a"), Some(1));
    assert_eq!(left("&a", "allchannels"), None);
    assert_eq!(left("&a", "on (&a)"), None);
}
