//! Connections under TLS, and failed handshakes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion, version,
};
use tempfile::TempDir;

use crate::support::certificates::{Authority, IssuedCertificate, Subject};
use crate::support::daemon::free_side_port;
use crate::support::{Daemon, peers, wait_until};

/// A server with TLS beside its plain port, and its authority.
pub(crate) struct Tls {
    pub(crate) server: Daemon,
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    files: TempDir,
}

impl Tls {
    pub(crate) fn start(args: &[&str]) -> Tls {
        let (authority, files, port) = (
            Authority::new(),
            TempDir::new().expect("a folder"),
            free_side_port(),
        );
        let (crt, key) = authority
            .issue(&Subject::named("localhost"))
            .write(files.path(), "server");
        let ca = files.path().join("ca.crt");
        std::fs::write(&ca, &authority.pem).expect("a file");
        let port_text = port.to_string();
        let mut all = vec!["--tls-port", &port_text];
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let (crt, key, ca) = (text(&crt), text(&key), text(&ca));
        all.extend(["--tls-cert-file", &crt, "--tls-key-file", &key]);
        all.extend(["--tls-ca-cert-file", &ca]);
        all.extend(args);
        let server = Daemon::start(&all);
        Tls {
            server,
            port,
            authority,
            files,
        }
    }

    pub(crate) fn client(&self) -> IssuedCertificate {
        self.authority.issue(&Subject::named("a client"))
    }

    /// A client's configuration with this certificate, or without a certificate.
    pub(crate) fn config(
        &self,
        shown: Option<&IssuedCertificate>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority.der.clone().into())
            .expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        match shown {
            None => config.with_no_client_auth(),
            Some(shown) => {
                let chain = vec![CertificateDer::from(shown.der.clone())];
                let key = PrivateKeyDer::from_pem_slice(shown.key_pem.as_bytes()).expect("a key");
                config.with_client_auth_cert(chain, key).expect("fits")
            }
        }
    }

    pub(crate) fn connect_with(&self, config: ClientConfig) -> Stream {
        self.connect_by(Arc::new(config))
    }

    pub(crate) fn connect_by(&self, config: Arc<ClientConfig>) -> Stream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).expect("listens");
        let limit = Some(Duration::from_secs(20));
        socket.set_read_timeout(limit).expect("a socket");
        let name = "localhost".try_into().expect("a name");
        let connection = ClientConnection::new(config, name).expect("a client");
        StreamOwned::new(connection, socket)
    }

    pub(crate) fn connect(&self) -> Stream {
        self.connect_with(self.config(Some(&self.client()), BOTH))
    }

    /// Whether the server answers such a client; if not, the server's log line about it.
    fn pings(&self, config: ClientConfig) -> Result<(), String> {
        let reported = self.reported();
        let mut stream = self.connect_with(config);
        let answered = stream.write_all(b"PING\r\n").and_then(|()| {
            let mut reply = [0; 7];
            stream.read_exact(&mut reply).map(|()| reply)
        });
        match answered {
            Ok(reply) => {
                assert_eq!(&reply, b"+PONG\r\n");
                Ok(())
            }
            Err(_) => {
                wait_until("a line in the log", || {
                    self.reported().len() > reported.len()
                });
                let new = self.reported().split_off(reported.len());
                assert_eq!(new.len(), 1, "{new:?}");
                Err(new[0].clone())
            }
        }
    }

    /// The log lines about failed handshakes.
    pub(crate) fn reported(&self) -> Vec<String> {
        let log = self.server.log();
        let reported = log.lines().filter_map(|line| {
            let (_, why) = line.split_once("Error accepting a client connection: ")?;
            assert!(why.contains(" (addr=127.0.0.1:") && why.contains(" laddr=127.0.0.1:"));
            why.split_once(" (addr=").map(|(why, _)| why.to_owned())
        });
        reported.collect()
    }

    fn set(&self, pairs: &[(&str, &str)]) -> String {
        let mut words = vec!["CONFIG", "SET"];
        words.extend(pairs.iter().flat_map(|(name, value)| [*name, *value]));
        let reply = self.server.connect().call(&words);
        String::from_utf8(reply)
            .expect("text")
            .trim_end()
            .to_owned()
    }

    fn write(&self, issued: &IssuedCertificate, name: &str) -> (String, String) {
        let (crt, key) = issued.write(self.files.path(), name);
        let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
        (text(crt), text(key))
    }
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const FAILED: &str = "Unable to update TLS configuration. Check server logs.";

