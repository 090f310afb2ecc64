//! A connection to a server: commands out, replies in (RESP2).

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use super::Target;
use russet_config::TlsFiles;
use russet_net::DialledStream;
use russet_net::tls::{CertificateFiles, Trust, client_alone, client_trusting};
use russet_resp::{BlockingLink, ReplyBounds, ReplyValue, write_request};

/// A reply as text, of any type; empty for an error or an array.
pub fn text(reply: &ReplyValue) -> String {
    match reply {
        ReplyValue::Simple(text) | ReplyValue::Bulk(text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        ReplyValue::Integer(n) => n.to_string(),
        _ => String::new(),
    }
}

/// Without authorities of its own the server is believed as a web server is: by its name.
fn client_config(files: &TlsFiles, host: &str) -> io::Result<Arc<ClientConfig>> {
    let own = CertificateFiles {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        password: files.key_password.clone(),
    };
    let is_given = !files.ca_file.as_os_str().is_empty() || !files.ca_dir.as_os_str().is_empty();
    let config = if is_given {
        client_alone(&own, &files.ca_file, &files.ca_dir)
    } else {
        client_trusting(&own, &Trust::of_system(host.to_owned()))
    };
    config.map_err(io::Error::other)
}

/// See the module.
#[derive(Debug)]
pub(crate) struct OperatorLink<'t> {
    link: BlockingLink,
    target: &'t Target,
}

impl OperatorLink<'_> {
    /// Connects, and logs in if there is a password. A refused login returns the server's error
    /// text.
    pub fn open(target: &Target) -> io::Result<OperatorLink<'_>> {
        let dialled = match &target.socket {
            Some(path) => DialledStream::connect_unix(path)?,
            None => {
                let tls = target.tls.as_ref();
                let tls = tls.map(|files| client_config(files, &target.host));
                let tls = tls.transpose()?;
                DialledStream::connect(&target.host, target.port, target.limit, tls.as_ref())?
            }
        };
        let link = BlockingLink::new(dialled, ReplyBounds::default());
        let mut link = OperatorLink { link, target };
        if let Some(password) = &target.password {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(target.user.as_ref().map(|user| user.as_bytes()));
            words.push(password);
            if let ReplyValue::Error(why) = link.ask(&words)? {
                return Err(io::Error::other(String::from_utf8_lossy(&why).into_owned()));
            }
        }
        Ok(link)
    }

    /// Sends a command and reads its reply.
    pub fn ask(&mut self, words: &[&[u8]]) -> io::Result<ReplyValue> {
        let mut request = Vec::new();
        write_request(&mut request, words.iter().copied());
        self.link.send(&request, self.target.limit)?;
        self.link.reply(self.target.limit)
    }

    /// The connection itself, for bytes that are no reply to a command.
    pub(super) fn raw(&mut self) -> &mut BlockingLink {
        &mut self.link
    }

    /// Runs a command given as words separated by blanks.
    pub fn run(&mut self, line: &str) -> io::Result<ReplyValue> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.ask(&words)
    }
}
