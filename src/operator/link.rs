//! A connection to a server: commands out, replies in (RESP2).

use std::io;

use super::Target;
use crate::base::number::parse_i64;
use crate::net::Dialled;

/// A bulk string longer than this is not read.
const BULK_MAX: usize = 64 << 20;
/// Arrays in arrays.
const DEPTH_MAX: usize = 8;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Text(Vec<u8>),
    Error(String),
    Number(i64),
    Array(Vec<Reply>),
    Nil,
}

impl Reply {
    /// As text, whatever it is; nothing for an error or an array.
    pub fn text(&self) -> String {
        match self {
            Reply::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Reply::Number(n) => n.to_string(),
            _ => String::new(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Link<'t> {
    dialled: Dialled,
    target: &'t Target,
}

impl Link<'_> {
    /// Connects, and logs in if there is a password. A refused login is an error of its own
    /// words.
    pub fn open(target: &Target) -> io::Result<Link<'_>> {
        let dialled = match &target.socket {
            Some(path) => Dialled::connect_unix(path)?,
            None => Dialled::connect(&target.host, target.port, target.limit, None)?,
        };
        let mut link = Link { dialled, target };
        if let Some(password) = &target.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(target.user.as_ref().map(|user| user.as_bytes()));
            words.push(password);
            if let Reply::Error(why) = link.ask(&words)? {
                return Err(io::Error::other(why));
            }
        }
        Ok(link)
    }

    /// One command and its reply.
    pub fn ask(&mut self, words: &[&[u8]]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.dialled.send(&request, self.target.limit)?;
        self.reply(0)
    }

    /// One command in words parted by blanks.
    pub fn run(&mut self, line: &str) -> io::Result<Reply> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.ask(&words)
    }

    fn reply(&mut self, depth: usize) -> io::Result<Reply> {
        let limit = self.target.limit;
        let line = self.dialled.line(limit)?;
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let (&mark, rest) = line.split_first().ok_or_else(bad)?;
        let number = || parse_i64(rest).ok_or_else(bad);
        Ok(match mark {
            b'+' => Reply::Text(rest.to_vec()),
            b'-' => Reply::Error(String::from_utf8_lossy(rest).into_owned()),
            b':' => Reply::Number(number()?),
            b'$' | b'*' if number()? < 0 => Reply::Nil,
            b'$' => {
                let len = usize::try_from(number()?).map_err(|_| bad())?;
                if len > BULK_MAX {
                    return Err(bad());
                }
                let mut text = self.dialled.exactly(len + 2, limit)?;
                text.truncate(len);
                Reply::Text(text)
            }
            b'*' if depth < DEPTH_MAX => {
                let mut all = Vec::new();
                for _ in 0..number()? {
                    all.push(self.reply(depth + 1)?);
                }
                Reply::Array(all)
            }
            _ => return Err(bad()),
        })
    }
}