pub(crate) fn ask(stream: &mut Stream, request: &[u8], reply: &[u8]) {
    stream.write_all(request).expect("sent");
    let mut got = vec![0; reply.len()];
    stream.read_exact(&mut got).expect("answered");
    assert!(
        got == reply,
        "{}",
        String::from_utf8_lossy(&got[..got.len().min(200)])
    );
}

#[test]
fn both_protocols_carry_any_bytes() {
    let tls = Tls::start(&[]);
    let text: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 / 3) as u8).collect();
    let set = [
        format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", text.len()).as_bytes(),
        &text,
        b"\r\n",
    ]
    .concat();
    let got = [format!("${}\r\n", text.len()).as_bytes(), &text, b"\r\n"].concat();
    for versions in [&[&version::TLS12][..], &[&version::TLS13], BOTH] {
        let mut stream = tls.connect_with(tls.config(Some(&tls.client()), versions));
        ask(&mut stream, &set, b"+OK\r\n");
        ask(&mut stream, b"GET k\r\n", &got);
        ask(
            &mut stream,
            &b"PING\r\n".repeat(20_000),
            &b"+PONG\r\n".repeat(20_000),
        );
        // A TLS record for each byte.
        for byte in b"*1\r\n$4\r\nPING\r\n" {
            stream.write_all(&[*byte]).expect("sent");
        }
        ask(&mut stream, b"", b"+PONG\r\n");
    }
    assert_eq!(tls.reported(), [""; 0]);
}

#[test]
fn records_may_come_in_any_pieces() {
    let tls = Tls::start(&[]);
    let mut stream = tls.connect();
    ask(&mut stream, b"PING\r\n", b"+PONG\r\n");
    for piece in [1, 3, 1000] {
        let text = vec![b'x'; 40_000];
        let set = [
            &b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40000\r\n"[..],
            &text,
            b"\r\nPING\r\n",
        ]
        .concat();
        stream.conn.writer().write_all(&set).expect("sealed");
        let mut wire = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut wire).expect("a vector");
        }
        // Cuts between the first and the last bytes of each record, too.
        for part in wire.chunks(5000.max(piece)) {
            let (head, tail) = part.split_at(part.len().min(20));
            for bytes in head.chunks(piece).chain([tail]) {
                stream.sock.write_all(bytes).expect("sent");
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        ask(&mut stream, b"", b"+OK\r\n+PONG\r\n");
    }
}

