//! `convert` and `check-rdb --for`: the target servers load the new files, and the report names the
//! data that they cannot read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::rdb::{
    contents, expiring_fields, fill, fill_expiring_fields, fill_templates, with_file,
};
use crate::support::daemon::russet;
use crate::support::once::{ProcessOutput, run_once};
use crate::support::random::Random;
use crate::support::{Connection, Daemon, peers::Peer, wait_until};

const FUNCTIONS: &str = "FUNCTION LOAD";

/// Opcodes of a file: metadata of the next key (Redis 8.10), an import of slots (Valkey 9).
const KEY_META: u8 = 243;
const SLOT_IMPORT: u8 = 243;

/// The installed servers, and for each the format that it reads.
const READERS: [(&str, Peer); 8] = [
    ("redis-7.0", Peer::Redis7),
    ("redis-7.2", Peer::Redis8),
    ("redis-7.2", Peer::Valkey9),
    ("redis-8.0", Peer::Redis8),
    ("redis-8.0", Peer::Redis810),
    ("redis-8.10", Peer::Redis810),
    ("valkey-8.1", Peer::Valkey9),
    ("valkey-9.1", Peer::Valkey9),
];

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("russet-test-")
        .tempdir()
        .expect("a folder")
}

fn convert(words: &[&str], from: &Path, to: &Path) -> ProcessOutput {
    let places = [from, to].map(|path| path.to_str().expect("UTF-8"));
    let words = [&["convert"][..], words, &places].concat();
    run_once(from.parent().expect("a folder"), &words, b"")
}

fn check_for(target: &str, file: &Path) -> ProcessOutput {
    let file = file.to_str().expect("UTF-8");
    run_once(Path::new("."), &["check-rdb", "--for", target, file], b"")
}

/// Streams with groups, and a function library: every server reads them.
fn fill_more(c: &mut Connection) {
    // DEBUG DIGEST covers the digits of a score, and some servers write a score with other digits.
    c.ask("ZREM zset:small far");
    for i in 1..300 {
        let reply = c.ask(&format!("XADD stream {i}-1 field value:{i} other {i}"));
        assert!(reply.starts_with('$'), "{reply}");
    }
    c.ask("XDEL stream 7-1 8-1");
    c.ask("XGROUP CREATE stream group 0");
    c.ask("XREADGROUP GROUP group ann COUNT 20 STREAMS stream >");
    c.ask("XREADGROUP GROUP group bob COUNT 5 STREAMS stream >");
    c.ask("XACK stream group 1-1 2-1");
    let code = "#!lua name=lib\nredis.register_function('f', function() return 7 end)";
    let words: Vec<&str> = FUNCTIONS.split(' ').chain([code]).collect();
    assert_eq!(c.call(&words), b"$3\r\nlib\r\n");
}

/// The keys of [`fill_more`], as every server shows them.
fn more(c: &mut Connection) -> Vec<String> {
    ["XRANGE stream - +", "XPENDING stream group", "FCALL f 0"]
        .iter()
        .map(|line| c.ask(line))
        .collect()
}

fn digest(server: &Daemon) -> String {
    server.connect().ask("DEBUG DIGEST")
}

