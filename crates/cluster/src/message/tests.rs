//! Messages written by real nodes, messages of any content, and each fault.
//!
//! `tests/data/cluster` has a PING of Redis 7.0, 8.0 and 8.10 and of Valkey 9.1: each is read, and
//! written again byte for byte. A fault is such a message with some bytes replaced. Properties:
//! messages are read as they were written. Framing: pieces of any length give the same messages,
//! and nothing is allocated for bytes that have not come.

use proptest::prelude::*;

use super::fault::Fault;
use super::*;

const REDIS_70: &[u8] = include_bytes!("../../../../tests/data/cluster/redis-7.0-ping.bin");
const REDIS_80: &[u8] = include_bytes!("../../../../tests/data/cluster/redis-8.0-ping.bin");
const REDIS_810: &[u8] = include_bytes!("../../../../tests/data/cluster/redis-8.10-ping.bin");
const VALKEY_91: &[u8] = include_bytes!("../../../../tests/data/cluster/valkey-9.1-ping.bin");

const KNOWN: Peer = Peer {
    standing: SenderStatus::Proven,
    is_light: true,
};

fn parsed(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("a message")
}

fn greeting<'a, 'm>(message: &'a Message<'m>) -> (&'a [Gossip], &'a Extensions<'m>) {
    match &message.body {
        Body::Greeting { gossip, extensions } => (gossip, extensions),
        other => panic!("{other:?}"),
    }
}

fn fault_of(bytes: &[u8]) -> Fault {
    Message::parse(bytes).expect_err("a wrong message").fault
}

/// Ours are the same bytes: header, gossip, the extensions and their order.
#[test]
fn messages_of_real_nodes_are_read_and_written_alike() {
    for (bytes, vendor) in [
        (REDIS_70, Vendor::Redis),
        (REDIS_80, Vendor::Redis),
        (REDIS_810, Vendor::Redis),
        (VALKEY_91, Vendor::Valkey),
    ] {
        assert!(
            parsed(bytes).encode(vendor) == bytes,
            "of a {vendor:?} node"
        );
        let framed = Framer::default().next(&mut &bytes[..], Peer::default());
        assert!(framed == Ok(Some(bytes.to_vec())));
    }
}

#[test]
fn fields_of_real_messages_are_where_they_should_be() {
    let message = parsed(REDIS_80);
    let header = message.header.expect("a full header");
    assert_eq!(
        (message.kind, header.port, header.bus_port),
        (Kind::Ping, 21003, 21053)
    );
    assert_eq!(header.slots.ranges(), [(0, 100), (200, 300)]);
    assert_eq!(
        header.flags,
        NodeFlags::PRIMARY | NodeFlags::MYSELF | NodeFlags::MIGRATE_TO
    );
    assert_eq!((header.marks, header.is_ok), (Marks::EXTENSIONS, false));
    let (gossip, extensions) = greeting(&message);
    assert_eq!(&gossip[0].ip[..], b"127.0.0.1");
    assert_eq!((gossip[1].port, gossip[1].bus_port), (21004, 21054));
    assert_eq!(gossip[1].flags, NodeFlags::REPLICA | NodeFlags::EXTENSIONS);
    assert_eq!(extensions.hostname, Some(&b"h8.example"[..]));
    assert_eq!(extensions.human_nodename, Some(&b"eight"[..]));
    assert!(extensions.shard.is_some() && extensions.secret.is_some());
    assert_eq!(extensions.client_ipv4, None, "the secret is no address");

    let message = parsed(VALKEY_91);
    let flags = message.header.expect("a full header").flags;
    assert!(flags.contains(NodeFlags::VALKEY));
    let (_, extensions) = greeting(&message);
    assert_eq!(extensions.client_ipv4, Some(&b"10.1.2.3"[..]));
    assert_eq!(extensions.client_ipv6, Some(&b"::7"[..]));
    assert_eq!(extensions.client_port, Some(77));
    assert_eq!(extensions.client_tls_port, None);
    assert_eq!(extensions.availability_zone, Some(&b"zone-1"[..]));
    assert_eq!(extensions.secret, None, "an address is no secret");

    assert!(
        !parsed(REDIS_810)
            .header
            .expect("full")
            .flags
            .intersects(NodeFlags::VALKEY)
    );
}