/// A server that stopped writing, because its client read nothing, continues when the client reads.
#[test]
fn replies_that_are_not_read_wait() {
    let tls = Tls::start(&[]);
    let mut stream = tls.connect();
    ask(&mut stream, b"SETRANGE k 99999 x\r\n", b":100000\r\n");
    let many = 400;
    stream.write_all(&b"GET k\r\n".repeat(many)).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    let one = [&b"$100000\r\n"[..], &[0; 99_999], b"x\r\n"].concat();
    ask(&mut stream, b"", &one.repeat(many));
    ask(&mut stream, b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn clients_show_certificates_where_they_must() {
    let tls = Tls::start(&[]);
    let others = Authority::new();
    let (own, strange) = (tls.client(), others.issue(&Subject::named("a stranger")));
    let none = || tls.pings(tls.config(None, BOTH));
    let with = |shown: &IssuedCertificate| tls.pings(tls.config(Some(shown), BOTH));
    assert_eq!(none(), Err("peer sent no certificates".into()));
    assert_eq!(with(&own), Ok(()));
    assert!(with(&strange).is_err());

    assert_eq!(tls.set(&[("tls-auth-clients", "optional")]), "+OK");
    assert_eq!((none(), with(&own)), (Ok(()), Ok(())));
    assert!(with(&strange).is_err());

    assert_eq!(tls.set(&[("tls-auth-clients", "no")]), "+OK");
    assert_eq!(
        (none(), with(&own), with(&strange)),
        (Ok(()), Ok(()), Ok(()))
    );

    assert_eq!(tls.set(&[("tls-auth-clients", "yes")]), "+OK");
    assert!(none().is_err());
}

/// Clients that can verify only one kind of signature.
#[test]
fn a_second_certificate_serves_clients_that_cannot_verify_the_first() {
    use rustls::SignatureScheme as Scheme;
    let tls = Tls::start(&["--tls-auth-clients", "no"]);
    let by = |scheme: Scheme| {
        let mut roots = RootCertStore::empty();
        roots
            .add(tls.authority.der.clone().into())
            .expect("a certificate");
        let mut provider = rustls::crypto::ring::default_provider();
        let known = provider.signature_verification_algorithms;
        let mapping: Vec<_> = known
            .mapping
            .iter()
            .filter(|(one, _)| *one == scheme)
            .copied()
            .collect();
        provider.signature_verification_algorithms.mapping = Vec::leak(mapping);
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(BOTH)
            .expect("versions");
        config.with_root_certificates(roots).with_no_client_auth()
    };
    let (first, second) = (Scheme::ECDSA_NISTP256_SHA256, Scheme::ED25519);
    assert_eq!(tls.pings(by(first)), Ok(()));
    assert!(tls.pings(by(second)).is_err());
    let other = tls
        .authority
        .issue_by(&Subject::named("localhost"), &rcgen::PKCS_ED25519);
    let (crt, key) = tls.write(&other, "alt");
    let reply = tls.set(&[("tls-alt-cert-file", &crt), ("tls-alt-key-file", &key)]);
    assert_eq!(reply, "+OK");
    assert_eq!(
        (tls.pings(by(first)), tls.pings(by(second))),
        (Ok(()), Ok(()))
    );
    let wrong = tls.set(&[("tls-alt-key-file", "/nowhere/alt.key")]);
    assert!(wrong.contains(FAILED), "{wrong}");
    assert_eq!(tls.pings(by(second)), Ok(()));
}

#[test]
fn certificates_out_of_their_time_are_refused() {
    let tls = Tls::start(&[]);
    let on = |days| {
        let subject = Subject {
            days,
            ..Subject::named("a client")
        };
        let shown = tls.authority.issue(&subject);
        tls.pings(tls.config(Some(&shown), BOTH))
    };
    let expired = on(-10..-1).expect_err("refused");
    assert!(expired.contains("expired"), "{expired}");
    let early = on(1..10).expect_err("refused");
    assert!(early.contains("not valid yet"), "{early}");
    assert_eq!(on(-1..1), Ok(()));
}

#[test]
fn a_client_of_another_protocol_is_logged_once_and_harms_no_other() {
    let tls = Tls::start(&[]);
    let mut other = tls.connect();
    let end_of = |port: u16, sent: &[u8]| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("listens");
        let limit = Some(Duration::from_secs(10));
        socket.set_read_timeout(limit).expect("a socket");
        socket.write_all(sent).expect("sent");
        let mut got = Vec::new();
        match socket.read_to_end(&mut got) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        ask(&mut tls.connect(), b"PING\r\n", b"+PONG\r\n");
    };
    end_of(tls.port, b"*1\r\n$4\r\nPING\r\n");
    end_of(tls.port, b"PING\r\n");
    end_of(tls.port, &[0; 1000]);
    let mut hello = Vec::new();
    let config = Arc::new(tls.config(None, BOTH));
    let mut client =
        ClientConnection::new(config, "localhost".try_into().expect("a name")).expect("a client");
    client.write_tls(&mut hello).expect("a vector");
    end_of(tls.server.port(), &hello);
    // A record with a length above the maximum.
    end_of(tls.port, b"\x16\x03\x01\xff\xff");
    let reported = tls.reported();
    assert_eq!(reported.len(), 5, "{reported:?}");
    assert!(reported[3].contains("speaks TLS"), "{reported:?}");
    ask(&mut other, b"PING\r\n", b"+PONG\r\n");
    let failed = tls.server.info("tls_handshakes_failed");
    assert_eq!(failed.as_deref(), Some("5"));
}

#[test]
fn a_flood_of_bad_handshakes_is_logged_in_few_lines() {
    let tls = Tls::start(&[]);
    for _ in 0..200 {
        let mut socket = TcpStream::connect(("127.0.0.1", tls.port)).expect("listens");
        socket.write_all(b"not TLS at all\r\n").expect("sent");
    }
    wait_until("all are refused", || {
        tls.server.info("tls_handshakes_failed").as_deref() == Some("200")
    });
    assert!(tls.reported().len() <= 40, "{}", tls.reported().len());
}

#[test]
fn settings_come_into_effect_together_or_not_at_all() {
    let tls = Tls::start(&[]);
    let ping = || tls.pings(tls.config(Some(&tls.client()), BOTH));
    let serial = || tls.server.info("tls_server_cert_serial").expect("told");
    let before = serial();
    let next = tls.authority.issue(&Subject::named("localhost"));
    let (crt, key) = tls.write(&next, "next");
    let refused = tls.set(&[("tls-cert-file", &crt)]);
    assert!(refused.ends_with(FAILED), "{refused}");
    tls.server.wait_for_log("key values mismatch");
    assert_eq!((serial(), ping()), (before.clone(), Ok(())));
    assert_eq!(
        tls.set(&[("tls-cert-file", &crt), ("tls-key-file", &key)]),
        "+OK"
    );
    assert_ne!(serial(), before);
    assert_eq!(ping(), Ok(()));

    let (old, old_key) = tls.write(
        &tls.authority.issue(&Subject {
            days: -10..-1,
            ..Subject::named("localhost")
        }),
        "old",
    );
    let refused = tls.set(&[("tls-cert-file", &old), ("tls-key-file", &old_key)]);
    assert!(refused.ends_with(FAILED), "{refused}");
    tls.server
        .wait_for_log("Server TLS certificate is invalid (expired");
    for (name, value) in [
        ("tls-ciphers", "AES128-SHA256"),
        ("tls-ciphersuites", "TLS_AES_128_CCM_SHA256"),
        ("tls-groups", "X25519MLKEM768"),
        ("tls-protocols", "TLSv1.1"),
        ("tls-protocols", "SSLv3"),
        ("tls-ca-cert-file", "/nowhere/ca.crt"),
        ("tls-ca-cert-file", ""),
        ("tls-cert-file", ""),
    ] {
        let refused = tls.set(&[(name, value)]);
        assert!(refused.ends_with(FAILED), "{name} {value}: {refused}");
    }
    assert_eq!(ping(), Ok(()));

    assert_eq!(tls.set(&[("tls-groups", "P-384:X25519")]), "+OK");
    assert_eq!(ping(), Ok(()));
    assert_eq!(tls.set(&[("tls-protocols", "TLSv1.2")]), "+OK");
    let with = |versions: &[&'static SupportedProtocolVersion]| {
        tls.pings(tls.config(Some(&tls.client()), versions))
    };
    assert_eq!(with(&[&version::TLS12]), Ok(()));
    assert!(with(&[&version::TLS13]).is_err());
}

/// A client switches its own port from plain to TLS and back.
#[test]
fn the_port_moves_between_plain_and_tls() {
    let tls = Tls::start(&[]);
    let plain = tls.server.port().to_string();
    let mut stream = tls.connect();
    ask(&mut stream, b"CONFIG SET port 0\r\n", b"+OK\r\n");
    assert!(TcpStream::connect(("127.0.0.1", tls.server.port())).is_err());
    ask(
        &mut stream,
        format!("CONFIG SET tls-port {plain}\r\n").as_bytes(),
        b"+OK\r\n",
    );
    let mut moved = Tls {
        port: tls.server.port(),
        ..tls
    };
    ask(&mut moved.connect(), b"PING\r\n", b"+PONG\r\n");
    ask(&mut stream, b"CONFIG SET tls-port 0\r\n", b"+OK\r\n");
    ask(
        &mut stream,
        format!("CONFIG SET port {plain}\r\n").as_bytes(),
        b"+OK\r\n",
    );
    assert_eq!(moved.server.connect().ask("PING"), "+PONG\r\n");
    assert_eq!(
        moved.server.info("tls_server_cert_serial").as_deref(),
        Some("none")
    );
    moved.port = free_side_port();
}

#[test]
fn sessions_go_on_until_something_changes() {
    let tls = Tls::start(&[]);
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        let mut config = tls.config(Some(&tls.client()), versions);
        config.resumption = Resumption::in_memory_sessions(10);
        let config = Arc::new(config);
        let kind = || {
            let mut stream = tls.connect_by(Arc::clone(&config));
            ask(&mut stream, b"PING\r\n", b"+PONG\r\n");
            ask(&mut stream, b"PING\r\n", b"+PONG\r\n");
            stream.conn.handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        assert_eq!(tls.set(&[("tls-auth-clients", "optional")]), "+OK");
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(
            tls.set(&[("tls-auth-clients", "yes"), ("tls-session-caching", "no")]),
            "+OK"
        );
        assert_eq!(
            (kind(), kind()),
            (Some(HandshakeKind::Full), Some(HandshakeKind::Full))
        );
        assert_eq!(tls.set(&[("tls-session-caching", "yes")]), "+OK");
    }
}

#[test]
fn files_that_change_are_read_again() {
    let tls = Tls::start(&["--tls-auto-reload-interval", "1"]);
    let serial = || tls.server.info("tls_server_cert_serial").expect("told");
    let before = serial();
    // Half of the change: the certificate is new, and the key does not match it.
    let next = tls.authority.issue(&Subject::named("localhost"));
    std::fs::write(tls.files.path().join("server.key"), &next.key_pem).expect("a file");
    tls.server
        .wait_for_log("TLS materials are not reloaded, the old ones stay in use");
    assert_eq!(serial(), before);
    ask(&mut tls.connect(), b"PING\r\n", b"+PONG\r\n");
    std::fs::write(tls.files.path().join("server.crt"), &next.pem).expect("a file");
    tls.server
        .wait_for_log("TLS materials reloaded successfully");
    assert_ne!(serial(), before);
    ask(&mut tls.connect(), b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn a_start_with_bad_files_logs_the_reason() {
    let files = TempDir::new().expect("a folder");
    let authority = Authority::new();
    let (crt, key) = authority
        .issue(&Subject::named("a"))
        .write(files.path(), "a");
    let (_, other) = authority
        .issue(&Subject::named("b"))
        .write(files.path(), "b");
    let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
    let (crt, key, other) = (text(crt), text(key), text(other));
    for (args, line) in [
        (&[][..], "No tls-cert-file configured!"),
        (&["--tls-cert-file", &crt], "No tls-key-file configured!"),
        (
            &["--tls-cert-file", &crt, "--tls-key-file", &key],
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified",
        ),
        (
            &[
                "--tls-cert-file",
                &crt,
                "--tls-key-file",
                &other,
                "--tls-auth-clients",
                "no",
            ],
            "key values mismatch",
        ),
        (
            &[
                "--tls-cert-file",
                &crt,
                "--tls-key-file",
                &key,
                "--tls-auth-clients",
                "no",
                "--tls-ciphers",
                "RC4-MD5",
            ],
            "Failed to configure ciphers: RC4-MD5",
        ),
    ] {
        let mut all = vec!["--port", "0", "--tls-port", "1"];
        all.extend(args);
        let output = Command::new(crate::support::daemon::russet())
            .args(&all)
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(line), "{text}");
        assert!(
            text.contains("Failed to configure TLS. Check logs for more info."),
            "{text}"
        );
        assert!(!output.status.success());
    }
}

/// The server answers other clients during a thousand handshakes.
#[test]
fn a_thousand_handshakes_hold_nobody_up() {
    let tls = Tls::start(&[]);
    let config = Arc::new(tls.config(Some(&tls.client()), BOTH));
    let begun: Vec<TcpStream> = (0..1000)
        .map(|_| {
            let mut socket = TcpStream::connect(("127.0.0.1", tls.port)).expect("listens");
            let name = "localhost".try_into().expect("a name");
            let mut client = ClientConnection::new(Arc::clone(&config), name).expect("a client");
            client.write_tls(&mut socket).expect("sent");
            socket
        })
        .collect();
    let mut other = tls.server.connect();
    let (mut longest, until) = (Duration::ZERO, Instant::now() + Duration::from_millis(500));
    while Instant::now() < until {
        let asked = Instant::now();
        assert_eq!(other.ask("PING"), "+PONG\r\n");
        longest = longest.max(asked.elapsed());
    }
    // All handshakes take seconds; a share between two commands takes a few milliseconds at most.
    assert!(longest < Duration::from_millis(250), "{longest:?}");
    drop(begun);
}

#[test]
fn keys_migrate_under_tls() {
    let tls = Tls::start(&["--tls-cluster", "yes"]);
    let issued = tls.authority.issue(&Subject::named("not its address"));
    let (crt, key) = tls.write(&issued, "other");
    let ca = tls.files.path().join("ca.crt");
    let ca = ca.to_str().expect("UTF-8");
    let port = free_side_port().to_string();
    let other = Daemon::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &crt,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        ca,
    ]);
    let mut here = tls.server.connect();
    here.ask("SET k v");
    assert_eq!(
        here.ask(&format!("MIGRATE 127.0.0.1 {port} k 0 5000")),
        "+OK\r\n"
    );
    assert_eq!(other.connect().ask("GET k"), "$1\r\nv\r\n");
    // A target port without TLS.
    here.ask("SET k v");
    let refused = here.ask(&format!("MIGRATE 127.0.0.1 {} k 0 2000", other.port()));
    assert!(refused.starts_with("-IOERR"), "{refused}");
}

