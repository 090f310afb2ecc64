//! ACL files, with every command of the table.

use russet_acl::{User, parse_users};
use russet_config::{Dialect, PubsubDefault};
use russet_server::{CommandTable, commands_of};

/// Far more than the report of mistakes may have.
const REPORT_BYTES_MAX: usize = 65 * 1024;

fn read(text: &[u8]) -> Result<Vec<String>, String> {
    read_as(Dialect::Redis, text)
}

fn read_as(dialect: Dialect, text: &[u8]) -> Result<Vec<String>, String> {
    let commands = commands_of(&CommandTable::new(&crate::table()));
    let channels = PubsubDefault::ResetChannels;
    let users = parse_users("f", text, &commands, channels, dialect).map_err(|e| e.to_string())?;
    let line = |(name, user): (&Vec<u8>, &User)| {
        let rules = user.describe(Dialect::Redis).line();
        String::from_utf8_lossy(&[name, b" ".as_slice(), &rules].concat()).into_owned()
    };
    Ok(users.users.iter().map(line).collect())
}

#[test]
fn lines_are_users_and_empty_ones_are_passed_over() {
    assert_eq!(read(b""), Ok(vec![]));
    let users = read(b" \r\n\tuser b on  +get \r\nuser a (+get  ~x) nopass");
    let wanted = [
        "a off nopass sanitize-payload resetchannels -@all (~x resetchannels -@all +get)",
        "b on sanitize-payload resetchannels -@all +get",
    ];
    assert_eq!(users, Ok(wanted.map(str::to_owned).to_vec()));
}

#[test]
fn lines_that_begin_with_a_number_sign_are_comments_of_redis_alone() {
    let text = b"# of \0 Redis\nuser a\n  #user b on\n";
    let wanted = "a off sanitize-payload resetchannels -@all";
    assert_eq!(read(text), Ok(vec![wanted.to_owned()]));
    let error = read_as(Dialect::Valkey, b"user a\n# x").expect_err("no user");
    assert!(
        error.starts_with("f:2 should start with user keyword"),
        "{error}"
    );
    assert!(read(b"user a # x").is_err(), "only whole lines");
}

#[test]
fn roles_may_follow_the_users_that_hold_them() {
    let text = b"user a role=w,r +get\nrole r ~r* +@read\nrole w (~w +set)";
    let wanted = "a off sanitize-payload resetchannels -@all +get role=w,r";
    assert_eq!(read(text), Ok(vec![wanted.to_owned()]));
    for (text, reported) in [
        (&b"role"[..], "f:1: a role line requires a role name"),
        (
            b"role a,b +get",
            "invalid role name 'a,b': Role names can't contain commas",
        ),
        (b"role x\nrole x", "Duplicate role 'x' found on line 2"),
        (b"role x >p", "f:1: Error in role declaration: Syntax error"),
        (b"user a role=x", "f:1: The specified role does not exist"),
        (b"roles x", "should start with user keyword"),
    ] {
        let error = read(text).expect_err("a wrong line");
        assert!(error.contains(reported), "{error}");
    }
}

#[test]
fn the_report_of_a_million_mistakes_is_bounded() {
    let error = read(&b"user x +nosuch\nbad\n".repeat(100_000)).expect_err("all wrong");
    assert!(error.len() < REPORT_BYTES_MAX, "{}", error.len());
    assert!(error.contains(" more errors. WARNING: ACL errors detected"));
}

#[test]
fn any_end_of_a_file_is_read_or_refused() {
    let text = b"user a on >p\x01 (~\"x\" +get) ~b +@read\nuser b (+config|get\n";
    for end in 0..text.len() {
        let _ = read(&text[..end]);
    }
}
