//! The bodies of calls: JSON with known fields. Other fields are ignored.
//!
//!     api/command   CommandCall { db, commands, atomic, checks }
//!     api/login     Login { user, password }
//!     api/stream    StreamCall { db, stats, subscriptions, monitor }
//!
//! Each list and number has a limit here, and so has the number of values of a body: `object`
//! counts the values before it parses the body, because a value takes far more memory than its
//! bytes. `http` limits the size of a body. This module checks no permissions, because
//! `server::console` runs the commands as the user of the session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Maximum commands of a call, checks included.
pub const COMMANDS_MAX: usize = 512;
/// Maximum topics of a stream, and channels of a topic.
const TOPICS_MAX: usize = 64;

/// Maximum values in a body, because each costs far more memory than its bytes.
const VALUES_MAX: usize = 65_536;

/// The fault of a body, as the answer's text.
pub type Wrong = &'static str;

/// A command: the arguments, with the name first.
pub type Command = Vec<Vec<u8>>;

/// A condition: a command, and the reply that it must have.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub command: Command,
    pub reply: Value,
}

/// `api/command`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandCall {
    pub db: u32,
    pub commands: Vec<Command>,
    /// As in MULTI and EXEC.
    pub atomic: bool,
    pub checks: Vec<Check>,
}

/// `api/login`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: Vec<u8>,
    pub password: Vec<u8>,
}

/// The contents of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCall {
    pub db: u32,
    pub stats: bool,
    /// SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE, with their arguments.
    pub subscriptions: Vec<Command>,
    pub monitor: Option<Monitor>,
}

/// Which commands a monitor shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Name of the command, lower case.
    pub command: Option<String>,
    /// Pattern of an argument of the command.
    pub key: Option<Vec<u8>>,
    pub user: Option<Vec<u8>>,
    /// Events a second.
    pub rate: u32,
    pub seconds: u32,
}

/// The highest bounds of a monitor, and the usual bounds.
const RATE_MAX: u64 = 5000;
const RATE: u64 = 500;
const SECONDS_MAX: u64 = 600;
const SECONDS: u64 = 60;

/// A body, which must be an object.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Wrong> {
    if values_at_most(body) > VALUES_MAX {
        return Err("there are more than 65536 values");
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("the body is no object"),
        Err(_) => Err("the body is no JSON"),
    }
}

/// As many values as these bytes have, or a few more: a value for each comma and bracket outside of
/// strings.
fn values_at_most(body: &[u8]) -> usize {
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = body.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' | b',' => count += 1,
            b'"' => {
                // To the place after the end of the string.
                loop {
                    let rest = body.get(at..).unwrap_or_default();
                    let Some(step) = memchr::memchr2(b'"', b'\\', rest) else {
                        return count;
                    };
                    at += step + 1;
                    if rest[step] == b'"' {
                        break;
                    }
                    at += 1;
                }
            }
            _ => {}
        }
    }
    count
}

/// Bytes: a string, or `{"b":base64}`.
pub fn bytes(value: &Value) -> Result<Vec<u8>, Wrong> {
    const WRONG: Wrong = "a string or {\"b\":base64} is expected";
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Object(fields) if fields.len() == 1 => {
            let text = fields.get("b").and_then(Value::as_str).ok_or(WRONG)?;
            STANDARD.decode(text).map_err(|_| WRONG)
        }
        _ => Err(WRONG),
    }
}