#[test]
fn a_certificate_names_its_user() {
    let tls = Tls::start(&[]);
    let mut c = tls.server.connect();
    for line in [
        "ACL SETUSER alice on +@all ~* nopass",
        "ACL SETUSER urn:a off +@all ~* nopass",
        "ACL SETUSER urn:b on +@all ~* nopass",
        "CONFIG SET requirepass secret",
    ] {
        assert_eq!(c.ask(line), "+OK\r\n");
    }
    let who = |subject: &Subject<'_>| {
        let shown = tls.authority.issue(subject);
        let mut stream = tls.connect_with(tls.config(Some(&shown), BOTH));
        stream.write_all(b"ACL WHOAMI\r\n").expect("sent");
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).expect("answered");
        reply
    };
    let set = |to: &str| {
        let mut c = tls.server.connect();
        c.ask("AUTH secret");
        assert_eq!(
            c.ask(&format!("CONFIG SET tls-auth-clients-user {to}")),
            "+OK\r\n"
        );
    };
    let alice = Subject {
        uris: &["urn:a", "urn:b"],
        ..Subject::named("alice")
    };
    assert_eq!(&who(&alice), b"-NOAU");
    set("CN");
    assert_eq!(&who(&alice), b"$5\r\na");
    assert_eq!(&who(&Subject::named("bob")), b"-NOAU");
    set("URI");
    assert_eq!(&who(&alice), b"$5\r\nu");
    set("off");
    assert_eq!(&who(&alice), b"-NOAU");
}

