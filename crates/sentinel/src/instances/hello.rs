//! The message by which Sentinels find each other and agree on configurations.
//!
//!     ip,port,run id,current epoch,primary's name,its ip,its port,its configuration's epoch
//!
//! It is published to a channel of each data node, and sent to each other Sentinel directly.

use crate::address::HOST_BYTES_MAX;
use crate::discovery::strangers::is_run_id;

/// The channel.
pub const CHANNEL: &[u8] = b"__sentinel__:hello";

/// Bytes of a hello; most are the primary's name.
const BYTES_MAX: usize = 16 * 1024;

/// A Sentinel's message about itself and one primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub host: Vec<u8>,
    pub port: u16,
    pub run_id: Vec<u8>,
    pub current_epoch: u64,
    pub name: Vec<u8>,
    pub(crate) primary_host: Vec<u8>,
    pub primary_port: u16,
    pub config_epoch: u64,
}

fn port(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn epoch(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Hello {
    /// `None`: not eight words, an invalid number, or words too long. The sender is no Sentinel
    /// then.
    pub fn parse(message: &[u8]) -> Option<Hello> {
        if message.len() > BYTES_MAX {
            return None;
        }
        let words: Vec<&[u8]> = message.split(|&b| b == b',').collect();
        let [
            host,
            its_port,
            run_id,
            current,
            name,
            primary,
            primary_port,
            config,
        ] = words[..]
        else {
            return None;
        };
        if host.len().max(primary.len()) > HOST_BYTES_MAX || !is_run_id(run_id) {
            return None;
        }
        Some(Hello {
            host: host.to_vec(),
            port: port(its_port)?,
            run_id: run_id.to_vec(),
            current_epoch: epoch(current)?,
            name: name.to_vec(),
            primary_host: primary.to_vec(),
            primary_port: port(primary_port)?,
            config_epoch: epoch(config)?,
        })
    }

    pub fn text(&self) -> Vec<u8> {
        let comma: &[u8] = b",";
        [
            &self.host,
            self.port.to_string().as_bytes(),
            &self.run_id,
            self.current_epoch.to_string().as_bytes(),
            &self.name,
            &self.primary_host,
            self.primary_port.to_string().as_bytes(),
            self.config_epoch.to_string().as_bytes(),
        ]
        .join(comma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_and_others_are_no_hello() {
        let text = b"127.0.0.1,26379,abc,3,mymaster,127.0.0.1,6379,2";
        let hello = Hello::parse(text).expect("a hello");
        assert_eq!(
            (hello.port, hello.current_epoch, hello.config_epoch),
            (26379, 3, 2)
        );
        assert_eq!(hello.text(), text);
        for bad in ["", "a,1,b,2,c,d,3", "a,x,b,2,c,d,3,4", "a,1,b,2,c,d,3,4,5"] {
            assert_eq!(Hello::parse(bad.as_bytes()), None, "{bad}");
        }
        let long = |host: usize, id: usize, name: usize| {
            let (host, id, name) = ("h".repeat(host), "b".repeat(id), "n".repeat(name));
            Hello::parse(format!("{host},1,{id},2,{name},d,3,4").as_bytes())
        };
        assert!(long(253, 40, 1000).is_some());
        for (host, id, name) in [(254, 40, 1), (1, 41, 1), (1, 40, 17_000)] {
            assert_eq!(long(host, id, name), None);
        }
    }
}
