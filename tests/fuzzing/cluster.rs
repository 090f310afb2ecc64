//! The cluster bus and nodes.conf: any bytes are refused or read. After a read, a write and a
//! second read give the same.

use super::input::Input;
use russet_cluster::fuzzing::{
    Body, Framer, Header, Kind, Message, NodeFlags, NodeId, NodesConf, Peer, SenderStatus, SlotMap,
    Vendor,
};
use russet_config::Dialect;

const REAL: [&[u8]; 4] = [
    include_bytes!("../data/cluster/redis-7.0-ping.bin"),
    include_bytes!("../data/cluster/redis-8.0-ping.bin"),
    include_bytes!("../data/cluster/redis-8.10-ping.bin"),
    include_bytes!("../data/cluster/valkey-9.1-ping.bin"),
];

const FILES: [&[u8]; 3] = [
    include_bytes!("../data/cluster/redis-7.0-nodes.conf"),
    include_bytes!("../data/cluster/redis-8.0-nodes.conf"),
    include_bytes!("../data/cluster/valkey-9.1-nodes.conf"),
];

/// The first byte chooses the receiver's knowledge of the sender, and whether the other bytes are a
/// link's bytes or choices that change messages.
pub fn cluster_bus(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let peer = Peer {
        standing: if choice & 1 == 0 {
            SenderStatus::Stranger
        } else {
            SenderStatus::Proven
        },
        is_light: choice & 2 != 0,
    };
    let (stream, piece) = match choice & 4 {
        0 => (input.rest().to_vec(), 1 + usize::from(choice >> 3)),
        _ => (
            changed_messages(&mut input),
            1 + 97 * usize::from(choice >> 3),
        ),
    };
    let framed = framed(stream.chunks(piece), peer);
    let whole = self::framed(std::iter::once(&stream[..]), peer);
    assert!(framed == whole, "pieces of {piece}");
    framed.iter().for_each(|message| check(message));
}

/// The messages of a link, up to a message that closes the link.
fn framed<'b>(pieces: impl Iterator<Item = &'b [u8]>, peer: Peer) -> Vec<Vec<u8>> {
    let (mut framer, mut whole, mut seen) = (Framer::default(), Vec::new(), 0);
    for mut piece in pieces {
        seen += piece.len();
        loop {
            match framer.next(&mut piece, peer) {
                Ok(Some(message)) => whole.push(message),
                Ok(None) => break,
                Err(fault) if fault.closes_link() => return whole,
                Err(_) => {}
            }
        }
        assert!(piece.is_empty(), "all was taken");
        assert!(
            framer.bytes() <= seen * 2 + 4096,
            "memory that nobody has sent"
        );
    }
    whole
}

fn check(bytes: &[u8]) {
    let parsed = Message::parse(bytes);
    let Ok(message) = parsed else {
        let fault = parsed.expect_err("else").fault;
        assert!(!fault.to_string().is_empty());
        return;
    };
    for vendor in [Vendor::Redis, Vendor::Valkey, Vendor::Unknown] {
        let written = message.encode(vendor);
        let again = Message::parse(&written).expect("our own message");
        assert_eq!(again.kind, message.kind);
        assert_eq!(again.header, message.header);
        match (&message.body, &again.body) {
            (Body::Greeting { gossip, .. }, Body::Greeting { gossip: read, .. }) => {
                assert_eq!(read, gossip);
            }
            (body, read) => assert_eq!(read, body),
        }
    }
}

/// Messages of real nodes and of all kinds, with some of their bytes changed.
fn changed_messages(input: &mut Input<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !input.is_empty() && stream.len() < 1 << 15 {
        let choice = input.below(REAL.len() + Kind::ALL.len() + 1);
        let mut message = match REAL.get(choice) {
            Some(real) => real.to_vec(),
            None => made(Kind::ALL.get(choice - REAL.len()).copied()),
        };
        for _ in 0..input.below(4) {
            // Mostly near the beginning, because the numbers are there and the rest of a header is
            // slots.
            let near = input.byte();
            let at = match near & 3 {
                0 => usize::from(near >> 2),
                1 => 2128 + 2 * usize::from(near >> 2),
                2 => message.len().saturating_sub(usize::from(near >> 2)),
                _ => 2240 + input.below(400),
            };
            let len = 1 + input.below(4);
            let new = input.bytes(len);
            if let Some(place) = message.get_mut(at..at + new.len()) {
                place.copy_from_slice(new);
            }
        }
        stream.extend_from_slice(&message);
    }
    stream
}

/// A message of this type, or a light message.
fn made(kind: Option<Kind>) -> Vec<u8> {
    let slots: SlotMap = (5..9).collect();
    let node = NodeId::of_random([3; 3]);
    let real = Message::parse(REAL[1]).expect("sound").header;
    let header = real.map(|header| Header {
        slots: slots.view(),
        flags: NodeFlags::REPLICA,
        primary: Some(node),
        ..header
    });
    let body = match kind {
        Some(Kind::Ping | Kind::Pong | Kind::Meet) => Body::Greeting {
            gossip: Vec::new(),
            extensions: Default::default(),
        },
        Some(Kind::Fail) => Body::Fail(node),
        Some(Kind::Update) => Body::Update {
            epoch: 9,
            node,
            slots: slots.view(),
        },
        None | Some(Kind::Publish | Kind::PublishShard) => Body::Publish {
            channel: b"c",
            message: b"text",
        },
        Some(Kind::Module) => Body::Module {
            module: 7,
            kind: 1,
            payload: b"text",
        },
        Some(Kind::AuthRequest | Kind::AuthAck | Kind::MfStart) => Body::Nothing,
    };
    let message = Message {
        kind: kind.unwrap_or(Kind::Publish),
        header: header.filter(|_| kind.is_some()),
        body,
    };
    message.encode(Vendor::Redis).to_vec()
}

/// The first byte chooses whether the other bytes are a file or choices that change a file.
pub fn nodes_conf(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let text = match input.byte() & 1 {
        0 => input.rest().to_vec(),
        _ => changed_file(&mut input),
    };
    match NodesConf::parse(&text) {
        Err(error) => assert!(!error.is_empty(), "a refusal has a reason"),
        Ok(saved) => {
            let written = saved.text(Dialect::Valkey);
            let again = NodesConf::parse(&written);
            let shown = String::from_utf8_lossy(&written);
            assert_eq!(again, Ok(saved.clone()), "{shown}");
            let redis = saved.text(Dialect::Redis);
            assert!(NodesConf::parse(&redis).is_ok(), "{shown}");
        }
    }
}

fn changed_file(input: &mut Input<'_>) -> Vec<u8> {
    let mut text = input.pick(&FILES).to_vec();
    while !input.is_empty() {
        let at = input.below(text.len());
        let end = (at + input.below(4)).min(text.len());
        let len = input.below(4);
        let new = input.bytes(len).to_vec();
        text.splice(at..end, new);
        if text.is_empty() {
            break;
        }
    }
    text
}