/// Regression: a self-signed client certificate in the file of authorities let its owner in as any
/// user.
#[test]
fn a_certificate_among_the_authorities_that_is_none_signs_nobody_in() {
    let tls = Tls::start(&["--tls-auth-clients-user", "CN"]);
    for line in [
        "ACL SETUSER alice on nopass +@all ~*",
        "ACL SETUSER bob on nopass +@all ~*",
    ] {
        assert_eq!(tls.server.connect().ask(line), "+OK\r\n");
    }
    let bob = Authority::pretended(&Subject::named("bob"));
    let ca = tls.files.path().join("both.crt");
    std::fs::write(&ca, format!("{}{}", tls.authority.pem, bob.pem)).expect("a file");
    let ca = ca.to_str().expect("UTF-8");
    assert_eq!(tls.set(&[("tls-ca-cert-file", ca)]), "+OK");

    let alice = bob.issue(&Subject::named("alice"));
    let refused = tls
        .pings(tls.config(Some(&alice), BOTH))
        .expect_err("refused");
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let who = |shown: &IssuedCertificate| {
        let mut stream = tls.connect_with(tls.config(Some(shown), BOTH));
        stream.write_all(b"ACL WHOAMI\r\n").expect("sent");
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).expect("answered");
        reply
    };
    // The server admits the owner himself, and clients with a certificate of the authority.
    assert_eq!(&who(&bob.itself()), b"$3\r\nb");
    assert_eq!(
        &who(&tls.authority.issue(&Subject::named("alice"))),
        b"$5\r\na"
    );
}