/// Valkey would take the secret for an address, Redis an address for a secret.
#[test]
fn extension_four_goes_only_where_its_meaning_is_known() {
    let (redis, valkey) = (parsed(REDIS_80), parsed(VALKEY_91));
    for (message, to) in [
        (&redis, Vendor::Valkey),
        (&redis, Vendor::Unknown),
        (&valkey, Vendor::Redis),
        (&valkey, Vendor::Unknown),
    ] {
        let bytes = message.encode(to);
        let again = parsed(&bytes);
        let (_, extensions) = greeting(&again);
        assert_eq!((extensions.secret, extensions.client_ipv4), (None, None));
        assert_eq!(extensions.hostname, greeting(message).1.hostname);
    }
}

/// The bytes with some of them replaced.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// Where the first gossip entry and the first extension of `REDIS_80` are.
const GOSSIP: usize = 2256;
const EXTENSION: usize = GOSSIP + 2 * 104;

#[test]
fn one_wrong_gossip_entry_drops_its_message_and_names_the_sender() {
    let second = GOSSIP + 104;
    for (at, new, what) in [
        (second, &b"A"[..], "id"),
        (second + 39, b"\0", "id"),
        (second + 48, b"1 2", "address"),
        (second + 48, &[b'1'; 46], "address"),
    ] {
        let bytes = with(REDIS_80, at, new);
        let rejected = Message::parse(&bytes).expect_err("a wrong message");
        assert_eq!(rejected.fault, Fault::Gossip { at: 1, what });
        assert!(!rejected.fault.closes_link());
        let sender = parsed(REDIS_80).header.expect("full").sender;
        assert_eq!(rejected.sender, Some(sender));
    }
}

#[test]
fn wrong_headers_are_distinguished() {
    assert_eq!(fault_of(&with(REDIS_80, 0, b"RC0b")), Fault::Signature);
    assert_eq!(fault_of(&with(REDIS_80, 8, &[0, 2])), Fault::Version(2));
    assert_eq!(fault_of(&with(REDIS_80, 12, &[0, 11])), Fault::Kind(11));
    assert_eq!(fault_of(&with(REDIS_80, 40, b"Z")), Fault::Header("sender"));
    assert_eq!(
        fault_of(&with(REDIS_80, 2128, b"Z")),
        Fault::Header("primary")
    );
    assert_eq!(
        fault_of(&with(REDIS_80, 2168, b"\xff")),
        Fault::Header("address")
    );
    // An entry more than there is; and as many entries, but an extension less.
    assert!(matches!(
        fault_of(&with(REDIS_80, 14, &[0, 9])),
        Fault::Length { .. }
    ));
    assert!(matches!(
        fault_of(&with(REDIS_80, 2214, &[0, 3])),
        Fault::Length { .. }
    ));
    assert!(matches!(
        fault_of(&with(REDIS_80, 2214, &[0, 5])),
        Fault::Extension { .. }
    ));
    // Without the mark the number does not count, and the bytes belong to nothing.
    assert!(matches!(
        fault_of(&with(REDIS_80, 2253, &[0])),
        Fault::Length { .. }
    ));
}

#[test]
fn lengths_of_extensions_are_checked() {
    // 24 bytes of hostname, 16 of human name, 48 of shard, 48 of secret.
    for length in [0u32, 7, 8, 12, 25, 1 << 16 | 24, u32::MAX] {
        let fault = fault_of(&with(REDIS_80, EXTENSION, &length.to_be_bytes()));
        assert!(
            matches!(fault, Fault::Extension { .. }),
            "{length}: {fault}"
        );
    }
    let endless = with(REDIS_80, EXTENSION + 8, &[b'x'; 16]);
    assert!(matches!(
        fault_of(&endless),
        Fault::Extension { number: 0, .. }
    ));
    let wrong_shard = with(REDIS_80, EXTENSION + 24 + 16 + 8, b"-");
    assert!(matches!(
        fault_of(&wrong_shard),
        Fault::Extension { number: 3, .. }
    ));
    let short_port = with(VALKEY_91, VALKEY_91.len() - 48 + 4, &6u16.to_be_bytes());
    assert_eq!(
        greeting(&parsed(&short_port)).1.client_port,
        Some(0x3835),
        "it has two bytes"
    );
}