/// Values that some servers cannot read, each under its own key.
fn fill_newer(c: &mut Connection) {
    for line in [
        "HSET ttl f v g w",
        "HPEXPIREAT ttl 33177117420000 FIELDS 1 f",
        "VADD vectors VALUES 3 1 2 3 element",
        "ARSET array 5 five",
        "PHSET paths a/b FIELDS 1 f v",
        "XADD idmp IDMP p1 i1 * f v",
        "SET plain text",
        "SADDEX members PXAT 33177117420000 MEMBERS 2 a b",
    ] {
        let reply = c.ask(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
}

/// The keys that a server cannot read.
fn lost(target: &str) -> &'static [&'static str] {
    match target {
        "redis-8.10" => &["members", "paths"],
        "redis-8.0" => &["array", "idmp", "members", "paths"],
        "valkey-9.1" => &["array", "idmp", "members", "paths", "vectors"],
        _ => &["array", "idmp", "members", "paths", "ttl", "vectors"],
    }
}

#[test]
fn a_file_is_loaded_by_the_server_that_it_is_converted_for() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    fill(&mut here);
    fill_more(&mut here);
    assert_eq!(here.ask("SAVE"), "+OK\r\n");
    let mut sources = vec![(ours.folder().join("dump.rdb"), ours)];
    if let Some(program) = Peer::Redis810.program_for("its files for others") {
        let theirs = Daemon::start_program(&program, &[]);
        let mut there = theirs.connect();
        fill(&mut there);
        fill_templates(&mut there);
        fill_more(&mut there);
        assert_eq!(there.ask("SAVE"), "+OK\r\n");
        sources.push((theirs.folder().join("dump.rdb"), theirs));
    }
    for (file, source) in &sources {
        let before = fs::read(file).expect("a file");
        let mut from = source.connect();
        let (held, held_more) = (contents(&mut from), more(&mut from));
        let signed = digest(source);
        for (target, peer) in READERS {
            let Some(program) = peer.program_for("files that were converted for it") else {
                continue;
            };
            let place = folder();
            let to = place.path().join("converted.rdb");
            let ended = convert(&["--to", target], file, &to);
            assert_eq!(ended.code, Some(0), "{target}: {}", ended.out);
            let checked = check_for(target, &to);
            assert_eq!(checked.code, Some(0), "{target}: {}", checked.out);
            let theirs = with_file(&program, &to, &[]);
            let mut there = theirs.connect();
            assert!(contents(&mut there) == held, "{target} {}", peer.name());
            assert_eq!(more(&mut there), held_more, "{target} {}", peer.name());
            assert_eq!(digest(&theirs), signed, "{target} {}", peer.name());
            // The target's own file converts back to the same data.
            assert_eq!(there.ask("SAVE"), "+OK\r\n");
            let back = place.path().join("back.rdb");
            let ended = convert(
                &["--to", "redis-8.10"],
                &theirs.folder().join("dump.rdb"),
                &back,
            );
            assert_eq!(ended.code, Some(0), "{target}: {}", ended.out);
            let again = with_file(&russet(), &back, &[]);
            assert_eq!(digest(&again), signed, "{target} {}", peer.name());
        }
        assert_eq!(fs::read(file).expect("a file"), before, "it is only read");
    }
}

/// No server of Redis 8.12 reads these files here: russet does.
#[test]
fn marks_and_expiries_of_members_are_kept_for_redis_8_12() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    for line in [
        "SET marked text",
        "BLESS SET marked NO-EVICT",
        "SADDEX members PXAT 33177117420000 MEMBERS 2 a b",
        "SADD numbers 1 2 3",
        "SPEXPIREAT numbers 33177117420000 MEMBERS 1 2",
        "SADD plain x y",
        "SAVE",
    ] {
        let reply = here.ask(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    let signed = digest(&ours);
    let (place, file) = (folder(), ours.folder().join("dump.rdb"));
    let newer = place.path().join("newer.rdb");
    let ended = convert(&["--to", "redis-8.12"], &file, &newer);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(!ended.out.contains("Left out"), "{}", ended.out);
    let bytes = fs::read(&newer).expect("a file");
    assert_eq!(&bytes[..9], b"REDIS0017");
    assert_eq!(check_for("redis-8.12", &newer).code, Some(0));
    assert_eq!(check_for("redis-8.10", &newer).code, Some(1));
    let theirs = with_file(&russet(), &newer, &[]);
    let mut there = theirs.connect();
    assert_eq!(digest(&theirs), signed);
    assert_eq!(there.ask("BLESS GET marked"), "*1\r\n$8\r\nNO-EVICT\r\n");
    let expiries = there.ask("SPEXPIRETIME numbers MEMBERS 2 1 2");
    assert_eq!(expiries, "*2\r\n:-1\r\n:33177117420000\r\n");
    // For others the sets are named, and the mark is left out with a line.
    for target in ["redis-8.10", "redis-7.2", "valkey-9.1"] {
        let older = place.path().join(format!("{target}.rdb"));
        let ended = convert(&["--to", target, "--skip"], &newer, &older);
        assert_eq!(ended.code, Some(0), "{target}: {}", ended.out);
        for said in [
            "db 0 key 'members': members that expire",
            "db 0 key 'numbers': members that expire",
            "Left out: the marks of BLESS, which 1 keys have",
        ] {
            assert!(ended.out.contains(said), "{target}: {}", ended.out);
        }
        let theirs = with_file(&russet(), &older, &[]);
        let mut there = theirs.connect();
        assert_eq!(there.ask("BLESS GET marked"), "*0\r\n", "{target}");
        assert_eq!(there.ask("SCARD plain"), ":2\r\n", "{target}");
        assert_eq!(there.ask("DBSIZE"), ":2\r\n", "{target}");
    }
}

/// Fields of module data.
fn field_number(n: u8) -> Vec<u8> {
    assert!(n < 64);
    vec![2, n]
}

fn field_text(text: &[u8]) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("short");
    [&[5, 0x40 | (len >> 8) as u8, len as u8], text].concat()
}

