//! DEBUG DIGEST and DIGEST-VALUE: signatures of contents, identical to Redis's.
//!
//! Equal contents have equal signatures, whatever the encoding and table order; an empty server has
//! forty zeros. Of a key's expiry only the existence counts, not the time.

use russet_keyspace::{Db, DbIndex, TextBuffer};
use russet_server::{Call, CommandResult};
use russet_types::{Container, Signature, Type, for_container};

/// `DEBUG DIGEST`: simple string, forty hexadecimal digits. O(all elements).
pub(crate) fn digest(call: &mut Call<'_>) -> CommandResult {
    let keyspace = call.db.keyspace();
    let used: Vec<DbIndex> = keyspace.in_use().map(|(at, _)| at).collect();
    let mut all = Signature::default();
    for at in used {
        let db = keyspace.db(at);
        all.follow(&at.0.to_be_bytes());
        db.each_key(|key, kind| {
            let mut one = Signature::default();
            one.follow(key);
            sign(&mut one, &db, key, kind);
            all.join_signed(one);
        });
    }
    call.reply.simple(&all.hex());
    Ok(())
}

/// `DEBUG DIGEST-VALUE key [key ...]`: array of simple strings; zeros for a missing key.
pub(crate) fn digest_value(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.from(2);
    call.reply.array(keys.len());
    for key in keys.iter() {
        let mut signature = Signature::default();
        if let Some(info) = call.db.info(key) {
            sign(&mut signature, &call.db, key, info.kind);
        }
        call.reply.simple(&signature.hex());
    }
    Ok(())
}

/// Combines a live key's value, and whether the key has an expiry.
fn sign(signature: &mut Signature, db: &Db<'_>, key: &[u8], kind: Type) {
    signature.follow(&kind.number().to_be_bytes());
    // The type is the key's own, so the peek cannot fail.
    for_container!(
        kind,
        T => if let Ok(Some(value)) = db.peek::<T>(key) {
            value.sign(signature);
        },
        _ => if let Ok(Some(text)) = db.peek_string(key) {
            let mut buffer = TextBuffer::new();
            signature.follow(text.text(&mut buffer).unwrap_or(b"damaged"));
        },
    );
    if db.info(key).is_some_and(|info| info.expiry.is_some()) {
        signature.join(b"!!expire!!");
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Allowed;

    fn bed() -> Testbed {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        t
    }

    #[test]
    fn nothing_has_zeros() {
        let mut t = bed();
        let zeros = format!("+{}\r\n", "0".repeat(40));
        assert_eq!(t.run("DEBUG DIGEST"), zeros);
        assert_eq!(t.run("DEBUG DIGEST-VALUE nosuch"), format!("*1\r\n{zeros}"));
        assert_eq!(t.run("DEBUG DIGEST-VALUE"), "*0\r\n");
    }

    /// The figures could not be compared with the figures of other servers.
    #[test]
    fn signatures_are_those_of_redis() {
        let mut t = bed();
        for command in [
            "SET a 1 EX 1000",
            "RPUSH l 1 2 x",
            "SADD s a b 5",
            "ZADD z 1 a 0.1 b inf c",
            "HSET h f v g w",
            "HEXPIRE h 100 FIELDS 1 f",
        ] {
            t.run(command);
        }
        let values = [
            "5279988c5d1911f474bcbbf2f0a87012d40f8459",
            "e1d7d07e8d8757f75806e1e5164dea3d79092702",
            "71ad4a46f9f68ee54a39259abb02ae75970b6b02",
            "4f960eb28f390abd9c6586141501a96537f8e696",
            "355879033a5e790f0e021f3025ccea7312d9d282",
        ];
        let reported = values.map(|value| format!("+{value}\r\n")).concat();
        assert_eq!(
            t.run("DEBUG DIGEST-VALUE a l s z h"),
            format!("*5\r\n{reported}")
        );
        t.run("SELECT 3");
        t.run("SET k 1");
        let all = "b560156d256244222aec8a185295b4a510874f08";
        assert_eq!(t.run("DEBUG DIGEST"), format!("+{all}\r\n"));
    }

    /// Regression: `1e15` was signed as the integer that ZSCORE shows.
    #[test]
    fn scores_are_signed_as_in_redis() {
        let mut t = bed();
        t.run(
            "ZADD t 1e15 a 1e17 b 4611686018427387904 c 9007199254740993 d -0 e 1e5 f 1e7 g 1e8 h \
             123e6 i 123e7 j 123e9 k -1e300 l inf m 1e-5 n 1234567e7 o 12e8 p 12e9 q 0.1 r 3 s",
        );
        assert_eq!(
            t.run("DEBUG DIGEST-VALUE t"),
            "*1\r\n+557dafbc68c3c7b564a93768d10a137132d16844\r\n"
        );
    }

    #[test]
    fn contents_count_and_encodings_do_not() {
        let (mut a, mut b) = (bed(), bed());
        a.run("SET k 12345");
        b.run("SET k 1234");
        b.run("APPEND k 5");
        assert_eq!(a.run("DEBUG DIGEST"), b.run("DEBUG DIGEST"));
        b.run("EXPIRE k 100");
        b.run("SET k 12345 EX 100");
        let volatile = b.run("DEBUG DIGEST");
        assert_ne!(a.run("DEBUG DIGEST"), volatile);
        a.run("SET k 12345 EX 50");
        assert_eq!(a.run("DEBUG DIGEST"), volatile);
        b.run("SELECT 1");
        b.run("SET k 12345 EX 100");
        assert_ne!(b.run("DEBUG DIGEST"), volatile);
        assert_eq!(a.run("DEBUG DIGEST-VALUE k"), b.run("DEBUG DIGEST-VALUE k"));
    }
}