/// CVE-2026-56684 of Valkey: CLIENT KILL led to a use after free of a TLS connection.
#[test]
fn clients_under_tls_are_killed_in_the_middle_of_anything() {
    let tls = Tls::start(&[]);
    for kill in [
        "CLIENT KILL TYPE normal SKIPME no",
        "CLIENT KILL TYPE normal SKIPME yes",
    ] {
        for _ in 0..5 {
            let mut many: Vec<Stream> = (0..5).map(|_| tls.connect()).collect();
            for (n, stream) in many[..4].iter_mut().enumerate() {
                ask(stream, b"SETRANGE k 99999 x\r\n", b":100000\r\n");
                // Pending replies, a blocked command, an incomplete command.
                let part = match n % 3 {
                    0 => "GET k\r\n".repeat(20),
                    1 => "BLPOP q 0\r\n".to_owned(),
                    _ => "*2\r\n$3\r\nGE".to_owned(),
                };
                stream.write_all(part.as_bytes()).expect("sent");
            }
            let line = format!("{kill}\r\nPING\r\nGET k\r\n");
            many[4].write_all(line.as_bytes()).expect("sent");
            // The client gets an error, or the server closes it.
            let _ = many[4].read(&mut [0; 8]);
            tls.server.connect().ask(kill);
        }
        wait_until("all are gone", || {
            tls.server.info("connected_clients").as_deref() == Some("1")
        });
        ask(&mut tls.connect(), b"PING\r\n", b"+PONG\r\n");
    }
}