#[test]
fn texts_that_would_harm_a_line_are_left_out() {
    for name in [&b"a b"[..], b"a,b", b"a\nb", b"a\xffb", b"a=b"] {
        let bytes = with(REDIS_80, EXTENSION + 8, name);
        assert_eq!(greeting(&parsed(&bytes)).1.hostname, None, "{name:?}");
    }
}

#[test]
fn publications_add_up_without_wrapping() {
    let message = Message {
        kind: Kind::Publish,
        header: None,
        body: Body::Publish {
            channel: b"news",
            message: b"hello",
        },
    };
    let bytes = message.encode(Vendor::Valkey);
    assert_eq!(bytes.len(), 16 + 8 + 9);
    assert_eq!(parsed(&bytes), message);
    for (channel, message) in [(u32::MAX, 10), (9, 1), (u32::MAX, u32::MAX), (0, 8)] {
        let lengths = [channel.to_be_bytes(), message.to_be_bytes()].concat();
        let wrong = with(&bytes, 16, &lengths);
        assert!(matches!(fault_of(&wrong), Fault::Length { .. }));
    }
}

mod framing {
    use super::*;

    fn next(bytes: &[u8], peer: Peer) -> Result<Option<Vec<u8>>, Fault> {
        Framer::default().next(&mut &bytes[..], peer)
    }

    #[test]
    fn what_cannot_be_a_message_closes_the_link() {
        for (bytes, fault) in [
            (with(REDIS_80, 3, b"B"), Fault::Signature),
            (
                with(REDIS_80, 4, &2255u32.to_be_bytes()),
                Fault::Short(2255),
            ),
            (with(REDIS_80, 12, &[0x80, 4]), Fault::Light),
        ] {
            assert_eq!(next(&bytes, Peer::default()), Err(fault));
            assert!(fault.closes_link());
        }
    }

    /// The link continues with the next message, and nothing of the wrong message was stored.
    #[test]
    fn a_wrong_length_drops_the_message_alone() {
        let wrong = with(REDIS_80, 14, &[0, 9]);
        let long = with(REDIS_80, 4, &u32::MAX.to_be_bytes());
        assert!(matches!(next(&long, KNOWN), Err(Fault::Long { .. })));
        for wrong in [wrong, with(REDIS_80, 12, &[0, 3]), with(REDIS_80, 9, &[2])] {
            let bytes = [&wrong, VALKEY_91].concat();
            let (mut framer, mut input) = (Framer::default(), &bytes[..]);
            let fault = framer.next(&mut input, KNOWN).expect_err("a wrong length");
            assert!(!fault.closes_link() && framer.bytes() == 0, "{fault}");
            assert!(framer.next(&mut input, KNOWN) == Ok(Some(VALKEY_91.to_vec())));
            assert_eq!(framer.next(&mut input, KNOWN), Ok(None));
        }
    }

    #[test]
    fn a_publication_is_allocated_as_it_comes() {
        let mut start = with(&REDIS_80[..2256], 12, &[0, 4, 0, 0]);
        start[4..8].copy_from_slice(&(900u32 << 20).to_be_bytes());
        let mut framer = Framer::default();
        assert_eq!(framer.next(&mut &start[..], KNOWN), Ok(None));
        assert!(framer.bytes() <= 8192, "{}", framer.bytes());
        let fault = next(&start, Peer::default());
        assert!(matches!(fault, Err(Fault::Long { .. })), "a stranger's");
    }

    #[test]
    fn messages_in_pieces_are_those_in_one() {
        let bytes = [REDIS_70, REDIS_80, VALKEY_91].concat();
        for piece in [1, 7, 15, 16, 17, 2255, 2257, bytes.len()] {
            let (mut framer, mut whole) = (Framer::default(), Vec::new());
            for mut input in bytes.chunks(piece) {
                while let Some(message) = framer.next(&mut input, KNOWN).expect("sound") {
                    whole.push(message);
                }
            }
            assert!(
                whole == [REDIS_70, REDIS_80, VALKEY_91],
                "pieces of {piece}"
            );
        }
    }
}

fn id() -> impl Strategy<Value = NodeId> {
    any::<[u64; 3]>().prop_map(NodeId::of_random)
}