fn field_double(n: f64) -> Vec<u8> {
    [&[4][..], &n.to_le_bytes()].concat()
}

fn module_id(name: &str, version: u64) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |letter: &u8| LETTERS.iter().position(|its| its == letter);
    let name = name.as_bytes().iter().map(digit);
    let id = name.fold(0, |id, digit| id << 6 | digit.expect("a letter") as u64);
    [&[0x81][..], &(id << 10 | version).to_be_bytes()].concat()
}

/// A Bloom filter of Valkey's module with `item:0` to `item:49`, as the module wrote it.
const VALKEY_FILTER: &str = concat!(
    "01780000000000000007000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c",
    "1d1e1f0dc114d2882888921aafa6110022e15ae887821162220e4140125c079106124ba01090690a5121",
    "5601a2451a4aa0a22322030206072281110000c420900802a2b4048ea02480006ecc0296a20a081690c7",
    "22288708c271c25c5b00488028113888c496c2902802288b0421014609118268c025a6568120a6",
);

/// A field of a message that is a number, and a field with content.
fn message_number(field: u8, n: u8) -> Vec<u8> {
    vec![field << 3, n]
}

fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(content.len()).expect("short");
    assert!(len < 0x80);
    [&[field << 3 | 2, len], content].concat()
}

/// A file as Valkey with its modules writes it: a filter, a hash, and the index over hashes.
fn file_of_valkey_s_modules() -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&VALKEY_FILTER[at..at + 2], 16).expect("hexadecimal");
    let parcel: Vec<u8> = (0..VALKEY_FILTER.len()).step_by(2).map(digit).collect();
    let mut file = b"REDIS0011\xFE\x00\x07\x05bloom".to_vec();
    file.extend(module_id("bloomfltr", 1));
    for part in [
        field_number(1),
        field_number(2),
        field_double(0.01),
        field_double(0.5),
        field_number(1),
        field_text(&parcel),
        // A capacity of 100, which is above the numbers of a byte.
        vec![2, 0x40, 100],
        field_number(50),
        vec![0],
    ] {
        file.extend(part);
    }
    file.extend(b"\x04\x05doc:1\x01\x01n\x015");
    let attribute = [
        message(1, b"n"),
        message(2, b"n"),
        message(3, &message(2, b"")),
    ];
    let schema = [
        message(1, b"idx"),
        message(2, b"doc:"),
        message_number(3, 1),
        message(6, &attribute.concat()),
    ];
    let section = [
        message_number(1, 1),
        message_number(2, 1),
        message(3, &schema.concat()),
    ];
    file.push(0xF7);
    file.extend(module_id("Vk-Search", 1));
    for part in [
        field_number(2),
        field_number(1),
        field_number(1),
        field_text(&section.concat()),
        field_text(b"header"),
        field_text(b"\x0A\x03abc"),
        field_text(b""),
        vec![0, 0xFF],
        vec![0; 8],
    ] {
        file.extend(part);
    }
    file
}

