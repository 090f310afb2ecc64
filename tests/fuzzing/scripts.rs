//! Arbitrary texts as input of the script libraries. Each call returns a complete reply, and its
//! Lua state still works.

use std::cell::RefCell;

use russet_commands::testbed::{AllCommands as _, Testbed};

/// The first argument is the text, cut in two at a place chosen by the bytes.
const SCRIPTS: [&str; 8] = [
    "return {pcall(cmsgpack.unpack, ARGV[1] .. ARGV[2])}",
    "local ok, at, v = pcall(cmsgpack.unpack_one, ARGV[1]) if ok then return cmsgpack.pack(v) end",
    "return {pcall(struct.unpack, ARGV[1], ARGV[2])}",
    "return {pcall(struct.size, ARGV[1]), pcall(struct.pack, ARGV[1], 1, ARGV[2], 2.5, 'x')}",
    "local ok, v = pcall(cjson.decode, ARGV[1] .. ARGV[2]) if ok then return {pcall(cjson.encode, v)} end",
    "return {pcall(string.format, ARGV[1], ARGV[2], 1.5, -7)}",
    "return {loadstring(ARGV[1] .. ARGV[2]) ~= nil, tonumber(ARGV[1]), tonumber(ARGV[2], 16)}",
    "return {pcall(string.gsub, ARGV[2]:sub(1, 24), ARGV[1]:sub(1, 12), '<%0>')}",
];

thread_local! {
    static BED: RefCell<Testbed> = RefCell::new(Testbed::unheard());
}

pub fn scripts(bytes: &[u8]) {
    let [which, cut, rest @ ..] = bytes else {
        return;
    };
    let (first, second) = rest.split_at(usize::from(*cut).min(rest.len()));
    let script = SCRIPTS[usize::from(*which) % SCRIPTS.len()].as_bytes();
    BED.with_borrow_mut(|bed| {
        let reply = bed.run_args(&[b"EVAL", script, b"0", first, second]);
        assert!(reply.ends_with(b"\r\n"), "a whole reply");
        let alive = bed.run_args(&[b"EVAL", b"return 1", b"0"]);
        assert_eq!(alive, b":1\r\n");
    });
}