fn command(value: &Value) -> Result<Command, Wrong> {
    match value {
        Value::Array(words) if !words.is_empty() => words.iter().map(bytes).collect(),
        _ => Err("a command is a list of words"),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Wrong> {
    match fields.get(name) {
        None => Ok(&[]),
        Some(Value::Array(all)) => Ok(all),
        Some(_) => Err("a list is expected"),
    }
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<bool, Wrong> {
    match fields.get(name) {
        None => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(_) => Err("true or false is expected"),
    }
}

fn number(fields: &Map<String, Value>, name: &str, usual: u64, max: u64) -> Result<u64, Wrong> {
    match fields.get(name) {
        None => Ok(usual),
        Some(value) => {
            let n = value.as_u64().filter(|n| *n <= max);
            n.ok_or("a number is not in its range")
        }
    }
}

fn db(fields: &Map<String, Value>) -> Result<u32, Wrong> {
    let db = number(fields, "db", 0, u64::from(u32::MAX))?;
    Ok(u32::try_from(db).unwrap_or(u32::MAX))
}

/// `api/lock`: whether the session is to be locked.
pub fn lock(body: &[u8]) -> Result<bool, Wrong> {
    let fields = object(body)?;
    let locked = fields.get("locked").and_then(Value::as_bool);
    locked.ok_or("locked: true or false is expected")
}

impl Login {
    pub fn parse(body: &[u8]) -> Result<Login, Wrong> {
        let fields = object(body)?;
        let field = |name| {
            fields
                .get(name)
                .map_or(Err("user and password are expected"), bytes)
        };
        Ok(Login {
            user: field("user")?,
            password: field("password")?,
        })
    }
}

impl CommandCall {
    pub fn parse(body: &[u8]) -> Result<CommandCall, Wrong> {
        let fields = object(body)?;
        let (commands, checks) = (list(&fields, "cmds")?, list(&fields, "if")?);
        if commands.len() + checks.len() > COMMANDS_MAX {
            return Err("there are more than 512 commands");
        }
        let atomic = flag(&fields, "atomic")?;
        if !checks.is_empty() && commands.len() > 1 && !atomic {
            // A later command may have to wait, and the checked values may change meanwhile.
            return Err("several commands with conditions must be atomic");
        }
        Ok(CommandCall {
            db: db(&fields)?,
            commands: commands.iter().map(command).collect::<Result<_, _>>()?,
            atomic,
            checks: checks.iter().map(Check::parse).collect::<Result<_, _>>()?,
        })
    }
}

impl Check {
    fn parse(value: &Value) -> Result<Check, Wrong> {
        match value.as_array().map(Vec::as_slice) {
            Some([asked, reply]) => Ok(Check {
                command: command(asked)?,
                reply: reply.clone(),
            }),
            _ => Err("a condition is a command and its reply"),
        }
    }
}

impl StreamCall {
    pub fn parse(body: &[u8]) -> Result<StreamCall, Wrong> {
        let fields = object(body)?;
        let topics = list(&fields, "topics")?;
        if topics.len() > TOPICS_MAX {
            return Err("there are too many topics");
        }
        let mut stream = StreamCall {
            db: db(&fields)?,
            ..StreamCall::default()
        };
        for topic in topics {
            match topic {
                Value::String(name) if name == "stats" => stream.stats = true,
                Value::Object(fields) => stream.add(fields)?,
                _ => return Err("an unknown topic"),
            }
        }
        Ok(stream)
    }

    fn add(&mut self, fields: &Map<String, Value>) -> Result<(), Wrong> {
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("subscribe" | "psubscribe" | "ssubscribe", Value::Array(channels)) => {
                    if channels.is_empty() || channels.len() > TOPICS_MAX {
                        return Err("there are no channels, or too many");
                    }
                    let mut command = vec![name.as_bytes().to_vec()];
                    for channel in channels {
                        command.push(bytes(channel)?);
                    }
                    self.subscriptions.push(command);
                }
                ("monitor", Value::Object(fields)) => self.monitor = Some(Monitor::parse(fields)?),
                _ => return Err("an unknown topic"),
            }
        }
        Ok(())
    }
}

impl Monitor {
    fn parse(fields: &Map<String, Value>) -> Result<Monitor, Wrong> {
        let text = |name| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => bytes(value).map(|bytes| Some(bytes).filter(|b| !b.is_empty())),
        };
        let command = text("cmd")?;
        let number = |name, usual, max| {
            let n = number(fields, name, usual, max)?;
            Ok::<u32, Wrong>(u32::try_from(n).unwrap_or(u32::MAX).max(1))
        };
        Ok(Monitor {
            command: command.map(|name| String::from_utf8_lossy(&name).to_ascii_lowercase()),
            key: text("key")?,
            user: text("user")?,
            rate: number("rate", RATE, RATE_MAX)?,
            seconds: number("for", SECONDS, SECONDS_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_bytes() {
        let body = br#"{"db":3,"cmds":[["GET","k"],["SET",{"b":"AP8="},""]],"atomic":true,
            "if":[[["GET","k"],null]],"more":1}"#;
        let call = CommandCall::parse(body).expect("a call");
        assert_eq!((call.db, call.atomic), (3, true));
        assert_eq!(
            call.commands[1],
            [b"SET".to_vec(), vec![0, 255], Vec::new()]
        );
        assert_eq!(call.checks[0].reply, Value::Null);
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for body in [
            "",
            "[]",
            "{",
            "{\"cmds\":1}",
            "{\"cmds\":[[]]}",
            "{\"cmds\":[[1]]}",
            "{\"cmds\":[[{\"b\":\"%\"}]]}",
            "{\"cmds\":[[{\"b\":\"\",\"c\":1}]]}",
            "{\"db\":-1}",
            "{\"db\":1.5}",
            "{\"atomic\":1}",
            "{\"if\":[[[\"GET\"]]]}",
            "{\"cmds\":[[\"\u{0}\"]]}",
            "{\"cmds\":[[\"a\"],[\"b\"]],\"if\":[[[\"a\"],1]]}",
        ] {
            assert!(CommandCall::parse(body.as_bytes()).is_err(), "{body}");
        }
        let many = format!("{{\"cmds\":[{}[\"a\"]]}}", "[\"a\"],".repeat(COMMANDS_MAX));
        assert!(CommandCall::parse(many.as_bytes()).is_err());
        let deep = format!("{{\"if\":[[[\"a\"],{}", "[".repeat(1 << 19));
        assert!(CommandCall::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn values_are_counted_before_they_are_made() {
        for (body, values) in [
            (r#"{"a":[1,2]}"#, 3),
            (r#"["[,{\"[","\\",1]"#, 3),
            (r#"["never ended [[["#, 1),
            (r#"["\"#, 1),
        ] {
            assert_eq!(values_at_most(body.as_bytes()), values, "{body}");
        }
        let many = format!("{{\"a\":[{}[]]}}", "[],".repeat(VALUES_MAX / 2));
        assert_eq!(
            object(many.as_bytes()),
            Err("there are more than 65536 values")
        );
        let long = format!("{{\"a\":\"{}\"}}", "[,".repeat(VALUES_MAX));
        assert!(object(long.as_bytes()).is_ok());
    }

    #[test]
    fn topics_of_a_stream_have_bounds() {
        let body = br#"{"topics":["stats",{"subscribe":["a",{"b":"/w=="}]},
            {"monitor":{"cmd":"SET","key":"user:*"}}]}"#;
        let stream = StreamCall::parse(body).expect("a stream");
        assert!(stream.stats);
        assert_eq!(
            stream.subscriptions,
            [[b"subscribe".to_vec(), b"a".to_vec(), vec![255]]]
        );
        let monitor = stream.monitor.expect("asked for");
        assert_eq!((monitor.rate, monitor.seconds), (500, 60));
        assert_eq!(monitor.command.as_deref(), Some("set"));
        for topic in [
            "{\"monitor\":{\"rate\":5001}}",
            "{\"subscribe\":[]}",
            "\"x\"",
            "{\"x\":1}",
        ] {
            let body = format!("{{\"topics\":[{topic}]}}");
            assert!(StreamCall::parse(body.as_bytes()).is_err(), "{topic}");
        }
    }
}
