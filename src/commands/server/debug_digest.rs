//! DEBUG DIGEST and DIGEST-VALUE: signatures of contents.
//!
//! Equal contents have equal signatures, however they are encoded and in whatever order
//! tables hold them; an empty server has forty zeros. A key's expiry counts by being there,
//! not by its time. The figures mean nothing to other servers.

use sha1::{Digest, Sha1};

use crate::base::float;
use crate::keyspace::{Db, DbIndex};
use crate::server::{Call, CommandResult};
use crate::types::{Hash, List, Set, Type, Zset};

/// Twenty bytes; parts whose order means nothing are joined by exclusive or.
type Signature = [u8; 20];

/// `DEBUG DIGEST`: simple string, forty hexadecimal digits. O(all elements).
pub(super) fn digest(call: &mut Call<'_>) -> CommandResult {
    let keyspace = call.db.keyspace();
    let used: Vec<DbIndex> = keyspace.in_use().map(|(at, _)| at).collect();
    let mut all = Signature::default();
    for at in used {
        let db = keyspace.db(at);
        db.each_key(|key, kind| {
            let place = at.0.to_be_bytes();
            join(&mut all, hash(&[&place, key, &value(&db, key, kind)]));
        });
    }
    call.reply.simple(&hex(all));
    Ok(())
}

/// `DEBUG DIGEST-VALUE key [key ...]`: array of simple strings; zeros for a missing key.
pub(super) fn digest_value(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.from(2);
    call.reply.array(keys.len());
    for key in keys.iter() {
        let kind = call.db.info(key).map(|info| info.kind);
        let signature = kind.map_or(Signature::default(), |kind| value(&call.db, key, kind));
        call.reply.simple(&hex(signature));
    }
    Ok(())
}

fn hex(signature: Signature) -> String {
    signature.iter().map(|b| format!("{b:02x}")).collect()
}

fn join(all: &mut Signature, part: Signature) {
    all.iter_mut().zip(part).for_each(|(a, b)| *a ^= b);
}

/// Of several parts, each with its length, so that no two lists of parts look alike.
fn hash(parts: &[&[u8]]) -> Signature {
    let mut state = Sha1::new();
    for part in parts {
        state.update((part.len() as u64).to_be_bytes());
        state.update(part);
    }
    state.finalize().into()
}

/// The signature of a live key's value. A key that is of another type has none.
fn value(db: &Db<'_>, key: &[u8], kind: Type) -> Signature {
    let content = match kind {
        Type::String => db
            .peek_string(key)
            .ok()
            .flatten()
            .map(|s| hash(&[&s.to_vec()])),
        Type::List => db.peek::<List>(key).ok().flatten().map(|l| list(&l)),
        Type::Set => db.peek::<Set>(key).ok().flatten().map(|s| set(&s)),
        Type::Zset => db.peek::<Zset>(key).ok().flatten().map(|z| zset(&z)),
        Type::Hash => {
            let now = db.now_ms() as u64;
            db.peek::<Hash>(key).ok().flatten().map(|h| fields(&h, now))
        }
        Type::Stream => None,
    };
    let volatile = db.info(key).is_some_and(|info| info.expiry.is_some());
    let content = content.unwrap_or_default();
    hash(&[&[kind as u8, volatile as u8], &content])
}

fn list(list: &List) -> Signature {
    let mut all = Signature::default();
    list.visit(0, usize::MAX, false, |entry| {
        // Each hash takes in the ones before it: the order counts.
        all = hash(&[&all, entry.bytes(&mut itoa::Buffer::new())]);
        true
    });
    all
}

fn set(set: &Set) -> Signature {
    let mut all = Signature::default();
    set.visit(|entry| {
        join(&mut all, hash(&[entry.bytes(&mut itoa::Buffer::new())]));
        true
    });
    all
}

fn zset(zset: &Zset) -> Signature {
    let mut all = Signature::default();
    zset.visit(0, usize::MAX, false, |score, entry| {
        let mut text = Vec::new();
        float::write_double(&mut text, score);
        join(
            &mut all,
            hash(&[entry.bytes(&mut itoa::Buffer::new()), &text]),
        );
        true
    });
    all
}

fn fields(hash_value: &Hash, now_ms: u64) -> Signature {
    let mut all = Signature::default();
    hash_value.visit(|field| {
        if !field.expired(now_ms) {
            let (mut a, mut b) = (itoa::Buffer::new(), itoa::Buffer::new());
            let volatile = [field.expire_ms.is_some() as u8];
            let parts = [
                field.name.bytes(&mut a),
                field.value.bytes(&mut b),
                &volatile,
            ];
            join(&mut all, hash(&parts));
        }
        true
    });
    all
}

#[cfg(test)]
mod tests {
    use crate::config::Allowed;
    use crate::server::Testbed;

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

    #[test]
    fn contents_tell_and_encodings_do_not() {
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