#[test]
fn files_of_valkey_with_its_modules_lose_nothing() {
    let place = folder();
    let file = place.path().join("valkey.rdb");
    fs::write(&file, file_of_valkey_s_modules()).expect("a file");
    let check = |server: &Daemon| {
        let mut c = server.connect();
        for n in 0..50 {
            assert_eq!(c.ask(&format!("BF.EXISTS bloom item:{n}")), ":1\r\n");
        }
        assert_eq!(c.ask("BF.EXISTS bloom other"), ":0\r\n");
        assert_eq!(c.ask("BF.CARD bloom"), ":50\r\n");
        assert_eq!(c.ask("FT._LIST"), "*1\r\n+idx\r\n");
        wait_until("the document is found", || {
            let found = c.call(&["FT.SEARCH", "idx", "@n:[5 5]", "NOCONTENT"]);
            found == b"*2\r\n:1\r\n$5\r\ndoc:1\r\n"
        });
    };
    let ours = with_file(&russet(), &file, &[]);
    check(&ours);
    // Its own file has all of it, too.
    assert_eq!(ours.connect().ask("SAVE"), "+OK\r\n");
    let again = with_file(&russet(), &ours.folder().join("dump.rdb"), &[]);
    check(&again);
    let to = place.path().join("converted.rdb");
    let ended = convert(&["--to", "valkey-8.1"], &file, &to);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    check(&with_file(&russet(), &to, &[]));
    let ended = convert(&["--to", "redis-8.0", "--force", "--skip"], &file, &to);
    let said = "db 0 key 'bloom': a Bloom filter of Valkey's module";
    assert!(ended.out.contains(said), "{}", ended.out);
}

/// Redis and Valkey store expiring fields in different forms.
#[test]
fn fields_that_expire_get_the_other_vendor_s_form() {
    for (from, to, target) in [
        (Peer::Redis8, Peer::Valkey9, "valkey-9.1"),
        (Peer::Redis810, Peer::Valkey9, "valkey-9.1"),
        (Peer::Valkey9, Peer::Redis8, "redis-8.0"),
        (Peer::Valkey9, Peer::Redis810, "redis-8.10"),
    ] {
        let what = "fields that expire, in the other vendor's form";
        let (Some(source), Some(program)) = (from.program_for(what), to.program_for(what)) else {
            continue;
        };
        let theirs = Daemon::start_program(&source, &[]);
        let mut there = theirs.connect();
        fill_expiring_fields(&mut there);
        assert_eq!(there.ask("SAVE"), "+OK\r\n");
        let place = folder();
        let file = place.path().join("converted.rdb");
        let ended = convert(&["--to", target], &theirs.folder().join("dump.rdb"), &file);
        assert_eq!(ended.code, Some(0), "{}", ended.out);
        let loaded = with_file(&program, &file, &[]);
        assert_eq!(
            expiring_fields(&mut loaded.connect()),
            expiring_fields(&mut there),
            "{target}"
        );
    }
}