#[test]
fn redis_tools_and_the_crate_connect() {
    let tls = Tls::start(&[]);
    let (crt, key) = tls.write(&tls.client(), "client");
    let ca = tls.files.path().join("ca.crt");
    let client = redis::Client::build_with_tls(
        format!("rediss://localhost:{}", tls.port),
        redis::TlsCertificates {
            client_tls: Some(redis::ClientTlsConfig {
                client_cert: std::fs::read(&crt).expect("a file"),
                client_key: std::fs::read(&key).expect("a file"),
            }),
            root_cert: Some(std::fs::read(&ca).expect("a file")),
        },
    );
    // The `redis` crate uses the process's default provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut connection = client
        .expect("a client")
        .get_connection()
        .expect("connected");
    let got: String = redis::pipe()
        .set("k", "v")
        .ignore()
        .get("k")
        .query::<(String,)>(&mut connection)
        .expect("answered")
        .0;
    assert_eq!(got, "v");

    let port = tls.port.to_string();
    let ca = ca.to_str().expect("UTF-8");
    let common = [
        "-p", &port, "--tls", "--cacert", ca, "--cert", &crt, "--key", &key,
    ];
    let own = Command::new(crate::support::daemon::russet())
        .arg("benchmark")
        .args(common)
        .args([
            "-q",
            "-n",
            "2000",
            "-c",
            "20",
            "-t",
            "get,lrange_600",
            "-P",
            "16",
        ])
        .output()
        .expect("a load");
    let said = String::from_utf8_lossy(&own.stdout);
    assert!(
        own.status.success() && said.lines().count() == 4,
        "{said} {own:?}"
    );
    for (tool, more, wanted) in [
        ("redis-cli", &["GET", "k"][..], "v\n"),
        (
            "redis-benchmark",
            &["-q", "-n", "2000", "-c", "20", "-t", "get,set", "-P", "16"],
            "requests per second",
        ),
    ] {
        let Ok(output) = Command::new(tool).args(common).args(more).output() else {
            peers::left_out(&format!("{tool} is not installed: its tests"));
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(wanted), "{tool}: {text} {errors}");
    }
}

#[test]
fn the_console_has_the_certificate_and_marks_its_cookie() {
    let console = free_side_port();
    let text = console.to_string();
    let args = [
        "--tls-auth-clients",
        "no",
        "--console-port",
        &text,
        "--console-tls",
        "yes",
    ];
    let mut tls = Tls::start(&args);
    tls.port = console;
    let mut page = tls.connect_with(tls.config(None, BOTH));
    let body = r#"{"user":"default","password":""}"#;
    let request = format!(
        "POST /api/login HTTP/1.1\r\nHost: localhost:{text}\r\nOrigin: https://localhost:{text}\r\n\
         X-Russet: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    page.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    // The connection may end without a closing alert.
    let _ = page.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("; HttpOnly; SameSite=Strict; Secure\r\n"),
        "{answer}"
    );
    // A plain client of the TLS port gets no answer.
    let mut plain = TcpStream::connect(("127.0.0.1", console)).expect("listens");
    plain.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"));
}