fn ip() -> impl Strategy<Value = Ip> {
    "[0-9a-f.:]{0,45}".prop_map(|text| Ip::parse(text.as_bytes()).expect("an address"))
}

fn entry() -> impl Strategy<Value = Gossip> {
    let numbers = any::<(u32, u32, u16, u16, u16, u16)>();
    (id(), ip(), numbers).prop_map(|(node, ip, numbers)| Gossip {
        node,
        ping_sent_s: numbers.0,
        pong_received_s: numbers.1,
        ip,
        port: numbers.2,
        other_port: numbers.3,
        bus_port: numbers.4,
        flags: NodeFlags::from_bits_truncate(numbers.5),
    })
}

/// The texts that extensions borrow.
type Texts = (Option<String>, Option<String>, Option<String>);

fn extensions<'t>(texts: &'t Texts, seen: &[Gossip], numbers: (u16, u16)) -> Extensions<'t> {
    let ids = seen.iter().map(|entry| entry.node);
    let bytes = |text: &'t Option<String>| text.as_ref().map(String::as_bytes);
    Extensions {
        hostname: bytes(&texts.0),
        human_nodename: bytes(&texts.1),
        forgotten: ids.clone().zip(7..).collect(),
        shard: ids.clone().next_back(),
        secret: None,
        client_ipv4: Some(b"10.0.0.1"),
        client_ipv6: Some(b"2001:db8::1"),
        client_port: Some(numbers.0),
        client_tls_port: Some(numbers.1),
        availability_zone: bytes(&texts.2),
        proof: ids.clone().next().map(|id| Proof::new(b"secret", id, 5)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn greetings_are_read_as_they_were_written(
        sender in id(),
        primary in proptest::option::of(id()),
        slots in proptest::collection::vec(0..SLOTS, 0..40),
        numbers in any::<(u64, u64, u64, u16, u16, u16, u16)>(),
        ip in ip(),
        gossip in proptest::collection::vec(entry(), 0..6),
        texts in any::<(bool, bool, u8)>(),
        name in "[a-zA-Z0-9._-]{1,255}",
    ) {
        let slots: SlotMap = slots.into_iter().collect();
        let texts = (texts.0.then(|| name.clone()), texts.1.then(|| name.clone()), Some(name));
        let header = Header {
            sender,
            current_epoch: numbers.0,
            config_epoch: numbers.1,
            offset: numbers.2,
            slots: slots.view(),
            primary,
            ip,
            port: numbers.3,
            other_port: numbers.4,
            bus_port: numbers.5,
            flags: NodeFlags::from_bits_truncate(numbers.6),
            is_ok: numbers.0 % 2 == 0,
            marks: Marks::EXTENSIONS,
        };
        let extensions = extensions(&texts, &gossip, (numbers.3, numbers.4));
        let kind = [Kind::Ping, Kind::Pong, Kind::Meet][usize::from(numbers.5 % 3)];
        let body = Body::Greeting { gossip, extensions };
        let message = Message { kind, header: Some(header), body };
        let bytes = message.encode(Vendor::Valkey);
        prop_assert_eq!(Message::kind_of(&bytes), Some(kind));
        prop_assert_eq!(parsed(&bytes), message);
    }

    #[test]
    fn short_messages_are_read_as_they_were_written(
        ids in [id(), id()],
        epoch: u64,
        texts: (Vec<u8>, Vec<u8>),
        kind in proptest::sample::select(&Kind::ALL[3..]),
    ) {
        let slots: SlotMap = (0..100).collect();
        let real = parsed(REDIS_80);
        let header = Header { sender: ids[0], ..real.header.expect("full") };
        let body = match kind {
            Kind::Fail => Body::Fail(ids[1]),
            Kind::Update => Body::Update { epoch, node: ids[1], slots: slots.view() },
            Kind::Publish | Kind::PublishShard => Body::Publish { channel: &texts.0, message: &texts.1 },
            Kind::Module => Body::Module { module: epoch, kind: 7, payload: &texts.1 },
            _ => Body::Nothing,
        };
        let message = Message { kind, header: Some(header), body };
        let bytes = message.encode(Vendor::Redis);
        prop_assert_eq!(parsed(&bytes), message);
        let framed = Framer::default().next(&mut &bytes[..], KNOWN);
        prop_assert!(framed == Ok(Some(bytes.to_vec())));
    }
}