#[test]
fn what_a_server_cannot_read_is_named_or_left_out() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    fill_newer(&mut here);
    let code = "#!lua name=lib\nserver.register_function('f', function() return 7 end)";
    here.call(&["FUNCTION", "LOAD", code]);
    assert_eq!(here.ask("SAVE"), "+OK\r\n");
    let file = ours.folder().join("dump.rdb");
    for (target, peer) in READERS {
        let mut wanted: Vec<String> = lost(target).iter().map(|key| format!("'{key}'")).collect();
        if target.starts_with("redis") {
            wanted.push("'lib'".to_owned());
        }
        wanted.sort();
        let checked = check_for(target, &file);
        assert_eq!(
            checked.code,
            Some(i32::from(!wanted.is_empty())),
            "{target}"
        );
        let named = checked.out.lines().filter(|line| line.contains('\''));
        let mut named: Vec<&str> = named
            .filter_map(|line| line.split_whitespace().find(|word| word.contains('\'')))
            .map(|word| word.trim_end_matches(':'))
            .collect();
        named.sort_unstable();
        assert_eq!(named, wanted, "{target}: {}", checked.out);
        let n = lost(target).len();
        let counted = format!("{target} cannot read {n} of 7 keys");
        assert!(
            wanted.is_empty() || checked.out.contains(&counted),
            "{}",
            checked.out
        );

        let place = folder();
        let to = place.path().join("converted.rdb");
        let refused = convert(&["--to", target], &file, &to);
        assert_eq!(refused.code, checked.code, "{target}: {}", refused.out);
        assert_eq!(to.exists(), wanted.is_empty(), "{target}");
        let _ = fs::remove_file(&to);
        let ended = convert(&["--to", target, "--skip"], &file, &to);
        assert_eq!(ended.code, Some(0), "{target}: {}", ended.out);
        assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 1);
        let Some(program) = peer.program_for("files without what it cannot read") else {
            continue;
        };
        let theirs = with_file(&program, &to, &[]);
        let mut there = theirs.connect();
        assert_eq!(there.ask("DBSIZE"), format!(":{}\r\n", 7 - n), "{target}");
        assert_eq!(there.ask("GET plain"), "$4\r\ntext\r\n");
        if !lost(target).contains(&"ttl") {
            let expiry = "*1\r\n:33177117420000\r\n";
            assert_eq!(there.ask("HPEXPIRETIME ttl FIELDS 1 f"), expiry, "{target}");
        }
        if !lost(target).contains(&"vectors") {
            assert_eq!(there.ask("VCARD vectors"), ":1\r\n", "{target}");
        }
        if !lost(target).contains(&"array") {
            assert_eq!(there.ask("ARGET array 5"), "$4\r\nfive\r\n", "{target}");
        }
    }
}

#[test]
fn nothing_is_replaced_unless_it_is_asked_for() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    here.ask("SET a 1");
    here.ask("SAVE");
    let file = ours.folder().join("dump.rdb");
    let place = folder();
    let to = place.path().join("there.rdb");
    fs::write(&to, "old").expect("written");
    let ended = convert(&["--to", "redis-7.2"], &file, &to);
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert!(ended.out.contains("--force"), "{}", ended.out);
    assert_eq!(fs::read(&to).expect("it is there"), b"old");
    let ended = convert(&["--to", "redis-7.2", "--force"], &file, &to);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(
        fs::read(&to)
            .expect("it is there")
            .starts_with(b"REDIS0011")
    );
    let before = fs::read(&file).expect("it is there");
    let ended = convert(&["--to", "redis-7.0", "--force"], &file, &file);
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert_eq!(fs::read(&file).expect("it is there"), before);
    let ended = convert(&["--to", "redis-7.0", "--force"], &file, place.path());
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    let missing = place.path().join("missing.rdb");
    let ended = convert(&["--to", "redis-7.0"], &missing, &to);
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert_eq!(check_for("redis-7.0", &missing).code, Some(2));
}

/// `convert` writes the whole file or no file, whatever the fault is.
#[test]
fn damaged_files_are_refused() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    fill_newer(&mut here);
    fill_more(&mut here);
    for i in 0..200 {
        here.ask(&format!("RPUSH list value:{i}"));
        here.ask(&format!("ZADD zset {i} member:{i}"));
    }
    here.ask("SAVE");
    let whole = fs::read(ours.folder().join("dump.rdb")).expect("a file");
    let place = folder();
    let (from, to) = (place.path().join("from.rdb"), place.path().join("to.rdb"));
    let mut random = Random::new(7);
    for round in 0..60 {
        let mut damaged = whole.clone();
        match round % 3 {
            0 => damaged.truncate(1 + random.below(whole.len() - 1)),
            1 => {
                let at = random.below(whole.len());
                damaged[at] ^= 1 << random.below(8);
            }
            _ => {
                // Lengths far larger than the file.
                let at = random.below(whole.len() - 9);
                damaged[at..at + 9].copy_from_slice(&[0x81, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]);
            }
        }
        fs::write(&from, &damaged).expect("written");
        let ended = convert(&["--to", "redis-8.10", "--skip"], &from, &to);
        assert_eq!(ended.code, Some(2), "{round}: {}", ended.out);
        let left = fs::read_dir(place.path()).expect("a folder").count();
        assert_eq!(left, 1, "{round}: only the source");
    }
}

/// All files of a folder, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file");
            (path, bytes)
        })
        .collect()
}

/// A server that starts on existing append only files.
fn with_set(program: &Path, set: &Path) -> Daemon {
    let place = folder();
    let dir = place.path().join("appendonlydir");
    fs::create_dir(&dir).expect("made");
    for (path, bytes) in files(set) {
        fs::write(dir.join(path.file_name().expect("a name")), bytes).expect("written");
    }
    Daemon::start_in(program, &["--appendonly", "yes"], place)
}

#[test]
fn append_only_files_become_sets_of_other_servers() {
    let mut ours = Daemon::start(&["--appendonly", "yes"]);
    let mut here = ours.connect();
    fill(&mut here);
    fill_more(&mut here);
    here.ask("BGREWRITEAOF");
    crate::support::wait_until("the rewrite to end", || {
        ours.info("aof_rewrite_in_progress").as_deref() == Some("0")
            && ours.info("aof_rewrites").as_deref() == Some("1")
    });
    for line in [
        "MULTI",
        "SET in:unit 1",
        "INCR in:unit",
        "EXEC",
        "DEL int:text",
    ] {
        here.ask(line);
    }
    here.ask("SELECT 9");
    here.ask("SET other changed");
    here.ask("SELECT 0");
    let held = contents(&mut here);
    let held_more = more(&mut here);
    let signed = digest(&ours);
    ours.terminate();
    let set = ours.folder().join("appendonlydir");
    let before = files(&set);
    for (target, peer) in READERS {
        let Some(program) = peer.program_for("append only files that were converted for it") else {
            continue;
        };
        let place = folder();
        let to = place.path().join("set");
        let ended = convert(&["--to", target], &set, &to);
        assert_eq!(ended.code, Some(0), "{target}: {}", ended.out);
        let names: Vec<String> = files(&to)
            .keys()
            .map(|path| {
                path.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        assert_eq!(
            names,
            ["appendonly.aof.1.base.rdb", "appendonly.aof.manifest"]
        );
        let theirs = with_set(&program, &to);
        let mut there = theirs.connect();
        assert!(contents(&mut there) == held, "{target} {}", peer.name());
        assert_eq!(more(&mut there), held_more, "{target} {}", peer.name());
        assert_eq!(digest(&theirs), signed, "{target} {}", peer.name());
        assert_eq!(there.ask("SET written on"), "+OK\r\n");
        // `convert` keeps the old folder of append only files when new files take its place.
        let again = convert(&["--to", target], &set, &to);
        assert_eq!(again.code, Some(2), "{target}: {}", again.out);
        let again = convert(&["--to", target, "--force"], &set, &to);
        assert_eq!(again.code, Some(0), "{target}: {}", again.out);
        assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 2);
    }
    assert_eq!(files(&set), before, "it is only read");
    // The result replaces neither the source folder nor a folder around it.
    let manifest = set.join("appendonly.aof.manifest");
    let slashed = PathBuf::from(format!("{}/", set.display()));
    for from in [&set, &manifest, &ours.folder().to_owned()] {
        for to in [&set, &slashed, &ours.folder().to_owned()] {
            let refused = convert(&["--to", "redis-7.2", "--force"], from, to);
            assert_eq!(refused.code, Some(2), "{}", refused.out);
            assert!(refused.out.contains("only read"), "{}", refused.out);
            assert_eq!(files(&set), before);
        }
    }
}

#[test]
fn the_place_of_a_set_is_checked_before_the_work() {
    let place = folder();
    let at = place.path();
    let from = at.join("source").join("old.aof");
    fs::create_dir(at.join("source")).expect("made");
    let bytes = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n";
    fs::write(&from, bytes).expect("written");
    let to_7 =
        |words: &[&str], to: &Path| convert(&[&["--to", "redis-7.2"], words].concat(), &from, to);
    // Names that end in a slash, and several old folders.
    let slashed = at.join("set/");
    for n in 0..3 {
        let ended = to_7(&["--force"], &slashed);
        assert_eq!(ended.code, Some(0), "{}", ended.out);
        assert!(at.join("set/old.aof.manifest").exists());
        let kept = at.join(format!("set.before-{n}"));
        assert_eq!(kept.exists(), n > 0);
        assert_eq!(fs::read_dir(at).expect("a folder").count(), 2 + n);
    }
    fs::write(at.join("file"), "text").expect("written");
    std::os::unix::fs::symlink(at.join("set"), at.join("link")).expect("made");
    for (to, why) in [
        ("file", "no folder"),
        ("link", "no folder"),
        ("missing/set", "No such file"),
        ("file/set", "Not a directory"),
        ("source", "only read"),
        ("", "only read"),
    ] {
        let ended = to_7(&["--force"], &at.join(to));
        assert_eq!(ended.code, Some(2), "{to}: {}", ended.out);
        assert!(ended.out.contains(why), "{to}: {}", ended.out);
    }
    assert_eq!(fs::read(&from).expect("it is there"), bytes);
    // An empty file is a mistake, not an empty set.
    fs::write(&from, "").expect("written");
    let ended = to_7(&[], &at.join("new"));
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert!(!at.join("new").exists());
}

/// A string in the form that a file has.
fn text(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("short");
    [&[len], bytes].concat()
}

/// The report names data that no file format can hold, both from an RDB file and from a log's base.
#[test]
fn what_is_left_out_of_any_source_is_named() {
    const ID: [u8; 9] = [0x81, 0xc1, 0xe9, 0x4a, 0, 0, 0, 0, 0];
    let module_value = [&[7, 1, b'm'][..], &ID, &[5, 2, b'a', b'b', 0]].concat();
    let settings = [&[0xf7][..], &ID, &[2, 1, 5, 2, b'a', b'b', 0]].concat();
    let metadata = vec![KEY_META, 1, 1, 0, 0, 0, 5, 2, b'a', b'b', 0];
    let import = [&[SLOT_IMPORT][..], &text(b"job"), &[1, 0, 5]].concat();
    let empty = vec![2, 1, b'e', 0];
    let whole = |header: &[u8], items: &[&[u8]]| {
        let db = [0xfe, 0];
        let key = [&[0, 1, b'k'][..], &text(b"value")].concat();
        let end = [&[0xff][..], &[0; 8]].concat();
        [header, &db, &items.concat(), &key, &end].concat()
    };
    let redis = |items: &[&[u8]]| whole(b"REDIS0014", items);
    for (file, named, summary, is_obstacle) in [
        (
            redis(&[&module_value]),
            "db 0 key 'm': a value of the module '",
            "cannot read 1 of 2 keys: 1 times data of a module",
            true,
        ),
        (
            redis(&[&settings]),
            "settings of the module '",
            "cannot read 0 of 1 keys, 1 other items: 1 times data of a module",
            true,
        ),
        (
            redis(&[&metadata]),
            "metadata of db 0 key 'k': data of a module",
            "cannot read 0 of 1 keys, 1 other items: 1 times data of a module",
            true,
        ),
        (
            whole(b"VALKEY080", &[&import]),
            "slots that were being imported: ",
            "cannot read 0 of 1 keys, 1 other items: 1 times the state of an import",
            true,
        ),
        (
            redis(&[&empty]),
            "Left out, as at a load: 1 keys that have no elements",
            "can read all 1 keys",
            false,
        ),
    ] {
        let place = folder();
        let from = place.path().join("from");
        let to = place.path().join("to");
        let log = [&file[..], b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n2\r\n"].concat();
        for (bytes, is_log) in [(&file, false), (&log, true)] {
            fs::write(&from, bytes).expect("written");
            let checked = check_for("redis-7.2", &from);
            // Each of these files also has a version that the server does not read.
            let status = if is_log { 2 } else { 1 };
            assert_eq!(checked.code, Some(status), "{}", checked.out);
            assert!(checked.out.contains("russet convert"), "{}", checked.out);
            let ended = convert(&["--to", "redis-7.2"], &from, &to);
            assert_eq!(ended.code, Some(i32::from(is_obstacle)), "{}", ended.out);
            assert!(ended.out.contains(named), "{}", ended.out);
            assert!(ended.out.contains(summary), "{}", ended.out);
            assert_eq!(to.exists(), !is_obstacle);
            let ended = convert(&["--to", "redis-7.2", "--skip", "--force"], &from, &to);
            assert_eq!(ended.code, Some(0), "{}", ended.out);
            assert!(ended.out.contains(named), "{}", ended.out);
            assert_eq!(to.is_dir(), is_log);
            let made = if is_log {
                to.join("from.1.base.rdb")
            } else {
                to.clone()
            };
            let server = with_file(&russet(), &made, &[]);
            assert_eq!(server.connect().ask("DBSIZE"), ":1\r\n");
            if is_log {
                fs::remove_dir_all(&to).expect("removed")
            } else {
                fs::remove_file(&to).expect("removed")
            }
        }
    }
}

#[test]
fn a_single_file_and_a_torn_end_are_converted_as_they_are() {
    let ours = Daemon::start(&[]);
    let mut here = ours.connect();
    here.ask("SET a 1");
    here.ask("SAVE");
    let snapshot = fs::read(ours.folder().join("dump.rdb")).expect("a file");
    let set = |key: &str| format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n$1\r\n2\r\n").into_bytes();
    let place = folder();
    let (from, to) = (place.path().join("old.aof"), place.path().join("set"));
    let torn = "old.aof: left out, 9 bytes from offset 54 on: its end is not a whole command";
    for (bytes, size, reported) in [
        (set("a"), 1, "Written: "),
        ([&snapshot[..], &set("b")].concat(), 2, "Written: "),
        ([&set("a")[..], &set("b"), &set("c")[..9]].concat(), 2, torn),
    ] {
        fs::write(&from, &bytes).expect("written");
        let ended = convert(&["--to", "redis-7.2"], &from, &to);
        assert_eq!(ended.code, Some(0), "{}", ended.out);
        assert!(ended.out.contains(reported), "{}", ended.out);
        assert_eq!(fs::read(&from).expect("it is there"), bytes, "only read");
        let manifest = to.join("old.aof.manifest");
        let text = fs::read_to_string(&manifest).expect("it is there");
        assert_eq!(text, "file old.aof.1.base.rdb seq 1 type b\n");
        let file = to.join("old.aof.1.base.rdb");
        let server = with_file(&russet(), &file, &[]);
        let count = server.connect().ask("DBSIZE");
        assert_eq!(count, format!(":{size}\r\n"));
        fs::remove_dir_all(&to).expect("removed");
    }
    for bad in [
        b"nonsense".to_vec(),
        b"*1\r\n$7\r\nNOSUCH!\r\n".to_vec(),
        [&snapshot[..], b"nonsense"].concat(),
        b"*3\r\n$3\r\nSET\r\n$99999\r\na\r\n".to_vec(),
        [
            &set("a")[..],
            b"*2\r\n$4\r\nINCR\r\n$5\r\na b c\r\n*2\r\n$5\r\nLPUSH\r\n$1\r\na\r\n",
        ]
        .concat(),
    ] {
        fs::write(&from, &bad).expect("written");
        let ended = convert(&["--to", "redis-7.2"], &from, &to);
        let torn = bad.starts_with(b"*3\r\n$3\r\nSET\r\n$99999");
        assert_eq!(ended.code, Some(if torn { 0 } else { 2 }), "{}", ended.out);
        assert_eq!(fs::read(&from).expect("it is there"), bad);
        let left = fs::read_dir(place.path()).expect("a folder").count();
        assert_eq!(left, 1 + usize::from(torn));
        let _ = fs::remove_dir_all(&to);
    }
}
